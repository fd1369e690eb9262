//! One simulated board: the real engine and store, a clock of its own that runs a little wrong, and silence for an output.
//!
//! Performs what concerns the board itself and hands back what is for the link, as the controller's own loop does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use super::counters::{Counters, Timed};
use super::join::Member;
use super::linkmodel::Random;
use super::media::{Pool, Shelf};
use super::silence::{self, Silence};
use crate::audio::RATE_HZ;
use crate::controller::engine::{Effect, Engine, Event, Limits, Now};
use crate::controller::link::NextWill;
use crate::controller::player::PlayerEvent;
use crate::controller::store::{Care, Play, Store};
use crate::controller::unsaved::{Performed, Unsaved};
use crate::controller::volume::VolumeProfile;
use crate::domain::ids::{MediaHash, OccurrenceId};

/// Boards have been up for so long at most when the fleet begins.
const LONGEST_UPTIME_NS: f64 = 30.0 * 86_400e9;
/// As in `firmware-config/controller.toml`.
const MAX_CLOCK_ERROR_NS: i64 = 150_000 * 1_000_000;
const QUOTA_BYTES: u64 = 512 * 1024 * 1024;

/// A monotonic clock that began at its own time and runs at its own rate.
#[derive(Debug, Clone, Copy)]
pub struct BoardClock {
    base_ns: i64,
    offset_ns: i64,
    rate_error: f64,
}

impl BoardClock {
    pub fn new(ppm: f64, base_ns: i64, random: &mut Random) -> Self {
        let offset_ns = random.between(0.0, LONGEST_UPTIME_NS) as i64;
        Self { base_ns, offset_ns, rate_error: random.between(-ppm, ppm) * 1e-6 }
    }

    /// What it shows at an instant of the machine's own clock.
    pub fn at(&self, machine_ns: i64) -> i64 {
        let since_ns = machine_ns - self.base_ns;
        self.offset_ns + since_ns + (since_ns as f64 * self.rate_error) as i64
    }

    /// When it shows that; a nanosecond later rather than earlier.
    pub fn machine_ns(&self, shown_ns: i64) -> i64 {
        let since_ns = shown_ns - self.offset_ns;
        self.base_ns + since_ns - (since_ns as f64 * self.rate_error / (1.0 + self.rate_error)) as i64 + 1
    }
}

pub struct Board {
    index: usize,
    engine: Engine,
    store: Store,
    unsaved: Unsaved,
    shelf: Option<Shelf>,
    pub clock: BoardClock,
    output: Silence,
    pub will: NextWill,
    counters: Arc<Counters>,
    content: Content,
    /// When the board first came on line, by the machine's clock.
    connected_ns: Option<i64>,
    /// From which instants on a plan, and content, were timed already: what comes later was not waited for from there.
    plan_timed_from_ns: Option<i64>,
    content_timed_from_ns: Option<i64>,
    /// Final records that were not acknowledged, and when they were made.
    open_records: BTreeMap<OccurrenceId, i64>,
}

/// What the plan in force needs, and what of it is here.
#[derive(Debug, Default)]
struct Content {
    needed: BTreeSet<MediaHash>,
    whole: BTreeSet<MediaHash>,
    complete: bool,
    /// The size of the file that is being looked for, and of its chunks.
    asked: Option<(u64, u64)>,
}

impl Board {
    /// Starts a board on its directory. Gives what its engine wants done of the link at once.
    pub fn start(
        index: usize,
        member: &Member,
        pool: Option<Arc<Pool>>,
        clock: BoardClock,
        machine_ns: i64,
        counters: Arc<Counters>,
    ) -> Result<(Self, Vec<Effect>), String> {
        let unusable = |e: std::io::Error| format!("the store {} cannot be used: {e}", member.dir.display());
        // The fleet holds one lock for all its boards: each would take an open file for its own.
        let care = Care { durable: false, locked: false };
        // Its clock begins anew with each fleet, so what an earlier one knew of it is of another boot.
        let (store, contents) = Store::open_with(&member.dir, "", care).map_err(unusable)?;
        store.save_counters(&contents.counters).map_err(unusable)?;
        if contents.plan.is_some() {
            counters.know_plan(index, contents.counters.ratchet.highest_plan());
        }
        let limits = Limits {
            max_clock_error_ns: MAX_CLOCK_ERROR_NS,
            volume: VolumeProfile::default(),
            quota_bytes: QUOTA_BYTES,
            version: format!("{}-simulated", env!("CARGO_PKG_VERSION")),
        };
        let now = Now { mono_ns: clock.at(machine_ns), system: None };
        let (engine, effects) = Engine::new(member.anchor.clone(), limits, contents, now);
        let will = Arc::new(Mutex::new(engine.last_will()));
        let mut board = Self {
            index,
            engine,
            store,
            unsaved: Unsaved::default(),
            shelf: pool.map(Shelf::new),
            clock,
            output: Silence::default(),
            will,
            counters,
            content: Content::default(),
            connected_ns: None,
            plan_timed_from_ns: None,
            content_timed_from_ns: None,
            open_records: BTreeMap::new(),
        };
        let mut out = board.perform(machine_ns, effects);
        out.extend(board.on(machine_ns, Event::Player(silence::output())));
        Ok((board, out))
    }

