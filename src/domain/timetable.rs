//! Turns schedules into what one speaker plays: expands the rules, composes each slot and settles who has the air.
//!
//! Nothing is lost silently: every occurrence that a rule means is in the timetable, whole or in parts, or stands in `remarks` with
//! one reason from a closed list. Speakers that share areas, languages and offset share a timetable; [`super::fleet`] makes use of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::DAY_MS;
use super::approval::Denial;
use super::bulletin::Language;
use super::clash::{Candidate, Placement, Stretch, settle};
use super::hours::{Hours, Openings};
use super::ids::{AreaCode, BulletinId, MediaHash, OccurrenceId, ProgrammeId, SpeakerId};
use super::plan::{PlannedItem, PlannedOccurrence};
use super::priority::Priority;
use super::programme::SoundKind;
use super::schedule::Schedule;
use super::script::{Composed, Content, Limit, Occasion, Part, Script};
use super::series::{EDIT_LOCK_MS, History, Play, Reign, Series};

/// Everything that decides what plays, as it stands now.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// In order of the schedules' names.
    pub series: Vec<Arc<Series>>,
    pub programmes: BTreeMap<ProgrammeId, Arc<History<Script>>>,
    /// What areas say of themselves; those that say nothing are not here.
    pub places: BTreeMap<AreaCode, Place>,
    pub edit_lock_ms: i64,
}

impl Default for World {
    fn default() -> Self {
        Self { series: vec![], programmes: BTreeMap::new(), places: BTreeMap::new(), edit_lock_ms: EDIT_LOCK_MS }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Place {
    pub hours: Option<Hours>,
    /// Among *priority* bulletins, whether this unit's own go before those from above; as the unit above it says where absent.
    pub own_first: Option<bool>,
    /// It has become part of the unit above it: what is that one's own is its own too.
    pub is_part: bool,
}

/// What a speaker is, as far as its timetable depends on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Profile {
    /// From the widest unit down to its own.
    pub areas: Vec<AreaCode>,
    /// Those of its residents, in order; empty = each programme's own.
    pub languages: Vec<Language>,
    /// How much later than planned it plays, to keep apart from its neighbours.
    pub offset_ms: i64,
    /// The speaker itself, where a schedule names it.
    pub alone: Option<SpeakerId>,
}

/// A stretch of time in Unix ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from_ms: i64,
    pub until_ms: i64,
}

/// The plays of every series in a window, worked out once for all speakers.
#[derive(Debug, Clone)]
pub struct Expanded {
    pub window: Window,
    /// As in [`World::series`].
    pub series: Vec<Arc<Vec<Reign>>>,
}

/// What a profile plays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timetable {
    /// In order of start, never overlapping.
    pub pieces: Vec<Piece>,
    /// In order of start.
    pub remarks: Vec<Remark>,
}

/// One sound without a break.
#[derive(Debug, Clone)]
pub struct Piece {
    pub schedule: Arc<Schedule>,
    pub nominal_ms: i64,
    /// 1, 2, ... where an occurrence is interrupted.
    pub part: u16,
    pub start_ms: i64,
    pub content: Arc<Content>,
    /// Where in the content it begins.
    pub from_ms: i64,
    pub length_ms: i64,
}

impl PartialEq for Piece {
    fn eq(&self, other: &Self) -> bool {
        let numbers = |p: &Self| (p.nominal_ms, p.part, p.start_ms, p.from_ms, p.length_ms);
        numbers(self) == numbers(other)
            && (Arc::ptr_eq(&self.schedule, &other.schedule) || self.schedule == other.schedule)
            && (Arc::ptr_eq(&self.content, &other.content) || self.content == other.content)
    }
}

/// Something a rule asked for that is not, or not wholly, as it asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Remark {
    pub occurrence: OccurrenceId,
    pub title: String,
    /// When it was to begin and to end.
    pub start_ms: i64,
    pub end_ms: i64,
    #[serde(flatten)]
    pub why: Why,
}

/// The closed list of reasons.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Why {
    /// Another occurrence has the air then; nothing of this one sounds.
    Displaced { by: OccurrenceId },
    /// Another one has the air for a while; the end, or the beginning, of this one is lost.
    CutShort { by: Option<OccurrenceId>, lost_ms: i64 },
    /// It pauses while another one sounds.
    Interrupted { by: Option<OccurrenceId>, for_ms: i64 },
    /// It begins later, after another one.
    Delayed { by: Option<OccurrenceId>, by_ms: i64 },
    /// The schedule names no programme, or an empty one.
    NothingToPlay,
    /// This item has no approval that allows it there and then. `version` is its language where it is not the original.
    NotApproved {
        bulletin: BulletinId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Language>,
        denial: Denial,
    },
    /// This item is longer than what is left of the slot.
    DoesNotFit { bulletin: BulletinId },
    /// This item would make the session longer than is lawful.
    SessionTooLong { bulletin: BulletinId },
    /// It is not lawful to broadcast then: the occurrence, or this item of it.
    QuietHours { bulletin: Option<BulletinId> },
    /// The longest lawful time of that day is used up.
    DayFull,
    /// There is no version in a language of the residents.
    VersionMissing { bulletin: BulletinId, language: Language },
    /// Nobody has approved relaying this station.
    RelayNotApproved { source: String },
}

