//! The scrapes of one node.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sentinel_runtime::{Shutdown, spawn_blocking};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::reading::Health;
use super::route::Route;
use super::{Endpoint, KubeletReading, Kubelets};
use crate::sources::kubernetes::client::{Bounds, CallError};
use crate::sources::kubernetes::view::NodeFacts;
use crate::sources::schedule::Schedule;
use crate::{OutletError, PendingFrame, TargetKind};

pub(super) struct NodeScraper {
    kubelets: Kubelets,
    facts: Arc<NodeFacts>,
    route: Route,
    /// In the order in which they are read: what cAdvisor gives decides on what others may.
    readings: Vec<KubeletReading>,
}

/// Nobody takes frames any more.
struct Closed;

impl NodeScraper {
    pub(super) fn new(kubelets: Kubelets, facts: Arc<NodeFacts>) -> Self {
        let context = &kubelets.context;
        let bounds = Bounds {
            timeout: context.scrape_timeout.min(kubelets.config.interval),
            bytes: context.limits.body_bytes,
        };
        let route =
            Route::new(Arc::clone(&kubelets.connection), &kubelets.config, Arc::clone(&facts), bounds);
        let wanted = Endpoint::ALL.into_iter().filter(|endpoint| endpoint.is_wanted(&kubelets.config));
        let readings = wanted
            .map(|endpoint| {
                KubeletReading::new(endpoint, &facts.name, &kubelets.view, &context.outlet, context.limits)
            })
            .collect();
        Self { facts, route, readings, kubelets }
    }

    pub(super) async fn run(mut self, shutdown: Shutdown) {
        let target = format!("kubelet/{}", self.facts.name);
        let mut schedule = Schedule::new(&target, self.kubelets.config.interval);
        while shutdown.guard(schedule.next()).await.is_some() {
            if matches!(shutdown.guard(self.scrape_all()).await, Some(Err(Closed)) | None) {
                return;
            }
        }
    }

    async fn scrape_all(&mut self) -> Result<(), Closed> {
        let mut has_cadvisor = false;
        let mut failure = None;
        let mut silence: Option<String> = None;
        for i in 0..self.readings.len() {
            let endpoint = self.readings[i].endpoint();
            let hold = self.kubelets.context.outlet.hold();
            let began = Instant::now();
            // A kubelet that did not answer is not waited for once more in this round.
            let fetched = match &silence {
                Some(message) => Err(CallError::Unreachable { message: message.clone() }),
                None => self.route.fetch(endpoint).await,
            };
            if let Err(error @ (CallError::Unreachable { .. } | CallError::Timeout { .. })) = &fetched {
                silence.get_or_insert_with(|| error.to_string());
            }
            self.readings[i].set_has_cadvisor(has_cadvisor);
            let took = began.elapsed();
            let outcome = self.read(i, fetched, hold.scraped(), took).await;
            drop(hold);
            let (frame, error) = outcome;
            self.kubelets.context.metrics.scraped(TargetKind::Kubelet.as_str(), error.is_none());
            has_cadvisor |= endpoint == Endpoint::Cadvisor && error.is_none();
            failure = failure.or(error);
            publish(frame).await?;
        }
        self.kubelets.board.set(&self.facts.name, failure);
        Ok(())
    }

    /// The frame of a scrape, and why it failed if it did.
    async fn read(
        &mut self,
        i: usize,
        fetched: Result<Bytes, CallError>,
        scraped: sentinel_model::Timestamp,
        took: Duration,
    ) -> (PendingFrame, Option<String>) {
        let mut reading = self.readings.swap_remove(i);
        let endpoint = reading.endpoint();
        let metrics = Arc::clone(&self.kubelets.context.metrics);
        let (reading, frame, error) = spawn_blocking("kubelet", move || {
            let health = |up| {
                let duration = Health { name: "scrape_duration_seconds", value: took.as_secs_f64() };
                [Health { name: "up", value: up }, duration]
            };
            let read = match fetched {
                Ok(body) => reading
                    .read(&body, scraped, &health(1.0))
                    .map_err(|error| (error.reason(), error.to_string())),
                Err(error) => Err((error.reason(), error.to_string())),
            };
            match read {
                Ok((frame, counts)) => {
                    counts.note(endpoint, &metrics);
                    (reading, frame, None)
                }
                Err(error) => {
                    let frame = reading.failed(scraped, &health(0.0));
                    (reading, frame, Some(error))
                }
            }
        })
        .await;
        self.readings.push(reading);
        let last = self.readings.len() - 1;
        self.readings.swap(i, last);
        if let Some((reason, message)) = &error {
            debug!(node = &*self.facts.name, endpoint = endpoint.as_str(), message, "a scrape failed");
            self.kubelets.context.metrics.reject("kubelet", reason);
        }
        (frame, error.map(|(_, message)| format!("{}: {message}", endpoint.path())))
    }
}

async fn publish(frame: PendingFrame) -> Result<(), Closed> {
    match frame.publish().await {
        Ok(()) => Ok(()),
        Err(OutletError::Closed) => Err(Closed),
        Err(error) => {
            warn!(error = %error, "lost a frame of a kubelet");
            Ok(())
        }
    }
}
