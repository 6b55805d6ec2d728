//! Consumer groups.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{BusError, Commit, Consumer, Polled};

const TOPIC: Topic = Topic::Metrics;

/// A consumer and what it has been given.
struct Member {
    consumer: Box<dyn Consumer>,
    owned: BTreeSet<TopicPartition>,
    commits: BTreeMap<TopicPartition, Option<Commit>>,
    records: Vec<Delivered>,
}

impl Member {
    async fn join(bus: &dyn Bus, group: &str, topics: &[Topic], start: Start) -> Self {
        let consumer = bus.join(group, topics, start).await.expect("join");
        Self { consumer, owned: BTreeSet::new(), commits: BTreeMap::new(), records: Vec::new() }
    }

    async fn poll(&mut self, wait: Duration) {
        match self.consumer.poll(limit(wait)).await.expect("poll") {
            Polled::Assigned(assigned) => {
                for (at, commit) in assigned {
                    assert!(self.owned.insert(at), "{at:?} was assigned twice");
                    self.commits.insert(at, commit);
                }
            }
            Polled::Revoked(revoked) | Polled::Lost(revoked) => {
                for at in revoked {
                    assert!(self.owned.remove(&at), "{at:?} was revoked but not owned");
                }
            }
            Polled::Records(records) => {
                for delivered in &records {
                    assert!(self.owned.contains(&delivered.position.at), "a message of another's partition");
                }
                self.records.extend(records);
            }
            Polled::Idle => {}
        }
    }

    async fn poll_until_owning(&mut self, n_partitions: usize) {
        while self.owned.len() < n_partitions {
            self.poll(LONG).await;
        }
    }

    async fn poll_until_holding(&mut self, n_records: usize) {
        while self.records.len() < n_records {
            self.poll(LONG).await;
        }
    }

    async fn commit(&mut self, at: TopicPartition, offset: u64, note: &str) -> Result<(), BusError> {
        self.consumer.commit(&[(at, Commit { offset, metadata: note.to_owned() })]).await
    }
}

/// Polls members in turn until each owns its share of `n_partitions`; none is ever owned by two.
async fn settle(members: &mut [&mut Member], n_partitions: usize) {
    let share = n_partitions / members.len()..=n_partitions.div_ceil(members.len());
    loop {
        for member in members.iter_mut() {
            member.poll(SHORT).await;
        }
        let owned: usize = members.iter().map(|member| member.owned.len()).sum();
        let distinct: BTreeSet<_> = members.iter().flat_map(|member| &member.owned).collect();
        assert_eq!(distinct.len(), owned, "a partition has two owners");
        if owned == n_partitions && members.iter().all(|member| share.contains(&member.owned.len())) {
            return;
        }
    }
}

async fn all_partitions(bus: &dyn Bus, topics: &[Topic]) -> usize {
    topics.iter().map(|topic| bus.n_partitions(*topic) as usize).sum()
}

pub async fn every_group_gets_every_message(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    publish(&*bus, at(TOPIC, 0), &["a", "b"]).await;
    let mut first = Member::join(&*bus, "first", &[TOPIC], Start::Earliest).await;
    let mut second = Member::join(&*bus, "second", &[TOPIC], Start::Earliest).await;
    publish(&*bus, at(TOPIC, 1), &["c"]).await;
    for member in [&mut first, &mut second] {
        member.poll_until_holding(3).await;
        let mut values = values(&member.records);
        values.sort_unstable();
        assert_eq!(values, ["a", "b", "c"]);
    }
}

pub async fn what_was_not_committed_comes_again(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    publish(&*bus, at(TOPIC, 0), &["a", "b", "c"]).await;
    let mut member = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    member.poll_until_holding(3).await;
    member.commit(at(TOPIC, 0), 1, "").await.expect("commit");
    drop(member);
    let mut again = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    again.poll_until_holding(2).await;
    assert_eq!(values(&again.records), ["b", "c"]);
    drop((again, bus));
    let bus = harness.open().await;
    let mut after_reopen = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    after_reopen.poll_until_holding(2).await;
    assert_eq!(values(&after_reopen.records), ["b", "c"]);
}

pub async fn commits_and_their_notes_survive_a_reopen(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    publish(&*bus, at(TOPIC, 1), &["a", "b"]).await;
    let n = bus.n_partitions(TOPIC) as usize;
    let mut member = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    member.poll_until_owning(n).await;
    assert!(member.commits.values().all(Option::is_none));
    member.commit(at(TOPIC, 1), 1, "old").await.expect("commit");
    member.commit(at(TOPIC, 1), 2, "watermark=7").await.expect("commit");
    let commit = Commit { offset: 2, metadata: "watermark=7".to_owned() };
    let mut expected = vec![None; n];
    expected[1] = Some(commit.clone());
    assert_eq!(bus.committed("g", TOPIC).await.expect("committed"), expected);
    assert_eq!(bus.committed("other", TOPIC).await.expect("committed"), vec![None; n]);
    drop((member, bus));
    let bus = harness.open().await;
    assert_eq!(bus.committed("g", TOPIC).await.expect("committed"), expected);
    let mut member = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    member.poll_until_owning(n).await;
    assert_eq!(member.commits[&at(TOPIC, 1)], Some(commit));
    assert_eq!(member.commits[&at(TOPIC, 0)], None);
}

