//! From a programme to the sounds of one occurrence: which revision, which languages, what fits.
//!
//! The rule for a slot that is too short: tune, opening and closing are set aside first, so that bulletins are taken in order into what is
//! left; one that does not fit is passed over, and a shorter one after it may still be taken. Where not even the first bulletin
//! would fit, the framing gives way: closing, then opening, then tune. A slot that is too long is filled with the filler, in the
//! place where it stands, again and again, the last time cut to what is left. Framing and filler alone are not worth an occurrence if
//! there was to be more. A bed takes no time: it lies beneath the rest, from its beginning to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::DAY_MS;
use super::approval::{Approval, Certificate, Denial, Ticket, Use};
use super::bulletin::Language;
use super::ids::{AreaCode, BulletinId, KeyId, MediaHash};
use super::priority::Priority;
use super::programme::{MAX_ITEMS, SoundKind};
use super::timetable::Why;
use super::trust::TrustList;

/// A programme resolved to what there is for it now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    pub cues: Vec<Cue>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Cue {
    /// The versions of one bulletin; the first is the one that the programme names.
    Sound {
        kind: SoundKind,
        voices: Vec<Voice>,
    },
    Pause {
        ms: i64,
    },
    Relay {
        source: String,
        ms: i64,
    },
}

/// One language version of a bulletin.
#[derive(Debug, Clone, PartialEq)]
pub struct Voice {
    pub bulletin: BulletinId,
    pub language: Language,
    /// Its approved revisions, newest first.
    pub approved: Vec<Arc<Approved>>,
}

/// An approved revision as the planner needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Approved {
    pub bulletin: BulletinId,
    pub revision: u32,
    pub title: String,
    pub media: MediaHash,
    pub duration_ms: i64,
    pub gain_db: f32,
    /// Each with its approver's certificate.
    pub approvals: Vec<(Approval, Certificate)>,
    /// Tickets that name its media.
    pub tickets: Vec<(Ticket, Certificate)>,
    pub trust: Arc<TrustList>,
}

/// What sounds in one occurrence, from its beginning.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    pub parts: Vec<Part>,
    /// Until the last part ends.
    pub length_ms: i64,
    /// Until when all its approvals last.
    pub good_until_ms: i64,
}

#[derive(Debug, Clone)]
pub struct Part {
    pub kind: SoundKind,
    pub approved: Arc<Approved>,
    pub at_ms: i64,
    /// Less than the approved revision's own length where it is cut.
    pub length_ms: i64,
}

impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        let plain = |part: &Self| (part.kind, part.at_ms, part.length_ms);
        plain(self) == plain(other) && (Arc::ptr_eq(&self.approved, &other.approved) || self.approved == other.approved)
    }
}

/// What an occurrence is made for.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    pub priority: Priority,
    pub start_ms: i64,
    /// The most that may sound, and whether that is because of the slot, the quiet hours or the longest session.
    pub limit_ms: i64,
    pub limited_by: Limit,
    /// A slot of a certain length is filled.
    pub fill: bool,
    /// The speaker's areas from the widest down to its own.
    pub areas: &'a [AreaCode],
    /// The languages of the residents in order; empty = the programme's own.
    pub languages: &'a [Language],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Slot,
    QuietHours,
    Session,
}

/// The content of an occasion with what was left out of it, and the starts for which the same would come out.
#[derive(Debug, Clone)]
pub struct Composed {
    pub content: Option<Arc<Content>>,
    pub left_out: Vec<Why>,
    pub holds_from_ms: i64,
    pub holds_until_ms: i64,
}

/// A filler shorter than this is not begun.
const SHORTEST_FILLER_MS: i64 = 3_000;

/// One sound that could be taken.
struct Sound<'a> {
    kind: SoundKind,
    approved: &'a Arc<Approved>,
}

enum Step<'a> {
    Sound(Sound<'a>),
    Pause(i64),
}

impl Script {
    /// Longest that its sounds can last for these languages, before anything is left out.
    fn most_ms(&self, languages: &[Language]) -> i64 {
        let longest = |voice: &Voice| voice.approved.iter().map(|approved| approved.duration_ms).max().unwrap_or(0);
        let of = |cue: &Cue| match cue {
            Cue::Sound { kind: SoundKind::Filler, .. } => 0,
            Cue::Sound { voices, .. } => {
                let theirs: i64 = chosen(voices, languages).map(longest).sum();
                theirs.max(voices.first().map_or(0, longest))
            }
            Cue::Pause { ms } => *ms,
            Cue::Relay { .. } => 0,
        };
        self.cues.iter().map(of).sum()
    }

