//! A simulated cluster that speaks the Kubernetes API and kubelet endpoints over HTTP.
