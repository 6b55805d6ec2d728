//! Windows of one series → one value for each step.

use std::ops::Range;

use sentinel_model::Timestamp;

use super::{Function, Plan};
use crate::live::Growth;

/// One window as a function sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    pub start: Timestamp,
    /// For growth: the time over which it grew.
    pub span_ms: i64,
    pub value: f64,
}

impl From<Growth> for Piece {
    fn from(growth: Growth) -> Self {
        Self { start: growth.start, span_ms: growth.span_ms, value: growth.increase }
    }
}

/// A kubelet's readings come every 13 to 15 s and so miss a window of 10 s now and then: a hole of this
/// length between two values is no gap.
const MISSED_MS: i64 = 10_000;

/// Readings that come every 13 to 15 s fall unevenly into windows of 10 s, whose starts are all that is
/// known: the growth of one window over the distance from the one before it is off by up to half. Rates of
/// such series, at steps below this, are those of the time before, this long.
pub const RATE_SPAN_MS: i64 = 60_000;

/// A value for each step of the plan, from pieces that ascend by start. Gaps stay gaps: only a series that
/// comes more rarely than the steps keeps its value until its next one is due.
pub fn evaluate(pieces: &[Piece], function: Function, plan: &Plan) -> Vec<Option<f64>> {
    let is_smoothed = function == Function::Rate && plan.step_ms < RATE_SPAN_MS;
    let smoothed = if is_smoothed { with_growth_before(pieces) } else { Vec::new() };
    let pieces = if is_smoothed { &smoothed } else { pieces };
    let mut steps = vec![None; plan.n_points()];
    let mut pieces_of_step = Vec::new();
    let mut at = None;
    for piece in pieces {
        let Some(index) = plan.index_of(piece.start) else { continue };
        if at != Some(index) {
            if let Some(at) = at {
                steps[at] = reduce(&pieces_of_step, function);
            }
            pieces_of_step.clear();
            at = Some(index);
        }
        pieces_of_step.push(*piece);
    }
    if let Some(at) = at {
        steps[at] = reduce(&pieces_of_step, function);
    }
    if function != Function::Increase {
        hold(&mut steps, n_held(pieces, plan.step_ms));
        bridge(&mut steps, usize::try_from(MISSED_MS / plan.step_ms).unwrap_or_default());
    }
    steps
}

/// Each piece with the growth of all within [`RATE_SPAN_MS`] before it, unless they come evenly.
fn with_growth_before(pieces: &[Piece]) -> Vec<Piece> {
    let mut first = 0;
    let one = |(i, piece): (usize, &Piece)| {
        while piece.start.millis_since(pieces[first].start) >= RATE_SPAN_MS {
            first += 1;
        }
        let before = &pieces[first..=i];
        if before.iter().all(|other| other.span_ms == piece.span_ms) {
            return *piece;
        }
        let span_ms = before.iter().map(|piece| piece.span_ms).sum();
        Piece { start: piece.start, span_ms, value: before.iter().map(|piece| piece.value).sum() }
    };
    pieces.iter().enumerate().map(one).collect()
}

/// One number from the pieces of one step.
pub fn reduce(pieces: &[Piece], function: Function) -> Option<f64> {
    let last = pieces.last()?;
    let values = || pieces.iter().map(|piece| piece.value);
    let span_ms = || pieces.iter().map(|piece| piece.span_ms).sum::<i64>() as f64;
    Some(match function {
        Function::Value | Function::P50 | Function::P90 | Function::P95 | Function::P99 => last.value,
        Function::Increase => values().sum(),
        Function::Rate => values().sum::<f64>() * 1_000.0 / span_ms(),
        // Each window counts by its width: near the newest end, narrow ones stand in for wide ones.
        Function::Avg => {
            pieces.iter().map(|piece| piece.value * piece.span_ms as f64).sum::<f64>() / span_ms()
        }
        Function::Min => values().fold(f64::INFINITY, f64::min),
        Function::Max => values().fold(f64::NEG_INFINITY, f64::max),
    })
}

/// For how many empty steps a value holds: a series that comes every 60 s has not ended because there is
/// nothing new after 10 s.
fn n_held(pieces: &[Piece], step_ms: i64) -> usize {
    let mut distances: Vec<i64> =
        pieces.windows(2).map(|pair| pair[1].start.millis_since(pair[0].start)).collect();
    if distances.len() < 2 {
        return 0;
    }
    let middle = distances.len() / 2;
    let (_, cadence_ms, _) = distances.select_nth_unstable(middle);
    // Half a period more, since samples do not come on the dot.
    let held_ms = if *cadence_ms > step_ms { *cadence_ms * 3 / 2 } else { 0 };
    usize::try_from(held_ms / step_ms).unwrap_or_default()
}

fn hold(steps: &mut [Option<f64>], n_held: usize) {
    if n_held == 0 {
        return;
    }
    let Some(last_known) = steps.iter().rposition(Option::is_some) else { return };
    let mut held = None;
    // Nothing is held beyond the newest value: nobody knows yet.
    for (i, step) in steps[..=last_known].iter_mut().enumerate() {
        match (&*step, held) {
            (Some(value), _) => held = Some((*value, i)),
            (None, Some((value, since))) if i - since < n_held => *step = Some(value),
            _ => {}
        }
    }
}

