//! Records beside the chunks: write-ahead entries, and what the chunks of a span hold.

use sentinel_model::Aggregate;

use super::codec::{CodecError, Reader, put_packed, put_varint};
use super::row::{put_aggregate, read_aggregate};

/// Entries live for minutes: speed counts more than size.
const WAL_LEVEL: i32 = 1;
const PRESENT_LEVEL: i32 = 3;
/// More series in one record are never written.
const MAX_SERIES: usize = 1 << 26;

/// One row of a span: window, series, value.
pub(crate) type PlacedRow = (u32, u32, Aggregate);

/// Rows of one write in one span, as they came.
#[derive(Default)]
pub(crate) struct WalEntry {
    bytes: Vec<u8>,
    before: (u32, u32),
}

impl WalEntry {
    pub(crate) fn push(&mut self, window: u32, number: u32, aggregate: &Aggregate) {
        put_varint(&mut self.bytes, u64::from(window.wrapping_sub(self.before.0)));
        put_varint(&mut self.bytes, u64::from(number.wrapping_sub(self.before.1)));
        put_aggregate(&mut self.bytes, aggregate);
        self.before = (window, number);
    }

    pub(crate) fn finish(&self) -> Vec<u8> {
        let mut entry = Vec::new();
        put_packed(&mut entry, &self.bytes, WAL_LEVEL);
        entry
    }

    pub(crate) fn read(entry: &[u8]) -> Result<Vec<PlacedRow>, CodecError> {
        let bytes = Reader::new(entry).packed()?;
        let mut reader = Reader::new(&bytes);
        let (mut window, mut number) = (0u32, 0u32);
        let mut rows = Vec::new();
        while !reader.is_empty() {
            window = window.wrapping_add(reader.small("window")?);
            number = number.wrapping_add(reader.small("series number")?);
            rows.push((window, number, read_aggregate(&mut reader)?));
        }
        Ok(rows)
    }
}

/// What the chunks of one span hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanInfo {
    pub(crate) n_rows: u64,
    pub(crate) oldest_window: u32,
    pub(crate) newest_window: u32,
}

impl SpanInfo {
    pub(crate) fn put(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, self.n_rows);
        put_varint(&mut bytes, u64::from(self.oldest_window));
        put_varint(&mut bytes, u64::from(self.newest_window));
        bytes
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let n_rows = reader.varint()?;
        let (oldest_window, newest_window) = (reader.small("window")?, reader.small("window")?);
        Ok(Self { n_rows, oldest_window, newest_window })
    }
}

/// Series that have a row in a span, ascending.
pub(crate) fn put_present(numbers: &[u32]) -> Vec<u8> {
    let mut steps = Vec::new();
    let mut before = 0u32;
    for number in numbers {
        put_varint(&mut steps, u64::from(number.wrapping_sub(before)));
        before = *number;
    }
    let mut bytes = Vec::new();
    put_varint(&mut bytes, numbers.len() as u64);
    put_packed(&mut bytes, &steps, PRESENT_LEVEL);
    bytes
}

pub(crate) fn read_present(bytes: &[u8]) -> Result<Vec<u32>, CodecError> {
    let mut reader = Reader::new(bytes);
    let n_series = reader.bounded(MAX_SERIES, "number of series")?;
    let steps = reader.packed()?;
    let mut steps = Reader::new(&steps);
    let mut number = 0u32;
    let mut numbers = Vec::new();
    for _ in 0..n_series {
        number = number.wrapping_add(steps.small("series number")?);
        numbers.push(number);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::embedded::testing::{aggregate, bits};

    proptest! {
        #[test]
        fn gives_back_what_was_written(
            rows in prop::collection::vec((any::<u32>(), any::<u32>(), aggregate()), 0..20),
            numbers in prop::collection::btree_set(any::<u32>(), 0..50),
            n_rows: u64,
            (oldest_window, newest_window) in any::<(u32, u32)>(),
        ) {
            let mut entry = WalEntry::default();
            rows.iter().for_each(|(window, number, aggregate)| entry.push(*window, *number, aggregate));
            let exact = |rows: &[PlacedRow]| rows.iter().map(|(w, n, a)| (*w, *n, bits(a))).collect::<Vec<_>>();
            prop_assert_eq!(exact(&WalEntry::read(&entry.finish()).expect("own bytes")), exact(&rows));
            let numbers: Vec<u32> = numbers.into_iter().collect();
            prop_assert_eq!(read_present(&put_present(&numbers)).expect("own bytes"), numbers);
            let info = SpanInfo { n_rows, oldest_window, newest_window };
            prop_assert_eq!(SpanInfo::read(&info.put()).expect("own bytes"), info);
        }

        #[test]
        fn random_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = WalEntry::read(&bytes);
            let _ = read_present(&bytes);
            let _ = SpanInfo::read(&bytes);
        }
    }
}
