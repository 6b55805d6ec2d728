//! What a cluster was founded with, kept in a file, so that the next process takes the same cluster up: its
//! life follows from its founding, whoever watches it.

use std::io;
use std::path::{Path, PathBuf};

use sentinel_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::scenario::{Scenario, ScenarioError};
use crate::time::HOUR;
use crate::world::{Founding, World};

/// What decides the whole life of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Founded {
    seed: u64,
    pods: usize,
    nodes: usize,
    log_rate: f64,
    speed: f64,
    scenario: Scenario,
    start_ms: i64,
}

/// A life of simulated time that is lived through at the start within a second or two; after a longer one
/// another cluster is founded.
const MAX_LIFE: f64 = 24.0 * HOUR as f64;

/// Of so many pods: a larger cluster takes longer, in proportion.
const PODS: f64 = 60.0;

impl Founded {
    pub fn new(config: &Config, scenario: Scenario, start: Timestamp) -> Self {
        Self {
            seed: config.seed,
            pods: config.pods,
            nodes: config.nodes,
            log_rate: config.log_rate,
            speed: config.speed,
            scenario,
            start_ms: start.as_millis(),
        }
    }

    /// The founding in `file` if it is of the same cluster and not too long ago, or else this one, which is
    /// then kept there.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn or_earlier(self, file: &Path) -> io::Result<Self> {
        let earlier = std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        if let Some(earlier) = earlier.filter(|earlier| self.continues(earlier)) {
            return Ok(earlier);
        }
        std::fs::write(file, serde_json::to_vec_pretty(&self)?)?;
        Ok(self)
    }

    fn continues(&self, earlier: &Self) -> bool {
        let age = (self.start_ms - earlier.start_ms) as f64;
        let most = MAX_LIFE * (PODS / self.pods as f64).min(1.0);
        Self { start_ms: earlier.start_ms, ..self.clone() } == *earlier
            && (0.0..=most).contains(&(age * self.speed))
    }

    /// The cluster as it is `now`.
    ///
    /// # Errors
    /// A target of the scenario that is not in this cluster.
    pub fn world(&self, now: Timestamp) -> Result<World, ScenarioError> {
        let mut world = World::found(&Founding {
            seed: self.seed,
            pods: self.pods,
            nodes: self.nodes,
            log_rate: self.log_rate,
            start: Timestamp::from_millis(self.start_ms),
        });
        world.set_pace(self.speed);
        world.play(&self.scenario)?;
        while world.now() < now {
            world.advance_to(now.min(world.now().saturating_add_millis(HOUR)));
            // Nobody has seen anything of it that could be asked about.
            world.compact();
        }
        Ok(world)
    }
}

/// Where the founding lies in the folder of a process that keeps data.
pub fn file_in(folder: &Path) -> PathBuf {
    folder.join("simulated-cluster.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubelet;
    use crate::store::KINDS;
    use crate::testing::START;
    use crate::time::{DAY, MINUTE};

    fn founded(start: Timestamp) -> Founded {
        Founded::new(&Config::default(), Scenario::load(None).expect("the built-in scenario"), start)
    }

    /// Every object and every counter.
    fn everything(world: &World) -> Vec<String> {
        let objects = KINDS.into_iter().flat_map(|kind| world.store().list(kind, None));
        let mut all: Vec<String> = objects.map(|object| object.body.to_string()).collect();
        let nodes = world.nodes.iter().filter_map(|node| world.node_use(node.id));
        all.extend(nodes.map(|node| kubelet::cadvisor(&node)));
        all
    }

    #[test]
    fn a_cluster_that_is_taken_up_is_the_one_that_was_watched() {
        let later = START.saturating_add_millis(40 * MINUTE);
        let mut watched = founded(START).world(START).expect("a cluster");
        // Those who watch ask at odd moments.
        while watched.now() < later {
            let next = watched.now().saturating_add_millis(7_777).min(later);
            watched.advance_to(next);
        }
        let taken_up = founded(START).world(later).expect("a cluster");
        let (watched, taken_up) = (everything(&watched), everything(&taken_up));
        assert_eq!(watched.len(), taken_up.len());
        for (watched, taken_up) in watched.iter().zip(&taken_up) {
            assert_eq!(watched, taken_up);
        }
    }

    #[test]
    fn takes_up_the_same_cluster_within_a_day_and_no_other() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = file_in(folder.path());
        let first = founded(START).or_earlier(&file).expect("a file");
        assert_eq!(first, founded(START));
        let at = |millis: i64| founded(START.saturating_add_millis(millis));
        assert_eq!(at(HOUR).or_earlier(&file).expect("a file"), first);
        let other = Founded { pods: 70, ..at(HOUR) };
        assert_eq!(other.clone().or_earlier(&file).expect("a file"), other);
        let again = at(2 * HOUR).or_earlier(&file).expect("a file");
        assert_eq!(again, at(2 * HOUR));
        let late = at(2 * HOUR + DAY + MINUTE);
        assert_eq!(late.clone().or_earlier(&file).expect("a file"), late);
        std::fs::write(&file, "{").expect("a broken file");
        assert_eq!(first.clone().or_earlier(&file).expect("a file"), first);
    }
}
