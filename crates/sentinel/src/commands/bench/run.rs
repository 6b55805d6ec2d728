//! Starts the processes, looks on, and takes everything away.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::Client;
use sentinel_runtime::clock;
use tokio::time::Instant;

use super::latency::Probes;
use super::plan::Plan;
use super::report::{Lags, Report, Span};
use super::role::{Part, Role, Start};
use super::snapshot::Snapshot;

/// A bench under way.
pub struct Bench<'a> {
    plan: &'a Plan,
    client: Client,
    roles: Vec<Role>,
    /// Something may be on the servers.
    has_begun: bool,
}

/// Samples must have come through by then.
const FIRST_DEADLINE: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two questions for the lag, which cost the bus something.
const LAG_EVERY: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Groups of the processor and of collectors that share work, to be taken away with the topics.
const GROUPS: [&str; 6] = [
    "sentinel-windows",
    "sentinel-stage2",
    "sentinel-metric-store",
    "sentinel-logs",
    "sentinel-events",
    "sentinel-collectors",
];

impl<'a> Bench<'a> {
    /// # Errors
    /// No folder to work in.
    pub fn prepare(plan: &'a Plan) -> anyhow::Result<Self> {
        let folder = &plan.folder;
        make_private(folder).with_context(|| {
            format!("make the folder {}; give another --folder DIR to work in", folder.display())
        })?;
        let client = Client::builder().no_proxy().timeout(ANSWER_TIMEOUT).build().context("make a client")?;
        Ok(Self { plan, client, roles: Vec::new(), has_begun: false })
    }

    /// # Errors
    /// A process that does not start, ends, or does not answer.
    pub async fn measure(&mut self) -> anyhow::Result<Report> {
        let plan = self.plan;
        self.start_all().await?;
        self.await_samples().await?;
        self.look_on("warming up", plan.warm_up).await?;
        let before = self.snapshots().await?;
        let began = Instant::now();
        let api = self.roles.iter().find(|role| role.part.is_api()).map(|role| role.url.clone());
        let mut probes = Probes::new(self.client.clone(), &api.unwrap_or_default(), plan.size.n_nodes);
        let until_ms = clock::now_millis() + i64::try_from(plan.duration.as_millis())?;
        let (lags, ()) = tokio::join!(
            self.look_on("measuring", plan.duration),
            probes.watch(until_ms, plan.allowed_lateness)
        );
        let lags = lags?;
        let seconds = began.elapsed().as_secs_f64();
        let after = self.snapshots().await?;
        clear_progress();
        Ok(Report::new(plan, &Span { seconds, before, after }, lags, &probes))
    }

    /// Stops the processes, in the direction of the data, and takes away what they made.
    ///
    /// # Errors
    /// What is left behind, and where.
    pub async fn finish(self) -> anyhow::Result<()> {
        let Self { plan, roles, has_begun, .. } = self;
        note("stopping");
        for role in roles {
            role.stop().await;
        }
        clear_progress();
        if !plan.is_kept {
            let _ = std::fs::remove_dir_all(&plan.folder);
        } else {
            eprintln!("logs and data of the processes are in {}", plan.folder.display());
        }
        if !has_begun {
            return Ok(());
        }
        let config = &plan.config;
        let bus =
            sentinel_bus::remove(&config.bus, &GROUPS).await.context("the bench's topics are left behind");
        let metrics = sentinel_metric_store::remove(&config.metric_store).await;
        let metrics = metrics.context("the bench's buckets are left behind");
        let logs = sentinel_log_store::remove(&config.log_store).await;
        bus.and(metrics).and(logs.context("the bench's indices are left behind"))
    }

    async fn start_all(&mut self) -> anyhow::Result<()> {
        let plan = self.plan;
        note("starting the simulated cluster");
        let config = plan.folder.join("simulator.toml");
        write_private(&config, &plan.simulator_config())?;
        // It is no part of the pipeline: what the configuration says of servers does not concern it.
        let simulator = self.start(Part::Simulator, 1, &config).await?;
        let cluster_url = simulator.url.trim_end_matches('/').to_owned();
        self.roles.push(simulator);
        let config = plan.folder.join("sentinel.toml");
        write_private(&config, &plan.roles_config(&cluster_url))?;
        self.has_begun = true;
        // Who reads is there before who writes.
        let parts = plan.parts();
        for (number, part) in parts.iter().enumerate().rev() {
            note(&format!("starting {}", part.as_str()));
            let role = self.start(*part, number + 1, &config).await?;
            self.roles.push(role);
        }
        // Stopped in the direction of the data.
        self.roles.sort_by_key(|role| role.part);
        Ok(())
    }

