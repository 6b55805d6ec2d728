//! Further samples of series that have more than one in a frame: rare, so written for simplicity.

use bytes::Bytes;
use sentinel_model::{Point, SeriesRef, Timestamp};

use crate::DecodeError;
use crate::columns::{Reader, put_varint, put_zigzag};
use crate::limits::MAX_POINTS;

/// Writes further samples, in order of series and time.
#[derive(Default)]
pub(super) struct FurtherWriter {
    pub(super) column: Vec<u8>,
    series: u32,
}

impl FurtherWriter {
    /// `before` is the sample before it of the same series.
    pub(super) fn put(&mut self, before: &Point, point: &Point) {
        put_varint(&mut self.column, u64::from(point.series.0 - self.series));
        put_zigzag(&mut self.column, point.timestamp.as_millis().wrapping_sub(before.timestamp.as_millis()));
        let bits = point.value.to_bits() as i64;
        put_zigzag(&mut self.column, bits.wrapping_sub(before.value.to_bits() as i64));
        self.series = point.series.0;
    }
}

/// Adds the further samples to the first ones, which are in order of series.
pub(super) fn read(column: &Bytes, points: &mut Vec<Point>) -> Result<(), DecodeError> {
    let mut reader = Reader::new(column);
    let n_first = points.len();
    let mut series = 0u32;
    while reader.remaining() > 0 {
        if points.len() >= MAX_POINTS {
            let (found, limit) = (points.len() as u64 + 1, MAX_POINTS as u64);
            return Err(DecodeError::TooLarge { what: "samples", found, limit });
        }
        let corrupt = DecodeError::Corrupt { detail: "a further sample of a series without a first" };
        let step = reader.index()?;
        let Some(next) = u32::try_from(step).ok().and_then(|step| series.checked_add(step)) else {
            return Err(corrupt);
        };
        let is_same = step == 0 && points.len() > n_first;
        series = next;
        let before = if is_same {
            points.last().copied()
        } else {
            let first = points[..n_first].binary_search_by_key(&SeriesRef(series), |point| point.series);
            first.ok().map(|first| points[first])
        };
        let before = before.ok_or(corrupt)?;
        let millis = before.timestamp.as_millis().wrapping_add(reader.zigzag()?);
        let bits = (before.value.to_bits() as i64).wrapping_add(reader.zigzag()?);
        let (timestamp, value) = (Timestamp::from_millis(millis), f64::from_bits(bits as u64));
        points.push(Point { series: SeriesRef(series), timestamp, value });
    }
    if points.len() > n_first {
        points.sort_by_key(|point| (point.series, point.timestamp));
    }
    Ok(())
}
