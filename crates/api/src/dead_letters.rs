//! The index of dead letters: what each one is, without its bytes, which are read from the bus again when
//! somebody asks for them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use parking_lot::RwLock;
use sentinel_bus::{Bus, BusError, Outgoing, PollLimit, Position, Record, Route, Start, trace};
use sentinel_model::{DeadLetter, Topic};
use sentinel_proto::Wire as _;

use crate::app::now;
use crate::dto::pipeline::{DeadLetterCounts, DeadLetterRow};

/// Rows kept; older ones are still on the bus, but not listed.
const MAX_ROWS: usize = 10_000;
const PREVIEW_BYTES: usize = 256;

/// Bounds of the search for one record on the bus.
const POLL: PollLimit =
    PollLimit { max_records: 1_000, max_bytes: 4 << 20, wait: Duration::from_millis(200) };

/// Place of a dead letter on its topic, printed `partition-offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct LetterId {
    pub partition: u32,
    pub offset: u64,
}

#[derive(Debug, Default)]
pub struct DeadLetters(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// In order of arrival.
    rows: VecDeque<(LetterId, DeadLetterRow)>,
    counts: DeadLetterCounts,
}

impl LetterId {
    pub fn parse(text: &str) -> Option<Self> {
        let (partition, offset) = text.split_once('-')?;
        Some(Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
    }

    pub fn of(position: Position) -> Self {
        Self { partition: position.at.partition, offset: position.offset }
    }
}

impl std::fmt::Display for LetterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.partition, self.offset)
    }
}

impl DeadLetters {
    pub fn apply(&self, id: LetterId, letter: &DeadLetter) {
        let mut inner = self.0.write();
        inner.counts.total += 1;
        *inner.counts.by_reason.entry(letter.reason.clone()).or_default() += 1;
        inner.rows.push_back((id, row(id, letter)));
        if inner.rows.len() > MAX_ROWS {
            inner.rows.pop_front();
        }
    }

    /// Starts over: the topic is about to be read from its beginning.
    pub fn clear(&self) {
        *self.0.write() = Inner::default();
    }

    /// Of everything that was read from the topic.
    pub fn counts(&self) -> DeadLetterCounts {
        self.0.read().counts.clone()
    }

    /// Newest first.
    pub fn rows(&self, accepts: impl Fn(&DeadLetterRow) -> bool) -> Vec<(LetterId, DeadLetterRow)> {
        let inner = self.0.read();
        inner.rows.iter().rev().filter(|(_, row)| accepts(row)).cloned().collect()
    }

    pub fn contains(&self, id: LetterId) -> bool {
        self.0.read().rows.iter().any(|(known, _)| *known == id)
    }
}

pub fn row(id: LetterId, letter: &DeadLetter) -> DeadLetterRow {
    let start = &letter.value[..letter.value.len().min(PREVIEW_BYTES)];
    DeadLetterRow {
        id: id.to_string(),
        topic: letter.topic.clone(),
        partition: letter.partition,
        offset: letter.offset,
        reason: letter.reason.clone(),
        detail: letter.detail.clone(),
        observed: letter.observed.into(),
        role: letter.role.clone(),
        bytes: letter.value.len(),
        preview: start.escape_ascii().to_string(),
    }
}

/// A letter, and the message that it came in.
pub struct Fetched {
    pub letter: DeadLetter,
    pub message: Record,
}

/// Reads the asked letters from the bus, in no particular order; those that are gone are missing.
///
/// # Errors
/// Those of the bus.
pub async fn fetch(bus: &dyn Bus, ids: &[LetterId]) -> Result<BTreeMap<LetterId, Fetched>, BusError> {
    let mut found = BTreeMap::new();
    let mut follower = bus.follow(Topic::DeadLetters, Start::Earliest).await?;
    while found.len() < ids.len() {
        let records = follower.poll(POLL).await?;
        if records.is_empty() && follower.is_caught_up() {
            break;
        }
        for delivered in records {
            let id = LetterId::of(delivered.position);
            if ids.contains(&id)
                && let Ok(letter) = DeadLetter::decode(&delivered.record.value)
            {
                found.insert(id, Fetched { letter, message: delivered.record });
            }
        }
    }
    Ok(found)
}

/// The record as it goes back to where it came from, in the trace that it had there; `None` when that topic takes
/// nothing back.
pub fn replayed(bus: &dyn Bus, id: LetterId, Fetched { letter, message }: &Fetched) -> Option<Outgoing> {
    let topic = Topic::from_name(&letter.topic)
        .filter(|topic| matches!(topic, Topic::Metrics | Topic::Logs | Topic::Events | Topic::Rollups))?;
    // Frames are read in their own partition only.
    let route = if letter.partition < bus.n_partitions(topic) {
        Route::Partition(letter.partition)
    } else {
        Route::ByKey
    };
    let header = ("replayed-from".to_owned(), id.to_string().into());
    let record = Record {
        key: letter.key.clone(),
        value: letter.value.clone(),
        headers: vec![header],
        timestamp: now(),
    };
    let mut outgoing = Outgoing { topic, route, record };
    trace::follow(message, std::slice::from_mut(&mut outgoing));
    Some(outgoing)
}
