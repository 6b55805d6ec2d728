//! Who may ask: loopback names only without a token, those with a token otherwise, and not too often.

mod caller;

use std::net::IpAddr;
use std::time::Duration;

use ahash::AHashMap;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Uri, header};
use parking_lot::Mutex;

use crate::app::{App, now};
use crate::error::ApiError;

pub use caller::{Admin, Caller};

/// Address of the peer, put into each request by the server.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Addresses that are remembered; beyond, everybody starts anew.
const MAX_PEERS: usize = 10_000;

/// Requests that each address may still make.
#[derive(Debug, Default)]
pub struct Rates(Mutex<AHashMap<IpAddr, (f64, i64)>>);

/// Lets pass or answers itself.
pub async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let checked = match check(&app, &request) {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            let peer = request.extensions().get::<Peer>().copied().filter(|_| is_limited(&app, &request));
            check_shared(&app, peer).await
        }
        Err(error) => Err(error),
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// The limit over all API processes, by whole seconds; each has checked its own before.
async fn check_shared(app: &App, peer: Option<Peer>) -> Result<(), ApiError> {
    let Some(Peer(peer)) = peer.filter(|_| app.is_cache_shared) else { return Ok(()) };
    let second = now().as_millis() / 1_000;
    let n_requests = app.cache.count(&format!("api/rate/{peer}/{second}"), Duration::from_secs(2)).await;
    let limit = 2 * u64::from(app.config.limits.requests_per_second);
    if n_requests.is_ok_and(|n_requests| n_requests > limit) {
        return Err(ApiError::TooManyRequests { retry_after_s: 1 });
    }
    Ok(())
}

/// With a token, everything that asks for it.
fn is_limited(app: &App, request: &Request) -> bool {
    let path = request.uri().path();
    app.config.token.is_some() && (path.starts_with("/api/") || path == "/metrics")
}

/// Who asks, where that is asked for.
fn check(app: &App, request: &Request) -> Result<Option<Caller>, ApiError> {
    let path = request.uri().path();
    if app.config.token.is_none() {
        // A page of another site can make its name point here; our own names it cannot have.
        let message = "this server is reached as localhost or 127.0.0.1 only";
        return if is_loopback_name(&host_of(request.uri(), request.headers())) {
            Ok(Some(Caller::Anybody))
        } else {
            Err(ApiError::Forbidden { message })
        };
    }
    if !is_limited(app, request) {
        return Ok(None);
    }
    if let Some(Peer(peer)) = request.extensions().get::<Peer>() {
        app.rates.take(*peer, f64::from(app.config.limits.requests_per_second))?;
    }
    // The WebSocket has its own way in: a ticket.
    if path == "/api/v1/ws" {
        return Ok(None);
    }
    let caller = Caller::of(app, request.headers())?;
    caller.require(caller::needed(request.method(), path))?;
    Ok(Some(caller))
}

fn host_of(uri: &Uri, headers: &HeaderMap) -> String {
    let header = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // An address that names a host itself goes before the header (RFC 9112 §3.2.2).
    let host = uri.authority().map(http::uri::Authority::as_str).or(header).unwrap_or_default();
    host.to_ascii_lowercase()
}

/// `localhost`, anything below it, 127.0.0.0/8 and ::1, with or without a port.
fn is_loopback_name(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.0.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Rates {
    /// Takes one of an address' requests: `per_second` of them refill, twice as many gather.
    fn take(&self, peer: IpAddr, per_second: f64) -> Result<(), ApiError> {
        let now_ms = now().as_millis();
        let mut peers = self.0.lock();
        if peers.len() >= MAX_PEERS && !peers.contains_key(&peer) {
            peers.clear();
        }
        let (left, at_ms) = peers.entry(peer).or_insert((2.0 * per_second, now_ms));
        let refill = (now_ms - *at_ms).max(0) as f64 * per_second / 1_000.0;
        *left = (*left + refill).min(2.0 * per_second);
        *at_ms = now_ms;
        if *left < 1.0 {
            return Err(ApiError::TooManyRequests { retry_after_s: 1 });
        }
        *left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback_names() {
        for host in ["localhost", "localhost:7700", "127.0.0.1", "127.1.2.3:80", "[::1]:7700", "x.localhost"]
        {
            assert!(is_loopback_name(host), "{host}");
        }
        for host in
            ["", "example.org", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]"]
        {
            assert!(!is_loopback_name(host), "{host}");
        }
    }

    #[test]
    fn an_address_may_ask_so_often_and_no_more() {
        let rates = Rates::default();
        let peer = IpAddr::from([10, 0, 0, 1]);
        let n_passed = (0..1_000).filter(|_| rates.take(peer, 10.0).is_ok()).count();
        assert!((20..40).contains(&n_passed), "{n_passed}");
        assert!(rates.take(IpAddr::from([10, 0, 0, 2]), 10.0).is_ok());
    }
}
