//! Plans as a calendar to subscribe to: iCalendar (RFC 5545), with the names and refresh interval of RFC 7986 and the `X-` properties that
//! Outlook and Apple's and Google's calendars knew before it.
//!
//! Times are UTC instants, so no `VTIMEZONE` is needed and every phone shows them in its own time; a broadcast is `TRANSPARENT`, so that it
//! makes nobody busy. It refuses to read: a calendar that came back edited would be a plan that nobody approved.

use chrono::{DateTime, Utc};
use icalendar::{Calendar, Component, EventLike, EventStatus, Property};

/// One broadcast. Texts may be empty, and are then left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The same for the same broadcast in every export, and unlike any other's in the world.
    pub uid: String,
    pub title: String,
    pub start_ms: i64,
    pub end_ms: i64,
    pub description: String,
    pub location: String,
    pub category: String,
    pub emergency_or_priority: bool,
    /// Higher after each change of this broadcast.
    pub sequence: u32,
}

/// A whole calendar as text; `made_ms` is when it was made. iCalendar counts in seconds: a start goes back to one, an end forward.
pub fn calendar(name: &str, made_ms: i64, events: &[Event]) -> String {
    let mut calendar = Calendar::empty();
    for (key, value) in [
        ("VERSION", "2.0"),
        ("PRODID", "-//loaxa//loaxa//VI"),
        ("CALSCALE", "GREGORIAN"),
        ("METHOD", "PUBLISH"),
        ("X-WR-CALNAME", &text(name)),
        // The crate does not know this one to be text.
        ("NAME", &escaped(&text(name))),
        ("X-PUBLISHED-TTL", "PT1H"),
    ] {
        calendar.append_property((key, value));
    }
    calendar.append_property(Property::new("REFRESH-INTERVAL", "PT1H").add_parameter("VALUE", "DURATION"));
    for event in events {
        calendar.push(component(event, made_ms));
    }
    folded(&calendar.to_string())
}

fn component(event: &Event, made_ms: i64) -> icalendar::Event {
    let mut out = icalendar::Event::with_uid(&text(&event.uid));
    out.timestamp(instant(made_ms))
        .starts(instant(event.start_ms))
        .summary(&text(&event.title))
        .sequence(event.sequence);
    // RFC 5545 asks for an end after the start; without one an event takes no time.
    if event.end_ms > event.start_ms {
        out.ends(instant(event.end_ms.saturating_add(999)));
    }
    if !event.description.is_empty() {
        out.description(&text(&event.description));
    }
    if !event.location.is_empty() {
        out.location(&text(&event.location));
    }
    if !event.category.is_empty() {
        out.categories([text(&event.category)]);
    }
    out.priority(if event.emergency_or_priority { 1 } else { 5 }).add_property("TRANSP", "TRANSPARENT");
    out.status(EventStatus::Confirmed).done()
}

/// The second in which an instant lies, kept within the years 1970 to 9999 for which the format has digits.
fn instant(ms: i64) -> DateTime<Utc> {
    const LAST_S: i64 = 253_402_300_799;
    DateTime::from_timestamp(ms.div_euclid(1000).clamp(0, LAST_S), 0).unwrap_or_default()
}

/// Text as iCalendar can hold it: `\n` ends a line, and no other control character is left, nor the separators that some readers split at.
fn text(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n").replace('\t', " ");
    lines.chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}

/// TEXT of RFC 5545, section 3.3.11.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace(',', "\\,").replace(';', "\\;").replace('\n', "\\n")
}

