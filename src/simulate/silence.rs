//! The output of a simulated board: keeps the time of a play and tells of it as a player does, without a sound.
//!
//! It says of itself that it is no converter, so that records claim the content to have been ready and never to have sounded.

use crate::audio::{RATE_HZ, to_db};
use crate::controller::player::{PlayerEvent, Session, Summary};
use crate::domain::ids::OccurrenceId;

/// A late joiner begins a little ahead, as the mixer does.
const JOIN_AHEAD_FRAMES: u64 = RATE_HZ as u64 / 5;

/// What plays now and what follows it. Instants are of the board's own monotonic clock.
#[derive(Debug, Default)]
pub struct Silence {
    sessions: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    session: Session,
    /// Where a late joiner came in.
    first_frame: u64,
    first_mono_ns: Option<i64>,
}

/// What a player says at its start.
pub fn output() -> PlayerEvent {
    PlayerEvent::Output { working: true, converter: false, detail: "nowhere: this board is simulated".into() }
}

impl Silence {
    pub fn play(&mut self, mut session: Session, now_ns: i64) {
        let late_frame = frame_at(&session, now_ns);
        let first_frame = if late_frame > 0 { (late_frame + JOIN_AHEAD_FRAMES).min(session.frames) } else { 0 };
        session.items.sort_by_key(|item| item.at_frame);
        self.sessions.push(Running { session, first_frame, first_mono_ns: None });
    }

    pub fn stop(&mut self, occurrence: &OccurrenceId, now_ns: i64) -> Option<PlayerEvent> {
        let index = self.sessions.iter().position(|running| running.session.occurrence == *occurrence)?;
        let running = self.sessions.remove(index);
        let heard_to = frame_at(&running.session, now_ns);
        Some(running.finished(heard_to, true))
    }

    /// Ends it at a frame of its time line.
    pub fn trim(&mut self, occurrence: &OccurrenceId, frames: u64) {
        if let Some(running) = self.sessions.iter_mut().find(|running| running.session.occurrence == *occurrence) {
            running.session.trim(frames);
        }
    }

    pub fn is_idle(&self) -> bool {
        self.sessions.is_empty()
    }

    /// When there is something to tell next.
    pub fn due_ns(&self) -> Option<i64> {
        self.sessions.iter().map(Running::due_ns).min()
    }

    /// What has happened by now, in order.
    pub fn told(&mut self, now_ns: i64) -> Vec<PlayerEvent> {
        let mut told = vec![];
        while let Some(index) = self.sessions.iter().position(|running| running.due_ns() <= now_ns) {
            let running = &mut self.sessions[index];
            match (running.first_mono_ns, running.sounds_ns()) {
                (None, Some(first_mono_ns)) => {
                    running.first_mono_ns = Some(first_mono_ns);
                    let occurrence = running.session.occurrence.clone();
                    told.push(PlayerEvent::Sounding { occurrence, first_mono_ns });
                }
                _ => {
                    let running = self.sessions.remove(index);
                    let all = running.session.frames;
                    told.push(running.finished(all, false));
                }
            }
        }
        told
    }
}

impl Running {
    /// When the first frame of programme is due, if there is one.
    fn sounds_ns(&self) -> Option<i64> {
        let after_joining = |at: u64, frames: u64| at + frames > self.first_frame;
        let mut items = self.session.items.iter().filter(|item| item.file.is_some() && item.frames > 0);
        let first = items.find(|item| after_joining(item.at_frame, item.frames))?;
        Some(mono_ns_at(&self.session, first.at_frame.max(self.first_frame)))
    }

    fn due_ns(&self) -> i64 {
        let end_ns = mono_ns_at(&self.session, self.session.frames);
        if self.first_mono_ns.is_some() { end_ns } else { self.sounds_ns().unwrap_or(end_ns).min(end_ns) }
    }

