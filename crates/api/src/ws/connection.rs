//! One client's connection: a reader that obeys it and a writer that sends what is due. The writer makes
//! a message only when the one before has left, so that a slow client holds no queue here: it lags behind
//! the shared rings, and what it misses is counted.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use sentinel_runtime::Shutdown;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::tungstenite;

use super::protocol::{PROTOCOL, Reply, Request, Subscribe, TopicName, id_of, parse};
use super::sessions::Session;
use crate::app::App;
use crate::error::ApiError;
use crate::pipeline;

/// Replies that may wait for the writer; a client that asks faster than it reads waits itself.
const MAX_REPLIES: usize = 64;
/// A client that does not answer a ping for this long is gone.
const PONG_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for the last words of a connection.
const CLOSING: Duration = Duration::from_secs(5);
/// Time for the client to take its leave, too.
const FAREWELL: Duration = Duration::from_secs(1);
/// Looks at what is new happen at most this often.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Messages a client may send each second, on average, and in one go.
const MAX_MESSAGES_PER_S: f64 = 100.0;
const MAX_BURST: f64 = 500.0;
/// Requests that were refused, until the client is.
const MAX_REFUSED: usize = 50;

/// Close code of our own, after the status 401, by which the dashboard knows that it must ask for a token.
const UNAUTHORIZED: u16 = 4401;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    code: u16,
    reason: &'static str,
}

/// What the reader hands to the writer.
enum Outgoing {
    Text(String),
    Close(End),
}

pub async fn run(socket: WebSocket, app: &App, shutdown: Shutdown) {
    let (sink, mut stream) = socket.split();
    let session = app.sessions.open();
    let (replies, rx) = mpsc::channel(MAX_REPLIES);
    let heard = Arc::new(Mutex::new(Instant::now()));
    let mut writer = Writer { sink, app, session: Arc::clone(&session), heard: Arc::clone(&heard) };
    let reader = Reader { app, session: Arc::clone(&session), replies: replies.clone(), heard };
    {
        let writing = writer.run(rx, shutdown);
        tokio::pin!(writing);
        let end = tokio::select! {
            () = &mut writing => None,
            end = reader.run(&mut stream) => Some(end),
        };
        if let Some(end) = end {
            let close = async {
                // An end without a code is the client's own: there is nobody to tell.
                if let Some(end) = end {
                    replies.send(Outgoing::Close(end)).await.ok();
                    writing.await;
                }
            };
            timeout(CLOSING, close).await.ok();
        }
    }
    app.sessions.leave(&session);
    // Whoever closes a socket with unread bytes resets it, and the peer may lose our last words.
    timeout(FAREWELL, async { while let Some(Ok(_)) = stream.next().await {} }).await.ok();
}

// === impl Reader ===

struct Reader<'a> {
    app: &'a App,
    session: Arc<Session>,
    replies: mpsc::Sender<Outgoing>,
    heard: Arc<Mutex<Instant>>,
}

