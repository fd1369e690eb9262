//! What a centre sees first: what is on the air, what comes next, what went wrong since yesterday rolled up by area and reason, and what
//! waits for whoever asks. Put together from rows that are read once, timetables in memory, and the failures that came in lately.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::planner::PlanError;
use super::readiness::{PlayReadiness, outlook_of};
use super::standing::{Outlooks, faults};
use super::store::{SpeakerRow, Store, StoreError};
use crate::domain::DAY_MS;
use crate::domain::area::AreaTree;
use crate::domain::command::{Command, Order};
use crate::domain::ids::{AreaCode, OccurrenceId, SpeakerId};
use crate::domain::priority::Priority;
use crate::domain::record::PlaybackRecord;
use crate::domain::standing::{Cause, Fault, Standing};
use crate::domain::timetable::{Piece, Timetable};

/// Plays to come that are told, and how far ahead they are looked for.
const NEXT: usize = 8;
const AHEAD_MS: i64 = DAY_MS;
/// Speakers named with each trouble.
const NAMED: usize = 5;
/// Failures remembered; beyond that the oldest are forgotten, and stand in the records all the same.
const FAILURES: usize = 50_000;
const KEPT_MS: i64 = 2 * DAY_MS;
/// Records of a play come in a while after its end.
const REPORT_GRACE_MS: i64 = 60_000;

/// One occurrence that is on the air somewhere. Times in Unix ms.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OnAir {
    pub occurrence: String,
    pub schedule: String,
    pub title: String,
    /// filler, normal, priority or emergency.
    pub priority: String,
    pub since_ms: i64,
    /// Absent where it is not known here.
    pub until_ms: Option<i64>,
    /// Speakers that are to play it now.
    pub planned: u32,
    /// Those that say they do.
    pub sounding: u32,
    /// Of those that do not say so: how many are out of touch.
    pub offline: u32,
}

/// One reason in one area.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Trouble {
    pub area: String,
    pub area_title: String,
    /// How things stand now: link_down, clock_untrusted, plan_refused, content_missing, fault. What happened: play_failed.
    pub cause: String,
    /// Which fault, or why the plays failed.
    pub detail: Option<String>,
    pub speakers: u32,
    /// All speakers of that area that are not shut out.
    pub of: u32,
    /// Plays that failed; with link_down, those of which nothing is known yet.
    pub plays: u32,
    /// When it began, for the first and for the last of them; absent where that is not known.
    pub first_ms: Option<i64>,
    pub last_ms: Option<i64>,
    /// The first of them.
    pub named: Vec<Named>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = NamedSpeaker)]
pub struct Named {
    pub id: String,
    pub title: String,
}

/// How many speakers stand so.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StandingCount {
    pub standing: Standing,
    pub speakers: u32,
}

/// What is known of the speakers of some areas.
#[derive(Debug)]
pub struct Seen {
    pub standings: Vec<StandingCount>,
    pub on_air: Vec<OnAir>,
    pub next: Vec<PlayReadiness>,
    pub troubles: Vec<Trouble>,
    /// Speakers for which no board was ever enrolled.
    pub boardless: Vec<(AreaCode, Named)>,
    /// Until when the certificate of each enrolled board is good.
    pub certificates: Vec<(AreaCode, Named, i64)>,
}

/// A play that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failed {
    reason: &'static str,
}

/// The plays that failed of late, in memory: a look at all records of two days would hold up the store.
#[derive(Debug, Default)]
pub struct Failures {
    known: Mutex<BTreeMap<(i64, SpeakerId, OccurrenceId), Failed>>,
}

impl Failures {
    pub async fn load(&self, store: &Store, now_ms: i64) -> Result<(), StoreError> {
        let records = store.failed_records(now_ms - KEPT_MS, FAILURES as i64).await?;
        self.note(&records, now_ms);
        Ok(())
    }

    /// Takes in records once they are stored; the same again changes nothing.
    pub fn note(&self, records: &[PlaybackRecord], now_ms: i64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records.iter().filter(|record| record.failed()) {
            let reason = record.reason.map_or("other", |reason| reason.as_str());
            known.insert((record.start_ms, record.speaker.clone(), record.occurrence.clone()), Failed { reason });
        }
        while known.first_key_value().is_some_and(|((at_ms, ..), _)| *at_ms < now_ms - KEPT_MS)
            || known.len() > FAILURES
        {
            known.pop_first();
        }
    }

