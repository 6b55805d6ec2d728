//! Getting a body over HTTP within bounds of time and size.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, RequestBuilder, StatusCode, Url, header};

use crate::exposition::Format;

/// Redirects are not followed, proxies of the environment not used.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the longest usual interval, so that a connection serves the next scrape too.
const IDLE_TIMEOUT: Duration = Duration::from_secs(70);
const HOST_BYTES: usize = 253;

/// Text is preferred: it is what every exporter has been tried with.
pub(crate) const ACCEPT: &str = "text/plain;version=0.0.4;q=0.9,\
    application/openmetrics-text;version=1.0.0;charset=utf-8;q=0.8,*/*;q=0.1";

#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchLimits {
    /// Until the last byte.
    pub timeout: Duration,
    /// After decompression.
    pub body_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Fetched {
    pub body: Vec<u8>,
    /// Media type with parameters, empty if the answer names none.
    pub content_type: String,
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("cannot read token_file {}: {source}", path.display())]
    Token { path: PathBuf, source: std::io::Error },
    #[error("no connection: {message}")]
    Connect { message: String },
    #[error("no whole answer within {timeout:?}")]
    Timeout { timeout: Duration },
    #[error("answered {status}, a redirect to {location:?}; give the final address instead")]
    Redirect { status: StatusCode, location: String },
    #[error("answered {status}")]
    Status { status: StatusCode },
    #[error("the body exceeds {limit} bytes (collector.limits.body_bytes)")]
    TooLarge { limit: u64 },
    #[error("the body broke off or cannot be decompressed: {message}")]
    Broken { message: String },
    #[error("the content type {content_type:?} is no exposition; check the path")]
    ContentType { content_type: String },
}

impl FetchError {
    /// Short name for counters.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Token { .. } => "token",
            Self::Connect { .. } => "connect",
            Self::Timeout { .. } => "timeout",
            Self::Redirect { .. } => "redirect",
            Self::Status { .. } => "status",
            Self::TooLarge { .. } => "body_too_large",
            Self::Broken { .. } => "body_broken",
            Self::ContentType { .. } => "content_type",
        }
    }
}

impl Fetched {
    /// How to read the body.
    pub fn format(&self) -> Result<Format, FetchError> {
        let error =
            || FetchError::ContentType { content_type: self.content_type.chars().take(100).collect() };
        Format::from_content_type(&self.content_type).ok_or_else(error)
    }
}

/// A client for scrapes.
///
/// # Errors
/// TLS cannot be set up.
pub(crate) fn scrape_client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(1)
        .user_agent(concat!("sentinel-mesh/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(GuardedResolver))
        .build()
}

/// Sends the request and reads the whole body.
pub(crate) async fn fetch(request: RequestBuilder, limits: FetchLimits) -> Result<Fetched, FetchError> {
    match tokio::time::timeout(limits.timeout, read(request, limits.body_bytes)).await {
        Ok(result) => result,
        Err(_) => Err(FetchError::Timeout { timeout: limits.timeout }),
    }
}

async fn read(request: RequestBuilder, limit: u64) -> Result<Fetched, FetchError> {
    let mut response =
        request.send().await.map_err(|error| FetchError::Connect { message: chain(&error.without_url()) })?;
    let status = response.status();
    let text = |name: header::HeaderName| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    if status.is_redirection() {
        return Err(FetchError::Redirect {
            status,
            location: text(header::LOCATION).chars().take(100).collect(),
        });
    }
    if status != StatusCode::OK {
        return Err(FetchError::Status { status });
    }
    let content_type = text(header::CONTENT_TYPE);
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(FetchError::TooLarge { limit });
    }
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        match chunk.map_err(|error| FetchError::Broken { message: chain(&error.without_url()) })? {
            Some(chunk) if (body.len() + chunk.len()) as u64 > limit => {
                return Err(FetchError::TooLarge { limit });
            }
            Some(chunk) => body.extend_from_slice(&chunk),
            None => return Ok(Fetched { body, content_type }),
        }
    }
}

/// An error with its causes, which say what happened when it itself does not.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text.chars().take(500).collect()
}

// === Addresses ===

/// Why an address is not scraped.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("it is not a URL ({message}); write for example http://127.0.0.1:9100/metrics")]
    Malformed { message: String },
    #[error("the scheme {scheme:?} cannot be scraped; write http:// or https://")]
    Scheme { scheme: String },
    #[error("it carries a user name or password, which would end up in labels and logs; remove them")]
    Credentials,
    #[error("the host is longer than {HOST_BYTES} bytes")]
    Host,
    #[error("{address} is a link-local address, where clouds answer with credentials; it is never scraped")]
    LinkLocal { address: IpAddr },
}

/// The address of a target, if it may be scraped.
pub(crate) fn target_url(text: &str) -> Result<Url, UrlError> {
    let url = Url::parse(text).map_err(|error| UrlError::Malformed { message: error.to_string() })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError::Scheme { scheme: url.scheme().to_owned() });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() || host.len() > HOST_BYTES {
        return Err(UrlError::Host);
    }
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match literal {
        Ok(address) if is_forbidden(address) => Err(UrlError::LinkLocal { address }),
        _ => Ok(url),
    }
}

/// Where clouds serve a machine's credentials to whoever asks.
fn is_forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            let is_aws_metadata = address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254];
            let embedded = address.to_ipv4_mapped().or_else(|| address.to_ipv4());
            address.is_unicast_link_local()
                || is_aws_metadata
                || embedded.is_some_and(|v4| v4.is_link_local())
        }
    }
}

/// Names may not lead where addresses may not; asked at each connection, so that a name cannot change
/// between the check and its use.
struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| !is_forbidden(address.ip())).collect();
            if allowed.is_empty() {
                return Err(format!("{} has no address that may be scraped", name.as_str()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_addresses_of_targets() {
        for url in [
            "http://127.0.0.1:9100/metrics",
            "https://exporter.example:443/metrics?module=x",
            "http://[::1]:9100/metrics",
            "http://localhost:6443/",
        ] {
            assert!(target_url(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn refuses_addresses_that_lead_elsewhere() {
        let long = format!("http://{}/", "a.".repeat(150));
        for url in [
            "",
            "127.0.0.1:9100/metrics",
            "/metrics",
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "unix:///run/x.sock",
            "http://",
            "http://user:pw@127.0.0.1/metrics",
            "http://user@127.0.0.1/metrics",
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:169.254.169.254]/",
            "http://0xa9fea9fe/",
            "http://2852039166/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            long.as_str(),
        ] {
            assert!(target_url(url).is_err(), "{url}");
        }
    }
}
