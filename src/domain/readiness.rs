//! Whether a speaker can sound what it is to play, judged by what it said last. Knows nothing of how that came here.
//!
//! A board keeps on its disk what it has: one that is off line and had everything when it was last heard is ready, and what is said
//! of it beside that is that it is off line.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ids::MediaPrefix;

/// When a plan begins to use a file, for all of its files.
pub type Sounds = BTreeSet<(i64, MediaPrefix)>;

/// What is known of a speaker.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// An operator has shut it out.
    pub disabled: bool,
    pub online: bool,
    /// The newest plan that was made for it.
    pub newest: Option<u64>,
    /// Its own last words; absent where it has never spoken.
    pub heard: Option<Heard>,
}

/// A speaker's own last words.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub clock_trusted: bool,
    /// The plan that it goes by.
    pub accepted: Option<u64>,
    /// It has refused the one that was offered last.
    pub refused: bool,
    /// How many files it has not.
    pub lacks: u32,
    /// The first of these, in the order in which it will use them. All boards but the oldest name some where there are any.
    pub missing: Vec<MediaPrefix>,
    /// What the plan that it goes by plays and when, where that is not the newest one and somebody has looked.
    pub older: Option<Arc<Sounds>>,
}

/// A file that an occurrence needs, and when the sound that it is in begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub start_ms: i64,
    pub media: MediaPrefix,
    pub bytes: u64,
}

/// What is to be said of one speaker for one occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// These are not there whole; what of them has arrived already is not known here.
    ContentMissing(Vec<Use>),
    /// A plan that it has not accepted yet decides about this.
    PlanOnItsWay,
    PlanRefused,
    /// It starts nothing before it knows the time.
    ClockUntrusted,
    NeverHeard,
    Disabled,
}

impl Readiness {
    /// The reason that it is not ready.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Ready => None,
            Self::ContentMissing(_) => Some("content_missing"),
            Self::PlanOnItsWay => Some("plan_on_its_way"),
            Self::PlanRefused => Some("plan_refused"),
            Self::ClockUntrusted => Some("clock_untrusted"),
            Self::NeverHeard => Some("never_heard"),
            Self::Disabled => Some("disabled"),
        }
    }

    pub fn missing(&self) -> &[Use] {
        if let Self::ContentMissing(missing) = self { missing } else { &[] }
    }
}

impl Said {
    /// One answer for each occurrence, these being all that are to come, in order of start.
    pub fn readiness<'a>(&self, occurrences: impl IntoIterator<Item = &'a [Use]>) -> Vec<Readiness> {
        let mut known = self.heard.as_ref().map(Known::new);
        occurrences.into_iter().map(|uses| self.judge(known.as_mut(), uses)).collect()
    }

    /// What holds for whatever is played, where that is known without looking at it.
    pub fn whatever_is_played(&self) -> Option<Readiness> {
        let Some(heard) = &self.heard else { return Some(self.judge(None, &[])) };
        let alike = self.disabled || (heard.accepted == self.newest && heard.lacks == 0);
        alike.then(|| self.judge(Some(&mut Known::new(heard)), &[]))
    }

    fn judge(&self, known: Option<&mut Known<'_>>, uses: &[Use]) -> Readiness {
        if self.disabled {
            return Readiness::Disabled;
        }
        let Some(known) = known else { return Readiness::NeverHeard };
        let heard = known.heard;
        // Asked even where the answer does not count, since what comes later depends on what came before.
        let missing = known.missing(uses);
        let plays_it = heard.accepted.is_some()
            && (heard.accepted == self.newest
                || heard
                    .older
                    .as_ref()
                    .is_some_and(|older| uses.iter().all(|one| older.contains(&(one.start_ms, one.media)))));
        match plays_it {
            false if heard.refused => Readiness::PlanRefused,
            false => Readiness::PlanOnItsWay,
            true if !missing.is_empty() => Readiness::ContentMissing(missing),
            true if !heard.clock_trusted => Readiness::ClockUntrusted,
            true => Readiness::Ready,
        }
    }
}

