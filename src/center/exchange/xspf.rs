//! Programmes as XSPF version 1 (<https://xspf.org/spec>), the XML playlist of VLC, Audacious, Clementine and Strawberry.
//!
//! Our own words stand in `identifier` (`urn:loaxa:bulletin:ID`) and `meta`, so the file stays valid: a `meta` is plain text that every
//! reader steps over, where an `extension` is nested XML that some give up at. A pause is a `track` with a `duration` and no `location`,
//! which the specification allows ("zero or more"): the order of the tracks is then the order of the programme, even for a pause that
//! begins or ends it, and the length adds up. A relay has a location only where other players could open it.
//!
//! It refuses a DTD, any entity but XML's five, nesting beyond 16 and other namespaces; it follows neither `xml:base` nor a playlist named
//! in a playlist. Version 0 is read like 1, since both say the same of what is taken from them.

use std::io;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesStart, BytesText, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;
use quick_xml::writer::Writer;

use super::{Entry, Shown, Sound, Track};
use crate::domain::programme::ProgrammeText;

const NAMESPACE: &str = "http://xspf.org/ns/0/";
const BULLETIN: &str = "urn:loaxa:bulletin:";
const KIND: &str = "urn:loaxa:kind";
const PAUSE: &str = "urn:loaxa:pause";
const RELAY: &str = "urn:loaxa:relay";
const MAX_DEPTH: usize = 16;

/// The programme for other players and for [`read`]; a bulletin of which `sound` knows nothing keeps its place by its identifier.
pub fn write(programme: &ProgrammeText, sound: &dyn Fn(&str) -> Option<Sound>) -> String {
    let mut out = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Memory takes whatever is written, so there is no error to hand on.
    let _ = playlist(&mut out, programme, sound);
    String::from_utf8(out.into_inner()).unwrap_or_default() + "\n"
}

type Out = Writer<Vec<u8>>;

