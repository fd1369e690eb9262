//! Programmes, schedules and calendars: edits, and what an edit would do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::etag::IfMatch;
use super::reach::{Places, names_calendar, names_programme, needs_calendar, ruling};
use super::versions;
use crate::center::app::{App, Change, now_ms};
use crate::center::people::person::{Person, Visit};
use crate::center::planner::check::{self, Edits, Finding};
use crate::center::store::{Changes, VersionRow};
use crate::domain::DAY_MS;
use crate::domain::calendar::{CalendarText, Calendars};
use crate::domain::ids::{CalendarId, ProgrammeId, ScheduleId};
use crate::domain::priority::Priority;
use crate::domain::programme::{ItemText, ProgrammeText};
use crate::domain::schedule::rule::Pattern;
use crate::domain::schedule::{Schedule, ScheduleError, ScheduleText, Target};

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
    /// What was there before, so that it can be put back.
    #[serde(default)]
    pub before: Before,
}

/// What puts things back as they were before an edit.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Before {
    /// What was changed or removed, as it was.
    pub texts: Playlist,
    /// What was not there.
    pub added: Names,
}

#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Names {
    pub calendar: Vec<String>,
    pub programme: Vec<String>,
    pub schedule: Vec<String>,
}

/// Under its name what was there, or the name alone.
fn note<T>(texts: &mut BTreeMap<String, T>, added: &mut Vec<String>, name: &str, was: Option<T>) {
    match was {
        Some(text) => _ = texts.insert(name.to_owned(), text),
        None => added.push(name.to_owned()),
    }
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
    responses((status = 200, body = Saved), (status = 400, body = Problem), (status = 412, body = Problem)))]
pub async fn put_programme(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    seen: IfMatch,
    Path(id): Path<String>,
    Query(how): Query<How>,
    Json(text): Json<ProgrammeText>,
) -> Result<Json<Saved>, Problem> {
    seen.check(versions::newest_programme(&app, &id).await?.as_ref())?;
    let one = Playlist { programme: BTreeMap::from([(id, text)]), ..Playlist::default() };
    Ok(Json(save(&app, &person, &visit, &one, &how).await?))
}

/// Remove a programme that no schedule plays
#[utoipa::path(delete, path = "/api/v1/programmes/{id}", responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn delete_programme(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: ProgrammeId = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let known = app.store.programme_histories().await?.remove(&id).unwrap_or_default();
    if known.last().is_none_or(|last| last.value.is_none()) {
        return Err(Problem::not_found(format!("programme {id} is not in the store")));
    }
    let schedules = app.store.schedule_histories().await?;
    let named = |text: &ScheduleText| names_programme(text, id.as_str());
    Places::load(&app).await?.demand_all(&person, &schedules, now_ms(), named)?;
    let calendars = calendars_of(&app).await?;
    for (schedule, text) in app.store.schedules().await? {
        let Ok(read) = Schedule::new(schedule.clone(), &text, &calendars) else { continue };
        // What has played for the last time does not count.
        let to_come = || !read.rule.starts(now_ms() - DAY_MS, now_ms() + 400 * DAY_MS, 1).is_empty();
        if read.programmes().any(|programme| *programme == id) && to_come() {
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

/// Schedules that play in areas which one may see
#[utoipa::path(get, path = "/api/v1/schedules", responses((status = 200, body = [ScheduleView])))]
pub async fn schedules(State(app): State<Arc<App>>, person: Person) -> Result<Json<Vec<ScheduleView>>, Problem> {
    person.filters();
    let places = Places::load(&app).await?;
    let schedules = app.store.schedules().await?.into_iter().filter(|(_, text)| places.shows(&person, text));
    Ok(Json(schedules.map(|(id, rule)| ScheduleView { id: id.to_string(), rule }).collect()))
}

/// Add or change a schedule; with dry_run only tell what it would do
#[utoipa::path(put, path = "/api/v1/schedules/{id}", request_body = ScheduleText,
    params(("at_once" = Option<bool>, Query), ("dry_run" = Option<bool>, Query)),
    responses((status = 200, body = Saved), (status = 400, body = Problem), (status = 412, body = Problem)))]
pub async fn put_schedule(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    seen: IfMatch,
    Path(id): Path<String>,
    Query(how): Query<How>,
    Json(text): Json<ScheduleText>,
) -> Result<Json<Saved>, Problem> {
    seen.check(versions::newest_schedule(&app, &id).await?.as_ref())?;
    let one = Playlist { schedule: BTreeMap::from([(id, text)]), ..Playlist::default() };
    Ok(Json(save(&app, &person, &visit, &one, &how).await?))
}

