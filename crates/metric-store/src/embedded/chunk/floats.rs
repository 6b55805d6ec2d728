//! A column of doubles, series by series. Decimals become integers, integers become differences from
//! what the values before or the neighbouring series let expect, and pco compresses what is left.

use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress_into};

use super::decimals::{MAX_EXPONENT, from_decimal, to_decimals};
use super::integers::{put_integers, read_integers};
use crate::embedded::codec::{CodecError, Reader, put_section, put_varint, zigzag};

/// In place of an exponent: the values are not decimals and stay as they are.
const RAW: u8 = 0x0f;
/// Only the first value is there, all others are equal to it.
const CONSTANT: u8 = 0 << 4;
/// Differences of consecutive values.
const DELTA: u8 = 1 << 4;
/// Differences of consecutive differences.
const DELTA_OF_DELTA: u8 = 2 << 4;
/// Differences from the differences of the series before, as buckets of one histogram have.
const NEIGHBOUR: u8 = 3 << 4;
const PREDICTOR: u8 = 3 << 4;
/// All differences are multiples of a number, which follows.
const SCALED: u8 = 1 << 6;

/// Values in order of series, and how many belong to each.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    pub(crate) values: Vec<f64>,
    pub(crate) lengths: Vec<usize>,
}

#[derive(Default)]
struct Streams {
    meta: Vec<u8>,
    firsts: Vec<i64>,
    residuals: Vec<i64>,
    raw: Vec<f64>,
}

// === impl Segments ===

impl Segments {
    /// Writes how each series is coded to `meta` and the numbers to `data`.
    pub(crate) fn put(&self, meta: &mut Vec<u8>, data: &mut Vec<u8>) {
        let mut streams = Streams::default();
        let mut neighbour = Vec::new();
        let mut rest = self.values.as_slice();
        for length in &self.lengths {
            let (segment, after) = rest.split_at(*length);
            rest = after;
            if !segment.is_empty() {
                streams.add(segment, &mut neighbour);
            }
        }
        put_section(meta, &streams.meta);
        put_integers(data, &consecutive(&streams.firsts));
        put_integers(data, &streams.residuals);
        put_raw(data, &streams.raw);
    }

    /// `lengths`: values of each series.
    pub(crate) fn read(
        meta: &mut Reader<'_>,
        data: &mut Reader<'_>,
        lengths: Vec<usize>,
    ) -> Result<Self, CodecError> {
        let plans = read_plans(&mut Reader::new(meta.section()?), &lengths)?;
        let count = |n: fn(&Plan) -> usize| plans.iter().map(n).sum();
        let mut firsts = read_integers(data, count(Plan::n_firsts))?.into_iter();
        let residuals = read_integers(data, count(Plan::n_residuals))?;
        let raw = read_raw(data, count(Plan::n_raw))?;
        let (mut residuals, mut raw) = (residuals.as_slice(), raw.as_slice());
        let mut values = Vec::with_capacity(lengths.iter().sum());
        let (mut first, mut neighbour) = (0i64, Vec::new());
        for plan in &plans {
            let own_raw = raw.split_off(..plan.n_raw()).ok_or(CodecError::Truncated)?;
            if plan.exponent == RAW {
                match (plan.predictor, own_raw) {
                    (CONSTANT, [value]) => values.resize(values.len() + plan.length, *value),
                    _ => values.extend_from_slice(own_raw),
                }
                continue;
            }
            first = first.wrapping_add(firsts.next().ok_or(CodecError::Truncated)?);
            if plan.predictor == CONSTANT {
                values.resize(values.len() + plan.length, from_decimal(first, plan.exponent));
                continue;
            }
            let own = residuals.split_off(..plan.n_residuals()).ok_or(CodecError::Truncated)?;
            neighbour = plan.differences(own, &neighbour)?;
            let mut integer = first;
            values.push(from_decimal(integer, plan.exponent));
            values.extend(neighbour.iter().map(|difference| {
                integer = integer.wrapping_add(difference.wrapping_mul(plan.scale));
                from_decimal(integer, plan.exponent)
            }));
        }
        Ok(Self { values, lengths })
    }
}

// === impl Streams ===

