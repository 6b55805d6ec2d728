//! The books: what collectors numbered, what the bus holds, the windows that follow from it, and what the stores
//! have. Everything is counted anew by plain rules that share nothing with the processor's, so that a fault there is
//! found here. Reads only.

mod batches;
mod books;
mod events;
mod finals;
mod frames;
mod letters;
mod lines;
mod mailbox;
mod report;
mod rules;
mod samples;
mod sequence;
mod stored;
mod window;

pub use books::{Books, Progress, RecountError, Span, recount};
pub use report::{Finding, FindingKind, MAX_FINDINGS, NotChecked, Report, Step, Totals};
pub use rules::{Rule, RuleAction};
