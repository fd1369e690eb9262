//! Lawful hours: opening stretches rise and do not touch, one more area's hours never open anything, and no day gets more than its budget.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use loaxa::domain::hours::{DayBudget, Hours, HoursStatement, Openings};
use loaxa_fuzz::json;
use serde::Deserialize;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { json::mutate(data, size, max_size, seed) });

#[derive(Deserialize)]
struct Case {
    hours: Vec<HoursStatement>,
    from_ms: i64,
    /// Start, counted from `from_ms`, and length of plays.
    plays: Vec<(u32, u32)>,
}

const DAY_MS: i64 = 86_400_000;
const YEAR_2200_MS: i64 = 7_258_118_400_000;

fuzz_target!(|data: &[u8]| {
    let Ok(case) = serde_json::from_slice::<Case>(data) else { return };
    let from_ms = case.from_ms.clamp(0, YEAR_2200_MS);
    let until_ms = from_ms + 5 * DAY_MS;
    let hours: Vec<Hours> = case.hours.iter().take(6).filter_map(|one| Hours::new(one).ok()).collect();
    let all = Openings::new(&hours, from_ms, until_ms);
    assert!(all.open.iter().all(|(start_ms, end_ms)| start_ms < end_ms));
    assert!(all.open.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    let fewer = hours.split_last().filter(|(_, fewer)| !fewer.is_empty());
    let fewer = fewer.map(|(_, fewer)| Openings::new(fewer, from_ms, until_ms));
    let mut budget = DayBudget::default();
    let mut taken: Vec<(i64, i64)> = vec![];
    for (at_ms, length_ms) in case.plays.iter().take(40) {
        let (start_ms, length_ms) = (from_ms + i64::from(*at_ms), i64::from(*length_ms).min(DAY_MS));
        let end_ms = start_ms + length_ms;
        let allowed = all.allow(start_ms, end_ms);
        if let Some(fewer) = &fewer {
            assert!(!allowed || fewer.allow(start_ms, end_ms), "an area's hours opened what was shut");
        }
        if allowed && length_ms > 0 {
            let middle_ms = start_ms + length_ms / 2;
            assert!(all.allow(start_ms, middle_ms) && all.allow(middle_ms, end_ms), "a part of what is lawful");
        }
        if budget.take(&all, start_ms, length_ms) {
            taken.push((start_ms, end_ms));
        }
    }
    for (days, limit_ms) in &all.days {
        assert!(days.is_sorted());
        for day in days.windows(2) {
            let inside = |(start, end): &(i64, i64)| (*end.min(&day[1]) - *start.max(&day[0])).max(0);
            let used: i64 = taken.iter().map(inside).sum();
            assert!(used <= *limit_ms, "{used} ms on a day of {limit_ms} ms");
        }
    }
});
