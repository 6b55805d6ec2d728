//! What the service and all requests share: the world behind its lock, the clock, and a signal that
//! something was written.

use std::sync::Arc;

use parking_lot::Mutex;
use sentinel_model::Timestamp;
use tokio::sync::watch;

use crate::chaos::Chaos;
use crate::clock::Clock;
use crate::world::World;

#[derive(Clone, Debug)]
pub struct Shared {
    world: Arc<Mutex<World>>,
    pub clock: Clock,
    pub chaos: Chaos,
    versions: watch::Sender<u64>,
}

impl Shared {
    pub fn new(world: World, clock: Clock) -> Self {
        let versions = watch::Sender::new(world.store().version());
        Self { world: Arc::new(Mutex::new(world)), clock, chaos: Chaos::default(), versions }
    }

    /// Lets the world catch up with the clock; returns when something happens next.
    pub fn advance(&self) -> Option<Timestamp> {
        self.with(|world| world.next_at())
    }

    /// Asks or changes the world as it is now.
    pub fn with<T>(&self, ask: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock();
        world.advance_to(self.clock.now());
        let answer = ask(&mut world);
        let version = world.store().version();
        drop(world);
        self.versions.send_if_modified(|last| std::mem::replace(last, version) != version);
        answer
    }

    /// Changes whenever something is written.
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.versions.subscribe()
    }
}
