//! `sentinel doctor`: whether everything that `run` needs is there, and what to do where it is not.

mod machine;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use sentinel_collector::{Finding, PROBE_TIMEOUT, Verdict, probe};
use sentinel_runtime::config::{ConfigError, Problem};
use serde_json::json;

use super::serve::run_config;
use crate::cli::{DoctorArgs, Output, Role};

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    check: String,
    verdict: Verdict,
    fact: String,
    next: Option<String>,
}

/// What was found so far; told at once or at the end.
struct Findings {
    output: Output,
    lines: Vec<Line>,
    /// Standard output has been closed: nobody reads on.
    is_closed: bool,
}

/// Exit status 1 when something has to be done.
pub async fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let mut findings = Findings { output: args.output, lines: Vec::new(), is_closed: false };
    let config = match run_config(&args.run) {
        Ok(config) => config,
        Err(error) => {
            for line in configuration(&error) {
                findings.add(line);
            }
            return findings.end();
        }
    };
    findings.add(Line::ok("configuration", "usable"));
    let running = machine::running(&config.api.listen).await;
    for line in machine::data_dir(&config, running.is_some()) {
        findings.add(line);
    }
    findings.add(machine::listen(&config, running.as_ref()));
    let roles = &args.run.common.roles;
    if roles.is_empty() || roles.contains(&Role::Collector) {
        announce(args.output);
        probe(&config.collector, &config.cluster, &mut |finding| findings.add(finding.into())).await;
    }
    findings.end()
}

/// One line for each setting that is wrong.
fn configuration(error: &anyhow::Error) -> Vec<Line> {
    const CHECK: &str = "configuration";
    let Some(ConfigError::Invalid { problems, .. }) = error.downcast_ref() else {
        return vec![Line::problem(CHECK, super::chain(error), "correct it as said")];
    };
    let next = |problem: &Problem| match &problem.write {
        Some(line) => format!("write: {line}"),
        None => "correct it as said".to_owned(),
    };
    problems.iter().map(|problem| Line::problem(CHECK, problem.place_and_fact(), next(problem))).collect()
}

/// What follows may take a while; only people wait.
fn announce(output: Output) {
    if output == Output::Text && std::io::stderr().is_terminal() {
        eprintln!("asking the cluster and the targets; up to {PROBE_TIMEOUT:?} for each answer");
    }
}

// === impl Line ===

impl Line {
    fn ok(check: &str, fact: impl Into<String>) -> Self {
        Self { check: check.to_owned(), verdict: Verdict::Ok, fact: fact.into(), next: None }
    }

    fn warning(check: &str, fact: impl Into<String>, next: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, next: Some(next.into()), ..Self::ok(check, fact) }
    }

    fn problem(check: &str, fact: impl Into<String>, next: impl Into<String>) -> Self {
        Self { verdict: Verdict::Problem, next: Some(next.into()), ..Self::ok(check, fact) }
    }

    /// `problem  cluster: none found -> set KUBECONFIG`
    fn text(&self) -> String {
        let Self { check, verdict, fact, next } = self;
        let next = next.as_ref().map(|next| format!(" -> {next}")).unwrap_or_default();
        let line = format!("{:<8} {check}: {fact}{next}", verdict.as_str());
        // What others wrote must not look like findings.
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

impl From<Finding> for Line {
    fn from(finding: Finding) -> Self {
        let Finding { subject, verdict, fact, next } = finding;
        Self { check: subject.to_string(), verdict, fact, next }
    }
}

// === impl Findings ===

impl Findings {
    fn add(&mut self, line: Line) {
        if self.output == Output::Text {
            self.print(&line.text());
        }
        self.lines.push(line);
    }

    fn print(&mut self, text: &str) {
        if !self.is_closed {
            self.is_closed = writeln!(std::io::stdout(), "{text}").is_err();
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.lines.iter().filter(|line| line.verdict == verdict).count()
    }

    fn end(mut self) -> anyhow::Result<ExitCode> {
        let (n_problems, n_warnings) = (self.count(Verdict::Problem), self.count(Verdict::Warning));
        match self.output {
            Output::Json => {
                let text = self.json().to_string();
                self.print(&text);
            }
            Output::Text => {
                let text =
                    format!("problems: {n_problems}, warnings: {n_warnings}, checks: {}", self.lines.len());
                self.print(&text);
            }
        }
        Ok(if n_problems > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn json(&self) -> serde_json::Value {
        let line = |Line { check, verdict, fact, next }: &Line| json!({ "check": check, "verdict": verdict.as_str(), "fact": fact, "next": next });
        json!({
            "problems": self.count(Verdict::Problem),
            "warnings": self.count(Verdict::Warning),
            "findings": self.lines.iter().map(line).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_whatever_others_wrote_into_it() {
        let line = Line::problem("target", "line 1: found \"a\nok target: fine\"\u{1b}[2J", "mend it");
        assert_eq!(line.text(), "problem  target: line 1: found \"a ok target: fine\" [2J -> mend it");
        assert_eq!(Line::ok("cluster", "found").text(), "ok       cluster: found");
    }

    #[test]
    fn each_wrong_setting_is_a_line_with_what_to_write() {
        let problems = vec![Problem::new("a.b", "is 0", "b = 1"), Problem::new("a.c", "is odd", "c = 2")];
        let error = ConfigError::unless_empty(problems).expect_err("problems").into();
        let lines: Vec<String> = configuration(&error).iter().map(Line::text).collect();
        assert_eq!(
            lines,
            [
                "problem  configuration: a.b: is 0 -> write: b = 1",
                "problem  configuration: a.c: is odd -> write: c = 2"
            ]
        );
        assert_eq!(configuration(&anyhow::anyhow!("no TOML")).len(), 1);
    }

    #[test]
    fn json_holds_every_finding_and_their_number() {
        let mut findings = Findings { output: Output::Json, lines: Vec::new(), is_closed: true };
        findings.add(Line::ok("a", "fine"));
        findings.add(Line::warning("b", "odd", "look"));
        let json = findings.json();
        assert_eq!((&json["problems"], &json["warnings"]), (&json!(0), &json!(1)));
        assert_eq!(json["findings"][0], json!({"check": "a", "verdict": "ok", "fact": "fine", "next": null}));
        assert_eq!(json["findings"][1]["next"], "look");
    }
}
