//! Cron expressions and the simple forms, both as a [`Recurrence`]: which dates, and which times of day.
//!
//! The `cron` crate reads the fields; walking the calendar is ours, so that years beyond its range, zones and the last day of a month are
//! decided here alone. What each dialect means:
//!
//! | fields | dialect |
//! |---|---|
//! | 6, 7 | seconds minutes hours day-of-month month day-of-week \[year]; days of the week 1-7 **from Sunday** (the crate's and Quartz's count), or names; a date must match **both** day fields |
//! | 5 | Unix: minutes hours day-of-month month day-of-week; days of the week 0-7, **Sunday is 0 and 7**, or names; where both day fields are restricted (neither begins with a star) **either** may match |
//! | `?` | in a day field: any, like `*` |
//! | `L`, `L-3` | day of month: the last day, the third before it |
//! | `15W`, `LW` | day of month: the working day (Monday to Friday) nearest to the 15th within the month, the last one |
//! | `6L`, `FRIL` | day of week: the last Friday (`5L` in Unix count) |
//! | `6#3`, `FRI#3` | day of week: the third Friday; `#5` only in months that have a fifth |

use std::collections::BTreeSet;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate, NaiveTime, Weekday};
use cron::TimeUnitSpec;

use super::{ScheduleError, wrong};

