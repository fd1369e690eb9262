//! Programmes and plans in the formats of other programs: playlists ([`m3u`], [`xspf`]) and calendars ([`ical`]).
//!
//! Owns what both playlist formats share: which sound an entry stands for. Text goes in and a value comes out: it opens no file,
//! fetches no address, reads no clock and knows no store. An entry with our identifier is that bulletin or an error, whatever its location
//! says, and nothing is left out in silence: a file sent back costs less than the wrong sound from the horns.

pub mod ical;
pub mod m3u;
pub mod xspf;

use crate::domain::programme::{
    BedText, ClosingText, FillerText, ItemText, MAX_ITEMS, OpeningText, PauseText, ProgrammeText, RelayText, SoundKind,
    TuneText,
};

/// The longest playlist that is read.
pub const MAX_BYTES: usize = 1 << 20;

/// What an export says of a bulletin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    pub bulletin: String,
    pub title: String,
    pub duration_ms: Option<i64>,
    /// A URL, or a file's name as it is on disk (not percent-encoded), that other players can open.
    pub location: String,
}

const KINDS: [(SoundKind, &str); 6] = [
    (SoundKind::Tune, "tune"),
    (SoundKind::Opening, "opening"),
    (SoundKind::Bulletin, "bulletin"),
    (SoundKind::Closing, "closing"),
    (SoundKind::Filler, "filler"),
    (SoundKind::Bed, "bed"),
];

fn kind_name(kind: SoundKind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("bulletin", |(_, name)| name)
}

fn kind_named(name: &str) -> Result<SoundKind, String> {
    let kind = KINDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind);
    kind.ok_or_else(|| format!("kind {name:?} is not one of tune, opening, bulletin, closing, filler, bed"))
}

/// An item of a programme as the writers look at it.
enum Shown<'a> {
    Sound(SoundKind, &'a str),
    Pause(u32),
    Relay(&'a str, u32),
}

fn shown(item: &ItemText) -> Shown<'_> {
    match item {
        ItemText::Bulletin(bulletin) => Shown::Sound(SoundKind::Bulletin, bulletin),
        ItemText::Tune(text) => Shown::Sound(SoundKind::Tune, &text.tune),
        ItemText::Opening(text) => Shown::Sound(SoundKind::Opening, &text.opening),
        ItemText::Closing(text) => Shown::Sound(SoundKind::Closing, &text.closing),
        ItemText::Filler(text) => Shown::Sound(SoundKind::Filler, &text.filler),
        ItemText::Bed(text) => Shown::Sound(SoundKind::Bed, &text.bed),
        ItemText::Pause(text) => Shown::Pause(text.pause_s),
        ItemText::Relay(text) => Shown::Relay(&text.relay, text.minutes),
    }
}

fn sound_item(kind: SoundKind, bulletin: String) -> ItemText {
    match kind {
        SoundKind::Bulletin => ItemText::Bulletin(bulletin),
        SoundKind::Tune => ItemText::Tune(TuneText { tune: bulletin }),
        SoundKind::Opening => ItemText::Opening(OpeningText { opening: bulletin }),
        SoundKind::Closing => ItemText::Closing(ClosingText { closing: bulletin }),
        SoundKind::Filler => ItemText::Filler(FillerText { filler: bulletin }),
        SoundKind::Bed => ItemText::Bed(BedText { bed: bulletin }),
    }
}

/// What a playlist has in one place: an item said outright in our own words, or a track to be looked up.
enum Entry {
    Item(ItemText),
    Track(Track),
}

#[derive(Default)]
struct Track {
    kind: Option<SoundKind>,
    /// Our own identifier, if the entry carries one.
    bulletin: Option<String>,
    title: String,
    location: String,
    duration_ms: Option<i64>,
}

