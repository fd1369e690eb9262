//! One session on the audio thread: where it is on its time line, what of it is at hand, and how it sounds.
//!
//! Never allocates, locks or waits: its buffer came with the cue.

use rtrb::Consumer;

use super::Line;
use super::converter::{Heard, NS_PER_FRAME};
use super::render::{Cue, Totals};
use crate::audio::RATE_HZ;
use crate::audio::interpolate::{HALF_TAPS, Interpolator, TAPS};

/// Errors beyond this are jumps, not drift: 2 ms.
const JUMP_FRAMES: f64 = 96.0;
/// What a better knowledge of the time may move the line by, without a jump: 100 ms, made up for in 200 s.
const SLEW_FRAMES: f64 = 4_800.0;
/// The most by which the rate is changed.
pub const MOST_CHANGE: f64 = 500e-6;
/// An error is made up for in about four seconds.
const PULL: f64 = 1.0 / (4.0 * RATE_HZ as f64);
/// Below this nothing is changed, so that a converter that keeps time exactly gets the very samples of the source.
const LEAST_CHANGE: f64 = 2e-7;
/// How long a trimmed session takes to fade out, and one that is stopped.
const FADE_FRAMES: u64 = RATE_HZ as u64 * 4 / 10;
const STOP_FRAMES: u64 = RATE_HZ as u64 / 20;
/// Where the sound has to break off or to begin in its midst, the step is spread over 2 ms, which does not click.
const PATCH_FRAMES: u32 = 96;
/// The first second of a session is on its way to its line.
const SETTLED_FRAMES: f64 = RATE_HZ as f64;

/// What of the sound is at hand: a run of samples from `from` on the time line.
#[derive(Debug)]
struct Near {
    samples: Vec<f32>,
    from: u64,
    /// Index on the time line of the next sample in the ring.
    ring_at: u64,
}

impl Near {
    fn end(&self) -> u64 {
        self.from + self.samples.len() as u64
    }

    fn get(&self, index: i64) -> f32 {
        let place = u64::try_from(index).ok().and_then(|index| index.checked_sub(self.from));
        place.and_then(|place| self.samples.get(place as usize)).copied().unwrap_or(0.0)
    }

    fn has(&self, index: u64) -> bool {
        (self.from..self.end()).contains(&index)
    }

    /// Lets go of what lies before `keep` and takes what there is up to `until`.
    fn reach(&mut self, ring: &mut Consumer<f32>, keep: u64, until: u64) {
        if keep >= self.end() {
            self.samples.clear();
            drop_up_to(ring, &mut self.ring_at, keep);
            self.from = self.ring_at;
        } else if keep > self.from {
            self.samples.drain(..(keep - self.from) as usize);
            self.from = keep;
        }
        // After a gap the ring holds what the time line has passed by already.
        if self.ring_at != self.end() {
            return;
        }
        let room = self.samples.capacity() - self.samples.len();
        let wanted = until.saturating_sub(self.ring_at).min(room as u64) as usize;
        if let Ok(chunk) = ring.read_chunk(wanted.min(ring.slots())) {
            let (a, b) = chunk.as_slices();
            self.ring_at += (a.len() + b.len()) as u64;
            self.samples.extend_from_slice(a);
            self.samples.extend_from_slice(b);
            chunk.commit_all();
        }
    }

    /// The sound at a place between samples; what is not there counts as silence.
    fn read(&self, filter: &Interpolator, whole: u64, fraction: f64) -> f32 {
        if fraction == 0.0 {
            return self.get(whole as i64);
        }
        let first = whole as i64 + 1 - HALF_TAPS as i64;
        let place = usize::try_from(first - self.from as i64).ok();
        match place.and_then(|place| self.samples.get(place..place + TAPS)) {
            Some(near) => filter.read(near, fraction),
            None => {
                let mut near = [0.0; TAPS];
                near.iter_mut().zip(first..).for_each(|(sample, index)| *sample = self.get(index));
                filter.read(&near, fraction)
            }
        }
    }
}

