//! A broker that hangs or dies while it is written to and read from. Each test starts brokers of its own
//! (`scripts/stack`), and only with `SENTINEL_STACK_FAULTS`, as each takes a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use rdkafka::{Offset, TopicPartitionList};
use sentinel_runtime::{ComponentState, Task, spawn, spawn_blocking};
use sentinel_testkit::wait_until;

use super::cluster::{TOPIC, limit, message};
use super::*;
use crate::config::Compression;
use crate::{Commit, Delivered, Polled, Start, TopicPartition};

/// A broker that nobody else uses.
struct Brokers {
    folder: tempfile::TempDir,
    port: u16,
}

impl Brokers {
    /// `None` unless tests of faults are asked for. `port` must be 1000 away from every other.
    async fn start(port: u16) -> Option<Self> {
        if variable("SENTINEL_STACK_FAULTS").is_none() {
            eprintln!("skipped: SENTINEL_STACK_FAULTS is not set");
            return None;
        }
        let brokers = Self { folder: tempfile::tempdir().expect("a temporary folder"), port };
        brokers.run("up.sh", &["kafka"]).await;
        Some(brokers)
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port + 92)
    }

    fn command(&self, script: &str, arguments: &[&str]) -> Command {
        let scripts = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/stack"));
        let mut command = Command::new(scripts.join(script));
        command
            .args(arguments)
            .env("SENTINEL_STACK_RUN", self.folder.path())
            .env("SENTINEL_STACK_PORT", self.port.to_string());
        command
    }

    async fn run(&self, script: &'static str, arguments: &[&str]) {
        let mut command = self.command(script, arguments);
        let output =
            spawn_blocking(script, move || command.output()).await.expect("the scripts of the stack");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    async fn server(&self, verb: &str) {
        self.run("server.sh", &[verb, "kafka1"]).await;
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        let _ = self.command("down.sh", &["--wipe"]).output();
    }
}

/// Publishes numbers, each partition its own run, one batch after the other, and repeats what has failed: as
/// the collector does.
struct Writer {
    task: Task<BTreeMap<u32, u32>>,
    stop: Arc<AtomicBool>,
    n_acknowledged: Arc<AtomicU32>,
}

