//! What can happen to the pipeline.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::StdRng;
use sentinel_bus::{Outgoing, PollLimit, Record, Route, Start};
use sentinel_model::{Timestamp, Topic};
use sentinel_testkit::stack;

use crate::disk::Disk;
use crate::processes::{Role, server, stack_script};
use crate::proxy::{Mode, Proxy};
use crate::world::{World, failed_scrapes};

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// SIGKILL to so many roles, one after another, at random.
    KillRoles(u64),
    /// All of them at once.
    KillBrokers,
    /// The first, which leads and controls, and then the second.
    KillOneBroker,
    /// SIGSTOP for so many seconds.
    StopBroker(u64),
    KillInfluxdb,
    StopInfluxdb(u64),
    InfluxdbRefuses,
    InfluxdbLosesAnswers,
    InfluxdbFlaky,
    SlowInfluxdb,
    KillElasticsearch,
    StopElasticsearch(u64),
    ReadOnlyIndexes,
    ElasticsearchRefuses,
    HalfBulks,
    KillRedis,
    /// A third processor comes and goes so many times.
    RebalanceStorm(u64),
    StopProcessor(u64),
    /// Frames of the past once more, in disorder.
    Repeats,
    /// The clock of the collector's machine is set ahead for so many seconds, and then right again.
    StepClock(u64),
    /// Another one collects the same for so many seconds.
    TwoCollectors(u64),
    /// No broker, and no room on the collector's disk either.
    FullSpool,
    FullInfluxdb,
    FullElasticsearch,
    /// Messages of others on our topics.
    Poison,
    /// The stores lose everything, and are filled again from the bus.
    WipeStores,
    KillEverything,
}

const NO_DISK: &str = "a full disk: none of its own to fill (scripts/stack/test.sh chaos, as root)";

/// How long most faults last.
const FAULTY: Duration = Duration::from_secs(15);

impl World {
    /// Lets it happen and heals it. Gives how often it happened.
    pub async fn play(&mut self, fault: Fault, dice: &mut StdRng) -> u64 {
        match fault {
            Fault::KillRoles(n) => self.kill_roles(n, dice).await,
            Fault::KillBrokers => kill("kafka").await,
            Fault::KillOneBroker => kill("kafka1").await + self.kill_the_second_broker().await,
            Fault::StopBroker(seconds) => stop("kafka", seconds).await,
            Fault::KillInfluxdb => kill("influxdb").await,
            Fault::StopInfluxdb(seconds) => stop("influxdb", seconds).await,
            Fault::KillElasticsearch => kill("elasticsearch").await,
            Fault::StopElasticsearch(seconds) => stop("elasticsearch", seconds).await,
            Fault::KillRedis => kill("redis").await,
            Fault::InfluxdbRefuses => {
                misbehave(&self.influxdb, Mode::Refuse { status: 429, retry_after: Some(2) }).await
                    + misbehave(&self.influxdb, Mode::Refuse { status: 503, retry_after: None }).await
            }
            Fault::InfluxdbLosesAnswers => misbehave(&self.influxdb, Mode::LoseAnswers).await,
            Fault::InfluxdbFlaky => misbehave(&self.influxdb, Mode::Flaky { status: 500 }).await,
            Fault::SlowInfluxdb => misbehave(&self.influxdb, Mode::Slow(Duration::from_secs(3))).await,
            Fault::ElasticsearchRefuses => {
                misbehave(&self.elasticsearch, Mode::Refuse { status: 429, retry_after: Some(1) }).await
                    + misbehave(&self.elasticsearch, Mode::Flaky { status: 503 }).await
                    + misbehave(&self.elasticsearch, Mode::LoseAnswers).await
            }
            Fault::HalfBulks => misbehave(&self.elasticsearch, Mode::HalfBulks).await,
            Fault::ReadOnlyIndexes => self.read_only_indexes().await,
            Fault::RebalanceStorm(n) => self.rebalance_storm(n).await,
            Fault::StopProcessor(seconds) => self.stop_processor(seconds).await,
            Fault::Repeats => self.repeat_frames().await,
            Fault::StepClock(seconds) => self.step_clock(seconds).await,
            Fault::TwoCollectors(seconds) => self.two_collectors(seconds).await,
            Fault::FullSpool => self.full_spool().await,
            Fault::FullInfluxdb => self.full_influxdb().await,
            Fault::FullElasticsearch => self.full_elasticsearch().await,
            Fault::Poison => self.poison(dice).await,
            Fault::WipeStores => self.wipe_stores().await,
            Fault::KillEverything => self.kill_everything().await,
        }
    }

    /// With three brokers nothing stands still for long when one is gone.
    async fn kill_the_second_broker(&mut self) -> u64 {
        if !stack::kafka().is_some_and(|brokers| brokers.contains(',')) {
            return self.skip("one of three brokers: there is one only (up.sh --brokers 3)");
        }
        kill("kafka2").await
    }

    /// Not played, for want of something. It counts as having happened, and is told at the end.
    fn skip(&mut self, what: &str) -> u64 {
        self.skipped.insert(what.to_owned());
        1
    }

