//! `kube_horizontalpodautoscaler_*` and `kube_poddisruptionbudget_*`.

use serde_json::Value;

use super::super::json::{at, integer, list, text};
use super::super::quantity::from_json;
use super::Family;
use super::replicas::{created, fields, optional};

pub(super) fn autoscaler(hpa: &Value, family: &mut Family<'_>) {
    let info = [
        ("scaletargetref_api_version", text(hpa, "spec.scaleTargetRef.apiVersion")),
        ("scaletargetref_kind", text(hpa, "spec.scaleTargetRef.kind")),
        ("scaletargetref_name", text(hpa, "spec.scaleTargetRef.name")),
    ];
    family.gauge("kube_horizontalpodautoscaler_info", &info, 1.0);
    let table = [
        ("kube_horizontalpodautoscaler_metadata_generation", "metadata.generation"),
        ("kube_horizontalpodautoscaler_spec_max_replicas", "spec.maxReplicas"),
        ("kube_horizontalpodautoscaler_status_current_replicas", "status.currentReplicas"),
        ("kube_horizontalpodautoscaler_status_desired_replicas", "status.desiredReplicas"),
    ];
    fields(&table, hpa, family);
    let min = integer(hpa, "spec.minReplicas").unwrap_or(1);
    optional("kube_horizontalpodautoscaler_spec_min_replicas", Some(min), family);
    family.conditions("kube_horizontalpodautoscaler_status_condition", hpa);
    let name = "kube_horizontalpodautoscaler_spec_target_metric";
    for metric in list(hpa, "spec.metrics") {
        target_metric(name, metric, "target", family);
    }
    let name = "kube_horizontalpodautoscaler_status_target_metric";
    for metric in list(hpa, "status.currentMetrics") {
        target_metric(name, metric, "current", family);
    }
}

/// A metric of any source with its value, its average and its utilisation, as far as they are given.
fn target_metric(name: &str, metric: &Value, numbers: &str, family: &mut Family<'_>) {
    let source = match text(metric, "type") {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return,
    };
    let source = &metric[source];
    let metric_name = match text(source, "name") {
        "" => text(source, "metric.name"),
        name => name,
    };
    let numbers = &source[numbers];
    for (kind, field) in
        [("value", "value"), ("average", "averageValue"), ("utilization", "averageUtilization")]
    {
        if let Some(value) = at(numbers, field).and_then(from_json) {
            let labels = [("metric_name", metric_name), ("metric_target_type", kind)];
            family.gauge(name, &labels, value);
        }
    }
}

pub(super) fn disruption_budget(budget: &Value, family: &mut Family<'_>) {
    created("kube_poddisruptionbudget_created", budget, family);
    let table = [
        ("kube_poddisruptionbudget_status_current_healthy", "status.currentHealthy"),
        ("kube_poddisruptionbudget_status_desired_healthy", "status.desiredHealthy"),
        ("kube_poddisruptionbudget_status_expected_pods", "status.expectedPods"),
        ("kube_poddisruptionbudget_status_observed_generation", "status.observedGeneration"),
        ("kube_poddisruptionbudget_status_pod_disruptions_allowed", "status.disruptionsAllowed"),
    ];
    fields(&table, budget, family);
}
