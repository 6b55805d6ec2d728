//! The JSON of templates and pod specs, fields in the order of the API's own types.

use super::{ContainerSpec, Template, Version};
use crate::catalogue::AppKind;
use crate::json::{self, Array, Object};
use crate::template::Behaviour;

/// Stands for the end of the name of each pod's token volume.
pub const TOKEN_MARK: &str = "\u{1}";

/// Stands for `"nodeName":"…",`, which a pod gets when it is scheduled.
pub const NODE_MARK: &str = "\u{2}";

/// Stands for the name of the pod itself.
pub const NAME_MARK: &str = "\u{3}";

/// Stands for the node that a DaemonSet's pod is for.
pub const TARGET_MARK: &str = "\u{4}";

/// Controllers tolerate a lost node for so many seconds.
const TOLERATION_SECONDS: i64 = 300;

impl Template {
    pub(super) fn render_template(&self, version: &Version) -> String {
        json::object(|template| {
            template.object("metadata", |metadata| {
                metadata.map("labels", &self.labels);
                let restarted = version.restarted.iter().map(|at| ("kubectl.kubernetes.io/restartedAt", at));
                let owner = format!("team-{}", self.app.team);
                metadata.map("annotations", [("example.com/owner", &owner)].into_iter().chain(restarted));
            });
            template.object("spec", |spec| self.write_spec(spec, version, false));
        })
    }

    pub(super) fn render_pod_spec(&self, version: &Version) -> String {
        // Marks are not legal in JSON text, so they are put in after it is written.
        let text = json::object(|spec| self.write_spec(spec, version, true));
        text.replace("@token@", TOKEN_MARK)
            .replace("\"@node@\":0,", NODE_MARK)
            .replace("@name@", NAME_MARK)
            .replace("@target@", TARGET_MARK)
    }

    fn write_spec(&self, spec: &mut Object<'_>, version: &Version, is_pod: bool) {
        spec.array("volumes", |volumes| self.write_volumes(volumes, is_pod));
        spec.array("containers", |containers| {
            for container in &self.containers {
                containers.object(|c| self.write_container(c, container, version, is_pod));
            }
        });
        spec.text("restartPolicy", self.restart_policy());
        spec.number("terminationGracePeriodSeconds", self.grace_seconds);
        spec.text("dnsPolicy", "ClusterFirst");
        if is_pod {
            spec.text("serviceAccountName", self.service_account());
            spec.text("serviceAccount", self.service_account());
            spec.number("@node@", 0);
        } else if self.app.extras.is_system {
            spec.text("serviceAccountName", self.service_account());
            spec.text("serviceAccount", self.service_account());
        }
        if self.is_daemon() {
            spec.flag("hostNetwork", true);
        }
        spec.raw("securityContext", "{}");
        match self.app.kind {
            AppKind::StatefulSet(..) if is_pod => {
                spec.text("hostname", "@name@");
                spec.text("subdomain", self.app.name);
            }
            AppKind::DaemonSet if is_pod => spec.raw("affinity", TARGET_AFFINITY),
            _ => {}
        }
        spec.text("schedulerName", "default-scheduler");
        let (class, priority) = match self.app.extras.is_system {
            true if self.is_daemon() => ("system-node-critical", 2_000_001_000),
            true => ("system-cluster-critical", 2_000_000_000),
            false => ("", 0),
        };
        if is_pod {
            spec.array("tolerations", |tolerations| self.write_tolerations(tolerations));
        }
        spec.text_if("priorityClassName", class);
        if is_pod {
            spec.number("priority", priority);
            spec.flag("enableServiceLinks", true);
            spec.text("preemptionPolicy", "PreemptLowerPriority");
        }
    }

