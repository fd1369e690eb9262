//! Reads sampled sound between its samples: what a clock correction of a few hundred ppm needs, and no more.
//!
//! A polyphase windowed sinc (J. O. Smith, *Digital Audio Resampling*): 32 taps, 512 phases with linear interpolation between
//! neighbouring phases, Kaiser window. Nothing is filtered out, since the rate hardly changes; on a whole sample the result is that sample.

use std::sync::LazyLock;

/// Samples that one reading looks at: so many up to and including the whole sample, and as many after it.
pub const HALF_TAPS: usize = 16;
pub const TAPS: usize = 2 * HALF_TAPS;
const PHASES: usize = 512;
/// Kaiser's shape: side lobes some 100 dB down.
const BETA: f64 = 10.0;

/// The filter's coefficients, worked out once.
pub struct Interpolator {
    /// `PHASES + 1` rows of `TAPS`: row p reads p / PHASES behind the whole sample.
    rows: Vec<[f32; TAPS]>,
}

impl std::fmt::Debug for Interpolator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interpolator")
    }
}

impl Default for Interpolator {
    fn default() -> Self {
        let row = |phase: usize| {
            let fraction = phase as f64 / PHASES as f64;
            let mut row = [0.0f32; TAPS];
            for (tap, coefficient) in row.iter_mut().enumerate() {
                let distance = tap as f64 - (HALF_TAPS as f64 - 1.0) - fraction;
                *coefficient = (sinc(distance) * kaiser(distance / HALF_TAPS as f64)) as f32;
            }
            row
        };
        Self { rows: (0..=PHASES).map(row).collect() }
    }
}

static SHARED: LazyLock<Interpolator> = LazyLock::new(Interpolator::default);

impl Interpolator {
    /// The one that all share; worked out when it is first asked for, which takes some milliseconds.
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// The sound `fraction` (0 to below 1) of a sample behind `near[HALF_TAPS - 1]`; `near` are the [`TAPS`] samples around it.
    /// Neither allocates nor waits.
    pub fn read(&self, near: &[f32], fraction: f64) -> f32 {
        let place = fraction * PHASES as f64;
        let (phase, between) = (place as usize, place.fract() as f32);
        let (Some(low), Some(high)) = (self.rows.get(phase), self.rows.get(phase + 1)) else { return 0.0 };
        let sum = |row: &[f32; TAPS]| near.iter().zip(row).map(|(sample, factor)| sample * factor).sum::<f32>();
        let (low, high) = (sum(low), sum(high));
        low + (high - low) * between
    }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-12 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) }
}

/// The Kaiser window at `x` from -1 to 1.
fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { bessel_i0(BETA * (1.0 - x * x).sqrt()) / bessel_i0(BETA) }
}

/// The modified Bessel function of order 0, by its series.
fn bessel_i0(x: f64) -> f64 {
    let mut term = 1.0;
    let terms = (1..64).map(|k| {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        term
    });
    1.0 + terms.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ratio in dB of a tone to what reading it at a rate that is 100 ppm off adds to it.
    fn snr_db(hz: f64) -> f64 {
        let filter = Interpolator::default();
        let tone = |place: f64| (place * hz / 48_000.0 * std::f64::consts::TAU).sin();
        let source: Vec<f32> = (0..60_000).map(|n| tone(f64::from(n)) as f32).collect();
        let (mut power, mut error) = (0.0, 0.0);
        for n in 100..50_000 {
            let place = f64::from(n) * 1.0001;
            let whole = place as usize;
            let read = filter.read(&source[whole + 1 - HALF_TAPS..=whole + HALF_TAPS], place.fract());
            power += tone(place).powi(2);
            error += (f64::from(read) - tone(place)).powi(2);
        }
        10.0 * (power / error).log10()
    }

    #[test]
    fn tones_up_to_16_khz_come_through_a_change_of_rate_90_db_above_what_it_adds() {
        for (hz, least) in [(100.0, 100.0), (1_000.0, 100.0), (8_000.0, 95.0), (16_000.0, 85.0), (20_000.0, 45.0)] {
            let found = snr_db(hz);
            assert!(found > least, "{hz} Hz: {found:.1} dB");
        }
    }

    #[test]
    fn on_a_whole_sample_it_is_that_sample() {
        let near: Vec<f32> = (0..TAPS).map(|n| n as f32 - 7.5).collect();
        assert_eq!(Interpolator::default().read(&near, 0.0), near[HALF_TAPS - 1]);
    }
}
