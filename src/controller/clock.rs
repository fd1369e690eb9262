//! What time it is, and how far that may be wrong.
//!
//! The center's Unix time is monotonic time plus an offset. Each exchange of four timestamps bounds that offset from both sides,
//! since no message arrives before it was sent: `arrived - sent` is never below it and `answered - received` never above. Bounds widen with age by the
//! worst rate at which a board's oscillator may drift; their intersection is the estimate with its error (the interval
//! method of Marzullo, as in NTP's selection, RFC 5905, 11.2.1). Separate minima of the two directions make it robust against jitter that
//! differs between them.
//!
//! Within what is certain, the most likely offset moves along a straight line: oscillators keep their rate for a while. Of all rates the one
//! is taken that leaves the widest gap between the lower bounds and the upper ones (the linear-programming method of Moon, Skelly and
//! Towsley, *Estimation and removal of clock skew from network delay measurements*, 1999, for both directions at once).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::neighbours::Reference;
use crate::domain::ids::SpeakerId;
use crate::protocol::message::ClockAnswer;

/// Worst relative rate between this board's monotonic clock and the center's: 100 ppm.
const DRIFT: f64 = 100e-6;
/// A contradiction is believed after so many answers over so long a time.
const CONVINCING: usize = 8;
const CONVINCING_NS: i64 = 60_000_000_000;
/// Exchanges kept.
const WINDOW: usize = 192;
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub offset_ns: i64,
    pub error_ns: i64,
    /// How much faster the other clock runs than CLOCK_MONOTONIC, as a fraction; 0 where that is not known.
    pub rate: f64,
}

/// A straight line through what is known of the offset.
#[derive(Debug, Clone, Copy)]
struct Fit {
    at_mono_ns: i64,
    offset_ns: i64,
    rate: f64,
}

impl Fit {
    fn offset_ns(&self, now_mono_ns: i64) -> i64 {
        let since_ns = now_mono_ns.saturating_sub(self.at_mono_ns) as f64;
        self.offset_ns.saturating_add((since_ns * self.rate) as i64)
    }
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
    fit: Option<Fit>,
    neighbour: Option<Reference>,
}

/// Whom the time is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Center,
    System,
    Neighbour(SpeakerId),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Center => f.write_str("center"),
            Self::System => f.write_str("system"),
            Self::Neighbour(speaker) => write!(f, "neighbour:{speaker}"),
        }
    }
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
            self.fit = fit(self.bounds.make_contiguous());
            return;
        }
        // The center's clock was set, or somebody lies.
        if !intersection(self.contradiction.iter(), now_ns).is_none_or(agrees) {
            self.contradiction.clear();
        }
        self.contradiction.push(bound);
        let since_ns = now_ns.saturating_sub(self.contradiction[0].at_mono_ns);
        if self.contradiction.len() >= CONVINCING && since_ns >= CONVINCING_NS {
            self.fit = fit(&self.contradiction);
            self.bounds = std::mem::take(&mut self.contradiction).into();
        }
        self.contradiction.truncate(WINDOW);
    }

    /// Says what the system clock is worth now, or that it is worth nothing.
    pub fn set_system(&mut self, bound: Option<Bound>) {
        self.system = bound;
    }

    /// Says what the neighbour knows that is to be followed, if any.
    pub fn set_neighbour(&mut self, neighbour: Option<Reference>) {
        self.neighbour = neighbour;
    }

    /// The neighbour that is followed.
    pub fn leader(&self) -> Option<&SpeakerId> {
        self.neighbour.as_ref().map(|reference| &reference.speaker)
    }

    /// What to go by at `now_mono_ns`: the neighbour that leads, as far as that is possible by what this board knows itself; else that.
    pub fn estimate(&self, now_mono_ns: i64) -> Option<Estimate> {
        let own = self.own_estimate(now_mono_ns)?;
        let Some(leader) = &self.neighbour else { return Some(own) };
        let since_ns = now_mono_ns.saturating_sub(leader.at_mono_ns);
        let told_ns = leader.offset_ns.saturating_add((since_ns as f64 * leader.rate) as i64);
        let (low, high) = (own.offset_ns.saturating_sub(own.error_ns), own.offset_ns.saturating_add(own.error_ns));
        let offset_ns = told_ns.clamp(low, high);
        let by_own_ns = high.saturating_sub(offset_ns).max(offset_ns.saturating_sub(low));
        Some(Estimate { offset_ns, error_ns: leader.error_ns.clamp(0, by_own_ns), rate: leader.rate })
    }

    /// Whom the time is from.
    pub fn source(&self, now_mono_ns: i64) -> Source {
        let center = intersection(self.bounds.iter(), now_mono_ns).map(|(low, high)| high.saturating_sub(low));
        let system = self.system.map(|bound| bound.at(now_mono_ns)).map(|(low, high)| high.saturating_sub(low));
        match (&self.neighbour, center, system) {
            (Some(leader), ..) => Source::Neighbour(leader.speaker.clone()),
            (None, Some(center), Some(system)) if system < center => Source::System,
            (None, None, Some(_)) => Source::System,
            _ => Source::Center,
        }
    }

    /// The best estimate of its own: the center's, or the system's where that is tighter.
    pub fn own_estimate(&self, now_mono_ns: i64) -> Option<Estimate> {
        let middle = |(low, high): (i64, i64)| Estimate {
            offset_ns: low.midpoint(high),
            error_ns: (high.saturating_sub(low) / 2).max(0),
            rate: 0.0,
        };
        let likely = |(low, high): (i64, i64)| match self.fit {
            Some(fit) if low <= high => {
                let offset_ns = fit.offset_ns(now_mono_ns).clamp(low, high);
                let error_ns = high.saturating_sub(offset_ns).max(offset_ns.saturating_sub(low));
                Estimate { offset_ns, error_ns, rate: fit.rate }
            }
            _ => middle((low, high)),
        };
        let center = intersection(self.bounds.iter(), now_mono_ns).map(likely);
        let system = self.system.map(|bound| middle(bound.at(now_mono_ns)));
        match (center, system) {
            (Some(center), Some(system)) if system.error_ns < center.error_ns => Some(system),
            (None, system) => system,
            (center, _) => center,
        }
    }
}

