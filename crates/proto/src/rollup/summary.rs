//! Aggregates as columns: most of a summary follows from its last value, and only the rest is written.

use sentinel_model::{Aggregate, Summary};

use super::{Slot, sketch};
use crate::DecodeError;
use crate::columns::{Reader, put_varint};
use crate::number::{Context, NumberReader, NumberWriter};
use crate::pb::rollups::v1 as pb;

// Bits of a shape; see rollups.proto.
const SUMMARY: u8 = 1 << 0;
const COUNT: u8 = 1 << 1;
const SPREAD: u8 = 1 << 2;
const SUM: u8 = 1 << 3;
const MOMENT: u8 = 1 << 4;
const INCREASE: u8 = 3 << 5;
const INCREASE_WRITTEN: u8 = 1 << 5;
const INCREASE_FROM_LAST: u8 = 2 << 5;
const INCREASE_FROM_ORIGIN: u8 = 3 << 5;
const SKETCH: u8 = 1 << 7;

/// The columns of a frame that carry its aggregates.
#[derive(Default)]
pub(super) struct SummaryWriter {
    numbers: NumberWriter,
    shapes: Vec<u8>,
    counts: Vec<u8>,
    details: Vec<u8>,
    moments: Vec<u8>,
    sketches: Vec<u8>,
}

impl SummaryWriter {
    pub(super) fn put(&mut self, position: usize, slot: &mut Slot, aggregate: &Aggregate, context: Context) {
        let before = slot.number.value();
        let (shape, value) = match aggregate {
            Aggregate::Single(value) => (0, *value),
            Aggregate::Summary(summary) => (shape(summary, before, slot.origin), summary.last),
        };
        self.shapes.push(shape ^ slot.number.mark.shape);
        slot.number.mark.shape = shape;
        self.numbers.put(position, &mut slot.number, value, context);
        if let Aggregate::Summary(summary) = aggregate {
            self.put_rest(slot, summary);
        }
    }

    fn put_rest(&mut self, slot: &mut Slot, summary: &Summary) {
        let (shape, number) = (slot.number.mark.shape, &slot.number);
        if shape & COUNT != 0 {
            put_varint(&mut self.counts, summary.count);
        }
        if shape & SPREAD != 0 {
            number.put_beside(summary.min, number.whole_times(1), &mut self.details);
            number.put_beside(summary.max, number.whole_times(1), &mut self.details);
        }
        if shape & SUM != 0 {
            number.put_beside(summary.sum, number.whole_times(summary.count), &mut self.details);
        }
        if shape & MOMENT != 0 {
            self.moments.extend_from_slice(&summary.m2.to_bits().to_le_bytes());
        }
        if let Some(increase) = summary.increase {
            if shape & INCREASE == INCREASE_WRITTEN {
                number.put_beside(increase, 0, &mut self.details);
            }
            slot.origin = summary.last - increase;
        }
        if let Some(sketch) = &summary.sketch {
            sketch::put(sketch, &mut self.sketches);
        }
    }

    pub(super) fn finish(self, frame: &mut pb::RollupFrame) {
        frame.shapes = self.shapes.into();
        frame.reformed = self.numbers.reformed.column.into();
        frame.reformed_to = self.numbers.reformed_to.into();
        frame.misses = self.numbers.misses.column.into();
        frame.values = self.numbers.values.into();
        frame.corrections = self.numbers.corrections.into();
        frame.counts = self.counts.into();
        frame.details = self.details.into();
        frame.moments = self.moments.into();
        frame.sketches = self.sketches.into();
    }
}

