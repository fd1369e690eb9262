//! What a bulletin is about (lĩnh vực): a short closed list, so that reports can count.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One field of public life, as offices report by it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub enum Field {
    /// chính trị – xã hội
    Society,
    /// kinh tế
    Economy,
    /// văn hoá, thể thao
    Culture,
    /// y tế
    Health,
    /// giáo dục
    Education,
    /// an ninh, trật tự
    Security,
    /// thiên tai
    Disaster,
    /// khác, and what nobody has said anything of
    #[default]
    Other,
}

impl Field {
    pub const ALL: [Self; 8] = [
        Self::Society,
        Self::Economy,
        Self::Culture,
        Self::Health,
        Self::Education,
        Self::Security,
        Self::Disaster,
        Self::Other,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Society => "society",
            Self::Economy => "economy",
            Self::Culture => "culture",
            Self::Health => "health",
            Self::Education => "education",
            Self::Security => "security",
            Self::Disaster => "disaster",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Field {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|field| field.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|field| field.as_str()).collect();
            format!("field {text:?} is not one of {}", known.join(", "))
        })
    }
}
