//! A collector's share of the work, as a rule that says of each unit whether it belongs to it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The same members come to the same answers, whoever asks and in whatever order they are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    Everything,
    Nothing,
    /// One of several by name: a unit belongs to the member whose name and it hash highest (rendezvous hashing), so
    /// that a member that comes or goes moves its own units only.
    Member {
        own: Arc<str>,
        members: BTreeSet<Arc<str>>,
    },
    /// Some of a number of shards, into which units fall by their hash.
    Shards {
        own: BTreeSet<u32>,
        n: u32,
    },
}

impl Share {
    pub(crate) fn owns(&self, unit: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Nothing => false,
            Self::Member { own, members } => owner(unit, members).is_some_and(|owner| owner == own),
            Self::Shards { own, n } => own.contains(&shard(unit, *n)),
        }
    }

    /// Members that are known, this one included; 0 where only the broker knows.
    pub(crate) fn n_members(&self) -> i64 {
        match self {
            Self::Everything => 1,
            Self::Nothing | Self::Shards { .. } => 0,
            Self::Member { members, .. } => i64::try_from(members.len()).unwrap_or(i64::MAX),
        }
    }
}

fn owner<'a>(unit: &str, members: &'a BTreeSet<Arc<str>>) -> Option<&'a Arc<str>> {
    let unit = xxh3_64(unit.as_bytes());
    members.iter().max_by_key(|member| xxh3_64_with_seed(member.as_bytes(), unit))
}

fn shard(unit: &str, n: u32) -> u32 {
    // Less than `n`, so that it fits.
    (xxh3_64(unit.as_bytes()) % u64::from(n.max(1))) as u32
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Nothing => f.write_str("nothing"),
            Self::Member { members, .. } => write!(f, "one of {} members", members.len()),
            Self::Shards { own, n } => write!(f, "{} of {n} shards", own.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(own: &str, members: &[&str]) -> Share {
        Share::Member { own: own.into(), members: members.iter().map(|name| Arc::from(*name)).collect() }
    }

    fn units() -> impl Iterator<Item = String> {
        (0..3_000).map(|i| format!("kubelet/node-{i}"))
    }

    #[test]
    fn every_unit_has_one_owner_and_each_member_its_part() {
        let names = ["a", "b", "c"];
        let mut counts = [0; 3];
        for unit in units() {
            let owners: Vec<usize> = (0..3).filter(|i| share(names[*i], &names).owns(&unit)).collect();
            let [owner] = owners[..] else { panic!("{unit} belongs to {owners:?}") };
            counts[owner] += 1;
        }
        assert!(counts.iter().all(|n| (850..1_150).contains(n)), "{counts:?}");
    }

    #[test]
    fn a_member_that_goes_moves_its_own_units_only() {
        let (three, two) = (share("a", &["a", "b", "c"]), share("a", &["c", "a"]));
        let (before, after) = units().fold((0, 0), |(before, after), unit| {
            assert!(!three.owns(&unit) || two.owns(&unit), "it keeps what it had");
            (before + usize::from(three.owns(&unit)), after + usize::from(two.owns(&unit)))
        });
        assert!(after > before + 300, "{before} -> {after}");
    }

    #[test]
    fn shards_cover_everything_once() {
        let of = |own: &[u32]| Share::Shards { own: own.iter().copied().collect(), n: 4 };
        let (one, other) = (of(&[0, 2]), of(&[1, 3]));
        assert!(units().all(|unit| one.owns(&unit) != other.owns(&unit)));
        assert!(!of(&[]).owns("kubelet/a") && !Share::Nothing.owns("kubelet/a"));
        assert!(Share::Everything.owns("kubelet/a"));
    }
}
