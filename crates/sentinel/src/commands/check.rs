//! `sentinel check metrics`: an exposition as the collector reads it, one JSON object a sample.

use std::io::{BufWriter, Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use sentinel_collector::exposition::{Format, Sample, decode_utf8, parse};
use sentinel_collector::{FetchError, Limits, fetch_exposition};
use sentinel_model::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::ExpositionFormat;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Exit status 1 and the error with its line for input that is not valid.
pub async fn metrics(source: &str, format: Option<ExpositionFormat>) -> anyhow::Result<ExitCode> {
    let (body, answered) = read(source).await?;
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
    if let Err(error) = parse(text, format, |sample| lines.push(line(sample))) {
        if is_guessed && format == Format::OpenMetrics {
            eprintln!(
                "read as OpenMetrics, which its lines suggest; --format prometheus reads it as plain text"
            );
        }
        return Ok(refuse(source, &error));
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
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
async fn read(source: &str) -> anyhow::Result<(Vec<u8>, Option<Result<Format, FetchError>>)> {
    let limits = Limits::default();
    if source.starts_with("http://") || source.starts_with("https://") {
        let fetched = fetch_exposition(source, &limits, TIMEOUT).await.with_context(|| source.to_owned())?;
        return Ok((fetched.body, Some(fetched.format)));
    }
    let max_bytes = limits.body_bytes;
    let mut body = Vec::new();
    if source == "-" {
        std::io::stdin().take(max_bytes + 1).read_to_end(&mut body).context("read standard input")?;
    } else {
        let file = std::fs::File::open(source).with_context(|| format!("open {source}"))?;
        file.take(max_bytes + 1).read_to_end(&mut body).with_context(|| format!("read {source}"))?;
    }
    anyhow::ensure!(body.len() as u64 <= max_bytes, "{source} has more than {max_bytes} bytes");
    Ok((body, None))
}
