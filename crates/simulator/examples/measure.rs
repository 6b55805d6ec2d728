//! Measures a simulated cluster as a client sees it: time until it answers, a scrape, a list of all pods,
//! memory. `cargo run --release -p sentinel-simulator --example measure -- 2000 20` (pods, nodes).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use sentinel_runtime::{Service as _, Shutdown};
use sentinel_simulator::{Config, Simulator};
use tokio::time::Instant;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a measurement is for its reader")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let pods = numbers.next().transpose()?.unwrap_or(60);
    let nodes = numbers.next().transpose()?.unwrap_or(4);
    let before = resident();
    let begun = Instant::now();
    let simulator = Simulator::build(&Config { pods, nodes, ..Config::default() }, None).await?;
    let address = simulator.address();
    let (trigger, shutdown) = Shutdown::new();
    let serving = sentinel_runtime::spawn("simulator", simulator.run(shutdown));
    let (_, ready) = get(address, "/readyz").await;
    println!("pods {pods}, nodes {nodes}: answers after {:?}", begun.elapsed().max(ready));
    println!("  resident {:.1} MiB, of which {before:.1} before", resident());
    for path in [
        "/kubelet/node-1/metrics/cadvisor",
        "/kubelet/node-1/metrics/resource",
        "/kubelet/node-1/stats/summary",
        "/api/v1/pods",
        "/api/v1/pods?limit=500",
        "/api/v1/events",
    ] {
        let (_, _) = get(address, path).await;
        let (bytes, took) = get(address, path).await;
        println!("  {path}: {took:?}, {bytes} bytes, resident {:.1} MiB", resident());
    }
    // Long enough for leases, Jobs and the first faults.
    tokio::time::sleep(Duration::from_secs(20)).await;
    println!("  after 20 s: resident {:.1} MiB", resident());
    trigger.trigger();
    serving.await?;
    Ok(())
}

/// Bytes of the answer and the time it took.
async fn get(address: SocketAddr, path: &'static str) -> (usize, Duration) {
    let ask = move || {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: simulator\r\nconnection: close\r\n\r\n")?;
        let (mut buffer, mut n_bytes) = (vec![0; 65_536], 0);
        loop {
            match stream.read(&mut buffer)? {
                0 => return std::io::Result::Ok((n_bytes, begun.elapsed())),
                n => n_bytes += n,
            }
        }
    };
    sentinel_runtime::spawn_blocking("client", ask).await.unwrap_or_default()
}

/// Mebibytes of this process in memory.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1_024.0
}
