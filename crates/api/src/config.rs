//! Section `api` of the configuration.

use std::net::ToSocketAddrs as _;
use std::time::Duration;

use sentinel_runtime::config::{Problem, duration};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `HOST:PORT`; port 0 takes any free one. Beyond this machine only with a `token`.
    pub listen: String,
    /// What clients send as `Authorization: Bearer`.
    pub token: Option<String>,
    /// Pages of these origins may open the WebSocket too, such as `https://ops.example.org`.
    pub allowed_origins: Vec<String>,
    pub limits: Limits,
}

/// Bounds of what clients can make this server do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections of all kinds.
    pub connections: usize,
    /// Requests being answered at one time; the others wait for their turn.
    pub concurrent_requests: usize,
    #[serde(with = "duration")]
    pub request_timeout: Duration,
    /// A client must have sent its headers, or its body, within this time.
    #[serde(with = "duration")]
    pub receive_timeout: Duration,
    /// Requests a second of one address, when a token is asked for; twice as many at once.
    pub requests_per_second: u32,
    pub websocket_clients: usize,
    pub websocket_subscriptions: usize,
    /// A client that takes nothing for this long is closed.
    #[serde(with = "duration")]
    pub websocket_stall: Duration,
    #[serde(with = "duration")]
    pub websocket_ping: Duration,
    /// Series that one query may choose, and points that it may read.
    pub query_series: usize,
    pub query_points: usize,
    /// Series that the live overlay holds, some 1.3 KiB of memory each; our own metrics get in beyond it.
    pub live_series: usize,
    /// For how long an answer about what is live may be given again; `0s`: each is computed anew.
    #[serde(with = "duration")]
    pub answer_ttl: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7700".to_owned(),
            token: None,
            allowed_origins: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_000,
            concurrent_requests: 64,
            request_timeout: Duration::from_secs(15),
            receive_timeout: Duration::from_secs(10),
            requests_per_second: 100,
            websocket_clients: 200,
            websocket_subscriptions: 64,
            websocket_stall: Duration::from_secs(30),
            websocket_ping: Duration::from_secs(20),
            query_series: 10_000,
            query_points: 2_000_000,
            live_series: 500_000,
            answer_ttl: Duration::from_secs(1),
        }
    }
}

/// Shorter tokens can be guessed.
pub(crate) const MIN_TOKEN: usize = 16;

impl Config {
    /// Values that cannot work.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let listen = &self.listen;
        match listen.to_socket_addrs() {
            Err(error) => problems.push(Problem::new(
                "api.listen",
                format!("{listen:?} is no address to listen on ({error}); write HOST:PORT"),
                "listen = \"127.0.0.1:7700\"",
            )),
            Ok(mut addresses) => Problem::new(
                "api.token",
                format!("is missing, and api.listen = {listen:?} can be reached from other machines"),
                "token = \"…\" (`openssl rand -hex 16` makes one), or listen = \"127.0.0.1:7700\"",
            )
            .when(
                self.token.is_none() && addresses.any(|address| !address.ip().is_loopback()),
                &mut problems,
            ),
        }
        if let Some(token) = &self.token {
            Problem::new(
                "api.token",
                format!("has {} characters and must have {MIN_TOKEN} at least", token.len()),
                "token = \"…\" (`openssl rand -hex 16` makes one)",
            )
            .when(token.len() < MIN_TOKEN, &mut problems);
        }
        problems.extend(self.limits.problems());
        problems
    }
}

impl Limits {
    fn problems(&self) -> Vec<Problem> {
        let usual = Self::default();
        let mut problems = Vec::new();
        for (key, number, usual) in [
            ("connections", self.connections, usual.connections),
            ("concurrent_requests", self.concurrent_requests, usual.concurrent_requests),
            ("requests_per_second", self.requests_per_second as usize, usual.requests_per_second as usize),
            ("websocket_clients", self.websocket_clients, usual.websocket_clients),
            ("websocket_subscriptions", self.websocket_subscriptions, usual.websocket_subscriptions),
            ("query_series", self.query_series, usual.query_series),
            ("query_points", self.query_points, usual.query_points),
            ("live_series", self.live_series, usual.live_series),
        ] {
            Problem::new(format!("api.limits.{key}"), "must be at least 1", format!("{key} = {usual}"))
                .when(number == 0, &mut problems);
        }
        for (key, time, usual) in [
            ("request_timeout", self.request_timeout, usual.request_timeout),
            ("receive_timeout", self.receive_timeout, usual.receive_timeout),
            ("websocket_stall", self.websocket_stall, usual.websocket_stall),
            ("websocket_ping", self.websocket_ping, usual.websocket_ping),
        ] {
            let line = format!("{key} = \"{}\"", duration::print(usual));
            Problem::new(format!("api.limits.{key}"), "must be more than 0", line)
                .when(time.is_zero(), &mut problems);
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_everything_that_cannot_work() {
        let keys = |listen: &str, token: Option<&str>, limits: Limits| {
            let token = token.map(ToOwned::to_owned);
            let config = Config { listen: listen.to_owned(), token, limits, ..Config::default() };
            config.problems().into_iter().map(|problem| problem.key).collect::<Vec<_>>()
        };
        let enough = Some("0123456789abcdef");
        assert_eq!(Config::default().problems(), []);
        assert!(keys("0.0.0.0:7700", enough, Limits::default()).is_empty());
        assert_eq!(keys("foo", None, Limits::default()), ["api.listen"]);
        assert_eq!(keys("0.0.0.0:7700", None, Limits::default()), ["api.token"]);
        assert_eq!(keys("127.0.0.1:0", Some("short"), Limits::default()), ["api.token"]);
        let wrong = Limits { requests_per_second: 0, websocket_ping: Duration::ZERO, ..Limits::default() };
        assert_eq!(
            keys("[::]:0", None, wrong),
            ["api.token", "api.limits.requests_per_second", "api.limits.websocket_ping"]
        );
    }

    #[test]
    fn an_empty_section_is_the_default_and_an_unknown_key_is_refused() {
        let read = |text: &str| serde_json::from_str::<Config>(text);
        assert_eq!(read("{}").expect("all defaults"), Config::default());
        assert!(read(r#"{"lisen":"x"}"#).is_err());
        let again = serde_json::to_string(&Config::default()).expect("plain data");
        assert_eq!(read(&again).expect("its own output"), Config::default());
    }
}
