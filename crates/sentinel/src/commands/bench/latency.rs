//! How long after it may close a window can be queried: asked of the API, which says from where on its answer may still
//! change. Only what the metric store holds is final.

use std::time::Duration;

use reqwest::{Client, Url};
use sentinel_runtime::clock;
use serde_json::Value;

use super::statistics::Samples;

/// Asks for one series of each of some nodes.
pub struct Probes {
    client: Client,
    url: String,
    nodes: Vec<String>,
    pub seen: Samples,
    /// Windows that could not be queried within [`PATIENCE_MS`].
    pub n_unseen: usize,
}

const WINDOW_MS: i64 = 10_000;
/// Nodes that are asked about: a query costs the store something, too.
const MOST_PROBES: u64 = 8;
const PAUSE: Duration = Duration::from_millis(10);
const PATIENCE_MS: i64 = 30_000;
/// One of each node that kubelets always tell, with the time of the scrape: a series that has a time of its own need
/// not have a sample in every window.
const METRIC: &str = "machine_cpu_cores";

impl Probes {
    pub fn new(client: Client, api: &str, n_nodes: u64) -> Self {
        // In even steps, so that they are of different partitions.
        let n = n_nodes.min(MOST_PROBES);
        let nodes = (0..n).map(|i| format!("node-{}", i * n_nodes / n + 1)).collect();
        Self {
            client,
            url: api.trim_end_matches('/').to_owned(),
            nodes,
            seen: Samples::default(),
            n_unseen: 0,
        }
    }

    /// Until a moment; windows that close before it are waited for. A window closes by the allowed lateness after
    /// its end: from there on the time is taken.
    pub async fn watch(&mut self, until_ms: i64, allowed_lateness: Duration) {
        let late_ms = i64::try_from(allowed_lateness.as_millis()).unwrap_or(i64::MAX);
        // By a clock that is so much behind, windows close at their end.
        let now_ms = || clock::now_millis().saturating_sub(late_ms);
        let until_ms = until_ms.saturating_sub(late_ms);
        // The first that lies ahead as a whole: of the one that fills, scrapes may have come too late to hold a sample.
        let mut end_ms = (now_ms() / WINDOW_MS + 2) * WINDOW_MS;
        while end_ms < until_ms {
            let left = u64::try_from(end_ms - now_ms()).unwrap_or_default();
            tokio::time::sleep(Duration::from_millis(left)).await;
            self.watch_one(end_ms, &now_ms).await;
            // Where windows take longer than the next one's end, that one is not asked for in time.
            end_ms = end_ms.max(now_ms() / WINDOW_MS * WINDOW_MS) + WINDOW_MS;
        }
    }

    async fn watch_one(&mut self, end_ms: i64, now_ms: &impl Fn() -> i64) {
        let mut waiting = self.nodes.clone();
        while !waiting.is_empty() && now_ms() < end_ms + PATIENCE_MS {
            let mut still = Vec::new();
            for node in waiting {
                if self.is_final(&node, end_ms).await {
                    self.seen.push((now_ms() - end_ms) as f64);
                } else {
                    still.push(node);
                }
            }
            waiting = still;
            tokio::time::sleep(PAUSE).await;
        }
        self.n_unseen += waiting.len();
    }

    /// A failure is no answer: it is asked again.
    async fn is_final(&self, node: &str, end_ms: i64) -> bool {
        let selector = format!("{METRIC}{{node=\"{node}\"}}");
        let (from, to) = ((end_ms - WINDOW_MS).to_string(), end_ms.to_string());
        let query = [
            ("match", selector.as_str()),
            ("from", &from),
            ("to", &to),
            ("step", "10s"),
            ("function", "value"),
        ];
        let Ok(url) = Url::parse_with_params(&format!("{}/api/v1/query_range", self.url), query) else {
            return false;
        };
        let Ok(answer) = self.client.get(url).send().await else { return false };
        answer.json().await.is_ok_and(|answer: Value| is_stored(&answer))
    }
}

fn is_stored(answer: &Value) -> bool {
    let has_series = answer["series"].as_array().is_some_and(|series| !series.is_empty());
    has_series && answer["provisional_from_ms"].is_null()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_cannot_change_is_stored() {
        assert!(is_stored(&json!({"series": [{}], "provisional_from_ms": null})));
        assert!(!is_stored(&json!({"series": [{}], "provisional_from_ms": 5})));
        assert!(!is_stored(&json!({"series": [], "provisional_from_ms": null})));
        assert!(!is_stored(&json!({"detail": "no"})));
    }

    #[test]
    fn probes_are_spread_over_the_nodes() {
        let nodes = |n| Probes::new(Client::new(), "http://h/", n).nodes;
        assert_eq!(nodes(2), ["node-1", "node-2"]);
        let many = nodes(100);
        assert_eq!((many.len(), many[7].as_str()), (8, "node-88"));
    }
}
