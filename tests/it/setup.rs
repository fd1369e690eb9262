//! The first minutes: an empty directory that is set up over HTTP, and a speaker of the center's own that is heard.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use loaxa::protocol::keys::SealedKey;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Capture, Process, adopt, binary, decoded, playlists, repository, run as run_to_end, simdac_conf, unix_ms, wait_for,
};

const PASSPHRASE: &str = "ngựa chạy trên đồng";
const PASSWORD: &str = "trà đá vỉa hè 2026";

/// `loaxa serve` on a directory where there is nothing, plainly, with a simulated converter at hand.
struct Newcomer {
    dir: TempDir,
    process: Option<Process>,
    lines: mpsc::Receiver<Value>,
    http: String,
    code: String,
    sound: bool,
}

impl Newcomer {
    fn start(sound: bool) -> Self {
        let dir = tempfile::Builder::new().prefix("loaxa-new").tempdir().unwrap();
        Self::start_in(dir, sound)
    }

    fn start_in(dir: TempDir, sound: bool) -> Self {
        let mut this =
            Self { dir, process: None, lines: mpsc::channel().1, http: String::new(), code: String::new(), sound };
        let mut child = this.command(&this.data(), "127.0.0.1:0").spawn().unwrap();
        this.lines = lines(&mut child);
        this.process = Some(adopt(child));
        let line = this.next();
        this.http = line["http"].as_str().unwrap().to_owned();
        this.code = line["setup_code"].as_str().unwrap_or_default().to_owned();
        if !this.code.is_empty() {
            assert_eq!(line["setup_url"], format!("{}/#setup={}", this.http, this.code));
        }
        this
    }

    /// The same directory after its server has ended.
    fn again(mut self) -> Self {
        drop(self.process.take());
        Self::start_in(self.dir, self.sound)
    }

    fn command(&self, data: &Path, http: &str) -> Command {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let mut command = Command::new(binary("loaxa"));
        command
            .args(["serve", "--json", "--plain-http", "--http", http, "--mqtt", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let conf = self.dir.path().join("asound.conf");
        // Without a converter there is no card at all.
        let text = if self.sound { simdac_conf(&self.capture()) } else { "# no card\n".into() };
        std::fs::write(&conf, text).unwrap();
        command.env("ALSA_CONFIG_PATH", conf);
        command
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn capture(&self) -> PathBuf {
        self.dir.path().join("dac")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn next(&self) -> Value {
        self.lines.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("it says nothing: {}", self.log()))
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.try_send(method, path, body).expect("an answer")
    }

    fn try_send(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let url = format!("{}/api/v1{path}", self.http);
        let token = std::fs::read_to_string(self.data().join("token")).unwrap_or_default();
        loaxa::center::tls::install_provider();
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let mut request = reqwest::Client::new().request(method.parse().unwrap(), url).bearer_auth(token.trim());
            if method != "GET" {
                request = request.json(body);
            }
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            let bytes = answer.bytes().await.ok()?;
            let value = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(bytes.len()));
            Some((status, value))
        })
    }

    fn get(&self, path: &str) -> Value {
        let (status, value) = self.send("GET", path, &Value::Null);
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    fn center(&self) -> Value {
        json!({
            "code": self.code, "title": "UBND xã Mẫu", "area": "24133", "area_title": "Xã Mẫu",
            "time_zone": waking_zone(), "passphrase": PASSPHRASE,
        })
    }

    fn stage(&self) -> String {
        self.get("/setup")["stage"].as_str().unwrap().to_owned()
    }

    /// Makes the center and waits for normal serving. Whoever asks meanwhile is told a stage that is true.
    fn found(&self, body: &Value) -> Value {
        let (status, made) = self.send("POST", "/setup/center", body);
        assert_eq!(status, 201, "{made}");
        let stage = wait_for("the next stage", 60, || {
            let (_, told) = self.try_send("GET", "/setup", &Value::Null)?;
            (told["stage"] != "center").then_some(told)
        });
        assert_eq!(stage["stage"], "admin");
        let running = self.next();
        assert_eq!(running["http"], self.http, "the same address");
        assert_eq!(running["setup_code"], self.code, "the same code");
        made
    }

    fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(binary("loaxa"));
        command
            .args(arguments)
            .env("LOAXA_DATA", self.data())
            .env("LOAXA_AUTHORITY_PASSPHRASE", PASSPHRASE)
            .env("LOAXA_PASSPHRASE", PASSPHRASE);
        let output = run_to_end(&mut command);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Each line of a program's output, as JSON.
fn lines(child: &mut Child) -> mpsc::Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let _ = sender.send(serde_json::from_str(&line).unwrap_or_else(|_| json!(line)));
        }
    });
    receiver
}

