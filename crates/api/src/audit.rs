//! One line in the log for each change that a person makes.

use sentinel_settings::SettingsError;

use crate::access::Caller;

/// `from` and `to` say what was there and what is now, never a secret.
pub fn note(who: &Caller, what: &str, from: &str, to: &str) {
    tracing::info!(target: "sentinel_audit", %who, what, from, to, "changed a setting");
}

/// A change of which nobody can say here whether it will hold: the bus may have taken it without saying so.
pub fn note_unless_refused(who: &Caller, what: &str, error: &SettingsError) {
    if matches!(error, SettingsError::Bus(_) | SettingsError::NotSeen) {
        tracing::warn!(target: "sentinel_audit", %who, what, %error, "a change of a setting may or may not hold");
    }
}
