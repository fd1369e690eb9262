//! Feeds the output with what it is told to play, and minds the device: one that goes away is looked for until it comes back.
//!
//! Runs on a thread of its own, which may wait for the disk and the decoder; what of a session sounds when, [`Feed`] says.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};
use tracing::{info, warn};

use super::amplifier::{Amplifier, Found, Wiring};
use super::converter::NS_PER_FRAME;
use super::ear::{Ear, Question, Said};
use super::feed::{Feed, Files};
use super::output::{Output, Target};
use super::render::{Cue, Notice, Order, Renderer};
use super::{Command, Line, PlayerEvent, Pulse, Session, Summary};
use crate::audio::RATE_HZ;
use crate::controller::os::mono_ns;
use crate::domain::ids::OccurrenceId;

/// Decoded ahead: four seconds.
const RING_FRAMES: usize = 4 * RATE_HZ as usize;
const TURN: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_secs(2);
/// How long the device may take to close before it is left to the system.
const CLOSING: Duration = Duration::from_secs(1);
/// How long after its end a play is told of at the latest, whether or not the ear has said something.
const HEARING_NS: i64 = 1_000_000_000;

/// The caller's end: commands in, events out, both bounded. Dropping it closes the device.
#[derive(Debug)]
pub struct Player {
    /// Absent while it is dropped.
    commands: Option<SyncSender<Command>>,
    pulse: Arc<Pulse>,
    thread: JoinHandle<()>,
}

impl Player {
    /// Starts the mixer, and an ear where there is a device to listen with; `report` is called on its thread and must not block for long.
    pub fn start(
        target: Target,
        amplifier: Option<Wiring>,
        capture: Option<String>,
        files: Files,
        report: impl FnMut(PlayerEvent) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (commands, orders) = sync_channel(16);
        let pulse = Arc::new(Pulse::default());
        let counted = pulse.clone();
        let thread = std::thread::Builder::new().name("mixer".into()).spawn(move || {
            let amplifier = amplifier
                .map(Amplifier::start)
                .and_then(|started| started.inspect_err(|error| warn!("the amplifier cannot be minded: {error}")).ok());
            // What a file or nothing takes is not heard.
            let capture = capture.filter(|_| matches!(target, Target::Device(_)));
            let ear = capture
                .map(Ear::start)
                .and_then(|started| started.inspect_err(|error| warn!("nothing listens: {error}")).ok());
            let mixer = Mixer {
                target,
                files,
                report,
                pulse: counted,
                output: None,
                tried: None,
                announced: None,
                sessions: vec![],
                next_id: 1,
                amplifier,
                amplifier_problem: None,
                ear,
                unheard: vec![],
            };
            mixer.run(&orders);
        })?;
        Ok(Self { commands: Some(commands), pulse, thread })
    }

    /// By which to see that the sound is alive.
    pub fn pulse(&self) -> Arc<Pulse> {
        self.pulse.clone()
    }

    /// False if the mixer is so far behind that it cannot take the command; the caller reports the play as failed.
    pub fn send(&self, command: Command) -> bool {
        self.commands.as_ref().is_some_and(|commands| commands.try_send(command).is_ok())
    }
}

