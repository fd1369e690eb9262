//! The account of what should have played and what did: plans as they were in force, joined with the records that came back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tracing::warn;

use super::app::App;
use super::planner::known_fleet;
use super::reports::settle::settled_ms;
use super::store::{PlanRow, PlayFilter, SpeakerRow, StoreError, ToldPlay};
use crate::domain::DAY_MS;
use crate::domain::command::{Command, Order};
use crate::domain::ids::{AreaCode, BulletinId, OccurrenceId, SpeakerId};
use crate::domain::plan::{Plan, PlannedOccurrence};
use crate::domain::record::PlaybackRecord;
use crate::domain::report::ON_TIME_MS;
use crate::domain::timetable::Piece;
use crate::protocol::trust::SignedPlan;

/// A record is expected within this after a play's end; until then a silent speaker is not yet in default.
const REPORT_GRACE_MS: i64 = 60_000;
/// Plans of so many speakers are read at once.
const FEW: usize = 50;
/// What is not older than this is told from plans and records, and not from the account, which is some minutes behind.
const FRESH_MS: i64 = 3_600_000;

/// One play on one speaker, planned or past. Times in Unix ms.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Play {
    pub speaker: String,
    pub speaker_title: String,
    /// Where the speaker stood then.
    pub area: String,
    pub occurrence: String,
    pub schedule: String,
    pub title: String,
    /// Bulletins in order.
    pub bulletins: Vec<String>,
    /// The one that takes the most time; by it a play counts for a field and a language.
    pub bulletin: Option<String>,
    pub priority: String,
    pub start_ms: i64,
    pub end_ms: i64,
    /// planned, playing, played, late, partial, missed or unreported.
    pub outcome: String,
    pub reason: Option<String>,
    pub started_ms: Option<i64>,
    /// First sample heard minus the plan, in ms; positive is late.
    pub start_error_ms: Option<f64>,
    /// How far the speaker's clock may itself be wrong.
    pub clock_error_ms: Option<f64>,
    /// The furthest that the sound was from its time line once it was on it.
    pub off_line_ms: Option<f64>,
    /// How much of it was to sound, pauses left out, and how much left the converter.
    pub requested_ms: i64,
    pub heard_ms: Option<i64>,
    pub level_dbfs: Option<f32>,
    pub peak_dbfs: Option<f32>,
    /// Where it was heard back: the gain of the way from the converter to what listens, and how long that way was.
    pub heard_back_db: Option<f32>,
    pub heard_back_delay_ms: Option<i64>,
    /// scheduled, content_ready, sounded or heard_back.
    pub evidence: String,
}

/// All plays of the given speakers that start in `from_ms..until_ms`, newest first.
pub async fn plays(
    app: &App,
    speakers: &[SpeakerRow],
    from_ms: i64,
    until_ms: i64,
    now_ms: i64,
) -> Result<Vec<Play>, StoreError> {
    let one = if let [one] = speakers { Some(&one.id) } else { None };
    let mut records: BTreeMap<(SpeakerId, OccurrenceId), PlaybackRecord> = BTreeMap::new();
    for row in app.store.records(one, from_ms, until_ms).await? {
        records.insert((row.record.speaker.clone(), row.record.occurrence.clone()), row.record);
    }
    let ordered = ordered(app, from_ms, until_ms).await?;
    let tree = app.store.areas().await?;
    let planned = planned(app, speakers, from_ms, until_ms, now_ms).await?;
    let mut plays = vec![];
    for speaker in speakers {
        let mut seen = BTreeSet::new();
        let path = if ordered.is_empty() { vec![] } else { tree.path(&speaker.area).unwrap_or_default() };
        // What could not be known beforehand: only who was there to hear it is asked for an account.
        for (_, planned) in ordered.iter().filter(|(area, _)| path.contains(area)) {
            let record = records.remove(&(speaker.id.clone(), planned.id.clone()));
            if record.is_some() || speaker.online {
                seen.insert(planned.id.clone());
                plays.push(account(speaker, planned, record.as_ref(), now_ms));
            }
        }
        for planned in planned.get(&speaker.id).into_iter().flatten() {
            let record = records.remove(&(speaker.id.clone(), planned.id.clone()));
            if seen.insert(planned.id.clone()) {
                plays.push(account(speaker, planned, record.as_ref(), now_ms));
            }
        }
        // Played from a plan that has been forgotten since.
        let rest: Vec<_> = records.keys().filter(|(id, _)| *id == speaker.id).cloned().collect();
        plays.extend(rest.iter().filter_map(|key| records.remove(key)).map(|record| orphan(speaker, &record)));
    }
    plays.sort_by(|a, b| (b.start_ms, &a.speaker, &a.occurrence).cmp(&(a.start_ms, &b.speaker, &b.occurrence)));
    Ok(plays)
}

