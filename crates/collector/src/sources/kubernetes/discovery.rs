//! Pods that ask to be scraped, and what of such a wish is granted: only the pod's own address, a port
//! that serves metrics, and a plain path.

mod targets;

use std::net::IpAddr;

use serde_json::Value;

pub(super) use targets::Targets;

use super::client::is_link_local;
use super::json::{list, text};

/// Ports below this belong to the system; only those of HTTP and HTTPS serve metrics.
const FIRST_USER_PORT: u16 = 1_024;
const SYSTEM_PORTS: [u16; 2] = [80, 443];

const MAX_PATH: usize = 256;

/// What a pod's annotations ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// `http://10.0.0.7:9090/metrics`.
    Granted {
        url: String,
    },
    Refused {
        reason: &'static str,
    },
}

/// Reads `prometheus.io/scrape`, `port`, `path` and `scheme`; `None` when the pod asks for nothing (or
/// cannot be scraped yet).
pub(crate) fn wish(pod: &Value) -> Option<Wish> {
    let annotation = |name: &str| {
        let annotations = pod.get("metadata")?.get("annotations")?;
        annotations.get(format!("prometheus.io/{name}"))?.as_str()
    };
    let is_running =
        text(pod, "status.phase") == "Running" && text(pod, "metadata.deletionTimestamp").is_empty();
    if annotation("scrape") != Some("true") || !is_running {
        return None;
    }
    let ip = text(pod, "status.podIP");
    if ip.is_empty() {
        return None;
    }
    let granted = address(ip).and_then(|ip| {
        let scheme = scheme(annotation("scheme"))?;
        let port = port(annotation("port"), pod)?;
        let path = path(annotation("path").unwrap_or("/metrics"))?;
        let host = if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
        Ok(format!("{scheme}://{host}:{port}{path}"))
    });
    Some(match granted {
        Ok(url) => Wish::Granted { url },
        Err(reason) => Wish::Refused { reason },
    })
}

/// Addresses of pods, never of this machine, of a cloud's metadata or of nobody.
fn address(ip: &str) -> Result<IpAddr, &'static str> {
    let ip: IpAddr = ip.parse().map_err(|_| "bad_address")?;
    let ip = ip.to_canonical();
    let is_of_no_pod = ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || is_link_local(ip);
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if is_of_no_pod || is_broadcast { Err("bad_address") } else { Ok(ip) }
}

fn scheme(wanted: Option<&str>) -> Result<&'static str, &'static str> {
    match wanted.unwrap_or("http") {
        "http" => Ok("http"),
        "https" => Ok("https"),
        _ => Err("bad_scheme"),
    }
}

/// Without an annotation: the port named after metrics, else the first one that the pod declares.
fn port(wanted: Option<&str>, pod: &Value) -> Result<u16, &'static str> {
    let declared = || {
        list(pod, "spec.containers")
            .iter()
            .flat_map(|container| list(container, "ports"))
            .filter_map(|port| Some((text(port, "name"), port.get("containerPort")?.as_u64()?)))
    };
    let port = match wanted {
        Some(text) => text.trim().parse().ok(),
        None => declared()
            .find(|(name, _)| name.contains("metrics") || name.contains("prom"))
            .or_else(|| declared().next())
            .and_then(|(_, port)| u16::try_from(port).ok()),
    };
    match port {
        Some(port) if port >= FIRST_USER_PORT || SYSTEM_PORTS.contains(&port) => Ok(port),
        _ => Err("bad_port"),
    }
}

