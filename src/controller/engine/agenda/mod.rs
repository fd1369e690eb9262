//! What is to be played next, what is being played, and the account of what was not.

mod account;
mod air;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use air::Commanded;

use super::media::NextUse;
use super::{Effect, Engine, Now, PROBE_NEAR_PLAY_MS, unix_ms};
use crate::controller::player::{Line, Summary};
use crate::controller::store::Play;
use crate::domain::DAY_MS;
use crate::domain::approval::{Denial, Ticket};
use crate::domain::ids::{BulletinId, MediaHash, OccurrenceId};
use crate::domain::plan::{MAX_WINDOW_MS, MediaRef, PlannedItem, PlannedOccurrence};
use crate::domain::priority::Priority;
use crate::domain::record::{Evidence, Outcome, PlaybackRecord, Reason};
use crate::protocol::trust::VerifiedPlan;

/// Sessions go to the player this long before they start, to be hashed and decoded ahead.
const LEAD_MS: i64 = 3_000;
/// When something is missing, its arrival is waited for until this long before the start.
const LAST_CALL_MS: i64 = 400;
/// Files are hashed this long before they play, early enough to be fetched again.
const CHECK_MS: i64 = 60_000;
/// A session that is not over this long after its slot never will be.
const STALLED_MS: i64 = 5_000;
/// With less than this left of the content, joining late is pointless.
const WORTH_JOINING_MS: i64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// In order of start; those of an older plan that it still has to answer for come first.
    entries: Vec<Entry>,
    /// What the player has: what sounds, and what follows it.
    on: Vec<Current>,
    /// The files in the order of their use, as they were when there were so many entries.
    uses: Vec<NextUse>,
    uses_of: usize,
    /// Everything that the newest plan names, also what only stands by.
    named: Vec<MediaRef>,
    /// Emergencies that a command has put on the air, until they are over.
    commanded: Vec<Commanded>,
    /// Rises whenever `uses` is worked out anew.
    uses_changes: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    occurrence: PlannedOccurrence,
    plan: Arc<VerifiedPlan>,
    checked: bool,
}

/// Sessions that the player holds at once: one that sounds and one that is ready to follow without a gap.
const ON_AT_ONCE: usize = 2;

/// An occurrence that the player has.
#[derive(Debug)]
struct Current {
    entry: Entry,
    first_mono_ns: Option<i64>,
    /// The worst thing known about it so far.
    fault: Option<Reason>,
    /// It was prepared for a time at which it does not play any more, and will be prepared again.
    taken_back: bool,
    /// When the player has been told to play what of it.
    line: Line,
}

impl Current {
    /// Follows a new plan. An edit is for the next time; but where something else has the air from now on, or the slot, or a
    /// bulletin in it, is gone, the sound has to end.
    fn follow(&mut self, planned: &[PlannedOccurrence]) -> Option<Effect> {
        let on_air = &self.entry.occurrence;
        let Some(same) = planned.iter().find(|other| other.id == on_air.id) else {
            self.fault = Some(Reason::Withdrawn);
            return Some(Effect::Stop(on_air.id.clone()));
        };
        if self.first_mono_ns.is_none() && same.start_ms != on_air.start_ms {
            // Not begun yet, and later now: it is taken back and will be prepared anew.
            self.taken_back = true;
            return Some(Effect::Stop(on_air.id.clone()));
        }
        // What was interrupted goes on in a later part of the same play.
        let play = on_air.id.parts().map(|(schedule, nominal_ms, _)| (schedule, nominal_ms));
        let is_part = |other: &&PlannedOccurrence| other.id.parts().map(|(s, ms, _)| (s, ms)) == play;
        let held = |bulletin: &BulletinId| {
            planned.iter().filter(is_part).any(|other| other.items.iter().any(|item| item.bulletin == *bulletin))
        };
        let complete = on_air.items.iter().all(|item| held(&item.bulletin));
        if same.start_ms == on_air.start_ms && begins(&on_air.items, &same.items) {
            let (sooner_ms, later_ms) = (same.content_end_ms(), on_air.content_end_ms());
            if sooner_ms >= later_ms {
                return None;
            }
            if !complete {
                self.fault = Some(Reason::Withdrawn);
            }
            let (occurrence, ms) = (on_air.id.clone(), sooner_ms - on_air.start_ms);
            self.entry.occurrence = same.clone();
            return Some(Effect::Trim { occurrence, ms });
        }
        if !complete {
            self.fault = Some(Reason::Withdrawn);
            return Some(Effect::Stop(on_air.id.clone()));
        }
        // It may go on as it was, but not into what else has the air now.
        let (from_ms, until_ms) = (on_air.start_ms, on_air.content_end_ms());
        let others = planned.iter().filter(|other| other.id != on_air.id);
        let next_ms = others.map(|other| other.start_ms).filter(|ms| (from_ms..until_ms).contains(ms)).min()?;
        self.fault = Some(Reason::PreEmpted);
        Some(Effect::Trim { occurrence: on_air.id.clone(), ms: next_ms - from_ms })
    }
}

