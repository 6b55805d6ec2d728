//! Why a setting was not changed.

use sentinel_bus::BusError;

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Since this process began, the bus has not answered.
    #[error("the settings have not been read yet")]
    NotRead,
    #[error("{key} is at revision {found}, not {expected}: somebody else has changed it")]
    Conflict { key: String, expected: u64, found: u64 },
    #[error("{key} was written by a later version of this program, which is needed to change it")]
    Unknown { key: String },
    #[error("there are {n} settings, more than {n} are not kept")]
    Full { n: usize },
    #[error("the setting could not be written")]
    Bus(#[from] BusError),
    /// It is on the bus and holds, or soon will.
    #[error("the setting was written and did not come back in time")]
    NotSeen,
}
