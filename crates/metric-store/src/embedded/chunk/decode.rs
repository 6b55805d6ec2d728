//! Chunk → rows, unpacking only the columns that are asked for.

use std::ops::Range;

use sentinel_model::{Aggregate, Summary};

use super::column::Column;
use super::header::{Header, INCREASE, SINGLE, SKETCH, SUMMARY};
use super::integers::read_integers;
use super::sketches::Sketches;
use super::{ColumnKind, Columns, N_COLUMNS, VERSION, foretold};
use crate::embedded::codec::{CodecError, Reader, unseal};

/// One opened chunk.
#[derive(Debug)]
pub(crate) struct Chunk<B> {
    bytes: B,
    header: Header,
    meta: Vec<u8>,
    /// Of each column: its description in `meta` and its data in `bytes`.
    places: [(Range<usize>, Range<usize>); N_COLUMNS],
    loaded: u8,
    counts: Vec<u64>,
    count_starts: Vec<usize>,
    last: Column,
    min: Column,
    max: Column,
    sum: Column,
    m2: Column,
    increase: Column,
    sketches: Sketches,
}

impl<B: AsRef<[u8]>> Chunk<B> {
    /// Reads the description only.
    pub(crate) fn open(bytes: B) -> Result<Self, CodecError> {
        let whole = bytes.as_ref();
        let body = unseal(whole)?;
        let mut reader = Reader::new(body);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(CodecError::Version { found: version });
        }
        let meta = reader.packed()?;
        let mut meta_reader = Reader::new(&meta);
        let header = Header::read(&mut meta_reader)?;
        let mut data_at = whole.len() - reader.rest().len();
        let mut places = [const { (0..0, 0..0) }; N_COLUMNS];
        for place in &mut places {
            let own_meta = meta_reader.section()?;
            let meta_end = meta.len() - meta_reader.rest().len();
            let n_data = meta_reader.bounded(whole.len() - data_at, "column")?;
            *place = (meta_end - own_meta.len()..meta_end, data_at..data_at + n_data);
            data_at += n_data;
        }
        Ok(Self {
            bytes,
            header,
            meta,
            places,
            loaded: 0,
            counts: Vec::new(),
            count_starts: Vec::new(),
            last: Column::default(),
            min: Column::default(),
            max: Column::default(),
            sum: Column::default(),
            m2: Column::default(),
            increase: Column::default(),
            sketches: Sketches::default(),
        })
    }

    /// Numbers of its series, ascending.
    pub(crate) fn numbers(&self) -> &[u32] {
        &self.header.numbers
    }

    /// Windows of the series at this place, ascending.
    pub(crate) fn windows(&self, at: usize) -> impl Iterator<Item = u32> + '_ {
        self.header.windows(at)
    }

    /// Unpacks columns, if they are not unpacked yet.
    pub(crate) fn load(&mut self, columns: Columns) -> Result<(), CodecError> {
        use ColumnKind::{Count, Increase, Last, M2, Max, Min, Sketch, Sum};
        for kind in [Count, Last, Min, Max, Sum, M2, Increase, Sketch] {
            if columns.holds(kind) && !Columns(self.loaded).holds(kind) {
                self.load_one(kind)?;
                self.loaded |= 1 << kind as u8;
            }
        }
        Ok(())
    }

    fn load_one(&mut self, kind: ColumnKind) -> Result<(), CodecError> {
        let (meta, data) = &self.places[kind as usize];
        let mut meta = Reader::new(&self.meta[meta.clone()]);
        let mut data = Reader::new(&self.bytes.as_ref()[data.clone()]);
        let counts = |bits| self.header.counts(bits);
        match kind {
            ColumnKind::Count => {
                let lengths = counts(SUMMARY);
                let steps = read_integers(&mut data, lengths.iter().sum())?;
                self.counts =
                    running(steps.into_iter(), i64::wrapping_add).map(|count| count as u64).collect();
                self.count_starts =
                    std::iter::once(0).chain(running(lengths.into_iter(), |a, b| a + b)).collect();
            }
            ColumnKind::Last => self.last = Column::read(&mut meta, &mut data, counts(SINGLE))?,
            ColumnKind::Min => self.min = Column::read(&mut meta, &mut data, counts(SUMMARY))?,
            ColumnKind::Max => self.max = Column::read(&mut meta, &mut data, counts(SUMMARY))?,
            ColumnKind::Sum => self.sum = Column::read(&mut meta, &mut data, counts(SUMMARY))?,
            ColumnKind::M2 => self.m2 = Column::read(&mut meta, &mut data, counts(SUMMARY))?,
            ColumnKind::Increase => {
                self.increase = Column::read(&mut meta, &mut data, counts(SUMMARY | INCREASE))?;
            }
            ColumnKind::Sketch => {
                self.sketches = Sketches::read(&mut meta, &mut data, &counts(SUMMARY | SKETCH))?;
            }
        }
        Ok(())
    }

    /// Rows of the series at this place. Columns that were not loaded are guessed: load what you read.
    pub(crate) fn rows(&self, at: usize) -> Vec<(u32, Aggregate)> {
        let mut counts =
            self.counts.iter().skip(self.count_starts.get(at).copied().unwrap_or_default()).copied();
        let (mut last, mut min, mut max) = (self.last.cursor(at), self.min.cursor(at), self.max.cursor(at));
        let (mut sum, mut m2) = (self.sum.cursor(at), self.m2.cursor(at));
        let (mut increase, mut sketches) = (self.increase.cursor(at), self.sketches.of(at));
        let mut before = None;
        let mut rows = Vec::with_capacity(self.header.n_rows_of(at));
        for (row, window) in self.header.windows(at).enumerate() {
            let shape = self.header.shape(at, row);
            let value = last.next(0.0);
            if shape & SUMMARY == 0 {
                rows.push((window, Aggregate::Single(value)));
            } else {
                let mut summary = Summary {
                    count: counts.next().unwrap_or_default(),
                    sum: 0.0,
                    min: min.next(value),
                    max: max.next(value),
                    last: value,
                    m2: 0.0,
                    increase: None,
                    sketch: None,
                };
                summary.sum = sum.next(foretold::sum(&summary));
                summary.m2 = m2.next(foretold::m2(&summary));
                if shape & INCREASE != 0 {
                    summary.increase = Some(increase.next(foretold::increase(before, value)));
                }
                if shape & SKETCH != 0 {
                    summary.sketch = sketches.next().cloned();
                }
                rows.push((window, Aggregate::Summary(Box::new(summary))));
            }
            before = Some(value);
        }
        rows
    }
}

/// Sums of all values up to each one.
fn running<T: Copy + Default>(
    values: impl Iterator<Item = T>,
    add: fn(T, T) -> T,
) -> impl Iterator<Item = T> {
    values.scan(T::default(), move |sum, value| {
        *sum = add(*sum, value);
        Some(*sum)
    })
}
