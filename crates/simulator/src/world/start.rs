//! The cluster as it is found at the start: grown over weeks, with a past.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use sentinel_model::Timestamp;

use super::agenda::Agenda;
use super::{
    Autoscaler, Availability, Budget, Node, NodeId, NodeSize, Progress, ProgressState, Revision, Service,
    Status, Volume, Workload, WorkloadId, World, events, faults,
};
use crate::catalogue::{App, AppKind, Plan, Planned};
use crate::dice::Dice;
use crate::load::{Curve, Origin};
use crate::objects::{self, Meta};
use crate::store::{Key, Kind, Store, Traits};
use crate::template::{MIB, Template, Version};
use crate::time::{DAY, HOUR, MINUTE};

mod habits;
mod past;

/// What a cluster is founded with.
#[derive(Clone, Debug)]
pub struct Founding {
    pub seed: u64,
    pub pods: usize,
    pub nodes: usize,
    pub log_rate: f64,
    /// Simulated time at which clients first see it.
    pub start: Timestamp,
}

/// The cluster lives so long unseen before the start: the last hour of events, Jobs and rollouts are
/// not made up but have happened.
const UNSEEN: i64 = HOUR;

/// Namespaces that every cluster has.
const OWN_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

impl World {
    /// The cluster at `founding.start`.
    pub fn found(founding: &Founding) -> Self {
        let mut dice = Dice::new(founding.seed);
        let plan = Plan::new(founding.pods, founding.nodes);
        let begin = founding.start.saturating_sub_millis(UNSEEN);
        let mut world = Self {
            store: Store::new(10_000_000 + dice.next() % 80_000_000),
            nodes: Vec::new(),
            workloads: Vec::new(),
            pods: BTreeMap::new(),
            names: BTreeMap::new(),
            log_rate: founding.log_rate,
            seed: founding.seed,
            origin: Origin::before(founding.start),
            now: begin,
            agenda: Agenda::default(),
            dice,
            events: events::EventBook::default(),
            faults: faults::FaultBook::default(),
            next_pod: 0,
            counted_from: begin,
        };
        world.found_nodes(&plan, founding);
        world.found_namespaces(&plan);
        for planned in &plan.workloads {
            world.found_workload(planned);
        }
        world.found_pods();
        world.publish_everything();
        world.plan_habits();
        world.advance_to(founding.start);
        world.begin_counting();
        // Nobody has seen anything of it that could be asked about.
        world.compact();
        world
    }

    fn found_nodes(&mut self, plan: &Plan, founding: &Founding) {
        let (mut cpu, mut memory) = (0, 0);
        for planned in &plan.workloads {
            let (pod_cpu, pod_memory) = planned.app.requests_of_pod();
            let n_pods = match planned.app.kind {
                AppKind::DaemonSet => founding.nodes as i64,
                AppKind::CronJob(..) => 1,
                AppKind::Deployment(_) | AppKind::StatefulSet(..) => i64::from(planned.replicas),
            };
            cpu += pod_cpu * n_pods;
            memory += pod_memory * MIB * n_pods;
        }
        let size = NodeSize::for_requests((cpu, memory), founding.pods, founding.nodes);
        for index in 0..founding.nodes {
            let mut dice = Dice::keyed(self.seed ^ 0x4e4f, index.to_be_bytes());
            let created = self.now.saturating_sub_millis(dice.whole(9 * DAY, 60 * DAY));
            let mut node = Node::new(NodeId(index as u16), size, created, &mut dice);
            node.heartbeat = self.now.saturating_sub_millis(dice.whole(0, 5 * MINUTE));
            node.renewed = self.now;
            self.nodes.push(node);
        }
    }

    fn found_namespaces(&mut self, plan: &Plan) {
        let mut names: BTreeSet<String> = OWN_NAMESPACES.iter().map(|name| (*name).to_owned()).collect();
        names.extend(plan.namespaces());
        let created = self.now.saturating_sub_millis(70 * DAY);
        for name in &names {
            let mut dice = Dice::keyed(self.seed ^ 0x4e53, name);
            let team = plan.workloads.iter().find(|w| w.namespace == *name).map(|w| w.app.team);
            let mut labels = vec![("kubernetes.io/metadata.name", name.as_str())];
            labels.extend(team.map(|team| ("team", team)));
            let traits_labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let traits = Traits { labels: Arc::new(traits_labels), fields: Vec::new() };
            let uid = dice.uid();
            self.store.put(Kind::Namespace, Key::global(name.as_str()), traits, |version| {
                objects::namespace(&Meta {
                    name,
                    uid: Some(uid),
                    version,
                    created,
                    labels,
                    annotations: vec![(objects::SIMULATED, "true".to_owned())],
                    ..Meta::default()
                })
            });
            self.found_config_map(name, "kube-root-ca.crt", created);
        }
    }

