//! A message as Kafka has it.
//!
//! Topics of ours are stamped by the broker (`LogAppendTime`), because retention goes by that stamp and a
//! publisher's clock may be wrong by years. The publisher's own timestamp travels in a header, the last one,
//! which readers take off again. Messages of others, without it, have the broker's.

use bytes::Bytes;
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Header, Headers as _, OwnedHeaders};
use sentinel_model::{Timestamp, Topic};

use crate::Record;

/// Milliseconds since the epoch, i64, big endian.
const TIMESTAMP_HEADER: &str = "sentinel-timestamp";

/// `None` stands for null: on a compacted topic, an empty value is a tombstone.
pub(super) fn value(topic: Topic, record: &Record) -> Option<&[u8]> {
    let is_tombstone = topic.is_compacted() && record.value.is_empty();
    (!is_tombstone).then_some(&record.value)
}

pub(super) fn headers(record: &Record) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len() + 1);
    for (key, value) in &record.headers {
        headers = headers.insert(Header { key, value: Some(&value[..]) });
    }
    let millis = record.timestamp.as_millis().to_be_bytes();
    headers.insert(Header { key: TIMESTAMP_HEADER, value: Some(&millis) })
}

/// Copies a message out of the client's memory.
pub(super) fn read(message: &BorrowedMessage<'_>) -> Record {
    let mut headers = read_headers(message);
    let own = headers.pop_if(|(name, value)| name == TIMESTAMP_HEADER && value.len() == 8);
    let own = own.and_then(|(_, value)| Some(i64::from_be_bytes(value[..].try_into().ok()?)));
    let millis = own.or_else(|| message.timestamp().to_millis()).unwrap_or_default();
    let copy = |bytes: Option<&[u8]>| bytes.map_or(Bytes::new(), Bytes::copy_from_slice);
    Record {
        key: copy(message.key()),
        value: copy(message.payload()),
        headers,
        timestamp: Timestamp::from_millis(millis),
    }
}

/// The broker's stamp; topics that others made may have the publisher's.
pub(super) fn appended(message: &BorrowedMessage<'_>) -> Option<Timestamp> {
    match message.timestamp() {
        rdkafka::Timestamp::LogAppendTime(millis) => Some(Timestamp::from_millis(millis)),
        rdkafka::Timestamp::CreateTime(_) | rdkafka::Timestamp::NotAvailable => None,
    }
}

fn read_headers(message: &BorrowedMessage<'_>) -> Vec<(String, Bytes)> {
    let Some(headers) = message.headers() else { return Vec::new() };
    tolerant(|| {
        let header = |header: Header<'_, &[u8]>| {
            (header.key.to_owned(), header.value.map_or(Bytes::new(), Bytes::copy_from_slice))
        };
        headers.iter().map(header).collect()
    })
    .unwrap_or_default()
}

/// rdkafka panics on names of headers and on notes of commits that are no UTF-8, which Kafka allows and
/// others may write: `None` then.
pub(super) fn tolerant<T>(read: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)).ok()
}
