//! Requests to the server. The official client gives names of endpoints, operations of a bulk and the choice
//! among nodes; the transport is our own, because its transport follows redirects, reads answers of any length,
//! and compresses at one costly level.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use elasticsearch::http::transport::{ConnectionPool, MultiNodeConnectionPool};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Certificate, Method, Response, Url};
use sentinel_runtime::spawn_blocking;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::credentials::Credentials;
use super::failure::{Failure, Refusal};
use super::metrics::Metrics;
use crate::LogStoreError;
use crate::config::ElasticsearchConfig;

pub(super) struct Client {
    http: reqwest::Client,
    nodes: MultiNodeConnectionPool,
    n_nodes: usize,
    credentials: Credentials,
    timeout: Duration,
    max_response_bytes: usize,
    metrics: Arc<Metrics>,
}

/// One request.
pub(super) struct Call<'a> {
    /// For metrics.
    pub(super) operation: &'static str,
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Payload,
}

#[derive(Clone)]
pub(super) enum Payload {
    Empty,
    Json(Bytes),
    /// Lines of JSON, compressed by gzip.
    PackedLines(Bytes),
    Lines(Bytes),
}

/// An answer that says no is read this far.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// A node that does not even connect is given up sooner than one that works on an answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The operation that asks for a sign of life, which is a matter of moments.
pub(super) const PROBE: &str = "probe";
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

impl Client {
    pub(super) fn new(config: &ElasticsearchConfig, metrics: Arc<Metrics>) -> Result<Self, LogStoreError> {
        let failed = |message: String| LogStoreError::Open { message };
        let urls: Result<Vec<Url>, LogStoreError> = (config.url.0.iter())
            .map(|url| {
                Url::parse(url)
                    .map_err(|error| failed(format!("log_store.url {url:?} is no address: {error}")))
            })
            .collect();
        let urls = urls?;
        if urls.is_empty() {
            return Err(failed("log_store.url is not set; write the server's address".to_owned()));
        }
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("sentinel-mesh/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT.min(config.timeout));
        if let Some(path) = &config.ca_file {
            http = http.tls_certs_merge(certificates(path)?);
        }
        let http = http.build().map_err(|error| failed(format!("set up the client: {error}")))?;
        Ok(Self {
            http,
            n_nodes: urls.len(),
            nodes: MultiNodeConnectionPool::round_robin(urls, None),
            credentials: Credentials::new(config),
            timeout: config.timeout,
            max_response_bytes: usize::try_from(config.max_response_bytes).unwrap_or(usize::MAX),
            metrics,
        })
    }

    /// The body of an answer that says yes.
    ///
    /// # Errors
    /// No answer in time, or one that says no, or one that is too long.
    pub(super) async fn send(&self, call: Call<'_>) -> Result<Bytes, Failure> {
        let started = Instant::now();
        let mut answer = self.send_to_some_node(&call).await;
        let is_denied = matches!(&answer, Err(failure) if failure.is_status(401));
        if is_denied && self.credentials.renew() {
            answer = self.send_to_some_node(&call).await;
        }
        let outcome = answer.as_ref().map_or_else(Failure::outcome, |_| "ok");
        self.metrics.request(call.operation, outcome, started.elapsed());
        answer
    }

    /// The same, as a value.
    pub(super) async fn ask<T>(&self, call: Call<'_>) -> Result<T, Failure>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let body = self.send(call).await?;
        let parse = move || {
            serde_json::from_slice(&body).map_err(|error| Failure::Broken { message: error.to_string() })
        };
        spawn_blocking("log-store answer", parse).await
    }

    /// A node that cannot be connected to has not seen the request: the next one is asked.
    async fn send_to_some_node(&self, call: &Call<'_>) -> Result<Bytes, Failure> {
        let mut n_left = self.n_nodes;
        loop {
            n_left -= 1;
            match self.send_once(call).await? {
                Err(error) if error.is_connect() && n_left > 0 => {}
                Err(error) => return Err(Failure::Away { message: reason(&error) }),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    async fn send_once(&self, call: &Call<'_>) -> Result<Result<Bytes, reqwest::Error>, Failure> {
        let node = self.nodes.next().url();
        let url = node
            .join(call.path.trim_start_matches('/'))
            .map_err(|error| Failure::Away { message: format!("{} is no path: {error}", call.path) })?;
        let timeout = if call.operation == PROBE { PROBE_TIMEOUT.min(self.timeout) } else { self.timeout };
        let mut request = self.http.request(call.method.clone(), url).timeout(timeout);
        if !call.query.is_empty() {
            request = request.query(call.query);
        }
        request = match call.body.clone() {
            Payload::Empty => request,
            Payload::Json(body) => request.header(CONTENT_TYPE, "application/json").body(body),
            Payload::Lines(body) => request.header(CONTENT_TYPE, "application/x-ndjson").body(body),
            Payload::PackedLines(body) => request
                .header(CONTENT_TYPE, "application/x-ndjson")
                .header(CONTENT_ENCODING, "gzip")
                .body(body),
        };
        let response = match self.credentials.sign(request)?.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Err(error)),
        };
        self.read(response).await
    }

    async fn read(&self, response: Response) -> Result<Result<Bytes, reqwest::Error>, Failure> {
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        if status.is_redirection() {
            let to: String = header(LOCATION).unwrap_or_default().chars().take(200).collect();
            return Err(Failure::Redirect { to });
        }
        if !status.is_success() {
            let retry_after = header(RETRY_AFTER).map(str::to_owned);
            // What tells the reason may be cut or missing: the status is enough to go by.
            let (body, _) = read_up_to(response, MAX_ERROR_BYTES).await.unwrap_or_default();
            return Err(Failure::Refused(Refusal::new(status.as_u16(), retry_after.as_deref(), &body)));
        }
        let limit = self.max_response_bytes;
        match read_up_to(response, limit).await {
            Ok((_, true)) => Err(Failure::TooLong { limit }),
            Ok((body, false)) => Ok(Ok(body.freeze())),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl<'a> Call<'a> {
    pub(super) const fn get(operation: &'static str, path: &'a str) -> Self {
        Self { operation, method: Method::GET, path, query: &[], body: Payload::Empty }
    }

    pub(super) fn put(operation: &'static str, path: &'a str, body: &Value) -> Self {
        Self { method: Method::PUT, body: Payload::json(body), ..Self::get(operation, path) }
    }

    pub(super) fn post(operation: &'static str, path: &'a str, body: &Value) -> Self {
        Self { method: Method::POST, body: Payload::json(body), ..Self::get(operation, path) }
    }

    pub(super) const fn with_query(mut self, query: &'a [(&'a str, &'a str)]) -> Self {
        self.query = query;
        self
    }
}

impl Payload {
    fn json(body: &Value) -> Self {
        Self::Json(body.to_string().into())
    }
}

/// Reads a body, and whether it is longer than that.
async fn read_up_to(mut response: Response, limit: usize) -> Result<(BytesMut, bool), reqwest::Error> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok((body, true));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, false))
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, LogStoreError> {
    let failed = |error: &dyn std::fmt::Display| LogStoreError::Open {
        message: format!("log_store.ca_file {}: {error}; it must hold certificates as PEM", path.display()),
    };
    let pem = std::fs::read(path).map_err(|error| failed(&error))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| failed(&error))?;
    if certificates.is_empty() {
        return Err(failed(&"there is none in it"));
    }
    Ok(certificates)
}

/// The innermost cause, which is the one that tells; never with the address.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().chars().take(200).collect()
}
