//! Reads the topic to its end, then follows it.

use std::sync::Arc;
use std::time::Duration;

use sentinel_bus::{Bus, BusError, PollLimit, Start, TopicPartition};
use sentinel_model::Topic;
use sentinel_runtime::{Backoff, Component, clock};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::book::Book;

const POLL: PollLimit = PollLimit { max_records: 1_000, max_bytes: 1 << 20, wait: Duration::from_secs(1) };
/// A follower of a bus that is away may just wait: now and then the bus is asked itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Whoever has not followed for longer may have missed a removal, of which compaction leaves nothing after an hour.
const MAX_GAP: Duration = Duration::from_secs(180);
/// The topic is small: reading all of it now and then makes up for whatever was missed unnoticed.
pub(crate) const READ_AGAIN_EVERY: Duration = Duration::from_secs(900);

/// Why the topic is to be read from its beginning again, while nothing has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// This process, or this machine, stood still.
    Gap,
    Due,
}

pub(crate) async fn run(bus: Arc<dyn Bus>, book: watch::Sender<Arc<Book>>, component: Component) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let error = match read(&*bus, &book, &component, &mut backoff).await {
            Ok(why) => {
                debug!(?why, "reading the settings from their beginning again");
                continue;
            }
            Err(error) => error,
        };
        degrade(&component, book.borrow().is_read(), &error);
        let delay = backoff.next_delay();
        warn!(error = &error as &dyn std::error::Error, ?delay, "reading the settings failed");
        tokio::time::sleep(delay).await;
    }
}

fn degrade(component: &Component, is_read: bool, error: &BusError) {
    let known = if is_read {
        "settings are as they were last known"
    } else {
        "settings are not known yet: tokens of people are not accepted, and no store deletes what is old"
    };
    component.degraded(format!("{known}: {error}; see the component bus; tried again by itself"));
}

/// Reads from the beginning and follows, until that has to be done again. What was known meanwhile holds until all has
/// been read.
async fn read(
    bus: &dyn Bus,
    book: &watch::Sender<Arc<Book>>,
    component: &Component,
    backoff: &mut Backoff,
) -> Result<Again, BusError> {
    let mut records = bus.follow(Topic::Settings, Start::Earliest).await?;
    // From the beginning, beside what is known: a key that was removed meanwhile has no record any more.
    let mut read = Book::default();
    let mut look_at = Instant::now() + LOOK_EVERY;
    let again_at = Instant::now() + READ_AGAIN_EVERY;
    let mut contact = Contact::now();
    loop {
        if !read.is_read() && records.is_caught_up() {
            read.close();
            book.send_replace(Arc::new(read.clone()));
            component.ready();
        }
        let delivered = records.poll(POLL).await?;
        backoff.reset();
        delivered.iter().for_each(|record| read.apply(record));
        if read.is_read() && !delivered.is_empty() {
            book.send_replace(Arc::new(read.clone()));
        }
        if Instant::now() >= look_at {
            // After an outage a follower goes on where it was, and removals of that time may have been compacted away.
            bus.offsets(TopicPartition { topic: Topic::Settings, partition: 0 }).await?;
            if contact.gap(Contact::now()) > MAX_GAP {
                return Ok(Again::Gap);
            }
            if read.is_read() {
                component.ready();
                if Instant::now() >= again_at {
                    return Ok(Again::Due);
                }
            }
            contact = Contact::now();
            look_at = Instant::now() + LOOK_EVERY;
        }
    }
}

/// When the bus answered last, by both clocks: only that of the wall goes on while a machine is suspended, and only the
/// other is never set back.
#[derive(Clone, Copy)]
struct Contact {
    at: Instant,
    wall_ms: i64,
}

impl Contact {
    fn now() -> Self {
        Self { at: Instant::now(), wall_ms: clock::now_millis() }
    }

    fn gap(self, now: Self) -> Duration {
        let wall_ms = now.wall_ms.saturating_sub(self.wall_ms).max(0).unsigned_abs();
        now.at.saturating_duration_since(self.at).max(Duration::from_millis(wall_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_seen_by_either_clock() {
        let (minute, before) = (Duration::from_secs(60), Contact::now());
        let after = |monotonic, wall_ms: i64| Contact {
            at: before.at + monotonic,
            wall_ms: before.wall_ms.saturating_add(wall_ms),
        };
        assert_eq!(before.gap(after(minute, 60_000)), minute);
        assert_eq!(before.gap(after(minute, 7_200_000)), minute * 120, "it was suspended");
        assert_eq!(before.gap(after(minute * 5, -3_600_000)), minute * 5, "the clock was set back");
    }
}
