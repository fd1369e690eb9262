//! Files as they come in: whole in one body, or part by part, to be gone on with after a lost line, a reload or a restart of the server.
//!
//! An upload by parts belongs to the person who began it, is used up by one bulletin or revision, and is forgotten after a day. Part files
//! lie beside those that wait for conversion; nothing here reads what is in them.

use std::collections::HashSet;
use std::io::SeekFrom;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::bulletins::file_name;
use super::people::Listed;
use crate::center::app::{App, now_ms};
use crate::center::datadir::random_text;
use crate::center::people::person::{Person, Visit};
use crate::center::store::{StoreError, UploadRow};
use crate::domain::DAY_MS;

/// Unfinished uploads: of one person, and of all together.
const MOST_OF_ONE: usize = 5;
const MOST_OF_ALL: usize = 100;
/// An upload may take as long as a slow line needs, but not stand still for longer than this.
const LONGEST_STALL: Duration = Duration::from_secs(60);
/// So much of a part that goes on and on is made safe at a time.
const SAFE_BYTES: u64 = 8 * 1024 * 1024;
/// The header of an answer that says where the next part begins.
const OFFSET: &str = "upload-offset";

#[derive(Debug, Deserialize, ToSchema)]
pub struct NewUpload {
    /// For people.
    #[serde(default)]
    pub file_name: String,
    /// How large the whole file is.
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct UploadView {
    pub id: String,
    pub file_name: String,
    pub bytes: u64,
    /// How much of it is safely here: where the next part begins.
    pub received: u64,
    /// When it is forgotten unless it is used.
    pub ends_ms: i64,
}

fn upload_view(row: &UploadRow) -> UploadView {
    UploadView {
        id: row.id.clone(),
        file_name: row.file_name.clone(),
        bytes: row.bytes,
        received: row.received,
        ends_ms: row.ends_ms,
    }
}

fn most_bytes(app: &App) -> u64 {
    app.config.http.upload_mb.saturating_mul(1024 * 1024)
}

fn too_large(app: &App) -> Problem {
    let detail = format!("the file is larger than the {} MiB that are allowed here", app.config.http.upload_mb);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// Begin to send a file in part by part
#[utoipa::path(post, path = "/api/v1/uploads", request_body = NewUpload,
    responses((status = 201, body = UploadView), (status = 409, body = Problem), (status = 413, body = Problem)))]
pub async fn begin(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(new): Json<NewUpload>,
) -> Result<(StatusCode, Json<UploadView>), Problem> {
    visit.changed_nothing();
    if new.bytes == 0 {
        return Err(Problem::bad_request("the file is empty"));
    }
    if new.bytes > most_bytes(&app) {
        return Err(too_large(&app));
    }
    let now_ms = now_ms();
    for id in app.store.drop_uploads(now_ms).await? {
        let _ = tokio::fs::remove_file(app.upload_path(&id)).await;
    }
    let known = app.store.uploads().await?;
    if known.iter().filter(|row| row.account == person.name).count() >= MOST_OF_ONE {
        return Err(Problem::conflict(format!(
            "you have {MOST_OF_ONE} unfinished uploads; finish one of them, or discard it"
        )));
    }
    if known.len() >= MOST_OF_ALL {
        return Err(Problem::conflict(format!(
            "{MOST_OF_ALL} uploads are unfinished here, more than there is room for; try again later"
        )));
    }
    let row = UploadRow {
        id: random_text(18).map_err(Problem::internal)?,
        account: person.name.clone(),
        file_name: file_name(&new.file_name),
        bytes: new.bytes,
        received: 0,
        created_ms: now_ms,
        ends_ms: now_ms + DAY_MS,
    };
    File::create_new(app.upload_path(&row.id)).await.map_err(Problem::unwritten)?;
    app.store.add_upload(&row).await?;
    Ok((StatusCode::CREATED, Json(upload_view(&row))))
}

