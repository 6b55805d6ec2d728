//! A process that is killed at a moment that it does not choose.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The test `victim` of the calling test program, in a process of its own.
pub struct Victim {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Victim {
    /// # Panics
    /// When the process cannot be started.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("the path of this test"))
            .args(["--exact", "victim", "--nocapture"])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("start the victim");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines }
    }

    /// Lets it acknowledge `n_acks` pieces of work, with lines `ack 7 .` in order from `first` on, and kills
    /// it. Returns the number of the first that it had not acknowledged by then.
    ///
    /// # Panics
    /// When it ends by itself or acknowledges out of order.
    pub fn kill_after(mut self, first: u64, n_acks: u64) -> u64 {
        let mut next = first;
        let note = |line: &str, next: &mut u64| {
            if let ["ack", number, "."] = *line.split(' ').collect::<Vec<_>>() {
                assert_eq!(number.parse(), Ok(*next), "acknowledged in order");
                *next += 1;
            }
        };
        while next < first + n_acks {
            note(&self.line(), &mut next);
        }
        self.kill().iter().for_each(|line| note(line, &mut next));
        next
    }

    /// The next line that it writes.
    ///
    /// # Panics
    /// When it ends by itself.
    pub fn line(&mut self) -> String {
        self.lines.next().expect("the victim runs on").expect("a line")
    }

    /// Stops it where it stands (SIGSTOP); nothing in it notices.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after [`Victim::pause`].
    ///
    /// # Panics
    /// When it has ended.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status();
        assert!(status.expect("the command kill").success(), "the victim has ended");
    }

    /// Kills it with SIGKILL and returns what it had written by then; a last line may be cut short.
    ///
    /// # Panics
    /// When it had ended by itself.
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("kill the victim");
        let rest = self.lines.map_while(Result::ok).collect();
        assert!(!self.child.wait().expect("its end").success(), "the victim must not end by itself");
        rest
    }
}