pub async fn a_commit_may_go_backwards(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    publish(&*bus, at(TOPIC, 0), &["a", "b"]).await;
    let mut member = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    member.poll_until_holding(2).await;
    member.commit(at(TOPIC, 0), 2, "").await.expect("commit");
    member.commit(at(TOPIC, 0), 0, "").await.expect("commit");
    drop(member);
    let mut again = Member::join(&*bus, "g", &[TOPIC], Start::Latest).await;
    again.poll_until_holding(2).await;
    assert_eq!(values(&again.records), ["a", "b"]);
}

pub async fn members_share_the_partitions_of_all_their_topics(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let topics = [TOPIC, Topic::Events];
    let n = all_partitions(&*bus, &topics).await;
    let mut first = Member::join(&*bus, "g", &topics, Start::Earliest).await;
    let mut second = Member::join(&*bus, "g", &topics, Start::Earliest).await;
    settle(&mut [&mut first, &mut second], n).await;
    for (partition, topic) in [(0, TOPIC), (1, TOPIC), (0, Topic::Events), (1, Topic::Events)] {
        publish(&*bus, at(topic, partition), &["x"]).await;
    }
    while first.records.len() + second.records.len() < 4 {
        first.poll(SHORT).await;
        second.poll(SHORT).await;
    }
    first.poll(SHORT).await;
    second.poll(SHORT).await;
    assert_eq!(first.records.len() + second.records.len(), 4);
}

pub async fn a_partition_is_revoked_before_it_is_assigned_elsewhere(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let n = all_partitions(&*bus, &[TOPIC]).await;
    let mut first = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    first.poll_until_owning(n).await;
    let mut second = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    // `settle` fails if a partition has two owners at any time.
    settle(&mut [&mut first, &mut second], n).await;
    let mut third = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    settle(&mut [&mut first, &mut second, &mut third], n).await;
}

pub async fn the_partitions_of_one_that_leaves_go_to_the_others(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let n = all_partitions(&*bus, &[TOPIC]).await;
    let mut first = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    let mut second = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    settle(&mut [&mut first, &mut second], n).await;
    for partition in 0..2 {
        publish(&*bus, at(TOPIC, partition), &["x"]).await;
    }
    drop(first);
    second.poll_until_owning(n).await;
    second.poll_until_holding(2).await;
}

pub async fn only_the_owner_can_commit(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let n = all_partitions(&*bus, &[TOPIC]).await;
    let mut first = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    let early = first.commit(at(TOPIC, 0), 5, "").await.expect_err("not assigned yet");
    assert!(matches!(early, BusError::NotOwner { .. }));
    first.poll_until_owning(n).await;
    let mut second = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    settle(&mut [&mut first, &mut second], n).await;
    let lost = *second.owned.first().expect("a partition");
    let error = first.commit(lost, 5, "").await.expect_err("revoked");
    assert!(matches!(error, BusError::NotOwner { at } if at == lost) && !error.is_retryable());
    second.commit(lost, 6, "").await.expect("commit");
    let unknown = first.commit(at(TOPIC, bus.n_partitions(TOPIC)), 0, "").await;
    assert!(matches!(unknown, Err(BusError::UnknownPartition { .. })));
    let foreign = first.commit(at(Topic::Live, 0), 0, "").await.expect_err("a topic of no interest");
    assert!(matches!(foreign, BusError::NotOwner { .. }));
    let committed = bus.committed("g", TOPIC).await.expect("committed");
    let committed: Vec<u64> = committed.into_iter().flatten().map(|commit| commit.offset).collect();
    assert_eq!(committed, [6]);
}

pub async fn refuses_a_note_that_is_too_long(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let mut member = Member::join(&*bus, "g", &[TOPIC], Start::Earliest).await;
    member.poll_until_owning(all_partitions(&*bus, &[TOPIC]).await).await;
    let error = member.commit(at(TOPIC, 0), 1, &"x".repeat(4_097)).await.expect_err("too long");
    assert!(matches!(error, BusError::MetadataTooLarge { bytes: 4_097, limit: 4_096 }));
    member.commit(at(TOPIC, 0), 1, &"x".repeat(4_096)).await.expect("as long as can be");
}

pub async fn a_group_from_the_latest_begins_where_it_joined(harness: &mut dyn Harness) {
    let bus = harness.open().await;
    let n = all_partitions(&*bus, &[TOPIC]).await;
    publish(&*bus, at(TOPIC, 0), &["old"]).await;
    let mut first = Member::join(&*bus, "g", &[TOPIC], Start::Latest).await;
    first.poll_until_owning(n).await;
    publish(&*bus, at(TOPIC, 0), &["a"]).await;
    first.poll_until_holding(1).await;
    let mut second = Member::join(&*bus, "g", &[TOPIC], Start::Latest).await;
    drop(first);
    second.poll_until_holding(1).await;
    assert_eq!(values(&second.records), ["a"], "taken over before the first commit");
}
