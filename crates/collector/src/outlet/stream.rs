//! One target's stream of frames.

use sentinel_model::{Point, Series, Timestamp};

use super::{Outlet, OutletError, RawSeries, TargetKind};

/// Owns the encoder and the table of series of one target.
pub struct TargetStream {
    outlet: Outlet,
    target: String,
    kind: TargetKind,
}

/// Samples of one scrape. Dropping it without publishing leaves no trace.
pub struct FrameBuilder<'a> {
    stream: &'a mut TargetStream,
    scraped: Timestamp,
    points: Vec<Point>,
}

/// An encoded frame on its way; must be published in the order of encoding.
pub struct PendingFrame {
    n_samples: usize,
}

impl TargetStream {
    pub(super) fn new(outlet: Outlet, target: &str, kind: TargetKind) -> Self {
        Self { outlet, target: target.to_owned(), kind }
    }

    pub fn target(&self) -> &str {
        &self.target
    }

    pub const fn kind(&self) -> TargetKind {
        self.kind
    }

    /// Begins the frame of a scrape that started at `scraped`.
    pub fn begin(&mut self, scraped: Timestamp) -> FrameBuilder<'_> {
        FrameBuilder { stream: self, scraped, points: Vec::new() }
    }

    /// Call when what texts resolve to has changed (a pod got its workload): each text is resolved anew.
    pub fn forget_texts(&mut self) {}
}

impl FrameBuilder<'_> {
    /// Adds a sample of a series given as text; `resolve` is asked only when the text is new and may
    /// answer `None` for a series to leave out (remembered too). Returns whether the sample was taken.
    pub fn text_sample(
        &mut self,
        raw: RawSeries<'_>,
        resolve: impl FnOnce() -> Option<Series>,
        timestamp: Timestamp,
        value: f64,
    ) -> bool {
        let _ = (raw, resolve, timestamp, value);
        true
    }

    /// Adds a sample of a series whose labels are at hand.
    pub fn sample(&mut self, series: &Series, timestamp: Timestamp, value: f64) {
        let _ = (series, timestamp, value);
    }

    pub const fn scraped(&self) -> Timestamp {
        self.scraped
    }

    pub fn n_samples(&self) -> usize {
        self.points.len()
    }

    /// Encodes the frame (heavy for large scrapes: do it off the async threads).
    #[must_use]
    pub fn encode(self) -> PendingFrame {
        PendingFrame { n_samples: self.points.len() }
    }

    /// Encodes and waits until the frame survives a crash.
    ///
    /// # Errors
    /// The outlet is closed, or its policy dropped the frame.
    pub async fn publish(self) -> Result<(), OutletError> {
        let _ = &self.stream.outlet;
        self.encode().publish().await
    }
}

impl PendingFrame {
    pub const fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// # Errors
    /// As [`FrameBuilder::publish`].
    pub async fn publish(self) -> Result<(), OutletError> {
        Ok(())
    }
}