/// A zone where the lawful hours have begun and do not end soon, so that tests run at any hour.
fn waking_zone() -> String {
    let hour = unix_ms() / 3_600_000 % 24;
    let east = 12 - hour;
    // POSIX has it the other way round.
    if east >= 0 { format!("Etc/GMT-{east}") } else { format!("Etc/GMT+{}", -east) }
}

#[test]
fn an_empty_directory_becomes_a_center_for_whoever_has_the_code() {
    let new = Newcomer::start(false);
    assert_eq!(new.stage(), "center");
    let (status, told) = new.send("GET", "/session", &Value::Null);
    assert_eq!((status, &told["type"]), (503, &json!("loaxa:not-set-up")), "{told}");
    // Without the code nothing is made, and guessing is slowed down.
    let mut guess = new.center();
    guess["code"] = json!("đoán");
    let (status, told) = new.send("POST", "/setup/center", &guess);
    assert_eq!(status, 400, "{told}");
    assert!(told["detail"].as_str().unwrap().contains("code is wrong"), "{told}");
    let tries: Vec<_> = (0..6).map(|_| new.send("POST", "/setup/center", &guess).0).collect();
    assert!(tries.contains(&429) && !tries.contains(&201), "{tries:?}");
    assert!(!new.data().join("site.json").exists());
    // What cannot be is told by its field, and the right one can be sent afterwards.
    let refused = |field: &str, value: Value| {
        let mut body = new.center();
        body[field] = value;
        let (status, told) = new.send("POST", "/setup/center", &body);
        assert_eq!(status, 400, "{field}: {told}");
        told["detail"].as_str().unwrap().to_owned()
    };
    assert!(refused("area", json!("không phải mã")).starts_with("area: "));
    assert!(refused("time_zone", json!("Hà Nội")).contains("Asia/Ho_Chi_Minh"));
    assert!(refused("passphrase", json!("ngắn")).contains("at least 8"));
    assert!(refused("title", json!("")).contains("title"));
    // After the delay of the guesses the honest one gets in; with an approver, who is certified with it.
    let key = loaxa::protocol::keys::SigningKey::generate().unwrap();
    let mut body = new.center();
    let public = loaxa::domain::approval::key_text::format(&key.public());
    body["approver"] = json!({ "title": "Bà Duyệt", "key": public, "highest": "priority", "valid_days": 365 });
    let made = wait_for("the delay to be over", 60, || {
        let (status, made) = new.send("POST", "/setup/center", &body);
        (status != 429).then(|| {
            assert_eq!(status, 201, "{made}");
            made
        })
    });
    let running = new.next();
    assert_eq!((&running["http"], &running["setup_code"]), (&json!(new.http), &json!(new.code)));
    assert!(running["mqtt"].as_str().unwrap().starts_with("mqtts://"));
    let sealed: SealedKey = serde_json::from_value(made["authority_key"].clone()).unwrap();
    assert!(sealed.open(PASSPHRASE).is_ok() && sealed.open("khác").is_err());
    assert_eq!(new.stage(), "admin");
    let (status, told) = new.send("POST", "/setup/center", &new.center());
    assert_eq!(status, 409, "once: {told}");
    let certificates = new.get("/certificates");
    let approver = certificates.as_array().unwrap().iter().find(|row| row["certificate"]["role"] == "approver");
    assert_eq!(approver.unwrap()["certificate"]["title"], "Bà Duyệt");
    // The same code makes the first admin, once.
    let admin = json!({ "code": new.code, "name": "quantri", "title": "Quản trị", "password": PASSWORD });
    assert_eq!(new.send("POST", "/setup", &admin).0, 201);
    assert_eq!(new.send("POST", "/setup", &admin).0, 400);
    assert_eq!(new.stage(), "done");
    assert_eq!(new.send("POST", "/areas", &json!({ "code": "24133-1", "title": "Thôn 1" })).0, 201);
    // Nothing of the passphrase is in what was written.
    for entry in std::fs::read_dir(new.data()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(PASSPHRASE.len()).any(|piece| piece == PASSPHRASE.as_bytes()), "{entry:?}");
    }
    assert!(!new.log().contains(PASSPHRASE));
    // A second start finds a center, and offers nothing.
    let again = new.again();
    assert_eq!((again.stage().as_str(), again.code.as_str()), ("done", ""));
    assert_eq!(again.get("/areas").as_array().unwrap().len(), 2);
}

