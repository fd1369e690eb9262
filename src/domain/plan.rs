//! What one speaker will play over the coming days: signed, numbered and sufficient offline.
//!
//! A plan is data that crosses the wire, so `Plan::check` is the one place that says what a sound plan is; the center
//! runs it before signing, the controller after verifying. On the wire what repeats is said once: [`PlanText`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::{BulletinId, MediaHash, OccurrenceId, ScheduleId, SiteId, SpeakerId};
use super::priority::Priority;
use super::{DAY_MS, programme::MAX_ITEMS};

/// How far ahead a plan reaches.
pub const HORIZON_MS: i64 = 14 * DAY_MS;
/// Longest window that a controller accepts; a little more than the horizon.
pub const MAX_WINDOW_MS: i64 = 31 * DAY_MS;
/// The year 2200: no plan reaches further, and sums of milliseconds below stay far from overflow.
pub const LATEST_MS: i64 = 7_258_118_400_000;
pub const MAX_OCCURRENCES: usize = 10_000;
/// Bounds what a small plan can unfold into.
const MAX_ITEMS_IN_PLAN: usize = 50_000;
/// Longest title in bytes.
const MAX_TITLE_BYTES: usize = 800;
/// Largest media file; at the broadcast form's 48 kbit/s this is three hours.
pub const MAX_MEDIA_BYTES: u64 = 64 * 1024 * 1024;
/// What a gain or volume in a plan may ask for, in dB.
pub const GAIN_DB: std::ops::RangeInclusive<f32> = -60.0..=30.0;
pub const VOLUME_DB: std::ops::RangeInclusive<f32> = -60.0..=0.0;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "PlanText", try_from = "PlanText")]
pub struct Plan {
    pub site: SiteId,
    pub speaker: SpeakerId,
    /// Rises with every change; a controller never goes back.
    pub number: u64,
    pub made_ms: i64,
    /// The plan speaks for starts in `from_ms..until_ms` whose slot ends after `made_ms`: what was over by then is history. It
    /// reaches back a day, so that it speaks for whatever is on the air too.
    pub from_ms: i64,
    pub until_ms: i64,
    pub media: Vec<MediaRef>,
    /// In order of start, never overlapping.
    pub occurrences: Vec<PlannedOccurrence>,
    /// By which the speakers of its area know each other on their own network.
    pub neighbours: Option<NeighbourKey>,
}

/// A secret of the speakers of one area, which comes to them in their plans; as text 64 digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct NeighbourKey(pub [u8; 32]);

impl std::fmt::Debug for NeighbourKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NeighbourKey")
    }
}

impl From<NeighbourKey> for String {
    fn from(key: NeighbourKey) -> Self {
        hex::encode(key.0)
    }
}

impl TryFrom<String> for NeighbourKey {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let mut key = [0; 32];
        hex::decode_to_slice(text, &mut key).map_err(|e| e.to_string())?;
        Ok(Self(key))
    }
}

