//! One configuration: defaults < file < environment < flags. Unknown keys are refused with the line
//! to write instead. Each crate owns its section; this module only merges and reads.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

mod faults;
mod problem;
mod secret;
mod suggestion;
mod syntax;
mod tagged;
pub mod units;

use faults::{dotted, faults, line_of};
pub use problem::Problem;
use problem::listed;
pub use secret::Secret;
use suggestion::{Known, line_to_write};
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
    /// Dotted keys and values of TOML to propose where the default is nothing that one would write.
    pub examples: &'static [(&'static str, &'static str)],
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration {path} cannot be read; give one that can be with --config FILE")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not TOML: {message}{hint}")]
    Syntax { path: PathBuf, message: String, hint: String },
    #[error("{origin} is not usable:{}", listed(problems))]
    Invalid { origin: String, problems: Vec<Problem> },
}

impl ConfigError {
    /// What sections say of values that can be read and cannot work.
    ///
    /// # Errors
    /// All of them, if there are any.
    pub fn unless_empty(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        Err(Self::Invalid { origin: "the configuration".to_owned(), problems })
    }
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
    let known =
        Known { defaults: Table::try_from(C::default()).unwrap_or_default(), examples: sources.examples };
    let mut merged = Table::new();
    let mut file = None;
    if let Some(path) = &sources.file {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        let table = parse(path, &text)?;
        merge(&mut merged, table.clone());
        file = Some((path, text, table));
    }
    let env = sources.env.iter().filter_map(|(name, value)| {
        let key = name.strip_prefix(ENV_PREFIX)?.to_ascii_lowercase().replace("__", ".");
        Some((format!("environment variable {name}"), key, scalar(value)))
    });
    let flags =
        sources.flags.iter().map(|(key, value)| (format!("flag for {key}"), key.clone(), value.clone()));
    let mut singles = Vec::new();
    for (origin, key, value) in env.chain(flags) {
        let mut single = Table::new();
        set(&mut single, &key, value.clone());
        set(&mut merged, &key, value);
        singles.push((origin, single));
    }
    // Each source is checked by itself, to be named with what is wrong; which keys a section has may depend on
    // a kind that another source tells.
    if let Some((path, text, mut table)) = file {
        add_kinds(&mut table, &merged);
        check::<C>(&path.display().to_string(), &table, Some(&text), &known)?;
    }
    for (origin, mut single) in singles {
        add_kinds(&mut single, &merged);
        check::<C>(&origin, &single, None, &known)?;
    }
    check::<C>("the configuration", &merged, None, &known)
}

/// Gives sections the kind that they have in `merged`.
fn add_kinds(table: &mut Table, merged: &Table) {
    for (key, value) in table {
        let (Value::Table(section), Some(Value::Table(whole))) = (value, merged.get(key)) else { continue };
        if let Some(kind @ Value::String(_)) = whole.get("kind") {
            section.entry("kind").or_insert_with(|| kind.clone());
        }
        add_kinds(section, whole);
    }
}

fn parse(path: &Path, text: &str) -> Result<Table, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let hint = syntax::hint(path, text, &error).map(|hint| format!("\n{hint}")).unwrap_or_default();
        let message = error.to_string().trim_end().to_owned();
        ConfigError::Syntax { path: path.to_owned(), message, hint }
    })
}

/// `text` is what the table was read from, for its lines.
fn check<C: DeserializeOwned>(
    origin: &str,
    table: &Table,
    text: Option<&str>,
    known: &Known<'_>,
) -> Result<C, ConfigError> {
    C::deserialize(table.clone()).map_err(|error| {
        let problem = |fault: &faults::Fault| Problem {
            key: dotted(&fault.path),
            line: text.and_then(|text| line_of(text, &fault.path)),
            fact: fault.message.clone(),
            write: line_to_write::<C>(fault, known),
        };
        let mut problems: Vec<Problem> = faults::<C>(table).iter().map(problem).collect();
        // One table with several keys that belong nowhere.
        problems.dedup_by(|a, b| a.fact == b.fact && a.write == b.write);
        problems.sort_by_key(|problem| problem.line);
        if problems.is_empty() {
            let fact = error.message().to_owned();
            problems.push(Problem { key: String::new(), line: None, fact, write: None });
        }
        ConfigError::Invalid { origin: origin.to_owned(), problems }
    })
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
