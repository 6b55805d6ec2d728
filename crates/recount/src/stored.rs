//! Windows that follow from the samples, against those that were published and those in the store.

use sentinel_bus::Delivered;
use sentinel_metric_store::{MetricStoreError, RangeQuery, SeriesPoints, TimeRange};
use sentinel_model::{Resolution, Selector, Timestamp};
use sentinel_proto::RollupDecoder;

use crate::books::{Books, Progress, RecountError};
use crate::finals::Finals;
use crate::frames::Frames;
use crate::letters::Letters;
use crate::mailbox::place;
use crate::report::{FindingKind, Report, Step};
use crate::samples::{Entry, Slice, Table, told};
use crate::window::{FIELDS, Values, WIDTHS, is_same};

/// Series and points that one question may bring.
const MAX_SERIES: usize = 2_000_000;
const MAX_POINTS: usize = 8_000_000;

/// What decides whether a window can be judged.
struct Judge<'a> {
    frames: &'a Frames,
    finals: &'a Finals,
    letters: &'a Letters,
    /// Start of the oldest window in the store, by width.
    oldest: [Option<Timestamp>; 2],
}

impl Judge<'_> {
    /// # Errors
    /// Why a window of a partition cannot be judged.
    fn judge(&self, partition: u32, width: usize, start: Timestamp) -> Result<(), &'static str> {
        let end = start.saturating_add_millis(WIDTHS[width].as_millis());
        let readable = self.frames.readable_from.get(partition as usize).copied().unwrap_or(Timestamp::MIN);
        if start < readable {
            return Err("the bus does not hold all of its samples any more");
        }
        match self.finals.until(partition, WIDTHS[width]) {
            Some(until) if end <= until => {}
            _ => return Err("windows are still open, or wait to be stored"),
        }
        if self.oldest[width].is_some_and(|oldest| start < oldest) {
            return Err("they are older than the oldest window of this width in the store");
        }
        Ok(())
    }

    fn judge_all(&self, width: usize, start: Timestamp) -> bool {
        let mut partitions = 0..self.frames.topics.offsets.len() as u32;
        partitions.all(|partition| {
            let is_silent = self.frames.topics.offsets[partition as usize].next == 0;
            is_silent || self.judge(partition, width, start).is_ok()
        })
    }
}

