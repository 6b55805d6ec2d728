//! The adapter against the contract and against what happens to real brokers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::RngExt as _;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use sentinel_model::Topic;
use sentinel_runtime::config::variable;
use sentinel_runtime::{Health, Registry};
use sentinel_testkit::stack;

use super::KafkaBus;
use super::topics::{self, Settings};
use crate::contract::Harness;
use crate::{Bus, GroupProtocol, KafkaConfig};

mod cluster;
#[cfg(feature = "kafka-tls")]
mod encrypted;
mod faults;
mod upkeep;
mod without_server;

/// The brokers of the stack look for what is to be removed every 5 s: much less than this, but for that.
const RETENTION: Duration = Duration::from_secs(20);

/// Topics of its own on the real cluster, removed in the end.
struct Real {
    config: KafkaConfig,
    health: Health,
    /// Where its topics can be removed without a login.
    unencrypted: String,
}

impl Real {
    /// `None` without a cluster.
    fn new() -> Option<Self> {
        Some(Self::on(&stack::kafka()?))
    }

    fn on(brokers: &str) -> Self {
        let mut config = KafkaConfig {
            brokers: brokers.split(',').map(str::to_owned).collect(),
            topic_prefix: format!("test-{:08x}.", rand::rng().random::<u32>()),
            partitions: 3,
            max_message_bytes: 64 << 10,
            tombstone_retention: RETENTION,
            ..KafkaConfig::default()
        };
        config.retention.logs = RETENTION;
        Self { config, health: Health::default(), unencrypted: brokers.to_owned() }
    }

    fn with_next_generation_groups() -> Option<Self> {
        let mut real = Self::new()?;
        real.config.group_protocol = GroupProtocol::Consumer;
        Some(real)
    }

    /// As declared, but for what would take longer than a test: each message gets a segment of its own, and
    /// is compacted as soon as there is another.
    fn table(&self) -> Vec<(Topic, Settings)> {
        let mut table: Vec<_> =
            Topic::ALL.into_iter().map(|topic| (topic, topics::settings(topic, &self.config))).collect();
        for (topic, settings) in &mut table {
            settings.insert("segment.ms", "1".to_owned());
            if topic.is_compacted() {
                settings.insert("min.cleanable.dirty.ratio", "0".to_owned());
            }
        }
        table
    }

    fn open_kafka(&self) -> KafkaBus {
        KafkaBus::open_with(self.config.clone(), self.table(), &self.health, &mut Registry::default())
            .expect("open")
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let names: Vec<String> =
            Topic::ALL.into_iter().map(|topic| format!("{}{topic}", self.config.topic_prefix)).collect();
        let mut client = rdkafka::ClientConfig::new();
        client.set("bootstrap.servers", &self.unencrypted);
        let admin: AdminClient<DefaultClientContext> = client.create().expect("a client");
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(5)));
        // A cluster that is gone takes its topics along.
        let _ = futures::executor::block_on(admin.delete_topics(&names, &options));
    }
}

#[async_trait]
impl Harness for Real {
    async fn open(&mut self) -> Arc<dyn Bus> {
        Arc::new(self.open_kafka())
    }

    /// Time passes by itself; only when it is asked for, as it does so slowly.
    async fn age(&mut self, by: Duration) -> bool {
        if variable("SENTINEL_STACK_FAULTS").is_none() {
            return false;
        }
        tokio::time::sleep(by).await;
        upkeep::wait(self).await;
        true
    }

    fn max_message_bytes(&self) -> usize {
        self.config.max_message_bytes as usize
    }

    fn retention(&self, _: Topic) -> Duration {
        RETENTION
    }
}

mod contract {
    use super::Real;

    crate::contract_tests!(match Real::new() {
        Some(real) => real,
        None => return,
    });
}

mod contract_with_next_generation_groups {
    use super::Real;

    crate::contract_tests!(@each match Real::with_next_generation_groups() {
        Some(real) => real,
        None => return,
    }, groups,
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
}
