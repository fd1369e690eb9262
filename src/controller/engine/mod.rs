//! Decides what a controller does; does nothing itself.
//!
//! One closed set of events goes in, a list of effects comes out, time is an argument. That makes two weeks of life testable in
//! milliseconds, and the same engine runs on a pole, in a test and in a simulated fleet.

mod agenda;
mod commands;
mod media;
#[cfg(test)]
mod tests;
mod told;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tracing::{info, warn};

use super::clock::{Bound, Clock, Estimate};
use super::neighbours::Reference;
use super::path::{Baseline, Path};
use super::player::{Line, PlayerEvent, Session};
use super::store::{Contents, Counters, Play};
use super::volume::VolumeProfile;
use crate::domain::ids::{AreaCode, MediaHash, OccurrenceId, SpeakerId};
use crate::domain::plan::{MediaRef, NeighbourKey};
use crate::domain::record::{PlaybackRecord, Reason};
use crate::protocol::chunks::Bitmap;
use crate::protocol::keys::media_hash;
use crate::protocol::limits::RECORDS_PER_REPORT;
use crate::protocol::message::{self, Ack, ClockProbe, Health, Report, SignedClockAnswer, State};
use crate::protocol::neighbour::Known;
use crate::protocol::topics::{self, Down, Topic, Up};
use crate::protocol::trust::{self, Anchor, Reading, VerifiedPlan};
use agenda::Agenda;
use media::Library;

/// What the outermost loop reads off the machine for each event.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    pub mono_ns: i64,
    /// What the system clock is worth, where the configuration lets it be trusted.
    pub system: Option<Bound>,
}

#[derive(Debug)]
pub enum Event {
    /// Comes about ten times a second.
    Tick,
    Connected,
    Disconnected,
    Message {
        topic: String,
        payload: Vec<u8>,
    },
    Player(PlayerEvent),
    /// The answer to [`Effect::FinishMedia`] and [`Effect::CheckMedia`].
    MediaChecked {
        media: MediaHash,
        good: bool,
    },
    /// The answer to [`Effect::FindMedia`].
    MediaFound {
        media: MediaHash,
        whole: bool,
        present: Bitmap,
    },
    /// Something could not be written.
    StoreFailed(String),
    /// There is room again, and what could not be written is.
    StoreWorks,
    /// What a neighbour's clock says that leads, or that none does.
    Neighbour(Option<Reference>),
    /// How the board is; about once a minute.
    Health(Box<Health>),
}

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Publish {
        topic: String,
        payload: Vec<u8>,
        retain: bool,
        at_least_once: bool,
    },
    Subscribe(String),
    Unsubscribe(String),
    SavePlan {
        bytes: Vec<u8>,
        counters: Counters,
    },
    SaveCounters(Counters),
    SavePlay(Box<Play>),
    DropPlay(OccurrenceId),
    SaveClock(Bound),
    SaveBaseline(Baseline),
    /// Look what of this file is on the disk.
    FindMedia(MediaRef),
    WriteChunk {
        media: MediaHash,
        offset: u64,
        chunk: Vec<u8>,
    },
    FinishMedia(MediaRef),
    CheckMedia(MediaHash),
    /// Other media stay while they take up no more than so many bytes, and there is room.
    KeepMedia {
        needed: Vec<MediaHash>,
        spare_bytes: u64,
    },
    Play(Session),
    /// Keeps what is on, or is about to be, to its time line as the clock knows it now.
    Steer {
        occurrence: OccurrenceId,
        line: Line,
    },
    Stop(OccurrenceId),
    /// Ends what is on so many ms after its start.
    Trim {
        occurrence: OccurrenceId,
        ms: i64,
    },
}

/// What the configuration says to the engine.
#[derive(Debug, Clone)]
pub struct Limits {
    pub max_clock_error_ns: i64,
    pub volume: VolumeProfile,
    pub quota_bytes: u64,
    pub version: String,
}

