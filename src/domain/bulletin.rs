//! A bulletin's revisions and the path each takes from draft to the air.
//!
//! A revision's content never changes once it is in; a correction is a new revision, which needs an approval of
//! its own. The state machine is closed: a transition that is not written here does not exist.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where one revision stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RevisionState {
    Draft,
    Submitted,
    Approved,
    Returned { reason: String },
    Withdrawn,
}

/// What somebody wants to do with a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Submit,
    Approve,
    Return { reason: String },
    Withdraw,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StepError {
    #[error("this revision is {from}; only a {needed} one can be {done}")]
    WrongState { from: &'static str, needed: &'static str, done: &'static str },
    #[error("say why it is returned, so that the editor knows what to change")]
    NoReason,
}

impl RevisionState {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::Approved => "approved",
            Self::Returned { .. } => "returned",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state after `step`, or why that step cannot be taken from here.
    pub fn after(&self, step: Step) -> Result<Self, StepError> {
        let wrong = |needed, done| Err(StepError::WrongState { from: self.name(), needed, done });
        match (step, self) {
            (Step::Submit, Self::Draft | Self::Returned { .. }) => Ok(Self::Submitted),
            (Step::Submit, _) => wrong("draft or returned", "submitted"),
            // Again where a second approver agrees, or takes the place of one whose key was revoked.
            (Step::Approve, Self::Submitted | Self::Approved) => Ok(Self::Approved),
            (Step::Approve, _) => wrong("submitted", "approved"),
            (Step::Return { reason }, Self::Submitted) => match reason.trim() {
                "" => Err(StepError::NoReason),
                reason => Ok(Self::Returned { reason: reason.to_owned() }),
            },
            (Step::Return { .. }, _) => wrong("submitted", "returned"),
            (Step::Withdraw, Self::Withdrawn) => wrong("draft, submitted, returned or approved", "withdrawn"),
            (Step::Withdraw, _) => Ok(Self::Withdrawn),
        }
    }
}

/// An ISO 639-3 code: three lower-case letters (`vie`, `cjm`, `rog`; `zxx` where nothing is spoken).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language(String);

impl Language {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Language {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 3 && text.bytes().all(|b| b.is_ascii_lowercase()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "language {text:?} is not an ISO 639-3 code of three letters, such as vie, cjm or zxx (no speech)"
            ))
        }
    }
}

impl TryFrom<String> for Language {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> String {
        language.0
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What is wrong with a sound that was taken all the same: codes and numbers, which each reader puts into words of their own. Lengths and places in
/// ms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub enum Flaw {
    /// All of it is silence.
    SilentThroughout {
        length_ms: i64,
    },
    /// Silent, or nearly so.
    NearlySilent,
    BeginsSilent {
        length_ms: i64,
    },
    SilentWithin {
        at_ms: i64,
        length_ms: i64,
    },
    EndsSilent {
        length_ms: i64,
    },
    /// Tops that were cut off, so that it sounds distorted.
    Clipped {
        places: u64,
        first_ms: i64,
        level_dbfs: f64,
    },
    /// Stretches that could not be decoded and were skipped.
    NotDecoded {
        length_ms: i64,
    },
    DamagedPlaces {
        places: u64,
    },
    /// The file announces more than is in it.
    CutOff {
        missing_ms: i64,
    },
    /// As it was said before flaws had codes.
    Said {
        words: String,
    },
}

/// In English, to follow "warning:".
impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ms: &i64| *ms as f64 / 1000.0;
        let clock = |ms: &i64| format!("{}:{:02}", ms / 60_000, ms / 1000 % 60);
        match self {
            Self::SilentThroughout { length_ms } => {
                write!(f, "it is silent for all of its {:.1} s", seconds(length_ms))
            }
            Self::NearlySilent => write!(f, "it is silent, or nearly so"),
            Self::BeginsSilent { length_ms } => write!(f, "it begins with {:.1} s of silence", seconds(length_ms)),
            Self::SilentWithin { at_ms, length_ms } => {
                write!(f, "it is silent for {:.1} s from {}", seconds(length_ms), clock(at_ms))
            }
            Self::EndsSilent { length_ms } => write!(f, "it ends with {:.1} s of silence", seconds(length_ms)),
            Self::Clipped { places, first_ms, level_dbfs } => write!(
                f,
                "it is clipped in {places} places, first at {}: tops are cut off at {level_dbfs:.1} dBFS and will sound distorted",
                clock(first_ms)
            ),
            Self::NotDecoded { length_ms } => {
                write!(f, "{:.1} s of it could not be decoded and were skipped", seconds(length_ms))
            }
            Self::DamagedPlaces { places } => write!(f, "{places} damaged places were skipped"),
            Self::CutOff { missing_ms } => {
                write!(f, "it is cut off or damaged: {:.1} s that it announces are not in it", seconds(missing_ms))
            }
            Self::Said { words } => f.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition_is_as_the_table_says() {
        let states = [
            RevisionState::Draft,
            RevisionState::Submitted,
            RevisionState::Approved,
            RevisionState::Returned { reason: "ồn".into() },
            RevisionState::Withdrawn,
        ];
        let steps = [Step::Submit, Step::Approve, Step::Return { reason: "ồn".into() }, Step::Withdraw];
        // rows: states as above; columns: submit, approve, return, withdraw; '-' = refused
        let table = [
            ["submitted", "-", "-", "withdrawn"],
            ["-", "approved", "returned", "withdrawn"],
            ["-", "approved", "-", "withdrawn"],
            ["submitted", "-", "-", "withdrawn"],
            ["-", "-", "-", "-"],
        ];
        for (state, row) in states.iter().zip(table) {
            for (step, expected) in steps.iter().zip(row) {
                let after = state.after(step.clone());
                assert_eq!(after.as_ref().map_or("-", |s| s.name()), expected, "{state:?} + {step:?}");
            }
        }
    }

    #[test]
    fn nobody_is_sent_back_without_a_reason() {
        assert_eq!(RevisionState::Submitted.after(Step::Return { reason: "  ".into() }), Err(StepError::NoReason));
    }
}
