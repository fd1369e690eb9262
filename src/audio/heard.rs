//! Whether a recording holds what went out: the way from converter to ear as a delay and a gain, or that there is none.
//!
//! Compares by normalised cross-correlation at [`LOW_HZ`], 300 to 3000 Hz, where a horn is loud and wind and hum are weak. Unknown are delay, gain,
//! polarity, echo, noise, and by how much the two clocks differ. Knows no devices and no plays; [`super::track`] makes its input.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

use super::interpolate::{HALF_TAPS, Interpolator, TAPS};
use super::to_db;

/// The rate at which sounds are compared.
pub const LOW_HZ: u32 = 8_000;
/// Each piece is compared by itself, so that clocks that differ by 500 ppm are 0.03 ms apart at its ends at most.
const PIECE: usize = 1_024;
const MOST_PIECES: usize = 16;
const LEAST_PIECES: usize = 6;
/// The longest and the shortest window, in samples: 2.0 s and 0.8 s.
pub const WINDOW: usize = PIECE * MOST_PIECES;
pub const LEAST_WINDOW: usize = PIECE * LEAST_PIECES;
/// The recording of a window begins so much before it, since timestamps err, and ends so much after it: 0.1 s and 0.6 s.
pub const EARLY: usize = LOW_HZ as usize / 10;
pub const LATE: usize = LOW_HZ as usize * 6 / 10;
const LAGS: usize = EARLY + LATE - 2 * MARGIN;
/// What reading between lags, and lags that drift, need beside them.
const MARGIN: usize = 32;
/// A piece, what lies behind it at the greatest lag, and no wrapping round.
const FFT: usize = 8_192;
/// How far apart clocks may be, and in which steps that is tried.
const MOST_DRIFT: f64 = 500e-6;
const DRIFTS: i32 = 8;
/// What lies so near the best lag is the same sound, by its own periods: 25 ms.
const NEAR: usize = LOW_HZ as usize / 40;
/// How often chance alone may look like a match, a window.
const CHANCE: f64 = 1e-4;
/// A reference must stand out against itself by so much more than a match must, or nothing can be told from it: a steady tone fits anywhere.
const PLAIN: f64 = 1.5;
/// A reference below this says nothing (-60 dBFS in the band), and a recording below that is silence (-110).
const LEAST_REFERENCE_DB: f32 = -60.0;
const SILENCE_DB: f32 = -110.0;
/// A window with more full-scale samples than this has lost its shape.
const MOST_CLIPPED: usize = WINDOW / 200;
/// The same way gives the same delay, give or take this, and the drift between two windows.
const SAME_MS: f64 = 5.0;
const SAME_MS_PER_S: f64 = MOST_DRIFT * 1e3;

/// What is known of a play once it is over.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "finding")]
pub enum Finding {
    /// The gain is that of what went out within what came back, so neither noise nor the programme's loudness changes it.
    Heard { gain_db: f32, delay_ms: f32 },
    /// A way with a gain above `floor_db` would have been noticed.
    NotHeard { floor_db: f32 },
}

/// What one window says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Window {
    Match {
        gain_db: f32,
        delay_ms: f32,
        correlation: f32,
    },
    NoMatch {
        floor_db: f32,
    },
    /// The reference is too weak, or like itself at every lag; or the recording is clipped.
    Useless,
}

/// How far above the trembling of the correlation a match must stand. Were the sounds unrelated, the correlation at each lag would be a normal
/// variable; of `trials` ones the greatest is beyond z with a chance of at most trials x exp(-z^2 / 2) (union bound, and Q(z) <= exp(-z^2 / 2) / 2 on
/// both sides). All lags and drifts are counted as if independent, which errs on the safe side.
fn threshold() -> f64 {
    let trials = LAGS as f64 * f64::from(2 * DRIFTS + 1);
    (2.0 * (trials / CHANCE).ln()).sqrt()
}

/// Compares windows; keeps its tables between them.
pub struct Comparer {
    forward: Arc<dyn RealToComplex<f32>>,
    back: Arc<dyn ComplexToReal<f32>>,
    time: Vec<f32>,
    first: Vec<Complex<f32>>,
    second: Vec<Complex<f32>>,
    /// Cross-correlation of each piece, by lag.
    pieces: Vec<Vec<f32>>,
}

impl std::fmt::Debug for Comparer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Comparer")
    }
}

impl Default for Comparer {
    fn default() -> Self {
        let mut planner = RealFftPlanner::new();
        let (forward, back) = (planner.plan_fft_forward(FFT), planner.plan_fft_inverse(FFT));
        let (time, first, second) = (forward.make_input_vec(), forward.make_output_vec(), forward.make_output_vec());
        Self { forward, back, time, first, second, pieces: vec![] }
    }
}

