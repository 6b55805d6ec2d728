//! What members of groups and followers have in common: a client that is polled by its own thread, however
//! long the application takes, and a bounded mailbox that it fills.
//!
//! `StreamConsumer` is not used: it can miss the signal that something has come, and waits for ever then
//! (fede1024/rust-rdkafka#665, #840).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};
use tracing::{debug, warn};

use super::client::{Clients, KafkaConsumer};
use super::condition::Part;
use super::mailbox::Mailbox;
use super::metrics::Metrics;
use super::names::Names;
use super::questions::watermarks;
use super::record;
use super::watchdog::{Progress, Watchdog};
use crate::{Delivered, Position, TopicPartition};

/// How long the client is waited for when nothing else is to be done.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long a full mailbox is waited for before partitions are paused. Pausing throws away what the client
/// has read ahead.
const PAUSE_AFTER: Duration = Duration::from_millis(500);
const FULL_TICK: Duration = Duration::from_millis(10);
/// Clients that fail at once are not made more often than this.
const LEAST_LIFE: Duration = Duration::from_secs(5);
/// Messages taken from the client before anything else is looked at.
const BATCH: usize = 256;

pub(super) struct Reader {
    pub consumer: Arc<KafkaConsumer>,
    pub clients: Arc<Clients>,
    metrics: Arc<Metrics>,
    pub names: Arc<Names>,
    pub mailbox: Arc<Mailbox>,
    /// Partitions that are read, and the offset wanted next; none before the first message of one that is
    /// read from its beginning.
    pub positions: BTreeMap<TopicPartition, Option<u64>>,
    pub watchdog: Watchdog,
    pub part: Part,
    full_since: Option<Instant>,
    is_paused: bool,
    made: Instant,
}

/// What a step has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// The client can no longer be used: why.
    Broken(&'static str),
}

/// What came out of the client.
enum Came {
    Nothing,
    Something,
    Broken(&'static str),
}

impl Reader {
    pub fn new(
        consumer: KafkaConsumer,
        (clients, metrics): (Arc<Clients>, Arc<Metrics>),
        names: Arc<Names>,
        mailbox: Arc<Mailbox>,
        part: Part,
    ) -> Self {
        Self {
            consumer: Arc::new(consumer),
            watchdog: Watchdog::new(clients.config.stall_timeout, Instant::now()),
            clients,
            metrics,
            names,
            mailbox,
            positions: BTreeMap::new(),
            part,
            full_since: None,
            is_paused: false,
            made: Instant::now(),
        }
    }

    /// To be waited for before the client is replaced.
    pub fn rest(&self) {
        while !self.mailbox.is_closed() && self.made.elapsed() < LEAST_LIFE {
            self.mailbox.wait_taken(PATIENCE);
        }
    }

    /// Another client, with the watchdog's memory.
    pub fn replace(&mut self, consumer: KafkaConsumer) {
        self.consumer = Arc::new(consumer);
        self.positions.clear();
        self.is_paused = false;
        self.full_since = None;
        self.made = Instant::now();
        self.watchdog.pat(self.made);
    }

    /// Polls the client once, for a short time if `is_hurried`.
    pub fn step(&mut self, is_hurried: bool) -> Verdict {
        if self.waits_for_room() {
            return Verdict::Fine;
        }
        let patience = if is_hurried { FULL_TICK } else { PATIENCE };
        let came = self.take(patience);
        let context = self.consumer.context();
        // The client keeps the password it was made with.
        if context.take_lost_login() && self.clients.password().is_ok_and(|now| now != context.password) {
            return Verdict::Broken("the password has changed");
        }
        match came {
            Came::Broken(why) => return Verdict::Broken(why),
            Came::Something => self.watchdog.pat(Instant::now()),
            Came::Nothing => {}
        }
        if self.watchdog.is_due(self.mailbox.last_hungry(), Instant::now()) && self.is_stalled() {
            return Verdict::Broken("it got nothing although there is something");
        }
        Verdict::Fine
    }

    /// Whether the client must not be polled now, because there is no room for what it would give.
    fn waits_for_room(&mut self) -> bool {
        if self.is_paused {
            if self.mailbox.is_half_empty() {
                self.set_paused(false);
            }
            return false;
        }
        if !self.mailbox.is_full() {
            self.full_since = None;
            return false;
        }
        let since = *self.full_since.get_or_insert_with(Instant::now);
        if since.elapsed() < PAUSE_AFTER {
            self.mailbox.wait_taken(FULL_TICK);
            return true;
        }
        self.set_paused(true);
        false
    }

    /// Assignments must be told, too, of a pause that began before them.
    pub fn keep_pause(&mut self) {
        if self.is_paused {
            self.set_paused(true);
        }
    }

    fn set_paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
        self.full_since = None;
        let mut list = TopicPartitionList::new();
        for at in self.positions.keys() {
            list.add_partition(self.names.topic(at.topic), at.partition.cast_signed());
        }
        let result = if is_paused { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        if let Err(error) = result {
            debug!(%error, is_paused, "pause or resume");
        }
    }

