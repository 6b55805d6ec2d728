//! The one loop: consume → transform → write → commit.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sentinel_bus::{
    Bus, BusError, Commit, Consumer, Delivered, Outgoing, PollLimit, Polled, Start, TopicPartition,
};
use sentinel_log_store::LogStoreError;
use sentinel_metric_store::MetricStoreError;
use sentinel_model::{LabelPool, Topic};
use sentinel_runtime::{Backoff, Component, Shutdown};
use tokio::time::Instant;
use tracing::{debug, error, warn};

use crate::metrics::{Metrics, Pipeline as PipelineLabel};

/// What a pipeline does with its records. State belongs to partitions: it begins with `assigned`, ends
/// with `revoked`, and can be had again by reading from the committed offset.
#[async_trait]
pub(crate) trait Stage: Send {
    fn assigned(&mut self, at: TopicPartition, commit: Option<&Commit>);

    fn revoked(&mut self, at: TopicPartition);

    /// What must be committed before a partition's first record is handled, so that a later owner knows of
    /// this one even if nothing else is ever committed.
    fn claim(&self, _: TopicPartition) -> Option<Commit> {
        None
    }

    /// Transforms and writes; when it returns, the results are durable.
    ///
    /// # Errors
    /// [`Stopped`], when shutdown was requested while a write was being retried: nothing is committed.
    async fn handle(&mut self, records: Vec<Delivered>) -> Result<(), Stopped>;

    /// What may be committed now.
    fn commits(&mut self) -> Vec<(TopicPartition, Commit)>;
}

/// Shutdown was requested before the work was done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Name, topic and surroundings of one pipeline.
#[derive(Clone)]
pub(crate) struct Pipeline {
    pub(crate) name: &'static str,
    pub(crate) topic: Topic,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) health: Component,
    pub(crate) metrics: Metrics,
    /// Labels that the pipelines of this process hold in common.
    pub(crate) labels: Arc<LabelPool>,
    pub(crate) commit_interval: Duration,
}

/// Records in hand are bounded by these.
const POLL: PollLimit =
    PollLimit { max_records: 2_000, max_bytes: 8 << 20, wait: Duration::from_millis(500) };

impl Pipeline {
    /// Consumer group of this pipeline.
    pub(crate) fn group(&self) -> String {
        format!("sentinel-{}", self.name)
    }

    /// Runs `stage` until shutdown is requested, then commits what is done.
    pub(crate) async fn run(self, mut stage: impl Stage, shutdown: Shutdown) {
        let mut backoff = new_backoff();
        let (group, topics) = (self.group(), [self.topic]);
        loop {
            let join = || self.bus.join(&group, &topics, Start::Earliest);
            let Some(consumer) = self.retry(&shutdown, "join the consumer group", join).await else {
                return;
            };
            self.health.ready();
            match self.consume(consumer, &mut stage, &shutdown).await {
                Ok(()) => return,
                Err(error) => self.wait_after(&error, "consume", &mut backoff, &shutdown).await,
            }
        }
    }

    /// Tries `attempt` until it succeeds; `None` when shutdown is requested first. Only for calls that
    /// may be repeated.
    pub(crate) async fn retry<T, E, F>(
        &self,
        shutdown: &Shutdown,
        what: &'static str,
        mut attempt: impl FnMut() -> F,
    ) -> Option<T>
    where
        E: Failure,
        F: Future<Output = Result<T, E>>,
    {
        let mut backoff = new_backoff();
        loop {
            match attempt().await {
                Ok(done) => {
                    if backoff.n_failures() > 0 {
                        self.health.ready();
                    }
                    return Some(done);
                }
                Err(error) => self.wait_after(&error, what, &mut backoff, shutdown).await,
            }
            if shutdown.is_requested() {
                return None;
            }
        }
    }

    /// Publishes `messages`, if there are any.
    ///
    /// # Errors
    /// [`Stopped`], when shutdown is requested before it was possible.
    pub(crate) async fn publish(
        &self,
        shutdown: &Shutdown,
        what: &'static str,
        messages: Vec<Outgoing>,
    ) -> Result<(), Stopped> {
        if messages.is_empty() {
            return Ok(());
        }
        if self.publish_at_once(shutdown, what, &messages).await?.is_none() {
            return Ok(());
        }
        // One of them is at fault; one by one, the bus tells which. Readers recognise repeats.
        for message in messages {
            let topic = message.topic;
            if let Some(error) = self.publish_at_once(shutdown, what, &[message]).await? {
                self.metrics.refused_messages.inc();
                error!(
                    pipeline = self.name,
                    %topic,
                    error = &error as &dyn Error,
                    "the bus will never take this message, it is lost; raise bus.max_message_bytes"
                );
            }
        }
        Ok(())
    }

    /// `Some` if the bus will never take them as they are.
    async fn publish_at_once(
        &self,
        shutdown: &Shutdown,
        what: &'static str,
        messages: &[Outgoing],
    ) -> Result<Option<BusError>, Stopped> {
        let publish = || async {
            match self.bus.publish(messages.to_vec()).await {
                Ok(_) => Ok(None),
                Err(error @ BusError::TooLarge { .. }) => Ok(Some(error)),
                Err(error) => Err(error),
            }
        };
        self.retry(shutdown, what, publish).await.ok_or(Stopped)
    }