impl Streams {
    fn add(&mut self, segment: &[f64], neighbour: &mut Vec<i64>) {
        let is_constant = segment.iter().all(|value| value.to_bits() == segment[0].to_bits());
        let distinct = if is_constant { &segment[..1] } else { segment };
        let Some((exponent, integers)) = to_decimals(distinct) else {
            self.meta.push(RAW | if is_constant { CONSTANT } else { DELTA });
            self.raw.extend_from_slice(distinct);
            return;
        };
        self.firsts.push(integers[0]);
        if is_constant {
            self.meta.push(exponent | CONSTANT);
            return;
        }
        let mut differences: Vec<i64> = integers.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let scale = differences.iter().fold(0, |divisor, d| common_divisor(divisor, d.unsigned_abs())).max(1);
        if scale > 1 {
            differences.iter_mut().for_each(|difference| *difference /= scale as i64);
        }
        let (predictor, residuals) = best_residuals(&differences, neighbour);
        self.meta.push(exponent | predictor | if scale > 1 { SCALED } else { 0 });
        if scale > 1 {
            put_varint(&mut self.meta, scale);
        }
        self.residuals.extend_from_slice(&residuals);
        *neighbour = differences;
    }
}

/// The predictor that leaves the least to write.
fn best_residuals(differences: &[i64], neighbour: &[i64]) -> (u8, Vec<i64>) {
    let mut candidates = vec![(DELTA, differences.to_vec()), (DELTA_OF_DELTA, consecutive(differences))];
    if neighbour.len() == differences.len() {
        let beside = differences.iter().zip(neighbour).map(|(own, other)| own.wrapping_sub(*other)).collect();
        candidates.push((NEIGHBOUR, beside));
    }
    candidates.into_iter().min_by_key(|(_, residuals)| cost(residuals)).unwrap_or_default()
}

/// About the bits that these numbers will take.
fn cost(values: &[i64]) -> u64 {
    values.iter().map(|value| u64::from(64 - zigzag(*value).leading_zeros()) + u64::from(*value != 0)).sum()
}

/// The first value, then differences.
fn consecutive(values: &[i64]) -> Vec<i64> {
    let mut before = 0i64;
    values
        .iter()
        .map(|value| {
            let difference = value.wrapping_sub(before);
            before = *value;
            difference
        })
        .collect()
}

const fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn put_raw(data: &mut Vec<u8>, raw: &[f64]) {
    if raw.is_empty() {
        return;
    }
    // Empty: pco refused, the bits follow as they are.
    let packed = simple_compress(raw, &ChunkConfig::default()).unwrap_or_default();
    put_section(data, &packed);
    if packed.is_empty() {
        raw.iter().for_each(|value| data.extend_from_slice(&value.to_bits().to_le_bytes()));
    }
}

fn read_raw(data: &mut Reader<'_>, n_values: usize) -> Result<Vec<f64>, CodecError> {
    if n_values == 0 {
        return Ok(Vec::new());
    }
    let packed = data.section()?;
    if packed.is_empty() {
        return (0..n_values).map(|_| data.float()).collect();
    }
    let mut raw = vec![0.0; n_values];
    let progress = simple_decompress_into(packed, &mut raw)?;
    if progress.n_processed == n_values { Ok(raw) } else { Err(CodecError::Truncated) }
}

/// How one series was coded.
struct Plan {
    exponent: u8,
    predictor: u8,
    scale: i64,
    length: usize,
}

fn read_plans(meta: &mut Reader<'_>, lengths: &[usize]) -> Result<Vec<Plan>, CodecError> {
    let mut plans = Vec::with_capacity(lengths.len());
    for length in lengths.iter().copied().filter(|length| *length > 0) {
        let byte = meta.byte()?;
        let scale = if byte & SCALED == 0 { 1 } else { meta.varint()? as i64 };
        let (exponent, predictor) = (byte & 0x0f, byte & PREDICTOR);
        if exponent > MAX_EXPONENT && exponent != RAW {
            return Err(CodecError::Bounds { what: "exponent" });
        }
        plans.push(Plan { exponent, predictor, scale, length });
    }
    Ok(plans)
}

impl Plan {
    fn n_firsts(&self) -> usize {
        usize::from(self.exponent != RAW)
    }

    fn n_residuals(&self) -> usize {
        if self.exponent == RAW || self.predictor == CONSTANT { 0 } else { self.length - 1 }
    }

    fn n_raw(&self) -> usize {
        match (self.exponent, self.predictor) {
            (RAW, CONSTANT) => 1,
            (RAW, _) => self.length,
            _ => 0,
        }
    }

    fn differences(&self, residuals: &[i64], neighbour: &[i64]) -> Result<Vec<i64>, CodecError> {
        match self.predictor {
            DELTA_OF_DELTA => {
                let mut difference = 0i64;
                let add = |residual: &i64| {
                    difference = difference.wrapping_add(*residual);
                    difference
                };
                Ok(residuals.iter().map(add).collect())
            }
            NEIGHBOUR if neighbour.len() != residuals.len() => Err(CodecError::Bounds { what: "neighbour" }),
            NEIGHBOUR => Ok(residuals.iter().zip(neighbour).map(|(a, b)| a.wrapping_add(*b)).collect()),
            _ => Ok(residuals.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests;
