//! What time it is, and how far that may be wrong.
//!
//! The center's Unix time is monotonic time plus an offset. Each exchange of four timestamps bounds that offset from both sides,
//! since no message arrives before it was sent: `arrived - sent` is never below it and `answered - received` never above. Bounds widen with age by the
//! worst rate at which a board's oscillator may drift; their intersection is the estimate with its error (the interval
//! method of Marzullo, as in NTP's selection, RFC 5905, 11.2.1). Separate minima of the two directions make it robust against jitter that
//! differs between them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::protocol::message::ClockAnswer;

/// Worst relative rate between this board's monotonic clock and the center's: 100 ppm.
const DRIFT: f64 = 100e-6;
/// A contradiction is believed after so many answers over so long a time.
const CONVINCING: usize = 8;
const CONVINCING_NS: i64 = 60_000_000_000;
/// Exchanges kept.
const WINDOW: usize = 128;
/// A round trip longer than this says nothing useful.
const MAX_ROUND_TRIP_NS: i64 = 10_000_000_000;

/// Bounds on the offset (Unix ns minus monotonic ns) as known at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    pub low_ns: i64,
    pub high_ns: i64,
    pub at_mono_ns: i64,
}

/// An offset with how far it may be wrong either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    pub offset_ns: i64,
    pub error_ns: i64,
}

impl Bound {
    /// From an offset known to within `error_ns` at `at_mono_ns`.
    pub fn around(offset_ns: i64, error_ns: i64, at_mono_ns: i64) -> Self {
        Self { low_ns: offset_ns.saturating_sub(error_ns), high_ns: offset_ns.saturating_add(error_ns), at_mono_ns }
    }

    fn at(&self, now_mono_ns: i64) -> (i64, i64) {
        let slack = (now_mono_ns.abs_diff(self.at_mono_ns) as f64 * DRIFT) as i64;
        (self.low_ns.saturating_sub(slack), self.high_ns.saturating_add(slack))
    }
}

#[derive(Debug, Default)]
pub struct Clock {
    bounds: VecDeque<Bound>,
    /// Answers that contradict all that is known. They are believed only when they agree with each other for long enough: one false
    /// answer must not make a speaker take the future for the past.
    contradiction: Vec<Bound>,
    system: Option<Bound>,
}

/// A center that is further off than this from a synchronised system clock is not believed.
const VETO_NS: i64 = 2_000_000_000;

impl Clock {
    /// Takes an answer that arrived at `received_mono_ns`; false if it makes no sense.
    pub fn learn(&mut self, answer: &ClockAnswer, received_mono_ns: i64) -> bool {
        // What lies outside the years 1970 to 2200 is no answer, and keeps the sums below from overflowing.
        let sane = (0..7_258_118_400_000_000_000).contains(&answer.arrived_unix_ns) && answer.sent_mono_ns >= 0;
        let round_trip = received_mono_ns.saturating_sub(answer.sent_mono_ns);
        let at_center = answer.answered_unix_ns.saturating_sub(answer.arrived_unix_ns);
        if !sane || !(0..=MAX_ROUND_TRIP_NS).contains(&round_trip) || at_center < 0 || at_center > round_trip {
            return false;
        }
        // What the center saw was so when it saw it: since then the two may have drifted apart for the length of the round trip.
        let since_ns = (round_trip as f64 * DRIFT).ceil() as i64;
        let bound = Bound {
            low_ns: answer.answered_unix_ns.saturating_sub(received_mono_ns).saturating_sub(since_ns),
            high_ns: answer.arrived_unix_ns.saturating_sub(answer.sent_mono_ns).saturating_add(since_ns),
            at_mono_ns: received_mono_ns,
        };
        // A clock that others keep (NTP, a receiver) is not talked out of the time by the center.
        if let Some((low, high)) = self.system.map(|system| system.at(received_mono_ns))
            && (bound.low_ns > high.saturating_add(VETO_NS) || bound.high_ns < low.saturating_sub(VETO_NS))
        {
            return false;
        }
        self.add(bound);
        true
    }

    /// Takes a bound from elsewhere: one stored earlier in this boot.
    pub fn add(&mut self, bound: Bound) {
        let now_ns = bound.at_mono_ns;
        let agrees = |(low, high): (i64, i64)| bound.low_ns <= high && bound.high_ns >= low;
        if intersection(self.bounds.iter(), now_ns).is_none_or(agrees) {
            self.contradiction.clear();
            if self.bounds.len() == WINDOW {
                self.bounds.pop_front();
            }
            self.bounds.push_back(bound);
            return;
        }
        // The center's clock was set, or somebody lies.
        if !intersection(self.contradiction.iter(), now_ns).is_none_or(agrees) {
            self.contradiction.clear();
        }
        self.contradiction.push(bound);
        let since_ns = now_ns.saturating_sub(self.contradiction[0].at_mono_ns);
        if self.contradiction.len() >= CONVINCING && since_ns >= CONVINCING_NS {
            self.bounds = std::mem::take(&mut self.contradiction).into();
        }
        self.contradiction.truncate(WINDOW);
    }