/// What a rate may have changed by since a bound was seen, as a fraction: temperature moves crystals.
const WANDER: f64 = 2e-6;
/// Of two rates that fit about as well the smaller one is taken: a rate has to explain at least what it would add in so many seconds.
const BURDEN_S: f64 = 16.0;
/// A rate that is known no better than this is no rate.
const RATE_KNOWN: f64 = 10e-6;
const RATE_STEPS: u32 = 48;

/// The line that fits best, the older half left out as often as there is none.
fn fit(mut bounds: &[Bound]) -> Option<Fit> {
    loop {
        let last = bounds.last()?;
        let near: Vec<[f64; 3]> = bounds
            .iter()
            .map(|bound| {
                let age_s = last.at_mono_ns.saturating_sub(bound.at_mono_ns) as f64 / 1e9;
                let since = |ns: i64| ns.saturating_sub(last.low_ns) as f64;
                [age_s, since(bound.low_ns), since(bound.high_ns)]
            })
            .collect();
        // At a rate (in ns a second): the highest lower bound and the lowest upper one, as of the last bound.
        let ends = |rate: f64| {
            near.iter().fold((f64::MIN, f64::MAX), |(low, high), [age_s, l, h]| {
                let (moved, wander) = (rate * age_s, WANDER * 1e9 * age_s);
                (low.max(l + moved - wander), high.min(h + moved + wander))
            })
        };
        let gap = |rate: f64| {
            let (low, high) = ends(rate);
            high - low
        };
        // The gap is a concave function of the rate, and so it stays with the burden.
        let most = DRIFT * 1e9;
        let rate = summit(-most, most, |rate| gap(rate) - BURDEN_S * rate.abs());
        if gap(rate) < 0.0 && bounds.len() > 1 {
            bounds = &bounds[bounds.len().div_ceil(2)..];
            continue;
        }
        let edge = |to: f64| {
            let (mut inside, mut outside) = (rate, to);
            for _ in 0..RATE_STEPS / 2 {
                let middle = f64::midpoint(inside, outside);
                if gap(middle) >= 0.0 { inside = middle } else { outside = middle }
            }
            inside
        };
        let known_to = (edge(most) - edge(-most)) / 2.0;
        let believed = rate * (RATE_KNOWN * 1e9 / known_to.max(1.0)).min(1.0);
        // Where the clock is now, the rate that fits best tells; how it will go on, only as far as that rate is known.
        let (low, high) = ends(rate);
        let offset_ns = last.low_ns.saturating_add(f64::midpoint(low, high) as i64);
        return Some(Fit { at_mono_ns: last.at_mono_ns, offset_ns, rate: believed / 1e9 });
    }
}

/// Where a concave function is highest between two places.
fn summit(mut low: f64, mut high: f64, height: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..RATE_STEPS {
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if height(a) < height(b) { low = a } else { high = b }
    }
    f64::midpoint(low, high)
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

    /// Exchanges over a link with so much jitter in ms there and back; the estimates of one board's clock that drifts by `ppm`, as errors in
    /// ms at each of them, with what was claimed.
    fn errors(seed: u64, ppm: i64, there_ms: i64, back_ms: i64, probes: i64) -> Vec<(f64, f64)> {
        let truth = 1_790_000_000 * SECOND;
        let mut random = seed;
        let mut jitter = |most_ms: i64| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            5_000_000 + (random >> 33) as i64 % (most_ms * 1_000_000).max(1)
        };
        let mut clock = Clock::default();
        // As the engine does: a burst, an hour at leisure, and more often before a play.
        let gap = |n: i64| if n < 12 { SECOND / 10 } else { if n < probes - 90 { 16 * SECOND } else { 2 * SECOND } };
        let mut at = 0;
        let mut sent = |n: i64| {
            at += gap(n);
            at
        };
        let probe = |n: i64| {
            let drifted = |at: i64| truth + at / 1_000_000 * ppm;
            let at = sent(n);
            let (a, received) = answer(drifted(at), at, jitter(there_ms), jitter(back_ms));
            clock.learn(&a, received);
            let estimate = clock.estimate(received).unwrap();
            let error = (estimate.offset_ns - drifted(received)).abs();
            assert!(error <= estimate.error_ns, "{error} > {}", estimate.error_ns);
            (error as f64 / 1e6, estimate.error_ns as f64 / 1e6)
        };
        (0..probes).map(probe).collect()
    }

    #[test]
    fn over_a_mobile_network_the_drift_is_learnt_and_the_time_is_known_to_a_few_milliseconds() {
        for (there_ms, back_ms) in [(200, 200), (200, 20)] {
            let mut settled: Vec<f64> = (1..40)
                .flat_map(|seed| errors(seed, seed as i64 * 5 - 100, there_ms, back_ms, 240).split_off(210))
                .map(|(error, _)| error)
                .collect();
            settled.sort_by(f64::total_cmp);
            let p95 = settled[settled.len() * 95 / 100];
            assert!(p95 < 8.0, "{there_ms}/{back_ms} ms: p95 {p95} ms");
        }
        let wired: f64 = errors(7, 100, 1, 1, 240).split_off(60).iter().map(|(error, _)| *error).fold(0.0, f64::max);
        assert!(wired < 0.5, "{wired} ms");
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