/// Calendars, programmes and schedules that belong together, by name.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Playlist {
    pub calendar: BTreeMap<String, CalendarText>,
    pub programme: BTreeMap<String, ProgrammeText>,
    pub schedule: BTreeMap<String, ScheduleText>,
}

/// Add or change many at once; all is found sound before anything is changed
#[utoipa::path(post, path = "/api/v1/playlists", request_body = Playlist,
    params(("at_once" = Option<bool>, Query), ("dry_run" = Option<bool>, Query)),
    responses((status = 200, body = Saved), (status = 400, body = Problem)))]
pub async fn put_playlist(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Query(how): Query<How>,
    Json(text): Json<Playlist>,
) -> Result<Json<Saved>, Problem> {
    Ok(Json(save(&app, &person, &visit, &text, &how).await?))
}

/// Checks everything, tells what it does, and keeps it.
async fn save(app: &App, person: &Person, visit: &Visit, text: &Playlist, how: &How) -> Result<Saved, Problem> {
    person.filters();
    let places = Places::load(app).await?;
    let schedules = app.store.schedule_histories().await?;
    let now_ms = now_ms();
    let mut edits = Edits::default();
    for (name, calendar) in &text.calendar {
        let id = name.parse().map_err(|e| Problem::bad_request(format!("[calendar.{name}]: {e}")))?;
        edits.calendars.insert(id, calendar.clone());
    }
    let mut before = Before::default();
    let mut calendars = app.store.calendars().await?;
    let new_calendars: Vec<_> = edits
        .calendars
        .iter()
        .filter(|(id, text)| calendars.get(*id) != Some(*text))
        .map(|(id, _)| id.clone())
        .collect();
    for id in &new_calendars {
        places.demand_all(person, &schedules, now_ms, |text| names_calendar(text, id.as_str()))?;
        note(&mut before.texts.calendar, &mut before.added.calendar, id.as_str(), calendars.get(id).cloned());
    }
    calendars.extend(edits.calendars.clone());
    let calendars = Calendars::new(&calendars).map_err(Problem::bad_request)?;
    let mut known_programmes: BTreeSet<ProgrammeId> = app.store.programmes().await?.into_keys().collect();
    let histories = app.store.programme_histories().await?;
    let (mut effective_ms, mut changed) = (now_ms, !new_calendars.is_empty());
    for (name, text) in &text.programme {
        let programme = text.check(name).map_err(Problem::bad_request)?;
        for item in programme.bulletins() {
            app.store.bulletin(item).await.map_err(|_| {
                Problem::bad_request(format!(
                    "programme {name}: bulletin {item} is not here; add it first: loaxa bulletin add FILE --id {item} ..."
                ))
            })?;
        }
        for source in programme.relays() {
            let refused = |e| Problem::bad_request(format!("[programme.{name}]: relay = {source:?}: {e}"));
            app.relays.check(source).map_err(refused)?;
        }
        let known = histories.get(&programme.id).map_or(&[][..], Vec::as_slice);
        let version = next_version(app, known, programme.text(), how.at_once, now_ms);
        effective_ms = effective_ms.max(version.as_ref().or(known.last()).map_or(now_ms, |v| v.effective_ms));
        changed |= version.is_some();
        if version.is_some() {
            places.demand_all(person, &schedules, now_ms, |text| names_programme(text, programme.id.as_str()))?;
            note(&mut before.texts.programme, &mut before.added.programme, name, newest(known));
        }
        known_programmes.insert(programme.id.clone());
        edits.programmes.insert(programme.id, version);
    }
    for (name, text) in &text.schedule {
        let named = |e: &dyn std::fmt::Display| Problem::bad_request(format!("[schedule.{name}]: {e}"));
        let id: ScheduleId = name.parse().map_err(|e| named(&e))?;
        let schedule = Schedule::new(id.clone(), text, &calendars).map_err(|e| named(&e))?;
        check_size(&schedule, text).map_err(|e| named(&e))?;
        if let Some(missing) = missing_references(app, &schedule, &known_programmes).await?.first() {
            return Err(named(missing));
        }
        let known = schedules.get(&id).map_or(&[][..], Vec::as_slice);
        ruling(known, now_ms).chain([text]).try_for_each(|text| places.demand(person, text))?;
        let at_once = how.at_once || schedule.priority == Priority::Emergency;
        let version = next_version(app, known, text.clone(), at_once, now_ms);
        effective_ms = effective_ms.max(version.as_ref().or(known.last()).map_or(now_ms, |v| v.effective_ms));
        changed |= version.is_some();
        if version.is_some() {
            note(&mut before.texts.schedule, &mut before.added.schedule, name, newest(known));
        }
        edits.schedules.insert(id, version);
    }
    fn kept<K: Clone, V: Clone>((id, version): (&K, &Option<V>)) -> Option<(K, V)> {
        Some((id.clone(), version.clone()?))
    }
    let changes = Changes {
        calendars: new_calendars.into_iter().map(|id| (id.clone(), edits.calendars[&id].clone())).collect(),
        programmes: edits.programmes.iter().filter_map(kept).collect(),
        schedules: edits.schedules.iter().filter_map(kept).collect(),
    };
    let findings = check::consider(app, edits, now_ms).await?;
    visit.note(named(&changes));
    if how.dry_run || !changed {
        visit.changed_nothing();
    }
    if changed && !how.dry_run {
        app.store.put_together(&changes, now_ms).await?;
        edited(app);
    }
    Ok(Saved { effective_ms, changed: changed && !how.dry_run, findings, before })
}