    fn finished(self, heard_to: u64, stopped: bool) -> PlayerEvent {
        let heard = |at: u64, frames: u64| (at + frames).min(heard_to).saturating_sub(at.max(self.first_frame));
        let items = self.session.items.iter().filter(|item| item.file.is_some());
        let heard_frames = match self.first_mono_ns {
            Some(_) => items.map(|item| heard(item.at_frame, item.frames)).sum(),
            None => 0,
        };
        let summary = Summary {
            first_mono_ns: self.first_mono_ns,
            heard_frames,
            wanted_frames: self.session.content_frames(),
            level_dbfs: to_db(0.0),
            peak_dbfs: to_db(0.0),
            stopped,
            ..Summary::default()
        };
        PlayerEvent::Finished { occurrence: self.session.occurrence, summary }
    }
}

/// The frame of the time line that is due at an instant.
fn frame_at(session: &Session, now_ns: i64) -> u64 {
    let since_ns = now_ns.saturating_sub(session.start_mono_ns).max(0);
    ((i128::from(since_ns) * i128::from(RATE_HZ) / 1_000_000_000) as u64).min(session.frames)
}

fn mono_ns_at(session: &Session, frame: u64) -> i64 {
    let after_ns = i128::from(frame) * 1_000_000_000 / i128::from(RATE_HZ);
    session.start_mono_ns.saturating_add(i64::try_from(after_ns).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::player::SessionItem;
    use crate::domain::ids::MediaHash;

    const SECOND_NS: i64 = 1_000_000_000;
    const SECOND: u64 = RATE_HZ as u64;

    fn id() -> OccurrenceId {
        OccurrenceId::new(&"a".parse().unwrap(), 1)
    }

    fn session(start_mono_ns: i64) -> Session {
        let item = |at_s: u64, there: bool| SessionItem {
            file: there.then_some(MediaHash([1; 32])),
            at_frame: at_s * SECOND,
            frames: 10 * SECOND,
            skip_ms: 0,
            gain: 1.0,
            fade_in: false,
            fade_out: false,
        };
        let items = vec![item(0, false), item(10, true)];
        Session { occurrence: id(), start_mono_ns, items, beds: vec![], frames: 20 * SECOND, volume: 1.0 }
    }

    fn heard_s(event: &PlayerEvent) -> (u64, bool) {
        let PlayerEvent::Finished { summary, .. } = event else { panic!("{event:?}") };
        assert_eq!(summary.wanted_frames, 20 * SECOND);
        (summary.heard_frames / SECOND, summary.stopped)
    }

    #[test]
    fn a_play_is_told_at_its_instants_and_only_what_was_there_counts() {
        let mut silence = Silence::default();
        silence.play(session(5 * SECOND_NS), 2 * SECOND_NS);
        assert!(silence.told(14 * SECOND_NS).is_empty());
        assert_eq!(silence.due_ns(), Some(15 * SECOND_NS));
        let first_mono_ns = 15 * SECOND_NS;
        let sounding = PlayerEvent::Sounding { occurrence: id(), first_mono_ns };
        assert_eq!(silence.told(16 * SECOND_NS), [sounding]);
        let told = silence.told(25 * SECOND_NS);
        assert_eq!((heard_s(&told[0]), silence.is_idle()), ((10, false), true));
    }

    #[test]
    fn a_stop_a_trim_and_a_late_joiner_hear_less() {
        let mut silence = Silence::default();
        silence.play(session(0), -1);
        silence.told(12 * SECOND_NS);
        assert_eq!(heard_s(&silence.stop(&id(), 13 * SECOND_NS).unwrap()), (3, true));
        silence.play(session(0), 15 * SECOND_NS);
        assert_eq!(heard_s(&silence.told(20 * SECOND_NS)[1]), (4, false), "15.2 s on");
        silence.play(session(0), -1);
        silence.trim(&id(), 12 * SECOND);
        let PlayerEvent::Finished { summary, .. } = &silence.told(12 * SECOND_NS)[1] else { panic!() };
        assert_eq!((summary.heard_frames, summary.wanted_frames), (2 * SECOND, 12 * SECOND));
    }
}
