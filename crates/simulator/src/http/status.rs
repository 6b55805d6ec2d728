//! Errors as the API server words them: `Status` objects.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::chaos::Rule;
use crate::json;
use crate::store::{Expired, Kind, SelectorError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    code: u16,
    reason: &'static str,
    message: String,
    /// `name`, `group` and `kind` of `details`.
    details: Option<(String, &'static str, &'static str)>,
    retry_after: Option<u32>,
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, retry_after: None }
    }

    pub fn not_found(kind: Kind, name: &str) -> Self {
        Self::of(kind, name, "not found")
    }

    fn of(kind: Kind, name: &str, what: &str) -> Self {
        let group = kind.group();
        let resource = match group {
            "" => kind.plural().to_owned(),
            group => format!("{}.{group}", kind.plural()),
        };
        Self {
            details: Some((name.to_owned(), group, kind.plural())),
            ..Self::new(404, "NotFound", format!("{resource} \"{name}\" {what}"))
        }
    }

    pub fn already_exists(kind: Kind, name: &str) -> Self {
        Self { code: 409, reason: "AlreadyExists", ..Self::of(kind, name, "already exists") }
    }

    /// The object has changed since the client saw it.
    pub fn conflict(kind: Kind, name: &str) -> Self {
        let what =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self { code: 409, reason: "Conflict", ..Self::of(kind, name, what) }
    }

    pub fn expired(expired: Expired) -> Self {
        Self::new(410, "Expired", expired.to_string())
    }

    pub fn continue_expired() -> Self {
        Self::new(
            410,
            "Expired",
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
        )
    }

    pub fn too_large_version(asked: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {asked}, current: {current}");
        Self { retry_after: Some(1), ..Self::new(504, "Timeout", message) }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub fn invalid_version(text: &str) -> Self {
        Self::bad_request(format!("Invalid value: {text:?}: resourceVersion must be a number"))
    }

    pub fn selector(error: &SelectorError) -> Self {
        Self::bad_request(error.to_string())
    }

    pub fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource: a simulated cluster is read-only, but for Leases",
        )
    }

    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(502, "", message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// What a rule of the control endpoints asks for.
    pub fn ordered(rule: &Rule) -> Self {
        let status = match rule.status {
            410 => Self::new(410, "Expired", "too old resource version: 1 (2)"),
            429 => Self::new(
                429,
                "TooManyRequests",
                "the server has received too many requests and has asked us to try again later",
            ),
            503 => {
                Self::new(503, "ServiceUnavailable", "the server is currently unable to handle the request")
            }
            504 => Self::new(
                504,
                "Timeout",
                "the server was unable to return a response in the time allotted, but may still be processing the request",
            ),
            _ => Self::internal("Internal error occurred: etcdserver: leader changed"),
        };
        let default = matches!(rule.status, 429).then_some(1);
        Self { retry_after: rule.retry_after.or(default), ..status }
    }

    pub fn json(&self) -> String {
        json::object(|status| {
            status.text("kind", "Status");
            status.text("apiVersion", "v1");
            status.raw("metadata", "{}");
            status.text("status", "Failure");
            status.text("message", &self.message);
            status.text_if("reason", self.reason);
            if let Some((name, group, kind)) = &self.details {
                status.object("details", |details| {
                    details.text_if("name", name);
                    details.text_if("group", group);
                    details.text("kind", kind);
                });
            } else if let Some(seconds) = self.retry_after {
                status.object("details", |details| details.number("retryAfterSeconds", i64::from(seconds)));
            }
            status.number("code", i64::from(self.code));
        })
    }
}

impl IntoResponse for Status {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (code, super::json(self.json())).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_errors_as_the_api_server_does() {
        assert_eq!(
            Status::not_found(Kind::Deployment, "cart").json(),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"deployments.apps \"cart\" not found","reason":"NotFound","details":{"name":"cart","group":"apps","kind":"deployments"},"code":404}"#
        );
        assert_eq!(
            Status::expired(Expired { asked: 1, oldest: 9 }).json(),
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (9)","reason":"Expired","code":410}"#
        );
    }

    #[test]
    fn asks_to_come_back_later() {
        let rule = Rule { status: 429, path_prefix: String::new(), count: 1, retry_after: Some(3) };
        let response = Status::ordered(&rule).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "3");
    }
}
