//! Windows of one series → one value for each step.

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

/// A value for each step of the plan, from pieces that ascend by start. Gaps stay gaps: only a series that
/// comes more rarely than the steps keeps its value until its next one is due.
pub fn evaluate(pieces: &[Piece], function: Function, plan: &Plan) -> Vec<Option<f64>> {
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
    }
    steps
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
