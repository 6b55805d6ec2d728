//! Logs of pods in opted-in namespaces.

mod join;
mod line;
mod position;
mod positions;
mod severity;