/// Those of the given speakers' plays that pass the filter, newest first, at most `limit`; `filter.areas` names every area whose older plays
/// may be told.
pub async fn list(
    app: &App,
    speakers: &[SpeakerRow],
    filter: &PlayFilter,
    now_ms: i64,
    limit: usize,
) -> Result<Vec<Play>, StoreError> {
    let settled_ms = settled_ms(app).await?.map_or(i64::MIN, |settled_ms| settled_ms.min(now_ms - FRESH_MS));
    let fresh_from_ms = filter.from_ms.max(settled_ms);
    let until_ms = filter.after.as_ref().map_or(filter.until_ms, |(start_ms, ..)| filter.until_ms.min(start_ms + 1));
    let mut told = vec![];
    if fresh_from_ms < until_ms {
        let kinds = if filter.fields.is_empty() && filter.languages.is_empty() {
            BTreeMap::new()
        } else {
            app.store.kinds().await?.into_iter().map(|(id, field, language)| (id, (field, language))).collect()
        };
        told = plays(app, speakers, fresh_from_ms, until_ms, now_ms).await?;
        told.retain(|play| passes(play, filter, &kinds));
        told.truncate(limit);
    }
    if told.len() < limit && filter.from_ms < settled_ms {
        let older = PlayFilter { until_ms: filter.until_ms.min(settled_ms), ..filter.clone() };
        let rows = app.store.told_plays(&older, (limit - told.len()) as i64).await?;
        told.extend(rows.into_iter().map(from_account));
    }
    Ok(told)
}

type Kinds = BTreeMap<String, (String, String)>;

fn passes(play: &Play, filter: &PlayFilter, kinds: &Kinds) -> bool {
    let one_of = |wanted: &[String], is: &str| wanted.is_empty() || wanted.iter().any(|one| one == is);
    let kind = play.bulletin.as_ref().and_then(|bulletin| kinds.get(bulletin));
    let on_time = play.start_error_ms.is_some_and(|error| error.abs() <= ON_TIME_MS as f64);
    // Nothing that is still to come can be late.
    let is_over = !matches!(play.outcome.as_str(), "planned" | "playing");
    let after = filter.after.as_ref().is_none_or(|(start_ms, speaker, occurrence)| {
        (Reverse(play.start_ms), &play.speaker, &play.occurrence) > (Reverse(*start_ms), speaker, occurrence)
    });
    after
        && filter.areas.as_ref().is_none_or(|areas| areas.contains(&play.area))
        && one_of(filter.schedule.as_slice(), &play.schedule)
        && filter.bulletin.as_ref().is_none_or(|bulletin| play.bulletins.contains(bulletin))
        && one_of(&filter.outcomes, &play.outcome)
        && one_of(&filter.reasons, play.reason.as_deref().unwrap_or_default())
        && one_of(&filter.priorities, &play.priority)
        && one_of(&filter.evidence, &play.evidence)
        && (filter.evidence.is_empty() || is_over)
        && one_of(&filter.fields, kind.map_or("other", |(field, _)| field))
        && one_of(&filter.languages, kind.map_or("und", |(_, language)| language))
        && filter.on_time.is_none_or(|wanted| is_over && wanted == on_time)
}