/// A media file and how it is cut for delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaRef {
    pub hash: MediaHash,
    pub bytes: u64,
    pub chunk_bytes: u32,
    /// One per chunk: the first 16 bytes of its SHA-256 in hex. The whole is checked by `hash` as well.
    pub chunks: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedOccurrence {
    pub id: OccurrenceId,
    pub title: String,
    pub start_ms: i64,
    /// End of the slot; content ends here at the latest.
    pub end_ms: i64,
    pub priority: Priority,
    pub volume_db: f32,
    pub items: Vec<PlannedItem>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedItem {
    pub bulletin: BulletinId,
    pub revision: u32,
    pub media: MediaHash,
    /// When it begins, counted from the occurrence's start; between two items there may be a pause.
    pub at_ms: i64,
    /// Where in the media it begins: not at the beginning after an interruption.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_ms: i64,
    pub duration_ms: i64,
    /// Brings the item to the common loudness (EBU R128), worked out at ingest.
    pub gain_db: f32,
    #[serde(default, skip_serializing_if = "is_false")]
    pub fade_in: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub fade_out: bool,
    /// It lies beneath the others, softly while any of them sounds. Such items come after all others.
    #[serde(default, skip_serializing_if = "is_false")]
    pub beneath: bool,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A plan as it is written: each content once, and an occurrence as little more than its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanText {
    site: SiteId,
    speaker: SpeakerId,
    number: u64,
    made_ms: i64,
    from_ms: i64,
    until_ms: i64,
    media: Vec<MediaRef>,
    contents: Vec<ContentText>,
    occurrences: Vec<OccurrenceText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    neighbours: Option<NeighbourKey>,
}

/// What occurrences of one schedule have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentText {
    schedule: ScheduleId,
    title: String,
    priority: Priority,
    volume_db: f32,
    length_ms: i64,
    items: Vec<PlannedItem>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OccurrenceText {
    /// Index into `contents`.
    content: usize,
    start_ms: i64,
    /// Where it stands in its series, if elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nominal_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<u16>,
}

impl PlanText {
    /// The same for another speaker, so that what many have in common is written out once.
    pub fn address(&mut self, speaker: SpeakerId, number: u64) {
        (self.speaker, self.number) = (speaker, number);
    }
}

impl From<Plan> for PlanText {
    fn from(plan: Plan) -> Self {
        let mut contents: Vec<ContentText> = vec![];
        let mut known: BTreeMap<ScheduleId, Vec<usize>> = BTreeMap::new();
        let mut occurrences = vec![];
        for occurrence in plan.occurrences {
            // An id is made of these parts, or it would not be one.
            let Some((schedule, nominal_ms, part)) = occurrence.id.parts() else { continue };
            let content = ContentText {
                schedule,
                title: occurrence.title,
                priority: occurrence.priority,
                volume_db: occurrence.volume_db,
                length_ms: occurrence.end_ms.saturating_sub(occurrence.start_ms),
                items: occurrence.items,
            };
            let alike = known.entry(content.schedule.clone()).or_default();
            let index = alike.iter().copied().find(|index| contents[*index] == content).unwrap_or_else(|| {
                alike.push(contents.len());
                contents.push(content);
                contents.len() - 1
            });
            occurrences.push(OccurrenceText {
                content: index,
                start_ms: occurrence.start_ms,
                nominal_ms: (nominal_ms != occurrence.start_ms).then_some(nominal_ms),
                part: (part > 1).then_some(part),
            });
        }
        let Plan { site, speaker, number, made_ms, from_ms, until_ms, media, neighbours, .. } = plan;
        Self { site, speaker, number, made_ms, from_ms, until_ms, media, contents, occurrences, neighbours }
    }
}

impl TryFrom<PlanText> for Plan {
    type Error = PlanFault;
    fn try_from(text: PlanText) -> Result<Self, PlanFault> {
        if let Some(long) = text.contents.iter().find(|content| content.title.len() > MAX_TITLE_BYTES) {
            return Err(PlanFault::Title(long.schedule.clone()));
        }
        if text.occurrences.len() > MAX_OCCURRENCES || text.contents.len() > MAX_OCCURRENCES {
            return Err(PlanFault::TooMany);
        }
        let items = |one: &OccurrenceText| text.contents.get(one.content).map_or(0, |content| content.items.len());
        if text.occurrences.iter().map(items).sum::<usize>() > MAX_ITEMS_IN_PLAN {
            return Err(PlanFault::TooMany);
        }
        let occurrence = |one: &OccurrenceText| {
            let content = text.contents.get(one.content).ok_or(PlanFault::UnknownContent(one.content))?;
            let nominal_ms = one.nominal_ms.unwrap_or(one.start_ms);
            Ok(PlannedOccurrence {
                id: OccurrenceId::part(&content.schedule, nominal_ms, one.part.unwrap_or(1)),
                title: content.title.clone(),
                start_ms: one.start_ms,
                end_ms: one.start_ms.saturating_add(content.length_ms),
                priority: content.priority,
                volume_db: content.volume_db,
                items: content.items.clone(),
            })
        };
        let occurrences = text.occurrences.iter().map(occurrence).collect::<Result<_, _>>()?;
        let PlanText { site, speaker, number, made_ms, from_ms, until_ms, media, neighbours, .. } = text;
        Ok(Self { site, speaker, number, made_ms, from_ms, until_ms, media, occurrences, neighbours })
    }
}

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanFault {
    #[error("its window is empty, longer than {} days, or not around its making", MAX_WINDOW_MS / DAY_MS)]
    Window,
    #[error("it holds more than {MAX_OCCURRENCES} occurrences or {MAX_ITEMS_IN_PLAN} items")]
    TooMany,
    #[error("an occurrence names content {0}, which the plan does not hold")]
    UnknownContent(usize),
    #[error("the title of schedule {0} is longer than {MAX_TITLE_BYTES} bytes")]
    Title(ScheduleId),
    #[error("occurrence {0} has items that overlap, or that are out of its slot")]
    Layout(OccurrenceId),
    #[error("occurrence {0} is outside the plan's window or ends before it starts")]
    OutsideWindow(OccurrenceId),
    #[error("occurrence {0} overlaps the one before it or is out of order")]
    Overlap(OccurrenceId),
    #[error("occurrence {0} has no items or more than {MAX_ITEMS}")]
    Items(OccurrenceId),
    #[error("occurrence {0} has a volume, gain or duration out of range")]
    Range(OccurrenceId),
    #[error("occurrence {0} names media that the plan does not describe")]
    UnknownMedia(OccurrenceId),
    #[error("media {0} has a size or chunk list that does not add up")]
    Media(MediaHash),
}

impl PlannedOccurrence {
    /// When its last item ends.
    pub fn content_end_ms(&self) -> i64 {
        let end_ms = |item: &PlannedItem| item.at_ms.saturating_add(item.duration_ms);
        self.start_ms.saturating_add(self.items.iter().map(end_ms).max().unwrap_or(0))
    }
}

/// Whether items follow each other within a slot, and begin in their midst only where a play goes on.
fn is_laid_out(items: &[PlannedItem], slot_ms: i64, goes_on: bool) -> bool {
    let mut free_from_ms = 0;
    items.iter().enumerate().all(|(index, item)| {
        let follows = (free_from_ms..=DAY_MS).contains(&item.at_ms);
        free_from_ms = item.at_ms.saturating_add(item.duration_ms);
        follows && free_from_ms <= slot_ms && (item.skip_ms == 0 || (goes_on && index == 0))
    })
}

impl MediaRef {
    fn adds_up(&self) -> bool {
        let chunk_bytes = u64::from(self.chunk_bytes);
        (1024..=256 * 1024).contains(&chunk_bytes)
            && (1..=MAX_MEDIA_BYTES).contains(&self.bytes)
            && self.chunks.len() as u64 == self.bytes.div_ceil(chunk_bytes)
            && self.chunks.iter().all(|c| c.len() == 32 && c.bytes().all(|b| b.is_ascii_hexdigit()))
    }

    /// Size of chunk `index` in bytes; 0 beyond the last.
    pub fn chunk_len(&self, index: usize) -> usize {
        let start = (index as u64).saturating_mul(u64::from(self.chunk_bytes));
        self.bytes.saturating_sub(start).min(u64::from(self.chunk_bytes)) as usize
    }
}

impl Plan {
    /// Whether this plan decides about a slot; about others an older plan has the word.
    pub fn speaks_for(&self, start_ms: i64, end_ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&start_ms) && end_ms > self.made_ms
    }

    /// Checks all that can be checked without keys or a clock.
    pub fn check(&self) -> Result<(), PlanFault> {
        let window = self.until_ms.saturating_sub(self.from_ms);
        let around = (self.from_ms..self.until_ms).contains(&self.made_ms);
        if self.from_ms < 0 || self.until_ms > LATEST_MS || window <= 0 || window > MAX_WINDOW_MS || !around {
            return Err(PlanFault::Window);
        }
        if self.occurrences.len() > MAX_OCCURRENCES {
            return Err(PlanFault::TooMany);
        }
        if let Some(media) = self.media.iter().find(|media| !media.adds_up()) {
            return Err(PlanFault::Media(media.hash));
        }
        let known: BTreeSet<_> = self.media.iter().map(|media| media.hash).collect();
        let mut free_from_ms = self.from_ms;
        for occurrence in &self.occurrences {
            let id = || occurrence.id.clone();
            if occurrence.start_ms >= self.until_ms
                || occurrence.start_ms < self.from_ms
                || occurrence.end_ms <= occurrence.start_ms
                || occurrence.end_ms - occurrence.start_ms > DAY_MS
            {
                return Err(PlanFault::OutsideWindow(id()));
            }
            if occurrence.start_ms < free_from_ms {
                return Err(PlanFault::Overlap(id()));
            }
            free_from_ms = occurrence.end_ms;
            if occurrence.items.is_empty() || occurrence.items.len() > MAX_ITEMS {
                return Err(PlanFault::Items(id()));
            }
            let sane = |item: &PlannedItem| {
                GAIN_DB.contains(&item.gain_db)
                    && (1..=DAY_MS).contains(&item.duration_ms)
                    && (0..=DAY_MS).contains(&item.skip_ms)
            };
            if !VOLUME_DB.contains(&occurrence.volume_db) || !occurrence.items.iter().all(sane) {
                return Err(PlanFault::Range(id()));
            }
            // A sound begins in its midst only where a play goes on after an interruption: else sentences could be cut out of what was
            // approved whole.
            let goes_on = occurrence.id.parts().is_some_and(|(.., part)| part > 1);
            let slot_ms = occurrence.end_ms - occurrence.start_ms;
            let own = occurrence.items.iter().take_while(|item| !item.beneath).count();
            let (own, beds) = occurrence.items.split_at(own);
            let mixed = own.is_empty() || beds.iter().any(|item| !item.beneath);
            if mixed || !is_laid_out(own, slot_ms, goes_on) || !is_laid_out(beds, slot_ms, goes_on) {
                return Err(PlanFault::Layout(id()));
            }
            if !occurrence.items.iter().all(|item| known.contains(&item.media)) {
                return Err(PlanFault::UnknownMedia(id()));
            }
        }
        Ok(())
    }
}
