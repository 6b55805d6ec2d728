//! Flags and subcommands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use sentinel_runtime::config::duration;

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
    /// Serve a simulated cluster for collectors elsewhere, as `demo` has it inside
    Simulate(SimulateArgs),
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
    /// See and change what a running instance was told by people, such as how long it keeps things
    Settings {
        #[command(flatten)]
        server: Server,
        #[command(subcommand)]
        command: SettingsCommand,
    },
    /// Make, list and revoke tokens of a running instance's API
    Tokens {
        #[command(flatten)]
        server: Server,
        #[command(subcommand)]
        command: TokensCommand,
    },
    /// Recount a span of time in a running instance: what collectors numbered against the bus, the bus against
    /// windows, windows and log lines against the stores. Exit status 0: everything agrees; 1: holes, doubles or
    /// differences were found; 2: something could not be checked
    Verify(VerifyArgs),
    /// Measure the pipeline under a load that is made here
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
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
    /// For people; findings one a line, as they come
    #[default]
    Text,
    /// One object
    Json,
}

#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub cluster: SimulatedCluster,
}

#[derive(Args, Clone, Debug)]
pub struct SimulateArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "SENTINEL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Folder that remembers the cluster, so that the next start takes it up
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the Kubernetes API and the kubelets answer; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    #[command(flatten)]
    pub cluster: SimulatedCluster,
}

/// Size and fate of a simulated cluster.
#[derive(Args, Clone, Debug)]
pub struct SimulatedCluster {
    /// Pods of the simulated cluster, 1 to 50000 [default: 60]
    #[arg(long, allow_negative_numbers = true)]
    pub pods: Option<i64>,
    /// Nodes of the simulated cluster, 1 to 2000 [default: 4]
    #[arg(long, allow_negative_numbers = true)]
    pub nodes: Option<i64>,
    /// The same seed gives the same cluster; any number from 0 [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    pub seed: Option<i64>,
    /// How much faster than real everything goes, 0.01 to 10000: load, faults, rollouts (timestamps stay
    /// real) [default: 1]
    #[arg(long, allow_negative_numbers = true)]
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
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub speed: f64,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the configuration is usable, and what to write where it is not
    Check(Common),
    /// Print the configuration with all defaults
    Print {
        #[command(flatten)]
        common: Common,
        /// Also the token, which is printed as … otherwise
        #[arg(long)]
        show_secrets: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum CheckCommand {
    /// Read an exposition on the collector's terms (format, limits, timeout) and print one JSON object a
    /// sample
    Metrics(CheckMetricsArgs),
}

#[derive(Args, Clone, Debug)]
pub struct CheckMetricsArgs {
    /// A file, an http(s) URL, or - for standard input
    pub source: String,
    /// Read as this format, instead of the one that the answer's type names; for files, the one that
    /// `# EOF`, `# UNIT`, types and exemplars tell
    #[arg(long, value_enum)]
    pub format: Option<ExpositionFormat>,
    /// Configuration file (TOML) whose limits, timeout and targets hold
    #[arg(long, value_name = "FILE", env = "SENTINEL_CONFIG")]
    pub config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExpositionFormat {
    Prometheus,
    Openmetrics,
    /// Without the rules about families
    OpenmetricsLenient,
}

#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Event time from which on to recount: 2026-11-21T10:00:00Z, Unix milliseconds, or relative to now
    #[arg(long, value_name = "TIME", default_value = "-1h", allow_hyphen_values = true)]
    pub from: String,
    /// End of the span; before -90s windows have closed and are stored
    #[arg(long, value_name = "TIME", default_value = "-90s", allow_hyphen_values = true)]
    pub to: String,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    #[command(flatten)]
    pub server: Server,
}

#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Drive the configured bus and stores with the simulated cluster's data, each role in processes of its own,
    /// and tell throughput, lag, latency, bytes a sample, processor time and memory. Topics, buckets, indices and
    /// keys get names of their own and are removed at the end; scrape targets and clusters of the configuration
    /// are left alone
    Pipeline(BenchPipelineArgs),
}

#[derive(Args, Clone, Debug)]
pub struct BenchPipelineArgs {
    /// Configuration file (TOML); of it hold bus, metric_store, log_store, cache and processor
    #[arg(long, value_name = "FILE", env = "SENTINEL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Series that the simulated cluster has, roughly
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub series: u64,
    /// Samples a second, roughly: decides how often targets are scraped; `max` as often as it goes
    #[arg(long, value_name = "N|max", default_value = "730", value_parser = rate)]
    pub rate: Rate,
    /// How long to measure
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub duration: Duration,
    /// How long to wait before, once the first samples have come through
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = time)]
    pub warm_up: Duration,
    /// Collectors, which share the work; more than one needs Kafka
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub collectors: usize,
    /// Processors, which share the work; more than one needs Kafka, InfluxDB and Elasticsearch
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub processors: usize,
    /// In place of processor.allowed_lateness; kubelets' samples of containers are some 10 s old, and what comes
    /// later than this is a dead letter
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub allowed_lateness: Duration,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// Where to make the folder for the data and logs of the processes [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// Keep that folder
    #[arg(long)]
    pub keep: bool,
}

