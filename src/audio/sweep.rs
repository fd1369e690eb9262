//! Sounds that are made rather than recorded: what a test plays.

use super::{RATE_HZ, from_db};

/// A tone that moves evenly from one frequency to another (or stays, if they are the same), with soft ends.
#[derive(Debug, Clone, Copy)]
pub struct Sweep {
    pub from_hz: f32,
    pub to_hz: f32,
    pub seconds: f32,
    /// How long it takes to come, and to go.
    pub ramp_s: f32,
    pub dbfs: f32,
}

impl Sweep {
    /// Its samples, mono, at the broadcast rate.
    pub fn samples(&self) -> Vec<f32> {
        let rate = RATE_HZ as f32;
        let amplitude = from_db(self.dbfs);
        let slope = (self.to_hz - self.from_hz) / self.seconds;
        let sample = |n: u32| {
            let at_s = n as f32 / rate;
            let ramp = (at_s.min(self.seconds - at_s) / self.ramp_s).clamp(0.0, 1.0);
            // A raised cosine has no corner at either end.
            let soft = 0.5 - 0.5 * (std::f32::consts::PI * ramp).cos();
            let turns = self.from_hz * at_s + slope * at_s * at_s / 2.0;
            amplitude * soft * (std::f32::consts::TAU * turns.fract()).sin()
        };
        (0..(self.seconds * rate) as u32).map(sample).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_as_loud_and_as_long_as_said_and_soft_at_both_ends() {
        for to_hz in [440.0, 3_000.0] {
            let tone = Sweep { from_hz: 440.0, to_hz, seconds: 1.5, ramp_s: 0.1, dbfs: -30.0 }.samples();
            let peak = tone.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
            assert_eq!(tone.len(), 72_000);
            assert!((0.031..0.0317).contains(&peak), "{peak}");
            for edge in [&tone[..96], &tone[tone.len() - 96..]] {
                assert!(edge.iter().all(|sample| sample.abs() < 1e-4));
            }
        }
    }
}
