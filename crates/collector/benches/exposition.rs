//! Reading of real scrapes, against `prometheus-parse`, the fastest public parser that is a crate
//! (`openmetrics-parser` and `prometheus-scrape` were tried too and are slower).

use std::hint::black_box;
use std::io::BufRead as _;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sentinel_collector::exposition::{Format, parse};

/// The first good body of a target in the recording; none if it is not there.
fn recorded(target: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/recordings/real-cluster-a/scrapes.jsonl.zst");
    let mut decoder = zstd::Decoder::new(std::fs::File::open(path).ok()?).ok()?;
    decoder.window_log_max(27).ok()?;
    let lines = std::io::BufReader::new(decoder).lines();
    lines.map_while(Result::ok).find_map(|line| {
        let scrape: serde_json::Value = serde_json::from_str(&line).ok()?;
        let is_wanted = scrape["target"] == target;
        scrape["body"].as_str().filter(|_| is_wanted).map(str::to_owned)
    })
}

fn read(body: &str, format: Format) -> f64 {
    let mut sum = 0.0;
    parse(body, format, |sample| sum += sample.value + sample.series.len() as f64).expect("a valid body");
    sum
}

fn read_labels(body: &str) -> usize {
    let mut n_labels = 0;
    parse(body, Format::Text, |sample| n_labels += sample.labels().map_or(0, |labels| labels.len()))
        .expect("a valid body");
    n_labels
}

fn read_with_reference(body: &str) -> usize {
    let lines = body.lines().map(|line| Ok(line.to_owned()));
    prometheus_parse::Scrape::parse(lines).expect("a valid body").samples.len()
}

fn exposition(criterion: &mut Criterion) {
    for target in ["kubelet/cadvisor", "apiserver/metrics"] {
        let Some(body) = recorded(target) else {
            #[expect(clippy::print_stdout, reason = "a skipped benchmark must say so")]
            {
                println!("SKIPPED: the recording with {target} is not there");
            }
            continue;
        };
        let mut n_samples = 0_u64;
        parse(&body, Format::Text, |_| n_samples += 1).expect("a valid body");
        let openmetrics = format!("{body}# EOF\n");
        let mut group = criterion.benchmark_group(target);
        group.throughput(Throughput::Elements(n_samples)).measurement_time(Duration::from_secs(3));
        group.sample_size(20).warm_up_time(Duration::from_secs(1));
        group.bench_function("text", |bencher| bencher.iter(|| read(black_box(&body), Format::Text)));
        group
            .bench_function("text with all labels", |bencher| bencher.iter(|| read_labels(black_box(&body))));
        group.bench_function("OpenMetrics, grammar", |bencher| {
            bencher.iter(|| read(black_box(&openmetrics), Format::OpenMetricsLenient));
        });
        group.bench_function("prometheus-parse", |bencher| {
            bencher.iter(|| read_with_reference(black_box(&body)));
        });
        group.finish();
    }
}

criterion_group!(benches, exposition);
criterion_main!(benches);
