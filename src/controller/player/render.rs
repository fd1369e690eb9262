//! The real-time part: fills the device's buffers so that each frame is heard when the time line says.
//!
//! Runs on the sound device's thread. It never allocates, locks, logs or waits; what it needs comes over rings, and what it has used up goes
//! back over one to be freed elsewhere. Placement follows the device's own playback timestamps ([`Converter`] steadies them): the stream
//! always runs, the first frame is put where its instant falls, and what the converter gains or loses against the time line is made
//! up for by reading between the samples, by at most 500 ppm. A jump of more than 2 ms (the device stalled) is taken at once.

use rtrb::{Consumer, Producer};

use super::Line;
use super::converter::{Converter, Heard};
use super::ear::Tap;
use super::playing::Playing;
use crate::audio::interpolate::{Interpolator, TAPS};

/// One session as the output sees it.
#[derive(Debug)]
pub struct Cue {
    /// Tells this session's notices from an older one's.
    pub id: u64,
    pub line: Line,
    /// Length of the time line.
    pub frames: u64,
    /// Position on the time line of the first sample in `audio`.
    pub first_frame: u64,
    /// Where on the time line programme begins; before it there is only silence for what is missing.
    pub content_from: u64,
    pub audio: Consumer<f32>,
    /// Room for what is at hand of it on the audio thread.
    pub near: Vec<f32>,
}

/// Largest buffer that is rendered at once; a device that asks for more gets it in pieces.
pub const MAX_BUFFER_FRAMES: usize = 8_192;

impl Cue {
    /// Room for all that one buffer can need, at any rate.
    pub fn room() -> Vec<f32> {
        Vec::with_capacity(MAX_BUFFER_FRAMES + 4 * TAPS)
    }
}

#[derive(Debug)]
pub enum Order {
    Play(Cue),
    Stop(u64),
    /// Fades out and ends at this frame of the time line.
    Trim {
        id: u64,
        frames: u64,
    },
    /// The clock is known better now: this is when each frame is to be heard.
    Steer {
        id: u64,
        line: Line,
    },
}

/// What the mixer learns from the output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Notice {
    Sounding { id: u64, first_mono_ns: i64 },
    Ended { id: u64, totals: Totals },
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    pub first_mono_ns: Option<i64>,
    /// Frames of the time line that sounded.
    pub rendered: u64,
    pub squares: f64,
    pub peak: f32,
    pub underruns: u32,
    pub corrections: u32,
    pub stopped: bool,
    /// The furthest that the sound was from its time line, once it was on it.
    pub worst_off_ns: f64,
    /// By how much the converter runs fast, where that is known.
    pub fast_ppm: Option<f32>,
}

pub struct Renderer {
    orders: Consumer<Order>,
    notices: Producer<Notice>,
    /// Used-up cues, to be dropped where dropping may take time.
    used: Producer<Cue>,
    playing: Option<Playing>,
    /// Begins where `playing` ends, within the same buffer if need be.
    next: Option<Playing>,
    filter: &'static Interpolator,
    converter: Converter,
    /// When the buffer at hand will be heard, once the device has said so of any.
    heard: Option<Heard>,
    /// Where what sounds is left for comparison.
    tap: Option<Tap>,
}

impl std::fmt::Debug for Renderer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renderer").field("playing", &self.playing.is_some()).finish()
    }
}

impl Renderer {
    pub fn new(orders: Consumer<Order>, notices: Producer<Notice>, used: Producer<Cue>) -> Self {
        Self {
            orders,
            notices,
            used,
            playing: None,
            next: None,
            filter: Interpolator::shared(),
            converter: Converter::default(),
            heard: None,
            tap: None,
        }
    }

    /// Leaves all that sounds with the ear, too.
    pub fn tapped(self, tap: Option<Tap>) -> Self {
        Self { tap, ..self }
    }

    /// Whether a session is on, begun or not.
    pub fn is_active(&self) -> bool {
        self.playing.is_some()
    }

