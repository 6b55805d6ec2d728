//! What each subcommand does.

mod bench;
mod check;
mod dlq;
mod doctor;
mod serve;
mod server;
mod settings;
mod tokens;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::cli::{BenchCommand, CheckCommand, Cli, Command, ConfigCommand};
use crate::config::{self, Flags};

/// Version of this build.
pub const VERSION: &str = match option_env!("SENTINEL_VERSION") {
    Some(version) => version,
    None => concat!(env!("CARGO_PKG_VERSION"), "-dev"),
};

/// An error with its causes, on one line unless it has lines of its own. Causes that the error quotes
/// already are left out.
pub fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// # Errors
/// What went wrong and what to do.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Run(args) => serve::run(&args),
        Command::Demo(args) => serve::demo(&args),
        Command::Simulate(args) => serve::simulate(&args),
        Command::Replay(args) => serve::replay(&args),
        Command::Config { command } => configuration(&command),
        Command::Doctor(args) => block_on(doctor::run(&args)),
        Command::Check { command: CheckCommand::Metrics(args) } => block_on(check::metrics(&args)),
        Command::Dlq { server, command } => block_on(dlq::run(&server, &command)),
        Command::Settings { server, command } => block_on(settings::run(&server, &command)),
        Command::Tokens { server, command } => block_on(tokens::run(&server, &command)),
        Command::Verify(args) => verify::run(&args),
        Command::Bench { command: BenchCommand::Pipeline(args) } => bench::pipeline(&args),
        Command::Completions { shell } => {
            // Into memory first: a closed pipe would be a panic.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sentinel", &mut script);
            print(String::from_utf8_lossy(&script).trim_end())
        }
        Command::Version { json } => {
            let text =
                if json { serde_json::json!({ "version": VERSION }).to_string() } else { VERSION.to_owned() };
            print(&text)
        }
    }
}

fn configuration(command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Check(common) => {
            config::load(common, Flags::common(common), "run")?;
            print("the configuration is usable")
        }
        ConfigCommand::Print { common, show_secrets } => {
            // Also one that cannot work: it is printed to be looked at.
            let mut config = config::read(common, Flags::common(common), "run")?;
            if let Some(token) = config.api.token.as_mut().filter(|_| !show_secrets) {
                MASKED.clone_into(token);
            }
            print(toml::to_string(&config).context("print the configuration")?.trim_end())
        }
    }
}

/// In place of a secret; too short to be taken for one when what was printed is read again.
const MASKED: &str = "…";

/// Answers go to standard output; a closed pipe is no error.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cause_is_told_twice() {
        let cause = || std::io::Error::from_raw_os_error(2);
        let quoting = anyhow::Error::from(cause()).context(format!("open x: {}", cause()));
        assert_eq!(chain(&quoting), format!("open x: {}", cause()));
        let silent = anyhow::Error::from(cause()).context("open x");
        assert_eq!(chain(&silent), format!("open x: {}", cause()));
    }
}
