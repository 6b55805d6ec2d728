//! How long things are kept.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;
use sentinel_model::{Kept, Resolution, RetentionSetting, SettingValue};
use sentinel_runtime::config::duration;
use sentinel_settings::{Book, Change, RetentionState};

use crate::access::Admin;
use crate::app::App;
use crate::audit;
use crate::dto::settings::{RetentionAnswer, RetentionRequest, RetentionSpan};
use crate::error::ApiError;
use crate::extract::{IfMatch, JsonBody};

/// How long things are kept: as configured, and as somebody has set it. `ETag` is the revision.
#[utoipa::path(
    get,
    path = "/settings/retention",
    tag = "settings",
    responses((status = 200, description = "The retention", body = RetentionAnswer))
)]
pub async fn read_retention(State(app): State<App>) -> Result<Response, ApiError> {
    let book = app.settings.book();
    if !book.is_read() {
        return Err(sentinel_settings::SettingsError::NotRead.into());
    }
    Ok(answer(&app, &book, Vec::new()))
}

/// Sets how long things are kept, as a whole, without a restart. A span that is shorter than before deletes data, also
/// where a longer one is set again later.
#[utoipa::path(
    put,
    path = "/settings/retention",
    tag = "settings",
    request_body = RetentionRequest,
    params(("If-Match" = Option<String>, Header,
        description = "Revision that is to be replaced, in quotes; without it, whatever there is")),
    responses((status = 200, description = "What holds now", body = RetentionAnswer))
)]
pub async fn write_retention(
    State(app): State<App>,
    Admin(caller): Admin,
    IfMatch(expected): IfMatch,
    JsonBody(request): JsonBody<RetentionRequest>,
) -> Result<Response, ApiError> {
    let value = SettingValue::Retention(asked(&request)?);
    change(&app, &caller, expected, Some(value)).await
}

/// Goes back to what is configured.
#[utoipa::path(
    delete,
    path = "/settings/retention",
    tag = "settings",
    params(("If-Match" = Option<String>, Header,
        description = "Revision that is to be removed, in quotes; without it, whatever there is")),
    responses((status = 200, description = "What holds now", body = RetentionAnswer))
)]
pub async fn unset_retention(
    State(app): State<App>,
    Admin(caller): Admin,
    IfMatch(expected): IfMatch,
) -> Result<Response, ApiError> {
    change(&app, &caller, expected, None).await
}

async fn change(
    app: &App,
    caller: &crate::access::Caller,
    expected: Option<u64>,
    value: Option<SettingValue>,
) -> Result<Response, ApiError> {
    let before = app.settings.book();
    let is_removed = value.is_none();
    let key = SettingValue::RETENTION.to_owned();
    let change = app.settings.change(Change { key, value, expected, by: caller.to_string() });
    let after = change.await.inspect_err(|error| audit::note_unless_refused(caller, "retention", error))?;
    audit::note(caller, "retention", &words(&before), &words(&after));
    let mut warnings = shortened(app, &before, &after);
    if is_removed {
        warnings.push(
            "what InfluxDB keeps for longer than is configured stays so: configuration only lengthens what is there"
                .to_owned(),
        );
    }
    Ok(answer(app, &after, warnings))
}

fn asked(request: &RetentionRequest) -> Result<RetentionSetting, ApiError> {
    let text = |kept: Kept| match kept {
        Kept::Metrics(Resolution::TenSeconds) => &request.metrics_10s,
        Kept::Metrics(Resolution::OneMinute) => &request.metrics_1m,
        Kept::Metrics(Resolution::FiveMinutes) => &request.metrics_5m,
        Kept::Metrics(Resolution::OneHour) => &request.metrics_1h,
        Kept::Logs => &request.logs,
        Kept::Events => &request.events,
    };
    let refuse =
        |kept: Kept, message: String| ApiError::Body { field: Some(kept.as_str().to_owned()), message };
    let mut spans = Vec::new();
    for kept in Kept::ALL {
        let Some(text) = text(kept) else { continue };
        let span = duration::parse(text).ok_or_else(|| {
            refuse(kept, format!("has a {} that is no span of time such as 12h or 7d", kept.as_str()))
        })?;
        spans.push((kept, Duration::from_secs(span.as_secs())));
    }
    RetentionSetting::new(spans).map_err(|error| {
        let (name, print) = (error.kept.as_str(), duration::print);
        let message = format!(
            "has {name} = {}, which must be {} at least and {} at most",
            print(error.asked),
            print(error.least),
            print(error.most)
        );
        refuse(error.kept, message)
    })
}

fn set(book: &Book) -> Option<RetentionSetting> {
    match book.retention() {
        RetentionState::Known(set) => Some(set),
        RetentionState::NotRead | RetentionState::Unreadable => None,
    }
}

/// For the audit log.
fn words(book: &Book) -> String {
    let Some(set) = set(book) else { return "not readable".to_owned() };
    let spans: Vec<String> =
        set.iter().map(|(kept, span)| format!("{}={}", kept.as_str(), duration::print(span))).collect();
    if spans.is_empty() { "as configured".to_owned() } else { spans.join(" ") }
}

/// What is kept for less time than before.
fn shortened(app: &App, before: &Book, after: &Book) -> Vec<String> {
    let (before, after) = (set(before).unwrap_or_default(), set(after).unwrap_or_default());
    let span = |set: &RetentionSetting, kept| set.of(kept).or_else(|| app.configured(kept));
    let is_shorter = |kept: &Kept| {
        let (before, after) = (span(&before, *kept), span(&after, *kept));
        before.is_none_or(|before| after.is_some_and(|after| after < before)) && after.is_some()
    };
    let told = |kept: Kept| {
        let span = span(&after, kept).map(duration::print).unwrap_or_default();
        format!("{} are kept for {span} now: what is older is being deleted for good", kept.as_str())
    };
    Kept::ALL.into_iter().filter(is_shorter).map(told).collect()
}

fn answer(app: &App, book: &Book, warnings: Vec<String>) -> Response {
    let entry = book.entry(SettingValue::RETENTION);
    let setting = entry.and_then(|entry| entry.setting.as_ref());
    let set = set(book).unwrap_or_default();
    let revision = book.revision(SettingValue::RETENTION);
    let mut warnings = warnings;
    if book.retention() == RetentionState::Unreadable {
        warnings.push("what is set was written by a later version and is not acted upon".to_owned());
    }
    let answer = RetentionAnswer {
        revision,
        changed: setting.map(|setting| setting.changed.into()),
        changed_by: setting.map(|setting| setting.changed_by.clone()),
        spans: Kept::ALL
            .into_iter()
            .map(|kept| RetentionSpan {
                name: kept.as_str().to_owned(),
                configured: app.configured(kept).map(duration::print),
                set: set.of(kept).map(duration::print),
            })
            .collect(),
        warnings,
    };
    ([(header::ETAG, format!("\"{revision}\""))], Json(answer)).into_response()
}
