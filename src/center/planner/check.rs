//! What an edit would do, told before it is made: who wins a clash and why, what is not lawful, what does not fit, what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::material::{Material, one_programme, one_series};
use super::{PlanError, current_fleet, threads};
use crate::center::app::App;
use crate::center::store::VersionRow;
use crate::domain::DAY_MS;
use crate::domain::calendar::{CalendarText, Calendars};
use crate::domain::fleet::Fleet;
use crate::domain::ids::{BulletinId, CalendarId, OccurrenceId, ProgrammeId, ScheduleId, SpeakerId};
use crate::domain::programme::{ProgrammeText, SoundKind};
use crate::domain::schedule::rule::{Start, When};
use crate::domain::schedule::{MAX_STARTS, Schedule, ScheduleText};
use crate::domain::sentence::{Explanation, clock, explain};
use crate::domain::series::{History, Series};
use crate::domain::timetable::{Expanded, Piece, Timetable, Why, Window, timetable};

/// One thing that somebody should know before, or after, saving.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// displaced, cut_short, interrupted, delayed, nothing_to_play, not_approved, does_not_fit, session_too_long, quiet_hours, day_full,
    /// version_missing, relay_not_approved, repeated, idle_exception, never_plays, reaches_nobody, locked, too_late.
    pub code: String,
    /// The schedule that it is about.
    pub schedule: String,
    pub title: String,
    pub first_ms: Option<i64>,
    /// How often, within the coming two weeks, on the speaker where it happens most.
    pub times: usize,
    pub speakers: usize,
    pub vi: String,
    pub en: String,
}

/// Changes that somebody thinks of making, all together; without a version, what is to be told of something as it stands.
#[derive(Debug, Default)]
pub struct Edits {
    pub calendars: BTreeMap<CalendarId, CalendarText>,
    pub programmes: BTreeMap<ProgrammeId, Option<VersionRow<ProgrammeText>>>,
    pub schedules: BTreeMap<ScheduleId, Option<VersionRow<ScheduleText>>>,
}

/// What would be so if `edits` were made. Nothing is changed.
pub async fn consider(app: &App, edits: Edits, now_ms: i64) -> Result<Vec<Finding>, PlanError> {
    consider_in(app, &Material::load(app).await?, edits, now_ms).await
}

/// The same, for who has the material at hand.
pub async fn consider_in(app: &App, material: &Material, edits: Edits, now_ms: i64) -> Result<Vec<Finding>, PlanError> {
    let zone = app.site.time_zone.parse().unwrap_or(chrono_tz::UTC);
    let mut world = material.world.clone();
    let mut findings = vec![];
    let mut about: BTreeSet<ScheduleId> = edits.schedules.keys().cloned().collect();
    // What is just as it was is not told to its face again.
    let changed = edits.schedules.iter().filter(|(_, version)| version.is_some());
    let edited: BTreeSet<ScheduleId> = changed.map(|(id, _)| id.clone()).collect();
    let mut schedules = app.store.schedule_histories().await?;
    let calendars = if edits.calendars.is_empty() {
        material.calendars.clone()
    } else {
        let mut texts = app.store.calendars().await?;
        about.extend(schedules.iter().filter(|(_, rows)| names_any(rows, &edits.calendars)).map(|(id, _)| id.clone()));
        texts.extend(edits.calendars);
        Calendars::new(&texts).unwrap_or_else(|_| material.calendars.clone())
    };
    let mut programmes = app.store.programme_histories().await?;
    for (id, version) in edits.programmes {
        let mut rows = programmes.remove(&id).unwrap_or_default();
        rows.extend(version);
        world.programmes.insert(id.clone(), Arc::new(one_programme(&id, rows, &material.voices)));
        let plays = |series: &Series| newest(&series.history).is_some_and(|s| s.programmes().any(|known| *known == id));
        about.extend(world.series.iter().filter(|series| plays(series)).map(|series| series.id.clone()));
    }
    for (id, version) in edits.schedules {
        schedules.entry(id).or_default().extend(version);
    }
    for id in &about {
        let rows = schedules.remove(id).unwrap_or_default();
        let effective_ms = rows.last().map_or(now_ms, |last| last.effective_ms);
        let series = one_series(id, rows, &calendars);
        if edited.contains(id) {
            tokio::task::block_in_place(|| own_findings(&series, now_ms, effective_ms, zone, &mut findings));
        }
        world.series.retain(|known| known.id != *id);
        let place = world.series.partition_point(|known| known.id < *id);
        world.series.insert(place, Arc::new(series));
    }
    let guard_ms = i64::from(app.config.plan.repeat_guard_min) * 60_000;
    let mut fleet = current_fleet(app, material, now_ms).await;
    tokio::task::block_in_place(|| {
        let profiles = material.profiles(&world);
        fleet.update(world, profiles, threads());
        fleet_findings(&fleet, &about, now_ms, guard_ms, zone, &mut findings);
    });
    findings.sort_by(|a, b| (a.first_ms, &a.code, &a.schedule).cmp(&(b.first_ms, &b.code, &b.schedule)));
    Ok(findings)
}

