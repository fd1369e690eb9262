//! Files as in `playlists/`: bulletins, programmes, calendars and schedules in TOML.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::calendar::{CalendarText, Calendars};
use crate::domain::ids::{CalendarId, ScheduleId};
use crate::domain::programme::ProgrammeText;
use crate::domain::schedule::{Schedule, ScheduleText};
use crate::settings::one_line;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleFile {
    pub bulletin: BTreeMap<String, BulletinText>,
    pub programme: BTreeMap<String, ProgrammeText>,
    pub calendar: BTreeMap<String, CalendarText>,
    pub schedule: BTreeMap<String, ScheduleText>,
}

/// A bulletin with its files, which are relative to the file that names them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BulletinText {
    pub title: String,
    pub file: String,
    pub language: String,
    pub area: String,
    pub text: Option<String>,
    /// The bulletin of which this is another language version.
    pub version_of: Option<String>,
}

impl ScheduleFile {
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        Self::from_text(&text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Reads a file's text; an error names the line, shows it, and says what would work.
    pub fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|e| explained(&e, text))
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text).or_else(|error| {
            // TOML's own dates (without quotes) mean the same as text.
            let Ok(mut table) = text.parse::<toml::Table>() else { return Err(error) };
            let mut found = false;
            table.iter_mut().for_each(|(_, value)| dates_as_text(value, &mut found));
            if found { table.try_into() } else { Err(error) }
        })
    }

    /// The file as text.
    pub fn write(&self) -> Result<String, String> {
        toml::to_string_pretty(self).map_err(|e| e.to_string())
    }

    /// The file's own calendars by name.
    pub fn calendar_texts(&self) -> Result<BTreeMap<CalendarId, CalendarText>, String> {
        let read = |(name, text): (&String, &CalendarText)| {
            name.parse().map(|id| (id, text.clone())).map_err(|e| format!("[calendar.{name}]: {e}"))
        };
        self.calendar.iter().map(read).collect()
    }

    /// All schedules, validated; an error names the table it is in.
    pub fn schedules(&self, calendars: &Calendars) -> Result<Vec<Schedule>, String> {
        self.schedule
            .iter()
            .map(|(name, text)| {
                let id: ScheduleId = name.parse().map_err(|e| format!("[schedule.{name}]: {e}"))?;
                Schedule::new(id, text, calendars).map_err(|e| format!("[schedule.{name}]: {e}"))
            })
            .collect()
    }
}

/// A line that works for each field that people get wrong by its kind.
const EXAMPLES: [(&str, &str); 19] = [
    ("title", "title = \"Buổi sáng\""),
    ("cron", "cron = \"0 30 5 * * *\""),
    ("at", "at = [\"05:30\", \"17:00\"]"),
    ("weekdays", "weekdays = [\"mon\", \"t6\"]"),
    ("days_of_month", "days_of_month = [1, 15, -1]"),
    ("once", "once = \"2026-11-23T05:30\""),
    ("repeat", "repeat = { times = 3, every_min = 10 }"),
    ("from", "from = \"2026-11-01\""),
    ("until", "until = \"2027-12-31\""),
    ("only_on", "only_on = [\"lunar:15\", \"2026-09-02\"]"),
    ("not_on", "not_on = [\"holidays:vn\", \"2026-09-02\"]"),
    ("instead_on", "instead_on = [{ on = [\"lunar:1/1\"], at = [\"06:00\"] }]"),
    ("exceptions", "exceptions = [{ at = \"2026-11-23T05:30\", skip = true }]"),
    ("duration_s", "duration_s = 1800"),
    ("wait_s", "wait_s = 600"),
    ("volume_db", "volume_db = -3.0"),
    ("targets", "targets = [\"24133\", \"speaker:cum-loa-01\"]"),
    ("items", "items = [\"nhac-hieu\", \"ban-tin\"]"),
    ("days", "days = [\"2026-09-05..2027-05-31\"]"),
];

/// A line that works for a field, or for the one that was probably meant.
pub fn example_for(key: &str) -> Option<&'static str> {
    let near = |name: &str| key.len() > 2 && (name.starts_with(key) || key.starts_with(name));
    let found = EXAMPLES.iter().find(|(name, _)| *name == key).or_else(|| EXAMPLES.iter().find(|(name, _)| near(name)));
    found.map(|(_, example)| *example)
}

/// What is wrong, with the line it is in, and a line that works.
fn explained(error: &toml::de::Error, text: &str) -> String {
    let told = one_line(error, text);
    let Some(start) = error.span().map(|span| span.start.min(text.len())) else { return told };
    let before = text.get(..start).unwrap_or_default();
    let line = text.lines().nth(before.matches('\n').count()).unwrap_or_default().trim();
    let key = line.split(['=', ' ']).next().unwrap_or_default();
    let example = example_for(key);
    let shown: String = line.chars().take(120).collect();
    match example {
        Some(example) => format!("{told}, in {shown:?}; write for example {example}"),
        None => format!("{told}, in {shown:?}"),
    }
}

fn dates_as_text(value: &mut toml::Value, found: &mut bool) {
    match value {
        toml::Value::Datetime(date) => {
            *value = toml::Value::String(date.to_string());
            *found = true;
        }
        toml::Value::Array(list) => list.iter_mut().for_each(|value| dates_as_text(value, found)),
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, value)| dates_as_text(value, found)),
        _ => {}
    }
}
