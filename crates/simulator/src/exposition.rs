//! The Prometheus text format as Go's client library writes it.

use std::fmt::Write as _;

use sentinel_model::Timestamp;

/// A page of metrics being written.
#[derive(Debug, Default)]
pub struct Page {
    out: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Counter,
    Gauge,
    Histogram,
}

impl Page {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes) }
    }

    /// Opens a family; its rows follow.
    pub fn family(&mut self, name: &str, help: &str, kind: Type) {
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        };
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One sample. `labels` are complete pairs in pieces; empty pieces are skipped.
    pub fn row(&mut self, name: &str, labels: &[&str], value: f64, at: Option<Timestamp>) {
        self.out.push_str(name);
        let mut is_first = true;
        for piece in labels.iter().filter(|piece| !piece.is_empty()) {
            self.out.push(if is_first { '{' } else { ',' });
            self.out.push_str(piece);
            is_first = false;
        }
        self.out.push_str(if is_first { " " } else { "} " });
        push_float(&mut self.out, value);
        if let Some(at) = at {
            let _ = write!(self.out, " {}", at.as_millis());
        }
        self.out.push('\n');
    }

    pub fn finish(self) -> String {
        self.out
    }
}

/// `name="value"`, escaped.
pub fn label(name: &str, value: &str) -> String {
    let mut out = String::with_capacity(name.len() + value.len() + 3);
    out.push_str(name);
    out.push_str("=\"");
    for letter in value.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// Shortest digits that read back the same, with an exponent where Go's `%g` has one: below 10⁻⁴ and
/// from 10⁶ on.
pub fn push_float(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
        return;
    }
    if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        return;
    }
    if value == value.trunc() && value.abs() < 1e6 {
        let _ = write!(out, "{}", value as i64);
        return;
    }
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{mantissa}e{sign}{:02}", exponent.abs());
    } else {
        let _ = write!(out, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: f64) -> String {
        let mut out = String::new();
        push_float(&mut out, value);
        out
    }

    #[test]
    fn writes_numbers_as_go_does() {
        for (value, expected) in [
            (6991.34985024, "6991.34985024"),
            (9.2014592e+08, "9.2014592e+08"),
            (561_152.0, "561152"),
            (1_040_384.0, "1.040384e+06"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (1_234_567.5, "1.2345675e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e21, "1e+21"),
            (0.0, "0"),
            (-1.0, "-1"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn writes_a_family_with_its_rows() {
        let mut page = Page::default();
        page.family("up", "Whether it is.", Type::Gauge);
        page.row("up", &[], 1.0, None);
        page.row("up", &[&label("job", "a\"b"), "", &label("x", "y")], 0.0, Some(Timestamp::from_secs(1)));
        let expected = "# HELP up Whether it is.\n# TYPE up gauge\nup 1\nup{job=\"a\\\"b\",x=\"y\"} 0 1000\n";
        assert_eq!(page.finish(), expected);
    }

    proptest! {
        #[test]
        fn every_number_reads_back_the_same(value: f64) {
            let back: f64 = text(value).parse().expect("a number");
            prop_assert!(back == value || back.is_nan() && value.is_nan());
        }
    }
}