/// Letters, digits and `-._~/` only: nothing that could be read as another host, path or request.
fn path(wanted: &str) -> Result<&str, &'static str> {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b'~' | b'/' | b':');
    let is_safe = wanted.starts_with('/')
        && wanted.len() <= MAX_PATH
        && wanted.bytes().all(is_plain)
        && !wanted.contains("//")
        && wanted.split('/').all(|part| part != "." && part != "..");
    if is_safe { Ok(wanted) } else { Err("bad_path") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::sources::kubernetes::testing::any_json;

    fn pod(ip: &str, annotations: &[(&str, &str)]) -> Value {
        let mut all = serde_json::Map::new();
        all.insert("prometheus.io/scrape".into(), "true".into());
        for (name, value) in annotations {
            all.insert(format!("prometheus.io/{name}"), (*value).into());
        }
        json!({
            "metadata": {"annotations": all},
            "spec": {"containers": [{"ports": [
                {"name": "web", "containerPort": 8080}, {"name": "http-metrics", "containerPort": 9100}]}]},
            "status": {"phase": "Running", "podIP": ip},
        })
    }

    fn url(pod: &Value) -> String {
        match wish(pod).expect("a wish") {
            Wish::Granted { url } => url,
            Wish::Refused { reason } => reason.to_owned(),
        }
    }

    #[test]
    fn grants_what_the_annotations_ask_for() {
        let asked = [("port", "9090"), ("path", "/app/metrics"), ("scheme", "https")];
        assert_eq!(url(&pod("10.0.0.7", &asked)), "https://10.0.0.7:9090/app/metrics");
        assert_eq!(url(&pod("fd00::7", &[("port", "80")])), "http://[fd00::7]:80/metrics");
    }

    #[test]
    fn finds_the_port_that_is_named_after_metrics() {
        assert_eq!(url(&pod("10.0.0.7", &[])), "http://10.0.0.7:9100/metrics");
        let mut pod = pod("10.0.0.7", &[]);
        pod["spec"]["containers"][0]["ports"][1]["name"] = "other".into();
        assert_eq!(url(&pod), "http://10.0.0.7:8080/metrics");
        pod["spec"] = json!({});
        assert_eq!(url(&pod), "bad_port");
    }

    #[test]
    fn refuses_addresses_that_are_no_pods() {
        let addresses = [
            "127.0.0.1",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "224.0.0.1",
            "255.255.255.255",
            "metadata.internal",
            "10.0.0.7@127.0.0.1",
            "0x7f000001",
        ];
        for ip in addresses {
            assert_eq!(url(&pod(ip, &[])), "bad_address", "{ip}");
        }
    }

    #[test]
    fn refuses_ports_of_the_system_and_odd_ones() {
        for port in ["22", "25", "0", "65536", "-1", "9090/x", "http", "9090@h", ""] {
            assert_eq!(url(&pod("10.0.0.7", &[("port", port)])), "bad_port", "{port}");
        }
    }

    #[test]
    fn refuses_paths_that_lead_elsewhere() {
        let long = format!("/{}", "a".repeat(300));
        let paths = [
            "metrics",
            "/../../admin",
            "/a/./b",
            "/a\r\nHost: x",
            "/a b",
            "//evil",
            "/%2e%2e/x",
            "/a?b=c",
            "/a#b",
            "/a@b",
            "\\x",
            "",
            &long,
        ];
        for path in paths {
            assert_eq!(url(&pod("10.0.0.7", &[("path", path)])), "bad_path", "{path:?}");
        }
        assert_eq!(url(&pod("10.0.0.7", &[("scheme", "gopher")])), "bad_scheme");
        assert_eq!(url(&pod("10.0.0.7", &[("scheme", "file")])), "bad_scheme");
    }

    #[test]
    fn waits_for_a_pod_that_runs_and_asks() {
        let mut pod = pod("10.0.0.7", &[]);
        pod["status"]["phase"] = "Pending".into();
        assert_eq!(wish(&pod), None);
        pod["status"]["phase"] = "Running".into();
        pod["status"]["podIP"] = Value::Null;
        assert_eq!(wish(&pod), None);
        assert_eq!(wish(&json!({"metadata": {}})), None);
        pod["status"]["podIP"] = "10.0.0.7".into();
        pod["metadata"]["deletionTimestamp"] = "2025-11-04T19:08:54Z".into();
        assert_eq!(wish(&pod), None);
    }

    proptest! {
        #[test]
        fn never_leaves_the_pod(port in "\\PC{0,8}", path in "\\PC{0,20}", scheme in "\\PC{0,6}", spec in any_json()) {
            let mut pod = pod("10.0.0.7", &[("port", &port), ("path", &path), ("scheme", &scheme)]);
            pod["spec"] = spec;
            if let Some(Wish::Granted { url }) = wish(&pod) {
                let url = reqwest::Url::parse(&url).expect("a URL");
                prop_assert_eq!(url.host_str(), Some("10.0.0.7"));
            }
        }
    }
}
