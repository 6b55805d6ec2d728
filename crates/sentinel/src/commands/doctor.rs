//! `sentinel doctor`: whether configuration, data folder and address can be used, and what to do where not.

use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;

use super::serve::common_config;
use crate::cli::Common;
use crate::config::Config;

/// One thing that was checked.
struct Finding {
    what: String,
    result: Result<String, String>,
}

/// Exit status 1 when something has to be done.
pub async fn run(common: &Common) -> anyhow::Result<ExitCode> {
    let config = match common_config(common) {
        Ok(config) => config,
        Err(error) => {
            let finding = Finding { what: "configuration".to_owned(), result: Err(format!("{error:#}")) };
            return report(&[finding]);
        }
    };
    let findings = vec![
        Finding { what: "configuration".to_owned(), result: Ok("usable".to_owned()) },
        Finding { what: "data folder".to_owned(), result: data_dir(&config.data_dir) },
        Finding { what: "listen address".to_owned(), result: listen(&config) },
    ];
    report(&findings)
}

fn data_dir(folder: &Path) -> Result<String, String> {
    let hint = |error: std::io::Error| format!("{}: {error}; write --data-dir DIR", folder.display());
    std::fs::create_dir_all(folder).map_err(hint)?;
    let trial = folder.join(".doctor");
    std::fs::write(&trial, b"x").map_err(hint)?;
    std::fs::remove_file(&trial).map_err(hint)?;
    Ok(format!("{} can be written", folder.display()))
}

fn listen(config: &Config) -> Result<String, String> {
    let listen = &config.api.listen;
    match TcpListener::bind(listen) {
        Ok(_) => Ok(format!("{listen} is free")),
        Err(error) => Err(format!("{listen}: {error}; stop what runs there, or write --listen HOST:PORT")),
    }
}

fn report(findings: &[Finding]) -> anyhow::Result<ExitCode> {
    for Finding { what, result } in findings {
        let (mark, text) = match result {
            Ok(text) => ("ok  ", text),
            Err(text) => ("FAIL", text),
        };
        super::print(&format!("{mark}  {what}: {text}"))?;
    }
    let n_failed = findings.iter().filter(|finding| finding.result.is_err()).count();
    if n_failed == 0 {
        return super::print("everything that was checked works");
    }
    super::print(&format!("{n_failed} of {} checks failed", findings.len()))?;
    Ok(ExitCode::FAILURE)
}
