//! The company whose cluster is simulated: its namespaces and the applications in them.

use crate::load::Shape;

mod apps;
mod plan;

pub use apps::{APPS, TRAINER};
pub use plan::{KEPT_RUNS, Plan, Planned};

/// One application as its team describes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct App {
    pub namespace: &'static str,
    pub name: &'static str,
    pub kind: AppKind,
    /// Registry path without tag.
    pub image: &'static str,
    /// Tag at the start; releases count its last part up.
    pub version: &'static str,
    /// 0: it serves nothing.
    pub port: u16,
    pub team: &'static str,
    pub tier: &'static str,
    pub log: LogStyle,
    pub shape: Shape,
    pub cpu: Cpu,
    pub memory: Memory,
    /// Requests a second of one pod at mean demand.
    pub requests: f64,
    /// Applications in the same namespace that it calls.
    pub upstream: &'static [&'static str],
    pub extras: Extras,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AppKind {
    /// Pods at base size.
    Deployment(u32),
    /// Pods at base size, and the size of each pod's volume in GiB.
    StatefulSet(u32, i64),
    DaemonSet,
    /// Minutes between runs, and seconds that a run takes.
    CronJob(i64, f64),
}

/// Millicores; a limit of 0 means none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cpu {
    pub request: i64,
    pub limit: i64,
    /// Mean use at base size.
    pub mean: f64,
}

/// Mebibytes; a limit of 0 means none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    pub request: i64,
    pub limit: i64,
    /// Working set some minutes after the start.
    pub mean: f64,
}

/// What else belongs to an application.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Extras {
    /// Autoscaled on CPU up to so many times its base size.
    pub scales_to: u32,
    pub has_budget: bool,
    /// Host name of its Ingress.
    pub host: &'static str,
    pub has_sidecar: bool,
    /// Runs in the network of the node and tolerates everything.
    pub is_system: bool,
}

/// Format of an application's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStyle {
    /// Web server access lines.
    Access,
    Json,
    Logfmt,
    /// As Kubernetes' own components write.
    Klog,
    /// Java with its stack traces.
    Java,
    Python,
    Postgres,
    Redis,
    /// A few words a line.
    Plain,
}

impl App {
    /// CPU and memory requested by one pod, in millicores and MiB, sidecar included.
    pub fn requests_of_pod(&self) -> (i64, i64) {
        let (cpu, memory) = if self.extras.has_sidecar { (10, 32) } else { (0, 0) };
        (self.cpu.request + cpu, self.memory.request + memory)
    }

    pub const fn is_finite(&self) -> bool {
        matches!(self.kind, AppKind::CronJob(..))
    }
}
