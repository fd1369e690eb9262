//! What a fleet has come to, counted by all its boards at once and read while it runs. Holds numbers; makes none of them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::controller::os;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timed {
    /// From the first attempt to the broker's yes.
    Connect,
    /// The same after a loss, from when a connection was possible again.
    Reconnect,
    /// From the first connection, or from the mark if that came later, to the first plan accepted after it.
    Plan,
    /// From there to when all content is first whole on the board.
    Content,
    /// From a final record to its acknowledgement.
    Record,
    /// From the mark to the first sample of a play.
    Sound,
    /// From the mark to when a command has come to the board's door: before the modelled line, and before the board does anything.
    Command,
}

/// One measurement: when it was made, since the fleet began, and what it says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub at_ms: f64,
    pub took_ms: f64,
}

/// Measurements of one kind that are kept; a fleet may run for weeks.
const MOST_SAMPLES: usize = 1_000_000;

/// Live counters; `Relaxed` throughout, since each stands for itself.
#[derive(Debug)]
pub struct Counters {
    began_ns: i64,
    mark_ns: AtomicI64,
    pub(super) connected: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) ever_connected: AtomicU64,
    pub(super) losses: AtomicU64,
    pub(super) plans: AtomicU64,
    pub(super) whole_files: AtomicU64,
    pub(super) whole_boards: AtomicU64,
    pub(super) chunk_bytes: AtomicU64,
    pub(super) needed_bytes: AtomicU64,
    pub(super) records_made: AtomicU64,
    pub(super) records_acknowledged: AtomicU64,
    pub(super) store_failures: AtomicU64,
    boards: Box<[OfBoard]>,
    samples: [Mutex<Vec<Sample>>; 7],
}

#[derive(Debug)]
struct OfBoard {
    plan: AtomicU64,
    /// Negative while the clock is not trusted.
    clock_error_ns: AtomicI64,
}

/// The counters at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub speakers: u64,
    /// Connected now, and connections made so far.
    pub connected: u64,
    pub connections: u64,
    /// Boards that have been connected at least once.
    pub ever_connected: u64,
    /// Connections that the modelled link took away.
    pub losses: u64,
    /// Plans accepted by all, and boards that have one, from now or from their store.
    pub plans: u64,
    pub with_plan: u64,
    /// The lowest and the highest number of the newest accepted plan of each board.
    pub lowest_plan: u64,
    pub highest_plan: u64,
    /// Files that became whole, and boards that need at least one and have all.
    pub whole_files: u64,
    pub whole_boards: u64,
    /// Bytes of chunks that arrived, and bytes that were lacking when a plan named them.
    pub chunk_bytes: u64,
    pub needed_bytes: u64,
    pub records_made: u64,
    pub records_acknowledged: u64,
    /// Times that a board's store could not be written.
    pub store_failures: u64,
}

impl Counters {
    pub fn new(speakers: usize) -> Self {
        let of_board = || OfBoard { plan: AtomicU64::new(0), clock_error_ns: AtomicI64::new(-1) };
        Self {
            began_ns: os::mono_ns(),
            mark_ns: AtomicI64::new(i64::MIN),
            connected: AtomicU64::default(),
            connections: AtomicU64::default(),
            ever_connected: AtomicU64::default(),
            losses: AtomicU64::default(),
            plans: AtomicU64::default(),
            whole_files: AtomicU64::default(),
            whole_boards: AtomicU64::default(),
            chunk_bytes: AtomicU64::default(),
            needed_bytes: AtomicU64::default(),
            records_made: AtomicU64::default(),
            records_acknowledged: AtomicU64::default(),
            store_failures: AtomicU64::default(),
            boards: (0..speakers).map(|_| of_board()).collect(),
            samples: Default::default(),
        }
    }

    /// From now on plans and content are timed from this instant.
    pub fn mark(&self) {
        self.mark_ns.store(os::mono_ns(), Relaxed);
    }

    /// Forgets what was timed of plans and content so far.
    pub fn forget_delivery(&self) {
        for kind in [Timed::Plan, Timed::Content] {
            self.list(kind).clear();
        }
    }

    pub fn now(&self) -> Snapshot {
        let plans = || self.boards.iter().map(|board| board.plan.load(Relaxed));
        Snapshot {
            speakers: self.boards.len() as u64,
            connected: self.connected.load(Relaxed),
            connections: self.connections.load(Relaxed),
            ever_connected: self.ever_connected.load(Relaxed),
            losses: self.losses.load(Relaxed),
            plans: self.plans.load(Relaxed),
            with_plan: plans().filter(|number| *number > 0).count() as u64,
            lowest_plan: plans().min().unwrap_or(0),
            highest_plan: plans().max().unwrap_or(0),
            whole_files: self.whole_files.load(Relaxed),
            whole_boards: self.whole_boards.load(Relaxed),
            chunk_bytes: self.chunk_bytes.load(Relaxed),
            needed_bytes: self.needed_bytes.load(Relaxed),
            records_made: self.records_made.load(Relaxed),
            records_acknowledged: self.records_acknowledged.load(Relaxed),
            store_failures: self.store_failures.load(Relaxed),
        }
    }

    /// Since the fleet began.
    pub fn elapsed_s(&self) -> f64 {
        ms(os::mono_ns() - self.began_ns) / 1000.0
    }

    /// The number of the newest plan that a board has accepted; 0 for none.
    pub fn plan_of(&self, board: usize) -> u64 {
        self.boards.get(board).map_or(0, |board| board.plan.load(Relaxed))
    }

    /// How far the trusted clocks may be off.
    pub fn clock_errors_ns(&self) -> Vec<i64> {
        self.boards.iter().map(|board| board.clock_error_ns.load(Relaxed)).filter(|error| *error >= 0).collect()
    }

    pub fn samples(&self, kind: Timed) -> Vec<Sample> {
        self.list(kind).clone()
    }

    pub(super) fn mark_ns(&self) -> i64 {
        self.mark_ns.load(Relaxed)
    }

    pub(super) fn set_plan(&self, board: usize, number: u64) {
        self.plans.fetch_add(1, Relaxed);
        self.know_plan(board, number);
    }

    /// The plan that a board had in its store.
    pub(super) fn know_plan(&self, board: usize, number: u64) {
        self.boards[board].plan.store(number, Relaxed);
    }

    pub(super) fn set_clock_error(&self, board: usize, error_ns: Option<i64>) {
        self.boards[board].clock_error_ns.store(error_ns.unwrap_or(-1), Relaxed);
    }

    /// Notes how long something took that began at `since_ns` and is done at `now_ns`.
    pub(super) fn note(&self, kind: Timed, since_ns: i64, now_ns: i64) {
        let mut list = self.list(kind);
        if list.len() < MOST_SAMPLES {
            list.push(Sample {
                at_ms: ms(now_ns - self.began_ns),
                took_ms: ms(now_ns.saturating_sub(since_ns).max(0)),
            });
        }
    }

    fn list(&self, kind: Timed) -> std::sync::MutexGuard<'_, Vec<Sample>> {
        self.samples[kind as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ms(ns: i64) -> f64 {
    ns as f64 / 1e6
}
