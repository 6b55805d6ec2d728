//! How busy a workload is over time. Every curve has a closed integral, so that a counter can be read
//! at any moment without having been watched, and reads the same whoever asks and how often.

use std::f64::consts::TAU;
use std::sync::Arc;

use sentinel_model::Timestamp;

use crate::dice::{Dice, noise};
use crate::time::DAY;

/// What drives a workload's demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// People at work: high in the early afternoon, low at night.
    Office,
    /// People at home: high in the evening.
    Evening,
    /// Work done while people sleep.
    Night,
    /// Machines: nearly level.
    Level,
}

/// Demand of one workload around 1, in units of its mean.
#[derive(Clone, Debug)]
pub struct Curve {
    waves: [Wave; 4],
}

/// Demand that one pod sees beyond its workload's: a bumpy ride whose cells each sum up to nothing.
#[derive(Clone, Copy, Debug)]
pub struct Jitter {
    key: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Wave {
    amplitude: f64,
    /// Radians a second.
    omega: f64,
    phase: f64,
}

/// A moment in seconds since a midnight well before the start: small enough that the integrals keep
/// nine digits behind the point.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Moment {
    /// Of the clock on the wall.
    pub seconds: f64,
    /// Of the clock that demand follows: the same, but for the pace of the simulation.
    pub phase: f64,
}

/// Start of the count of [`Moment`]s, and the paces at which demand went since.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    zero: Timestamp,
    eras: Arc<[Era]>,
}

/// A time of one pace.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Era {
    from: Timestamp,
    phase: f64,
    pace: f64,
}

/// Changes of pace that are remembered: log lines of the last hour are made with the pace of their time.
const MAX_ERAS: usize = 256;

const HOUR_SECONDS: f64 = 3_600.0;

/// Length in seconds and greatest deviation of each layer of jitter.
const LAYERS: [(f64, f64); 3] = [(17.0, 0.07), (61.0, 0.09), (433.0, 0.08)];

impl Origin {
    /// Longer ago than anything in the cluster was created.
    pub fn before(start: Timestamp) -> Self {
        Self { zero: start.floor(DAY).saturating_sub_millis(200 * DAY), eras: Arc::from([]) }
    }

    pub fn moment(&self, at: Timestamp) -> Moment {
        let seconds = at.millis_since(self.zero) as f64 / 1_000.0;
        let era = self.eras.iter().rev().find(|era| era.from <= at);
        let phase =
            era.map_or(seconds, |era| era.phase + at.millis_since(era.from) as f64 / 1_000.0 * era.pace);
        Moment { seconds, phase }
    }

    /// Seconds of demand a second.
    pub fn pace(&self) -> f64 {
        self.eras.last().map_or(1.0, |era| era.pace)
    }

    /// From `at` on demand follows another pace; what was before stays as it was.
    pub fn set_pace(&mut self, at: Timestamp, pace: f64) {
        let era = Era { from: at, phase: self.moment(at).phase, pace };
        let n_old = self.eras.len().saturating_sub(MAX_ERAS - 1);
        self.eras = self.eras.iter().skip(n_old).copied().chain([era]).collect();
    }
}

impl Moment {
    /// A moment of a cluster whose pace was always 1.
    #[cfg(test)]
    pub const fn at(seconds: f64) -> Self {
        Self { seconds, phase: seconds }
    }
}

impl Curve {
    pub fn new(shape: Shape, dice: &mut Dice) -> Self {
        let (peak_hour, day, half_day) = match shape {
            Shape::Office => (13.5, 0.38, 0.08),
            Shape::Evening => (20.0, 0.36, 0.10),
            Shape::Night => (2.5, 0.40, 0.06),
            Shape::Level => (12.0, 0.03, 0.01),
        };
        let daily = |hours: f64, amplitude: f64| {
            let omega = TAU / (hours * HOUR_SECONDS);
            Wave { amplitude, omega, phase: TAU / 4.0 - omega * peak_hour * HOUR_SECONDS }
        };
        // Waves of minutes, so that a chart of the first quarter of an hour is not a flat line.
        let minutes = |minutes: f64, amplitude: f64, dice: &mut Dice| Wave {
            amplitude,
            omega: TAU / (minutes * 60.0),
            phase: dice.between(0.0, TAU),
        };
        let long = dice.between(19.0, 37.0);
        let short = dice.between(5.0, 9.0);
        Self {
            waves: [
                daily(24.0, day),
                daily(12.0, half_day),
                minutes(long, 0.09, dice),
                minutes(short, 0.06, dice),
            ],
        }
    }

    /// Demand at a moment; 1 on average, never negative.
    pub fn value(&self, at: Moment) -> f64 {
        1.0 + self.waves.iter().map(|w| w.amplitude * (w.omega * at.phase + w.phase).sin()).sum::<f64>()
    }

