//! Frames give back every batch to the last bit, or a clear error; never something else.

use proptest::prelude::*;
use prost::Message;
use sentinel_model::{FrameKind, MetricBatch, Point, Series, SeriesRef, StreamKey, Timestamp};

use super::*;
use crate::pb::metrics::v1 as pb;
use crate::testing::{damage, table, value};
use crate::{DecodeError, EncodedFrame, EncoderConfig, MAX_SERIES, envelope, frame};

const EPOCH: u64 = 1_700_000_000_000;

fn stream(target: &str) -> StreamKey {
    StreamKey { cluster: "test".into(), collector: "c-0".into(), target: target.into() }
}

fn point(series: u32, millis: i64, value: f64) -> Point {
    Point { series: SeriesRef(series), timestamp: Timestamp::from_millis(millis), value }
}

fn encoder(key_interval: u32) -> MetricEncoder {
    MetricEncoder::new(stream("t"), EPOCH, EncoderConfig { key_interval, ..EncoderConfig::default() })
}

fn encode(encoder: &mut MetricEncoder, millis: i64, series: &[Series], points: &[Point]) -> EncodedFrame {
    let scraped = Timestamp::from_millis(millis);
    let progress = scraped.saturating_sub_millis(15_000);
    encoder.encode(&Scrape { scraped, progress, series, points })
}

/// `n` frames of four series each.
fn frames(n: i64, key_interval: u32) -> Vec<EncodedFrame> {
    let mut encoder = encoder(key_interval);
    let series = table(4);
    let frame = |i: i64| {
        let points: Vec<_> = (0..4).map(|s| point(s, i * 10_000, i as f64 * 1.5 + f64::from(s))).collect();
        encode(&mut encoder, i * 10_000, &series, &points)
    };
    (0..n).map(frame).collect()
}

/// Points by their bits, so that NaN equals itself.
fn bits(points: &[Point]) -> Vec<(u32, i64, u64)> {
    points.iter().map(|p| (p.series.0, p.timestamp.as_millis(), p.value.to_bits())).collect()
}

// === Frames ===

#[test]
fn a_key_frame_defines_all_series_and_a_delta_only_new_ones() {
    let (mut encoder, mut decoder) = (encoder(3), MetricDecoder::new());
    let series = table(6);
    let mut seen = Vec::new();
    for (i, n_series) in [4usize, 4, 6, 6, 6].into_iter().enumerate() {
        let frame = encode(&mut encoder, i as i64 * 10_000, &series[..n_series], &[point(1, 5, 2.0)]);
        let batch = decoder.decode(&frame.bytes).expect("what was written");
        assert_eq!((batch.sequence, batch.frame), (frame.sequence, frame.frame));
        assert_eq!(batch.stream, stream("t"));
        assert_eq!(batch.scraped, Timestamp::from_millis(i as i64 * 10_000));
        assert_eq!(batch.progress, Timestamp::from_millis(i as i64 * 10_000 - 15_000));
        for (number, defined) in &batch.defined {
            assert_eq!(*defined, series[number.0 as usize]);
        }
        seen.push((batch.frame, batch.defined.len()));
    }
    let (key, delta) = (FrameKind::Key, FrameKind::Delta);
    assert_eq!(seen, [(key, 4), (delta, 0), (delta, 2), (key, 6), (delta, 0)]);
}

#[test]
fn drops_and_counts_points_whose_series_is_not_in_the_table() {
    let mut encoder = encoder(30);
    let frame = encode(&mut encoder, 0, &table(2), &[point(7, 0, 1.0), point(1, 0, 2.0), point(2, 0, 3.0)]);
    assert_eq!(frame.n_dropped, 2);
    let batch = MetricDecoder::new().decode(&frame.bytes).expect("what was written");
    assert_eq!(batch.points, [point(1, 0, 2.0)]);
}

#[test]
fn a_table_that_shrank_makes_a_key_frame() {
    let mut encoder = encoder(30);
    encode(&mut encoder, 0, &table(8), &[]);
    assert_eq!(encode(&mut encoder, 1, &table(7), &[]).frame, FrameKind::Key);
    assert_eq!(encode(&mut encoder, 2, &table(7), &[]).frame, FrameKind::Delta);
    encoder.force_key();
    assert_eq!(encode(&mut encoder, 3, &table(7), &[]).frame, FrameKind::Key);
}

