//! Flux from typed values. Text of others comes into a query as a string literal, written by one function,
//! or as an expression of a small safe language, written anew.

use std::fmt::{self, Write as _};

use sentinel_model::{LabelMatcher, MatchOp, Selector, Timestamp};

use super::pattern::translated;
use super::text::{MEASUREMENT, column, stored};
use crate::TimeRange;

/// The instants that InfluxDB can hold, which counts nanoseconds in 64 bits.
pub(crate) const FIRST: Timestamp = Timestamp::from_millis(-9_223_372_036_854);
pub(crate) const LAST: Timestamp = Timestamp::from_millis(9_223_372_036_854);

/// Calls, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Flux(String);

/// A condition that the storage evaluates by its index: `column operator literal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Predicate {
    Equal(String, String),
    NotEqual(String, String),
    /// The expression is safe: it comes from [`translated`].
    Matches(String, String),
    NotMatches(String, String),
    Any(Vec<Self>),
}

/// A string literal.
struct Text<'a>(&'a str);

/// A list of string literals.
struct List<'a, S>(&'a [S]);

// === impl Flux ===

impl Flux {
    pub(crate) fn from(bucket: impl AsRef<str>) -> Self {
        Self(format!("from(bucket: {})", Text(bucket.as_ref())))
    }

    fn call(mut self, call: fmt::Arguments<'_>) -> Self {
        self.0.write_str("\n |> ").and_then(|()| self.0.write_fmt(call)).expect("text takes all");
        self
    }

    pub(crate) fn range(self, range: TimeRange) -> Self {
        let start = range.start.clamp(FIRST, LAST).as_millis();
        // What lies wholly before the first instant would be an empty range, which the server refuses.
        let end = range.end.clamp(FIRST, LAST).as_millis().max(start.saturating_add(1));
        self.call(format_args!("range(start: time(v: {start}000000), stop: time(v: {end}000000))"))
    }

    pub(crate) fn ever(self) -> Self {
        self.range(TimeRange { start: FIRST, end: LAST })
    }

    /// All of the conditions.
    pub(crate) fn filter(self, predicates: Vec<Predicate>) -> Self {
        let mut all = String::new();
        for (n, predicate) in predicates.iter().enumerate() {
            let and = if n == 0 { "" } else { " and " };
            write!(all, "{and}{predicate}").expect("text takes all");
        }
        if all.is_empty() { self } else { self.call(format_args!("filter(fn: (r) => {all})")) }
    }

    pub(crate) fn last(self) -> Self {
        self.call(format_args!("last()"))
    }

    pub(crate) fn first(self) -> Self {
        self.call(format_args!("first()"))
    }

    pub(crate) fn count(self) -> Self {
        self.call(format_args!("count()"))
    }

    pub(crate) fn sum(self) -> Self {
        self.call(format_args!("sum()"))
    }

    pub(crate) fn group(self, columns: &[&str]) -> Self {
        self.call(format_args!("group(columns: {})", List(columns)))
    }

    pub(crate) fn keep(self, columns: &[&str]) -> Self {
        self.call(format_args!("keep(columns: {})", List(columns)))
    }

    pub(crate) fn drop<S: AsRef<str>>(self, columns: &[S]) -> Self {
        self.call(format_args!("drop(columns: {})", List(columns)))
    }

    pub(crate) fn distinct(self, column: &str) -> Self {
        self.call(format_args!("distinct(column: {})", Text(column)))
    }

    pub(crate) fn keys(self) -> Self {
        self.call(format_args!("keys()")).keep(&["_value"]).distinct("_value")
    }

    pub(crate) fn bottom(self, column: &str) -> Self {
        self.call(format_args!("bottom(n: 1, columns: {})", List(&[column])))
    }

    pub(crate) fn limit(self, n: usize) -> Self {
        self.call(format_args!("limit(n: {})", i64::try_from(n).unwrap_or(i64::MAX)))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

// === impl Predicate ===

impl Predicate {
    pub(crate) fn measurement(name: &str) -> Self {
        Self::Equal(MEASUREMENT.to_owned(), name.to_owned())
    }

    pub(crate) fn field(name: &str) -> Self {
        Self::Equal("_field".to_owned(), name.to_owned())
    }

    pub(crate) fn fields<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self::Any(names.map(Self::field).collect())
    }
}

/// A selector as the server evaluates it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pushed {
    pub(crate) predicates: Vec<Predicate>,
    /// Whether the server chooses exactly the series of the selector. If not, it chooses more.
    pub(crate) is_exact: bool,
}

impl Pushed {
    pub(crate) fn of(selector: &Selector) -> Self {
        let mut pushed = Self { predicates: Vec::new(), is_exact: true };
        for matcher in selector.matchers() {
            let (predicate, is_exact) = push(matcher);
            pushed.is_exact &= is_exact;
            pushed.predicates.extend(predicate);
        }
        pushed
    }
}

