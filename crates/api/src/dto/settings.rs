//! What people set: retention and tokens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// How long things are to be kept, as a whole: what is left out is kept as configured. Spans such as `12h` or `7d`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionRequest {
    /// Windows of 10 s: 1 h to 3,650 d.
    #[schema(example = "2d")]
    pub metrics_10s: Option<String>,
    /// Windows of 1 min: 1 h to 3,650 d.
    pub metrics_1m: Option<String>,
    /// Windows of 5 min: 1 h to 3,650 d.
    pub metrics_5m: Option<String>,
    /// Windows of 1 h: 6 h to 3,650 d.
    pub metrics_1h: Option<String>,
    /// Log lines: 1 d to 3,650 d.
    pub logs: Option<String>,
    /// Kubernetes events: 1 d to 3,650 d.
    pub events: Option<String>,
}

/// How long things are kept, and who said so.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RetentionAnswer {
    /// For `If-Match`, in quotes; 0 while nothing is set.
    pub revision: u64,
    pub changed: Option<Time>,
    pub changed_by: Option<String>,
    /// What is set was written by a later version: it is not acted upon, and `spans` shows nothing of it.
    pub is_unreadable: bool,
    pub spans: Vec<RetentionSpan>,
    /// What this change does besides what was asked for, such as deleting data.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RetentionSpan {
    /// `metrics_10s`, `metrics_1m`, `metrics_5m`, `metrics_1h`, `logs` or `events`.
    pub name: String,
    /// What this process' configuration says.
    pub configured: Option<String>,
    /// It lies on a server, whose own retention `configured` only lengthens: while nothing is `set`, the server may
    /// keep more, which a span that is set then deletes.
    pub may_be_longer: bool,
    /// What somebody has set; it goes before `configured`.
    pub set: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenRole {
    /// Reads everything but tokens.
    Viewer,
    /// Also recounts and puts dead letters back.
    Operator,
    /// Also changes settings and makes and revokes tokens.
    Admin,
}

#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Whose it is, or what for: 1 to 100 characters.
    #[schema(example = "grafana")]
    pub name: String,
    pub role: TokenRole,
    /// A span such as `90d`, 1 min to 3,650 d; never, without.
    #[serde(default)]
    pub expires_in: Option<String>,
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TokenRow {
    pub id: String,
    pub name: String,
    pub role: TokenRole,
    pub created: Time,
    pub created_by: String,
    pub expires: Option<Time>,
    pub is_expired: bool,
}

/// A new token. It is shown here and never again.
#[derive(Clone, Serialize, ToSchema)]
pub struct TokenCreated {
    /// For `Authorization: Bearer`.
    pub token: String,
    #[serde(flatten)]
    #[schema(inline)]
    pub row: TokenRow,
    /// What stands in its way, such as a server that asks for no token.
    pub warnings: Vec<String>,
}
