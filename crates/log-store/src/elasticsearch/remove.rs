//! Takes away all that is ours on a server, of installations that are made to be thrown away.

use std::sync::Arc;

use reqwest::Method;
use sentinel_runtime::Registry;

use super::client::{Call, Client, Payload};
use super::failure::Failure;
use super::metrics::Metrics;
use super::names::Names;
use super::search::Reader;
use crate::config::ElasticsearchConfig;
use crate::day::Retention;
use crate::{DocumentKind, LogStoreError};

/// # Errors
/// The server does not answer, or does not permit it.
pub(crate) async fn remove(config: &ElasticsearchConfig) -> Result<(), LogStoreError> {
    let metrics = Arc::new(Metrics::register(&mut Registry::default()));
    let client = Arc::new(Client::new(config, metrics)?);
    let names = Names::new(config.index_prefix.clone());
    let retention = Arc::new(Retention::new(config.retention));
    let reader = Reader { client: Arc::clone(&client), names: names.clone(), retention };
    // By their names: patterns may be refused (action.destructive_requires_name).
    for target in reader.targets().await? {
        delete(&client, &format!("/{}", names.index(target))).await?;
    }
    for kind in [DocumentKind::Log, DocumentKind::Event] {
        delete(&client, &format!("/_index_template/{}", names.index_template(kind))).await?;
    }
    delete(&client, &format!("/_component_template/{}", names.component_template())).await?;
    // The server has one of them, or none.
    for path in ["_ilm/policy", "_plugins/_ism/policies"] {
        let _ = delete(&client, &format!("/{path}/{}", names.policy())).await;
    }
    Ok(())
}

async fn delete(client: &Client, path: &str) -> Result<(), Failure> {
    let call = Call { operation: "remove", method: Method::DELETE, path, query: &[], body: Payload::Empty };
    match client.send(call).await {
        Err(failure) if failure.is_status(404) => Ok(()),
        answer => answer.map(drop),
    }
}
