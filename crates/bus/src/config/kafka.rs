//! Apache Kafka.

use std::path::PathBuf;
use std::time::Duration;

#[cfg(any(feature = "kafka", test))]
use sentinel_model::Topic;
use sentinel_runtime::config::{Problem, Secret, bytes, duration};
use serde::{Deserialize, Serialize};

#[cfg(any(feature = "kafka", test))]
use super::keep::Keep;
use super::keep::{self, HOUR, MAX_MESSAGE_BYTES, MIB, MaxBytes, Retention};

/// Topics of a Kafka cluster (3.0 and later), which are made as declared here where they are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// `HOST:PORT` of some brokers; the others are learnt from them.
    pub brokers: Vec<String>,
    /// Stands before the name of each topic and group, so that installations can share a cluster.
    pub topic_prefix: String,
    /// Of each topic. Topics that are there must have as many.
    pub partitions: u32,
    /// Of topics that are made; without it, the broker's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication: Option<u16>,
    pub compression: Compression,
    /// How long a message may wait for others to be sent with.
    #[serde(with = "duration")]
    pub linger: Duration,
    /// Key, value and headers of one message.
    #[serde(with = "bytes")]
    pub max_message_bytes: u64,
    /// Messages that wait to be acknowledged; publishers wait while it is more.
    #[serde(with = "bytes")]
    pub publish_buffer_bytes: u64,
    /// Messages that were read ahead for one consumer or follower: half of it as they come from brokers.
    #[serde(with = "bytes")]
    pub read_buffer_bytes: u64,
    /// A publish that is not acknowledged by then has failed.
    #[serde(with = "duration")]
    pub publish_timeout: Duration,
    /// The same for every other question.
    #[serde(with = "duration")]
    pub request_timeout: Duration,
    /// A consumer that is silent for so long has left its group. Under `group_protocol = "consumer"` the
    /// broker alone sets it (45 s, `group.consumer.session.timeout.ms`).
    #[serde(with = "duration")]
    pub session_timeout: Duration,
    pub group_protocol: GroupProtocol,
    /// A consumer that gets nothing for so long although there is something is built anew.
    #[serde(with = "duration")]
    pub stall_timeout: Duration,
    /// How long a removed key of a compacted topic can still be seen to be removed.
    #[serde(with = "duration")]
    pub tombstone_retention: Duration,
    pub retention: Retention,
    /// Over all partitions of a topic, one copy of each.
    pub max_bytes: MaxBytes,
    /// Encrypts the connections; an empty section trusts the system's authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sasl: Option<Sasl>,
}

/// Of batches of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    Zstd,
    Lz4,
    Gzip,
    Snappy,
    None,
}

/// How consumers of a group agree on partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    /// Among themselves, cooperatively; any broker.
    Classic,
    /// Through the broker (KIP-848); Kafka 4 and later.
    Consumer,
}

/// Names of hosts and certificates are always verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Authorities to trust, PEM; empty trusts those of the system.
    pub ca_file: PathBuf,
    /// Of this client, PEM, where the broker asks for it.
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub key_password: Secret,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sasl {
    pub mechanism: Mechanism,
    pub username: String,
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub password: Secret,
    /// Read anew for each connection's client, so that the password can be changed without a restart.
    pub password_file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mechanism {
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    #[serde(rename = "plain")]
    Plain,
}

// === impl KafkaConfig ===

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            topic_prefix: String::new(),
            partitions: 4,
            replication: None,
            compression: Compression::Zstd,
            linger: Duration::from_millis(5),
            max_message_bytes: MAX_MESSAGE_BYTES,
            publish_buffer_bytes: 32 * MIB,
            read_buffer_bytes: 16 * MIB,
            publish_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
            session_timeout: Duration::from_secs(6),
            group_protocol: GroupProtocol::Classic,
            stall_timeout: Duration::from_secs(30),
            tombstone_retention: HOUR,
            retention: Retention::default(),
            max_bytes: MaxBytes::default(),
            tls: None,
            sasl: None,
        }
    }
}

impl KafkaConfig {
    #[cfg(any(feature = "kafka", test))]
    pub(crate) const fn keep(&self, topic: Topic) -> Keep {
        keep::keep(topic, &self.retention, &self.max_bytes)
    }

