//! `loaxa-controller enroll`: makes this board's own key, shows the code to the center, and keeps what it answers. The code
//! authenticates both sides, so the connection need not be trusted; what was answered is checked before anything is written.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use serde::{Deserialize, Serialize};

use super::config::{Config, Identity, parse_mqtt_url};
use super::identity::{self, Credentials};
use super::post::Url;
use super::tls;
use crate::domain::approval::key_text;
use crate::protocol::enrolment::{Answer, Code, Request, SealedAnswer, authority_fingerprint};
use crate::protocol::limits::ENROLMENT_BYTES;

const ATTEMPTS: u32 = 3;

/// What was learnt, to be compared with the office's paper.
#[derive(Debug, Serialize)]
pub struct Learnt {
    pub site: String,
    pub speaker: String,
    pub areas: Vec<String>,
    pub authority: String,
    /// The authority's SHA-256 in groups, to be read out.
    pub fingerprint: String,
    pub mqtt: String,
    pub directory: String,
}

/// An enrolment under way: the same request until it is answered.
#[derive(Serialize, Deserialize)]
struct Pending {
    request: Request,
    key: String,
}

pub fn enroll(config: &Config, center: &str, code: &str, force: bool) -> Result<Learnt, String> {
    let code: Code = code.parse().map_err(|e| format!("--code: {e}"))?;
    let url = Url::parse(center).map_err(|e| format!("--center {e}"))?;
    if !config.identity.speaker.is_empty() {
        return Err(format!(
            "the configuration names speaker {} already ([identity]); take that section out to enroll this board",
            config.identity.speaker
        ));
    }
    let dir = identity::dir(config);
    if dir.join("identity.json").is_file() && !force {
        return Err(format!("this board is enrolled already ({}); --force enrolls it anew", dir.display()));
    }
    identity::make_dir(&dir)?;
    let pending = pending(&dir, &code)?;
    let sealed = ask(&url, &pending.request)?;
    let answer = sealed.open(&code, &pending.request).map_err(|e| e.to_string())?;
    let mqtt = with_host(&answer.mqtt, &url.host);
    parse_mqtt_url(&mqtt).map_err(|e| format!("the center's answer names a broker that cannot be used: {e}"))?;
    keep(&dir, &answer, &pending.key, &mqtt, center)?;
    let _ = fs::remove_file(dir.join("pending.json"));
    give_to_owner(&config.store.dir, &dir)?;
    let pinned = &answer.pinned;
    Ok(Learnt {
        site: pinned.site.to_string(),
        speaker: pinned.speaker.to_string(),
        areas: pinned.areas.iter().map(ToString::to_string).collect(),
        authority: key_text::format(&pinned.authority),
        fingerprint: authority_fingerprint(&pinned.authority),
        mqtt,
        directory: dir.display().to_string(),
    })
}

/// Whoever enrolls a board is often root, and the service is not: the identity belongs to the owner of the store.
fn give_to_owner(store: &Path, dir: &Path) -> Result<(), String> {
    let given = || -> std::io::Result<()> {
        let owner = fs::metadata(store)?;
        let mine = fs::metadata(dir)?;
        if (owner.uid(), owner.gid()) == (mine.uid(), mine.gid()) {
            return Ok(());
        }
        for entry in fs::read_dir(dir)? {
            chown(entry?.path(), Some(owner.uid()), Some(owner.gid()))?;
        }
        chown(dir, Some(owner.uid()), Some(owner.gid()))
    };
    given().map_err(|e| format!("{} cannot be given to the owner of {}: {e}", dir.display(), store.display()))
}

/// Checks beside the old identity, and only then takes its place.
fn keep(dir: &Path, answer: &Answer, key_pem: &str, mqtt: &str, http: &str) -> Result<(), String> {
    let trial = tempfile::Builder::new().prefix(".tmp").tempdir_in(dir).map_err(|e| e.to_string())?;
    let failed = |e: String| format!("the center's answer cannot be used ({e}); nothing was taken");
    identity::keep(trial.path(), answer, key_pem, mqtt, http).map_err(failed)?;
    let credentials = Credentials::load(trial.path()).map_err(failed)?;
    tls::is_from(answer.ca.as_bytes(), &credentials).map_err(failed)?;
    let before = identity::read(dir);
    identity::keep(dir, answer, key_pem, mqtt, http)?;
    // Under another authority the board begins anew: what it has accepted from the one before would bind it for ever.
    let same = |known: &Identity| {
        known.site == answer.pinned.site.as_str() && known.authority == key_text::format(&answer.pinned.authority)
    };
    if before.is_some_and(|known| !same(&known))
        && let Some(store) = dir.parent()
    {
        for name in ["plan.json", "state.json"] {
            let _ = fs::remove_file(store.join(name));
        }
    }
    Ok(())
}

/// The request of an earlier attempt with this code, or a new one with a new key.
fn pending(dir: &Path, code: &Code) -> Result<Pending, String> {
    let path = dir.join("pending.json");
    let earlier = fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<Pending>(&text).ok());
    if let Some(earlier) = earlier.filter(|earlier| earlier.request.lookup == code.lookup()) {
        return Ok(earlier);
    }
    let (key, csr) = new_key()?;
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|_| "the system has no randomness to make a key from".to_owned())?;
    let pending = Pending { request: Request::new(code, nonce, &csr), key };
    let text = serde_json::to_string(&pending).map_err(|e| e.to_string())?;
    identity::write(&path, text.as_bytes())?;
    Ok(pending)
}

/// A private key as PEM, and the request for its certificate. The center puts the name in.
pub fn new_key() -> Result<(String, Vec<u8>), String> {
    let failed = |e: rcgen::Error| format!("a key cannot be made: {e}");
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let csr = params.serialize_request(&key).map_err(failed)?;
    Ok((key.serialize_pem(), csr.der().to_vec()))
}

fn ask(center: &Url, request: &Request) -> Result<SealedAnswer, String> {
    let body = serde_json::to_string(request).map_err(|e| e.to_string())?;
    let mut problem = String::new();
    // An answer that was lost on the way is given again to the same request.
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(Duration::from_secs(u64::from(attempt)));
        }
        match center.post("/api/v1/enrolment", &body, 2 * ENROLMENT_BYTES) {
            Ok((200, text)) => {
                return serde_json::from_str(&text)
                    .map_err(|e| format!("what answers at {} is not a center: {e}", center.host));
            }
            Ok((status, text)) => return Err(refusal(&center.host, status, &text)),
            Err(error) => problem = error,
        }
    }
    Err(format!("the center at {} does not answer: {problem}", center.host))
}

/// What the center said, or at least the number.
fn refusal(host: &str, status: u16, text: &str) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str());
    let detail = detail.map(|detail| detail.chars().filter(|c| !c.is_control()).take(300).collect::<String>());
    match detail {
        Some(detail) => format!("the center refuses: {detail}"),
        None => format!("{host} answers {status}: is this the address of the center's page?"),
    }
}

/// Fills in the host where the center does not know under which name it was found.
fn with_host(url: &str, host: &str) -> String {
    match url.split_once("://:") {
        Some((scheme, port)) => format!("{scheme}://{host}:{port}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_center_may_leave_its_host_to_whoever_found_it() {
        assert_eq!(with_host("mqtts://:8883", "loa.xa.vn"), "mqtts://loa.xa.vn:8883");
        assert_eq!(with_host("mqtts://b:8883", "loa.xa.vn"), "mqtts://b:8883");
    }
}
