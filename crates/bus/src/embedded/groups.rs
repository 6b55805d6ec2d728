//! Consumer groups: who owns which partition, and how ownership changes hands.
//!
//! Cooperative: only the partitions that must move are revoked. A partition goes to its new owner once
//! the old one has been given `Revoked` by its poll, has left, or has not polled for
//! [`REVOKE_DEADLINE`]; in the last case its commits are refused from then on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ahash::AHashMap;
use parking_lot::Mutex;
use sentinel_model::Topic;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::assignment::{share, subscribers};
use crate::{BusError, TopicPartition};

/// How long a member may go without polling when a partition of its is wanted by another.
pub(super) const REVOKE_DEADLINE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MemberId(pub u64);

#[derive(Default)]
pub(super) struct Groups {
    groups: Mutex<AHashMap<String, Arc<Group>>>,
}

pub(super) struct Group {
    pub name: String,
    state: Mutex<State>,
}

/// What a poll has to announce before anything else.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// With the offset to begin at where nothing is committed.
    Assigned(Vec<(TopicPartition, u64)>),
    Revoked(Vec<TopicPartition>),
}

/// One topic of a new member: how many partitions it has, and where to begin in each.
pub(super) struct Joining {
    pub topic: Topic,
    pub starts: Vec<u64>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    members: BTreeMap<MemberId, Member>,
    partitions: BTreeMap<TopicPartition, Ownership>,
}

struct Member {
    topics: Vec<Topic>,
    signal: Arc<Notify>,
    /// Taken away past the deadline and not announced yet.
    lost: Vec<TopicPartition>,
}

#[derive(Default)]
struct Ownership {
    /// Has been given `Assigned`.
    owner: Option<MemberId>,
    target: Option<MemberId>,
    /// When the target may take it from an owner that does not let go.
    deadline: Option<Instant>,
    /// Fixed by the first member that came with nothing committed, so that those who take over before
    /// the first commit do not begin later than it did.
    start: u64,
}

impl Groups {
    /// Members of one name share one group; it ends with its last member.
    pub fn join(&self, name: &str, topics: Vec<Joining>, signal: Arc<Notify>) -> (Arc<Group>, MemberId) {
        let mut groups = self.groups.lock();
        let group = groups
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Group { name: name.to_owned(), state: Mutex::default() }));
        let member = group.state.lock().join(topics, signal);
        (Arc::clone(group), member)
    }

    pub fn leave(&self, group: &Group, member: MemberId) {
        let mut groups = self.groups.lock();
        let mut state = group.state.lock();
        state.leave(member);
        if state.members.is_empty() {
            groups.remove(&group.name);
        }
    }
}

impl Group {
    /// Takes the next change for a member, if there is one.
    pub fn change(&self, member: MemberId) -> Option<Change> {
        self.state.lock().change(member, Instant::now())
    }

    /// When the member may take a partition from an owner that does not let go.
    pub fn deadline(&self, member: MemberId) -> Option<Instant> {
        let state = self.state.lock();
        let waits = state.partitions.values().filter(|held| held.target == Some(member));
        waits.filter(|held| held.owner != Some(member)).filter_map(|held| held.deadline).min()
    }

    /// # Errors
    /// For the first partition that is not the member's.
    pub fn check_owner(
        &self,
        member: MemberId,
        partitions: impl Iterator<Item = TopicPartition>,
    ) -> Result<(), BusError> {
        let state = self.state.lock();
        for at in partitions {
            if state.partitions.get(&at).and_then(|held| held.owner) != Some(member) {
                return Err(BusError::NotOwner { at });
            }
        }
        Ok(())
    }
}

impl State {
    fn join(&mut self, topics: Vec<Joining>, signal: Arc<Notify>) -> MemberId {
        let member = MemberId(self.next_id);
        self.next_id += 1;
        for Joining { topic, starts } in &topics {
            for (partition, start) in (0..).zip(starts) {
                self.partitions
                    .entry(TopicPartition { topic: *topic, partition })
                    .or_insert_with(|| Ownership { start: *start, ..Ownership::default() });
            }
        }
        let topics = topics.into_iter().map(|joining| joining.topic).collect();
        self.members.insert(member, Member { topics, signal, lost: Vec::new() });
        self.rebalance();
        member
    }

    fn leave(&mut self, member: MemberId) {
        self.members.remove(&member);
        for held in self.partitions.values_mut().filter(|held| held.owner == Some(member)) {
            held.owner = None;
        }
        self.rebalance();
    }

