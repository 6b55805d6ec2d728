//! Pod templates: one version of one application, with the JSON that all its pods share written once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalogue::{App, AppKind};
use crate::dice::{self, Dice};

mod spec;

use spec::{NAME_MARK, NODE_MARK, TARGET_MARK, TOKEN_MARK};
pub use spec::{TOKEN_PATH, cpu_text, memory_text};

/// How the program of this version behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    #[default]
    Works,
    /// Exits with status 1 two seconds after each start.
    CrashesAtBoot,
    /// Starts, but its readiness probe never succeeds.
    NeverReady,
    /// Its image cannot be pulled.
    HasNoImage,
    /// Asks for more CPU than any node has.
    IsTooLarge,
}

/// One version of an application's pods.
#[derive(Debug)]
pub struct Template {
    pub app: &'static App,
    pub behaviour: Behaviour,
    pub containers: Vec<ContainerSpec>,
    /// Of the template; controllers add theirs to each pod.
    pub labels: BTreeMap<String, String>,
    /// End of the name of the ReplicaSet or ControllerRevision.
    pub hash: String,
    /// Value of `spec.template`.
    pub json: Arc<str>,
    /// Pods' `spec` with marks where pods differ.
    pub pod_spec: Arc<str>,
    pub qos: Qos,
    pub grace_seconds: i64,
}

/// What differs between the specs of two pods of one template.
#[derive(Clone, Copy, Debug)]
pub struct PodMarks<'a> {
    pub name: &'a str,
    /// End of the name of the token volume.
    pub token: &'a str,
    /// Empty until it is scheduled.
    pub node: &'a str,
    /// The node that a DaemonSet's pod is for.
    pub target: &'a str,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ContainerSpec {
    pub name: &'static str,
    pub image: String,
    /// `sha256:…`
    pub image_id: String,
    /// Millicores and bytes; 0 means none.
    pub cpu_request: i64,
    pub cpu_limit: i64,
    pub memory_request: i64,
    pub memory_limit: i64,
    pub is_sidecar: bool,
    pub has_probes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qos {
    Guaranteed,
    Burstable,
    BestEffort,
}

/// What tells one version of an application from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Tag of the image.
    pub tag: String,
    /// Counts changes of the configuration.
    pub config: u32,
    /// `kubectl.kubernetes.io/restartedAt`, when the workload was restarted by hand.
    pub restarted: Option<String>,
    pub behaviour: Behaviour,
}

pub const MIB: i64 = 1 << 20;

impl Template {
    pub fn new(app: &'static App, version: &Version) -> Self {
        let mut containers = vec![ContainerSpec::main(app, version)];
        if app.extras.has_sidecar {
            containers.push(ContainerSpec::sidecar());
        }
        let labels: BTreeMap<_, _> = match app.name {
            "coredns" => vec![("k8s-app", "kube-dns")],
            name => vec![("app", name), ("team", app.team), ("tier", app.tier)],
        }
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
        let qos = Qos::of(&containers);
        let grace_seconds = if app.is_finite() { 5 } else { 30 };
        let mut template = Self {
            app,
            behaviour: version.behaviour,
            containers,
            labels,
            hash: String::new(),
            json: Arc::from(""),
            pod_spec: Arc::from(""),
            qos,
            grace_seconds,
        };
        template.json = Arc::from(template.render_template(version));
        template.pod_spec = Arc::from(template.render_pod_spec(version));
        template.hash = dice::template_hash(&template.json);
        template
    }

    /// CPU and memory that the scheduler reserves, in millicores and bytes.
    pub fn requests(&self) -> (i64, i64) {
        let sum = |get: fn(&ContainerSpec) -> i64| self.containers.iter().map(get).sum();
        (sum(|c| c.cpu_request), sum(|c| c.memory_request))
    }

    /// `spec` of one pod.
    pub fn spec_of(&self, pod: &PodMarks<'_>) -> String {
        let mut out = String::with_capacity(self.pod_spec.len() + 128);
        let mut rest = &*self.pod_spec;
        while let Some(at) = rest.bytes().position(|byte| byte <= 4) {
            out.push_str(&rest[..at]);
            match &rest[at..=at] {
                TOKEN_MARK => out.push_str(pod.token),
                NAME_MARK => out.push_str(pod.name),
                TARGET_MARK => out.push_str(pod.target),
                NODE_MARK if !pod.node.is_empty() => {
                    out.push_str("\"nodeName\":\"");
                    out.push_str(pod.node);
                    out.push_str("\",");
                }
                _ => {}
            }
            rest = &rest[at + 1..];
        }
        out.push_str(rest);
        out
    }