/// Folds anew at 75 octets (RFC 5545, section 3.1), never within a character: the crate's last piece of a line may be 76 long.
fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.replace("\r\n ", "").split_terminator("\r\n") {
        let mut octets = 0;
        for c in line.chars() {
            if octets + c.len_utf8() > 75 {
                out.push_str("\r\n ");
                octets = 1;
            }
            octets += c.len_utf8();
            out.push(c);
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The properties in order: name with parameters, and the value, unescaped.
    fn properties(calendar: &str) -> Vec<(String, String)> {
        assert!(calendar.ends_with("END:VCALENDAR\r\n"));
        assert!(!calendar.replace("\r\n", "").contains(|c: char| c.is_control()), "bare control characters");
        for line in calendar.split("\r\n") {
            assert!(line.len() <= 75, "{} octets: {line}", line.len());
        }
        let unfolded = calendar.replace("\r\n ", "");
        let lines = unfolded.split_terminator("\r\n").map(|line| line.split_once(':').unwrap());
        lines.map(|(name, value)| (name.to_owned(), unescaped(value))).collect()
    }

    fn unescaped(value: &str) -> String {
        let (mut out, mut chars) = (String::new(), value.chars());
        while let Some(c) = chars.next() {
            out.push(match c {
                '\\' => match chars.next().unwrap() {
                    'n' => '\n',
                    c @ ('\\' | ',' | ';') => c,
                    c => panic!("\\{c} in {value}"),
                },
                ',' | ';' => panic!("bare {c} in {value}"),
                c => c,
            });
        }
        out
    }

    fn event(title: &str) -> Event {
        Event {
            uid: "buoi-sang@1767222000000.loaxa.example".into(),
            title: title.into(),
            start_ms: 1_767_222_000_000,
            end_ms: 1_767_222_900_000,
            description: "Dòng 1: C:\\nhac, \"tin\"; hết\nDòng 2\u{7}\r\nDòng 3\rDòng 4".into(),
            location: "Phường Ea Kao, Buôn Ma Thuột; cụm 1".into(),
            category: "Tin tức, thời sự".into(),
            emergency_or_priority: true,
            sequence: 3,
        }
    }

    #[test]
    fn all_that_an_event_says_comes_back() {
        let name = "Đài truyền thanh; xã, \\ \"Ea Kao\"";
        let found = properties(&calendar(name, 1_767_000_000_999, &[event("Bản tin buổi sáng")]));
        let expected = [
            ("BEGIN", "VCALENDAR"),
            ("VERSION", "2.0"),
            ("PRODID", "-//loaxa//loaxa//VI"),
            ("CALSCALE", "GREGORIAN"),
            ("METHOD", "PUBLISH"),
            ("X-WR-CALNAME", name),
            ("NAME", name),
            ("X-PUBLISHED-TTL", "PT1H"),
            ("REFRESH-INTERVAL;VALUE=DURATION", "PT1H"),
            ("BEGIN", "VEVENT"),
            ("DESCRIPTION", "Dòng 1: C:\\nhac, \"tin\"; hết\nDòng 2\nDòng 3\nDòng 4"),
            ("DTEND", "20251231T231500Z"),
            ("DTSTAMP", "20251229T092000Z"),
            ("DTSTART", "20251231T230000Z"),
            ("LOCATION", "Phường Ea Kao, Buôn Ma Thuột; cụm 1"),
            ("PRIORITY", "1"),
            ("SEQUENCE", "3"),
            ("STATUS", "CONFIRMED"),
            ("SUMMARY", "Bản tin buổi sáng"),
            ("TRANSP", "TRANSPARENT"),
            ("UID", "buoi-sang@1767222000000.loaxa.example"),
            ("CATEGORIES", "Tin tức, thời sự"),
            ("END", "VEVENT"),
            ("END", "VCALENDAR"),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn lines_of_every_length_are_folded_between_characters() {
        for length in 0..400 {
            for letters in ["a", "ế", "é b", "😀 ", "a,;\\\n"] {
                let title: String = letters.chars().cycle().take(length).collect();
                let found = properties(&calendar("", 0, &[event(&title)]));
                assert!(found.contains(&("SUMMARY".into(), title)));
            }
        }
    }

    #[test]
    fn odd_instants_make_no_odd_calendar() {
        let odd = |start_ms, end_ms| {
            let found =
                properties(&calendar("", 0, &[Event { start_ms, end_ms, category: String::new(), ..event("") }]));
            let value = |name: &str| found.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            assert_eq!(value("CATEGORIES"), None);
            (value("DTSTART").unwrap(), value("DTEND"))
        };
        assert_eq!(odd(1_999, 2_001), ("19700101T000001Z".into(), Some("19700101T000003Z".into())));
        assert_eq!(odd(5_000, 5_000), ("19700101T000005Z".into(), None));
        assert_eq!(odd(i64::MIN, i64::MAX), ("19700101T000000Z".into(), Some("99991231T235959Z".into())));
    }
}
