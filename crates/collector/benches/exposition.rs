//! Reading of real scrapes, against the public parsers that are crates: `prometheus-parse` (the most used),
//! `prom_text_format_parser` (winnow) and `nom-openmetrics` (borrows names; knows no timestamps).
//! `openmetrics-parser` and `prometheus-scrape` were tried too and are slower than the first.

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

/// Number of samples that a reference finds; none if it cannot read the body. Lines of histograms and
/// summaries may be counted as one.
type Reference = (&'static str, fn(&str) -> Option<usize>);

const REFERENCES: [Reference; 3] = [
    ("prometheus-parse", |body| {
        let lines = body.lines().map(|line| Ok(line.to_owned()));
        Some(prometheus_parse::Scrape::parse(lines).ok()?.samples.len())
    }),
    ("prom_text_format_parser", |body| {
        let (metrics, error) = prom_text_format_parser::parse_scrape(body);
        error.is_none().then(|| metrics.iter().map(|metric| metric.samples.len()).sum())
    }),
    ("nom-openmetrics", |body| {
        let (_, families) = nom_openmetrics::parser::prometheus(body).ok()?;
        Some(families.iter().map(|family| family.samples.len()).sum())
    }),
];

#[expect(clippy::print_stdout, reason = "a benchmark says what it compares and what it skips")]
fn say(text: &str) {
    println!("{text}");
}

fn exposition(criterion: &mut Criterion) {
    for target in ["kubelet/cadvisor", "apiserver/metrics"] {
        let Some(body) = recorded(target) else {
            say(&format!("SKIPPED: the recording with {target} is not there"));
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
        for (name, read) in REFERENCES {
            let Some(n_found) = read(&body) else {
                say(&format!("SKIPPED: {name} cannot read {target}"));
                continue;
            };
            say(&format!("{name} finds {n_found} of {n_samples} samples"));
            group.bench_function(name, |bencher| bencher.iter(|| read(black_box(&body))));
        }
        group.finish();
    }
}

criterion_group!(benches, exposition);
criterion_main!(benches);
