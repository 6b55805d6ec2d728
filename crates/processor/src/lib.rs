//! Service: bus to event-time windows, enrichment and routing, to the stores. The only writer of the
//! stores.
//!
//! Five pipelines, each with its own consumer group, so that one that is held up holds up no other:
//! `windows` (samples → 10 s and 1 min windows), `stage2` (1 min → 5 min and 1 h), `metric-store`,
//! `logs` and `events`.

mod aggregate;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod canary;
mod config;
mod dead_letters;
mod metrics;
mod pipeline;
mod pipelines;
mod replay;
mod retention;
mod room;
mod rules;
mod service;
#[cfg(test)]
mod testing;
mod watermark;
mod windows;

pub use config::{ProcessorConfig, RuleConfig};
pub use rules::RuleError;
pub use service::{BuildError, Processor, ProcessorHandles};