/// Whether `first` are the items that `all` begin with, the last of them perhaps cut short.
fn begins(all: &[PlannedItem], first: &[PlannedItem]) -> bool {
    let alike = |a: &PlannedItem, b: &PlannedItem| {
        let place = |item: &PlannedItem| (item.revision, item.media, item.at_ms, item.skip_ms);
        a.bulletin == b.bulletin && place(a) == place(b)
    };
    let own = |items: &[PlannedItem]| items.iter().take_while(|item| !item.beneath).count();
    let (all, first) = (&all[..own(all)], &first[..own(first)]);
    let last = first.len().saturating_sub(1);
    first.len() <= all.len()
        && all.iter().zip(first).enumerate().all(|(index, (a, b))| {
            alike(a, b) && (a.duration_ms == b.duration_ms || (index == last && b.duration_ms < a.duration_ms))
        })
}

impl Agenda {
    /// Takes a new plan's occurrences, keeping those older ones that it does not speak for. Gives what becomes of those that are on.
    pub fn replace(&mut self, plan: &Arc<VerifiedPlan>) -> Vec<Effect> {
        let new = plan.plan();
        // The newest plan has the word about all that is to come, also about what lies beyond its end.
        let is_past =
            |one: &PlannedOccurrence| one.start_ms < new.until_ms && !new.speaks_for(one.start_ms, one.end_ms);
        let mut effects = self.under_new_trust(plan);
        let commanded = &self.commanded;
        let is_commanded = |id: &OccurrenceId| commanded.iter().any(|one| one.is(id));
        self.entries.retain(|entry| is_past(&entry.occurrence) || is_commanded(&entry.occurrence.id));
        self.named.clone_from(&new.media);
        self.entries.extend(new.occurrences.iter().map(|occurrence| Entry {
            occurrence: occurrence.clone(),
            plan: plan.clone(),
            checked: false,
        }));
        self.entries.sort_by_key(|entry| entry.occurrence.start_ms);
        self.uses_of = usize::MAX;
        let spoken_for = |current: &&mut Current| {
            let on_air = &current.entry.occurrence;
            !is_commanded(&on_air.id) && new.speaks_for(on_air.start_ms, on_air.end_ms)
        };
        effects.extend(self.on.iter_mut().filter(spoken_for).filter_map(|current| current.follow(&new.occurrences)));
        effects
    }

    fn find(&mut self, id: &OccurrenceId) -> Option<&mut Current> {
        self.on.iter_mut().find(|current| current.entry.occurrence.id == *id)
    }

    fn take(&mut self, id: &OccurrenceId) -> Option<Current> {
        let index = self.on.iter().position(|current| current.entry.occurrence.id == *id)?;
        Some(self.on.remove(index))
    }

    fn is_taken_back(&self, id: &OccurrenceId) -> bool {
        self.on.iter().any(|current| current.taken_back && current.entry.occurrence.id == *id)
    }

    pub fn playing(&self) -> Option<&OccurrenceId> {
        self.on.first().map(|current| &current.entry.occurrence.id)
    }

