//! Schedules as people write them, and their validation.
//!
//! A refused field is named with its value and with something that works. What a rule means in instants is [`rule`]'s to say, what a
//! cron expression means [`cron`]'s.

pub mod cron;
pub mod rule;

use std::fmt;
use std::str::FromStr;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::DAY_MS;
use super::calendar::{self, Calendars, Days};
use super::clash::ClashPolicy;
use super::ids::{AreaCode, ProgrammeId, ScheduleId, SpeakerId};
use super::plan::VOLUME_DB;
use super::priority::Priority;
use cron::Recurrence;
use rule::{Exception, Instead, Pattern, Rule, When};

/// The zone of rules that name none.
pub const DEFAULT_TIME_ZONE: Tz = chrono_tz::Asia::Ho_Chi_Minh;

/// A schedule as people write it, in a TOML file or over the API; [`Schedule::new`] is its validation.
///
/// It says when by one of `cron`, `at` and `once`. Days are named as [`calendar`] says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct ScheduleText {
    pub title: String,
    /// Seconds, minutes, hours, day of month, month, day of week, optionally year; or the five Unix fields.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cron: String,
    /// Times of day (HH:MM or HH:MM:SS), every day or on the days of the next two fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<String>,
    /// With `at`: mon to sun, or t2 to t7 and cn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<String>,
    /// With `at`: 1 to 31, or -1 for the last day of the month, -2 for the one before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days_of_month: Vec<i32>,
    /// One single local time, such as 2026-11-23T05:30:00.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub once: Option<String>,
    /// Each start again, so often in all, so many minutes apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<RepeatText>,
    /// IANA name; Asia/Ho_Chi_Minh where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// First and last date (YYYY-MM-DD, inclusive, in the schedule's zone).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Days on which alone it plays; empty = every day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_on: Vec<String>,
    /// Days on which it never plays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_on: Vec<String>,
    /// Days with other times or another programme instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instead_on: Vec<InsteadText>,
    /// What is different about single occurrences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<ExceptionText>,
    /// Length of the slot in seconds; the programme's own length where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u32>,
    /// filler, normal, priority or emergency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// What becomes of it where something more important has the air: cut, resume, queue or drop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clash: Option<String>,
    /// How much later than planned it may end because of that, in seconds; 1800 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_s: Option<u32>,
    /// -60 to 0 dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_db: Option<f32>,
    /// The unit whose schedule it is: where a commune puts its own before those from above, or after. The widest target where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// Area codes (each reaches every speaker below it) and `speaker:ID`.
    pub targets: Vec<String>,
    pub programme: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct RepeatText {
    /// How often in all.
    pub times: u32,
    pub every_min: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct InsteadText {
    pub on: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programme: Option<String>,
}

/// One of: `at` with `skip`; `at` with `move_to`, `programme` or both; `extra`, perhaps with `programme`. Local times; `at` may be a date alone
/// where nothing moves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct ExceptionText {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub move_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programme: Option<String>,
}

/// A schedule that has been read and found sound.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub id: ScheduleId,
    pub title: String,
    pub rule: Rule,
    pub duration_ms: Option<i64>,
    pub priority: Priority,
    pub clash: ClashPolicy,
    /// How much later than planned it may end because of a clash.
    pub wait_ms: i64,
    pub volume_db: f32,
    pub owner: Option<AreaCode>,
    pub targets: Vec<Target>,
    pub programme: Option<ProgrammeId>,
}

/// Whom a schedule reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Area(AreaCode),
    Speaker(SpeakerId),
}

/// What is wrong with a schedule, naming the field, the value and something that works.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field} = {value:?}: {problem}")]
pub struct ScheduleError {
    pub field: &'static str,
    pub value: String,
    pub problem: String,
}

fn wrong(field: &'static str, value: impl fmt::Display, problem: impl fmt::Display) -> ScheduleError {
    ScheduleError { field, value: value.to_string(), problem: problem.to_string() }
}

