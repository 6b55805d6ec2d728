//! Which series a selector chooses: sorted lists, intersected and subtracted.

use std::borrow::Cow;

use sentinel_model::{LabelMatcher, MatchOp, Selector};

use super::Index;

type Numbers<'a> = Cow<'a, [u32]>;

/// What one matcher demands.
enum Demand<'a> {
    /// Only these.
    Only(Numbers<'a>),
    /// All but these: the matcher accepts series without the label.
    Without(Numbers<'a>),
}

impl Index {
    /// Numbers of the chosen series, ascending.
    pub(crate) fn select(&self, selector: &Selector) -> Vec<u32> {
        let (mut only, mut without) = (Vec::new(), Vec::new());
        for matcher in selector.matchers() {
            match self.demand(matcher) {
                Demand::Only(numbers) => only.push(numbers),
                Demand::Without(numbers) => without.push(numbers),
            }
        }
        only.sort_by_key(|numbers| numbers.len());
        let mut only = only.into_iter();
        let mut chosen = only.next().unwrap_or(Cow::Borrowed(&self.all)).into_owned();
        for numbers in only {
            keep(&mut chosen, &numbers, true);
        }
        for numbers in without {
            keep(&mut chosen, &numbers, false);
        }
        chosen
    }

    fn demand(&self, matcher: &LabelMatcher) -> Demand<'_> {
        let accepts_absent = matcher.accepts("");
        let Some(values) = self.symbols.find(matcher.name()).and_then(|name| self.postings.get(&name)) else {
            return if accepts_absent {
                Demand::Without(Cow::Borrowed(&[]))
            } else {
                Demand::Only(Cow::Borrowed(&[]))
            };
        };
        if matcher.op() == MatchOp::Equal && !accepts_absent {
            let numbers = self.symbols.find(matcher.value()).and_then(|value| values.get(&value));
            return Demand::Only(Cow::Borrowed(numbers.map_or(&[], Vec::as_slice)));
        }
        // Expressions see each distinct value once, however many series have it.
        let lists: Vec<&[u32]> = values
            .iter()
            .filter(|(value, _)| matcher.accepts(self.symbols.text(**value)) != accepts_absent)
            .map(|(_, numbers)| numbers.as_slice())
            .collect();
        let numbers = match lists.as_slice() {
            [one] => Cow::Borrowed(*one),
            many => {
                let mut union = many.concat();
                union.sort_unstable();
                Cow::Owned(union)
            }
        };
        if accepts_absent { Demand::Without(numbers) } else { Demand::Only(numbers) }
    }
}

/// Keeps those that are (or are not) among `others`; both ascend.
fn keep(chosen: &mut Vec<u32>, others: &[u32], among: bool) {
    let mut rest = others;
    chosen.retain(|number| {
        rest = &rest[n_below(rest, *number)..];
        (rest.first() == Some(number)) == among
    });
}

/// How many of these are below a number, likely few: by steps that double, then by halving.
fn n_below(numbers: &[u32], number: u32) -> usize {
    let mut step = 1;
    while step < numbers.len() && numbers[step] < number {
        step *= 2;
    }
    let (low, high) = (step / 2, (step + 1).min(numbers.len()));
    low + numbers[low..high].partition_point(|other| *other < number)
}
