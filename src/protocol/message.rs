//! The messages between center and speakers, as JSON. Times are Unix ms in UTC unless the name says otherwise.
//!
//! Fields that are not known are ignored, so that boards and centers of different ages understand each other; only what is
//! signed is read strictly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::chunks::Bitmap;
use super::keys::SigningKey;
use super::limits::{MESSAGE_BYTES, RECORDS_PER_REPORT};
use crate::domain::ids::{AreaCode, MediaHash, MediaPrefix, OccurrenceId, SiteId, SpeakerId};
use crate::domain::record::{PlaybackRecord, finite};

/// `state`, retained; the last will carries the same birth number with `online` false.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Rises with every connection of one speaker, so that a late last will of an old connection is not taken for a death.
    pub birth: u64,
    pub online: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<StateDetail>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StateDetail {
    pub version: String,
    pub clock: ClockState,
    /// The plan in force, and why the last one offered was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_refused: Option<String>,
    /// Media files that the plan needs, and those that are here and whole.
    pub media_wanted: u32,
    pub media_ready: u32,
    /// Of those that are not here the first ones, in the order in which they will be heard; there are more where `media_wanted`
    /// less `media_ready` says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MediaPrefix>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playing: Option<OccurrenceId>,
    /// Records not yet acknowledged.
    pub outbox: u32,
    /// By how much an operator has made it louder or quieter, in dB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_db: Option<f32>,
    /// Why nothing can be kept on its disk, as long as that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_problem: Option<String>,
    /// Why its amplifier is not as it should be, as long as that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amplifier_problem: Option<String>,
    /// Why there is nothing to listen with, where there should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture_problem: Option<String>,
    /// The way from its converter to what listens; absent where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathState>,
    /// In which way several plays in a row were not heard back as at installation, as long as that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_warning: Option<String>,
    /// How the board itself is; absent where it says nothing of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Where it takes itself to stand, from the widest unit down; empty of a board too old to be moved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<AreaCode>,
}

/// Gains from what left the converter to what was heard, in dB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PathState {
    /// Of the last play that was heard back.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite")]
    pub gain_db: Option<f32>,
    /// As it was at installation.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite")]
    pub baseline_db: Option<f32>,
}

/// How a board is, as its kernel tells; what it does not tell is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Of its hottest part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<i32>,
    /// Of the disk that the store lies on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_mb: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_percent: Option<u8>,
    /// Of the life of its card, in steps of ten; more than 100 is beyond what it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_life_used_percent: Option<u8>,
    /// What this program has had written to the disk since its start, and in a day at that rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_kb: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_kb_per_day: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_kb: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub board_up_s: Option<u64>,
    pub program_up_s: u64,
    /// Load average of the last minute, times a hundred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_percent: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<HealthWarning>,
}

/// What somebody should look after before it silences a pole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthWarning {
    Hot,
    CardReadOnly,
    CardFailing,
    CardWorn,
    DiskErrors,
    DiskLow,
    MemoryHigh,
    /// One that only a newer board knows.
    #[serde(other)]
    Other,
}

impl Health {
    /// Whether this is worth telling before the next heartbeat, after that was told.
    pub fn is_news_after(&self, told: &Self) -> bool {
        let apart = |(now, then): (i32, i32)| now.abs_diff(then) >= 5;
        self.warnings != told.warnings || self.temperature_c.zip(told.temperature_c).is_some_and(apart)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClockState {
    pub trusted: bool,
    /// How far it may be wrong, in microseconds; absent while untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_us: Option<i64>,
    /// Whom the time is from: `center`, `system` or `neighbour:<speaker>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// With a neighbour: by how many microseconds that is ahead of what the board knows by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart_us: Option<i64>,
    /// By how much the converter of its sound runs fast, in ppm, as measured in the last play.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite")]
    pub converter_ppm: Option<f32>,
}

/// `report`: what happened. Sent again until acknowledged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub records: Vec<PlaybackRecord>,
}

/// `ack`: these records are stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ack {
    pub occurrences: Vec<OccurrenceId>,
}

