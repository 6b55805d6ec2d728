//! Sketches as varints.

use sentinel_model::Sketch;

use crate::DecodeError;
use crate::columns::{Reader, put_varint, put_zigzag};

pub(super) fn put(sketch: &Sketch, column: &mut Vec<u8>) {
    put_varint(column, sketch.zeros);
    for buckets in [&sketch.positive, &sketch.negative] {
        put_varint(column, buckets.len() as u64);
        let mut before = 0;
        for (index, count) in buckets {
            put_zigzag(column, i64::from(*index) - before);
            put_varint(column, *count);
            before = i64::from(*index);
        }
    }
}

pub(super) fn take(reader: &mut Reader<'_>) -> Result<Sketch, DecodeError> {
    let zeros = reader.varint()?;
    Ok(Sketch { zeros, positive: take_buckets(reader)?, negative: take_buckets(reader)? })
}

fn take_buckets(reader: &mut Reader<'_>) -> Result<Vec<(i32, u64)>, DecodeError> {
    let n_buckets = reader.index()?;
    // Each takes two bytes at least; so what is allocated is bounded by what came.
    if n_buckets > reader.remaining() / 2 {
        return Err(DecodeError::Corrupt { detail: "a sketch is cut" });
    }
    let mut buckets = Vec::with_capacity(n_buckets);
    let mut index = 0i64;
    for _ in 0..n_buckets {
        index = index.wrapping_add(reader.zigzag()?);
        let index = i32::try_from(index)
            .map_err(|_| DecodeError::Corrupt { detail: "the index of a sketch's bucket" })?;
        buckets.push((index, reader.varint()?));
    }
    Ok(buckets)
}
