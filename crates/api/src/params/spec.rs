//! The query parameters of the routes, as they are documented and as they are read.

use sentinel_log_store::Order;
use utoipa::IntoParams;

use super::{FromQuery, QueryMap};
use crate::error::ApiError;
use crate::query::{Aggregation, Function, Step};
use crate::when::When;

/// Longest list that one page may hold.
pub const MAX_LIMIT: u32 = 5_000;

/// Which clusters and namespaces.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Scope {
    /// Only this cluster.
    pub cluster: Option<String>,
    /// Only these namespaces; may be repeated.
    pub namespace: Vec<String>,
}

/// The cluster of a named object; needed only when several clusters have one of that name.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OneCluster {
    pub cluster: Option<String>,
}

#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Rows of a page.
    #[param(minimum = 1, maximum = 5000, default = 100, required = false)]
    pub limit: u32,
    /// `next_page_token` of the page before.
    pub page_token: Option<String>,
    /// Of the question without these two.
    #[param(ignore)]
    pub fingerprint: u64,
}

/// Part of a name, ignoring case.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Text {
    pub q: Option<String>,
}

#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PodFilter {
    /// Part of the name, ignoring case.
    pub q: Option<String>,
    pub node: Option<String>,
    pub workload_kind: Option<String>,
    pub workload: Option<String>,
    /// Exactly this STATUS; may be repeated.
    pub status: Vec<String>,
    pub is_healthy: Option<bool>,
}

#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WorkloadFilter {
    /// Part of the name, ignoring case.
    pub q: Option<String>,
    /// Only these kinds; may be repeated.
    pub kind: Vec<String>,
}

/// From when to when; the start belongs to it, the end does not.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Span {
    /// RFC 3339, Unix milliseconds, or relative to now: `-15m`.
    #[param(value_type = String, required = false, default = "-1h")]
    pub from: When,
    /// As `from`; absent: now.
    #[param(value_type = String, required = false, default = "now")]
    pub to: When,
}

#[derive(Clone, Copy, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Ordering {
    /// `desc` (newest first) or `asc`.
    #[param(value_type = OrderName, required = false, default = "desc", inline)]
    pub order: Order,
}

/// Only for the documentation of [`Ordering`].
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the generator of the documentation only")]
enum OrderName {
    Desc,
    Asc,
}

/// Only for the documentation of [`Expression`].
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "read by the generator of the documentation only")]
enum FunctionName {
    Value,
    Rate,
    Increase,
    Avg,
    Min,
    Max,
    P50,
    P90,
    P95,
    P99,
}

#[derive(Clone, Debug, Default, PartialEq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventFilter {
    /// Words and "quoted phrases" that the message holds; a leading `-` excludes.
    pub q: Option<String>,
    /// `info`, `warning`, `error` or `critical`; may be repeated.
    pub severity: Vec<String>,
    /// May be repeated.
    pub reason: Vec<String>,
    /// May be repeated.
    pub object_kind: Vec<String>,
    pub object_name: Option<String>,
    /// May be repeated.
    pub workload: Vec<String>,
    pub node: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogFilter {
    /// Words and "quoted phrases" that the line holds; a leading `-` excludes.
    pub q: Option<String>,
    /// May be repeated.
    pub pod: Vec<String>,
    /// May be repeated.
    pub container: Vec<String>,
    /// May be repeated.
    pub workload: Vec<String>,
    pub node: Option<String>,
    /// `fatal`, `error`, `warn`, `info`, `debug`, `trace` or `unspecified`; may be repeated.
    pub severity: Vec<String>,
}

#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Bucket {
    /// Width of a bucket (`60s`, `5m`); absent: about 100 buckets.
    #[param(value_type = String, required = false)]
    pub bucket: Option<std::time::Duration>,
}

#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Facet {
    /// `cluster`, `namespace`, `workload_kind`, `workload`, `pod`, `container`, `node`, `severity`,
    /// `reason`, `object_kind` or `object_name`.
    pub field: String,
    #[param(minimum = 1, maximum = 1000, default = 20, required = false)]
    pub limit: u32,
}

#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PodLogParams {
    pub cluster: Option<String>,
    /// Absent: all of its containers.
    pub container: Option<String>,
    /// Number of lines from the end.
    #[param(minimum = 1, maximum = 5000, default = 200, required = false)]
    pub tail: u32,
    #[param(ignore)]
    pub fingerprint: u64,
    /// May be repeated.
    pub severity: Vec<String>,
    /// Lines up to the end of the container's last run before this one.
    #[param(default = false, required = false)]
    pub previous: bool,
    pub page_token: Option<String>,
}

/// Which series.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Match {
    /// `name{label="value",other=~"re.*"}`; absent: every series.
    #[param(rename = "match")]
    pub selector: Option<String>,
}

#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Limit {
    #[param(minimum = 1, maximum = 5000, default = 1000, required = false)]
    pub limit: u32,
}

