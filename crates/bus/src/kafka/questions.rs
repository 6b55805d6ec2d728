//! Questions to the cluster: one thread asks them, one after the other, each within its time.
//!
//! librdkafka answers such questions by blocking. The thread also polls its clients, so that what they have
//! to tell (errors of connections) is heard while nothing is asked.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::metadata::MetadataTopic;
use rdkafka::types::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::oneshot;

use super::client::{Clients, KafkaConsumer, unavailable};
use super::group::START_MARK;
use super::names::Names;
use super::record::tolerant;
use crate::{BusError, Commit, Offsets, TopicPartition};

/// Questions that may wait.
const QUEUE: usize = 64;
/// Clients are polled so often while nothing is asked.
const IDLE: Duration = Duration::from_millis(200);
/// How long a client is listened to.
const LISTEN: Duration = Duration::from_millis(5);
/// A partition without a known leader is asked for again after this time.
const RETRY: Duration = Duration::from_millis(50);
/// Clients of groups that are kept; more are asked about by nobody.
const GROUPS: usize = 16;

pub(super) struct Questions {
    queue: SyncSender<Question>,
    timeout: Duration,
    pub names: Arc<Names>,
}

type Question = Box<dyn FnOnce(&mut Asker) + Send>;

/// What lives on the thread.
pub(super) struct Asker {
    clients: Arc<Clients>,
    /// For topics; none until it is needed, and after it failed.
    plain: Option<KafkaConsumer>,
    /// By group, for its commits.
    groups: HashMap<String, KafkaConsumer>,
}

/// How many partitions each topic of the cluster has, as far as all have a leader.
pub(super) type Layout = HashMap<String, u32>;

impl Questions {
    /// # Errors
    /// No thread can be had.
    pub fn start(clients: Arc<Clients>, names: Arc<Names>) -> Result<Self, BusError> {
        let (queue, questions) = sync_channel(QUEUE);
        let timeout = clients.config.request_timeout;
        let asker = Asker { clients, plain: None, groups: HashMap::new() };
        std::thread::Builder::new()
            .name("kafka-questions".to_owned())
            .spawn(move || asker.run(&questions))
            .map_err(|error| BusError::Open { message: format!("start kafka-questions: {error}") })?;
        Ok(Self { queue, timeout, names })
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Asker, Duration) -> Result<T, BusError> + Send + 'static,
    ) -> Result<T, BusError> {
        let (reply, answer) = oneshot::channel();
        let end = Instant::now() + self.timeout;
        let question = Box::new(move |asker: &mut Asker| {
            let left = end.saturating_duration_since(Instant::now());
            // Who asked has gone, or will have before there can be an answer.
            if reply.is_closed() || left.is_zero() {
                return;
            }
            let _ = reply.send(question(asker, left));
        });
        match self.queue.try_send(question) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(too_slow()),
            Err(TrySendError::Disconnected(_)) => return Err(BusError::Closed),
        }
        match tokio::time::timeout(self.timeout + IDLE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(too_slow()),
        }
    }

    pub async fn layout(&self) -> Result<Layout, BusError> {
        self.ask(Asker::layout).await
    }

    pub async fn offsets(&self, at: TopicPartition) -> Result<Offsets, BusError> {
        let name = self.names.topic(at.topic).to_owned();
        self.ask(move |asker, timeout| asker.offsets(&name, at.partition, timeout)).await
    }

    /// Of each partition of `topics`, in their order.
    pub async fn commits(
        &self,
        group: String,
        topic: String,
        n_partitions: u32,
    ) -> Result<Vec<Option<Commit>>, BusError> {
        self.ask(move |asker, timeout| asker.commits(&group, &topic, n_partitions, timeout)).await
    }
}

fn too_slow() -> BusError {
    BusError::Unavailable { message: "it has not answered in time; it is tried again by itself".to_owned() }
}

