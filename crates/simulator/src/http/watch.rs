//! Watches: all changes after a version, each once, in order, until the client, the time-out or
//! the end of the server ends it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch::Receiver;

use super::list::requirements;
use super::path::Resource;
use super::present::Form;
use super::status::Status;
use super::{Parameters, Server, flag, number};
use crate::chaos::WatchOrder;
use crate::json;
use crate::shared::Shared;
use crate::store::{Change, ChangeKind, Expired, Requirements, Stored};

/// A watch without time-out lasts about so long.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(45 * 60);

/// Time between bookmarks.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One open watch.
struct Watcher {
    shared: Shared,
    resource: Resource,
    namespace: Option<Arc<str>>,
    requirements: Requirements,
    form: Form,
    version: u64,
    /// What is sent before any change.
    opening: Option<String>,
    has_bookmarks: bool,
    bookmark: Timer,
    timeout: Timer,
    versions: Receiver<u64>,
    orders: Receiver<WatchOrder>,
    /// Orders to close given before it was opened do not concern it.
    n_closed: u64,
    is_over: bool,
}

pub fn watch(
    server: &Server,
    (resource, namespace): (Resource, Option<&str>),
    parameters: &Parameters,
    form: Form,
) -> Response {
    match open(server, (resource, namespace), parameters, form) {
        Ok(watcher) => super::json(Body::from_stream(futures::stream::unfold(watcher, Watcher::next))),
        Err(status) => status.into_response(),
    }
}

fn open(
    server: &Server,
    (resource, namespace): (Resource, Option<&str>),
    parameters: &Parameters,
    form: Form,
) -> Result<Watcher, Status> {
    let requirements = requirements(parameters)?;
    let asked = parameters.get("resourceVersion").map_or("", String::as_str);
    let asked: Option<u64> = match asked {
        "" | "0" => None,
        text => Some(text.parse().map_err(|_| Status::invalid_version(text))?),
    };
    let shared = server.shared.clone();
    // Subscribed before the first look, so that no write falls between.
    let (versions, orders) = (shared.versions(), shared.chaos.watch_orders());
    let seconds = number::<u64>(parameters, "timeoutSeconds").filter(|seconds| *seconds > 0);
    let timeout = seconds.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
    let n_closed = orders.borrow().n_closed;
    let mut watcher = Watcher {
        resource,
        namespace: namespace.map(Arc::from),
        requirements,
        form,
        version: 0,
        opening: None,
        has_bookmarks: flag(parameters, "allowWatchBookmarks"),
        bookmark: timer(&shared, BOOKMARK_PERIOD),
        timeout: timer(&shared, timeout),
        versions,
        orders,
        n_closed,
        is_over: false,
        shared,
    };
    // A streaming list is asked for by name; a watch from nowhere begins with what is there.
    let is_streaming = flag(parameters, "sendInitialEvents");
    match asked {
        Some(version) if !is_streaming => watcher.version = version,
        _ => watcher.begin_with_all(is_streaming),
    }
    Ok(watcher)
}

fn timer(shared: &Shared, after: Duration) -> Timer {
    let clock = shared.clock.clone();
    Box::pin(async move { clock.elapsed(after).await })
}