pub(crate) async fn compare(
    books: &Books,
    (slice, table): (Slice, &mut Table),
    (frames, letters, finals): (&Frames, &Letters, &Finals),
    (progress, report): (&Progress, &mut Report),
) -> Result<(), RecountError> {
    published(books, (slice, table), finals, (progress, report)).await?;
    let stats = books.metrics.stats().await?;
    let oldest = WIDTHS.map(|width| {
        let found = stats.resolutions.iter().find(|(resolution, _)| *resolution == width);
        found.and_then(|(_, stats)| stats.oldest)
    });
    let judge = Judge { frames, finals, letters, oldest };
    for (width, resolution) in WIDTHS.into_iter().enumerate() {
        for field in 0..FIELDS.len() {
            progress.check()?;
            match question(books, slice, resolution, field).await {
                Ok(answer) => stored(&answer, (width, field), (slice, table), &judge, report),
                Err(RecountError::Metrics(
                    error @ (MetricStoreError::TooManySeries { .. } | MetricStoreError::TooManyPoints { .. }),
                )) => {
                    report.leave_out(Step::Windows, told(slice.span), error.to_string());
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        missing(width, table, &judge, report);
    }
    Ok(())
}

async fn question(
    books: &Books,
    slice: Slice,
    width: Resolution,
    field: usize,
) -> Result<Vec<SeriesPoints>, RecountError> {
    let query = RangeQuery {
        selector: Selector::default(),
        range: TimeRange { start: slice.span.from, end: slice.span.to },
        resolution: width,
        field: FIELDS[field],
        max_series: MAX_SERIES,
        max_points: MAX_POINTS,
    };
    Ok(books.metrics.range(&query).await?)
}

/// What lies on the topic of closed windows, as far as that reaches.
async fn published(
    books: &Books,
    (slice, table): (Slice, &mut Table),
    finals: &Finals,
    (progress, report): (&Progress, &mut Report),
) -> Result<(), RecountError> {
    let mut decoders: Vec<RollupDecoder> = Vec::new();
    decoders.resize_with(finals.topics.offsets.len(), RollupDecoder::new);
    let take = |record: &Delivered| {
        let decoder = &mut decoders[record.position.at.partition as usize];
        let Ok(batch) = decoder.decode(&record.record.value) else { return };
        let width = WIDTHS.iter().position(|width| *width == batch.window.resolution);
        let Some(width) = width.filter(|_| batch.is_final && slice.span.holds(batch.window.start)) else {
            return;
        };
        let series = decoder.series(&batch.stream);
        for rollup in &batch.rollups {
            let Some(series) = series.get(rollup.series.0 as usize) else { continue };
            let Some((index, Some(window))) = table.find(&series.labels, width, batch.window.start) else {
                continue;
            };
            let entry = &mut table.entries[index];
            let window = &mut entry.windows[width][window];
            let Some(found) = Values::of(&rollup.aggregate).filter(|_| !entry.is_contested) else { continue };
            report.totals.n_values += FIELDS.len() as u64;
            if let Some(field) = window.values.difference(&found).filter(|_| !window.is_told) {
                window.is_told = true;
                let (expected, found) = (window.values.get(field), found.get(field));
                let detail = difference(width, window.start, field, (expected, found));
                let detail = format!("{detail} as published at {}", place(record));
                report.find(FindingKind::WindowDiffers, series.labels.to_string(), detail);
            }
            match window.published.replace(batch.epoch) {
                Some(epoch) if epoch == batch.epoch => {
                    let detail =
                        format!("{} was published again at {}", named(width, window.start), place(record));
                    report.find(FindingKind::WindowDouble, series.labels.to_string(), detail);
                }
                Some(_) => report.totals.n_republished += 1,
                None => {}
            }
        }
    };
    finals.topics.read(&*books.bus, progress, take).await
}

/// One field of all windows in the store.
fn stored(
    answer: &[SeriesPoints],
    (width, field): (usize, usize),
    (slice, table): (Slice, &mut Table),
    judge: &Judge<'_>,
    report: &mut Report,
) {
    for SeriesPoints { series, points } in answer {
        for (start, found) in points {
            let Some((index, Some(window))) = table.find(&series.labels, width, *start) else {
                let is_judged = field == 0 && slice.one_in == 1 && is_whole(slice, width, *start);
                if is_judged && judge.judge_all(width, *start) {
                    let detail = format!(
                        "{} is stored with {found} samples; the bus holds none",
                        named(width, *start)
                    );
                    report.find(FindingKind::WindowUnexpected, series.labels.to_string(), detail);
                }
                continue;
            };
            let entry = &mut table.entries[index];
            let (partition, is_contested) = (entry.partition, entry.is_contested);
            let window = &mut entry.windows[width][window];
            window.is_stored = true;
            if is_contested || judge.judge(partition, width, *start).is_err() {
                continue;
            }
            report.totals.n_values += 1;
            let expected = window.values.get(field);
            if !is_same(expected, *found) && !window.is_told {
                window.is_told = true;
                let detail = format!("{} in the store", difference(width, *start, field, (expected, *found)));
                report.find(FindingKind::WindowDiffers, series.labels.to_string(), detail);
            }
        }
    }
}

/// Windows that the span does not cut.
fn is_whole(slice: Slice, width: usize, start: Timestamp) -> bool {
    start >= slice.whole.from && start.saturating_add_millis(WIDTHS[width].as_millis()) <= slice.whole.to
}

fn missing(width: usize, table: &mut Table, judge: &Judge<'_>, report: &mut Report) {
    for entry in table.entries.iter().filter(|entry| !entry.is_contested) {
        let Entry { series, id, partition, .. } = entry;
        for window in &entry.windows[width] {
            if let Err(reason) = judge.judge(*partition, width, window.start) {
                let what = format!("windows of {} of partition {partition}", WIDTHS[width].as_str());
                report.leave_out(Step::Windows, what, reason);
                continue;
            }
            report.totals.n_windows += 1;
            if window.is_stored || judge.letters.has_window(*id, WIDTHS[width], window.start) {
                continue;
            }
            let way = match window.published {
                Some(_) => "it was published, and the store does not have it",
                None => "it is neither published (any more) nor stored",
            };
            let count = window.values.count;
            let detail = format!("{} of {count} samples: {way}", named(width, window.start));
            report.find(FindingKind::WindowMissing, series.labels.to_string(), detail);
        }
    }
}

/// `the window of 10s that starts at 1795255200000`
fn named(width: usize, start: Timestamp) -> String {
    format!("the window of {} that starts at {start}", WIDTHS[width].as_str())
}

fn difference(width: usize, start: Timestamp, field: usize, (expected, found): (f64, f64)) -> String {
    const NAMES: [&str; 5] = ["count", "sum", "min", "max", "last"];
    format!("{}: {} is {found} instead of {expected}", named(width, start), NAMES[field])
}
