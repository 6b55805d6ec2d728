//! `Setting` ⇄ `sentinel.settings.v1`.

use std::time::Duration;

use bytes::Bytes;
use sentinel_model::{
    AccessRole, ApiToken, Kept, Resolution, RetentionSetting, Setting, SettingValue, Timestamp, Topic,
};

use super::{timestamp, unix_ms};
use crate::pb::settings::v1 as pb;
use crate::{Wire, WireError, wire};

/// Of the values that this program knows.
const VERSION: u32 = 1;

impl Wire for Setting {
    const TOPIC: Topic = Topic::Settings;

    fn key(&self) -> Bytes {
        self.value.key().into()
    }

    fn encode(&self) -> Bytes {
        let value = match &self.value {
            SettingValue::Retention(retention) => pb::setting::Value::Retention(retention_to_wire(retention)),
            SettingValue::Token(token) => pb::setting::Value::Token(token_to_wire(token)),
            SettingValue::Unknown { message, .. } => return wire::seal_bytes(message),
        };
        wire::seal(&pb::Setting {
            version: VERSION,
            key: self.value.key(),
            changed_unix_ms: self.changed.as_millis(),
            changed_by: self.changed_by.clone(),
            base: self.base,
            value: Some(value),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (message, payload) = wire::open_with_bytes::<pb::Setting>(bytes, "Setting")?;
        let known = match message.value {
            Some(pb::setting::Value::Retention(retention)) if message.version <= VERSION => {
                Some(SettingValue::Retention(retention_from_wire(&retention)?))
            }
            Some(pb::setting::Value::Token(token)) if message.version <= VERSION => token_from_wire(token)?,
            _ => None,
        };
        let value =
            known.unwrap_or_else(|| SettingValue::Unknown { key: message.key.clone(), message: payload });
        if value.key() != message.key {
            return Err(WireError::Corrupt { detail: "its key is not that of its value" });
        }
        Ok(Self {
            value,
            changed: Timestamp::from_millis(message.changed_unix_ms),
            changed_by: message.changed_by,
            base: message.base,
        })
    }
}

fn retention_to_wire(retention: &RetentionSetting) -> pb::Retention {
    let seconds = |kept| retention.of(kept).map(|span: Duration| span.as_secs());
    pb::Retention {
        metrics_10s_seconds: seconds(Kept::Metrics(Resolution::TenSeconds)),
        metrics_1m_seconds: seconds(Kept::Metrics(Resolution::OneMinute)),
        metrics_5m_seconds: seconds(Kept::Metrics(Resolution::FiveMinutes)),
        metrics_1h_seconds: seconds(Kept::Metrics(Resolution::OneHour)),
        logs_seconds: seconds(Kept::Logs),
        events_seconds: seconds(Kept::Events),
    }
}

fn retention_from_wire(message: &pb::Retention) -> Result<RetentionSetting, WireError> {
    let seconds = |kept: Kept| match kept {
        Kept::Metrics(Resolution::TenSeconds) => message.metrics_10s_seconds,
        Kept::Metrics(Resolution::OneMinute) => message.metrics_1m_seconds,
        Kept::Metrics(Resolution::FiveMinutes) => message.metrics_5m_seconds,
        Kept::Metrics(Resolution::OneHour) => message.metrics_1h_seconds,
        Kept::Logs => message.logs_seconds,
        Kept::Events => message.events_seconds,
    };
    let spans = Kept::ALL.into_iter().filter_map(|kept| Some((kept, Duration::from_secs(seconds(kept)?))));
    // Nobody may set such a span: acting upon it would delete what is to be kept.
    RetentionSetting::new(spans).map_err(|_| WireError::Corrupt { detail: "a retention out of its bounds" })
}

fn token_to_wire(token: &ApiToken) -> pb::Token {
    let role = match token.role {
        AccessRole::Viewer => pb::Role::Viewer,
        AccessRole::Operator => pb::Role::Operator,
        AccessRole::Admin => pb::Role::Admin,
    };
    pb::Token {
        id: token.id.clone(),
        name: token.name.clone(),
        role: role.into(),
        sha256: Bytes::copy_from_slice(&token.sha256),
        created_unix_ms: token.created.as_millis(),
        expires_unix_ms: unix_ms(token.expires),
    }
}

/// `None`: a role that this program does not know.
fn token_from_wire(message: pb::Token) -> Result<Option<SettingValue>, WireError> {
    let role = match pb::Role::try_from(message.role) {
        Ok(pb::Role::Viewer) => AccessRole::Viewer,
        Ok(pb::Role::Operator) => AccessRole::Operator,
        Ok(pb::Role::Admin) => AccessRole::Admin,
        Ok(pb::Role::Unspecified) | Err(_) => return Ok(None),
    };
    let detail = "a hash that is not of 32 bytes";
    let sha256 = <[u8; 32]>::try_from(&*message.sha256).map_err(|_| WireError::Corrupt { detail })?;
    Ok(Some(SettingValue::Token(ApiToken {
        id: message.id,
        name: message.name,
        role,
        sha256,
        created: Timestamp::from_millis(message.created_unix_ms),
        expires: timestamp(message.expires_unix_ms),
    })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn any_value() -> impl Strategy<Value = SettingValue> {
        let span = |kept: Kept| {
            let (least, most) = kept.bounds();
            proptest::option::of(least.as_secs()..=most.as_secs()).prop_map(move |seconds| (kept, seconds))
        };
        let retention = Kept::ALL.map(span).prop_map(|spans| {
            let spans = spans.into_iter().filter_map(|(kept, s)| Some((kept, Duration::from_secs(s?))));
            SettingValue::Retention(RetentionSetting::new(spans).expect("within the bounds"))
        });
        let token = ("[a-z0-9]{1,16}", ".{0,40}", 0..3usize, any::<[u8; 32]>(), any::<Option<i64>>());
        let token = token.prop_map(|(id, name, role, sha256, expires)| {
            SettingValue::Token(ApiToken {
                id,
                name,
                role: AccessRole::ALL[role],
                sha256,
                created: Timestamp::from_secs(7),
                expires: expires.map(Timestamp::from_millis),
            })
        });
        prop_oneof![retention, token]
    }

    proptest! {
        #[test]
        fn a_setting_comes_back_as_it_was(value in any_value(), at in any::<i64>(), by in ".{0,20}", base: u64) {
            let changed = Timestamp::from_millis(at);
            let setting = Setting { value, changed, changed_by: by, base };
            prop_assert_eq!(Setting::decode(&setting.encode()).expect("our own bytes"), setting);
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Setting::decode(&wire::seal_bytes(&bytes));
            let _ = Setting::decode(&bytes);
        }
    }

    fn sealed(message: &pb::Setting, more: &[u8]) -> Bytes {
        wire::seal_bytes(&[message.encode_to_vec(), more.to_vec()].concat())
    }

    #[test]
    fn what_is_not_known_is_kept_to_the_byte_and_is_no_error() {
        let plain = pb::Setting { version: 1, key: "dashboard/7".into(), ..pb::Setting::default() };
        // Field 30, bytes: a kind of some later version.
        let of_later_kind = sealed(&plain, &[0xf2, 0x01, 3, 1, 2, 3]);
        let retention = pb::setting::Value::Retention(pb::Retention::default());
        let later = pb::Setting {
            version: 2,
            key: "retention".into(),
            value: Some(retention),
            ..pb::Setting::default()
        };
        let token = pb::Token { id: "a".into(), role: 77, ..pb::Token::default() };
        let value = Some(pb::setting::Value::Token(token));
        let of_later_role =
            pb::Setting { version: 1, key: "token/a".into(), value, ..pb::Setting::default() };
        let cases = [
            ("dashboard/7", of_later_kind),
            ("retention", sealed(&later, &[])),
            ("token/a", sealed(&of_later_role, &[])),
        ];
        for (key, bytes) in cases {
            let setting = Setting::decode(&bytes).expect("no error");
            assert!(matches!(setting.value, SettingValue::Unknown { .. }), "{key}");
            assert_eq!((setting.key(), setting.encode()), (Bytes::from(key), bytes));
        }
    }

    #[test]
    fn what_nobody_may_have_set_is_corrupt() {
        let logs = pb::Retention { logs_seconds: Some(1), ..pb::Retention::default() };
        let short = pb::Setting {
            version: 1,
            key: "retention".into(),
            value: Some(pb::setting::Value::Retention(logs)),
            ..pb::Setting::default()
        };
        let elsewhere = pb::Setting {
            key: "token/a".into(),
            value: Some(pb::setting::Value::Retention(pb::Retention::default())),
            ..short.clone()
        };
        for message in [short, elsewhere] {
            assert!(Setting::decode(&sealed(&message, &[])).is_err());
        }
    }
}
