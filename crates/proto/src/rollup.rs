//! Frames of rollups: one frame a window, with the same mechanics as frames of samples.

mod decoder;
mod encoder;
mod sketch;
mod summary;
#[cfg(test)]
mod tests;

pub use decoder::RollupDecoder;
pub use encoder::RollupEncoder;

use crate::frame::Trait;
use crate::number::{Context, Number};

/// The past of one series of a stream: the same in the encoder and in every decoder.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The single or the last value.
    number: Number,
    /// Value before the window, as far as the increase told it.
    origin: f64,
}

impl Slot {
    fn new(traits: Trait) -> Self {
        let mut number = Number::default();
        number.mark.traits = traits;
        Self { number, origin: 0.0 }
    }

    fn context(&self, growth_before: Option<i64>) -> Context {
        let growth_before = if self.number.mark.traits.is_next_bucket { growth_before } else { None };
        Context { is_still: false, is_gauge: self.number.mark.traits.is_gauge, growth_before }
    }
}
