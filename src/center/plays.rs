//! The account of what should have played and what did: plans as they were in force, joined with the records that came back.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::app::App;
use super::store::{PlanRow, SpeakerRow, StoreError};
use crate::domain::command::{Command, Order};
use crate::domain::ids::{AreaCode, OccurrenceId, SpeakerId};
use crate::domain::plan::{Plan, PlannedOccurrence};
use crate::domain::record::PlaybackRecord;
use crate::protocol::trust::SignedPlan;

/// A record is expected within this after a play's end; until then a silent speaker is not yet in default.
const REPORT_GRACE_MS: i64 = 60_000;

/// One play on one speaker, planned or past. Times in Unix ms.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Play {
    pub speaker: String,
    pub speaker_title: String,
    pub occurrence: String,
    pub schedule: String,
    pub title: String,
    /// Bulletins in order.
    pub bulletins: Vec<String>,
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
        for planned in in_force(&app.store.plans_since(&speaker.id, from_ms).await?, from_ms, until_ms) {
            let record = records.remove(&(speaker.id.clone(), planned.id.clone()));
            if seen.insert(planned.id.clone()) {
                plays.push(account(speaker, &planned, record.as_ref(), now_ms));
            }
        }
        // Played from a plan that has been forgotten since.
        let rest: Vec<_> = records.keys().filter(|(id, _)| *id == speaker.id).cloned().collect();
        plays.extend(rest.iter().filter_map(|key| records.remove(key)).map(|record| orphan(speaker, &record)));
    }
    plays.sort_by(|a, b| (b.start_ms, &a.speaker).cmp(&(a.start_ms, &b.speaker)));
    Ok(plays)
}

/// Emergencies that were ordered by command, and in which area.
async fn ordered(app: &App, from_ms: i64, until_ms: i64) -> Result<Vec<(AreaCode, PlannedOccurrence)>, StoreError> {
    let commands = app.store.emergencies(from_ms, until_ms).await?;
    let read = commands.into_iter().filter_map(|(area, signed)| match signed.command.peek::<Command>().ok()?.order {
        Order::Emergency { occurrence, .. } => Some((area, occurrence)),
        _ => None,
    });
    Ok(read.collect())
}

/// The occurrences that each plan spoke for while it was the newest one: from its making to the making of the next.
fn in_force(rows: &[PlanRow], from_ms: i64, until_ms: i64) -> Vec<PlannedOccurrence> {
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

fn account(speaker: &SpeakerRow, planned: &PlannedOccurrence, record: Option<&PlaybackRecord>, now_ms: i64) -> Play {
    let playing =
        speaker.online && speaker.detail.as_ref().is_some_and(|detail| detail.playing.as_ref() == Some(&planned.id));
    let mut play = Play {
        title: planned.title.clone(),
        bulletins: planned.items.iter().map(|item| item.bulletin.to_string()).collect(),
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
        occurrence: occurrence.to_string(),
        title: schedule.clone(),
        schedule,
        bulletins: vec![],
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
