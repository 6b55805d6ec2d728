//! The newest records of a stream, for whoever watches live: a ring that readers walk at their own pace.
//! A reader that is too slow learns how many records it missed.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// Bounded by number and by bytes; the oldest records go first.
#[derive(Debug)]
pub struct Feed<T> {
    ring: Mutex<Ring<T>>,
    next: watch::Sender<u64>,
    max_records: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Ring<T> {
    records: VecDeque<(Arc<T>, usize)>,
    /// Number of the first record that is still there.
    first: u64,
    bytes: usize,
}

/// What a reader finds from its place on.
#[derive(Debug)]
pub struct Read<T> {
    pub records: Vec<Arc<T>>,
    /// Records between its place and the first one that was still there.
    pub n_missed: u64,
    /// Its next place.
    pub next: u64,
}

impl<T> Feed<T> {
    pub fn new(max_records: usize, max_bytes: usize) -> Self {
        let ring = Ring { records: VecDeque::new(), first: 0, bytes: 0 };
        Self { ring: Mutex::new(ring), next: watch::Sender::new(0), max_records, max_bytes }
    }

    /// Adds records with the bytes each of them holds.
    pub fn push(&self, records: impl IntoIterator<Item = (T, usize)>) {
        let mut ring = self.ring.lock();
        for (record, bytes) in records {
            ring.records.push_back((Arc::new(record), bytes));
            ring.bytes += bytes;
            while ring.records.len() > self.max_records || ring.bytes > self.max_bytes {
                let Some((_, bytes)) = ring.records.pop_front() else { break };
                ring.bytes -= bytes;
                ring.first += 1;
            }
        }
        let next = ring.first + ring.records.len() as u64;
        drop(ring);
        self.next.send_replace(next);
    }

    /// Place behind the newest record.
    pub fn end(&self) -> u64 {
        *self.next.borrow()
    }

    /// Tells when the end moves.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }

    /// Looks at no more than `max_looked` records from `place` on and keeps at most `max_kept` of those
    /// that `accepts` likes.
    pub fn read(
        &self,
        place: u64,
        max_looked: usize,
        max_kept: usize,
        mut accepts: impl FnMut(&T) -> bool,
    ) -> Read<T> {
        let ring = self.ring.lock();
        let end = ring.first + ring.records.len() as u64;
        // A place ahead of the end is one of an earlier life of this process.
        let start = if place > end { end } else { place.max(ring.first) };
        let mut read = Read { records: Vec::new(), n_missed: start.saturating_sub(place), next: start };
        let skip = usize::try_from(start - ring.first).unwrap_or(usize::MAX);
        for (record, _) in ring.records.iter().skip(skip).take(max_looked) {
            if read.records.len() == max_kept {
                break;
            }
            read.next += 1;
            if accepts(record) {
                read.records.push(Arc::clone(record));
            }
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(max_records: usize, n: u32) -> Feed<u32> {
        let feed = Feed::new(max_records, 1_000);
        feed.push((0..n).map(|i| (i, 1)));
        feed
    }

    #[test]
    fn a_slow_reader_learns_what_it_missed() {
        let feed = feed(10, 25);
        let read = feed.read(0, 100, 100, |_| true);
        assert_eq!((read.n_missed, read.records.len(), read.next), (15, 10, 25));
        assert_eq!(*read.records[0], 15);
    }

    #[test]
    fn bytes_bound_the_ring_too() {
        let feed = Feed::new(1_000, 100);
        feed.push((0..10).map(|i| (i, 30)));
        assert_eq!(feed.read(0, 100, 100, |_| true).n_missed, 7);
        feed.push([(10, 1_000)]);
        assert_eq!(feed.read(0, 100, 100, |_| true).records.len(), 0, "larger than the whole ring");
        assert_eq!(feed.end(), 11);
    }

    proptest! {
        #[test]
        fn a_reader_in_small_bites_sees_each_record_once_or_misses_it(
            pushes in prop::collection::vec(0u32..8, 1..30),
            looked in 1usize..10,
        ) {
            let feed = Feed::new(7, 1_000);
            let (mut place, mut seen, mut missed, mut pushed) = (0, Vec::new(), 0, 0);
            for n in pushes {
                feed.push((pushed..pushed + n).map(|i| (i, 1)));
                pushed += n;
                let read = feed.read(place, looked, 5, |n| n % 3 != 0);
                seen.extend(read.records.iter().map(|n| **n));
                missed += read.n_missed;
                prop_assert!(read.next >= place + read.n_missed);
                place = read.next;
            }
            prop_assert!(seen.is_sorted() && seen.windows(2).all(|pair| pair[0] != pair[1]));
            prop_assert!(missed <= u64::from(pushed));
        }
    }
}
