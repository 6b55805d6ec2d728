//! Talking to a running instance.

use anyhow::Context as _;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::cli::Server;

/// `path` is relative to `/api/v1`.
pub fn request(client: &Client, server: &Server, method: Method, path: &str) -> RequestBuilder {
    let url = format!("{}/api/v1{path}", server.server.trim_end_matches('/'));
    let request = client.request(method, url);
    match &server.token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

/// # Errors
/// No answer, or a refusal with what to do.
pub async fn ask(server: &Server, request: RequestBuilder) -> anyhow::Result<Value> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_reads_as_one_sentence() {
        let answer = json!({"detail": "there is no such letter.", "hint": "list them"});
        let text = refusal(StatusCode::NOT_FOUND, &answer);
        assert_eq!(text, "404 Not Found: there is no such letter; list them");
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, &json!({})), "502 Bad Gateway");
    }
}
