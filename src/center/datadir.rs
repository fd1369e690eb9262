//! The one directory that holds a center: what lies where, and how it is made.
//!
//! ```text
//! center.db          SQLite (absent with PostgreSQL)
//! site.json          the site's name and the authority's public key
//! token              access for the command line and the first sign-in, readable by the owner alone
//! dispatcher.next    the key that is to follow it, until the authority has certified that
//! dispatcher.key     the online key that signs plans, readable by the owner alone
//! people.key         seals the secrets of second factors, readable by the owner alone; made when first needed
//! authority.key      the authority's key under its passphrase; may be moved to another machine
//! tls/               the transport's certificate authority and the server's certificate (tls.rs)
//! media/             broadcast form, by hash
//! uploads/           as received, until converted
//! run.json           where the running server listens
//! trial/             speakers that the center runs itself for trial, by their ids (trial.rs)
//! loaxa.toml         configuration that belongs to this center, if any
//! lock               held by whoever works on this directory
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::tls::TransportAuthority;
use crate::domain::approval::{Certificate, PublicKey, Role, key_text};
use crate::domain::hours::HoursStatement;
use crate::domain::ids::{AreaCode, SiteId};
use crate::domain::priority::Priority;
use crate::domain::trust::TrustList;
use crate::protocol::envelope::Envelope;
use crate::protocol::keys::{SealedKey, SigningKey};

/// What never changes about a site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    pub site: SiteId,
    pub title: String,
    /// The area at the top of the tree.
    pub area: AreaCode,
    pub area_title: String,
    pub time_zone: String,
    #[serde(with = "key_text")]
    pub authority: PublicKey,
    /// The dispatcher's certificate, signed by the authority.
    pub dispatcher: Envelope,
    /// The lawful hours of the top area until others are said, signed by the authority: 05:00 to 22:00 by the site's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Envelope>,
    /// The first trust list, which trusts everybody whom the authority certifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Envelope>,
    /// The certificate of the first approver, where one was named while the authority's key was open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<Envelope>,
}

/// Where a running server can be reached, for the command line on the same machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub http: String,
    pub mqtt: String,
    pub pid: u32,
}

#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

/// Read from the data directory where no other configuration file is named.
pub const CONFIG_FILE: &str = "loaxa.toml";

const NEXT_DISPATCHER: &str = "dispatcher.next";

/// Ten years, for keys that are rotated by hand.
pub const DISPATCHER_VALID_MS: i64 = 10 * 366 * crate::domain::DAY_MS;

/// How long a trust list is good for: signing it again is the authority's sign of life. Its end is told long before.
pub const TRUST_VALID_MS: i64 = 2 * 366 * crate::domain::DAY_MS;

/// What `init` asks for.
#[derive(Debug, Clone)]
pub struct NewSite {
    pub site: SiteId,
    pub title: String,
    pub area: AreaCode,
    pub area_title: String,
    pub time_zone: String,
    /// PostgreSQL by URL; SQLite in the directory where absent.
    pub database: Option<String>,
    /// Who may approve from the first day on, in the whole tree; others are certified later.
    pub approver: Option<FirstApprover>,
}

/// Somebody who has made a key; only its public half is known here.
#[derive(Debug, Clone)]
pub struct FirstApprover {
    pub title: String,
    pub key: PublicKey,
    pub highest: Priority,
    pub valid_until_ms: i64,
}

impl DataDir {
    /// Whether there is a center here.
    pub fn is_center(root: &Path) -> bool {
        root.join("site.json").is_file()
    }