/// Whether a schedule names one of these calendars; `vn` stands in for the public holidays.
fn names_any(rows: &[VersionRow<ScheduleText>], calendars: &BTreeMap<CalendarId, CalendarText>) -> bool {
    let Some(text) = rows.last().and_then(|row| row.value.as_ref()) else { return false };
    let named = |days: &String| {
        calendars.keys().any(|id| *days == format!("calendar:{id}") || (id.as_str() == "vn" && days == "holidays:vn"))
    };
    text.days().any(named)
}

/// What plays on a speaker at an instant, and why.
pub async fn why(app: &App, speaker: &SpeakerId, at_ms: i64, now_ms: i64) -> Result<Explanation, PlanError> {
    let material = Material::load(app).await?;
    let fleet = current_fleet(app, &material, now_ms).await;
    let zone = app.site.time_zone.parse().unwrap_or(chrono_tz::UTC);
    let window = fleet.window();
    let known = fleet.timetable(speaker).filter(|_| (window.from_ms..window.until_ms).contains(&at_ms)).cloned();
    let table = known.unwrap_or_else(|| {
        // Another time: worked out for this speaker alone.
        let around = Window { from_ms: at_ms - DAY_MS, until_ms: at_ms + DAY_MS };
        let profile = material.profiles(&material.world).remove(speaker);
        let expanded = Expanded::new(&material.world, around);
        Arc::new(profile.map(|profile| timetable(&material.world, &expanded, &profile)).unwrap_or_default())
    });
    Ok(explain(&table, at_ms, zone))
}

fn newest(history: &History<Schedule>) -> Option<&Schedule> {
    history.versions.last().and_then(|version| version.value.as_deref())
}

/// What can be said of a schedule by itself.
fn own_findings(series: &Series, now_ms: i64, effective_ms: i64, zone: Tz, findings: &mut Vec<Finding>) {
    let Some(schedule) = newest(&series.history) else { return };
    let title = &schedule.title;
    let mut tell = |code: &str, first_ms: Option<i64>, times: usize, vi: String, en: String| {
        let (schedule, title) = (series.id.to_string(), schedule.title.clone());
        findings.push(Finding { code: code.into(), schedule, title, first_ms, times, speakers: 0, vi, en });
    };
    for at in schedule.rule.idle_exceptions(MAX_STARTS) {
        let when = match at {
            When::Day(day) => day.format("%d/%m/%Y").to_string(),
            When::Instant(time) => time.format("%H:%M %d/%m/%Y").to_string(),
        };
        let vi = format!("«{title}»: ngoại lệ {when} không trúng lượt phát nào");
        tell("idle_exception", None, 1, vi, format!("“{title}”: the exception for {when} means no play of it"));
    }
    if schedule.rule.starts(effective_ms, now_ms + 400 * DAY_MS, 1).is_empty() {
        let vi = format!("«{title}» không có lượt phát nào trong 400 ngày tới");
        tell("never_plays", None, 0, vi, format!("“{title}” has no play in the coming 400 days"));
    }
    let before = series.history.versions.iter().rev().nth(1).and_then(|version| version.value.as_deref());
    if let Some(before) = before.filter(|_| effective_ms > now_ms) {
        let kept = before.rule.starts(now_ms, effective_ms, MAX_STARTS);
        let late = schedule.rule.starts(now_ms, effective_ms, MAX_STARTS);
        let new = |start: &&Start| !kept.iter().any(|old| old.start_ms == start.start_ms);
        if let Some(first) = late.iter().find(new) {
            let (at, from) = (clock(first.start_ms, now_ms, zone), clock(effective_ms, now_ms, zone));
            let vi = format!("«{title}» lúc {at} không kịp: thay đổi có hiệu lực từ {from}");
            let en = format!("“{title}” at {at} comes too soon: the change counts from {from} on");
            tell("too_late", Some(first.start_ms), 1, vi, en);
        }
        if let Some(first) = kept.first() {
            let until = clock(effective_ms, now_ms, zone);
            let vi = format!("«{title}» sắp đến giờ: các lượt phát trước {until} giữ nguyên như cũ");
            let en = format!("“{title}” is about to play: what starts before {until} stays as it was");
            tell("locked", Some(first.start_ms), kept.len(), vi, en);
        }
    }
}

