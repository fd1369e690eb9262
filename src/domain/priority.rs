//! The four named levels of priority. There are no free numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// From least to most urgent; the order of the variants is the order of the ladder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Music and signature tunes that give way to everything.
    Filler,
    /// thông thường
    #[default]
    Normal,
    /// ưu tiên
    Priority,
    /// khẩn cấp
    Emergency,
}

impl Priority {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filler => "filler",
            Self::Normal => "normal",
            Self::Priority => "priority",
            Self::Emergency => "emergency",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Filler, Self::Normal, Self::Priority, Self::Emergency]
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| format!("priority {text:?} is not one of filler, normal, priority, emergency"))
    }
}
