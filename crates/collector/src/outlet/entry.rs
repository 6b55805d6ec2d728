//! A message on its way to the bus, and its form in the spool.

use bytes::{Buf as _, BufMut as _, Bytes};
use sentinel_bus::{Outgoing, Record, Route};
use sentinel_model::{Timestamp, Topic};

/// A message and what its loss would cost.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub outgoing: Outgoing,
    pub n_samples: u32,
}

/// Memory that an entry takes besides its key and value.
const OVERHEAD_BYTES: usize = 128;

impl Entry {
    /// A message that carries no samples, routed by its key.
    pub fn record(topic: Topic, key: Bytes, value: Bytes, timestamp: Timestamp) -> Self {
        let record = Record { key, value, headers: Vec::new(), timestamp };
        Self { outgoing: Outgoing { topic, route: Route::ByKey, record }, n_samples: 0 }
    }

    /// What the bounds of queue and spool count.
    pub fn size(&self) -> usize {
        let record = &self.outgoing.record;
        let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len() + 16).sum();
        OVERHEAD_BYTES + record.key.len() + record.value.len() + headers
    }

    /// Appends the entry's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Outgoing { topic, route, record } = &self.outgoing;
        put_bytes(out, topic.as_str().as_bytes());
        out.put_u64_le(match route {
            Route::ByKey => u64::MAX,
            Route::Partition(partition) => u64::from(*partition),
        });
        out.put_u32_le(self.n_samples);
        out.put_i64_le(record.timestamp.as_millis());
        put_bytes(out, &record.key);
        put_bytes(out, &record.value);
        out.put_u32_le(record.headers.len() as u32);
        for (name, value) in &record.headers {
            put_bytes(out, name.as_bytes());
            put_bytes(out, value);
        }
    }

    /// What [`Self::write`] wrote; `None` for anything else.
    pub fn read(mut bytes: Bytes) -> Option<Self> {
        let topic = Topic::from_name(std::str::from_utf8(&take_bytes(&mut bytes)?).ok()?)?;
        let route = match bytes.try_get_u64_le().ok()? {
            u64::MAX => Route::ByKey,
            partition => Route::Partition(u32::try_from(partition).ok()?),
        };
        let n_samples = bytes.try_get_u32_le().ok()?;
        let timestamp = Timestamp::from_millis(bytes.try_get_i64_le().ok()?);
        let key = take_bytes(&mut bytes)?;
        let value = take_bytes(&mut bytes)?;
        let n_headers = bytes.try_get_u32_le().ok()?;
        let mut headers = Vec::new();
        for _ in 0..n_headers {
            let name = String::from_utf8(take_bytes(&mut bytes)?.into()).ok()?;
            headers.push((name, take_bytes(&mut bytes)?));
        }
        let record = Record { key, value, headers, timestamp };
        bytes.is_empty().then_some(Self { outgoing: Outgoing { topic, route, record }, n_samples })
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32_le(bytes.len() as u32);
    out.put_slice(bytes);
}

fn take_bytes(from: &mut Bytes) -> Option<Bytes> {
    let length = from.try_get_u32_le().ok()? as usize;
    (length <= from.len()).then(|| from.split_to(length))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub fn an_entry() -> impl Strategy<Value = Entry> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
        let headers = prop::collection::vec(("[a-z]{0,8}", bytes()), 0..3);
        let route = prop_oneof![Just(Route::ByKey), (0_u32..16).prop_map(Route::Partition)];
        let topic = prop::sample::select(&Topic::ALL[..]);
        (topic, route, bytes(), bytes(), headers, any::<(i64, u32)>()).prop_map(
            |(topic, route, key, value, headers, (millis, n_samples))| {
                let record = Record { key, value, headers, timestamp: Timestamp::from_millis(millis) };
                Entry { outgoing: Outgoing { topic, route, record }, n_samples }
            },
        )
    }

    proptest! {
        #[test]
        fn reads_what_it_writes_and_no_prefix_of_it(entry in an_entry()) {
            let mut bytes = Vec::new();
            entry.write(&mut bytes);
            for length in 0..bytes.len() {
                prop_assert_eq!(Entry::read(Bytes::copy_from_slice(&bytes[..length])), None);
            }
            prop_assert_eq!(Entry::read(bytes.into()), Some(entry));
        }
    }
}
