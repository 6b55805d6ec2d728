//! Wire types generated from /proto, the `Wire` trait and the conversions between model and wire.
//!
//! Logs, events, objects and dead letters are self-contained messages ([`Wire`]). Samples and rollups
//! are streams of frames, each written against the one before ([`MetricEncoder`], [`RollupEncoder`]).

mod columns;
mod convert;
mod definitions;
mod envelope;
mod error;
mod frame;
mod limits;
mod metric;
mod number;
mod position;
mod rollup;
#[cfg(test)]
mod testing;
mod times;
mod wire;

pub use error::{DecodeError, WireError};
pub use frame::{EncodedFrame, EncoderConfig};
pub use limits::{MAX_POINTS, MAX_SERIES};
pub use metric::{MetricDecoder, MetricEncoder, Scrape, farewell, punctuation};
pub use rollup::{RollupDecoder, RollupEncoder};
pub use wire::Wire;

/// What prost generates from `/proto`.
#[expect(clippy::doc_markdown, reason = "generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/wire.rs"));
}
pub(crate) use generated::sentinel as pb;
