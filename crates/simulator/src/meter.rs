//! The counters of one container or sandbox: what it used since it started, readable at any moment.

use crate::load::{Curve, Jitter, Moment};

/// How a container uses the machine until something changes. All rates are linear in time and in the
/// workload's demand, so their sums have a closed form.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Regime {
    /// Share of the workload's mean demand that this container serves.
    pub demand: f64,
    /// Cores used without any demand.
    pub idle_cores: f64,
    /// Cores used for a demand of 1.
    pub cores: f64,
    /// Share of scheduling periods in which it was throttled.
    pub throttled: f64,
}

/// What a meter reads.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    pub cpu_seconds: f64,
    /// Integral of demand: requests, bytes and page faults are multiples of it.
    pub work: f64,
    pub periods: f64,
    pub throttled_periods: f64,
    pub throttled_seconds: f64,
}

#[derive(Clone, Copy, Debug)]
pub struct Meter {
    since: Moment,
    total: Reading,
    regime: Regime,
    jitter: Jitter,
}

/// Scheduling periods a second while a container runs.
const PERIODS: f64 = 10.0;

/// Share of periods in which a mostly idle container runs at all.
const MIN_ACTIVITY: f64 = 0.15;

/// Seconds that a throttled period takes from a container.
const THROTTLED_SECONDS: f64 = 0.055;

impl Meter {
    pub fn new(at: Moment, regime: Regime, key: u64) -> Self {
        Self { since: at, total: Reading::default(), regime, jitter: Jitter::new(key) }
    }

    pub const fn regime(&self) -> Regime {
        self.regime
    }

    /// Start of the regime in force: nothing may be read before it.
    pub const fn since(&self) -> Moment {
        self.since
    }

    /// From `at` on another regime holds; what was used before stays counted.
    pub fn change(&mut self, curve: &Curve, at: Moment, regime: Regime) {
        self.total = self.read(curve, at);
        self.since = self.not_before(at);
        self.regime = regime;
    }

    /// Lets what was used until `at` count for nothing.
    pub fn forget(&mut self, curve: &Curve, at: Moment) {
        self.total = self.total - self.read(curve, at);
    }

    pub fn read(&self, curve: &Curve, at: Moment) -> Reading {
        let at = self.not_before(at);
        let seconds = at.seconds - self.since.seconds;
        let phases = at.phase - self.since.phase;
        let demand = curve.integral(at) + self.jitter.integral(at)
            - curve.integral(self.since)
            - self.jitter.integral(self.since);
        // A fast simulation shows more of the curve in a second, but a second is still a second of use.
        let share = if phases > 0.0 { seconds / phases } else { 0.0 };
        let work = demand.max(0.0) * share * self.regime.demand;
        let cpu = seconds * self.regime.idle_cores + work * self.regime.cores;
        let activity = (self.regime.idle_cores + self.regime.cores * self.regime.demand) * 4.0;
        let periods = seconds * PERIODS * activity.clamp(MIN_ACTIVITY, 1.0);
        let throttled = periods * self.regime.throttled;
        Reading {
            cpu_seconds: self.total.cpu_seconds + cpu,
            work: self.total.work + work,
            periods: self.total.periods + periods,
            throttled_periods: self.total.throttled_periods + throttled,
            throttled_seconds: self.total.throttled_seconds + throttled * THROTTLED_SECONDS,
        }
    }

    fn not_before(&self, at: Moment) -> Moment {
        if at.seconds > self.since.seconds { at } else { self.since }
    }

    /// Demand served at a moment, 1 being the mean of one pod of the workload at its planned size.
    pub fn demand(&self, curve: &Curve, at: Moment) -> f64 {
        (curve.value(at) + self.jitter.value(at)) * self.regime.demand
    }

    /// Cores in use at a moment.
    pub fn cores(&self, curve: &Curve, at: Moment) -> f64 {
        self.regime.idle_cores + self.demand(curve, at) * self.regime.cores
    }
}

impl std::ops::Add for Reading {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            work: self.work + other.work,
            periods: self.periods + other.periods,
            throttled_periods: self.throttled_periods + other.throttled_periods,
            throttled_seconds: self.throttled_seconds + other.throttled_seconds,
        }
    }
}

impl std::ops::Sub for Reading {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - other.cpu_seconds,
            work: self.work - other.work,
            periods: self.periods - other.periods,
            throttled_periods: self.throttled_periods - other.throttled_periods,
            throttled_seconds: self.throttled_seconds - other.throttled_seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dice::Dice;
    use crate::load::Shape;

    const BUSY: Regime = Regime { demand: 1.0, idle_cores: 0.01, cores: 0.1, throttled: 0.0 };

    #[test]
    fn a_change_of_regime_keeps_what_was_counted() {
        let curve = Curve::new(Shape::Level, &mut Dice::new(1));
        let mut meter = Meter::new(Moment::at(1_000.0), BUSY, 7);
        let before = meter.read(&curve, Moment::at(2_000.0));
        meter.change(&curve, Moment::at(2_000.0), Regime { throttled: 0.9, ..BUSY });
        assert_eq!(meter.read(&curve, Moment::at(2_000.0)), before);
        let after = meter.read(&curve, Moment::at(2_100.0));
        let share = (after.throttled_periods - before.throttled_periods) / (after.periods - before.periods);
        assert!((share - 0.9).abs() < 1e-9, "{share}");
        assert_eq!(before.throttled_periods, 0.0);
    }

    #[test]
    fn use_follows_the_regime() {
        let curve = Curve::new(Shape::Level, &mut Dice::new(1));
        let meter = Meter::new(Moment::at(0.0), BUSY, 7);
        let mean = meter.read(&curve, Moment::at(86_400.0)).cpu_seconds / 86_400.0;
        assert!((mean - 0.11).abs() < 0.005, "{mean}");
    }

    proptest! {
        #[test]
        fn no_counter_ever_falls(
            seed: u64,
            steps in prop::collection::vec((0.001..500.0_f64, any::<bool>()), 1..60),
        ) {
            let curve = Curve::new(Shape::Office, &mut Dice::new(seed));
            let mut at = Moment::at(5_000_000.0);
            let mut meter = Meter::new(at, BUSY, seed);
            let mut last = meter.read(&curve, at);
            for (step, is_change) in steps {
                at = Moment::at(at.seconds + step);
                if is_change {
                    let throttled = if meter.regime().throttled > 0.0 { 0.0 } else { 0.8 };
                    meter.change(&curve, at, Regime { demand: 1.7, throttled, ..BUSY });
                }
                let next = meter.read(&curve, at);
                prop_assert!(next.cpu_seconds >= last.cpu_seconds);
                prop_assert!(next.work >= last.work);
                prop_assert!(next.periods >= last.periods);
                prop_assert!(next.throttled_periods >= last.throttled_periods);
                prop_assert!(next.throttled_periods <= next.periods);
                last = next;
            }
        }
    }
}