impl Track {
    /// The item, or what would make it one.
    fn item(&self, known: &dyn Fn(&str) -> bool) -> Result<ItemText, String> {
        let kind = self.kind.unwrap_or(SoundKind::Bulletin);
        let add = |id: &str| format!("add it first: loaxa bulletin add FILE --id {id} ...");
        if let Some(bulletin) = &self.bulletin {
            return if known(bulletin) { Ok(sound_item(kind, bulletin.clone())) } else { Err(add(&clip(bulletin))) };
        }
        let stem = stem(&self.location);
        let id = id_like(&stem);
        if let Some(bulletin) = [stem, id.clone()].into_iter().find(|name| !name.is_empty() && known(name)) {
            return Ok(sound_item(kind, bulletin));
        }
        let add = add(if id.is_empty() { "ID" } else { id.get(..64).unwrap_or(&id) });
        match self.duration_ms {
            _ if !is_web(&self.location) => Err(add),
            Some(ms @ 1..) => Ok(relay(self.location.clone(), minutes(ms))),
            _ => Err(format!("{add}; or, to relay a stream, say in the file how long it lasts")),
        }
    }
}

fn relay(source: String, minutes: u32) -> ItemText {
    ItemText::Relay(RelayText { relay: source, minutes })
}

fn pause(text: &str) -> Result<ItemText, String> {
    let pause_s = text.trim().parse().map_err(|_| format!("pause {:?} is not a number of seconds", clip(text)))?;
    Ok(ItemText::Pause(PauseText { pause_s }))
}

/// Whole minutes that hold `ms`.
fn minutes(ms: i64) -> u32 {
    u32::try_from(ms.max(0) as u64 / 60_000 + u64::from(ms % 60_000 > 0)).unwrap_or(u32::MAX)
}

/// The text without its byte order mark, if it is not too long to be a playlist of ours.
fn bounded(text: &str) -> Result<&str, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("a playlist of {} bytes; the most is {MAX_BYTES}", text.len()));
    }
    Ok(text.trim_start_matches('\u{feff}'))
}

fn push(entries: &mut Vec<Entry>, entry: Entry) -> Result<(), String> {
    if entries.len() >= MAX_ITEMS {
        return Err(format!("more than {MAX_ITEMS} entries; split the playlist into several programmes"));
    }
    entries.push(entry);
    Ok(())
}

/// Looks every entry up (`known` is asked about any text, not only ids); the error lists all that stand for nothing here.
fn programme(title: String, entries: Vec<Entry>, known: &dyn Fn(&str) -> bool) -> Result<ProgrammeText, String> {
    if entries.is_empty() {
        return Err("the playlist names nothing to play".to_owned());
    }
    let (count, mut items, mut missing) = (entries.len(), Vec::new(), Vec::new());
    for (number, entry) in (1..).zip(entries) {
        match entry {
            Entry::Item(item) => items.push(item),
            Entry::Track(track) => match track.item(known) {
                Ok(item) => items.push(item),
                Err(way_out) => {
                    let (title, location) = (clip(&track.title), clip(&track.location));
                    missing.push(format!("\n  entry {number}: {title:?} ({location}): {way_out}"));
                }
            },
        }
    }
    if missing.is_empty() {
        return Ok(ProgrammeText { title, items });
    }
    let names = missing.concat();
    Err(format!("{} of {count} entries are no bulletins of this centre:{names}", missing.len()))
}

fn is_web(location: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| location.starts_with(scheme))
}

/// One line of text that every format can hold: no control characters, and none that XML 1.0 forbids.
fn line(text: &str) -> String {
    let bad = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}');
    text.replace(bad, " ").trim().to_owned()
}

