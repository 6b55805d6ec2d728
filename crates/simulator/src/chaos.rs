//! Failures of the API server and the kubelets on demand: errors for the next requests, watches that
//! stall or end. The cluster itself is not touched.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

#[derive(Clone, Debug)]
pub struct Chaos {
    rules: Arc<Mutex<Vec<Rule>>>,
    watches: watch::Sender<WatchOrder>,
}

/// Answers for requests whose path begins with `path_prefix`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// 410, 429, 500, 503 or 504.
    pub status: u16,
    #[serde(default)]
    pub path_prefix: String,
    /// Requests that it still holds for.
    #[serde(default = "once")]
    pub count: u32,
    /// Seconds in `Retry-After`, of 429 and 503.
    #[serde(default)]
    pub retry_after: Option<u32>,
}

/// What open watches are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WatchOrder {
    /// Watches opened before this count end.
    pub n_closed: u64,
    /// Watches stay open and say nothing, as behind a dead proxy.
    pub is_stalled: bool,
    /// Watches send bookmarks and nothing else.
    pub are_bookmarks_only: bool,
}

/// Rules held at most.
const MAX_RULES: usize = 64;

const fn once() -> u32 {
    1
}

impl Default for Chaos {
    fn default() -> Self {
        Self { rules: Arc::default(), watches: watch::Sender::new(WatchOrder::default()) }
    }
}

impl Chaos {
    /// False when the rule is not one that can be followed, or there are too many.
    pub fn add(&self, rule: Rule) -> bool {
        let mut rules = self.rules.lock();
        let is_usable = matches!(rule.status, 410 | 429 | 500 | 503 | 504) && rules.len() < MAX_RULES;
        if is_usable {
            rules.push(rule);
        }
        is_usable
    }

    pub fn rules(&self) -> Vec<Rule> {
        self.rules.lock().clone()
    }

    pub fn clear(&self) {
        self.rules.lock().clear();
        self.watches.send_modify(|order| {
            *order = WatchOrder { n_closed: order.n_closed, ..WatchOrder::default() };
        });
    }

    /// The rule that the next request to `path` falls under; it counts as used.
    pub fn take(&self, path: &str) -> Option<Rule> {
        let mut rules = self.rules.lock();
        let place = rules.iter().position(|rule| path.starts_with(&rule.path_prefix))?;
        let rule = rules[place].clone();
        rules[place].count = rules[place].count.saturating_sub(1);
        if rules[place].count == 0 {
            rules.remove(place);
        }
        Some(rule)
    }

    pub fn close_watches(&self) {
        self.watches.send_modify(|order| order.n_closed += 1);
    }

    pub fn stall_watches(&self, is_stalled: bool) {
        self.watches.send_modify(|order| order.is_stalled = is_stalled);
    }

    pub fn bookmarks_only(&self, are_bookmarks_only: bool) {
        self.watches.send_modify(|order| order.are_bookmarks_only = are_bookmarks_only);
    }

    pub fn watch_orders(&self) -> watch::Receiver<WatchOrder> {
        self.watches.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(status: u16, path_prefix: &str, count: u32) -> Rule {
        Rule { status, path_prefix: path_prefix.to_owned(), count, retry_after: None }
    }

    #[test]
    fn a_rule_holds_for_its_count_of_requests_under_its_path() {
        let chaos = Chaos::default();
        assert!(chaos.add(rule(429, "/api/v1/pods", 2)));
        assert_eq!(chaos.take("/api/v1/nodes"), None);
        assert_eq!(chaos.take("/api/v1/pods").map(|rule| rule.status), Some(429));
        assert!(chaos.take("/api/v1/pods/x").is_some());
        assert_eq!(chaos.take("/api/v1/pods"), None);
        assert!(chaos.rules().is_empty());
    }

    #[test]
    fn refuses_rules_that_no_api_server_follows_and_too_many() {
        let chaos = Chaos::default();
        assert!(!chaos.add(rule(200, "", 1)));
        for _ in 0..MAX_RULES {
            assert!(chaos.add(rule(500, "", 1)));
        }
        assert!(!chaos.add(rule(500, "", 1)));
        chaos.clear();
        assert!(chaos.add(rule(500, "", 1)));
    }
}
