//! The audit log, to be read and taken away. The log is one for the whole center, so that only its top admins read it.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::guard::elsewhere;
use super::people::Listed;
use super::{PAGE, Problem};
use crate::center::app::{App, now_ms};
use crate::center::people::person::Person;
use crate::center::store::{AuditQuery, Store, StoreError};
use crate::center::verify;
use crate::domain::role::Right;
use crate::protocol::audit::{Line, Seal};

/// Lines that are read at a time.
const LINES: i64 = 1_000;

fn admitted(app: &App, person: &Person) -> Result<(), Problem> {
    let top = &app.site.area;
    if person.may(Right::ReadAudit, std::slice::from_ref(top)) { Ok(()) } else { Err(elsewhere(Right::ReadAudit, top)) }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub struct Sought {
    cursor: String,
    limit: Option<i64>,
    /// Part of an account's name, or of a token's id.
    who: String,
    /// Part of the method and route, such as `PUT /schedules`.
    action: String,
    /// Part of what it was about, or of what else the line says.
    about: String,
    from_ms: Option<i64>,
    until_ms: Option<i64>,
    /// Only what was denied or failed.
    denied: bool,
}

/// The audit log, newest first
#[utoipa::path(get, path = "/api/v1/audit", params(Sought),
    responses((status = 200, body = Listed<Line>), (status = 403, body = Problem)))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(sought): Query<Sought>,
) -> Result<Json<Listed<Line>>, Problem> {
    admitted(&app, &person)?;
    let limit = sought.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let before = match sought.cursor.as_str() {
        "" => u64::MAX,
        cursor => cursor.parse().map_err(|_| Problem::bad_request("the cursor is not one of ours"))?,
    };
    let Sought { who, action, about, from_ms, until_ms, denied, .. } = sought;
    let query = AuditQuery { who, action, about, from_ms, until_ms, denied };
    let items = app.store.audit_found(&query, before, limit).await?;
    let more = items.len() as i64 == limit;
    let next_cursor = items.last().filter(|line| more && line.number > 1).map(|line| line.number.to_string());
    Ok(Json(Listed { items, next_cursor }))
}

/// The whole audit log, oldest first: JSON Lines, which `loaxa verify --against` compares with the log as it is then
#[utoipa::path(get, path = "/api/v1/audit/export", responses((status = 200, content_type = "application/jsonl"), (status = 403, body = Problem)))]
pub async fn export(State(app): State<Arc<App>>, person: Person) -> Result<Response, Problem> {
    admitted(&app, &person)?;
    let pages = futures_util::stream::try_unfold((app.store.clone(), 0), async |(store, after): (Store, u64)| {
        let lines = store.audit_after(after, LINES).await?;
        let Some(last) = lines.last() else { return Ok::<_, StoreError>(None) };
        let after = last.number;
        let mut text = String::new();
        for line in &lines {
            text.push_str(&serde_json::to_string(line).map_err(|e| StoreError::Damaged(e.to_string()))?);
            text.push('\n');
        }
        Ok(Some((Bytes::from(text), (store, after))))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"loaxa-audit.jsonl\""),
    ];
    Ok((headers, Body::from_stream(pages)).into_response())
}

/// Where the chain of the log ends, and up to where the center's key has signed it
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditHead {
    pub number: u64,
    /// SHA-256 in hex; with the number it fits on paper, and `loaxa verify --against` compares it later.
    pub hash: String,
    /// The last line that stands under a signature, and when that was given; absent where there is none yet.
    pub signed_number: Option<u64>,
    pub signed_ms: Option<i64>,
}

/// Where the audit log ends
#[utoipa::path(get, path = "/api/v1/audit/head", responses((status = 200, body = AuditHead), (status = 403, body = Problem)))]
pub async fn head(State(app): State<Arc<App>>, person: Person) -> Result<Json<AuditHead>, Problem> {
    admitted(&app, &person)?;
    let seal = app.store.newest_seal().await?.and_then(|envelope| envelope.peek::<Seal>().ok());
    let head = app.store.audit_head().await?;
    Ok(Json(AuditHead {
        number: head.number,
        hash: head.hash,
        signed_number: seal.as_ref().map(|seal| seal.number),
        signed_ms: seal.map(|seal| seal.made_ms),
    }))
}

/// What a look through the whole log has found
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditCheck {
    /// Lines that hold: each follows from the one before.
    pub lines: u64,
    /// Signed heads that fit.
    pub signed_heads: usize,
    pub faults: Vec<String>,
    pub checked_ms: i64,
    pub took_ms: i64,
}

/// Go through the whole audit log: each line by its hash, each signed head by its signature
///
/// As `loaxa verify` does, but by the server itself: one that was taken over could lie here. The command on another machine cannot.
#[utoipa::path(get, path = "/api/v1/audit/check", responses((status = 200, body = AuditCheck), (status = 403, body = Problem)))]
pub async fn check(State(app): State<Arc<App>>, person: Person) -> Result<Json<AuditCheck>, Problem> {
    admitted(&app, &person)?;
    let from_ms = now_ms();
    let found = verify::verify_log(&app.store, &app.site).await.map_err(Problem::internal)?;
    let checked_ms = now_ms();
    Ok(Json(AuditCheck {
        lines: found.lines,
        signed_heads: found.signed_heads,
        faults: found.faults,
        checked_ms,
        took_ms: (checked_ms - from_ms).max(0),
    }))
}
