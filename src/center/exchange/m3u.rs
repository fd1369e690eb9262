//! Programmes as M3U8: extended M3U in UTF-8.
//!
//! The form is Winamp's `#EXTM3U` and `#EXTINF:seconds,title`, with a line each for tag and location as RFC 8216, section 4.1, has it;
//! `#PLAYLIST:title` is what players made of it since. What M3U has no word for stands in comments that other players skip:
//! `#LOAXA-ITEM:kind=tune,bulletin=ID` or `kind=relay,minutes=15` before the location it speaks of, and, alone, `#LOAXA-PAUSE:seconds` and
//! `#LOAXA-RELAY:minutes,source` for a source that no player could open. It refuses HLS playlists, which share the ending but describe the
//! pieces of one stream, and it does not follow a playlist named in a playlist.

use super::{Entry, Shown, Sound, Track};
use crate::domain::programme::ProgrammeText;

/// The programme for other players and for [`read`]; a bulletin of which `sound` knows nothing keeps its place by its id.
pub fn write(programme: &ProgrammeText, sound: &dyn Fn(&str) -> Option<Sound>) -> String {
    let mut out = "#EXTM3U\n".to_owned();
    let title = super::line(&programme.title);
    if !title.is_empty() {
        out += &format!("#PLAYLIST:{title}\n");
    }
    for item in &programme.items {
        out += &match super::shown(item) {
            Shown::Pause(pause_s) => format!("#LOAXA-PAUSE:{pause_s}\n"),
            Shown::Relay(source, minutes) if super::is_web(source) => {
                let (source, seconds) = (location(source), u64::from(minutes) * 60);
                format!("#LOAXA-ITEM:kind=relay,minutes={minutes}\n#EXTINF:{seconds},{source}\n{source}\n")
            }
            Shown::Relay(source, minutes) => format!("#LOAXA-RELAY:{minutes},{}\n", super::line(source)),
            Shown::Sound(kind, bulletin) => {
                let (kind, id) = (super::kind_name(kind), super::line(bulletin));
                let (seconds, title, location) = match sound(bulletin) {
                    Some(sound) => {
                        let seconds = sound.duration_ms.map_or(-1, |ms| ms.saturating_add(500) / 1000);
                        (seconds, super::line(&sound.title), location(&sound.location))
                    }
                    None => (-1, id.clone(), location(&id)),
                };
                format!("#LOAXA-ITEM:kind={kind},bulletin={id}\n#EXTINF:{seconds},{title}\n{location}\n")
            }
        };
    }
    out
}

/// A location that is not mistaken for a comment.
fn location(text: &str) -> String {
    let text = super::line(text);
    if text.starts_with('#') { format!("./{text}") } else { text }
}

/// The programme that a playlist stands for, where `known` says which bulletins there are. An error is in words for the person who sent it.
pub fn read(text: &str, known: &dyn Fn(&str) -> bool) -> Result<ProgrammeText, String> {
    let text = super::bounded(text)?;
    if text.trim_start().starts_with('<') {
        return Err("this is XML or a web page, not M3U; an XSPF playlist is read as .xspf".to_owned());
    }
    let (mut title, mut entries, mut track, mut ours) = (String::new(), Vec::new(), Track::default(), None);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let at = |e: String| format!("line {number}: {e}");
        if let Some(info) = line.strip_prefix("#EXTINF:") {
            (track.duration_ms, track.title) = extinf(info);
        } else if let Some(text) = line.strip_prefix("#PLAYLIST:") {
            title = super::line(text);
        } else if let Some(text) = line.strip_prefix("#LOAXA-ITEM:") {
            if let Some((before, _)) = ours.replace((number, ours_of(text).map_err(at)?)) {
                return Err(alone(before));
            }
        } else if let Some(text) = line.strip_prefix("#LOAXA-PAUSE:") {
            super::push(&mut entries, Entry::Item(super::pause(text).map_err(at)?))?;
        } else if let Some(text) = line.strip_prefix("#LOAXA-RELAY:") {
            let relay = text.split_once(',').and_then(|(minutes, source)| Some((source, minutes.trim().parse().ok()?)));
            let (source, minutes) = relay.ok_or_else(|| at("write for example #LOAXA-RELAY:15,line:1".to_owned()))?;
            super::push(&mut entries, Entry::Item(super::relay(super::line(source), minutes)))?;
        } else if line.starts_with("#EXT-X-TARGETDURATION") || line.starts_with("#EXT-X-STREAM-INF") {
            return Err("this is an HLS playlist: the pieces of one stream, not a list of sounds; to relay that stream put its address \
                        into a programme: { relay = \"https://...\", minutes = 15 }"
                .to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            let track = Track { location: super::line(line), ..std::mem::take(&mut track) };
            let entry = match ours.take() {
                Some((_, Ours::Relay(minutes))) => Entry::Item(super::relay(track.location, minutes)),
                Some((_, Ours::Sound(known))) => {
                    Entry::Track(Track { location: track.location, title: track.title, ..known })
                }
                None => Entry::Track(track),
            };
            super::push(&mut entries, entry)?;
        }
    }
    match ours {
        Some((before, _)) => Err(alone(before)),
        None => super::programme(title, entries, known),
    }
}

fn alone(line: u32) -> String {
    format!("line {line}: #LOAXA-ITEM has no location after it")
}

