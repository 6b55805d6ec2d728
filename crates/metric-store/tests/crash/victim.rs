//! The process that is killed: it writes windows and says so. What write number `m` holds follows from
//! `m` alone, so that the other side knows what to expect.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use sentinel_metric_store::{Config, EmbeddedConfig, Fsync, Handles, Retention, Row, WindowRows, open};
use sentinel_model::{
    Aggregate, Labels, METRIC_NAME, MetricKind, Resolution, Series, Sketch, Summary, Timestamp, Window,
};
use sentinel_runtime::{Health, Registry};

const START_MS: i64 = 1_700_000_040_000;
/// Short enough for spans and series to be dropped within a run.
pub(crate) const RETENTION: Duration = Duration::from_secs(1_800);
/// Writes of one window: others come between, as from several partitions.
const WRITES_A_WINDOW: u64 = 3;
const SERIES: u64 = 24;
/// After so many windows some series end and others begin.
const GENERATION: u64 = 40;

/// Small chunks that are written all the time.
pub(crate) fn config(is_synced: bool) -> Config {
    Config::Embedded(EmbeddedConfig {
        chunk_windows: 16,
        head_windows: 3,
        fsync: if is_synced { Fsync::Always } else { Fsync::Never },
        maintenance_interval: Duration::from_millis(5),
        retention: Retention { ten_seconds: RETENTION, ..Retention::default() },
        ..EmbeddedConfig::default()
    })
}

pub(crate) fn store(folder: &Path, is_synced: bool) -> Handles {
    let (health, mut registry) = (Health::default(), Registry::default());
    open(&config(is_synced), folder, &health, &mut registry).expect("open the store")
}

/// Writes from `first` on until it is killed.
pub(crate) fn run(folder: &Path, first: u64) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = store(folder, first.is_multiple_of(4));
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "open .").expect("a line");
        for number in first.. {
            store.writer.write(write(number).into()).await.expect("a write");
            writeln!(stdout, "ack {number} .").expect("a line");
            stdout.flush().expect("a line");
        }
    });
}

/// What write number `number` holds: rows of a new window, and now and then rows of older ones.
pub(crate) fn write(number: u64) -> Vec<WindowRows> {
    let newest = number / WRITES_A_WINDOW;
    let mut windows = vec![rows(number, Resolution::TenSeconds, newest)];
    if number % 7 == 3 {
        windows.push(rows(number, Resolution::TenSeconds, newest.saturating_sub(5)));
    }
    if number % 11 == 5 {
        windows.push(rows(number, Resolution::TenSeconds, newest.saturating_sub(60)));
    }
    if number % 5 == 1 {
        windows.push(rows(number, Resolution::OneMinute, newest / 6));
    }
    windows
}

fn rows(number: u64, resolution: Resolution, window: u64) -> WindowRows {
    let start = Timestamp::from_millis(START_MS).floor(resolution.as_millis());
    let start = start.saturating_add_millis(window as i64 * resolution.as_millis());
    let first = window / GENERATION * SERIES / 2;
    let of_this_write = (first..first + SERIES).filter(|n| n % WRITES_A_WINDOW == number % WRITES_A_WINDOW);
    let row = |n: u64| {
        let series = series(n);
        Row { id: series.labels.id(), series, aggregate: aggregate(mix(number ^ mix(n ^ mix(window)))) }
    };
    WindowRows { window: Window { resolution, start }, rows: of_this_write.map(row).collect() }
}

fn series(n: u64) -> Series {
    let n = n.to_string();
    let labels = Labels::from_pairs([(METRIC_NAME, "crash"), ("n", &n)]).expect("different names");
    Series { labels, kind: MetricKind::Counter }
}

/// Of any shape and with any bits.
fn aggregate(seed: u64) -> Aggregate {
    let value = |salt: u64| {
        let random = mix(seed ^ salt);
        if random.is_multiple_of(5) { f64::from_bits(mix(random)) } else { (random % 1_000) as f64 / 8.0 }
    };
    if seed.is_multiple_of(2) {
        return Aggregate::Single(value(1));
    }
    let mut sketch = Sketch::default();
    (2..6).for_each(|salt| sketch.insert(value(salt)));
    Aggregate::Summary(Box::new(Summary {
        count: 1 + seed % 9,
        sum: value(2),
        min: value(3),
        max: value(4),
        last: value(5),
        m2: value(6),
        increase: seed.is_multiple_of(3).then(|| value(7)),
        sketch: seed.is_multiple_of(5).then_some(sketch),
    }))
}

/// SplitMix64 (Steele et al., 2014).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
