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
}

impl Source {
    pub fn open(path: &Path) -> Result<Self, DecodeError> {
        Self::new(Decoder::open(path)?)
    }

    pub fn new(decoder: Decoder) -> Result<Self, DecodeError> {
        let rate_hz = decoder.rate_hz();
        let resampler = Resampler::new(rate_hz).map_err(|_| DecodeError::OutOfRange { rate_hz, channels: 1 })?;
        Ok(Self { decoder, resampler, packet: vec![], ended: false })
    }

    /// Appends the next block to `out`; false when there is no more.
    pub fn next(&mut self, out: &mut Vec<f32>) -> bool {
        if self.ended {
            return false;
        }
        self.packet.clear();
        if self.decoder.next(&mut self.packet) {
            self.resampler.push(&self.packet, out);
        } else {
            self.ended = true;
            self.resampler.finish(out);
        }
        true
    }

    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// How much of the file is done, 0 to 1, where the container says how long it is.
    pub fn progress(&self) -> Option<f32> {
        let declared = self.decoder.declared_frames().filter(|frames| *frames > 0)?;
        Some((self.decoder.decoded_frames() as f32 / declared as f32).min(1.0))
    }
}

/// Length in whole milliseconds, rounded up, of this many frames at the broadcast rate.
pub fn duration_ms(frames: u64) -> i64 {
    (frames * 1000).div_ceil(u64::from(RATE_HZ)) as i64
}
