//! Speakers as they stand: a slim row for each of thousands, one in full, and what has turned about it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::people::{Listed, speaker_for};
use crate::center::app::{App, now_ms};
use crate::center::people::person::Person;
use crate::center::plays::{Play, plays};
use crate::center::standing::{Outlooks, faults, link};
use crate::center::store::{SpeakerRow, TurnRow};
use crate::domain::DAY_MS;
use crate::domain::area::AreaTree;
use crate::domain::bulletin::Language;
use crate::domain::ids::AreaCode;
use crate::domain::role::Right;
use crate::domain::standing::{Cause, Fault, Link, Standing, Subject};
use crate::protocol::message::{Health, PathState};

/// Most rows of one page: a province with room to spare.
const PAGE: i64 = 5_000;
const PAGE_UNLESS_SAID: i64 = 500;
/// Changes told at once, and how far back where nothing is said.
const TURNS: i64 = 2_000;
const HISTORY_MS: i64 = 7 * DAY_MS;

/// A speaker in a list. What is not known, or not so, is absent.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SpeakerListed {
    pub id: String,
    pub title: String,
    pub area: String,
    pub area_title: String,
    /// One word, the gravest that is true; the facts beside it are what it was judged by.
    pub standing: Standing,
    /// Every reason that speaks against *ready*, the gravest first.
    pub causes: Vec<Cause>,
    pub link: LinkView,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentView>,
    pub plan: PlanStateView,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultView>,
    /// The newest play that left its converter, or was heard back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven: Option<ProvenView>,
    /// How the newest play ended of which there is a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastView>,
    /// What it says that it is playing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playing: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_play: Option<NextPlay>,
    /// By how much an operator has made it louder or quieter than planned, in dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_db: Option<f32>,
    /// Degrees, WGS 84.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// ISO 639-3.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_with: Option<String>,
    /// Shut out by an operator.
    pub disabled: bool,
    /// Whether a board has been enrolled; true where boards are known by passwords.
    pub has_board: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LinkView {
    pub state: Link,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ClockView {
    pub trusted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_bound_ms: Option<f64>,
    /// Whom its time is from: `center`, `system` or `neighbour:<speaker>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// With a neighbour: by how much that is ahead of what the board knows by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apart_ms: Option<f64>,
    /// By how much the converter of its sound runs fast, as measured in the last play.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converter_ppm: Option<f32>,
}

/// Files that its plan needs, and those that are here and whole.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ContentView {
    pub ready: u32,
    pub wanted: u32,
}

