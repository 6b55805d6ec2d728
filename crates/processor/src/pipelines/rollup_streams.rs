//! Streams of rollups as their consumers read them: decoded in order, and again after a restart.

use std::sync::Arc;

use ahash::AHashMap;
use sentinel_bus::Delivered;
use sentinel_model::{CanarySeen, CanaryWindows, LabelPool, Resolution, RollupBatch, Series, Timestamp};
use sentinel_proto::{DecodeError, RollupDecoder};

use crate::replay::{Heard, Needs, StreamHistory};

/// Windows of these widths are always key frames. Thirty frames of an hourly stream span more time than the
/// bus keeps, and a reader that starts in the middle would wait for as long.
const fn is_self_contained(resolution: Resolution) -> bool {
    matches!(resolution, Resolution::FiveMinutes | Resolution::OneHour)
}

/// Streams of one partition.
pub(crate) struct RollupStreams {
    decoder: RollupDecoder,
    histories: AHashMap<Arc<str>, StreamHistory>,
    position: u64,
    /// Messages below this were handled before the restart; they are only decoded again.
    done_until: u64,
    canaries: CanaryWindows,
    /// What canaries have told since it was last taken.
    seen: Vec<CanarySeen>,
}

impl RollupStreams {
    /// Messages below `done_until` are only decoded. Equal labels are held in common.
    pub(crate) fn new(done_until: u64, labels: Arc<LabelPool>) -> Self {
        let decoder = RollupDecoder::sharing(labels);
        Self {
            decoder,
            histories: AHashMap::new(),
            position: 0,
            done_until,
            canaries: CanaryWindows::default(),
            seen: Vec::new(),
        }
    }

    /// Decodes and notes one message; `None` for those that were handled before the restart, and repeats.
    pub(crate) fn decode(&mut self, record: &Delivered) -> Result<Option<RollupBatch>, DecodeError> {
        let offset = record.position.offset;
        self.position = offset + 1;
        let is_done = offset < self.done_until;
        let batch = match self.decoder.decode(&record.record.value) {
            Ok(batch) => batch,
            Err(_) if is_done => return Ok(None),
            Err(DecodeError::Duplicate { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if batch.window.resolution == Resolution::TenSeconds {
            let seen = self.canaries.read(&batch);
            if !is_done {
                self.seen.extend(seen);
            }
        }
        if batch.is_key && is_self_contained(batch.window.resolution) {
            self.decoder.release(&batch.stream);
        } else {
            let history = self.histories.entry(Arc::clone(&batch.stream)).or_default();
            history.push(Heard::unrivalled(offset, batch.is_key, batch.window.start), 0);
        }
        Ok((!is_done).then_some(batch))
    }

    /// What windows of 10 s that were not handled before tell of canaries.
    pub(crate) fn take_seen(&mut self) -> Vec<CanarySeen> {
        std::mem::take(&mut self.seen)
    }

    /// The series of a stream by number, as of its last message. Those of self-contained messages are in the
    /// message alone.
    pub(crate) fn series(&self, stream: &str) -> &[Series] {
        self.decoder.series(stream)
    }

    /// Smallest offset from which a reader can decode, of every stream, each window at or after its horizon
    /// and all to come; `None` before the first message.
    pub(crate) fn needed(&mut self, horizon: impl Fn(&str) -> Timestamp) -> Option<u64> {
        if self.position == 0 {
            return None;
        }
        let needed = self
            .histories
            .iter_mut()
            .filter_map(|(stream, history)| history.needed(Needs::since(horizon(stream))));
        Some(needed.min().unwrap_or_else(|| self.position()))
    }

    /// Streams that the bus need no longer hold anything of.
    pub(crate) fn forget(&mut self, is_over: impl Fn(&str) -> bool) {
        self.histories.retain(|stream, _| !is_over(stream));
    }

    /// Offset behind the last message that was ever handled.
    pub(crate) fn position(&self) -> u64 {
        self.position.max(self.done_until)
    }

    /// A message that is none of this reader's.
    pub(crate) fn skip(&mut self, offset: u64) {
        self.position = offset + 1;
    }
}
