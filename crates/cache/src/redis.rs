//! The cache in a Redis or Valkey server that several processes share.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo as _, Pipeline, RedisError};
use sentinel_runtime::config::Secret;
use sentinel_runtime::{Component, Health, Task, spawn};

use crate::breaker::Breaker;
use crate::{Cache, CacheError, RedisConfig};

/// Between two looks at whether the server answers, for `/ready`.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);

pub(crate) struct RedisCache {
    server: Arc<Server>,
    _probe: Task<()>,
}

struct Server {
    config: RedisConfig,
    /// `None` until the first call, and after one that was not let in: credentials are then read anew.
    connection: Mutex<Option<ConnectionManager>>,
    breaker: Breaker,
    component: Component,
}

impl RedisCache {
    pub(crate) fn open(config: RedisConfig, health: &Health) -> Result<Self, CacheError> {
        let is_address = config.url.as_str().into_connection_info();
        is_address.map_err(|error| CacheError::Open { message: format!("cache.url: {error}") })?;
        let server = Arc::new(Server {
            config,
            connection: Mutex::new(None),
            breaker: Breaker::default(),
            component: health.component("cache"),
        });
        let probe = spawn("cache-probe", probe(Arc::clone(&server)));
        Ok(Self { server, _probe: probe })
    }

    async fn ask<T: FromRedisValue>(&self, command: Cmd) -> Result<T, CacheError> {
        let mut one = redis::pipe();
        one.add_command(command);
        let (answer,) = self.server.ask(&one).await?;
        Ok(answer)
    }

    fn command(&self, name: &str, key: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(format!("{}{key}", self.server.config.key_prefix));
        command
    }
}

async fn probe(server: Arc<Server>) {
    let mut ticks = tokio::time::interval(PROBE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // What it finds is noted in the health.
        let _: Result<(String,), _> = server.ask(redis::pipe().cmd("PING")).await;
    }
}

impl Server {
    async fn ask<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, CacheError> {
        if !self.breaker.allows() {
            return Err(CacheError::Unavailable { message: "it failed a moment ago".to_owned() });
        }
        let patience = self.config.timeout * 2;
        let answer = match tokio::time::timeout(patience, self.ask_once(commands)).await {
            Ok(answer) => answer,
            Err(_) => Err(RedisError::from((ErrorKind::Io, "no answer in time"))),
        };
        match answer {
            Ok(answer) => {
                self.breaker.succeeded();
                self.component.ready();
                Ok(answer)
            }
            Err(error) => {
                self.judge(&error);
                Err(CacheError::Unavailable { message: error.to_string() })
            }
        }
    }

    async fn ask_once<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, RedisError> {
        let mut connection = self.connection()?;
        commands.query_async(&mut connection).await
    }

    /// Connects with the first command that is sent over it.
    fn connection(&self) -> Result<ConnectionManager, RedisError> {
        let mut kept = self.connection.lock();
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        let timeout = Some(self.config.timeout);
        let settings = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(timeout)
            .set_response_timeout(timeout);
        let connection = ConnectionManager::new_lazy_with_config(self.client()?, settings)?;
        Ok(kept.insert(connection).clone())
    }

    fn client(&self) -> Result<Client, RedisError> {
        let info = self.config.url.as_str().into_connection_info()?;
        let mut settings = info.redis_settings().clone();
        if let Some(username) = &self.config.username {
            settings = settings.set_username(username);
        }
        let password = match &self.config.password_file {
            Some(path) => Some(Secret::from_file(path)?),
            None => self.config.password.clone(),
        };
        if let Some(password) = password {
            settings = settings.set_password(password.expose());
        }
        Client::open(info.set_redis_settings(settings))
    }

    /// An answer that is an error concerns one entry, or all of them.
    fn judge(&self, error: &RedisError) {
        // Of a pipeline, the code stands in the text alone.
        let said = error.to_string();
        // Another type at the key; and what concerns writes alone, so that reads go on.
        let of_writes = ["WRONGTYPE", "OOM", "MISCONF", "READONLY"];
        let of_entry = matches!(error.kind(), ErrorKind::UnexpectedReturnType | ErrorKind::Parse)
            || of_writes.iter().any(|code| said.contains(code));
        if of_entry {
            tracing::debug!(%error, "the cache does not take this entry");
            return;
        }
        self.breaker.failed();
        if error.kind() == ErrorKind::AuthenticationFailed || self.config.password_file.is_some() {
            *self.connection.lock() = None;
        }
        let is_refused = ["NOAUTH", "WRONGPASS", "NOPERM"].iter().any(|code| said.contains(code))
            || error.kind() == ErrorKind::AuthenticationFailed;
        let next_step = if is_refused {
            "Check cache.username and cache.password_file"
        } else {
            "Check the server and cache.url"
        };
        self.component.degraded(format!(
            "Redis at {} does not answer ({error}); nothing is lost, answers are computed each time. {next_step}",
            self.config.url
        ));
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let value: Option<Vec<u8>> = self.ask(self.command("GET", key)).await?;
        Ok(value.map(Bytes::from))
    }

    async fn put(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        let (bytes, limit) = (value.len(), self.server.config.max_entry_bytes as usize);
        if bytes > limit {
            return Err(CacheError::TooLarge { bytes, limit });
        }
        let Some(millis) = millis(ttl) else { return self.remove(key).await };
        let mut command = self.command("SET", key);
        command.arg(&value[..]).arg("PX").arg(millis);
        self.ask(command).await
    }

    async fn remove(&self, key: &str) -> Result<(), CacheError> {
        self.ask(self.command("DEL", key)).await
    }

    async fn take(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let value: Option<Vec<u8>> = self.ask(self.command("GETDEL", key)).await?;
        Ok(value.map(Bytes::from))
    }

    async fn count(&self, key: &str, ttl: Duration) -> Result<u64, CacheError> {
        let mut begin = self.command("SET", key);
        begin.arg(0).arg("PX").arg(millis(ttl).unwrap_or(1)).arg("NX");
        // In one step: no counter is left without its time to live.
        let mut both = redis::pipe();
        both.atomic().add_command(begin).ignore().add_command(self.command("INCR", key));
        let (sum,) = self.server.ask(&both).await?;
        Ok(sum)
    }
}

/// Redis takes 1 ms at least.
fn millis(ttl: Duration) -> Option<u64> {
    if ttl.is_zero() {
        return None;
    }
    Some(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX >> 1).clamp(1, u64::MAX >> 1))
}

#[cfg(test)]
mod tests;
