//! The metric codec on the first minutes of a real cluster's recorded scrapes.

mod support;

use sentinel_model::{Point, StreamKey, Timestamp};
use sentinel_proto::{EncoderConfig, MetricDecoder, MetricEncoder, Scrape};
use support::{Scraped, Target};

const N_SCRAPES: usize = 9;

fn encoder(name: &str, key_interval: u32) -> MetricEncoder {
    let stream = StreamKey {
        cluster: "real-cluster-a".into(),
        collector: "collector-0".into(),
        target: format!("{name}/node-1").into(),
    };
    MetricEncoder::new(stream, 1_732_179_078_000, EncoderConfig { key_interval, ..EncoderConfig::default() })
}

fn scrape<'a>(target: &'a Target, scraped: &'a Scraped) -> Scrape<'a> {
    Scrape {
        scraped: scraped.scraped,
        progress: scraped.scraped,
        series: &target.series[..scraped.n_series],
        points: &scraped.points,
    }
}

fn sorted(points: &[Point]) -> Vec<(u32, Timestamp, u64)> {
    let mut points: Vec<_> =
        points.iter().map(|point| (point.series.0, point.timestamp, point.value.to_bits())).collect();
    points.sort_by_key(|point| (point.0, point.1));
    points
}

#[test]
fn gives_back_every_sample_of_a_real_cluster() {
    let Some(targets) = support::recorded(N_SCRAPES) else { return };
    assert_eq!(targets.len(), 6, "of seven targets the summary is not an exposition");
    for (name, target) in &targets {
        let (mut encoder, mut decoder) = (encoder(name, 4), MetricDecoder::new());
        let mut defined = Vec::new();
        for scraped in &target.scrapes {
            let frame = encoder.encode(&scrape(target, scraped));
            assert_eq!(frame.n_dropped, 0);
            let batch = decoder.decode(&frame.bytes).expect("a frame just written");
            assert_eq!(sorted(&batch.points), sorted(&scraped.points), "{name} at {}", scraped.scraped);
            for (number, series) in batch.defined {
                defined.resize_with(defined.len().max(number.0 as usize + 1), || None);
                defined[number.0 as usize] = Some(series);
            }
        }
        assert_eq!(defined.into_iter().flatten().collect::<Vec<_>>(), target.series, "{name}");
    }
}

#[test]
fn a_kubelet_sample_costs_less_than_a_byte_in_a_delta_frame() {
    let Some(targets) = support::recorded(N_SCRAPES) else { return };
    let (mut n_bytes, mut n_samples) = (0, 0);
    for (name, target) in targets.iter().filter(|(name, _)| name.starts_with("kubelet/")) {
        let mut encoder = encoder(name, u32::MAX);
        for (i, scraped) in target.scrapes.iter().enumerate() {
            let frame = encoder.encode(&scrape(target, scraped));
            // The first is the key frame; in the second each series' habits are not known yet.
            if i >= 2 {
                n_bytes += frame.bytes.len();
                n_samples += scraped.points.len();
            }
        }
    }
    let per_sample = n_bytes as f64 / n_samples as f64;
    eprintln!("{per_sample:.3} bytes a sample in delta frames");
    assert!(per_sample < 0.6, "{per_sample:.3} bytes a sample");
}
