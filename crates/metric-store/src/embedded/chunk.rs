//! A chunk: the windows of many series over one span of time, by column. Written once, replaced whole.
//!
//! `checksum | version | packed description | columns`. The description holds the series, which
//! windows each of them has, the shape of each value and how each column is coded, and the length of
//! each column, so that a reader unpacks only those that it needs.

mod column;
mod decimals;
mod decode;
mod encode;
mod floats;
pub(crate) mod foretold;
mod header;
mod integers;
mod misses;
mod sketches;

use sentinel_model::{Aggregate, Field};

pub(crate) use decode::Chunk;
pub(crate) use encode::encode;

const VERSION: u8 = 1;

/// Values of one series by window (counted from the start of the span), ascending.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeriesRows {
    pub(crate) number: u32,
    pub(crate) rows: Vec<(u32, Aggregate)>,
}

/// In the order in which they are written: each is foretold from those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum ColumnKind {
    Count,
    Last,
    Min,
    Max,
    Sum,
    M2,
    Increase,
    Sketch,
}

const N_COLUMNS: usize = 8;

/// A set of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Columns(u8);

// === impl Columns ===

impl Columns {
    pub(crate) const ALL: Self = Self(u8::MAX);

    /// Those that answer the field.
    pub(crate) const fn of(field: Field) -> Self {
        use ColumnKind::{Count, Increase, Last, M2, Max, Min, Sketch, Sum};
        match field {
            Field::Count | Field::Last => Self::set(&[Count, Last]),
            Field::Min => Self::set(&[Count, Last, Min]),
            Field::Max => Self::set(&[Count, Last, Max]),
            Field::Sum | Field::Avg => Self::set(&[Count, Last, Min, Max, Sum]),
            Field::Stddev => Self::set(&[Count, Last, Min, Max, M2]),
            Field::Increase => Self::set(&[Count, Last, Increase]),
            Field::P50 | Field::P90 | Field::P95 | Field::P99 => Self::set(&[Count, Last, Min, Max, Sketch]),
        }
    }

    const fn set(kinds: &[ColumnKind]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < kinds.len() {
            bits |= 1 << kinds[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    const fn holds(self, kind: ColumnKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

#[cfg(test)]
mod tests;
