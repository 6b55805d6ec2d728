//! What events and logs have in common: pages, histograms and facets of documents in a span of time.

use sentinel_log_store::{
    Cursor, Document, DocumentField, DocumentFilter, DocumentId, DocumentKind, FieldFilter, Order,
    SearchQuery,
};
use sentinel_model::Timestamp;

use crate::app::App;
use crate::dto::record::{FacetRow, Histogram, HistogramRow};
use crate::dto::{Items, Page};
use crate::error::ApiError;
use crate::params::{Bucket, EventFilter, Facet, LogFilter, Paging, Scope, Span};
use crate::scope::{document_fields, line_fields};

/// Histograms have no more buckets than this; without a wish, about a hundred.
const MAX_BUCKETS: i64 = 2_000;
const BUCKETS_S: [i64; 14] =
    [1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 604_800];

/// Which documents are asked for, as handlers hand it over.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub kind: DocumentKind,
    pub text: String,
    pub fields: Vec<FieldFilter>,
}

impl Chosen {
    pub fn events(scope: &Scope, filter: EventFilter) -> Self {
        let one = |value: Option<String>| value.into_iter().collect();
        let fields = [
            (DocumentField::Severity, filter.severity),
            (DocumentField::Reason, filter.reason),
            (DocumentField::ObjectKind, filter.object_kind),
            (DocumentField::ObjectName, one(filter.object_name)),
            (DocumentField::Workload, filter.workload),
            (DocumentField::Node, one(filter.node)),
        ];
        Self {
            kind: DocumentKind::Event,
            text: filter.q.unwrap_or_default(),
            fields: document_fields(scope, &fields),
        }
    }

    pub fn logs(scope: &Scope, filter: LogFilter) -> Self {
        let one = |value: Option<String>| value.into_iter().collect();
        let fields = [
            (DocumentField::Severity, filter.severity),
            (DocumentField::Pod, filter.pod),
            (DocumentField::Container, filter.container),
            (DocumentField::Workload, filter.workload),
            (DocumentField::Node, one(filter.node)),
        ];
        Self {
            kind: DocumentKind::Log,
            text: filter.q.unwrap_or_default(),
            fields: line_fields(scope, &fields),
        }
    }

    fn within(self, (start, end): (Timestamp, Timestamp)) -> DocumentFilter {
        DocumentFilter { kind: self.kind, text: self.text, fields: self.fields, start, end }
    }
}

impl Span {
    /// # Errors
    /// A span that is empty or turned around.
    pub fn resolve(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), ApiError> {
        let (from, to) = (self.from.resolve(now), self.to.resolve(now));
        if from < to { Ok((from, to)) } else { Err(ApiError::parameter("from", "must lie before to")) }
    }
}

/// Times of the first page hold for all: "the last hour" must not move from page to page.
pub async fn search(
    app: &App,
    chosen: Chosen,
    span: &Span,
    paging: &Paging,
    order: Order,
) -> Result<Page<Document>, ApiError> {
    let cursor: Option<(i64, u128, i64, i64)> = paging.cursor()?;
    let (start, end) = match cursor {
        Some((.., start, end)) => (Timestamp::from_millis(start), Timestamp::from_millis(end)),
        None => span.resolve(app.now())?,
    };
    let after = cursor.map(|(timestamp_ns, id, ..)| Cursor { timestamp_ns, id: DocumentId(id) });
    let filter = chosen.within((start, end));
    let page = app.logs.search(&SearchQuery { filter, order, limit: paging.limit as usize, after }).await?;
    let token =
        |next: Cursor| paging.token(&(next.timestamp_ns, next.id.0, start.as_millis(), end.as_millis()));
    Ok(Page { next_page_token: page.next.map(token), items: page.documents })
}

pub async fn histogram(
    app: &App,
    chosen: Chosen,
    span: &Span,
    bucket: &Bucket,
) -> Result<Histogram, ApiError> {
    let (from, to) = span.resolve(app.now())?;
    let bucket_ms = bucket_ms(to.millis_since(from), bucket)?;
    let buckets = app.logs.histogram(&chosen.within((from, to)), bucket_ms).await?;
    let row = |bucket: sentinel_log_store::HistogramBucket| HistogramRow {
        start: bucket.start.into(),
        counts: bucket.counts.into_iter().collect(),
    };
    Ok(Histogram {
        bucket_ms,
        from: from.into(),
        to: to.into(),
        items: buckets.into_iter().map(row).collect(),
    })
}

fn bucket_ms(span_ms: i64, bucket: &Bucket) -> Result<i64, ApiError> {
    let Some(wanted) = bucket.bucket else {
        let fits = |bucket_s: &&i64| span_ms / (**bucket_s * 1_000) <= 100;
        return Ok(BUCKETS_S.iter().find(fits).map_or(span_ms / 100, |bucket_s| bucket_s * 1_000));
    };
    let wanted_ms = i64::try_from(wanted.as_millis()).unwrap_or(i64::MAX);
    if span_ms / wanted_ms > MAX_BUCKETS {
        return Err(ApiError::parameter(
            "bucket",
            format!("gives {} buckets, more than {MAX_BUCKETS}", span_ms / wanted_ms),
        ));
    }
    Ok(wanted_ms)
}

pub async fn facets(
    app: &App,
    chosen: Chosen,
    span: &Span,
    facet: &Facet,
) -> Result<Items<FacetRow>, ApiError> {
    let field = field_of(&facet.field)?;
    let filter = chosen.within(span.resolve(app.now())?);
    let counts = app.logs.facet(&filter, field, facet.limit as usize).await?;
    let row = |(value, count)| FacetRow { value, count };
    Ok(Items { items: counts.into_iter().map(row).collect() })
}

fn field_of(name: &str) -> Result<DocumentField, ApiError> {
    const FIELDS: [(&str, DocumentField); 11] = [
        ("cluster", DocumentField::Cluster),
        ("namespace", DocumentField::Namespace),
        ("workload_kind", DocumentField::WorkloadKind),
        ("workload", DocumentField::Workload),
        ("pod", DocumentField::Pod),
        ("container", DocumentField::Container),
        ("node", DocumentField::Node),
        ("severity", DocumentField::Severity),
        ("reason", DocumentField::Reason),
        ("object_kind", DocumentField::ObjectKind),
        ("object_name", DocumentField::ObjectName),
    ];
    let known = FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
    known.ok_or_else(|| {
        let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        ApiError::parameter("field", format!("must be one of {}", names.join(", ")))
    })
}
