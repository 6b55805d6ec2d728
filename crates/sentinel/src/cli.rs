//! Flags and subcommands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Streaming observability for Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "sentinel", version = crate::commands::VERSION, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch a real cluster, or any Prometheus endpoint
    Run(RunArgs),
    /// Watch a simulated cluster: nothing else needed
    Demo(DemoArgs),
    /// Run the pipeline over a recorded cluster
    Replay(ReplayArgs),
    /// Check or print the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Check everything that `run` needs - configuration, data folder, address, cluster, targets - and say
    /// what to do
    Doctor(DoctorArgs),
    /// Check input as the collector would read it
    Check {
        #[command(subcommand)]
        command: CheckCommand,
    },
    /// Look at records that could not be handled, and put them back
    Dlq {
        #[command(flatten)]
        server: Server,
        #[command(subcommand)]
        command: DlqCommand,
    },
    /// Print shell completions
    Completions { shell: Shell },
    /// Print the version
    Version {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// What every long-running command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "SENTINEL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Folder for everything that is kept
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where dashboard and API answer; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Name of the cluster in every record
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Log level, such as info or debug
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Roles to run; all of them by default
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<Role>,
}

/// A part of the pipeline that can run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    Collector,
    Processor,
    Api,
}

#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub common: Common,
    /// Scrape this endpoint (may be given several times)
    #[arg(long, value_name = "URL")]
    pub scrape: Vec<String>,
    /// Kubeconfig to use instead of the usual places
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Collect pod logs of this namespace (may be given several times; * for all)
    #[arg(long = "logs", value_name = "NAMESPACE")]
    pub log_namespaces: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One line a finding, as it comes
    #[default]
    Text,
    /// One object with all findings
    Json,
}

#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    #[command(flatten)]
    pub common: Common,
    /// Pods of the simulated cluster
    #[arg(long)]
    pub pods: Option<usize>,
    /// Nodes of the simulated cluster
    #[arg(long)]
    pub nodes: Option<usize>,
    /// The same seed gives the same cluster
    #[arg(long)]
    pub seed: Option<u64>,
    /// How much faster than real everything goes: load, faults, rollouts (timestamps stay real)
    #[arg(long)]
    pub speed: Option<f64>,
    /// Faults to play, as a TOML file; without it they rotate
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub common: Common,
    /// Folder with scrapes.jsonl.zst, watch.jsonl.zst and logs.jsonl.zst
    pub recording: PathBuf,
    /// Recorded seconds a second; 0 is as fast as possible
    #[arg(long, default_value_t = 1.0)]
    pub speed: f64,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the configuration is usable, and what to write where it is not
    Check(Common),
    /// Print the configuration with all defaults
    Print(Common),
}

#[derive(Debug, Subcommand)]
pub enum CheckCommand {
    /// Parse an exposition and print one JSON object a sample
    Metrics {
        /// A file, an http(s) URL, or - for standard input
        source: String,
        /// Read as this format, instead of the one that the answer's type names; for files, the one that
        /// `# EOF`, `# UNIT`, types and exemplars tell
        #[arg(long, value_enum)]
        format: Option<ExpositionFormat>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExpositionFormat {
    Prometheus,
    Openmetrics,
    /// Without the rules about families
    OpenmetricsLenient,
}

/// A running instance to talk to.
#[derive(Args, Clone, Debug)]
pub struct Server {
    /// Its address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7700")]
    pub server: String,
    /// Its token, if it wants one
    #[arg(long, value_name = "TOKEN", env = "SENTINEL_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List dead letters, newest first
    List {
        /// Only this reason
        #[arg(long)]
        reason: Option<String>,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one dead letter
    Show { id: String },
    /// Put dead letters back on the topic they came from
    Replay {
        /// Their ids
        ids: Vec<String>,
        /// All of this reason
        #[arg(long, conflicts_with = "ids", required_unless_present = "ids")]
        reason: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }
}