    /// Fills `out` (at most [`MAX_BUFFER_FRAMES`]) with mono samples, the first of which will be heard at `stamp_mono_ns`; `None` where the
    /// device gave no usable timestamp (its first buffers): before the first one nothing begins.
    pub fn render(&mut self, out: &mut [f32], stamp_mono_ns: Option<i64>) {
        out.fill(0.0);
        if self.heard.is_some() || stamp_mono_ns.is_some() {
            self.heard = Some(self.converter.buffer(stamp_mono_ns, out.len()));
        }
        self.take_orders();
        let Some(heard) = self.heard else { return };
        let sounds = self.is_active();
        self.render_sessions(out, heard);
        if let Some(tap) = self.tap.as_mut().filter(|_| sounds) {
            tap.push(heard.mono_ns, out.len(), out.iter().copied());
        }
    }

    fn render_sessions(&mut self, out: &mut [f32], heard: Heard) {
        let mut from = 0;
        while from < out.len() {
            let after_ns = from as f64 * self.converter.ns_per_frame();
            let heard = Heard { mono_ns: heard.mono_ns + after_ns as i64, jumped: heard.jumped && from == 0 };
            let Some(used) = self.render_playing(&mut out[from..], heard, from > 0) else { return };
            from += used;
            self.end(false);
            self.playing = self.next.take();
        }
    }

    /// Renders the session that is on. Gives the frames that it used if it has ended within `out`.
    fn render_playing(&mut self, out: &mut [f32], heard: Heard, joins: bool) -> Option<usize> {
        let playing = self.playing.as_mut()?;
        let index = playing.begin(heard, out.len(), joins)?;
        let (wait, step) = playing.follow(heard, index, out.len() - index, self.converter.stretch());
        let (used, first) = playing.fill(&mut out[index..], wait, step, self.filter);
        if playing.totals.first_mono_ns.is_none()
            && let Some(first) = first
        {
            // As an instant of the time line's own beginning, if that was silent.
            let since = (index + first) as f64 - playing.cue.content_from as f64;
            let first_mono_ns = heard.mono_ns + (since * self.converter.ns_per_frame()) as i64;
            playing.totals.first_mono_ns = Some(first_mono_ns);
            let _ = self.notices.push(Notice::Sounding { id: playing.cue.id, first_mono_ns });
        }
        playing.is_over().then_some(index + used)
    }

    fn take_orders(&mut self) {
        while let Ok(order) = self.orders.pop() {
            match order {
                Order::Play(cue) if self.playing.is_none() => self.playing = Some(Playing::new(cue)),
                Order::Play(cue) => {
                    self.drop_next();
                    self.next = Some(Playing::new(cue));
                }
                Order::Stop(id) if self.playing.as_ref().is_some_and(|playing| playing.cue.id == id) => {
                    let fades = self.playing.as_mut().is_some_and(Playing::stop);
                    if !fades {
                        self.end(true);
                        self.playing = self.next.take();
                    }
                }
                Order::Stop(id) if self.next.as_ref().is_some_and(|next| next.cue.id == id) => self.drop_next(),
                Order::Stop(_) => {}
                Order::Trim { id, frames } => {
                    if let Some(session) = self.session(id) {
                        session.trim(frames);
                    }
                }
                Order::Steer { id, line } => {
                    let heard_mono_ns = self.heard.map_or(line.mono_ns, |heard| heard.mono_ns);
                    if let Some(session) = self.session(id) {
                        session.steer(line, heard_mono_ns);
                    }
                }
            }
        }
    }

    fn session(&mut self, id: u64) -> Option<&mut Playing> {
        self.playing.iter_mut().chain(self.next.iter_mut()).find(|session| session.cue.id == id)
    }

    fn drop_next(&mut self) {
        let Some(next) = self.next.take() else { return };
        let (_, cue) = next.end(true);
        let _ = self.notices.push(Notice::Ended { id: cue.id, totals: Totals { stopped: true, ..Totals::default() } });
        let _ = self.used.push(cue);
    }

