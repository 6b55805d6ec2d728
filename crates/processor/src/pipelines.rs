//! The pipelines: what each consumes, does and publishes.

pub(crate) mod documents;
mod epoch;
mod lost_header;
pub(crate) mod metric_store;
mod outbox;
mod rollup_streams;
pub(crate) mod stage2;
pub(crate) mod windows;

#[cfg(test)]
mod tests;
