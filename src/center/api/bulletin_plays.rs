//! Where and when a bulletin plays: an occurrence a row, with how many speakers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::bulletins::{bulletin_id, view};
use super::reach::seen;
use crate::center::app::{App, now_ms};
use crate::center::bulletin_plays::{ComingPlay, coming};
use crate::center::people::person::Person;
use crate::center::planner::known_fleet;
use crate::center::store::{PlayedRow, StoreError};
use crate::domain::area::AreaTree;
use crate::domain::plan::HORIZON_MS;

/// Most past plays in one answer: each counts thousands of records.
const PAST: i64 = 20;
/// A record is expected within this after the end of a play.
const REPORT_GRACE_MS: i64 = 60_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BulletinPlayQuery {
    /// Past plays that began before this; now where absent.
    before_ms: Option<i64>,
    limit: Option<i64>,
}

/// A play that a bulletin was in, with how it went on the speakers that the asker sees. Times in Unix ms.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PastPlay {
    pub occurrence: String,
    pub schedule: String,
    pub title: String,
    pub priority: String,
    pub start_ms: i64,
    pub end_ms: i64,
    pub played: u64,
    pub late: u64,
    pub partial: u64,
    pub missed: u64,
    /// Those that were to play it and have not said how it went. Only for who sees all speakers, and once it is over.
    pub unreported: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BulletinPlays {
    /// Soonest first, at most 200, as far as plans reach.
    pub coming: Vec<ComingPlay>,
    /// How far that is.
    pub until_ms: i64,
    /// Newest first. Plays are noted since this program does so; what was before is in the log of plays alone.
    pub past: Vec<PastPlay>,
    /// For the next page of past plays.
    pub next_before_ms: Option<i64>,
}

/// Where and when a bulletin is to play, and how it went
#[utoipa::path(get, path = "/api/v1/bulletins/{id}/plays", params(BulletinPlayQuery),
    responses((status = 200, body = BulletinPlays), (status = 404, body = Problem)))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<BulletinPlayQuery>,
) -> Result<Json<BulletinPlays>, Problem> {
    let bulletin = app.store.bulletin(&bulletin_id(&id)?).await?;
    let tree = app.store.areas().await?;
    let id = bulletin.id.clone();
    if seen(&person, &tree, view(&app, &person, bulletin).await?).is_none() {
        return Err(StoreError::NotFound(format!("bulletin {id}")).into());
    }
    let now_ms = now_ms();
    let (fleet, _) = known_fleet(&app, now_ms).await?;
    let coming = tokio::task::block_in_place(|| coming(&fleet, &id, now_ms, |area| person.sees(&tree, area)));
    let limit = query.limit.unwrap_or(PAST).clamp(1, PAST);
    let rows = app.store.plays_of(&id, query.before_ms.unwrap_or(now_ms).min(now_ms), limit).await?;
    let next_before_ms = rows.last().filter(|_| rows.len() as i64 == limit).map(|row| row.first_ms);
    let mut past = vec![];
    for row in rows {
        past.extend(went(&app, &person, &tree, row, now_ms).await?);
    }
    Ok(Json(BulletinPlays { coming, until_ms: now_ms + HORIZON_MS, past, next_before_ms }))
}

/// How a play went where they see it; nothing where none of their speakers tells of it.
async fn went(
    app: &App,
    person: &Person,
    tree: &AreaTree,
    row: PlayedRow,
    now_ms: i64,
) -> Result<Option<PastPlay>, Problem> {
    let everywhere = person.sees(tree, &app.site.area);
    let counted = app.store.count_records(&row).await?;
    let sum = |outcome: &str| {
        let here = counted.iter().filter(|one| one.outcome == outcome && person.sees(tree, &one.area));
        here.map(|one| one.speakers).sum::<u64>()
    };
    let (played, late, partial, missed) = (sum("played"), sum("late"), sum("partial"), sum("missed"));
    let told = played + late + partial + missed;
    let over = now_ms > row.end_ms + REPORT_GRACE_MS;
    if told == 0 && !everywhere {
        return Ok(None);
    }
    Ok(Some(PastPlay {
        schedule: row.occurrence.parts().map(|(schedule, ..)| schedule.to_string()).unwrap_or_default(),
        occurrence: row.occurrence.to_string(),
        title: row.title,
        priority: row.priority.to_string(),
        start_ms: row.first_ms,
        end_ms: row.end_ms,
        played,
        late,
        partial,
        missed,
        unreported: (everywhere && over).then(|| row.speakers.saturating_sub(told)),
    }))
}
