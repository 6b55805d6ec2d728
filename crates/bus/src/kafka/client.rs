//! Clients of the cluster: how they are set, and what they tell of themselves.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Statistics, TopicPartitionList};
use sentinel_runtime::config::Secret;
use tracing::{debug, info};

use super::condition::Condition;
use super::topics::BATCH_OVERHEAD;
use crate::config::{Compression, GroupProtocol, Mechanism};
use crate::{BusError, KafkaConfig};

pub(super) type KafkaConsumer = BaseConsumer<Context>;

/// Of one answer, if it is not one message.
const FETCH_BYTES: u64 = 8 << 20;
/// A request that was not answered by then was lost with its connection.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(10);
/// A broker that is back is found within this time.
const LONGEST_RECONNECT: Duration = Duration::from_secs(2);
/// Lines of one kind in the log: one in this time.
const LOG_INTERVAL: Duration = Duration::from_secs(30);
/// Group of readers that belong to none. It never has members or commits.
const FOLLOWER_GROUP: &str = "sentinel-follower";

/// Makes clients.
pub(super) struct Clients {
    pub config: KafkaConfig,
    pub condition: Arc<Condition>,
    log: Arc<LogLimiter>,
}

impl Clients {
    pub fn new(config: KafkaConfig, condition: Arc<Condition>) -> Self {
        Self { config, condition, log: Arc::default() }
    }

    /// # Errors
    /// A password that cannot be read, a file that is not what it should be.
    pub fn create<C: FromClientConfigAndContext<Context>>(
        &self,
        config: &ClientConfig,
    ) -> Result<C, BusError> {
        let mut config = config.clone();
        let password = self.password()?;
        if let Some(password) = &password {
            config.set("sasl.password", password.expose());
        }
        let context = Context {
            password,
            condition: Arc::clone(&self.condition),
            log: Arc::clone(&self.log),
            rebalances: Mutex::default(),
            is_closing: AtomicBool::new(false),
            has_lost_login: AtomicBool::new(false),
        };
        C::from_config_and_context(&config, context)
            .map_err(|error| unavailable("the client of Kafka cannot be made; check the section bus", &error))
    }

