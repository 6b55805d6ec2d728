//! Objects that the bus holds from an earlier run of a collector and that the cluster does not hold any
//! more: they were deleted while nobody watched.

use std::collections::HashMap;
use std::time::Duration;

use sentinel_bus::{Bus, BusError, PollLimit, Start};
use sentinel_model::{ObjectDetail, ObjectState, Timestamp, Topic};
use sentinel_proto::Wire as _;

use super::View;
use crate::sources::kubernetes::kind::Kind;

const LIMIT: PollLimit =
    PollLimit { max_records: 1_000, max_bytes: 8 << 20, wait: Duration::from_millis(500) };

/// What the bus says of this cluster, by kind and uid, reduced to what a tombstone needs.
#[derive(Default)]
pub(in super::super) struct Ghosts {
    states: HashMap<(Kind, String), ObjectState>,
}

/// Reads the topic of objects once.
///
/// # Errors
/// Those of the bus.
pub(in super::super) async fn recall(bus: &dyn Bus, cluster: &str) -> Result<Ghosts, BusError> {
    let mut ghosts = Ghosts::default();
    let mut follower = bus.follow(Topic::Objects, Start::Earliest).await?;
    loop {
        for delivered in follower.poll(LIMIT).await? {
            // Tombstones and what nobody can read are none of ours.
            if let Ok(state) = ObjectState::decode(&delivered.record.value)
                && &*state.key.cluster == cluster
            {
                ghosts.note(state);
            }
        }
        if follower.is_caught_up() {
            return Ok(ghosts);
        }
    }
}

impl Ghosts {
    fn note(&mut self, state: ObjectState) {
        let Some(kind) = Kind::from_name(&state.key.kind) else { return };
        let key = (kind, state.key.uid.clone());
        if state.is_deleted {
            self.states.remove(&key);
            return;
        }
        let bare = ObjectState { manifest: String::new(), detail: ObjectDetail::Other, ..state };
        self.states.insert(key, bare);
    }

    /// Takes what is known of a kind from a later look at the bus.
    pub(in super::super) fn replace(&mut self, kind: Kind, later: &mut Self) {
        self.states.retain(|(of, _), _| *of != kind);
        self.states.extend(later.states.extract_if(|(of, _), _| *of == kind));
    }

    /// Those of a kind that was just listed in whole and that are not in the view: they are deleted now.
    pub(in super::super) fn exorcise(&mut self, kind: Kind, view: &View, now: Timestamp) -> Vec<ObjectState> {
        let mut gone = Vec::new();
        self.states.retain(|(of, uid), state| {
            if *of == kind && !view.holds(kind, uid) {
                gone.push(ObjectState { is_deleted: true, observed: now, ..state.clone() });
            }
            *of != kind
        });
        gone
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sources::kubernetes::objects::{Sighting, object_state};
    use crate::sources::kubernetes::watch::{Change, Delta};

    fn state(name: &str) -> ObjectState {
        let object = json!({"metadata": {"name": name, "uid": name}});
        let sighting = Sighting { cluster: "c".into(), observed: Timestamp::default(), workload: None };
        object_state(Kind::Pod, &object, sighting).expect("an identified object")
    }

    #[test]
    fn buries_what_the_cluster_does_not_hold_any_more_once() {
        let mut ghosts = Ghosts::default();
        for name in ["alive", "gone", "buried"] {
            ghosts.note(state(name));
        }
        ghosts.note(ObjectState { is_deleted: true, ..state("buried") });
        let view = View::new("c".into());
        let alive = json!({"metadata": {"name": "alive", "uid": "alive"}});
        let delta = Delta { kind: Kind::Pod, change: Change::Seen(alive) };
        view.take(delta, Timestamp::default(), &mut Vec::new()).expect("an identified object");
        assert_eq!(ghosts.exorcise(Kind::Node, &view, Timestamp::default()), []);
        let now = Timestamp::from_millis(7);
        let deleted = ghosts.exorcise(Kind::Pod, &view, now);
        let [deleted] = deleted.as_slice() else { panic!("one is gone: {deleted:?}") };
        assert_eq!((deleted.name.as_str(), deleted.is_deleted, deleted.observed), ("gone", true, now));
        assert_eq!(ghosts.exorcise(Kind::Pod, &view, now), []);
    }
}
