//! The grammar that both formats share: names and label sets, skipped over as fast as possible.

use memchr::memchr3;

use super::error::Fault;

/// May begin a metric's name.
const NAME_START: u8 = 1;
/// May continue a metric's name.
const NAME: u8 = 2;
/// May begin a label's name.
const LABEL_START: u8 = 4;
/// May continue a label's name.
const LABEL: u8 = 8;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        if byte.is_ascii_alphabetic() || byte == b'_' {
            classes[i] = NAME_START | NAME | LABEL_START | LABEL;
        } else if byte.is_ascii_digit() {
            classes[i] = NAME | LABEL;
        } else if byte == b':' {
            classes[i] = NAME_START | NAME;
        }
        i += 1;
    }
    classes
}

/// How label sets are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    /// Blanks anywhere between tokens, commas optional, as Prometheus reads its text format.
    Lenient,
    /// One comma between labels, nothing else.
    Strict,
}

/// End of the metric's name that begins at `at`, or `at` if none does.
#[inline]
pub(super) fn name_end(body: &[u8], at: usize) -> usize {
    run_end(body, at, NAME_START, NAME)
}

#[inline]
fn run_end(body: &[u8], at: usize, first: u8, rest: u8) -> usize {
    match body.get(at) {
        Some(byte) if CLASSES[*byte as usize] & first != 0 => {
            let run = body[at + 1..].iter().take_while(|byte| CLASSES[**byte as usize] & rest != 0);
            at + 1 + run.count()
        }
        _ => at,
    }
}

/// Whether `text` is a metric's name that needs no quotes.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && name_end(text.as_bytes(), 0) == text.len()
}

#[inline]
pub(super) fn skip_blanks(body: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t') = body.get(at) {
        at += 1;
    }
    at
}

/// End of the quoted string whose opening quote is at `at`, behind its closing quote.
#[inline]
pub(super) fn quoted_end(body: &[u8], at: usize) -> Result<usize, Fault> {
    let mut from = at + 1;
    loop {
        let rest = body.get(from..).unwrap_or_default();
        let Some(found) = memchr3(b'"', b'\\', b'\n', rest) else { return Err(unclosed(at)) };
        let stop = from + found;
        match body[stop] {
            b'"' => return Ok(stop + 1),
            b'\n' => return Err(unclosed(at)),
            _ if matches!(body.get(stop + 1), None | Some(b'\n')) => return Err(unclosed(at)),
            _ => from = stop + 2,
        }
    }
}

const fn unclosed(at: usize) -> Fault {
    Fault::new(
        at,
        "labels",
        "a quoted text is not closed on its line; end it with \" (write \\n for a line end)",
    )
}

/// Reads the label set whose first byte behind `{` is at `at`; returns the position behind `}`. A
/// quoted metric name inside the braces is allowed if none stands before them.
#[inline]
pub(super) fn labels_end(
    body: &[u8],
    mut at: usize,
    grammar: Grammar,
    has_name: bool,
) -> Result<usize, Fault> {
    let is_lenient = grammar == Grammar::Lenient;
    let mut needs_name = !has_name;
    let mut is_after_comma = false;
    loop {
        if is_lenient {
            at = skip_blanks(body, at);
        }
        let start = at;
        let is_quoted = body.get(at) == Some(&b'"');
        at = if is_quoted { quoted_end(body, at)? } else { run_end(body, at, LABEL_START, LABEL) };
        if at == start {
            let is_end = body.get(at) == Some(&b'}');
            if !is_end || (is_after_comma && !is_lenient) {
                return Err(Fault::new(at, "labels", "expected a label name or '}'"));
            }
            if needs_name {
                return Err(Fault::new(
                    at,
                    "syntax",
                    "no metric name is given; write name{…} or {\"name\",…}",
                ));
            }
            return Ok(at + 1);
        }
        if is_lenient {
            at = skip_blanks(body, at);
        }
        let is_metric_name = is_quoted && needs_name && matches!(body.get(at), Some(b',' | b'}'));
        if is_metric_name {
            needs_name = false;
        } else {
            at = value_end(body, at, is_lenient)?;
        }
        (at, is_after_comma) = separator_end(body, at, is_lenient)?;
    }
}

/// From `=` to behind the label's value.
#[inline]
fn value_end(body: &[u8], mut at: usize, is_lenient: bool) -> Result<usize, Fault> {
    if body.get(at) != Some(&b'=') {
        return Err(Fault::new(at, "labels", "expected '=' after the label's name"));
    }
    at += 1;
    if is_lenient {
        at = skip_blanks(body, at);
    }
    if body.get(at) != Some(&b'"') {
        return Err(Fault::new(at, "labels", "expected the label's value in double quotes"));
    }
    quoted_end(body, at)
}

/// Behind the comma, and whether there was one.
#[inline]
fn separator_end(body: &[u8], mut at: usize, is_lenient: bool) -> Result<(usize, bool), Fault> {
    if is_lenient {
        at = skip_blanks(body, at);
    }
    match body.get(at) {
        Some(b',') => Ok((at + 1, true)),
        Some(b'}') => Ok((at, false)),
        _ if is_lenient => Ok((at, false)),
        _ => Err(Fault::new(at, "labels", "expected ',' or '}' after the label's value")),
    }
}
