//! Rules that say when something plays, and the instants they mean.
//!
//! Six and seven fields are read by the `cron` crate's dialect (days of the week 1-7 from Sunday, or names; a day must
//! match both day fields). Five fields are read as Unix cron reads them (days of the week 0-7, Sunday is 0 and 7; where both day fields
//! are restricted, either may match). Local times that a zone skips play at the first valid instant after the gap; local times
//! that happen twice play once, the first time.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Duration, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::DAY_MS;
use super::ids::{AreaCode, ProgrammeId, ScheduleId, SpeakerId};
use super::plan::{LATEST_MS, VOLUME_DB};
use super::priority::Priority;

/// The zone of rules that name none.
pub const DEFAULT_TIME_ZONE: Tz = chrono_tz::Asia::Ho_Chi_Minh;

/// A schedule as people write it, in a TOML file or over the API; [`Schedule::new`] is its validation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct ScheduleText {
    pub title: String,
    /// Seconds, minutes, hours, day of month, month, day of week, optionally year; or the five Unix fields.
    pub cron: String,
    /// IANA name; Asia/Ho_Chi_Minh where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// First and last date (YYYY-MM-DD, inclusive, in the schedule's zone).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Dates on which alone it plays; empty = every date.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_on: Vec<String>,
    /// Dates on which it never plays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_on: Vec<String>,
    /// Length of the slot in seconds; the programme's own length where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<u32>,
    /// filler, normal, priority or emergency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// -60 to 0 dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_db: Option<f32>,
    /// Area codes (each reaches every speaker below it) and `speaker:ID`.
    pub targets: Vec<String>,
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
    pub volume_db: f32,
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

