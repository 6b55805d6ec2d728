//! Sessions: what a client has subscribed to, kept for a while after its connection is gone so that the
//! next one can go on where it stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::protocol::{Subscribe, TopicName};
use super::subscription::Subscription;
use super::topics::{News, place_of};
use crate::app::App;
use crate::dto::pipeline::Pipeline;
use crate::error::ApiError;
use crate::tickets::random_id;

/// How long a session waits for its client to come back.
const KEPT: Duration = Duration::from_secs(120);
/// Sessions that wait, at most; the longest waiting make room.
const MAX_KEPT: usize = 400;

#[derive(Debug)]
pub struct Session {
    pub id: String,
    subscriptions: Mutex<BTreeMap<String, Subscription>>,
    /// Tells the writer that there is something new to look at.
    pub changed: Notify,
    left: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
pub struct Sessions(Mutex<BTreeMap<String, Arc<Session>>>);

impl Sessions {
    pub fn open(&self) -> Arc<Session> {
        let session = Arc::new(Session {
            id: random_id(),
            subscriptions: Mutex::default(),
            changed: Notify::new(),
            left: Mutex::new(None),
        });
        self.0.lock().insert(session.id.clone(), Arc::clone(&session));
        session
    }

    /// The client is gone; it may come back.
    pub fn leave(&self, session: &Session) {
        let now = Instant::now();
        *session.left.lock() = Some(now);
        let mut sessions = self.0.lock();
        if session.subscriptions.lock().is_empty() {
            sessions.remove(&session.id);
        }
        let mut waiting: Vec<(Instant, String)> = sessions
            .values()
            .filter_map(|session| Some(((*session.left.lock())?, session.id.clone())))
            .collect();
        waiting.sort();
        let n_over = waiting.len().saturating_sub(MAX_KEPT);
        for (i, (left, id)) in waiting.into_iter().enumerate() {
            if i < n_over || now.duration_since(left) > KEPT {
                sessions.remove(&id);
            }
        }
    }

    /// Takes a subscription out of an earlier session, set back to just after the message named.
    fn resume(&self, request: &Subscribe) -> Result<Option<Subscription>, ApiError> {
        let Some(resume) = &request.resume else { return Ok(None) };
        let Some(session) = self.0.lock().get(&resume.session).cloned() else { return Ok(None) };
        let mut subscriptions = session.subscriptions.lock();
        let Some(known) = subscriptions.get(&request.id).filter(|known| known.is_same(request)) else {
            return Ok(None);
        };
        if resume.seq > known.seq {
            return Err(ApiError::parameter("resume.seq", "has not been sent yet"));
        }
        let mut subscription = subscriptions.remove(&request.id);
        Ok(subscription.take_if(|subscription| subscription.rewind(resume.seq)))
    }
}

impl Session {
    /// Adds a subscription, one of an earlier session if the client asks for it and it is still there.
    /// Returns the number of its last message and whether it goes on from there.
    ///
    /// # Errors
    /// A request that is not usable, or one too many.
    pub fn subscribe(
        &self,
        request: Subscribe,
        app: &App,
        sessions: &Sessions,
    ) -> Result<(u64, bool), ApiError> {
        let limit = app.config.limits.websocket_subscriptions;
        {
            let subscriptions = self.subscriptions.lock();
            if subscriptions.contains_key(&request.id) {
                return Err(ApiError::parameter("id", "is in use; unsubscribe first"));
            }
            if subscriptions.len() >= limit {
                return Err(ApiError::TooManySubscriptions { limit });
            }
        }
        let resumed = sessions.resume(&request)?;
        let place = place_of(request.topic, app);
        let fresh = Subscription::new(request, place)?;
        let is_resumed = resumed.is_some();
        let subscription = match resumed {
            Some(known) => known.at_rate_of(&fresh),
            None => fresh,
        };
        let seq = subscription.seq;
        self.subscriptions.lock().insert(subscription.id.clone(), subscription);
        self.changed.notify_one();
        Ok((seq, is_resumed))
    }

    /// # Errors
    /// There is no such subscription.
    pub fn unsubscribe(&self, id: &str) -> Result<(), ApiError> {
        let removed = self.subscriptions.lock().remove(id);
        removed.map(|_| ()).ok_or_else(|| ApiError::parameter("id", "is not subscribed"))
    }

    /// When the first of the subscriptions that have news may be sent.
    pub fn next_due(&self, app: &App) -> Option<Instant> {
        let subscriptions = self.subscriptions.lock();
        subscriptions.values().filter(|s| s.has_news(app)).map(|s| s.due).min()
    }

    /// Names of those that have news and may be sent now.
    pub fn due(&self, app: &App, now: Instant) -> Vec<String> {
        let subscriptions = self.subscriptions.lock();
        let is_due = |s: &&Subscription| s.due <= now && s.has_news(app);
        subscriptions.values().filter(is_due).map(|s| s.id.clone()).collect()
    }

    /// Whether a subscription is one to the pipeline's state.
    pub fn is_pipeline(&self, id: &str) -> bool {
        self.subscriptions.lock().get(id).is_some_and(|s| s.topic == TopicName::Pipeline)
    }

    /// What a subscription has to send now, with the message's number; `None` when nothing of what
    /// happened is for it.
    pub fn take_news(&self, id: &str, app: &App, pipeline: Option<&Pipeline>) -> Option<(u64, News)> {
        let mut subscriptions = self.subscriptions.lock();
        let subscription = subscriptions.get_mut(id)?;
        let before = subscription.place;
        let news = subscription.take_news(app, pipeline);
        if news.items.is_empty() && news.dropped == 0 {
            return None;
        }
        subscription.rest(Instant::now());
        Some((subscription.sent(before), news))
    }
}
