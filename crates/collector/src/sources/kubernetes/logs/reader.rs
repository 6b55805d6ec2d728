//! The log of one container, instance after instance.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use kube::client::Body;
use sentinel_model::LogRecord;
use sentinel_runtime::{Backoff, Shutdown};
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::Logs;
use super::join::{JoinLimits, Joined, Joiner};
use super::line::{RateLimit, split, whole_seconds};
use super::position::{Filter, LineId, Position, line_id};
use crate::sources::kubernetes::client::{Accept, CallError, next_chunk, open};
use crate::sources::kubernetes::view::{ContainerFacts, Life, PodFacts};
use crate::sources::kubernetes::watch::{Line, LineBuffer, encoded};
use crate::{OutletError, Redactor};

/// Until the API server has found the kubelet and the kubelet the log.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);

/// A stream that is silent for this long is opened anew: nothing tells a quiet container from a kubelet
/// that was cut off.
const SILENCE: Duration = Duration::from_secs(300);

/// Records are published at the latest after this, or when there are this many.
const MAX_AGE: Duration = Duration::from_millis(200);
const MAX_RECORDS: usize = 500;

/// Which container of which pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ContainerName {
    pub(super) namespace: Arc<str>,
    pub(super) pod: Arc<str>,
    pub(super) uid: String,
    pub(super) container: Arc<str>,
}

impl ContainerName {
    /// Its key in the file of positions.
    pub(super) fn key(&self) -> String {
        format!("{}/{}/{}/{}", self.namespace, self.pod, self.uid, self.container)
    }

    /// The work that it is a part of.
    pub(super) fn unit(&self) -> String {
        unit(&self.namespace, &self.pod)
    }

    /// The pod's uid in a key.
    pub(super) fn uid_of(key: &str) -> Option<&str> {
        key.split('/').nth(2)
    }
}

/// The logs of a pod, as work that has one owner.
pub(super) fn unit(namespace: &str, pod: &str) -> String {
    format!("logs/{namespace}/{pod}")
}

/// Where reading begins with a container of which no line was taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// It started under the eyes of this collector, so that nobody has read it: at its first line, however long
    /// ago that is.
    FirstLine,
    /// It may have been read by another collector, or be old: `logs.backfill` back.
    Backfill,
}

pub(super) struct Reader {
    logs: Logs,
    name: ContainerName,
    beginning: Beginning,
    /// The kubelet counts back by its own clock, from the moment when it is asked.
    began: Instant,
    key: String,
    joiner: Joiner,
    rate: RateLimit,
    redactor: Redactor,
    backoff: Backoff,
}

/// Why reading a stream ended.
enum End {
    /// The server has no more.
    Complete,
    /// The stream broke off, or fell silent.
    Broken,
    /// The collector stops.
    Stopped,
}

/// Lines that are read and not published yet.
#[derive(Default)]
struct Batch {
    records: Vec<LogRecord>,
    /// Of the lines that the records are made of, or that were dropped.
    ids: Vec<LineId>,
    /// Of the lines of the record that may still grow.
    pending: Vec<LineId>,
    since: Option<Instant>,
}

impl Reader {
    pub(super) fn new(logs: Logs, name: ContainerName, beginning: Beginning) -> Self {
        let config = &logs.config;
        let bytes = usize::try_from(config.join_bytes).unwrap_or(usize::MAX);
        Self {
            joiner: Joiner::new(JoinLimits { lines: config.join_lines, bytes }),
            rate: RateLimit::new(config.lines_per_second, config.burst_lines),
            redactor: Redactor::default(),
            backoff: Backoff::new(Duration::from_millis(500), Duration::from_secs(30)),
            key: name.key(),
            began: Instant::now(),
            logs,
            name,
            beginning,
        }
    }

    /// Ends when the container is gone for good, or when asked to.
    pub(super) async fn run(mut self, shutdown: Shutdown) {
        let mut position = self.logs.positions.get(&self.key).await;
        while let Some(work) = shutdown.guard(self.work(position.as_ref())).await {
            let Some((pod, container)) = work else {
                return self.logs.forget(&self.key).await;
            };
            // The instance before the current one may not have been read, either.
            let mut current =
                position.take().unwrap_or_else(|| Position::begin(container.restart_count.saturating_sub(1)));
            let end = self.read_instances(&mut current, &pod, &container, &shutdown).await;
            position = Some(current);
            match end {
                End::Stopped => return,
                End::Complete => self.backoff.reset(),
                End::Broken => {
                    let delay = self.backoff.next_delay();
                    shutdown.guard(tokio::time::sleep(delay)).await;
                }
            }
        }
    }

