//! Which of the work is this collector's when several share it (docs/adr/0007).
//!
//! Work is cut into units with names: `objects/Pod`, `kubelet/node-1`, `scrape/node/10.0.0.1:9100/metrics`,
//! `logs/shop/cart-0`. Everybody sees everything it needs to know; only the owner of a unit publishes it. Sources
//! ask [`Ownership`] and follow its changes; a [`Membership`] decides.

mod config;
mod group;
mod share;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use parking_lot::Mutex;
use sentinel_bus::Bus;
use sentinel_runtime::{Component, Shutdown, ShutdownTrigger, Task, spawn};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;

pub(crate) use config::problems;
pub use config::{GroupConfig, LeaseConfig, RingConfig, ShardingConfig};
pub(crate) use share::Share;

use crate::metrics::{Metrics, OwnedUnits};
use crate::sources::kubernetes::Leases;

/// Tells what is this collector's, now. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Ownership {
    share: watch::Receiver<Arc<Share>>,
    fence: Fence,
    /// Work may move to another collector, or come from one.
    is_shared: bool,
    metrics: Arc<Metrics>,
}

/// Until when what is owned may be taken to be, if nobody looks again: a process that was frozen does not find out
/// only when whoever renews its membership gets to run.
type Fence = Arc<Mutex<Option<Instant>>>;

/// Counts a unit among those owned, as long as it lives.
#[derive(Debug)]
pub(crate) struct Tenure {
    metrics: Arc<Metrics>,
    label: OwnedUnits,
}

/// Who decides what is whose.
pub(crate) enum Membership {
    /// It never changes.
    Fixed,
    Group(Arc<dyn Bus>),
    Lease(Box<Leases>),
}

/// Sharding before it runs.
pub(crate) struct Sharding {
    sender: watch::Sender<Arc<Share>>,
    fence: Fence,
    membership: Membership,
    health: Option<Component>,
    metrics: Arc<Metrics>,
}

/// Running; ends with [`Self::leave`].
pub(crate) struct RunningSharding {
    /// Keeps what is owned for ever, where nothing runs.
    _sender: Option<watch::Sender<Arc<Share>>>,
    task: Option<(ShutdownTrigger, Task<()>)>,
}

/// Where a [`Membership`] tells what it has found out.
pub(crate) struct Verdicts {
    sender: watch::Sender<Arc<Share>>,
    fence: Fence,
    health: Option<Component>,
    metrics: Arc<Metrics>,
}

// === impl Ownership ===

impl Ownership {
    /// Everything, for ever: what a collector owns that shares nothing.
    pub(crate) fn everything(metrics: Arc<Metrics>) -> Self {
        // Without its sender a receiver still gives the last value.
        let (_, share) = watch::channel(Arc::new(Share::Everything));
        Self { share, fence: Fence::default(), is_shared: false, metrics }
    }

    pub(crate) fn owns(&self, unit: &str) -> bool {
        let is_valid = self.fence.lock().is_none_or(|until| Instant::now() < until);
        is_valid && self.share.borrow().owns(unit)
    }

    pub(crate) const fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// From now on; what is asked after this call is as new as the next change.
    pub(crate) fn changes(&self) -> Changes {
        let mut share = self.share.clone();
        share.mark_unchanged();
        Changes(share)
    }

    /// Counts a unit of `kind` as owned until the result is dropped.
    pub(crate) fn tenure(&self, kind: &'static str) -> Tenure {
        let label = OwnedUnits { kind };
        self.metrics.owned_units.get_or_create(&label).inc();
        Tenure { metrics: Arc::clone(&self.metrics), label }
    }

