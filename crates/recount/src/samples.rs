//! Samples of the bus, put into windows anew, slice by slice of time, and compared with what was published and
//! stored.

use ahash::AHashMap;
use sentinel_bus::Delivered;
use sentinel_model::{FrameKind, Labels, MetricBatch, Resolution, Series, SeriesId, StreamKey, Timestamp};
use sentinel_proto::MetricDecoder;

use crate::books::{Books, Progress, RecountError, Span};
use crate::finals::Finals;
use crate::frames::{Frames, MINUTE_MS};
use crate::letters::Letters;
use crate::report::{FindingKind, Report, Step};
use crate::rules::{self, Rule};
use crate::stored;
use crate::window::{Values, WIDTHS, windows_of};

/// Samples that are held at a time: about 50 MB with the windows that follow from them.
const MAX_SAMPLES: u64 = 500_000;
/// The bus is read once for each slice.
const MAX_SLICES: usize = 256;

/// A part of the span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) span: Span,
    /// Of the whole recount.
    pub(crate) whole: Span,
    /// One series in so many is looked at.
    pub(crate) one_in: u128,
}

/// One window of one series.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) start: Timestamp,
    pub(crate) values: Values,
    /// Epoch of the owner that published it.
    pub(crate) published: Option<u64>,
    pub(crate) is_stored: bool,
    pub(crate) is_told: bool,
}

/// One series with its samples in the slice, and then with its windows.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) series: Series,
    pub(crate) id: SeriesId,
    pub(crate) partition: u32,
    /// Samples came in another partition too.
    pub(crate) is_contested: bool,
    widths: Vec<Resolution>,
    samples: Vec<(i64, f64)>,
    /// For each of [`WIDTHS`], in order of time.
    pub(crate) windows: [Vec<Window>; 2],
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    pub(crate) by_labels: AHashMap<Labels, u32>,
}

/// A number of a stream: what it stands for, and its entry once it has a sample in the slice.
struct Slot {
    known: Option<(Series, Vec<Resolution>)>,
    entry: Option<u32>,
}

struct Reading<'a> {
    slice: Slice,
    rules: &'a [Rule],
    letters: &'a Letters,
    read_until: &'a [u64],
    decoders: Vec<MetricDecoder>,
    streams: AHashMap<StreamKey, Vec<Slot>>,
    table: Table,
    n_waiting: u64,
}

pub(crate) async fn compare(
    books: &Books,
    span: Span,
    (frames, letters, finals): (&Frames, &Letters, &Finals),
    (progress, report): (&Progress, &mut Report),
) -> Result<(), RecountError> {
    let (slices, left_out) = slices(span, frames);
    if let Some(left_out) = left_out {
        let reason = format!(
            "the span holds more samples than {MAX_SLICES} readings of the bus can hold; ask for a shorter one"
        );
        report.leave_out(Step::Windows, told(left_out), reason);
    }
    let n_records = frames.topics.n_records() + finals.topics.n_records();
    progress.begin(Step::Windows, n_records * slices.len() as u64);
    for slice in slices {
        let mut reading = Reading {
            slice,
            rules: &books.rules,
            letters,
            read_until: &frames.read_until,
            decoders: Vec::new(),
            streams: AHashMap::new(),
            table: Table::default(),
            n_waiting: 0,
        };
        reading.decoders.resize_with(frames.topics.offsets.len(), MetricDecoder::new);
        frames.topics.read(&*books.bus, progress, |record| reading.take(record)).await?;
        if reading.n_waiting > 0 {
            report.leave_out(Step::Windows, "samples", "they wait to be read by the processor");
        }
        let mut table = reading.table;
        table.close(span);
        report.totals.n_series_checked = report.totals.n_series_checked.max(table.entries.len() as u64);
        let n_series = table.entries.len() as u64 * u64::try_from(slice.one_in).unwrap_or(u64::MAX);
        report.totals.n_series = report.totals.n_series.max(n_series);
        if slice.one_in > 1 {
            let reason = format!(
                "one series in {} was looked at: there are too many samples in a minute",
                slice.one_in
            );
            report.leave_out(Step::Windows, told(slice.span), reason);
        }
        for entry in table.entries.iter().filter(|entry| entry.is_contested) {
            let detail = format!(
                "its samples come in partition {} and in another: the store keeps one of two windows",
                entry.partition
            );
            report.find(FindingKind::WindowDouble, entry.series.labels.to_string(), detail);
        }
        stored::compare(books, (slice, &mut table), (frames, letters, finals), (progress, report)).await?;
    }
    Ok(())
}

/// `from` to `to`, as people give them to the command.
pub(crate) fn told(span: Span) -> String {
    format!("{} to {} (ms)", span.from, span.to)
}

