//! A result in the making, in as little memory as most series need.

use sentinel_model::{Aggregate, MetricKind, Summary};

use crate::aggregate::{merge, to_summary};

#[derive(Debug, Default)]
pub(super) enum Open {
    #[default]
    Empty,
    /// All samples were equal, as those of most series are: see [`Still`].
    Still(Still),
    /// Without a sketch, as all counters are.
    Counted(Box<Counted>),
    Moving(Box<Summary>),
}

/// A summary but for its sketch.
#[derive(Debug)]
pub(super) struct Counted {
    count: u32,
    is_increasing: bool,
    sum: f64,
    min: f64,
    max: f64,
    last: f64,
    m2: f64,
    increase: f64,
}

/// A summary whose other fields follow from these.
#[derive(Debug)]
pub(super) struct Still {
    count: u32,
    is_counted: bool,
    sum: f64,
    value: f64,
}

// === impl Open ===

impl Open {
    pub(super) fn merge(&mut self, later: &Aggregate, kind: MetricKind) {
        let mut summary = match self {
            Self::Moving(summary) => return merge(summary, later, kind),
            Self::Still(still) => still.to_summary(),
            Self::Counted(counted) => counted.to_summary(),
            Self::Empty => {
                *self = Self::of(to_summary(later));
                return;
            }
        };
        merge(&mut summary, later, kind);
        *self = Self::of(summary);
    }

    fn of(summary: Summary) -> Self {
        if let Some(still) = Still::of(&summary) {
            return Self::Still(still);
        }
        match Counted::of(&summary) {
            Some(counted) => Self::Counted(Box::new(counted)),
            None => Self::Moving(Box::new(summary)),
        }
    }

    pub(super) fn finish(self) -> Option<Aggregate> {
        let summary = match self {
            Self::Empty => return None,
            Self::Still(still) => Box::new(still.to_summary()),
            Self::Counted(counted) => Box::new(counted.to_summary()),
            Self::Moving(summary) => summary,
        };
        // A window of one sample costs one value.
        if summary.count == 1 && summary.increase.is_none() {
            return Some(Aggregate::Single(summary.last));
        }
        Some(Aggregate::Summary(summary))
    }
}

// === impl Counted ===

impl Counted {
    fn of(summary: &Summary) -> Option<Self> {
        let Summary { count, sum, min, max, last, m2, increase, sketch } = summary;
        let count = u32::try_from(*count).ok().filter(|_| sketch.is_none())?;
        Some(Self {
            count,
            is_increasing: increase.is_some(),
            sum: *sum,
            min: *min,
            max: *max,
            last: *last,
            m2: *m2,
            increase: increase.unwrap_or_default(),
        })
    }

    fn to_summary(&self) -> Summary {
        Summary {
            count: u64::from(self.count),
            sum: self.sum,
            min: self.min,
            max: self.max,
            last: self.last,
            m2: self.m2,
            increase: self.is_increasing.then_some(self.increase),
            sketch: None,
        }
    }
}

// === impl Still ===

impl Still {
    /// `None` for a summary that says more.
    fn of(summary: &Summary) -> Option<Self> {
        let Summary { count, sum, min, max, last, m2, increase, sketch } = summary;
        let is = |value: f64, other: f64| value.to_bits() == other.to_bits();
        let is_still = is(*min, *last) && is(*max, *last) && is(*m2, 0.0) && sketch.is_none();
        let grew = increase.is_some_and(|increase| !is(increase, 0.0));
        let count = u32::try_from(*count).ok().filter(|_| is_still && !grew)?;
        Some(Self { count, is_counted: increase.is_some(), sum: *sum, value: *last })
    }

    fn to_summary(&self) -> Summary {
        Summary {
            count: u64::from(self.count),
            sum: self.sum,
            min: self.value,
            max: self.value,
            last: self.value,
            m2: 0.0,
            increase: self.is_counted.then_some(0.0),
            sketch: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sentinel_model::Resolution;

    use super::*;
    use crate::aggregate::{Sample, aggregate};

    proptest! {
        /// However it is held in between, the result is that of merging summaries.
        #[test]
        fn gives_the_bits_of_merged_summaries(
            minutes in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0.0), Just(2.5), 0.0f64..9.0], 1..4), 1..6),
            kind in prop::sample::select(vec![MetricKind::Gauge, MetricKind::Counter]),
        ) {
            let of = |values: &Vec<f64>| {
                let samples: Vec<Sample> = values.iter().map(|value| Sample { at_ms: 0, value: *value }).collect();
                aggregate(&samples, None, kind, Resolution::OneMinute)
            };
            let minutes: Vec<Aggregate> = minutes.iter().map(of).collect();
            let mut open = Open::default();
            let mut expected = to_summary(&minutes[0]);
            for (i, minute) in minutes.iter().enumerate() {
                open.merge(minute, kind);
                if i > 0 {
                    merge(&mut expected, minute, kind);
                }
            }
            let expected = match expected {
                only if only.count == 1 && only.increase.is_none() => Aggregate::Single(only.last),
                summary => Aggregate::Summary(Box::new(summary)),
            };
            prop_assert_eq!(open.finish(), Some(expected));
        }
    }
}
