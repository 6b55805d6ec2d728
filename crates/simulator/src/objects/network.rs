//! Services, EndpointSlices and Ingresses.

use super::{Meta, OwnerRef, whole};
use crate::json::Object;
use crate::store::Kind;
use crate::world::{Endpoint, Node, Pod, Service, Workload};

pub fn service(workload: &Workload, service: &Service, version: u64) -> String {
    let meta = Meta {
        name: &workload.name,
        namespace: &workload.namespace,
        uid: Some(service.uid),
        version,
        created: workload.created,
        labels: super::pairs(&workload.current().template.labels),
        ..Meta::default()
    };
    let is_headless = workload.kind() == Kind::StatefulSet;
    let ip = if is_headless { "None".to_owned() } else { service.cluster_ip.to_string() };
    let port = i64::from(workload.app.port);
    whole(Kind::Service, &meta, |object| {
        object.object("spec", |spec| {
            spec.array("ports", |ports| {
                ports.object(|p| {
                    p.text("name", "http");
                    p.text("protocol", "TCP");
                    p.number("port", port);
                    p.number("targetPort", port);
                });
            });
            let first = workload.current().template.labels.iter().next();
            spec.map("selector", first);
            spec.text("clusterIP", &ip);
            spec.texts("clusterIPs", [&ip]);
            spec.text("type", "ClusterIP");
            spec.text("sessionAffinity", "None");
            spec.texts("ipFamilies", ["IPv4"]);
            spec.text("ipFamilyPolicy", "SingleStack");
            spec.text("internalTrafficPolicy", "Cluster");
        });
        object.raw("status", r#"{"loadBalancer":{}}"#);
    })
}

/// `endpoints` are those of the service, each with its pod and the pod's node.
pub fn endpoint_slice(
    workload: &Workload,
    service: &Service,
    endpoints: &[(Endpoint, &Pod, &Node)],
    version: u64,
) -> String {
    let mut labels = super::pairs(&workload.current().template.labels);
    labels.push(("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"));
    labels.push(("kubernetes.io/service-name", &workload.name));
    labels.sort_unstable();
    let changed = service.changed.map(crate::time::seconds_text);
    let meta = Meta {
        name: &service.slice_name,
        generate_name: Some(format!("{}-", workload.name)),
        namespace: &workload.namespace,
        uid: Some(service.slice_uid),
        version,
        generation: service.slice_generation,
        created: workload.created,
        labels,
        annotations: changed
            .map(|at| ("endpoints.kubernetes.io/last-change-trigger-time", at))
            .into_iter()
            .collect(),
        owner: Some(OwnerRef {
            kind: Kind::Service,
            name: &workload.name,
            uid: service.uid,
            is_controller: true,
        }),
        ..Meta::default()
    };
    whole(Kind::EndpointSlice, &meta, |object| {
        object.text("addressType", "IPv4");
        object.array("endpoints", |array| {
            for (endpoint, pod, node) in endpoints {
                array.object(|e| write_endpoint(e, endpoint, pod, node));
            }
        });
        object.array("ports", |ports| {
            ports.object(|p| {
                p.text("name", "http");
                p.text("protocol", "TCP");
                p.number("port", i64::from(workload.app.port));
            });
        });
    })
}

fn write_endpoint(e: &mut Object<'_>, endpoint: &Endpoint, pod: &Pod, node: &Node) {
    e.texts("addresses", pod.ip.map(|ip| ip.to_string()));
    e.object("conditions", |conditions| {
        conditions.flag("ready", endpoint.is_ready && !endpoint.is_terminating);
        conditions.flag("serving", endpoint.is_ready);
        conditions.flag("terminating", endpoint.is_terminating);
    });
    e.object("targetRef", |target| {
        target.text("kind", "Pod");
        target.text("namespace", &pod.key.namespace);
        target.text("name", &pod.key.name);
        target.uid("uid", pod.uid);
    });
    e.text("nodeName", &node.name);
    e.text("zone", node.zone);
}

pub fn ingress(workload: &Workload, service: &Service, version: u64) -> String {
    let meta = Meta {
        name: &workload.name,
        namespace: &workload.namespace,
        uid: service.ingress_uid,
        version,
        generation: 1,
        created: workload.created,
        ..Meta::default()
    };
    whole(Kind::Ingress, &meta, |object| {
        object.object("spec", |spec| {
            spec.text("ingressClassName", "nginx");
            spec.array("rules", |rules| {
                rules.object(|rule| {
                    rule.text("host", workload.app.extras.host);
                    rule.raw(
                        "http",
                        &format!(
                            r#"{{"paths":[{{"path":"/","pathType":"Prefix","backend":{{"service":{{"name":"{}","port":{{"number":{}}}}}}}}}]}}"#,
                            workload.name, workload.app.port
                        ),
                    );
                });
            });
        });
        object.raw("status", r#"{"loadBalancer":{"ingress":[{"ip":"192.0.2.80"}]}}"#);
    })
}
