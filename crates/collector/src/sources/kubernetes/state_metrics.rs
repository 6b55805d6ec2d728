//! Numbers about objects, under the names and labels of kube-state-metrics, computed once for each
//! state of an object and sent at every scrape.
//!
//! A family is either given as kube-state-metrics gives it (its rows of zeros included) or not at all;
//! the tests compare them with what a real kube-state-metrics said of the same objects. Every series
//! has `cluster` in addition, and `workload` and `workload_kind` where they apply. Left out on purpose: families that
//! copy every label, annotation or toleration of an object.

mod autoscaling;
mod batch;
mod container;
mod network;
mod node;
mod pod;
mod replicas;
mod storage;

use sentinel_model::{Labels, METRIC_NAME, MetricKind, Series, Timestamp, WorkloadRef};
use serde_json::Value;

use super::json::{list, text};
use super::kind::Kind;

/// One number of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StateSample {
    pub(crate) series: Series,
    pub(crate) value: f64,
}

/// What an object does not tell of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) workload: Option<&'a WorkloadRef>,
}

/// All numbers of an object.
pub(crate) fn state_samples(kind: Kind, object: &Value, home: Home<'_>) -> Vec<StateSample> {
    let mut family = Family::new(kind, object, home);
    match kind {
        Kind::Pod => pod::pod(object, &mut family),
        Kind::Node => node::node(object, &mut family),
        Kind::Namespace => node::namespace(object, &mut family),
        Kind::Deployment => replicas::deployment(object, &mut family),
        Kind::ReplicaSet => replicas::replica_set(object, &mut family),
        Kind::StatefulSet => replicas::stateful_set(object, &mut family),
        Kind::DaemonSet => replicas::daemon_set(object, &mut family),
        Kind::Job => batch::job(object, &mut family),
        Kind::CronJob => batch::cron_job(object, &mut family),
        Kind::Service => network::service(object, &mut family),
        Kind::EndpointSlice => network::endpoint_slice(object, &mut family),
        Kind::Ingress => network::ingress(object, &mut family),
        Kind::PersistentVolumeClaim => storage::claim(object, &mut family),
        Kind::HorizontalPodAutoscaler => autoscaling::autoscaler(object, &mut family),
        Kind::PodDisruptionBudget => autoscaling::disruption_budget(object, &mut family),
        Kind::Event => {}
    }
    family.samples
}

/// Collects the samples of one object; every one has the object's own labels.
struct Family<'a> {
    base: Vec<(&'a str, &'a str)>,
    samples: Vec<StateSample>,
}

impl<'a> Family<'a> {
    fn new(kind: Kind, object: &'a Value, home: Home<'a>) -> Self {
        let mut base = vec![
            ("cluster", home.cluster),
            ("namespace", text(object, "metadata.namespace")),
            (label_of(kind), text(object, "metadata.name")),
        ];
        if matches!(kind, Kind::Pod | Kind::Service) {
            base.push(("uid", text(object, "metadata.uid")));
        }
        if let Some(workload) = home.workload {
            base.push(("workload", &workload.name));
            base.push(("workload_kind", &workload.kind));
        }
        Self { base, samples: Vec::new() }
    }

    fn gauge(&mut self, name: &str, extra: &[(&str, &str)], value: f64) {
        self.add(name, MetricKind::Gauge, extra, value);
    }

    /// One row for each of `values`, 1 for the `actual` one and 0 for the others.
    fn one_of(&mut self, name: &str, label: &str, values: &[&str], actual: &str) {
        for value in values {
            self.gauge(name, &[(label, value)], bit(*value == actual));
        }
    }

    /// Nothing when there is no time.
    fn instant(&mut self, name: &str, extra: &[(&str, &str)], time: Option<Timestamp>) {
        if let Some(time) = time {
            // Whole seconds, as the API means them.
            self.gauge(name, extra, (time.as_millis() / 1000) as f64);
        }
    }

    /// Rows `true`, `false` and `unknown` of each condition.
    fn conditions(&mut self, name: &str, object: &Value) {
        for condition in list(object, "status.conditions") {
            self.condition(
                name,
                &[("condition", text(condition, "type"))],
                "status",
                text(condition, "status"),
            );
        }
    }

    fn condition(&mut self, name: &str, base: &[(&str, &str)], label: &str, status: &str) {
        for (value, is) in [("true", "True"), ("false", "False"), ("unknown", "Unknown")] {
            let labels: Vec<_> = base.iter().copied().chain([(label, value)]).collect();
            self.gauge(name, &labels, bit(status == is));
        }
    }

    fn add(&mut self, name: &str, kind: MetricKind, extra: &[(&str, &str)], value: f64) {
        let own = self.base.iter().filter(|(label, _)| extra.iter().all(|(other, _)| other != label));
        let pairs = own.chain(extra).copied().chain([(METRIC_NAME, name)]);
        // Only an extra label given twice could fail, and all extra labels are constants of this module
        // but for names that are made unique before.
        if let Ok(labels) = Labels::from_pairs(pairs) {
            self.samples.push(StateSample { series: Series { labels, kind }, value });
        }
    }
}

/// Label that holds an object's name.
const fn label_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Namespace => "namespace",
        Kind::Node => "node",
        Kind::ReplicaSet => "replicaset",
        Kind::Job => "job_name",
        Kind::Pod => "pod",
        Kind::Deployment => "deployment",
        Kind::StatefulSet => "statefulset",
        Kind::DaemonSet => "daemonset",
        Kind::CronJob => "cronjob",
        Kind::Service => "service",
        Kind::EndpointSlice => "endpointslice",
        Kind::PersistentVolumeClaim => "persistentvolumeclaim",
        Kind::HorizontalPodAutoscaler => "horizontalpodautoscaler",
        Kind::PodDisruptionBudget => "poddisruptionbudget",
        Kind::Ingress => "ingress",
        Kind::Event => "event",
    }
}

const fn bit(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

/// Letters, digits and `_`, as label values of resources are written.
fn sanitized(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests;