    /// Values that cannot work.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = self.missing_features();
        problems.extend(self.wrong_values());
        problems.extend(keep::problems(&self.retention, &self.max_bytes));
        problems.extend(self.tls.iter().flat_map(Tls::problems));
        problems.extend(self.sasl.iter().flat_map(|sasl| sasl.problems(self.tls.is_some())));
        problems
    }

    fn missing_features(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        Problem::new(
            "bus.kind",
            "this build has no Kafka: build it with --features kafka, or kafka-tls",
            "kind = \"embedded\"",
        )
        .when(cfg!(not(feature = "kafka")), &mut problems);
        let is_scram = self.sasl.as_ref().is_some_and(|sasl| sasl.mechanism != Mechanism::Plain);
        let what = if self.tls.is_some() { "bus.tls" } else { "bus.sasl.mechanism" };
        let problem = Problem::new(
            what,
            "this build has neither TLS nor SCRAM for Kafka: build it with --features kafka-tls",
            "",
        );
        Problem { write: None, ..problem }
            .when(cfg!(not(feature = "kafka-tls")) && (is_scram || self.tls.is_some()), &mut problems);
        problems
    }

    fn wrong_values(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |is_wrong: bool, key: &str, fact: &str, line: &str| {
            Problem::new(format!("bus.{key}"), fact, line).when(is_wrong, &mut problems);
        };
        let is_wrong = self.brokers.is_empty() || !self.brokers.iter().all(|broker| is_address(broker));
        let line = "brokers = [\"kafka-1:9092\", \"kafka-2:9092\"]";
        refuse(is_wrong, "brokers", "must be a list of HOST:PORT, one at least", line);
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_wrong = self.topic_prefix.len() > 200 || !self.topic_prefix.chars().all(is_legal);
        refuse(
            is_wrong,
            "topic_prefix",
            "must be letters, digits, '.', '_' and '-', 200 at most",
            "topic_prefix = \"staging.\"",
        );
        let is_wrong = !(1..=1_024).contains(&self.partitions);
        refuse(is_wrong, "partitions", "must be 1 to 1024", "partitions = 4");
        let is_wrong = self.replication.is_some_and(|n| !(1..=32).contains(&n));
        refuse(is_wrong, "replication", "must be 1 to 32, or left out", "replication = 3");
        let is_wrong = self.linger > Duration::from_secs(1);
        refuse(is_wrong, "linger", "must be 1s at most", "linger = \"5ms\"");
        let is_wrong = !(1_024..=64 * MIB).contains(&self.max_message_bytes);
        refuse(is_wrong, "max_message_bytes", "must be 1KiB to 64MiB", "max_message_bytes = \"24MiB\"");
        for (key, size, usual) in [
            ("publish_buffer_bytes", self.publish_buffer_bytes, "32MiB"),
            ("read_buffer_bytes", self.read_buffer_bytes, "16MiB"),
        ] {
            let is_wrong = !(MIB..=1_024 * MIB).contains(&size);
            refuse(is_wrong, key, "must be 1MiB to 1GiB", &format!("{key} = \"{usual}\""));
        }
        let seconds = |n| Duration::from_secs(n);
        for (key, value, least, most, usual) in [
            ("publish_timeout", self.publish_timeout, seconds(1), seconds(300), "5s"),
            ("request_timeout", self.request_timeout, seconds(1), seconds(300), "5s"),
            ("session_timeout", self.session_timeout, seconds(1), seconds(1_800), "6s"),
            ("stall_timeout", self.stall_timeout, seconds(1), seconds(3_600), "30s"),
        ] {
            let fact = format!("must be {} to {}", duration::print(least), duration::print(most));
            refuse(!(least..=most).contains(&value), key, &fact, &format!("{key} = \"{usual}\""));
        }
        problems
    }
}

/// `host:port`, `[::1]:port`.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_bare = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
    let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == ',' || c == '/');
    is_host && is_bare && port.parse::<u16>().is_ok_and(|port| port > 0)
}

// === impl Tls, Sasl ===

impl Default for Tls {
    fn default() -> Self {
        Self {
            ca_file: PathBuf::new(),
            certificate_file: PathBuf::new(),
            key_file: PathBuf::new(),
            key_password: Secret::new(""),
        }
    }
}

impl Tls {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let (has_certificate, has_key) =
            (!self.certificate_file.as_os_str().is_empty(), !self.key_file.as_os_str().is_empty());
        Problem::new(
            "bus.tls.key_file",
            "belongs to certificate_file",
            "key_file = \"/etc/sentinel-mesh/kafka.key\"",
        )
        .when(has_certificate && !has_key, &mut problems);
        Problem::new(
            "bus.tls.certificate_file",
            "belongs to key_file",
            "certificate_file = \"/etc/sentinel-mesh/kafka.crt\"",
        )
        .when(has_key && !has_certificate, &mut problems);
        problems
    }
}

impl Default for Sasl {
    fn default() -> Self {
        Self {
            mechanism: Mechanism::ScramSha512,
            username: String::new(),
            password: Secret::new(""),
            password_file: PathBuf::new(),
        }
    }
}

impl Sasl {
    fn problems(&self, is_encrypted: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        Problem::new("bus.sasl.username", "must not be empty", "username = \"sentinel\"")
            .when(self.username.is_empty(), &mut problems);
        let has_file = !self.password_file.as_os_str().is_empty();
        Problem::new(
            "bus.sasl.password_file",
            "must be given, or password, and not both",
            "password_file = \"/etc/sentinel-mesh/kafka-password\"",
        )
        .when(self.password.is_empty() != has_file, &mut problems);
        Problem::new(
            "bus.sasl.mechanism",
            "plain would send the password as it is: it needs bus.tls",
            "mechanism = \"scram-sha-512\"",
        )
        .when(self.mechanism == Mechanism::Plain && !is_encrypted, &mut problems);
        problems
    }
}
