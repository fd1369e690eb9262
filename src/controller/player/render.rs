//! The real-time part: fills the device's buffers so that each frame is heard when the time line says.
//!
//! Runs on the sound device's thread. It never allocates, locks, logs or waits; what it needs comes over rings, and what it has used up goes
//! back over one to be freed elsewhere. Placement follows the device's own playback timestamps: the stream always runs, and the
//! first frame is put where its instant falls. A slow drift of the converter is followed by dropping or repeating single
//! frames once the smoothed error passes 0.6 of a frame; a jump of more than 2 ms (the device stalled) is taken at once.

use rtrb::{Consumer, Producer};

use crate::audio::RATE_HZ;

const NS_PER_FRAME: f64 = 1e9 / RATE_HZ as f64;
/// Errors beyond this are jumps, not drift: 2 ms.
const JUMP_FRAMES: f64 = 96.0;
const SLIP_FRAMES: f64 = 0.6;
/// How long a trimmed session takes to fade out.
const FADE_FRAMES: u64 = RATE_HZ as u64 * 4 / 10;
/// Weight of a new error in the running mean.
const SMOOTHING: f64 = 0.05;

/// One session as the output sees it.
#[derive(Debug)]
pub struct Cue {
    /// Tells this session's notices from an older one's.
    pub id: u64,
    pub start_mono_ns: i64,
    /// Length of the time line.
    pub frames: u64,
    /// Position on the time line of the first sample in `audio`.
    pub first_frame: u64,
    /// Where on the time line programme begins; before it there is only silence for what is missing.
    pub content_from: u64,
    pub audio: Consumer<f32>,
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
    pub rendered: u64,
    pub squares: f64,
    pub peak: f32,
    pub underruns: u32,
    pub corrections: u32,
    pub stopped: bool,
}

struct Playing {
    cue: Cue,
    /// Next position on the time line.
    position: u64,
    /// Frames taken from the ring, counted from the time line's start.
    taken_to: u64,
    error: f64,
    dry: bool,
    /// The last sample given, held where a frame is repeated.
    last: f32,
    /// Index in the current buffer of the first frame ever heard.
    first_heard: Option<usize>,
    /// From here on it fades out.
    fade_from: u64,
    totals: Totals,
}

impl Playing {
    fn new(cue: Cue) -> Self {
        let taken_to = cue.first_frame;
        Self {
            cue,
            position: 0,
            taken_to,
            error: 0.0,
            dry: false,
            last: 0.0,
            first_heard: None,
            fade_from: u64::MAX,
            totals: Totals::default(),
        }
    }

    /// Ends it sooner, and softly as far as there is time.
    fn trim(&mut self, frames: u64) {
        if frames < self.cue.frames {
            self.cue.frames = frames;
            self.fade_from = frames.saturating_sub(FADE_FRAMES).max(self.position);
        }
    }

    /// Compares where the time line is with where the device is, and corrects. Gives the frames of silence to leave first.
    fn follow(&mut self, on_line: f64, len: usize) -> usize {
        let error = on_line - self.position as f64;
        if error.abs() > JUMP_FRAMES {
            self.totals.corrections = self.totals.corrections.saturating_add(1);
            self.error = 0.0;
            if error > 0.0 {
                self.position += error.round() as u64;
                return 0;
            }
            return ((-error).round() as usize).min(len);
        }
        self.error += SMOOTHING * (error - self.error);
        if self.error > SLIP_FRAMES {
            self.position += 1;
            self.error -= 1.0;
        } else if self.error < -SLIP_FRAMES && self.position > 0 {
            self.position -= 1;
            self.error += 1.0;
        }
        0
    }

