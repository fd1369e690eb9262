//! The Vietnamese lunar calendar for the days 1900-01-01 to 2199-12-31: a table, and reading it in both directions.
//!
//! It knows months and days and nothing of festivals or schedules. One rule holds for every year: a month begins on the
//! day of the new moon at UTC+7, the month of the winter solstice is the eleventh, and of thirteen months between two
//! eleventh months the first without a major solar term repeats the number before it. Calendars that were printed by
//! UTC+8 (before 1968, and in the south until 1975) are deliberately left out.
//!
//! Source: our own computation from JPL DE440 with the delta-T of Morrison, Stephenson, Hohenkerk and Zawilski (2021).
//! The earth's rotation cannot be foretold to the minute, so a new moon within a minute of midnight has no sure day;
//! where most published Vietnamese programs take the other day we follow them. So three months are moved: to 1944-06-21
//! (new moon 27 s before that day begins), 2072-12-10 (14 s before) and 2085-10-18 (59 s after that day ends).
//! `tests/golden/lunar-months.csv` holds every month, and `tests/it/lunar.rs` recomputes them by another theory.

use chrono::{Datelike, Days, NaiveDate};

/// A day of the lunar calendar. The derived order is that of time, for a leap month follows the month it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LunarDate {
    /// The solar year in which the lunar year begins, 1899 to 2199.
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    /// The second month of this number in its year.
    pub leap: bool,
    /// 1 to 30.
    pub day: u32,
}

/// The lunar date of a solar day; `None` before 1900-01-01 and after 2199-12-31.
pub fn lunar_date(date: NaiveDate) -> Option<LunarDate> {
    if !(1900..=2199).contains(&date.year()) {
        return None;
    }
    let this = Year::find(date.year())?;
    let (year, mut day0) = match date.ordinal0().checked_sub(this.new_year_day0()) {
        Some(day0) => (this, day0),
        None => {
            let last = Year::find(date.year() - 1)?;
            let days = if last.is_solar_leap() { 366 } else { 365 };
            (last, date.ordinal0() + days - last.new_year_day0())
        }
    };
    for index in 0..year.months() {
        let length = year.length(index);
        if day0 < length {
            let (month, leap) = year.name(index);
            return Some(LunarDate { year: year.number, month, leap, day: day0 + 1 });
        }
        day0 -= length;
    }
    None
}

/// The days, 29 or 30, of the month in which `date` stands, whatever its `day`. `None` for a month that does not exist
/// and for lunar years outside 1899 to 2199.
pub fn month_length(date: LunarDate) -> Option<u32> {
    let year = Year::find(date.year)?;
    Some(year.length(year.index(date.month, date.leap)?))
}

/// The solar day of a lunar date; `None` for a date that does not exist or is not within 1900-01-01 to 2199-12-31.
pub fn solar_date(date: LunarDate) -> Option<NaiveDate> {
    let year = Year::find(date.year)?;
    let index = year.index(date.month, date.leap)?;
    if !(1..=year.length(index)).contains(&date.day) {
        return None;
    }
    let before: u32 = (0..index).map(|earlier| year.length(earlier)).sum();
    let days = year.new_year_day0() + before + date.day - 1;
    NaiveDate::from_ymd_opt(year.number, 1, 1)?
        .checked_add_days(Days::new(days.into()))
        .filter(|solar| (1900..=2199).contains(&solar.year()))
}

/// A lunar year and its word of [`YEARS`].
#[derive(Debug, Clone, Copy)]
struct Year {
    number: i32,
    word: u32,
}

impl Year {
    fn find(number: i32) -> Option<Year> {
        let place = usize::try_from(number.checked_sub(FIRST_YEAR)?).ok()?;
        YEARS.get(place).map(|&word| Year { number, word })
    }

    fn is_solar_leap(self) -> bool {
        let n = self.number;
        n % 4 == 0 && (n % 100 != 0 || n % 400 == 0)
    }

