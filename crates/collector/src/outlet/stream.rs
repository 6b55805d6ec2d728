//! One target's stream of frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use sentinel_bus::{Outgoing, Record, Route};
use sentinel_model::{FrameKind, Point, Series, SeriesRef, StreamKey, Timestamp, Topic};
use sentinel_proto::{EncoderConfig, MetricEncoder, Scrape};

use super::entry::Entry;
use super::progress::Hold;
use super::series_table::{Added, RawSeries, Resolved, SeriesTable};
use super::{Outlet, OutletError, TargetKind};

/// Owns the encoder and the table of series of one target.
pub struct TargetStream {
    outlet: Outlet,
    target: Arc<str>,
    kind: TargetKind,
    key: Bytes,
    encoder: MetricEncoder,
    key_interval: u32,
    frames_since_key: u32,
    /// A frame of this stream may be missing on the bus: set by whoever lost it.
    is_broken: Arc<AtomicBool>,
    /// Losses of the outlet that the stream knows of.
    n_losses: u64,
    table: SeriesTable,
    /// Kept from frame to frame for its memory.
    points: Vec<Point>,
    /// Index of the last point of a series in `points`, by series, valid if that point is the series'.
    last_point: Vec<u32>,
}

/// Samples of one scrape. Dropping it without publishing leaves no trace.
pub struct FrameBuilder<'a> {
    stream: &'a mut TargetStream,
    hold: Option<Hold>,
    scraped: Timestamp,
    added: Added,
    n_duplicates: u64,
    n_over_limit: u64,
    n_left_out: usize,
}

/// An encoded frame on its way. Frames of a stream must be published in the order of their encoding.
#[must_use]
pub struct PendingFrame {
    outlet: Outlet,
    entry: Option<Entry>,
    hold: Option<Hold>,
    is_broken: Arc<AtomicBool>,
}

// === impl TargetStream ===

impl TargetStream {
    pub(super) fn new(outlet: Outlet, target: &str, kind: TargetKind) -> Self {
        let (cluster, collector) = outlet.identity();
        let key = Bytes::from(format!("{cluster}/{target}"));
        let target: Arc<str> = target.into();
        let stream = StreamKey { cluster, collector, target: Arc::clone(&target) };
        let config = EncoderConfig::default();
        Self {
            encoder: MetricEncoder::new(stream, outlet.next_epoch(), config),
            key_interval: config.key_interval,
            frames_since_key: 0,
            is_broken: Arc::default(),
            n_losses: outlet.n_losses(),
            table: SeriesTable::new(outlet.series_per_target()),
            points: Vec::new(),
            last_point: Vec::new(),
            outlet,
            target,
            kind,
            key,
        }
    }

    pub fn target(&self) -> &str {
        &self.target
    }

    pub const fn kind(&self) -> TargetKind {
        self.kind
    }

    /// Series that the stream keeps numbers for.
    pub fn n_series(&self) -> usize {
        self.table.series().len()
    }

    /// Begins the frame of a scrape that started at `scraped`. Until the frame is queued or dropped, the
    /// collector promises no progress beyond that; a fetch before this call needs [`Outlet::hold`].
    pub fn begin(&mut self, scraped: Timestamp) -> FrameBuilder<'_> {
        // The frame before a key frame is the time to drop series: everything is defined anew anyway.
        let is_key_next = self.frames_since_key + 1 >= self.key_interval;
        if is_key_next && self.table.compact(self.key_interval) {
            self.encoder.force_key();
            self.last_point = Vec::new();
        }
        self.points.clear();
        FrameBuilder {
            hold: Some(self.outlet.hold_at(scraped)),
            scraped,
            added: self.table.begin(),
            n_duplicates: 0,
            n_over_limit: 0,
            n_left_out: 0,
            stream: self,
        }
    }

    /// Call when what texts resolve to has changed (a pod got its workload): each text is resolved anew.
    pub fn forget_texts(&mut self) {
        self.table.forget_texts();
    }

    /// Adds a point, unless the frame has one of the same series and time.
    #[inline]
    fn add(&mut self, series: SeriesRef, timestamp: Timestamp, value: f64) -> bool {
        let index = series.0 as usize;
        if self.last_point.len() <= index {
            self.last_point.resize(self.table.series().len().max(index + 1), u32::MAX);
        }
        let last = self.points.get(self.last_point[index] as usize);
        if last.is_some_and(|point| point.series == series && point.timestamp == timestamp) {
            return false;
        }
        self.last_point[index] = self.points.len() as u32;
        self.table.note_use(series);
        self.points.push(Point { series, timestamp, value });
        true
    }
}

// === impl FrameBuilder ===

