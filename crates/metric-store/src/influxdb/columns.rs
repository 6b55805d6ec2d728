//! The series of an answer and their values, put together from records.

use ahash::HashMap;
use sentinel_model::{Field, Labels, MatchOp, Selector, Sketch, Timestamp};

use super::csv::{CsvError, Header, Record, millis};
use super::shape::{Column, Point, read_sketch_text, value};
use super::text::{column, label, original};

/// Columns of an answer that are no labels.
const OWN: [&str; 3] = ["_time", "_value", "_field"];

/// Reads the labels of records. Records of one series mostly come one after the other.
#[derive(Debug, Default)]
pub(crate) struct SeriesReader {
    /// Labels that every series of the answer has, by the selector, and that are left out of it.
    pinned: Vec<(String, String)>,
    header: usize,
    tags: Vec<(usize, String)>,
    /// Tags of a record as they came, each after its length, behind the number of the header.
    key: Vec<u8>,
    /// The same of the record before, and its series.
    before: Option<(Vec<u8>, Option<usize>)>,
    by_key: HashMap<Vec<u8>, Option<usize>>,
    by_labels: HashMap<Labels, usize>,
    pub(crate) labels: Vec<Labels>,
}

impl SeriesReader {
    /// Leaves out labels whose value the selector gives.
    pub(crate) fn new(selector: &Selector) -> Self {
        let equal = selector.matchers().iter().filter(|matcher| matcher.op() == MatchOp::Equal);
        let mut pinned: Vec<(String, String)> = equal
            .filter(|matcher| !matcher.value().is_empty())
            .map(|matcher| (matcher.name().to_owned(), matcher.value().to_owned()))
            .collect();
        pinned.sort();
        // A label that is to have two values has none of them.
        pinned.dedup_by(|a, b| a.0 == b.0);
        Self { pinned, ..Self::default() }
    }

    /// Columns that need not be sent.
    pub(crate) fn dropped(&self) -> Vec<String> {
        let own = ["_start", "_stop"].map(str::to_owned);
        own.into_iter().chain(self.pinned.iter().map(|(name, _)| column(name))).collect()
    }

    /// The number of a record's series; `None` if the selector does not choose it.
    ///
    /// # Errors
    /// Labels that cannot be ours.
    pub(crate) fn series(
        &mut self,
        selector: &Selector,
        header: &Header,
        record: Record<'_>,
    ) -> Result<Option<usize>, CsvError> {
        if self.header != header.number {
            self.header = header.number;
            let tags = header.names().iter().enumerate().filter(|(_, name)| !OWN.contains(&name.as_str()));
            self.tags = tags.map(|(n, name)| (n, label(name).into_owned())).collect();
        }
        self.key.clear();
        self.key.extend_from_slice(&header.number.to_le_bytes());
        for (n, _) in &self.tags {
            let bytes = record.bytes(*n);
            self.key.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            self.key.extend_from_slice(bytes);
        }
        if let Some((key, series)) = &self.before
            && *key == self.key
        {
            return Ok(*series);
        }
        let series = match self.by_key.get(&self.key) {
            Some(series) => *series,
            None => {
                let series = self.new_series(selector, record)?;
                self.by_key.insert(self.key.clone(), series);
                series
            }
        };
        self.before = Some((self.key.clone(), series));
        Ok(series)
    }

    fn new_series(&mut self, selector: &Selector, record: Record<'_>) -> Result<Option<usize>, CsvError> {
        let mut pairs: Vec<(String, String)> = self.pinned.clone();
        for (n, name) in &self.tags {
            pairs.push((name.clone(), original(record.column(*n)?).into_owned()));
        }
        let labels = Labels::from_pairs(pairs).map_err(|_| CsvError::Malformed("a label comes twice"))?;
        if !selector.matches(&labels) {
            return Ok(None);
        }
        let next = self.labels.len();
        let number = *self.by_labels.entry(labels.clone()).or_insert(next);
        if number == next {
            self.labels.push(labels);
        }
        Ok(Some(number))
    }
}

/// The values of one series, by column, each with its time in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    numbers: Vec<(Column, Vec<(i64, u64)>)>,
    sketches: Vec<(i64, Sketch)>,
}

/// One instant of a series.
struct At<'a> {
    values: &'a Values,
    ms: i64,
}

impl Values {
    pub(crate) fn add(&mut self, column: Column, ms: i64, text: &str) -> Result<(), CsvError> {
        if column == Column::Sketch {
            let sketch = read_sketch_text(text).ok_or(CsvError::Malformed("a sketch is not ours"))?;
            self.sketches.push((ms, sketch));
            return Ok(());
        }
        let number = match column.is_float() {
            true => text.parse::<f64>().ok().map(f64::to_bits),
            false => text.parse::<i64>().ok().map(|integer| integer as u64),
        };
        let number = number.ok_or(CsvError::Malformed("a value is no number"))?;
        let at = self.numbers.iter().position(|(known, _)| *known == column).unwrap_or_else(|| {
            self.numbers.push((column, Vec::new()));
            self.numbers.len() - 1
        });
        self.numbers[at].1.push((ms, number));
        Ok(())
    }

    /// The asked numbers in order of time.
    pub(crate) fn points(&mut self, field: Field) -> Vec<(Timestamp, f64)> {
        for (_, numbers) in &mut self.numbers {
            if !numbers.is_sorted_by_key(|(ms, _)| *ms) {
                numbers.sort_by_key(|(ms, _)| *ms);
            }
        }
        self.sketches.sort_by_key(|(ms, _)| *ms);
        let driver = Column::needed(field)[0];
        let point = |(ms, _): &(i64, u64)| {
            Some((Timestamp::from_millis(*ms), value(&At { values: self, ms: *ms }, field)?))
        };
        self.column(driver).iter().filter_map(point).collect()
    }

    fn column(&self, column: Column) -> &[(i64, u64)] {
        let found = self.numbers.iter().find(|(known, _)| *known == column);
        found.map(|(_, numbers)| numbers.as_slice()).unwrap_or_default()
    }
}

impl Point for At<'_> {
    fn number(&self, column: Column) -> Option<u64> {
        let numbers = self.values.column(column);
        numbers.binary_search_by_key(&self.ms, |(ms, _)| *ms).ok().map(|at| numbers[at].1)
    }

    fn sketch(&self) -> Option<Sketch> {
        let sketches = &self.values.sketches;
        let at = sketches.binary_search_by_key(&self.ms, |(ms, _)| *ms).ok()?;
        Some(sketches[at].1.clone())
    }
}

/// Where the parts of a record are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places {
    header: usize,
    time: usize,
    value: usize,
    field: usize,
}

impl Places {
    /// A record's column, time and value; `None` for a field that is not ours.
    ///
    /// # Errors
    /// A record without them.
    pub(crate) fn read<'a>(
        &mut self,
        header: &Header,
        record: Record<'a>,
    ) -> Result<Option<(Column, i64, &'a str)>, CsvError> {
        if self.header != header.number {
            let [time, value, field] = OWN.map(|name| header.find(name));
            *self = Self { header: header.number, time: time?, value: value?, field: field? };
        }
        let Some(column) = Column::of(record.column(self.field)?) else { return Ok(None) };
        let ms = millis(record.bytes(self.time)).ok_or(CsvError::Malformed("a time is none"))?;
        Ok(Some((column, ms, record.column(self.value)?)))
    }
}