const SECOND_NS: i64 = 1_000_000_000;
/// Probes right after connecting, then some more, and how often later; and how often while a play is near or on and the time is not known to
/// some milliseconds, since a long row of exchanges is what sees through a mobile network's jitter.
const PROBE_BURST: u32 = 12;
const PROBE_BURST_GAP_NS: i64 = SECOND_NS / 10;
const PROBE_SETTLED: u32 = 40;
const PROBE_SETTLING_GAP_NS: i64 = 4 * SECOND_NS;
const PROBE_GAP_NS: i64 = 16 * SECOND_NS;
const PROBE_NEAR_PLAY_GAP_NS: i64 = 2 * SECOND_NS;
const PROBE_NEAR_PLAY_MS: i64 = 240_000;
const PROBE_EXACT_NS: i64 = 5_000_000;
const PROBES_OPEN: usize = 16;
const REPORT_RETRY_NS: i64 = 10 * SECOND_NS;
const STATE_GAP_NS: i64 = SECOND_NS / 2;
/// Thousands hear an emergency in the same moment. For so long none of them says anything, then within so many ms more each.
const RETICENT_NS: i64 = SECOND_NS;
const RETICENT_SPREAD_MS: u32 = 2_000;
/// Subscriptions are made again so long after a connection, within so many ms more, and then at this interval: a broker that was still
/// clearing away the connection before may have cleared away the new one's too, and a board that hears nothing does not notice.
const RENEW_NS: i64 = 5 * SECOND_NS;
const RENEW_SPREAD_MS: u32 = 5_000;
const RENEW_GAP_NS: i64 = 600 * SECOND_NS;
const STATE_HEARTBEAT_NS: i64 = 60 * SECOND_NS;
/// A plan may come from a clock that is so much ahead of what this board takes for the time.
const PLAN_AHEAD_MS: i64 = 3_600_000;
const CLOCK_SAVE_GAP_NS: i64 = 3600 * SECOND_NS;

#[derive(Debug)]
pub struct Engine {
    anchor: Anchor,
    limits: Limits,
    clock: Clock,
    counters: Counters,
    plan: Option<Arc<VerifiedPlan>>,
    plan_refused: Option<String>,
    library: Library,
    agenda: Agenda,
    plays: BTreeMap<OccurrenceId, Play>,
    /// Why the store cannot be written, as long as it cannot.
    store_problem: Option<String>,
    health: Option<Health>,
    output_working: bool,
    /// Whether what the output takes really becomes sound.
    output_converts: bool,
    /// Why the amplifier is not as it should be.
    amplifier_problem: Option<String>,
    /// Why there is nothing to listen with, and what is known from what was heard.
    capture_problem: Option<String>,
    path: Path,
    /// By how much the converter runs fast, as the last play told.
    converter_ppm: Option<f32>,
    started_mono_ns: i64,
    link: Link,
    clock_saved_mono_ns: Option<i64>,
    last_state: Option<(State, i64)>,
    /// When a state was asked for.
    refresh_mono_ns: Option<i64>,
    /// Hashes of the emergencies by command that were taken in, the newest first.
    obeyed: VecDeque<MediaHash>,
    /// Since when the clock has been trusted, and when this program began to run, in center time.
    trusted_since_ms: Option<i64>,
    started_ms: Option<i64>,
}

#[derive(Debug, Default)]
struct Link {
    connected: bool,
    connections: u64,
    probes_sent: u32,
    /// Probes that were not answered yet.
    probes: Vec<ClockProbe>,
    next_probe_mono_ns: i64,
    next_report_mono_ns: i64,
    /// Until then nothing is told that can wait: others are still to hear what this board has heard.
    reticent_until_mono_ns: i64,
    /// When to subscribe to everything once more.
    renew_mono_ns: i64,
}

