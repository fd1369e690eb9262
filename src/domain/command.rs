//! What a center tells all speakers of an area at once: be quiet, speak up, report, sound an emergency now.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::DAY_MS;
use super::ids::{AreaCode, SiteId};
use super::plan::{MediaRef, PlannedOccurrence};
use super::priority::Priority;

/// By how much a volume may be moved, in dB. What is approved as an emergency is not moved.
pub const VOLUME_CHANGE_DB: RangeInclusive<f32> = -30.0..=6.0;
/// Other commands than emergencies are for now: whoever hears them later does not obey.
pub const LIFE_MS: i64 = 60_000;
/// An emergency begins at most so long after it was ordered; late comers join it until it ends.
const EMERGENCY_AHEAD_MS: i64 = 60_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    pub site: SiteId,
    /// It is for every speaker in this area and below.
    pub area: AreaCode,
    /// When it was given, Unix ms; also its number: a speaker obeys no older one than it has obeyed.
    pub made_ms: i64,
    pub valid_until_ms: i64,
    pub order: Order,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Say how you are, at some time within `spread_ms`, so that not all speak at once.
    Refresh { spread_ms: u32 },
    /// End what is on the air; an emergency only if that is said.
    Stop { emergencies: bool },
    /// So much louder or quieter than the plan says, until said otherwise; emergencies keep their volume.
    Volume { db: f32 },
    /// Sound this now, whatever is on. Needs approvals and a ticket like any emergency.
    Emergency { occurrence: PlannedOccurrence, media: Vec<MediaRef> },
}

impl Command {
    /// Whether it makes sense, apart from who signed it.
    pub fn is_sound(&self) -> bool {
        let life_ms = self.valid_until_ms.saturating_sub(self.made_ms);
        match &self.order {
            Order::Refresh { spread_ms } => (0..=LIFE_MS).contains(&life_ms) && i64::from(*spread_ms) <= DAY_MS,
            Order::Stop { .. } => (0..=LIFE_MS).contains(&life_ms),
            Order::Volume { db } => (0..=LIFE_MS).contains(&life_ms) && VOLUME_CHANGE_DB.contains(db),
            Order::Emergency { occurrence, .. } => {
                let ahead_ms = occurrence.start_ms.saturating_sub(self.made_ms);
                occurrence.priority == Priority::Emergency
                    && (0..=EMERGENCY_AHEAD_MS).contains(&ahead_ms)
                    && self.valid_until_ms <= occurrence.end_ms
                    && (0..=DAY_MS).contains(&life_ms)
            }
        }
    }
}
