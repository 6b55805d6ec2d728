//! Numbered beats, sent all the time and by the same way as everybody's samples and lines: what becomes of them
//! tells every hop what it loses, what it doubles and how long it takes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sentinel_model::{
    CANARY_LIFE, CANARY_NAMESPACE, CANARY_SENT, CANARY_SEQUENCE, CANARY_TARGET, CanaryBeat, Labels,
    LogRecord, LogSeverity, METRIC_NAME, MetricKind, Series,
};
use sentinel_runtime::Shutdown;
use tokio::time::MissedTickBehavior;

use crate::{OutletError, Source, SourceContext, TargetKind, TargetStream};

const INTERVAL: Duration = Duration::from_secs(1);
/// Beats for each log line.
const BEATS_PER_LINE: u64 = 10;

pub(crate) struct Canary {
    context: SourceContext,
    series: [Series; 3],
    /// Grows with each start.
    life: u64,
    next: u64,
    next_line: u64,
}

impl Canary {
    pub fn new(context: SourceContext) -> Self {
        let series = [CANARY_SEQUENCE, CANARY_SENT, CANARY_LIFE].map(|metric| Series {
            labels: Labels::from_pairs([
                (METRIC_NAME, metric),
                ("cluster", &*context.cluster),
                ("collector", &*context.collector),
            ])
            .expect("three names that differ"),
            kind: MetricKind::Gauge,
        });
        let life = context.outlet.next_epoch();
        Self { context, series, life, next: 0, next_line: 0 }
    }

    /// A number is used up once its beat is on its way: should it be lost from there on, it is missing.
    async fn beat(&mut self, stream: &mut TargetStream) -> Result<(), OutletError> {
        let hold = self.context.outlet.hold();
        let sent = hold.scraped();
        let mut frame = stream.begin(sent);
        let values = [self.next as f64, sent.as_secs_f64(), self.life as f64 / 1_000.0];
        for (series, value) in self.series.iter().zip(values) {
            frame.sample(series, sent, value);
        }
        self.next += 1;
        let pending = frame.encode();
        drop(hold);
        pending.publish().await
    }

    async fn line(&mut self) -> Result<(), OutletError> {
        let hold = self.context.outlet.hold();
        let beat = CanaryBeat { life: self.life, sequence: self.next_line, sent: hold.scraped() };
        drop(hold);
        self.next_line += 1;
        let nothing: Arc<str> = "".into();
        let record = LogRecord {
            timestamp_ns: beat.sent.as_millis().saturating_mul(1_000_000),
            namespace: CANARY_NAMESPACE.into(),
            workload_kind: Arc::clone(&nothing),
            workload: Arc::clone(&nothing),
            pod: Arc::clone(&self.context.collector),
            container: "canary".into(),
            node: nothing,
            severity: LogSeverity::Info,
            body: beat.to_string(),
        };
        self.context.outlet.publish_logs(vec![record]).await
    }
}

#[async_trait]
impl Source for Canary {
    fn name(&self) -> &'static str {
        "canary"
    }

    async fn run(mut self: Box<Self>, shutdown: Shutdown) {
        let target = format!("{CANARY_TARGET}{}", self.context.collector);
        let mut stream = self.context.outlet.target(&target, TargetKind::Canary);
        let mut ticks = tokio::time::interval(INTERVAL);
        // While the outlet blocks, no beat is sent, and none is missing.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.guard(ticks.tick()).await.is_some() {
            let is_line_due = self.next.is_multiple_of(BEATS_PER_LINE);
            // Drops are counted by the outlet, and found missing by every hop.
            if let Err(OutletError::Closed) = self.beat(&mut stream).await {
                return;
            }
            if is_line_due && let Err(OutletError::Closed) = self.line().await {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use sentinel_model::{LogBatch, SeriesRef, Topic};
    use sentinel_proto::Wire as _;

    use super::*;
    use crate::testing::{Bench, FakeBus, Mode};
    use crate::{Clock, OutletConfig};

    #[tokio::test(start_paused = true)]
    async fn beats_are_numbered_without_holes_and_every_tenth_has_a_line() {
        let bus = FakeBus::new(Mode::Works);
        let folder = tempfile::tempdir().expect("a folder");
        let mut bench = Bench::with_clock(&bus, folder.path(), OutletConfig::default(), Clock::Wall);
        let canary = Box::new(Canary::new(bench.context()));
        let life = canary.life;
        let running = bench.service.take().expect("not started yet").start();
        let (trigger, shutdown) = Shutdown::new();
        let task = sentinel_runtime::spawn("canary", canary.run(shutdown));
        sentinel_testkit::wait_until("two lines", || bus.taken_of(Topic::Logs).len() >= 2).await;
        trigger.trigger();
        task.await;
        running.drain().await;
        let (frames, n_lost) = bus.frames();
        assert_eq!(n_lost, 0);
        for (number, frame) in frames.iter().enumerate() {
            assert_eq!(&*frame.stream.target, "canary/c1");
            let of =
                |series| frame.points.iter().find(|point| point.series == SeriesRef(series)).map(|p| p.value);
            assert_eq!(of(0), Some(number as f64));
            assert_eq!(of(2), Some(life as f64 / 1_000.0));
        }
        let lines: Vec<LogBatch> = bus
            .taken_of(Topic::Logs)
            .iter()
            .map(|message| LogBatch::decode(&message.record.value).expect("lines"))
            .collect();
        let beats: Vec<_> = lines
            .iter()
            .flat_map(|batch| &batch.records)
            .filter_map(|line| CanaryBeat::parse(&line.body))
            .collect();
        assert!(frames.len() > 10 && beats.len() >= 2, "{} beats, {} lines", frames.len(), beats.len());
        for (number, beat) in (0..).zip(&beats) {
            assert_eq!((beat.sequence, beat.life), (number, life));
        }
    }
}
