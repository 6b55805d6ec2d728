//! Names of everything of ours on the server. They are made of the configured prefix and of days, never of
//! what somebody asks for.

use crate::DocumentKind;
use crate::day::DayNumber;

/// Where a document is: its kind, and the day of its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Target {
    pub(super) kind: DocumentKind,
    pub(super) day: DayNumber,
}

#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

/// Behind the alias in an index' name. ILM finds the day before it.
const FIRST: &str = "-000001";

impl Names {
    pub(super) const fn new(prefix: String) -> Self {
        Self { prefix }
    }

    /// What documents are written to and read from: `logs-sentinel.kubernetes-2026.11.21`.
    pub(super) fn alias(&self, target: Target) -> String {
        format!("{}-{}", self.series(target.kind), target.day.name().replace('-', "."))
    }

    /// The index behind the alias.
    pub(super) fn index(&self, target: Target) -> String {
        self.alias(target) + FIRST
    }

    /// All indexes of a kind.
    pub(super) fn pattern(&self, kind: DocumentKind) -> String {
        format!("{}-*", self.series(kind))
    }

    /// What an index' name says; `None` for those that are not ours.
    pub(super) fn parse(&self, index: &str) -> Option<Target> {
        [DocumentKind::Log, DocumentKind::Event].into_iter().find_map(|kind| {
            let rest = index.strip_prefix(&self.series(kind))?.strip_prefix('-')?;
            let day = rest.strip_suffix(FIRST)?;
            Some(Target { kind, day: DayNumber::from_name(&day.replace('.', "-"))? })
        })
    }

    /// Component template that all our indexes are made of.
    pub(super) fn component_template(&self) -> String {
        format!("logs-{}.documents", self.prefix)
    }

    pub(super) fn index_template(&self, kind: DocumentKind) -> String {
        self.series(kind)
    }

    /// ILM or ISM policy of logs.
    pub(super) fn policy(&self) -> String {
        self.series(DocumentKind::Log)
    }

    fn series(&self, kind: DocumentKind) -> String {
        let of = match kind {
            DocumentKind::Log => "kubernetes",
            DocumentKind::Event => "events",
        };
        format!("logs-{}.{of}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_name_leads_back_to_its_day() {
        let names = Names::new("sentinel".to_owned());
        let target = Target { kind: DocumentKind::Event, day: DayNumber::holding_ms(1_795_219_200_000) };
        let index = names.index(target);
        assert_eq!(index, "logs-sentinel.events-2026.11.21-000001");
        assert_eq!(names.parse(&index), Some(target));
        assert!(index.starts_with(names.pattern(target.kind).trim_end_matches('*')));
        for foreign in [
            "logs-sentinel.events-2026.11.21",
            "logs-sentinel.events-2026.11.31-000001",
            "logs-sentinel2.events-2026.11.21-000001",
            "logs-sentinel.kubernetes-x-000001",
            "logs-sentinel.kubernetes-2026-11-21-000001x",
        ] {
            assert_eq!(names.parse(foreign), None, "{foreign}");
        }
    }
}
