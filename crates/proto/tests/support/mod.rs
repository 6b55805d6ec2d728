//! The recorded scrapes as series and points, for tests and benchmarks. Reads only what the recording
//! holds: not a general reader of expositions.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use sentinel_model::{Labels, METRIC_NAME, MetricKind, Point, Series, SeriesRef, Timestamp};

/// Scrapes of one target and the series in them, in order of first appearance.
#[derive(Default)]
pub struct Target {
    pub series: Vec<Series>,
    pub scrapes: Vec<Scraped>,
    numbers: HashMap<String, u32>,
}

pub struct Scraped {
    pub scraped: Timestamp,
    /// Length of the series table after this scrape.
    pub n_series: usize,
    pub points: Vec<Point>,
}

impl Target {
    fn add(&mut self, scraped: Timestamp, body: &str) {
        let mut kind = MetricKind::Unknown;
        let mut points = Vec::new();
        for line in body.lines() {
            if let Some(declaration) = line.strip_prefix("# TYPE ") {
                kind = match declaration.rsplit(' ').next() {
                    Some("gauge") => MetricKind::Gauge,
                    Some("counter" | "histogram" | "summary") => MetricKind::Counter,
                    _ => MetricKind::Unknown,
                };
            }
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let end_of_name = line.rfind('}').map_or_else(|| line.find(' '), |brace| Some(brace + 1));
            let (name, rest) = line.split_at(end_of_name.expect("a value after the name"));
            let mut rest = rest.split_whitespace();
            let value = rest.next().expect("a value").parse().expect("a number");
            let timestamp = rest
                .next()
                .map_or(scraped, |millis| Timestamp::from_millis(millis.parse().expect("milliseconds")));
            let next = self.series.len() as u32;
            let number = *self.numbers.entry(name.to_owned()).or_insert(next);
            if number == next {
                self.series.push(Series { labels: labels(name), kind });
            }
            points.push(Point { series: SeriesRef(number), timestamp, value });
        }
        self.scrapes.push(Scraped { scraped, n_series: self.series.len(), points });
    }
}

/// The first `n_scrapes` good scrapes of each target, or `None` (and a line that says so) without the
/// recording.
pub fn recorded(n_scrapes: usize) -> Option<BTreeMap<String, Target>> {
    let path = recording().join("scrapes.jsonl.zst");
    let Ok(file) = File::open(&path) else {
        eprintln!("SKIPPED: {} is not there", path.display());
        return None;
    };
    let mut decoder = zstd::Decoder::new(file).expect("a zstd decoder");
    decoder.window_log_max(27).expect("a window of 128 MiB");
    let mut targets: BTreeMap<String, Target> = BTreeMap::new();
    // Every target has been scraped after so many lines, the rare ones six times as rarely.
    for line in BufReader::new(decoder).lines().take(n_scrapes.saturating_mul(6)) {
        let line = line.expect("a readable recording");
        let scrape: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let name = scrape["target"].as_str().expect("a target");
        let Some(body) = scrape["body"].as_str().filter(|_| name != "kubelet/summary") else { continue };
        let target = targets.entry(name.to_owned()).or_default();
        if target.scrapes.len() < n_scrapes {
            target.add(Timestamp::from_millis(scrape["t_ms"].as_i64().expect("a time")), body);
        }
    }
    Some(targets)
}

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/recordings/real-cluster-a")
}

/// Labels as a collector would send them: with the cluster, the node and the pod's workload.
fn labels(name: &str) -> Labels {
    let (metric, rest) = name.split_once('{').unwrap_or((name, "}"));
    let mut pairs = BTreeMap::from([
        (METRIC_NAME.to_owned(), metric.to_owned()),
        ("cluster".to_owned(), "real-cluster-a".to_owned()),
        ("node".to_owned(), "node-1".to_owned()),
    ]);
    let mut rest = rest;
    while let Some((label, after)) = rest.split_once("=\"") {
        let end = closing_quote(after);
        pairs.insert(label.trim_start_matches(',').to_owned(), after[..end].replace("\\\"", "\""));
        rest = &after[end + 1..];
    }
    if let Some(pod) = pairs.get("pod").filter(|pod| !pod.is_empty()) {
        let workload = pod.rsplitn(3, '-').last().unwrap_or(pod).to_owned();
        pairs.insert("workload".to_owned(), workload);
        pairs.insert("workload_kind".to_owned(), "Deployment".to_owned());
    }
    Labels::from_pairs(pairs).expect("unique names")
}

fn closing_quote(text: &str) -> usize {
    let mut is_escaped = false;
    let quote = text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    quote.expect("a closing quote")
}
