//! The one kind of object that clients may write: Leases, by which programs agree on who does what.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Server;
use super::path::Target;
use super::status::Status;
use crate::store::{Key, Kind, Store, Stored, Traits};

/// The real server takes 3 MiB; a Lease has some hundred bytes.
const MAX_BYTES: usize = 64 << 10;
/// Leases of clients that are held at most.
const MAX_LEASES: usize = 4_096;

/// What a client may say of a Lease.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Draft {
    metadata: DraftMetadata,
    #[serde(default)]
    spec: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DraftMetadata {
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    resource_version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Deletion {
    preconditions: Preconditions,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    resource_version: Option<String>,
}

pub fn are_meant(target: &Target<'_>) -> bool {
    let (Target::Collection { resource, .. } | Target::Object { resource, .. }) = target else {
        return false;
    };
    resource.kind == Kind::Lease
}

/// Creates, replaces or deletes a Lease; of a changed one only who knows its last version may.
pub async fn change(server: &Server, target: &Target<'_>, method: &Method, body: Body) -> Response {
    let Ok(body) = axum::body::to_bytes(body, MAX_BYTES).await else {
        return Status::bad_request("the body is too large").into_response();
    };
    let changed = server.shared.with(|world| match (target, method) {
        (Target::Collection { namespace: Some(namespace), .. }, &Method::POST) => {
            create(&mut world.store, namespace, &body)
        }
        (Target::Object { namespace, name, .. }, &Method::PUT) => {
            replace(&mut world.store, &Key::new(*namespace, *name), &body)
        }
        (Target::Object { namespace, name, .. }, &Method::DELETE) => {
            delete(&mut world.store, &Key::new(*namespace, *name), &body)
        }
        _ => Err(Status::method_not_allowed()),
    });
    match changed {
        Ok((code, lease)) => (code, super::json(lease)).into_response(),
        Err(status) => status.into_response(),
    }
}

type Changed = Result<(StatusCode, String), Status>;

fn create(store: &mut Store, namespace: &str, body: &[u8]) -> Changed {
    let draft = draft(body)?;
    let key = Key::new(namespace, draft.metadata.name.as_str());
    if store.get(Kind::Lease, &key).is_some() {
        return Err(Status::already_exists(Kind::Lease, &key.name));
    }
    if store.count(Kind::Lease) >= MAX_LEASES {
        return Err(Status::bad_request("a simulated cluster holds no more Leases"));
    }
    Ok((StatusCode::CREATED, put(store, key, draft)))
}

fn replace(store: &mut Store, key: &Key, body: &[u8]) -> Changed {
    let draft = draft(body)?;
    if *draft.metadata.name != *key.name {
        return Err(Status::bad_request("the name of the object does not match the name on the URL"));
    }
    let before = known(store, key)?;
    check(&before, Some(draft.metadata.resource_version.as_str()).filter(|version| !version.is_empty()))?;
    Ok((StatusCode::OK, put(store, key.clone(), draft)))
}

fn delete(store: &mut Store, key: &Key, body: &[u8]) -> Changed {
    let options: Deletion = if body.is_empty() {
        Deletion::default()
    } else {
        serde_json::from_slice(body).map_err(|error| Status::bad_request(error.to_string()))?
    };
    let before = known(store, key)?;
    check(&before, options.preconditions.resource_version.as_deref())?;
    store.remove(Kind::Lease, key, |_| before.body.to_string());
    Ok((StatusCode::OK, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}).to_string()))
}

fn draft(body: &[u8]) -> Result<Draft, Status> {
    serde_json::from_slice(body).map_err(|error| Status::bad_request(error.to_string()))
}

fn known(store: &Store, key: &Key) -> Result<Arc<Stored>, Status> {
    store.get(Kind::Lease, key).ok_or_else(|| Status::not_found(Kind::Lease, &key.name))
}

fn check(before: &Stored, version: Option<&str>) -> Result<(), Status> {
    match version {
        Some(version) if version != before.version.to_string() => {
            Err(Status::conflict(Kind::Lease, &before.key.name))
        }
        _ => Ok(()),
    }
}

fn put(store: &mut Store, key: Key, draft: Draft) -> String {
    let Draft { metadata: DraftMetadata { name, labels, .. }, spec } = draft;
    let traits = Traits { labels: Arc::new(labels.clone()), fields: Vec::new() };
    let namespace = Arc::clone(&key.namespace);
    let render = |version: u64| {
        let metadata = json!({
            "name": name, "namespace": &*namespace, "labels": labels, "resourceVersion": version.to_string(),
        });
        // In the order of the real one, by which the list leaves out the first two.
        format!(
            r#"{{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{metadata},"spec":{spec}}}"#
        )
    };
    store.put(Kind::Lease, key.clone(), traits, render);
    store.get(Kind::Lease, &key).map(|lease| lease.body.to_string()).unwrap_or_default()
}
