//! Where and when a bulletin plays: what is to come, by everybody's timetables in memory, and which plays it was in.
//!
//! One row an occurrence with counts of speakers, never one a speaker. What is noted here is for people; it decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::store::PlayedRow;
use crate::domain::fleet::Fleet;
use crate::domain::ids::{AreaCode, BulletinId, OccurrenceId};
use crate::domain::timetable::{Piece, Timetable, Why};

/// How long before its start a play is noted: about as long as it can no longer be changed.
const AHEAD_MS: i64 = 15 * 60_000;
/// Most coming plays that are told.
const MOST_COMING: usize = 200;

/// A play to come that names a bulletin. Times in Unix ms.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ComingPlay {
    pub occurrence: String,
    pub schedule: String,
    pub title: String,
    pub priority: String,
    pub start_ms: i64,
    /// On how many speakers the bulletin will sound, as things stand.
    pub sounding: u64,
    /// On how many more it would, were it approved for them.
    pub waiting: u64,
    /// On how many more it is left out for another reason: the slot is too short, or it is not lawful then.
    pub left_out: u64,
}

/// What becomes of a bulletin in one play on one speaker; the best counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    LeftOut,
    Waiting,
    Sounding,
}

struct One {
    title: String,
    priority: String,
    start_ms: i64,
    fate: Fate,
}

/// Timetables, each with how many of the speakers have it.
fn tables(fleet: &Fleet, counts: impl Fn(&AreaCode) -> bool) -> Vec<(&Arc<Timetable>, u64)> {
    let mut tables: BTreeMap<*const Timetable, (&Arc<Timetable>, u64)> = BTreeMap::new();
    for (speaker, profile) in fleet.speakers() {
        if profile.areas.last().is_some_and(&counts)
            && let Some(table) = fleet.timetable(speaker)
        {
            tables.entry(Arc::as_ptr(table)).or_insert((table, 0)).1 += 1;
        }
    }
    tables.into_values().collect()
}

/// What a piece lets sound of its content.
fn bulletins(piece: &Piece) -> impl Iterator<Item = &BulletinId> {
    let window = piece.from_ms..piece.from_ms + piece.length_ms;
    let sounds = piece
        .content
        .parts
        .iter()
        .filter(move |part| part.at_ms < window.end && part.at_ms + part.length_ms > window.start);
    sounds.map(|part| &part.approved.bulletin)
}

/// The plays to come that name a bulletin, soonest first, on the speakers in the areas that `counts` takes.
pub fn coming(
    fleet: &Fleet,
    bulletin: &BulletinId,
    now_ms: i64,
    counts: impl Fn(&AreaCode) -> bool,
) -> Vec<ComingPlay> {
    let mut all: BTreeMap<OccurrenceId, ComingPlay> = BTreeMap::new();
    for (table, speakers) in tables(fleet, counts) {
        for (id, one) in of_table(table, bulletin, now_ms) {
            let play = all.entry(id.clone()).or_insert_with(|| ComingPlay {
                schedule: id.parts().map(|(schedule, ..)| schedule.to_string()).unwrap_or_default(),
                occurrence: id.to_string(),
                title: one.title,
                priority: one.priority,
                start_ms: one.start_ms,
                sounding: 0,
                waiting: 0,
                left_out: 0,
            });
            play.start_ms = play.start_ms.min(one.start_ms);
            match one.fate {
                Fate::Sounding => play.sounding += speakers,
                Fate::Waiting => play.waiting += speakers,
                Fate::LeftOut => play.left_out += speakers,
            }
        }
    }
    let mut all: Vec<ComingPlay> = all.into_values().collect();
    all.sort_by(|a, b| (a.start_ms, &a.occurrence).cmp(&(b.start_ms, &b.occurrence)));
    all.truncate(MOST_COMING);
    all
}

