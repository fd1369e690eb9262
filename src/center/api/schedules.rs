//! Programmes and schedules.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use crate::center::app::{App, Change, now_ms};
use crate::center::schedule_file::ProgrammeText;
use crate::domain::calendar::Calendars;
use crate::domain::ids::{BulletinId, ScheduleId};
use crate::domain::schedule::{Schedule, ScheduleText, Target};

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProgrammeView {
    pub id: String,
    pub title: String,
    pub items: Vec<String>,
}

/// Programmes
#[utoipa::path(get, path = "/api/v1/programmes", responses((status = 200, body = [ProgrammeView])))]
pub async fn programmes(State(app): State<Arc<App>>) -> Result<Json<Vec<ProgrammeView>>, Problem> {
    let programmes = app.store.programmes().await?;
    let view = |programme: crate::domain::programme::Programme| ProgrammeView {
        id: programme.id.to_string(),
        title: programme.title,
        items: programme.items.iter().map(BulletinId::to_string).collect(),
    };
    Ok(Json(programmes.into_iter().map(view).collect()))
}

/// Add or change a programme
#[utoipa::path(put, path = "/api/v1/programmes/{id}", request_body = ProgrammeText,
    responses((status = 204), (status = 400, body = Problem)))]
pub async fn put_programme(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Json(text): Json<ProgrammeText>,
) -> Result<StatusCode, Problem> {
    let programme = text.check(&id).map_err(Problem::bad_request)?;
    for item in &programme.items {
        app.store.bulletin(item).await.map_err(|_| {
            Problem::bad_request(format!(
                "programme {id}: bulletin {item} is not here; add it first: loaxa bulletin add FILE --id {item} ..."
            ))
        })?;
    }
    app.store.put_programme(&programme, now_ms()).await?;
    app.plan_bell.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ScheduleView {
    pub id: String,
    #[serde(flatten)]
    pub rule: ScheduleText,
}

/// Schedules
#[utoipa::path(get, path = "/api/v1/schedules", responses((status = 200, body = [ScheduleView])))]
pub async fn schedules(State(app): State<Arc<App>>) -> Result<Json<Vec<ScheduleView>>, Problem> {
    let schedules = app.store.schedules().await?;
    Ok(Json(schedules.into_iter().map(|(id, rule)| ScheduleView { id: id.to_string(), rule }).collect()))
}

/// Add or change a schedule
#[utoipa::path(put, path = "/api/v1/schedules/{id}", request_body = ScheduleText,
    responses((status = 204), (status = 400, body = Problem)))]
pub async fn put_schedule(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Json(text): Json<ScheduleText>,
) -> Result<StatusCode, Problem> {
    let id: ScheduleId = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let schedule =
        Schedule::new(id.clone(), &text, &Calendars::default()).map_err(|e| Problem::bad_request(e.to_string()))?;
    if schedule.targets.is_empty() {
        return Err(Problem::bad_request("targets is empty: name area codes or \"speaker:ID\""));
    }
    for target in &schedule.targets {
        match target {
            Target::Area(code) => {
                app.store.areas().await?.path(code).map_err(|e| Problem::bad_request(format!("targets: {e}")))?;
            }
            Target::Speaker(speaker) => {
                app.store.speaker(speaker).await.map_err(|e| Problem::bad_request(format!("targets: {e}")))?;
            }
        }
    }
    let Some(programme) = &schedule.programme else {
        return Err(Problem::bad_request("programme is missing: name what is to be played"));
    };
    if !app.store.programmes().await?.iter().any(|known| known.id == *programme) {
        return Err(Problem::bad_request(format!("programme {programme} is not here; add it first")));
    }
    app.store.put_schedule(&id, &text, now_ms()).await?;
    app.plan_bell.notify_one();
    app.changed(Change::Plays);
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a schedule
#[utoipa::path(delete, path = "/api/v1/schedules/{id}", responses((status = 204), (status = 404, body = Problem)))]
pub async fn delete_schedule(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id: ScheduleId = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    app.store.delete_schedule(&id).await?;
    app.plan_bell.notify_one();
    app.changed(Change::Plays);
    Ok(StatusCode::NO_CONTENT)
}
