//! What a sample costs on disk and in memory, and how fast it is written and read, on the recorded
//! scrapes of a real cluster. Sizes go to standard error, times to criterion.

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sentinel_metric_store::{
    Config, EmbeddedConfig, Fsync, Handles, MetricStoreStats, RangeQuery, TimeRange, WindowRows, open,
};
use sentinel_model::{Aggregate, Field, Resolution, Selector, Timestamp};
use sentinel_runtime::{Health, Registry};
use tokio::runtime::Runtime;

#[path = "embedded/recording.rs"]
mod recording;
#[path = "embedded/windows.rs"]
mod windows;

const DAY_MS: i64 = 86_400_000;
/// Length of the recording, in windows of the widest chunk that starts with it.
const RECORDED_MS: i64 = 1_200_000;
/// Series of the day that is read.
const SERIES_A_DAY: usize = 5_000;

fn store(folder: &Path, config: EmbeddedConfig) -> Handles {
    let (health, mut registry) = (Health::default(), Registry::default());
    let config = EmbeddedConfig { fsync: Fsync::Never, ..config };
    open(&Config::Embedded(config), folder, &health, &mut registry).expect("a store")
}

fn stats(runtime: &Runtime, store: &Handles) -> MetricStoreStats {
    runtime.block_on(store.reader.stats()).expect("stats")
}

/// Writes windows as they come and returns the most that the head ever held.
fn fill(runtime: &Runtime, folder: &Path, windows: impl Iterator<Item = WindowRows>) -> u64 {
    let store = store(folder, EmbeddedConfig::default());
    let mut most = 0;
    for window in windows {
        runtime.block_on(store.writer.write([window].into())).expect("a write");
        most = most.max(stats(runtime, &store).head_bytes);
    }
    most
}

/// Moves everything into chunks, as time would.
fn settle(runtime: &Runtime, folder: &Path) -> MetricStoreStats {
    let maintenance_interval = Duration::from_millis(10);
    let config = EmbeddedConfig { head_windows: 1, maintenance_interval, ..EmbeddedConfig::default() };
    let store = store(folder, config);
    loop {
        let stats = stats(runtime, &store);
        if stats.head_bytes == 0 {
            return stats;
        }
        std::thread::yield_now();
    }
}

/// Bytes of each keyspace in files, with nothing left in memory and nothing outdated.
fn disk_bytes(folder: &Path) -> Vec<(String, u64)> {
    let database = fjall::Database::builder(folder).open().expect("a database");
    let size = |name: fjall::KeyspaceCreateOptions, of: &str| {
        let keyspace = database.keyspace(of, || name).expect("a keyspace");
        keyspace.rotate_memtable_and_wait().expect("a flush");
        keyspace.major_compact().expect("a compaction");
        (of.to_owned(), keyspace.disk_space())
    };
    ["chunks-10s", "chunks-1m", "chunks-5m", "chunks-1h", "series", "spans", "wal"]
        .map(|of| size(fjall::KeyspaceCreateOptions::default(), of))
        .to_vec()
}

fn sizes(_: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    for targets in ["", "kubelet/cadvisor", "kubelet/", "apiserver/"] {
        let Some(recorded) = recording::read(targets) else {
            eprintln!("SKIPPED: the recording is not there");
            return;
        };
        let n_samples: usize = recorded.iter().map(|one| one.samples.len()).sum();
        let name = if targets.is_empty() { "all targets" } else { targets };
        eprintln!("{name}: {n_samples} samples of {} series", recorded.len());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let windows = windows::windows(&recorded, &Resolution::ALL);
        let begun = Instant::now();
        let most = fill(&runtime, folder.path(), windows.into_iter());
        eprintln!("  written in {:?}; the head held {most} bytes at most", begun.elapsed());
        let stats = settle(&runtime, folder.path());
        let bytes = disk_bytes(folder.path());
        let of = |name: &str| bytes.iter().find(|(other, _)| other == name).map_or(0, |(_, bytes)| *bytes);
        for (resolution, of_it) in &stats.resolutions {
            let n_bytes = of(&format!("chunks-{}", resolution.as_str()));
            let a_window = n_bytes as f64 / of_it.n_windows as f64;
            eprintln!(
                "  {}: {} windows, {n_bytes} bytes, {a_window:.3} a window",
                resolution.as_str(),
                of_it.n_windows
            );
        }
        let index = of("series") + of("spans");
        eprintln!("  index: {index} bytes, {:.2} a series", index as f64 / stats.n_series as f64);
        let raw = (of("chunks-10s") + index) as f64 / n_samples as f64;
        eprintln!(
            "  a raw sample costs {raw:.3} bytes, all of the index included; write-ahead: {}",
            of("wal")
        );
    }
}

