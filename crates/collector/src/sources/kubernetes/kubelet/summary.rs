//! The kubelet's `/stats/summary`, flattened: each number under its path, with the time at which the
//! kubelet measured it. Fields that are absent give no row, never a zero.

use serde_json::{Map, Number, Value};

use super::super::json::{list, text};

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scope {
    Node,
    SystemContainer,
    Pod,
    Container,
    Volume,
}

/// Whose number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject<'a> {
    pub(crate) scope: Scope,
    pub(crate) namespace: &'a str,
    pub(crate) pod: &'a str,
    pub(crate) uid: &'a str,
    /// Of the container or volume.
    pub(crate) name: &'a str,
    /// Claim behind the volume, with its namespace.
    pub(crate) claim: Option<(&'a str, &'a str)>,
}

/// One number of the summary.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SummaryRow<'a> {
    pub(crate) subject: Subject<'a>,
    /// Path of the number such as `memory.workingSetBytes` or `network.interfaces[eth0].rxBytes`.
    pub(crate) metric: String,
    pub(crate) value: &'a Number,
    /// RFC 3339 as the kubelet wrote it; empty where it gives none.
    pub(crate) time: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SummaryError {
    #[error("the summary is not JSON: {message}")]
    NotJson { message: String },
    #[error("the summary has neither `node` nor `pods`")]
    NotASummary,
}

impl SummaryError {
    /// Stable short name for counters.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "not_json",
            Self::NotASummary => "not_a_summary",
        }
    }
}

/// Parses a body.
///
/// # Errors
/// It is not JSON, or it is JSON of something else.
pub(crate) fn parse(body: &[u8]) -> Result<Value, SummaryError> {
    let summary: Value =
        serde_json::from_slice(body).map_err(|error| SummaryError::NotJson { message: error.to_string() })?;
    let is_summary =
        summary.get("node").is_some_and(Value::is_object) || summary.get("pods").is_some_and(Value::is_array);
    if is_summary { Ok(summary) } else { Err(SummaryError::NotASummary) }
}

/// Every number, in the order of the summary.
pub(crate) fn flatten(summary: &Value) -> Vec<SummaryRow<'_>> {
    let mut rows = Vec::new();
    let nobody = Subject { scope: Scope::Node, namespace: "", pod: "", uid: "", name: "", claim: None };
    if let Some(node) = summary.get("node") {
        walk_subject(node, nobody, &mut rows);
        for container in list(node, "systemContainers") {
            let name = text(container, "name");
            walk_subject(container, Subject { scope: Scope::SystemContainer, name, ..nobody }, &mut rows);
        }
    }
    for pod in list(summary, "pods") {
        let subject = Subject {
            scope: Scope::Pod,
            namespace: text(pod, "podRef.namespace"),
            pod: text(pod, "podRef.name"),
            uid: text(pod, "podRef.uid"),
            ..nobody
        };
        walk_subject(pod, subject, &mut rows);
        for container in list(pod, "containers") {
            let name = text(container, "name");
            walk_subject(container, Subject { scope: Scope::Container, name, ..subject }, &mut rows);
        }
        for volume in list(pod, "volume") {
            let claim = text(volume, "pvcRef.name");
            let claim = (!claim.is_empty()).then(|| (text(volume, "pvcRef.namespace"), claim));
            let subject = Subject { scope: Scope::Volume, name: text(volume, "name"), claim, ..subject };
            walk_subject(volume, subject, &mut rows);
        }
    }
    rows
}

/// Parts of a subject that are subjects of their own, or name something.
const NOT_OF_THE_SUBJECT: [&str; 5] = ["systemContainers", "containers", "volume", "podRef", "pvcRef"];

fn walk_subject<'a>(value: &'a Value, subject: Subject<'a>, rows: &mut Vec<SummaryRow<'a>>) {
    let Some(fields) = value.as_object() else { return };
    let mut walk = Walk { subject, path: String::new(), rows };
    let time = text(value, "time");
    for (key, value) in fields.iter().filter(|(key, _)| !NOT_OF_THE_SUBJECT.contains(&key.as_str())) {
        walk.enter(key, value, time);
    }
}

struct Walk<'a, 'r> {
    subject: Subject<'a>,
    path: String,
    rows: &'r mut Vec<SummaryRow<'a>>,
}

impl<'a> Walk<'a, '_> {
    fn enter(&mut self, key: &str, value: &'a Value, time: &'a str) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        self.visit(value, time);
        self.path.truncate(length);
    }

    /// `time` is the nearest one around; a section's own wins.
    fn visit(&mut self, value: &'a Value, time: &'a str) {
        match value {
            Value::Number(value) => {
                let row = SummaryRow { subject: self.subject, metric: self.path.clone(), value, time };
                self.rows.push(row);
            }
            Value::Object(fields) => self.visit_fields(fields, time),
            Value::Array(items) => self.visit_items(items, time),
            _ => {}
        }
    }

    fn visit_fields(&mut self, fields: &'a Map<String, Value>, time: &'a str) {
        let time = fields.get("time").and_then(Value::as_str).unwrap_or(time);
        for (key, value) in fields {
            self.enter(key, value, time);
        }
    }

    /// Items are told apart by their names.
    fn visit_items(&mut self, items: &'a [Value], time: &'a str) {
        let length = self.path.len();
        for item in items {
            let name = text(item, "name");
            self.path.push('[');
            self.path.push_str(name);
            self.path.push(']');
            self.visit(item, time);
            self.path.truncate(length);
        }
    }
}

#[cfg(test)]
mod tests;
