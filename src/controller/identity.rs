//! Who this board is, as it learnt it at enrolment: what is pinned, the key and certificate of its connection, and the authority of
//! the transport. Owns the directory `identity/` of the store; asks nobody and connects to nobody.
//!
//! ```text
//! identity/identity.json   what is pinned, and where the center is
//! identity/client.pem      private key and certificate, in one file so that they always belong together; mode 0600
//! identity/ca.pem          the transport's certificate authority
//! identity/pending.json    an enrolment that has begun, so that a lost answer can be asked for again; mode 0600
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};

use super::config::{Config, Identity};
use super::tls::provider;
use crate::domain::approval::key_text;
use crate::protocol::enrolment::{Answer, Pinned};

/// `identity.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enrolled {
    pub identity: Identity,
    pub mqtt: String,
    pub http: String,
}

/// `client.pem`, read.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub chain: Vec<CertificateDer<'static>>,
    pub made_ms: i64,
    pub valid_until_ms: i64,
    key_pem: String,
}

pub fn dir(config: &Config) -> PathBuf {
    config.store.dir.join("identity")
}

impl From<&Pinned> for Identity {
    fn from(pinned: &Pinned) -> Self {
        Self {
            site: pinned.site.to_string(),
            speaker: pinned.speaker.to_string(),
            areas: pinned.areas.iter().map(ToString::to_string).collect(),
            authority: key_text::format(&pinned.authority),
            hours: pinned.hours.iter().map(|(area, version)| (area.to_string(), *version)).collect::<BTreeMap<_, _>>(),
            trust: pinned.trust,
        }
    }
}

/// What was pinned at the last enrolment, if there was one.
pub fn read(dir: &Path) -> Option<Identity> {
    let text = fs::read_to_string(dir.join("identity.json")).ok()?;
    serde_json::from_str::<Enrolled>(&text).ok().map(|enrolled| enrolled.identity)
}

/// Completes a configuration that names no speaker by what was learnt at enrolment. Says whether it did.
pub fn complete(config: &mut Config) -> Result<bool, String> {
    let path = dir(config).join("identity.json");
    if !config.identity.speaker.is_empty() || !path.is_file() {
        return Ok(false);
    }
    let text = fs::read_to_string(&path).map_err(|e| unusable(&path, &e))?;
    let enrolled: Enrolled = serde_json::from_str(&text).map_err(|e| unusable(&path, &e))?;
    config.identity = enrolled.identity;
    if config.center.mqtt.is_empty() {
        config.center.mqtt = enrolled.mqtt;
    }
    Ok(true)
}

/// Keeps what the center said. What connections need comes first, `identity.json` last: its presence says that all is there.
pub fn keep(dir: &Path, answer: &Answer, key_pem: &str, mqtt: &str, http: &str) -> Result<(), String> {
    let enrolled = Enrolled { identity: (&answer.pinned).into(), mqtt: mqtt.to_owned(), http: http.to_owned() };
    let text = serde_json::to_string_pretty(&enrolled).map_err(|e| e.to_string())?;
    make_dir(dir)?;
    write(&dir.join("ca.pem"), answer.ca.as_bytes())?;
    keep_credentials(dir, &answer.certificate, key_pem, answer.made_ms, answer.valid_until_ms)?;
    write(&dir.join("identity.json"), text.as_bytes())
}

/// Keeps a key and its certificate in place of the ones before, whole or not at all, once they have been found to belong together.
pub fn keep_credentials(
    dir: &Path,
    certificate_pem: &str,
    key_pem: &str,
    made_ms: i64,
    valid_until_ms: i64,
) -> Result<(), String> {
    let text = format!("made {made_ms} ms, valid until {valid_until_ms} ms\n{certificate_pem}{key_pem}");
    Credentials::parse(&text)?;
    write(&dir.join("client.pem"), text.as_bytes())
}

impl Credentials {
    pub fn load(dir: &Path) -> Result<Self, String> {
        let path = dir.join("client.pem");
        let text = fs::read_to_string(&path).map_err(|e| unusable(&path, &e))?;
        Self::parse(&text).map_err(|e| unusable(&path, &e))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let numbers: Vec<i64> =
            text.lines().next().unwrap_or_default().split(' ').filter_map(|word| word.parse().ok()).collect();
        let [made_ms, valid_until_ms] = numbers[..] else {
            return Err("its first line says not when it was made".into());
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        let chain = chain.map_err(|e| e.to_string())?;
        let this = Self { chain, made_ms, valid_until_ms, key_pem: text.to_owned() };
        CertifiedKey::from_der(this.chain.clone(), this.key()?, &provider())
            .map_err(|e| format!("certificate and key do not belong together: {e}"))?;
        Ok(this)
    }

    pub fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(|e| e.to_string())
    }
}

pub fn make_dir(dir: &Path) -> Result<(), String> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| unusable(dir, &e))
}

/// Writes a file that only its owner may read, whole.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let written = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".tmp").tempfile_in(dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        fs::File::open(dir)?.sync_all()
    };
    written().map_err(|e| format!("{} cannot be written: {e}", path.display()))
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!(
        "{} cannot be used ({error}); enroll this board again: loaxa-controller enroll --center URL --code CODE",
        path.display()
    )
}
