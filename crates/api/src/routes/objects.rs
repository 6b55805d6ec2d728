//! Objects of any kind.

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::dto::Page;
use crate::dto::object::{ObjectDetailDto, ObjectRow};
use crate::error::ApiError;
use crate::extract::Names;
use crate::params::{OneCluster, Paging, Params, Scope, Text};
use crate::rows::{object_row, owner};

use super::{one, page_of};

/// Objects of any kind that is watched.
#[utoipa::path(
    get,
    path = "/objects/{kind}",
    tag = "objects",
    params(Scope, Paging, Text, ("kind" = String, Path, description = "As in manifests: `Service`")),
    responses((status = 200, description = "Objects by cluster, namespace and name", body = Page<ObjectRow>))
)]
pub async fn list_objects(
    State(app): State<App>,
    names: Names<1>,
    Params((scope, paging, text)): Params<(Scope, Paging, Text)>,
) -> Result<Json<Page<ObjectRow>>, ApiError> {
    let [kind] = names.0;
    check_kind(&app, &kind)?;
    let page = page_of(app.objects.of_kind(&kind), &scope, &paging, text.q.as_deref())?;
    Ok(Json(page.map(|entry| Some(object_row(&entry.state)))))
}

/// One object; the namespace is `_` for cluster-scoped kinds.
#[utoipa::path(
    get,
    path = "/objects/{kind}/{namespace}/{name}",
    tag = "objects",
    params(
        OneCluster,
        ("kind" = String, Path),
        ("namespace" = String, Path),
        ("name" = String, Path)
    ),
    responses((status = 200, description = "The object", body = ObjectDetailDto))
)]
pub async fn read_object(
    State(app): State<App>,
    names: Names<3>,
    Params(cluster): Params<OneCluster>,
) -> Result<Json<ObjectDetailDto>, ApiError> {
    let [kind, namespace, name] = names.0;
    check_kind(&app, &kind)?;
    let namespace = if namespace == "_" { "" } else { &namespace };
    let entry = one(app.objects.find(&kind, namespace, &name), &cluster, "object")?;
    Ok(Json(ObjectDetailDto {
        row: object_row(&entry.state),
        owners: entry.state.owners.iter().map(owner).collect(),
        manifest: entry.manifest(),
    }))
}

/// An empty list would say that there is none, where a word is only misspelt.
fn check_kind(app: &App, kind: &str) -> Result<(), ApiError> {
    let known = app.objects.kinds();
    if known.contains(kind) {
        return Ok(());
    }
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    Err(ApiError::UnknownKind { kind: kind.to_owned(), known })
}
