//! Playlist files with their calendars, programmes and schedules: what is read is written the same, and a rule's starts come in order,
//! within their window, no more than were asked for, and the same whether the window is asked for whole or in two parts.
#![no_main]

#[allow(dead_code)]
#[path = "../../src/center/schedule_file.rs"]
mod schedule_file;

use libfuzzer_sys::fuzz_target;
use loaxa::domain::calendar::Calendars;
use loaxa::domain::schedule::rule::{EARLIEST_MS, Rule};
#[allow(unused_imports)]
use loaxa::{domain, settings};
use schedule_file::ScheduleFile;

const DAY_MS: i64 = 86_400_000;
const MOST: usize = 3_000;

fuzz_target!(|text: &str| {
    if text.len() > 8_192 {
        return;
    }
    let Ok(file) = ScheduleFile::from_text(text) else { return };
    if let Ok(written) = file.write() {
        assert_eq!(ScheduleFile::from_text(&written).as_ref(), Ok(&file), "{written}");
    }
    let texts = file.calendar_texts().unwrap_or_default();
    let calendars = Calendars::new(&texts).unwrap_or_default();
    let Ok(schedules) = file.schedules(&calendars) else { return };
    for schedule in schedules.iter().take(3) {
        // New year 2027 in Vietnam, and the day that Samoa left out.
        for middle_ms in [1_798_736_400_000, 1_325_203_200_000] {
            check(&schedule.rule, middle_ms - 3 * DAY_MS, middle_ms, middle_ms + 2 * DAY_MS);
        }
    }
    if let Some(schedule) = schedules.first() {
        let starts = schedule.rule.starts(i64::MIN, EARLIEST_MS + 40 * DAY_MS, 50);
        assert!(starts.len() <= 50);
        let _ = schedule.rule.starts(i64::MAX - 1, i64::MAX, 50);
        let _ = schedule.rule.idle_exceptions(50).count();
    }
});

fn check(rule: &Rule, from_ms: i64, middle_ms: i64, until_ms: i64) {
    let starts = |from_ms, until_ms| {
        let starts = rule.starts(from_ms, until_ms, MOST);
        assert!(starts.len() <= MOST);
        assert!(starts.iter().all(|start| (from_ms..until_ms).contains(&start.start_ms)));
        assert!(starts.windows(2).all(|pair| pair[0].start_ms < pair[1].start_ms));
        starts
    };
    let whole = starts(from_ms, until_ms);
    if whole.len() < MOST {
        let mut parts = starts(from_ms, middle_ms);
        parts.extend(starts(middle_ms, until_ms));
        assert_eq!(parts, whole);
    }
}
