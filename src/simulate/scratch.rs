//! A center that is made for one simulation and gone after it: the very program, run as a child in a directory of its own.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::report::Process;
use crate::audio::wav::WavWriter;
use crate::audio::{RATE_HZ, from_db};
use crate::center::app::now_ms;
use crate::center::client::Client;
use crate::center::config::Config;

/// How long the center may take to answer for the first time.
const STARTING: Duration = Duration::from_secs(60);
/// And to end when it is told to.
const ENDING: Duration = Duration::from_secs(10);
/// The broadcast form is 48 kbit/s: so many ms hold a kilobyte (1,000 bytes).
const MS_PER_KB: u64 = 8_000 / 48;
/// Clusters of a commune, as provinces have them.
const SPEAKERS_PER_AREA: usize = 25;
const TOP_AREA: &str = "66";
const PASSPHRASE: &str = "for this simulation only";

/// A running center. It ends with the value, and its directory goes with it.
#[derive(Debug)]
pub struct Scratch {
    program: PathBuf,
    dir: TempDir,
    child: Child,
    pub http: String,
    pub mqtt: String,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SIGTERM first, so that PostgreSQL or a log elsewhere is left in order; then it is not asked.
        let asked = rustix::process::Pid::from_raw(self.child.id() as i32)
            .is_some_and(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok());
        let until = std::time::Instant::now() + ENDING;
        while asked && std::time::Instant::now() < until && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Scratch {
    /// Makes and starts it; `plain` without TLS and with passwords. Blocks for some seconds.
    pub fn start(program: &Path, plain: bool) -> Result<Self, String> {
        let dir = tempfile::Builder::new().prefix("loaxa-simulate").tempdir().map_err(|e| e.to_string())?;
        let data = dir.path().join("data");
        run(program, &data, ["init", "--site", "simulate", "--title", "Simulation", "--area", TOP_AREA])?;
        // A simulation runs at any hour.
        run(program, &data, ["area", "hours", TOP_AREA, "--allow", "00:00-24:00"])?;
        let log = std::fs::File::create(dir.path().join("center.log")).map_err(|e| e.to_string())?;
        let mut serve = command(program, &data);
        serve.args(["serve", "--until-stdin-ends", "--json", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]);
        if plain {
            serve.args(["--plain-mqtt", "--plain-http"]);
        }
        // In a group of its own: a Ctrl-C at the terminal is ours to answer, and the center ends after the boards.
        let child = serve
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|e| cannot_run(program, &e))?;
        let mut this = Self { program: program.to_owned(), dir, child, http: String::new(), mqtt: String::new() };
        let running = this.first_words()?;
        let word = |key: &str| running[key].as_str().unwrap_or_default().to_owned();
        (this.http, this.mqtt) = (word("http"), word("mqtt"));
        Ok(this)
    }

    fn first_words(&mut self) -> Result<Value, String> {
        let stdout = self.child.stdout.take().ok_or("the center's output is not ours")?;
        let (sender, first_line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = sender.send(line);
        });
        let line = first_line.recv_timeout(STARTING).unwrap_or_default();
        serde_json::from_str(&line).map_err(|_| {
            let log = std::fs::read_to_string(self.dir.path().join("center.log")).unwrap_or_default();
            format!("the scratch center does not start: {}", log.lines().last().unwrap_or("it says nothing"))
        })
    }

    /// The way to its API.
    pub async fn client(&self) -> Result<Client, String> {
        Client::open(&self.data(), Config::default()).await
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// What it takes of the machine.
    pub fn process(&self) -> Option<Process> {
        Process::of(self.child.id())
    }

    fn cli<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<String, String> {
        run(&self.program, &self.data(), arguments)
    }

    /// Adds a bulletin of noise that takes so many kilobytes on the air, and approves it. Gives its true size in bytes.
    pub fn add_bulletin(&self, kilobytes: u64) -> Result<u64, String> {
        let path = self.dir.path().join("noise.wav");
        write_noise(&path, kilobytes * MS_PER_KB).map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
        let key = self.dir.path().join("approver.key");
        let (path, key) = (path.display().to_string(), key.display().to_string());
        self.cli(["approver", "add", "Simulated approver", "--area", TOP_AREA, "--key-out", &key])?;
        let title = ["--title", "Simulated bulletin", "--language", "zxx", "--area", TOP_AREA];
        self.cli(["bulletin", "add", &path, "--id", BULLETIN].into_iter().chain(title))?;
        self.cli(["bulletin", "submit", BULLETIN])?;
        self.cli(["bulletin", "approve", BULLETIN, "--key", &key])?;
        let shown: Value = serde_json::from_str(&self.cli(["bulletin", "show", BULLETIN, "--json"])?)
            .map_err(|e| format!("the center's answer cannot be read: {e}"))?;
        Ok(shown["revisions"][0]["sound"]["bytes"].as_u64().unwrap_or(0))
    }
}