    fn take(&mut self, patience: Duration) -> Came {
        let consumer = Arc::clone(&self.consumer);
        let mut records = Vec::new();
        let mut came = Came::Nothing;
        let mut wait = patience;
        for _ in 0..BATCH {
            match consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    came = Came::Something;
                    records.extend(self.read(&message));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.put(&mut records);
                    self.note_end(partition.cast_unsigned());
                }
                Some(Err(error)) => {
                    if let Some(why) = self.note_error(&error) {
                        came = Came::Broken(why);
                        break;
                    }
                }
            }
            wait = Duration::ZERO;
        }
        self.put(&mut records);
        came
    }

    fn put(&self, records: &mut Vec<Delivered>) {
        if !records.is_empty() {
            self.mailbox.put(std::mem::take(records));
            self.clients.condition.clear(&self.part);
        }
    }

    /// `None` for a message of a partition that is no longer read.
    fn read(&mut self, message: &BorrowedMessage<'_>) -> Option<Delivered> {
        let topic = self.names.topic_of(message.topic())?;
        let at = TopicPartition { topic, partition: message.partition().cast_unsigned() };
        let offset = u64::try_from(message.offset()).ok()?;
        *self.positions.get_mut(&at)? = Some(offset + 1);
        Some(Delivered {
            position: Position { at, offset },
            record: record::read(message),
            appended: record::appended(message),
        })
    }

    /// Only followers are told of ends, and they read one topic.
    fn note_end(&self, partition: u32) {
        if let Some(at) = self.positions.keys().find(|at| at.partition == partition) {
            self.mailbox.put_end(*at);
            self.clients.condition.clear(&self.part);
        }
    }

    /// Why the client can no longer be used, if so.
    fn note_error(&self, error: &KafkaError) -> Option<&'static str> {
        if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
            warn!(%error, part = ?self.part, "a consumer has failed");
            return Some("it has failed");
        }
        match error.rdkafka_error_code() {
            Some(
                code @ (Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed),
            ) => {
                let reason = format!("Kafka does not let this user read ({code}): allow it in the cluster");
                self.clients.condition.raise(self.part.clone(), reason);
            }
            Some(code) if let Some(remedy) = remedy(code) => {
                let reason = format!("Kafka does not take this member of the group ({code}): {remedy}");
                self.clients.condition.raise(self.part.clone(), reason);
            }
            Some(Code::BadMessage | Code::InvalidMessage) => {
                self.note_unreadable("has a wrong checksum, as of a damaged disk");
            }
            Some(Code::BadCompression) => {
                self.note_unreadable(
                    "cannot be unpacked, being damaged or larger than anything that is published here",
                );
            }
            // They may have gone: they are made again.
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                self.clients.condition.alarm.notify_one();
            }
            _ => {}
        }
        debug!(%error, part = ?self.part, "a consumer has trouble");
        None
    }

    fn note_unreadable(&self, what: &str) {
        self.metrics.unreadable_batches.inc();
        let Part::Group(reader) = &self.part else { return };
        let reason = format!(
            "a batch of messages for {reader} {what}: its partition waits there. kafka-dump-log.sh finds the batch, \
             kafka-delete-records.sh moves beyond it, and `sentinel verify` names what it held"
        );
        self.clients.condition.raise(Part::Unreadable(reader.clone()), reason);
    }

    /// Compares with the ends of the partitions.
    fn is_stalled(&mut self) -> bool {
        let timeout = self.clients.config.request_timeout;
        let mut progress = Vec::new();
        for (at, next) in &self.positions {
            let ends = watermarks(&self.consumer, self.names.topic(at.topic), at.partition, timeout);
            // Nobody answers: that is no stall.
            let Ok((earliest, end)) = ends else {
                self.watchdog.pat(Instant::now());
                return false;
            };
            progress.push(Progress { at: *at, next: next.unwrap_or(earliest), end });
        }
        self.watchdog.judge(&progress, Instant::now())
    }

    /// A list for the client, of these partitions and where to begin.
    pub fn list(&self, starts: &[(TopicPartition, Offset)]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (at, offset) in starts {
            let (name, partition) = (self.names.topic(at.topic), at.partition.cast_signed());
            if let Err(error) = list.add_partition_offset(name, partition, *offset) {
                debug!(%error, "an offset that cannot be");
            }
        }
        list
    }

    pub fn begin(&mut self, starts: &[(TopicPartition, Offset)]) {
        for (at, offset) in starts {
            let next = match offset {
                Offset::Offset(offset) => u64::try_from(*offset).ok(),
                _ => None,
            };
            self.positions.insert(*at, next);
        }
    }
}

/// What helps against an answer that will not be another one the next time.
const fn remedy(code: Code) -> Option<&'static str> {
    match code {
        Code::InvalidSessionTimeout => Some(
            "bring bus.session_timeout into the broker's bounds, group.min.session.timeout.ms (6 s by default) and \
             group.max.session.timeout.ms",
        ),
        Code::InconsistentGroupProtocol | Code::UnsupportedAssignor => Some(
            "write the same bus.group_protocol for all processes, and change it only when none of them runs",
        ),
        Code::GroupMaxSizeReached => Some("raise group.max.size of the brokers, or run fewer processes"),
        _ => None,
    }
}
