//! Asking the server: a query goes out, records come back one by one.

use std::time::Instant;

use influxdb2::models::Query;
use influxdb2::models::ast::Dialect;
use influxdb2::models::ast::dialect::Annotations;
use reqwest::{Method, StatusCode};

use super::csv::{CsvError, CsvReader, Header, Record};
use super::flux::Flux;
use super::http::{Answer, MAX_MESSAGE_BYTES};
use super::server::Server;
use crate::MetricStoreError;

/// Bytes of one answer, unpacked: what ten thousand series with a day of 10 s windows would take is refused
/// long before by the bounds of a query.
const MAX_ANSWER_BYTES: usize = 512 << 20;

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Whole,
    /// The reader had enough.
    Stopped,
}

impl Server {
    /// Calls back for each record of the answer, until it gives [`CsvError::Stopped`].
    ///
    /// # Errors
    /// Those of the server, and an answer that breaks off or is no result.
    pub(crate) async fn query(
        &self,
        flux: Flux,
        mut each: impl FnMut(&Header, Record<'_>) -> Result<(), CsvError>,
    ) -> Result<Read, MetricStoreError> {
        self.check_reads()?;
        if self.http.is_silent() {
            // Known to be away: nobody is to wait for the time-out again. What it refuses to take concerns
            // only those who write.
            self.gate.look()?;
        }
        let began = Instant::now();
        let read = self.read_answer(&flux, &mut each).await;
        self.metrics.query_seconds.observe(began.elapsed().as_secs_f64());
        tracing::debug!(flux = flux.text(), seconds = began.elapsed().as_secs_f64(), ?read, "asked InfluxDB");
        read
    }

    async fn read_answer(
        &self,
        flux: &Flux,
        each: &mut impl FnMut(&Header, Record<'_>) -> Result<(), CsvError>,
    ) -> Result<Read, MetricStoreError> {
        let dialect = Dialect { annotations: vec![Annotations::Datatype], ..Dialect::default() };
        let query = Query { dialect: Some(dialect), ..Query::new(flux.text().to_owned()) };
        let request = self.http.request(Method::POST, "/api/v2/query");
        let request = request.query(&[("org", self.config.org.as_str())]).json(&query);
        let mut response = self.http.send(request).await?;
        if !response.status().is_success() {
            let mut answer =
                Answer { status: response.status(), headers: response.headers().clone(), body: Vec::new() };
            while let Some(chunk) = self.http.chunk(&mut response).await? {
                let room = MAX_MESSAGE_BYTES - answer.body.len();
                answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() >= room {
                    break;
                }
            }
            if answer.status == StatusCode::NOT_FOUND && answer.text().contains("could not find bucket") {
                // Nothing was ever written there. That it is to be there is for the probe to say.
                return Ok(Read::Whole);
            }
            return Err(self.http.refusal(&answer));
        }
        let mut reader = CsvReader::new();
        let mut n_bytes = 0usize;
        while let Some(chunk) = self.http.chunk(&mut response).await? {
            n_bytes += chunk.len();
            if n_bytes > MAX_ANSWER_BYTES {
                let message = "an answer of InfluxDB is larger than 512 MiB; take a shorter range".to_owned();
                return Err(MetricStoreError::Storage { message });
            }
            match reader.read(&chunk, each) {
                Ok(()) => {}
                Err(CsvError::Stopped) => return Ok(Read::Stopped),
                Err(error) => return Err(failure(&error)),
            }
        }
        match reader.finish(each) {
            Ok(()) => Ok(Read::Whole),
            Err(CsvError::Stopped) => Ok(Read::Stopped),
            Err(error) => Err(failure(&error)),
        }
    }
}

fn failure(error: &CsvError) -> MetricStoreError {
    let message = format!("InfluxDB: {error}");
    match error {
        CsvError::Truncated => MetricStoreError::Unavailable { message, retry_after: None },
        CsvError::Failed(_) => MetricStoreError::Storage { message },
        CsvError::Malformed(_) | CsvError::Stopped => MetricStoreError::Corrupt { message },
    }
}
