//! Kubernetes: reflectors, kubelets, annotated pods and their logs.

mod config;

pub use config::KubernetesConfig;
