//! Requests to the server: one client, bounded answers, the token, and what each refusal means.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect};
use sentinel_runtime::clock;
use sentinel_runtime::config::Secret;
use serde::Deserialize;

use crate::{InfluxdbConfig, InfluxdbVersion, MetricStoreError};

/// More of an answer that is not a result is not read.
pub(crate) const MAX_MESSAGE_BYTES: usize = 64 << 10;
/// More of a server's text is not shown.
const MAX_SHOWN: usize = 300;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Http {
    client: Client,
    base: String,
    scheme: &'static str,
    token: RwLock<Secret>,
    token_file: PathBuf,
    timeout: Duration,
    /// Whether the last request got no answer.
    is_silent: AtomicBool,
}

/// An answer, read to its end or to a bound.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Http {
    /// Contacts nobody.
    ///
    /// # Errors
    /// Certificates that cannot be read.
    pub(crate) fn new(config: &InfluxdbConfig) -> Result<Self, MetricStoreError> {
        let open = |message: String| MetricStoreError::Open { message };
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(config.timeout)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(config.concurrency);
        if !config.ca_file.as_os_str().is_empty() {
            let shown = config.ca_file.display();
            let pem = std::fs::read(&config.ca_file)
                .map_err(|error| open(format!("metric_store.ca_file {shown} cannot be read: {error}")))?;
            let wrong = |error| open(format!("metric_store.ca_file {shown} is not PEM: {error}"));
            for certificate in reqwest::Certificate::from_pem_bundle(&pem).map_err(wrong)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|error| open(format!("no HTTP client: {}", chain(&error))))?;
        let scheme = if config.version == InfluxdbVersion::V3 { "Bearer" } else { "Token" };
        let http = Self {
            client,
            base: config.url.trim_end_matches('/').to_owned(),
            scheme,
            token: RwLock::new(config.token.clone()),
            token_file: config.token_file.clone(),
            timeout: config.timeout,
            is_silent: AtomicBool::new(false),
        };
        http.read_token_again();
        Ok(http)
    }

    /// `path` begins with a slash.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request; once more if the token was refused and its file holds another one by now.
    ///
    /// # Errors
    /// No answer in time, or no connection.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, MetricStoreError> {
        let again = request.try_clone();
        let response = self.send_once(request).await?;
        match again {
            Some(again) if response.status() == StatusCode::UNAUTHORIZED && self.read_token_again() => {
                self.send_once(again).await
            }
            _ => Ok(response),
        }
    }

    async fn send_once(&self, request: RequestBuilder) -> Result<Response, MetricStoreError> {
        let authorization = {
            let token = self.token.read();
            (!token.is_empty()).then(|| format!("{} {}", self.scheme, token.expose()))
        };
        let request = match authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        };
        let sent = request.send().await;
        self.is_silent.store(sent.is_err(), Ordering::Relaxed);
        sent.map_err(|error| self.no_answer(&error))
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Relaxed)
    }

    /// Sends a request and reads the answer, of which no more than `limit` bytes.
    ///
    /// # Errors
    /// Those of [`Self::send`], and an answer that breaks off.
    pub(crate) async fn ask(
        &self,
        request: RequestBuilder,
        limit: usize,
    ) -> Result<Answer, MetricStoreError> {
        let mut response = self.send(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            let room = limit - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
        Ok(Answer { status, headers, body })
    }

    /// # Errors
    /// An answer that breaks off.
    pub(crate) async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, MetricStoreError> {
        response.chunk().await.map_err(|error| self.no_answer(&error))
    }

    /// Whether there is another token now.
    fn read_token_again(&self) -> bool {
        if self.token_file.as_os_str().is_empty() {
            return false;
        }
        match Secret::from_file(&self.token_file) {
            Ok(token) if *self.token.read() != token => {
                *self.token.write() = token;
                true
            }
            Ok(_) => false,
            Err(error) => {
                tracing::warn!(path = %self.token_file.display(), %error, "the token cannot be read");
                false
            }
        }
    }

    fn no_answer(&self, error: &reqwest::Error) -> MetricStoreError {
        let Self { base, timeout, .. } = self;
        let message = if error.is_timeout() {
            format!("InfluxDB at {base} did not answer within {timeout:?}; see whether it is overloaded")
        } else {
            format!("InfluxDB at {base} cannot be reached: {}; see whether it runs there", chain(error))
        };
        MetricStoreError::Unavailable { message, retry_after: None }
    }

    /// The refusal of a request as an error that says what to do.
    pub(crate) fn refusal(&self, answer: &Answer) -> MetricStoreError {
        let (base, status) = (&self.base, answer.status.as_u16());
        let said = answer.message();
        let what_to_do = match status {
            300..=399 => {
                let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
                let location = location.unwrap_or("elsewhere");
                format!(
                    "redirects are not followed; write the address itself in metric_store.url ({location})"
                )
            }
            401 => "put a valid token into metric_store.token_file (or metric_store.token)".to_owned(),
            403 => {
                "give the token read and write access to the buckets of metric_store.bucket_prefix".to_owned()
            }
            404 => "check metric_store.url, org and bucket_prefix, and that the buckets exist".to_owned(),
            429 => "it limits its clients; trying again later".to_owned(),
            400..=499 => "see the server's log".to_owned(),
            // As 2.7 says of a shard that it could not make once, for want of room say.
            _ if said.contains("not attempting to open shard") => {
                "InfluxDB does not try this again by itself: see its log, free room on its disk, and restart it"
                    .to_owned()
            }
            _ => "trying again; see the server's log".to_owned(),
        };
        let message = format!("InfluxDB at {base} answers {status} {said}: {what_to_do}");
        match status {
            400 | 402 | 405..=428 => MetricStoreError::Storage { message },
            _ => MetricStoreError::Unavailable { message, retry_after: answer.retry_after() },
        }
    }
}

