//! `sentinel run`, `demo` and `replay`: roles until somebody asks to stop.

use std::io::IsTerminal as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use sentinel_collector::{ReplayConfig, ReplayCounts};
use sentinel_runtime::{Health, Stages, StagesError, spawn, telemetry};
use sentinel_simulator::Simulator;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use toml::Value;
use tracing::info;

use crate::cli::{Common, DemoArgs, ReplayArgs, Role, RunArgs, SimulateArgs, SimulatedCluster};
use crate::compose::{self, Input, Running};
use crate::config::{self, Config, Flags};

pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    serve(&run_config(args)?, &args.common.roles, &Input::Real)
}

/// What `run` would run with.
///
/// # Errors
/// What is wrong, where, and the line to write instead.
pub fn run_config(args: &RunArgs) -> anyhow::Result<Config> {
    let mut flags = Flags::common(&args.common);
    flags
        .set("collector.kubernetes.kubeconfig", args.kubeconfig.as_deref().map(text))
        .set("collector.kubernetes.context", args.context.clone())
        .set("collector.kubernetes.log_namespaces", list(&args.log_namespaces, Clone::clone))
        .set(
            "collector.scrape",
            list(&args.scrape, |url| toml::Table::from_iter([("url".to_owned(), Value::from(url.as_str()))])),
        );
    config::load(&args.common, flags, "run")
}

pub fn demo(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let mut flags = Flags::common(&args.common);
    set_cluster(&mut flags, &args.cluster);
    if args.common.cluster.is_none() {
        flags.set("cluster", Some("demo"));
    }
    serve(&config::load(&args.common, flags, "demo")?, &args.common.roles, &Input::Simulated)
}