    /// As it is now.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn password(&self) -> Result<Option<Secret>, BusError> {
        let Some(sasl) = &self.config.sasl else { return Ok(None) };
        if sasl.password_file.as_os_str().is_empty() {
            return Ok(Some(sasl.password.clone()));
        }
        let secret = Secret::from_file(&sasl.password_file).map_err(|error| BusError::Unavailable {
            message: format!(
                "bus.sasl.password_file {} cannot be read: {error}",
                sasl.password_file.display()
            ),
        })?;
        Ok(Some(secret))
    }

    /// What all clients have in common.
    pub fn plain(&self) -> ClientConfig {
        let config = &self.config;
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", config.brokers.join(","))
            .set("client.id", "sentinel-mesh")
            .set("socket.timeout.ms", millis(SOCKET_TIMEOUT))
            .set("socket.connection.setup.timeout.ms", millis(config.request_timeout))
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", millis(LONGEST_RECONNECT))
            .set("topic.metadata.refresh.fast.interval.ms", "100")
            .set("allow.auto.create.topics", "false")
            .set("log.connection.close", "false")
            .set("message.max.bytes", (config.max_message_bytes + BATCH_OVERHEAD).to_string())
            .set_log_level(RDKafkaLogLevel::Info);
        self.secure(&mut client);
        client
    }

    fn secure(&self, client: &mut ClientConfig) {
        let KafkaConfig { tls, sasl, .. } = &self.config;
        client.set(
            "security.protocol",
            match (tls, sasl) {
                (Some(_), Some(_)) => "sasl_ssl",
                (Some(_), None) => "ssl",
                (None, Some(_)) => "sasl_plaintext",
                (None, None) => "plaintext",
            },
        );
        if let Some(tls) = tls {
            client
                .set("enable.ssl.certificate.verification", "true")
                .set("ssl.endpoint.identification.algorithm", "https");
            for (key, file) in [
                ("ssl.ca.location", &tls.ca_file),
                ("ssl.certificate.location", &tls.certificate_file),
                ("ssl.key.location", &tls.key_file),
            ] {
                if !file.as_os_str().is_empty() {
                    client.set(key, file.display().to_string());
                }
            }
            if !tls.key_password.is_empty() {
                client.set("ssl.key.password", tls.key_password.expose());
            }
        }
        if let Some(sasl) = sasl {
            let mechanism = match sasl.mechanism {
                Mechanism::ScramSha512 => "SCRAM-SHA-512",
                Mechanism::ScramSha256 => "SCRAM-SHA-256",
                Mechanism::Plain => "PLAIN",
            };
            client.set("sasl.mechanisms", mechanism).set("sasl.username", &sasl.username);
        }
    }

    pub fn producer(&self) -> ClientConfig {
        let codec = match self.config.compression {
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::None => "none",
        };
        let mut client = self.plain();
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // See `producer`: nothing may be skipped, neither in time nor by an error.
            .set("enable.gapless.guarantee", "true")
            .set("message.timeout.ms", "0")
            .set("linger.ms", millis(self.config.linger))
            .set("compression.codec", codec)
            // Bounded by us, in bytes.
            .set("queue.buffering.max.messages", "0")
            .set("queue.buffering.max.kbytes", i32::MAX.to_string())
            .set("topic.metadata.propagation.max.ms", "10000");
        client
    }

    fn reader(&self) -> ClientConfig {
        let config = &self.config;
        // A broker gives a message that is larger than an answer may be by itself. Unpacked, it is tried with room
        // for two, six, eighteen … times what came; what finds no room within this bound is never read.
        let answer = FETCH_BYTES + 3 * (config.max_message_bytes + 2 * BATCH_OVERHEAD);
        let mut client = self.plain();
        client
            // It bounds what is sent, and answers are never made smaller.
            .set("message.max.bytes", FETCH_BYTES.to_string())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("check.crcs", "true")
            .set("fetch.max.bytes", FETCH_BYTES.to_string())
            .set("receive.message.max.bytes", answer.to_string())
            .set("queued.max.messages.kbytes", (config.read_buffer_bytes / 2_048).to_string())
            .set("fetch.queue.backoff.ms", "20")
            .set("fetch.error.backoff.ms", "100");
        client
    }

    /// A member of `group`.
    pub fn member(&self, group: &str) -> ClientConfig {
        let mut client = self.reader();
        client.set("group.id", group);
        match self.config.group_protocol {
            GroupProtocol::Classic => {
                let session = self.config.session_timeout;
                let heartbeat = (session / 6).clamp(Duration::from_millis(100), Duration::from_secs(3));
                client
                    .set("group.protocol", "classic")
                    .set("partition.assignment.strategy", "cooperative-sticky")
                    .set("session.timeout.ms", millis(session))
                    .set("heartbeat.interval.ms", millis(heartbeat))
            }
            GroupProtocol::Consumer => client.set("group.protocol", "consumer"),
        };
        client
    }

    pub fn follower(&self, prefix: &str) -> ClientConfig {
        let mut client = self.reader();
        client.set("group.id", format!("{prefix}{FOLLOWER_GROUP}")).set("enable.partition.eof", "true");
        client
    }

    /// For questions about `group`, or about topics only.
    pub fn questions(&self, group: Option<&str>) -> ClientConfig {
        let mut client = self.plain();
        if let Some(group) = group {
            client.set("group.id", group).set("enable.auto.commit", "false");
        }
        client
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

pub(super) fn unavailable(what: &str, error: &KafkaError) -> BusError {
    BusError::Unavailable { message: format!("{what}: {error}") }
}

// === impl Context ===

/// What librdkafka tells a client, from the thread that polls it.
pub(super) struct Context {
    /// That the client was made with.
    pub password: Option<Secret>,
    condition: Arc<Condition>,
    log: Arc<LogLimiter>,
    /// Of a member of a group: to be answered in order.
    rebalances: Mutex<VecDeque<Rebalance>>,
    is_closing: AtomicBool,
    has_lost_login: AtomicBool,
}

pub(super) struct Rebalance {
    pub change: Change,
    pub partitions: TopicPartitionList,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Assign,
    Revoke,
    /// Revoked without being asked: another may have them already.
    Lose,
}

impl Context {
    pub fn next_rebalance(&self) -> Option<Rebalance> {
        self.rebalances.lock().pop_front()
    }

    /// From now on, rebalances are answered at once.
    pub fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
    }

    /// Whether the broker has refused the login since this was asked last.
    pub fn take_lost_login(&self) -> bool {
        self.has_lost_login.swap(false, Ordering::AcqRel)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
                debug!(facility, message, "kafka client");
            }
            _ => {
                if let Some(n_suppressed) = self.log.may_log(facility, Instant::now()) {
                    info!(facility, message, n_suppressed, "kafka client");
                }
            }
        }
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        debug!(%code, reason, "kafka client error");
        if code == rdkafka::types::RDKafkaErrorCode::Authentication {
            self.has_lost_login.store(true, Ordering::Release);
        }
        self.condition.note_client_error(code, reason);
    }
}

