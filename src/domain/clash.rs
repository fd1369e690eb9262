//! What happens where two want the air at once.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::priority::Priority;

/// What becomes of an occurrence where something that goes before it has the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClashPolicy {
    /// One piece of it sounds, until the other begins or from when it has ended; what does not fit into its slot is lost.
    Cut,
    /// It fades out, waits, and goes on where it was.
    Resume,
    /// It waits until it can be heard whole.
    Queue,
    /// It is left out.
    Drop,
}

impl ClashPolicy {
    /// What a schedule that says nothing means.
    pub fn usual(priority: Priority) -> Self {
        match priority {
            Priority::Filler => Self::Cut,
            Priority::Normal => Self::Resume,
            Priority::Priority | Priority::Emergency => Self::Queue,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Resume => "resume",
            Self::Queue => "queue",
            Self::Drop => "drop",
        }
    }
}

impl fmt::Display for ClashPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ClashPolicy {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Cut, Self::Resume, Self::Queue, Self::Drop]
            .into_iter()
            .find(|policy| policy.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not one of cut, resume, queue, drop"))
    }
}
