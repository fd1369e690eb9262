//! Rules and the instants that they mean; many more stand as data in tests/golden/rules.

use chrono::DateTime;

use super::*;

fn ms(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

fn starts(cron: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
    let text = ScheduleText { cron: cron.into(), time_zone: Some(zone.into()), ..Default::default() };
    starts_of(&text, from, until)
}

fn starts_of(text: &ScheduleText, from: &str, until: &str) -> Vec<String> {
    let schedule = Schedule::new("s".parse().unwrap(), text, &Calendars::default()).unwrap();
    let zone = schedule.rule.time_zone;
    let shown = |t: i64| DateTime::from_timestamp_millis(t).unwrap().with_timezone(&zone).to_rfc3339();
    schedule.rule.starts(ms(from), ms(until), 1000).into_iter().map(|start| shown(start.start_ms)).collect()
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
        ("0 5 * * 5-7", week, &["2026-11-22T05:00:00+07:00", "2026-11-27T05:00:00+07:00", "2026-11-28T05:00:00+07:00"]),
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
    let schedule = Schedule::new("s".parse().unwrap(), &text, &Calendars::default()).unwrap();
    let all = schedule.rule.starts(ms("2026-11-01T00:00:00Z"), ms("2026-12-31T00:00:00Z"), 1000);
    let all: Vec<_> = all.into_iter().map(|start| start.start_ms).collect();
    let expected = ["2026-11-24", "2026-11-25", "2026-11-27"].map(|d| ms(&format!("{d}T05:00:00+07:00")));
    assert_eq!(all, expected);
}

/// The starts of a schedule in TOML, as "month-day hour:minute", over a window of local dates.
fn in_short(toml: &str, from: &str, until: &str) -> Vec<String> {
    let text: ScheduleText = toml::from_str(toml).unwrap();
    let all = starts_of(&text, &format!("{from}T00:00:00+07:00"), &format!("{until}T00:00:00+07:00"));
    all.iter().map(|start| format!("{} {}", &start[5..10], &start[11..16])).collect()
}

#[test]
fn the_ends_of_months_and_the_weekdays_in_them_are_as_quartz_says() {
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("0 0 5 L * *", "2028-01-30", "2028-04-01", &["01-31 05:00", "02-29 05:00", "03-31 05:00"]),
        ("0 5 L * *", "2027-02-01", "2027-03-01", &["02-28 05:00"]),
        ("0 0 5 L-2 * ?", "2027-02-01", "2027-04-01", &["02-26 05:00", "03-29 05:00"]),
        // 15 August 2026 is a Saturday, 15 November a Sunday
        ("0 0 5 15W 8,11 ?", "2026-08-01", "2026-12-01", &["08-14 05:00", "11-16 05:00"]),
        // 1 August 2026 is a Saturday: not back into July; 31 January 2027 a Sunday: not on into February
        ("0 0 5 1W 8 ?", "2026-07-01", "2026-09-01", &["08-03 05:00"]),
        ("0 0 5 31W 1 ?", "2027-01-01", "2027-03-01", &["01-29 05:00"]),
        ("0 0 5 LW * ?", "2027-01-01", "2027-03-01", &["01-29 05:00", "02-26 05:00"]),
        ("0 0 5 1,L 2 ?", "2027-01-01", "2027-04-01", &["02-01 05:00", "02-28 05:00"]),
        // the last Friday: 6 in the crate's count, 5 in Unix's
        ("0 0 5 ? * 6L", "2026-11-01", "2026-12-01", &["11-27 05:00"]),
        ("0 5 * * 5L", "2026-11-01", "2026-12-01", &["11-27 05:00"]),
        ("0 0 5 ? * FRI#3", "2026-11-01", "2026-12-01", &["11-20 05:00"]),
        ("0 0 5 ? * 2#5", "2026-10-01", "2026-12-01", &["11-30 05:00"]),
        // Unix: either day field
        ("0 5 L * 1#1", "2026-11-01", "2026-12-01", &["11-02 05:00", "11-30 05:00"]),
        ("0 5 * * FRI-SUN", "2026-11-01", "2026-11-08", &["11-01 05:00", "11-06 05:00", "11-07 05:00"]),
        ("0 5 31 * *", "2027-01-01", "2027-05-01", &["01-31 05:00", "03-31 05:00"]),
        ("0 5 29 2 *", "2027-01-01", "2029-01-01", &["02-29 05:00"]),
    ];
    for (cron, from, until, expected) in cases {
        assert_eq!(in_short(&format!("cron = \"{cron}\""), from, until), *expected, "{cron}");
    }
}

