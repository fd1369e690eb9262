//! The one harness: real centers, real controllers and a simulated converter whose capture says what was really heard.
//!
//! Everything is started on port 0 in a directory of its own and killed when dropped. The demo uses it too.

#![allow(dead_code, clippy::expect_used, clippy::panic, reason = "the demo and the tests each use a part")]

mod capture;
pub mod mutations;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use loaxa::center::store::{Store, StoreError};
use serde_json::Value;
use tempfile::TempDir;

pub use capture::Capture;

pub const AUTHORITY_PASSPHRASE: &str = "mật khẩu của cơ quan";
pub const APPROVER_PASSPHRASE: &str = "mật khẩu người duyệt";

/// A program of this package, as built beside the running test.
pub fn binary(name: &str) -> PathBuf {
    let here = std::env::current_exe().expect("the running program has a path");
    let target =
        here.ancestors().find(|dir| dir.join(name).is_file()).expect("the programs are built beside the tests");
    target.join(name)
}

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn playlists() -> PathBuf {
    repository().join("playlists")
}

/// Asks until there is an answer; panics with `what` after `seconds`.
pub fn wait_for<T>(what: &str, seconds: u64, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "waited {seconds} s in vain for {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// A child process that does not outlive us.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL: nothing is tidied up.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(&mut self) -> Option<i32> {
        let id = self.0.id();
        let _ = Command::new("kill").arg(id.to_string()).status();
        ended_within(&mut self.0, 30)
            .unwrap_or_else(|| panic!("it did not end on SIGTERM:\n{}", where_it_is(id)))
            .code()
    }

    pub fn has_ended(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)))
    }
}

fn ended_within(child: &mut Child, seconds: u64) -> Option<ExitStatus> {
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

/// What each thread of a process that hangs waits for.
fn where_it_is(id: u32) -> String {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let read = |dir: &Path, name: &str| std::fs::read_to_string(dir.join(name)).unwrap_or_default().trim().to_owned();
    let tell = |dir: PathBuf| format!("{}: {} {}\n", read(&dir, "comm"), read(&dir, "wchan"), read(&dir, "syscall"));
    threads.map(|thread| tell(thread.path())).collect()
}

/// Runs a command to its end, which must come: a hang fails here, by name, and not as a test that never ends.
pub fn run(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let read = |mut from: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = vec![];
            let _ = from.read_to_end(&mut bytes);
            bytes
        })
    };
    let stdout = read(Box::new(child.stdout.take().expect("stdout is ours")));
    let stderr = read(Box::new(child.stderr.take().expect("stderr is ours")));
    let Some(status) = ended_within(&mut child, 120) else {
        let told = where_it_is(child.id());
        let _ = child.kill();
        let stderr = stderr.join().unwrap_or_default();
        panic!("{command:?} does not end:\n{told}{}", String::from_utf8_lossy(&stderr));
    };
    Output { status, stdout: stdout.join().expect("read"), stderr: stderr.join().expect("read") }
}

