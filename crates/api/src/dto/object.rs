//! Objects of any kind.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Time;

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct OwnerDto {
    pub kind: String,
    pub name: String,
    pub uid: String,
    pub is_controller: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ObjectRow {
    pub cluster: String,
    pub kind: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub created: Option<Time>,
    /// When the collector saw this state.
    pub observed: Time,
    pub labels: BTreeMap<String, String>,
    pub workload_kind: String,
    pub workload: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ObjectDetailDto {
    #[serde(flatten)]
    pub row: ObjectRow,
    pub owners: Vec<OwnerDto>,
    /// The object as the API server gave it, without managed fields, environment values and secrets.
    #[schema(value_type = Object)]
    pub manifest: serde_json::Value,
}
