//! Numbers of batches of lines and events. Several tasks of a collector number batches of one key and queue them, so
//! that neighbours may change places; each batch is whole by itself, and only what never comes is missing.

use std::ops::RangeInclusive;
use std::sync::Arc;

use ahash::AHashMap;
use bytes::Bytes;
use sentinel_bus::Delivered;

use crate::books::Span;
use crate::mailbox::{moment, place};
use crate::report::{FindingKind, Report};
use crate::sequence::{Sequence, Verdict};

#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// By collector and key.
    sequences: AHashMap<(Arc<str>, Bytes), Sequence>,
    /// Numbers that had not come when a later one did, and the place of that.
    skipped: Vec<Skipped>,
}

#[derive(Debug)]
struct Skipped {
    stream: (Arc<str>, Bytes),
    epoch: u64,
    numbers: RangeInclusive<u64>,
    before: String,
}

impl Batches {
    pub(crate) fn note(
        &mut self,
        record: &Delivered,
        (collector, epoch, sequence): (&Arc<str>, u64, u64),
        (span, is_from_start): (Span, bool),
        report: &mut Report,
    ) {
        let stream = (Arc::clone(collector), record.record.key.clone());
        let known = self.sequences.entry(stream.clone()).or_default();
        let verdict = known.note(epoch, sequence, is_from_start);
        if !span.holds(record.record.timestamp) {
            return;
        }
        let at = format!("{} ({})", place(record), moment(record.record.timestamp));
        match verdict {
            Verdict::Next | Verdict::TooLate => {}
            // There are more than can be waited for.
            Verdict::Hole(numbers) if known.missing(epoch, &numbers).is_empty() => {
                tell(&stream, epoch, &numbers, &at, report);
            }
            Verdict::Hole(numbers) => self.skipped.push(Skipped { stream, epoch, numbers, before: at }),
            Verdict::Double => {
                let detail = format!("number {sequence} of epoch {epoch} came again at {at}");
                report.find(FindingKind::Double, name(&stream), detail);
            }
        }
    }

    /// Tells what never came.
    pub(crate) fn finish(self, report: &mut Report) {
        for Skipped { stream, epoch, numbers, before } in self.skipped {
            let Some(sequence) = self.sequences.get(&stream) else { continue };
            for missing in sequence.missing(epoch, &numbers) {
                tell(&stream, epoch, &missing, &before, report);
            }
        }
    }
}

fn tell(
    stream: &(Arc<str>, Bytes),
    epoch: u64,
    numbers: &RangeInclusive<u64>,
    before: &str,
    report: &mut Report,
) {
    let (first, last) = (numbers.start(), numbers.end());
    let detail = format!("numbers {first} to {last} of epoch {epoch} are missing before {before}");
    report.find(FindingKind::Hole, name(stream), detail);
}

fn name((collector, key): &(Arc<str>, Bytes)) -> String {
    format!("{} of {collector}", key.escape_ascii())
}
