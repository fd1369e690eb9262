//! How speakers stand, as `domain/standing.rs` judges it: gathers what rows, plans and timetables say; and remembers what each board said
//! last, so that the history is told changes alone. Bounded: a board that changes its mind all the time fills no disk.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::app::App;
use super::planner::{PlanError, known_fleet};
use super::store::{SpeakerRow, Store, StoreError};
use crate::domain::fleet::Fleet;
use crate::domain::ids::SpeakerId;
use crate::domain::record::Outcome;
use crate::domain::standing::{Cause, Facts, Fault, Known, Link, PlanStanding, Said, Standing, Turn, standing};
use crate::domain::timetable::{Piece, Timetable};
use crate::protocol::message::{HealthWarning, State, StateDetail};

/// Changes of one speaker kept in an hour. What turns beyond that is told with the first change of the next hour.
const TURNS_PER_HOUR: u32 = 120;
const HOUR_MS: i64 = 3_600_000;
/// A board's own words in the history.
const WORDS: usize = 200;

/// What a board says is wrong with it, each with its words.
pub fn faults(detail: &StateDetail) -> BTreeMap<Fault, String> {
    let problems = [
        (Fault::Amplifier, &detail.amplifier_problem),
        (Fault::Path, &detail.path_warning),
        (Fault::Capture, &detail.capture_problem),
        (Fault::Store, &detail.store_problem),
    ];
    let words = |text: &String| text.chars().filter(|c| !c.is_control()).take(WORDS).collect::<String>();
    let mut faults: BTreeMap<Fault, String> =
        problems.into_iter().filter_map(|(fault, problem)| Some((fault, words(problem.as_ref()?)))).collect();
    if let Some(health) = &detail.health {
        for warning in &health.warnings {
            let (fault, words) = match warning {
                HealthWarning::Hot => (Fault::Hot, health.temperature_c.map_or(String::new(), |c| format!("{c} °C"))),
                HealthWarning::CardReadOnly => (Fault::CardReadOnly, String::new()),
                HealthWarning::CardFailing => (Fault::CardFailing, String::new()),
                HealthWarning::CardWorn => {
                    (Fault::CardWorn, health.card_life_used_percent.map_or(String::new(), |used| format!("{used} %")))
                }
                HealthWarning::DiskErrors => (Fault::DiskErrors, String::new()),
                HealthWarning::DiskLow => {
                    (Fault::DiskLow, health.free_mb.map_or(String::new(), |free| format!("{free} MB")))
                }
                HealthWarning::MemoryHigh => (Fault::MemoryHigh, String::new()),
                HealthWarning::Other => (Fault::Other, String::new()),
            };
            faults.insert(fault, words);
        }
    }
    faults
}

fn said(detail: &StateDetail) -> Said {
    let refused = detail.plan_refused.as_ref().map(|why| why.chars().take(WORDS).collect());
    Said {
        clock_trusted: detail.clock.trusted,
        ready: detail.media_ready,
        wanted: detail.media_wanted,
        refused,
        faults: faults(detail),
    }
}

/// What everybody plays and which plan everybody should have, while many speakers are looked at.
pub struct Outlooks {
    pub fleet: Fleet,
    pub newest: BTreeMap<SpeakerId, u64>,
    now_ms: i64,
    /// By the address of the timetable, since thousands share a few; the fleet keeps them in place.
    next: HashMap<usize, Option<Coming>>,
}

/// A play to come.
#[derive(Debug, Clone, PartialEq)]
pub struct Coming {
    pub start_ms: i64,
    pub title: String,
}

impl Outlooks {
    pub async fn load(app: &App, now_ms: i64) -> Result<Self, PlanError> {
        let (fleet, newest) = known_fleet(app, now_ms).await?;
        Ok(Self { fleet, newest, now_ms, next: HashMap::new() })
    }

    /// What a speaker plays next.
    pub fn next(&mut self, speaker: &SpeakerId) -> Option<Coming> {
        let table = self.fleet.timetable(speaker)?;
        let now_ms = self.now_ms;
        self.next.entry(Arc::as_ptr(table) as usize).or_insert_with(|| next_in(table, now_ms)).clone()
    }

    /// One word for a speaker, and the reasons.
    pub fn standing(&mut self, row: &SpeakerRow, has_board: bool) -> (Standing, Vec<Cause>) {
        let next_in_ms = self.next(&row.id).map(|next| next.start_ms - self.now_ms);
        standing(&known(row, self.newest.get(&row.id).copied(), has_board, next_in_ms))
    }
}

fn next_in(table: &Timetable, now_ms: i64) -> Option<Coming> {
    let from = table.pieces.partition_point(|piece| piece.start_ms <= now_ms);
    // The rest of a play that was interrupted is no new one.
    let begins = |piece: &&Piece| piece.part == 1 && piece.planned().is_some();
    let piece = table.pieces.get(from..)?.iter().find(begins)?;
    Some(Coming { start_ms: piece.start_ms, title: piece.schedule.title.clone() })
}

