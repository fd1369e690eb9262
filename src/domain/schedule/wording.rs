//! A rule in words, Vietnamese and English, and the days that it names: what an editor reads beside the form that is being filled in.
//!
//! It says what the rule says and decides nothing: which days those are is [`super::rule`]'s and [`crate::domain::calendar`]'s to know.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};

use super::cron::{Dates, MonthDay, MonthDays, Recurrence, WeekdayInMonth, Weekdays};
use super::rule::{Pattern, Rule};
use super::{ExceptionText, InsteadText, ScheduleText};
use crate::domain::calendar::lunar::{LunarDate, lunar_date};
use crate::domain::sentence::Sentence;

/// What is called by a name of its own; the caller knows its title.
#[derive(Debug, Clone, Copy)]
pub enum Named<'a> {
    Calendar(&'a str),
    Programme(&'a str),
}

type Titles<'a> = &'a dyn Fn(Named<'_>) -> Option<String>;

const WEEKDAYS: [(&str, &str); 7] = [
    ("Chủ nhật", "Sunday"),
    ("thứ Hai", "Monday"),
    ("thứ Ba", "Tuesday"),
    ("thứ Tư", "Wednesday"),
    ("thứ Năm", "Thursday"),
    ("thứ Sáu", "Friday"),
    ("thứ Bảy", "Saturday"),
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// From Monday, as weeks are read.
const WEEK: [u32; 7] = [1, 2, 3, 4, 5, 6, 0];
const WORKING_DAYS: u8 = 0b011_1110;
const EVERY_DAY: u8 = 0b111_1111;
/// So many times of day are named one by one.
const TIMES_NAMED: usize = 6;
const EVERY_MONTH: u16 = 0b1_1111_1111_1110;

/// A rule in one sentence, without its full stop.
pub fn in_words(text: &ScheduleText, rule: &Rule, titles: Titles<'_>) -> Sentence {
    let mut said = match &rule.pattern {
        Pattern::Once(time) => {
            let (at, day) = (clock(time.time()), day_in_words(time.date()));
            Sentence::new(format!("Một lần, {at} {}", day.vi), format!("Once, at {at} on {}", day.en))
        }
        Pattern::Recurring(recurrence) => {
            let (times, days) = (times(recurrence), dates(&recurrence.dates));
            let days = days.filter(|_| true);
            let only = all_named(&text.only_on, titles);
            match (days, only) {
                (None, None) => pair(&times, " hằng ngày", " every day"),
                (None, Some(only)) => pair(&times, &format!(" vào {}", only.vi), &format!(" on {}", only.en)),
                (Some(days), None) => pair(&times, &format!(" {}", days.vi), &format!(" {}", days.en)),
                (Some(days), Some(only)) => pair(
                    &times,
                    &format!(" {}, chỉ khi trùng {}", days.vi, only.vi),
                    &format!(" {}, only when that is {}", days.en, only.en),
                ),
            }
        }
    };
    if let Some(repeat) = text.repeat {
        said = pair(
            &said,
            &format!(", mỗi lần phát {} lượt cách nhau {} phút", repeat.times, repeat.every_min),
            &format!(", {} plays each time, {} minutes apart", repeat.times, repeat.every_min),
        );
    }
    if let Some(not) = all_named(&text.not_on, titles) {
        said = pair(&said, &format!(", trừ {}", not.vi), &format!(", except {}", not.en));
    }
    for instead in &text.instead_on {
        let other = instead_of(instead, titles);
        said = pair(&said, &other.vi, &other.en);
    }
    said = match (rule.from, rule.until) {
        (None, None) => said,
        (Some(from), None) => pair(&said, &format!(", kể từ {}", date(from)), &format!(", from {} on", date(from))),
        (None, Some(until)) => pair(&said, &format!(", đến hết {}", date(until)), &format!(", until {}", date(until))),
        (Some(from), Some(until)) => pair(
            &said,
            &format!(", từ {} đến hết {}", date(from), date(until)),
            &format!(", from {} until {}", date(from), date(until)),
        ),
    };
    exceptions(&text.exceptions).map_or(said.clone(), |more| pair(&said, &more.vi, &more.en))
}

/// A day as people say it, with its lunar date: `thứ Hai 23/11/2026 (15 tháng 10 âm lịch)`.
pub fn day_in_words(day: NaiveDate) -> Sentence {
    let (vi, en) = WEEKDAYS[day.weekday().num_days_from_sunday() as usize];
    let plain = pair(&Sentence::new(vi, en), &format!(" {}", date(day)), &format!(" {}", date(day)));
    match lunar_date(day) {
        None => plain,
        Some(lunar) => {
            let lunar = lunar_in_words(lunar);
            pair(&plain, &format!(" ({})", lunar.vi), &format!(" ({})", lunar.en))
        }
    }
}

/// `15 tháng 10 âm lịch`, `mùng 1 tháng Giêng âm lịch`.
pub fn lunar_in_words(lunar: LunarDate) -> Sentence {
    let leap = if lunar.leap { (" nhuận", "leap ") } else { ("", "") };
    Sentence::new(
        format!("{} {}{} âm lịch", lunar_day(lunar.day), lunar_month(lunar.month), leap.0),
        format!("lunar {}, {}month {}", lunar.day, leap.1, lunar.month),
    )
}

fn pair(said: &Sentence, vi: &str, en: &str) -> Sentence {
    Sentence::new(format!("{}{vi}", said.vi), format!("{}{en}", said.en))
}

fn date(day: NaiveDate) -> String {
    day.format("%d/%m/%Y").to_string()
}

fn clock(time: NaiveTime) -> String {
    time.format(if time.second() == 0 { "%H:%M" } else { "%H:%M:%S" }).to_string()
}

/// `a, b và c`.
fn list(items: &[Sentence]) -> Sentence {
    let joined = |one: fn(&Sentence) -> &str, and: &str| match items {
        [] => String::new(),
        [only] => one(only).to_owned(),
        [first @ .., last] => {
            format!("{} {and} {}", first.iter().map(one).collect::<Vec<_>>().join(", "), one(last))
        }
    };
    Sentence::new(joined(|s| &s.vi, "và"), joined(|s| &s.en, "and"))
}

fn same(word: String) -> Sentence {
    Sentence::new(word.clone(), word)
}

fn times(recurrence: &Recurrence) -> Sentence {
    let all: Vec<NaiveTime> = recurrence.times().collect();
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return same(String::new()) };
    if all.len() <= TIMES_NAMED {
        return list(&all.iter().map(|time| same(clock(*time))).collect::<Vec<_>>());
    }
    let (count, first, last) = (all.len(), clock(*first), clock(*last));
    let apart = |pair: &[NaiveTime]| (pair[1] - pair[0]).num_seconds();
    let step_s = apart(&all[..2]);
    let even = all.windows(2).all(|pair| apart(pair) == step_s);
    match (even, step_s) {
        (true, s) if s % 3600 == 0 => Sentence::new(
            format!("Cứ {} giờ một lần từ {first} đến {last}", s / 3600),
            format!("Every {} h from {first} to {last}", s / 3600),
        ),
        (true, s) if s % 60 == 0 => Sentence::new(
            format!("Cứ {} phút một lần từ {first} đến {last}", s / 60),
            format!("Every {} min from {first} to {last}", s / 60),
        ),
        _ => Sentence::new(
            format!("{count} lần trong ngày, từ {first} đến {last},"),
            format!("{count} times a day, from {first} to {last},"),
        ),
    }
}

/// The dates of a pattern; nothing where it is every day.
fn dates(dates: &Dates) -> Option<Sentence> {
    let days = match (dates.weekdays.as_ref().and_then(weekdays), dates.month_days.as_ref().map(month_days)) {
        (None, None) => None,
        (Some(week), None) => Some(week),
        (None, Some(month)) => Some(month),
        (Some(week), Some(month)) if dates.either => {
            Some(Sentence::new(format!("{} hoặc {}", week.vi, month.vi), format!("{} or {}", week.en, month.en)))
        }
        (Some(week), Some(month)) => Some(Sentence::new(
            format!("{} trùng {}", week.vi, month.vi),
            format!("{} that is {}", week.en, month.en.trim_start_matches("on ")),
        )),
    };
    let months = (dates.months & EVERY_MONTH != EVERY_MONTH).then(|| months(dates.months));
    let years = dates.years.as_ref().map(|years| {
        let years: Vec<_> = years.iter().map(|year| same(year.to_string())).collect();
        let many = years.len() > TIMES_NAMED;
        let shown = match (&years[..], many) {
            ([first, .., last], true) => same(format!("{}–{}", first.vi, last.vi)),
            _ => list(&years),
        };
        Sentence::new(format!("năm {}", shown.vi), format!("in {}", shown.en))
    });
    if days.is_none() && months.is_none() && years.is_none() {
        return None;
    }
    let days = days.unwrap_or_else(|| Sentence::new("hằng ngày", "every day"));
    let more = [months, years].into_iter().flatten();
    Some(more.fold(days, |said, more| pair(&said, &format!(" {}", more.vi), &format!(" {}", more.en))))
}

fn months(bits: u16) -> Sentence {
    let named: Vec<_> = (1..=12usize)
        .filter(|month| bits & (1 << month) != 0)
        .map(|month| Sentence::new(month.to_string(), MONTHS[month - 1]))
        .collect();
    let named = list(&named);
    Sentence::new(format!("trong tháng {}", named.vi), format!("in {}", named.en))
}

fn weekdays(days: &Weekdays) -> Option<Sentence> {
    let name = |day: u32| {
        let (vi, en) = WEEKDAYS[(day % 7) as usize];
        Sentence::new(vi, en)
    };
    let held = |bits: u8| -> Vec<Sentence> {
        WEEK.iter().filter(|day| bits & (1 << **day) != 0).map(|day| name(*day)).collect()
    };
    let mut parts = vec![];
    match days.numbers & EVERY_DAY {
        0 => {}
        EVERY_DAY => return None,
        WORKING_DAYS => parts.push(Sentence::new("từ thứ Hai đến thứ Sáu", "from Monday to Friday")),
        bits if bits.count_ones() >= 5 => {
            let not = list(&held(!bits & EVERY_DAY));
            parts.push(Sentence::new(format!("hằng ngày, trừ {}", not.vi), format!("every day except {}", not.en)));
        }
        bits => {
            let named = list(&held(bits));
            parts.push(Sentence::new(format!("{} hằng tuần", named.vi), format!("every {}", named.en)));
        }
    }
    parts.extend(days.special.iter().map(|WeekdayInMonth { weekday, nth }| {
        let day = name(*weekday);
        match nth {
            None => {
                Sentence::new(format!("{} cuối cùng của tháng", day.vi), format!("on the last {} of the month", day.en))
            }
            Some(nth) => Sentence::new(
                format!("{} lần thứ {nth} trong tháng", day.vi),
                format!("on the {nth}. {} of the month", day.en),
            ),
        }
    }));
    Some(list(&parts))
}

fn month_days(days: &MonthDays) -> Sentence {
    let mut parts: Vec<Sentence> =
        (1..=31).filter(|day| days.numbers & (1 << day) != 0).map(|day: u32| same(day.to_string())).collect();
    parts.extend(days.special.iter().map(|special| match special {
        MonthDay::BeforeLast(0) => Sentence::new("cuối tháng", "the last day"),
        MonthDay::BeforeLast(before) => {
            Sentence::new(format!("trước ngày cuối tháng {before} ngày"), format!("{before} days before the last"))
        }
        MonthDay::LastWorkingDay => Sentence::new("làm việc cuối tháng", "the last working day"),
        MonthDay::WorkingDayNear(day) => {
            Sentence::new(format!("làm việc gần ngày {day} nhất"), format!("the working day nearest to the {day}."))
        }
    }));
    let named = list(&parts);
    Sentence::new(format!("ngày {} hằng tháng", named.vi), format!("on day {} of the month", named.en))
}

fn all_named(days: &[String], titles: Titles<'_>) -> Option<Sentence> {
    let named: Vec<Sentence> = days.iter().map(|text| named_day(text, titles)).collect();
    (!named.is_empty()).then(|| list(&named))
}

fn lunar_day(day: u32) -> String {
    if day <= 10 { format!("mùng {day}") } else { day.to_string() }
}

fn lunar_month(month: u32) -> String {
    match month {
        1 => "tháng Giêng".into(),
        12 => "tháng Chạp".into(),
        month => format!("tháng {month}"),
    }
}

/// One day as a rule names it; what cannot be read is said as it stands.
pub fn named_day(text: &str, titles: Titles<'_>) -> Sentence {
    if text == "holidays:vn" {
        return Sentence::new("ngày nghỉ lễ, Tết", "public holidays");
    }
    if let Some(name) = text.strip_prefix("calendar:") {
        let title = titles(Named::Calendar(name)).unwrap_or_else(|| name.to_owned());
        return Sentence::new(format!("ngày thuộc «{title}»"), format!("days of “{title}”"));
    }
    if let Some(day) = text.strip_prefix("lunar:") {
        return named_lunar(day);
    }
    if let Some(day) = text.strip_prefix("solar:") {
        return Sentence::new(format!("ngày {day} hằng năm"), format!("{day} (day/month) every year"));
    }
    let shown = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").map_or(text.to_owned(), date);
    match text.split_once("..") {
        Some((first, last)) => Sentence::new(
            format!("từ {} đến {}", shown(first), shown(last)),
            format!("{} to {}", shown(first), shown(last)),
        ),
        None => Sentence::new(format!("ngày {}", shown(text)), shown(text)),
    }
}

fn named_lunar(text: &str) -> Sentence {
    let (day, month) = text.split_once('/').map_or((text, None), |(day, month)| (day, Some(month)));
    let (of_month, leap) = match month {
        None => (None, false),
        Some(month) => (month.trim_end_matches('+').parse::<u32>().ok(), month.ends_with('+')),
    };
    let day_vi = match (day.parse::<u32>(), day) {
        (Ok(15), _) if month.is_none() => "rằm (15 âm lịch)".to_owned(),
        (Ok(number), _) => format!("{}{}", lunar_day(number), if month.is_none() { " âm lịch" } else { "" }),
        (Err(_), _) => format!("ngày cuối tháng{}", if month.is_none() { " âm lịch" } else { "" }),
    };
    let day_en = if day == "last" { "the last day".to_owned() } else { format!("day {day}") };
    match of_month {
        None => Sentence::new(format!("{day_vi} hằng tháng"), format!("{day_en} of every lunar month")),
        Some(12) if day == "last" => Sentence::new("giao thừa (ngày cuối tháng Chạp)", "lunar New Year's Eve"),
        Some(1) if day == "1" => Sentence::new("mùng 1 Tết", "lunar New Year's Day"),
        Some(month) => {
            let (vi, en) = if leap { (" nhuận", "leap ") } else { ("", "") };
            let day_vi = day_vi.trim_end_matches(" tháng");
            Sentence::new(
                format!("{day_vi} {}{vi} âm lịch", lunar_month(month)),
                format!("{day_en} of the {en}lunar month {month}"),
            )
        }
    }
}

fn instead_of(instead: &InsteadText, titles: Titles<'_>) -> Sentence {
    let on = all_named(&instead.on, titles).unwrap_or_else(|| same(String::new()));
    let at = (!instead.at.is_empty()).then(|| instead.at.join(", "));
    let programme = instead.programme.as_ref().map(|name| {
        let title = titles(Named::Programme(name)).unwrap_or_else(|| name.clone());
        Sentence::new(format!("chương trình «{title}»"), format!("the programme “{title}”"))
    });
    let what = match (at, programme) {
        (Some(at), Some(programme)) => {
            Sentence::new(format!("{} lúc {at}", programme.vi), format!("{} at {at}", programme.en))
        }
        (Some(at), None) => Sentence::new(format!("lúc {at}"), format!("at {at}")),
        (None, Some(programme)) => programme,
        (None, None) => same(String::new()),
    };
    Sentence::new(format!("; riêng {} phát {}", on.vi, what.vi), format!("; on {} instead {}", on.en, what.en))
}

fn exceptions(all: &[ExceptionText]) -> Option<Sentence> {
    let count = |which: &dyn Fn(&&ExceptionText) -> bool| all.iter().filter(which).count();
    let kinds = [
        (count(&|one| one.skip), "lượt bị bỏ", "left out"),
        (count(&|one| one.move_to.is_some()), "lượt dời giờ", "moved"),
        (count(&|one| one.extra.is_some()), "lượt phát thêm", "added"),
        (
            count(&|one| one.at.is_some() && !one.skip && one.move_to.is_none()),
            "lượt đổi chương trình",
            "with another programme",
        ),
    ];
    let said: Vec<Sentence> = kinds
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, vi, en)| Sentence::new(format!("{count} {vi}"), format!("{count} {en}")))
        .collect();
    (!said.is_empty()).then(|| {
        let said = list(&said);
        Sentence::new(format!("; có {}", said.vi), format!("; {}", said.en))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::calendar::{CalendarText, Calendars};
    use crate::domain::schedule::Schedule;

    fn words(toml: &str) -> Sentence {
        let text: ScheduleText = toml::from_str(toml).unwrap();
        let (id, term) =
            ("nam-hoc".parse().unwrap(), CalendarText { days: vec!["lunar:1".into()], ..Default::default() });
        let calendars = Calendars::new([(&id, &term)]).unwrap();
        let schedule = Schedule::new("s".parse().unwrap(), &text, &calendars).unwrap();
        in_words(&text, &schedule.rule, &|named| match named {
            Named::Calendar("nam-hoc") => Some("Năm học".into()),
            Named::Programme("tet") => Some("Chào xuân".into()),
            _ => None,
        })
    }

    #[test]
    fn a_rule_is_said_as_an_editor_would_say_it() {
        let cases = [
            ("at = [\"05:30\"]", "05:30 hằng ngày", "05:30 every day"),
            (
                "at = [\"17:00\", \"05:30\"]\nweekdays = [\"t2\", \"t3\", \"t4\", \"t5\", \"t6\", \"t7\"]",
                "05:30 và 17:00 hằng ngày, trừ Chủ nhật",
                "05:30 and 17:00 every day except Sunday",
            ),
            ("cron = \"0 30 5 * * MON-FRI\"", "05:30 từ thứ Hai đến thứ Sáu", "05:30 from Monday to Friday"),
            ("cron = \"30 5 * * 0,3\"", "05:30 thứ Tư và Chủ nhật hằng tuần", "05:30 every Wednesday and Sunday"),
            (
                "cron = \"0 */15 5-20 * * *\"",
                "Cứ 15 phút một lần từ 05:00 đến 20:45 hằng ngày",
                "Every 15 min from 05:00 to 20:45 every day",
            ),
            (
                "cron = \"0 30 5 ? * FRIL\"",
                "05:30 thứ Sáu cuối cùng của tháng",
                "05:30 on the last Friday of the month",
            ),
            (
                "at = [\"05:30\"]\ndays_of_month = [1, -1]",
                "05:30 ngày 1 và cuối tháng hằng tháng",
                "05:30 on day 1 and the last day of the month",
            ),
            (
                "at = [\"05:30\"]\nonly_on = [\"lunar:15\", \"lunar:1\"]",
                "05:30 vào rằm (15 âm lịch) hằng tháng và mùng 1 âm lịch hằng tháng",
                "05:30 on day 15 of every lunar month and day 1 of every lunar month",
            ),
            (
                "at = [\"05:30\"]\nnot_on = [\"holidays:vn\", \"calendar:nam-hoc\"]\nfrom = \"2026-12-01\"",
                "05:30 hằng ngày, trừ ngày nghỉ lễ, Tết và ngày thuộc «Năm học», kể từ 01/12/2026",
                "05:30 every day, except public holidays and days of “Năm học”, from 01/12/2026 on",
            ),
            (
                "once = \"2026-11-23T05:30\"",
                "Một lần, 05:30 thứ Hai 23/11/2026 (15 tháng 10 âm lịch)",
                "Once, at 05:30 on Monday 23/11/2026 (lunar 15, month 10)",
            ),
            (
                "at = [\"05:30\"]\nrepeat = { times = 3, every_min = 10 }",
                "05:30 hằng ngày, mỗi lần phát 3 lượt cách nhau 10 phút",
                "05:30 every day, 3 plays each time, 10 minutes apart",
            ),
            (
                "at = [\"05:30\"]\ninstead_on = [{ on = [\"lunar:1/1\"], at = [\"06:00\"], programme = \"tet\" }]",
                "05:30 hằng ngày; riêng mùng 1 Tết phát chương trình «Chào xuân» lúc 06:00",
                "05:30 every day; on lunar New Year's Day instead the programme “Chào xuân” at 06:00",
            ),
            (
                "at = [\"05:30\"]\nexceptions = [{ at = \"2026-11-24T05:30\", skip = true }, { extra = \"2026-11-25T09:00\" }]",
                "05:30 hằng ngày; có 1 lượt bị bỏ và 1 lượt phát thêm",
                "05:30 every day; 1 left out and 1 added",
            ),
            (
                "cron = \"0 0 6 25 12 ? 2027\"",
                "06:00 ngày 25 hằng tháng trong tháng 12 năm 2027",
                "06:00 on day 25 of the month in December in 2027",
            ),
            (
                "cron = \"25 5 25 * 1\"",
                "05:25 thứ Hai hằng tuần hoặc ngày 25 hằng tháng",
                "05:25 every Monday or on day 25 of the month",
            ),
        ];
        for (toml, vi, en) in cases {
            assert_eq!(words(toml), Sentence::new(vi, en), "{toml}");
        }
    }

    #[test]
    fn days_carry_their_lunar_date() {
        let day = |y, m, d| day_in_words(NaiveDate::from_ymd_opt(y, m, d).unwrap());
        assert_eq!(day(2026, 2, 17).vi, "thứ Ba 17/02/2026 (mùng 1 tháng Giêng âm lịch)");
        assert_eq!(day(2025, 7, 25).vi, "thứ Sáu 25/07/2025 (mùng 1 tháng 6 nhuận âm lịch)");
    }
}