/// The number of the newest plan that was made for it, and of the one that it goes by.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PlanStateView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<u64>,
    /// Why the speaker refused the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FaultView {
    pub fault: Fault,
    /// The board's own words, or a figure; may be empty.
    pub words: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProvenView {
    /// When that play began.
    pub at_ms: i64,
    /// sounded or heard_back.
    pub evidence: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LastView {
    pub start_ms: i64,
    /// played, late, partial or missed.
    pub outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NextPlay {
    pub start_ms: i64,
    pub title: String,
}

/// One speaker in full.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpeakerView {
    #[serde(flatten)]
    pub row: SpeakerListed,
    /// The version of the board's program.
    pub version: Option<String>,
    /// Records that it has yet to hand in.
    pub outbox: Option<u32>,
    /// Why its board can keep nothing on its disk, as long as that is so.
    pub store_problem: Option<String>,
    /// Why its amplifier is not as it should be, as long as that is so.
    pub amplifier_problem: Option<String>,
    /// Why it has nothing to listen with, where it should have.
    pub capture_problem: Option<String>,
    /// The way from its converter to what listens: `gain_db` of the last play, `baseline_db` as at installation.
    #[schema(value_type = Option<Object>)]
    pub path: Option<PathState>,
    /// In which way several plays in a row were not heard back as at installation: the amplifier or the horn is to be looked after.
    pub path_warning: Option<String>,
    /// How the board itself is, with `warnings`: temperature, card, disk, memory, what it writes.
    #[schema(value_type = Option<Object>)]
    pub health: Option<Health>,
    /// The newest play that should have been, whether there is a record of it or not.
    pub last_play: Option<Play>,
    /// Until when the certificate of its connection is valid; absent where no board was enrolled.
    pub certificate_until_ms: Option<i64>,
    /// Until when a code is good that was made for it and not used yet.
    pub code_until_ms: Option<i64>,
    /// Whether boards are enrolled by codes at this center at all.
    pub enrols: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SpeakerQuery {
    #[serde(default)]
    cursor: String,
    /// Rows on one page: 500 where absent, 5,000 at most.
    limit: Option<i64>,
}

/// Speakers with their link, clock, content and last proven sound, each for itself
#[utoipa::path(get, path = "/api/v1/speakers", params(SpeakerQuery), responses((status = 200, body = Listed<SpeakerListed>)))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(page): Query<SpeakerQuery>,
) -> Result<Json<Listed<SpeakerListed>>, Problem> {
    let areas = app.store.areas().await?;
    let (limit, shown) = (page.limit.unwrap_or(PAGE_UNLESS_SAID).clamp(1, PAGE), shown(&person, &areas));
    let (mut rows, mut after) = (vec![], page.cursor);
    // Whoever sees a few of thousands still gets full pages.
    while (rows.len() as i64) < limit {
        let read = app.store.speakers(&after, limit).await?;
        let Some(last) = read.last() else { break };
        after = last.id.to_string();
        let is_end = (read.len() as i64) < limit;
        rows.extend(read.into_iter().filter(|row| shown.contains(&row.area)));
        if is_end {
            break;
        }
    }
    rows.truncate(limit as usize);
    let next_cursor = (rows.len() as i64 == limit).then(|| rows.last().map(|row| row.id.to_string())).flatten();
    let mut outlooks = Outlooks::load(&app, now_ms()).await?;
    let items =
        tokio::task::block_in_place(|| rows.into_iter().map(|row| listed(&app, &areas, &mut outlooks, &row)).collect());
    Ok(Json(Listed { items, next_cursor }))
}

/// The units whose things somebody sees, asked once for each and not for each speaker.
pub fn shown(person: &Person, areas: &AreaTree) -> BTreeSet<AreaCode> {
    person.filters();
    areas.iter().map(|area| &area.code).filter(|code| person.sees(areas, code)).cloned().collect()
}

/// One speaker
#[utoipa::path(get, path = "/api/v1/speakers/{id}", responses((status = 200, body = SpeakerView), (status = 404, body = Problem)))]
pub async fn one(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Json<SpeakerView>, Problem> {
    let (row, now_ms) = (speaker_for(&app, &person, Right::See, &id).await?, now_ms());
    let areas = app.store.areas().await?;
    let recent = plays(&app, std::slice::from_ref(&row), now_ms - 7 * DAY_MS, now_ms, now_ms).await?;
    let detail = row.detail.as_ref();
    let view = SpeakerView {
        row: listed(&app, &areas, &mut Outlooks::load(&app, now_ms).await?, &row),
        version: detail.map(|detail| detail.version.clone()),
        outbox: detail.map(|detail| detail.outbox),
        amplifier_problem: detail.and_then(|detail| detail.amplifier_problem.clone()),
        store_problem: detail.and_then(|detail| detail.store_problem.clone()),
        capture_problem: detail.and_then(|detail| detail.capture_problem.clone()),
        path: detail.and_then(|detail| detail.path),
        path_warning: detail.and_then(|detail| detail.path_warning.clone()),
        health: detail.and_then(|detail| detail.health.clone()),
        last_play: recent.into_iter().find(|play| play.outcome != "planned" && play.outcome != "playing"),
        certificate_until_ms: app.gate.valid_until_ms(&row.id),
        code_until_ms: app.store.code_until_ms(&row.id, now_ms).await?,
        enrols: app.enrols(),
    };
    Ok(Json(view))
}

fn listed(app: &App, areas: &AreaTree, outlooks: &mut Outlooks, row: &SpeakerRow) -> SpeakerListed {
    let has_board = !app.enrols() || app.gate.valid_until_ms(&row.id).is_some();
    let (standing, causes) = outlooks.standing(row, has_board);
    let detail = row.detail.as_ref();
    let clock = detail.map(|detail| ClockView {
        trusted: detail.clock.trusted,
        error_bound_ms: detail.clock.error_us.map(|us| us as f64 / 1000.0),
        source: detail.clock.source.clone(),
        apart_ms: detail.clock.apart_us.map(|us| us as f64 / 1000.0),
        converter_ppm: detail.clock.converter_ppm,
    });
    let plan = PlanStateView {
        sent: outlooks.newest.get(&row.id).copied(),
        accepted: detail.and_then(|detail| detail.plan),
        refused: detail.and_then(|detail| detail.plan_refused.clone()),
    };
    let told = detail.map(faults).unwrap_or_default();
    SpeakerListed {
        id: row.id.to_string(),
        title: row.title.clone(),
        area: row.area.to_string(),
        area_title: areas.get(&row.area).map(|area| area.title.clone()).unwrap_or_default(),
        standing,
        causes,
        link: LinkView { state: link(row), since_ms: row.since_ms },
        clock,
        content: detail.map(|detail| ContentView { ready: detail.media_ready, wanted: detail.media_wanted }),
        plan,
        faults: told.into_iter().map(|(fault, words)| FaultView { fault, words }).collect(),
        proven: row.proven.map(|(at_ms, evidence)| ProvenView { at_ms, evidence: evidence.as_str().into() }),
        last: row.last.map(|(start_ms, outcome, reason)| LastView {
            start_ms,
            outcome: outcome.as_str().into(),
            reason: reason.map(|reason| reason.as_str().into()),
        }),
        playing: detail.filter(|_| row.online).and_then(|detail| detail.playing.as_ref()).map(ToString::to_string),
        next_play: outlooks.next(&row.id).map(|next| NextPlay { start_ms: next.start_ms, title: next.title }),
        volume_db: detail.and_then(|detail| detail.volume_db).filter(|db| *db != 0.0),
        latitude: row.traits.place.map(|place| place.0),
        longitude: row.traits.place.map(|place| place.1),
        languages: row.traits.languages.iter().map(Language::to_string).collect(),
        step_with: row.traits.step_with.clone(),
        disabled: row.disabled,
        has_board,
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Unix ms; a week ago where absent.
    from_ms: Option<i64>,
    /// Now where absent.
    until_ms: Option<i64>,
}

/// How a speaker stood at the beginning of a stretch of time, and what turned in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct HistoryView {
    pub from_ms: i64,
    pub until_ms: i64,
    /// The last word on each thing before that; absent what was not known.
    pub before: Vec<TurnView>,
    /// Oldest first.
    pub turns: Vec<TurnView>,
    /// There is more than is told: the oldest is left out. Ask for less time.
    pub more: bool,
}

/// One change.
#[derive(Debug, Serialize, ToSchema)]
pub struct TurnView {
    pub at_ms: i64,
    pub subject: Subject,
    /// Which fault; absent for all else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Of link: up, down, unheard. Clock: trusted, untrusted. Content: complete, lacking. Plan: taken, refused. Fault: begun, ended.
    /// Access: open, shut. Board: enrolled.
    pub value: String,
    /// The board's own words, or a figure; may be empty.
    pub detail: String,
}

/// What turned about a speaker: its link, clock, content, plan and faults, as changes; kept for 90 days
#[utoipa::path(get, path = "/api/v1/speakers/{id}/history", params(HistoryQuery),
    responses((status = 200, body = HistoryView), (status = 404, body = Problem)))]
pub async fn history(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<HistoryView>, Problem> {
    let speaker = speaker_for(&app, &person, Right::See, &id).await?.id;
    let until_ms = query.until_ms.unwrap_or_else(|| now_ms() + 1);
    let from_ms = query.from_ms.unwrap_or(until_ms.saturating_sub(HISTORY_MS));
    if from_ms >= until_ms {
        return Err(Problem::bad_request("from_ms must lie before until_ms"));
    }
    let mut turns = app.store.turns(&speaker, from_ms, until_ms, TURNS + 1).await?;
    let more = turns.len() as i64 > TURNS;
    turns.truncate(TURNS as usize);
    turns.reverse();
    let before = app.store.turns_standing(&speaker, from_ms).await?;
    let view = |row: TurnRow| TurnView {
        at_ms: row.at_ms,
        subject: row.subject,
        fault: Some(row.item).filter(|item| !item.is_empty()),
        value: row.value,
        detail: row.detail,
    };
    Ok(Json(HistoryView {
        from_ms,
        until_ms,
        before: before.into_iter().map(view).collect(),
        turns: turns.into_iter().map(view).collect(),
        more,
    }))
}