    /// Says what the system clock is worth now, or that it is worth nothing.
    pub fn set_system(&mut self, bound: Option<Bound>) {
        self.system = bound;
    }

    /// The best estimate at `now_mono_ns`: the center's, or the system's where that is tighter.
    pub fn estimate(&self, now_mono_ns: i64) -> Option<Estimate> {
        let middle = |(low, high): (i64, i64)| Estimate {
            offset_ns: low.midpoint(high),
            error_ns: (high.saturating_sub(low) / 2).max(0),
        };
        let center = intersection(self.bounds.iter(), now_mono_ns).map(middle);
        let system = self.system.map(|bound| middle(bound.at(now_mono_ns)));
        match (center, system) {
            (Some(center), Some(system)) if system.error_ns < center.error_ns => Some(system),
            (None, system) => system,
            (center, _) => center,
        }
    }
}

/// What all bounds allow at once, each widened by its age.
fn intersection<'a>(bounds: impl Iterator<Item = &'a Bound>, now_mono_ns: i64) -> Option<(i64, i64)> {
    bounds.map(|bound| bound.at(now_mono_ns)).reduce(|(low, high), (l, h)| (low.max(l), high.min(h)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn answer(offset: i64, sent: i64, there: i64, back: i64) -> (ClockAnswer, i64) {
        let arrived_unix_ns = sent + there + offset;
        let answer =
            ClockAnswer { sequence: 0, sent_mono_ns: sent, arrived_unix_ns, answered_unix_ns: arrived_unix_ns + 1000 };
        (answer, sent + there + 1000 + back)
    }

    #[test]
    fn jitter_that_differs_by_direction_is_seen_through_and_the_truth_stays_inside_the_bound() {
        let truth = 1_790_000_000 * SECOND;
        let mut random = 12345u64;
        let mut jitter = |most: i64| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) as i64 % most
        };
        let mut clock = Clock::default();
        let mut now = 0;
        for n in 0..128 {
            // 80 ppm of real drift, 0-200 ms there, 0-20 ms back
            let drifted = truth + (n * SECOND / 10) * 80 / 1_000_000;
            let (a, received) = answer(drifted, n * SECOND / 10, jitter(200_000_000), jitter(20_000_000));
            assert!(clock.learn(&a, received));
            now = received;
        }
        let estimate = clock.estimate(now).unwrap();
        let error = (estimate.offset_ns - (truth + now * 80 / 1_000_000)).abs();
        assert!(error <= estimate.error_ns, "{error} > {}", estimate.error_ns);
        assert!(estimate.error_ns < 5_000_000, "{}", estimate.error_ns);
        // with nothing new, certainty fades at the drift rate
        let later = clock.estimate(now + 3600 * SECOND).unwrap();
        assert!(later.error_ns > 350_000_000, "{}", later.error_ns);
    }

    #[test]
    fn a_long_way_back_leaves_the_truth_inside_the_bound() {
        // Nothing there, nine seconds back, and the center's clock gains 99 ppm all the while.
        let (there, back) = (0, 9 * SECOND);
        let mut clock = Clock::default();
        let (a, received) = answer(1000 * SECOND, SECOND, there, back);
        assert!(clock.learn(&a, received));
        let truth = 1000 * SECOND + back * 99 / 1_000_000;
        let estimate = clock.estimate(received).unwrap();
        assert!((estimate.offset_ns - truth).abs() <= estimate.error_ns, "{estimate:?}, but it is {truth}");
    }

    #[test]
    fn one_false_answer_moves_nothing_and_a_clock_that_was_really_set_is_followed_within_two_minutes() {
        let mut clock = Clock::default();
        let tell = |clock: &mut Clock, offset, at| {
            let (a, received) = answer(offset, at, 1_000_000, 1_000_000);
            clock.learn(&a, received);
            clock.estimate(received).unwrap().offset_ns
        };
        let near = |offset: i64, truth: i64| (offset - truth).abs() <= 2_000_000;
        assert!(near(tell(&mut clock, 1000 * SECOND, 0), 1000 * SECOND));
        assert!(near(tell(&mut clock, 9_000_000 * SECOND, SECOND), 1000 * SECOND), "thirteen weeks ahead, says one");
        assert!(near(tell(&mut clock, 1000 * SECOND, 2 * SECOND), 1000 * SECOND));
        for n in 0..8 {
            tell(&mut clock, 5000 * SECOND, (10 + n * 16) * SECOND);
        }
        assert!(near(tell(&mut clock, 5000 * SECOND, 200 * SECOND), 5000 * SECOND));
    }

    #[test]
    fn answers_that_cannot_be_are_ignored() {
        let mut clock = Clock::default();
        let good = ClockAnswer { sequence: 0, sent_mono_ns: 100, arrived_unix_ns: 10, answered_unix_ns: 20 };
        assert!(!clock.learn(&good, 50), "received before sent");
        assert!(!clock.learn(&ClockAnswer { answered_unix_ns: 5, ..good }, 200), "answered before it arrived");
        assert!(!clock.learn(&ClockAnswer { answered_unix_ns: 10_000, ..good }, 200), "longer there than away");
        assert!(clock.estimate(0).is_none());
    }
}
