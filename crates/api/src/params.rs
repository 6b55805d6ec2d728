//! Query parameters: decoded strictly, read by name and type, refused with the name of what is wrong.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use sentinel_runtime::config::duration;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::ApiError;

mod spec;

pub use spec::*;

/// Longest value of one parameter: as long as the longest selector that is parsed.
const MAX_VALUE_BYTES: usize = 16 * 1024;

/// More parameters than this are refused.
const MAX_PARAMETERS: usize = 200;

/// Parameters that a route reads.
pub trait FromQuery: Sized {
    /// # Errors
    /// The first parameter that is not usable.
    fn from_query(query: &QueryMap) -> Result<Self, ApiError>;
}

/// The decoded parameters of one request, in their order.
#[derive(Clone, Debug, Default)]
pub struct QueryMap {
    path: String,
    pairs: Vec<(String, String)>,
}

/// Parameters that move through an answer without changing the question.
const PAGING: [&str; 3] = ["limit", "page_token", "tail"];

/// Extracts documented query parameters.
#[derive(Debug)]
pub struct Params<T>(pub T);

// === impl QueryMap ===

impl QueryMap {
    /// # Errors
    /// Text that is not percent-encoded UTF-8, control characters, too much of it.
    pub fn parse(path: &str, raw: &str) -> Result<Self, ApiError> {
        let mut pairs = Vec::new();
        for part in raw.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decode(name).ok_or_else(|| ApiError::parameter("query", "is not valid UTF-8"))?;
            let value = decode(value).ok_or_else(|| ApiError::parameter(&name, "is not valid UTF-8"))?;
            if value.len() > MAX_VALUE_BYTES {
                return Err(ApiError::parameter(
                    &name,
                    format!("has {} bytes, more than {MAX_VALUE_BYTES}", value.len()),
                ));
            }
            if value.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
                return Err(ApiError::parameter(&name, "holds control characters"));
            }
            pairs.push((name, value));
            if pairs.len() > MAX_PARAMETERS {
                return Err(ApiError::parameter(
                    "query",
                    format!("has more than {MAX_PARAMETERS} parameters"),
                ));
            }
        }
        Ok(Self { path: path.to_owned(), pairs })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    /// A number for the question: path and parameters, in any order.
    pub fn fingerprint(&self) -> u64 {
        xxh3_64(format!("{}?{}", self.path, self.question(&PAGING)).as_bytes())
    }

    /// All parameters but those named, in any order the same.
    pub(crate) fn question(&self, without: &[&str]) -> String {
        let is_asked = |pair: &&(String, String)| !without.contains(&pair.0.as_str());
        let mut asked: Vec<_> = self.pairs.iter().filter(is_asked).collect();
        asked.sort();
        format!("{asked:?}")
    }

    /// Absent and empty are the same.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(ApiError::parameter(name, "is given more than once"));
        }
        Ok(first.map(str::to_owned))
    }

    /// Words and phrases to search for.
    pub(crate) fn search(&self, name: &str) -> Result<Option<String>, ApiError> {
        self.text(name)?.map(|text| search_text(name, text)).transpose()
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, ApiError> {
        Ok(self.values(name).map(str::to_owned).collect())
    }

    pub(crate) fn required(&self, name: &str) -> Result<String, ApiError> {
        self.text(name)?.ok_or_else(|| ApiError::parameter(name, "is missing"))
    }

    pub(crate) fn number(
        &self,
        name: &str,
        range: RangeInclusive<u32>,
        default: u32,
    ) -> Result<u32, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(default) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(ApiError::parameter(
                name,
                format!("must be a whole number from {} to {}", range.start(), range.end()),
            )),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        Ok(self.one_of(name, &["true", "false"])?.map(|flag| flag == "true"))
    }

    pub(crate) fn one_of(
        &self,
        name: &str,
        allowed: &[&'static str],
    ) -> Result<Option<&'static str>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        pick(name, &text, allowed).map(Some)
    }

    pub(crate) fn many_of(&self, name: &str, allowed: &[&'static str]) -> Result<Vec<String>, ApiError> {
        self.values(name).map(|text| pick(name, text, allowed).map(str::to_owned)).collect()
    }

    pub(crate) fn duration(&self, name: &str) -> Result<Option<Duration>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        match duration::parse(&text) {
            Some(duration) if !duration.is_zero() => Ok(Some(duration)),
            _ => Err(ApiError::parameter(name, "must be a span of time such as 10s, 5m or 1h30m")),
        }
    }

    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error: T::Err| ApiError::parameter(name, error.to_string()))
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(n, value)| n == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