/// What a board has, followed along the occurrences in their order.
struct Known<'a> {
    heard: &'a Heard,
    /// It lacks more than it names, and these come after the last that it names. Till then, what it does not name it has.
    names_all: bool,
    past_the_last: bool,
    seen: BTreeSet<MediaPrefix>,
}

impl<'a> Known<'a> {
    fn new(heard: &'a Heard) -> Self {
        let names_all = heard.missing.len() >= heard.lacks as usize;
        Self { heard, names_all, past_the_last: heard.missing.is_empty(), seen: BTreeSet::new() }
    }

    /// What of these is missing, each file once.
    fn missing(&mut self, uses: &[Use]) -> Vec<Use> {
        let mut missing: Vec<Use> = vec![];
        if self.heard.lacks == 0 {
            return missing;
        }
        for one in uses {
            let named = self.heard.missing.contains(&one.media);
            let unknown = !self.names_all && self.past_the_last && !self.seen.contains(&one.media);
            if !named && !self.names_all && !self.past_the_last {
                self.seen.insert(one.media);
            }
            self.past_the_last |= self.heard.missing.last() == Some(&one.media);
            if (named || unknown) && !missing.iter().any(|other| other.media == one.media) {
                missing.push(*one);
            }
        }
        missing
    }
}

/// How urgent it is that speakers are not ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    #[default]
    None,
    Soon,
    Late,
}

impl Warning {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Soon => "soon",
            Self::Late => "late",
        }
    }
}

/// Who is not ready so long before the start is worth a look.
pub const SOON_MS: i64 = 2 * 3_600_000;
/// Who is not ready so long before the start will hardly be helped in time by anybody on the road.
pub const LATE_MS: i64 = 15 * 60_000;

