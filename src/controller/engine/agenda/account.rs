//! One play from the moment it is handed to the player: laid out, kept to its line, and accounted for when it is over.

use super::{Current, reason_of};
use crate::audio::{RATE_HZ, from_db};
use crate::controller::clock::Estimate;
use crate::controller::engine::{Effect, Engine, Now, rounded_up};
use crate::controller::path::Verdict;
use crate::controller::player::{Line, Session, SessionItem, Summary};
use crate::controller::store::Play;
use crate::domain::ids::OccurrenceId;
use crate::domain::priority::Priority;
use crate::domain::record::{Evidence, Outcome, PlaybackRecord, Reason};

/// A start within this of the plan counts as on time.
const ON_TIME_MS: i64 = 250;
/// A better line is told when it differs by so much, a second after the last one.
const STEER_NS: f64 = 20_000.0;
const STEER_GAP_NS: i64 = 1_000_000_000;
/// The center's clock was set. Who has begun plays on as it was.
const SET_NS: f64 = 2e9;

impl Engine {
    /// Hands an occurrence to the player, after noting on disk that it has begun.
    pub(super) fn prepare(&mut self, index: usize, clock: Estimate, now_ms: i64, effects: &mut Vec<Effect>) {
        let entry = self.agenda.entries.remove(index);
        let occurrence = &entry.occurrence;
        let frames_of = |ms: i64| ms.max(0) as u64 * u64::from(RATE_HZ) / 1000;
        let slot_frames = frames_of(occurrence.end_ms - occurrence.start_ms);
        let (mut fault, mut items, mut beds, mut tickets) = (None, vec![], vec![], vec![]);
        for item in &occurrence.items {
            let at_frame = frames_of(item.at_ms).min(slot_frames);
            let frames = frames_of(item.duration_ms).min(slot_frames.saturating_sub(at_frame));
            let permitted = entry.plan.permits(occurrence, item, |ticket| self.is_used(ticket, occurrence));
            let here = self.library.is_whole(&item.media);
            match permitted {
                Err(denial) => {
                    fault.get_or_insert(reason_of(denial));
                }
                Ok(_) if !here => {
                    fault.get_or_insert(Reason::ContentMissing);
                }
                Ok(ticket) => tickets.extend(ticket.filter(|ticket| !tickets.contains(*ticket)).cloned()),
            }
            if frames < frames_of(item.duration_ms) {
                fault.get_or_insert(Reason::SlotOver);
            }
            let lane = if item.beneath { &mut beds } else { &mut items };
            lane.push(SessionItem {
                file: (permitted.is_ok() && here).then_some(item.media),
                at_frame,
                frames,
                skip_ms: item.skip_ms,
                gain: from_db(item.gain_db),
                fade_in: item.fade_in,
                fade_out: item.fade_out,
            });
        }
        let frames = items.iter().map(|item| item.at_frame + item.frames).max().unwrap_or(0);
        let own_db = self.limits.volume.db_at(occurrence.start_ms, occurrence.priority == Priority::Emergency);
        let session_start_ns = occurrence.start_ms.saturating_mul(1_000_000).saturating_sub(clock.offset_ns);
        let session = Session {
            occurrence: occurrence.id.clone(),
            start_mono_ns: session_start_ns,
            items,
            beds,
            frames,
            volume: from_db((occurrence.volume_db + own_db + self.moved_db(occurrence)).min(0.0)),
        };
        let number = entry.plan.plan().number;
        let mut record = self.blank(occurrence, number, Outcome::Missed, Some(Reason::Interrupted));
        record.evidence = Evidence::ContentReady;
        record.clock_error_us = Some(rounded_up(clock.error_ns));
        let emergency = occurrence.priority == Priority::Emergency;
        let play = Play { record, begun: true, acknowledged: false, emergency, tickets };
        tracing::info!("{} is prepared, {} ms before its start", occurrence.id, occurrence.start_ms - now_ms);
        effects.push(Effect::SavePlay(Box::new(play.clone())));
        effects.push(Effect::Play(session));
        self.plays.insert(play.record.occurrence.clone(), play);
        let line = Line::from(session_start_ns);
        self.agenda.on.push(Current { entry, first_mono_ns: None, fault, taken_back: false, line });
    }

    /// Tells the player where on its time line each play is by what the clock says now.
    pub(super) fn steer(&mut self, now: Now, clock: Estimate, effects: &mut Vec<Effect>) {
        for current in &mut self.agenda.on {
            let start_ns = current.entry.occurrence.start_ms.saturating_mul(1_000_000);
            let at_ns = now.mono_ns.saturating_add(clock.offset_ns).saturating_sub(start_ns);
            let line = Line { mono_ns: now.mono_ns, at_ns, rate: clock.rate };
            let moved_ns = line.since_ns(now.mono_ns) - current.line.since_ns(now.mono_ns);
            let due = now.mono_ns.saturating_sub(current.line.mono_ns).saturating_abs() > STEER_GAP_NS
                || current.line.at_ns == 0;
            if due && moved_ns.abs() > STEER_NS && moved_ns.abs() < SET_NS {
                current.line = line;
                effects.push(Effect::Steer { occurrence: current.entry.occurrence.id.clone(), line });
            }
        }
    }

