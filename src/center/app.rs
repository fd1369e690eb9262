//! Everything a center's parts share, made once and passed down.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tokio::sync::{Notify, broadcast};

use super::api::Uploading;
use super::audit::Audit;
use super::authority::Trust;
use super::commands::{self, Commands};
use super::config::Config;
use super::datadir::{DataDir, Site};
use super::delivery::{PlanBook, with_book};
use super::gate::Gate;
use super::media::MediaStore;
use super::overview::Failures;
use super::people::People;
use super::planner::Planning;
use super::pulse::Pulse;
use super::readiness::LookedUp;
use super::standing::LastWords;
use super::store::{Store, StoreError, unusable};
use super::tls::{self, TransportAuthority};
use super::trial::Trials;
use crate::domain::approval::Certificate;
use crate::domain::area::{Area, AreaTree};
use crate::domain::ids::{AreaCode, BulletinId, MediaHash, SpeakerId};
use crate::domain::plan::MediaRef;
use crate::domain::relay::RelayHosts;

/// What has changed, for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Speakers,
    Plays,
    Bulletins,
    /// Programmes, schedules and calendars.
    Schedules,
    Areas,
    /// Certificates, the trust list, the authority.
    Trust,
    /// Accounts and tokens.
    Accounts,
    /// The sums of days were made again.
    Reports,
}

impl Change {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Speakers => "speakers",
            Self::Plays => "plays",
            Self::Bulletins => "bulletins",
            Self::Schedules => "schedules",
            Self::Areas => "areas",
            Self::Trust => "trust",
            Self::Accounts => "accounts",
            Self::Reports => "reports",
        }
    }
}

#[derive(Debug)]
pub struct App {
    pub config: Config,
    pub data: DataDir,
    pub site: Site,
    pub store: Store,
    pub media: MediaStore,
    trust: RwLock<Arc<Trust>>,
    pub relays: RelayHosts,
    /// SHA-256 of the access token.
    pub token_hash: [u8; 32],
    pub people: People,
    pub audit: Audit,
    pub changes: broadcast::Sender<Change>,
    /// Rung when there may be something new to plan, to publish or to convert.
    pub plan_bell: Notify,
    /// What everybody plays, once the planner has been round.
    pub planning: tokio::sync::Mutex<Option<Planning>>,
    /// What was looked up about who has what.
    pub looked_up: LookedUp,
    pub publish_bell: Notify,
    /// Sounds that are approved as emergencies.
    pub standby: RwLock<HashSet<MediaHash>>,
    /// What was told to whole areas.
    pub commands: Commands,
    /// What each board said last.
    pub last_words: LastWords,
    /// Plays that failed of late.
    pub failures: Failures,
    /// The tree of units is changed by one after the other: what was checked still holds when it is written.
    pub area_edits: tokio::sync::Mutex<()>,
    /// Who has which plan.
    pub plan_book: Mutex<PlanBook>,
    pub ingest_bell: Notify,
    /// Rung when the account of plays has something to take in.
    pub account_bell: Notify,
    /// Hashes of the speakers' broker passwords, for the embedded broker's doorman.
    pub speaker_passwords: RwLock<HashMap<SpeakerId, String>>,
    /// Speakers that this center runs itself, for trial.
    pub trials: Trials,
    /// What issues the certificates of connections.
    pub transport: TransportAuthority,
    /// Who may be connected, and who is.
    pub gate: Arc<Gate>,
    /// Where the API and the broker were bound, once they are.
    pub bound: OnceLock<Bound>,
    /// At which uploads somebody is at work.
    pub uploading: Uploading,
    /// Held while the outline of an older sound is made.
    pub outlining: tokio::sync::Mutex<()>,
    /// How the parts of this center are.
    pub pulse: Pulse,
    /// How far conversions are, in percent.
    pub progress: Mutex<HashMap<(BulletinId, u32), u8>>,
    /// Chunk lists by file; a file never changes under its name.
    chunk_lists: Mutex<HashMap<MediaHash, Arc<MediaRef>>>,
}

/// The addresses that a running center listens on.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    pub http: SocketAddr,
    /// Absent with an external broker.
    pub mqtt: Option<SocketAddr>,
}

