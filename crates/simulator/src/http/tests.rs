//! The API as a client sees it, without a socket.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use futures::StreamExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::router;
use crate::clock::Clock;
use crate::shared::Shared;
use crate::testing::{Cluster, START, parse};

mod control;
mod kubelets;
mod leases;
mod lists;
mod logs;
mod watches;

/// A server over a cluster whose time is stepped.
struct Api {
    shared: Shared,
    router: Router,
}

/// An answer read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

/// Lines of an answer that goes on.
struct Lines {
    body: BodyDataStream,
    rest: String,
    is_over: bool,
}

impl Api {
    fn new() -> Self {
        Self::over(Cluster::new())
    }

    fn over(cluster: Cluster) -> Self {
        let shared = Shared::new(cluster.world, Clock::stepped(START));
        Self { router: router(shared.clone()), shared }
    }

    fn step(&self, seconds: f64) {
        self.shared.clock.step(Duration::from_secs_f64(seconds));
        self.shared.advance();
    }

    async fn send(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.expect("infallible")
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "").await
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let response = self.send(request).await;
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        parse(&answer.text)
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(Method::POST, path, body).await
    }

    async fn stream(&self, path: &str) -> Lines {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let response = self.send(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        Lines { body: response.into_body().into_data_stream(), rest: String::new(), is_over: false }
    }
}

impl Lines {
    /// The next line; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.find('\n') {
                let line = self.rest[..end].to_owned();
                self.rest.drain(..=end);
                return Some(line);
            }
            if self.is_over {
                return None;
            }
            let Some(chunk) = self.body.next().await else {
                self.is_over = true;
                return None;
            };
            let chunk = chunk.expect("infallible");
            self.rest.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }

    async fn json(&mut self) -> Value {
        parse(&self.next().await.expect("one more line"))
    }

    /// Whether the server has nothing to say now.
    async fn is_silent(&mut self) -> bool {
        if self.rest.contains('\n') || self.is_over {
            return false;
        }
        // Whatever could be said is said after everything that is ready has run.
        tokio::select! {
            biased;
            chunk = self.body.next() => match chunk {
                Some(chunk) => {
                    self.rest.push_str(std::str::from_utf8(&chunk.expect("infallible")).expect("text"));
                    false
                }
                None => {
                    self.is_over = true;
                    false
                }
            },
            () = tokio::task::yield_now() => true,
        }
    }
}

fn version_of(list: &Value) -> u64 {
    list["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).expect("a version")
}

fn items(list: &Value) -> &Vec<Value> {
    list["items"].as_array().expect("items")
}