impl Schedule {
    pub fn new(id: ScheduleId, text: &ScheduleText) -> Result<Self, ScheduleError> {
        let time_zone = match text.time_zone.as_deref() {
            None => DEFAULT_TIME_ZONE,
            Some(name) => name.parse().map_err(|_| {
                wrong("time_zone", name, "not an IANA time zone; write for example \"Asia/Ho_Chi_Minh\"")
            })?,
        };
        let rule = Rule {
            cron: text.cron.parse()?,
            time_zone,
            from: text.from.as_deref().map(|d| date("from", d)).transpose()?,
            until: text.until.as_deref().map(|d| date("until", d)).transpose()?,
            only_on: text.only_on.iter().map(|d| date("only_on", d)).collect::<Result<_, _>>()?,
            not_on: text.not_on.iter().map(|d| date("not_on", d)).collect::<Result<_, _>>()?,
        };
        if let (Some(from), Some(until)) = (rule.from, rule.until)
            && until < from
        {
            return Err(wrong("until", until, format!("before from = {from}")));
        }
        let duration_ms = match text.duration_s {
            None => None,
            Some(s) if (1..=86_400).contains(&s) => Some(i64::from(s) * 1000),
            Some(s) => return Err(wrong("duration_s", s, "a slot lasts 1 to 86400 seconds")),
        };
        let priority = match text.priority.as_deref() {
            None => Priority::Normal,
            Some(level) => {
                level.parse().map_err(|_| wrong("priority", level, "one of filler, normal, priority, emergency"))?
            }
        };
        let volume_db = text.volume_db.unwrap_or(0.0);
        if !VOLUME_DB.contains(&volume_db) {
            return Err(wrong("volume_db", volume_db, "from -60 (very quiet) to 0 (as calibrated)"));
        }
        let programme = text.programme.as_deref().map(str::parse).transpose();
        Ok(Self {
            title: if text.title.trim().is_empty() { id.to_string() } else { text.title.trim().to_owned() },
            rule,
            duration_ms,
            priority,
            volume_db,
            targets: text.targets.iter().map(|t| t.parse()).collect::<Result<_, _>>()?,
            programme: programme.map_err(|e| wrong("programme", text.programme.as_deref().unwrap_or(""), e))?,
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

fn date(field: &'static str, text: &str) -> Result<NaiveDate, ScheduleError> {
    if text.starts_with("lunar:") || text.starts_with("holidays:") {
        return Err(wrong(
            field,
            text,
            "this version has no calendars yet; write the dates out, such as \"2026-09-02\"",
        ));
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|date| date.format("%Y-%m-%d").to_string() == text && (1970..2200).contains(&date.year()))
        .ok_or_else(|| wrong(field, text, "not a date; write year-month-day, such as \"2026-09-02\""))
}

/// When, and nothing else.
#[derive(Debug, Clone)]
pub struct Rule {
    pub cron: Cron,
    pub time_zone: Tz,
    pub from: Option<NaiveDate>,
    pub until: Option<NaiveDate>,
    pub only_on: Vec<NaiveDate>,
    pub not_on: Vec<NaiveDate>,
}

/// No local clock differs from UTC, and no gap is longer, than this.
const WIDEST_SHIFT: Duration = Duration::hours(26);

impl Rule {
    /// The instants in `from_ms..until_ms` (Unix ms), rising, each once; at most `most`.
    pub fn starts(&self, from_ms: i64, until_ms: i64, most: usize) -> Vec<i64> {
        let (from_ms, until_ms) = (from_ms.clamp(0, LATEST_MS), until_ms.clamp(0, LATEST_MS));
        let Some(first) = DateTime::from_timestamp_millis(from_ms) else { return vec![] };
        let Some(end) = DateTime::from_timestamp_millis(until_ms) else { return vec![] };
        // Wall-clock times are walked as if they were UTC, so that the zone's jumps are decided here alone.
        let mut walk_from = first.with_timezone(&self.time_zone).naive_local() - WIDEST_SHIFT;
        if let Some(from) = self.from {
            walk_from = walk_from.max(from.and_time(chrono::NaiveTime::MIN));
        }
        let mut walk_until = end.with_timezone(&self.time_zone).naive_local() + WIDEST_SHIFT;
        if let Some(until) = self.until {
            walk_until = walk_until.min(until.and_time(chrono::NaiveTime::MIN) + Duration::days(1));
        }
        let mut starts = vec![];
        for wall in self.cron.walk(walk_from, walk_until) {
            let day = wall.date();
            if self.not_on.contains(&day) || !(self.only_on.is_empty() || self.only_on.contains(&day)) {
                continue;
            }
            let start_ms = instant(self.time_zone, wall).timestamp_millis();
            if (from_ms..until_ms).contains(&start_ms) {
                starts.push(start_ms);
                if starts.len() > most.saturating_mul(2) {
                    break;
                }
            }
        }
        starts.sort_unstable();
        starts.dedup();
        starts.truncate(most);
        starts
    }
}

/// The instant of a wall-clock time: the first of two, and the end of the gap for one that does not exist.
fn instant(zone: Tz, wall: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(time) => time.to_utc(),
        LocalResult::Ambiguous(a, b) => a.min(b).to_utc(),
        LocalResult::None => {
            let offset = |t: DateTime<Utc>| zone.offset_from_utc_datetime(&t.naive_utc()).fix().local_minus_utc();
            let (mut before, mut after) = ((wall - WIDEST_SHIFT).and_utc(), (wall + WIDEST_SHIFT).and_utc());
            let old_offset = offset(before);
            while after - before > Duration::seconds(1) {
                let middle = before + (after - before) / 2;
                if offset(middle) == old_offset { before = middle } else { after = middle }
            }
            // Zones change on whole seconds; the search may have stopped a fraction past one.
            DateTime::from_timestamp(after.timestamp(), 0).unwrap_or(after)
        }
    }
}

/// A cron expression. Five-field ones may need two rules, since Unix lets either day field match.
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    rules: Vec<cron::Schedule>,
}

const FIELDS: [&str; 7] = ["seconds", "minutes", "hours", "day of month", "month", "day of week", "year"];
const CRON_EXAMPLE: &str =
    "write for example \"0 30 5 * * MON-FRI\" (seconds minutes hours day-of-month month day-of-week)";

impl Cron {
    /// Wall-clock times in `from..until`, rising.
    fn walk(&self, from: NaiveDateTime, until: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        let after = (from - Duration::seconds(1)).and_utc();
        let mut walks: Vec<_> = self.rules.iter().map(|rule| rule.after_owned(after).peekable()).collect();
        std::iter::from_fn(move || {
            let next = walks.iter_mut().filter_map(|walk| walk.peek().copied()).min()?;
            for walk in &mut walks {
                walk.next_if_eq(&next);
            }
            Some(next.naive_utc())
        })
        .take_while(move |wall| *wall < until)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Cron {
    type Err = ScheduleError;
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let expressions = match fields[..] {
            [minute, hour, day, month, weekday] => {
                let weekday_set = unix_weekdays(weekday).ok_or_else(|| {
                    wrong(
                        "cron",
                        text,
                        format!("day of week {weekday:?} is not 0-7 (Sunday is 0 or 7) or a name such as MON"),
                    )
                })?;
                let either = !day.starts_with('*') && !weekday.starts_with('*');
                if either {
                    vec![
                        format!("0 {minute} {hour} {day} {month} *"),
                        format!("0 {minute} {hour} * {month} {weekday_set}"),
                    ]
                } else {
                    vec![format!("0 {minute} {hour} {day} {month} {weekday_set}")]
                }
            }
            [_, _, _, _, _, _] | [_, _, _, _, _, _, _] => vec![fields.join(" ")],
            _ => {
                let problem = format!("{} fields where 5, 6 or 7 are wanted; {CRON_EXAMPLE}", fields.len());
                return Err(wrong("cron", text, problem));
            }
        };
        let rules = expressions
            .iter()
            .map(|expression| cron::Schedule::from_str(expression).map_err(|_| unreadable(text, expression)))
            .collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), rules })
    }
}

