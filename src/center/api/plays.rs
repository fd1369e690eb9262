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
use crate::center::plays::{Play, plays};
use crate::domain::DAY_MS;
use crate::domain::role::Right;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PlayQuery {
    /// A day ago where absent.
    from_ms: Option<i64>,
    /// A day ahead where absent.
    until_ms: Option<i64>,
    speaker: Option<String>,
    /// How many to leave out from the newest.
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Plays in a window of time, newest first
#[utoipa::path(get, path = "/api/v1/plays", params(PlayQuery), responses((status = 200, body = Listed<Play>)))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(query): Query<PlayQuery>,
) -> Result<Json<Listed<Play>>, Problem> {
    let now_ms = now_ms();
    let from_ms = query.from_ms.unwrap_or(now_ms - DAY_MS);
    let until_ms = query.until_ms.unwrap_or(now_ms + DAY_MS);
    let speakers = match &query.speaker {
        Some(id) => vec![speaker_for(&app, &person, Right::See, id).await?],
        None => {
            let areas = app.store.areas().await?;
            let mut speakers = app.store.speakers("", i64::MAX).await?;
            speakers.retain(|row| person.sees(&areas, &row.area));
            person.filters();
            speakers
        }
    };
    let all = plays(&app, &speakers, from_ms, until_ms, now_ms).await?;
    let skip: usize = match query.cursor.as_deref() {
        None | Some("") => 0,
        Some(cursor) => cursor.parse().map_err(|_| Problem::bad_request("the cursor is not one of ours"))?,
    };
    let limit = query.limit.unwrap_or(PAGE as usize).clamp(1, PAGE as usize);
    let end = skip.saturating_add(limit);
    let next_cursor = (all.len() > end).then(|| end.to_string());
    Ok(Json(Listed { items: all.into_iter().skip(skip).take(limit).collect(), next_cursor }))
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
