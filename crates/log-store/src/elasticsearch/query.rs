//! Filters as bodies of searches, built from typed values: `term`, `terms`, `range`, `exists` and
//! `match_phrase`, in which every text is data.

use sentinel_model::Timestamp;
use serde_json::{Value, json};

use super::document::{id_text, time};
use super::schema;
use crate::{Cursor, DocumentFilter, FieldFilter, HistogramBucket, LogStoreError, Order, SearchQuery, text};

/// Servers take 1,024 clauses and more; nobody writes so many words.
const MAX_PARTS: usize = 256;

/// Last millisecond that the server's dates with nanoseconds can tell.
const MAX_MS: i64 = i64::MAX / 1_000_000;

/// Values of a field that are looked at to find the most frequent. Counts are exact where there are no more.
const MAX_VALUES: usize = 10_000;

/// Longest bucket: longer than any time that dates can tell, and taken by all servers.
const MAX_BUCKET_MS: i64 = MAX_MS;

/// # Errors
/// A text of too many words.
pub(super) fn filter(filter: &DocumentFilter) -> Result<Value, LogStoreError> {
    let mut must = vec![within(filter.start, filter.end)];
    let mut must_not = Vec::new();
    for field in &filter.fields {
        let side = if field.is_negated { &mut must_not } else { &mut must };
        side.push(one_of(field));
    }
    let parts = text::parts(&filter.text);
    if parts.len() > MAX_PARTS {
        let message = format!("more than {MAX_PARTS} words; search for fewer");
        return Err(LogStoreError::Query { message });
    }
    for part in parts {
        let side = if part.is_excluded { &mut must_not } else { &mut must };
        side.extend(phrase(&part.text));
    }
    Ok(json!({ "bool": { "filter": must, "must_not": must_not } }))
}

/// A part that holds no word (punctuation alone) asks for nothing.
fn phrase(part: &str) -> Option<Value> {
    let words = text::words(part);
    if words.is_empty() {
        return None;
    }
    if words.contains(' ') {
        return Some(json!({ "match_phrase": { schema::WORDS: { "query": words } } }));
    }
    Some(json!({ "term": { schema::WORDS: { "value": words } } }))
}

fn within(start: Timestamp, end: Timestamp) -> Value {
    let (start, end) = (start.as_millis().max(0), end.as_millis());
    if start >= end || start > MAX_MS {
        return json!({ "match_none": {} });
    }
    let mut range = json!({ "gte": start, "format": "epoch_millis" });
    if end <= MAX_MS {
        range["lt"] = end.into();
    }
    json!({ "range": { schema::TIMESTAMP: range } })
}

/// Empty texts are not stored, and those that are too long for the index are not found by.
fn one_of(filter: &FieldFilter) -> Value {
    let path = schema::path(filter.field);
    let is_term =
        |value: &&String| !value.is_empty() && value.encode_utf16().count() <= schema::MAX_TERM_CHARS;
    let values: Vec<&String> = filter.values.iter().filter(is_term).collect();
    let some = json!({ "terms": { path: values } });
    if !filter.values.iter().any(String::is_empty) {
        return some;
    }
    let none = json!({ "bool": { "must_not": [{ "exists": { "field": path } }] } });
    json!({ "bool": { "should": [some, none], "minimum_should_match": 1 } })
}

/// The body of a search for a page of `size` documents.
pub(super) fn page(query: &SearchQuery, size: usize) -> Result<Value, LogStoreError> {
    let order = match query.order {
        Order::NewestFirst => "desc",
        Order::OldestFirst => "asc",
    };
    let mut body = json!({
        "size": size,
        "track_total_hits": false,
        "query": filter(&query.filter)?,
        "sort": [
            { schema::TIMESTAMP: { "order": order, "unmapped_type": "date_nanos" } },
            { schema::ID: { "order": order, "unmapped_type": "keyword" } },
        ],
    });
    if let Some(Cursor { timestamp_ns, id }) = query.after {
        body["search_after"] = json!([time(timestamp_ns), id_text(id)]);
    }
    Ok(body)
}

