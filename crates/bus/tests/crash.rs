//! Kills a publishing process with SIGKILL again and again, and looks at what it left: every
//! acknowledged message is there once, in order and unharmed, no offset has two meanings, and no
//! acknowledged commit is lost.
//!
//! `SENTINEL_CRASH_ROUNDS` sets how often (20), `SENTINEL_CRASH_SEED` repeats a run's choices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sentinel_bus::trace::TRACEPARENT;
use sentinel_bus::{Bus, Delivered, PollLimit, Position, Start, TopicPartition};
use sentinel_model::Topic;
use sentinel_runtime::config::variable;
use sentinel_testkit::Victim;

#[path = "crash/victim.rs"]
mod victim;

use victim::{GROUP, Id, PARTITIONS, TOPICS, record};

/// Rounds on one folder; a new one is begun then, because each round reads all that is kept.
const ROUNDS_A_FOLDER: u64 = 40;
/// One round in this many kills the process while it starts.
const EARLY_KILL: u32 = 5;
/// One round in this many is long, so that journals are changed too.
const LONG_ROUND: u32 = 10;

/// What is known of one folder.
#[derive(Default)]
struct Known {
    /// Messages that were acknowledged or seen after a crash; they must never change.
    records: BTreeMap<Position, Id>,
    /// The number of the last acknowledged value of each key of the compacted topic.
    last_of_key: BTreeMap<(TopicPartition, u64), u64>,
    commits: BTreeMap<TopicPartition, u64>,
    next: BTreeMap<TopicPartition, u64>,
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let number = |name: &str| variable(name).map(|text| text.parse::<u64>().expect("a number"));
    let n_rounds = number("SENTINEL_CRASH_ROUNDS").unwrap_or(20);
    let seed = number("SENTINEL_CRASH_SEED").unwrap_or_else(|| rand::rng().random());
    eprintln!("{n_rounds} rounds, seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut folder = tempfile::tempdir().expect("a temporary folder");
    let mut known = Known::default();
    let mut n_acknowledged = 0;
    for round in 0..n_rounds {
        if round > 0 && round % ROUNDS_A_FOLDER == 0 {
            folder = tempfile::tempdir().expect("a temporary folder");
            known = Known::default();
        }
        let is_early = random.random_ratio(1, EARLY_KILL);
        let most = if random.random_ratio(1, LONG_ROUND) { 6_000 } else { 600 };
        let n_acks = if is_early { 0 } else { random.random_range(1..most) };
        n_acknowledged += known.round(folder.path(), round, n_acks);
        known.verify(folder.path());
    }
    eprintln!("{n_acknowledged} messages acknowledged before the kills");
    assert!(n_acknowledged > 0);
}

/// Not a test by itself: what the other one starts as a process of its own.
#[test]
fn victim() {
    if let Some(folder) = variable("SENTINEL_CRASH_FOLDER") {
        let round = variable("SENTINEL_CRASH_ROUND").and_then(|round| round.parse().ok()).expect("a round");
        victim::run(Path::new(&folder), round);
    }
}

impl Known {
    /// Lets the victim publish until it has acknowledged `n_acks` messages, kills it, and notes all that
    /// it had acknowledged by then.
    fn round(&mut self, folder: &Path, round: u64, n_acks: usize) -> usize {
        let folder = folder.to_str().expect("a folder of plain letters");
        let variables = [("SENTINEL_CRASH_FOLDER", folder), ("SENTINEL_CRASH_ROUND", &round.to_string())];
        let mut victim = Victim::start(&variables);
        let mut n = 0;
        while n < n_acks {
            n += self.note(&victim.line());
        }
        n += victim.kill().iter().map(|line| self.note(line)).sum::<usize>();
        n
    }

    /// Returns how many messages the line acknowledges.
    fn note(&mut self, line: &str) -> usize {
        let words: Vec<&str> = line.split(' ').collect();
        let parse = |word: &str| word.parse::<u64>().expect("a number");
        let at = |topic: &str, partition: &str| TopicPartition {
            topic: Topic::from_name(topic).expect("a topic"),
            partition: u32::try_from(parse(partition)).expect("a partition"),
        };
        match *words {
            ["ack", topic, partition, offset, publisher, number, "."] => {
                let at = at(topic, partition);
                let id = Id { publisher: parse(publisher), number: parse(number) };
                let before = self.records.insert(Position { at, offset: parse(offset) }, id);
                assert!(before.is_none_or(|before| before == id), "an offset was given out twice");
                if topic == Topic::Objects.as_str() {
                    self.last_of_key.insert((at, id.key()), id.number);
                }
                1
            }
            ["commit", topic, partition, offset, "."] => {
                self.commits.insert(at(topic, partition), parse(offset));
                0
            }
            // Lines of the test harness.
            _ => 0,
        }
    }