/// Takes a child into care: it ends with the value.
pub fn adopt(child: Child) -> Process {
    Process(child)
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A center in a directory of its own, running or not.
#[derive(Debug)]
pub struct Center {
    pub dir: TempDir,
    pub process: Option<Process>,
    pub http: String,
    pub mqtt: String,
    /// Makes the first admin, as the last start printed it.
    pub setup_code: Option<String>,
    pub setup_url: Option<String>,
    /// More flags and environment for `serve`.
    pub flags: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub mqtt_address: String,
}

impl Center {
    /// Made with `loaxa init`, with one commune and an approver; not started.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("loaxa-center").tempdir().expect("a temporary directory");
        let center = Self {
            dir,
            process: None,
            http: String::new(),
            mqtt: String::new(),
            setup_code: None,
            setup_url: None,
            flags: vec![],
            environment: vec![],
            mqtt_address: "127.0.0.1:0".into(),
        };
        center.cli([
            "init",
            "--site",
            "mau",
            "--title",
            "Trung tâm mẫu",
            "--area",
            "66",
            "--area-title",
            "Tỉnh Đắk Lắk",
        ]);
        // Tests run at any hour.
        center.cli(["area", "hours", "66", "--allow", "00:00-24:00"]);
        center
    }

    /// Without TLS: speakers have passwords, and any tool can look in.
    pub fn plain() -> Self {
        let mut center = Self::new();
        center.flags.extend(["--plain-mqtt".into(), "--plain-http".into()]);
        center
    }

    /// Whether boards are enrolled here, rather than given a password.
    fn enrols(&self) -> bool {
        !self.flags.iter().any(|flag| flag == "--plain-mqtt" || flag == "--broker")
    }

    /// An HTTP client that trusts this center.
    pub fn http_client(&self) -> reqwest::Client {
        self.http_client_builder().build().expect("a client")
    }

    pub fn http_client_builder(&self) -> reqwest::ClientBuilder {
        loaxa::center::tls::install_provider();
        let pem = std::fs::read(self.data().join("tls/ca.pem")).expect("the transport's authority");
        let root = reqwest::Certificate::from_pem(&pem).expect("a certificate");
        reqwest::Client::builder().tls_certs_only([root])
    }

    pub fn mqtt_port(&self) -> u16 {
        self.mqtt.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn approver_key(&self) -> PathBuf {
        self.dir.path().join("approver.key")
    }

    /// Starts `loaxa serve` and waits until it answers. The broker keeps its port over restarts.
    pub fn start(&mut self) {
        let log =
            std::fs::File::options().create(true).append(true).open(self.dir.path().join("center.log")).expect("log");
        let mut child = self
            .command()
            .args(["serve", "--json", "--http", "127.0.0.1:0", "--mqtt", &self.mqtt_address])
            .args(&self.flags)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("loaxa starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is ours"));
        let (sender, first_line) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = stdout.read_line(&mut line);
            let _ = sender.send(line);
        });
        let line = first_line
            .recv_timeout(Duration::from_secs(120))
            .unwrap_or_else(|_| panic!("loaxa serve says nothing:\n{}{}", where_it_is(child.id()), self.log()));
        let running: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("loaxa serve said {line:?}: {}", self.log()));
        self.http = running["http"].as_str().expect("http").to_owned();
        self.mqtt = running["mqtt"].as_str().expect("mqtt").to_owned();
        self.setup_code = running["setup_code"].as_str().map(str::to_owned);
        self.setup_url = running["setup_url"].as_str().map(str::to_owned);
        self.mqtt_address = self.mqtt.split("//").nth(1).expect("an address").to_owned();
        self.process = Some(Process(child));
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    pub fn stop(&mut self) -> Option<i32> {
        self.process.take().expect("it runs").terminate()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("center.log")).unwrap_or_default()
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(binary("loaxa"));
        command
            .env("LOAXA_DATA", self.data())
            .env("LOAXA_AUTHORITY_PASSPHRASE", AUTHORITY_PASSPHRASE)
            .env("LOAXA_PASSPHRASE", APPROVER_PASSPHRASE)
            .envs(self.environment.clone())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command that must succeed, and gives what it printed.
    pub fn cli<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let arguments: Vec<_> = arguments.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let output = run(self.command().args(&arguments));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "loaxa {arguments:?} failed: {error}\n{}", self.log());
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs a command that must fail with exit code 1, and gives its one line.
    pub fn cli_fails<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let arguments: Vec<_> = arguments.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let output = run(self.command().args(&arguments));
        assert_eq!(output.status.code(), Some(1), "loaxa {arguments:?} should fail");
        let error = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(error.trim_end().lines().count(), 1, "one clear line: {error}");
        error
    }

    pub fn json<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Value {
        let arguments = arguments.into_iter().map(|a| a.as_ref().to_owned()).chain(["--json".into()]);
        serde_json::from_str(&self.cli(arguments)).expect("JSON")
    }

    /// Looks into its database, whether it runs or not.
    pub fn look<T>(&self, ask: impl AsyncFnOnce(&Store) -> Result<T, StoreError>) -> T {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let asked = runtime.block_on(async {
            let store = Store::look_at(&self.data(), "").await?;
            let answer =
                tokio::time::timeout(Duration::from_secs(60), ask(&store)).await.expect("the database answers");
            store.close().await;
            answer
        });
        runtime.shutdown_background();
        asked.unwrap_or_else(|e| panic!("the database: {e}"))
    }

    pub fn token(&self) -> String {
        self.cli(["token"]).trim().to_owned()
    }

    /// Adds the communes and the approver that most tests want.
    pub fn furnish(&self) {
        for (code, title) in
            [("24133", "Phường Buôn Ma Thuột"), ("24169", "Phường Ea Kao"), ("24175", "Phường Tân Lập")]
        {
            self.cli(["area", "add", code, "--title", title]);
        }
        let key = self.approver_key();
        self.cli([
            "approver".as_ref(),
            "add".as_ref(),
            "Nguyễn Thị Duyệt, phó chủ tịch".as_ref(),
            "--area".as_ref(),
            "66".as_ref(),
            "--highest".as_ref(),
            "priority".as_ref(),
            "--key-out".as_ref(),
            key.as_os_str(),
        ]);
    }

    /// Adds a bulletin from a file of `playlists/audio` and approves it.
    pub fn approved(&self, id: &str, file: &str) {
        let path = playlists().join("audio").join(file);
        let path = path.to_str().expect("UTF-8");
        self.cli(["bulletin", "add", path, "--id", id, "--title", id, "--language", "vie", "--area", "66"]);
        self.approve(id);
    }

    pub fn approve(&self, id: &str) {
        self.cli(["bulletin", "submit", id]);
        let key = self.approver_key();
        self.cli(["bulletin", "approve", id, "--key", key.to_str().expect("UTF-8"), "--highest", "priority"]);
    }

    /// Schedules `items` once, `in_ms` from now on a whole second, to `targets`. Gives the start in Unix ms.
    pub fn schedule_once(&self, name: &str, items: &[&str], in_ms: i64, targets: &[&str]) -> i64 {
        let start_s = (unix_ms() + in_ms) / 1000 + 1;
        let start = chrono::DateTime::from_timestamp(start_s, 0).expect("a time");
        let text = format!(
            "[programme.{name}]\nitems = {items:?}\n[schedule.{name}]\ntitle = \"{name}\"\ncron = \"{}\"\n\
             time_zone = \"UTC\"\ntargets = {targets:?}\nprogramme = \"{name}\"\n",
            start.format("%-S %-M %-H %-d %-m * %Y")
        );
        let path = self.dir.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).expect("written");
        self.cli(["schedule", "import", path.to_str().expect("UTF-8")]);
        start_s * 1000
    }

    /// The play of a schedule on a speaker, once the center has its record.
    pub fn play(&self, speaker: &str, schedule: &str, seconds: u64) -> Value {
        wait_for(&format!("the record of {schedule} on {speaker}"), seconds, || {
            self.plays().into_iter().find(|play| {
                play["speaker"] == speaker
                    && play["schedule"] == schedule
                    && ["played", "late", "partial", "missed"].contains(&play["outcome"].as_str().unwrap_or(""))
            })
        })
    }

    pub fn plays(&self) -> Vec<Value> {
        let to = chrono::DateTime::from_timestamp_millis(unix_ms() + 3_600_000).expect("a time").to_rfc3339();
        self.json(["report", "plays", "--to", &to])["items"].as_array().expect("a list").clone()
    }

    pub fn speaker(&self, id: &str) -> Value {
        self.json(["speaker", "show", id])
    }

    /// Waits until a speaker is on line, trusts its clock, and has the newest plan and all its content.
    pub fn wait_ready(&self, speaker: &str) {
        wait_for(&format!("{speaker} to be ready"), 30, || {
            let row = self.speaker(speaker);
            let content = &row["content"];
            let ready = row["link"]["state"] == "online"
                && row["clock"]["trusted"] == true
                && row["plan"]["sent"].is_u64()
                && row["plan"]["sent"] == row["plan"]["accepted"]
                && content["ready"].as_u64() == content["wanted"].as_u64();
            ready.then_some(())
        });
    }
}

