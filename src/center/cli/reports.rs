//! What really sounded, as tables for people.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Place, escaped, table};
use crate::center::app::now_ms;
use crate::domain::DAY_MS;

#[derive(Subcommand)]
pub enum Report {
    /// Plays with their outcome and evidence, newest first
    Plays {
        /// First instant (RFC 3339); a day ago if not given
        #[arg(long, value_name = "TIME")]
        from: Option<DateTime<chrono::FixedOffset>>,
        /// Last instant (RFC 3339); now if not given
        #[arg(long, value_name = "TIME")]
        to: Option<DateTime<chrono::FixedOffset>>,
        #[arg(long)]
        speaker: Option<String>,
    },
    /// What happened in an area within a time: sums, coverage, reasons and figures; or the same as a file
    Period(Period),
}

#[derive(Args)]
pub struct Period {
    /// The area, all below it included; the top of the tree if not given
    #[arg(long, value_name = "CODE")]
    area: Option<String>,
    /// First day, such as 2026-11-01
    #[arg(long, value_name = "DAY")]
    from: NaiveDate,
    /// Last day; the first one if not given
    #[arg(long, value_name = "DAY")]
    to: Option<NaiveDate>,
    /// Write an Excel file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["csv", "pdf"])]
    xlsx: Option<PathBuf>,
    /// Write a CSV file
    #[arg(long, value_name = "FILE", conflicts_with = "pdf")]
    csv: Option<PathBuf>,
    /// Write a paper with the office's heading
    #[arg(long, value_name = "FILE")]
    pdf: Option<PathBuf>,
}

pub async fn report(place: &Place, command: Report) -> Result<(), String> {
    let (from, to, speaker) = match command {
        Report::Plays { from, to, speaker } => (from, to, speaker),
        Report::Period(period) => return told_of_period(place, period).await,
    };
    let client = place.client().await?;
    let from_ms = from.map_or(now_ms() - DAY_MS, |from| from.timestamp_millis());
    let until_ms = to.map_or(now_ms(), |to| to.timestamp_millis());
    let speaker = speaker.map(|speaker| format!("&speaker={}", escaped(&speaker))).unwrap_or_default();
    let (mut items, mut cursor) = (vec![], String::new());
    loop {
        let path = format!("/plays?from_ms={from_ms}&until_ms={until_ms}{speaker}&cursor={}", escaped(&cursor));
        let page: Value = client.get(&path).await?;
        items.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let center: Value = client.get("/center").await?;
    let zone: Tz = center["time_zone"].as_str().and_then(|zone| zone.parse().ok()).unwrap_or(chrono_tz::UTC);
    place.answer(&serde_json::json!({ "items": items }), |_| play_table(&items, zone))?;
    client.close().await
}

async fn told_of_period(place: &Place, period: Period) -> Result<(), String> {
    let client = place.client().await?;
    let to = period.to.unwrap_or(period.from);
    let area = period.area.map(|area| format!("&area={}", escaped(&area))).unwrap_or_default();
    let query = format!("from={}&to={to}{area}", period.from);
    let files = [("xlsx", period.xlsx), ("csv", period.csv), ("pdf", period.pdf)];
    match files.into_iter().find_map(|(form, path)| Some((form, path?))) {
        Some((form, path)) => {
            let bytes = client.bytes(&format!("/reports/period/file?{query}&form={form}")).await?;
            write_whole(&path, &bytes).map_err(|e| format!("{}: {e}", path.display()))?;
            let written = serde_json::json!({ "file": path, "bytes": bytes.len() });
            place.answer(&written, |_| format!("{} ({} bytes)", path.display(), bytes.len()))?;
        }
        None => {
            let report: Value = client.get(&format!("/reports/period?{query}")).await?;
            place.answer(&report, period_table)?;
        }
    }
    client.close().await
}

/// Beside its name first, so that nobody finds half a file.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn period_table(report: &Value) -> String {
    let seconds = |ms: &Value| format!("{:.0}", ms.as_f64().unwrap_or(0.0) / 1000.0);
    let percent = |part: &Value, whole: &Value| match (part.as_f64(), whole.as_f64()) {
        (Some(part), Some(whole)) if whole > 0.0 => format!("{:.1}", part * 100.0 / whole),
        _ => String::new(),
    };
    let mut areas = table(&["area", "title", "plays", "complete", "%", "requested s", "heard s", "sounding/speakers"]);
    let mut row = |code: &Value, title: &str, sums: &Value, cover: &Value| {
        areas.add_row([
            code.as_str().unwrap_or_default().to_owned(),
            title.to_owned(),
            sums["plays"].to_string(),
            sums["complete"].to_string(),
            percent(&sums["complete"], &sums["plays"]),
            seconds(&sums["requested_ms"]),
            seconds(&sums["heard_ms"]),
            format!("{}/{}", cover["speakers_sounded"], cover["speakers"]),
        ]);
    };
    for line in report["areas"].as_array().into_iter().flatten() {
        row(&line["code"], line["title"].as_str().unwrap_or_default(), &line["sums"], &line["coverage"]);
    }
    row(&report["area"], "in all", &report["sums"], &report["coverage"]);
    let mut lines = vec![areas.to_string()];
    let reasons: Vec<&Value> = report["reasons"].as_array().into_iter().flatten().collect();
    if !reasons.is_empty() {
        let mut shown = table(&["outcome", "reason", "plays", "lost s"]);
        for line in reasons {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            shown.add_row([text("outcome"), text("reason"), line["plays"].to_string(), seconds(&line["lost_ms"])]);
        }
        lines.push(shown.to_string());
    }
    let mut figures = table(&["figure", "value", "unit"]);
    for figure in report["figures"].as_array().into_iter().flatten() {
        let value = figure["value"].as_f64().map_or("-".to_owned(), |value| format!("{value:.1}"));
        let text = |key: &str| figure[key].as_str().unwrap_or_default().to_owned();
        figures.add_row([text("id"), value, text("unit")]);
    }
    lines.push(figures.to_string());
    lines.join("\n")
}

