//! Tickets for the WebSocket: browsers cannot send a token with it, and a token in an address would end up
//! in logs. A ticket works once and only for a short time.

use std::time::Duration;

use rand::Rng as _;
use sentinel_cache::Cache;

use crate::access::Caller;
use crate::app::now;
use crate::dto::cluster::Ticket;
use crate::error::ApiError;

/// Holder of a ticket whose caller had no token of the settings.
const NO_TOKEN: &str = "1";
const TTL: Duration = Duration::from_secs(30);

/// # Errors
/// A cache that does not answer.
pub async fn issue(cache: &dyn Cache, holder: &Caller) -> Result<Ticket, ApiError> {
    let ticket = random_id();
    let holder = holder.token_id().unwrap_or(NO_TOKEN).to_owned();
    cache.put(&key(&ticket), holder.into(), TTL).await?;
    Ok(Ticket { ticket, expires_at: (now() + TTL).into() })
}

/// Gives the id of the token, if any, that it was issued for.
///
/// # Errors
/// [`ApiError::Ticket`] when it is unknown, used or too old.
pub async fn redeem(cache: &dyn Cache, ticket: &str) -> Result<Option<String>, ApiError> {
    let is_plausible = ticket.len() == 32 && ticket.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_plausible {
        return Err(ApiError::Ticket);
    }
    // Of two redemptions at once, one gets it.
    let holder = cache.take(&key(ticket)).await?.ok_or(ApiError::Ticket)?;
    let holder = String::from_utf8(holder.to_vec()).map_err(|_| ApiError::Ticket)?;
    Ok(Some(holder).filter(|holder| holder != NO_TOKEN))
}

/// 128 random bits that nobody can guess.
pub fn random_id() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    hex(&bytes)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(ticket: &str) -> String {
    format!("api/ws-ticket/{ticket}")
}
