//! Starting services in order and draining them in the direction of the data.

use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use tracing::{error, info, warn};

use crate::{Service, ServiceError, Shutdown, ShutdownTrigger, Task, spawn};

/// Running services, in the order in which they will be drained.
#[derive(Default)]
pub struct Stages {
    stages: Vec<Stage>,
}

struct Stage {
    name: &'static str,
    trigger: ShutdownTrigger,
    task: Task<Result<(), ServiceError>>,
}

#[derive(Debug, thiserror::Error)]
pub enum StagesError {
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("{service} ended although nobody asked it to")]
    EndedEarly { service: &'static str },
    #[error("{services} did not stop within {deadline:?} and was cut off")]
    Deadline { services: String, deadline: Duration },
}

impl Stages {
    /// Starts a service. Services drain in the order in which they are started here: those nearest to
    /// the source first.
    pub fn start<S: Service>(&mut self, service: S) {
        let (trigger, shutdown) = Shutdown::new();
        info!(service = S::NAME, "starting");
        self.stages.push(Stage { name: S::NAME, trigger, task: spawn(S::NAME, service.run(shutdown)) });
    }

    /// Waits for `stop` or for a service to end, then drains one after the other, each within
    /// `deadline`.
    ///
    /// # Errors
    /// The first service that failed, ended early or missed its deadline.
    pub async fn run(
        mut self,
        stop: impl Future<Output = ()>,
        deadline: Duration,
    ) -> Result<(), StagesError> {
        let mut first_error = tokio::select! {
            () = stop => None,
            error = Self::first_end(&mut self.stages) => Some(error),
        };
        let mut late = Vec::new();
        for stage in self.stages {
            stage.trigger.trigger();
            if stage.task.is_finished() {
                continue;
            }
            match tokio::time::timeout(deadline, stage.task).await {
                Ok(Ok(())) => info!(service = stage.name, "drained"),
                Ok(Err(error)) => {
                    error!(
                        service = stage.name,
                        error = &error as &dyn std::error::Error,
                        "failed while draining"
                    );
                    first_error.get_or_insert(error.into());
                }
                Err(_) => {
                    warn!(service = stage.name, ?deadline, "did not drain in time");
                    late.push(stage.name);
                }
            }
        }
        if !late.is_empty() {
            first_error.get_or_insert(StagesError::Deadline { services: late.join(", "), deadline });
        }
        first_error.map_or(Ok(()), Err)
    }

    async fn first_end(stages: &mut [Stage]) -> StagesError {
        let mut ends: FuturesUnordered<_> =
            stages.iter_mut().map(|stage| async { (stage.name, (&mut stage.task).await) }).collect();
        match ends.next().await {
            Some((_, Err(error))) => error.into(),
            Some((service, Ok(()))) => StagesError::EndedEarly { service },
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    struct Recorder {
        name: &'static str,
        log: Arc<Mutex<Vec<&'static str>>>,
        hangs: bool,
        fails: bool,
    }

    impl Service for Recorder {
        const NAME: &'static str = "recorder";

        async fn run(self, shutdown: Shutdown) -> Result<(), ServiceError> {
            if self.fails {
                return Err(ServiceError::new(Self::NAME, "no source"));
            }
            shutdown.requested().await;
            if self.hangs {
                std::future::pending::<()>().await;
            }
            self.log.lock().push(self.name);
            Ok(())
        }
    }

    fn stages(parts: &[(&'static str, bool, bool)]) -> (Stages, Arc<Mutex<Vec<&'static str>>>) {
        let log = Arc::<Mutex<Vec<_>>>::default();
        let mut stages = Stages::default();
        for (name, hangs, fails) in parts.iter().copied() {
            stages.start(Recorder { name, log: Arc::clone(&log), hangs, fails });
        }
        (stages, log)
    }

    #[tokio::test]
    async fn drains_in_the_order_of_the_data() {
        let (stages, log) = stages(&[("collector", false, false), ("processor", false, false)]);
        stages.run(async {}, Duration::from_secs(5)).await.expect("a clean stop");
        assert_eq!(*log.lock(), ["collector", "processor"]);
    }

    #[tokio::test]
    async fn a_failing_service_stops_the_others() {
        let (stages, log) = stages(&[("collector", false, true), ("processor", false, false)]);
        let error = stages.run(std::future::pending(), Duration::from_secs(5)).await.expect_err("a failure");
        assert!(matches!(error, StagesError::Service(_)));
        assert_eq!(*log.lock(), ["processor"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_service_is_cut_off_at_its_deadline() {
        let (stages, log) = stages(&[("collector", true, false), ("processor", false, false)]);
        let error = stages.run(async {}, Duration::from_secs(5)).await.expect_err("a deadline");
        assert!(matches!(error, StagesError::Deadline { .. }));
        assert_eq!(*log.lock(), ["processor"]);
    }
}
