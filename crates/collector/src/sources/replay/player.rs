//! Feeds recorded lines through the code of live sources.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sentinel_model::{EventRecord, LogRecord, ObjectState, Timestamp};
use sentinel_runtime::spawn_blocking;

use super::counts::ReplayCounts;
use super::recording::{LogLine, Record, ScrapeLine, WatchLine};
use crate::fetch::{FetchError, Fetched};
use crate::ingest::TargetLabels;
use crate::sources::kubernetes::{
    Change, Counts, Delta, Endpoint, Health, JoinLimits, Joined, Joiner, Kind, KubeletReading, News, View,
};
use crate::sources::scrape::{Answer, read_answer};
use crate::{
    Limits, OpenMetricsRules, OutletError, PendingFrame, Redactor, SourceContext, TargetKind, TargetStream,
};

/// State metrics come once in so much recorded time.
const STATE_INTERVAL_MS: i64 = 10_000;
/// Records wait at most so much recorded time for others to go with.
const BATCH_MS: i64 = 200;
const BATCH_RECORDS: usize = 1_000;
const CONTENT_TYPE: &str = "text/plain; version=0.0.4";
const JOIN: JoinLimits = JoinLimits { lines: 256, bytes: 64 << 10 };

pub(super) struct Player {
    context: SourceContext,
    view: Arc<View>,
    counts: ReplayCounts,
    kubelets: HashMap<String, KubeletReading>,
    plain: HashMap<String, (TargetStream, TargetLabels)>,
    state: Option<TargetStream>,
    next_state_ms: Option<i64>,
    logs: HashMap<(String, String, String), Container>,
    pending: Pending,
    /// Kinds whose first list has begun.
    listing: Vec<Kind>,
}

/// What reads the lines of one container.
struct Container {
    joiner: Joiner,
    redactor: Redactor,
    /// As the view knew the pod last; it may be gone when its last lines come.
    record: LogRecord,
}

#[derive(Default)]
struct Pending {
    since_ms: Option<i64>,
    objects: Vec<ObjectState>,
    events: Vec<EventRecord>,
    logs: HashMap<(String, String, String), Vec<LogRecord>>,
    n_records: usize,
}

impl Player {
    pub fn new(context: SourceContext) -> Self {
        Self {
            view: Arc::new(View::new(Arc::clone(&context.cluster))),
            state: Some(context.outlet.target("state", TargetKind::State)),
            context,
            counts: ReplayCounts::default(),
            kubelets: HashMap::new(),
            plain: HashMap::new(),
            next_state_ms: None,
            logs: HashMap::new(),
            pending: Pending::default(),
            listing: Vec::new(),
        }
    }

    pub fn into_counts(mut self) -> ReplayCounts {
        self.counts.events = self.counts.event_uids.len() as u64;
        for (kind, _) in &self.counts.object_uids {
            *self.counts.objects.entry(*kind).or_default() += 1;
        }
        self.counts
    }

    /// One line that arrived at `at_ms`.
    pub async fn play(&mut self, at_ms: i64, record: Record) -> Result<(), OutletError> {
        if self.pending.since_ms.is_some_and(|since| at_ms - since >= BATCH_MS) {
            self.flush().await?;
        }
        self.play_states(at_ms).await?;
        match record {
            Record::Scrape(line) => self.scrape(line).await?,
            Record::Watch(line) => self.watch(at_ms, line),
            Record::Log(line) => self.log(line),
        }
        if self.pending.n_records > 0 {
            self.pending.since_ms.get_or_insert(at_ms);
        }
        if self.pending.n_records >= BATCH_RECORDS { self.flush().await } else { Ok(()) }
    }

