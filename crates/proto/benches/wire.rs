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
    print_sizes(&targets);
    print_choices(&targets);
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

fn encode(name: &str, target: &Target, config: EncoderConfig) -> Vec<(FrameKind, Bytes)> {
    let stream = StreamKey {
        cluster: "real-cluster-a".into(),
        collector: "collector-0".into(),
        target: format!("{name}/node-1").into(),
    };
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
fn print_sizes(targets: &BTreeMap<String, Target>) {
    let config = EncoderConfig::default();
    println!("key frame every {} frames, zstd level {}", config.key_interval, config.zstd_level);
    println!(
        "target               samples   bytes/sample   key frames: bytes each   delta frames: bytes each"
    );
    for (name, target) in targets {
        let frames = encode(name, target, config);
        let sizes = |kind| frames.iter().filter(move |(of, _)| *of == kind).map(|(_, bytes)| bytes.len());
        let mean = |kind| sizes(kind).sum::<usize>() / sizes(kind).count().max(1);
        let n_samples = n_samples(target);
        let bytes: usize = frames.iter().map(|(_, bytes)| bytes.len()).sum();
        println!(
            "{name:18} {n_samples:9}   {:12.3}   {:5}: {:15}   {:7}: {:15}",
            bytes as f64 / n_samples as f64,
            sizes(FrameKind::Key).count(),
            mean(FrameKind::Key),
            sizes(FrameKind::Delta).count(),
            mean(FrameKind::Delta),
        );
    }
    println!("the four of the kubelet {:18.3}", bytes_per_kubelet_sample(targets, config));
}

#[expect(clippy::print_stdout, reason = "the table is what this benchmark is for")]
fn print_choices(targets: &BTreeMap<String, Target>) {
    println!("\nthe four of the kubelet, by frames per key frame and zstd level");
    for (key_interval, zstd_level) in
        [(1, 3), (15, 3), (30, 1), (30, 3), (30, 9), (30, 19), (60, 3), (u32::MAX, 3)]
    {
        let per_sample = bytes_per_kubelet_sample(targets, EncoderConfig { key_interval, zstd_level });
        println!("{key_interval:10} {zstd_level:3} {per_sample:10.3} bytes/sample");
    }
}

fn bytes_per_kubelet_sample(targets: &BTreeMap<String, Target>, config: EncoderConfig) -> f64 {
    let kubelet = || targets.iter().filter(|(name, _)| name.starts_with("kubelet/"));
    let frames = kubelet().flat_map(|(name, target)| encode(name, target, config));
    let bytes: usize = frames.map(|(_, bytes)| bytes.len()).sum();
    let n_samples: usize = kubelet().map(|(_, target)| n_samples(target)).sum();
    bytes as f64 / n_samples as f64
}

fn measure(criterion: &mut Criterion, name: &str, target: &Target) {
    let mut group = criterion.benchmark_group(name.replace('/', "-"));
    group.throughput(Throughput::Elements(n_samples(target) as u64));
    let config = EncoderConfig::default();
    group.bench_function("encode", |bencher| {
        bencher.iter(|| black_box(encode(name, target, config)));
    });
    let frames = encode(name, target, config);
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
