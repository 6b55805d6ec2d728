//! What containers write. Lines are not stored: those of any span of time can be made again at any
//! moment, always the same.

use std::sync::Arc;

use sentinel_model::Timestamp;

use crate::catalogue::{App, LogStyle};
use crate::dice::{self, Dice};
use crate::load::{Curve, Jitter, Origin};
use crate::time::{HOUR, SECOND};
use crate::world::{Note, Trouble};

mod notes;
mod styles;

pub use notes::{boot, crash, disk_full, growing, stop, troubled};

/// One line with the time at which it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    pub at: Timestamp,
    /// Nanoseconds below the millisecond.
    pub nanos: u32,
    pub text: String,
}

/// Everything that the lines of one container depend on.
#[derive(Clone, Debug)]
pub struct Source {
    pub app: &'static App,
    pub pod: Arc<str>,
    pub is_sidecar: bool,
    /// Of this container alone.
    pub key: u64,
    pub origin: Origin,
    pub curve: Curve,
    /// Lines a second at mean demand.
    pub rate: f64,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub notes: Vec<Note>,
    /// What the pod suffered from, since when.
    pub troubles: Vec<(Timestamp, Trouble)>,
    /// Share of requests that fail because of something that it calls, since when.
    pub upstream: Vec<(Timestamp, f64)>,
}

/// How one request went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub is_error: bool,
    pub is_upstream: bool,
    pub millis: f64,
}

/// Lines are made for spans of so long at a time.
const SLOT: i64 = 2 * SECOND;

/// Older lines are rotated away.
const KEPT: i64 = HOUR;

/// One line in so many shows something that should not be in a log.
const LEAKED: f64 = 0.004;

/// One request in so many fails in the best of times.
const ERRORS: f64 = 0.004;

impl Source {
    /// Lines written after `from`, until and with `to`.
    pub fn lines(&self, from: Timestamp, to: Timestamp) -> Vec<Line> {
        let from = from.max(self.started.saturating_sub_millis(1)).max(to.saturating_sub_millis(KEPT));
        let to = self.ended.map_or(to, |ended| ended.min(to));
        let mut lines: Vec<Line> = self.notes.iter().flat_map(note_lines).collect();
        let slots = from.as_millis().div_euclid(SLOT)..=to.as_millis().div_euclid(SLOT);
        for slot in slots {
            self.slot_lines(slot, &mut lines);
        }
        lines.retain(|line| line.at > from && line.at <= to);
        // Stable: lines of one moment, such as a stack trace, keep their order.
        lines.sort_by_key(|line| (line.at, line.nanos));
        lines
    }

    /// The last `n` lines until `to`.
    pub fn tail(&self, n: usize, to: Timestamp) -> Vec<Line> {
        let mut span = 16 * SLOT;
        loop {
            let mut lines = self.lines(to.saturating_sub_millis(span), to);
            let is_all = span >= KEPT || to.saturating_sub_millis(span) <= self.started;
            if lines.len() >= n || is_all {
                return lines.split_off(lines.len().saturating_sub(n));
            }
            span *= 4;
        }
    }

    fn slot_lines(&self, slot: i64, out: &mut Vec<Line>) {
        let mut dice = Dice::new(dice::mix(self.key ^ slot as u64));
        let start = Timestamp::from_millis(slot * SLOT);
        let moment = self.origin.moment(start);
        let demand = self.curve.value(moment) + Jitter::new(self.key).value(moment);
        let expected = self.rate * demand.max(0.0) * SLOT as f64 / 1_000.0;
        let n_lines = expected.floor() as usize + usize::from(dice.chance(expected.fract()));
        let mut offsets: Vec<i64> = (0..n_lines).map(|_| dice.whole(0, SLOT)).collect();
        offsets.sort_unstable();
        for offset in offsets {
            self.request_lines(start.saturating_add_millis(offset), &mut dice, out);
        }
    }

    fn request_lines(&self, at: Timestamp, dice: &mut Dice, out: &mut Vec<Line>) {
        let trouble = self.trouble_at(at);
        let is_answering = self.started.saturating_add_millis(styles::boot_millis(self.app.log)) <= at;
        let outcome = self.outcome(at, trouble, dice);
        let is_leaking = dice.chance(LEAKED) && styles::handles_secrets(self.app);
        let nanos = dice.whole(0, 1_000_000) as u32;
        let texts = if self.is_sidecar {
            vec![styles::envoy(at, dice)]
        } else if is_leaking {
            vec![styles::leak(self.app, at, dice)]
        } else {
            styles::request(self.app, &self.pod, at, (outcome, dice))
        };
        // Drawn first and dropped then: what one line says must not depend on the others.
        if is_answering && trouble != Trouble::Crashing {
            out.extend(texts.into_iter().zip(0..).map(|(text, place)| Line {
                at,
                nanos: nanos + place,
                text,
            }));
        }
    }

    fn outcome(&self, at: Timestamp, trouble: Trouble, dice: &mut Dice) -> Outcome {
        let own = match trouble {
            Trouble::DiskFull => 0.55,
            Trouble::Unready => 0.7,
            Trouble::OutOfMemory => 0.05,
            Trouble::Throttled | Trouble::Starved => 0.03,
            _ => ERRORS,
        };
        let slow = match trouble {
            Trouble::Throttled => 9.0,
            Trouble::Starved => 4.0,
            Trouble::DiskFull => 3.0,
            _ => 1.0,
        };
        let upstream = self.upstream.iter().rev().find(|(since, _)| *since <= at).map_or(0.0, |(_, s)| *s);
        let (first, second) = (dice.unit(), dice.unit());
        let is_upstream = second < upstream;
        // Latencies have a long tail.
        let millis = (3.0 + 21.0 * dice.unit() + 160.0 * dice.unit().powi(14)) * slow;
        Outcome {
            is_error: first < own || is_upstream,
            is_upstream,
            millis: millis * if is_upstream { 6.0 } else { 1.0 },
        }
    }

    fn trouble_at(&self, at: Timestamp) -> Trouble {
        self.troubles
            .iter()
            .rev()
            .find(|(since, _)| *since <= at)
            .map_or(Trouble::None, |(_, trouble)| *trouble)
    }
}

fn note_lines(note: &Note) -> impl Iterator<Item = Line> {
    let at = note.at;
    let base = (dice::mix(at.as_millis() as u64) % 900_000) as u32;
    note.lines.iter().zip(0..).map(move |(text, place)| Line {
        at,
        nanos: base + place * 1_900,
        text: text.clone(),
    })
}

/// Lines a second of an application at mean demand, for a given general rate.
pub fn rate_of(app: &App, rate: f64) -> f64 {
    // Busy services log more, but not in proportion: most of them sample.
    let weight = match app.log {
        LogStyle::Redis | LogStyle::Postgres => 0.15,
        LogStyle::Klog | LogStyle::Plain => 0.25,
        _ => 1.0,
    };
    rate * weight * (app.requests.sqrt() / 2.0).clamp(0.1, 2.0)
}

#[cfg(test)]
mod tests;