    async fn kill_roles(&mut self, n: u64, dice: &mut StdRng) -> u64 {
        for _ in 0..n {
            tokio::time::sleep(Duration::from_millis(dice.random_range(0..3_000))).await;
            match dice.random_range(0..4) {
                0 => {
                    self.end_collector().await;
                    self.collector.run();
                }
                1 => self.api.kill_and_run(),
                role => self.processors[role - 2].kill_and_run(),
            }
        }
        n
    }

    async fn rebalance_storm(&self, n: u64) -> u64 {
        for _ in 0..n {
            let mut third = self.role("processor3", "processor", &self.config);
            tokio::time::sleep(Duration::from_secs(2)).await;
            third.kill();
        }
        n
    }

    /// Longer than its session: another one has its partitions when it comes back.
    async fn stop_processor(&self, seconds: u64) -> u64 {
        self.processors[0].signal("-STOP");
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.processors[0].signal("-CONT");
        1
    }

    async fn read_only_indexes(&self) -> u64 {
        let url = format!("{}/*{}*/_settings?expand_wildcards=all", self.elasticsearch_url, self.prefix);
        let client = reqwest::Client::new();
        for block in [serde_json::json!(true), serde_json::Value::Null] {
            let body = serde_json::json!({ "index.blocks.read_only_allow_delete": block });
            let answer = client.put(&url).json(&body).send().await.expect("Elasticsearch answers");
            assert!(answer.status().is_success(), "{:?}", answer.text().await);
            tokio::time::sleep(FAULTY).await;
        }
        1
    }

    /// The newest frames of each partition again, the newest first.
    async fn repeat_frames(&self) -> u64 {
        let mut follower = self.bus.follow(Topic::Metrics, Start::Earliest).await.expect("follow");
        let limit = PollLimit { max_records: 2_000, max_bytes: 16 << 20, wait: Duration::from_secs(2) };
        let mut records = Vec::new();
        while !follower.is_caught_up() {
            records.extend(follower.poll(limit).await.expect("read"));
            let n_old = records.len().saturating_sub(2_000);
            records.drain(..n_old);
        }
        let again: Vec<Outgoing> = records
            .into_iter()
            .rev()
            .map(|delivered| Outgoing {
                topic: Topic::Metrics,
                route: Route::Partition(delivered.position.at.partition),
                record: delivered.record,
            })
            .collect();
        let n_repeated = again.len() as u64;
        self.bus.publish(again).await.expect("published");
        n_repeated
    }

    /// Five minutes: more than any window waits, less than what is refused as the future.
    async fn step_clock(&mut self, seconds: u64) -> u64 {
        if !self.clock.is_there() {
            return self.skip("a step of the clock: there is no libfaketime (scripts/setup.sh stack)");
        }
        self.clock.set("+300");
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.clock.set("+0");
        // What was stamped ahead is on the bus before anything else happens: in a spool, it would make what is
        // stamped right behind it late.
        tokio::time::sleep(Duration::from_secs(3)).await;
        1
    }

    async fn two_collectors(&mut self, seconds: u64) -> u64 {
        let mut rival = self.role("rival", "collector", &self.rival_config);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.note_end(failed_scrapes(&rival).await);
        rival.signal("-TERM");
        rival.wait();
        1
    }

    async fn full_spool(&mut self) -> u64 {
        let Some(disk) = Disk::of_server("collector") else { return self.skip(NO_DISK) };
        server("kill", "kafka");
        disk.fill(0);
        tokio::time::sleep(FAULTY).await;
        disk.empty();
        server("start", "kafka");
        1
    }

    async fn full_influxdb(&mut self) -> u64 {
        let Some(disk) = Disk::of_server("influxdb") else { return self.skip(NO_DISK) };
        disk.fill(256 << 10);
        tokio::time::sleep(FAULTY).await;
        disk.empty();
        // 2.7 gives up a shard that it could not make, until it is restarted.
        server("kill", "influxdb");
        server("start", "influxdb");
        1
    }

