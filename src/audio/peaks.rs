//! The outline of a sound as a picture shows it: its peaks in so many equal stretches.
//!
//! How long a sound is shows only at its end, so stretches are joined by twos whenever there are too many of them.

/// Most stretches in the end.
pub const MOST: usize = 1_000;
/// How long a stretch is at first, in samples.
const FIRST: u64 = 48;

#[derive(Debug)]
pub struct Peaks {
    /// At most twice [`MOST`].
    peaks: Vec<f32>,
    /// Samples in a stretch.
    stretch: u64,
    /// Samples in the last one so far.
    in_last: u64,
}

impl Default for Peaks {
    fn default() -> Self {
        Self { peaks: Vec::with_capacity(2 * MOST), stretch: FIRST, in_last: FIRST }
    }
}

impl Peaks {
    pub fn add(&mut self, samples: &[f32]) {
        for sample in samples {
            if self.in_last == self.stretch {
                if self.peaks.len() == 2 * MOST {
                    self.halve();
                }
                self.peaks.push(0.0);
                self.in_last = 0;
            }
            if let Some(last) = self.peaks.last_mut() {
                *last = last.max(sample.abs());
            }
            self.in_last += 1;
        }
    }

    /// Only while the last stretch is full, or at the end.
    fn halve(&mut self) {
        self.peaks = self.peaks.chunks(2).map(|pair| pair.iter().copied().fold(0.0, f32::max)).collect();
        self.stretch *= 2;
        self.in_last = self.stretch;
    }

    /// 0 is silence, 255 full scale; at most [`MOST`].
    pub fn finish(mut self) -> Vec<u8> {
        if self.peaks.len() > MOST {
            self.halve();
        }
        self.peaks.iter().map(|peak| (peak.clamp(0.0, 1.0) * 255.0).round() as u8).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_any_length_there_are_few_and_each_is_in_its_place() {
        for samples in [0, 1, 47, 48, 49, 96_000, 96_001, 5_000_000] {
            let mut peaks = Peaks::default();
            // Silent but for the second half, which grows.
            let wave = |n: usize| if n < samples / 2 { 0.0 } else { n as f32 / samples as f32 };
            let wave: Vec<f32> = (0..samples).map(wave).collect();
            wave.chunks(1_001).for_each(|part| peaks.add(part));
            let peaks = peaks.finish();
            assert!(peaks.len() <= MOST, "{samples}: {}", peaks.len());
            assert_eq!(peaks.is_empty(), samples == 0);
            if samples > 1_000 {
                assert!(peaks.len() > MOST / 2, "{samples}: {}", peaks.len());
                let half = peaks.len() / 2;
                assert!(peaks[..half - 1].iter().all(|peak| *peak == 0), "{samples}");
                assert!(peaks[half + 1..].windows(2).all(|pair| pair[0] <= pair[1]), "{samples}");
                assert!(peaks[half + 1] >= 120 && *peaks.last().unwrap() >= 250, "{samples}");
            }
        }
    }
}
