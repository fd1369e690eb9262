//! The audit log, to be read and taken away. The log is one for the whole center, so that only its top admins read it.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Problem;
use super::guard::elsewhere;
use super::people::{Listed, Page};
use crate::center::app::App;
use crate::center::people::person::Person;
use crate::center::store::{Store, StoreError};
use crate::domain::role::Right;
use crate::protocol::audit::Line;

/// Lines that are read at a time.
const LINES: i64 = 1_000;

fn admitted(app: &App, person: &Person) -> Result<(), Problem> {
    let top = &app.site.area;
    if person.may(Right::ReadAudit, std::slice::from_ref(top)) { Ok(()) } else { Err(elsewhere(Right::ReadAudit, top)) }
}

/// The audit log, newest first
#[utoipa::path(get, path = "/api/v1/audit", params(("cursor" = Option<String>, Query), ("limit" = Option<i64>, Query)),
    responses((status = 200, body = Listed<Line>), (status = 403, body = Problem)))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(page): Query<Page>,
) -> Result<Json<Listed<Line>>, Problem> {
    admitted(&app, &person)?;
    let before = match page.cursor() {
        "" => u64::MAX,
        cursor => cursor.parse().map_err(|_| Problem::bad_request("the cursor is not one of ours"))?,
    };
    let items = app.store.audit_before(before, page.limit()).await?;
    let more = items.len() as i64 == page.limit();
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