/// The simulated cluster alone, for collectors of other processes.
pub fn simulate(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let common = Common { config: args.config.clone(), data_dir: args.data_dir.clone(), ..Common::default() };
    let mut flags = Flags::common(&common);
    set_cluster(&mut flags, &args.cluster);
    flags.set("simulator.listen", args.listen.clone());
    let config = config::load(&common, flags, "simulate")?;
    telemetry::init(&config.log)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let folder = &config.data_dir;
        std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        let simulator = Simulator::build(&config.simulator, Some(folder)).await;
        let simulator = simulator.context("build the simulated cluster")?;
        super::print(&format!(
            "Kubernetes API (simulated cluster): {}\nCollect from it with:\n[collector.kubernetes]\n\
             enabled = \"always\"\nurl = \"{}\"\nlog_namespaces = [\"*\"]\n[collector.kubernetes.kubelet]\n\
             mode = \"url\"\nurl = \"{}\"",
            simulator.api_url(),
            simulator.api_url(),
            simulator.kubelet_url("{node}"),
        ))?;
        let mut stages = Stages::default();
        stages.start(simulator);
        ended(stages.run(stop_requested()?, config.drain_deadline).await)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn set_cluster(flags: &mut Flags, cluster: &SimulatedCluster) {
    flags
        .set("simulator.pods", cluster.pods)
        .set("simulator.nodes", cluster.nodes)
        .set("simulator.seed", cluster.seed)
        .set("simulator.speed", cluster.speed)
        .set("simulator.scenario", cluster.scenario.as_deref().map(text));
}

pub fn replay(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let replay = ReplayConfig { folder: args.recording.clone(), speed: args.speed };
    let config = config::load(&args.common, Flags::common(&args.common), "replay")?;
    replay.check().context("nothing can be replayed")?;
    serve(&config, &args.common.roles, &Input::Replayed(replay))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Nothing when the flag was not given, so that the file's list stays.
fn list<V: Into<Value>>(given: &[String], value: impl Fn(&String) -> V) -> Option<Value> {
    (!given.is_empty()).then(|| Value::Array(given.iter().map(|text| value(text).into()).collect()))
}

fn serve(config: &Config, roles: &[Role], input: &Input) -> anyhow::Result<ExitCode> {
    telemetry::init(&config.log)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let Running { stages, address, health, replayed, settings: _settings } =
            compose::start(config, roles, input).await?;
        let said = announcement(roles, input, address);
        super::print(&said)?;
        let _counting = replayed.map(|replayed| spawn("counts", print_counts(replayed)));
        // Where the log scrolls by, the address is hard to find by then.
        let is_watched = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        let _again = is_watched.then(|| spawn("address", print_when_ready(health, said)));
        ended(stages.run(stop_requested()?, config.drain_deadline).await)
    })?;
    info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// A role that missed its deadline after somebody asked to stop is no failure of this process.
fn ended(result: Result<(), StagesError>) -> anyhow::Result<()> {
    match result {
        Err(StagesError::Deadline { services, deadline }) => {
            eprintln!(
                "stopped as asked; cut off after {deadline:?}, as it had not finished: {services}. Nothing that \
                 was acknowledged is lost, the next start goes on from the last commit; a longer \
                 drain_deadline gives more time"
            );
            Ok(())
        }
        other => other.context("stopped by itself"),
    }
}

async fn print_when_ready(health: Health, said: String) {
    health.ready().await;
    // A closed standard output is no reason to stop serving.
    let _ = super::print(&format!("Ready. {said}"));
}

/// Says what a recording held, once all of it is on the bus.
async fn print_counts(mut replayed: watch::Receiver<Option<ReplayCounts>>) {
    if let Ok(counts) = replayed.wait_for(Option::is_some).await
        && let Some(counts) = &*counts
    {
        // A closed standard output is no reason to stop serving.
        let _ = super::print(&counts.to_string());
    }
}

/// What answers, and where.
fn announcement(roles: &[Role], input: &Input, address: SocketAddr) -> String {
    let what = match input {
        _ if !roles.is_empty() && !roles.contains(&Role::Api) => {
            "Admin endpoints (/health, /ready, /metrics)"
        }
        Input::Real => "Dashboard",
        Input::Simulated => "Dashboard (simulated cluster)",
        Input::Replayed(_) => "Dashboard (replayed recording)",
    };
    let (ip, port) = (address.ip(), address.port());
    if !ip.is_unspecified() {
        return format!("{what}: http://{address}");
    }
    // Listens everywhere: nobody can open that address itself.
    let here = SocketAddr::new(
        if ip.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() },
        port,
    );
    format!("{what}: http://{here} (from other machines by this one's name or address, port {port})")
}

/// Resolves on Ctrl-C and on SIGTERM; a second one ends the process at once.
fn stop_requested() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        info!("stopping; once more to stop at once");
        std::mem::forget(spawn("second-signal", async move {
            interrupt.recv().await;
            std::process::exit(130);
        }));
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_address_is_one_that_can_be_opened() {
        let said = |roles: &[Role], address: &str| {
            announcement(roles, &Input::Real, address.parse().expect("an address"))
        };
        assert_eq!(said(&[], "127.0.0.1:7700"), "Dashboard: http://127.0.0.1:7700");
        assert!(said(&[Role::Api], "0.0.0.0:7700").starts_with("Dashboard: http://127.0.0.1:7700 ("));
        assert!(said(&[Role::Api], "[::]:7700").starts_with("Dashboard: http://[::1]:7700 ("));
        let admin = said(&[Role::Processor], "127.0.0.1:7700");
        assert!(
            admin.starts_with("Admin endpoints") && admin.ends_with(": http://127.0.0.1:7700"),
            "{admin}"
        );
    }

    #[test]
    fn only_what_ends_by_itself_is_an_error() {
        let late = StagesError::Deadline { services: "processor".into(), deadline: Duration::from_secs(1) };
        assert!(ended(Err(late)).is_ok() && ended(Ok(())).is_ok());
        assert!(ended(Err(StagesError::EndedEarly { service: "api" })).is_err());
    }
}