impl Drop for Player {
    /// Libraries that are being unloaded at a program's end do not bear a thread that still closes its device.
    fn drop(&mut self) {
        self.commands = None;
        let until = Instant::now() + CLOSING;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The rings to and from the output thread.
struct Rings {
    orders: Producer<Order>,
    notices: Consumer<Notice>,
    used: Consumer<Cue>,
}

struct Mixer<R> {
    target: Target,
    files: Files,
    report: R,
    pulse: Arc<Pulse>,
    output: Option<(Output, Rings)>,
    tried: Option<Instant>,
    announced: Option<bool>,
    /// The one that sounds, and the one that follows it.
    sessions: Vec<Feed>,
    next_id: u64,
    amplifier: Option<Amplifier>,
    amplifier_problem: Option<String>,
    ear: Option<Ear>,
    /// Over, and not yet judged by the ear.
    unheard: Vec<Unheard>,
}

struct Unheard {
    id: u64,
    occurrence: OccurrenceId,
    summary: Summary,
    until_mono_ns: i64,
}

impl<R: FnMut(PlayerEvent)> Mixer<R> {
    fn run(mut self, commands: &Receiver<Command>) {
        loop {
            match commands.recv_timeout(TURN) {
                Ok(Command::Play(session)) => self.play(session),
                Ok(Command::Stop(occurrence)) => self.stop(&occurrence),
                Ok(Command::Trim { occurrence, frames }) => self.trim(&occurrence, frames),
                Ok(Command::Steer { occurrence, line }) => self.steer(&occurrence, line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.pulse.mixer.fetch_add(1, Ordering::Relaxed);
            self.mind_device();
            for running in &mut self.sessions {
                running.feed(&self.files);
            }
            self.mind_amplifier();
            self.take_notices();
            self.hear();
        }
    }

    fn mind_amplifier(&mut self) {
        let Some(amplifier) = &mut self.amplifier else { return };
        let next_ns = self.sessions.iter().map(|feed| feed.session.start_mono_ns).min();
        amplifier.turn(mono_ns(), next_ns);
        while let Some(found) = amplifier.found() {
            let problem = match found {
                Found::Good => None,
                Found::Problem(problem) => Some(problem),
            };
            if problem != self.amplifier_problem {
                self.amplifier_problem.clone_from(&problem);
                (self.report)(PlayerEvent::Amplifier { problem });
            }
        }
        if amplifier.is_failing() {
            let now_ns = mono_ns();
            let begun = self.sessions.iter_mut().filter(|feed| feed.session.start_mono_ns < now_ns);
            begun.for_each(|feed| feed.amplifier_failed = true);
        }
    }

    fn mind_device(&mut self) {
        if self.output.as_ref().is_some_and(|(output, _)| output.has_failed()) {
            self.output = None;
            self.announce(false, "the sound device went away");
            self.fail_session();
        }
        if self.output.is_some() || self.tried.is_some_and(|tried| tried.elapsed() < RETRY) {
            return;
        }
        self.tried = Some(Instant::now());
        let (orders, order_ring) = RingBuffer::new(16);
        let (notice_ring, notices) = RingBuffer::new(64);
        let (used_ring, used) = RingBuffer::new(16);
        let renderer = Renderer::new(order_ring, notice_ring, used_ring).tapped(self.ear.as_ref().map(Ear::tap));
        match Output::open(&self.target, renderer, self.pulse.clone()) {
            Ok(output) => {
                let name = output.describe();
                self.output = Some((output, Rings { orders, notices, used }));
                self.announce(true, &name);
            }
            Err(problem) => self.announce(false, &problem),
        }
    }

    fn announce(&mut self, working: bool, detail: &str) {
        if self.announced != Some(working) {
            self.announced = Some(working);
            let converter = matches!(self.target, Target::Device(_));
            (self.report)(PlayerEvent::Output { working, converter, detail: detail.to_owned() });
        }
    }

    fn play(&mut self, session: Session) {
        self.mind_device();
        let (occurrence, wanted_frames) = (session.occurrence.clone(), session.content_frames());
        let id = self.next_id;
        self.next_id += 1;
        let (ring, audio) = RingBuffer::new(RING_FRAMES.min(session.frames.max(1) as usize));
        let now_frame =
            ((mono_ns() - session.start_mono_ns).max(0) as i128 * i128::from(RATE_HZ) / 1_000_000_000) as u64;
        let late = now_frame > 0;
        // A late joiner begins a little ahead, to be decoded by the time it is due.
        let first_frame = if late { (now_frame + u64::from(RATE_HZ) / 5).min(session.frames) } else { 0 };
        let (start_mono_ns, frames) = (session.start_mono_ns, session.frames);
        let mut running = Feed::new(id, session, ring, first_frame);
        for corrupt in running.verify(&self.files) {
            (self.report)(PlayerEvent::Corrupt { media: corrupt });
        }
        let content_from = running.session.content_from();
        let line = Line::from(start_mono_ns);
        let cue = Cue { id, line, frames, first_frame, content_from, audio, near: Cue::room() };
        running.feed(&self.files);
        let accepted = match &mut self.output {
            Some((_, rings)) => rings.orders.push(Order::Play(cue)).is_ok(),
            None => false,
        };
        if accepted {
            self.sessions.push(running);
        } else {
            let summary = Summary { wanted_frames, output_failed: true, ..Summary::default() };
            (self.report)(PlayerEvent::Finished { occurrence, summary });
        }
    }

    fn stop(&mut self, occurrence: &OccurrenceId) {
        let Some(running) = self.sessions.iter().find(|running| running.session.occurrence == *occurrence) else {
            return;
        };
        if let Some((_, rings)) = &mut self.output {
            let _ = rings.orders.push(Order::Stop(running.id));
        }
    }

    fn trim(&mut self, occurrence: &OccurrenceId, frames: u64) {
        let Some(running) = self.sessions.iter_mut().find(|running| running.session.occurrence == *occurrence) else {
            return;
        };
        running.session.trim(frames);
        let order = Order::Trim { id: running.id, frames };
        if let Some((_, rings)) = &mut self.output {
            let _ = rings.orders.push(order);
        }
    }

    fn steer(&mut self, occurrence: &OccurrenceId, line: Line) {
        let Some(running) = self.sessions.iter().find(|running| running.session.occurrence == *occurrence) else {
            return;
        };
        if let Some((_, rings)) = &mut self.output {
            let _ = rings.orders.push(Order::Steer { id: running.id, line });
        }
    }

    /// The device went away in the middle: what was heard until then is not known to the sample, so only that it began is claimed.
    fn fail_session(&mut self) {
        for running in std::mem::take(&mut self.sessions) {
            let wanted_frames = running.session.content_frames();
            let summary = Summary { wanted_frames, output_failed: true, ..Summary::default() };
            (self.report)(PlayerEvent::Finished { occurrence: running.session.occurrence, summary });
        }
    }

    fn take_notices(&mut self) {
        let Some((_, rings)) = &mut self.output else { return };
        while rings.used.pop().is_ok() {}
        let mut over = vec![];
        while let Ok(notice) = rings.notices.pop() {
            match notice {
                Notice::Sounding { id, first_mono_ns } => {
                    if let Some(running) = self.sessions.iter().find(|running| running.id == id) {
                        let occurrence = running.session.occurrence.clone();
                        (self.report)(PlayerEvent::Sounding { occurrence, first_mono_ns });
                    }
                }
                Notice::Ended { id, totals } => {
                    if let Some(index) = self.sessions.iter().position(|running| running.id == id) {
                        let running = self.sessions.remove(index);
                        let summary = running.summary(&totals);
                        info!(
                            "{} ended: {:.1} s heard",
                            running.session.occurrence,
                            summary.heard_frames as f64 / 48_000.0
                        );
                        over.push((id, running.session.occurrence, summary));
                    }
                }
            }
        }
        over.into_iter().for_each(|(id, occurrence, summary)| self.finish(id, occurrence, summary));
    }

    /// Tells of a play that is over, once the ear has judged it, where there is one.
    fn finish(&mut self, id: u64, occurrence: OccurrenceId, summary: Summary) {
        let asked = self.ear.as_ref().zip(summary.first_mono_ns).and_then(|(ear, from_mono_ns)| {
            let long_ns = (summary.heard_frames as f64 * NS_PER_FRAME) as i64;
            let question = Question { id, from_mono_ns, until_mono_ns: from_mono_ns + long_ns };
            ear.judge(question).then_some(question)
        });
        match asked {
            Some(Question { until_mono_ns, .. }) => {
                self.unheard.push(Unheard { id, occurrence, summary, until_mono_ns });
            }
            None => (self.report)(PlayerEvent::Finished { occurrence, summary }),
        }
    }

    /// Takes what the ear says; who is not judged in time is told of without.
    fn hear(&mut self) {
        while let Some(said) = self.ear.as_ref().and_then(Ear::said) {
            match said {
                Said::Capture { problem } => (self.report)(PlayerEvent::Capture { problem }),
                Said::Judged { id, finding } => {
                    if let Some(index) = self.unheard.iter().position(|unheard| unheard.id == id) {
                        let Unheard { occurrence, summary, .. } = self.unheard.remove(index);
                        let summary = Summary { heard_back: finding, ..summary };
                        (self.report)(PlayerEvent::Finished { occurrence, summary });
                    }
                }
            }
        }
        let now_ns = mono_ns();
        while let Some(index) = self.unheard.iter().position(|unheard| now_ns > unheard.until_mono_ns + HEARING_NS) {
            let Unheard { occurrence, summary, .. } = self.unheard.remove(index);
            (self.report)(PlayerEvent::Finished { occurrence, summary });
        }
    }
}
