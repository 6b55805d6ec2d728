//! A recorded cluster in place of a live one: the same code reads the recorded bodies, watches and lines,
//! at the recorded times.

mod counts;
mod player;
mod recording;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sentinel_model::Timestamp;
use sentinel_runtime::{Component, Registry, Service, ServiceError, Shutdown, spawn, spawn_blocking};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::info;

pub use counts::{ReplayCounts, TargetCounts};
pub use recording::RecordingError;

use crate::metrics::Metrics;
use crate::outlet::{Clock, OutletService, OutletSettings, SpoolUnusable};
use crate::sharding::Ownership;
use crate::{CollectorHandles, Config, Outlet, OutletError, SourceContext};
use player::Player;
use recording::{Record, Recording};

/// Lines read ahead; a body has several megabytes.
const READ_AHEAD: usize = 4;
/// A scrape arrives at most so long after it began: the recorder's time limit.
const LATEST_ARRIVAL_MS: i64 = 8_000;
/// After the end nothing comes any more, so that windows close which would wait for late samples.
const BEYOND_THE_END_MS: i64 = 120_000;

/// What to replay and how.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayConfig {
    /// Folder with `scrapes.jsonl.zst`, `watch.jsonl.zst` and `logs.jsonl.zst`.
    pub folder: PathBuf,
    /// Times the recorded speed; zero is as fast as possible.
    pub speed: f64,
}

impl ReplayConfig {
    /// Whether it can be replayed at all; asked before anything is created for it.
    ///
    /// # Errors
    /// A speed that cannot be, or a recording that cannot be opened.
    pub fn check(&self) -> Result<(), ReplayError> {
        if !self.speed.is_finite() || self.speed < 0.0 {
            return Err(ReplayError::Speed { speed: self.speed });
        }
        Recording::open(&self.folder)?;
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error(transparent)]
    Spool(#[from] SpoolUnusable),
    #[error(
        "a speed of {speed} is not possible; write one of 0 or more, such as 10 (0 is as fast as possible)"
    )]
    Speed { speed: f64 },
    #[error("the outlet was closed before the recording ended")]
    Cut,
}

/// Takes the place of the [`crate::Collector`].
pub struct Replay {
    recording: Recording,
    speed: f64,
    context: SourceContext,
    outlet: OutletService,
    component: Component,
    finished: watch::Sender<Option<ReplayCounts>>,
}

impl Replay {
    /// Opens the recording and the spool; starts nothing.
    ///
    /// # Errors
    /// A recording or a spool folder that cannot be used.
    pub fn build(
        replay: &ReplayConfig,
        config: &Config,
        handles: CollectorHandles,
        registry: &mut Registry,
    ) -> Result<Self, ReplayError> {
        replay.check()?;
        let recording = Recording::open(&replay.folder)?;
        let cluster: Arc<str> = handles.cluster.as_str().into();
        let collector: Arc<str> = if config.id.is_empty() { "replay" } else { &config.id }.into();
        let settings = OutletSettings {
            cluster: Arc::clone(&cluster),
            collector: Arc::clone(&collector),
            config: config.outlet.clone(),
            series_per_target: config.limits.series_per_target,
            clock: Clock::Recorded,
        };
        let metrics = Arc::new(Metrics::register(registry));
        let component = handles.health.component("collector/outlet");
        let folder = handles.data_dir.join("spool");
        let (outlet, service) =
            Outlet::build(settings, handles.bus, folder, Arc::clone(&metrics), component)?;
        let component = handles.health.component("collector/replay");
        let context = SourceContext {
            outlet,
            cluster,
            collector,
            limits: config.limits,
            scrape_interval: config.scrape_interval,
            scrape_timeout: config.scrape_timeout,
            openmetrics: config.openmetrics,
            ownership: Ownership::everything(Arc::clone(&metrics)),
            metrics,
            health: handles.health,
        };
        let finished = watch::Sender::new(None);
        Ok(Self { recording, speed: replay.speed, context, outlet: service, component, finished })
    }

    /// Gets the counts once everything has been published.
    pub fn finished(&self) -> watch::Receiver<Option<ReplayCounts>> {
        self.finished.subscribe()
    }
}

impl Service for Replay {
    const NAME: &'static str = "replay";

    /// Replays, then waits until it is asked to stop: what was replayed stays to be looked at.
    async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
        let Self { recording, speed, context, outlet, component, finished } = self;
        let running = outlet.start();
        component.ready();
        let (sender, lines) = mpsc::channel(READ_AHEAD);
        let reading = spawn("recording", spawn_blocking("recording", move || read(recording, &sender)));
        let played = shutdown.guard(play(lines, context, speed)).await;
        let read = reading.await;
        let result = match played {
            None => Ok(()),
            Some(played) => match (read, played) {
                (Err(error), _) => Err(ServiceError::new(Self::NAME, ReplayError::from(error))),
                (Ok(()), Err(error)) => Err(ServiceError::new(Self::NAME, error)),
                (Ok(()), Ok(counts)) => {
                    let (n_samples, n_events, n_log_lines) =
                        (counts.samples(), counts.events, counts.log_lines);
                    info!(n_samples, n_events, n_log_lines, "the recording has been replayed");
                    finished.send_replace(Some(counts));
                    shutdown.requested().await;
                    Ok(())
                }
            },
        };
        running.drain().await;
        result
    }
}

/// Until the end of the recording, or until nobody listens any more.
fn read(mut recording: Recording, sender: &mpsc::Sender<(i64, Record)>) -> Result<(), RecordingError> {
    while let Some(line) = recording.next()? {
        if sender.blocking_send(line).is_err() {
            break;
        }
    }
    Ok(())
}

async fn play(
    mut lines: mpsc::Receiver<(i64, Record)>,
    context: SourceContext,
    speed: f64,
) -> Result<ReplayCounts, ReplayError> {
    let outlet = context.outlet.clone();
    let mut player = Player::new(context);
    let cut = |_: OutletError| ReplayError::Cut;
    let started = Instant::now();
    let mut first_ms = None;
    let mut last_ms = 0;
    while let Some((at_ms, record)) = lines.recv().await {
        let since_first = at_ms - *first_ms.get_or_insert(at_ms);
        if speed > 0.0 {
            let millis = (since_first.max(0) as f64 / speed) as u64;
            sleep_until(started + Duration::from_millis(millis)).await;
        }
        last_ms = last_ms.max(at_ms);
        outlet.advance(Timestamp::from_millis(at_ms - LATEST_ARRIVAL_MS));
        player.play(at_ms, record).await.map_err(cut)?;
    }
    player.finish().await.map_err(cut)?;
    outlet.advance(Timestamp::from_millis(last_ms + BEYOND_THE_END_MS));
    Ok(player.into_counts())
}
