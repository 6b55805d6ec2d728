//! Other programs as they are measured: started, waited for until they have nothing left to do, and ended.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ended when dropped.
pub struct Process {
    child: Child,
    pub log: std::path::PathBuf,
}

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Of a core: less is idling.
const IDLE: f64 = 0.08;
const PATIENCE: Duration = Duration::from_secs(180);

impl Process {
    pub fn start(mut command: Command, log: std::path::PathBuf) -> Self {
        let file = std::fs::File::create(&log).expect("a log");
        let again = file.try_clone().expect("the log twice");
        let child =
            command.stdin(Stdio::null()).stdout(file).stderr(again).spawn().expect("the program starts");
        Self { child, log }
    }

    /// User and system seconds so far.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&self.child.id().to_string())
    }

    /// Until it has worked and then hardly does for `quiet`, while `n_done` stands still. Gives the seconds of
    /// processor time until then and what was done.
    pub async fn work<F: Future<Output = u64>>(&self, quiet: Duration, n_done: impl Fn() -> F) -> (f64, u64) {
        let began = Instant::now();
        let mut still = (Instant::now(), self.cpu_seconds(), n_done().await);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (cpu, n) = (self.cpu_seconds(), n_done().await);
            let allowed = IDLE * still.0.elapsed().as_secs_f64() + 0.05;
            if n != still.2 || n == 0 || cpu - still.1 > allowed {
                still = (Instant::now(), cpu, n);
            } else if still.0.elapsed() > quiet {
                return (still.1, n);
            }
            let text = || std::fs::read_to_string(&self.log).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "it is not done: {}", text());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Of a process, `self` for this one. Clock ticks are 10 ms.
pub fn cpu_seconds(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}
