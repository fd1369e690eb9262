//! Rules against a second implementation: what schedule files mean, and which words refuse the bad ones.
//!
//! `tests/golden/rules/` was computed outside this repository, from the documentation alone, by a program that shares no code with
//! this one; its lunar days are those of `lunar-months.csv`, its holidays the ones that were announced.

use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, SecondsFormat};
use loaxa::center::schedule_file::ScheduleFile;
use loaxa::domain::calendar::Calendars;
use loaxa::domain::ids::ProgrammeId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::harness::{binary, repository};

/// More than any window of the vectors holds.
const MOST: usize = 1000;

const MEANINGS: [&str; 8] = [
    "cron.json",
    "cron-unix.json",
    "days.json",
    "exceptions.json",
    "lunar.json",
    "month-ends.json",
    "simple.json",
    "zones.json",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Meaning {
    name: String,
    toml: String,
    from: String,
    to: String,
    /// `NAME START`, in order of start, then of name; the start as clocks show it in the schedule's zone.
    starts: Vec<String>,
    /// Beside each start the programme that replaces the schedule's own; empty = its own.
    programmes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    name: String,
    toml: String,
    words: Vec<String>,
}

fn folder() -> PathBuf {
    repository().join("tests/golden/rules")
}

fn vectors<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Each start with the programme that replaces the usual one (or nothing), in the order of the vectors.
fn meant(dir: &Path, toml: &str, from: &str, to: &str) -> Result<Vec<(String, String)>, String> {
    let path = dir.join("schedule.toml");
    std::fs::write(&path, toml).unwrap();
    let file = ScheduleFile::read(&path)?;
    let calendars = Calendars::new(&file.calendar_texts()?)?;
    let [from, to] = [from, to].map(|time| DateTime::parse_from_rfc3339(time).unwrap().timestamp_millis());
    let mut found = vec![];
    for schedule in file.schedules(&calendars)? {
        let rule = &schedule.rule;
        for start in rule.starts(from, to, MOST) {
            let time = DateTime::from_timestamp_millis(start.start_ms).unwrap().with_timezone(&rule.time_zone);
            let other = start.programme.map(|number| &rule.programmes[number]).map(ProgrammeId::as_str);
            let shown = format!("{} {}", schedule.id, time.to_rfc3339_opts(SecondsFormat::AutoSi, false));
            found.push(((start.start_ms, schedule.id.to_string()), (shown, other.unwrap_or_default().to_owned())));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, start)| start).collect())
}

fn report(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} vectors disagree:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

/// One item a line, those marked that the other list lacks.
fn listed(list: &[String], other: &[String]) -> String {
    let line = |item: &String| format!("\n    {} {item}", if other.contains(item) { ' ' } else { '*' });
    if list.is_empty() { "\n      nothing".into() } else { list.iter().map(line).collect() }
}

#[test]
fn every_file_of_vectors_is_read() {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = files.filter(|name| name != "refused.json").collect();
    files.sort();
    let mut meanings = MEANINGS;
    meanings.sort_unstable();
    assert_eq!(files, meanings);
}

#[test]
fn schedules_mean_what_the_second_implementation_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = vec![];
    for file in MEANINGS {
        for Meaning { name, toml, from, to, starts, programmes } in vectors(file) {
            let head = format!("{file}: {name}, from {from} to {to}\n    {}", toml.trim_end().replace('\n', "\n    "));
            let (got, others): (Vec<_>, Vec<_>) = match meant(dir.path(), &toml, &from, &to) {
                Ok(found) => found.into_iter().unzip(),
                Err(error) => {
                    wrong.push(format!("{head}\n  refused: {error}"));
                    continue;
                }
            };
            if got != starts {
                let (expected, got) = (listed(&starts, &got), listed(&got, &starts));
                wrong.push(format!("{head}\n  expected:{expected}\n  got:{got}"));
            } else if let Some(programmes) = programmes
                && others != programmes
            {
                wrong.push(format!("{head}\n  expected programmes: {programmes:?}\n  got: {others:?}"));
            }
        }
    }
    report(&wrong);
}

#[test]
fn what_is_refused_is_named_with_something_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = ("2026-11-23T00:00:00+07:00", "2026-11-24T00:00:00+07:00");
    let mut wrong = vec![];
    for Refused { name, toml, words } in vectors("refused.json") {
        let head = format!("refused.json: {name}\n    {}", toml.trim_end().replace('\n', "\n    "));
        match meant(dir.path(), &toml, from, to) {
            Ok(found) => wrong.push(format!("{head}\n  not refused, but read as {found:?}")),
            Err(error) => {
                let missing: Vec<_> = words.iter().filter(|word| !error.contains(*word)).collect();
                if !missing.is_empty() || error.contains('\n') {
                    wrong.push(format!("{head}\n  expected in one line: {missing:?}\n  got: {error}"));
                }
            }
        }
    }
    report(&wrong);
}

#[test]
fn the_preview_answers_in_the_documented_shape() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("schedule.toml");
    let toml = "[schedule.tieng-anh]\ncron = \"0 30 7 * * *\"\ntime_zone = \"Europe/London\"\nduration_s = 600\n\n\
        [schedule.buoi-sang]\nat = [\"05:30\", \"17:00\"]\nduration_s = 1800\n";
    std::fs::write(&path, toml).unwrap();
    let output = Command::new(binary("loaxa"))
        .args(["plan", "preview", "--schedule", path.to_str().unwrap()])
        .args(["--from", "2026-11-23T00:00:00+07:00", "--to", "2026-11-24T00:00:00+07:00", "--json"])
        .output()
        .unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!({ "occurrences": [
        {
            "schedule": "buoi-sang",
            "start": "2026-11-23T05:30:00+07:00",
            "end": "2026-11-23T06:00:00+07:00",
        },
        {
            "schedule": "tieng-anh",
            "start": "2026-11-23T07:30:00+00:00",
            "end": "2026-11-23T07:40:00+00:00",
        },
        {
            "schedule": "buoi-sang",
            "start": "2026-11-23T17:00:00+07:00",
            "end": "2026-11-23T17:30:00+07:00",
        },
    ] });
    assert_eq!(shown, expected);
}
