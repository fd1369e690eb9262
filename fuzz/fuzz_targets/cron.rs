//! Cron expressions: times of day rise, dates are found, and what two spellings mean is the same.
#![no_main]

use chrono::{Datelike as _, NaiveDate};
use libfuzzer_sys::fuzz_target;
use loaxa::domain::schedule::cron::{Recurrence, weekday};

fuzz_target!(|text: &str| {
    let _ = weekday(text);
    if text.len() > 400 {
        return;
    }
    let read = match text.parse::<Recurrence>() {
        Ok(read) => read,
        Err(error) => {
            assert_eq!(error.field, "cron");
            return;
        }
    };
    let mut times = read.times();
    let mut last = times.next();
    assert!(last.is_some(), "an expression that is accepted names a time");
    for time in times {
        assert!(Some(time) > last);
        last = Some(time);
    }
    // Four years with a leap year and a century's end in them.
    let days = |read: &Recurrence| {
        let from = NaiveDate::from_ymd_opt(2098, 1, 1).expect("a date");
        from.iter_days().take_while(|day| day.year() < 2102).filter(|day| read.falls_on(*day)).collect::<Vec<_>>()
    };
    let fields: Vec<&str> = text.split_whitespace().collect();
    let again = match fields.len() {
        5 => format!("  {}\t", fields.join("  ")),
        6 => format!("{} *", fields.join(" ")),
        _ => fields.join("  "),
    };
    let again: Recurrence = again.parse().expect("another spelling of the same");
    assert_eq!(days(&again), days(&read));
    assert!(again.times().eq(read.times()));
});