    async fn start(&self, part: Part, number: usize, config: &Path) -> anyhow::Result<Role> {
        let plan = self.plan;
        let environment: &[(String, String)] = if part == Part::Simulator { &[] } else { &plan.environment };
        let start = Start { part, number, folder: &plan.folder, config, environment, hidden: &plan.hidden };
        start.run().await
    }

    /// Until samples come out of the far end of the bus.
    async fn await_samples(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            self.check()?;
            let all = self.snapshots().await?;
            let sum = |name| all.iter().map(|(_, snapshot)| snapshot.sum(name)).sum::<f64>();
            let (taken, windowed) = (sum(super::report::COLLECTED), sum(super::report::WINDOWED));
            if windowed > 0.0 {
                return Ok(());
            }
            note(&format!("waiting for the first samples ({taken:.0} taken in)"));
            if began.elapsed() > FIRST_DEADLINE {
                bail!(
                    "no sample reached a window within {FIRST_DEADLINE:?} ({taken:.0} were taken in); `--keep` keeps \
                     the logs of the processes to be looked at, `sentinel doctor` checks the servers"
                );
            }
            tokio::time::sleep(LOOK_EVERY / 4).await;
        }
    }

    async fn look_on(&mut self, what: &str, duration: Duration) -> anyhow::Result<Lags> {
        let end = Instant::now() + duration;
        let (mut lags, mut lag_at) = (Lags::default(), Instant::now());
        let mut last: Option<(Instant, f64)> = None;
        while Instant::now() < end {
            tokio::time::sleep(LOOK_EVERY.min(end.saturating_duration_since(Instant::now()))).await;
            self.check()?;
            if Instant::now() >= lag_at {
                lags.note(&self.pipeline().await);
                lag_at = Instant::now() + LAG_EVERY;
            }
            if std::io::stderr().is_terminal() {
                let (now, n) = (Instant::now(), self.n_windowed().await);
                let rate = last.map_or(0.0, |(then, before)| (n - before) / (now - then).as_secs_f64());
                last = Some((now, n));
                let left = end.saturating_duration_since(now).as_secs();
                note(&format!("{what}: {left} s left, {rate:.0} samples/s, {} messages behind", lags.last()));
            }
        }
        lags.note(&self.pipeline().await);
        Ok(lags)
    }

    async fn n_windowed(&self) -> f64 {
        let mut sum = 0.0;
        for role in self.roles.iter().filter(|role| role.part.is_processor()) {
            let snapshot = Snapshot::of(role, &self.client).await;
            sum += snapshot.map_or(0.0, |snapshot| snapshot.sum(super::report::WINDOWED));
        }
        sum
    }

    /// State of the pipeline as the API tells it; nothing while it does not answer.
    async fn pipeline(&self) -> serde_json::Value {
        let Some(api) = self.roles.iter().find(|role| role.part.is_api()) else {
            return serde_json::Value::Null;
        };
        let url = format!("{}/api/v1/pipeline", api.url.trim_end_matches('/'));
        match self.client.get(url).send().await {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => serde_json::Value::Null,
        }
    }

    async fn snapshots(&self) -> anyhow::Result<Vec<(Part, Snapshot)>> {
        let mut snapshots = Vec::with_capacity(self.roles.len());
        for role in &self.roles {
            // The simulated cluster has no metrics of its own.
            let snapshot = match role.part {
                Part::Simulator => Snapshot::of_process(role),
                _ => Snapshot::of(role, &self.client).await?,
            };
            snapshots.push((role.part, snapshot));
        }
        Ok(snapshots)
    }

    fn check(&mut self) -> anyhow::Result<()> {
        self.roles.iter_mut().try_for_each(Role::check)
    }
}

/// Configurations hold secrets.
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::DirBuilder::new().mode(0o700).create(folder)
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

/// In one line that is written over on a terminal, and a line each elsewhere.
fn note(what: &str) {
    let mut err = std::io::stderr();
    let _ = if err.is_terminal() { write!(err, "\r\u{1b}[K{what}") } else { writeln!(err, "{what}") };
}

fn clear_progress() {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        let _ = write!(err, "\r\u{1b}[K");
    }
}
