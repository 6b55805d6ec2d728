//! Takes topics and groups away again, of installations that are made to be thrown away.

use std::sync::Arc;

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::types::RDKafkaErrorCode as Code;
use sentinel_model::Topic;
use sentinel_runtime::{Health, spawn_blocking};

use super::client::{Clients, Context, unavailable};
use super::condition::Condition;
use super::names::Names;
use crate::{BusError, KafkaConfig};

/// # Errors
/// The cluster does not answer, or does not permit it.
pub(crate) async fn remove(config: KafkaConfig, groups: &[&str]) -> Result<(), BusError> {
    let names = Names::new(&config.topic_prefix);
    let timeout = config.request_timeout;
    let condition = Arc::new(Condition::new(Health::default().component("bus")));
    let clients = Clients::new(config, condition);
    let admin: AdminClient<Context> = clients.create(&clients.plain())?;
    let options = AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout));
    let topics: Vec<&str> = Topic::ALL.iter().map(|topic| names.topic(*topic)).collect();
    let removed = admin.delete_topics(&topics, &options).await;
    let groups: Vec<String> = groups.iter().map(|group| names.group(group)).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    // Those that never were, or that still have a member for a moment, are forgotten by the cluster itself.
    let _ = admin.delete_groups(&groups, &options).await;
    // Dropping it waits for its thread.
    spawn_blocking("kafka-admin", move || drop(admin)).await;
    let removed = removed.map_err(|error| unavailable("remove the topics", &error))?;
    let refused = removed.into_iter().filter_map(Result::err);
    match refused.into_iter().find(|(_, code)| *code != Code::UnknownTopicOrPartition) {
        Some((topic, code)) => {
            Err(BusError::Unavailable { message: format!("topic {topic} cannot be removed: {code}") })
        }
        None => Ok(()),
    }
}
