//! Values of one series over the frames of a stream, as small whole numbers: each value is foreseen from
//! those before it, and only what was not foreseen is written.
//!
//! Most values of Kubernetes are short decimals (bytes, counts, seconds with nine places), so a value
//! is taken as a whole number of 10⁻ⁿ and its change is exact. Sums of durations are not short
//! decimals, but are near one: they carry a correction in units of the last place. Everything else goes
//! by its bits.

use crate::DecodeError;
use crate::columns::{PositionReader, PositionWriter, Reader, put_varint, put_zigzag, unzigzag, zigzag};
use crate::frame::Trait;

/// Largest whole number whose neighbours are all exact as `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// Corrections beyond this cost more than the bits themselves.
const CORRECTION_LIMIT: u64 = 1 << 32;
/// After so many misses (hits count back) a series is noisy: its value is always written.
const NOISY: u8 = 2;
const MOST_MISSES: u8 = 3;
const POWERS: [f64; 10] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// How a value is written as a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form(u8);

impl Form {
    /// The value itself.
    const WHOLE: Self = Self(0);
    /// Nine decimal places.
    const NANOS: u8 = 9;
    /// Nine decimal places and a correction.
    const NEAR: Self = Self(10);
    /// The bits.
    const BITS: Self = Self(11);

    const fn is_decimal(self) -> bool {
        self.0 <= Self::NANOS
    }

    fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        if byte <= Self::BITS.0 {
            Ok(Self(byte))
        } else {
            Err(DecodeError::Corrupt { detail: "the form of a number is unknown" })
        }
    }

    const fn power(self) -> f64 {
        POWERS[if self.0 < Self::NANOS { self.0 } else { Self::NANOS } as usize]
    }

    #[inline]
    fn value(self, whole: i64, correction: i64) -> f64 {
        match self {
            Self::WHOLE => whole as f64,
            Self::BITS => f64::from_bits(whole as u64),
            Self::NEAR => {
                f64::from_bits((whole as f64 / POWERS[9]).to_bits().wrapping_add(correction as u64))
            }
            decimal => whole as f64 / decimal.power(),
        }
    }

    /// `value` as a whole number and a correction, if it can be had in this form.
    fn parts(self, value: f64) -> Option<(i64, i64)> {
        if self == Self::BITS {
            return Some((value.to_bits() as i64, 0));
        }
        let (whole, correction) = near(value, self.power())?;
        let fits = correction == 0 || self == Self::NEAR;
        fits.then_some((whole, correction))
    }

    /// The first form from this one on that `value` can be had in.
    fn widened_for(self, value: f64) -> (Self, i64, i64) {
        let start = if self == Self::BITS { 0 } else { self.0 };
        (start..=Self::NEAR.0)
            .map(Self)
            .find_map(|form| form.parts(value).map(|(whole, correction)| (form, whole, correction)))
            .unwrap_or((Self::BITS, value.to_bits() as i64, 0))
    }
}

/// The nearest whole number of 1/power, and how many floating-point steps `value` lies beside it.
fn near(value: f64, power: f64) -> Option<(i64, i64)> {
    let scaled = (value * power).round();
    if !matches!(scaled.abs().partial_cmp(&EXACT), Some(std::cmp::Ordering::Less)) {
        return None;
    }
    let whole = scaled as i64;
    let correction = (value.to_bits() as i64).wrapping_sub((whole as f64 / power).to_bits() as i64);
    (correction.unsigned_abs() < CORRECTION_LIMIT).then_some((whole, correction))
}

/// What is known of a value before it is read, besides its past.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Context {
    /// Its sample carries the same time as the last one, so it should be the same sample.
    pub(crate) is_still: bool,
    /// Gauges wander about a value, counters about a rate.
    pub(crate) is_gauge: bool,
    /// Growth of the bucket before it in the same histogram. Buckets are cumulative: what fell into
    /// that one fell into this one too.
    pub(crate) growth_before: Option<i64>,
}

