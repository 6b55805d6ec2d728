//! The outlet against a bus that fails.

use std::path::Path;

use futures::future::join_all;
use sentinel_model::{
    EventBatch, EventRecord, Labels, LogBatch, LogRecord, MetricKind, ObjectDetail, ObjectKey, ObjectRef,
    ObjectState, Series,
};
use sentinel_proto::Wire as _;
use sentinel_runtime::ComponentState;
use tokio::time::timeout;

use super::*;
use crate::OutletPolicy;
use crate::metrics::Reason;
use crate::testing::{Bench, FakeBus, Mode, N_PARTITIONS};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn series(name: &str) -> Series {
    let labels = Labels::from_pairs([("__name__", name)]).expect("one label");
    Series { labels, kind: MetricKind::Gauge }
}

fn bounds(queue_bytes: u64, spool_bytes: u64, policy: OutletPolicy) -> OutletConfig {
    OutletConfig { queue_bytes, spool_bytes, policy }
}

/// One frame with one sample whose value is `number`.
fn frame(stream: &mut TargetStream, number: i64) -> PendingFrame {
    let mut frame = stream.begin(at(number * 1_000));
    frame.sample(&series("m"), at(number * 1_000), number as f64);
    frame.encode()
}

async fn publish(stream: &mut TargetStream, number: i64) -> Result<(), OutletError> {
    frame(stream, number).publish().await
}

fn values(bus: &FakeBus) -> (Vec<i64>, usize) {
    let (frames, n_lost) = bus.frames();
    (frames.iter().flat_map(|frame| frame.points.iter().map(|point| point.value as i64)).collect(), n_lost)
}

#[tokio::test]
async fn frames_arrive_in_order_and_can_be_decoded() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Works);
    let mut bench = Bench::new(&bus, folder.path(), OutletConfig::default());
    let running = bench.service.take().expect("not started").start();
    let mut stream = bench.outlet.target("kubelet/n1", TargetKind::Kubelet);
    for number in 0..100 {
        publish(&mut stream, number).await.expect("published");
    }
    running.drain().await;
    assert_eq!(values(&bus), ((0..100).collect(), 0));
    let keys: Vec<_> = bus.taken_of(Topic::Metrics).into_iter().map(|message| message.record.key).collect();
    assert!(keys.iter().all(|key| key.is_empty() || key == "test/kubelet/n1"));
    assert_eq!(bench.metrics.samples.get(), 100);
    assert_eq!(bench.metrics.queue_bytes.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_short_failure_is_waited_out_in_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::TakesOneAndFails);
    let mut bench = Bench::new(&bus, folder.path(), OutletConfig::default());
    let running = bench.service.take().expect("not started").start();
    let mut stream = bench.outlet.target("t", TargetKind::Scrape);
    let heal = async {
        bus.called(2).await;
        bus.set(Mode::Works);
    };
    let (published, ()) = tokio::join!(publish(&mut stream, 1), heal);
    published.expect("published");
    assert_eq!(values(&bus), (vec![1], 0));
    assert_eq!(bench.metrics.spool_bytes.get(), 0);
    running.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_longer_failure_goes_to_the_spool_and_from_there_to_the_bus_in_order() {
    for mode in [Mode::Fails, Mode::TakesOneAndFails, Mode::Hangs] {
        let folder = tempfile::tempdir().expect("a folder");
        let bus = FakeBus::new(mode);
        let mut bench = Bench::new(&bus, folder.path(), OutletConfig::default());
        let running = bench.service.take().expect("not started").start();
        let mut streams: Vec<_> =
            ["a", "b"].iter().map(|target| bench.outlet.target(target, TargetKind::Scrape)).collect();
        for number in 0..20 {
            for stream in &mut streams {
                publish(stream, number).await.expect("spooled");
            }
        }
        assert!(bench.metrics.spool_bytes.get() > 0, "{mode:?}");
        assert!(bench.health.report().is_degraded);
        bus.set(Mode::Works);
        publish(&mut streams[0], 20).await.expect("spooled or published");
        running.drain().await;
        let (frames, n_lost) = bus.frames();
        for (target, n_frames) in [("a", 21), ("b", 20)] {
            let of_target = frames.iter().filter(|frame| &*frame.stream.target == target);
            let sequences: Vec<u64> = of_target.map(|frame| frame.sequence).collect();
            assert_eq!(sequences, (0..n_frames).collect::<Vec<_>>(), "{mode:?}");
        }
        assert_eq!((n_lost, bench.metrics.spool_bytes.get()), (0, 0), "{mode:?}");
        assert_eq!(bench.health.report().components["collector/outlet"], ComponentState::Ready);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_survives_a_crash_and_comes_before_what_follows() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Fails);
    let mut epochs = Vec::new();
    for run in 0..4 {
        let mut bench = Bench::new(&bus, folder.path(), OutletConfig::default());
        let running = bench.service.take().expect("not started").start();
        let mut stream = bench.outlet.target("t", TargetKind::Scrape);
        for number in run * 10..run * 10 + 10 {
            publish(&mut stream, number).await.expect("spooled");
        }
        // Dropping aborts the tasks as a crash does: nothing is flushed.
        drop(running);
    }
    bus.set(Mode::Works);
    let mut bench = Bench::new(&bus, folder.path(), OutletConfig::default());
    bench.service.take().expect("not started").start().drain().await;
    let (frames, n_lost) = bus.frames();
    for frame in &frames {
        epochs.push(frame.epoch);
    }
    assert_eq!(values(&bus), ((0..40).collect(), 0));
    assert_eq!(n_lost, 0);
    assert!(epochs.is_sorted());
    epochs.dedup();
    assert_eq!(epochs.len(), 4, "each run has an epoch of its own");
}

