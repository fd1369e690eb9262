//! Who is ready for what is to come, hours before: timetables in memory beside what each speaker said last. Warns when time runs short.
//!
//! Judges nothing by itself: what counts as ready, and what as too late, stands in `domain/readiness.rs`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::DateTime;
use chrono_tz::Tz;
use serde::Serialize;
use tracing::warn;
use utoipa::ToSchema;

use super::app::{App, Change, now_ms};
use super::planner::{PlanError, known_fleet};
use super::store::{SpeakerRow, StoreError};
use crate::domain::DAY_MS;
use crate::domain::fleet::Fleet;
use crate::domain::ids::{AreaCode, MediaHash, MediaPrefix, OccurrenceId, ScheduleId, SpeakerId};
use crate::domain::plan::Plan;
use crate::domain::readiness::{Heard, Readiness, Said, Sounds, Use, Warning, warning};
use crate::domain::timetable::{Piece, Timetable};
use crate::protocol::limits::MISSING_TOLD;
use crate::protocol::trust::SignedPlan;

/// Plays told of in one answer, the nearest ones; and speakers named with each.
const PLAYS_TOLD: usize = 500;
const SPEAKERS_NAMED: usize = 20;
/// How often to look whether time runs short, and how far ahead.
const ROUND: Duration = Duration::from_secs(30);
const AHEAD_MS: i64 = DAY_MS;
/// Older plans read in one round, and remembered in all: a province that lost its power is looked up bit by bit.
const LOOKUPS_AT_ONCE: usize = 200;
const LOOKUPS_KEPT: usize = 20_000;

/// The plays to come.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Outlook {
    pub now_ms: i64,
    /// In order of start.
    pub plays: Vec<PlayReadiness>,
    /// How many later ones are left out.
    pub more: usize,
}

