//! The same clauses over a bus in memory, the embedded one and, where it runs, Kafka.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sentinel_bus::{
    Bus, BusError, Commit, Consumer, Delivered, Follower, Offsets, Outgoing, PollLimit, Position, Record,
    Route, Start, TopicPartition,
};
use sentinel_model::{AccessRole, ApiToken, Kept, RetentionSetting, SettingValue, Timestamp, Topic};
use sentinel_runtime::{Health, HealthReport, Registry, Task};
use sentinel_testkit::{MemoryBus, Outage, wait_until};

use crate::book::MAX_SETTINGS;
use crate::reader::READ_AGAIN_EVERY;
use crate::{Book, Change, RetentionState, Settings, SettingsError};

const DAY: Duration = Duration::from_secs(86_400);

struct Room {
    settings: Settings,
    health: Health,
    _reader: Task<()>,
}

impl Room {
    async fn over(bus: &Arc<dyn Bus>) -> Self {
        let room = Self::beginning(bus);
        let settings = room.settings.clone();
        wait_until("the settings are read", move || settings.book().is_read()).await;
        room
    }

    fn beginning(bus: &Arc<dyn Bus>) -> Self {
        let (health, settings) = (Health::default(), Settings::new(Arc::clone(bus)));
        let reader = settings.start(health.component("settings"));
        Self { settings, health, _reader: reader }
    }

    async fn change(
        &self,
        key: &str,
        value: Option<SettingValue>,
        expected: Option<u64>,
    ) -> Result<Arc<Book>, SettingsError> {
        let change = Change { key: key.to_owned(), value, expected, by: "a test".to_owned() };
        self.settings.change(change).await
    }

    async fn wait(&self, what: &str, is: impl Fn(&Book) -> bool) {
        let settings = self.settings.clone();
        wait_until(what, move || is(&settings.book())).await;
    }
}

fn logs_for(days: u32) -> SettingValue {
    SettingValue::Retention(RetentionSetting::new([(Kept::Logs, DAY * days)]).expect("within the bounds"))
}

fn known(days: u32) -> RetentionState {
    RetentionState::Known(RetentionSetting::new([(Kept::Logs, DAY * days)]).expect("within the bounds"))
}

fn token(id: &str) -> SettingValue {
    SettingValue::Token(ApiToken {
        id: id.to_owned(),
        name: "ci".to_owned(),
        role: AccessRole::Viewer,
        sha256: [7; 32],
        created: Timestamp::from_secs(1),
        expires: None,
    })
}

/// All that must hold on any bus.
async fn keeps_the_contract(bus: Arc<dyn Bus>) {
    let room = Room::over(&bus).await;
    assert_eq!(room.settings.book().retention(), RetentionState::Known(RetentionSetting::default()));

    // The last of a key holds, here on return and elsewhere soon.
    let other = Room::over(&bus).await;
    room.change("retention", Some(logs_for(3)), Some(0)).await.expect("a change");
    assert_eq!(room.settings.book().retention(), known(3));
    let book = room.change("retention", Some(logs_for(5)), None).await.expect("a change");
    other.wait("the last one", |book| book.retention() == known(5)).await;
    let entry = book.entry("retention").expect("it is set");
    assert_eq!(entry.setting.as_ref().expect("readable").changed_by, "a test");

    // Whoever has not seen the last one does not overwrite it.
    let stale = room.change("retention", Some(logs_for(9)), Some(entry.revision - 1)).await;
    assert!(matches!(stale, Err(SettingsError::Conflict { .. })), "{stale:?}");
    assert!(matches!(other.change("token/a", None, Some(7)).await, Err(SettingsError::Conflict { .. })));
    other.change("retention", Some(logs_for(9)), Some(entry.revision)).await.expect("seen");

    // Tokens come and go.
    room.change("token/a", Some(token("a")), Some(0)).await.expect("a token");
    room.change("token/b", Some(token("b")), Some(0)).await.expect("a token");
    room.change("token/a", None, None).await.expect("revoked");
    assert!(room.settings.book().token("a").is_none());
    other.wait("the tombstone", |book| book.tokens().count() == 1 && book.token("b").is_some()).await;

    // Whoever comes late knows the same.
    let late = Room::over(&bus).await;
    assert_eq!(late.settings.book().retention(), known(9));
    assert_eq!(late.settings.book().tokens().count(), 1);
    assert!(is_well(&late.health.report()));
}

fn is_well(report: &HealthReport) -> bool {
    report.is_ready && !report.is_degraded
}

fn embedded(folder: &tempfile::TempDir) -> Arc<dyn Bus> {
    let config = sentinel_bus::Config::default();
    sentinel_bus::open(&config, folder.path(), &Health::default(), &mut Registry::default()).expect("open")
}