    /// Days from the first of January to the lunar new year.
    fn new_year_day0(self) -> u32 {
        self.word >> 17
    }

    /// The number that is used twice, or 0.
    fn repeated(self) -> u32 {
        (self.word >> 13) & 0xf
    }

    fn months(self) -> u32 {
        if self.repeated() == 0 { 12 } else { 13 }
    }

    /// Days of the month at `index`, counted from 0.
    fn length(self, index: u32) -> u32 {
        29 + ((self.word >> index) & 1)
    }

    fn name(self, index: u32) -> (u32, bool) {
        match self.repeated() {
            repeated if repeated != 0 && index >= repeated => (index, index == repeated),
            _ => (index + 1, false),
        }
    }

    fn index(self, month: u32, leap: bool) -> Option<u32> {
        (0..self.months()).find(|&index| self.name(index) == (month, leap))
    }
}

const FIRST_YEAR: i32 = 1899;

/// One word a lunar year. Bits 0 to 12: the month at that index has 30 days, not 29. Bits 13 to 16: the number that is
/// used twice, or 0. Bits 17 to 22: days from the first of January to the lunar new year.
#[rustfmt::skip]
const YEARS: [u32; 301] = [
    0x500ad5, // 1899
    0x3d16d2, 0x620752, 0x4c06a5, 0x36b64b, 0x5c064b, 0x440c9b, 0x30955a, 0x56056a, 0x400b69, 0x2a5752, // 1900
    0x500b52, 0x3adb25, 0x600b25, 0x480a4b, 0x32b4ab, 0x5802ad, 0x42056d, 0x2c6b69, 0x520da9, 0x3efd92, // 1910
    0x640e92, 0x4c0d25, 0x36da4d, 0x5c0a56, 0x4602b6, 0x2e95b5, 0x5606d4, 0x400ea9, 0x2c5e92, 0x500e92, // 1920
    0x3acd26, 0x5e052b, 0x480a57, 0x32b4d6, 0x58035a, 0x4206d5, 0x2e76c9, 0x520749, 0x3d1693, 0x620a95, // 1930
    0x4c052b, 0x34ca5b, 0x5a0aad, 0x46056a, 0x309b55, 0x560ba4, 0x400b49, 0x2a5a95, 0x500a95, 0x38f52d, // 1940
    0x5e0556, 0x480ab5, 0x34b5aa, 0x5805d2, 0x420da5, 0x2e7d4a, 0x540e4a, 0x3d0c96, 0x600a97, 0x4c0556, // 1950
    0x36cab5, 0x5a0ad9, 0x4606d2, 0x308ea5, 0x560725, 0x3e064b, 0x286c97, 0x4e049b, 0x38e55b, 0x5c056b, // 1960
    0x480b69, 0x34b752, 0x5a0b52, 0x420b25, 0x2c9a4b, 0x520a4d, 0x3d14ab, 0x6002ad, 0x4a05ad, 0x36cb6a, // 1970
    0x5c0da9, 0x460d92, 0x309d25, 0x560d25, 0x400a55, 0x2854ad, 0x4e04b6, 0x38e5b5, 0x5e06d5, 0x480ec9, // 1980
    0x34be92, 0x5a0e92, 0x440d26, 0x2c6a56, 0x500a57, 0x3d1556, 0x62056a, 0x4a0b55, 0x36b6c9, 0x5c0749, // 1990
    0x460693, 0x2e952b, 0x54052b, 0x3e0a5b, 0x2a555a, 0x4e056a, 0x38eb65, 0x5e0ba5, 0x4a0d49, 0x32ba95, // 2000
    0x580a95, 0x42052d, 0x2c8aad, 0x500ab5, 0x3d35aa, 0x6205d2, 0x4c0da5, 0x36dd4a, 0x5c0e4a, 0x460c96, // 2010
    0x30992e, 0x540556, 0x3e0ab5, 0x2a55b2, 0x5006d2, 0x38cea5, 0x5e0725, 0x48064b, 0x32ac97, 0x5604ab, // 2020
    0x40055b, 0x2c6ada, 0x520b6a, 0x3d7752, 0x620b92, 0x4c0b25, 0x36da4b, 0x5a0a4d, 0x4404ad, 0x2ea95b, // 2030
    0x5405ad, 0x3e0baa, 0x2a5b52, 0x500d92, 0x3afd25, 0x5e0d25, 0x480a55, 0x32b4ad, 0x5804b6, 0x4006b5, // 2040
    0x2c6daa, 0x520eca, 0x3f0e92, 0x600e93, 0x4c0d26, 0x36ca56, 0x5a0a5b, 0x44055a, 0x2e8ad5, 0x540b55, // 2050
    0x40074a, 0x286e93, 0x4e0a93, 0x38f52b, 0x5e052b, 0x460a9b, 0x32b55a, 0x58056a, 0x420b65, 0x2c974a, // 2060
    0x520d4a, 0x3d1a95, 0x620a95, 0x4a092d, 0x34caad, 0x5a0ab5, 0x4605aa, 0x2e8ba5, 0x540ea5, 0x400d4a, // 2070
    0x2a7d15, 0x4e0c96, 0x38f956, 0x5e0556, 0x480ab5, 0x32b6b4, 0x5806d4, 0x420ea5, 0x2e8e8a, 0x50068b, // 2080
    0x3b1497, 0x6004ab, 0x4a095b, 0x34cada, 0x5a0b6a, 0x460754, 0x309725, 0x540b45, 0x3e0a8b, 0x28552b, // 2090
    0x4e04ad, 0x38e96b, 0x5e05b5, 0x4a0daa, 0x36bb54, 0x5a0da2, 0x440d45, 0x2e9a8d, 0x540a95, 0x3d34ad, // 2100
    0x6204d6, 0x4c0ab5, 0x38cdaa, 0x5c0eca, 0x480ea2, 0x329d46, 0x580d4a, 0x400a96, 0x2a7536, 0x50055a, // 2110
    0x3aead5, 0x5e0b65, 0x4a0752, 0x34aea5, 0x5a0aa5, 0x42054b, 0x2c8a97, 0x520aab, 0x3f755a, 0x62056a, // 2120
    0x4c0b65, 0x38db52, 0x5e0d52, 0x460b15, 0x30ba4b, 0x56094d, 0x400aad, 0x2a556a, 0x5005b2, 0x3aeda9, // 2130
    0x600ea9, 0x4a0d92, 0x34bd15, 0x5a0d26, 0x440956, 0x2c92ad, 0x520ad6, 0x3e06d4, 0x282da9, 0x4c0ea9, // 2140
    0x38ce8a, 0x5c068b, 0x460527, 0x2ea957, 0x54095b, 0x400ada, 0x2c76d4, 0x500754, 0x3af749, 0x600b45, // 2150
    0x4a0a93, 0x32d52b, 0x58052d, 0x42096d, 0x2e936a, 0x520daa, 0x3f5ba4, 0x640da4, 0x4e0d49, 0x36da95, // 2160
    0x5c0a96, 0x46052e, 0x30aaad, 0x540ab5, 0x400daa, 0x2c7da4, 0x520ea4, 0x3afd4a, 0x600d4a, 0x4a0a96, // 2170
    0x34d536, 0x58055a, 0x420ad5, 0x2e96ca, 0x540752, 0x3c0ea5, 0x28564a, 0x4c064b, 0x36ca97, 0x5a0aab, // 2180
    0x46055a, 0x30ab55, 0x560ba9, 0x400b52, 0x2a7b25, 0x500b25, 0x3afa4b, 0x5e0a4d, 0x480aad, 0x34d56a, // 2190
];

