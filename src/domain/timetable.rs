//! Turns schedules into what one speaker plays: expands the rules, fills each slot and settles clashes.
//!
//! Nothing is lost silently: every occurrence that a rule means is either in the timetable or in `left_out` with one reason.
//! Where two would sound at once the higher priority stays, then the earlier start, then the schedule's name; the other is left out whole.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::DAY_MS;
use super::approval::{Approval, Certificate, Denial, Use};
use super::ids::{AreaCode, BulletinId, MediaHash, OccurrenceId, SpeakerId};
use super::plan::{PlannedItem, PlannedOccurrence};
use super::schedule::{MAX_STARTS, Schedule};

/// A schedule with its programme resolved to what is approved now.
#[derive(Debug, Clone)]
pub struct Line {
    pub schedule: Schedule,
    pub items: Vec<LineItem>,
}

/// One item of a programme.
#[derive(Debug, Clone)]
pub struct LineItem {
    pub bulletin: BulletinId,
    /// None where no revision is approved.
    pub approved: Option<Approved>,
}

/// An approved revision as the planner needs it.
#[derive(Debug, Clone)]
pub struct Approved {
    pub approval: Approval,
    pub approver: Certificate,
    pub media: MediaHash,
    pub duration_ms: i64,
    pub gain_db: f32,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timetable {
    /// In order of start, never overlapping.
    pub occurrences: Vec<PlannedOccurrence>,
    pub left_out: Vec<LeftOut>,
}

/// Something a rule asked for that is not in the timetable, whole or in part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeftOut {
    pub occurrence: OccurrenceId,
    pub title: String,
    pub start_ms: i64,
    #[serde(flatten)]
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Why {
    /// Another occurrence holds the air then.
    Displaced { by: OccurrenceId },
    /// The schedule names no programme, or an empty one.
    NothingToPlay,
    /// This item has no approval that allows it there and then.
    NotApproved { bulletin: BulletinId, denial: Denial },
    /// This item is longer than what is left of the slot.
    DoesNotFit { bulletin: BulletinId },
}

/// What is known of the time before now: of what would have begun then, only `begun` really was planned.
#[derive(Debug)]
pub struct Past<'a> {
    pub now_ms: i64,
    pub begun: &'a BTreeSet<OccurrenceId>,
}

/// What `speaker` plays in `from_ms..until_ms`.
pub fn timetable(
    lines: &[Line],
    speaker: &SpeakerId,
    areas: &[AreaCode],
    from_ms: i64,
    until_ms: i64,
    past: Option<&Past<'_>>,
) -> Timetable {
    let mut table = Timetable::default();
    let mut candidates = vec![];
    for line in lines.iter().filter(|line| line.schedule.reaches(speaker, areas)) {
        for start in line.schedule.rule.starts(from_ms, until_ms, MAX_STARTS) {
            let start_ms = start.start_ms;
            let unplanned = |past: &Past<'_>| {
                start_ms < past.now_ms && !past.begun.contains(&OccurrenceId::new(&line.schedule.id, start_ms))
            };
            if past.is_some_and(unplanned) {
                continue;
            }
            if let Some(occurrence) = fill(line, areas, start_ms, &mut table.left_out) {
                candidates.push(occurrence);
            }
        }
    }
    table.occurrences = settle(candidates, &mut table.left_out);
    table.left_out.sort_by(|a, b| (a.start_ms, &a.occurrence).cmp(&(b.start_ms, &b.occurrence)));
    table
}

/// The occurrence at `start_ms` with those of its items that are approved and fit, in order.
fn fill(line: &Line, areas: &[AreaCode], start_ms: i64, left_out: &mut Vec<LeftOut>) -> Option<PlannedOccurrence> {
    let schedule = &line.schedule;
    let id = OccurrenceId::new(&schedule.id, start_ms);
    let mut leave_out =
        |why| left_out.push(LeftOut { occurrence: id.clone(), title: schedule.title.clone(), start_ms, why });
    if line.items.is_empty() {
        leave_out(Why::NothingToPlay);
        return None;
    }
    let slot_end_ms = schedule.duration_ms.map(|length| start_ms + length);
    // No slot is longer than a day, whatever its programme holds.
    let latest_ms = slot_end_ms.unwrap_or(start_ms + DAY_MS);
    let lengths = line.items.iter().filter_map(|item| item.approved.as_ref()).map(|approved| approved.duration_ms);
    let total_ms = lengths.sum::<i64>().min(DAY_MS);
    let mut at_ms = start_ms;
    let mut items = vec![];
    for item in &line.items {
        let bulletin = &item.bulletin;
        let Some(approved) = &item.approved else {
            leave_out(Why::NotApproved { bulletin: bulletin.clone(), denial: Denial::NoApproval });
            continue;
        };
        let end_ms = at_ms + approved.duration_ms;
        if end_ms > latest_ms {
            leave_out(Why::DoesNotFit { bulletin: bulletin.clone() });
            continue;
        }
        let wanted = Use {
            bulletin,
            revision: approved.approval.revision,
            media: &approved.media,
            priority: schedule.priority,
            start_ms,
            // Without a slot the end is known only after all items; asking up to the latest possible end errs on the safe side.
            end_ms: slot_end_ms.unwrap_or(start_ms + total_ms),
            areas,
        };
        if let Err(denial) = approved.approval.allows(&approved.approver, &wanted) {
            leave_out(Why::NotApproved { bulletin: bulletin.clone(), denial });
            continue;
        }
        items.push(PlannedItem {
            bulletin: bulletin.clone(),
            revision: approved.approval.revision,
            media: approved.media,
            duration_ms: approved.duration_ms,
            gain_db: approved.gain_db,
        });
        at_ms = end_ms;
    }
    (!items.is_empty()).then(|| PlannedOccurrence {
        id,
        title: schedule.title.clone(),
        start_ms,
        end_ms: slot_end_ms.unwrap_or(at_ms),
        priority: schedule.priority,
        volume_db: schedule.volume_db,
        items,
    })
}

/// Keeps what may sound, in order of start; each of the others goes to `left_out` with who displaced it.
fn settle(mut candidates: Vec<PlannedOccurrence>, left_out: &mut Vec<LeftOut>) -> Vec<PlannedOccurrence> {
    candidates.sort_by(|a, b| (b.priority, a.start_ms, &a.id).cmp(&(a.priority, b.start_ms, &b.id)));
    let mut kept: BTreeMap<i64, PlannedOccurrence> = BTreeMap::new();
    for occurrence in candidates {
        let before = kept.range(..occurrence.end_ms).next_back().map(|(_, other)| other);
        match before.filter(|other| other.end_ms > occurrence.start_ms) {
            Some(other) => left_out.push(LeftOut {
                occurrence: occurrence.id,
                title: occurrence.title,
                start_ms: occurrence.start_ms,
                why: Why::Displaced { by: other.id.clone() },
            }),
            None => {
                kept.insert(occurrence.start_ms, occurrence);
            }
        }
    }
    kept.into_values().collect()
}
