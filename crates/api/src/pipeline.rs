//! State of the data's own path, from what each role publishes of itself (`sentinel_*` series, which
//! come through the pipeline like all others), from the bus' offsets and from this process' health.

use sentinel_bus::{Bus, BusError, Commit};
use sentinel_model::{Timestamp, Topic};
use serde::Deserialize;

use crate::app::App;
use crate::dto::pipeline::{GroupLag, Pipeline, TopicRow};
use crate::traffic::TopicOffsets;

mod canaries;
mod components;
mod newest;
mod patience;
mod stages;
#[cfg(test)]
mod tests;

pub use newest::{Freshness, Newest};
pub use stages::{Facts, stages};

/// Consumer groups of the processor by the topic that they read.
const GROUPS: [(Topic, &str); 5] = [
    (Topic::Metrics, "sentinel-windows"),
    (Topic::Rollups, "sentinel-metric-store"),
    (Topic::Rollups, "sentinel-stage2"),
    (Topic::Logs, "sentinel-logs"),
    (Topic::Events, "sentinel-events"),
];

/// Reads everything. What does not answer is left out, and its component says so.
pub async fn read(app: &App, now: Timestamp) -> Pipeline {
    let topics = app.freshness.bus.ask(now, topic_rows(app));
    let (topics, newest) = tokio::join!(topics, app.freshness.read(app, now));
    let topics = topics.unwrap_or_default();
    let is_recording = app.mode.mode == "replay";
    // What a recording tells of processes was long ago.
    let others = (!is_recording).then_some(&app.live);
    let components = components::read(&app.health, others);
    let facts =
        Facts { live: &app.live, topics: &topics, components: &components, newest, now, is_recording };
    Pipeline {
        generated_at: now.into(),
        stages: stages(facts),
        canary: canaries::hops(&app.live),
        dead_letters: app.dead_letters.counts(),
        topics,
        components,
    }
}

async fn topic_rows(app: &App) -> Vec<TopicRow> {
    let mut topics = Vec::new();
    for topic in Topic::ALL {
        match topic_row(app, topic).await {
            Ok(row) => topics.push(row),
            Err(error) => tracing::debug!(%topic, %error, "the topic's state is not known"),
        }
    }
    topics
}

async fn topic_row(app: &App, topic: Topic) -> Result<TopicRow, BusError> {
    let bus: &dyn Bus = &*app.bus;
    let offsets = TopicOffsets::read(bus, topic).await?;
    let mut groups = Vec::new();
    for (_, group) in GROUPS.iter().filter(|(of, _)| *of == topic) {
        let commits = bus.committed(group, topic).await?;
        if commits.iter().any(Option::is_some) {
            groups.push(GroupLag { name: (*group).to_owned(), lag: lag(&offsets, &commits) });
        }
    }
    Ok(TopicRow {
        name: topic.as_str().to_owned(),
        n_partitions: bus.n_partitions(topic),
        n_records: offsets.n_records(),
        bytes: bus.stored_bytes(topic).await.ok().flatten(),
        published_per_s: app.traffic.rate(topic),
        groups,
    })
}

/// Messages that a group has not handled yet.
fn lag(offsets: &TopicOffsets, commits: &[Option<Commit>]) -> u64 {
    let of_partition = |(i, (earliest, next)): (usize, &(u64, u64))| {
        let position = commits.get(i).and_then(Option::as_ref).map_or(*earliest, position_of);
        next.saturating_sub(position.max(*earliest))
    };
    offsets.partitions.iter().enumerate().map(of_partition).sum()
}

/// A pipeline that may have to replay commits an older offset than it has reached, and says in the note
/// how far it is: the number alone, or under `p`.
fn position_of(commit: &Commit) -> u64 {
    #[derive(Deserialize)]
    struct Note {
        p: u64,
    }
    let noted = || serde_json::from_str::<Note>(&commit.metadata).map(|note| note.p);
    let reached = commit.metadata.parse().or_else(|_| noted()).unwrap_or_default();
    commit.offset.max(reached)
}