    /// Whatever ends it, the stage is left without partitions: the next consumer may get others.
    async fn consume(
        &self,
        consumer: Box<dyn Consumer>,
        stage: &mut impl Stage,
        shutdown: &Shutdown,
    ) -> Result<(), BusError> {
        let mut owned = BTreeSet::new();
        let ended = self.consume_owned(consumer, stage, &mut owned, shutdown).await;
        if ended.is_err() {
            owned.into_iter().for_each(|at| stage.revoked(at));
        }
        ended
    }

    async fn consume_owned(
        &self,
        mut consumer: Box<dyn Consumer>,
        stage: &mut impl Stage,
        owned: &mut BTreeSet<TopicPartition>,
        shutdown: &Shutdown,
    ) -> Result<(), BusError> {
        let mut commit_at = Instant::now() + self.commit_interval;
        let mut committed = BTreeMap::new();
        let mut backoff = new_backoff();
        loop {
            let polled = match shutdown.guard(consumer.poll(POLL)).await {
                Some(polled) => polled?,
                None => return self.commit(&mut *consumer, stage.commits(), &mut committed).await,
            };
            match polled {
                Polled::Assigned(partitions) => {
                    let mut claims = Vec::new();
                    for (at, commit) in partitions {
                        debug!(pipeline = self.name, partition = at.partition, ?commit, "assigned");
                        stage.assigned(at, commit.as_ref());
                        owned.insert(at);
                        claims.extend(stage.claim(at).map(|claim| (at, claim)));
                        committed.extend(commit.map(|commit| (at, commit)));
                    }
                    // Nothing is handled before it is known whose it is.
                    while let Err(error) = self.commit(&mut *consumer, claims.clone(), &mut committed).await {
                        self.wait_after(&error, "claim partitions", &mut backoff, shutdown).await;
                        if shutdown.is_requested() {
                            return Ok(());
                        }
                    }
                    self.settled(&mut backoff);
                }
                Polled::Revoked(partitions) | Polled::Lost(partitions) => {
                    for at in partitions {
                        debug!(pipeline = self.name, partition = at.partition, "revoked");
                        stage.revoked(at);
                        owned.remove(&at);
                        committed.remove(&at);
                    }
                }
                Polled::Records(records) => {
                    if stage.handle(records).await == Err(Stopped) {
                        return Ok(());
                    }
                }
                Polled::Idle => {}
            }
            if Instant::now() >= commit_at {
                // A commit that fails is made up for by a later one: no reason to leave the group.
                match self.commit(&mut *consumer, stage.commits(), &mut committed).await {
                    Ok(()) => self.settled(&mut backoff),
                    Err(error) => self.wait_after(&error, "commit", &mut backoff, shutdown).await,
                }
                commit_at = Instant::now() + self.commit_interval;
            }
        }
    }

    fn settled(&self, backoff: &mut Backoff) {
        if backoff.n_failures() > 0 {
            backoff.reset();
            self.health.ready();
        }
    }

    /// Commits what has moved since the last time. A partition that has just gone to another consumer is no
    /// error: that one replays.
    async fn commit(
        &self,
        consumer: &mut dyn Consumer,
        mut commits: Vec<(TopicPartition, Commit)>,
        committed: &mut BTreeMap<TopicPartition, Commit>,
    ) -> Result<(), BusError> {
        commits.retain(|(at, commit)| committed.get(at) != Some(commit));
        while !commits.is_empty() {
            match consumer.commit(&commits).await {
                Ok(()) => {
                    committed.extend(commits);
                    return Ok(());
                }
                Err(BusError::NotOwner { at }) => {
                    debug!(pipeline = self.name, partition = at.partition, "the partition has moved on");
                    // It alone: the others are still to be committed.
                    commits.retain(|(other, _)| *other != at);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn wait_after<E: Failure>(
        &self,
        error: &E,
        what: &str,
        backoff: &mut Backoff,
        shutdown: &Shutdown,
    ) {
        let asked = error.retry_after().unwrap_or_default().min(LONGEST_ASKED);
        let delay = backoff.next_delay().max(asked);
        warn!(pipeline = self.name, error = error as &dyn Error, ?delay, what, "failed, trying again");
        self.metrics.pipeline_errors.get_or_create(&PipelineLabel { pipeline: self.name }).inc();
        self.health.degraded(format!("{what}: {error}; trying again"));
        shutdown.guard(tokio::time::sleep(delay)).await;
    }
}

/// What a port says when a call fails.
pub(crate) trait Failure: Error + Send + Sync + 'static {
    /// How long it asked to be left alone.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

impl Failure for BusError {}

impl Failure for MetricStoreError {
    fn retry_after(&self) -> Option<Duration> {
        Self::retry_after(self)
    }
}

impl Failure for LogStoreError {
    fn retry_after(&self) -> Option<Duration> {
        Self::retry_after(self)
    }
}

/// A store that asks to be left alone for longer is asked again all the same.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

fn new_backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(10))
}

#[cfg(test)]
mod tests;
