//! Plays, planned and past, and the stream that says when to look again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use serde::Deserialize;
use tokio::sync::{broadcast, watch};
use utoipa::IntoParams;

use super::people::{Listed, speaker_for};
use super::{PAGE, Problem};
use crate::center::app::{App, Change, now_ms};
use crate::center::people::person::{Person, still_counts};
use crate::center::plays::{self, Play};
use crate::center::store::PlayFilter;
use crate::domain::DAY_MS;
use crate::domain::area::AreaTree;
use crate::domain::ids::AreaCode;
use crate::domain::role::Right;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct PlayQuery {
    /// A day ago where absent.
    from_ms: Option<i64>,
    /// A day ahead where absent.
    until_ms: Option<i64>,
    speaker: Option<String>,
    /// This area and all below it.
    area: Option<String>,
    schedule: Option<String>,
    bulletin: Option<String>,
    /// planned, playing, played, late, partial, missed, unreported; several by commas, as in all that follow.
    outcome: Option<String>,
    /// Codes such as powered_off.
    reason: Option<String>,
    /// filler, normal, priority, emergency.
    priority: Option<String>,
    /// scheduled, content_ready, sounded, heard_back.
    evidence: Option<String>,
    field: Option<String>,
    /// ISO 639-3.
    language: Option<String>,
    /// Whether it started within a second of its instant; what did not start at all did not.
    on_time: Option<bool>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Plays in a window of time, newest first
#[utoipa::path(get, path = "/api/v1/plays", params(PlayQuery), responses((status = 200, body = Listed<Play>), (status = 400, body = Problem)))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(query): Query<PlayQuery>,
) -> Result<Json<Listed<Play>>, Problem> {
    let now_ms = now_ms();
    let tree = app.store.areas().await?;
    let mut speakers = match &query.speaker {
        Some(id) => vec![speaker_for(&app, &person, Right::See, id).await?],
        None => app.store.speakers("", i64::MAX).await?,
    };
    let areas = areas_of(&app, &person, &tree, query.area.as_deref())?;
    speakers.retain(|row| areas.as_ref().is_none_or(|areas| areas.iter().any(|area| area == row.area.as_str())));
    let filter = filter(&query, areas, now_ms)?;
    let limit = query.limit.unwrap_or(PAGE as usize).clamp(1, PAGE as usize);
    let mut items = plays::list(&app, &speakers, &filter, now_ms, limit + 1).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more);
    let next_cursor = last.map(|last| format!("{},{},{}", last.start_ms, last.speaker, last.occurrence));
    Ok(Json(Listed { items, next_cursor }))
}

/// Every area whose plays somebody may see, or those of them below `area`; nothing where that is all there are.
fn areas_of(app: &App, person: &Person, tree: &AreaTree, area: Option<&str>) -> Result<Option<Vec<String>>, Problem> {
    person.filters();
    let wanted: Option<AreaCode> = area
        .filter(|area| !area.is_empty())
        .map(str::parse)
        .transpose()
        .map_err(|e| Problem::bad_request(format!("area: {e}")))?;
    if let Some(wanted) = &wanted {
        person.demand(Right::See, tree, wanted)?;
    }
    let whole = wanted.as_ref().is_none_or(|wanted| *wanted == app.site.area);
    if whole && person.sees(tree, &app.site.area) {
        return Ok(None);
    }
    let inside = |code: &AreaCode| match &wanted {
        Some(wanted) => tree.path(code).is_ok_and(|path| path.contains(wanted)),
        None => person.sees(tree, code),
    };
    Ok(Some(tree.iter().filter(|area| inside(&area.code)).map(|area| area.code.to_string()).collect()))
}

fn filter(query: &PlayQuery, areas: Option<Vec<String>>, now_ms: i64) -> Result<PlayFilter, Problem> {
    let several = |list: &Option<String>| -> Vec<String> {
        let words = list.as_deref().unwrap_or_default().split(',').map(str::trim);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let one = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let after = match query.cursor.as_deref() {
        None | Some("") => None,
        Some(cursor) => {
            let parts: Vec<&str> = cursor.splitn(3, ',').collect();
            let strange = || Problem::bad_request("the cursor is not one of ours; begin without one");
            let [start_ms, speaker, occurrence] = parts[..] else { return Err(strange()) };
            Some((start_ms.parse().map_err(|_| strange())?, speaker.to_owned(), occurrence.to_owned()))
        }
    };
    Ok(PlayFilter {
        from_ms: query.from_ms.unwrap_or(now_ms - DAY_MS),
        until_ms: query.until_ms.unwrap_or(now_ms + DAY_MS),
        areas,
        speaker: one(&query.speaker),
        schedule: one(&query.schedule),
        bulletin: one(&query.bulletin),
        outcomes: several(&query.outcome),
        reasons: several(&query.reason),
        priorities: several(&query.priority),
        evidence: several(&query.evidence),
        fields: several(&query.field),
        languages: several(&query.language),
        on_time: query.on_time,
        after,
    })
}

/// Server-sent events: `change` with the topic that is worth reading again
#[utoipa::path(get, path = "/api/v1/events", responses((status = 200, content_type = "text/event-stream")))]
pub async fn events(
    State((app, stop)): State<(Arc<App>, watch::Receiver<bool>)>,
    person: Person,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = app.changes.subscribe();
    let watcher = Watcher { changes, stop, checks: tokio::time::interval(CHECK_EVERY), app, person };
    let stream = futures_util::stream::unfold(watcher, async |mut watcher| {
        let topic = watcher.next_topic().await?;
        let event = Event::default().event("change").data(format!("{{\"topic\":\"{topic}\"}}"));
        Some((Ok(event), watcher))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

/// How often a page that only listens is asked whether its session still counts.
const CHECK_EVERY: Duration = Duration::from_secs(10);

struct Watcher {
    app: Arc<App>,
    person: Person,
    changes: broadcast::Receiver<Change>,
    stop: watch::Receiver<bool>,
    checks: tokio::time::Interval,
}

impl Watcher {
    async fn next_topic(&mut self) -> Option<&'static str> {
        loop {
            let topic = tokio::select! {
                _ = self.stop.wait_for(|stopped| *stopped) => return None,
                _ = self.checks.tick() => None,
                change = self.changes.recv() => match change {
                    Ok(change) => Some(change.as_str()),
                    // Too many to tell one by one; everything is worth reading again.
                    Err(broadcast::error::RecvError::Lagged(_)) => Some("all"),
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            };
            match topic {
                Some(topic) => return Some(topic),
                None if !still_counts(&self.app, &self.person, now_ms()).await => return None,
                None => {}
            }
        }
    }
}