/// Most occurrences of one rule that anything here asks for: one every ten seconds for a fortnight.
pub const MAX_STARTS: usize = (14 * DAY_MS / 10_000) as usize;
const MAX_REPEATS: u32 = 100;
const DEFAULT_WAIT_S: u32 = 1800;

impl Schedule {
    pub fn new(id: ScheduleId, text: &ScheduleText, calendars: &Calendars) -> Result<Self, ScheduleError> {
        let duration_ms = match text.duration_s {
            None => None,
            Some(s) if (1..=86_400).contains(&s) => Some(i64::from(s) * 1000),
            Some(s) => return Err(wrong("duration_s", s, "a slot lasts 1 to 86400 seconds; write for example 1800")),
        };
        let priority: Priority = match text.priority.as_deref() {
            None => Priority::Normal,
            Some(level) => level
                .parse()
                .map_err(|_| wrong("priority", level, "write one of filler, normal, priority, emergency"))?,
        };
        let clash = match text.clash.as_deref() {
            None => ClashPolicy::usual(priority),
            Some(policy) => {
                policy.parse().map_err(|_| wrong("clash", policy, "write one of cut, resume, queue, drop"))?
            }
        };
        let wait_ms = match text.wait_s.unwrap_or(DEFAULT_WAIT_S) {
            s @ 0..=43_200 => i64::from(s) * 1000,
            s => return Err(wrong("wait_s", s, "it may wait 0 to 43200 seconds; write for example 1800")),
        };
        let volume_db = text.volume_db.unwrap_or(0.0);
        if !VOLUME_DB.contains(&volume_db) {
            return Err(wrong(
                "volume_db",
                volume_db,
                "from -60 (very quiet) to 0 (as calibrated); write for example -3",
            ));
        }
        let owner = text.area.as_deref().map(|code| {
            code.parse().map_err(|e| wrong("area", code, format!("{e}; write an area code such as \"24133\"")))
        });
        Ok(Self {
            title: if text.title.trim().is_empty() { id.to_string() } else { text.title.trim().to_owned() },
            rule: rule(text, calendars)?,
            duration_ms,
            priority,
            clash,
            wait_ms,
            volume_db,
            owner: owner.transpose()?,
            targets: text.targets.iter().map(|t| t.parse()).collect::<Result<_, _>>()?,
            programme: text.programme.as_deref().map(|name| programme("programme", name)).transpose()?,
            id,
        })
    }

    /// Whether this schedule reaches a speaker whose areas, from the widest to its own, are `areas`.
    pub fn reaches(&self, speaker: &SpeakerId, areas: &[AreaCode]) -> bool {
        self.targets.iter().any(|target| match target {
            Target::Area(code) => areas.contains(code),
            Target::Speaker(id) => id == speaker,
        })
    }
}

