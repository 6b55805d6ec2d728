//! The WebSocket, as the dashboard uses it.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{DEADLINE, Sentinel};

pub struct Live {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Live {
    /// Connects and takes the greeting.
    ///
    /// # Panics
    /// When there is none.
    pub async fn connect(sentinel: &Sentinel) -> (Self, Value) {
        let url = format!("{}/api/v1/ws", sentinel.url().replacen("http", "ws", 1));
        let mut request = url.into_client_request().expect("a valid address");
        request.headers_mut().insert("sec-websocket-protocol", "sentinel.v1".parse().expect("a header"));
        let (socket, _) = connect_async(request).await.expect("a WebSocket");
        let mut live = Self { socket };
        let hello = live.receive("hello").await;
        (live, hello)
    }

    pub async fn send(&mut self, message: &Value) {
        self.socket.send(Message::text(message.to_string())).await.expect("send a message");
    }

    /// The next message of a type.
    ///
    /// # Panics
    /// When the connection ends or nothing comes in time.
    pub async fn receive(&mut self, kind: &str) -> Value {
        let next = async {
            loop {
                let message = self.socket.next().await.expect("the connection is open").expect("a frame");
                let Message::Text(text) = message else { continue };
                let value: Value = serde_json::from_str(&text).expect("JSON");
                if value["type"] == kind {
                    return value;
                }
            }
        };
        tokio::time::timeout(DEADLINE, next).await.unwrap_or_else(|_| panic!("no message of type {kind}"))
    }
}
