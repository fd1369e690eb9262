//! Conversion of a stranger's file in a process of its own, with bounds on its memory, its time and what it writes.
//!
//! A decoder that panics, asks for all the memory that there is or never comes to an end costs that one file, and nobody's broadcast.
//! Decoders cannot be bounded from within: they take a file's word for how much room its parts need. What a conversion is, [`super::ingest`]
//! says; nothing here touches the store.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::ingest::{Converted, Unfit, convert};
use crate::audio::loudness::Loudness;
use crate::domain::bulletin::Flaw;
use crate::domain::plan::MAX_MEDIA_BYTES;

/// Longest that anything may be: what [`MAX_MEDIA_BYTES`] hold in the broadcast form.
pub const LONGEST_MINUTES: u64 = 180;
/// What a conversion may allocate; an honest one takes less than 100 MiB.
const MEMORY_BYTES: u64 = 512 * 1024 * 1024;
/// A conversion may take this long, and beyond it as long as what has come out of it sounds: honest files take a fiftieth of that.
const GRACE: Duration = Duration::from_secs(60);
/// The command that [`main`] answers to; for this program alone, so it is hidden from people.
pub const COMMAND: &str = "convert-upload";

/// What the process tells, a line each.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Progress {
        percent: u8,
        sounded_ms: i64,
    },
    Done {
        duration_ms: i64,
        /// Absent for silence.
        integrated_lufs: Option<f64>,
        true_peak_dbtp: f64,
        flaws: Vec<Flaw>,
        peaks: Vec<u8>,
    },
    /// The file's fault.
    Refused(Unfit),
    /// The machine's fault.
    Failed {
        problem: String,
    },
}

/// Converts in a process of its own; `progress` hears percents. The outer error is the machine's, and the same may be tried again; the inner
/// one is the file's.
pub async fn convert_apart(
    upload: &Path,
    longest_minutes: u64,
    progress: impl FnMut(u8),
) -> Result<Result<Converted, Unfit>, String> {
    let mut result = upload.as_os_str().to_owned();
    result.push(".converted");
    let result = PathBuf::from(result);
    let converted = converted(upload, &result, longest_minutes, progress).await;
    let _ = std::fs::remove_file(&result);
    converted
}

async fn converted(
    upload: &Path,
    result: &Path,
    longest_minutes: u64,
    mut progress: impl FnMut(u8),
) -> Result<Result<Converted, Unfit>, String> {
    let mut child = start(upload, result, longest_minutes).map_err(|e| format!("no conversion can be started: {e}"))?;
    let Some(output) = child.stdout.take() else { return Err("the conversion cannot be heard".into()) };
    let mut lines = BufReader::new(output).lines();
    let (began, mut sounded) = (Instant::now(), Duration::ZERO);
    loop {
        let left = (GRACE + sounded).saturating_sub(began.elapsed());
        let Ok(line) = tokio::time::timeout(left, lines.next_line()).await else {
            child.kill().await.map_err(|e| e.to_string())?;
            let problem = "it takes longer to read than it lasts; it is damaged, or made to be slow";
            return Ok(Err(Unfit::new("too_slow", problem)));
        };
        let Some(line) = line.map_err(|e| e.to_string())? else { break };
        match serde_json::from_str(&line).map_err(|e| format!("the conversion told {line:?}: {e}"))? {
            Told::Progress { percent, sounded_ms } => {
                sounded = Duration::from_millis(u64::try_from(sounded_ms).unwrap_or(0));
                progress(percent);
            }
            Told::Refused(unfit) => return Ok(Err(unfit)),
            Told::Failed { problem } => return Err(problem),
            Told::Done { duration_ms, integrated_lufs, true_peak_dbtp, flaws, peaks } => {
                let opus = std::fs::read(result).map_err(|e| e.to_string())?;
                let integrated_lufs = integrated_lufs.unwrap_or(f64::NEG_INFINITY);
                let loudness = Loudness { integrated_lufs, true_peak_dbtp };
                return Ok(Ok(Converted { opus, duration_ms, loudness, flaws, peaks }));
            }
        }
    }
    ended(child.wait().await.map_err(|e| e.to_string())?)
}

fn start(upload: &Path, result: &Path, longest_minutes: u64) -> std::io::Result<Child> {
    // The very program that runs, even if an update has put another in its place.
    let own = Path::new("/proc/self/exe");
    let program = if own.exists() { own.to_owned() } else { std::env::current_exe()? };
    Command::new(program)
        .arg(COMMAND)
        .arg("--longest-minutes")
        .arg(longest_minutes.to_string())
        .arg("--")
        .args([upload, result])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

/// What an end without a word means: the file's doing, unless somebody told the process to go.
fn ended(status: ExitStatus) -> Result<Result<Converted, Unfit>, String> {
    use std::os::unix::process::ExitStatusExt as _;
    const FROM_OUTSIDE: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGKILL];
    match status.signal() {
        Some(signal) if FROM_OUTSIDE.contains(&signal) => Err(format!("the conversion was stopped by signal {signal}")),
        _ => Ok(Err(Unfit::new("decoder_failed", "the file made the decoder fail; it is damaged"))),
    }
}

/// The process itself: bounds itself, converts, and tells.
pub fn main(upload: &Path, result: &Path, longest_minutes: u64) -> Result<(), String> {
    let longest_minutes = longest_minutes.clamp(1, LONGEST_MINUTES);
    let bounds = [
        (Resource::Data, MEMORY_BYTES),
        (Resource::Fsize, MAX_MEDIA_BYTES + (1 << 20)),
        (Resource::Core, 0),
        // Should the center be gone and nobody be there to stop it.
        (Resource::Cpu, GRACE.as_secs() + longest_minutes * 60),
    ];
    for (resource, most) in bounds {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(|e| e.to_string())?;
    }
    let mut last = (0, 0);
    let note = |percent: u8, sounded_ms: i64| {
        if percent != last.0 || sounded_ms >= last.1 + 1_000 {
            last = (percent, sounded_ms);
            // If nobody hears it any more, there is nobody to work for.
            return tell(&Told::Progress { percent, sounded_ms }).is_ok();
        }
        true
    };
    let longest_ms = i64::try_from(longest_minutes * 60_000).unwrap_or(i64::MAX);
    let told = match convert(upload, longest_ms, note) {
        Ok(converted) => {
            match std::fs::write(result, &converted.opus) {
                // The disk's fault must not be laid on the file.
                Err(error) => Told::Failed { problem: format!("{} cannot be written: {error}", result.display()) },
                Ok(()) => Told::Done {
                    duration_ms: converted.duration_ms,
                    integrated_lufs: Some(converted.loudness.integrated_lufs).filter(|lufs| lufs.is_finite()),
                    true_peak_dbtp: converted.loudness.true_peak_dbtp,
                    flaws: converted.flaws,
                    peaks: converted.peaks,
                },
            }
        }
        Err(unfit) => Told::Refused(unfit),
    };
    tell(&told)
}

fn tell(told: &Told) -> Result<(), String> {
    let line = serde_json::to_string(told).map_err(|e| e.to_string())?;
    writeln!(std::io::stdout(), "{line}").map_err(|e| e.to_string())
}
