//! The embedded store against the contract, against a model, and over its life.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sentinel_model::{
    Aggregate, Field, Kept, Labels, MetricKind, Resolution, RetentionSetting, Timestamp, Window,
};
use sentinel_runtime::{Health, Registry};

use super::chunk::{Chunk, Columns};
use super::span::Span;
use super::storage::chunk_key;
use super::testing::{aggregate, bits};
use super::*;
use crate::{Config, Handles, Retention, Row, TimeRange, contract};

/// Small chunks that are written often.
fn config() -> EmbeddedConfig {
    EmbeddedConfig {
        chunk_windows: 8,
        head_windows: 2,
        fsync: crate::Fsync::Never,
        ..EmbeddedConfig::default()
    }
}

fn core(folder: &Path, config: EmbeddedConfig) -> Core {
    Core::open(folder.into(), config, Metrics::default()).expect("a store")
}

fn handles(folder: &Path, config: EmbeddedConfig) -> Handles {
    let (health, mut registry) = (Health::default(), Registry::default());
    crate::open(&Config::Embedded(config), folder, &health, &mut registry).expect("a store")
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

#[tokio::test]
async fn keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    contract::suite(&handles(folder.path(), EmbeddedConfig::default()), NOW).await;
}

#[tokio::test]
async fn keeps_the_contract_when_rows_go_into_chunks_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = EmbeddedConfig { head_windows: 1, ..config() };
    contract::suite(&handles(folder.path(), config), NOW).await;
}

#[tokio::test]
async fn keeps_its_limits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hour = Duration::from_secs(3_600);
    let retention = Retention { ten_seconds: hour, ..Retention::default() };
    let config = EmbeddedConfig { series_limit: 5, retention, ..config() };
    contract::limits(&handles(folder.path(), config), 5, 3_600_000, NOW).await;
}

#[test]
fn refuses_a_folder_in_use_and_a_configuration_that_cannot_work() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _first = core(folder.path(), config());
    let second = Core::open(folder.path().into(), config(), Metrics::default());
    let message = second.err().expect("an error").to_string();
    assert!(message.contains("in use by another process"), "{message}");
    let (health, mut registry) = (Health::default(), Registry::default());
    let wrong = Config::Embedded(EmbeddedConfig { series_limit: 0, ..config() });
    assert!(crate::open(&wrong, folder.path(), &health, &mut registry).is_err());
}

#[tokio::test]
async fn leaves_the_rest_of_the_disk_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (health, mut registry) = (Health::default(), Registry::default());
    let disk = DataDir::new(folder.path(), u64::MAX);
    let store = crate::open(&Config::Embedded(config()), disk, &health, &mut registry).expect("a store");
    let error = store.writer.write([].into()).await.expect_err("no disk has that much room");
    assert!(error.is_retryable() && error.to_string().contains("min_free_disk"), "{error}");
    assert!(store.reader.names().await.expect("what is there can be read").is_empty());
}

fn series(n: u32) -> Series {
    let n = n.to_string();
    let labels = Labels::from_pairs([("__name__", "m"), ("n", &n)]).expect("different names");
    Series { labels, kind: MetricKind::Gauge }
}

fn rows(window: Window, values: &[(u32, Aggregate)]) -> WindowRows {
    let row = |(n, aggregate): &(u32, Aggregate)| {
        let series = series(*n);
        Row { id: series.labels.id(), series, aggregate: aggregate.clone() }
    };
    WindowRows { window, rows: values.iter().map(row).collect() }
}

fn everything(resolution: Resolution, field: Field) -> RangeQuery {
    RangeQuery {
        selector: Selector::default(),
        range: TimeRange { start: Timestamp::MIN, end: Timestamp::MAX },
        resolution,
        field,
        max_series: usize::MAX,
        max_points: usize::MAX,
    }
}

fn window(resolution: Resolution, n: i64) -> Window {
    let start = NOW.floor(3_600_000).saturating_add_millis(n * resolution.as_millis());
    Window { resolution, start }
}

