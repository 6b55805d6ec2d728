//! The bus on Apache Kafka.
//!
//! - `client`: how clients are set and what they tell; `condition`: how the bus does; `names`, `topics`,
//!   `setup`: topics are as declared.
//! - `record`, `producer`: the way in.
//! - `reader`, `mailbox`, `watchdog`: the way out, for a `member` of a `group` and for a `follower`.
//! - `questions`: offsets and commits.
//!
//! Nothing here fails because brokers are away: calls say so and may be repeated, consumers and followers
//! wait, and all go on by themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use rdkafka::Offset;
use sentinel_model::Topic;
use sentinel_runtime::{Health, Registry, Task, spawn};
use tokio::sync::watch;

use crate::partitioner::partition_of;
use crate::{
    Bus, BusError, Commit, Consumer, Follower, KafkaConfig, Offsets, Outgoing, Position, Route, Start,
    TopicPartition,
};
use client::{Clients, KafkaConsumer};
use condition::{Condition, Part};
use follower::{FollowerThread, TopicFollower};
use group::{GroupConsumer, Membership};
use mailbox::Mailbox;
use member::{Member, Pending};
use metrics::Metrics;
use names::Names;
use producer::{Addressed, Producer};
use questions::Questions;
use reader::Reader;
use setup::{Readiness, Setup};
use threads::Threads;
use topics::Settings;

mod client;
mod condition;
mod follower;
mod group;
mod mailbox;
mod member;
mod metrics;
mod names;
mod producer;
mod questions;
mod reader;
mod record;
mod remove;
mod setup;
#[cfg(test)]
mod tests;
mod threads;
mod topics;
mod watchdog;

pub(crate) use remove::remove;

pub(crate) struct KafkaBus {
    clients: Arc<Clients>,
    names: Arc<Names>,
    questions: Arc<Questions>,
    producer: Producer,
    metrics: Arc<Metrics>,
    threads: Arc<Threads>,
    readiness: watch::Receiver<Readiness>,
    _setup: Task<()>,
}

impl KafkaBus {
    /// Must be called within a runtime. The first contact is made in the background.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn open(config: KafkaConfig, health: &Health, registry: &mut Registry) -> Result<Self, BusError> {
        let table = Topic::ALL.into_iter().map(|topic| (topic, topics::settings(topic, &config)));
        let table = table.collect();
        Self::open_with(config, table, health, registry)
    }

    fn open_with(
        config: KafkaConfig,
        table: Vec<(Topic, Settings)>,
        health: &Health,
        registry: &mut Registry,
    ) -> Result<Self, BusError> {
        let condition = Arc::new(Condition::new(health.component("bus")));
        let names = Arc::new(Names::new(&config.topic_prefix));
        let clients = Arc::new(Clients::new(config, condition));
        let questions = Arc::new(Questions::start(Arc::clone(&clients), Arc::clone(&names))?);
        let metrics = Arc::new(Metrics::register(registry));
        let (sender, readiness) = watch::channel(Readiness::Waiting);
        let setup = Setup {
            clients: Arc::clone(&clients),
            names: Arc::clone(&names),
            questions: Arc::clone(&questions),
            table,
            readiness: sender,
        };
        Ok(Self {
            producer: Producer::new(Arc::clone(&clients), Arc::clone(&names), Arc::clone(&metrics)),
            clients,
            names,
            questions,
            metrics,
            threads: Arc::default(),
            readiness,
            _setup: spawn("kafka-setup", setup.run()),
        })
    }

    /// Waits for the first contact.
    async fn ready(&self) -> Result<(), BusError> {
        let mut readiness = self.readiness.clone();
        let known = readiness.wait_for(|readiness| *readiness != Readiness::Waiting);
        let message = match tokio::time::timeout(self.clients.config.request_timeout, known).await {
            Ok(Ok(readiness)) => match &*readiness {
                Readiness::Refused(refusal) => refusal.clone(),
                Readiness::Waiting | Readiness::Ready => return Ok(()),
            },
            Ok(Err(_)) => return Err(BusError::Closed),
            Err(_) => {
                let usual = "no broker of bus.brokers has answered yet; it is tried again by itself";
                self.clients.condition.reason().unwrap_or_else(|| usual.to_owned())
            }
        };
        Err(BusError::Unavailable { message })
    }

    fn check(&self, at: TopicPartition) -> Result<(), BusError> {
        let TopicPartition { topic, partition } = at;
        let n_partitions = self.clients.config.partitions;
        if partition >= n_partitions {
            return Err(BusError::UnknownPartition { topic, partition, n_partitions });
        }
        Ok(())
    }

    fn address(&self, message: Outgoing) -> Result<Addressed, BusError> {
        let Outgoing { topic, route, record } = message;
        let config = &self.clients.config;
        let partition = match route {
            Route::ByKey => partition_of(&record.key, config.partitions),
            Route::Partition(partition) => partition,
        };
        let at = TopicPartition { topic, partition };
        self.check(at)?;
        let (bytes, limit) = (record.size(), config.max_message_bytes);
        if bytes as u64 > limit {
            return Err(BusError::TooLarge { bytes, limit: usize::try_from(limit).unwrap_or(usize::MAX) });
        }
        Ok(Addressed { at, record })
    }

    fn partitions(&self, topic: Topic) -> impl Iterator<Item = TopicPartition> {
        (0..self.clients.config.partitions).map(move |partition| TopicPartition { topic, partition })
    }

    fn reader(&self, consumer: KafkaConsumer, mailbox: &Arc<Mailbox>, part: Part) -> Reader {
        let (clients, metrics) = (Arc::clone(&self.clients), Arc::clone(&self.metrics));
        Reader::new(consumer, (clients, metrics), Arc::clone(&self.names), Arc::clone(mailbox), part)
    }
}