/// One play of a schedule on all speakers that it reaches. Times in Unix ms.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PlayReadiness {
    pub occurrence: String,
    pub schedule: String,
    pub title: String,
    /// filler, normal, priority or emergency.
    pub priority: String,
    /// Its earliest start; speakers may be staggered.
    pub start_ms: i64,
    pub speakers: u32,
    pub ready: u32,
    /// Of those that are ready, how many are off line: they have what they need.
    pub ready_offline: u32,
    /// Those that are not, by reason.
    pub waiting: Vec<Waiting>,
    /// The files that some speaker has not whole, each counted once.
    pub missing_bytes: u64,
    /// none, soon or late.
    pub warning: String,
    /// The first speakers that are not ready.
    pub not_ready: Vec<NotReady>,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Waiting {
    /// content_missing, plan_on_its_way, plan_refused, clock_untrusted, never_heard or disabled.
    pub reason: String,
    pub speakers: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NotReady {
    pub speaker: String,
    pub title: String,
    pub area: String,
    pub reason: String,
    /// Files that it has not whole.
    pub missing_bytes: u64,
    pub online: bool,
    /// Since when it is on or off line; absent where it was never heard.
    pub since_ms: Option<i64>,
}

/// What older plans play, for boards that go by them; such a plan never changes.
#[derive(Debug, Default)]
pub struct LookedUp {
    older: Mutex<Older>,
}

#[derive(Debug, Default)]
struct Older {
    plans: HashMap<(SpeakerId, u64), Arc<Sounds>>,
    /// Plans of one profile play the same.
    alike: HashSet<Arc<Sounds>>,
}

/// What is to come within `ahead_ms` on the speakers of these areas, or on all.
pub async fn outlook(
    app: &App,
    areas: Option<&BTreeSet<AreaCode>>,
    now_ms: i64,
    ahead_ms: i64,
) -> Result<Outlook, PlanError> {
    let (fleet, newest) = known_fleet(app, now_ms).await?;
    let mut rows = app.store.speakers("", i64::MAX).await?;
    rows.retain(|row| areas.is_none_or(|areas| areas.contains(&row.area)));
    Ok(outlook_of(app, &rows, &fleet, &newest, now_ms, ahead_ms).await?)
}

/// The same for speakers and timetables that were read already.
pub async fn outlook_of(
    app: &App,
    rows: &[SpeakerRow],
    fleet: &Fleet,
    newest: &BTreeMap<SpeakerId, u64>,
    now_ms: i64,
    ahead_ms: i64,
) -> Result<Outlook, StoreError> {
    let older = older_plans(app, rows, newest).await?;
    tokio::task::block_in_place(|| {
        let mut gathering = Gathering::new(app, now_ms, now_ms.saturating_add(ahead_ms));
        for row in rows {
            let Some(table) = fleet.timetable(&row.id) else { continue };
            let said = said(row, newest.get(&row.id).copied(), older.get(&row.id).cloned());
            gathering.add(row, &said, table);
        }
        Ok(gathering.outlook())
    })
}

fn said(row: &SpeakerRow, newest: Option<u64>, older: Option<Arc<Sounds>>) -> Said {
    let heard = row.since_ms.and(row.detail.as_ref()).map(|detail| Heard {
        clock_trusted: detail.clock.trusted,
        accepted: detail.plan,
        refused: detail.plan_refused.is_some(),
        lacks: detail.media_wanted.saturating_sub(detail.media_ready),
        // No honest board names more.
        missing: detail.missing.iter().take(MISSING_TOLD).copied().collect(),
        older,
    });
    Said { disabled: row.disabled, online: row.online, newest, heard }
}

/// What those play that go by an older plan and do not get the newest in a moment: who is off line, and who has refused it.
async fn older_plans(
    app: &App,
    rows: &[SpeakerRow],
    newest: &BTreeMap<SpeakerId, u64>,
) -> Result<HashMap<SpeakerId, Arc<Sounds>>, StoreError> {
    let mut found = HashMap::new();
    let mut lookups = 0;
    for row in rows.iter().filter(|row| !row.disabled) {
        let Some(detail) = &row.detail else { continue };
        let Some(accepted) = detail.plan.filter(|plan| newest.get(&row.id).is_some_and(|newest| plan < newest)) else {
            continue;
        };
        if row.online && detail.plan_refused.is_none() {
            continue;
        }
        let key = (row.id.clone(), accepted);
        let known = app.looked_up.older.lock().ok().and_then(|older| older.plans.get(&key).cloned());
        let sounds = match known {
            Some(known) => known,
            None if lookups == LOOKUPS_AT_ONCE => continue,
            None => {
                lookups += 1;
                let body = app.store.plan(&row.id, accepted).await?.map(|row| row.body).unwrap_or_default();
                remember(app, key, tokio::task::block_in_place(|| sounds_of(&body)))
            }
        };
        found.insert(row.id.clone(), sounds);
    }
    Ok(found)
}

/// Nothing where the plan is no longer kept.
fn sounds_of(body: &str) -> Sounds {
    let plan = serde_json::from_str::<SignedPlan>(body).ok().and_then(|signed| signed.plan.peek::<Plan>().ok());
    let occurrences = plan.iter().flat_map(|plan| &plan.occurrences);
    occurrences.flat_map(|one| one.items.iter().map(|item| (one.start_ms, item.media.prefix()))).collect()
}

fn remember(app: &App, key: (SpeakerId, u64), sounds: Sounds) -> Arc<Sounds> {
    let sounds = Arc::new(sounds);
    let Ok(mut older) = app.looked_up.older.lock() else { return sounds };
    if older.plans.len() == LOOKUPS_KEPT {
        *older = Older::default();
    }
    let sounds = older.alike.get(&sounds).cloned().unwrap_or(sounds);
    older.alike.insert(sounds.clone());
    older.plans.insert(key, sounds.clone());
    sounds
}

/// What one timetable plays within the window: the index of the play, and what it needs.
type Upcoming = Arc<Vec<(usize, Vec<Use>)>>;

/// The outlook while it is put together, speaker by speaker.
struct Gathering<'a> {
    app: &'a App,
    now_ms: i64,
    until_ms: i64,
    plays: Vec<Gathered>,
    index: HashMap<(ScheduleId, i64), usize>,
    tables: HashMap<*const Timetable, Upcoming>,
    /// Sizes of files; absent where a file is lost, so that it is in no plan.
    bytes: HashMap<MediaPrefix, Option<u64>>,
    /// The last answer: neighbours in the list mostly share timetable and state.
    last: Option<(*const Timetable, Said, Arc<Vec<Readiness>>)>,
}

struct Gathered {
    play: PlayReadiness,
    waiting: BTreeMap<&'static str, u32>,
    to_send: BTreeMap<MediaPrefix, u64>,
}

impl<'a> Gathering<'a> {
    fn new(app: &'a App, now_ms: i64, until_ms: i64) -> Self {
        Self {
            app,
            now_ms,
            until_ms,
            plays: vec![],
            index: HashMap::new(),
            tables: HashMap::new(),
            bytes: HashMap::new(),
            last: None,
        }
    }

    fn add(&mut self, row: &SpeakerRow, said: &Said, table: &Arc<Timetable>) {
        let upcoming = match self.tables.get(&Arc::as_ptr(table)) {
            Some(upcoming) => upcoming.clone(),
            None => self.upcoming(table),
        };
        let same = self.last.as_ref().filter(|(at, last, _)| *at == Arc::as_ptr(table) && last == said);
        let (answers, new) = match same {
            Some((_, _, answers)) => (answers.clone(), false),
            None => (Arc::new(answers(said, &upcoming)), true),
        };
        for ((index, _), readiness) in upcoming.iter().zip(answers.iter()) {
            let gathered = &mut self.plays[*index];
            gathered.count(row, readiness);
            if new {
                gathered.to_send.extend(readiness.missing().iter().map(|one| (one.media, one.bytes)));
            }
        }
        if new {
            self.last = Some((Arc::as_ptr(table), said.clone(), answers));
        }
    }