fn newest<T: Clone>(versions: &[VersionRow<T>]) -> Option<T> {
    versions.last().and_then(|version| version.value.clone())
}

/// What was changed, for the audit log.
fn named(changes: &Changes) -> String {
    let calendars = changes.calendars.iter().map(|(id, _)| format!("calendar {id}"));
    let programmes = changes.programmes.iter().map(|(id, _)| format!("programme {id}"));
    let schedules = changes.schedules.iter().map(|(id, _)| format!("schedule {id}"));
    let all: Vec<_> = calendars.chain(programmes).chain(schedules).collect();
    all.join(", ")
}

/// What one schedule may hold, so that working it out stays quick for everybody.
const MOST_PLAYS_A_DAY: usize = 1_440;
const MOST_LISTED: usize = 500;

pub fn check_size(schedule: &Schedule, text: &ScheduleText) -> Result<(), ScheduleError> {
    let most = MOST_PLAYS_A_DAY / schedule.rule.times as usize;
    if let Pattern::Recurring(recurrence) = &schedule.rule.pattern
        && recurrence.times().take(most + 1).count() > most
    {
        let problem = format!("more than {MOST_PLAYS_A_DAY} plays a day; write for example \"0 */15 5-20 * * *\"");
        return Err(ScheduleError { field: "cron", value: text.cron.clone(), problem });
    }
    let instead = text.instead_on.iter().map(|one| one.on.len() + one.at.len()).sum::<usize>();
    let lists = [
        ("at", text.at.len()),
        ("only_on", text.only_on.len()),
        ("not_on", text.not_on.len()),
        ("instead_on", instead),
        ("exceptions", text.exceptions.len()),
        ("targets", text.targets.len() / 10),
    ];
    match lists.iter().find(|(_, len)| *len > MOST_LISTED) {
        Some((field, len)) => {
            let problem = format!(
                "{len} entries, more than {MOST_LISTED}; put days into a calendar and name that, such as \"calendar:le\""
            );
            Err(ScheduleError { field, value: len.to_string(), problem })
        }
        None => Ok(()),
    }
}

/// What a schedule names and is not there, nor comes with it.
pub async fn missing_references(
    app: &App,
    schedule: &Schedule,
    programmes: &BTreeSet<ProgrammeId>,
) -> Result<Vec<ScheduleError>, Problem> {
    let mut missing = vec![];
    let mut tell = |field, value: String, problem: String| missing.push(ScheduleError { field, value, problem });
    if schedule.targets.is_empty() {
        let problem = "name area codes or \"speaker:ID\", such as targets = [\"24133\"]";
        tell("targets", String::new(), problem.into());
    }
    let areas = app.store.areas().await?;
    for target in &schedule.targets {
        match target {
            Target::Area(code) => {
                if let Err(error) = areas.path(code) {
                    tell("targets", code.to_string(), error.to_string());
                }
            }
            Target::Speaker(speaker) => {
                if let Err(error) = app.store.speaker(speaker).await {
                    tell("targets", format!("speaker:{speaker}"), error.to_string());
                }
            }
        }
    }
    if let Some(owner) = &schedule.owner
        && let Err(error) = areas.path(owner)
    {
        tell("area", owner.to_string(), error.to_string());
    }
    if schedule.programme.is_none() {
        tell("programme", String::new(), "name what is to be played, such as programme = \"buoi-sang\"".into());
    }
    for id in schedule.programmes().filter(|id| !programmes.contains(*id)) {
        tell("programme", id.to_string(), "is not here; add it first, or in the same file".into());
    }
    Ok(missing)
}