impl App {
    /// Opens a center's data directory. The caller holds its lock.
    pub async fn open(data: DataDir, config: Config) -> Result<Arc<Self>, String> {
        let relays = RelayHosts::new(&config.relay.allow).map_err(|e| format!("relay.allow: {e}"))?;
        let site = data.site()?;
        let store = if config.store.database.is_empty() {
            Store::open_sqlite(data.root()).await
        } else {
            Store::open_url(&config.store.database).await
        };
        let failed = unusable(data.root(), &config.store.database);
        let store = store.map_err(&failed)?;
        prepare(&store, &site).await.map_err(&failed)?;
        let transport = TransportAuthority::open(data.root(), &site.site)?;
        let gate = Arc::new(Gate::load(&store).await.map_err(&failed)?);
        let token_hash = Sha256::digest(data.token()?.as_bytes()).into();
        let app = Self {
            media: MediaStore::new(data.path("media")),
            trust: RwLock::new(Arc::new(Trust::load(&store, &site, &data).await?)),
            relays,
            token_hash,
            people: People::new(&data.people_key()?),
            audit: Audit::default(),
            changes: broadcast::channel(64).0,
            plan_bell: Notify::new(),
            planning: tokio::sync::Mutex::default(),
            looked_up: LookedUp::default(),
            publish_bell: Notify::new(),
            standby: RwLock::default(),
            commands: Commands::default(),
            last_words: LastWords::default(),
            failures: Failures::default(),
            area_edits: tokio::sync::Mutex::default(),
            plan_book: Mutex::default(),
            ingest_bell: Notify::new(),
            account_bell: Notify::new(),
            speaker_passwords: RwLock::default(),
            trials: Trials::default(),
            transport,
            gate,
            bound: OnceLock::new(),
            uploading: Uploading::default(),
            outlining: tokio::sync::Mutex::default(),
            pulse: Pulse::new(now_ms()),
            progress: Mutex::default(),
            chunk_lists: Mutex::default(),
            config,
            data,
            site,
            store,
        };
        app.load_speaker_passwords().await.map_err(&failed)?;
        let newest = app.store.newest_numbers().await.map_err(&failed)?;
        with_book(&app, |book| newest.iter().for_each(|(speaker, number, ..)| book.made(speaker, *number)));
        commands::load(&app, now_ms()).await.map_err(&failed)?;
        Ok(Arc::new(app))
    }

    /// Whom this site trusts, as the authority said last.
    pub fn trust(&self) -> Arc<Trust> {
        self.trust.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads that again after it was changed, and has new plans made.
    pub async fn reload_trust(&self) -> Result<(), String> {
        let trust = Trust::load(&self.store, &self.site, &self.data).await?;
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
        self.plan_bell.notify_one();
        self.changed(Change::Trust);
        Ok(())
    }

    /// Whether cookies may be marked as for TLS alone: its own, or that of a proxy before it.
    pub fn secure_cookies(&self) -> bool {
        self.config.http.tls || self.config.http.url.starts_with("https://")
    }

    pub fn changed(&self, change: Change) {
        // Nobody may be watching.
        let _ = self.changes.send(change);
    }

    async fn load_speaker_passwords(&self) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let page = self.store.speakers(&after, 1000).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id.to_string();
            if let Ok(mut passwords) = self.speaker_passwords.write() {
                passwords.extend(page.into_iter().map(|speaker| (speaker.id, speaker.password_hash)));
            }
        }
    }

    /// Where each speaker is, from the widest unit down.
    pub async fn speaker_areas(&self) -> Result<HashMap<SpeakerId, Vec<AreaCode>>, StoreError> {
        let tree = AreaTree::new(self.store.area_rows().await?.into_iter().map(|row| row.area));
        let rows = self.store.speaker_places().await?;
        Ok(rows.into_iter().map(|(speaker, area)| (speaker, tree.path(&area).unwrap_or_default())).collect())
    }

    /// How people and boards reach the API from elsewhere, as far as it can be known here.
    pub fn http_url(&self) -> String {
        http_url(&self.config, self.bound.get().map(|bound| bound.http))
    }

    /// How boards reach the broker; without a host where only the board can know by which name it finds this machine.
    pub fn mqtt_url(&self) -> String {
        let mqtt = &self.config.mqtt;
        let scheme = if mqtt.tls { "mqtts" } else { "mqtt" };
        let bound = self.bound.get().and_then(|bound| bound.mqtt);
        if mqtt.url.is_empty() { url(&self.config, scheme, bound, &mqtt.address, |_| None) } else { mqtt.url.clone() }
    }

    /// Whether boards are enrolled here: not where an external broker or plain MQTT knows them by passwords.
    pub fn enrols(&self) -> bool {
        self.config.mqtt.tls && self.config.mqtt.broker.is_empty()
    }

    /// How a media file is cut, read from the disk once.
    pub fn chunk_list(&self, hash: &MediaHash) -> std::io::Result<Arc<MediaRef>> {
        if let Ok(lists) = self.chunk_lists.lock()
            && let Some(list) = lists.get(hash)
        {
            return Ok(list.clone());
        }
        let list = Arc::new(self.media.describe(hash)?);
        if let Ok(mut lists) = self.chunk_lists.lock() {
            lists.insert(*hash, list.clone());
        }
        Ok(list)
    }

    pub fn uploads(&self) -> std::path::PathBuf {
        self.data.path("uploads")
    }

    pub fn upload_path(&self, name: &str) -> std::path::PathBuf {
        self.uploads().join(Path::new(name).file_name().unwrap_or_default())
    }
}

