//! Section `collector.kubernetes` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KubernetesConfig {
    pub enabled: Enabled,
    /// Address of the API server, tried before everything else: `https://host:6443`. Plain `http://` is
    /// taken for loopback addresses only.
    pub url: String,
    /// With `url`: certificates (PEM) that the server's must be signed by.
    pub ca_file: Option<PathBuf>,
    /// With `url`: file with the bearer token, read anew when it changes.
    pub token_file: Option<PathBuf>,
    /// Instead of the pod's own account, `$KUBECONFIG` or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// Instead of the kubeconfig's current context.
    pub context: Option<String>,
    /// Let the kubeconfig run a program to get credentials, as EKS, GKE and AKS do.
    pub allow_exec: bool,
    /// Kinds to watch, such as `Pod` or `pods`; empty means all of them.
    pub kinds: Vec<String>,
    pub watch: WatchConfig,
    pub kubelet: KubeletConfig,
    pub discovery: DiscoveryConfig,
    /// Namespaces whose pods' logs are read; `*` means all. None by default.
    pub log_namespaces: Vec<String>,
    pub logs: LogsConfig,
}

/// Whether to watch a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enabled {
    /// If one is configured or found.
    #[default]
    Auto,
    /// Not having found one is a fault.
    Always,
    Never,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WatchConfig {
    /// How long the server keeps a watch open. A watch that is silent for longer, by `grace`, has stalled.
    #[serde(with = "sentinel_runtime::config::duration")]
    pub timeout: Duration,
    #[serde(with = "sentinel_runtime::config::duration")]
    pub grace: Duration,
    /// Least time between two full lists of a kind.
    #[serde(with = "sentinel_runtime::config::duration")]
    pub relist_interval: Duration,
    /// A kind is listed anew at least this often, in case the server withheld a change.
    #[serde(with = "sentinel_runtime::config::duration")]
    pub resync_interval: Duration,
    /// Objects of one page of a list.
    pub page_size: u32,
    /// First and longest pause after failures.
    #[serde(with = "sentinel_runtime::config::duration")]
    pub backoff_first: Duration,
    #[serde(with = "sentinel_runtime::config::duration")]
    pub backoff_limit: Duration,
}

/// How kubelets are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KubeletMode {
    /// Directly; through the API server for a node that cannot be reached or verified directly.
    #[default]
    Auto,
    /// `https://INTERNAL-IP:10250`, with the rights `nodes/metrics` and `nodes/stats`.
    Direct,
    /// Through the API server, with the right `nodes/proxy`, which allows much more than reading.
    Proxy,
    /// Under `kubelet.url`.
    Url,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KubeletConfig {
    pub enabled: bool,
    #[serde(with = "sentinel_runtime::config::duration")]
    pub interval: Duration,
    pub mode: KubeletMode,
    /// For mode `url`: `{node}` stands for the node's name, as in `http://127.0.0.1:8001/nodes/{node}`.
    pub url: String,
    /// Certificates (PEM) that kubelets' must be signed by, instead of the cluster's.
    pub ca_file: Option<PathBuf>,
    /// Do not verify kubelets' certificates: whoever answers at a node's address then gets the token and
    /// is believed. Only for clusters whose kubelets sign their certificates themselves.
    pub insecure_skip_verify: bool,
    pub cadvisor: bool,
    pub resource: bool,
    pub summary: bool,
    pub probes: bool,
}

/// Pods that ask to be scraped by the annotations `prometheus.io/scrape`, `port`, `path`, `scheme`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiscoveryConfig {
    pub enabled: bool,
    pub max_targets: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogsConfig {
    /// How far back to begin with a container that this collector finds running. One that starts while it watches is
    /// read from its first line.
    #[serde(with = "sentinel_runtime::config::duration")]
    pub backfill: Duration,
    /// Containers that are read at a time.
    pub max_streams: usize,
    /// Lines a second of one container, and how many at once; more are dropped and counted.
    pub lines_per_second: u32,
    pub burst_lines: u32,
    /// Longest line; the rest of it is cut off.
    #[serde(with = "sentinel_runtime::config::bytes")]
    pub line_bytes: u64,
    /// Lines and bytes that are joined into one record (a stack trace).
    pub join_lines: usize,
    #[serde(with = "sentinel_runtime::config::bytes")]
    pub join_bytes: u64,
    /// How long a record waits for its next line.
    #[serde(with = "sentinel_runtime::config::duration")]
    pub join_wait: Duration,
}

impl Default for KubernetesConfig {
    fn default() -> Self {
        Self {
            enabled: Enabled::Auto,
            url: String::new(),
            ca_file: None,
            token_file: None,
            kubeconfig: None,
            context: None,
            allow_exec: false,
            kinds: Vec::new(),
            watch: WatchConfig::default(),
            kubelet: KubeletConfig::default(),
            discovery: DiscoveryConfig::default(),
            log_namespaces: Vec::new(),
            logs: LogsConfig::default(),
        }
    }
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            grace: Duration::from_secs(10),
            relist_interval: Duration::from_secs(30),
            resync_interval: Duration::from_secs(3_600),
            page_size: 250,
            backoff_first: Duration::from_millis(500),
            backoff_limit: Duration::from_secs(30),
        }
    }
}

impl Default for KubeletConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Duration::from_secs(10),
            mode: KubeletMode::Auto,
            url: String::new(),
            ca_file: None,
            insecure_skip_verify: false,
            cadvisor: true,
            resource: true,
            summary: true,
            probes: false,
        }
    }
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self { enabled: true, max_targets: 1_000 }
    }
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self {
            backfill: Duration::from_secs(600),
            max_streams: 500,
            lines_per_second: 1_000,
            burst_lines: 20_000,
            line_bytes: 64 << 10,
            join_lines: 200,
            join_bytes: 64 << 10,
            join_wait: Duration::from_millis(300),
        }
    }
}