    fn verify(&mut self, folder: &Path) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let bus = victim::open(folder, victim::IDLE);
            for topic in TOPICS {
                let delivered = read_all(&*bus, topic).await;
                for partition in 0..PARTITIONS {
                    let at = TopicPartition { topic, partition };
                    let of_partition =
                        delivered.iter().filter(|delivered| delivered.position.at == at).collect();
                    self.verify_partition(&*bus, at, of_partition).await;
                }
            }
            self.verify_commits(&*bus).await;
        });
    }

    async fn verify_partition(&mut self, bus: &dyn Bus, at: TopicPartition, delivered: Vec<&Delivered>) {
        let offsets = bus.offsets(at).await.expect("offsets");
        let next = self.next.insert(at, offsets.next).unwrap_or_default();
        assert!(offsets.next >= next, "{at:?} went back from {next} to {}", offsets.next);
        let found: Vec<u64> = delivered.iter().map(|delivered| delivered.position.offset).collect();
        if at.topic == Topic::Objects {
            assert!(found.is_sorted_by(|a, b| a < b), "{at:?} is out of order");
            self.verify_keys(at, &delivered);
        } else {
            assert!(found.into_iter().eq(offsets.earliest..offsets.next), "{at:?} has holes");
        }
        // Only this topic is large enough to keep everything.
        assert!(at.topic != Topic::Metrics || offsets.earliest == 0);
        let mut last_of: BTreeMap<u64, u64> = BTreeMap::new();
        for delivered in delivered {
            let id = Id::of(&delivered.record);
            let mut found = delivered.record.clone();
            found.headers.retain(|(name, _)| name != TRACEPARENT);
            assert_eq!(found, record(id), "{:?} is harmed", delivered.position);
            let before = self.records.insert(delivered.position, id);
            assert!(before.is_none_or(|before| before == id), "{:?} has changed", delivered.position);
            let last = last_of.insert(id.publisher, id.number);
            assert!(last.is_none_or(|last| last < id.number), "{id:?} came twice or out of order");
        }
        let range = Position { at, offset: offsets.earliest }..=Position { at, offset: u64::MAX };
        let acknowledged: BTreeSet<u64> =
            self.records.range(range).map(|(position, _)| position.offset).collect();
        assert!(acknowledged.last().is_none_or(|last| *last < offsets.next), "{at:?} lost its end");
    }

    fn verify_keys(&self, at: TopicPartition, delivered: &[&Delivered]) {
        let mut found: BTreeMap<u64, u64> = BTreeMap::new();
        for delivered in delivered {
            let id = Id::of(&delivered.record);
            found.insert(id.key(), id.number);
        }
        for ((of, key), number) in &self.last_of_key {
            let is_there = *of != at || found.get(key).is_some_and(|found| found >= number);
            assert!(is_there, "key {key} of {at:?} is not at {number} but {:?}", found.get(key));
        }
    }

    async fn verify_commits(&mut self, bus: &dyn Bus) {
        for (partition, commit) in (0..).zip(bus.committed(GROUP, Topic::Metrics).await.expect("commits")) {
            let at = TopicPartition { topic: Topic::Metrics, partition };
            let Some(acknowledged) = self.commits.get(&at) else { continue };
            let commit = commit.expect("an acknowledged commit");
            assert!(commit.offset >= *acknowledged, "the commit of {at:?} went back");
            assert!(commit.offset <= self.next[&at], "{at:?} was committed beyond its end");
            assert_eq!(commit.metadata, format!("up to {}", commit.offset));
        }
    }
}

async fn read_all(bus: &dyn Bus, topic: Topic) -> Vec<Delivered> {
    let limit = PollLimit { max_records: 10_000, max_bytes: 8 << 20, wait: std::time::Duration::ZERO };
    let mut follower = bus.follow(topic, Start::Earliest).await.expect("follow");
    let mut delivered = Vec::new();
    while !follower.is_caught_up() {
        delivered.extend(follower.poll(limit).await.expect("poll"));
    }
    delivered
}
