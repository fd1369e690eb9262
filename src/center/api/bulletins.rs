//! Bulletins as people see and write them: lists, new ones, revisions, words. The steps to approval are in [`super::steps`].

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::etag::{IfMatch, tagged};
use super::people::{Listed, titled};
use super::reach::{bulletin_for, seen};
use super::uploads::{Arriving, arrive};
use super::{PAGE, Problem};
use crate::center::app::{App, Change, now_ms};
use crate::center::authority::Trust;
use crate::center::people::person::{Person, Visit};
use crate::center::store::{BulletinRow, Deed, Intake, RevisionRow, StepDetail, StoreError};
use crate::domain::approval::Approval;
use crate::domain::area::AreaTree;
use crate::domain::bulletin::{Flaw, Language, RevisionState};
use crate::domain::field::Field;
use crate::domain::ids::{AreaCode, BulletinId, KeyId};
use crate::domain::priority::Priority;
use crate::domain::role::Right;
use crate::protocol::envelope::Envelope;

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
    /// The bulletin of which this is another language version.
    #[serde(default)]
    pub version_of: Option<String>,
    /// The same in other languages, the original first; this one is not among them.
    #[serde(default)]
    pub versions: Vec<SiblingView>,
    /// Oldest first.
    pub revisions: Vec<RevisionView>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SiblingView {
    pub id: String,
    pub language: String,
    pub title: String,
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
    /// The same in one word: empty, not_audio, no_track, unknown_codec, out_of_range, nothing_decoded, too_much_beside, unreadable, too_long,
    /// too_short, too_large, too_slow, decoder_failed or other.
    #[serde(default)]
    pub problem_code: Option<String>,
    pub file_name: String,
    /// What a listener would hear, or miss.
    pub flaws: Vec<Flaw>,
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
    let (intake, unfit, sound) = match &row.intake {
        Intake::Received { .. } => ("received", None, None),
        Intake::Refused(unfit) => ("refused", Some(unfit), None),
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
        problem: unfit.map(|unfit| unfit.problem.clone()),
        problem_code: unfit.map(|unfit| unfit.code.clone()),
        file_name: row.file_name.clone(),
        flaws: row.flaws.clone(),
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

/// What views are made of beside the bulletins themselves, read once for all of them.
struct Desk {
    tree: AreaTree,
    trust: Arc<Trust>,
    titles: BTreeMap<KeyId, String>,
    versions: Vec<BulletinRow>,
}

/// The revisions and signed approvals of one bulletin.
type Matter = (Vec<RevisionRow>, Vec<(u32, Envelope)>);

impl Desk {
    async fn load(app: &App) -> Result<Self, Problem> {
        let certificates = app.store.certificates().await?;
        Ok(Self {
            tree: app.store.areas().await?,
            trust: app.trust(),
            titles: certificates.into_iter().map(|row| (row.key, row.certificate.title)).collect(),
            versions: app.store.versions().await?,
        })
    }

    fn view(
        &self,
        app: &App,
        bulletin: BulletinRow,
        (rows, envelopes): Matter,
        original: Option<&BulletinRow>,
    ) -> BulletinView {
        let revisions = rows.iter().map(|row| {
            let of_row = envelopes.iter().filter(|(revision, _)| *revision == row.revision);
            let counted = counted(&self.trust, of_row.map(|(_, envelope)| envelope));
            let needed = |areas: &[AreaCode], highest| approvers_needed(&self.tree, &self.trust, areas, highest);
            let least = needed(std::slice::from_ref(&bulletin.area), Priority::Normal);
            let most = counted.iter().map(|approval| needed(&approval.areas, approval.highest)).fold(least, usize::max);
            let approvals = counted.into_iter().map(|approval| ApprovalView {
                title: self.titles.get(&approval.approver).cloned().unwrap_or_default(),
                approver: approval.approver.to_string(),
                highest: approval.highest.to_string(),
                valid_until_ms: approval.valid_until_ms,
            });
            revision_view(app, row, approvals.collect(), most)
        });
        let base = bulletin.version_of.as_ref().unwrap_or(&bulletin.id);
        let others = self.versions.iter().filter(|row| row.version_of.as_ref() == Some(base) && row.id != bulletin.id);
        BulletinView {
            revisions: revisions.collect(),
            versions: original.into_iter().chain(others).map(sibling_view).collect(),
            version_of: bulletin.version_of.as_ref().map(BulletinId::to_string),
            id: bulletin.id.to_string(),
            title: bulletin.title,
            language: bulletin.language.to_string(),
            area: bulletin.area.to_string(),
            text: bulletin.words,
            field: bulletin.field,
            created_ms: bulletin.created_ms,
        }
    }
}

fn sibling_view(row: &BulletinRow) -> SiblingView {
    SiblingView { id: row.id.to_string(), language: row.language.to_string(), title: row.title.clone() }
}

pub(super) async fn view(app: &App, person: &Person, bulletin: BulletinRow) -> Result<BulletinView, Problem> {
    let mut desk = Desk::load(app).await?;
    desk.versions.retain(|row| person.sees(&desk.tree, &row.area));
    let original = match &bulletin.version_of {
        Some(of) => app.store.bulletin(of).await.ok().filter(|row| person.sees(&desk.tree, &row.area)),
        None => None,
    };
    let approvals = app.store.approvals_of(&bulletin.id).await?;
    let approvals = approvals.into_iter().map(|(_, revision, envelope)| (revision, envelope)).collect();
    let revisions = app.store.revisions(&bulletin.id).await?;
    Ok(desk.view(app, bulletin, (revisions, approvals), original.as_ref()))
}

/// The approvals that count, of approvers who are still trusted.
pub(super) fn counted<'a>(trust: &Trust, envelopes: impl Iterator<Item = &'a Envelope>) -> Vec<Approval> {
    let read = envelopes.filter_map(|envelope| envelope.peek::<Approval>().ok());
    read.filter(|approval| !trust.list.is_revoked(&approval.approver)).collect()
}

/// How many have to approve for any of these areas.
pub(super) fn approvers_needed(tree: &AreaTree, trust: &Trust, areas: &[AreaCode], highest: Priority) -> usize {
    let paths = areas.iter().filter_map(|area| tree.path(area).ok());
    paths.map(|path| trust.list.approvers_needed(&path, highest)).max().unwrap_or(1)
}

/// Who does something now.
pub(super) fn deed(person: &Person, at_ms: i64, detail: StepDetail) -> Deed {
    Deed { account: person.name.clone(), title: person.title.clone(), at_ms, detail }
}

pub(super) fn bulletin_id(text: &str) -> Result<BulletinId, Problem> {
    text.parse().map_err(|e| Problem::bad_request(format!("{e}")))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BulletinQuery {
    cursor: Option<String>,
    limit: Option<i64>,
    /// Only those of which a revision is draft, submitted, approved, returned or withdrawn.
    state: Option<String>,
}

const STATES: [&str; 5] = ["draft", "submitted", "approved", "returned", "withdrawn"];

/// Bulletins with their revisions, in order of their names
#[utoipa::path(get, path = "/api/v1/bulletins", params(BulletinQuery), responses((status = 200, body = Listed<BulletinView>), (status = 400, body = Problem)))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(query): Query<BulletinQuery>,
) -> Result<Json<Listed<BulletinView>>, Problem> {
    person.filters();
    let state = query.state.as_deref().filter(|state| !state.is_empty());
    if let Some(state) = state.filter(|state| !STATES.contains(state)) {
        return Err(Problem::bad_request(format!("there is no state {state:?}; use one of {}", STATES.join(", "))));
    }
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let mut desk = Desk::load(&app).await?;
    desk.versions.retain(|row| person.sees(&desk.tree, &row.area));
    let (mut items, mut after) = (vec![], query.cursor.unwrap_or_default());
    while (items.len() as i64) < limit {
        let rows = app.store.bulletins(&after, limit, state).await?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { break };
        let (mut matters, originals) = matters(&app, &rows, first, last).await?;
        after = last.id.to_string();
        for row in rows {
            if person.sees(&desk.tree, &row.area) || person.stands_below(&desk.tree, &row.area) {
                let original = row.version_of.as_ref().and_then(|of| originals.get(of));
                let original = original.filter(|original| person.sees(&desk.tree, &original.area));
                let matter = matters.remove(&row.id).unwrap_or_default();
                items.extend(seen(&person, &desk.tree, desk.view(&app, row, matter, original)));
            }
        }
    }
    items.truncate(limit as usize);
    let full = items.len() as i64 == limit;
    let next_cursor = items.last().filter(|_| full).map(|last| last.id.clone());
    Ok(Json(Listed { items, next_cursor }))
}

/// Revisions and approvals of a page of bulletins, and the originals of those that are versions: a few queries, however many there are.
async fn matters(
    app: &App,
    rows: &[BulletinRow],
    first: &BulletinRow,
    last: &BulletinRow,
) -> Result<(BTreeMap<BulletinId, Matter>, BTreeMap<BulletinId, BulletinRow>), Problem> {
    let mut matters: BTreeMap<BulletinId, Matter> = BTreeMap::new();
    for revision in app.store.revisions_of(&first.id, &last.id).await? {
        matters.entry(revision.bulletin.clone()).or_default().0.push(revision);
    }
    for (bulletin, revision, envelope) in app.store.approvals_between(&first.id, &last.id).await? {
        matters.entry(bulletin).or_default().1.push((revision, envelope));
    }
    let mut originals: BTreeMap<BulletinId, BulletinRow> = BTreeMap::new();
    for of in rows.iter().filter_map(|row| row.version_of.as_ref()) {
        if !originals.contains_key(of)
            && let Ok(original) = app.store.bulletin(of).await
        {
            originals.insert(of.clone(), original);
        }
    }
    Ok((matters, originals))
}

/// One bulletin
#[utoipa::path(get, path = "/api/v1/bulletins/{id}", responses((status = 200, body = BulletinView), (status = 404, body = Problem)))]
pub async fn one(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Json<BulletinView>, Problem> {
    let bulletin = app.store.bulletin(&bulletin_id(&id)?).await?;
    let shown = seen(&person, &app.store.areas().await?, view(&app, &person, bulletin).await?);
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
    /// What was sent in part by part under `/uploads`; the body is empty then.
    upload: Option<String>,
}

/// Add a bulletin: the body is the audio file, unless `upload` names what was sent in before. It is converted afterwards; look at `intake` until it is ready or refused
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
    let arriving = Arriving { upload: new.upload.as_deref(), file_name: &new.file_name, body };
    let arrived = arrive(&app, &person, arriving).await?;
    let row = BulletinRow {
        id,
        title,
        language,
        area,
        words: String::new(),
        created_ms: now_ms(),
        version_of,
        field: new.field.unwrap_or_default(),
    };
    let deed = deed(&person, row.created_ms, StepDetail::default());
    arrived.kept(&app, app.store.add_bulletin(&row, &file_name(&arrived.file_name), &arrived.upload, &deed).await)?;
    app.ingest_bell.notify_one();
    // A programme may name it already, or its original.
    app.plan_bell.notify_one();
    app.changed(Change::Bulletins);
    Ok((StatusCode::CREATED, Json(view(&app, &person, row).await?)))
}

/// The bulletin of which a new one is to be another language version: an original itself, and without a version in that language.
async fn original(app: &App, of: &BulletinId, id: &BulletinId, language: &Language) -> Result<BulletinId, Problem> {
    let original = app.store.bulletin(of).await.map_err(|e| Problem::bad_request(format!("version_of: {e}")))?;
    if let Some(further) = original.version_of {
        return Err(Problem::bad_request(format!("version_of: {of} is itself a version of {further}; name that one")));
    }
    language_is_free(app, of, id, language).await?;
    Ok(of.clone())
}

/// In each language there is one version.
async fn language_is_free(app: &App, of: &BulletinId, id: &BulletinId, language: &Language) -> Result<(), Problem> {
    let voices = app.store.voices().await?;
    let taken = voices
        .iter()
        .find(|(other, spoken, base)| other != id && spoken == language && (base.as_ref() == Some(of) || other == of));
    match taken {
        Some((other, ..)) => Err(Problem::bad_request(format!("{other} is the version of {of} in {language} already"))),
        None => Ok(()),
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
    /// What was sent in part by part under `/uploads`; the body is empty then.
    upload: Option<String>,
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
    let arriving = Arriving { upload: new.upload.as_deref(), file_name: &new.file_name, body };
    let arrived = arrive(&app, &person, arriving).await?;
    let deed = deed(&person, now_ms(), StepDetail::default());
    let added = app.store.add_revision(&row.id, &file_name(&arrived.file_name), &arrived.upload, &deed).await;
    arrived.kept(&app, added.map(drop))?;
    app.ingest_bell.notify_one();
    app.changed(Change::Bulletins);
    Ok((StatusCode::CREATED, Json(view(&app, &person, row).await?)))
}

/// A name to show; never used as a path.
pub(super) fn file_name(name: &str) -> String {
    // Signs that turn the direction of writing make "gpj.exe" of something else.
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    name.chars().filter(|c| !c.is_control() && !turns(*c)).take(200).collect()
}

/// What can be edited of a bulletin without new audio.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Words {
    pub title: String,
    pub language: String,
    pub text: String,
}

fn words(row: &BulletinRow) -> Words {
    Words { title: row.title.clone(), language: row.language.to_string(), text: row.words.clone() }
}

/// What is absent stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NewWords {
    pub title: Option<String>,
    pub language: Option<String>,
    pub text: Option<String>,
}

