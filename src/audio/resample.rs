//! Brings mono samples of any rate to the broadcast rate, a block at a time (rubato's FFT resampler).

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

use super::RATE_HZ;

const BLOCK_FRAMES: usize = 1024;

/// A running conversion; passes samples through untouched where the rates agree.
pub struct Resampler {
    from_hz: u32,
    fft: Option<Fft<f32>>,
    waiting: Vec<f32>,
    block: Vec<f32>,
    /// Output frames still to drop: the filter's own delay.
    delay: usize,
    taken: u64,
    given: u64,
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resampler").field("from_hz", &self.from_hz).finish()
    }
}

impl Resampler {
    pub fn new(from_hz: u32) -> Result<Self, String> {
        let (mut delay, mut block, mut fft) = (0, vec![], None);
        if from_hz != RATE_HZ {
            let made = Fft::<f32>::new(from_hz as usize, RATE_HZ as usize, BLOCK_FRAMES, 1, FixedSync::Input)
                .map_err(|e| format!("{from_hz} Hz cannot be converted: {e}"))?;
            delay = made.output_delay();
            block = vec![0.0; made.output_frames_max()];
            fft = Some(made);
        }
        Ok(Self { from_hz, fft, waiting: vec![], block, delay, taken: 0, given: 0 })
    }

    /// Takes `input` and appends what is ready to `out`.
    pub fn push(&mut self, input: &[f32], out: &mut Vec<f32>) {
        self.taken += input.len() as u64;
        if self.fft.is_none() {
            self.given += input.len() as u64;
            out.extend_from_slice(input);
            return;
        }
        self.waiting.extend_from_slice(input);
        let mut from = 0;
        while let Some(needed) = self.fft.as_ref().map(|fft| fft.input_frames_next()) {
            if self.waiting.len() - from < needed {
                break;
            }
            self.convert(from, needed, u64::MAX, out);
            from += needed;
        }
        self.waiting.drain(..from);
    }

    /// Gives what is left, so that the whole is as long as the input was.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        let wanted = (self.taken * u64::from(RATE_HZ)).div_ceil(u64::from(self.from_hz.max(1)));
        while self.given < wanted {
            let Some(needed) = self.fft.as_ref().map(|fft| fft.input_frames_next()) else { return };
            self.waiting.resize(needed, 0.0);
            let before = self.given;
            self.convert(0, needed, wanted, out);
            self.waiting.clear();
            if self.given == before && self.delay == 0 {
                return;
            }
        }
    }

    fn convert(&mut self, from: usize, frames: usize, most: u64, out: &mut Vec<f32>) {
        let Some(fft) = &mut self.fft else { return };
        let block_len = self.block.len();
        let made = InterleavedSlice::new(&self.waiting[from..from + frames], 1, frames).ok().and_then(|input| {
            let mut output = InterleavedSlice::new_mut(&mut self.block, 1, block_len).ok()?;
            fft.process_into_buffer(&input, &mut output, None::<&Indexing>).ok()
        });
        let Some((_, made)) = made else { return };
        let skipped = self.delay.min(made);
        self.delay -= skipped;
        let kept = ((made - skipped) as u64).min(most - self.given) as usize;
        out.extend_from_slice(&self.block[skipped..skipped + kept]);
        self.given += kept as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_its_level_its_place_and_its_length() {
        for from_hz in [8_000, 22_050, 44_100, 48_000, 96_000] {
            let tone = |rate: u32, n: usize| (n as f32 * 440.0 * std::f32::consts::TAU / rate as f32).sin() * 0.5;
            let input: Vec<f32> = (0..from_hz as usize).map(|n| tone(from_hz, n)).collect();
            let mut resampler = Resampler::new(from_hz).unwrap();
            let mut output = vec![];
            input.chunks(777).for_each(|block| resampler.push(block, &mut output));
            resampler.finish(&mut output);
            assert_eq!(output.len(), RATE_HZ as usize, "{from_hz}");
            // away from the edges, sample by sample
            let worst = (4_000..44_000).map(|n| (output[n] - tone(RATE_HZ, n)).abs()).fold(0.0, f32::max);
            assert!(worst < 0.003, "{from_hz} Hz: off by {worst}");
        }
    }
}
