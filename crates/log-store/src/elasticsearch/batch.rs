//! Documents as the lines of bulk requests.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use elasticsearch::http::request::Body as _;
use elasticsearch::params::VersionType;
use elasticsearch::{BulkCreateOperation, BulkIndexOperation, BulkOperation};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::document::{Source, id_text};
use super::names::{Names, Target};
use super::search::MAX_AHEAD_DAYS;
use crate::day::DayNumber;
use crate::{Document, DocumentKind, RejectedDocument};

/// What one write comes to.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) batches: Vec<Batch>,
    pub(super) targets: BTreeSet<Target>,
    pub(super) n_expired: usize,
    pub(super) rejected: Vec<(RejectedDocument, &'static str)>,
}

/// One request's worth.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) lines: Bytes,
    pub(super) items: Vec<Item>,
}

/// One document of a batch.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Its place among those that were to be written.
    pub(super) index: usize,
    pub(super) target: Target,
    /// Of the batch's lines.
    lines: Range<usize>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) documents: usize,
    pub(super) bytes: usize,
    /// The oldest day of logs that is kept, and of events.
    pub(super) first_log: DayNumber,
    pub(super) first_event: DayNumber,
    pub(super) today: DayNumber,
}

/// An event is in the index of the day when it was first seen. Dates of events are what anybody may write there,
/// and each has its own index: this bounds their number.
const MAX_EVENT_DAYS: i64 = 366;

impl Plan {
    pub(super) fn of(documents: &[Document], names: &Names, limits: Limits) -> Self {
        let mut plan = Self::default();
        let (mut lines, mut items) = (BytesMut::new(), Vec::new());
        for (index, document) in documents.iter().enumerate() {
            let Some(target) = plan.target(index, document, limits) else { continue };
            let start = lines.len();
            encode(document, names.alias(target), &mut lines);
            if items.len() == limits.documents || (lines.len() > limits.bytes && !items.is_empty()) {
                let rest = lines.split_off(start);
                let full = std::mem::replace(&mut lines, rest);
                plan.batches.push(Batch { lines: full.freeze(), items: std::mem::take(&mut items) });
            }
            let start = items.last().map_or(0, |last: &Item| last.lines.end);
            items.push(Item { index, target, lines: start..lines.len() });
            plan.targets.insert(target);
        }
        if !items.is_empty() {
            plan.batches.push(Batch { lines: lines.freeze(), items });
        }
        plan
    }

    /// Where a document goes, if anywhere.
    fn target(&mut self, index: usize, document: &Document, limits: Limits) -> Option<Target> {
        let (seen, day) = (DayNumber::holding_ns(document.timestamp_ns), origin(document));
        let first_kept = match document.kind {
            DocumentKind::Log => limits.first_log,
            DocumentKind::Event => limits.first_event,
        };
        if seen < first_kept {
            self.n_expired += 1;
            return None;
        }
        let reason = if seen.max(day) > limits.today.plus(MAX_AHEAD_DAYS) {
            ("future", "its time lies more than a day ahead of this machine's clock".to_owned())
        } else if seen.since(day) > MAX_EVENT_DAYS {
            ("too_old", format!("it was first seen more than {MAX_EVENT_DAYS} days before"))
        } else {
            return Some(Target { kind: document.kind, day });
        };
        self.rejected.push((RejectedDocument { index, reason: reason.1 }, reason.0));
        None
    }
}

/// A log line's is its own; an event stays where it was first seen, however often it is seen again.
const fn origin(document: &Document) -> DayNumber {
    DayNumber::holding_ns(match document.kind {
        DocumentKind::Log => document.timestamp_ns,
        DocumentKind::Event => document.origin_ns,
    })
}

fn encode(document: &Document, index: String, lines: &mut BytesMut) {
    let (source, id) = (Source::of(document), id_text(document.id));
    let operation: BulkOperation<Source<'_>> = match document.kind {
        DocumentKind::Log => BulkCreateOperation::new(source).id(id).index(index).into(),
        // A sight that arrives late does not replace a later one.
        DocumentKind::Event => BulkIndexOperation::new(source)
            .id(id)
            .index(index)
            .version(document.timestamp_ns.max(0))
            .version_type(VersionType::ExternalGte)
            .into(),
    };
    operation.write(lines).expect("texts and numbers are JSON, and memory takes them");
}