/// Adds the communes for so many speakers, and gives their codes.
pub async fn add_areas(client: &Client, speakers: usize) -> Result<Vec<String>, String> {
    let count = speakers.div_ceil(SPEAKERS_PER_AREA).max(1);
    let codes: Vec<_> = (0..count).map(|n| format!("{TOP_AREA}{:03}", n + 1)).collect();
    for code in &codes {
        let new = json!({ "code": code, "title": format!("Commune {code}"), "parent": null });
        client.send::<Value>(Method::POST, "/areas", &new).await?;
    }
    Ok(codes)
}

/// Schedules the bulletin once, everywhere, `in_ms` from now.
pub async fn schedule(client: &Client, name: &str, in_ms: i64) -> Result<(), String> {
    let start = chrono::DateTime::from_timestamp((now_ms() + in_ms) / 1000 + 1, 0).ok_or("there is no such time")?;
    let cron = start.format("%-S %-M %-H %-d %-m * %Y").to_string();
    let schedule = json!({ "title": name, "cron": cron, "time_zone": "UTC", "targets": [TOP_AREA], "programme": name });
    let playlist = json!({ "programme": { name: { "items": [BULLETIN] } }, "schedule": { name: schedule } });
    client.send::<Value>(Method::POST, "/playlists?at_once=false", &playlist).await.map(|_| ())
}

const BULLETIN: &str = "noise";

fn write_noise(path: &Path, ms: u64) -> std::io::Result<()> {
    let mut wav = WavWriter::create(path)?;
    let (mut random, level) = (super::linkmodel::Random::new(1), f64::from(from_db(-14.0)));
    // A second at a time.
    for from_ms in (0..ms).step_by(1_000) {
        let frames = (ms - from_ms).min(1_000) * u64::from(RATE_HZ) / 1_000;
        let noise: Vec<f32> = (0..frames).map(|_| (random.between(-1.0, 1.0) * level) as f32).collect();
        wav.write(&noise)?;
    }
    wav.flush()
}

fn command(program: &Path, data: &Path) -> Command {
    let mut command = Command::new(program);
    // Settings in the environment are for this center too, but where another one is are not.
    for name in ["LOAXA_CENTER", "LOAXA_TOKEN", "LOAXA_CA"] {
        command.env_remove(name);
    }
    command.env("LOAXA_DATA", data).env("LOAXA_AUTHORITY_PASSPHRASE", PASSPHRASE).env("LOAXA_PASSPHRASE", PASSPHRASE);
    command.stdin(Stdio::null());
    command
}

/// Runs one command of the program to its end, and gives what it printed.
fn run<S: AsRef<OsStr>>(program: &Path, data: &Path, arguments: impl IntoIterator<Item = S>) -> Result<String, String> {
    let arguments: Vec<_> = arguments.into_iter().map(|word| word.as_ref().to_owned()).collect();
    let output =
        command(program, data).process_group(0).args(&arguments).output().map_err(|e| cannot_run(program, &e))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words: Vec<_> = arguments.iter().take(2).map(|word| word.to_string_lossy()).collect();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("the scratch center: {}: {}", words.join(" "), told.lines().last().unwrap_or("failed")))
}

fn cannot_run(program: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be run: {error}", program.display())
}
