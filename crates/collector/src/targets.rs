//! Configured targets: what they and their series are called, which of them cannot be, and which do not
//! answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sentinel_runtime::Component;
use sentinel_runtime::config::Problem;

use crate::fetch::{UrlError, target_url};
use crate::ingest::TargetLabels;
use crate::sources::scrape::Endpoint;
use crate::{Config, ScrapeTarget, TargetKind};

/// Where metrics are usually served; any other path becomes the label `metrics_path`.
const USUAL_PATH: &str = "/metrics";

/// The endpoint of a target. Labels of the configuration win, as `labels` of a static target do in
/// Prometheus.
///
/// # Errors
/// An address that is not scraped.
pub(crate) fn endpoint(target: &ScrapeTarget, config: &Config, cluster: &str) -> Result<Endpoint, UrlError> {
    let url = target_url(&target.url)?;
    let port = url.port_or_known_default().unwrap_or_default();
    let instance = format!("{}:{port}", url.host_str().unwrap_or_default());
    let job = target.name.clone().unwrap_or_else(|| instance.clone());
    let interval = target.interval.unwrap_or(config.scrape_interval);
    // Without it, `up` and every other series of two paths of one address would be one.
    let path = if url.path() == USUAL_PATH { "" } else { url.path() };
    let own = [("job", job.as_str()), ("instance", &instance), ("cluster", cluster), ("metrics_path", path)];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let labels = TargetLabels::new(own.into_iter().chain(target.labels.clone()));
    Ok(Endpoint {
        target: format!("scrape/{job}/{instance}{}", url.path()),
        url,
        kind: TargetKind::Scrape,
        labels,
        interval,
        timeout: config.scrape_timeout.min(interval),
        openmetrics: target.openmetrics.unwrap_or(config.openmetrics),
        token_file: target.token_file.clone(),
    })
}

/// Targets that cannot be scraped, and those whose series could not be told apart.
pub(crate) fn problems(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut known: Vec<(Endpoint, &str)> = Vec::new();
    for (index, target) in config.scrape.iter().enumerate() {
        let key = |name: &str| format!("collector.scrape[{index}].{name}");
        let endpoint = match endpoint(target, config, "") {
            Ok(endpoint) => endpoint,
            Err(error) => {
                let fact = format!("{:?} cannot be scraped: {error}", target.url);
                problems.push(Problem::new(key("url"), fact, "url = \"http://127.0.0.1:9100/metrics\""));
                continue;
            }
        };
        Problem::new(key("interval"), "must be at least 1ms", "interval = \"10s\"")
            .when(endpoint.interval.is_zero(), &mut problems);
        let is_same = |(other, _): &&(Endpoint, &str)| {
            other.target == endpoint.target || other.labels == endpoint.labels
        };
        if let Some((_, first)) = known.iter().find(is_same) {
            let fact = format!("{} and {first} would be one target; give one another name", target.url);
            problems.push(Problem::new(key("name"), fact, format!("name = \"target-{}\"", index + 1)));
        }
        known.push((endpoint, &target.url));
    }
    problems
}

/// Tells health which configured targets do not answer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TargetBoard {
    failures: Arc<Mutex<BTreeMap<String, String>>>,
    n_targets: usize,
    health: Component,
}

impl TargetBoard {
    pub fn new(health: Component, n_targets: usize) -> Self {
        // None has failed yet.
        health.ready();
        Self { failures: Arc::default(), n_targets, health }
    }

    pub fn set(&self, url: &str, failure: Option<String>) {
        let mut failures = self.failures.lock();
        match failure {
            Some(why) => failures.insert(url.to_owned(), why),
            None => failures.remove(url),
        };
        let Some((url, why)) = failures.first_key_value() else { return self.health.ready() };
        let others = match failures.len() - 1 {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        let reason = format!(
            "{} of {} targets cannot be scraped: {url}: {why}{others}; `sentinel doctor` says what to do",
            failures.len(),
            self.n_targets
        );
        self.health.degraded(reason);
    }
}

#[cfg(test)]
mod tests {
    use sentinel_runtime::{ComponentState, Health};

    use super::*;

    fn target(url: &str, name: Option<&str>) -> ScrapeTarget {
        ScrapeTarget {
            url: url.to_owned(),
            name: name.map(ToOwned::to_owned),
            labels: BTreeMap::new(),
            interval: None,
            openmetrics: None,
            token_file: None,
        }
    }

    fn keys(targets: Vec<ScrapeTarget>) -> Vec<String> {
        let problems = problems(&Config { scrape: targets, ..Config::default() });
        problems.into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn paths_of_one_address_are_told_apart() {
        let up = |url: &str| {
            let endpoint = endpoint(&target(url, None), &Config::default(), "c").expect("an endpoint");
            endpoint.labels.own_series("up").labels.to_string()
        };
        assert_eq!(up("http://h:1/metrics"), r#"up{cluster="c",instance="h:1",job="h:1"}"#);
        assert_eq!(
            up("http://h:1/probe"),
            r#"up{cluster="c",instance="h:1",job="h:1",metrics_path="/probe"}"#
        );
        let both = vec![target("http://h:1/metrics", None), target("http://h:1/probe", None)];
        assert_eq!(keys(both), Vec::<String>::new());
    }

    #[test]
    fn targets_that_would_share_their_series_are_refused() {
        let probe = |module: &str, name| target(&format!("http://h:1/probe?module={module}"), name);
        assert_eq!(keys(vec![probe("a", None), probe("b", None)]), ["collector.scrape[1].name"]);
        assert!(keys(vec![probe("a", Some("a")), probe("b", Some("b"))]).is_empty());
        let mut disguised = target("http://h:1/metrics", None);
        disguised.labels.insert("metrics_path".into(), "/probe".into());
        assert_eq!(keys(vec![probe("a", None), disguised]), ["collector.scrape[1].name"]);
        assert_eq!(keys(vec![target("ftp://h/", None)]), ["collector.scrape[0].url"]);
    }

    #[test]
    fn health_names_the_targets_that_fail() {
        let health = Health::default();
        let board = TargetBoard::new(health.component("collector/targets"), 2);
        let state = || health.report().components["collector/targets"].clone();
        board.set("http://a/", Some("no connection".into()));
        board.set("http://b/", Some("answered 404".into()));
        let ComponentState::Degraded(why) = state() else { panic!("degraded: {:?}", state()) };
        assert!(
            why.contains("2 of 2 targets") && why.contains("http://a/: no connection (and 1 more)"),
            "{why}"
        );
        board.set("http://a/", None);
        board.set("http://b/", None);
        assert_eq!(state(), ComponentState::Ready);
    }
}
