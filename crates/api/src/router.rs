//! All routes of the listener: the API, the admin endpoints, the dashboard.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::{any, get};
use http::header;
use tower_http::compression::CompressionLayer;
use utoipa::openapi::{OpenApi, RefOr};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::MAX_BODY_BYTES;
use crate::{access, openapi, outer, routes, ws};

pub const BASE: &str = "/api/v1";

/// The documented routes and the document.
pub fn documented() -> (Router<App>, OpenApi) {
    let (router, document) =
        OpenApiRouter::with_openapi(openapi::base()).nest(BASE, routes::router()).split_for_parts();
    (router, openapi::complete(document))
}

/// `admin` and `dashboard` are served on the same listener; the dashboard answers whatever is left.
pub fn router(app: App, admin: Router, dashboard: Router) -> Router {
    let (routes, document) = documented();
    let text: Arc<str> = openapi::render(&document).into();
    let answer = move || {
        let text = Arc::clone(&text);
        async move { ([(header::CONTENT_TYPE, "application/json")], text.to_string()).into_response() }
    };
    let nowhere = || async { ApiError::UnknownRoute };
    let known = Arc::new(parameters(&document));
    let api = routes
        .route_layer(from_fn_with_state(known, outer::known_parameters))
        .route(&format!("{BASE}/openapi.json"), get(answer))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CompressionLayer::new())
        .route(&format!("{BASE}/ws"), get(ws::connect))
        .route("/api", any(nowhere))
        .route("/api/{*rest}", any(nowhere));
    api.with_state(app.clone())
        .merge(admin)
        .fallback_service(dashboard)
        .layer(from_fn_with_state(app.clone(), access::guard))
        .layer(from_fn_with_state(app, outer::surround))
}

/// Names of the query parameters by route.
fn parameters(document: &OpenApi) -> ahash::AHashMap<String, Vec<String>> {
    let names = |operation: &utoipa::openapi::path::Operation| {
        let is_query = |parameter: &RefOr<utoipa::openapi::path::Parameter>| match parameter {
            RefOr::T(parameter) if parameter.parameter_in == utoipa::openapi::path::ParameterIn::Query => {
                Some(parameter.name.clone())
            }
            _ => None,
        };
        operation.parameters.iter().flatten().filter_map(is_query).collect::<Vec<_>>()
    };
    let paths = document.paths.paths.iter();
    paths
        .map(|(path, item)| {
            let operations = [item.get.as_ref(), item.put.as_ref(), item.post.as_ref(), item.delete.as_ref()];
            (path.clone(), operations.into_iter().flatten().flat_map(names).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set `UPDATE_OPENAPI=1` to write it anew.
    #[test]
    fn the_checked_in_openapi_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let current = openapi::render(&documented().1);
        if sentinel_runtime::config::variable("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &current).expect("write openapi.json");
        }
        let known = std::fs::read_to_string(path).expect("read openapi.json");
        assert!(known == current, "openapi.json is stale; run the tests with UPDATE_OPENAPI=1");
    }
}
