//! Sound as numbers: decoding strangers' files, the broadcast rate, loudness, the broadcast form, levels.
//!
//! Samples are `f32`, mono, full scale 1.0, at [`RATE_HZ`] unless a function says otherwise. Nothing here knows schedules,
//! networks or sound cards.

pub mod decode;
#[cfg(feature = "center")]
pub mod encode;
#[cfg(feature = "center")]
pub mod flaws;
#[cfg(feature = "controller")]
pub mod heard;
pub mod interpolate;
pub mod limiter;
#[cfg(feature = "center")]
pub mod loudness;
pub mod m4a;
pub mod meter;
#[cfg(feature = "center")]
pub mod peaks;
pub mod reckoning;
pub mod resample;
pub mod source;
pub mod sweep;
#[cfg(feature = "controller")]
pub mod track;
pub mod wav;

/// The one rate of the broadcast form, of the playout chain and of the output.
pub const RATE_HZ: u32 = 48_000;

/// A factor for amplitudes from decibels.
pub fn from_db(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// Decibels from an amplitude; silence is -120.
pub fn to_db(amplitude: f64) -> f32 {
    (20.0 * amplitude.max(1e-6).log10()) as f32
}
