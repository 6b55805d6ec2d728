//! Lists, whole or in pages, and single objects.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;

use super::path::Resource;
use super::present::Form;
use super::status::Status;
use super::{Parameters, Server, number};
use crate::json;
use crate::store::{Key, Requirements, Stored};

/// Lists that clients are paging through. Each holds its objects as they were, so that all pages are
/// of one version; the oldest is dropped when there are too many, and its client is told so.
#[derive(Clone, Debug, Default)]
pub struct Snapshots(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    lists: VecDeque<Snapshot>,
    n_opened: u64,
}

#[derive(Clone, Debug)]
struct Snapshot {
    id: u64,
    version: u64,
    objects: Arc<[Arc<Stored>]>,
}

const MAX_SNAPSHOTS: usize = 32;

/// A part of a list.
struct Page {
    version: u64,
    objects: Vec<Arc<Stored>>,
    /// Token and number of what follows.
    rest: Option<(String, usize)>,
}

pub fn list(
    server: &Server,
    (resource, namespace): (Resource, Option<&str>),
    parameters: &Parameters,
    form: Form,
) -> Response {
    match page(server, (resource, namespace), parameters) {
        Ok(page) => super::json(render(resource, &page, form)),
        Err(status) => status.into_response(),
    }
}

fn page(
    server: &Server,
    (resource, namespace): (Resource, Option<&str>),
    parameters: &Parameters,
) -> Result<Page, Status> {
    let limit = number::<usize>(parameters, "limit").filter(|limit| *limit > 0);
    if let Some(token) = parameters.get("continue").filter(|token| !token.is_empty()) {
        return server.snapshots.resume(token, limit).ok_or_else(Status::continue_expired);
    }
    let requirements = requirements(parameters)?;
    let asked = parameters.get("resourceVersion").filter(|text| !text.is_empty());
    let asked: u64 = match asked {
        None => 0,
        Some(text) => text.parse().map_err(|_| Status::invalid_version(text))?,
    };
    let (version, mut objects) =
        server.shared.with(|world| (world.store().version(), world.store().list(resource.kind, namespace)));
    if asked > version {
        return Err(Status::too_large_version(asked, version));
    }
    if !requirements.is_everything() {
        objects.retain(|object| requirements.select(&object.key, &object.traits));
    }
    match limit {
        Some(limit) if objects.len() > limit => Ok(server.snapshots.open(version, objects, limit)),
        _ => Ok(Page { version, objects, rest: None }),
    }
}

/// Both selectors of a request.
pub fn requirements(parameters: &Parameters) -> Result<Requirements, Status> {
    let text = |name: &str| parameters.get(name).map_or("", String::as_str);
    Requirements::parse(text("labelSelector"), text("fieldSelector"))
        .map_err(|error| Status::selector(&error))
}

fn render(resource: Resource, page: &Page, form: Form) -> Body {
    let (kind, api_version) = form.type_of(resource.kind);
    let head = json::object(|list| {
        list.text("kind", &format!("{kind}List"));
        list.text("apiVersion", &api_version);
        list.object("metadata", |metadata| {
            metadata.text("resourceVersion", &page.version.to_string());
            if let Some((token, n_left)) = &page.rest {
                metadata.text("continue", token);
                metadata.number("remainingItemCount", *n_left as i64);
            }
        });
    });
    let mut body =
        String::with_capacity(page.objects.iter().map(|object| object.body.len()).sum::<usize>() + 256);
    body.push_str(head.trim_end_matches('}'));
    body.push_str("},\"items\":[");
    for (place, object) in page.objects.iter().enumerate() {
        if place > 0 {
            body.push(',');
        }
        body.push_str(&form.present_item(&object.body));
    }
    body.push_str("]}");
    Body::from(body)
}

pub fn get(server: &Server, resource: Resource, (namespace, name): (&str, &str), form: Form) -> Response {
    let key = Key::new(namespace, name);
    match server.shared.with(|world| world.store().get(resource.kind, &key)) {
        Some(object) => super::json(form.present(&object.body).into_owned()),
        None => Status::not_found(resource.kind, name).into_response(),
    }
}

impl Snapshots {
    fn open(&self, version: u64, objects: Vec<Arc<Stored>>, limit: usize) -> Page {
        let mut open = self.0.lock();
        open.n_opened += 1;
        let snapshot = Snapshot { id: open.n_opened, version, objects: objects.into() };
        if open.lists.len() == MAX_SNAPSHOTS {
            open.lists.pop_front();
        }
        open.lists.push_back(snapshot.clone());
        drop(open);
        snapshot.page(0, Some(limit))
    }

    fn resume(&self, token: &str, limit: Option<usize>) -> Option<Page> {
        let mut fields = token.split('.').map(str::parse::<u64>);
        let (id, from) = (fields.next()?.ok()?, fields.next()?.ok()?);
        let mut open = self.0.lock();
        let place = open.lists.iter().position(|snapshot| snapshot.id == id)?;
        let page = open.lists[place].page(usize::try_from(from).ok()?, limit);
        if page.rest.is_none() {
            open.lists.remove(place);
        }
        Some(page)
    }

    /// Makes all open lists expire.
    pub fn drop_all(&self) {
        self.0.lock().lists.clear();
    }
}

impl Snapshot {
    fn page(&self, from: usize, limit: Option<usize>) -> Page {
        let from = from.min(self.objects.len());
        let to = limit.map_or(self.objects.len(), |limit| (from + limit).min(self.objects.len()));
        let n_left = self.objects.len() - to;
        Page {
            version: self.version,
            objects: self.objects[from..to].to_vec(),
            rest: (n_left > 0).then(|| (format!("{}.{to}", self.id), n_left)),
        }
    }
}
