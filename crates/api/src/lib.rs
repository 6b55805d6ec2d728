//! Service: REST and WebSocket over the stores and the bus.