/// How many of something, in English.
pub fn many(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Findings of one kind, as they are being counted.
#[derive(Default)]
struct Count {
    first_ms: i64,
    times: usize,
    speakers: usize,
    title: String,
    /// Code and clauses.
    said: (String, String, String),
}

/// What the new timetables say of the schedules in `about`, and of those that they displace.
fn fleet_findings(
    fleet: &Fleet,
    about: &BTreeSet<ScheduleId>,
    now_ms: i64,
    guard_ms: i64,
    zone: Tz,
    findings: &mut Vec<Finding>,
) {
    let titles: BTreeMap<&ScheduleId, &str> = fleet
        .world()
        .series
        .iter()
        .filter_map(|series| Some((&series.id, newest(&series.history)?.title.as_str())))
        .collect();
    let title = |id: &OccurrenceId| {
        let schedule = id.parts().map(|(schedule, ..)| schedule);
        schedule.as_ref().and_then(|id| titles.get(id)).map_or_else(|| id.to_string(), |title| (*title).to_owned())
    };
    let schedule_of = |id: &OccurrenceId| id.parts().map(|(schedule, ..)| schedule);
    let mut tables: BTreeMap<*const Timetable, (Arc<Timetable>, usize)> = BTreeMap::new();
    for (speaker, _) in fleet.speakers() {
        if let Some(table) = fleet.timetable(speaker) {
            tables.entry(Arc::as_ptr(table)).or_insert_with(|| (table.clone(), 0)).1 += 1;
        }
    }
    let mut counts: BTreeMap<(ScheduleId, String), Count> = BTreeMap::new();
    let mut reached = BTreeSet::new();
    for (table, speakers) in tables.values() {
        let mut here: BTreeMap<(ScheduleId, String), Count> = BTreeMap::new();
        let mut count =
            |schedule: ScheduleId, key: String, start_ms: i64, title: &str, said: (String, String, String)| {
                let count = here.entry((schedule, key)).or_default();
                if count.times == 0 {
                    *count = Count { first_ms: start_ms, times: 0, speakers: *speakers, title: title.into(), said };
                }
                count.times += 1;
            };
        for remark in table.remarks.iter().filter(|remark| remark.end_ms > now_ms) {
            let Some(schedule) = schedule_of(&remark.occurrence) else { continue };
            let by = remark.why.by().and_then(schedule_of);
            reached.insert(schedule.clone());
            if about.contains(&schedule) || by.as_ref().is_some_and(|by| about.contains(by)) {
                let clause = remark.why.clause(&title);
                // Of one kind is what has the same reason, whatever its length.
                let key = match &remark.why {
                    Why::CutShort { .. } | Why::Interrupted { .. } | Why::Delayed { .. } | Why::Displaced { .. } => {
                        format!("{} {by:?}", remark.why.code())
                    }
                    _ => clause.en.clone(),
                };
                let said = (remark.why.code().to_owned(), clause.vi, clause.en);
                count(schedule, key, remark.start_ms, &remark.title, said);
            }
        }
        repeats(table, now_ms, guard_ms, |again| {
            let Some(schedule) = schedule_of(&again.second) else { return };
            let first = schedule_of(&again.first);
            if about.contains(&schedule) || first.as_ref().is_some_and(|first| about.contains(first)) {
                let other = title(&again.first);
                let vi = format!("phát lại bản tin {} đã có trong «{other}» trước đó chưa lâu", again.bulletin);
                let en = format!("it repeats bulletin {} soon after “{other}”", again.bulletin);
                let key = format!("repeated {} {first:?}", again.bulletin);
                count(schedule, key, again.start_ms, &title(&again.second), ("repeated".into(), vi, en));
            }
        });
        reached.extend(table.pieces.iter().map(|piece| piece.schedule.id.clone()));
        for (key, one) in here {
            let all = counts.entry(key).or_insert_with(|| Count { first_ms: one.first_ms, ..Count::default() });
            all.first_ms = all.first_ms.min(one.first_ms);
            all.times = all.times.max(one.times);
            all.speakers += one.speakers;
            (all.title, all.said) = (one.title, one.said);
        }
    }
    for ((schedule, _), count) in counts {
        let (code, vi, en) = count.said;
        let (first, speakers, times) = (clock(count.first_ms, now_ms, zone), count.speakers, count.times);
        let (title, schedule) = (count.title, schedule.to_string());
        findings.push(Finding {
            code,
            first_ms: Some(count.first_ms),
            times,
            speakers,
            vi: format!("«{title}» lúc {first}: {vi} ({times} lượt, {speakers} cụm loa)"),
            en: format!("“{title}” at {first}: {en} ({}, {})", many(times, "time"), many(speakers, "speaker")),
            schedule,
            title,
        });
    }
    let reaches = |id: &ScheduleId| {
        let series = fleet.world().series.iter().find(|series| series.id == *id);
        let schedule = series.and_then(|series| newest(&series.history));
        schedule.is_none_or(|schedule| fleet.speakers().any(|(_, profile)| schedule.reaches_profile(profile)))
    };
    for id in about.iter().filter(|id| !reached.contains(*id) && !reaches(id)) {
        findings.push(Finding {
            code: "reaches_nobody".into(),
            schedule: id.to_string(),
            title: titles.get(id).copied().unwrap_or_default().to_owned(),
            first_ms: None,
            times: 0,
            speakers: 0,
            vi: format!("«{}»: chưa có cụm loa nào ở nơi nhận lịch này", titles.get(id).copied().unwrap_or_default()),
            en: format!("“{}”: there is no speaker yet where it goes", titles.get(id).copied().unwrap_or_default()),
        });
    }
}

/// A bulletin that sounds twice within a short time.
struct Again {
    bulletin: BulletinId,
    first: OccurrenceId,
    second: OccurrenceId,
    start_ms: i64,
}

/// The repeat guard: framing and filler may repeat, and so may what a rule repeats on purpose.
fn repeats(table: &Timetable, now_ms: i64, guard_ms: i64, mut tell: impl FnMut(Again)) {
    let mut last: BTreeMap<&BulletinId, (i64, &Piece)> = BTreeMap::new();
    for piece in &table.pieces {
        let until_ms = piece.from_ms + piece.length_ms;
        let sounds =
            piece.content.parts.iter().filter(|part| {
                part.kind == SoundKind::Bulletin && part.at_ms < until_ms && part.at_ms >= piece.from_ms
            });
        for part in sounds {
            let at_ms = piece.start_ms + part.at_ms - piece.from_ms;
            let bulletin = &part.approved.bulletin;
            if let Some((before_ms, before)) = last.insert(bulletin, (at_ms, piece)) {
                let meant = before.schedule.id == piece.schedule.id
                    && (piece.schedule.rule.times > 1 || before.nominal_ms == piece.nominal_ms);
                if at_ms - before_ms < guard_ms && piece.start_ms >= now_ms && !meant {
                    tell(Again {
                        bulletin: bulletin.clone(),
                        first: before.occurrence(),
                        second: piece.occurrence(),
                        start_ms: piece.start_ms,
                    });
                }
            }
        }
    }
}