impl Batch {
    /// The lines of some items.
    pub(super) fn lines_of(&self, items: &[Item]) -> Bytes {
        if items.len() == self.items.len() {
            return self.lines.clone();
        }
        let mut some = BytesMut::with_capacity(items.iter().map(|item| item.lines.len()).sum());
        items.iter().for_each(|item| some.extend_from_slice(&self.lines[item.lines.clone()]));
        some.freeze()
    }
}

/// The fastest level: logs come to a tenth of their size, and higher levels cost many times the processor time.
pub(super) fn packed(lines: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 4), Compression::fast());
    encoder.write_all(lines).and_then(|()| encoder.finish()).expect("memory takes all that is written").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::line;

    const DAY_NS: i64 = 86_400_000_000_000;
    const NOW_NS: i64 = 20_000 * DAY_NS + 5;

    fn limits() -> Limits {
        let today = DayNumber::holding_ns(NOW_NS);
        let first = today.plus(-7);
        Limits { documents: 3, bytes: 1 << 20, first_log: first, first_event: first, today }
    }

    fn plan(documents: &[Document], limits: Limits) -> Plan {
        Plan::of(documents, &Names::new("t".to_owned()), limits)
    }

    #[test]
    fn batches_have_limits_of_documents_and_bytes() {
        let documents: Vec<_> = (0..8).map(|i| line("c", i, NOW_NS, "x")).collect();
        let whole = plan(&documents, limits());
        let sizes: Vec<usize> = whole.batches.iter().map(|batch| batch.items.len()).collect();
        assert_eq!(sizes, [3, 3, 2]);
        let one = whole.batches[0].lines.len() / 3;
        let by_bytes = plan(&documents, Limits { bytes: 2 * one + one / 2, ..limits() });
        let sizes: Vec<usize> = by_bytes.batches.iter().map(|batch| batch.items.len()).collect();
        assert_eq!(sizes, [2, 2, 2, 2]);
        let alone = plan(&documents, Limits { bytes: 1, ..limits() });
        assert_eq!(alone.batches.len(), 8);
        let joined =
            |plan: &Plan| plan.batches.iter().flat_map(|batch| batch.lines.to_vec()).collect::<Vec<_>>();
        assert_eq!(joined(&whole), joined(&alone));
        let some = &whole.batches[0];
        assert_eq!(some.lines_of(&some.items[1..2]), alone.batches[1].lines);
    }

    #[test]
    fn what_no_index_can_hold_is_told_apart() {
        let event = |timestamp_ns, origin_ns| Document {
            kind: DocumentKind::Event,
            origin_ns,
            ..line("c", 1, timestamp_ns, "x")
        };
        let documents = [
            line("c", 1, NOW_NS - 8 * DAY_NS, "expired"),
            line("c", 2, NOW_NS + 3 * DAY_NS, "ahead"),
            line("c", 3, NOW_NS + DAY_NS, "a little ahead"),
            event(NOW_NS, NOW_NS - 30 * DAY_NS),
            event(NOW_NS, i64::MIN),
            event(NOW_NS, i64::MAX),
            line("c", 4, i64::MIN, "long ago"),
        ];
        let plan = plan(&documents, limits());
        assert_eq!(plan.n_expired, 2);
        let rejected: Vec<_> = plan.rejected.iter().map(|(document, why)| (document.index, *why)).collect();
        assert_eq!(rejected, [(1, "future"), (4, "too_old"), (5, "future")]);
        let written: Vec<_> = plan.batches[0].items.iter().map(|item| item.index).collect();
        assert_eq!(written, [2, 3]);
    }

    #[test]
    fn packing_is_gzip() {
        let mut text = String::new();
        let packed = packed(b"some lines");
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed[..]), &mut text)
            .expect("gzip");
        assert_eq!(text, "some lines");
    }
}
