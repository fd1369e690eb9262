//! What really happened to one occurrence on one speaker, and how well that is proven.

use serde::{Deserialize, Serialize};

use super::ids::{OccurrenceId, SpeakerId};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All of it, from its first second.
    Played,
    /// It began late, joined in step with its neighbours, and ran to its end.
    Late,
    /// It began, but part of it is missing.
    Partial,
    /// Nothing sounded.
    Missed,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Played => "played",
            Self::Late => "late",
            Self::Partial => "partial",
            Self::Missed => "missed",
        }
    }
}

/// Why it was not simply played: a closed list, each with one meaning, so that reports can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The media had not all arrived.
    ContentMissing,
    /// What arrived is not what was approved, or was damaged on the disk.
    ContentCorrupt,
    /// No valid approval covers this play.
    NotApproved,
    /// An emergency without a ticket that is signed for it and was not used before.
    NoTicket,
    /// The authority has revoked the approver's key, or withdrawn the bulletin.
    Revoked,
    /// The controller did not know the time well enough to start.
    ClockUntrusted,
    /// The controller was not running.
    PoweredOff,
    /// The controller stopped in the middle (power cut, kill).
    Interrupted,
    /// The sound device failed.
    OutputFailed,
    /// Something of higher priority took its place.
    PreEmpted,
    /// Part of the audio could not be decoded.
    DecodeFailed,
    /// It was taken out of the plan while it was on.
    Withdrawn,
    /// It left the converter, and what listens did not hear it: the amplifier or the horn is dead.
    NotHeard,
    /// It is not lawful to broadcast then.
    QuietHours,
    /// The slot was too short for the content.
    SlotOver,
    /// A reason that a newer board knows and this program does not.
    #[serde(other)]
    Other,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContentMissing => "content_missing",
            Self::ContentCorrupt => "content_corrupt",
            Self::NotApproved => "not_approved",
            Self::NoTicket => "no_ticket",
            Self::Revoked => "revoked",
            Self::ClockUntrusted => "clock_untrusted",
            Self::PoweredOff => "powered_off",
            Self::Interrupted => "interrupted",
            Self::OutputFailed => "output_failed",
            Self::PreEmpted => "pre_empted",
            Self::DecodeFailed => "decode_failed",
            Self::Withdrawn => "withdrawn",
            Self::NotHeard => "not_heard",
            Self::QuietHours => "quiet_hours",
            Self::SlotOver => "slot_over",
            Self::Other => "other",
        }
    }

    /// Whether something has failed that somebody can mend. Else the rules have worked as they should: nobody wanted it to sound then.
    pub fn is_failure(self) -> bool {
        match self {
            Self::ContentMissing
            | Self::ContentCorrupt
            | Self::ClockUntrusted
            | Self::PoweredOff
            | Self::Interrupted
            | Self::OutputFailed
            | Self::DecodeFailed
            | Self::NotHeard
            | Self::Other => true,
            Self::NotApproved
            | Self::NoTicket
            | Self::Revoked
            | Self::PreEmpted
            | Self::Withdrawn
            | Self::QuietHours
            | Self::SlotOver => false,
        }
    }
}

/// How far along the chain from plan to ear something is proven; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    Scheduled,
    ContentReady,
    /// Samples left the digital-to-analogue converter, with a measured level.
    Sounded,
    /// Heard back over a line or microphone.
    HeardBack,
}

impl Evidence {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::ContentReady => "content_ready",
            Self::Sounded => "sounded",
            Self::HeardBack => "heard_back",
        }
    }
}

impl PlaybackRecord {
    /// Whether it did not sound, or not wholly, and that was a failure.
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Missed | Outcome::Partial) && self.reason.is_none_or(Reason::is_failure)
    }
}

/// The one final account of one occurrence on one speaker. `(speaker, occurrence)` is its identity: sending it twice
/// changes nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaybackRecord {
    pub speaker: SpeakerId,
    pub occurrence: OccurrenceId,
    /// The plan it was played from.
    pub plan_number: u64,
    pub start_ms: i64,
    pub end_ms: i64,
    pub outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    pub evidence: Evidence,
    /// When the first sample was heard, by the controller's disciplined clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<i64>,
    /// First sample heard minus planned instant, in microseconds; positive is late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_error_us: Option<i64>,
    /// How far that clock may itself be wrong, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error_us: Option<i64>,
    /// How much programme left the converter.
    #[serde(default)]
    pub heard_ms: i64,
    /// Root mean square and peak of what left the converter, in dB relative to full scale.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite")]
    pub level_dbfs: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite")]
    pub peak_dbfs: Option<f32>,
    /// Times the output ran dry.
    #[serde(default)]
    pub underruns: u32,
    /// The furthest that the sound was from its time line once it was on it, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_line_us: Option<i64>,
    /// Where it was heard back: the gain of the way from the converter to what listens, and how long that way was.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite")]
    pub heard_back_db: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_back_delay_ms: Option<i64>,
}

/// A level beyond any number that a board could measure (1e300) says nothing, and could not be written again.
pub fn finite<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<f32>, D::Error> {
    Ok(Option::<f32>::deserialize(from)?.filter(|level| level.is_finite()))
}
