//! What each hop tells of the canaries that pass it.

use sentinel_model::{LabelMatcher, Selector, Timestamp};

use crate::dto::pipeline::{CanaryHop, CanaryHopId};
use crate::live::{Live, LiveWindow};

/// In the order of the data: identity, title, role that counts, label of its metrics.
const HOPS: [(CanaryHopId, &str, &str, &str); 7] = [
    (CanaryHopId::Bus, "Read from the bus", "processor", "bus"),
    (CanaryHopId::Live, "Live feed", "api", "live"),
    (CanaryHopId::Windows, "Closed windows", "processor", "windows"),
    (CanaryHopId::MetricStore, "Written to the metric store", "processor", "metric_store"),
    (CanaryHopId::MetricRead, "Read from the metric store", "api", "metric_read"),
    (CanaryHopId::LogStore, "Written to the log store", "processor", "log_store"),
    (CanaryHopId::LogRead, "Read from the log store", "api", "log_read"),
];

/// Hops that have seen any.
pub fn hops(live: &Live) -> Vec<CanaryHop> {
    HOPS.into_iter().filter_map(|hop| read(live, hop)).collect()
}

fn read(live: &Live, (id, title, role, hop): (CanaryHopId, &str, &str, &str)) -> Option<CanaryHop> {
    let metric = |noun: &str| {
        Selector::metric(format!("sentinel_{role}_canary_{noun}")).and(LabelMatcher::equal("hop", hop))
    };
    let total = |noun: &str| live.sum(&metric(noun)).map(|sum| sum as u64);
    let received_total = total("received_total").filter(|received| *received > 0)?;
    let buckets = buckets(live, &metric("latency_seconds_bucket"));
    Some(CanaryHop {
        id,
        title: title.to_owned(),
        received_total,
        missing_total: total("missing_total").unwrap_or_default(),
        doubled_total: total("doubled_total").unwrap_or_default(),
        latency_p50_s: quantile(&buckets, 0.5),
        latency_p99_s: quantile(&buckets, 0.99),
        last_seen: newest(live, &metric("last_seen_timestamp_seconds")).map(Into::into),
    })
}

fn newest(live: &Live, selector: &Selector) -> Option<Timestamp> {
    let mut newest: Option<f64> = None;
    live.each(selector, |_, windows, _| {
        let value = windows.last().map(|window| window.aggregate.last());
        newest = [newest, value].into_iter().flatten().reduce(f64::max);
    });
    newest.map(|seconds| Timestamp::from_millis((seconds * 1_000.0) as i64))
}

/// Observations at or below each bound within the windows at hand, in order of the bounds.
fn buckets(live: &Live, selector: &Selector) -> Vec<(f64, f64)> {
    let mut buckets: Vec<(f64, f64)> = Vec::new();
    live.each(selector, |labels, windows, _| {
        let Some(bound) = labels.get("le").and_then(|bound| bound.parse::<f64>().ok()) else { return };
        let grown = growth(windows);
        match buckets.iter_mut().find(|(known, _)| *known == bound) {
            Some((_, n)) => *n += grown,
            None => buckets.push((bound, grown)),
        }
    });
    buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    buckets
}

/// Growth of a counter from window to window; a fall is a restart from zero.
fn growth(windows: &[LiveWindow]) -> f64 {
    let values = windows.iter().map(|window| window.aggregate.last());
    let pairs = values.clone().zip(values.skip(1));
    pairs.map(|(before, after)| if after >= before { after - before } else { after }).sum()
}

/// Within the bucket that holds the quantile, observations are taken to lie evenly; beyond the last bound it is
/// that bound.
fn quantile(buckets: &[(f64, f64)], q: f64) -> Option<f64> {
    let total = buckets.last().map(|(_, n)| *n).filter(|n| *n > 0.0)?;
    let rank = q * total;
    let index = buckets.iter().position(|(_, n)| *n >= rank)?;
    let (below, n_below) = index.checked_sub(1).map_or((0.0, 0.0), |before| buckets[before]);
    let (bound, n) = buckets[index];
    if !bound.is_finite() {
        return Some(below);
    }
    let share = if n > n_below { (rank - n_below) / (n - n_below) } else { 1.0 };
    Some(below + (bound - below) * share)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::tests::live;

    #[test]
    fn a_hop_tells_its_counts_and_the_spread_of_its_latency() {
        let of = |noun: &str| format!("sentinel_processor_canary_{noun}");
        let names = [
            of("received_total{hop=\"bus\"}"),
            of("missing_total{hop=\"bus\"}"),
            of("doubled_total{hop=\"bus\"}"),
            of("last_seen_timestamp_seconds{hop=\"bus\"}"),
            of("latency_seconds_bucket{hop=\"bus\",le=\"0.01\"}"),
            of("latency_seconds_bucket{hop=\"bus\",le=\"0.1\"}"),
            of("latency_seconds_bucket{hop=\"bus\",le=\"+Inf\"}"),
            of("received_total{hop=\"log_store\"}"),
        ];
        let values = [
            (5.0, 15.0),
            (0.0, 2.0),
            (0.0, 1.0),
            (0.0, 17.5),
            (0.0, 6.0),
            (0.0, 10.0),
            (0.0, 10.0),
            (0.0, 0.0),
        ];
        let rows: Vec<_> = names.iter().zip(values).map(|(name, (a, b))| (name.as_str(), a, b)).collect();
        let hops = hops(&live(&rows));
        let [bus] = hops.as_slice() else { panic!("a hop that has seen none says nothing: {hops:?}") };
        assert_eq!((bus.received_total, bus.missing_total, bus.doubled_total), (15, 2, 1));
        assert_eq!(bus.last_seen.map(|time| time.0), Some(Timestamp::from_millis(17_500)));
        assert_eq!(bus.latency_p50_s, Some(0.01 * 5.0 / 6.0));
        assert!(bus.latency_p99_s.is_some_and(|p99| (0.09..=0.1).contains(&p99)), "{bus:?}");
    }

    #[test]
    fn a_quantile_beyond_the_last_bound_is_that_bound_and_of_nothing_unknown() {
        assert_eq!(quantile(&[(1.0, 0.0), (f64::INFINITY, 3.0)], 0.5), Some(1.0));
        assert_eq!(quantile(&[(1.0, 0.0), (f64::INFINITY, 0.0)], 0.5), None);
        assert_eq!(quantile(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn a_quantile_lies_in_the_bucket_that_holds_it(
            values in prop::collection::vec(0.0f64..4.0, 1..50), q in 0.0f64..1.0,
        ) {
            let bounds = [0.5, 1.0, 2.0, 4.0, f64::INFINITY];
            let count = |bound: f64| values.iter().filter(|value| **value <= bound).count() as f64;
            let buckets: Vec<_> = bounds.iter().map(|bound| (*bound, count(*bound))).collect();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let rank = ((q * values.len() as f64).ceil() as usize).max(1) - 1;
            let found = quantile(&buckets, q).expect("there are values");
            let bucket = bounds.iter().position(|bound| sorted[rank] <= *bound).expect("the last holds all");
            let low = if bucket == 0 { 0.0 } else { bounds[bucket - 1] };
            prop_assert!((low..=bounds[bucket]).contains(&found), "{} not in {}..{}", found, low, bounds[bucket]);
        }
    }
}
