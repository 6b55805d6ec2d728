//! A filter as a query of tantivy, built from typed parts: no text is ever parsed as a query language.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    BooleanQuery, EmptyQuery, Occur, PhraseQuery, Query, RangeQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::tokenizer::TokenStream as _;

use super::schema::{self, Fields};
use crate::{Cursor, DocumentFilter, Order};

type Clause = (Occur, Box<dyn Query>);

/// One word or quoted phrase of the search text.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    text: String,
    is_excluded: bool,
}

pub(super) fn build(
    filter: &DocumentFilter,
    after: Option<(Cursor, Order)>,
    fields: Fields,
) -> Box<dyn Query> {
    let kind = Term::from_field_text(fields.kind, schema::kind_name(filter.kind));
    let mut clauses: Vec<Clause> =
        vec![(Occur::Must, term(kind)), (Occur::Must, time_range(filter, after, fields.timestamp))];
    for filter in &filter.fields {
        let field = fields.exact(filter.field);
        let values = filter.values.iter().map(|value| Term::from_field_text(field, value));
        let occur = if filter.is_negated { Occur::MustNot } else { Occur::Must };
        clauses.push((occur, Box::new(TermSetQuery::new(values))));
    }
    clauses.extend(parts(&filter.text).iter().filter_map(|part| text_clause(part, fields.body)));
    Box::new(BooleanQuery::new(clauses))
}

fn term(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

/// The filter's time, cut at the cursor: the collector settles ties.
fn time_range(filter: &DocumentFilter, after: Option<(Cursor, Order)>, field: Field) -> Box<dyn Query> {
    let nanos = |at: sentinel_model::Timestamp| at.as_millis().saturating_mul(1_000_000);
    let (mut first, mut last) = (nanos(filter.start), nanos(filter.end).saturating_sub(1));
    match after {
        Some((cursor, Order::NewestFirst)) => last = last.min(cursor.timestamp_ns),
        Some((cursor, Order::OldestFirst)) => first = first.max(cursor.timestamp_ns),
        None => {}
    }
    if first > last {
        return Box::new(EmptyQuery);
    }
    let bound = |nanos| Bound::Included(Term::from_field_i64(field, nanos));
    Box::new(RangeQuery::new(bound(first), bound(last)))
}

/// A part that holds no word (punctuation alone) asks for nothing.
fn text_clause(part: &Part, field: Field) -> Option<Clause> {
    let mut words = Vec::new();
    let mut tokenizer = schema::tokenizer();
    tokenizer
        .token_stream(&part.text)
        .process(&mut |token| words.push(Term::from_field_text(field, &token.text)));
    let query: Box<dyn Query> = match words.len() {
        0 => return None,
        1 => term(words.remove(0)),
        _ => Box::new(PhraseQuery::new(words)),
    };
    Some((if part.is_excluded { Occur::MustNot } else { Occur::Must }, query))
}

/// Splits at white space outside double quotes; a leading `-` excludes. An open quote ends at the end.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let is_excluded = rest.starts_with('-') && rest.len() > 1;
        rest = if is_excluded { &rest[1..] } else { rest };
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        parts.push(Part { text: part.to_owned(), is_excluded });
        rest = after.trim_start();
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn splits_words_phrases_and_exclusions() {
        let part = |text: &str, is_excluded| Part { text: text.into(), is_excluded };
        assert_eq!(
            parts(r#" error "no such file" -debug -"read timeout" "#),
            [
                part("error", false),
                part("no such file", false),
                part("debug", true),
                part("read timeout", true)
            ]
        );
        assert_eq!(parts(r#""open"#), [part("open", false)]);
        assert_eq!(parts("-"), [part("-", false)]);
    }

    proptest! {
        #[test]
        fn takes_any_text(text in "\\PC{0,60}") {
            parts(&text);
        }
    }
}
