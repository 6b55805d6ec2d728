//! What goes over the WebSocket, as JSON text frames of subprotocol `sentinel.v1`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::dto::Problem;
use crate::dto::node::NodeRow;
use crate::dto::object::ObjectRow;
use crate::dto::pipeline::Pipeline;
use crate::dto::pod::PodRow;
use crate::dto::record::{EventRow, LogRow};
use crate::dto::workload::WorkloadRow;

pub const PROTOCOL: &str = "sentinel.v1";

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TopicName {
    Metrics,
    Objects,
    Usage,
    Events,
    Logs,
    Pipeline,
}

impl TopicName {
    pub const ALL: [Self; 6] =
        [Self::Metrics, Self::Objects, Self::Usage, Self::Events, Self::Logs, Self::Pipeline];
}

/// From the client.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    Subscribe(Subscribe),
    Unsubscribe { id: String },
    Ping {},
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    /// The client's name for it.
    pub id: String,
    pub topic: TopicName,
    /// By topic; see the filters.
    #[serde(default)]
    pub filter: Option<Map<String, Value>>,
    /// Messages a second, at most.
    #[serde(default)]
    pub max_rate: Option<f64>,
    #[serde(default)]
    pub resume: Option<Resume>,
}

/// Where a subscription of an earlier connection left off.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    pub session: String,
    pub seq: u64,
}

/// To the client.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply<'a> {
    Hello {
        protocol: &'static str,
        session: &'a str,
        server_time_ms: i64,
        topics: &'a [TopicName],
        is_simulated: bool,
        ping_interval_ms: u64,
    },
    Subscribed {
        id: &'a str,
        seq: u64,
        resumed: bool,
    },
    Data {
        id: &'a str,
        seq: u64,
        time_ms: i64,
        /// Records that were not sent since the message before, because this client was slow.
        dropped: u64,
        items: &'a [Item],
    },
    Pong {
        time_ms: i64,
    },
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        problem: &'a Problem,
    },
}

impl Reply<'_> {
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// One datum of a `data` message.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Item {
    Metric(MetricItem),
    Object(Box<ObjectItem>),
    Usage(UsageItem),
    Event(Arc<EventRow>),
    Log(Arc<LogRow>),
    Pipeline(Box<Pipeline>),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricItem {
    /// Stands for the labels, within this subscription.
    #[serde(rename = "ref")]
    pub reference: u32,
    /// Only the first time that the reference is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Start of the 10 s window.
    pub t: i64,
    pub v: Option<f64>,
    /// The window is not final yet; a later item with the same `t` replaces this one.
    pub provisional: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    Upsert,
    Delete,
}

#[derive(Clone, Debug, Serialize)]
pub struct ObjectItem {
    pub op: Op,
    pub kind: String,
    pub row: Row,
}

/// A row as REST lists it; of something that is gone only its names.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Row {
    Pod(PodRow),
    Node(NodeRow),
    Workload(WorkloadRow),
    Object(ObjectRow),
    Gone { cluster: String, namespace: String, name: String, uid: String },
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UsageItem {
    /// `Pod` or `Node`.
    pub kind: &'static str,
    pub cluster: String,
    pub namespace: String,
    pub name: String,
    /// Cores.
    pub cpu: Option<f64>,
    /// Bytes.
    pub memory: Option<f64>,
    pub t: Option<i64>,
}

/// Reads one message.
///
/// # Errors
/// What is wrong with it, in the parser's words.
pub fn parse(text: &str) -> Result<Request, String> {
    // A raw value first: it bounds the depth, and an object it must be.
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
    serde_json::from_str(raw.get()).map_err(|error| error.to_string())
}

/// The id of a message that is no request, so that its sender knows which one failed.
pub fn id_of(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    serde_json::from_str::<Named>(text).ok().map(|named| named.id)
}
