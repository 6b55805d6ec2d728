//! Which kinds are seen live, for health and for those who wait until a kind was listed once.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sentinel_runtime::Component;
use tokio::sync::watch;

use crate::sources::kubernetes::kind::Kind;

/// Kinds of which everything has been taken in at least once.
#[derive(Clone, Debug)]
pub(in super::super) struct Synced {
    kinds: watch::Sender<u32>,
}

impl Synced {
    pub(in super::super) fn new() -> Self {
        Self { kinds: watch::Sender::new(0) }
    }

    pub(in super::super) fn set(&self, kind: Kind) {
        self.kinds.send_modify(|kinds| *kinds |= bit(kind));
    }

    /// Waits until all of `kinds` are synced.
    pub(in super::super) async fn wait(&self, kinds: &[Kind]) {
        let wanted = kinds.iter().fold(0, |all, kind| all | bit(*kind));
        // The sender is `self`, so waiting cannot fail.
        let _ = self.kinds.subscribe().wait_for(|synced| synced & wanted == wanted).await;
    }
}

const fn bit(kind: Kind) -> u32 {
    1 << kind as u32
}

/// How a kind is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sight {
    NotYet,
    Live,
    Lost(String),
}

/// Tells health which kinds are not seen. Cheap to clone.
#[derive(Clone)]
pub(in super::super) struct Board {
    sights: Arc<Mutex<BTreeMap<Kind, Sight>>>,
    health: Component,
}

impl Board {
    pub(in super::super) fn new(health: Component, kinds: &[Kind]) -> Self {
        let sights = kinds.iter().map(|kind| (*kind, Sight::NotYet)).collect();
        Self { sights: Arc::new(Mutex::new(sights)), health }
    }

    pub(in super::super) fn up(&self, kind: Kind) {
        self.change(kind, Sight::Live);
    }

    /// Whether that is news.
    pub(in super::super) fn down(&self, kind: Kind, why: &str) -> bool {
        self.change(kind, Sight::Lost(why.to_owned()))
    }

    fn change(&self, kind: Kind, sight: Sight) -> bool {
        let mut sights = self.sights.lock();
        let before = sights.insert(kind, sight.clone());
        if before.as_ref() == Some(&sight) {
            return false;
        }
        let lost = sights.iter().filter_map(|(kind, sight)| match sight {
            Sight::Lost(why) => Some((kind.plural(), why)),
            Sight::NotYet | Sight::Live => None,
        });
        let (kinds, whys): (Vec<_>, Vec<_>) = lost.unzip();
        match whys.first() {
            Some(why) => self.health.degraded(format!("no live view of {}: {why}", kinds.join(", "))),
            None if sights.values().all(|sight| *sight == Sight::Live) => self.health.ready(),
            None => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use sentinel_runtime::{ComponentState, Health};

    use super::*;

    #[test]
    fn is_degraded_while_a_kind_is_not_seen() {
        let health = Health::default();
        let board = Board::new(health.component("kubernetes"), &[Kind::Pod, Kind::Node]);
        board.up(Kind::Node);
        assert_eq!(health.report().components["kubernetes"], ComponentState::Starting);
        assert!(board.down(Kind::Pod, "refused"));
        assert!(!board.down(Kind::Pod, "refused"));
        let state = health.report().components["kubernetes"].clone();
        assert_eq!(state, ComponentState::Degraded("no live view of pods: refused".into()));
        board.up(Kind::Pod);
        assert_eq!(health.report().components["kubernetes"], ComponentState::Ready);
    }

    #[tokio::test]
    async fn waits_until_all_wanted_kinds_are_synced() {
        let synced = Synced::new();
        synced.set(Kind::Job);
        let waiting = synced.wait(&[Kind::Job, Kind::ReplicaSet]);
        let mut waiting = std::pin::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        synced.set(Kind::ReplicaSet);
        waiting.await;
    }
}
