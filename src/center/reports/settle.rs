//! Takes plays into the account when their time has come, ends them as their records say, and makes the sums again of the days that this
//! touches. Each step can be done twice without harm, so that a crash loses nothing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::{date_at, day_start_ms, zone};
use crate::center::app::{App, Change, now_ms};
use crate::center::plays::{in_force, main_bulletin, ordered, requested_ms};
use crate::center::store::{ContentRow, Day, DueRow, NewRecord, SpeakerRow, StoreError};
use crate::domain::DAY_MS;
use crate::domain::area::AreaTree;
use crate::domain::ids::{AreaCode, OccurrenceId, SpeakerId};
use crate::domain::plan::PlannedOccurrence;
use crate::domain::report::{day_number, day_of};

const PROGRESS: &str = "account";
/// How often to look although nobody rang.
const ROUND: Duration = Duration::from_secs(300);
/// The account takes at most this share of the time, so that records come in as fast as before.
const REST_PER_WORK: u32 = 20;
/// Plans of so many speakers lie in memory at once; records, and pages of them in one round; days of sums in one round.
const SPEAKERS_AT_ONCE: usize = 50;
const RECORDS_AT_ONCE: i64 = 1_000;
const PAGES_IN_ROUND: usize = 20;
const DAYS_IN_ROUND: i64 = 3;
/// Plans are kept for so long; what was due before is not known any more.
const OLDEST_MS: i64 = 60 * DAY_MS;
/// A record is waited for so long after the end of its play.
const GRACE_MS: i64 = 60_000;
/// Records that were received a moment before the newest known one may have become visible after it.
const OVERLAP_MS: i64 = 5_000;

/// How far the account has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Progress {
    /// Plays that start before this are in it.
    settled_ms: i64,
    /// Records received before this are in it.
    received_ms: i64,
    /// Plays without a record whose slots ended before this are in the sums.
    final_ms: i64,
}

/// Before this, the account knows every play; nothing where it has not begun.
pub async fn settled_ms(app: &App) -> Result<Option<i64>, StoreError> {
    Ok(app.store.setting::<Progress>(PROGRESS).await?.map(|progress| progress.settled_ms))
}

pub async fn run(app: Arc<App>) {
    loop {
        let begun = Instant::now();
        match settle(&app, now_ms()).await {
            Ok(true) => app.changed(Change::Reports),
            Ok(false) => {}
            Err(error) => warn!("the account of plays: {error}"),
        }
        tokio::time::sleep((begun.elapsed() * REST_PER_WORK).max(Duration::from_secs(1))).await;
        let _ = tokio::time::timeout(ROUND, app.account_bell.notified()).await;
    }
}

/// One round. Gives whether sums were made.
pub async fn settle(app: &App, now_ms: i64) -> Result<bool, StoreError> {
    let mut progress = match app.store.setting::<Progress>(PROGRESS).await? {
        Some(progress) => progress,
        None => {
            let from_ms = app.store.oldest_plan_ms().await?.unwrap_or(now_ms).clamp(now_ms - OLDEST_MS, now_ms);
            Progress { settled_ms: from_ms, received_ms: 0, final_ms: from_ms }
        }
    };
    let zone = zone(app);
    while progress.settled_ms < now_ms {
        let until_ms = now_ms.min(progress.settled_ms + DAY_MS);
        take_due(app, zone, progress.settled_ms, until_ms).await?;
        progress.settled_ms = until_ms;
        app.store.set_setting(PROGRESS, &progress, now_ms).await?;
    }
    let all = take_records(app, zone, &mut progress).await?;
    let final_ms = now_ms - GRACE_MS;
    if progress.final_ms < final_ms {
        let starts = app.store.ended_unreported(progress.final_ms, final_ms).await?;
        app.store.mark_stale(&days(zone, starts.into_iter())).await?;
        progress.final_ms = final_ms;
    }
    app.store.set_setting(PROGRESS, &progress, now_ms).await?;
    let stale = app.store.stale_days(DAYS_IN_ROUND + 1).await?;
    for number in stale.iter().take(DAYS_IN_ROUND as usize) {
        let Some((date, next)) = day_of(*number).and_then(|date| Some((date, date.succ_opt()?))) else { continue };
        let day = Day { number: *number, from_ms: day_start_ms(zone, date), until_ms: day_start_ms(zone, next) };
        app.store.count_day(day, final_ms).await?;
    }
    if !all || stale.len() > DAYS_IN_ROUND as usize {
        app.account_bell.notify_one();
    }
    Ok(!stale.is_empty())
}