impl FrameBuilder<'_> {
    /// Adds a sample of a series given as text; `resolve` is asked only when the text is new and may
    /// answer `None` for a series to leave out (remembered too). Returns whether the sample was taken: not
    /// if it was left out, repeats a sample of this frame, or its series is beyond the target's limit.
    #[inline]
    pub fn text_sample(
        &mut self,
        raw: RawSeries<'_>,
        resolve: impl FnOnce() -> Option<Series>,
        timestamp: Timestamp,
        value: f64,
    ) -> bool {
        let resolved = self.stream.table.resolve_text(raw, &mut self.added, resolve);
        self.add(resolved, timestamp, value)
    }

    /// Adds a sample of a series whose labels are at hand.
    pub fn sample(&mut self, series: &Series, timestamp: Timestamp, value: f64) -> bool {
        let resolved = self.stream.table.resolve(series);
        self.add(resolved, timestamp, value)
    }

    #[inline]
    fn add(&mut self, resolved: Resolved, timestamp: Timestamp, value: f64) -> bool {
        match resolved {
            Resolved::Series(series) => {
                let is_new = self.stream.add(series, timestamp, value);
                self.n_duplicates += u64::from(!is_new);
                is_new
            }
            Resolved::LeftOut => {
                self.n_left_out += 1;
                false
            }
            Resolved::Full => {
                self.n_over_limit += 1;
                false
            }
        }
    }

    pub const fn scraped(&self) -> Timestamp {
        self.scraped
    }

    /// Samples in the frame.
    pub fn n_samples(&self) -> usize {
        self.stream.points.len()
    }

    /// Samples whose series are left out.
    pub const fn n_left_out(&self) -> usize {
        self.n_left_out
    }

    /// Series that this frame adds to the stream.
    pub fn n_series_added(&self) -> usize {
        self.stream.table.series().len() - self.added.n_series_before()
    }

    /// Encodes the frame (heavy for large scrapes: do it off the async threads).
    pub fn encode(mut self) -> PendingFrame {
        let hold = self.hold.take();
        let stream = &mut *self.stream;
        let n_losses = stream.outlet.n_losses();
        let is_lost = stream.is_broken.swap(false, Ordering::AcqRel) || n_losses != stream.n_losses;
        if is_lost {
            stream.encoder.force_key();
            stream.n_losses = n_losses;
        }
        let scrape = Scrape {
            scraped: self.scraped,
            progress: stream.outlet.promise(),
            series: stream.table.series(),
            points: &stream.points,
        };
        let encoded = stream.encoder.encode(&scrape);
        stream.frames_since_key =
            if encoded.frame == FrameKind::Key { 0 } else { stream.frames_since_key + 1 };
        stream.table.end_frame();
        let n_samples = stream.points.len() - encoded.n_dropped;
        let record = Record {
            key: stream.key.clone(),
            value: encoded.bytes,
            headers: Vec::new(),
            timestamp: self.scraped,
        };
        let outgoing = Outgoing { topic: Topic::Metrics, route: Route::ByKey, record };
        let metrics = stream.outlet.metrics();
        metrics.samples.inc_by(n_samples as u64);
        metrics.frames.inc();
        metrics.frame_bytes.inc_by(outgoing.record.value.len() as u64);
        metrics.drop_samples("duplicate_in_scrape", self.n_duplicates);
        metrics.drop_samples("series_limit", self.n_over_limit);
        metrics.drop_samples("frame_limit", encoded.n_dropped as u64);
        PendingFrame {
            outlet: stream.outlet.clone(),
            entry: Some(Entry { outgoing, n_samples: n_samples as u32 }),
            hold,
            is_broken: Arc::clone(&stream.is_broken),
        }
    }

    /// Encodes and waits until the frame survives a crash.
    ///
    /// # Errors
    /// The outlet is closed, or its policy dropped the frame.
    pub async fn publish(self) -> Result<(), OutletError> {
        self.encode().publish().await
    }
}

impl Drop for FrameBuilder<'_> {
    fn drop(&mut self) {
        // Still holding means that it was never encoded.
        if self.hold.is_some() {
            self.stream.table.undo(&self.added);
        }
    }
}

// === impl PendingFrame ===

impl PendingFrame {
    pub fn n_samples(&self) -> usize {
        self.entry.as_ref().map_or(0, |entry| entry.n_samples as usize)
    }

    /// Waits until the frame survives a crash.
    ///
    /// # Errors
    /// As [`FrameBuilder::publish`].
    pub async fn publish(mut self) -> Result<(), OutletError> {
        let Some(entry) = self.entry.clone() else { return Ok(()) };
        let queued = self.outlet.queue(vec![entry]).await?;
        self.entry = None;
        self.hold = None;
        queued.acknowledged().await
    }
}

impl Drop for PendingFrame {
    fn drop(&mut self) {
        // A frame that never reached the queue leaves a hole: what follows must not build on it.
        if self.entry.is_some() {
            self.is_broken.store(true, Ordering::Release);
        }
    }
}
