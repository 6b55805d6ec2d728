//! Every line and event is in the log store once, whatever fails.

use futures::executor::block_on;
use sentinel_bus::Record;
use sentinel_log_store::{DocumentFilter, LogReader, LogStoreError, Order, SearchQuery, WriteReport};
use sentinel_model::{LogSeverity, RetentionSetting, Timestamp};
use sentinel_runtime::ShutdownTrigger;
use sentinel_testkit::{MemoryBus, MemoryLogs, build};

use super::*;
use crate::testing::{dead_letters, delivered, end_after_failure, pipeline, place, record, running};

struct Run {
    stage: DocumentsStage,
    store: Arc<MemoryLogs>,
    bus: MemoryBus,
    trigger: ShutdownTrigger,
}

impl Run {
    fn new(kind: DocumentKind, store: &Arc<MemoryLogs>) -> Self {
        let bus = MemoryBus::default();
        let (trigger, shutdown) = running();
        let pipeline = pipeline("documents", Topic::Logs, Arc::new(bus.clone()));
        let writer = Arc::clone(store) as Arc<dyn LogWriter>;
        let mut stage = DocumentsStage::new(pipeline, kind, writer, shutdown);
        stage.assigned(place(stage.topic()), None);
        Self { stage, store: Arc::clone(store), bus, trigger }
    }

    async fn feed(&mut self, records: &[Record], from: u64) -> Result<(), Stopped> {
        let topic = self.stage.topic();
        self.stage.handle(delivered(topic, from, records)).await
    }

    /// Text of what is stored, sorted.
    fn stored(&self) -> Vec<String> {
        let (start, end) = (Timestamp::MIN, Timestamp::MAX);
        let filter =
            DocumentFilter { kind: self.stage.kind, text: String::new(), fields: Vec::new(), start, end };
        let query = SearchQuery { filter, order: Order::OldestFirst, limit: 10_000, after: None };
        let page = block_on(self.store.search(&query)).expect("no outage");
        let mut bodies: Vec<String> = page.documents.into_iter().map(|document| document.body).collect();
        bodies.sort();
        bodies
    }

    fn n_written(&self) -> u64 {
        let kind = if self.stage.kind == DocumentKind::Log { "log" } else { "event" };
        self.stage.pipeline.metrics.stored_documents.get_or_create(&Kind { kind }).get()
    }
}

/// Messages of two lines each, two of which are alike.
fn logs(n_messages: usize) -> Vec<Record> {
    let message = |i: usize| {
        let at = build::NOW.saturating_add_millis(i as i64);
        let line = |text: &str| build::line("web-1", LogSeverity::Info, text, at);
        build::log_batch(vec![line("alike"), line(&format!("line {i}"))]).encode()
    };
    (0..n_messages).map(|i| record(message(i), "")).collect()
}

fn expected(n_messages: usize) -> Vec<String> {
    let mut bodies: Vec<String> =
        (0..n_messages).flat_map(|i| ["alike".to_owned(), format!("line {i}")]).collect();
    bodies.sort();
    bodies
}

