//! Windows in the plainest way: samples sorted by time, one after the other.

use sentinel_model::{Aggregate, Field, Resolution, Timestamp};

/// Widths that are computed from samples. Wider ones are merged from minutes.
pub(crate) const WIDTHS: [Resolution; 2] = [Resolution::TenSeconds, Resolution::OneMinute];

/// What is compared, in the order of [`Values::get`].
pub(crate) const FIELDS: [Field; 5] = [Field::Count, Field::Sum, Field::Min, Field::Max, Field::Last];

/// What a window says of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Values {
    pub(crate) count: f64,
    sum: f64,
    min: f64,
    max: f64,
    last: f64,
}

impl Values {
    pub(crate) fn of(aggregate: &Aggregate) -> Option<Self> {
        let [count, sum, min, max, last] = FIELDS.map(|field| aggregate.field(field));
        Some(Self { count: count?, sum: sum?, min: min?, max: max?, last: last? })
    }

    pub(crate) const fn get(&self, index: usize) -> f64 {
        [self.count, self.sum, self.min, self.max, self.last][index]
    }

    /// The first field that differs.
    pub(crate) fn difference(&self, other: &Self) -> Option<usize> {
        (0..FIELDS.len()).find(|index| !is_same(self.get(*index), other.get(*index)))
    }
}

/// Bit by bit, but that every NaN is one, and zero has no sign: the sign of a sum or of a smallest one among zeros
/// says nothing.
pub(crate) fn is_same(one: f64, other: f64) -> bool {
    one == other || (one.is_nan() && other.is_nan())
}

/// Windows of one width in order of time. The first sample of a time counts, as it arrived first.
pub(crate) fn windows_of(samples: &mut Vec<(i64, f64)>, width: Resolution) -> Vec<(Timestamp, Values)> {
    samples.sort_by_key(|(at_ms, _)| *at_ms);
    samples.dedup_by_key(|(at_ms, _)| *at_ms);
    let mut windows: Vec<(Timestamp, Values)> = Vec::new();
    for (at_ms, value) in samples {
        let start = Timestamp::from_millis(*at_ms - at_ms.rem_euclid(width.as_millis()));
        match windows.last_mut() {
            Some((open, values)) if *open == start => {
                values.count += 1.0;
                values.sum += *value;
                values.min = values.min.min(*value);
                values.max = values.max.max(*value);
                values.last = *value;
            }
            _ => {
                let first = Values { count: 1.0, sum: *value, min: *value, max: *value, last: *value };
                windows.push((start, first));
            }
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn samples_fall_into_the_window_that_holds_their_time_in_whatever_order_they_came() {
        let mut samples = vec![(12_000, 3.0), (1_000, 1.0), (9_999, 5.0), (1_000, 7.0)];
        let windows = windows_of(&mut samples, Resolution::TenSeconds);
        let [(first, values), (second, _)] = windows.as_slice() else { panic!("two: {windows:?}") };
        assert_eq!((first.as_millis(), second.as_millis()), (0, 10_000));
        assert_eq!(*values, Values { count: 2.0, sum: 6.0, min: 1.0, max: 5.0, last: 5.0 });
    }

    #[test]
    fn a_difference_names_its_field_and_nan_is_nan() {
        let of = |value: f64| windows_of(&mut vec![(0, value)], Resolution::TenSeconds)[0].1;
        assert_eq!(of(1.0).difference(&of(2.0)), Some(1));
        assert_eq!(of(f64::NAN).difference(&of(-f64::NAN)), None);
    }

    proptest! {
        #[test]
        fn order_of_arrival_changes_nothing(
            samples in prop::collection::btree_map(0i64..200_000, -1e6f64..1e6, 1..60), seed: u64,
        ) {
            let mut sorted: Vec<(i64, f64)> = samples.into_iter().collect();
            let mut shuffled = sorted.clone();
            shuffled.sort_by_key(|(at_ms, _)| (*at_ms as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            for width in WIDTHS {
                let windows = windows_of(&mut sorted, width);
                prop_assert_eq!(&windows, &windows_of(&mut shuffled, width));
                let count: f64 = windows.iter().map(|(_, values)| values.count).sum();
                prop_assert_eq!(count as usize, sorted.len());
            }
        }
    }
}
