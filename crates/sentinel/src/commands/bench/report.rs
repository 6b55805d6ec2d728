//! What came out, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sentinel_bus::Config as BusConfig;
use sentinel_log_store::Config as LogConfig;
use sentinel_metric_store::Config as MetricConfig;
use serde::Serialize;
use serde_json::Value;

use super::latency::Probes;
use super::plan::Plan;
use super::role::Part;
use super::snapshot::Snapshot;
use super::statistics::{Quantiles, ratio};

/// Samples that collectors took in.
pub const COLLECTED: &str = "sentinel_collector_samples_total";
/// Samples that processors put into windows.
pub const WINDOWED: &str = "sentinel_processor_samples_total";
const SERIES: &str = "sentinel_processor_active_series";
const STORED_WINDOWS: &str = "sentinel_processor_stored_windows_total";
const STORED_DOCUMENTS: &str = "sentinel_processor_stored_documents_total";
const SCRAPES: &str = "sentinel_collector_scrapes_total";
const PUBLISHED_BYTES: &str = "sentinel_bus_published_bytes_total";
const METRICS_TOPIC: &str = "topic=\"sentinel.metrics";

#[derive(Debug, Serialize)]
pub struct Report {
    pub setup: Setup,
    pub throughput: Throughput,
    /// Keys and values of the samples' topic by samples, as collectors publish them.
    pub bus_bytes_per_sample: Option<f64>,
    /// The same of all topics together: windows, logs, events, objects.
    pub bus_bytes_per_sample_in_all: Option<f64>,
    pub lag: Lags,
    /// From the end of a window of 10 s and the allowed lateness until its final value could be queried, in
    /// milliseconds.
    pub latency_ms: Option<Quantiles>,
    /// Windows that could not be queried in time.
    pub windows_unseen: usize,
    pub roles: Vec<RoleReport>,
}

#[derive(Debug, Serialize)]
pub struct Setup {
    pub version: &'static str,
    pub bus: &'static str,
    pub metric_store: &'static str,
    pub log_store: &'static str,
    pub cores: usize,
    pub seconds: f64,
    pub pods: u64,
    pub nodes: u64,
    pub scrape_interval_s: f64,
    /// `null`: as many as possible.
    pub rate_asked: Option<f64>,
    pub allowed_lateness_s: f64,
    /// At the end.
    pub active_series: f64,
}

/// A second.
#[derive(Debug, Serialize)]
pub struct Throughput {
    pub collected_samples: f64,
    pub windowed_samples: f64,
    pub stored_windows: f64,
    pub stored_documents: f64,
    pub failed_scrapes: f64,
}

/// Messages that groups had not handled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lags {
    /// By group, when it was last looked.
    pub at_the_end: BTreeMap<String, u64>,
    /// Of all groups together.
    pub most: u64,
}

/// Processes of one kind.
#[derive(Debug, Serialize)]
pub struct RoleReport {
    pub role: &'static str,
    pub processes: usize,
    pub cpu_seconds: f64,
    /// Cores that they were busy on.
    pub busy_cores: f64,
    /// Of the one that took the most.
    pub peak_rss_bytes: u64,
    /// Samples that passed them, by seconds of one core.
    pub samples_per_core_second: Option<f64>,
}

/// Between two looks.
pub struct Span {
    pub seconds: f64,
    pub before: Vec<(Part, Snapshot)>,
    pub after: Vec<(Part, Snapshot)>,
}

impl Span {
    fn pairs(&self) -> impl Iterator<Item = (Part, &Snapshot, &Snapshot)> {
        self.before.iter().zip(&self.after).map(|((part, before), (_, after))| (*part, before, after))
    }

    fn growth(&self, name: &str) -> f64 {
        self.pairs().map(|(_, before, after)| after.growth(before, name)).sum()
    }

    fn growth_of(&self, name: &str, label: &str) -> f64 {
        self.pairs().map(|(_, before, after)| after.growth_of(before, name, label)).sum()
    }

