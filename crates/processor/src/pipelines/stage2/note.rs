//! What travels in the metadata of stage two's commits.

use std::collections::BTreeMap;
use std::sync::Arc;

use sentinel_model::{Resolution, Timestamp};
use serde::{Deserialize, Serialize};

/// More streams than this are not told one by one: metadata has 4 KiB, and a stream takes some 20 bytes.
const MAX_STREAMS: usize = 128;

const MINUTE_MS: i64 = Resolution::OneMinute.as_millis();

/// How far a partition had come when it was committed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Note {
    /// Of the streams that were published; a later owner's is larger.
    pub(super) epoch: u64,
    /// Messages below this offset had been handled.
    pub(super) position: u64,
    /// End of the last minute of each stream: windows that end at or before it were published.
    pub(super) streams: BTreeMap<Arc<str>, Timestamp>,
    /// Minutes of other streams that begin before this belong to windows that were published.
    pub(super) others_from: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Text {
    v: u8,
    e: u64,
    p: u64,
    /// Minutes since the epoch.
    s: BTreeMap<Arc<str>, i64>,
    o: i64,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum NoteError {
    #[error("the commit's metadata cannot be read: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("the commit's metadata has version {0}, this build reads version 2")]
    Version(u8),
}

impl Default for Note {
    fn default() -> Self {
        Self { epoch: 0, position: 0, streams: BTreeMap::new(), others_from: Timestamp::MIN }
    }
}

impl Note {
    /// Start of the oldest window of a stream that was not published: minutes before it are not needed.
    pub(super) fn needed_from(&self, stream: &str) -> Timestamp {
        self.streams.get(stream).map_or(self.others_from, |until| oldest_open(*until))
    }

    /// Windows of a stream that end at or before this were published.
    pub(super) fn published_until(&self, stream: &str) -> Timestamp {
        self.streams.get(stream).copied().unwrap_or(Timestamp::MIN)
    }

    pub(super) fn to_metadata(&self) -> String {
        let told = self.streams.iter().take(MAX_STREAMS);
        let untold = self.streams.values().skip(MAX_STREAMS).map(|until| oldest_open(*until)).min();
        let text = Text {
            v: 2,
            e: self.epoch,
            p: self.position,
            s: told.map(|(name, until)| (Arc::clone(name), until.as_millis() / MINUTE_MS)).collect(),
            o: untold.unwrap_or(self.others_from).as_millis(),
        };
        serde_json::to_string(&text).expect("numbers and names always serialise")
    }

    /// # Errors
    /// Text that another version wrote.
    pub(super) fn from_metadata(metadata: &str) -> Result<Self, NoteError> {
        let text: Text = serde_json::from_str(metadata)?;
        if text.v != 2 {
            return Err(NoteError::Version(text.v));
        }
        let until = |minutes: i64| Timestamp::from_millis(minutes.saturating_mul(MINUTE_MS));
        Ok(Self {
            epoch: text.e,
            position: text.p,
            streams: text.s.into_iter().map(|(name, minutes)| (name, until(minutes))).collect(),
            others_from: Timestamp::from_millis(text.o),
        })
    }
}

/// Start of the hour that is open once minutes up to `until` have come.
const fn oldest_open(until: Timestamp) -> Timestamp {
    until.floor(Resolution::OneHour.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(n_streams: i64) -> Note {
        let stream = |i: i64| (Arc::from(format!("p{i:03}/0/1m")), Timestamp::from_secs(7_200 - 60 * i));
        Note { epoch: 7, position: 42, streams: (0..n_streams).map(stream).collect(), ..Note::default() }
    }

    #[test]
    fn comes_back_from_metadata() {
        for note in [Note::default(), note(4)] {
            assert_eq!(Note::from_metadata(&note.to_metadata()).expect("own text"), note);
        }
        assert!(Note::from_metadata("3600000 17").is_err());
        assert!(Note::from_metadata(r#"{"v":3,"e":0,"p":0,"s":{},"o":0}"#).is_err());
    }

    #[test]
    fn fits_into_metadata_however_many_streams_there_are() {
        let text = note(10_000).to_metadata();
        assert!(text.len() <= 4_096, "{}", text.len());
        let back = Note::from_metadata(&text).expect("own text");
        assert_eq!(back.needed_from("p000/0/1m"), Timestamp::from_secs(7_200));
        assert!(back.needed_from("p9999/0/1m") <= Timestamp::from_secs(7_200 - 60 * 9_999));
    }
}
