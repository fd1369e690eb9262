//! What the running controller knows of itself, in a small file in memory (tmpfs) for `doctor`; never on the card.
//!
//! Owns `status.json` in the runtime directory. Nobody waits for it: what cannot be written is said once and left.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::config::Config;
use crate::protocol::message::StateDetail;

const NAME: &str = "status.json";
/// Where systemd puts the runtime directory of the unit that is shipped.
const USUAL: &str = "/run/loaxa";
/// A change is written at most so often, and without one it is written at least so often.
const LOOK_NS: i64 = 2_000_000_000;
const ALIVE_NS: i64 = 10_000_000_000;
/// What is older than this was left behind by one that is gone.
const STALE_NS: i64 = 4 * ALIVE_NS;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// When it was written, on CLOCK_MONOTONIC, and in which boot.
    pub at_mono_ns: i64,
    pub boot_id: String,
    /// Which store is served: more than one controller may run on a machine.
    pub store: PathBuf,
    pub connected: bool,
    /// Center time less monotonic time, while the clock is trusted.
    pub center_offset_ns: Option<i64>,
    /// Absent until the output was tried.
    pub output: Option<OutputStatus>,
    pub detail: StateDetail,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputStatus {
    pub working: bool,
    /// What it goes to, or why there is no sound.
    pub detail: String,
    /// It takes samples no longer, though it has not failed.
    pub stalled: bool,
}

impl Status {
    /// What is worth a write before its time; a clock's error moves all the while.
    fn says_the_same(&self, other: &Self) -> bool {
        let still = |status: &Self| {
            let mut still = status.clone();
            (still.at_mono_ns, still.detail.clock.error_us) = (0, None);
            still.center_offset_ns = status.center_offset_ns.map(|_| 0);
            still
        };
        still(self) == still(other)
    }
}

/// The writing end.
#[derive(Debug)]
pub struct StatusFile {
    path: Option<PathBuf>,
    written: Option<Status>,
    looked_mono_ns: Option<i64>,
    warned: bool,
}

impl StatusFile {
    pub fn new(config: &Config) -> Self {
        Self { path: directory(config).map(|dir| dir.join(NAME)), written: None, looked_mono_ns: None, warned: false }
    }

    /// Whether it is time to look for changes.
    pub fn is_due(&mut self, now_mono_ns: i64) -> bool {
        let due = self.path.is_some() && self.looked_mono_ns.is_none_or(|looked| now_mono_ns - looked >= LOOK_NS);
        if due {
            self.looked_mono_ns = Some(now_mono_ns);
        }
        due
    }

    /// Writes it, if it says something new or the last one grows old.
    pub fn keep(&mut self, status: Status) {
        let Some(path) = &self.path else { return };
        let fresh = |last: &Status| last.says_the_same(&status) && status.at_mono_ns - last.at_mono_ns < ALIVE_NS;
        if self.written.as_ref().is_some_and(fresh) {
            return;
        }
        match write(path, &status) {
            Ok(()) => self.written = Some(status),
            Err(error) if !self.warned => {
                self.warned = true;
                warn!("{} cannot be written ({error}); doctor will know less", path.display());
            }
            Err(_) => {}
        }
    }

    /// At a good end: nobody runs any more.
    pub fn remove(&self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn write(path: &Path, status: &Status) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".tmp").tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(&serde_json::to_vec(status).map_err(std::io::Error::other)?)?;
    file.persist(path).map(drop).map_err(|e| e.error)
}

/// As configured, else where systemd says.
fn directory(config: &Config) -> Option<PathBuf> {
    if !config.store.runtime_dir.as_os_str().is_empty() {
        return Some(config.store.runtime_dir.clone());
    }
    let given = std::env::var("RUNTIME_DIRECTORY").ok()?;
    given.split(':').next().filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// What the controller of this store said last, if it can still be running.
pub fn read(config: &Config, now_mono_ns: i64) -> Option<Status> {
    // Whoever asks has not been started by systemd.
    let dir = directory(config).unwrap_or_else(|| USUAL.into());
    let status: Status = serde_json::from_slice(&std::fs::read(dir.join(NAME)).ok()?).ok()?;
    let age_ns = now_mono_ns - status.at_mono_ns;
    let ours = status.store == config.store.dir && status.boot_id == super::os::boot_id();
    (ours && (0..STALE_NS).contains(&age_ns)).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::message::ClockState;

    fn status(at_mono_ns: i64, connected: bool, error_us: i64) -> Status {
        Status {
            at_mono_ns,
            boot_id: crate::controller::os::boot_id(),
            store: "/somewhere".into(),
            connected,
            center_offset_ns: Some(at_mono_ns),
            output: None,
            detail: StateDetail {
                clock: ClockState { trusted: true, error_us: Some(error_us), ..ClockState::default() },
                ..StateDetail::default()
            },
        }
    }

    #[test]
    fn it_is_written_at_changes_and_now_and_then_and_read_while_it_is_fresh() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        (config.store.runtime_dir, config.store.dir) = (dir.path().to_owned(), "/somewhere".into());
        let mut file = StatusFile::new(&config);
        assert!(file.is_due(0) && !file.is_due(LOOK_NS - 1) && file.is_due(LOOK_NS));
        let at = |file: &StatusFile| file.written.as_ref().unwrap().at_mono_ns;
        file.keep(status(1, true, 5));
        file.keep(status(2, true, 6));
        assert_eq!(at(&file), 1, "nothing new");
        file.keep(status(3, false, 6));
        assert_eq!(at(&file), 3, "a change");
        file.keep(status(3 + ALIVE_NS, false, 6));
        assert_eq!(at(&file), 3 + ALIVE_NS, "it shows that it lives");
        let now = 4 + ALIVE_NS;
        assert!(!read(&config, now).unwrap().connected);
        assert_eq!(read(&config, now + STALE_NS), None);
        config.store.dir = "/elsewhere".into();
        assert_eq!(read(&config, now), None, "another board's");
        std::fs::remove_dir_all(dir.path()).unwrap();
        file.keep(status(now, true, 6));
        assert!(file.warned);
    }
}