impl Why {
    /// The occurrence that is in the way.
    pub fn by(&self) -> Option<&OccurrenceId> {
        match self {
            Self::Displaced { by } => Some(by),
            Self::CutShort { by, .. } | Self::Interrupted { by, .. } | Self::Delayed { by, .. } => by.as_ref(),
            _ => None,
        }
    }

    /// Whether nothing of the occurrence sounds because of this.
    pub fn silences(&self) -> bool {
        match self {
            Self::Displaced { .. } | Self::NothingToPlay | Self::DayFull | Self::QuietHours { bulletin: None } => true,
            Self::CutShort { .. }
            | Self::Interrupted { .. }
            | Self::Delayed { .. }
            | Self::NotApproved { .. }
            | Self::DoesNotFit { .. }
            | Self::SessionTooLong { .. }
            | Self::QuietHours { .. }
            | Self::VersionMissing { .. }
            | Self::RelayNotApproved { .. } => false,
        }
    }
}

impl Expanded {
    pub fn new(world: &World, window: Window) -> Self {
        let expand = |series: &Arc<Series>| Arc::new(Self::one(series, window, world.edit_lock_ms));
        Self { window, series: world.series.iter().map(expand).collect() }
    }

    pub fn one(series: &Series, window: Window, lock_ms: i64) -> Vec<Reign> {
        series.reigns(window.from_ms, window.until_ms, lock_ms)
    }
}

impl Schedule {
    pub fn reaches_profile(&self, profile: &Profile) -> bool {
        self.targets.iter().any(|target| match target {
            super::schedule::Target::Area(code) => profile.areas.contains(code),
            super::schedule::Target::Speaker(id) => profile.alone.as_ref() == Some(id),
        })
    }

    /// How far down the tree the unit is whose schedule this is: 0 = the widest.
    fn depth(&self, areas: &[AreaCode]) -> usize {
        let place = |code: &AreaCode| areas.iter().position(|area| area == code);
        match &self.owner {
            // A unit beside the path is as narrow as can be.
            Some(owner) => place(owner).unwrap_or(areas.len()),
            None => {
                let targets = self.targets.iter().filter_map(|target| match target {
                    super::schedule::Target::Area(code) => place(code),
                    super::schedule::Target::Speaker(_) => None,
                });
                targets.min().unwrap_or(areas.len())
            }
        }
    }
}

/// What a composition depends on beside the schedule and the time: which programme, and how long it may be.
type CacheKey = (Option<usize>, i64, Limit);
type Cache = Vec<(CacheKey, Composed)>;

/// One play on its way into the timetable.
struct Drafted<'a> {
    reign: &'a Reign,
    play: Play,
    /// When it is to begin here, the offset included.
    start_ms: i64,
    content: Arc<Content>,
}

/// What `profile` plays in the expanded window.
pub fn timetable(world: &World, expanded: &Expanded, profile: &Profile) -> Timetable {
    let mut table = Timetable::default();
    let (openings, own_first) = place(world, profile, expanded.window);
    // How far down the unit is whose speaker this is; what has become part of it stands below.
    let is_part = |area: &AreaCode| world.places.get(area).is_some_and(|place| place.is_part);
    let own_depth = profile.areas.iter().rposition(|area| !is_part(area)).unwrap_or(0);
    let mut reaching: Vec<(usize, &Reign)> = vec![];
    for reigns in &expanded.series {
        for reign in reigns.iter().filter(|reign| reign.schedule.reaches_profile(profile)) {
            reaching.push((reign.schedule.depth(&profile.areas), reign));
        }
    }
    // Wider units first, then by name: the order of last resort among equals.
    reaching.sort_by_key(|(depth, _)| *depth);
    let (mut drafted, mut candidates) = (vec![], vec![]);
    for (depth, reign) in reaching {
        let own = match &reign.schedule.owner {
            Some(owner) => profile.areas[own_depth.min(profile.areas.len())..].contains(owner),
            None => depth >= own_depth,
        };
        let order = match reign.schedule.priority {
            Priority::Priority => u8::from(own != own_first),
            _ => 0,
        };
        let mut cache = Cache::new();
        for play in &reign.plays {
            let Some(one) = draft(world, profile, &openings, reign, *play, &mut cache, &mut table.remarks) else {
                continue;
            };
            if reign.ended_ms.is_some_and(|ended_ms| one.start_ms + one.content.length_ms > ended_ms) {
                continue;
            }
            let (schedule, length_ms) = (&reign.schedule, one.content.length_ms);
            candidates.push(Candidate {
                priority: schedule.priority,
                late: play.late && schedule.priority != Priority::Emergency,
                order,
                start_ms: one.start_ms,
                length_ms,
                slot_ms: schedule.duration_ms.unwrap_or(length_ms),
                policy: schedule.clash,
                wait_ms: schedule.wait_ms,
                good_until_ms: one.content.good_until_ms,
            });
            drafted.push(one);
        }
    }
    for (index, placement) in settle(&candidates, &openings).into_iter().enumerate() {
        enter(&mut table, &drafted, index, &placement);
    }
    table.pieces.sort_by_key(|piece| piece.start_ms);
    table.remarks.sort_by(|a, b| (a.start_ms, &a.occurrence, &a.why).cmp(&(b.start_ms, &b.occurrence, &b.why)));
    table
}

