//! What people have set: one reader of the compacted topic for each process, for every role that asks, and the one
//! way in which a setting is changed.

mod book;
mod error;
mod reader;
mod settings;
#[cfg(test)]
mod tests;

pub use book::{Book, Entry, RetentionState};
pub use error::SettingsError;
pub use settings::{Change, Settings};