/// What to compute of the chosen series.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Expression {
    /// `name{label="value",other=~"re.*"}`.
    #[param(rename = "match")]
    pub selector: String,
    /// Absent: `rate` for counters, `value` for the rest, for each chosen metric by itself.
    #[param(value_type = Option<FunctionName>, inline)]
    pub function: Option<Function>,
    /// Absent: `sum` when `by` is given, else `none`.
    #[param(value_type = Option<Aggregation>, inline)]
    pub aggregate: Option<Aggregation>,
    /// Label to keep when aggregating; may be repeated.
    pub by: Vec<String>,
    /// Series with the largest averages; the others come summed.
    #[param(minimum = 1, maximum = 5000, default = 50, required = false)]
    pub limit: u32,
}

#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChangeFilter {
    /// Of the object: `Deployment`, `Node`, …
    pub kind: Option<String>,
    /// Of the object.
    pub name: Option<String>,
}

#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct At {
    /// RFC 3339, Unix milliseconds, or relative to now; absent: now.
    #[param(value_type = String, required = false, default = "now")]
    pub at: When,
}

#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Steps {
    /// Distance of points, at least `10s`, or `auto`.
    #[param(value_type = String, required = false, default = "auto")]
    pub step: Step,
}

#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeadLetterFilter {
    pub reason: Option<String>,
    pub topic: Option<String>,
}

// === impl FromQuery ===

impl FromQuery for Scope {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self { cluster: query.text("cluster")?, namespace: query.texts("namespace")? })
    }
}

impl FromQuery for OneCluster {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self { cluster: query.text("cluster")? })
    }
}

impl FromQuery for Paging {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self {
            limit: query.number("limit", 1..=MAX_LIMIT, 100)?,
            page_token: query.text("page_token")?,
            fingerprint: query.fingerprint(),
        })
    }
}

impl FromQuery for Text {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self { q: query.text("q")? })
    }
}

impl FromQuery for PodFilter {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self {
            q: query.text("q")?,
            node: query.text("node")?,
            workload_kind: query.text("workload_kind")?,
            workload: query.text("workload")?,
            status: query.texts("status")?,
            is_healthy: query.flag("is_healthy")?,
        })
    }
}

impl FromQuery for WorkloadFilter {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self { q: query.text("q")?, kind: query.texts("kind")? })
    }
}

impl FromQuery for Span {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self {
            from: query.parsed("from")?.unwrap_or(When::before_now(3_600_000)),
            to: query.parsed("to")?.unwrap_or(When::NOW),
        })
    }
}

impl FromQuery for Ordering {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        let order = query.one_of("order", &["desc", "asc"])?;
        Ok(Self { order: if order == Some("asc") { Order::OldestFirst } else { Order::NewestFirst } })
    }
}

/// Severities that events can have, mildest first.
pub const EVENT_SEVERITIES: [&str; 4] = ["info", "warning", "error", "critical"];
/// Severities that log lines can have.
pub const LOG_SEVERITIES: [&str; 7] = ["unspecified", "trace", "debug", "info", "warn", "error", "fatal"];

impl FromQuery for EventFilter {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self {
            q: query.search("q")?,
            severity: query.many_of("severity", &EVENT_SEVERITIES)?,
            reason: query.texts("reason")?,
            object_kind: query.texts("object_kind")?,
            object_name: query.text("object_name")?,
            workload: query.texts("workload")?,
            node: query.text("node")?,
        })
    }
}

impl FromQuery for LogFilter {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self {
            q: query.search("q")?,
            pod: query.texts("pod")?,
            container: query.texts("container")?,
            workload: query.texts("workload")?,
            node: query.text("node")?,
            severity: query.many_of("severity", &LOG_SEVERITIES)?,
        })
    }
}

impl FromQuery for Bucket {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self { bucket: query.duration("bucket")? })
    }
}

impl FromQuery for Facet {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self { field: query.required("field")?, limit: query.number("limit", 1..=1_000, 20)? })
    }
}

impl FromQuery for PodLogParams {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self {
            cluster: query.text("cluster")?,
            container: query.text("container")?,
            tail: query.number("tail", 1..=MAX_LIMIT, 200)?,
            fingerprint: query.fingerprint(),
            severity: query.many_of("severity", &LOG_SEVERITIES)?,
            previous: query.flag("previous")?.unwrap_or_default(),
            page_token: query.text("page_token")?,
        })
    }
}

impl FromQuery for Match {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self { selector: query.text("match")? })
    }
}

impl FromQuery for Limit {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self { limit: query.number("limit", 1..=MAX_LIMIT, 1_000)? })
    }
}

impl FromQuery for Expression {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self {
            selector: query.required("match")?,
            function: query.parsed("function")?,
            aggregate: query.parsed("aggregate")?,
            by: query.texts("by")?,
            limit: query.number("limit", 1..=MAX_LIMIT, 50)?,
        })
    }
}

impl FromQuery for ChangeFilter {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self { kind: query.text("kind")?, name: query.text("name")? })
    }
}

impl FromQuery for At {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self { at: query.parsed("at")?.unwrap_or(When::NOW) })
    }
}

impl FromQuery for Steps {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self { step: query.parsed("step")?.unwrap_or(Step::Auto) })
    }
}

impl FromQuery for DeadLetterFilter {
    fn from_query(query: &QueryMap) -> Result<Self, ApiError> {
        Ok(Self { reason: query.text("reason")?, topic: query.text("topic")? })
    }
}