    /// The sounds for one occasion.
    pub fn compose(&self, occasion: &Occasion<'_>) -> Composed {
        let mut composed =
            Composed { content: None, left_out: vec![], holds_from_ms: i64::MIN, holds_until_ms: i64::MAX };
        if self.cues.is_empty() {
            composed.left_out.push(Why::NothingToPlay);
            return composed;
        }
        let most_ms = self.most_ms(occasion.languages).min(DAY_MS);
        let end_ms = occasion.start_ms + if occasion.fill { occasion.limit_ms } else { most_ms.min(occasion.limit_ms) };
        let mut steps = vec![];
        let mut good_until_ms = i64::MAX;
        for cue in &self.cues {
            match cue {
                Cue::Pause { ms } => steps.push(Step::Pause(*ms)),
                Cue::Relay { source, .. } => {
                    composed.left_out.push(Why::RelayNotApproved { source: source.clone() });
                }
                Cue::Sound { kind, voices } => {
                    missing_versions(voices, occasion.languages, &mut composed.left_out);
                    let mut taken = vec![];
                    for voice in chosen(voices, occasion.languages) {
                        match voice.allowed(occasion, end_ms, &mut composed) {
                            Ok(approved) => taken.push(approved),
                            Err(denial) => {
                                let bulletin = voice.bulletin.clone();
                                let original = voices.first().is_some_and(|first| first.bulletin == bulletin);
                                let version = (!original).then(|| voice.language.clone());
                                composed.left_out.push(Why::NotApproved { bulletin, version, denial });
                            }
                        }
                    }
                    // Better in another language than not at all.
                    if taken.is_empty()
                        && let Some(first) = voices.first()
                    {
                        taken.extend(first.allowed(occasion, end_ms, &mut composed).ok());
                    }
                    for approved in taken {
                        good_until_ms = good_until_ms.min(approved.good_until_ms(occasion, end_ms));
                        steps.push(Step::Sound(Sound { kind: *kind, approved }));
                    }
                }
            }
        }
        let mut parts = self.arrange(&steps, occasion, &mut composed.left_out);
        if let Some(last) = parts.last() {
            let length_ms = last.at_ms + last.length_ms;
            lay_bed(&steps, length_ms, &mut parts);
            composed.content = Some(Arc::new(Content { parts, length_ms, good_until_ms }));
        }
        composed
    }

