//! The one task that takes changes in: into the view, and what is news and this collector's onto the bus.

use std::collections::BTreeMap;
use std::sync::Arc;

use sentinel_bus::Bus;
use sentinel_model::{EventRecord, ObjectState, Timestamp};
use sentinel_runtime::clock::now_millis;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::kind::Kind;
use super::view::{Ghosts, News, View, recall};
use super::watch::{Change, Delta, Relists, Synced};
use crate::sharding::Tenure;
use crate::{OutletError, SourceContext};

/// Changes that are taken in before what they mean is published.
const MAX_CHANGES: usize = 256;

pub(super) struct Intake {
    pub(super) view: Arc<View>,
    pub(super) ghosts: Ghosts,
    pub(super) synced: Synced,
    pub(super) context: SourceContext,
    pub(super) bus: Arc<dyn Bus>,
    /// All that are watched.
    pub(super) kinds: Vec<Kind>,
    pub(super) relists: Relists,
    /// Kinds that are published here.
    pub(super) owned: BTreeMap<Kind, Tenure>,
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
        let mut moves = self.context.ownership.changes();
        self.gained();
        loop {
            let n = tokio::select! {
                n = changes.recv_many(&mut deltas, MAX_CHANGES) => n,
                () = moves.next() => {
                    self.take_over().await;
                    continue;
                }
            };
            if n == 0 {
                return;
            }
            let batch = self.take(deltas.drain(..));
            if self.publish(batch).await.is_err() {
                return;
            }
        }
    }

    /// Notes which kinds are this collector's now; gives those that were not.
    fn gained(&mut self) -> Vec<Kind> {
        let ownership = &self.context.ownership;
        self.owned.retain(|kind, _| ownership.owns(&kind.unit()));
        let is_new = |kind: &Kind| !self.owned.contains_key(kind) && ownership.owns(&kind.unit());
        let gained: Vec<Kind> = self.kinds.iter().copied().filter(is_new).collect();
        self.owned.extend(gained.iter().map(|kind| (*kind, ownership.tenure("objects"))));
        gained
    }

    /// What has come from another collector is told in whole, and what that one had no time to bury is.
    async fn take_over(&mut self) {
        let gained = self.gained();
        if gained.is_empty() {
            return;
        }
        info!(kinds = ?gained, "publishing objects of more kinds");
        match recall(&*self.bus, &self.context.cluster).await {
            Ok(mut later) => gained.iter().for_each(|kind| self.ghosts.replace(*kind, &mut later)),
            Err(error) => warn!(error = %error, "objects deleted while nobody watched may be shown still"),
        }
        for kind in gained {
            self.view.untell_all(kind);
            self.relists.ask(kind);
        }
    }

    fn is_owned(&self, kind: Kind) -> bool {
        // Those that were lost are so at once, those gained when they were taken over.
        self.owned.contains_key(&kind) && self.context.ownership.owns(&kind.unit())
    }

    fn take(&mut self, deltas: impl Iterator<Item = Delta>) -> Batch {
        let mut batch = Batch::default();
        let mut news = Vec::new();
        for delta in deltas {
            let kind = delta.kind;
            let is_end = delta.change == Change::ListEnds;
            let is_owned = self.is_owned(kind);
            let now = Timestamp::from_millis(now_millis());
            let n_before = news.len();
            if let Err(refusal) = self.view.take(delta, now, &mut news) {
                debug!(kind = kind.as_str(), reason = refusal.reason(), "left out an object");
                let door = if kind == Kind::Event { "event" } else { "object" };
                self.context.metrics.reject(door, refusal.reason());
            }
            if !is_owned {
                news.truncate(n_before);
            }
            if is_end {
                batch.listed.push(kind);
            }
            if is_end && is_owned {
                batch.objects.extend(self.ghosts.exorcise(kind, &self.view, now));
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
        let outlet = &self.context.outlet;
        if !objects.is_empty() {
            let told: Vec<_> = objects.iter().map(|state| state.key.clone()).collect();
            match outlet.publish_objects(objects).await {
                Err(OutletError::Dropped { .. }) => self.view.untell(&told),
                other => other?,
            }
        }
        if !events.is_empty() {
            let told: Vec<_> = events.iter().map(|record| record.uid.clone()).collect();
            match outlet.publish_events(events).await {
                Err(OutletError::Dropped { .. }) => self.view.untell_events(&told),
                other => other?,
            }
        }
        listed.into_iter().for_each(|kind| self.synced.set(kind));
        Ok(())
    }
}
