//! A column of doubles of which only those are written that other columns do not foretell.

use super::floats::Segments;
use super::misses::Misses;
use crate::embedded::codec::{CodecError, Reader};

#[derive(Debug, Default)]
pub(crate) struct Column {
    misses: Misses,
    written: Segments,
    /// Where each series starts among the flags and among the written values. Only when read.
    starts: Vec<(usize, usize)>,
}

/// The values of one series, in order.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    flags: &'a [bool],
    values: &'a [f64],
}

// === impl Column ===

impl Column {
    pub(crate) fn start_series(&mut self) {
        self.misses.start_series();
        self.written.lengths.push(0);
    }

    pub(crate) fn push(&mut self, value: f64, foretold: Option<f64>) {
        let is_hit =
            foretold.is_some_and(|foretold| !foretold.is_nan() && foretold.to_bits() == value.to_bits());
        self.misses.push(!is_hit);
        if is_hit {
            return;
        }
        self.written.values.push(value);
        if let Some(length) = self.written.lengths.last_mut() {
            *length += 1;
        }
    }

    pub(crate) fn put(&self, meta: &mut Vec<u8>, data: &mut Vec<u8>) {
        self.misses.put(meta, data);
        self.written.put(meta, data);
    }

    /// `lengths`: values of each series, foretold ones included.
    pub(crate) fn read(
        meta: &mut Reader<'_>,
        data: &mut Reader<'_>,
        lengths: Vec<usize>,
    ) -> Result<Self, CodecError> {
        let misses = Misses::read(meta, data, lengths)?;
        let written = Segments::read(meta, data, misses.n_missed())?;
        let (mut flag, mut value) = (0, 0);
        let starts = misses
            .lengths
            .iter()
            .zip(&written.lengths)
            .map(|(n_flags, n_values)| {
                let start = (flag, value);
                flag += n_flags;
                value += n_values;
                start
            })
            .collect();
        Ok(Self { misses, written, starts })
    }

    /// Empty for a column that was not read.
    pub(crate) fn cursor(&self, at: usize) -> Cursor<'_> {
        match self.starts.get(at) {
            Some((flag, value)) => Cursor {
                flags: self.misses.flags.get(*flag..).unwrap_or_default(),
                values: self.written.values.get(*value..).unwrap_or_default(),
            },
            None => Cursor { flags: &[], values: &[] },
        }
    }
}

// === impl Cursor ===

impl Cursor<'_> {
    /// The next value; what is foretold when the column was not read.
    pub(crate) fn next(&mut self, foretold: f64) -> f64 {
        let is_missed = self.flags.split_off_first().is_some_and(|flag| *flag);
        if is_missed { self.values.split_off_first().copied().unwrap_or(foretold) } else { foretold }
    }
}
