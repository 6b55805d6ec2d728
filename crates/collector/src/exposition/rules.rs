//! What OpenMetrics asks of single samples: the label that its type needs, the values it allows.

use super::checks::Violation;
use super::family::FamilyType;
use super::number;

/// The label that tells apart the samples of one metric: `le`, `quantile`, or a stateset's own name.
pub(super) fn own_label<'s>(kind: FamilyType, suffix: &str, family: &'s str) -> Option<&'s str> {
    match (kind, suffix) {
        (FamilyType::Summary, "") => Some("quantile"),
        (FamilyType::Histogram | FamilyType::GaugeHistogram, "_bucket") => Some("le"),
        (FamilyType::StateSet, _) => Some(family),
        _ => None,
    }
}

pub(super) fn check_own_label(label: Option<&str>, value: Option<&str>) -> Result<(), Violation> {
    let Some(label) = label else { return Ok(()) };
    let Some(value) = value else {
        return Err(Violation::new(
            "labels",
            format!("the label {label} is missing; this type of metric needs it"),
        ));
    };
    let number = number::parse_value(value.as_bytes());
    let is_right = match label {
        "le" => number.is_some_and(|bound| !bound.is_nan() && (bound != f64::INFINITY || value == "+Inf")),
        "quantile" => number.is_some_and(|quantile| (0.0..=1.0).contains(&quantile)),
        _ => true,
    };
    if is_right {
        return Ok(());
    }
    let expected = if label == "le" { "a number, the last one +Inf" } else { "a number from 0 to 1" };
    Err(Violation::new("labels", format!("{label}={value:?} is not possible; write {expected}")))
}

pub(super) fn check_value(kind: FamilyType, suffix: &str, value: f64) -> Result<(), Violation> {
    let fault = match (kind, suffix) {
        (FamilyType::StateSet, _) if value != 0.0 && value != 1.0 => "a state is 0 or 1",
        (FamilyType::Info, _) if value != 1.0 => "an info is always 1",
        (FamilyType::Summary, "") if value < 0.0 => "a quantile cannot be negative",
        (_, "_total" | "_sum" | "_count" | "_bucket" | "_gcount" | "_gsum") if value.is_nan() => {
            "a counter cannot be NaN"
        }
        (_, "_total" | "_sum" | "_count" | "_bucket" | "_gcount") if value < 0.0 => {
            "a counter cannot be negative"
        }
        (_, "_count" | "_bucket" | "_gcount") if value.is_infinite() || value.fract() != 0.0 => {
            "a count of observations is a whole number"
        }
        _ => return Ok(()),
    };
    Err(Violation::new("value", format!("the value {value} is not possible: {fault}")))
}

pub(super) const fn may_have_exemplar(kind: FamilyType, suffix: &str) -> bool {
    match kind {
        FamilyType::Histogram | FamilyType::GaugeHistogram => matches!(suffix.as_bytes(), b"_bucket"),
        FamilyType::Counter => matches!(suffix.as_bytes(), b"_total"),
        _ => false,
    }
}
