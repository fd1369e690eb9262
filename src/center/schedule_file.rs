//! Files as in `playlists/`: bulletins, programmes, calendars and schedules in TOML.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::calendar::{CalendarText, Calendars};
use crate::domain::ids::{BulletinId, CalendarId, ProgrammeId, ScheduleId};
use crate::domain::programme::{MAX_ITEMS, Programme};
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
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct ProgrammeText {
    pub title: String,
    pub items: Vec<String>,
}

impl ScheduleFile {
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        Self::parse(&text).map_err(|e| format!("{}: {}", path.display(), one_line(&e, &text)))
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

impl ProgrammeText {
    pub fn check(&self, name: &str) -> Result<Programme, String> {
        let id: ProgrammeId = name.parse().map_err(|e| format!("[programme.{name}]: {e}"))?;
        if self.items.is_empty() || self.items.len() > MAX_ITEMS {
            return Err(format!("[programme.{name}]: items must name 1 to {MAX_ITEMS} bulletins"));
        }
        let items: Result<Vec<BulletinId>, _> = self.items.iter().map(|item| item.parse()).collect();
        let title = if self.title.trim().is_empty() { name.to_owned() } else { self.title.trim().to_owned() };
        Ok(Programme { id, title, items: items.map_err(|e| format!("[programme.{name}]: {e}"))? })
    }
}
