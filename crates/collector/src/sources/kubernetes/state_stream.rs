//! Sends the numbers of all objects, one frame a scrape interval; where collectors share the work, those of each
//! kind that is this one's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sentinel_runtime::{Shutdown, spawn_blocking};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tracing::warn;

use super::kind::Kind;
use super::state_metrics::StateSample;
use super::view::View;
use super::watch::Synced;
use crate::{OutletError, SourceContext, TargetKind, TargetStream};

/// Half a cluster would look like a cluster that lost the other half; but one kind that cannot be listed
/// must not hold back the others for ever.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Nobody takes frames any more.
struct Closed;

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
    let mut ticks = interval(context.scrape_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // Both end when nobody takes frames any more, which is nobody's fault here.
    let _ = if context.ownership.is_shared() {
        send_own(&view, &kinds, &context, (ticks, shutdown)).await
    } else {
        send_all(&view, &context, (ticks, shutdown)).await
    };
}

/// One stream for all kinds.
async fn send_all(
    view: &View,
    context: &SourceContext,
    (mut ticks, shutdown): (Interval, Shutdown),
) -> Result<(), Closed> {
    let mut stream = context.outlet.target("state", TargetKind::State);
    while shutdown.guard(ticks.tick()).await.is_some() {
        stream = send(stream, context, || view.samples()).await?;
    }
    Ok(())
}

/// A stream for each kind: a target must not be two collectors'. A kind that comes to this one is sent at once.
async fn send_own(
    view: &View,
    kinds: &[Kind],
    context: &SourceContext,
    (mut ticks, shutdown): (Interval, Shutdown),
) -> Result<(), Closed> {
    let mut moves = context.ownership.changes();
    let mut streams: BTreeMap<Kind, TargetStream> = BTreeMap::new();
    loop {
        let is_due = tokio::select! {
            _ = ticks.tick() => true,
            () = moves.next() => false,
            () = shutdown.requested() => return Ok(()),
        };
        for kind in kinds {
            if !context.ownership.owns(&kind.unit()) {
                streams.remove(kind);
                continue;
            }
            let stream = match streams.remove(kind) {
                Some(stream) if is_due => stream,
                Some(stream) => {
                    streams.insert(*kind, stream);
                    continue;
                }
                None => context.outlet.target(&format!("state/{}", kind.as_str()), TargetKind::State),
            };
            let stream = send(stream, context, || view.samples_of(*kind)).await?;
            streams.insert(*kind, stream);
        }
    }
}

/// One frame; gives the stream back.
async fn send(
    mut stream: TargetStream,
    context: &SourceContext,
    samples: impl FnOnce() -> Vec<Arc<[StateSample]>>,
) -> Result<TargetStream, Closed> {
    let hold = context.outlet.hold();
    let scraped = hold.scraped();
    let samples = samples();
    let (stream, pending) = spawn_blocking("state", move || {
        let mut frame = stream.begin(scraped);
        for sample in samples.iter().flat_map(|all| all.iter()) {
            frame.sample(&sample.series, scraped, sample.value);
        }
        let pending = frame.encode();
        (stream, pending)
    })
    .await;
    drop(hold);
    let published = pending.publish().await;
    context.metrics.scraped(TargetKind::State.as_str(), published.is_ok());
    match published {
        Ok(()) => {}
        Err(OutletError::Closed) => return Err(Closed),
        Err(error) => warn!(error = %error, "lost a frame of state metrics"),
    }
    Ok(stream)
}
