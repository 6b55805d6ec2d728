//! Cases and dumps that others wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Format, Sample, decode_utf8, parse};

/// The folder of conformance inputs, unless it is not there (then says so).
fn folder(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/conformance").join(name);
    if path.is_dir() {
        return Some(path);
    }
    #[expect(clippy::print_stdout, reason = "a skipped test must say so")]
    {
        println!("SKIPPED: {} is not there", path.display());
    }
    None
}

fn read(path: &Path) -> String {
    let mut bytes = std::fs::read(path).expect("a readable file");
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut plain).expect("gzip");
        bytes = plain;
    }
    decode_utf8(&bytes).expect("UTF-8").to_owned()
}

#[derive(Deserialize)]
struct Case {
    case: String,
    should_parse: bool,
    text: String,
}

#[test]
fn accepts_and_rejects_every_openmetrics_case_as_its_authors_do() {
    let Some(folder) = folder("openmetrics") else { return };
    let mut wrong = Vec::new();
    let mut n_cases = 0;
    for line in read(&folder.join("cases.jsonl")).lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        n_cases += 1;
        let result = parse(&case.text, Format::OpenMetrics, |_| ());
        if result.is_ok() != case.should_parse {
            wrong.push((case.case, result));
        }
    }
    assert!(wrong.is_empty(), "{} of {n_cases} are wrong: {wrong:#?}", wrong.len());
    assert_eq!(n_cases, 140);
}

/// What `counts.csv` says of a dump.
#[derive(Debug, Default)]
struct Counts {
    samples: usize,
    names: BTreeSet<String>,
    label_names: BTreeSet<String>,
    max_labels: usize,
    timestamps: usize,
    nan: usize,
    inf: usize,
    sum: f64,
    /// Rounding error of the sum (Neumaier), for 1e-9 across twenty orders of magnitude.
    lost: f64,
}

impl Counts {
    fn add(&mut self, sample: &Sample<'_>) {
        let pairs: Vec<_> = sample.pairs().collect();
        self.samples += 1;
        self.names.insert(sample.name().into_owned());
        self.max_labels = self.max_labels.max(pairs.len());
        self.label_names.extend(pairs.into_iter().map(|(name, _)| name.into_owned()));
        self.timestamps += usize::from(sample.timestamp.is_some());
        self.nan += usize::from(sample.value.is_nan());
        self.inf += usize::from(sample.value.is_infinite());
        if sample.value.is_finite() {
            let sum = self.sum + sample.value;
            let (large, small) = if self.sum.abs() >= sample.value.abs() {
                (self.sum, sample.value)
            } else {
                (sample.value, self.sum)
            };
            self.lost += (large - sum) + small;
            self.sum = sum;
        }
    }
}

