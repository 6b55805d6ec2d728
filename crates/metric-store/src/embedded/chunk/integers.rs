//! A column of integers: one value, a few, or many compressed by pco.

use pco::standalone::{simple_compress, simple_decompress_into};
use pco::{ChunkConfig, DeltaSpec};

use crate::embedded::codec::{CodecError, Reader, put_section, put_signed};

/// All values are the same.
const SAME: u8 = 0;
/// Variable-length integers.
const PLAIN: u8 = 1;
/// Compressed by pco.
const PCO: u8 = 2;

/// Below this, variable-length integers may be shorter than pco's own description of its bins.
const FEW: usize = 64;

/// The number of values is not written: the reader knows it.
pub(crate) fn put_integers(out: &mut Vec<u8>, values: &[i64]) {
    let Some(first) = values.first() else { return };
    if values.iter().all(|value| value == first) {
        out.push(SAME);
        put_signed(out, *first);
        return;
    }
    let plain = (values.len() < FEW).then(|| {
        let mut plain = Vec::new();
        values.iter().for_each(|value| put_signed(&mut plain, *value));
        plain
    });
    match (compress(values), plain) {
        (Some(packed), Some(plain)) if plain.len() <= packed.len() => put_plain(out, &plain),
        (Some(packed), _) => {
            out.push(PCO);
            put_section(out, &packed);
        }
        (None, Some(plain)) => put_plain(out, &plain),
        (None, None) => {
            out.push(PLAIN);
            values.iter().for_each(|value| put_signed(out, *value));
        }
    }
}

fn put_plain(out: &mut Vec<u8>, plain: &[u8]) {
    out.push(PLAIN);
    out.extend_from_slice(plain);
}

/// The values are differences already, in no order that pco could use.
fn compress(values: &[i64]) -> Option<Vec<u8>> {
    simple_compress(values, &ChunkConfig::default().with_delta_spec(DeltaSpec::NoOp)).ok()
}

pub(crate) fn read_integers(reader: &mut Reader<'_>, n_values: usize) -> Result<Vec<i64>, CodecError> {
    if n_values == 0 {
        return Ok(Vec::new());
    }
    match reader.byte()? {
        SAME => Ok(vec![reader.signed()?; n_values]),
        PLAIN => (0..n_values).map(|_| reader.signed()).collect(),
        PCO => {
            let mut values = vec![0i64; n_values];
            let progress = simple_decompress_into(reader.section()?, &mut values)?;
            if progress.n_processed == n_values { Ok(values) } else { Err(CodecError::Truncated) }
        }
        _ => Err(CodecError::Bounds { what: "encoding of integers" }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn gives_back_every_integer(
            values in prop_oneof![
                prop::collection::vec(any::<i64>(), 0..200),
                prop::collection::vec(-2i64..3, 0..400),
                (any::<i64>(), 1..50usize).prop_map(|(value, n)| vec![value; n]),
            ],
        ) {
            let mut bytes = Vec::new();
            put_integers(&mut bytes, &values);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(read_integers(&mut reader, values.len()).expect("own bytes"), values);
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn a_constant_column_takes_two_bytes() {
        let mut bytes = Vec::new();
        put_integers(&mut bytes, &[1; 10_000]);
        assert_eq!(bytes.len(), 2);
    }
}
