//! Reading a kubeconfig, and refusing what it must not make this program do.

use std::path::PathBuf;

use kube::Config;
use kube::config::{AuthInfo, Cluster, Kubeconfig};

use super::location::{ConnectError, check_url};
use crate::sources::kubernetes::KubernetesConfig;

/// Kubeconfigs hold names, addresses and a few certificates.
const MAX_BYTES: u64 = 1 << 20;

pub(super) fn load(paths: &[PathBuf], config: &KubernetesConfig) -> Result<Config, ConnectError> {
    let mut merged = Kubeconfig::default();
    for path in paths {
        let metadata =
            std::fs::metadata(path).map_err(|source| ConnectError::Read { path: path.clone(), source })?;
        if metadata.len() > MAX_BYTES {
            return Err(ConnectError::TooLarge { path: path.clone(), limit: MAX_BYTES });
        }
        merged = Kubeconfig::read_from(path)
            .and_then(|next| merged.merge(next))
            .map_err(|source| ConnectError::Kubeconfig { source })?;
    }
    if config.context.is_some() {
        merged.current_context.clone_from(&config.context);
    }
    let (cluster, user) = selected(&merged)?;
    check_cluster(cluster)?;
    check_user(user, config.allow_exec)?;
    let mut loaded = Config::try_from(merged).map_err(|source| ConnectError::Kubeconfig { source })?;
    // May come from the environment; the client goes to the server directly.
    loaded.proxy_url = None;
    Ok(loaded)
}

fn selected(kubeconfig: &Kubeconfig) -> Result<(&Cluster, Option<&AuthInfo>), ConnectError> {
    let unknown = |what, name: &str| ConnectError::Unknown { what, name: name.to_owned() };
    let name = kubeconfig.current_context.as_deref().unwrap_or_default();
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == name)
        .and_then(|named| named.context.as_ref())
        .ok_or_else(|| unknown("context", name))?;
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster.as_ref())
        .ok_or_else(|| unknown("cluster", &context.cluster))?;
    let Some(user) = context.user.as_deref().filter(|user| !user.is_empty()) else {
        return Ok((cluster, None));
    };
    let user =
        kubeconfig.auth_infos.iter().find(|named| named.name == user).ok_or_else(|| unknown("user", user))?;
    Ok((cluster, user.auth_info.as_ref()))
}

fn check_cluster(cluster: &Cluster) -> Result<(), ConnectError> {
    check_url(cluster.server.as_deref().unwrap_or_default())?;
    if cluster.insecure_skip_tls_verify == Some(true) {
        return Err(refused("insecure-skip-tls-verify: give certificate-authority instead"));
    }
    if cluster.proxy_url.as_ref().is_some_and(|proxy| !proxy.is_empty()) {
        return Err(refused("proxy-url"));
    }
    Ok(())
}

fn check_user(user: Option<&AuthInfo>, allow_exec: bool) -> Result<(), ConnectError> {
    let Some(user) = user else { return Ok(()) };
    if let (Some(exec), false) = (&user.exec, allow_exec) {
        let command = exec.command.as_deref().unwrap_or("a program");
        let hint = "set collector.kubernetes.allow_exec = true if it is yours";
        return Err(refused(&format!("running {command:?} for credentials; {hint}")));
    }
    if let Some(provider) = &user.auth_provider {
        return Err(refused(&format!("auth-provider {:?}, which Kubernetes removed", provider.name)));
    }
    let impersonates = user.impersonate.is_some()
        || user.impersonate_uid.is_some()
        || user.impersonate_groups.as_ref().is_some_and(|groups| !groups.is_empty());
    if impersonates {
        return Err(refused("impersonation (as, as-uid, as-groups)"));
    }
    Ok(())
}

fn refused(what: &str) -> ConnectError {
    ConnectError::Refused { what: what.to_owned() }
}