/// `want`: these chunks are missing here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Want {
    pub media: MediaHash,
    pub missing: Bitmap,
    /// When it is to sound next here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<i64>,
    /// It is for an emergency.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub urgent: bool,
}

/// `clock`: a probe; the sender's own monotonic time in nanoseconds comes back unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockProbe {
    pub sequence: u32,
    pub sent_mono_ns: i64,
}

/// `time`: the answer, with the center's Unix time in nanoseconds at arrival and at sending (NTP's T2 and T3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockAnswer {
    pub sequence: u32,
    pub sent_mono_ns: i64,
    pub arrived_unix_ns: i64,
    pub answered_unix_ns: i64,
}

/// The answer as it is sent: signed by the dispatcher, so that whoever carries it cannot set a speaker's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedClockAnswer {
    #[serde(flatten)]
    pub answer: ClockAnswer,
    /// Base64 of the Ed25519 signature over [`ClockAnswer::signed_bytes`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

impl ClockAnswer {
    /// What is signed: the answer and for whom it is, so that it serves for nobody else's probe.
    pub fn signed_bytes(&self, site: &SiteId, speaker: &SpeakerId) -> Vec<u8> {
        let Self { sequence, sent_mono_ns, arrived_unix_ns, answered_unix_ns } = self;
        format!("loaxa time v1 {site} {speaker} {sequence} {sent_mono_ns} {arrived_unix_ns} {answered_unix_ns}")
            .into_bytes()
    }

    pub fn sign(self, site: &SiteId, speaker: &SpeakerId, dispatcher: &SigningKey) -> SignedClockAnswer {
        let signature = STANDARD.encode(dispatcher.sign(&self.signed_bytes(site, speaker)));
        SignedClockAnswer { answer: self, signature }
    }
}

/// `renew`: a certificate request (PKCS #10, DER, base64) for the key that the next connections will use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    pub csr: String,
}

/// `certificate`: the answer, PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    pub certificate: String,
    pub made_ms: i64,
    pub valid_until_ms: i64,
}

/// Reads a message, refusing what is larger than any honest one.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    if bytes.len() > MESSAGE_BYTES {
        return Err(format!("a message of {} bytes is longer than {MESSAGE_BYTES}", bytes.len()));
    }
    serde_json::from_slice(bytes).map_err(|e| e.to_string())
}

/// Reads a report, which may not hold more records than were agreed.
pub fn parse_report(bytes: &[u8]) -> Result<Report, String> {
    let report: Report = parse(bytes)?;
    if report.records.len() > RECORDS_PER_REPORT {
        return Err(format!("{} records in one report; at most {RECORDS_PER_REPORT}", report.records.len()));
    }
    Ok(report)
}

/// The bytes of a message. Our own types always serialise; an empty payload would be refused by the other end.
pub fn bytes<T: Serialize>(message: &T) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_no_number_is_left_out_and_the_record_is_kept() {
        let record = |level: &str| {
            format!(
                "{{\"records\":[{{\"speaker\":\"a\",\"occurrence\":\"s@1\",\"plan_number\":1,\"start_ms\":1,\"end_ms\":2,\
                 \"outcome\":\"played\",\"evidence\":\"sounded\",\"level_dbfs\":{level},\"peak_dbfs\":-3.5}}]}}"
            )
        };
        for (level, expected) in [("-16.5", Some(-16.5)), ("1e300", None), ("-1e39", None), ("null", None)] {
            let report = parse_report(record(level).as_bytes()).unwrap();
            assert_eq!((report.records[0].level_dbfs, report.records[0].peak_dbfs), (expected, Some(-3.5)), "{level}");
            assert_eq!(parse_report(&bytes(&report)).unwrap(), report);
        }
    }

    #[test]
    fn a_state_without_what_is_missing_is_one_of_an_older_board_and_says_nothing_more() {
        let older = r#"{"birth":1,"online":true,"detail":{"version":"0","clock":{"trusted":true},"media_wanted":2,"media_ready":1,"outbox":0}}"#;
        let state: State = parse(older.as_bytes()).unwrap();
        assert_eq!(state.detail.as_ref().map(|detail| detail.missing.len()), Some(0));
        assert_eq!(bytes(&state), older.as_bytes());
    }
}