    fn since(&self, from_ms: i64) -> Vec<(i64, SpeakerId, &'static str)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = known.iter().filter(|((at_ms, ..), _)| *at_ms >= from_ms);
        ours.map(|((at_ms, speaker, _), failed)| (*at_ms, speaker.clone(), failed.reason)).collect()
    }
}

/// Looks at all speakers of these areas. `since_ms` is the beginning of what is told as past.
pub async fn look(app: &App, shown: &BTreeSet<AreaCode>, since_ms: i64, now_ms: i64) -> Result<Seen, PlanError> {
    let mut outlooks = Outlooks::load(app, now_ms).await?;
    let mut rows = app.store.speakers("", i64::MAX).await?;
    rows.retain(|row| shown.contains(&row.area));
    let tree = app.store.areas().await?;
    let ordered = ordered(app, now_ms).await?;
    let mut next = outlook_of(app, &rows, &outlooks.fleet, &outlooks.newest, now_ms, AHEAD_MS).await?.plays;
    next.truncate(NEXT);
    Ok(tokio::task::block_in_place(|| {
        let mut standings: BTreeMap<Standing, u32> = BTreeMap::new();
        let mut troubles = Troubles::new(&tree, &rows);
        let (mut boardless, mut certificates) = (vec![], vec![]);
        for row in &rows {
            let ends_ms = app.gate.valid_until_ms(&row.id);
            let has_board = !app.enrols() || ends_ms.is_some();
            if let Some(ends_ms) = ends_ms.filter(|_| !row.disabled) {
                certificates.push((row.area.clone(), named(row), ends_ms));
            }
            let (standing, causes) = outlooks.standing(row, has_board);
            *standings.entry(standing).or_default() += 1;
            if causes.first() == Some(&Cause::NoBoard) {
                boardless.push((row.area.clone(), named(row)));
            }
            let table = outlooks.fleet.timetable(&row.id);
            troubles.add_standing(row, standing, &causes, table.map_or(0, |table| unheard(row, table, now_ms)));
        }
        troubles.add_failures(app.failures.since(since_ms), &rows);
        Seen {
            standings: standings.into_iter().map(|(standing, speakers)| StandingCount { standing, speakers }).collect(),
            on_air: on_air(&rows, &outlooks, &ordered, now_ms),
            next,
            troubles: troubles.told(),
            boardless,
            certificates,
        }
    }))
}

fn named(row: &SpeakerRow) -> Named {
    Named { id: row.id.to_string(), title: row.title.clone() }
}

/// Plays that should have been since a speaker went off line, at most those of two days.
fn unheard(row: &SpeakerRow, table: &Timetable, now_ms: i64) -> u32 {
    let Some(since_ms) = row.since_ms.filter(|_| !row.online) else { return 0 };
    let from = table.pieces.partition_point(|piece| piece.start_ms < since_ms.max(now_ms - KEPT_MS));
    let until = table.pieces.partition_point(|piece| piece.start_ms < now_ms - REPORT_GRACE_MS);
    let over = |piece: &&Piece| piece.part == 1 && piece.end_ms() + REPORT_GRACE_MS < now_ms;
    table.pieces.get(from..until).unwrap_or_default().iter().filter(over).count() as u32
}

/// Emergencies by command that may be on the air: their play, title, beginning and end.
async fn ordered(app: &App, now_ms: i64) -> Result<HashMap<String, (String, i64, i64)>, StoreError> {
    let commands = app.store.emergencies(now_ms - DAY_MS, now_ms + 1).await?;
    let read = commands.into_iter().filter_map(|(_, signed)| match signed.command.peek::<Command>().ok()?.order {
        Order::Emergency { occurrence: play, .. } => {
            Some((whole(play.id.as_str()).to_owned(), (play.title, play.start_ms, play.end_ms)))
        }
        _ => None,
    });
    Ok(read.collect())
}

/// The occurrence of which this may be a later part.
fn whole(occurrence: &str) -> &str {
    let part = occurrence.rsplit_once('@').and_then(|(_, rest)| rest.find('.').map(|dot| rest.len() - dot));
    &occurrence[..occurrence.len() - part.unwrap_or(0)]
}

