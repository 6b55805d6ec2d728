//! `sentinel tokens`: tokens of the API of a running instance.

use std::process::ExitCode;

use clap::ValueEnum as _;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::server::ask;
use crate::cli::{Server, TokensCommand};

pub async fn run(server: &Server, command: &TokensCommand) -> anyhow::Result<ExitCode> {
    let client = Client::new();
    match command {
        TokensCommand::Create { name, role, expires_in } => {
            let role = role.to_possible_value().map(|role| role.get_name().to_owned());
            let body = json!({ "name": name, "role": role, "expires_in": expires_in });
            let answer = ask(server, request(&client, server, Method::POST, "").json(&body)).await?;
            for warning in answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                eprintln!("warning: {warning}");
            }
            eprintln!("token {}, shown this once:", word(&answer["id"]));
            super::print(&word(&answer["token"]))
        }
        TokensCommand::List => {
            let answer = ask(server, request(&client, server, Method::GET, "")).await?;
            super::print(list(&answer).trim_end())
        }
        TokensCommand::Revoke { id } => {
            let answer = ask(server, request(&client, server, Method::DELETE, &format!("/{id}"))).await?;
            super::print(&format!("revoked {} ({})", word(&answer["name"]), word(&answer["id"])))
        }
    }
}

fn request(client: &Client, server: &Server, method: Method, path: &str) -> RequestBuilder {
    super::server::request(client, server, method, &format!("/tokens{path}"))
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

fn list(answer: &Value) -> String {
    let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return "no tokens but that of the configuration".to_owned();
    }
    let mut text = format!("{:<16}  {:<8}  {:<24}  NAME\n", "ID", "ROLE", "EXPIRES");
    for item in items {
        let expires = match (item["expires"].as_str(), item["is_expired"].as_bool()) {
            (None, _) => "never",
            (Some(_), Some(true)) => "expired",
            (Some(at), _) => at,
        };
        let [id, role, name] = ["id", "role", "name"].map(|key| word(&item[key]));
        text.push_str(&format!("{id:<16}  {role:<8}  {expires:<24}  {name}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_line_that_says_whether_it_holds() {
        let item = |expires: Value, is_expired: bool| json!({"id": "a1", "role": "viewer", "name": "ci", "expires": expires, "is_expired": is_expired});
        let items =
            json!({"items": [item(Value::Null, false), item(json!("2026-01-01T00:00:00.000Z"), true)]});
        let text = list(&items);
        assert!(text.contains("a1                viewer    never                     ci\n"), "{text}");
        assert!(text.contains("expired                   ci\n"), "{text}");
        assert!(list(&json!({"items": []})).starts_with("no tokens"));
    }
}
