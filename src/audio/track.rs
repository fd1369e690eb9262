//! Sound that comes in blocks with instants, at the low rate and in the band in which it is compared, for some seconds.
//!
//! Knows when each sample was heard, as its blocks say; a gap begins a new run. Compares nothing, and knows no devices.

use std::collections::VecDeque;
use std::sync::LazyLock;

use super::RATE_HZ;
use super::heard::LOW_HZ;

const STEP: usize = (RATE_HZ / LOW_HZ) as usize;
const NS_PER_LOW: f64 = 1e9 / LOW_HZ as f64;
/// Blocks that follow each other worse than this do not follow each other.
const GAP_NS: f64 = 5e6;
/// Below this a sample is not at full scale.
const FULL: f32 = 0.999;
/// Nothing above 4 kHz may fold down: a windowed sinc at 48 kHz, 3.4 kHz to 4.6 kHz. Then 300 to 3000 Hz at 8 kHz.
const LOWER_TAPS: usize = 121;
const BAND_TAPS: usize = 129;
const LOWER_HZ: f64 = 3_900.0;
const BAND_HZ: (f64, f64) = (300.0, 3_000.0);

static LOWER: LazyLock<Vec<f32>> = LazyLock::new(|| low_pass(LOWER_TAPS, LOWER_HZ / f64::from(RATE_HZ)));
static BAND: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let upper = low_pass(BAND_TAPS, BAND_HZ.1 / f64::from(LOW_HZ));
    let lower = low_pass(BAND_TAPS, BAND_HZ.0 / f64::from(LOW_HZ));
    upper.iter().zip(lower).map(|(upper, lower)| upper - lower).collect()
});

/// A windowed sinc (Blackman) with a cutoff as a fraction of the rate.
fn low_pass(taps: usize, cutoff: f64) -> Vec<f32> {
    let middle = (taps - 1) as f64 / 2.0;
    let tap = |n: usize| {
        let x = n as f64 - middle;
        let angle = std::f64::consts::TAU * n as f64 / (taps - 1) as f64;
        let window = 0.42 - 0.5 * angle.cos() + 0.08 * (2.0 * angle).cos();
        let sinc = if x == 0.0 {
            2.0 * cutoff
        } else {
            (std::f64::consts::TAU * cutoff * x).sin() / (std::f64::consts::PI * x)
        };
        (sinc * window) as f32
    };
    (0..taps).map(tap).collect()
}

/// Sound without a gap.
#[derive(Debug, Default)]
struct Run {
    /// At the full rate and at the low one, what the filters still need.
    high: Vec<f32>,
    low: Vec<f32>,
    /// Full-rate samples taken in.
    taken: u64,
    /// The number of the first sample that is kept.
    first: u64,
    samples: VecDeque<f32>,
    clipped: VecDeque<u64>,
    /// The place, in low-rate samples, at which each block began, and when that was.
    blocks: VecDeque<(f64, i64)>,
}

impl Run {
    fn add(&mut self, at_ns: i64, block: &[f32]) {
        self.blocks.push_back((self.taken as f64 / STEP as f64, at_ns));
        for sample in block {
            if sample.abs() >= FULL {
                self.clipped.push_back(self.taken / STEP as u64);
            }
            self.high.push(*sample);
            self.taken += 1;
            if self.taken.is_multiple_of(STEP as u64) {
                let from = self.high.len().saturating_sub(LOWER_TAPS);
                let low = filtered(&self.high[from..], &LOWER);
                self.low.push(low);
                let from = self.low.len().saturating_sub(BAND_TAPS);
                self.samples.push_back(filtered(&self.low[from..], &BAND));
            }
        }
        keep_last(&mut self.high, LOWER_TAPS);
        keep_last(&mut self.low, BAND_TAPS);
    }

    /// When the place after the last full-rate sample is due.
    fn end_ns(&self) -> f64 {
        self.blocks
            .back()
            .map_or(0.0, |(place, at_ns)| *at_ns as f64 + (self.taken as f64 / STEP as f64 - place) * NS_PER_LOW)
    }

    fn start_ns(&self) -> i64 {
        self.blocks.front().map_or(0, |(place, at_ns)| at_ns + ((self.first as f64 - place) * NS_PER_LOW) as i64)
    }

    /// The place that was due at an instant, by the block that it fell into.
    fn place(&self, at_ns: i64) -> Option<usize> {
        let after = self.blocks.partition_point(|(_, block_ns)| *block_ns <= at_ns);
        let (place, block_ns) = self.blocks.get(after.saturating_sub(1))?;
        let place = place + (at_ns - block_ns) as f64 / NS_PER_LOW - self.first as f64;
        // A place a hair before the first sample is the first.
        (place > -1.0).then_some(place.round().max(0.0) as usize)
    }

    fn forget_before(&mut self, ns: i64) {
        let Some(place) = self.place(ns) else { return };
        let gone = place.min(self.samples.len());
        self.samples.drain(..gone);
        self.first += gone as u64;
        while self.blocks.get(1).is_some_and(|(place, _)| *place <= self.first as f64) {
            self.blocks.pop_front();
        }
        while self.clipped.front().is_some_and(|index| *index < self.first) {
            self.clipped.pop_front();
        }
    }
}

