//! Log lines of a simulated cluster: what its containers wrote against what the store holds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sentinel_log_store::{DocumentFilter, DocumentKind, LogReader, Order, SearchQuery};
use sentinel_model::Timestamp;
use serde_json::Value;

/// How many lines (pod, container) wrote at a nanosecond.
type Lines = BTreeMap<(String, String), BTreeMap<i128, usize>>;

/// What the containers that run now wrote in a span, asked of their API server.
async fn written(api: &str, from: Timestamp, to: Timestamp) -> Lines {
    let client = reqwest::Client::new();
    let get = async |path: String| -> String {
        let answer = client.get(format!("{api}{path}")).send().await.expect("the simulated cluster answers");
        answer.text().await.expect("a body")
    };
    let pods: Value = serde_json::from_str(&get("/api/v1/pods".to_owned()).await).expect("a list of pods");
    let since = jiff::Timestamp::from_millisecond(from.as_millis()).expect("a time");
    let mut lines = Lines::new();
    for pod in pods["items"].as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
        for status in pod["status"]["containerStatuses"].as_array().into_iter().flatten() {
            if status["state"]["running"].is_null() {
                continue;
            }
            let container = text(&status["name"]);
            let log = get(format!(
                "/api/v1/namespaces/{namespace}/pods/{name}/log?container={container}&timestamps=true&sinceTime={since}"
            ));
            let counts = lines.entry((name.clone(), container)).or_default();
            for line in log.await.lines() {
                let at = line.split_once(' ').and_then(|(at, _)| at.parse::<jiff::Timestamp>().ok());
                let Some(at) = at.map(jiff::Timestamp::as_nanosecond) else { continue };
                let is_within = |moment: Timestamp| i128::from(moment.as_millis()) * 1_000_000;
                if at >= is_within(from) && at < is_within(to) {
                    *counts.entry(at).or_default() += 1;
                }
            }
        }
    }
    lines
}

async fn stored(reader: &dyn LogReader, from: Timestamp, to: Timestamp) -> Result<Lines, String> {
    let filter = DocumentFilter {
        kind: DocumentKind::Log,
        text: String::new(),
        fields: Vec::new(),
        start: from,
        end: to,
    };
    let mut query = SearchQuery { filter, order: Order::OldestFirst, limit: 5_000, after: None };
    let mut lines = Lines::new();
    loop {
        let page = reader.search(&query).await.map_err(|error| error.to_string())?;
        for document in page.documents {
            let source = (document.pod.to_string(), document.container.to_string());
            *lines.entry(source).or_default().entry(i128::from(document.timestamp_ns)).or_default() += 1;
        }
        let Some(next) = page.next else { return Ok(lines) };
        query.after = Some(next);
    }
}

/// Waits until the store has every line of a span, and each once. Gives how many.
///
/// # Panics
/// When it has not after `patience`, with what differs.
pub async fn settle(
    api: &str,
    reader: &dyn LogReader,
    (from, to): (Timestamp, Timestamp),
    patience: Duration,
) -> usize {
    let began = Instant::now();
    let expected = written(api, from, to).await;
    loop {
        let difference = match stored(reader, from, to).await {
            Ok(found) => compare(&expected, &found),
            Err(error) => Some(error),
        };
        let Some(difference) = difference else {
            return expected.values().flat_map(BTreeMap::values).sum();
        };
        assert!(began.elapsed() < patience, "log lines differ: {difference}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn compare(expected: &Lines, found: &Lines) -> Option<String> {
    let (mut n_missing, mut n_doubled, mut example) = (0, 0, None);
    for (source, lines) in expected {
        for (at, n) in lines {
            let n_found = found.get(source).and_then(|lines| lines.get(at)).copied().unwrap_or(0);
            n_missing += n.saturating_sub(n_found);
            n_doubled += n_found.saturating_sub(*n);
            if n_found != *n {
                example.get_or_insert((source, at, *n, n_found));
            }
        }
    }
    example.map(|example| {
        format!("{n_missing} missing, {n_doubled} doubled, such as {example:?} (written, stored)")
    })
}
