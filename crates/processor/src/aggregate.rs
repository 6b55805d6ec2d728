//! Samples of a window → what the window says. Pure, and independent of the order of arrival.

use sentinel_model::{Aggregate, MetricKind, Resolution, Sketch, Summary};

/// One sample in a series' buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) at_ms: i64,
    pub(crate) value: f64,
}

/// Aggregates the samples of one window, sorted by time and not empty. `before` is the last sample
/// ahead of the window, if it lies within the look-back; only counters ask for it.
///
/// A window of one sample is that sample, but for counters in windows of 1 min and wider, whose
/// increase could not be found again from the values of 10 s windows.
pub(crate) fn aggregate(
    samples: &[Sample],
    before: Option<Sample>,
    kind: MetricKind,
    resolution: Resolution,
) -> Aggregate {
    let is_counter = kind == MetricKind::Counter;
    if let [only] = samples
        && (!is_counter || resolution == Resolution::TenSeconds)
    {
        return Aggregate::Single(only.value);
    }
    let mut summary = of_one(samples[0].value);
    for sample in &samples[1..] {
        push(&mut summary, sample.value);
    }
    if is_counter {
        summary.increase = increase(before, samples);
    } else if summary.min.to_bits() != summary.max.to_bits() {
        let mut sketch = Sketch::default();
        for sample in samples {
            sketch.insert(sample.value);
        }
        summary.sketch = Some(sketch);
    }
    Aggregate::Summary(Box::new(summary))
}

/// Merges a later window into an earlier one: moments by Chan, Golub and LeVeque (1979), sketches by
/// adding buckets, increases by adding. `last` is the later one's.
pub(crate) fn merge(earlier: &mut Summary, later: &Aggregate, kind: MetricKind) {
    let later = match later {
        Aggregate::Single(value) => &of_one(*value),
        Aggregate::Summary(summary) => &**summary,
    };
    let needs_sketch = kind != MetricKind::Counter
        && (earlier.sketch.is_some()
            || later.sketch.is_some()
            || earlier.last.to_bits() != later.last.to_bits());
    if needs_sketch {
        let mut sketch = earlier.sketch.take().unwrap_or_else(|| constant_sketch(earlier));
        match &later.sketch {
            Some(other) => sketch.merge(other),
            None => sketch.merge(&constant_sketch(later)),
        }
        earlier.sketch = Some(sketch);
    }
    let (n_earlier, n_later) = (earlier.count as f64, later.count as f64);
    let n = n_earlier + n_later;
    let delta = later.sum / n_later - earlier.sum / n_earlier;
    earlier.m2 += later.m2 + delta * delta * n_earlier * n_later / n;
    earlier.count += later.count;
    earlier.sum += later.sum;
    earlier.min = earlier.min.min(later.min);
    earlier.max = earlier.max.max(later.max);
    earlier.last = later.last;
    earlier.increase = match (earlier.increase, later.increase) {
        (Some(a), Some(b)) => Some(a + b),
        (one, other) => one.or(other),
    };
}

/// An aggregate as a summary that others can be merged into.
pub(crate) fn to_summary(aggregate: &Aggregate) -> Summary {
    match aggregate {
        Aggregate::Single(value) => of_one(*value),
        Aggregate::Summary(summary) => (**summary).clone(),
    }
}

fn of_one(value: f64) -> Summary {
    Summary {
        count: 1,
        sum: value,
        min: value,
        max: value,
        last: value,
        m2: 0.0,
        increase: None,
        sketch: None,
    }
}

/// Welford's update.
fn push(summary: &mut Summary, value: f64) {
    let mean_before = summary.sum / summary.count as f64;
    summary.count += 1;
    summary.sum += value;
    let mean_after = summary.sum / summary.count as f64;
    summary.m2 += (value - mean_before) * (value - mean_after);
    summary.min = summary.min.min(value);
    summary.max = summary.max.max(value);
    summary.last = value;
}

