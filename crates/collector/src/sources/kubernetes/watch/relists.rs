//! Asking for a list of everything before one is due.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::sources::kubernetes::kind::Kind;

/// One bell for each kind. Cheap to clone.
#[derive(Clone, Debug)]
pub(in super::super) struct Relists(Arc<[Notify]>);

impl Default for Relists {
    fn default() -> Self {
        Self(Kind::ALL.iter().map(|_| Notify::new()).collect())
    }
}

impl Relists {
    /// Is heard now, or when the list at hand has ended.
    pub(in super::super) fn ask(&self, kind: Kind) {
        self.0[kind as usize].notify_one();
    }

    /// Resolves when somebody asks, or has asked since this resolved last.
    pub(super) async fn asked(&self, kind: Kind) {
        self.0[kind as usize].notified().await;
    }
}