/// Series → window start → value, of one resolution.
type Model = BTreeMap<(Resolution, Labels, Timestamp), Aggregate>;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(usize, i64, Vec<(u32, Aggregate)>)>),
    SealAll,
    Maintain,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let values = prop::collection::vec((0u32..6, aggregate()), 1..6);
    let windows = prop::collection::vec((0usize..2, 0i64..30, values), 1..4);
    prop_oneof![6 => windows.prop_map(Step::Write), 2 => Just(Step::SealAll), 1 => Just(Step::Maintain), 1 => Just(Step::Reopen)]
}

fn seal_all(core: &Core) {
    let spans: Vec<_> = {
        let head = &core.state.read().head;
        Resolution::ALL.iter().flat_map(|resolution| head.spans(*resolution)).collect()
    };
    spans.into_iter().for_each(|span| core.seal(span).expect("a seal"));
}

fn assert_equals_model(core: &Core, model: &Model) {
    for resolution in [Resolution::TenSeconds, Resolution::OneMinute] {
        for field in [
            Field::Last,
            Field::Min,
            Field::Max,
            Field::Sum,
            Field::Count,
            Field::Stddev,
            Field::Increase,
            Field::P90,
        ] {
            let found: Vec<_> = core
                .range(&everything(resolution, field))
                .expect("an answer")
                .into_iter()
                .flat_map(|one| {
                    let labels = one.series.labels;
                    one.points.into_iter().map(move |(start, value)| (labels.clone(), start, value.to_bits()))
                })
                .collect();
            let expected: Vec<_> = model
                .iter()
                .filter(|((of, ..), _)| *of == resolution)
                .filter_map(|((_, labels, start), aggregate)| {
                    Some((labels.clone(), *start, aggregate.field(field)?.to_bits()))
                })
                .collect();
            assert_eq!(found, expected, "{resolution:?} {field:?}");
        }
    }
    let stats = core.stats().expect("stats");
    for (resolution, of) in stats.resolutions {
        let n_windows = model.keys().filter(|(other, ..)| *other == resolution).count();
        assert_eq!(of.n_windows, n_windows as u64, "{resolution:?}");
    }
}

/// Every row with all its bits, also those that no field shows.
fn exact(core: &Core) -> BTreeMap<(Span, u32, u32), Vec<u64>> {
    let mut all = BTreeMap::new();
    let spans: Vec<Span> = core.state.read().sealed.keys().copied().collect();
    for span in spans {
        for entry in
            core.storage.chunks(span.resolution).range(chunk_key(span, 0)..=chunk_key(span, u32::MAX))
        {
            let mut chunk = Chunk::open(entry.value().expect("a chunk")).expect("a chunk");
            chunk.load(Columns::ALL).expect("its columns");
            for (at, number) in chunk.numbers().to_vec().into_iter().enumerate() {
                for (window, aggregate) in chunk.rows(at) {
                    all.insert((span, number, window), bits(&aggregate));
                }
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_map_would_through_chunks_and_restarts(steps in prop::collection::vec(step(), 1..24)) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut store = core(folder.path(), config());
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Write(windows) => {
                    let mut write = Vec::new();
                    for (resolution, n, values) in windows {
                        let window = window(Resolution::ALL[resolution], n);
                        for (n, aggregate) in &values {
                            model.insert((window.resolution, series(*n).labels, window.start), aggregate.clone());
                        }
                        write.push(rows(window, &values));
                    }
                    let n_rows: usize = write.iter().map(|one| one.rows.len()).sum();
                    prop_assert_eq!(store.write(&write).expect("a write").n_written, n_rows);
                }
                Step::SealAll => seal_all(&store),
                Step::Maintain => store.maintain(Instant::now()).expect("a round"),
                Step::Reopen => {
                    drop(store);
                    store = core(folder.path(), config());
                }
            }
            assert_equals_model(&store, &model);
        }
        seal_all(&store);
        assert_equals_model(&store, &model);
        let mut held: Vec<_> = exact(&store).into_values().collect();
        let mut expected: Vec<_> = model.values().map(bits).collect();
        held.sort();
        expected.sort();
        prop_assert_eq!(held, expected);
    }
}

