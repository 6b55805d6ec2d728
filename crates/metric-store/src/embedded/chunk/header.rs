//! Which series and windows a chunk holds, and of what shape each value is.

use ahash::HashMap;
use sentinel_model::Aggregate;

use super::SeriesRows;
use crate::embedded::codec::{CodecError, Reader, put_varint};

/// More series in one chunk are never written.
const MAX_SERIES: usize = 1 << 20;
/// More values in one chunk are never written.
const MAX_ROWS: usize = 1 << 22;

/// Shape of a window that saw one sample.
pub(crate) const SINGLE: u8 = 0;
/// Bits of the shape of a summary.
pub(crate) const SUMMARY: u8 = 1;
pub(crate) const INCREASE: u8 = 2;
pub(crate) const SKETCH: u8 = 4;
const MIXED: u8 = 0xff;

/// Consecutive windows: the first and how many.
type Run = (u32, u32);

/// In order of series.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Header {
    pub(crate) numbers: Vec<u32>,
    /// Each presence of windows that occurs, once: series of one target share theirs.
    patterns: Vec<Vec<Run>>,
    pattern_of: Vec<usize>,
    shapes: Vec<Shapes>,
}

#[derive(Debug, PartialEq)]
enum Shapes {
    Uniform(u8),
    Mixed(Vec<u8>),
}

pub(crate) fn shape(aggregate: &Aggregate) -> u8 {
    match aggregate {
        Aggregate::Single(_) => SINGLE,
        Aggregate::Summary(summary) => {
            SUMMARY
                | if summary.increase.is_some() { INCREASE } else { 0 }
                | if summary.sketch.is_some() { SKETCH } else { 0 }
        }
    }
}

impl Header {
    pub(crate) fn of(series: &[SeriesRows]) -> Self {
        let mut header = Self::default();
        let mut known: HashMap<Vec<Run>, usize> = HashMap::default();
        for one in series {
            let runs = runs(one.rows.iter().map(|(window, _)| *window));
            let next = known.len();
            let pattern = *known.entry(runs).or_insert_with_key(|runs| {
                header.patterns.push(runs.clone());
                next
            });
            let shapes: Vec<u8> = one.rows.iter().map(|(_, aggregate)| shape(aggregate)).collect();
            let first = shapes.first().copied().unwrap_or(SINGLE);
            header.numbers.push(one.number);
            header.pattern_of.push(pattern);
            header.shapes.push(if shapes.iter().all(|shape| *shape == first) {
                Shapes::Uniform(first)
            } else {
                Shapes::Mixed(shapes)
            });
        }
        header
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.numbers.len() as u64);
        let mut before = 0u32;
        for number in &self.numbers {
            put_varint(out, u64::from(number.wrapping_sub(before)));
            before = *number;
        }
        put_varint(out, self.patterns.len() as u64);
        for pattern in &self.patterns {
            put_varint(out, pattern.len() as u64);
            let mut end = 0;
            for (start, length) in pattern {
                put_varint(out, u64::from(start - end));
                put_varint(out, u64::from(*length));
                end = start + length;
            }
        }
        for pattern in &self.pattern_of {
            put_varint(out, *pattern as u64);
        }
        for shapes in &self.shapes {
            match shapes {
                Shapes::Uniform(shape) => out.push(*shape),
                Shapes::Mixed(shapes) => {
                    out.push(MIXED);
                    for run in shapes.chunk_by(|a, b| a == b) {
                        out.push(run[0]);
                        put_varint(out, run.len() as u64);
                    }
                }
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let n_series = reader.bounded(MAX_SERIES, "number of series")?;
        let mut header = Self::default();
        let mut number = 0u32;
        for _ in 0..n_series {
            number = number.wrapping_add(reader.small("series number")?);
            header.numbers.push(number);
        }
        if !header.numbers.is_sorted_by(|a, b| a < b) {
            return Err(CodecError::Bounds { what: "order of series" });
        }
        for _ in 0..reader.bounded(n_series, "number of patterns")? {
            header.patterns.push(read_pattern(reader)?);
        }
        let mut n_rows = 0usize;
        for _ in 0..n_series {
            let pattern = reader.bounded(header.patterns.len().saturating_sub(1), "pattern")?;
            let runs = header.patterns.get(pattern).ok_or(CodecError::Bounds { what: "pattern" })?;
            n_rows += length(runs);
            header.pattern_of.push(pattern);
            if n_rows > MAX_ROWS {
                return Err(CodecError::Bounds { what: "number of values" });
            }
        }
        for at in 0..n_series {
            let shapes = read_shapes(reader, header.n_rows_of(at))?;
            header.shapes.push(shapes);
        }
        Ok(header)
    }

    pub(crate) fn n_rows_of(&self, at: usize) -> usize {
        length(&self.patterns[self.pattern_of[at]])
    }

    /// Windows of the series at this place, ascending.
    pub(crate) fn windows(&self, at: usize) -> impl Iterator<Item = u32> + '_ {
        self.patterns[self.pattern_of[at]].iter().flat_map(|(start, length)| *start..*start + *length)
    }

    pub(crate) fn shape(&self, at: usize, row: usize) -> u8 {
        match &self.shapes[at] {
            Shapes::Uniform(shape) => *shape,
            Shapes::Mixed(shapes) => shapes[row],
        }
    }

    /// How many values of the series at this place have all these bits in their shape.
    pub(crate) fn count(&self, at: usize, bits: u8) -> usize {
        match &self.shapes[at] {
            Shapes::Uniform(shape) if shape & bits == bits => self.n_rows_of(at),
            Shapes::Uniform(_) => 0,
            Shapes::Mixed(shapes) => shapes.iter().filter(|shape| **shape & bits == bits).count(),
        }
    }

    /// [`Self::count`] of each series.
    pub(crate) fn counts(&self, bits: u8) -> Vec<usize> {
        (0..self.numbers.len()).map(|at| self.count(at, bits)).collect()
    }
}

fn runs(windows: impl Iterator<Item = u32>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for window in windows {
        match runs.last_mut() {
            Some((start, length)) if *start + *length == window => *length += 1,
            _ => runs.push((window, 1)),
        }
    }
    runs
}

fn length(runs: &[Run]) -> usize {
    runs.iter().map(|(_, length)| *length as usize).sum()
}

fn read_pattern(reader: &mut Reader<'_>) -> Result<Vec<Run>, CodecError> {
    let n_runs = reader.bounded(MAX_ROWS, "number of runs")?;
    let mut runs = Vec::new();
    let mut end = 0u32;
    for _ in 0..n_runs {
        let (gap, length) = (reader.small("window")?, reader.small("window")?);
        let start = end.checked_add(gap).ok_or(CodecError::Bounds { what: "window" })?;
        end = start.checked_add(length).ok_or(CodecError::Bounds { what: "window" })?;
        if end as usize > MAX_ROWS {
            return Err(CodecError::Bounds { what: "window" });
        }
        runs.push((start, length));
    }
    Ok(runs)
}

fn read_shapes(reader: &mut Reader<'_>, n_rows: usize) -> Result<Shapes, CodecError> {
    let first = reader.byte()?;
    if first != MIXED {
        return Ok(Shapes::Uniform(first));
    }
    let mut shapes = Vec::new();
    while shapes.len() < n_rows {
        let shape = reader.byte()?;
        let n_more = reader.bounded(n_rows - shapes.len(), "run of shapes")?.max(1);
        shapes.resize(shapes.len() + n_more, shape);
    }
    Ok(Shapes::Mixed(shapes))
}