    fn found_config_map(&mut self, namespace: &str, name: &str, created: Timestamp) {
        let uid = Dice::keyed(self.seed ^ 0x434d, format!("{namespace}/{name}")).uid();
        let key = Key::new(namespace, name);
        self.store.put(Kind::ConfigMap, key, Traits::default(), |version| {
            objects::config_map(&Meta {
                name,
                namespace,
                uid: Some(uid),
                version,
                created,
                ..Meta::default()
            })
        });
    }

    fn found_workload(&mut self, planned: &Planned) -> WorkloadId {
        let app = planned.app;
        let mut dice = Dice::keyed(self.seed ^ 0x574b, format!("{}/{}", planned.namespace, app.name));
        let created = self.now.saturating_sub_millis(dice.whole(20 * DAY, 68 * DAY));
        let rolled_out = created.saturating_add_millis(dice.whole(0, self.now.millis_since(created) - HOUR));
        let number = dice.whole(2, 40) as u32;
        let version = Version { tag: app.version.to_owned(), ..Version::default() };
        let before = Version { tag: previous_tag(app.version), ..version.clone() };
        let revisions = match app.kind {
            AppKind::Deployment(_) if !app.extras.is_system => {
                vec![
                    Revision::new(app, before, number - 1, created, &mut dice),
                    Revision::new(app, version, number, rolled_out, &mut dice),
                ]
            }
            _ => vec![Revision::new(app, version, 1, created, &mut dice)],
        };
        let workload = self.new_workload((app, &planned.namespace), planned.replicas, revisions, &mut dice);
        let workload = Workload { created, ..workload };
        self.insert_workload(workload)
    }

