//! Log lines of the bus against those in the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use sentinel_bus::Delivered;
use sentinel_log_store::{
    Document, DocumentFilter, DocumentKind, LogReader, LogStoreError, Order, SearchQuery,
};
use sentinel_model::{LogBatch, LogRecord, Timestamp, Topic};
use sentinel_proto::Wire as _;
use xxhash_rust::xxh3::Xxh3;

use crate::batches::Batches;
use crate::books::{Books, Progress, RecountError, Span};
use crate::frames::MINUTE_MS;
use crate::letters::Letters;
use crate::mailbox::{Topics, place, positions};
use crate::report::{FindingKind, Report, Step};
use crate::samples::told;

/// Who writes lines into the store.
const GROUP: &str = "sentinel-logs";
/// Lines that are held at a time: about 40 MB.
const MAX_LINES: u64 = 300_000;
/// The bus is read once for each slice.
const MAX_SLICES: usize = 256;
/// Documents of one page.
const PAGE: usize = 5_000;

/// A line by who wrote it, when, and what: not the store's identity, but made of the same.
pub(crate) fn line_key(cluster: &str, line: &LogRecord) -> u128 {
    key([cluster, &line.namespace, &line.pod, &line.container, &line.body], line.timestamp_ns)
}

fn key(texts: [&str; 5], timestamp_ns: i64) -> u128 {
    let mut hash = Xxh3::new();
    for text in texts {
        hash.update(text.as_bytes());
        hash.update(&[0xff]);
    }
    hash.update(&timestamp_ns.to_le_bytes());
    hash.digest128()
}

/// A line that must be there.
struct Line {
    /// Alike in one batch: so many are kept.
    n: u32,
    n_stored: u32,
    pod: Arc<str>,
    partition: u32,
    offset: u64,
}

pub(crate) async fn compare(
    books: &Books,
    span: Span,
    (topics, letters): (&Topics, &Letters),
    (progress, report): (&Progress, &mut Report),
) -> Result<(), RecountError> {
    progress.begin(Step::Lines, 2 * topics.n_records());
    let stored = positions(&*books.bus, GROUP, Topic::Logs).await?;
    let minutes = number(books, span, topics, (progress, report)).await?;
    for slice in slices(&minutes, report) {
        let mut lines: AHashMap<u128, Line> = AHashMap::new();
        let mut n_waiting = 0;
        topics
            .read(&*books.bus, progress, |record| {
                let Ok(batch) = LogBatch::decode(&record.record.value) else { return };
                let position = record.position;
                let is_waiting = stored
                    .get(position.at.partition as usize)
                    .is_none_or(|stored| position.offset >= *stored);
                let mut alike: AHashMap<u128, u32> = AHashMap::new();
                for line in batch.records.iter().filter(|line| is_in(line, slice) && is_in(line, span)) {
                    if is_waiting {
                        n_waiting += 1;
                        continue;
                    }
                    let key = line_key(&batch.cluster, line);
                    let n = alike.entry(key).or_default();
                    *n += 1;
                    let known = lines.entry(key).or_insert_with(|| Line {
                        n: 0,
                        n_stored: 0,
                        pod: Arc::clone(&line.pod),
                        partition: position.at.partition,
                        offset: position.offset,
                    });
                    known.n = known.n.max(*n);
                }
            })
            .await?;
        if n_waiting > 0 {
            report.leave_out(Step::Lines, format!("{n_waiting} lines"), "they wait to be stored");
        }
        let is_complete = n_waiting == 0 && (0..topics.offsets.len() as u32).all(|p| topics.is_whole(p));
        look_up(&*books.logs, (slice, span), &mut lines, (is_complete, report), progress).await?;
        judge(&lines, letters, report);
    }
    Ok(())
}

