//! Samples a second on one core, from frames to windows on the bus: the recorded scrapes of a real
//! cluster's kubelet, twice over, the second time shifted to follow the first.
//!
//! References of the same run: decoding the same frames and nothing more; and the same samples into a
//! `HashMap<Labels, Vec<f64>>` per 10 s, averaged, as one would write it at first.

#![expect(clippy::print_stdout, reason = "prints its figures")]

mod support;

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use sentinel_bus::{Bus, Delivered};
use sentinel_model::{Labels, Topic};
use sentinel_processor::bench::{Part, Stages};
use sentinel_proto::MetricDecoder;
use support::bus::{Counting, HandOver};
use support::scrapes::{Frame, Node, delivered};

const ROUNDS: usize = 5;
const LAPS: i64 = 2;
const GOAL: f64 = 2e6;

fn main() {
    let Some(targets) = support::recording::recorded(usize::MAX) else { return };
    let mut node = Node::new(&targets, "node-1");
    let frames: Vec<Frame> = (0..LAPS).flat_map(|lap| node.frames(lap * support::LAP_MS)).collect();
    let n_samples: usize = frames.iter().map(|frame| frame.n_samples).sum();
    println!(
        "{n_samples} samples in {} frames: the recording {LAPS} times, each lap shifted to follow the one before.",
        frames.len()
    );
    println!("CPU time of one thread, best of {ROUNDS} rounds; goal: {GOAL:e} samples/s");
    // `-- live` is what is profiled when the live case is too slow.
    if std::env::args().any(|argument| argument == "live") {
        let seconds = (0..ROUNDS).map(|_| windows(&frames, 1)).fold(f64::INFINITY, f64::min);
        println!("decode_window_rollup, a frame a poll: {:.0} samples/s", n_samples as f64 / seconds);
        return;
    }
    let best =
        |run: &dyn Fn() -> f64| n_samples as f64 / (0..ROUNDS).map(|_| run()).fold(f64::INFINITY, f64::min);
    let decoding = best(&|| decode(&frames));
    let naive = best(&|| naive(&frames));
    let print = |name: &str, rate: f64| {
        println!("{name:44} {rate:12.0} samples/s (decoding alone {decoding:.0}, naive map {naive:.0})");
    };
    print("decode_window_rollup, a frame a poll", best(&|| windows(&frames, 1)));
    print("decode_window_rollup, 100 frames a poll", best(&|| windows(&frames, 100)));
    for (name, part) in [("rollups_to_5m_and_1h", Part::Stage2), ("rollups_to_store_rows", Part::MetricStore)]
    {
        print(name, best(&|| sinks(&frames, part)));
    }
}

fn decode(frames: &[Frame]) -> f64 {
    let mut decoder = MetricDecoder::new();
    timed(|| {
        for frame in frames {
            black_box(decoder.decode(&frame.bytes).expect("a frame just written"));
        }
    })
}

fn naive(frames: &[Frame]) -> f64 {
    let mut decoder = MetricDecoder::new();
    let mut series: HashMap<Arc<str>, Vec<Labels>> = HashMap::new();
    let mut windows: HashMap<(i64, Labels), Vec<f64>> = HashMap::new();
    timed(|| {
        let mut open_from = i64::MIN;
        for frame in frames {
            let batch = decoder.decode(&frame.bytes).expect("a frame just written");
            let labels = series.entry(batch.stream.target).or_default();
            if batch.frame == sentinel_model::FrameKind::Key {
                labels.clear();
            }
            labels.extend(batch.defined.into_iter().map(|(_, series)| series.labels));
            for point in batch.points {
                let window = point.timestamp.as_millis() / 10_000;
                let labels = labels[point.series.0 as usize].clone();
                windows.entry((window, labels)).or_default().push(point.value);
            }
            let frontier = batch.scraped.as_millis() / 10_000 - 3;
            if frontier > open_from {
                open_from = frontier;
                windows.retain(|(window, _), values| {
                    black_box(values.iter().sum::<f64>() / values.len() as f64);
                    *window >= frontier
                });
            }
        }
    })
}

fn windows(frames: &[Frame], frames_per_poll: usize) -> f64 {
    let bus = Arc::new(HandOver::default());
    let mut stages = Stages::new(&(Arc::clone(&bus) as Arc<dyn Bus>), Arc::new(Counting::default()));
    let seconds = timed(|| {
        for records in polls(frames, frames_per_poll) {
            support::now(stages.handle(Part::Windows, records));
            black_box((bus.take(Topic::Live), bus.take(Topic::Rollups)));
        }
    });
    let n_samples: usize = frames.iter().map(|frame| frame.n_samples).sum();
    assert_eq!(stages.n_samples(), n_samples as u64, "every sample reached a window or was there already");
    seconds
}

/// What the rollups cost the pipelines that read them, by samples that they came from.
fn sinks(frames: &[Frame], part: Part) -> f64 {
    let bus = Arc::new(HandOver::default());
    let mut stages = Stages::new(&(Arc::clone(&bus) as Arc<dyn Bus>), Arc::new(Counting::default()));
    let mut seconds = 0.0;
    for records in polls(frames, 1) {
        support::now(stages.handle(Part::Windows, records));
        let rollups = bus.take(Topic::Rollups);
        seconds += timed(|| support::now(stages.handle(part, rollups)));
        black_box((bus.take(Topic::Live), bus.take(Topic::Rollups)));
    }
    seconds
}

fn polls(frames: &[Frame], frames_per_poll: usize) -> impl Iterator<Item = Vec<Delivered>> + '_ {
    let mut offset = 0;
    frames.chunks(frames_per_poll).map(move |frames| {
        let records = frames.iter().zip(offset..).map(|(frame, offset)| delivered(frame, offset)).collect();
        offset += frames.len() as u64;
        records
    })
}

/// CPU seconds that `work` took of this thread, which others on the machine do not disturb as they do the
/// wall clock. Where the system does not tell, the wall clock's.
fn timed(work: impl FnOnce()) -> f64 {
    let on_cpu = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    let (wall, before) = (Instant::now(), on_cpu());
    work();
    let spent = on_cpu().zip(before).map(|(after, before)| (after - before) as f64 / 1e9);
    spent.unwrap_or_else(|| wall.elapsed().as_secs_f64())
}
