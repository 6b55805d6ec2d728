//! A member of a consumer group: the application's handle. Its thread is in `member`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode as Code;
use sentinel_runtime::spawn_blocking;
use tokio::time::Instant;

use super::client::{Clients, KafkaConsumer, unavailable};
use super::mailbox::{Mailbox, Taken};
use super::names::Names;
use super::threads::Threads;
use crate::{BusError, Commit, Consumer, PollLimit, Polled, TopicPartition};

/// Longest note of a commit; Kafka's default (`offset.metadata.max.bytes`).
const METADATA_BYTES: usize = 4_096;
/// Note of a commit by which a group that begins at the latest message remembers where that was.
pub(super) const START_MARK: &str = "sentinel:start";
/// A commit that came amid a rebalance is repeated so often.
const RETRY_COMMIT: Duration = Duration::from_millis(100);

/// What handle and thread share.
pub(super) struct Membership {
    pub mailbox: Arc<Mailbox>,
    /// The client of now; none while it is built anew.
    pub consumer: Mutex<Option<Arc<KafkaConsumer>>>,
}

pub(super) struct GroupConsumer {
    pub membership: Arc<Membership>,
    pub clients: Arc<Clients>,
    pub names: Arc<Names>,
    pub threads: Arc<Threads>,
    /// One commit at a time: a late one must not undo one that came after it.
    pub committing: Arc<tokio::sync::Mutex<()>>,
}

/// What the broker says of a commit.
enum Answer {
    Done,
    /// It knows this member no longer, or under a newer generation.
    Fenced,
    /// The group is being rearranged.
    Rebalancing,
    Failed(BusError),
}

#[async_trait]
impl Consumer for GroupConsumer {
    async fn poll(&mut self, limit: PollLimit) -> Result<Polled, BusError> {
        Ok(match self.membership.mailbox.take(limit).await {
            Some(Taken::Polled(polled)) => polled,
            Some(Taken::Records(records, _)) if !records.is_empty() => Polled::Records(records),
            Some(Taken::Records(..)) | None => Polled::Idle,
        })
    }

    /// The broker knows the owners by member and generation: it refuses a commit of one that has slept
    /// through a rebalance. A refusal in the middle of a rebalance says nothing yet: it is repeated until
    /// this member has learnt whether the partition is still its own.
    async fn commit(&mut self, commits: &[(TopicPartition, Commit)]) -> Result<(), BusError> {
        let Some((first, _)) = commits.first() else { return Ok(()) };
        self.check(commits)?;
        let end = Instant::now() + self.clients.config.request_timeout;
        loop {
            self.membership.mailbox.check_owner(commits)?;
            let answer = tokio::time::timeout_at(end, self.ask(commits)).await;
            let answer = answer.unwrap_or_else(|_| {
                let message = "a commit was not acknowledged in time".to_owned();
                Answer::Failed(BusError::Unavailable { message })
            });
            let is_late = Instant::now() + RETRY_COMMIT >= end;
            match answer {
                Answer::Done => return Ok(()),
                Answer::Failed(error) => {
                    self.membership.mailbox.check_owner(commits)?;
                    return Err(error);
                }
                Answer::Fenced if is_late => return Err(BusError::NotOwner { at: *first }),
                Answer::Rebalancing if is_late => {
                    let message = "the group is being rearranged, and takes no commit".to_owned();
                    return Err(BusError::Unavailable { message });
                }
                Answer::Fenced | Answer::Rebalancing => tokio::time::sleep(RETRY_COMMIT).await,
            }
        }
    }
}

impl GroupConsumer {
    fn check(&self, commits: &[(TopicPartition, Commit)]) -> Result<(), BusError> {
        let n_partitions = self.clients.config.partitions;
        for (at, commit) in commits {
            let TopicPartition { topic, partition } = *at;
            if partition >= n_partitions {
                return Err(BusError::UnknownPartition { topic, partition, n_partitions });
            }
            let bytes = commit.metadata.len();
            if bytes > METADATA_BYTES {
                return Err(BusError::MetadataTooLarge { bytes, limit: METADATA_BYTES });
            }
        }
        Ok(())
    }

    async fn ask(&self, commits: &[(TopicPartition, Commit)]) -> Answer {
        let Some(consumer) = self.membership.consumer.lock().clone() else { return Answer::Rebalancing };
        let committing = Arc::clone(&self.committing).lock_owned().await;
        let list = match list_of(&self.names, commits) {
            Ok(list) => list,
            Err(error) => return Answer::Failed(error),
        };
        // Blocks until the broker has answered, at most for the session and a request. Whoever asked may be
        // gone by then: the next commit waits all the same.
        let committed = spawn_blocking("kafka-commit", move || {
            let committed = consumer.commit(&list, CommitMode::Sync);
            drop(committing);
            committed
        });
        match committed.await {
            Ok(()) => Answer::Done,
            Err(error) => judge(&error),
        }
    }
}

fn judge(error: &KafkaError) -> Answer {
    match error.rdkafka_error_code() {
        Some(
            Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::FencedMemberEpoch
            | Code::StaleMemberEpoch
            | Code::AssignmentLost,
        ) => Answer::Fenced,
        Some(Code::RebalanceInProgress | Code::WaitingForCoordinator) => Answer::Rebalancing,
        _ => Answer::Failed(unavailable("a commit has failed", error)),
    }
}

/// # Errors
/// An offset that Kafka does not have.
pub(super) fn list_of(
    names: &Names,
    commits: &[(TopicPartition, Commit)],
) -> Result<TopicPartitionList, BusError> {
    let mut list = TopicPartitionList::with_capacity(commits.len());
    for (at, commit) in commits {
        let mut elem = list.add_partition(names.topic(at.topic), at.partition.cast_signed());
        let offset = i64::try_from(commit.offset).unwrap_or(i64::MAX);
        elem.set_offset(Offset::Offset(offset))
            .map_err(|error| unavailable("a commit has failed", &error))?;
        if !commit.metadata.is_empty() {
            elem.set_metadata(&commit.metadata);
        }
    }
    Ok(list)
}

impl Drop for GroupConsumer {
    fn drop(&mut self) {
        self.threads.leaving();
        self.membership.mailbox.close();
    }
}
