//! Numbers of frames and batches: which are missing, which came twice.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Epochs and holes that are remembered of one stream.
const MAX_REMEMBERED: usize = 64;

/// What one number says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Next,
    /// These numbers of its epoch should have come before it.
    Hole(RangeInclusive<u64>),
    Double,
    /// One that was missing before; its readers had gone on without it.
    TooLate,
}

/// Follows the numbers of one stream.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    /// Last number of each epoch.
    last: BTreeMap<u64, u64>,
    holes: Vec<(u64, RangeInclusive<u64>)>,
}

impl Sequence {
    /// `is_from_start`: the topic still holds its first message, so that a first number other than 0 shows a hole.
    pub(crate) fn note(&mut self, epoch: u64, sequence: u64, is_from_start: bool) -> Verdict {
        let is_first = self.last.is_empty();
        let newest = self.last.keys().next_back().copied().unwrap_or(0);
        let verdict = match self.last.get(&epoch).copied() {
            Some(last) if sequence > last + 1 => Verdict::Hole(last + 1..=sequence - 1),
            Some(last) if sequence == last + 1 => Verdict::Next,
            Some(_) => {
                let is_late =
                    |(of, hole): &(u64, RangeInclusive<u64>)| *of == epoch && hole.contains(&sequence);
                let late = self.holes.iter().position(is_late);
                return late.map_or(Verdict::Double, |index| {
                    self.split(index, sequence);
                    Verdict::TooLate
                });
            }
            None if sequence > 0 && (!is_first || is_from_start) => Verdict::Hole(0..=sequence - 1),
            None => Verdict::Next,
        };
        if let Verdict::Hole(hole) = &verdict
            && self.holes.len() < MAX_REMEMBERED
        {
            self.holes.push((epoch, hole.clone()));
        }
        self.last.insert(epoch, sequence);
        if self.last.len() > MAX_REMEMBERED {
            self.last.pop_first();
        }
        // Behind a later epoch it is new, and yet nobody reads it.
        if verdict == Verdict::Next && epoch < newest { Verdict::TooLate } else { verdict }
    }

    /// What of these numbers has never come.
    pub(crate) fn missing(&self, epoch: u64, numbers: &RangeInclusive<u64>) -> Vec<RangeInclusive<u64>> {
        let holes = self.holes.iter().filter(|(of, hole)| {
            *of == epoch && numbers.start() <= hole.start() && hole.end() <= numbers.end()
        });
        holes.map(|(_, hole)| hole.clone()).collect()
    }

    /// Takes one number out of a hole.
    fn split(&mut self, index: usize, sequence: u64) {
        let (epoch, hole) = self.holes.swap_remove(index);
        let (first, last) = (*hole.start(), *hole.end());
        if first < sequence {
            self.holes.push((epoch, first..=sequence - 1));
        }
        if sequence < last {
            self.holes.push((epoch, sequence + 1..=last));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_what_is_missing_and_what_came_twice() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.note(7, 3, false), Verdict::Next, "the topic begins in the middle");
        assert_eq!(sequence.note(7, 4, false), Verdict::Next);
        assert_eq!(sequence.note(7, 4, false), Verdict::Double);
        assert_eq!(sequence.note(7, 8, false), Verdict::Hole(5..=7));
        assert_eq!(sequence.note(7, 6, false), Verdict::TooLate);
        assert_eq!(sequence.note(7, 6, false), Verdict::Double);
        assert_eq!(sequence.note(9, 0, false), Verdict::Next);
        assert_eq!(sequence.note(7, 9, false), Verdict::TooLate, "of an epoch that is over");
        assert_eq!(sequence.note(7, 9, false), Verdict::Double);
        assert_eq!(sequence.note(10, 2, false), Verdict::Hole(0..=1), "an epoch begins at 0");
        assert_eq!(Sequence::default().note(7, 2, true), Verdict::Hole(0..=1));
    }

    proptest! {
        /// Whatever is dropped, repeated and put out of order within one epoch: what is never there is in holes that
        /// nothing filled, and each repeat is one double.
        #[test]
        fn holes_and_doubles_add_up(numbers in prop::collection::vec(0u64..40, 1..80)) {
            let mut sequence = Sequence::default();
            let (mut missing, mut n_doubles) = (BTreeSet::new(), 0);
            for number in &numbers {
                match sequence.note(1, *number, true) {
                    Verdict::Hole(hole) => missing.extend(hole),
                    Verdict::Double => n_doubles += 1,
                    Verdict::TooLate => { missing.remove(number); }
                    Verdict::Next => {}
                }
            }
            let there: BTreeSet<u64> = numbers.iter().copied().collect();
            let last = *there.last().expect("not empty");
            let expected: BTreeSet<u64> = (0..last).filter(|number| !there.contains(number)).collect();
            prop_assert_eq!(missing, expected);
            prop_assert_eq!(n_doubles, numbers.len() - there.len());
        }
    }
}
