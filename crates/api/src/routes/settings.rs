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
/// where a longer one is set again later; so may the first one that is set of what a server keeps.
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
    let key = SettingValue::RETENTION.to_owned();
    let change = app.settings.change(Change { key, value, expected, by: caller.to_string() });
    let after = change.await.inspect_err(|error| audit::note_unless_refused(caller, "retention", error))?;
    audit::note(caller, "retention", &words(&before), &words(&after));
    let warnings = consequences(app, &before, &after);
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

/// What the change deletes, or leaves as it is, besides what was asked for.
fn consequences(app: &App, before: &Book, after: &Book) -> Vec<String> {
    let after = set(after).unwrap_or_default();
    let is_known = before.retention() != RetentionState::Unreadable;
    let before = set(before).unwrap_or_default();
    let of = |kept: Kept| {
        let configured = app.configured(kept);
        let (is_least, configured) = (configured.is_some_and(|it| it.is_least), configured.map(|it| it.span));
        let print = duration::print;
        match (before.of(kept), after.of(kept)) {
            (Some(was), Some(is)) => (is < was).then(|| deleted(kept, is)),
            (None, Some(is)) if is_least => Some(format!(
                "{}, also where the server kept it for longer than is configured",
                deleted(kept, is)
            )),
            (None, Some(is)) => configured.is_none_or(|was| is < was).then(|| deleted(kept, is)),
            (was, None) => {
                let configured = configured?;
                let is_shorter = was.map_or(!is_known, |was| configured < was);
                let name = kept.as_str();
                is_shorter.then(|| match kept {
                    Kept::Logs if is_least => format!(
                        "{name} go back to {}: where the server has policies, its own stays as long as it is, else what \
                         is older is being deleted for good",
                        print(configured)
                    ),
                    _ if is_least => format!(
                        "{name} stay for as long as the server keeps them: configuration, {}, only lengthens that",
                        print(configured)
                    ),
                    _ => deleted(kept, configured),
                })
            }
        }
    };
    Kept::ALL.into_iter().filter_map(of).collect()
}

fn deleted(kept: Kept, span: Duration) -> String {
    let (name, span) = (kept.as_str(), duration::print(span));
    format!("{name} are kept for {span} now: what is older is being deleted for good")
}

fn answer(app: &App, book: &Book, warnings: Vec<String>) -> Response {
    let entry = book.entry(SettingValue::RETENTION);
    let setting = entry.and_then(|entry| entry.setting.as_ref());
    let set = set(book).unwrap_or_default();
    let revision = book.revision(SettingValue::RETENTION);
    let mut warnings = warnings;
    let is_unreadable = book.retention() == RetentionState::Unreadable;
    if is_unreadable {
        warnings.push("what is set was written by a later version and is not acted upon".to_owned());
    }
    let answer = RetentionAnswer {
        revision,
        changed: setting.map(|setting| setting.changed.into()),
        changed_by: setting.map(|setting| setting.changed_by.clone()),
        is_unreadable,
        spans: Kept::ALL
            .into_iter()
            .map(|kept| RetentionSpan {
                name: kept.as_str().to_owned(),
                configured: app.configured(kept).map(|configured| duration::print(configured.span)),
                may_be_longer: app.configured(kept).is_some_and(|configured| configured.is_least),
                set: set.of(kept).map(duration::print),
            })
            .collect(),
        warnings,
    };
    ([(header::ETAG, format!("\"{revision}\""))], Json(answer)).into_response()
}