impl Reader<'_> {
    /// Obeys until the client leaves (`None`) or breaks the rules.
    async fn run(&self, stream: &mut SplitStream<WebSocket>) -> Option<End> {
        let mut allowance = Allowance { left: MAX_BURST, at: Instant::now() };
        let mut n_refused = 0;
        while let Some(message) = stream.next().await {
            let message = match message {
                Ok(message) => message,
                Err(error) => return self.broken(error),
            };
            *self.heard.lock() = Instant::now();
            if !allowance.take() {
                return Some(self.refuse("flood", close_code::POLICY, "too many messages"));
            }
            let text = match message {
                Message::Text(text) => text,
                Message::Binary(_) => {
                    return Some(self.refuse("binary", close_code::UNSUPPORTED, "text frames only"));
                }
                Message::Ping(_) | Message::Pong(_) => continue,
                Message::Close(_) => return None,
            };
            if self.obey(&text).await {
                continue;
            }
            if n_refused == MAX_REFUSED {
                return Some(self.refuse("refused", close_code::POLICY, "too many bad requests"));
            }
            n_refused += 1;
        }
        None
    }

    /// Whether the request was good.
    async fn obey(&self, text: &str) -> bool {
        let request = match parse(text) {
            Ok(request) => request,
            Err(message) => {
                let message = format!("is not a known message: {message}");
                let error = ApiError::Body { field: None, message };
                self.app.own.reject("websocket", error.code());
                self.error(id_of(text).as_deref(), &error).await;
                return false;
            }
        };
        let (id, outcome) = match request {
            Request::Ping {} => {
                self.reply(&Reply::Pong { time_ms: self.app.now().as_millis() }).await;
                return true;
            }
            Request::Subscribe(subscribe) => (subscribe.id.clone(), self.subscribe(subscribe).await),
            Request::Unsubscribe { id } => {
                let outcome = self.session.unsubscribe(&id);
                (id, outcome)
            }
        };
        if let Err(error) = &outcome {
            self.app.own.reject("websocket", error.code());
            self.error(Some(&id), error).await;
        }
        outcome.is_ok()
    }

    async fn subscribe(&self, subscribe: Subscribe) -> Result<(), ApiError> {
        let id = subscribe.id.clone();
        // The answer must be on its way before the first data is: the writer looks at replies first.
        let (seq, resumed) = self.session.subscribe(subscribe, self.app, &self.app.sessions)?;
        self.reply(&Reply::Subscribed { id: &id, seq, resumed }).await;
        self.session.changed.notify_one();
        Ok(())
    }

    async fn reply(&self, reply: &Reply<'_>) {
        self.replies.send(Outgoing::Text(reply.to_text())).await.ok();
    }

    async fn error(&self, id: Option<&str>, error: &ApiError) {
        let problem = error.problem(&self.session.id[..16]);
        self.reply(&Reply::Error { id, problem: &problem }).await;
    }

    fn refuse(&self, counted: &'static str, code: u16, reason: &'static str) -> End {
        self.app.own.reject("websocket", counted);
        End { code, reason }
    }

    /// What a broken stream deserves.
    fn broken(&self, error: axum::Error) -> Option<End> {
        let inner = error.into_inner();
        match inner.downcast_ref::<tungstenite::Error>()? {
            tungstenite::Error::Capacity(_) => {
                Some(self.refuse("too_large", close_code::SIZE, "message too large"))
            }
            tungstenite::Error::Utf8(_) => Some(self.refuse("utf8", close_code::INVALID, "not valid UTF-8")),
            tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                None
            }
            tungstenite::Error::Protocol(_) => {
                Some(self.refuse("protocol", close_code::PROTOCOL, "protocol error"))
            }
            _ => None,
        }
    }
}

/// A bucket that refills with time.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    fn take(&mut self) -> bool {
        let now = Instant::now();
        let refill = now.duration_since(self.at).as_secs_f64() * MAX_MESSAGES_PER_S;
        self.left = (self.left + refill).min(MAX_BURST) - 1.0;
        self.at = now;
        self.left >= 0.0
    }
}

// === impl Writer ===

struct Writer<'a> {
    sink: SplitSink<WebSocket, Message>,
    app: &'a App,
    session: Arc<Session>,
    heard: Arc<Mutex<Instant>>,
}

/// The client is gone, or takes nothing.
struct Gone;

