//! A window's aggregate as fields of a point, and back.
//!
//! InfluxDB merges the fields of a point that is written again, so each write says in `shape` which of
//! the others belong to it; what it does not name is left over from before and ignored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sentinel_model::{Aggregate, Field, Sketch, Summary};

use crate::embedded::codec::Reader;
use crate::embedded::row::{put_sketch, read_sketch};

/// Bits of `shape`. 0: one sample, `last`.
const SUMMARY: i64 = 1;
/// `count`, `sum`, `min`, `max` and `m2` are there. Without it there was one sample, or several windows
/// of one whose sum, minimum and maximum it is.
const SPREAD: i64 = 2;
const INCREASE: i64 = 4;
const SKETCH: i64 = 8;
/// A summary without samples.
const EMPTY: i64 = 16;

/// Line protocol has no NaN and no infinities: this stands for them, and the exact value is in the integer
/// `<field>_bits`. (So is the exact value of this number itself.)
const IN_BITS: f64 = f64::MAX;
/// In `last` alone: there is no last value.
const NOTHING: f64 = f64::MIN;

/// A field of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Shape,
    Last,
    LastBits,
    Count,
    Sum,
    SumBits,
    Min,
    MinBits,
    Max,
    MaxBits,
    M2,
    M2Bits,
    Increase,
    IncreaseBits,
    Sketch,
}

impl Column {
    pub(crate) const ALL: [Self; 15] = [
        Self::Shape,
        Self::Last,
        Self::LastBits,
        Self::Count,
        Self::Sum,
        Self::SumBits,
        Self::Min,
        Self::MinBits,
        Self::Max,
        Self::MaxBits,
        Self::M2,
        Self::M2Bits,
        Self::Increase,
        Self::IncreaseBits,
        Self::Sketch,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::Last => "last",
            Self::LastBits => "last_bits",
            Self::Count => "count",
            Self::Sum => "sum",
            Self::SumBits => "sum_bits",
            Self::Min => "min",
            Self::MinBits => "min_bits",
            Self::Max => "max",
            Self::MaxBits => "max_bits",
            Self::M2 => "m2",
            Self::M2Bits => "m2_bits",
            Self::Increase => "increase",
            Self::IncreaseBits => "increase_bits",
            Self::Sketch => "sketch",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    /// Whether its values are floats in InfluxDB. (Others are integers, the sketch is text.)
    pub(crate) const fn is_float(self) -> bool {
        matches!(self, Self::Last | Self::Sum | Self::Min | Self::Max | Self::M2 | Self::Increase)
    }

    /// What must be read for one number. The first of them is in every point.
    pub(crate) const fn needed(field: Field) -> &'static [Self] {
        match field {
            Field::Last => &[Self::Last, Self::LastBits],
            Field::Count => &[Self::Shape, Self::Count],
            Field::Increase => &[Self::Shape, Self::Increase, Self::IncreaseBits],
            Field::Stddev => &[Self::Shape, Self::Count, Self::M2, Self::M2Bits],
            Field::Sum => &[Self::Shape, Self::Last, Self::LastBits, Self::Sum, Self::SumBits],
            Field::Min => &[Self::Shape, Self::Last, Self::LastBits, Self::Min, Self::MinBits],
            Field::Max => &[Self::Shape, Self::Last, Self::LastBits, Self::Max, Self::MaxBits],
            Field::Avg => &[Self::Shape, Self::Last, Self::LastBits, Self::Sum, Self::SumBits, Self::Count],
            Field::P50 | Field::P90 | Field::P95 | Field::P99 => &[
                Self::Shape,
                Self::Last,
                Self::LastBits,
                Self::Min,
                Self::MinBits,
                Self::Max,
                Self::MaxBits,
                Self::Sketch,
            ],
        }
    }
}

// === Writing ===

/// Adds the fields of a point, such as `last=1,shape=0i`.
pub(crate) fn put_fields(out: &mut Vec<u8>, aggregate: &Aggregate) {
    let summary = match aggregate {
        Aggregate::Single(value) => {
            put_float(out, "last", *value);
            out.extend_from_slice(b",shape=0i");
            return;
        }
        Aggregate::Summary(summary) => summary,
    };
    let mut shape = SUMMARY;
    if summary.count == 0 {
        shape |= EMPTY;
        put_number(out, "last", NOTHING);
    } else {
        put_float(out, "last", summary.last);
    }
    if !is_flat(summary) {
        shape |= SPREAD;
        put_integer(out, ",count", summary.count as i64);
        let floats =
            [(",sum", summary.sum), (",min", summary.min), (",max", summary.max), (",m2", summary.m2)];
        floats.iter().for_each(|(name, value)| put_float(out, name, *value));
    }
    if let Some(increase) = summary.increase {
        shape |= INCREASE;
        put_float(out, ",increase", increase);
    }
    if let Some(sketch) = &summary.sketch {
        shape |= SKETCH;
        out.extend_from_slice(b",sketch=\"");
        out.extend_from_slice(sketch_text(sketch).as_bytes());
        out.push(b'"');
    }
    put_integer(out, ",shape", shape);
}

