//! The sound of a revision as it would be broadcast, and its outline.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use crate::audio::peaks::Peaks;
use crate::audio::source::Source;
use crate::center::app::App;
use crate::center::people::person::Person;
use crate::domain::bulletin::RevisionState;
use crate::domain::ids::MediaHash;

/// A sound's name, if they may hear it.
async fn heard(app: &App, person: &Person, hash: &str) -> Result<MediaHash, Problem> {
    let hash: MediaHash = hash.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let tree = app.store.areas().await?;
    let heard = app.store.bulletins_of(&hash).await?.into_iter().any(|(area, state)| {
        person.sees(&tree, &area) || (state == RevisionState::Approved && person.stands_below(&tree, &area))
    });
    if heard { Ok(hash) } else { Err(Problem::not_found(format!("media {hash} is not here"))) }
}

/// The sound of a revision in the broadcast form
#[utoipa::path(get, path = "/api/v1/media/{hash}", responses((status = 200, content_type = "audio/ogg"), (status = 404, body = Problem)))]
pub async fn media(State(app): State<Arc<App>>, person: Person, Path(hash): Path<String>) -> Result<Response, Problem> {
    let hash = heard(&app, &person, &hash).await?;
    let bytes = app.media.read(&hash).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Problem::not_found(format!("media {hash} is not here")),
        _ => Problem::internal(e),
    })?;
    Ok(([(header::CONTENT_TYPE, "audio/ogg; codecs=opus")], bytes).into_response())
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PeaksView {
    /// The highest sample of so many equal stretches, at most 1,000: 0 is silence, 255 full scale.
    pub peaks: Vec<u8>,
}

/// The outline of a sound, for a picture of it
#[utoipa::path(get, path = "/api/v1/media/{hash}/peaks", responses((status = 200, body = PeaksView), (status = 404, body = Problem)))]
pub async fn peaks(
    State(app): State<Arc<App>>,
    person: Person,
    Path(hash): Path<String>,
) -> Result<Json<PeaksView>, Problem> {
    let hash = heard(&app, &person, &hash).await?;
    if let Some(peaks) = app.store.peaks(&hash).await? {
        return Ok(Json(PeaksView { peaks }));
    }
    // Of a time before outlines were kept: made now, one at a time, since decoding takes a processor.
    let _one = app.outlining.lock().await;
    let path = app.media.path(&hash);
    let made = tokio::task::spawn_blocking(move || outline(&path)).await.map_err(Problem::internal)?;
    let peaks = made.ok_or_else(|| Problem::not_found(format!("media {hash} is not here, or cannot be read")))?;
    app.store.keep_peaks(&hash, &peaks).await?;
    Ok(Json(PeaksView { peaks }))
}

fn outline(path: &std::path::Path) -> Option<Vec<u8>> {
    let mut source = Source::open(path).ok()?;
    let (mut peaks, mut block, mut more) = (Peaks::default(), vec![], true);
    while more {
        block.clear();
        more = source.next(&mut block);
        peaks.add(&block);
    }
    Some(peaks.finish())
}
