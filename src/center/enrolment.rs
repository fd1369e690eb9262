//! Enrolment and renewal at the center: makes codes, knows their bearers, issues certificates. What is authenticated and how stands
//! in `protocol/enrolment.rs`; who is connected, in `gate.rs`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tracing::info;

use super::app::App;
use super::store::{ConnectionRow, EnrolmentRow, Pin, StoreError};
use super::tls::Issued;
use crate::domain::hours::HoursStatement;
use crate::domain::ids::{AreaCode, SpeakerId};
use crate::protocol::enrolment::{Answer, Code, MacKey, Pinned, Request, SealedAnswer};
use crate::protocol::message::{Renew, Renewed};

/// A speaker's next certificate is issued at most this often.
const RENEW_GAP_MS: i64 = 60_000;

/// Why a board was not enrolled. Strangers hear the same for whatever is wrong with their code.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("this code is not good: unknown, used or expired. Ask for a new one: loaxa speaker enrol ID")]
    NoSuchCode,
    #[error(
        "this code was used already, by another board or another attempt. Ask for a new one: loaxa speaker enrol {0}"
    )]
    Used(SpeakerId),
    #[error("this code has expired. Ask for a new one: loaxa speaker enrol {0}")]
    Expired(SpeakerId),
    #[error("speaker {0} is disabled; enable it first: loaxa speaker enable {0}")]
    Disabled(SpeakerId),
    #[error("{1}")]
    BadRequest(SpeakerId, String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refused {
    /// Whose code it was, where it was one.
    pub fn speaker(&self) -> Option<&SpeakerId> {
        match self {
            Self::Used(speaker) | Self::Expired(speaker) | Self::Disabled(speaker) => Some(speaker),
            Self::BadRequest(speaker, _) => Some(speaker),
            Self::NoSuchCode | Self::Store(_) => None,
        }
    }
}

/// What a board is told, and what the audit log says of it.
#[derive(Debug)]
pub struct Enrolled {
    pub answer: SealedAnswer,
    pub speaker: SpeakerId,
    /// The serial number of the new certificate; absent where an answer was only repeated.
    pub serial: Option<String>,
}

/// A code for a speaker, in place of any that nobody used.
pub async fn make_code(app: &App, speaker: &SpeakerId, until_ms: i64, now_ms: i64) -> Result<Code, StoreError> {
    app.store.speaker(speaker).await?;
    let mut secret = [0; 10];
    getrandom::fill(&mut secret).map_err(|_| StoreError::Damaged("the system has no randomness".into()))?;
    let code = Code::new(secret, &app.site.site, &app.trust().authority, app.transport.der());
    let row = EnrolmentRow {
        lookup: code.lookup(),
        speaker: speaker.clone(),
        mac_key: code.mac_key().to_text(),
        until_ms,
        used: None,
    };
    app.store.add_enrolment(&row, now_ms).await?;
    Ok(code)
}

/// What a board at an area has to pin today.
pub async fn pinned(app: &App, speaker: &SpeakerId, area: &AreaCode) -> Result<Pinned, StoreError> {
    // The trust list first: a merger in between is then said once more to the board, which does no harm.
    let (trust, mut hours) = (app.trust(), BTreeMap::new());
    let areas = app.store.areas().await?.path(area).map_err(|e| StoreError::Damaged(e.to_string()))?;
    for row in app.store.area_rows().await?.into_iter().filter(|row| areas.contains(&row.area.code)) {
        if let Some(statement) = row.hours.and_then(|envelope| envelope.open::<HoursStatement>(&trust.authority).ok()) {
            hours.insert(row.area.code, statement.version);
        }
    }
    let (site, authority) = (app.site.site.clone(), trust.authority);
    Ok(Pinned { site, speaker: speaker.clone(), areas, authority, hours, trust: trust.list.version })
}

/// Answers a board's request. The same request again gets the same answer, since answers are lost on the way.
pub async fn enrol(app: &App, request: &Request, now_ms: i64) -> Result<Enrolled, Refused> {
    let row = app.store.enrolment(&request.lookup).await?;
    // An unknown code costs the same work as a known one with a wrong MAC.
    let key = row.as_ref().and_then(|row| MacKey::from_text(&row.mac_key));
    let known = request.is_authentic(key.as_ref().unwrap_or(&MacKey::of_nobody()));
    let (Some(row), Some(key), true) = (row, key, known) else { return Err(Refused::NoSuchCode) };
    if row.until_ms <= now_ms {
        return Err(Refused::Expired(row.speaker));
    }
    if app.gate.is_disabled(&row.speaker) {
        return Err(Refused::Disabled(row.speaker));
    }
    if let Some((used_by, answer)) = row.used {
        let again = used_by == request.digest();
        let answer = serde_json::from_str(&answer).ok().filter(|_| again);
        let answer = answer.ok_or_else(|| Refused::Used(row.speaker.clone()))?;
        // Perhaps the first time nobody came this far.
        take_over(app, &row.speaker).await?;
        return Ok(Enrolled { answer, speaker: row.speaker, serial: None });
    }
    let bad = |problem: String| Refused::BadRequest(row.speaker.clone(), problem);
    let csr = request.csr_der().ok_or_else(|| bad("the certificate request is not base64".into()))?;
    let until_ms = now_ms + app.config.tls.client_ms();
    let issued = app.transport.issue(&csr, &row.speaker, until_ms).map_err(bad)?;
    let speaker = app.store.speaker(&row.speaker).await?;
    let pinned = pinned(app, &row.speaker, &speaker.area).await?;
    let pin = Pin { areas: pinned.areas.clone(), trust: pinned.trust };
    let answer = Answer {
        pinned,
        ca: app.transport.pem().to_owned(),
        certificate: issued.pem.clone(),
        made_ms: now_ms,
        valid_until_ms: until_ms,
        mqtt: app.mqtt_url(),
        http: app.http_url(),
    };
    let sealed = SealedAnswer::new(&key, &request.nonce, &answer);
    let text = serde_json::to_string(&sealed).map_err(|e| StoreError::Damaged(e.to_string()))?;
    let certificate = connection(&row.speaker, issued, request.digest(), false, now_ms);
    if !app.store.use_enrolment(&row.lookup, &text, &certificate, now_ms).await? {
        // Two at once: one of them was first.
        return Err(Refused::Used(row.speaker));
    }
    app.store.set_pin(&row.speaker, &pin).await?;
    take_over(app, &row.speaker).await?;
    info!("{} is enrolled; its certificate is {}", row.speaker, certificate.serial);
    Ok(Enrolled { answer: sealed, speaker: row.speaker, serial: Some(certificate.serial) })
}

/// Lets in the board whose certificate is in force now; one that was here before has been replaced. Where the gate knew that already
/// nobody has to go: whoever repeats a request that they overheard must not put the board out.
async fn take_over(app: &App, speaker: &SpeakerId) -> Result<(), StoreError> {
    if app.gate.reload(&app.store, speaker).await? {
        app.gate.drop_connections(speaker);
    }
    Ok(())
}

/// A speaker that is connected wants its next certificate.
pub async fn renew(app: &App, speaker: &SpeakerId, asked: &Renew, now_ms: i64) -> Result<Option<Renewed>, StoreError> {
    let told =
        |row: ConnectionRow| Renewed { certificate: row.pem, made_ms: row.made_ms, valid_until_ms: row.until_ms };
    let request = hex::encode(Sha256::digest(asked.csr.as_bytes()));
    let rows = app.store.speaker_certificates(Some(speaker)).await?;
    // A speaker with a password has nothing to renew, and one that is disabled nothing to hope for.
    if app.gate.is_disabled(speaker) || rows.is_empty() {
        app.gate.denials.note(speaker.as_str(), "asked for a certificate without having one in force");
        return Ok(None);
    }
    if let Some(row) = rows.iter().find(|row| row.request == request) {
        return Ok(Some(told(row.clone())));
    }
    if rows.iter().any(|row| row.is_next && now_ms - row.made_ms < RENEW_GAP_MS) {
        app.gate.denials.note(speaker.as_str(), "asked for another certificate within a minute");
        return Ok(None);
    }
    let csr = STANDARD.decode(&asked.csr).unwrap_or_default();
    let issued = match app.transport.issue(&csr, speaker, now_ms + app.config.tls.client_ms()) {
        Ok(issued) => issued,
        Err(problem) => {
            app.gate.denials.note(speaker.as_str(), &problem);
            return Ok(None);
        }
    };
    let row = connection(speaker, issued, request, true, now_ms);
    app.store.set_next_certificate(&row).await?;
    app.gate.reload(&app.store, speaker).await?;
    info!("{speaker} has its next certificate, {}", row.serial);
    Ok(Some(told(row)))
}

fn connection(speaker: &SpeakerId, issued: Issued, request: String, is_next: bool, now_ms: i64) -> ConnectionRow {
    ConnectionRow {
        fingerprint: issued.fingerprint,
        speaker: speaker.clone(),
        serial: issued.serial,
        is_next,
        request,
        pem: issued.pem,
        made_ms: now_ms,
        until_ms: issued.valid_until_ms,
    }
}