/// Numbers of the batches, and how many lines there are in each minute.
async fn number(
    books: &Books,
    span: Span,
    topics: &Topics,
    (progress, report): (&Progress, &mut Report),
) -> Result<BTreeMap<i64, u64>, RecountError> {
    let mut minutes = BTreeMap::new();
    let mut batches = Batches::default();
    let take = |record: &Delivered| {
        let batch = match LogBatch::decode(&record.record.value) {
            Ok(batch) => batch,
            Err(error) => {
                if span.holds(record.record.timestamp) {
                    report.find(FindingKind::Unreadable, place(record), error.to_string());
                }
                return;
            }
        };
        let is_from_start = topics.is_whole(record.position.at.partition);
        let number = (&batch.collector, batch.epoch, batch.sequence);
        batches.note(record, number, (span, is_from_start), report);
        for line in batch.records.iter().filter(|line| is_in(line, span)) {
            *minutes.entry(millis(line).floor(MINUTE_MS).as_millis()).or_default() += 1;
            report.totals.n_lines += 1;
        }
    };
    topics.read(&*books.bus, progress, take).await?;
    batches.finish(report);
    Ok(minutes)
}

fn slices(minutes: &BTreeMap<i64, u64>, report: &mut Report) -> Vec<Span> {
    let mut slices: Vec<Span> = Vec::new();
    let mut n_lines = 0;
    for (minute, n) in minutes {
        let from = Timestamp::from_millis(*minute);
        let to = from.saturating_add_millis(MINUTE_MS);
        let n_slices = slices.len();
        match slices.last_mut() {
            Some(slice) if n_lines + n <= MAX_LINES => {
                slice.to = to;
                n_lines += n;
            }
            _ if n_slices == MAX_SLICES => {
                let reason = "the span holds more lines than can be compared at once; ask for a shorter one";
                report.leave_out(Step::Lines, told(Span { from, to: Timestamp::MAX }), reason);
                return slices;
            }
            _ => {
                slices.push(Span { from, to });
                n_lines = *n;
            }
        }
    }
    slices
}

/// Pages through the store.
async fn look_up(
    logs: &dyn LogReader,
    (slice, span): (Span, Span),
    lines: &mut AHashMap<u128, Line>,
    (is_complete, report): (bool, &mut Report),
    progress: &Progress,
) -> Result<(), RecountError> {
    let (from, to) = (slice.from.max(span.from), slice.to.min(span.to));
    let mut seen = |document: &Document| {
        let texts =
            [&*document.cluster, &*document.namespace, &*document.pod, &*document.container, &document.body];
        match lines.get_mut(&key(texts, document.timestamp_ns)) {
            Some(line) => line.n_stored += 1,
            None if is_complete => {
                let detail =
                    format!("a line written at {} ns is stored; the bus holds none", document.timestamp_ns);
                report.find(FindingKind::LineUnexpected, document.pod.to_string(), detail);
            }
            None => {}
        }
    };
    pages(logs, (DocumentKind::Log, from, to), progress, &mut seen).await
}

/// Gives `seen` every document of a kind and time.
pub(crate) async fn pages(
    logs: &dyn LogReader,
    (kind, start, end): (DocumentKind, Timestamp, Timestamp),
    progress: &Progress,
    seen: &mut (dyn FnMut(&Document) + Send),
) -> Result<(), RecountError> {
    let filter = DocumentFilter { kind, text: String::new(), fields: Vec::new(), start, end };
    let mut after = None;
    loop {
        progress.check()?;
        let query = SearchQuery { filter: filter.clone(), order: Order::OldestFirst, limit: PAGE, after };
        let page = logs.search(&query).await.map_err(|error: LogStoreError| RecountError::Logs(error))?;
        page.documents.iter().for_each(&mut *seen);
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn judge(lines: &AHashMap<u128, Line>, letters: &Letters, report: &mut Report) {
    let mut wrong: Vec<(&u128, &Line)> = lines.iter().filter(|(_, line)| line.n_stored != line.n).collect();
    wrong.sort_by_key(|(_, line)| (line.partition, line.offset));
    for (key, line) in wrong {
        let Line { n, n_stored, pod, partition, offset } = line;
        let at = format!("partition {partition} offset {offset} of {}", Topic::Logs);
        if n_stored > n {
            let detail = format!("a line of {at} is stored {n_stored} times instead of {n}");
            report.find(FindingKind::LineDouble, &**pod, detail);
        } else if !letters.has_line(*key) {
            let detail = format!("a line of {at} is stored {n_stored} times instead of {n}");
            report.find(FindingKind::LineMissing, &**pod, detail);
        }
    }
}

fn millis(line: &LogRecord) -> Timestamp {
    Timestamp::from_millis(line.timestamp_ns.div_euclid(1_000_000))
}

fn is_in(line: &LogRecord, span: Span) -> bool {
    span.holds(millis(line))
}
