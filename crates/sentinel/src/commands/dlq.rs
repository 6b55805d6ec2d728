//! `sentinel dlq`: dead letters of a running instance, through its API.

use std::process::ExitCode;

use anyhow::Context as _;
use reqwest::{Client, Method, RequestBuilder};
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
            super::print(&serde_json::to_string_pretty(&answer)?)
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
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    anyhow::bail!("{status}: {} {}", text("detail"), text("hint"))
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