#[cfg(test)]
mod tests {
    use super::*;

    fn solar(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn lunar(year: i32, month: u32, leap: bool, day: u32) -> LunarDate {
        LunarDate { year, month, leap, day }
    }

    /// From 1968 on some of these differ from the Chinese calendar, which counts by UTC+8: 1968, 1985, 2007 and 2030.
    #[test]
    fn new_years_are_those_of_vietnam() {
        let days = "1900-01-31 1945-02-13 1968-01-29 1969-02-16 1975-02-11 1985-01-21 2000-02-05 2007-02-17 2020-01-25 \
                    2021-02-12 2022-02-01 2023-01-22 2024-02-10 2025-01-29 2026-02-17 2027-02-06 2028-01-26 2029-02-13 \
                    2030-02-02 2053-02-18";
        for day in days.split(' ').map(solar) {
            let new_year = lunar(day.year(), 1, false, 1);
            assert_eq!(lunar_date(day), Some(new_year));
            assert_eq!(solar_date(new_year), Some(day));
        }
    }

    #[test]
    fn leap_months_are_where_they_belong() {
        let first_days = "1985-03-21 1987-08-24 2004-03-21 2020-05-23 2023-03-22 2025-07-25 2028-06-23 2033-12-22";
        for (day, month) in first_days.split(' ').map(solar).zip([2, 7, 2, 4, 2, 6, 5, 11]) {
            let year = day.year();
            assert_eq!(lunar_date(day), Some(lunar(year, month, true, 1)));
            assert_eq!(solar_date(lunar(year, month, true, 1)), Some(day));
            assert!(lunar(year, month, false, 30) < lunar(year, month, true, 1));
        }
        for year in [2022, 2024, 2026, 2027, 2029] {
            assert!((1..=12).all(|month| month_length(lunar(year, month, true, 1)).is_none()), "{year}");
        }
    }

    #[test]
    fn days_near_midnight_are_as_decided() {
        for day in ["1944-06-21", "1967-07-08", "2054-05-08", "2072-12-10", "2077-11-16", "2085-10-18"].map(solar) {
            assert_eq!(lunar_date(day).map(|date| date.day), Some(1), "{day}");
        }
    }

    #[test]
    fn every_day_goes_there_and_back() {
        let mut before: Option<LunarDate> = None;
        let last = solar("2199-12-31");
        for day in solar("1900-01-01").iter_days().take_while(|day| *day <= last) {
            let date = lunar_date(day).unwrap();
            assert_eq!(solar_date(date), Some(day));
            if let Some(before) = before {
                assert!(before < date);
                let ended = month_length(before) == Some(before.day);
                assert_eq!(date.day, if ended { 1 } else { before.day + 1 }, "{day}");
            }
            before = Some(date);
        }
    }

    #[test]
    fn outside_the_range_there_is_nothing() {
        assert_eq!(lunar_date(solar("1900-01-01")), Some(lunar(1899, 12, false, 1)));
        assert_eq!(lunar_date(solar("2199-12-31")), Some(lunar(2199, 11, false, 14)));
        for day in [solar("1899-12-31"), solar("2200-01-01"), NaiveDate::MIN, NaiveDate::MAX] {
            assert_eq!(lunar_date(day), None);
        }
        for year in [i32::MIN, 1898, 2200, i32::MAX] {
            assert_eq!(solar_date(lunar(year, 1, false, 1)), None);
            assert_eq!(month_length(lunar(year, 1, false, 1)), None);
        }
        assert_eq!(solar_date(lunar(1899, 11, false, 29)), None);
        assert_eq!(solar_date(lunar(2199, 11, false, 15)), None);
        // 2025 has months 6 and 6 leap; its month 1 has 30 days and its month 2 has 29.
        for (month, leap, day) in
            [(0, false, 1), (13, false, 1), (5, true, 1), (1, false, 0), (1, false, 31), (2, false, 30)]
        {
            let date = lunar(2025, month, leap, day);
            assert_eq!(solar_date(date), None, "{date:?}");
        }
    }
}
