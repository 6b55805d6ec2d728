//! Clusters, namespaces and what this server says of itself.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Time, Usage};

/// Where a cluster's data comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Kubernetes,
    Simulator,
    /// Only scraped targets: there are metrics but no objects.
    Scrape,
    Replay,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ClusterRow {
    pub name: String,
    pub is_simulated: bool,
    pub source: Source,
    pub n_nodes: usize,
    pub n_nodes_ready: usize,
    pub n_pods: usize,
    pub n_pods_running: usize,
    pub n_pods_failing: usize,
    /// When anything was last heard of it.
    pub last_seen: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct NamespaceRow {
    pub cluster: String,
    pub name: String,
    /// `Active` or `Terminating`; empty when only its objects are known.
    pub phase: String,
    pub n_pods: usize,
    pub n_pods_ready: usize,
    pub n_pods_failing: usize,
    /// Restarts of all containers of its present pods.
    pub n_restarts: u64,
    pub usage: Usage,
    pub created: Option<Time>,
}

/// How clients have to identify themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    None,
    Token,
}

/// What this server is.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Status {
    pub version: String,
    /// How it was started: `run`, `demo` or `replay`.
    pub mode: String,
    pub is_simulated: bool,
    pub started: Time,
    pub auth: Auth,
    pub clusters: Vec<String>,
}

/// Admits one WebSocket connection.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Ticket {
    /// For `?ticket=` of `/api/v1/ws`; works once.
    pub ticket: String,
    pub expires_at: Time,
}
