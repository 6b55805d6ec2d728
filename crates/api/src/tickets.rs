//! Tickets for the WebSocket: browsers cannot send a token with it, and a token in an address would end up
//! in logs. A ticket works once and only for a short time.

use std::time::Duration;

use bytes::Bytes;
use rand::Rng as _;
use sentinel_cache::Cache;

use crate::app::now;
use crate::dto::cluster::Ticket;
use crate::error::ApiError;

const TTL: Duration = Duration::from_secs(30);

/// # Errors
/// A cache that does not answer.
pub async fn issue(cache: &dyn Cache) -> Result<Ticket, ApiError> {
    let ticket = random_id();
    cache.put(&key(&ticket), Bytes::from_static(b"1"), TTL).await?;
    Ok(Ticket { ticket, expires_at: (now() + TTL).into() })
}

/// # Errors
/// [`ApiError::Ticket`] when it is unknown, used or too old.
pub async fn redeem(cache: &dyn Cache, ticket: &str) -> Result<(), ApiError> {
    let is_plausible = ticket.len() == 32 && ticket.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_plausible {
        return Err(ApiError::Ticket);
    }
    // Of two redemptions at once, one gets it.
    cache.take(&key(ticket)).await?.map(|_| ()).ok_or(ApiError::Ticket)
}

/// 128 random bits that nobody can guess.
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(ticket: &str) -> String {
    format!("api/ws-ticket/{ticket}")
}
