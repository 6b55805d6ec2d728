//! One atomic batch in the making.

use std::collections::BTreeMap;
use std::sync::Arc;

use fjall::{OwnedWriteBatch, PersistMode};
use sentinel_model::Topic;
use tokio::sync::oneshot;

use super::buffers::Buffered;
use super::codec::{self, Header};
use super::queue::{CommitRequest, PendingRow, Publish, Request};
use super::segment::Segment;
use super::storage;
use super::store::Store;
use super::topic_log::TopicLog;
use super::writer::answer;
use crate::{BusError, Position, TopicPartition};

pub(super) struct Draft<'a> {
    store: &'a Store,
    now: i64,
    batch: Option<OwnedWriteBatch>,
    /// Next offsets as they will be once the batch is written.
    heads: BTreeMap<TopicPartition, u64>,
    /// The segments that are appended to, as they will be once the batch is written.
    open: BTreeMap<Topic, Arc<Segment>>,
    /// Those that begin in this batch. Nobody else may know them before it is written: without its row
    /// in the catalog a segment is gone at the next start.
    created: Vec<(Topic, Arc<Segment>)>,
    buffered: BTreeMap<u64, Buffered>,
    answers: Vec<Answer>,
    /// Nothing of the batch is written then.
    error: Option<BusError>,
}

enum Answer {
    Published(Vec<Position>, Publish),
    Done(oneshot::Sender<Result<(), BusError>>),
}

impl<'a> Draft<'a> {
    pub fn new(store: &'a Store) -> Self {
        Self {
            store,
            now: store.now(),
            batch: Some(store.database.batch().durability(Some(PersistMode::Buffer))),
            heads: BTreeMap::new(),
            open: BTreeMap::new(),
            created: Vec::new(),
            buffered: BTreeMap::new(),
            answers: Vec::new(),
            error: None,
        }
    }

    pub fn add(&mut self, request: Request) {
        let result = match request {
            Request::Publish(publish) => self.add_publish(publish),
            Request::Commit(request) => {
                self.add_commit(request);
                Ok(())
            }
            Request::Seal { topic, reply } => {
                if let Some(open) = self.open_segment(self.store.topic(topic)) {
                    self.seal(topic, &open);
                }
                self.answers.push(Answer::Done(reply));
                Ok(())
            }
        };
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
    }

