//! How the board is, as the center and doctor are told, and whether that is news.

use super::{Engine, Now, rounded_up};
use crate::controller::clock::Source;
use crate::domain::ids::SpeakerId;
use crate::protocol::message::{ClockState, StateDetail};

impl Engine {
    /// How it is, as the center is told.
    pub fn detail(&self, now: Now) -> StateDetail {
        let (media_wanted, media_ready) = self.library.counts();
        StateDetail {
            version: self.limits.version.clone(),
            clock: self.clock_state(now),
            plan: self.plan.as_ref().map(|plan| plan.plan().number),
            plan_refused: self.plan_refused.clone(),
            media_wanted,
            media_ready,
            missing: self.library.missing().to_vec(),
            playing: self.agenda.playing().cloned(),
            outbox: self.outbox().count() as u32,
            volume_db: self.counters.volume_db,
            store_problem: self.store_problem.clone(),
            amplifier_problem: self.amplifier_problem.clone(),
            capture_problem: self.capture_problem.clone(),
            path: self.path.state(),
            path_warning: self.path.warning(),
            health: self.health.clone(),
            areas: self.areas().to_vec(),
        }
    }

    fn clock_state(&self, now: Now) -> ClockState {
        let clock = self.trusted(now);
        let own = self.clock.own_estimate(now.mono_ns);
        let source = self.clock.source(now.mono_ns);
        ClockState {
            trusted: clock.is_some(),
            error_us: clock.map(|clock| rounded_up(clock.error_ns)),
            source: clock.map(|_| source.to_string()),
            apart_us: clock
                .zip(own)
                .filter(|_| matches!(source, Source::Neighbour(_)))
                .map(|(clock, own)| clock.offset_ns.saturating_sub(own.offset_ns) / 1000),
            converter_ppm: self.converter_ppm,
        }
    }

    /// Whether something is worth telling before the next heartbeat; the clock's error moves all the time, and is not.
    pub(super) fn has_news(&self, now: Now) -> bool {
        let Some(told) = self.last_state.as_ref().and_then(|(state, _)| state.detail.as_ref()) else { return true };
        let followed = told.clock.source.as_deref().and_then(|source| source.strip_prefix("neighbour:"));
        told.clock.trusted != self.trusted(now).is_some()
            || followed != self.clock.leader().map(SpeakerId::as_str)
            || told.plan != self.plan.as_ref().map(|plan| plan.plan().number)
            || told.plan_refused != self.plan_refused
            || told.areas != self.areas()
            || (told.media_wanted, told.media_ready) != self.library.counts()
            || told.missing != self.library.missing()
            || told.playing.as_ref() != self.agenda.playing()
            || told.outbox != self.outbox().count() as u32
            || told.volume_db != self.counters.volume_db
            || told.store_problem != self.store_problem
            || told.amplifier_problem != self.amplifier_problem
            || told.capture_problem != self.capture_problem
            || told.path != self.path.state()
            || told.path_warning != self.path.warning()
            || match (&self.health, &told.health) {
                (Some(health), Some(told)) => health.is_news_after(told),
                (now, told) => now.is_some() != told.is_some(),
            }
    }
}
