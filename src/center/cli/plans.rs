//! Plans: what schedules mean, what a speaker is told, and why.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset, SecondsFormat};
use chrono_tz::Tz;
use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Place, table};
use crate::center::schedule_file::ScheduleFile;
use crate::domain::calendar::Calendars;
use crate::domain::ids::OccurrenceId;
use crate::domain::timetable::Why;

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
    /// Say in one sentence why a speaker sounds, or is silent, at an instant
    Why {
        speaker: String,
        /// RFC 3339; now if not given
        #[arg(long, value_name = "TIME")]
        at: Option<DateTime<FixedOffset>>,
        /// In English; else in Vietnamese
        #[arg(long)]
        english: bool,
    },
    /// Write the coming plays of a speaker or an area as an iCalendar file
    #[command(group(clap::ArgGroup::new("whose").required(true)))]
    Calendar {
        #[arg(long, group = "whose")]
        speaker: Option<String>,
        #[arg(long, group = "whose")]
        area: Option<String>,
        /// Printed if not given
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
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
        Plan::Why { speaker, at, english } => {
            let client = place.client().await?;
            let at = at.map_or(String::new(), |at| format!("?at_ms={}", at.timestamp_millis()));
            let why: Value = client.get(&format!("/speakers/{speaker}/why{at}")).await?;
            place.answer(&why, |why| text(&why[if english { "en" } else { "vi" }]))?;
            client.close().await
        }
        Plan::Calendar { speaker, area, out } => {
            let client = place.client().await?;
            let path = match (&speaker, &area) {
                (Some(speaker), _) => format!("/speakers/{speaker}/calendar.ics"),
                (None, area) => format!("/areas/{}/calendar.ics", area.as_deref().unwrap_or_default()),
            };
            let calendar = client.text(&path).await?;
            match out {
                Some(path) => {
                    std::fs::write(&path, &calendar)
                        .map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
                    place.answer(&json!({ "file": path }), |_| format!("{} written", path.display()))?;
                }
                None => place.print(&calendar),
            }
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
    let mut groups: Vec<((&str, String, String), i64, usize)> = vec![];
    for row in left_out {
        let why: Option<Why> = serde_json::from_value(row.clone()).ok();
        let schedule = |id: &OccurrenceId| id.parts().map_or_else(String::new, |(schedule, ..)| schedule.to_string());
        let silent = why.as_ref().is_none_or(Why::silences);
        let why = why.map_or_else(|| text(&row["why"]), |why| why.clause(&schedule).en);
        let key = (if silent { "left out" } else { "note" }, text(&row["title"]), why);
        match groups.iter_mut().find(|(known, ..)| *known == key) {
            Some((_, _, times)) => *times += 1,
            None => groups.push((key, row["start_ms"].as_i64().unwrap_or(0), 1)),
        }
    }
    let line = |((kind, title, why), first_ms, times): &((&str, String, String), i64, usize)| {
        format!(
            "{kind}: {title} — {why} (first at {}, {times} {})",
            shown(*first_ms, zone),
            if *times == 1 { "time" } else { "times" }
        )
    };
    groups.iter().map(line).collect()
}
