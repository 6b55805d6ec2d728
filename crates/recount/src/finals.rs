//! How far the windows of each partition are closed and stored, as the topic of closed windows and its reader tell.

use ahash::AHashMap;
use sentinel_model::{Resolution, Timestamp, Topic};
use sentinel_proto::{DecodeError, RollupDecoder};

use crate::books::{Books, Progress, RecountError};
use crate::mailbox::{Topics, positions};
use crate::window::WIDTHS;

/// Who writes closed windows into the store.
const GROUP: &str = "sentinel-metric-store";

#[derive(Debug)]
pub(crate) struct Finals {
    pub(crate) topics: Topics,
    /// By partition of the samples and width: end of the newest window in each partition of the results.
    until: AHashMap<(u32, Resolution), Vec<Option<Timestamp>>>,
}

impl Finals {
    pub(crate) async fn read(books: &Books, progress: &Progress) -> Result<Self, RecountError> {
        let read_until = positions(&*books.bus, GROUP, Topic::Rollups).await?;
        let topics = Topics::look(&*books.bus, Topic::Rollups).await?;
        let n_partitions = topics.offsets.len();
        let mut decoders: Vec<RollupDecoder> = Vec::new();
        decoders.resize_with(n_partitions, RollupDecoder::new);
        let mut finals = Self { topics: topics.clone(), until: AHashMap::new() };
        topics
            .read(&*books.bus, progress, |record| {
                let position = record.position;
                let partition = position.at.partition as usize;
                let header = record.record.headers.iter().find(|(name, _)| name == "resolution");
                let width = header
                    .and_then(|(_, text)| WIDTHS.into_iter().find(|w| w.as_str().as_bytes() == &text[..]));
                let stored = read_until.get(partition).copied().unwrap_or(0);
                let Some(width) = width.filter(|_| position.offset < stored) else { return };
                let stream = match decoders[partition].decode(&record.record.value) {
                    Ok(batch) => batch.stream,
                    Err(DecodeError::MissingBase { stream, .. } | DecodeError::Duplicate { stream, .. }) => {
                        stream.target
                    }
                    Err(_) => return,
                };
                let Some(of) = samples_partition(&stream) else { return };
                let end = record.record.timestamp.saturating_add_millis(width.as_millis());
                let until = finals.until.entry((of, width)).or_insert_with(|| vec![None; n_partitions]);
                until[partition] = until[partition].max(Some(end));
            })
            .await?;
        Ok(finals)
    }

    /// Windows that end at or before this are closed and stored.
    pub(crate) fn until(&self, partition: u32, width: Resolution) -> Option<Timestamp> {
        let until = self.until.get(&(partition, width))?;
        until.iter().copied().min().flatten()
    }
}

/// `p3/0/10s` holds results of partition 3.
fn samples_partition(stream: &str) -> Option<u32> {
    stream.strip_prefix('p')?.split('/').next()?.parse().ok()
}