    /// Makes sure of a directory in which a center can be made: missing, empty, or with no more in it than its configuration and what a
    /// set-up that was cut off has left. Nothing of anybody else's is ever written over.
    pub fn vacant(root: &Path) -> Result<Self, String> {
        let failed = |e: io::Error| format!("{} cannot be used: {e}", root.display());
        let occupied = |name: &str| {
            format!(
                "{} is neither empty nor a center's data directory: it holds {name}. Nothing was changed; name another directory, \
                 or put site.json back if this was a center",
                root.display()
            )
        };
        // Set-up mode makes it first, so with it what `make` writes is of the same origin.
        let begun = root.join("tls").join("ca.pem").is_file();
        let entries = match fs::read_dir(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            entries => Some(entries.map_err(failed)?),
        };
        for entry in entries.into_iter().flatten() {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            let ours = match &*name {
                CONFIG_FILE | "lock" | "lost+found" => true,
                "media" | "uploads" => is_empty(&root.join(&*name)),
                "tls" => true,
                "authority.key" | "dispatcher.key" | "token" => begun,
                other => begun && other.starts_with(".tmp"),
            };
            if !ours {
                return Err(occupied(&name));
            }
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(failed)?;
        Ok(Self { root: root.to_owned() })
    }

    /// A directory that `init` has made.
    pub fn open(root: &Path) -> Result<Self, String> {
        let this = Self { root: root.to_owned() };
        if Self::is_center(root) {
            Ok(this)
        } else {
            Err(format!(
                "{} is not a center's data directory; make it with: loaxa init --data {}",
                root.display(),
                root.display()
            ))
        }
    }

    /// Makes a new center, without any configuration but what it needs. Refuses a directory that is one already.
    pub fn init(root: &Path, new: NewSite, authority_passphrase: &str, now_ms: i64) -> Result<Self, String> {
        refuse_center(root)?;
        // Left behind by an init that was cut off.
        let _ = fs::remove_file(root.join(CONFIG_FILE));
        Self::make(root, new, authority_passphrase, now_ms)
    }

    /// Makes a new center: keys, dispatcher certificate, token.
    pub fn make(root: &Path, new: NewSite, authority_passphrase: &str, now_ms: i64) -> Result<Self, String> {
        let failed = |what: &str, e: io::Error| format!("{what} in {} cannot be written: {e}", root.display());
        let this = Self { root: root.to_owned() };
        refuse_center(root)?;
        for dir in ["", "media", "uploads"] {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(root.join(dir)).map_err(|e| failed("a directory", e))?;
        }
        // Left behind by an init that was cut off: without site.json nothing was ever made with them.
        for left in ["authority.key", "dispatcher.key", "token"] {
            let _ = fs::remove_file(root.join(left));
        }
        let authority = SigningKey::generate().map_err(|e| e.to_string())?;
        let sealed = SealedKey::seal(&authority, &new.title, authority_passphrase).map_err(|e| e.to_string())?;
        let dispatcher = SigningKey::generate().map_err(|e| e.to_string())?;
        let certificate = Certificate {
            site: new.site.clone(),
            role: Role::Dispatcher,
            title: new.title.clone(),
            key: dispatcher.public(),
            areas: vec![new.area.clone()],
            highest: Priority::Emergency,
            valid_from_ms: now_ms - crate::domain::DAY_MS,
            valid_until_ms: now_ms + DISPATCHER_VALID_MS,
        };
        let hours = HoursStatement {
            site: new.site.clone(),
            area: new.area.clone(),
            version: now_ms.max(0) as u64 / 1000,
            time_zone: new.time_zone.clone(),
            windows: vec![("05:00".into(), "22:00".into())],
            max_session_s: None,
            max_day_s: None,
            made_ms: now_ms,
        };
        let trust = TrustList {
            version: now_ms.max(0) as u64 / 1000,
            made_ms: now_ms,
            valid_until_ms: now_ms + TRUST_VALID_MS,
            ..TrustList::unless_said(new.site.clone())
        };
        let approver = new.approver.map(|approver| Certificate {
            role: Role::Approver,
            title: approver.title,
            key: approver.key,
            highest: approver.highest,
            valid_until_ms: approver.valid_until_ms,
            ..certificate.clone()
        });
        let approver = approver.map(|certificate| Envelope::sign(&certificate, &authority)).transpose();
        let site = Site {
            approver: approver.map_err(|e| e.to_string())?,
            trust: Some(Envelope::sign(&trust, &authority).map_err(|e| e.to_string())?),
            hours: Some(Envelope::sign(&hours, &authority).map_err(|e| e.to_string())?),
            site: new.site,
            title: new.title,
            area: new.area,
            area_title: new.area_title,
            time_zone: new.time_zone,
            authority: authority.public(),
            dispatcher: Envelope::sign(&certificate, &authority).map_err(|e| e.to_string())?,
        };
        let sealed = serde_json::to_string_pretty(&sealed).map_err(|e| e.to_string())?;
        let token = random_text(24)?;
        write_secret(&root.join("authority.key"), &sealed).map_err(|e| failed("authority.key", e))?;
        write_secret(&root.join("dispatcher.key"), &STANDARD.encode(*dispatcher.seed()))
            .map_err(|e| failed("dispatcher.key", e))?;
        write_secret(&root.join("token"), &token).map_err(|e| failed("token", e))?;
        if let Some(url) = new.database {
            let text = format!("[store]\ndatabase = {}", toml::Value::String(url));
            write_secret(&root.join(CONFIG_FILE), &text).map_err(|e| failed(CONFIG_FILE, e))?;
        }
        TransportAuthority::open(root, &site.site)?;
        // Last, since its presence says that the rest is there.
        let site = serde_json::to_string_pretty(&site).map_err(|e| e.to_string())?;
        write_whole(&root.join("site.json"), site.as_bytes()).map_err(|e| failed("site.json", e))?;
        Ok(this)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn read(&self, name: &str) -> Result<String, String> {
        let path = self.path(name);
        fs::read_to_string(&path).map_err(|e| format!("{} cannot be read: {e}", path.display()))
    }

    pub fn site(&self) -> Result<Site, String> {
        serde_json::from_str(&self.read("site.json")?).map_err(|e| format!("site.json is damaged: {e}"))
    }

    pub fn token(&self) -> Result<String, String> {
        Ok(self.read("token")?.trim().to_owned())
    }

    pub fn dispatcher_key(&self) -> Result<SigningKey, String> {
        self.online_key("dispatcher.key")
    }

    fn online_key(&self, name: &str) -> Result<SigningKey, String> {
        let text = Zeroizing::new(self.read(name)?);
        let seed = STANDARD.decode(text.trim()).ok().and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        Ok(SigningKey::from_seed(&seed.ok_or_else(|| format!("{name} is damaged"))?))
    }

    /// A dispatcher's key that waits for its certificate, if there is one.
    pub fn next_dispatcher_key(&self) -> Option<SigningKey> {
        self.online_key(NEXT_DISPATCHER).ok()
    }

    /// Makes the key of the next dispatcher, or gives the one that waits already.
    pub fn make_next_dispatcher(&self) -> Result<SigningKey, String> {
        if let Some(key) = self.next_dispatcher_key() {
            return Ok(key);
        }
        let key = SigningKey::generate().map_err(|e| e.to_string())?;
        let _ = fs::remove_file(self.path(NEXT_DISPATCHER));
        write_secret(&self.path(NEXT_DISPATCHER), &STANDARD.encode(*key.seed()))
            .map_err(|e| format!("{NEXT_DISPATCHER} cannot be written: {e}"))?;
        Ok(key)
    }

    /// Once certified, the next dispatcher's key takes the place of the one before.
    pub fn install_next_dispatcher(&self) -> io::Result<()> {
        fs::rename(self.path(NEXT_DISPATCHER), self.path("dispatcher.key"))?;
        File::open(&self.root)?.sync_all()
    }

    /// The key that seals people's second factors; made here the first time.
    pub fn people_key(&self) -> Result<[u8; 32], String> {
        let path = self.path("people.key");
        if !path.exists() {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(|_| "the system has no randomness".to_owned())?;
            // A file that is there half after a power cut would be refused for ever.
            let part = self.path("people.key.part");
            let _ = fs::remove_file(&part);
            let written = write_secret(&part, &STANDARD.encode(key)).and_then(|()| fs::rename(&part, &path));
            written.map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
        }
        let key = STANDARD.decode(self.read("people.key")?.trim()).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
        key.ok_or_else(|| "people.key is damaged".to_owned())
    }

    /// Holds the directory for one process until dropped; `None` if another has it.
    pub fn lock(&self) -> Result<Option<File>, String> {
        let path = self.path("lock");
        let failed = |e: io::Error| format!("{} cannot be used: {e}", path.display());
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    pub fn set_running(&self, running: &Running) -> Result<(), String> {
        let text = serde_json::to_string(running).map_err(|e| e.to_string())?;
        write_whole(&self.path("run.json"), text.as_bytes()).map_err(|e| format!("run.json cannot be written: {e}"))
    }

    pub fn running(&self) -> Option<Running> {
        serde_json::from_str(&self.read("run.json").ok()?).ok()
    }

    pub fn clear_running(&self) {
        let _ = fs::remove_file(self.path("run.json"));
    }
}

fn refuse_center(root: &Path) -> Result<(), String> {
    match root.join("site.json").exists() {
        true => Err(format!("{} is a center already; nothing was changed", root.display())),
        false => Ok(()),
    }
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

/// Random text of `bytes` bytes of entropy, safe in URLs and files.
pub fn random_text(bytes: usize) -> Result<String, String> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(|_| "the system has no randomness".to_owned())?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

/// Writes a file that only its owner may read; never over an existing one.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Writes a file so that after a power cut it is there whole, or as it was before.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // The parent of a bare name is empty, and means here.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".tmp").tempfile_in(parent)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_directory_that_is_nobodys_is_taken_for_a_center() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        let take = |name: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
            DataDir::vacant(&root)
        };
        assert!(DataDir::vacant(&root).is_ok() && root.is_dir(), "a missing one is made");
        assert!(DataDir::vacant(&root).is_ok(), "an empty one");
        assert!(take(CONFIG_FILE).is_ok() && take("lock").is_ok());
        // An authority's key that lies alone is somebody's only copy.
        let told = take("authority.key").unwrap_err();
        assert!(told.contains("it holds authority.key. Nothing was changed"), "{told}");
        assert!(take("tls/ca.pem").is_ok(), "what a set-up has begun goes on");
        assert!(take("token").is_ok() && take(".tmpAbC").is_ok());
        for name in ["center.db", "people.key", "media/ab.opus", "notes.txt"] {
            assert!(take(name).unwrap_err().contains("neither empty nor"), "{name}");
            fs::remove_file(root.join(name)).unwrap();
        }
    }
}
