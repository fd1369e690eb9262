//! Level of a run of samples: root mean square and peak.

use super::to_db;

#[derive(Debug, Clone, Copy, Default)]
pub struct Meter {
    squares: f64,
    peak: f32,
    frames: u64,
}

impl Meter {
    pub fn add(&mut self, samples: &[f32]) {
        for sample in samples {
            self.squares += f64::from(*sample) * f64::from(*sample);
            self.peak = self.peak.max(sample.abs());
        }
        self.frames += samples.len() as u64;
    }

    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Root mean square in dB relative to full scale; -120 for silence or nothing.
    pub fn level_dbfs(&self) -> f32 {
        to_db((self.squares / self.frames.max(1) as f64).sqrt())
    }

    pub fn peak_dbfs(&self) -> f32 {
        to_db(f64::from(self.peak))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_scale_square_is_0_db_and_silence_is_the_floor() {
        let mut meter = Meter::default();
        assert_eq!(meter.level_dbfs(), -120.0);
        meter.add(&[1.0, -1.0, 1.0, -1.0]);
        assert_eq!((meter.level_dbfs(), meter.peak_dbfs(), meter.frames()), (0.0, 0.0, 4));
        meter.add(&[0.0; 12]);
        assert!((meter.level_dbfs() + 6.02).abs() < 0.01);
    }
}
