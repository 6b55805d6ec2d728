//! Quantiles of what was measured.

use serde::Serialize;

/// Measured values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(Vec<f64>);

/// What is told of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantiles {
    pub n: usize,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

impl Samples {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// By the nearest rank, so that each is a value that was measured; `None` if there is none.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |q: f64| {
            let rank = (q * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.saturating_sub(1)).copied()
        };
        Some(Quantiles { n: sorted.len(), p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)?, max: at(1.0)? })
    }
}

/// `part` of `whole`; `None` where that says nothing.
pub fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0 && part.is_finite()).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Option<Quantiles> {
        Samples(values.into_iter().collect()).quantiles()
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let hundred = of((1..=100).rev().map(f64::from)).expect("some");
        assert_eq!(hundred, Quantiles { n: 100, p50: 50.0, p90: 90.0, p99: 99.0, max: 100.0 });
        let two = of([3.0, 1.0]).expect("some");
        assert_eq!((two.p50, two.p90, two.p99, two.max), (1.0, 3.0, 3.0, 3.0));
        let one = of([7.0]).expect("some");
        assert_eq!((one.n, one.p50, one.p99), (1, 7.0, 7.0));
    }

    #[test]
    fn nothing_has_no_quantiles_and_no_ratio() {
        assert_eq!(of([]), None);
        assert_eq!(ratio(1.0, 0.0), None);
        assert_eq!(ratio(f64::NAN, 1.0), None);
        assert_eq!(ratio(3.0, 2.0), Some(1.5));
    }
}