fn on_air(
    rows: &[SpeakerRow],
    outlooks: &Outlooks,
    ordered: &HashMap<String, (String, i64, i64)>,
    now_ms: i64,
) -> Vec<OnAir> {
    let mut plays: BTreeMap<String, OnAir> = BTreeMap::new();
    let mut current: HashMap<usize, Option<&Piece>> = HashMap::new();
    for row in rows.iter().filter(|row| !row.disabled) {
        let table = outlooks.fleet.timetable(&row.id);
        let planned = table.and_then(|table| {
            *current.entry(Arc::as_ptr(table) as usize).or_insert_with(|| {
                let after = table.pieces.partition_point(|piece| piece.start_ms <= now_ms);
                let piece = table.pieces.get(after.checked_sub(1)?)?;
                (piece.end_ms() > now_ms && piece.planned().is_some()).then_some(piece)
            })
        });
        let says = row.detail.as_ref().filter(|_| row.online).and_then(|detail| detail.playing.as_ref());
        let says = says.map(|id| whole(id.as_str()).to_owned());
        if let Some(piece) = planned {
            let id = OccurrenceId::new(&piece.schedule.id, piece.nominal_ms).to_string();
            let play = plays.entry(id.clone()).or_insert_with(|| of_piece(&id, piece));
            play.planned += 1;
            (play.since_ms, play.until_ms) =
                (play.since_ms.min(piece.start_ms), play.until_ms.max(Some(piece.end_ms())));
            if says.as_deref() == Some(id.as_str()) {
                play.sounding += 1;
                continue;
            }
            play.offline += u32::from(!row.online);
        }
        // Something else than what is planned: an emergency by command, or a play that has just ended or been moved.
        if let Some(id) = says {
            let play = plays.entry(id.clone()).or_insert_with(|| unplanned(&id, ordered, now_ms));
            play.sounding += 1;
        }
    }
    // Boards name a play a few seconds before it begins.
    let mut plays: Vec<OnAir> = plays.into_values().filter(|play| play.since_ms <= now_ms).collect();
    let rank = |play: &OnAir| play.priority.parse::<Priority>().ok();
    plays.sort_by(|a, b| (rank(b), a.since_ms, &a.occurrence).cmp(&(rank(a), b.since_ms, &b.occurrence)));
    plays
}

fn of_piece(id: &str, piece: &Piece) -> OnAir {
    OnAir {
        occurrence: id.to_owned(),
        schedule: piece.schedule.id.to_string(),
        title: piece.schedule.title.clone(),
        priority: piece.schedule.priority.to_string(),
        since_ms: piece.start_ms,
        until_ms: Some(piece.end_ms()),
        planned: 0,
        sounding: 0,
        offline: 0,
    }
}

fn unplanned(id: &str, ordered: &HashMap<String, (String, i64, i64)>, now_ms: i64) -> OnAir {
    let (schedule, at) = id.rsplit_once('@').unwrap_or((id, ""));
    let known = ordered.get(id);
    OnAir {
        occurrence: id.to_owned(),
        schedule: schedule.to_owned(),
        title: known.map_or_else(|| schedule.to_owned(), |(title, ..)| title.clone()),
        priority: if known.is_some() { Priority::Emergency } else { Priority::Normal }.to_string(),
        since_ms: known.map_or_else(|| at.parse().unwrap_or(now_ms), |(_, start_ms, _)| *start_ms),
        until_ms: known.map(|(.., end_ms)| *end_ms),
        planned: 0,
        sounding: 0,
        offline: 0,
    }
}

type TroubleKey = (AreaCode, &'static str, Option<&'static str>);

struct Troubles<'a> {
    tree: &'a AreaTree,
    of: BTreeMap<&'a AreaCode, u32>,
    found: BTreeMap<TroubleKey, Trouble>,
    /// Of plays that failed: whom was counted already.
    counted: BTreeSet<(AreaCode, &'static str, SpeakerId)>,
}

impl<'a> Troubles<'a> {
    fn new(tree: &'a AreaTree, rows: &'a [SpeakerRow]) -> Self {
        let mut of = BTreeMap::new();
        rows.iter().filter(|row| !row.disabled).for_each(|row| *of.entry(&row.area).or_default() += 1);
        Self { tree, of, found: BTreeMap::new(), counted: BTreeSet::new() }
    }

    fn entry(&mut self, area: &AreaCode, cause: &'static str, detail: Option<&'static str>) -> &mut Trouble {
        let (tree, of) = (self.tree, self.of.get(area).copied().unwrap_or(0));
        self.found.entry((area.clone(), cause, detail)).or_insert_with(|| Trouble {
            area: area.to_string(),
            area_title: tree.get(area).map(|area| area.title.clone()).unwrap_or_default(),
            cause: cause.into(),
            detail: detail.map(str::to_owned),
            speakers: 0,
            of,
            plays: 0,
            first_ms: None,
            last_ms: None,
            named: vec![],
        })
    }

