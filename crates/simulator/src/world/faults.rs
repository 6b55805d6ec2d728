//! Faults on purpose, with the truth about each.

use sentinel_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Action, NodeId, PodId, Volume, WorkloadId, World};
use crate::dice::Dice;
use crate::scenario::{Scenario, ScenarioError};
use crate::template::Version;
use crate::time::{MINUTE, SECOND};

mod heal;
mod inject;
mod target;
mod truth;

pub use truth::{ObjectName, Truth};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A pod's program exits soon after each start.
    CrashLoop,
    /// A container's memory grows to its limit within seconds, again and again.
    OomKill,
    /// A rollout to an image that is not there.
    ImagePull,
    /// A container's memory grows slowly until it is killed.
    MemoryLeak,
    /// A hot loop uses up a container's CPU limit.
    CpuThrottling,
    /// A new Deployment asks for more CPU than any node has.
    Unschedulable,
    /// A node loses its link to the control plane.
    NodeNotReady,
    /// A rollout whose pods never become ready, or crash.
    BadRollout,
    /// A database's volume fills up.
    VolumeFilling,
    /// A pod without CPU limit takes the CPU of its node.
    NoisyNeighbour,
}

impl FaultKind {
    pub const ALL: [Self; 10] = [
        Self::CrashLoop,
        Self::OomKill,
        Self::ImagePull,
        Self::MemoryLeak,
        Self::CpuThrottling,
        Self::Unschedulable,
        Self::NodeNotReady,
        Self::BadRollout,
        Self::VolumeFilling,
        Self::NoisyNeighbour,
    ];
}

/// A fault that is to happen; it lasts `millis` at a pace of 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSpec {
    pub kind: FaultKind,
    pub at: Timestamp,
    pub millis: i64,
    pub target: Option<String>,
}

/// All faults, planned, active and over.
#[derive(Debug, Default)]
pub struct FaultBook {
    faults: Vec<Fault>,
    rotation: Option<Turn>,
}

#[derive(Debug)]
struct Fault {
    spec: FaultSpec,
    stage: Stage,
    victim: Victim,
    truth: Option<Truth>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Planned,
    Active,
    /// The cause is gone, the effects are not yet.
    Healing,
    Over,
}

/// Whom a fault befalls.
#[derive(Clone, Debug, Default)]
struct Victim {
    pod: Option<PodId>,
    workload: Option<WorkloadId>,
    node: Option<NodeId>,
    /// What a rollout is undone to.
    before: Option<Version>,
    claim: Option<usize>,
}

/// The rotation: which kinds are still to come in this round.
#[derive(Debug)]
struct Turn {
    every: i64,
    lasts: i64,
    left: Vec<FaultKind>,
}

/// Effects that last longer than this after the cause are counted as never ending.
const PATIENCE: i64 = 4 * MINUTE;

/// Faults that are remembered.
const MAX_FAULTS: usize = 4_096;

impl World {
    /// Plans what a scenario asks for.
    ///
    /// # Errors
    /// A target that is not in this cluster.
    pub fn play(&mut self, scenario: &Scenario) -> Result<(), ScenarioError> {
        for planned in &scenario.faults {
            let spec = FaultSpec {
                kind: planned.kind,
                at: self.now.saturating_add_millis(self.span(planned.at.as_millis() as i64)),
                millis: planned.lasts.as_millis() as i64,
                target: planned.target.clone(),
            };
            self.plan_fault(spec)?;
        }
        if let Some(rotation) = &scenario.rotation {
            let (every, lasts) = (rotation.every.as_millis() as i64, rotation.lasts.as_millis() as i64);
            self.faults.rotation = Some(Turn { every, lasts, left: Vec::new() });
            self.after(rotation.first.as_millis() as i64, Action::NextFault);
        }
        Ok(())
    }

    /// Plans one fault; returns its id.
    ///
    /// # Errors
    /// A target that is not in this cluster, or one fault too many.
    pub fn plan_fault(&mut self, spec: FaultSpec) -> Result<String, ScenarioError> {
        if let Some(target) = &spec.target {
            self.check_target(target)?;
        }
        let number = self.faults.faults.len();
        if number >= MAX_FAULTS {
            let hint = format!("{MAX_FAULTS} faults are planned already");
            return Err(ScenarioError::Target { target: String::new(), hint });
        }
        self.agenda.plan(spec.at, Action::StartFault(number));
        let fault = Fault { spec, stage: Stage::Planned, victim: Victim::default(), truth: None };
        self.faults.faults.push(fault);
        Ok(id_of(number))
    }

