//! Listens to what is heard, and says of each play whether it came back.
//!
//! Three threads meet here over lock-free rings: the output and the capture device push blocks with their instants ([`Tap`]), and drop them when
//! nobody keeps up; the ear itself filters, compares (`audio/heard.rs`) and minds the capture device. It plays nothing, decides nothing, and no one
//! waits for it: the mixer asks ([`Ear::judge`]) and takes the answer if it comes in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{FromSample, Sample, SampleFormat, SizedSample};
use rtrb::{Consumer, Producer, RingBuffer};
use tracing::info;

use super::converter::Converter;
use super::device::{self, Use};
use crate::audio::RATE_HZ;
use crate::audio::heard::{self, Comparer, EARLY, Finding, LATE, LEAST_WINDOW, LOW_HZ, WINDOW, Window};
use crate::audio::track::Track;
use crate::controller::os;

/// A second of samples, and the blocks that they came in.
const RING_FRAMES: usize = RATE_HZ as usize;
const RING_BLOCKS: usize = 256;
const PERIOD_FRAMES: u32 = 2_400;
const TURN: Duration = Duration::from_millis(50);
const RETRY: Duration = Duration::from_secs(10);
const LOW_NS: i64 = 1_000_000_000 / LOW_HZ as i64;
/// While a play lasts, two seconds of every four are compared.
const EVERY_NS: i64 = 4_000_000_000;
/// Where a device has stumbled, so much later is tried.
const BESIDE_NS: i64 = 200_000_000;
/// So much is kept, for the end of a play and for short ones.
const KEPT_NS: i64 = 14_000_000_000;
/// So many windows are remembered: the last 17 minutes.
const WINDOWS: usize = 256;
/// A play with so many needs no more for its judgement.
const ENOUGH: usize = 3;
/// A device that gives so long nothing is opened again.
const SILENT: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy)]
struct Block {
    /// When its first frame was, or will be, heard.
    mono_ns: i64,
    frames: u32,
}

/// Where a real-time thread leaves what it has; it neither waits nor allocates, and what does not fit is left out whole.
#[derive(Debug)]
pub struct Tap {
    samples: Producer<f32>,
    blocks: Producer<Block>,
}

/// The ear's end of it.
#[derive(Debug)]
pub struct Tapped {
    samples: Consumer<f32>,
    blocks: Consumer<Block>,
}

pub fn tap() -> (Tap, Tapped) {
    let (samples, taken) = RingBuffer::new(RING_FRAMES);
    let (blocks, taken_blocks) = RingBuffer::new(RING_BLOCKS);
    (Tap { samples, blocks }, Tapped { samples: taken, blocks: taken_blocks })
}

impl Tap {
    pub fn push(&mut self, mono_ns: i64, frames: usize, samples: impl Iterator<Item = f32>) {
        if self.blocks.slots() == 0 {
            return;
        }
        // The samples first: a block that is told is there.
        if let Ok(chunk) = self.samples.write_chunk_uninit(frames) {
            let filled = chunk.fill_from_iter(samples);
            let _ = self.blocks.push(Block { mono_ns, frames: filled as u32 });
        }
    }
}

impl Tapped {
    fn next(&mut self, into: &mut Vec<f32>) -> Option<Block> {
        let block = self.blocks.pop().ok()?;
        into.clear();
        let chunk = self.samples.read_chunk(block.frames as usize).ok()?;
        let (first, second) = chunk.as_slices();
        into.extend_from_slice(first);
        into.extend_from_slice(second);
        chunk.commit_all();
        Some(block)
    }
}

/// What is asked of the ear: of a play, by a number, that sounded from one instant to another.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub id: u64,
    pub from_mono_ns: i64,
    pub until_mono_ns: i64,
}

/// What the ear says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// `None`: it cannot be told.
    Judged { id: u64, finding: Option<Finding> },
    /// Why there is nothing to listen with; `None` when there is again.
    Capture { problem: Option<String> },
}

enum Order {
    /// The output was opened anew.
    Attach(Tapped),
    Judge(Question),
}

/// The mixer's end. Dropping it ends the ear.
#[derive(Debug)]
pub struct Ear {
    orders: SyncSender<Order>,
    said: Receiver<Said>,
}

impl Ear {
    /// Listens with this device.
    pub fn start(device: String) -> std::io::Result<Self> {
        let (orders, taken) = sync_channel(16);
        let (sender, said) = sync_channel(64);
        std::thread::Builder::new().name("ear".into()).spawn(move || Listening::new(device, sender).run(&taken))?;
        Ok(Self { orders, said })
    }

