//! What areas and speakers say of themselves, what each speaker is told to play, and why.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::etag::{self, IfMatch};
use super::people::{speaker_for, titled};
use crate::center::app::{App, Change, now_ms};
use crate::center::exchange::ical;
use crate::center::people::person::{Person, Visit};
use crate::center::planner::{self, Material, check};
use crate::center::store::{SpeakerRow, SpeakerTraits, StoreError};
use crate::domain::DAY_MS;
use crate::domain::bulletin::Language;
use crate::domain::hours::{Hours, HoursStatement};
use crate::domain::ids::AreaCode;
use crate::domain::plan::{HORIZON_MS, LATEST_MS, Plan, PlannedOccurrence};
use crate::domain::priority::Priority;
use crate::domain::role::Right;
use crate::domain::schedule::rule::EARLIEST_MS;
use crate::domain::sentence::{Explanation, outcome};
use crate::domain::timetable::{Remark, Timetable};
use crate::protocol::envelope::Envelope;
use crate::protocol::limits::STATEMENT_BYTES;
use crate::protocol::trust::SignedPlan;

fn area_code(text: &str) -> Result<AreaCode, Problem> {
    text.parse().map_err(|e| Problem::bad_request(format!("{e}")))
}

/// The lawful hours of an area, as the authority signed them
#[utoipa::path(get, path = "/api/v1/areas/{code}/hours", responses((status = 200, body = Object), (status = 404, body = Problem)))]
pub async fn hours(
    State(app): State<Arc<App>>,
    person: Person,
    Path(code): Path<String>,
) -> Result<Json<HoursStatement>, Problem> {
    let code = area_code(&code)?;
    let areas = app.store.areas().await?;
    // What is lawful above is lawful here, unless said otherwise.
    if areas.get(&code).is_some() && !person.stands_below(&areas, &code) {
        person.demand(Right::See, &areas, &code)?;
    }
    let row = app.store.area_rows().await?.into_iter().find(|row| row.area.code == code);
    let row = row.ok_or_else(|| StoreError::NotFound(format!("area {code}")))?;
    let statement = row.hours.and_then(|envelope| envelope.open(&app.trust().authority).ok());
    statement.map(Json).ok_or_else(|| Problem::not_found(format!("nothing was said for area {code} itself")))
}