#[tokio::test(start_paused = true)]
async fn blocks_sources_when_memory_and_spool_are_full_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Fails);
    let mut bench = Bench::new(&bus, folder.path(), bounds(2_000, 4_000, OutletPolicy::Block));
    let running = bench.service.take().expect("not started").start();
    let n_sources = 40;
    let mut streams: Vec<_> =
        (0..n_sources).map(|i| bench.outlet.target(&format!("t{i}"), TargetKind::Scrape)).collect();
    let publishing = join_all(streams.iter_mut().map(|stream| publish(stream, 7)));
    tokio::pin!(publishing);
    assert!(timeout(Duration::from_secs(60), &mut publishing).await.is_err(), "some sources must wait");
    assert!(bench.metrics.queue_bytes.get() <= 2_000);
    assert!(bench.metrics.spool_bytes.get() <= 4_000);
    bus.set(Mode::Works);
    let results = publishing.await;
    assert!(results.iter().all(Result::is_ok));
    running.drain().await;
    let (values, n_lost) = values(&bus);
    assert_eq!((values.len(), n_lost), (n_sources, 0));
}

#[tokio::test(start_paused = true)]
async fn drops_the_oldest_if_told_so_counts_them_and_stays_decodable() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Fails);
    let mut bench = Bench::new(&bus, folder.path(), bounds(100_000, 6_000, OutletPolicy::DropOldest));
    let running = bench.service.take().expect("not started").start();
    let mut stream = bench.outlet.target("t", TargetKind::Scrape);
    let n_frames = 300;
    for number in 0..n_frames {
        publish(&mut stream, number).await.expect("spooled");
        assert!(bench.metrics.spool_bytes.get() <= 6_000);
    }
    bus.set(Mode::Works);
    publish(&mut stream, n_frames).await.expect("published");
    publish(&mut stream, n_frames + 1).await.expect("published");
    running.drain().await;
    let n_dropped = bench.metrics.dropped_samples.get_or_create(&Reason { reason: "spool_full" }).get();
    let n_taken =
        bus.taken_of(Topic::Metrics).iter().filter(|message| !message.record.key.is_empty()).count();
    assert!(n_dropped > 0);
    assert_eq!(n_taken as u64 + n_dropped, n_frames as u64 + 2, "each frame is on the bus or counted");
    let (values, _) = values(&bus);
    assert!(values.is_sorted() && values.ends_with(&[n_frames, n_frames + 1]), "{values:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_bus_refuses_is_counted_and_holds_nothing_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::TakesUpTo(2_000));
    let mut bench = Bench::new(&bus, folder.path(), OutletConfig::default());
    let running = bench.service.take().expect("not started").start();
    let mut stream = bench.outlet.target("t", TargetKind::Scrape);
    publish(&mut stream, 1).await.expect("published");
    let mut large = stream.begin(at(2_000));
    for i in 0..1_000_u64 {
        let name = format!("m{:x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        large.sample(&series(&name), at(2_000), (i as f64).sqrt());
    }
    let refused = large.publish().await;
    assert!(matches!(refused, Err(OutletError::Dropped { reason: "refused" })));
    let dropped = |reason| bench.metrics.dropped_samples.get_or_create(&Reason { reason }).get();
    assert_eq!((dropped("refused"), dropped("series_limit")), (999, 1));
    // The stream must define its series anew; the large table makes that too large again, but counted.
    let mut other = bench.outlet.target("u", TargetKind::Scrape);
    publish(&mut other, 3).await.expect("published");
    running.drain().await;
    assert_eq!(values(&bus), (vec![1, 3], 0));
}

#[tokio::test]
async fn a_frame_that_is_never_sent_makes_the_next_one_a_key_frame() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Works);
    let mut bench = Bench::new(&bus, folder.path(), OutletConfig::default());
    let running = bench.service.take().expect("not started").start();
    let mut stream = bench.outlet.target("t", TargetKind::Scrape);
    publish(&mut stream, 1).await.expect("published");
    drop(frame(&mut stream, 2));
    publish(&mut stream, 3).await.expect("published");
    let mut abandoned = stream.begin(at(4_000));
    abandoned.sample(&series("n"), at(4_000), 4.0);
    drop(abandoned);
    assert_eq!(stream.n_series(), 1, "an abandoned frame leaves no series");
    publish(&mut stream, 5).await.expect("published");
    running.drain().await;
    assert_eq!(values(&bus), (vec![1, 3, 5], 0));
}

