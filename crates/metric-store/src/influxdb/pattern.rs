//! Regular expressions of selectors in the server's language, as far as both mean the same.

/// More is not sent.
const MAX_BYTES: usize = 4_096;
/// Of Go's engine.
const MAX_REPEAT: u32 = 1_000;

/// The anchored expression, without backslashes and slashes of others, so that it can stand between slashes.
/// `None`: something in it might mean another thing to the server, or nothing.
pub(crate) fn translated(pattern: &str) -> Option<String> {
    if pattern.len() > MAX_BYTES {
        return None;
    }
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    let mut state = State { can_repeat: false, has_counted: false };
    while let Some(c) = chars.next() {
        match c {
            '*' | '+' | '?' => {
                state.repeat()?;
                out.push(c);
                // Lazy or not, it matches the same texts.
                chars.next_if_eq(&'?');
            }
            '{' => {
                state.repeat()?;
                // The product of nested counts is bounded there.
                if std::mem::replace(&mut state.has_counted, true) {
                    return None;
                }
                counted(&mut chars, &mut out)?;
                chars.next_if_eq(&'?');
            }
            '[' => {
                class(&mut chars, &mut out)?;
                state.can_repeat = true;
            }
            '(' => {
                if chars.next_if_eq(&'?').is_some() && chars.next() != Some(':') {
                    return None;
                }
                out.push_str("(?:");
                state.can_repeat = false;
            }
            '|' => {
                out.push('|');
                state.can_repeat = false;
            }
            ')' | '.' => {
                out.push(c);
                state.can_repeat = true;
            }
            '^' | '$' | ']' | '}' => return None,
            '\\' => {
                escape(chars.next()?, &mut out)?;
                state.can_repeat = true;
            }
            c => {
                literal(c, &mut out)?;
                state.can_repeat = true;
            }
        }
    }
    Some(format!("^(?s:{out})$"))
}

struct State {
    /// Whether there is something before that may be repeated, once.
    can_repeat: bool,
    has_counted: bool,
}

impl State {
    fn repeat(&mut self) -> Option<()> {
        std::mem::replace(&mut self.can_repeat, false).then_some(())
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// `m}`, `m,}` or `m,n}`.
fn counted(chars: &mut Chars<'_>, out: &mut String) -> Option<()> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '}' => break,
            c if c.is_ascii_digit() || c == ',' => text.push(c),
            _ => return None,
        }
    }
    let (low, high) = text.split_once(',').unwrap_or((&text, ""));
    let is_count = |text: &str| text.parse::<u32>().is_ok_and(|count| count <= MAX_REPEAT);
    if !is_count(low) || (!high.is_empty() && !is_count(high)) {
        return None;
    }
    out.push('{');
    out.push_str(&text);
    out.push('}');
    Some(())
}

/// Characters and ranges of letters and digits.
fn class(chars: &mut Chars<'_>, out: &mut String) -> Option<()> {
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut n_items = 0;
    loop {
        let c = chars.next()?;
        match c {
            ']' if n_items > 0 => break,
            c if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | ' ' | ',' | '@') => {
                out.push(c);
                // A range, unless the hyphen is the last of the class.
                if chars.next_if_eq(&'-').is_some() {
                    match chars.peek()? {
                        ']' => out.push_str("\\x2d"),
                        end if c.is_ascii_alphanumeric() && end.is_ascii_alphanumeric() && *end >= c => {
                            out.push('-');
                            out.push(chars.next()?);
                        }
                        _ => return None,
                    }
                }
            }
            '-' if n_items == 0 => out.push_str("\\x2d"),
            '\\' => match chars.next()? {
                'd' => out.push_str("\\p{Nd}"),
                '.' => out.push('.'),
                '-' => out.push_str("\\x2d"),
                _ => return None,
            },
            _ => return None,
        }
        n_items += 1;
    }
    out.push(']');
    Some(())
}

/// After a backslash.
fn escape(c: char, out: &mut String) -> Option<()> {
    match c {
        'd' => out.push_str("\\p{Nd}"),
        '.' | '*' | '+' | '?' | '(' | ')' | '|' | '{' | '}' | '$' => {
            out.push('[');
            out.push(c);
            out.push(']');
        }
        '-' | '_' | ':' | '/' | ',' | '=' | '@' | '#' | '&' | '~' | '%' | ' ' => literal(c, out)?,
        _ => return None,
    }
    Some(())
}

fn literal(c: char, out: &mut String) -> Option<()> {
    match c {
        '/' => out.push_str("[\\x2f]"),
        c if c.is_control() => return None,
        c => out.push(c),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    fn of(pattern: &str) -> String {
        translated(pattern).unwrap_or_default()
    }

    #[test]
    fn writes_anew_what_both_languages_know() {
        assert_eq!(of("web-.*|db"), "^(?s:web-.*|db)$");
        assert_eq!(of(r"10\.0\.\d+"), r"^(?s:10[.]0[.]\p{Nd}+)$");
        assert_eq!(of("(a|b){2,3}?[a-z_-]+"), r"^(?s:(?:a|b){2,3}[a-z_\x2d]+)$");
        assert_eq!(of("/var/x"), r"^(?s:[\x2f]var[\x2f]x)$");
        assert_eq!(of(""), "^(?s:)$");
    }

    #[test]
    fn leaves_the_rest_to_us() {
        let patterns = [
            r"\w",
            r"\pL",
            r"\x41",
            "(?i)a",
            "(?P<n>a)",
            "a**",
            "*a",
            "a{2}{3}",
            "a{1001}",
            "[a&&b]",
            "[[:alpha:]]",
            "[^/]",
            r"a\\",
            r"a\",
            "a\n",
            "^a",
            "a$",
            "[a-",
            "{",
            "a{,2}",
            "[]",
            "(a{2}){3}",
            "a{x}",
            "[b-a]",
        ];
        for pattern in patterns {
            assert_eq!(translated(pattern), None, "{pattern}");
        }
        assert_eq!(translated(&"a".repeat(MAX_BYTES + 1)), None);
    }

    proptest! {
        /// The server's parser takes the first slash for the end unless a backslash is before it.
        #[test]
        fn ends_nowhere_but_at_its_end(pattern in r"[a-c/\\.\[\]{}()*+?|^$x0-9d,-]{0,16}") {
            if let Some(text) = translated(&pattern) {
                prop_assert!(!text.contains('/'));
                let is_known = |rest: &str| ["p{Nd}", "x2f", "x2d"].iter().any(|known| rest.starts_with(known));
                prop_assert!(text.split('\\').skip(1).all(is_known), "{}", text);
            }
        }

        #[test]
        fn means_the_same(pattern in r"[a-c.\[\]{}()*+?|\\d0-2,-]{0,10}", text in "[a-d0-3.-]{0,6}") {
            let ours = Regex::new(&format!("^(?s:{pattern})$"));
            if let (Ok(ours), Some(theirs)) = (ours, translated(&pattern)) {
                let theirs = Regex::new(&theirs).expect("a usable expression");
                prop_assert_eq!(ours.is_match(&text), theirs.is_match(&text));
            }
        }
    }
}
