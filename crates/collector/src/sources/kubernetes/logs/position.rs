//! How far a container's log has been read: enough to ask for the rest and to know which of the lines
//! that come again have been taken already.
//!
//! The API only knows "since this second", so that the lines of the last second come again. They are
//! told apart by time and text: of the last lines both are remembered; what is older than those was
//! taken.

use std::collections::VecDeque;

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

/// Lines that are remembered. Two streams of a container (stdout, stderr) may be written out of order by
/// a few lines.
const MAX_REMEMBERED: usize = 32;

/// While all lines that were taken are remembered, one that is older than the first of them may still come.
const DISORDER_NS: i64 = 10_000_000_000;

/// What identifies a line: when it was written and a hash of it.
pub(crate) type LineId = (i64, u64);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Instance of the container, as Kubernetes counts them.
    #[serde(rename = "r")]
    pub(crate) restart_count: u32,
    /// The instance has ended and all of it was read.
    #[serde(rename = "c", default)]
    pub(crate) is_complete: bool,
    /// Lines before this time (in nanoseconds) were taken.
    #[serde(rename = "w")]
    window: i64,
    #[serde(rename = "l", default)]
    lines: VecDeque<LineId>,
}

impl Position {
    /// Before everything that an instance wrote.
    pub(crate) fn begin(restart_count: u32) -> Self {
        Self { restart_count, ..Self::default() }
    }

    /// The next instance: its lines come after those of the one before.
    pub(crate) fn next_instance(&self, restart_count: u32) -> Self {
        Self { restart_count, is_complete: false, ..self.clone() }
    }

    /// From when to ask for lines, by the clock that dates them; `None` before the first line.
    pub(crate) fn since_ns(&self) -> Option<i64> {
        if self.window > 0 {
            return Some(self.window);
        }
        let first = self.lines.iter().map(|(time, _)| *time).min()?;
        Some(first.saturating_sub(DISORDER_NS))
    }

    /// Call when the line is safe.
    pub(crate) fn take(&mut self, id: LineId) {
        self.lines.push_back(id);
        if self.lines.len() > MAX_REMEMBERED
            && let Some((time, _)) = self.lines.pop_front()
        {
            self.window = self.window.max(time.saturating_add(1));
            let window = self.window;
            self.lines.retain(|(time, _)| *time >= window);
        }
    }

    /// Tells, of lines that come again in any order, which are new.
    pub(crate) fn filter(&self) -> Filter {
        let mut taken = AHashMap::new();
        for id in &self.lines {
            *taken.entry(*id).or_insert(0) += 1;
        }
        Filter { window: self.window, taken }
    }
}

/// For one reading.
#[derive(Debug)]
pub(crate) struct Filter {
    window: i64,
    taken: AHashMap<LineId, u32>,
}

impl Filter {
    pub(crate) fn is_new(&mut self, id: LineId) -> bool {
        if id.0 < self.window {
            return false;
        }
        match self.taken.get_mut(&id) {
            Some(n) if *n > 0 => {
                *n -= 1;
                false
            }
            _ => true,
        }
    }
}

/// The same in every run, as positions are kept on disk.
pub(crate) fn line_id(timestamp_ns: i64, text: &str) -> LineId {
    (timestamp_ns, fnv1a(text.as_bytes()))
}

/// FNV-1a, 64 bits: stable, and good enough to tell lines of one instant apart.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn new_lines(position: &Position, lines: &[(i64, &str)]) -> Vec<String> {
        let mut filter = position.filter();
        let new = lines.iter().filter(|(time, text)| filter.is_new(line_id(*time, text)));
        new.map(|(_, text)| (*text).to_owned()).collect()
    }

    #[test]
    fn takes_each_line_once_also_those_of_one_instant() {
        let mut position = Position::begin(0);
        for text in ["a", "b", "b"] {
            position.take(line_id(5, text));
        }
        assert_eq!(new_lines(&position, &[(5, "a"), (5, "b"), (5, "b"), (5, "b"), (6, "a")]), ["b", "a"]);
    }

    #[test]
    fn takes_a_line_that_comes_late_by_a_little() {
        let mut position = Position::begin(0);
        position.take(line_id(10, "out"));
        assert_eq!(new_lines(&position, &[(9, "err"), (10, "out")]), ["err"]);
    }

    #[test]
    fn counts_as_taken_what_is_older_than_it_remembers() {
        let mut position = Position::begin(0);
        for time in 0..100 {
            position.take(line_id(time, "x"));
        }
        assert_eq!(position.since_ns(), Some(68));
        assert_eq!(new_lines(&position, &[(67, "late"), (68, "x"), (99, "x"), (99, "y")]), ["y"]);
    }

    #[test]
    fn asks_from_a_little_before_the_first_line_while_it_remembers_all() {
        let mut position = Position::begin(0);
        assert_eq!(position.since_ns(), None);
        position.take(line_id(25_000_000_000, "out"));
        assert_eq!(position.since_ns(), Some(15_000_000_000));
        assert_eq!(new_lines(&position, &[(24_000_000_000, "err"), (25_000_000_000, "out")]), ["err"]);
    }

    #[test]
    fn carries_on_with_the_next_instance() {
        let mut position = Position::begin(3);
        position.take(line_id(10, "last words"));
        position.is_complete = true;
        let next = position.next_instance(4);
        assert_eq!((next.restart_count, next.is_complete), (4, false));
        assert_eq!(new_lines(&next, &[(10, "last words"), (11, "hello")]), ["hello"]);
    }

    #[test]
    fn hashes_alike_in_every_run() {
        assert_eq!(line_id(1, "a"), (1, 0xaf63_dc4c_8601_ec8c));
    }

    proptest! {
        #[test]
        fn loses_and_repeats_nothing_wherever_reading_breaks_off(
            steps in prop::collection::vec((0_i64..3, 0_u8..3), 1..80), cut in 0_usize..80
        ) {
            let mut time = 0;
            let lines: Vec<_> = steps.iter().map(|(step, text)| { time += step; line_id(time, &text.to_string()) }).collect();
            let cut = cut.min(lines.len());
            let mut position = Position::begin(0);
            for id in &lines[..cut] {
                position.take(*id);
            }
            let stored = serde_json::to_string(&position).expect("serialises");
            let position: Position = serde_json::from_str(&stored).expect("reads back");
            let again = lines.iter().filter(|(time, _)| position.since_ns().is_none_or(|since| *time >= since));
            let mut filter = position.filter();
            let new: Vec<_> = again.filter(|id| filter.is_new(**id)).copied().collect();
            // Lines of one instant beyond what is remembered are the only ones that may be missed.
            let is_crowded = lines.iter().any(|(time, _)| lines.iter().filter(|(other, _)| other == time).count() > MAX_REMEMBERED / 2);
            if !is_crowded {
                prop_assert_eq!(new.as_slice(), &lines[cut..]);
            }
        }
    }
}
