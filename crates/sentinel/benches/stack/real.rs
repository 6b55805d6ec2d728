//! Kafka into a real InfluxDB by the processor as it is run, beside a writer that does nothing but send the same
//! lines, ready as bodies in memory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sentinel_testkit::stack::{self, Influxdb};

use crate::null::Null;
use crate::process::Process;
use crate::produce;
use crate::support::recording::Target;
use crate::telegraf::processor;

const QUIET: Duration = Duration::from_secs(4);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(300);

pub async fn compare(brokers: &str, targets: &BTreeMap<String, Target>) {
    let Some(server) = stack::influxdb() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    // What a processor sends, to be sent again.
    let saved = folder.path().join("bodies");
    let null = Null::start(Some(&saved));
    let config = format!(
        "[metric_store]\nkind = \"influxdb\"\nversion = \"1\"\ngzip = false\nurl = \"{}\"\n",
        null.url
    );
    let load = produce(brokers, targets, 1).await;
    let process = processor(&load, folder.path(), "saved", &config);
    process.work(QUIET, || null.n_lines()).await;
    drop(process);
    load.remove().await;
    let bodies = read_bodies(&saved);
    let n_lines: usize = bodies.iter().map(|body| body.iter().filter(|byte| **byte == b'\n').count()).sum();

    for round in 0..2 {
        let bare = in_buckets(&server, async |prefix| bare(&server, prefix, &bodies).await).await;
        let load = produce(brokers, targets, 1).await;
        let ours = in_buckets(&server, async |prefix| {
            let Influxdb { url, org, token } = &server;
            let config = format!(
                "[metric_store]\nkind = \"influxdb\"\nurl = \"{url}\"\norg = \"{org}\"\ntoken = \"{token}\"\n\
                 gzip = false\nbucket_prefix = \"{prefix}\"\n"
            );
            let process = processor(&load, folder.path(), &format!("real{round}"), &config);
            stored(&process, n_lines).await
        })
        .await;
        load.remove().await;
        let (ours, bare) = (n_lines as f64 / ours.as_secs_f64(), n_lines as f64 / bare.as_secs_f64());
        println!(
            "Kafka into InfluxDB: {ours:.0} lines/s, bare writer {bare:.0} lines/s, ratio {:.2} ({n_lines} lines)",
            ours / bare
        );
    }
}

fn read_bodies(path: &std::path::Path) -> Vec<Vec<u8>> {
    let all = std::fs::read(path).expect("bodies");
    let (mut rest, mut bodies) = (&all[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (body, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        bodies.push(body.to_vec());
        rest = after;
    }
    bodies
}

/// Buckets of their own, taken away afterwards.
async fn in_buckets(server: &Influxdb, work: impl AsyncFnOnce(&str) -> Duration) -> Duration {
    let prefix = format!("bench-{:08x}", rand::random::<u32>());
    let config = sentinel_metric_store::InfluxdbConfig {
        url: server.url.clone(),
        org: server.org.clone(),
        token: sentinel_runtime::config::Secret::new(server.token.clone()),
        bucket_prefix: prefix.clone(),
        ..sentinel_metric_store::InfluxdbConfig::default()
    };
    let took = work(&prefix).await;
    let config = sentinel_metric_store::Config::Influxdb(Box::new(config));
    sentinel_metric_store::remove(&config).await.expect("removed");
    took
}

async fn bare(server: &Influxdb, prefix: &str, bodies: &[Vec<u8>]) -> Duration {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let authorization = format!("Token {}", server.token);
    let orgs: serde_json::Value = client
        .get(format!("{}/api/v2/orgs?org={}", server.url, server.org))
        .header("Authorization", &authorization)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let bucket = format!("{prefix}_10s");
    let wanted = serde_json::json!({"orgID": orgs["orgs"][0]["id"], "name": bucket, "retentionRules": []});
    let created = client
        .post(format!("{}/api/v2/buckets", server.url))
        .header("Authorization", &authorization)
        .json(&wanted);
    created.send().await.and_then(reqwest::Response::error_for_status).expect("a bucket");
    let url = format!("{}/api/v2/write?org={}&bucket={bucket}&precision=ms", server.url, server.org);
    let send = |body: &Vec<u8>| {
        let sent = client.post(&url).header("Authorization", &authorization).body(body.clone()).send();
        async move { sent.await.and_then(reqwest::Response::error_for_status) }
    };
    let began = Instant::now();
    // As many at once as ours has.
    stream::iter(bodies).map(send).buffer_unordered(2).try_collect::<Vec<_>>().await.expect("stored");
    began.elapsed()
}

/// From the first line that is stored to the last: joining the groups is not in it.
async fn stored(process: &Process, n_lines: usize) -> Duration {
    let began = Instant::now();
    let mut url = None;
    let mut first = None;
    loop {
        assert!(
            began.elapsed() < PATIENCE,
            "see {}",
            std::fs::read_to_string(&process.log).unwrap_or_default()
        );
        tokio::time::sleep(LOOK_EVERY).await;
        if url.is_none() {
            let log = std::fs::read_to_string(&process.log).unwrap_or_default();
            let line = log.lines().find(|line| line.starts_with("Admin endpoints"));
            url = line.and_then(|line| Some(line[line.find("http://")?..].trim().to_owned()));
            continue;
        }
        let text = reqwest::get(format!("{}/metrics", url.as_deref().unwrap_or_default())).await;
        let Ok(text) = text.expect("the processor answers").text().await else { continue };
        let name = "sentinel_processor_stored_windows_total ";
        let n =
            text.lines().find_map(|line| line.strip_prefix(name)?.parse::<usize>().ok()).unwrap_or_default();
        if n == 0 {
            continue;
        }
        let (began_at, n_before) = *first.get_or_insert((Instant::now(), n));
        if n >= n_lines {
            // By the lines that came meanwhile.
            return began_at.elapsed().mul_f64(n_lines as f64 / (n - n_before).max(1) as f64);
        }
    }
}
