//! From the text of a series to its number in the stream, so that known series are never parsed again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use sentinel_model::{MetricKind, Series, SeriesRef};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// A series as an exposition writes it: name and labels verbatim, with the kind that its family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawSeries<'a> {
    pub text: &'a str,
    pub kind: MetricKind,
}

/// What the table says of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    Series(SeriesRef),
    /// Whoever resolved it wants it left out.
    LeftOut,
    /// The stream has as many series as it may have.
    Full,
}

/// The series of one stream. Texts are kept as 128-bit hashes with a secret seed.
pub(super) struct SeriesTable {
    seed: u64,
    limit: usize,
    series: Vec<Series>,
    /// Number of the frame that last used a series.
    seen: Vec<u32>,
    by_text: HashMap<u128, Known, Identity>,
    by_labels: HashMap<u128, SeriesRef, Identity>,
    /// Number of the frame in hand.
    frame: u32,
}

#[derive(Clone, Copy)]
struct Known {
    /// [`LEFT_OUT`] for none.
    series: u32,
    seen: u32,
}

const LEFT_OUT: u32 = u32::MAX;

/// What a frame added to the table, to be undone if the frame never leaves.
#[derive(Debug, Default)]
pub(super) struct Added {
    n_series_before: usize,
    texts: Vec<u128>,
}

type Identity = BuildHasherDefault<IdentityHasher>;

/// The keys are hashes already.
#[derive(Default)]
pub(super) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }
}

impl Added {
    pub const fn n_series_before(&self) -> usize {
        self.n_series_before
    }
}

impl SeriesTable {
    pub fn new(limit: usize) -> Self {
        Self {
            seed: ahash::RandomState::new().hash_one(0),
            limit: limit.min(LEFT_OUT as usize - 1),
            series: Vec::new(),
            seen: Vec::new(),
            by_text: HashMap::default(),
            by_labels: HashMap::default(),
            frame: 0,
        }
    }

    /// By [`SeriesRef`].
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    pub fn begin(&mut self) -> Added {
        Added { n_series_before: self.series.len(), texts: Vec::new() }
    }

    /// The frame in hand has left; the next one begins.
    pub fn end_frame(&mut self) {
        self.frame += 1;
    }

    /// As if the frame in hand had never been.
    pub fn undo(&mut self, added: &Added) {
        for text in &added.texts {
            self.by_text.remove(text);
        }
        for series in self.series.drain(added.n_series_before..) {
            self.by_labels.remove(&identity(&series));
        }
        self.seen.truncate(added.n_series_before);
    }

    /// Forgets what texts stand for, but not the series.
    pub fn forget_texts(&mut self) {
        self.by_text.clear();
    }

    #[inline]
    pub fn resolve_text(
        &mut self,
        raw: RawSeries<'_>,
        added: &mut Added,
        resolve: impl FnOnce() -> Option<Series>,
    ) -> Resolved {
        let text = xxh3_128_with_seed(raw.text.as_bytes(), self.seed ^ raw.kind as u64);
        if let Some(known) = self.by_text.get_mut(&text) {
            known.seen = self.frame;
            return match known.series {
                LEFT_OUT => Resolved::LeftOut,
                series => Resolved::Series(SeriesRef(series)),
            };
        }
        let resolved = match resolve() {
            Some(series) => self.resolve(&series),
            None => Resolved::LeftOut,
        };
        let series = match resolved {
            Resolved::Series(series) => series.0,
            Resolved::LeftOut => LEFT_OUT,
            // Not remembered: there may be room next time.
            Resolved::Full => return Resolved::Full,
        };
        if self.by_text.len() < 2 * self.limit {
            self.by_text.insert(text, Known { series, seen: self.frame });
            added.texts.push(text);
        }
        resolved
    }

    pub fn resolve(&mut self, series: &Series) -> Resolved {
        let identity = identity(series);
        if let Some(known) = self.by_labels.get(&identity) {
            return Resolved::Series(*known);
        }
        if self.series.len() >= self.limit {
            return Resolved::Full;
        }
        let number = SeriesRef(self.series.len() as u32);
        self.series.push(series.clone());
        self.seen.push(self.frame);
        self.by_labels.insert(identity, number);
        Resolved::Series(number)
    }

    /// Notes that the frame in hand uses a series.
    #[inline]
    pub fn note_use(&mut self, series: SeriesRef) {
        self.seen[series.0 as usize] = self.frame;
    }