impl World {
    /// When it is lawful to broadcast at the end of a path of areas, in a window and somewhat round it.
    pub fn openings(&self, areas: &[AreaCode], window: Window) -> Openings {
        let hours: Vec<_> = areas.iter().filter_map(|area| self.places.get(area)?.hours.clone()).collect();
        Openings::new(&hours, window.from_ms - DAY_MS, window.until_ms + 2 * DAY_MS)
    }
}

/// The lawful hours at a place, and whether its own bulletins go first.
fn place(world: &World, profile: &Profile, window: Window) -> (Openings, bool) {
    let places: Vec<_> = profile.areas.iter().filter_map(|area| world.places.get(area)).collect();
    let openings = world.openings(&profile.areas, window);
    // The commune's own word, or that of the nearest unit above it that has one.
    let own_first = places.iter().rev().find_map(|place| place.own_first).unwrap_or(false);
    (openings, own_first)
}

/// How long something without a length of its own counts as having been meant.
const SHOWN_MS: i64 = 60_000;

/// Composes one play, or says why there is nothing to compose.
fn draft<'a>(
    world: &World,
    profile: &Profile,
    openings: &Openings,
    reign: &'a Reign,
    play: Play,
    cache: &mut Cache,
    remarks: &mut Vec<Remark>,
) -> Option<Drafted<'a>> {
    let schedule = &reign.schedule;
    let emergency = schedule.priority == Priority::Emergency;
    let start_ms = play.start_ms + if emergency { 0 } else { profile.offset_ms };
    let remark = |why, length_ms: i64| Remark {
        occurrence: OccurrenceId::new(&schedule.id, play.nominal_ms),
        title: schedule.title.clone(),
        start_ms,
        end_ms: start_ms + schedule.duration_ms.unwrap_or(length_ms),
        why,
    };
    let (mut limit_ms, mut limited_by) = (schedule.duration_ms.unwrap_or(DAY_MS), Limit::Slot);
    if !emergency {
        let Some(open_until_ms) = openings.open_until(start_ms) else {
            remarks.push(remark(Why::QuietHours { bulletin: None }, SHOWN_MS));
            return None;
        };
        if open_until_ms - start_ms < limit_ms {
            (limit_ms, limited_by) = (open_until_ms - start_ms, Limit::QuietHours);
        }
        if let Some(most_ms) = openings.max_session_ms.filter(|most_ms| *most_ms < limit_ms) {
            (limit_ms, limited_by) = (most_ms, Limit::Session);
        }
    }
    // The script in force then; a change of it ends what the cache may answer.
    let history = schedule.programme_of(play.other_programme).and_then(|id| world.programmes.get(id));
    let Some(script) = history.and_then(|history| history.at(play.start_ms)) else {
        remarks.push(remark(Why::NothingToPlay, SHOWN_MS));
        return None;
    };
    let unchanging = history.is_some_and(|history| history.versions.len() == 1);
    let key = (play.other_programme, limit_ms, limited_by);
    let known = |(cached, composed): &(CacheKey, Composed)| {
        *cached == key && (composed.holds_from_ms..composed.holds_until_ms).contains(&start_ms)
    };
    let mut note = |composed: &Composed| {
        let length_ms = composed.content.as_ref().map_or(SHOWN_MS, |content| content.length_ms);
        remarks.extend(composed.left_out.iter().map(|why| remark(why.clone(), length_ms)));
    };
    if let Some(index) = cache.iter().position(known).filter(|_| unchanging) {
        let composed = &cache[index].1;
        note(composed);
        return composed.content.clone().map(|content| Drafted { reign, play, start_ms, content });
    }
    let composed = script.compose(&Occasion {
        priority: schedule.priority,
        start_ms,
        limit_ms,
        limited_by,
        fill: schedule.duration_ms.is_some(),
        areas: &profile.areas,
        languages: &profile.languages,
    });
    note(&composed);
    let content = composed.content.clone();
    if cache.len() >= 8 {
        cache.remove(0);
    }
    cache.push((key, composed));
    content.map(|content| Drafted { reign, play, start_ms, content })
}