fn from_account(told: ToldPlay) -> Play {
    let ToldPlay { row, content, speaker_title, record } = told;
    let mut play = Play {
        speaker_title: if speaker_title.is_empty() { row.speaker.clone() } else { speaker_title },
        speaker: row.speaker,
        area: row.area,
        occurrence: row.occurrence,
        schedule: content.schedule,
        title: content.title,
        bulletins: content.bulletins,
        bulletin: Some(content.bulletin).filter(|bulletin| !bulletin.is_empty()),
        priority: content.priority,
        start_ms: row.start_ms,
        end_ms: row.end_ms,
        outcome: row.outcome,
        reason: Some(row.reason).filter(|reason| !reason.is_empty()),
        started_ms: None,
        start_error_ms: row.error_us.map(|us| us as f64 / 1000.0),
        clock_error_ms: None,
        off_line_ms: None,
        requested_ms: row.requested_ms,
        heard_ms: None,
        level_dbfs: None,
        peak_dbfs: None,
        heard_back_db: None,
        heard_back_delay_ms: None,
        evidence: row.evidence,
    };
    if let Some(record) = record {
        fill(&mut play, &record);
    }
    play
}

/// What each speaker was, or is, to play. Of a few from the plans as they were in force; of many from the timetables in memory, which say
/// the same of what is to come, and of what was until the account has it.
async fn planned(
    app: &App,
    speakers: &[SpeakerRow],
    from_ms: i64,
    until_ms: i64,
    now_ms: i64,
) -> Result<BTreeMap<SpeakerId, Vec<PlannedOccurrence>>, StoreError> {
    let mut planned: BTreeMap<SpeakerId, Vec<PlannedOccurrence>> = BTreeMap::new();
    if speakers.len() > FEW && from_ms > now_ms - DAY_MS {
        match known_fleet(app, now_ms).await {
            Ok((fleet, _)) => {
                let within = |piece: &&Piece| (from_ms..until_ms).contains(&piece.start_ms);
                for speaker in speakers {
                    let Some(table) = fleet.timetable(&speaker.id) else { continue };
                    let pieces = table.pieces.iter().filter(within).filter_map(Piece::planned);
                    planned.insert(speaker.id.clone(), pieces.collect());
                }
                return Ok(planned);
            }
            Err(error) => warn!("the plays of many speakers are read from their plans: {error}"),
        }
    }
    for part in speakers.chunks(FEW) {
        let ids: Vec<SpeakerId> = part.iter().map(|speaker| speaker.id.clone()).collect();
        let rows = app.store.plans_of(&ids, from_ms, until_ms).await?;
        for rows in rows.chunk_by(|a, b| a.speaker == b.speaker) {
            planned.insert(rows[0].speaker.clone(), in_force(rows, from_ms, until_ms));
        }
    }
    Ok(planned)
}

/// Emergencies that were ordered by command, and in which area.
pub(super) async fn ordered(
    app: &App,
    from_ms: i64,
    until_ms: i64,
) -> Result<Vec<(AreaCode, PlannedOccurrence)>, StoreError> {
    let commands = app.store.emergencies(from_ms, until_ms).await?;
    let read = commands.into_iter().filter_map(|(area, signed)| match signed.command.peek::<Command>().ok()?.order {
        Order::Emergency { occurrence, .. } => Some((area, occurrence)),
        _ => None,
    });
    Ok(read.collect())
}

/// The occurrences that each plan spoke for while it was the newest one: from its making to the making of the next.
pub(super) fn in_force(rows: &[PlanRow], from_ms: i64, until_ms: i64) -> Vec<PlannedOccurrence> {
    let mut all = vec![];
    for (index, row) in rows.iter().enumerate() {
        let next_ms = rows.get(index + 1).map_or(i64::MAX, |next| next.made_ms);
        let window = row.made_ms.max(from_ms)..next_ms.min(until_ms);
        if window.is_empty() {
            continue;
        }
        let plan =
            serde_json::from_str::<SignedPlan>(&row.body).ok().and_then(|signed| signed.plan.peek::<Plan>().ok());
        let occurrences = plan.map(|plan| plan.occurrences).unwrap_or_default();
        all.extend(occurrences.into_iter().filter(|occurrence| window.contains(&occurrence.start_ms)));
    }
    all
}

