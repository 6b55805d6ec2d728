//! A function of each chosen series over time.

use sentinel_metric_store::MetricStoreError;
use sentinel_model::{MetricKind, Selector, Timestamp};

use super::combine::{Line, combine, stats, top};
use super::evaluate::{RATE_SPAN_MS, evaluate, level};
use super::fetch::{Fetched, Want};
use super::{Aggregation, Chosen, Function, Plan, Source, unit_of_answer};
use crate::dto::metric::{FunctionDto, Others, PointDto, QueriedSeries, RangeAnswer, Unit};

/// By how much one target may be behind another: two readings of a kubelet.
const BEHIND_MS: i64 = 30_000;

/// What is asked, with every default filled in.
#[derive(Clone, Debug)]
pub struct Ask {
    pub selector: Selector,
    pub function: Chosen,
    pub aggregation: Aggregation,
    pub by: Vec<String>,
    pub limit: usize,
}

/// What holds for every series of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Common {
    pub unit: Unit,
    pub function: FunctionDto,
}

impl Ask {
    /// Aggregation when none is named.
    pub fn default_aggregation(by: &[String]) -> Aggregation {
        if by.is_empty() { Aggregation::None } else { Aggregation::Sum }
    }

    pub fn metric(&self) -> &str {
        self.selector.metric_name().unwrap_or_default()
    }

    /// What all series of an answer have in common, given the metric and function of each.
    pub fn common<'a>(&'a self, series: impl Iterator<Item = (&'a str, Function)>) -> Common {
        let told = |(metric, function)| Common {
            unit: unit_of_answer(metric, function, self.aggregation),
            function: Function::dto(function),
        };
        let join = |a: Common, b: Common| Common {
            unit: if a.unit == b.unit { a.unit } else { Unit::None },
            function: if a.function == b.function { a.function } else { FunctionDto::ByKind },
        };
        let none = || told((self.metric(), self.function.of(MetricKind::Unknown)));
        series.map(told).reduce(join).unwrap_or_else(none)
    }
}

impl Source<'_> {
    /// Kind of the chosen series, by the first of them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn kind_of(&self, selector: &Selector) -> Result<MetricKind, MetricStoreError> {
        if let Some(kind) = self.live.kind_of(selector) {
            return Ok(kind);
        }
        let series = self.metrics.series(selector, 1).await?;
        Ok(series.first().map_or(MetricKind::Unknown, |series| series.kind))
    }
}

/// # Errors
/// Those of the store, and too many series or points.
pub async fn range(source: Source<'_>, ask: &Ask, plan: Plan) -> Result<RangeAnswer, MetricStoreError> {
    let before_ms = if ask.function.each().contains(&Function::Rate) { RATE_SPAN_MS } else { 0 };
    let with_lead = plan.with_lead(n_lead(ask, plan));
    let want = Want {
        selector: &ask.selector,
        function: Function::Value,
        from: with_lead.from.saturating_sub_millis(before_ms),
        to: plan.to,
        resolution: plan.resolution,
    };
    let fetched = source.fetch_chosen(want, ask.function).await?;
    Ok(answer(fetched, ask, plan))
}

/// Steps before the first one that are computed with the others, so that a target that was not read just
/// in the first step is not missing from its sum.
fn n_lead(ask: &Ask, plan: Plan) -> usize {
    if is_levelled(ask) { n_behind(plan) } else { 0 }
}

fn n_behind(plan: Plan) -> usize {
    usize::try_from(BEHIND_MS / plan.step_ms).unwrap_or_default()
}

fn is_levelled(ask: &Ask) -> bool {
    ask.aggregation != Aggregation::None && ask.function != Chosen::One(Function::Increase)
}

fn answer(fetched: Fetched, ask: &Ask, plan: Plan) -> RangeAnswer {
    let provisional_from = provisional_from(&fetched, plan);
    let mut found: Vec<_> =
        fetched.series.into_iter().filter(|(_, found)| !found.pieces.is_empty()).collect();
    // Grouping sums in this order: the same question has the same answer, bit by bit.
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let common = ask.common(found.iter().map(|(labels, found)| (labels.metric_name(), found.function)));
    let n_lead = n_lead(ask, plan);
    let with_lead = plan.with_lead(n_lead);
    let (labels, mut steps): (Vec<_>, Vec<_>) = found
        .into_iter()
        .map(|(labels, found)| (labels, evaluate(&found.pieces, found.function, &with_lead)))
        .unzip();
    if is_levelled(ask) {
        level(&mut steps, n_behind(plan));
    }
    let lines = labels
        .into_iter()
        .zip(steps)
        .map(|(labels, mut steps)| (labels, steps.split_off(n_lead)))
        .filter(|(_, steps)| steps.iter().any(Option::is_some))
        .collect();
    let lines = combine(lines, ask);
    let total_series = lines.len();
    let (lines, others) = top(lines, ask.limit);
    let points = |steps: &[Option<f64>]| -> Vec<PointDto> {
        let point = |(i, value): (usize, &Option<f64>)| {
            PointDto(plan.start_of(i).as_millis(), value.filter(|value| value.is_finite()))
        };
        steps.iter().enumerate().map(point).collect()
    };
    let series = |line: Line| QueriedSeries {
        points: points(&line.steps),
        stats: stats(&line.steps),
        labels: line.labels,
    };
    RangeAnswer {
        metric: ask.metric().to_owned(),
        unit: common.unit,
        function: common.function,
        step_ms: plan.step_ms,
        resolution: plan.resolution.as_str().to_owned(),
        from_ms: plan.from.as_millis(),
        to_ms: plan.to.as_millis(),
        provisional_from_ms: provisional_from.map(Timestamp::as_millis),
        total_series,
        series: lines.into_iter().map(series).collect(),
        others: others.map(|(n, steps)| Others { n, points: points(&steps) }),
    }
}

/// Start of the first step that final windows do not fill, if there is anything in it or after it.
fn provisional_from(fetched: &Fetched, plan: Plan) -> Option<Timestamp> {
    let newest =
        fetched.series.values().filter_map(|found| found.pieces.last()).map(|piece| piece.start).max()?;
    let final_until = fetched.final_until.unwrap_or(plan.from).max(plan.from);
    let first = plan.start_of(plan.index_of(final_until)?);
    (newest >= first).then_some(first)
}