    /// A workload that exists from now on.
    pub(super) fn new_workload(
        &self,
        (app, namespace): (&'static App, &str),
        replicas: u32,
        revisions: Vec<Revision>,
        dice: &mut Dice,
    ) -> Workload {
        let id = WorkloadId(self.workloads.len() as u32);
        let generation = revisions.last().map_or(1, |revision| i64::from(revision.number));
        let newest = revisions.last().map_or(self.now, |revision| revision.created);
        Workload {
            id,
            app,
            namespace: Arc::from(namespace),
            name: Arc::from(app.name),
            uid: dice.uid(),
            created: self.now,
            written: 0,
            generation,
            observed: generation,
            replicas,
            planned: replicas.max(1),
            curve: Curve::new(app.shape, dice),
            revisions,
            pods: BTreeSet::new(),
            status: Status::default(),
            progress: Progress { state: ProgressState::Complete, updated: newest, since: newest },
            available: Availability { is_available: true, since: newest },
            jobs: Vec::new(),
            last_run: None,
            last_success: None,
            service: (app.port != 0 && !app.is_finite()).then(|| Service::new(app, id, dice)),
            autoscaler: (app.extras.scales_to > 0).then(|| Autoscaler::new(app, replicas, dice)),
            budget: (app.extras.has_budget && replicas > 1).then(|| Budget::new(newest, dice)),
            volumes: Vec::new(),
            ailments: Vec::new(),
            is_deleted: false,
            is_dirty: false,
        }
    }

    pub(super) fn insert_workload(&mut self, mut workload: Workload) -> WorkloadId {
        let id = workload.id;
        if let AppKind::StatefulSet(_, gib) = workload.app.kind {
            workload.volumes =
                (0..workload.replicas).map(|ordinal| self.new_volume(&workload, ordinal, gib)).collect();
        }
        let (namespace, name) = (Arc::clone(&workload.namespace), format!("{}-config", workload.name));
        let created = workload.created;
        self.workloads.push(workload);
        self.found_config_map(&namespace, &name, created);
        id
    }

    fn new_volume(&self, workload: &Workload, ordinal: u32, gib: i64) -> Volume {
        let claim = format!("data-{}-{ordinal}", workload.name);
        let mut dice = Dice::keyed(self.seed ^ 0x5056, format!("{}/{claim}", workload.namespace));
        let claim_uid = dice.uid();
        let capacity = gib * 1_024 * MIB;
        Volume {
            claim: Arc::from(claim),
            claim_uid,
            volume: Arc::from(format!("pvc-{claim_uid}")),
            volume_uid: dice.uid(),
            capacity,
            used: capacity as f64 * dice.between(0.22, 0.58),
            bytes_per_second: capacity as f64 * dice.between(0.2e-8, 2.0e-8),
            since: self.now,
            created: workload.created,
        }
    }

    fn publish_everything(&mut self) {
        for id in 0..self.nodes.len() {
            self.publish_node(NodeId(id as u16));
            self.publish_lease(NodeId(id as u16));
        }
        for id in 0..self.workloads.len() {
            self.publish_founded(WorkloadId(id as u32));
        }
        let pods: Vec<_> = self.pods.keys().copied().collect();
        for id in pods {
            self.publish_pod(id);
        }
        self.found_quotas();
    }

    fn publish_founded(&mut self, id: WorkloadId) {
        self.publish_workload(id);
        if self.workloads[id.0 as usize].kind() == Kind::Deployment {
            for revision in 0..self.workloads[id.0 as usize].revisions.len() {
                self.publish_set(id, revision);
            }
        }
        self.publish_volumes(id);
        self.publish_service(id);
        self.publish_slice(id);
        self.publish_budget(id);
        let used = self.mean_millicores(&self.workloads[id.0 as usize]).unwrap_or_default();
        self.publish_autoscaler(id, used as i64);
    }

    /// A quota for the namespaces of one team, as companies have them.
    fn found_quotas(&mut self) {
        let mut totals: BTreeMap<Arc<str>, (i64, i64)> = BTreeMap::new();
        for pod in self.pods.values().filter(|pod| pod.template.app.namespace == "payments") {
            let total = totals.entry(Arc::clone(&pod.key.namespace)).or_default();
            let (cpu, memory) = pod.template.requests();
            *total = (total.0 + cpu, total.1 + memory);
        }
        let created = self.now.saturating_sub_millis(60 * DAY);
        for (namespace, total) in totals {
            let uid = Dice::keyed(self.seed ^ 0x5251, &*namespace).uid();
            let key = Key::new(Arc::clone(&namespace), "compute");
            self.store.put(Kind::ResourceQuota, key, Traits::default(), |version| {
                objects::resource_quota(&namespace, uid, total, (created, version))
            });
        }
    }
}

impl Revision {
    pub fn new(
        app: &'static App,
        version: Version,
        number: u32,
        created: Timestamp,
        dice: &mut Dice,
    ) -> Self {
        let template = Arc::new(Template::new(app, &version));
        Self {
            name: Arc::from(format!("{}-{}", app.name, template.hash)),
            uid: dice.uid(),
            number,
            history: Vec::new(),
            version,
            template,
            created,
            written: 0,
            generation: 1,
            replicas: 0,
            status: Status { observed: 1, ..Status::default() },
        }
    }
}

impl Service {
    fn new(app: &App, id: WorkloadId, dice: &mut Dice) -> Self {
        // One address a Service: the range is large enough for the largest cluster.
        let cluster_ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 255, 0, 20)) + id.0);
        Self {
            uid: dice.uid(),
            cluster_ip,
            slice_name: Arc::from(format!("{}-{}", app.name, dice.suffix_text())),
            slice_uid: dice.uid(),
            slice_generation: 1,
            endpoints: Vec::new(),
            changed: None,
            ingress_uid: (!app.extras.host.is_empty()).then(|| dice.uid()),
        }
    }
}

impl Autoscaler {
    fn new(app: &App, replicas: u32, dice: &mut Dice) -> Self {
        // Mean use lies a little under the target, so that the daily wave crosses it.
        let utilization = (app.cpu.mean / app.cpu.request as f64 * 115.0) as i64;
        Self {
            uid: dice.uid(),
            min: replicas.max(2) - 1,
            max: replicas * app.extras.scales_to,
            utilization,
            desired: replicas,
            scaled: None,
            lower_since: None,
            generation: 1,
        }
    }
}

impl Budget {
    fn new(since: Timestamp, dice: &mut Dice) -> Self {
        Self { uid: dice.uid(), min_available: 1, healthy: 0, expected: 0, is_allowed: true, since }
    }
}

/// The version before: `4.18.2` comes after `4.18.1`.
pub(super) fn previous_tag(tag: &str) -> String {
    change_tag(tag, |n| n.saturating_sub(1))
}

/// The version after.
pub(super) fn next_tag(tag: &str) -> String {
    change_tag(tag, |n| n + 1)
}

fn change_tag(tag: &str, change: impl Fn(u64) -> u64) -> String {
    let digits = tag.chars().rev().take_while(char::is_ascii_digit).count();
    let (head, number) = tag.split_at(tag.len() - digits);
    match number.parse::<u64>() {
        Ok(number) => format!("{head}{}", change(number)),
        Err(_) => format!("{tag}-1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_their_last_number() {
        assert_eq!(next_tag("4.18.2"), "4.18.3");
        assert_eq!(previous_tag("4.18.0"), "4.18.0");
        assert_eq!(next_tag("v1.9"), "v1.10");
        assert_eq!(next_tag("latest"), "latest-1");
    }
}