impl Engine {
    /// A controller that has just started, with what its store held.
    pub fn new(anchor: Anchor, limits: Limits, contents: Contents, now: Now) -> (Self, Vec<Effect>) {
        let mut engine = Self {
            anchor,
            limits,
            clock: Clock::default(),
            counters: contents.counters,
            plan: None,
            plan_refused: None,
            library: Library::default(),
            agenda: Agenda::default(),
            plays: contents.plays,
            store_problem: None,
            health: None,
            output_working: true,
            output_converts: true,
            amplifier_problem: None,
            capture_problem: None,
            path: Path::new(contents.baseline),
            converter_ppm: None,
            started_mono_ns: now.mono_ns,
            link: Link::default(),
            clock_saved_mono_ns: None,
            last_state: None,
            refresh_mono_ns: None,
            obeyed: VecDeque::new(),
            trusted_since_ms: None,
            started_ms: None,
        };
        if let Some(bound) = contents.clock {
            engine.clock.add(bound);
        }
        let mut effects = vec![];
        if let Some(bytes) = contents.plan {
            // Its own plan is checked like a stranger's: the disk is not trusted either.
            match trust::verify(&bytes, &engine.anchor, &engine.counters.ratchet, Reading::Stored, None) {
                Ok(plan) => {
                    let known = engine.counters.clone();
                    plan.advance(&mut engine.counters.ratchet);
                    engine.adopt(plan, &mut effects);
                    if engine.counters != known {
                        // The counters were damaged or lost: what the plan still knew is kept before it, too, may be lost.
                        effects.push(Effect::SavePlan { bytes, counters: engine.counters.clone() });
                    }
                }
                Err(refusal) => warn!("the stored plan is not used: {refusal}"),
            }
        }
        (engine, effects)
    }

    /// The topics to subscribe to at every connection.
    pub fn subscriptions(&self) -> Vec<String> {
        let down = |kind| topics::down(&self.anchor.site, &self.anchor.speaker, kind);
        let mut filters: Vec<_> = Down::ALL.map(down).into();
        filters.extend(self.command_topics());
        filters.extend(self.library.subscribed(&self.anchor.site));
        filters
    }

    /// Where it stands: as it was enrolled, unless the authority has said otherwise since.
    pub fn areas(&self) -> &[AreaCode] {
        self.plan.as_ref().map_or(&self.anchor.areas, |plan| plan.areas())
    }

    fn command_topics(&self) -> Vec<String> {
        self.areas().iter().map(|area| topics::command(&self.anchor.site, area)).collect()
    }

    /// The number of the next connection: rises over reconnections and restarts alike.
    pub fn next_birth(&self) -> u64 {
        (self.counters.starts << 24) | (self.link.connections + 1)
    }

    /// Topic and payload of the last will of the next connection.
    pub fn last_will(&self) -> (String, Vec<u8>) {
        let state = State { birth: self.next_birth(), online: false, detail: None };
        (topics::up(&self.anchor.site, &self.anchor.speaker, Up::State), message::bytes(&state))
    }

    /// Topic and payload of a state that says that this end was meant.
    pub fn goodbye(&self) -> (String, Vec<u8>) {
        let birth = (self.counters.starts << 24) | self.link.connections;
        let state = State { birth, online: false, detail: None };
        (topics::up(&self.anchor.site, &self.anchor.speaker, Up::State), message::bytes(&state))
    }

    pub fn on(&mut self, now: Now, event: Event) -> Vec<Effect> {
        self.clock.set_system(now.system);
        let mut effects = vec![];
        match event {
            Event::Tick => {}
            Event::Connected => self.connected(now, &mut effects),
            Event::Disconnected => self.link.connected = false,
            Event::Message { topic, payload } => self.message(now, &topic, payload, &mut effects),
            Event::Player(event) => self.player(now, event, &mut effects),
            Event::MediaChecked { media, good } => self.library.checked(&media, good, now.mono_ns),
            Event::MediaFound { media, whole, present } => {
                if let Some(finish) = self.library.found(&media, whole, present) {
                    effects.push(Effect::FinishMedia(finish));
                }
            }
            Event::StoreFailed(problem) => {
                if self.store_problem.as_ref() != Some(&problem) {
                    warn!("the store cannot be written: {problem}; playing on with what is here");
                }
                self.store_problem = Some(problem);
            }
            Event::Neighbour(reference) => self.clock.set_neighbour(reference),
            Event::StoreWorks => {
                info!("the store can be written again");
                self.store_problem = None;
                self.library.look_again(&mut effects);
            }
            Event::Health(health) => self.health = Some(*health),
        }
        self.turn(now, &mut effects);
        effects
    }