#[test]
fn a_repeat_of_sealed_windows_rewrites_no_chunk() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = core(folder.path(), config());
    let values: Vec<_> = (0..20).map(|n| (n, Aggregate::Single(f64::from(n)))).collect();
    let write: Vec<_> = (0..6).map(|n| rows(window(Resolution::TenSeconds, n), &values)).collect();
    store.write(&write).expect("a write");
    seal_all(&store);
    let n_sealed = store.metrics.sealed_chunks.get();
    store.write(&write).expect("a write");
    seal_all(&store);
    assert_eq!(store.metrics.sealed_chunks.get(), n_sealed);
    assert_eq!(store.state.read().head.bytes(), 0);
    assert_eq!(store.storage.wal.iter().count(), 0, "no write-ahead entry is left");
}

#[test]
fn a_repeat_of_unsealed_windows_costs_no_write_ahead_entry() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = core(folder.path(), config());
    let write = [rows(window(Resolution::TenSeconds, 0), &[(0, Aggregate::Single(1.0))])];
    for _ in 0..3 {
        assert_eq!(store.write(&write).expect("a write").n_written, 1);
    }
    assert_eq!(store.storage.wal.iter().count(), 1);
}

#[test]
fn drops_spans_and_series_that_are_too_old_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let retention = Retention { ten_seconds: Duration::from_secs(160), ..Retention::default() };
    let config = EmbeddedConfig { retention, ..config() };
    let store = core(folder.path(), config.clone());
    *store.kept.write() = Some(RetentionSetting::default());
    let at =
        |n: i64, series: u32| rows(window(Resolution::TenSeconds, n), &[(series, Aggregate::Single(0.0))]);
    let minute = rows(window(Resolution::OneMinute, 0), &[(1, Aggregate::Single(0.0))]);
    store.write(&[at(0, 0), at(0, 1), minute, at(20, 2)]).expect("a write");
    seal_all(&store);
    store.expire().expect("a round");
    assert_eq!(store.state.read().index.len(), 3, "the first span is not over yet");
    store.write(&[at(40, 2)]).expect("a write");
    store.expire().expect("a round");
    let found = |store: &Core| -> Vec<_> {
        let answer = store.range(&everything(Resolution::TenSeconds, Field::Last)).expect("an answer");
        answer.into_iter().flat_map(|one| one.points).map(|(start, _)| start).collect()
    };
    let kept = [window(Resolution::TenSeconds, 40).start];
    assert_eq!(found(&store), kept);
    let known =
        |store: &Core| [0, 1, 2].map(|n| store.state.read().index.find(series(n).labels.id()).is_some());
    assert_eq!(known(&store), [false, true, true], "series 1 still has a window of a minute");
    assert_eq!(store.write(&[at(0, 0)]).expect("a write").n_expired, 1);
    drop(store);
    let store = core(folder.path(), config);
    assert_eq!(known(&store), [false, true, true]);
    assert_eq!(found(&store), kept);
}

#[test]
fn what_somebody_has_set_is_deleted_at_once_and_nothing_before_it_is_known() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let retention = Retention { ten_seconds: Duration::from_secs(160), ..Retention::default() };
    let store = core(folder.path(), EmbeddedConfig { retention, ..config() });
    let at = |n: i64| rows(window(Resolution::TenSeconds, n), &[(0, Aggregate::Single(0.0))]);
    store.write(&[at(0), at(1_000), at(2_000)]).expect("a write");
    seal_all(&store);
    let n_points = |store: &Core| -> usize {
        let answer = store.range(&everything(Resolution::TenSeconds, Field::Last)).expect("an answer");
        answer.iter().map(|one| one.points.len()).sum()
    };
    store.expire().expect("a round");
    assert_eq!(n_points(&store), 3, "somebody may have set more than is configured");
    assert_eq!(store.write(&[at(1)]).expect("a write").n_expired, 0);
    let set = |seconds| {
        let kept = Kept::Metrics(Resolution::TenSeconds);
        let set = RetentionSetting::new([(kept, Duration::from_secs(seconds))]).expect("within the bounds");
        *store.kept.write() = Some(set);
        store.expire().expect("a round");
    };
    set(40_000);
    assert_eq!(n_points(&store), 4);
    set(15_000);
    assert_eq!(n_points(&store), 2);
    *store.kept.write() = Some(RetentionSetting::default());
    store.expire().expect("a round");
    assert_eq!(n_points(&store), 1, "as configured");
}

