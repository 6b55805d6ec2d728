//! Events of the bus against those in the store: the newest state of each.

use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use sentinel_log_store::{Document, DocumentKind};
use sentinel_model::{EventBatch, Timestamp, Topic};
use sentinel_proto::Wire as _;

use crate::batches::Batches;
use crate::books::{Books, Progress, RecountError, Span};
use crate::letters::Letters;
use crate::lines::pages;
use crate::mailbox::{Topics, place, positions};
use crate::report::{FindingKind, Report, Step};

/// Who writes events into the store.
const GROUP: &str = "sentinel-events";
/// Events that are remembered; the API server keeps them for an hour.
const MAX_EVENTS: usize = 1_000_000;

/// What tells one state of an event from another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    last_seen: Timestamp,
    count: u64,
}

/// The newest state in each partition: an event whose workload became known moves from one to another.
#[derive(Debug, Default)]
struct Event {
    newest: Vec<(u32, u64, State)>,
    is_waiting: bool,
}

type Key = (Arc<str>, String);

pub(crate) async fn compare(
    books: &Books,
    span: Span,
    (topics, letters): (&Topics, &Letters),
    (progress, report): (&Progress, &mut Report),
) -> Result<(), RecountError> {
    progress.begin(Step::Events, topics.n_records());
    let stored = positions(&*books.bus, GROUP, Topic::Events).await?;
    let mut events = read(books, span, (topics, &stored), (progress, report)).await?;
    // Those whose newest state lies elsewhere in time are not asked for.
    events.retain(|_, event| event.newest.iter().any(|(.., state)| span.holds(state.last_seen)));
    report.totals.n_events = events.len() as u64;
    let (mut found, mut again) = (AHashMap::new(), AHashSet::new());
    let mut seen = |document: &Document| {
        let Some((key, state)) = state_of(document) else { return };
        if events.contains_key(&key) && found.insert(key.clone(), state).is_some() {
            again.insert(key);
        }
    };
    // A state that came since lies behind the span.
    let end = Timestamp::from_millis(sentinel_runtime::clock::now_millis()).saturating_add_millis(86_400_000);
    pages(&*books.logs, (DocumentKind::Event, span.from, end.max(span.to)), progress, &mut seen).await?;
    for (key, event) in &events {
        let (cluster, uid) = key;
        let name = format!("{cluster}/{uid}");
        if event.is_waiting {
            report.leave_out(Step::Events, "events", "they wait to be stored");
            continue;
        }
        if again.contains(key) {
            report.find(FindingKind::EventDiffers, name, "it is stored more than once");
            continue;
        }
        let is_known = |state: &State| event.newest.iter().any(|(.., known)| known == state);
        match found.get(key) {
            // A state of a later moment has come while this was counted.
            Some(state) if is_known(state) || !span.holds(state.last_seen) => {}
            Some(state) => {
                let (.., expected) = &event.newest[0];
                let detail = format!("the store has {state:?} instead of {expected:?}");
                report.find(FindingKind::EventDiffers, name, detail);
            }
            None if letters.has_event(cluster, uid) => {}
            None => {
                let (partition, offset, state) = &event.newest[0];
                let detail = format!(
                    "{state:?} of partition {partition} offset {offset} of {} is not stored",
                    Topic::Events
                );
                report.find(FindingKind::EventMissing, name, detail);
            }
        }
    }
    Ok(())
}

async fn read(
    books: &Books,
    span: Span,
    (topics, stored): (&Topics, &[u64]),
    (progress, report): (&Progress, &mut Report),
) -> Result<AHashMap<Key, Event>, RecountError> {
    let mut events: AHashMap<Key, Event> = AHashMap::new();
    let mut batches = Batches::default();
    let mut is_full = false;
    topics
        .read(&*books.bus, progress, |record| {
            let position = record.position;
            let batch = match EventBatch::decode(&record.record.value) {
                Ok(batch) => batch,
                Err(error) => {
                    if span.holds(record.record.timestamp) {
                        report.find(FindingKind::Unreadable, place(record), error.to_string());
                    }
                    return;
                }
            };
            let is_from_start = topics.is_whole(position.at.partition);
            let number = (&batch.collector, batch.epoch, batch.sequence);
            batches.note(record, number, (span, is_from_start), report);
            let is_waiting =
                stored.get(position.at.partition as usize).is_none_or(|stored| position.offset >= *stored);
            for event in batch.records {
                let key = (Arc::clone(&batch.cluster), event.uid);
                if events.len() >= MAX_EVENTS && !events.contains_key(&key) {
                    is_full = true;
                    continue;
                }
                let state = State { last_seen: event.last_seen, count: u64::from(event.count) };
                let known = events.entry(key).or_default();
                known.is_waiting |= is_waiting;
                known.newest.retain(|(partition, ..)| *partition != position.at.partition);
                known.newest.push((position.at.partition, position.offset, state));
            }
        })
        .await?;
    batches.finish(report);
    if is_full {
        report.leave_out(Step::Events, "events", format!("there are more than {MAX_EVENTS}"));
    }
    Ok(events)
}

/// Identity and state as the document tells them.
fn state_of(document: &Document) -> Option<(Key, State)> {
    let extra: serde_json::Value = serde_json::from_str(&document.extra).ok()?;
    let uid = extra["uid"].as_str()?.to_owned();
    let last_seen = Timestamp::from_millis(extra["last_seen_ms"].as_i64()?);
    let state = State { last_seen, count: extra["count"].as_u64()? };
    Some(((Arc::clone(&document.cluster), uid), state))
}
