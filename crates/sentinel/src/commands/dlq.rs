//! `sentinel dlq`: dead letters of a running instance, through its API.

use std::process::ExitCode;

use anyhow::Context as _;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

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
    let url = format!("{}/api/v1/dead-letters{path}", server.server.trim_end_matches('/'));
    let request = client.request(method, url);
    match &server.token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

async fn ask(server: &Server, request: RequestBuilder) -> anyhow::Result<Value> {
    let response = request.send().await.with_context(|| {
        format!("{} does not answer; is sentinel running there? (--server URL)", server.server)
    })?;
    let status = response.status();
    let answer: Value =
        response.json().await.with_context(|| format!("{} answered {status} without JSON", server.server))?;
    if status.is_success() {
        return Ok(answer);
    }
    anyhow::bail!("{}", refusal(status, &answer))
}

/// `404 Not Found: there is no such dead letter; list them with …`
fn refusal(status: StatusCode, answer: &Value) -> String {
    let text = |key: &str| answer[key].as_str().unwrap_or_default().trim_end_matches('.').to_owned();
    let parts = [text("detail"), text("hint")];
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { status.to_string() } else { format!("{status}: {}", parts.join("; ")) }
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
    fn a_refusal_reads_as_one_sentence() {
        let answer = json!({"detail": "there is no such letter.", "hint": "list them"});
        let text = refusal(StatusCode::NOT_FOUND, &answer);
        assert_eq!(text, "404 Not Found: there is no such letter; list them");
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, &json!({})), "502 Bad Gateway");
    }

    #[test]
    fn what_was_not_put_back_is_named() {
        assert_eq!(unplayed(&json!({"n_replayed": 2, "skipped": []})), None);
        let why = unplayed(&json!({"n_replayed": 0, "skipped": ["9-99999"]})).expect("one was skipped");
        assert!(why.starts_with("not put back: 9-99999; "), "{why}");
    }
}
