//! The handle that roles hold.

use std::sync::Arc;
use std::time::Duration;

use sentinel_bus::{Bus, Publisher};
use sentinel_model::{Setting, SettingValue, Timestamp};
use sentinel_runtime::{Component, Task, clock, spawn};
use tokio::sync::watch;

use crate::book::Book;
use crate::{SettingsError, reader};

/// A change that is on the bus is read back within this time.
const READ_BACK: Duration = Duration::from_secs(8);

/// What people have set, as far as it is known here. Cheap to clone.
///
/// The last record of a key holds. A change is made one at a time within a process, against the revision that its
/// author has seen; should two processes change one key within the same moment, the later record holds and the log of
/// each says so.
#[derive(Clone)]
pub struct Settings {
    bus: Arc<dyn Bus>,
    book: watch::Sender<Arc<Book>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// A change of one key.
#[derive(Clone, Debug)]
pub struct Change {
    pub key: String,
    /// `None` removes the key.
    pub value: Option<SettingValue>,
    /// Revision that it is to replace: 0 where there must be none; `None`: whatever there is.
    pub expected: Option<u64>,
    pub by: String,
}

impl Settings {
    /// Knows nothing until a reader has been started.
    pub fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus, book: watch::Sender::new(Arc::default()), turn: Arc::default() }
    }

    /// Reads the topic to its end and then follows it, until the task is dropped. While the bus is away, what was
    /// known last is kept and `component` is degraded.
    pub fn start(&self, component: Component) -> Task<()> {
        spawn("settings", reader::run(Arc::clone(&self.bus), self.book.clone(), component))
    }

    /// All settings as they are now.
    pub fn book(&self) -> Arc<Book> {
        Arc::clone(&self.book.borrow())
    }

    /// Tells of each change.
    pub fn watch(&self) -> watch::Receiver<Arc<Book>> {
        self.book.subscribe()
    }

    /// Makes a change; on return it holds here and survives. Gives the settings that it led to.
    ///
    /// # Errors
    /// Settings that are not read or not as expected, and a bus that is away.
    pub async fn change(&self, change: Change) -> Result<Arc<Book>, SettingsError> {
        let _turn = self.turn.lock().await;
        let book = self.book();
        book.check(&change.key, change.expected, change.value.is_none())?;
        let publisher = Publisher::<Setting>::new(Arc::clone(&self.bus));
        let now = Timestamp::from_millis(clock::now_millis());
        let positions = match change.value {
            Some(value) => {
                let base = book.revision(&change.key);
                let setting = Setting { value, changed: now, changed_by: change.by, base };
                publisher.publish(&[setting], now).await?
            }
            None => publisher.remove(&[change.key.into()], now).await?,
        };
        let mut watch = self.watch();
        let is_seen = |book: &Arc<Book>| {
            positions.iter().all(|position| book.has_seen(position.at.partition, position.offset))
        };
        let seen = tokio::time::timeout(READ_BACK, watch.wait_for(is_seen)).await;
        let book = seen.map_err(|_| SettingsError::NotSeen)?.map_err(|_| SettingsError::NotSeen)?;
        Ok(Arc::clone(&book))
    }
}