    /// What is due now, whatever woke us.
    fn turn(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.note_trust(now);
        self.run_agenda(now, effects);
        if self.link.connected {
            self.renew_subscriptions(now, effects);
            self.probe_clock(now, effects);
            // What cannot be kept is not asked for: it would come over and over.
            if self.store_problem.is_none() {
                self.library.want(&self.anchor, self.agenda.next_uses(), self.limits.quota_bytes, now.mono_ns, effects);
            }
            self.send_report(now, effects);
            self.send_state(now, effects);
        }
    }

    fn connected(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.link.connected = true;
        self.link.connections += 1;
        self.link.probes_sent = 0;
        self.link.next_probe_mono_ns = now.mono_ns;
        self.link.next_report_mono_ns = now.mono_ns;
        self.last_state = None;
        self.library.reconnected();
        self.link.renew_mono_ns = now.mono_ns + RENEW_NS + self.own_moment_ns(RENEW_SPREAD_MS);
        effects.extend(self.subscriptions().into_iter().map(Effect::Subscribe));
    }

    fn renew_subscriptions(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if now.mono_ns >= self.link.renew_mono_ns {
            self.link.renew_mono_ns = now.mono_ns + RENEW_GAP_NS;
            effects.extend(self.subscriptions().into_iter().map(Effect::Subscribe));
        }
    }

    fn message(&mut self, now: Now, topic: &str, payload: Vec<u8>, effects: &mut Vec<Effect>) {
        match topics::parse(&self.anchor.site, topic) {
            Some(Topic::Down(speaker, kind)) if speaker == self.anchor.speaker => match kind {
                Down::Plan => self.offered_plan(now, payload, effects),
                Down::Ack => self.acknowledged(&payload, effects),
                Down::Time => self.answered(now, &payload, effects),
                // The transport's affair, not the engine's.
                Down::Certificate => {}
            },
            Some(Topic::Command(_)) => self.commanded(now, &payload, effects),
            Some(Topic::Chunk(..)) if self.store_problem.is_some() => {}
            Some(Topic::Chunk(media, index)) => self.library.chunk(media, index, payload, now.mono_ns, effects),
            _ => warn!("a message on {topic} is not for this speaker"),
        }
    }

    fn offered_plan(&mut self, now: Now, bytes: Vec<u8>, effects: &mut Vec<Effect>) {
        let now_ms = self.trusted(now).map(|estimate| unix_ms(estimate, now.mono_ns));
        // The plan in force comes again at every connection (it is retained); that is no replay worth a word.
        let in_force = self.plan.as_ref().map(|plan| plan.plan().number);
        // The very number that was accepted may come again if its plan was lost between two writes.
        let held = in_force == Some(self.counters.ratchet.highest_plan());
        let reading = if held { Reading::Offered } else { Reading::OfferedAgain };
        match trust::verify(&bytes, &self.anchor, &self.counters.ratchet, reading, now_ms) {
            Ok(plan) => {
                plan.advance(&mut self.counters.ratchet);
                self.plan_refused = None;
                info!("plan {} accepted: {} occurrences", plan.plan().number, plan.plan().occurrences.len());
                if self.plan.is_none() {
                    // Until now anybody could have told the time: it is asked for anew, and must be signed.
                    self.clock = Clock::default();
                    (self.link.probes_sent, self.link.next_probe_mono_ns) = (0, now.mono_ns);
                    self.clock.set_system(now.system);
                    self.clock_saved_mono_ns = None;
                }
                self.adopt(plan, effects);
                effects.push(Effect::SavePlan { bytes, counters: self.counters.clone() });
            }
            Err(trust::Refusal::Replayed { offered, accepted }) if Some(offered) == in_force && offered == accepted => {
            }
            Err(refusal) => {
                warn!("plan refused: {refusal}");
                self.plan_refused = Some(refusal.to_string());
            }
        }
    }

