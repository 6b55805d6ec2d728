//! A distribution of numbers with a bounded relative error: building, merging, asking.

use super::Sketch;

/// ln γ for γ = 1.01 / 0.99: buckets whose middle is within 1 % of all their values.
const LN_GAMMA: f64 = 0.020_000_666_706_669_52;

/// Bucket of the infinities; no finite number reaches it.
const INFINITE: i32 = i32::MAX;

impl Sketch {
    /// Adds one sample. A NaN has no place among numbers and is left out.
    pub fn insert(&mut self, value: f64) {
        self.insert_many(value, 1);
    }

    /// Adds `n` samples of the same value.
    pub fn insert_many(&mut self, value: f64, n: u64) {
        if n == 0 {
            return;
        }
        if value == 0.0 {
            self.zeros = self.zeros.saturating_add(n);
        } else if value > 0.0 {
            add(&mut self.positive, bucket(value), n);
        } else if value < 0.0 {
            add(&mut self.negative, bucket(-value), n);
        }
    }

    /// Adds all samples of `other`: the result is what inserting them one by one would give.
    pub fn merge(&mut self, other: &Self) {
        self.zeros = self.zeros.saturating_add(other.zeros);
        merge(&mut self.positive, &other.positive);
        merge(&mut self.negative, &other.negative);
    }

    /// Number of samples in it.
    pub fn count(&self) -> u64 {
        let counts = |buckets: &[(i32, u64)]| buckets.iter().fold(0u64, |sum, (_, n)| sum.saturating_add(*n));
        self.zeros.saturating_add(counts(&self.positive)).saturating_add(counts(&self.negative))
    }

    /// The sample of rank `floor(q · (n − 1))`, counted from 0 in ascending order, within 1 % of its
    /// value: the middle `2 γ^i / (γ + 1)` of the bucket that holds it. `q` outside 0..=1 is clamped.
    /// `None` for an empty sketch or a NaN.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let n_samples = self.count();
        if n_samples == 0 || q.is_nan() {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * (n_samples - 1) as f64) as u64;
        let negative = self.negative.iter().rev().map(|(index, n)| (-middle(*index), *n));
        let positive = self.positive.iter().map(|(index, n)| (middle(*index), *n));
        let ascending = negative.chain([(0.0, self.zeros)]).chain(positive);
        let mut n_below = 0u64;
        let mut largest = None;
        for (value, n) in ascending.filter(|(_, n)| *n > 0) {
            n_below = n_below.saturating_add(n);
            largest = Some(value);
            if n_below > rank {
                break;
            }
        }
        largest
    }
}

fn bucket(magnitude: f64) -> i32 {
    // A cast of a float saturates, so that infinity falls into the bucket of its own.
    (magnitude.ln() / LN_GAMMA).ceil() as i32
}

fn middle(index: i32) -> f64 {
    if index == INFINITE {
        return f64::INFINITY;
    }
    // ln(2 / (γ + 1)) = ln(0.99): the quotient is exactly 1 − 0.01.
    (f64::from(index) * LN_GAMMA).exp().min(f64::MAX) * 0.99
}

fn add(buckets: &mut Vec<(i32, u64)>, index: i32, n: u64) {
    match buckets.binary_search_by_key(&index, |(index, _)| *index) {
        Ok(at) => buckets[at].1 = buckets[at].1.saturating_add(n),
        Err(at) => buckets.insert(at, (index, n)),
    }
}

fn merge(into: &mut Vec<(i32, u64)>, from: &[(i32, u64)]) {
    if from.is_empty() {
        return;
    }
    let mut merged = Vec::with_capacity(into.len() + from.len());
    let mut left = into.drain(..).peekable();
    for &(index, n) in from {
        while let Some(bucket) = left.next_if(|(other, _)| *other < index) {
            merged.push(bucket);
        }
        let same = left.next_if(|(other, _)| *other == index).map_or(0, |(_, n)| n);
        merged.push((index, n.saturating_add(same)));
    }
    merged.extend(left);
    *into = merged;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.insert(*value));
        sketch
    }

    /// Finite numbers that are zero or far enough from it for a relative error to mean something.
    fn sample() -> impl Strategy<Value = f64> {
        prop_oneof![
            Just(0.0),
            -1e6..1e6f64,
            (any::<bool>(), -1000i32..1000).prop_map(|(is_negative, exponent)| {
                let magnitude = 2f64.powi(exponent);
                if is_negative { -magnitude } else { magnitude }
            }),
        ]
        .prop_filter("not subnormal", |value| *value == 0.0 || value.is_normal())
    }

    #[test]
    fn keeps_the_logarithm_of_gamma_right() {
        assert!((LN_GAMMA - (1.01f64 / 0.99).ln()).abs() < 1e-15);
    }

    #[test]
    fn keeps_infinities_apart_and_leaves_out_what_is_not_a_number() {
        let sketch = sketch(&[f64::NEG_INFINITY, f64::NAN, f64::MAX, f64::INFINITY]);
        assert_eq!(sketch.count(), 3);
        assert_eq!(sketch.quantile(0.0), Some(f64::NEG_INFINITY));
        assert_eq!(sketch.quantile(1.0), Some(f64::INFINITY));
        let largest = sketch.quantile(0.5).expect("not empty");
        assert!(largest.is_finite() && (largest / f64::MAX - 1.0).abs() <= 0.0101);
    }

    #[test]
    fn has_no_quantile_when_it_is_empty() {
        assert_eq!(Sketch::default().quantile(0.5), None);
        assert_eq!(sketch(&[1.0]).quantile(f64::NAN), None);
    }

    proptest! {
        #[test]
        fn finds_quantiles_within_one_percent(
            mut values in prop::collection::vec(sample(), 1..200),
            q in 0.0..=1.0f64,
        ) {
            let found = sketch(&values).quantile(q).expect("not empty");
            values.sort_by(f64::total_cmp);
            let exact = values[(q * (values.len() - 1) as f64) as usize];
            let error = (found - exact).abs();
            prop_assert!(error <= exact.abs() * 0.010_000_1, "{} instead of {}", found, exact);
        }

        #[test]
        fn merging_equals_inserting_in_any_order(
            left in prop::collection::vec(sample(), 0..50),
            right in prop::collection::vec(sample(), 0..50),
        ) {
            let mut merged = sketch(&left);
            merged.merge(&sketch(&right));
            let reversed: Vec<f64> = left.iter().chain(&right).rev().copied().collect();
            prop_assert_eq!(merged, sketch(&reversed));
        }

        #[test]
        fn keeps_buckets_sorted_and_unique(values in prop::collection::vec(any::<f64>(), 0..100)) {
            let sketch = sketch(&values);
            for buckets in [&sketch.positive, &sketch.negative] {
                prop_assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0));
                prop_assert!(buckets.iter().all(|(_, n)| *n > 0));
            }
        }
    }
}