    fn end(&mut self, stopped: bool) {
        let Some(playing) = self.playing.take() else { return };
        let (totals, cue) = playing.end(stopped);
        let totals = Totals { fast_ppm: self.converter.fast_ppm(), ..totals };
        let _ = self.notices.push(Notice::Ended { id: cue.id, totals });
        let _ = self.used.push(cue);
    }
}

#[cfg(test)]
mod tests {
    use rtrb::RingBuffer;

    use super::*;
    use crate::controller::player::converter::NS_PER_FRAME;

    struct Rig {
        orders: Producer<Order>,
        notices: Consumer<Notice>,
        _used: Consumer<Cue>,
        renderer: Renderer,
    }

    fn rig() -> Rig {
        let (orders, order_ring) = RingBuffer::new(4);
        let (notice_ring, notices) = RingBuffer::new(16);
        let (used_ring, _used) = RingBuffer::new(4);
        Rig { orders, notices, _used, renderer: Renderer::new(order_ring, notice_ring, used_ring) }
    }

    /// A cue whose frame `n` holds the value `n + 1`.
    fn ramp(rig: &mut Rig, start_mono_ns: i64, frames: u64, first_frame: u64) {
        let (mut samples, audio) = RingBuffer::new(frames as usize);
        (first_frame..frames).for_each(|n| samples.push((n + 1) as f32).unwrap());
        rig.orders.push(Order::Play(cue(1, start_mono_ns, frames, first_frame, 0, audio))).unwrap();
    }

    fn cue(id: u64, start_mono_ns: i64, frames: u64, first_frame: u64, content_from: u64, audio: Consumer<f32>) -> Cue {
        Cue { id, line: Line::from(start_mono_ns), frames, first_frame, content_from, audio, near: Cue::room() }
    }

    fn at(frame: f64) -> i64 {
        (frame * NS_PER_FRAME).round() as i64
    }

    /// Renders `buffers` buffers of 480 frames with a converter that runs `ppm` fast, from time 0; gives (heard at frame, value).
    fn run(rig: &mut Rig, buffers: usize, ppm: f64) -> Vec<(f64, f32)> {
        let mut heard = vec![];
        let mut buffer = [0.0; 480];
        for n in 0..buffers {
            let begin = (n * 480) as f64 / (1.0 + ppm * 1e-6);
            rig.renderer.render(&mut buffer, Some(at(begin)));
            heard.extend(buffer.iter().enumerate().map(|(i, v)| (begin + i as f64 / (1.0 + ppm * 1e-6), *v)));
        }
        heard
    }

    #[test]
    fn the_first_sample_falls_on_its_frame_and_nothing_is_lost() {
        let mut rig = rig();
        ramp(&mut rig, at(1000.0), 2000, 0);
        let heard = run(&mut rig, 10, 0.0);
        let expected = |n: usize| if (1000..3000).contains(&n) { (n - 999) as f32 } else { 0.0 };
        heard.iter().enumerate().for_each(|(n, (_, value))| assert_eq!(*value, expected(n), "frame {n}"));
        assert_eq!(rig.notices.pop(), Ok(Notice::Sounding { id: 1, first_mono_ns: at(1000.0) }));
        let Ok(Notice::Ended { totals, .. }) = rig.notices.pop() else { panic!("it must end") };
        assert_eq!((totals.rendered, totals.underruns, totals.corrections, totals.stopped), (2000, 0, 0, false));
        assert!(!rig.renderer.is_active());
    }

    #[test]
    fn a_late_joiner_begins_in_step() {
        let mut rig = rig();
        ramp(&mut rig, at(-500.0), 2000, 200);
        let heard = run(&mut rig, 4, 0.0);
        assert_eq!(heard[0].1, 501.0);
        assert_eq!(heard[100].1, 601.0);
    }

    /// A cue that is a tone of 440 Hz.
    fn tone(rig: &mut Rig, frames: u64) {
        let (mut samples, audio) = RingBuffer::new(frames as usize);
        (0..frames).for_each(|n| samples.push(tone_at(n as f64) as f32).unwrap());
        rig.orders.push(Order::Play(cue(1, 0, frames, 0, 0, audio))).unwrap();
    }

