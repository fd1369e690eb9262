//! What a controller is told about itself; `firmware-config/controller.toml` explains every key.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::player::amplifier::{Line, Wiring};
use super::volume::VolumeProfile;
use crate::domain::approval::key_text;
use crate::domain::schedule::DEFAULT_TIME_ZONE;
use crate::protocol::trust::Anchor;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub identity: Identity,
    pub center: Center,
    pub store: Store,
    pub audio: Audio,
    pub amplifier: Amplifier,
    pub clock: Clock,
    pub log: Log,
}

/// What is pinned: at enrolment, or in a file that is written for a board with a password.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    pub site: String,
    pub speaker: String,
    /// From the widest unit down to its own.
    pub areas: Vec<String>,
    /// The authority's public key in base64.
    pub authority: String,
    /// The versions of the areas' lawful hours when the speaker was added: older ones, or none, are not accepted.
    pub hours: BTreeMap<String, u64>,
    /// The version of the authority's trust list then.
    pub trust: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Center {
    /// `mqtts://host:port`; empty = as told at enrolment.
    pub mqtt: String,
    /// For brokers that know speakers by passwords; an enrolled board has a certificate.
    pub password: String,
    /// The certificate authority of such a broker (PEM file), for `mqtts://`.
    pub ca: String,
    /// The certificate is renewed when less than this is left of its life.
    pub renew_percent: u32,
}

impl Default for Center {
    fn default() -> Self {
        Self { mqtt: String::new(), password: String::new(), ca: String::new(), renew_percent: 33 }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    pub dir: PathBuf,
    pub quota_mb: u64,
    /// Where the running controller says how it is, in memory; empty = as systemd says.
    pub runtime_dir: PathBuf,
}

impl Default for Store {
    fn default() -> Self {
        Self { dir: "/var/lib/loaxa".into(), quota_mb: 512, runtime_dir: PathBuf::new() }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audio {
    /// `cpal`, `wav:PATH` or `null`
    pub out: String,
    /// Device name; empty for the default one.
    pub device: String,
    /// Device that is listened to; empty for none.
    pub capture: String,
    pub volume_db: f32,
    /// Hours at which it is softer, such as `20:00-06:00 -6`, in this time zone.
    pub softer: Vec<String>,
    pub time_zone: String,
}

impl Default for Audio {
    fn default() -> Self {
        Self {
            out: "cpal".into(),
            device: String::new(),
            capture: String::new(),
            volume_db: 0.0,
            softer: vec![],
            time_zone: DEFAULT_TIME_ZONE.to_string(),
        }
    }
}

impl Audio {
    pub fn profile(&self) -> Result<VolumeProfile, String> {
        VolumeProfile::parse(self.volume_db, &self.time_zone, &self.softer)
            .map_err(|e| format!("audio.softer, audio.time_zone: {e}"))
    }
}

/// How the amplifier is switched; [`Wiring`] says what it comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Amplifier {
    /// `file:PATH`, `run:PROGRAM`; empty for one that is always on.
    pub switch: String,
    pub status: String,
    pub warm_up_ms: u32,
    pub hold_s: u32,
}

impl Default for Amplifier {
    fn default() -> Self {
        Self { switch: String::new(), status: String::new(), warm_up_ms: 500, hold_s: 30 }
    }
}

/// Sessions reach the player three seconds before they sound.
const MOST_WARM_UP_MS: u32 = 2_500;

impl Amplifier {
    pub fn wiring(&self) -> Result<Option<Wiring>, String> {
        let line = |key: &str, text: &str| Line::parse(text).map_err(|e| format!("amplifier.{key}: {e}"));
        if self.warm_up_ms > MOST_WARM_UP_MS {
            return Err(format!("amplifier.warm_up_ms: at most {MOST_WARM_UP_MS}"));
        }
        let status = line("status", &self.status)?;
        let hold_ms = self.hold_s.saturating_mul(1000);
        let warm_up_ms = self.warm_up_ms;
        Ok(line("switch", &self.switch)?.map(|switch| Wiring { switch, status, warm_up_ms, hold_ms }))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    pub trust_system: TrustSystem,
    pub max_error_ms: u32,
    /// Whether to keep step with neighbours on the local network.
    pub neighbours: bool,
    /// The address of the network where they are; 0.0.0.0 for the one that the system would take.
    pub neighbour_interface: Ipv4Addr,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            trust_system: TrustSystem::WhenSynchronised,
            max_error_ms: 150_000,
            neighbours: true,
            neighbour_interface: Ipv4Addr::UNSPECIFIED,
        }
    }
}

/// When the board's own clock may start a scheduled item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustSystem {
    Never,
    /// While the kernel says that NTP, PTP or PPS keeps it.
    WhenSynchronised,
    /// For boards with a good battery-backed clock and no network at all.
    Always,
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

impl Config {
    /// What this speaker trusts, or which key of the file is wrong.
    pub fn anchor(&self) -> Result<Anchor, String> {
        let identity = &self.identity;
        if identity.speaker.is_empty() {
            return Err(
                "this board is not enrolled: loaxa-controller enroll --center URL --code CODE, with what `loaxa speaker add` \
                 or `loaxa speaker enrol` prints (or write [identity] into the configuration)"
                    .into(),
            );
        }
        if identity.areas.is_empty() {
            return Err(
                "identity.areas is empty: list the area codes from the widest unit down to this speaker's own".into()
            );
        }
        let areas = identity.areas.iter().map(|code| code.parse()).collect::<Result<_, _>>();
        Ok(Anchor {
            site: identity.site.parse().map_err(|e| format!("identity.site: {e}"))?,
            speaker: identity.speaker.parse().map_err(|e| format!("identity.speaker: {e}"))?,
            areas: areas.map_err(|e| format!("identity.areas: {e}"))?,
            authority: key_text::parse(&identity.authority).map_err(|e| format!("identity.authority: {e}"))?,
            hours: identity
                .hours
                .iter()
                .map(|(area, version)| Ok((area.parse().map_err(|e| format!("identity.hours: {e}"))?, *version)))
                .collect::<Result<_, String>>()?,
            trust: identity.trust,
        })
    }