#[test]
fn times_that_never_move_together_make_a_key_frame_before_groups_pile_up() {
    let mut encoder = encoder(u32::MAX);
    let series = table(200);
    let mut n_keys = 0;
    for frame in 0..100i64 {
        // Neighbours of the last frame are apart in this one.
        let time = |i: u32| frame * 10_000 + i64::from(i.reverse_bits().rotate_left(frame as u32 % 31) % 64);
        let points: Vec<_> = (0..200).map(|i| point(i, time(i), 1.0)).collect();
        n_keys += usize::from(encode(&mut encoder, frame * 10_000, &series, &points).frame == FrameKind::Key);
        assert!(encoder.groups.len() <= 2 * 200 + 1_000 + 200);
    }
    assert!((1..50).contains(&n_keys), "{n_keys} key frames");
}

#[test]
fn punctuation_carries_progress_and_belongs_to_no_sequence() {
    let mut decoder = MetricDecoder::new();
    let bytes = punctuation("test", "c-0", EPOCH, Timestamp::from_millis(77));
    for _ in 0..2 {
        let batch = decoder.decode(&bytes).expect("what was written");
        assert_eq!((batch.frame, batch.progress), (FrameKind::Punctuation, Timestamp::from_millis(77)));
        assert_eq!((batch.stream, batch.epoch), (stream(""), EPOCH));
        assert!(batch.points.is_empty());
    }
    let last = decoder.decode(&farewell("test", "c-0", EPOCH, Timestamp::from_millis(78))).expect("readable");
    assert_eq!((last.frame, last.progress), (FrameKind::Farewell, Timestamp::from_millis(78)));
    assert!(!last.frame.has_samples());
}

// === Loss, repetition, restart ===

#[test]
fn a_repeated_frame_and_an_earlier_epoch_are_duplicates() {
    let frames = frames(4, 2);
    let mut decoder = MetricDecoder::new();
    for frame in &frames {
        decoder.decode(&frame.bytes).expect("in order");
        let again = decoder.decode(&frame.bytes).expect_err("read already");
        assert!(matches!(again, DecodeError::Duplicate { epoch: EPOCH, .. }), "{again}");
    }
    let mut restarted = MetricEncoder::new(stream("t"), EPOCH + 1, EncoderConfig::default());
    let first = encode(&mut restarted, 50_000, &table(4), &[point(0, 50_000, 9.0)]);
    assert_eq!(decoder.decode(&first.bytes).expect("a later epoch").sequence, 0);
    let old = decoder.decode(&frames[3].bytes).expect_err("an encoder that was replaced");
    assert_eq!(old.to_string(), format!("frame 3 of epoch {EPOCH} of test/c-0/t was read already"));
}

#[test]
fn a_reader_that_starts_midway_waits_for_the_next_key_frame() {
    let frames = frames(9, 4);
    let mut decoder = MetricDecoder::new();
    for frame in &frames[1..4] {
        let error = decoder.decode(&frame.bytes).expect_err("no key frame yet");
        let DecodeError::MissingBase { stream: of, expected, found, .. } = error else { panic!("{error}") };
        assert_eq!((*of, expected, found), (stream("t"), None, frame.sequence));
    }
    for frame in &frames[4..] {
        assert_eq!(decoder.decode(&frame.bytes).expect("readable again").sequence, frame.sequence);
    }
}

#[test]
fn streams_do_not_disturb_each_other() {
    let config = EncoderConfig::default();
    let mut encoders = ["a", "b"].map(|target| MetricEncoder::new(stream(target), EPOCH, config));
    let mut decoder = MetricDecoder::new();
    for i in 0..6i64 {
        for (n, encoder) in encoders.iter_mut().enumerate() {
            let points = [point(0, i, (i * 10 + n as i64) as f64)];
            let frame = encode(encoder, i, &table(1), &points);
            let batch = decoder.decode(&frame.bytes).expect("in order");
            assert_eq!(batch.points, points);
        }
    }
}

#[test]
fn forgets_streams_that_have_ended_but_not_those_that_go_on() {
    let config = EncoderConfig { key_interval: u32::MAX, ..EncoderConfig::default() };
    let mut alive = MetricEncoder::new(stream("alive"), EPOCH, config);
    let mut decoder = MetricDecoder::new();
    for i in 0..200_000i64 {
        if i % 100 == 0 {
            let frame = encode(&mut alive, i, &table(1), &[point(0, i, 1.0)]);
            decoder.decode(&frame.bytes).expect("a stream that goes on is never forgotten");
        }
        let target = format!("gone-{}", i / 2 % 90_000);
        let mut gone = MetricEncoder::new(stream(&target), EPOCH + i as u64, config);
        decoder.decode(&encode(&mut gone, i, &[], &[]).bytes).expect("a key frame");
    }
    assert!(decoder.streams.len() < 66_000, "{} streams", decoder.streams.len());
}

// === Malformed input ===