    /// What is known about all faults that have begun.
    pub fn truth(&self) -> Vec<Truth> {
        self.faults.faults.iter().filter_map(|fault| fault.truth.clone()).collect()
    }

    pub(super) fn next_fault(&mut self) {
        let Some(turn) = &mut self.faults.rotation else { return };
        if turn.left.is_empty() {
            turn.left = FaultKind::ALL.to_vec();
            shuffle(&mut turn.left, &mut self.dice);
        }
        let kind = turn.left.pop();
        let (every, lasts) = (turn.every, turn.lasts);
        let at = self.now;
        if let Some(kind) = kind
            && self.faults.faults.len() < MAX_FAULTS
        {
            let millis = self.dice.whole(lasts * 7 / 10, lasts * 13 / 10);
            let spec = FaultSpec { kind, at, millis, target: None };
            // Chance always names a target that is there.
            let _ = self.plan_fault(spec);
        }
        let wait = self.dice.whole(every * 8 / 10, every * 12 / 10);
        self.after(wait, Action::NextFault);
    }

    pub(super) fn start_fault(&mut self, number: usize) {
        let spec = self.faults.faults[number].spec.clone();
        let Some(victim) = self.choose(&spec) else {
            tracing::debug!(kind = ?spec.kind, "no target for a fault");
            self.faults.faults[number].stage = Stage::Over;
            return;
        };
        self.faults.faults[number].victim = victim;
        self.faults.faults[number].stage = Stage::Active;
        self.inject(number);
        let truth = self.tell_truth(number);
        self.faults.faults[number].truth = Some(truth);
        self.after(spec.millis, Action::EndFault(number));
        self.after(SECOND, Action::StepFault(number));
    }

    pub(super) fn end_fault(&mut self, number: usize) {
        if self.faults.faults[number].stage != Stage::Active {
            return;
        }
        self.heal(number);
        let now = self.now;
        let fault = &mut self.faults.faults[number];
        fault.stage = Stage::Healing;
        if let Some(truth) = &mut fault.truth {
            truth.end_ms = Some(now.as_millis());
        }
    }

    /// Once a second while a fault is active or its effects last.
    pub(super) fn step_fault(&mut self, number: usize) {
        match self.faults.faults[number].stage {
            Stage::Active => self.worsen(number),
            Stage::Healing if self.is_recovered(number) => self.conclude(number, true),
            Stage::Healing if self.healing_millis(number) > self.span(PATIENCE) => {
                self.conclude(number, false);
            }
            Stage::Healing => {}
            Stage::Planned | Stage::Over => return,
        }
        self.after(SECOND, Action::StepFault(number));
    }

    fn conclude(&mut self, number: usize, is_recovered: bool) {
        let now = self.now;
        let fault = &mut self.faults.faults[number];
        fault.stage = Stage::Over;
        if let Some(truth) = fault.truth.as_mut().filter(|_| is_recovered) {
            truth.recovered_ms = Some(now.as_millis());
        }
    }

    fn healing_millis(&self, number: usize) -> i64 {
        let end = self.faults.faults[number].truth.as_ref().and_then(|truth| truth.end_ms);
        end.map_or(0, |end| self.now.as_millis() - end)
    }

    /// The volume that a fault fills.
    fn volume_of(&mut self, number: usize) -> Option<&mut Volume> {
        let victim = &self.faults.faults[number].victim;
        let (workload, claim) = (victim.workload?, victim.claim?);
        self.workloads[workload.0 as usize].volumes.get_mut(claim)
    }
}

impl FaultBook {
    /// A fault that is not over concerns this workload.
    pub fn concerns(&self, id: WorkloadId) -> bool {
        let is_on = |fault: &Fault| matches!(fault.stage, Stage::Active | Stage::Healing);
        self.faults.iter().any(|fault| is_on(fault) && fault.victim.workload == Some(id))
    }

    fn concerns_node(&self, id: NodeId) -> bool {
        let is_on = |fault: &Fault| matches!(fault.stage, Stage::Active | Stage::Healing);
        self.faults.iter().any(|fault| is_on(fault) && fault.victim.node == Some(id))
    }
}

fn id_of(number: usize) -> String {
    format!("f{:02}", number + 1)
}

fn shuffle<T>(items: &mut [T], dice: &mut Dice) {
    for last in (1..items.len()).rev() {
        items.swap(last, dice.index(last + 1));
    }
}
