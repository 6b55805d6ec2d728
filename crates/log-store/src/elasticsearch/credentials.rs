//! Who we are to the server. Files are read again when it refuses what they held.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use sentinel_runtime::config::Secret;

use super::failure::Failure;
use crate::config::ElasticsearchConfig;

pub(super) struct Credentials {
    kind: Kind,
    current: Mutex<Option<Current>>,
}

enum Kind {
    None,
    Basic { username: String, password: Origin },
    ApiKey(Origin),
}

enum Origin {
    Given(Secret),
    File { key: &'static str, path: PathBuf },
}

struct Current {
    secret: Secret,
    read_at: Instant,
}

/// A file is read this often at most, so that a wrong secret does not lock the user out.
const READ_INTERVAL: Duration = Duration::from_secs(1);

impl Credentials {
    pub(super) fn new(config: &ElasticsearchConfig) -> Self {
        let origin = |given: &Option<Secret>, file: &Option<PathBuf>, key| match (given, file) {
            (Some(secret), _) => Some(Origin::Given(secret.clone())),
            (None, Some(path)) => Some(Origin::File { key, path: path.clone() }),
            (None, None) => None,
        };
        let api_key = origin(&config.api_key, &config.api_key_file, "log_store.api_key_file");
        let password = origin(&config.password, &config.password_file, "log_store.password_file");
        let kind = match (api_key, password) {
            (Some(key), _) => Kind::ApiKey(key),
            (None, Some(password)) => Kind::Basic { username: config.username.clone(), password },
            (None, None) => Kind::None,
        };
        Self { kind, current: Mutex::new(None) }
    }

    /// # Errors
    /// A file that cannot be read, or a secret that no header can hold.
    pub(super) fn sign(&self, request: RequestBuilder) -> Result<RequestBuilder, Failure> {
        Ok(match &self.kind {
            Kind::None => request,
            Kind::Basic { username, password } => {
                request.basic_auth(username, Some(self.secret(password)?.expose()))
            }
            Kind::ApiKey(key) => {
                let text = format!("ApiKey {}", self.secret(key)?.expose());
                let mut header = HeaderValue::from_str(&text).map_err(|_| Failure::Secret {
                    file: "log_store.api_key".to_owned(),
                    message: "it is not printable".to_owned(),
                })?;
                header.set_sensitive(true);
                request.header(AUTHORIZATION, header)
            }
        })
    }

    /// Reads the file again, unless it just was; whether there is another secret now.
    pub(super) fn renew(&self) -> bool {
        let (Kind::Basic { password: Origin::File { path, .. }, .. }
        | Kind::ApiKey(Origin::File { path, .. })) = &self.kind
        else {
            return false;
        };
        let mut current = self.current.lock();
        if current.as_ref().is_some_and(|current| current.read_at.elapsed() < READ_INTERVAL) {
            return false;
        }
        let Ok(secret) = Secret::from_file(path) else { return false };
        let is_new = current.as_ref().is_none_or(|current| current.secret != secret);
        *current = Some(Current { secret, read_at: Instant::now() });
        is_new
    }

    fn secret(&self, origin: &Origin) -> Result<Secret, Failure> {
        match origin {
            Origin::Given(secret) => Ok(secret.clone()),
            Origin::File { key, path } => self.read(key, path),
        }
    }

    fn read(&self, key: &str, path: &Path) -> Result<Secret, Failure> {
        let mut current = self.current.lock();
        if let Some(current) = &*current {
            return Ok(current.secret.clone());
        }
        let secret = Secret::from_file(path).map_err(|error| Failure::Secret {
            file: format!("{key} {}", path.display()),
            message: error.to_string(),
        })?;
        *current = Some(Current { secret: secret.clone(), read_at: Instant::now() });
        Ok(secret)
    }
}
