//! What a center is told about itself.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub http: Http,
    pub mqtt: Mqtt,
    pub tls: Tls,
    pub store: Store,
    pub media: Media,
    pub plan: Plan,
    pub session: Session,
    pub relay: Relay,
    pub trial: Trial,
    pub log: Log,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address of the API and the page; port 0 takes a free one.
    pub address: String,
    /// Largest upload in MiB.
    pub upload_mb: u64,
    /// Behind a proxy that says in X-Forwarded-For who asks. Only where nobody can get past the proxy: else anybody says anything.
    pub behind_proxy: bool,
    /// HTTPS, by the center's own certificate or a given one.
    pub tls: bool,
    /// Without TLS only loopback addresses are served, unless this is said on purpose.
    pub plain_anywhere: bool,
    /// How people and boards reach it from elsewhere: `https://host:port`; worked out from `tls.names` and the address if empty.
    pub url: String,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8080".into(),
            upload_mb: 512,
            behind_proxy: false,
            tls: true,
            plain_anywhere: false,
            url: String::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mqtt {
    /// Address of the embedded broker.
    pub address: String,
    /// TLS with a certificate for each speaker; without it speakers sign in with passwords.
    pub tls: bool,
    /// Without TLS only loopback addresses are used, unless this is said on purpose.
    pub plain_anywhere: bool,
    /// How boards reach it: `mqtts://host:port`; if empty, the host at which they found the center.
    pub url: String,
    /// An external broker instead: `mqtts://[user:password@]host:port`.
    pub broker: String,
    /// The certificate authority of that broker (PEM file); the center's own if empty.
    pub broker_ca: String,
    /// Media goes out no faster than this, towards each speaker.
    pub media_kbytes_per_s: u64,
    /// And no faster than this to all of them together, which is what the center's line carries; 0 = as fast as it goes.
    pub media_uplink_kbytes_per_s: u64,
    /// Times of day for what is not needed soon: `@22:00-05:00`; empty = always.
    pub media_window: String,
    /// Areas with a pace, a time of day or both of their own: `24133=200`, `24169=@22:00-05:00`, `66=500@20:00-05:00`. A file
    /// goes at the pace of the slowest area that wants it.
    pub media_areas: Vec<String>,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8883".into(),
            tls: true,
            plain_anywhere: false,
            url: String::new(),
            broker: String::new(),
            broker_ca: String::new(),
            media_kbytes_per_s: 8_192,
            media_uplink_kbytes_per_s: 0,
            media_window: String::new(),
            media_areas: vec![],
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Host names and addresses under which this center is reached, beside this machine's own.
    pub names: Vec<String>,
    /// A certificate from elsewhere for API and page (PEM files). Boards and the broker keep to the center's own authority.
    pub certificate: String,
    pub key: String,
    /// How long the certificates of speakers are valid.
    pub client_days: u32,
}

impl Default for Tls {
    fn default() -> Self {
        Self { names: vec![], certificate: String::new(), key: String::new(), client_days: 365 }
    }
}

impl Tls {
    pub fn client_ms(&self) -> i64 {
        i64::from(self.client_days.max(1)) * crate::domain::DAY_MS
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `postgres://...`; empty for SQLite in the data directory.
    pub database: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Longest bulletin in minutes.
    pub longest_minutes: u64,
}

impl Default for Media {
    fn default() -> Self {
        Self { longest_minutes: 120 }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// What is to play within this time is not changed by an edit, unless it is said on purpose.
    pub edit_lock_s: u32,
    /// The same bulletin twice within this time on one speaker is warned about.
    pub repeat_guard_min: u32,
    /// Speakers nearer to each other than this that do not play in step are kept apart by `stagger_ms`; 0 = all in step.
    pub neighbour_m: u32,
    pub stagger_ms: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self { edit_lock_s: 600, repeat_guard_min: 60, neighbour_m: 400, stagger_ms: 0 }
    }
}

impl Plan {
    pub fn edit_lock_ms(&self) -> i64 {
        i64::from(self.edit_lock_s) * 1000
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Relay {
    /// Hosts that programmes may relay from: `vov.vn`, `*.example.vn:8443`; none where empty. Line inputs need none.
    pub allow: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trial {
    /// Whether this center may run speakers itself, on its own machine, for trial.
    pub speakers: TrialSpeakers,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrialSpeakers {
    /// Where page and API are bound to loopback, and not behind a proxy: who reaches them sits at this machine.
    #[default]
    Loopback,
    Always,
    Never,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Session {
    /// A session ends after so many minutes without a request, and in any case after so many hours.
    pub idle_min: u32,
    pub longest_h: u32,
}

impl Default for Session {
    fn default() -> Self {
        Self { idle_min: 60, longest_h: 12 }
    }
}

impl Session {
    pub fn idle_ms(&self) -> i64 {
        i64::from(self.idle_min) * 60_000
    }

    pub fn longest_ms(&self) -> i64 {
        i64::from(self.longest_h) * 3_600_000
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into() }
    }
}
