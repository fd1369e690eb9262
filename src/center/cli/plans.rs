//! Programmes, schedules and plans.

use std::path::PathBuf;

use axum::http::Method;
use chrono::{DateTime, FixedOffset, SecondsFormat};
use chrono_tz::Tz;
use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Place, table};
use crate::center::schedule_file::ScheduleFile;
use crate::domain::approval::Denial;
use crate::domain::calendar::Calendars;

#[derive(Subcommand)]
pub enum Programme {
    /// Add or change the programmes of a playlist file
    Import { file: PathBuf },
    /// List programmes
    List,
}

#[derive(Subcommand)]
pub enum Schedule {
    /// Add or change the programmes and schedules of a playlist file
    Import { file: PathBuf },
    /// List schedules
    List,
    /// Remove a schedule
    Remove { id: String },
}

#[derive(Subcommand)]
pub enum Plan {
    /// Print what the schedules of a file mean; needs no center
    Preview {
        #[arg(long, value_name = "FILE")]
        schedule: PathBuf,
        /// First instant (RFC 3339), inclusive
        #[arg(long, value_name = "TIME")]
        from: DateTime<FixedOffset>,
        /// Last instant (RFC 3339), exclusive
        #[arg(long, value_name = "TIME")]
        to: DateTime<FixedOffset>,
    },
    /// Show a speaker's plan, and what was left out of it and why
    Show { speaker: String },
}

pub async fn programme(place: &Place, command: Programme) -> Result<(), String> {
    let client = place.client().await?;
    match command {
        Programme::Import { file } => {
            let file = ScheduleFile::read(&file)?;
            for (id, programme) in &file.programme {
                client.send::<Value>(Method::PUT, &format!("/programmes/{id}"), &json!(programme)).await?;
            }
            let names: Vec<_> = file.programme.keys().collect();
            place.answer(&json!({ "programmes": names }), |_| format!("{} programmes", names.len()))?;
        }
        Programme::List => {
            let list: Value = client.get("/programmes").await?;
            place.answer(&list, |list| {
                let mut table = table(&["programme", "title", "items"]);
                for row in list.as_array().into_iter().flatten() {
                    table.add_row([text(&row["id"]), text(&row["title"]), words(&row["items"])]);
                }
                table.to_string()
            })?;
        }
    }
    client.close().await
}