fn rule(text: &ScheduleText, calendars: &Calendars) -> Result<Rule, ScheduleError> {
    let time_zone = match text.time_zone.as_deref() {
        None => DEFAULT_TIME_ZONE,
        Some(name) => name
            .parse()
            .map_err(|_| wrong("time_zone", name, "not an IANA time zone; write for example \"Asia/Ho_Chi_Minh\""))?,
    };
    let days = |field, list: &[String]| -> Result<Vec<Days>, ScheduleError> {
        list.iter().map(|text| calendars.days(text).map_err(|e| wrong(field, text, e))).collect()
    };
    let date = |field, text: &Option<String>| -> Result<Option<NaiveDate>, ScheduleError> {
        let read = |text: &String| {
            calendar::date(text)
                .map_err(|_| wrong(field, text, "not a date; write year-month-day, such as \"2026-09-02\""))
        };
        text.as_ref().map(read).transpose()
    };
    let (times, every_ms) = match text.repeat {
        None => (1, 0),
        Some(RepeatText { times, every_min }) => {
            if !(2..=MAX_REPEATS).contains(&times) {
                let problem = "it plays 2 to 100 times in all; write for example { times = 3, every_min = 10 }";
                return Err(wrong("repeat.times", times, problem));
            }
            if !(1..=720).contains(&every_min) {
                let problem = "1 to 720 minutes apart; write for example { times = 3, every_min = 10 }";
                return Err(wrong("repeat.every_min", every_min, problem));
            }
            (times, i64::from(every_min) * 60_000)
        }
    };
    let instead = |text: &InsteadText| -> Result<Instead, ScheduleError> {
        let example = "write for example { on = [\"lunar:1/1\"], at = [\"06:00\"], programme = \"tet\" }";
        if text.on.is_empty() || (text.at.is_empty() && text.programme.is_none()) {
            return Err(wrong(
                "instead_on",
                format!("{text:?}"),
                format!("say on which days, and at what times or with which programme; {example}"),
            ));
        }
        let times = text.at.iter().map(|time| time_of_day("instead_on", time)).collect::<Result<_, _>>()?;
        let name = text.programme.as_deref().map(|name| programme("instead_on", name)).transpose()?;
        Ok(Instead { on: days("instead_on", &text.on)?, times, programme: name })
    };
    let rule = Rule {
        pattern: pattern(text)?,
        times,
        every_ms,
        time_zone,
        from: date("from", &text.from)?,
        until: date("until", &text.until)?,
        only_on: days("only_on", &text.only_on)?,
        not_on: days("not_on", &text.not_on)?,
        instead_on: text.instead_on.iter().map(instead).collect::<Result<_, _>>()?,
        exceptions: text.exceptions.iter().map(exception).collect::<Result<_, _>>()?,
    };
    if let (Some(from), Some(until)) = (rule.from, rule.until)
        && until < from
    {
        return Err(wrong("until", until, format!("before from = {from}; write that date or a later one")));
    }
    Ok(rule)
}

fn pattern(text: &ScheduleText) -> Result<Pattern, ScheduleError> {
    let ways = usize::from(!text.cron.is_empty()) + usize::from(!text.at.is_empty()) + usize::from(text.once.is_some());
    if ways != 1 {
        let problem =
            "say when, in one way: cron = \"0 30 5 * * *\", or at = [\"05:30\"], or once = \"2026-11-23T05:30:00\"";
        let value = if ways == 0 { String::new() } else { format!("{} with at or once", text.cron) };
        return Err(wrong("cron", value, problem));
    }
    if text.at.is_empty() && !(text.weekdays.is_empty() && text.days_of_month.is_empty()) {
        let (field, value) = match text.weekdays.first() {
            Some(day) => ("weekdays", day.clone()),
            None => ("days_of_month", format!("{:?}", text.days_of_month)),
        };
        return Err(wrong(field, value, "goes with at, as in at = [\"05:30\"]; cron has day fields of its own"));
    }
    if let Some(once) = &text.once {
        return Ok(Pattern::Once(local_time("once", once)?));
    }
    if !text.cron.is_empty() {
        return Ok(Pattern::Recurring(text.cron.parse()?));
    }
    let weekday = |day: &String| {
        let problem = "not a day of the week; write mon, tue, wed, thu, fri, sat, sun, or t2 to t7 and cn";
        cron::weekday(day).ok_or_else(|| wrong("weekdays", day, problem))
    };
    let month_day = |day: &i32| match day {
        1..=31 | -31..=-1 => Ok(*day),
        _ => Err(wrong(
            "days_of_month",
            day,
            "1 to 31, or -1 for the last day of the month; write for example [1, 15, -1]",
        )),
    };
    let times = text.at.iter().map(|time| time_of_day("at", time)).collect::<Result<_, _>>()?;
    let weekdays = text.weekdays.iter().map(weekday).collect::<Result<Vec<_>, _>>()?;
    let month_days = text.days_of_month.iter().map(month_day).collect::<Result<Vec<_>, _>>()?;
    Ok(Pattern::Recurring(Recurrence::simple(times, &weekdays, &month_days)))
}

