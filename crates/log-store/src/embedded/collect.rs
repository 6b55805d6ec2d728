//! Collectors over the matching documents of a segment.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{ColumnValues, StrColumn};
use tantivy::{DocAddress, DocId, Score, SegmentOrdinal, SegmentReader};

use super::schema;
use crate::{Cursor, DocumentField, DocumentId, Order};

/// The first documents in order of (timestamp, id) behind a cursor.
pub(super) struct TopByTime {
    pub(super) limit: usize,
    pub(super) order: Order,
    pub(super) after: Option<Cursor>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    timestamp_ns: i64,
    id: DocumentId,
    order: Order,
    pub(super) address: DocAddress,
}

pub(super) struct TopSegment {
    timestamps: Arc<dyn ColumnValues<i64>>,
    ids: [Arc<dyn ColumnValues<u64>>; 2],
    segment: SegmentOrdinal,
    limit: usize,
    order: Order,
    after: Option<Found>,
    /// The worst of the best on top.
    heap: BinaryHeap<Found>,
}

/// What comes first in the answer is smallest.
impl Ord for Found {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_time = (self.timestamp_ns, self.id).cmp(&(other.timestamp_ns, other.id));
        match self.order {
            Order::OldestFirst => by_time,
            Order::NewestFirst => by_time.reverse(),
        }
    }
}

impl PartialOrd for Found {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Collector for TopByTime {
    type Fruit = Vec<Found>;
    type Child = TopSegment;

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<TopSegment> {
        let fast = reader.fast_fields();
        let after = self.after.map(|cursor| Found {
            timestamp_ns: cursor.timestamp_ns,
            id: cursor.id,
            order: self.order,
            address: DocAddress::new(0, 0),
        });
        Ok(TopSegment {
            timestamps: fast.column_first_or_default(schema::TIMESTAMP)?,
            ids: [
                fast.column_first_or_default(schema::ID_HIGH)?,
                fast.column_first_or_default(schema::ID_LOW)?,
            ],
            segment,
            limit: self.limit,
            order: self.order,
            after,
            heap: BinaryHeap::with_capacity(self.limit + 1),
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<Vec<Found>>) -> tantivy::Result<Vec<Found>> {
        let mut all: Vec<Found> = fruits.into_iter().flatten().collect();
        all.sort_unstable();
        all.truncate(self.limit);
        Ok(all)
    }
}

impl SegmentCollector for TopSegment {
    type Fruit = Vec<Found>;

    fn collect(&mut self, doc: DocId, _: Score) {
        let [high, low] = [0, 1].map(|i| u128::from(self.ids[i].get_val(doc)));
        let found = Found {
            timestamp_ns: self.timestamps.get_val(doc),
            id: DocumentId(high << 64 | low),
            order: self.order,
            address: DocAddress::new(self.segment, doc),
        };
        if self.after.is_some_and(|after| found <= after) {
            return;
        }
        if self.heap.len() < self.limit {
            self.heap.push(found);
        } else if self.heap.peek().is_some_and(|worst| found < *worst) {
            self.heap.pop();
            self.heap.push(found);
        }
    }

    fn harvest(self) -> Vec<Found> {
        self.heap.into_vec()
    }
}

/// Documents by bucket of time and severity.
pub(super) struct Buckets {
    pub(super) bucket_ms: i64,
}

pub(super) struct BucketsSegment {
    bucket_ns: i64,
    timestamps: Arc<dyn ColumnValues<i64>>,
    severities: Option<StrColumn>,
    counts: BTreeMap<(i64, u64), u64>,
}

impl Collector for Buckets {
    type Fruit = BTreeMap<(i64, String), u64>;
    type Child = BucketsSegment;

    fn for_segment(&self, _: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<BucketsSegment> {
        let fast = reader.fast_fields();
        Ok(BucketsSegment {
            bucket_ns: self.bucket_ms.saturating_mul(1_000_000),
            timestamps: fast.column_first_or_default(schema::TIMESTAMP)?,
            severities: fast.str(schema::name(DocumentField::Severity))?,
            counts: BTreeMap::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<Self::Fruit>) -> tantivy::Result<Self::Fruit> {
        Ok(sum(fruits))
    }
}

impl SegmentCollector for BucketsSegment {
    type Fruit = BTreeMap<(i64, String), u64>;

    fn collect(&mut self, doc: DocId, _: Score) {
        let bucket = self.timestamps.get_val(doc).div_euclid(self.bucket_ns);
        let severity = ordinal(self.severities.as_ref(), doc);
        *self.counts.entry((bucket, severity)).or_default() += 1;
    }

    fn harvest(self) -> Self::Fruit {
        let named = |((bucket, severity), n)| ((bucket, text(self.severities.as_ref(), severity)), n);
        self.counts.into_iter().map(named).collect()
    }
}

/// Documents by value of a field.
pub(super) struct Values {
    pub(super) field: DocumentField,
}

pub(super) struct ValuesSegment {
    column: Option<StrColumn>,
    counts: BTreeMap<u64, u64>,
}

impl Collector for Values {
    type Fruit = BTreeMap<String, u64>;
    type Child = ValuesSegment;

    fn for_segment(&self, _: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<ValuesSegment> {
        Ok(ValuesSegment {
            column: reader.fast_fields().str(schema::name(self.field))?,
            counts: BTreeMap::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<Self::Fruit>) -> tantivy::Result<Self::Fruit> {
        Ok(sum(fruits))
    }
}

impl SegmentCollector for ValuesSegment {
    type Fruit = BTreeMap<String, u64>;

    fn collect(&mut self, doc: DocId, _: Score) {
        *self.counts.entry(ordinal(self.column.as_ref(), doc)).or_default() += 1;
    }

    fn harvest(self) -> Self::Fruit {
        self.counts.into_iter().map(|(value, n)| (text(self.column.as_ref(), value), n)).collect()
    }
}

fn sum<K: Ord>(fruits: Vec<BTreeMap<K, u64>>) -> BTreeMap<K, u64> {
    let mut total = BTreeMap::new();
    for (key, n) in fruits.into_iter().flatten() {
        *total.entry(key).or_default() += n;
    }
    total
}

fn ordinal(column: Option<&StrColumn>, doc: DocId) -> u64 {
    column.and_then(|column| column.term_ords(doc).next()).unwrap_or(u64::MAX)
}

/// The text of an ordinal; empty for a document without the field.
fn text(column: Option<&StrColumn>, ordinal: u64) -> String {
    let mut text = String::new();
    match column.map(|column| column.ord_to_str(ordinal, &mut text)) {
        Some(Ok(true)) => text,
        _ => String::new(),
    }
}