#[test]
fn counts_every_dump_as_it_was_counted_independently() {
    let Some(folder) = folder("prometheus-text") else { return };
    let table = read(&folder.join("counts.csv"));
    let mut rows = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = rows.next().expect("a header");
    let mut n_files = 0;
    for row in rows {
        let field = |name: &str| row[header.iter().position(|column| *column == name).expect("a column")];
        let count = |name: &str| field(name).parse::<usize>().expect("a count");
        let file = field("file");
        let body = read(&folder.join(file));
        let format = if field("format") == "openmetrics" { Format::OpenMetricsLenient } else { Format::Text };
        let is_openmetrics = Format::detect(&body) == Format::OpenMetrics;
        // One dump of plain text ends like OpenMetrics; nothing else tells it apart.
        let ends_so = body.trim_end().ends_with("# EOF");
        assert_eq!(is_openmetrics, format == Format::OpenMetricsLenient || ends_so, "format of {file}");
        let mut counts = Counts::default();
        parse(&body, format, |sample| counts.add(sample)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(counts.samples, count("sample_lines"), "samples of {file}");
        assert_eq!(counts.names.len(), count("distinct_sample_names"), "names of {file}");
        assert_eq!(counts.label_names.len(), count("distinct_label_names"), "label names of {file}");
        assert_eq!(counts.max_labels, count("max_labels"), "labels of a sample of {file}");
        assert_eq!(counts.timestamps, count("with_timestamp"), "timestamps of {file}");
        assert_eq!((counts.nan, counts.inf), (count("nan"), count("inf")), "NaN and infinities of {file}");
        let (sum, expected) = (counts.sum + counts.lost, field("sum_finite").parse::<f64>().expect("a sum"));
        assert!((sum - expected).abs() <= 1e-9 * expected.abs(), "sum of {file}: {sum} is not {expected}");
        n_files += 1;
    }
    assert_eq!(n_files, 36);
}

/// Samples without their names: labels, value bits and time in milliseconds.
type Bag = BTreeMap<(BTreeMap<String, String>, String, Option<i64>), usize>;

/// One point of line protocol: `measurement,tag=value… field=value… [nanoseconds]`.
fn add_point(line: &str, bag: &mut Bag) {
    let mut parts = split_unescaped(line, ' ').into_iter();
    let series = parts.next().expect("a series");
    let fields = parts.next().expect("fields");
    let millis = parts.next().map(|nanos| nanos.parse::<i64>().expect("a time") / 1_000_000);
    let pair = |text: &str| {
        let at = text.find('=').expect("a pair");
        (text[..at].to_owned(), text[at + 1..].replace("\\ ", " ").replace("\\,", ",").replace("\\=", "="))
    };
    let labels: BTreeMap<String, String> = split_unescaped(&series, ',')
        .iter()
        .skip(1)
        .map(|tag| pair(tag))
        .filter(|(name, _)| name != "_type" && name != "unit")
        .collect();
    for field in split_unescaped(&fields, ',') {
        let (_, value) = pair(&field);
        let value: f64 = value.trim_end_matches(['i', 'u']).parse().expect("a number");
        *bag.entry((labels.clone(), value.to_string(), millis)).or_default() += 1;
    }
}

fn split_unescaped(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_escaped = false;
    for c in text.chars() {
        if c == separator && !is_escaped {
            parts.push(String::new());
        } else {
            parts.last_mut().expect("one at least").push(c);
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    parts
}

#[test]
fn agrees_with_the_points_that_telegraf_makes() {
    let Some(folder) = folder("prometheus-text") else { return };
    let mut n_cases = 0;
    for (parser, format) in [("openmetrics", Format::OpenMetricsLenient), ("prometheus", Format::Text)] {
        for case in std::fs::read_dir(folder.join("telegraf-goldens").join(parser)).expect("cases") {
            let case = case.expect("an entry").path();
            // The protobuf exposition is another format, which is not asked for when scraping.
            if !case.join("input.txt").is_file() {
                continue;
            }
            let mut expected = Bag::new();
            for line in read(&case.join("expected_v2.out")).lines().filter(|line| !line.trim().is_empty()) {
                add_point(line, &mut expected);
            }
            let has_times = expected.keys().any(|(_, _, millis)| millis.is_some());
            let mut found = Bag::new();
            parse(&read(&case.join("input.txt")), format, |sample| {
                let labels = sample.pairs().filter(|(_, value)| !value.is_empty());
                let labels = labels.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
                let millis = sample.timestamp.filter(|_| has_times).map(sentinel_model::Timestamp::as_millis);
                *found.entry((labels, sample.value.to_string(), millis)).or_default() += 1;
            })
            .unwrap_or_else(|error| panic!("{}: {error}", case.display()));
            // Telegraf leaves out the sample without labels where samples with labels follow it.
            found.retain(|sample, _| !sample.0.is_empty() || expected.contains_key(sample));
            assert_eq!(found, expected, "{}", case.display());
            n_cases += 1;
        }
    }
    assert_eq!(n_cases, 13);
}