/// The next version of something, unless it is just the same. What is new may begin at once; a change waits until what is about to
/// play is over. Who puts back what still rules takes a change back before it has begun: it never rules.
pub fn next_version<T: PartialEq>(
    app: &App,
    known: &[VersionRow<T>],
    value: T,
    at_once: bool,
    now_ms: i64,
) -> Option<VersionRow<T>> {
    let value = Some(value);
    let last = known.last();
    let pending = last.is_some_and(|last| last.effective_ms > now_ms);
    if last.is_some_and(|last| last.value == value) && !(pending && at_once) {
        return None;
    }
    let ruling = known.iter().rev().find(|version| version.effective_ms <= now_ms);
    let to_come = known.iter().find(|version| version.effective_ms > now_ms);
    if let (Some(ruling), Some(to_come), false) = (ruling, to_come, at_once)
        && ruling.value == value
    {
        return Some(VersionRow { made_ms: now_ms, effective_ms: to_come.effective_ms, value, ends_now: false });
    }
    let is_new = last.is_none_or(|last| last.value.is_none() && last.effective_ms <= now_ms);
    let lock_ms = if at_once || is_new { 0 } else { app.config.plan.edit_lock_ms() };
    Some(VersionRow { made_ms: now_ms, effective_ms: now_ms + lock_ms, value, ends_now: false })
}

/// Remove a schedule; with at_once what is on the air ends too
#[utoipa::path(delete, path = "/api/v1/schedules/{id}", params(("at_once" = Option<bool>, Query)),
    responses((status = 200, body = Saved), (status = 404, body = Problem)))]
pub async fn delete_schedule(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    seen: IfMatch,
    Path(id): Path<String>,
    Query(how): Query<How>,
) -> Result<Json<Saved>, Problem> {
    seen.check(versions::newest_schedule(&app, &id).await?.as_ref())?;
    let id: ScheduleId = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let known = app.store.schedule_histories().await?.remove(&id).unwrap_or_default();
    let now_ms = now_ms();
    // A removal that waits for the edit lock can still be hastened.
    let gone = |last: &VersionRow<ScheduleText>| last.value.is_none() && !(how.at_once && last.effective_ms > now_ms);
    if known.last().is_none_or(gone) {
        return Err(Problem::not_found(format!("schedule {id} is not in the store")));
    }
    let places = Places::load(&app).await?;
    person.filters();
    ruling(&known, now_ms).try_for_each(|text| places.demand(&person, text))?;
    let lock_ms = if how.at_once { 0 } else { app.config.plan.edit_lock_ms() };
    let effective_ms = now_ms + lock_ms;
    let version = VersionRow { made_ms: now_ms, effective_ms, value: None, ends_now: how.at_once };
    if how.dry_run {
        visit.changed_nothing();
    } else {
        app.store.put_schedule(&id, &version).await?;
        edited(&app);
    }
    let mut before = Before::default();
    before.texts.schedule.extend(newest(&known).map(|text| (id.to_string(), text)));
    Ok(Json(Saved { effective_ms, changed: !how.dry_run, findings: vec![], before }))
}

/// The store has changed: the planner looks again.
fn edited(app: &App) {
    app.plan_bell.notify_one();
    app.changed(Change::Schedules);
    app.changed(Change::Plays);
}

pub async fn calendars_of(app: &App) -> Result<Calendars, Problem> {
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

/// Add or change a calendar; it counts at once
#[utoipa::path(put, path = "/api/v1/calendars/{id}", request_body = CalendarText,
    params(("dry_run" = Option<bool>, Query)), responses((status = 200, body = Saved), (status = 400, body = Problem), (status = 412, body = Problem)))]
pub async fn put_calendar(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    seen: IfMatch,
    Path(id): Path<String>,
    Query(how): Query<How>,
    Json(text): Json<CalendarText>,
) -> Result<Json<Saved>, Problem> {
    seen.check(versions::newest_calendar(&app, &id).await?.as_ref())?;
    let one = Playlist { calendar: BTreeMap::from([(id, text)]), ..Playlist::default() };
    Ok(Json(save(&app, &person, &visit, &one, &how).await?))
}

/// Remove a calendar that no schedule names
#[utoipa::path(delete, path = "/api/v1/calendars/{id}", responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn delete_calendar(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: CalendarId = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let (schedules, now_ms) = (app.store.schedule_histories().await?, now_ms());
    Places::load(&app).await?.demand_all(&person, &schedules, now_ms, |text| names_calendar(text, id.as_str()))?;
    for (schedule, versions) in &schedules {
        if ruling(versions, now_ms).any(|text| needs_calendar(text, id.as_str())) {
            return Err(Problem::conflict(format!("schedule {schedule} still names it")));
        }
    }
    app.store.delete_calendar(&id).await?;
    edited(&app);
    Ok(StatusCode::NO_CONTENT)
}
