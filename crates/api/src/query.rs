//! Answering queries over stored windows and the live overlay. Everything but [`fetch`] is pure.

mod combine;
mod evaluate;
mod fetch;
mod function;
mod instant;
mod plan;
mod range;
#[cfg(test)]
mod tests;
mod unit;

pub use combine::shown_labels;
pub use fetch::Source;
pub use function::{Aggregation, Chosen, FINEST_STEP_MS, Function, FunctionError, Step};
pub use instant::instant;
pub use plan::{Plan, PlanError};
pub use range::{Ask, range};
pub use unit::{unit_of, unit_of_answer};
