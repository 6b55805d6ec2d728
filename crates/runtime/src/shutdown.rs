//! Asking everything to stop.

use tokio_util::sync::CancellationToken;

/// Held by each task: tells when stopping has been asked for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(CancellationToken);

/// Held by whoever may stop the tasks.
#[derive(Clone, Debug)]
pub struct ShutdownTrigger(CancellationToken);

impl Shutdown {
    /// A pair: the trigger stops whoever holds the other half.
    pub fn new() -> (ShutdownTrigger, Self) {
        let token = CancellationToken::new();
        (ShutdownTrigger(token.clone()), Self(token))
    }

    /// Resolves once stopping has been asked for.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// A child that stops with this one, or earlier by its own trigger.
    pub fn child(&self) -> (ShutdownTrigger, Self) {
        let token = self.0.child_token();
        (ShutdownTrigger(token.clone()), Self(token))
    }

    /// Runs `work` until it is done or stopping is asked for; `None` in the second case.
    pub async fn guard<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.0.run_until_cancelled(work).await
    }
}

impl ShutdownTrigger {
    pub fn trigger(&self) {
        self.0.cancel();
    }
}
