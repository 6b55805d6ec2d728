//! A recording of a real cluster, and broken ones.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use sentinel_bus::Bus;
use sentinel_model::{EventBatch, LogBatch, ObjectState, Topic};
use sentinel_proto::Wire as _;
use sentinel_runtime::Health;

use super::*;
use crate::testing::{FakeBus, Mode};

fn replay(folder: &Path, data_dir: &Path, bus: &Arc<FakeBus>, speed: f64) -> Result<Replay, ReplayError> {
    let handles = CollectorHandles {
        bus: Arc::clone(bus) as Arc<dyn Bus>,
        cluster: "recorded".to_owned(),
        data_dir: data_dir.into(),
        health: Health::default(),
        admin: None,
    };
    let replay = ReplayConfig { folder: folder.to_owned(), speed };
    Replay::build(&replay, &Config::default(), handles, &mut Registry::default())
}

/// Runs a replay to its end.
async fn run(replay: Replay) -> Result<ReplayCounts, ServiceError> {
    let (trigger, shutdown) = Shutdown::new();
    let mut finished = replay.finished();
    let mut running = spawn("replay", replay.run(shutdown));
    let counts = tokio::select! {
        // A replay that fails drops its sender: then only its result counts.
        Ok(counts) = finished.wait_for(Option::is_some) => counts.clone(),
        result = &mut running => return result.map(|()| ReplayCounts::default()),
    };
    trigger.trigger();
    running.await?;
    Ok(counts.expect("it has finished"))
}

fn write(folder: &Path, name: &str, lines: &[&str]) {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    for line in lines {
        writeln!(encoder, "{line}").expect("in memory");
    }
    fs::write(folder.join(name), encoder.finish().expect("in memory")).expect("written");
}

#[tokio::test]
async fn counts_of_a_real_cluster_are_those_of_its_recorder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/recordings/real-cluster-a");
    if !folder.is_dir() {
        #[expect(clippy::print_stdout, reason = "a skipped test must say so")]
        {
            println!("SKIPPED: {} is not there", folder.display());
        }
        return;
    }
    let data_dir = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Works);
    let replay = replay(&folder, data_dir.path(), &bus, 0.0).expect("a recording");
    let counts = run(replay).await.expect("replayed");
    assert_eq!((counts.samples(), counts.events, counts.log_lines), (1_435_134, 478, 18_058));
    let of = |target: &str| {
        let counts = counts.targets[target];
        (counts.scrapes, counts.failed, counts.samples)
    };
    assert_eq!(of("kubelet/cadvisor"), (120, 6, 515_736));
    assert_eq!(of("kubelet/resource"), (120, 6, 27_040));
    assert_eq!(of("kubelet/probes"), (120, 6, 29_640));
    assert_eq!(of("kubelet/summary"), (120, 6, 0));
    assert_eq!(of("kubelet/metrics"), (120, 6, 249_973));
    assert_eq!(of("apiserver/metrics"), (20, 0, 611_285));
    assert_eq!(of("coredns/metrics"), (20, 10, 1_460));
    let lines = |resource: &str, kind: &str| {
        counts.watch.get(&(resource.to_owned(), kind.to_owned())).copied().unwrap_or_default()
    };
    assert_eq!((counts.watch_lines(), counts.refused), (2_005, 0));
    assert_eq!((lines("pods", "LIST"), lines("pods", "ADDED"), lines("pods", "DELETED")), (30, 31, 25));
    assert_eq!(
        (lines("events", "LIST"), lines("events", "ADDED"), lines("events", "MODIFIED")),
        (183, 295, 126)
    );
    assert_eq!((counts.objects["Pod"], counts.objects["Deployment"], counts.objects["Node"]), (61, 16, 1));
    // Passwords, keys and the like stand in 68 lines or more; see the recording's README.
    assert!(counts.redacted_lines >= 68);
    let (frames, n_lost) = bus.frames();
    assert_eq!((frames.len() as u64 > 640, n_lost), (true, 0));
    assert_published(&bus, &counts);
}

