//! Threads of consumers: who is leaving may do so before the process ends.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::BusError;

/// A member that leaves its group tells the broker; one that could not is missed only after its session.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Threads {
    n_leaving: Mutex<usize>,
    left: Condvar,
}

impl Threads {
    /// # Errors
    /// No thread can be had.
    pub fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), BusError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        thread.map(drop).map_err(|error| BusError::Unavailable { message: format!("start {name}: {error}") })
    }

    /// A thread has been told to end.
    pub fn leaving(&self) {
        *self.n_leaving.lock() += 1;
    }

    /// It is about to.
    pub fn has_left(&self) {
        let mut n_leaving = self.n_leaving.lock();
        *n_leaving = n_leaving.saturating_sub(1);
        self.left.notify_all();
    }

    /// Waits for those that are leaving, but not for long.
    pub fn wait(self: &Arc<Self>) {
        let mut n_leaving = self.n_leaving.lock();
        self.left.wait_while_for(&mut n_leaving, |n| *n > 0, LEAVE_WITHIN);
    }
}