#[tokio::test(start_paused = true)]
async fn tells_every_partition_how_far_it_is_and_holds_back_for_what_is_under_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Works);
    let mut bench = Bench::new(&bus, folder.path(), OutletConfig::default());
    bench.outlet.advance(at(10_000));
    let running = bench.service.take().expect("not started").start();
    bus.called(1).await;
    let hold = bench.outlet.hold();
    bench.outlet.advance(at(60_000));
    bus.called(2).await;
    drop(hold);
    bus.called(1).await;
    running.drain().await;
    for partition in 0..N_PARTITIONS {
        let progress = bus.punctuation(partition);
        assert!(progress.is_sorted(), "{progress:?}");
        assert!(progress.iter().filter(|progress| **progress == 10_000).count() >= 2, "{progress:?}");
        assert_eq!(progress.last(), Some(&60_000));
    }
}

#[tokio::test]
async fn two_samples_of_one_series_and_time_in_a_frame_are_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Works);
    let mut bench = Bench::new(&bus, folder.path(), OutletConfig::default());
    let running = bench.service.take().expect("not started").start();
    let mut stream = bench.outlet.target("t", TargetKind::Scrape);
    let mut frame = stream.begin(at(1_000));
    let raw = |text| RawSeries { text, kind: MetricKind::Gauge };
    assert!(frame.text_sample(raw("m"), || Some(series("m")), at(1_000), 1.0));
    assert!(!frame.text_sample(raw("m{}"), || Some(series("m")), at(1_000), 2.0));
    assert!(frame.text_sample(raw("m"), || Some(series("m")), at(900), 3.0));
    assert!(!frame.text_sample(raw("x"), || None, at(1_000), 3.0));
    frame.publish().await.expect("published");
    running.drain().await;
    assert_eq!(values(&bus), (vec![3, 1], 0), "sorted by time, the first of a pair wins");
    let reason = Reason { reason: "duplicate_in_scrape" };
    assert_eq!(bench.metrics.dropped_samples.get_or_create(&reason).get(), 1);
}

#[tokio::test]
async fn series_that_are_gone_for_long_leave_the_stream() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Works);
    let mut bench = Bench::new(&bus, folder.path(), OutletConfig::default());
    let running = bench.service.take().expect("not started").start();
    let mut stream = bench.outlet.target("t", TargetKind::Scrape);
    for number in 0..100 {
        let mut frame = stream.begin(at(number));
        frame.sample(&series(&format!("pod{}", number / 5)), at(number), number as f64);
        frame.sample(&series("steady"), at(number), number as f64);
        frame.publish().await.expect("published");
    }
    assert!(stream.n_series() < 16, "{} series are kept", stream.n_series());
    running.drain().await;
    let (frames, n_lost) = bus.frames();
    assert_eq!((frames.len(), n_lost), (100, 0));
}

