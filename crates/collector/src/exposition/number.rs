//! Numbers as both formats write them: decimal, or a spelled infinity or NaN. Hexadecimal, underscores
//! and values that do not fit are refused, as Prometheus does.

/// Powers of ten that a double holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Integers up to here are exact as doubles.
const EXACT_INTEGER: u64 = 1 << 53;

/// Reads a value. Most are short decimals, whose digits and power of ten are both exact as doubles: one
/// division then rounds correctly (W. Clinger, "How to Read Floating Point Numbers Accurately", 1990).
#[inline]
pub(super) fn parse_value(token: &[u8]) -> Option<f64> {
    let Some(decimal) = Decimal::read(token) else { return parse_word(token) };
    if decimal.n_digits <= 19 && decimal.mantissa <= EXACT_INTEGER && decimal.exponent.unsigned_abs() <= 22 {
        let power = EXACT_POWERS[decimal.exponent.unsigned_abs() as usize];
        let mantissa = decimal.mantissa as f64;
        let value = if decimal.exponent < 0 { mantissa / power } else { mantissa * power };
        return Some(if decimal.is_negative { -value } else { value });
    }
    let value: f64 = std::str::from_utf8(token).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}

/// `Inf`, `Infinity` with an optional sign, and `NaN`, in any case.
#[cold]
fn parse_word(token: &[u8]) -> Option<f64> {
    let is = |word: &str, token: &[u8]| token.eq_ignore_ascii_case(word.as_bytes());
    if is("nan", token) {
        return Some(f64::NAN);
    }
    let (sign, word) = match token {
        [b'+', rest @ ..] => (1.0, rest),
        [b'-', rest @ ..] => (-1.0, rest),
        _ => (1.0, token),
    };
    (is("inf", word) || is("infinity", word)).then_some(sign * f64::INFINITY)
}

/// Reads milliseconds as the text format writes them.
#[inline]
pub(super) fn parse_millis(token: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match token {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, token),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut millis = 0_i64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        millis = millis.checked_mul(10)?.checked_add(i64::from(digit))?;
    }
    Some(if is_negative { -millis } else { millis })
}

/// Reads seconds as OpenMetrics writes them, as nanoseconds; what is beyond them is cut off.
pub(super) fn parse_seconds(token: &[u8]) -> Option<i128> {
    const NANOS: i128 = 1_000_000_000;
    /// So many digits of seconds, in nanoseconds, surely fit.
    const WHOLE_DIGITS: usize = 28;

    Decimal::read(token)?;
    let (is_negative, digits) = match token {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, token),
    };
    let text = std::str::from_utf8(digits).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let has_exponent = text.contains(['e', 'E']);
    let nanos = if has_exponent || whole.len() > WHOLE_DIGITS {
        (text.parse::<f64>().ok()? * 1e9) as i128
    } else {
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let fraction = &fraction[..fraction.len().min(9)];
        let scale = 10_i128.pow(9 - fraction.len() as u32);
        let fraction: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        whole * NANOS + fraction * scale
    };
    Some(if is_negative { -nanos } else { nanos })
}

