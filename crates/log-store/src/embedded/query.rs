//! A filter as a query of tantivy, built from typed parts: no text is ever parsed as a query language.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    BooleanQuery, EmptyQuery, Occur, PhraseQuery, Query, RangeQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::tokenizer::TokenStream as _;

use super::schema::{self, Fields};
use crate::text::{Part, parts};
use crate::{Cursor, DocumentFilter, Order};

type Clause = (Occur, Box<dyn Query>);

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