/// Dates and times of day, without a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurrence {
    pub(super) dates: Dates,
    times: Times,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dates {
    /// `None` = every year.
    pub(super) years: Option<BTreeSet<u32>>,
    /// Bit n = month n.
    pub(super) months: u16,
    pub(super) month_days: Option<MonthDays>,
    pub(super) weekdays: Option<Weekdays>,
    /// One of the two day fields is enough.
    pub(super) either: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MonthDays {
    /// Bit n = day n.
    pub(super) numbers: u32,
    pub(super) special: Vec<MonthDay>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MonthDay {
    /// The last day of the month, or that many days before it.
    BeforeLast(u32),
    /// The working day nearest to this day.
    WorkingDayNear(u32),
    LastWorkingDay,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Weekdays {
    /// Bit n = n days from Sunday.
    pub(super) numbers: u8,
    pub(super) special: Vec<WeekdayInMonth>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WeekdayInMonth {
    /// Days from Sunday.
    pub(super) weekday: u32,
    /// 1-5, or the last one.
    pub(super) nth: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Times {
    /// Every combination.
    Product {
        hours: Vec<u32>,
        minutes: Vec<u32>,
        seconds: Vec<u32>,
    },
    List(Vec<NaiveTime>),
}

impl Recurrence {
    /// The simple form: at these times, on these weekdays (days from Sunday; empty = all), on these days of the month (negative
    /// ones from its end, -1 is the last; empty = all).
    pub fn simple(mut times: Vec<NaiveTime>, weekdays: &[u32], month_days: &[i32]) -> Self {
        times.sort_unstable();
        times.dedup();
        let mut wanted = MonthDays::default();
        for day in month_days {
            match u32::try_from(*day) {
                Ok(day) => wanted.numbers |= 1 << day.min(31),
                Err(_) => wanted.special.push(MonthDay::BeforeLast(day.unsigned_abs().saturating_sub(1))),
            }
        }
        let dates = Dates {
            years: None,
            months: u16::MAX,
            month_days: (!month_days.is_empty()).then_some(wanted),
            weekdays: (!weekdays.is_empty()).then(|| Weekdays {
                numbers: weekdays.iter().fold(0, |bits, day| bits | 1 << (day % 7)),
                special: vec![],
            }),
            either: false,
        };
        Self { dates, times: Times::List(times) }
    }

    pub fn falls_on(&self, date: NaiveDate) -> bool {
        let dates = &self.dates;
        let year = u32::try_from(date.year()).unwrap_or(0);
        if dates.months & (1 << date.month()) == 0 || dates.years.as_ref().is_some_and(|years| !years.contains(&year)) {
            return false;
        }
        let by_month = dates.month_days.as_ref().map(|days| days.hold(date));
        let by_week = dates.weekdays.as_ref().map(|days| days.hold(date));
        match (by_month, by_week) {
            (Some(a), Some(b)) if dates.either => a || b,
            (a, b) => a.unwrap_or(true) && b.unwrap_or(true),
        }
    }

    /// The times of day, rising.
    pub fn times(&self) -> Box<dyn Iterator<Item = NaiveTime> + '_> {
        match &self.times {
            Times::List(times) => Box::new(times.iter().copied()),
            Times::Product { hours, minutes, seconds } => Box::new(hours.iter().flat_map(move |hour| {
                minutes.iter().flat_map(move |minute| {
                    seconds.iter().filter_map(move |second| NaiveTime::from_hms_opt(*hour, *minute, *second))
                })
            })),
        }
    }
}

fn month_length(date: NaiveDate) -> u32 {
    u32::from(date.num_days_in_month())
}

fn is_working_day(date: NaiveDate) -> bool {
    !matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

impl MonthDays {
    fn hold(&self, date: NaiveDate) -> bool {
        self.numbers & (1 << date.day()) != 0 || self.special.iter().any(|special| special.holds(date))
    }
}

impl MonthDay {
    fn holds(self, date: NaiveDate) -> bool {
        let last = month_length(date);
        match self {
            Self::BeforeLast(days) => date.day() + days == last,
            Self::LastWorkingDay => {
                is_working_day(date)
                    && (date.day() + 1..=last).filter_map(|day| date.with_day(day)).all(|later| !is_working_day(later))
            }
            Self::WorkingDayNear(day) => {
                let Some(wanted) = date.with_day(day) else { return false };
                let shift = match wanted.weekday() {
                    Weekday::Sat if day == 1 => 2,
                    Weekday::Sat => -1,
                    Weekday::Sun if day == last => -2,
                    Weekday::Sun => 1,
                    _ => 0,
                };
                i64::from(date.day()) == i64::from(day) + shift
            }
        }
    }
}

impl Weekdays {
    fn hold(&self, date: NaiveDate) -> bool {
        let weekday = date.weekday().num_days_from_sunday();
        let in_month = |special: &WeekdayInMonth| {
            special.weekday == weekday
                && match special.nth {
                    Some(nth) => date.day().div_ceil(7) == nth,
                    None => date.day() + 7 > month_length(date),
                }
        };
        self.numbers & (1 << weekday) != 0 || self.special.iter().any(in_month)
    }
}

const FIELDS: [&str; 7] = ["seconds", "minutes", "hours", "day of month", "month", "day of week", "year"];
/// Something that works for each field.
const EXAMPLES: [&str; 7] = [
    "\"0 30 5 * * *\" (at second 0)",
    "\"0 30 5 * * *\" (at minute 30)",
    "\"0 30 5,17 * * *\" (at 5 and 17 o'clock)",
    "\"0 30 5 1,15 * *\", \"0 30 5 L * *\" (the last day) or \"0 30 5 15W * *\" (the working day nearest to the 15th)",
    "\"0 30 5 1 1-6 *\" or \"0 30 5 1 JAN *\"",
    "\"0 30 5 ? * MON-FRI\", \"0 30 5 ? * FRI#3\" (the third Friday) or \"0 30 5 ? * FRIL\" (the last)",
    "\"0 30 5 * * * 2027-2030\" (1970 to 2100)",
];
const UNIX_EXAMPLES: [&str; 7] = [
    "",
    "\"30 5 * * *\" (at minute 30)",
    "\"30 5,17 * * *\" (at 5 and 17 o'clock)",
    "\"30 5 1,15 * *\", \"30 5 L * *\" (the last day) or \"30 5 15W * *\" (the working day nearest to the 15th)",
    "\"30 5 1 1-6 *\" or \"30 5 1 JAN *\"",
    "\"30 5 * * 1-5\", \"30 5 * * FRI#3\" (the third Friday) or \"30 5 * * FRIL\" (the last)",
    "",
];
const CRON_EXAMPLE: &str =
    "write for example \"0 30 5 * * MON-FRI\" (seconds minutes hours day-of-month month day-of-week)";

impl FromStr for Recurrence {
    type Err = ScheduleError;
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        match fields[..] {
            [minutes, hours, month_days, months, weekdays] => {
                let either = !begins_with_any(month_days) && !begins_with_any(weekdays);
                read(text, ["0", minutes, hours, month_days, months, weekdays], "*", Some(either))
            }
            [seconds, minutes, hours, month_days, months, weekdays] => {
                read(text, [seconds, minutes, hours, month_days, months, weekdays], "*", None)
            }
            [seconds, minutes, hours, month_days, months, weekdays, years] => {
                read(text, [seconds, minutes, hours, month_days, months, weekdays], years, None)
            }
            _ => {
                let s = if fields.len() == 1 { "" } else { "s" };
                let problem = format!("{} field{s} where 5, 6 or 7 are wanted; {CRON_EXAMPLE}", fields.len());
                Err(wrong("cron", text, problem))
            }
        }
    }
}

fn begins_with_any(field: &str) -> bool {
    field.starts_with(['*', '?'])
}

/// Reads six fields and the years. `unix` is present for the Unix dialect and says whether either day field is enough.
fn read(text: &str, fields: [&str; 6], years: &str, unix: Option<bool>) -> Result<Recurrence, ScheduleError> {
    let refuse = |index: usize, value: &str| refused(text, index, value, unix.is_some());
    let one = |index: usize, value: &str| -> Result<cron::Schedule, ScheduleError> {
        // An empty part would leave the place to the next field, and mean any.
        if value.split(',').any(str::is_empty) {
            return Err(refuse(index, value));
        }
        let mut alone = ["*"; 7];
        alone[index] = value;
        cron::Schedule::from_str(&alone.join(" ")).map_err(|_| refuse(index, value))
    };
    let all = |index| one(index, fields[index]);
    let month_days = match is_any(fields[3]) {
        true => None,
        false => Some(month_days(fields[3], &one).ok_or_else(|| refuse(3, fields[3]))?),
    };
    let weekdays = match is_any(fields[5]) {
        true => None,
        false => Some(weekdays(fields[5], unix.is_some(), &one).ok_or_else(|| refuse(5, fields[5]))?),
    };
    let years = one(6, years)?;
    let dates = Dates {
        years: (!years.years().is_all()).then(|| years.years().iter().collect()),
        months: all(4)?.months().iter().fold(0, |bits, month| bits | 1 << month),
        month_days,
        weekdays,
        either: unix == Some(true),
    };
    let times = Times::Product {
        hours: all(2)?.hours().iter().collect(),
        minutes: all(1)?.minutes().iter().collect(),
        seconds: all(0)?.seconds().iter().collect(),
    };
    Ok(Recurrence { dates, times })
}

fn is_any(field: &str) -> bool {
    matches!(field, "*" | "?")
}

fn month_days(field: &str, one: &impl Fn(usize, &str) -> Result<cron::Schedule, ScheduleError>) -> Option<MonthDays> {
    let mut days = MonthDays::default();
    for part in field.to_ascii_uppercase().split(',') {
        let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        if part == "L" {
            days.special.push(MonthDay::BeforeLast(0));
        } else if part == "LW" || part == "WL" {
            days.special.push(MonthDay::LastWorkingDay);
        } else if let Some(before) = part.strip_prefix("L-") {
            days.special.push(MonthDay::BeforeLast(number(before).filter(|days| *days <= 30)?));
        } else if let Some(near) = part.strip_suffix('W') {
            days.special.push(MonthDay::WorkingDayNear(number(near).filter(|day| (1..=31).contains(day))?));
        } else {
            days.numbers |= one(3, part).ok()?.days_of_month().iter().fold(0, |bits, day| bits | 1 << day);
        }
    }
    Some(days)
}

fn weekdays(
    field: &str,
    unix: bool,
    one: &impl Fn(usize, &str) -> Result<cron::Schedule, ScheduleError>,
) -> Option<Weekdays> {
    // A single day, in days from Sunday.
    let day = |text: &str| -> Option<u32> {
        match text.parse::<u32>() {
            Ok(number) if unix => (number <= 7).then_some(number % 7),
            Ok(number) => (1..=7).contains(&number).then(|| number - 1),
            Err(_) => weekday_by_name(text),
        }
    };
    let mut days = Weekdays::default();
    for part in field.to_ascii_uppercase().split(',') {
        if let Some((weekday, nth)) = part.split_once('#') {
            let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth))?;
            days.special.push(WeekdayInMonth { weekday: day(weekday)?, nth: Some(nth) });
        } else if let Some(weekday) = part.strip_suffix('L').filter(|weekday| day(weekday).is_some()) {
            days.special.push(WeekdayInMonth { weekday: day(weekday)?, nth: None });
        } else if unix {
            days.numbers |= unix_weekdays(part, &day)?;
        } else {
            days.numbers |= one(5, part).ok()?.days_of_week().iter().fold(0, |bits, day| bits | 1 << (day - 1));
        }
    }
    Some(days)
}

const WEEKDAYS: [&str; 7] = ["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"];

/// Days from Sunday of an English name, whole or of three letters.
fn weekday_by_name(text: &str) -> Option<u32> {
    let text = text.to_ascii_uppercase();
    WEEKDAYS.iter().position(|name| *name == text || name[..3] == *text).map(|index| index as u32)
}

/// Days from Sunday of a weekday as people write it: mon, monday, t2 (thứ hai) to t7, cn (chủ nhật).
pub fn weekday(text: &str) -> Option<u32> {
    match text.trim().to_lowercase().as_str() {
        "cn" | "chủ nhật" => Some(0),
        "t2" | "thứ hai" => Some(1),
        "t3" | "thứ ba" => Some(2),
        "t4" | "thứ tư" => Some(3),
        "t5" | "thứ năm" => Some(4),
        "t6" | "thứ sáu" => Some(5),
        "t7" | "thứ bảy" => Some(6),
        name => weekday_by_name(name),
    }
}

/// One part of a Unix day-of-week field: `*`, `n`, `a-b`, each with a step.
fn unix_weekdays(part: &str, day: &impl Fn(&str) -> Option<u32>) -> Option<u8> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
        None => (part, 1),
    };
    // Sunday may be written 7, and a range that begins there goes on from Sunday.
    let number = |text: &str| if text == "7" { Some(7) } else { day(text) };
    let (first, last) = match range.split_once('-') {
        _ if range == "*" || range == "?" => (0, 6),
        Some(("7", last)) => (7, if number(last)? == 7 || day(last)? == 0 { 7 } else { return None }),
        // A range may end with Sunday, as 7 or by name.
        Some((first, last)) => {
            let from = day(first)?;
            (from, if last == "7" || (day(last)? == 0 && from > 0) { 7 } else { day(last)? })
        }
        None if part.contains('/') => (number(range)?, 7),
        None => (day(range)?, day(range)?),
    };
    (first <= last).then(|| (first..=last).step_by(step).fold(0, |bits, day| bits | 1 << (day % 7)))
}

