//! Spans of time that chunks cover, and windows counted from their start.

use std::time::Duration;

use sentinel_model::{Resolution, Timestamp, Window};

/// One span of one resolution. Ordered by resolution, then time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span {
    pub(crate) resolution: Resolution,
    pub(crate) start_ms: i64,
}

/// How many windows a span has: the same for all resolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    windows: u32,
}

impl Grid {
    pub(crate) const fn new(windows: u32) -> Self {
        Self { windows }
    }

    pub(crate) const fn windows(self) -> u32 {
        self.windows
    }

    pub(crate) const fn span_ms(self, resolution: Resolution) -> i64 {
        resolution.as_millis() * self.windows as i64
    }

    /// The span that holds a window, and which of its windows it is.
    pub(crate) fn place(self, window: Window) -> (Span, u32) {
        let resolution = window.resolution;
        let start_ms = window.start.floor(self.span_ms(resolution)).as_millis();
        let offset_ms = window.start.as_millis().saturating_sub(start_ms);
        (Span { resolution, start_ms }, (offset_ms / resolution.as_millis()) as u32)
    }

    pub(crate) const fn start_of(span: Span, window: u32) -> Timestamp {
        Timestamp::from_millis(span.start_ms)
            .saturating_add_millis(span.resolution.as_millis() * window as i64)
    }

    pub(crate) const fn end_ms(self, span: Span) -> i64 {
        span.start_ms.saturating_add(self.span_ms(span.resolution))
    }

    /// Start of the first span of which something is kept.
    pub(crate) fn first_kept(self, resolution: Resolution, cutoff: Timestamp) -> i64 {
        cutoff.floor(self.span_ms(resolution)).as_millis()
    }
}

/// Windows that start before this are not kept.
pub(crate) fn cutoff(reference: Timestamp, retention: Duration) -> Timestamp {
    reference.saturating_sub_millis(i64::try_from(retention.as_millis()).unwrap_or(i64::MAX))
}

/// Place of a resolution in arrays.
pub(crate) const fn index_of(resolution: Resolution) -> usize {
    match resolution {
        Resolution::TenSeconds => 0,
        Resolution::OneMinute => 1,
        Resolution::FiveMinutes => 2,
        Resolution::OneHour => 3,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_window_is_found_again_from_its_place(millis: i64, at in 0usize..4, windows in 8u32..4096) {
            let grid = Grid::new(windows);
            let window = Window::holding(Timestamp::from_millis(millis), Resolution::ALL[at]);
            let (span, place) = grid.place(window);
            prop_assert!(place < windows);
            prop_assert_eq!(index_of(span.resolution), at);
            prop_assert_eq!(Grid::start_of(span, place), window.start);
        }
    }
}