fn drop_up_to(ring: &mut Consumer<f32>, ring_at: &mut u64, until: u64) {
    let behind = until.saturating_sub(*ring_at).min(ring.slots() as u64);
    if let Ok(chunk) = ring.read_chunk(behind as usize) {
        chunk.commit_all();
        *ring_at += behind;
    }
}

#[derive(Debug)]
pub struct Playing {
    pub cue: Cue,
    near: Near,
    /// Place on the time line of the next frame, between samples.
    position: f64,
    begun: bool,
    /// Beyond this many frames off the line is jumped to, not approached.
    tolerance: f64,
    dry: bool,
    /// The last frame given, and what is still added to the next ones so that they join it.
    last: f32,
    patch: f32,
    patch_left: u32,
    fade_from: u64,
    stopped: bool,
    sounded: f64,
    since_begun: f64,
    pub totals: Totals,
}

impl Playing {
    pub fn new(mut cue: Cue) -> Self {
        let near = Near { samples: std::mem::take(&mut cue.near), from: cue.first_frame, ring_at: cue.first_frame };
        Self {
            cue,
            near,
            position: 0.0,
            begun: false,
            tolerance: JUMP_FRAMES,
            dry: false,
            last: 0.0,
            patch: 0.0,
            patch_left: 0,
            fade_from: u64::MAX,
            stopped: false,
            sounded: 0.0,
            since_begun: 0.0,
            totals: Totals::default(),
        }
    }

    /// Ends it sooner, and softly as far as there is time.
    pub fn trim(&mut self, frames: u64) {
        if frames < self.cue.frames {
            self.cue.frames = frames;
            self.fade_from = frames.saturating_sub(FADE_FRAMES).max(self.position as u64);
        }
    }

    /// Ends it at once, without a click; false if it has not begun, and can just be dropped.
    pub fn stop(&mut self) -> bool {
        if self.begun {
            self.stopped = true;
            let end = self.position as u64 + STOP_FRAMES;
            if end < self.cue.frames {
                (self.cue.frames, self.fade_from) = (end, self.position as u64);
            }
        }
        self.begun
    }

    /// Takes a better line; `heard_mono_ns` is an instant of now.
    pub fn steer(&mut self, line: Line, heard_mono_ns: i64) {
        let shift = (line.frames_at(heard_mono_ns) - self.cue.line.frames_at(heard_mono_ns)).abs();
        if shift <= SLEW_FRAMES {
            self.tolerance += shift;
        }
        self.cue.line = line;
    }

    /// Begins at the frame of a buffer of `len` that falls on the time line's start; gives which that is. `joins`: it follows another, whose
    /// last frame was the one before this buffer.
    pub fn begin(&mut self, heard: Heard, len: usize, joins: bool) -> Option<usize> {
        if self.begun {
            return Some(0);
        }
        let on_line = self.cue.line.frames_at(heard.mono_ns);
        // Frames of silence before the start, to the nearest frame.
        let mut index = (-on_line - 0.5).ceil().max(0.0) as usize;
        if joins && (index as f64) < JUMP_FRAMES / 2.0 {
            index = 0;
        }
        if index >= len {
            return None;
        }
        self.position = (on_line + index as f64).round().max(0.0);
        self.begun = true;
        Some(index)
    }