impl Asker {
    fn run(mut self, questions: &Receiver<Question>) {
        loop {
            match questions.recv_timeout(IDLE) {
                Ok(question) => question(&mut self),
                Err(RecvTimeoutError::Timeout) => self.poll(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn poll(&mut self) {
        for client in self.plain.iter().chain(self.groups.values()) {
            // Nothing is read: what comes are the client's own words. Without a time, it would be one of them.
            while let Some(Err(_)) = client.poll(LISTEN) {}
        }
        let is_locked_out = |client: &KafkaConsumer| client.context().take_lost_login();
        // The next ones are made with the password that is valid then.
        if self.plain.as_ref().is_some_and(is_locked_out) {
            self.plain = None;
        }
        self.groups.retain(|_, client| !is_locked_out(client));
    }

    fn plain(&mut self) -> Result<&KafkaConsumer, BusError> {
        if self.plain.is_none() {
            self.plain = Some(self.clients.create(&self.clients.questions(None))?);
        }
        Ok(self.plain.as_ref().expect("it was made above"))
    }

    fn group(&mut self, group: &str) -> Result<&KafkaConsumer, BusError> {
        if !self.groups.contains_key(group) {
            if self.groups.len() >= GROUPS {
                self.groups.clear();
            }
            let client = self.clients.create(&self.clients.questions(Some(group)))?;
            self.groups.insert(group.to_owned(), client);
        }
        Ok(&self.groups[group])
    }

    fn layout(&mut self, timeout: Duration) -> Result<Layout, BusError> {
        let metadata = self.plain()?.fetch_metadata(None, timeout);
        let metadata = metadata.map_err(|error| {
            // Its errors say more than this one.
            self.poll();
            unavailable("ask for the topics", &error)
        })?;
        // One without a leader is there all the same; who writes to it waits.
        let is_there = |topic: &&MetadataTopic| topic.error().is_none() && !topic.partitions().is_empty();
        let led = metadata.topics().iter().filter(is_there);
        Ok(led.map(|topic| (topic.name().to_owned(), topic.partitions().len() as u32)).collect())
    }

    fn offsets(&mut self, name: &str, partition: u32, timeout: Duration) -> Result<Offsets, BusError> {
        let client = self.plain()?;
        let (earliest, next) = watermarks(client, name, partition, timeout)?;
        Ok(Offsets { earliest, next })
    }

    fn commits(
        &mut self,
        group: &str,
        name: &str,
        n_partitions: u32,
        timeout: Duration,
    ) -> Result<Vec<Option<Commit>>, BusError> {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(name, 0, n_partitions.cast_signed() - 1);
        let list = self
            .group(group)?
            .committed_offsets(list, timeout)
            .map_err(|error| unavailable("ask for commits", &error))?;
        let commits = commits_of(&list)?;
        Ok(commits.into_iter().map(|commit| commit.filter(|commit| commit.metadata != START_MARK)).collect())
    }
}

/// First offset and end of a partition. Asks again while its leader is not known, as just after the topic was
/// made or a broker has gone.
///
/// # Errors
/// No answer in time, or a refusal.
pub(super) fn watermarks(
    client: &KafkaConsumer,
    name: &str,
    partition: u32,
    timeout: Duration,
) -> Result<(u64, u64), BusError> {
    let end = Instant::now() + timeout;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let error = match client.fetch_watermarks(name, partition.cast_signed(), left) {
            Ok((low, high)) => return Ok((low.max(0).cast_unsigned(), high.max(0).cast_unsigned())),
            Err(error) => error,
        };
        let may_pass = matches!(
            error.rdkafka_error_code(),
            Some(
                Code::NotLeaderForPartition
                    | Code::LeaderNotAvailable
                    | Code::UnknownTopicOrPartition
                    | Code::UnknownPartition
                    | Code::FencedLeaderEpoch
                    | Code::UnknownLeaderEpoch
            )
        );
        if !may_pass || left < RETRY {
            return Err(unavailable("ask for offsets", &error));
        }
        std::thread::park_timeout(RETRY);
    }
}

/// What `committed_offsets` has found, in the order of the list.
///
/// # Errors
/// The first partition that could not be asked for.
pub(super) fn commits_of(list: &TopicPartitionList) -> Result<Vec<Option<Commit>>, BusError> {
    let commit = |elem: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
        elem.error().map_err(|error| unavailable("ask for commits", &error))?;
        let Offset::Offset(offset) = elem.offset() else { return Ok(None) };
        let metadata = tolerant(|| elem.metadata().to_owned()).unwrap_or_default();
        Ok(Some(Commit { offset: offset.max(0).cast_unsigned(), metadata }))
    };
    list.elements().iter().map(commit).collect()
}