#[test]
fn the_simple_forms_say_what_people_mean() {
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("at = [\"17:00\", \"05:00\"]", "2026-11-23", "2026-11-24", &["11-23 05:00", "11-23 17:00"]),
        (
            "at = [\"05:00\"]\nweekdays = [\"t2\", \"cn\", \"Wed\"]",
            "2026-11-23",
            "2026-11-30",
            &["11-23 05:00", "11-25 05:00", "11-29 05:00"],
        ),
        (
            "at = [\"05:00\"]\ndays_of_month = [1, -1, 31]",
            "2027-02-01",
            "2027-04-01",
            &["02-01 05:00", "02-28 05:00", "03-01 05:00", "03-31 05:00"],
        ),
        ("once = \"2026-11-23T05:30\"", "2026-01-01", "2027-01-01", &["11-23 05:30"]),
        (
            "at = [\"23:50\"]\nrepeat = { times = 3, every_min = 10 }\nfrom = \"2026-11-23\"\nuntil = \"2026-11-23\"",
            "2026-11-23",
            "2026-11-25",
            &["11-23 23:50", "11-24 00:00", "11-24 00:10"],
        ),
        (
            "at = [\"05:00\"]\nonly_on = [\"lunar:1\", \"lunar:15\"]",
            "2026-11-01",
            "2026-12-15",
            &["11-09 05:00", "11-23 05:00", "12-09 05:00"],
        ),
        (
            "at = [\"05:00\"]\nnot_on = [\"holidays:vn\"]",
            "2026-08-29",
            "2026-09-04",
            &["08-29 05:00", "08-30 05:00", "09-03 05:00"],
        ),
        (
            "at = [\"05:00\"]\ninstead_on = [{ on = [\"lunar:1/1\"], at = [\"06:30\"] }]",
            "2026-02-16",
            "2026-02-19",
            &["02-16 05:00", "02-17 06:30", "02-18 05:00"],
        ),
        // Other days than the usual ones may be named; the bounds and not_on still hold.
        (
            "at = [\"05:00\"]\nweekdays = [\"mon\"]\nnot_on = [\"2026-11-26\"]\ninstead_on = [{ on = [\"2026-11-25..2026-11-26\"], at = [\"06:30\"] }]",
            "2026-11-23",
            "2026-11-30",
            &["11-23 05:00", "11-25 06:30"],
        ),
    ];
    for (toml, from, until, expected) in cases {
        assert_eq!(in_short(toml, from, until), *expected, "{toml}");
    }
}