    /// A tap for a new output.
    pub fn tap(&self) -> Tap {
        let (tap, tapped) = tap();
        let _ = self.orders.try_send(Order::Attach(tapped));
        tap
    }

    /// Whether an answer can be expected.
    pub fn judge(&self, question: Question) -> bool {
        self.orders.try_send(Order::Judge(question)).is_ok()
    }

    pub fn said(&self) -> Option<Said> {
        self.said.try_recv().ok()
    }
}

/// A capture device that runs.
struct Capture {
    _stream: cpal::Stream,
    tapped: Tapped,
    failed: Arc<AtomicBool>,
    /// Steadies the instants of its blocks.
    converter: Converter,
    heard: Instant,
}

/// The thread of the ear.
struct Listening {
    device: String,
    said: SyncSender<Said>,
    capture: Option<Capture>,
    tried: Option<Instant>,
    /// What was told last of the device, once something was.
    problem: Option<Option<String>>,
    sent: Option<Tapped>,
    judgement: Judgement,
    questions: Vec<Question>,
    block: Vec<f32>,
}

impl Listening {
    fn new(device: String, said: SyncSender<Said>) -> Self {
        Self {
            device,
            said,
            capture: None,
            tried: None,
            problem: None,
            sent: None,
            judgement: Judgement::default(),
            questions: vec![],
            block: vec![],
        }
    }

    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            match orders.recv_timeout(TURN) {
                Ok(Order::Attach(tapped)) => self.sent = Some(tapped),
                Ok(Order::Judge(question)) => self.questions.push(question),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.mind_device();
            self.take();
            self.judgement.turn();
            self.answer();
        }
    }

    fn mind_device(&mut self) {
        if let Some(capture) = &self.capture
            && (capture.failed.load(Ordering::Relaxed) || capture.heard.elapsed() > SILENT)
        {
            let silent = !capture.failed.load(Ordering::Relaxed);
            self.capture = None;
            self.tell(Some(
                if silent { "the capture device gives nothing" } else { "the capture device went away" }.into(),
            ));
        }
        if self.capture.is_some() || self.tried.is_some_and(|tried| tried.elapsed() < RETRY) {
            return;
        }
        self.tried = Some(Instant::now());
        match open(&self.device) {
            Ok(capture) => self.capture = Some(capture),
            Err(problem) => self.tell(Some(problem)),
        }
    }

    fn tell(&mut self, problem: Option<String>) {
        // Who cannot take it now hears it at the next turn.
        if self.problem.as_ref() != Some(&problem)
            && self.said.try_send(Said::Capture { problem: problem.clone() }).is_ok()
        {
            self.problem = Some(problem);
        }
    }

    /// Takes what both sides have left.
    fn take(&mut self) {
        if let Some(sent) = &mut self.sent {
            while let Some(block) = sent.next(&mut self.block) {
                self.judgement.sent.add(block.mono_ns, &self.block);
            }
        }
        let mut heard = false;
        if let Some(capture) = &mut self.capture {
            while let Some(block) = capture.tapped.next(&mut self.block) {
                let at = capture.converter.buffer(Some(block.mono_ns), self.block.len());
                self.judgement.recorded.add(at.mono_ns, &self.block);
                heard = true;
            }
            if heard {
                capture.heard = Instant::now();
            }
        }
        // A device works when sound has come from it, not when it could be opened.
        if heard {
            self.tell(None);
        }
    }

    fn answer(&mut self) {
        let working = self.capture.is_some();
        let (now_ns, judgement, said) = (os::mono_ns(), &mut self.judgement, &self.said);
        self.questions.retain(|question| {
            if working && !judgement.is_ripe(question) && now_ns < question.until_mono_ns + PATIENCE_NS {
                return true;
            }
            let finding = judgement.judge(question);
            // The mixer asks no more than it can be told.
            let _ = said.try_send(Said::Judged { id: question.id, finding });
            false
        });
    }
}

/// What is waited for, once a play is over, before it is judged by what there is.
const PATIENCE_NS: i64 = 750_000_000;

/// Both sounds, and what was found in them.
#[derive(Debug, Default)]
struct Judgement {
    sent: Track,
    recorded: Track,
    comparer: Comparer,
    next_ns: i64,
    /// Instant, end and finding of each window.
    windows: std::collections::VecDeque<(i64, i64, Window)>,
}

