//! Status of a node.

use sentinel_model::NodeDetail;

use crate::dto::node::NodeStatus;

#[derive(Clone, Debug, PartialEq)]
pub struct NodeState {
    pub status: NodeStatus,
    pub reason: String,
    pub message: String,
    pub pressures: Vec<String>,
}

pub fn node_state(node: &NodeDetail) -> NodeState {
    let ready = node.conditions.iter().find(|condition| condition.kind == "Ready");
    let status = match ready.map(|ready| ready.status.as_str()) {
        Some("True") => NodeStatus::Ready,
        Some("False") => NodeStatus::NotReady,
        _ => NodeStatus::Unknown,
    };
    let (reason, message) = match (status, ready) {
        (NodeStatus::Ready, _) => (String::new(), String::new()),
        (_, Some(ready)) => (ready.reason.clone(), ready.message.clone()),
        (_, None) => ("NoStatus".to_owned(), "the node has not reported yet".to_owned()),
    };
    let pressures = node
        .conditions
        .iter()
        .filter(|condition| condition.kind != "Ready" && condition.status == "True")
        .map(|condition| condition.kind.clone())
        .collect();
    NodeState { status, reason, message, pressures }
}

#[cfg(test)]
mod tests {
    use sentinel_model::Condition;

    use super::*;

    fn node(conditions: &[(&str, &str, &str)]) -> NodeState {
        let condition = |(kind, status, reason): &(&str, &str, &str)| Condition {
            kind: (*kind).into(),
            status: (*status).into(),
            reason: (*reason).into(),
            message: String::new(),
            since: None,
        };
        node_state(&NodeDetail {
            conditions: conditions.iter().map(condition).collect(),
            ..Default::default()
        })
    }

    #[test]
    fn a_node_is_what_its_ready_condition_says() {
        assert_eq!(node(&[("Ready", "True", "KubeletReady")]).status, NodeStatus::Ready);
        assert_eq!(node(&[("Ready", "True", "KubeletReady")]).reason, "");
        let lost = node(&[("Ready", "Unknown", "NodeStatusUnknown")]);
        assert_eq!((lost.status, lost.reason.as_str()), (NodeStatus::Unknown, "NodeStatusUnknown"));
        assert_eq!(node(&[("Ready", "False", "KubeletNotReady")]).status, NodeStatus::NotReady);
        assert_eq!(node(&[]).status, NodeStatus::Unknown);
    }

    #[test]
    fn pressures_are_the_other_conditions_that_hold() {
        let node =
            node(&[("MemoryPressure", "True", ""), ("DiskPressure", "False", ""), ("Ready", "True", "")]);
        assert_eq!(node.pressures, ["MemoryPressure"]);
    }
}