    /// The recording has ended.
    pub async fn finish(&mut self) -> Result<(), OutletError> {
        let containers: Vec<_> = self.logs.keys().cloned().collect();
        for key in containers {
            if let Some(joined) = self.logs.get_mut(&key).and_then(|container| container.joiner.flush()) {
                self.add_joined(&key, joined);
            }
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), OutletError> {
        let Pending { objects, events, logs, .. } = std::mem::take(&mut self.pending);
        let outlet = self.context.outlet.clone();
        forgive(outlet.publish_objects(objects).await)?;
        forgive(outlet.publish_events(events).await)?;
        let published =
            futures::future::join_all(logs.into_values().map(|records| outlet.publish_logs(records)));
        published.await.into_iter().try_for_each(forgive)
    }

    // === Scrapes ===

    async fn scrape(&mut self, line: ScrapeLine) -> Result<(), OutletError> {
        let counts = self.counts.targets.entry(line.target.clone()).or_default();
        counts.scrapes += 1;
        counts.failed += u64::from(line.body.is_none());
        let endpoint = line.target.strip_prefix("kubelet/");
        let endpoint = Endpoint::ALL.into_iter().find(|known| Some(known.as_str()) == endpoint);
        let frame = match endpoint {
            Some(endpoint) => self.scrape_kubelet(endpoint, line).await,
            None => self.scrape_plain(line).await,
        };
        forgive(frame.publish().await)
    }

    async fn scrape_kubelet(&mut self, endpoint: Endpoint, line: ScrapeLine) -> PendingFrame {
        let mut reading = match self.kubelets.remove(&line.target) {
            Some(reading) => reading,
            None => self.new_reading(endpoint),
        };
        let target = line.target.clone();
        let (reading, frame, outcome) = spawn_blocking("replay", move || {
            let (frame, outcome) = read_kubelet(&mut reading, &line);
            (reading, frame, outcome)
        })
        .await;
        self.kubelets.insert(target.clone(), reading);
        self.context.metrics.scraped(TargetKind::Kubelet.as_str(), outcome.is_ok());
        match outcome {
            // The summary is JSON: what is computed from it are no sample lines.
            Ok(counts) => {
                counts.note(endpoint, &self.context.metrics);
                self.counts.left_out += counts.left_out.total() as u64;
                if endpoint != Endpoint::Summary {
                    self.count_samples(&target, counts.parsed);
                }
            }
            Err(reason) => self.context.metrics.reject("kubelet", reason),
        }
        frame
    }

    fn new_reading(&self, endpoint: Endpoint) -> KubeletReading {
        let limits = self.context.limits;
        let mut reading =
            KubeletReading::new(endpoint, &self.node(), &self.view, &self.context.outlet, limits);
        reading.set_has_cadvisor(true);
        reading
    }

    /// The recordings are of clusters with one node.
    fn node(&self) -> Arc<str> {
        self.view.nodes().first().map_or_else(|| "node".into(), |node| Arc::clone(&node.name))
    }

    async fn scrape_plain(&mut self, line: ScrapeLine) -> PendingFrame {
        let (mut stream, labels) = match self.plain.remove(&line.target) {
            Some(known) => known,
            None => self.new_plain(&line.target),
        };
        let target = line.target.clone();
        let limits: Limits = self.context.limits;
        let (stream, labels, frame, result) = spawn_blocking("replay", move || {
            let (frame, result) = read_answer(&mut stream, answer(line), &labels, &limits);
            (stream, labels, frame, result)
        })
        .await;
        self.plain.insert(target.clone(), (stream, labels));
        self.context.metrics.scraped(TargetKind::Scrape.as_str(), result.is_ok());
        match result {
            Ok(ingested) => {
                self.context.metrics.drop_samples("future_timestamp", ingested.n_from_future as u64);
                self.count_samples(&target, ingested.n_scraped);
            }
            Err(error) => self.context.metrics.reject("scrape", error.reason()),
        }
        frame
    }

    fn new_plain(&self, target: &str) -> (TargetStream, TargetLabels) {
        let (job, path) = target.split_once('/').unwrap_or((target, "metrics"));
        let node = self.node();
        let instance = if job == "kubelet" { &*node } else { target };
        let path = format!("/{path}");
        let pairs = [
            ("job", job),
            ("instance", instance),
            ("cluster", &*self.context.cluster),
            ("metrics_path", &path),
        ];
        let mut pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        if job == "kubelet" {
            pairs.push(("node".to_owned(), node.to_string()));
        }
        (self.context.outlet.target(target, TargetKind::Scrape), TargetLabels::new(pairs))
    }

    fn count_samples(&mut self, target: &str, n_samples: usize) {
        if let Some(counts) = self.counts.targets.get_mut(target) {
            counts.samples += n_samples as u64;
        }
    }

    // === Watches ===

    fn watch(&mut self, at_ms: i64, line: WatchLine) {
        *self.counts.watch.entry((line.resource.clone(), line.kind.clone())).or_default() += 1;
        let Some(kind) = Kind::from_name(&line.resource) else { return };
        let change = match line.kind.as_str() {
            "LIST" | "ADDED" | "MODIFIED" => Change::Seen(line.object),
            "DELETED" => Change::Gone(line.object),
            "SYNCED" => Change::ListEnds,
            _ => return,
        };
        if !self.listing.contains(&kind) {
            self.listing.push(kind);
            self.take(at_ms, Delta { kind, change: Change::ListBegins });
        }
        self.take(at_ms, Delta { kind, change });
    }

    fn take(&mut self, at_ms: i64, delta: Delta) {
        let kind = delta.kind;
        let mut news = Vec::new();
        if let Err(refusal) = self.view.take(delta, Timestamp::from_millis(at_ms), &mut news) {
            self.counts.refused += 1;
            let door = if kind == Kind::Event { "event" } else { "object" };
            self.context.metrics.reject(door, refusal.reason());
        }
        self.pending.n_records += news.len();
        for news in news {
            match news {
                News::Object(state) => {
                    self.counts.object_uids.insert((kind.as_str(), state.key.uid.clone()));
                    self.pending.objects.push(*state);
                }
                News::Event(record) => {
                    self.counts.event_records += 1;
                    self.counts.event_uids.insert(record.uid.clone());
                    self.pending.events.push(*record);
                }
            }
        }
    }

    /// State metrics at every full interval that has passed.
    async fn play_states(&mut self, at_ms: i64) -> Result<(), OutletError> {
        let next = *self.next_state_ms.get_or_insert(at_ms + STATE_INTERVAL_MS / 10);
        if at_ms < next {
            return Ok(());
        }
        let n_passed = (at_ms - next) / STATE_INTERVAL_MS;
        self.next_state_ms = Some(next + (n_passed + 1) * STATE_INTERVAL_MS);
        let scraped = Timestamp::from_millis(next + n_passed * STATE_INTERVAL_MS);
        let Some(mut stream) = self.state.take() else { return Ok(()) };
        let samples = self.view.samples();
        let (stream, frame) = spawn_blocking("replay", move || {
            let mut frame = stream.begin(scraped);
            for sample in samples.iter().flat_map(|all| all.iter()) {
                frame.sample(&sample.series, scraped, sample.value);
            }
            let frame = frame.encode();
            (stream, frame)
        })
        .await;
        self.state = Some(stream);
        self.counts.state_samples += frame.n_samples() as u64;
        forgive(frame.publish().await)
    }

    // === Logs ===

    fn log(&mut self, line: LogLine) {
        self.counts.log_lines += 1;
        let Ok(time) = line.t.parse::<jiff::Timestamp>() else {
            self.counts.refused += 1;
            return self.context.metrics.reject("log", "no_timestamp");
        };
        let timestamp_ns = i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX);
        let key = (line.namespace, line.pod, line.container);
        let container = self.logs.entry(key.clone()).or_insert_with(|| Container::new(&key));
        container.look_up(&self.view);
        if matches!(container.redactor.clone().redact(&line.line), Cow::Owned(_)) {
            self.counts.redacted_lines += 1;
        }
        if let Some(joined) = container.joiner.push(timestamp_ns, &line.line) {
            self.add_joined(&key, joined);
        }
    }

