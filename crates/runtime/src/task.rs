//! Tasks that have a name and are awaited.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;
use tracing::Instrument as _;

/// A running task. Awaiting it gives its result; a panic inside resurfaces where it is awaited.
/// Dropping it aborts the task, so that nothing runs on unseen.
#[derive(Debug)]
pub struct Task<T> {
    name: &'static str,
    handle: JoinHandle<T>,
}

/// Starts `work` under `name`; its log lines carry the name.
#[expect(clippy::disallowed_methods, reason = "this is the one place that spawns tasks")]
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    work: impl Future<Output = T> + Send + 'static,
) -> Task<T> {
    Task { name, handle: tokio::spawn(work.instrument(tracing::info_span!("task", name))) }
}

/// Runs heavy or blocking work on a thread of its own kind and waits for it.
///
/// # Panics
/// With the panic of the work.
pub async fn spawn_blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => resume(name, error),
    }
}

impl<T> Task<T> {
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    pub fn abort(&self) {
        self.handle.abort();
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match Pin::new(&mut self.handle).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(result)) => Poll::Ready(result),
            Poll::Ready(Err(error)) => resume(self.name, error),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

fn resume(name: &str, error: tokio::task::JoinError) -> ! {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => std::panic::resume_unwind(
            Box::new(format!("task {name} was aborted: {error}")) as Box<dyn Any + Send>
        ),
    }
}
