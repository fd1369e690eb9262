//! Schedules as people write them, and their validation.
//!
//! A refused field is named with its value and with something that works. What a rule means in instants is [`rule`]'s to say, what a
//! cron expression means [`cron`]'s.

pub mod cron;
pub mod faults;
pub mod rule;
pub mod wording;

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

impl ScheduleText {
    /// All days that it names.
    pub fn days(&self) -> impl Iterator<Item = &String> {
        let instead = self.instead_on.iter().flat_map(|instead| &instead.on);
        self.only_on.iter().chain(&self.not_on).chain(instead)
    }
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
#[derive(Debug, Clone, PartialEq)]
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
/// Longest title of a schedule or programme in characters.
pub const MAX_TITLE: usize = 200;
const MAX_REPEATS: u32 = 100;
const MAX_REPEATED_A_DAY: usize = 8640;
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
        if text.title.chars().count() > MAX_TITLE || text.title.contains(char::is_control) {
            let shown: String = text.title.chars().take(40).collect();
            return Err(wrong(
                "title",
                shown,
                "at most 200 characters in one line; write for example \"Phát thanh buổi sáng\"",
            ));
        }
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

    /// The programme that a start of its rule plays.
    pub fn programme_of(&self, other: Option<usize>) -> Option<&ProgrammeId> {
        match other {
            Some(number) => self.rule.programmes.get(number),
            None => self.programme.as_ref(),
        }
    }

    /// All programmes that it may play.
    pub fn programmes(&self) -> impl Iterator<Item = &ProgrammeId> {
        self.programme.iter().chain(&self.rule.programmes)
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
                .map_err(|_| wrong(field, text, "not a date from 1900 to 2199; write year-month-day, such as \"2026-09-02\" (lunar days go into only_on)"))
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
    let mut programmes = vec![];
    let mut instead = |text: &InsteadText| -> Result<Instead, ScheduleError> {
        let example = "write for example { on = [\"lunar:1/1\"], at = [\"06:00\"], programme = \"tet\" }";
        if text.on.is_empty() || (text.at.is_empty() && text.programme.is_none()) {
            return Err(wrong(
                "instead_on",
                text.on.join(", "),
                format!("say on which days, and at what times or with which programme; {example}"),
            ));
        }
        let times = text.at.iter().map(|time| time_of_day("instead_on", time)).collect::<Result<_, _>>()?;
        let other = numbered("instead_on", text.programme.as_deref(), &mut programmes)?;
        Ok(Instead { on: days("instead_on", &text.on)?, times, programme: other })
    };
    let instead_on = text.instead_on.iter().map(&mut instead).collect::<Result<_, _>>()?;
    let exceptions = text.exceptions.iter().map(|text| exception(text, &mut programmes)).collect::<Result<_, _>>()?;
    let pattern = pattern(text)?;
    let most = MAX_REPEATED_A_DAY / times as usize;
    if let (Pattern::Recurring(recurrence), 2..) = (&pattern, times)
        && recurrence.times().take(most + 1).count() > most
    {
        let problem = "with this rule that is more than 8640 plays a day; repeat a rule with fewer times, such as cron = \"0 0 5 * * *\"";
        return Err(wrong("repeat.times", times, problem));
    }
    let rule = Rule {
        pattern,
        times,
        every_ms,
        time_zone,
        from: date("from", &text.from)?,
        until: date("until", &text.until)?,
        only_on: days("only_on", &text.only_on)?,
        not_on: days("not_on", &text.not_on)?,
        instead_on,
        exceptions,
        programmes,
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
        let field = if text.cron.is_empty() && ways > 0 { "once" } else { "cron" };
        let value = if field == "once" { text.once.clone().unwrap_or_default() } else { text.cron.clone() };
        return Err(wrong(field, value, problem));
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

fn exception(text: &ExceptionText, programmes: &mut Vec<ProgrammeId>) -> Result<Exception, ScheduleError> {
    const EXAMPLES: &str = "write for example { at = \"2026-11-23T05:30\", skip = true }, { at = \"2026-11-23T05:30\", move_to = \"2026-11-23T06:00\" }, \
        { at = \"2026-11-23\", programme = \"khac\" } or { extra = \"2026-11-23T09:00\" }";
    let shown = || {
        let fields =
            [("at", &text.at), ("move_to", &text.move_to), ("extra", &text.extra), ("programme", &text.programme)];
        let mut parts: Vec<_> = fields.iter().filter_map(|(k, v)| Some(format!("{k} = {}", v.as_ref()?))).collect();
        parts.extend(text.skip.then(|| "skip = true".to_owned()));
        parts.join(", ")
    };
    let unclear = || wrong("exceptions", shown(), format!("one thing for one occurrence; {EXAMPLES}"));
    let name = numbered("exceptions", text.programme.as_deref(), programmes)?;
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

/// The number of a programme that takes the usual one's place.
fn numbered(
    field: &'static str,
    name: Option<&str>,
    programmes: &mut Vec<ProgrammeId>,
) -> Result<Option<usize>, ScheduleError> {
    let Some(name) = name else { return Ok(None) };
    let id = programme(field, name)?;
    let known = programmes.iter().position(|known| *known == id);
    Ok(Some(known.unwrap_or_else(|| {
        programmes.push(id);
        programmes.len() - 1
    })))
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
    let problem = "not a local date and time from 1900 to 2199; write for example \"2026-11-23T05:30\"";
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
mod tests;
