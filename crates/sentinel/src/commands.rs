//! What each subcommand does.

mod check;
mod dlq;
mod doctor;
mod serve;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::cli::{CheckCommand, Cli, Command, Common, ConfigCommand};
use crate::config::{self, Config, Flags};

/// Version of this build.
pub const VERSION: &str = match option_env!("SENTINEL_VERSION") {
    Some(version) => version,
    None => concat!(env!("CARGO_PKG_VERSION"), "-dev"),
};

/// # Errors
/// What went wrong and what to do.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Run(args) => serve::run(&args),
        Command::Demo(args) => serve::demo(&args),
        Command::Replay(args) => serve::replay(&args),
        Command::Config { command } => configuration(&command),
        Command::Doctor(args) => block_on(doctor::run(&args)),
        Command::Check { command: CheckCommand::Metrics { source, format } } => {
            block_on(check::metrics(&source, format))
        }
        Command::Dlq { server, command } => block_on(dlq::run(&server, &command)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "sentinel", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Version { json } => {
            let text =
                if json { serde_json::json!({ "version": VERSION }).to_string() } else { VERSION.to_owned() };
            print(&text)
        }
    }
}

fn configuration(command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    let load = |common: &Common| config::load(common, Flags::common(common), "run");
    match command {
        ConfigCommand::Check(common) => {
            load(common)?;
            print("the configuration is usable")
        }
        ConfigCommand::Print(common) => {
            let config: Config = load(common)?;
            print(toml::to_string(&config).context("print the configuration")?.trim_end())
        }
    }
}

/// Answers go to standard output; a closed pipe is no error.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    match writeln!(std::io::stdout(), "{text}") {
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
