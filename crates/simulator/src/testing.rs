//! A cluster for tests: time is stepped, and what the API would show is read as JSON.

use std::time::Duration;

pub mod paths;

use sentinel_model::Timestamp;
use serde_json::Value;

use crate::store::{ChangeKind, Key, Kind};
use crate::world::{FaultKind, FaultSpec, Founding, NodeId, NodeUse, Truth, World};

/// Noon on a Saturday.
pub const START: Timestamp = Timestamp::from_secs(1_795_262_400);

pub struct Cluster {
    pub world: World,
    seen: u64,
}

/// One entry of a watch.
#[derive(Clone, Debug)]
pub struct Seen {
    pub kind: ChangeKind,
    pub object: Value,
}

impl Cluster {
    /// 60 pods on 4 nodes with nothing wrong.
    pub fn new() -> Self {
        Self::sized(60, 4, 1)
    }

    pub fn sized(pods: usize, nodes: usize, seed: u64) -> Self {
        let world = World::found(&Founding { seed, pods, nodes, log_rate: 1.0, start: START });
        let seen = world.store().version();
        Self { world, seen }
    }

    /// The same with one fault that begins a second from now.
    pub fn with_fault(kind: FaultKind, seconds: i64, target: Option<&str>) -> Self {
        let mut cluster = Self::new();
        cluster.add_fault(kind, seconds, target);
        cluster
    }

    pub fn add_fault(&mut self, kind: FaultKind, seconds: i64, target: Option<&str>) {
        let spec = FaultSpec {
            kind,
            at: self.world.now() + Duration::from_secs(1),
            millis: seconds * 1_000,
            target: target.map(str::to_owned),
        };
        self.world.plan_fault(spec).expect("a target in the cluster");
    }

    pub fn advance(&mut self, seconds: f64) {
        self.world.advance_to(self.world.now() + Duration::from_secs_f64(seconds));
    }

    /// Changes of one kind since the beginning.
    pub fn changes(&self, kind: Kind) -> Vec<Seen> {
        let changes = self.world.store().changes_after(kind, self.seen).expect("kept");
        changes.iter().map(|change| Seen { kind: change.kind, object: parse(&change.object.body) }).collect()
    }

    pub fn list(&self, kind: Kind) -> Vec<Value> {
        self.world.store().list(kind, None).iter().map(|object| parse(&object.body)).collect()
    }

    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Value> {
        let object = self.world.store().get(kind, &Key::new(namespace, name))?;
        Some(parse(&object.body))
    }

    /// Events with a reason, about objects of a name.
    pub fn events(&self, reason: &str, name: &str) -> Vec<Value> {
        let is = |event: &Value| {
            event["reason"] == reason && event["involvedObject"]["name"].as_str() == Some(name)
        };
        self.list(Kind::Event).into_iter().filter(is).collect()
    }

    /// The only fault.
    pub fn truth(&self) -> Truth {
        let mut truth = self.world.truth();
        assert_eq!(truth.len(), 1, "{truth:?}");
        truth.remove(0)
    }

    pub fn node_use(&self, node: u16) -> NodeUse {
        self.world.node_use(NodeId(node)).expect("a node")
    }
}

pub fn parse(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// `running`, `waiting(CrashLoopBackOff)`, `terminated(Error 1)` of the first container.
pub fn state_of(pod: &Value) -> String {
    let state = &pod["status"]["containerStatuses"][0]["state"];
    if state.get("running").is_some() {
        "running".to_owned()
    } else if let Some(waiting) = state.get("waiting") {
        format!("waiting({})", text(&waiting["reason"]))
    } else {
        let terminated = &state["terminated"];
        format!("terminated({} {})", text(&terminated["reason"]), terminated["exitCode"])
    }
}

/// Status of a condition, empty without it.
pub fn condition(object: &Value, name: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == name);
    found.map(|condition| text(&condition["status"])).unwrap_or_default()
}

pub fn reason(object: &Value, name: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == name);
    found.map(|condition| text(&condition["reason"])).unwrap_or_default()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub fn name_of(object: &Value) -> String {
    text(&object["metadata"]["name"])
}

/// The values in order, each once as long as it lasts.
pub fn sequence<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut out: Vec<T> = Vec::new();
    for item in items {
        if out.last() != Some(&item) {
            out.push(item);
        }
    }
    out
}
