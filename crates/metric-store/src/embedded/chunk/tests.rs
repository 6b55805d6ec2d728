//! Tests of the chunk codec.

use proptest::prelude::*;
use sentinel_model::{Sketch, Summary};

use super::*;
use crate::embedded::codec::{seal, unseal};
use crate::embedded::testing::{aggregate, bits};

/// Series of any values in any windows.
fn chunk_rows() -> impl Strategy<Value = Vec<SeriesRows>> {
    let rows = prop::collection::btree_map(0u32..60, aggregate(), 1..20);
    prop::collection::btree_map(0u32..500, rows, 1..8).prop_map(|series| {
        series
            .into_iter()
            .map(|(number, rows)| SeriesRows { number, rows: rows.into_iter().collect() })
            .collect()
    })
}

fn read(bytes: &[u8]) -> Result<Vec<SeriesRows>, crate::embedded::codec::CodecError> {
    let mut chunk = Chunk::open(bytes)?;
    chunk.load(Columns::ALL)?;
    let of = |(at, number): (usize, &u32)| SeriesRows { number: *number, rows: chunk.rows(at) };
    Ok(chunk.numbers().iter().enumerate().map(of).collect())
}

/// Rows with doubles as bits, since NaN is not equal to itself.
fn exact(series: &[SeriesRows]) -> Vec<(u32, Vec<(u32, Vec<u64>)>)> {
    let row = |(window, aggregate): &(u32, Aggregate)| (*window, bits(aggregate));
    series.iter().map(|one| (one.number, one.rows.iter().map(row).collect())).collect()
}

proptest! {
    #[test]
    fn gives_back_every_bit(series in chunk_rows()) {
        let bytes = encode(&series);
        prop_assert_eq!(exact(&read(&bytes).expect("own bytes")), exact(&series));
    }

    #[test]
    fn a_field_needs_only_its_columns(series in chunk_rows()) {
        let bytes = encode(&series);
        for field in Field::ALL {
            let mut chunk = Chunk::open(&bytes).expect("own bytes");
            chunk.load(Columns::of(field)).expect("own bytes");
            for (at, one) in series.iter().enumerate() {
                let value = |aggregate: &Aggregate| aggregate.field(field).map(f64::to_bits);
                let found: Vec<_> = chunk.rows(at).iter().map(|(w, a)| (*w, value(a))).collect();
                let expected: Vec<_> = one.rows.iter().map(|(w, a)| (*w, value(a))).collect();
                prop_assert_eq!(found, expected, "{:?}", field);
            }
        }
    }

    #[test]
    fn changed_bytes_are_an_error(series in chunk_rows(), at: usize, flip in 1u8..) {
        let mut bytes = encode(&series);
        let at = at % bytes.len();
        bytes[at] ^= flip;
        prop_assert!(read(&bytes).is_err());
        prop_assert!(read(&bytes[..at]).is_err());
    }

    /// As if the checksum had been made for them.
    #[test]
    fn bytes_that_nobody_wrote_are_no_panic(series in chunk_rows(), at: usize, flip in 1u8..) {
        let mut body = unseal(&encode(&series)).expect("own bytes").to_vec();
        let at = at % body.len();
        body[at] ^= flip;
        let _ = read(&seal(&body));
        let _ = read(&seal(&body[..at]));
    }

    #[test]
    fn random_bytes_are_no_panic(mut body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&seal(&body));
        body.insert(0, VERSION);
        let _ = read(&seal(&body));
    }
}

fn single(number: u32, value: impl Fn(u32) -> f64) -> SeriesRows {
    SeriesRows { number, rows: (0..360).map(|window| (window, Aggregate::Single(value(window)))).collect() }
}

#[test]
fn constant_series_cost_a_few_bytes_for_an_hour() {
    let series: Vec<_> = (0..40).map(|number| single(number, |_| f64::from(number) * 4096.0)).collect();
    let bytes = encode(&series).len();
    assert!(bytes < 40 * 5, "{bytes} bytes for 40 series");
}

#[test]
fn counters_of_one_sample_a_window_cost_no_more_than_their_last_value() {
    let last = |number: u32, window: u32| f64::from(number * 1_000 + window * (window % 7));
    let counter = |number: u32| SeriesRows {
        number,
        rows: (0..360)
            .map(|window| {
                let value = last(number, window);
                let before = if window == 0 { value } else { last(number, window - 1) };
                let increase = if value >= before { value - before } else { value };
                let summary = Summary {
                    count: 1,
                    sum: value,
                    min: value,
                    max: value,
                    last: value,
                    m2: 0.0,
                    increase: Some(increase),
                    sketch: None,
                };
                (window, Aggregate::Summary(Box::new(summary)))
            })
            .collect(),
    };
    let counters = encode(&(0..40).map(counter).collect::<Vec<_>>()).len();
    let singles = encode(&(0..40).map(|n| single(n, |window| last(n, window))).collect::<Vec<_>>()).len();
    assert!(counters < singles + 60, "{counters} bytes against {singles}");
}

#[test]
fn two_samples_foretell_their_sum_and_deviation() {
    let (first, second) = (3.25, 7.5);
    let mean = (first + second) / 2.0;
    let mut sketch = Sketch::default();
    sketch.insert(first);
    sketch.insert(second);
    let summary = Summary {
        count: 2,
        sum: first + second,
        min: first,
        max: second,
        last: second,
        m2: (second - first) * (second - mean),
        increase: None,
        sketch: Some(sketch),
    };
    assert_eq!(foretold::sum(&summary).to_bits(), summary.sum.to_bits());
    assert_eq!(foretold::m2(&summary).to_bits(), summary.m2.to_bits());
}