#[test]
fn what_cuts_set_up_off_leaves_nothing_half_made() {
    let new = Newcomer::start(false);
    // Killed at once after the request was sent: in whatever moment that comes, the next start is whole.
    let ca = std::fs::read(new.data().join("tls/ca.pem")).unwrap();
    let (http, body) = (new.http.clone(), new.center());
    loaxa::center::tls::install_provider();
    let asked = std::thread::spawn(move || {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let url = format!("{http}/api/v1/setup/center");
            let _ = reqwest::Client::new().post(url).json(&body).send().await;
        });
    });
    wait_for("something to be made", 30, || new.data().join("media").exists().then_some(()));
    let first_code = new.code.clone();
    let again = new.again();
    asked.join().unwrap();
    assert!(again.stage() == "center" || again.data().join("site.json").exists());
    assert_ne!(again.code, first_code, "a code is good until its server ends");
    if again.stage() == "center" {
        again.found(&again.center());
    }
    assert_eq!(again.stage(), "admin");
    assert_eq!(std::fs::read(again.data().join("tls/ca.pem")).unwrap(), ca, "browsers need not be told twice");
    // Between the two servers nobody is turned away, and a stop is a stop.
    let mut again = again;
    assert_eq!(again.process.take().unwrap().terminate(), Some(0));
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let new = Newcomer::start(false);
    let theirs = new.dir.path().join("theirs");
    std::fs::create_dir(&theirs).unwrap();
    std::fs::write(theirs.join("notes.txt"), "của người khác").unwrap();
    let output = run_to_end(&mut new.command(&theirs, "127.0.0.1:0"));
    assert_eq!(output.status.code(), Some(1));
    let names: Vec<_> = std::fs::read_dir(&theirs).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["notes.txt"]);
    // And one on which somebody is at work.
    let output = run_to_end(&mut new.command(&new.data(), "127.0.0.1:0"));
    assert_eq!(output.status.code(), Some(1));
    // In set-up mode a stop is a stop.
    let mut new = new;
    assert_eq!(new.process.take().unwrap().terminate(), Some(0));
}

/// A center with an approver and a bulletin that may be played.
fn ready(sound: bool) -> Newcomer {
    let new = Newcomer::start(sound);
    new.found(&new.center());
    let key = new.dir.path().join("duyet.key");
    let (key, tune) = (key.to_str().unwrap(), playlists().join("audio/nhac-hieu.wav"));
    new.cli(&["approver", "add", "Duyệt", "--area", "24133", "--key-out", key]);
    let add = ["--id", "nhac", "--title", "Nhạc hiệu", "--language", "vie", "--area", "24133"];
    new.cli(&[&["bulletin", "add", tune.to_str().unwrap()][..], &add[..]].concat());
    new.cli(&["bulletin", "submit", "nhac"]);
    new.cli(&["bulletin", "approve", "nhac", "--key", key]);
    let speaker = json!({ "id": "thu", "title": "Loa thử", "area": "24133" });
    assert_eq!(new.send("POST", "/speakers", &speaker).0, 201);
    new
}

impl Newcomer {
    fn trial(&self) -> Value {
        self.get("/trials")["items"].as_array().unwrap().iter().find(|row| row["speaker"] == "thu").unwrap().clone()
    }

    fn runs(&self) -> Value {
        wait_for("the trial speaker to run", 60, || {
            let trial = self.trial();
            assert_ne!(trial["state"], "failed", "{trial} {}", self.log());
            (trial["state"] == "running").then_some(trial)
        })
    }

    fn is_ready(&self) {
        wait_for("the speaker to be ready", 60, || {
            let row = self.get("/speakers/thu");
            (row["link"]["state"] == "online" && row["clock"]["trusted"] == true).then_some(())
        });
    }

    /// Plays the bulletin a few seconds from now, and gives the record.
    fn play(&self, name: &str) -> Value {
        let start = chrono::DateTime::from_timestamp(unix_ms() / 1000 + 6, 0).unwrap();
        let cron = start.format("%-S %-M %-H %-d %-m * %Y").to_string();
        let schedule =
            json!({ "title": name, "cron": cron, "time_zone": "UTC", "targets": ["24133"], "programme": name });
        let body = json!({ "programme": { name: { "items": ["nhac"] } }, "schedule": { name: schedule } });
        let (status, told) = self.send("POST", "/playlists", &body);
        assert_eq!(status, 200, "{told}");
        wait_for("the record", 60, || {
            let over = |play: &&Value| {
                let outcome = play["outcome"].as_str().unwrap_or_default();
                play["schedule"] == name && ["played", "late", "partial", "missed"].contains(&outcome)
            };
            self.get("/plays")["items"].as_array().unwrap().iter().find(over).cloned()
        })
    }
}

fn alive(pid: u32) -> bool {
    // A zombie is dead.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

/// The trial speakers that a center runs.
fn children(of: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        parent == Some(of) && command.contains("trial-speaker")
    })
    .collect()
}

