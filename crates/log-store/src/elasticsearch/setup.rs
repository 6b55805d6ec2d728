//! Templates, policies and the indexes of days, made when they are first needed.
//!
//! Documents are written to aliases only (`require_alias`), so that the server never makes an index by itself:
//! one that somebody has deleted comes back with our mapping or not at all.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use elasticsearch::cluster::{ClusterGetComponentTemplateParts, ClusterPutComponentTemplateParts};
use elasticsearch::indices::{
    IndicesCreateParts, IndicesGetIndexTemplateParts, IndicesPutAliasParts, IndicesPutIndexTemplateParts,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing::info;

use super::client::{Call, Client};
use super::failure::Failure;
use super::names::{Names, Target};
use super::policy::{self, Keeper, Wanted};
use super::schema;
use crate::DocumentKind;
use crate::config::ElasticsearchConfig;
use crate::day::Retention;

pub(super) struct Setup {
    client: Arc<Client>,
    names: Names,
    config: Arc<ElasticsearchConfig>,
    retention: Arc<Retention>,
    /// Indexes that are there, for all we know.
    known: Mutex<HashSet<Target>>,
    /// What the server has told once.
    keeper: Mutex<Option<Keeper>>,
    /// One at a time: what the first has made, the others find.
    turn: tokio::sync::Mutex<()>,
}

const OPERATION: &str = "setup";

/// More days than are ever in use; they are found out again.
const MAX_KNOWN: usize = 2_000;

impl Setup {
    pub(super) fn new(
        client: Arc<Client>,
        names: Names,
        config: Arc<ElasticsearchConfig>,
        retention: Arc<Retention>,
    ) -> Self {
        Self {
            client,
            names,
            config,
            retention,
            known: Mutex::default(),
            keeper: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Makes the indexes that are not there yet.
    pub(super) async fn ensure(&self, targets: &BTreeSet<Target>) -> Result<(), Failure> {
        if self.missing(targets).is_empty() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        let missing = self.missing(targets);
        if missing.is_empty() {
            return Ok(());
        }
        // Somebody may have removed them since the last index was made.
        self.put_templates().await?;
        for target in missing {
            self.create(target).await?;
            let mut known = self.known.lock();
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.insert(target);
        }
        Ok(())
    }

    /// Puts the retention of logs on the server, where that keeps it.
    pub(super) async fn keep(&self) -> Result<(), Failure> {
        let _turn = self.turn.lock().await;
        self.put_policy().await.map(drop)
    }

    /// The server says that this index is not there.
    pub(super) fn forget(&self, target: Target) {
        self.known.lock().remove(&target);
    }

    /// Who keeps the retention; `None` before this process has written anything, or was told what people have set.
    pub(super) fn keeper(&self) -> Option<Keeper> {
        *self.keeper.lock()
    }

    fn missing(&self, targets: &BTreeSet<Target>) -> Vec<Target> {
        let known = self.known.lock();
        targets.iter().copied().filter(|target| !known.contains(target)).collect()
    }

    async fn put_policy(&self) -> Result<Keeper, Failure> {
        let told = *self.keeper.lock();
        let keeper = match told {
            Some(keeper) => keeper,
            None => policy::find_keeper(&self.client).await?,
        };
        let retention = match self.retention.of(DocumentKind::Log) {
            Some(known) if self.retention.is_set(DocumentKind::Log) => Wanted::Exactly(known),
            Some(known) => Wanted::AtLeast(known),
            None => Wanted::Created(self.config.retention),
        };
        policy::put(&self.client, keeper, &self.names, retention).await?;
        *self.keeper.lock() = Some(keeper);
        Ok(keeper)
    }

    async fn put_templates(&self) -> Result<(), Failure> {
        let keeper = self.put_policy().await?;
        let component = schema::component(&self.config);
        let name = self.names.component_template();
        let get = ClusterGetComponentTemplateParts::Name(&[&name]).url();
        let put = ClusterPutComponentTemplateParts::Name(&name).url();
        self.put_template((&get, "/component_templates/0/component_template"), &put, &component).await?;
        let policy = (keeper == Keeper::Ilm).then(|| self.names.policy());
        for kind in [DocumentKind::Log, DocumentKind::Event] {
            let template = schema::index(&self.names, kind, policy.as_deref());
            let name = self.names.index_template(kind);
            let get = IndicesGetIndexTemplateParts::Name(&name).url();
            let put = IndicesPutIndexTemplateParts::Name(&name).url();
            self.put_template((&get, "/index_templates/0/index_template"), &put, &template).await?;
        }
        Ok(())
    }

    /// `there`: the path of what is on the server, and the template's place in the answer.
    async fn put_template(
        &self,
        (get, place): (&str, &str),
        put: &str,
        template: &Value,
    ) -> Result<(), Failure> {
        let version = schema::version_of(template);
        match self.client.ask::<Value>(Call::get(OPERATION, get)).await {
            Ok(there) if there.pointer(place).is_some_and(|it| schema::version_of(it) == version) => Ok(()),
            Ok(_) => self.put(put, template).await,
            Err(failure) if failure.is_status(404) => self.put(put, template).await,
            Err(failure) => Err(failure),
        }
    }

    async fn put(&self, path: &str, template: &Value) -> Result<(), Failure> {
        info!(path, "putting a template on the server");
        self.client.send(Call::put(OPERATION, path, template)).await.map(drop)
    }

    async fn create(&self, target: Target) -> Result<(), Failure> {
        let (index, alias) = (self.names.index(target), self.names.alias(target));
        let body = json!({ "aliases": { &alias: {} } });
        let created =
            self.client.send(Call::put(OPERATION, &IndicesCreateParts::Index(&index).url(), &body)).await;
        match created {
            Ok(_) => {
                info!(index, "made an index");
                Ok(())
            }
            Err(Failure::Refused(refusal)) if refusal.kind == "resource_already_exists_exception" => {
                // Another process was first; or somebody has taken the alias away.
                let path = IndicesPutAliasParts::IndexName(&[&index], &alias).url();
                self.client.send(Call::put(OPERATION, &path, &json!({}))).await.map(drop)
            }
            Err(failure) => Err(failure),
        }
    }
}