/// Finds the field that the parser stumbled over, which its own message does not name.
fn unreadable(text: &str, expression: &str) -> ScheduleError {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    for (index, field) in fields.iter().enumerate() {
        let mut alone = vec!["*"; fields.len()];
        alone[index] = field;
        if cron::Schedule::from_str(&alone.join(" ")).is_err() {
            return wrong("cron", text, format!("{} {field:?} cannot be read; {CRON_EXAMPLE}", FIELDS[index]));
        }
    }
    wrong("cron", text, format!("cannot be read; {CRON_EXAMPLE}"))
}

/// A Unix day-of-week field as the `cron` crate writes it (1 = Sunday).
fn unix_weekdays(field: &str) -> Option<String> {
    const NAMES: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let day = |text: &str| {
        let named = NAMES.iter().position(|name| text.eq_ignore_ascii_case(name));
        named.or_else(|| text.parse().ok().filter(|day| *day <= 7))
    };
    let mut days = [false; 7];
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match range {
            "*" => (0, 6),
            _ => match range.split_once('-') {
                Some((first, last)) => (day(first)?, day(last)?),
                None if step > 1 => (day(range)?, 6),
                None => (day(range)?, day(range)?),
            },
        };
        if first > last {
            return None;
        }
        (first..=last).step_by(step).for_each(|day| days[day % 7] = true);
    }
    let list: Vec<String> = (1..=7).filter(|n| days[n - 1]).map(|n| n.to_string()).collect();
    (!list.is_empty()).then(|| if list.len() == 7 { "*".to_owned() } else { list.join(",") })
}

/// Most occurrences of one rule that anything here asks for: one every ten seconds for a fortnight.
pub const MAX_STARTS: usize = (14 * DAY_MS / 10_000) as usize;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    fn starts(cron: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
        let text = ScheduleText { cron: cron.into(), time_zone: Some(zone.into()), ..Default::default() };
        let schedule = Schedule::new("s".parse().unwrap(), &text).unwrap();
        let zone = schedule.rule.time_zone;
        let shown = |t: i64| DateTime::from_timestamp_millis(t).unwrap().with_timezone(&zone).to_rfc3339();
        schedule.rule.starts(ms(from), ms(until), 1000).into_iter().map(shown).collect()
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
        let schedule = Schedule::new("s".parse().unwrap(), &text).unwrap();
        let all = schedule.rule.starts(ms("2026-11-01T00:00:00Z"), ms("2026-12-31T00:00:00Z"), 1000);
        let expected = ["2026-11-24", "2026-11-25", "2026-11-27"].map(|d| ms(&format!("{d}T05:00:00+07:00")));
        assert_eq!(all, expected);
    }

    #[test]
    fn a_refused_field_is_named_with_something_that_works() {
        let check = |change: &dyn Fn(&mut ScheduleText), words: &[&str]| {
            let mut text = ScheduleText { cron: "0 0 5 * * *".into(), ..Default::default() };
            change(&mut text);
            let error = Schedule::new("s".parse().unwrap(), &text).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error:?} should name {words:?}");
        };
        check(&|t| t.cron = "0 0 25 * * *".into(), &["cron", "hours", "25", "write for example"]);
        check(&|t| t.cron = "0 0 5 L * *".into(), &["cron", "day of month", "\"L\""]);
        check(&|t| t.cron = "5 * *".into(), &["3 fields"]);
        check(&|t| t.cron = "0 5 * * 8".into(), &["day of week", "8"]);
        check(&|t| t.time_zone = Some("Hanoi".into()), &["time_zone", "Hanoi", "Asia/Ho_Chi_Minh"]);
        check(&|t| t.from = Some("02/09/2026".into()), &["from", "02/09/2026", "2026-09-02"]);
        check(&|t| t.until = Some("2026-02-30".into()), &["until", "2026-02-30"]);
        check(&|t| t.only_on = vec!["lunar:15".into()], &["only_on", "lunar:15", "2026-09-02"]);
        check(&|t| t.duration_s = Some(0), &["duration_s", "86400"]);
        check(&|t| t.priority = Some("urgent".into()), &["priority", "urgent", "emergency"]);
        check(&|t| t.volume_db = Some(3.0), &["volume_db", "3"]);
        check(&|t| t.targets = vec!["Hà Nội".into()], &["targets", "24133"]);
    }
}