fn exception(text: &ExceptionText) -> Result<Exception, ScheduleError> {
    const EXAMPLES: &str = "write for example { at = \"2026-11-23T05:30\", skip = true }, { at = \"2026-11-23T05:30\", move_to = \"2026-11-23T06:00\" }, \
        { at = \"2026-11-23\", programme = \"khac\" } or { extra = \"2026-11-23T09:00\" }";
    let unclear = || wrong("exceptions", format!("{text:?}"), format!("one thing for one occurrence; {EXAMPLES}"));
    let name = text.programme.as_deref().map(|name| programme("exceptions", name)).transpose()?;
    let at = match &text.at {
        None => None,
        Some(at) => Some(match calendar::date(at) {
            Ok(date) => When::Day(date),
            Err(_) => When::Instant(local_time("exceptions", at)?),
        }),
    };
    let to = text.move_to.as_ref().map(|to| local_time("exceptions", to)).transpose()?;
    match (at, text.skip, to, &text.extra) {
        (Some(at), true, None, None) if name.is_none() => Ok(Exception::Skip(at)),
        (Some(When::Day(day)), false, Some(_), None) => {
            let problem = "a day may hold several; name the time that moves, such as \"2026-11-23T05:30\"";
            Err(wrong("exceptions", day, problem))
        }
        (Some(at), false, to, None) if to.is_some() || name.is_some() => {
            Ok(Exception::Change { at, to, programme: name })
        }
        (None, false, None, Some(extra)) => {
            Ok(Exception::Extra { at: local_time("exceptions", extra)?, programme: name })
        }
        _ => Err(unclear()),
    }
}

fn programme(field: &'static str, name: &str) -> Result<ProgrammeId, ScheduleError> {
    name.parse().map_err(|e| wrong(field, name, format!("{e}; write for example \"buoi-sang\"")))
}

fn time_of_day(field: &'static str, text: &str) -> Result<NaiveTime, ScheduleError> {
    ["%H:%M", "%H:%M:%S"]
        .iter()
        .find_map(|form| NaiveTime::parse_from_str(text.trim(), form).ok())
        // Chrono reads a second 60; no clock here shows one.
        .filter(|time| chrono::Timelike::nanosecond(time) < 1_000_000_000)
        .ok_or_else(|| {
            wrong(field, text, "not a time of day; write hours:minutes from 00:00 to 23:59, such as \"05:30\"")
        })
}

fn local_time(field: &'static str, text: &str) -> Result<NaiveDateTime, ScheduleError> {
    let problem = "not a local date and time; write for example \"2026-11-23T05:30\"";
    let (date, time) = text.split_once(['T', ' ']).ok_or_else(|| wrong(field, text, problem))?;
    let date = calendar::date(date).map_err(|_| wrong(field, text, problem))?;
    Ok(date.and_time(time_of_day(field, time).map_err(|_| wrong(field, text, problem))?))
}

