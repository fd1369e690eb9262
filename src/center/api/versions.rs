//! One programme, schedule or calendar, with the versions that led to it, under the tag by which an edit says what it has seen.
//!
//! The tag is of what is written alone: that an edit lock ends is no change that another editor has made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::etag::tag;
use super::reach::{Places, names_calendar, names_programme, needs_calendar, ruling};
use super::schedules::{CalendarView, ProgrammeView, ScheduleView};
use crate::center::app::{App, now_ms};
use crate::center::people::person::Person;
use crate::center::store::{StoreError, VersionRow};
use crate::domain::calendar::CalendarText;
use crate::domain::ids::{CalendarId, ProgrammeId, ScheduleId};
use crate::domain::programme::ProgrammeText;
use crate::domain::schedule::ScheduleText;

/// Versions that are told, newest first.
const MOST: usize = 50;

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ScheduleDetail {
    pub id: String,
    /// As it was last written.
    pub rule: ScheduleText,
    /// From when on that rules; until then the version before it does.
    pub effective_ms: i64,
    /// Whether who asks may change it, wherever it plays.
    pub editable: bool,
    /// Newest first, at most 50.
    pub versions: Vec<ScheduleVersion>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ScheduleVersion {
    pub made_ms: i64,
    pub effective_ms: i64,
    /// Null where it was removed.
    pub rule: Option<ScheduleText>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProgrammeDetail {
    pub id: String,
    /// As it was last written.
    pub programme: ProgrammeText,
    pub effective_ms: i64,
    pub editable: bool,
    /// The schedules that play it now or will, with the length of their slot.
    pub played_by: Vec<PlayedBy>,
    /// Newest first, at most 50.
    pub versions: Vec<ProgrammeVersion>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PlayedBy {
    pub schedule: String,
    pub title: String,
    pub duration_s: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProgrammeVersion {
    pub made_ms: i64,
    pub effective_ms: i64,
    /// Null where it was removed.
    pub programme: Option<ProgrammeText>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CalendarDetail {
    pub id: String,
    pub calendar: CalendarText,
    pub editable: bool,
    /// The schedules whose days it decides.
    pub named_by: Vec<PlayedBy>,
    /// Whether it can be removed: nothing that plays needs it.
    pub removable: bool,
}

/// A schedule with its history
#[utoipa::path(get, path = "/api/v1/schedules/{id}",
    responses((status = 200, body = ScheduleDetail, headers(("ETag"))), (status = 404, body = Problem)))]
pub async fn schedule(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let absent = || Problem::from(StoreError::NotFound(format!("schedule {id}")));
    let known = app.store.schedule_histories().await?.remove(&read::<ScheduleId>(&id)?).unwrap_or_default();
    let (places, now_ms) = (Places::load(&app).await?, now_ms());
    let (rule, effective_ms) = newest(&known).ok_or_else(absent)?;
    if !places.shows(&person, &rule) {
        return Err(absent());
    }
    let editable = ruling(&known, now_ms).all(|text| places.demand(&person, text).is_ok());
    let seen = tag(&ScheduleView { id: id.clone(), rule: rule.clone() })?;
    // An older one may have been for somewhere else.
    let shown = |row: &VersionRow<ScheduleText>| row.value.as_ref().is_none_or(|text| places.shows(&person, text));
    let versions = known.into_iter().rev().filter(shown).take(MOST).map(|row| ScheduleVersion {
        made_ms: row.made_ms,
        effective_ms: row.effective_ms,
        rule: row.value,
    });
    under(&seen, ScheduleDetail { id, rule, effective_ms, editable, versions: versions.collect() })
}

/// A programme with its history
#[utoipa::path(get, path = "/api/v1/programmes/{id}",
    responses((status = 200, body = ProgrammeDetail, headers(("ETag"))), (status = 404, body = Problem)))]
pub async fn programme(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let absent = || Problem::from(StoreError::NotFound(format!("programme {id}")));
    let known = app.store.programme_histories().await?.remove(&read::<ProgrammeId>(&id)?).unwrap_or_default();
    let (programme, effective_ms) = newest(&known).ok_or_else(absent)?;
    let (places, schedules, now_ms) = (Places::load(&app).await?, app.store.schedule_histories().await?, now_ms());
    let editable = places.demand_all(&person, &schedules, now_ms, |text| names_programme(text, &id)).is_ok();
    let seen = tag(&programme_view(&id, programme.clone()))?;
    let plays = schedules.iter().flat_map(|(schedule, versions)| {
        ruling(versions, now_ms).filter(|text| names_programme(text, &id)).map(move |text| (schedule, text))
    });
    let versions = known.into_iter().rev().take(MOST).map(|row| ProgrammeVersion {
        made_ms: row.made_ms,
        effective_ms: row.effective_ms,
        programme: row.value,
    });
    let detail = ProgrammeDetail {
        played_by: told_once(plays.filter(|(_, text)| places.shows(&person, text))),
        id,
        programme,
        effective_ms,
        editable,
        versions: versions.collect(),
    };
    under(&seen, detail)
}

/// One of the office's own calendars
#[utoipa::path(get, path = "/api/v1/calendars/{id}",
    responses((status = 200, body = CalendarDetail, headers(("ETag"))), (status = 404, body = Problem)))]
