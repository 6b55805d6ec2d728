//! What the tests of this crate build from: arbitrary values, series and damage.

use proptest::prelude::*;
use sentinel_model::{Labels, METRIC_NAME, MetricKind, Series};

/// Values as sources send them, and values that nobody should send.
pub(crate) fn value() -> impl Strategy<Value = f64> {
    let decimal = (any::<i32>(), 0i32..10).prop_map(|(whole, places)| f64::from(whole) / 10f64.powi(places));
    let sum = prop::collection::vec(0u32..1_000_000, 1..5)
        .prop_map(|nanos| nanos.into_iter().map(|nanos| f64::from(nanos) * 1e-9).sum());
    let special = prop::sample::select(vec![
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        9_007_199_254_740_991.0,
        9_007_199_254_740_992.0,
        18_446_744_073_709_551_615.0,
        f64::from_bits(0x7ff0_0000_0000_0002), // the staleness marker of Prometheus, a signalling NaN
        f64::from_bits(0xfff8_dead_beef_0001),
    ]);
    prop_oneof![
        4 => (0u32..20).prop_map(f64::from),
        3 => decimal,
        2 => sum,
        1 => special,
        1 => any::<u64>().prop_map(f64::from_bits),
    ]
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied()).expect("unique names")
}

/// A table as a target has it: gauges, counters and histograms of several pods.
pub(crate) fn table(n_series: usize) -> Vec<Series> {
    (0..n_series).map(series).collect()
}

fn series(number: usize) -> Series {
    let pod = format!("web-{}", number / 8);
    let le = (number % 4).to_string();
    let pairs: &[(&str, &str)] = match number % 8 {
        0..=3 => &[(METRIC_NAME, "wait_seconds_bucket"), ("pod", &pod), ("le", &le)],
        4 => &[(METRIC_NAME, "wait_seconds_sum"), ("pod", &pod)],
        5 => &[(METRIC_NAME, "memory_bytes"), ("pod", &pod), ("node", "n")],
        6 => &[("pod", &pod), ("nameless", "é")],
        _ => &[(METRIC_NAME, "up"), ("target", &pod)],
    };
    let kind = [MetricKind::Counter, MetricKind::Gauge, MetricKind::Unknown]
        [usize::from(number % 8 > 4) + number % 2];
    Series { labels: labels(pairs), kind }
}

/// One way to damage bytes.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Replace(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
}

impl Damage {
    pub(crate) fn to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Insert(at, inserted) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, inserted.iter().copied());
            }
            _ if bytes.is_empty() => {}
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << (bit % 8);
            }
            Self::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
        }
    }
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        at().prop_map(Damage::Cut),
        (at(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (at(), prop::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}
