//! `sentinel bench pipeline`: the configured bus and stores under the simulated cluster's data at a chosen rate,
//! with each role in processes of its own. Nothing of anybody else's is touched: topics, buckets, indices and keys
//! have a prefix of their own, and all of it is taken away at the end.

mod latency;
mod plan;
mod report;
mod role;
mod run;
mod snapshot;
mod statistics;

use std::process::ExitCode;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{BenchPipelineArgs, Output};
use plan::Plan;
use report::Report;
use run::Bench;

/// Exit status when somebody asked to stop.
const INTERRUPTED: u8 = 130;

pub fn pipeline(args: &BenchPipelineArgs) -> anyhow::Result<ExitCode> {
    let plan = Plan::new(args)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    let report = runtime.block_on(measure(&plan))?;
    let Some(report) = report else { return Ok(ExitCode::from(INTERRUPTED)) };
    match args.output {
        Output::Json => super::print(&serde_json::to_string_pretty(&report)?),
        Output::Text => super::print(report.text().trim_end()),
    }
}

/// `None` if somebody asked to stop. Whatever happens, everything is taken away again.
async fn measure(plan: &Plan) -> anyhow::Result<Option<Report>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut bench = Bench::prepare(plan)?;
    let measured = tokio::select! {
        measured = bench.measure() => Some(measured),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    let removed = bench.finish().await;
    let Some(measured) = measured else {
        removed?;
        return Ok(None);
    };
    let report = measured?;
    removed?;
    Ok(Some(report))
}
