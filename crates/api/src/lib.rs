//! Service: REST and WebSocket over the stores and the bus.

mod access;
mod answers;
mod app;
mod audit;
mod canary;
mod config;
mod dead_letters;
mod dto;
mod error;
mod extract;
mod feed;
mod follow;
mod live;
mod metrics;
mod objects;
mod openapi;
mod outer;
mod overview;
mod page;
mod params;
mod pipeline;
mod query;
mod router;
mod routes;
mod rows;
mod scope;
mod secret;
mod server;
mod service;
mod status;
#[cfg(test)]
mod tests;
mod tickets;
mod traffic;
mod usage;
mod verify;
mod when;
mod ws;

pub use app::{Configured, Mode};
pub use config::{Config, Limits};
pub use service::{Api, ApiHandles, BuildError};
