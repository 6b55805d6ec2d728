//! The routes in process, over fakes of the ports, at a fixed time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::any;
use http::{HeaderMap, Request, StatusCode, header};
use sentinel_metric_store::{MetricWriter as _, Row, WindowRows};
use sentinel_model::{
    Aggregate, Kept, ObjectState, Resolution, Rollup, RollupBatch, Series, SeriesRef, Summary, Timestamp,
    Window,
};
use sentinel_runtime::admin::Admin;
use sentinel_runtime::{Health, Registry, Shutdown, ShutdownTrigger, Task};
use sentinel_settings::Settings;
use sentinel_testkit::build::NOW;
use sentinel_testkit::{MemoryBus, MemoryCache, MemoryLogs, MemoryMetrics, wait_until};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::app::{App, Configured, Mode, Parts};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::router::router;

pub(crate) struct Harness {
    pub(crate) app: App,
    router: Router,
    pub(crate) bus: MemoryBus,
    pub(crate) metrics: Arc<MemoryMetrics>,
    pub(crate) logs: Arc<MemoryLogs>,
    pub(crate) answers: Arc<MemoryCache>,
    _stop: ShutdownTrigger,
    _settings: Option<Task<()>>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn mode() -> Mode {
    Mode { version: "1.2.3".into(), mode: "demo".into(), is_simulated: true }
}

/// What the dashboard would answer.
pub(crate) fn dashboard() -> Router {
    Router::new().fallback(any(|| async { "the dashboard" }))
}

const TEN_SECONDS: Kept = Kept::Metrics(Resolution::TenSeconds);

fn configured(kept: Kept, days: u64, is_least: bool) -> (Kept, Configured) {
    (kept, Configured { span: Duration::from_secs(days * 86_400), is_least })
}

impl Harness {
    pub(crate) fn new() -> Self {
        // Tests change what is asked for and ask again at once.
        let mut config = Config::default();
        config.limits.answer_ttl = Duration::ZERO;
        Self::with(config)
    }

    pub(crate) fn with(config: Config) -> Self {
        let bus = MemoryBus::default();
        let metrics = Arc::new(MemoryMetrics::default());
        let logs = Arc::new(MemoryLogs::default());
        let answers = Arc::new(MemoryCache::default());
        let health = Health::default();
        health.component("bus").ready();
        let settings = Settings::new(Arc::new(bus.clone()));
        // Where there is no runtime, settings are never read.
        let reader = tokio::runtime::Handle::try_current().is_ok();
        let reader = reader.then(|| settings.start(Health::default().component("settings")));
        let parts = Parts {
            bus: Arc::new(bus.clone()),
            metrics: Arc::clone(&metrics) as _,
            logs: Arc::clone(&logs) as _,
            cache: Arc::new(MemoryCache::default()),
            is_cache_shared: false,
            answers: Arc::clone(&answers) as _,
            health: health.clone(),
            rules: Vec::new(),
            settings,
            retention: vec![configured(Kept::Logs, 7, false), configured(TEN_SECONDS, 2, true)],
            clock: || NOW,
        };
        let mut registry = Registry::default();
        let own = Metrics::register(&mut registry);
        let (stop, shutdown) = Shutdown::new();
        let app = App::new(parts, config, mode(), (own, shutdown));
        let router = router(app.clone(), Admin::new(health, registry).router(), dashboard());
        Self { app, router, bus, metrics, logs, answers, _stop: stop, _settings: reader }
    }

    pub(crate) async fn settings_are_read(&self) {
        let settings = self.app.settings.clone();
        wait_until("the settings are read", move || settings.book().is_read()).await;
    }

    pub(crate) fn objects(&self, states: Vec<ObjectState>) {
        states.into_iter().for_each(|state| self.app.objects.apply(state, false));
    }

    /// Provisional windows of 10 s, the first of them starting `first_s` seconds before now.
    pub(crate) fn live(&self, first_s: i64, rows: &[(Series, &[f64])]) {
        let n_windows = rows.iter().map(|(_, values)| values.len()).max().unwrap_or_default();
        for w in 0..n_windows {
            let start = NOW.saturating_sub_millis((first_s - w as i64 * 10) * 1_000);
            let rollup = |(i, (_, values)): (usize, &(Series, &[f64]))| {
                let aggregate = Aggregate::Single(*values.get(w)?);
                Some(Rollup { series: SeriesRef(i as u32), aggregate })
            };
            let batch = RollupBatch {
                stream: "p0".into(),
                epoch: 1,
                sequence: w as u64,
                is_key: true,
                window: Window { resolution: Resolution::TenSeconds, start },
                is_final: false,
                defined: (0..).zip(rows).map(|(i, (series, _))| (SeriesRef(i), series.clone())).collect(),
                rollups: rows.iter().enumerate().filter_map(rollup).collect(),
            };
            self.app.live.apply(batch, start);
        }
    }

    /// Stores final windows of one series, the first starting `first_s` seconds before now.
    pub(crate) async fn stored(&self, series: &Series, resolution: Resolution, first_s: i64, values: &[f64]) {
        let first = NOW.saturating_sub_millis(first_s * 1_000).floor(resolution.as_millis());
        let window = |(w, value): (usize, &f64)| {
            let start = first.saturating_add_millis(w as i64 * resolution.as_millis());
            let row = Row {
                id: series.labels.id(),
                series: series.clone(),
                aggregate: aggregate(series, resolution, *value),
            };
            WindowRows { window: Window { resolution, start }, rows: vec![row] }
        };
        let windows = values.iter().enumerate().map(window).collect();
        self.metrics.write(windows).await.expect("the fake takes everything");
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path).body(Body::empty()).expect("a request")).await
    }

    /// The JSON of a good answer.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.json()
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let request = request("POST", path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 64 << 20).await.expect("a body").to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Goes through all pages of a list.
    pub(crate) async fn pages(&self, path: &str, limit: usize) -> Vec<Value> {
        let (mut items, mut token) = (Vec::new(), String::new());
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let page = self.json(&format!("{path}{separator}limit={limit}&page_token={token}")).await;
            let page_items = page["items"].as_array().expect("a list");
            assert!(page_items.len() <= limit);
            items.extend(page_items.iter().cloned());
            match page["next_page_token"].as_str() {
                Some(next) => token = next.to_owned(),
                None => return items,
            }
        }
    }
}

/// A counter's wider windows know their increase; here `value` is that.
fn aggregate(series: &Series, resolution: Resolution, value: f64) -> Aggregate {
    let is_counter = series.kind == sentinel_model::MetricKind::Counter;
    if !is_counter || resolution == Resolution::TenSeconds {
        return Aggregate::Single(value);
    }
    Aggregate::Summary(Box::new(Summary {
        count: 6,
        sum: value,
        min: value,
        max: value,
        last: value,
        m2: 0.0,
        increase: Some(value),
        sketch: None,
    }))
}

pub(crate) fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header(header::HOST, "localhost:7700")
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

pub(crate) fn ago(secs: i64) -> Timestamp {
    NOW.saturating_sub_millis(secs * 1_000)
}
