//! What the store holds.

use fjall::Snapshot;
use sentinel_model::Resolution;

use super::core::Core;
use super::read::Opened;
use super::span::{Grid, Span};
use crate::{MetricStoreError, MetricStoreStats, ResolutionStats};

/// Windows of one series in the head that may be in a chunk as well.
struct Doubtful {
    span: Span,
    number: u32,
    windows: Vec<u32>,
}

impl Core {
    pub(crate) fn stats(&self) -> Result<MetricStoreStats, MetricStoreError> {
        // While rows are moved they are counted nowhere or twice.
        let _maintenance = self.maintenance.lock();
        let state = self.state.read();
        let mut stats = MetricStoreStats {
            n_series: state.index.len(),
            series_limit: self.config.series_limit,
            resolutions: Vec::new(),
            head_bytes: state.head.bytes() as u64,
        };
        let mut doubtful = Vec::new();
        for resolution in Resolution::ALL {
            let mut of = ResolutionStats {
                disk_bytes: self.storage.chunks(resolution).disk_space(),
                ..ResolutionStats::default()
            };
            for (span, info) in state.sealed.iter().filter(|(span, _)| span.resolution == resolution) {
                of.n_windows += info.n_rows;
                of.oldest = of.oldest.or(Some(Grid::start_of(*span, info.oldest_window)));
            }
            for span in state.head.spans(resolution) {
                let sealed = state.sealed.get(&span);
                let oldest = state.head.oldest_window(span).map(|window| Grid::start_of(span, window));
                of.oldest = [of.oldest, oldest].into_iter().flatten().min();
                for number in state.head.numbers(span) {
                    let rows = state.head.rows(span, number);
                    of.n_windows += rows.len() as u64;
                    let windows: Vec<u32> = rows
                        .into_iter()
                        .map(|(window, _)| window)
                        .filter(|window| sealed.is_some_and(|sealed| *window <= sealed.newest_window))
                        .collect();
                    if !windows.is_empty() {
                        doubtful.push(Doubtful { span, number, windows });
                    }
                }
            }
            stats.resolutions.push((resolution, of));
        }
        let snapshot = self.storage.database().snapshot();
        drop(state);
        self.subtract_doubles(&snapshot, &doubtful, &mut stats)?;
        Ok(stats)
    }

    fn subtract_doubles(
        &self,
        snapshot: &Snapshot,
        doubtful: &[Doubtful],
        stats: &mut MetricStoreStats,
    ) -> Result<(), MetricStoreError> {
        let mut opened = Opened::default();
        for Doubtful { span, number, windows } in doubtful {
            let Some(chunk) = self.chunk(snapshot, &mut opened, *span, *number)? else { continue };
            let Ok(at) = chunk.numbers().binary_search(number) else { continue };
            let n_double = chunk.windows(at).filter(|window| windows.binary_search(window).is_ok()).count();
            for (resolution, of) in &mut stats.resolutions {
                if *resolution == span.resolution {
                    of.n_windows -= n_double as u64;
                }
            }
        }
        Ok(())
    }
}
