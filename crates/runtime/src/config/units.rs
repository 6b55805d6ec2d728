//! Durations (`"30s"`, `"1h30m"`) and sizes (`"64MiB"`) in configuration.

/// For `#[serde(with = "sentinel_runtime::config::duration")]` on a [`std::time::Duration`].
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    /// # Errors
    /// Text that is not a span of time, or a negative one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is not a duration such as \"500ms\", \"30s\", \"5m\", \"1h30m\" or \"7d\""
            ))
        })
    }

    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&print(*duration))
    }

    /// Sums parts like `1h30m`; units d, h, m, s, ms.
    pub fn parse(text: &str) -> Option<Duration> {
        let mut rest = text.trim();
        let mut total = Duration::ZERO;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let number: u64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let (unit_ms, length) =
                UNITS.iter().find(|(unit, _)| rest.starts_with(unit)).map(|(unit, ms)| (*ms, unit.len()))?;
            total = total.checked_add(Duration::from_millis(number.checked_mul(unit_ms)?))?;
            rest = &rest[length..];
        }
        Some(total)
    }

    /// The shortest text that [`parse`] reads back.
    pub fn print(duration: Duration) -> String {
        let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return "0s".to_owned();
        }
        let mut text = String::new();
        for (unit, unit_ms) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
            if millis >= unit_ms {
                text.push_str(&format!("{}{unit}", millis / unit_ms));
                millis %= unit_ms;
            }
        }
        text
    }

    /// "ms" before "m", so that the longer unit is tried first.
    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
}

/// For `#[serde(with = "sentinel_runtime::config::bytes")]` on a `u64`.
pub mod bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum NumberOrText {
        Number(u64),
        Text(String),
    }

    /// # Errors
    /// Text that is not a size.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        match NumberOrText::deserialize(deserializer)? {
            NumberOrText::Number(number) => Ok(number),
            NumberOrText::Text(text) => parse(&text).ok_or_else(|| {
                D::Error::custom(format!("{text:?} is not a size such as \"512KiB\", \"64MiB\" or \"2GiB\""))
            }),
        }
    }

    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&print(*bytes))
    }

    pub fn parse(text: &str) -> Option<u64> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().ok()?;
        let unit = text[digits..].trim();
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        number.checked_mul(*factor)
    }

    pub fn print(bytes: u64) -> String {
        let (name, factor) = UNITS
            .iter()
            .rev()
            .find(|(name, factor)| name.len() == 3 && bytes >= *factor && bytes.is_multiple_of(*factor))
            .unwrap_or(&("B", 1));
        format!("{}{name}", bytes / factor)
    }

    const UNITS: [(&str, u64); 8] = [
        ("", 1),
        ("B", 1),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{bytes, duration};

    #[test]
    fn reads_durations_and_sizes() {
        assert_eq!(duration::parse("1h30m"), Some(Duration::from_secs(5_400)));
        assert_eq!(duration::parse("250ms"), Some(Duration::from_millis(250)));
        for wrong in ["", "5", "s", "-1s", "1x", "99999999999999999999s"] {
            assert_eq!(duration::parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(bytes::parse("64MiB"), Some(64 << 20));
        assert_eq!(bytes::parse("12"), Some(12));
        assert_eq!(bytes::parse("12 XB"), None);
    }

    proptest! {
        #[test]
        fn reads_what_it_prints(millis in 0u64..100_000_000_000, size in 0u64..u64::MAX / 2) {
            let span = Duration::from_millis(millis);
            prop_assert_eq!(duration::parse(&duration::print(span)), Some(span));
            prop_assert_eq!(bytes::parse(&bytes::print(size)), Some(size));
        }
    }
}
