//! Programmes, schedules and calendars: from files and back, with what each edit does told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use axum::http::Method;
use clap::Subcommand;
use serde_json::{Value, json};

use super::plans::text;
use super::{Place, table};
use crate::center::api::{BulletinView, Playlist, ProgrammeView, Saved, ScheduleView};
use crate::center::app::now_ms;
use crate::center::client::Client;
use crate::center::exchange::{self, Sound};
use crate::center::planner::check::many;
use crate::center::schedule_file::ScheduleFile;
use crate::domain::calendar::CalendarText;
use crate::domain::ids::CalendarId;
use crate::domain::programme::ProgrammeText;
use crate::domain::schedule::ScheduleText;

#[derive(Subcommand)]
pub enum Programme {
    /// Add or change the programmes of a playlist file (.toml), or one from .m3u8 or .xspf
    Import {
        file: PathBuf,
        /// For .m3u8 and .xspf: the programme's name; the file's if not given
        #[arg(long)]
        id: Option<String>,
        /// Change what is about to play, too
        #[arg(long)]
        at_once: bool,
    },
    /// Write a programme to a file, in the form that its ending says: .m3u8, .xspf or .toml
    Export { id: String, file: PathBuf },
    /// List programmes
    List,
    /// Remove a programme that no schedule plays
    Remove { id: String },
}

#[derive(Subcommand)]
pub enum Schedule {
    /// Add or change the calendars, programmes and schedules of a playlist file
    Import {
        file: PathBuf,
        /// Change what is about to play, too
        #[arg(long)]
        at_once: bool,
    },
    /// Tell what the schedules of a file would do, and change nothing
    Check { file: PathBuf },
    /// Play a programme now, once
    Now {
        programme: String,
        /// Area codes, and speaker:ID
        #[arg(long, required = true, value_delimiter = ',')]
        targets: Vec<String>,
        #[arg(long, default_value = "normal")]
        priority: String,
        /// How many seconds from now, so that every speaker has the content
        #[arg(long, default_value_t = 15)]
        in_s: u32,
    },
    /// List schedules
    List,
    /// Write all calendars, programmes and schedules to a file
    Export { file: PathBuf },
    /// Remove a schedule
    Remove {
        id: String,
        /// End what is on the air, too
        #[arg(long)]
        at_once: bool,
    },
}

#[derive(Subcommand)]
pub enum Calendar {
    /// Add or change the calendars of a playlist file
    Import { file: PathBuf },
    /// List calendars
    List,
    /// Remove a calendar that no schedule names
    Remove { id: String },
}

pub async fn programme(place: &Place, command: Programme) -> Result<(), String> {
    let client = place.client().await?;
    let result = programme_with(place, &client, command).await;
    let closed = client.close().await;
    result.and(closed)
}

async fn programme_with(place: &Place, client: &Client, command: Programme) -> Result<(), String> {
    match command {
        Programme::Import { file, id, at_once } => {
            let programmes = match ending(&file) {
                "toml" => ScheduleFile::read(&file)?.programme,
                form => {
                    let text = read(&file)?;
                    let known = known_bulletins(client).await?;
                    let is_known = |id: &str| known.contains_key(id);
                    let programme = match form {
                        "m3u" | "m3u8" => exchange::m3u::read(&text, &is_known),
                        "xspf" => exchange::xspf::read(&text, &is_known),
                        _ => Err("a programme comes as .toml, .m3u8 or .xspf".to_owned()),
                    };
                    let name = id.unwrap_or_else(|| stem(&file));
                    BTreeMap::from([(name, programme.map_err(|e| one_line(&file, &e))?)])
                }
            };
            let names: Vec<_> = programmes.keys().cloned().collect();
            let saved =
                put(client, &Playlist { programme: programmes, ..Default::default() }, &format!("?at_once={at_once}"))
                    .await?;
            place.answer(&json!({ "programmes": names, "findings": saved.findings }), |_| {
                told(&saved, &many(names.len(), "programme"))
            })
        }
        Programme::Export { id, file } => {
            let list: Vec<ProgrammeView> = client.get("/programmes").await?;
            let found = list.into_iter().find(|programme| programme.id == id);
            let found = found.ok_or_else(|| format!("programme {id} is not here; see loaxa programme list"))?;
            let programme = ProgrammeText { title: found.title, items: found.items };
            let known = known_bulletins(client).await?;
            let sound = |id: &str| known.get(id).cloned();
            let written = match ending(&file) {
                "m3u" | "m3u8" => exchange::m3u::write(&programme, &sound),
                "xspf" => exchange::xspf::write(&programme, &sound),
                "toml" => {
                    let file = ScheduleFile { programme: BTreeMap::from([(id, programme)]), ..Default::default() };
                    file.write()?
                }
                _ => return Err("say the form by the file's ending: .m3u8, .xspf or .toml".into()),
            };
            write(&file, &written)?;
            place.answer(&json!({ "file": file }), |_| format!("{} written", file.display()))
        }
        Programme::List => {
            let list: Vec<ProgrammeView> = client.get("/programmes").await?;
            place.answer(&list, |list| {
                let mut table = table(&["programme", "title", "items"]);
                for row in list {
                    let items: Vec<_> =
                        row.items.iter().map(|item| json!(item)).map(|item| shown_item(&item)).collect();
                    table.add_row([row.id.clone(), row.title.clone(), items.join(", ")]);
                }
                table.to_string()
            })
        }
        Programme::Remove { id } => {
            client.send::<Value>(Method::DELETE, &format!("/programmes/{id}"), &Value::Null).await?;
            place.answer(&json!({ "removed": id }), |_| format!("programme {id} removed"))
        }
    }
}