fn filtered(near: &[f32], taps: &[f32]) -> f32 {
    near.iter().rev().zip(taps).map(|(sample, tap)| sample * tap).sum()
}

fn keep_last(samples: &mut Vec<f32>, count: usize) {
    let gone = samples.len().saturating_sub(count);
    samples.drain(..gone);
}

#[derive(Debug, Default)]
pub struct Track {
    runs: VecDeque<Run>,
}

/// So many runs are kept; a device that stumbles on each block leaves nothing to compare anyway.
const MOST_RUNS: usize = 16;

impl Track {
    /// Takes a block of 48 kHz samples, the first of which was heard at `at_ns`.
    pub fn add(&mut self, at_ns: i64, block: &[f32]) {
        let follows = self.runs.back().is_some_and(|run| (run.end_ns() - at_ns as f64).abs() < GAP_NS);
        if !follows {
            self.runs.push_back(Run::default());
            if self.runs.len() > MOST_RUNS {
                self.runs.pop_front();
            }
        }
        if let Some(run) = self.runs.back_mut() {
            run.add(at_ns, block);
        }
    }

    /// So many low-rate samples from an instant on, if they are there without a gap.
    pub fn read(&self, at_ns: i64, samples: usize) -> Option<Vec<f32>> {
        let (run, place) = self.find(at_ns, samples)?;
        Some(run.samples.range(place..place + samples).copied().collect())
    }

    /// How many full-scale samples fell into these.
    pub fn clipped(&self, at_ns: i64, samples: usize) -> usize {
        let Some((run, place)) = self.find(at_ns, samples) else { return 0 };
        let from = run.first + place as u64;
        run.clipped.iter().filter(|index| (from..from + samples as u64).contains(index)).count()
    }

    fn find(&self, at_ns: i64, samples: usize) -> Option<(&Run, usize)> {
        self.runs.iter().find_map(|run| {
            let place = run.place(at_ns)?;
            (place + samples <= run.samples.len()).then_some((run, place))
        })
    }

    /// The first instant from `from_ns` on at which so many samples begin that are there without a gap.
    pub fn next_whole(&self, from_ns: i64, samples: usize) -> Option<i64> {
        self.runs.iter().map(|run| run.start_ns().max(from_ns)).find(|at_ns| self.find(*at_ns, samples).is_some())
    }

    /// Up to when there is sound.
    pub fn end_ns(&self) -> Option<i64> {
        self.runs.back().map(|run| run.end_ns() as i64)
    }

    pub fn forget_before(&mut self, ns: i64) {
        while self.runs.front().is_some_and(|run| run.end_ns() < ns as f64) {
            self.runs.pop_front();
        }
        if let Some(run) = self.runs.front_mut() {
            run.forget_before(ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, frames: usize) -> Vec<f32> {
        (0..frames).map(|n| (n as f32 * hz / 48e3 * std::f32::consts::TAU).sin()).collect()
    }

    #[test]
    fn the_band_comes_through_and_nothing_else_does() {
        for (hz, least_db, most_db) in [
            (50.0, -200.0, -40.0),
            (100.0, -200.0, -30.0),
            (600.0, -0.2, 0.2),
            (2_500.0, -0.2, 0.2),
            (3_800.0, -200.0, -50.0),
            (7_000.0, -200.0, -50.0),
            (15_000.0, -200.0, -50.0),
        ] {
            let mut track = Track::default();
            track.add(0, &tone(hz, 96_000));
            let low = track.read(1_000_000_000, 6_000).unwrap();
            let power = low.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / 6_000.0 * 2.0;
            let db = 10.0 * power.max(1e-15).log10();
            assert!((least_db..most_db).contains(&db), "{hz} Hz: {db:.1} dB");
        }
    }

    #[test]
    fn a_gap_begins_a_new_run_and_a_drift_does_not() {
        let mut track = Track::default();
        let block = tone(1_000.0, 2_400);
        // 300 ppm slow: each block comes 15 us later than the last one's length says.
        for n in 0..100 {
            track.add(n * 50_015_000, &block);
        }
        assert!(track.read(0, 39_000).is_some());
        let end_ns = track.end_ns().unwrap();
        assert!((end_ns - 5_001_500_000).abs() < 20_000, "{end_ns}");
        track.add(end_ns + 20_000_000, &block);
        assert!(track.read(end_ns - 10_000_000, 160).is_none());
        assert!(track.read(end_ns + 20_000_000, 160).is_some());
        assert_eq!(track.next_whole(end_ns - 10_000_000, 200), Some(end_ns + 20_000_000));
        track.forget_before(4_000_000_000);
        assert!(track.read(3_000_000_000, 100).is_none() && track.read(4_100_000_000, 100).is_some());
        let begins_ns = track.next_whole(0, 100).unwrap();
        assert!((begins_ns - 4_000_000_000).abs() < 200_000, "{begins_ns}");
    }
}
