//! Harness of the end-to-end tests: starts the real binary and talks to it as its users do.

mod live;
mod sentinel;
mod wait;

pub use live::Live;
pub use sentinel::{Sentinel, Start, run};
pub use wait::{DEADLINE, until};