    fn add_standing(&mut self, row: &SpeakerRow, standing: Standing, causes: &[Cause], unheard: u32) {
        match standing {
            Standing::Offline => self.count(row, "link_down", None, row.since_ms, unheard),
            Standing::Attention => {
                for cause in causes {
                    match cause {
                        Cause::ClockUntrusted => self.count(row, "clock_untrusted", None, None, 0),
                        Cause::PlanRefused => self.count(row, "plan_refused", None, None, 0),
                        Cause::ContentMissing => self.count(row, "content_missing", None, None, 0),
                        Cause::Fault => {
                            let detail = row.detail.as_ref().map(faults).unwrap_or_default();
                            detail.into_keys().for_each(|fault: Fault| {
                                self.count(row, "fault", Some(fault.as_str()), None, 0);
                            });
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn count(
        &mut self,
        row: &SpeakerRow,
        cause: &'static str,
        detail: Option<&'static str>,
        at_ms: Option<i64>,
        plays: u32,
    ) {
        let trouble = self.entry(&row.area, cause, detail);
        trouble.speakers += 1;
        trouble.plays += plays;
        trouble.reach(at_ms);
        trouble.name(row);
    }

    fn add_failures(&mut self, failures: Vec<(i64, SpeakerId, &'static str)>, rows: &[SpeakerRow]) {
        let by_id: BTreeMap<&SpeakerId, &SpeakerRow> = rows.iter().map(|row| (&row.id, row)).collect();
        for (at_ms, speaker, reason) in failures {
            let Some(row) = by_id.get(&speaker) else { continue };
            let is_new = self.counted.insert((row.area.clone(), reason, speaker));
            let trouble = self.entry(&row.area, "play_failed", Some(reason));
            trouble.plays += 1;
            trouble.reach(Some(at_ms));
            if is_new {
                trouble.speakers += 1;
                trouble.name(row);
            }
        }
    }

    /// What concerns most speakers first.
    fn told(self) -> Vec<Trouble> {
        let mut all: Vec<Trouble> = self.found.into_values().collect();
        all.sort_by(|a, b| (b.speakers, &a.cause, &a.area).cmp(&(a.speakers, &b.cause, &b.area)));
        all
    }
}

impl Trouble {
    fn reach(&mut self, at_ms: Option<i64>) {
        let Some(at_ms) = at_ms else { return };
        self.first_ms = Some(self.first_ms.map_or(at_ms, |first| first.min(at_ms)));
        self.last_ms = Some(self.last_ms.map_or(at_ms, |last| last.max(at_ms)));
    }

    fn name(&mut self, row: &SpeakerRow) {
        if self.named.len() < NAMED {
            self.named.push(named(row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::{Evidence, Outcome, Reason};

    fn record(speaker: &str, start_ms: i64, outcome: Outcome, reason: Option<Reason>) -> PlaybackRecord {
        serde_json::from_value(serde_json::json!({
            "speaker": speaker, "occurrence": format!("s@{start_ms}"), "plan_number": 1, "start_ms": start_ms,
            "end_ms": start_ms + 1, "outcome": outcome, "reason": reason, "evidence": Evidence::Scheduled,
        }))
        .unwrap()
    }

    #[test]
    fn failures_are_counted_once_and_forgotten_in_time() {
        let failures = Failures::default();
        let now_ms = 10 * DAY_MS;
        let records = [
            record("a", now_ms - 10, Outcome::Missed, Some(Reason::ContentMissing)),
            record("a", now_ms - 20, Outcome::Missed, Some(Reason::QuietHours)),
            record("b", now_ms - 30, Outcome::Partial, Some(Reason::OutputFailed)),
            record("b", now_ms - 40, Outcome::Played, None),
            record("b", now_ms - KEPT_MS - 1, Outcome::Missed, None),
        ];
        failures.note(&records, now_ms);
        failures.note(&records, now_ms);
        let told: Vec<_> =
            failures.since(0).into_iter().map(|(_, speaker, reason)| (speaker.to_string(), reason)).collect();
        assert_eq!(told, [("b".to_owned(), "output_failed"), ("a".to_owned(), "content_missing")]);
        assert_eq!(failures.since(now_ms - 15).len(), 1);
        failures.note(&[], now_ms + KEPT_MS);
        assert_eq!(failures.since(0), []);
    }

    #[test]
    fn a_part_belongs_to_its_whole() {
        for (part, expected) in [("s@17", "s@17"), ("s@17.2", "s@17"), ("s.x@17.12", "s.x@17"), ("odd", "odd")] {
            assert_eq!(whole(part), expected);
        }
    }
}
