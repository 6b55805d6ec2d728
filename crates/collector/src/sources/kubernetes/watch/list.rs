//! Listing a kind, page by page.

use std::time::Duration;

use sentinel_runtime::Backoff;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

use super::{Change, End, Watch};
use crate::sources::kubernetes::client::{Accept, Bounds, fetch};

/// Until a page has arrived: a busy server may take its time.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// A page of a list. Items stay text until their turn comes, so that one odd object does not spoil the
/// others and a page is not held twice.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: Metadata,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    resource_version: Option<String>,
    #[serde(rename = "continue")]
    next: Option<String>,
}

impl Watch {
    /// `None` when the list is complete.
    pub(super) async fn list(&mut self) -> Option<End> {
        self.wait_for_turn().await;
        let began = Instant::now();
        match self.all_pages().await {
            Ok(version) => {
                self.version = Some(version);
                self.listed = Some(began);
                None
            }
            Err(end) => Some(end),
        }
    }

    /// Lists of a kind keep a distance, unless somebody waits for one, and those of different kinds do not begin in
    /// step.
    pub(super) async fn wait_for_turn(&self) {
        let Some(listed) = self.listed else { return };
        let interval = self.context.config.relist_interval;
        let jitter = Backoff::new(interval / 16, interval / 16).next_delay();
        tokio::select! {
            () = sleep(interval.saturating_sub(listed.elapsed()) + jitter) => {}
            () = self.context.relists.asked(self.kind) => {}
        }
    }

    async fn all_pages(&mut self) -> Result<String, End> {
        self.give(Change::ListBegins).await?;
        let mut next = String::new();
        loop {
            let limit = self.context.config.page_size;
            let url = format!("{}?limit={limit}{next}", self.kind.path());
            let bounds = Bounds { timeout: PAGE_TIMEOUT, bytes: self.context.page_bytes };
            let clients = self.context.connection.clients();
            let body = fetch(&clients.api, &url, Accept::Json, bounds).await.map_err(|error| {
                match error.status().map(|status| status.as_u16()) {
                    // The rest of the list has expired: begin again.
                    Some(410) => End::Gone { message: error.to_string() },
                    _ => End::Failed(error),
                }
            })?;
            let page: Page<'_> = serde_json::from_slice(&body)
                .map_err(|error| End::Nonsense { message: error.to_string() })?;
            for item in page.items.unwrap_or_default() {
                match serde_json::from_str(item.get()) {
                    Ok(object) => self.give(Change::Seen(object)).await?,
                    Err(_) => self.reject("not_json"),
                }
            }
            match page.metadata.next.filter(|next| !next.is_empty()) {
                Some(token) => next = format!("&continue={}", encoded(&token)),
                None => {
                    self.give(Change::ListEnds).await?;
                    let version = page.metadata.resource_version.filter(|version| !version.is_empty());
                    return version
                        .ok_or_else(|| End::Nonsense { message: "the list has no resourceVersion".into() });
                }
            }
        }
    }
}

/// Percent-encoding of all but letters, digits and `-_.~`.
pub(in super::super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte as char),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