fn of_table(table: &Timetable, bulletin: &BulletinId, now_ms: i64) -> BTreeMap<OccurrenceId, One> {
    let mut here: BTreeMap<OccurrenceId, One> = BTreeMap::new();
    let mut enter = |id: OccurrenceId, one: One| {
        let known =
            here.entry(id).or_insert_with(|| One { title: one.title.clone(), priority: one.priority.clone(), ..one });
        known.start_ms = known.start_ms.min(one.start_ms);
        known.fate = known.fate.max(one.fate);
        if known.priority.is_empty() {
            known.priority = one.priority;
        }
    };
    for piece in table.pieces.iter().filter(|piece| piece.end_ms() > now_ms) {
        if bulletins(piece).any(|sounds| sounds == bulletin) {
            let id = OccurrenceId::new(&piece.schedule.id, piece.nominal_ms);
            let (title, priority) = (piece.schedule.title.clone(), piece.schedule.priority.to_string());
            enter(id, One { title, priority, start_ms: piece.start_ms, fate: Fate::Sounding });
        }
    }
    for remark in table.remarks.iter().filter(|remark| remark.end_ms > now_ms) {
        let fate = match &remark.why {
            Why::NotApproved { bulletin: named, .. } if named == bulletin => Fate::Waiting,
            Why::DoesNotFit { bulletin: named }
            | Why::SessionTooLong { bulletin: named }
            | Why::QuietHours { bulletin: Some(named) }
                if named == bulletin =>
            {
                Fate::LeftOut
            }
            _ => continue,
        };
        let (title, start_ms) = (remark.title.clone(), remark.start_ms);
        enter(remark.occurrence.clone(), One { title, priority: String::new(), start_ms, fate });
    }
    here
}

/// Plays that were noted and have not ended, so that each is written once.
#[derive(Debug, Default)]
pub struct Noted {
    /// Up to when the timetables were looked through.
    until_ms: Option<i64>,
    plays: BTreeMap<(BulletinId, OccurrenceId), PlayedRow>,
}

impl Noted {
    /// What is to be written and what to be taken back, since it was about to begin and is no longer.
    pub fn step(&mut self, fleet: &Fleet, now_ms: i64) -> (Vec<PlayedRow>, Vec<PlayedRow>) {
        // After a start everything since the window's beginning: the server may have been down for a while.
        let from_ms = self.until_ms.map_or(fleet.window().from_ms, |until_ms| until_ms - AHEAD_MS).min(now_ms);
        let until_ms = now_ms + AHEAD_MS;
        let mut found: BTreeMap<(BulletinId, OccurrenceId), PlayedRow> = BTreeMap::new();
        for (table, speakers) in tables(fleet, |_| true) {
            let begin = table.pieces.partition_point(|piece| piece.start_ms < from_ms);
            for piece in table.pieces[begin..].iter().take_while(|piece| piece.start_ms < until_ms) {
                let mut told: Vec<&BulletinId> = bulletins(piece).collect();
                told.sort_unstable();
                told.dedup();
                for bulletin in told {
                    let row = found.entry((bulletin.clone(), piece.occurrence())).or_insert_with(|| PlayedRow {
                        bulletin: bulletin.clone(),
                        occurrence: piece.occurrence(),
                        title: piece.schedule.title.clone(),
                        priority: piece.schedule.priority,
                        first_ms: piece.start_ms,
                        last_ms: piece.start_ms,
                        end_ms: piece.end_ms(),
                        speakers: 0,
                    });
                    row.first_ms = row.first_ms.min(piece.start_ms);
                    row.last_ms = row.last_ms.max(piece.start_ms);
                    row.end_ms = row.end_ms.max(piece.end_ms());
                    row.speakers += speakers;
                }
            }
        }
        let gone =
            |(key, row): &(&(BulletinId, OccurrenceId), &PlayedRow)| row.first_ms > now_ms && !found.contains_key(key);
        let gone: Vec<PlayedRow> = self.plays.iter().filter(gone).map(|(_, row)| row.clone()).collect();
        let new: Vec<PlayedRow> =
            found.iter().filter(|(key, row)| self.plays.get(key) != Some(row)).map(|(_, row)| row.clone()).collect();
        self.until_ms = Some(until_ms);
        self.plays.retain(|key, row| row.last_ms >= from_ms && (row.first_ms <= now_ms || found.contains_key(key)));
        self.plays.extend(found);
        (new, gone)
    }
}
