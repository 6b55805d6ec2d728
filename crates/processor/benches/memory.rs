//! Bytes of memory for each active series, stage by stage: an hour of a real cluster's kubelet, on as many
//! nodes as it takes for 100,000 series. The recording is played in laps, each shifted to follow the one
//! before; on each node the pods are other pods.
//!
//! Reference of the same run: the labels alone, once.

#![expect(clippy::print_stdout, reason = "prints its figures")]

mod support;

use std::alloc::System;
use std::collections::HashSet;
use std::sync::Arc;

use sentinel_bus::Bus;
use sentinel_model::{Labels, Topic};
use sentinel_processor::bench::{Part, Stages};
use sentinel_proto::MetricDecoder;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::bus::{Counting, HandOver};
use support::scrapes::{Frame, Node, delivered};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const GOAL: usize = 1_024;

fn main() {
    let Some(targets) = support::recording::recorded(usize::MAX) else { return };
    let n_nodes = argument("nodes", 12);
    let n_laps = argument("laps", 3);
    let names: Vec<String> =
        (0..n_nodes).map(|i| format!("ip-10-0-{i}-7.eu-central-1.compute.internal")).collect();
    let mut nodes: Vec<Node<'_>> = names.iter().map(|name| Node::new(&targets, name)).collect();
    let bus = Arc::new(HandOver::default());
    let mut stages = Stages::new(&(Arc::clone(&bus) as Arc<dyn Bus>), Arc::new(Counting::default()));
    let (mut offset, mut n_samples, mut active) = (0, 0, HashSet::new());
    for lap in 0..n_laps {
        let shift = lap as i64 * support::LAP_MS;
        let mut frames: Vec<Frame> = nodes.iter_mut().flat_map(|node| node.frames(shift)).collect();
        frames.sort_by_key(|frame| frame.scraped);
        for frame in &frames {
            run(&mut stages, &bus, frame, offset);
            offset += 1;
            n_samples += frame.n_samples;
        }
        if lap + 1 == n_laps {
            active = labels(&frames);
        }
    }
    let labels_alone: usize = active.iter().map(Labels::heap_bytes).sum();
    println!("{} active series after {} min, {n_samples} samples", stages.n_active_series(), n_laps * 20);
    drop((nodes, active));
    drop(targets);
    report(stages, labels_alone);
}

/// One frame through all stages, whose results go on to the next ones.
fn run(stages: &mut Stages, bus: &HandOver, frame: &Frame, offset: u64) {
    support::now(stages.handle(Part::Windows, vec![delivered(frame, offset)]));
    bus.take(Topic::Live);
    loop {
        let rollups = bus.take(Topic::Rollups);
        if rollups.is_empty() {
            return;
        }
        support::now(stages.handle(Part::Stage2, rollups.clone()));
        support::now(stages.handle(Part::MetricStore, rollups));
    }
}

/// Labels that the frames carry.
fn labels(frames: &[Frame]) -> HashSet<Labels> {
    let mut decoder = MetricDecoder::new();
    let batches = frames.iter().filter_map(|frame| decoder.decode(&frame.bytes).ok());
    batches.flat_map(|batch| batch.defined).map(|(_, series)| series.labels).collect()
}

/// Shared labels count for the stage that is dropped last of those that share them.
fn report(mut stages: Stages, labels_alone: usize) {
    let n_series = stages.n_active_series().max(1) as f64;
    let reference = labels_alone as f64 / n_series;
    let print = |name: &str, bytes: usize| {
        let per_series = bytes as f64 / n_series;
        println!("{name:32} {per_series:8.1} bytes/series (labels alone, once: {reference:.1}; goal {GOAL})");
    };
    let before = live_bytes();
    let mut last = before;
    for part in [Part::MetricStore, Part::Stage2, Part::Windows] {
        stages.drop_part(part);
        let now = live_bytes();
        print(&format!("memory_per_series, {part:?}"), last - now);
        last = now;
    }
    print("memory_per_series, all", before - last);
}

fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// `--name=N` on the command line.
fn argument(name: &str, default: usize) -> usize {
    let prefix = format!("--{name}=");
    std::env::args().find_map(|argument| argument.strip_prefix(&prefix)?.parse().ok()).unwrap_or(default)
}
