//! Sends the numbers of all objects, one frame a scrape interval.

use std::sync::Arc;
use std::time::Duration;

use sentinel_runtime::{Shutdown, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::warn;

use super::kind::Kind;
use super::view::View;
use super::watch::Synced;
use crate::{OutletError, SourceContext, TargetKind};

/// Half a cluster would look like a cluster that lost the other half; but one kind that cannot be listed
/// must not hold back the others for ever.
const MAX_WAIT: Duration = Duration::from_secs(5);

pub(super) async fn run(
    view: Arc<View>,
    synced: Synced,
    kinds: Vec<Kind>,
    context: SourceContext,
    shutdown: Shutdown,
) {
    if shutdown.guard(timeout(MAX_WAIT, synced.wait(&kinds))).await.is_none() {
        return;
    }
    let mut stream = context.outlet.target("state", TargetKind::State);
    let mut ticks = interval(context.scrape_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while shutdown.guard(ticks.tick()).await.is_some() {
        let hold = context.outlet.hold();
        let scraped = hold.scraped();
        let samples = view.samples();
        let (returned, pending) = spawn_blocking("state", move || {
            let mut frame = stream.begin(scraped);
            for sample in samples.iter().flat_map(|all| all.iter()) {
                frame.sample(&sample.series, scraped, sample.value);
            }
            let pending = frame.encode();
            (stream, pending)
        })
        .await;
        stream = returned;
        drop(hold);
        let published = pending.publish().await;
        context.metrics.scraped(TargetKind::State.as_str(), published.is_ok());
        match published {
            Ok(()) => {}
            Err(OutletError::Closed) => return,
            Err(error) => warn!(error = %error, "lost a frame of state metrics"),
        }
    }
}
