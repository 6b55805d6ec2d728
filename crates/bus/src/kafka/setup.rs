//! First contact, and every later one after trouble: topics that are missing are made, others are compared
//! with what is declared.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigResource, ConfigSource, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::types::RDKafkaErrorCode as Code;
use sentinel_model::Topic;
use sentinel_runtime::{Backoff, spawn_blocking};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::client::{Clients, Context, unavailable};
use super::condition::Part;
use super::names::Names;
use super::questions::{Layout, Questions};
use super::topics::Settings;
use crate::BusError;

/// The cluster is looked at so often when nothing is wrong.
const INTERVAL: Duration = Duration::from_secs(60);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// Whether the topics can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Nobody has answered yet.
    Waiting,
    Ready,
    /// The cluster has answered, and is not set up for this.
    Refused(String),
}

pub(super) struct Setup {
    pub clients: Arc<Clients>,
    pub names: Arc<Names>,
    pub questions: Arc<Questions>,
    /// What is declared.
    pub table: Vec<(Topic, Settings)>,
    pub readiness: watch::Sender<Readiness>,
}

impl Setup {
    /// Runs as long as the bus.
    pub async fn run(self) {
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        let condition = &self.clients.condition;
        loop {
            match self.attempt().await {
                Ok(None) => {
                    backoff.reset();
                    self.readiness.send_replace(Readiness::Ready);
                    condition.reached();
                    let _ = tokio::time::timeout(INTERVAL, condition.alarm.notified()).await;
                    // Not more often than this, however often clients complain.
                    tokio::time::sleep(FIRST_RETRY).await;
                    continue;
                }
                Ok(Some(refusal)) => {
                    condition.raise(Part::Topics, refusal.clone());
                    self.readiness.send_replace(Readiness::Refused(refusal));
                }
                Err(error) => {
                    debug!(error = &error as &dyn std::error::Error, "the cluster cannot be asked");
                    if backoff.n_failures() > 0 && condition.reason().is_none() {
                        condition.note_client_error(Code::AllBrokersDown, &error.to_string());
                    }
                }
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    /// `Some` if the cluster has to be changed by people.
    async fn attempt(&self) -> Result<Option<String>, BusError> {
        let layout = self.questions.layout().await?;
        let declared = || self.table.iter().map(|(topic, settings)| (self.names.topic(*topic), settings));
        if let Some(refusal) = self.other_partitions(&layout) {
            return Ok(Some(refusal));
        }
        let missing: Vec<_> = declared().filter(|(name, _)| !layout.contains_key(*name)).collect();
        let admin: AdminClient<Context> = self.clients.create(&self.clients.plain())?;
        let options = AdminOptions::new().request_timeout(Some(self.clients.config.request_timeout));
        let outcome = match self.make(&admin, &options, &missing).await {
            Ok(None) if missing.is_empty() => self.align(&admin, &options).await.map(|()| None),
            outcome => outcome,
        };
        // Dropping it waits for its thread.
        spawn_blocking("kafka-admin", move || drop(admin)).await;
        match outcome? {
            Some(refusal) => Ok(Some(refusal)),
            None if missing.is_empty() => Ok(None),
            None => self.await_topics().await.map(|()| None),
        }
    }

    fn other_partitions(&self, layout: &Layout) -> Option<String> {
        let n = self.clients.config.partitions;
        self.table.iter().find_map(|(topic, _)| {
            let name = self.names.topic(*topic);
            let found = *layout.get(name)?;
            (found != n).then(|| {
                format!(
                    "topic {name} has {found} partitions, not bus.partitions ({n}); write: partitions = \
                     {found}, or another topic_prefix"
                )
            })
        })
    }

    /// Other processes may do the same at the same time.
    async fn make(
        &self,
        admin: &AdminClient<Context>,
        options: &AdminOptions,
        missing: &[(&str, &Settings)],
    ) -> Result<Option<String>, BusError> {
        if missing.is_empty() {
            return Ok(None);
        }
        let config = &self.clients.config;
        let n_partitions = config.partitions.cast_signed();
        // -1: the broker's default.
        let replication = config.replication.map_or(-1, i32::from);
        let mut topics = Vec::with_capacity(missing.len());
        for (name, settings) in missing {
            let topic = NewTopic::new(name, n_partitions, TopicReplication::Fixed(replication));
            topics.push(settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value)));
        }
        let results = admin.create_topics(&topics, options).await;
        for result in results.map_err(|error| unavailable("make the topics", &error))? {
            match result {
                Ok(name) => info!(topic = name, "made a topic"),
                Err((name, Code::TopicAlreadyExists)) => debug!(topic = name, "made by another"),
                Err((name, code)) => {
                    return Ok(Some(format!(
                        "topic {name} cannot be made ({code}); allow it (replication = N must not exceed \
                         the brokers), or make it with {} partitions",
                        config.partitions
                    )));
                }
            }
        }
        Ok(None)
    }

    async fn await_topics(&self) -> Result<(), BusError> {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
        let waiting = async {
            loop {
                let layout = self.questions.layout().await?;
                if self.table.iter().all(|(topic, _)| layout.contains_key(self.names.topic(*topic))) {
                    return Ok(());
                }
                tokio::time::sleep(backoff.next_delay()).await;
            }
        };
        let timeout = self.clients.config.request_timeout;
        tokio::time::timeout(timeout, waiting).await.unwrap_or_else(|_| {
            let message = "topics that were made have no leader yet".to_owned();
            Err(BusError::Unavailable { message })
        })
    }

    /// Makes the settings of topics what is declared. A cluster that does not let us is used as it is.
    async fn align(&self, admin: &AdminClient<Context>, options: &AdminOptions) -> Result<(), BusError> {
        let topics: Vec<_> =
            self.table.iter().map(|(topic, _)| ResourceSpecifier::Topic(self.names.topic(*topic))).collect();
        let found = admin.describe_configs(&topics, options).await;
        let found = found.map_err(|error| unavailable("ask for the settings of the topics", &error))?;
        for ((topic, declared), found) in self.table.iter().zip(found) {
            let name = self.names.topic(*topic);
            let found = match found {
                Ok(found) => found,
                Err(code) => {
                    warn!(topic = name, %code, "its settings cannot be read, it is used as it is");
                    continue;
                }
            };
            let Some(settings) = changed(&found, declared) else { continue };
            let change = settings
                .iter()
                .fold(AlterConfig::new(ResourceSpecifier::Topic(name)), |change, (key, value)| {
                    change.set(key, value)
                });
            let results = admin.alter_configs([&change], options).await;
            for result in results.map_err(|error| unavailable("change the settings of a topic", &error))? {
                match result {
                    Ok(_) => info!(topic = name, "its settings are what is declared now"),
                    Err((_, code)) => {
                        warn!(topic = name, %code, "its settings cannot be changed, it is used as it is");
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a setting need not be changed. What is kept is only ever lengthened: roles with other defaults would
/// else shorten it for one another, and unread messages would go.
fn is_enough(key: &str, found: &str, declared: &Settings) -> bool {
    let number = |text: &str| text.parse::<i64>().ok().map(|n| if n < 0 { i64::MAX } else { n });
    let is_at_least = |key| declared.get(key).is_none_or(|least| number(found) >= number(least));
    match key {
        "retention.ms" | "retention.bytes" | "delete.retention.ms" | "max.message.bytes" => is_at_least(key),
        // They follow from the others; but a message must find room in a segment.
        "segment.bytes" => is_at_least("max.message.bytes"),
        "segment.ms" => true,
        _ => declared.get(key).is_some_and(|declared| found == declared),
    }
}

/// All settings that the topic is to have, if some are not what is declared: the request replaces every
/// setting of the topic, so that those of others are repeated.
fn changed(found: &ConfigResource, declared: &Settings) -> Option<Vec<(String, String)>> {
    let found_of = |key: &str| found.get(key).and_then(|entry| entry.value.as_deref());
    let is_as_declared = |key: &&str| found_of(key).is_some_and(|found| is_enough(key, found, declared));
    if declared.keys().all(is_as_declared) {
        return None;
    }
    let others = found.entries.iter().filter(|entry| {
        entry.source == ConfigSource::DynamicTopic && !declared.contains_key(entry.name.as_str())
    });
    let others = others.filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?)));
    let declared = declared.iter().map(|(key, value)| {
        let kept = found_of(key).filter(|found| is_enough(key, found, declared));
        ((*key).to_owned(), kept.map_or_else(|| value.clone(), ToOwned::to_owned))
    });
    Some(declared.chain(others).collect())
}

#[cfg(test)]
mod tests {
    use rdkafka::admin::{ConfigEntry, OwnedResourceSpecifier};

    use super::*;

    fn found(entries: &[(&str, &str, bool)]) -> ConfigResource {
        let entry = |(name, value, is_own): &(&str, &str, bool)| ConfigEntry {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            source: if *is_own { ConfigSource::DynamicTopic } else { ConfigSource::Default },
            is_read_only: false,
            is_default: !is_own,
            is_sensitive: false,
        };
        let specifier = OwnedResourceSpecifier::Topic("t".to_owned());
        ConfigResource { specifier, entries: entries.iter().map(entry).collect() }
    }

    #[test]
    fn a_topic_as_declared_is_left_alone() {
        let declared =
            Settings::from([("retention.ms", "5".to_owned()), ("cleanup.policy", "delete".to_owned())]);
        let same = found(&[("retention.ms", "5", true), ("cleanup.policy", "delete", false)]);
        assert_eq!(changed(&same, &declared), None);
    }

    #[test]
    fn a_change_keeps_what_others_have_set() {
        let declared = Settings::from([("retention.ms", "5".to_owned())]);
        let other = found(&[
            ("retention.ms", "4", true),
            ("min.insync.replicas", "2", true),
            ("segment.bytes", "1", false),
        ]);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let expected = vec![pair("retention.ms", "5"), pair("min.insync.replicas", "2")];
        assert_eq!(changed(&other, &declared), Some(expected));
    }

    #[test]
    fn segments_grow_only_with_the_largest_message() {
        let declared = Settings::from([
            ("max.message.bytes", "9".to_owned()),
            ("segment.bytes", "20".to_owned()),
            ("segment.ms", "5".to_owned()),
        ]);
        let of = |message: &'static str, segment: &'static str| {
            let entries = [
                ("max.message.bytes", message, true),
                ("segment.bytes", segment, true),
                ("segment.ms", "1", true),
            ];
            changed(&found(&entries), &declared)
                .map(|all| all.into_iter().map(|(_, value)| value).collect::<Vec<_>>())
        };
        assert_eq!(of("9", "9"), None);
        assert_eq!(of("4", "9"), Some(vec!["9".into(), "9".into(), "1".into()]));
        assert_eq!(of("4", "8"), Some(vec!["9".into(), "20".into(), "1".into()]));
    }

    #[test]
    fn what_is_kept_is_lengthened_and_never_shortened() {
        let declared =
            Settings::from([("retention.bytes", "9".to_owned()), ("retention.ms", "5".to_owned())]);
        for longer in ["6", "-1"] {
            let found_both = found(&[("retention.ms", longer, true), ("retention.bytes", "9", true)]);
            assert_eq!(changed(&found_both, &declared), None);
        }
        let mixed = found(&[("retention.ms", "6", true), ("retention.bytes", "8", true)]);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let expected = vec![pair("retention.bytes", "9"), pair("retention.ms", "6")];
        assert_eq!(changed(&mixed, &declared), Some(expected));
    }
}
