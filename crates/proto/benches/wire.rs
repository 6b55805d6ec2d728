//! Bytes per sample and speed of the frames on a real cluster's recorded scrapes.

#[path = "../tests/support/mod.rs"]
mod support;
mod windows;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use sentinel_model::{FrameKind, StreamKey};
use sentinel_proto::{EncoderConfig, MetricDecoder, MetricEncoder, RollupDecoder, Scrape};
use support::Target;

fn main() {
    let Some(targets) = support::recorded(usize::MAX) else { return };
    for key_interval in [15, 30, 60, u32::MAX] {
        print_sizes(&targets, key_interval);
    }
    windows::print_sizes(&targets);
    let mut criterion = Criterion::default().configure_from_args().measurement_time(Duration::from_secs(3));
    for name in ["kubelet/cadvisor", "kubelet/metrics"] {
        measure(&mut criterion, name, &targets[name]);
    }
    measure_rollups(&mut criterion, &targets["kubelet/cadvisor"]);
    criterion.final_summary();
}

fn n_samples(target: &Target) -> usize {
    target.scrapes.iter().map(|scrape| scrape.points.len()).sum()
}

fn encode(name: &str, target: &Target, key_interval: u32) -> Vec<(FrameKind, Bytes)> {
    let stream = StreamKey {
        cluster: "real-cluster-a".into(),
        collector: "collector-0".into(),
        target: format!("{name}/node-1").into(),
    };
    let config = EncoderConfig { key_interval, ..EncoderConfig::default() };
    let mut encoder = MetricEncoder::new(stream, 1_732_179_078_000, config);
    let frames = target.scrapes.iter().map(|scrape| {
        let frame = encoder.encode(&Scrape {
            scraped: scrape.scraped,
            progress: scrape.scraped.saturating_sub_millis(15_000),
            series: &target.series[..scrape.n_series],
            points: &scrape.points,
        });
        (frame.frame, frame.bytes)
    });
    frames.collect()
}

#[expect(clippy::print_stdout, reason = "the table is what this benchmark is for")]
fn print_sizes(targets: &BTreeMap<String, Target>, key_interval: u32) {
    println!("\nkey frame every {key_interval} frames");
    println!(
        "target              samples   bytes/sample  key frames: number, bytes each  delta frames: bytes each"
    );
    let (mut kubelet_bytes, mut kubelet_samples) = (0, 0);
    for (name, target) in targets {
        let frames = encode(name, target, key_interval);
        let sizes = |kind| frames.iter().filter(move |(of, _)| *of == kind).map(|(_, bytes)| bytes.len());
        let bytes: usize = frames.iter().map(|(_, bytes)| bytes.len()).sum();
        let n_keys = sizes(FrameKind::Key).count();
        let key_bytes: usize = sizes(FrameKind::Key).sum();
        let n_samples = n_samples(target);
        println!(
            "{name:18} {n_samples:8}   {:12.3}  {n_keys:18}, {:10}  {:24}",
            bytes as f64 / n_samples as f64,
            key_bytes / n_keys,
            (bytes - key_bytes) / (frames.len() - n_keys).max(1),
        );
        if name.starts_with("kubelet/") {
            kubelet_bytes += bytes;
            kubelet_samples += n_samples;
        }
    }
    let per_sample = kubelet_bytes as f64 / kubelet_samples as f64;
    println!("{:18} {kubelet_samples:8}   {per_sample:12.3}", "kubelet, all four");
}

fn measure(criterion: &mut Criterion, name: &str, target: &Target) {
    let mut group = criterion.benchmark_group(name.replace('/', "-"));
    group.throughput(Throughput::Elements(n_samples(target) as u64));
    let key_interval = EncoderConfig::default().key_interval;
    group.bench_function("encode", |bencher| {
        bencher.iter(|| black_box(encode(name, target, key_interval)));
    });
    let frames = encode(name, target, key_interval);
    group.bench_function("decode", |bencher| {
        bencher.iter_batched_ref(
            MetricDecoder::new,
            |decoder| {
                for (_, frame) in &frames {
                    black_box(decoder.decode(frame).expect("a frame just written"));
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn measure_rollups(criterion: &mut Criterion, target: &Target) {
    let windows = windows::windows(target, 1);
    let mut group = criterion.benchmark_group("rollups-10s");
    let n_rollups: usize = windows.iter().map(|window| window.rollups.len()).sum();
    group.throughput(Throughput::Elements(n_rollups as u64));
    group.bench_function("encode", |bencher| {
        bencher.iter(|| black_box(windows::encode(target, &windows)));
    });
    let frames = windows::encode(target, &windows);
    group.bench_function("decode", |bencher| {
        bencher.iter_batched_ref(
            RollupDecoder::new,
            |decoder| {
                for frame in &frames {
                    black_box(decoder.decode(frame).expect("a frame just written"));
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}
