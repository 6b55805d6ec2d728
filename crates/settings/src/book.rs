//! All settings as they are at a moment. Pure: records in, settings out.

use std::collections::BTreeMap;
use std::sync::Arc;

use sentinel_bus::Delivered;
use sentinel_model::{ApiToken, RetentionSetting, Setting, SettingValue};
use tracing::warn;

use crate::SettingsError;

/// Settings that are kept in memory; tokens are the most of them.
pub(crate) const MAX_SETTINGS: usize = 10_000;
/// Longest key that is kept, in bytes.
const MAX_KEY_BYTES: usize = 256;

/// All settings of a moment. The last record of each key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    is_read: bool,
    entries: BTreeMap<String, Arc<Entry>>,
    /// Offset that comes next, by partition.
    places: BTreeMap<u32, u64>,
}

/// A setting and which one of its key it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Grows with each change of the key; never 0.
    pub revision: u64,
    /// `None`: cannot be read.
    pub setting: Option<Setting>,
}

/// What there is to say of the retention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetentionState {
    /// Nothing has been read yet.
    NotRead,
    /// What is not set is as configured.
    Known(RetentionSetting),
    /// Somebody has set it in a way that this program does not understand: nothing must be deleted.
    Unreadable,
}

impl Book {
    /// Everything that was there when reading began is in it.
    pub const fn is_read(&self) -> bool {
        self.is_read
    }

    pub fn entry(&self, key: &str) -> Option<&Arc<Entry>> {
        self.entries.get(key)
    }

    /// 0: there is none.
    pub fn revision(&self, key: &str) -> u64 {
        self.entries.get(key).map_or(0, |entry| entry.revision)
    }

    pub fn retention(&self) -> RetentionState {
        if !self.is_read {
            return RetentionState::NotRead;
        }
        match self.entry(SettingValue::RETENTION).map(|entry| entry.value()) {
            None => RetentionState::Known(RetentionSetting::default()),
            Some(Some(SettingValue::Retention(retention))) => RetentionState::Known(retention.clone()),
            Some(_) => RetentionState::Unreadable,
        }
    }

    pub fn token(&self, id: &str) -> Option<&ApiToken> {
        self.entry(&SettingValue::token_key(id))?.token()
    }

    /// Tokens with who made them and their revision, by key.
    pub fn tokens(&self) -> impl Iterator<Item = (&ApiToken, &Setting)> {
        self.entries.values().filter_map(|entry| Some((entry.token()?, entry.setting.as_ref()?)))
    }

    /// For the retention there always is: without it, stores would delete by what is configured.
    fn has_room(&self, key: &str) -> bool {
        key == SettingValue::RETENTION || self.entries.len() < MAX_SETTINGS
    }

    pub(crate) fn has_seen(&self, partition: u32, offset: u64) -> bool {
        self.places.get(&partition).is_some_and(|next| *next > offset)
    }

    pub(crate) fn close(&mut self) {
        self.is_read = true;
    }

    /// Whether the settings are such that this change may be made.
    ///
    /// # Errors
    /// Those of a change before it is written.
    pub(crate) fn check(
        &self,
        key: &str,
        expected: Option<u64>,
        is_removal: bool,
    ) -> Result<(), SettingsError> {
        if !self.is_read {
            return Err(SettingsError::NotRead);
        }
        let found = self.revision(key);
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(SettingsError::Conflict { key: key.to_owned(), expected, found });
        }
        let is_unknown = self.entry(key).is_some_and(|entry| entry.is_unknown());
        if is_unknown && !is_removal {
            return Err(SettingsError::Unknown { key: key.to_owned() });
        }
        if found == 0 && !self.has_room(key) {
            return Err(SettingsError::Full { n: MAX_SETTINGS });
        }
        Ok(())
    }

    /// Takes one record of the topic. What cannot be read is no setting, and hides the one before it.
    pub(crate) fn apply(&mut self, delivered: &Delivered) {
        let position = delivered.position;
        self.places.insert(position.at.partition, position.offset + 1);
        let key = String::from_utf8_lossy(&delivered.record.key).into_owned();
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return warn!(?position, "a setting has no usable key");
        }
        let decoded = delivered.decode::<Setting>();
        let setting = match decoded {
            Ok(None) => {
                self.entries.remove(&key);
                return;
            }
            Ok(Some(setting)) if setting.value.key() == key => Some(setting),
            Ok(Some(_)) => {
                warn!(%key, ?position, "a setting does not lie under its key");
                None
            }
            Err(error) => {
                warn!(%key, ?position, error = &error as &dyn std::error::Error, "a setting cannot be read");
                None
            }
        };
        let before = self.revision(&key);
        if before == 0 && !self.has_room(&key) {
            return warn!(%key, "there are too many settings, this one is not kept");
        }
        // While the topic is read from its beginning, compaction may have removed what came between.
        if self.is_read && setting.as_ref().is_some_and(|setting| setting.base != before) {
            warn!(%key, "was set by two at the same moment: the later of them holds");
        }
        self.entries.insert(key, Arc::new(Entry { revision: position.offset + 1, setting }));
    }
}

impl Entry {
    pub fn value(&self) -> Option<&SettingValue> {
        self.setting.as_ref().map(|setting| &setting.value)
    }

    fn token(&self) -> Option<&ApiToken> {
        match self.value() {
            Some(SettingValue::Token(token)) => Some(token),
            _ => None,
        }
    }

    fn is_unknown(&self) -> bool {
        matches!(self.value(), None | Some(SettingValue::Unknown { .. }))
    }
}
