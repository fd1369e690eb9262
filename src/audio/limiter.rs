//! Keeps sound below a ceiling between its samples too: a look-ahead limiter on true peaks (ITU-R BS.1770-4, annex 2).
//!
//! What stays below comes through bit by bit, only later by [`DELAY_FRAMES`], which [`Limiter::push`] and [`Limiter::finish`] take out again.

use std::collections::VecDeque;

use super::interpolate::{HALF_TAPS, Interpolator, TAPS};

/// How far it looks ahead: the gain is down smoothly by the time a peak comes. 4 ms.
const AHEAD: usize = 192;
/// True peaks are looked for at these places between two samples, besides the samples themselves: four times oversampled.
const BETWEEN: [f64; 3] = [0.25, 0.5, 0.75];
/// Frames by which sound comes out later than it goes in.
pub const DELAY_FRAMES: usize = AHEAD + HALF_TAPS;
/// Share of the way back to full gain a frame: some 100 ms.
const RELEASE: f32 = 1.0 / 4_800.0;

#[derive(Debug)]
pub struct Limiter {
    ceiling: f32,
    filter: &'static Interpolator,
    /// The newest [`DELAY_FRAMES`] + [`TAPS`] samples.
    recent: VecDeque<f32>,
    /// The gains that the newest frames ask for: (frame, gain), rising, so that the first is the least of them.
    asked: VecDeque<(u64, f32)>,
    /// The gains of the newest [`AHEAD`] frames, to be averaged.
    gains: VecDeque<f32>,
    sum: f64,
    /// How many of them are below 1.
    lowered: usize,
    gain: f32,
    frame: u64,
    /// Frames of delay still to be taken out.
    held_back: usize,
    lowest: f32,
}

impl Limiter {
    /// `ceiling`: the amplitude that nothing may exceed.
    pub fn new(ceiling: f32) -> Self {
        Self {
            ceiling,
            filter: Interpolator::shared(),
            recent: VecDeque::from(vec![0.0; DELAY_FRAMES + TAPS]),
            asked: VecDeque::with_capacity(AHEAD + 3),
            gains: VecDeque::from(vec![1.0; AHEAD]),
            sum: AHEAD as f64,
            lowered: 0,
            gain: 1.0,
            frame: 0,
            held_back: DELAY_FRAMES,
            lowest: 1.0,
        }
    }

    /// Takes `input` and appends what is ready to `out`: all together as much as was put in, once it is finished.
    pub fn push(&mut self, input: &[f32], out: &mut Vec<f32>) {
        for sample in input {
            let limited = self.step(*sample);
            if self.held_back > 0 {
                self.held_back -= 1;
            } else {
                out.push(limited);
            }
        }
    }

    /// Appends what is still held.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        self.push(&[0.0; DELAY_FRAMES], out);
    }

    /// The least gain so far.
    pub fn lowest(&self) -> f32 {
        self.lowest
    }

    fn step(&mut self, sample: f32) -> f32 {
        self.recent.pop_front();
        self.recent.push_back(sample);
        let peak = self.true_peak();
        let asked = if peak > self.ceiling { self.ceiling / peak } else { 1.0 };
        while self.asked.back().is_some_and(|(_, gain)| *gain >= asked) {
            self.asked.pop_back();
        }
        self.asked.push_back((self.frame, asked));
        // Two more than are averaged, since a peak may lie beside the sample that it is found at.
        while self.asked.front().is_some_and(|(frame, _)| frame + (AHEAD as u64) + 2 <= self.frame) {
            self.asked.pop_front();
        }
        self.frame += 1;
        let least = self.asked.front().map_or(1.0, |(_, gain)| *gain);
        let released = self.gain + (1.0 - self.gain) * RELEASE;
        self.gain = least.min(if released > 0.9999 { 1.0 } else { released });
        let oldest = self.gains.pop_front().unwrap_or(1.0);
        self.gains.push_back(self.gain);
        self.sum += f64::from(self.gain) - f64::from(oldest);
        self.lowered = self.lowered + usize::from(self.gain < 1.0) - usize::from(oldest < 1.0);
        let mut average = 1.0;
        if self.lowered > 0 {
            average = (self.sum / AHEAD as f64) as f32;
        } else {
            self.sum = AHEAD as f64;
        }
        self.lowest = self.lowest.min(average);
        self.recent[TAPS - 1] * average
    }

    /// The highest point between the sample that is [`HALF_TAPS`] back and the one after it.
    fn true_peak(&mut self) -> f32 {
        let newest = self.recent.len();
        let at = self.recent[newest - 1 - HALF_TAPS].abs();
        // Between samples sound hardly rises to more than twice what is beside it.
        let near = at.max(self.recent[newest - HALF_TAPS].abs());
        if near < self.ceiling / 2.0 {
            return at;
        }
        let around = &self.recent.make_contiguous()[newest - TAPS..];
        BETWEEN.iter().fold(at, |peak, place| peak.max(self.filter.read(around, *place).abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::from_db;
    use crate::audio::to_db;

    /// The true peak by a filter that is not the limiter's own: sixteen places between samples.
    fn true_peak_db(samples: &[f32]) -> f32 {
        let filter = Interpolator::default();
        let places = (0..16).map(|n| f64::from(n) / 16.0);
        let peak = |near: &[f32]| places.clone().map(|place| filter.read(near, place).abs()).fold(0.0, f32::max);
        to_db(f64::from(samples.windows(TAPS).map(peak).fold(0.0, f32::max)))
    }

    fn limited(input: &[f32], ceiling: f32) -> Vec<f32> {
        let (mut limiter, mut out) = (Limiter::new(ceiling), vec![]);
        input.chunks(777).for_each(|block| limiter.push(block, &mut out));
        limiter.finish(&mut out);
        assert_eq!(out.len(), input.len());
        out
    }

    #[test]
    fn what_stays_below_the_ceiling_comes_through_untouched() {
        let input: Vec<f32> = (0..9_000).map(|n| (n as f32 * 0.3).sin() * 0.8).collect();
        assert_eq!(limited(&input, 0.9), input);
    }

    #[test]
    fn no_true_peak_passes_the_ceiling_by_more_than_a_tenth_of_a_decibel() {
        // A quarter of the sampling rate, between whose samples the sound rises by 3 dB; bursts, steps and a lone sample.
        let quarter = |n: usize| if n % 4 < 2 { 1.0f32 } else { -1.0 };
        let burst = |n: usize| if n % 5_000 < 600 { quarter(n) * 1.5 } else { 0.2 * (n as f32 * 0.05).sin() };
        let step = |n: usize| if (n / 3_000).is_multiple_of(2) { 0.3 } else { -1.9 };
        let lone = |n: usize| if n == 8_000 { 3.0 } else { 0.0 };
        let cases: [&dyn Fn(usize) -> f32; 4] = [&quarter, &burst, &step, &lone];
        for (case, signal) in cases.into_iter().enumerate() {
            let out = limited(&(0..20_000).map(signal).collect::<Vec<_>>(), from_db(-1.0));
            let peak = true_peak_db(&out);
            assert!(peak < -0.9, "case {case}: {peak} dBTP");
        }
    }
}
