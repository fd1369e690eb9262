//! A file as mono samples at the broadcast rate: decoder and resampler joined.

use std::path::Path;

use super::RATE_HZ;
use super::decode::{DecodeError, Decoder};
use super::resample::Resampler;

#[derive(Debug)]
pub struct Source {
    decoder: Decoder,
    resampler: Resampler,
    packet: Vec<f32>,
    ended: bool,
    /// Frames still to be thrown away.
    to_skip: u64,
}

impl Source {
    pub fn open(path: &Path) -> Result<Self, DecodeError> {
        Self::new(Decoder::open(path)?)
    }

    pub fn new(decoder: Decoder) -> Result<Self, DecodeError> {
        let rate_hz = decoder.rate_hz();
        let resampler = Resampler::new(rate_hz).map_err(|_| DecodeError::OutOfRange { rate_hz, channels: 1 })?;
        Ok(Self { decoder, resampler, packet: vec![], ended: false, to_skip: 0 })
    }

    /// Begins `ms` into the file; to be called before the first block is taken.
    pub fn skip(&mut self, ms: i64) {
        let frames = |ms: f64| (ms.max(0.0) * f64::from(RATE_HZ) / 1000.0).round() as u64;
        let at_ms = self.decoder.seek_before(ms).filter(|at_ms| *at_ms <= ms as f64).unwrap_or(0.0);
        self.to_skip = frames(ms as f64 - at_ms);
    }

    /// Appends the next block to `out`; false when there is no more.
    pub fn next(&mut self, out: &mut Vec<f32>) -> bool {
        let before = out.len();
        let more = self.block(out);
        if self.to_skip > 0 {
            let skipped = (out.len() - before).min(usize::try_from(self.to_skip).unwrap_or(usize::MAX));
            out.drain(before..before + skipped);
            self.to_skip -= skipped as u64;
        }
        more
    }

    /// What was decoded for the block just taken, at the file's own rate.
    pub fn decoded(&self) -> &[f32] {
        &self.packet
    }

    fn block(&mut self, out: &mut Vec<f32>) -> bool {
        if self.ended {
            return false;
        }
        self.packet.clear();
        if self.decoder.next(&mut self.packet) {
            self.resampler.push(&self.packet, out);
        } else {
            self.ended = true;
            self.packet.clear();
            self.resampler.finish(out);
        }
        true
    }

    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Frames at the broadcast rate that could not be decoded or are not there, so far; silence sounds in their places.
    pub fn lost_frames(&self) -> u64 {
        self.at_broadcast_rate(self.decoder.lost_frames())
    }

    /// Frames at the broadcast rate that should have come before the end and did not; known once there is no more.
    pub fn cut_off_frames(&self) -> u64 {
        self.at_broadcast_rate(self.decoder.cut_off_frames())
    }

    fn at_broadcast_rate(&self, frames: u64) -> u64 {
        let scaled = u128::from(frames) * u128::from(RATE_HZ) / u128::from(self.decoder.rate_hz().max(1));
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// How much of the file is done, 0 to 1, where the container says how long it is.
    pub fn progress(&self) -> Option<f32> {
        self.decoder.progress()
    }
}

/// Length in whole milliseconds, rounded up, of this many frames at the broadcast rate.
pub fn duration_ms(frames: u64) -> i64 {
    (frames * 1000).div_ceil(u64::from(RATE_HZ)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut source: Source) -> Vec<f32> {
        let mut samples = vec![];
        while source.next(&mut samples) {}
        samples
    }

    #[test]
    fn skipping_gives_the_very_sound_that_decoding_from_the_start_gives() {
        let audio = Path::new(env!("CARGO_MANIFEST_DIR")).join("playlists/audio");
        for name in ["cat-nuoc.opus", "tiem-chung.flac", "sot-xuat-huyet.mp3"] {
            let path = audio.join(name);
            let whole = all(Source::open(&path).unwrap());
            for ms in [0, 20, 1_234, 3_000] {
                let mut source = Source::open(&path).unwrap();
                source.skip(ms);
                let rest = all(source);
                let from = (ms * i64::from(RATE_HZ) / 1000) as usize;
                assert!(rest.len().abs_diff(whole.len() - from) <= 96, "{name} from {ms} ms: {} frames", rest.len());
                // Decoders with a memory differ a little at first; after a moment it is the same wave in the same place.
                let (a, b) = (&whole[from + 9_600..from + 48_000], &rest[9_600..48_000]);
                let error: f32 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
                let power: f32 = a.iter().map(|x| x * x).sum();
                assert!(error < power / 100.0, "{name} from {ms} ms: {error} of {power}");
            }
        }
    }
}
