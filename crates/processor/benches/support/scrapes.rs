//! Recorded scrapes as the frames that a collector would send, on any number of nodes alike and for as
//! long as is wished: the recording is played in laps, each later than the one before.

use std::collections::BTreeMap;

use bytes::Bytes;
use sentinel_bus::{Delivered, Position, Record, TopicPartition};
use sentinel_model::{Labels, Point, Series, StreamKey, Timestamp, Topic};
use sentinel_proto::{EncoderConfig, MetricEncoder, Scrape};

use super::recording::Target;

/// One node's targets, each with its encoder.
pub struct Node<'a> {
    streams: Vec<Stream<'a>>,
}

struct Stream<'a> {
    target: &'a Target,
    series: Vec<Series>,
    encoder: MetricEncoder,
}

/// A message for the processor, and the samples in it.
pub struct Frame {
    pub scraped: Timestamp,
    pub bytes: Bytes,
    pub n_samples: usize,
}

impl<'a> Node<'a> {
    /// The kubelet's targets of the recorded node, on a node called `name`.
    pub fn new(targets: &'a BTreeMap<String, Target>, name: &str) -> Self {
        let stream = |(target, recorded): (&String, &'a Target)| {
            let key = StreamKey {
                cluster: "real-cluster-a".into(),
                collector: "collector-0".into(),
                target: format!("{target}/{name}").into(),
            };
            let encoder = MetricEncoder::new(key, 1_732_179_078_000, EncoderConfig::default());
            let series = recorded.series.iter().map(|series| on_node(series, name)).collect();
            Stream { target: recorded, series, encoder }
        };
        let kubelet = targets.iter().filter(|(target, _)| target.starts_with("kubelet/"));
        Self { streams: kubelet.map(stream).collect() }
    }

    /// Every scrape once, `shift_ms` later than it was recorded, in order of time.
    pub fn frames(&mut self, shift_ms: i64) -> Vec<Frame> {
        let mut frames: Vec<Frame> =
            self.streams.iter_mut().flat_map(|stream| stream.frames(shift_ms)).collect();
        frames.sort_by_key(|frame| frame.scraped);
        frames
    }
}

impl Stream<'_> {
    fn frames(&mut self, shift_ms: i64) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(self.target.scrapes.len());
        for scrape in &self.target.scrapes {
            let shifted = |point: &Point| Point {
                timestamp: point.timestamp.saturating_add_millis(shift_ms),
                ..*point
            };
            let points: Vec<Point> = scrape.points.iter().map(shifted).collect();
            let scraped = scrape.scraped.saturating_add_millis(shift_ms);
            let n_series = if shift_ms == 0 { scrape.n_series } else { self.series.len() };
            let series = &self.series[..n_series];
            let encoded =
                self.encoder.encode(&Scrape { scraped, progress: scraped, series, points: &points });
            frames.push(Frame { scraped, bytes: encoded.bytes, n_samples: points.len() });
        }
        frames
    }
}

/// The frame as a consumer gets it.
pub fn delivered(frame: &Frame, offset: u64) -> Delivered {
    let at = TopicPartition { topic: Topic::Metrics, partition: 0 };
    let record = Record {
        key: Bytes::new(),
        value: frame.bytes.clone(),
        headers: Vec::new(),
        timestamp: frame.scraped,
    };
    Delivered { position: Position { at, offset }, record, appended: None }
}

/// Pods of another node are other pods.
fn on_node(series: &Series, name: &str) -> Series {
    let pairs = series.labels.iter().map(|(label, value)| {
        let value = match label {
            "node" => name.to_owned(),
            "pod" | "id" => format!("{value}-{name}"),
            _ => value.to_owned(),
        };
        (label.to_owned(), value)
    });
    Series { labels: Labels::from_pairs(pairs).expect("names stay unique"), kind: series.kind }
}
