use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::embedded::testing::{aggregate, bits};

/// A point as InfluxDB keeps it: a write adds to what is there, field by field.
#[derive(Debug, Default)]
struct Stored(BTreeMap<String, String>);

impl Stored {
    fn write(&mut self, aggregate: &Aggregate) {
        let mut line = Vec::new();
        put_fields(&mut line, aggregate);
        for field in String::from_utf8(line).expect("text").split(',') {
            let (name, value) = field.split_once('=').expect("a field");
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Point for Stored {
    fn number(&self, column: Column) -> Option<u64> {
        let text = self.0.get(column.name())?;
        Some(match text.strip_suffix('i') {
            Some(integer) => integer.parse::<i64>().expect("an integer") as u64,
            None => text.parse::<f64>().expect("a float").to_bits(),
        })
    }

    fn sketch(&self) -> Option<Sketch> {
        read_sketch_text(self.0.get("sketch")?.trim_matches('"'))
    }
}

fn text(aggregate: &Aggregate) -> String {
    let mut line = Vec::new();
    put_fields(&mut line, aggregate);
    String::from_utf8(line).expect("text")
}

#[test]
fn a_window_with_one_sample_costs_two_fields() {
    assert_eq!(text(&Aggregate::Single(2.5)), "last=2.5,shape=0i");
    assert_eq!(text(&Aggregate::Single(1e15)), "last=1000000000000000,shape=0i");
    let counter = Summary {
        count: 1,
        sum: 7.0,
        min: 7.0,
        max: 7.0,
        last: 7.0,
        m2: 0.0,
        increase: Some(3.0),
        sketch: None,
    };
    assert_eq!(text(&Aggregate::Summary(Box::new(counter))), "last=7,increase=3,shape=5i");
}

#[test]
fn what_is_no_number_in_line_protocol_goes_by_its_bits() {
    assert_eq!(text(&Aggregate::Single(-0.0)), "last=-0.0,shape=0i");
    let text = text(&Aggregate::Single(f64::INFINITY));
    assert_eq!(text, "last=1.7976931348623157e+308,last_bits=9218868437227405312i,shape=0i");
}

proptest! {
    #[test]
    fn gives_back_every_field_of_the_last_write(writes in prop::collection::vec(aggregate(), 1..4)) {
        let mut stored = Stored::default();
        writes.iter().for_each(|aggregate| stored.write(aggregate));
        let last = writes.last().expect("one at least");
        for field in Field::ALL {
            let (found, expected) = (value(&stored, field), last.field(field));
            prop_assert_eq!(
                found.map(f64::to_bits), expected.map(f64::to_bits),
                "{:?} of {:?} in {:?}", field, bits(last), stored
            );
        }
    }

    #[test]
    fn text_of_others_is_no_sketch_and_no_panic(text in "(?s).{0,40}") {
        let _ = read_sketch_text(&text);
    }
}
