//! How well speakers keep in step: the real engine, feed and renderer of several boards in simulated time, against converters and links that
//! are wrong in known ways. What each would emit is captured with its true instants and compared by cross-correlation.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use loaxa::audio::RATE_HZ;
use loaxa::audio::interpolate::{HALF_TAPS, Interpolator};
use loaxa::audio::wav::WavWriter;
use loaxa::controller::engine::{Effect, Engine, Event, Limits, Now};
use loaxa::controller::neighbours::Neighbours;
use loaxa::controller::player::feed::{Feed, Files};
use loaxa::controller::player::render::{Cue, Notice, Order, Renderer};
use loaxa::controller::player::{Line, PlayerEvent};
use loaxa::controller::store::Contents;
use loaxa::controller::volume::VolumeProfile;
use loaxa::domain::ids::MediaHash;
use loaxa::domain::plan::NeighbourKey;
use loaxa::protocol::chunks::Bitmap;
use loaxa::protocol::message::{self, ClockAnswer, ClockProbe};
use loaxa::protocol::topics::{self, Down, Up};
use loaxa::protocol::trust::Anchor;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::trust::{anchor, dispatcher, one_play};

const SECOND_NS: i64 = 1_000_000_000;
/// True time zero in Unix ns: the center's clock is right.
const EPOCH_NS: i64 = 1_795_000_000 * SECOND_NS;
/// So often the boards of one site are brought together.
const SLICE_NS: i64 = SECOND_NS / 20;
/// Frames of a device's buffer.
const BUFFER: usize = 2_400;
/// Length of the noise that is played over and over, and of what is captured of it.
const NOISE_S: usize = 60;
const CAPTURE_FRAMES: usize = RATE_HZ as usize / 2;
/// Speakers of one site.
const SPEAKERS: usize = 5;

/// What lies between a board and the center.
#[derive(Clone, Copy)]
pub struct Link {
    least_ms: f64,
    there_ms: f64,
    back_ms: f64,
    /// What a packet takes at most to a neighbour, where there is a network for that.
    lan_ms: Option<f64>,
}

struct Random(u64);

impl Random {
    /// Evenly from 0 to below 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }
}

/// A board: its engine and output, and what is wrong with its crystals.
struct Board {
    engine: Engine,
    anchor: Anchor,
    random: Random,
    link: Link,
    /// The monotonic clock: what it showed at true time 0, and its rate, which wanders like a sine of an hour.
    mono_base_ns: i64,
    mono_ppm: f64,
    wander_ppm: f64,
    dac_ppm: f64,
    /// Answers on their way: when they come, and what.
    coming: VecDeque<(i64, Vec<u8>)>,
    up_free_ns: i64,
    down_free_ns: i64,
    renderer: Renderer,
    orders: Producer<Order>,
    notices: Consumer<Notice>,
    used: Consumer<Cue>,
    feed: Option<Feed>,
    files: Files,
    next_buffer_ns: f64,
    next_tick_ns: i64,
    buffers: u64,
    neighbours: Neighbours,
    captures: Vec<Capture>,
}

/// A stretch of what is emitted, from a true instant on.
struct Capture {
    from_ns: i64,
    /// The true instant of the first frame that was taken.
    first_ns: f64,
    samples: Vec<f32>,
}

