//! An ordered list of what is played in one slot.
//!
//! In text an item is a bulletin's name, or one of `{ tune = "..." }`, `{ opening = "..." }`, `{ closing = "..." }`, `{ filler = "..." }`,
//! `{ bed = "..." }`, `{ pause_s = 5 }`, `{ relay = "https://...", minutes = 15 }`.

use serde::{Deserialize, Serialize};

use super::ids::{BulletinId, ProgrammeId};
use super::schedule::MAX_TITLE;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programme {
    pub id: ProgrammeId,
    pub title: String,
    pub items: Vec<Item>,
}

/// Most items one programme, and one occurrence made from it, may hold.
pub const MAX_ITEMS: usize = 200;

/// Sounds are bulletins too, a signature tune as much as the news, since each needs approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Sound { kind: SoundKind, bulletin: BulletinId },
    Pause { ms: i64 },
    Relay { source: String, ms: i64 },
}

/// What a sound is there for, which decides what goes when the slot is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SoundKind {
    Tune,
    Opening,
    Bulletin,
    Closing,
    /// Repeated, and cut, to fill what is left of a slot.
    Filler,
    /// Lies beneath all the rest from beginning to end, softly while anything else sounds.
    Bed,
}

impl SoundKind {
    /// Tune, opening and closing frame the rest: their time is set aside first, and alone they are not worth playing.
    pub fn is_frame(self) -> bool {
        matches!(self, Self::Tune | Self::Opening | Self::Closing)
    }
}

/// A programme as people write it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub struct ProgrammeText {
    pub title: String,
    pub items: Vec<ItemText>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "an item is a bulletin's name, { tune = \"...\" }, { opening = \"...\" }, { closing = \"...\" }, { filler = \"...\" }, { bed = \"...\" }, { pause_s = 5 } or { relay = \"https://...\", minutes = 15 }"
)]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
pub enum ItemText {
    Bulletin(String),
    Tune(TuneText),
    Opening(OpeningText),
    Closing(ClosingText),
    Filler(FillerText),
    Bed(BedText),
    Pause(PauseText),
    Relay(RelayText),
}

macro_rules! item_text {
    ($($name:ident { $($field:ident: $type:ty),+ })+) => { $(
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[cfg_attr(feature = "center", derive(utoipa::ToSchema))]
        pub struct $name { $(pub $field: $type),+ }
    )+ };
}

item_text! {
    TuneText { tune: String }
    OpeningText { opening: String }
    ClosingText { closing: String }
    FillerText { filler: String }
    BedText { bed: String }
    PauseText { pause_s: u32 }
    RelayText { relay: String, minutes: u32 }
}

impl ProgrammeText {
    /// Checks a programme by name; the error names the table, the value and something that works.
    pub fn check(&self, name: &str) -> Result<Programme, String> {
        let at = |e: String| format!("[programme.{name}]: {e}");
        let id: ProgrammeId = name.parse().map_err(|e| at(format!("{e}")))?;
        if self.items.is_empty() || self.items.len() > MAX_ITEMS {
            return Err(at(format!(
                "items must name 1 to {MAX_ITEMS} bulletins; write for example items = [\"nhac-hieu\", \"ban-tin\"]"
            )));
        }
        if self.title.chars().count() > MAX_TITLE || self.title.contains(char::is_control) {
            return Err(
                at("title: at most 200 characters in one line; write for example title = \"Buổi sáng\"".into()),
            );
        }
        let items = self.items.iter().map(ItemText::check).collect::<Result<Vec<_>, _>>().map_err(at)?;
        let title = if self.title.trim().is_empty() { name.to_owned() } else { self.title.trim().to_owned() };
        Ok(Programme { id, title, items })
    }
}