/// The body of a histogram. It ends after one bucket more than are allowed.
pub(super) fn histogram(of: &DocumentFilter, bucket_ms: i64) -> Result<Value, LogStoreError> {
    let width = format!("{}ms", bucket_ms.min(MAX_BUCKET_MS));
    Ok(json!({
        "size": 0,
        "track_total_hits": false,
        "query": filter(of)?,
        "aggs": { "times": {
            "composite": {
                "size": HistogramBucket::MAX + 1,
                "sources": [{ "at": { "date_histogram": {
                    "field": schema::TIMESTAMP,
                    "fixed_interval": width,
                } } }],
            },
            "aggs": { "severities": { "terms": {
                "field": schema::path(crate::DocumentField::Severity),
                "missing": "",
                "size": 20,
            } } },
        } },
    }))
}

pub(super) fn facet(of: &DocumentFilter, field: crate::DocumentField) -> Result<Value, LogStoreError> {
    Ok(json!({
        "size": 0,
        "track_total_hits": false,
        "query": filter(of)?,
        "aggs": { "values": { "terms": {
            "field": schema::path(field),
            "size": MAX_VALUES,
            "shard_size": 2 * MAX_VALUES,
        } } },
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::contract::all_of;
    use crate::{DocumentField, DocumentKind};

    fn of_text(text: &str) -> Value {
        let filter_of = DocumentFilter { text: text.to_owned(), ..all_of("c", DocumentKind::Log) };
        filter(&filter_of).expect("few words")
    }

    #[test]
    fn words_and_phrases_must_occur_and_exclusions_must_not() {
        let body = of_text("Error \"no such file\" -debug *:* -\"a b\"");
        let phrase = |words: &str| json!({ "match_phrase": { "sentinel.words": { "query": words } } });
        let word = |word: &str| json!({ "term": { "sentinel.words": { "value": word } } });
        let must = body["bool"]["filter"].as_array().expect("a list");
        assert_eq!(must[2..], [word("error"), phrase("no such file")]);
        assert_eq!(body["bool"]["must_not"], json!([word("debug"), phrase("a b")]));
    }

    #[test]
    fn an_empty_value_is_a_field_that_is_not_there() {
        let none = FieldFilter {
            field: DocumentField::Pod,
            values: vec![String::new(), "a".to_owned()],
            is_negated: false,
        };
        let text = one_of(&none).to_string();
        assert!(text.contains("exists") && text.contains("[\"a\"]"), "{text}");
    }

    #[test]
    fn times_that_no_date_can_tell_are_cut() {
        let range = |start, end| within(Timestamp::from_millis(start), Timestamp::from_millis(end));
        assert_eq!(range(5, 5), json!({ "match_none": {} }));
        assert_eq!(range(i64::MAX, i64::MAX), json!({ "match_none": {} }));
        let all = json!({ "range": { "@timestamp": { "gte": 0, "format": "epoch_millis" } } });
        assert_eq!(range(i64::MIN, i64::MAX), all);
    }

    #[test]
    fn a_text_of_many_words_is_refused() {
        let filter_of = DocumentFilter { text: "a ".repeat(1_025), ..all_of("c", DocumentKind::Log) };
        assert!(matches!(filter(&filter_of), Err(LogStoreError::Query { .. })));
    }

    proptest! {
        /// Only values of the body come from a text, never a key.
        #[test]
        fn a_text_is_never_a_key(text in "\\PC{0,80}") {
            const KEYS: [&str; 13] = [
                "bool", "filter", "must_not", "range", "@timestamp", "gte", "lt", "format", "terms",
                "orchestrator.cluster.name", "match_phrase", "term", "sentinel.words",
            ];
            let mut left = vec![of_text(&text)];
            while let Some(value) = left.pop() {
                match value {
                    Value::Object(map) => for (key, value) in map {
                        prop_assert!(KEYS.contains(&key.as_str()) || key == "query" || key == "value", "{}", key);
                        left.push(value);
                    },
                    Value::Array(values) => left.extend(values),
                    _ => {}
                }
            }
        }
    }
}
