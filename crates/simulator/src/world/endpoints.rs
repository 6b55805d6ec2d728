//! EndpointSlices and PodDisruptionBudgets, which follow the pods of a workload.

use super::{Endpoint, WorkloadId, World};

impl World {
    pub(super) fn reconcile_endpoints(&mut self, id: WorkloadId) {
        let endpoints: Vec<Endpoint> = self
            .pods_of(id)
            .filter(|pod| pod.ip.is_some() && pod.node.is_some() && !pod.is_finished())
            .map(|pod| Endpoint {
                pod: pod.id,
                is_ready: pod.is_ready(),
                is_terminating: pod.deletion.is_some(),
            })
            .collect();
        let now = self.now;
        let Some(service) = &mut self.workloads[id.0 as usize].service else { return };
        if service.endpoints == endpoints {
            return;
        }
        // Only what makes an endpoint come counts as a trigger, as in the real controller.
        let n_ready = |endpoints: &[Endpoint]| endpoints.iter().filter(|e| e.is_ready).count();
        let has_come =
            endpoints.len() > service.endpoints.len() || n_ready(&endpoints) < n_ready(&service.endpoints);
        service.changed = has_come.then_some(now);
        service.slice_generation += 1;
        service.endpoints = endpoints;
        self.publish_slice(id);
    }

    pub(super) fn reconcile_budget(&mut self, id: WorkloadId) {
        let status = self.count_pods(id, |_| true);
        let now = self.now;
        let replicas = self.workloads[id.0 as usize].replicas;
        let Some(budget) = &mut self.workloads[id.0 as usize].budget else { return };
        if (budget.healthy, budget.expected) == (status.ready, replicas) {
            return;
        }
        (budget.healthy, budget.expected) = (status.ready, replicas);
        let is_allowed = status.ready > budget.min_available;
        if budget.is_allowed != is_allowed {
            (budget.is_allowed, budget.since) = (is_allowed, now);
        }
        self.publish_budget(id);
    }
}
