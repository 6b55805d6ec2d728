//! Values for property tests.

use proptest::prelude::*;
use sentinel_model::{Aggregate, Sketch, Summary};

/// What exporters say, and what they never should.
pub(crate) fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (0i64..20).prop_map(|value| value as f64),
        2 => (0i64..1_000_000).prop_map(|value| value as f64 / 1e3),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => prop::sample::select(vec![-0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MAX]),
    ]
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let buckets = || prop::collection::vec((any::<i32>(), any::<u64>()), 0..4);
    (any::<u64>(), buckets(), buckets()).prop_map(|(zeros, positive, negative)| Sketch {
        zeros,
        positive,
        negative,
    })
}

pub(crate) fn aggregate() -> impl Strategy<Value = Aggregate> {
    let count = prop_oneof![1u64..8, any::<u64>()];
    let numbers = (number(), number(), number(), number(), number());
    let summary = (count, numbers, prop::option::of(number()), prop::option::of(sketch())).prop_map(
        |(count, (sum, min, max, last, m2), increase, sketch)| {
            Aggregate::Summary(Box::new(Summary { count, sum, min, max, last, m2, increase, sketch }))
        },
    );
    let equal = (1u64..8, number(), any::<bool>()).prop_map(|(count, value, is_counter)| {
        Aggregate::Summary(Box::new(Summary {
            count,
            sum: value * count as f64,
            min: value,
            max: value,
            last: value,
            m2: 0.0,
            increase: is_counter.then_some(0.0),
            sketch: None,
        }))
    });
    prop_oneof![3 => number().prop_map(Aggregate::Single), 2 => summary, 1 => equal]
}

/// All of an aggregate as integers, so that NaNs compare.
pub(crate) fn bits(aggregate: &Aggregate) -> Vec<u64> {
    match aggregate {
        Aggregate::Single(value) => vec![value.to_bits()],
        Aggregate::Summary(summary) => {
            let mut bits = vec![summary.count];
            bits.extend([summary.sum, summary.min, summary.max, summary.last, summary.m2].map(f64::to_bits));
            bits.extend(summary.increase.map(|increase| increase.to_bits() ^ 1));
            if let Some(sketch) = &summary.sketch {
                bits.extend([u64::MAX, sketch.zeros]);
                for side in [&sketch.positive, &sketch.negative] {
                    bits.push(side.len() as u64);
                    bits.extend(side.iter().flat_map(|(index, count)| [*index as u64, *count]));
                }
            }
            bits
        }
    }
}
