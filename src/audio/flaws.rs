//! Flaws that a listener would hear and a decoder does not: stretches of silence, and tops that were cut flat.
//!
//! Takes samples as they come and keeps a few numbers; the words for them are the domain's ([`Flaw`]) and the page's.

use super::RATE_HZ;
use crate::domain::bulletin::Flaw;

/// Below this (-60 dBFS) it is silence: the noise of a quiet room lies above.
const SILENT: f32 = 0.001;
/// Silence before the sound, or after it, and within it, from which it is worth telling.
const AROUND_FRAMES: u64 = 3 * RATE_HZ as u64;
const WITHIN_FRAMES: u64 = 10 * RATE_HZ as u64;
/// Samples in a row that do not move (by more than a 16-bit step and a half) at the height of the file's own peak: only what was cut off is so flat.
const FLAT_FRAMES: u64 = 4;
const FLAT: f32 = 1.5 / 32_768.0;
/// How near to the peak, and below which peak nobody calls it clipped.
const AT_PEAK: f32 = 0.995;
const LOUD: f32 = 0.1;
/// Full scale; lossy coding lets what was cut off there swing beyond it.
const FULL: f32 = 0.999;
const FULL_FRAMES: u64 = 3;
/// Cut tops a minute from which a recording counts as clipped.
const CLIPS_PER_MINUTE: u64 = 20;

/// Stretches of silence, at the broadcast rate.
#[derive(Debug, Default)]
pub struct Silences {
    frames: u64,
    quiet: u64,
    sounded: bool,
    leading: u64,
    /// Where each long hole begins and how long it is; the first few.
    holes: Vec<(u64, u64)>,
}

const MOST_HOLES: usize = 5;

impl Silences {
    pub fn add(&mut self, samples: &[f32]) {
        for sample in samples {
            if sample.abs() < SILENT {
                self.quiet += 1;
            } else {
                self.heard();
            }
            self.frames += 1;
        }
    }

    fn heard(&mut self) {
        if !self.sounded {
            self.leading = self.quiet;
            self.sounded = true;
        } else if self.quiet > WITHIN_FRAMES && self.holes.len() < MOST_HOLES {
            self.holes.push((self.frames - self.quiet, self.quiet));
        }
        self.quiet = 0;
    }

    pub fn flaws(&self) -> Vec<Flaw> {
        if !self.sounded {
            return vec![Flaw::SilentThroughout { length_ms: ms(self.frames, RATE_HZ) }];
        }
        let mut found = vec![];
        if self.leading > AROUND_FRAMES {
            found.push(Flaw::BeginsSilent { length_ms: ms(self.leading, RATE_HZ) });
        }
        for (from, frames) in &self.holes {
            found.push(Flaw::SilentWithin { at_ms: ms(*from, RATE_HZ), length_ms: ms(*frames, RATE_HZ) });
        }
        if self.quiet > AROUND_FRAMES {
            found.push(Flaw::EndsSilent { length_ms: ms(self.quiet, RATE_HZ) });
        }
        found
    }
}

/// Tops that were cut off, in samples as they were decoded: at another rate they are no longer flat.
#[derive(Debug)]
pub struct Tops {
    rate_hz: u32,
    frames: u64,
    peak: f32,
    before: f32,
    flat: u64,
    full: u64,
    first: u64,
    clips: u64,
}

impl Tops {
    pub fn new(rate_hz: u32) -> Self {
        Self { rate_hz: rate_hz.max(1), frames: 0, peak: 0.0, before: 0.0, flat: 1, full: 0, first: 0, clips: 0 }
    }

    pub fn add(&mut self, samples: &[f32]) {
        for sample in samples {
            let height = sample.abs();
            if height * AT_PEAK > self.peak && self.peak < FULL {
                // What was flat lower down was no top.
                self.clips = 0;
            }
            self.peak = self.peak.max(height);
            let on_top = height >= self.peak * AT_PEAK && height >= LOUD && (height - self.before).abs() <= FLAT;
            self.flat = if on_top { self.flat + 1 } else { 1 };
            self.full = if height >= FULL { self.full + 1 } else { 0 };
            self.before = height;
            self.frames += 1;
            // A top counts once, by whichever is seen first.
            if (self.flat == FLAT_FRAMES && self.full < FULL_FRAMES) || self.full == FULL_FRAMES {
                if self.clips == 0 {
                    self.first = self.frames;
                }
                self.clips += 1;
            }
        }
    }

    pub fn flaw(&self) -> Option<Flaw> {
        let many = self.clips >= 3 && self.clips * 60 * u64::from(self.rate_hz) > self.frames * CLIPS_PER_MINUTE;
        many.then(|| Flaw::Clipped {
            places: self.clips,
            first_ms: ms(self.first, self.rate_hz),
            level_dbfs: f64::from(super::to_db(f64::from(self.peak)).min(0.0)),
        })
    }
}

fn ms(frames: u64, rate_hz: u32) -> i64 {
    i64::try_from(frames.saturating_mul(1000) / u64::from(rate_hz)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(parts: &[(f32, f32, f32)]) -> Vec<String> {
        let (mut silences, mut tops) = (Silences::default(), Tops::new(RATE_HZ));
        for (seconds, amplitude, ceiling) in parts {
            let sine = |n: usize| (n as f32 * 440.0 * std::f32::consts::TAU / RATE_HZ as f32).sin();
            let wave =
                (0..(seconds * RATE_HZ as f32) as usize).map(|n| (sine(n) * amplitude).clamp(-ceiling, *ceiling));
            let wave: Vec<f32> = wave.collect();
            silences.add(&wave);
            tops.add(&wave);
        }
        silences.flaws().iter().chain(&tops.flaw()).map(Flaw::to_string).collect()
    }

    #[test]
    fn silence_and_flat_tops_are_told_with_their_place_and_length_and_sound_is_left_alone() {
        for (parts, expected) in [
            (&[(5.0, 0.5, 1.0)][..], &[][..]),
            // Full scale, but whole.
            (&[(5.0, 0.99, 1.0)], &[]),
            (&[(2.0, 0.0, 1.0), (5.0, 0.5, 1.0), (9.0, 0.0, 1.0), (1.0, 0.5, 1.0), (2.0, 0.0, 1.0)], &[]),
            (&[(4.0, 0.0, 1.0)], &["it is silent for all of its 4.0 s"]),
            (
                &[(4.0, 0.0, 1.0), (61.0, 0.5, 1.0), (12.0, 0.0, 1.0), (1.0, 0.5, 1.0), (3.5, 0.0, 1.0)],
                &["begins with 4.0 s", "silent for 12.0 s from 1:05", "ends with 3.5 s"],
            ),
            (&[(5.0, 2.0, 1.0)], &["first at 0:00: tops are cut off at 0.0 dBFS"]),
            (&[(5.0, 0.2, 1.0), (5.0, 1.0, 0.5)], &["first at 0:05: tops are cut off at -6.0 dBFS"]),
        ] {
            let told = told(parts);
            assert_eq!(told.len(), expected.len(), "{parts:?}: {told:?}");
            assert!(told.iter().zip(expected).all(|(told, expected)| told.contains(expected)), "{told:?}");
        }
    }
}