fn known(row: &SpeakerRow, newest: Option<u64>, has_board: bool, next_in_ms: Option<i64>) -> Known {
    let detail = row.detail.as_ref();
    let plan = match (newest, detail.and_then(|detail| detail.plan)) {
        _ if detail.is_some_and(|detail| detail.plan_refused.is_some()) => PlanStanding::Refused,
        (None, _) => PlanStanding::None,
        (newest, accepted) if newest == accepted => PlanStanding::Current,
        _ => PlanStanding::Behind,
    };
    let last_failed = row.last.as_ref().is_some_and(|(_, outcome, reason)| {
        matches!(outcome, Outcome::Missed | Outcome::Partial) && reason.is_none_or(|reason| reason.is_failure())
    });
    Known {
        disabled: row.disabled,
        has_board,
        link: link(row),
        clock_trusted: detail.map(|detail| detail.clock.trusted),
        lacks: detail.map_or(0, |detail| detail.media_wanted.saturating_sub(detail.media_ready)),
        plan,
        faults: detail.map(|detail| faults(detail).into_keys().collect()).unwrap_or_default(),
        is_playing: row.online && detail.is_some_and(|detail| detail.playing.is_some()),
        last_failed,
        next_in_ms,
    }
}

pub fn link(row: &SpeakerRow) -> Link {
    match (row.since_ms, row.online) {
        (None, _) => Link::Never,
        (Some(_), true) => Link::Online,
        (Some(_), false) => Link::Offline,
    }
}

/// What each board said last.
#[derive(Debug, Default)]
pub struct LastWords {
    by_speaker: Mutex<HashMap<SpeakerId, Last>>,
}

#[derive(Debug, Default)]
struct Last {
    facts: Option<Facts>,
    /// The hour since 1970, and the changes told in it.
    hour: i64,
    told: u32,
}

/// What a state turns, to be kept with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Turned {
    pub turns: Vec<Turn>,
    facts: Facts,
}

impl LastWords {
    /// What the store knows, before anybody speaks.
    pub async fn load(&self, store: &Store) -> Result<(), StoreError> {
        let rows = store.speakers("", i64::MAX).await?;
        let mut known = self.by_speaker.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows.into_iter().filter(|row| row.since_ms.is_some()) {
            let facts = Facts { online: row.online, said: row.detail.as_ref().map(said) };
            known.entry(row.id).or_default().facts = Some(facts);
        }
        Ok(())
    }

    /// What is not as it was, by a state that may yet turn out to be an old one: [`Self::took`] says that it counts.
    pub fn turned(&self, speaker: &SpeakerId, state: &State, now_ms: i64) -> Turned {
        let known = self.by_speaker.lock().unwrap_or_else(PoisonError::into_inner);
        let last = known.get(speaker);
        let before = last.and_then(|last| last.facts.as_ref());
        let facts = Facts { online: state.online, said: state.detail.as_ref().map(said) }.after(before);
        let mut turns = facts.turns(before);
        if last.is_some_and(|last| last.hour == now_ms / HOUR_MS && last.told >= TURNS_PER_HOUR) {
            turns.clear();
        }
        Turned { turns, facts }
    }

    pub fn took(&self, speaker: &SpeakerId, turned: Turned, now_ms: i64) {
        if turned.turns.is_empty() {
            return;
        }
        let mut known = self.by_speaker.lock().unwrap_or_else(PoisonError::into_inner);
        let last = known.entry(speaker.clone()).or_default();
        if last.hour != now_ms / HOUR_MS {
            (last.hour, last.told) = (now_ms / HOUR_MS, 0);
        }
        last.told += turned.turns.len() as u32;
        last.facts = Some(turned.facts);
    }

    /// An operator has put it off line, which stands in its history already.
    pub fn was_put_off(&self, speaker: &SpeakerId) {
        let mut known = self.by_speaker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = known.get_mut(speaker).and_then(|last| last.facts.as_mut()) {
            facts.online = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::message::ClockState;

    fn state(online: bool, trusted: Option<bool>) -> State {
        let detail = trusted.map(|trusted| StateDetail {
            clock: ClockState { trusted, ..ClockState::default() },
            ..StateDetail::default()
        });
        State { birth: 1, online, detail }
    }

    #[test]
    fn only_changes_that_counted_are_remembered() {
        let (words, speaker) = (LastWords::default(), "a".parse::<SpeakerId>().unwrap());
        let first = words.turned(&speaker, &state(true, Some(true)), 1);
        assert_eq!(first.turns.len(), 3);
        assert_eq!(words.turned(&speaker, &state(true, Some(true)), 2).turns.len(), 3, "it was not said to count");
        words.took(&speaker, first, 2);
        assert_eq!(words.turned(&speaker, &state(true, Some(true)), 3).turns, []);
        assert_eq!(words.turned(&speaker, &state(false, None), 3).turns.len(), 1);
        words.was_put_off(&speaker);
        assert_eq!(words.turned(&speaker, &state(false, None), 4).turns, []);
        assert_eq!(words.turned(&speaker, &state(true, None), 4).turns.len(), 1);
    }

    #[test]
    fn a_board_that_changes_its_mind_all_the_time_fills_no_disk() {
        let (words, speaker) = (LastWords::default(), "a".parse::<SpeakerId>().unwrap());
        let mut kept = 0;
        for round in 0..10_000 {
            let turned = words.turned(&speaker, &state(true, Some(round % 2 == 0)), 10);
            kept += turned.turns.len() as u32;
            words.took(&speaker, turned, 10);
        }
        assert!((TURNS_PER_HOUR..TURNS_PER_HOUR + 4).contains(&kept), "{kept}");
        // In the next hour what has turned since is told.
        let last_kept_trusted = words.turned(&speaker, &state(true, Some(true)), HOUR_MS).turns.is_empty();
        let turned = words.turned(&speaker, &state(true, Some(!last_kept_trusted)), HOUR_MS);
        assert_eq!(turned.turns.len(), 1);
    }
}