/// Short enough to stand in an error.
fn clip(text: &str) -> String {
    let text = line(text);
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

/// The last segment of a URL's path or a file's, percent-decoded, without its ending, in lower case.
fn stem(location: &str) -> String {
    let path = match location.split_once("://") {
        Some((_, rest)) => {
            let path = rest.split(['?', '#']).next().unwrap_or_default();
            path.split_once('/').map_or("", |(_, path)| path)
        }
        None => location,
    };
    let name = decoded(path.rsplit(['/', '\\']).next().unwrap_or_default());
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    stem.trim().to_lowercase()
}

/// The text itself where it is not percent-encoded UTF-8 (RFC 3986, section 2.1).
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |at: usize| tail.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// The bulletin id that a person would make of a Vietnamese file name: `Bản tin số 5` gives `ban-tin-so-5`.
fn id_like(stem: &str) -> String {
    const PLAIN: [(char, &str); 7] = [
        ('a', "àáảãạăằắẳẵặâầấẩẫậ"),
        ('d', "đ"),
        ('e', "èéẻẽẹêềếểễệ"),
        ('i', "ìíỉĩị"),
        ('o', "òóỏõọôồốổỗộơờớởỡợ"),
        ('u', "ùúủũụưừứửữự"),
        ('y', "ỳýỷỹỵ"),
    ];
    let mut id = String::new();
    for c in stem.chars().filter(|c| !('\u{300}'..='\u{36f}').contains(c)) {
        match PLAIN.iter().find(|(_, marked)| marked.contains(c)).map_or(c, |(plain, _)| *plain) {
            c @ ('a'..='z' | '0'..='9') => id.push(c),
            c @ ('.' | '_') if !id.is_empty() => id.push(c),
            _ if id.is_empty() || id.ends_with('-') => {}
            _ => id.push('-'),
        }
    }
    id.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn known(id: &str) -> bool {
        id == "ban-tin"
    }

    pub fn sound(id: &str) -> Option<Sound> {
        let (title, duration_ms, location) = match id {
            "nhac-hieu" => {
                ("Nhạc hiệu \"A & B\" <1>\n", Some(183_600), "https://center.example/sounds/nhac-hieu?a=1&b=2")
            }
            "ban-tin" => ("Bản tin 'sáng', 100%", None, "#1 tin.opus"),
            "vo-danh" => return None,
            _ => (id, Some(60_000), "Thư mục/Tin: số 5?.opus"),
        };
        Some(Sound { bulletin: id.into(), title: title.into(), duration_ms, location: location.into() })
    }

    /// A programme with every kind of item, sounds that nobody knows and streams that are named like bulletins among them.
    pub fn every_kind() -> ProgrammeText {
        let sounds = ["nhac-hieu", "ban-tin", "vo-danh", "tin.so_5", "nhac"];
        let sounds = KINDS.iter().zip(sounds).map(|((kind, _), id)| sound_item(*kind, id.to_owned()));
        let others = ["https://radio.example/ban-tin?a=1&b=<2>", "line:1"].map(|source| relay(source.to_owned(), 15));
        let pauses = ["5", "3600"].map(|text| pause(text).unwrap());
        let items = pauses.clone().into_iter().chain(sounds).chain(others).chain(pauses).collect();
        ProgrammeText { title: "Buổi sáng: \"Tin & <nhạc>\"".into(), items }
    }

    #[test]
    fn a_location_ends_in_a_name() {
        let stems = [
            ("file:///D:/Loa/B%E1%BA%A3n%20Tin.mp3", "bản tin"),
            ("C:\\Loa\\TIN.5.opus", "tin.5"),
            ("https://radio.example", ""),
            ("https://radio.example/a/vov1.m3u8?x=/y.z", "vov1"),
            ("100%.mp3", "100%"),
            ("%ff.mp3", "%ff"),
            ("", ""),
        ];
        for (location, expected) in stems {
            assert_eq!(stem(location), expected, "{location}");
        }
        assert_eq!(id_like("bản tin số 5 (đã sửa)"), "ban-tin-so-5-da-sua");
        assert_eq!(id_like("ba\u{309}n tin"), "ban-tin", "as macOS names files");
        assert_eq!(id_like("_._"), "");
        assert_eq!([0, 1, 60_000, 60_001, i64::MAX].map(minutes), [0, 1, 1, 2, u32::MAX]);
    }
}
