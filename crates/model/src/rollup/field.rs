//! Asking a window for one number.

use super::{Aggregate, Field, Summary};

impl Field {
    pub const ALL: [Self; 12] = [
        Self::Avg,
        Self::Min,
        Self::Max,
        Self::Sum,
        Self::Count,
        Self::Last,
        Self::Stddev,
        Self::Increase,
        Self::P50,
        Self::P90,
        Self::P95,
        Self::P99,
    ];
}

impl Aggregate {
    /// The asked number. `None` where the window does not know it: an increase of what is not a
    /// counter or had no predecessor, or anything of a summary without samples.
    ///
    /// The standard deviation is that of the population, `sqrt(m2 / count)`. A quantile is the
    /// sketch's (see [`super::Sketch::quantile`]), held between minimum and maximum; samples that are
    /// all equal have no sketch and are their own quantiles.
    pub fn field(&self, field: Field) -> Option<f64> {
        match self {
            Self::Single(value) => match field {
                Field::Count => Some(1.0),
                Field::Stddev => Some(0.0),
                Field::Increase => None,
                _ => Some(*value),
            },
            Self::Summary(summary) => summary.field(field),
        }
    }

    /// Number of samples that the window saw.
    pub fn count(&self) -> u64 {
        match self {
            Self::Single(_) => 1,
            Self::Summary(summary) => summary.count,
        }
    }

    /// The newest sample.
    pub fn last(&self) -> f64 {
        match self {
            Self::Single(value) => *value,
            Self::Summary(summary) => summary.last,
        }
    }
}

impl Summary {
    fn field(&self, field: Field) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let count = self.count as f64;
        match field {
            Field::Avg => Some(self.sum / count),
            Field::Min => Some(self.min),
            Field::Max => Some(self.max),
            Field::Sum => Some(self.sum),
            Field::Count => Some(count),
            Field::Last => Some(self.last),
            Field::Stddev => Some((self.m2 / count).sqrt()),
            Field::Increase => self.increase,
            Field::P50 => Some(self.quantile(0.50)),
            Field::P90 => Some(self.quantile(0.90)),
            Field::P95 => Some(self.quantile(0.95)),
            Field::P99 => Some(self.quantile(0.99)),
        }
    }

    fn quantile(&self, q: f64) -> f64 {
        match self.sketch.as_ref().and_then(|sketch| sketch.quantile(q)) {
            // Not `clamp`, which panics when a bound is NaN.
            Some(value) => value.max(self.min).min(self.max),
            None => self.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sketch;

    fn summary(values: &[f64]) -> Summary {
        let count = values.len() as f64;
        let sum: f64 = values.iter().sum();
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.insert(*value));
        Summary {
            count: values.len() as u64,
            sum,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            last: values[values.len() - 1],
            m2: values.iter().map(|value| (value - sum / count).powi(2)).sum(),
            increase: None,
            sketch: Some(sketch),
        }
    }

    #[test]
    fn answers_from_a_single_sample() {
        let single = Aggregate::Single(7.5);
        for field in [Field::Avg, Field::Min, Field::Max, Field::Sum, Field::Last, Field::P50, Field::P99] {
            assert_eq!(single.field(field), Some(7.5), "{field:?}");
        }
        assert_eq!(single.field(Field::Count), Some(1.0));
        assert_eq!(single.field(Field::Stddev), Some(0.0));
        assert_eq!(single.field(Field::Increase), None);
    }

    #[test]
    fn answers_from_many_samples() {
        let many = Aggregate::Summary(Box::new(summary(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])));
        assert_eq!(many.field(Field::Avg), Some(5.0));
        assert_eq!(many.field(Field::Stddev), Some(2.0));
        assert_eq!(many.field(Field::Count), Some(8.0));
        assert_eq!(many.field(Field::Max), Some(9.0));
        assert_eq!(many.field(Field::Increase), None);
        let p50 = many.field(Field::P50).expect("a sketch");
        assert!((p50 / 4.0 - 1.0).abs() <= 0.01, "{p50}");
        assert_eq!((many.count(), many.last()), (8, 9.0));
    }

    #[test]
    fn equal_samples_are_their_own_quantiles() {
        let mut equal = summary(&[3.0, 3.0]);
        equal.sketch = None;
        equal.increase = Some(0.0);
        let equal = Aggregate::Summary(Box::new(equal));
        assert_eq!(equal.field(Field::P99), Some(3.0));
        assert_eq!(equal.field(Field::Increase), Some(0.0));
    }

    #[test]
    fn holds_a_quantile_between_minimum_and_maximum() {
        let narrow = Aggregate::Summary(Box::new(summary(&[100.0, 100.1])));
        let p99 = narrow.field(Field::P99).expect("a sketch");
        assert!((100.0..=100.1).contains(&p99), "{p99}");
    }

    #[test]
    fn knows_nothing_of_a_summary_without_samples() {
        let mut empty = summary(&[1.0]);
        empty.count = 0;
        assert_eq!(Aggregate::Summary(Box::new(empty)).field(Field::Avg), None);
    }
}