    fn roles(&self) -> Vec<RoleReport> {
        let mut roles: BTreeMap<Part, RoleReport> = BTreeMap::new();
        let (collected, windowed) = (self.growth(COLLECTED), self.growth(WINDOWED));
        for (part, before, after) in self.pairs() {
            let role = roles.entry(part).or_insert(RoleReport {
                role: part.as_str(),
                processes: 0,
                cpu_seconds: 0.0,
                busy_cores: 0.0,
                peak_rss_bytes: 0,
                samples_per_core_second: None,
            });
            role.processes += 1;
            role.cpu_seconds += after.usage.cpu_seconds - before.usage.cpu_seconds;
            role.peak_rss_bytes = role.peak_rss_bytes.max(after.usage.peak_bytes);
        }
        for (part, role) in &mut roles {
            role.busy_cores = role.cpu_seconds / self.seconds;
            let n = if part.is_processor() { windowed } else { collected };
            role.samples_per_core_second = ratio(n, role.cpu_seconds);
        }
        roles.into_values().collect()
    }
}

impl Report {
    pub fn new(plan: &Plan, span: &Span, lag: Lags, probes: &Probes) -> Self {
        let rate = |name: &str| span.growth(name) / span.seconds;
        Self {
            setup: Setup::new(plan, span),
            throughput: Throughput {
                collected_samples: rate(COLLECTED),
                windowed_samples: rate(WINDOWED),
                stored_windows: rate(STORED_WINDOWS),
                stored_documents: rate(STORED_DOCUMENTS),
                failed_scrapes: span.growth_of(SCRAPES, "outcome=\"failed\"") / span.seconds,
            },
            bus_bytes_per_sample: ratio(
                span.growth_of(PUBLISHED_BYTES, METRICS_TOPIC),
                span.growth(COLLECTED),
            ),
            bus_bytes_per_sample_in_all: ratio(span.growth(PUBLISHED_BYTES), span.growth(COLLECTED)),
            lag,
            latency_ms: probes.seen.quantiles(),
            windows_unseen: probes.n_unseen,
            roles: span.roles(),
        }
    }

    pub fn text(&self) -> String {
        let Self { setup, throughput, lag, .. } = self;
        let mut text = setup.text();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<34} {value}");
        };
        line("samples taken in", format!("{}/s", count(throughput.collected_samples)));
        line("samples put into windows", format!("{}/s", count(throughput.windowed_samples)));
        line("windows stored", format!("{}/s", count(throughput.stored_windows)));
        line("log lines and events stored", format!("{}/s", count(throughput.stored_documents)));
        if throughput.failed_scrapes > 0.0 {
            line("scrapes that failed", format!("{:.2}/s", throughput.failed_scrapes));
        }
        let bytes = |bytes: Option<f64>| bytes.map_or("-".to_owned(), |bytes| format!("{bytes:.3}"));
        line("bytes a sample on the bus", bytes(self.bus_bytes_per_sample));
        line("  in all, with windows and logs", bytes(self.bus_bytes_per_sample_in_all));
        line("messages behind, most", lag.most.to_string());
        line("messages behind, at the end", lag.last().to_string());
        let latency = self.latency_ms.map_or("no window could be queried".to_owned(), |latency| {
            let Quantiles { n, p50, p90, p99, max } = latency;
            format!("p50 {p50:.0}, p90 {p90:.0}, p99 {p99:.0}, max {max:.0} ms (n {n})")
        });
        line("window due until it is queryable", latency);
        if self.windows_unseen > 0 {
            line("windows not queryable in time", self.windows_unseen.to_string());
        }
        let _ = writeln!(
            text,
            "\n  {:<14} {:>9} {:>10} {:>10} {:>12} {:>22}",
            "role", "processes", "CPU s", "cores", "peak MiB", "samples/s of one core"
        );
        for role in &self.roles {
            let _ = writeln!(
                text,
                "  {:<14} {:>9} {:>10.1} {:>10.2} {:>12} {:>22}",
                role.role,
                role.processes,
                role.cpu_seconds,
                role.busy_cores,
                role.peak_rss_bytes >> 20,
                role.samples_per_core_second.map_or("-".to_owned(), count)
            );
        }
        text
    }
}

