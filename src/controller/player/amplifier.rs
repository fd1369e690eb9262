//! Switches the amplifier on before something sounds and off afterwards, and reads back whether it is on.
//!
//! Horns draw tens of watts and hum when idle. How a board switches its amplifier is its own affair: a file that takes `1` and `0` (a GPIO or LED of
//! the kernel), or a program that is called with `on` and `off`. Either may be slow or hang, so a thread of its own does it; sound
//! never waits for it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::warn;

const NS_PER_MS: i64 = 1_000_000;
/// How often the status is read while it should be on.
const LOOK: Duration = Duration::from_secs(5);
/// A program that takes longer is ended.
const PATIENCE: Duration = Duration::from_secs(3);

/// A way to switch, or to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    File(PathBuf),
    Program(PathBuf),
}

impl Line {
    /// Reads `file:PATH`, `run:PROGRAM`, or nothing for none.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let line = |path: &str, make: fn(PathBuf) -> Self| match path {
            "" => Err(format!("{text:?} names nothing")),
            path => Ok(Some(make(path.into()))),
        };
        match (text.strip_prefix("file:"), text.strip_prefix("run:")) {
            _ if text.is_empty() => Ok(None),
            (Some(path), _) => line(path, Self::File),
            (_, Some(path)) => line(path, Self::Program),
            _ => Err(format!("{text:?} is neither file:PATH nor run:PROGRAM")),
        }
    }

    fn switch(&self, on: bool) -> Result<(), String> {
        match self {
            Self::File(path) => {
                std::fs::write(path, if on { "1" } else { "0" }).map_err(|e| format!("{}: {e}", path.display()))
            }
            Self::Program(path) => match run(Command::new(path).arg(if on { "on" } else { "off" }))? {
                true => Ok(()),
                false => Err(format!("{} says that it failed", path.display())),
            },
        }
    }

    fn is_on(&self) -> Result<bool, String> {
        match self {
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
                Ok(!matches!(text.trim(), "0" | "" | "off" | "low"))
            }
            Self::Program(path) => run(&mut Command::new(path)),
        }
    }
}

/// Whether a program succeeded; an error if it cannot be run or does not end.
fn run(command: &mut Command) -> Result<bool, String> {
    let name = command.get_program().display().to_string();
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = quiet.spawn().map_err(|e| format!("{name}: {e}"))?;
    let until = Instant::now() + PATIENCE;
    loop {
        match child.try_wait().map_err(|e| format!("{name}: {e}"))? {
            Some(status) => return Ok(status.success()),
            None if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{name} does not end"));
            }
        }
    }
}

/// What the configuration says of an amplifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wiring {
    pub switch: Line,
    pub status: Option<Line>,
    /// So long before the sound it is switched on, and so long after it off.
    pub warm_up_ms: u32,
    pub hold_ms: u32,
}

/// What was found of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// As it should be.
    Good,
    Problem(String),
}

/// The amplifier as the mixer sees it.
#[derive(Debug)]
pub struct Amplifier {
    wiring: Wiring,
    orders: Option<SyncSender<bool>>,
    found: Receiver<Found>,
    thread: Option<JoinHandle<()>>,
    /// What it was last told to be, and until when it is held on.
    on: bool,
    hold_until_ns: i64,
    /// What was found last since it was switched on.
    failing: bool,
}

impl Amplifier {
    pub fn start(wiring: Wiring) -> std::io::Result<Self> {
        let (orders, order) = sync_channel(8);
        let (tell, found) = sync_channel(8);
        let (switch, status) = (wiring.switch.clone(), wiring.status.clone());
        let warm_up = Duration::from_millis(u64::from(wiring.warm_up_ms));
        let thread = std::thread::Builder::new().name("amplifier".into()).spawn(move || {
            let mut minder = Minder { switch, status, warm_up, tell, told: None };
            minder.mind(&order);
        })?;
        Ok(Self {
            wiring,
            orders: Some(orders),
            found,
            thread: Some(thread),
            on: false,
            hold_until_ns: i64::MIN,
            failing: false,
        })
    }

    /// Switches by what is to sound: `next_ns` is when the nearest of it begins or has begun, if there is any.
    pub fn turn(&mut self, now_ns: i64, next_ns: Option<i64>) {
        let warm_up_ns = i64::from(self.wiring.warm_up_ms) * NS_PER_MS;
        if next_ns.is_some_and(|next_ns| now_ns >= next_ns.saturating_sub(warm_up_ns)) {
            self.hold_until_ns = now_ns + i64::from(self.wiring.hold_ms) * NS_PER_MS;
            self.order(true);
        } else if now_ns > self.hold_until_ns {
            self.order(false);
        }
    }

    fn order(&mut self, on: bool) {
        if self.on != on && self.orders.as_ref().is_some_and(|orders| orders.try_send(on).is_ok()) {
            (self.on, self.failing) = (on, false);
        }
    }