/// Fills holes of at most `n_most` steps between two values with the earlier one.
fn bridge(steps: &mut [Option<f64>], n_most: usize) {
    let mut known: Option<(usize, f64)> = None;
    for i in 0..steps.len() {
        let Some(value) = steps[i] else { continue };
        if let Some((since, held)) = known
            && i - since - 1 <= n_most
        {
            steps[since + 1..i].fill(Some(held));
        }
        known = Some((i, value));
    }
}

/// Makes several series begin and end together where all of them begin or end: targets are scraped one
/// after another, and a sum must neither rise nor fall with those that are still to be scraped. At the end
/// of each stretch in which any series has a value, a series keeps its last one for `n_most` steps; at the
/// start its first one counts for as many steps before. A stretch that begins with the first step began
/// before it: who is new there is new.
pub fn level(lines: &mut [Vec<Option<f64>>], n_most: usize) {
    for stretch in stretches(lines) {
        let is_cut = stretch.start == 0;
        for steps in lines.iter_mut() {
            let steps = &mut steps[stretch.clone()];
            let (Some(first), Some(last)) =
                (steps.iter().position(Option::is_some), steps.iter().rposition(Option::is_some))
            else {
                continue;
            };
            let (first_value, last_value) = (steps[first], steps[last]);
            if steps.len() - 1 - last <= n_most {
                steps[last..].fill(last_value);
            }
            // Even wide steps may split the first round of scrapes.
            if !is_cut && first <= n_most.max(1) {
                steps[..first].fill(first_value);
            }
        }
    }
}

/// Steps in a row of which each has a value in some line.
fn stretches(lines: &[Vec<Option<f64>>]) -> Vec<Range<usize>> {
    let n_steps = lines.iter().map(Vec::len).max().unwrap_or_default();
    let mut is_known = vec![false; n_steps];
    for steps in lines {
        for (known, step) in is_known.iter_mut().zip(steps) {
            *known |= step.is_some();
        }
    }
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for i in (0..n_steps).filter(|i| is_known[*i]) {
        match stretches.last_mut() {
            Some(stretch) if stretch.end == i => stretch.end += 1,
            _ => stretches.push(i..i + 1),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::super::Step;
    use super::*;

    #[test]
    fn a_steady_counter_read_every_14_s_has_a_steady_rate() {
        let second = |s: i64| Timestamp::from_secs(s);
        // What is known of a reading is its window; it grows by 1 a second.
        let readings: Vec<i64> = (0..60).map(|i| 1_000 + i * 14).collect();
        let pieces: Vec<Piece> = readings
            .windows(2)
            .map(|pair| (pair[0] / 10 * 10, pair[1] / 10 * 10))
            .map(|(before, at)| Piece { start: second(at), span_ms: (at - before) * 1_000, value: 14.0 })
            .collect();
        let step = Step::Millis(10_000);
        let plan = Plan::new(second(1_100), second(1_700), step, Function::Rate).expect("a plan");
        let rates = evaluate(&pieces, Function::Rate, &plan);
        assert_eq!(rates.iter().filter(|rate| rate.is_none()).count(), 2, "the ends: {rates:?}");
        for rate in rates.into_iter().flatten() {
            assert!((0.9..1.1).contains(&rate), "{rate}");
        }
    }

    #[test]
    fn a_missed_window_is_bridged_and_a_longer_hole_stays() {
        let mut steps = [Some(1.0), None, Some(2.0), None, None, Some(3.0)];
        bridge(&mut steps, 1);
        assert_eq!(steps, [Some(1.0), Some(1.0), Some(2.0), None, None, Some(3.0)]);
    }

    #[test]
    fn a_sum_does_not_fall_for_a_target_that_is_still_to_be_scraped() {
        let mut lines =
            [vec![Some(1.0), Some(2.0), None], vec![None, Some(3.0), Some(4.0)], vec![Some(9.0), None, None]];
        level(&mut lines, 1);
        assert_eq!(lines[0], [Some(1.0), Some(2.0), Some(2.0)]);
        assert_eq!(lines[2], [Some(9.0), None, None], "gone for longer is gone");
    }

    #[test]
    fn a_sum_begins_with_all_targets_after_the_start_and_after_a_gap() {
        let (one, two) = (Some(1.0), Some(2.0));
        let mut lines = [
            vec![None, one, one, None, None, one, one, one],
            vec![None, None, two, None, None, None, two, two],
            vec![None, None, None, None, None, None, None, two],
        ];
        level(&mut lines, 1);
        assert_eq!(lines[1], [None, two, two, None, None, two, two, two]);
        assert_eq!(lines[2], [None, None, None, None, None, None, None, two], "who comes later is new");
        let mut cut = [vec![one, one], vec![None, two]];
        level(&mut cut, 1);
        assert_eq!(cut[1], [None, two], "the start of the range is not the start of the data");
    }
}
