//! `sentinel dlq`: dead letters of a running instance, through its API.

use std::process::ExitCode;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::server::ask;
use crate::cli::{DlqCommand, Server};

pub async fn run(server: &Server, command: &DlqCommand) -> anyhow::Result<ExitCode> {
    let client = Client::new();
    match command {
        DlqCommand::List { reason, limit } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(reason.iter().map(|reason| ("reason", reason.clone())));
            let answer = ask(server, request(&client, server, Method::GET, "").query(&query)).await?;
            list(&answer)
        }
        DlqCommand::Show { id } => {
            let answer = ask(server, request(&client, server, Method::GET, &format!("/{id}"))).await?;
            super::print(&serde_json::to_string_pretty(&answer)?)
        }
        DlqCommand::Replay { ids, reason } => {
            let body = match reason {
                Some(reason) => json!({ "reason": reason }),
                None => json!({ "ids": ids }),
            };
            let answer = ask(server, request(&client, server, Method::POST, "/replay").json(&body)).await?;
            super::print(&serde_json::to_string_pretty(&answer)?)?;
            match unplayed(&answer) {
                None => Ok(ExitCode::SUCCESS),
                Some(why) => {
                    eprintln!("error: {why}");
                    Ok(ExitCode::FAILURE)
                }
            }
        }
    }
}

fn request(client: &Client, server: &Server, method: Method, path: &str) -> RequestBuilder {
    super::server::request(client, server, method, &format!("/dead-letters{path}"))
}

/// What was asked for and not put back.
fn unplayed(answer: &Value) -> Option<String> {
    let ids: Vec<&str> = answer["skipped"].as_array()?.iter().filter_map(Value::as_str).collect();
    let shown = ids.iter().take(10).copied().collect::<Vec<_>>().join(", ");
    let more = if ids.len() > 10 { ", …" } else { "" };
    let hint =
        "it is not there (any more) or its topic takes nothing back; `sentinel dlq list` shows what is there";
    (!ids.is_empty()).then(|| format!("not put back: {shown}{more}; {hint}"))
}

fn list(answer: &Value) -> anyhow::Result<ExitCode> {
    let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return super::print("no dead letters");
    }
    let text = |item: &Value, key: &str| match &item[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    for item in items {
        let [id, observed, topic, reason, detail] =
            ["id", "observed", "topic", "reason", "detail"].map(|key| text(item, key));
        super::print(&format!("{id}\t{observed}\t{topic}\t{reason}\t{detail}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_put_back_is_named() {
        assert_eq!(unplayed(&json!({"n_replayed": 2, "skipped": []})), None);
        let why = unplayed(&json!({"n_replayed": 0, "skipped": ["9-99999"]})).expect("one was skipped");
        assert!(why.starts_with("not put back: 9-99999; "), "{why}");
    }
}