impl Judgement {
    /// Compares what is whole, and forgets what is old.
    fn turn(&mut self) {
        let Some(recorded_ns) = self.recorded.end_ns() else {
            if let Some(sent_ns) = self.sent.end_ns() {
                self.sent.forget_before(sent_ns - KEPT_NS);
            }
            return;
        };
        while let Some(at_ns) = self.sent.next_whole(self.next_ns, WINDOW) {
            if at_ns + (WINDOW + LATE) as i64 * LOW_NS > recorded_ns {
                break;
            }
            self.next_ns = at_ns + if self.window(at_ns, WINDOW) { EVERY_NS } else { BESIDE_NS };
        }
        let end_ns = self.sent.end_ns().unwrap_or(recorded_ns).max(recorded_ns);
        self.sent.forget_before(end_ns - KEPT_NS);
        self.recorded.forget_before(end_ns - KEPT_NS);
    }

    /// Compares one window; false where a sound is not there, or not without a gap.
    fn window(&mut self, at_ns: i64, samples: usize) -> bool {
        let early_ns = at_ns - EARLY as i64 * LOW_NS;
        let whole = samples + EARLY + LATE;
        let (Some(sent), Some(recorded)) = (self.sent.read(at_ns, samples), self.recorded.read(early_ns, whole)) else {
            return false;
        };
        let window = self.comparer.compare(&sent, &recorded, self.recorded.clipped(early_ns, whole));
        if self.windows.len() == WINDOWS {
            self.windows.pop_front();
        }
        self.windows.push_back((at_ns, at_ns + samples as i64 * LOW_NS, window));
        true
    }

    /// The windows that lie in a play for the most part.
    fn within(&self, question: &Question) -> impl Iterator<Item = &(i64, i64, Window)> {
        let (from_ns, until_ns) = (question.from_mono_ns, question.until_mono_ns);
        self.windows.iter().filter(move |window| (from_ns..until_ns).contains(&i64::midpoint(window.0, window.1)))
    }

    /// Whether waiting would bring no more.
    fn is_ripe(&self, question: &Question) -> bool {
        let end_ns = self.recorded.end_ns().unwrap_or(i64::MIN);
        end_ns >= question.until_mono_ns + LATE as i64 * LOW_NS || self.within(question).count() >= ENOUGH
    }

    fn judge(&mut self, question: &Question) -> Option<Finding> {
        if self.within(question).count() < ENOUGH {
            self.fill(question);
        }
        let windows: Vec<_> = self.within(question).map(|(at_ns, _, window)| (*at_ns, *window)).collect();
        heard::judge(&windows)
    }

    /// A short play: all of it that is still there is compared, in windows beside those that were.
    fn fill(&mut self, question: &Question) {
        let mut at_ns = question.from_mono_ns;
        // No play that lacks windows is longer than what is kept.
        for _ in 0..64 {
            if let Some(done) = self.within(question).find(|done| done.0 <= at_ns && at_ns < done.1) {
                at_ns = done.1;
            }
            let next_ns = self.within(question).map(|done| done.0).filter(|done_ns| *done_ns > at_ns).min();
            let end_ns = next_ns.unwrap_or(i64::MAX).min(question.until_mono_ns);
            let room = ((end_ns - at_ns) / LOW_NS).max(0) as usize;
            if room >= LEAST_WINDOW {
                let samples = room.min(WINDOW);
                at_ns += if self.window(at_ns, samples) { samples as i64 * LOW_NS } else { BESIDE_NS };
            } else if let Some(next_ns) = next_ns.filter(|next_ns| *next_ns < question.until_mono_ns) {
                at_ns = next_ns;
            } else {
                return;
            }
        }
    }
}

fn open(wanted: &str) -> Result<Capture, String> {
    let device = device::find(Some(wanted), Use::Listening)?;
    let (channels, format) = device::choose(&device, Use::Listening)?;
    let config =
        cpal::StreamConfig { channels, sample_rate: RATE_HZ, buffer_size: cpal::BufferSize::Fixed(PERIOD_FRAMES) };
    let (tap, tapped) = tap();
    let failed = Arc::new(AtomicBool::new(false));
    let stream = match format {
        SampleFormat::F32 => build::<f32>(&device, config, tap, failed.clone()),
        SampleFormat::I32 => build::<i32>(&device, config, tap, failed.clone()),
        _ => build::<i16>(&device, config, tap, failed.clone()),
    };
    let stream = stream.map_err(|e| format!("{wanted} cannot be opened: {e}"))?;
    stream.play().map_err(|e| format!("{wanted} cannot be started: {e}"))?;
    info!("capture device {wanted}: the first of {channels} channel(s), {format}, {RATE_HZ} Hz");
    Ok(Capture { _stream: stream, tapped, failed, converter: Converter::default(), heard: Instant::now() })
}

