//! Following topics of the bus for the state in memory. Each follower lives on its own: it starts over
//! after an error, with growing delays, and never stops the others.

use std::time::{Duration, Instant};

use ahash::AHashSet;
use sentinel_bus::{BusError, Delivered, PollLimit, Start};
use sentinel_log_store::DocumentId;
use sentinel_model::{CanaryWindows, DeadLetter, EventBatch, LogBatch, ObjectKey, ObjectState, Topic};
use sentinel_proto::{DecodeError, RollupDecoder, Wire as _};
use sentinel_runtime::{Backoff, Component, Shutdown, clock};
use tracing::{debug, warn};

use crate::app::App;
use crate::canary;
use crate::dead_letters::LetterId;
use crate::rows::{event_of_record, log_of_record};
use crate::traffic::TopicOffsets;

const POLL: PollLimit = PollLimit { max_records: 1_000, max_bytes: 4 << 20, wait: Duration::from_secs(1) };

/// What a follower does with its topic.
pub trait Follow: Send {
    const TOPIC: Topic;
    const START: Start;

    /// Reading begins, or begins again.
    fn restart(&mut self, app: &App);

    /// `is_news`: the record came after reading began.
    fn take(&mut self, app: &App, delivered: Delivered, is_news: bool) -> Result<(), Skipped>;

    /// Everything that was there when reading began has been taken.
    fn caught_up(&mut self, _: &App) {}

    /// Called after each poll. Gives what is wrong, if something is, with what to do about it.
    fn rest(&mut self, _: &App) -> Result<(), String> {
        Ok(())
    }
}

/// Why a record was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// It continues one that was not seen; the next key frame can be read.
    MissingBase,
    Corrupt,
}

/// Runs until shutdown is requested.
pub async fn follow<F: Follow>(app: App, mut follower: F, component: Component, shutdown: Shutdown) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    while let Some(Err(error)) = shutdown.guard(read(&app, &mut follower, &component, &mut backoff)).await {
        let delay = backoff.next_delay();
        warn!(topic = %F::TOPIC, error = &error as &dyn std::error::Error, ?delay, "reading failed");
        component.degraded(format!("cannot read {}: {error}", F::TOPIC));
        shutdown.guard(tokio::time::sleep(delay)).await;
    }
}

async fn read<F: Follow>(
    app: &App,
    follower: &mut F,
    component: &Component,
    backoff: &mut Backoff,
) -> Result<std::convert::Infallible, BusError> {
    let mut records = app.bus.follow(F::TOPIC, F::START).await?;
    follower.restart(app);
    let mut is_caught_up = false;
    loop {
        if !is_caught_up && records.is_caught_up() {
            is_caught_up = true;
            follower.caught_up(app);
            component.ready();
        }
        let delivered = records.poll(POLL).await?;
        backoff.reset();
        for record in delivered {
            let position = record.position;
            app.freshness.saw(record.record.timestamp);
            let outcome = match follower.take(app, record, is_caught_up) {
                Ok(()) => "ok",
                Err(Skipped::MissingBase) => "skipped",
                Err(Skipped::Corrupt) => {
                    debug!(topic = %F::TOPIC, ?position, "a record cannot be read");
                    "corrupt"
                }
            };
            app.own.follow(F::TOPIC.as_str(), outcome);
        }
        match follower.rest(app) {
            // Before, what ended long ago is still among what there is too much of.
            _ if !is_caught_up => {}
            Ok(()) => component.ready(),
            Err(reason) => component.degraded(reason),
        }
    }
}

// === Objects ===

#[derive(Debug, Default)]
pub struct FollowObjects {
    /// While the topic is read again after an error: objects seen so far. Those that are missing in the
    /// end were removed in between, their tombstones perhaps compacted away.
    seen: Option<AHashSet<ObjectKey>>,
}

impl Follow for FollowObjects {
    const TOPIC: Topic = Topic::Objects;
    const START: Start = Start::Earliest;

    fn restart(&mut self, app: &App) {
        self.seen = (app.objects.count() > 0).then(AHashSet::new);
    }

    fn take(&mut self, app: &App, delivered: Delivered, is_news: bool) -> Result<(), Skipped> {
        let record = delivered.record;
        if record.value.is_empty() {
            let key = key_of(&record.key).ok_or(Skipped::Corrupt)?;
            app.objects.remove(&key, record.timestamp, is_news);
            return Ok(());
        }
        let state = ObjectState::decode(&record.value).map_err(|_| Skipped::Corrupt)?;
        if let Some(seen) = &mut self.seen {
            seen.insert(state.key.clone());
        }
        app.objects.apply(state, is_news);
        Ok(())
    }

    fn caught_up(&mut self, app: &App) {
        if let Some(seen) = self.seen.take() {
            app.objects.retain(|key| seen.contains(key), app.now());
        }
    }

    fn rest(&mut self, app: &App) -> Result<(), String> {
        app.own.objects.set(app.objects.count() as i64);
        Ok(())
    }
}

/// `cluster/kind/uid`, of which the last two hold no slash.
fn key_of(key: &[u8]) -> Option<ObjectKey> {
    let mut parts = std::str::from_utf8(key).ok()?.rsplitn(3, '/');
    let (uid, kind, cluster) = (parts.next()?, parts.next()?, parts.next()?);
    Some(ObjectKey { cluster: cluster.into(), kind: kind.into(), uid: uid.to_owned() })
}

