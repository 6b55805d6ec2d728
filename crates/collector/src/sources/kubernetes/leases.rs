//! Membership by Leases (`coordination.k8s.io/v1`): each collector keeps one of its own renewed, and those that
//! are renewed name the members. Nobody's clock is compared with anybody else's: a Lease is over when it was not
//! seen to change for its duration, and whoever cannot renew its own for that long stops before others may begin.

mod object;
mod roster;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use sentinel_runtime::Shutdown;
use sentinel_runtime::clock::now_nanos;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tracing::{debug, warn};

use super::KubernetesConfig;
use super::client::{Accept, Bounds, CallError, Connection, Location, call, fetch};
use super::watch::encoded;
use crate::LeaseConfig;
use crate::sharding::{Share, Verdicts};
use object::{Seen, labels, leases_of, written};
use roster::Roster;

/// The pod's own namespace.
const ACCOUNT_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// Credentials may come later than the collector.
const RETRY: Duration = Duration::from_secs(5);
/// A list of Leases is small; one that is not is not ours.
const MAX_BYTES: u64 = 4 << 20;
/// How long the last act may take, when the collector ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// One collector's Lease, and what it sees of the others'.
pub(crate) struct Leases {
    config: LeaseConfig,
    kubernetes: KubernetesConfig,
    location: Location,
    /// Of the collection.
    path: String,
    /// Of the own Lease, and this collector's name among the members.
    name: Arc<str>,
    /// Who holds it: this process and no other.
    holder: String,
}