#[test]
fn names_a_version_that_it_does_not_know() {
    let mut bytes = frames(1, 1)[0].bytes.to_vec();
    bytes[0] = 9;
    let error = MetricDecoder::new().decode(&bytes).expect_err("version 9");
    assert!(matches!(error, DecodeError::UnknownVersion { found: 9, known: 1 }));
    assert_eq!(error.reason(), "unknown_version");
    assert!(MetricDecoder::new().decode(&[]).is_err());
}

#[test]
fn does_not_unfold_a_bomb() {
    let bomb = envelope::seal(&vec![0; 65 << 20], 3);
    assert!(bomb.len() < 20_000, "it is small on the wire");
    let error = MetricDecoder::new().decode(&bomb).expect_err("65 MiB");
    assert!(matches!(error, DecodeError::TooLarge { what: "bytes", .. }), "{error}");
}

#[test]
fn refuses_more_series_than_a_stream_may_have() {
    let kinds = vec![0; MAX_SERIES + 1].into();
    let defined = Some(pb::Definitions { kinds, ..pb::Definitions::default() });
    let kind = pb::FrameKind::Key.into();
    let frame = pb::MetricFrame { kind, defined, ..pb::MetricFrame::default() };
    let error = MetricDecoder::new().decode(&frame::seal(&frame, 3)).expect_err("too many");
    assert!(matches!(error, DecodeError::TooLarge { what: "series", .. }), "{error}");
}

#[test]
fn a_corrupt_frame_makes_its_stream_unreadable_until_the_next_key_frame() {
    let frames = frames(6, 4);
    let mut decoder = MetricDecoder::new();
    decoder.decode(&frames[0].bytes).expect("a key frame");
    let mut corrupt: pb::MetricFrame = frame::open(&frames[1].bytes).expect("what was written");
    corrupt.values = vec![0xff].into();
    let error = decoder.decode(&frame::seal(&corrupt, 3)).expect_err("a cut value");
    assert_eq!(error.reason(), "corrupt");
    let error = decoder.decode(&frames[2].bytes).expect_err("it continues the corrupt one");
    assert!(matches!(error, DecodeError::MissingBase { expected: Some(1), found: 2, .. }), "{error}");
    assert!(decoder.decode(&frames[3].bytes).is_err());
    assert!(decoder.decode(&frames[4].bytes).is_ok(), "a key frame");
}

#[test]
fn refuses_a_further_sample_of_a_series_without_a_first() {
    let mut frame: pb::MetricFrame = frame::open(&frames(1, 1)[0].bytes).expect("what was written");
    frame.further = vec![4, 0, 0].into();
    let error = MetricDecoder::new().decode(&frame::seal(&frame, 3)).expect_err("series 4 of 4");
    assert!(error.to_string().contains("without a first"), "{error}");
}

// === Properties ===

/// One scrape: how many series are new, which points, whether a key frame is forced.
#[derive(Clone, Debug)]
struct Step {
    n_new: usize,
    points: Vec<(prop::sample::Index, i64, f64)>,
    is_shuffled: bool,
    is_forced: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let age = prop_oneof![4 => Just(0i64), 3 => 0i64..3, 1 => -20_000i64..20_000];
    let points = prop::collection::vec((any::<prop::sample::Index>(), age, value()), 0..24);
    (0usize..4, points, any::<bool>(), prop::bool::weighted(0.05))
        .prop_map(|(n_new, points, is_shuffled, is_forced)| Step { n_new, points, is_shuffled, is_forced })
}

/// Frames of the steps, and the points that each should give.
fn run(steps: &[Step]) -> Vec<(EncodedFrame, Vec<Point>)> {
    let mut encoder = encoder(7);
    let series = table(40);
    let (mut n_series, mut frames) = (0, Vec::new());
    for (i, step) in steps.iter().enumerate() {
        n_series = (n_series + step.n_new).min(series.len());
        let millis = i as i64 * 10_000;
        let mut points = Vec::new();
        if n_series > 0 {
            let of = |(at, age, value): &(prop::sample::Index, i64, f64)| {
                point(at.index(n_series) as u32, millis - age, *value)
            };
            points.extend(step.points.iter().map(of));
        }
        let mut expected = points.clone();
        expected.sort_by_key(|point| (point.series, point.timestamp));
        if !step.is_shuffled {
            points.clone_from(&expected);
        }
        if step.is_forced {
            encoder.force_key();
        }
        frames.push((encode(&mut encoder, millis, &series[..n_series], &points), expected));
    }
    frames
}

fn assert_is(batch: &MetricBatch, frame: &EncodedFrame, expected: &[Point]) -> Result<(), TestCaseError> {
    prop_assert_eq!((batch.sequence, batch.frame), (frame.sequence, frame.frame));
    prop_assert_eq!(bits(&batch.points), bits(expected));
    Ok(())
}

