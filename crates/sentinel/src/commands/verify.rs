//! `sentinel verify`: a recount in a running instance, which holds the bus and the stores open.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::server::{ask, request};
use crate::cli::{Output, VerifyArgs};

/// Exit status when holes, doubles or differences were found.
const DIFFERENCES: u8 = 1;
/// Exit status when something could not be checked.
const NOT_CHECKED: u8 = 2;
/// Between two looks at the progress.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Failures of the command itself count as not checked.
pub fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    match super::block_on(verify(args)) {
        Ok(code) => Ok(code),
        Err(error) => {
            eprintln!("error: {}", super::chain(&error));
            Ok(ExitCode::from(NOT_CHECKED))
        }
    }
}

async fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let (client, server) = (Client::new(), &args.server);
    let body = json!({ "from": args.from, "to": args.to });
    let begun = ask(server, request(&client, server, Method::POST, "/verify").json(&body)).await?;
    let id = begun["id"].as_str().unwrap_or_default().to_owned();
    let path = format!("/verify/{id}");
    let mut answer = begun;
    while answer["state"] == "running" {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = tokio::signal::ctrl_c() => {
                ask(server, request(&client, server, Method::POST, &format!("{path}/cancel"))).await?;
            }
        }
        answer = ask(server, request(&client, server, Method::GET, &path)).await?;
        show_progress(&answer);
    }
    clear_progress();
    match args.output {
        Output::Json => super::print(&serde_json::to_string_pretty(&answer)?)?,
        Output::Text => super::print(text(&answer).trim_end())?,
    };
    Ok(ExitCode::from(status(&answer)))
}

fn status(answer: &Value) -> u8 {
    let report = &answer["report"];
    let is_empty = |list: &Value| match list {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => true,
    };
    if !is_empty(&report["n_findings"]) {
        DIFFERENCES
    } else if answer["state"] != "done" || !is_empty(&report["not_checked"]) {
        NOT_CHECKED
    } else {
        0
    }
}

/// On a terminal only, in one line that is written over.
fn show_progress(answer: &Value) {
    let mut err = std::io::stderr();
    if !err.is_terminal() {
        return;
    }
    let share = answer["progress"].as_f64().unwrap_or_default();
    let step = answer["step"].as_str().unwrap_or("…");
    let _ = write!(err, "\r\u{1b}[Krecounting {step}: {:.0} %", share * 100.0);
    let _ = err.flush();
}

fn clear_progress() {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        let _ = write!(err, "\r\u{1b}[K");
    }
}

fn text(answer: &Value) -> String {
    let word = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let report = &answer["report"];
    let mut text = format!("from {} to {}\n", word(&answer["from"]), word(&answer["to"]));
    if let Some(error) = answer["error"].as_str() {
        text.push_str(&format!("could not be counted: {error}\n"));
    }
    for (name, n) in report["totals"].as_object().into_iter().flatten() {
        text.push_str(&format!("  {:<20} {n}\n", name.replace('_', " ")));
    }
    for letters in list(&report["dead_letters"]) {
        let [topic, reason, n] = ["topic", "reason", "n"].map(|key| word(&letters[key]));
        text.push_str(&format!("dead letters: {n} of {topic} ({reason}), accounted for\n"));
    }
    for left_out in list(&report["not_checked"]) {
        let [step, what, reason] = ["step", "what", "reason"].map(|key| word(&left_out[key]));
        text.push_str(&format!("not checked: {step}: {what}: {reason}\n"));
    }
    let mut told = Vec::new();
    for finding in list(&report["findings"]) {
        let [kind, subject, detail, next] =
            ["kind", "subject", "detail", "next"].map(|key| word(&finding[key]));
        text.push_str(&format!("{kind}: {subject}: {detail}\n"));
        if !told.contains(&kind) {
            text.push_str(&format!("  -> {next}\n"));
            told.push(kind);
        }
    }
    let counts: Vec<String> = report["n_findings"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(kind, n)| format!("{n} {}", kind.replace('_', " ")))
        .collect();
    let verdict = match status(answer) {
        0 => "everything agrees".to_owned(),
        DIFFERENCES => format!("found: {}", counts.join(", ")),
        _ => "no differences in what could be checked, and not everything could be".to_owned(),
    };
    text + &verdict + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(state: &str, n_findings: Value, not_checked: Value) -> Value {
        let findings = json!([
            {"kind": "hole", "subject": "c/a/t", "detail": "numbers 3 to 4 are missing", "next": "look"},
            {"kind": "hole", "subject": "c/a/u", "detail": "numbers 7 to 7 are missing", "next": "look"},
        ]);
        let findings = if n_findings == json!({}) { json!([]) } else { findings };
        json!({"state": state, "from": "a", "to": "b", "report": {
            "n_findings": n_findings, "findings": findings, "not_checked": not_checked,
            "totals": {"frames": 3}, "dead_letters": [],
        }})
    }

    #[test]
    fn the_exit_status_tells_what_was_found() {
        assert_eq!(status(&answer("done", json!({}), json!([]))), 0);
        assert_eq!(status(&answer("done", json!({"hole": 2}), json!([{}]))), 1);
        assert_eq!(status(&answer("done", json!({}), json!([{}]))), 2);
        assert_eq!(status(&json!({"state": "failed", "error": "the bus is away", "report": null})), 2);
        assert_eq!(status(&json!({"state": "cancelled", "report": null})), 2);
    }

    #[test]
    fn each_finding_is_a_line_and_what_to_do_stands_once_a_kind() {
        let text = text(&answer("done", json!({"hole": 2}), json!([])));
        assert_eq!(text.matches("hole: c/a/").count(), 2);
        assert_eq!(text.matches("-> look").count(), 1);
        assert!(text.ends_with("found: 2 hole\n"), "{text}");
    }
}