impl Board {
    fn new(seed: u64, link: Link, plan: &[u8], noise: &Path, captures: &[i64]) -> Self {
        let mut random = Random(seed);
        random.next();
        let (orders, order_ring) = RingBuffer::new(16);
        let (notice_ring, notices) = RingBuffer::new(64);
        let (used_ring, used) = RingBuffer::new(16);
        let limits = Limits {
            max_clock_error_ns: 150 * SECOND_NS,
            volume: VolumeProfile::default(),
            quota_bytes: u64::MAX,
            version: "bench".into(),
        };
        let mono_base_ns = random.between(0.0, 1e15) as i64;
        let now = Now { mono_ns: mono_base_ns, system: None };
        let contents = Contents { plan: Some(plan.to_vec()), ..Contents::default() };
        let (engine, effects) = Engine::new(anchor(), limits, contents, now);
        let noise = noise.to_owned();
        let mut board = Self {
            engine,
            anchor: anchor(),
            link,
            mono_base_ns,
            mono_ppm: random.between(-50.0, 50.0),
            wander_ppm: random.between(0.0, 2.0),
            dac_ppm: random.between(-100.0, 100.0),
            coming: VecDeque::new(),
            up_free_ns: 0,
            down_free_ns: 0,
            renderer: Renderer::new(order_ring, notice_ring, used_ring),
            orders,
            notices,
            used,
            feed: None,
            files: Box::new(move |_: &MediaHash| -> PathBuf { noise.clone() }),
            next_buffer_ns: random.between(0.0, 50e6),
            next_tick_ns: 0,
            buffers: 0,
            neighbours: Neighbours::new(format!("board-{seed}").parse().expect("an id"), seed, NeighbourKey([1; 32])),
            captures: captures
                .iter()
                .map(|from_ns| Capture { from_ns: *from_ns, first_ns: 0.0, samples: vec![] })
                .collect(),
            random,
        };
        board.perform(0, effects);
        board.on(0, Event::Player(PlayerEvent::Output { working: true, converter: true, detail: "modelled".into() }));
        board.on(0, Event::Connected);
        board
    }

    fn mono_ns(&self, true_ns: i64) -> i64 {
        let hour = true_ns as f64 / 3600e9 * std::f64::consts::TAU;
        let wandered = self.wander_ppm * 1e-6 * (1.0 - hour.cos()) * 3600e9 / std::f64::consts::TAU;
        self.mono_base_ns + true_ns + (true_ns as f64 * self.mono_ppm * 1e-6 + wandered) as i64
    }

    fn on(&mut self, true_ns: i64, event: Event) {
        let now = Now { mono_ns: self.mono_ns(true_ns), system: None };
        let effects = self.engine.on(now, event);
        self.perform(true_ns, effects);
    }

