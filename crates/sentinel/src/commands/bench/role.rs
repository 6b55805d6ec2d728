//! One role in a process of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// What a process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The simulated cluster: the load, no part of the pipeline.
    Simulator,
    Collector,
    Processor,
    Api,
    /// Processor and API, as they share a store that only one process can open.
    ProcessorAndApi,
    /// Every role, as the embedded bus cannot be shared.
    AllRoles,
}

impl Part {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simulator => "simulator",
            Self::Collector => "collector",
            Self::Processor => "processor",
            Self::Api => "api",
            Self::ProcessorAndApi => "processor+api",
            Self::AllRoles => "all roles",
        }
    }

    /// Flags of `sentinel run`.
    const fn roles(self) -> &'static [&'static str] {
        match self {
            Self::Simulator | Self::AllRoles => &[],
            Self::Collector => &["--role", "collector"],
            Self::Processor => &["--role", "processor"],
            Self::Api => &["--role", "api"],
            Self::ProcessorAndApi => &["--role", "processor", "--role", "api"],
        }
    }

    pub const fn is_collector(self) -> bool {
        matches!(self, Self::Collector | Self::AllRoles)
    }

    pub const fn is_processor(self) -> bool {
        matches!(self, Self::Processor | Self::ProcessorAndApi | Self::AllRoles)
    }

    pub const fn is_api(self) -> bool {
        matches!(self, Self::Api | Self::ProcessorAndApi | Self::AllRoles)
    }
}

/// How a process is started.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    pub part: Part,
    pub number: usize,
    pub folder: &'a Path,
    pub config: &'a Path,
    /// Besides those of this process.
    pub environment: &'a [(String, String)],
    /// Of this process, not handed on.
    pub hidden: &'a [String],
}

pub struct Role {
    pub part: Part,
    pub url: String,
    pub pid: u32,
    child: Child,
    /// Held, so that the process can go on writing.
    _stdout: BufReader<ChildStdout>,
    log: PathBuf,
}

const START_DEADLINE: Duration = Duration::from_secs(60);
/// Roles finish what they have in hand within `drain_deadline`, which is 10 s each by default.
const STOP_DEADLINE: Duration = Duration::from_secs(25);
/// Lines of a log that an error quotes.
const QUOTED_LINES: usize = 5;

impl Start<'_> {
    /// Returns once the process tells its address.
    ///
    /// # Errors
    /// It ended, or told nothing in time; with the last lines of its log.
    pub async fn run(self) -> anyhow::Result<Role> {
        let name = format!("{}{}", self.part.as_str().replace([' ', '+'], "-"), self.number);
        let log = self.folder.join(format!("{name}.log"));
        let stderr = std::fs::File::create(&log).with_context(|| format!("write {}", log.display()))?;
        let program = std::env::current_exe().context("find the program to start")?;
        let mut command = Command::new(program);
        command
            .args(self.arguments(&name))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true);
        for variable in self.hidden {
            command.env_remove(variable);
        }
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        if self.part.is_collector() {
            command.env("SENTINEL__COLLECTOR__ID", format!("bench-{}", self.number));
        }
        let mut child = command.spawn().with_context(|| format!("start {name}"))?;
        let pid = child.id().context("a process that has just started has an id")?;
        let stdout = child.stdout.take().context("the output was asked for")?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = timeout(START_DEADLINE, stdout.read_line(&mut line)).await;
        let Some(at) = line.find("http://") else {
            let why = if read.is_err() { "tells no address" } else { "ended at once" };
            bail!("{name} {why}: {}", tail(&log));
        };
        let url = line[at..].trim().to_owned();
        Ok(Role { part: self.part, url, pid, child, _stdout: stdout, log })
    }

    fn arguments(&self, name: &str) -> Vec<OsString> {
        let words: &[&str] = if self.part == Part::Simulator { &["simulate"] } else { &["run"] };
        let mut arguments: Vec<OsString> = words
            .iter()
            .chain(self.part.roles())
            .chain(&["--listen", "127.0.0.1:0", "--config"])
            .map(Into::into)
            .collect();
        arguments.push(self.config.into());
        arguments.push("--data-dir".into());
        arguments.push(self.folder.join(name).into());
        arguments
    }
}

impl Role {
    /// # Errors
    /// It has ended, which nobody asked for.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait().context("ask for the state of a process")? {
            None => Ok(()),
            Some(status) => {
                bail!("{} ended by itself ({status}): {}", self.part.as_str(), tail(&self.log))
            }
        }
    }

    /// As an operator would: a chance to finish, then the end.
    pub async fn stop(mut self) {
        if let Ok(None) = self.child.try_wait() {
            // Every shell has it built in.
            let _ =
                Command::new("sh").args(["-c", "kill -TERM \"$0\""]).arg(self.pid.to_string()).status().await;
        }
        if timeout(STOP_DEADLINE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

/// The end of a log, in one line.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let first = lines.len().saturating_sub(QUOTED_LINES);
    if lines.is_empty() { "it wrote no log".to_owned() } else { lines[first..].join(" | ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_runs_exactly_where_it_is_said_to() {
        for part in [Part::Collector, Part::Processor, Part::Api, Part::ProcessorAndApi] {
            let has = |role: &str| part.roles().contains(&role);
            assert_eq!(has("collector"), part.is_collector(), "{part:?}");
            assert_eq!(has("processor"), part.is_processor(), "{part:?}");
            assert_eq!(has("api"), part.is_api(), "{part:?}");
        }
        let all = Part::AllRoles;
        assert!(all.is_collector() && all.is_processor() && all.is_api() && all.roles().is_empty());
    }

    #[test]
    fn an_error_quotes_the_end_of_the_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        assert_eq!(tail(&log), "it wrote no log");
        std::fs::write(&log, "1\n2\n\n3\n4\n5\n6\n").expect("written");
        assert_eq!(tail(&log), "2 | 3 | 4 | 5 | 6");
    }
}
