//! How the parts of a running center are, as each notices it itself: since when the broker is there, what was dropped, how the last
//! round of planning went. Counters in memory, from this start on; nobody decides anything by them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc;

use super::link::Heard;

#[derive(Debug)]
pub struct Pulse {
    pub started_ms: i64,
    started: Instant,
    broker: Mutex<BrokerPulse>,
    planner: Mutex<PlannerPulse>,
    heard: OnceLock<mpsc::WeakSender<Heard>>,
    dropped: AtomicU64,
    carousel: (AtomicU64, AtomicU64),
}

/// The center's own connection to the broker.
#[derive(Debug, Clone, Copy, Default)]
pub struct BrokerPulse {
    /// Since when it is as it is; absent before the first answer.
    pub since_ms: Option<i64>,
    pub connected: bool,
    /// How often it was made.
    pub connections: u64,
}

#[derive(Debug, Clone, Default)]
pub struct PlannerPulse {
    /// When the last round ended.
    pub at_ms: Option<i64>,
    pub took_ms: i64,
    /// Plans that it made new.
    pub made: u64,
    /// Why it failed, if it did.
    pub problem: Option<String>,
}

impl Pulse {
    pub fn new(now_ms: i64) -> Self {
        Self {
            started_ms: now_ms,
            started: Instant::now(),
            broker: Mutex::default(),
            planner: Mutex::default(),
            heard: OnceLock::new(),
            dropped: AtomicU64::new(0),
            carousel: <_>::default(),
        }
    }

    pub fn up_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// How far the system's clock has been set, beyond going on by itself, since the start.
    pub fn clock_moved_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.started_ms).saturating_sub(self.up_ms())
    }

    pub fn broker_is(&self, connected: bool, now_ms: i64) {
        let mut broker = self.broker.lock().unwrap_or_else(PoisonError::into_inner);
        if broker.since_ms.is_none() || broker.connected != connected {
            (broker.since_ms, broker.connected) = (Some(now_ms), connected);
        }
        broker.connections += u64::from(connected);
    }

    pub fn broker(&self) -> BrokerPulse {
        *self.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A round of planning that began at `from_ms` has ended.
    pub fn planned(&self, from_ms: i64, now_ms: i64, outcome: Result<usize, String>) {
        let took_ms = now_ms.saturating_sub(from_ms).max(0);
        let (made, problem) = match outcome {
            Ok(made) => (made as u64, None),
            Err(problem) => (0, Some(problem)),
        };
        let round = PlannerPulse { at_ms: Some(now_ms), took_ms, made, problem };
        *self.planner.lock().unwrap_or_else(PoisonError::into_inner) = round;
    }

    pub fn planner(&self) -> PlannerPulse {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The queue of what boards say, on its way to the store.
    pub fn hears_by(&self, heard: &mpsc::Sender<Heard>) {
        let _ = self.heard.set(heard.downgrade());
    }

    /// How many messages wait there, and for how many there is room.
    pub fn backlog(&self) -> Option<(usize, usize)> {
        let heard = self.heard.get()?.upgrade()?;
        Some((heard.max_capacity() - heard.capacity(), heard.max_capacity()))
    }

    pub fn dropped_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Messages for which there was no room; their boards send them again.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub fn sends(&self, files: usize, chunks: usize) {
        self.carousel.0.store(files as u64, Ordering::Relaxed);
        self.carousel.1.store(chunks as u64, Ordering::Relaxed);
    }

    /// Files on their way to boards, and the chunks of them that are still to go out.
    pub fn sending(&self) -> (u64, u64) {
        (self.carousel.0.load(Ordering::Relaxed), self.carousel.1.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brokers_absence_is_counted_from_when_it_began() {
        let pulse = Pulse::new(0);
        assert!(pulse.broker().since_ms.is_none());
        pulse.broker_is(true, 10);
        pulse.broker_is(false, 20);
        pulse.broker_is(false, 30);
        assert_eq!((pulse.broker().since_ms, pulse.broker().connected), (Some(20), false));
        pulse.broker_is(true, 40);
        assert_eq!((pulse.broker().since_ms, pulse.broker().connections), (Some(40), 2));
    }

    #[test]
    fn a_clock_that_was_set_is_noticed() {
        let pulse = Pulse::new(1_000);
        assert!(pulse.clock_moved_ms(1_000 + pulse.up_ms()).abs() <= 1);
        assert!(pulse.clock_moved_ms(1_000 + 3_600_000 + pulse.up_ms()) >= 3_599_000);
    }
}
