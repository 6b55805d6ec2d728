//! Documents to and from the server's form.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp as Instant;
use serde::{Deserialize, Serialize};

use crate::text;
use crate::{Document, DocumentId, DocumentKind};

/// `_source`. Empty texts are left out.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Source<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: Cow<'a, str>,
    message: Cow<'a, str>,
    #[serde(rename = "log.level", skip_serializing_if = "str::is_empty")]
    severity: Cow<'a, str>,
    #[serde(rename = "orchestrator.cluster.name", skip_serializing_if = "str::is_empty")]
    cluster: Cow<'a, str>,
    #[serde(rename = "kubernetes.namespace", skip_serializing_if = "str::is_empty")]
    namespace: Cow<'a, str>,
    #[serde(rename = "kubernetes.workload.kind", skip_serializing_if = "str::is_empty")]
    workload_kind: Cow<'a, str>,
    #[serde(rename = "kubernetes.workload.name", skip_serializing_if = "str::is_empty")]
    workload: Cow<'a, str>,
    #[serde(rename = "kubernetes.pod.name", skip_serializing_if = "str::is_empty")]
    pod: Cow<'a, str>,
    #[serde(rename = "kubernetes.container.name", skip_serializing_if = "str::is_empty")]
    container: Cow<'a, str>,
    #[serde(rename = "kubernetes.node.name", skip_serializing_if = "str::is_empty")]
    node: Cow<'a, str>,
    #[serde(rename = "event.kind", skip_serializing_if = "str::is_empty")]
    event_kind: Cow<'a, str>,
    #[serde(rename = "event.reason", skip_serializing_if = "str::is_empty")]
    reason: Cow<'a, str>,
    /// When an event was first seen.
    #[serde(rename = "event.start", skip_serializing_if = "str::is_empty")]
    start: Cow<'a, str>,
    #[serde(rename = "orchestrator.resource.type", skip_serializing_if = "str::is_empty")]
    object_kind: Cow<'a, str>,
    #[serde(rename = "orchestrator.resource.name", skip_serializing_if = "str::is_empty")]
    object_name: Cow<'a, str>,
    #[serde(rename = "sentinel.id")]
    id: Cow<'a, str>,
    #[serde(rename = "sentinel.extra", skip_serializing_if = "str::is_empty")]
    extra: Cow<'a, str>,
    #[serde(rename = "sentinel.words", skip_serializing_if = "str::is_empty")]
    words: Cow<'a, str>,
}

impl<'a> Source<'a> {
    pub(super) fn of(document: &'a Document) -> Self {
        let is_event = document.kind == DocumentKind::Event;
        Self {
            timestamp: time(document.timestamp_ns).into(),
            message: document.body.as_str().into(),
            severity: (&*document.severity).into(),
            cluster: (&*document.cluster).into(),
            namespace: (&*document.namespace).into(),
            workload_kind: (&*document.workload_kind).into(),
            workload: (&*document.workload).into(),
            pod: (&*document.pod).into(),
            container: (&*document.container).into(),
            node: (&*document.node).into(),
            event_kind: if is_event { "event".into() } else { Cow::default() },
            reason: (&*document.reason).into(),
            start: if is_event { time(document.origin_ns).into() } else { Cow::default() },
            object_kind: (&*document.object_kind).into(),
            object_name: (&*document.object_name).into(),
            id: id_text(document.id).into(),
            extra: document.extra.as_str().into(),
            words: text::words(&document.body).into(),
        }
    }

    /// `None` for a document that is not ours.
    pub(super) fn into_document(self, kind: DocumentKind) -> Option<Document> {
        let timestamp_ns = nanos(&self.timestamp)?;
        let shared = |text: Cow<'_, str>| Arc::<str>::from(text);
        Some(Document {
            id: parse_id(&self.id)?,
            kind,
            timestamp_ns,
            origin_ns: nanos(&self.start).unwrap_or(timestamp_ns),
            cluster: shared(self.cluster),
            namespace: shared(self.namespace),
            workload_kind: shared(self.workload_kind),
            workload: shared(self.workload),
            pod: shared(self.pod),
            container: shared(self.container),
            node: shared(self.node),
            severity: shared(self.severity),
            reason: shared(self.reason),
            object_kind: shared(self.object_kind),
            object_name: shared(self.object_name),
            body: self.message.into_owned(),
            extra: self.extra.into_owned(),
        })
    }
}

/// Sorts as the number does.
pub(super) fn id_text(id: DocumentId) -> String {
    format!("{:032x}", id.0)
}

fn parse_id(text: &str) -> Option<DocumentId> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(DocumentId))?
}

/// As `2026-11-21T20:00:00.123456789Z`: the one form in which all servers take nanoseconds.
pub(super) fn time(nanos: i64) -> String {
    // Before 1970 there are no such dates there.
    Instant::from_nanosecond(i128::from(nanos.max(0))).map_or_else(|_| String::new(), |at| at.to_string())
}

fn nanos(text: &str) -> Option<i64> {
    i64::try_from(text.parse::<Instant>().ok()?.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::schema;
    use super::*;
    use crate::DocumentField;
    use crate::contract::line;

    #[test]
    fn comes_back_as_it_went() {
        let log = line("c", u128::MAX, 1_795_291_200_123_456_789, "a \"b\"\n\u{0}");
        let event = Document {
            kind: DocumentKind::Event,
            origin_ns: 1,
            reason: "BackOff".into(),
            extra: "{}".to_owned(),
            ..line("c", 0, 5, "")
        };
        for document in [log, event] {
            let text = serde_json::to_string(&Source::of(&document)).expect("printable");
            let read: Source<'_> = serde_json::from_str(&text).expect("readable");
            assert_eq!(read.into_document(document.kind), Some(document));
        }
        let document = line("c", 1, 1, "");
        let foreign = Source { id: "7".into(), ..Source::of(&document) };
        assert_eq!(foreign.into_document(DocumentKind::Log), None);
    }

    #[test]
    fn fields_are_where_searches_look_for_them() {
        let document = Document {
            reason: "r".into(),
            object_kind: "k".into(),
            object_name: "n".into(),
            ..line("c", 1, 1, "text")
        };
        let value: Value = serde_json::to_value(Source::of(&document)).expect("a value");
        for field in DocumentField::ALL {
            assert!(value[schema::path(field)].is_string(), "{field:?}");
        }
        for field in [schema::TIMESTAMP, schema::ID, schema::WORDS] {
            assert!(value[field].is_string(), "{field}");
        }
    }
}