/// One's own unfinished uploads, newest first
#[utoipa::path(get, path = "/api/v1/uploads", responses((status = 200, body = Listed<UploadView>)))]
pub async fn list(State(app): State<Arc<App>>, person: Person) -> Result<Json<Listed<UploadView>>, Problem> {
    let rows = app.store.uploads().await?;
    let own = rows.iter().filter(|row| row.account == person.name && row.ends_ms > now_ms());
    Ok(Json(Listed { items: own.map(upload_view).collect(), next_cursor: None }))
}

/// How much of an upload is here
#[utoipa::path(get, path = "/api/v1/uploads/{id}", responses((status = 200, body = UploadView), (status = 404, body = Problem)))]
pub async fn one(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Json<UploadView>, Problem> {
    Ok(Json(upload_view(&app.store.upload(&id, &person.name).await?)))
}

/// Discard an upload
#[utoipa::path(delete, path = "/api/v1/uploads/{id}", responses((status = 204), (status = 404, body = Problem)))]
pub async fn discard(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    visit.changed_nothing();
    let row = app.store.upload(&id, &person.name).await?;
    let _alone = app.uploading.take(&row.id)?;
    app.store.drop_upload(&row.id).await?;
    let _ = tokio::fs::remove_file(app.upload_path(&row.id)).await;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PartQuery {
    /// Where in the file this part begins: what is here already.
    offset: u64,
}

/// Send the next part of an upload: the body. Where it does not begin where the last one ended, the answer is 409 and its header `upload-offset` says
/// where that is. What came of a part before the line broke is kept
#[utoipa::path(put, path = "/api/v1/uploads/{id}", params(PartQuery), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = UploadView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn part(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Path(id): Path<String>,
    Query(query): Query<PartQuery>,
    body: Body,
) -> Result<Response, Problem> {
    visit.changed_nothing();
    let alone = app.uploading.take(&id)?;
    let mut row = app.store.upload(&id, &person.name).await?;
    if query.offset != row.received {
        let problem = Problem::conflict(format!("{} bytes of this file are here; go on from there", row.received));
        return Ok(([(OFFSET, row.received.to_string())], problem).into_response());
    }
    let taken = take_part(&app, &mut row, body).await;
    drop(alone);
    taken?;
    Ok(([(OFFSET, row.received.to_string())], Json(upload_view(&row))).into_response())
}

async fn take_part(app: &App, row: &mut UploadRow, body: Body) -> Result<(), Problem> {
    let mut file = File::options().write(true).open(app.upload_path(&row.id)).await.map_err(Problem::unwritten)?;
    // What came after the last that was made safe may not be what was sent.
    file.set_len(row.received).await.map_err(Problem::unwritten)?;
    file.seek(SeekFrom::End(0)).await.map_err(Problem::unwritten)?;
    let mut stream = body.into_data_stream();
    let mut unsafe_bytes = 0u64;
    let ended = loop {
        let part = match next_part(&mut stream).await {
            Ok(Some(part)) => part,
            Ok(None) => break Ok(()),
            Err(problem) => break Err(problem),
        };
        if row.received + unsafe_bytes + part.len() as u64 > row.bytes {
            // Of another file, it seems: nothing of this part is believed.
            unsafe_bytes = 0;
            break Err(Problem::bad_request("more came than was announced; begin this upload again"));
        }
        if let Err(error) = file.write_all(&part).await {
            break Err(Problem::unwritten(error));
        }
        unsafe_bytes += part.len() as u64;
        if unsafe_bytes >= SAFE_BYTES {
            make_safe(app, &mut file, row, &mut unsafe_bytes).await?;
        }
    };
    make_safe(app, &mut file, row, &mut unsafe_bytes).await?;
    ended
}

async fn make_safe(app: &App, file: &mut File, row: &mut UploadRow, unsafe_bytes: &mut u64) -> Result<(), Problem> {
    file.sync_all().await.map_err(Problem::unwritten)?;
    row.received += std::mem::take(unsafe_bytes);
    Ok(app.store.received(&row.id, row.received).await?)
}

/// Uploads at which somebody is at work, so that two requests never write to one file, nor use it twice.
#[derive(Debug, Default)]
pub struct Uploading(Mutex<HashSet<String>>);

pub struct Alone<'a> {
    all: &'a Uploading,
    id: String,
}

