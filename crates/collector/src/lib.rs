//! The role that takes data in: scrapes, the Kubernetes API, kubelets and pod logs become frames and
//! records on the bus. Holds nothing back but what the outlet's bounded queue and spool hold.

mod collector;
mod config;
pub mod exposition;
mod metrics;
mod outlet;
mod source;
mod sources;

pub use collector::{BuildError, Collector, CollectorHandles};
pub use config::{Config, Limits, OutletConfig, OutletPolicy, ScrapeTarget};
pub use outlet::{
    Clock, FrameBuilder, Hold, Outlet, OutletError, OutletSettings, PendingFrame, RawSeries, TargetKind,
    TargetStream,
};
pub use source::{Source, SourceContext};
pub use sources::kubernetes::KubernetesConfig;
