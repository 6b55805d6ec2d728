//! What every bus does: counts what is published, and sees to it that each message has a trace.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use sentinel_model::Topic;
use sentinel_runtime::Registry;

use crate::embedded::TopicLabel;
use crate::{
    Bus, BusError, Commit, Consumer, Follower, Offsets, Outgoing, Position, Start, TopicPartition, trace,
};

pub(crate) struct Metered {
    inner: Arc<dyn Bus>,
    records: Family<TopicLabel, Counter>,
    bytes: Family<TopicLabel, Counter>,
}

impl Metered {
    pub fn new(inner: Arc<dyn Bus>, registry: &mut Registry) -> Self {
        let metered = Self { inner, records: Family::default(), bytes: Family::default() };
        registry.register(
            "sentinel_bus_published_records",
            "Messages that the bus has acknowledged",
            metered.records.clone(),
        );
        registry.register(
            "sentinel_bus_published_bytes",
            "Bytes of keys and values that the bus has acknowledged",
            metered.bytes.clone(),
        );
        metered
    }
}

#[async_trait]
impl Bus for Metered {
    async fn publish(&self, mut messages: Vec<Outgoing>) -> Result<Vec<Position>, BusError> {
        messages.iter_mut().for_each(|message| trace::begin(&mut message.record));
        let mut published: BTreeMap<Topic, (u64, u64)> = BTreeMap::new();
        for Outgoing { topic, record, .. } in &messages {
            let (n_records, bytes) = published.entry(*topic).or_default();
            *n_records += 1;
            *bytes += (record.key.len() + record.value.len()) as u64;
        }
        let positions = self.inner.publish(messages).await?;
        for (topic, (n_records, bytes)) in published {
            self.records.get_or_create(&topic.into()).inc_by(n_records);
            self.bytes.get_or_create(&topic.into()).inc_by(bytes);
        }
        Ok(positions)
    }

    fn n_partitions(&self, topic: Topic) -> u32 {
        self.inner.n_partitions(topic)
    }

    async fn offsets(&self, at: TopicPartition) -> Result<Offsets, BusError> {
        self.inner.offsets(at).await
    }

    async fn committed(&self, group: &str, topic: Topic) -> Result<Vec<Option<Commit>>, BusError> {
        self.inner.committed(group, topic).await
    }

    async fn join(&self, group: &str, topics: &[Topic], start: Start) -> Result<Box<dyn Consumer>, BusError> {
        self.inner.join(group, topics, start).await
    }

    async fn follow(&self, topic: Topic, start: Start) -> Result<Box<dyn Follower>, BusError> {
        self.inner.follow(topic, start).await
    }

    async fn stored_bytes(&self, topic: Topic) -> Result<Option<u64>, BusError> {
        self.inner.stored_bytes(topic).await
    }
}
