//! The roles, each in a process of its own, and the servers that they use.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// One role, through all its lives.
pub struct Role {
    name: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: PathBuf,
    child: Option<Child>,
    /// Address of its last life.
    pub url: String,
}

impl Role {
    pub fn start(name: &str, arguments: &[&str], folder: &Path, environment: Vec<(String, String)>) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut role = Self {
            name: name.to_owned(),
            arguments,
            environment,
            folder: folder.to_owned(),
            child: None,
            url: String::new(),
        };
        role.run();
        role
    }

    /// A new life on the same data folder.
    pub fn run(&mut self) {
        let log = self.folder.join(format!("{}.log", self.name));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_sentinel"))
            .args(&self.arguments)
            .args(["--listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(self.folder.join(&self.name))
            .env_remove("KUBECONFIG")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("read its output");
        let Some(at) = line.find("http://") else {
            panic!("{} printed no address; its log is in {}", self.name, self.folder.display());
        };
        self.url = line[at..].trim().to_owned();
        self.child = Some(child);
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill it");
            child.wait().expect("it is dead");
        }
    }

    /// Until it has ended by itself.
    pub fn wait(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.wait().expect("it ends");
        }
    }

    pub fn kill_and_run(&mut self) {
        self.kill();
        self.run();
    }

    pub fn signal(&self, signal: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().expect("kill runs");
        assert!(sent.success(), "{signal} to {}", self.name);
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Does something to a server of `make stack`: see scripts/stack/server.sh.
pub fn server(verb: &str, name: &str) {
    stack_script("server.sh", &[verb, name]).expect("the server obeys");
}

/// What a script of scripts/stack says.
///
/// # Errors
/// What it says when it fails.
pub fn stack_script(name: &str, arguments: &[&str]) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/stack").join(name);
    let done = Command::new(&script).args(arguments).stdin(Stdio::null()).output().expect("bash runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let failed = || format!("{name} {arguments:?}: {said}{}", String::from_utf8_lossy(&done.stderr));
    // Kafka's tools say in words that they failed.
    if done.status.success() && !said.contains("Error:") { Ok(said) } else { Err(failed()) }
}