    /// Where the broker is, and whether by TLS.
    pub fn broker(&self) -> Result<Broker, String> {
        parse_mqtt_url(&self.center.mqtt).map_err(|e| format!("center.mqtt: {e}"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    pub host: String,
    pub port: u16,
    pub tls: bool,
}

/// Splits `mqtt[s]://host[:port]`.
pub fn parse_mqtt_url(url: &str) -> Result<Broker, String> {
    let (rest, tls) = match (url.strip_prefix("mqtts://"), url.strip_prefix("mqtt://")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => return Err(format!("{url:?} is not of the form mqtts://host:8883")),
    };
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            (host, port.parse().map_err(|_| format!("{port:?} is not a port number"))?)
        }
        _ => (rest, if tls { 8883 } else { 1883 }),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        Err(format!("{url:?} names no host"))
    } else {
        Ok(Broker { host: host.to_owned(), port, tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_example_is_read_and_says_what_the_defaults_are() {
        let text = include_str!("../../firmware-config/controller.toml");
        let example: Config = toml::from_str(text).unwrap();
        assert_eq!(example, Config::default());
        // The identity stands there as comments, since an enrolled board has one already.
        let with_identity: String = text
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line).to_owned() + "\n")
            .collect();
        let example: Config = toml::from_str(&with_identity).unwrap();
        assert_eq!((example.identity.speaker.as_str(), example.identity.areas.len()), ("cum-loa-01", 2));
    }

    fn is_setting(line: &str) -> bool {
        let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        line.starts_with("[identity]") || line.split_once(" = ").is_some_and(|(key, _)| word(key))
    }

    #[test]
    fn broker_addresses() {
        let broker = |host: &str, port, tls| Broker { host: host.into(), port, tls };
        assert_eq!(parse_mqtt_url("mqtt://a.vn").unwrap(), broker("a.vn", 1883, false));
        assert_eq!(parse_mqtt_url("mqtts://a.vn").unwrap(), broker("a.vn", 8883, true));
        assert_eq!(parse_mqtt_url("mqtt://[::1]:2883/").unwrap(), broker("::1", 2883, false));
        for bad in ["a.vn:1883", "mqtts://", "mqtt://:1883", "mqtt://a:b"] {
            assert!(parse_mqtt_url(bad).is_err(), "{bad}");
        }
    }
}
