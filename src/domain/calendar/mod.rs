//! Named days: solar and lunar dates, public holidays, and an office's own calendars.
//!
//! A rule names days by text; [`Calendars::days`] is the reading of that text:
//!
//! | text | days |
//! |---|---|
//! | `2026-09-02` | that date |
//! | `2026-09-05..2027-05-31` | from the first to the last, both included |
//! | `solar:2/9` | 2 September of every year |
//! | `lunar:15` | the 15th of every lunar month, leap months too |
//! | `lunar:last` | the last day (29 or 30) of every lunar month |
//! | `lunar:1/1`, `lunar:last/12` | day/month of every lunar year, not in a leap month; the second is New Year's Eve |
//! | `lunar:15/6+` | in the leap sixth month, in years that have one |
//! | `holidays:vn` | days off by law in Vietnam, with what the calendar `vn` adds or takes away |
//! | `calendar:NAME` | an office's own calendar: days of mourning, festivals, school terms |

pub mod holidays;
pub mod lunar;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use super::ids::CalendarId;
use lunar::{lunar_date, month_length};

/// A calendar as people write it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct CalendarText {
    pub title: String,
    /// Days as rules name them, other calendars excepted.
    pub days: Vec<String>,
    /// Days that are not in it after all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
}

/// One named set of days.
#[derive(Debug, Clone, PartialEq)]
pub enum Days {
    Between(NaiveDate, NaiveDate),
    Solar { day: u32, month: u32 },
    Lunar { day: LunarDay, month: Option<LunarMonth> },
    PublicHolidays(Option<Arc<Calendar>>),
    Own(Arc<Calendar>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LunarDay {
    Number(u32),
    Last,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LunarMonth {
    pub number: u32,
    pub leap: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calendar {
    days: Vec<Days>,
    except: Vec<Days>,
}

/// The office's own calendars by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calendars {
    calendars: BTreeMap<CalendarId, Arc<Calendar>>,
}

impl Days {
    pub fn hold(&self, date: NaiveDate) -> bool {
        match self {
            Self::Between(first, last) => (*first..=*last).contains(&date),
            Self::Solar { day, month } => (date.day(), date.month()) == (*day, *month),
            Self::Lunar { day, month } => lunar_date(date).is_some_and(|lunar| {
                let on_day = match day {
                    LunarDay::Number(number) => lunar.day == *number,
                    LunarDay::Last => month_length(lunar) == Some(lunar.day),
                };
                on_day && month.is_none_or(|month| (lunar.month, lunar.leap) == (month.number, month.leap))
            }),
            Self::PublicHolidays(own) => match own {
                Some(own) if own.takes_away(date) => false,
                Some(own) if own.hold(date) => true,
                _ => holidays::vietnam(date),
            },
            Self::Own(calendar) => calendar.hold(date),
        }
    }
}

impl Calendar {
    fn takes_away(&self, date: NaiveDate) -> bool {
        self.except.iter().any(|days| days.hold(date))
    }

    fn hold(&self, date: NaiveDate) -> bool {
        self.days.iter().any(|days| days.hold(date)) && !self.takes_away(date)
    }
}

impl Calendars {
    /// Reads calendars; the error names the calendar, the field and the value.
    pub fn new<'a>(texts: impl IntoIterator<Item = (&'a CalendarId, &'a CalendarText)>) -> Result<Self, String> {
        let mut calendars = BTreeMap::new();
        for (id, text) in texts {
            let read = |field: &str, list: &[String]| -> Result<Vec<Days>, String> {
                let one = |days: &String| match days.starts_with("calendar:") {
                    true => Err("a calendar cannot name another; write its days out".to_owned()),
                    false => Self::default().days(days),
                };
                let named = |days: &String| one(days).map_err(|e| format!("[calendar.{id}] {field} = {days:?}: {e}"));
                list.iter().map(named).collect()
            };
            let calendar = Calendar { days: read("days", &text.days)?, except: read("except", &text.except)? };
            calendars.insert(id.clone(), Arc::new(calendar));
        }
        Ok(Self { calendars })
    }

    /// The days that a text names, or what is wrong with it and what would work.
    pub fn days(&self, text: &str) -> Result<Days, String> {
        if let Some(name) = text.strip_prefix("holidays:") {
            let own = || self.calendars.iter().find(|(id, _)| id.as_str() == "vn").map(|(_, own)| own.clone());
            return match name {
                "vn" => Ok(Days::PublicHolidays(own())),
                _ => Err("only Vietnam's are built in: write \"holidays:vn\"; for others make a calendar and write \"calendar:NAME\"".into()),
            };
        }
        if let Some(name) = text.strip_prefix("calendar:") {
            let found = self.calendars.iter().find(|(id, _)| id.as_str() == name);
            return found.map(|(_, calendar)| Days::Own(calendar.clone())).ok_or_else(|| {
                let known: Vec<_> = self.calendars.keys().map(CalendarId::as_str).collect();
                let known = if known.is_empty() { "there is none yet".into() } else { format!("there is {}", known.join(", ")) };
                format!("no calendar of that name ({known}); add it first, in a file as [calendar.{name}] days = [\"2026-09-05..2027-05-31\"]")
            });
        }
        if let Some(day) = text.strip_prefix("lunar:") {
            let example = "write \"lunar:15\" (every month), \"lunar:1/1\" (day/month), \"lunar:last/12\" or \"lunar:15/6+\" (leap month)";
            return lunar_days(day).ok_or_else(|| format!("not a lunar date; {example}"));
        }
        if let Some(day) = text.strip_prefix("solar:") {
            return solar_days(day).ok_or_else(|| "not a day and month; write \"solar:2/9\" for 2 September".into());
        }
        if let Some((first, last)) = text.split_once("..") {
            let (first, last) = (date(first)?, date(last)?);
            return if first <= last {
                Ok(Days::Between(first, last))
            } else {
                Err(format!("{last} is before {first}; write the earlier one first"))
            };
        }
        let day = date(text)?;
        Ok(Days::Between(day, day))
    }
}

fn lunar_days(text: &str) -> Option<Days> {
    let (day, month) = match text.split_once('/') {
        None => (text, None),
        Some((day, month)) => {
            let (number, leap) = month.strip_suffix('+').map_or((month, false), |number| (number, true));
            (day, Some(LunarMonth { number: number_in(number, 1..=12)?, leap }))
        }
    };
    let day = if day == "last" { LunarDay::Last } else { LunarDay::Number(number_in(day, 1..=30)?) };
    Some(Days::Lunar { day, month })
}

fn solar_days(text: &str) -> Option<Days> {
    let (day, month) = text.split_once('/')?;
    let (day, month) = (number_in(day, 1..=31)?, number_in(month, 1..=12)?);
    // 2000 was a leap year: every day that exists in some year exists there.
    NaiveDate::from_ymd_opt(2000, month, day).map(|_| Days::Solar { day, month })
}

fn number_in(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let digits = text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| digits && range.contains(number))
}

/// A date written year-month-day, from 1900 to 2199.
pub fn date(text: &str) -> Result<NaiveDate, String> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|date| date.format("%Y-%m-%d").to_string() == text && (1900..2200).contains(&date.year()))
        .ok_or_else(|| {
            "not a date; write year-month-day such as \"2026-09-02\", or \"lunar:15\", \"solar:2/9\", \"holidays:vn\", \"calendar:NAME\"".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn texts_name_the_days_that_the_table_says() {
        let cases = [
            ("2026-09-02", on(2026, 9, 2), on(2027, 9, 2)),
            ("2026-09-05..2027-05-31", on(2027, 5, 31), on(2027, 6, 1)),
            ("solar:29/2", on(2028, 2, 29), on(2028, 2, 28)),
            ("lunar:15", on(2026, 11, 23), on(2026, 11, 22)),
            ("lunar:1/1", on(2026, 2, 17), on(2026, 3, 19)),
            ("lunar:last/12", on(2026, 2, 16), on(2026, 2, 15)),
            // 2025 had a leap sixth month: the plain month, then the leap one
            ("lunar:1/6", on(2025, 6, 25), on(2025, 7, 25)),
            ("lunar:1/6+", on(2025, 7, 25), on(2025, 6, 25)),
            ("holidays:vn", on(2026, 9, 1), on(2026, 9, 3)),
        ];
        for (text, yes, no) in cases {
            let days = Calendars::default().days(text).unwrap();
            assert!(days.hold(yes) && !days.hold(no), "{text}");
        }
    }

    #[test]
    fn own_calendars_add_to_the_holidays_and_take_away() {
        let text = |days: &[&str], except: &[&str]| CalendarText {
            title: String::new(),
            days: days.iter().map(|d| (*d).to_owned()).collect(),
            except: except.iter().map(|d| (*d).to_owned()).collect(),
        };
        let (vn, term) = ("vn".parse().unwrap(), "nam-hoc".parse().unwrap());
        let (added, term_days) =
            (text(&["2027-02-12"], &["2027-01-01"]), text(&["2026-09-05..2027-05-31"], &["holidays:vn"]));
        let calendars = Calendars::new([(&vn, &added), (&term, &term_days)]).unwrap();
        let holidays = calendars.days("holidays:vn").unwrap();
        assert!(holidays.hold(on(2027, 2, 12)) && !holidays.hold(on(2027, 1, 1)) && holidays.hold(on(2027, 4, 30)));
        let term = calendars.days("calendar:nam-hoc").unwrap();
        assert!(term.hold(on(2026, 11, 23)) && !term.hold(on(2027, 4, 30)) && !term.hold(on(2027, 6, 1)));
    }

    #[test]
    fn what_cannot_be_read_is_answered_with_something_that_works() {
        let cases = [
            ("lunar:31", "lunar:15"),
            ("lunar:0/1", "lunar:1/1"),
            ("lunar:15/13", "lunar:15/6+"),
            ("solar:31/4", "solar:2/9"),
            ("holidays:us", "holidays:vn"),
            ("calendar:nope", "[calendar.nope]"),
            ("2026-02-29", "2026-09-02"),
            ("02/09/2026", "2026-09-02"),
            ("2026-09-05..2026-09-01", "earlier one first"),
        ];
        for (text, words) in cases {
            let error = Calendars::default().days(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