#[async_trait]
impl Bus for KafkaBus {
    async fn publish(&self, messages: Vec<Outgoing>) -> Result<Vec<Position>, BusError> {
        let messages =
            messages.into_iter().map(|message| self.address(message)).collect::<Result<Vec<_>, _>>()?;
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        self.ready().await?;
        self.producer.publish(&messages).await
    }

    fn n_partitions(&self, _: Topic) -> u32 {
        self.clients.config.partitions
    }

    async fn offsets(&self, at: TopicPartition) -> Result<Offsets, BusError> {
        self.check(at)?;
        self.ready().await?;
        self.questions.offsets(at).await
    }

    async fn committed(&self, group: &str, topic: Topic) -> Result<Vec<Option<Commit>>, BusError> {
        self.ready().await?;
        let (group, name) = (self.names.group(group), self.names.topic(topic).to_owned());
        self.questions.commits(group, name, self.clients.config.partitions).await
    }

    async fn join(&self, group: &str, topics: &[Topic], start: Start) -> Result<Box<dyn Consumer>, BusError> {
        self.ready().await?;
        let mut topics = topics.to_vec();
        topics.sort_unstable();
        topics.dedup();
        let group = self.names.group(group);
        let consumer: KafkaConsumer = self.clients.create(&self.clients.member(&group))?;
        let mailbox = Arc::new(Mailbox::new(self.clients.config.read_buffer_bytes / 2));
        let reader = self.reader(consumer, &mailbox, Part::Group(group.clone()));
        let client = Mutex::new(Some(Arc::clone(&reader.consumer)));
        let membership = Arc::new(Membership { mailbox, consumer: client });
        let handle = GroupConsumer {
            membership: Arc::clone(&membership),
            clients: Arc::clone(&self.clients),
            names: Arc::clone(&self.names),
            threads: Arc::clone(&self.threads),
            committing: Arc::default(),
        };
        let member = Member {
            reader,
            membership,
            topics,
            start,
            metrics: Arc::clone(&self.metrics),
            threads: Arc::clone(&self.threads),
            pending: Pending::None,
            group: group.clone(),
        };
        Threads::start(&format!("kafka-{group}"), move || member.run())?;
        Ok(Box::new(handle))
    }

    async fn follow(&self, topic: Topic, start: Start) -> Result<Box<dyn Follower>, BusError> {
        self.ready().await?;
        let mut ends = BTreeMap::new();
        for at in self.partitions(topic) {
            ends.insert(at, self.questions.offsets(at).await?);
        }
        let prefix = self.clients.config.topic_prefix.clone();
        let consumer: KafkaConsumer = self.clients.create(&self.clients.follower(&prefix))?;
        let mailbox = Arc::new(Mailbox::new(self.clients.config.read_buffer_bytes / 2));
        let reader = self.reader(consumer, &mailbox, Part::Group(format!("follower of {topic}")));
        let first = |offsets: &Offsets| match start {
            Start::Earliest => offsets.earliest,
            Start::Latest => offsets.next,
        };
        let begin: Vec<_> = ends.iter().map(|(at, offsets)| (*at, first(offsets))).collect();
        let follower = TopicFollower::new(mailbox, &begin, &ends);
        let signed = |offset: u64| Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
        let begin: Vec<_> = begin.into_iter().map(|(at, offset)| (at, signed(offset))).collect();
        let thread = FollowerThread { reader, prefix, metrics: Arc::clone(&self.metrics) };
        Threads::start(&format!("kafka-follow-{topic}"), move || thread.run(&begin))?;
        Ok(Box::new(follower))
    }

    /// librdkafka does not ask brokers for the sizes of their logs.
    async fn stored_bytes(&self, _: Topic) -> Result<Option<u64>, BusError> {
        Ok(None)
    }
}

impl Drop for KafkaBus {
    /// Lets consumers that were dropped before leave their groups: two seconds at most.
    fn drop(&mut self) {
        self.threads.wait();
    }
}
