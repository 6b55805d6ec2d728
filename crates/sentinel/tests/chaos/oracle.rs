//! What must be in the stores, computed in the plainest way from what lies on the bus, and what is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sentinel_bus::{Bus, PollLimit, Start};
use sentinel_metric_store::{MetricReader, RangeQuery, TimeRange};
use sentinel_model::{Field, Resolution, Selector, Timestamp, Topic};
use sentinel_proto::{DecodeError, MetricDecoder};
use sentinel_runtime::{Task, spawn};

use crate::source::{METRIC, N_SERIES, N_TARGETS, SampleId};

/// (target, series).
type Series = (u64, u64);
/// Count, sum, smallest, largest, last.
type Window = [f64; 5];

const FIELDS: [Field; 5] = [Field::Count, Field::Sum, Field::Min, Field::Max, Field::Last];

/// Everything that was ever acknowledged, read back from the bus as it comes.
#[derive(Default)]
pub struct Truth {
    samples: BTreeMap<(Series, i64), f64>,
    /// Numbers of the scrapes of each target, in order of the bus; also of those that gave way to a rival's.
    scrapes: BTreeMap<u64, Vec<u64>>,
    claims: BTreeMap<String, Claims>,
    pub n_repeats: u64,
    pub unreadable: Vec<String>,
}

/// Follows the topic until dropped.
pub struct Ledger {
    truth: Arc<Mutex<Truth>>,
    _task: Task<()>,
}

impl Ledger {
    pub async fn follow(bus: Arc<dyn Bus>) -> Self {
        let truth = Arc::new(Mutex::new(Truth::default()));
        let (kept, mut decoders) = (Arc::clone(&truth), Decoders::new());
        let mut follower = bus.follow(Topic::Metrics, Start::Earliest).await.expect("follow the topic");
        let limit = PollLimit { max_records: 500, max_bytes: 4 << 20, wait: Duration::from_millis(200) };
        let task = spawn("ledger", async move {
            // Held as long as it is followed.
            let _bus = bus;
            loop {
                let Ok(records) = follower.poll(limit).await else {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                };
                let mut truth = kept.lock();
                records.iter().for_each(|record| truth.note(record, &mut decoders));
            }
        });
        Self { truth, _task: task }
    }

    pub fn n_samples(&self) -> usize {
        self.truth.lock().samples.len()
    }

    /// # Panics
    /// When the bus holds what cannot be, or lacks scrapes for another reason than a killed collector.
    pub fn check(&self, n_collector_kills: u64, n_failed_scrapes: u64) {
        let truth = self.truth.lock();
        assert_eq!(truth.unreadable, [""; 0], "frames on the bus can be read");
        for ((series, _), value) in &truth.samples {
            let id = SampleId::of(*value);
            assert_eq!((id.target, id.series), *series, "a value of another series");
        }
        let mut scrapes = truth.scrapes.clone();
        assert_eq!(truth.samples.len() as u64 % N_SERIES, 0, "a scrape is on the bus as a whole");
        let n_holes: u64 = scrapes
            .values_mut()
            .map(|scrapes| {
                scrapes.sort_unstable();
                let n_before = scrapes.len();
                scrapes.dedup();
                assert_eq!(scrapes.len(), n_before, "a scrape was acknowledged twice as two");
                scrapes.windows(2).map(|pair| pair[1] - pair[0] - 1).sum::<u64>()
            })
            .sum();
        // What a collector had read when it was killed, it had not acknowledged: one scrape of each target, and
        // the one that it had just asked for.
        let allowed = n_collector_kills * N_TARGETS * 2 + n_failed_scrapes;
        assert!(
            n_holes <= allowed,
            "{n_holes} scrapes are missing on the bus, {n_collector_kills} kills and {n_failed_scrapes} that were given up explain {allowed}"
        );
    }

    fn windows(&self, width_ms: i64, span: TimeRange) -> BTreeMap<(Series, i64), Window> {
        let mut windows: BTreeMap<(Series, i64), Window> = BTreeMap::new();
        for ((series, at), value) in &self.truth.lock().samples {
            let start = at - at.rem_euclid(width_ms);
            if start < span.start.as_millis() || start + width_ms > span.end.as_millis() {
                continue;
            }
            let window =
                windows.entry((*series, start)).or_insert([0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY, 0.0]);
            let [count, sum, min, max, _] = *window;
            *window = [count + 1.0, sum + value, min.min(*value), max.max(*value), *value];
        }
        windows
    }
}

type Decoders = BTreeMap<u32, (MetricDecoder, BTreeMap<(String, u32), Series>)>;

