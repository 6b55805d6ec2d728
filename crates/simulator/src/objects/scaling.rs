//! HorizontalPodAutoscalers and PodDisruptionBudgets.

use super::{Meta, whole};
use crate::store::Kind;
use crate::world::{Autoscaler, Budget, Workload};

/// `used` is the pods' mean CPU in millicores.
pub fn autoscaler(workload: &Workload, scaler: &Autoscaler, used: i64, version: u64) -> String {
    let meta = Meta {
        name: &workload.name,
        namespace: &workload.namespace,
        uid: Some(scaler.uid),
        version,
        generation: scaler.generation,
        created: workload.created,
        ..Meta::default()
    };
    let utilization = used * 100 / workload.app.cpu.request.max(1);
    whole(Kind::HorizontalPodAutoscaler, &meta, |object| {
        object.object("spec", |spec| {
            spec.object("scaleTargetRef", |target| {
                target.text("kind", "Deployment");
                target.text("name", &workload.name);
                target.text("apiVersion", "apps/v1");
            });
            spec.number("minReplicas", i64::from(scaler.min));
            spec.number("maxReplicas", i64::from(scaler.max));
            spec.raw(
                "metrics",
                &format!(
                    r#"[{{"type":"Resource","resource":{{"name":"cpu","target":{{"type":"Utilization","averageUtilization":{}}}}}}}]"#,
                    scaler.utilization
                ),
            );
        });
        object.object("status", |status| {
            status.number("observedGeneration", scaler.generation);
            if let Some(at) = scaler.scaled {
                status.time("lastScaleTime", at);
            }
            status.number("currentReplicas", i64::from(workload.replicas));
            status.number("desiredReplicas", i64::from(scaler.desired));
            status.raw(
                "currentMetrics",
                &format!(
                    r#"[{{"type":"Resource","resource":{{"name":"cpu","current":{{"averageUtilization":{utilization},"averageValue":"{used}m"}}}}}}]"#
                ),
            );
            status.array("conditions", |conditions| {
                let is_limited = scaler.desired == scaler.max || scaler.desired == scaler.min;
                let limit = match (is_limited, scaler.desired == scaler.max) {
                    (false, _) => ("False", "DesiredWithinRange", "the desired count is within the acceptable range"),
                    (true, true) => ("True", "TooManyReplicas", "the desired replica count is more than the maximum replica count"),
                    (true, false) => ("True", "TooFewReplicas", "the desired replica count is less than the minimum replica count"),
                };
                for (name, (is, reason, message)) in [
                    ("AbleToScale", ("True", "ReadyForNewScale", "recommended size matches current size")),
                    (
                        "ScalingActive",
                        ("True", "ValidMetricFound", "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)"),
                    ),
                    ("ScalingLimited", limit),
                ] {
                    conditions.object(|c| {
                        c.text("type", name);
                        c.text("status", is);
                        c.time("lastTransitionTime", workload.created);
                        c.text("reason", reason);
                        c.text("message", message);
                    });
                }
            });
        });
    })
}

pub fn budget(workload: &Workload, budget: &Budget, version: u64) -> String {
    let meta = Meta {
        name: &workload.name,
        namespace: &workload.namespace,
        uid: Some(budget.uid),
        version,
        generation: 1,
        created: workload.created,
        ..Meta::default()
    };
    let allowed = i64::from(budget.healthy) - i64::from(budget.min_available);
    whole(Kind::PodDisruptionBudget, &meta, |object| {
        object.object("spec", |spec| {
            spec.number("minAvailable", i64::from(budget.min_available));
            let first = workload.current().template.labels.iter().next();
            spec.object("selector", |selector| selector.map("matchLabels", first));
        });
        object.object("status", |status| {
            status.number("observedGeneration", 1);
            status.number("disruptionsAllowed", allowed.max(0));
            status.number("currentHealthy", i64::from(budget.healthy));
            status.number("desiredHealthy", i64::from(budget.min_available));
            status.number("expectedPods", i64::from(budget.expected));
            status.array("conditions", |conditions| {
                conditions.object(|c| {
                    c.text("type", "DisruptionAllowed");
                    c.text("status", if budget.is_allowed { "True" } else { "False" });
                    c.number("observedGeneration", 1);
                    c.time("lastTransitionTime", budget.since);
                    c.text("reason", if budget.is_allowed { "SufficientPods" } else { "InsufficientPods" });
                    c.text("message", "");
                });
            });
        });
    })
}