impl Setup {
    fn new(plan: &Plan, span: &Span) -> Self {
        let (config, size) = (&plan.config, &plan.size);
        Self {
            version: crate::commands::VERSION,
            bus: if matches!(config.bus, BusConfig::Kafka(_)) { "kafka" } else { "embedded" },
            metric_store: match config.metric_store {
                MetricConfig::Influxdb(_) => "influxdb",
                MetricConfig::Embedded(_) => "embedded",
            },
            log_store: if matches!(config.log_store, LogConfig::Elasticsearch(_)) {
                "elasticsearch"
            } else {
                "embedded"
            },
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            seconds: span.seconds,
            pods: size.n_pods,
            nodes: size.n_nodes,
            scrape_interval_s: size.interval.as_secs_f64(),
            rate_asked: size.rate,
            allowed_lateness_s: plan.allowed_lateness.as_secs_f64(),
            active_series: span.after.iter().map(|(_, snapshot)| snapshot.sum(SERIES)).sum(),
        }
    }

    fn text(&self) -> String {
        let Self { bus, metric_store, log_store, cores, seconds, .. } = self;
        format!(
            "sentinel {}: bus {bus}, metric store {metric_store}, log store {log_store}; {cores} cores, {seconds:.0} s\n\
             {} pods on {} nodes, {} active series, scraped every {} s, allowed lateness {} s\n\n",
            self.version,
            self.pods,
            self.nodes,
            count(self.active_series),
            self.scrape_interval_s,
            self.allowed_lateness_s,
        )
    }
}

impl Lags {
    /// Takes note of an answer of `/api/v1/pipeline`.
    pub fn note(&mut self, pipeline: &Value) {
        let Some(topics) = pipeline["topics"].as_array() else { return };
        let groups = topics.iter().filter_map(|topic| topic["groups"].as_array()).flatten();
        let lag = |group: &Value| Some((group["name"].as_str()?.to_owned(), group["lag"].as_u64()?));
        self.at_the_end = groups.filter_map(lag).collect();
        self.most = self.most.max(self.last());
    }

    /// Of all groups together.
    pub fn last(&self) -> u64 {
        self.at_the_end.values().sum()
    }
}

/// `1,234,567`.
fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number <= -0.5 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let texts = [0.4, 999.0, 1_000.0, 1_234_567.0, -1_000.0].map(count);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567", "-1,000"]);
    }

    #[test]
    fn lag_is_of_all_groups_and_its_peak_is_kept() {
        let answer = |a: u64, b: u64| {
            json!({"topics": [
                {"groups": [{"name": "a", "lag": a}]},
                {"groups": [{"name": "b", "lag": b}, {"name": "c"}]},
            ]})
        };
        let mut lags = Lags::default();
        lags.note(&answer(5, 7));
        lags.note(&answer(1, 0));
        lags.note(&Value::Null);
        assert_eq!((lags.most, lags.last()), (12, 1));
        assert_eq!(lags.at_the_end.len(), 2);
    }

    #[test]
    fn work_is_divided_by_the_time_of_those_who_did_it() {
        let at = |samples: f64, cpu_seconds: f64| {
            let mut snapshot = Snapshot::parse(&format!("{WINDOWED} {samples}\n"));
            snapshot.usage.cpu_seconds = cpu_seconds;
            (Part::Processor, snapshot)
        };
        let span = Span {
            seconds: 10.0,
            before: vec![at(0.0, 1.0), at(0.0, 1.0)],
            after: vec![at(600.0, 2.0), at(400.0, 3.0)],
        };
        let roles = span.roles();
        assert_eq!((roles.len(), roles[0].processes, roles[0].cpu_seconds), (1, 2, 3.0));
        assert_eq!(roles[0].samples_per_core_second, Some(1_000.0 / 3.0));
        assert_eq!(span.growth(WINDOWED), 1_000.0);
    }
}
