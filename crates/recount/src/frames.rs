//! The topic of samples, read once: numbers of the frames, and how many samples there are in each minute.

use std::collections::BTreeMap;

use ahash::AHashMap;
use sentinel_bus::Delivered;
use sentinel_model::{FrameKind, StreamKey, Timestamp, Topic};
use sentinel_proto::{DecodeError, MetricDecoder};

use crate::books::{Books, Progress, RecountError, Span};
use crate::mailbox::{Topics, moment, place, positions};
use crate::report::{FindingKind, Report, Step};
use crate::sequence::{Sequence, Verdict};

pub(crate) const MINUTE_MS: i64 = 60_000;

/// What the frames tell for the steps to come.
#[derive(Debug)]
pub(crate) struct Frames {
    pub(crate) topics: Topics,
    /// Samples of the span by minute.
    pub(crate) samples: BTreeMap<i64, u64>,
    /// By partition: windows that start before this may have lost samples to retention.
    pub(crate) readable_from: Vec<Timestamp>,
    /// By partition: offset behind the last frame that the processor has dealt with.
    pub(crate) read_until: Vec<u64>,
}

/// Who puts samples into windows.
const GROUP: &str = "sentinel-windows";

#[derive(Default)]
struct Stream {
    sequence: Sequence,
    /// The topic begins in the middle of it, and its first key frame is still to come.
    is_waiting: bool,
    is_known: bool,
}

struct Reading<'a> {
    span: Span,
    report: &'a mut Report,
    decoders: Vec<MetricDecoder>,
    streams: AHashMap<StreamKey, Stream>,
    frames: Frames,
}

impl Frames {
    pub(crate) async fn read(
        books: &Books,
        topics: &Topics,
        span: Span,
        (progress, report): (&Progress, &mut Report),
    ) -> Result<Self, RecountError> {
        progress.begin(Step::Frames, topics.n_records());
        let n_partitions = topics.offsets.len();
        let read_until = positions(&*books.bus, GROUP, Topic::Metrics).await?;
        let frames = Self {
            topics: topics.clone(),
            samples: BTreeMap::new(),
            readable_from: vec![Timestamp::MIN; n_partitions],
            read_until,
        };
        let mut decoders = Vec::new();
        decoders.resize_with(n_partitions, MetricDecoder::new);
        let mut reading = Reading { span, report, decoders, streams: AHashMap::new(), frames };
        topics.read(&*books.bus, progress, |record| reading.take(record)).await?;
        let Reading { streams, frames, report, .. } = reading;
        report.totals.n_streams = streams.len() as u64;
        Ok(frames)
    }
}

impl Reading<'_> {
    fn take(&mut self, record: &Delivered) {
        let partition = record.position.at.partition as usize;
        let scraped = record.record.timestamp;
        let is_whole = self.frames.topics.is_whole(partition as u32);
        let readable = &mut self.frames.readable_from[partition];
        if !is_whole && *readable == Timestamp::MIN {
            *readable = scraped.saturating_add_millis(1);
        }
        match self.decoders[partition].decode(&record.record.value) {
            Ok(batch) if batch.frame == FrameKind::Punctuation => {
                self.report.totals.n_punctuations += u64::from(self.span.holds(batch.progress));
            }
            Ok(batch) => {
                self.number(&batch.stream, (batch.epoch, batch.sequence), record);
                let stream = self.streams.entry(batch.stream.clone()).or_default();
                if std::mem::take(&mut stream.is_waiting) {
                    let readable = &mut self.frames.readable_from[partition];
                    *readable = (*readable).max(scraped.saturating_add_millis(1));
                }
                stream.is_known = true;
                for point in &batch.points {
                    if self.span.holds(point.timestamp) {
                        let minute = point.timestamp.floor(MINUTE_MS).as_millis();
                        *self.frames.samples.entry(minute).or_default() += 1;
                        self.report.totals.n_samples += 1;
                    }
                }
                self.report.totals.n_frames += u64::from(self.span.holds(batch.scraped));
            }
            Err(DecodeError::Duplicate { stream, epoch, sequence }) => {
                self.number(&stream, (epoch, sequence), record);
            }
            Err(DecodeError::MissingBase { stream, epoch, found, .. }) => {
                self.number(&stream, (epoch, found), record);
                let stream = self.streams.entry(*stream).or_default();
                if !stream.is_known && !is_whole {
                    stream.is_waiting = true;
                    let readable = &mut self.frames.readable_from[partition];
                    *readable = (*readable).max(scraped.saturating_add_millis(1));
                }
            }
            Err(error) if self.span.holds(scraped) => {
                self.report.find(FindingKind::Unreadable, place(record), error.to_string());
            }
            Err(_) => {}
        }
    }

    fn number(&mut self, stream: &StreamKey, (epoch, sequence): (u64, u64), record: &Delivered) {
        let is_from_start = self.frames.topics.is_whole(record.position.at.partition);
        let known = self.streams.entry(stream.clone()).or_default();
        let verdict = known.sequence.note(epoch, sequence, is_from_start);
        if self.span.holds(record.record.timestamp) {
            let name = format!("{}/{}/{}", stream.cluster, stream.collector, stream.target);
            tell(self.report, verdict, &name, ((epoch, sequence), record));
        }
    }
}

/// Tells of a number that is not the next one.
fn tell(
    report: &mut Report,
    verdict: Verdict,
    stream: &str,
    ((epoch, sequence), record): ((u64, u64), &Delivered),
) {
    let at = place(record);
    let scraped = moment(record.record.timestamp);
    match verdict {
        Verdict::Next => {}
        Verdict::Hole(hole) => {
            let (first, last) = (hole.start(), hole.end());
            let detail =
                format!("numbers {first} to {last} of epoch {epoch} are missing before {at} ({scraped})");
            report.find(FindingKind::Hole, stream, detail);
        }
        Verdict::Double => {
            let detail = format!("number {sequence} of epoch {epoch} came again at {at} ({scraped})");
            report.find(FindingKind::Double, stream, detail);
        }
        Verdict::TooLate => {
            let detail = format!(
                "number {sequence} of epoch {epoch} came out of order at {at} ({scraped}): readers had gone on"
            );
            report.find(FindingKind::Hole, stream, detail);
        }
    }
}
