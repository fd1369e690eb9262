//! An ordered list of what is played in one slot.

use serde::{Deserialize, Serialize};

use super::ids::{BulletinId, ProgrammeId};

/// Bulletins in the order they sound; a signature tune is a bulletin too, since it needs approval like any sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programme {
    pub id: ProgrammeId,
    pub title: String,
    pub items: Vec<BulletinId>,
}

/// Most items one programme may hold.
pub const MAX_ITEMS: usize = 200;
