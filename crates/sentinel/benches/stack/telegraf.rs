//! The processor as it is run beside Telegraf, on the same samples, from the same broker, into the same server
//! that keeps nothing; processor time of the whole process. Each has its own form on the bus: ours frames,
//! Telegraf's lines of InfluxDB's protocol, 400 a message.
//!
//! Telegraf runs twice. Without aggregation each sample becomes a line, as it does here with windows of 10 s and
//! scrapes every 10 s: as many lines out. Its aggregators go by the clock on the wall, not by the samples' times, so
//! that the second run gives one line a series for each 10 s that it takes: far fewer than windows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use sentinel_model::Topic;
use sentinel_runtime::config::variable;

use crate::null::Null;
use crate::process::Process;
use crate::support::recording::Target;
use crate::{GROUPS, Load, bus_config, new_prefix, open, outgoing};

const LINES_PER_MESSAGE: usize = 400;
const QUIET: Duration = Duration::from_secs(4);
/// Longer than a period of the aggregator.
const QUIET_OF_AGGREGATOR: Duration = Duration::from_secs(12);

pub async fn compare(load: &Load, targets: &BTreeMap<String, Target>) {
    let folder = tempfile::tempdir().expect("a folder");
    let ours = ours(load, folder.path()).await;
    let Some(telegraf) = variable("SENTINEL_STACK_TELEGRAF") else {
        println!(
            "Telegraf: skipped, SENTINEL_STACK_TELEGRAF is not set (scripts/stack/telegraf/build.sh builds it)"
        );
        return;
    };
    let prefix = new_prefix();
    let n = publish_lines(&load.brokers, &prefix, targets).await;
    for (name, aggregator, quiet) in [
        ("Telegraf, a line a sample", "", QUIET),
        ("Telegraf, basicstats over 10 s", AGGREGATOR, QUIET_OF_AGGREGATOR),
    ] {
        let null = Null::start(None);
        let config = folder.path().join("telegraf.conf");
        let (brokers, url) = (&load.brokers, &null.url);
        let text = config_text(&(brokers.replace(',', "\", \"")), &prefix, url, aggregator);
        std::fs::write(&config, text).expect("a configuration");
        let mut command = Command::new(&telegraf);
        command.arg("--config").arg(&config);
        let process = Process::start(command, folder.path().join("telegraf.log"));
        let (cpu, n_lines) = process.work(quiet, || null.n_lines()).await;
        let rate = n as f64 / cpu;
        println!(
            "{name:58} {rate:10.0} samples per CPU second ({cpu:.2} s, {n_lines} lines of {n} samples); ratio {:.1}",
            ours / rate
        );
    }
    sentinel_bus::remove(&bus_config(&load.brokers, &prefix), &GROUPS).await.expect("removed");
}

const AGGREGATOR: &str = "[[aggregators.basicstats]]\nperiod = \"10s\"\ngrace = \"100000h\"\ndrop_original = true\n\
                          stats = [\"count\", \"sum\", \"min\", \"max\", \"mean\"]\n";

fn config_text(brokers: &str, prefix: &str, url: &str, aggregator: &str) -> String {
    let group = format!("{prefix}{}", aggregator.len());
    format!(
        "[agent]\nflush_interval = \"1s\"\nmetric_batch_size = 5000\nmetric_buffer_limit = 1000000\nomit_hostname = true\n\
         [[inputs.kafka_consumer]]\nbrokers = [\"{brokers}\"]\ntopics = [\"{prefix}{}\"]\nconsumer_group = \"{group}\"\n\
         kafka_version = \"3.6.0\"\noffset = \"oldest\"\ndata_format = \"influx\"\nmax_undelivered_messages = 2000\n\
         {aggregator}\
         [[outputs.influxdb_v2]]\nurls = [\"{url}\"]\ntoken = \"t\"\norganization = \"o\"\nbucket = \"b\"\n\
         content_encoding = \"identity\"\n",
        Topic::Logs
    )
}

