//! How a speaker stands: one word for lists and maps, with its reasons, and what has turned since it was last heard. Judges by what
//! is known and never hides it: whoever shows the word shows link, clock, content and sound beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A speaker whose content is not there is only being prepared, until so shortly before it plays.
pub const SOON_MS: i64 = 60 * 60_000;

/// Whether the board is in touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema), schema(as = SpeakerLink))]
pub enum Link {
    Online,
    Offline,
    Never,
}

/// Something that a board says is not as it should be: a closed list, each with one meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema), schema(as = SpeakerFault))]
pub enum Fault {
    /// The amplifier is not as it should be.
    Amplifier,
    /// What is heard is not what it was at installation.
    Path,
    /// There is nothing to listen with.
    Capture,
    /// Nothing can be kept on the disk.
    Store,
    CardReadOnly,
    CardFailing,
    CardWorn,
    DiskErrors,
    DiskLow,
    MemoryHigh,
    Hot,
    /// One that only a newer board knows.
    #[serde(other)]
    Other,
}

impl Fault {
    pub const ALL: [Self; 12] = [
        Self::Amplifier,
        Self::Path,
        Self::Capture,
        Self::Store,
        Self::CardReadOnly,
        Self::CardFailing,
        Self::CardWorn,
        Self::DiskErrors,
        Self::DiskLow,
        Self::MemoryHigh,
        Self::Hot,
        Self::Other,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amplifier => "amplifier",
            Self::Path => "path",
            Self::Capture => "capture",
            Self::Store => "store",
            Self::CardReadOnly => "card_read_only",
            Self::CardFailing => "card_failing",
            Self::CardWorn => "card_worn",
            Self::DiskErrors => "disk_errors",
            Self::DiskLow => "disk_low",
            Self::MemoryHigh => "memory_high",
            Self::Hot => "hot",
            Self::Other => "other",
        }
    }
}

/// Where a speaker stands with its newest plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanStanding {
    /// None was made for it yet.
    None,
    Current,
    /// It goes by an older one, and has not said why.
    Behind,
    Refused,
}

/// What is known of a speaker.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub disabled: bool,
    /// A board was enrolled for it, or needs not be.
    pub has_board: bool,
    pub link: Link,
    /// Absent where it has never said so; as the next ones by its last words.
    pub clock_trusted: Option<bool>,
    /// Files of its plan that it has not.
    pub lacks: u32,
    pub plan: PlanStanding,
    pub faults: Vec<Fault>,
    /// It says that it is sounding something.
    pub is_playing: bool,
    /// Its last play did not sound, or not wholly, for a reason that is nobody's wish.
    pub last_failed: bool,
    /// How long until it plays next.
    pub next_in_ms: Option<i64>,
}

/// One word for a speaker, the gravest that is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema), schema(as = SpeakerStanding))]
pub enum Standing {
    /// It is on line and says that it is playing.
    Sounding,
    /// On line, with the time, the newest plan and all content.
    Ready,
    /// On line, and what it needs is on its way in good time.
    Preparing,
    /// On line, but it will not sound, or not well, unless somebody looks after it.
    Attention,
    /// Out of touch: whether it plays what it has is not known until it is back.
    Offline,
    /// No board has ever spoken for it.
    Never,
    /// An operator has shut it out.
    Disabled,
}

/// Why it stands so: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema), schema(as = SpeakerCause))]
pub enum Cause {
    ShutOut,
    NoBoard,
    NeverHeard,
    LinkDown,
    ClockUntrusted,
    PlanRefused,
    NoPlan,
    PlanOnItsWay,
    ContentMissing,
    LastPlayFailed,
    Fault,
}

/// The one word, and every reason that speaks against *ready*, the gravest first. What a board said before it went off line is still
/// told: it will be so when it comes back, as far as anybody knows.
pub fn standing(known: &Known) -> (Standing, Vec<Cause>) {
    if known.disabled {
        return (Standing::Disabled, vec![Cause::ShutOut]);
    }
    if known.link == Link::Never {
        return (Standing::Never, vec![if known.has_board { Cause::NeverHeard } else { Cause::NoBoard }]);
    }
    let soon = known.next_in_ms.is_some_and(|ms| ms <= SOON_MS);
    let (mut grave, mut coming) = (vec![], vec![]);
    if known.clock_trusted == Some(false) {
        grave.push(Cause::ClockUntrusted);
    }
    match known.plan {
        PlanStanding::Refused => grave.push(Cause::PlanRefused),
        PlanStanding::Behind => coming.push(Cause::PlanOnItsWay),
        PlanStanding::None => coming.push(Cause::NoPlan),
        PlanStanding::Current => {}
    }
    if known.lacks > 0 {
        if soon { &mut grave } else { &mut coming }.push(Cause::ContentMissing);
    }
    if !known.faults.is_empty() {
        grave.push(Cause::Fault);
    }
    // What sounds now outweighs what did not sound before.
    if known.last_failed && !known.is_playing {
        grave.push(Cause::LastPlayFailed);
    }
    let word = match (known.link, &grave[..], &coming[..]) {
        (Link::Offline | Link::Never, ..) => Standing::Offline,
        (Link::Online, [_, ..], _) => Standing::Attention,
        (Link::Online, [], _) if known.is_playing => Standing::Sounding,
        (Link::Online, [], [_, ..]) => Standing::Preparing,
        (Link::Online, [], []) => Standing::Ready,
    };
    let link = (word == Standing::Offline).then_some(Cause::LinkDown);
    (word, link.into_iter().chain(grave).chain(coming).collect())
}