    /// Takes a verified plan into use. What it needs is told to the store before anything is saved, which may have to make room.
    fn adopt(&mut self, plan: VerifiedPlan, effects: &mut Vec<Effect>) {
        let plan = Arc::new(plan);
        effects.extend(self.agenda.replace(&plan));
        let before = self.command_topics();
        self.plan = Some(plan);
        self.stand(&before, effects);
        self.need_media(effects);
    }

    /// Listens to the units that it stands in now, and no more to those that it stood in.
    fn stand(&self, before: &[String], effects: &mut Vec<Effect>) {
        let now = self.command_topics();
        if now == before {
            return;
        }
        let place: Vec<_> = self.areas().iter().map(AreaCode::as_str).collect();
        info!("this speaker stands in {} now", place.join(" / "));
        if self.link.connected {
            effects.extend(now.iter().filter(|topic| !before.contains(topic)).cloned().map(Effect::Subscribe));
            effects.extend(before.iter().filter(|topic| !now.contains(topic)).cloned().map(Effect::Unsubscribe));
        }
    }

    /// Has looked for what plan and commands need, and says what else may stay.
    fn need_media(&mut self, effects: &mut Vec<Effect>) {
        let mut found = vec![];
        self.library.need(self.agenda.media(), &mut found);
        let spare_bytes = self.limits.quota_bytes.saturating_sub(self.library.needed_bytes());
        effects.push(Effect::KeepMedia { needed: self.library.needed(), spare_bytes });
        effects.extend(found);
    }

    fn acknowledged(&mut self, payload: &[u8], effects: &mut Vec<Effect>) {
        let Ok(ack) = message::parse::<Ack>(payload) else { return };
        for occurrence in ack.occurrences {
            if let Some(play) = self.plays.get_mut(&occurrence).filter(|play| !play.begun && !play.acknowledged) {
                play.acknowledged = true;
                effects.push(Effect::SavePlay(Box::new(play.clone())));
            }
        }
    }

    fn answered(&mut self, now: Now, payload: &[u8], effects: &mut Vec<Effect>) {
        let Ok(signed) = message::parse::<SignedClockAnswer>(payload) else { return };
        // Before the first plan nobody is known who could vouch for the time, and nothing plays.
        if self.plan.as_ref().is_some_and(|plan| !plan.vouches_for(&signed)) {
            warn!("a clock answer is not signed by the dispatcher; ignored");
            return;
        }
        let answer = signed.answer;
        // Each probe has one answer; what answers none of ours is not for us.
        let Some(asked) = self
            .link
            .probes
            .iter()
            .position(|probe| (probe.sequence, probe.sent_mono_ns) == (answer.sequence, answer.sent_mono_ns))
        else {
            return;
        };
        self.link.probes.remove(asked);
        if !self.clock.learn(&answer, now.mono_ns) {
            return;
        }
        // Kept so that a restart without a network knows the time at once; seldom, to spare the card.
        let due = self.clock_saved_mono_ns.is_none_or(|saved| now.mono_ns - saved > CLOCK_SAVE_GAP_NS);
        if let (true, true, Some(estimate)) = (due, self.link.probes_sent >= PROBE_BURST, self.trusted(now)) {
            self.clock_saved_mono_ns = Some(now.mono_ns);
            effects.push(Effect::SaveClock(Bound::around(estimate.offset_ns, estimate.error_ns, now.mono_ns)));
        }
    }

    /// The center's time, if it is known well enough to go by.
    pub fn center_ms(&self, now: Now) -> Option<i64> {
        self.trusted(now).map(|estimate| unix_ms(estimate, now.mono_ns))
    }

    /// How far the clock may be off, if it is good enough to start by.
    pub fn clock_error_ns(&self, now: Now) -> Option<i64> {
        self.trusted(now).map(|estimate| estimate.error_ns)
    }

