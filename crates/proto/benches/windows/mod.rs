//! Windows over the recorded scrapes, as the processor makes them: a gauge's single sample stays a
//! single value, a counter reports its increase.

use std::collections::BTreeMap;

use bytes::Bytes;
use sentinel_model::{
    Aggregate, MetricKind, Resolution, Rollup, SeriesRef, Sketch, Summary, Timestamp, Window,
};
use sentinel_proto::{EncoderConfig, RollupEncoder};

use crate::support::Target;

pub struct Results {
    window: Window,
    n_series: usize,
    pub rollups: Vec<Rollup>,
}

#[expect(clippy::print_stdout, reason = "the table is what this benchmark is for")]
pub fn print_sizes(targets: &BTreeMap<String, Target>) {
    println!("\nrollups, key frame every {} frames", EncoderConfig::default().key_interval);
    for (width, n_scrapes) in [("10s", 1), ("1m", 6)] {
        let (mut n_bytes, mut n_rollups, mut n_summaries) = (0, 0, 0);
        for target in
            targets.iter().filter(|(name, _)| name.starts_with("kubelet/")).map(|(_, target)| target)
        {
            let windows = windows(target, n_scrapes);
            n_bytes += encode(target, &windows).iter().map(Bytes::len).sum::<usize>();
            let rollups = || windows.iter().flat_map(|window| &window.rollups);
            n_rollups += rollups().count();
            let is_summary = |rollup: &&Rollup| matches!(rollup.aggregate, Aggregate::Summary(_));
            n_summaries += rollups().filter(is_summary).count();
        }
        let per_rollup = n_bytes as f64 / n_rollups as f64;
        println!(
            "{width:4} {n_rollups:8} rollups, {n_summaries} of them summaries: {per_rollup:.3} bytes each"
        );
    }
}

/// One window for every `n_scrapes` scrapes.
pub fn windows(target: &Target, n_scrapes: usize) -> Vec<Results> {
    let resolution = if n_scrapes == 1 { Resolution::TenSeconds } else { Resolution::OneMinute };
    let mut before: Vec<Option<f64>> = vec![None; target.series.len()];
    let mut windows = Vec::new();
    for scrapes in target.scrapes.chunks(n_scrapes) {
        let mut samples: BTreeMap<SeriesRef, BTreeMap<Timestamp, f64>> = BTreeMap::new();
        for point in scrapes.iter().flat_map(|scrape| &scrape.points) {
            samples.entry(point.series).or_default().insert(point.timestamp, point.value);
        }
        let rollups = samples.iter().map(|(series, samples)| {
            let before = &mut before[series.0 as usize];
            let kind = target.series[series.0 as usize].kind;
            Rollup { series: *series, aggregate: aggregate(samples.values().copied(), kind, before) }
        });
        let rollups = rollups.collect();
        let last = scrapes.last().expect("a chunk is not empty");
        windows.push(Results {
            window: Window::holding(last.scraped, resolution),
            n_series: last.n_series,
            rollups,
        });
    }
    windows
}

pub fn encode(target: &Target, windows: &[Results]) -> Vec<Bytes> {
    let mut encoder = RollupEncoder::new("p0".into(), 1_732_179_078_000, EncoderConfig::default());
    let frames = windows.iter().map(|results| {
        encoder.encode(results.window, true, &target.series[..results.n_series], &results.rollups).bytes
    });
    frames.collect()
}

fn aggregate(samples: impl Iterator<Item = f64>, kind: MetricKind, before: &mut Option<f64>) -> Aggregate {
    let (mut count, mut mean, mut m2, mut sum) = (0u64, 0.0, 0.0, 0.0);
    let (mut min, mut max, mut last, mut increase) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0);
    let mut positive: BTreeMap<i32, u64> = BTreeMap::new();
    for sample in samples {
        count += 1;
        let distance = sample - mean;
        mean += distance / count as f64;
        m2 += distance * (sample - mean);
        sum += sample;
        (min, max, last) = (min.min(sample), max.max(sample), sample);
        let growth = before.map_or(0.0, |before| if sample < before { sample } else { sample - before });
        increase += growth;
        *before = Some(sample);
        let bucket = (sample.ln() / (1.01f64 / 0.99).ln()).ceil() as i32;
        *positive.entry(bucket).or_default() += 1;
    }
    let increase = (kind == MetricKind::Counter).then_some(increase);
    if count == 1 && increase.is_none() {
        return Aggregate::Single(last);
    }
    let is_spread = min.to_bits() != max.to_bits();
    let sketch = Sketch { zeros: 0, positive: positive.into_iter().collect(), negative: Vec::new() };
    let sketch = is_spread.then_some(sketch);
    let m2 = if is_spread { m2 } else { 0.0 };
    Aggregate::Summary(Box::new(Summary { count, sum, min, max, last, m2, increase, sketch }))
}
