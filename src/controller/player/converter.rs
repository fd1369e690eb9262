//! How fast the converter really runs, and when what is given to it now will be heard.
//!
//! The device's timestamps tremble by some ten microseconds; a horn that followed each of them would warble. An alpha-beta filter
//! (the gains of a least-squares line over the first buffers, then those of a window of 20 s) gives a steady line through them.

use crate::audio::RATE_HZ;

pub const NS_PER_FRAME: f64 = 1e9 / RATE_HZ as f64;
/// A timestamp that is further off than this is a jump of the device, not its trembling: 2 ms.
const JUMP_NS: f64 = 2e6;
/// Once the line is known so well, no single timestamp moves it by more than this.
const TRUST_NS: f64 = 200e3;
const TRUSTED_AFTER: u32 = 40;
const WINDOW_FRAMES: u32 = 20 * RATE_HZ;
/// No crystal is that far off; what claims so is not a converter.
const MOST_PPM: f64 = 1_000.0;

#[derive(Debug, Clone, Default)]
pub struct Converter {
    /// The instant at which the next buffer's first frame should be heard, as an offset in ns from `base_ns`.
    expected_ns: f64,
    base_ns: i64,
    /// Real length of a frame over the nominal one, less 1.
    stretch: f64,
    seen: u32,
}

/// When a buffer will be heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    pub mono_ns: i64,
    /// The device has jumped: what was known of its line is void.
    pub jumped: bool,
}

impl Converter {
    /// Takes the timestamp of a buffer of so many frames, which follows the last one; gives when it will be heard. Without a timestamp the
    /// line goes on as it was.
    pub fn buffer(&mut self, stamp_mono_ns: Option<i64>, frames: usize) -> Heard {
        let mut jumped = false;
        if let Some(stamp_ns) = stamp_mono_ns {
            let mut error_ns = (stamp_ns - self.base_ns) as f64 - self.expected_ns;
            if self.seen == 0 || error_ns.abs() > JUMP_NS {
                jumped = self.seen > 0;
                // The rate of a crystal outlives a stall of the program.
                self.seen = if jumped { self.seen.min(TRUSTED_AFTER) } else { 0 };
                (self.base_ns, self.expected_ns, error_ns) = (stamp_ns, 0.0, 0.0);
            }
            if self.seen > TRUSTED_AFTER {
                error_ns = error_ns.clamp(-TRUST_NS, TRUST_NS);
            }
            let most = (WINDOW_FRAMES / frames.max(1) as u32).max(2);
            self.seen = self.seen.saturating_add(1);
            let n = f64::from(self.seen.min(most));
            self.expected_ns += error_ns * (2.0 * (2.0 * n - 1.0) / (n * (n + 1.0))).min(1.0);
            if self.seen > 1 && frames > 0 {
                let change = error_ns * (6.0 / (n * (n + 1.0))).min(1.0) / (frames as f64 * NS_PER_FRAME);
                self.stretch = (self.stretch + change).clamp(-MOST_PPM * 1e-6, MOST_PPM * 1e-6);
            }
        }
        let heard_ns = self.expected_ns;
        self.expected_ns += frames as f64 * self.ns_per_frame();
        // Small numbers keep their nanoseconds.
        let whole_ns = heard_ns.round();
        self.base_ns += whole_ns as i64;
        self.expected_ns -= whole_ns;
        Heard { mono_ns: self.base_ns, jumped }
    }

    pub fn ns_per_frame(&self) -> f64 {
        NS_PER_FRAME * (1.0 + self.stretch)
    }

    /// How much longer a frame of this converter is than it says, as a fraction.
    pub fn stretch(&self) -> f64 {
        self.stretch
    }

    /// By how much it runs fast, in ppm, once that is known to a few.
    pub fn fast_ppm(&self) -> Option<f32> {
        (self.seen > TRUSTED_AFTER).then_some((-self.stretch * 1e6) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buffers of 2,400 frames whose stamps tremble by up to `tremble_us` either way; gives the worst error of the line in us over the
    /// last half, and the rate that was found.
    fn line(ppm: f64, tremble_us: f64, buffers: usize) -> (f64, f64) {
        let mut converter = Converter::default();
        let mut random = 1u64;
        let mut worst: f64 = 0.0;
        for n in 0..buffers {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let tremble_ns = ((random >> 40) as f64 / f64::from(1 << 23) - 1.0) * tremble_us * 1e3;
            let truth_ns = (n * 2_400) as f64 * NS_PER_FRAME / (1.0 + ppm * 1e-6) + 1e15;
            let heard = converter.buffer(Some((truth_ns + tremble_ns) as i64), 2_400);
            if n > buffers / 2 {
                assert!(!heard.jumped);
                worst = worst.max((heard.mono_ns as f64 - truth_ns).abs() / 1e3);
            }
        }
        (worst, -converter.stretch() * 1e6)
    }

    #[test]
    fn the_line_is_steadier_than_its_stamps_and_finds_the_rate() {
        for ppm in [-100.0, 0.0, 100.0] {
            let (worst_us, found) = line(ppm, 50.0, 1_200);
            assert!(worst_us < 15.0, "{ppm} ppm: {worst_us} us off");
            assert!((found - ppm).abs() < 3.0, "{ppm} ppm: found {found}");
        }
    }

    #[test]
    fn a_stall_is_a_jump_and_the_rate_outlives_it() {
        let mut converter = Converter::default();
        let at = |n: i64| n * 50_005_000;
        (0..100).for_each(|n| assert!(!converter.buffer(Some(at(n)), 2_400).jumped));
        let heard = converter.buffer(Some(at(100) + 90_000_000), 2_400);
        assert_eq!(heard, Heard { mono_ns: at(100) + 90_000_000, jumped: true });
        assert!((converter.stretch() * 1e6 - 100.0).abs() < 1.0);
        assert_eq!(converter.buffer(None, 2_400).mono_ns, at(101) + 90_000_000);
    }
}