/// Samples a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    Max,
    PerSecond(f64),
}

fn rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    match text.replace('_', "").parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(Rate::PerSecond(rate)),
        _ => Err("write a number of samples a second above 0, such as 50000, or max".to_owned()),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    duration::parse(text).ok_or_else(|| "write a time with its unit, such as 500ms, 60s or 5m".to_owned())
}

/// A running instance to talk to.
#[derive(Args, Clone, Debug)]
pub struct Server {
    /// Its address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7700", global = true)]
    pub server: String,
    /// Its token, if it wants one
    #[arg(long, value_name = "TOKEN", env = "SENTINEL_TOKEN", hide_env_values = true, global = true)]
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
    /// Put dead letters back on the topic they came from: either those of some ids, or all of a reason
    #[command(group = ArgGroup::new("letters").args(["ids", "reason"]).required(true))]
    Replay {
        /// Their ids, as `list` shows them
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// All of this reason
        #[arg(long)]
        reason: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum SettingsCommand {
    /// How long things are kept; acts without a restart
    Retention {
        #[command(subcommand)]
        command: Option<RetentionCommand>,
    },
}

#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Show what is configured and what is set
    Show,
    /// Set spans; others stay as they are. A shorter one deletes data for good
    Set {
        /// NAME=SPAN, such as logs=3d; NAME= goes back to what is configured. Names: metrics_10s, metrics_1m,
        /// metrics_5m, metrics_1h, logs, events
        #[arg(required = true, value_name = "NAME=SPAN")]
        spans: Vec<String>,
        /// Also where that deletes data
        #[arg(long)]
        yes: bool,
    },
    /// Go back to what is configured, for all
    Unset {
        /// Also where that deletes data
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum TokensCommand {
    /// Make a token and print it, this once
    Create {
        /// Whose it is, or what for
        name: String,
        /// What its bearer may do
        #[arg(long, value_enum, default_value_t)]
        role: TokenRole,
        /// Refuse it after this span, such as 90d [default: never]
        #[arg(long, value_name = "SPAN")]
        expires_in: Option<String>,
    },
    /// List tokens, without their secrets
    List,
    /// Refuse a token from now on
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TokenRole {
    /// Reads
    #[default]
    Viewer,
    /// Also recounts, and puts dead letters back
    Operator,
    /// Also changes settings and tokens
    Admin,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_the_demo_names_what_holds() {
        let mut cli = Cli::command();
        let demo = cli.find_subcommand_mut("demo").expect("a subcommand").render_long_help().to_string();
        let usual = sentinel_simulator::Config::default();
        for default in [usual.pods.to_string(), usual.nodes.to_string(), usual.seed.to_string()] {
            assert!(demo.contains(&format!("[default: {default}]")), "{default}: {demo}");
        }
        let refused = |change: &dyn Fn(&mut sentinel_simulator::Config)| {
            let mut config = sentinel_simulator::Config::default();
            change(&mut config);
            config.check().expect_err("out of bounds").to_string()
        };
        for (refusal, bounds) in [
            (refused(&|config| config.pods = 0), "1 to 50000"),
            (refused(&|config| config.nodes = 0), "1 to 2000"),
            (refused(&|config| config.speed = -1.0), "0.01 to 10000"),
        ] {
            let (least, most) = bounds.split_once(" to ").expect("two bounds");
            assert!(refusal.contains(least) && refusal.contains(most) && demo.contains(bounds), "{refusal}");
        }
    }

    #[test]
    fn flags_stand_where_people_put_them() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        for line in [
            "sentinel dlq --server http://h:1 list",
            "sentinel dlq list --server http://h:1 --token t",
            "sentinel dlq replay 0-1 --server http://h:1",
            "sentinel dlq replay --reason late",
            "sentinel demo --speed -1",
            "sentinel replay folder --speed -1",
            "sentinel settings retention --server http://h:1",
            "sentinel settings retention set logs=3d metrics_10s= --yes",
            "sentinel tokens create grafana --role viewer --expires-in 90d --token t",
            "sentinel tokens revoke 0123456789abcdef",
            "sentinel verify --from -2h --to -1h --server http://h:1 --output json",
            "sentinel bench pipeline --series 10000 --rate 50_000 --duration 1m30s --processors 2 --output json",
            "sentinel bench pipeline --rate max",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
        }
        let neither = parse("sentinel dlq replay").expect_err("nothing chosen").to_string();
        assert!(neither.contains("ID") && neither.contains("--reason"), "{neither}");
        assert!(parse("sentinel dlq replay 0-1 --reason late").is_err(), "one of them");
        for (line, told) in
            [("--rate 0", "or max"), ("--rate NaN", "or max"), ("--duration 5", "such as 500ms")]
        {
            let refused =
                parse(&format!("sentinel bench pipeline {line}")).expect_err("no value").to_string();
            assert!(refused.contains(told), "{line}: {refused}");
        }
    }
}