/// Where a correlation is greatest.
struct Peak {
    lag: usize,
    drift: f64,
    /// Normalised, and how far it trembles elsewhere.
    correlation: f64,
    trembling: f64,
    recorded: f64,
}

impl Comparer {
    /// Compares `reference` ([`LEAST_WINDOW`] to [`WINDOW`] samples) with `recording`, which begins [`EARLY`] samples before it and ends [`LATE`] after;
    /// `clipped`: samples of the recording that stood at full scale.
    pub fn compare(&mut self, reference: &[f32], recording: &[f32], clipped: usize) -> Window {
        let count = (reference.len() / PIECE).min(MOST_PIECES);
        let reference = &reference[..count * PIECE];
        if count < LEAST_PIECES || recording.len() < reference.len() + EARLY + LATE || clipped > MOST_CLIPPED {
            return Window::Useless;
        }
        let recording = &recording[..reference.len() + EARLY + LATE];
        let energy = energy(reference);
        if level_db(energy, reference.len()) < LEAST_REFERENCE_DB || !self.is_plain(reference, energy) {
            return Window::Useless;
        }
        let all = self::energy(recording);
        if level_db(all, recording.len()) < SILENCE_DB {
            return Window::NoMatch { floor_db: to_db((all / energy).sqrt()) };
        }
        let Some(peak) = self.peak(reference, recording, energy) else {
            return Window::Useless;
        };
        if peak.correlation < threshold() * peak.trembling {
            let floor = threshold() * peak.trembling * (peak.recorded / energy).sqrt();
            return Window::NoMatch { floor_db: to_db(floor) };
        }
        let (lag, product) = self.refine(&peak);
        let delay_ms = ((lag - EARLY as f64) * 1e3 / f64::from(LOW_HZ)) as f32;
        Window::Match { gain_db: to_db(product / energy), delay_ms, correlation: peak.correlation as f32 }
    }

    /// Whether a perfect recording of it could be told from chance.
    fn is_plain(&mut self, reference: &[f32], energy: f64) -> bool {
        let mut own = vec![0.0; EARLY];
        own.extend_from_slice(reference);
        own.resize(reference.len() + EARLY + LATE, 0.0);
        let peak = self.peak(reference, &own, energy);
        peak.is_some_and(|peak| peak.correlation > PLAIN * threshold() * peak.trembling)
    }

    fn peak(&mut self, reference: &[f32], recording: &[f32], energy: f64) -> Option<Peak> {
        self.correlate(reference, recording)?;
        let mut sums = vec![0.0f64];
        let mut sum = 0.0;
        sums.extend(recording.iter().map(|sample| {
            sum += f64::from(*sample) * f64::from(*sample);
            sum
        }));
        let recorded = |lag: usize| sums[lag + reference.len()] - sums[lag];
        // A lag at which there is next to nothing does not make a match out of rounding.
        let least = sum * 1e-6;
        let scales: Vec<f64> =
            (MARGIN..MARGIN + LAGS).map(|lag| 1.0 / (energy * recorded(lag).max(least)).sqrt()).collect();
        let mut best = (0, 0.0, 0.0f64);
        for step in -DRIFTS..=DRIFTS {
            let drift = MOST_DRIFT * f64::from(step) / f64::from(DRIFTS);
            for (index, product) in self.at_drift(drift).into_iter().enumerate() {
                let correlation = product.abs() * scales[index];
                if correlation > best.2 {
                    best = (index, drift, correlation);
                }
            }
        }
        let (index, drift, correlation) = best;
        let (mut squares, mut others) = (0.0, 0u32);
        for (other, product) in self.at_drift(drift).into_iter().enumerate() {
            if other.abs_diff(index) > NEAR {
                squares += (product * scales[other]).powi(2);
                others += 1;
            }
        }
        let trembling = (squares / f64::from(others.max(1))).sqrt();
        let lag = index + MARGIN;
        Some(Peak { lag, drift, correlation, trembling, recorded: recorded(lag) })
    }

