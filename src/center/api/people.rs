//! The center itself, areas, speakers, certificates and plans.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PAGE, Problem};
use crate::center::app::{App, Change, now_ms};
use crate::center::authority;
use crate::center::broker::CENTER_USER;
use crate::center::enrolment::pinned;
use crate::center::passwords;
use crate::center::people::person::{Person, Visit};
use crate::center::store::{CertificateRow, Pin, SpeakerRow, StoreError};
use crate::domain::approval::{Certificate, Role, key_text};
use crate::domain::ids::{AreaCode, SpeakerId};
use crate::domain::role::Right;
use crate::protocol::enrolment::Pinned;
use crate::protocol::envelope::Envelope;
use crate::protocol::limits::STATEMENT_BYTES;

#[derive(Debug, Deserialize)]
pub struct Page {
    #[serde(default)]
    cursor: String,
    limit: Option<i64>,
}

impl Page {
    pub fn limit(&self) -> i64 {
        self.limit.unwrap_or(PAGE).clamp(1, PAGE)
    }

    pub fn cursor(&self) -> &str {
        &self.cursor
    }
}

/// A page of a list; ask again with `cursor` = `next_cursor` until it is null.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Listed<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CenterView {
    pub site: String,
    pub title: String,
    pub time_zone: String,
    pub version: String,
    pub now_ms: i64,
    /// The area at the top of the tree.
    pub area: String,
    /// The authority's public key, which speakers pin.
    pub authority: String,
}

/// What this center is
#[utoipa::path(get, path = "/api/v1/center", responses((status = 200, body = CenterView)))]
pub async fn center(State(app): State<Arc<App>>) -> Json<CenterView> {
    let site = &app.site;
    Json(CenterView {
        site: site.site.to_string(),
        title: site.title.clone(),
        time_zone: site.time_zone.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        now_ms: now_ms(),
        area: site.area.to_string(),
        authority: key_text::format(&app.trust().authority),
    })
}

/// A title as people wrote it, if there is one and it is not a novel.
pub fn titled(title: &str) -> Result<String, Problem> {
    let title = title.trim();
    if title.chars().any(char::is_control) {
        return Err(Problem::bad_request("the title holds control characters"));
    }
    match title.chars().count() {
        0 => Err(Problem::bad_request("give it a title")),
        1..=200 => Ok(title.to_owned()),
        _ => Err(Problem::bad_request("the title is longer than 200 characters")),
    }
}

/// A speaker, for somebody who has this right where it stands. Who does not even see it is told that it is not there.
pub async fn speaker_for(app: &App, person: &Person, right: Right, id: &str) -> Result<SpeakerRow, Problem> {
    let id = speaker_id(id)?;
    let row = app.store.speaker(&id).await?;
    let areas = app.store.areas().await?;
    if !person.sees(&areas, &row.area) {
        return Err(StoreError::NotFound(format!("speaker {id}")).into());
    }
    person.demand(right, &areas, &row.area)?;
    Ok(row)
}

pub fn speaker_id(text: &str) -> Result<SpeakerId, Problem> {
    text.parse().map_err(|e| Problem::bad_request(format!("{e}")))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct NewSpeaker {
    pub id: String,
    pub title: String,
    pub area: String,
}

/// What a new speaker's controller must be told; the password is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SpeakerCreated {
    pub site: String,
    pub speaker: String,
    /// From the widest unit down to its own.
    pub areas: Vec<String>,
    pub authority: String,
    /// The version of each area's lawful hours now; the speaker takes no older ones.
    pub hours: BTreeMap<String, u64>,
    /// The version of the authority's trust list now, likewise.
    pub trust: u64,
    /// For brokers that know speakers by passwords.
    pub password: String,
    /// Whether this center's broker wants a certificate, so that the board has to be enrolled.
    #[serde(default)]
    pub enrols: bool,
    /// Whether speakers reach the center through a broker that is not its own.
    #[serde(default)]
    pub is_external: bool,
}

/// Add a speaker
#[utoipa::path(post, path = "/api/v1/speakers", request_body = NewSpeaker,
    responses((status = 201, body = SpeakerCreated), (status = 409, body = Problem)))]