    fn add_joined(&mut self, key: &(String, String, String), joined: Joined) {
        let Some(container) = self.logs.get_mut(key) else { return };
        let body = container.redactor.redact(&joined.body);
        if matches!(body, Cow::Owned(_)) {
            self.context.metrics.log_records_redacted.inc();
        }
        let record = LogRecord {
            timestamp_ns: joined.timestamp_ns,
            severity: joined.severity,
            body: body.into_owned(),
            ..container.record.clone()
        };
        self.counts.log_records += 1;
        self.pending.n_records += 1;
        self.pending.logs.entry(key.clone()).or_default().push(record);
    }
}

impl Container {
    fn new((namespace, pod, container): &(String, String, String)) -> Self {
        let record = LogRecord {
            timestamp_ns: 0,
            namespace: namespace.as_str().into(),
            workload_kind: "".into(),
            workload: "".into(),
            pod: pod.as_str().into(),
            container: container.as_str().into(),
            node: "".into(),
            severity: Default::default(),
            body: String::new(),
        };
        Self { joiner: Joiner::new(JOIN), redactor: Redactor::default(), record }
    }

    fn look_up(&mut self, view: &View) {
        let Some(pod) = view.pod(&self.record.namespace, &self.record.pod) else { return };
        self.record.node = Arc::clone(&pod.node);
        if let Some(workload) = &pod.workload
            && *self.record.workload != *workload.name
        {
            self.record.workload_kind = workload.kind.as_str().into();
            self.record.workload = workload.name.as_str().into();
        }
    }
}

fn read_kubelet(
    reading: &mut KubeletReading,
    line: &ScrapeLine,
) -> (PendingFrame, Result<Counts, &'static str>) {
    let health = |up| {
        let took = line.duration_ms / 1_000.0;
        [Health { name: "up", value: up }, Health { name: "scrape_duration_seconds", value: took }]
    };
    let scraped = Timestamp::from_millis(line.t_ms);
    let read = match &line.body {
        Some(body) => reading.read(body.as_bytes(), scraped, &health(1.0)).map_err(|error| error.reason()),
        None => Err("recorded_failure"),
    };
    match read {
        Ok((frame, counts)) => (frame, Ok(counts)),
        Err(reason) => (reading.failed(scraped, &health(0.0)), Err(reason)),
    }
}

fn answer(line: ScrapeLine) -> Answer {
    let fetched = match line.body {
        Some(body) => Ok(Fetched { body: body.into_bytes(), content_type: CONTENT_TYPE.to_owned() }),
        None => Err(FetchError::Connect { message: line.error.unwrap_or_default() }),
    };
    let took = Duration::try_from_secs_f64(line.duration_ms / 1_000.0).unwrap_or_default();
    let scraped = Timestamp::from_millis(line.t_ms);
    Answer { scraped, took, fetched, openmetrics: OpenMetricsRules::Strict }
}

/// What the outlet dropped is counted there; only its end ends the replay.
fn forgive(result: Result<(), OutletError>) -> Result<(), OutletError> {
    match result {
        Err(OutletError::Dropped { .. }) => Ok(()),
        other => other,
    }
}
