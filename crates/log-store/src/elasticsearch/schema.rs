//! Fields of a document on the server, by the Elastic Common Schema where it has one, and the templates that
//! every index of ours is made of.

use std::time::Duration;

use serde_json::{Value, json};

use super::names::Names;
use crate::config::ElasticsearchConfig;
use crate::{DocumentField, DocumentKind};

pub(super) const TIMESTAMP: &str = "@timestamp";
pub(super) const ID: &str = "sentinel.id";
/// Words of the message as `text::words` cuts them, separated by blanks. Searched, not kept: with it a text
/// means the same in every store, whatever analyzers a server has.
pub(super) const WORDS: &str = "sentinel.words";

pub(super) const fn path(field: DocumentField) -> &'static str {
    match field {
        DocumentField::Cluster => "orchestrator.cluster.name",
        DocumentField::Namespace => "kubernetes.namespace",
        DocumentField::WorkloadKind => "kubernetes.workload.kind",
        DocumentField::Workload => "kubernetes.workload.name",
        DocumentField::Pod => "kubernetes.pod.name",
        DocumentField::Container => "kubernetes.container.name",
        DocumentField::Node => "kubernetes.node.name",
        DocumentField::Severity => "log.level",
        DocumentField::Reason => "event.reason",
        DocumentField::ObjectKind => "orchestrator.resource.type",
        DocumentField::ObjectName => "orchestrator.resource.name",
    }
}

/// Over the templates of Elasticsearch itself (`logs-*-*`, 100), and those of most others.
const PRIORITY: u32 = 500;

/// A page of the longest kind, and one document more to know whether there is another page.
const MAX_RESULT_WINDOW: usize = crate::SearchQuery::MAX_LIMIT + 1;

/// A term of the index has 32,766 bytes at most, a character up to four of them. Longer values are kept, and
/// not found by.
pub(super) const MAX_TERM_CHARS: usize = 8_191;

/// The component template.
pub(super) fn component(config: &ElasticsearchConfig) -> Value {
    versioned(json!({
        "template": { "settings": settings(config), "mappings": mappings() },
    }))
}

/// The template of a kind of index. `policy` is that of ILM, where the server has it.
pub(super) fn index(names: &Names, kind: DocumentKind, policy: Option<&str>) -> Value {
    let mut template = json!({
        "index_patterns": [names.pattern(kind)],
        "priority": PRIORITY,
        "composed_of": [names.component_template()],
    });
    if let (Some(policy), DocumentKind::Log) = (policy, kind) {
        // Age counts from the day in the name, not from when the index was made.
        template["template"] = json!({ "settings": {
            "index.lifecycle.name": policy,
            "index.lifecycle.parse_origination_date": true,
        } });
    }
    versioned(template)
}

/// What tells whether a template on the server is this one.
pub(super) fn version_of(template: &Value) -> &str {
    template["_meta"]["version"].as_str().unwrap_or_default()
}

fn versioned(mut template: Value) -> Value {
    // FNV-1a: the same in every build, other than the standard library's.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let version = template.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, step);
    template["_meta"] = json!({ "managed_by": "sentinel-mesh", "version": format!("{version:016x}") });
    template
}

fn settings(config: &ElasticsearchConfig) -> Value {
    let mut settings = json!({
        "index.number_of_shards": config.shards,
        // A search that nobody made for a while would otherwise find nothing new at first.
        "index.refresh_interval": millis(config.refresh_interval),
        // What is acknowledged is on the disk.
        "index.translog.durability": "request",
        "index.max_result_window": MAX_RESULT_WINDOW,
    });
    match config.replicas {
        Some(replicas) => settings["index.number_of_replicas"] = replicas.into(),
        None => settings["index.auto_expand_replicas"] = "0-1".into(),
    }
    settings
}

fn mappings() -> Value {
    let mut properties = json!({
        TIMESTAMP: { "type": "date_nanos" },
        // For other tools; positions are in the words.
        "message": { "type": "text", "norms": false, "index_options": "docs" },
        "event.kind": { "type": "keyword" },
        "event.start": { "type": "date_nanos" },
        "orchestrator.namespace": { "type": "alias", "path": path(DocumentField::Namespace) },
        // Only sorted by.
        ID: { "type": "keyword", "index": false },
        WORDS: { "type": "text", "analyzer": "whitespace", "norms": false, "index_options": "positions" },
    });
    for field in DocumentField::ALL {
        properties[path(field)] = json!({ "type": "keyword", "ignore_above": MAX_TERM_CHARS });
    }
    json!({
        "dynamic": false,
        "date_detection": false,
        "_source": { "excludes": [WORDS] },
        "properties": properties,
    })
}

pub(super) fn millis(span: Duration) -> String {
    format!("{}ms", span.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_another_version_when_its_content_changes() {
        let config = ElasticsearchConfig::default();
        let version = |config: &ElasticsearchConfig| version_of(&component(config)).to_owned();
        assert_eq!(version(&config), version(&config));
        let other = ElasticsearchConfig { replicas: Some(0), ..config.clone() };
        assert_ne!(version(&config), version(&other));
        assert_eq!(version(&config).len(), 16);
    }

    #[test]
    fn what_is_acknowledged_is_on_the_disk_and_found_soon() {
        let template = component(&ElasticsearchConfig::default());
        let settings = &template["template"]["settings"];
        assert_eq!(settings["index.translog.durability"], "request");
        assert_eq!(settings["index.refresh_interval"], "1000ms");
        assert_eq!(settings["index.auto_expand_replicas"], "0-1");
        assert_eq!(template["template"]["mappings"]["dynamic"], false);
    }

    #[test]
    fn a_policy_is_for_logs_alone() {
        let names = Names::new("sentinel".to_owned());
        let logs = index(&names, DocumentKind::Log, Some("p"));
        assert_eq!(logs["template"]["settings"]["index.lifecycle.name"], "p");
        assert!(logs["priority"].as_u64() >= Some(500));
        let events = index(&names, DocumentKind::Event, Some("p"));
        assert!(events.get("template").is_none());
    }
}
