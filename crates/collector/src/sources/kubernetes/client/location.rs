//! Finding the cluster: an explicit URL, the pod's own account, `$KUBECONFIG`, `~/.kube/config`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use http::Uri;
use kube::Config;
use sentinel_runtime::config::variable;

use super::kubeconfig;
use crate::sources::kubernetes::{Enabled, KubernetesConfig};

/// Mounted into every pod that has an account.
const ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// Where the cluster's address and credentials come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    Url(String),
    Pod,
    /// Files are merged as kubectl does.
    Kubeconfig(Vec<PathBuf>),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no cluster found: set collector.kubernetes.url, or KUBECONFIG, or run inside a pod")]
    NotFound,
    #[error("the cluster's address {url:?} cannot be used: {reason}")]
    Url { url: String, reason: &'static str },
    #[error("{path} cannot be read: {source}; give one that can, or correct its owner and mode")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the kubeconfig {path} is larger than {limit} bytes")]
    TooLarge { path: PathBuf, limit: u64 },
    #[error(
        "the kubeconfig cannot be used: {source}; see `kubectl config view`, or give another with --kubeconfig FILE"
    )]
    Kubeconfig { source: kube::config::KubeconfigError },
    #[error(
        "the kubeconfig has no {what} named {name:?}; see `kubectl config get-contexts`, or choose with --context NAME"
    )]
    Unknown { what: &'static str, name: String },
    #[error("the kubeconfig asks for what is refused: {what}")]
    Refused { what: String },
    #[error("the pod's account cannot be used: {source}")]
    Pod { source: kube::config::InClusterError },
    #[error("{path} holds no bearer token")]
    NoToken { path: PathBuf },
    #[error("{path} holds no certificate in PEM")]
    NoCertificate { path: PathBuf },
    #[error("set up the connection: {source}")]
    Client { source: Box<kube::Error> },
    #[error("set up the connection: {source}")]
    Http { source: reqwest::Error },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url),
            Self::Pod => f.write_str("the pod's account"),
            Self::Kubeconfig(paths) => {
                let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
                f.write_str(&paths.join(", "))
            }
        }
    }
}

/// What the environment says.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    pub(super) is_pod: bool,
    /// `$KUBECONFIG`.
    pub(super) kubeconfig: Option<String>,
    pub(super) home: Option<PathBuf>,
}

impl Surroundings {
    fn of_this_process() -> Self {
        Self {
            is_pod: variable("KUBERNETES_SERVICE_HOST").is_some() && Path::new(ACCOUNT_TOKEN).exists(),
            kubeconfig: variable("KUBECONFIG"),
            home: std::env::home_dir(),
        }
    }
}

impl Location {
    /// Looks in the documented order; `None` when there is no cluster and none is demanded.
    ///
    /// # Errors
    /// A cluster is demanded and there is none.
    pub(crate) fn find(config: &KubernetesConfig) -> Result<Option<Self>, ConnectError> {
        Self::find_in(config, &Surroundings::of_this_process())
    }

    pub(super) fn find_in(
        config: &KubernetesConfig,
        around: &Surroundings,
    ) -> Result<Option<Self>, ConnectError> {
        if config.enabled == Enabled::Never {
            return Ok(None);
        }
        if !config.url.is_empty() {
            return Ok(Some(Self::Url(config.url.clone())));
        }
        if let Some(path) = &config.kubeconfig {
            return Ok(Some(Self::Kubeconfig(vec![path.clone()])));
        }
        // A context only exists in a kubeconfig.
        if around.is_pod && config.context.is_none() {
            return Ok(Some(Self::Pod));
        }
        let listed: Vec<PathBuf> =
            around.kubeconfig.iter().flat_map(std::env::split_paths).filter(|path| path.exists()).collect();
        if !listed.is_empty() {
            return Ok(Some(Self::Kubeconfig(listed)));
        }
        let usual = around.home.as_ref().map(|home| home.join(".kube/config")).filter(|path| path.exists());
        match (usual, config.enabled) {
            (Some(path), _) => Ok(Some(Self::Kubeconfig(vec![path]))),
            (None, Enabled::Always) => Err(ConnectError::NotFound),
            (None, _) => Ok(None),
        }
    }

    /// Reads address and credentials.
    pub(super) fn load(&self, config: &KubernetesConfig) -> Result<Config, ConnectError> {
        match self {
            Self::Url(url) => from_url(url, config),
            Self::Pod => Config::incluster().map_err(|source| ConnectError::Pod { source }),
            Self::Kubeconfig(paths) => kubeconfig::load(paths, config),
        }
    }
}

fn from_url(url: &str, config: &KubernetesConfig) -> Result<Config, ConnectError> {
    let mut loaded = Config::new(check_url(url)?);
    if let Some(path) = &config.ca_file {
        loaded.root_cert = Some(certificates(path)?);
    }
    if let Some(path) = &config.token_file {
        // Read now, so that a missing file is told at once.
        std::fs::metadata(path).map_err(|source| ConnectError::Read { path: path.clone(), source })?;
        loaded.auth_info.token_file = Some(path.display().to_string());
    }
    Ok(loaded)
}

/// A URL to which credentials may be sent.
///
/// # Errors
/// It is not one: no encryption outside this machine, user and password inside, or a cloud's metadata.
pub(in super::super) fn check_url(url: &str) -> Result<Uri, ConnectError> {
    let refuse = |reason| ConnectError::Url { url: url.to_owned(), reason };
    let uri: Uri = url.parse().map_err(|_| refuse("it is not a URL such as https://10.0.0.1:6443"))?;
    let host = uri.host().ok_or_else(|| refuse("it names no host"))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(refuse("it holds a user name or password"));
    }
    if uri.path().contains("..") || uri.query().is_some() {
        return Err(refuse("its path is not a plain one"));
    }
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    if ip.is_some_and(is_link_local) {
        return Err(refuse("link-local addresses serve a cloud's metadata, not a cluster"));
    }
    let is_loopback = host == "localhost" || ip.is_some_and(|ip| ip.to_canonical().is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_loopback => Ok(uri),
        Some("http") => Err(refuse("http:// is only taken for this machine; use https://")),
        _ => Err(refuse("it begins with neither https:// nor http://")),
    }
}

/// Also when written as an IPv6 address.
pub(crate) fn is_link_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Certificates of a PEM file, as DER.
pub(super) fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, ConnectError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    let pem = std::fs::read(path).map_err(|source| ConnectError::Read { path: path.to_owned(), source })?;
    let certificates: Vec<Vec<u8>> =
        CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).map(|der| der.to_vec()).collect();
    if certificates.is_empty() {
        return Err(ConnectError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}