    /// Tells the engine, and does what it says; gives what is for the link, in order.
    pub fn on(&mut self, machine_ns: i64, event: Event) -> Vec<Effect> {
        match &event {
            Event::Connected => {
                self.connected_ns.get_or_insert(machine_ns);
            }
            Event::Message { topic, payload } if topic.contains("/media/") => {
                self.counters.chunk_bytes.fetch_add(payload.len() as u64, Relaxed);
            }
            _ => {}
        }
        let disconnected = matches!(event, Event::Disconnected);
        let effects = self.engine.on(self.now(machine_ns), event);
        if disconnected && let Ok(mut will) = self.will.lock() {
            *will = self.engine.last_will();
        }
        self.perform(machine_ns, effects)
    }

    /// What the output has to tell by now.
    pub fn told(&mut self, machine_ns: i64) -> Vec<PlayerEvent> {
        self.output.told(self.clock.at(machine_ns))
    }

    /// When the output has something to tell, by the machine's clock.
    pub fn output_due_ns(&self) -> Option<i64> {
        self.output.due_ns().map(|shown_ns| self.clock.machine_ns(shown_ns))
    }

    /// Whether nothing is under way that a tenth of a second could matter to: no play is on and no content is lacking.
    pub fn is_idle(&self) -> bool {
        self.output.is_idle() && self.content.needed.is_subset(&self.content.whole)
    }

    pub fn note_clock(&self, machine_ns: i64) {
        self.counters.set_clock_error(self.index, self.engine.clock_error_ns(self.now(machine_ns)));
    }

    /// Topic and payload that say that the end was meant.
    pub fn goodbye(&self) -> Effect {
        let (topic, payload) = self.engine.goodbye();
        Effect::Publish { topic, payload, retain: true, at_least_once: true }
    }

    fn now(&self, machine_ns: i64) -> Now {
        Now { mono_ns: self.clock.at(machine_ns), system: None }
    }

    fn perform(&mut self, machine_ns: i64, effects: Vec<Effect>) -> Vec<Effect> {
        let mut queue = VecDeque::from(effects);
        let mut out = vec![];
        while let Some(effect) = queue.pop_front() {
            self.count(machine_ns, &effect);
            let performed = match &mut self.shelf {
                Some(shelf) => shelf.perform(effect),
                None => Performed::NotMine(effect),
            };
            let performed = match performed {
                Performed::NotMine(effect) => self.unsaved.perform(&self.store, effect, machine_ns),
                done => done,
            };
            let event = match performed {
                Performed::Done => None,
                Performed::Answer(event) => Some(event),
                Performed::NotMine(effect) => self.play_or_send(machine_ns, effect, &mut out).map(Event::Player),
            };
            if let Some(event) = event {
                self.count_answer(machine_ns, &event);
                queue.extend(self.engine.on(self.now(machine_ns), event));
            }
        }
        out
    }

    /// Since when plans and content have been awaited: the mark, or the first connection if that came later.
    fn timed_from_ns(&self) -> Option<i64> {
        self.connected_ns.map(|connected_ns| connected_ns.max(self.counters.mark_ns()))
    }

