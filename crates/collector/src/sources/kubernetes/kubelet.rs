//! Kubelets.

pub(crate) mod summary;