/// Plays as a table, in the order given.
pub fn play_table(plays: &[Value], zone: Tz) -> String {
    if plays.is_empty() {
        return "no plays in this time".into();
    }
    let mut table = table(&["planned", "speaker", "title", "outcome", "error ms", "heard s", "level dBFS", "evidence"]);
    for play in plays {
        let number = |key: &str, scale: f64, digits: usize| {
            play[key].as_f64().map_or(String::new(), |value| format!("{:.digits$}", value / scale))
        };
        let text = |key: &str| play[key].as_str().unwrap_or_default().to_owned();
        let outcome = match play["reason"].as_str() {
            Some(reason) => format!("{} ({reason})", text("outcome")),
            None => text("outcome"),
        };
        let planned = DateTime::from_timestamp_millis(play["start_ms"].as_i64().unwrap_or(0));
        table.add_row([
            planned.map(|time| time.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default(),
            text("speaker"),
            text("title"),
            outcome,
            number("start_error_ms", 1.0, 2),
            number("heard_ms", 1000.0, 1),
            number("level_dbfs", 1.0, 1),
            text("evidence"),
        ]);
    }
    table.to_string()
}

/// Speakers as a table: link, clock, content and last sound each for itself.
pub fn speaker_table(speakers: &Value) -> String {
    let rows = speakers.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "no speakers yet; add one: loaxa speaker add ID --title TITLE --area CODE".into();
    }
    let mut table = table(&["id", "title", "area", "link", "clock", "content", "plan", "last play"]);
    for row in rows {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let clock = match (row["clock"]["trusted"].as_bool(), row["clock"]["error_bound_ms"].as_f64()) {
            (Some(true), Some(bound)) => match row["clock"]["source"].as_str().filter(|source| *source != "center") {
                Some(source) => format!("±{bound:.1} ms ({source})"),
                None => format!("±{bound:.1} ms"),
            },
            (Some(true), None) => "trusted".into(),
            (Some(false), _) => "not trusted".into(),
            (None, _) => String::new(),
        };
        let content = match (row["content"]["ready"].as_u64(), row["content"]["wanted"].as_u64()) {
            (Some(ready), Some(wanted)) => format!("{ready}/{wanted}"),
            _ => String::new(),
        };
        let plan = match (row["plan"]["accepted"].as_u64(), row["plan"]["sent"].as_u64()) {
            (Some(accepted), Some(sent)) if accepted == sent => accepted.to_string(),
            (accepted, sent) => {
                let word = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
                format!("{} of {}", word(accepted), word(sent))
            }
        };
        table.add_row([
            text(&row["id"]),
            text(&row["title"]),
            text(&row["area_title"]),
            if row["disabled"] == true { "disabled".into() } else { text(&row["link"]["state"]) },
            clock,
            content,
            plan,
            text(&row["last"]["outcome"]),
        ]);
    }
    let mut lines = vec![table.to_string()];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for row in rows {
        let id = text(&row["id"]);
        let (mut board, mut temperature) = (vec![], String::new());
        for fault in row["faults"].as_array().into_iter().flatten() {
            let (name, words) = (fault["fault"].as_str().unwrap_or_default(), text(&fault["words"]));
            let what = match name {
                "amplifier" => "has an amplifier that is not as it should be",
                "store" => "can keep nothing on its disk",
                "capture" => "has nothing to listen with",
                "path" => "does not sound as it did",
                _ => {
                    board.push(name);
                    if name == "hot" {
                        temperature = format!(", {words}");
                    }
                    continue;
                }
            };
            lines.push(format!("{id} {what}: {words}"));
        }
        if !board.is_empty() {
            lines.push(format!("{id} wants somebody to look after its board: {}{temperature}", board.join(", ")));
        }
        if let Some(refused) = row["plan"]["refused"].as_str() {
            lines.push(format!("{} refused its last plan: {refused}", row["id"].as_str().unwrap_or_default()));
        }
    }
    lines.join("\n")
}
