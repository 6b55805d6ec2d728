//! Values survive to the last bit, and those that can be foreseen cost nothing.

use proptest::prelude::*;

use super::*;
use crate::testing::{damage, value};

fn context() -> impl Strategy<Value = Context> {
    let growth = prop::option::of(prop_oneof![-3i64..9, any::<i64>()]);
    (prop::bool::weighted(0.2), any::<bool>(), growth)
        .prop_map(|(is_still, is_gauge, growth_before)| Context { is_still, is_gauge, growth_before })
}

fn columns(writer: &NumberWriter) -> NumberColumns<'_> {
    let NumberWriter { reformed, reformed_to, misses, values, corrections } = writer;
    [&reformed.column, reformed_to, &misses.column, values, corrections]
}

fn n_bytes(values: impl IntoIterator<Item = f64>, context: Context) -> usize {
    let mut number = Number::default();
    let mut n_bytes = 0;
    for value in values {
        let mut writer = NumberWriter::default();
        writer.put(0, &mut number, value, context);
        n_bytes += columns(&writer).iter().map(|column| column.len()).sum::<usize>();
    }
    n_bytes
}

#[test]
fn a_value_that_stays_costs_nothing() {
    let often = |value: f64, n| n_bytes(std::iter::repeat_n(value, n), Context::default());
    assert_eq!(often(3.5, 1_000), often(3.5, 3));
    assert_eq!(often(f64::NAN, 1_000), often(f64::NAN, 3));
}

#[test]
fn a_counter_of_constant_rate_costs_nothing() {
    let rising = |n: u32| n_bytes((0..n).map(|i| f64::from(i) * 15.0), Context::default());
    assert_eq!(rising(1_000), rising(5));
}

#[test]
fn a_bucket_that_grows_like_the_one_before_it_costs_nothing() {
    let context = Context { growth_before: Some(7), ..Context::default() };
    assert_eq!(n_bytes((1..1_000).map(|i| f64::from(i) * 7.0), context), 1, "until it is trusted");
}

#[test]
fn a_sum_of_nanoseconds_costs_its_growth_and_a_small_correction() {
    let mut sum = 0.0;
    let sums: Vec<f64> = (0..100u32)
        .map(|i| {
            sum += f64::from(1_000_000 + i % 7) * 1e-9;
            sum
        })
        .collect();
    assert!(sums.iter().any(|sum| Form(9).parts(*sum).is_none()), "some are no decimals");
    let n_bytes = n_bytes(sums, Context::default());
    assert!(n_bytes < 300, "{n_bytes} bytes for 100 sums, 800 as they are");
}

#[test]
fn tells_a_negative_zero_from_zero() {
    assert_eq!(Form::WHOLE.widened_for(-0.0).0, Form::BITS);
    assert_eq!(Form::WHOLE.widened_for(0.0), (Form::WHOLE, 0, 0));
    assert_eq!(Form::WHOLE.widened_for(0.25), (Form(2), 25, 0));
}

#[test]
fn refuses_a_form_that_does_not_exist() {
    let mut reader = NumberReader::new([&[0], &[12], &[], &[0], &[]]).expect("readable columns");
    let error = reader.take(0, &mut Number::default(), Context::default()).expect_err("form 12");
    assert!(matches!(error, DecodeError::Corrupt { .. }));
}

proptest! {
    #[test]
    fn gives_back_every_bit(values in prop::collection::vec((value(), context()), 1..60)) {
        let (mut written, mut read) = (Number::default(), Number::default());
        for (value, context) in values {
            let mut writer = NumberWriter::default();
            writer.put(3, &mut written, value, context);
            let mut reader = NumberReader::new(columns(&writer)).expect("what was written");
            reader.take(3, &mut read, context).expect("what was written");
            reader.finish().expect("nothing else");
            prop_assert_eq!(read.value().to_bits(), value.to_bits());
            prop_assert_eq!(written.value().to_bits(), value.to_bits());
        }
    }

    #[test]
    fn gives_back_a_value_beside_another(last in value(), beside in value(), count in 0u64..9) {
        let mut number = Number::default();
        NumberWriter::default().put(0, &mut number, last, Context::default());
        let mut column = Vec::new();
        number.put_beside(beside, number.whole_times(count), &mut column);
        let mut reader = Reader::new(&column);
        let read = number.take_beside(number.whole_times(count), &mut reader).expect("what was written");
        prop_assert_eq!(read.to_bits(), beside.to_bits());
        prop_assert!(reader.finish().is_ok());
    }

    #[test]
    fn survives_damaged_columns(
        values in prop::collection::vec(value(), 1..20),
        context in context(),
        damaged in 0usize..5,
        damage in damage(),
    ) {
        let mut writer = NumberWriter::default();
        let mut numbers = vec![Number::default(); values.len()];
        for (i, value) in values.iter().enumerate() {
            writer.put(i, &mut numbers[i], *value, context);
        }
        let mut columns = columns(&writer).map(<[u8]>::to_vec);
        damage.to(&mut columns[damaged]);
        if let Ok(mut reader) = NumberReader::new(columns.each_ref().map(Vec::as_slice)) {
            for i in 0..values.len() {
                if reader.take(i, &mut Number::default(), context).is_err() {
                    break;
                }
            }
            let _ = reader.finish();
        }
    }
}