    fn upcoming(&mut self, table: &Arc<Timetable>) -> Upcoming {
        let mut found: Vec<(usize, Vec<Use>)> = vec![];
        let from = table.pieces.partition_point(|piece| piece.start_ms <= self.now_ms);
        let until = table.pieces.partition_point(|piece| piece.start_ms < self.until_ms);
        for piece in table.pieces.get(from..until).unwrap_or_default() {
            let uses: Vec<Use> = piece.media().filter_map(|media| self.one_use(piece.start_ms, &media)).collect();
            if uses.is_empty() {
                continue;
            }
            let key = (piece.schedule.id.clone(), piece.nominal_ms);
            let index = *self.index.entry(key).or_insert_with(|| {
                self.plays.push(Gathered::new(piece));
                self.plays.len() - 1
            });
            let first_ms = &mut self.plays[index].play.start_ms;
            *first_ms = piece.start_ms.min(*first_ms);
            // The parts of an interrupted play are one play.
            match found.iter_mut().find(|(known, _)| *known == index) {
                Some((_, before)) => before.extend(uses),
                None => found.push((index, uses)),
            }
        }
        let upcoming = Arc::new(found);
        self.tables.insert(Arc::as_ptr(table), upcoming.clone());
        upcoming
    }

    fn one_use(&mut self, start_ms: i64, media: &MediaHash) -> Option<Use> {
        let prefix = media.prefix();
        let app = self.app;
        let bytes =
            *self.bytes.entry(prefix).or_insert_with(|| app.chunk_list(media).ok().map(|described| described.bytes));
        bytes.map(|bytes| Use { start_ms, media: prefix, bytes })
    }

    fn outlook(mut self) -> Outlook {
        self.plays.sort_by(|a, b| (a.play.start_ms, &a.play.occurrence).cmp(&(b.play.start_ms, &b.play.occurrence)));
        let bytes_per_s = self.app.config.mqtt.media_kbytes_per_s.saturating_mul(1024);
        let mut to_send: BTreeMap<MediaPrefix, u64> = BTreeMap::new();
        let mut plays = vec![];
        let more = self.plays.len().saturating_sub(PLAYS_TOLD);
        for mut gathered in self.plays.into_iter().take(PLAYS_TOLD) {
            // Sent in the order of use: what comes first goes first.
            to_send.extend(gathered.to_send.iter());
            let play = &mut gathered.play;
            // Whoever was shut out on purpose is not waited for.
            let shut_out = gathered.waiting.get("disabled").copied().unwrap_or(0);
            let not_ready = (play.speakers - play.ready - shut_out) as usize;
            let left_ms = play.start_ms - self.now_ms;
            play.warning = warning(not_ready, to_send.values().sum(), bytes_per_s, left_ms).as_str().into();
            play.missing_bytes = gathered.to_send.values().sum();
            play.waiting = (gathered.waiting.into_iter())
                .map(|(reason, speakers)| Waiting { reason: reason.into(), speakers })
                .collect();
            plays.push(gathered.play);
        }
        Outlook { now_ms: self.now_ms, plays, more }
    }
}

fn answers(said: &Said, upcoming: &[(usize, Vec<Use>)]) -> Vec<Readiness> {
    match said.whatever_is_played() {
        Some(readiness) => vec![readiness; upcoming.len()],
        None => said.readiness(upcoming.iter().map(|(_, uses)| uses.as_slice())),
    }
}

impl Gathered {
    fn new(piece: &Piece) -> Self {
        let play = PlayReadiness {
            occurrence: OccurrenceId::new(&piece.schedule.id, piece.nominal_ms).to_string(),
            schedule: piece.schedule.id.to_string(),
            title: piece.schedule.title.clone(),
            priority: piece.schedule.priority.to_string(),
            start_ms: piece.start_ms,
            speakers: 0,
            ready: 0,
            ready_offline: 0,
            waiting: vec![],
            missing_bytes: 0,
            warning: Warning::None.as_str().into(),
            not_ready: vec![],
        };
        Self { play, waiting: BTreeMap::new(), to_send: BTreeMap::new() }
    }