    /// Copies from the ring what belongs at `position` onwards; where it is not there (yet), silence keeps its place.
    fn fill(&mut self, out: &mut [f32]) {
        // What the time line has passed by already.
        let behind = self.position.saturating_sub(self.taken_to).min(self.cue.audio.slots() as u64);
        if behind > 0
            && let Ok(chunk) = self.cue.audio.read_chunk(behind as usize)
        {
            chunk.commit_all();
            self.taken_to += behind;
        }
        let end = self.cue.frames.saturating_sub(self.position).min(out.len() as u64) as usize;
        // A repeated frame, or a late joiner whose audio begins further on: silence until there.
        let lead = self.taken_to.saturating_sub(self.position).min(end as u64) as usize;
        let wanted = end - lead;
        let ready = if self.taken_to == self.position + lead as u64 { wanted.min(self.cue.audio.slots()) } else { 0 };
        if lead <= 2 {
            out[..lead].fill(self.last);
        }
        if let Ok(chunk) = self.cue.audio.read_chunk(ready) {
            let (a, b) = chunk.as_slices();
            out[lead..lead + a.len()].copy_from_slice(a);
            out[lead + a.len()..lead + ready].copy_from_slice(b);
            chunk.commit_all();
        }
        if self.position + end as u64 > self.fade_from {
            for (sample, at) in out[..end].iter_mut().zip(self.position..) {
                let left = self.cue.frames.saturating_sub(at) as f32;
                let whole = self.cue.frames.saturating_sub(self.fade_from).max(1) as f32;
                *sample *= (left / whole).min(1.0);
            }
        }
        self.last = if end > 0 { out[end - 1] } else { self.last };
        self.taken_to += ready as u64;
        self.position += end as u64;
        if self.totals.first_mono_ns.is_none() && self.first_heard.is_none() {
            let begun = self.taken_to - ready as u64;
            let silent = self.cue.content_from.saturating_sub(begun);
            if silent < ready as u64 {
                self.first_heard = Some(lead + silent as usize);
            }
        }
        if ready < wanted {
            if !self.dry && self.totals.first_mono_ns.is_some() {
                self.totals.underruns = self.totals.underruns.saturating_add(1);
            }
            self.dry = true;
        } else {
            self.dry = false;
        }
        for sample in &out[lead..lead + ready] {
            self.totals.squares += f64::from(*sample) * f64::from(*sample);
            self.totals.peak = self.totals.peak.max(sample.abs());
        }
        self.totals.rendered += ready as u64;
    }
}

pub struct Renderer {
    orders: Consumer<Order>,
    notices: Producer<Notice>,
    /// Used-up cues, to be dropped where dropping may take time.
    used: Producer<Cue>,
    playing: Option<Playing>,
    /// Begins where `playing` ends, within the same buffer if need be.
    next: Option<Cue>,
}

impl std::fmt::Debug for Renderer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renderer").field("playing", &self.playing.is_some()).finish()
    }
}

impl Renderer {
    pub fn new(orders: Consumer<Order>, notices: Producer<Notice>, used: Producer<Cue>) -> Self {
        Self { orders, notices, used, playing: None, next: None }
    }

    /// Whether a session is on, begun or not.
    pub fn is_active(&self) -> bool {
        self.playing.is_some()
    }

    /// Fills `out` with mono samples, the first of which will be heard at `heard_mono_ns`. `timed` is false where the device gave no
    /// usable timestamp (its first buffers): then nothing begins and nothing is corrected.
    pub fn render(&mut self, out: &mut [f32], heard_mono_ns: i64, timed: bool) {
        out.fill(0.0);
        self.take_orders();
        let mut from = 0;
        while from < out.len() {
            let heard_mono_ns = heard_mono_ns + (from as f64 * NS_PER_FRAME) as i64;
            let Some(used) = self.render_playing(&mut out[from..], heard_mono_ns, timed) else { return };
            from += used;
            self.end(false);
            self.playing = self.next.take().map(Playing::new);
        }
    }

    /// Renders the session that is on. Gives the frames that it used if it has ended within `out`.
    fn render_playing(&mut self, out: &mut [f32], heard_mono_ns: i64, timed: bool) -> Option<usize> {
        let playing = self.playing.as_mut()?;
        let on_line = (heard_mono_ns - playing.cue.start_mono_ns) as f64 / NS_PER_FRAME;
        let begun = playing.totals.first_mono_ns.is_some();
        let mut index = 0;
        if !begun {
            if !timed {
                return None;
            }
            // Frames of silence before the start, to the nearest frame.
            index = (-on_line - 0.5).ceil().max(0.0) as usize;
            if index >= out.len() {
                return None;
            }
            playing.position = (on_line + index as f64).round().max(0.0) as u64;
        } else if timed {
            index = playing.follow(on_line, out.len());
        }
        let left = playing.cue.frames.saturating_sub(playing.position);
        playing.fill(&mut out[index..]);
        if !begun && let Some(offset) = playing.first_heard.take() {
            // As an instant of the time line's own beginning, if that was silent.
            let silent = playing.cue.content_from as f64;
            let first_mono_ns = heard_mono_ns + (((index + offset) as f64 - silent) * NS_PER_FRAME) as i64;
            playing.totals.first_mono_ns = Some(first_mono_ns);
            let _ = self.notices.push(Notice::Sounding { id: playing.cue.id, first_mono_ns });
        }
        (playing.position >= playing.cue.frames).then(|| (index + left as usize).min(out.len()))
    }

