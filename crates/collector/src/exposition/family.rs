//! Families of metrics: which type was declared for a name, and what that makes of each sample.

use ahash::AHashMap;
use sentinel_model::MetricKind;

/// Types as `# TYPE` declares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FamilyType {
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
    Unknown,
}

impl FamilyType {
    /// `untyped` is the text format's word for `unknown`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "counter" => Self::Counter,
            "gauge" => Self::Gauge,
            "histogram" => Self::Histogram,
            "gaugehistogram" => Self::GaugeHistogram,
            "summary" => Self::Summary,
            "info" => Self::Info,
            "stateset" => Self::StateSet,
            "unknown" | "untyped" => Self::Unknown,
            _ => return None,
        })
    }

    /// Endings of the sample names that OpenMetrics allows in a family of this type.
    pub const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter => &["_total", "_created"],
            Self::Histogram => &["_bucket", "_count", "_sum", "_created"],
            Self::GaugeHistogram => &["_bucket", "_gcount", "_gsum"],
            Self::Summary => &["", "_count", "_sum", "_created"],
            Self::Info => &["_info"],
            Self::Gauge | Self::StateSet | Self::Unknown => &[""],
        }
    }

    /// What a sample is whose name is the family's with `suffix`; `None` if it does not belong.
    pub fn kind(self, suffix: &str) -> Option<MetricKind> {
        Some(match (self, suffix) {
            (Self::Counter, "" | "_total")
            | (Self::Histogram, "_bucket" | "_count" | "_sum")
            | (Self::Summary, "_count" | "_sum") => MetricKind::Counter,
            (Self::Counter | Self::Histogram | Self::Summary, "_created")
            | (Self::Gauge | Self::Summary | Self::StateSet, "")
            | (Self::Info, "" | "_info")
            | (Self::GaugeHistogram, "_bucket" | "_gcount" | "_gsum" | "_count" | "_sum") => {
                MetricKind::Gauge
            }
            (Self::Unknown, "") => MetricKind::Unknown,
            _ => return None,
        })
    }
}

/// Types declared so far in a body. Samples usually follow their declaration, so the last one and the
/// last answer are tried first.
#[derive(Default)]
pub(super) struct Families<'a> {
    declared: AHashMap<&'a str, FamilyType>,
    current: Option<(&'a str, FamilyType)>,
    answered: Option<(&'a str, MetricKind)>,
}

impl<'a> Families<'a> {
    /// A later declaration of the same name replaces the earlier one, as in Prometheus.
    pub fn declare(&mut self, name: &'a str, family: FamilyType) {
        self.declared.insert(name, family);
        self.current = Some((name, family));
        self.answered = None;
    }

    #[inline]
    pub fn kind(&mut self, sample: &'a str) -> MetricKind {
        match self.answered {
            Some((name, kind)) if name == sample => kind,
            _ => self.find(sample),
        }
    }

    fn find(&mut self, sample: &'a str) -> MetricKind {
        let in_current = self.current.and_then(|(name, family)| family.kind(sample.strip_prefix(name)?));
        let kind = in_current.unwrap_or_else(|| self.find_declared(sample));
        self.answered = Some((sample, kind));
        kind
    }

    fn find_declared(&self, sample: &str) -> MetricKind {
        if let Some(kind) = self.declared.get(sample).and_then(|family| family.kind("")) {
            return kind;
        }
        let Some(at) = sample.rfind('_') else { return MetricKind::Unknown };
        let (name, suffix) = sample.split_at(at);
        self.declared.get(name).and_then(|family| family.kind(suffix)).unwrap_or_default()
    }
}
