//! Programmes, schedules and calendars: edits, and what an edit would do.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use crate::center::app::{App, Change, now_ms};
use crate::center::planner::check::{self, Edit, Finding};
use crate::center::store::VersionRow;
use crate::domain::calendar::{CalendarText, Calendars};
use crate::domain::ids::{CalendarId, ProgrammeId, ScheduleId};
use crate::domain::priority::Priority;
use crate::domain::programme::{ItemText, ProgrammeText};
use crate::domain::schedule::{Schedule, ScheduleText, Target};

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProgrammeView {
    pub id: String,
    pub title: String,
    pub items: Vec<ItemText>,
}

/// What an edit does, and from when on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Saved {
    /// It rules from then on: what starts before stays as it was.
    pub effective_ms: i64,
    /// False where it was just the same before, or only looked at.
    pub changed: bool,
    pub findings: Vec<Finding>,
}

/// How an edit is meant.
#[derive(Debug, Default, Deserialize)]
pub struct How {
    /// Passes the edit lock, on purpose.
    #[serde(default)]
    at_once: bool,
    /// Tells what it would do, and changes nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Programmes
#[utoipa::path(get, path = "/api/v1/programmes", responses((status = 200, body = [ProgrammeView])))]
pub async fn programmes(State(app): State<Arc<App>>) -> Result<Json<Vec<ProgrammeView>>, Problem> {
    let programmes = app.store.programmes().await?;
    let view = |(id, text): (ProgrammeId, ProgrammeText)| ProgrammeView {
        id: id.to_string(),
        title: text.title,
        items: text.items,
    };
    Ok(Json(programmes.into_iter().map(view).collect()))
}

/// Add or change a programme
#[utoipa::path(put, path = "/api/v1/programmes/{id}", request_body = ProgrammeText,
    params(("at_once" = Option<bool>, Query), ("dry_run" = Option<bool>, Query)),
    responses((status = 200, body = Saved), (status = 400, body = Problem)))]
pub async fn put_programme(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(how): Query<How>,
    Json(text): Json<ProgrammeText>,
) -> Result<Json<Saved>, Problem> {
    let programme = text.check(&id).map_err(Problem::bad_request)?;
    for item in programme.bulletins() {
        app.store.bulletin(item).await.map_err(|_| {
            Problem::bad_request(format!(
                "programme {id}: bulletin {item} is not here; add it first: loaxa bulletin add FILE --id {item} ..."
            ))
        })?;
    }
    let (id, text, now_ms) = (programme.id.clone(), programme.text(), now_ms());
    let known = app.store.programme_histories().await?.remove(&id).unwrap_or_default();
    let version = version(&app, &known, text, how.at_once, now_ms);
    let changed = known.last().is_none_or(|last| last.value != version.value);
    let effective_ms = known.last().filter(|_| !changed).unwrap_or(&version).effective_ms;
    let edit = Edit::Programme { id: &id, version: changed.then(|| version.clone()) };
    let findings = check::consider(&app, edit, now_ms).await?;
    if changed && !how.dry_run {
        app.store.put_programme(&id, &version).await?;
        edited(&app);
    }
    Ok(Json(Saved { effective_ms, changed: changed && !how.dry_run, findings }))
}

/// Remove a programme that no schedule plays
#[utoipa::path(delete, path = "/api/v1/programmes/{id}", responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn delete_programme(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id: ProgrammeId = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let known = app.store.programme_histories().await?.remove(&id).unwrap_or_default();
    if known.last().is_none_or(|last| last.value.is_none()) {
        return Err(Problem::not_found(format!("programme {id} is not in the store")));
    }
    let calendars = calendars_of(&app).await?;
    for (schedule, text) in app.store.schedules().await? {
        let plays = Schedule::new(schedule.clone(), &text, &calendars).is_ok_and(|s| s.programmes().any(|p| *p == id));
        if plays {
            return Err(Problem::conflict(format!("schedule {schedule} still plays it")));
        }
    }
    let now_ms = now_ms();
    // No schedule plays it any more, but those that did a moment ago may, until the edit lock is over.
    let effective_ms = now_ms + app.config.plan.edit_lock_ms();
    app.store.put_programme(&id, &VersionRow { made_ms: now_ms, effective_ms, value: None, ends_now: false }).await?;
    edited(&app);
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

/// Add or change a schedule; with dry_run only tell what it would do
#[utoipa::path(put, path = "/api/v1/schedules/{id}", request_body = ScheduleText,
    params(("at_once" = Option<bool>, Query), ("dry_run" = Option<bool>, Query)),
    responses((status = 200, body = Saved), (status = 400, body = Problem)))]
pub async fn put_schedule(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(how): Query<How>,
    Json(text): Json<ScheduleText>,
) -> Result<Json<Saved>, Problem> {
    let id: ScheduleId = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let calendars = calendars_of(&app).await?;
    let schedule = Schedule::new(id.clone(), &text, &calendars).map_err(|e| Problem::bad_request(e.to_string()))?;
    check_references(&app, &schedule).await?;
    let now_ms = now_ms();
    let known = app.store.schedule_histories().await?.remove(&id).unwrap_or_default();
    let at_once = how.at_once || schedule.priority == Priority::Emergency;
    let version = version(&app, &known, text, at_once, now_ms);
    let changed = known.last().is_none_or(|last| last.value != version.value);
    let effective_ms = known.last().filter(|_| !changed).unwrap_or(&version).effective_ms;
    let edit = Edit::Schedule { id: &id, version: changed.then(|| Box::new(version.clone())) };
    let findings = check::consider(&app, edit, now_ms).await?;
    if changed && !how.dry_run {
        app.store.put_schedule(&id, &version).await?;
        edited(&app);
    }
    Ok(Json(Saved { effective_ms, changed: changed && !how.dry_run, findings }))
}

