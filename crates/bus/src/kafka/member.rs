//! The thread of a member of a consumer group.
//!
//! It always polls, so that the group hears from this member and rebalances go on however long the
//! application takes for a write. Rebalances are answered step by step: partitions are given up when the
//! application knows that they are no longer its own, or after a time that is shorter than the session;
//! they are taken when their commits have been fetched.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use sentinel_model::Topic;
use tracing::{debug, info, warn};

use super::client::{Change, KafkaConsumer, Rebalance, unavailable};
use super::group::{Membership, START_MARK, list_of};
use super::mailbox::Ticket;
use super::metrics::Metrics;
use super::questions::{commits_of, watermarks};
use super::reader::{Reader, Verdict};
use super::threads::Threads;
use crate::{BusError, Commit, Start, TopicPartition};

/// Commits that could not be fetched are asked for again after this time, and so are clients that could not
/// be made.
const RETRY: Duration = Duration::from_millis(500);
/// The part of the session that an application has to notice that partitions are no longer its own.
const NOTICE_PART: u32 = 2;

pub(super) struct Member {
    pub reader: Reader,
    pub membership: Arc<Membership>,
    pub group: String,
    pub topics: Vec<Topic>,
    pub start: Start,
    pub metrics: Arc<Metrics>,
    pub threads: Arc<Threads>,
    pub pending: Pending,
}

/// A rebalance that has not been answered.
pub(super) enum Pending {
    None,
    Revoking { rebalance: Rebalance, ticket: Ticket, until: Instant },
    Assigning { rebalance: Rebalance, retry_at: Instant },
}

/// Where each partition of an assignment begins, and its commit.
type Beginnings = Vec<(TopicPartition, Offset, Option<Commit>)>;

impl Member {
    /// Until the application has gone.
    pub fn run(mut self) {
        if let Err(error) = self.subscribe() {
            warn!(group = self.group, %error, "subscribe");
        }
        while !self.reader.mailbox.is_closed() {
            self.serve_rebalance();
            let is_hurried = !matches!(self.pending, Pending::None);
            if let Verdict::Broken(why) = self.reader.step(is_hurried) {
                self.rebuild(why);
            }
        }
        self.membership.consumer.lock().take();
        self.close();
        self.reader.clients.condition.clear(&self.reader.part);
        let Self { reader, threads, .. } = self;
        // Leaves the group.
        drop(reader);
        threads.has_left();
    }

    fn subscribe(&self) -> rdkafka::error::KafkaResult<()> {
        let topics: Vec<&str> = self.topics.iter().map(|topic| self.reader.names.topic(*topic)).collect();
        self.reader.consumer.subscribe(&topics)
    }

    fn serve_rebalance(&mut self) {
        let now = Instant::now();
        match std::mem::replace(&mut self.pending, Pending::None) {
            Pending::None => {
                if let Some(rebalance) = self.reader.consumer.context().next_rebalance() {
                    self.begin(rebalance, now);
                }
            }
            Pending::Revoking { rebalance, ticket, until } => {
                if self.reader.mailbox.is_known(ticket) || now >= until {
                    self.answer(&rebalance);
                } else {
                    self.pending = Pending::Revoking { rebalance, ticket, until };
                }
            }
            Pending::Assigning { rebalance, retry_at } if now < retry_at => {
                self.pending = Pending::Assigning { rebalance, retry_at };
            }
            Pending::Assigning { rebalance, .. } => self.assign(rebalance),
        }
    }

    fn begin(&mut self, rebalance: Rebalance, now: Instant) {
        debug!(group = self.group, change = ?rebalance.change, partitions = ?rebalance.partitions, "rebalance");
        match rebalance.change {
            Change::Assign => self.assign(rebalance),
            Change::Revoke | Change::Lose => {
                let partitions = self.partitions(&rebalance.partitions);
                self.reader.positions.retain(|at, _| !partitions.contains(at));
                let ticket = self.reader.mailbox.revoke(partitions, rebalance.change == Change::Lose);
                // Lost ones may be another's already: there is nothing to wait for.
                if rebalance.change == Change::Lose {
                    return self.answer(&rebalance);
                }
                let until = now + self.reader.clients.config.session_timeout / NOTICE_PART;
                self.pending = Pending::Revoking { rebalance, ticket, until };
            }
        }
    }

    fn answer(&self, rebalance: &Rebalance) {
        if let Err(error) = rebalance.answer(&self.reader.consumer) {
            debug!(group = self.group, %error, "answer a rebalance");
        }
    }

