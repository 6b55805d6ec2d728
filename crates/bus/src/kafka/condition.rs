//! How the bus does: what is wrong now, from every client of this process, as one line of health.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::types::RDKafkaErrorCode as Code;
use sentinel_runtime::Component;
use tokio::sync::Notify;

/// A failed publish, or a batch that cannot be read, that was not followed by another within this time is history.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// What a fault is of. The first of them is shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Connection,
    Topics,
    Publish,
    /// A batch of a topic that this group reads.
    Unreadable(String),
    Group(String),
}

pub(super) struct Condition {
    component: Component,
    state: Mutex<State>,
    /// Something is wrong: the cluster is to be asked anew.
    pub alarm: Notify,
}

#[derive(Default)]
struct State {
    has_been_reached: bool,
    faults: BTreeMap<Part, Fault>,
}

struct Fault {
    reason: String,
    since: Instant,
    /// Says more than that nobody answers.
    is_specific: bool,
}

impl Condition {
    pub fn new(component: Component) -> Self {
        Self { component, state: Mutex::default(), alarm: Notify::new() }
    }

    pub fn raise(&self, part: Part, reason: impl Into<String>) {
        self.put(part, Fault { reason: reason.into(), since: Instant::now(), is_specific: true });
    }

    /// What a client says of its connections. Whatever else, the cluster is asked anew.
    pub fn note_client_error(&self, code: Code, reason: &str) {
        let Some((advice, is_specific)) = advice(code) else { return };
        // That nobody answers comes from every client with another count of brokers: one text, one line in the log.
        let detail = if is_specific { format!(" ({reason})") } else { String::new() };
        let reason = format!("{advice}{detail}; it is tried again by itself");
        self.put(Part::Connection, Fault { reason, since: Instant::now(), is_specific });
        self.alarm.notify_one();
    }

    fn put(&self, part: Part, fault: Fault) {
        let mut state = self.state.lock();
        let is_known = state.faults.get(&part).is_some_and(|known| known.is_specific && !fault.is_specific);
        if !is_known {
            state.faults.insert(part, fault);
        }
        self.show(&state);
    }

    pub fn clear(&self, part: &Part) {
        let mut state = self.state.lock();
        if state.faults.remove(part).is_some() {
            self.show(&state);
        }
    }

    /// The cluster has answered, and its topics are as declared.
    pub fn reached(&self) {
        let mut state = self.state.lock();
        state.has_been_reached = true;
        state.faults.retain(|part, fault| match part {
            Part::Connection | Part::Topics => false,
            Part::Publish | Part::Unreadable(_) => fault.since.elapsed() < FORGET_AFTER,
            Part::Group(_) => true,
        });
        self.show(&state);
    }

    pub fn reason(&self) -> Option<String> {
        self.state.lock().faults.values().next().map(|fault| fault.reason.clone())
    }

    fn show(&self, state: &State) {
        match state.faults.values().next() {
            Some(fault) => self.component.degraded(fault.reason.clone()),
            None if state.has_been_reached => self.component.ready(),
            None => {}
        }
    }
}

/// What to do about a client's error, and whether it says more than that nobody answers; `None` for errors
/// that pass (one broker of several, a request that is repeated).
fn advice(code: Code) -> Option<(&'static str, bool)> {
    Some(match code {
        Code::AllBrokersDown | Code::Resolve => {
            ("no broker of bus.brokers answers: is Kafka up, and are the addresses right?", false)
        }
        Code::Authentication | Code::SaslAuthenticationFailed => {
            ("Kafka refuses the login: check bus.sasl.username and its password", true)
        }
        Code::SSL => ("no encrypted connection to Kafka: check bus.tls and the broker's certificate", true),
        Code::UnsupportedSASLMechanism => ("Kafka does not know this login: check bus.sasl.mechanism", true),
        Code::ClusterAuthorizationFailed => {
            ("Kafka does not let this user in: check the cluster's access rules", true)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use sentinel_runtime::{ComponentState, Health};

    use super::*;

    fn condition() -> (Condition, Health) {
        let health = Health::default();
        (Condition::new(health.component("bus")), health)
    }

    fn state(health: &Health) -> ComponentState {
        health.report().components["bus"].clone()
    }

    #[test]
    fn is_ready_once_reached_and_without_fault() {
        let (condition, health) = condition();
        assert_eq!(state(&health), ComponentState::Starting);
        condition.note_client_error(Code::AllBrokersDown, "1/1 brokers are down");
        let degraded = state(&health);
        assert!(matches!(&degraded, ComponentState::Degraded(reason) if reason.contains("bus.brokers")));
        condition.note_client_error(Code::AllBrokersDown, "2/2 brokers are down");
        assert_eq!(state(&health), degraded, "the same fault is told once");
        condition.reached();
        assert_eq!(state(&health), ComponentState::Ready);
    }

    #[test]
    fn a_wrong_password_is_not_hidden_by_what_follows_from_it() {
        let (condition, health) = condition();
        condition.note_client_error(Code::Authentication, "invalid credentials");
        condition.note_client_error(Code::AllBrokersDown, "1/1 brokers are down");
        assert!(matches!(state(&health), ComponentState::Degraded(reason) if reason.contains("bus.sasl")));
        assert!(condition.reason().is_some());
    }

    #[test]
    fn each_part_is_cleared_by_itself() {
        let (condition, health) = condition();
        condition.reached();
        let group = Part::Group("sentinel-windows".to_owned());
        condition.raise(group.clone(), "not allowed");
        condition.raise(Part::Publish, "no answer");
        condition.reached();
        assert!(matches!(state(&health), ComponentState::Degraded(reason) if reason == "no answer"));
        condition.clear(&Part::Publish);
        assert!(matches!(state(&health), ComponentState::Degraded(reason) if reason == "not allowed"));
        condition.clear(&group);
        assert_eq!(state(&health), ComponentState::Ready);
    }

    #[test]
    fn a_broker_of_several_may_be_away() {
        let (condition, health) = condition();
        condition.reached();
        condition.note_client_error(Code::BrokerTransportFailure, "Connection refused");
        assert_eq!(state(&health), ComponentState::Ready);
    }
}
