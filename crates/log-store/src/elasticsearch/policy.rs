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
    /// As configured: a policy that is there is only ever lengthened, as processes with other configurations would else
    /// delete one another's history.
    AtLeast(Duration),
    /// As somebody has set it, also where that is less.
    Exactly(Duration),
}

impl Wanted {
    const fn span(self) -> Duration {
        match self {
            Self::Created(span) | Self::AtLeast(span) | Self::Exactly(span) => span,
        }
    }

    /// Whether a policy that is there will do. One without an age, or with one that we do not understand, is somebody
    /// else's work, which only a person's word replaces.
    fn is_met(self, is_same: bool, age_there: Option<Duration>) -> bool {
        match self {
            Self::Created(_) => true,
            Self::AtLeast(span) => is_same || age_there.is_none_or(|there| there >= with_last_day(span)),
            Self::Exactly(_) => is_same,
        }
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
fn with_last_day(retention: Duration) -> Duration {
    retention.saturating_add(Duration::from_secs(86_400))
}

fn age(retention: Duration) -> String {
    format!("{}s", with_last_day(retention).as_secs())
}

/// Reads an age such as `8d` or `691200s`, in the units of the server.
fn read_age(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        "ms" => return Some(Duration::from_millis(number)),
        "micros" => return Some(Duration::from_micros(number)),
        "nanos" => return Some(Duration::from_nanos(number)),
        _ => return None,
    };
    Some(Duration::from_secs(number.saturating_mul(seconds)))
}

async fn put_ilm(client: &Client, name: &str, retention: Wanted) -> Result<(), Failure> {
    let age = age(retention.span());
    let path = IlmGetLifecycleParts::Policy(name).url();
    let there: Option<Value> = unless_missing(client.ask(Call::get(OPERATION, &path)).await)?;
    let pointer = "/policy/phases/delete/min_age";
    if let Some(there) = there {
        let there = there[name].pointer(pointer).and_then(Value::as_str);
        if retention.is_met(there == Some(age.as_str()), there.and_then(read_age)) {
            return Ok(());
        }
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
    let is_same = there["policy"]["description"] == body["policy"]["description"];
    if retention.is_met(is_same, ism_age(&there["policy"])) {
        return Ok(());
    }
    let number = |key: &str| there[key].as_i64().unwrap_or_default().to_string();
    let (sequence, term) = (number("_seq_no"), number("_primary_term"));
    let query = [("if_seq_no", sequence.as_str()), ("if_primary_term", term.as_str())];
    client.send(Call::put(OPERATION, &path, &body).with_query(&query)).await.map(drop)
}

/// The shortest age after which an index goes on to another state.
fn ism_age(policy: &Value) -> Option<Duration> {
    let states = policy["states"].as_array()?.iter();
    let transitions = states.filter_map(|state| state["transitions"].as_array()).flatten();
    transitions.filter_map(|transition| read_age(transition["conditions"]["min_index_age"].as_str()?)).min()
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

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn ages_are_read_as_the_server_writes_them() {
        let ages = ["8d", "192h", "11520m", "691200s", "691200000ms"];
        assert!(ages.into_iter().all(|text| read_age(text) == Some(8 * DAY)));
        for none in ["", "d", "-1", "1y", "1.5d", "99999999999999999999s"] {
            assert_eq!(read_age(none), None, "{none}");
        }
        assert_eq!(read_age("18446744073709551615d"), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn configuration_only_lengthens() {
        let wanted = Wanted::AtLeast(7 * DAY);
        assert!(wanted.is_met(false, Some(8 * DAY)) && wanted.is_met(false, Some(30 * DAY)));
        assert!(!wanted.is_met(false, Some(7 * DAY)), "a day is missing");
        assert!(wanted.is_met(false, None), "kept for ever");
        assert!(!Wanted::Exactly(7 * DAY).is_met(false, Some(30 * DAY)));
        assert_eq!(ism_age(&ism("8d", "logs-*")["policy"]), Some(8 * DAY));
    }
}
