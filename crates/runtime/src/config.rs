//! One configuration: defaults < file < environment < flags. Unknown keys are refused with the line
//! to write instead. Each crate owns its section; this module only merges and reads.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

mod suggestion;
mod tagged;
pub mod units;

pub use tagged::tagged;
pub use units::{bytes, duration};

/// Prefix of the environment variables that set a key: `SENTINEL__API__LISTEN` sets `api.listen`.
pub const ENV_PREFIX: &str = "SENTINEL__";

/// Where values come from, later ones winning.
#[derive(Debug, Default)]
pub struct Sources {
    /// Must exist when given.
    pub file: Option<PathBuf>,
    /// Names and values; only names with [`ENV_PREFIX`] count.
    pub env: Vec<(String, String)>,
    /// Dotted keys and values, from flags.
    pub flags: Vec<(String, Value)>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("read the configuration {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{origin} is not usable: {message}{hint}")]
    Invalid { origin: String, message: String, hint: String },
}

/// Environment of this process, for [`Sources::env`].
pub fn environment() -> Vec<(String, String)> {
    std::env::vars().filter(|(name, _)| name.starts_with(ENV_PREFIX)).collect()
}

/// One variable that others define the meaning of (`KUBECONFIG`, `HOME`, …).
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads, merges and checks the configuration.
///
/// # Errors
/// A file that cannot be read, text that is not TOML, an unknown key, a value of the wrong type: each
/// with its origin and, where there is one, the line to write instead.
pub fn load<C: DeserializeOwned + Serialize + Default>(sources: &Sources) -> Result<C, ConfigError> {
    let mut merged = Table::new();
    if let Some(path) = &sources.file {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        merge(&mut merged, read_file::<C>(path, &text)?);
    }
    let env = sources.env.iter().filter_map(|(name, value)| {
        let key = name.strip_prefix(ENV_PREFIX)?.to_ascii_lowercase().replace("__", ".");
        Some((format!("environment variable {name}"), key, scalar(value)))
    });
    let flags =
        sources.flags.iter().map(|(key, value)| (format!("flag for {key}"), key.clone(), value.clone()));
    for (origin, key, value) in env.chain(flags) {
        let mut single = Table::new();
        set(&mut single, &key, value.clone());
        check::<C>(&origin, &single)?;
        set(&mut merged, &key, value);
    }
    check::<C>("the configuration", &merged)
}

/// Parses the file by itself first, because only its own text gives line numbers.
fn read_file<C: DeserializeOwned + Serialize + Default>(
    path: &Path,
    text: &str,
) -> Result<Table, ConfigError> {
    let origin = path.display().to_string();
    if let Err(error) = toml::from_str::<C>(text) {
        return Err(invalid::<C>(origin, &error));
    }
    toml::from_str(text).map_err(|error| invalid::<C>(origin, &error))
}

fn check<C: DeserializeOwned + Serialize + Default>(origin: &str, table: &Table) -> Result<C, ConfigError> {
    C::deserialize(table.clone()).map_err(|error| invalid::<C>(origin.to_owned(), &error))
}

fn invalid<C: Serialize + Default>(origin: String, error: &toml::de::Error) -> ConfigError {
    let message = error.to_string().trim_end().to_owned();
    let defaults = Table::try_from(C::default()).unwrap_or_default();
    let hint = suggestion::line_to_write(&message, &defaults)
        .map(|line| format!("\nwrite: {line}"))
        .unwrap_or_default();
    ConfigError::Invalid { origin, message, hint }
}

/// A value from the environment: TOML if it reads as a number, boolean, array or table, else text.
fn scalar(text: &str) -> Value {
    match toml::from_str::<Table>(&format!("value = {text}")) {
        Ok(mut table) => table.remove("value").unwrap_or_else(|| Value::String(text.to_owned())),
        Err(_) => Value::String(text.to_owned()),
    }
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn set(table: &mut Table, dotted: &str, value: Value) {
    match dotted.split_once('.') {
        None => {
            table.insert(dotted.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = table.entry(head).or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
