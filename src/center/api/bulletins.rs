//! Bulletins: uploading, listening, and the steps from draft to approved.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::people::{Listed, Page, titled};
use super::reach::{bulletin_for, seen};
use crate::center::app::{App, Change, now_ms};
use crate::center::datadir::random_text;
use crate::center::people::person::{Person, Visit};
use crate::center::store::{BulletinRow, Intake, RevisionRow, StoreError};
use crate::domain::approval::{Approval, Role};
use crate::domain::bulletin::{Language, RevisionState, Step};
use crate::domain::field::Field;
use crate::domain::ids::{AreaCode, BulletinId, KeyId, MediaHash};
use crate::domain::priority::Priority;
use crate::domain::role::Right;
use crate::protocol::envelope::Envelope;
use crate::protocol::limits::STATEMENT_BYTES;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BulletinView {
    pub id: String,
    pub title: String,
    pub language: String,
    pub area: String,
    pub text: String,
    /// What it is about (lĩnh vực).
    #[serde(default)]
    pub field: Field,
    pub created_ms: i64,
    /// Oldest first.
    pub revisions: Vec<RevisionView>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RevisionView {
    pub revision: u32,
    /// draft, submitted, approved, returned or withdrawn.
    pub state: String,
    /// Why it was returned.
    pub reason: Option<String>,
    /// received (being converted), refused or ready.
    pub intake: String,
    /// Percent, while being converted.
    pub progress: Option<u8>,
    /// Why the file was refused.
    pub problem: Option<String>,
    pub file_name: String,
    pub warnings: Vec<String>,
    pub sound: Option<SoundView>,
    /// Whose approvals count, and how many are needed.
    #[serde(default)]
    pub approvals: Vec<ApprovalView>,
    #[serde(default)]
    pub approvals_needed: usize,
    pub created_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApprovalView {
    /// The approver's key.
    pub approver: String,
    /// The person, as the authority certified.
    pub title: String,
    /// Up to which priority, and until when.
    pub highest: String,
    pub valid_until_ms: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SoundView {
    /// SHA-256 of the broadcast form; listen at /api/v1/media/{hash}.
    pub media: String,
    pub bytes: u64,
    pub duration_ms: i64,
    pub loudness_lufs: f64,
    pub true_peak_dbtp: f64,
    pub gain_db: f32,
}

fn revision_view(app: &App, row: &RevisionRow, approvals: Vec<ApprovalView>, approvals_needed: usize) -> RevisionView {
    let (intake, problem, sound) = match &row.intake {
        Intake::Received { .. } => ("received", None, None),
        Intake::Refused { problem } => ("refused", Some(problem.clone()), None),
        Intake::Ready(sound) => ("ready", None, Some(sound)),
    };
    let progress =
        app.progress.lock().ok().and_then(|progress| progress.get(&(row.bulletin.clone(), row.revision)).copied());
    RevisionView {
        revision: row.revision,
        state: row.state.name().into(),
        reason: if let RevisionState::Returned { reason } = &row.state { Some(reason.clone()) } else { None },
        intake: intake.into(),
        progress,
        problem,
        file_name: row.file_name.clone(),
        warnings: row.warnings.clone(),
        sound: sound.map(|sound| SoundView {
            media: sound.media.to_string(),
            bytes: sound.bytes,
            duration_ms: sound.duration_ms,
            loudness_lufs: sound.loudness.integrated_lufs,
            true_peak_dbtp: sound.loudness.true_peak_dbtp,
            gain_db: sound.gain_db,
        }),
        approvals,
        approvals_needed,
        created_ms: row.created_ms,
    }
}

async fn view(app: &App, bulletin: BulletinRow) -> Result<BulletinView, Problem> {
    let rows = app.store.revisions(&bulletin.id).await?;
    let certificates = app.store.certificates().await?;
    let title = |key: &KeyId| {
        certificates.iter().find(|row| row.key == *key).map(|row| row.certificate.title.clone()).unwrap_or_default()
    };
    let mut revisions = vec![];
    for row in &rows {
        let approvals = approvals_of(app, row).await?;
        let mut needed = approvers_needed(app, std::slice::from_ref(&bulletin.area), Priority::Normal).await?;
        for approval in &approvals {
            needed = needed.max(approvers_needed(app, &approval.areas, approval.highest).await?);
        }
        let approvals = approvals.into_iter().map(|approval| ApprovalView {
            title: title(&approval.approver),
            approver: approval.approver.to_string(),
            highest: approval.highest.to_string(),
            valid_until_ms: approval.valid_until_ms,
        });
        revisions.push(revision_view(app, row, approvals.collect(), needed));
    }
    Ok(BulletinView {
        field: app.store.field(&bulletin.id).await?,
        id: bulletin.id.to_string(),
        title: bulletin.title,
        language: bulletin.language.to_string(),
        area: bulletin.area.to_string(),
        text: bulletin.words,
        created_ms: bulletin.created_ms,
        revisions,
    })
}

fn bulletin_id(text: &str) -> Result<BulletinId, Problem> {
    text.parse().map_err(|e| Problem::bad_request(format!("{e}")))
}

/// Bulletins with their revisions
#[utoipa::path(get, path = "/api/v1/bulletins", params(("cursor" = Option<String>, Query), ("limit" = Option<i64>, Query)),
    responses((status = 200, body = Listed<BulletinView>)))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(page): Query<Page>,
) -> Result<Json<Listed<BulletinView>>, Problem> {
    person.filters();
    let tree = app.store.areas().await?;
    let (mut items, mut after) = (vec![], page.cursor().to_owned());
    while (items.len() as i64) < page.limit() {
        let rows = app.store.bulletins(&after, page.limit()).await?;
        let Some(last) = rows.last() else { break };
        after = last.id.to_string();
        for row in rows {
            if person.sees(&tree, &row.area) || person.stands_below(&tree, &row.area) {
                items.extend(seen(&person, &tree, view(&app, row).await?));
            }
        }
    }
    items.truncate(page.limit() as usize);
    let full = items.len() as i64 == page.limit();
    let next_cursor = items.last().filter(|_| full).map(|last| last.id.clone());
    Ok(Json(Listed { items, next_cursor }))
}

/// One bulletin
#[utoipa::path(get, path = "/api/v1/bulletins/{id}", responses((status = 200, body = BulletinView), (status = 404, body = Problem)))]
pub async fn one(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Json<BulletinView>, Problem> {
    let bulletin = app.store.bulletin(&bulletin_id(&id)?).await?;
    let shown = seen(&person, &app.store.areas().await?, view(&app, bulletin).await?);
    shown.map(Json).ok_or_else(|| StoreError::NotFound(format!("bulletin {id}")).into())
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NewBulletin {
    /// Made up where absent.
    id: Option<String>,
    title: String,
    /// ISO 639-3.
    language: String,
    area: String,
    /// The bulletin of which this is another language version.
    version_of: Option<String>,
    /// What it is about, for reports: society, economy, culture, health, education, security, disaster or other.
    field: Option<Field>,
    /// The file's name, for people.
    #[serde(default)]
    file_name: String,
}

/// Add a bulletin: the body is the audio file. It is converted afterwards; look at `intake` until it is ready or refused
#[utoipa::path(post, path = "/api/v1/bulletins", params(NewBulletin), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = BulletinView), (status = 400, body = Problem), (status = 413, body = Problem)))]
pub async fn add(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Query(new): Query<NewBulletin>,
    body: Body,
) -> Result<(StatusCode, Json<BulletinView>), Problem> {
    let id = match &new.id {
        Some(id) => bulletin_id(id)?,
        None => made_up_id().map_err(Problem::internal)?,
    };
    let language: Language = new.language.parse().map_err(Problem::bad_request)?;
    let area: AreaCode = new.area.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    person.demand(Right::EditContent, &app.store.areas().await?, &area)?;
    let title = titled(&new.title)?;
    let version_of = match &new.version_of {
        // It is played wherever the original is.
        Some(of) => {
            let of = bulletin_id(of)?;
            if app.store.bulletin(&of).await.is_ok() {
                bulletin_for(&app, &person, &[Right::EditContent], &of).await?;
            }
            Some(original(&app, &of, &id, &language).await?)
        }
        None => None,
    };
    visit.note(format!("{id} in {area}"));
    let upload = receive(&app, body).await?;
    let row = BulletinRow { id, title, language, area, words: String::new(), created_ms: now_ms(), version_of };
    if let Err(error) = app.store.add_bulletin(&row, &file_name(&new.file_name), &upload).await {
        let _ = std::fs::remove_file(app.upload_path(&upload));
        return Err(error.into());
    }
    if let Some(field) = new.field {
        app.store.set_field(&row.id, field).await?;
    }
    app.ingest_bell.notify_one();
    Ok((StatusCode::CREATED, Json(view(&app, row).await?)))
}

/// The bulletin of which a new one is to be another language version: an original itself, and without a version in that language.
async fn original(app: &App, of: &BulletinId, id: &BulletinId, language: &Language) -> Result<BulletinId, Problem> {
    let original = app.store.bulletin(of).await.map_err(|e| Problem::bad_request(format!("version_of: {e}")))?;
    if let Some(further) = original.version_of {
        return Err(Problem::bad_request(format!("version_of: {of} is itself a version of {further}; name that one")));
    }
    let voices = app.store.voices().await?;
    let taken = voices
        .iter()
        .find(|(other, spoken, base)| other != id && spoken == language && (base.as_ref() == Some(of) || other == of));
    match taken {
        Some((other, ..)) => Err(Problem::bad_request(format!("{other} is the version of {of} in {language} already"))),
        None => Ok(of.clone()),
    }
}

fn made_up_id() -> Result<BulletinId, String> {
    let mut random = [0; 6];
    getrandom::fill(&mut random).map_err(|e| e.to_string())?;
    format!("b-{}", hex::encode(random)).parse().map_err(|e| format!("{e}"))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NewRevision {
    #[serde(default)]
    file_name: String,
}

/// Add a revision: new audio for a bulletin, which needs its own approval
#[utoipa::path(post, path = "/api/v1/bulletins/{id}/revisions", params(NewRevision),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = BulletinView), (status = 404, body = Problem)))]
pub async fn revise(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
    Query(new): Query<NewRevision>,
    body: Body,
) -> Result<(StatusCode, Json<BulletinView>), Problem> {
    let row = bulletin_for(&app, &person, &[Right::EditContent], &bulletin_id(&id)?).await?;
    let upload = receive(&app, body).await?;
    if let Err(error) = app.store.add_revision(&row.id, &file_name(&new.file_name), &upload, now_ms()).await {
        let _ = std::fs::remove_file(app.upload_path(&upload));
        return Err(error.into());
    }
    app.ingest_bell.notify_one();
    Ok((StatusCode::CREATED, Json(view(&app, row).await?)))
}

/// A name to show; never used as a path.
fn file_name(name: &str) -> String {
    // Signs that turn the direction of writing make "gpj.exe" of something else.
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    name.chars().filter(|c| !c.is_control() && !turns(*c)).take(200).collect()
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

/// An upload may take as long as a slow line needs, but not stand still for longer than this.
const LONGEST_STALL: std::time::Duration = std::time::Duration::from_secs(60);

async fn write_body(app: &App, body: Body, path: &std::path::Path) -> Result<(), Problem> {
    let most = app.config.http.upload_mb.saturating_mul(1024 * 1024);
    let mut file = tokio::fs::File::create_new(path).await.map_err(Problem::unwritten)?;
    let mut stream = body.into_data_stream();
    let mut bytes = 0u64;
    // What refuses it is told when all has come: who is cut off in the middle of sending does not hear why.
    let mut refused = None;
    loop {
        let Ok(part) = tokio::time::timeout(LONGEST_STALL, stream.next()).await else {
            let detail = "nothing came for a minute, so the upload was broken off; send it again";
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
        };
        let Some(part) = part else { break };
        let part = part.map_err(|_| Problem::bad_request("the upload broke off; send it again"))?;
        bytes += part.len() as u64;
        if bytes > most {
            let detail = format!("the file is larger than the {} MiB that are allowed here", app.config.http.upload_mb);
            refused = Some(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
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

/// What a step needs: a reason to return, the signed approval to approve, nothing otherwise.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StepBody {
    pub reason: String,
    #[schema(value_type = Option<Object>)]
    pub approval: Option<Envelope>,
}

/// Take a step: submit, approve, return or withdraw
#[utoipa::path(post, path = "/api/v1/bulletins/{id}/revisions/{revision}/{step}", request_body = StepBody,
    responses((status = 200, body = BulletinView), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn step(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Path((id, revision, step)): Path<(String, u32, String)>,
    Json(body): Json<StepBody>,
) -> Result<Json<BulletinView>, Problem> {
    let rights: &[Right] = match step.as_str() {
        "submit" => &[Right::EditContent],
        "approve" | "return" => &[Right::Approve],
        // Off the air is the safe side: either may take that step.
        _ => &[Right::EditContent, Right::Approve],
    };
    let bulletin = bulletin_for(&app, &person, rights, &bulletin_id(&id)?).await?;
    let revisions = app.store.revisions(&bulletin.id).await?;
    let row = revisions
        .iter()
        .find(|row| row.revision == revision)
        .ok_or_else(|| Problem::not_found(format!("bulletin {id} has no revision {revision}")))?;
    let wanted = match step.as_str() {
        "submit" => Step::Submit,
        "approve" => Step::Approve,
        "return" => Step::Return { reason: body.reason },
        "withdraw" => Step::Withdraw,
        _ => {
            return Err(Problem::not_found(format!(
                "there is no step {step:?}; use submit, approve, return or withdraw"
            )));
        }
    };
    let after = row.state.after(wanted.clone()).map_err(|e| Problem::conflict(e.to_string()))?;
    match wanted {
        Step::Submit => ready(row)?,
        Step::Approve => {
            let envelope =
                body.approval.ok_or_else(|| Problem::bad_request("an approval must be signed by its approver"))?;
            let approval = check_approval(&app, &bulletin, row, &envelope).await?;
            let after = agreed(&app, row, &approval).await?;
            visit.note(format!("media {} by key {}", approval.media, approval.approver));
            app.store.approve_revision(row, &after, &approval.approver, &envelope, now_ms()).await?;
        }
        Step::Return { .. } | Step::Withdraw => {}
    }
    if after == RevisionState::Withdrawn && row.state == RevisionState::Approved {
        // Older approved revisions first: taking back a correction must never put the old text on the air again.
        for older in
            revisions.iter().filter(|older| older.revision < revision && older.state == RevisionState::Approved)
        {
            app.store.set_revision_state(older, &RevisionState::Withdrawn).await?;
        }
    }
    if step != "approve" {
        app.store.set_revision_state(row, &after).await?;
    }
    app.plan_bell.notify_one();
    app.changed(Change::Plays);
    Ok(Json(view(&app, bulletin).await?))
}

fn ready(row: &RevisionRow) -> Result<(), Problem> {
    match &row.intake {
        Intake::Ready(_) => Ok(()),
        Intake::Received { .. } => Err(Problem::conflict("the audio is still being converted; try again in a moment")),
        Intake::Refused { problem } => Err(Problem::conflict(format!("the audio was refused: {problem}"))),
    }
}

/// A signed approval must name exactly this revision's sound and come from an approver who may give it.
async fn check_approval(
    app: &App,
    bulletin: &BulletinRow,
    row: &RevisionRow,
    envelope: &Envelope,
) -> Result<Approval, Problem> {
    let refuse = |why: String| Problem::bad_request(format!("the approval was not taken: {why}"));
    ready(row)?;
    if envelope.payload.len() > STATEMENT_BYTES {
        return Err(refuse("it is too long; name fewer areas, or one that stands above them".into()));
    }
    let Intake::Ready(sound) = &row.intake else { return Err(refuse("there is no sound".into())) };
    let named: Approval = envelope.peek().map_err(|e| refuse(e.to_string()))?;
    let certificates = app.store.certificates().await?;
    let approver = certificates
        .iter()
        .find(|certificate| certificate.key == named.approver && certificate.certificate.role == Role::Approver)
        .ok_or_else(|| refuse("its approver is not known here; add the certificate first".into()))?;
    let approval: Approval = envelope.open(&approver.certificate.key).map_err(|e| refuse(e.to_string()))?;
    if approval.site != app.site.site
        || (&approval.bulletin, approval.revision, approval.media) != (&bulletin.id, row.revision, sound.media)
    {
        return Err(refuse("it is for other content".into()));
    }
    let tree = app.store.areas().await?;
    for area in &approval.areas {
        let path = tree.path(area).map_err(|e| refuse(e.to_string()))?;
        if !approver.certificate.covers(&path, approval.highest, approval.made_ms, approval.made_ms) {
            return Err(refuse(format!(
                "{} may not approve {} for area {area} now",
                approver.certificate.title, approval.highest
            )));
        }
    }
    if approval.areas.is_empty() || approval.valid_until_ms <= approval.valid_from_ms {
        return Err(refuse("it names no area or no time".into()));
    }
    if app.trust().list.is_revoked(&approval.approver) {
        return Err(refuse("the key of its approver was revoked; the authority has to certify a new one".into()));
    }
    Ok(approval)
}

/// The state that an approval leads to: still submitted where a second approver has to agree.
async fn agreed(app: &App, row: &RevisionRow, approval: &Approval) -> Result<RevisionState, Problem> {
    let mut approvers: BTreeSet<KeyId> =
        approvals_of(app, row).await?.into_iter().map(|approval| approval.approver).collect();
    approvers.insert(approval.approver.clone());
    let enough = approvers.len() >= approvers_needed(app, &approval.areas, approval.highest).await?;
    let submitted = !enough && row.state == RevisionState::Submitted;
    Ok(if submitted { RevisionState::Submitted } else { RevisionState::Approved })
}

/// How many have to approve for any of these areas.
async fn approvers_needed(app: &App, areas: &[AreaCode], highest: Priority) -> Result<usize, Problem> {
    let (tree, trust) = (app.store.areas().await?, app.trust());
    let paths = areas.iter().filter_map(|area| tree.path(area).ok());
    Ok(paths.map(|path| trust.list.approvers_needed(&path, highest)).max().unwrap_or(1))
}

/// The approvals of a revision that count, of approvers who are still trusted.
async fn approvals_of(app: &App, row: &RevisionRow) -> Result<Vec<Approval>, Problem> {
    let trust = app.trust();
    let rows = app.store.approvals_of(&row.bulletin).await?;
    let of_row = rows.into_iter().filter(|(_, revision, _)| *revision == row.revision);
    let read = of_row.filter_map(|(_, _, envelope)| envelope.peek::<Approval>().ok());
    Ok(read.filter(|approval| !trust.list.is_revoked(&approval.approver)).collect())
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct Words {
    pub text: String,
}

/// Set the text of a bulletin
#[utoipa::path(put, path = "/api/v1/bulletins/{id}/text", request_body = Words, responses((status = 204), (status = 404, body = Problem)))]
pub async fn set_text(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
    Json(words): Json<Words>,
) -> Result<StatusCode, Problem> {
    if words.text.len() > 100_000 || words.text.contains('\0') {
        return Err(Problem::bad_request("the text is longer than 100,000 bytes, or no text"));
    }
    let bulletin = bulletin_for(&app, &person, &[Right::EditContent], &bulletin_id(&id)?).await?;
    app.store.set_words(&bulletin.id, &words.text).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a bulletin that was never approved
#[utoipa::path(delete, path = "/api/v1/bulletins/{id}", responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn remove(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = bulletin_id(&id)?;
    bulletin_for(&app, &person, &[Right::EditContent], &id).await?;
    let programmes = app.store.programmes().await?;
    if let Some(programme) = programmes.iter().find(|(name, text)| {
        text.check(name.as_str()).is_ok_and(|programme| programme.bulletins().any(|bulletin| *bulletin == id))
    }) {
        return Err(Problem::conflict(format!("programme {} still holds it", programme.0)));
    }
    app.store.remove_bulletin(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The sound of a revision in the broadcast form
#[utoipa::path(get, path = "/api/v1/media/{hash}", responses((status = 200, content_type = "audio/ogg"), (status = 404, body = Problem)))]
pub async fn media(State(app): State<Arc<App>>, person: Person, Path(hash): Path<String>) -> Result<Response, Problem> {
    let hash: MediaHash = hash.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let tree = app.store.areas().await?;
    let heard = app.store.bulletins_of(&hash).await?.into_iter().any(|(area, state)| {
        person.sees(&tree, &area) || (state == RevisionState::Approved && person.stands_below(&tree, &area))
    });
    if !heard {
        return Err(Problem::not_found(format!("media {hash} is not here")));
    }
    let bytes = app.media.read(&hash).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Problem::not_found(format!("media {hash} is not here")),
        _ => Problem::internal(e),
    })?;
    Ok(([(header::CONTENT_TYPE, "audio/ogg; codecs=opus")], bytes).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_one_line_of_text_and_no_path() {
        for (given, kept) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\Loa\\Bản tin.mp3", "Bản tin.mp3"),
            ("a\u{202e}3pm.exe", "a3pm.exe"),
            ("a\r\nb\u{1b}[31m.mp3", "ab[31m.mp3"),
            ("<img src=x onerror=alert(1)>.mp3", "<img src=x onerror=alert(1)>.mp3"),
            ("", ""),
        ] {
            assert_eq!(file_name(given), kept);
        }
        assert_eq!(file_name(&"ă".repeat(500)).chars().count(), 200);
    }
}