/// To the nearest millisecond, within what a timestamp holds.
pub(super) fn nanos_to_millis(nanos: i128) -> i64 {
    let millis = nanos.saturating_add(500_000).div_euclid(1_000_000);
    millis.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// `[sign] digits [. digits] [e [sign] digits]` with a digit before the exponent.
struct Decimal {
    is_negative: bool,
    /// First 19 digits.
    mantissa: u64,
    /// Digits given, leading zeros left out; beyond 19 the mantissa is not the whole of them.
    n_digits: u32,
    exponent: i32,
}

impl Decimal {
    #[inline]
    fn read(token: &[u8]) -> Option<Self> {
        let (is_negative, token) = match token {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, token),
        };
        let mut decimal = Self { is_negative, mantissa: 0, n_digits: 0, exponent: 0 };
        let mut at = decimal.take_digits(token, 0);
        let mut has_digit = at > 0;
        if token.get(at) == Some(&b'.') {
            let start = at + 1;
            at = decimal.take_digits(token, start);
            has_digit |= at > start;
            decimal.exponent = i32::try_from(at - start).map_or(i32::MIN / 2, |n| -n);
        }
        if !has_digit {
            return None;
        }
        match token.get(at) {
            None => Some(decimal),
            Some(b'e' | b'E') => decimal.with_exponent(&token[at + 1..]),
            Some(_) => None,
        }
    }

    #[inline]
    fn take_digits(&mut self, token: &[u8], mut at: usize) -> usize {
        while let Some(byte) = token.get(at) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            if self.n_digits < 19 {
                self.mantissa = self.mantissa * 10 + u64::from(digit);
            }
            self.n_digits = self.n_digits.saturating_add(u32::from(self.mantissa > 0));
            at += 1;
        }
        at
    }

    fn with_exponent(mut self, token: &[u8]) -> Option<Self> {
        let (sign, digits) = match token {
            [b'-', rest @ ..] => (-1, rest),
            [b'+', rest @ ..] => (1, rest),
            _ => (1, token),
        };
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let add = |sum: i32, digit: &u8| sum.saturating_mul(10).saturating_add(i32::from(digit - b'0'));
        let exponent: i32 = digits.iter().fold(0, add);
        self.exponent = self.exponent.saturating_add(sign * exponent);
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Option<f64> {
        parse_value(text.as_bytes())
    }

    #[test]
    fn reads_what_prometheus_reads() {
        for (text, expected) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("+1", 1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1e3),
            ("1E+03", 1e3),
            ("1.7320268e+09", 1.732_026_8e9),
            ("18446744073709551615", 18_446_744_073_709_551_615.0),
            ("0.00000000000000000000000000000000001", 1e-35),
            ("123456789012345678901234567890", 1.234_567_890_123_456_8e29),
            ("1e-400", 0.0),
            ("INF", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(value(text).map(f64::to_bits), Some(expected.to_bits()), "{text}");
        }
        assert!(value("nAn").is_some_and(f64::is_nan));
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        for text in [
            "", ".", "+", "-", "e5", "1e", "1e+", "0x1", "0x1p-3", "0b1", "1_000", "1 ", "1,5", "+nan",
            "-NaN", "1e400", "-1e400", "infinit", "١",
        ] {
            assert_eq!(value(text), None, "{text:?}");
        }
    }

    #[test]
    fn reads_seconds_to_the_nanosecond() {
        let seconds = |text: &str| parse_seconds(text.as_bytes());
        assert_eq!(seconds("1.1"), Some(1_100_000_000));
        assert_eq!(seconds("-1.1"), Some(-1_100_000_000));
        assert_eq!(seconds("1520879607.0000000019"), Some(1_520_879_607_000_000_001));
        assert_eq!(seconds("1.5e3"), Some(1_500_000_000_000));
        assert_eq!(seconds("000"), Some(0));
        assert_eq!(seconds("12345678901234567890.1234567890"), Some(12_345_678_901_234_567_890_123_456_789));
        for wrong in ["", "NaN", "Inf", "1.1.1", "1z", "0x1p-3", "1_2", "-"] {
            assert_eq!(seconds(wrong), None, "{wrong:?}");
        }
        assert_eq!(nanos_to_millis(1_000_999_999_999_999), 1_001_000_000);
        assert_eq!(nanos_to_millis(i128::MAX), i64::MAX);
    }

    #[test]
    fn reads_milliseconds_within_their_range() {
        assert_eq!(parse_millis(b"1601830800000"), Some(1_601_830_800_000));
        assert_eq!(parse_millis(b"-5"), Some(-5));
        assert_eq!(parse_millis(b"9223372036854775807"), Some(i64::MAX));
        for wrong in ["", "-", "9223372036854775808", "1.5", "+1", "1e3"] {
            assert_eq!(parse_millis(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            for text in [format!("{value}"), format!("{value:e}"), format!("{value:.3}")] {
                let expected: f64 = text.parse().expect("a printed number");
                prop_assert_eq!(parse_value(text.as_bytes()).map(f64::to_bits), Some(expected.to_bits()));
            }
        }

        #[test]
        fn agrees_with_the_standard_library_on_short_decimals(
            mantissa in any::<i64>(), shift in 0_usize..20, exponent in -40_i32..40,
        ) {
            let digits = mantissa.to_string();
            let (whole, fraction) = digits.split_at(digits.len().saturating_sub(shift).max(2).min(digits.len()));
            let text = format!("{whole}.{fraction}e{exponent}");
            let expected: f64 = text.parse().expect("a printed number");
            prop_assert_eq!(parse_value(text.as_bytes()).map(f64::to_bits), Some(expected.to_bits()));
        }
    }
}
