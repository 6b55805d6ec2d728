//! Kinds of metrics: points of the bucket `<prefix>_meta`. A tag would change the identity of a series.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ahash::HashMap;
use parking_lot::Mutex;
use sentinel_model::MetricKind;

use super::flux::{Flux, Predicate};
use super::lines::{Lines, RowAt};
use super::server::Server;
use super::text::{original, put_value};
use crate::{InfluxdbVersion, MetricStoreError};

const MEASUREMENT: &str = "metric";
const TAG: &str = "name";
const FIELD: &str = "kind";
/// All of them at one instant: the kind of a metric has no time.
const AT: &str = "0";
/// More metrics than this are not known by their kind.
const MAX_KINDS: usize = 100_000;
/// Kinds that are missing are looked for this often at most.
const FRESH: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(crate) struct Kinds(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: HashMap<String, MetricKind>,
    /// Known here and perhaps not to the server.
    unsaved: BTreeMap<String, MetricKind>,
    read_at: Option<Instant>,
}

impl Kinds {
    /// Takes note of a kind, unless another one came first.
    pub(crate) fn note(&self, metric: &str, kind: MetricKind) {
        let mut state = self.0.lock();
        let has_room = state.known.len() < MAX_KINDS;
        if kind == MetricKind::Unknown || state.known.contains_key(metric) || !has_room {
            return;
        }
        state.known.insert(metric.to_owned(), kind);
        state.unsaved.insert(metric.to_owned(), kind);
    }

    /// Writes the kinds that came since the last time. What the server knows already stays.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn save(&self, server: &Server) -> Result<(), MetricStoreError> {
        let is_read = server.config.version == InfluxdbVersion::V2;
        if !is_read || self.0.lock().unsaved.is_empty() {
            return Ok(());
        }
        self.read(server).await?;
        let unsaved = self.0.lock().unsaved.clone();
        let mut lines = Lines::default();
        for (metric, kind) in &unsaved {
            lines.push(RowAt { window: 0, row: 0 }, |out| {
                out.extend_from_slice(format!("{MEASUREMENT},{TAG}=").as_bytes());
                put_value(out, metric);
                out.extend_from_slice(format!(" {FIELD}=\"{}\" {AT}", kind.as_str()).as_bytes());
            });
        }
        server.deliver(&server.meta_bucket(), lines).await?;
        self.0.lock().unsaved.retain(|metric, _| !unsaved.contains_key(metric));
        Ok(())
    }

    /// Kinds of metrics by their names, read anew if some are missing.
    ///
    /// # Errors
    /// Those of the server.
    pub(crate) async fn of<'a>(
        &self,
        server: &Server,
        metrics: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<HashMap<String, MetricKind>, MetricStoreError> {
        let is_due = {
            let state = self.0.lock();
            let is_missing = metrics.clone().any(|metric| !state.known.contains_key(metric));
            is_missing && state.read_at.is_none_or(|at| at.elapsed() >= FRESH)
        };
        if is_due {
            self.read(server).await?;
        }
        let state = self.0.lock();
        let kind = |metric: &str| Some((metric.to_owned(), *state.known.get(metric)?));
        Ok(metrics.filter_map(kind).collect())
    }

    async fn read(&self, server: &Server) -> Result<(), MetricStoreError> {
        let flux = Flux::from(server.meta_bucket())
            .ever()
            .filter(vec![Predicate::measurement(MEASUREMENT), Predicate::field(FIELD)])
            .group(&[])
            .keep(&[TAG, "_value"])
            .limit(MAX_KINDS);
        let mut found = Vec::new();
        server
            .query(flux, |header, record| {
                let name = record.column(header.find(TAG)?)?;
                let kind = match record.column(header.find("_value")?)? {
                    "gauge" => MetricKind::Gauge,
                    "counter" => MetricKind::Counter,
                    _ => return Ok(()),
                };
                found.push((original(name).into_owned(), kind));
                Ok(())
            })
            .await?;
        let mut state = self.0.lock();
        for (metric, kind) in found {
            state.unsaved.remove(&metric);
            state.known.insert(metric, kind);
        }
        state.read_at = Some(Instant::now());
        Ok(())
    }
}
