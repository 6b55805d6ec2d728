//! The loop: what it owes to a stage and to the bus.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use sentinel_bus::{Record, Route};
use sentinel_runtime::{ComponentState, Health, Registry, Task, spawn};
use sentinel_testkit::{MemoryBus, wait_until};

use super::*;
use crate::testing::{record, running};

/// What a stage has seen.
#[derive(Default)]
struct Seen {
    owned: BTreeSet<u32>,
    handled: BTreeMap<u32, Vec<u64>>,
    /// What was committed when the first record was handled.
    committed_first: Option<Vec<Option<Commit>>>,
}

impl Seen {
    fn n_handled(&self) -> usize {
        self.handled.values().flatten().collect::<BTreeSet<_>>().len()
    }
}

/// Notes what it is given, and commits behind it.
struct Tally {
    seen: Arc<Mutex<Seen>>,
    bus: Arc<dyn Bus>,
    positions: BTreeMap<u32, u64>,
}

#[async_trait]
impl Stage for Tally {
    fn assigned(&mut self, at: TopicPartition, _: Option<&Commit>) {
        self.seen.lock().owned.insert(at.partition);
    }

    fn revoked(&mut self, at: TopicPartition) {
        self.seen.lock().owned.remove(&at.partition);
        self.positions.remove(&at.partition);
    }

    fn claim(&self, _: TopicPartition) -> Option<Commit> {
        Some(Commit { offset: 0, metadata: "claimed".into() }).filter(|_| self.positions.is_empty())
    }

    async fn handle(&mut self, records: Vec<Delivered>) -> Result<(), Stopped> {
        let committed = self.bus.committed("sentinel-tally", Topic::Logs).await.expect("no outage");
        let mut seen = self.seen.lock();
        seen.committed_first.get_or_insert(committed);
        for Delivered { position, .. } in records {
            seen.handled.entry(position.at.partition).or_default().push(position.offset);
            self.positions.insert(position.at.partition, position.offset + 1);
        }
        Ok(())
    }

    fn commits(&mut self) -> Vec<(TopicPartition, Commit)> {
        let of = |(partition, offset): (&u32, &u64)| {
            let at = TopicPartition { topic: Topic::Logs, partition: *partition };
            (at, Commit { offset: *offset, metadata: String::new() })
        };
        self.positions.iter().map(of).collect()
    }
}

fn start(bus: &Arc<dyn Bus>, shutdown: &Shutdown) -> (Task<()>, Arc<Mutex<Seen>>, Pipeline) {
    let pipeline = crate::testing::pipeline("tally", Topic::Logs, Arc::clone(bus));
    let seen = Arc::new(Mutex::new(Seen::default()));
    let stage = Tally { seen: Arc::clone(&seen), bus: Arc::clone(bus), positions: BTreeMap::new() };
    (spawn("tally", pipeline.clone().run(stage, shutdown.clone())), seen, pipeline)
}

async fn publish(bus: &dyn Bus, partition: u32, n: usize) {
    let record: Record = record("x".into(), "");
    let message = Outgoing { topic: Topic::Logs, route: Route::Partition(partition), record };
    bus.publish(vec![message; n]).await.expect("no outage");
}

#[tokio::test]
async fn a_partition_is_claimed_before_its_first_record_is_handled() {
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
    publish(&*bus, 0, 1).await;
    let (trigger, shutdown) = running();
    let (task, seen, _) = start(&bus, &shutdown);
    wait_until("the record", || seen.lock().n_handled() == 1).await;
    trigger.trigger();
    task.await;
    let claim = Commit { offset: 0, metadata: "claimed".into() };
    assert_eq!(seen.lock().committed_first, Some(vec![Some(claim.clone()), Some(claim)]));
}

