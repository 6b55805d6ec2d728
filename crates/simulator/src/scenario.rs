//! Scenario files: which faults happen when, to whom.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sentinel_runtime::config::duration;
use serde::{Deserialize, Serialize};

use crate::world::FaultKind;

/// What is played: single faults, then a rotation without end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    #[serde(rename = "fault")]
    pub faults: Vec<Planned>,
    pub rotation: Option<Rotation>,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    pub kind: FaultKind,
    /// After the start.
    #[serde(with = "duration")]
    pub at: Duration,
    #[serde(rename = "for", with = "duration")]
    pub lasts: Duration,
    /// `namespace/workload`, `namespace/pod` or the name of a node; without it chance picks.
    #[serde(default)]
    pub target: Option<String>,
}

/// Faults of all kinds in changing order, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// After the start.
    #[serde(with = "duration")]
    pub first: Duration,
    #[serde(with = "duration")]
    pub every: Duration,
    #[serde(rename = "for", with = "duration")]
    pub lasts: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error("read the scenario {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the scenario {path} is not usable: {message}")]
    Invalid { path: PathBuf, message: String },
    #[error("the scenario names {target:?}, which is not in this cluster; {hint}")]
    Target { target: String, hint: String },
}

const DEFAULT: &str = include_str!("scenario/default.toml");

/// Shorter faults would be over before anything shows.
const MIN_LASTS: Duration = Duration::from_secs(5);

impl Scenario {
    /// The file, or the built-in rotation without one.
    ///
    /// # Errors
    /// A file that cannot be read or is not a scenario.
    pub fn load(path: Option<&Path>) -> Result<Self, ScenarioError> {
        let Some(path) = path else { return Self::parse(Path::new("built in"), DEFAULT) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ScenarioError> {
        let invalid = |message: String| ScenarioError::Invalid { path: path.to_owned(), message };
        let scenario: Self =
            toml::from_str(text).map_err(|error| invalid(error.to_string().trim_end().to_owned()))?;
        let short = scenario.faults.iter().map(|fault| fault.lasts);
        let short = short.chain(scenario.rotation.iter().flat_map(|r| [r.lasts, r.every]));
        match short.min().filter(|lasts| *lasts < MIN_LASTS) {
            Some(lasts) => Err(invalid(format!("{lasts:?} is less than {MIN_LASTS:?}"))),
            None => Ok(scenario),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Scenario, ScenarioError> {
        Scenario::parse(Path::new("test.toml"), text)
    }

    #[test]
    fn the_built_in_scenario_shows_every_kind_of_fault_and_goes_on() {
        let scenario = Scenario::load(None).expect("a valid scenario");
        for kind in FaultKind::ALL {
            assert!(scenario.faults.iter().any(|fault| fault.kind == kind), "{kind:?}");
        }
        assert!(scenario.faults.iter().any(|fault| fault.at < Duration::from_secs(60)));
        assert!(scenario.rotation.is_some());
    }

    #[test]
    fn reads_faults_with_and_without_target() {
        let scenario = parse(
            "[[fault]]\nkind = \"oom_kill\"\nat = \"30s\"\nfor = \"2m\"\ntarget = \"shop/cart\"\n\
             [[fault]]\nkind = \"node_not_ready\"\nat = \"5m\"\nfor = \"90s\"\n",
        )
        .expect("a valid scenario");
        assert_eq!(scenario.faults[0].target.as_deref(), Some("shop/cart"));
        assert_eq!(scenario.faults[1].lasts, Duration::from_secs(90));
        assert_eq!(scenario.rotation, None);
    }

    #[test]
    fn says_what_is_wrong_with_a_file() {
        let message = |text: &str| parse(text).expect_err("invalid").to_string();
        assert!(message("[[fault]]\nkind = \"meteor\"\nat = \"1s\"\nfor = \"1m\"").contains("meteor"));
        assert!(message("[[fault]]\nkind = \"oom_kill\"\nat = \"soon\"\nfor = \"1m\"").contains("soon"));
        assert!(message("[[fault]]\nkind = \"oom_kill\"\nat = \"1s\"\nfor = \"1s\"").contains("less than"));
        assert!(message("colour = 3").contains("colour"));
        let missing = Scenario::load(Some(Path::new("/nonexistent/scenario.toml"))).expect_err("no file");
        assert!(missing.to_string().contains("/nonexistent/scenario.toml"));
    }
}
