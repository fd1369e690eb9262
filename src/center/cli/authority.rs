//! What only the authority can do: sign, revoke, renew, hand over. Its key is opened here, or on a machine without a network.
//!
//! Whoever owns the server must not choose what gets signed. So the site comes from the data directory where there is one, the list of
//! what is revoked is kept beside the key as well, and everything is shown in words before the passphrase is asked for.

use std::path::{Path, PathBuf};

use axum::http::Method;
use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};

use super::signing::{
    Known, MOST_AHEAD_S, SIGNED, Signed, Signing, beside, keep_beside, kept_list, sealed_beside, sign_request,
    taken_back,
};
use super::{Place, keys};
use crate::center::api::{AreaView, TrustView};
use crate::center::app::now_ms;
use crate::center::authority::Handover;
use crate::center::client::Client;
use crate::center::datadir::{DISPATCHER_VALID_MS, DataDir, TRUST_VALID_MS, write_secret, write_whole};
use crate::domain::DAY_MS;
use crate::domain::approval::{Certificate, PublicKey, Role, key_text};
use crate::domain::hours::HoursStatement;
use crate::domain::ids::{AreaCode, BulletinId, KeyId, SiteId};
use crate::domain::moved::Moved;
use crate::domain::priority::Priority;
use crate::domain::trust::{Succession, TrustList, TwoApprovers, Withdrawn};
use crate::protocol::envelope::{Envelope, Statement};
use crate::protocol::keys::{SealedKey, SigningKey, key_id};