pub async fn add_speaker(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(new): Json<NewSpeaker>,
) -> Result<(StatusCode, Json<SpeakerCreated>), Problem> {
    let id = speaker_id(&new.id)?;
    if new.id.starts_with(CENTER_USER) {
        return Err(Problem::bad_request(format!(
            "names that begin with {CENTER_USER:?} are the center's own; choose another"
        )));
    }
    let area: AreaCode = new.area.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let tree = app.store.areas().await?;
    person.demand(Right::OperateSpeakers, &tree, &area)?;
    visit.note(format!("{id} in {area}"));
    let pinned = pinned(&app, &id, &area).await?;
    let (password, kept) = passwords::make().map_err(Problem::internal)?;
    app.store.add_speaker(&id, &titled(&new.title)?, &area, &kept, now_ms()).await?;
    app.store.set_pin(&id, &Pin { areas: pinned.areas.clone(), trust: pinned.trust }).await?;
    if let Ok(mut passwords) = app.speaker_passwords.write() {
        passwords.insert(id.clone(), kept);
    }
    app.plan_bell.notify_one();
    app.changed(Change::Speakers);
    Ok((StatusCode::CREATED, Json(told_once(&app, &id, pinned, password))))
}

fn told_once(app: &App, id: &SpeakerId, pinned: Pinned, password: String) -> SpeakerCreated {
    SpeakerCreated {
        site: app.site.site.to_string(),
        speaker: id.to_string(),
        areas: pinned.areas.iter().map(AreaCode::to_string).collect(),
        authority: key_text::format(&pinned.authority),
        hours: pinned.hours.into_iter().map(|(area, version)| (area.to_string(), version)).collect(),
        trust: pinned.trust,
        password,
        enrols: app.enrols(),
        is_external: !app.config.mqtt.broker.is_empty(),
    }
}

/// Give a speaker a new password, for brokers that know speakers by one; the old one is worthless from now on
///
/// An external broker learns of it by its next password file. What an enrolled board shows is its certificate, which this does not touch.
#[utoipa::path(post, path = "/api/v1/speakers/{id}/password",
    responses((status = 200, body = SpeakerCreated), (status = 404, body = Problem)))]
pub async fn new_speaker_password(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Json<SpeakerCreated>, Problem> {
    let row = speaker_for(&app, &person, Right::OperateSpeakers, &id).await?;
    let pinned = pinned(&app, &row.id, &row.area).await?;
    let (password, kept) = passwords::make().map_err(Problem::internal)?;
    app.store.set_speaker_password(&row.id, &kept).await?;
    if let Ok(mut passwords) = app.speaker_passwords.write() {
        passwords.insert(row.id.clone(), kept);
    }
    if !app.enrols() {
        app.gate.drop_connections(&row.id);
    }
    Ok(Json(told_once(&app, &row.id, pinned, password)))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CertificateView {
    pub key: String,
    /// Whether the authority has revoked the key since.
    pub revoked: bool,
    pub certificate: Certificate,
}

/// Certificates of approvers and the dispatcher
#[utoipa::path(get, path = "/api/v1/certificates", responses((status = 200, body = [CertificateView])))]
pub async fn certificates(State(app): State<Arc<App>>) -> Result<Json<Vec<CertificateView>>, Problem> {
    let (rows, trust) = (app.store.certificates().await?, app.trust());
    let view = |row: CertificateRow| CertificateView {
        revoked: trust.list.is_revoked(&row.key),
        key: row.key.to_string(),
        certificate: row.certificate,
    };
    Ok(Json(rows.into_iter().map(view).collect()))
}

/// Add an approver's certificate, which the authority must have signed
#[utoipa::path(post, path = "/api/v1/certificates", request_body = Object,
    responses((status = 201, body = CertificateView), (status = 400, body = Problem)))]
pub async fn add_certificate(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(envelope): Json<Envelope>,
) -> Result<(StatusCode, Json<CertificateView>), Problem> {
    if envelope.payload.len() > STATEMENT_BYTES {
        return Err(Problem::bad_request("the certificate is too long; name fewer areas"));
    }
    let certificate: Certificate =
        envelope.peek().map_err(|e| Problem::bad_request(format!("the certificate was not taken: {e}")))?;
    let areas = app.store.areas().await?;
    for area in &certificate.areas {
        // An area that is yet to be added is the top's to speak of.
        let known = areas.get(area).map_or(&app.site.area, |area| &area.code);
        person.demand(Right::ManageTrust, &areas, known)?;
    }
    if certificate.role == Role::Dispatcher {
        person.demand(Right::ManageTrust, &areas, &app.site.area)?;
    }
    person.filters();
    visit.note(format!(
        "{} for {}",
        certificate.title,
        certificate.areas.iter().map(AreaCode::as_str).collect::<Vec<_>>().join(" ")
    ));
    let (key, certificate) = authority::take_certificate(&app, &envelope).await?;
    app.plan_bell.notify_one();
    app.changed(Change::Trust);
    Ok((StatusCode::CREATED, Json(CertificateView { key: key.to_string(), revoked: false, certificate })))
}
