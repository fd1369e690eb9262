//! Decodes ahead of the output, lays items on the time line, applies gain and limits, and minds the device.
//!
//! Runs on a thread of its own, which may wait for the disk and the decoder. A session's files are hashed before they are decoded:
//! what is not what was approved stays silent and is reported. A device that goes away is looked for until it comes back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};
use tracing::{info, warn};

use super::output::{Output, Target};
use super::render::{Cue, Notice, Order, Renderer, Totals};
use super::{Command, PlayerEvent, Pulse, Session, SessionItem, Summary};
use crate::audio::source::Source;
use crate::audio::{RATE_HZ, to_db};
use crate::controller::os::mono_ns;
use crate::controller::store::hash_file;
use crate::domain::ids::{MediaHash, OccurrenceId};

/// Decoded ahead: four seconds.
const RING_FRAMES: usize = 4 * RATE_HZ as usize;
const TURN: Duration = Duration::from_millis(20);
const RETRY: Duration = Duration::from_secs(2);
/// Samples never exceed this, whatever the gains ask for (-0.2 dBFS).
const CEILING: f32 = 0.977;
/// How long a cut item takes to come in or to go out.
const FADE_FRAMES: u64 = RATE_HZ as u64 * 4 / 10;

/// Where a media file is.
pub type Files = Box<dyn Fn(&MediaHash) -> PathBuf + Send>;

/// How long the device may take to close before it is left to the system.
const CLOSING: Duration = Duration::from_secs(1);

/// The caller's end: commands in, events out, both bounded. Dropping it closes the device.
#[derive(Debug)]
pub struct Player {
    /// Absent while it is dropped.
    commands: Option<SyncSender<Command>>,
    pulse: Arc<Pulse>,
    thread: JoinHandle<()>,
}

