//! Numbers that were written as decimals, as the integers that they were: `12.345` is 12345 / 10³.

/// Powers of ten that a double holds exactly and that leave room for the digits before the point.
const POWERS: [f64; 13] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];

/// Integers above this are not all doubles.
const LIMIT: f64 = 9_007_199_254_740_992.0;

pub(crate) const MAX_EXPONENT: u8 = POWERS.len() as u8 - 1;

/// The smallest exponent at which every value is an integer divided by that power of ten, bit by bit,
/// and these integers. `None` if there is none.
pub(crate) fn to_decimals(values: &[f64]) -> Option<(u8, Vec<i64>)> {
    let mut exponent = 0;
    let mut integers = Vec::with_capacity(values.len());
    let mut at = 0;
    while let Some(value) = values.get(at) {
        if let Some(integer) = scale(*value, exponent) {
            integers.push(integer);
            at += 1;
        } else {
            // A larger exponent for this value, and the ones before it again.
            exponent = (exponent + 1..=MAX_EXPONENT).find(|exponent| scale(*value, *exponent).is_some())?;
            integers.clear();
            at = 0;
        }
    }
    Some((exponent, integers))
}

/// `exponent` must be at most [`MAX_EXPONENT`].
pub(crate) fn from_decimal(integer: i64, exponent: u8) -> f64 {
    integer as f64 / POWERS[usize::from(exponent)]
}

fn scale(value: f64, exponent: u8) -> Option<i64> {
    let scaled = (value * POWERS[usize::from(exponent)]).round();
    // Also false for NaN.
    let is_exact = scaled.abs() < LIMIT;
    let integer = scaled as i64;
    (is_exact && from_decimal(integer, exponent).to_bits() == value.to_bits()).then_some(integer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_the_digits_that_were_written() {
        assert_eq!(to_decimals(&[12.345, 1.5, 3.0]), Some((3, vec![12_345, 1_500, 3_000])));
        assert_eq!(to_decimals(&[1_763_715_078.123_456]), Some((6, vec![1_763_715_078_123_456])));
        for value in [-0.0, f64::NAN, f64::INFINITY, 1e300, std::f64::consts::PI, 5e-324] {
            assert_eq!(to_decimals(&[value]), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn every_short_decimal_is_found(digits in -999_999_999_999_999i64..999_999_999_999_999, exponent in 0u8..=12) {
            let value: f64 = format!("{digits}e-{exponent}").parse().expect("a number");
            let (found, integers) = to_decimals(&[value]).expect("a decimal");
            prop_assert!(found <= exponent);
            prop_assert_eq!(from_decimal(integers[0], found).to_bits(), value.to_bits());
        }
    }
}
