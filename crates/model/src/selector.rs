//! Choosing series by their labels, written `name{label="value",other=~"re.*"}`.

use std::fmt;

use regex::Regex;

use crate::{Labels, METRIC_NAME};

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    Equal,
    NotEqual,
    /// Fully anchored regular expression.
    Regex,
    NotRegex,
}

impl MatchOp {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// `name op value`, ready to use. A label that a series does not have counts as the empty string.
#[derive(Clone, Debug)]
pub struct LabelMatcher {
    name: String,
    op: MatchOp,
    value: String,
    regex: Option<Regex>,
}

/// All of its matchers must hold. No matcher at all: every series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    matchers: Vec<LabelMatcher>,
}

/// Compiled expressions larger than this are refused: a bound on memory, as in the regex crate's own
/// advice for expressions that strangers write.
const REGEX_BYTES: usize = 256 * 1024;

/// Longest selector text that is parsed.
const TEXT_BYTES: usize = 16 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum SelectorError {
    #[error("expected {expected} at byte {at} of the selector {text:?}")]
    Syntax { expected: &'static str, at: usize, text: String },
    #[error("the expression {expression:?} of label {label:?} is not usable: {source}")]
    Regex { label: String, expression: String, source: Box<regex::Error> },
    #[error("the selector has {bytes} bytes, more than {TEXT_BYTES}")]
    TooLong { bytes: usize },
}

// === impl LabelMatcher ===

impl LabelMatcher {
    /// # Errors
    /// An expression that does not compile or is too large.
    pub fn new(
        name: impl Into<String>,
        op: MatchOp,
        value: impl Into<String>,
    ) -> Result<Self, SelectorError> {
        let (name, value) = (name.into(), value.into());
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(
                regex::RegexBuilder::new(&format!("^(?s:{value})$"))
                    .size_limit(REGEX_BYTES)
                    .build()
                    .map_err(|source| SelectorError::Regex {
                        label: name.clone(),
                        expression: value.clone(),
                        source: Box::new(source),
                    })?,
            ),
        };
        Ok(Self { name, op, value, regex })
    }

    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub const fn op(&self) -> MatchOp {
        self.op
    }

    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label of this value (empty: absent) is chosen.
    pub fn accepts(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::Equal, _) => value == self.value,
            (MatchOp::NotEqual, _) => value != self.value,
            (MatchOp::Regex, Some(regex)) => regex.is_match(value),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            (MatchOp::Regex | MatchOp::NotRegex, None) => false,
        }
    }
}

impl PartialEq for LabelMatcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

impl Eq for LabelMatcher {}

impl fmt::Display for LabelMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}\"", self.name, self.op.as_str())?;
        for c in self.value.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

// === impl Selector ===

impl Selector {
    pub fn new(matchers: Vec<LabelMatcher>) -> Self {
        Self { matchers }
    }

    /// The series of one metric.
    pub fn metric(name: impl Into<String>) -> Self {
        Self::new(vec![LabelMatcher::equal(METRIC_NAME, name)])
    }

    #[must_use]
    pub fn and(mut self, matcher: LabelMatcher) -> Self {
        self.matchers.push(matcher);
        self
    }

    pub fn matchers(&self) -> &[LabelMatcher] {
        &self.matchers
    }

    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.accepts(labels.get(&matcher.name).unwrap_or_default()))
    }

    /// The metric's name, if the selector demands one.
    pub fn metric_name(&self) -> Option<&str> {
        self.matchers
            .iter()
            .find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal)
            .map(|m| m.value.as_str())
    }

    /// Reads `name`, `{a="b"}` or `name{a="b",c!="d",e=~"f",g!~"h"}`.
    ///
    /// # Errors
    /// Says what was expected and where.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.len() > TEXT_BYTES {
            return Err(SelectorError::TooLong { bytes: text.len() });
        }
        Parser { text, at: 0 }.selector()
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, matcher) in self.matchers.iter().enumerate() {
            write!(f, "{}{matcher}", if i == 0 { "" } else { "," })?;
        }
        f.write_str("}")
    }
}

