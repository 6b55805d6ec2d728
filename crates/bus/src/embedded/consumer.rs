//! A member of a group, and a reader of a whole topic.

use std::sync::Arc;

use async_trait::async_trait;
use sentinel_model::Topic;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::Handle;
use super::cursor::Cursor;
use super::groups::{Change, Group, Joining, MemberId};
use super::queue::{CommitRequest, Request};
use super::topic_log::Subscription;
use crate::{BusError, Commit, Consumer, Delivered, Follower, PollLimit, Polled, Start, TopicPartition};

/// Longest note of a commit.
const METADATA_BYTES: usize = 4_096;

pub(super) struct GroupConsumer {
    handle: Arc<Handle>,
    group: Arc<Group>,
    member: MemberId,
    cursor: Cursor,
    signal: Arc<Notify>,
    _subscriptions: Vec<Subscription>,
}

pub(super) struct TopicFollower {
    handle: Arc<Handle>,
    cursor: Cursor,
    /// Where the topic ended when following began, by partition.
    caught_up_at: Vec<u64>,
    signal: Arc<Notify>,
    _subscription: Subscription,
}

// === impl GroupConsumer ===

impl GroupConsumer {
    pub fn join(handle: Arc<Handle>, group: &str, topics: &[Topic], start: Start) -> Self {
        let signal = Arc::new(Notify::new());
        let store = &handle.store;
        let mut topics = topics.to_vec();
        topics.sort_unstable();
        topics.dedup();
        let subscriptions = topics.iter().map(|topic| store.topic(*topic).subscribe(&signal)).collect();
        let joining =
            topics.iter().map(|topic| Joining { topic: *topic, starts: starts(&handle, *topic, start) });
        let (group, member) = store.groups.join(group, joining.collect(), Arc::clone(&signal));
        Self { group, member, cursor: Cursor::default(), signal, _subscriptions: subscriptions, handle }
    }

    fn change(&mut self) -> Result<Option<Polled>, BusError> {
        match self.group.change(self.member) {
            None => Ok(None),
            Some(Change::Revoked(revoked)) => {
                revoked.iter().for_each(|at| self.cursor.remove(*at));
                Ok(Some(Polled::Revoked(revoked)))
            }
            Some(Change::Assigned(assigned)) => {
                let mut announced = Vec::with_capacity(assigned.len());
                for (at, start) in assigned {
                    let commit = self.handle.store.commits.get(&self.group.name, at)?;
                    self.cursor.add(at, commit.as_ref().map_or(start, |commit| commit.offset));
                    announced.push((at, commit));
                }
                Ok(Some(Polled::Assigned(announced)))
            }
        }
    }
}

#[async_trait]
impl Consumer for GroupConsumer {
    async fn poll(&mut self, limit: PollLimit) -> Result<Polled, BusError> {
        let end = Instant::now() + limit.wait;
        loop {
            if let Some(change) = self.change()? {
                return Ok(change);
            }
            let (cursor, records) = self.cursor.read(&self.handle.store, limit).await?;
            self.cursor = cursor;
            if !records.is_empty() {
                return Ok(Polled::Records(records));
            }
            let wake = self.group.deadline(self.member).map_or(end, |deadline| deadline.min(end));
            tokio::select! {
                () = self.signal.notified() => {}
                () = tokio::time::sleep_until(wake) => {
                    if wake == end {
                        return Ok(Polled::Idle);
                    }
                }
            }
        }
    }

    async fn commit(&mut self, commits: &[(TopicPartition, Commit)]) -> Result<(), BusError> {
        for (at, commit) in commits {
            self.handle.store.check(*at)?;
            let bytes = commit.metadata.len();
            if bytes > METADATA_BYTES {
                return Err(BusError::MetadataTooLarge { bytes, limit: METADATA_BYTES });
            }
        }
        if commits.is_empty() {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        self.handle.store.queue.submit(Request::Commit(CommitRequest {
            group: Arc::clone(&self.group),
            member: self.member,
            commits: commits.to_vec(),
            reply,
        }))?;
        answer.await.map_err(|_| BusError::Closed)?
    }
}

impl Drop for GroupConsumer {
    fn drop(&mut self) {
        self.handle.store.groups.leave(&self.group, self.member);
    }
}

// === impl TopicFollower ===

impl TopicFollower {
    pub fn new(handle: Arc<Handle>, topic: Topic, start: Start) -> Self {
        let signal = Arc::new(Notify::new());
        let log = handle.store.topic(topic);
        let subscription = log.subscribe(&signal);
        let caught_up_at = log.heads();
        let mut cursor = Cursor::default();
        for (partition, offset) in (0..).zip(starts(&handle, topic, start)) {
            cursor.add(TopicPartition { topic, partition }, offset);
        }
        Self { cursor, caught_up_at, signal, _subscription: subscription, handle }
    }
}

#[async_trait]
impl Follower for TopicFollower {
    async fn poll(&mut self, limit: PollLimit) -> Result<Vec<Delivered>, BusError> {
        let end = Instant::now() + limit.wait;
        loop {
            let (cursor, records) = self.cursor.read(&self.handle.store, limit).await?;
            self.cursor = cursor;
            if !records.is_empty() {
                return Ok(records);
            }
            tokio::select! {
                () = self.signal.notified() => {}
                () = tokio::time::sleep_until(end) => return Ok(Vec::new()),
            }
        }
    }

    fn is_caught_up(&self) -> bool {
        self.cursor.positions().iter().zip(&self.caught_up_at).all(|((_, position), end)| position >= end)
    }
}

fn starts(handle: &Handle, topic: Topic, start: Start) -> Vec<u64> {
    match start {
        Start::Earliest => vec![0; handle.store.n_partitions as usize],
        Start::Latest => handle.store.topic(topic).heads(),
    }
}
