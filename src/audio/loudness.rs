//! Loudness of a whole item by EBU R128, and the gain that brings it to the common level.

use ebur128::{EbuR128, Mode};

use super::RATE_HZ;

/// Integrated loudness that every item is brought to. Horns carry speech: this is the level of podcasts and mobile
/// listening (AES TD1008), louder than EBU R128's -23 for broadcast, since horns have no volume knob on the listener's side.
pub const TARGET_LUFS: f64 = -16.0;
/// True peaks stay below this (EBU R128, -1 dBTP).
pub const PEAK_DBTP: f64 = -1.0;
/// Quieter than this is silence to a listener on the street.
pub const SILENCE_LUFS: f64 = -60.0;

pub struct LoudnessMeter(EbuR128);

/// What was measured over the whole item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loudness {
    /// Integrated loudness; negative infinity for silence or less than 0.4 s.
    pub integrated_lufs: f64,
    pub true_peak_dbtp: f64,
}

impl LoudnessMeter {
    pub fn new() -> Result<Self, String> {
        EbuR128::new(1, RATE_HZ, Mode::I | Mode::TRUE_PEAK).map(Self).map_err(|e| e.to_string())
    }

    pub fn add(&mut self, samples: &[f32]) -> Result<(), String> {
        self.0.add_frames_f32(samples).map_err(|e| e.to_string())
    }

    pub fn finish(&self) -> Result<Loudness, String> {
        let peak = self.0.true_peak(0).map_err(|e| e.to_string())?;
        Ok(Loudness {
            integrated_lufs: self.0.loudness_global().map_err(|e| e.to_string())?,
            true_peak_dbtp: 20.0 * peak.max(1e-6).log10(),
        })
    }
}

impl Loudness {
    /// The gain in dB to [`TARGET_LUFS`], held back where peaks would pass [`PEAK_DBTP`]; 0 for silence.
    pub fn gain_db(&self) -> f32 {
        if self.integrated_lufs < SILENCE_LUFS {
            return 0.0;
        }
        let gain = (TARGET_LUFS - self.integrated_lufs).min(PEAK_DBTP - self.true_peak_dbtp);
        (gain.clamp(-40.0, 30.0) * 100.0).round() as f32 / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_1_khz_sine_at_minus_23_dbfs_measures_as_ebu_tech_3341_says() {
        // Tech 3341 case 1: stereo sine at -23 dBFS gives -23 LUFS; one channel alone is 3.01 LU less.
        let amplitude = 10f64.powf(-23.0 / 20.0);
        let sine = |n: usize| ((n as f64 * 1000.0 * std::f64::consts::TAU / 48_000.0).sin() * amplitude) as f32;
        let mut meter = LoudnessMeter::new().unwrap();
        meter.add(&(0..48_000 * 5).map(sine).collect::<Vec<_>>()).unwrap();
        let loudness = meter.finish().unwrap();
        assert!((loudness.integrated_lufs + 26.01).abs() < 0.1, "{loudness:?}");
        assert!((loudness.true_peak_dbtp + 23.0).abs() < 0.2, "{loudness:?}");
        assert!((loudness.gain_db() - 10.0).abs() < 0.15);
    }

    #[test]
    fn gain_never_drives_peaks_over_the_limit_and_leaves_silence_alone() {
        let peaky = Loudness { integrated_lufs: -30.0, true_peak_dbtp: -3.0 };
        assert_eq!(peaky.gain_db(), 2.0);
        let silence = Loudness { integrated_lufs: f64::NEG_INFINITY, true_peak_dbtp: -120.0 };
        assert_eq!(silence.gain_db(), 0.0);
    }
}