/// Whether everything that a schedule names is there.
async fn check_references(app: &App, schedule: &Schedule) -> Result<(), Problem> {
    if schedule.targets.is_empty() {
        return Err(Problem::bad_request("targets is empty: name area codes or \"speaker:ID\""));
    }
    let areas = app.store.areas().await?;
    for target in &schedule.targets {
        match target {
            Target::Area(code) => {
                areas.path(code).map_err(|e| Problem::bad_request(format!("targets: {e}")))?;
            }
            Target::Speaker(speaker) => {
                app.store.speaker(speaker).await.map_err(|e| Problem::bad_request(format!("targets: {e}")))?;
            }
        }
    }
    if let Some(owner) = &schedule.owner {
        areas.path(owner).map_err(|e| Problem::bad_request(format!("area: {e}")))?;
    }
    if schedule.programme.is_none() {
        return Err(Problem::bad_request("programme is missing: name what is to be played"));
    }
    let known = app.store.programmes().await?;
    match schedule.programmes().find(|id| !known.contains_key(*id)) {
        Some(missing) => Err(Problem::bad_request(format!("programme {missing} is not here; add it first"))),
        None => Ok(()),
    }
}

/// The next version of something. What is new may begin at once; a change waits until what is about to play is over.
fn version<T: Clone + PartialEq>(
    app: &App,
    known: &[VersionRow<T>],
    value: T,
    at_once: bool,
    now_ms: i64,
) -> VersionRow<T> {
    let is_new = known.last().is_none_or(|last| last.value.is_none() && last.effective_ms <= now_ms);
    let lock_ms = if at_once || is_new { 0 } else { app.config.plan.edit_lock_ms() };
    VersionRow { made_ms: now_ms, effective_ms: now_ms + lock_ms, value: Some(value), ends_now: false }
}

/// Remove a schedule; with at_once what is on the air ends too
#[utoipa::path(delete, path = "/api/v1/schedules/{id}", params(("at_once" = Option<bool>, Query)),
    responses((status = 200, body = Saved), (status = 404, body = Problem)))]
pub async fn delete_schedule(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(how): Query<How>,
) -> Result<Json<Saved>, Problem> {
    let id: ScheduleId = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let known = app.store.schedule_histories().await?.remove(&id).unwrap_or_default();
    if known.last().is_none_or(|last| last.value.is_none()) {
        return Err(Problem::not_found(format!("schedule {id} is not in the store")));
    }
    let now_ms = now_ms();
    let lock_ms = if how.at_once { 0 } else { app.config.plan.edit_lock_ms() };
    let effective_ms = now_ms + lock_ms;
    let version = VersionRow { made_ms: now_ms, effective_ms, value: None, ends_now: how.at_once };
    if !how.dry_run {
        app.store.put_schedule(&id, &version).await?;
        edited(&app);
    }
    Ok(Json(Saved { effective_ms, changed: !how.dry_run, findings: vec![] }))
}

fn edited(app: &App) {
    app.plan_bell.notify_one();
    app.changed(Change::Plays);
}

async fn calendars_of(app: &App) -> Result<Calendars, Problem> {
    Calendars::new(&app.store.calendars().await?).map_err(Problem::internal)
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CalendarView {
    pub id: String,
    #[serde(flatten)]
    pub calendar: CalendarText,
}

/// The office's own calendars
#[utoipa::path(get, path = "/api/v1/calendars", responses((status = 200, body = [CalendarView])))]
pub async fn calendars(State(app): State<Arc<App>>) -> Result<Json<Vec<CalendarView>>, Problem> {
    let calendars = app.store.calendars().await?;
    Ok(Json(calendars.into_iter().map(|(id, calendar)| CalendarView { id: id.to_string(), calendar }).collect()))
}

/// Add or change a calendar
#[utoipa::path(put, path = "/api/v1/calendars/{id}", request_body = CalendarText,
    responses((status = 204), (status = 400, body = Problem)))]
pub async fn put_calendar(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Json(text): Json<CalendarText>,
) -> Result<StatusCode, Problem> {
    let id: CalendarId = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    Calendars::new(&BTreeMap::from([(id.clone(), text.clone())])).map_err(Problem::bad_request)?;
    app.store.put_calendar(&id, &text, now_ms()).await?;
    edited(&app);
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a calendar that no schedule names
#[utoipa::path(delete, path = "/api/v1/calendars/{id}", responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn delete_calendar(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id: CalendarId = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let name = format!("calendar:{id}");
    for (schedule, text) in app.store.schedules().await? {
        let instead = text.instead_on.iter().flat_map(|instead| &instead.on);
        if text.only_on.iter().chain(&text.not_on).chain(instead).any(|days| *days == name) {
            return Err(Problem::conflict(format!("schedule {schedule} still names it")));
        }
    }
    app.store.delete_calendar(&id).await?;
    edited(&app);
    Ok(StatusCode::NO_CONTENT)
}
