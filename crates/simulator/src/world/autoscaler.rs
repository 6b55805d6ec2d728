//! The HorizontalPodAutoscaler controller.

use super::{Action, Subject, WorkloadId, World};
use crate::store::Kind;
use crate::time::{MINUTE, SECOND};

const PERIOD: i64 = 15 * SECOND;

/// Fewer pods must have been enough for so long before some go.
const STABILIZATION: i64 = 5 * MINUTE;

/// Utilisation may be off its target by so much.
const TOLERANCE: f64 = 0.1;

impl World {
    pub(super) fn autoscale(&mut self, id: WorkloadId) {
        self.after(PERIOD, Action::Autoscale(id));
        let workload = &self.workloads[id.0 as usize];
        let (Some(scaler), Some(used)) = (&workload.autoscaler, self.mean_millicores(workload)) else {
            return;
        };
        if workload.is_deleted || workload.is_rolling() {
            return;
        }
        let utilization = used * 100.0 / workload.app.cpu.request as f64;
        let ratio = utilization / scaler.utilization as f64;
        let current = workload.replicas;
        let wanted = match (ratio - 1.0).abs() > TOLERANCE {
            true => (f64::from(current) * ratio).ceil() as u32,
            false => current,
        };
        let wanted = wanted.clamp(scaler.min, scaler.max);
        let desired = self.stabilized(id, current, wanted);
        let Some(scaler) = &mut self.workloads[id.0 as usize].autoscaler else { return };
        scaler.desired = desired;
        if desired != current {
            self.rescale(id, current, desired);
        }
        self.publish_autoscaler(id, used as i64);
    }

    /// More pods at once, fewer only after a while.
    fn stabilized(&mut self, id: WorkloadId, current: u32, wanted: u32) -> u32 {
        let now = self.now;
        let stabilization = self.span(STABILIZATION);
        let Some(scaler) = &mut self.workloads[id.0 as usize].autoscaler else { return current };
        if wanted >= current {
            scaler.lower_since = None;
            return wanted.min(current * 2);
        }
        let since = *scaler.lower_since.get_or_insert(now);
        if now.millis_since(since) < stabilization {
            return current;
        }
        scaler.lower_since = None;
        wanted
    }

    fn rescale(&mut self, id: WorkloadId, current: u32, desired: u32) {
        let now = self.now;
        let workload = &mut self.workloads[id.0 as usize];
        let Some(scaler) = &mut workload.autoscaler else { return };
        scaler.scaled = Some(now);
        let uid = scaler.uid;
        let reason = match desired > current {
            true => "cpu resource utilization (percentage of request) above target",
            false => "All metrics below target",
        };
        let name = std::sync::Arc::clone(&workload.name);
        let subject = Subject::owned(workload, Kind::HorizontalPodAutoscaler, (&name, uid), 0);
        let message = format!("New size: {desired}; reason: {reason}");
        self.record_about(subject, ("horizontal-pod-autoscaler", "SuccessfulRescale", message));
        self.scale(id, desired);
    }
}