    /// The cross-correlation of each piece of the reference with the recording around it.
    fn correlate(&mut self, reference: &[f32], recording: &[f32]) -> Option<()> {
        self.pieces.clear();
        for (index, piece) in reference.chunks_exact(PIECE).enumerate() {
            let from = index * PIECE;
            self.time.fill(0.0);
            self.time[..PIECE].copy_from_slice(piece);
            self.forward.process(&mut self.time, &mut self.first).ok()?;
            let around = &recording[from..from + PIECE + EARLY + LATE];
            self.time.fill(0.0);
            self.time[..around.len()].copy_from_slice(around);
            self.forward.process(&mut self.time, &mut self.second).ok()?;
            self.second.iter_mut().zip(&self.first).for_each(|(recorded, sent)| *recorded *= sent.conj());
            self.back.process(&mut self.second, &mut self.time).ok()?;
            self.pieces.push(self.time[..EARLY + LATE].iter().map(|sum| sum / FFT as f32).collect());
        }
        Some(())
    }

    /// How many samples a piece's lag is off the middle one's.
    fn moved(&self, piece: usize, drift: f64) -> f64 {
        (piece as f64 - (self.pieces.len() as f64 - 1.0) / 2.0) * PIECE as f64 * drift
    }

    /// The sum over all pieces at each lag from [`MARGIN`] on.
    fn at_drift(&self, drift: f64) -> Vec<f64> {
        let mut sums = vec![0.0f64; LAGS];
        for (index, piece) in self.pieces.iter().enumerate() {
            let from = (MARGIN as f64 + self.moved(index, drift)).round() as usize;
            sums.iter_mut().zip(&piece[from..]).for_each(|(sum, product)| *sum += f64::from(*product));
        }
        sums
    }

    /// Lag and product at the very top, between the samples: half a sample off, 3 kHz would lose 8 dB.
    fn refine(&self, peak: &Peak) -> (f64, f64) {
        let filter = Interpolator::shared();
        let product = |lag: f64, drift: f64| -> f64 {
            let read = |(index, piece): (usize, &Vec<f32>)| {
                let place = lag + self.moved(index, drift);
                let first = (place as usize + 1).saturating_sub(HALF_TAPS);
                piece.get(first..first + TAPS).map_or(0.0, |near| f64::from(filter.read(near, place.fract())))
            };
            self.pieces.iter().enumerate().map(read).sum()
        };
        let mut best = (peak.lag as f64, 0.0f64);
        for drift_step in -5..=5 {
            let drift = peak.drift + MOST_DRIFT / f64::from(DRIFTS) * f64::from(drift_step) / 5.0;
            for step in -16..=16 {
                let lag = peak.lag as f64 + f64::from(step) / 16.0;
                let found = product(lag, drift).abs();
                if found > best.1 {
                    best = (lag, found);
                }
            }
        }
        best
    }
}

fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample) * f64::from(*sample)).sum()
}

fn level_db(energy: f64, samples: usize) -> f32 {
    to_db((energy / samples.max(1) as f64).sqrt())
}

/// What the windows of a play say together, each with the instant at which it began; `None` where it cannot be told. Heard is what half of
/// those that can tell have heard by the same way; a few that have make silence doubtful.
pub fn judge(windows: &[(i64, Window)]) -> Option<Finding> {
    let (mut matches, mut floors) = (vec![], vec![]);
    for (at_ns, window) in windows {
        match *window {
            Window::Match { gain_db, delay_ms, correlation } => {
                matches.push((*at_ns, gain_db, delay_ms, correlation));
            }
            Window::NoMatch { floor_db } => floors.push(floor_db),
            Window::Useless => {}
        }
    }
    let useful = matches.len() + floors.len();
    let surest = matches.iter().max_by(|a, b| a.3.total_cmp(&b.3)).copied();
    if let Some((at_ns, _, delay_ms, _)) = surest {
        matches.retain(|other| {
            let apart_s = (other.0 - at_ns).abs() as f64 * 1e-9;
            f64::from((other.2 - delay_ms).abs()) <= SAME_MS + SAME_MS_PER_S * apart_s
        });
        if matches.len() * 2 >= useful {
            let gains = matches.iter().map(|found| found.1).collect();
            let delays = matches.iter().map(|found| found.2).collect();
            return Some(Finding::Heard { gain_db: median(gains)?, delay_ms: median(delays)? });
        }
    }
    if matches.len() > 1 {
        return None;
    }
    median(floors).map(|floor_db| Finding::NotHeard { floor_db })
}