    /// Waits until there is something to read; `None` when there never will be.
    async fn work(&self, position: Option<&Position>) -> Option<(Arc<PodFacts>, ContainerFacts)> {
        let mut revision = self.logs.view.revision();
        loop {
            revision.mark_unchanged();
            let pod = self.logs.view.pod(&self.name.namespace, &self.name.pod)?;
            if pod.uid != self.name.uid {
                return None;
            }
            let container = pod.containers.iter().find(|it| it.name == self.name.container)?.clone();
            let is_read =
                position.is_some_and(|it| it.is_complete && it.restart_count >= container.restart_count);
            let has_work = match container.life {
                Life::NotStarted => false,
                Life::Running => true,
                Life::Ended => !is_read,
            };
            if has_work {
                return Some((pod, container));
            }
            revision.changed().await.ok()?;
        }
    }

    /// Option of a request by which the answer begins where reading is to go on.
    fn since(&self, position: &Position) -> String {
        match (position.since_ns(), self.beginning) {
            (Some(since_ns), _) => format!("&sinceTime={}", encoded(&whole_seconds(since_ns))),
            (None, Beginning::FirstLine) => String::new(),
            (None, Beginning::Backfill) => {
                let back = self.logs.config.backfill + self.began.elapsed();
                format!("&sinceSeconds={}", back.as_secs().max(1))
            }
        }
    }

    /// The rest of the instance before, if it was not read to its end, and then the current one.
    async fn read_instances(
        &mut self,
        position: &mut Position,
        pod: &PodFacts,
        container: &ContainerFacts,
        shutdown: &Shutdown,
    ) -> End {
        if position.restart_count < container.restart_count {
            let is_next = position.restart_count + 1 == container.restart_count;
            if is_next && !position.is_complete {
                let end = self.read(position, pod, "&previous=true", shutdown).await;
                if matches!(end, End::Stopped) {
                    return end;
                }
                // What the kubelet does not have any more is lost.
            } else if !is_next {
                self.logs.context.metrics.reject("log", "missed_instance");
            }
            *position = position.next_instance(container.restart_count);
        }
        let end = self.read(position, pod, "&follow=true", shutdown).await;
        if matches!(end, End::Complete) && container.life == Life::Ended {
            position.is_complete = true;
            self.save(position).await;
        }
        // An end without an ended container: the connection was closed, or its end is not known yet.
        match (end, container.life) {
            (End::Complete, Life::Running) => End::Broken,
            (end, _) => end,
        }
    }