#[test]
fn a_window_from_the_future_does_not_make_the_present_old() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = core(folder.path(), config());
    let year_2200 = Window::holding(Timestamp::from_millis(7_258_118_400_000), Resolution::TenSeconds);
    store.write(&[rows(year_2200, &[(0, Aggregate::Single(0.0))])]).expect("a write");
    let now = Timestamp::from_millis(sentinel_runtime::clock::now_millis());
    let today = rows(Window::holding(now, Resolution::TenSeconds), &[(1, Aggregate::Single(0.0))]);
    assert_eq!(store.write(&[today]).expect("a write").n_written, 1);
    store.expire().expect("a round");
    assert_eq!(store.state.read().index.len(), 2);
}

#[test]
fn a_chunk_that_cannot_be_read_is_an_error_for_readers_and_given_up_by_the_next_seal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = core(folder.path(), config());
    let at = |n: i64| rows(window(Resolution::TenSeconds, n), &[(0, Aggregate::Single(n as f64))]);
    store.write(&[at(0), at(1)]).expect("a write");
    seal_all(&store);
    let (span, _) = store.grid.place(window(Resolution::TenSeconds, 0));
    store.storage.chunks(Resolution::TenSeconds).insert(chunk_key(span, 0), "nonsense").expect("an insert");
    let answer = store.range(&everything(Resolution::TenSeconds, Field::Last));
    assert!(matches!(answer, Err(MetricStoreError::Corrupt { .. })), "{answer:?}");
    store.write(&[at(2)]).expect("a write");
    seal_all(&store);
    assert_eq!(store.metrics.corrupt_chunks.get(), 1);
    let answer = store.range(&everything(Resolution::TenSeconds, Field::Last)).expect("an answer");
    assert_eq!(answer[0].points, [(window(Resolution::TenSeconds, 2).start, 2.0)]);
}

#[test]
fn merges_small_records_of_definitions_and_forgets_the_dead() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = core(folder.path(), config());
    for n in 0..40 {
        store
            .write(&[rows(window(Resolution::TenSeconds, 0), &[(n, Aggregate::Single(0.0))])])
            .expect("a write");
    }
    assert_eq!(store.storage.series.iter().count(), 40);
    store.tidy_definitions().expect("a round");
    assert_eq!(store.storage.series.iter().count(), 1);
    drop(store);
    let store = core(folder.path(), config());
    let answer = store.range(&everything(Resolution::TenSeconds, Field::Last)).expect("an answer");
    assert_eq!(answer.len(), 40);
    assert_eq!(
        store
            .write(&[rows(window(Resolution::TenSeconds, 1), &[(41, Aggregate::Single(0.0))])])
            .expect("a write")
            .n_written,
        1
    );
}

#[test]
fn keeps_the_grid_that_the_folder_was_created_with() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = [rows(window(Resolution::TenSeconds, 3), &[(0, Aggregate::Single(1.0))])];
    let store = core(folder.path(), config());
    store.write(&write).expect("a write");
    drop(store);
    let store = core(folder.path(), EmbeddedConfig { chunk_windows: 100, ..config() });
    assert_eq!(store.grid.windows(), 8);
    let answer = store.range(&everything(Resolution::TenSeconds, Field::Last)).expect("an answer");
    assert_eq!(answer[0].points, [(window(Resolution::TenSeconds, 3).start, 1.0)]);
}

#[tokio::test]
async fn many_writers_and_readers_see_whole_writes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = handles(folder.path(), EmbeddedConfig { head_windows: 1, ..config() });
    let writers = (0..4u32).map(|writer| {
        let handle = Arc::clone(&store.writer);
        sentinel_runtime::spawn("writer", async move {
            for n in 0..60i64 {
                // Both windows say the same in every write.
                let value = [(writer, Aggregate::Single(n as f64))];
                let write = [0, 20].map(|at| rows(window(Resolution::TenSeconds, at), &value));
                handle.write(write.to_vec().into()).await.expect("a write");
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    while !writers.iter().all(sentinel_runtime::Task::is_finished) {
        let answer =
            store.reader.range(&everything(Resolution::TenSeconds, Field::Last)).await.expect("an answer");
        for one in answer {
            let values: Vec<f64> = one.points.iter().map(|(_, value)| *value).collect();
            assert!(values.len() == 2 && values[0] == values[1], "{values:?}");
        }
    }
    for writer in writers {
        writer.await;
    }
}
