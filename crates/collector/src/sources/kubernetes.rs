//! Kubernetes: reflectors, kubelets, annotated pods and their logs.

mod client;
mod config;
mod discovery;
mod events;
mod intake;
mod json;
mod kind;
mod kubelet;
mod leases;
mod logs;
mod objects;
mod owners;
mod probe;
mod quantity;
mod source;
mod state_metrics;
mod state_stream;
#[cfg(test)]
pub(crate) mod testing;
mod view;
mod watch;

pub use config::{Enabled, KubeletMode, KubernetesConfig};
pub(crate) use kind::Kind;
pub(crate) use kubelet::{Counts, Endpoint, Health, KubeletReading};
pub(crate) use leases::Leases;
pub(crate) use logs::{JoinLimits, Joined, Joiner};
pub(crate) use probe::{NOTHING_TO_WATCH, probe};
pub(crate) use source::{Kubernetes, problems};
pub(crate) use view::{News, View};
pub(crate) use watch::{Change, Delta};