/// Why a field cannot be read, with what its signs mean and something that works.
fn refused(text: &str, index: usize, value: &str, unix: bool) -> ScheduleError {
    let upper = value.to_ascii_uppercase();
    let hint = match index {
        3 if upper.contains('#') => "'#' counts weekdays and belongs to the day of week; ",
        5 if upper == "L" => "'L' alone is the last day of the month and belongs to the day of month; ",
        5 if upper.contains('W') && upper.trim_end_matches('W').parse::<u32>().is_ok() => {
            "'W' belongs to the day of month; "
        }
        _ if is_reversed(&upper) => "a range goes from the lower to the higher; ",
        5 if unix => "days of the week are 0-7 here (Sunday is 0 and 7) or names; ",
        5 => "days of the week are 1-7 from Sunday here or names; ",
        0 | 1 | 2 | 4 | 6 if upper.contains('?') => "'?' may stand only in the two day fields; ",
        0 | 1 | 2 | 4 | 6 if upper == "L" || upper.ends_with('W') || upper.contains('#') => {
            "L, W and # may stand only in the two day fields; "
        }
        _ => "",
    };
    let example = if unix { UNIX_EXAMPLES[index] } else { EXAMPLES[index] };
    wrong("cron", text, format!("{} {value:?} cannot be read; {hint}write for example {example}", FIELDS[index]))
}

/// Whether a list holds a range of numbers the wrong way round.
fn is_reversed(field: &str) -> bool {
    let reversed = |part: &str| {
        let (first, last) = part.split('/').next()?.split_once('-')?;
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        Some(first > last)
    };
    field.split(',').any(|part| reversed(part) == Some(true))
}
