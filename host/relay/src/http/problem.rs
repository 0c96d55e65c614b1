//! Errors as problem documents (RFC 9457).

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::store::StoreError;

/// A problem. `detail` is for the person who sent the request; causes inside the relay go to the log instead.
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(skip)]
    code: StatusCode,
    /// RFC 9457 3.1.1: these have no documents of their own.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: Cow<'static, str>,
    /// What SMTP would have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
}

impl Problem {
    pub fn new(code: StatusCode, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem {
            code,
            kind: "about:blank",
            title: code.canonical_reason().unwrap_or("Error"),
            status: code.as_u16(),
            detail: detail.into(),
            reply: None,
        }
    }

    pub fn status(&self) -> StatusCode {
        self.code
    }

    /// Of one thing among several.
    pub fn of(mut self, what: &str) -> Problem {
        self.detail = format!("{what}: {}", self.detail).into();
        self
    }

    /// With what SMTP would have answered.
    pub fn with_reply(mut self, reply: String) -> Problem {
        self.reply = Some(reply);
        self
    }

    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    pub fn not_found(what: &'static str) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, what)
    }

    /// Something of ours; the cause is logged, not told.
    pub fn internal(place: &'static str, cause: &dyn std::fmt::Display) -> Problem {
        tracing::error!(place, error = %cause, "http request failed");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.code;
        let mut response = (code, Json(self)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        match code {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
            }
            _ => {}
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match error {
            StoreError::Full(_) => {
                Problem::new(StatusCode::INSUFFICIENT_STORAGE, "The spool is full.")
            }
            StoreError::Refused(refusal) => Problem::new(StatusCode::CONFLICT, refusal.to_string()),
            StoreError::Closed => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The relay is stopping.")
            }
            StoreError::Broken(cause) => Problem::internal("spool", &cause),
        }
    }
}

pub async fn no_such_path() -> Problem {
    Problem::not_found("There is nothing at this path.")
}

pub async fn no_such_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "")
}
