//! Tests of the column of doubles.

use proptest::prelude::*;

use super::*;

fn round_trip(series: &[Vec<f64>]) -> usize {
    let segments = Segments { values: series.concat(), lengths: series.iter().map(Vec::len).collect() };
    let (mut meta, mut data) = (Vec::new(), Vec::new());
    segments.put(&mut meta, &mut data);
    let (mut meta_reader, mut data_reader) = (Reader::new(&meta), Reader::new(&data));
    let read =
        Segments::read(&mut meta_reader, &mut data_reader, segments.lengths.clone()).expect("own bytes");
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read.values), bits(&segments.values));
    assert!(meta_reader.is_empty() && data_reader.is_empty(), "bytes are left over");
    meta.len() + data.len()
}

/// What exporters say, and what they never should.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (0i64..50).prop_map(|value| value as f64),
        2 => (0i64..1_000_000).prop_map(|value| value as f64 / 1e3),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => prop::sample::select(vec![-0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MAX, 9e15, -9e15]),
    ]
}

proptest! {
    #[test]
    fn gives_back_every_bit(series in prop::collection::vec(prop::collection::vec(number(), 0..40), 0..12)) {
        round_trip(&series);
    }

    #[test]
    fn gives_back_bits_of_any_pattern(series in prop::collection::vec(
        prop::collection::vec(any::<u64>().prop_map(f64::from_bits), 0..100), 0..4)) {
        round_trip(&series);
    }
}

#[test]
fn constant_series_cost_about_a_byte_or_two_each() {
    let series: Vec<Vec<f64>> = (0..100).map(|i| vec![f64::from(i); 360]).collect();
    assert!(round_trip(&series) < 150);
}

#[test]
fn page_aligned_gauges_do_not_pay_for_the_page() {
    let pages = |i: u64| (i * 2_654_435_761 % 64) as f64;
    let size = |unit: f64| round_trip(&[(0..2_000).map(|i| pages(i) * unit).collect()]);
    assert!(size(4096.0) < size(1.0) + 10);
}

#[test]
fn buckets_of_one_histogram_cost_far_less_than_alone() {
    let grown = |i: u64| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 97;
    let bucket: Vec<f64> = (0..500)
        .scan(0, |sum, i| {
            *sum += grown(i);
            Some(*sum as f64)
        })
        .collect();
    let one = round_trip(std::slice::from_ref(&bucket));
    let ten = round_trip(&vec![bucket; 10]);
    assert!(ten < one * 3, "{ten} bytes against {one}");
}