    /// As a disk fills up on its own: Elasticsearch refuses writes before the last byte.
    async fn full_elasticsearch(&mut self) -> u64 {
        let Some(disk) = Disk::of_server("elasticsearch") else { return self.skip(NO_DISK) };
        let watermark = "cluster.routing.allocation.disk.watermark";
        let settings = serde_json::json!({
            "cluster.routing.allocation.disk.threshold_enabled": true,
            "cluster.info.update.interval": "10s",
            format!("{watermark}.low"): "200mb",
            format!("{watermark}.high"): "150mb",
            format!("{watermark}.flood_stage"): "100mb",
        });
        let nothing: serde_json::Map<_, _> = settings
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| (key.clone(), serde_json::Value::Null))
            .collect();
        self.set_cluster(&settings).await;
        disk.fill(80 << 20);
        tokio::time::sleep(3 * FAULTY).await;
        disk.empty();
        tokio::time::sleep(2 * FAULTY).await;
        self.set_cluster(&nothing.into()).await;
        1
    }

    async fn set_cluster(&self, settings: &serde_json::Value) {
        let body = serde_json::json!({ "persistent": settings });
        let request = reqwest::Client::new().put(format!("{}/_cluster/settings", self.elasticsearch_url));
        let answer = request.json(&body).send().await.expect("Elasticsearch answers");
        assert!(answer.status().is_success(), "{:?}", answer.text().await);
    }

    /// Nothing, and noise of up to 900 KiB.
    async fn poison(&mut self, dice: &mut StdRng) -> u64 {
        let mut noise = |n: usize| -> Bytes { (0..n).map(|_| dice.random::<u8>()).collect() };
        let mut values = vec![Bytes::new(); 5];
        values.extend((0..40).map(|n| noise(1 + 7 * n)));
        values.extend((0..3).map(|_| noise(900 << 10)));
        values.push(Bytes::from_static(b"{\"not\": \"ours\"}"));
        let mut messages = Vec::new();
        for topic in [Topic::Metrics, Topic::Logs, Topic::Events] {
            for (n, value) in (0..).zip(&values) {
                let record = Record {
                    key: Bytes::from_static(b"poison"),
                    value: value.clone(),
                    headers: vec![("poison".to_owned(), Bytes::new())],
                    timestamp: Timestamp::from_millis(0),
                };
                let route = Route::Partition(n % self.bus.n_partitions(topic));
                messages.push(Outgoing { topic, route, record });
            }
        }
        let n_messages = messages.len() as u64;
        self.bus.publish(messages).await.expect("published");
        self.n_poisoned += n_messages;
        n_messages
    }

    async fn wipe_stores(&mut self) -> u64 {
        self.processors.iter_mut().for_each(Role::kill);
        self.wipe_buckets().await;
        let client = reqwest::Client::new();
        let indices: serde_json::Value = {
            let url = format!("{}/_cat/indices/{}*?format=json&h=index", self.elasticsearch_url, self.prefix);
            let answer = client.get(url).send().await.expect("Elasticsearch answers");
            answer.json().await.expect("a list of indices")
        };
        for index in indices.as_array().expect("a list") {
            let url = format!("{}/{}", self.elasticsearch_url, index["index"].as_str().expect("a name"));
            let answer = client.delete(url).send().await.expect("Elasticsearch answers");
            assert!(answer.status().is_success(), "{:?}", answer.text().await);
        }
        self.rewind_sinks().await;
        self.processors.iter_mut().for_each(Role::run);
        1
    }

    async fn wipe_buckets(&self) {
        let influxdb = stack::influxdb().expect("it is there");
        let client = reqwest::Client::new();
        let call = async |request: reqwest::RequestBuilder| {
            let request = request.header("authorization", format!("Token {}", influxdb.token));
            let answer = request.send().await.expect("InfluxDB answers");
            assert!(answer.status().is_success(), "{:?}", answer.status());
            answer.text().await.expect("a body")
        };
        let listed = call(client.get(format!("{}/api/v2/buckets?limit=100", influxdb.url))).await;
        let listed: serde_json::Value = serde_json::from_str(&listed).expect("a list of buckets");
        let ours = listed["buckets"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|bucket| bucket["name"].as_str().is_some_and(|name| name.starts_with(&self.prefix)));
        for bucket in ours {
            let id = bucket["id"].as_str().expect("an id");
            call(client.delete(format!("{}/api/v2/buckets/{id}", influxdb.url))).await;
        }
    }

    /// As an operator would, with Kafka's own tool, once the groups are empty.
    async fn rewind_sinks(&self) {
        for (group, topic) in
            [("metric-store", Topic::Rollups), ("logs", Topic::Logs), ("events", Topic::Events)]
        {
            let group = format!("{}.sentinel-{group}", self.prefix);
            let topic = format!("{}.{}", self.prefix, topic.as_str());
            let began = std::time::Instant::now();
            loop {
                let rewound = stack_script(
                    "kafka/tool.sh",
                    &[
                        "groups",
                        "--group",
                        &group,
                        "--topic",
                        &topic,
                        "--reset-offsets",
                        "--to-earliest",
                        "--execute",
                    ],
                );
                match rewound {
                    Ok(_) => break,
                    Err(error) => assert!(began.elapsed() < Duration::from_secs(90), "{group}: {error}"),
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    async fn kill_everything(&mut self) -> u64 {
        self.end_collector().await;
        self.processors.iter_mut().for_each(Role::kill);
        self.api.kill();
        for verb in ["kill", "start"] {
            for name in ["kafka", "influxdb", "elasticsearch", "redis"] {
                server(verb, name);
            }
        }
        self.collector.run();
        self.processors.iter_mut().for_each(Role::run);
        self.api.run();
        8
    }
}

async fn kill(name: &str) -> u64 {
    server("kill", name);
    tokio::time::sleep(Duration::from_secs(5)).await;
    server("start", name);
    1
}

async fn stop(name: &str, seconds: u64) -> u64 {
    server("stop", name);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    server("cont", name);
    1
}

async fn misbehave(proxy: &Proxy, mode: Mode) -> u64 {
    let n_before = proxy.n_faults();
    proxy.set(mode);
    tokio::time::sleep(FAULTY).await;
    proxy.set(Mode::Pass);
    proxy.n_faults() - n_before
}