    /// Whether something is on, or will soon be.
    pub fn is_near(&self, now_ms: Option<i64>) -> bool {
        let first_ms = self.entries.first().map(|entry| entry.occurrence.start_ms);
        !self.on.is_empty()
            || now_ms.zip(first_ms).is_some_and(|(now_ms, first_ms)| first_ms - now_ms < PROBE_NEAR_PLAY_MS)
    }

    /// Notes a fault of whatever the player has that uses this file.
    pub fn note_fault(&mut self, media: &MediaHash, reason: Reason) {
        let uses = |current: &&mut Current| current.entry.occurrence.items.iter().any(|item| item.media == *media);
        for current in self.on.iter_mut().filter(uses) {
            current.fault.get_or_insert(reason);
        }
    }

    /// Every file that the agenda needs.
    pub fn media(&self) -> Vec<MediaRef> {
        let mut seen = BTreeSet::new();
        let on = self.on.iter().map(|current| &current.entry);
        let refs = on.chain(&self.entries).flat_map(|entry| {
            entry
                .occurrence
                .items
                .iter()
                .filter_map(|item| entry.plan.plan().media.iter().find(|m| m.hash == item.media))
        });
        refs.chain(&self.named).filter(|media| seen.insert(media.hash)).cloned().collect()
    }

    /// The files in the order in which they are needed, those of emergencies first; worked out anew when the agenda has changed.
    pub fn next_uses(&mut self) -> &[NextUse] {
        self.counted_uses().0
    }

    /// The same, with a number that rises with every change.
    pub fn counted_uses(&mut self) -> (&[NextUse], u64) {
        if self.uses_of != self.entries.len() {
            let mut places = BTreeMap::new();
            self.uses.clear();
            // What stands by may be needed at any moment.
            let used: BTreeSet<MediaHash> =
                self.entries.iter().flat_map(|entry| entry.occurrence.items.iter().map(|item| item.media)).collect();
            for media in self.named.iter().map(|media| media.hash).filter(|media| !used.contains(media)) {
                self.uses.push(NextUse { media, due_ms: 0, urgent: false });
            }
            for entry in &self.entries {
                let urgent = entry.occurrence.priority == Priority::Emergency;
                for item in &entry.occurrence.items {
                    let due_ms = entry.occurrence.start_ms + item.at_ms;
                    let place = *places.entry(item.media).or_insert_with(|| {
                        self.uses.push(NextUse { media: item.media, due_ms, urgent });
                        self.uses.len() - 1
                    });
                    self.uses[place].urgent |= urgent;
                }
            }
            self.uses.sort_by_key(|one| !one.urgent);
            self.uses_of = self.entries.len();
            self.uses_changes += 1;
        }
        (&self.uses, self.uses_changes)
    }
}

impl Engine {
    /// Prepares, starts and accounts for what the agenda says is due.
    pub(super) fn run_agenda(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Some(clock) = self.trusted(now) else { return };
        let now_ms = unix_ms(clock, now.mono_ns);
        self.agenda.commanded.retain(|one| one.occurrence.end_ms + STALLED_MS > now_ms);
        self.forget_old(now_ms, effects);
        self.close_interrupted(now_ms, effects);
        self.close_stalled(now, now_ms, effects);
        self.steer(now, clock, effects);
        self.give_the_air(now_ms, effects);
        let mut index = 0;
        while let Some(entry) = self.agenda.entries.get(index) {
            let occurrence = &entry.occurrence;
            if occurrence.start_ms - CHECK_MS > now_ms {
                break;
            }
            if self.plays.contains_key(&occurrence.id) {
                if self.agenda.is_taken_back(&occurrence.id) {
                    index += 1;
                } else {
                    self.agenda.entries.remove(index);
                }
                continue;
            }
            if !entry.checked {
                self.check_files(index, effects);
            }
            match self.decide(index, now_ms) {
                Decision::Wait => index += 1,
                Decision::Play => self.prepare(index, clock, now_ms, effects),
                Decision::Miss(reason) => {
                    let entry = self.agenda.entries.remove(index);
                    self.agenda.commanded.retain(|one| !one.is(&entry.occurrence.id));
                    let evidence = self.readiness(&entry.occurrence);
                    let mut record =
                        self.blank(&entry.occurrence, entry.plan.plan().number, Outcome::Missed, Some(reason));
                    record.evidence = evidence;
                    self.record(record, effects);
                }
            }
        }
    }

