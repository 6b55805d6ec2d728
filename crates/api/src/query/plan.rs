//! Choosing step and resolution of an answer.

use sentinel_model::{Resolution, Timestamp};

use super::{FINEST_STEP_MS, Function, Step};

/// Steps that `auto` chooses from: numbers that people read.
const NICE_STEPS_S: [i64; 18] = [
    10, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800,
    604_800, 2_592_000,
];

/// `auto` aims at no more points than a chart has pixels for.
const AUTO_POINTS: i64 = 400;

/// No answer has more points to a series than this (as in Prometheus).
pub const MAX_POINTS: i64 = 11_000;

/// When, how far apart, and from which windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Start of the first step.
    pub from: Timestamp,
    /// End of the last step.
    pub to: Timestamp,
    pub step_ms: i64,
    /// Widest windows that make up the steps.
    pub resolution: Resolution,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("must lie before to")]
    Empty,
    #[error("gives {n_points} points to a series, more than {MAX_POINTS}; take a larger step")]
    TooManyPoints { n_points: i64 },
}

impl Plan {
    /// # Errors
    /// A span that is empty or has too many steps.
    pub fn new(from: Timestamp, to: Timestamp, step: Step, function: Function) -> Result<Self, PlanError> {
        let span_ms = to.millis_since(from);
        if span_ms <= 0 {
            return Err(PlanError::Empty);
        }
        let wanted_ms = match step {
            Step::Auto => auto_step(span_ms),
            Step::Millis(millis) => millis,
        };
        let step_ms = if function.is_quantile() { width_of_one_window(wanted_ms) } else { wanted_ms };
        let from = from.floor(step_ms);
        let n_points = to.millis_since(from).saturating_add(step_ms - 1) / step_ms;
        if n_points > MAX_POINTS {
            return Err(PlanError::TooManyPoints { n_points });
        }
        let to = from.saturating_add_millis(n_points.saturating_mul(step_ms));
        Ok(Self { from, to, step_ms, resolution: resolution_for(step_ms) })
    }

    /// The same with `n_steps` more before its first one.
    #[must_use]
    pub fn with_lead(self, n_steps: usize) -> Self {
        let lead_ms = self.step_ms.saturating_mul(i64::try_from(n_steps).unwrap_or(i64::MAX));
        Self { from: self.from.saturating_sub_millis(lead_ms), ..self }
    }

    pub const fn n_points(&self) -> usize {
        (self.to.millis_since(self.from) / self.step_ms) as usize
    }

    /// Number of the step that holds a moment, if one does.
    pub fn index_of(&self, at: Timestamp) -> Option<usize> {
        let offset_ms = at.millis_since(self.from);
        (offset_ms >= 0 && at < self.to).then(|| (offset_ms / self.step_ms) as usize)
    }

    pub fn start_of(&self, index: usize) -> Timestamp {
        self.from.saturating_add_millis(self.step_ms * index as i64)
    }
}

/// The smallest readable step that keeps the answer below [`AUTO_POINTS`].
fn auto_step(span_ms: i64) -> i64 {
    let enough = |step_s: &&i64| span_ms / (**step_s * 1_000) <= AUTO_POINTS;
    let widest = span_ms / AUTO_POINTS / FINEST_STEP_MS * FINEST_STEP_MS + FINEST_STEP_MS;
    NICE_STEPS_S.iter().find(enough).map_or(widest, |step_s| step_s * 1_000)
}

/// The widest windows that fill a step without a rest.
fn resolution_for(step_ms: i64) -> Resolution {
    let fits = |resolution: &Resolution| step_ms % resolution.as_millis() == 0;
    Resolution::ALL.into_iter().rev().find(fits).unwrap_or(Resolution::TenSeconds)
}

/// The narrowest window that is not narrower than the step, else the widest.
fn width_of_one_window(step_ms: i64) -> i64 {
    let widths = Resolution::ALL.map(Resolution::as_millis);
    widths.into_iter().find(|width| *width >= step_ms).unwrap_or(Resolution::OneHour.as_millis())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 3_600;

    fn plan(span_s: i64, step: Step) -> Plan {
        let to = Timestamp::from_secs(1_000_000);
        Plan::new(to.saturating_sub_millis(span_s * 1_000), to, step, Function::Value).expect("a plan")
    }

    #[test]
    fn auto_takes_readable_steps_and_the_widest_windows_that_fit() {
        let chosen = |span_s| {
            let plan = plan(span_s, Step::Auto);
            (plan.step_ms / 1_000, plan.resolution)
        };
        assert_eq!(chosen(15 * 60), (10, Resolution::TenSeconds));
        assert_eq!(chosen(HOUR), (10, Resolution::TenSeconds));
        assert_eq!(chosen(3 * HOUR), (30, Resolution::TenSeconds));
        assert_eq!(chosen(6 * HOUR), (60, Resolution::OneMinute));
        assert_eq!(chosen(24 * HOUR), (300, Resolution::FiveMinutes));
        assert_eq!(chosen(30 * 24 * HOUR), (7_200, Resolution::OneHour));
    }

    #[test]
    fn refuses_what_is_empty_or_too_much() {
        let at = Timestamp::from_secs(1_000);
        assert_eq!(Plan::new(at, at, Step::Auto, Function::Value), Err(PlanError::Empty));
        let ten_years = at.saturating_add_millis(10 * 365 * 86_400_000);
        let plan = Plan::new(at, ten_years, Step::Millis(10_000), Function::Value);
        assert!(matches!(plan, Err(PlanError::TooManyPoints { .. })));
    }

    #[test]
    fn quantiles_take_steps_of_one_window() {
        let to = Timestamp::from_secs(100_000);
        let plan = Plan::new(Timestamp::from_secs(0), to, Step::Millis(120_000), Function::P99);
        assert_eq!(plan.expect("a plan").step_ms, 300_000);
    }

    proptest! {
        #[test]
        fn steps_cover_the_span(from_s in 0i64..10_000_000, span_s in 1i64..100_000_000, step_s in 1i64..10_000) {
            let (from, to) = (Timestamp::from_secs(from_s), Timestamp::from_secs(from_s + span_s));
            for step in [Step::Auto, Step::Millis(step_s * 10_000)] {
                if let Ok(plan) = Plan::new(from, to, step, Function::Rate) {
                    prop_assert!(plan.from <= from && plan.to >= to);
                    prop_assert!(plan.n_points() as i64 <= MAX_POINTS);
                    prop_assert_eq!(plan.step_ms % plan.resolution.as_millis(), 0);
                    prop_assert_eq!(plan.index_of(from), Some(0));
                    prop_assert_eq!(plan.index_of(plan.to), None);
                } else {
                    prop_assert!(step != Step::Auto, "auto always finds a step");
                }
            }
        }
    }
}
