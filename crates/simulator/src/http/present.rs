//! The forms in which a client can ask for objects.

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json;
use crate::store::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Whole,
    /// Only `metadata`, as `PartialObjectMetadata`.
    Metadata,
    /// Events of `events.k8s.io/v1`.
    NewEvent,
}

#[derive(Deserialize)]
struct Partial<'a> {
    #[serde(borrow)]
    metadata: &'a RawValue,
}

impl Form {
    pub fn of(headers: &HeaderMap, is_new_event: bool) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accept.contains("as=PartialObjectMetadata") {
            Self::Metadata
        } else if is_new_event {
            Self::NewEvent
        } else {
            Self::Whole
        }
    }

    /// `kind` and `apiVersion` that objects of this form have.
    pub fn type_of(self, kind: Kind) -> (Cow<'static, str>, Cow<'static, str>) {
        match self {
            Self::Whole => (kind.name().into(), kind.api_version().into()),
            Self::Metadata => ("PartialObjectMetadata".into(), "meta.k8s.io/v1".into()),
            Self::NewEvent => ("Event".into(), "events.k8s.io/v1".into()),
        }
    }

    pub fn present(self, body: &str) -> Cow<'_, str> {
        match self {
            Self::Whole => Cow::Borrowed(body),
            Self::Metadata => Cow::Owned(metadata_only(body)),
            Self::NewEvent => Cow::Owned(new_event(body)),
        }
    }

    /// Items of lists go without `kind` and `apiVersion`.
    pub fn present_item(self, body: &str) -> String {
        let body = self.present(body);
        match body.find("\"metadata\":") {
            Some(at) => format!("{{{}", &body[at..]),
            None => body.into_owned(),
        }
    }
}

fn metadata_only(body: &str) -> String {
    let metadata = serde_json::from_str::<Partial<'_>>(body).map_or("{}", |partial| partial.metadata.get());
    json::object(|object| {
        object.text("kind", "PartialObjectMetadata");
        object.text("apiVersion", "meta.k8s.io/v1");
        object.raw("metadata", metadata);
    })
}

/// The fields of `core/v1` events under their new names.
fn new_event(body: &str) -> String {
    let Ok(old) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
    let text = |name: &str| old[name].as_str().unwrap_or_default().to_owned();
    json::object(|event| {
        event.text("kind", "Event");
        event.text("apiVersion", "events.k8s.io/v1");
        event.raw("metadata", serde_json::from_str::<Partial<'_>>(body).map_or("{}", |p| p.metadata.get()));
        event.raw("eventTime", &old["eventTime"].to_string());
        event.text_if("reportingController", &text("reportingComponent"));
        event.text_if("reportingInstance", &text("reportingInstance"));
        event.text_if("action", &text("action"));
        event.text_if("reason", &text("reason"));
        event.raw("regarding", &old["involvedObject"].to_string());
        event.text_if("note", &text("message"));
        event.text_if("type", &text("type"));
        event.raw("deprecatedSource", &old["source"].to_string());
        event.raw("deprecatedFirstTimestamp", &old["firstTimestamp"].to_string());
        event.raw("deprecatedLastTimestamp", &old["lastTimestamp"].to_string());
        if let Some(count) = old["count"].as_i64() {
            event.number("deprecatedCount", count);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"kind":"Event","apiVersion":"v1","metadata":{"name":"a.1","resourceVersion":"7"},"involvedObject":{"kind":"Pod"},"reason":"Started","message":"Container started","source":{"component":"kubelet"},"firstTimestamp":"t","lastTimestamp":"t","count":3,"type":"Normal","eventTime":null,"reportingComponent":"kubelet","reportingInstance":"node-1"}"#;

    #[test]
    fn items_of_lists_go_without_their_type() {
        let item =
            Form::Whole.present_item(r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{}}"#);
        assert_eq!(item, r#"{"metadata":{"name":"a"},"spec":{}}"#);
    }

    #[test]
    fn gives_metadata_alone() {
        assert_eq!(
            Form::Metadata.present(BODY),
            r#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a.1","resourceVersion":"7"}}"#
        );
    }

    #[test]
    fn gives_events_in_their_new_form() {
        let event: Value = serde_json::from_str(&Form::NewEvent.present(BODY)).expect("JSON");
        assert_eq!(event["note"], "Container started");
        assert_eq!(event["regarding"]["kind"], "Pod");
        assert_eq!(event["deprecatedCount"], 3);
        assert_eq!(event["reportingController"], "kubelet");
        assert!(event.get("message").is_none());
    }
}
