//! Wire types generated from /proto, the `Wire` trait and the conversions between model and wire.

mod convert;
mod envelope;
mod error;
mod metric;
mod rollup;
mod wire;

pub use error::{DecodeError, WireError};
pub use metric::{EncodedFrame, EncoderConfig, MetricDecoder, MetricEncoder, Scrape, punctuation};
pub use rollup::{RollupDecoder, RollupEncoder};
pub use wire::Wire;

/// What prost generates from `/proto`.
#[expect(clippy::doc_markdown, reason = "generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/wire.rs"));
}
pub(crate) use generated::sentinel as pb;