/// The bus holds what was counted.
fn assert_published(bus: &FakeBus, counts: &ReplayCounts) {
    let events: BTreeSet<String> = bus
        .taken_of(Topic::Events)
        .iter()
        .flat_map(|message| EventBatch::decode(&message.record.value).expect("events").records)
        .map(|event| event.uid)
        .collect();
    assert_eq!(events.len() as u64, counts.events);
    let lines: Vec<_> = bus
        .taken_of(Topic::Logs)
        .iter()
        .flat_map(|message| LogBatch::decode(&message.record.value).expect("lines").records)
        .collect();
    assert_eq!(lines.len() as u64, counts.log_records);
    assert_eq!(lines.iter().map(|line| line.body.lines().count().max(1)).sum::<usize>(), 18_058);
    assert!(lines.iter().all(|line| !line.body.contains("hunter2") && !line.workload.is_empty()));
    let objects = bus.taken_of(Topic::Objects);
    let objects = objects.iter().filter(|message| !message.record.value.is_empty());
    let states = objects.map(|message| ObjectState::decode(&message.record.value).expect("a state"));
    let keys: BTreeSet<_> = states.map(|state| state.key).collect();
    assert_eq!(keys.len() as u64, counts.objects.values().sum::<u64>());
}

#[tokio::test(start_paused = true)]
async fn keeps_the_recorded_pace_and_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let scrape = |t: i64, body: &str| {
        format!(r#"{{"t_ms":{t},"target":"x/metrics","status":200,"duration_ms":5.0,"body":"{body}"}}"#)
    };
    write(
        folder.path(),
        "scrapes.jsonl.zst",
        &[&scrape(1_000_000, "a 1\\n"), &scrape(1_060_000, "a 2\\n"), &scrape(1_120_000, "a{\\n")],
    );
    write(folder.path(), "watch.jsonl.zst", &[]);
    write(folder.path(), "logs.jsonl.zst", &[]);
    let bus = FakeBus::new(Mode::Works);
    let data_dir = tempfile::tempdir().expect("a folder");
    let started = Instant::now();
    let counts = run(replay(folder.path(), data_dir.path(), &bus, 10.0).expect("a recording"))
        .await
        .expect("replayed");
    assert!((12_000..16_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    assert_eq!(counts.samples(), 2);
    let (frames, _) = bus.frames();
    let scraped: Vec<i64> = frames
        .iter()
        .filter(|frame| &*frame.stream.target == "x/metrics")
        .map(|frame| frame.scraped.as_millis())
        .collect();
    assert_eq!(scraped, [1_000_000, 1_060_000, 1_120_000]);
    let progress = bus.punctuation(0);
    assert!(
        progress.is_sorted() && progress.last() == Some(&(1_120_005 + BEYOND_THE_END_MS)),
        "{progress:?}"
    );
}

#[test]
fn refuses_what_is_no_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = tempfile::tempdir().expect("a folder");
    let bus = FakeBus::new(Mode::Works);
    let build =
        |speed| replay(folder.path(), data_dir.path(), &bus, speed).err().map(|error| error.to_string());
    let missing = build(0.0).expect("a refusal");
    assert!(missing.contains("scrapes.jsonl.zst"), "{missing}");
    fs::write(folder.path().join("scrapes.jsonl.zst"), b"not zstd").expect("written");
    assert!(build(0.0).is_some());
    write(folder.path(), "scrapes.jsonl.zst", &[r#"{"t_ms":"soon"}"#]);
    let wrong = build(0.0).expect("a refusal");
    assert!(wrong.contains("line 1"), "{wrong}");
    for speed in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(build(speed).expect("a refusal").contains("speed"));
    }
}

#[tokio::test]
async fn a_recording_that_breaks_off_ends_with_the_line_where_it_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = tempfile::tempdir().expect("a folder");
    write(folder.path(), "scrapes.jsonl.zst", &[]);
    write(folder.path(), "watch.jsonl.zst", &[]);
    let line = r#"{"received_ms":1,"t":"2026-11-21T08:50:35Z","namespace":"a","pod":"b","container":"c","line":"x"}"#;
    write(folder.path(), "logs.jsonl.zst", &[line, line, "{"]);
    let bus = FakeBus::new(Mode::Works);
    let error =
        run(replay(folder.path(), data_dir.path(), &bus, 0.0).expect("opened")).await.expect_err("broken");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("line 3"), "{cause}");
}
