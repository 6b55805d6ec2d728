//! Reads the topic to its end, then follows it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sentinel_bus::{Bus, BusError, PollLimit, Start, TopicPartition};
use sentinel_model::Topic;
use sentinel_runtime::{Backoff, Component};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

use crate::book::Book;

const POLL: PollLimit = PollLimit { max_records: 1_000, max_bytes: 1 << 20, wait: Duration::from_secs(1) };
/// A follower of a bus that is away may just wait: now and then the bus is asked itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub(crate) async fn run(bus: Arc<dyn Bus>, book: watch::Sender<Arc<Book>>, component: Component) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let Err(error) = read(&*bus, &book, &component, &mut backoff).await;
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

async fn read(
    bus: &dyn Bus,
    book: &watch::Sender<Arc<Book>>,
    component: &Component,
    backoff: &mut Backoff,
) -> Result<Infallible, BusError> {
    let mut records = bus.follow(Topic::Settings, Start::Earliest).await?;
    // From the beginning, beside what is known: a key that was removed meanwhile has no record any more.
    let mut read = Book::default();
    let mut look_at = Instant::now() + LOOK_EVERY;
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
            match bus.offsets(TopicPartition { topic: Topic::Settings, partition: 0 }).await {
                Ok(_) if read.is_read() => component.ready(),
                Ok(_) => {}
                Err(error) => degrade(component, book.borrow().is_read(), &error),
            }
            look_at = Instant::now() + LOOK_EVERY;
        }
    }
}