/// Set the lawful hours of an area: a statement that the authority has signed
#[utoipa::path(put, path = "/api/v1/areas/{code}/hours", request_body = Object,
    responses((status = 204), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn put_hours(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Path(code): Path<String>,
    Json(envelope): Json<Envelope>,
) -> Result<StatusCode, Problem> {
    if envelope.payload.len() > STATEMENT_BYTES {
        return Err(Problem::bad_request("the statement is too long"));
    }
    let code = area_code(&code)?;
    person.demand(Right::ManageTrust, &app.store.areas().await?, &code)?;
    let statement: HoursStatement = envelope
        .open(&app.trust().authority)
        .map_err(|e| Problem::bad_request(format!("the lawful hours were not taken: {e}")))?;
    if statement.site != app.site.site || statement.area != code {
        return Err(Problem::bad_request("the lawful hours are for another site or area"));
    }
    Hours::new(&statement).map_err(|e| Problem::bad_request(e.to_string()))?;
    let row = app.store.area_rows().await?.into_iter().find(|row| row.area.code == code);
    let row = row.ok_or_else(|| StoreError::NotFound(format!("area {code}")))?;
    let known: Option<HoursStatement> = row.hours.and_then(|known| known.open(&app.trust().authority).ok());
    if let Some(known) = known.filter(|known| known.version >= statement.version) {
        return Err(Problem::conflict(format!(
            "version {} of these hours is in force; sign a later one than that",
            known.version
        )));
    }
    let windows: Vec<_> = statement.windows.iter().map(|(from, to)| format!("{from}-{to}")).collect();
    visit.note(windows.join(" "));
    app.store.set_hours(&code, &envelope).await?;
    app.plan_bell.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Order {
    /// Whether, among priority bulletins, this unit's own go before those from above.
    pub own_first: bool,
}

/// Decide whose priority bulletins go first in an area
#[utoipa::path(put, path = "/api/v1/areas/{code}/order", request_body = Order, responses((status = 204), (status = 404, body = Problem)))]
pub async fn put_order(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Path(code): Path<String>,
    Json(order): Json<Order>,
) -> Result<StatusCode, Problem> {
    let code = area_code(&code)?;
    let areas = app.store.areas().await?;
    if areas.get(&code).is_none() {
        return Err(StoreError::NotFound(format!("area {code}")).into());
    }
    person.demand(Right::ManageAreas, &areas, &code)?;
    visit.note(if order.own_first { "own first" } else { "from above first" });
    app.store.set_own_first(&code, order.own_first).await?;
    app.plan_bell.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Traits {
    /// ISO 639-3, of the residents, in the order in which versions are played; empty = each programme's own.
    pub languages: Vec<String>,
    /// Degrees, WGS 84; both or neither.
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    /// Speakers with the same word here play in step, however near they are.
    pub step_with: Option<String>,
    /// Its name; stays as it is where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl From<&SpeakerRow> for Traits {
    fn from(row: &SpeakerRow) -> Self {
        let known = &row.traits;
        Self {
            title: Some(row.title.clone()),
            languages: known.languages.iter().map(Language::to_string).collect(),
            latitude: known.place.map(|place| place.0),
            longitude: known.place.map(|place| place.1),
            step_with: known.step_with.clone(),
        }
    }
}

/// What is known of a speaker's surroundings
#[utoipa::path(get, path = "/api/v1/speakers/{id}/traits", responses((status = 200, body = Traits), (status = 404, body = Problem)))]
pub async fn traits(State(app): State<Arc<App>>, person: Person, Path(id): Path<String>) -> Result<Response, Problem> {
    etag::tagged(&Traits::from(&speaker_for(&app, &person, Right::See, &id).await?))
}

/// Set what is known of a speaker's surroundings
#[utoipa::path(put, path = "/api/v1/speakers/{id}/traits", request_body = Traits,
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem), (status = 412, body = Problem)))]
pub async fn put_traits(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Path(id): Path<String>,
    seen: IfMatch,
    Json(new): Json<Traits>,
) -> Result<StatusCode, Problem> {
    let speaker = speaker_for(&app, &person, Right::OperateSpeakers, &id).await?;
    seen.check(Some(&Traits::from(&speaker)))?;
    let title = new.title.as_deref().map(titled).transpose()?.filter(|title| *title != speaker.title);
    let languages: Vec<Language> =
        new.languages.iter().map(|l| l.parse()).collect::<Result<_, _>>().map_err(Problem::bad_request)?;
    if languages.len() > 8 || (1..languages.len()).any(|index| languages[..index].contains(&languages[index])) {
        return Err(Problem::bad_request("languages: name each once, eight at most"));
    }
    let place = match (new.latitude, new.longitude) {
        (Some(latitude), Some(longitude)) if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 => {
            Some((latitude, longitude))
        }
        (None, None) => None,
        _ => {
            return Err(Problem::bad_request(
                "give latitude and longitude in degrees, such as 12.68 and 108.05, or neither",
            ));
        }
    };
    let step_with = new.step_with.map(|word| word.trim().to_owned()).filter(|word| !word.is_empty());
    if step_with.as_ref().is_some_and(|word| word.chars().count() > 64) {
        return Err(Problem::bad_request("step_with is longer than 64 characters"));
    }
    if let Some(title) = &title {
        visit.note(format!("renamed to {title}"));
        app.store.set_title(&speaker.id, title).await?;
    }
    app.store.set_traits(&speaker.id, &SpeakerTraits { languages, place, step_with }).await?;
    app.plan_bell.notify_one();
    app.changed(Change::Speakers);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PlanView {
    /// The newest plan, each occurrence written out.
    pub plan: Option<WrittenOut>,
    /// What is not, or not wholly, as the rules ask for, with the reason.
    #[schema(value_type = Vec<Object>)]
    pub left_out: Vec<Remark>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct WrittenOut {
    pub number: u64,
    pub made_ms: i64,
    pub from_ms: i64,
    pub until_ms: i64,
    #[schema(value_type = Vec<Object>)]
    pub occurrences: Vec<PlannedOccurrence>,
    pub media_bytes: u64,
}

/// A speaker's newest plan, and what was left out of it
#[utoipa::path(get, path = "/api/v1/speakers/{id}/plan", responses((status = 200, body = PlanView), (status = 404, body = Problem)))]
pub async fn plan(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Json<PlanView>, Problem> {
    let row = speaker_for(&app, &person, Right::See, &id).await?;
    let newest = app.store.newest_plan(&row.id).await?;
    let plan: Option<Plan> =
        newest.and_then(|row| serde_json::from_str::<SignedPlan>(&row.body).ok()?.plan.peek().ok());
    let now_ms = now_ms();
    let fleet = planner::current_fleet(&app, &Material::load(&app).await?, now_ms).await;
    let ahead = |remark: &&Remark| remark.start_ms >= now_ms && remark.start_ms < now_ms + HORIZON_MS;
    let remarks = |table: &Arc<Timetable>| table.remarks.iter().filter(ahead).cloned().collect();
    let plan = plan.map(|plan| WrittenOut {
        number: plan.number,
        made_ms: plan.made_ms,
        from_ms: plan.from_ms,
        until_ms: plan.until_ms,
        media_bytes: plan.media.iter().map(|media| media.bytes).sum(),
        occurrences: plan.occurrences,
    });
    Ok(Json(PlanView { plan, left_out: fleet.timetable(&row.id).map(remarks).unwrap_or_default() }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct At {
    /// Unix ms; now where absent.
    at_ms: Option<i64>,
}

/// Why a speaker sounds, or is silent, at an instant: one sentence in both languages
#[utoipa::path(get, path = "/api/v1/speakers/{id}/why", params(At), responses((status = 200, body = Object), (status = 404, body = Problem)))]
pub async fn why(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
    Query(at): Query<At>,
) -> Result<Json<Explanation>, Problem> {
    let row = speaker_for(&app, &person, Right::See, &id).await?;
    let now_ms = now_ms();
    let at_ms = at.at_ms.unwrap_or(now_ms).clamp(EARLIEST_MS + 2 * DAY_MS, LATEST_MS - 2 * DAY_MS);
    let mut explanation = check::why(&app, &row.id, at_ms, now_ms).await?;
    // What the board has said of it since outweighs what was planned.
    let records = app.store.records(Some(&row.id), at_ms - DAY_MS, at_ms + 1).await?;
    if let Some(record) = records.iter().map(|row| &row.record).find(|r| (r.start_ms..r.end_ms).contains(&at_ms)) {
        let said = outcome(record);
        explanation.sentence.vi.push_str(&format!(" Nhật ký: {}.", said.vi));
        explanation.sentence.en.push_str(&format!(" The record says: {}.", said.en));
    }
    Ok(Json(explanation))
}

/// A speaker's coming plays as iCalendar
#[utoipa::path(get, path = "/api/v1/speakers/{id}/calendar.ics",
    responses((status = 200, content_type = "text/calendar"), (status = 404, body = Problem)))]
pub async fn speaker_calendar(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = speaker_for(&app, &person, Right::See, &id).await?;
    let now_ms = now_ms();
    let fleet = planner::current_fleet(&app, &Material::load(&app).await?, now_ms).await;
    let tables: Vec<_> = fleet.timetable(&row.id).cloned().into_iter().collect();
    Ok(calendar(&app, &row.title, &row.title, &tables, now_ms))
}

/// The coming plays of an area, each once, as iCalendar
#[utoipa::path(get, path = "/api/v1/areas/{code}/calendar.ics",
    responses((status = 200, content_type = "text/calendar"), (status = 404, body = Problem)))]
pub async fn area_calendar(
    State(app): State<Arc<App>>,
    person: Person,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    let code = area_code(&code)?;
    let now_ms = now_ms();
    let material = Material::load(&app).await?;
    let area = material.areas.get(&code).ok_or_else(|| StoreError::NotFound(format!("area {code}")))?;
    person.demand(Right::See, &material.areas, &code)?;
    let fleet = planner::current_fleet(&app, &material, now_ms).await;
    let inside = fleet.speakers().filter(|(_, profile)| profile.areas.contains(&code));
    let mut tables: Vec<Arc<Timetable>> = inside.filter_map(|(id, _)| fleet.timetable(id).cloned()).collect();
    tables.sort_by_key(Arc::as_ptr);
    tables.dedup_by(|a, b| Arc::ptr_eq(a, b));
    Ok(calendar(&app, &area.title, &area.title, &tables, now_ms))
}

fn calendar(app: &App, name: &str, place: &str, tables: &[Arc<Timetable>], now_ms: i64) -> Response {
    let mut seen = std::collections::BTreeSet::new();
    let mut events = vec![];
    for piece in tables.iter().flat_map(|table| &table.pieces).filter(|piece| piece.end_ms() > now_ms) {
        let Some(planned) = piece.planned().filter(|_| seen.insert((piece.occurrence(), piece.start_ms))) else {
            continue;
        };
        let titles: Vec<&str> = piece.content.parts.iter().map(|part| part.approved.title.as_str()).collect();
        let offset_ms = piece.start_ms - piece.nominal_ms;
        events.push(ical::Event {
            uid: format!("{}+{offset_ms}@{}.loaxa", planned.id, app.site.site),
            title: planned.title.clone(),
            start_ms: planned.start_ms,
            end_ms: planned.end_ms,
            description: titles.join("\n"),
            location: place.to_owned(),
            category: planned.priority.to_string(),
            emergency_or_priority: planned.priority >= Priority::Priority,
            sequence: 0,
        });
    }
    events.sort_by(|a, b| (a.start_ms, &a.uid).cmp(&(b.start_ms, &b.uid)));
    let headers = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"loaxa.ics\""),
    ];
    (headers, ical::calendar(name, now_ms, &events)).into_response()
}