    fn tone_at(frame: f64) -> f64 {
        (frame / 48_000.0 * 440.0 * std::f64::consts::TAU).sin()
    }

    /// How many frames a sample of that tone is off its place, to the first order.
    const FRAME_OF_TONE: f64 = 440.0 / 48_000.0 * std::f64::consts::TAU;

    #[test]
    fn a_drifting_converter_is_followed_without_a_slip() {
        for ppm in [-200.0, 200.0] {
            let mut rig = rig();
            let frames = 48_000 * 20;
            tone(&mut rig, frames);
            let heard = run(&mut rig, frames as usize / 480 - 100, ppm);
            let off = |from: usize| {
                let each = heard[from..].iter().map(|(t, v)| (f64::from(*v) - tone_at(*t)).abs() / FRAME_OF_TONE);
                each.fold(0.0, f64::max)
            };
            assert!(off(0) < 2.0, "{ppm} ppm: {} frames off", off(0));
            assert!(off(96_000) < 0.1, "{ppm} ppm: {} frames off after two seconds", off(96_000));
            let step = heard.windows(2).map(|w| f64::from((w[1].1 - w[0].1).abs())).fold(0.0, f64::max);
            assert!(step < FRAME_OF_TONE * 1.01, "{ppm} ppm: a step of {step}");
        }
    }

    #[test]
    fn a_better_clock_is_approached_inaudibly_and_a_quite_different_one_at_once() {
        let mut rig = rig();
        tone(&mut rig, 48_000 * 60);
        let mut heard = run(&mut rig, 200, 0.0);
        // 2 ms later than was thought, and the center's clock is 50 ppm faster.
        let line = Line { mono_ns: at(96_000.0), at_ns: at(96_000.0 - 96.0), rate: 50e-6 };
        rig.orders.push(Order::Steer { id: 1, line }).unwrap();
        let mut buffer = [0.0; 480];
        for n in 200..4_000 {
            rig.renderer.render(&mut buffer, Some(at((n * 480) as f64)));
            heard.extend(buffer.iter().enumerate().map(|(i, v)| ((n * 480 + i) as f64, *v)));
        }
        let off = |(t, v): &(f64, f32)| {
            let place = line.frames_at(at(*t));
            (f64::from(*v) - tone_at(place)).abs() / FRAME_OF_TONE
        };
        let late = heard[48_000 * 35..].iter().map(off).fold(0.0, f64::max);
        assert!(late < 0.2, "{late} frames off");
        let steps = heard.windows(2).map(|w| f64::from((w[1].1 - w[0].1).abs()));
        assert!(steps.fold(0.0, f64::max) < FRAME_OF_TONE * 1.01, "no step may be heard");
        let line = Line { at_ns: line.at_ns + 500_000_000, ..line };
        rig.orders.push(Order::Steer { id: 1, line }).unwrap();
        rig.renderer.render(&mut buffer, Some(at(4_000.0 * 480.0)));
        let place = line.frames_at(at(4_000.0 * 480.0 + 200.0));
        assert!((f64::from(buffer[200]) - tone_at(place)).abs() < FRAME_OF_TONE, "half a second off is jumped");
    }

    #[test]
    fn after_a_stall_the_time_line_is_rejoined_and_the_gap_is_counted() {
        let mut rig = rig();
        ramp(&mut rig, at(0.0), 48_000, 0);
        let mut buffer = [0.0; 480];
        rig.renderer.render(&mut buffer, Some(at(0.0)));
        rig.renderer.render(&mut buffer, None);
        assert_eq!(buffer[0], 481.0, "an untimed buffer goes on where it was");
        rig.renderer.render(&mut buffer, Some(at(10_000.0)));
        let first = buffer[0];
        assert!((960.0..1_100.0).contains(&first), "it leaves softly from where it was: {first}");
        assert_eq!(buffer[96], 10_097.0);
        rig.renderer.render(&mut buffer, Some(at(10_380.0)));
        assert_eq!((buffer[99], buffer[196]), (0.0, 10_577.0), "a device that is ahead waits");
    }