/// What of a summary must be written, given the last value of the result before and the value before
/// its window.
fn shape(summary: &Summary, before: f64, origin: f64) -> u8 {
    // The bits of a NaN that arithmetic gives differ from processor to processor: never foresee one.
    let is = |value: f64, foreseen: f64| value.to_bits() == foreseen.to_bits() && !foreseen.is_nan();
    let last = summary.last;
    let increase = match summary.increase {
        None => 0,
        Some(increase) if is(increase, last - before) => INCREASE_FROM_LAST,
        Some(increase) if is(increase, last - origin) => INCREASE_FROM_ORIGIN,
        Some(_) => INCREASE_WRITTEN,
    };
    let written = [
        (COUNT, summary.count != 1),
        (SPREAD, !is(summary.min, last) || !is(summary.max, last)),
        (SUM, !is(summary.sum, summary.count as f64 * last)),
        (MOMENT, !is(summary.m2, 0.0)),
        (SKETCH, summary.sketch.is_some()),
    ];
    let written = written.into_iter().filter(|(_, is_written)| *is_written);
    written.fold(SUMMARY | increase, |shape, (bit, _)| shape | bit)
}

/// Reads the columns that a [`SummaryWriter`] wrote.
pub(super) struct SummaryReader<'a> {
    numbers: NumberReader<'a>,
    shapes: Reader<'a>,
    counts: Reader<'a>,
    details: Reader<'a>,
    moments: Reader<'a>,
    sketches: Reader<'a>,
}

impl<'a> SummaryReader<'a> {
    pub(super) fn new(frame: &'a pb::RollupFrame) -> Result<Self, DecodeError> {
        let numbers =
            [&*frame.reformed, &*frame.reformed_to, &*frame.misses, &*frame.values, &*frame.corrections];
        Ok(Self {
            numbers: NumberReader::new(numbers)?,
            shapes: Reader::new(&frame.shapes),
            counts: Reader::new(&frame.counts),
            details: Reader::new(&frame.details),
            moments: Reader::new(&frame.moments),
            sketches: Reader::new(&frame.sketches),
        })
    }

    pub(super) fn take(
        &mut self,
        position: usize,
        slot: &mut Slot,
        context: Context,
    ) -> Result<Aggregate, DecodeError> {
        slot.number.mark.shape ^= self.shapes.byte()?;
        let before = slot.number.value();
        self.numbers.take(position, &mut slot.number, context)?;
        if slot.number.mark.shape == 0 {
            return Ok(Aggregate::Single(slot.number.value()));
        }
        if slot.number.mark.shape & SUMMARY == 0 {
            return Err(DecodeError::Corrupt { detail: "the shape of a result is unknown" });
        }
        self.take_rest(slot, before).map(|summary| Aggregate::Summary(Box::new(summary)))
    }

    fn take_rest(&mut self, slot: &mut Slot, before: f64) -> Result<Summary, DecodeError> {
        let (shape, number) = (slot.number.mark.shape, &slot.number);
        let last = number.value();
        let count = if shape & COUNT != 0 { self.counts.varint()? } else { 1 };
        let (min, max) = if shape & SPREAD != 0 {
            let reference = number.whole_times(1);
            let min = number.take_beside(reference, &mut self.details)?;
            (min, number.take_beside(reference, &mut self.details)?)
        } else {
            (last, last)
        };
        let sum = if shape & SUM != 0 {
            number.take_beside(number.whole_times(count), &mut self.details)?
        } else {
            count as f64 * last
        };
        let m2 = if shape & MOMENT != 0 { f64::from_bits(self.moments.bits()?) } else { 0.0 };
        let increase = match shape & INCREASE {
            INCREASE_WRITTEN => Some(number.take_beside(0, &mut self.details)?),
            INCREASE_FROM_LAST => Some(last - before),
            INCREASE_FROM_ORIGIN => Some(last - slot.origin),
            _ => None,
        };
        if let Some(increase) = increase {
            slot.origin = last - increase;
        }
        let sketch = if shape & SKETCH != 0 { Some(sketch::take(&mut self.sketches)?) } else { None };
        Ok(Summary { count, sum, min, max, last, m2, increase, sketch })
    }

    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        self.numbers.finish()?;
        self.shapes.finish()?;
        self.counts.finish()?;
        self.details.finish()?;
        self.moments.finish()?;
        self.sketches.finish()
    }
}