#[tokio::test]
async fn keeps_the_contract_in_memory() {
    keeps_the_contract(Arc::new(MemoryBus::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_on_the_embedded_bus() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    keeps_the_contract(embedded(&folder)).await;
    let again = Room::over(&embedded(&folder)).await;
    assert_eq!(again.settings.book().retention(), known(9));
}

#[cfg(feature = "kafka")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract_on_kafka() {
    let Some(brokers) = sentinel_testkit::stack::kafka() else { return };
    let config = sentinel_bus::KafkaConfig {
        brokers: brokers.split(',').map(str::to_owned).collect(),
        topic_prefix: format!("test-settings-{:08x}.", rand::random::<u32>()),
        partitions: 3,
        ..sentinel_bus::KafkaConfig::default()
    };
    let config = sentinel_bus::Config::Kafka(config);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let open = || {
        sentinel_bus::open(&config, folder.path(), &Health::default(), &mut Registry::default())
            .expect("open")
    };
    keeps_the_contract(open()).await;
    let again = Room::over(&open()).await;
    assert_eq!(again.settings.book().retention(), known(9));
}

#[tokio::test]
async fn what_is_known_last_holds_while_the_bus_is_away() {
    let memory = MemoryBus::default();
    let bus: Arc<dyn Bus> = Arc::new(memory.clone());
    let room = Room::over(&bus).await;
    room.change("retention", Some(logs_for(3)), None).await.expect("a change");
    memory.outage.begin();
    let health = room.health.clone();
    wait_until("it is said", move || health.report().is_degraded).await;
    assert_eq!(room.settings.book().retention(), known(3));
    let refused = room.change("retention", Some(logs_for(4)), None).await;
    assert!(matches!(refused, Err(SettingsError::Bus(_))), "{refused:?}");
    memory.outage.end();
    let health = room.health.clone();
    wait_until("all is well again", move || is_well(&health.report())).await;
    room.change("retention", Some(logs_for(4)), None).await.expect("a change");
    assert_eq!(room.settings.book().retention(), known(4));
}

#[tokio::test]
async fn nothing_is_known_and_nothing_changed_before_the_bus_has_answered() {
    let memory = MemoryBus::default();
    memory.outage.begin();
    let bus: Arc<dyn Bus> = Arc::new(memory.clone());
    let room = Room::beginning(&bus);
    let health = room.health.clone();
    wait_until("it is said", move || health.report().is_degraded).await;
    assert_eq!(room.settings.book().retention(), RetentionState::NotRead);
    assert!(matches!(room.change("token/a", None, None).await, Err(SettingsError::NotRead)));
    memory.outage.end();
    room.wait("the settings are read", Book::is_read).await;
}

#[tokio::test]
async fn of_two_at_once_one_is_told_that_the_other_was_first() {
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::default());
    let room = Room::over(&bus).await;
    let both = tokio::join!(
        room.change("retention", Some(logs_for(1)), Some(0)),
        room.change("retention", Some(logs_for(2)), Some(0)),
    );
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
}

#[tokio::test]
async fn records_that_are_not_understood_are_kept_and_not_written_over() {
    let memory = MemoryBus::default();
    let bus: Arc<dyn Bus> = Arc::new(memory.clone());
    let room = Room::over(&bus).await;
    let put = async |key: &'static str, value: &'static [u8]| {
        let record = Record {
            key: Bytes::from_static(key.as_bytes()),
            value: Bytes::from_static(value),
            headers: Vec::new(),
            timestamp: Timestamp::from_secs(1),
        };
        let message = Outgoing { topic: Topic::Settings, route: Route::ByKey, record };
        bus.publish(vec![message]).await.expect("publish");
    };
    put("", b"no key").await;
    put("retention", b"\x02of a later version").await;
    put("dashboard/1", b"rubbish").await;
    room.wait("they are read", |book| book.entry("dashboard/1").is_some()).await;
    room.wait("they are read", |book| book.entry("retention").is_some()).await;
    assert_eq!(room.settings.book().retention(), RetentionState::Unreadable);
    let refused = room.change("retention", Some(logs_for(1)), None).await;
    assert!(matches!(refused, Err(SettingsError::Unknown { .. })), "{refused:?}");
    // Whoever means it can remove it.
    room.change("retention", None, None).await.expect("removed");
    assert_eq!(room.settings.book().retention(), RetentionState::Known(RetentionSetting::default()));
    assert_eq!(memory.records(Topic::Settings).len(), 4, "nothing else was written");
}

/// A bus whose followers notice no outage and then go on where the log goes on: what was published meanwhile has been
/// compacted away.
#[derive(Clone, Default)]
struct Forgetful {
    bus: MemoryBus,
    /// Followers that began before hear nothing any more.
    is_deaf: Outage,
    n_missed: Arc<AtomicUsize>,
}

struct Deaf {
    follower: Box<dyn Follower>,
    is_deaf: Outage,
    n_missed: Arc<AtomicUsize>,
}