/// The middle one; of an even number the higher of the two.
pub fn median(mut of: Vec<f32>) -> Option<f32> {
    of.sort_by(f32::total_cmp);
    of.get(of.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::track::Track;
    use crate::audio::{RATE_HZ, from_db};

    struct Noise(u64);

    impl Noise {
        fn next(&mut self) -> f32 {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((self.0 >> 40) as f32 / (1u64 << 23) as f32) - 1.0
        }
    }

    /// Something like speech: syllables of a voice with a wandering pitch and of hiss, with pauses; 48 kHz.
    fn speech(seed: u64, seconds: usize) -> Vec<f32> {
        let mut noise = Noise(seed);
        let (mut phase, mut pitch, mut loud, mut voiced, mut left) = (0.0f32, 150.0f32, 0.0f32, true, 0usize);
        let (mut low, mut band) = (0.0f32, 0.0f32);
        let sample = |_| {
            if left == 0 {
                left = (4_000.0 + 6_000.0 * (noise.next() + 1.0)) as usize;
                pitch = 180.0 + 90.0 * noise.next();
                loud = (noise.next() * 0.7 + 0.3).max(0.0);
                voiced = noise.next() > -0.4;
            }
            left -= 1;
            pitch *= 1.0 + noise.next() * 2e-4;
            phase = (phase + pitch / RATE_HZ as f32).fract();
            let source = if voiced { (1.0 - 2.0 * phase) * 0.5 + 0.05 * noise.next() } else { noise.next() * 0.5 };
            // A resonance near 900 Hz.
            low += 0.12 * band;
            band += 0.12 * (source - low - 0.4 * band);
            loud * (0.5 * band + 0.2 * low)
        };
        (0..seconds * RATE_HZ as usize).map(sample).collect()
    }

    /// What comes back of it: by a delay, at a gain, with an echo, noise relative to what comes back (in the band), and a clock that runs fast.
    fn way(sent: &[f32], delay_ms: f64, gain: f32, echo: f32, snr_db: f32, ppm: f64) -> Vec<f32> {
        let filter = Interpolator::shared();
        let mut padded = vec![0.0; TAPS];
        padded.extend_from_slice(sent);
        padded.resize(sent.len() + 48_000 + TAPS, 0.0);
        let direct: Vec<f32> = (0..sent.len() + 24_000)
            .map(|frame| {
                let place = frame as f64 / (1.0 + ppm * 1e-6) - delay_ms * 48.0 + TAPS as f64;
                let first = (place.max(0.0) as usize + 1).saturating_sub(HALF_TAPS);
                padded.get(first..first + TAPS).map_or(0.0, |near| gain * filter.read(near, place.max(0.0).fract()))
            })
            .collect();
        let before = |frame: usize, frames: usize| frame.checked_sub(frames).map_or(0.0, |frame| direct[frame]);
        let echoed = |frame| direct[frame] + echo * (before(frame, 1_700) + 0.6 * before(frame, 4_111));
        let mut back: Vec<f32> = (0..direct.len()).map(echoed).collect();
        let noise = hiss(back.len());
        let level = (low_energy(&back) / low_energy(&noise)).sqrt() as f32;
        back.iter_mut().zip(noise).for_each(|(sample, noise)| *sample += noise * level * from_db(-snr_db));
        back
    }

    fn hiss(len: usize) -> Vec<f32> {
        let mut noise = Noise(99);
        (0..len).map(|_| noise.next() * 0.1).collect()
    }

    fn low_energy(samples: &[f32]) -> f64 {
        let mut track = Track::default();
        track.add(0, samples);
        energy(&track.read(0, samples.len() / 6 - 300).unwrap())
    }

    /// Cuts both into windows and judges.
    fn listen(sent: &[f32], back: &[f32]) -> (Option<Finding>, Vec<(i64, Window)>) {
        let (mut reference, mut recording) = (Track::default(), Track::default());
        let start_ns = 5_000_000_000;
        for (index, block) in sent.chunks(2_400).enumerate() {
            reference.add(start_ns + index as i64 * 50_000_000, block);
        }
        for (index, block) in back.chunks(1_111).enumerate() {
            recording.add(start_ns + (index as f64 * 1_111.0 / 48e3 * 1e9) as i64, block);
        }
        let mut comparer = Comparer::default();
        let mut windows = vec![];
        for at_ns in (0..).map(|n| start_ns + 200_000_000 + n * 2_100_000_000) {
            let Some(sent) = reference.read(at_ns, WINDOW) else { break };
            let early_ns = at_ns - EARLY as i64 * 125_000;
            let Some(back) = recording.read(early_ns, WINDOW + EARLY + LATE) else { break };
            let clipped = recording.clipped(early_ns, WINDOW + EARLY + LATE);
            windows.push((at_ns, comparer.compare(&sent, &back, clipped)));
        }
        assert!(windows.len() >= 4, "{windows:?}");
        (judge(&windows), windows)
    }

    fn heard(sent: &[f32], back: &[f32], gain_db: f32, delay_ms: f32) {
        let (finding, windows) = listen(sent, back);
        let Some(Finding::Heard { gain_db: found_db, delay_ms: found_ms }) = finding else {
            panic!("{finding:?} {windows:?}");
        };
        assert!((found_db - gain_db).abs() < 1.0, "{found_db} dB for {gain_db}: {windows:?}");
        assert!((found_ms - delay_ms).abs() < 5.0, "{found_ms} ms for {delay_ms}: {windows:?}");
    }

    #[test]
    fn what_comes_back_is_heard_by_any_way() {
        let sent = speech(1, 10);
        heard(&sent, &way(&sent, 0.0, 1.0, 0.0, 90.0, 0.0), 0.0, 0.0);
        heard(&sent, &way(&sent, 137.3, -1.0, 0.0, 40.0, 0.0), 0.0, 137.3);
        heard(&sent, &way(&sent, 480.0, from_db(-40.0), 0.3, 30.0, 0.0), -40.0, 480.0);
        heard(&sent, &way(&sent, 60.0, from_db(-20.0), 0.5, 0.0, 0.0), -20.0, 60.0);
        heard(&sent, &way(&sent, 250.0, -from_db(-6.0), 0.3, 0.0, 200.0), -6.0, 250.0);
        heard(&sent, &way(&sent, 20.0, from_db(6.0), 0.0, 20.0, -500.0), 6.0, 20.0);
        let noise = hiss(10 * 48_000);
        heard(&noise, &way(&noise, 33.3, from_db(-12.0), 0.0, 10.0, 300.0), -12.0, 33.3);
    }

    #[test]
    fn a_dead_line_and_another_programme_are_not_heard() {
        let sent = speech(1, 10);
        for back in [hiss(11 * 48_000), vec![0.0; 11 * 48_000], speech(2, 11), speech(3, 11)] {
            let (finding, windows) = listen(&sent, &back);
            assert!(matches!(finding, Some(Finding::NotHeard { .. })), "{finding:?} {windows:?}");
        }
    }

    #[test]
    fn what_would_have_been_noticed_is_told() {
        let sent = speech(1, 10);
        let (finding, _) = listen(&sent, &hiss(11 * 48_000));
        let Some(Finding::NotHeard { floor_db }) = finding else { panic!("{finding:?}") };
        // Half as loud again is noticed, and half of it is not.
        let with = |gain_db: f32| {
            let quiet = way(&sent, 50.0, from_db(gain_db), 0.0, 120.0, 0.0);
            let back: Vec<f32> = quiet.iter().zip(hiss(quiet.len())).map(|(a, b)| a + b).collect();
            matches!(listen(&sent, &back).0, Some(Finding::Heard { .. }))
        };
        assert!(with(floor_db + 8.0) && !with(floor_db - 8.0), "{floor_db} dB");
        let Some(Finding::NotHeard { floor_db }) = listen(&sent, &vec![0.0; 11 * 48_000]).0 else { panic!() };
        assert!(floor_db <= -80.0, "{floor_db}");
    }

    #[test]
    fn silence_a_steady_tone_and_a_clipped_recording_tell_nothing() {
        let silence = vec![0.0; 10 * 48_000];
        assert_eq!(listen(&silence, &hiss(11 * 48_000)).0, None);
        let tone: Vec<f32> = (0..10 * 48_000).map(|n| (n as f32 / 48.0 * std::f32::consts::TAU).sin() * 0.1).collect();
        assert_eq!(listen(&tone, &way(&tone, 10.0, 1.0, 0.0, 40.0, 0.0)).0, None);
        let sent = speech(1, 10);
        let loud: Vec<f32> = way(&sent, 10.0, 100.0, 0.0, 40.0, 0.0).iter().map(|v| v.clamp(-1.0, 1.0)).collect();
        assert_eq!(listen(&sent, &loud).0, None);
    }

    #[test]
    fn ways_that_do_not_agree_are_no_way() {
        let found = |delay_ms| Window::Match { gain_db: -3.0, delay_ms, correlation: 0.5 };
        let none = Window::NoMatch { floor_db: -50.0 };
        let second = |n: i64, window| (n * 1_000_000_000, window);
        assert!(matches!(judge(&[second(0, found(20.0)), second(4, none)]), Some(Finding::Heard { .. })));
        let apart = [second(0, found(20.0)), second(4, found(300.0)), second(8, none)];
        assert_eq!(judge(&apart), Some(Finding::NotHeard { floor_db: -50.0 }));
        let sometimes: Vec<_> = (0..6).map(|n| second(n * 4, if n < 2 { found(20.0) } else { none })).collect();
        assert_eq!(judge(&sometimes), None, "it came and went");
        assert_eq!(judge(&[second(0, Window::Useless)]), None);
    }
}
