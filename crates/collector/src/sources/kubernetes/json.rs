//! Reading of JSON that other programs wrote: a field that is missing or of another type is absent,
//! never an error.

use std::collections::BTreeMap;

use sentinel_model::Timestamp;
use serde_json::Value;

/// The value at a path of keys separated by dots (keys with dots in them cannot be reached this way).
pub(super) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// Text at a path; empty when absent.
pub(super) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn owned(value: &Value, path: &str) -> String {
    text(value, path).to_owned()
}

pub(super) fn flag(value: &Value, path: &str) -> bool {
    at(value, path).and_then(Value::as_bool).unwrap_or_default()
}

pub(super) fn integer(value: &Value, path: &str) -> Option<i64> {
    at(value, path).and_then(Value::as_i64)
}

/// A count that cannot be negative; 0 when absent.
pub(super) fn count(value: &Value, path: &str) -> u32 {
    integer(value, path).map_or(0, clamp_count)
}

pub(super) fn clamp_count(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

pub(super) fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Key-value pairs at a path, in order of key; values that are not text are left out.
pub(super) fn pairs<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    at(value, path)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}

pub(super) fn map(value: &Value, path: &str) -> BTreeMap<String, String> {
    pairs(value, path).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// RFC 3339 at a path.
pub(super) fn time(value: &Value, path: &str) -> Option<Timestamp> {
    parse_time(text(value, path))
}

/// RFC 3339 with any fraction and offset.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(instant.as_millisecond()))
}

/// RFC 3339 in nanoseconds, for log lines.
pub(super) fn parse_nanos(text: &str) -> Option<i64> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(instant.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn treats_missing_null_and_ill_typed_fields_as_absent() {
        let value = json!({"a": {"b": 1, "n": null, "m": {"x": "1", "y": 2}}});
        assert_eq!(at(&value, "a.b"), Some(&json!(1)));
        assert_eq!(at(&value, "a.n"), None);
        assert_eq!(text(&value, "a.b"), "");
        assert_eq!(text(&value, "a.b.c"), "");
        assert_eq!(list(&value, "a"), &[] as &[Value]);
        assert_eq!(pairs(&value, "a.m").collect::<Vec<_>>(), [("x", "1")]);
        assert!(!flag(&value, "a.b"));
    }

    #[test]
    fn clamps_counts_to_what_a_count_can_be() {
        let value = json!({"less": -3, "more": 1_i64 << 40, "fine": 7});
        assert_eq!((count(&value, "less"), count(&value, "fine")), (0, 7));
        assert_eq!(count(&value, "more"), u32::MAX);
    }

    #[test]
    fn reads_times_with_fractions_and_offsets() {
        let expected = Some(Timestamp::from_millis(1_762_283_334_500));
        assert_eq!(parse_time("2025-11-04T19:08:54.5Z"), expected);
        assert_eq!(parse_time("2025-11-04T20:08:54.500000+01:00"), expected);
        assert_eq!(parse_nanos("2025-11-04T19:08:54.123456789Z"), Some(1_762_283_334_123_456_789));
        assert_eq!(parse_time("yesterday"), None);
        assert_eq!(parse_time(""), None);
    }
}
