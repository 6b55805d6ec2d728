//! Events, as the recorders of the control plane and of the kubelets write them.

use sentinel_model::Timestamp;

use super::{Meta, whole};
use crate::dice::Uid;
use crate::store::Kind;
use crate::world::{Reporter, Subject};

/// An event as last written.
#[derive(Clone, Copy, Debug)]
pub struct EventView<'a> {
    pub name: &'a str,
    pub namespace: &'a str,
    pub uid: Uid,
    pub version: u64,
    pub subject: &'a Subject,
    pub reason: &'a str,
    pub message: &'a str,
    pub is_warning: bool,
    pub reporter: &'a Reporter,
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: i64,
}

pub fn event(view: &EventView<'_>) -> String {
    let meta = Meta {
        name: view.name,
        namespace: view.namespace,
        uid: Some(view.uid),
        version: view.version,
        created: view.first,
        ..Meta::default()
    };
    whole(Kind::Event, &meta, |object| {
        object.object("involvedObject", |involved| {
            let subject = view.subject;
            involved.text("kind", subject.kind.name());
            involved.text_if("namespace", &subject.namespace);
            involved.text("name", &subject.name);
            if let Some(uid) = subject.uid {
                involved.uid("uid", uid);
            }
            involved.text("apiVersion", &subject.kind.api_version());
            if subject.version > 0 {
                involved.text("resourceVersion", &subject.version.to_string());
            }
            involved.text_if("fieldPath", &subject.field);
        });
        object.text("reason", view.reason);
        object.text("message", view.message);
        let is_new_style = view.reporter.action.is_some();
        object.object("source", |source| {
            if !is_new_style {
                source.text("component", view.reporter.component);
                source.text_if("host", &view.reporter.host);
            }
        });
        if is_new_style {
            object.null("firstTimestamp");
            object.null("lastTimestamp");
        } else {
            object.time("firstTimestamp", view.first);
            object.time("lastTimestamp", view.last);
            object.number("count", view.count);
        }
        object.text("type", if view.is_warning { "Warning" } else { "Normal" });
        match view.reporter.action {
            Some(action) => {
                object.micro_time("eventTime", view.first);
                object.text("action", action);
            }
            None => object.null("eventTime"),
        }
        object.text("reportingComponent", view.reporter.component);
        object.text("reportingInstance", view.reporter.instance());
    })
}
