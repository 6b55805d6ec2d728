//! One value as few bytes, for the head and the write-ahead entries, where it is read soon or never.

use sentinel_model::{Aggregate, Sketch, Summary};

use super::chunk::foretold;
use super::codec::{CodecError, Reader, put_float, put_signed, put_varint};

const SUMMARY: u8 = 1;
const INCREASE: u8 = 2;
const SKETCH: u8 = 4;
/// All samples were equal: the last one says all.
const EQUAL: u8 = 8;

pub(crate) fn put_aggregate(out: &mut Vec<u8>, aggregate: &Aggregate) {
    let summary = match aggregate {
        Aggregate::Single(value) => {
            out.push(0);
            put_float(out, *value);
            return;
        }
        Aggregate::Summary(summary) => summary,
    };
    let is_equal = is_equal(summary);
    let mut flags = SUMMARY | if is_equal { EQUAL } else { 0 };
    flags |= if summary.increase.is_some() { INCREASE } else { 0 };
    flags |= if summary.sketch.is_some() { SKETCH } else { 0 };
    out.push(flags);
    put_varint(out, summary.count);
    put_float(out, summary.last);
    if !is_equal {
        [summary.min, summary.max, summary.sum, summary.m2].iter().for_each(|value| put_float(out, *value));
    }
    if let Some(increase) = summary.increase {
        put_float(out, increase);
    }
    if let Some(sketch) = &summary.sketch {
        put_sketch(out, sketch);
    }
}

pub(crate) fn read_aggregate(reader: &mut Reader<'_>) -> Result<Aggregate, CodecError> {
    let flags = reader.byte()?;
    if flags & SUMMARY == 0 {
        return Ok(Aggregate::Single(reader.float()?));
    }
    let (count, last) = (reader.varint()?, reader.float()?);
    let mut summary =
        Summary { count, sum: 0.0, min: last, max: last, last, m2: 0.0, increase: None, sketch: None };
    if flags & EQUAL == 0 {
        (summary.min, summary.max) = (reader.float()?, reader.float()?);
        (summary.sum, summary.m2) = (reader.float()?, reader.float()?);
    } else {
        summary.sum = foretold::sum(&summary);
    }
    if flags & INCREASE != 0 {
        summary.increase = Some(reader.float()?);
    }
    if flags & SKETCH != 0 {
        summary.sketch = Some(read_sketch(reader)?);
    }
    Ok(Aggregate::Summary(Box::new(summary)))
}

fn is_equal(summary: &Summary) -> bool {
    let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
    same(summary.min, summary.last)
        && same(summary.max, summary.last)
        && same(summary.m2, 0.0)
        && !summary.last.is_nan()
        && same(summary.sum, foretold::sum(summary))
}

pub(crate) fn put_sketch(out: &mut Vec<u8>, sketch: &Sketch) {
    put_varint(out, sketch.zeros);
    for side in [&sketch.positive, &sketch.negative] {
        put_varint(out, side.len() as u64);
        let mut before = 0;
        for (index, count) in side {
            put_signed(out, i64::from(*index) - before);
            put_varint(out, *count);
            before = i64::from(*index);
        }
    }
}

pub(crate) fn read_sketch(reader: &mut Reader<'_>) -> Result<Sketch, CodecError> {
    let zeros = reader.varint()?;
    let mut side = || {
        let n_buckets = reader.bounded(reader.rest().len(), "number of buckets")?;
        let mut before = 0i64;
        let mut bucket = || {
            before = before.wrapping_add(reader.signed()?);
            let index = i32::try_from(before).map_err(|_| CodecError::Bounds { what: "bucket" })?;
            Ok((index, reader.varint()?))
        };
        (0..n_buckets).map(|_| bucket()).collect::<Result<Vec<_>, CodecError>>()
    };
    let (positive, negative) = (side()?, side()?);
    Ok(Sketch { zeros, positive, negative })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::embedded::testing::{aggregate, bits};

    proptest! {
        #[test]
        fn gives_back_every_bit(aggregate in aggregate()) {
            let mut bytes = Vec::new();
            put_aggregate(&mut bytes, &aggregate);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(bits(&read_aggregate(&mut reader).expect("own bytes")), bits(&aggregate));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn random_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read_aggregate(&mut Reader::new(&bytes));
        }
    }
}