impl Writer {
    fn start(bus: Arc<KafkaBus>) -> Self {
        let (stop, n_acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let task = spawn("writer", {
            let (stop, n_acknowledged) = (Arc::clone(&stop), Arc::clone(&n_acknowledged));
            async move {
                let mut next = BTreeMap::from([(0, 0), (1, 0), (2, 0)]);
                while !stop.load(Ordering::SeqCst) {
                    let batch = |partition: u32, first: u32| {
                        (first..first + 5).map(move |number| message(partition, number.to_string()))
                    };
                    let messages: Vec<_> =
                        next.iter().flat_map(|(partition, first)| batch(*partition, *first)).collect();
                    let publishing =
                        tokio::time::timeout(Duration::from_secs(10), bus.publish(messages)).await;
                    if publishing.is_ok_and(|published| published.is_ok()) {
                        next.values_mut().for_each(|next| *next += 5);
                        n_acknowledged.fetch_add(15, Ordering::SeqCst);
                    } else {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
                next
            }
        });
        Self { task, stop, n_acknowledged }
    }

    async fn goes_on(&self) {
        let before = self.n_acknowledged.load(Ordering::SeqCst);
        wait_until("messages are acknowledged", || self.n_acknowledged.load(Ordering::SeqCst) > before + 100)
            .await;
    }

    /// How many of each partition were acknowledged.
    async fn finish(self) -> BTreeMap<u32, u32> {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await
    }
}

/// Consumes and commits until it has seen so many of each partition.
fn read(
    bus: Arc<KafkaBus>,
    wanted: tokio::sync::oneshot::Receiver<BTreeMap<u32, u32>>,
) -> Task<Vec<Delivered>> {
    spawn("reader", async move {
        let mut consumer = bus.join("g", &[TOPIC], Start::Earliest).await.expect("join");
        let (mut wanted, mut goal) = (wanted, None::<BTreeMap<u32, u32>>);
        let mut delivered = Vec::new();
        let mut highest = BTreeMap::new();
        loop {
            if goal.is_none() {
                goal = wanted.try_recv().ok();
            }
            let is_done = |goal: &BTreeMap<u32, u32>| {
                goal.iter().all(|(partition, n)| highest.get(partition).is_some_and(|last| last + 1 >= *n))
            };
            if goal.as_ref().is_some_and(is_done) {
                return delivered;
            }
            let Polled::Records(records) = consumer.poll(limit(500)).await.expect("poll") else { continue };
            for record in &records {
                highest.insert(record.position.at.partition, number(record));
            }
            let last = records.last().expect("one at least").position;
            delivered.extend(records);
            let commit = Commit { offset: last.offset + 1, metadata: String::new() };
            // It fails while the broker is away, and is made up for by the next.
            let _ = consumer.commit(&[(last.at, commit)]).await;
        }
    })
}

fn number(delivered: &Delivered) -> u32 {
    std::str::from_utf8(&delivered.record.value).expect("text").parse().expect("a number")
}

/// First occurrences of each partition are 0, 1, 2 … without a hole, up to what was acknowledged at least.
fn check(delivered: &[Delivered], acknowledged: &BTreeMap<u32, u32>) {
    for (partition, n) in acknowledged {
        let mut next = 0;
        for record in delivered.iter().filter(|record| record.position.at.partition == *partition) {
            let number = number(record);
            assert!(number <= next, "{number} came before {next} in partition {partition}");
            next = next.max(number + 1);
        }
        assert!(next >= *n, "{n} were acknowledged, {next} are there");
    }
}

async fn withstands(port: u16, faults: impl AsyncFn(&Brokers, &Writer, &Health)) {
    let Some(brokers) = Brokers::start(port).await else { return };
    let real = Real::on(&brokers.address());
    let bus = Arc::new(real.open_kafka());
    let (goal, wanted) = tokio::sync::oneshot::channel();
    let reader = read(Arc::clone(&bus), wanted);
    let mut follower = bus.follow(TOPIC, Start::Earliest).await.expect("follow");
    let writer = Writer::start(Arc::clone(&bus));
    writer.goes_on().await;
    faults(&brokers, &writer, &real.health).await;
    let acknowledged = writer.finish().await;
    goal.send(acknowledged.clone()).expect("the reader runs");
    let consumed = tokio::time::timeout(Duration::from_secs(60), reader).await.expect("the reader ends");
    check(&consumed, &acknowledged);
    check(&crate::contract::read_all(&*bus, TOPIC).await, &acknowledged);
    let mut followed = Vec::new();
    while followed.len() < consumed.len() {
        let more = follower.poll(limit(500)).await.expect("poll");
        assert!(!more.is_empty() || followed.len() >= acknowledged.values().sum::<u32>() as usize);
        followed.extend(more);
        let is_all = acknowledged.iter().all(|(partition, n)| {
            let at = TopicPartition { topic: TOPIC, partition: *partition };
            followed.iter().any(|record: &Delivered| record.position.at == at && number(record) + 1 >= *n)
        });
        if is_all {
            break;
        }
    }
    check(&followed, &acknowledged);
    let is_ready = || real.health.report().components["bus"] == ComponentState::Ready;
    wait_until("the bus is ready again", is_ready).await;
}

async fn is_told(health: &Health) {
    let is_degraded = || matches!(health.report().components["bus"], ComponentState::Degraded(_));
    wait_until("it is told that the broker is away", is_degraded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_again_and_again_loses_nothing() {
    withstands(31_000, async |brokers, writer, health| {
        for _ in 0..3 {
            brokers.server("kill").await;
            is_told(health).await;
            brokers.server("start").await;
            writer.goes_on().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_for_longer_than_the_session_loses_nothing() {
    withstands(32_000, async |brokers, writer, health| {
        brokers.server("stop").await;
        is_told(health).await;
        // Longer than the session, a publish and a request.
        tokio::time::sleep(Duration::from_secs(12)).await;
        brokers.server("cont").await;
        writer.goes_on().await;
        // Shorter than anything: publishes are only late.
        brokers.server("stop").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        brokers.server("cont").await;
        writer.goes_on().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_comes_late_is_found() {
    let Some(brokers) = Brokers::start(33_000).await else { return };
    brokers.server("kill").await;
    let real = Real::on(&brokers.address());
    let bus = real.open_kafka();
    assert!(bus.publish(vec![message(0, "1")]).await.is_err());
    is_told(&real.health).await;
    brokers.server("start").await;
    let is_ready = || real.health.report().components["bus"] == ComponentState::Ready;
    wait_until("it is found", is_ready).await;
    bus.publish(vec![message(0, "1")]).await.expect("publish");
}

/// Its partition waits, and goes on behind it once an operator has done what is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_damaged_on_disk_is_told_of_and_can_be_passed() {
    let Some(brokers) = Brokers::start(34_000).await else { return };
    let mut real = Real::on(&brokers.address());
    real.config.compression = Compression::None;
    // Not a segment for each message: deleted with its segment, nothing would be there to be found.
    let table = Topic::ALL.into_iter().map(|topic| (topic, topics::settings(topic, &real.config))).collect();
    let bus = KafkaBus::open_with(real.config.clone(), table, &real.health, &mut Registry::default())
        .expect("open");
    for value in ["first", "damaged", "last"] {
        bus.publish(vec![message(0, value)]).await.expect("publish");
    }
    bus.publish(vec![message(1, "another")]).await.expect("publish");
    let topic = format!("{}{TOPIC}", real.config.topic_prefix);
    let data = brokers.folder.path().join("kafka/1/data");
    let log = data.join(format!("{topic}-0")).join("00000000000000000000.log");
    let bytes = std::fs::read(&log).expect("the broker's log");
    let at = bytes.windows(7).position(|bytes| bytes == b"damaged").expect("the message lies there as it is");
    let file = std::fs::OpenOptions::new().write(true).open(&log).expect("the broker's log");
    file.write_all_at(b"D", at as u64).expect("a write");

    let mut consumer = bus.join("g", &[TOPIC], Start::Earliest).await.expect("join");
    let is_told = || match &real.health.report().components["bus"] {
        ComponentState::Degraded(reason) => reason.contains(".g has a wrong checksum"),
        _ => false,
    };
    let mut read = BTreeSet::new();
    let mut read_until = async |is_done: &dyn Fn(&BTreeSet<Bytes>) -> bool| {
        while !is_done(&read) {
            if let Polled::Records(records) = consumer.poll(limit(10)).await.expect("poll") {
                read.extend(records.into_iter().map(|delivered| delivered.record.value));
            }
        }
        read.clone()
    };
    let before = read_until(&|read| is_told() && read.len() == 2).await;
    assert_eq!(before, BTreeSet::from(["first".into(), "another".into()]));
    assert!(bus.metrics.unreadable_batches.get() > 0);
    let mut beyond = TopicPartitionList::new();
    beyond.add_partition_offset(&topic, 0, Offset::Offset(2)).expect("an offset");
    let admin: AdminClient<DefaultClientContext> =
        rdkafka::ClientConfig::new().set("bootstrap.servers", brokers.address()).create().expect("a client");
    admin.delete_records(&beyond, &AdminOptions::new()).await.expect("deleted");
    let after = read_until(&|read| read.len() == 3).await;
    assert!(after.contains(&b"last"[..]), "{after:?}");
}
