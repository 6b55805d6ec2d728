//! Making a fake fail on purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by a fake and the test that breaks it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Outage(Arc<AtomicBool>);

impl Outage {
    pub fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn end(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
