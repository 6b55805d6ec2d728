//! Enrichment and routing by rules of the configuration: a pure function of a series.

use std::sync::Arc;

use sentinel_model::{LabelPool, Resolution, Selector, SelectorError, Series};

use crate::config::RuleConfig;

/// Compiled rules.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<(Selector, Action)>,
    /// Where labels are held that rules have changed.
    labels: Arc<LabelPool>,
}

#[derive(Debug)]
enum Action {
    Drop,
    SetLabels(Vec<(String, String)>),
    Store(Routes),
}

/// Which resolutions of a series are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Routes(u8);

/// What becomes of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Dropped,
    Kept(Series, Routes),
}

#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    #[error("processor.rules[{index}].match is not usable: {source}")]
    Selector { index: usize, source: SelectorError },
    #[error(
        "processor.rules[{index}].resolutions names {name:?}; write some of \"10s\", \"1m\", \"5m\", \"1h\""
    )]
    Resolution { index: usize, name: String },
}

impl Routes {
    pub(crate) const ALL: Self = Self(0b1111);

    pub(crate) const fn carries(self, resolution: Resolution) -> bool {
        self.0 & (1 << resolution as u8) != 0
    }

    fn of(resolutions: impl IntoIterator<Item = Resolution>) -> Self {
        Self(resolutions.into_iter().fold(0, |bits, resolution| bits | 1 << resolution as u8))
    }
}

impl Rules {
    /// # Errors
    /// A selector or resolution that cannot be read, by its place in the configuration.
    pub(crate) fn new(configs: &[RuleConfig]) -> Result<Self, RuleError> {
        let mut rules = Vec::with_capacity(configs.len());
        for (index, config) in configs.iter().enumerate() {
            let selector =
                Selector::parse(config.selector()).map_err(|source| RuleError::Selector { index, source })?;
            let action = match config {
                RuleConfig::Drop { .. } => Action::Drop,
                RuleConfig::SetLabels { labels, .. } => {
                    Action::SetLabels(labels.iter().map(|(n, v)| (n.clone(), v.clone())).collect())
                }
                RuleConfig::Store { resolutions, .. } => Action::Store(Routes::of(
                    resolutions.iter().map(|name| resolution(index, name)).collect::<Result<Vec<_>, _>>()?,
                )),
            };
            rules.push((selector, action));
        }
        Ok(Self { rules, labels: Arc::default() })
    }

    /// Holds changed labels in common with whoever else uses the pool.
    pub(crate) fn sharing(self, labels: Arc<LabelPool>) -> Self {
        Self { labels, ..self }
    }

    pub(crate) fn apply(&self, mut series: Series) -> Verdict {
        let mut routes = Routes::ALL;
        for (selector, action) in &self.rules {
            if !selector.matches(&series.labels) {
                continue;
            }
            match action {
                Action::Drop => return Verdict::Dropped,
                Action::SetLabels(labels) => {
                    series.labels = self.labels.share(series.labels.with(labels));
                }
                Action::Store(chosen) => routes = *chosen,
            }
        }
        Verdict::Kept(series, routes)
    }
}

fn resolution(index: usize, name: &str) -> Result<Resolution, RuleError> {
    Resolution::ALL
        .into_iter()
        .find(|resolution| resolution.as_str() == name)
        .ok_or_else(|| RuleError::Resolution { index, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use sentinel_model::{Labels, METRIC_NAME, MetricKind};

    use super::*;

    fn series(pairs: &[(&str, &str)]) -> Series {
        Series { labels: Labels::from_pairs(pairs.iter().copied()).expect("unique"), kind: MetricKind::Gauge }
    }

    fn rules(text: &str) -> Result<Rules, RuleError> {
        #[derive(serde::Deserialize)]
        struct Section {
            rules: Vec<RuleConfig>,
        }
        let section: Section = serde_json::from_str(text).expect("valid configuration");
        Rules::new(&section.rules)
    }

    #[test]
    fn drops_relabels_and_routes_in_order() {
        let rules = rules(
            r#"{"rules":[
                {"match":"go_gc{}","action":"drop"},
                {"match":"{job=\"node\"}","action":"set_labels","labels":{"team":"base","job":""}},
                {"match":"{team=\"base\"}","action":"store","resolutions":["1m"]}]}"#,
        )
        .expect("valid rules");
        assert_eq!(rules.apply(series(&[(METRIC_NAME, "go_gc")])), Verdict::Dropped);
        let kept = rules.apply(series(&[(METRIC_NAME, "up"), ("job", "node")]));
        let Verdict::Kept(kept, routes) = kept else { panic!("the series was dropped") };
        assert_eq!(kept, series(&[(METRIC_NAME, "up"), ("team", "base")]));
        assert!(routes.carries(Resolution::OneMinute) && !routes.carries(Resolution::TenSeconds));
    }

    #[test]
    fn names_the_rule_that_is_wrong() {
        let error = rules(r#"{"rules":[{"match":"{a=}","action":"drop"}]}"#).expect_err("a bad selector");
        assert!(error.to_string().starts_with("processor.rules[0].match"), "{error}");
        let error = rules(r#"{"rules":[{"match":"","action":"store","resolutions":["2m"]}]}"#)
            .expect_err("a bad width");
        assert!(error.to_string().contains("\"2m\""), "{error}");
    }
}