impl Player {
    /// Starts the mixer; `report` is called on its thread and must not block for long.
    pub fn start(
        target: Target,
        files: Files,
        report: impl FnMut(PlayerEvent) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (commands, orders) = sync_channel(16);
        let pulse = Arc::new(Pulse::default());
        let counted = pulse.clone();
        let thread = std::thread::Builder::new().name("mixer".into()).spawn(move || {
            let (output, tried, announced, sessions) = (None, None, None, vec![]);
            Mixer { target, files, report, pulse: counted, output, tried, announced, sessions, next_id: 1 }
                .run(&orders);
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
    sessions: Vec<Running>,
    next_id: u64,
}

/// A session being fed.
struct Running {
    id: u64,
    session: Session,
    ring: Producer<f32>,
    /// Position on the time line of the next frame to write.
    written: u64,
    item: usize,
    source: Option<Source>,
    /// Decoded and not yet in the ring.
    ready: Vec<f32>,
    ready_from: usize,
    item_written: u64,
    /// Frames of real programme laid on the time line so far, and those that damage cost.
    content_frames: u64,
    damaged_frames: u64,
}

impl<R: FnMut(PlayerEvent)> Mixer<R> {
    fn run(mut self, commands: &Receiver<Command>) {
        loop {
            match commands.recv_timeout(TURN) {
                Ok(Command::Play(session)) => self.play(session),
                Ok(Command::Stop(occurrence)) => self.stop(&occurrence),
                Ok(Command::Trim { occurrence, frames }) => self.trim(&occurrence, frames),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.pulse.mixer.fetch_add(1, Ordering::Relaxed);
            self.mind_device();
            for running in &mut self.sessions {
                running.feed(&self.files);
            }
            self.take_notices();
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
        match Output::open(&self.target, Renderer::new(order_ring, notice_ring, used_ring), self.pulse.clone()) {
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
        let mut running = Running::new(id, session, ring, first_frame);
        for corrupt in running.verify(&self.files) {
            (self.report)(PlayerEvent::Corrupt { media: corrupt });
        }
        let content_from =
            running.session.items.iter().find(|item| item.file.is_some()).map_or(frames, |item| item.at_frame);
        let cue = Cue { id, start_mono_ns, frames, first_frame, content_from, audio };
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
                        (self.report)(PlayerEvent::Finished { occurrence: running.session.occurrence, summary });
                    }
                }
            }
        }
    }
}

impl SessionItem {
    /// Amplitude so many frames after its beginning and before its end.
    fn fade(&self, from_begin: u64, to_end: u64) -> f32 {
        let ramp = |frames: u64| (frames.min(FADE_FRAMES) as f32) / FADE_FRAMES as f32;
        let fade_in = if self.fade_in { ramp(from_begin) } else { 1.0 };
        let fade_out = if self.fade_out { ramp(to_end) } else { 1.0 };
        fade_in * fade_out
    }
}

impl Session {
    /// Ends at `frames` what would end later.
    pub fn trim(&mut self, frames: u64) {
        self.frames = self.frames.min(frames);
        for item in &mut self.items {
            item.frames = item.frames.min(frames.saturating_sub(item.at_frame));
        }
    }

    /// Frames that ought to sound, gaps aside.
    pub fn content_frames(&self) -> u64 {
        self.items.iter().map(|item| item.frames).sum()
    }
}

impl Running {
    fn new(id: u64, session: Session, ring: Producer<f32>, written: u64) -> Self {
        Self {
            id,
            session,
            ring,
            written,
            item: 0,
            source: None,
            ready: vec![],
            ready_from: 0,
            item_written: 0,
            content_frames: 0,
            damaged_frames: 0,
        }
    }

    /// Hashes every file; those that are not what they should be lose their place and are named.
    fn verify(&mut self, files: &Files) -> Vec<MediaHash> {
        let mut corrupt = vec![];
        // A filler may stand in a session a hundred times; its file is hashed once.
        let mut known: BTreeMap<MediaHash, bool> = BTreeMap::new();
        for item in &mut self.session.items {
            let Some(hash) = item.file else { continue };
            let good = *known.entry(hash).or_insert_with(|| {
                let path = files(&hash);
                let good = hash_file(&path).is_ok_and(|found| found == hash);
                if !good {
                    warn!("{} is not what was approved; it will not sound", path.display());
                    corrupt.push(hash);
                }
                good
            });
            if !good {
                item.file = None;
            }
        }
        corrupt
    }

    /// Writes as much as the ring takes.
    fn feed(&mut self, files: &Files) {
        while self.written < self.session.frames && self.ring.slots() > 0 {
            let Some(item) = self.session.items.get(self.item) else {
                self.silence(self.session.frames);
                return;
            };
            let (begin, end) = (item.at_frame, item.at_frame + item.frames);
            if self.written < begin {
                self.silence(begin);
            } else if self.written >= end {
                self.next_item();
            } else if item.file.is_none() {
                self.silence(end);
            } else {
                self.programme(begin, end, files);
            }
        }
    }

    fn next_item(&mut self) {
        self.item += 1;
        self.source = None;
        self.ready.clear();
        (self.ready_from, self.item_written) = (0, 0);
    }

    /// Silence up to a position on the time line.
    fn silence(&mut self, to: u64) {
        let frames = (to - self.written).min(self.ring.slots() as u64);
        if let Ok(chunk) = self.ring.write_chunk(frames as usize) {
            chunk.commit_all();
        }
        self.written += frames;
    }

    /// The current item's own sound, or silence for what cannot be decoded.
    fn programme(&mut self, begin: u64, end: u64, files: &Files) {
        let item = &self.session.items[self.item];
        if self.source.is_none() && self.item_written == 0 && self.ready.is_empty() {
            let Some(hash) = &item.file else { return };
            let path = files(hash);
            match Source::open(&path) {
                Ok(mut source) => {
                    // A late joiner does not decode what its neighbours have long played.
                    let late_ms = ((self.written - begin) * 1000 / u64::from(RATE_HZ)) as i64;
                    if item.skip_ms > 0 || late_ms > 0 {
                        source.skip(item.skip_ms + late_ms);
                        self.item_written = late_ms as u64 * u64::from(RATE_HZ) / 1000;
                    }
                    self.source = Some(source);
                }
                Err(error) => warn!("{}: {error}", path.display()),
            }
        }
        if self.ready_from >= self.ready.len() {
            self.ready.clear();
            self.ready_from = 0;
            let decoded = self.source.as_mut().is_some_and(|source| source.next(&mut self.ready));
            if !decoded {
                let lost = end - self.written;
                // Rounding of a length to whole milliseconds is not damage.
                if lost > u64::from(RATE_HZ) / 500 {
                    self.damaged_frames += lost;
                }
                self.session.items[self.item].file = None;
                return;
            }
            let factor = item.gain * self.session.volume;
            self.ready.iter_mut().for_each(|sample| *sample = (*sample * factor).clamp(-CEILING, CEILING));
            // A late joiner drops what its neighbours have already played.
            let skip = (self.written - begin).saturating_sub(self.item_written).min(self.ready.len() as u64);
            self.item_written += skip;
            self.ready_from = skip as usize;
        }
        let item = &self.session.items[self.item];
        let rest = &self.ready[self.ready_from..];
        let frames = rest.len().min(self.ring.slots()).min((end - self.written) as usize);
        if let Ok(chunk) = self.ring.write_chunk_uninit(frames) {
            let faded =
                rest[..frames].iter().zip(self.written..).map(|(sample, at)| sample * item.fade(at - begin, end - at));
            chunk.fill_from_iter(faded);
        }
        self.ready_from += frames;
        self.item_written += frames as u64;
        self.written += frames as u64;
        self.content_frames += frames as u64;
    }

    fn summary(&self, totals: &Totals) -> Summary {
        let wanted_frames = self.session.content_frames();
        // What was rendered includes silent gaps, which are not programme.
        let heard_frames = totals.rendered.min(self.content_frames);
        Summary {
            first_mono_ns: totals.first_mono_ns,
            heard_frames,
            wanted_frames,
            level_dbfs: to_db((totals.squares / heard_frames.max(1) as f64).sqrt()),
            peak_dbfs: to_db(f64::from(totals.peak)),
            underruns: totals.underruns,
            corrections: totals.corrections,
            damaged_frames: self.damaged_frames,
            output_failed: false,
            stopped: totals.stopped,
        }
    }
}
