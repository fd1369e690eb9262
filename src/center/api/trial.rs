//! Speakers that the center runs itself for trial: beginning and ending them, where their sound goes, and hearing it where that is a file.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::people::speaker_for;
use crate::audio::{RATE_HZ, wav};
use crate::center::app::{App, Change};
use crate::center::people::person::Person;
use crate::center::store::StoreError;
use crate::center::trial::{self, Out, Sounding};
use crate::domain::ids::SpeakerId;
use crate::domain::role::Right;

/// Most that is played back of what a trial speaker has put into its file: the end of it.
const HEARD_S: u32 = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrialSound {
    /// A sound device of the center's machine: what is played there can be proven to have sounded.
    Device,
    /// A file, since that machine has no sound device: it proves that the content was ready, and can be heard afterwards.
    File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrialState {
    Starting,
    Running,
    /// It ended and is begun again, if that can help.
    Failed,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TrialView {
    pub speaker: String,
    pub state: TrialState,
    /// Where its sound goes, once it runs.
    pub sound: Option<TrialSound>,
    /// The device's name, or why it failed.
    pub detail: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Trials {
    /// Why there can be none here; absent where there can.
    pub refused: Option<String>,
    /// How many there can be at a time.
    pub most: usize,
    pub items: Vec<TrialView>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrialWish {
    /// `auto`: the machine's sound device if it has one, else a file. `file`: a file.
    #[schema(value_type = String, example = "auto")]
    pub out: Out,
}

/// The trial speakers that one sees, and whether there can be any
#[utoipa::path(get, path = "/api/v1/trials", responses((status = 200, body = Trials)))]
pub async fn list(State(app): State<Arc<App>>, person: Person) -> Result<Json<Trials>, Problem> {
    person.filters();
    let areas = app.store.areas().await?;
    let mut items = vec![];
    for (id, state) in app.trials.states() {
        match app.store.speaker(&id).await {
            Ok(row) if person.sees(&areas, &row.area) => items.push(view(&id, state)),
            Ok(_) | Err(StoreError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(Trials { refused: trial::refusal(&app).map(str::to_owned), most: trial::MOST, items }))
}

/// Run this speaker on the center's own machine, for trial; where it runs already, anew
#[utoipa::path(post, path = "/api/v1/speakers/{id}/trial", request_body = TrialWish,
    responses((status = 201, body = TrialView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn begin(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
    wish: Option<Json<TrialWish>>,
) -> Result<(StatusCode, Json<TrialView>), Problem> {
    let id = speaker_for(&app, &person, Right::OperateSpeakers, &id).await?.id;
    if let Some(why) = trial::refusal(&app) {
        return Err(Problem::conflict(why));
    }
    if !trial::is_trial(&app, &id) && app.gate.valid_until_ms(&id).is_some() {
        return Err(Problem::conflict(format!(
            "speaker {id} has a board, which a trial would put out; add another speaker for trial"
        )));
    }
    let out = wish.map(|Json(wish)| wish.out).unwrap_or_default();
    if !trial::begin(&app, &id, out).await.map_err(Problem::internal)? {
        return Err(Problem::conflict(format!(
            "there are {} trial speakers already, and more are no trial; end one of them first",
            trial::MOST
        )));
    }
    app.changed(Change::Speakers);
    let state = app.trials.state(&id).unwrap_or(trial::State::Starting);
    Ok((StatusCode::CREATED, Json(view(&id, state))))
}

/// End the trial; the speaker and its record stay, and a board can be enrolled for it
#[utoipa::path(delete, path = "/api/v1/speakers/{id}/trial", responses((status = 204), (status = 404, body = Problem)))]
pub async fn end(State(app): State<Arc<App>>, person: Person, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let id = speaker_for(&app, &person, Right::OperateSpeakers, &id).await?.id;
    if !trial::end(&app, &id).await.map_err(Problem::internal)? {
        return Err(Problem::not_found(format!("speaker {id} is no trial speaker")));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What a trial speaker without a sound device has played last, two minutes at most
#[utoipa::path(get, path = "/api/v1/speakers/{id}/trial/sound",
    responses((status = 200, content_type = "audio/wav"), (status = 404, body = Problem)))]
pub async fn sound(State(app): State<Arc<App>>, person: Person, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = speaker_for(&app, &person, Right::See, &id).await?.id;
    let path = trial::sound_file(&app, &id);
    let bytes = tokio::task::spawn_blocking(move || end_of(path)).await.map_err(Problem::internal)?;
    let bytes = bytes.ok().flatten();
    let bytes =
        bytes.ok_or_else(|| Problem::not_found(format!("nothing was played into a file by speaker {id} yet")))?;
    Ok(([(header::CONTENT_TYPE, "audio/wav")], bytes).into_response())
}

/// The end of a WAV file that may still be written, as a whole one.
fn end_of(path: PathBuf) -> std::io::Result<Option<Vec<u8>>> {
    let mut file = std::fs::File::open(path)?;
    let there = file.metadata()?.len().saturating_sub(wav::HEADER_BYTES as u64) & !1;
    let most = u64::from(HEARD_S * RATE_HZ * 2);
    let taken = there.min(most);
    if taken == 0 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(wav::HEADER_BYTES as u64 + there - taken))?;
    let mut bytes = wav::header(u32::try_from(taken).unwrap_or(0)).to_vec();
    file.take(taken).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn view(id: &SpeakerId, state: trial::State) -> TrialView {
    let (state, sound, detail) = match state {
        trial::State::Starting => (TrialState::Starting, None, None),
        trial::State::Runs(Sounding::Device(name)) => (TrialState::Running, Some(TrialSound::Device), Some(name)),
        trial::State::Runs(Sounding::File) => (TrialState::Running, Some(TrialSound::File), None),
        trial::State::Failed(why) => (TrialState::Failed, None, Some(why)),
    };
    TrialView { speaker: id.to_string(), state, sound, detail }
}