/// What is compared between two words of a board, so that its history keeps changes and no samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    pub online: bool,
    /// Absent where it has said nothing but that it is on or off line.
    pub said: Option<Said>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    pub clock_trusted: bool,
    pub ready: u32,
    pub wanted: u32,
    pub refused: Option<String>,
    /// Each with the board's own words.
    pub faults: BTreeMap<Fault, String>,
}

/// What of a speaker has turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "center", derive(utoipa::ToSchema), schema(as = SpeakerSubject))]
pub enum Subject {
    /// up, down, or unheard: the center was restarted and has not heard it since.
    Link,
    /// trusted or untrusted.
    Clock,
    /// complete or lacking.
    Content,
    /// taken or refused.
    Plan,
    /// begun or ended; `item` says which.
    Fault,
    /// open or shut: an operator let it in or shut it out.
    Access,
    /// enrolled: a board has taken its place.
    Board,
}

impl Subject {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Clock => "clock",
            Self::Content => "content",
            Self::Plan => "plan",
            Self::Fault => "fault",
            Self::Access => "access",
            Self::Board => "board",
        }
    }

    pub const ALL: [Self; 7] =
        [Self::Link, Self::Clock, Self::Content, Self::Plan, Self::Fault, Self::Access, Self::Board];
}

/// One change of one speaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub subject: Subject,
    /// Which fault; empty for all else.
    pub item: &'static str,
    pub value: &'static str,
    /// The board's own words, or a count.
    pub detail: String,
}

impl Turn {
    pub fn new(subject: Subject, value: &'static str, detail: impl Into<String>) -> Self {
        Self { subject, item: "", value, detail: detail.into() }
    }
}

impl Facts {
    /// These after those before: what a board does not say stays as it was.
    pub fn after(mut self, before: Option<&Self>) -> Self {
        if self.said.is_none() {
            self.said = before.and_then(|before| before.said.clone());
        }
        self
    }

    /// What has turned since `before`; everything where nothing was known.
    pub fn turns(&self, before: Option<&Self>) -> Vec<Turn> {
        let mut turns = vec![];
        if before.map(|before| before.online) != Some(self.online) {
            turns.push(Turn::new(Subject::Link, if self.online { "up" } else { "down" }, ""));
        }
        let Some(said) = &self.said else { return turns };
        let old = before.and_then(|before| before.said.as_ref());
        if old.map(|old| old.clock_trusted) != Some(said.clock_trusted) {
            turns.push(Turn::new(Subject::Clock, if said.clock_trusted { "trusted" } else { "untrusted" }, ""));
        }
        if old.map(Said::is_complete) != Some(said.is_complete()) {
            let value = if said.is_complete() { "complete" } else { "lacking" };
            turns.push(Turn::new(Subject::Content, value, format!("{}/{}", said.ready, said.wanted)));
        }
        match (old.and_then(|old| old.refused.as_ref()), &said.refused) {
            (before, Some(why)) if before != Some(why) => turns.push(Turn::new(Subject::Plan, "refused", why.as_str())),
            (Some(_), None) => turns.push(Turn::new(Subject::Plan, "taken", "")),
            _ => {}
        }
        let none = BTreeMap::new();
        let faults = old.map_or(&none, |old| &old.faults);
        for (fault, words) in said.faults.iter().filter(|(fault, _)| !faults.contains_key(fault)) {
            turns.push(Turn { item: fault.as_str(), ..Turn::new(Subject::Fault, "begun", words.as_str()) });
        }
        for fault in faults.keys().filter(|fault| !said.faults.contains_key(fault)) {
            turns.push(Turn { item: fault.as_str(), ..Turn::new(Subject::Fault, "ended", "") });
        }
        turns
    }
}