fn day_of_minutes(runtime: &Runtime, folder: &Path) -> Option<(Timestamp, Vec<recording::Recorded>)> {
    let mut recorded = recording::read("kubelet/cadvisor")?;
    recorded.sort_by_key(|one| std::cmp::Reverse(one.samples.len()));
    recorded.truncate(SERIES_A_DAY);
    let minutes = windows::windows(&recorded, &[Resolution::OneMinute]);
    let first = minutes[0].window.start;
    let whole: Vec<WindowRows> =
        minutes.into_iter().filter(|one| one.window.start.millis_since(first) < RECORDED_MS).collect();
    let days = (0..DAY_MS / RECORDED_MS).flat_map(|n| windows::shifted(&whole, n * RECORDED_MS));
    let begun = Instant::now();
    let most = fill(runtime, folder, days);
    let stats = settle(runtime, folder);
    let (_, minute) = stats.resolutions[1];
    eprintln!(
        "a day of minutes: {} windows of {} series written in {:?}, head {most} bytes at most",
        minute.n_windows,
        stats.n_series,
        begun.elapsed()
    );
    Some((first, recorded))
}

fn reads(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some((first, recorded)) = day_of_minutes(&runtime, folder.path()) else {
        eprintln!("SKIPPED: the recording is not there");
        return;
    };
    let store = store(folder.path(), EmbeddedConfig::default());
    let query = |selector: Selector, field| RangeQuery {
        selector,
        range: TimeRange { start: first, end: first.saturating_add_millis(DAY_MS) },
        resolution: Resolution::OneMinute,
        field,
        max_series: 10_000,
        max_points: 100_000_000,
    };
    let changing = |one: &&recording::Recorded| {
        one.series.labels.metric_name() == "container_cpu_usage_seconds_total" && one.samples.len() > 100
    };
    let one = recorded.iter().find(changing).expect("a series that changes");
    let matchers =
        one.series.labels.iter().map(|(name, value)| sentinel_model::LabelMatcher::equal(name, value));
    let one = Selector::new(matchers.collect());
    let mut group = criterion.benchmark_group("one series over 24 h at 1 min");
    for field in [Field::Last, Field::Avg, Field::Increase, Field::Stddev, Field::P99] {
        let query = query(one.clone(), field);
        let answer = runtime.block_on(store.reader.range(&query)).expect("an answer");
        eprintln!("{field:?}: {} points", answer[0].points.len());
        group.bench_function(format!("{field:?}"), |bencher| {
            bencher.iter(|| runtime.block_on(store.reader.range(&query)).expect("an answer"));
        });
    }
    group.finish();
    let all = query(Selector::metric("container_memory_working_set_bytes"), Field::Avg);
    let answer = runtime.block_on(store.reader.range(&all)).expect("an answer");
    let n_points: usize = answer.iter().map(|one| one.points.len()).sum();
    let mut group = criterion.benchmark_group(format!("{} series over 24 h at 1 min", answer.len()));
    group.sample_size(10).throughput(Throughput::Elements(n_points as u64));
    group.bench_function("Avg", |bencher| {
        bencher.iter(|| runtime.block_on(store.reader.range(&all)).expect("an answer"));
    });
    group.finish();
}

fn writes(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let Some(recorded) = recording::read("kubelet/cadvisor") else {
        eprintln!("SKIPPED: the recording is not there");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = store(folder.path(), EmbeddedConfig::default());
    let window =
        windows::windows(&recorded, &[Resolution::TenSeconds]).into_iter().max_by_key(|one| one.rows.len());
    let window = window.expect("a window");
    let mut n = 0;
    let mut group = criterion.benchmark_group("write, chunks included");
    group.throughput(Throughput::Elements(window.rows.len() as u64));
    group.bench_function("a window of 10 s", |bencher| {
        let next = || {
            n += 1;
            let mut next = windows::shifted(std::slice::from_ref(&window), n * 10_000);
            for (at, row) in next[0].rows.iter_mut().enumerate() {
                row.aggregate = Aggregate::Single(row.aggregate.last() + (n * (at % 3) as i64) as f64);
            }
            next
        };
        bencher.iter_batched(
            next,
            |windows| runtime.block_on(store.writer.write(windows.into())).expect("a write"),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, sizes, reads, writes);
criterion_main!(benches);
