//! Tests of the WebSocket over TCP: what it gives, and what it refuses.

mod abuse;
mod client;
mod data;
mod resume;