#[async_trait]
impl Follower for Deaf {
    async fn poll(&mut self, limit: PollLimit) -> Result<Vec<Delivered>, BusError> {
        let delivered = self.follower.poll(limit).await;
        if !self.is_deaf.is_on() {
            return delivered;
        }
        if delivered.is_err() {
            tokio::time::sleep(limit.wait).await;
        }
        self.n_missed.fetch_add(delivered.map_or(0, |records| records.len()), Ordering::SeqCst);
        Ok(Vec::new())
    }

    fn is_caught_up(&self) -> bool {
        self.follower.is_caught_up()
    }
}

#[async_trait]
impl Bus for Forgetful {
    async fn publish(&self, messages: Vec<Outgoing>) -> Result<Vec<Position>, BusError> {
        self.bus.publish(messages).await
    }

    fn n_partitions(&self, topic: Topic) -> u32 {
        self.bus.n_partitions(topic)
    }

    async fn offsets(&self, at: TopicPartition) -> Result<Offsets, BusError> {
        self.bus.offsets(at).await
    }

    async fn committed(&self, group: &str, topic: Topic) -> Result<Vec<Option<Commit>>, BusError> {
        self.bus.committed(group, topic).await
    }

    async fn join(&self, group: &str, topics: &[Topic], start: Start) -> Result<Box<dyn Consumer>, BusError> {
        self.bus.join(group, topics, start).await
    }

    async fn follow(&self, topic: Topic, start: Start) -> Result<Box<dyn Follower>, BusError> {
        let follower = self.bus.follow(topic, start).await?;
        if self.is_deaf.is_on() {
            return Ok(follower);
        }
        Ok(Box::new(Deaf { follower, is_deaf: self.is_deaf.clone(), n_missed: Arc::clone(&self.n_missed) }))
    }

    async fn stored_bytes(&self, topic: Topic) -> Result<Option<u64>, BusError> {
        self.bus.stored_bytes(topic).await
    }
}

/// A process that knows a token, which another has revoked without its noticing.
async fn with_a_missed_removal() -> (Forgetful, Room) {
    let bus = Forgetful::default();
    let room = Room::over(&(Arc::new(bus.clone()) as Arc<dyn Bus>)).await;
    room.change("token/a", Some(token("a")), Some(0)).await.expect("a token");
    let other = Room::over(&(Arc::new(bus.bus.clone()) as Arc<dyn Bus>)).await;
    bus.is_deaf.begin();
    other.change("token/a", None, None).await.expect("revoked");
    wait_until("it was missed", || bus.n_missed.load(Ordering::SeqCst) > 0).await;
    assert!(room.settings.book().token("a").is_some());
    (bus, room)
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_was_missed_in_an_outage_is_found_after_it() {
    let (bus, room) = with_a_missed_removal().await;
    bus.bus.outage.begin();
    wait_until("it is said", || room.health.report().is_degraded).await;
    assert!(room.settings.book().token("a").is_some(), "what was known last holds");
    bus.bus.outage.end();
    room.wait("it is found", |book| book.token("a").is_none()).await;
    wait_until("all is well", || is_well(&room.health.report())).await;
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_was_missed_while_the_process_stood_still_is_found_after_it() {
    let (_bus, room) = with_a_missed_removal().await;
    tokio::time::advance(Duration::from_secs(200)).await;
    room.wait("it is found", |book| book.token("a").is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn all_is_read_again_now_and_then() {
    let (_bus, room) = with_a_missed_removal().await;
    let found = async {
        let mut watch = room.settings.watch();
        watch.wait_for(|book| book.token("a").is_none()).await.map(drop)
    };
    let found = tokio::time::timeout(READ_AGAIN_EVERY * 2, found).await;
    found.expect("in time").expect("a reader");
}

#[tokio::test]
async fn a_full_book_has_room_for_the_retention() {
    let memory = MemoryBus::default();
    let bus: Arc<dyn Bus> = Arc::new(memory.clone());
    let message = |n: usize| Outgoing {
        topic: Topic::Settings,
        route: Route::Partition(0),
        record: Record {
            key: Bytes::from(format!("dashboard/{n}")),
            value: Bytes::from_static(b"rubbish"),
            headers: Vec::new(),
            timestamp: Timestamp::from_secs(1),
        },
    };
    bus.publish((0..MAX_SETTINGS + 5).map(message).collect()).await.expect("publish");
    let room = Room::over(&bus).await;
    room.change("retention", Some(logs_for(90)), None).await.expect("there is room for it");
    assert_eq!(room.settings.book().retention(), known(90));
    let late = Room::over(&bus).await;
    assert_eq!(late.settings.book().retention(), known(90), "read after all the others");
    let refused = room.change("token/a", Some(token("a")), None).await;
    assert!(matches!(refused, Err(SettingsError::Full { .. })), "{refused:?}");
}
