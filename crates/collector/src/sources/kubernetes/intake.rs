//! The one task that takes changes in: into the view, and what is news onto the bus.

use std::sync::Arc;

use sentinel_model::{EventRecord, ObjectState, Timestamp};
use sentinel_runtime::clock::now_millis;
use tokio::sync::mpsc;
use tracing::debug;

use super::kind::Kind;
use super::view::{Ghosts, News, View};
use super::watch::{Change, Delta, Synced};
use crate::metrics::Metrics;
use crate::{Outlet, OutletError};

/// Changes that are taken in before what they mean is published.
const MAX_CHANGES: usize = 256;

pub(super) struct Intake {
    pub(super) view: Arc<View>,
    pub(super) ghosts: Ghosts,
    pub(super) synced: Synced,
    pub(super) outlet: Outlet,
    pub(super) metrics: Arc<Metrics>,
}

/// What a few changes amount to.
#[derive(Default)]
struct Batch {
    objects: Vec<ObjectState>,
    events: Vec<EventRecord>,
    /// Kinds whose list is complete.
    listed: Vec<Kind>,
}

impl Intake {
    /// Ends when all watches have, or when the outlet is closed.
    pub(super) async fn run(mut self, mut changes: mpsc::Receiver<Delta>) {
        let mut deltas = Vec::with_capacity(MAX_CHANGES);
        while changes.recv_many(&mut deltas, MAX_CHANGES).await > 0 {
            let batch = self.take(deltas.drain(..));
            if self.publish(batch).await.is_err() {
                return;
            }
        }
    }

    fn take(&mut self, deltas: impl Iterator<Item = Delta>) -> Batch {
        let mut batch = Batch::default();
        let mut news = Vec::new();
        for delta in deltas {
            let kind = delta.kind;
            let is_end = delta.change == Change::ListEnds;
            let now = Timestamp::from_millis(now_millis());
            if let Err(refusal) = self.view.take(delta, now, &mut news) {
                debug!(kind = kind.as_str(), reason = refusal.reason(), "left out an object");
                let door = if kind == Kind::Event { "event" } else { "object" };
                self.metrics.reject(door, refusal.reason());
            }
            if is_end {
                batch.objects.extend(self.ghosts.exorcise(kind, &self.view, now));
                batch.listed.push(kind);
            }
        }
        for news in news {
            match news {
                News::Object(state) => batch.objects.push(*state),
                News::Event(record) => batch.events.push(*record),
            }
        }
        batch
    }

    async fn publish(&self, batch: Batch) -> Result<(), OutletError> {
        let Batch { objects, events, listed } = batch;
        if !objects.is_empty() {
            let told: Vec<_> = objects.iter().map(|state| state.key.clone()).collect();
            match self.outlet.publish_objects(objects).await {
                Err(OutletError::Dropped { .. }) => self.view.untell(&told),
                other => other?,
            }
        }
        if !events.is_empty() {
            let told: Vec<_> = events.iter().map(|record| record.uid.clone()).collect();
            match self.outlet.publish_events(events).await {
                Err(OutletError::Dropped { .. }) => self.view.untell_events(&told),
                other => other?,
            }
        }
        listed.into_iter().for_each(|kind| self.synced.set(kind));
        Ok(())
    }
}