    /// Drops what no frame has used for `n_frames`, and numbers the rest anew. Tells whether it did: then
    /// the next frame must define everything.
    pub fn compact(&mut self, n_frames: u32) -> bool {
        let oldest = self.frame.saturating_sub(n_frames);
        self.by_text.retain(|_, known| known.seen >= oldest);
        if self.seen.iter().all(|seen| *seen >= oldest) {
            return false;
        }
        let mut n_kept = 0;
        let number = |seen: &u32| {
            let is_kept = *seen >= oldest;
            n_kept += u32::from(is_kept);
            if is_kept { n_kept - 1 } else { LEFT_OUT }
        };
        let numbers: Vec<u32> = self.seen.iter().map(number).collect();
        retain_numbered(&mut self.series, &numbers);
        retain_numbered(&mut self.seen, &numbers);
        self.by_labels.retain(|_, number| {
            number.0 = numbers[number.0 as usize];
            number.0 != LEFT_OUT
        });
        self.by_text.retain(|_, known| {
            if known.series == LEFT_OUT {
                return true;
            }
            known.series = numbers[known.series as usize];
            known.series != LEFT_OUT
        });
        true
    }
}

fn retain_numbered<T>(items: &mut Vec<T>, numbers: &[u32]) {
    let mut numbers = numbers.iter();
    items.retain(|_| numbers.next().is_some_and(|number| *number != LEFT_OUT));
    items.shrink_to_fit();
}

/// Labels and kind: a series that changes its kind is another one.
fn identity(series: &Series) -> u128 {
    series.labels.id().as_u128() ^ ((series.kind as u128) << 64)
}

#[cfg(test)]
mod tests {
    use sentinel_model::Labels;

    use super::*;

    fn series(name: &str) -> Series {
        Series {
            labels: Labels::from_pairs([("__name__", name)]).expect("one label"),
            kind: MetricKind::Gauge,
        }
    }

    fn raw(text: &str) -> RawSeries<'_> {
        RawSeries { text, kind: MetricKind::Gauge }
    }

    fn number(resolved: Resolved) -> u32 {
        match resolved {
            Resolved::Series(series) => series.0,
            other => panic!("{other:?} is no series"),
        }
    }

    #[test]
    fn asks_for_the_labels_of_a_text_once() {
        let mut table = SeriesTable::new(10);
        let mut added = table.begin();
        assert_eq!(number(table.resolve_text(raw("a"), &mut added, || Some(series("a")))), 0);
        let again = table.resolve_text(raw("a"), &mut added, || panic!("it is known"));
        assert_eq!(number(again), 0);
        assert_eq!(table.resolve_text(raw("x"), &mut added, || None), Resolved::LeftOut);
        assert_eq!(table.resolve_text(raw("x"), &mut added, || panic!("it is known")), Resolved::LeftOut);
        let other_text = table.resolve_text(raw("a{}"), &mut added, || Some(series("a")));
        assert_eq!(number(other_text), 0, "two texts of one series share its number");
        let other_kind = RawSeries { kind: MetricKind::Counter, ..raw("a") };
        let counter = Series { kind: MetricKind::Counter, ..series("a") };
        assert_eq!(number(table.resolve_text(other_kind, &mut added, || Some(counter))), 1);
    }

    #[test]
    fn a_frame_that_never_leaves_leaves_no_trace() {
        let mut table = SeriesTable::new(10);
        let mut added = table.begin();
        table.resolve_text(raw("a"), &mut added, || Some(series("a")));
        table.end_frame();
        let mut added = table.begin();
        table.resolve_text(raw("b"), &mut added, || Some(series("b")));
        table.resolve(&series("c"));
        table.undo(&added);
        assert_eq!(table.series(), [series("a")]);
        let mut added = table.begin();
        assert_eq!(number(table.resolve_text(raw("b"), &mut added, || Some(series("b")))), 1);
    }

    #[test]
    fn drops_what_is_no_longer_used_and_renumbers_the_rest() {
        let mut table = SeriesTable::new(10);
        for frame in 0..6 {
            let mut added = table.begin();
            for name in ["old", "a", "b"].into_iter().skip(usize::from(frame > 1)) {
                let resolved = table.resolve_text(raw(name), &mut added, || Some(series(name)));
                table.note_use(SeriesRef(number(resolved)));
            }
            table.end_frame();
        }
        assert!(!table.compact(5), "used within the last five frames");
        assert!(table.compact(3));
        assert_eq!(table.series(), [series("a"), series("b")]);
        let mut added = table.begin();
        assert_eq!(number(table.resolve_text(raw("b"), &mut added, || panic!("it is known"))), 1);
        assert_eq!(number(table.resolve(&series("a"))), 0);
        assert_eq!(number(table.resolve_text(raw("old"), &mut added, || Some(series("old")))), 2);
    }

    #[test]
    fn takes_no_more_series_than_it_may() {
        let mut table = SeriesTable::new(2);
        let mut added = table.begin();
        for name in ["a", "b"] {
            table.resolve_text(raw(name), &mut added, || Some(series(name)));
        }
        assert_eq!(table.resolve_text(raw("c"), &mut added, || Some(series("c"))), Resolved::Full);
        assert_eq!(number(table.resolve_text(raw("a"), &mut added, || panic!("it is known"))), 0);
    }
}