    pub fn restart_policy(&self) -> &'static str {
        if self.app.is_finite() { "Never" } else { "Always" }
    }

    pub fn is_daemon(&self) -> bool {
        self.app.kind == AppKind::DaemonSet
    }
}

impl ContainerSpec {
    fn main(app: &'static App, version: &Version) -> Self {
        let image = match version.behaviour {
            Behaviour::HasNoImage => format!("{}:{}-rc.1", app.image, version.tag),
            _ => format!("{}:{}", app.image, version.tag),
        };
        let is_large = version.behaviour == Behaviour::IsTooLarge;
        Self {
            name: app.name,
            image_id: image_id(&image),
            image,
            cpu_request: if is_large { 512_000 } else { app.cpu.request },
            cpu_limit: if is_large { 0 } else { app.cpu.limit },
            memory_request: app.memory.request * MIB,
            memory_limit: app.memory.limit * MIB,
            is_sidecar: false,
            has_probes: app.port != 0 && !app.is_finite(),
        }
    }

    fn sidecar() -> Self {
        let image = "docker.io/envoyproxy/envoy:v1.35.1".to_owned();
        Self {
            name: "envoy",
            image_id: image_id(&image),
            image,
            cpu_request: 10,
            cpu_limit: 100,
            memory_request: 32 * MIB,
            memory_limit: 64 * MIB,
            is_sidecar: true,
            has_probes: false,
        }
    }
}

/// The same image has the same id on every node.
fn image_id(image: &str) -> String {
    format!("sha256:{}", dice::hex(&Dice::keyed(0, image).digest()))
}

impl Qos {
    fn of(containers: &[ContainerSpec]) -> Self {
        let is_full = |c: &ContainerSpec| {
            c.cpu_limit > 0
                && c.memory_limit > 0
                && c.cpu_request == c.cpu_limit
                && c.memory_request == c.memory_limit
        };
        let has_any = |c: &ContainerSpec| c.cpu_request + c.cpu_limit + c.memory_request + c.memory_limit > 0;
        if containers.iter().all(is_full) {
            Self::Guaranteed
        } else if containers.iter().any(has_any) {
            Self::Burstable
        } else {
            Self::BestEffort
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Guaranteed => "Guaranteed",
            Self::Burstable => "Burstable",
            Self::BestEffort => "BestEffort",
        }
    }

    /// Folder of the control group between `kubepods` and the pod's.
    pub fn cgroup(self) -> &'static str {
        match self {
            Self::Guaranteed => "",
            Self::Burstable => "/burstable",
            Self::BestEffort => "/besteffort",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::APPS;

    fn template(name: &str, version: &Version) -> Template {
        let app = APPS.iter().find(|app| app.name == name).expect("an application");
        Template::new(app, version)
    }

    #[test]
    fn every_application_gives_a_template_that_reads_as_json() {
        for app in &APPS {
            let template = Template::new(app, &Version { tag: app.version.into(), ..Version::default() });
            let json: serde_json::Value = serde_json::from_str(&template.json).expect(app.name);
            assert_eq!(json["spec"]["containers"][0]["name"], app.name);
            let marks = PodMarks { name: "x-0", token: "abcde", node: "node-1", target: "node-1" };
            let spec = template.spec_of(&marks);
            let spec: serde_json::Value = serde_json::from_str(&spec).expect(app.name);
            assert_eq!(spec["restartPolicy"], template.restart_policy());
            assert_eq!(spec["nodeName"], "node-1");
            let spec = template.spec_of(&PodMarks { node: "", ..marks });
            assert!(!spec.contains("nodeName"), "{spec}");
            assert!(spec.contains("kube-api-access-abcde"), "{spec}");
        }
    }

    #[test]
    fn another_version_has_another_hash_and_the_same_version_the_same() {
        let old = Version { tag: "1.0.0".into(), ..Version::default() };
        let new = Version { config: 1, ..old.clone() };
        assert_eq!(template("cart", &old).hash, template("cart", &old).hash);
        assert_ne!(template("cart", &old).hash, template("cart", &new).hash);
    }

    #[test]
    fn the_quality_of_service_follows_requests_and_limits() {
        assert_eq!(template("cart", &Version::default()).qos, Qos::Burstable);
        let mut full = ContainerSpec::main(&APPS[3], &Version::default());
        (full.cpu_request, full.cpu_limit) = (100, 100);
        (full.memory_request, full.memory_limit) = (MIB, MIB);
        assert_eq!(Qos::of(std::slice::from_ref(&full)), Qos::Guaranteed);
        (full.cpu_request, full.cpu_limit, full.memory_request, full.memory_limit) = (0, 0, 0, 0);
        assert_eq!(Qos::of(&[full]), Qos::BestEffort);
    }
}
