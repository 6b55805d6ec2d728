//! Secrets in log lines are masked before a line leaves this role. Fails closed: what looks like a secret
//! is masked, even if it is none.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};

#[cfg(test)]
mod tests;

/// What stands in place of a secret.
pub const MASK: &str = "[redacted]";

/// A private key has at most so many lines; a key that never ends does not silence its source.
const KEY_LINES: u32 = 128;

/// Lines of one source, in order: a private key may go over several of them. Cheap to create.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    /// Lines left of a private key whose end has not come.
    key_lines_left: u32,
}

struct Rule {
    pattern: &'static str,
    mask: fn(&Captures<'_>) -> String,
}

/// Tried in this order on every line that they match.
const RULES: [Rule; 9] = [
    // A private key within one record.
    Rule {
        pattern: r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
        mask: |_| MASK.to_owned(),
    },
    // user:password@ in a URL.
    Rule {
        pattern: r#"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/:@"']*:[^\s/@"']+@"#,
        mask: |found| format!("{}{MASK}@", &found[1]),
    },
    // Authorization: Bearer … and Basic …
    Rule {
        pattern: r"(?i)\b(bearer|basic)(\s+|%20)[a-z0-9._~+/=-]{8,}",
        mask: |found| format!("{}{}{MASK}", &found[1], &found[2]),
    },
    // JSON Web Tokens.
    Rule {
        pattern: r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?",
        mask: |_| MASK.to_owned(),
    },
    // password=…, "api_key": "…", PGPASSWORD=…
    Rule {
        pattern: concat!(
            r#"(?i)([\w.-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|credentials?|api[_-]?key|apikey"#,
            r#"|access[_-]?key(?:[_-]?id)?|private[_-]?key|secret[_-]?key|auth[_-]?key)(?:\\?["'])?\s*(?:=|:)\s*)"#,
            r#"(\[redacted\]|\\"(?:[^"\\]|\\[^"])*\\"|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&"']+)"#,
        ),
        mask: |found| {
            let quote = found[2]
                .chars()
                .find(|c| matches!(c, '"' | '\''))
                .filter(|_| found[2].starts_with(['"', '\'', '\\']));
            match quote {
                Some(quote) if found[2].starts_with('\\') => format!("{}\\{quote}{MASK}\\{quote}", &found[1]),
                Some(quote) => format!("{}{quote}{MASK}{quote}", &found[1]),
                None => format!("{}{MASK}", &found[1]),
            }
        },
    },
    // Access keys of AWS.
    Rule {
        pattern: r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{16}\b",
        mask: |_| MASK.to_owned(),
    },
    // Keys of Stripe, OpenAI, GitHub, GitLab, Slack, Google.
    Rule {
        pattern: concat!(
            r"\b(?:[spr]k_(?:live|test)_[A-Za-z0-9]{6,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}",
            r"|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,}|xox[abeoprs]-[A-Za-z0-9-]{10,}",
            r"|AIza[A-Za-z0-9_-]{35})",
        ),
        mask: |_| MASK.to_owned(),
    },
    // Addresses of e-mail.
    Rule {
        pattern: r"[A-Za-z0-9._%+-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}\b",
        mask: |_| MASK.to_owned(),
    },
    // Numbers of payment cards: sixteen digits that begin as theirs do and whose last one checks the others.
    Rule {
        pattern: r"\b[2-6]\d{3}([ -]?)\d{4}[ -]?\d{4}[ -]?\d{4}\b",
        mask: |found| if is_card(&found[0]) { MASK.to_owned() } else { found[0].to_owned() },
    },
];

/// A line without the ends of words that secrets have passes in one scan.
static ANY: LazyLock<RegexSet> =
    LazyLock::new(|| RegexSet::new(RULES.iter().map(|rule| rule.pattern)).expect("the patterns are tested"));
static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    RULES.iter().map(|rule| Regex::new(rule.pattern).expect("the patterns are tested")).collect()
});
static KEY_BEGIN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----").expect("the pattern is tested")
});
static KEY_END: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----").expect("the pattern is tested")
});

impl Redactor {
    /// The line with its secrets masked; borrowed if it has none.
    pub fn redact<'a>(&mut self, line: &'a str) -> Cow<'a, str> {
        if self.key_lines_left > 0 {
            return self.inside_key(line);
        }
        let matches = ANY.matches(line);
        if !matches.matched_any() {
            return Cow::Borrowed(line);
        }
        if matches.matched(0) && opens_key(line) {
            self.key_lines_left = KEY_LINES;
        }
        let mut masked = Cow::Borrowed(line);
        for rule in matches.iter() {
            if let Cow::Owned(text) = PATTERNS[rule].replace_all(&masked, RULES[rule].mask) {
                masked = Cow::Owned(text);
            }
        }
        if *masked == *line { Cow::Borrowed(line) } else { masked }
    }

    fn inside_key<'a>(&mut self, line: &'a str) -> Cow<'a, str> {
        self.key_lines_left -= 1;
        match KEY_END.find(line) {
            Some(end) => {
                self.key_lines_left = 0;
                let rest = self.redact(&line[end.end()..]).into_owned();
                Cow::Owned(format!("{MASK}{rest}"))
            }
            None => Cow::Owned(MASK.to_owned()),
        }
    }
}

/// The last private key of the line begins and does not end.
fn opens_key(line: &str) -> bool {
    let last_begin = KEY_BEGIN.find_iter(line).last();
    last_begin.is_some_and(|begin| !KEY_END.is_match(&line[begin.end()..]))
}

/// By H. P. Luhn's checksum (US patent 2,950,048).
fn is_card(text: &str) -> bool {
    let digits = text.bytes().rev().filter(u8::is_ascii_digit).map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(i, digit)| if i % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    sum.is_multiple_of(10)
}
