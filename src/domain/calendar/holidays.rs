//! Vietnam's public holidays: the days on which offices are closed by law.
//!
//! Labour Code 2019, articles 111 and 112: 1 January, five days at Tết, 30 April, 1 May, 2 September and one day beside it, the
//! tenth of the third lunar month; a holiday that falls on a weekend is made up for on the next working day. Which days beside Tết and
//! 2 September are free is decided each year; the rule here reproduces the decisions since 2021. Working days that were swapped
//! for a bridge are data ([`SWAPPED`]); later ones are entered as a calendar named `vn` (see [`super::Calendars`]).

use chrono::{Datelike, Days, NaiveDate, Weekday};

use super::lunar::{LunarDate, lunar_date, month_length, solar_date};

/// Working days that were made free by swapping them with a Saturday: government notices of each year.
const SWAPPED: [(i32, u32, u32); 4] = [(2024, 4, 29), (2025, 5, 2), (2026, 1, 2), (2026, 8, 31)];

/// Whether offices in Vietnam are closed on `date` by law (weekends as such are not holidays).
pub fn vietnam(date: NaiveDate) -> bool {
    let day = (date.year(), date.month(), date.day());
    is_statutory(date) || SWAPPED.contains(&day) || makes_up(date)
}

/// A day that the law itself names.
fn is_statutory(date: NaiveDate) -> bool {
    match (date.day(), date.month()) {
        (1, 1) | (30, 4) | (1, 5) | (2, 9) => true,
        (1, 9) => !national_day_after(date.year()),
        (3, 9) => national_day_after(date.year()),
        _ => lunar_date(date).is_some_and(|lunar| is_tet(date, lunar) || is_kings_day(lunar)),
    }
}

/// Giỗ Tổ Hùng Vương.
fn is_kings_day(lunar: LunarDate) -> bool {
    (lunar.day, lunar.month, lunar.leap) == (10, 3, false)
}

/// Where 2 September is a Monday or a Thursday the day after it is free, else the day before.
fn national_day_after(year: i32) -> bool {
    NaiveDate::from_ymd_opt(year, 9, 2).is_some_and(|date| matches!(date.weekday(), Weekday::Mon | Weekday::Thu))
}

/// Five days: where the new year begins on a Tuesday its eve and four days of it, else two days before and three of it.
fn is_tet(date: NaiveDate, lunar: LunarDate) -> bool {
    let one_before = |new_year: NaiveDate| new_year.weekday() == Weekday::Tue;
    match (lunar.month, lunar.leap) {
        (1, false) => {
            let new_year = date.checked_sub_days(Days::new(u64::from(lunar.day - 1)));
            lunar.day <= 3 || (lunar.day == 4 && new_year.is_some_and(one_before))
        }
        (12, _) => {
            let to_new_year = month_length(lunar).map_or(u32::MAX, |length| length + 1 - lunar.day);
            let new_year = solar_date(LunarDate { year: lunar.year + 1, month: 1, leap: false, day: 1 });
            // A leap twelfth month, if there ever is one, stands between.
            let direct = new_year == date.checked_add_days(Days::new(u64::from(to_new_year.min(60))));
            direct && (to_new_year == 1 || (to_new_year == 2 && !new_year.is_some_and(one_before)))
        }
        _ => false,
    }
}

/// Whether `date` is a working day that makes up for a holiday on a weekend: the next working days after it, in order.
fn makes_up(date: NaiveDate) -> bool {
    let is_weekend = |date: NaiveDate| matches!(date.weekday(), Weekday::Sat | Weekday::Sun);
    if is_weekend(date) || is_statutory(date) {
        return false;
    }
    // Debts are counted from a fortnight back: no run of holidays is longer.
    let mut owed = 0;
    for back in (0..=14).rev() {
        let Some(day) = date.checked_sub_days(Days::new(back)) else { return false };
        match (is_weekend(day), is_statutory(day)) {
            (true, true) => owed += 1,
            (false, false) if owed > 0 => {
                if back == 0 {
                    return true;
                }
                owed -= 1;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_years_since_2021_are_as_they_were_decided() {
        /// A month and its free days.
        type Month = (u32, &'static [u32]);
        let years: [(i32, &[Month]); 6] = [
            (2021, &[(1, &[1]), (2, &[10, 11, 12, 13, 14, 15, 16]), (4, &[21, 30]), (5, &[1, 3]), (9, &[2, 3])]),
            (2022, &[(1, &[1, 3, 31]), (2, &[1, 2, 3, 4]), (4, &[10, 11, 30]), (5, &[1, 2, 3]), (9, &[1, 2])]),
            (2023, &[(1, &[1, 2, 20, 21, 22, 23, 24, 25, 26]), (4, &[29, 30]), (5, &[1, 2, 3]), (9, &[1, 2, 4])]),
            (2024, &[(1, &[1]), (2, &[8, 9, 10, 11, 12, 13, 14]), (4, &[18, 29, 30]), (5, &[1]), (9, &[2, 3])]),
            (2025, &[(1, &[1, 27, 28, 29, 30, 31]), (4, &[7, 30]), (5, &[1, 2]), (9, &[1, 2])]),
            (
                2026,
                &[(1, &[1, 2]), (2, &[16, 17, 18, 19, 20]), (4, &[26, 27, 30]), (5, &[1]), (8, &[31]), (9, &[1, 2])],
            ),
        ];
        for (year, months) in years {
            let first = NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
            let found: Vec<_> =
                first.iter_days().take_while(|date| date.year() == year).filter(|d| vietnam(*d)).collect();
            let expected: Vec<_> = months
                .iter()
                .flat_map(|(month, days)| days.iter().map(|day| NaiveDate::from_ymd_opt(year, *month, *day).unwrap()))
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn every_year_has_its_eleven_days_and_those_that_make_up() {
        for year in 1900..2200 {
            let first = NaiveDate::from_ymd_opt(year, 1, 1).unwrap();
            let days = || first.iter_days().take_while(|date| date.year() == year);
            // The tenth of the third month may fall on 30 April.
            let statutory = days().filter(|date| is_statutory(*date)).count();
            assert!((10..=11).contains(&statutory), "{year}: {statutory}");
            assert!(days().filter(|date| makes_up(*date)).count() <= 6, "{year}");
        }
    }
}
