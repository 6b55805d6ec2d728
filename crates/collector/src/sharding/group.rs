//! Shares by a consumer group of the bus: partitions of a topic that hardly anything is written to stand for
//! shards, and the broker, which knows who is alive, hands them out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sentinel_bus::{Bus, BusError, PollLimit, Polled, Start};
use sentinel_model::Topic;
use sentinel_runtime::{Backoff, Shutdown};
use tokio::time::Instant;
use tracing::warn;

use super::{Share, Verdicts};

/// All collectors of an installation.
const GROUP: &str = "sentinel-collectors";
/// Its messages are not looked at.
const TOPIC: Topic = Topic::Settings;

/// What is revoked is let go of within this, so that others need not wait.
const POLL: PollLimit = PollLimit { max_records: 100, max_bytes: 1 << 20, wait: Duration::from_millis(200) };

/// A collector that has not polled for so long may have lost what it had.
const TRUST: Duration = Duration::from_secs(10);

/// Owns what the group gives, until asked to stop.
pub(super) async fn run(bus: Arc<dyn Bus>, verdicts: Verdicts, stop: Shutdown) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    loop {
        let Some(ended) = stop.guard(follow(&*bus, &verdicts, &mut backoff)).await else {
            // The membership ended with the future that held it.
            verdicts.set(Share::Nothing);
            return;
        };
        let Err(error) = ended;
        warn!(%error, "the group of collectors cannot be followed");
        // Whoever is out of touch with the group has lost its part, or soon will have.
        verdicts.lose(format!(
            "out of touch with the consumer group {GROUP}, others collect meanwhile: {error}; tried again by itself"
        ));
        stop.guard(tokio::time::sleep(backoff.next_delay())).await;
    }
}

async fn follow(
    bus: &dyn Bus,
    verdicts: &Verdicts,
    backoff: &mut Backoff,
) -> Result<std::convert::Infallible, BusError> {
    let mut consumer = bus.join(GROUP, &[TOPIC], Start::Latest).await?;
    let n = bus.n_partitions(TOPIC);
    let mut own = BTreeSet::new();
    let mut is_lost = false;
    loop {
        let polled = consumer.poll(POLL).await?;
        verdicts.hold_until(Instant::now() + TRUST);
        match polled {
            Polled::Assigned(partitions) => {
                if std::mem::take(&mut is_lost) {
                    own.clear();
                }
                own.extend(partitions.iter().map(|(at, _)| at.partition));
            }
            Polled::Revoked(partitions) => {
                for at in partitions {
                    own.remove(&at.partition);
                }
            }
            Polled::Lost(_) => {
                // The broker may be away for everybody: then nobody would collect, and nothing would be in any
                // spool. Should another have this share, the processor lets one of the two count.
                is_lost = true;
                verdicts.doubt(format!(
                    "out of touch with the consumer group {GROUP}: goes on with what it had until the group \
                     answers; see the component bus"
                ));
                continue;
            }
            Polled::Records(_) | Polled::Idle if is_lost => continue,
            Polled::Records(_) | Polled::Idle => {
                backoff.reset();
                verdicts.well();
                continue;
            }
        }
        verdicts.set(Share::Shards { own: own.clone(), n });
    }
}
