//! Where the cluster is and how it is reached: one HTTP client for the API server and one for kubelets,
//! both with the cluster's certificates and this account's credentials.

mod kubeconfig;
mod location;
mod request;
mod token;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::time::Instant;
use tracing::{info, warn};

pub(crate) use location::{ConnectError, Location};
pub(super) use location::{check_url, is_link_local};
pub(super) use request::{Accept, Bounds, CallError, call, fetch, message_of, next_chunk, open};

use super::KubernetesConfig;

/// Credentials are not loaded more often than this, however often the server refuses them.
const LEAST_TIME_BETWEEN_LOADS: Duration = Duration::from_secs(10);

/// What one set of credentials gives.
pub(super) struct Clients {
    /// Takes paths; adds the address of the API server.
    pub(super) api: kube::Client,
    /// Takes whole URLs of kubelets.
    pub(super) nodes: kube::Client,
}

/// A way into the cluster whose credentials can be loaded anew.
pub(super) struct Connection {
    config: KubernetesConfig,
    location: Location,
    clients: RwLock<Arc<Clients>>,
    reloaded: Mutex<Option<Instant>>,
}

impl Connection {
    /// Reads files, opens no connection.
    ///
    /// # Errors
    /// What is wrong with the address or the credentials, and what to change.
    pub(super) fn load(config: &KubernetesConfig, location: Location) -> Result<Self, ConnectError> {
        let clients = build(config, &location)?;
        Ok(Self {
            config: config.clone(),
            location,
            clients: RwLock::new(Arc::new(clients)),
            reloaded: Mutex::new(None),
        })
    }

    pub(super) fn clients(&self) -> Arc<Clients> {
        Arc::clone(&self.clients.read())
    }

    pub(super) const fn location(&self) -> &Location {
        &self.location
    }

    /// Loads the credentials anew after the server refused them: tokens expire, certificates rotate.
    pub(super) fn reload(&self) {
        {
            let mut reloaded = self.reloaded.lock();
            if reloaded.is_some_and(|before| before.elapsed() < LEAST_TIME_BETWEEN_LOADS) {
                return;
            }
            *reloaded = Some(Instant::now());
        }
        match build(&self.config, &self.location) {
            Ok(clients) => {
                info!(location = %self.location, "loaded the cluster's credentials anew");
                *self.clients.write() = Arc::new(clients);
            }
            Err(error) => warn!(error = %error, "keeping the cluster's credentials"),
        }
    }
}

fn build(config: &KubernetesConfig, location: &Location) -> Result<Clients, ConnectError> {
    let api = location.load(config)?;
    let kubelet = transport::kubelet_config(&api, &config.kubelet)?;
    Ok(Clients {
        api: transport::client(&api, transport::Target::ApiServer)?,
        nodes: transport::client(&kubelet, transport::Target::AnyNode)?,
    })
}

#[cfg(test)]
mod tests;
