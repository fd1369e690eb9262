//! Who has the air: emergencies that a command brings, what gives way to them, and what ends before its time.
//!
//! They stand in no plan. They wait in the agenda like any play, but take the air only when they may and can sound.

use std::sync::Arc;

use super::{Agenda, Entry, WORTH_JOINING_MS};
use crate::controller::engine::{Effect, Engine};
use crate::domain::ids::OccurrenceId;
use crate::domain::plan::{PlannedItem, PlannedOccurrence};
use crate::domain::priority::Priority;
use crate::domain::record::Reason;
use crate::protocol::trust::VerifiedPlan;

/// An emergency by command.
#[derive(Debug)]
pub(super) struct Commanded {
    pub(super) occurrence: PlannedOccurrence,
    /// It was found to be allowed and ready, and what was on has given way.
    has_the_air: bool,
}

/// Emergencies by command that are kept at once.
const COMMANDED: usize = 16;

impl Commanded {
    pub(super) fn is(&self, id: &OccurrenceId) -> bool {
        self.occurrence.id == *id
    }
}

impl Agenda {
    /// Takes an emergency in that is to sound as soon as it can; says whether it is new here.
    pub fn command(&mut self, occurrence: &PlannedOccurrence, plan: VerifiedPlan) -> bool {
        let is_known = self.commanded.iter().any(|one| one.is(&occurrence.id));
        if is_known || self.commanded.len() >= COMMANDED {
            return false;
        }
        self.commanded.push(Commanded { occurrence: occurrence.clone(), has_the_air: false });
        self.entries.push(Entry { occurrence: occurrence.clone(), plan: Arc::new(plan), checked: false });
        self.entries.sort_by_key(|entry| entry.occurrence.start_ms);
        self.uses_of = usize::MAX;
        true
    }

    fn awaits_the_air(&self, id: &OccurrenceId) -> bool {
        self.commanded.iter().any(|one| one.is(id) && !one.has_the_air)
    }

    /// Gives the air to an emergency by command: what is on gives way at its start, and what was to begin waits. The newest wins.
    pub(super) fn give_the_air(&mut self, id: &OccurrenceId) -> Vec<Effect> {
        let Some(one) = self.commanded.iter_mut().find(|one| one.is(id)) else { return vec![] };
        one.has_the_air = true;
        let start_ms = one.occurrence.start_ms;
        let mut effects = vec![];
        for current in self.on.iter_mut().filter(|current| !current.taken_back) {
            let (on_air, from_ms) = (current.entry.occurrence.id.clone(), current.entry.occurrence.start_ms);
            if current.first_mono_ns.is_none() && from_ms >= start_ms {
                // Not begun: it may still come, if there is something left of it afterwards.
                current.taken_back = true;
                self.entries.push(Entry { checked: true, ..current.entry.clone() });
                effects.push(Effect::Stop(on_air));
            } else {
                current.fault = Some(Reason::PreEmpted);
                effects.push(Effect::Trim { occurrence: on_air, ms: start_ms - from_ms });
            }
        }
        self.entries.sort_by_key(|entry| entry.occurrence.start_ms);
        self.uses_of = usize::MAX;
        effects
    }

    /// Ends what is on the air, and forgets what a command was about to begin.
    pub fn stop(&mut self, emergencies: bool) -> Vec<Effect> {
        let ends = |occurrence: &PlannedOccurrence| emergencies || occurrence.priority < Priority::Emergency;
        let mut effects = vec![];
        for current in self.on.iter_mut().filter(|current| ends(&current.entry.occurrence)) {
            current.fault = Some(Reason::Withdrawn);
            effects.push(Effect::Stop(current.entry.occurrence.id.clone()));
        }
        if emergencies {
            let commanded = std::mem::take(&mut self.commanded);
            self.entries.retain(|entry| commanded.iter().all(|one| !one.is(&entry.occurrence.id)));
        }
        effects
    }

    pub(super) fn is_pre_empted(&self, occurrence: &PlannedOccurrence, now_ms: i64) -> bool {
        let (from_ms, until_ms) = (occurrence.start_ms, occurrence.end_ms);
        let mut on_the_air = self.commanded.iter().filter(|one| one.has_the_air).map(|one| &one.occurrence);
        on_the_air.any(|one| one.start_ms < until_ms && one.end_ms > from_ms.max(now_ms))
    }

    pub(super) fn has_the_air(&self, id: &OccurrenceId) -> bool {
        self.commanded.iter().any(|one| one.is(id) && one.has_the_air)
    }

    /// The authority may have taken back by now what emergencies by command rest on: those that wait are judged by its newest word, and
    /// those that sound and may no more are ended.
    pub(super) fn under_new_trust(&mut self, newest: &VerifiedPlan) -> Vec<Effect> {
        let commanded = &self.commanded;
        let is_commanded = |entry: &Entry| commanded.iter().any(|one| one.is(&entry.occurrence.id));
        for entry in self.entries.iter_mut().filter(|entry| is_commanded(entry)) {
            entry.plan = Arc::new(entry.plan.under(newest));
        }
        let mut effects = vec![];
        for current in self.on.iter_mut().filter(|current| is_commanded(&current.entry)) {
            let (occurrence, plan) = (&current.entry.occurrence, current.entry.plan.under(newest));
            if occurrence.items.iter().all(|item| plan.permits(occurrence, item, |_| false).is_err()) {
                current.fault = Some(Reason::Revoked);
                effects.push(Effect::Stop(occurrence.id.clone()));
            }
        }
        effects
    }
}

impl Engine {
    /// Emergencies by command take the air only once they are allowed to sound and can: else there would be silence in their place.
    pub(super) fn give_the_air(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        let sounds = |entry: &&Entry| {
            let Entry { occurrence, plan, .. } = entry;
            let permits = |item: &PlannedItem| plan.permits(occurrence, item, |t| self.is_used(t, occurrence)).is_ok();
            self.agenda.awaits_the_air(&occurrence.id)
                && self.output_working
                && now_ms < occurrence.content_end_ms() - WORTH_JOINING_MS
                && occurrence.items.iter().any(|item| self.library.is_whole(&item.media) && permits(item))
        };
        let ready: Vec<_> =
            self.agenda.entries.iter().filter(sounds).map(|entry| entry.occurrence.id.clone()).collect();
        for id in ready {
            effects.extend(self.agenda.give_the_air(&id));
        }
    }
}