#[test]
fn exceptions_change_one_occurrence_and_leave_the_series() {
    let base = "at = [\"05:00\", \"17:00\"]\nprogramme = \"thuong\"\nexceptions = [\
        { at = \"2026-11-23T05:00\", skip = true }, { at = \"2026-11-24T05:00\", move_to = \"2026-11-24T06:15\" }, \
        { at = \"2026-11-25\", programme = \"tang-le\" }, { extra = \"2026-11-26T09:00\", programme = \"them\" }, \
        { at = \"2026-11-26T17:00\", move_to = \"2026-11-27T18:00\" }, { at = \"2026-11-23T05:01\", skip = true }]";
    let expected = [
        "11-23 17:00",
        "11-24 06:15",
        "11-24 17:00",
        "11-25 05:00",
        "11-25 17:00",
        "11-26 05:00",
        "11-26 09:00",
        "11-27 05:00",
        "11-27 17:00",
        "11-27 18:00",
    ];
    assert_eq!(in_short(base, "2026-11-23", "2026-11-28"), expected);
    // The same through a window that holds only where something was moved to, or from.
    assert_eq!(in_short(base, "2026-11-27", "2026-11-28"), expected[7..]);
    assert_eq!(in_short(base, "2026-11-26", "2026-11-27"), expected[5..7]);
    let text: ScheduleText = toml::from_str(base).unwrap();
    let schedule = Schedule::new("s".parse().unwrap(), &text, &Calendars::default()).unwrap();
    let all = schedule.rule.starts(ms("2026-11-23T00:00:00+07:00"), ms("2026-11-28T00:00:00+07:00"), 100);
    let other = |number: usize| schedule.rule.programmes[number].as_str();
    let named: Vec<_> = all.iter().filter_map(|start| start.programme).map(other).collect();
    assert_eq!(named, ["tang-le", "tang-le", "them"]);
    // What was moved keeps its place in the series.
    assert_eq!(
        (all[1].start_ms, all[1].nominal_ms),
        (ms("2026-11-24T06:15:00+07:00"), ms("2026-11-24T05:00:00+07:00"))
    );
    // The slip of the pen is found.
    let idle: Vec<_> = schedule.rule.idle_exceptions(100).collect();
    assert_eq!(idle, [When::Instant(local_time("", "2026-11-23T05:01").unwrap())]);
}

#[test]
fn rules_reach_from_1900_to_2199() {
    let text: ScheduleText =
        toml::from_str("cron = \"0 0 5 * * *\"\nonly_on = [\"lunar:1/1\"]\ntime_zone = \"Asia/Bangkok\"").unwrap();
    assert_eq!(starts_of(&text, "2199-01-01T00:00:00+07:00", "2200-01-01T00:00:00+07:00").len(), 1);
    assert_eq!(
        starts_of(&text, "1931-01-01T00:00:00+07:00", "1931-12-31T00:00:00+07:00"),
        ["1931-02-17T05:00:00+07:00"]
    );
}

