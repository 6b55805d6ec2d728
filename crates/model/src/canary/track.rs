//! What a hop has seen of one canary, and what it therefore must see next.

use crate::Timestamp;

/// Beats that came together, such as those of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanaryBeats {
    /// Smallest and largest life among them.
    pub lives: (u64, u64),
    /// Smallest number among them.
    pub first: u64,
    /// Number of the newest.
    pub last: u64,
    pub count: u64,
}

/// What a look brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CanaryCount {
    pub received: u64,
    pub missing: u64,
    pub doubled: u64,
}

/// Follows one canary at one hop. What was sent before the first look is not judged, nor is the end of a life
/// that another one has followed: nobody knows how far it came.
#[derive(Clone, Debug, Default)]
pub struct CanaryTrack {
    seen: Option<Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    life: u64,
    /// Number behind the newest.
    next: u64,
    /// The newest window, which may come again with more in it.
    window: Timestamp,
    /// What its first number had to be, if that is known, and what has been counted in it.
    expected: Option<u64>,
    counted: CanaryCount,
}

impl CanaryTrack {
    /// Notes one beat of a stream in order.
    pub fn beat(&mut self, life: u64, sequence: u64) -> CanaryCount {
        let fresh = CanaryCount { received: 1, ..CanaryCount::default() };
        let (count, next) = match self.seen {
            Some(seen) if life < seen.life => return fresh,
            Some(seen) if life == seen.life && sequence < seen.next => {
                return CanaryCount { doubled: 1, ..CanaryCount::default() };
            }
            Some(seen) if life == seen.life => {
                (CanaryCount { missing: sequence - seen.next, ..fresh }, sequence)
            }
            Some(_) => (CanaryCount { missing: sequence, ..fresh }, sequence),
            None => (fresh, sequence),
        };
        let next = next.saturating_add(1);
        let counted = CanaryCount::default();
        self.seen = Some(Seen { life, next, window: Timestamp::MIN, expected: None, counted });
        count
    }

    /// Notes what a window holds by now, and gives what is new since the last look at it. `None`: the window lies
    /// before one that was seen already.
    pub fn window(&mut self, start: Timestamp, beats: CanaryBeats) -> Option<CanaryCount> {
        if self.seen.is_some_and(|seen| start < seen.window) {
            return None;
        }
        let is_again = self.seen.is_some_and(|seen| start == seen.window);
        let (expected, before) = match self.seen {
            Some(seen) if is_again => (seen.expected, seen.counted),
            Some(seen) if beats.lives.0 == seen.life => (Some(seen.next), CanaryCount::default()),
            Some(_) => (Some(0), CanaryCount::default()),
            None => (None, CanaryCount::default()),
        };
        let is_one_life = beats.lives.0 == beats.lives.1;
        let missing = if is_one_life {
            let span = beats.last.saturating_sub(beats.first).saturating_add(1);
            let ahead = expected.map_or(0, |expected| beats.first.saturating_sub(expected));
            span.saturating_sub(beats.count).saturating_add(ahead)
        } else {
            0
        };
        let counted = CanaryCount {
            received: beats.count.max(before.received),
            missing: missing.max(before.missing),
            doubled: 0,
        };
        let next = beats.last.saturating_add(1);
        self.seen = Some(Seen { life: beats.lives.1, next, window: start, expected, counted });
        Some(CanaryCount {
            received: counted.received - before.received,
            missing: counted.missing - before.missing,
            doubled: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn count(received: u64, missing: u64, doubled: u64) -> CanaryCount {
        CanaryCount { received, missing, doubled }
    }

    const fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    const fn beats(life: u64, first: u64, last: u64, count: u64) -> CanaryBeats {
        CanaryBeats { lives: (life, life), first, last, count }
    }

    #[test]
    fn beats_in_order_are_received_and_gaps_and_repeats_counted() {
        let mut track = CanaryTrack::default();
        assert_eq!(track.beat(7, 40), count(1, 0, 0), "what was before the first look is not judged");
        assert_eq!(track.beat(7, 41), count(1, 0, 0));
        assert_eq!(track.beat(7, 41), count(0, 0, 1));
        assert_eq!(track.beat(7, 45), count(1, 3, 0));
        assert_eq!(track.beat(8, 0), count(1, 0, 0), "a new life begins at 0");
        assert_eq!(track.beat(9, 2), count(1, 2, 0), "its first two are missing");
        assert_eq!(track.beat(8, 1), count(1, 0, 0), "late, of a life before");
    }

    #[test]
    fn windows_are_judged_by_how_many_they_hold_and_where_they_begin() {
        let mut track = CanaryTrack::default();
        assert_eq!(track.window(at(0), beats(7, 3, 12, 10)), Some(count(10, 0, 0)));
        assert_eq!(track.window(at(10), beats(7, 13, 22, 9)), Some(count(9, 1, 0)), "a hole inside");
        assert_eq!(track.window(at(20), beats(7, 25, 34, 10)), Some(count(10, 2, 0)), "a hole before");
        assert_eq!(track.window(at(10), beats(7, 13, 22, 10)), None);
        assert_eq!(track.window(at(30), beats(8, 0, 4, 5)), Some(count(5, 0, 0)));
    }

    #[test]
    fn a_window_that_holds_the_end_of_one_life_and_the_start_of_another_is_taken_as_it_is() {
        let mut track = CanaryTrack::default();
        track.window(at(0), beats(7, 0, 9, 10));
        let both = CanaryBeats { lives: (7, 8), first: 0, last: 3, count: 8 };
        assert_eq!(track.window(at(10), both), Some(count(8, 0, 0)));
        assert_eq!(track.window(at(20), beats(8, 5, 14, 10)), Some(count(10, 1, 0)));
    }

    proptest! {
        /// However often a window is looked at while it fills, each beat is received once and each hole counted once.
        #[test]
        fn a_window_that_fills_counts_like_beats_one_by_one(
            sent in prop::collection::vec((any::<bool>(), any::<bool>()), 2..80),
        ) {
            let (mut single, mut looks) = (CanaryTrack::default(), CanaryTrack::default());
            let (mut expected, mut counted) = (CanaryCount::default(), CanaryCount::default());
            let mut window: Vec<u64> = Vec::new();
            let mut open = 0;
            let add = |count: CanaryCount, to: &mut CanaryCount| {
                to.received += count.received;
                to.missing += count.missing;
            };
            let look = |window: &[u64], open: i64, looks: &mut CanaryTrack| {
                let (Some(first), Some(last)) = (window.first(), window.last()) else { return CanaryCount::default() };
                looks.window(at(open), beats(7, *first, *last, window.len() as u64)).expect("in order")
            };
            for (number, (arrives, is_looked_at)) in sent.into_iter().enumerate() {
                let start = number as i64 / 10 * 10;
                if start != open {
                    add(look(&window, open, &mut looks), &mut counted);
                    window.clear();
                    open = start;
                }
                if arrives {
                    window.push(number as u64);
                    add(single.beat(7, number as u64), &mut expected);
                }
                if is_looked_at {
                    add(look(&window, open, &mut looks), &mut counted);
                }
            }
            add(look(&window, open, &mut looks), &mut counted);
            prop_assert_eq!(counted, expected);
        }
    }
}