impl Said {
    fn is_complete(&self) -> bool {
        self.ready >= self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Known {
        Known {
            disabled: false,
            has_board: true,
            link: Link::Online,
            clock_trusted: Some(true),
            lacks: 0,
            plan: PlanStanding::Current,
            faults: vec![],
            is_playing: false,
            last_failed: false,
            next_in_ms: Some(2 * SOON_MS),
        }
    }

    #[test]
    fn the_gravest_word_that_is_true_with_all_reasons() {
        use Cause::*;
        use Standing::*;
        let hot = || vec![super::Fault::Hot];
        let cases: Vec<(&str, Known, Standing, &[Cause])> = vec![
            ("all is well", well(), Ready, &[]),
            ("it sounds", Known { is_playing: true, ..well() }, Sounding, &[]),
            ("it sounds, and is too hot", Known { is_playing: true, faults: hot(), ..well() }, Attention, &[Fault]),
            ("its content is coming", Known { lacks: 1, ..well() }, Preparing, &[ContentMissing]),
            (
                "its content is not there and it plays soon",
                Known { lacks: 1, next_in_ms: Some(SOON_MS), ..well() },
                Attention,
                &[ContentMissing],
            ),
            ("nothing is planned", Known { lacks: 1, next_in_ms: None, ..well() }, Preparing, &[ContentMissing]),
            ("a plan is on its way", Known { plan: PlanStanding::Behind, ..well() }, Preparing, &[PlanOnItsWay]),
            ("no plan yet", Known { plan: PlanStanding::None, ..well() }, Preparing, &[NoPlan]),
            (
                "it sounds while more is coming",
                Known { is_playing: true, lacks: 1, ..well() },
                Sounding,
                &[ContentMissing],
            ),
            ("it refused", Known { plan: PlanStanding::Refused, ..well() }, Attention, &[PlanRefused]),
            ("it does not know the time", Known { clock_trusted: Some(false), ..well() }, Attention, &[ClockUntrusted]),
            ("it has not said whether", Known { clock_trusted: None, ..well() }, Ready, &[]),
            ("the last play failed", Known { last_failed: true, ..well() }, Attention, &[LastPlayFailed]),
            ("but now it sounds", Known { last_failed: true, is_playing: true, ..well() }, Sounding, &[]),
            ("it is away", Known { link: Link::Offline, ..well() }, Offline, &[LinkDown]),
            (
                "it is away, and was not well before",
                Known { link: Link::Offline, is_playing: true, faults: hot(), lacks: 1, ..well() },
                Offline,
                &[LinkDown, Fault, ContentMissing],
            ),
            ("it never came", Known { link: Link::Never, clock_trusted: None, ..well() }, Never, &[NeverHeard]),
            (
                "nobody has put a board there",
                Known { link: Link::Never, has_board: false, ..well() },
                Never,
                &[NoBoard],
            ),
            ("it is shut out", Known { disabled: true, faults: hot(), ..well() }, Disabled, &[ShutOut]),
        ];
        for (name, known, word, causes) in cases {
            assert_eq!(standing(&known), (word, causes.to_vec()), "{name}");
        }
    }

    fn facts(online: bool, said: Said) -> Facts {
        Facts { online, said: Some(said) }
    }

    fn said() -> Said {
        Said { clock_trusted: true, ready: 3, wanted: 3, ..Said::default() }
    }

    fn told(turns: &[Turn]) -> Vec<String> {
        turns.iter().map(|turn| [turn.subject.as_str(), turn.item, turn.value, &turn.detail].join(" ")).collect()
    }

    #[test]
    fn what_turned_is_told_once_and_what_did_not_is_not() {
        let first = facts(true, said());
        assert_eq!(told(&first.turns(None)), ["link  up ", "clock  trusted ", "content  complete 3/3"]);
        assert_eq!(first.turns(Some(&first)), []);
        let more = facts(true, Said { ready: 4, wanted: 4, ..said() });
        assert_eq!(more.turns(Some(&first)), [], "complete is complete");
        let hot = BTreeMap::from([(Fault::Hot, "82".to_owned())]);
        let ill =
            facts(true, Said { clock_trusted: false, ready: 2, refused: Some("old".into()), faults: hot, ..said() });
        let expected = ["clock  untrusted ", "content  lacking 2/3", "plan  refused old", "fault hot begun 82"];
        assert_eq!(told(&ill.turns(Some(&first))), expected);
        let hotter = BTreeMap::from([(Fault::Hot, "90".to_owned()), (Fault::Store, "full".to_owned())]);
        let worse = facts(true, Said { refused: Some("other".into()), faults: hotter, ..ill.said.clone().unwrap() });
        assert_eq!(told(&worse.turns(Some(&ill))), ["plan  refused other", "fault store begun full"]);
        let back =
            ["clock  trusted ", "content  complete 3/3", "plan  taken ", "fault store ended ", "fault hot ended "];
        let mut turned = told(&first.turns(Some(&worse)));
        turned.sort_by_key(|line| back.iter().position(|known| known == line));
        assert_eq!(turned, back);
    }

    #[test]
    fn a_last_will_says_nothing_of_the_rest() {
        let before = facts(true, said());
        let gone = Facts { online: false, said: None }.after(Some(&before));
        assert_eq!(told(&gone.turns(Some(&before))), ["link  down "]);
        assert_eq!(told(&before.turns(Some(&gone))), ["link  up "]);
        assert_eq!(told(&Facts { online: false, said: None }.turns(None)), ["link  down "]);
    }

    #[test]
    fn each_fault_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.as_str()).collect();
        assert_eq!(words.len(), Fault::ALL.len());
    }
}