impl ItemText {
    fn check(&self) -> Result<Item, String> {
        let sound = |kind, bulletin: &String| match bulletin.parse() {
            Ok(bulletin) => Ok(Item::Sound { kind, bulletin }),
            Err(e) => Err(format!("items: {e}")),
        };
        match self {
            Self::Bulletin(bulletin) => sound(SoundKind::Bulletin, bulletin),
            Self::Tune(text) => sound(SoundKind::Tune, &text.tune),
            Self::Opening(text) => sound(SoundKind::Opening, &text.opening),
            Self::Closing(text) => sound(SoundKind::Closing, &text.closing),
            Self::Filler(text) => sound(SoundKind::Filler, &text.filler),
            Self::Bed(text) => sound(SoundKind::Bed, &text.bed),
            Self::Pause(PauseText { pause_s: s @ 1..=3600 }) => Ok(Item::Pause { ms: i64::from(*s) * 1000 }),
            Self::Pause(text) => Err(format!(
                "pause_s = {}: a pause lasts 1 to 3600 seconds; write for example {{ pause_s = 5 }}",
                text.pause_s
            )),
            Self::Relay(RelayText { relay, minutes }) => {
                let known = ["http://", "https://", "line:"].iter().any(|scheme| relay.starts_with(scheme));
                let clean = relay.len() <= 500 && !relay.contains(|c: char| c.is_whitespace() || c.is_control());
                if !known || !clean {
                    return Err(format!(
                        "relay = {relay:?}: not a stream's address; write for example \"https://radio.example/vov1\" or \"line:1\""
                    ));
                }
                if !(1..=720).contains(minutes) {
                    return Err(format!(
                        "minutes = {minutes}: a relay lasts 1 to 720 minutes; write for example minutes = 15"
                    ));
                }
                Ok(Item::Relay { source: relay.clone(), ms: i64::from(*minutes) * 60_000 })
            }
        }
    }
}

impl From<&Item> for ItemText {
    fn from(item: &Item) -> Self {
        match item {
            Item::Sound { kind, bulletin } => {
                let name = bulletin.to_string();
                match kind {
                    SoundKind::Bulletin => Self::Bulletin(name),
                    SoundKind::Tune => Self::Tune(TuneText { tune: name }),
                    SoundKind::Opening => Self::Opening(OpeningText { opening: name }),
                    SoundKind::Closing => Self::Closing(ClosingText { closing: name }),
                    SoundKind::Filler => Self::Filler(FillerText { filler: name }),
                    SoundKind::Bed => Self::Bed(BedText { bed: name }),
                }
            }
            Item::Pause { ms } => Self::Pause(PauseText { pause_s: (ms / 1000) as u32 }),
            Item::Relay { source, ms } => {
                Self::Relay(RelayText { relay: source.clone(), minutes: (ms / 60_000) as u32 })
            }
        }
    }
}

impl Programme {
    pub fn bulletins(&self) -> impl Iterator<Item = &BulletinId> {
        self.items.iter().filter_map(|item| match item {
            Item::Sound { bulletin, .. } => Some(bulletin),
            Item::Pause { .. } | Item::Relay { .. } => None,
        })
    }

    /// The sources that it relays from.
    pub fn relays(&self) -> impl Iterator<Item = &str> {
        self.items.iter().filter_map(|item| match item {
            Item::Relay { source, .. } => Some(source.as_str()),
            Item::Sound { .. } | Item::Pause { .. } => None,
        })
    }

    pub fn text(&self) -> ProgrammeText {
        ProgrammeText { title: self.title.clone(), items: self.items.iter().map(ItemText::from).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_read_back_and_bad_ones_are_answered_with_something_that_works() {
        let text: ProgrammeText = toml::from_str(
            "title = \"Sáng\"\nitems = [{ tune = \"nhac-hieu\" }, \"tin\", { pause_s = 2 }, { relay = \"https://x/vov1\", minutes = 15 }, \
             { filler = \"nhac\" }, { opening = \"loi-xuong\" }, { closing = \"ket\" }]",
        )
        .unwrap();
        let programme = text.check("buoi-sang").unwrap();
        assert_eq!(programme.text(), text);
        assert_eq!(programme.bulletins().count(), 5);
        let refused = [
            ("items = []", "items"),
            ("items = [\"Tin Tức\"]", "bulletin id"),
            ("items = [{ pause_s = 0 }]", "pause_s = 5"),
            ("items = [{ relay = \"ftp://x\", minutes = 1 }]", "line:1"),
            ("items = [{ relay = \"https://x\", minutes = 0 }]", "minutes = 15"),
        ];
        for (toml, words) in refused {
            let text: ProgrammeText = toml::from_str(toml).unwrap();
            let error = text.check("p").unwrap_err();
            assert!(error.contains(words) && error.contains("[programme.p]"), "{error}");
        }
        let error = toml::from_str::<ProgrammeText>("items = [{ jingle = \"x\" }]").unwrap_err().to_string();
        assert!(error.contains("{ tune ="), "{error}");
    }
}
