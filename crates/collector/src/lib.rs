//! The role that takes data in: scrapes, the Kubernetes API, kubelets and pod logs become frames and
//! records on the bus. Holds nothing back but what the outlet's bounded queue and spool hold.

mod collector;
mod config;
pub mod exposition;
mod fetch;
mod ingest;
mod metrics;
mod outlet;
mod probe;
mod redact;
mod sharding;
mod source;
mod sources;
mod targets;
#[cfg(test)]
mod testing;

pub use collector::{BuildError, Collector, CollectorHandles};
pub use config::{Config, Limits, OpenMetricsRules, OutletConfig, OutletPolicy, ScrapeTarget};
pub use fetch::{FetchError, UrlError};
pub use ingest::IngestError;
pub use outlet::{
    Clock, FrameBuilder, Hold, Outlet, OutletError, OutletSettings, PendingFrame, RawSeries, TargetKind,
    TargetStream,
};
pub use probe::{
    Exposition, ExpositionError, Finding, PROBE_TIMEOUT, Subject, Terms, Verdict, fetch_exposition, probe,
};
pub use redact::{MASK, Redactor};
pub use sharding::{GroupConfig, LeaseConfig, RingConfig, ShardingConfig};
pub use source::{Source, SourceContext};
pub use sources::kubernetes::{Enabled, KubeletMode, KubernetesConfig};
pub use sources::replay::{RecordingError, Replay, ReplayConfig, ReplayCounts, ReplayError, TargetCounts};
