//! Lawful hours: when a place may be addressed, and for how long.
//!
//! The authority signs them for an area; children inherit, and where several apply all must allow it: the stricter wins. The planner keeps to
//! them, and so does every controller, by the same functions, from statements that the center cannot make. Emergencies alone
//! pass.

use chrono::{DateTime, Days, NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::{AreaCode, SiteId};
use super::schedule::DEFAULT_TIME_ZONE;
use super::schedule::rule::instant;

/// Signed by the authority: in this area and below, sound is lawful in these windows only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoursStatement {
    pub site: SiteId,
    pub area: AreaCode,
    /// Rises with every change; a speaker never goes back.
    pub version: u64,
    pub time_zone: String,
    /// From and to, as HH:MM of each local day; 24:00 is its end. Empty = never.
    pub windows: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_session_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_day_s: Option<u32>,
    pub made_ms: i64,
}

/// One area's hours, read and found sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    time_zone: Tz,
    /// Seconds of the local day, rising, apart from each other.
    windows: Vec<(u32, u32)>,
    max_session_ms: Option<i64>,
    max_day_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field} = {value:?}: {problem}")]
pub struct HoursError {
    pub field: &'static str,
    pub value: String,
    pub problem: &'static str,
}

const DAY_S: u32 = 86_400;
const MAX_WINDOWS: usize = 24;

impl Hours {
    /// What holds where the authority has said nothing: 05:00 to 22:00 in Vietnam.
    pub fn unless_said() -> Self {
        Self {
            time_zone: DEFAULT_TIME_ZONE,
            windows: vec![(5 * 3600, 22 * 3600)],
            max_session_ms: None,
            max_day_ms: None,
        }
    }

    pub fn new(statement: &HoursStatement) -> Result<Self, HoursError> {
        let wrong = |field, value: &str, problem| HoursError { field, value: value.to_owned(), problem };
        let time_zone = statement.time_zone.parse().map_err(|_| {
            wrong("time_zone", &statement.time_zone, "not an IANA time zone; write for example \"Asia/Ho_Chi_Minh\"")
        })?;
        let mut windows = vec![];
        for (from, to) in &statement.windows {
            let shown = format!("{from}-{to}");
            let problem = "not a window of one day; write from-to, such as \"05:00-06:30\" or \"00:00-24:00\"";
            let (Some(from), Some(to)) = (second_of_day(from), second_of_day(to)) else {
                return Err(wrong("windows", &shown, problem));
            };
            if from >= to {
                let problem =
                    "it ends before it begins; write a night in two parts, such as \"22:00-24:00\" and \"00:00-05:00\"";
                return Err(wrong("windows", &shown, problem));
            }
            windows.push((from, to));
        }
        windows.sort_unstable();
        if windows.len() > MAX_WINDOWS || windows.windows(2).any(|pair| pair[0].1 > pair[1].0) {
            let shown = format!("{:?}", statement.windows);
            return Err(wrong(
                "windows",
                &shown,
                "at most 24, none overlapping; write for example \"05:00-06:30\", \"17:00-18:00\"",
            ));
        }
        let ms = |field, limit: Option<u32>| match limit {
            Some(0) => Err(wrong(field, "0", "leave it out for no limit, or write for example 3600")),
            limit => Ok(limit.map(|s| i64::from(s) * 1000)),
        };
        Ok(Self {
            time_zone,
            windows,
            max_session_ms: ms("max_session_s", statement.max_session_s)?,
            max_day_ms: ms("max_day_s", statement.max_day_s)?,
        })
    }

    /// The open stretches that touch `from_ms..until_ms`, rising; those that meet are one.
    fn open(&self, from_ms: i64, until_ms: i64) -> Vec<(i64, i64)> {
        let mut open: Vec<(i64, i64)> = vec![];
        for midnight in self.midnights(from_ms, until_ms) {
            for (from, to) in &self.windows {
                let (start_ms, end_ms) = (self.at(midnight, *from), self.at(midnight, *to));
                match open.last_mut().filter(|last| last.1 >= start_ms) {
                    Some(last) => last.1 = last.1.max(end_ms),
                    None if end_ms > start_ms => open.push((start_ms, end_ms)),
                    None => {}
                }
            }
        }
        open
    }