    fn play_or_send(&mut self, machine_ns: i64, effect: Effect, out: &mut Vec<Effect>) -> Option<PlayerEvent> {
        let shown_ns = self.clock.at(machine_ns);
        match effect {
            Effect::Play(session) => {
                let first_ns = self.clock.machine_ns(session.start_mono_ns).max(machine_ns);
                // Only where something is awaited: from the mark on.
                if self.counters.mark_ns() != i64::MIN {
                    self.counters.note(Timed::Sound, self.counters.mark_ns(), first_ns);
                }
                self.output.play(session, shown_ns);
            }
            Effect::Stop(occurrence) => return self.output.stop(&occurrence, shown_ns),
            Effect::Trim { occurrence, ms } => {
                self.output.trim(&occurrence, ms.max(0) as u64 * u64::from(RATE_HZ) / 1000);
            }
            for_link => out.push(for_link),
        }
        None
    }

    fn count(&mut self, machine_ns: i64, effect: &Effect) {
        let counters = &self.counters;
        match effect {
            Effect::SavePlan { counters: kept, .. } => {
                counters.set_plan(self.index, kept.ratchet.highest_plan());
                let from_ns = self.timed_from_ns();
                if self.plan_timed_from_ns != from_ns {
                    counters.note(Timed::Plan, from_ns.unwrap_or(machine_ns), machine_ns);
                    self.plan_timed_from_ns = from_ns;
                }
            }
            Effect::KeepMedia { needed, .. } => {
                self.content.needed = needed.iter().copied().collect();
                self.look_complete(machine_ns);
            }
            Effect::FindMedia(media) => self.content.asked = Some((media.bytes, u64::from(media.chunk_bytes))),
            Effect::SavePlay(play) => self.count_record(machine_ns, play),
            _ => {}
        }
    }

    fn count_record(&mut self, machine_ns: i64, play: &Play) {
        let occurrence = &play.record.occurrence;
        if play.begun {
            return;
        }
        if !play.acknowledged {
            self.open_records.insert(occurrence.clone(), machine_ns);
            self.counters.records_made.fetch_add(1, Relaxed);
            return;
        }
        self.counters.records_acknowledged.fetch_add(1, Relaxed);
        if let Some(made_ns) = self.open_records.remove(occurrence) {
            self.counters.note(Timed::Record, made_ns, machine_ns);
        }
    }

    fn count_answer(&mut self, machine_ns: i64, event: &Event) {
        match event {
            Event::MediaChecked { media, good: true } => {
                if self.content.whole.insert(*media) {
                    self.counters.whole_files.fetch_add(1, Relaxed);
                }
            }
            Event::MediaChecked { media, good: false } => {
                self.content.whole.remove(media);
            }
            Event::MediaFound { media, whole, present } => {
                let (bytes, chunk_bytes) = self.content.asked.take().unwrap_or_default();
                // What is here already does not have to come.
                let here_bytes = if *whole { bytes } else { present.count() as u64 * chunk_bytes };
                self.counters.needed_bytes.fetch_add(bytes.saturating_sub(here_bytes), Relaxed);
                if *whole {
                    self.content.whole.insert(*media);
                }
            }
            Event::StoreFailed(_) => {
                self.counters.store_failures.fetch_add(1, Relaxed);
                return;
            }
            _ => return,
        }
        self.look_complete(machine_ns);
    }

    /// Counts the board as complete, or no longer so.
    fn look_complete(&mut self, machine_ns: i64) {
        let complete = !self.content.needed.is_empty() && self.content.needed.is_subset(&self.content.whole);
        if complete == self.content.complete {
            return;
        }
        self.content.complete = complete;
        if complete {
            self.counters.whole_boards.fetch_add(1, Relaxed);
            let from_ns = self.timed_from_ns();
            if self.content_timed_from_ns != from_ns {
                self.counters.note(Timed::Content, from_ns.unwrap_or(machine_ns), machine_ns);
                self.content_timed_from_ns = from_ns;
            }
        } else {
            self.counters.whole_boards.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_s_clock_runs_at_its_own_rate_and_reads_back() {
        let mut random = Random::new(3);
        let hour_ns = 3_600_000_000_000i64;
        for _ in 0..50 {
            let clock = BoardClock::new(50.0, 1_000, &mut random);
            let shown_ns = clock.at(1_000 + hour_ns) - clock.at(1_000);
            assert!((shown_ns - hour_ns).abs() <= 180_000_000, "50 ppm of an hour");
            let back_ns = clock.machine_ns(clock.at(5 * hour_ns));
            assert!((0..1_000).contains(&(back_ns - 5 * hour_ns)), "{}", back_ns - 5 * hour_ns);
            assert!(clock.at(clock.machine_ns(hour_ns * 900)) >= hour_ns * 900);
        }
    }
}