    /// Takes what fits, in order.
    fn arrange(&self, steps: &[Step<'_>], occasion: &Occasion<'_>, left_out: &mut Vec<Why>) -> Vec<Part> {
        let is_core = |kind: SoundKind| kind == SoundKind::Bulletin;
        let wanted_core = self.cues.iter().any(|cue| match cue {
            Cue::Sound { kind, .. } => is_core(*kind),
            Cue::Relay { .. } => true,
            Cue::Pause { .. } => false,
        });
        let length = |sound: &Sound<'_>| sound.approved.duration_ms;
        let sounds = || steps.iter().filter_map(|step| if let Step::Sound(sound) = step { Some(sound) } else { None });
        let does_not_fit = |sound: &Sound<'_>| {
            let bulletin = sound.approved.bulletin.clone();
            match occasion.limited_by {
                Limit::Slot => Why::DoesNotFit { bulletin },
                Limit::QuietHours => Why::QuietHours { bulletin: Some(bulletin) },
                Limit::Session => Why::SessionTooLong { bulletin },
            }
        };
        // Framing gives way until the first bulletin that can fit at all does.
        let mut framing = vec![SoundKind::Tune, SoundKind::Opening, SoundKind::Closing];
        let framed = |framing: &[SoundKind]| -> i64 {
            let pauses: i64 = steps.iter().map(|step| if let Step::Pause(ms) = step { *ms } else { 0 }).sum();
            pauses + sounds().filter(|sound| framing.contains(&sound.kind)).map(length).sum::<i64>()
        };
        let first = sounds().filter(|sound| is_core(sound.kind)).map(length).find(|ms| *ms <= occasion.limit_ms);
        let mut pauses = true;
        let mut room_ms = occasion.limit_ms - framed(&framing);
        while room_ms < first.unwrap_or(0) {
            if framing.pop().is_none() {
                pauses = false;
                room_ms = occasion.limit_ms;
                break;
            }
            room_ms = occasion.limit_ms - framed(&framing);
        }
        // Which are taken, by their place in `steps`.
        let mut taken = vec![false; steps.len()];
        for (index, step) in steps.iter().enumerate() {
            taken[index] = match step {
                Step::Pause(_) => pauses,
                Step::Sound(sound) if sound.kind.is_frame() => {
                    let kept = framing.contains(&sound.kind);
                    if !kept {
                        left_out.push(does_not_fit(sound));
                    }
                    kept
                }
                Step::Sound(sound) if is_core(sound.kind) => {
                    let fits = length(sound) <= room_ms;
                    if fits {
                        room_ms -= length(sound);
                    } else {
                        left_out.push(does_not_fit(sound));
                    }
                    fits
                }
                Step::Sound(_) => false,
            };
        }
        let has_core = steps
            .iter()
            .zip(&taken)
            .any(|(step, taken)| *taken && matches!(step, Step::Sound(sound) if is_core(sound.kind)));
        if wanted_core && !has_core {
            return vec![];
        }
        let fillers: Vec<_> = sounds().filter(|sound| sound.kind == SoundKind::Filler).collect();
        let mut parts: Vec<Part> = vec![];
        let (mut at_ms, mut filled) = (0, false);
        for (step, taken) in steps.iter().zip(taken) {
            match step {
                Step::Pause(ms) if taken => at_ms += ms,
                Step::Sound(sound) if sound.kind == SoundKind::Filler && occasion.fill && !filled => {
                    filled = true;
                    let most = MAX_ITEMS.saturating_sub(steps.len());
                    for sound in fillers.iter().cycle().take(most) {
                        let length_ms = length(sound).min(room_ms);
                        if length_ms < SHORTEST_FILLER_MS.min(length(sound)) {
                            break;
                        }
                        parts.push(Part { kind: sound.kind, approved: sound.approved.clone(), at_ms, length_ms });
                        at_ms += length_ms;
                        room_ms -= length_ms;
                    }
                }
                Step::Sound(sound) if taken && parts.len() < MAX_ITEMS => {
                    let length_ms = length(sound);
                    parts.push(Part { kind: sound.kind, approved: sound.approved.clone(), at_ms, length_ms });
                    at_ms += length_ms;
                }
                // More items than an occurrence may hold.
                Step::Sound(sound) if taken => left_out.push(does_not_fit(sound)),
                _ => {}
            }
        }
        parts
    }
}