    /// Compares where the sound is with where its line is. Gives the frames of silence to wait, and how far on the time line each frame
    /// goes from here. `stretch`: how much longer the converter's frames are than they should be.
    pub fn follow(&mut self, heard: Heard, index: usize, len: usize, stretch: f64) -> (usize, f64) {
        let heard_ns = heard.mono_ns + (index as f64 * NS_PER_FRAME) as i64;
        let error = self.cue.line.frames_at(heard_ns) - self.position;
        let natural = (1.0 + self.cue.line.rate) * (1.0 + stretch);
        if error.abs() > self.tolerance || (heard.jumped && error.abs() > JUMP_FRAMES) {
            self.totals.corrections = self.totals.corrections.saturating_add(1);
            self.tolerance = JUMP_FRAMES;
            self.join();
            if error > 0.0 {
                self.position += error.round();
                return (0, natural);
            }
            return (((-error).round() as usize).min(len), natural);
        }
        self.tolerance = self.tolerance.min(error.abs() + JUMP_FRAMES);
        if self.since_begun > SETTLED_FRAMES {
            self.totals.worst_off_ns = self.totals.worst_off_ns.max(error.abs() * NS_PER_FRAME);
        }
        let change = (natural - 1.0 + PULL * error).clamp(-MOST_CHANGE, MOST_CHANGE);
        (0, 1.0 + if change.abs() < LEAST_CHANGE { 0.0 } else { change })
    }

    /// The next frame does not follow from the last one.
    fn join(&mut self) {
        self.patch_left = PATCH_FRAMES;
        self.patch = f32::NAN;
    }

    /// Fills `out`, the first `wait` frames with silence, each further frame `step` on; what is not there (yet) keeps its place in silence.
    /// Gives how many frames were used, and which of them was the first ever to be heard.
    pub fn fill(&mut self, out: &mut [f32], wait: usize, step: f64, filter: &Interpolator) -> (usize, Option<usize>) {
        let left = (self.cue.frames as f64 - self.position).max(0.0);
        let used = out.len().min(wait + (left / step).ceil() as usize);
        let sounding = used.saturating_sub(wait);
        let keep = (self.position as u64 + 1).saturating_sub(HALF_TAPS as u64);
        let until = ((self.position + sounding as f64 * step) as u64 + HALF_TAPS as u64 + 1).min(self.cue.frames);
        self.near.reach(&mut self.cue.audio, keep, until);
        let (mut first, mut taken) = (None, 0u64);
        for (index, sample) in out[..used].iter_mut().enumerate() {
            let mut value = 0.0;
            if index >= wait {
                let place = self.position + (index - wait) as f64 * step;
                let whole = place as u64;
                let here = self.near.has(whole);
                if here {
                    value = self.near.read(filter, whole, place.fract()) * self.fade(place);
                    if first.is_none() && whole >= self.cue.content_from {
                        first = Some(index);
                    }
                    taken += 1;
                    self.totals.squares += f64::from(value) * f64::from(value);
                    self.totals.peak = self.totals.peak.max(value.abs());
                }
                if self.dry == here && self.totals.first_mono_ns.is_some() {
                    self.join();
                    self.totals.underruns = self.totals.underruns.saturating_add(u32::from(!here));
                }
                self.dry = !here;
                if index == wait && wait > 0 {
                    self.join();
                }
            }
            *sample = self.patched(value);
        }
        self.position += sounding as f64 * step;
        self.sounded += taken as f64 * step;
        self.since_begun += used as f64;
        self.totals.rendered = self.sounded.round() as u64;
        (used, first)
    }

    fn patched(&mut self, value: f32) -> f32 {
        let mut given = value;
        if self.patch_left > 0 {
            if self.patch.is_nan() {
                self.patch = self.last - value;
            }
            given += self.patch * (self.patch_left as f32 / PATCH_FRAMES as f32);
            self.patch_left -= 1;
        }
        self.last = given;
        given
    }

    fn fade(&self, place: f64) -> f32 {
        if place < self.fade_from as f64 {
            return 1.0;
        }
        let whole = self.cue.frames.saturating_sub(self.fade_from).max(1) as f64;
        ((self.cue.frames as f64 - place) / whole).clamp(0.0, 1.0) as f32
    }

    pub fn is_over(&self) -> bool {
        self.begun && self.position >= self.cue.frames as f64
    }

    /// Its account, and what has to be freed elsewhere.
    pub fn end(mut self, stopped: bool) -> (Totals, Cue) {
        self.cue.near = self.near.samples;
        (Totals { stopped: stopped || self.stopped, ..self.totals }, self.cue)
    }
}
