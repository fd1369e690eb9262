//! Plans: what schedules mean, what a speaker is told, and why.

use std::path::PathBuf;

use chrono::{DateTime, FixedOffset, SecondsFormat, Timelike as _};
use chrono_tz::Tz;
use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Place, escaped, table};
use crate::center::readiness::in_words;
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
    /// Show how many speakers are ready for each play to come, and what the others lack
    Ready {
        /// How far to look ahead, at most 336
        #[arg(long, value_name = "N", default_value_t = 24)]
        hours: u32,
        /// Only the speakers of this area and those below it
        #[arg(long, value_name = "CODE")]
        area: Option<String>,
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
            let zone = zone_of(&client.get("/center").await?);
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
        Plan::Ready { hours, area } => {
            let client = place.client().await?;
            let area = area.map_or(String::new(), |area| format!("&area={}", escaped(&area)));
            let outlook: Value = client.get(&format!("/readiness?hours={hours}{area}")).await?;
            let zone = zone_of(&client.get("/center").await?);
            place.answer(&outlook, |outlook| readiness_lines(outlook, zone))?;
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

fn zone_of(center: &Value) -> Tz {
    center["time_zone"].as_str().and_then(|zone| zone.parse().ok()).unwrap_or(chrono_tz::UTC)
}

/// One line for each play to come: "17:00  Bản tin chiều   37 of 40 speakers ready; 2 wait for content (1.2 MB), 1 never heard".
fn readiness_lines(outlook: &Value, zone: Tz) -> String {
    let plays = outlook["plays"].as_array().map(Vec::as_slice).unwrap_or_default();
    if plays.is_empty() {
        return "no plays in this time".into();
    }
    let local =
        |ms: &Value| DateTime::from_timestamp_millis(ms.as_i64().unwrap_or(0)).map(|at| at.with_timezone(&zone));
    let today = local(&outlook["now_ms"]).map(|now| now.date_naive());
    // The day only where it is another one, and the second where it is not the minute's first.
    let when = |play: &Value| {
        let Some(at) = local(&play["start_ms"]) else { return String::new() };
        let time = if at.second() == 0 { at.format("%H:%M") } else { at.format("%H:%M:%S") };
        if Some(at.date_naive()) == today { time.to_string() } else { format!("{} {time}", at.format("%Y-%m-%d")) }
    };
    let width = |texts: &mut dyn Iterator<Item = String>| texts.map(|text| text.chars().count()).max().unwrap_or(0);
    let (time_width, title_width) =
        (width(&mut plays.iter().map(when)), width(&mut plays.iter().map(|play| text(&play["title"]))));
    let line = |play: &Value| {
        let title = text(&play["title"]);
        format!("{:time_width$}  {title:title_width$}   {}", when(play), readiness_words(play))
    };
    let mut lines: Vec<_> = plays.iter().map(line).collect();
    if let Some(more) = outlook["more"].as_u64().filter(|more| *more > 0) {
        lines.push(format!("and {more} more; ask for fewer hours"));
    }
    lines.join("\n")
}

fn readiness_words(play: &Value) -> String {
    let number = |key: &str| play[key].as_u64().unwrap_or(0);
    let offline = match number("ready_offline") {
        0 => String::new(),
        offline => format!(" ({offline} of them off line)"),
    };
    let waiting = |one: &Value| {
        let reason = text(&one["reason"]);
        let words = in_words(&reason, one["speakers"].as_u64().unwrap_or(0));
        let bytes = if reason == "content_missing" {
            format!(" ({})", megabytes(number("missing_bytes")))
        } else {
            String::new()
        };
        words + &bytes
    };
    let waiting: Vec<_> = play["waiting"].as_array().into_iter().flatten().map(waiting).collect();
    let waiting = if waiting.is_empty() { String::new() } else { format!("; {}", waiting.join(", ")) };
    let warning = match play["warning"].as_str() {
        Some("soon") => " — time runs short",
        Some("late") => " — late",
        _ => "",
    };
    format!("{} of {} speakers ready{offline}{waiting}{warning}", number("ready"), number("speakers"))
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_said_in_one_line_a_play() {
        let now_ms = 1_795_000_000_000_i64;
        let play = |start_ms: i64, title: &str, more: Value| {
            let mut play =
                json!({ "start_ms": start_ms, "title": title, "speakers": 40, "ready": 37, "ready_offline": 0 });
            play.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            play
        };
        let waiting =
            json!([{ "reason": "content_missing", "speakers": 2 }, { "reason": "never_heard", "speakers": 1 }]);
        let outlook = json!({ "now_ms": now_ms, "more": 3, "plays": [
            play(now_ms + 20_000, "Tin", json!({ "waiting": waiting, "missing_bytes": 1_234_567, "warning": "late" })),
            play(now_ms + 86_400_000, "Bản tin chiều", json!({ "ready": 40, "ready_offline": 1, "waiting": [], "warning": "none" })),
        ] });
        assert_eq!(
            readiness_lines(&outlook, chrono_tz::Asia::Ho_Chi_Minh),
            "18:07                Tin             37 of 40 speakers ready; 2 wait for content (1.2 MB), 1 never heard — late\n\
             2026-11-19 18:06:40  Bản tin chiều   40 of 40 speakers ready (1 of them off line)\n\
             and 3 more; ask for fewer hours"
        );
        assert_eq!(readiness_lines(&json!({ "plays": [] }), Tz::UTC), "no plays in this time");
    }
}