pub fn unix_ms() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

/// Where a controller's sound goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Sound {
    /// The simulated converter, through cpal and ALSA.
    Dac { ppm: f64 },
    /// The machine's own sound card.
    Card,
}

/// A controller with a store of its own, running or not.
#[derive(Debug)]
pub struct Pole {
    pub speaker: String,
    pub dir: TempDir,
    pub process: Option<Process>,
    pub sound: Sound,
    /// Another build of the controller than the one beside the test.
    pub program: Option<PathBuf>,
    /// More environment for the controller.
    pub environment: Vec<(String, String)>,
    /// Where its center's data is, for a code; absent for a board with a password.
    center: Option<PathBuf>,
}

impl Pole {
    /// Adds a speaker to the center, and enrols its board if the center runs; not started.
    pub fn add(center: &Center, speaker: &str, title: &str, area: &str, sound: Sound) -> Self {
        let pole = Self::unboxed(center, speaker, sound);
        let config = pole.config();
        let mut command = vec!["speaker", "add", speaker, "--title", title, "--area", area];
        if center.enrols() {
            let code = center.json(command)["enrolment"]["code"].as_str().expect("a code").to_owned();
            if center.process.is_some() {
                pole.enrol_with(&center.http, &code);
            }
            return pole;
        }
        command.extend(["--config-out", config.to_str().expect("UTF-8")]);
        if !center.mqtt.is_empty() {
            command.extend(["--mqtt", &center.mqtt]);
        }
        std::fs::remove_file(&config).expect("removed");
        center.cli(command);
        pole
    }