impl Answer {
    /// What the server says, for people: its own words and no more than a few lines.
    pub(crate) fn message(&self) -> String {
        let text = self.text();
        let line = text.lines().next().unwrap_or_default();
        match line.char_indices().nth(MAX_SHOWN) {
            Some((end, _)) => format!("({}…)", &line[..end]),
            None => format!("({line})"),
        }
    }

    /// All that the server says.
    pub(crate) fn text(&self) -> String {
        #[derive(Deserialize)]
        struct Message {
            #[serde(alias = "error")]
            message: String,
        }
        match serde_json::from_slice::<Message>(&self.body) {
            Ok(Message { message }) => message,
            Err(_) => String::from_utf8_lossy(&self.body).into_owned(),
        }
    }

    /// `Retry-After`, in seconds or as a date.
    fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        let left_ms = i64::try_from(date.as_millis()).ok()?.saturating_sub(clock::now_millis());
        u64::try_from(left_ms).ok().map(Duration::from_millis)
    }
}

/// An error with its causes; reqwest shows only the outermost.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text = if text.is_empty() { part } else { format!("{text}: {part}") };
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(retry_after: &str, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after.parse().expect("a header"));
        Answer { status: StatusCode::SERVICE_UNAVAILABLE, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn reads_retry_after_in_seconds_and_as_a_date() {
        assert_eq!(answer("7", "").retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(answer("soon", "").retry_after(), None);
        assert_eq!(answer("Thu, 01 Jan 1970 00:00:09 GMT", "").retry_after(), None, "that is over");
        let wait = answer("Fri, 31 Dec 2100 23:59:59 GMT", "").retry_after().expect("a time");
        assert!(wait > Duration::from_secs(86_400), "{wait:?}");
    }

    #[test]
    fn shows_the_first_of_what_the_server_says() {
        assert_eq!(answer("1", r#"{"code":"x","message":"no\nmore"}"#).message(), "(no)");
        assert_eq!(answer("1", r#"{"error":"partial write"}"#).message(), "(partial write)");
        let long = answer("1", &"é".repeat(5_000)).message();
        assert_eq!(long.chars().count(), MAX_SHOWN + 3);
    }
}
