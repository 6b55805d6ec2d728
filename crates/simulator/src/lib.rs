//! A simulated cluster that speaks the Kubernetes API and kubelet endpoints over HTTP. It is seeded:
//! the same seed, size and start give the same cluster at the same simulated time. Clients need no
//! special path for it; that it is simulated is written on every Node and Namespace.

mod catalogue;
mod chaos;
mod clock;
mod config;
mod dice;
mod exposition;
mod founding;
mod http;
mod json;
mod kubelet;
mod load;
mod logs;
mod meter;
mod objects;
mod scenario;
mod shared;
mod simulator;
mod store;
mod template;
#[cfg(test)]
mod testing;
mod time;
mod world;

pub use clock::Clock;
pub use config::{Config, ConfigError};
pub use objects::SIMULATED;
pub use scenario::{Scenario, ScenarioError};
pub use simulator::{BuildError, Simulator};
pub use world::{FaultKind, FaultSpec, ObjectName, Truth};
