//! What the kubelet of a node answers with.

mod cadvisor;
mod probes;
mod resource;
mod summary;

pub use cadvisor::cadvisor;
pub use probes::{kubelet, probes};
pub use resource::resource;
pub use summary::summary;

/// Rounded to nanoseconds, as CPU counters are read from the kernel.
fn nanos(seconds: f64) -> f64 {
    (seconds * 1e9).round() / 1e9
}

/// Rounded to the kernel's clock ticks of 10 ms.
fn ticks(seconds: f64) -> f64 {
    (seconds * 100.0).floor() / 100.0
}