    fn perform(&mut self, true_ns: i64, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::FindMedia(media) => {
                    let found = Event::MediaFound { media: media.hash, whole: true, present: Bitmap::with_len(1) };
                    self.on(true_ns, found);
                }
                Effect::CheckMedia(media) => self.on(true_ns, Event::MediaChecked { media, good: true }),
                Effect::Publish { topic, payload, .. }
                    if topic == topics::up(&self.anchor.site, &self.anchor.speaker, Up::Clock) =>
                {
                    self.probe(true_ns, &payload);
                }
                Effect::Play(session) => {
                    let (ring, audio) = RingBuffer::new(4 * RATE_HZ as usize);
                    let line = Line::from(session.start_mono_ns);
                    let (frames, content_from) = (session.frames, session.content_from());
                    let mut feed = Feed::new(1, session, ring, 0);
                    feed.feed(&self.files);
                    self.feed = Some(feed);
                    let cue = Cue { id: 1, line, frames, first_frame: 0, content_from, audio, near: Cue::room() };
                    self.orders.push(Order::Play(cue)).expect("room");
                }
                Effect::Steer { line, .. } => self.orders.push(Order::Steer { id: 1, line }).expect("room"),
                _ => {}
            }
        }
    }

    /// A probe crosses the link, in order with those before it, is answered at the center, and the answer comes back.
    fn probe(&mut self, true_ns: i64, payload: &[u8]) {
        let probe: ClockProbe = message::parse(payload).expect("a probe");
        let mut delay_ns = |most_ms: f64| ((self.link.least_ms + most_ms * self.random.next()) * 1e6) as i64;
        self.up_free_ns = self.up_free_ns.max(true_ns + delay_ns(self.link.there_ms));
        let answered_ns = self.up_free_ns + 100_000;
        let answer = ClockAnswer {
            sequence: probe.sequence,
            sent_mono_ns: probe.sent_mono_ns,
            arrived_unix_ns: EPOCH_NS + self.up_free_ns,
            answered_unix_ns: EPOCH_NS + answered_ns,
        };
        self.down_free_ns = self.down_free_ns.max(answered_ns + delay_ns(self.link.back_ms));
        let signed = answer.sign(&self.anchor.site, &self.anchor.speaker, &dispatcher());
        self.coming.push_back((self.down_free_ns, message::bytes(&signed)));
    }

    /// Lives until a true instant.
    fn run(&mut self, until_ns: i64) {
        let topic = topics::down(&self.anchor.site, &self.anchor.speaker, Down::Time);
        while self.next_tick_ns < until_ns {
            let tick_ns = self.next_tick_ns;
            let answer_ns = self.coming.front().map_or(i64::MAX, |(at_ns, _)| *at_ns);
            let buffer_ns = self.next_buffer_ns as i64;
            if answer_ns <= tick_ns && answer_ns <= buffer_ns {
                let Some((at_ns, payload)) = self.coming.pop_front() else { continue };
                self.on(at_ns, Event::Message { topic: topic.clone(), payload });
            } else if buffer_ns <= tick_ns {
                self.buffer();
            } else {
                self.on(tick_ns, Event::Tick);
                self.next_tick_ns += SECOND_NS / 10;
            }
        }
    }

    /// The device asks for a buffer: two of them lie before it. Its timestamp trembles by 30 us, and its first four say nothing.
    fn buffer(&mut self) {
        let frame_ns = 1e9 / (f64::from(RATE_HZ) * (1.0 + self.dac_ppm * 1e-6));
        let heard_ns = self.next_buffer_ns + 2.0 * BUFFER as f64 * frame_ns;
        let trembling_ns = self.random.between(-30e3, 30e3);
        let stamp = (self.buffers > 4).then(|| self.mono_ns(heard_ns as i64) + trembling_ns as i64);
        if let Some(feed) = &mut self.feed {
            feed.feed(&self.files);
        }
        let mut buffer = [0.0; BUFFER];
        self.renderer.render(&mut buffer, stamp);
        while let Ok(notice) = self.notices.pop() {
            if let (Notice::Sounding { first_mono_ns, .. }, Some(feed)) = (notice, &self.feed) {
                let occurrence = feed.session.occurrence.clone();
                let true_ns = self.next_buffer_ns as i64;
                self.on(true_ns, Event::Player(PlayerEvent::Sounding { occurrence, first_mono_ns }));
            }
        }
        while self.used.pop().is_ok() {}
        for capture in &mut self.captures {
            let end_ns = heard_ns + BUFFER as f64 * frame_ns;
            if end_ns > capture.from_ns as f64 && capture.samples.len() < CAPTURE_FRAMES + BUFFER {
                if capture.samples.is_empty() {
                    capture.first_ns = heard_ns;
                }
                capture.samples.extend_from_slice(&buffer);
            }
        }
        self.buffers += 1;
        self.next_buffer_ns += BUFFER as f64 * frame_ns;
    }

    /// By how many ns what was captured comes late against the noise that was due then.
    fn late_ns(&self, capture: &Capture, start_ns: i64, noise: &[f32], most_ms: f64) -> f64 {
        let frame_ns = 1e9 / (f64::from(RATE_HZ) * (1.0 + self.dac_ppm * 1e-6));
        // As a listener with a true clock takes it down, from the capture's beginning on.
        let true_frame_ns = 1e9 / f64::from(RATE_HZ);
        let heard = |n: usize| {
            let place = (capture.from_ns as f64 + n as f64 * true_frame_ns - capture.first_ns) / frame_ns;
            let (whole, rest) = (place.max(0.0) as usize, place.max(0.0).fract() as f32);
            let at = |index: usize| capture.samples.get(index).copied().unwrap_or(0.0);
            at(whole) * (1.0 - rest) + at(whole + 1) * rest
        };
        let heard: Vec<f32> = (0..CAPTURE_FRAMES).map(heard).collect();
        let due = (capture.from_ns - start_ns) as f64 / true_frame_ns;
        let most = (most_ms * f64::from(RATE_HZ) / 1000.0) as i64;
        let correlation = |lag: i64, step: usize| -> f64 {
            (0..CAPTURE_FRAMES)
                .step_by(step)
                .map(|n| {
                    let place = due.round() as i64 + n as i64 - lag;
                    let sample = if place < 0 { 0.0 } else { noise[place as usize % noise.len()] };
                    f64::from(heard[n]) * f64::from(sample)
                })
                .sum()
        };
        let coarse = (-most..=most).max_by(|a, b| correlation(*a, 7).total_cmp(&correlation(*b, 7))).expect("a lag");
        let best =
            (coarse - 2..=coarse + 2).max_by(|a, b| correlation(*a, 1).total_cmp(&correlation(*b, 1))).expect("a lag");
        // The top of a parabola through the three highest.
        let [before, at, after] = [-1, 0, 1].map(|side| correlation(best + side, 1));
        let top = 0.5 * (before - after) / (before - 2.0 * at + after);
        (best as f64 + top - (due - due.round())) * true_frame_ns
    }
}