// === Live ===

#[derive(Default)]
pub struct FollowLive {
    /// One for each partition: streams do not cross them.
    decoders: Vec<RollupDecoder>,
    canaries: CanaryWindows,
    refusals: Refusals,
}

/// Windows that found no room, and when the last of them did not.
#[derive(Debug, Default)]
struct Refusals {
    n: u64,
    last: Option<Instant>,
}

impl Refusals {
    /// A limit that is reached is told for this long after each window that it kept out.
    const TOLD: Duration = Duration::from_secs(60);

    fn are_recent(&mut self, n: u64) -> bool {
        if n > self.n {
            (self.n, self.last) = (n, Some(Instant::now()));
        }
        self.last.is_some_and(|last| last.elapsed() < Self::TOLD)
    }
}

impl Follow for FollowLive {
    const TOPIC: Topic = Topic::Live;
    const START: Start = Start::Earliest;

    fn restart(&mut self, _: &App) {
        self.decoders.clear();
    }

    fn take(&mut self, app: &App, delivered: Delivered, is_news: bool) -> Result<(), Skipped> {
        let partition = delivered.position.at.partition as usize;
        if self.decoders.len() <= partition {
            self.decoders.resize_with(partition + 1, RollupDecoder::new);
        }
        let batch = match self.decoders[partition].decode(&delivered.record.value) {
            Ok(batch) => batch,
            // Reading again from the start, or two processors for a moment: it is there already.
            Err(DecodeError::Duplicate { .. }) => return Ok(()),
            Err(DecodeError::MissingBase { .. }) => return Err(Skipped::MissingBase),
            Err(_) => return Err(Skipped::Corrupt),
        };
        let published = delivered.record.timestamp;
        let seen = self.canaries.read(&batch);
        if is_news {
            app.own.live_lag.set(app.now().millis_since(published) as f64 / 1_000.0);
            canary::note(&app.own.canaries, canary::hop::LIVE, &seen);
        }
        app.live.apply(batch, published);
        Ok(())
    }

    fn rest(&mut self, app: &App) -> Result<(), String> {
        let n_refused = app.live.n_refused();
        app.own.live_series.set(app.live.n_series() as i64);
        app.own.live_refused.set(n_refused as i64);
        if !self.refusals.are_recent(n_refused) {
            return Ok(());
        }
        let limit = app.config.limits.live_series;
        Err(format!(
            "more series move than api.limits.live_series = {limit} lets in: the others are shown once they are stored, \
             by processor.allowed_lateness later; raise it, some 1.3 KiB of memory for each series"
        ))
    }
}

// === Logs and events ===

#[derive(Debug, Default)]
pub struct FollowLogs;

impl Follow for FollowLogs {
    const TOPIC: Topic = Topic::Logs;
    const START: Start = Start::Latest;

    fn restart(&mut self, _: &App) {}

    fn take(&mut self, app: &App, delivered: Delivered, _: bool) -> Result<(), Skipped> {
        let batch = LogBatch::decode(&delivered.record.value).map_err(|_| Skipped::Corrupt)?;
        let ids = batch.line_ids();
        let rows = batch.records.into_iter().zip(ids).map(|(record, id)| {
            let bytes = size_of::<crate::dto::record::LogRow>() + 2 * 64 + record.body.len();
            (log_of_record(record, &batch.cluster, DocumentId(id)), bytes)
        });
        app.recent_logs.push(rows);
        Ok(())
    }
}

#[derive(Debug, Default)]
pub struct FollowEvents;

impl Follow for FollowEvents {
    const TOPIC: Topic = Topic::Events;
    const START: Start = Start::Latest;

    fn restart(&mut self, _: &App) {}

    fn take(&mut self, app: &App, delivered: Delivered, _: bool) -> Result<(), Skipped> {
        let batch = EventBatch::decode(&delivered.record.value).map_err(|_| Skipped::Corrupt)?;
        let rows = batch.records.into_iter().map(|record| {
            let bytes = size_of::<crate::dto::record::EventRow>() + 2 * 128 + record.message.len();
            (event_of_record(record, &batch.cluster), bytes)
        });
        app.recent_events.push(rows);
        Ok(())
    }
}

// === Dead letters ===

#[derive(Debug, Default)]
pub struct FollowDeadLetters;

impl Follow for FollowDeadLetters {
    const TOPIC: Topic = Topic::DeadLetters;
    const START: Start = Start::Earliest;

    fn restart(&mut self, app: &App) {
        app.dead_letters.clear();
    }

    fn take(&mut self, app: &App, delivered: Delivered, _: bool) -> Result<(), Skipped> {
        let letter = DeadLetter::decode(&delivered.record.value).map_err(|_| Skipped::Corrupt)?;
        app.dead_letters.apply(LetterId::of(delivered.position), &letter);
        Ok(())
    }
}

// === Housekeeping ===

const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks at the ends of all topics, and forgets series that ended.
pub async fn keep_house(app: App, shutdown: Shutdown) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.guard(every.tick()).await.is_some() {
        app.live.sweep();
        for topic in Topic::ALL {
            match TopicOffsets::read(&*app.bus, topic).await {
                Ok(offsets) => app.traffic.note(topic, app.now(), offsets.end()),
                Err(error) => debug!(%topic, %error, "the topic's end is not known"),
            }
        }
        debug!(now_ms = clock::now_millis(), n_series = app.live.n_series(), "kept house");
    }
}