    /// Writes the batch, so that it survives the end of this process. False when there was nothing.
    pub fn commit(&mut self) -> Result<bool, BusError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let Some(batch) = self.batch.take().filter(|batch| !batch.is_empty()) else { return Ok(false) };
        batch.commit()?;
        Ok(true)
    }

    /// Lets readers see what was written, and answers.
    pub fn finish(&mut self, result: &Result<(), BusError>) {
        if result.is_ok() {
            for (topic, segment) in self.created.drain(..) {
                self.store.topic(topic).push(segment);
            }
            let mut grown: Vec<Topic> = Vec::new();
            for (at, next) in &self.heads {
                self.store.topic(at.topic).advance(at.partition, *next);
                if grown.last() != Some(&at.topic) {
                    grown.push(at.topic);
                }
            }
            for topic in grown {
                self.store.topic(topic).wake_readers();
            }
        }
        let failure = || match result {
            Ok(()) => Ok(()),
            Err(error) => Err(BusError::Storage { message: error.to_string() }),
        };
        for waiting in self.answers.drain(..) {
            match waiting {
                Answer::Published(positions, publish) => {
                    answer(publish.reply, failure().map(|()| positions));
                    drop(publish.permit);
                }
                Answer::Done(reply) => answer(reply, failure()),
            }
        }
    }

    /// What now lies in fjall's memory.
    pub fn into_buffered(self) -> impl Iterator<Item = Buffered> {
        self.buffered.into_values()
    }

    fn add_publish(&mut self, mut publish: Publish) -> Result<(), BusError> {
        let rows = std::mem::take(&mut publish.rows);
        let mut positions = Vec::with_capacity(rows.len());
        let mut result = Ok(());
        for PendingRow { at, row } in rows {
            match self.append(at, row) {
                Ok(offset) => positions.push(Position { at, offset }),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.answers.push(Answer::Published(positions, publish));
        result
    }

    /// Ownership is looked at here, in the order of the log: once another member's `Assigned` has gone
    /// out, nothing of the former owner is written any more.
    fn add_commit(&mut self, request: CommitRequest) {
        let CommitRequest { group, member, commits, reply } = request;
        if let Err(error) = group.check_owner(member, commits.iter().map(|(at, _)| *at)) {
            return answer(reply, Err(error));
        }
        if let Some(batch) = &mut self.batch {
            let rows = commits.iter().map(|commit| self.store.commits.put(batch, &group.name, commit));
            let bytes = rows.map(Buffered::cost).sum();
            self.note(self.store.commits.keyspace(), bytes, false);
        }
        self.answers.push(Answer::Done(reply));
    }

    fn append(&mut self, at: TopicPartition, mut row: Vec<u8>) -> Result<u64, BusError> {
        let log = self.store.topic(at.topic);
        let segment = self.segment_for(log)?;
        let next = self.heads.entry(at).or_insert_with(|| log.head(at.partition));
        let offset = *next;
        *next += 1;
        let key = codec::row_key(at.partition, offset);
        let position = segment.append(row.len(), self.now);
        codec::seal(&key, &mut row, Header { appended: self.now, position });
        let cost = Buffered::cost(row.len());
        if let Some(batch) = &mut self.batch {
            batch.insert(segment.keyspace(), key, row);
        }
        self.note(segment.keyspace(), cost, false);
        Ok(offset)
    }

    fn segment_for(&mut self, log: &TopicLog) -> Result<Arc<Segment>, BusError> {
        if let Some(open) = self.open_segment(log) {
            if !log.is_full(&open.stats(), self.now) {
                return Ok(open);
            }
            self.seal(log.topic, &open);
        }
        let id = self.store.next_segment_id();
        let name = Segment::keyspace_name(id);
        let keyspace = self.store.database.keyspace(&name, storage::segment_options)?;
        let head = |partition| {
            let at = TopicPartition { topic: log.topic, partition };
            self.heads.get(&at).copied().unwrap_or_else(|| log.head(partition))
        };
        let bases = (0..log.n_partitions()).map(head).collect();
        let segment = Arc::new(Segment::new(id, bases, keyspace, Default::default()));
        self.catalog(log.topic, &segment);
        self.created.push((log.topic, Arc::clone(&segment)));
        self.open.insert(log.topic, Arc::clone(&segment));
        Ok(segment)
    }

    fn open_segment(&mut self, log: &TopicLog) -> Option<Arc<Segment>> {
        if let Some(open) = self.open.get(&log.topic) {
            return Some(Arc::clone(open)).filter(|open| open.is_open());
        }
        let open = log.open_segment()?;
        self.open.insert(log.topic, Arc::clone(&open));
        Some(open)
    }

    fn seal(&mut self, topic: Topic, segment: &Segment) {
        segment.seal();
        self.catalog(topic, segment);
        self.note(segment.keyspace(), 0, true);
    }

    fn catalog(&mut self, topic: Topic, segment: &Segment) {
        if let Some(batch) = &mut self.batch {
            self.store.catalog.put(batch, topic, segment);
        }
    }

    fn note(&mut self, keyspace: &fjall::Keyspace, bytes: u64, is_last: bool) {
        let buffered = self.buffered.entry(keyspace.id()).or_insert_with(|| Buffered {
            keyspace: keyspace.clone(),
            bytes: 0,
            is_last: false,
        });
        buffered.bytes += bytes;
        buffered.is_last |= is_last;
    }
}