/// Whether time runs short: with so many speakers not ready, so much still to be sent to anybody until then, and that much time. What
/// is sent goes to all who want it at once, so that it counts once.
pub fn warning(not_ready: usize, bytes_to_send: u64, bytes_per_s: u64, left_ms: i64) -> Warning {
    if not_ready == 0 {
        return Warning::None;
    }
    let sending_ms = i64::try_from(bytes_to_send.saturating_mul(1000) / bytes_per_s.max(1)).unwrap_or(i64::MAX);
    if left_ms <= LATE_MS || left_ms <= sending_ms {
        Warning::Late
    } else if left_ms <= SOON_MS || left_ms <= sending_ms.saturating_mul(2) {
        // Links are slower than what feeds them, and chunks are lost.
        Warning::Soon
    } else {
        Warning::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(media: &[u64]) -> Vec<Use> {
        media.iter().map(|n| Use { start_ms: 1_000, media: MediaPrefix(*n), bytes: 10 * n }).collect()
    }

    fn heard(lacks: u32, missing: &[u64]) -> Heard {
        let missing = missing.iter().copied().map(MediaPrefix).collect();
        Heard { clock_trusted: true, accepted: Some(7), refused: false, lacks, missing, older: None }
    }

    fn said(heard: Heard) -> Said {
        Said { disabled: false, online: true, newest: Some(7), heard: Some(heard) }
    }

    #[test]
    fn the_first_thing_that_is_in_the_way_is_the_answer() {
        use Readiness::*;
        let well = || said(heard(0, &[]));
        let behind = |heard: Heard| Said { newest: Some(8), ..said(heard) };
        let plays = |media: &[u64]| Some(Arc::new(media.iter().map(|n| (1_000, MediaPrefix(*n))).collect()));
        let content = || ContentMissing(uses(&[2]));
        let cases: Vec<(&str, Said, Readiness)> = vec![
            ("everything is there", well(), Ready),
            ("its disk keeps it while it is off line", Said { online: false, ..well() }, Ready),
            ("one of two files is missing", said(heard(1, &[2])), content()),
            ("so it is for one that went off line", Said { online: false, ..said(heard(1, &[2])) }, content()),
            ("files of other plays are missing", said(heard(2, &[8, 9])), Ready),
            ("an old board only says how many", said(heard(1, &[])), ContentMissing(uses(&[1, 2]))),
            ("it goes by an older plan", behind(heard(0, &[])), PlanOnItsWay),
            ("it was told of no plan yet", Said { newest: None, ..well() }, PlanOnItsWay),
            (
                "it has no plan and there is none",
                Said { newest: None, ..said(Heard { accepted: None, ..heard(0, &[]) }) },
                PlanOnItsWay,
            ),
            ("the older plan plays the same", behind(Heard { older: plays(&[1, 2, 5]), ..heard(0, &[]) }), Ready),
            ("the same, but one file is missing", behind(Heard { older: plays(&[1, 2]), ..heard(1, &[2]) }), content()),
            (
                "the older plan plays something else",
                behind(Heard { older: plays(&[1, 5]), ..heard(0, &[]) }),
                PlanOnItsWay,
            ),
            ("it refused the newest", behind(Heard { refused: true, ..heard(0, &[]) }), PlanRefused),
            (
                "refused, but the older does it",
                behind(Heard { refused: true, older: plays(&[1, 2]), ..heard(0, &[]) }),
                Ready,
            ),
            ("it has accepted more than this center knows", Said { newest: Some(6), ..well() }, PlanOnItsWay),
            ("it does not know the time", said(Heard { clock_trusted: false, ..heard(0, &[]) }), ClockUntrusted),
            ("nor has it the content", said(Heard { clock_trusted: false, ..heard(1, &[2]) }), content()),
            ("it has never spoken", Said { heard: None, ..well() }, NeverHeard),
            ("it is shut out", Said { disabled: true, heard: None, ..well() }, Disabled),
        ];
        for (name, said, expected) in cases {
            assert_eq!(said.readiness([&uses(&[1, 2])[..]]), std::slice::from_ref(&expected), "{name}");
            if let Some(whatever) = said.whatever_is_played() {
                assert_eq!(whatever, expected, "{name}: without looking");
            }
        }
    }

    #[test]
    fn what_a_board_does_not_name_it_has_up_to_the_last_that_it_names() {
        use Readiness::*;
        // It lacks five and names two: what is first used after the second may be among the other three.
        let said = said(heard(5, &[2, 4]));
        let plays: Vec<Vec<Use>> = [&[1][..], &[2], &[3], &[4], &[5, 1], &[3], &[6, 2]].map(uses).into();
        let answers = said.readiness(plays.iter().map(Vec::as_slice));
        let missing = |media: &[u64]| ContentMissing(uses(media));
        let expected = [Ready, missing(&[2]), Ready, missing(&[4]), missing(&[5]), Ready, missing(&[6, 2])];
        assert_eq!(answers, expected);
        // A file that is used twice counts once.
        assert_eq!(said.readiness([&uses(&[2, 2])[..]]), [missing(&[2])]);
    }

    #[test]
    fn time_runs_short_by_the_clock_and_by_what_is_still_to_be_sent() {
        let minute_ms = 60_000;
        for (not_ready, bytes, left_ms, expected) in [
            (0, 0, 0, Warning::None),
            (0, 1 << 40, 1, Warning::None),
            (1, 0, SOON_MS + 1, Warning::None),
            (1, 0, SOON_MS, Warning::Soon),
            (1, 0, LATE_MS + 1, Warning::Soon),
            (1, 0, LATE_MS, Warning::Late),
            // A kilobyte a second: four hours of sending.
            (1, 14_400_000, 481 * minute_ms, Warning::None),
            (1, 14_400_000, 480 * minute_ms, Warning::Soon),
            (1, 14_400_000, 241 * minute_ms, Warning::Soon),
            (1, 14_400_000, 240 * minute_ms, Warning::Late),
            (1, u64::MAX, 1 << 50, Warning::Late),
        ] {
            assert_eq!(warning(not_ready, bytes, 1_000, left_ms), expected, "{not_ready} {bytes} {left_ms}");
        }
        assert_eq!(warning(1, 1, 0, SOON_MS + 1), Warning::None);
    }
}
