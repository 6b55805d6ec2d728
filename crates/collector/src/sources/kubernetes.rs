//! Kubernetes: reflectors, kubelets, annotated pods and their logs.

mod client;
mod config;
mod discovery;
mod events;
mod json;
mod kind;
mod kubelet;
mod logs;
mod objects;
mod owners;
mod quantity;
mod state_metrics;
#[cfg(test)]
mod testing;
mod view;
mod watch;

pub use config::{
    DiscoveryConfig, Enabled, KubeletConfig, KubeletMode, KubernetesConfig, LogsConfig, WatchConfig,
};