fn days(zone: Tz, starts: impl Iterator<Item = i64>) -> Vec<i64> {
    starts.map(|start_ms| day_number(date_at(zone, start_ms))).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Rows that are put together for the account.
struct Gathered {
    zone: Tz,
    contents: HashMap<String, ContentRow>,
    rows: Vec<DueRow>,
    written: HashSet<String>,
}

impl Gathered {
    fn new(zone: Tz) -> Self {
        Self { zone, contents: HashMap::new(), rows: vec![], written: HashSet::new() }
    }

    fn add(&mut self, speaker: &SpeakerId, area: &AreaCode, planned: &PlannedOccurrence) {
        let bulletins: Vec<String> = planned.items.iter().map(|item| item.bulletin.to_string()).collect();
        let content = content(
            &planned.id,
            &planned.title,
            planned.priority.as_str(),
            main_bulletin(planned).unwrap_or_default(),
            bulletins,
        );
        let requested_ms = requested_ms(planned);
        self.push(speaker, area, &planned.id, planned.start_ms..planned.end_ms, requested_ms, content);
    }

    fn push(
        &mut self,
        speaker: &SpeakerId,
        area: &AreaCode,
        occurrence: &OccurrenceId,
        slot: std::ops::Range<i64>,
        requested_ms: i64,
        content: ContentRow,
    ) {
        self.rows.push(DueRow {
            speaker: speaker.to_string(),
            occurrence: occurrence.to_string(),
            area: area.to_string(),
            start_ms: slot.start,
            end_ms: slot.end,
            requested_ms,
            heard_ms: 0,
            content: content.id.clone(),
            outcome: "unreported".into(),
            reason: "no_report".into(),
            evidence: "scheduled".into(),
            error_us: None,
        });
        if !self.written.contains(&content.id) {
            self.contents.insert(content.id.clone(), content);
        }
    }

    async fn write(&mut self, app: &App) -> Result<(), StoreError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        app.store.mark_stale(&days(self.zone, self.rows.iter().map(|row| row.start_ms))).await?;
        let contents: Vec<ContentRow> = self.contents.drain().map(|(_, row)| row).collect();
        app.store.add_due(&contents, &self.rows).await?;
        self.written.extend(contents.into_iter().map(|row| row.id));
        self.rows.clear();
        Ok(())
    }
}

fn content(
    occurrence: &OccurrenceId,
    title: &str,
    priority: &str,
    bulletin: String,
    bulletins: Vec<String>,
) -> ContentRow {
    let schedule = occurrence.as_str().split('@').next().unwrap_or_default().to_owned();
    let mut hash = Sha256::new();
    for part in
        [schedule.as_str(), title, priority, bulletin.as_str()].into_iter().chain(bulletins.iter().map(String::as_str))
    {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let id = hex::encode(&hash.finalize()[..16]);
    ContentRow { id, schedule, title: title.to_owned(), priority: priority.to_owned(), bulletin, bulletins }
}

/// Everything that was due in a time, from the plans that were in force in it.
async fn take_due(app: &App, zone: Tz, from_ms: i64, until_ms: i64) -> Result<(), StoreError> {
    let speakers = app.store.speakers("", i64::MAX).await?;
    let tree = app.store.areas().await?;
    let ordered = ordered(app, from_ms, until_ms).await?;
    let mut gathered = Gathered::new(zone);
    for part in speakers.chunks(SPEAKERS_AT_ONCE) {
        let ids: Vec<SpeakerId> = part.iter().map(|speaker| speaker.id.clone()).collect();
        let plans = app.store.plans_of(&ids, from_ms, until_ms).await?;
        tokio::task::block_in_place(|| {
            for rows in plans.chunk_by(|a, b| a.speaker == b.speaker) {
                let Some(speaker) = part.iter().find(|speaker| speaker.id == rows[0].speaker) else { continue };
                let due = in_force(rows, from_ms, until_ms);
                due.iter().for_each(|planned| gathered.add(&speaker.id, &speaker.area, planned));
            }
        });
        // What nobody could know beforehand is asked of those only that were there to hear it.
        for speaker in part.iter().filter(|speaker| speaker.online && !ordered.is_empty()) {
            heard_there(&tree, speaker, &ordered).for_each(|planned| gathered.add(&speaker.id, &speaker.area, planned));
        }
        gathered.write(app).await?;
    }
    Ok(())
}

fn heard_there<'a>(
    tree: &AreaTree,
    speaker: &SpeakerRow,
    ordered: &'a [(AreaCode, PlannedOccurrence)],
) -> impl Iterator<Item = &'a PlannedOccurrence> + use<'a> {
    let path = tree.path(&speaker.area).unwrap_or_default();
    ordered.iter().filter(move |(area, _)| path.contains(area)).map(|(_, planned)| planned)
}