/// Noise up to 8 kHz or so, as a file and as what it holds.
fn noise(path: &Path) -> Vec<f32> {
    let mut random = Random(42);
    let (mut a, mut b) = (0.0, 0.0);
    let samples: Vec<f32> = (0..NOISE_S * RATE_HZ as usize)
        .map(|_| {
            a += 0.5 * (random.between(-0.6, 0.6) - a);
            b += 0.5 * (a - b);
            b as f32
        })
        .collect();
    let mut wav = WavWriter::create(path).expect("a file");
    wav.write(&samples).and_then(|()| wav.flush()).expect("written");
    samples
}

/// The boards of a site tell each other what is due. Packets take up to `most_ms`, each its own time.
fn meet(boards: &mut [Board], at_ns: i64, most_ms: f64) {
    let address = |n: usize| std::net::SocketAddr::from(([10, 0, 0, n as u8], 7688));
    for from in 0..boards.len() {
        let mono_ns = boards[from].mono_ns(at_ns);
        for (to, bytes) in boards[from].neighbours.turn(mono_ns) {
            for other in (0..boards.len()).filter(|n| *n != from && to.is_none_or(|to| to == address(*n))) {
                let mut delay_ns = || ((0.1 + most_ms * boards[from].random.next()) * 1e6) as i64;
                let (there_ns, back_ns) = (at_ns + delay_ns(), delay_ns());
                let mono_ns = boards[other].mono_ns(there_ns);
                if let Some((_, bytes)) = boards[other].neighbours.heard(mono_ns, address(from), &bytes) {
                    let mono_ns = boards[from].mono_ns(there_ns + back_ns);
                    boards[from].neighbours.heard(mono_ns, address(other), &bytes);
                }
            }
        }
    }
    if at_ns % SECOND_NS == 0 {
        for board in boards {
            let now = Now { mono_ns: board.mono_ns(at_ns), system: None };
            board.neighbours.know(board.engine.known(now));
            let reference = board.neighbours.reference(now.mono_ns);
            board.on(at_ns, Event::Neighbour(reference));
        }
    }
}

/// Skews in ms between all pairs of boards, and errors in ms of each against the time, at each capture.
type Skews = Vec<(Vec<f64>, Vec<f64>)>;