/// Between two rounds.
struct State {
    roster: Roster,
    /// The own Lease is this process's until then, whatever happens.
    held_until: Option<Instant>,
    /// Others have had time to notice this one.
    settled_at: Instant,
    /// As last written.
    version: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("{0}")]
    Call(#[from] CallError),
    #[error("the API server's answer is no list of Leases: {0}")]
    Nonsense(#[from] serde_json::Error),
    #[error("the Lease {name} belongs to {holder}, which is alive; give this collector another collector.id")]
    Taken { name: Arc<str>, holder: String },
    #[error("no answer within {after:?}")]
    Slow { after: Duration },
}

impl Leases {
    /// Opens no connection.
    ///
    /// # Errors
    /// There is no cluster, or no namespace: in words.
    pub(crate) fn build(
        config: &LeaseConfig,
        kubernetes: &KubernetesConfig,
        collector: &str,
    ) -> Result<Self, String> {
        let location = Location::find(kubernetes).map_err(|error| error.to_string())?;
        let location = location.ok_or("no cluster was found; write collector.sharding.kind = \"group\"")?;
        let own = || std::fs::read_to_string(ACCOUNT_NAMESPACE).ok().map(|text| text.trim().to_owned());
        let is_told = !config.namespace.is_empty();
        let namespace = if is_told { Some(config.namespace.clone()) } else { own() };
        let namespace = namespace.filter(|name| !name.is_empty()).ok_or(
            "the namespace of the Leases is not known outside a pod; write \
             collector.sharding.namespace = \"sentinel-mesh\"",
        )?;
        Ok(Self {
            config: config.clone(),
            kubernetes: kubernetes.clone(),
            location,
            path: format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", encoded(&namespace)),
            name: object::name_of(collector).into(),
            holder: format!("{collector}_{:x}", now_nanos()),
        })
    }

    /// Keeps the Lease and tells what is owned, until asked to stop; then the Lease is given up.
    pub(crate) async fn run(self: Box<Self>, verdicts: Verdicts, stop: Shutdown) {
        let Some(connection) = stop.guard(self.connect(&verdicts)).await else { return };
        let mut state = State {
            roster: Roster::new(Arc::clone(&self.name)),
            held_until: None,
            settled_at: Instant::now(),
            version: None,
        };
        while !stop.is_requested() {
            stop.guard(self.turn(&connection, &mut state, &verdicts)).await;
        }
        verdicts.set(Share::Nothing);
        if let Some(version) = state.version {
            let path = format!("{}/{}", self.path, self.name);
            let bounds = Bounds { timeout: FAREWELL, bytes: MAX_BYTES };
            let body = object::deletion(&version);
            let given_up = call(&connection.clients().api, (Method::DELETE, &path), Some(body), bounds).await;
            if let Err(error) = given_up {
                debug!(%error, "the Lease runs out by itself");
            }
        }
    }

    async fn connect(&self, verdicts: &Verdicts) -> Connection {
        loop {
            match Connection::load(&self.kubernetes, self.location.clone()) {
                Ok(connection) => return connection,
                Err(error) => verdicts.lose(error.to_string()),
            }
            sleep(RETRY).await;
        }
    }

    /// One round, what follows from it, and the wait for the next.
    async fn turn(&self, connection: &Connection, state: &mut State, verdicts: &Verdicts) {
        let began = Instant::now();
        let patience = self.config.lease_duration;
        let latest = state.held_until.map_or(began + patience, |until| until.min(began + patience));
        let round = timeout_at(latest, self.round(connection, state)).await;
        match round.unwrap_or(Err(RoundError::Slow { after: latest - began })) {
            Ok(members) => {
                verdicts.well();
                state.held_until.into_iter().for_each(|until| verdicts.hold_until(until));
                verdicts.set(self.share(members, state));
            }
            Err(error) => {
                debug!(%error, "a round of Leases failed");
                if matches!(&error, RoundError::Call(call) if call.reason() == "unauthorized") {
                    connection.reload();
                }
                let is_taken = matches!(error, RoundError::Taken { .. });
                self.doubt(&error, state, verdicts, is_taken);
            }
        }
        let next = began + self.config.renew_interval;
        // What is owned ends with the Lease, not with the next round.
        match state.held_until.filter(|until| *until < next) {
            Some(until) => {
                sleep_until(until).await;
                self.lose("it could not be renewed in time", state, verdicts);
                sleep_until(next).await;
            }
            None => sleep_until(next).await,
        }
    }

    fn doubt(&self, error: &RoundError, state: &mut State, verdicts: &Verdicts, is_taken: bool) {
        let is_held = state.held_until.is_some_and(|until| Instant::now() < until);
        if is_held && !is_taken {
            verdicts
                .doubt(format!("the Lease {} cannot be renewed: {error}; tried again by itself", self.name));
        } else {
            self.lose(&error.to_string(), state, verdicts);
        }
    }

    fn lose(&self, why: &str, state: &mut State, verdicts: &Verdicts) {
        if state.held_until.take().is_some() {
            warn!(lease = &*self.name, why, "lost the Lease: others may collect now");
        }
        verdicts
            .lose(format!("no Lease {}, nothing is collected here: {why}; tried again by itself", self.name));
    }

    /// Sees who is there and renews the own Lease; gives the members.
    async fn round(
        &self,
        connection: &Connection,
        state: &mut State,
    ) -> Result<BTreeSet<Arc<str>>, RoundError> {
        let (api, bounds) = (&connection.clients().api, self.bounds());
        let selector = encoded(&labels().map(|(name, value)| format!("{name}={value}")).join(","));
        let listed =
            fetch(api, &format!("{}?labelSelector={selector}", self.path), Accept::Json, bounds).await?;
        let leases = leases_of(&listed)?;
        let before = Instant::now();
        let mut members = state.roster.observe(&leases, before, 3 * self.config.renew_interval);
        let own = leases.iter().find(|lease| lease.name == self.name);
        if let Some(own) = own
            && own.holder != self.holder
            && !own.holder.is_empty()
            && members.contains(&self.name)
        {
            return Err(RoundError::Taken { name: Arc::clone(&self.name), holder: own.holder.clone() });
        }
        let version = self.renew(api, own, bounds).await?;
        if state.held_until.is_none() {
            let are_others = members.iter().any(|member| *member != self.name);
            // They look as often as this one does.
            let settling = self.config.renew_interval * 3 / 2;
            state.settled_at = if are_others { Instant::now() + settling } else { before };
        }
        state.version = Some(version);
        // From before the request: the server counts from later.
        state.held_until = Some(before + self.config.lease_duration);
        members.insert(Arc::clone(&self.name));
        self.bury(api, state, bounds).await;
        Ok(members)
    }

    /// Writes the own Lease; gives its version.
    async fn renew(
        &self,
        api: &kube::Client,
        own: Option<&Seen>,
        bounds: Bounds,
    ) -> Result<String, RoundError> {
        let body = object::lease((&self.name, &self.holder), self.config.lease_duration, own);
        let path = format!("{}/{}", self.path, self.name);
        let request = if own.is_some() { (Method::PUT, &*path) } else { (Method::POST, &*self.path) };
        Ok(written(&call(api, request, Some(body), bounds).await?)?)
    }

    /// Removes Leases of collectors that are long gone: the oldest, as it was when it was last seen.
    async fn bury(&self, api: &kube::Client, state: &mut State, bounds: Bounds) {
        let Some((name, version)) = state.roster.long_gone(Instant::now()) else { return };
        let path = format!("{}/{name}", self.path);
        let removed = call(api, (Method::DELETE, &path), Some(object::deletion(&version)), bounds);
        if let Ok(Err(error)) = timeout(self.config.renew_interval, removed).await {
            debug!(%error, name = &*name, "an old Lease stays");
        }
    }

    fn share(&self, members: BTreeSet<Arc<str>>, state: &State) -> Share {
        if Instant::now() < state.settled_at {
            return Share::Nothing;
        }
        Share::Member { own: Arc::clone(&self.name), members }
    }

    fn bounds(&self) -> Bounds {
        Bounds { timeout: self.config.lease_duration / 2, bytes: MAX_BYTES }
    }
}