pub async fn calendar(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let view = newest_calendar(&app, &id).await?;
    let view = view.ok_or_else(|| Problem::from(StoreError::NotFound(format!("calendar {id}"))))?;
    let (places, schedules, now_ms) = (Places::load(&app).await?, app.store.schedule_histories().await?, now_ms());
    let editable = places.demand_all(&person, &schedules, now_ms, |text| names_calendar(text, &id)).is_ok();
    let ruling: Vec<_> = schedules
        .iter()
        .flat_map(|(schedule, versions)| ruling(versions, now_ms).map(move |text| (schedule, text)))
        .collect();
    let removable = editable && !ruling.iter().any(|(_, text)| needs_calendar(text, &id));
    let names = ruling.into_iter().filter(|(_, text)| names_calendar(text, &id) && places.shows(&person, text));
    let seen = tag(&view)?;
    let CalendarView { id, calendar } = view;
    under(&seen, CalendarDetail { id, calendar, editable, named_by: told_once(names), removable })
}

fn told_once<'a>(texts: impl Iterator<Item = (&'a ScheduleId, &'a ScheduleText)>) -> Vec<PlayedBy> {
    let mut told = BTreeSet::new();
    let once = texts.filter(|(schedule, _)| told.insert((*schedule).clone()));
    let one = |(schedule, text): (&ScheduleId, &ScheduleText)| PlayedBy {
        schedule: schedule.to_string(),
        title: if text.title.trim().is_empty() { schedule.to_string() } else { text.title.clone() },
        duration_s: text.duration_s,
    };
    once.map(one).collect()
}

/// What an edit of a schedule is compared with.
pub async fn newest_schedule(app: &App, id: &str) -> Result<Option<ScheduleView>, Problem> {
    let rule = named::<ScheduleId, _>(app.store.schedules().await?, id);
    Ok(rule.map(|rule| ScheduleView { id: id.to_owned(), rule }))
}

/// What an edit of a programme is compared with.
pub async fn newest_programme(app: &App, id: &str) -> Result<Option<ProgrammeView>, Problem> {
    let text = named::<ProgrammeId, _>(app.store.programmes().await?, id);
    Ok(text.map(|text| programme_view(id, text)))
}

/// What an edit of a calendar is compared with.
pub async fn newest_calendar(app: &App, id: &str) -> Result<Option<CalendarView>, Problem> {
    let calendar = named::<CalendarId, _>(app.store.calendars().await?, id);
    Ok(calendar.map(|calendar| CalendarView { id: id.to_owned(), calendar }))
}

fn programme_view(id: &str, text: ProgrammeText) -> ProgrammeView {
    ProgrammeView { id: id.to_owned(), title: text.title, items: text.items }
}

fn newest<T: Clone>(versions: &[VersionRow<T>]) -> Option<(T, i64)> {
    let last = versions.last()?;
    Some((last.value.clone()?, last.effective_ms))
}

fn read<T>(id: &str) -> Result<T, Problem>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    id.parse().map_err(|e: T::Err| Problem::bad_request(e.to_string()))
}

/// What has a name that nothing can have is not there.
fn named<K, V>(mut all: BTreeMap<K, V>, id: &str) -> Option<V>
where
    K: Ord + std::str::FromStr,
{
    all.remove(&id.parse().ok()?)
}

fn under(tag: &str, value: impl Serialize) -> Result<Response, Problem> {
    let tag = HeaderValue::from_str(tag).map_err(Problem::internal)?;
    Ok(([(header::ETAG, tag)], Json(value)).into_response())
}