impl FromStr for Target {
    type Err = ScheduleError;
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let help = |e| wrong("targets", text, format!("{e}; write an area code such as \"24133\" or \"speaker:ID\""));
        match text.strip_prefix("speaker:") {
            Some(id) => id.parse().map(Target::Speaker).map_err(help),
            None => text.parse().map(Target::Area).map_err(help),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn ms(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    fn starts(cron: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
        let text = ScheduleText { cron: cron.into(), time_zone: Some(zone.into()), ..Default::default() };
        starts_of(&text, from, until)
    }

    fn starts_of(text: &ScheduleText, from: &str, until: &str) -> Vec<String> {
        let schedule = Schedule::new("s".parse().unwrap(), text, &Calendars::default()).unwrap();
        let zone = schedule.rule.time_zone;
        let shown = |t: i64| DateTime::from_timestamp_millis(t).unwrap().with_timezone(&zone).to_rfc3339();
        schedule.rule.starts(ms(from), ms(until), 1000).into_iter().map(|start| shown(start.start_ms)).collect()
    }

    #[test]
    fn rules_mean_the_instants_that_their_dialect_says() {
        let hcm = "Asia/Ho_Chi_Minh";
        let day = ("2026-11-23T00:00:00+07:00", "2026-11-24T00:00:00+07:00"); // a Monday
        let week = ("2026-11-22T00:00:00+07:00", "2026-11-29T00:00:00+07:00"); // from Sunday
        let cases: &[(&str, (&str, &str), &[&str])] = &[
            ("0 30 5 * * *", day, &["2026-11-23T05:30:00+07:00"]),
            ("15 30 5 * * * 2026", day, &["2026-11-23T05:30:15+07:00"]),
            ("0 0 5 * * * 2027", day, &[]),
            ("30 5 * * *", day, &["2026-11-23T05:30:00+07:00"]),
            // the crate counts from Sunday = 1, Unix from Sunday = 0
            ("0 0 5 * * 1", week, &["2026-11-22T05:00:00+07:00"]),
            ("0 5 * * 1", week, &["2026-11-23T05:00:00+07:00"]),
            ("0 5 * * 7", week, &["2026-11-22T05:00:00+07:00"]),
            (
                "0 5 * * 5-7",
                week,
                &["2026-11-22T05:00:00+07:00", "2026-11-27T05:00:00+07:00", "2026-11-28T05:00:00+07:00"],
            ),
            // Unix: either day field, when both are restricted
            ("0 5 25 * 1", week, &["2026-11-23T05:00:00+07:00", "2026-11-25T05:00:00+07:00"]),
            // the crate: both
            ("0 0 5 25 * MON", week, &[]),
        ];
        for (cron, (from, until), expected) in cases {
            assert_eq!(starts(cron, hcm, from, until), *expected, "{cron}");
        }
    }

    #[test]
    fn a_skipped_hour_plays_at_its_end_and_a_doubled_one_once() {
        let berlin = "Europe/Berlin";
        let spring = ("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00");
        assert_eq!(starts("0 30 2 * * *", berlin, spring.0, spring.1), ["2026-03-29T03:00:00+02:00"]);
        assert_eq!(starts("0 */20 2 * * *", berlin, spring.0, spring.1), ["2026-03-29T03:00:00+02:00"]);
        let autumn = ("2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00");
        assert_eq!(starts("0 30 2 * * *", berlin, autumn.0, autumn.1), ["2026-10-25T02:30:00+02:00"]);
    }

    #[test]
    fn dates_bound_the_series_inclusively() {
        let text = ScheduleText {
            cron: "0 0 5 * * *".into(),
            from: Some("2026-11-24".into()),
            until: Some("2026-11-27".into()),
            not_on: vec!["2026-11-26".into()],
            ..Default::default()
        };
        let schedule = Schedule::new("s".parse().unwrap(), &text, &Calendars::default()).unwrap();
        let all = schedule.rule.starts(ms("2026-11-01T00:00:00Z"), ms("2026-12-31T00:00:00Z"), 1000);
        let all: Vec<_> = all.into_iter().map(|start| start.start_ms).collect();
        let expected = ["2026-11-24", "2026-11-25", "2026-11-27"].map(|d| ms(&format!("{d}T05:00:00+07:00")));
        assert_eq!(all, expected);
    }

    /// The starts of a schedule in TOML, as "month-day hour:minute", over a window of local dates.
    fn in_short(toml: &str, from: &str, until: &str) -> Vec<String> {
        let text: ScheduleText = toml::from_str(toml).unwrap();
        let all = starts_of(&text, &format!("{from}T00:00:00+07:00"), &format!("{until}T00:00:00+07:00"));
        all.iter().map(|start| format!("{} {}", &start[5..10], &start[11..16])).collect()
    }

    #[test]
    fn the_ends_of_months_and_the_weekdays_in_them_are_as_quartz_says() {
        let cases: &[(&str, &str, &str, &[&str])] = &[
            ("0 0 5 L * *", "2028-01-30", "2028-04-01", &["01-31 05:00", "02-29 05:00", "03-31 05:00"]),
            ("0 5 L * *", "2027-02-01", "2027-03-01", &["02-28 05:00"]),
            ("0 0 5 L-2 * ?", "2027-02-01", "2027-04-01", &["02-26 05:00", "03-29 05:00"]),
            // 15 August 2026 is a Saturday, 15 November a Sunday
            ("0 0 5 15W 8,11 ?", "2026-08-01", "2026-12-01", &["08-14 05:00", "11-16 05:00"]),
            // 1 August 2026 is a Saturday: not back into July; 31 January 2027 a Sunday: not on into February
            ("0 0 5 1W 8 ?", "2026-07-01", "2026-09-01", &["08-03 05:00"]),
            ("0 0 5 31W 1 ?", "2027-01-01", "2027-03-01", &["01-29 05:00"]),
            ("0 0 5 LW * ?", "2027-01-01", "2027-03-01", &["01-29 05:00", "02-26 05:00"]),
            ("0 0 5 1,L 2 ?", "2027-01-01", "2027-04-01", &["02-01 05:00", "02-28 05:00"]),
            // the last Friday: 6 in the crate's count, 5 in Unix's
            ("0 0 5 ? * 6L", "2026-11-01", "2026-12-01", &["11-27 05:00"]),
            ("0 5 * * 5L", "2026-11-01", "2026-12-01", &["11-27 05:00"]),
            ("0 0 5 ? * FRI#3", "2026-11-01", "2026-12-01", &["11-20 05:00"]),
            ("0 0 5 ? * 2#5", "2026-10-01", "2026-12-01", &["11-30 05:00"]),
            // Unix: either day field
            ("0 5 L * 1#1", "2026-11-01", "2026-12-01", &["11-02 05:00", "11-30 05:00"]),
            ("0 5 * * FRI-SUN", "2026-11-01", "2026-11-08", &["11-01 05:00", "11-06 05:00", "11-07 05:00"]),
            ("0 5 31 * *", "2027-01-01", "2027-05-01", &["01-31 05:00", "03-31 05:00"]),
            ("0 5 29 2 *", "2027-01-01", "2029-01-01", &["02-29 05:00"]),
        ];
        for (cron, from, until, expected) in cases {
            assert_eq!(in_short(&format!("cron = \"{cron}\""), from, until), *expected, "{cron}");
        }
    }

    #[test]
    fn the_simple_forms_say_what_people_mean() {
        let cases: &[(&str, &str, &str, &[&str])] = &[
            ("at = [\"17:00\", \"05:00\"]", "2026-11-23", "2026-11-24", &["11-23 05:00", "11-23 17:00"]),
            (
                "at = [\"05:00\"]\nweekdays = [\"t2\", \"cn\", \"Wed\"]",
                "2026-11-23",
                "2026-11-30",
                &["11-23 05:00", "11-25 05:00", "11-29 05:00"],
            ),
            (
                "at = [\"05:00\"]\ndays_of_month = [1, -1, 31]",
                "2027-02-01",
                "2027-04-01",
                &["02-01 05:00", "02-28 05:00", "03-01 05:00", "03-31 05:00"],
            ),
            ("once = \"2026-11-23T05:30\"", "2026-01-01", "2027-01-01", &["11-23 05:30"]),
            (
                "at = [\"23:50\"]\nrepeat = { times = 3, every_min = 10 }\nfrom = \"2026-11-23\"\nuntil = \"2026-11-23\"",
                "2026-11-23",
                "2026-11-25",
                &["11-23 23:50", "11-24 00:00", "11-24 00:10"],
            ),
            (
                "at = [\"05:00\"]\nonly_on = [\"lunar:1\", \"lunar:15\"]",
                "2026-11-01",
                "2026-12-15",
                &["11-09 05:00", "11-23 05:00", "12-09 05:00"],
            ),
            (
                "at = [\"05:00\"]\nnot_on = [\"holidays:vn\"]",
                "2026-08-29",
                "2026-09-04",
                &["08-29 05:00", "08-30 05:00", "09-03 05:00"],
            ),
            (
                "at = [\"05:00\"]\ninstead_on = [{ on = [\"lunar:1/1\"], at = [\"06:30\"] }]",
                "2026-02-16",
                "2026-02-19",
                &["02-16 05:00", "02-17 06:30", "02-18 05:00"],
            ),
            // Other days than the usual ones may be named; the bounds and not_on still hold.
            (
                "at = [\"05:00\"]\nweekdays = [\"mon\"]\nnot_on = [\"2026-11-26\"]\ninstead_on = [{ on = [\"2026-11-25..2026-11-26\"], at = [\"06:30\"] }]",
                "2026-11-23",
                "2026-11-30",
                &["11-23 05:00", "11-25 06:30"],
            ),
        ];
        for (toml, from, until, expected) in cases {
            assert_eq!(in_short(toml, from, until), *expected, "{toml}");
        }
    }

    #[test]
    fn exceptions_change_one_occurrence_and_leave_the_series() {
        let base = "at = [\"05:00\", \"17:00\"]\nprogramme = \"thuong\"\nexceptions = [\
            { at = \"2026-11-23T05:00\", skip = true }, { at = \"2026-11-24T05:00\", move_to = \"2026-11-24T06:15\" }, \
            { at = \"2026-11-25\", programme = \"tang-le\" }, { extra = \"2026-11-26T09:00\", programme = \"them\" }, \
            { at = \"2026-11-26T17:00\", move_to = \"2026-11-27T18:00\" }, { at = \"2026-11-23T05:01\", skip = true }]";
        let expected = [
            "11-23 17:00",
            "11-24 06:15",
            "11-24 17:00",
            "11-25 05:00",
            "11-25 17:00",
            "11-26 05:00",
            "11-26 09:00",
            "11-27 05:00",
            "11-27 17:00",
            "11-27 18:00",
        ];
        assert_eq!(in_short(base, "2026-11-23", "2026-11-28"), expected);
        // The same through a window that holds only where something was moved to, or from.
        assert_eq!(in_short(base, "2026-11-27", "2026-11-28"), expected[7..]);
        assert_eq!(in_short(base, "2026-11-26", "2026-11-27"), expected[5..7]);
        let text: ScheduleText = toml::from_str(base).unwrap();
        let schedule = Schedule::new("s".parse().unwrap(), &text, &Calendars::default()).unwrap();
        let all = schedule.rule.starts(ms("2026-11-23T00:00:00+07:00"), ms("2026-11-28T00:00:00+07:00"), 100);
        let named: Vec<_> = all.iter().filter_map(|start| start.programme.as_ref()).map(ProgrammeId::as_str).collect();
        assert_eq!(named, ["tang-le", "tang-le", "them"]);
        // What was moved keeps its place in the series.
        assert_eq!(
            (all[1].start_ms, all[1].nominal_ms),
            (ms("2026-11-24T06:15:00+07:00"), ms("2026-11-24T05:00:00+07:00"))
        );
        // The slip of the pen is found.
        let idle: Vec<_> = schedule.rule.idle_exceptions(100).collect();
        assert_eq!(idle, [When::Instant(local_time("", "2026-11-23T05:01").unwrap())]);
    }

    #[test]
    fn rules_reach_from_1900_to_2199() {
        let text: ScheduleText =
            toml::from_str("cron = \"0 0 5 * * *\"\nonly_on = [\"lunar:1/1\"]\ntime_zone = \"Asia/Bangkok\"").unwrap();
        assert_eq!(starts_of(&text, "2199-01-01T00:00:00+07:00", "2200-01-01T00:00:00+07:00").len(), 1);
        assert_eq!(
            starts_of(&text, "1931-01-01T00:00:00+07:00", "1931-12-31T00:00:00+07:00"),
            ["1931-02-17T05:00:00+07:00"]
        );
    }

    #[test]
    fn a_refused_field_is_named_with_something_that_works() {
        let check = |change: &dyn Fn(&mut ScheduleText), words: &[&str]| {
            let mut text = ScheduleText { cron: "0 0 5 * * *".into(), ..Default::default() };
            change(&mut text);
            let error = Schedule::new("s".parse().unwrap(), &text, &Calendars::default()).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error:?} should name {words:?}");
        };
        check(&|t| t.cron = "0 0 25 * * *".into(), &["cron", "hours", "25", "write for example"]);
        check(&|t| t.cron = "0 0 5 X * *".into(), &["cron", "day of month", "\"X\"", "15W"]);
        check(&|t| t.cron = "0 0 5 32W * *".into(), &["cron", "day of month", "\"32W\""]);
        check(&|t| t.cron = "0 0 5 ? * L".into(), &["day of week", "\"L\"", "day of month"]);
        check(&|t| t.cron = "0 0 5 ? * 15W".into(), &["day of week", "'W' belongs to the day of month"]);
        check(&|t| t.cron = "0 0 5 FRI#2 * *".into(), &["day of month", "'#'", "day of week"]);
        check(&|t| t.cron = "0 0 5 ? * FRI#6".into(), &["day of week", "FRI#6", "FRI#3"]);
        check(&|t| t.cron = "0 0 5 ? * 0".into(), &["day of week", "\"0\"", "1-7 from Sunday"]);
        check(&|t| t.cron = "? 0 5 * * *".into(), &["seconds", "'?'", "day fields"]);
        check(&|t| t.cron = "0 0 L * * *".into(), &["hours", "day fields"]);
        check(&|t| t.cron = "0 0 5 * * * 2150".into(), &["year", "2150", "1970 to 2100"]);
        check(&|t| t.at = vec!["05:00".into()], &["cron", "in one way", "at = ["]);
        check(&|t| t.cron = String::new(), &["cron", "say when", "once = "]);
        check(&|t| (t.cron, t.at) = (String::new(), vec!["25:00".into()]), &["at", "25:00", "05:30"]);
        check(&|t| t.weekdays = vec!["mon".into()], &["weekdays", "mon", "goes with at"]);
        check(
            &|t| (t.cron, t.at, t.weekdays) = (String::new(), vec!["5:00".into()], vec!["t8".into()]),
            &["weekdays", "t8", "t2 to t7"],
        );
        check(
            &|t| (t.cron, t.at, t.days_of_month) = (String::new(), vec!["5:00".into()], vec![32]),
            &["days_of_month", "32", "[1, 15, -1]"],
        );
        check(
            &|t| (t.cron, t.once) = (String::new(), Some("2026-02-30T05:00".into())),
            &["once", "2026-02-30", "2026-11-23T05:30"],
        );
        check(&|t| t.repeat = Some(RepeatText { times: 1, every_min: 5 }), &["repeat.times", "1", "times = 3"]);
        check(
            &|t| t.repeat = Some(RepeatText { times: 2, every_min: 0 }),
            &["repeat.every_min", "0", "every_min = 10"],
        );
        check(&|t| t.instead_on = vec![InsteadText::default()], &["instead_on", "on = ["]);
        check(
            &|t| t.exceptions = vec![ExceptionText { at: Some("2026-11-23".into()), ..Default::default() }],
            &["exceptions", "2026-11-23", "skip = true"],
        );
        check(
            &|t| {
                let (at, to) = (Some("2026-11-23".into()), Some("2026-11-24T05:00".into()));
                t.exceptions = vec![ExceptionText { at, move_to: to, ..Default::default() }];
            },
            &["exceptions", "2026-11-23", "name the time"],
        );
        check(&|t| t.clash = Some("wait".into()), &["clash", "wait", "queue"]);
        check(&|t| t.wait_s = Some(90_000), &["wait_s", "90000", "1800"]);
        check(&|t| t.area = Some("Hà Nội".into()), &["area", "24133"]);
        check(&|t| t.cron = "5 * *".into(), &["3 fields"]);
        check(&|t| t.cron = "0 5 * * 8".into(), &["day of week", "8"]);
        check(&|t| t.time_zone = Some("Hanoi".into()), &["time_zone", "Hanoi", "Asia/Ho_Chi_Minh"]);
        check(&|t| t.from = Some("02/09/2026".into()), &["from", "02/09/2026", "2026-09-02"]);
        check(&|t| t.until = Some("2026-02-30".into()), &["until", "2026-02-30"]);
        check(&|t| t.only_on = vec!["lunar:31".into()], &["only_on", "lunar:31", "lunar:15"]);
        check(&|t| t.duration_s = Some(0), &["duration_s", "86400"]);
        check(&|t| t.priority = Some("urgent".into()), &["priority", "urgent", "emergency"]);
        check(&|t| t.volume_db = Some(3.0), &["volume_db", "3"]);
        check(&|t| t.targets = vec!["Hà Nội".into()], &["targets", "24133"]);
    }
}
