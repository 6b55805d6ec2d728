//! Disks that can be made full: those that scripts/stack/test.sh mounts in memory.

use std::path::{Path, PathBuf};
use std::process::Command;

use sentinel_runtime::config::variable;

pub struct Disk {
    pub path: PathBuf,
}

impl Disk {
    /// `None` when no disk in memory is mounted there.
    pub fn at(path: &Path) -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
        let is_ours = |line: &str| {
            let mut words = line.split(' ');
            words.next() == Some("tmpfs") && words.next().map(Path::new) == Some(path)
        };
        mounts.lines().any(is_ours).then(|| Self { path: path.to_owned() })
    }

    /// That of a server of `make stack`, or of the `collector`.
    pub fn of_server(name: &str) -> Option<Self> {
        Self::at(&Path::new(&variable("SENTINEL_STACK_RUN")?).join(name))
    }

    /// Makes it so small that `left` bytes are free.
    pub fn fill(&self, left: u64) {
        let used = Command::new("df").args(["--output=used", "--block-size=1"]).arg(&self.path).output();
        let used = String::from_utf8(used.expect("df runs").stdout).expect("text");
        let used: u64 = used.lines().nth(1).and_then(|line| line.trim().parse().ok()).expect("a number");
        self.resize(used + left.max(4_096));
    }

    pub fn empty(&self) {
        self.resize(4 << 30);
    }

    fn resize(&self, bytes: u64) {
        let options = format!("remount,size={bytes}");
        let done = Command::new("mount").args(["-o", &options]).arg(&self.path).status().expect("mount runs");
        assert!(done.success(), "mount -o {options} {}", self.path.display());
    }
}
