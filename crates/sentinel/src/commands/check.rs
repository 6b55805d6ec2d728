//! `sentinel check metrics`: an exposition as the collector reads it, one JSON object a sample.

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::Context as _;
use sentinel_collector::exposition::{Format, Sample, decode_utf8};
use sentinel_collector::{FetchError, Terms, fetch_exposition};
use sentinel_model::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::{CheckMetricsArgs, Common, ExpositionFormat};
use crate::config::{self, Flags};

/// Exit status 1 and the error with its line for input that the collector would not take.
pub async fn metrics(args: &CheckMetricsArgs) -> anyhow::Result<ExitCode> {
    let CheckMetricsArgs { source, format, config } = args;
    let common = Common { config: config.clone(), ..Common::default() };
    let config = config::load(&common, Flags::default(), "run")?;
    let terms = Terms::of(&config.collector, &config.cluster, source).with_context(|| source.clone())?;
    let (body, answered) = read(source, &terms, config.collector.limits.body_bytes).await?;
    let text = match decode_utf8(&body) {
        Ok(text) => text,
        Err(error) => return Ok(refuse(source, &error)),
    };
    let is_guessed = format.is_none() && answered.is_none();
    let format = match format {
        Some(ExpositionFormat::Prometheus) => Format::Text,
        Some(ExpositionFormat::Openmetrics) => Format::OpenMetrics,
        Some(ExpositionFormat::OpenmetricsLenient) => Format::OpenMetricsLenient,
        None => match answered {
            Some(Ok(format)) => format,
            Some(Err(error)) => return Ok(refuse(source, &error)),
            None => Format::detect(text),
        },
    };
    let mut lines = Vec::new();
    if let Err(error) = terms.read(&body, format, |sample| lines.push(line(sample).to_string())) {
        if is_guessed && format == Format::OpenMetrics {
            eprintln!(
                "read as OpenMetrics, which its lines suggest; --format prometheus reads it as plain text"
            );
        }
        return Ok(refuse(source, &error));
    }
    if lines.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    super::print(&lines.join("\n"))
}

fn refuse(source: &str, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("{source}: {error}");
    ExitCode::FAILURE
}

/// Numbers that JSON does not have are text: `"NaN"`, `"+Inf"`, `"-Inf"`.
fn line(sample: &Sample<'_>) -> Value {
    let labels: Map<String, Value> =
        sample.pairs().map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect();
    let value = match sample.value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("+Inf"),
        f64::NEG_INFINITY => json!("-Inf"),
        value => json!(value),
    };
    json!({ "name": sample.name(), "labels": labels, "value": value, "timestamp_ms": sample.timestamp.map(Timestamp::as_millis) })
}

/// The body and, where it came with an answer, the format that this names.
async fn read(
    source: &str,
    terms: &Terms,
    max_bytes: u64,
) -> anyhow::Result<(Vec<u8>, Option<Result<Format, FetchError>>)> {
    if source.starts_with("http://") || source.starts_with("https://") {
        let fetched = fetch_exposition(terms).await.with_context(|| source.to_owned())?;
        return Ok((fetched.body, Some(fetched.format)));
    }
    let mut body = Vec::new();
    if source == "-" {
        std::io::stdin().take(max_bytes + 1).read_to_end(&mut body).context("read standard input")?;
    } else {
        let file = std::fs::File::open(source)
            .with_context(|| format!("{source} cannot be opened; give a file, an http(s) URL or -"))?;
        file.take(max_bytes + 1).read_to_end(&mut body).with_context(|| format!("read {source}"))?;
    }
    anyhow::ensure!(
        body.len() as u64 <= max_bytes,
        "{source} has more than {max_bytes} bytes (collector.limits.body_bytes)"
    );
    Ok((body, None))
}
