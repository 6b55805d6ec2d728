//! One subscription: where it stands in its topic, and what it has been sent. It holds no data of its own
//! but what one message did not take: everything is read from the shared state when it may be sent, so a
//! client that is slow, or away for a while, costs next to nothing.

use std::collections::VecDeque;
use std::time::Duration;

use ahash::AHashMap;
use tokio::time::Instant;

use super::filter::Watch;
use super::protocol::{Item, Subscribe, TopicName};
use crate::error::ApiError;
use crate::live::LiveId;

/// Messages a second that a client may ask for.
const MIN_RATE: f64 = 0.01;
const MAX_RATE: f64 = 50.0;
/// Messages that can be gone back to: 80 s at the highest rate.
const MAX_HISTORY: usize = 4_000;

#[derive(Debug)]
pub struct Subscription {
    pub id: String,
    pub topic: TopicName,
    filter: Option<serde_json::Map<String, serde_json::Value>>,
    pub watch: Watch,
    interval: Duration,
    /// Of the last message.
    pub seq: u64,
    pub place: u64,
    /// Items that the last message had no room for.
    pub backlog: VecDeque<Item>,
    /// For each message: where reading stood before it.
    history: VecDeque<(u64, u64)>,
    pub due: Instant,
    pub references: References,
}

/// Small numbers for series, told with their labels in the first message that uses them.
#[derive(Debug, Default)]
pub struct References {
    known: AHashMap<LiveId, (u32, u64)>,
    next: u32,
}

impl References {
    /// The number of a series, and whether a client that has everything before message `seq` knows it.
    pub fn of(&mut self, id: LiveId, seq: u64) -> (u32, bool) {
        if let Some((reference, _)) = self.known.get(&id) {
            return (*reference, true);
        }
        let reference = self.next;
        self.next += 1;
        self.known.insert(id, (reference, seq));
        (reference, false)
    }

    /// Whether the series has a number, or may still get one.
    pub fn has_room_for(&self, id: LiveId, max: usize) -> bool {
        self.known.len() < max || self.known.contains_key(&id)
    }

    /// Forgets what was told after message `seq`: the client may not have got it.
    fn rewind(&mut self, seq: u64) {
        self.known.retain(|_, (_, told)| *told <= seq);
    }
}

impl Subscription {
    /// `place` is where the topic stands now.
    ///
    /// # Errors
    /// An id, filter or rate that is not usable.
    pub fn new(request: Subscribe, place: u64) -> Result<Self, ApiError> {
        if request.id.is_empty() || request.id.len() > 64 || request.id.contains(char::is_control) {
            return Err(ApiError::parameter("id", "must have 1 to 64 characters"));
        }
        let watch = Watch::parse(request.topic, request.filter.clone())?;
        let rate = request.max_rate.unwrap_or(match request.topic {
            TopicName::Usage | TopicName::Pipeline => 1.0,
            _ => 10.0,
        });
        if !(MIN_RATE..=MAX_RATE).contains(&rate) {
            return Err(ApiError::parameter(
                "max_rate",
                format!("must lie between {MIN_RATE} and {MAX_RATE}"),
            ));
        }
        let is_from_start = matches!(
            watch,
            Watch::Objects { is_snapshot_wanted: true, .. }
                | Watch::Usage { .. }
                | Watch::Metrics { .. }
                | Watch::Pipeline
        );
        Ok(Self {
            id: request.id,
            topic: request.topic,
            filter: request.filter,
            watch,
            interval: Duration::from_secs_f64(1.0 / rate),
            seq: 0,
            place: if is_from_start { 0 } else { place },
            backlog: VecDeque::new(),
            history: VecDeque::new(),
            due: Instant::now(),
            references: References::default(),
        })
    }

    /// Whether a new request asks for the same.
    pub fn is_same(&self, request: &Subscribe) -> bool {
        self.topic == request.topic && self.filter == request.filter
    }

    /// Goes back to just after message `seq`. False when that is too long ago or has not been yet.
    pub fn rewind(&mut self, seq: u64) -> bool {
        if seq > self.seq {
            return false;
        }
        if seq < self.seq {
            let Some((_, place)) = self.history.iter().find(|(sent, _)| *sent == seq + 1) else {
                return false;
            };
            self.place = *place;
            self.backlog.clear();
            self.references.rewind(seq);
            self.history.retain(|(sent, _)| *sent <= seq);
            self.seq = seq;
        }
        self.due = Instant::now();
        true
    }

    /// Goes on at the rate that another one was asked to have.
    #[must_use]
    pub fn at_rate_of(self, other: &Self) -> Self {
        Self { interval: other.interval, ..self }
    }

    /// Notes that a message was made of what was read from `place_before` on. Returns its number.
    pub fn sent(&mut self, place_before: u64) -> u64 {
        self.seq += 1;
        self.history.push_back((self.seq, place_before));
        if self.history.len() > MAX_HISTORY {
            self.history.pop_front();
        }
        self.seq
    }

    /// May be sent again only after the interval.
    pub fn rest(&mut self, now: Instant) {
        self.due = now + self.interval;
    }
}
