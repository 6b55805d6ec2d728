//! The HTTP side: certificates, credentials, keep-alive.

use std::net::ToSocketAddrs as _;
use std::sync::{Arc, Once};
use std::time::Duration;

use http::Uri;
use http::header::AUTHORIZATION;
use http_body_util::BodyExt as _;
use kube::client::{Body, ConfigExt as _};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder, service_fn};

use super::location::{ConnectError, certificates};
use super::token::FileToken;
use crate::sources::kubernetes::config::KubeletConfig;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection whose other side does not answer a ping in time is given up: a watch that stalls
/// because the network swallows packets is found within the sum of both.
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

const USER_AGENT: &str = concat!("sentinel-mesh/", env!("CARGO_PKG_VERSION"));

/// Which URLs a client is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Paths below the cluster's address.
    ApiServer,
    /// Whole URLs.
    AnyNode,
}

/// The API server's configuration with what kubelets need instead.
pub(super) fn kubelet_config(api: &Config, kubelet: &KubeletConfig) -> Result<Config, ConnectError> {
    let mut config = api.clone();
    config.tls_server_name = None;
    if let Some(path) = &kubelet.ca_file {
        config.root_cert = Some(certificates(path)?);
        config.root_cert_file = None;
    }
    config.accept_invalid_certs = kubelet.insecure_skip_verify;
    Ok(config)
}

pub(super) fn client(config: &Config, target: Target) -> Result<Client, ConnectError> {
    install_crypto();
    let mut config = config.clone();
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(&config)?)
        .user_agent(USER_AGENT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(PING_INTERVAL)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_keep_alive_while_idle(true);
    if let (Target::ApiServer, Some(name)) = (target, config.tls_server_name.clone()) {
        // The name is what certificates are checked against: connect to the address under that name.
        let (uri, addresses) = under_name(&config.cluster_url, &name)?;
        builder = builder.resolve_to_addrs(&name, &addresses);
        config.cluster_url = uri;
    }
    let http = builder.build().map_err(|source| ConnectError::Http { source })?;
    let token = file_token(&mut config)?;
    let auth = config.auth_layer().map_err(failed)?;
    let send = service_fn(move |mut request: http::Request<Body>| {
        if let Some(token) = &token {
            request.headers_mut().insert(AUTHORIZATION, token.header());
        }
        send(http.clone(), request)
    });
    let base = (target == Target::ApiServer).then(|| config.base_uri_layer());
    let service = ServiceBuilder::new().option_layer(base).option_layer(auth).service(send);
    Ok(Client::new(service, config.default_namespace))
}

/// Takes the token's file over from the client library, unless something else comes before it there.
fn file_token(config: &mut Config) -> Result<Option<Arc<FileToken>>, ConnectError> {
    let auth = &mut config.auth_info;
    if auth.exec.is_some() || auth.auth_provider.is_some() || auth.token.is_some() {
        return Ok(None);
    }
    let token = auth.token_file.take().map(|path| FileToken::open(path.into())).transpose()?;
    Ok(token.map(Arc::new))
}

/// Requests of this program have no body, or a small one.
async fn send(
    client: reqwest::Client,
    request: http::Request<Body>,
) -> Result<http::Response<reqwest::Body>, BoxError> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut request = client.request(parts.method, parts.uri.to_string()).headers(parts.headers);
    if !body.is_empty() {
        request = request.body(body);
    }
    Ok(request.send().await?.into())
}

/// Offers HTTP/2, over which all watches share one connection that is pinged.
fn tls(config: &Config) -> Result<rustls::ClientConfig, ConnectError> {
    let is_plain = config.cluster_url.scheme_str() == Some("http");
    let mut tls = if is_plain && config.root_cert.is_none() && !config.accept_invalid_certs {
        // Trusts nobody, and needs no certificates of the system.
        rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth()
    } else {
        config.rustls_client_config().map_err(failed)?
    };
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

fn under_name(url: &Uri, name: &str) -> Result<(Uri, Vec<std::net::SocketAddr>), ConnectError> {
    let refuse = |reason| ConnectError::Url { url: url.to_string(), reason };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_u16().unwrap_or(443);
    let addresses: Vec<_> =
        (host, port).to_socket_addrs().map_err(|_| refuse("its host has no address"))?.collect();
    let renamed = Uri::builder()
        .scheme("https")
        .authority(format!("{name}:{port}"))
        .path_and_query(url.path())
        .build()
        .map_err(|_| refuse("tls-server-name is not a host name"))?;
    Ok((renamed, addresses))
}

fn failed(source: kube::Error) -> ConnectError {
    ConnectError::Client { source: Box::new(source) }
}

/// rustls needs one provider for the whole process; another crate may have chosen the same already.
fn install_crypto() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}
