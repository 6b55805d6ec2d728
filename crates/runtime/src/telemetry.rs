//! Logs: JSON in a cluster, text on a terminal.

use std::io::IsTerminal as _;
use std::str::FromStr as _;

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::UtcTime;

use crate::config::Problem;

/// Section `log` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    pub format: LogFormat,
    /// `info` and the like for our own crates (libraries then log warnings), or directives as
    /// `tracing-subscriber` reads them, such as `info,sentinel_collector=debug`.
    pub level: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("log.level {level:?} is not usable; write for example level = \"info\"")]
    Level { level: String, source: tracing_subscriber::filter::ParseError },
    #[error("a log subscriber is already installed")]
    Installed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".to_owned() }
    }
}

impl LogConfig {
    /// Values that cannot work.
    pub fn problems(&self) -> Vec<Problem> {
        let level = &self.level;
        // `tracing-subscriber` takes any other word for the name of a module, which then logs all, and
        // everything else nothing.
        let is_bare_word = !level.contains(['=', ',', '[']) && LevelFilter::from_str(level).is_err();
        let is_wrong =
            level.trim().is_empty() || is_bare_word || EnvFilter::try_new(directives(level)).is_err();
        let mut problems = Vec::new();
        Problem::new(
            "log.level",
            format!("{level:?} is none of off, error, warn, info, debug and trace, nor directives such as info,sentinel_collector=debug"),
            "level = \"info\"",
        )
        .when(is_wrong, &mut problems);
        problems
    }
}

fn directives(level: &str) -> String {
    let is_level = LevelFilter::from_str(level).is_ok();
    if is_level { format!("warn,sentinel={level}") } else { level.to_owned() }
}

/// Installs the subscriber. Logs go to standard error; standard output is for answers.
///
/// # Errors
/// A level that cannot be read, or a second call.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(directives(&config.level))
        .map_err(|source| TelemetryError::Level { level: config.level.clone(), source })?;
    let is_terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_timer(UtcTime::rfc_3339())
        .with_ansi(is_terminal);
    let installed = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).try_init(),
        LogFormat::Auto if !is_terminal => {
            builder.json().flatten_event(true).with_span_list(false).try_init()
        }
        LogFormat::Auto | LogFormat::Text => builder.try_init(),
    };
    installed.map_err(TelemetryError::Installed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_nobody_knows_is_refused() {
        let n_problems =
            |level: &str| LogConfig { level: level.to_owned(), ..LogConfig::default() }.problems().len();
        for level in ["info", "DEBUG", "off", "info,sentinel_collector=debug", "sentinel_bus=trace"] {
            assert_eq!(n_problems(level), 0, "{level}");
        }
        for level in ["loud", "", " ", "sentinel_bus=loud", "=", "info;debug"] {
            assert_eq!(n_problems(level), 1, "{level}");
        }
    }
}
