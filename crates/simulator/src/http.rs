//! The API server and the kubelets over HTTP, and the controls of the simulation.

use std::collections::HashMap;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::shared::Shared;

mod control;
mod discovery;
mod leases;
mod list;
mod logs;
mod nodes;
mod path;
mod present;
mod status;
mod watch;

use path::{Target, parse};
use present::Form;
use status::Status;

pub use list::Snapshots;

/// What requests work on.
#[derive(Clone, Debug)]
pub struct Server {
    pub shared: Shared,
    pub snapshots: Snapshots,
}

/// Parameters of a request.
pub type Parameters = HashMap<String, String>;

pub fn router(shared: Shared) -> Router {
    let server = Server { shared, snapshots: Snapshots::default() };
    Router::new().merge(control::router()).fallback(serve).with_state(server)
}

/// Everything that a real API server or kubelet answers.
async fn serve(
    State(server): State<Server>,
    Query(parameters): Query<Parameters>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if let Some(rule) = server.shared.chaos.take(path) {
        return Status::ordered(&rule).into_response();
    }
    let target = parse(path);
    let is_review = matches!(target, Some(Target::AccessReview));
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    match target {
        Some(target) if !is_read && leases::are_meant(&target) => {
            leases::change(&server, &target, &parts.method, body).await
        }
        _ if !is_review && !is_read => Status::method_not_allowed().into_response(),
        None => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
        Some(target) => answer(&server, &target, &parameters, &parts.headers).await,
    }
}

async fn answer(
    server: &Server,
    target: &Target<'_>,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Response {
    let form = |is_new_event| Form::of(headers, is_new_event);
    match target {
        Target::Text(text) => (*text).into_response(),
        Target::Document(document) => json(document.clone()),
        Target::AccessReview => json(discovery::access_review()),
        Target::Collection { resource, namespace } => {
            let is_watch = parameters.get("watch").is_some_and(|v| v == "true" || v == "1");
            let form = form(resource.is_new_event);
            if is_watch {
                watch::watch(server, (*resource, *namespace), parameters, form)
            } else {
                list::list(server, (*resource, *namespace), parameters, form)
            }
        }
        Target::Object { resource, namespace, name } => {
            list::get(server, *resource, (namespace, name), form(resource.is_new_event))
        }
        Target::Log { namespace, name } => logs::logs(server, (namespace, name), parameters),
        Target::Kubelet { node, path } => nodes::kubelet(server, node, path).await,
    }
}

fn json(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// Looks a parameter up; an unreadable number is as good as none, as in the real one.
fn number<T: std::str::FromStr>(parameters: &Parameters, name: &str) -> Option<T> {
    parameters.get(name)?.parse().ok()
}

fn flag(parameters: &Parameters, name: &str) -> bool {
    parameters.get(name).is_some_and(|value| value == "true" || value == "1")
}

#[cfg(test)]
mod tests;
