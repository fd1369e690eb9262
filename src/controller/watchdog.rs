//! Whether this program is alive, so that systemd's watchdog is fed only then: the loop turns, and the sound does.
//!
//! Feeds nobody itself. A loop that does not turn, because a write to a dead card hangs, cannot come here, so the store needs no question of
//! its own; a full disk is reported and no reason to start again. A missing device is none either: a pole without a card would restart for
//! ever, and would not even tell.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::error;

use super::player::Pulse;

/// When something last moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    pub count: u64,
    pub moved_mono_ns: i64,
}

impl Beat {
    fn see(&mut self, count: u64, now_mono_ns: i64) {
        if count != self.count {
            *self = Self { count, moved_mono_ns: now_mono_ns };
        }
    }

    fn is_still(&self, patience_ns: i64, now_mono_ns: i64) -> bool {
        now_mono_ns.saturating_sub(self.moved_mono_ns) > patience_ns
    }
}

/// Where there is an output that works, it must go on asking for samples; where there is none, the mixer must go on looking for one. An output that has
/// never asked since the start of this program is no output: another start would find it the same.
pub fn is_alive(output: Beat, mixer: Beat, output_works: bool, patience_ns: i64, now_mono_ns: i64) -> bool {
    let judged = if output_works && output.count > 0 { output } else { mixer };
    !judged.is_still(patience_ns, now_mono_ns)
}

/// Looks at the pulse of the sound.
#[derive(Debug)]
pub struct Watch {
    pulse: Arc<Pulse>,
    patience_ns: i64,
    output: Beat,
    mixer: Beat,
    output_works: bool,
    told: bool,
}

impl Watch {
    pub fn new(pulse: Arc<Pulse>, patience: Duration, now_mono_ns: i64) -> Self {
        let still = Beat { count: 0, moved_mono_ns: now_mono_ns };
        let patience_ns = i64::try_from(patience.as_nanos()).unwrap_or(i64::MAX);
        Self { pulse, patience_ns, output: still, mixer: still, output_works: false, told: false }
    }

    /// What the player says of its output. One that was opened just now has time to begin.
    pub fn note_output(&mut self, works: bool, now_mono_ns: i64) {
        self.output_works = works;
        self.output.moved_mono_ns = now_mono_ns;
    }

    pub fn is_alive(&mut self, now_mono_ns: i64) -> bool {
        self.look(now_mono_ns);
        let alive = is_alive(self.output, self.mixer, self.output_works, self.patience_ns, now_mono_ns);
        if !alive && !self.told {
            error!("the sound hangs; the watchdog is not fed any more");
        }
        self.told = !alive;
        alive
    }

    /// Whether an output that is said to work takes nothing.
    pub fn is_stalled(&mut self, now_mono_ns: i64) -> bool {
        self.look(now_mono_ns);
        self.output_works && self.output.is_still(self.patience_ns, now_mono_ns)
    }

    fn look(&mut self, now_mono_ns: i64) {
        self.output.see(self.pulse.output.load(Ordering::Relaxed), now_mono_ns);
        self.mixer.see(self.pulse.mixer.load(Ordering::Relaxed), now_mono_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_that_hangs_is_death_and_a_missing_device_is_not() {
        let beat = |count, moved_mono_ns| Beat { count, moved_mono_ns };
        for (output, mixer, works, alive, what) in [
            (beat(9, 95), beat(9, 95), true, true, "all is well"),
            (beat(9, 80), beat(9, 99), true, false, "the device hangs"),
            (beat(9, 95), beat(9, 10), true, true, "the mixer closes a device, and sound goes on"),
            (beat(9, 10), beat(9, 95), false, true, "the device is gone and looked for"),
            (beat(9, 10), beat(9, 10), false, false, "nobody looks for it"),
            (beat(0, 10), beat(9, 95), true, true, "one that never worked is no reason to start again"),
            (beat(0, 10), beat(9, 10), true, false, "the mixer hangs"),
        ] {
            assert_eq!(is_alive(output, mixer, works, 10, 100), alive, "{what}");
        }
    }

    #[test]
    fn the_pulse_is_followed_and_a_device_that_comes_back_has_time() {
        let pulse = Arc::new(Pulse::default());
        let mut watch = Watch::new(pulse.clone(), Duration::from_nanos(10), 0);
        assert!(watch.is_alive(10) && !watch.is_alive(11));
        let both = |watch: &mut Watch, now| {
            pulse.output.fetch_add(1, Ordering::Relaxed);
            pulse.mixer.fetch_add(1, Ordering::Relaxed);
            watch.is_alive(now)
        };
        watch.note_output(true, 12);
        assert!(both(&mut watch, 20) && watch.is_alive(30) && !watch.is_stalled(30));
        assert!(!watch.is_alive(31) && watch.is_stalled(31));
        // Gone, and looked for; then opened, and it has not begun yet.
        watch.note_output(false, 40);
        pulse.mixer.fetch_add(1, Ordering::Relaxed);
        assert!(watch.is_alive(40) && !watch.is_stalled(60));
        watch.note_output(true, 70);
        assert!(watch.is_alive(80) && !watch.is_alive(81));
    }
}