impl Watcher {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if let Some(opening) = self.opening.take().filter(|opening| !opening.is_empty()) {
            return Some((Ok(opening.into()), self));
        }
        while !self.is_over {
            if let Some(chunk) = self.news() {
                return Some((Ok(chunk.into()), self));
            }
            if !self.is_over
                && self.wait().await
                && let Some(chunk) = self.due_bookmark()
            {
                return Some((Ok(chunk.into()), self));
            }
        }
        None
    }

    /// A bookmark, after the changes that it stands for.
    fn due_bookmark(&mut self) -> Option<String> {
        self.bookmark = timer(&self.shared, BOOKMARK_PERIOD);
        let mut chunk = self.news().unwrap_or_default();
        let is_wanted = self.has_bookmarks && !self.is_over && !self.orders.borrow().is_stalled;
        if is_wanted {
            chunk.push_str(&self.bookmark_line(""));
        }
        (!chunk.is_empty()).then_some(chunk)
    }

    /// Lines for the changes that came since the last look.
    fn news(&mut self) -> Option<String> {
        let order = *self.orders.borrow_and_update();
        if order.n_closed > self.n_closed {
            self.is_over = true;
            return None;
        }
        // Also when nothing is said: otherwise waiting would end at once, again and again.
        self.versions.mark_unchanged();
        if order.is_stalled || order.are_bookmarks_only {
            return None;
        }
        let (kind, from) = (self.resource.kind, self.version);
        let (changes, version) =
            self.shared.with(|world| (world.store().changes_after(kind, from), world.store().version()));
        let mut out = String::new();
        match changes {
            Ok(changes) => {
                for change in &changes {
                    self.write_change(&mut out, change);
                }
                self.version = self.version.max(version);
            }
            Err(expired) => {
                self.is_over = true;
                out = error_line(expired);
            }
        }
        (!out.is_empty()).then_some(out)
    }

    /// Until there may be something to say; true when a bookmark is due.
    async fn wait(&mut self) -> bool {
        tokio::select! {
            () = &mut self.bookmark => true,
            () = &mut self.timeout => {
                self.is_over = true;
                false
            }
            () = self.shared.closed() => {
                self.is_over = true;
                false
            }
            result = self.versions.changed() => {
                self.is_over = result.is_err();
                false
            }
            result = self.orders.changed() => {
                self.is_over = result.is_err();
                false
            }
        }
    }

    fn begin_with_all(&mut self, is_streaming: bool) {
        let kind = self.resource.kind;
        let namespace = self.namespace.clone();
        let (version, objects) = self
            .shared
            .with(|world| (world.store().version(), world.store().list(kind, namespace.as_deref())));
        self.version = version;
        let mut out = String::new();
        for object in objects {
            if self.requirements.select(&object.key, &object.traits) {
                self.write_line(&mut out, "ADDED", &object);
            }
        }
        if is_streaming && self.has_bookmarks {
            out.push_str(&self.bookmark_line(r#","annotations":{"k8s.io/initial-events-end":"true"}"#));
        }
        self.opening = Some(out);
    }

    fn write_change(&self, out: &mut String, change: &Change) {
        let object = &change.object;
        if self.namespace.as_ref().is_some_and(|namespace| *namespace != object.key.namespace) {
            return;
        }
        let is_selected =
            change.kind != ChangeKind::Deleted && self.requirements.select(&object.key, &object.traits);
        let was_selected =
            change.before.as_ref().is_some_and(|before| self.requirements.select(&object.key, before));
        match (was_selected, is_selected) {
            (false, false) => {}
            (false, true) => self.write_line(out, "ADDED", object),
            (true, true) => self.write_line(out, "MODIFIED", object),
            (true, false) => self.write_line(out, "DELETED", object),
        }
    }

    fn write_line(&self, out: &mut String, kind: &str, object: &Stored) {
        let body = self.form.present(&object.body);
        out.reserve(body.len() + 40);
        out.push_str("{\"type\":\"");
        out.push_str(kind);
        out.push_str("\",\"object\":");
        out.push_str(&body);
        out.push_str("}\n");
    }

    fn bookmark_line(&self, more: &str) -> String {
        let (kind, api_version) = self.form.type_of(self.resource.kind);
        let rest = if self.form == Form::Whole { self.resource.kind.bookmark_rest() } else { "" };
        let version = self.version;
        format!(
            "{{\"type\":\"BOOKMARK\",\"object\":{{\"kind\":\"{kind}\",\"apiVersion\":\"{api_version}\",\"metadata\":{{\"resourceVersion\":\"{version}\"{more}}}{rest}}}}}\n"
        )
    }
}

fn error_line(expired: Expired) -> String {
    let line = json::object(|event| {
        event.text("type", "ERROR");
        event.raw("object", &Status::expired(expired).json());
    });
    format!("{line}\n")
}
