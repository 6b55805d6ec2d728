//! From a body to the samples of a frame: all of it or nothing.

use sentinel_model::{Labels, METRIC_NAME, Series, Timestamp};

use crate::exposition::{self, Format, ParseError, Sample};
use crate::{FrameBuilder, Limits};

/// Samples stamped further ahead are left out, as Prometheus does: one wrong clock must not shift time
/// for everybody.
const MAX_AHEAD_MS: i64 = 600_000;

/// What every series of a target is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TargetLabels {
    /// Sorted by name, unique.
    pairs: Vec<(String, String)>,
}

/// Why a body is refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error("{series}: {message}")]
    Labels { reason: &'static str, series: String, message: String },
    #[error("more than {limit} samples (collector.limits.samples_per_scrape)")]
    TooManySamples { limit: usize },
}

/// What came of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ingested {
    pub n_scraped: usize,
    /// Without repeats, series beyond the limit and samples stamped in the future.
    pub n_taken: usize,
    pub n_from_future: usize,
    /// The first rule that the body broke and that was overlooked.
    pub tolerated: Option<ParseError>,
}

impl IngestError {
    /// Short name for counters.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Parse(error) => error.reason,
            Self::Labels { reason, .. } => reason,
            Self::TooManySamples { .. } => "sample_limit",
        }
    }
}

impl TargetLabels {
    /// A later pair replaces an earlier one of its name; an empty value removes it.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let map: std::collections::BTreeMap<String, String> = pairs.into_iter().collect();
        Self { pairs: map.into_iter().filter(|(_, value)| !value.is_empty()).collect() }
    }

    fn has(&self, name: &str) -> bool {
        self.pairs.binary_search_by(|(own, _)| own.as_str().cmp(name)).is_ok()
    }

    /// The labels of a scraped series: the target's win, what they displace becomes `exported_…`
    /// (Prometheus' `honor_labels: false`).
    pub fn apply(&self, sample: &Sample<'_>, limits: &Limits) -> Result<Labels, IngestError> {
        let refuse = |reason: &'static str, message: String| {
            let series = sample.series.chars().take(80).collect();
            Err(IngestError::Labels { reason, series, message })
        };
        let scraped = match sample.labels() {
            Ok(labels) => labels,
            Err(error) => return refuse("duplicate_label", error.to_string()),
        };
        let n_labels = scraped.len() + self.pairs.len();
        if n_labels > limits.labels_per_series {
            return refuse("label_limit", format!("{n_labels} labels (collector.limits.labels_per_series)"));
        }
        for (name, value) in scraped.iter() {
            if name.len() as u64 > limits.label_name_bytes {
                let message =
                    format!("a label name of {} bytes (collector.limits.label_name_bytes)", name.len());
                return refuse("label_name_limit", message);
            }
            if value.len() as u64 > limits.label_value_bytes {
                let message =
                    format!("{name} has {} bytes (collector.limits.label_value_bytes)", value.len());
                return refuse("label_value_limit", message);
            }
        }
        let mut pairs: Vec<(String, &str)> = Vec::with_capacity(n_labels);
        for (name, value) in scraped.iter() {
            let mut kept = name.to_owned();
            while self.has(&kept) || (kept != name && scraped.get(&kept).is_some()) {
                kept.insert_str(0, "exported_");
            }
            pairs.push((kept, value));
        }
        let own = self.pairs.iter().map(|(name, value)| (name.clone(), value.as_str()));
        match Labels::from_pairs(pairs.into_iter().chain(own)) {
            Ok(labels) => Ok(labels),
            Err(error) => refuse("duplicate_label", error.to_string()),
        }
    }

    /// A series of the target itself, such as `up`.
    pub fn own_series(&self, name: &str) -> Series {
        let own = self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let labels = Labels::from_pairs(own.chain([(METRIC_NAME, name)])).unwrap_or_default();
        Series { labels, kind: sentinel_model::MetricKind::Gauge }
    }
}

/// Adds every sample of `body` to the frame. After an error the frame must be dropped.
///
/// # Errors
/// The body breaks its format or a limit.
pub(crate) fn ingest(
    frame: &mut FrameBuilder<'_>,
    body: &[u8],
    format: Format,
    limits: &Limits,
    mut labels: impl FnMut(&Sample<'_>) -> Result<Option<Labels>, IngestError>,
) -> Result<Ingested, IngestError> {
    let scraped = frame.scraped();
    let latest = scraped.saturating_add_millis(MAX_AHEAD_MS);
    let mut ingested = Ingested::default();
    ingested.n_scraped = read_samples(body, format, limits, |sample| {
        let timestamp: Timestamp = sample.timestamp.unwrap_or(scraped);
        if timestamp > latest {
            ingested.n_from_future += 1;
            return Ok(());
        }
        let mut fault = None;
        let resolve = || match labels(sample) {
            Ok(labels) => labels.map(|labels| Series { labels, kind: sample.kind }),
            Err(error) => {
                fault = Some(error);
                None
            }
        };
        let is_taken = frame.text_sample(sample.raw(), resolve, timestamp, sample.value);
        ingested.n_taken += usize::from(is_taken);
        fault.map_or(Ok(()), Err)
    })?;
    Ok(ingested)
}

/// Gives every sample of `body` to `each`, and their number.
///
/// # Errors
/// The body breaks its format or a limit, or `each` refused a sample.
pub(crate) fn read_samples<'b>(
    body: &'b [u8],
    format: Format,
    limits: &Limits,
    mut each: impl FnMut(&Sample<'b>) -> Result<(), IngestError>,
) -> Result<usize, IngestError> {
    let mut n_samples = 0;
    for sample in exposition::samples(exposition::decode_utf8(body)?, format) {
        let sample = sample?;
        n_samples += 1;
        if n_samples > limits.samples_per_scrape {
            return Err(IngestError::TooManySamples { limit: limits.samples_per_scrape });
        }
        each(&sample)?;
    }
    Ok(n_samples)
}

#[cfg(test)]
mod tests {
    use sentinel_model::MetricKind;

    use super::*;

    fn labels_of(series: &str) -> Result<String, IngestError> {
        let pairs = [("job", "node"), ("instance", "a:1"), ("cluster", "c")];
        let own = TargetLabels::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let sample = Sample { series, kind: MetricKind::Gauge, value: 1.0, timestamp: None };
        own.apply(&sample, &Limits { labels_per_series: 8, label_value_bytes: 20, ..Limits::default() })
            .map(|labels| labels.to_string())
    }

    #[test]
    fn the_targets_labels_win_and_the_scraped_ones_are_exported() {
        assert_eq!(labels_of("up").expect("fine"), r#"up{cluster="c",instance="a:1",job="node"}"#);
        assert_eq!(
            labels_of(r#"m{job="x",exported_job="y",mode="z"}"#).expect("fine"),
            r#"m{cluster="c",exported_exported_job="x",exported_job="y",instance="a:1",job="node",mode="z"}"#
        );
    }

    #[test]
    fn refuses_labels_beyond_the_limits() {
        let reason = |series: &str| labels_of(series).expect_err(series).reason();
        assert_eq!(reason(r#"m{a="1",b="1",c="1",d="1",e="1"}"#), "label_limit");
        assert_eq!(reason(r#"m{a="123456789012345678901"}"#), "label_value_limit");
        assert_eq!(reason(r#"m{a="1",a="2"}"#), "duplicate_label");
        assert_eq!(reason(r#"m{__name__="n"}"#), "duplicate_label");
        assert_eq!(reason(&format!("m{{{}=\"1\"}}", "a".repeat(2_000))), "label_name_limit");
    }
}
