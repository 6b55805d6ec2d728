//! What each topic is declared to be: the table that topics are made from and compared with.

use std::collections::BTreeMap;
use std::time::Duration;

use sentinel_model::Topic;

use crate::KafkaConfig;
use crate::config::Keep;

/// Topic-level settings of Kafka, by name.
pub(super) type Settings = BTreeMap<&'static str, String>;

/// What a batch takes beyond the largest message in it.
pub(super) const BATCH_OVERHEAD: u64 = 64 << 10;
/// Kafka 4 takes no smaller segment.
const LEAST_SEGMENT: u64 = 1 << 20;
const LARGEST_SEGMENT: u64 = 256 << 20;
/// Segments go whole, so that what is kept beyond the bounds is this part of them at most.
const SEGMENTS: u32 = 8;
const LEAST_SEGMENT_TIME: Duration = Duration::from_secs(60);
const LARGEST_SEGMENT_TIME: Duration = Duration::from_secs(86_400);
/// The segment that is written to is never compacted: it is closed after this time, or at this size.
const COMPACTED_SEGMENT_TIME: Duration = Duration::from_secs(600);
const COMPACTED_SEGMENT: u64 = 16 << 20;

/// Settings of `topic`.
pub(super) fn settings(topic: Topic, config: &KafkaConfig) -> Settings {
    let largest = config.max_message_bytes + 2 * BATCH_OVERHEAD;
    let mut settings = Settings::from([
        ("max.message.bytes", largest.to_string()),
        // Retention goes by the broker's clock: a collector whose clock is wrong, or data of long ago, must
        // neither be removed at once nor be kept for ever nor be refused. See `record`.
        ("message.timestamp.type", "LogAppendTime".to_owned()),
    ]);
    settings.extend(match config.keep(topic) {
        Keep::Recent { time, bytes } => recent(time, bytes / u64::from(config.partitions), largest),
        Keep::LastOfKey => last_of_key(config.tombstone_retention, largest),
    });
    settings
}

/// `bytes` is of one partition. A broker refuses a message that is larger than a segment.
fn recent(time: Duration, bytes: u64, largest_message: u64) -> Settings {
    let least = LEAST_SEGMENT.max(largest_message);
    let segment = (bytes / u64::from(SEGMENTS)).clamp(least, LARGEST_SEGMENT);
    let segment_time = (time / SEGMENTS).clamp(LEAST_SEGMENT_TIME, LARGEST_SEGMENT_TIME);
    Settings::from([
        ("cleanup.policy", "delete".to_owned()),
        ("retention.ms", time.as_millis().to_string()),
        ("retention.bytes", bytes.min(i64::MAX as u64).to_string()),
        ("segment.bytes", segment.to_string()),
        ("segment.ms", segment_time.as_millis().to_string()),
    ])
}

fn last_of_key(tombstones: Duration, largest_message: u64) -> Settings {
    Settings::from([
        ("cleanup.policy", "compact".to_owned()),
        ("delete.retention.ms", tombstones.as_millis().to_string()),
        ("min.cleanable.dirty.ratio", "0.2".to_owned()),
        ("segment.bytes", COMPACTED_SEGMENT.max(largest_message).to_string()),
        ("segment.ms", COMPACTED_SEGMENT_TIME.as_millis().to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_keeps_its_time_and_each_partition_its_share_of_the_bytes() {
        let config = KafkaConfig { partitions: 4, ..KafkaConfig::default() };
        let metrics = settings(Topic::Metrics, &config);
        assert_eq!(metrics["cleanup.policy"], "delete");
        assert_eq!(metrics["retention.ms"], "7200000");
        assert_eq!(metrics["retention.bytes"], (256u64 << 20).to_string());
        assert_eq!(metrics["segment.bytes"], (32u64 << 20).to_string());
        assert_eq!(metrics["segment.ms"], "900000");
    }

    #[test]
    fn only_compacted_topics_are_compacted() {
        for topic in Topic::ALL {
            let policy = &settings(topic, &KafkaConfig::default())["cleanup.policy"];
            assert_eq!(policy == "compact", topic.is_compacted(), "{topic}");
        }
        assert_eq!(settings(Topic::Objects, &KafkaConfig::default())["delete.retention.ms"], "3600000");
    }

    #[test]
    fn the_largest_message_finds_room_in_a_segment_of_every_topic() {
        for topic in Topic::ALL {
            let settings = settings(topic, &KafkaConfig { partitions: 64, ..KafkaConfig::default() });
            let bytes = |name: &str| settings[name].parse::<u64>().expect("a number");
            assert!(bytes("segment.bytes") >= bytes("max.message.bytes"), "{topic}");
        }
    }

    #[test]
    fn segments_stay_within_what_kafka_takes() {
        let mut config =
            KafkaConfig { partitions: 1_024, max_message_bytes: 1_024, ..KafkaConfig::default() };
        config.max_bytes.live = 1;
        config.retention.live = Duration::from_secs(1);
        let live = settings(Topic::Live, &config);
        assert_eq!(live["segment.bytes"], LEAST_SEGMENT.to_string());
        assert_eq!(live["segment.ms"], "60000");
        config.max_bytes.live = u64::MAX;
        config.partitions = 1;
        assert_eq!(settings(Topic::Live, &config)["segment.bytes"], LARGEST_SEGMENT.to_string());
    }
}