/// Lays the beds beneath what was arranged, in turn, again and again, the last time cut; as far as an occurrence may hold items.
fn lay_bed(steps: &[Step<'_>], length_ms: i64, parts: &mut Vec<Part>) {
    let beds: Vec<&Sound<'_>> = steps
        .iter()
        .filter_map(|step| if let Step::Sound(sound) = step { Some(sound) } else { None })
        .filter(|sound| sound.kind == SoundKind::Bed && sound.approved.duration_ms > 0)
        .collect();
    let mut at_ms = 0;
    for sound in beds.iter().cycle().take(MAX_ITEMS.saturating_sub(parts.len())) {
        if at_ms >= length_ms {
            break;
        }
        let part_ms = sound.approved.duration_ms.min(length_ms - at_ms);
        parts.push(Part { kind: sound.kind, approved: sound.approved.clone(), at_ms, length_ms: part_ms });
        at_ms += part_ms;
    }
}

/// What has no speech.
fn is_wordless(language: &Language) -> bool {
    language.as_str() == "zxx"
}

/// The versions that residents of these languages get: each of theirs in order, or the programme's own where there is none of them (or,
/// as [`Script::compose`] sees to, none that may sound).
fn chosen<'a>(voices: &'a [Voice], languages: &'a [Language]) -> impl Iterator<Item = &'a Voice> {
    let own = |language: &'a Language| voices.iter().find(move |voice| voice.language == *language);
    let wordless = voices.first().is_some_and(|voice| is_wordless(&voice.language));
    let known = !wordless && languages.iter().any(|language| own(language).is_some());
    let theirs = languages.iter().filter_map(own).filter(move |_| known);
    theirs.chain(voices.first().filter(|_| !known))
}

fn missing_versions(voices: &[Voice], languages: &[Language], left_out: &mut Vec<Why>) {
    let Some(first) = voices.first().filter(|voice| !is_wordless(&voice.language)) else { return };
    for language in languages {
        if !voices.iter().any(|voice| voice.language == *language) {
            left_out.push(Why::VersionMissing { bulletin: first.bulletin.clone(), language: language.clone() });
        }
    }
}

impl Voice {
    /// The newest revision that was approved before the start and may sound then. Narrows what the answer holds for.
    fn allowed(&self, occasion: &Occasion<'_>, end_ms: i64, composed: &mut Composed) -> Result<&Arc<Approved>, Denial> {
        let start_ms = occasion.start_ms;
        let mut bound = |change_ms: i64| {
            if change_ms <= start_ms {
                composed.holds_from_ms = composed.holds_from_ms.max(change_ms);
            } else {
                composed.holds_until_ms = composed.holds_until_ms.min(change_ms);
            }
        };
        let length_ms = end_ms - start_ms;
        let mut denial = Denial::NoApproval;
        for approved in &self.approved {
            approved.changes(length_ms, &mut bound);
            let verdict = approved.allows(&approved.wanted(occasion, end_ms));
            match verdict {
                Ok(()) => return Ok(approved),
                // What was revoked does not make room for what it had replaced.
                Err(Denial::Revoked) => return Err(Denial::Revoked),
                // The newest revision's refusal is the one worth telling.
                Err(why) if denial == Denial::NoApproval => denial = why,
                Err(_) => {}
            }
        }
        Err(denial)
    }
}

impl Approved {
    /// What is on the air is not changed under the listener: an approval is for what begins after it was given.
    fn allows(&self, wanted: &Use<'_>) -> Result<(), Denial> {
        let given = |(approval, _): &&(Approval, Certificate)| approval.made_ms <= wanted.start_ms;
        if !self.approvals.is_empty() && !self.approvals.iter().any(|one| given(&one)) {
            return Err(Denial::OutsideValidity);
        }
        self.trust.judge(self.approvals.iter().filter(given).map(|(approval, by)| (approval, by)), wanted)?;
        let tickets = self.tickets.iter().map(|(ticket, by)| (ticket, by));
        if wanted.priority == Priority::Emergency && self.trust.tickets_for(tickets, wanted).next().is_none() {
            return Err(Denial::NoTicket);
        }
        Ok(())
    }

    fn wanted<'a>(&'a self, occasion: &Occasion<'a>, end_ms: i64) -> Use<'a> {
        Use {
            bulletin: &self.bulletin,
            revision: self.revision,
            media: &self.media,
            priority: occasion.priority,
            start_ms: occasion.start_ms,
            end_ms,
            areas: occasion.areas,
        }
    }

    /// Until when enough approvals of this occasion last. Tickets are used up by then.
    fn good_until_ms(&self, occasion: &Occasion<'_>, end_ms: i64) -> i64 {
        let wanted = self.wanted(occasion, end_ms);
        let counts = |(approval, approver): &&(Approval, Certificate)| {
            approval.made_ms <= wanted.start_ms
                && !self.trust.is_revoked(&approval.approver)
                && approval.allows(approver, &wanted).is_ok()
        };
        // The longest of each approver; as many of them as are needed.
        let mut ends: BTreeMap<&KeyId, i64> = BTreeMap::new();
        for (approval, approver) in self.approvals.iter().filter(counts) {
            let end_ms = ends.entry(&approval.approver).or_insert(i64::MIN);
            *end_ms = (*end_ms).max(approval.valid_until_ms.min(approver.valid_until_ms));
        }
        let mut ends: Vec<i64> = ends.into_values().collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let needed = self.trust.approvers_needed(occasion.areas, occasion.priority);
        ends.get(needed - 1).copied().unwrap_or(i64::MAX)
    }

    /// The starts at which the verdict on something of this length may change.
    fn changes(&self, length_ms: i64, bound: &mut impl FnMut(i64)) {
        let mut ends = |until_ms: i64| bound(until_ms.saturating_sub(length_ms).saturating_add(1));
        for (approval, approver) in &self.approvals {
            ends(approval.valid_until_ms);
            ends(approver.valid_until_ms);
        }
        for (ticket, approver) in &self.tickets {
            ends(ticket.valid_until_ms);
            ends(approver.valid_until_ms);
        }
        for (approval, approver) in &self.approvals {
            bound(approval.made_ms);
            bound(approval.valid_from_ms);
            bound(approver.valid_from_ms);
        }
        for (ticket, approver) in &self.tickets {
            bound(ticket.valid_from_ms);
            bound(approver.valid_from_ms);
        }
    }
}
