//! Fields of an index, and documents to and from it.

use std::sync::Arc;

use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
    Value as _,
};
use tantivy::tokenizer::{LowerCaser, RemoveLongFilter, SimpleTokenizer, TextAnalyzer};

use crate::text::MAX_WORD_BYTES;
use crate::{Document, DocumentField, DocumentId, DocumentKind};

/// Name of the tokenizer: words of letters and digits, lower case.
pub(super) const TOKENIZER: &str = "words";

#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) id: Field,
    pub(super) kind: Field,
    pub(super) timestamp: Field,
    id_high: Field,
    id_low: Field,
    pub(super) body: Field,
    extra: Field,
    exact: [Field; DocumentField::ALL.len()],
    origin: Option<Field>,
}

/// Which fields an index has: days written by earlier versions stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Without the documents' origin, of before 0.2.
    First,
    Current,
}

/// Fast fields that collectors read.
pub(super) const TIMESTAMP: &str = "timestamp";
pub(super) const ID_HIGH: &str = "id_high";
pub(super) const ID_LOW: &str = "id_low";

pub(super) const fn name(field: DocumentField) -> &'static str {
    match field {
        DocumentField::Cluster => "cluster",
        DocumentField::Namespace => "namespace",
        DocumentField::WorkloadKind => "workload_kind",
        DocumentField::Workload => "workload",
        DocumentField::Pod => "pod",
        DocumentField::Container => "container",
        DocumentField::Node => "node",
        DocumentField::Severity => "severity",
        DocumentField::Reason => "reason",
        DocumentField::ObjectKind => "object_kind",
        DocumentField::ObjectName => "object_name",
    }
}

pub(super) const fn kind_name(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Log => "log",
        DocumentKind::Event => "event",
    }
}

pub(crate) fn tokenizer() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(MAX_WORD_BYTES))
        .filter(LowerCaser)
        .build()
}

impl Fields {
    pub(super) fn build(layout: Layout) -> (Schema, Self) {
        let mut schema = Schema::builder();
        let words = TextFieldIndexing::default()
            .set_tokenizer(TOKENIZER)
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions);
        let fields = Self {
            id: schema.add_text_field("id", STRING),
            kind: schema.add_text_field("kind", STRING | STORED),
            timestamp: schema.add_i64_field(TIMESTAMP, INDEXED | FAST | STORED),
            id_high: schema.add_u64_field(ID_HIGH, FAST | STORED),
            id_low: schema.add_u64_field(ID_LOW, FAST | STORED),
            body: schema
                .add_text_field("body", TextOptions::default().set_indexing_options(words).set_stored()),
            extra: schema.add_text_field("extra", STORED),
            exact: DocumentField::ALL.map(|field| schema.add_text_field(name(field), STRING | FAST | STORED)),
            origin: (layout == Layout::Current).then(|| schema.add_i64_field("origin", STORED)),
        };
        (schema.build(), fields)
    }

    pub(super) fn exact(&self, field: DocumentField) -> Field {
        self.exact[field as usize]
    }

    pub(super) fn to_tantivy(self, document: &Document) -> TantivyDocument {
        let mut to = TantivyDocument::default();
        to.add_text(self.id, id_text(document.id));
        to.add_text(self.kind, kind_name(document.kind));
        to.add_i64(self.timestamp, document.timestamp_ns);
        to.add_u64(self.id_high, (document.id.0 >> 64) as u64);
        to.add_u64(self.id_low, document.id.0 as u64);
        to.add_text(self.body, &document.body);
        to.add_text(self.extra, &document.extra);
        if let Some(origin) = self.origin {
            to.add_i64(origin, document.origin_ns);
        }
        for field in DocumentField::ALL {
            to.add_text(self.exact(field), value(document, field));
        }
        to
    }

    pub(super) fn read(&self, from: &TantivyDocument) -> Document {
        let text = |field: Field| from.get_first(field).and_then(|value| value.as_str()).unwrap_or_default();
        let exact = |field: DocumentField| Arc::<str>::from(text(self.exact(field)));
        let number =
            |field: Field| from.get_first(field).and_then(|value| value.as_u64()).unwrap_or_default();
        let time = |field: Field| from.get_first(field).and_then(|value| value.as_i64());
        let timestamp_ns = time(self.timestamp).unwrap_or_default();
        let is_event = text(self.kind) == kind_name(DocumentKind::Event);
        Document {
            id: DocumentId(u128::from(number(self.id_high)) << 64 | u128::from(number(self.id_low))),
            kind: if is_event { DocumentKind::Event } else { DocumentKind::Log },
            timestamp_ns,
            origin_ns: self.origin.and_then(time).unwrap_or(timestamp_ns),
            cluster: exact(DocumentField::Cluster),
            namespace: exact(DocumentField::Namespace),
            workload_kind: exact(DocumentField::WorkloadKind),
            workload: exact(DocumentField::Workload),
            pod: exact(DocumentField::Pod),
            container: exact(DocumentField::Container),
            node: exact(DocumentField::Node),
            severity: exact(DocumentField::Severity),
            reason: exact(DocumentField::Reason),
            object_kind: exact(DocumentField::ObjectKind),
            object_name: exact(DocumentField::ObjectName),
            body: text(self.body).to_owned(),
            extra: text(self.extra).to_owned(),
        }
    }
}

pub(super) fn id_text(id: DocumentId) -> String {
    format!("{:032x}", id.0)
}

fn value(document: &Document, field: DocumentField) -> &str {
    match field {
        DocumentField::Cluster => &document.cluster,
        DocumentField::Namespace => &document.namespace,
        DocumentField::WorkloadKind => &document.workload_kind,
        DocumentField::Workload => &document.workload,
        DocumentField::Pod => &document.pod,
        DocumentField::Container => &document.container,
        DocumentField::Node => &document.node,
        DocumentField::Severity => &document.severity,
        DocumentField::Reason => &document.reason,
        DocumentField::ObjectKind => &document.object_kind,
        DocumentField::ObjectName => &document.object_name,
    }
}
