//! Serves a simulated cluster until Ctrl-C: `cargo run -p sentinel-simulator --example cluster -- 'pods = 200'`.
//! Arguments are lines of the `[simulator]` section.

use sentinel_runtime::{Service as _, Shutdown};
use sentinel_simulator::{Config, Simulator};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "whoever started it wants to know the URL")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    sentinel_runtime::telemetry::init(&sentinel_runtime::telemetry::LogConfig::default())?;
    let lines: Vec<String> = std::env::args().skip(1).collect();
    let config: Config = toml::from_str(&lines.join("\n"))?;
    let simulator = Simulator::build(&config, None).await?;
    println!("{}", simulator.api_url());
    let (trigger, shutdown) = Shutdown::new();
    let _stop = sentinel_runtime::spawn("ctrl-c", async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            trigger.trigger();
        }
    });
    simulator.run(shutdown).await?;
    Ok(())
}
