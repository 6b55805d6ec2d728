//! Records that could not be handled, on their way to the dead-letter topic.

use bytes::Bytes;
use sentinel_bus::{Delivered, Outgoing, Record, Route, trace};
use sentinel_metric_store::RejectedRow;
use sentinel_model::{
    DeadLetter, MetricBatch, Point, Rollup, Series, SeriesRef, StreamKey, Timestamp, Topic,
};
use sentinel_proto::{EncoderConfig, MetricEncoder, RollupEncoder, Scrape, Wire as _};

use crate::aggregate::Sample;
use crate::metrics::{Metrics, Reason};

/// The whole record, with the reason.
pub(crate) fn of_record(
    record: &Delivered,
    reason: &'static str,
    detail: String,
    metrics: &Metrics,
) -> Outgoing {
    message(record, reason, detail, record.record.value.clone(), metrics)
}

/// Some samples of a frame, as one frame that can be read by itself, and put back: it is the only one of a
/// stream of its own, for in the old stream it would be a repeat, and it counts as scraped when its newest
/// sample was taken, so that nothing in it is ahead of its time any more.
pub(crate) fn of_samples(
    record: &Delivered,
    batch: &MetricBatch,
    samples: &[(Series, Sample)],
    (reason, detail): (&'static str, String),
    metrics: &Metrics,
) -> Outgoing {
    let series: Vec<Series> = samples.iter().map(|(series, _)| series.clone()).collect();
    let points: Vec<Point> = samples
        .iter()
        .enumerate()
        .map(|(i, (_, sample))| Point {
            series: SeriesRef(i as u32),
            timestamp: Timestamp::from_millis(sample.at_ms),
            value: sample.value,
        })
        .collect();
    let position = record.position;
    let target = format!("{} ({reason}, {}-{})", batch.stream.target, position.at.partition, position.offset);
    let stream = StreamKey { target: target.into(), ..batch.stream.clone() };
    let newest = points.iter().map(|point| point.timestamp).fold(batch.scraped, Timestamp::max);
    let mut encoder = MetricEncoder::new(stream, batch.epoch, EncoderConfig::default());
    let frame = encoder.encode(&Scrape {
        scraped: newest,
        progress: batch.progress,
        series: &series,
        points: &points,
    });
    message(record, reason, detail, frame.bytes, metrics)
}

/// A part of a record that can be read by itself, and put back.
pub(crate) fn of_part(
    record: &Delivered,
    part: Bytes,
    (reason, detail): (&'static str, String),
    metrics: &Metrics,
) -> Outgoing {
    message(record, reason, detail, part, metrics)
}

/// One window of one series that the store will not take, as the only message of a stream of its own. It
/// carries no header of its width: put back, it goes to the store and into no wider window a second time.
pub(crate) fn of_row(record: &Delivered, rejected: RejectedRow, metrics: &Metrics) -> Outgoing {
    const REASON: &str = "rejected";
    let RejectedRow { window, row, reason } = rejected;
    let position = record.position;
    let stream = format!("{REASON}/{}-{}/{}", position.at.partition, position.offset, row.id);
    let mut encoder = RollupEncoder::new(stream.into(), 1, EncoderConfig::default());
    let detail = format!("{}: {reason}", row.series.labels);
    let rollup = Rollup { series: SeriesRef(0), aggregate: row.aggregate };
    let frame = encoder.encode(window, true, &[row.series], &[rollup]);
    message(record, REASON, detail, frame.bytes, metrics)
}

fn message(
    record: &Delivered,
    reason: &'static str,
    detail: String,
    value: Bytes,
    metrics: &Metrics,
) -> Outgoing {
    let topic = record.position.at.topic;
    metrics.dead_letters.get_or_create(&Reason { topic: topic.as_str(), reason }).inc();
    let letter = DeadLetter {
        topic: topic.as_str().to_owned(),
        partition: record.position.at.partition,
        offset: record.position.offset,
        reason: reason.to_owned(),
        detail,
        observed: Timestamp::from_millis(sentinel_runtime::clock::now_millis()),
        role: "processor".to_owned(),
        key: record.record.key.clone(),
        value,
    };
    let letter =
        Record { key: letter.key(), value: letter.encode(), headers: Vec::new(), timestamp: letter.observed };
    let mut outgoing = Outgoing { topic: Topic::DeadLetters, route: Route::ByKey, record: letter };
    trace::follow(&record.record, std::slice::from_mut(&mut outgoing));
    outgoing
}
