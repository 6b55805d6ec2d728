//! What is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use elasticsearch::cat::CatIndicesParts;
use elasticsearch::{CountParts, SearchParts};
use sentinel_model::Timestamp;
use sentinel_runtime::clock;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Call, Client};
use super::document::Source;
use super::failure::Failure;
use super::names::{Names, Target};
use super::query;
use crate::day::DayNumber;
use crate::day::Retention;
use crate::{
    Cursor, Document, DocumentField, DocumentFilter, DocumentKind, HistogramBucket, LogStoreError,
    LogStoreStats, SearchPage, SearchQuery,
};

pub(super) struct Reader {
    pub(super) client: Arc<Client>,
    pub(super) names: Names,
    pub(super) retention: Arc<Retention>,
}

/// Days that a request names one by one; beyond, it asks all.
const MAX_NAMED_DAYS: i64 = 31;

/// How far ahead of this clock a document may be, in days. Those that are further ahead are refused.
pub(super) const MAX_AHEAD_DAYS: i64 = 1;

/// How often a search is tried again while its shards are coming up, and how long it waits in between.
const SHARD_ATTEMPTS: u32 = 25;
const SHARD_PAUSE: Duration = Duration::from_millis(200);

/// A day that has no index has no documents. An answer of only some shards is none.
const SEARCH: [(&str, &str); 4] = [
    ("ignore_unavailable", "true"),
    ("allow_no_indices", "true"),
    ("allow_partial_search_results", "false"),
    ("filter_path", "timed_out,_shards.failed,hits.hits._source,aggregations.*.buckets"),
];
const COUNT: [(&str, &str); 2] = [("ignore_unavailable", "true"), ("allow_no_indices", "true")];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    timed_out: bool,
    _shards: Shards,
    hits: Hits,
    aggregations: Aggregations,
    count: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Shards {
    failed: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Debug, Deserialize)]
struct Hit {
    _source: Source<'static>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Aggregations {
    times: Buckets<TimeBucket>,
    values: Buckets<ValueBucket>,
}

#[derive(Debug, Deserialize)]
struct Buckets<T> {
    buckets: Vec<T>,
}

impl<T> Default for Buckets<T> {
    fn default() -> Self {
        Self { buckets: Vec::new() }
    }
}

#[derive(Debug, Deserialize)]
struct TimeBucket {
    key: TimeKey,
    severities: Buckets<ValueBucket>,
}

#[derive(Debug, Deserialize)]
struct TimeKey {
    at: i64,
}

#[derive(Debug, Deserialize)]
struct ValueBucket {
    key: String,
    doc_count: u64,
}

#[derive(Debug, Deserialize)]
struct IndexRow {
    index: String,
    #[serde(rename = "docs.count")]
    n_documents: Option<String>,
    #[serde(rename = "store.size")]
    bytes: Option<String>,
}

impl Reader {
    /// One page. Where the documents are so large that the server or we have no room for all of them, it is
    /// shorter than asked for, and says where to continue.
    pub(super) async fn page(&self, query: &SearchQuery) -> Result<SearchPage, LogStoreError> {
        let mut limit = query.limit;
        loop {
            let body = query::page(query, limit + 1)?;
            match self.search(&query.filter, body).await {
                Ok(answer) => return Ok(page(answer, limit, query.filter.kind)),
                Err(failure) if limit > 1 && is_too_much(&failure) => limit /= 4,
                Err(failure) => return Err(of_search(failure)),
            }
            limit = limit.max(1);
        }
    }

    pub(super) async fn histogram(
        &self,
        filter: &DocumentFilter,
        bucket_ms: i64,
    ) -> Result<Vec<HistogramBucket>, LogStoreError> {
        let body = query::histogram(filter, bucket_ms)?;
        let answer = self.search(filter, body).await.map_err(of_search)?;
        let buckets = answer.aggregations.times.buckets;
        HistogramBucket::check_number(buckets.len(), bucket_ms)?;
        let bucket = |bucket: TimeBucket| {
            let severities = bucket.severities.buckets.into_iter();
            let counts: BTreeMap<String, u64> = severities.map(|of| (of.key, of.doc_count)).collect();
            HistogramBucket {
                start: Timestamp::from_millis(bucket.key.at),
                counts: counts.into_iter().collect(),
            }
        };
        Ok(buckets.into_iter().map(bucket).collect())
    }