fn playlist(out: &mut Out, programme: &ProgrammeText, sound: &dyn Fn(&str) -> Option<Sound>) -> io::Result<()> {
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let root = out.create_element("playlist").with_attributes([("version", "1"), ("xmlns", NAMESPACE)]);
    root.write_inner_content(|out| {
        leaf(out, "title", &programme.title)?;
        out.create_element("trackList").write_inner_content(|out| {
            for item in &programme.items {
                out.create_element("track").write_inner_content(|out| track(out, super::shown(item), sound))?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

fn track(out: &mut Out, item: Shown<'_>, sound: &dyn Fn(&str) -> Option<Sound>) -> io::Result<()> {
    match item {
        Shown::Pause(pause_s) => {
            leaf(out, "duration", &(u64::from(pause_s) * 1000).to_string())?;
            meta(out, PAUSE, &pause_s.to_string())
        }
        Shown::Relay(source, minutes) => {
            if super::is_web(source) {
                leaf(out, "location", &uri(source))?;
            }
            leaf(out, "title", source)?;
            leaf(out, "duration", &(u64::from(minutes) * 60_000).to_string())?;
            meta(out, RELAY, source)
        }
        Shown::Sound(kind, bulletin) => {
            let sound = sound(bulletin);
            if let Some(sound) = &sound {
                leaf(out, "location", &uri(&sound.location))?;
            }
            leaf(out, "identifier", &format!("{BULLETIN}{}", uri(bulletin)))?;
            leaf(out, "title", sound.as_ref().map_or(bulletin, |sound| &sound.title))?;
            if let Some(ms) = sound.and_then(|sound| sound.duration_ms) {
                leaf(out, "duration", &ms.max(0).to_string())?;
            }
            meta(out, KIND, super::kind_name(kind))
        }
    }
}

fn leaf(out: &mut Out, name: &str, text: &str) -> io::Result<()> {
    out.create_element(name).write_text_content(BytesText::new(&super::line(text)))?;
    Ok(())
}

fn meta(out: &mut Out, rel: &str, text: &str) -> io::Result<()> {
    out.create_element("meta").with_attribute(("rel", rel)).write_text_content(BytesText::new(&super::line(text)))?;
    Ok(())
}

/// A URL, or a file's name, as the URI that XSPF asks for (RFC 3986): in a file's name `%`, `?`, `#` and `:` mean themselves.
fn uri(location: &str) -> String {
    let url = location.contains("://");
    let keep = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => true,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b'@' => true,
        b':' | b'?' | b'#' | b'[' | b']' | b'%' => url,
        _ => false,
    };
    let bytes = location.bytes();
    bytes.map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The programme that a playlist stands for, where `known` says which bulletins there are. An error is in words for the person who sent it.
pub fn read(text: &str, known: &dyn Fn(&str) -> bool) -> Result<ProgrammeText, String> {
    let mut reader = NsReader::from_str(super::bounded(text)?);
    reader.config_mut().expand_empty_elements = true;
    let mut reading = Reading::default();
    loop {
        let event = reader.read_event();
        let event = event.map_err(|e| format!("not well-formed XML at byte {}: {e}", reader.error_position()))?;
        match event {
            Event::Start(tag) => {
                let (namespace, name) = reader.resolver().resolve_element(tag.name());
                let ours = namespace == ResolveResult::Bound(Namespace(NAMESPACE));
                reading.open(ours.then_some(name.as_ref()), &tag)?;
            }
            Event::End(_) => reading.close()?,
            Event::Text(text) => reading.words += &text.xml10_content(),
            Event::CData(text) => reading.words += &text.xml10_content(),
            Event::GeneralRef(name) => match (name.resolve_char_ref(), resolve_xml_entity(&name)) {
                (Ok(Some(c)), _) => reading.words.push(c),
                (_, Some(text)) => reading.words += text,
                _ => return Err(format!("&{}; stands for nothing; write the character itself", super::clip(&name))),
            },
            Event::DocType(_) => return Err("a playlist needs no DOCTYPE; leave it out".to_owned()),
            Event::Eof if reading.done => return super::programme(reading.title, reading.entries, known),
            Event::Eof => return Err("the file ends before </playlist>".to_owned()),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

/// How far the reader has come.
#[derive(Default)]
struct Reading {
    /// The open elements; one that is not XSPF's has no name.
    path: Vec<String>,
    /// The text of the innermost element.
    words: String,
    rel: String,
    title: String,
    entries: Vec<Entry>,
    track: Track,
    pause: Option<String>,
    relay: Option<String>,
    done: bool,
}

impl Reading {
    fn open(&mut self, name: Option<&str>, tag: &BytesStart<'_>) -> Result<(), String> {
        if self.path.is_empty() && (self.done || name != Some("playlist")) {
            return Err(format!("not XSPF: the one root element is <playlist xmlns=\"{NAMESPACE}\">"));
        }
        if self.path.len() >= MAX_DEPTH {
            return Err(format!("elements stand more than {MAX_DEPTH} deep"));
        }
        let rel = tag.try_get_attribute("rel").map_err(|e| e.to_string())?;
        let rel = rel.map(|rel| rel.normalized_value(XmlVersion::Implicit1_0).map(String::from)).transpose();
        self.rel = rel.map_err(|e| e.to_string())?.unwrap_or_default();
        self.path.push(name.unwrap_or_default().to_owned());
        self.words.clear();
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let text = super::line(&std::mem::take(&mut self.words));
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["playlist", "title"] => self.title = text,
            ["playlist", "trackList", "track"] => self.track()?,
            ["playlist", "trackList", "track", name] => match (*name, self.rel.as_str()) {
                // There may be several, of which a player renders one.
                ("location", _) if self.track.location.is_empty() => self.track.location = text,
                ("identifier", _) => {
                    if let Some(id) = text.strip_prefix(BULLETIN) {
                        self.track.bulletin = Some(super::decoded(id));
                    }
                }
                ("title", _) => self.track.title = text,
                ("duration", _) => self.track.duration_ms = text.parse().ok(),
                ("meta", KIND) => self.track.kind = Some(super::kind_named(&text).map_err(|e| self.at(&e))?),
                ("meta", PAUSE) => self.pause = Some(text),
                ("meta", RELAY) => self.relay = Some(text),
                _ => {}
            },
            _ => {}
        }
        self.path.pop();
        self.done = self.path.is_empty();
        Ok(())
    }

    fn track(&mut self) -> Result<(), String> {
        let track = std::mem::take(&mut self.track);
        let entry = match (self.pause.take(), self.relay.take(), track.duration_ms) {
            (Some(pause), _, _) => Entry::Item(super::pause(&pause).map_err(|e| self.at(&e))?),
            (None, Some(source), Some(ms)) => Entry::Item(super::relay(source, super::minutes(ms))),
            (None, Some(_), None) => return Err(self.at("a relay needs its <duration> in milliseconds")),
            (None, None, _) => Entry::Track(track),
        };
        super::push(&mut self.entries, entry)
    }

    fn at(&self, e: &str) -> String {
        format!("track {}: {e}", self.entries.len() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{every_kind, known, sound};
    use super::*;
    use crate::domain::programme::ItemText;

    #[test]
    fn every_kind_of_item_comes_back() {
        let programme = every_kind();
        let text = write(&programme, &sound);
        assert_eq!(read(&text, &|_| true).unwrap(), programme);
        assert_eq!(read(&format!("\u{feff}{}", text.replace('\n', "\r\n")), &|_| true).unwrap(), programme);
        for part in [
            "<title>Buổi sáng: &quot;Tin &amp; &lt;nhạc&gt;&quot;</title>",
            "<location>https://center.example/sounds/nhac-hieu?a=1&amp;b=2</location>",
            "<location>%231%20tin.opus</location>",
            "<location>Th%C6%B0%20m%E1%BB%A5c/Tin%3A%20s%E1%BB%91%205%3F.opus</location>",
            "<meta rel=\"urn:loaxa:pause\">5</meta>",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_vlc_and_others_write_is_read() {
        let vlc = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<playlist xmlns=\"http://xspf.org/ns/0/\" \
            xmlns:vlc=\"http://www.videolan.org/vlc/playlist/ns/0/\" version=\"1\">\n<title>Danh sách phát</title>\n<trackList>\n\
            <track><location>file:///D:/Loa/B%E1%BA%A3n%20tin.mp3</location><title>Tin &#7843;&#x110; &amp; <![CDATA[<nhạc>]]></title>\
            <duration>61048</duration><extension application=\"http://www.videolan.org/vlc/playlist/0\"><vlc:id>0</vlc:id>\
            <vlc:title>x</vlc:title></extension></track>\n<track><location>https://radio.example/vov1</location><duration>900001</duration>\
            <image/></track></trackList>\n<extension application=\"http://www.videolan.org/vlc/playlist/0\"><vlc:item tid=\"0\"/></extension></playlist>";
        let relay = super::super::relay("https://radio.example/vov1".into(), 16);
        let read_back = read(vlc, &known).unwrap();
        assert_eq!(read_back.title, "Danh sách phát");
        assert_eq!(read_back.items, [ItemText::Bulletin("ban-tin".into()), relay]);
        assert!(read(vlc, &|_| false).unwrap_err().contains("\"Tin ảĐ & <nhạc>\""));
        let prefixed = "<x:playlist xmlns:x='http://xspf.org/ns/0/' version='0'><x:trackList><x:track><x:location>ban-tin.ogg</x:location>\
            <x:location>b.mp3</x:location></x:track></x:trackList></x:playlist>";
        assert_eq!(read(prefixed, &known).unwrap().items, [ItemText::Bulletin("ban-tin".into())]);
    }

    #[test]
    fn what_cannot_be_meant_is_answered_with_what_would_work() {
        let list = |tracks: &str| {
            format!("<playlist version='1' xmlns='{NAMESPACE}'><trackList>{tracks}</trackList></playlist>")
        };
        let track = |inner: &str| list(&format!("<track>{inner}</track>"));
        let refused = [
            ("<playlist version='1'><trackList/></playlist>".to_owned(), "not XSPF"),
            ("<asx xmlns='http://xspf.org/ns/0/'/>".to_owned(), "not XSPF"),
            ("#EXTM3U\n".to_owned(), "ends before"),
            (list("") + &list(""), "not XSPF"),
            (list(""), "nothing to play"),
            (list(&"<track/>".repeat(201)), "200 entries"),
            (list(&" ".repeat(1 << 20)), "bytes"),
            (list(&"<a>".repeat(20)), "deep"),
            (list("<track>").replace("</trackList></playlist>", ""), "ends before"),
            (list("</track>"), "not well-formed"),
            (format!("<!DOCTYPE playlist [<!ENTITY a 'aaaa'>]>{}", list("")), "DOCTYPE"),
            (track("<title>&a;</title>"), "&a; stands for nothing"),
            (track("<meta rel='urn:loaxa:kind'>jingle</meta>"), "track 1: kind \"jingle\""),
            (track("<meta rel='urn:loaxa:pause'>-1</meta>"), "track 1: pause"),
            (track("<meta rel='urn:loaxa:relay'>line:1</meta>"), "<duration>"),
            (track("<identifier>urn:loaxa:bulletin:x</identifier><location>ban-tin.mp3</location>"), "--id x ..."),
            (track("<location>Th%E1%BB%9Di%20ti%E1%BA%BFt.mp3</location>"), "--id thoi-tiet ..."),
        ];
        for (text, words) in refused {
            let error = read(&text, &known).unwrap_err();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