    pub(in crate::controller::engine) fn sounding(
        &mut self,
        now: Now,
        id: &OccurrenceId,
        first_mono_ns: i64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(current) = self.agenda.find(id) else { return };
        current.first_mono_ns = Some(first_mono_ns);
        let offset_ns = self.clock.estimate(now.mono_ns).map_or(0, |estimate| estimate.offset_ns);
        let Some(play) = self.plays.get_mut(id) else { return };
        play.record.outcome = Outcome::Partial;
        if self.output_converts {
            play.record.evidence = Evidence::Sounded;
        }
        note_start(&mut play.record, first_mono_ns, offset_ns);
        effects.push(Effect::SavePlay(Box::new(play.clone())));
    }

    /// Writes the final account of what the player has finished.
    pub(in crate::controller::engine) fn finished(
        &mut self,
        now: Now,
        id: &OccurrenceId,
        summary: &Summary,
        effects: &mut Vec<Effect>,
    ) {
        let Some(current) = self.agenda.take(id) else { return };
        if current.taken_back && summary.heard_frames == 0 {
            // As if it had never been prepared.
            self.plays.remove(id);
            effects.push(Effect::DropPlay(id.clone()));
            return;
        }
        let Some(play) = self.plays.get(id) else { return };
        let mut record = play.record.clone();
        let frames_to_ms = |frames: u64| (frames * 1000 / u64::from(RATE_HZ)) as i64;
        let first_mono_ns = summary.first_mono_ns.or(current.first_mono_ns);
        let silent = summary.heard_frames == 0 && !summary.output_failed;
        if silent {
            (record.started_ms, record.start_error_us) = (None, None);
            record.evidence = Evidence::ContentReady;
        } else if let (None, Some(first_mono_ns), Some(estimate)) =
            (record.started_ms, first_mono_ns, self.clock.estimate(now.mono_ns))
        {
            // Else it was noted when it was heard, by what the clock said then.
            note_start(&mut record, first_mono_ns, estimate.offset_ns);
        }
        record.heard_ms = frames_to_ms(summary.heard_frames);
        record.underruns = summary.underruns;
        self.converter_ppm = summary.fast_ppm.filter(|_| self.output_converts).or(self.converter_ppm);
        if summary.heard_frames > 0 {
            // What leaves the converter into an amplifier that is off is heard by nobody.
            let sounded = self.output_converts && !summary.amplifier_failed;
            record.evidence = if sounded { Evidence::Sounded } else { Evidence::ContentReady };
            record.off_line_us = Some(summary.worst_off_us);
            record.level_dbfs = Some(summary.level_dbfs);
            record.peak_dbfs = Some(summary.peak_dbfs);
        }
        let heard = self.heard_back(summary, &mut record, effects);
        (record.outcome, record.reason) = judge(&current, summary, record.start_error_us, heard);
        self.record(record, effects);
    }

    /// What the ear makes of it. Where it is known that no sound went out, its silence says nothing of the horn.
    fn heard_back(&mut self, summary: &Summary, record: &mut PlaybackRecord, effects: &mut Vec<Effect>) -> Verdict {
        if record.evidence != Evidence::Sounded || summary.output_failed {
            return Verdict::Untold;
        }
        let (verdict, baseline) = self.path.take(summary.heard_back);
        effects.extend(baseline.map(Effect::SaveBaseline));
        if let Verdict::Heard { gain_db, delay_ms } = verdict {
            record.evidence = Evidence::HeardBack;
            record.heard_back_db = Some(gain_db);
            record.heard_back_delay_ms = Some(delay_ms.round() as i64);
        }
        verdict
    }
}

fn note_start(record: &mut PlaybackRecord, first_mono_ns: i64, offset_ns: i64) {
    let first_unix_ns = first_mono_ns.saturating_add(offset_ns);
    record.started_ms = Some(first_unix_ns.div_euclid(1_000_000));
    record.start_error_us =
        Some(first_unix_ns.saturating_sub(record.start_ms.saturating_mul(1_000_000)).div_euclid(1000));
}

/// How it went, from what left the converter, and what was heard of it.
fn judge(
    current: &Current,
    summary: &Summary,
    start_error_us: Option<i64>,
    heard: Verdict,
) -> (Outcome, Option<Reason>) {
    // A tenth of a second may go to rounding and corrections before a play counts as partial.
    let slack = u64::from(RATE_HZ) / 10;
    let reason = if summary.output_failed || summary.amplifier_failed {
        Some(Reason::OutputFailed)
    } else if let Some(fault) = current.fault {
        Some(fault)
    } else if summary.stopped {
        Some(Reason::Withdrawn)
    } else if summary.damaged_frames > slack {
        Some(Reason::DecodeFailed)
    } else if heard == Verdict::NotHeard {
        Some(Reason::NotHeard)
    } else {
        None
    };
    if summary.heard_frames == 0 {
        let sounded = current.first_mono_ns.is_some() && summary.output_failed;
        return (if sounded { Outcome::Partial } else { Outcome::Missed }, reason.or(Some(Reason::OutputFailed)));
    }
    let late = start_error_us.is_some_and(|error| error > ON_TIME_MS * 1000);
    let short = summary.heard_frames + slack < summary.wanted_frames;
    match (reason, late, short) {
        (Some(reason), _, _) => (Outcome::Partial, Some(reason)),
        (None, true, _) => (Outcome::Late, None),
        (None, false, true) => (Outcome::Partial, Some(Reason::OutputFailed)),
        (None, false, false) => (Outcome::Played, None),
    }
}
