//! What the authority has said to this site, as it stands now: who it is, whom it trusts no more, and who dispatches.
//!
//! The authority's own key is never here. Everything is read from what it signed and checked again on the way in; the server can pass it
//! on or keep it back, not make it up.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::app::{App, now_ms};
use super::datadir::{DataDir, Site};
use super::store::{self, CertificateRow, Said, Store, StoreError};
use crate::domain::approval::{Approval, Certificate, PublicKey, Role, Ticket};
use crate::domain::hours::{Hours, HoursStatement};
use crate::domain::ids::KeyId;
use crate::domain::moved::Moved;
use crate::domain::trust::{MAX_ENTRIES, TrustList};
use crate::protocol::envelope::{Envelope, Statement};
use crate::protocol::keys::{SigningKey, key_id};
use crate::protocol::limits::{SUCCESSIONS, TRUST_BYTES};
use crate::protocol::trust::succeed;

#[derive(Debug)]
pub struct Trust {
    pub authority: PublicKey,
    /// From the authority of the first day to the one of now.
    pub successions: Vec<Envelope>,
    pub list: Arc<TrustList>,
    pub list_envelope: Option<Envelope>,
    pub dispatcher: SigningKey,
}

impl Trust {
    pub async fn load(store: &Store, site: &Site, data: &DataDir) -> Result<Self, String> {
        let said = |error: StoreError| error.to_string();
        let (successions, authority) =
            succeed(&site.site, site.authority, &store.said(Said::Succession).await.map_err(said)?);
        let lists = store.said(Said::TrustList).await.map_err(said)?;
        let good =
            |envelope: &Envelope| envelope.open::<TrustList>(&authority).ok().filter(|list| list.site == site.site);
        let newest = lists.iter().chain(&site.trust).filter_map(|envelope| Some((good(envelope)?, envelope)));
        let newest = newest.max_by_key(|(list, _)| list.version);
        let (list, list_envelope) = match newest {
            Some((list, envelope)) => (list, Some(envelope.clone())),
            None => (TrustList::unless_said(site.site.clone()), None),
        };
        Ok(Self { authority, successions, list: Arc::new(list), list_envelope, dispatcher: data.dispatcher_key()? })
    }

    pub fn dispatcher_id(&self) -> KeyId {
        key_id(&self.dispatcher.public())
    }
}

/// The certificates that the authority of now has signed, by key.
pub async fn certificates(app: &App) -> Result<BTreeMap<KeyId, CertificateRow>, StoreError> {
    let trust = app.trust();
    let by_authority = |row: &CertificateRow| row.envelope.open::<Certificate>(&trust.authority).is_ok();
    let rows = app.store.certificates().await?.into_iter().filter(by_authority);
    Ok(rows.map(|row| (row.key.clone(), row)).collect())
}

/// A statement of an approver with the certificate by which it holds.
pub trait ByApprover: Statement {
    fn approver(&self) -> &KeyId;
}

impl ByApprover for Approval {
    fn approver(&self) -> &KeyId {
        &self.approver
    }
}

impl ByApprover for Ticket {
    fn approver(&self) -> &KeyId {
        &self.approver
    }
}

/// Checks a signature as a speaker would: a row that somebody edited by hand is worth nothing.
pub fn by_approver<S: ByApprover>(
    envelope: &Envelope,
    certificates: &BTreeMap<KeyId, CertificateRow>,
) -> Option<(S, Certificate)> {
    let named: S = envelope.peek().ok()?;
    let approver: &Certificate = &certificates.get(named.approver())?.certificate;
    let statement: S = envelope.open(&approver.key).ok()?;
    (approver.role == Role::Approver).then(|| (statement, approver.clone()))
}

