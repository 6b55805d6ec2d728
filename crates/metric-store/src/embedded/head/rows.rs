//! The unsealed rows of one series in one span, packed.

use sentinel_model::Aggregate;

use crate::embedded::codec::{Reader, put_varint};
use crate::embedded::row::{put_aggregate, read_aggregate};

/// Bytes around the packed rows: the entry in the map and the allocation.
const OVERHEAD: usize = 64;

/// Ascending by window.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    bytes: Vec<u8>,
    newest: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Replaced,
    /// The same bits were there.
    None,
}

impl Rows {
    pub(crate) fn put(&mut self, window: u32, aggregate: &Aggregate) -> Change {
        if self.bytes.is_empty() || window > self.newest {
            self.append(window, aggregate);
            return Change::Added;
        }
        let mut rows = self.decode();
        let change = match rows.binary_search_by_key(&window, |(window, _)| *window) {
            Ok(at) if same_bits(&rows[at].1, aggregate) => return Change::None,
            Ok(at) => {
                rows[at].1 = aggregate.clone();
                Change::Replaced
            }
            Err(at) => {
                rows.insert(at, (window, aggregate.clone()));
                Change::Added
            }
        };
        self.bytes.clear();
        rows.iter().for_each(|(window, aggregate)| self.append(*window, aggregate));
        change
    }

    /// Whether the row of this window has the same bits; `None` if there is none.
    pub(crate) fn compare(&self, window: u32, aggregate: &Aggregate) -> Option<bool> {
        if self.bytes.is_empty() || window > self.newest {
            return None;
        }
        self.decode().iter().find(|(other, _)| *other == window).map(|(_, held)| same_bits(held, aggregate))
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn decode(&self) -> Vec<(u32, Aggregate)> {
        let mut reader = Reader::new(&self.bytes);
        let mut rows = Vec::new();
        // These bytes never leave the memory of this process, so they are what was written.
        while let (Ok(window), Ok(aggregate)) = (reader.small("window"), read_aggregate(&mut reader)) {
            rows.push((window, aggregate));
        }
        rows
    }

    /// Bytes of memory that these rows take.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + OVERHEAD
    }

    fn append(&mut self, window: u32, aggregate: &Aggregate) {
        put_varint(&mut self.bytes, u64::from(window));
        put_aggregate(&mut self.bytes, aggregate);
        self.newest = window;
    }
}

pub(crate) fn same_bits(a: &Aggregate, b: &Aggregate) -> bool {
    let mut packed = [Vec::new(), Vec::new()];
    put_aggregate(&mut packed[0], a);
    put_aggregate(&mut packed[1], b);
    packed[0] == packed[1]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::embedded::testing::{aggregate, bits};

    proptest! {
        #[test]
        fn holds_the_last_write_of_each_window_in_any_order(
            writes in prop::collection::vec((0u32..12, aggregate()), 0..40),
        ) {
            let mut rows = Rows::default();
            let mut model: BTreeMap<u32, Aggregate> = BTreeMap::new();
            for (window, aggregate) in &writes {
                let expected = match model.insert(*window, aggregate.clone()) {
                    None => Change::Added,
                    Some(before) if bits(&before) == bits(aggregate) => Change::None,
                    Some(_) => Change::Replaced,
                };
                prop_assert_eq!(rows.put(*window, aggregate), expected);
                prop_assert_eq!(rows.compare(*window, aggregate), Some(true));
            }
            let found: Vec<_> = rows.decode().iter().map(|(w, a)| (*w, bits(a))).collect();
            let expected: Vec<_> = model.iter().map(|(w, a)| (*w, bits(a))).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
