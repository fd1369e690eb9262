//! Identifiers, one type each so that they cannot be mixed up.
//!
//! Text ids are 1-64 characters of `a-z 0-9 . _ -` beginning with a letter or digit, so they are safe as
//! MQTT topic levels, file names, URL segments and SQL text alike. Everything that crosses a boundary is
//! parsed into one of these types, and that parse is the validation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} {text:?} is not valid: use 1-64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit")]
pub struct InvalidId {
    kind: &'static str,
    text: String,
}

fn is_text_id(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_text_id(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId { kind: $kind, text: text.chars().take(80).collect() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_id!(
    /// One center and everything under it; the first level of its MQTT topics.
    SiteId, "site"
);
text_id!(
    /// A node of the area tree: the official code (province 2 digits, commune 5), or an office's own.
    AreaCode, "area code"
);
text_id!(
    /// One cluster of horns with its controller.
    SpeakerId, "speaker id"
);
text_id!(BulletinId, "bulletin id");
text_id!(ProgrammeId, "programme name");
text_id!(ScheduleId, "schedule name");
text_id!(
    /// An office's own calendar of days.
    CalendarId, "calendar name"
);
text_id!(
    /// One permission to sound an emergency, made up at random by the approver's side.
    TicketId, "ticket id"
);
text_id!(
    /// The fingerprint of a public key: the first 16 bytes of its SHA-256 in hex.
    KeyId, "key id"
);

/// One play of a schedule: `<schedule>@<start in Unix ms>`, and `.2`, `.3` ... for what follows an interruption.
///
/// The start is the one that the series gives it, wherever it was moved since. Made from what it names, so that a plan made again after an edit or a crash gives the same play the same
/// id, and a controller that has played it once will not play it twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OccurrenceId(String);

impl OccurrenceId {
    pub fn new(schedule: &ScheduleId, start_ms: i64) -> Self {
        Self(format!("{schedule}@{start_ms}"))
    }

    /// The part of a play that follows its `part - 1`st interruption.
    pub fn part(schedule: &ScheduleId, start_ms: i64, part: u16) -> Self {
        if part <= 1 { Self::new(schedule, start_ms) } else { Self(format!("{schedule}@{start_ms}.{part}")) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are parts of one play.
    pub fn is_part_of_same(&self, other: &Self) -> bool {
        let play = |id: &Self| id.parts().map(|(schedule, start_ms, _)| (schedule, start_ms));
        play(self) == play(other)
    }

    /// The schedule, the start in its series, and which part.
    pub fn parts(&self) -> Option<(ScheduleId, i64, u16)> {
        let (schedule, rest) = self.0.split_once('@')?;
        let (start_ms, part) = rest.split_once('.').unwrap_or((rest, "1"));
        Some((schedule.parse().ok()?, start_ms.parse().ok()?, part.parse().ok()?))
    }
}

impl TryFrom<String> for OccurrenceId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        let invalid = || InvalidId { kind: "occurrence id", text: text.chars().take(80).collect() };
        let (schedule, start_ms, part) = Self(text.clone()).parts().ok_or_else(invalid)?;
        let id = Self::part(&schedule, start_ms, part);
        if id.0 == text { Ok(id) } else { Err(invalid()) }
    }
}

impl From<OccurrenceId> for String {
    fn from(id: OccurrenceId) -> String {
        id.0
    }
}

impl fmt::Display for OccurrenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// SHA-256 of a media file: its name everywhere. Written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaHash(pub [u8; 32]);

impl fmt::Display for MediaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MediaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MediaHash {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId { kind: "media hash", text: text.chars().take(80).collect() };
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(invalid());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| invalid())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for MediaHash {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<MediaHash> for String {
    fn from(hash: MediaHash) -> String {
        hash.to_string()
    }
}

/// The first 8 bytes of a media file's hash: enough to tell a site's files apart where nothing but a message depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaPrefix(pub u64);

impl MediaHash {
    pub fn prefix(&self) -> MediaPrefix {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        MediaPrefix(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

impl fmt::Display for MediaPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl TryFrom<String> for MediaPrefix {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        let is_one = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let number = u64::from_str_radix(&text, 16).ok().filter(|_| is_one);
        number.map(Self).ok_or_else(|| InvalidId { kind: "media prefix", text: text.chars().take(80).collect() })
    }
}

impl From<MediaPrefix> for String {
    fn from(prefix: MediaPrefix) -> String {
        prefix.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_as_topic_levels_and_file_names() {
        for good in ["66", "24133", "cum-loa-01", "a", "x.y_z"] {
            assert_eq!(good.parse::<SpeakerId>().unwrap().as_str(), good);
        }
        for bad in ["", "..", ".hidden", "a/b", "a+b", "#", "A", "ă", "a b", "-x", &"x".repeat(65)] {
            assert!(bad.parse::<SpeakerId>().is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn an_occurrence_id_names_its_schedule_and_instant_and_nothing_else() {
        let id = OccurrenceId::new(&"buoi-sang".parse().unwrap(), 1_700_000_000_000);
        assert_eq!(id.as_str(), "buoi-sang@1700000000000");
        assert_eq!(OccurrenceId::try_from(id.to_string()).unwrap(), id);
        let second = OccurrenceId::part(&"buoi-sang".parse().unwrap(), 5, 2);
        assert_eq!(OccurrenceId::try_from("buoi-sang@5.2".to_owned()).unwrap(), second);
        for bad in ["buoi-sang", "a@1.1", "a@1.0", "a@1.02", "a@1.", "@1", "a@", "a@01", "a@+1", "a@1@2", "../x@1"] {
            assert!(OccurrenceId::try_from(bad.to_owned()).is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn a_media_hash_reads_back_and_has_one_spelling() {
        let hash = MediaHash([0xab; 32]);
        assert_eq!(hash.to_string().parse::<MediaHash>().unwrap(), hash);
        assert!("AB".repeat(32).parse::<MediaHash>().is_err());
        assert!("+1".repeat(32).parse::<MediaHash>().is_err());
    }

    #[test]
    fn a_media_prefix_is_what_its_hash_begins_with() {
        let hash: MediaHash = format!("00a1{}", "f".repeat(60)).parse().unwrap();
        assert_eq!(hash.prefix().to_string(), "00a1ffffffffffff");
        assert_eq!(MediaPrefix::try_from(hash.prefix().to_string()).unwrap(), hash.prefix());
        for bad in ["", "00A1FFFFFFFFFFFF", "+0a1ffffffffffff", &hash.to_string()] {
            assert!(MediaPrefix::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
