//! Breaks the roles and the real servers under them, one fault after another and under load, and recounts:
//! what collectors had acknowledged against what the stores hold. Needs `make stack`; `SENTINEL_CHAOS=full`
//! plays everything, over a million samples and a hundred thousand log lines.

#![expect(clippy::print_stdout, reason = "a long test shows its progress")]

mod clock;
mod disk;
mod faults;
mod lines;
mod oracle;
mod processes;
mod proxy;
mod source;
mod world;

use faults::Fault;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sentinel_runtime::config::variable;
use world::World;

/// What every change has to survive: some minutes.
const SHORT: [Fault; 9] = [
    Fault::KillRoles(6),
    Fault::KillBrokers,
    Fault::KillInfluxdb,
    Fault::InfluxdbRefuses,
    Fault::InfluxdbLosesAnswers,
    Fault::KillElasticsearch,
    Fault::HalfBulks,
    Fault::KillRedis,
    Fault::RebalanceStorm(3),
];

const FULL: [Fault; 28] = [
    Fault::StepClock(20),
    Fault::KillRoles(50),
    Fault::KillOneBroker,
    Fault::KillBrokers,
    Fault::StopBroker(20),
    Fault::KillInfluxdb,
    Fault::StopInfluxdb(120),
    Fault::InfluxdbRefuses,
    Fault::InfluxdbLosesAnswers,
    Fault::InfluxdbFlaky,
    Fault::SlowInfluxdb,
    Fault::KillElasticsearch,
    Fault::StopElasticsearch(120),
    Fault::ReadOnlyIndexes,
    Fault::FullElasticsearch,
    Fault::FullInfluxdb,
    Fault::FullSpool,
    Fault::ElasticsearchRefuses,
    Fault::HalfBulks,
    Fault::KillRedis,
    Fault::RebalanceStorm(15),
    Fault::StopProcessor(20),
    Fault::Repeats,
    Fault::TwoCollectors(20),
    Fault::Poison,
    Fault::WipeStores,
    Fault::KillEverything,
    Fault::KillRoles(10),
];

const FULL_SAMPLES: usize = 1_000_000;
const FULL_LINES: usize = 100_000;

fn number(name: &str) -> Option<u64> {
    variable(name).and_then(|text| text.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_nothing_is_lost_and_nothing_is_counted_twice() {
    let is_full = variable("SENTINEL_CHAOS").as_deref() == Some("full");
    let seed = number("SENTINEL_CHAOS_SEED").unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    println!("seed {seed} (SENTINEL_CHAOS_SEED={seed} plays it again)");
    let mut dice = StdRng::seed_from_u64(seed);
    let Some(mut world) = World::start().await else { return };
    world.wait_for_load().await;
    let faults: &[Fault] = if is_full { &FULL } else { &SHORT };
    let chosen: Option<Vec<Fault>> = variable("SENTINEL_CHAOS_ONLY").map(|only| {
        let is_chosen = |fault: &&Fault| only.split(',').any(|name| format!("{fault:?}").starts_with(name));
        FULL.iter().filter(is_chosen).copied().collect()
    });
    let is_whole = is_full && chosen.is_none();
    for fault in chosen.as_deref().unwrap_or(faults) {
        let n_faults = world.play(*fault, &mut dice).await;
        assert!(n_faults > 0, "{fault:?} did not happen");
        println!("{:>6.1} s  {fault:?} ({n_faults})", world.elapsed().as_secs_f64());
        if is_full {
            world.settle().await;
        }
    }
    while is_whole && world.n_samples() < FULL_SAMPLES {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let (n_windows, n_lines) = world.settle_all().await;
    println!(
        "{} samples, {n_lines} log lines, {n_windows} windows: missing 0, doubled 0, wrong 0",
        world.n_samples()
    );
    world.skipped.iter().for_each(|what| println!("not played: {what}"));
    if is_whole {
        assert!(n_lines >= FULL_LINES, "only {n_lines} lines were written");
    }
}