    fn take_orders(&mut self) {
        while let Ok(order) = self.orders.pop() {
            match order {
                Order::Play(cue) if self.playing.is_none() => self.playing = Some(Playing::new(cue)),
                Order::Play(cue) => {
                    self.drop_next();
                    self.next = Some(cue);
                }
                Order::Stop(id) if self.playing.as_ref().is_some_and(|playing| playing.cue.id == id) => {
                    self.end(true);
                    self.playing = self.next.take().map(Playing::new);
                }
                Order::Stop(id) if self.next.as_ref().is_some_and(|next| next.id == id) => self.drop_next(),
                Order::Stop(_) => {}
                Order::Trim { id, frames } => {
                    if let Some(playing) = self.playing.as_mut().filter(|playing| playing.cue.id == id) {
                        playing.trim(frames);
                    } else if let Some(next) = self.next.as_mut().filter(|next| next.id == id) {
                        next.frames = next.frames.min(frames);
                    }
                }
            }
        }
    }

    fn drop_next(&mut self) {
        let Some(cue) = self.next.take() else { return };
        let _ = self.notices.push(Notice::Ended { id: cue.id, totals: Totals { stopped: true, ..Totals::default() } });
        let _ = self.used.push(cue);
    }

    fn end(&mut self, stopped: bool) {
        let Some(playing) = self.playing.take() else { return };
        let totals = Totals { stopped, ..playing.totals };
        let _ = self.notices.push(Notice::Ended { id: playing.cue.id, totals });
        let _ = self.used.push(playing.cue);
    }
}

#[cfg(test)]
mod tests {
    use rtrb::RingBuffer;

    use super::*;

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
        rig.orders
            .push(Order::Play(Cue { id: 1, start_mono_ns, frames, first_frame, content_from: 0, audio }))
            .unwrap();
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
            rig.renderer.render(&mut buffer, at(begin), true);
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

    #[test]
    fn a_drifting_converter_is_followed_to_within_a_few_frames() {
        for ppm in [-100.0, 100.0] {
            let mut rig = rig();
            let frames = 48_000 * 20;
            ramp(&mut rig, at(0.0), frames, 0);
            let heard = run(&mut rig, frames as usize / 480, ppm);
            let worst =
                heard.iter().filter(|(_, v)| *v > 0.0).map(|(t, v)| (t - f64::from(v - 1.0)).abs()).fold(0.0, f64::max);
            assert!(worst < 3.0, "{ppm} ppm: {worst} frames off");
        }
    }

    #[test]
    fn after_a_stall_the_time_line_is_rejoined_and_the_gap_is_counted() {
        let mut rig = rig();
        ramp(&mut rig, at(0.0), 48_000, 0);
        let mut buffer = [0.0; 480];
        rig.renderer.render(&mut buffer, at(0.0), true);
        rig.renderer.render(&mut buffer, at(5_000.0), false);
        assert_eq!(buffer[0], 481.0, "an untimed buffer goes on where it was");
        rig.renderer.render(&mut buffer, at(10_000.0), true);
        assert_eq!(buffer[0], 10_001.0);
        rig.renderer.render(&mut buffer, at(10_380.0), true);
        assert_eq!((buffer[0], buffer[99], buffer[100]), (0.0, 0.0, 10_481.0), "a device that is ahead waits");
    }

    #[test]
    fn sessions_back_to_back_join_without_a_lost_frame() {
        let mut rig = rig();
        ramp(&mut rig, at(100.0), 1000, 0);
        let (mut samples, audio) = RingBuffer::new(1000);
        (0..1000).for_each(|n| samples.push(-(n as f32 + 1.0)).unwrap());
        let cue = Cue { id: 2, start_mono_ns: at(1100.0), frames: 1000, first_frame: 0, content_from: 0, audio };
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
            let cue = Cue { id: 1, start_mono_ns: 0, frames: 2000, first_frame: 0, content_from, audio };
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
        rig.orders
            .push(Order::Play(Cue { id: 1, start_mono_ns: 0, frames: 1920, first_frame: 0, content_from: 0, audio }))
            .unwrap();
        let mut buffer = [0.0; 480];
        for n in 0..3 {
            rig.renderer.render(&mut buffer, at(480.0 * f64::from(n)), true);
        }
        (480..1920).for_each(|n| samples.push(n as f32 + 1.0).unwrap());
        rig.renderer.render(&mut buffer, at(1440.0), true);
        assert_eq!(buffer[0], 1441.0);
        let ended = std::iter::from_fn(|| rig.notices.pop().ok()).last();
        let Some(Notice::Ended { totals, .. }) = ended else { panic!("it must end") };
        assert_eq!((totals.underruns, totals.rendered), (1, 960));
    }
}