/// The past of one series' value: the same in the encoder and in every decoder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    whole: i64,
    correction: i64,
    /// Last change of `whole`.
    growth: i64,
    form: Form,
    misses: u8,
    /// The last two changes were equal.
    is_steady: bool,
    /// What the codec of rollups notes of the series besides: it lies in what would be padding, and series are
    /// many.
    pub(crate) mark: Mark,
}

/// See [`Number::mark`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    pub(crate) shape: u8,
    pub(crate) traits: Trait,
    /// It had a result in the last frame.
    pub(crate) is_present: bool,
}

impl Default for Number {
    fn default() -> Self {
        let form = Form::WHOLE;
        Self {
            whole: 0,
            correction: 0,
            growth: 0,
            form,
            misses: NOISY,
            is_steady: false,
            mark: Mark::default(),
        }
    }
}

/// What a number's past says of its next value.
struct Foreseen {
    growth: i64,
    /// What a growth that is written is counted from.
    base: i64,
    is_noisy: bool,
}

impl Number {
    /// The last value. It follows from the rest, and series are many.
    #[inline]
    pub(crate) fn value(&self) -> f64 {
        self.form.value(self.whole, self.correction)
    }

    #[inline]
    fn foresee(&self, context: Context) -> Foreseen {
        if context.is_still {
            return Foreseen { growth: 0, base: 0, is_noisy: false };
        }
        let is_noisy = self.misses >= NOISY;
        if let (Form::WHOLE, Some(growth)) = (self.form, context.growth_before) {
            return Foreseen { growth, base: growth, is_noisy };
        }
        let growth = if self.is_steady && self.form.is_decimal() { self.growth } else { 0 };
        let base = if context.is_gauge || self.form == Form::BITS { 0 } else { self.growth };
        Foreseen { growth, base, is_noisy }
    }

    #[inline]
    fn settle(&mut self, growth: i64, is_hit: bool, context: Context) {
        if !context.is_still {
            self.misses =
                if is_hit { self.misses.saturating_sub(1) } else { (self.misses + 1).min(MOST_MISSES) };
            self.is_steady = growth == self.growth;
        }
        self.growth = growth;
    }

    /// Goes on in another form; it counts as a miss.
    fn reform(&mut self, form: Form, whole: i64, correction: i64) {
        let misses = (self.misses + 1).min(MOST_MISSES);
        *self = Self { whole, correction, growth: 0, form, misses, is_steady: false, mark: self.mark };
    }

    /// Growth as the next bucket of the histogram may use it.
    pub(crate) fn growth_of_bucket(&self) -> Option<i64> {
        (self.form == Form::WHOLE).then_some(self.growth)
    }

    /// Writes a value that lies beside this one, such as a minimum: `reference` is what its whole number
    /// is counted from.
    pub(crate) fn put_beside(&self, value: f64, reference: i64, column: &mut Vec<u8>) {
        let parts = match self.form {
            Form::BITS => Some((value.to_bits() as i64, 0)),
            form => near(value, form.power()),
        };
        let distance = parts.map(|(whole, correction)| (zigzag(whole.wrapping_sub(reference)), correction));
        match distance {
            Some((distance, correction)) if distance < u64::MAX / 4 => {
                let is_corrected = correction != 0;
                put_varint(column, 1 + 2 * distance + u64::from(is_corrected));
                if is_corrected {
                    put_zigzag(column, correction);
                }
            }
            _ => {
                column.push(0);
                column.extend_from_slice(&value.to_bits().to_le_bytes());
            }
        }
    }

    /// Reads what [`Self::put_beside`] wrote.
    pub(crate) fn take_beside(&self, reference: i64, reader: &mut Reader<'_>) -> Result<f64, DecodeError> {
        let code = reader.varint()?;
        let Some(code) = code.checked_sub(1) else { return reader.bits().map(f64::from_bits) };
        let distance = code >> 1;
        let whole = reference.wrapping_add(unzigzag(distance));
        let correction = if code & 1 == 1 { reader.zigzag()? } else { 0 };
        Ok(match self.form {
            Form::BITS => f64::from_bits(whole as u64),
            form => f64::from_bits((whole as f64 / form.power()).to_bits().wrapping_add(correction as u64)),
        })
    }

