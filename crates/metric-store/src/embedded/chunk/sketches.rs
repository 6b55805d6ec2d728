//! A column of distributions.

use sentinel_model::Sketch;

use super::integers::{put_integers, read_integers};
use crate::embedded::codec::{CodecError, Reader, put_varint};

/// More buckets in one chunk are never written.
const MAX_BUCKETS: u64 = 1 << 24;

#[derive(Debug, Default)]
pub(crate) struct Sketches {
    all: Vec<Sketch>,
    /// Where each series starts. Only when read.
    starts: Vec<usize>,
}

impl Sketches {
    pub(crate) fn push(&mut self, sketch: &Sketch) {
        self.all.push(sketch.clone());
    }

    pub(crate) fn put(&self, meta: &mut Vec<u8>, data: &mut Vec<u8>) {
        let lengths = |of: fn(&Sketch) -> i64| self.all.iter().map(of).collect::<Vec<_>>();
        put_integers(data, &lengths(|sketch| sketch.zeros as i64));
        put_integers(data, &lengths(|sketch| sketch.positive.len() as i64));
        put_integers(data, &lengths(|sketch| sketch.negative.len() as i64));
        let (mut indices, mut counts) = (Vec::new(), Vec::new());
        for buckets in [|sketch: &Sketch| sketch.positive.clone(), |sketch: &Sketch| sketch.negative.clone()]
        {
            let mut first_before = 0;
            for sketch in &self.all {
                let buckets = buckets(sketch);
                let mut before = first_before;
                first_before = buckets.first().map_or(first_before, |(index, _)| *index);
                for (index, count) in buckets {
                    indices.push(i64::from(index) - i64::from(before));
                    counts.push(count as i64);
                    before = index;
                }
            }
        }
        put_varint(meta, indices.len() as u64);
        put_integers(data, &indices);
        put_integers(data, &counts);
    }

    /// `lengths`: distributions of each series.
    pub(crate) fn read(
        meta: &mut Reader<'_>,
        data: &mut Reader<'_>,
        lengths: &[usize],
    ) -> Result<Self, CodecError> {
        let n_sketches = lengths.iter().sum();
        let zeros = read_integers(data, n_sketches)?;
        let n_positive = read_integers(data, n_sketches)?;
        let n_negative = read_integers(data, n_sketches)?;
        let n_buckets = meta.bounded(MAX_BUCKETS as usize, "number of buckets")?;
        let mut indices = read_integers(data, n_buckets)?.into_iter();
        let mut counts = read_integers(data, n_buckets)?.into_iter();
        let mut side = |lengths: &[i64]| {
            let mut first_before = 0;
            lengths
                .iter()
                .map(|length| read_buckets(*length, &mut first_before, &mut indices, &mut counts))
                .collect::<Result<Vec<_>, _>>()
        };
        let (positive, negative) = (side(&n_positive)?, side(&n_negative)?);
        let sides = positive.into_iter().zip(negative);
        let all = zeros
            .into_iter()
            .zip(sides)
            .map(|(zeros, (positive, negative))| Sketch { zeros: zeros as u64, positive, negative })
            .collect();
        let starts = lengths
            .iter()
            .scan(0, |end, length| {
                let start = *end;
                *end += length;
                Some(start)
            })
            .collect();
        Ok(Self { all, starts })
    }

    /// Distributions of the series at this place; none for a column that was not read.
    pub(crate) fn of(&self, at: usize) -> impl Iterator<Item = &Sketch> {
        let start = self.starts.get(at).copied().unwrap_or(self.all.len());
        self.all.get(start..).unwrap_or_default().iter()
    }
}

fn read_buckets(
    length: i64,
    first_before: &mut i32,
    indices: &mut impl Iterator<Item = i64>,
    counts: &mut impl Iterator<Item = i64>,
) -> Result<Vec<(i32, u64)>, CodecError> {
    let mut buckets = Vec::new();
    let mut before = *first_before;
    for _ in 0..length {
        let (Some(step), Some(count)) = (indices.next(), counts.next()) else {
            return Err(CodecError::Truncated);
        };
        let index = i64::from(before)
            .checked_add(step)
            .and_then(|index| i32::try_from(index).ok())
            .ok_or(CodecError::Bounds { what: "bucket" })?;
        buckets.push((index, count as u64));
        before = index;
    }
    *first_before = buckets.first().map_or(*first_before, |(index, _)| *index);
    Ok(buckets)
}