    /// What this board knows of the time without its neighbours, for them.
    pub fn known(&self, now: Now) -> Option<Known> {
        self.trusted(now)?;
        let own = self.clock.own_estimate(now.mono_ns)?;
        Some(Known { offset_ns: own.offset_ns, at_mono_ns: now.mono_ns, rate: own.rate, error_ns: own.error_ns })
    }

    /// By which the neighbours are known, where the plan in force says so.
    pub fn neighbour_key(&self) -> Option<&NeighbourKey> {
        self.plan.as_ref()?.plan().neighbours.as_ref()
    }

    pub fn speaker(&self) -> &SpeakerId {
        &self.anchor.speaker
    }

    /// Center time less monotonic time, if it is known well enough to go by.
    pub fn center_offset_ns(&self, now: Now) -> Option<i64> {
        self.trusted(now).map(|estimate| estimate.offset_ns)
    }

    pub fn is_connected(&self) -> bool {
        self.link.connected
    }

    /// The clock, if it is good enough to start by.
    fn trusted(&self, now: Now) -> Option<Estimate> {
        let exact = |estimate: &Estimate| estimate.error_ns <= self.limits.max_clock_error_ns;
        // It cannot be earlier than when the plan that is here was made, and what the authority said with it.
        let made_ms = self.plan.as_ref().map_or(i64::MIN, |plan| plan.not_before_ms());
        let possible = |estimate: &Estimate| unix_ms(*estimate, now.mono_ns) >= made_ms.saturating_sub(PLAN_AHEAD_MS);
        self.clock.estimate(now.mono_ns).filter(exact).filter(possible)
    }

    fn note_trust(&mut self, now: Now) {
        match self.trusted(now) {
            Some(estimate) => {
                self.trusted_since_ms.get_or_insert(unix_ms(estimate, now.mono_ns));
                self.started_ms = Some(unix_ms(estimate, self.started_mono_ns));
            }
            None => self.trusted_since_ms = None,
        }
    }

    fn probe_clock(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if now.mono_ns < self.link.next_probe_mono_ns {
            return;
        }
        let known = self.clock.estimate(now.mono_ns).is_some_and(|known| known.error_ns < PROBE_EXACT_NS);
        let gap_ns = if self.link.probes_sent < PROBE_BURST {
            PROBE_BURST_GAP_NS
        } else if known {
            PROBE_GAP_NS
        } else if self.link.probes_sent < PROBE_SETTLED {
            PROBE_SETTLING_GAP_NS
        } else if self.agenda.is_near(self.center_ms(now)) {
            PROBE_NEAR_PLAY_GAP_NS
        } else {
            PROBE_GAP_NS
        };
        self.link.probes_sent = self.link.probes_sent.saturating_add(1);
        self.link.next_probe_mono_ns = now.mono_ns + gap_ns;
        let probe = ClockProbe { sequence: self.link.probes_sent, sent_mono_ns: now.mono_ns };
        if self.link.probes.len() == PROBES_OPEN {
            self.link.probes.remove(0);
        }
        self.link.probes.push(probe);
        effects.push(self.publish(Up::Clock, message::bytes(&probe), false, false));
    }

    fn publish(&self, kind: Up, payload: Vec<u8>, retain: bool, at_least_once: bool) -> Effect {
        let topic = topics::up(&self.anchor.site, &self.anchor.speaker, kind);
        Effect::Publish { topic, payload, retain, at_least_once }
    }

    /// A moment within a span that is this speaker's own, always the same, so that not all speak at once.
    fn own_moment_ns(&self, span_ms: u32) -> i64 {
        // A hash: names that follow each other are to lie far apart.
        let [first, second, third, fourth, ..] = media_hash(self.anchor.speaker.as_str().as_bytes()).0;
        i64::from(u32::from_be_bytes([first, second, third, fourth]) % span_ms.max(1)) * 1_000_000
    }