/// A condition that holds for every series that the matcher chooses, and whether for no other one.
///
/// Matchers that choose series without the label stay with us: for the server, what is absent compares
/// with nothing.
fn push(matcher: &LabelMatcher) -> (Option<Predicate>, bool) {
    let (name, value) = (column(matcher.name()), stored(matcher.name(), matcher.value()));
    if matcher.accepts("") {
        return (None, false);
    }
    match matcher.op() {
        MatchOp::Equal => (Some(Predicate::Equal(name, value)), true),
        // Of what is refused here only `!= ""` comes so far.
        MatchOp::NotEqual => (Some(Predicate::NotEqual(name, String::new())), matcher.value().is_empty()),
        MatchOp::Regex | MatchOp::NotRegex => {
            let Some(pattern) = translated(matcher.value()) else {
                return (Some(Predicate::NotEqual(name, String::new())), false);
            };
            // Values with codes are not what the expression is about; we look at them ourselves.
            let coded = Predicate::Matches(name.clone(), "%".to_owned());
            let chosen = match matcher.op() {
                MatchOp::Regex => Predicate::Matches(name, pattern),
                _ => Predicate::NotMatches(name, pattern),
            };
            (Some(Predicate::Any(vec![chosen, coded])), false)
        }
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(column, value) => write!(f, "r[{}] == {}", Text(column), Text(value)),
            Self::NotEqual(column, value) => write!(f, "r[{}] != {}", Text(column), Text(value)),
            Self::Matches(column, pattern) => write!(f, "r[{}] =~ /{pattern}/", Text(column)),
            Self::NotMatches(column, pattern) => write!(f, "r[{}] !~ /{pattern}/", Text(column)),
            Self::Any(predicates) => {
                for (n, predicate) in predicates.iter().enumerate() {
                    write!(f, "{}{predicate}", if n == 0 { "(" } else { " or " })?;
                }
                f.write_str(")")
            }
        }
    }
}

/// Nothing but the characters themselves can come out of it: whatever means something in a literal goes by
/// its bytes. (Escapes by a backslash would not do: after a `$` Flux takes one for itself.)
impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\' | '$') || c.is_control() {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    write!(f, "\\x{byte:02x}")?;
                }
            } else {
                f.write_char(c)?;
            }
        }
        f.write_char('"')
    }
}

impl<S: AsRef<str>> fmt::Display for List<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, text) in self.0.iter().enumerate() {
            write!(f, "{}{}", if n == 0 { "[" } else { ", " }, Text(text.as_ref()))?;
        }
        f.write_str(if self.0.is_empty() { "[]" } else { "]" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(selector: &str) -> (String, bool) {
        let pushed = Pushed::of(&Selector::parse(selector).expect("a selector"));
        let predicates: Vec<String> = pushed.predicates.iter().map(ToString::to_string).collect();
        (predicates.join(" and "), pushed.is_exact)
    }

    #[test]
    fn writes_calls_one_below_the_other() {
        let range = TimeRange { start: Timestamp::from_secs(1), end: Timestamp::from_secs(2) };
        let flux = Flux::from("b_10s").range(range).filter(vec![Predicate::field("last")]).last().limit(5);
        assert_eq!(
            flux.text(),
            "from(bucket: \"b_10s\")\n |> range(start: time(v: 1000000000), stop: time(v: 2000000000))\n \
             |> filter(fn: (r) => r[\"_field\"] == \"last\")\n |> last()\n |> limit(n: 5)"
        );
    }

    #[test]
    fn holds_times_to_what_the_server_can_count() {
        let all = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };
        let text = Flux::from("b").range(all).0;
        assert!(
            text.contains("v: -9223372036854000000)") && text.contains("v: 9223372036854000000)"),
            "{text}"
        );
        let none = TimeRange { start: Timestamp::MAX, end: Timestamp::MAX };
        assert!(Flux::from("b").range(none).0.contains("9223372036855"), "after the last");
    }

    #[test]
    fn escapes_all_that_is_not_a_plain_character() {
        assert_eq!(Text("a\"b\\c${d}\n\0é").to_string(), r#""a\x22b\x5cc\x24{d}\x0a\x00é""#);
    }

    #[test]
    fn pushes_what_the_server_can_decide() {
        assert_eq!(pushed(r#"up{a="b"}"#), (r#"r["_measurement"] == "up" and r["a"] == "b""#.into(), true));
        assert_eq!(pushed(r#"{a!=""}"#), (r#"r["a"] != """#.into(), true));
        assert_eq!(pushed(r#"{a!="b"}"#), (String::new(), false), "chooses series without the label");
        assert_eq!(pushed(r#"{_field="x y"}"#), (r#"r["%5Ffield"] == "x y""#.into(), true));
        let (text, is_exact) = pushed(r#"{a=~"b.*"}"#);
        assert_eq!((text.as_str(), is_exact), (r#"(r["a"] =~ /^(?s:b.*)$/ or r["a"] =~ /%/)"#, false));
        let (text, is_exact) = pushed(r#"{a=~"\\w+"}"#);
        assert_eq!((text.as_str(), is_exact), (r#"r["a"] != """#, false), "not the same in both languages");
    }
}