#[derive(Subcommand)]
pub enum Authority {
    /// Show whom this site trusts, whom no more, and what ends soon
    Status,
    /// Trust keys no more, or take bulletins off the air for good, on every speaker
    Revoke {
        /// Keys of approvers or dispatchers: `loaxa approver list` names them
        #[arg(long, value_delimiter = ',')]
        key: Vec<KeyId>,
        /// Bulletins, each as ID or ID@REVISION (that revision and all before it; without one, all there will ever be)
        #[arg(long, value_delimiter = ',')]
        bulletin: Vec<String>,
        /// Also what the center does not know (any more)
        #[arg(long)]
        even_if_unknown: bool,
        #[command(flatten)]
        signing: Signing,
    },
    /// Take back a revocation that was a mistake
    Restore {
        #[arg(long, value_delimiter = ',')]
        key: Vec<KeyId>,
        #[arg(long, value_delimiter = ',')]
        bulletin: Vec<BulletinId>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Let two approvers be needed in an area and below, from a priority on
    TwoApprovers {
        area: AreaCode,
        /// filler, normal, priority or emergency
        #[arg(long, default_value = "normal", conflicts_with = "off")]
        from: Priority,
        /// One is enough again
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        signing: Signing,
    },
    /// Sign the trust list again before it ends
    Renew(Signing),
    /// Give the server a new key to sign plans with
    Dispatcher {
        /// Revoke the one before, because it may be known to others
        #[arg(long)]
        revoke_old: bool,
        #[command(flatten)]
        signing: Signing,
    },
    /// Let a new authority key follow this one; speakers learn it with their next plan
    Rotate {
        /// Where to write the new sealed key; the old file's place if not given
        #[arg(long, value_name = "FILE")]
        key_out: Option<PathBuf>,
        /// File with its passphrase (else LOAXA_NEW_AUTHORITY_PASSPHRASE, else asked for)
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Sign a request that was written with --request-out; needs no center and no network
    Sign {
        request: PathBuf,
        /// The authority's sealed key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// Where to write what was signed
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Do not ask whether this is meant
        #[arg(long)]
        yes: bool,
        /// The request may take back what a list that was signed with this key before revokes
        #[arg(long)]
        restoring: bool,
    },
    /// Bring to the center what was signed elsewhere
    Apply { signed: PathBuf },
}

/// The site's name: the data directory's, where there is one.
pub async fn site_of(place: &Place, client: &Client) -> Result<SiteId, String> {
    if let Some(site) = place.data.as_ref().and_then(|dir| DataDir::open(dir).ok()?.site().ok()) {
        return Ok(site.site);
    }
    let center: Value = client.get("/center").await?;
    center["site"].as_str().unwrap_or_default().parse().map_err(|e| format!("{e}"))
}

pub async fn authority(place: &Place, command: Authority) -> Result<(), String> {
    if let Authority::Sign { request, key, passphrase_file, out, yes, restoring } = command {
        return sign_request(place, &request, &key, passphrase_file.as_deref(), &out, (yes, restoring));
    }
    let client = place.client().await?;
    let result = perform(place, &client, command).await;
    let closed = client.close().await;
    result.and(closed)
}

async fn perform(place: &Place, client: &Client, command: Authority) -> Result<(), String> {
    match command {
        Authority::Status => status(place, client).await,
        Authority::Revoke { key, bulletin, even_if_unknown, signing } => {
            if key.is_empty() && bulletin.is_empty() {
                return Err("say what is to be revoked: --key KEY or --bulletin ID".into());
            }
            let bulletins: Vec<Withdrawn> = bulletin.iter().map(|text| withdrawn(text)).collect::<Result<_, _>>()?;
            check_known(client, &key, &bulletins, even_if_unknown).await?;
            change(place, client, &signing, |list| revoke(list, &key, &bulletins)).await
        }
        Authority::Restore { key, bulletin, signing } => {
            change(place, client, &signing, |list| {
                list.revoked.retain(|known| !key.contains(known));
                list.withdrawn.retain(|known| !bulletin.contains(&known.bulletin));
            })
            .await
        }
        Authority::TwoApprovers { area, from, off, signing } => {
            let areas: Vec<AreaView> = client.get("/areas").await?;
            if !areas.iter().any(|known| known.code == area.as_str()) {
                return Err(format!("there is no area {area}; loaxa area list names them"));
            }
            change(place, client, &signing, |list| {
                list.two_approvers.retain(|rule| rule.area != area);
                if !off {
                    list.two_approvers.push(TwoApprovers { area: area.clone(), from });
                }
            })
            .await
        }
        Authority::Renew(signing) => change(place, client, &signing, |_| ()).await,
        Authority::Dispatcher { revoke_old, signing } => dispatcher(place, client, revoke_old, &signing).await,
        Authority::Rotate { key_out, new_passphrase_file, signing } => {
            rotate(place, client, key_out, new_passphrase_file.as_deref(), &signing).await
        }
        Authority::Apply { signed } => apply(place, client, &signed).await,
        Authority::Sign { .. } => Ok(()),
    }
}

async fn status(place: &Place, client: &Client) -> Result<(), String> {
    let view: TrustView = client.get("/trust").await?;
    place.answer(&view, |view| {
        let mut lines = vec![
            format!("authority   {}, fingerprint {}", view.authority, view.fingerprint),
            format!("dispatcher  {}", view.dispatcher),
            Known::Trust(view.list.clone()).words(),
        ];
        lines.extend(view.warnings.iter().map(|warning| format!("warning: {warning}")));
        lines.join("\n")
    })
}

fn withdrawn(text: &str) -> Result<Withdrawn, String> {
    let (id, up_to) = match text.split_once('@') {
        Some((id, number)) => (id, number.parse().map_err(|_| format!("{text:?}: write ID or ID@REVISION"))?),
        None => (text, u32::MAX),
    };
    Ok(Withdrawn { bulletin: id.parse().map_err(|e| format!("{e}"))?, up_to })
}

/// A slip in a name would look like a revocation and be none; and without its dispatcher no board would learn of any.
async fn check_known(
    client: &Client,
    keys: &[KeyId],
    bulletins: &[Withdrawn],
    even_if_unknown: bool,
) -> Result<(), String> {
    let view: TrustView = client.get("/trust").await?;
    if keys.iter().any(|key| key.as_str() == view.dispatcher) {
        return Err("this key signs the plans now, and boards learn of revocations by plans: loaxa authority dispatcher --revoke-old".into());
    }
    let known: Vec<Value> = client.get("/certificates").await?;
    let unknown = |key: &&KeyId| !known.iter().any(|row| row["key"] == key.as_str());
    if let Some(key) = keys.iter().find(unknown).filter(|_| !even_if_unknown) {
        return Err(format!(
            "the center knows no key {key} (loaxa approver list); --even-if-unknown revokes it all the same"
        ));
    }
    for one in bulletins.iter().filter(|_| !even_if_unknown) {
        let told = |e| format!("{e}; --even-if-unknown withdraws it all the same");
        client.get::<Value>(&format!("/bulletins/{}", one.bulletin)).await.map_err(told)?;
    }
    Ok(())
}

fn revoke(list: &mut TrustList, keys: &[KeyId], bulletins: &[Withdrawn]) {
    for key in keys.iter().filter(|key| !list.is_revoked(key)).cloned().collect::<Vec<_>>() {
        list.revoked.push(key);
    }
    for new in bulletins {
        match list.withdrawn.iter_mut().find(|known| known.bulletin == new.bulletin) {
            Some(known) => known.up_to = known.up_to.max(new.up_to),
            None => list.withdrawn.push(new.clone()),
        }
    }
}

/// The newest trust list: the center's, unless a newer one was signed here. A server that was broken into, or restored from an older copy,
/// must not make the authority forget whom it has revoked or what it has moved, nor sign moves that it never made.
pub async fn newest_list(place: &Place, client: &Client, signing: &Signing) -> Result<TrustList, String> {
    let view: TrustView = client.get("/trust").await?;
    let key = signing.key_path(place).ok();
    let there = match key.as_deref().and_then(sealed_beside) {
        Some(sealed) => signed_by(&view, &sealed)?,
        // The key is elsewhere: `authority sign` shows what it is asked for, and knows what was signed before.
        None => view.list,
    };
    Ok(going_on(there, key.as_deref().and_then(kept_list)))
}

/// The same for a merger, which may be the second try of one that was signed and not brought in.
pub async fn list_before_merger(place: &Place, client: &Client, signing: &Signing) -> Result<TrustList, String> {
    let known: TrustView = client.get("/trust").await?;
    let mut list = newest_list(place, client, signing).await?;
    let said_last = signing.key_path(place).ok().and_then(|key| kept_list(&key)).map(|kept| kept.version);
    let waits = |moved: &Moved| Some(moved.since) == said_last && !known.list.moved.contains(moved);
    if list.moved.iter().any(waits) {
        eprintln!("a merger that was signed here and not brought in is left out, and worked out anew");
        list.moved.retain(|moved| !waits(moved));
    }
    Ok(list)
}

/// The center's list, if this authority has signed it.
fn signed_by(view: &TrustView, sealed: &SealedKey) -> Result<TrustList, String> {
    match &view.signed {
        Some(envelope) => envelope.open(&sealed.public_key).map_err(|_| {
            "the trust list that the center shows was not signed with this key, so nothing was signed; is it the newest authority's key?"
                .to_owned()
        }),
        // A list that nobody has signed can only be the empty one.
        None => Ok(TrustList { version: view.list.version, ..TrustList::unless_said(view.list.site.clone()) }),
    }
}

fn going_on(there: TrustList, kept: Option<TrustList>) -> TrustList {
    let Some(kept) = kept.filter(|kept| kept.site == there.site) else { return there };
    if kept.version <= there.version && taken_back(&kept, &there).is_empty() {
        return there;
    }
    eprintln!(
        "the center has version {} of the trust list without all that was signed here with version {}; going on from that",
        there.version, kept.version
    );
    // Never below what the center has, or its own list would be the later one.
    TrustList { version: kept.version.max(there.version), ..kept }
}

async fn change(
    place: &Place,
    client: &Client,
    signing: &Signing,
    edit: impl FnOnce(&mut TrustList),
) -> Result<(), String> {
    let mut list = newest_list(place, client, signing).await?;
    list.site = site_of(place, client).await?;
    edit(&mut list);
    stamp(&mut list)?;
    let Some(envelope) = signing.sign(place, &list)? else { return Ok(()) };
    keep_beside(&signing.key_path(place)?, &envelope);
    client.send::<Value>(Method::PUT, "/trust", &json!(envelope)).await?;
    place.answer(&list, |list| {
        format!(
            "trust list version {} is in force; speakers take it with their next plan, which is being made",
            list.version
        )
    })
}

/// The next version: by the clock, so that a center restored from an older copy does not sign what speakers count as old.
pub fn stamp(list: &mut TrustList) -> Result<(), String> {
    let by_clock = now_ms().max(0) as u64 / 1000;
    if list.version > by_clock + MOST_AHEAD_S {
        return Err(format!("the center says that trust list version {} is in force, which cannot be", list.version));
    }
    list.version = by_clock.max(list.version + 1);
    (list.made_ms, list.valid_until_ms) = (now_ms(), now_ms() + TRUST_VALID_MS);
    Ok(())
}

async fn dispatcher(place: &Place, client: &Client, revoke_old: bool, signing: &Signing) -> Result<(), String> {
    let data = DataDir::open(
        &place.data().map_err(|_| "the dispatcher's key is made on the center's own machine: --data DIR".to_owned())?,
    )?;
    let site = data.site()?;
    let old: TrustView = client.get("/trust").await?;
    if revoke_old && signing.request_out.is_some() {
        return Err(format!(
            "one request after the other: first the new key, then, when it is in force: loaxa authority revoke --key {}",
            old.dispatcher
        ));
    }
    let key = data.make_next_dispatcher()?;
    let certificate = Certificate {
        site: site.site,
        role: Role::Dispatcher,
        title: site.title,
        key: key.public(),
        areas: vec![site.area],
        highest: Priority::Emergency,
        valid_from_ms: now_ms() - DAY_MS,
        valid_until_ms: now_ms() + DISPATCHER_VALID_MS,
    };
    let Some(envelope) = signing.sign(place, &certificate)? else { return Ok(()) };
    client.send::<Value>(Method::POST, "/certificates", &json!(envelope)).await?;
    let id = key_id(&key.public());
    place.answer(&json!({ "dispatcher": id }), |_| format!("plans are signed by the new key {id} from now on"))?;
    if revoke_old {
        let before = old.dispatcher.parse().map_err(|e| format!("{e}"))?;
        change(place, client, signing, |list| revoke(list, &[before], &[])).await?;
    }
    Ok(())
}

/// What the authority of now has signed, as the center tells it.
#[derive(Deserialize)]
struct Standing {
    certificates: Vec<Envelope>,
    hours: Vec<Envelope>,
}

async fn rotate(
    place: &Place,
    client: &Client,
    key_out: Option<PathBuf>,
    new_passphrase: Option<&Path>,
    signing: &Signing,
) -> Result<(), String> {
    if signing.request_out.is_some() {
        return Err(
            "both keys are needed at once: bring the center's data or --center URL to the authority's machine".into()
        );
    }
    let path = signing.key_path(place)?;
    let new_path = key_out.clone().unwrap_or_else(|| beside(&path, "new"));
    if new_path.exists() {
        return Err(format!("{} is there already; nothing was changed", new_path.display()));
    }
    let old = signing.open(place)?;
    let passphrase = match keys::given_passphrase(new_passphrase, "LOAXA_NEW_AUTHORITY_PASSPHRASE")? {
        Some(passphrase) => passphrase,
        None => keys::new_passphrase("Passphrase for the new authority's key")?,
    };
    let new = SigningKey::generate().map_err(|e| e.to_string())?;
    let sealed = SealedKey::seal(&new, "authority", &passphrase).map_err(|e| e.to_string())?;
    let site = site_of(place, client).await?;
    let mut list = newest_list(place, client, signing).await?;
    stamp(&mut list)?;
    let standing: Standing = client.get("/authority").await?;
    let handover = Handover {
        succession: succession(&site, &old, &new)?,
        trust: Envelope::sign(&list, &new).map_err(|e| e.to_string())?,
        certificates: again::<Certificate>(&standing.certificates, &old.public(), &new, |one| {
            !list.is_revoked(&key_id(&one.key))
        })?,
        hours: again::<HoursStatement>(&standing.hours, &old.public(), &new, |_| true)?,
    };
    eprintln!("signed anew: {}", Known::Trust(list.clone()).words());
    for envelope in &handover.certificates {
        eprintln!("signed anew: {}", Known::Certificate(envelope.peek().map_err(|e| e.to_string())?).words());
    }
    for envelope in &handover.hours {
        eprintln!("signed anew: {}", Known::Hours(envelope.peek().map_err(|e| e.to_string())?).words());
    }
    // The new key and all that it has signed first: a site whose authority nobody holds would be lost. They stay, whatever comes: an
    // answer that does not arrive does not say that the center has not taken them.
    let text = serde_json::to_string_pretty(&sealed).map_err(|e| e.to_string())?;
    write_secret(&new_path, &text).map_err(|e| format!("{} cannot be written: {e}", new_path.display()))?;
    let text = serde_json::to_vec_pretty(&handover).map_err(|e| e.to_string())?;
    let handover_path = beside(&new_path, "handover");
    write_whole(&handover_path, &text).map_err(|e| format!("{} cannot be written: {e}", handover_path.display()))?;
    let sent = client.send::<Value>(Method::POST, "/authority", &json!(handover)).await;
    if let Err(error) = sent {
        let now: Option<TrustView> = client.get("/trust").await.ok();
        if now.is_none_or(|now| now.authority != key_text::format(&new.public())) {
            return Err(format!(
                "{error}. The new key is {}: see by `loaxa authority status` whether the center has taken it (fingerprint {}); \
                 if not, `loaxa authority apply {}` brings it there",
                new_path.display(),
                key_id(&new.public()),
                handover_path.display()
            ));
        }
    }
    let mut kept = new_path.clone();
    if key_out.is_none() {
        let moved = std::fs::rename(&path, beside(&path, "before"))
            .and_then(|()| std::fs::rename(&new_path, &path))
            .and_then(|()| std::fs::rename(&handover_path, beside(&path, "handover")));
        moved.map_err(|e| {
            format!("the new key is in {}; it could not be moved to its place: {e}", new_path.display())
        })?;
        kept = path;
    }
    keep_beside(&kept, &handover.trust);
    let made =
        json!({ "authority": key_text::format(&new.public()), "fingerprint": key_id(&new.public()), "key_file": kept });
    place.answer(&made, |_| {
        format!(
            "the new authority is {}; its sealed key is {}. Speakers follow with their next plan; keep the old key until all have",
            key_id(&new.public()),
            kept.display()
        )
    })
}

fn succession(site: &SiteId, old: &SigningKey, new: &SigningKey) -> Result<Envelope, String> {
    let link = Succession { site: site.clone(), from: old.public(), to: new.public(), made_ms: now_ms() };
    let mut envelope = Envelope::sign(&link, old).map_err(|e| e.to_string())?;
    envelope.countersign::<Succession>(new).map_err(|e| e.to_string())?;
    Ok(envelope)
}

/// Signs anew what the old key had really signed; nothing that a server slipped in.
fn again<S: Statement>(
    envelopes: &[Envelope],
    old: &PublicKey,
    new: &SigningKey,
    still_holds: impl Fn(&S) -> bool,
) -> Result<Vec<Envelope>, String> {
    let mut signed = vec![];
    for envelope in envelopes {
        let statement = envelope.open::<S>(old).map_err(|e| e.to_string())?;
        if still_holds(&statement) {
            signed.push(Envelope::sign(&statement, new).map_err(|e| e.to_string())?);
        }
    }
    Ok(signed)
}

async fn apply(place: &Place, client: &Client, path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
    if let Ok(handover) = serde_json::from_str::<Handover>(&text) {
        client.send::<Value>(Method::POST, "/authority", &json!(handover)).await?;
        return place.answer(&json!({ "applied": 1 }), |_| "the hand-over to the next authority is in force".into());
    }
    let read: Signed = serde_json::from_str(&text).map_err(|_| format!("{} is not a signed file", path.display()))?;
    if read.format != SIGNED {
        return Err(format!("{} is not a signed file of this kind", path.display()));
    }
    for envelope in &read.signed {
        let unreadable = |e| format!("{}: {e}", path.display());
        match envelope.payload_type.as_str() {
            Certificate::PAYLOAD_TYPE => {
                client.send::<Value>(Method::POST, "/certificates", &json!(envelope)).await?;
            }
            HoursStatement::PAYLOAD_TYPE => {
                let area = envelope.peek::<HoursStatement>().map_err(unreadable)?.area;
                client.send::<Value>(Method::PUT, &format!("/areas/{area}/hours"), &json!(envelope)).await?;
            }
            TrustList::PAYLOAD_TYPE => {
                client.send::<Value>(Method::PUT, "/trust", &json!(envelope)).await?;
            }
            other => return Err(format!("{}: nothing here takes {other:?}", path.display())),
        }
    }
    let count = read.signed.len();
    place.answer(&json!({ "applied": count }), |_| format!("{count} signed statements are in force"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(version: u64, moved: Vec<Moved>) -> TrustList {
        TrustList { version, moved, ..TrustList::unless_said("mau".parse().unwrap()) }
    }

    fn speaker_moved(since: u64) -> Moved {
        Moved {
            since,
            areas: vec![],
            speakers: vec!["cum-loa-01".parse().unwrap()],
            below: vec!["66".parse().unwrap(), "24133".parse().unwrap()],
            hours: Default::default(),
        }
    }

    fn view(list: &TrustList, signed: Option<Envelope>) -> TrustView {
        TrustView {
            authority: String::new(),
            fingerprint: String::new(),
            successions: 0,
            dispatcher: String::new(),
            list: list.clone(),
            signed,
            warnings: vec![],
        }
    }

    #[test]
    fn a_server_that_has_forgotten_a_move_does_not_make_the_authority_forget_it() {
        let (kept, forgotten) = (list(5, vec![speaker_moved(5)]), list(7, vec![]));
        assert_eq!(taken_back(&kept, &forgotten), ["the move of speaker cum-loa-01"]);
        let next = going_on(forgotten, Some(kept.clone()));
        assert_eq!((next.version, &next.moved), (7, &kept.moved));
        let newer = list(8, vec![speaker_moved(5), speaker_moved(8)]);
        assert_eq!(going_on(newer.clone(), Some(kept)), newer, "what came since is gone on from");
    }

    #[test]
    fn a_move_that_the_authority_never_made_is_not_signed_along() {
        let (authority, thief) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
        let sealed = SealedKey::seal(&authority, "authority", "một cụm mật khẩu").unwrap();
        let (said, made_up) = (list(5, vec![]), list(5, vec![speaker_moved(5)]));
        let signed = Envelope::sign(&said, &authority).unwrap();
        // What stands beside the envelope is nobody's word.
        assert_eq!(signed_by(&view(&made_up, Some(signed)), &sealed).unwrap(), said);
        let forged = Envelope::sign(&made_up, &thief).unwrap();
        assert!(signed_by(&view(&made_up, Some(forged)), &sealed).is_err());
        assert_eq!(signed_by(&view(&made_up, None), &sealed).unwrap().moved, []);
    }
}
