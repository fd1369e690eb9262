//! What a center tells all speakers of an area at once.

use tracing::{info, warn};

use super::{Effect, Engine, Now, RETICENT_NS, RETICENT_SPREAD_MS, unix_ms};
use crate::domain::command::Order;
use crate::domain::plan::PlannedOccurrence;
use crate::domain::priority::Priority;
use crate::protocol::keys::media_hash;
use crate::protocol::trust::{Accepted, CommandRefusal};

/// Emergencies that are known again by their bytes.
const REMEMBERED: usize = 16;

impl Engine {
    pub(super) fn commanded(&mut self, now: Now, payload: &[u8], effects: &mut Vec<Effect>) {
        let Some(in_force) = self.plan.clone() else {
            return warn!("a command came before the first plan; nobody is known who could give one");
        };
        // An emergency is told again and again for those who come late; others have heard, and need not check it once more.
        let hash = media_hash(payload);
        if self.obeyed.contains(&hash) {
            return;
        }
        let now_ms = self.trusted(now).map(|estimate| unix_ms(estimate, now.mono_ns));
        let Accepted { command, plan } = match in_force.accept(payload, &self.anchor, &self.counters.ratchet, now_ms) {
            Ok(accepted) => accepted,
            Err(CommandRefusal::Replayed) => return,
            Err(refusal) => return warn!("not obeyed: {refusal}"),
        };
        let known = self.counters.clone();
        in_force.obeyed(&command, &mut self.counters.ratchet);
        match (command.order, plan) {
            (Order::Refresh { spread_ms }, _) => {
                self.refresh_mono_ns = Some(now.mono_ns + self.own_moment_ns(spread_ms));
            }
            (Order::Stop { emergencies }, _) => {
                info!("told to stop what is on the air");
                effects.extend(self.agenda.stop(emergencies));
            }
            (Order::Volume { db }, _) => {
                info!("told to play {db:+} dB");
                self.counters.volume_db = Some(db).filter(|db| *db != 0.0);
            }
            (Order::Emergency { occurrence, .. }, Some(plan)) => {
                // After a restart its account and its ticket say that it was heard.
                let is_heard = self.plays.contains_key(&occurrence.id);
                if !is_heard && !self.agenda.command(&occurrence, plan) {
                    return;
                }
                self.obeyed.truncate(REMEMBERED - 1);
                self.obeyed.push_front(hash);
                if is_heard {
                    return;
                }
                info!("told to sound {} now", occurrence.id);
                self.link.reticent_until_mono_ns = now.mono_ns + RETICENT_NS + self.own_moment_ns(RETICENT_SPREAD_MS);
                self.need_media(effects);
            }
            (Order::Emergency { .. }, None) => {}
        }
        if self.counters != known {
            effects.push(Effect::SaveCounters(self.counters.clone()));
        }
    }

    /// By how much an operator has moved the volume of this, in dB.
    pub(super) fn moved_db(&self, occurrence: &PlannedOccurrence) -> f32 {
        let moved_db = self.counters.volume_db.filter(|_| occurrence.priority < Priority::Emergency);
        moved_db.unwrap_or(0.0)
    }
}
