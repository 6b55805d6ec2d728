//! `sentinel check metrics`: an exposition as the collector reads it, one JSON object a sample.

use std::io::{BufWriter, Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use sentinel_collector::exposition::{Format, Sample, decode_utf8, parse};
use sentinel_model::Timestamp;
use serde_json::{Map, Value, json};

use crate::cli::ExpositionFormat;

/// Larger inputs are refused, as the collector would.
const MAX_BYTES: u64 = 64 << 20;

/// Exit status 1 and the error with its line for input that is not valid.
pub async fn metrics(source: &str, format: Option<ExpositionFormat>) -> anyhow::Result<ExitCode> {
    let (body, answered) = read(source).await?;
    let text = match decode_utf8(&body) {
        Ok(text) => text,
        Err(error) => return Ok(refuse(source, &error)),
    };
    let format = match format {
        Some(ExpositionFormat::Prometheus) => Format::Text,
        Some(ExpositionFormat::Openmetrics) => Format::OpenMetrics,
        None => answered.unwrap_or_else(|| Format::detect(text)),
    };
    let mut lines = Vec::new();
    if let Err(error) = parse(text, format, |sample| lines.push(line(sample))) {
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

async fn read(source: &str) -> anyhow::Result<(Vec<u8>, Option<Format>)> {
    if source.starts_with("http://") || source.starts_with("https://") {
        return fetch(source).await;
    }
    let mut body = Vec::new();
    if source == "-" {
        std::io::stdin().take(MAX_BYTES + 1).read_to_end(&mut body).context("read standard input")?;
    } else {
        let file = std::fs::File::open(source).with_context(|| format!("open {source}"))?;
        file.take(MAX_BYTES + 1).read_to_end(&mut body).with_context(|| format!("read {source}"))?;
    }
    anyhow::ensure!(body.len() as u64 <= MAX_BYTES, "{source} has more than {MAX_BYTES} bytes");
    Ok((body, None))
}

async fn fetch(url: &str) -> anyhow::Result<(Vec<u8>, Option<Format>)> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(10))
        .build()?;
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let mut response =
        client.get(url).header("accept", accept).send().await.with_context(|| format!("fetch {url}"))?;
    anyhow::ensure!(response.status().is_success(), "{url} answered {}", response.status());
    let kind = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    let format = kind.and_then(Format::from_content_type);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.with_context(|| format!("read {url}"))? {
        body.extend_from_slice(&chunk);
        anyhow::ensure!(body.len() as u64 <= MAX_BYTES, "{url} has more than {MAX_BYTES} bytes");
    }
    Ok((body, format))
}
