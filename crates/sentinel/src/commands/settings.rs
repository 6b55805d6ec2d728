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
    let deleting = deleting(&before, &spans)?;
    if !deleting.is_empty() && !is_sure {
        anyhow::bail!("this may delete data for good: {}; add --yes if that is meant", deleting.join(", "));
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

struct Row<'a> {
    name: &'a str,
    configured: Option<&'a str>,
    set: Option<&'a str>,
    may_be_longer: bool,
}

fn rows(answer: &Value) -> impl Iterator<Item = Row<'_>> {
    let rows = answer["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| {
        let (configured, set) = (row["configured"].as_str(), row["set"].as_str());
        let may_be_longer = row["may_be_longer"].as_bool().unwrap_or_default();
        Some(Row { name: row["name"].as_str()?, configured, set, may_be_longer })
    })
}

fn set(answer: &Value) -> Spans {
    rows(answer).filter_map(|row| Some((row.name.to_owned(), row.set?.to_owned()))).collect()
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

/// What is, or may be, kept for less time than before, in words.
fn deleting(before: &Value, spans: &Spans) -> anyhow::Result<Vec<String>> {
    let mut deleting = Vec::new();
    if before["is_unreadable"].as_bool().unwrap_or_default() {
        deleting.push("what a later version has set is removed, and may have been longer".to_owned());
    }
    for Row { name, configured, set, may_be_longer } in rows(before) {
        let read = |text: &str| -> anyhow::Result<Duration> {
            duration::parse(text)
                .with_context(|| format!("{name}: {text:?} is no span of time such as 12h or 7d"))
        };
        let then = spans.get(name).map(String::as_str);
        match (set, then) {
            (None, Some(then)) if may_be_longer => {
                read(then)?;
                deleting.push(format!("{name}, of which the server may keep more -> {then}"));
            }
            _ => {
                if let (Some(now), Some(then)) = (set.or(configured), then.or(configured))
                    && read(then)? < read(now)?
                {
                    deleting.push(format!("{name} {now} -> {then}"));
                }
            }
        }
    }
    Ok(deleting)
}

fn table(answer: &Value) -> String {
    let mut text = format!("{:<12} {:>10} {:>10}\n", "", "configured", "set");
    for Row { name, configured, set, .. } in rows(answer) {
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

    fn spans(text: &[(&str, &str)]) -> Spans {
        text.iter().map(|(name, span)| ((*name).to_owned(), (*span).to_owned())).collect()
    }

    #[test]
    fn what_would_delete_is_named() {
        let deleting = |text| deleting(&answer(), &spans(text)).expect("spans");
        assert_eq!(deleting(&[("logs", "10d"), ("events", "8d")]), [""; 0]);
        assert_eq!(deleting(&[]), ["logs 10d -> 7d"]);
        assert_eq!(deleting(&[("logs", "240h"), ("events", "1d")]), ["events 7d -> 1d"]);
        assert!(super::deleting(&answer(), &spans(&[("logs", "soon")])).is_err());
    }

    #[test]
    fn what_is_not_known_may_delete() {
        // A bucket still has 90 days of what was set and unset.
        let mut answer = answer();
        answer["spans"][1]["may_be_longer"] = json!(true);
        let named = deleting(&answer, &spans(&[("logs", "10d"), ("events", "30d")])).expect("spans");
        assert_eq!(named, ["events, of which the server may keep more -> 30d"]);
        assert_eq!(deleting(&answer, &spans(&[("logs", "10d")])).expect("spans"), [""; 0]);
        answer["spans"][1]["set"] = json!("30d");
        let longer = spans(&[("logs", "10d"), ("events", "40d")]);
        assert_eq!(deleting(&answer, &longer).expect("spans"), [""; 0], "as it was set");
        let unreadable = json!({"revision": 3, "is_unreadable": true, "spans": [
            {"name": "logs", "configured": "7d", "set": null},
        ]});
        assert_eq!(deleting(&unreadable, &Spans::new()).expect("spans").len(), 1);
    }

    #[test]
    fn the_table_says_who_and_warns() {
        let text = table(&answer());
        assert!(text.contains("logs                 7d        10d\n"), "{text}");
        assert!(text.ends_with("set 2026-11-21T10:00:00.000Z by api.token\nwarning: w\n"), "{text}");
    }
}