/// The sketch of a window whose values were all equal.
fn constant_sketch(summary: &Summary) -> Sketch {
    let mut sketch = Sketch::default();
    sketch.insert_many(summary.last, summary.count);
    sketch
}

/// Growth of a counter over consecutive samples; a fall is a reset to zero, so the new value is the
/// growth (as Prometheus' `increase`, without its extrapolation).
fn increase(before: Option<Sample>, samples: &[Sample]) -> Option<f64> {
    let mut previous = before;
    let mut total = None;
    for sample in samples {
        if let Some(previous) = previous {
            let grown =
                if sample.value >= previous.value { sample.value - previous.value } else { sample.value };
            *total.get_or_insert(0.0) += grown;
        }
        previous = Some(*sample);
    }
    total
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples(values: &[f64]) -> Vec<Sample> {
        values
            .iter()
            .enumerate()
            .map(|(i, value)| Sample { at_ms: i as i64 * 1_000, value: *value })
            .collect()
    }

    fn summary(values: &[f64], kind: MetricKind) -> Summary {
        to_summary(&aggregate(&samples(values), None, kind, Resolution::OneMinute))
    }

    #[test]
    fn a_window_of_one_sample_is_that_sample() {
        let one = samples(&[4.5]);
        assert_eq!(aggregate(&one, None, MetricKind::Gauge, Resolution::OneMinute), Aggregate::Single(4.5));
        assert_eq!(
            aggregate(&one, None, MetricKind::Counter, Resolution::TenSeconds),
            Aggregate::Single(4.5)
        );
    }

    #[test]
    fn a_counter_grows_from_the_sample_before_and_restarts_at_a_reset() {
        let before = Some(Sample { at_ms: -1, value: 10.0 });
        let window =
            aggregate(&samples(&[12.0, 15.0, 2.0]), before, MetricKind::Counter, Resolution::OneMinute);
        assert_eq!(to_summary(&window).increase, Some(2.0 + 3.0 + 2.0));
        let alone = aggregate(&samples(&[12.0]), None, MetricKind::Counter, Resolution::OneMinute);
        assert_eq!(to_summary(&alone).increase, None, "one sample alone shows no growth");
    }

    #[test]
    fn equal_samples_need_no_sketch() {
        assert_eq!(summary(&[3.0, 3.0], MetricKind::Gauge).sketch, None);
        assert!(summary(&[3.0, 4.0], MetricKind::Gauge).sketch.is_some());
    }

    proptest! {
        #[test]
        fn merging_parts_equals_the_whole(
            values in prop::collection::vec(-1e6f64..1e6, 2..40),
            cut in 1usize..39,
        ) {
            let cut = cut.min(values.len() - 1);
            let whole = summary(&values, MetricKind::Gauge);
            let mut merged = summary(&values[..cut], MetricKind::Gauge);
            merge(&mut merged, &aggregate(&samples(&values[cut..]), None, MetricKind::Gauge, Resolution::OneMinute), MetricKind::Gauge);
            prop_assert_eq!(merged.count, whole.count);
            prop_assert_eq!((merged.min, merged.max, merged.last), (whole.min, whole.max, whole.last));
            prop_assert!((merged.sum - whole.sum).abs() <= 1e-6 * (1.0 + whole.sum.abs()));
            prop_assert!((merged.m2 - whole.m2).abs() <= 1e-6 * (1.0 + whole.m2.abs()));
            prop_assert_eq!(merged.sketch, whole.sketch);
        }

        #[test]
        fn increases_add_up_over_windows(values in prop::collection::vec(0.0f64..100.0, 2..40), cut in 1usize..39) {
            let cut = cut.min(values.len() - 1);
            let all = samples(&values);
            let whole = increase(None, &all).unwrap_or_default();
            let first = increase(None, &all[..cut]).unwrap_or_default();
            let second = increase(Some(all[cut - 1]), &all[cut..]).unwrap_or_default();
            prop_assert!((first + second - whole).abs() < 1e-9);
        }
    }
}