    #[test]
    fn a_stop_fades_and_does_not_click() {
        let mut rig = rig();
        tone(&mut rig, 48_000);
        run(&mut rig, 10, 0.0);
        rig.orders.push(Order::Stop(1)).unwrap();
        let mut buffer = [0.0; 480];
        let mut heard = vec![];
        for n in 10..20 {
            rig.renderer.render(&mut buffer, Some(at(f64::from(n * 480))));
            heard.extend(buffer);
        }
        let step = heard.windows(2).map(|w| f64::from((w[1] - w[0]).abs())).fold(0.0, f64::max);
        assert!(step < FRAME_OF_TONE * 1.01, "a step of {step}");
        assert!(heard[2_400..].iter().all(|v| *v == 0.0), "silent after 50 ms");
        let ended = std::iter::from_fn(|| rig.notices.pop().ok()).last();
        let Some(Notice::Ended { totals, .. }) = ended else { panic!("it must end") };
        assert_eq!((totals.stopped, totals.rendered), (true, 7_200));
    }

    #[test]
    fn sessions_back_to_back_join_without_a_lost_frame() {
        let mut rig = rig();
        ramp(&mut rig, at(100.0), 1000, 0);
        let (mut samples, audio) = RingBuffer::new(1000);
        (0..1000).for_each(|n| samples.push(-(n as f32 + 1.0)).unwrap());
        let cue = cue(2, at(1100.0), 1000, 0, 0, audio);
        rig.orders.push(Order::Play(cue)).unwrap();
        let heard = run(&mut rig, 5, 0.0);
        let expected = |n: usize| match n {
            100..1100 => (n - 99) as f32,
            1100..2100 => -((n - 1099) as f32),
            _ => 0.0,
        };
        heard.iter().enumerate().for_each(|(n, (_, value))| assert_eq!(*value, expected(n), "frame {n}"));
        let ended = std::iter::from_fn(|| rig.notices.pop().ok())
            .filter(|n| matches!(n, Notice::Ended { totals, .. } if totals.rendered == 1000));
        assert_eq!(ended.count(), 2);
    }

    #[test]
    fn silence_in_place_of_what_is_missing_is_not_a_sound() {
        for (content_from, told) in [(500, true), (2000, false)] {
            let mut rig = rig();
            let (mut samples, audio) = RingBuffer::new(2000);
            (0..2000).for_each(|n| samples.push(if n < content_from { 0.0 } else { 0.5 }).unwrap());
            let cue = cue(1, 0, 2000, 0, content_from, audio);
            rig.orders.push(Order::Play(cue)).unwrap();
            run(&mut rig, 6, 0.0);
            let notices: Vec<_> = std::iter::from_fn(|| rig.notices.pop().ok()).collect();
            let sounding = notices
                .iter()
                .any(|notice| matches!(notice, Notice::Sounding { first_mono_ns, .. } if first_mono_ns.abs() < 25_000));
            assert_eq!(sounding, told, "{notices:?}");
        }
    }

    #[test]
    fn a_ring_that_runs_dry_keeps_its_place_and_is_counted_once() {
        let mut rig = rig();
        let (mut samples, audio) = RingBuffer::new(4096);
        (0..480).for_each(|n| samples.push(n as f32 + 1.0).unwrap());
        rig.orders.push(Order::Play(cue(1, 0, 1920, 0, 0, audio))).unwrap();
        let mut buffer = [0.0; 480];
        for n in 0..3 {
            rig.renderer.render(&mut buffer, Some(at(480.0 * f64::from(n))));
        }
        (480..1920).for_each(|n| samples.push(n as f32 + 1.0).unwrap());
        rig.renderer.render(&mut buffer, Some(at(1440.0)));
        assert_eq!((buffer[0], buffer[96]), (0.0, 1537.0), "it comes back softly");
        let ended = std::iter::from_fn(|| rig.notices.pop().ok()).last();
        let Some(Notice::Ended { totals, .. }) = ended else { panic!("it must end") };
        assert_eq!((totals.underruns, totals.rendered), (1, 960));
    }
}
