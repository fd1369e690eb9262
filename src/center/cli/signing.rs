//! What the authority is asked to sign: shown in words, signed here or written out for a machine without a network.
//!
//! Nothing is signed that was not shown, and the list of what is revoked is kept beside the key, so that no request can make the
//! authority forget it.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Place, keys};
use crate::center::app::now_ms;
use crate::center::datadir::{DataDir, write_secret, write_whole};
use crate::domain::approval::{Certificate, Role};
use crate::domain::hours::{Hours, HoursStatement};
use crate::domain::ids::{AreaCode, KeyId};
use crate::domain::moved::Moved;
use crate::domain::trust::{TrustList, TwoApprovers, Withdrawn};
use crate::protocol::envelope::{Envelope, Statement};
use crate::protocol::keys::{SealedKey, SigningKey, key_id};

/// How the authority signs.
#[derive(Args, Clone)]
pub struct Signing {
    /// The authority's sealed key; the data directory's own if not given
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    /// File with the authority's passphrase (else LOAXA_AUTHORITY_PASSPHRASE, else asked for)
    #[arg(long, value_name = "FILE")]
    authority_passphrase_file: Option<PathBuf>,
    /// Sign nothing here: write what is to be signed to this file, for `loaxa authority sign` on another machine
    #[arg(long, value_name = "FILE", conflicts_with_all = ["authority", "authority_passphrase_file"])]
    pub request_out: Option<PathBuf>,
}

impl Signing {
    pub fn key_path(&self, place: &Place) -> Result<PathBuf, String> {
        match &self.authority {
            Some(path) => Ok(path.clone()),
            None => Ok(DataDir::open(&place.data()?)?.path("authority.key")),
        }
    }

    pub fn open(&self, place: &Place) -> Result<SigningKey, String> {
        let passphrase = self.authority_passphrase_file.as_deref();
        let path = self.key_path(place)?;
        if !path.exists() {
            return Err(format!(
                "the authority's key {} is not on this machine; use --request-out FILE here and `loaxa authority sign` where it is",
                path.display()
            ));
        }
        keys::open_key(&path, passphrase, "LOAXA_AUTHORITY_PASSPHRASE", "Passphrase of the authority's key")
    }

    /// The statement as the authority signed it; `None` if it was written out to be signed elsewhere.
    pub fn sign<S: Statement>(&self, place: &Place, statement: &S) -> Result<Option<Envelope>, String> {
        let wanted = Wanted { kind: S::PAYLOAD_TYPE.into(), statement: json!(statement) };
        eprintln!("to be signed by the authority: {}", wanted.read()?.words());
        let Some(path) = &self.request_out else {
            return Envelope::sign(statement, &self.open(place)?).map(Some).map_err(|e| e.to_string());
        };
        let request = Request { format: REQUEST.into(), requests: vec![wanted] };
        let text = serde_json::to_string_pretty(&request).map_err(|e| e.to_string())?;
        write_secret(path, &text).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
        eprintln!(
            "written to {}. Take it to the authority's machine: loaxa authority sign {} --key authority.key --out signed.json",
            path.display(),
            path.display()
        );
        Ok(None)
    }
}

/// Versions follow the clock in seconds; one that is further ahead is a mistake or a lie.
pub const MOST_AHEAD_S: u64 = 366 * 86_400;

const REQUEST: &str = "loaxa-request-v1";

pub const SIGNED: &str = "loaxa-signed-v1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    format: String,
    requests: Vec<Wanted>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    kind: String,
    statement: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    pub format: String,
    pub signed: Vec<Envelope>,
}

/// A statement that the authority may be asked to sign.
pub enum Known {
    Certificate(Certificate),
    Hours(HoursStatement),
    Trust(TrustList),
}

impl Wanted {
    fn read(&self) -> Result<Known, String> {
        let wrong = |e: serde_json::Error| format!("the statement cannot be read: {e}");
        let statement = self.statement.clone();
        match self.kind.as_str() {
            Certificate::PAYLOAD_TYPE => Ok(Known::Certificate(serde_json::from_value(statement).map_err(wrong)?)),
            HoursStatement::PAYLOAD_TYPE => Ok(Known::Hours(serde_json::from_value(statement).map_err(wrong)?)),
            TrustList::PAYLOAD_TYPE => Ok(Known::Trust(serde_json::from_value(statement).map_err(wrong)?)),
            other => Err(format!("the authority is not asked to sign {other:?}")),
        }
    }
}