    fn outbox(&self) -> impl Iterator<Item = &PlaybackRecord> {
        self.plays.values().filter(|play| !play.begun && !play.acknowledged).map(|play| &play.record)
    }

    fn send_report(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if now.mono_ns < self.link.next_report_mono_ns.max(self.link.reticent_until_mono_ns) {
            return;
        }
        let records: Vec<_> = self.outbox().take(RECORDS_PER_REPORT).cloned().collect();
        if records.is_empty() {
            return;
        }
        self.link.next_report_mono_ns = now.mono_ns + REPORT_RETRY_NS;
        effects.push(self.publish(Up::Report, message::bytes(&Report { records }), false, true));
    }

    /// Asked at every turn of thousands of simulated boards, so nothing is written out before it is known that it will be sent.
    fn send_state(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.refresh_mono_ns.is_some_and(|at_mono_ns| now.mono_ns >= at_mono_ns) {
            (self.refresh_mono_ns, self.last_state) = (None, None);
        }
        let age_ns = self.last_state.as_ref().map_or(i64::MAX, |(_, sent_mono_ns)| now.mono_ns - sent_mono_ns);
        if age_ns < STATE_GAP_NS || now.mono_ns < self.link.reticent_until_mono_ns {
            return;
        }
        let (uses, uses_changes) = self.agenda.counted_uses();
        self.library.note_missing(uses, uses_changes);
        if age_ns < STATE_HEARTBEAT_NS && !self.has_news(now) {
            return;
        }
        let birth = (self.counters.starts << 24) | self.link.connections;
        let state = State { birth, online: true, detail: Some(self.detail(now)) };
        effects.push(self.publish(Up::State, message::bytes(&state), true, true));
        self.last_state = Some((state, now.mono_ns));
    }

    fn player(&mut self, now: Now, event: PlayerEvent, effects: &mut Vec<Effect>) {
        match event {
            PlayerEvent::Output { working, converter, detail } => {
                (self.output_working, self.output_converts) = (working, converter);
                if working {
                    info!("sound goes to {detail}");
                } else {
                    warn!("no sound: {detail}");
                }
            }
            PlayerEvent::Amplifier { problem } => self.amplifier_problem = problem,
            PlayerEvent::Capture { problem } => {
                match &problem {
                    Some(problem) => warn!("nothing listens: {problem}"),
                    None => info!("what sounds is listened to"),
                }
                self.capture_problem = problem;
            }
            PlayerEvent::Corrupt { media } => {
                self.library.checked(&media, false, now.mono_ns);
                self.agenda.note_fault(&media, Reason::ContentCorrupt);
                effects.push(Effect::CheckMedia(media));
            }
            PlayerEvent::Sounding { occurrence, first_mono_ns } => {
                self.sounding(now, &occurrence, first_mono_ns, effects)
            }
            PlayerEvent::Finished { occurrence, summary } => self.finished(now, &occurrence, &summary, effects),
        }
    }

    /// Keeps a final record and has it reported without delay.
    fn record(&mut self, record: PlaybackRecord, effects: &mut Vec<Effect>) {
        info!(
            "{}: {:?}{}",
            record.occurrence,
            record.outcome,
            record.reason.map_or(String::new(), |r| format!(" ({r:?})"))
        );
        let (emergency, tickets) =
            self.plays.get(&record.occurrence).map(|play| (play.emergency, play.tickets.clone())).unwrap_or_default();
        let play = Play { record, begun: false, acknowledged: false, emergency, tickets };
        effects.push(Effect::SavePlay(Box::new(play.clone())));
        self.plays.insert(play.record.occurrence.clone(), play);
        self.link.next_report_mono_ns = 0;
    }
}

fn rounded_up(ns: i64) -> i64 {
    (ns + 999) / 1000
}

/// Center time at a monotonic instant, in whole milliseconds.
fn unix_ms(estimate: Estimate, mono_ns: i64) -> i64 {
    (mono_ns.saturating_add(estimate.offset_ns)).div_euclid(1_000_000)
}
