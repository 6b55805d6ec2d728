//! A client, and ways to put data on the bus.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use sentinel_bus::{Bus as _, Outgoing, Record, Route};
use sentinel_model::{
    Aggregate, EventRecord, LogRecord, ObjectState, Resolution, Rollup, Series, SeriesRef, Timestamp, Topic,
    Window,
};
use sentinel_proto::{EncoderConfig, RollupEncoder, Wire};
use sentinel_runtime::clock;
use sentinel_testkit::build::{event_batch, log_batch};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::tests::served::Served;

/// Nothing that comes takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
    pub session: String,
}

impl Client {
    pub async fn connect(served: &Served) -> Self {
        Self::connect_by(served, "").await
    }

    pub async fn connect_by(served: &Served, query: &str) -> Self {
        let url = format!("ws://{}/api/v1/ws{query}", served.address);
        let mut request = url.into_client_request().expect("a request");
        let protocol = "sentinel.v1".parse().expect("a header");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let stream = TcpStream::connect(served.address).await.expect("a connection");
        let (socket, response) = client_async(request, stream).await.expect("an upgrade");
        assert_eq!(response.headers()["sec-websocket-protocol"], "sentinel.v1");
        let mut client = Self { socket, session: String::new() };
        let hello = client.next().await;
        assert_eq!((&hello["type"], &hello["protocol"]), (&json!("hello"), &json!("sentinel.v1")));
        client.session = hello["session"].as_str().expect("a session").to_owned();
        client
    }

    pub async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("the server reads");
    }

    /// The next message, whatever it is.
    pub async fn next(&mut self) -> Value {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("a message in time");
            match message.expect("an open connection").expect("a good frame") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not text: {other:?}"),
            }
        }
    }

    /// The next message of this type.
    pub async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["type"] == kind {
                return message;
            }
        }
    }

    pub async fn subscribe(&mut self, id: &str, topic: &str, filter: Value) -> Value {
        self.send(&json!({"type": "subscribe", "id": id, "topic": topic, "filter": filter})).await;
        self.next().await
    }

    /// Items of this subscription until `is_enough` likes what has come.
    pub async fn items_until(&mut self, id: &str, is_enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut items = Vec::new();
        while !is_enough(&items) {
            let data = self.next_of("data").await;
            if data["id"] == id {
                items.extend(data["items"].as_array().expect("items").iter().cloned());
            }
        }
        items
    }

    /// Reads on until the server closes, and tells its code.
    pub async fn close_code(self) -> Option<u16> {
        self.close_frame().await.map(|(code, _)| code)
    }

    /// The same with its reason.
    pub async fn close_frame(mut self) -> Option<(u16, String)> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("a close in time") {
                Some(Ok(Message::Close(frame))) => {
                    return frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

/// Opens a WebSocket by hand, sends these bytes and tells the code of the server's close frame.
pub async fn raw_close_code(served: &Served, frames: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(served.address).await.expect("a connection");
    let request = "GET /api/v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    stream.write_all(frames).await.expect("the server reads");
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end in time").ok();
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    close_code_in(&answer[head..])
}

/// Walks over the server's frames.
fn close_code_in(mut frames: &[u8]) -> Option<u16> {
    while frames.len() >= 2 {
        let (opcode, short) = (frames[0] & 0x0f, frames[1] & 0x7f);
        let (length, head) = match short {
            126 => (usize::from(u16::from_be_bytes([*frames.get(2)?, *frames.get(3)?])), 4),
            length => (usize::from(length), 2),
        };
        let payload = frames.get(head..head + length)?;
        if opcode == 8 {
            return payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]));
        }
        frames = &frames[head + length..];
    }
    None
}

/// A frame as clients send it: masked (here by zeros).
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

// === The bus ===

impl Served {
    async fn put(&self, topic: Topic, key: bytes::Bytes, value: bytes::Bytes) {
        let timestamp = Timestamp::from_millis(clock::now_millis());
        let record = Record { key, value, headers: Vec::new(), timestamp };
        let message = Outgoing { topic, route: Route::Partition(0), record };
        self.bus.publish(vec![message]).await.expect("the fake takes everything");
    }

    async fn put_wire<T: Wire>(&self, message: &T) {
        self.put(T::TOPIC, message.key(), message.encode()).await;
    }

    pub async fn put_object(&self, state: &ObjectState) {
        self.put_wire(state).await;
    }

    pub async fn put_events(&self, records: Vec<EventRecord>) {
        self.put_wire(&event_batch(records)).await;
    }

    pub async fn put_lines(&self, records: Vec<LogRecord>) {
        self.put_wire(&log_batch(records)).await;
    }

    /// One provisional window with one sample of each series.
    pub async fn put_window(&self, encoder: &mut RollupEncoder, start: Timestamp, rows: &[(Series, f64)]) {
        let series: Vec<Series> = rows.iter().map(|(series, _)| series.clone()).collect();
        let rollup = |(i, (_, value)): (u32, &(Series, f64))| Rollup {
            series: SeriesRef(i),
            aggregate: Aggregate::Single(*value),
        };
        let rollups: Vec<Rollup> = (0..).zip(rows).map(rollup).collect();
        let window = Window { resolution: Resolution::TenSeconds, start };
        let frame = encoder.encode(window, false, &series, &rollups);
        self.put(Topic::Live, "p0".into(), frame.bytes).await;
    }
}

pub fn encoder() -> RollupEncoder {
    RollupEncoder::new("p0".into(), 1, EncoderConfig::default())
}

/// Start of the window that lies `n` windows before the present one.
pub fn window(n: i64) -> Timestamp {
    Timestamp::from_millis(clock::now_millis()).floor(10_000).saturating_sub_millis(n * 10_000)
}