/// Writes a settled play into the table.
fn enter(table: &mut Timetable, drafted: &[Drafted<'_>], index: usize, placement: &Placement) {
    let one = &drafted[index];
    let schedule = &one.reign.schedule;
    let id = |one: &Drafted<'_>| OccurrenceId::new(&one.reign.schedule.id, one.play.nominal_ms);
    let by = || placement.by.and_then(|other| drafted.get(other)).map(id);
    let mut remark = |why| {
        let (occurrence, title) = (id(one), schedule.title.clone());
        let end_ms = one.start_ms + schedule.duration_ms.unwrap_or(one.content.length_ms);
        table.remarks.push(Remark { occurrence, title, start_ms: one.start_ms, end_ms, why });
    };
    let sounding_ms: i64 = placement.pieces.iter().map(|piece| piece.length_ms).sum();
    // What waited beyond the moment at which its schedule was ended does not come any more.
    let ended =
        |piece: &Stretch| one.reign.ended_ms.is_some_and(|ended_ms| piece.start_ms + piece.length_ms > ended_ms);
    if placement.pieces.iter().any(ended) {
        return;
    }
    match placement.pieces.first() {
        None if placement.day_full => remark(Why::DayFull),
        None => remark(match by() {
            Some(by) => Why::Displaced { by },
            None => Why::QuietHours { bulletin: None },
        }),
        Some(first) => {
            if first.start_ms > one.start_ms {
                remark(Why::Delayed { by: by(), by_ms: first.start_ms - one.start_ms });
            }
            if sounding_ms < one.content.length_ms {
                remark(Why::CutShort { by: by(), lost_ms: one.content.length_ms - sounding_ms });
            }
            if let [first, .., last] = &placement.pieces[..] {
                let for_ms = last.start_ms + last.length_ms - first.start_ms - sounding_ms;
                remark(Why::Interrupted { by: by(), for_ms });
            }
        }
    }
    table.pieces.extend(placement.pieces.iter().zip(1..).map(|(piece, part)| Piece {
        schedule: schedule.clone(),
        nominal_ms: one.play.nominal_ms,
        part,
        start_ms: piece.start_ms,
        content: one.content.clone(),
        from_ms: piece.from_ms,
        length_ms: piece.length_ms,
    }));
}

/// A crumb of an item at the edge of a piece that is not worth opening its file for.
const CRUMB_MS: i64 = 100;

impl Piece {
    pub fn end_ms(&self) -> i64 {
        self.start_ms + self.length_ms
    }

    pub fn occurrence(&self) -> OccurrenceId {
        OccurrenceId::part(&self.schedule.id, self.nominal_ms, self.part)
    }

    /// What sounds in it, with where in the content that begins and ends.
    fn sounding(&self) -> impl Iterator<Item = (&Part, i64, i64)> {
        let until_ms = self.from_ms + self.length_ms;
        self.content.parts.iter().filter_map(move |part| {
            let (begin, end) = (part.at_ms.max(self.from_ms), (part.at_ms + part.length_ms).min(until_ms));
            let whole = (begin, end) == (part.at_ms, part.at_ms + part.length_ms);
            (end > begin && (whole || end - begin >= CRUMB_MS)).then_some((part, begin, end))
        })
    }

    /// The files that it needs, in order.
    pub fn media(&self) -> impl Iterator<Item = MediaHash> {
        self.sounding().map(|(part, ..)| part.approved.media)
    }

    /// The piece as a plan has it; `None` if it falls into a pause between two sounds.
    pub fn planned(&self) -> Option<PlannedOccurrence> {
        let item = |(part, begin, end): (&Part, i64, i64)| PlannedItem {
            bulletin: part.approved.bulletin.clone(),
            revision: part.approved.revision,
            media: part.approved.media,
            at_ms: begin - self.from_ms,
            skip_ms: begin - part.at_ms,
            duration_ms: end - begin,
            gain_db: part.approved.gain_db,
            fade_in: begin > part.at_ms,
            fade_out: end < part.at_ms + part.length_ms || part.length_ms < part.approved.duration_ms,
            beneath: part.kind == SoundKind::Bed,
        };
        let items: Vec<_> = self.sounding().map(item).collect();
        // A bed alone is a pause.
        items.iter().any(|item| !item.beneath).then(|| PlannedOccurrence {
            id: self.occurrence(),
            title: self.schedule.title.clone(),
            start_ms: self.start_ms,
            end_ms: self.end_ms(),
            priority: self.schedule.priority,
            volume_db: self.schedule.volume_db,
            items,
        })
    }
}