/// Why something that was signed was not taken; the words are the user's.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    #[error("{0}")]
    Wrong(String),
    #[error("{0}")]
    Old(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn wrong(why: impl std::fmt::Display) -> NotTaken {
    NotTaken::Wrong(why.to_string())
}

/// Takes a trust list that the authority has signed.
pub async fn take_list(app: &App, envelope: &Envelope) -> Result<TrustList, NotTaken> {
    // One list after the other, and none in the midst of a merger: each is checked against the one that it follows.
    let _one = app.area_edits.lock().await;
    let trust = app.trust();
    let list = check_list(app, &trust.authority, envelope)?;
    if list.version <= trust.list.version {
        let known = trust.list.version;
        return Err(NotTaken::Old(format!(
            "version {known} of the trust list is in force; sign a later one than that"
        )));
    }
    stay(&trust.list, &list)?;
    app.store.say(Said::TrustList, list.version, envelope, now_ms()).await?;
    app.reload_trust().await.map_err(wrong)?;
    Ok(list)
}

/// Checks a trust list that the authority has signed for a merger: the one in force, and the moves that were worked out.
pub fn check_moved(app: &App, envelope: &Envelope, wanted: &TrustList) -> Result<TrustList, NotTaken> {
    let known = app.trust().list.clone();
    let list = check_list(app, &app.trust().authority, envelope)?;
    if list.version <= known.version {
        return Err(NotTaken::Old("the trust list has changed since it was signed; sign the merger again".into()));
    }
    let (old, new) = list.moved.split_at(known.moved.len().min(list.moved.len()));
    let same =
        |(one, two): (&Moved, &Moved)| one == &Moved { since: one.since, ..two.clone() } && one.since == list.version;
    let worked_out = &wanted.moved[known.moved.len().min(wanted.moved.len())..];
    if old != known.moved || new.len() != worked_out.len() || !new.iter().zip(worked_out).all(same) {
        return Err(NotTaken::Old(
            "what was signed is not what this merger needs as things stand now; look at it again and sign it again"
                .into(),
        ));
    }
    Ok(list)
}

fn check_list(app: &App, authority: &PublicKey, envelope: &Envelope) -> Result<TrustList, NotTaken> {
    if envelope.payload.len() > TRUST_BYTES {
        return Err(wrong("the trust list is too long"));
    }
    let list: TrustList = envelope.open(authority).map_err(|e| wrong(format!("the trust list was not taken: {e}")))?;
    if list.site != app.site.site {
        return Err(wrong("the trust list is for another site"));
    }
    if list.entries() > MAX_ENTRIES || list.version > i64::MAX as u64 {
        return Err(wrong(format!("a trust list holds at most {MAX_ENTRIES} entries")));
    }
    if !list.is_sound() {
        return Err(wrong("the trust list moves units in a way that makes no sense"));
    }
    if list.valid_until_ms <= now_ms() {
        return Err(wrong("the trust list has expired already"));
    }
    Ok(list)
}

/// Units are moved together with the tree, by a merger alone: a list that says otherwise would part the boards from it.
fn stay(known: &TrustList, list: &TrustList) -> Result<(), NotTaken> {
    if list.moved == known.moved {
        return Ok(());
    }
    Err(wrong(
        "this trust list moves other units than the one in force; a merger is brought in with its tree: loaxa area merge ... --signed FILE",
    ))
}

/// Takes a certificate of an approver, or of the dispatcher whose key waits in the data directory to take over.
pub async fn take_certificate(app: &App, envelope: &Envelope) -> Result<(KeyId, Certificate), NotTaken> {
    let certificate: Certificate =
        envelope.open(&app.trust().authority).map_err(|e| wrong(format!("the certificate was not taken: {e}")))?;
    if certificate.site != app.site.site {
        return Err(wrong("the certificate is for another site"));
    }
    let key = key_id(&certificate.key);
    if app.trust().list.is_revoked(&key) {
        return Err(wrong("this key was revoked; make a new one"));
    }
    if certificate.role == Role::Dispatcher {
        let waits = app.data.next_dispatcher_key().is_some_and(|next| next.public() == certificate.key);
        if !waits && key != app.trust().dispatcher_id() {
            return Err(wrong("this is the certificate of a dispatcher whose key is not in the data directory"));
        }
        app.store.add_certificate(envelope, &certificate, now_ms()).await?;
        if waits {
            app.data.install_next_dispatcher().map_err(wrong)?;
        }
        app.reload_trust().await.map_err(wrong)?;
    } else {
        app.store.add_certificate(envelope, &certificate, now_ms()).await?;
    }
    Ok((key, certificate))
}

/// What a new authority brings along: all that the old one had signed and that is still to hold, signed anew.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    pub succession: Envelope,
    pub trust: Envelope,
    pub certificates: Vec<Envelope>,
    pub hours: Vec<Envelope>,
}

/// Takes a new authority, with everything that it signed anew, or nothing of it.
pub async fn take_handover(app: &App, handover: &Handover) -> Result<PublicKey, NotTaken> {
    let trust = app.trust();
    let (links, authority) = succeed(&app.site.site, trust.authority, [&handover.succession]);
    if links.is_empty() || trust.successions.len() >= SUCCESSIONS {
        return Err(wrong("the succession is not signed by the authority of now and by the new one"));
    }
    let list = check_list(app, &authority, &handover.trust)?;
    if list.version <= trust.list.version {
        return Err(NotTaken::Old(format!("the new trust list needs a version above {}", trust.list.version)));
    }
    stay(&trust.list, &list)?;
    let mut certificates = vec![];
    for envelope in &handover.certificates {
        let certificate: Certificate = envelope.open(&authority).map_err(wrong)?;
        if certificate.site != app.site.site {
            return Err(wrong("a certificate is for another site"));
        }
        certificates.push((envelope.clone(), certificate));
    }
    let dispatches = |(_, certificate): &(Envelope, Certificate)| {
        certificate.role == Role::Dispatcher && certificate.key == trust.dispatcher.public()
    };
    if !certificates.iter().any(dispatches) {
        return Err(wrong("the dispatcher's certificate was not signed anew; without it no speaker would get a plan"));
    }
    let mut hours = vec![];
    for envelope in &handover.hours {
        let statement: HoursStatement = envelope.open(&authority).map_err(wrong)?;
        Hours::new(&statement).map_err(wrong)?;
        if statement.site != app.site.site {
            return Err(wrong("lawful hours are for another site"));
        }
        hours.push((statement.area, envelope.clone()));
    }
    // Hours that are left out would not be unsaid but unsigned: the built-in ones would hold, wider or narrower.
    for row in app.store.area_rows().await?.into_iter().filter(|row| row.hours.is_some()) {
        if !hours.iter().any(|(area, _)| *area == row.area.code) {
            return Err(wrong(format!("the lawful hours of area {} were not signed anew", row.area.code)));
        }
    }
    let rows = store::Handover {
        succession: (trust.successions.len() as u64 + 1, handover.succession.clone()),
        trust: (list.version, handover.trust.clone()),
        certificates,
        hours,
    };
    app.store.hand_over(&rows, now_ms()).await?;
    app.reload_trust().await.map_err(wrong)?;
    Ok(authority)
}