    /// Does `work` whenever `unit` is owned; it is told to stop when that ends. Returns when asked to stop, or when
    /// `work` ends by itself.
    pub(crate) async fn while_owned<F: Future<Output = ()>>(
        &self,
        (kind, unit): (&'static str, &str),
        shutdown: &Shutdown,
        mut work: impl FnMut(Shutdown) -> F,
    ) {
        let mut changes = self.changes();
        while !shutdown.is_requested() {
            if !self.owns(unit) {
                if shutdown.guard(changes.next()).await.is_none() {
                    return;
                }
                continue;
            }
            let (trigger, stop) = shutdown.child();
            let is_lost = async {
                while self.owns(unit) {
                    changes.next().await;
                }
                trigger.trigger();
                std::future::pending::<()>().await;
            };
            let _tenure = self.tenure(kind);
            tokio::select! {
                () = work(stop.clone()) => if !stop.is_requested() { return },
                () = is_lost => {}
            }
        }
    }
}

/// Follows what is owned.
#[derive(Clone, Debug)]
pub(crate) struct Changes(watch::Receiver<Arc<Share>>);

impl Changes {
    /// Resolves at the next change; never, where there is none to come.
    pub(crate) async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Resolves with `other`, or at the next change.
    pub(crate) async fn or(
        &mut self,
        other: impl Future<Output = Result<(), watch::error::RecvError>>,
    ) -> Result<(), watch::error::RecvError> {
        tokio::select! {
            result = other => result,
            () = self.next() => Ok(()),
        }
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.metrics.owned_units.get_or_create(&self.label).dec();
    }
}

// === impl Sharding ===

impl Sharding {
    pub(crate) fn new(
        first: Share,
        membership: Membership,
        health: Option<Component>,
        metrics: Arc<Metrics>,
    ) -> Self {
        metrics.members.set(first.n_members());
        let sender = watch::Sender::new(Arc::new(first));
        Self { sender, fence: Fence::default(), membership, health, metrics }
    }

    pub(crate) fn ownership(&self) -> Ownership {
        let is_shared = !matches!(**self.sender.borrow(), Share::Everything);
        let (share, fence) = (self.sender.subscribe(), Arc::clone(&self.fence));
        Ownership { share, fence, is_shared, metrics: Arc::clone(&self.metrics) }
    }

    pub(crate) fn start(self) -> RunningSharding {
        let Self { sender, fence, membership, health, metrics } = self;
        let (trigger, stop) = Shutdown::new();
        let verdicts = |sender| Verdicts { sender, fence, health, metrics };
        let task = match membership {
            Membership::Fixed => return RunningSharding { _sender: Some(sender), task: None },
            Membership::Group(bus) => spawn("sharding", group::run(bus, verdicts(sender), stop)),
            Membership::Lease(leases) => spawn("sharding", leases.run(verdicts(sender), stop)),
        };
        RunningSharding { _sender: None, task: Some((trigger, task)) }
    }
}

impl RunningSharding {
    /// Call when nothing of what was owned is being worked on any more: lets the others have it at once.
    pub(crate) async fn leave(self) {
        if let Some((trigger, task)) = self.task {
            trigger.trigger();
            task.await;
        }
    }
}

// === impl Verdicts ===

impl Verdicts {
    /// This is what is owned from now on.
    pub(crate) fn set(&self, share: Share) {
        self.metrics.members.set(share.n_members());
        let is_news = self.sender.send_if_modified(|known| {
            let is_news = **known != share;
            if is_news {
                *known = Arc::new(share);
            }
            is_news
        });
        if is_news {
            info!(share = %**self.sender.borrow(), "what is owned has changed");
        }
    }

    /// What is owned may be taken to be until then.
    pub(crate) fn hold_until(&self, until: Instant) {
        let before = self.fence.lock().replace(until);
        if before.is_some_and(|before| before <= Instant::now()) {
            // Whoever asked meanwhile was told that nothing is owned.
            self.sender.send_modify(|_| {});
        }
    }

    /// Nothing is owned, and why.
    pub(crate) fn lose(&self, why: String) {
        self.set(Share::Nothing);
        self.doubt(why);
    }

    /// What is owned may not be what it should.
    pub(crate) fn doubt(&self, why: String) {
        if let Some(health) = &self.health {
            health.degraded(why);
        }
    }

    pub(crate) fn well(&self) {
        if let Some(health) = &self.health {
            health.ready();
        }
    }
}