impl Truth {
    fn note(&mut self, record: &sentinel_bus::Delivered, decoders: &mut Decoders) {
        if record.record.headers.iter().any(|(name, _)| name == "poison") {
            return;
        }
        let (decoder, names) = decoders.entry(record.position.at.partition).or_default();
        let batch = match decoder.decode(&record.record.value) {
            Ok(batch) => batch,
            Err(DecodeError::Duplicate { .. }) => {
                self.n_repeats += 1;
                return;
            }
            Err(error) => {
                self.unreadable.push(error.to_string());
                return;
            }
        };
        let stream = format!("{}/{}", batch.stream.collector, batch.stream.target);
        for (reference, series) in &batch.defined {
            let label = |name| series.labels.get(name).and_then(|value| value.parse().ok());
            let is_ours = series.labels.get("__name__") == Some(METRIC);
            if let (true, Some(target), Some(number)) = (is_ours, label("target"), label("series")) {
                names.insert((stream.clone(), reference.0), (target, number));
            }
        }
        let is_superseded = batch.frame.has_samples()
            && self.claims.entry(batch.stream.target.to_string()).or_default().weigh(
                (batch.epoch, batch.stream.collector.to_string()),
                batch.scraped.min(record.appended.unwrap_or(Timestamp::MAX)).as_millis(),
            );
        for point in &batch.points {
            let Some(series) = names.get(&(stream.clone(), point.series.0)) else { continue };
            let id = SampleId::of(point.value);
            if id.series == 0 {
                self.scrapes.entry(id.target).or_default().push(id.scrape);
            }
            if !is_superseded {
                // Of two values at one moment, the first counts.
                self.samples.entry((*series, point.timestamp.as_millis())).or_insert(point.value);
            }
        }
    }
}

/// Which of two collectors of one target counts: docs/adr/0007-collectors-share-work.md, in the plainest way.
#[derive(Default)]
struct Claims {
    /// Moments of scrapes, and whether they counted.
    scraped: BTreeMap<(u64, String), BTreeMap<i64, bool>>,
}

impl Claims {
    /// Three intervals of 500 ms are less.
    const HOLD_MS: i64 = 30_000;

    /// Notes a frame of an epoch and a collector. Gives whether it is superseded.
    fn weigh(&mut self, (epoch, collector): (u64, String), scraped: i64) -> bool {
        let is_superseded =
            self.scraped.iter().filter(|((_, other), _)| *other != collector).any(|(rival, seen)| {
                if *rival > (epoch, collector.clone()) {
                    seen.range(scraped - Self::HOLD_MS..=scraped).next().is_some()
                } else {
                    seen.range(scraped..=scraped + Self::HOLD_MS).any(|(_, counted)| *counted)
                }
            });
        self.scraped.entry((epoch, collector)).or_default().insert(scraped, !is_superseded);
        is_superseded
    }
}

/// What the store has of a span.
async fn stored(
    reader: &dyn MetricReader,
    resolution: Resolution,
    span: TimeRange,
) -> Result<BTreeMap<(Series, i64), Window>, String> {
    let mut windows: BTreeMap<(Series, i64), Window> = BTreeMap::new();
    for (index, field) in FIELDS.into_iter().enumerate() {
        let query = RangeQuery {
            selector: Selector::metric(METRIC),
            range: span,
            resolution,
            field,
            max_series: 10_000,
            max_points: 10_000_000,
        };
        for found in reader.range(&query).await.map_err(|error| error.to_string())? {
            let label = |name| found.series.labels.get(name).and_then(|value| value.parse().ok());
            let series = label("target").zip(label("series")).ok_or("a series without its labels")?;
            for (at, value) in found.points {
                windows.entry((series, at.as_millis())).or_insert([f64::NAN; 5])[index] = value;
            }
        }
    }
    Ok(windows)
}

/// Waits until the stores hold exactly what they must for the windows of `span`.
///
/// # Panics
/// When they still do not after `patience`, with what differs.
pub async fn settle(
    ledger: &Ledger,
    reader: &dyn MetricReader,
    span: TimeRange,
    patience: Duration,
) -> usize {
    let began = Instant::now();
    let mut n_windows = 0;
    for resolution in [Resolution::TenSeconds, Resolution::OneMinute] {
        loop {
            let expected = ledger.windows(resolution.as_millis(), span);
            let found = stored(reader, resolution, span).await.map(|mut found| {
                found.retain(|(_, at), _| at + resolution.as_millis() <= span.end.as_millis());
                found
            });
            let difference = match &found {
                Ok(found) if *found == expected => {
                    n_windows += expected.len();
                    break;
                }
                Ok(found) => describe(&expected, found),
                Err(error) => error.clone(),
            };
            assert!(began.elapsed() < patience, "{} windows differ: {difference}", resolution.as_str());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    n_windows
}

fn describe(expected: &BTreeMap<(Series, i64), Window>, found: &BTreeMap<(Series, i64), Window>) -> String {
    let missing = expected.keys().filter(|key| !found.contains_key(key)).count();
    let spurious = found.keys().filter(|key| !expected.contains_key(key)).count();
    let wrong: Vec<_> =
        expected.iter().filter(|(key, window)| found.get(key).is_some_and(|f| f != *window)).collect();
    let example =
        wrong.first().map(|(key, window)| format!("{key:?}: {window:?}, stored {:?}", found.get(key)));
    let first_missing = expected.keys().find(|key| !found.contains_key(key));
    format!(
        "{missing} of {} missing (first {first_missing:?}), {spurious} that must not be there, {} wrong ({example:?})",
        expected.len(),
        wrong.len()
    )
}

/// Whole windows of both widths between two moments.
pub fn span(from_ms: i64, to_ms: i64) -> TimeRange {
    let minute = Resolution::OneMinute.as_millis();
    let start = from_ms - from_ms.rem_euclid(minute) + minute;
    TimeRange {
        start: Timestamp::from_millis(start),
        end: Timestamp::from_millis(to_ms - to_ms.rem_euclid(10_000)),
    }
}
