//! The kubelets' own endpoints.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Server;
use super::status::Status;
use crate::kubelet;
use crate::world::{Health, NodeUse};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// A node that was looked up.
enum Found {
    Missing,
    /// Its kubelet cannot be reached at this address.
    Silent(String),
    Answers(Box<NodeUse>),
}

pub async fn kubelet(server: &Server, node: &str, path: &str) -> Response {
    let found = server.shared.with(|world| {
        let Some(node) = world.nodes.iter().find(|n| *n.name == *node) else { return Found::Missing };
        if node.health != Health::Ready {
            return Found::Silent(node.ip.to_string());
        }
        world.node_use(node.id).map_or(Found::Missing, |usage| Found::Answers(Box::new(usage)))
    });
    match found {
        Found::Missing => Status::not_found(crate::store::Kind::Node, node).into_response(),
        Found::Silent(address) => Status::unreachable(format!(
            "error trying to reach service: dial tcp {address}:10250: connect: no route to host"
        ))
        .into_response(),
        // Rendering a large node takes milliseconds: elsewhere than on the threads that serve.
        Found::Answers(usage) => {
            let path = path.to_owned();
            sentinel_runtime::spawn_blocking("kubelet", move || render(&usage, &path)).await
        }
    }
}

fn render(usage: &NodeUse, path: &str) -> Response {
    let text = |body: String| ([(header::CONTENT_TYPE, TEXT)], body).into_response();
    match path {
        "metrics/cadvisor" => text(kubelet::cadvisor(usage)),
        "metrics/resource" => text(kubelet::resource(usage)),
        "metrics/probes" => text(kubelet::probes(usage)),
        "metrics" => text(kubelet::kubelet(usage)),
        "stats/summary" => super::json(kubelet::summary(usage)),
        "healthz" => "ok".into_response(),
        _ => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
    }
}
