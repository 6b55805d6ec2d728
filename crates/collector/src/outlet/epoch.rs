//! Epochs: each encoder's is larger than that of any encoder before it, also after a restart and when the
//! clock is set back.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use sentinel_runtime::clock;

/// How far epochs are reserved on disk at a time: a restart skips at most that.
const RESERVED_MS: u64 = 60_000;

#[derive(Debug)]
pub(super) struct Epochs {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: u64,
    /// Epochs up to here may be given without writing.
    reserved: u64,
}

impl Epochs {
    /// Reads what earlier runs reserved.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("epoch");
        let reserved = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let epochs = Self { path, state: Mutex::new(State { last: reserved, reserved }) };
        epochs.reserve(&mut epochs.state.lock(), clock::now_millis().unsigned_abs())?;
        Ok(epochs)
    }

    /// A new epoch: the time in milliseconds, or later.
    pub fn next(&self) -> u64 {
        let mut state = self.state.lock();
        state.last = clock::now_millis().unsigned_abs().max(state.last + 1);
        let epoch = state.last;
        if epoch > state.reserved
            && let Err(error) = self.reserve(&mut state, epoch)
        {
            // Only a restart within a minute together with a clock set back could repeat an epoch.
            tracing::warn!(path = %self.path.display(), error = &error as &dyn std::error::Error, "cannot note the epoch");
        }
        epoch
    }

    fn reserve(&self, state: &mut State, now: u64) -> io::Result<()> {
        let reserved = now.max(state.last) + RESERVED_MS;
        let draft = self.path.with_extension("draft");
        let mut file = fs::File::create(&draft)?;
        writeln!(file, "{reserved}")?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)?;
        state.reserved = reserved;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_across_restarts_even_if_the_clock_is_set_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let epochs = Epochs::open(folder.path()).expect("writable");
        let (first, second) = (epochs.next(), epochs.next());
        assert!(first < second);
        let far = second + 10_000_000;
        fs::write(folder.path().join("epoch"), format!("{far}\n")).expect("writable");
        let epochs = Epochs::open(folder.path()).expect("writable");
        assert!(epochs.next() > far);
        let again = Epochs::open(folder.path()).expect("writable");
        assert!(again.next() > far + 1);
    }
}
