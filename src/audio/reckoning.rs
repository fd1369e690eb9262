//! Reckons where in a file its sound is, and how much of it is lost: each packet names its place, so what lies between two of them and gave
//! no sound is missing.
//!
//! Files lie: what is believed, and the silence that is put in the place of what is lost, is bounded. Reads nothing and decodes nothing.

/// Sound lost in one place, without a length by which it could be checked, is believed up to this; more is a damaged time stamp.
const MAX_GAP_S: u64 = 60;
/// Silence may be as long as the sound before it and this.
const MAX_SILENCE_S: u64 = 60;

#[derive(Debug)]
pub struct Reckoning {
    rate_hz: u64,
    /// How long the file says it is, where that is exact.
    declared: Option<u64>,
    /// Where the next sample belongs.
    next: u64,
    /// To where packets came that gave no sound.
    reached: u64,
    sound: u64,
    silence: u64,
    lost: u64,
    cut_off: u64,
}

impl Reckoning {
    /// Begins at the frame `from`.
    pub fn new(rate_hz: u32, declared: Option<u64>, from: u64) -> Self {
        let rate_hz = u64::from(rate_hz.max(1));
        Self { rate_hz, declared, next: from, reached: from, sound: 0, silence: 0, lost: 0, cut_off: 0 }
    }

    /// Goes on at another place; what is passed over is not lost.
    pub fn go_to(&mut self, frame: u64) {
        (self.next, self.reached) = (frame, frame);
    }

    /// Takes a packet of `frames` frames that belongs `at`; gives how much silence is to come before it, so that it keeps its place.
    pub fn sounds(&mut self, at: u64, frames: u64) -> u64 {
        let gap = at.saturating_sub(self.next);
        let most = MAX_GAP_S * self.rate_hz;
        // Encoders round, and some cut the first packet: a few milliseconds are no damage.
        let believed =
            gap > self.rate_hz / 100 && (gap <= most || self.declared.is_some_and(|declared| at <= declared));
        let room = (self.sound + MAX_SILENCE_S * self.rate_hz).saturating_sub(self.silence);
        let silence = if believed { gap.min(room) } else { 0 };
        if believed {
            self.lost = self.lost.saturating_add(gap);
        }
        // What comes a second time, as after a jump backwards, loses nothing that follows it.
        if believed || gap <= self.rate_hz / 100 {
            self.next = self.next.max(at.saturating_add(frames));
        } else {
            self.next = self.next.saturating_add(frames);
        }
        self.sound += frames;
        self.silence += silence;
        silence
    }

    /// A packet that could not be decoded would have lasted until this frame.
    pub fn fails(&mut self, until: u64) {
        if until <= self.next.saturating_add(MAX_GAP_S * self.rate_hz) {
            self.reached = self.reached.max(until);
        }
    }

    /// Nothing more comes: what was announced, or came last and failed, is lost as well.
    pub fn ends(&mut self) {
        let end = self.declared.unwrap_or(self.reached);
        let missing = end.saturating_sub(self.next);
        if missing > self.rate_hz / 100 {
            self.cut_off = missing;
        }
        self.next = self.next.max(end);
    }

    /// How much of the file is done, from 0 to 1, where it says how long it is.
    pub fn progress(&self) -> Option<f32> {
        let declared = self.declared.filter(|frames| *frames > 0)?;
        Some((self.next as f32 / declared as f32).min(1.0))
    }

    /// Frames that belong between others and gave no sound.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Frames that were announced and did not come before the end; known only after it.
    pub fn cut_off(&self) -> u64 {
        self.cut_off
    }

    /// Frames of silence given in the place of what is lost.
    pub fn silence(&self) -> u64 {
        self.silence
    }

    pub fn sound(&self) -> u64 {
        self.sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 8_000;

    #[test]
    fn what_lies_between_packets_is_lost_and_keeps_its_place_as_silence() {
        let mut whole = Reckoning::new(8_000, Some(10 * SECOND), 0);
        assert_eq!((0..10).map(|n| whole.sounds(n * SECOND, SECOND)).sum::<u64>(), 0);
        whole.ends();
        assert_eq!((whole.lost(), whole.cut_off(), whole.sound(), whole.progress()), (0, 0, 10 * SECOND, Some(1.0)));

        let mut holed = Reckoning::new(8_000, Some(10 * SECOND), 0);
        assert_eq!(holed.sounds(SECOND, SECOND), SECOND, "the beginning");
        assert_eq!(holed.sounds(2 * SECOND + 50, SECOND), 0, "rounding");
        assert_eq!(holed.sounds(5 * SECOND, SECOND), 2 * SECOND - 50);
        assert_eq!(holed.sounds(3 * SECOND, SECOND), 0, "once more");
        assert_eq!(holed.sounds(6 * SECOND, SECOND), 0);
        holed.fails(8 * SECOND);
        holed.ends();
        assert_eq!((holed.lost(), holed.cut_off()), (3 * SECOND - 50, 3 * SECOND));

        let mut unknown = Reckoning::new(8_000, None, 0);
        unknown.sounds(0, SECOND);
        unknown.fails(2 * SECOND);
        unknown.ends();
        assert_eq!((unknown.lost(), unknown.cut_off(), unknown.progress()), (0, SECOND, None));
    }

    #[test]
    fn neither_a_wild_time_stamp_nor_many_of_them_make_silence_without_end() {
        let mut wild = Reckoning::new(8_000, None, 0);
        assert_eq!(wild.sounds(u64::MAX - 5, SECOND), 0);
        assert_eq!((wild.sounds(SECOND, SECOND), wild.lost()), (0, 0));
        let mut many = Reckoning::new(8_000, None, 0);
        for n in 0..1_000 {
            many.sounds(n * 50 * SECOND, SECOND / 10);
        }
        assert!(many.silence() <= many.sound() + MAX_SILENCE_S * SECOND, "{many:?}");
        many.fails(u64::MAX);
        many.ends();
        assert!(many.cut_off() <= MAX_GAP_S * SECOND);
    }
}