    /// The whole number of `count` times this value.
    pub(crate) const fn whole_times(&self, count: u64) -> i64 {
        self.whole.wrapping_mul(count as i64)
    }
}

// === Columns ===

/// The columns of a frame that carry its values.
#[derive(Default)]
pub(crate) struct NumberWriter {
    pub(crate) reformed: PositionWriter,
    pub(crate) reformed_to: Vec<u8>,
    pub(crate) misses: PositionWriter,
    pub(crate) values: Vec<u8>,
    pub(crate) corrections: Vec<u8>,
}

impl NumberWriter {
    pub(crate) fn put(&mut self, position: usize, number: &mut Number, value: f64, context: Context) {
        let foreseen = number.foresee(context);
        let (form, whole, correction) = if value.to_bits() == number.value().to_bits() {
            (number.form, number.whole, number.correction)
        } else {
            number.form.widened_for(value)
        };
        if form != number.form {
            self.reformed.put(position);
            self.reformed_to.push(form.0);
            put_zigzag(&mut self.values, whole);
            if form == Form::NEAR {
                put_zigzag(&mut self.corrections, correction);
            }
            number.reform(form, whole, correction);
            return;
        }
        let growth = whole.wrapping_sub(number.whole);
        let is_hit = growth == foreseen.growth && correction == number.correction;
        if !is_hit && !foreseen.is_noisy {
            self.misses.put(position);
        }
        if !is_hit || foreseen.is_noisy {
            put_zigzag(&mut self.values, growth.wrapping_sub(foreseen.base));
            if form == Form::NEAR {
                put_zigzag(&mut self.corrections, correction.wrapping_sub(number.correction));
            }
        }
        (number.whole, number.correction) = (whole, correction);
        number.settle(growth, is_hit, context);
    }
}

/// Reads the columns that a [`NumberWriter`] wrote.
pub(crate) struct NumberReader<'a> {
    reformed: PositionReader<'a>,
    reformed_to: Reader<'a>,
    misses: PositionReader<'a>,
    values: Reader<'a>,
    corrections: Reader<'a>,
}

/// The columns as they came, in the order of [`NumberWriter`]'s fields.
pub(crate) type NumberColumns<'a> = [&'a [u8]; 5];

impl<'a> NumberReader<'a> {
    pub(crate) fn new(columns: NumberColumns<'a>) -> Result<Self, DecodeError> {
        let [reformed, reformed_to, misses, values, corrections] = columns;
        Ok(Self {
            reformed: PositionReader::new(reformed)?,
            reformed_to: Reader::new(reformed_to),
            misses: PositionReader::new(misses)?,
            values: Reader::new(values),
            corrections: Reader::new(corrections),
        })
    }

    /// Moves `number` on to its value in this frame.
    #[inline]
    pub(crate) fn take(
        &mut self,
        position: usize,
        number: &mut Number,
        context: Context,
    ) -> Result<(), DecodeError> {
        if self.reformed.holds(position)? {
            return self.reform(number);
        }
        let foreseen = number.foresee(context);
        let is_written = foreseen.is_noisy || self.misses.holds(position)?;
        if !is_written {
            number.whole = number.whole.wrapping_add(foreseen.growth);
            number.settle(foreseen.growth, true, context);
            return Ok(());
        }
        let growth = self.values.zigzag()?.wrapping_add(foreseen.base);
        let mut is_hit = growth == foreseen.growth;
        if number.form == Form::NEAR {
            let change = self.corrections.zigzag()?;
            number.correction = number.correction.wrapping_add(change);
            is_hit &= change == 0;
        }
        number.whole = number.whole.wrapping_add(growth);
        number.settle(growth, is_hit, context);
        Ok(())
    }

    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        self.reformed.finish()?;
        self.reformed_to.finish()?;
        self.misses.finish()?;
        self.values.finish()?;
        self.corrections.finish()
    }

    #[cold]
    fn reform(&mut self, number: &mut Number) -> Result<(), DecodeError> {
        let form = Form::from_byte(self.reformed_to.byte()?)?;
        let whole = self.values.zigzag()?;
        let correction = if form == Form::NEAR { self.corrections.zigzag()? } else { 0 };
        number.reform(form, whole, correction);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
