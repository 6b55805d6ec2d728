//! Tests of the WebSocket.
