//! What a subscription wants to see.

use sentinel_model::{CANARY_NAMESPACE, Selector};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::protocol::TopicName;
use crate::dto::record::{EventRow, LogRow};
use crate::error::ApiError;
use crate::params::{EVENT_SEVERITIES, LOG_SEVERITIES, Scope, search_text};
use crate::query::Function;
use crate::scope::InScope as _;

/// A topic with its filter, checked.
#[derive(Clone, Debug)]
pub enum Watch {
    Metrics { selector: Selector, function: Option<Function> },
    Objects { kinds: Vec<String>, scope: Scope, is_snapshot_wanted: bool },
    Usage { scope: Scope },
    Events(Box<EventWatch>),
    Logs(Box<LogWatch>),
    Pipeline,
}

#[derive(Clone, Debug, Default)]
pub struct EventWatch {
    scope: Scope,
    words: Words,
    severity: Vec<String>,
    reason: Vec<String>,
    object_kind: Vec<String>,
    object_name: Option<String>,
    workload: Vec<String>,
    node: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct LogWatch {
    scope: Scope,
    words: Words,
    severity: Vec<String>,
    pod: Vec<String>,
    container: Vec<String>,
    workload: Vec<String>,
    node: Option<String>,
}

/// Words and "quoted phrases" that a text must hold, ignoring case; a leading `-` excludes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Words {
    wanted: Vec<String>,
    excluded: Vec<String>,
}

/// One value or several.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Filter {
    cluster: Option<String>,
    clusters: OneOrMany,
    namespace: OneOrMany,
    namespaces: OneOrMany,
    r#match: Option<String>,
    function: Option<String>,
    kinds: OneOrMany,
    snapshot: bool,
    q: Option<String>,
    severity: OneOrMany,
    reason: OneOrMany,
    object_kind: OneOrMany,
    object_name: Option<String>,
    workload: OneOrMany,
    pod: OneOrMany,
    container: OneOrMany,
    node: Option<String>,
}

/// Values in one filter.
const MAX_VALUES: usize = 1_000;

impl Watch {
    /// # Errors
    /// A filter that is not usable.
    pub fn parse(topic: TopicName, filter: Option<Map<String, Value>>) -> Result<Self, ApiError> {
        let filter: Filter = read(Value::Object(filter.unwrap_or_default()))?;
        let scope = filter.scope()?;
        Ok(match topic {
            TopicName::Metrics => filter.metrics(&scope)?,
            TopicName::Objects => {
                Self::Objects { kinds: filter.kinds.values()?, scope, is_snapshot_wanted: filter.snapshot }
            }
            TopicName::Usage => Self::Usage { scope },
            TopicName::Events => Self::Events(Box::new(EventWatch {
                scope,
                words: Words::parse(&search_text("filter.q", filter.q.unwrap_or_default())?),
                severity: known(filter.severity.values()?, &EVENT_SEVERITIES)?,
                reason: filter.reason.values()?,
                object_kind: filter.object_kind.values()?,
                object_name: filter.object_name,
                workload: filter.workload.values()?,
                node: filter.node,
            })),
            TopicName::Logs => Self::Logs(Box::new(LogWatch {
                scope,
                words: Words::parse(&search_text("filter.q", filter.q.unwrap_or_default())?),
                severity: known(filter.severity.values()?, &LOG_SEVERITIES)?,
                pod: filter.pod.values()?,
                container: filter.container.values()?,
                workload: filter.workload.values()?,
                node: filter.node,
            })),
            TopicName::Pipeline => Self::Pipeline,
        })
    }
}

fn read<T: DeserializeOwned>(filter: Value) -> Result<T, ApiError> {
    serde_json::from_value(filter).map_err(|error| ApiError::parameter("filter", error.to_string()))
}

fn known(values: Vec<String>, allowed: &[&str]) -> Result<Vec<String>, ApiError> {
    match values.iter().find(|value| !allowed.contains(&value.as_str())) {
        Some(_) => Err(ApiError::parameter("filter.severity", format!("must be of {}", allowed.join(", ")))),
        None => Ok(values),
    }
}

impl Filter {
    fn scope(&self) -> Result<Scope, ApiError> {
        let mut clusters = self.clusters.values()?;
        clusters.extend(self.cluster.clone());
        if clusters.len() > 1 {
            return Err(ApiError::parameter(
                "filter.clusters",
                "may hold one cluster; subscribe once for each",
            ));
        }
        let mut namespace = self.namespaces.values()?;
        namespace.extend(self.namespace.values()?);
        Ok(Scope { cluster: clusters.pop(), namespace })
    }

    fn metrics(&self, scope: &Scope) -> Result<Watch, ApiError> {
        let text = self.r#match.as_deref().unwrap_or_default();
        let selector =
            Selector::parse(text).map_err(|error| ApiError::parameter("filter.match", error.to_string()))?;
        if selector.matchers().is_empty() {
            return Err(ApiError::parameter("filter.match", "must choose something"));
        }
        let function = match self.function.as_deref() {
            None => None,
            Some(name) => Some(name.parse().map_err(|error: crate::query::FunctionError| {
                ApiError::parameter("filter.function", error.to_string())
            })?),
        };
        Ok(Watch::Metrics { selector: scope.narrow(selector)?, function })
    }
}

