//! The suite that every adapter must pass: one function a clause of the contract of [`Bus`].
//!
//! An adapter implements [`Harness`] and calls [`crate::contract_tests!`] in a test module.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sentinel_model::{Timestamp, Topic};

use crate::{Bus, Delivered, Follower, Outgoing, PollLimit, Position, Record, Route, Start, TopicPartition};

pub mod groups;
pub mod log;
pub mod upkeep;

/// Opens a bus again and again on the same data.
#[async_trait]
pub trait Harness: Send {
    /// With at least two partitions a topic. Everything from an earlier call has been dropped.
    async fn open(&mut self) -> Arc<dyn Bus>;

    /// Makes all that was published older by this much, then lets retention and compaction have their
    /// way. False if that cannot be done here.
    async fn age(&mut self, by: Duration) -> bool;

    fn max_message_bytes(&self) -> usize;

    /// How long `topic` keeps its messages; for a compacted one, its tombstones.
    fn retention(&self, topic: Topic) -> Duration;
}

/// Makes a test of each clause. The argument is an expression that gives a new [`Harness`].
#[macro_export]
macro_rules! contract_tests {
    ($harness:expr) => {
        $crate::contract_tests!(@each $harness, log,
            keeps_the_order_within_a_partition,
            gives_each_message_the_next_offset_of_its_partition,
            gives_messages_back_as_they_were,
            messages_survive_a_reopen,
            offsets_go_on_after_a_reopen,
            concurrent_publishers_lose_nothing,
            one_key_stays_in_one_partition,
            refuses_what_is_too_large,
            refuses_a_partition_that_does_not_exist,
            a_follower_that_comes_late_gets_everything_and_then_has_caught_up,
            a_follower_from_the_latest_gets_only_what_comes,
            a_poll_keeps_to_its_limits_but_gives_one_message_at_least,
            a_waiting_reader_is_woken_by_a_publish,
            the_bytes_that_are_stored_grow,
        );
        $crate::contract_tests!(@each $harness, groups,
            every_group_gets_every_message,
            what_was_not_committed_comes_again,
            commits_and_their_notes_survive_a_reopen,
            a_commit_may_go_backwards,
            members_share_the_partitions_of_all_their_topics,
            a_partition_is_revoked_before_it_is_assigned_elsewhere,
            the_partitions_of_one_that_leaves_go_to_the_others,
            only_the_owner_can_commit,
            refuses_a_note_that_is_too_long,
            a_group_from_the_latest_begins_where_it_joined,
        );
        $crate::contract_tests!(@each $harness, upkeep,
            compaction_keeps_the_last_message_of_each_key,
            compaction_survives_a_reopen,
            a_tombstone_removes_its_key_and_then_itself,
            messages_go_after_their_time_and_not_before,
            a_reader_whose_offset_is_gone_continues_at_the_earliest,
            offsets_are_not_given_twice_after_everything_is_gone,
        );
    };
    (@each $harness:expr, $module:ident, $($clause:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $clause() {
                let mut harness = $harness;
                $crate::contract::within($crate::contract::$module::$clause(&mut harness)).await;
            }
        )+
    };
}

/// For what must come.
const LONG: Duration = Duration::from_secs(30);
/// For what must not come.
const SHORT: Duration = Duration::from_millis(50);

/// Runs a clause; one that hangs fails.
///
/// # Panics
/// After two minutes.
pub async fn within(clause: impl Future<Output = ()>) {
    tokio::time::timeout(4 * LONG, clause).await.expect("the clause ends in time");
}

fn limit(wait: Duration) -> PollLimit {
    PollLimit { max_records: 1_000, max_bytes: 1 << 20, wait }
}

fn at(topic: Topic, partition: u32) -> TopicPartition {
    TopicPartition { topic, partition }
}

fn record(key: &str, value: &str) -> Record {
    Record {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        headers: Vec::new(),
        timestamp: Timestamp::from_secs(1),
    }
}

fn message(at: TopicPartition, key: &str, value: &str) -> Outgoing {
    Outgoing { topic: at.topic, route: Route::Partition(at.partition), record: record(key, value) }
}

/// Publishes values without key and returns their offsets.
async fn publish(bus: &dyn Bus, at: TopicPartition, values: &[&str]) -> Vec<u64> {
    let messages = values.iter().map(|value| message(at, "", value)).collect();
    let positions = bus.publish(messages).await.expect("publish");
    positions.into_iter().map(|position| position.offset).collect()
}

/// Everything that is in a topic now.
pub(crate) async fn read_all(bus: &dyn Bus, topic: Topic) -> Vec<Delivered> {
    let mut follower = bus.follow(topic, Start::Earliest).await.expect("follow");
    catch_up(&mut *follower).await
}

async fn catch_up(follower: &mut dyn Follower) -> Vec<Delivered> {
    let mut delivered = Vec::new();
    while !follower.is_caught_up() {
        delivered.extend(follower.poll(limit(SHORT)).await.expect("poll"));
    }
    delivered
}

fn values(delivered: &[Delivered]) -> Vec<String> {
    delivered.iter().map(|delivered| text(&delivered.record.value)).collect()
}

fn offsets(delivered: &[Delivered], at: TopicPartition) -> Vec<u64> {
    let positions = delivered.iter().map(|delivered| delivered.position);
    positions.filter(|position| position.at == at).map(|Position { offset, .. }| offset).collect()
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}