    fn service_account(&self) -> &'static str {
        if self.app.extras.is_system { self.app.name } else { "default" }
    }

    fn write_volumes(&self, volumes: &mut Array<'_>, is_pod: bool) {
        if is_pod && matches!(self.app.kind, AppKind::StatefulSet(..)) {
            volumes.object(|volume| {
                volume.text("name", "data");
                volume.raw("persistentVolumeClaim", r#"{"claimName":"data-@name@"}"#);
            });
        }
        volumes.object(|volume| {
            volume.text("name", "config");
            volume.object("configMap", |map| {
                map.text("name", &format!("{}-config", self.app.name));
                map.number("defaultMode", 420);
            });
        });
        match self.app.kind {
            AppKind::DaemonSet => volumes.object(|volume| {
                volume.text("name", "varlog");
                volume.raw("hostPath", r#"{"path":"/var/log","type":""}"#);
            }),
            _ => volumes.object(|volume| {
                volume.text("name", "tmp");
                volume.raw("emptyDir", "{}");
            }),
        }
        if is_pod {
            volumes.object(|volume| {
                volume.text("name", "kube-api-access-@token@");
                volume.raw(
                    "projected",
                    r#"{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}],"defaultMode":420}"#,
                );
            });
        }
    }

    fn write_container(
        &self,
        c: &mut Object<'_>,
        container: &ContainerSpec,
        version: &Version,
        is_pod: bool,
    ) {
        c.text("name", container.name);
        c.text("image", &container.image);
        if self.app.port != 0 && !container.is_sidecar {
            c.array("ports", |ports| {
                ports.object(|port| {
                    port.text("name", port_name(self.app.port));
                    port.number("containerPort", i64::from(self.app.port));
                    port.text("protocol", "TCP");
                });
            });
        }
        if !container.is_sidecar {
            c.array("env", |env| self.write_env(env, version));
        }
        c.object("resources", |resources| container.write_resources(resources));
        c.array("volumeMounts", |mounts| {
            for (name, path, is_read_only) in self.mounts(container) {
                mounts.object(|mount| {
                    mount.text("name", name);
                    if is_read_only {
                        mount.flag("readOnly", true);
                    }
                    mount.text("mountPath", path);
                });
            }
            if is_pod {
                mounts.object(|mount| {
                    mount.text("name", "kube-api-access-@token@");
                    mount.flag("readOnly", true);
                    mount.text("mountPath", TOKEN_PATH);
                });
            }
        });
        if container.has_probes {
            self.write_probes(c);
        }
        c.text("terminationMessagePath", "/dev/termination-log");
        c.text("terminationMessagePolicy", "File");
        c.text("imagePullPolicy", "IfNotPresent");
    }

    fn write_env(&self, env: &mut Array<'_>, version: &Version) {
        let mut pair = |name: &str, value: &str| {
            env.object(|e| {
                e.text("name", name);
                e.text_if("value", value);
            });
        };
        pair("SERVICE", self.app.name);
        pair("VERSION", &version.tag);
        pair("UPSTREAM", &self.app.upstream.join(","));
        pair("CONFIG_REVISION", &version.config.to_string());
        if version.behaviour == Behaviour::CrashesAtBoot {
            pair("SCHEMA", "4");
        }
        if version.behaviour == Behaviour::NeverReady {
            pair("FEATURE_NEW_ROUTER", "true");
        }
    }

    /// Name, path and whether it is read-only, without the token.
    pub fn mounts(&self, container: &ContainerSpec) -> Vec<(&'static str, &'static str, bool)> {
        let mut mounts = vec![("config", "/etc/app", true)];
        match self.app.kind {
            AppKind::DaemonSet => mounts.push(("varlog", "/host/log", true)),
            AppKind::StatefulSet(..) if !container.is_sidecar => {
                mounts.extend([("tmp", "/tmp", false), ("data", "/var/lib/data", false)]);
            }
            _ => mounts.push(("tmp", "/tmp", false)),
        }
        mounts
    }

    fn write_probes(&self, c: &mut Object<'_>) {
        let port = self.app.port;
        c.raw(
            "livenessProbe",
            &format!(
                r#"{{"httpGet":{{"path":"/live","port":{port},"scheme":"HTTP"}},"initialDelaySeconds":3,"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}}"#
            ),
        );
        c.raw(
            "readinessProbe",
            &format!(
                r#"{{"httpGet":{{"path":"/ready","port":{port},"scheme":"HTTP"}},"timeoutSeconds":1,"periodSeconds":5,"successThreshold":1,"failureThreshold":2}}"#
            ),
        );
        c.raw(
            "startupProbe",
            &format!(
                r#"{{"httpGet":{{"path":"/live","port":{port},"scheme":"HTTP"}},"timeoutSeconds":1,"periodSeconds":1,"successThreshold":1,"failureThreshold":30}}"#
            ),
        );
    }

    fn write_tolerations(&self, tolerations: &mut Array<'_>) {
        let daemon_extra: &[&str] = if self.is_daemon() {
            &["disk-pressure", "memory-pressure", "pid-pressure", "unschedulable", "network-unavailable"]
        } else {
            &[]
        };
        for lost in ["not-ready", "unreachable"] {
            tolerations.object(|t| {
                t.text("key", &format!("node.kubernetes.io/{lost}"));
                t.text("operator", "Exists");
                t.text("effect", "NoExecute");
                if !self.is_daemon() {
                    t.number("tolerationSeconds", TOLERATION_SECONDS);
                }
            });
        }
        for key in daemon_extra {
            tolerations.object(|t| {
                t.text("key", &format!("node.kubernetes.io/{key}"));
                t.text("operator", "Exists");
                t.text("effect", "NoSchedule");
            });
        }
    }
}

const TARGET_AFFINITY: &str = r#"{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["@target@"]}]}]}}}"#;

/// Where each container finds its token.
pub const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn port_name(port: u16) -> &'static str {
    match port {
        53 => "dns",
        443 => "https",
        5432 => "postgres",
        6379 => "redis",
        9092 => "kafka",
        9000 => "native",
        _ => "http",
    }
}

impl ContainerSpec {
    /// `allocatedResources` of a status: the requests in force.
    pub fn write_allocated(&self, status: &mut Object<'_>) {
        let cpu = (self.cpu_request > 0).then(|| ("cpu", cpu_text(self.cpu_request)));
        let memory = (self.memory_request > 0).then(|| ("memory", memory_text(self.memory_request)));
        status.map("allocatedResources", cpu.into_iter().chain(memory));
    }

    /// Value of `resources`, in spec and status.
    pub fn write_resources(&self, resources: &mut Object<'_>) {
        let pairs = |cpu: i64, memory: i64| {
            let cpu = (cpu > 0).then(|| ("cpu", cpu_text(cpu)));
            let memory = (memory > 0).then(|| ("memory", memory_text(memory)));
            cpu.into_iter().chain(memory)
        };
        resources.map("limits", pairs(self.cpu_limit, self.memory_limit));
        resources.map("requests", pairs(self.cpu_request, self.memory_request));
    }
}

/// Millicores as a quantity: `250m`, `2`.
pub fn cpu_text(millicores: i64) -> String {
    if millicores % 1_000 == 0 { (millicores / 1_000).to_string() } else { format!("{millicores}m") }
}

/// Bytes as a quantity: `64Mi`, `2Gi`.
pub fn memory_text(bytes: i64) -> String {
    let gib = super::MIB * 1_024;
    match bytes {
        bytes if bytes % gib == 0 => format!("{}Gi", bytes / gib),
        bytes if bytes % super::MIB == 0 => format!("{}Mi", bytes / super::MIB),
        bytes => format!("{}Ki", bytes / 1_024),
    }
}
