//! What travels in the commit's metadata.

use sentinel_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::Watermark;

/// State at the committed offset, and how far the pipeline had come when it committed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checkpoint {
    /// Before the message at the committed offset.
    pub(crate) watermark: Watermark,
    /// Messages below this offset had been applied and their results published.
    pub(crate) position: u64,
    /// Windows that end at or before this had been published.
    pub(crate) published_until: Timestamp,
    /// Of the streams that the results were published in; a later owner's is larger. The windows themselves
    /// know of none.
    pub(crate) epoch: u64,
    /// When the first message was scraped behind one that the bus has dropped, as long as a window may be open
    /// that has lost a part.
    pub(crate) cut: Option<Timestamp>,
}

/// More collectors than this are not told one by one: metadata has 4 KiB, and a collector takes up to 37 bytes.
const MAX_COLLECTORS: usize = 96;

/// Short names: metadata has 4 KiB.
#[derive(Serialize, Deserialize)]
struct Text {
    v: u8,
    p: u64,
    u: i64,
    f: Option<i64>,
    c: Vec<(u64, i64)>,
    #[serde(default)]
    e: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    #[error("the commit's metadata cannot be read: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("the commit's metadata has version {0}, this build reads version 1")]
    Version(u8),
}

impl Default for Checkpoint {
    fn default() -> Self {
        let published_until = Timestamp::MIN;
        Self { watermark: Watermark::default(), position: 0, published_until, epoch: 0, cut: None }
    }
}

impl Checkpoint {
    pub(crate) fn to_metadata(&self) -> String {
        let text = Text {
            v: 1,
            p: self.position,
            u: self.published_until.as_millis(),
            f: self.watermark.frontier().map(Timestamp::as_millis),
            c: told(self.watermark.progress()),
            e: self.epoch,
            x: self.cut.map(Timestamp::as_millis),
        };
        serde_json::to_string(&text).expect("numbers always serialise")
    }

    /// # Errors
    /// Text that another version wrote.
    pub(crate) fn from_metadata(metadata: &str) -> Result<Self, CheckpointError> {
        let text: Text = serde_json::from_str(metadata)?;
        if text.v != 1 {
            return Err(CheckpointError::Version(text.v));
        }
        let progress = text.c.into_iter().map(|(hash, at)| (hash, Timestamp::from_millis(at)));
        Ok(Self {
            watermark: Watermark::restore(text.f.map(Timestamp::from_millis), progress),
            position: text.p,
            published_until: Timestamp::from_millis(text.u),
            epoch: text.e,
            cut: text.x.map(Timestamp::from_millis),
        })
    }
}

/// The slowest collectors, which hold the frontier, and the newest one, which tells who is live. What the
/// others have reached is read again with their next message.
fn told(mut progress: Vec<(u64, Timestamp)>) -> Vec<(u64, i64)> {
    if progress.len() > MAX_COLLECTORS {
        progress.sort_unstable_by_key(|(hash, at)| (*at, *hash));
        progress.drain(MAX_COLLECTORS - 1..progress.len() - 1);
    }
    progress.into_iter().map(|(hash, at)| (hash, at.as_millis())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_from_metadata() {
        let watermark = Watermark::restore(Some(Timestamp::from_secs(70)), [(7, Timestamp::from_secs(100))]);
        let published_until = Timestamp::from_secs(60);
        let cut = Some(Timestamp::from_secs(50));
        let checkpoint = Checkpoint { watermark, position: 42, published_until, epoch: 9, cut };
        assert_eq!(Checkpoint::from_metadata(&checkpoint.to_metadata()).expect("own text"), checkpoint);
        assert!(Checkpoint::from_metadata("").is_err());
        assert!(Checkpoint::from_metadata(r#"{"v":2,"p":0,"u":0,"f":null,"c":[]}"#).is_err());
    }
    #[test]
    fn fits_into_metadata_however_many_collectors_there_are() {
        let collector = |i: i64| (u64::MAX - i as u64, Timestamp::from_millis(1_795_255_200_000 + i));
        let watermark = Watermark::restore(Some(Timestamp::from_secs(70)), (0..1_000).map(collector));
        let cut = Some(Timestamp::from_millis(1_795_255_200_000));
        let checkpoint = Checkpoint {
            watermark,
            position: u64::MAX,
            published_until: Timestamp::MIN,
            epoch: u64::MAX,
            cut,
        };
        let text = checkpoint.to_metadata();
        assert!(text.len() <= 4_096, "{}", text.len());
        let told = Checkpoint::from_metadata(&text).expect("own text").watermark.progress();
        assert!(told.contains(&collector(0)) && told.contains(&collector(999)), "the slowest and the newest");
    }
}
