//! `kube_service_*`, `kube_endpointslice_*` and `kube_ingress_*`.

use serde_json::Value;

use super::super::json::{at, list, text};
use super::Family;
use super::replicas::created;

/// Addresses of one slice that get a row; a slice holds at most 1000 endpoints.
const MAX_ADDRESSES: usize = 2000;

pub(super) fn service(service: &Value, family: &mut Family<'_>) {
    let info = [
        ("cluster_ip", text(service, "spec.clusterIP")),
        ("external_name", text(service, "spec.externalName")),
        ("load_balancer_ip", text(service, "spec.loadBalancerIP")),
        ("external_traffic_policy", text(service, "spec.externalTrafficPolicy")),
    ];
    family.gauge("kube_service_info", &info, 1.0);
    created("kube_service_created", service, family);
    family.gauge("kube_service_spec_type", &[("type", text(service, "spec.type"))], 1.0);
}

pub(super) fn endpoint_slice(slice: &Value, family: &mut Family<'_>) {
    family.gauge("kube_endpointslice_info", &[("addresstype", text(slice, "addressType"))], 1.0);
    created("kube_endpointslice_created", slice, family);
    for port in list(slice, "ports") {
        let number = number(port.get("port"));
        let labels = [
            ("port_name", text(port, "name")),
            ("port_protocol", text(port, "protocol")),
            ("port_number", number.as_str()),
        ];
        family.gauge("kube_endpointslice_ports", &labels, 1.0);
    }
    let addresses = list(slice, "endpoints")
        .iter()
        .flat_map(|endpoint| list(endpoint, "addresses").iter().map(move |address| (endpoint, address)));
    for (endpoint, address) in addresses.take(MAX_ADDRESSES) {
        let labels = [
            ("address", address.as_str().unwrap_or_default()),
            ("ready", condition(endpoint, "ready")),
            ("serving", condition(endpoint, "serving")),
            ("terminating", condition(endpoint, "terminating")),
            ("hostname", text(endpoint, "hostname")),
            ("nodename", text(endpoint, "nodeName")),
            ("endpoint_zone", text(endpoint, "zone")),
            ("targetref_kind", text(endpoint, "targetRef.kind")),
            ("targetref_name", text(endpoint, "targetRef.name")),
            ("targetref_namespace", text(endpoint, "targetRef.namespace")),
        ];
        family.gauge("kube_endpointslice_endpoints", &labels, 1.0);
    }
}

/// Unset conditions have no label.
fn condition(endpoint: &Value, name: &str) -> &'static str {
    match at(endpoint, "conditions").and_then(|conditions| conditions.get(name)).and_then(Value::as_bool) {
        Some(true) => "true",
        Some(false) => "false",
        None => "",
    }
}

pub(super) fn ingress(ingress: &Value, family: &mut Family<'_>) {
    let class = [("ingressclass", text(ingress, "spec.ingressClassName"))];
    family.gauge("kube_ingress_info", &class, 1.0);
    created("kube_ingress_created", ingress, family);
    for rule in list(ingress, "spec.rules") {
        for path in list(rule, "http.paths") {
            let named = text(path, "backend.service.port.name");
            let number = number(at(path, "backend.service.port.number"));
            let labels = [
                ("host", text(rule, "host")),
                ("path", text(path, "path")),
                ("path_type", text(path, "pathType")),
                ("service_name", text(path, "backend.service.name")),
                ("service_port", if named.is_empty() { &number } else { named }),
            ];
            family.gauge("kube_ingress_path", &labels, 1.0);
        }
    }
    for tls in list(ingress, "spec.tls") {
        for host in list(tls, "hosts").iter().filter_map(Value::as_str) {
            let labels = [("tls_host", host), ("secret_name", text(tls, "secretName"))];
            family.gauge("kube_ingress_tls", &labels, 1.0);
        }
    }
}

fn number(value: Option<&Value>) -> String {
    value.and_then(Value::as_i64).map_or_else(String::new, |number| number.to_string())
}
