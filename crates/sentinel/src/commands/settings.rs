//! `sentinel settings`: what people have set, through the API of a running instance.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::{Client, Method, RequestBuilder};
use sentinel_model::Kept;
use sentinel_runtime::config::duration;
use serde_json::{Value, json};

use super::server::ask;
use crate::cli::{RetentionCommand, Server, SettingsCommand};

/// Spans as texts, by their names.
type Spans = BTreeMap<String, String>;

pub async fn run(server: &Server, command: &SettingsCommand) -> anyhow::Result<ExitCode> {
    let SettingsCommand::Retention { command } = command;
    let client = Client::new();
    let request = |method| super::server::request(&client, server, method, "/settings/retention");
    let before = ask(server, request(Method::GET)).await?;
    let (spans, is_sure) = match command {
        None | Some(RetentionCommand::Show) => return super::print(table(&before).trim_end()),
        Some(RetentionCommand::Set { spans, yes }) => (changed(set(&before), spans)?, *yes),
        Some(RetentionCommand::Unset { yes }) => (Spans::new(), *yes),
    };
    let shorter = shorter(&before, &spans)?;
    if !shorter.is_empty() && !is_sure {
        anyhow::bail!("this deletes data for good: {}; add --yes if that is meant", shorter.join(", "));
    }
    let request = match command {
        Some(RetentionCommand::Unset { .. }) => request(Method::DELETE),
        _ => request(Method::PUT).json(&json!(spans)),
    };
    let answer = ask(server, at(request, &before)).await?;
    super::print(table(&answer).trim_end())
}

/// Only over what was shown: what somebody else has set meanwhile stays.
fn at(request: RequestBuilder, before: &Value) -> RequestBuilder {
    request.header("if-match", format!("\"{}\"", before["revision"]))
}

fn rows(answer: &Value) -> impl Iterator<Item = (&str, Option<&str>, Option<&str>)> {
    let rows = answer["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter()
        .filter_map(|row| Some((row["name"].as_str()?, row["configured"].as_str(), row["set"].as_str())))
}

fn set(answer: &Value) -> Spans {
    rows(answer).filter_map(|(name, _, set)| Some((name.to_owned(), set?.to_owned()))).collect()
}

fn changed(mut spans: Spans, changes: &[String]) -> anyhow::Result<Spans> {
    for change in changes {
        let names = Kept::ALL.map(Kept::as_str).join(", ");
        let (name, span) = change
            .split_once('=')
            .with_context(|| format!("{change:?} is not NAME=SPAN, such as logs=3d"))?;
        anyhow::ensure!(Kept::from_name(name).is_some(), "there is no {name:?}; write one of {names}");
        if span.is_empty() {
            spans.remove(name);
        } else {
            spans.insert(name.to_owned(), span.to_owned());
        }
    }
    Ok(spans)
}

/// What is kept for less time than before, in words.
fn shorter(before: &Value, spans: &Spans) -> anyhow::Result<Vec<String>> {
    let mut shorter = Vec::new();
    for (name, configured, set) in rows(before) {
        let read = |text: &str| -> anyhow::Result<Duration> {
            duration::parse(text)
                .with_context(|| format!("{name}: {text:?} is no span of time such as 12h or 7d"))
        };
        let (now, then) = (set.or(configured), spans.get(name).map(String::as_str).or(configured));
        if let (Some(now), Some(then)) = (now, then)
            && read(then)? < read(now)?
        {
            shorter.push(format!("{name} {now} -> {then}"));
        }
    }
    Ok(shorter)
}

fn table(answer: &Value) -> String {
    let mut text = format!("{:<12} {:>10} {:>10}\n", "", "configured", "set");
    for (name, configured, set) in rows(answer) {
        text.push_str(&format!("{name:<12} {:>10} {:>10}\n", configured.unwrap_or("?"), set.unwrap_or("-")));
    }
    if let (Some(at), Some(by)) = (answer["changed"].as_str(), answer["changed_by"].as_str()) {
        text.push_str(&format!("set {at} by {by}\n"));
    }
    for warning in answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Value {
        json!({"revision": 3, "changed": "2026-11-21T10:00:00.000Z", "changed_by": "api.token", "spans": [
            {"name": "logs", "configured": "7d", "set": "10d"},
            {"name": "events", "configured": "7d", "set": null},
        ], "warnings": ["w"]})
    }

    #[test]
    fn spans_that_are_not_named_stay() {
        let changed = |changes: &[&str]| {
            let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
            changed(set(&answer()), &changes)
        };
        let is = |name: &str, span: &str| (name.to_owned(), span.to_owned());
        assert_eq!(changed(&["events=3d"]).expect("names"), [is("events", "3d"), is("logs", "10d")].into());
        assert_eq!(changed(&["logs="]).expect("names"), Spans::new());
        for wrong in ["logs", "log=3d", "=3d"] {
            assert!(changed(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_would_delete_is_named() {
        let spans = |text: &[(&str, &str)]| {
            text.iter().map(|(name, span)| ((*name).to_owned(), (*span).to_owned())).collect::<Spans>()
        };
        let shorter = |text| shorter(&answer(), &spans(text)).expect("spans");
        assert_eq!(shorter(&[("logs", "10d"), ("events", "8d")]), [""; 0]);
        assert_eq!(shorter(&[]), ["logs 10d -> 7d"]);
        assert_eq!(shorter(&[("logs", "240h"), ("events", "1d")]), ["events 7d -> 1d"]);
        assert!(super::shorter(&answer(), &spans(&[("logs", "soon")])).is_err());
    }

    #[test]
    fn the_table_says_who_and_warns() {
        let text = table(&answer());
        assert!(text.contains("logs                 7d        10d\n"), "{text}");
        assert!(text.ends_with("set 2026-11-21T10:00:00.000Z by api.token\nwarning: w\n"), "{text}");
    }
}