/// How people and boards reach the API from elsewhere, where it was bound to this address.
pub fn http_url(config: &Config, bound: Option<SocketAddr>) -> String {
    let http = &config.http;
    let scheme = if http.tls { "https" } else { "http" };
    if http.url.is_empty() {
        url(config, scheme, bound, &http.address, |named| named.or_else(tls::host_name))
    } else {
        http.url.clone()
    }
}

/// `anywhere` says the host where all addresses are bound, given the first of `tls.names`.
fn url(
    config: &Config,
    scheme: &str,
    bound: Option<SocketAddr>,
    address: &str,
    anywhere: fn(Option<String>) -> Option<String>,
) -> String {
    let at = bound.or_else(|| address.parse().ok());
    let port = at.map_or_else(|| address.rsplit(':').next().unwrap_or_default().to_owned(), |at| at.port().to_string());
    let named = config.tls.names.first().cloned();
    let host = match at {
        Some(at) if at.ip().is_unspecified() => anywhere(named).unwrap_or_default(),
        Some(at) if at.ip().is_loopback() || named.is_none() => at.ip().to_string(),
        _ => named.or_else(|| anywhere(None)).unwrap_or_default(),
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    format!("{scheme}://{host}:{port}")
}

/// The rows that every site has from its first day.
async fn prepare(store: &Store, site: &Site) -> Result<(), StoreError> {
    let root = Area { code: site.area.clone(), parent: None, title: site.area_title.clone() };
    match store.add_area(&root).await {
        Ok(()) | Err(StoreError::Exists(_)) => {}
        Err(error) => return Err(error),
    }
    let rows = store.area_rows().await?;
    if let (Some(hours), true) = (&site.hours, rows.iter().any(|row| row.area.code == site.area && row.hours.is_none()))
    {
        store.set_hours(&site.area, hours).await?;
    }
    let known = store.certificates().await?;
    for envelope in [Some(&site.dispatcher), site.approver.as_ref()].into_iter().flatten() {
        let certificate: Certificate = envelope
            .open(&site.authority)
            .map_err(|e| StoreError::Damaged(format!("a certificate in site.json: {e}")))?;
        if !known.iter().any(|row| row.certificate == certificate) {
            store.add_certificate(envelope, &certificate, now_ms()).await?;
        }
    }
    Ok(())
}

/// Unix time in milliseconds. Only the outermost loops and the handlers' edges call this; all else takes `now_ms`.
pub fn now_ms() -> i64 {
    now_ns() / 1_000_000
}

/// Unix time in nanoseconds.
pub fn now_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
