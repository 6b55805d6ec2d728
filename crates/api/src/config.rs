//! Section `api` of the configuration.

use std::time::Duration;

use sentinel_runtime::config::duration;
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
    /// Series that the live overlay holds.
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
            live_series: 200_000,
            answer_ttl: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_is_the_default_and_an_unknown_key_is_refused() {
        let read = |text: &str| serde_json::from_str::<Config>(text);
        assert_eq!(read("{}").expect("all defaults"), Config::default());
        assert!(read(r#"{"lisen":"x"}"#).is_err());
        let again = serde_json::to_string(&Config::default()).expect("plain data");
        assert_eq!(read(&again).expect("its own output"), Config::default());
    }
}
