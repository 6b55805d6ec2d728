//! `pods/NAME/log`.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sentinel_model::Timestamp;

use super::status::Status;
use super::{Parameters, Server, flag, number};
use crate::logs::{Line, Source};
use crate::shared::Shared;
use crate::store::{Key, Kind};
use crate::time;
use crate::world::{LogError, LogRequest, PodId, World};

/// One container's log being followed.
struct Follower {
    shared: Shared,
    pod: PodId,
    request: LogRequest,
    /// Of the container that it began with.
    key: u64,
    seen: Timestamp,
    has_timestamps: bool,
    first: Option<String>,
    is_over: bool,
}

/// Followers look for new lines so often.
const PERIOD: i64 = time::SECOND;

pub fn logs(server: &Server, (namespace, name): (&str, &str), parameters: &Parameters) -> Response {
    match answer(server, (namespace, name), parameters) {
        Ok(body) => ([(header::CONTENT_TYPE, "text/plain")], body).into_response(),
        Err(status) => status.into_response(),
    }
}

fn answer(server: &Server, (namespace, name): (&str, &str), parameters: &Parameters) -> Result<Body, Status> {
    let request = LogRequest {
        container: parameters.get("container").cloned(),
        is_previous: flag(parameters, "previous"),
    };
    let since = since(parameters, server.shared.clock.now())?;
    let key = Key::new(namespace, name);
    let (pod, source, now) = server.shared.with(|world| {
        let id = world.names.get(&key).copied();
        let pod = id.ok_or_else(|| Status::not_found(Kind::Pod, name))?;
        let source = world.log_source(pod, &request).map_err(|error| refuse(&error))?;
        Ok::<_, Status>((pod, source, world.now()))
    })?;
    let has_timestamps = flag(parameters, "timestamps");
    let lines = match number::<usize>(parameters, "tailLines") {
        Some(n) => {
            let mut lines = source.tail(n, now);
            lines.retain(|line| line.at >= since);
            lines
        }
        None => source.lines(since.saturating_sub_millis(1), now),
    };
    let mut text = render(&lines, has_timestamps);
    if let Some(limit) = number::<usize>(parameters, "limitBytes") {
        truncate(&mut text, limit);
    }
    if !flag(parameters, "follow") || source.ended.is_some() {
        return Ok(Body::from(text));
    }
    let follower = Follower {
        shared: server.shared.clone(),
        pod,
        request,
        key: source.key,
        seen: now,
        has_timestamps,
        first: Some(text),
        is_over: false,
    };
    Ok(Body::from_stream(futures::stream::unfold(follower, Follower::next)))
}

/// Start of the lines asked for.
fn since(parameters: &Parameters, now: Timestamp) -> Result<Timestamp, Status> {
    if let Some(seconds) = number::<i64>(parameters, "sinceSeconds") {
        return Ok(now.saturating_sub_millis(seconds.saturating_mul(1_000)));
    }
    let Some(text) = parameters.get("sinceTime").filter(|text| !text.is_empty()) else {
        return Ok(Timestamp::from_millis(0));
    };
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    match parsed {
        Ok(at) => Ok(Timestamp::from_millis(at.as_millisecond())),
        Err(_) => Err(Status::bad_request(format!("sinceTime: {text:?} is not RFC 3339"))),
    }
}

fn truncate(text: &mut String, limit: usize) {
    let end = (0..=limit.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(end.unwrap_or_default());
}

fn render(lines: &[Line], has_timestamps: bool) -> String {
    let mut out = String::with_capacity(lines.len() * 160);
    for line in lines {
        if has_timestamps {
            out.push_str(&time::nano_text(line.at, line.nanos));
            out.push(' ');
        }
        out.push_str(&line.text);
        out.push('\n');
    }
    out
}

fn refuse(error: &LogError) -> Status {
    match error {
        LogError::Unreachable { .. } => Status::internal(error.to_string()),
        _ => Status::bad_request(error.to_string()),
    }
}

impl Follower {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Some((Ok(first.into()), self));
        }
        while !self.is_over {
            let next = self.seen.saturating_add_millis(PERIOD);
            tokio::select! {
                () = self.shared.clock.reached(next) => {}
                () = self.shared.closed() => return None,
            }
            let text = self.news();
            if !text.is_empty() {
                return Some((Ok(text.into()), self));
            }
        }
        None
    }

    /// Lines since the last look. A container that has ended, or whose node is cut off, ends the
    /// stream, as it ends the connection in a real cluster.
    fn news(&mut self) -> String {
        let request = self.request.clone();
        let found = self.shared.with(|world| (find(world, self.pod, &request), world.now()));
        let (Some(source), now) = found else {
            self.is_over = true;
            return String::new();
        };
        if source.key != self.key {
            self.is_over = true;
            return String::new();
        }
        self.is_over = source.ended.is_some();
        let lines = source.lines(self.seen, now);
        self.seen = now;
        render(&lines, self.has_timestamps)
    }
}

fn find(world: &World, pod: PodId, request: &LogRequest) -> Option<Source> {
    world.log_source(pod, request).ok()
}