/// Title, language and text of a bulletin, with the tag that an edit names
#[utoipa::path(get, path = "/api/v1/bulletins/{id}/text", responses((status = 200, body = Words), (status = 404, body = Problem)))]
pub async fn text(State(app): State<Arc<App>>, person: Person, Path(id): Path<String>) -> Result<Response, Problem> {
    tagged(&words(&bulletin_for(&app, &person, &[Right::See], &bulletin_id(&id)?).await?))
}

/// Edit title, language and text of a bulletin
///
/// Title and language are part of what is approved, so they stay as they are while a revision is submitted or approved; the text is what people
/// read, and can always be put right.
#[utoipa::path(put, path = "/api/v1/bulletins/{id}/text", request_body = NewWords, params(("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Words), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub async fn set_text(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
    seen: IfMatch,
    Json(new): Json<NewWords>,
) -> Result<Response, Problem> {
    if new.text.as_ref().is_some_and(|text| text.len() > 100_000 || text.contains('\0')) {
        return Err(Problem::bad_request("the text is longer than 100,000 bytes, or no text"));
    }
    let row = bulletin_for(&app, &person, &[Right::EditContent], &bulletin_id(&id)?).await?;
    seen.check(Some(&words(&row)))?;
    let mut after = row.clone();
    if let Some(title) = &new.title {
        after.title = titled(title)?;
    }
    if let Some(language) = &new.language {
        after.language = language.parse().map_err(Problem::bad_request)?;
    }
    after.words = new.text.unwrap_or(after.words);
    let changes = [
        ("title", after.title != row.title),
        ("language", after.language != row.language),
        ("text", after.words != row.words),
    ];
    let edited: Vec<String> =
        changes.iter().filter(|(_, changed)| *changed).map(|(what, _)| (*what).to_owned()).collect();
    if edited.is_empty() {
        return tagged(&words(&row));
    }
    if edited.iter().any(|what| what != "text") {
        let held = |row: &RevisionRow| matches!(row.state, RevisionState::Submitted | RevisionState::Approved);
        if let Some(revision) = app.store.revisions(&row.id).await?.iter().find(|row| held(row)) {
            return Err(Problem::conflict(format!(
                "revision {} is {}, and with it title and language; have it returned or withdraw it, then change them",
                revision.revision,
                revision.state.name()
            )));
        }
    }
    if after.language != row.language {
        language_is_free(&app, row.version_of.as_ref().unwrap_or(&row.id), &row.id, &after.language).await?;
    }
    app.store
        .edit_bulletin(&row, &after, &deed(&person, now_ms(), StepDetail { edited, ..StepDetail::default() }))
        .await?;
    app.plan_bell.notify_one();
    app.changed(Change::Bulletins);
    tagged(&words(&after))
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
    app.changed(Change::Bulletins);
    Ok(StatusCode::NO_CONTENT)
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