// === impl Parser ===

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn selector(mut self) -> Result<Selector, SelectorError> {
        let mut matchers = Vec::new();
        self.skip_space();
        let name = self.name(true);
        if !name.is_empty() {
            matchers.push(LabelMatcher::equal(METRIC_NAME, name));
        }
        self.skip_space();
        if self.eat("{") {
            self.skip_space();
            while !self.eat("}") {
                matchers.push(self.matcher()?);
                self.skip_space();
                if !self.eat(",") && !self.text[self.at..].starts_with('}') {
                    return self.expected("',' or '}'");
                }
                self.skip_space();
            }
            self.skip_space();
        }
        if self.at < self.text.len() {
            return self.expected("the end");
        }
        Ok(Selector { matchers })
    }

    fn matcher(&mut self) -> Result<LabelMatcher, SelectorError> {
        let name =
            if self.text[self.at..].starts_with('"') { self.quoted()? } else { self.name(false).to_owned() };
        if name.is_empty() {
            return self.expected("a label name");
        }
        self.skip_space();
        let op = if self.eat("=~") {
            MatchOp::Regex
        } else if self.eat("!~") {
            MatchOp::NotRegex
        } else if self.eat("!=") {
            MatchOp::NotEqual
        } else if self.eat("=") {
            MatchOp::Equal
        } else {
            return self.expected("=, !=, =~ or !~");
        };
        self.skip_space();
        let value = self.quoted()?;
        LabelMatcher::new(name, op, value)
    }

    fn quoted(&mut self) -> Result<String, SelectorError> {
        if !self.eat("\"") {
            return self.expected("a value in double quotes");
        }
        let mut value = String::new();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += i + 1;
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, c @ ('"' | '\\'))) => value.push(c),
                    // Unknown escapes stay as written, so that `\d` and `\.` work in expressions.
                    Some((_, c)) => value.extend(['\\', c]),
                    None => break,
                },
                c => value.push(c),
            }
        }
        self.at = self.text.len();
        self.expected("a closing double quote")
    }

    fn name(&mut self, colon: bool) -> &'a str {
        let rest = &self.text[self.at..];
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colon && c == ':');
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let name = &rest[..length];
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return "";
        }
        self.at += length;
        name
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.text[self.at..].starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn expected<T>(&self, expected: &'static str) -> Result<T, SelectorError> {
        Err(SelectorError::Syntax { expected, at: self.at, text: self.text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied()).expect("unique names")
    }

    fn selects(selector: &str, pairs: &[(&str, &str)]) -> bool {
        Selector::parse(selector).expect("a valid selector").matches(&labels(pairs))
    }

    #[test]
    fn matches_by_each_operator() {
        let up = [(METRIC_NAME, "up"), ("job", "node")];
        assert!(selects("up", &up));
        assert!(selects(r#"up{job="node"}"#, &up));
        assert!(selects(r#"{job!="web"}"#, &up));
        assert!(selects(r#"{job=~"no.e",}"#, &up));
        assert!(!selects(r#"{job=~"no"}"#, &up), "expressions are anchored");
        assert!(selects(r#"{job!~"w.*"}"#, &up));
        assert!(selects(r#"{pod=""}"#, &up), "an absent label counts as empty");
        assert!(selects("", &up));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let message = |text: &str| Selector::parse(text).expect_err("an invalid selector").to_string();
        assert_eq!(message("up{job}"), r#"expected =, !=, =~ or !~ at byte 6 of the selector "up{job}""#);
        assert!(message(r#"up{job="a"#).starts_with("expected a closing double quote"));
        assert!(message(r#"{a=~"("}"#).contains("is not usable"));
        assert!(message("up job").starts_with("expected the end"));
        assert!(message(&"x".repeat(TEXT_BYTES + 1)).contains("more than"));
    }

    #[test]
    fn refuses_an_expression_that_would_take_much_memory() {
        assert!(LabelMatcher::new("a", MatchOp::Regex, "(a{1000}){1000}").is_err());
    }

    proptest! {
        #[test]
        fn reads_what_it_prints(name in "[a-z_]{1,8}", value in "\\PC{0,16}") {
            let selector = Selector::new(vec![LabelMatcher::equal(name, value)]);
            // A backslash before another character is kept by the reader, so compare what is printed.
            let again = Selector::parse(&selector.to_string()).expect("its own output");
            prop_assert_eq!(again, selector);
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = Selector::parse(&text);
        }
    }
}
