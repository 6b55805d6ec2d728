//! How a message lies in a segment: the key is partition and offset, the value a header with
//! checksum and the message.
//!
//! ```text
//! value   crc32 u32 · appended i64 · position u64 · body          (little endian)
//! body    timestamp i64 · n_key varint · n_headers varint · headers · key · value
//! header  n_name varint · name · n_value varint · value
//! ```
//!
//! `appended` is the wall clock at the time of appending, which retention goes by; `position` counts
//! the bytes of the segment before this row. Both make a segment's age and size readable from its
//! last rows after a crash. The checksum covers key and value, so a row cannot pass for another.

use bytes::{Buf as _, BufMut as _, Bytes};
use sentinel_model::Timestamp;

use crate::Record;

pub(super) const KEY_BYTES: usize = 12;
const HEADER_BYTES: usize = 20;

/// What a row says of itself besides its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Milliseconds since the epoch.
    pub appended: i64,
    pub position: u64,
}

/// A row that is not what was written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Corrupt {
    pub reason: &'static str,
}

pub(super) fn row_key(partition: u32, offset: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..4].copy_from_slice(&partition.to_be_bytes());
    key[4..].copy_from_slice(&offset.to_be_bytes());
    key
}

/// Zero for a key that [`row_key`] did not write; its row fails the checksum then.
pub(super) fn offset_of(key: &[u8]) -> u64 {
    key.get(4..KEY_BYTES).and_then(|offset| offset.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// The row without offset, time and checksum, which [`seal`] fills in.
pub(super) fn encode(record: &Record) -> Vec<u8> {
    let mut row = Vec::with_capacity(HEADER_BYTES + 16 + record.size());
    row.put_bytes(0, HEADER_BYTES);
    row.put_i64_le(record.timestamp.as_millis());
    put_varint(&mut row, record.key.len() as u64);
    put_varint(&mut row, record.headers.len() as u64);
    for (name, value) in &record.headers {
        put_varint(&mut row, name.len() as u64);
        row.put_slice(name.as_bytes());
        put_varint(&mut row, value.len() as u64);
        row.put_slice(value);
    }
    row.put_slice(&record.key);
    row.put_slice(&record.value);
    row
}

pub(super) fn seal(key: &[u8; KEY_BYTES], row: &mut [u8], header: Header) {
    row[4..12].copy_from_slice(&header.appended.to_le_bytes());
    row[12..HEADER_BYTES].copy_from_slice(&header.position.to_le_bytes());
    let checksum = checksum(key, &row[4..]);
    row[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// Checks a row and reads its header and where its body begins.
pub(super) fn check(key: &[u8], row: &[u8]) -> Result<Header, Corrupt> {
    if row.len() < HEADER_BYTES {
        return Err(Corrupt { reason: "a row is shorter than its header" });
    }
    let mut header = &row[..HEADER_BYTES];
    if header.get_u32_le() != checksum(key, &row[4..]) {
        return Err(Corrupt { reason: "a checksum does not match" });
    }
    Ok(Header { appended: header.get_i64_le(), position: header.get_u64_le() })
}

/// Checks a row and reads it whole.
pub(super) fn decode(key: &[u8], row: &[u8]) -> Result<(Header, Record), Corrupt> {
    let header = check(key, row)?;
    let mut body = Bytes::copy_from_slice(&row[HEADER_BYTES..]);
    let record = read_body(&mut body).ok_or(Corrupt { reason: "a message cannot be read" })?;
    Ok((header, record))
}

/// Key and whether the value is empty, without copying either.
pub(super) fn key_of(row: &[u8]) -> Result<(&[u8], bool), Corrupt> {
    read_key(row.get(HEADER_BYTES..).unwrap_or_default())
        .ok_or(Corrupt { reason: "the key of a message cannot be read" })
}

fn checksum(key: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(rest);
    hasher.finalize()
}

fn read_body(body: &mut Bytes) -> Option<Record> {
    let timestamp = Timestamp::from_millis(body.try_get_i64_le().ok()?);
    let n_key = get_length(body)?;
    let n_headers = get_length(body)?;
    // Each header takes two bytes at least.
    let mut headers = Vec::with_capacity(n_headers.min(body.len() / 2));
    for _ in 0..n_headers {
        let n_name = get_length(body)?;
        let name = String::from_utf8(split(body, n_name)?.into()).ok()?;
        let n_value = get_length(body)?;
        headers.push((name, split(body, n_value)?));
    }
    let key = split(body, n_key)?;
    Some(Record { key, value: std::mem::take(body), headers, timestamp })
}

fn read_key(body: &[u8]) -> Option<(&[u8], bool)> {
    let mut rest = body.get(8..)?;
    let n_key = get_length(&mut rest)?;
    for _ in 0..get_length(&mut rest)? {
        for _name_and_value in 0..2 {
            let length = get_length(&mut rest)?;
            rest = rest.get(length..)?;
        }
    }
    let (key, value) = rest.split_at_checked(n_key)?;
    Some((key, value.is_empty()))
}

fn split(body: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= body.len()).then(|| body.split_to(length))
}

fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

fn get_length(from: &mut impl bytes::Buf) -> Option<usize> {
    let mut value = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = from.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return usize::try_from(value).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed(record: &Record, key: &[u8; KEY_BYTES], header: Header) -> Vec<u8> {
        let mut row = encode(record);
        seal(key, &mut row, header);
        row
    }

    prop_compose! {
        fn records()(
            key in prop::collection::vec(any::<u8>(), 0..40),
            value in prop::collection::vec(any::<u8>(), 0..300),
            headers in prop::collection::vec((".{0,12}", prop::collection::vec(any::<u8>(), 0..20)), 0..4),
            millis in any::<i64>(),
        ) -> Record {
            let headers = headers.into_iter().map(|(name, value)| (name, value.into())).collect();
            Record { key: key.into(), value: value.into(), headers, timestamp: Timestamp::from_millis(millis) }
        }
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(
            record in records(), partition: u32, offset: u64, appended: i64, position: u64,
        ) {
            let key = row_key(partition, offset);
            let header = Header { appended, position };
            let row = sealed(&record, &key, header);
            prop_assert_eq!(key_of(&row).expect("a key"), (&*record.key, record.value.is_empty()));
            prop_assert_eq!(decode(&key, &row).expect("a row"), (header, record));
            prop_assert_eq!(offset_of(&key), offset);
        }

        #[test]
        fn notices_any_flipped_bit(record in records(), at: prop::sample::Index, bit in 0..8u8) {
            let key = row_key(1, 2);
            let mut row = sealed(&record, &key, Header { appended: 3, position: 4 });
            let at = at.index(row.len());
            row[at] ^= 1 << bit;
            prop_assert!(decode(&key, &row).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(key: [u8; KEY_BYTES], mut row: Vec<u8>) {
            prop_assert!(decode(&key, &row).is_err());
            if row.len() >= HEADER_BYTES {
                seal(&key, &mut row, Header { appended: 0, position: 0 });
                let _ = decode(&key, &row);
            }
            let _ = key_of(&row);
        }
    }

    #[test]
    fn a_row_does_not_pass_for_another() {
        let record = Record {
            key: Bytes::new(),
            value: Bytes::from_static(b"v"),
            headers: Vec::new(),
            timestamp: Timestamp::from_millis(0),
        };
        let row = sealed(&record, &row_key(0, 7), Header { appended: 0, position: 0 });
        assert!(decode(&row_key(0, 8), &row).is_err());
        assert!(decode(&row_key(1, 7), &row).is_err());
    }

    #[test]
    fn rows_sort_by_partition_then_offset() {
        assert!(row_key(0, u64::MAX) < row_key(1, 0));
        assert!(row_key(1, 255) < row_key(1, 256));
    }
}
