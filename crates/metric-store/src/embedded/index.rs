//! Series by their labels, in memory: each text once, each series as pairs of numbers, and for each
//! label and value the sorted list of series that have it.

mod select;
mod symbols;

use std::cmp::Ordering;

use ahash::{HashMap, HashSet};
use sentinel_model::{Labels, METRIC_NAME, MetricKind, Selector, Series, SeriesId};

use crate::MetricName;
use symbols::{Symbol, Symbols};

/// Series are numbered in order of arrival; a number is never used again.
#[derive(Debug, Default)]
pub(crate) struct Index {
    symbols: Symbols,
    entries: HashMap<u32, Entry>,
    ids: HashMap<SeriesId, u32>,
    /// Name → value → numbers, ascending.
    postings: HashMap<Symbol, HashMap<Symbol, Vec<u32>>>,
    /// All numbers, ascending.
    all: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    id: SeriesId,
    kind: MetricKind,
    /// In order of the names' text.
    pairs: Box<[(Symbol, Symbol)]>,
    newest: NewestSpans,
}

/// Start of the newest span in which a series has a window, by resolution.
pub(crate) type NewestSpans = [Option<i64>; 4];

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn find(&self, id: SeriesId) -> Option<u32> {
        self.ids.get(&id).copied()
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        self.entries.contains_key(&number)
    }

    pub(crate) fn kind(&self, number: u32) -> MetricKind {
        self.entries.get(&number).map(|entry| entry.kind).unwrap_or_default()
    }

    /// Adds a series or corrects the kind of one that is there.
    pub(crate) fn define(&mut self, number: u32, id: SeriesId, series: &Series) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.kind = series.kind;
            return;
        }
        let symbols = &mut self.symbols;
        let pairs: Box<[_]> =
            series.labels.iter().map(|(name, value)| (symbols.add(name), symbols.add(value))).collect();
        for (name, value) in &pairs {
            insert(self.postings.entry(*name).or_default().entry(*value).or_default(), number);
        }
        insert(&mut self.all, number);
        self.ids.insert(id, number);
        self.entries.insert(number, Entry { id, kind: series.kind, pairs, newest: NewestSpans::default() });
    }

    /// Notes that a series has a window in this span.
    pub(crate) fn touch(&mut self, number: u32, resolution: usize, span_start: i64) {
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.newest[resolution] = entry.newest[resolution].max(Some(span_start));
        }
    }

    pub(crate) fn newest(&self, number: u32, resolution: usize) -> Option<i64> {
        self.entries.get(&number).and_then(|entry| entry.newest[resolution])
    }

    /// Removes the series that have no window at or after these spans in any resolution.
    pub(crate) fn forget_before(&mut self, first_kept: [i64; 4]) -> usize {
        let mut dead = HashSet::default();
        for (number, entry) in &mut self.entries {
            for (newest, first_kept) in entry.newest.iter_mut().zip(first_kept) {
                *newest = newest.filter(|start| *start >= first_kept);
            }
            if entry.newest == NewestSpans::default() {
                dead.insert(*number);
            }
        }
        let mut touched = HashSet::default();
        for number in &dead {
            if let Some(entry) = self.entries.remove(number) {
                self.ids.remove(&entry.id);
                touched.extend(entry.pairs.iter().copied());
                for (name, value) in &entry.pairs {
                    self.symbols.remove(*name);
                    self.symbols.remove(*value);
                }
            }
        }
        self.all.retain(|number| !dead.contains(number));
        for (name, value) in touched {
            let Some(values) = self.postings.get_mut(&name) else { continue };
            if let Some(numbers) = values.get_mut(&value) {
                numbers.retain(|number| !dead.contains(number));
                if numbers.is_empty() {
                    values.remove(&value);
                }
            }
            if values.is_empty() {
                self.postings.remove(&name);
            }
        }
        dead.len()
    }

    pub(crate) fn series(&self, number: u32) -> Option<Series> {
        let entry = self.entries.get(&number)?;
        let pairs = entry.pairs.iter().map(|pair| self.texts(pair));
        let labels = Labels::from_pairs(pairs).expect("they were unique labels when they came");
        Some(Series { labels, kind: entry.kind })
    }

    /// Puts series into the order of their labels and keeps the first ones.
    pub(crate) fn sort(&self, numbers: &mut Vec<u32>, limit: usize) {
        if limit < numbers.len() {
            numbers.select_nth_unstable_by(limit, |a, b| self.compare(*a, *b));
            numbers.truncate(limit);
        }
        numbers.sort_unstable_by(|a, b| self.compare(*a, *b));
    }

    pub(crate) fn names(&self) -> Vec<MetricName> {
        let values = self.symbols.find(METRIC_NAME).and_then(|name| self.postings.get(&name));
        let name = |(value, numbers): (&Symbol, &Vec<u32>)| {
            let kinds = numbers.iter().map(|number| self.kind(*number));
            MetricName {
                name: self.symbols.text(*value).to_owned(),
                kind: kinds.max().unwrap_or_default(),
                n_series: numbers.len(),
            }
        };
        let mut names: Vec<_> = values.into_iter().flatten().map(name).collect();
        names.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        names
    }

    pub(crate) fn label_names(&self, selector: &Selector) -> Vec<String> {
        if selector.matchers().is_empty() {
            return self.sorted_texts(self.postings.keys().copied());
        }
        let chosen = self.select(selector);
        let names: HashSet<_> =
            self.entries_of(&chosen).flat_map(|entry| entry.pairs.iter().map(|(name, _)| *name)).collect();
        self.sorted_texts(names.into_iter())
    }

    pub(crate) fn label_values(&self, label: &str, selector: &Selector, limit: usize) -> Vec<String> {
        let Some(label) = self.symbols.find(label) else { return Vec::new() };
        let mut values = if selector.matchers().is_empty() {
            self.sorted_texts(self.postings.get(&label).into_iter().flat_map(|values| values.keys().copied()))
        } else {
            let chosen = self.select(selector);
            let values: HashSet<_> = self
                .entries_of(&chosen)
                .filter_map(|entry| entry.pairs.iter().find(|(name, _)| *name == label))
                .map(|(_, value)| *value)
                .collect();
            self.sorted_texts(values.into_iter())
        };
        values.truncate(limit);
        values
    }

    fn entries_of<'a>(&'a self, numbers: &'a [u32]) -> impl Iterator<Item = &'a Entry> {
        numbers.iter().filter_map(|number| self.entries.get(number))
    }

    fn sorted_texts(&self, symbols: impl Iterator<Item = Symbol>) -> Vec<String> {
        let mut texts: Vec<_> = symbols.map(|symbol| self.symbols.text(symbol).to_owned()).collect();
        texts.sort_unstable();
        texts
    }

    /// As [`Labels`] compare.
    fn compare(&self, a: u32, b: u32) -> Ordering {
        let (Some(a), Some(b)) = (self.entries.get(&a), self.entries.get(&b)) else { return a.cmp(&b) };
        let differing = a.pairs.iter().zip(&b.pairs).find(|(a, b)| a != b);
        differing
            .map_or_else(|| a.pairs.len().cmp(&b.pairs.len()), |(a, b)| self.texts(a).cmp(&self.texts(b)))
    }

    fn texts(&self, (name, value): &(Symbol, Symbol)) -> (&str, &str) {
        (self.symbols.text(*name), self.symbols.text(*value))
    }
}

/// Numbers ascend as they come, so that this is a push but for what is read back after a restart.
fn insert(numbers: &mut Vec<u32>, number: u32) {
    if numbers.last().is_none_or(|last| *last < number) {
        numbers.push(number);
    } else if let Err(at) = numbers.binary_search(&number) {
        numbers.insert(at, number);
    }
}

#[cfg(test)]
mod tests;