/// How much of it is to sound: its items, without the pauses between them and what lies beneath.
pub(super) fn requested_ms(planned: &PlannedOccurrence) -> i64 {
    planned.items.iter().filter(|item| !item.beneath).map(|item| item.duration_ms).sum()
}

/// The bulletin that takes the most time.
pub(super) fn main_bulletin(planned: &PlannedOccurrence) -> Option<String> {
    let mut times: BTreeMap<&BulletinId, i64> = BTreeMap::new();
    for item in planned.items.iter().filter(|item| !item.beneath) {
        *times.entry(&item.bulletin).or_default() += item.duration_ms;
    }
    times.into_iter().max_by_key(|(_, time_ms)| *time_ms).map(|(bulletin, _)| bulletin.to_string())
}

fn account(speaker: &SpeakerRow, planned: &PlannedOccurrence, record: Option<&PlaybackRecord>, now_ms: i64) -> Play {
    let playing =
        speaker.online && speaker.detail.as_ref().is_some_and(|detail| detail.playing.as_ref() == Some(&planned.id));
    let mut play = Play {
        title: planned.title.clone(),
        bulletins: planned.items.iter().map(|item| item.bulletin.to_string()).collect(),
        bulletin: main_bulletin(planned),
        requested_ms: requested_ms(planned),
        priority: planned.priority.to_string(),
        ..blank(speaker, &planned.id, planned.start_ms, planned.end_ms)
    };
    match record {
        Some(record) => fill(&mut play, record),
        None if playing && now_ms >= planned.start_ms => play.outcome = "playing".into(),
        None if now_ms > planned.end_ms + REPORT_GRACE_MS => {
            play.outcome = "unreported".into();
            play.reason = Some("no_report".into());
        }
        None => {}
    }
    play
}

fn orphan(speaker: &SpeakerRow, record: &PlaybackRecord) -> Play {
    let mut play = blank(speaker, &record.occurrence, record.start_ms, record.end_ms);
    fill(&mut play, record);
    play
}

fn blank(speaker: &SpeakerRow, occurrence: &OccurrenceId, start_ms: i64, end_ms: i64) -> Play {
    let schedule = occurrence.as_str().split('@').next().unwrap_or_default().to_owned();
    Play {
        speaker: speaker.id.to_string(),
        speaker_title: speaker.title.clone(),
        area: speaker.area.to_string(),
        occurrence: occurrence.to_string(),
        title: schedule.clone(),
        schedule,
        bulletins: vec![],
        bulletin: None,
        requested_ms: end_ms - start_ms,
        priority: "normal".into(),
        start_ms,
        end_ms,
        outcome: "planned".into(),
        reason: None,
        started_ms: None,
        start_error_ms: None,
        clock_error_ms: None,
        off_line_ms: None,
        heard_ms: None,
        level_dbfs: None,
        peak_dbfs: None,
        heard_back_db: None,
        heard_back_delay_ms: None,
        evidence: "scheduled".into(),
    }
}

fn fill(play: &mut Play, record: &PlaybackRecord) {
    play.outcome = record.outcome.as_str().into();
    play.reason = record.reason.map(|reason| reason.as_str().into());
    play.started_ms = record.started_ms;
    play.start_error_ms = record.start_error_us.map(|us| us as f64 / 1000.0);
    play.clock_error_ms = record.clock_error_us.map(|us| us as f64 / 1000.0);
    play.off_line_ms = record.off_line_us.map(|us| us as f64 / 1000.0);
    play.heard_ms = Some(record.heard_ms);
    play.level_dbfs = record.level_dbfs;
    play.peak_dbfs = record.peak_dbfs;
    play.heard_back_db = record.heard_back_db;
    play.heard_back_delay_ms = record.heard_back_delay_ms;
    play.evidence = record.evidence.as_str().into();
}