    /// Every local date that has a part in the window.
    fn midnights(&self, from_ms: i64, until_ms: i64) -> impl Iterator<Item = chrono::NaiveDate> {
        let local = |ms: i64| {
            DateTime::from_timestamp_millis(ms)
                .map(|time| self.time_zone.from_utc_datetime(&time.naive_utc()).date_naive())
        };
        let (first, last) = (local(from_ms), local(until_ms));
        first.zip(last).into_iter().flat_map(|(first, last)| first.iter_days().take_while(move |date| *date <= last))
    }

    fn at(&self, date: chrono::NaiveDate, second: u32) -> i64 {
        let wall = match NaiveTime::from_num_seconds_from_midnight_opt(second, 0) {
            Some(time) => date.and_time(time),
            None => date.checked_add_days(Days::new(1)).unwrap_or(date).and_time(NaiveTime::MIN),
        };
        instant(self.time_zone, wall).timestamp_millis()
    }
}

/// Seconds after midnight of `HH:MM`; 24:00 is the end of the day.
pub fn second_of_day(text: &str) -> Option<u32> {
    if text == "24:00" {
        return Some(DAY_S);
    }
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok()?;
    (text.len() == 5).then(|| time.num_seconds_from_midnight())
}

/// All hours that hold at one place, worked out over a window of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Openings {
    /// Rising, apart from each other.
    pub open: Vec<(i64, i64)>,
    pub max_session_ms: Option<i64>,
    /// Local days as Unix ms with the most that may sound in each; one list for each area that limits the day.
    pub days: Vec<(Vec<i64>, i64)>,
}

impl Openings {
    /// What all of `hours` allow together between `from_ms` and `until_ms`; with none, what holds where nothing was said.
    pub fn new(hours: &[Hours], from_ms: i64, until_ms: i64) -> Self {
        let usual = [Hours::unless_said()];
        let hours = if hours.is_empty() { &usual } else { hours };
        let mut open = vec![(i64::MIN, i64::MAX)];
        for one in hours {
            open = intersection(&open, &one.open(from_ms, until_ms));
        }
        let days = hours.iter().filter_map(|one| {
            let limit = one.max_day_ms?;
            Some((one.midnights(from_ms, until_ms).map(|date| one.at(date, 0)).collect(), limit))
        });
        Self { open, max_session_ms: hours.iter().filter_map(|one| one.max_session_ms).min(), days: days.collect() }
    }

    /// No limits at all: what an emergency has.
    pub fn always() -> Self {
        Self { open: vec![(i64::MIN, i64::MAX)], max_session_ms: None, days: vec![] }
    }

    /// The end of the open stretch in which `ms` lies.
    pub fn open_until(&self, ms: i64) -> Option<i64> {
        let index = self.open.partition_point(|(_, end_ms)| *end_ms <= ms);
        self.open.get(index).filter(|(start_ms, _)| *start_ms <= ms).map(|(_, end_ms)| *end_ms)
    }

    /// Whether sound may run from `from_ms` to `until_ms` without a break.
    pub fn allow(&self, from_ms: i64, until_ms: i64) -> bool {
        self.open_until(from_ms).is_some_and(|end_ms| until_ms <= end_ms)
            && self.max_session_ms.is_none_or(|most| until_ms - from_ms <= most)
    }
}

fn intersection(a: &[(i64, i64)], b: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let (mut i, mut j, mut both) = (0, 0, vec![]);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (start, end) = (x.0.max(y.0), x.1.min(y.1));
        if start < end {
            both.push((start, end));
        }
        if x.1 < y.1 { i += 1 } else { j += 1 }
    }
    both
}

/// How much has sounded on each limited local day.
#[derive(Debug, Default)]
pub struct DayBudget {
    used: std::collections::BTreeMap<(usize, usize), i64>,
}