/// Ends plays by the records that have come. Gives whether those were all.
async fn take_records(app: &App, zone: Tz, progress: &mut Progress) -> Result<bool, StoreError> {
    for _ in 0..PAGES_IN_ROUND {
        let new = app.store.new_records(progress.received_ms - OVERLAP_MS, RECORDS_AT_ONCE).await?;
        let Some(last) = new.last() else { return Ok(true) };
        let last_ms = last.received_ms;
        app.store.mark_stale(&days(zone, new.iter().map(|one| one.record.start_ms))).await?;
        let strange: Vec<&NewRecord> = new.iter().filter(|one| !one.is_due).collect();
        if !strange.is_empty() {
            take_strange(app, zone, &strange).await?;
        }
        let records: Vec<_> = new.iter().map(|one| one.record.clone()).collect();
        app.store.end_plays(&records).await?;
        progress.received_ms = last_ms;
        if new.len() < RECORDS_AT_ONCE as usize {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Records of plays that were in no plan in force here: played from a replaced plan, told by a command, or begun ahead of our clock.
async fn take_strange(app: &App, zone: Tz, strange: &[&NewRecord]) -> Result<(), StoreError> {
    let speakers: HashMap<SpeakerId, SpeakerRow> =
        app.store.speakers("", i64::MAX).await?.into_iter().map(|row| (row.id.clone(), row)).collect();
    let wanted: BTreeSet<(SpeakerId, u64)> =
        strange.iter().map(|one| (one.record.speaker.clone(), one.record.plan_number)).collect();
    let mut planned: HashMap<(SpeakerId, OccurrenceId), PlannedOccurrence> = HashMap::new();
    for part in wanted.into_iter().collect::<Vec<_>>().chunks(SPEAKERS_AT_ONCE) {
        for row in app.store.plans_by_number(part).await? {
            let occurrences = in_force(std::slice::from_ref(&row), i64::MIN, i64::MAX);
            planned.extend(occurrences.into_iter().map(|one| ((row.speaker.clone(), one.id.clone()), one)));
        }
    }
    let starts = || strange.iter().map(|one| one.record.start_ms);
    let (first, last) = (starts().min().unwrap_or_default(), starts().max().unwrap_or_default());
    let ordered = ordered(app, first - DAY_MS, last + DAY_MS).await?;
    let mut gathered = Gathered::new(zone);
    for one in strange {
        let record = &one.record;
        let area = speakers.get(&record.speaker).map_or(&app.site.area, |row| &row.area);
        let key = (record.speaker.clone(), record.occurrence.clone());
        let told = || ordered.iter().map(|(_, planned)| planned).find(|planned| planned.id == record.occurrence);
        match planned.get(&key).or_else(told) {
            Some(planned) => gathered.add(&record.speaker, area, planned),
            None => {
                let schedule = record.occurrence.as_str().split('@').next().unwrap_or_default();
                let content = content(&record.occurrence, schedule, "normal", String::new(), vec![]);
                let slot = record.start_ms..record.end_ms;
                let requested_ms = record.end_ms - record.start_ms;
                gathered.push(&record.speaker, area, &record.occurrence, slot, requested_ms, content);
            }
        }
    }
    gathered.write(app).await
}