pub async fn schedule(place: &Place, command: Schedule) -> Result<(), String> {
    let client = place.client().await?;
    match command {
        Schedule::Import { file } => {
            let file = ScheduleFile::read(&file)?;
            // All is read and found sound before anything is changed.
            file.schedules(&Calendars::new(&file.calendar_texts()?)?)?;
            for (id, programme) in &file.programme {
                client.send::<Value>(Method::PUT, &format!("/programmes/{id}"), &json!(programme)).await?;
            }
            for (id, schedule) in &file.schedule {
                let sent = client.send::<Value>(Method::PUT, &format!("/schedules/{id}"), &json!(schedule)).await;
                sent.map_err(|e| format!("[schedule.{id}]: {e}"))?;
            }
            let (programmes, schedules) = (file.programme.len(), file.schedule.len());
            place.answer(&json!({ "programmes": programmes, "schedules": schedules }), |_| {
                format!("{programmes} programmes, {schedules} schedules")
            })?;
        }
        Schedule::List => {
            let list: Value = client.get("/schedules").await?;
            place.answer(&list, |list| {
                let mut table = table(&["schedule", "title", "cron", "targets", "programme", "priority"]);
                for row in list.as_array().into_iter().flatten() {
                    let priority = row["priority"].as_str().unwrap_or("normal").to_owned();
                    table.add_row([
                        text(&row["id"]),
                        text(&row["title"]),
                        text(&row["cron"]),
                        words(&row["targets"]),
                        text(&row["programme"]),
                        priority,
                    ]);
                }
                table.to_string()
            })?;
        }
        Schedule::Remove { id } => {
            client.send::<Value>(Method::DELETE, &format!("/schedules/{id}"), &Value::Null).await?;
            place.answer(&json!({ "removed": id }), |_| format!("schedule {id} removed"))?;
        }
    }
    client.close().await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn words(value: &Value) -> String {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

#[derive(Debug, Serialize)]
struct Previewed {
    schedule: String,
    start: String,
    end: String,
}

/// More than this is a mistake in the rule or in the window.
const MOST_PREVIEWED: usize = 1_000_000;

pub async fn plan(place: &Place, command: Plan) -> Result<(), String> {
    match command {
        Plan::Preview { schedule, from, to } => {
            let file = ScheduleFile::read(&schedule)?;
            let mut found = vec![];
            let calendars = Calendars::new(&file.calendar_texts()?)?;
            for schedule in file.schedules(&calendars)? {
                let (from_ms, to_ms) = (from.timestamp_millis(), to.timestamp_millis());
                let starts = schedule.rule.starts(from_ms, to_ms, MOST_PREVIEWED);
                if starts.len() == MOST_PREVIEWED {
                    return Err(format!(
                        "[schedule.{}] means more than {MOST_PREVIEWED} plays; narrow --from and --to",
                        schedule.id
                    ));
                }
                let zone = schedule.rule.time_zone;
                found.extend(starts.into_iter().map(|start| {
                    let start_ms = start.start_ms;
                    let end_ms = start_ms + schedule.duration_ms.unwrap_or(0);
                    let shown = Previewed {
                        schedule: schedule.id.to_string(),
                        start: shown(start_ms, zone),
                        end: shown(end_ms, zone),
                    };
                    (start_ms, shown)
                }));
            }
            found.sort_by(|a, b| (a.0, &a.1.schedule).cmp(&(b.0, &b.1.schedule)));
            let occurrences: Vec<_> = found.into_iter().map(|(_, shown)| shown).collect();
            place.answer(&json!({ "occurrences": occurrences }), |_| {
                let mut table = table(&["start", "end", "schedule"]);
                for row in &occurrences {
                    table.add_row([&row.start, &row.end, &row.schedule]);
                }
                table.to_string()
            })
        }
        Plan::Show { speaker } => {
            let client = place.client().await?;
            let shown: Value = client.get(&format!("/speakers/{speaker}/plan")).await?;
            let center: Value = client.get("/center").await?;
            let zone: Tz = center["time_zone"].as_str().and_then(|zone| zone.parse().ok()).unwrap_or(chrono_tz::UTC);
            place.answer(&shown, |plan| describe(plan, zone))?;
            client.close().await
        }
    }
}

fn shown(ms: i64, zone: Tz) -> String {
    DateTime::from_timestamp_millis(ms)
        .map(|time| time.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::AutoSi, false))
        .unwrap_or_default()
}

fn describe(shown_plan: &Value, zone: Tz) -> String {
    let plan = &shown_plan["plan"];
    let mut lines = match plan["number"].as_u64() {
        None => vec!["no plan yet".to_owned()],
        Some(number) => {
            let mut table = table(&["start", "end", "title", "priority", "items"]);
            for occurrence in plan["occurrences"].as_array().into_iter().flatten() {
                let items: Vec<_> =
                    occurrence["items"].as_array().into_iter().flatten().map(|i| text(&i["bulletin"])).collect();
                table.add_row([
                    shown(occurrence["start_ms"].as_i64().unwrap_or(0), zone),
                    shown(occurrence["end_ms"].as_i64().unwrap_or(0), zone),
                    text(&occurrence["title"]),
                    text(&occurrence["priority"]),
                    items.join(" "),
                ]);
            }
            vec![
                format!("plan {number}, until {}", shown(plan["until_ms"].as_i64().unwrap_or(0), zone)),
                table.to_string(),
            ]
        }
    };
    lines.extend(describe_left_out(shown_plan["left_out"].as_array().map(Vec::as_slice).unwrap_or_default(), zone));
    lines.join("\n")
}

/// One line for everything that is left out for the same reason, with the first time and how often.
fn describe_left_out(left_out: &[Value], zone: Tz) -> Vec<String> {
    let mut groups: Vec<((String, String), i64, usize)> = vec![];
    for row in left_out {
        let why = match row["why"].as_str() {
            Some("displaced") => format!("{} has the air then", text(&row["by"]).split('@').next().unwrap_or_default()),
            Some("nothing_to_play") => "its programme is empty".into(),
            Some("not_approved") => {
                let denial: Option<Denial> = serde_json::from_value(row["denial"].clone()).ok();
                format!("{}: {}", text(&row["bulletin"]), denial.map_or(String::new(), |denial| denial.to_string()))
            }
            Some("does_not_fit") => format!("{} does not fit into the slot", text(&row["bulletin"])),
            _ => row["why"].to_string(),
        };
        let key = (text(&row["title"]), why);
        match groups.iter_mut().find(|(known, ..)| *known == key) {
            Some((_, _, times)) => *times += 1,
            None => groups.push((key, row["start_ms"].as_i64().unwrap_or(0), 1)),
        }
    }
    let line = |((title, why), first_ms, times): &((String, String), i64, usize)| {
        format!("left out: {title} — {why} (first at {}, {times} times)", shown(*first_ms, zone))
    };
    groups.iter().map(line).collect()
}
