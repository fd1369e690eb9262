//! The names of all topics, built and read in one place.
//!
//! `loaxa/1/<site>/speakers/<id>/{plan, ack, time, certificate}` go down to a speaker, `.../{state, report, want, clock, renew}` come up from it, and
//! `loaxa/1/<site>/media/<sha256>/<chunk>` goes to whoever wants it.

use crate::domain::ids::{AreaCode, MediaHash, SiteId, SpeakerId};

const ROOT: &str = "loaxa/1";

/// What a center says to one speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// Retained: the newest signed plan.
    Plan,
    /// Playback records that are safely stored.
    Ack,
    /// Answers to clock probes.
    Time,
    /// The next certificate of its connection.
    Certificate,
}

/// What a speaker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Up {
    /// Retained, and the last will.
    State,
    /// Playback records.
    Report,
    /// Chunks that are missing.
    Want,
    /// Clock probes.
    Clock,
    /// A request for the next certificate.
    Renew,
}

impl Down {
    pub const ALL: [Self; 4] = [Self::Plan, Self::Ack, Self::Time, Self::Certificate];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Ack => "ack",
            Self::Time => "time",
            Self::Certificate => "certificate",
        }
    }
}

impl Up {
    pub const ALL: [Self; 5] = [Self::State, Self::Report, Self::Want, Self::Clock, Self::Renew];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Report => "report",
            Self::Want => "want",
            Self::Clock => "clock",
            Self::Renew => "renew",
        }
    }
}

/// A topic that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    Down(SpeakerId, Down),
    Up(SpeakerId, Up),
    Chunk(MediaHash, u32),
    /// To every speaker of an area.
    Command(AreaCode),
}

pub fn down(site: &SiteId, speaker: &SpeakerId, kind: Down) -> String {
    format!("{ROOT}/{site}/speakers/{speaker}/{}", kind.as_str())
}

pub fn up(site: &SiteId, speaker: &SpeakerId, kind: Up) -> String {
    format!("{ROOT}/{site}/speakers/{speaker}/{}", kind.as_str())
}

/// The filter under which a center hears one kind of message from every speaker.
pub fn up_from_all(site: &SiteId, kind: Up) -> String {
    format!("{ROOT}/{site}/speakers/+/{}", kind.as_str())
}

pub fn chunk(site: &SiteId, media: &MediaHash, index: u32) -> String {
    format!("{ROOT}/{site}/media/{media}/{index}")
}

/// The filter under which a speaker hears every chunk of one media file.
pub fn chunks(site: &SiteId, media: &MediaHash) -> String {
    format!("{ROOT}/{site}/media/{media}/+")
}

/// What is said to every speaker of an area, and of the areas below.
pub fn command(site: &SiteId, area: &AreaCode) -> String {
    format!("{ROOT}/{site}/areas/{area}/command")
}

/// Every topic of a site, as a filter: the center's own right.
pub fn all(site: &SiteId) -> String {
    format!("{ROOT}/{site}/#")
}

/// What a speaker may do, as filters for a broker that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    pub write: Vec<String>,
    pub read: Vec<String>,
}

/// The least that speakers need. `who` is how the broker writes the name of whoever is connected, such as `%u`.
pub fn rights_of_speakers(site: &SiteId, who: &str) -> Rights {
    let own = |kind: &str| format!("{ROOT}/{site}/speakers/{who}/{kind}");
    let mut read: Vec<_> = Down::ALL.into_iter().map(|kind| own(kind.as_str())).collect();
    read.push(format!("{ROOT}/{site}/media/+/+"));
    // Signed messages to a unit and all below it, for every speaker to read and judge.
    read.push(format!("{ROOT}/{site}/areas/+/command"));
    Rights { write: Up::ALL.into_iter().map(|kind| own(kind.as_str())).collect(), read }
}

/// Reads a topic of this site; anything else is `None`.
pub fn parse(site: &SiteId, topic: &str) -> Option<Topic> {
    let rest = topic.strip_prefix(ROOT)?.strip_prefix('/')?.strip_prefix(site.as_str())?.strip_prefix('/')?;
    let mut levels = rest.split('/');
    let topic = match (levels.next()?, levels.next()?, levels.next()?) {
        ("speakers", speaker, kind) => {
            let speaker = speaker.parse().ok()?;
            let down = Down::ALL.into_iter().find(|down| down.as_str() == kind);
            match (down, Up::ALL.into_iter().find(|up| up.as_str() == kind)) {
                (Some(down), _) => Topic::Down(speaker, down),
                (None, Some(up)) => Topic::Up(speaker, up),
                (None, None) => return None,
            }
        }
        ("media", hash, digits) => {
            // One spelling, so that what was read is what was asked for: no sign, no leading zeros.
            let index: u32 = digits.parse().ok()?;
            (index.to_string() == digits).then_some(Topic::Chunk(hash.parse().ok()?, index))?
        }
        ("areas", area, "command") => Topic::Command(area.parse().ok()?),
        _ => return None,
    };
    levels.next().is_none().then_some(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_name_every_topic_of_a_speaker_and_no_more() {
        let (site, speaker): (SiteId, SpeakerId) = ("mau".parse().unwrap(), "a".parse().unwrap());
        let rights = rights_of_speakers(&site, "a");
        assert_eq!(rights.write, Up::ALL.map(|kind| up(&site, &speaker, kind)));
        let media = MediaHash([9; 32]);
        assert_eq!(rights.read[..4], Down::ALL.map(|kind| down(&site, &speaker, kind)));
        assert_eq!(rights.read[4], chunks(&site, &media).replace(&media.to_string(), "+"));
        assert_eq!(rights.read[5..], ["loaxa/1/mau/areas/+/command"]);
        assert_eq!(all(&site), "loaxa/1/mau/#");
    }

    #[test]
    fn topics_read_back_and_strangers_are_ignored() {
        let site: SiteId = "mau".parse().unwrap();
        let speaker: SpeakerId = "cum-loa-01".parse().unwrap();
        assert_eq!(down(&site, &speaker, Down::Plan), "loaxa/1/mau/speakers/cum-loa-01/plan");
        assert_eq!(parse(&site, &up(&site, &speaker, Up::Want)), Some(Topic::Up(speaker.clone(), Up::Want)));
        assert_eq!(parse(&site, &down(&site, &speaker, Down::Ack)), Some(Topic::Down(speaker, Down::Ack)));
        let area: AreaCode = "66".parse().unwrap();
        assert_eq!(parse(&site, &command(&site, &area)), Some(Topic::Command(area)));
        let media = MediaHash([9; 32]);
        assert_eq!(parse(&site, &chunk(&site, &media, 7)), Some(Topic::Chunk(media, 7)));
        let spelt = |index: &str| format!("loaxa/1/mau/media/{media}/{index}");
        assert!(parse(&site, &spelt("7")).is_some());
        for index in ["007", "+7", "-0", "", "4294967296"] {
            assert_eq!(parse(&site, &spelt(index)), None, "{index}");
        }
        for stranger in [
            "loaxa/1/other/speakers/a/plan",
            "loaxa/1/mau2/speakers/a/plan",
            "loaxa/1/mau/speakers/a/plan/x",
            "loaxa/1/mau/speakers/A/plan",
            "loaxa/1/mau/media/00/1",
            "loaxa/1/mau",
            "",
        ] {
            assert_eq!(parse(&site, stranger), None, "{stranger}");
        }
    }
}