fn event(uid: &str, reason: &str) -> Record {
    record(build::event_batch(vec![build::event(uid, reason, "web-1", build::NOW)]).encode(), "")
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_tried_again_and_nothing_is_lost_or_doubled() {
    let store = Arc::new(MemoryLogs::default());
    let mut run = Run::new(DocumentKind::Log, &store);
    store.outage.begin();
    let (metrics, records) = (run.stage.pipeline.metrics.clone(), logs(5));
    let (handled, ()) =
        tokio::join!(run.feed(&records, 0), end_after_failure(&metrics, "documents", &store.outage));
    assert_eq!((handled, run.n_written()), (Ok(()), 10));
    assert_eq!(run.stored(), expected(5));
    assert_eq!(run.stage.commits().pop().expect("handled").1.offset, 5);
}

#[tokio::test]
async fn a_redelivery_changes_nothing() {
    let store = Arc::new(MemoryLogs::default());
    let records = logs(6);
    Run::new(DocumentKind::Log, &store).feed(&records[..4], 0).await.expect("not stopped");
    let mut again = Run::new(DocumentKind::Log, &store);
    again.feed(&records[2..], 2).await.expect("not stopped");
    assert_eq!(again.stored(), expected(6));
}

#[tokio::test]
async fn a_line_that_is_published_twice_is_one_line() {
    let store = Arc::new(MemoryLogs::default());
    let mut run = Run::new(DocumentKind::Log, &store);
    // Once more at another offset, as after a publish whose answer was lost, and by another collector.
    let by_another = LogBatch {
        collector: "c2".into(),
        epoch: 9,
        ..LogBatch::decode(&logs(1)[0].value).expect("a batch")
    };
    run.feed(&[logs(2), logs(2), vec![record(by_another.encode(), "")]].concat(), 0)
        .await
        .expect("not stopped");
    assert_eq!(run.stored(), expected(2));
}

#[tokio::test]
async fn lines_of_one_batch_that_are_alike_are_all_kept() {
    let store = Arc::new(MemoryLogs::default());
    let mut run = Run::new(DocumentKind::Log, &store);
    let line = || build::line("web-1", LogSeverity::Info, "tick", build::NOW);
    let batch = record(build::log_batch(vec![line(), line(), line()]).encode(), "");
    run.feed(&[batch.clone(), batch], 0).await.expect("not stopped");
    assert_eq!(run.stored(), ["tick", "tick", "tick"]);
}

/// Takes everything but one line.
struct Picky(Arc<MemoryLogs>);

#[async_trait]
impl LogWriter for Picky {
    async fn write(&self, mut documents: Vec<Document>) -> Result<WriteReport, LogStoreError> {
        let index = documents.iter().position(|document| document.body == "line 1");
        let rejected = index.map(|index| RejectedDocument { index, reason: "mapping conflict".into() });
        index.map(|index| documents.remove(index));
        let report = self.0.write(documents).await?;
        Ok(WriteReport { rejected: rejected.into_iter().collect(), ..report })
    }

    async fn keep(&self, _: &RetentionSetting) -> Result<(), LogStoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn what_the_store_will_never_take_becomes_a_dead_letter_that_can_be_put_back() {
    let store = Arc::new(MemoryLogs::default());
    let mut run = Run::new(DocumentKind::Log, &store);
    run.stage.writer = Arc::new(Picky(Arc::clone(&store)));
    run.feed(&logs(3), 5).await.expect("not stopped");
    assert_eq!(run.stored(), ["alike", "alike", "alike", "line 0", "line 2"]);
    let letters = dead_letters(&run.bus);
    let [letter] = &letters[..] else { panic!("one line was rejected: {letters:?}") };
    assert_eq!(
        (letter.offset, letter.reason.as_str(), letter.detail.as_str()),
        (6, "rejected", "mapping conflict")
    );
    run.stage.writer = Arc::clone(&store) as Arc<dyn LogWriter>;
    run.feed(&[record(letter.value.clone(), "")], 8).await.expect("not stopped");
    assert_eq!(run.stored(), expected(3));
}

#[tokio::test]
async fn a_repeat_of_an_event_takes_the_place_of_the_one_before() {
    let store = Arc::new(MemoryLogs::default());
    let mut run = Run::new(DocumentKind::Event, &store);
    let records = [event("a", "BackOff"), event("b", "Pulled"), event("a", "Unhealthy")];
    run.feed(&records, 0).await.expect("not stopped");
    assert_eq!(run.stored(), ["Pulled of web-1", "Unhealthy of web-1"]);
}

#[tokio::test]
async fn a_shutdown_while_the_store_fails_commits_nothing() {
    let store = Arc::new(MemoryLogs::default());
    let mut run = Run::new(DocumentKind::Log, &store);
    store.outage.begin();
    run.trigger.trigger();
    assert_eq!(run.feed(&logs(2), 0).await, Err(Stopped));
    assert!(run.stage.commits().is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_becomes_a_dead_letter_and_the_rest_is_written() {
    let store = Arc::new(MemoryLogs::default());
    let mut run = Run::new(DocumentKind::Log, &store);
    let mut records = logs(3);
    records[1] = record(Bytes::from_static(b"\x01\x00junk"), "");
    run.feed(&records, 7).await.expect("not stopped");
    let letters = dead_letters(&run.bus);
    assert_eq!((letters.len(), letters[0].offset, letters[0].reason.as_str()), (1, 8, "corrupt"));
    assert_eq!(letters[0].topic, Topic::Logs.as_str());
    assert_eq!(run.stored(), ["alike", "alike", "line 0", "line 2"]);
    assert_eq!(run.stage.commits().pop().expect("handled").1.offset, 10);
}
