//! Rollups survive to the last bit, and those that can be foreseen cost next to nothing.

use proptest::prelude::*;
use sentinel_model::{
    Aggregate, Resolution, Rollup, RollupBatch, SeriesRef, Sketch, Summary, Timestamp, Window,
};

use super::*;
use crate::pb::rollups::v1 as pb;
use crate::testing::{damage, table, value};
use crate::{DecodeError, EncodedFrame, EncoderConfig, frame};

const EPOCH: u64 = 1_700_000_000_000;

fn encoder(key_interval: u32) -> RollupEncoder {
    RollupEncoder::new("p3".into(), EPOCH, EncoderConfig { key_interval, ..EncoderConfig::default() })
}

fn window(number: i64) -> Window {
    Window { resolution: Resolution::TenSeconds, start: Timestamp::from_secs(10 * number) }
}

fn single(series: u32, value: f64) -> Rollup {
    Rollup { series: SeriesRef(series), aggregate: Aggregate::Single(value) }
}

/// A counter's window that saw `count` samples: the last one of `last`, `increase` more than before it.
fn counter(series: u32, count: u64, last: f64, increase: f64) -> Rollup {
    let sum = count as f64 * last;
    let summary =
        Summary { count, sum, min: last, max: last, last, m2: 0.0, increase: Some(increase), sketch: None };
    Rollup { series: SeriesRef(series), aggregate: Aggregate::Summary(Box::new(summary)) }
}

/// Everything of a rollup by its bits, so that NaN equals itself.
fn bits(rollup: &Rollup) -> String {
    match &rollup.aggregate {
        Aggregate::Single(value) => format!("{} {:x}", rollup.series.0, value.to_bits()),
        Aggregate::Summary(summary) => {
            let Summary { count, sum, min, max, last, m2, increase, sketch } = &**summary;
            let numbers = [sum, min, max, last, m2].map(|value| value.to_bits());
            let increase = increase.map(f64::to_bits);
            format!("{} {count} {numbers:x?} {increase:x?} {sketch:?}", rollup.series.0)
        }
    }
}

fn decode(decoder: &mut RollupDecoder, frame: &EncodedFrame) -> RollupBatch {
    decoder.decode(&frame.bytes).expect("what was written")
}

#[test]
fn tells_the_window_and_whether_it_is_final() {
    let (mut encoder, mut decoder) = (encoder(2), RollupDecoder::new());
    let series = table(3);
    for (i, resolution) in Resolution::ALL.into_iter().enumerate() {
        let window = Window { resolution, start: Timestamp::from_millis(-3_600_000) };
        let rollups = [single(2, i as f64), single(0, -0.0)];
        let frame = encoder.encode(window, i % 2 == 0, &series, &rollups);
        let batch = decode(&mut decoder, &frame);
        assert_eq!((batch.window, batch.is_final), (window, i % 2 == 0));
        assert_eq!((&*batch.stream, batch.epoch, batch.sequence), ("p3", EPOCH, i as u64));
        assert_eq!(batch.is_key, i % 2 == 0);
        assert_eq!(batch.defined.len(), if batch.is_key { 3 } else { 0 });
        assert_eq!(batch.rollups, [single(0, -0.0), single(2, i as f64)], "in order of series");
    }
}

#[test]
fn of_several_results_of_a_series_the_last_counts() {
    let rollups = [single(0, 1.0), single(0, 2.0), single(9, 3.0)];
    let frame = encoder(2).encode(window(0), false, &table(1), &rollups);
    assert_eq!(frame.n_dropped, 1, "series 9 is not in the table");
    assert_eq!(decode(&mut RollupDecoder::new(), &frame).rollups, [single(0, 2.0)]);
}

#[test]
fn a_counter_of_one_sample_a_window_costs_about_one_value() {
    let (mut encoder, series) = (encoder(100), table(800));
    let mut bytes = [0; 8];
    for (number, bytes) in bytes.iter_mut().enumerate() {
        let rollups: Vec<_> = (0..800)
            .map(|i| {
                // Growth that nobody foresees, of one byte.
                let growth = |window: usize| (((i as usize + 7) * (window + 3) * 2_654_435_761) >> 7) % 50;
                let last: usize = (0..=number).map(growth).sum();
                counter(i, 1, last as f64, growth(number) as f64)
            })
            .collect();
        *bytes = encoder.encode(window(number as i64), true, &series, &rollups).bytes.len();
    }
    assert!(bytes[3..].iter().all(|bytes| *bytes < 900), "{bytes:?} bytes for 800 counters");
}