fn trial(seed: u64, link: Link, minutes_before: i64, captures_s: &[i64], path: &Path, noise: &[f32]) -> Skews {
    let start_ns = minutes_before * 60 * SECOND_NS;
    let last_s = captures_s.iter().max().copied().unwrap_or(0);
    let items = (last_s as usize + 5).div_ceil(NOISE_S);
    let plan = one_play((EPOCH_NS + start_ns) / 1_000_000, NOISE_S as i64 * 1000, items);
    let captures: Vec<i64> = captures_s.iter().map(|s| start_ns + s * SECOND_NS).collect();
    let until_ns = start_ns + (last_s + 2) * SECOND_NS;
    let mut boards: Vec<Board> =
        (0..SPEAKERS as u64).map(|n| Board::new(seed * 1_000 + n + 1, link, &plan, path, &captures)).collect();
    for slice_ns in (0..until_ns).step_by(SLICE_NS as usize) {
        boards.iter_mut().for_each(|board| board.run(slice_ns + SLICE_NS));
        if let Some(most_ms) = link.lan_ms {
            meet(&mut boards, slice_ns + SLICE_NS, most_ms);
        }
    }
    (0..captures.len())
        .map(|at| {
            let late = |board: &Board| board.late_ns(&board.captures[at], start_ns, noise, 80.0) / 1e6;
            let errors: Vec<f64> = boards.iter().map(late).collect();
            let pairs = (0..SPEAKERS).flat_map(|a| (0..a).map(move |b| (a, b)));
            (pairs.map(|(a, b)| (errors[a] - errors[b]).abs()).collect(), errors.iter().map(|e| e.abs()).collect())
        })
        .collect()
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

/// Ratio in dB of a tone to what a change of rate by 100 ppm adds to it.
fn corrector_snr_db(hz: f64) -> f64 {
    let tone = |place: f64| (place * hz / f64::from(RATE_HZ) * std::f64::consts::TAU).sin();
    let source: Vec<f32> = (0..60_000).map(|n| tone(f64::from(n)) as f32).collect();
    let (mut power, mut error) = (0.0, 0.0);
    for n in 100..50_000 {
        let place = f64::from(n) * 1.0001;
        let whole = place as usize;
        let near = &source[whole + 1 - HALF_TAPS..=whole + HALF_TAPS];
        let read = f64::from(Interpolator::shared().read(near, place.fract()));
        power += tone(place).powi(2);
        error += (read - tone(place)).powi(2);
    }
    10.0 * (power / error).log10()
}

pub fn step() {
    println!("\nthe corrector: SNR in dB against the source, read 100 ppm faster");
    for hz in [100.0, 1_000.0, 4_000.0, 8_000.0, 12_000.0, 16_000.0, 18_000.0, 20_000.0] {
        println!("{hz:>8.0} Hz {:9.1}", corrector_snr_db(hz));
    }
    println!(
        "\nstep: ms between any two of {SPEAKERS} speakers of a site, by cross-correlation of what each would emit"
    );
    println!("converters +-100 ppm, clocks +-50 ppm and wandering, random phases; simulated time");
    println!(
        "{:52} {:>6} {:>9} {:>9} {:>9} {:>9} {:>12}",
        "link, each way; when", "pairs", "p50", "p95", "p99", "worst", "error p95"
    );
    let wired = Link { least_ms: 0.3, there_ms: 0.7, back_ms: 0.7, lan_ms: None };
    let mobile = Link { least_ms: 20.0, there_ms: 200.0, back_ms: 200.0, lan_ms: None };
    let uneven = Link { back_ms: 20.0, ..mobile };
    let site = Link { lan_ms: Some(3.0), ..mobile };
    let dir = tempfile::tempdir().expect("a directory");
    for (name, link, trials, before, captures) in [
        ("center by LAN, 0.3-1 ms", wired, 20, 20, &[0][..]),
        ("center by LAN, 0.3-1 ms", wired, 4, 20, &[0, 3600]),
        ("center by 4G, neighbours by Wi-Fi, 0.1-3 ms", site, 20, 20, &[0]),
        ("center by 4G, neighbours by Wi-Fi, 0.1-3 ms", site, 4, 20, &[0, 3600]),
        ("4G, 20 ms + 0-200 ms of jitter", mobile, 20, 60, &[0]),
        ("4G, 20 ms + 0-200 ms up, 0-20 ms down", uneven, 20, 60, &[0]),
        ("4G, 20 ms + 0-200 ms of jitter", mobile, 4, 60, &[0, 3600]),
    ] {
        let mut all: Skews = captures.iter().map(|_| (vec![], vec![])).collect();
        let path = dir.path().join("noise.wav");
        let noise = &noise(&path);
        let (path, next) = (&path, &AtomicU64::new(1));
        let work = || {
            let seeds = std::iter::from_fn(|| Some(next.fetch_add(1, Relaxed)).filter(|seed| *seed <= trials));
            seeds.map(|seed| trial(seed, link, before, captures, path, noise)).collect::<Vec<_>>()
        };
        let found = std::thread::scope(|scope| {
            let threads = [scope.spawn(work), scope.spawn(work)];
            threads.map(|thread| thread.join().expect("a trial")).concat()
        });
        for (sum, one) in found.into_iter().flat_map(|trial| trial.into_iter().enumerate()) {
            all[sum].0.extend(one.0);
            all[sum].1.extend(one.1);
        }
        for (at_s, (mut skews, mut errors)) in captures.iter().zip(all) {
            if captures.len() > 1 && *at_s == 0 {
                continue;
            }
            let when = if *at_s == 0 { "first half second".into() } else { format!("after {} min", at_s / 60) };
            println!(
                "{:52} {:6} {:9.3} {:9.3} {:9.3} {:9.3} {:12.3}",
                format!("{name}; {when}"),
                skews.len(),
                percentile(&mut skews, 50),
                percentile(&mut skews, 95),
                percentile(&mut skews, 99),
                percentile(&mut skews, 100),
                percentile(&mut errors, 95),
            );
        }
    }
}