#[test]
fn a_refused_field_is_named_with_something_that_works() {
    let check = |change: &dyn Fn(&mut ScheduleText), words: &[&str]| {
        let mut text = ScheduleText { cron: "0 0 5 * * *".into(), ..Default::default() };
        change(&mut text);
        let error = Schedule::new("s".parse().unwrap(), &text, &Calendars::default()).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error:?} should name {words:?}");
    };
    check(&|t| t.cron = "0 0 25 * * *".into(), &["cron", "hours", "25", "write for example"]);
    check(&|t| t.cron = "0 0 5 X * *".into(), &["cron", "day of month", "\"X\"", "15W"]);
    check(&|t| t.cron = "0 0 5 32W * *".into(), &["cron", "day of month", "\"32W\""]);
    check(&|t| t.cron = "0 0 5 ? * L".into(), &["day of week", "\"L\"", "day of month"]);
    check(&|t| t.cron = "0 0 5 ? * 15W".into(), &["day of week", "'W' belongs to the day of month"]);
    check(&|t| t.cron = "0 0 5 FRI#2 * *".into(), &["day of month", "'#'", "day of week"]);
    check(&|t| t.cron = "0 0 5 ? * FRI#6".into(), &["day of week", "FRI#6", "FRI#3"]);
    check(&|t| t.cron = "0 0 5 ? * 0".into(), &["day of week", "\"0\"", "1-7 from Sunday"]);
    check(&|t| t.cron = "? 0 5 * * *".into(), &["seconds", "'?'", "day fields"]);
    check(&|t| t.cron = "0 0 L * * *".into(), &["hours", "day fields"]);
    check(&|t| t.cron = "0 0 5 * * * 2150".into(), &["year", "2150", "1970 to 2100"]);
    check(&|t| t.at = vec!["05:00".into()], &["cron", "in one way", "at = ["]);
    check(&|t| t.cron = String::new(), &["cron", "say when", "once = "]);
    check(&|t| (t.cron, t.at) = (String::new(), vec!["25:00".into()]), &["at", "25:00", "05:30"]);
    check(&|t| t.weekdays = vec!["mon".into()], &["weekdays", "mon", "goes with at"]);
    check(
        &|t| (t.cron, t.at, t.weekdays) = (String::new(), vec!["5:00".into()], vec!["t8".into()]),
        &["weekdays", "t8", "t2 to t7"],
    );
    check(
        &|t| (t.cron, t.at, t.days_of_month) = (String::new(), vec!["5:00".into()], vec![32]),
        &["days_of_month", "32", "[1, 15, -1]"],
    );
    check(
        &|t| (t.cron, t.once) = (String::new(), Some("2026-02-30T05:00".into())),
        &["once", "2026-02-30", "2026-11-23T05:30"],
    );
    check(&|t| t.repeat = Some(RepeatText { times: 1, every_min: 5 }), &["repeat.times", "1", "times = 3"]);
    check(&|t| t.repeat = Some(RepeatText { times: 2, every_min: 0 }), &["repeat.every_min", "0", "every_min = 10"]);
    check(&|t| t.instead_on = vec![InsteadText::default()], &["instead_on", "on = ["]);
    check(
        &|t| t.exceptions = vec![ExceptionText { at: Some("2026-11-23".into()), ..Default::default() }],
        &["exceptions", "2026-11-23", "skip = true"],
    );
    check(
        &|t| {
            let (at, to) = (Some("2026-11-23".into()), Some("2026-11-24T05:00".into()));
            t.exceptions = vec![ExceptionText { at, move_to: to, ..Default::default() }];
        },
        &["exceptions", "2026-11-23", "name the time"],
    );
    check(&|t| t.clash = Some("wait".into()), &["clash", "wait", "queue"]);
    check(&|t| t.wait_s = Some(90_000), &["wait_s", "90000", "1800"]);
    check(&|t| t.area = Some("Hà Nội".into()), &["area", "24133"]);
    check(&|t| t.cron = "5 * *".into(), &["3 fields"]);
    check(&|t| t.cron = "0 5 * * 8".into(), &["day of week", "8"]);
    check(&|t| t.time_zone = Some("Hanoi".into()), &["time_zone", "Hanoi", "Asia/Ho_Chi_Minh"]);
    check(&|t| t.from = Some("02/09/2026".into()), &["from", "02/09/2026", "2026-09-02"]);
    check(&|t| t.until = Some("2026-02-30".into()), &["until", "2026-02-30"]);
    check(&|t| t.only_on = vec!["lunar:31".into()], &["only_on", "lunar:31", "lunar:15"]);
    check(&|t| t.duration_s = Some(0), &["duration_s", "86400"]);
    check(&|t| t.priority = Some("urgent".into()), &["priority", "urgent", "emergency"]);
    check(&|t| t.volume_db = Some(3.0), &["volume_db", "3"]);
    check(&|t| t.targets = vec!["Hà Nội".into()], &["targets", "24133"]);
}

#[test]
fn an_extra_in_the_place_of_one_that_was_moved_has_a_name_of_its_own() {
    let toml = "at = [\"05:00\"]\nprogramme = \"p\"\nexceptions = [{ at = \"2026-11-23T05:00\", move_to = \"2026-11-23T06:00\" }, \
        { extra = \"2026-11-23T05:00\", programme = \"q\" }, { extra = \"2026-11-24T05:00\", programme = \"q\" }]";
    let text: ScheduleText = toml::from_str(toml).unwrap();
    let schedule = Schedule::new("s".parse().unwrap(), &text, &Calendars::default()).unwrap();
    let all = schedule.rule.starts(ms("2026-11-23T00:00:00+07:00"), ms("2026-11-25T00:00:00+07:00"), 100);
    let first_ms = ms("2026-11-23T05:00:00+07:00");
    let told: Vec<_> =
        all.iter().map(|start| (start.start_ms - first_ms, start.nominal_ms - first_ms, start.programme)).collect();
    let day_ms = 86_400_000;
    assert_eq!(told, [(0, 1, Some(0)), (3_600_000, 0, None), (day_ms, day_ms + 1, Some(0))]);
}
