//! Labels that many hold, held once.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Labels, Packed};
use crate::SeriesId;

/// More label sets than this are handed back as they came: a bound on what the pool itself takes.
const MAX_POOLED: usize = 1 << 22;

/// Dead label sets are looked for after so many new ones at least.
const MIN_SWEEP: usize = 1_024;

/// Less text than this is not worth a handle.
const MIN_COMMON_BYTES: usize = 32;

/// Names of labels that say *which thing* a series is about. They are alike for the tens of series that a
/// thing has, and hold most of their text.
const OF_THINGS: [&str; 17] = [
    "cluster",
    "container",
    "container_id",
    "host",
    "id",
    "image",
    "instance",
    "job",
    "name",
    "namespace",
    "node",
    "pod",
    "pod_uid",
    "service",
    "uid",
    "workload",
    "workload_kind",
];

/// Gives equal labels one place in memory, and what the labels of one thing have in common as well. A label
/// set goes when nobody else holds it any more: at the latest when as many new ones have come as a quarter of
/// those there.
#[derive(Default)]
pub struct LabelPool {
    held: Mutex<Held>,
}

/// By identity, which is cheaper to compare than the text, and asked for later anyway.
#[derive(Default)]
struct Held {
    all: HashMap<SeriesId, Labels>,
    /// What several of `all` have in common.
    common: HashMap<SeriesId, Labels>,
    n_new: usize,
}

impl LabelPool {
    /// Equal labels that others hold already; else these, from now on.
    #[must_use]
    pub fn share(&self, labels: Labels) -> Labels {
        let id = labels.id();
        let mut held = self.lock();
        if let Some(known) = held.all.get(&id) {
            return known.clone();
        }
        if held.all.len() >= MAX_POOLED {
            held.sweep();
            if held.all.len() >= MAX_POOLED {
                return labels;
            }
        }
        let labels = held.split(labels, id);
        held.all.insert(id, labels.clone());
        held.n_new += 1;
        if held.n_new >= MIN_SWEEP.max(held.all.len() / 4) {
            held.sweep();
        }
        labels
    }

    /// Frees the labels that nobody else holds, now.
    pub fn sweep(&self) {
        self.lock().sweep();
    }

    /// Number of different label sets.
    pub fn len(&self) -> usize {
        self.lock().all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Nothing below can leave a half-made state behind when it panics.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The same labels, what they have in common with others held there.
    fn split(&mut self, labels: Labels, id: SeriesId) -> Labels {
        let of_things = |(name, _): &(&str, &str)| OF_THINGS.binary_search(name).is_ok();
        let n_bytes: usize = labels.iter().filter(of_things).map(|(n, v)| n.len() + v.len()).sum();
        if labels.0.common.is_some() || n_bytes < MIN_COMMON_BYTES {
            return labels;
        }
        let part = |is_common: bool| {
            Labels::from_pairs(labels.iter().filter(|pair| of_things(pair) == is_common))
                .expect("a subset stays unique")
        };
        let common = part(true);
        let common = self.common.entry(common.id()).or_insert(common).clone();
        let Packed { text, ends, .. } = &*part(false).0;
        Labels::packed(text.clone(), ends.clone(), Some(common), Some(id))
    }

    fn sweep(&mut self) {
        self.n_new = 0;
        for set in [&mut self.all, &mut self.common] {
            set.retain(|_, labels| Arc::strong_count(&labels.0) > 1);
            if set.len() * 4 < set.capacity() {
                set.shrink_to_fit();
            }
        }
    }
}

impl fmt::Debug for LabelPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LabelPool").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use proptest::prelude::*;

    use super::*;

    fn of_pod(metric: &str, pod: &str) -> Labels {
        let pairs =
            [("__name__", metric), ("namespace", "shop"), ("pod", pod), ("id", "/kubepods/burstable/1f")];
        Labels::from_pairs(pairs).expect("unique names")
    }

    #[test]
    fn names_of_things_can_be_searched() {
        assert!(OF_THINGS.is_sorted());
    }

    #[test]
    fn equal_labels_are_held_once() {
        let pool = LabelPool::default();
        let (one, other) = (pool.share(of_pod("cpu", "a")), pool.share(of_pod("cpu", "a")));
        assert!(Arc::ptr_eq(&one.0, &other.0));
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn labels_of_one_thing_hold_its_names_once() {
        let pool = LabelPool::default();
        let (cpu, memory) = (pool.share(of_pod("cpu", "a")), pool.share(of_pod("memory", "a")));
        let common = |labels: &Labels| labels.0.common.clone().expect("split");
        assert!(Arc::ptr_eq(&common(&cpu).0, &common(&memory).0));
        assert_eq!((cpu.0.n_own(), cpu.len()), (1, 4));
    }

    #[test]
    fn what_nobody_holds_any_more_goes() {
        let pool = LabelPool::default();
        let kept = pool.share(of_pod("cpu", "a"));
        for i in 0..10 * MIN_SWEEP {
            let _ = pool.share(of_pod("cpu", &i.to_string()));
        }
        assert!(pool.len() <= MIN_SWEEP + 1, "{}", pool.len());
        pool.sweep();
        assert_eq!((pool.len(), pool.lock().common.len()), (1, 1));
        assert_eq!(kept, of_pod("cpu", "a"));
    }

    proptest! {
        /// How labels are held shows nowhere.
        #[test]
        fn shared_labels_are_the_labels_that_came(
            pairs in prop::collection::btree_map("[a-z]{1,3}", "\\PC{1,12}", 0..6),
            things in prop::collection::btree_map(prop::sample::select(OF_THINGS.to_vec()), "\\PC{1,20}", 0..6),
        ) {
            let mut all = pairs;
            all.extend(things.into_iter().map(|(name, value)| (name.to_owned(), value)));
            let flat = Labels::from_pairs(&all).expect("a map has unique names");
            let shared = LabelPool::default().share(flat.clone());
            let hashes = RandomState::new();
            prop_assert_eq!(&shared, &flat);
            prop_assert_eq!(hashes.hash_one(&shared), hashes.hash_one(&flat));
            prop_assert_eq!((shared.id(), shared.to_string()), (flat.id(), flat.to_string()));
            prop_assert_eq!(shared.cmp(&flat), std::cmp::Ordering::Equal);
            prop_assert_eq!(shared.iter().len(), flat.len());
            prop_assert!(shared.iter().eq(flat.iter()));
            for (name, value) in &all {
                prop_assert_eq!(shared.get(name), Some(value.as_str()));
            }
            prop_assert_eq!(shared.with(&[("pod", "")]), flat.without(&["pod"]));
        }
    }
}