    pub(super) async fn facet(
        &self,
        filter: &DocumentFilter,
        field: DocumentField,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, LogStoreError> {
        let body = query::facet(filter, field)?;
        let answer = self.search(filter, body).await.map_err(of_search)?;
        let values = answer.aggregations.values.buckets.into_iter().map(|value| (value.key, value.doc_count));
        let mut values: Vec<(String, u64)> = values.collect();
        values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        values.truncate(limit);
        Ok(values)
    }

    pub(super) async fn count(&self, filter: &DocumentFilter) -> Result<u64, LogStoreError> {
        let body = json!({ "query": query::filter(filter)? });
        let Some(indexes) = self.indexes(filter) else { return Ok(0) };
        let indexes: Vec<&str> = indexes.iter().map(String::as_str).collect();
        let path = CountParts::Index(&indexes).url();
        let answer = self.ask(|| Call::post("count", &path, &body).with_query(&COUNT)).await;
        answer.map(|answer| answer.count).map_err(of_search)
    }

    pub(super) async fn stats(&self) -> Result<LogStoreStats, LogStoreError> {
        let rows = self.rows().await?;
        let number =
            |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        let mut stats = LogStoreStats::default();
        let mut days = BTreeMap::new();
        for row in rows {
            let Some(Target { day, .. }) = self.names.parse(&row.index) else { continue };
            days.insert(day, ());
            stats.n_documents += number(row.n_documents);
            stats.disk_bytes += number(row.bytes);
        }
        stats.days = days.into_keys().map(DayNumber::name).collect();
        Ok(stats)
    }

    /// All indexes of ours.
    pub(super) async fn targets(&self) -> Result<Vec<Target>, Failure> {
        let rows = self.rows().await?;
        Ok(rows.iter().filter_map(|row| self.names.parse(&row.index)).collect())
    }

    /// For each day of events, when the newest of them was seen.
    pub(super) async fn newest_events(&self) -> Result<BTreeMap<Target, i64>, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            aggregations: Option<Value>,
        }
        let body = json!({
            "size": 0,
            "track_total_hits": false,
            "aggs": { "indexes": {
                "terms": { "field": "_index", "size": 10_000 },
                "aggs": { "newest": { "max": { "field": super::schema::TIMESTAMP } } },
            } },
        });
        let pattern = self.names.pattern(DocumentKind::Event);
        let path = SearchParts::Index(&[&pattern]).url();
        let query = &SEARCH[..3];
        let answer: Answer = self.client.ask(Call::post("retention", &path, &body).with_query(query)).await?;
        let indexes = answer.aggregations.as_ref().and_then(|all| all["indexes"]["buckets"].as_array());
        let newest = |bucket: &Value| {
            let target = self.names.parse(bucket["key"].as_str()?)?;
            Some((target, bucket["newest"]["value"].as_f64()? as i64))
        };
        Ok(indexes.into_iter().flatten().filter_map(newest).collect())
    }

    async fn rows(&self) -> Result<Vec<IndexRow>, Failure> {
        let patterns = [DocumentKind::Log, DocumentKind::Event].map(|kind| self.names.pattern(kind));
        let patterns = [patterns[0].as_str(), patterns[1].as_str()];
        let query = [("format", "json"), ("bytes", "b"), ("h", "index,docs.count,store.size")];
        self.client.ask(Call::get("stats", &CatIndicesParts::Index(&patterns).url()).with_query(&query)).await
    }

    async fn search(&self, filter: &DocumentFilter, body: Value) -> Result<Answer, Failure> {
        let Some(indexes) = self.indexes(filter) else { return Ok(Answer::default()) };
        let indexes: Vec<&str> = indexes.iter().map(String::as_str).collect();
        let path = SearchParts::Index(&indexes).url();
        self.ask(|| Call::post("search", &path, &body).with_query(&SEARCH)).await
    }

    async fn ask<'a>(&self, call: impl Fn() -> Call<'a>) -> Result<Answer, Failure> {
        let mut answer: Result<Answer, Failure> = self.client.ask(call()).await;
        // The server may have closed the connection that was kept: that tells nothing of its state.
        if matches!(&answer, Err(Failure::Away { message }) if !message.contains("too long")) {
            answer = self.client.ask(call()).await;
        }
        for _ in 0..SHARD_ATTEMPTS {
            if !matches!(&answer, Err(failure) if failure.is_without_shards()) {
                break;
            }
            tokio::time::sleep(SHARD_PAUSE).await;
            answer = self.client.ask(call()).await;
        }
        let answer = answer?;
        if answer.timed_out || answer._shards.failed > 0 {
            return Err(Failure::Broken { message: "it is of some shards only".to_owned() });
        }
        Ok(answer)
    }

    /// The indexes that may hold such documents; `None` where no index can.
    fn indexes(&self, filter: &DocumentFilter) -> Option<Vec<String>> {
        if filter.start >= filter.end {
            return None;
        }
        if filter.kind == DocumentKind::Event {
            // By their first sight, which may be long before.
            return Some(vec![self.names.pattern(filter.kind)]);
        }
        let now_ms = clock::now_millis();
        let first = DayNumber::holding_ms(filter.start.as_millis())
            .max(self.retention.first_kept(DocumentKind::Log, now_ms));
        let last = DayNumber::holding_ms(filter.end.as_millis().saturating_sub(1))
            .min(DayNumber::holding_ms(now_ms).plus(MAX_AHEAD_DAYS + 1));
        let n_days = last.since(first) + 1;
        if n_days <= 0 {
            return None;
        }
        if n_days > MAX_NAMED_DAYS {
            return Some(vec![self.names.pattern(filter.kind)]);
        }
        let name = |days| self.names.alias(Target { kind: filter.kind, day: first.plus(days) });
        Some((0..n_days).map(name).collect())
    }
}

/// `answer` has up to one document more than the page.
fn page(answer: Answer, limit: usize, kind: DocumentKind) -> SearchPage {
    let has_more = answer.hits.hits.len() > limit;
    let hits = answer.hits.hits.into_iter().take(limit);
    let documents: Vec<Document> = hits.filter_map(|hit| hit._source.into_document(kind)).collect();
    let last = documents.last().filter(|_| has_more);
    let next = last.map(|last| Cursor { timestamp_ns: last.timestamp_ns, id: last.id });
    SearchPage { documents, next }
}

/// An answer that is too large for us, or for the server's memory.
fn is_too_much(failure: &Failure) -> bool {
    match failure {
        Failure::TooLong { .. } => true,
        Failure::Refused(refusal) => refusal.kind == "circuit_breaking_exception",
        _ => false,
    }
}

/// A search that the server refuses is refused for what was asked: the request itself is ours.
fn of_search(failure: Failure) -> LogStoreError {
    if failure.is_status(400) {
        let message = "asks for more than the server takes; use fewer words or a shorter time".to_owned();
        return LogStoreError::Query { message };
    }
    failure.into()
}