#[test]
fn a_provisional_window_that_is_replaced_keeps_its_increase_foreseen() {
    let (mut encoder, series) = (encoder(100), table(2));
    let mut encode = |window_number, last: f64, increase: f64| {
        let rollups = [counter(1, 1, last, increase)];
        let frame = encoder.encode(window(window_number), false, &series, &rollups);
        frame::open::<pb::RollupFrame>(&frame.bytes).expect("what was written").details.len()
    };
    encode(0, 100.0, 10.0);
    assert_eq!(encode(0, 107.0, 17.0), 0, "the value before the window is known");
    assert_eq!(encode(1, 112.0, 5.0), 0, "the last value is the one before the window");
    assert!(encode(1, 3.0, 3.0) > 0, "a reset is not foreseen");
}

#[test]
fn never_foresees_an_increase_that_is_not_a_number() {
    let (mut encoder, mut decoder) = (encoder(100), RollupDecoder::new());
    let nan = f64::INFINITY - f64::INFINITY;
    for _ in 0..3 {
        let rollups = [counter(0, 1, f64::INFINITY, nan)];
        let frame = encoder.encode(window(0), true, &table(1), &rollups);
        assert_eq!(bits(&decode(&mut decoder, &frame).rollups[0]), bits(&rollups[0]));
        let details = frame::open::<pb::RollupFrame>(&frame.bytes).expect("what was written").details;
        assert!(details.ends_with(&nan.to_bits().to_le_bytes()), "the bits themselves");
    }
}

#[test]
fn refuses_results_that_make_no_sense() {
    let good = encoder(2).encode(window(0), true, &table(1), &[counter(0, 5, 3.0, 2.0)]);
    let refused = |damage: fn(&mut pb::RollupFrame)| {
        let mut frame = frame::open(&good.bytes).expect("what was written");
        damage(&mut frame);
        RollupDecoder::new().decode(&frame::seal(&frame, 3)).expect_err("damaged").to_string()
    };
    assert!(refused(|frame| frame.resolution_ms = 11_000).contains("resolution of the window"));
    assert!(refused(|frame| frame.shapes = vec![2].into()).contains("shape of a result"));
    assert!(refused(|frame| frame.shapes = vec![0x81].into()).contains("a column"), "no sketch there");
    assert!(refused(|frame| frame.counts = vec![5, 5].into()).contains("more than it should"));
    assert!(refused(|frame| frame.presence_flips = vec![1].into()).contains("beyond the last series"));
}

#[test]
fn refuses_a_sketch_that_claims_more_buckets_than_there_are_bytes() {
    let mut column = Vec::new();
    crate::columns::put_varint(&mut column, 0);
    crate::columns::put_varint(&mut column, u64::MAX >> 1);
    assert!(sketch::take(&mut crate::columns::Reader::new(&column)).is_err());
}

// === Properties ===

fn sketch() -> impl Strategy<Value = Sketch> {
    let buckets = || prop::collection::vec((any::<i32>(), any::<u64>()), 0..5);
    (0u64..9, buckets(), buckets()).prop_map(|(zeros, positive, negative)| Sketch {
        zeros,
        positive,
        negative,
    })
}

fn aggregate() -> impl Strategy<Value = Aggregate> {
    let written = (
        (any::<u64>(), value(), value(), value(), value(), value()),
        prop::option::of(value()),
        prop::option::of(sketch()),
    );
    let written = written.prop_map(|((count, sum, min, max, last, m2), increase, sketch)| {
        Aggregate::Summary(Box::new(Summary { count, sum, min, max, last, m2, increase, sketch }))
    });
    let foreseen = (0u64..4, 0u32..50, 0u32..9)
        .prop_map(|(count, last, increase)| counter(0, count, last.into(), increase.into()).aggregate);
    prop_oneof![value().prop_map(Aggregate::Single), written, foreseen]
}

/// Frames of windows, and the rollups that each should give.
fn run(windows: &[Vec<Option<Aggregate>>]) -> Vec<(EncodedFrame, Vec<Rollup>)> {
    let mut encoder = encoder(5);
    let series = table(12);
    let frame = |(i, window_rollups): (usize, &Vec<Option<Aggregate>>)| {
        let rollups: Vec<_> = window_rollups
            .iter()
            .enumerate()
            .filter_map(|(series, aggregate)| {
                Some(Rollup { series: SeriesRef(series as u32), aggregate: aggregate.clone()? })
            })
            .collect();
        // The table grows up to the fourth frame.
        let n_series = (i * 4).clamp(window_rollups.len(), 12);
        (encoder.encode(window(i as i64), true, &series[..n_series], &rollups), rollups)
    };
    windows.iter().enumerate().map(frame).collect()
}

fn windows() -> impl Strategy<Value = Vec<Vec<Option<Aggregate>>>> {
    prop::collection::vec(prop::collection::vec(prop::option::weighted(0.8, aggregate()), 0..8), 1..14)
}