    async fn read(
        &mut self,
        position: &mut Position,
        pod: &PodFacts,
        option: &str,
        shutdown: &Shutdown,
    ) -> End {
        let url = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&timestamps=true{}{option}",
            self.name.namespace,
            self.name.pod,
            self.name.container,
            self.since(position),
        );
        let clients = self.logs.connection.clients();
        match shutdown.guard(open(&clients.api, &url, Accept::Any, OPEN_TIMEOUT)).await {
            None => End::Stopped,
            Some(Ok(body)) => self.drain(body, position, pod, shutdown).await,
            Some(Err(error)) => {
                debug!(log = self.key, error = %error, "a log cannot be read");
                self.refused(&error)
            }
        }
    }

    fn refused(&self, error: &CallError) -> End {
        let reason = error.reason();
        self.logs.context.metrics.reject("log", reason);
        match reason {
            "unauthorized" => {
                self.logs.connection.reload();
                End::Broken
            }
            // The kubelet has removed it.
            "not_found" => End::Complete,
            _ => End::Broken,
        }
    }

    /// Reads a body to its end; publishes on the way.
    async fn drain(
        &mut self,
        mut body: Body,
        position: &mut Position,
        pod: &PodFacts,
        shutdown: &Shutdown,
    ) -> End {
        let mut lines = LineBuffer::new(usize::try_from(self.logs.config.line_bytes).unwrap_or(usize::MAX));
        let mut filter = position.filter();
        let mut batch = Batch::default();
        let end = loop {
            let is_waiting = !self.joiner.is_empty() || batch.since.is_some();
            let patience = if is_waiting { self.logs.config.join_wait } else { SILENCE };
            let Some(chunk) = shutdown.guard(timeout(patience, next_chunk(&mut body))).await else {
                break End::Stopped;
            };
            match chunk {
                Err(_) if is_waiting => {
                    self.flush(&mut batch, pod);
                    if self.publish(&mut batch, position).await.is_err() {
                        break End::Stopped;
                    }
                    continue;
                }
                Err(_) | Ok(Some(Err(_))) => break End::Broken,
                Ok(None) => {
                    if let Some(rest) = lines.finish() {
                        self.take(&Line::Whole(rest), &mut filter, &mut batch, pod);
                    }
                    break End::Complete;
                }
                Ok(Some(Ok(chunk))) => lines.push(&chunk),
            }
            self.backoff.reset();
            while let Some(line) = lines.next() {
                self.take(&line, &mut filter, &mut batch, pod);
            }
            if batch.is_due() && self.publish(&mut batch, position).await.is_err() {
                break End::Stopped;
            }
        };
        self.finish(&mut batch, position, pod).await;
        end
    }

    fn take(&mut self, line: &Line, filter: &mut Filter, batch: &mut Batch, pod: &PodFacts) {
        let (Line::Whole(bytes) | Line::Cut(bytes)) = line;
        let text = String::from_utf8_lossy(bytes);
        let Some((timestamp_ns, text)) = split(&text) else {
            // Messages of the kubelet itself have no time.
            if !text.is_empty() {
                self.logs.context.metrics.reject("log", "no_timestamp");
            }
            return;
        };
        let id = line_id(timestamp_ns, text);
        if !filter.is_new(id) {
            return;
        }
        if matches!(line, Line::Cut(_)) {
            self.logs.context.metrics.reject("log", "line_cut");
        }
        batch.since.get_or_insert_with(Instant::now);
        if !self.rate.admits(timestamp_ns) {
            self.logs.context.metrics.reject("log", "rate_limited");
            batch.pending.push(id);
            return;
        }
        if let Some(joined) = self.joiner.push(timestamp_ns, text) {
            self.record(joined, batch, pod);
        }
        batch.pending.push(id);
    }

    fn flush(&mut self, batch: &mut Batch, pod: &PodFacts) {
        if let Some(joined) = self.joiner.flush() {
            self.record(joined, batch, pod);
        }
    }

    fn record(&mut self, joined: Joined, batch: &mut Batch, pod: &PodFacts) {
        let (kind, workload) = pod
            .workload
            .as_ref()
            .map_or(("", ""), |workload| (workload.kind.as_str(), workload.name.as_str()));
        batch.records.push(LogRecord {
            timestamp_ns: joined.timestamp_ns,
            namespace: Arc::clone(&pod.namespace),
            workload_kind: kind.into(),
            workload: workload.into(),
            pod: Arc::clone(&pod.name),
            container: Arc::clone(&self.name.container),
            node: Arc::clone(&pod.node),
            severity: joined.severity,
            body: self.redacted(joined.body),
        });
        batch.ids.append(&mut batch.pending);
    }

    fn redacted(&mut self, body: String) -> String {
        match self.redactor.redact(&body) {
            Cow::Borrowed(_) => body,
            Cow::Owned(masked) => {
                self.logs.context.metrics.log_records_redacted.inc();
                masked
            }
        }
    }

    async fn finish(&mut self, batch: &mut Batch, position: &mut Position, pod: &PodFacts) {
        self.flush(batch, pod);
        // Lines that the rate limit dropped at the end belong to no record.
        batch.ids.append(&mut batch.pending);
        // Nothing is left to do when nobody takes it.
        let _ = self.publish(batch, position).await;
    }

    /// Hands records over and then notes how far reading is: a crash between the two gives these records
    /// twice, never not at all.
    async fn publish(&mut self, batch: &mut Batch, position: &mut Position) -> Result<(), OutletError> {
        batch.since = None;
        let (records, ids) = (std::mem::take(&mut batch.records), std::mem::take(&mut batch.ids));
        if ids.is_empty() {
            return Ok(());
        }
        if !records.is_empty() {
            match self.logs.context.outlet.publish_logs(records).await {
                // Counted there.
                Ok(()) | Err(OutletError::Dropped { .. }) => {}
                Err(closed) => return Err(closed),
            }
        }
        ids.into_iter().for_each(|id| position.take(id));
        self.save(position).await;
        Ok(())
    }

    async fn save(&self, position: &Position) {
        if let Err(error) = self.logs.positions.set(&self.key, position).await {
            self.logs.positions_failed(&error);
        }
    }
}

impl Batch {
    fn is_due(&self) -> bool {
        self.records.len() >= MAX_RECORDS || self.since.is_some_and(|since| since.elapsed() >= MAX_AGE)
    }
}
