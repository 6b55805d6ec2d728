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
    is_closing: watch::Sender<bool>,
}

impl Shared {
    pub fn new(world: World, clock: Clock) -> Self {
        let versions = watch::Sender::new(world.store().version());
        Self {
            world: Arc::new(Mutex::new(world)),
            clock,
            chaos: Chaos::default(),
            versions,
            is_closing: watch::Sender::new(false),
        }
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

    /// Ends everything that would go on for ever.
    pub fn close(&self) {
        self.is_closing.send_replace(true);
    }

    /// Resolves once the server is closing.
    pub async fn closed(&self) {
        // An error would mean that the sender is gone, which is held here.
        let _ = self.is_closing.subscribe().wait_for(|is_closing| *is_closing).await;
    }

    /// Changes whenever something is written.
    pub fn versions(&self) -> watch::Receiver<u64> {
        self.versions.subscribe()
    }
}