    /// Integral of [`Self::value`] over the phase, from the origin.
    pub fn integral(&self, at: Moment) -> f64 {
        let wave = |w: &Wave| w.amplitude / w.omega * (w.phase.cos() - (w.omega * at.phase + w.phase).cos());
        at.phase + self.waves.iter().map(wave).sum::<f64>()
    }
}

impl Jitter {
    pub const fn new(key: u64) -> Self {
        Self { key }
    }

    /// Deviation at a moment, at most a quarter either way.
    pub fn value(self, at: Moment) -> f64 {
        self.layers(at, |amplitude, place, _| amplitude * (TAU * place).sin())
    }

    pub fn integral(self, at: Moment) -> f64 {
        self.layers(at, |amplitude, place, length| amplitude * length / TAU * (1.0 - (TAU * place).cos()))
    }

    /// Each cell of a layer holds one full sine of random height: whole cells sum up to zero, so only
    /// the cell at hand counts.
    fn layers(self, at: Moment, part: impl Fn(f64, f64, f64) -> f64) -> f64 {
        LAYERS
            .iter()
            .zip(1_u64..)
            .map(|(&(length, height), layer)| {
                let cell = (at.phase / length).floor();
                let amplitude = height * noise(self.key.wrapping_mul(layer), cell as i64);
                part(amplitude, at.phase / length - cell, length)
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHAPES: [Shape; 4] = [Shape::Office, Shape::Evening, Shape::Night, Shape::Level];

    #[test]
    fn an_office_is_busy_after_noon_and_quiet_at_night() {
        let origin = Origin::before(Timestamp::from_secs(1_795_251_078));
        let curve = Curve::new(Shape::Office, &mut Dice::new(1));
        let at = |hour: f64| {
            let start = origin.moment(Timestamp::from_secs(1_795_251_078).floor(DAY)).seconds;
            curve.value(Moment::at(start + hour * HOUR_SECONDS))
        };
        assert!(at(13.5) > 1.2, "{}", at(13.5));
        assert!(at(2.0) < 0.85, "{}", at(2.0));
    }

    #[test]
    fn demand_goes_faster_from_the_change_of_pace_on_and_never_jumps() {
        let start = Timestamp::from_secs(1_795_251_078);
        let mut origin = Origin::before(start);
        let before = origin.moment(start);
        origin.set_pace(start, 60.0);
        assert_eq!(origin.moment(start), before);
        let later = origin.moment(start.saturating_add_millis(10_000));
        assert_eq!((later.seconds, later.phase), (before.seconds + 10.0, before.phase + 600.0));
        let earlier = origin.moment(start.saturating_sub_millis(10_000));
        assert_eq!((earlier.seconds, earlier.phase), (before.seconds - 10.0, before.phase - 10.0));
        for step in 1..1_000 {
            origin.set_pace(start.saturating_add_millis(step), 2.0);
        }
        assert_eq!((origin.eras.len(), origin.pace()), (MAX_ERAS, 2.0));
    }

    #[test]
    fn demand_is_1_on_average_over_days() {
        for shape in SHAPES {
            let curve = Curve::new(shape, &mut Dice::new(5));
            let (from, to) = (Moment::at(10.0 * 86_400.0), Moment::at(40.0 * 86_400.0));
            let mean = (curve.integral(to) - curve.integral(from)) / (to.seconds - from.seconds);
            assert!((mean - 1.0).abs() < 0.01, "{shape:?}: {mean}");
        }
    }

    proptest! {
        #[test]
        fn the_integral_is_that_of_the_value(seed: u64, start in 0.0..20_000_000.0_f64) {
            let jitter = Jitter::new(seed);
            let curve = Curve::new(Shape::Evening, &mut Dice::new(seed));
            let steps = 2_000;
            let width = 0.05;
            let middle = |k: usize| Moment::at(start + (k as f64 + 0.5) * width);
            let sum: f64 = (0..steps).map(|k| (curve.value(middle(k)) + jitter.value(middle(k))) * width).sum();
            let end = Moment::at(start + f64::from(steps as u32) * width);
            let exact = curve.integral(end) + jitter.integral(end)
                - curve.integral(Moment::at(start)) - jitter.integral(Moment::at(start));
            prop_assert!((sum - exact).abs() < 0.01, "{sum} {exact}");
        }

        #[test]
        fn demand_is_never_negative(seed: u64, at in 0.0..20_000_000.0_f64, shape in 0_usize..4) {
            let curve = Curve::new(SHAPES[shape], &mut Dice::new(seed));
            let demand = curve.value(Moment::at(at)) + Jitter::new(seed).value(Moment::at(at));
            prop_assert!(demand > 0.05, "{demand}");
        }
    }
}