/// Counters that are read once in a window are like this: most of all windows.
fn is_flat(summary: &Summary) -> bool {
    let is_last = |value: f64| value.to_bits() == summary.last.to_bits();
    summary.count == 1
        && [summary.sum, summary.min, summary.max].into_iter().all(is_last)
        && summary.m2.to_bits() == 0
}

fn put_float(out: &mut Vec<u8>, name: &str, value: f64) {
    if value.is_finite() && value.abs() < f64::MAX {
        put_number(out, name, value);
        return;
    }
    put_number(out, name, IN_BITS);
    if !name.starts_with(',') {
        out.push(b',');
    }
    out.extend_from_slice(name.as_bytes());
    put_integer(out, "_bits", value.to_bits() as i64);
}

/// The shortest text that reads back as the same number; whole numbers without a fraction.
fn put_number(out: &mut Vec<u8>, name: &str, value: f64) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    let is_whole = value.trunc() == value && value.abs() < EXACT;
    if is_whole && (value != 0.0 || value.is_sign_positive()) {
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    }
}

fn put_integer(out: &mut Vec<u8>, name: &str, value: i64) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    out.push(b'i');
}

fn sketch_text(sketch: &Sketch) -> String {
    let mut bytes = Vec::new();
    put_sketch(&mut bytes, sketch);
    STANDARD_NO_PAD.encode(bytes)
}

/// `None` for text that is not ours.
pub(crate) fn read_sketch_text(text: &str) -> Option<Sketch> {
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    let mut reader = Reader::new(&bytes);
    let sketch = read_sketch(&mut reader).ok()?;
    reader.is_empty().then_some(sketch)
}

// === Reading ===

/// The columns of one point, as far as they were asked for and are there.
pub(crate) trait Point {
    /// A float's or an integer's bits.
    fn number(&self, column: Column) -> Option<u64>;
    fn sketch(&self) -> Option<Sketch>;
}

/// The asked number of a point. `None`: it has none, or not all of it is there yet.
pub(crate) fn value(point: &impl Point, field: Field) -> Option<f64> {
    if field == Field::Last {
        return float(point, Column::Last, Column::LastBits);
    }
    let shape = point.number(Column::Shape)? as i64;
    let has = |bit: i64| shape & bit != 0;
    if has(EMPTY) {
        return None;
    }
    let needs = |column: Column| Column::needed(field).contains(&column);
    // What the field does not need may be anything.
    let floats = |column: Column, bits: Column| match needs(column) {
        true => float(point, column, bits),
        false => Some(0.0),
    };
    let last = floats(Column::Last, Column::LastBits)?;
    if !has(SUMMARY) {
        return Aggregate::Single(last).field(field);
    }
    let spread = |column: Column, bits: Column| if has(SPREAD) { floats(column, bits) } else { Some(last) };
    let count = if has(SPREAD) && needs(Column::Count) { point.number(Column::Count)? } else { 1 };
    let summary = Summary {
        count,
        last,
        sum: spread(Column::Sum, Column::SumBits)?,
        min: spread(Column::Min, Column::MinBits)?,
        max: spread(Column::Max, Column::MaxBits)?,
        m2: if has(SPREAD) { floats(Column::M2, Column::M2Bits)? } else { 0.0 },
        increase: if has(INCREASE) { Some(floats(Column::Increase, Column::IncreaseBits)?) } else { None },
        sketch: if has(SKETCH) && needs(Column::Sketch) { Some(point.sketch()?) } else { None },
    };
    Aggregate::Summary(Box::new(summary)).field(field)
}

fn float(point: &impl Point, column: Column, bits: Column) -> Option<f64> {
    let value = f64::from_bits(point.number(column)?);
    if value == NOTHING {
        return None;
    }
    if value == IN_BITS { point.number(bits).map(f64::from_bits) } else { Some(value) }
}

#[cfg(test)]
mod tests;
