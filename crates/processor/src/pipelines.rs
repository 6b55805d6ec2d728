//! The pipelines: what each consumes, does and publishes.

pub(crate) mod documents;
pub(crate) mod metric_store;
mod outbox;
pub(crate) mod stage2;
pub(crate) mod windows;