fn build<T: SizedSample>(
    device: &cpal::Device,
    config: cpal::StreamConfig,
    mut tap: Tap,
    failed: Arc<AtomicBool>,
) -> Result<cpal::Stream, cpal::Error>
where
    f32: FromSample<T>,
{
    let channels = usize::from(config.channels).max(1);
    let mut begun = false;
    device.build_input_stream(
        config,
        move |data: &[T], info: &cpal::InputCallbackInfo| {
            let called_mono_ns = os::mono_ns();
            if !std::mem::replace(&mut begun, true) {
                os::make_thread_real_time();
            }
            let stamp = info.timestamp();
            let ago_ns = stamp.callback.saturating_duration_since(stamp.capture).as_nanos() as i64;
            let first = data.iter().step_by(channels).map(|sample| f32::from_sample(*sample));
            tap.push(called_mono_ns - ago_ns, data.len() / channels, first);
        },
        move |error| match error.kind() {
            // cpal begins again by itself; the gap shows in the instants.
            cpal::ErrorKind::Xrun | cpal::ErrorKind::RealtimeDenied => {}
            _ => failed.store(true, Ordering::Relaxed),
        },
        None,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hiss(seed: u64, frames: usize) -> Vec<f32> {
        let mut state = seed;
        let next = |_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * 0.2
        };
        (0..frames).map(next).collect()
    }

    /// What goes out from second 10 on, and comes back at half the amplitude 30 ms later where it is not `cut` off.
    fn listen(seconds: usize, cut: bool) -> Judgement {
        let (mut judgement, sent) = (Judgement::default(), hiss(1, seconds * 48_000));
        for index in 0..20 {
            judgement.recorded.add(9_030_000_000 + index * 50_000_000, &[0.0; 2_400]);
        }
        for (index, block) in sent.chunks(2_400).enumerate() {
            let at_ns = 10_000_000_000 + index as i64 * 50_000_000;
            judgement.sent.add(at_ns, block);
            let back: Vec<f32> = block.iter().map(|v| if cut { 0.0 } else { v * 0.5 }).collect();
            judgement.recorded.add(at_ns + 30_000_000, &back);
            judgement.turn();
        }
        for index in 0..20 {
            let at_ns = 10_030_000_000 + (seconds as i64 * 20 + index) * 50_000_000;
            judgement.recorded.add(at_ns, &[0.0; 2_400]);
            judgement.turn();
        }
        judgement
    }

    fn question(from_s: i64, until_s: i64) -> Question {
        Question { id: 1, from_mono_ns: from_s * 1_000_000_000, until_mono_ns: until_s * 1_000_000_000 }
    }

    #[test]
    fn short_plays_are_judged_whole_and_long_ones_by_samples() {
        for (seconds, windows) in [(3, 1), (20, 5)] {
            let mut judgement = listen(seconds, false);
            assert!(judgement.is_ripe(&question(10, 10 + seconds as i64)));
            let found = judgement.judge(&question(10, 10 + seconds as i64));
            let Some(Finding::Heard { gain_db, delay_ms }) = found else { panic!("{found:?}") };
            assert!((gain_db + 6.0).abs() < 0.3 && (delay_ms - 30.0).abs() < 1.0, "{gain_db} dB, {delay_ms} ms");
            assert!((windows..=windows + 1).contains(&judgement.windows.len()), "{:?}", judgement.windows);
        }
        let found = listen(20, true).judge(&question(10, 30));
        assert!(matches!(found, Some(Finding::NotHeard { .. })), "{found:?}");
    }

    #[test]
    fn of_a_play_that_was_not_recorded_nothing_is_said() {
        let mut judgement = Judgement::default();
        judgement.sent.add(0, &hiss(1, 480_000));
        judgement.turn();
        assert_eq!(judgement.judge(&question(0, 10)), None);
        let mut judgement = listen(20, false);
        assert_eq!(judgement.judge(&question(40, 50)), None, "another time");
    }

    #[test]
    fn a_full_tap_leaves_out_whole_blocks_and_never_waits() {
        let (mut tap, mut tapped) = tap();
        (0..30).for_each(|n| tap.push(n, 2_400, std::iter::repeat_n(n as f32, 2_400)));
        let mut block = vec![];
        let taken: Vec<_> = std::iter::from_fn(|| tapped.next(&mut block).map(|b| (b.mono_ns, block.len()))).collect();
        assert_eq!(taken, (0..20).map(|n| (n, 2_400)).collect::<Vec<_>>());
        tap.push(99, 2_400, std::iter::repeat_n(0.5, 2_400));
        assert_eq!(tapped.next(&mut block).map(|b| b.mono_ns), Some(99));
        assert!(block.iter().all(|sample| *sample == 0.5));
    }
}
