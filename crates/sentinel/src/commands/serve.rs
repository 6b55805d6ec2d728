//! `sentinel run`, `demo` and `replay`: roles until somebody asks to stop.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use sentinel_collector::{ReplayConfig, ReplayCounts};
use sentinel_runtime::{spawn, telemetry};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use toml::Value;
use tracing::info;

use crate::cli::{DemoArgs, ReplayArgs, Role, RunArgs};
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
    flags
        .set("simulator.pods", args.pods)
        .set("simulator.nodes", args.nodes)
        .set("simulator.seed", args.seed)
        .set("simulator.speed", args.speed)
        .set("simulator.scenario", args.scenario.as_deref().map(text));
    if args.common.cluster.is_none() {
        flags.set("cluster", Some("demo"));
    }
    serve(&config::load(&args.common, flags, "demo")?, &args.common.roles, &Input::Simulated)
}

pub fn replay(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let input = Input::Replayed(ReplayConfig { folder: args.recording.clone(), speed: args.speed });
    serve(&config::load(&args.common, Flags::common(&args.common), "replay")?, &args.common.roles, &input)
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
        let Running { stages, address, replayed } = compose::start(config, roles, input).await?;
        announce(roles, input, address)?;
        let _counting = replayed.map(|replayed| spawn("counts", print_counts(replayed)));
        stages.run(stop_requested()?, config.drain_deadline).await.context("stopped by itself")
    })?;
    info!("stopped");
    Ok(ExitCode::SUCCESS)
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

fn announce(roles: &[Role], input: &Input, address: SocketAddr) -> anyhow::Result<()> {
    if !roles.is_empty() && !roles.contains(&Role::Api) {
        return super::print(&format!("Health and metrics: http://{address}")).map(|_| ());
    }
    let what = match input {
        Input::Real => "",
        Input::Simulated => " (simulated cluster)",
        Input::Replayed(_) => " (replayed recording)",
    };
    super::print(&format!("Dashboard{what}: http://{address}")).map(|_| ())
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