    fn count(&mut self, row: &SpeakerRow, readiness: &Readiness) {
        let play = &mut self.play;
        play.speakers += 1;
        let Some(reason) = readiness.reason() else {
            play.ready += 1;
            play.ready_offline += u32::from(!row.online);
            return;
        };
        *self.waiting.entry(reason).or_default() += 1;
        if play.not_ready.len() < SPEAKERS_NAMED {
            play.not_ready.push(NotReady {
                speaker: row.id.to_string(),
                title: row.title.clone(),
                area: row.area.to_string(),
                reason: reason.into(),
                missing_bytes: readiness.missing().iter().map(|one| one.bytes).sum(),
                online: row.online,
                since_ms: row.since_ms,
            });
        }
    }
}

/// Looks ahead again and again. Says once of each play that it has become late, and tells those who watch when a warning changes.
pub async fn run(app: Arc<App>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = BTreeMap::new();
    loop {
        rounds.tick().await;
        match outlook(&app, None, now_ms(), AHEAD_MS).await {
            Ok(outlook) => {
                let (late, changed) = news(&outlook, &mut told);
                let zone = app.site.time_zone.parse().unwrap_or(chrono_tz::UTC);
                late.iter().for_each(|play| warn!("{}", in_one_line(play, zone)));
                if changed {
                    app.changed(Change::Plays);
                }
            }
            Err(error) => warn!("readiness: {error}"),
        }
    }
}

/// What a play was last warned of, and whether it was called late.
type Told = BTreeMap<String, (String, bool)>;

/// The plays that are late for the first time, and whether any warning is not what it was.
fn news<'a>(outlook: &'a Outlook, told: &mut Told) -> (Vec<&'a PlayReadiness>, bool) {
    let before = std::mem::take(told);
    let (mut late, mut changed) = (vec![], false);
    for play in &outlook.plays {
        let (was, called) = before.get(&play.occurrence).map_or(("none", false), |(was, late)| (was.as_str(), *late));
        changed |= was != play.warning;
        let is_late = play.warning == Warning::Late.as_str();
        if is_late && !called {
            late.push(play);
        }
        told.insert(play.occurrence.clone(), (play.warning.clone(), called || is_late));
    }
    (late, changed)
}

fn in_one_line(play: &PlayReadiness, zone: Tz) -> String {
    let start = DateTime::from_timestamp_millis(play.start_ms).map(|time| time.with_timezone(&zone));
    let start = start.map(|time| time.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default();
    let waiting: Vec<_> = play.waiting.iter().map(|one| in_words(&one.reason, one.speakers.into())).collect();
    let (title, ready, speakers) = (&play.title, play.ready, play.speakers);
    format!("“{title}” at {start}: {ready} of {speakers} speakers ready; {}", waiting.join(", "))
}

/// How many speakers are not ready for which reason.
pub fn in_words(reason: &str, speakers: u64) -> String {
    let one = speakers == 1;
    let rest = match reason {
        "content_missing" if one => "waits for content",
        "content_missing" => "wait for content",
        "plan_on_its_way" if one => "waits for its plan",
        "plan_on_its_way" => "wait for their plan",
        "plan_refused" => "refused the plan",
        "clock_untrusted" if one => "does not know the time",
        "clock_untrusted" => "do not know the time",
        "never_heard" => "never heard",
        "disabled" => "disabled",
        other => other,
    };
    format!("{speakers} {rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_play_is_called_late_once_and_each_change_is_news() {
        let mut told = Told::new();
        let rounds = [
            ("none", false, 0),
            ("soon", true, 0),
            ("late", true, 1),
            ("late", false, 0),
            ("soon", true, 0),
            ("late", true, 0),
        ];
        for (warning, expected_change, expected_late) in rounds {
            let play = PlayReadiness {
                occurrence: "s@1".into(),
                schedule: "s".into(),
                title: "Bản tin chiều".into(),
                priority: "normal".into(),
                start_ms: 1_795_000_000_000,
                speakers: 40,
                ready: 37,
                ready_offline: 0,
                waiting: vec![
                    Waiting { reason: "content_missing".into(), speakers: 2 },
                    Waiting { reason: "never_heard".into(), speakers: 1 },
                ],
                missing_bytes: 1,
                warning: warning.into(),
                not_ready: vec![],
            };
            let line =
                "“Bản tin chiều” at 2026-11-18 18:06:40: 37 of 40 speakers ready; 2 wait for content, 1 never heard";
            assert_eq!(in_one_line(&play, chrono_tz::Asia::Ho_Chi_Minh), line);
            let outlook = Outlook { now_ms: 0, plays: vec![play], more: 0 };
            let (late, changed) = news(&outlook, &mut told);
            assert_eq!((changed, late.len()), (expected_change, expected_late), "{warning}");
        }
        assert!(!news(&Outlook { now_ms: 0, plays: vec![], more: 0 }, &mut told).1 && told.is_empty());
    }
}