    fn assign(&mut self, rebalance: Rebalance) {
        let beginnings = match self.beginnings(&rebalance.partitions) {
            Ok(beginnings) => beginnings,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                info!(group = self.group, error, "the commits cannot be fetched yet, trying again");
                self.reader.clients.condition.alarm.notify_one();
                self.pending = Pending::Assigning { rebalance, retry_at: Instant::now() + RETRY };
                return;
            }
        };
        let starts: Vec<_> = beginnings.iter().map(|(at, offset, _)| (*at, *offset)).collect();
        let rebalance = Rebalance { partitions: self.reader.list(&starts), ..rebalance };
        if let Err(error) = rebalance.answer(&self.reader.consumer) {
            warn!(group = self.group, %error, "take the partitions");
            return;
        }
        self.reader.begin(&starts);
        self.reader.keep_pause();
        self.reader.watchdog.pat(Instant::now());
        self.reader.mailbox.assign(beginnings.into_iter().map(|(at, _, commit)| (at, commit)).collect());
        self.reader.clients.condition.clear(&self.reader.part);
    }

    fn beginnings(&self, list: &TopicPartitionList) -> Result<Beginnings, BusError> {
        let partitions = self.partitions(list);
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let consumer = &self.reader.consumer;
        let timeout = self.reader.clients.config.request_timeout;
        let committed = consumer
            .committed_offsets(list.clone(), timeout)
            .map_err(|error| unavailable("ask for commits", &error))?;
        let (mut beginnings, mut marks) = (Vec::new(), Vec::new());
        for (at, commit) in partitions.into_iter().zip(commits_of(&committed)?) {
            let (offset, commit) = match commit {
                Some(commit) if commit.metadata == START_MARK => (signed(commit.offset), None),
                Some(commit) => (signed(commit.offset), Some(commit)),
                None if self.start == Start::Earliest => (Offset::Beginning, None),
                None => {
                    let name = self.reader.names.topic(at.topic);
                    let (_, end) = watermarks(consumer, name, at.partition, timeout)?;
                    marks.push((at, Commit { offset: end, metadata: START_MARK.to_owned() }));
                    (signed(end), None)
                }
            };
            beginnings.push((at, offset, commit));
        }
        self.mark(&marks)?;
        Ok(beginnings)
    }

    /// A group that begins at the latest message remembers where that was, so that whoever takes over before
    /// its first commit begins there too.
    fn mark(&self, marks: &[(TopicPartition, Commit)]) -> Result<(), BusError> {
        if marks.is_empty() {
            return Ok(());
        }
        let list = list_of(&self.reader.names, marks)?;
        let committed = self.reader.consumer.commit(&list, CommitMode::Sync);
        committed.map_err(|error| unavailable("remember where the group begins", &error))
    }

    /// In the order of the list; all are of topics that were subscribed to.
    fn partitions(&self, list: &TopicPartitionList) -> Vec<TopicPartition> {
        let at = |elem: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            let topic = self.reader.names.topic_of(elem.topic())?;
            Some(TopicPartition { topic, partition: elem.partition().cast_unsigned() })
        };
        list.elements().iter().filter_map(at).collect()
    }

    /// Joins again with another client.
    fn rebuild(&mut self, why: &'static str) {
        warn!(group = self.group, why, "the consumer is built anew");
        self.metrics.consumer_rebuilds.inc();
        self.membership.consumer.lock().take();
        self.reader.mailbox.revoke(self.reader.positions.keys().copied().collect(), true);
        self.reader.positions.clear();
        self.close();
        self.reader.rest();
        let clients = Arc::clone(&self.reader.clients);
        while !self.reader.mailbox.is_closed() {
            match clients.create::<KafkaConsumer>(&clients.member(&self.group)) {
                Ok(consumer) => {
                    self.reader.replace(consumer);
                    *self.membership.consumer.lock() = Some(Arc::clone(&self.reader.consumer));
                    match self.subscribe() {
                        Ok(()) => return,
                        Err(error) => clients.condition.raise(self.reader.part.clone(), error.to_string()),
                    }
                }
                Err(error) => clients.condition.raise(self.reader.part.clone(), error.to_string()),
            }
            self.reader.mailbox.wait_taken(RETRY);
        }
    }

    /// Answers whatever is open, so that the client can leave the group.
    fn close(&mut self) {
        let context = Arc::clone(self.reader.consumer.context());
        context.close();
        match std::mem::replace(&mut self.pending, Pending::None) {
            Pending::None => {}
            Pending::Revoking { rebalance, .. } | Pending::Assigning { rebalance, .. } => {
                self.answer(&rebalance);
            }
        }
        while let Some(rebalance) = context.next_rebalance() {
            self.answer(&rebalance);
        }
    }
}

fn signed(offset: u64) -> Offset {
    Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX))
}
