//! The processor's rules as they are configured, carried out anew.

use sentinel_model::{Resolution, Selector, Series};

/// One rule; they hold in order.
#[derive(Clone, Debug)]
pub struct Rule {
    pub selector: Selector,
    pub action: RuleAction,
}

#[derive(Clone, Debug)]
pub enum RuleAction {
    Drop,
    /// An empty value removes the label.
    SetLabels(Vec<(String, String)>),
    /// Only these widths reach the store.
    Store(Vec<Resolution>),
}

/// The series as its windows have it, and the widths that are published; `None`: it goes nowhere.
pub(crate) fn apply(rules: &[Rule], mut series: Series) -> Option<(Series, Vec<Resolution>)> {
    let mut widths = Resolution::ALL.to_vec();
    for rule in rules {
        if !rule.selector.matches(&series.labels) {
            continue;
        }
        match &rule.action {
            RuleAction::Drop => return None,
            RuleAction::SetLabels(labels) => series.labels = series.labels.with(labels),
            RuleAction::Store(chosen) => widths.clone_from(chosen),
        }
    }
    Some((series, widths))
}

#[cfg(test)]
mod tests {
    use sentinel_model::{Labels, MetricKind};

    use super::*;

    #[test]
    fn rules_hold_in_order() {
        let rule = |text: &str, action| Rule { selector: Selector::parse(text).expect("a selector"), action };
        let rules = [
            rule("go_gc{}", RuleAction::Drop),
            rule("{job=\"node\"}", RuleAction::SetLabels(vec![("team".into(), "a".into())])),
            rule("{team=\"a\"}", RuleAction::Store(vec![Resolution::OneMinute])),
        ];
        let series = |name: &str| Series {
            labels: Labels::from_pairs([("__name__", name), ("job", "node")]).expect("unique"),
            kind: MetricKind::Gauge,
        };
        assert_eq!(apply(&rules, series("go_gc")), None);
        let (kept, widths) = apply(&rules, series("up")).expect("kept");
        assert_eq!((kept.labels.get("team"), widths), (Some("a"), vec![Resolution::OneMinute]));
    }
}