    fn decide(&self, index: usize, now_ms: i64) -> Decision {
        let Entry { occurrence, plan, .. } = &self.agenda.entries[index];
        let content_end_ms = occurrence.content_end_ms();
        let over =
            now_ms > content_end_ms.min(occurrence.end_ms) - WORTH_JOINING_MS.min(content_end_ms - occurrence.start_ms);
        if now_ms >= occurrence.start_ms - LEAD_MS && self.day_is_full(occurrence, plan) {
            return if now_ms >= occurrence.start_ms { Decision::Miss(Reason::QuietHours) } else { Decision::Wait };
        }
        let permits = |item: &PlannedItem| plan.permits(occurrence, item, |ticket| self.is_used(ticket, occurrence));
        let permitted: Vec<_> = occurrence.items.iter().filter(|item| permits(item).is_ok()).collect();
        if permitted.is_empty() {
            let denial = occurrence.items.iter().find_map(|item| permits(item).err());
            let reason = denial.map_or(Reason::NotApproved, reason_of);
            return if now_ms >= occurrence.start_ms { Decision::Miss(reason) } else { Decision::Wait };
        }
        if occurrence.priority < Priority::Emergency && self.agenda.is_pre_empted(occurrence, now_ms) {
            return if over { Decision::Miss(Reason::PreEmpted) } else { Decision::Wait };
        }
        let ready = permitted.iter().filter(|item| self.library.is_whole(&item.media)).count();
        if over {
            return Decision::Miss(self.why_missed(occurrence, ready > 0));
        }
        // For an emergency by command all others have given way.
        let is_full = self.agenda.on.len() >= ON_AT_ONCE && !self.agenda.has_the_air(&occurrence.id);
        if is_full || now_ms < occurrence.start_ms - LEAD_MS {
            return Decision::Wait;
        }
        let all = ready == permitted.len();
        let last_call = now_ms >= occurrence.start_ms - LAST_CALL_MS;
        if self.output_working && (all || (ready > 0 && last_call)) { Decision::Play } else { Decision::Wait }
    }

    /// Whether a ticket has sounded in another play than this one, or as long in the earlier parts of this one as it lets it.
    fn is_used(&self, ticket: &Ticket, by: &PlannedOccurrence) -> bool {
        let with_it = self.plays.values().filter(|play| play.tickets.contains(&ticket.ticket));
        let mut left_ms = ticket.longest_ms - (by.end_ms - by.start_ms);
        for play in with_it.filter(|play| play.record.occurrence != by.id) {
            if !play.record.occurrence.is_part_of_same(&by.id) {
                return true;
            }
            left_ms -= if play.begun { play.record.end_ms - play.record.start_ms } else { play.record.heard_ms };
        }
        left_ms < 0
    }

    /// Whether what has sounded on that day, by this board's own account, leaves no room for this; emergencies do not count.
    fn day_is_full(&self, occurrence: &PlannedOccurrence, plan: &VerifiedPlan) -> bool {
        let length_ms = occurrence.content_end_ms() - occurrence.start_ms;
        let sounded_ms = |day: &Range<i64>| -> i64 {
            let of_day = self.plays.values().filter(|play| !play.emergency && day.contains(&play.record.start_ms));
            let heard = |play: &Play| match play.begun {
                true => play.record.end_ms - play.record.start_ms,
                false => play.record.heard_ms,
            };
            of_day.filter(|play| play.record.occurrence != occurrence.id).map(heard).sum()
        };
        occurrence.priority < Priority::Emergency
            && plan.days_of(occurrence.start_ms).any(|(day, limit_ms)| sounded_ms(&day) + length_ms > limit_ms)
    }