proptest! {
    #[test]
    fn gives_back_every_rollup_or_refuses_the_frame(windows in windows(), start in 0usize..6, lost in 0usize..20) {
        let mut decoder = RollupDecoder::new();
        let mut is_readable = false;
        for (i, (frame, rollups)) in run(&windows).iter().enumerate().skip(start) {
            if i == lost {
                is_readable = false;
                continue;
            }
            is_readable |= frame.frame == sentinel_model::FrameKind::Key;
            match decoder.decode(&frame.bytes) {
                Ok(batch) => {
                    prop_assert!(is_readable);
                    let (read, written) = (batch.rollups.iter().map(bits), rollups.iter().map(bits));
                    prop_assert_eq!(read.collect::<Vec<_>>(), written.collect::<Vec<_>>());
                    let is_duplicate =
                        matches!(decoder.decode(&frame.bytes), Err(DecodeError::Duplicate { .. }));
                    prop_assert!(is_duplicate);
                }
                Err(DecodeError::MissingBase { stream, .. }) => {
                    prop_assert!(!is_readable);
                    prop_assert_eq!(&*stream.target, "p3");
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }

    #[test]
    fn survives_damaged_columns(windows in windows(), column in 0usize..11, damage in damage()) {
        let mut decoder = RollupDecoder::new();
        for (frame, _) in run(&windows) {
            let mut frame: pb::RollupFrame = frame::open(&frame.bytes).expect("what was written");
            let columns = [
                &mut frame.presence_flips,
                &mut frame.shapes,
                &mut frame.reformed,
                &mut frame.reformed_to,
                &mut frame.misses,
                &mut frame.values,
                &mut frame.corrections,
                &mut frame.counts,
                &mut frame.details,
                &mut frame.moments,
                &mut frame.sketches,
            ];
            let column = columns.into_iter().nth(column).expect("one of eleven columns");
            let mut bytes = column.to_vec();
            damage.to(&mut bytes);
            *column = bytes.into();
            let _ = decoder.decode(&frame::seal(&frame, 3));
        }
    }
}

#[test]
fn a_released_stream_is_readable_from_its_next_key_frame() {
    let window = Window { resolution: Resolution::OneHour, start: Timestamp::from_secs(3_600) };
    let series = table(8);
    let rollups: Vec<Rollup> =
        (0..8).map(|i| Rollup { series: SeriesRef(i), aggregate: Aggregate::Single(f64::from(i)) }).collect();
    let mut encoder = RollupEncoder::new("p0".into(), 1, EncoderConfig::default());
    let frame = |encoder: &mut RollupEncoder| encoder.encode(window, true, &series, &rollups).bytes;
    let (first, second) = (frame(&mut encoder), frame(&mut encoder));
    encoder.release();
    let third = frame(&mut encoder);
    let mut decoder = RollupDecoder::new();
    decoder.decode(&first).expect("a key frame");
    assert_eq!(decoder.series("p0"), series);
    decoder.release("p0");
    assert!(decoder.series("p0").is_empty());
    assert!(matches!(decoder.decode(&first), Err(DecodeError::Duplicate { .. })));
    assert!(matches!(decoder.decode(&second), Err(DecodeError::MissingBase { .. })));
    assert_eq!(decoder.decode(&third).expect("a key frame").rollups, rollups);
}

#[test]
fn a_repeated_key_frame_can_be_read_alone_and_so_can_what_follows() {
    let all = table(6);
    let mut encoder = encoder(u32::MAX);
    let mut readers: Vec<RollupDecoder> = Vec::new();
    // Series come between two repeats, and in one; a renumbered table has as many as the one before it.
    for (number, n_series, is_renumbered) in [
        (0, 2, false),
        (1, 3, false),
        (2, 3, false),
        (3, 5, false),
        (4, 5, false),
        (5, 5, true),
        (6, 5, false),
    ] {
        let mut series = all[..n_series].to_vec();
        if number >= 5 {
            series.reverse();
        }
        if is_renumbered {
            encoder.force_key();
        }
        let rollups = [single(0, 1.5), single(n_series as u32 - 1, f64::from(number))];
        for is_key in [true, false] {
            if is_key {
                encoder.repeat_key();
                readers.push(RollupDecoder::new());
            }
            let frame = encoder.encode(window(i64::from(number)), false, &series, &rollups);
            for reader in &mut readers {
                let batch = decode(reader, &frame);
                assert_eq!(batch.rollups, rollups);
                assert_eq!(reader.series("p3"), series);
            }
        }
        // Texts that come after a repeated key frame.
        series.push(all[5].clone());
        if number == 4 {
            let frame = encoder.encode(window(4), false, &series, &rollups);
            for reader in &mut readers {
                decode(reader, &frame);
                assert_eq!(reader.series("p3"), series);
            }
        }
    }
}