    /// What was found since the last call.
    pub fn found(&mut self) -> Option<Found> {
        let found = self.found.try_recv().ok()?;
        self.failing = self.on && found != Found::Good;
        Some(found)
    }

    /// Whether it is known not to carry what sounds now; what was wrong the last time does not count.
    pub fn is_failing(&self) -> bool {
        self.failing
    }
}

impl Drop for Amplifier {
    /// Leaves it switched off, unless that takes too long.
    fn drop(&mut self) {
        self.orders = None;
        let until = Instant::now() + Duration::from_secs(1);
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// The thread's own.
struct Minder {
    switch: Line,
    status: Option<Line>,
    warm_up: Duration,
    tell: SyncSender<Found>,
    told: Option<Found>,
}

impl Minder {
    fn mind(&mut self, orders: &Receiver<bool>) {
        // Whatever it was when the program came up.
        let mut on = false;
        let mut look = Instant::now();
        self.perform(on);
        loop {
            match orders.recv_timeout(look.saturating_duration_since(Instant::now())) {
                Ok(order) => {
                    on = order;
                    // What was found before is no finding of now.
                    self.told = None;
                    self.perform(on);
                    look = Instant::now() + self.warm_up;
                }
                Err(RecvTimeoutError::Timeout) => {
                    look = Instant::now() + LOOK;
                    if on {
                        self.look();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.perform(false);
                    return;
                }
            }
        }
    }

    fn perform(&mut self, on: bool) {
        match self.switch.switch(on) {
            Err(problem) => self.say(Found::Problem(format!("it cannot be switched: {problem}"))),
            // Who cannot look believes that an order was obeyed.
            Ok(()) if self.status.is_none() => self.say(Found::Good),
            Ok(()) => {}
        }
    }

    fn look(&mut self) {
        let Some(status) = &self.status else { return };
        let found = match status.is_on() {
            Ok(true) => Found::Good,
            Ok(false) => {
                self.perform(true);
                Found::Problem("it was switched on and is off".into())
            }
            Err(problem) => Found::Problem(format!("it cannot be asked: {problem}")),
        };
        self.say(found);
    }

    fn say(&mut self, found: Found) {
        if self.told.as_ref() == Some(&found) {
            return;
        }
        if let Found::Problem(problem) = &found {
            warn!("amplifier: {problem}");
        }
        if self.tell.try_send(found.clone()).is_ok() {
            self.told = Some(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = NS_PER_MS;

    fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < until, "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn it_is_on_in_time_held_for_a_while_and_off_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gpio");
        let read = || std::fs::read_to_string(&path).unwrap_or_default();
        let wiring = Wiring { switch: Line::File(path.clone()), status: None, warm_up_ms: 500, hold_ms: 2_000 };
        let mut amplifier = Amplifier::start(wiring).unwrap();
        wait_for("off at first", || (read() == "0").then_some(()));
        amplifier.turn(0, Some(3_000 * MS));
        assert!(!amplifier.on, "not before its time");
        amplifier.turn(2_500 * MS, Some(3_000 * MS));
        wait_for("on", || (read() == "1").then_some(()));
        amplifier.turn(9_000 * MS, Some(3_000 * MS));
        amplifier.turn(10_900 * MS, None);
        assert!(amplifier.on, "held, for what may follow");
        amplifier.turn(11_100 * MS, None);
        wait_for("off", || (read() == "0").then_some(()));
    }

    #[test]
    fn one_that_stays_off_and_one_that_cannot_be_switched_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let (switch, status) = (dir.path().join("switch"), dir.path().join("status"));
        std::fs::write(&status, "0\n").unwrap();
        let wiring =
            Wiring { switch: Line::File(switch), status: Some(Line::File(status.clone())), warm_up_ms: 1, hold_ms: 1 };
        let mut amplifier = Amplifier::start(wiring.clone()).unwrap();
        amplifier.turn(0, Some(0));
        let found = wait_for("a finding", || amplifier.found());
        assert_eq!(found, Found::Problem("it was switched on and is off".into()));
        // Mended before the next sound: what was found the last time says nothing of that one.
        assert!(amplifier.is_failing());
        amplifier.turn(3 * MS, None);
        std::fs::write(&status, "1\n").unwrap();
        amplifier.turn(10_000 * MS, Some(10_000 * MS));
        assert!(!amplifier.is_failing());
        assert_eq!(wait_for("a finding", || amplifier.found()), Found::Good);
        drop(amplifier);
        let mut amplifier = Amplifier::start(wiring.clone()).unwrap();
        amplifier.turn(0, Some(0));
        assert_eq!(wait_for("a finding", || amplifier.found()), Found::Good);
        let nowhere = Wiring { switch: Line::Program("/nowhere/switch".into()), ..wiring };
        let mut amplifier = Amplifier::start(nowhere).unwrap();
        let found = wait_for("a finding", || amplifier.found());
        assert!(matches!(found, Found::Problem(problem) if problem.contains("/nowhere/switch")));
    }
}