impl Writer<'_> {
    /// Sends until the connection ends.
    async fn run(&mut self, mut replies: mpsc::Receiver<Outgoing>, shutdown: Shutdown) {
        if self.hello().await.is_err() {
            return;
        }
        let ping = self.app.config.limits.websocket_ping;
        let mut pings = interval_at(Instant::now() + ping, ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut news = News::new(self.app);
        let mut looked = Instant::now();
        loop {
            let due = self.session.next_due(self.app);
            let look_again = looked + LOOK_EVERY;
            let outcome = tokio::select! {
                // First what ends the connection: a client that never stops asking would else hold it.
                biased;
                () = shutdown.requested() => return self.close(self.leave()).await,
                reply = replies.recv() => match reply {
                    Some(Outgoing::Text(text)) => self.send(Message::Text(text.into())).await,
                    Some(Outgoing::Close(end)) => return self.close(end).await,
                    None => return,
                },
                _ = pings.tick() => self.ping(ping).await,
                () = sleep_until(due.unwrap_or(look_again).max(look_again)), if due.is_some() => {
                    looked = Instant::now();
                    self.send_due().await
                }
                () = self.session.changed.notified() => Ok(()),
                // With something due already, more news changes nothing.
                () = news.next(), if due.is_none() => Ok(()),
            };
            if outcome.is_err() {
                return;
            }
        }
    }

    /// Why the connection is asked to end: all are, or only this one.
    fn leave(&self) -> End {
        if self.app.shutdown.is_requested() {
            End { code: close_code::AWAY, reason: "the server stops" }
        } else {
            End { code: UNAUTHORIZED, reason: "the token was revoked" }
        }
    }

    async fn hello(&mut self) -> Result<(), Gone> {
        let session = Arc::clone(&self.session);
        let ping = self.app.config.limits.websocket_ping.as_millis();
        let hello = Reply::Hello {
            protocol: PROTOCOL,
            session: &session.id,
            server_time_ms: self.app.now().as_millis(),
            topics: &TopicName::ALL,
            is_simulated: self.app.is_simulated(),
            ping_interval_ms: u64::try_from(ping).unwrap_or(u64::MAX),
        };
        self.send(Message::Text(hello.to_text().into())).await
    }

    async fn ping(&mut self, ping: Duration) -> Result<(), Gone> {
        let silent = Instant::now().duration_since(*self.heard.lock());
        if silent > ping + PONG_TIMEOUT {
            self.app.own.websocket_stalled.inc();
            return Err(Gone);
        }
        self.send(Message::Ping(bytes::Bytes::new())).await
    }

    /// One message for each subscription that has news and may be sent.
    async fn send_due(&mut self) -> Result<(), Gone> {
        let due = self.session.due(self.app, Instant::now());
        let wants_pipeline = due.iter().any(|id| self.session.is_pipeline(id));
        let pipeline =
            if wants_pipeline { Some(pipeline::read(self.app, self.app.now()).await) } else { None };
        for id in due {
            let Some((seq, news)) = self.session.take_news(&id, self.app, pipeline.as_ref()) else {
                continue;
            };
            let data = Reply::Data {
                id: &id,
                seq,
                time_ms: self.app.now().as_millis(),
                dropped: news.dropped,
                items: &news.items,
            };
            self.app.own.websocket_dropped.inc_by(news.dropped);
            self.app.own.websocket_messages.inc();
            self.send(Message::Text(data.to_text().into())).await?;
        }
        Ok(())
    }

    /// Waits until the client has taken it; one that takes nothing for too long is told and left.
    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        let stall = self.app.config.limits.websocket_stall;
        match timeout(stall, self.sink.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Gone),
            Err(_) => {
                self.app.own.websocket_stalled.inc();
                tracing::info!(
                    session = &self.session.id[..8],
                    ?stall,
                    "closing a client that takes nothing"
                );
                self.close(End { code: close_code::AGAIN, reason: "too slow" }).await;
                Err(Gone)
            }
        }
    }

    async fn close(&mut self, end: End) {
        let frame = CloseFrame { code: end.code, reason: Utf8Bytes::from_static(end.reason) };
        timeout(CLOSING, self.sink.send(Message::Close(Some(frame)))).await.ok();
    }
}

/// Everything that may be news to anybody.
struct News {
    live: watch::Receiver<u64>,
    objects: watch::Receiver<u64>,
    events: watch::Receiver<u64>,
    logs: watch::Receiver<u64>,
}

impl News {
    fn new(app: &App) -> Self {
        Self {
            live: app.live.watch(),
            objects: app.objects.watch(),
            events: app.recent_events.watch(),
            logs: app.recent_logs.watch(),
        }
    }

    async fn next(&mut self) {
        // The senders live as long as the application does.
        tokio::select! {
            _ = self.live.changed() => {}
            _ = self.objects.changed() => {}
            _ = self.events.changed() => {}
            _ = self.logs.changed() => {}
        }
    }
}
