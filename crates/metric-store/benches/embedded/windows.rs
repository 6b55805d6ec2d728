//! Samples → windows, as the processor makes them.

use std::collections::BTreeMap;

use sentinel_metric_store::{Row, WindowRows};
use sentinel_model::{Aggregate, MetricKind, Resolution, Sketch, Summary, Timestamp, Window};

use crate::recording::Recorded;

/// All windows of these series, by resolution, then time.
pub(crate) fn windows(recorded: &[Recorded], resolutions: &[Resolution]) -> Vec<WindowRows> {
    let mut windows: BTreeMap<Window, Vec<Row>> = BTreeMap::new();
    for one in recorded {
        let id = one.series.labels.id();
        for resolution in resolutions {
            let window_of = |(at, _): &(i64, f64)| Window::holding(Timestamp::from_millis(*at), *resolution);
            let mut before = None;
            for samples in one.samples.chunk_by(|a, b| window_of(a) == window_of(b)) {
                let values: Vec<f64> = samples.iter().map(|(_, value)| *value).collect();
                let aggregate = aggregate(&values, before, one.series.kind, *resolution);
                let row = Row { id, series: one.series.clone(), aggregate };
                windows.entry(window_of(&samples[0])).or_default().push(row);
                before = values.last().copied();
            }
        }
    }
    windows.into_iter().map(|(window, rows)| WindowRows { window, rows }).collect()
}

fn aggregate(values: &[f64], before: Option<f64>, kind: MetricKind, resolution: Resolution) -> Aggregate {
    let is_counter = kind == MetricKind::Counter;
    if values.len() == 1 && (!is_counter || resolution == Resolution::TenSeconds) {
        return Aggregate::Single(values[0]);
    }
    let first = values[0];
    let mut summary = Summary {
        count: 1,
        sum: first,
        min: first,
        max: first,
        last: first,
        m2: 0.0,
        increase: None,
        sketch: None,
    };
    for value in &values[1..] {
        let mean_before = summary.sum / summary.count as f64;
        summary.count += 1;
        summary.sum += value;
        summary.m2 += (value - mean_before) * (value - summary.sum / summary.count as f64);
        summary.min = summary.min.min(*value);
        summary.max = summary.max.max(*value);
        summary.last = *value;
    }
    if is_counter {
        let all: Vec<f64> = before.into_iter().chain(values.iter().copied()).collect();
        let grown = |pair: &[f64]| if pair[1] >= pair[0] { pair[1] - pair[0] } else { pair[1] };
        summary.increase = (all.len() > 1).then(|| all.windows(2).map(grown).sum());
    } else if summary.min.to_bits() != summary.max.to_bits() {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.insert(*value));
        summary.sketch = Some(sketch);
    }
    Aggregate::Summary(Box::new(summary))
}

/// The same windows so much later.
pub(crate) fn shifted(windows: &[WindowRows], by_ms: i64) -> Vec<WindowRows> {
    let later = |one: &WindowRows| WindowRows {
        window: Window {
            resolution: one.window.resolution,
            start: one.window.start.saturating_add_millis(by_ms),
        },
        rows: one.rows.clone(),
    };
    windows.iter().map(later).collect()
}