/// Search text whose quotes are closed: what follows an open one would be searched for as one phrase, which
/// is hardly ever what is meant.
///
/// # Errors
/// A quoted phrase that does not end.
pub fn search_text(field: &str, text: String) -> Result<String, ApiError> {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let part = rest.strip_prefix('-').filter(|part| !part.is_empty()).unwrap_or(rest);
        rest = match part.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((_, after)) => after,
                None => {
                    let message = "has a quote that is not closed";
                    return Err(ApiError::Search { field: field.to_owned(), message });
                }
            },
            None => part.split_once(char::is_whitespace).map_or("", |(_, after)| after),
        }
        .trim_start();
    }
    Ok(text)
}

fn pick(name: &str, text: &str, allowed: &[&'static str]) -> Result<&'static str, ApiError> {
    allowed
        .iter()
        .find(|candidate| **candidate == text)
        .copied()
        .ok_or_else(|| ApiError::parameter(name, format!("must be one of {}", allowed.join(", "))))
}

/// Undoes `+` and `%xx`; `None` when the result is not UTF-8 or an escape is broken.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                let digits = std::str::from_utf8(digits).ok().filter(|d| !d.starts_with('+'))?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = tail;
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

// === impl Params ===

impl<S: Sync, T: FromQuery> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = QueryMap::parse(parts.uri.path(), parts.uri.query().unwrap_or_default())?;
        T::from_query(&query).map(Self)
    }
}

macro_rules! from_query_for_tuples {
    ($(($($part:ident),+)),+) => {$(
        impl<$($part: FromQuery),+> FromQuery for ($($part,)+) {
            fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
                Ok(($($part::from_query(query)?,)+))
            }
        }
    )+};
}

from_query_for_tuples!((A, B), (A, B, C), (A, B, C, D), (A, B, C, D, E));

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decodes_escapes_and_keeps_repeated_names() {
        let query = QueryMap::parse("/", "namespace=a%20b&namespace=c+d&q=%C3%A4").expect("a valid query");
        assert_eq!(query.texts("namespace").expect("texts"), ["a b", "c d"]);
        assert_eq!(query.text("q").expect("one").as_deref(), Some("ä"));
        assert!(query.text("namespace").is_err(), "a single value given twice");
    }

    #[test]
    fn phrases_must_end() {
        for text in ["", "a b", r#""a b""#, r#"-"a b" c"#, r#"5" pipe"#, "-", r#""""#] {
            assert!(search_text("q", text.to_owned()).is_ok(), "{text}");
        }
        for text in [r#"""#, r#""a b"#, r#"-"a"#, r#"a "b"#, r#""a" "b c"#] {
            let error = search_text("q", text.to_owned()).expect_err(text);
            assert_eq!(error.to_string(), "q has a quote that is not closed");
        }
    }

    #[test]
    fn refuses_what_is_not_text() {
        for raw in ["q=%ff", "q=%0", "q=%zz", "q=%+1", "q=%00", "q=%1b[0m", "%ff=1"] {
            assert!(QueryMap::parse("/", raw).is_err(), "{raw}");
        }
        assert!(QueryMap::parse("/", &format!("q={}", "x".repeat(MAX_VALUE_BYTES + 1))).is_err());
        assert!(QueryMap::parse("/", &"a=1&".repeat(MAX_PARAMETERS + 1)).is_err());
    }

    #[test]
    fn numbers_stay_in_their_range() {
        for text in ["-1", "0", "5001", "1000000000", "1e3", "18446744073709551616", "ten", "-0"] {
            let query = QueryMap::parse("/", &format!("limit={text}")).expect("a valid query");
            assert!(query.number("limit", 1..=5_000, 100).is_err(), "{text}");
        }
        assert_eq!(QueryMap::default().number("limit", 1..=5_000, 100).expect("the default"), 100);
    }

    proptest! {
        #[test]
        fn never_panics(raw in "\\PC{0,60}") {
            let _ = QueryMap::parse("/", &raw);
            let _ = search_text("q", raw);
        }
    }
}