    /// The reason for an occurrence that is over and of which nothing sounded.
    fn why_missed(&self, occurrence: &PlannedOccurrence, ready: bool) -> Reason {
        // When this program began to run, in center time, is known from when the clock became trusted.
        let trusted_since_ms = self.trusted_since_ms.unwrap_or(i64::MAX);
        let started_ms = self.started_ms.unwrap_or(i64::MAX);
        if occurrence.start_ms < started_ms {
            Reason::PoweredOff
        } else if occurrence.start_ms < trusted_since_ms {
            Reason::ClockUntrusted
        } else if !self.output_working {
            Reason::OutputFailed
        } else if ready {
            Reason::PreEmpted
        } else {
            Reason::ContentMissing
        }
    }

    fn check_files(&mut self, index: usize, effects: &mut Vec<Effect>) {
        let entry = &mut self.agenda.entries[index];
        entry.checked = true;
        let whole = entry.occurrence.items.iter().map(|item| item.media).filter(|media| self.library.is_whole(media));
        effects.extend(whole.collect::<BTreeSet<_>>().into_iter().map(Effect::CheckMedia));
    }

    /// Plays that were on when the program ended last time get their account now; they are not begun again.
    fn close_interrupted(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        let is_on = |id: &OccurrenceId| self.agenda.on.iter().any(|current| current.entry.occurrence.id == *id);
        let open: Vec<_> =
            self.plays.values().filter(|play| play.begun && !is_on(&play.record.occurrence)).cloned().collect();
        for play in open {
            if play.record.started_ms.is_none() && play.record.start_ms > now_ms {
                // Prepared, but never heard and not yet due: it can still be played.
                self.plays.remove(&play.record.occurrence);
                effects.push(Effect::DropPlay(play.record.occurrence));
            } else {
                self.record(play.record, effects);
            }
        }
    }

    /// A device that neither plays nor fails must not hold the air for ever.
    fn close_stalled(&mut self, now: Now, now_ms: i64, effects: &mut Vec<Effect>) {
        let stalled = |current: &&Current| now_ms > current.entry.occurrence.end_ms + STALLED_MS;
        let stalled: Vec<_> =
            self.agenda.on.iter().filter(stalled).map(|c| (c.entry.occurrence.id.clone(), c.first_mono_ns)).collect();
        for (id, first_mono_ns) in stalled {
            effects.push(Effect::Stop(id.clone()));
            let summary = Summary { output_failed: true, first_mono_ns, ..Summary::default() };
            self.finished(now, &id, &summary, effects);
        }
    }

    /// Accounts older than any plan that could name them again.
    fn forget_old(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        let old = |play: &Play| play.acknowledged && play.record.end_ms < now_ms - MAX_WINDOW_MS - DAY_MS;
        let ids: Vec<_> = self.plays.values().filter(|play| old(play)).map(|p| p.record.occurrence.clone()).collect();
        for id in ids {
            self.plays.remove(&id);
            effects.push(Effect::DropPlay(id));
        }
    }

    fn readiness(&self, occurrence: &PlannedOccurrence) -> Evidence {
        let ready = occurrence.items.iter().all(|item| self.library.is_whole(&item.media));
        if ready { Evidence::ContentReady } else { Evidence::Scheduled }
    }

    fn blank(
        &self,
        occurrence: &PlannedOccurrence,
        plan_number: u64,
        outcome: Outcome,
        reason: Option<Reason>,
    ) -> PlaybackRecord {
        PlaybackRecord {
            speaker: self.anchor.speaker.clone(),
            occurrence: occurrence.id.clone(),
            plan_number,
            start_ms: occurrence.start_ms,
            end_ms: occurrence.end_ms,
            outcome,
            reason,
            evidence: Evidence::Scheduled,
            started_ms: None,
            start_error_us: None,
            clock_error_us: None,
            heard_ms: 0,
            level_dbfs: None,
            peak_dbfs: None,
            underruns: 0,
            off_line_us: None,
            heard_back_db: None,
            heard_back_delay_ms: None,
        }
    }
}

/// What a record says of something that was not allowed.
fn reason_of(denial: Denial) -> Reason {
    match denial {
        Denial::QuietHours => Reason::QuietHours,
        Denial::NoTicket | Denial::TicketUsed => Reason::NoTicket,
        Denial::Revoked => Reason::Revoked,
        _ => Reason::NotApproved,
    }
}

enum Decision {
    Wait,
    Play,
    Miss(Reason),
}