    /// A board out of the box, for a speaker that may be there already.
    pub fn unboxed(center: &Center, speaker: &str, sound: Sound) -> Self {
        let dir = tempfile::Builder::new().prefix("loaxa-pole").tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("controller.toml"), "# as enrolled\n").expect("written");
        let center = center.enrols().then(|| center.data());
        Self { speaker: speaker.into(), dir, process: None, sound, program: None, environment: vec![], center }
    }

    /// `loaxa-controller enroll`, as it ends.
    pub fn enroll(&self, url: &str, code: &str, more: &[&str]) -> Output {
        let mut command = self.command();
        command.args(["enroll", "--center", url, "--code", code, "--config"]).arg(self.config()).args(more);
        run(&mut command)
    }

    pub fn enrol_with(&self, url: &str, code: &str) {
        let output = self.enroll(url, code, &[]);
        assert!(output.status.success(), "enroll: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// In place of an identity that it has.
    pub fn enrol_with_force(&self, url: &str, code: &str) {
        let output = self.enroll(url, code, &["--force"]);
        assert!(output.status.success(), "enroll: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn identity(&self) -> PathBuf {
        self.store().join("identity")
    }

    /// The center was not running when the board was added.
    fn enrol_late(&self, data: &Path) {
        let told = std::fs::read_to_string(data.join("run.json")).expect("the center runs");
        let running: Value = serde_json::from_str(&told).expect("JSON");
        let mut command = Command::new(binary("loaxa"));
        command.env("LOAXA_DATA", data).args(["speaker", "enrol", &self.speaker, "--json"]);
        let output = run(&mut command);
        let made: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        self.enrol_with(running["http"].as_str().expect("http"), made["code"].as_str().expect("a code"));
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("controller.toml")
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn capture(&self) -> PathBuf {
        self.dir.path().join("dac")
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(self.program.clone().unwrap_or_else(|| binary("loaxa-controller")));
        command
            .env("LOAXA_STORE__DIR", self.store())
            .env("LOAXA_CLOCK__TRUST_SYSTEM", "never")
            .env("LOAXA_CLOCK__NEIGHBOURS", "false")
            .stdin(Stdio::null());
        command.env("LOAXA_STORE__RUNTIME_DIR", self.dir.path());
        if let Sound::Dac { ppm } = self.sound {
            let conf = self.dir.path().join("asound.conf");
            std::fs::write(&conf, simdac_conf(&self.capture())).expect("written");
            command.env("ALSA_CONFIG_PATH", conf).env("SIMDAC_PPM", ppm.to_string());
        }
        command.envs(self.environment.clone());
        command
    }

    pub fn start(&mut self) {
        if let Some(data) = self.center.as_ref().filter(|_| !self.identity().join("identity.json").is_file()) {
            self.enrol_late(data);
        }
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join("log")).expect("log");
        let child =
            self.command().arg("run").arg("--config").arg(self.config()).stderr(log).stdout(Stdio::null()).spawn();
        self.process = Some(Process(child.expect("loaxa-controller starts")));
    }

    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    pub fn stop(&mut self) -> Option<i32> {
        self.process.take().expect("it runs").terminate()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub fn wait_log(&self, words: &str, seconds: u64) {
        wait_for(&format!("{words:?} in the log of {}:\n{}", self.speaker, self.log()), seconds, || {
            self.log().contains(words).then_some(())
        });
    }

    /// What the converter gave out so far. Complete only after the controller has ended.
    pub fn heard(&self) -> Capture {
        Capture::read(&self.capture())
    }
}

/// The ALSA configuration of a simulated converter that captures into `capture`.`{raw,log}`.
pub fn simdac_conf(capture: &Path) -> String {
    let plugin = simdac();
    format!(
        "</usr/share/alsa/alsa.conf>\npcm_type.simdac {{ lib \"{}\" }}\n\
         pcm.!default {{ type simdac file \"{}\" hint {{ show on description \"Simulated DAC\" }} }}\n",
        plugin.display(),
        capture.display()
    )
}

/// The plugin that `make` builds from tests/simdac/simdac.c.
pub fn simdac() -> PathBuf {
    let target = binary("loaxa").parent().and_then(Path::parent).map(Path::to_owned).expect("the target directory");
    let plugin = target.join("simdac").join("libasound_module_pcm_simdac.so");
    assert!(plugin.is_file(), "{} is missing; make it with: make simdac", plugin.display());
    plugin
}

/// A file decoded to 48 kHz mono.
pub fn decoded(path: &Path) -> Vec<f32> {
    let mut source = loaxa::audio::source::Source::open(path).expect("playable");
    let mut samples = vec![];
    while source.next(&mut samples) {}
    samples
}

/// CLOCK_MONOTONIC of a Unix instant, by this machine's own clocks.
pub fn mono_ns_of(unix_ms: i64) -> i64 {
    use loaxa::controller::os;
    unix_ms * 1_000_000 - (os::system_unix_ns() - os::mono_ns())
}