/// `sentinel run --role processor`, with windows of 10 s alone stored. Gives samples a CPU second.
async fn ours(load: &Load, folder: &std::path::Path) -> f64 {
    let null = Null::start(None);
    let store = format!(
        "[metric_store]\nkind = \"influxdb\"\nversion = \"1\"\ngzip = false\nurl = \"{}\"\n",
        null.url
    );
    let process = processor(load, folder, "ours", &store);
    let (cpu, n_lines) = process.work(QUIET, || null.n_lines()).await;
    let rate = load.n_samples as f64 / cpu;
    println!(
        "{:58} {rate:10.0} samples per CPU second ({cpu:.2} s, {n_lines} lines of {} samples)",
        "sentinel run --role processor, from the start", load.n_samples
    );
    rate
}

/// A processor of its own group names: the prefix' first, so each load is read by one only.
pub fn processor(load: &Load, folder: &std::path::Path, name: &str, store: &str) -> Process {
    let config = folder.join(format!("{name}.toml"));
    let text = format!(
        "[bus]\nkind = \"kafka\"\nbrokers = [\"{}\"]\ntopic_prefix = \"{}\"\n\
         [[processor.rules]]\nmatch = '{{__name__=~\".+\"}}'\naction = \"store\"\nresolutions = [\"10s\"]\n{store}",
        load.brokers.replace(',', "\", \""),
        load.prefix
    );
    std::fs::write(&config, text).expect("a configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sentinel"));
    command.args(["run", "--role", "processor", "--listen", "127.0.0.1:0", "--config"]).arg(&config);
    command.arg("--data-dir").arg(folder.join(name));
    Process::start(command, folder.join(format!("{name}.log")))
}

/// The recording once, in order of time, as a Telegraf at the source would send it.
async fn publish_lines(brokers: &str, prefix: &str, targets: &BTreeMap<String, Target>) -> usize {
    let bus = open(brokers, prefix);
    let kubelet =
        || targets.iter().filter(|(name, _)| name.starts_with("kubelet/")).map(|(_, target)| target);
    let heads: Vec<Vec<String>> =
        kubelet().map(|target| target.series.iter().map(|series| head(&series.labels)).collect()).collect();
    let mut scrapes: Vec<(usize, &crate::support::recording::Scraped)> = kubelet()
        .enumerate()
        .flat_map(|(i, target)| target.scrapes.iter().map(move |scrape| (i, scrape)))
        .collect();
    scrapes.sort_by_key(|(_, scrape)| scrape.scraped);
    let (mut n, mut text, mut messages) = (0, String::new(), Vec::new());
    for (target, scrape) in scrapes {
        // NaN and infinities cannot be written in this protocol.
        for point in scrape.points.iter().filter(|point| point.value.is_finite()) {
            let head = &heads[target][point.series.0 as usize];
            let _ = writeln!(text, "{head} value={} {}000000", point.value, point.timestamp.as_millis());
            n += 1;
            if n % LINES_PER_MESSAGE == 0 {
                messages.push(outgoing(Topic::Logs, Bytes::from(std::mem::take(&mut text)), scrape.scraped));
            }
        }
        if messages.len() >= 64 {
            bus.publish(std::mem::take(&mut messages)).await.expect("publish");
        }
    }
    if !text.is_empty() {
        messages.push(outgoing(Topic::Logs, Bytes::from(text), sentinel_model::Timestamp::from_secs(1)));
    }
    bus.publish(messages).await.expect("publish");
    n
}

/// Measurement and tags.
fn head(labels: &sentinel_model::Labels) -> String {
    let escape =
        |text: &str| text.replace('\\', "\\\\").replace(' ', "\\ ").replace(',', "\\,").replace('=', "\\=");
    let mut head = escape(labels.metric_name());
    for (name, value) in labels.iter().filter(|(name, value)| *name != "__name__" && !value.is_empty()) {
        let _ = write!(head, ",{}={}", escape(name), escape(&value.replace('\n', " ")));
    }
    head
}
