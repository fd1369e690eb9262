//! What a center is told about itself.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub http: Http,
    pub mqtt: Mqtt,
    pub store: Store,
    pub media: Media,
    pub log: Log,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address of the API and the page; port 0 takes a free one.
    pub address: String,
    /// Largest upload in MiB.
    pub upload_mb: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self { address: "127.0.0.1:8080".into(), upload_mb: 512 }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mqtt {
    /// Address of the embedded broker.
    pub address: String,
    /// An external broker instead: `mqtt://[user:password@]host:port`.
    pub broker: String,
    /// Media goes out no faster than this.
    pub media_kbytes_per_s: u64,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self { address: "127.0.0.1:1883".into(), broker: String::new(), media_kbytes_per_s: 8_192 }
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
pub struct Log {
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into() }
    }
}
