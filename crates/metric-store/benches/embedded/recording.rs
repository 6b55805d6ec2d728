//! The recorded scrapes of a real cluster, as samples by series. Reads only as much of the text format
//! as the recording uses.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use sentinel_model::{Labels, METRIC_NAME, MetricKind, Series};

/// As the recording was compressed.
const WINDOW_LOG: u32 = 27;

/// One series: what it is, and its samples by time (milliseconds, value), each time once.
pub(crate) struct Recorded {
    pub(crate) series: Series,
    pub(crate) samples: Vec<(i64, f64)>,
}

/// `None` if the recording is not there. `targets`: prefix of the targets to read.
pub(crate) fn read(targets: &str) -> Option<Vec<Recorded>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/recordings/real-cluster-a/scrapes.jsonl.zst");
    let file = std::fs::File::open(path).ok()?;
    let mut decoder = zstd::Decoder::new(file).expect("a zstd stream");
    decoder.window_log_max(WINDOW_LOG).expect("a window that zstd allows");
    let mut all: BTreeMap<String, Recorded> = BTreeMap::new();
    for line in BufReader::new(decoder).lines() {
        let line: serde_json::Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        let target = line["target"].as_str().expect("a target");
        // The summary is no text format; failed scrapes have no body.
        if let Some(body) = line["body"].as_str()
            && line["status"] == 200
            && target != "kubelet/summary"
            && target.starts_with(targets)
        {
            read_scrape(&mut all, target, line["t_ms"].as_i64().expect("a time"), body);
        }
    }
    let mut recorded: Vec<Recorded> = all.into_values().collect();
    for one in &mut recorded {
        one.samples.sort_by_key(|(at, _)| *at);
        one.samples.dedup_by_key(|(at, _)| *at);
    }
    Some(recorded)
}

fn read_scrape(all: &mut BTreeMap<String, Recorded>, target: &str, scraped_ms: i64, body: &str) {
    let mut family = ("", "");
    for line in body.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            family = declared.split_once(' ').expect("a name and a type");
        } else if !line.starts_with('#') && !line.is_empty() {
            let end = line.rfind('}').map_or_else(|| line.find(' '), |at| Some(at + 1)).expect("a value");
            let (series, rest) = line.split_at(end);
            let mut words = rest.split_ascii_whitespace();
            let value: f64 = words.next().and_then(|word| word.parse().ok()).expect("a number");
            let at = words.next().map_or(scraped_ms, |word| word.parse().expect("a time"));
            let recorded = all.entry(format!("{target} {series}")).or_insert_with(|| Recorded {
                series: Series { labels: labels(target, series), kind: kind(series, family) },
                samples: Vec::new(),
            });
            recorded.samples.push((at, value));
        }
    }
}

fn kind(series: &str, (family, declared): (&str, &str)) -> MetricKind {
    let is_quantile = declared == "summary" && series.contains("quantile=");
    match declared {
        "counter" | "histogram" | "summary" if series.starts_with(family) && !is_quantile => {
            MetricKind::Counter
        }
        _ => MetricKind::Gauge,
    }
}

fn labels(target: &str, series: &str) -> Labels {
    let (name, mut rest) = series.split_once('{').unwrap_or((series, "}"));
    let mut pairs = vec![
        (METRIC_NAME.to_owned(), name.to_owned()),
        ("cluster".to_owned(), "real-cluster-a".to_owned()),
        ("job".to_owned(), target.to_owned()),
    ];
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut chars = after.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    rest = after[at + 1..].trim_start_matches(',');
                    break;
                }
                '\\' => value.extend(chars.next().map(|(_, c)| if c == 'n' { '\n' } else { c })),
                c => value.push(c),
            }
        }
        pairs.push((name.to_owned(), value));
    }
    let own = pairs.iter().skip(3).filter(|(name, _)| name == "job" || name == "cluster").count();
    assert_eq!(own, 0, "{series} has a label that the collector would add");
    Labels::from_pairs(pairs).expect("each name once")
}
