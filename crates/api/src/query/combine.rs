//! Evaluated series → the series of an answer: grouped, ranked, the rest summed.

use std::collections::BTreeMap;

use sentinel_model::{Labels, METRIC_NAME, Selector};

use super::{Aggregation, Ask};
use crate::dto::metric::SeriesStats;

/// One value for each step, under labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub labels: BTreeMap<String, String>,
    pub steps: Vec<Option<f64>>,
}

/// Groups lines by the labels `by` (without an aggregation: each for itself).
pub fn combine(lines: Vec<(Labels, Vec<Option<f64>>)>, ask: &Ask) -> Vec<Line> {
    let (aggregation, by) = (ask.aggregation, &ask.by);
    if aggregation == Aggregation::None {
        let line =
            |(labels, steps): (Labels, _)| Line { labels: shown_labels(&labels, &ask.selector), steps };
        return lines.into_iter().map(line).collect();
    }
    let mut groups: BTreeMap<Vec<(String, String)>, Group> = BTreeMap::new();
    for (labels, steps) in lines {
        let key = by
            .iter()
            .filter_map(|name| labels.get(name).map(|value| (name.clone(), value.to_owned())))
            .collect();
        groups.entry(key).or_insert_with(|| Group::new(steps.len())).add(&steps);
    }
    groups
        .into_iter()
        .map(|(key, group)| Line { labels: key.into_iter().collect(), steps: group.finish(aggregation) })
        .collect()
}

/// The `limit` lines with the largest averages, and the sum of the others.
pub fn top(mut lines: Vec<Line>, limit: usize) -> (Vec<Line>, Option<(usize, Vec<Option<f64>>)>) {
    let rank = |line: &Line| stats(&line.steps).avg.filter(|avg| !avg.is_nan()).unwrap_or(f64::NEG_INFINITY);
    lines.sort_by_cached_key(|line| std::cmp::Reverse(TotalOrder(rank(line))));
    if lines.len() <= limit {
        return (lines, None);
    }
    let rest = lines.split_off(limit);
    let mut sum = Group::new(rest[0].steps.len());
    rest.iter().for_each(|line| sum.add(&line.steps));
    (lines, Some((rest.len(), sum.finish(Aggregation::Sum))))
}

pub fn stats(steps: &[Option<f64>]) -> SeriesStats {
    let known = || steps.iter().flatten().copied();
    let n = known().count();
    if n == 0 {
        return SeriesStats::default();
    }
    SeriesStats {
        last: known().next_back(),
        min: known().reduce(f64::min),
        max: known().reduce(f64::max),
        avg: Some(known().sum::<f64>() / n as f64),
    }
}

/// Without the metric's name where the selector says it; else it may be all that tells two series apart.
pub fn shown_labels(labels: &Labels, selector: &Selector) -> BTreeMap<String, String> {
    let is_named = selector.metric_name().is_some();
    let pairs = labels.iter().filter(|(name, _)| !is_named || *name != METRIC_NAME);
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Sorts numbers by IEEE 754's total order.
#[derive(Clone, Copy, PartialEq)]
struct TotalOrder(f64);

impl Eq for TotalOrder {}

impl PartialOrd for TotalOrder {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TotalOrder {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Running sums, counts and bounds of each step; steps without a value stay without.
struct Group(Vec<Step>);

#[derive(Clone, Copy)]
struct Step {
    n: u32,
    sum: f64,
    min: f64,
    max: f64,
}

impl Group {
    fn new(n_steps: usize) -> Self {
        Self(vec![Step { n: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }; n_steps])
    }

    fn add(&mut self, steps: &[Option<f64>]) {
        for (step, value) in self.0.iter_mut().zip(steps) {
            if let Some(value) = value {
                step.n += 1;
                step.sum += value;
                step.min = step.min.min(*value);
                step.max = step.max.max(*value);
            }
        }
    }

    fn finish(self, aggregation: Aggregation) -> Vec<Option<f64>> {
        let finish = |step: Step| match aggregation {
            Aggregation::None | Aggregation::Sum => step.sum,
            Aggregation::Avg => step.sum / f64::from(step.n),
            Aggregation::Min => step.min,
            Aggregation::Max => step.max,
            Aggregation::Count => f64::from(step.n),
        };
        self.0.into_iter().map(|step| (step.n > 0).then(|| finish(step))).collect()
    }
}
