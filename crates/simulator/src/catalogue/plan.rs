//! Which applications a cluster of a given size has, and how many pods of each.

use super::{APPS, App, AppKind};

/// Finished pods that each CronJob keeps.
pub const KEPT_RUNS: usize = 2;

/// The workloads of one cluster.
#[derive(Clone, Debug)]
pub struct Plan {
    pub workloads: Vec<Planned>,
}

#[derive(Clone, Debug)]
pub struct Planned {
    pub app: &'static App,
    /// The application's namespace, with the name of the region in larger clusters.
    pub namespace: String,
    /// 0 for what is not counted in replicas.
    pub replicas: u32,
}

/// Regions beyond the first: a large company runs each application in several.
const REGIONS: [&str; 11] =
    ["-eu", "-us", "-apac", "-latam", "-b2b", "-partner", "-canary", "-staging", "-load", "-dr", "-edge"];

/// Replicas are multiplied by this at most; larger clusters get more regions instead.
const MAX_FACTOR: f64 = 8.0;

impl Plan {
    /// About `pods` pods in total, those of DaemonSets on `nodes` nodes and of finished Jobs included.
    pub fn new(pods: usize, nodes: usize) -> Self {
        let factor = (pods as f64 / 90.0).sqrt().clamp(1.0, MAX_FACTOR) as u32;
        let mut plan = Self { workloads: Vec::new() };
        let mut left = pods;
        for region in 0.. {
            let before = left;
            plan.add_region(region, factor, nodes, &mut left);
            if left == 0 || left == before {
                break;
            }
        }
        plan.spread(left);
        plan
    }

    fn add_region(&mut self, region: usize, factor: u32, nodes: usize, left: &mut usize) {
        for app in &APPS {
            let is_shared = matches!(app.namespace, "kube-system" | "platform");
            if region > 0 && is_shared {
                continue;
            }
            let (replicas, n_pods) = match app.kind {
                AppKind::DaemonSet => (0, nodes),
                AppKind::CronJob(..) => (0, KEPT_RUNS),
                AppKind::Deployment(base) => Self::fitting(base * factor, *left),
                AppKind::StatefulSet(base, _) => Self::fitting(base + factor / 2, *left),
            };
            // The first application always fits: a cluster without any pod is of no use.
            if n_pods == 0 || n_pods > *left && !self.workloads.is_empty() {
                continue;
            }
            *left = left.saturating_sub(n_pods);
            let namespace = format!("{}{}", app.namespace, region_name(region));
            self.workloads.push(Planned { app, namespace, replicas });
        }
    }

    fn fitting(wanted: u32, left: usize) -> (u32, usize) {
        let n_pods = (wanted as usize).min(left);
        (n_pods as u32, n_pods)
    }

    /// Gives pods that fit nowhere else to the Deployments, one each in turn.
    fn spread(&mut self, mut left: usize) {
        let mut deployments: Vec<&mut Planned> =
            self.workloads.iter_mut().filter(|w| matches!(w.app.kind, AppKind::Deployment(_))).collect();
        while left > 0 && !deployments.is_empty() {
            for workload in deployments.iter_mut().take(left) {
                workload.replicas += 1;
                left -= 1;
            }
        }
    }

    /// Namespaces in use, each once, in order.
    pub fn namespaces(&self) -> Vec<String> {
        let mut names: Vec<_> = self.workloads.iter().map(|w| w.namespace.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn region_name(region: usize) -> String {
    match region {
        0 => String::new(),
        n => REGIONS.get(n - 1).map_or_else(|| format!("-cell{n}"), |name| (*name).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n_pods(plan: &Plan, nodes: usize) -> usize {
        let pods = |w: &Planned| match w.app.kind {
            AppKind::DaemonSet => nodes,
            AppKind::CronJob(..) => KEPT_RUNS,
            AppKind::Deployment(_) | AppKind::StatefulSet(..) => w.replicas as usize,
        };
        plan.workloads.iter().map(pods).sum()
    }

    #[test]
    fn has_as_many_pods_as_asked_for() {
        for (pods, nodes) in [(10, 4), (60, 4), (200, 8), (1_000, 20), (5_000, 50), (20_000, 200)] {
            let plan = Plan::new(pods, nodes);
            assert_eq!(n_pods(&plan, nodes), pods, "{pods} pods on {nodes} nodes");
        }
    }

    #[test]
    fn a_demo_has_every_team_and_every_kind_of_workload() {
        let plan = Plan::new(60, 4);
        let namespaces = plan.namespaces();
        for name in ["analytics", "identity", "kube-system", "media", "payments", "platform", "shop"] {
            assert!(namespaces.iter().any(|n| n == name), "{name} is missing in {namespaces:?}");
        }
        let has = |is: fn(AppKind) -> bool| plan.workloads.iter().any(|w| is(w.app.kind));
        assert!(has(|kind| matches!(kind, AppKind::CronJob(..))));
        assert!(has(|kind| matches!(kind, AppKind::StatefulSet(..))));
    }

    #[test]
    fn large_clusters_have_regions_with_names_of_their_own() {
        let plan = Plan::new(20_000, 200);
        let mut names: Vec<_> = plan.workloads.iter().map(|w| (&w.namespace, w.app.name)).collect();
        let n_workloads = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), n_workloads, "a workload occurs twice");
        assert!(plan.namespaces().len() > 50, "{}", plan.namespaces().len());
    }

    #[test]
    fn applications_call_others_of_their_namespace_only() {
        for app in &APPS {
            for upstream in app.upstream {
                let found = APPS.iter().any(|a| a.name == *upstream && a.namespace == app.namespace);
                assert!(found, "{} calls {upstream}", app.name);
            }
        }
    }
}
