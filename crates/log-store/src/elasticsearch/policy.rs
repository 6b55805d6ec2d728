//! Who deletes old days: the server by a policy where it can, else we.

use std::time::Duration;

use elasticsearch::ilm::{IlmGetLifecycleParts, IlmPutLifecycleParts};
use serde_json::{Value, json};
use tracing::info;

use super::client::{Call, Client};
use super::failure::Failure;
use super::names::Names;
use crate::DocumentKind;

/// Who keeps the retention of logs. That of events is always ours: no policy knows of an event that is old and
/// still seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    /// Index lifecycle management of Elasticsearch.
    Ilm,
    /// Index state management of OpenSearch.
    Ism,
    Us,
}

/// How long logs are to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// In a new policy; one that is there is left as it is, as somebody may have set another retention.
    Created(Duration),
    Exactly(Duration),
}

impl Wanted {
    const fn span(self) -> Duration {
        match self {
            Self::Created(span) | Self::Exactly(span) => span,
        }
    }

    /// Whether a policy that is there will do.
    const fn is_met(self, is_same: bool) -> bool {
        matches!(self, Self::Created(_)) || is_same
    }
}

const OPERATION: &str = "setup";

/// Asks the server what it has. Only an answer that says so means that a module is absent.
///
/// # Errors
/// Anything else, so that it is asked again.
pub(super) async fn find_keeper(client: &Client) -> Result<Keeper, Failure> {
    let ilm = IlmGetLifecycleParts::None.url();
    let keeper = if has(client, &ilm).await? {
        Keeper::Ilm
    } else if has(client, "/_plugins/_ism/policies").await? {
        Keeper::Ism
    } else {
        Keeper::Us
    };
    info!(?keeper, "retention of logs on the server");
    Ok(keeper)
}

async fn has(client: &Client, path: &str) -> Result<bool, Failure> {
    match client.send(Call::get(OPERATION, path)).await {
        // Longer than we read: there is something.
        Ok(_) | Err(Failure::TooLong { .. }) => Ok(true),
        Err(failure) if failure.is_unknown_to_server() => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Puts the policy on the server, unless it is there.
pub(super) async fn put(
    client: &Client,
    keeper: Keeper,
    names: &Names,
    retention: Wanted,
) -> Result<(), Failure> {
    match keeper {
        Keeper::Us => Ok(()),
        Keeper::Ilm => put_ilm(client, &names.policy(), retention).await,
        Keeper::Ism => put_ism(client, names, retention).await,
    }
}

/// Age counts from a day's beginning, and its last line is to be kept as long.
fn age(retention: Duration) -> String {
    format!("{}s", retention.as_secs().saturating_add(86_400))
}

async fn put_ilm(client: &Client, name: &str, retention: Wanted) -> Result<(), Failure> {
    let age = age(retention.span());
    let path = IlmGetLifecycleParts::Policy(name).url();
    let there: Option<Value> = unless_missing(client.ask(Call::get(OPERATION, &path)).await)?;
    let pointer = "/policy/phases/delete/min_age";
    if there.is_some_and(|there| retention.is_met(there[name].pointer(pointer) == Some(&json!(age)))) {
        return Ok(());
    }
    let path = IlmPutLifecycleParts::Policy(name).url();
    client.send(Call::put(OPERATION, &path, &ilm(&age))).await.map(drop)
}

fn ilm(age: &str) -> Value {
    json!({ "policy": {
        "_meta": { "managed_by": "sentinel-mesh" },
        "phases": {
            "hot": { "actions": {} },
            "delete": { "min_age": age, "actions": { "delete": {} } },
        },
    } })
}

/// A policy that is there can only be replaced by whoever has read it.
async fn put_ism(client: &Client, names: &Names, retention: Wanted) -> Result<(), Failure> {
    let age = age(retention.span());
    let path = format!("/_plugins/_ism/policies/{}", names.policy());
    let there: Option<Value> = unless_missing(client.ask(Call::get(OPERATION, &path)).await)?;
    let body = ism(&age, &names.pattern(DocumentKind::Log));
    let Some(there) = there else {
        return client.send(Call::put(OPERATION, &path, &body)).await.map(drop);
    };
    if retention.is_met(there["policy"]["description"] == body["policy"]["description"]) {
        return Ok(());
    }
    let number = |key: &str| there[key].as_i64().unwrap_or_default().to_string();
    let (sequence, term) = (number("_seq_no"), number("_primary_term"));
    let query = [("if_seq_no", sequence.as_str()), ("if_primary_term", term.as_str())];
    client.send(Call::put(OPERATION, &path, &body).with_query(&query)).await.map(drop)
}

fn ism(age: &str, pattern: &str) -> Value {
    json!({ "policy": {
        "description": format!("sentinel-mesh: logs are deleted after {age}"),
        "default_state": "kept",
        "states": [
            {
                "name": "kept",
                "actions": [],
                "transitions": [{ "state_name": "deleted", "conditions": { "min_index_age": age } }],
            },
            { "name": "deleted", "actions": [{ "delete": {} }], "transitions": [] },
        ],
        "ism_template": [{ "index_patterns": [pattern], "priority": 500 }],
    } })
}

fn unless_missing<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.is_status(404) => Ok(None),
        Err(failure) => Err(failure),
    }
}