impl OneOrMany {
    fn values(&self) -> Result<Vec<String>, ApiError> {
        let values = match self {
            Self::None => Vec::new(),
            Self::One(value) => vec![value.clone()],
            Self::Many(values) => values.clone(),
        };
        if values.len() > MAX_VALUES {
            return Err(ApiError::parameter("filter", format!("holds more than {MAX_VALUES} values")));
        }
        Ok(values)
    }
}

// === Matching ===

fn is(wanted: Option<&str>, found: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == found)
}

fn is_any(wanted: &[String], found: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == found)
}

impl EventWatch {
    pub fn accepts(&self, event: &EventRow) -> bool {
        self.scope.holds_names(&event.cluster, &event.namespace)
            && is_any(&self.severity, &event.severity)
            && is_any(&self.reason, &event.reason)
            && is_any(&self.object_kind, &event.object_kind)
            && is(self.object_name.as_deref(), &event.object_name)
            && is_any(&self.workload, &event.workload)
            && is(self.node.as_deref(), &event.node)
            && self.words.accept(&event.message)
    }
}

impl LogWatch {
    pub fn accepts(&self, line: &LogRow) -> bool {
        let is_shown = !self.scope.namespace.is_empty() || line.namespace != CANARY_NAMESPACE;
        is_shown
            && self.scope.holds_names(&line.cluster, &line.namespace)
            && is_any(&self.severity, &line.severity)
            && is_any(&self.pod, &line.pod)
            && is_any(&self.container, &line.container)
            && is_any(&self.workload, &line.workload)
            && is(self.node.as_deref(), &line.node)
            && self.words.accept(&line.body)
    }
}

impl Words {
    fn parse(text: &str) -> Self {
        let mut words = Self::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let is_excluded = rest.len() > 1 && rest.starts_with('-');
            let start = if is_excluded { &rest[1..] } else { rest };
            let (word, after) = match start.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => start.split_once(char::is_whitespace).unwrap_or((start, "")),
            };
            if !word.is_empty() {
                let list = if is_excluded { &mut words.excluded } else { &mut words.wanted };
                list.push(word.to_lowercase());
            }
            rest = after.trim_start();
        }
        words
    }

    fn accept(&self, text: &str) -> bool {
        if self.wanted.is_empty() && self.excluded.is_empty() {
            return true;
        }
        let text = text.to_lowercase();
        self.wanted.iter().all(|word| text.contains(word))
            && !self.excluded.iter().any(|word| text.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_phrases_must_all_occur_and_excluded_ones_must_not() {
        let accepts = |query: &str, text: &str| Words::parse(query).accept(text);
        assert!(accepts("", "anything"));
        assert!(accepts("upstream FAILED", "Request failed: upstream gone"));
        assert!(!accepts("\"upstream failed\"", "failed upstream"));
        assert!(accepts("\"upstream failed\" -retry", "upstream failed"));
        assert!(!accepts("upstream -retry", "upstream retry"));
        assert!(accepts("-", "a - b"), "a lone dash is a word");
        assert!(accepts("\"open", "open end"));
    }

    #[test]
    fn a_filter_with_an_unknown_field_or_value_is_refused() {
        let parse = |topic, filter: Value| Watch::parse(topic, filter.as_object().cloned());
        use serde_json::json;
        assert!(parse(TopicName::Logs, json!({"pods": "x"})).is_err());
        assert!(parse(TopicName::Logs, json!({"severity": "loud"})).is_err());
        assert!(parse(TopicName::Metrics, json!({})).is_err());
        assert!(parse(TopicName::Metrics, json!({"match": "up{a=~\"(\"}"})).is_err());
        assert!(parse(TopicName::Metrics, json!({"match": "up", "function": "magic"})).is_err());
        assert!(parse(TopicName::Objects, json!({"kinds": ["Pod"], "clusters": ["a", "b"]})).is_err());
        assert!(parse(TopicName::Objects, json!({"kinds": "Pod", "namespaces": ["a", "b"]})).is_ok());
        assert!(Watch::parse(TopicName::Pipeline, None).is_ok());
    }

    #[test]
    fn a_field_takes_one_value_or_several() {
        let watch = |pod: Value| {
            let filter = serde_json::json!({"pod": pod, "container": ["app", "proxy"], "workload": "web"});
            match Watch::parse(TopicName::Logs, filter.as_object().cloned()).expect("a valid filter") {
                Watch::Logs(watch) => watch,
                other => panic!("it watches lines: {other:?}"),
            }
        };
        let line = |pod: &str, container: &str| LogRow {
            id: String::new(),
            timestamp: sentinel_model::Timestamp::from_secs(1).into(),
            cluster: "a".to_owned(),
            namespace: "shop".to_owned(),
            workload_kind: "Deployment".to_owned(),
            workload: "web".to_owned(),
            pod: pod.to_owned(),
            container: container.to_owned(),
            node: String::new(),
            severity: "info".to_owned(),
            body: String::new(),
        };
        assert!(watch("web-1".into()).accepts(&line("web-1", "proxy")));
        assert!(!watch("web-1".into()).accepts(&line("web-2", "app")));
        let two = watch(vec!["web-1", "web-2"].into());
        assert!(two.accepts(&line("web-2", "app")) && !two.accepts(&line("web-2", "other")));
        assert!(watch(Value::Null).accepts(&line("web-9", "app")), "null is no wish");
    }
}
