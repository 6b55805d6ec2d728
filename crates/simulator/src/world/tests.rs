//! The world as the API shows it.

mod everyday;
mod faults;
mod founding;
mod metrics;
mod pace;
mod rollouts;
mod shape;
mod truth;
