//! What a bulletin is about, for reports.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Problem;
use super::reach::bulletin_for;
use crate::center::app::App;
use crate::center::people::person::{Person, Visit};
use crate::domain::field::Field;
use crate::domain::role::Right;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldBody {
    pub field: Field,
}

/// Say what a bulletin is about (lĩnh vực); reports of days past are counted again
#[utoipa::path(put, path = "/api/v1/bulletins/{id}/field", request_body = FieldBody,
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn put(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Path(id): Path<String>,
    Json(body): Json<FieldBody>,
) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let row = bulletin_for(&app, &person, &[Right::EditContent], &id).await?;
    visit.note(format!("{id}: {}", body.field));
    app.store.set_field(&row.id, body.field).await?;
    crate::center::reports::count_again(&app, row.created_ms).await?;
    Ok(StatusCode::NO_CONTENT)
}
