//! How a kubelet is reached: directly, through the API server, or below a configured URL.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tracing::{info, warn};

use super::Endpoint;
use crate::sources::kubernetes::client::{Accept, Bounds, CallError, Connection, fetch, is_link_local};
use crate::sources::kubernetes::config::{KubeletConfig, KubeletMode};
use crate::sources::kubernetes::view::NodeFacts;

/// A node that is reached through the API server is tried directly again after this.
const DETOUR: Duration = Duration::from_secs(600);

/// A detour that did not work either is not tried again before this.
const DETOUR_RETRY: Duration = Duration::from_secs(60);

/// Finds the way to one kubelet.
pub(super) struct Route {
    connection: Arc<Connection>,
    mode: KubeletMode,
    url: String,
    facts: Arc<NodeFacts>,
    bounds: Bounds,
    /// For mode `auto`.
    detour_until: Option<Instant>,
    no_detour_until: Option<Instant>,
    /// Why the last detour was taken.
    detour_reason: String,
}

impl Route {
    pub(super) fn new(
        connection: Arc<Connection>,
        config: &KubeletConfig,
        facts: Arc<NodeFacts>,
        bounds: Bounds,
    ) -> Self {
        let url = config.url.clone();
        // A URL alone says enough.
        let is_url = config.mode == KubeletMode::Url || (config.mode == KubeletMode::Auto && !url.is_empty());
        let mode = if is_url { KubeletMode::Url } else { config.mode };
        Self {
            connection,
            mode,
            url,
            facts,
            bounds,
            detour_until: None,
            no_detour_until: None,
            detour_reason: String::new(),
        }
    }

    pub(super) async fn fetch(&mut self, endpoint: Endpoint) -> Result<Bytes, CallError> {
        match self.mode {
            KubeletMode::Url => self.ask_node(&self.configured_url(endpoint), endpoint).await,
            KubeletMode::Direct => self.ask_directly(endpoint).await,
            KubeletMode::Proxy => self.ask_api_server(endpoint).await,
            KubeletMode::Auto => self.ask_either(endpoint).await,
        }
    }

    /// Why the kubelet is reached through the API server although it should be reached directly.
    pub(super) fn detour(&self) -> Option<&str> {
        self.detour_until.map(|_| self.detour_reason.as_str())
    }

    /// For people.
    pub(super) const fn way(&self) -> &'static str {
        match self.mode {
            KubeletMode::Url => "under kubelet.url",
            KubeletMode::Proxy => "through the API server",
            KubeletMode::Auto if self.detour_until.is_some() => "through the API server",
            KubeletMode::Auto | KubeletMode::Direct => "directly",
        }
    }

    async fn ask_either(&mut self, endpoint: Endpoint) -> Result<Bytes, CallError> {
        let now = Instant::now();
        if self.detour_until.is_some_and(|until| now < until) {
            return self.ask_api_server(endpoint).await;
        }
        let failure = match self.ask_directly(endpoint).await {
            Ok(body) => {
                self.detour_until = None;
                return Ok(body);
            }
            Err(failure) => failure,
        };
        if self.no_detour_until.is_some_and(|until| now < until) {
            return Err(failure);
        }
        match self.ask_api_server(endpoint).await {
            Ok(body) => {
                if self.detour_until.is_none() {
                    let node = &*self.facts.name;
                    info!(node, reason = %failure, "reaching a kubelet through the API server instead of directly");
                }
                self.detour_until = Some(now + DETOUR);
                self.detour_reason = failure.to_string();
                Ok(body)
            }
            Err(detour) => {
                self.no_detour_until = Some(now + DETOUR_RETRY);
                let node = &*self.facts.name;
                warn!(node, direct = %failure, proxy = %detour, "a kubelet cannot be reached");
                Err(failure)
            }
        }
    }

    async fn ask_directly(&self, endpoint: Endpoint) -> Result<Bytes, CallError> {
        let url = direct_url(&self.facts, endpoint)
            .ok_or_else(|| CallError::Url { url: self.facts.internal_ip.clone() })?;
        self.ask_node(&url, endpoint).await
    }

    async fn ask_node(&self, url: &str, endpoint: Endpoint) -> Result<Bytes, CallError> {
        fetch(&self.connection.clients().nodes, url, accept(endpoint), self.bounds).await
    }

    async fn ask_api_server(&self, endpoint: Endpoint) -> Result<Bytes, CallError> {
        let url = format!("/api/v1/nodes/{}/proxy{}", self.facts.name, endpoint.path());
        fetch(&self.connection.clients().api, &url, accept(endpoint), self.bounds).await
    }

    fn configured_url(&self, endpoint: Endpoint) -> String {
        let base = self.url.replace("{node}", &self.facts.name);
        format!("{}{}", base.trim_end_matches('/'), endpoint.path())
    }
}

/// Only addresses that a node can have.
fn direct_url(facts: &NodeFacts, endpoint: Endpoint) -> Option<String> {
    let ip: IpAddr = facts.internal_ip.parse().ok()?;
    if ip.is_unspecified() || ip.is_multicast() || is_link_local(ip) {
        return None;
    }
    let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
    Some(format!("https://{host}:{}{}", facts.kubelet_port, endpoint.path()))
}

const fn accept(endpoint: Endpoint) -> Accept {
    match endpoint {
        Endpoint::Summary => Accept::Json,
        _ => Accept::Text,
    }
}