    fn rebalance(&mut self) {
        let mut load = BTreeMap::new();
        let members = self.members.iter().map(|(id, member)| (*id, &*member.topics));
        let subscribers = subscribers(members);
        let deadline = Instant::now() + REVOKE_DEADLINE;
        for topic in Topic::ALL {
            let mut partitions: Vec<&mut Ownership> = self
                .partitions
                .iter_mut()
                .filter(|(at, _)| at.topic == topic)
                .map(|(_, held)| held)
                .collect();
            let current: Vec<_> = partitions.iter().map(|held| held.owner.or(held.target)).collect();
            let subscribers = subscribers.get(&topic).map_or(&[][..], Vec::as_slice);
            for (held, target) in partitions.iter_mut().zip(share(&current, subscribers, &mut load)) {
                held.target = target;
                held.deadline = match held.owner {
                    Some(owner) if target != Some(owner) => Some(held.deadline.unwrap_or(deadline)),
                    _ => None,
                };
            }
        }
        self.members.values().for_each(|member| member.signal.notify_one());
    }

    fn change(&mut self, member: MemberId, now: Instant) -> Option<Change> {
        let mut revoked = std::mem::take(&mut self.members.get_mut(&member)?.lost);
        let mut waiting = Vec::new();
        for (at, held) in &mut self.partitions {
            if held.owner == Some(member) && held.target != Some(member) {
                (held.owner, held.deadline) = (None, None);
                waiting.extend(held.target);
                revoked.push(*at);
            }
        }
        if !revoked.is_empty() {
            for next in waiting.iter().filter_map(|next| self.members.get(next)) {
                next.signal.notify_one();
            }
            return Some(Change::Revoked(revoked));
        }
        let assigned = self.take_free(member, now);
        (!assigned.is_empty()).then_some(Change::Assigned(assigned))
    }

    fn take_free(&mut self, member: MemberId, now: Instant) -> Vec<(TopicPartition, u64)> {
        let mut assigned = Vec::new();
        for (at, held) in &mut self.partitions {
            let is_mine = held.owner == Some(member);
            let is_overdue = held.deadline.is_some_and(|deadline| deadline <= now);
            if is_mine || held.target != Some(member) || (held.owner.is_some() && !is_overdue) {
                continue;
            }
            if let Some(late) = held.owner.and_then(|owner| self.members.get_mut(&owner)) {
                late.lost.push(*at);
                late.signal.notify_one();
            }
            (held.owner, held.deadline) = (Some(member), None);
            assigned.push((*at, held.start));
        }
        assigned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joining(n_partitions: usize) -> Vec<Joining> {
        vec![Joining { topic: Topic::Logs, starts: vec![0; n_partitions] }]
    }

    fn at(partition: u32) -> TopicPartition {
        TopicPartition { topic: Topic::Logs, partition }
    }

    fn partitions(change: Option<Change>) -> Vec<TopicPartition> {
        match change {
            Some(Change::Assigned(assigned)) => assigned.into_iter().map(|(at, _)| at).collect(),
            Some(Change::Revoked(revoked)) => revoked,
            None => Vec::new(),
        }
    }

    fn owns(group: &Group, member: MemberId, partition: u32) -> bool {
        group.check_owner(member, [at(partition)].into_iter()).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_partition_is_revoked_before_it_is_assigned_elsewhere() {
        let groups = Groups::default();
        let (group, first) = groups.join("g", joining(2), Arc::default());
        assert_eq!(partitions(group.change(first)), [at(0), at(1)]);
        let (_, second) = groups.join("g", joining(2), Arc::default());
        assert_eq!(group.change(second), None);
        assert!(owns(&group, first, 1), "work in hand can still be committed");
        assert_eq!(group.change(first), Some(Change::Revoked(vec![at(1)])));
        assert!(!owns(&group, first, 1));
        assert_eq!(group.change(second), Some(Change::Assigned(vec![(at(1), 0)])));
        assert!(owns(&group, first, 0) && owns(&group, second, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_owner_is_fenced_and_told() {
        let groups = Groups::default();
        let (group, stuck) = groups.join("g", joining(2), Arc::default());
        partitions(group.change(stuck));
        let (_, second) = groups.join("g", joining(2), Arc::default());
        assert_eq!(group.change(second), None);
        let deadline = group.deadline(second).expect("a partition is waited for");
        tokio::time::sleep_until(deadline).await;
        assert_eq!(partitions(group.change(second)), [at(1)]);
        assert!(owns(&group, stuck, 0) && !owns(&group, stuck, 1));
        assert_eq!(group.change(stuck), Some(Change::Revoked(vec![at(1)])));
    }

    #[tokio::test(start_paused = true)]
    async fn the_partitions_of_one_that_leaves_go_to_the_others_at_once() {
        let groups = Groups::default();
        let (group, first) = groups.join("g", joining(4), Arc::default());
        let (_, second) = groups.join("g", joining(4), Arc::default());
        assert_eq!(partitions(group.change(first)).len() + partitions(group.change(second)).len(), 4);
        groups.leave(&group, first);
        assert_eq!(partitions(group.change(second)).len(), 2);
        assert!((0..4).all(|partition| owns(&group, second, partition)));
        groups.leave(&group, second);
        let (fresh, _) = groups.join("g", joining(4), Arc::default());
        assert!(!Arc::ptr_eq(&group, &fresh), "a group ends with its last member");
    }
}
