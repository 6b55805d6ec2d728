//! Frames of samples: one frame a scrape, each continuing the one before it.

mod decoder;
mod encoder;
mod further;
#[cfg(test)]
mod tests;

pub use decoder::MetricDecoder;
pub use encoder::{MetricEncoder, Scrape, farewell, punctuation};

use crate::frame::Trait;
use crate::number::Number;
use crate::times::NO_GROUP;

/// The past of one series of a stream: the same in the encoder and in every decoder.
#[derive(Clone, Copy, Debug)]
struct Slot {
    number: Number,
    group: u32,
    traits: Trait,
    /// It had a sample in the last frame.
    is_present: bool,
}

impl Slot {
    fn new(traits: Trait) -> Self {
        Self { number: Number::default(), group: NO_GROUP, traits, is_present: false }
    }
}
