//! Which Leases are alive, by what this collector has seen of them and its own steady clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::object::Seen;

/// A Lease that has not changed for so long is removed.
const LONG_GONE: Duration = Duration::from_secs(600);

pub(super) struct Roster {
    own: Arc<str>,
    known: BTreeMap<Arc<str>, Known>,
    looked: Option<Instant>,
}

struct Known {
    version: String,
    changed: Instant,
}

impl Roster {
    pub(super) fn new(own: Arc<str>) -> Self {
        Self { own, known: BTreeMap::new(), looked: None }
    }

    /// Takes a list in; gives the names of the Leases that are alive. `patience` is how long a look may be missing:
    /// while nobody looked, nobody can have been seen to be silent.
    pub(super) fn observe(
        &mut self,
        leases: &[Seen],
        now: Instant,
        patience: Duration,
    ) -> BTreeSet<Arc<str>> {
        let was_blind = self.looked.is_none_or(|looked| now - looked > patience);
        self.looked = Some(now);
        let mut known = std::mem::take(&mut self.known);
        let mut alive = BTreeSet::new();
        for lease in leases {
            let before = known.remove(&lease.name).filter(|before| before.version == lease.version);
            let changed = before.filter(|_| !was_blind).map_or(now, |before| before.changed);
            // One that was given up has no holder.
            if !lease.holder.is_empty() && now - changed < lease.duration {
                alive.insert(Arc::clone(&lease.name));
            }
            self.known.insert(Arc::clone(&lease.name), Known { version: lease.version.clone(), changed });
        }
        alive
    }

    /// Name and version of a Lease, not the own, that nobody has renewed for minutes.
    pub(super) fn long_gone(&self, now: Instant) -> Option<(Arc<str>, String)> {
        let is_gone =
            |(name, known): &(&Arc<str>, &Known)| **name != self.own && now - known.changed >= LONG_GONE;
        self.known.iter().find(is_gone).map(|(name, known)| (Arc::clone(name), known.version.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(6);

    fn seen(name: &str, version: u32) -> Seen {
        Seen {
            name: name.into(),
            version: version.to_string(),
            holder: format!("{name}_1"),
            duration: Duration::from_secs(6),
            transitions: 0,
        }
    }

    fn alive(roster: &mut Roster, leases: &[Seen], now: Instant) -> Vec<String> {
        roster.observe(leases, now, PATIENCE).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_lease_is_over_when_it_was_not_seen_to_change_for_its_duration() {
        let (mut roster, start) = (Roster::new("a".into()), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        assert_eq!(alive(&mut roster, &[seen("b", 1)], at(0)), ["b"], "whatever its times say");
        assert_eq!(alive(&mut roster, &[seen("b", 1)], at(5)), ["b"]);
        assert_eq!(alive(&mut roster, &[seen("b", 2)], at(6)), ["b"]);
        assert_eq!(alive(&mut roster, &[seen("b", 2)], at(11)), ["b"]);
        assert!(alive(&mut roster, &[seen("b", 2)], at(12)).is_empty());
        assert_eq!(alive(&mut roster, &[seen("b", 3)], at(13)), ["b"], "it is back");
        assert!(alive(&mut roster, &[], at(14)).is_empty(), "given up");
    }

    #[test]
    fn nobody_is_taken_for_dead_while_nobody_looked() {
        let (mut roster, start) = (Roster::new("a".into()), Instant::now());
        alive(&mut roster, &[seen("b", 1)], start);
        let later = start + Duration::from_secs(60);
        assert_eq!(alive(&mut roster, &[seen("b", 1)], later), ["b"]);
        assert_eq!(alive(&mut roster, &[seen("b", 1)], later + Duration::from_secs(5)), ["b"]);
        assert!(alive(&mut roster, &[seen("b", 1)], later + Duration::from_secs(6)).is_empty());
    }

    #[test]
    fn old_leases_of_others_are_removed() {
        let (mut roster, start) = (Roster::new("a".into()), Instant::now());
        let all = [seen("a", 1), seen("b", 1)];
        for secs in (0..=LONG_GONE.as_secs()).step_by(5) {
            assert_eq!(roster.long_gone(start + Duration::from_secs(secs.saturating_sub(1))), None);
            alive(&mut roster, &all, start + Duration::from_secs(secs));
        }
        assert_eq!(roster.long_gone(start + LONG_GONE), Some(("b".into(), "1".to_owned())));
    }
}
