//! Who is ready for what is to come.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Problem;
use crate::center::app::{App, now_ms};
use crate::center::people::person::Person;
use crate::center::readiness::{Outlook, outlook};
use crate::domain::ids::AreaCode;
use crate::domain::role::Right;

/// As far as plans reach.
const MOST_HOURS: i64 = 14 * 24;
const HOUR_MS: i64 = 3_600_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReadinessQuery {
    /// How far to look ahead: 24 where absent, at most a fortnight.
    hours: Option<i64>,
    /// Only the speakers of this area and those below it.
    area: Option<String>,
}

/// The plays to come in order of start, each with how many of its speakers could sound it and what the others lack
#[utoipa::path(get, path = "/api/v1/readiness", params(ReadinessQuery),
    responses((status = 200, body = Outlook), (status = 400, body = Problem)))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(query): Query<ReadinessQuery>,
) -> Result<Json<Outlook>, Problem> {
    let areas = app.store.areas().await?;
    let area: Option<AreaCode> = match query.area.as_deref().filter(|area| !area.is_empty()) {
        Some(text) => {
            let area = text.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
            person.demand(Right::See, &areas, &area)?;
            Some(area)
        }
        None => None,
    };
    person.filters();
    // Asked once for each area, not for each speaker.
    let shown = areas.iter().map(|one| &one.code).filter(|code| {
        let below = |area: &AreaCode| areas.path(code).is_ok_and(|path| path.contains(area));
        person.sees(&areas, code) && area.as_ref().is_none_or(below)
    });
    let shown = shown.cloned().collect();
    let ahead_ms = query.hours.unwrap_or(24).clamp(1, MOST_HOURS) * HOUR_MS;
    Ok(Json(outlook(&app, Some(&shown), now_ms(), ahead_ms).await?))
}