#[tokio::test]
async fn a_shutdown_commits_what_is_done() {
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
    publish(&*bus, 0, 5).await;
    let (trigger, shutdown) = running();
    let (task, seen, _) = start(&bus, &shutdown);
    wait_until("the records", || seen.lock().n_handled() == 5).await;
    trigger.trigger();
    task.await;
    let committed = bus.committed("sentinel-tally", Topic::Logs).await.expect("no outage");
    assert_eq!(committed[0].as_ref().expect("committed").offset, 5);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_bus_degrades_the_role_until_it_is_over() {
    let memory = MemoryBus::default();
    memory.outage.begin();
    let bus: Arc<dyn Bus> = Arc::new(memory.clone());
    let health = Health::default();
    let mut pipeline = crate::testing::pipeline("tally", Topic::Logs, Arc::clone(&bus));
    pipeline.health = health.component("tally");
    let seen = Arc::new(Mutex::new(Seen::default()));
    let stage = Tally { seen: Arc::clone(&seen), bus: Arc::clone(&bus), positions: BTreeMap::new() };
    let (trigger, shutdown) = running();
    let task = spawn("tally", pipeline.run(stage, shutdown));
    let state = || health.report().components["tally"].clone();
    wait_until("the role to say so", || matches!(state(), ComponentState::Degraded(_))).await;
    memory.outage.end();
    publish(&*bus, 1, 3).await;
    wait_until("the records", || seen.lock().n_handled() == 3).await;
    assert_eq!(state(), ComponentState::Ready);
    trigger.trigger();
    task.await;
}

#[tokio::test]
async fn a_shutdown_ends_a_wait_for_a_bus_that_is_down() {
    let memory = MemoryBus::default();
    memory.outage.begin();
    let bus: Arc<dyn Bus> = Arc::new(memory);
    let (trigger, shutdown) = running();
    let (task, seen, pipeline) = start(&bus, &shutdown);
    let failures =
        pipeline.metrics.pipeline_errors.get_or_create(&PipelineLabel { pipeline: "tally" }).clone();
    wait_until("a failure", || failures.get() > 0).await;
    trigger.trigger();
    task.await;
    assert_eq!(seen.lock().n_handled(), 0);
}

#[tokio::test]
async fn partitions_are_shared_between_two_and_nothing_is_missed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = sentinel_bus::Config::default();
    let bus = sentinel_bus::open(&config, folder.path(), &Health::default(), &mut Registry::default())
        .expect("an embedded bus");
    let n_partitions = bus.n_partitions(Topic::Logs);
    let publish_everywhere = async || {
        for partition in 0..n_partitions {
            publish(&*bus, partition, 10).await;
        }
    };
    publish_everywhere().await;
    let (trigger, shutdown) = running();
    let (one, seen_by_one, _) = start(&bus, &shutdown);
    let of_all = |seen: &Seen| seen.handled.values().map(Vec::len).sum::<usize>();
    wait_until("the first records", || of_all(&seen_by_one.lock()) == 10 * n_partitions as usize).await;

    let (other, seen_by_other, _) = start(&bus, &shutdown);
    let is_shared = || {
        let (one, other) = (seen_by_one.lock(), seen_by_other.lock());
        !other.owned.is_empty() && one.owned.len() + other.owned.len() == n_partitions as usize
    };
    wait_until("partitions to move", is_shared).await;
    publish_everywhere().await;
    let is_complete = || {
        let (one, other) = (seen_by_one.lock(), seen_by_other.lock());
        (0..n_partitions).all(|partition| {
            let handled =
                [&one, &other].map(|seen| seen.handled.get(&partition).cloned().unwrap_or_default());
            let offsets: BTreeSet<u64> = handled.concat().into_iter().collect();
            offsets == (0..20).collect()
        })
    };
    wait_until("every record", is_complete).await;
    trigger.trigger();
    one.await;
    other.await;
    let committed = bus.committed("sentinel-tally", Topic::Logs).await.expect("open");
    assert!(committed.iter().all(|commit| commit.as_ref().is_some_and(|commit| commit.offset == 20)));
}

/// A member of a group whose partition 0 has moved on, and whose coordinator is away at first.
struct Unlucky {
    polls: std::collections::VecDeque<Polled>,
    n_outages: u32,
    committed: Arc<Mutex<BTreeMap<u32, u64>>>,
}

#[async_trait]
impl Consumer for Unlucky {
    async fn poll(&mut self, limit: PollLimit) -> Result<Polled, BusError> {
        if let Some(polled) = self.polls.pop_front() {
            return Ok(polled);
        }
        tokio::time::sleep(limit.wait).await;
        Ok(Polled::Idle)
    }

    async fn commit(&mut self, commits: &[(TopicPartition, Commit)]) -> Result<(), BusError> {
        if let Some((at, _)) = commits.iter().find(|(at, _)| at.partition == 0) {
            return Err(BusError::NotOwner { at: *at });
        }
        if self.n_outages > 0 {
            self.n_outages -= 1;
            return Err(BusError::Unavailable { message: "an outage on purpose".into() });
        }
        let commits = commits.iter().map(|(at, commit)| (at.partition, commit.offset));
        self.committed.lock().extend(commits);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn commits_go_on_around_a_partition_that_has_moved_and_behind_an_outage() {
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
    let pipeline = crate::testing::pipeline("tally", Topic::Logs, Arc::clone(&bus));
    let at = |partition| TopicPartition { topic: Topic::Logs, partition };
    let one = |partition| Delivered {
        position: sentinel_bus::Position { at: at(partition), offset: 6 },
        record: record("x".into(), ""),
        appended: None,
    };
    let polls = [Polled::Assigned(vec![(at(0), None), (at(1), None)]), Polled::Records(vec![one(0), one(1)])];
    let committed: Arc<Mutex<BTreeMap<u32, u64>>> = Arc::default();
    let consumer = Unlucky { polls: polls.into(), n_outages: 4, committed: Arc::clone(&committed) };
    let mut stage = Tally { seen: Arc::default(), bus, positions: BTreeMap::new() };
    let (_trigger, shutdown) = running();
    let run = pipeline.consume(Box::new(consumer), &mut stage, &shutdown);
    tokio::select! {
        ended = run => panic!("it left the group: {ended:?}"),
        () = wait_until("partition 1 to be committed", || committed.lock().get(&1) == Some(&7)) => {}
    }
    assert_eq!(committed.lock().get(&0), None);
}

#[tokio::test]
async fn a_consumer_that_ends_leaves_the_stage_without_partitions() {
    struct Broken(bool);

    #[async_trait]
    impl Consumer for Broken {
        async fn poll(&mut self, _: PollLimit) -> Result<Polled, BusError> {
            if std::mem::replace(&mut self.0, true) {
                return Err(BusError::Closed);
            }
            Ok(Polled::Assigned(vec![(TopicPartition { topic: Topic::Logs, partition: 3 }, None)]))
        }

        async fn commit(&mut self, _: &[(TopicPartition, Commit)]) -> Result<(), BusError> {
            Ok(())
        }
    }

    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
    let pipeline = crate::testing::pipeline("tally", Topic::Logs, Arc::clone(&bus));
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let mut stage = Tally { seen: Arc::clone(&seen), bus, positions: BTreeMap::new() };
    let (_trigger, shutdown) = running();
    let ended = pipeline.consume(Box::new(Broken(false)), &mut stage, &shutdown).await;
    assert!(ended.is_err() && seen.lock().owned.is_empty());
}