impl Known {
    fn sign(&self, key: &SigningKey) -> Result<Envelope, String> {
        let signed = match self {
            Self::Certificate(statement) => Envelope::sign(statement, key),
            Self::Hours(statement) => Envelope::sign(statement, key),
            Self::Trust(statement) => Envelope::sign(statement, key),
        };
        signed.map_err(|e| e.to_string())
    }

    /// What signing it means, with nothing in it that could steer a terminal and show something else.
    pub fn words(&self) -> String {
        let steers = |c: char| {
            c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        self.raw_words().chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
    }

    fn raw_words(&self) -> String {
        match self {
            Self::Certificate(certificate) => {
                let codes: Vec<_> = certificate.areas.iter().map(AreaCode::as_str).collect();
                let may = if certificate.role == Role::Approver { "approve" } else { "sign plans" };
                format!(
                    "{} (key {}) may {may} for {} of {}, up to {}, until {}",
                    certificate.title,
                    key_id(&certificate.key),
                    codes.join(", "),
                    certificate.site,
                    certificate.highest,
                    day(certificate.valid_until_ms)
                )
            }
            Self::Hours(hours) => {
                let windows: Vec<_> = hours.windows.iter().map(|(from, to)| format!("{from}-{to}")).collect();
                let (area, site, zone) = (&hours.area, &hours.site, &hours.time_zone);
                let limit =
                    |name: &str, most: Option<u32>| most.map_or(String::new(), |s| format!(", {name} {s} s at most"));
                format!(
                    "in {area} of {site} sound is lawful at {} by the clock of {zone}{}{}, version {}",
                    windows.join(", "),
                    limit("a session", hours.max_session_s),
                    limit("a day", hours.max_day_s),
                    hours.version
                )
            }
            Self::Trust(list) => {
                let keys: Vec<_> = list.revoked.iter().map(KeyId::as_str).collect();
                let all = |up_to| if up_to == u32::MAX { "all revisions".into() } else { format!("up to {up_to}") };
                let bulletins: Vec<_> =
                    list.withdrawn.iter().map(|one| format!("{} ({})", one.bulletin, all(one.up_to))).collect();
                let rules: Vec<_> =
                    list.two_approvers.iter().map(|rule| format!("{} from {}", rule.area, rule.from)).collect();
                let or_none = |list: Vec<String>| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
                format!(
                    "the trust list of {}, version {}, until {}; revoked keys: {}; withdrawn bulletins: {}; two approvers in: {}{}",
                    list.site,
                    list.version,
                    day(list.valid_until_ms),
                    or_none(keys.into_iter().map(str::to_owned).collect()),
                    or_none(bulletins),
                    or_none(rules),
                    moved_words(list)
                )
            }
        }
    }
}

/// Which boards follow their units to where.
fn moved_words(list: &TrustList) -> String {
    let path = |path: &[AreaCode]| path.iter().map(AreaCode::as_str).collect::<Vec<_>>().join("/");
    let entry = |moved: &Moved| {
        let areas = moved.areas.iter().map(AreaCode::to_string);
        let speakers = moved.speakers.iter().map(|speaker| format!("speaker {speaker}"));
        format!("{} below {}", areas.chain(speakers).collect::<Vec<_>>().join(", "), path(&moved.below))
    };
    match list.moved.is_empty() {
        true => String::new(),
        false => format!("; moved: {}", list.moved.iter().map(entry).collect::<Vec<_>>().join("; ")),
    }
}

fn day(ms: i64) -> String {
    let date = chrono::DateTime::from_timestamp_millis(ms);
    date.map_or_else(|| "the end of time".into(), |date| date.format("%Y-%m-%d").to_string())
}

/// Where the newest list that was signed with a key is kept: beside it.
pub fn list_beside(key: &Path) -> PathBuf {
    beside(key, "trust")
}

pub fn beside(key: &Path, what: &str) -> PathBuf {
    let mut path = key.as_os_str().to_owned();
    path.push(format!(".{what}"));
    path.into()
}

/// The list that was signed last with this key.
pub fn kept_list(key: &Path) -> Option<TrustList> {
    let kept: Envelope = serde_json::from_str(&std::fs::read_to_string(list_beside(key)).ok()?).ok()?;
    kept.peek().ok()
}

/// What `kept` revokes or asks for and `list` does not.
pub fn taken_back(kept: &TrustList, list: &TrustList) -> Vec<String> {
    let keys = kept.revoked.iter().filter(|key| !list.is_revoked(key)).map(|key| format!("key {key}"));
    let still =
        |one: &Withdrawn| list.withdrawn.iter().any(|two| two.bulletin == one.bulletin && two.up_to >= one.up_to);
    let bulletins = kept.withdrawn.iter().filter(|one| !still(one)).map(|one| format!("bulletin {}", one.bulletin));
    let asked = |one: &TwoApprovers| list.two_approvers.iter().any(|two| two.area == one.area && two.from <= one.from);
    let rules = kept.two_approvers.iter().filter(|one| !asked(one)).map(|one| format!("two approvers in {}", one.area));
    let moves = kept.moved.iter().filter(|one| !list.moved.contains(one));
    let moves = moves.flat_map(|one| {
        let areas = one.areas.iter().map(|area| format!("the move of {area}"));
        areas.chain(one.speakers.iter().map(|speaker| format!("the move of speaker {speaker}"))).collect::<Vec<_>>()
    });
    keys.chain(bulletins).chain(rules).chain(moves).collect()
}

/// The sealed key itself, where it is on this machine; its public half needs no passphrase.
pub fn sealed_beside(key: &Path) -> Option<SealedKey> {
    serde_json::from_str(&std::fs::read_to_string(key).ok()?).ok()
}

pub fn keep_beside(key: &Path, envelope: &Envelope) {
    let text = serde_json::to_vec(envelope).unwrap_or_default();
    if let Err(error) = write_whole(&list_beside(key), &text) {
        eprintln!("a copy of the list could not be kept beside the key: {error}");
    }
}

pub fn sign_request(
    place: &Place,
    request: &Path,
    key: &Path,
    passphrase: Option<&Path>,
    out: &Path,
    (yes, restoring): (bool, bool),
) -> Result<(), String> {
    let text = std::fs::read_to_string(request).map_err(|e| format!("{} cannot be read: {e}", request.display()))?;
    let read: Request = serde_json::from_str(&text).map_err(|_| format!("{} is not a request", request.display()))?;
    if read.format != REQUEST {
        return Err(format!("{} is not a request of this kind", request.display()));
    }
    let known: Vec<Known> = read.requests.iter().map(Wanted::read).collect::<Result<_, _>>()?;
    for one in &known {
        eprintln!("to be signed: {}", one.words());
    }
    let latest = now_ms().max(0) as u64 / 1000 + MOST_AHEAD_S;
    for one in &known {
        let version = match one {
            Known::Hours(hours) => Hours::new(hours).map(|_| hours.version).map_err(|e| e.to_string())?,
            Known::Trust(list) => list.version,
            Known::Certificate(_) => 0,
        };
        if version > latest {
            return Err(format!(
                "version {version} lies far ahead of this machine's clock and would block all after it; nothing was signed"
            ));
        }
    }
    let kept = kept_list(key);
    for list in known.iter().filter_map(|one| if let Known::Trust(list) = one { Some(list) } else { None }) {
        let lost = kept.as_ref().map(|kept| taken_back(kept, list)).unwrap_or_default();
        if !lost.is_empty() && !restoring {
            return Err(format!(
                "the request takes back what was signed with this key before: {}; nothing was signed. If that is meant, say --restoring",
                lost.join(", ")
            ));
        }
    }
    if !yes && !confirmed()? {
        return Err("nothing was signed".into());
    }
    let authority = keys::open_key(key, passphrase, "LOAXA_AUTHORITY_PASSPHRASE", "Passphrase of the authority's key")?;
    let signed: Vec<Envelope> = known.iter().map(|one| one.sign(&authority)).collect::<Result<_, _>>()?;
    for envelope in signed.iter().filter(|envelope| envelope.payload_type == TrustList::PAYLOAD_TYPE) {
        keep_beside(key, envelope);
    }
    let text = serde_json::to_string_pretty(&Signed { format: SIGNED.into(), signed }).map_err(|e| e.to_string())?;
    write_secret(out, &text).map_err(|e| format!("{} cannot be written: {e}", out.display()))?;
    place.answer(&json!({ "signed": out }), |_| {
        format!("signed; bring {} back and run: loaxa authority apply {}", out.display(), out.display())
    })
}

fn confirmed() -> Result<bool, String> {
    if !std::io::stdin().is_terminal() {
        return Err("read what is to be signed and say --yes, or run this in a terminal".into());
    }
    eprint!("Sign this? (yes/no) ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|e| e.to_string())?;
    Ok(matches!(answer.trim(), "yes" | "y" | "có"))
}