impl DayBudget {
    /// Takes `length_ms` of sound from `start_ms` on if every day it touches still allows it.
    pub fn take(&mut self, openings: &Openings, start_ms: i64, length_ms: i64) -> bool {
        let mut shares = vec![];
        for (list, (days, limit)) in openings.days.iter().enumerate() {
            let first = days.partition_point(|midnight| *midnight <= start_ms).saturating_sub(1);
            for day in first..days.len() {
                let from_ms = days[day].max(start_ms);
                let until_ms = days.get(day + 1).copied().unwrap_or(i64::MAX).min(start_ms + length_ms);
                if from_ms >= until_ms {
                    break;
                }
                let used = self.used.get(&(list, day)).copied().unwrap_or(0) + until_ms - from_ms;
                if used > *limit {
                    return false;
                }
                shares.push(((list, day), used));
            }
        }
        self.used.extend(shares);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(windows: &[(&str, &str)], session: Option<u32>, day: Option<u32>) -> HoursStatement {
        HoursStatement {
            site: "mau".parse().unwrap(),
            area: "66".parse().unwrap(),
            version: 1,
            time_zone: "Asia/Ho_Chi_Minh".into(),
            windows: windows.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            max_session_s: session,
            max_day_s: day,
            made_ms: 0,
        }
    }

    fn ms(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    fn openings(list: &[HoursStatement]) -> Openings {
        let hours: Vec<_> = list.iter().map(|one| Hours::new(one).unwrap()).collect();
        Openings::new(&hours, ms("2026-11-23T00:00:00+07:00"), ms("2026-11-26T00:00:00+07:00"))
    }

    #[test]
    fn children_inherit_and_the_stricter_wins() {
        let province = statement(&[("05:00", "21:00")], None, Some(7200));
        let commune = statement(&[("04:00", "06:30"), ("16:30", "22:00")], Some(1800), None);
        let both = openings(&[province, commune]);
        let allow = |from: &str, to: &str| {
            both.allow(ms(&format!("2026-11-23T{from}:00+07:00")), ms(&format!("2026-11-23T{to}:00+07:00")))
        };
        assert!(!allow("03:15", "03:20") && !allow("04:30", "04:40"));
        assert!(allow("05:00", "05:30") && !allow("05:00", "05:31"));
        assert!(!allow("06:15", "06:40") && !allow("12:00", "12:01"));
        assert!(allow("20:45", "21:00") && !allow("20:45", "21:01"));
        assert_eq!(both.days.len(), 1);
    }

    #[test]
    fn where_nothing_was_said_the_night_is_quiet() {
        let usual = openings(&[]);
        assert!(!usual.allow(ms("2026-11-23T03:15:00+07:00"), ms("2026-11-23T03:16:00+07:00")));
        assert!(usual.allow(ms("2026-11-23T05:00:00+07:00"), ms("2026-11-23T22:00:00+07:00")));
        assert!(!usual.allow(ms("2026-11-23T21:59:00+07:00"), ms("2026-11-23T22:00:01+07:00")));
    }

    #[test]
    fn an_open_night_runs_through_midnight_and_days_are_counted_apart() {
        let open = openings(&[statement(&[("00:00", "24:00")], None, Some(3600))]);
        let start = ms("2026-11-23T23:30:00+07:00");
        assert!(open.allow(start, start + 3_600_000));
        let mut budget = DayBudget::default();
        assert!(budget.take(&open, start, 3_600_000), "half an hour on each day");
        assert!(!budget.take(&open, start - 3_600_000, 3_000_000), "the first day has half an hour left");
        assert!(budget.take(&open, start - 3_600_000, 1_800_000));
        assert!(budget.take(&open, start + 3_600_000, 1_800_000), "and so has the second");
        assert!(!budget.take(&open, start + 6_000_000, 1));
    }

    #[test]
    fn windows_that_make_no_sense_are_named() {
        for windows in [
            &[("06:00", "05:00")][..],
            &[("5:00", "06:00")],
            &[("05:00", "25:00")],
            &[("05:00", "07:00"), ("06:00", "08:00")],
        ] {
            let error = Hours::new(&statement(windows, None, None)).unwrap_err().to_string();
            assert!(error.contains("windows") && error.contains("05:00"), "{error}");
        }
        assert!(Hours::new(&statement(&[], Some(0), None)).is_err());
        assert!(openings(&[statement(&[], None, None)]).open.is_empty());
    }
}