#[test]
fn a_trial_speaker_is_heard_and_ends_with_its_center() {
    let new = ready(true);
    assert_eq!(new.send("POST", "/speakers/thu/trial", &json!({})).0, 201);
    let trial = new.runs();
    assert_eq!(trial["sound"], "device", "{trial}");
    new.is_ready();
    let play = new.play("sang");
    assert_eq!((&play["outcome"], &play["evidence"]), (&json!("played"), &json!("sounded")), "{play}");
    // What the converter gave out is what was sent in.
    let source = decoded(&playlists().join("audio/nhac-hieu.wav"));
    let heard = Capture::read(&new.capture());
    let samples = heard.runs.iter().flat_map(|run| &run.samples);
    let loud = samples.filter(|sample| sample.abs() > 0.001).count();
    assert!(loud > source.len() / 4, "{loud} of {} frames", source.len());
    // Killed without a word, the center takes its speaker along.
    let children = children(new.process.as_ref().unwrap().id());
    assert_eq!(children.len(), 1);
    let mut new = new;
    new.process.take().unwrap().kill();
    wait_for("the trial speaker to end", 30, || (!alive(children[0])).then_some(()));
    // It comes again with the center, as the speaker that it was.
    let new = new.again();
    new.runs();
    new.is_ready();
    // Its trial ends, and with it the process, its files and its way in; what it has played stays.
    let children = self::children(new.process.as_ref().unwrap().id());
    assert_eq!(new.send("DELETE", "/speakers/thu/trial", &Value::Null).0, 204);
    assert!(!alive(children[0]) && !new.data().join("trial/thu").exists());
    assert_eq!(new.send("DELETE", "/speakers/thu/trial", &Value::Null).0, 404);
    wait_for("its link to be down", 30, || (new.get("/speakers/thu")["link"]["state"] != "online").then_some(()));
    let plays = new.get("/plays");
    assert!(plays["items"].as_array().unwrap().iter().any(|play| play["outcome"] == "played"), "{plays}");
}

#[test]
fn the_page_alone_leads_from_an_empty_directory_to_a_proven_play() {
    let new = Newcomer::start(true);
    let output = Command::new("npm")
        .args(["run", "--silent", "test:first"])
        .current_dir(repository().join("web"))
        .env("LOAXA_TEST_SETUP_URL", format!("{}/#setup={}", new.http, new.code))
        .env("LOAXA_TEST_ZONE", waking_zone())
        .env("LOAXA_TEST_SOUND", playlists().join("audio/cat-nuoc.opus"))
        .output()
        .expect("npm runs; `make web` installs what the page needs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}\n{}", String::from_utf8_lossy(&output.stderr), new.log());
    assert!(told.contains("proven on the screen"), "{told}");
    told.lines().filter(|line| line.contains("first five minutes")).for_each(|line| println!("{line}"));
    // What the page calls proven has left the converter.
    let heard = Capture::read(&new.capture());
    let loud = heard.runs.iter().flat_map(|run| &run.samples).filter(|sample| sample.abs() > 0.001).count();
    assert!(loud > 48_000, "{loud} frames");
}

#[test]
fn without_a_sound_device_nothing_is_said_to_have_sounded() {
    let new = ready(false);
    assert_eq!(new.send("GET", "/speakers/thu/trial/sound", &Value::Null).0, 404);
    assert_eq!(new.send("POST", "/speakers/thu/trial", &json!({})).0, 201);
    assert_eq!(new.runs()["sound"], "file");
    new.is_ready();
    // A file is written at the pace of sound, and a machine that is too busy leaves a gap in it; a device would have had it in its buffer.
    let play = new.play("sang");
    assert!(play["heard_ms"].as_i64().unwrap() > 1_000 && play["outcome"] != "missed", "{play}");
    assert_eq!(play["evidence"], "content_ready", "{play}");
    let (status, bytes) = new.send("GET", "/speakers/thu/trial/sound", &Value::Null);
    assert!(status == 200 && bytes.as_u64().unwrap() > 96_000, "a second of sound at least: {bytes}");
    // No more than three, and none in the place of a board.
    for id in ["hai", "ba", "bon"] {
        let speaker = json!({ "id": id, "title": "Loa thử", "area": "24133" });
        assert_eq!(new.send("POST", "/speakers", &speaker).0, 201);
    }
    let begin = |id: &str| new.send("POST", &format!("/speakers/{id}/trial"), &json!({ "out": "file" }));
    assert_eq!((begin("hai").0, begin("ba").0), (201, 201));
    let (status, told) = begin("bon");
    assert!(status == 409 && told["detail"].as_str().unwrap().contains("3 trial speakers already"), "{told}");
    assert_eq!(begin("hai").0, 201, "one that is there is begun anew");
}