/// Slices of whole minutes that hold few enough samples, and what of the span is beyond them.
fn slices(span: Span, frames: &Frames) -> (Vec<Slice>, Option<Span>) {
    let mut slices: Vec<Slice> = Vec::new();
    let mut n_samples = 0;
    for (minute, n) in &frames.samples {
        let start = Timestamp::from_millis(*minute);
        let end = start.saturating_add_millis(MINUTE_MS);
        let n_slices = slices.len();
        match slices.last_mut() {
            Some(slice) if n_samples + n <= MAX_SAMPLES => {
                slice.span.to = end;
                n_samples += n;
            }
            _ if n_slices == MAX_SLICES => {
                return (slices, Some(Span { from: start, to: span.to }));
            }
            _ => {
                let one_in = u128::from(n.div_ceil(MAX_SAMPLES).max(1));
                slices.push(Slice { span: Span { from: start, to: end }, whole: span, one_in });
                n_samples = *n;
            }
        }
    }
    (slices, None)
}

impl Reading<'_> {
    fn take(&mut self, record: &Delivered) {
        let position = record.position;
        let Ok(batch) = self.decoders[position.at.partition as usize].decode(&record.record.value) else {
            return;
        };
        if batch.frame == FrameKind::Punctuation {
            return;
        }
        self.define(&batch);
        let read_until = self.read_until.get(position.at.partition as usize).copied().unwrap_or(0);
        if position.offset >= read_until {
            self.n_waiting +=
                batch.points.iter().filter(|point| self.slice.span.holds(point.timestamp)).count() as u64;
            return;
        }
        let Some(slots) = self.streams.get_mut(&batch.stream) else { return };
        let taken_out = self.letters.samples_of(position.at.partition, position.offset);
        for point in batch.points.iter().filter(|point| self.slice.span.holds(point.timestamp)) {
            let Some(slot) = slots.get_mut(point.series.0 as usize) else { continue };
            let Some((series, widths)) = &slot.known else { continue };
            let index = match slot.entry {
                Some(index) => index,
                None => self.table.place(series, widths, position.at.partition),
            };
            slot.entry = Some(index);
            let entry = &mut self.table.entries[index as usize];
            entry.is_contested |= entry.partition != position.at.partition;
            if taken_out.is_none_or(|taken_out| !taken_out.contains(&(entry.id, point.timestamp))) {
                entry.samples.push((point.timestamp.as_millis(), point.value));
            }
        }
    }

    fn define(&mut self, batch: &MetricBatch) {
        if batch.defined.is_empty() && batch.frame != FrameKind::Key {
            return;
        }
        let slots = self.streams.entry(batch.stream.clone()).or_default();
        if batch.frame == FrameKind::Key {
            slots.clear();
        }
        for (reference, series) in &batch.defined {
            let index = reference.0 as usize;
            if slots.len() <= index {
                slots.resize_with(index + 1, || Slot { known: None, entry: None });
            }
            let known = rules::apply(self.rules, series.clone());
            let is_chosen = |(series, _): &(Series, Vec<Resolution>)| {
                self.slice.one_in == 1 || series.labels.id().as_u128().is_multiple_of(self.slice.one_in)
            };
            slots[index] = Slot { known: known.filter(is_chosen), entry: None };
        }
    }
}

impl Table {
    fn place(&mut self, series: &Series, widths: &[Resolution], partition: u32) -> u32 {
        if let Some(index) = self.by_labels.get(&series.labels) {
            return *index;
        }
        let index = self.entries.len() as u32;
        self.by_labels.insert(series.labels.clone(), index);
        self.entries.push(Entry {
            series: series.clone(),
            id: series.labels.id(),
            partition,
            is_contested: false,
            widths: widths.to_vec(),
            samples: Vec::new(),
            windows: [Vec::new(), Vec::new()],
        });
        index
    }

    /// Samples become windows; those that the span cuts are left out.
    fn close(&mut self, span: Span) {
        for entry in &mut self.entries {
            let mut samples = std::mem::take(&mut entry.samples);
            for (index, width) in WIDTHS.into_iter().enumerate() {
                if !entry.widths.contains(&width) {
                    continue;
                }
                let window = |(start, values)| Window {
                    start,
                    values,
                    published: None,
                    is_stored: false,
                    is_told: false,
                };
                let is_whole = |(start, _): &(Timestamp, Values)| {
                    span.from <= *start && start.saturating_add_millis(width.as_millis()) <= span.to
                };
                entry.windows[index] =
                    windows_of(&mut samples, width).into_iter().filter(is_whole).map(window).collect();
            }
        }
    }

    /// The entry of these labels and the place of its window.
    pub(crate) fn find(
        &self,
        labels: &Labels,
        width: usize,
        start: Timestamp,
    ) -> Option<(usize, Option<usize>)> {
        let index = *self.by_labels.get(labels)? as usize;
        let windows = &self.entries[index].windows[width];
        Some((index, windows.binary_search_by_key(&start, |window| window.start).ok()))
    }
}
