//! Section `collector.sharding` of the configuration.

use std::time::Duration;

use sentinel_runtime::config::{Problem, duration, tagged};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Config, Enabled};

/// How several collectors share the work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ShardingConfig {
    /// Not at all: everything is this collector's.
    #[default]
    None,
    /// By their names. Nobody notices when one is away.
    Ring(RingConfig),
    /// By a consumer group of the bus, which notices.
    Group(GroupConfig),
    /// By a Lease for each in Kubernetes.
    Lease(LeaseConfig),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RingConfig {
    /// `collector.id` of all, this one included: the same list everywhere.
    pub members: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupConfig {}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeaseConfig {
    /// Where the Leases are; empty means the pod's own.
    pub namespace: String,
    #[serde(with = "duration")]
    pub renew_interval: Duration,
    /// A Lease that was not renewed for so long belongs to nobody any more.
    #[serde(with = "duration")]
    pub lease_duration: Duration,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            renew_interval: Duration::from_secs(2),
            lease_duration: Duration::from_secs(6),
        }
    }
}

impl<'de> Deserialize<'de> for ShardingConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
        enum Tagged {
            None {},
            Ring(RingConfig),
            Group(GroupConfig),
            Lease(LeaseConfig),
        }
        Ok(match tagged(deserializer, "none")? {
            Tagged::None {} => Self::None,
            Tagged::Ring(ring) => Self::Ring(ring),
            Tagged::Group(group) => Self::Group(group),
            Tagged::Lease(lease) => Self::Lease(lease),
        })
    }
}

/// Values that cannot work.
pub(crate) fn problems(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |is_wrong: bool, key: &str, fact: &str, line: &str| {
        Problem::new(format!("collector.{key}"), fact, line).when(is_wrong, &mut problems);
    };
    match &config.sharding {
        ShardingConfig::None | ShardingConfig::Group(_) => {}
        ShardingConfig::Ring(RingConfig { members }) => {
            let own = if config.id.is_empty() { "collector-1" } else { &config.id };
            let fact =
                "must be set with sharding.kind = \"ring\": it is this collector's name in sharding.members";
            refuse(config.id.is_empty(), "id", fact, "id = \"collector-1\"");
            let is_stranger = !config.id.is_empty() && !members.contains(&config.id);
            let mut line: Vec<&str> = members.iter().map(String::as_str).collect();
            line.push(own);
            let line = format!("members = {line:?}");
            let fact = format!("must name this collector too, {own:?}, as the lists of all others do");
            refuse(is_stranger || members.is_empty(), "sharding.members", &fact, &line);
            let is_twice = |name: &String| members.iter().filter(|other| *other == name).count() > 1;
            let fact = "must name each collector once";
            let line = "members = [\"collector-1\", \"collector-2\"]";
            refuse(members.iter().any(is_twice), "sharding.members", fact, line);
        }
        ShardingConfig::Lease(lease) => {
            let is_away = config.kubernetes.enabled == Enabled::Never;
            let fact = "\"lease\" needs a cluster, and collector.kubernetes.enabled = \"never\"";
            refuse(is_away, "sharding.kind", fact, "kind = \"group\"");
            let (renewal, term) = (lease.renew_interval, lease.lease_duration);
            let is_short = renewal < Duration::from_millis(100);
            refuse(is_short, "sharding.renew_interval", "must be at least 100ms", "renew_interval = \"2s\"");
            // One renewal may fail without the work moving, and the API tells durations in whole seconds.
            let is_short = term < 2 * renewal || term < Duration::from_secs(1);
            let line = format!("lease_duration = \"{}\"", duration::print((3 * renewal).max(LEAST_TERM)));
            let fact = "must be at least 1s and twice renew_interval";
            refuse(is_short, "sharding.lease_duration", fact, &line);
        }
    }
    problems
}

const LEAST_TERM: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Config {
        toml::from_str(text).expect("a section")
    }

    fn told(text: &str) -> Vec<String> {
        problems(&read(text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_kind_can_be_written_and_what_it_prints_can_be_read() {
        for text in [
            "",
            "sharding.kind = \"none\"",
            "id = \"a\"\nsharding = { kind = \"ring\", members = [\"a\", \"b\"] }",
            "sharding.kind = \"group\"",
            "sharding = { kind = \"lease\", namespace = \"ops\", lease_duration = \"9s\" }",
        ] {
            let config = read(text);
            assert_eq!(problems(&config), []);
            assert_eq!(read(&toml::to_string(&config).expect("text")), config, "{text}");
        }
        assert_eq!(read("").sharding, ShardingConfig::None);
        for wrong in ["kind = \"gang\"", "kind = \"ring\"\nmember = []", "kind = \"group\"\nx = 1", "x = 1"] {
            assert!(toml::from_str::<Config>(&format!("[sharding]\n{wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn says_what_to_write_instead() {
        let ring = told("id = \"c\"\nsharding = { kind = \"ring\", members = [\"a\", \"b\"] }");
        assert!(ring[0].ends_with("write: members = [\"a\", \"b\", \"c\"]"), "{ring:?}");
        let nameless = told("sharding = { kind = \"ring\", members = [\"a\", \"a\"] }");
        assert!(nameless[0].starts_with("collector.id: must be set"), "{nameless:?}");
        assert!(nameless[1].contains("each collector once"), "{nameless:?}");
        let lease = "sharding = { kind = \"lease\", renew_interval = \"4s\", lease_duration = \"5s\" }\n";
        let lease = told(&format!("{lease}kubernetes.enabled = \"never\""));
        assert!(lease[0].contains("needs a cluster"), "{lease:?}");
        assert!(lease[1].ends_with("write: lease_duration = \"12s\""), "{lease:?}");
    }
}
