//! Who of a group should own which partition. Pure.

use std::collections::BTreeMap;

use sentinel_model::Topic;

use super::groups::MemberId;

/// Partitions of one topic, shared out among the members that subscribe to it: their counts differ by
/// one at most, and a partition changes hands only where that is needed. `current` has one entry a
/// partition; `load` is what each member owns of all topics and breaks ties.
pub(super) fn share(
    current: &[Option<MemberId>],
    subscribers: &[MemberId],
    load: &mut BTreeMap<MemberId, usize>,
) -> Vec<Option<MemberId>> {
    let mut owners: Vec<Option<MemberId>> =
        current.iter().map(|owner| owner.filter(|owner| subscribers.contains(owner))).collect();
    let mut counts: BTreeMap<MemberId, usize> = subscribers.iter().map(|member| (*member, 0)).collect();
    for owner in owners.iter().flatten() {
        *counts.entry(*owner).or_default() += 1;
        *load.entry(*owner).or_default() += 1;
    }
    for owner in owners.iter_mut().filter(|owner| owner.is_none()) {
        let Some(poorest) = poorest(&counts, load) else { break };
        *owner = Some(poorest);
        *counts.entry(poorest).or_default() += 1;
        *load.entry(poorest).or_default() += 1;
    }
    while let Some((rich, poor)) = imbalance(&counts, load) {
        let Some(moved) = owners.iter_mut().rev().find(|owner| **owner == Some(rich)) else { break };
        *moved = Some(poor);
        for (member, counter) in [(rich, -1), (poor, 1)] {
            for tally in [&mut counts, load] {
                let count = tally.entry(member).or_default();
                *count = count.saturating_add_signed(counter);
            }
        }
    }
    owners
}

fn poorest(counts: &BTreeMap<MemberId, usize>, load: &BTreeMap<MemberId, usize>) -> Option<MemberId> {
    let weight = |member: &MemberId| (counts[member], load.get(member).copied().unwrap_or_default());
    counts.keys().copied().min_by_key(weight)
}

fn imbalance(
    counts: &BTreeMap<MemberId, usize>,
    load: &BTreeMap<MemberId, usize>,
) -> Option<(MemberId, MemberId)> {
    let total = |member: &MemberId| load.get(member).copied().unwrap_or_default();
    let rich = counts.keys().copied().max_by_key(|member| (counts[member], total(member)))?;
    let poor = poorest(counts, load)?;
    let difference = counts[&rich] - counts[&poor];
    // One more of this topic is fair, unless it adds to more of other topics.
    let is_unfair = difference > 1 || (difference == 1 && total(&rich) > total(&poor) + 1);
    is_unfair.then_some((rich, poor))
}

/// The topics that a set of subscriptions covers, each with its subscribers.
pub(super) fn subscribers<'a>(
    members: impl Iterator<Item = (MemberId, &'a [Topic])>,
) -> BTreeMap<Topic, Vec<MemberId>> {
    let mut subscribers: BTreeMap<Topic, Vec<MemberId>> = BTreeMap::new();
    for (member, topics) in members {
        for topic in topics {
            subscribers.entry(*topic).or_default().push(member);
        }
    }
    subscribers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(ids: &[u64]) -> Vec<MemberId> {
        ids.iter().copied().map(MemberId).collect()
    }

    fn owned(owners: &[Option<MemberId>], member: MemberId) -> usize {
        owners.iter().filter(|owner| **owner == Some(member)).count()
    }

    #[test]
    fn a_newcomer_takes_its_share_and_no_more() {
        let alone = share(&[None; 4], &ids(&[1]), &mut BTreeMap::new());
        let both = share(&alone, &ids(&[1, 2]), &mut BTreeMap::new());
        assert_eq!(owned(&both, MemberId(2)), 2);
        let n_moved = alone.iter().zip(&both).filter(|(before, after)| before != after).count();
        assert_eq!(n_moved, 2);
    }

    #[test]
    fn topics_with_fewer_partitions_than_members_go_to_different_members() {
        let mut load = BTreeMap::new();
        let first = share(&[None], &ids(&[1, 2]), &mut load);
        let second = share(&[None], &ids(&[1, 2]), &mut load);
        assert_ne!(first, second);
    }

    #[test]
    fn the_odd_partitions_of_several_topics_go_to_different_members() {
        let mut load = BTreeMap::new();
        for _ in 0..2 {
            share(&[Some(MemberId(1)); 3], &ids(&[1, 2]), &mut load);
        }
        assert_eq!(load, BTreeMap::from([(MemberId(1), 3), (MemberId(2), 3)]));
    }

    #[test]
    fn nobody_owns_what_nobody_subscribes_to() {
        assert_eq!(share(&[Some(MemberId(1)), None], &[], &mut BTreeMap::new()), [None, None]);
    }

    proptest! {
        #[test]
        fn is_balanced_complete_and_moves_as_little_as_it_can(
            current in prop::collection::vec(prop::option::of((0..6u64).prop_map(MemberId)), 1..20),
            subscribers in prop::collection::btree_set(0..6u64, 1..6),
        ) {
            let subscribers: Vec<MemberId> = subscribers.into_iter().map(MemberId).collect();
            let owners = share(&current, &subscribers, &mut BTreeMap::new());
            let counts: Vec<usize> = subscribers.iter().map(|member| owned(&owners, *member)).collect();
            prop_assert_eq!(counts.iter().sum::<usize>(), current.len());
            let (least, most) = (counts.iter().min().expect("one"), counts.iter().max().expect("one"));
            prop_assert!(most - least <= 1, "{:?}", counts);
            prop_assert_eq!(share(&owners, &subscribers, &mut BTreeMap::new()), owners);
        }
    }
}