impl Uploading {
    fn take(&self, id: &str) -> Result<Alone<'_>, Problem> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned()) {
            Ok(Alone { all: self, id: id.to_owned() })
        } else {
            Err(Problem::conflict("another part of this file is on its way; wait for it"))
        }
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// How the sound of a new revision comes.
pub struct Arriving<'a> {
    pub upload: Option<&'a str>,
    pub file_name: &'a str,
    pub body: Body,
}

/// A file that is here whole and waits to become a revision.
pub struct Arrived<'a> {
    pub upload: String,
    pub file_name: String,
    /// It came by parts; nobody else uses it meanwhile.
    alone: Option<Alone<'a>>,
}

impl Arrived<'_> {
    /// Whether it became one. What came in one body is worth nothing without; what came by parts can be tried again.
    pub fn kept(&self, app: &App, added: Result<(), StoreError>) -> Result<(), Problem> {
        if added.is_err() && self.alone.is_none() {
            let _ = std::fs::remove_file(app.upload_path(&self.upload));
        }
        Ok(added?)
    }
}

/// The file of a request: its body, or what was sent in before.
pub async fn arrive<'a>(app: &'a App, person: &Person, arriving: Arriving<'_>) -> Result<Arrived<'a>, Problem> {
    let Some(id) = arriving.upload else {
        let file_name = arriving.file_name.to_owned();
        return Ok(Arrived { upload: receive(app, arriving.body).await?, file_name, alone: None });
    };
    let alone = app.uploading.take(id)?;
    let row = app.store.upload(id, &person.name).await?;
    if row.received < row.bytes {
        let (here, all) = (row.received, row.bytes);
        return Err(Problem::conflict(format!(
            "only {here} of {all} bytes of this file are here; send the rest first"
        )));
    }
    let file_name = if arriving.file_name.is_empty() { row.file_name } else { arriving.file_name.to_owned() };
    Ok(Arrived { upload: row.id, file_name, alone: Some(alone) })
}

/// Streams a body to a file of its own and gives that file's name. What breaks off or is too large leaves nothing.
async fn receive(app: &App, body: Body) -> Result<String, Problem> {
    let name = random_text(18).map_err(Problem::internal)?;
    let path = app.upload_path(&name);
    let result = write_body(app, body, &path).await;
    if result.is_err() {
        let _ = tokio::fs::remove_file(&path).await;
    }
    result.map(|()| name)
}

type Parts = axum::body::BodyDataStream;

async fn next_part(stream: &mut Parts) -> Result<Option<axum::body::Bytes>, Problem> {
    let Ok(part) = tokio::time::timeout(LONGEST_STALL, stream.next()).await else {
        let detail = "nothing came for a minute, so the upload was broken off; send it again";
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
    };
    part.transpose().map_err(|_| Problem::bad_request("the upload broke off; send it again"))
}

async fn write_body(app: &App, body: Body, path: &std::path::Path) -> Result<(), Problem> {
    let most = most_bytes(app);
    let mut file = File::create_new(path).await.map_err(Problem::unwritten)?;
    let mut stream = body.into_data_stream();
    let mut bytes = 0u64;
    // What refuses it is told when all has come: who is cut off in the middle of sending does not hear why.
    let mut refused = None;
    while let Some(part) = next_part(&mut stream).await? {
        bytes += part.len() as u64;
        if bytes > most {
            refused = Some(too_large(app));
        } else if refused.is_none() {
            refused = file.write_all(&part).await.err().map(Problem::unwritten);
        }
        if bytes > most.saturating_mul(2) {
            break;
        }
    }
    if let Some(refused) = refused {
        return Err(refused);
    }
    if bytes == 0 {
        return Err(Problem::bad_request("the file is empty"));
    }
    file.sync_all().await.map_err(Problem::unwritten)
}