impl ConsumerContext for Context {
    /// Does not answer: the thread of the consumer does, when it has fetched commits or when the
    /// application knows.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let change = match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Change::Assign,
            _ if consumer.assignment_lost() => Change::Lose,
            _ => Change::Revoke,
        };
        let rebalance = Rebalance { change, partitions: list.clone() };
        if self.is_closing.load(Ordering::Acquire) {
            if let Err(error) = rebalance.answer(consumer) {
                debug!(%error, "answer a rebalance while closing");
            }
            return;
        }
        self.rebalances.lock().push_back(rebalance);
    }
}

impl Rebalance {
    /// Takes or gives up the partitions, as it was told.
    pub fn answer(&self, consumer: &KafkaConsumer) -> KafkaResult<()> {
        let is_cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        match (self.change, is_cooperative) {
            (Change::Assign, true) => consumer.incremental_assign(&self.partitions),
            (Change::Assign, false) => consumer.assign(&self.partitions),
            (Change::Revoke | Change::Lose, true) => consumer.incremental_unassign(&self.partitions),
            (Change::Revoke | Change::Lose, false) => consumer.unassign(),
        }
    }
}

/// Bounds the lines of librdkafka in the log: while a broker is away, it writes one for each attempt.
#[derive(Default)]
pub(super) struct LogLimiter {
    /// By facility: when the last line was written, and how many were not since. There are some dozens.
    last: Mutex<BTreeMap<String, (Instant, u64)>>,
}

impl LogLimiter {
    /// How many lines were held back before this one; `None` if it is held back too.
    fn may_log(&self, facility: &str, now: Instant) -> Option<u64> {
        let mut last = self.last.lock();
        match last.get_mut(facility) {
            Some((at, n_suppressed)) if now.duration_since(*at) < LOG_INTERVAL => {
                *n_suppressed += 1;
                None
            }
            Some(entry) => {
                let n_suppressed = entry.1;
                *entry = (now, 0);
                Some(n_suppressed)
            }
            None => {
                last.insert(facility.to_owned(), (now, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_away_does_not_flood_the_log() {
        let limiter = LogLimiter::default();
        let now = Instant::now();
        assert_eq!(limiter.may_log("FAIL", now), Some(0));
        assert_eq!(limiter.may_log("FAIL", now), None);
        assert_eq!(limiter.may_log("FAIL", now + Duration::from_secs(1)), None);
        assert_eq!(limiter.may_log("SASL", now), Some(0), "another kind of line");
        assert_eq!(limiter.may_log("FAIL", now + LOG_INTERVAL), Some(2));
    }
}