/// What `#LOAXA-ITEM` says of the location after it.
enum Ours {
    Sound(Track),
    Relay(u32),
}

fn ours_of(text: &str) -> Result<Ours, String> {
    let value = |key: &str| {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.trim(), value.trim())).find(|(name, _)| *name == key).map(|(_, value)| value)
    };
    if value("kind") == Some("relay") {
        let minutes = value("minutes").and_then(|minutes| minutes.parse().ok());
        return minutes
            .map(Ours::Relay)
            .ok_or_else(|| "write for example #LOAXA-ITEM:kind=relay,minutes=15".to_owned());
    }
    let kind = value("kind").map(super::kind_named).transpose()?;
    let bulletin = value("bulletin").map(str::to_owned);
    if kind.is_none() && bulletin.is_none() {
        return Err("write for example #LOAXA-ITEM:kind=tune,bulletin=nhac-hieu".to_owned());
    }
    Ok(Ours::Sound(Track { kind, bulletin, ..Track::default() }))
}

/// Duration and title of `seconds [key="value" ...],title`; the attributes are those of television lists, and may hold commas.
fn extinf(text: &str) -> (Option<i64>, String) {
    let mut quoted = false;
    let comma = text.find(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    let (info, title) = comma.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
    let seconds = info.split_whitespace().next().and_then(|seconds| seconds.parse::<f64>().ok());
    let duration_ms = seconds.filter(|seconds| seconds.is_finite()).map(|seconds| (seconds * 1000.0) as i64);
    (duration_ms, super::line(title))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{every_kind, known, sound};
    use super::*;

    #[test]
    fn every_kind_of_item_comes_back() {
        let programme = every_kind();
        let text = write(&programme, &sound);
        assert_eq!(read(&text, &|_| true).unwrap(), programme);
        assert_eq!(read(&format!("\u{feff}{}", text.replace('\n', "\r\n\r\n")), &|_| true).unwrap(), programme);
        for part in [
            "#EXTM3U\n#PLAYLIST:Buổi sáng: \"Tin & <nhạc>\"\n#LOAXA-PAUSE:5\n",
            "#LOAXA-ITEM:kind=tune,bulletin=nhac-hieu\n#EXTINF:184,Nhạc hiệu \"A & B\" <1>\nhttps://center.example/",
            "#EXTINF:-1,vo-danh\nvo-danh\n",
            "\n./#1 tin.opus\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_vlc_foobar2000_and_television_lists_write_is_read() {
        let files = [
            "#EXTM3U\n#EXTINF:61,Đài xã - Bản tin\n#EXTVLCOPT:network-caching=1000\nfile:///D:/Loa/B%E1%BA%A3n%20tin.mp3\n",
            "\u{feff}#\r\nD:\\Loa\\BAN-TIN.mp3\r\n",
            "ban-tin.opus",
            "#EXTINF:-1 tvg-id=\"a\" group-title=\"Tin, tức\",Bản tin\nhttps://center.example/media/ban-tin.opus?k=a/b.c#d\n",
        ];
        for file in files {
            assert_eq!(
                read(file, &known).unwrap().items,
                [crate::domain::programme::ItemText::Bulletin("ban-tin".into())],
                "{file}"
            );
        }
        let relay = read("#EXTINF:900.5,VOV1\nhttps://radio.example/vov1", &known).unwrap();
        assert_eq!(relay.items, [super::super::relay("https://radio.example/vov1".into(), 16)]);
    }

    #[test]
    fn what_cannot_be_meant_is_answered_with_what_would_work() {
        let long = "ban-tin.mp3\n".repeat(201);
        let refused = [
            ("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts", "HLS"),
            ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8", "HLS"),
            ("<?xml version=\"1.0\"?>", ".xspf"),
            ("#EXTM3U\n", "nothing to play"),
            (&long, "200 entries"),
            (&"#\n".repeat(600_000), "bytes"),
            ("#LOAXA-PAUSE:năm", "line 1: pause"),
            ("\n#LOAXA-RELAY:line:1", "line 2: write for example"),
            ("#LOAXA-ITEM:kind=jingle\na.mp3", "kind \"jingle\""),
            ("#LOAXA-ITEM:bulletin=ban-tin\n#EXTINF:1,a", "line 1: #LOAXA-ITEM has no location"),
            (
                "#LOAXA-ITEM:bulletin=x\nban-tin.mp3",
                "entry 1: \"\" (ban-tin.mp3): add it first: loaxa bulletin add FILE --id x",
            ),
            ("#EXTINF:-1,VOV\nhttp://radio.example", "how long it lasts"),
            (
                "ban-tin.mp3\n#EXTINF:5,Thời tiết\nD:\\Thời tiết (1).mp3\nb.mp3",
                "entry 2: \"Thời tiết\" (D:\\Thời tiết (1).mp3)",
            ),
            ("ban-tin.mp3\n#EXTINF:5,Thời tiết\nD:\\Thời tiết (1).mp3\nb.mp3", "--id thoi-tiet-1 ..."),
            ("ban-tin.mp3\n#EXTINF:5,Thời tiết\nD:\\Thời tiết (1).mp3\nb.mp3", "2 of 3 entries"),
        ];
        for (text, words) in refused {
            let error = read(text, &known).unwrap_err();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
