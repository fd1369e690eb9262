//! What goes wrong, as RFC 9457 problems; the one place where errors meet HTTP status codes.

use std::io;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::center::authority::NotTaken;
use crate::center::people::PeopleError;
use crate::center::planner::PlanError;
use crate::center::schedule_file::example_for;
use crate::center::store::StoreError;

/// A problem as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// In the user's own words, with the way out.
    pub detail: String,
    /// When to try again; a header of the answer.
    #[serde(skip)]
    pub retry_after_s: Option<i64>,
}

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail: detail.into(),
            retry_after_s: None,
        }
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// Ours, not the user's: logged here, told in general words.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        error!("{error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the center could not do this; its log says why")
    }

    /// A file that cannot be written. A full disk is told, since somebody has to make room on it.
    pub fn unwritten(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::disk_full(error),
            _ => Self::internal(error),
        }
    }

    fn disk_full(error: impl std::fmt::Display) -> Self {
        error!("{error}");
        let detail = "the center's disk is full, so nothing was taken in; have room made on it, then send it again";
        Self::new(StatusCode::INSUFFICIENT_STORAGE, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after_s = self.retry_after_s;
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(self)).into_response();
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::not_found(error.to_string()),
            StoreError::Exists(_) | StoreError::Conflict(_) => Self::conflict(error.to_string()),
            full if full.is_disk_full() => Self::disk_full(full),
            StoreError::Database(_) | StoreError::Migration(_) | StoreError::Damaged(_) => Self::internal(error),
        }
    }
}

impl From<NotTaken> for Problem {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::Wrong(why) => Self::bad_request(why),
            NotTaken::Old(why) => Self::conflict(why),
            NotTaken::Store(error) => error.into(),
        }
    }
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        let detail = error.to_string();
        match error {
            PeopleError::Wrong | PeopleError::WrongToken => Self::new(StatusCode::UNAUTHORIZED, detail),
            PeopleError::CodeNeeded => {
                Self { kind: "loaxa:totp-required".into(), ..Self::new(StatusCode::UNAUTHORIZED, detail) }
            }
            PeopleError::Wait(ms) => {
                let retry_after_s = Some(ms.saturating_add(999) / 1000);
                Self { retry_after_s, ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
            }
            PeopleError::Busy => Self { retry_after_s: Some(2), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) },
            PeopleError::Refused(_) => Self::bad_request(detail),
            PeopleError::Internal(_) => Self::internal(detail),
            PeopleError::Store(error) => error.into(),
        }
    }
}

impl From<PlanError> for Problem {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Store(error) => error.into(),
            error => Self::internal(error),
        }
    }
}

/// The framework's own refusals (a body that is not JSON, a query that lacks a field) come as plain text; as problems they
/// speak like everything else here.
pub async fn as_problem(response: Response) -> Response {
    let plain =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let status = response.status();
    if !plain || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let detail = axum::body::to_bytes(response.into_body(), 64 * 1024).await.unwrap_or_default();
    let detail = String::from_utf8_lossy(&detail).trim().to_owned();
    let example = detail.split_once("target type: ").and_then(|(_, what)| field_of(what)).and_then(example_for);
    let detail = example.map_or(detail.clone(), |example| format!("{detail}; write as in TOML {example}"));
    Problem::new(status, detail).into_response()
}

/// The field that a refusal of the JSON reader is about: the end of its path, or the one that it does not know.
fn field_of(what: &str) -> Option<&str> {
    let unknown = what.split_once("unknown field `").and_then(|(_, rest)| rest.split_once('`')).map(|(field, _)| field);
    let path = what.split_once(": ").map(|(path, _)| path.rsplit('.').next().unwrap_or(path));
    unknown.or(path.map(|field| field.split('[').next().unwrap_or(field)))
}