fn shown_item(item: &Value) -> String {
    match item {
        Value::String(name) => name.clone(),
        Value::Object(fields) => {
            let one = |(key, value): (&String, &Value)| format!("{key} {}", value.to_string().trim_matches('"'));
            fields.iter().map(one).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

pub async fn schedule(place: &Place, command: Schedule) -> Result<(), String> {
    let client = place.client().await?;
    let result = schedule_with(place, &client, command).await;
    let closed = client.close().await;
    result.and(closed)
}

async fn schedule_with(place: &Place, client: &Client, command: Schedule) -> Result<(), String> {
    match command {
        Schedule::Import { file, at_once } => {
            let file = playlist(&file)?;
            let (programmes, schedules) = (file.programme.len(), file.schedule.len());
            let saved = put(client, &file, &format!("?at_once={at_once}")).await?;
            let made = json!({ "programmes": programmes, "schedules": schedules, "findings": saved.findings });
            let done = format!("{}, {}", many(programmes, "programme"), many(schedules, "schedule"));
            place.answer(&made, |_| told(&saved, &done))
        }
        Schedule::Check { file } => {
            let saved = put(client, &playlist(&file)?, "?dry_run=true").await?;
            place.answer(&json!({ "findings": saved.findings }), |_| told(&saved, "nothing was changed"))
        }
        Schedule::Now { programme, targets, priority, in_s } => {
            let center: Value = client.get("/center").await?;
            let zone: chrono_tz::Tz = text(&center["time_zone"]).parse().unwrap_or(chrono_tz::UTC);
            let start_ms = now_ms() + i64::from(in_s) * 1000;
            let start = chrono::DateTime::from_timestamp_millis(start_ms).ok_or("the clock is out of range")?;
            let start = start.with_timezone(&zone);
            let list: Vec<ProgrammeView> = client.get("/programmes").await?;
            let title = list.into_iter().find(|known| known.id == programme).map(|known| known.title);
            let rule = ScheduleText {
                title: title.unwrap_or_default(),
                once: Some(start.format("%Y-%m-%dT%H:%M:%S").to_string()),
                time_zone: Some(zone.to_string()),
                priority: Some(priority),
                targets,
                programme: Some(programme.clone()),
                ..Default::default()
            };
            let id =
                format!("now-{}-{}", programme.chars().take(40).collect::<String>(), start.format("%Y%m%d-%H%M%S%3f"));
            let saved: Saved = client.send(Method::PUT, &format!("/schedules/{id}"), &json!(rule)).await?;
            let silenced = saved.findings.iter().any(|finding| finding.schedule == id && finding.code == "quiet_hours");
            let verb = if silenced { "would play" } else { "plays" };
            let shown = format!("{programme} {verb} at {}", start.format("%H:%M:%S"));
            let made = json!({ "schedule": id, "start_ms": start_ms, "findings": saved.findings });
            place.answer(&made, |_| told(&saved, &shown))
        }
        Schedule::List => {
            let list: Vec<ScheduleView> = client.get("/schedules").await?;
            place.answer(&list, |list| {
                let mut table = table(&["schedule", "title", "when", "targets", "programme", "priority"]);
                for row in list {
                    let rule = &row.rule;
                    let when = match (&rule.cron, &rule.once) {
                        (_, Some(once)) => once.clone(),
                        (cron, None) if !cron.is_empty() => cron.clone(),
                        _ => [&rule.at[..], &rule.weekdays[..]].concat().join(" "),
                    };
                    let or = |text: &Option<String>, other: &str| text.clone().unwrap_or_else(|| other.to_owned());
                    table.add_row([
                        row.id.clone(),
                        rule.title.clone(),
                        when,
                        rule.targets.join(" "),
                        or(&rule.programme, ""),
                        or(&rule.priority, "normal"),
                    ]);
                }
                table.to_string()
            })
        }
        Schedule::Export { file: path } => {
            let mut file = ScheduleFile::default();
            for programme in client.get::<Vec<ProgrammeView>>("/programmes").await? {
                let text = ProgrammeText { title: programme.title, items: programme.items };
                file.programme.insert(programme.id, text);
            }
            for schedule in client.get::<Vec<ScheduleView>>("/schedules").await? {
                file.schedule.insert(schedule.id, schedule.rule);
            }
            file.calendar = calendars(client).await?.into_iter().map(|(id, text)| (id.to_string(), text)).collect();
            write(&path, &file.write()?)?;
            place.answer(&json!({ "file": path }), |_| format!("{} written", path.display()))
        }
        Schedule::Remove { id, at_once } => {
            let path = format!("/schedules/{id}?at_once={at_once}");
            let saved: Saved = client.send(Method::DELETE, &path, &Value::Null).await?;
            let still = saved.effective_ms > now_ms();
            place.answer(&json!({ "removed": id, "effective_ms": saved.effective_ms }), |_| match still {
                true => format!("schedule {id} removed; what is about to play still plays (--at-once ends that too)"),
                false => format!("schedule {id} removed"),
            })
        }
    }
}

pub async fn calendar(place: &Place, command: Calendar) -> Result<(), String> {
    let client = place.client().await?;
    match command {
        Calendar::Import { file } => {
            let file = ScheduleFile::read(&file)?;
            let file = Playlist { calendar: file.calendar, ..Default::default() };
            let saved = put(&client, &file, "").await?;
            let names: Vec<_> = file.calendar.keys().collect();
            let made = json!({ "calendars": names, "findings": saved.findings });
            place.answer(&made, |_| told(&saved, &many(names.len(), "calendar")))?;
        }
        Calendar::List => {
            let list = calendars(&client).await?;
            place.answer(&list, |list| {
                let mut table = table(&["calendar", "title", "days", "except"]);
                for (id, text) in list {
                    table.add_row([id.to_string(), text.title.clone(), text.days.join(" "), text.except.join(" ")]);
                }
                table.to_string()
            })?;
        }
        Calendar::Remove { id } => {
            client.send::<Value>(Method::DELETE, &format!("/calendars/{id}"), &Value::Null).await?;
            place.answer(&json!({ "removed": id }), |_| format!("calendar {id} removed"))?;
        }
    }
    client.close().await
}

/// A playlist file without its bulletins, which have their own command.
fn playlist(path: &Path) -> Result<Playlist, String> {
    let ScheduleFile { calendar, programme, schedule, .. } = ScheduleFile::read(path)?;
    Ok(Playlist { calendar, programme, schedule })
}

async fn put(client: &Client, playlist: &Playlist, how: &str) -> Result<Saved, String> {
    client.send(Method::POST, &format!("/playlists{how}"), &json!(playlist)).await
}

async fn calendars(client: &Client) -> Result<BTreeMap<CalendarId, CalendarText>, String> {
    let list: Vec<Value> = client.get("/calendars").await?;
    let one = |mut row: Value| -> Result<_, String> {
        let id = text(&row["id"]).parse().map_err(|e| format!("{e}"))?;
        if let Some(fields) = row.as_object_mut() {
            fields.remove("id");
        }
        Ok((id, serde_json::from_value(row).map_err(|e| e.to_string())?))
    };
    list.into_iter().map(one).collect()
}

/// Every bulletin as other players' playlists name it.
async fn known_bulletins(client: &Client) -> Result<BTreeMap<String, Sound>, String> {
    let mut known = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page: Value = client.get(&format!("/bulletins?cursor={}", super::escaped(&cursor))).await?;
        let items: Vec<BulletinView> = serde_json::from_value(page["items"].clone()).map_err(|e| e.to_string())?;
        for bulletin in items {
            let sound = bulletin.revisions.last().and_then(|revision| revision.sound.as_ref());
            let sound = Sound {
                bulletin: bulletin.id.clone(),
                title: bulletin.title,
                duration_ms: sound.map(|sound| sound.duration_ms),
                location: format!("{}.opus", bulletin.id),
            };
            known.insert(bulletin.id, sound);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return Ok(known),
        }
    }
}

/// What was done, and what is worth knowing about it.
fn told(saved: &Saved, done: &str) -> String {
    let wait_s = (saved.effective_ms - now_ms()) / 1000;
    let waits =
        format!("! what is about to play stays as it is for {} min; --at-once changes that too", (wait_s + 59) / 60);
    let lines = std::iter::once(done.to_owned()).chain((saved.changed && wait_s > 0).then_some(waits));
    lines.chain(saved.findings.iter().map(|finding| format!("! {}", finding.en))).collect::<Vec<_>>().join("\n")
}

/// What is wrong with a playlist, entry by entry, in the one line that an error has.
fn one_line(file: &Path, error: &str) -> String {
    let parts: Vec<&str> = error.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    format!("{}: {}", file.display(), parts.join("; "))
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{} cannot be written: {e}", path.display()))
}
