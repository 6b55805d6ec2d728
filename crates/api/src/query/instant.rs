//! A function of each chosen series at one moment.

use sentinel_metric_store::MetricStoreError;
use sentinel_model::{Resolution, Timestamp};

use super::combine::{combine, shown_labels};
use super::evaluate::{Piece, reduce};
use super::fetch::Want;
use super::{Aggregation, Ask, Function, Source};
use crate::dto::metric::{InstantAnswer, InstantSeries};
use crate::live::LOOK_BACK_MS;

/// Rates, increases and bounds are taken over this long before the moment.
const SPAN_MS: i64 = 60_000;

/// One series' answer before grouping.
struct Known {
    labels: sentinel_model::Labels,
    function: Function,
    at: Timestamp,
    value: f64,
}

/// # Errors
/// Those of the store, and too many series or points.
pub async fn instant(
    source: Source<'_>,
    ask: &Ask,
    at: Timestamp,
) -> Result<InstantAnswer, MetricStoreError> {
    let (known, final_until) = known_at(source, ask, at).await?;
    let is_provisional = |at: Timestamp| final_until.is_none_or(|until| at >= until);
    let common = ask.common(known.iter().map(|known| (known.labels.metric_name(), known.function)));
    let newest = known.iter().map(|known| known.at).max().unwrap_or(at);
    let mut series: Vec<InstantSeries> = if ask.aggregation == Aggregation::None {
        let one = |known: Known| InstantSeries {
            labels: shown_labels(&known.labels, &ask.selector),
            timestamp_ms: known.at.as_millis(),
            value: Some(known.value).filter(|value| value.is_finite()),
            is_provisional: is_provisional(known.at),
        };
        known.into_iter().map(one).collect()
    } else {
        let lines = known.into_iter().map(|known| (known.labels, vec![Some(known.value)])).collect();
        let group = |line: super::combine::Line| InstantSeries {
            labels: line.labels,
            timestamp_ms: newest.as_millis(),
            value: line.steps.first().copied().flatten().filter(|value| value.is_finite()),
            is_provisional: is_provisional(newest),
        };
        combine(lines, ask).into_iter().map(group).collect()
    };
    let total_series = series.len();
    let rank = |series: &InstantSeries| series.value.unwrap_or(f64::NEG_INFINITY);
    series.sort_by(|a, b| rank(b).total_cmp(&rank(a)).then_with(|| a.labels.cmp(&b.labels)));
    series.truncate(ask.limit);
    Ok(InstantAnswer {
        metric: ask.metric().to_owned(),
        unit: common.unit,
        function: common.function,
        at_ms: at.as_millis(),
        total_series,
        series,
    })
}

/// Tries narrow windows first: the past has only wide ones.
async fn known_at(
    source: Source<'_>,
    ask: &Ask,
    at: Timestamp,
) -> Result<(Vec<Known>, Option<Timestamp>), MetricStoreError> {
    for resolution in Resolution::ALL {
        let look_back_ms = LOOK_BACK_MS.max(2 * resolution.as_millis());
        let want = Want {
            selector: &ask.selector,
            function: Function::Value,
            from: at.saturating_sub_millis(look_back_ms),
            to: at.saturating_add_millis(1),
            resolution,
        };
        let fetched = source.fetch_chosen(want, ask.function).await?;
        let final_until = fetched.final_until;
        let mut known: Vec<Known> = fetched
            .series
            .into_iter()
            .filter_map(|(labels, found)| {
                let newest = found.pieces.last()?.start;
                let value = newest_value(&found.pieces, found.function, resolution)?;
                Some(Known { labels, function: found.function, at: newest, value })
            })
            .collect();
        if !known.is_empty() {
            known.sort_by(|a, b| a.labels.cmp(&b.labels));
            return Ok((known, final_until));
        }
    }
    Ok((Vec::new(), None))
}

fn newest_value(pieces: &[Piece], function: Function, resolution: Resolution) -> Option<f64> {
    let newest = pieces.last()?.start;
    let span_ms = SPAN_MS.max(resolution.as_millis());
    let first = pieces.partition_point(|piece| newest.millis_since(piece.start) >= span_ms);
    reduce(&pieces[first..], function)
}