proptest! {
    #[test]
    fn gives_back_every_batch(steps in prop::collection::vec(step(), 1..30)) {
        let mut decoder = MetricDecoder::new();
        let mut known = Vec::new();
        for (frame, expected) in run(&steps) {
            let batch = decoder.decode(&frame.bytes).expect("what was written");
            assert_is(&batch, &frame, &expected)?;
            if batch.frame == FrameKind::Key {
                known.clear();
            }
            for (number, series) in batch.defined {
                prop_assert_eq!(number.0 as usize, known.len(), "numbers are dense");
                known.push(series);
            }
            prop_assert_eq!(&known[..], &table(40)[..known.len()]);
        }
    }

    #[test]
    fn loss_and_repetition_cost_frames_up_to_the_next_key_frame_and_never_give_wrong_ones(
        steps in prop::collection::vec(step(), 1..40),
        start in 0usize..10,
        lost in prop::collection::btree_set(0usize..40, 0..4),
        repeated in prop::collection::btree_set(0usize..40, 0..8),
    ) {
        let mut decoder = MetricDecoder::new();
        let mut is_readable = false;
        for (i, (frame, expected)) in run(&steps).iter().enumerate().skip(start) {
            if lost.contains(&i) {
                is_readable = false;
                continue;
            }
            is_readable |= frame.frame == FrameKind::Key;
            match decoder.decode(&frame.bytes) {
                Ok(batch) => {
                    prop_assert!(is_readable);
                    assert_is(&batch, frame, expected)?;
                }
                Err(DecodeError::MissingBase { found, .. }) => {
                    prop_assert!(!is_readable);
                    prop_assert_eq!(found, frame.sequence);
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
            if repeated.contains(&i) && is_readable {
                let is_duplicate = matches!(decoder.decode(&frame.bytes), Err(DecodeError::Duplicate { .. }));
                prop_assert!(is_duplicate);
            }
        }
    }

    #[test]
    fn damage_on_the_wire_is_always_noticed(
        steps in prop::collection::vec(step(), 1..4),
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        let frames = run(&steps);
        let original = &frames[0].0.bytes;
        let mut damaged = original.to_vec();
        damages.iter().for_each(|damage| damage.to(&mut damaged));
        prop_assume!(damaged != original[..]);
        prop_assert!(MetricDecoder::new().decode(&damaged).is_err());
    }

    #[test]
    fn damaged_protobuf_behind_a_valid_checksum_never_panics(
        steps in prop::collection::vec(step(), 3),
        damages in prop::collection::vec(damage(), 1..5),
    ) {
        let mut decoder = MetricDecoder::new();
        for (frame, _) in run(&steps) {
            let frame: pb::MetricFrame = frame::open(&frame.bytes).expect("what was written");
            let mut payload = frame.encode_to_vec();
            damages.iter().for_each(|damage| damage.to(&mut payload));
            let _ = decoder.decode(&envelope::seal(&payload, 3));
        }
    }

    #[test]
    fn damage_behind_a_valid_checksum_never_panics_and_ends_with_the_next_key_frame(
        steps in prop::collection::vec(step(), 2..20),
        at in any::<prop::sample::Index>(),
        damages in prop::collection::vec((0usize..10, damage()), 1..5),
    ) {
        let frames = run(&steps);
        let at = at.index(frames.len());
        let mut decoder = MetricDecoder::new();
        let mut is_damaged = false;
        for (i, (frame, expected)) in frames.iter().enumerate() {
            if i == at {
                is_damaged = true;
                let _ = decoder.decode(&damaged(&frame.bytes, &damages));
                continue;
            }
            is_damaged &= frame.frame != FrameKind::Key;
            match decoder.decode(&frame.bytes) {
                Ok(batch) if !is_damaged => assert_is(&batch, frame, expected)?,
                Ok(_) => {}
                Err(error) => prop_assert!(is_damaged, "{}", error),
            }
        }
    }
}

/// The frame with some of its columns damaged, in a valid envelope.
fn damaged(bytes: &[u8], damages: &[(usize, crate::testing::Damage)]) -> Vec<u8> {
    let mut frame: pb::MetricFrame = frame::open(bytes).expect("what was written");
    for (column, damage) in damages {
        let columns = [
            &mut frame.presence_flips,
            &mut frame.regrouped,
            &mut frame.regrouped_to,
            &mut frame.times,
            &mut frame.reformed,
            &mut frame.reformed_to,
            &mut frame.misses,
            &mut frame.values,
            &mut frame.corrections,
            &mut frame.further,
        ];
        let column = columns.into_iter().nth(*column).expect("one of ten columns");
        let mut bytes = column.to_vec();
        damage.to(&mut bytes);
        *column = bytes.into();
    }
    frame::seal(&frame, 3).to_vec()
}
