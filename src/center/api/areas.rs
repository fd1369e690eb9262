//! The tree of units: read, changed, brought in from official lists, merged. What the authority has to sign for a merger comes signed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::etag::{self, IfMatch};
use super::people::titled;
use crate::center::app::{App, Change, now_ms};
use crate::center::areas::conversion::{self, Proposal};
use crate::center::areas::import::{self, Here, Import, Line, What};
use crate::center::areas::merger::{self, MergerView, Wish};
use crate::center::authority;
use crate::center::people::person::{Person, Visit};
use crate::center::store::{AreaEdit, AreaRow, Span, StoreError};
use crate::domain::area::{Area, AreaTree};
use crate::domain::hours::HoursStatement;
use crate::domain::ids::AreaCode;
use crate::domain::role::Right;
use crate::protocol::envelope::Envelope;

/// Lines that an answer names one by one; what is wrong comes first.
const LINES: usize = 2_000;

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AreaView {
    pub code: String,
    pub title: String,
    /// The unit above; the top of the tree where absent in a request.
    pub parent: Option<String>,
    /// Windows of its own lawful hours, such as 05:00-06:30; told, not taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<String>,
    /// Whether its own priority bulletins go first, where it has said so; told, not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_first: Option<bool>,
    /// The first day of the unit, and the first on which it is none any more, as YYYY-MM-DD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<String>,
    /// The unit that it became part of; told, not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// Speakers that stand in it itself; told, not taken.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub speakers: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

fn area_code(text: &str) -> Result<AreaCode, Problem> {
    text.parse().map_err(|e| Problem::bad_request(format!("{e}")))
}

/// Areas, in order of code: those that one may see, and the ones above them
#[utoipa::path(get, path = "/api/v1/areas", responses((status = 200, body = [AreaView]), (status = 304)))]
pub async fn areas(State(app): State<Arc<App>>, person: Person, headers: HeaderMap) -> Result<Response, Problem> {
    let rows = app.store.area_rows().await?;
    let speakers: BTreeMap<AreaCode, u32> = app.store.speakers_by_area().await?.into_iter().collect();
    let tree = AreaTree::new(rows.iter().map(|row| row.area.clone()));
    let shown = |row: &&AreaRow| person.sees(&tree, &row.area.code) || person.stands_below(&tree, &row.area.code);
    let views: Vec<AreaView> = rows.iter().filter(shown).map(|row| view(&app, row, &speakers)).collect();
    // Thousands of units that hardly ever change: who has them already is told so.
    let tag = etag::tag(&views)?;
    let held = headers.get(header::IF_NONE_MATCH).and_then(|held| held.to_str().ok()).unwrap_or_default();
    if held.split(',').any(|one| one.trim().trim_start_matches("W/") == tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    etag::tagged(&views)
}

fn view(app: &App, row: &AreaRow, speakers: &BTreeMap<AreaCode, u32>) -> AreaView {
    let hours = row.hours.as_ref().and_then(|said| said.open::<HoursStatement>(&app.trust().authority).ok());
    let windows = hours.map(|hours| hours.windows).unwrap_or_default();
    AreaView {
        code: row.area.code.to_string(),
        title: row.area.title.clone(),
        parent: row.area.parent.as_ref().map(AreaCode::to_string),
        hours: windows.iter().map(|(from, to)| format!("{from}-{to}")).collect(),
        own_first: row.own_first,
        valid_from: row.span.valid_from.clone(),
        valid_to: row.span.valid_to.clone(),
        replaced_by: row.span.replaced_by.as_ref().map(AreaCode::to_string),
        speakers: speakers.get(&row.area.code).copied().unwrap_or_default(),
    }
}

/// One area
#[utoipa::path(get, path = "/api/v1/areas/{code}", responses((status = 200, body = AreaView), (status = 404, body = Problem)))]
pub async fn area(State(app): State<Arc<App>>, person: Person, Path(code): Path<String>) -> Result<Response, Problem> {
    let (rows, row) = row(&app, &code).await?;
    let tree = AreaTree::new(rows.into_iter().map(|row| row.area));
    if !person.stands_below(&tree, &row.area.code) {
        person.demand(Right::See, &tree, &row.area.code)?;
    }
    let speakers = app.store.speakers_by_area().await?.into_iter().collect();
    etag::tagged(&view(&app, &row, &speakers))
}

async fn row(app: &App, code: &str) -> Result<(Vec<AreaRow>, AreaRow), Problem> {
    let code = area_code(code)?;
    let rows = app.store.area_rows().await?;
    let row = rows.iter().find(|row| row.area.code == code).cloned();
    let row = row.ok_or_else(|| StoreError::NotFound(format!("area {code}")))?;
    Ok((rows, row))
}

/// Add an area
#[utoipa::path(post, path = "/api/v1/areas", request_body = AreaView, responses((status = 201), (status = 409, body = Problem)))]
pub async fn add_area(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(new): Json<AreaView>,
) -> Result<StatusCode, Problem> {
    let code = area_code(&new.code)?;
    let parent = match new.parent {
        Some(parent) => area_code(&parent)?,
        None => app.site.area.clone(),
    };
    let _editing = app.area_edits.lock().await;
    let rows = app.store.area_rows().await?;
    person.demand(Right::ManageAreas, &AreaTree::new(rows.iter().map(|row| row.area.clone())), &parent)?;
    let title = titled(&new.title)?;
    if let Some(ended) = rows.iter().find(|row| row.area.code == parent && row.span.valid_to.is_some()) {
        let after =
            ended.span.replaced_by.as_ref().map_or(String::new(), |after| format!("; it became part of {after}"));
        return Err(Problem::conflict(format!("{} ({parent}) has ended{after}", ended.area.title)));
    }
    visit.note(format!("{code} below {parent}"));
    app.store.add_area(&Area { code: code.clone(), parent: Some(parent.clone()), title: title.clone() }).await?;
    if let Some(from) = new.valid_from {
        let span = Span { valid_from: Some(day(&from)?), ..Span::default() };
        app.store.put_areas(&[AreaEdit { code, parent: Some(parent), title, span }]).await?;
    }
    app.changed(Change::Areas);
    Ok(StatusCode::CREATED)
}

/// What may be changed of a unit by itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AreaChange {
    pub title: String,
    /// The unit above. Where speakers stand in it or below, only a merger moves it, which the authority signs.
    #[serde(default)]
    pub parent: Option<String>,
    #[serde(default)]
    pub valid_from: Option<String>,
    /// Ends the unit on that day; absent = it goes on, or is one again.
    #[serde(default)]
    pub valid_to: Option<String>,
}

/// Change a unit: its name, the unit above it, or its days
#[utoipa::path(put, path = "/api/v1/areas/{code}", request_body = AreaChange,
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub async fn put_area(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    seen: IfMatch,
    Path(code): Path<String>,
    Json(change): Json<AreaChange>,
) -> Result<StatusCode, Problem> {
    let _editing = app.area_edits.lock().await;
    let (rows, row) = row(&app, &code).await?;
    let speakers: BTreeMap<AreaCode, u32> = app.store.speakers_by_area().await?.into_iter().collect();
    let tree = AreaTree::new(rows.iter().map(|row| row.area.clone()));
    let code = &row.area.code;
    // As with adding: a unit is the affair of who manages the one above it.
    person.demand(Right::ManageAreas, &tree, row.area.parent.as_ref().unwrap_or(code))?;
    seen.check(Some(&view(&app, &row, &speakers)))?;
    let parent = match change.parent.as_deref() {
        None => row.area.parent.clone(),
        Some(parent) => Some(area_code(parent)?),
    };
    if parent != row.area.parent {
        let to = parent.as_ref().filter(|_| *code != app.site.area);
        let to = to.ok_or_else(|| Problem::bad_request(format!("{code} is the top of the tree and stays there")))?;
        person.demand(Right::ManageAreas, &tree, to)?;
        if tree.path(to).is_ok_and(|path| path.contains(code)) {
            return Err(Problem::bad_request(format!("{code} would stand above itself")));
        }
        if peopled(&tree, &speakers).contains(code) {
            return Err(Problem::conflict(format!(
                "speakers stand in {code} or below, and their boards follow the authority's word alone: \
                 loaxa area merge {code} --into {to} --keep, or the merger on the page"
            )));
        }
    }
    let valid_to = change.valid_to.as_deref().map(day).transpose()?;
    let ends = valid_to.is_some() && row.span.valid_to.is_none();
    if ends && (*code == app.site.area || peopled(&tree, &speakers).contains(code)) {
        return Err(Problem::conflict(format!(
            "speakers stand in {code} or below; say which unit it becomes part of: loaxa area merge {code} --into CODE"
        )));
    }
    let replaced_by = row.span.replaced_by.clone().filter(|_| valid_to.is_some());
    let valid_from = change.valid_from.as_deref().map(day).transpose()?;
    let title = titled(&change.title)?;
    visit.note(format!("{title} below {}", parent.as_ref().map_or("nothing", AreaCode::as_str)));
    let span = Span { valid_from, valid_to, replaced_by };
    app.store.put_areas(&[AreaEdit { code: code.clone(), parent, title, span }]).await?;
    changed(&app);
    Ok(StatusCode::NO_CONTENT)
}

fn day(text: &str) -> Result<String, Problem> {
    let day: Result<chrono::NaiveDate, _> = text.parse();
    day.map(|day| day.to_string()).map_err(|_| Problem::bad_request(format!("{text:?}: write a day as YYYY-MM-DD")))
}

/// Units at or below which speakers stand.
fn peopled(tree: &AreaTree, speakers: &BTreeMap<AreaCode, u32>) -> BTreeSet<AreaCode> {
    speakers.keys().filter_map(|area| tree.path(area).ok()).flatten().collect()
}

fn changed(app: &App) {
    app.plan_bell.notify_one();
    app.changed(Change::Areas);
    app.changed(Change::Speakers);
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Only tell what would be.
    #[serde(default)]
    dry_run: bool,
    /// Take the units of this province alone.
    province: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ImportCounts {
    pub new: u32,
    pub same: u32,
    pub renamed: u32,
    pub moved: u32,
    pub conflicts: u32,
    pub faulty: u32,
    /// Of other provinces than were asked for.
    pub left_out: u32,
    /// Codes to which the zeros that a spreadsheet had eaten were put back.
    pub zeros: u32,
}

/// What a list of units would change, or has changed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportView {
    pub applied: bool,
    /// Whether nothing is wrong: only then something is changed.
    pub good: bool,
    pub counts: ImportCounts,
    /// What is wrong first, then what is new or otherwise; 2,000 lines at most.
    pub lines: Vec<Line>,
}

impl From<Import> for ImportView {
    fn from(mut import: Import) -> Self {
        let count = |what| import.counts.get(&what).copied().unwrap_or_default();
        let counts = ImportCounts {
            new: count(What::New),
            same: count(What::Same),
            renamed: count(What::Renamed),
            moved: count(What::Moved),
            conflicts: count(What::Conflict),
            faulty: count(What::Faulty),
            left_out: import.left_out,
            zeros: import.zeros,
        };
        let good = import.is_good();
        import.lines.sort_by_key(|line| (std::cmp::Reverse(line.what), line.line));
        import.lines.truncate(LINES);
        Self { applied: false, good, counts, lines: import.lines }
    }
}

/// Bring in an official list of units as CSV: all of it or nothing
#[utoipa::path(post, path = "/api/v1/areas/import", params(ImportQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = ImportView), (status = 400, body = Problem)))]
pub async fn import_areas(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Query(query): Query<ImportQuery>,
    body: Bytes,
) -> Result<Json<ImportView>, Problem> {
    let _editing = app.area_edits.lock().await;
    let rows = app.store.area_rows().await?;
    let tree = AreaTree::new(rows.iter().map(|row| row.area.clone()));
    let province = query.province.as_deref().filter(|code| !code.is_empty()).map(area_code).transpose()?;
    // Who manages one province may bring in that one.
    let place = province.as_ref().filter(|code| tree.get(code).is_some()).unwrap_or(&app.site.area);
    person.demand(Right::ManageAreas, &tree, place)?;
    let speakers = app.store.speakers_by_area().await?.into_iter().collect();
    let peopled = peopled(&tree, &speakers);
    let here = Here { rows: &rows, peopled: &peopled, top: &app.site.area, province: province.as_ref() };
    let mut import = import::compare(&body, &here).map_err(|e| Problem::bad_request(e.to_string()))?;
    let edits = std::mem::take(&mut import.edits);
    if let Some(code) = circle(&rows, &edits) {
        return Err(Problem::bad_request(format!("by this file {code} would stand above itself")));
    }
    let mut view = ImportView::from(import);
    if query.dry_run || !view.good || edits.is_empty() {
        visit.changed_nothing();
        view.applied = !query.dry_run && view.good;
        return Ok(Json(view));
    }
    app.store.put_areas(&edits).await?;
    visit.note(format!("{} new, {} renamed, {} moved", view.counts.new, view.counts.renamed, view.counts.moved));
    changed(&app);
    view.applied = true;
    Ok(Json(view))
}

/// A unit that would stand above itself.
fn circle(rows: &[AreaRow], edits: &[AreaEdit]) -> Option<AreaCode> {
    let mut after: BTreeMap<AreaCode, Area> =
        rows.iter().map(|row| (row.area.code.clone(), row.area.clone())).collect();
    let area =
        |edit: &AreaEdit| Area { code: edit.code.clone(), parent: edit.parent.clone(), title: edit.title.clone() };
    after.extend(edits.iter().map(|edit| (edit.code.clone(), area(edit))));
    let tree = AreaTree::new(after.into_values());
    edits.iter().map(|edit| &edit.code).find(|code| tree.path(code).is_err()).cloned()
}

/// Read a table of conversion, of which old unit went into which new one, as a proposal for mergers
#[utoipa::path(post, path = "/api/v1/areas/conversion", request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Proposal), (status = 400, body = Problem)))]
pub async fn read_conversion(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    body: Bytes,
) -> Result<Json<Proposal>, Problem> {
    visit.changed_nothing();
    let rows = app.store.area_rows().await?;
    person.demand(Right::ManageAreas, &AreaTree::new(rows.iter().map(|row| row.area.clone())), &app.site.area)?;
    let proposal = conversion::propose(&body, &rows).map_err(|e| Problem::bad_request(e.to_string()))?;
    Ok(Json(proposal))
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergerOrder {
    pub wish: Wish,
    /// Only tell what would be.
    #[serde(default)]
    pub dry_run: bool,
    /// The trust list that a dry run gave, signed by the authority; where boards have to be told.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub signed: Option<Envelope>,
    /// What a dry run asks for, typed by whoever has it done.
    #[serde(default)]
    pub confirm: String,
}

/// Merge units, or move them below another: tell what that would change, or do it
#[utoipa::path(post, path = "/api/v1/areas/merger", request_body = MergerOrder,
    responses((status = 200, body = MergerView), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn merge_areas(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(order): Json<MergerOrder>,
) -> Result<Json<MergerView>, Problem> {
    let _editing = app.area_edits.lock().await;
    let tree = app.store.areas().await?;
    person.demand(Right::ManageAreas, &tree, &app.site.area)?;
    person.demand(Right::ManageTrust, &tree, &app.site.area)?;
    let now_ms = now_ms();
    let zone: chrono_tz::Tz = app.site.time_zone.parse().unwrap_or(crate::domain::schedule::DEFAULT_TIME_ZONE);
    let today = chrono::DateTime::from_timestamp_millis(now_ms).unwrap_or_default().with_timezone(&zone).date_naive();
    let mut merger = merger::look(&app, &order.wish, today, now_ms).await?;
    if order.dry_run {
        visit.changed_nothing();
        return Ok(Json(merger.view));
    }
    if let Some(first) = merger.view.in_the_way.first() {
        return Err(Problem::conflict(first.words()));
    }
    if order.confirm.trim() != merger.view.confirm {
        return Err(Problem::bad_request(format!(
            "a merger cannot be undone by a button; to have it done, type the new unit's code: {}",
            merger.view.confirm
        )));
    }
    if let Some(wanted) = &merger.view.statement {
        let signed = order.signed.ok_or_else(|| {
            Problem::bad_request(
                "speakers stand in these units, so the authority has to sign the trust list of the dry run",
            )
        })?;
        let list = authority::check_moved(&app, &signed, wanted)?;
        merger.rows.trust = Some((list.version, signed));
    }
    app.store.merge_areas(&merger.rows, now_ms).await?;
    app.reload_trust().await.map_err(Problem::internal)?;
    visit.note(told(&merger.view));
    changed(&app);
    Ok(Json(merger.view))
}

/// For the audit log.
fn told(view: &MergerView) -> String {
    let units = view.units.iter().map(|unit| format!("{}>{}", unit.code, unit.into));
    let mut said = units.take(40).collect::<Vec<_>>().join(" ");
    said.push_str(&format!(" from {}, {} speakers", view.date, view.speakers.count));
    said
}