fn object(uid: &str, is_deleted: bool) -> ObjectState {
    ObjectState {
        key: ObjectKey { cluster: "test".into(), kind: "Pod".into(), uid: uid.to_owned() },
        namespace: "shop".to_owned(),
        name: uid.to_owned(),
        resource_version: "1".to_owned(),
        created: None,
        observed: at(1),
        is_deleted,
        labels: Default::default(),
        owners: Vec::new(),
        workload: None,
        detail: ObjectDetail::Other,
        manifest: "{}".to_owned(),
    }
}

fn event(workload: &str, uid: &str) -> EventRecord {
    EventRecord {
        uid: uid.to_owned(),
        resource_version: "1".to_owned(),
        kind: "Normal".to_owned(),
        severity: Default::default(),
        reason: "Started".to_owned(),
        message: String::new(),
        regarding: ObjectRef { namespace: "shop".to_owned(), ..ObjectRef::default() },
        workload_kind: "Deployment".to_owned(),
        workload: workload.to_owned(),
        reporter: "kubelet".to_owned(),
        node: String::new(),
        count: 1,
        first_seen: at(1),
        last_seen: at(1),
    }
}

fn log(body: &str) -> LogRecord {
    LogRecord {
        timestamp_ns: 1,
        namespace: "shop".into(),
        workload_kind: "Deployment".into(),
        workload: "cart".into(),
        pod: "cart-1".into(),
        container: "cart".into(),
        node: "n1".into(),
        severity: Default::default(),
        body: body.to_owned(),
    }
}

#[tokio::test]
async fn objects_events_and_lines_go_out_by_key_with_numbers_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Works);
    let mut bench = Bench::new(&bus, folder.path(), OutletConfig::default());
    let running = bench.service.take().expect("not started").start();
    let outlet = &bench.outlet;
    outlet.publish_objects(vec![object("a", false), object("a", true)]).await.expect("published");
    outlet
        .publish_events(vec![event("cart", "1"), event("db", "2"), event("cart", "3")])
        .await
        .expect("published");
    outlet.publish_events(vec![event("cart", "4")]).await.expect("published");
    outlet.publish_logs(vec![log(&"x".repeat(700_000)), log(&"y".repeat(700_000))]).await.expect("published");
    running.drain().await;
    let objects = bus.taken_of(Topic::Objects);
    assert_eq!(objects.len(), 3);
    assert!(objects[2].record.value.is_empty() && objects[2].record.key == objects[0].record.key);
    let events: Vec<EventBatch> = bus
        .taken_of(Topic::Events)
        .iter()
        .map(|message| EventBatch::decode(&message.record.value).expect("events"))
        .collect();
    let numbered: Vec<_> = events
        .iter()
        .map(|batch| (batch.records[0].workload.as_str(), batch.sequence, batch.records.len()))
        .collect();
    assert_eq!(numbered, [("cart", 0, 2), ("db", 0, 1), ("cart", 1, 1)]);
    let logs: Vec<LogBatch> = bus
        .taken_of(Topic::Logs)
        .iter()
        .map(|message| LogBatch::decode(&message.record.value).expect("lines"))
        .collect();
    assert_eq!(
        logs.iter().map(|batch| (batch.sequence, batch.records.len())).collect::<Vec<_>>(),
        [(0, 1), (1, 1)]
    );
}

#[test]
fn a_folder_that_cannot_be_used_is_refused_with_its_name() {
    let bus = FakeBus::new(Mode::Works);
    let settings = OutletSettings {
        cluster: "test".into(),
        collector: "c1".into(),
        config: OutletConfig::default(),
        series_per_target: 10,
        clock: Clock::Wall,
    };
    let component = sentinel_runtime::Health::default().component("outlet");
    let error =
        Outlet::build(settings, bus, Path::new("/dev/null/spool").into(), Default::default(), component)
            .err()
            .expect("a refusal");
    assert!(error.to_string().contains("/dev/null/spool"), "{error}");
}
