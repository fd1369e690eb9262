//! Owns the proof that `firmware-config/` is what a board accepts: systemd's and ALSA's own tools read the files, and the values
//! that depend on each other agree. It starts no service and needs no card, and fails, never skips, where a tool is missing.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{self, Command},
};

/// `systemd-analyze security` counts tenths: at most 1.9. Raise it only together with the reason in the unit.
const MOST_EXPOSURE: &str = "--threshold=19";

/// The kernel widens its own error bound by 500 ppm while nobody corrects it (Linux, `MAXFREQ` in `ntp.c`).
const KERNEL_DRIFT_MS_PER_S: f64 = 0.5;

/// The largest timeout that the watchdogs of the common boards take (Raspberry Pi, `bcm2835_wdt`).
const WATCHDOG_MAX_S: f64 = 15.0;

/// The target of `make bench` for a board that plays.
const RESIDENT_MB: u32 = 20;

const UNIT: &str = "systemd/loaxa-controller.service";
const TIMESYNCD: &str = "time/10-loaxa-timesyncd.conf";
const JOURNALD: &str = "journald/10-loaxa.conf";
const WATCHDOG: &str = "watchdog/10-loaxa-watchdog.conf";

#[test]
fn systemd_accepts_the_unit() {
    let scratch = Scratch::new("verify");
    let unit = unit_that_runs_here(&scratch);
    let said = run(
        "systemd",
        Command::new("systemd-analyze").args(["verify", "--man=no", "--recursive-errors=no"]).arg(&unit),
    );
    // An unknown key is only a warning to systemd, so the exit code alone proves too little.
    assert!(said.ok && said.out.is_empty() && said.err.is_empty(), "systemd-analyze verify: {}{}", said.out, said.err);
}

#[test]
fn unit_stays_confined() {
    let scratch = Scratch::new("security");
    let unit = unit_that_runs_here(&scratch);
    let said = run(
        "systemd",
        Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager", MOST_EXPOSURE]).arg(&unit),
    );
    assert!(said.ok && said.out.contains("Overall exposure level"), "{}{}", said.out, said.err);
}

#[test]
fn unit_keeps_its_promises() {
    let unit = settings(UNIT);
    for (key, wanted) in [
        ("Type", "notify"),
        ("NotifyAccess", "main"),
        ("ExecStart", "/usr/bin/loaxa-controller run --config /etc/loaxa/controller.toml"),
        ("Restart", "always"),
        ("StartLimitIntervalSec", "0"),
        ("StateDirectory", "loaxa"),
        ("RuntimeDirectory", "loaxa"),
        ("SupplementaryGroups", "audio"),
        ("DevicePolicy", "closed"),
        ("DeviceAllow", "char-116 rw"),
        ("WantedBy", "multi-user.target"),
    ] {
        assert_eq!(values(&unit, key), [wanted], "{key}= in {UNIT}");
    }
    for key in ["WatchdogSec", "RestartSec", "TimeoutStartSec", "LimitRTTIME"] {
        assert!(seconds(one(&unit, key)) > 0.0, "{key}= in {UNIT}");
    }
    for key in ["LimitRTPRIO", "LimitMEMLOCK", "MemoryMax"] {
        assert_ne!(one(&unit, key), "0", "{key}= in {UNIT}");
    }
    // What it takes while playing, and three times that before anything is taken back (README, "The contract with systemd").
    let megabytes = |key: &str| one(&unit, key).trim_end_matches('M').parse::<u32>().expect("megabytes");
    let (high, most) = (megabytes("MemoryHigh"), megabytes("MemoryMax"));
    assert!(3 * RESIDENT_MB <= high && high < most, "MemoryHigh={high}M, MemoryMax={most}M in {UNIT}");
    // Each of these would silence the pole or blind the clock; the unit says how.
    for key in ["RestrictRealtime", "PrivateDevices", "ProtectClock", "PrivateNetwork", "IPAddressDeny", "DynamicUser"]
    {
        assert!(values(&unit, key).is_empty(), "{key}= must not be in {UNIT}");
    }
    for key in ["After", "Wants", "Requires", "BindsTo", "Requisite"] {
        for waits_for in values(&unit, key) {
            assert!(
                !waits_for.contains("network") && !waits_for.contains("time-sync.target"),
                "{key}={waits_for}: a pole plays with no network"
            );
        }
    }
    let calls = values(&unit, "SystemCallFilter");
    assert_eq!(
        calls.last(),
        Some(&"adjtimex clock_adjtime clock_adjtime64"),
        "the last word on system calls lets the controller read the kernel's clock"
    );
}

#[test]
fn user_and_its_files_have_one_name() {
    let unit = settings(UNIT);
    let user = one(&unit, "User");
    assert_eq!(one(&unit, "Group"), user);
    // Not through systemd-tmpfiles itself: it would have to be root to give files away.
    let rules: Vec<String> = read("systemd/loaxa-controller.tmpfiles.conf")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let wanted = [format!("d /etc/loaxa 0750 root {user}"), format!("z /etc/loaxa/controller.toml 0640 root {user}")];
    assert_eq!(rules, wanted, "the broker password is for root and {user}");
    let users = "systemd/loaxa-controller.sysusers.conf";
    for rule in [format!("u {user} - "), format!("m {user} audio")] {
        assert!(read(users).lines().any(|line| line.starts_with(&rule)), "{users}: {rule}");
    }
    let scratch = Scratch::new("sysusers");
    let said = run(
        "systemd",
        Command::new("systemd-sysusers")
            .arg("--dry-run")
            .arg(format!("--root={}", scratch.path().display()))
            .arg(folder().join(users)),
    );
    let made = format!("Creating user '{user}'");
    assert!(said.ok && said.err.contains(&made) && !said.err.contains("Unknown"), "{users}: {}", said.err);
}

#[test]
fn drop_ins_hold_only_known_keys() {
    // The keys of systemd 252: system.conf(5), journald.conf(5), timesyncd.conf(5). A wrong one is ignored in silence on the board.
    for (file, section, known) in [
        (
            WATCHDOG,
            "Manager",
            "RuntimeWatchdogSec RuntimeWatchdogPreSec RuntimeWatchdogPreGovernor RebootWatchdogSec KExecWatchdogSec WatchdogDevice",
        ),
        (
            JOURNALD,
            "Journal",
            "Storage Compress Seal SplitMode SyncIntervalSec RateLimitIntervalSec RateLimitBurst SystemMaxUse SystemKeepFree \
             SystemMaxFileSize SystemMaxFiles RuntimeMaxUse RuntimeKeepFree RuntimeMaxFileSize RuntimeMaxFiles MaxRetentionSec \
             MaxFileSec ForwardToSyslog ForwardToKMsg ForwardToConsole ForwardToWall TTYPath MaxLevelStore MaxLevelSyslog \
             MaxLevelKMsg MaxLevelConsole MaxLevelWall LineMax ReadKMsg Audit",
        ),
        (
            TIMESYNCD,
            "Time",
            "NTP FallbackNTP RootDistanceMaxSec PollIntervalMinSec PollIntervalMaxSec ConnectionRetrySec SaveIntervalSec",
        ),
    ] {
        let found = settings(file);
        assert!(!found.is_empty(), "{file} sets nothing");
        for setting in &found {
            assert_eq!(setting.section, section, "{}= in {file}", setting.key);
            assert!(
                known.split_whitespace().any(|key| key == setting.key),
                "systemd knows no {}= in [{section}] ({file})",
                setting.key
            );
            assert_eq!(values(&found, &setting.key).len(), 1, "{}= twice in {file}", setting.key);
            if setting.key.ends_with("Sec") {
                assert!(seconds(&setting.value) > 0.0, "{}= in {file}", setting.key);
            }
        }
    }
}

#[test]
fn watchdog_timeout_fits_common_chips() {
    let watchdog = settings(WATCHDOG);
    for key in ["RuntimeWatchdogSec", "RebootWatchdogSec"] {
        let timeout_s = seconds(one(&watchdog, key));
        assert!(timeout_s <= WATCHDOG_MAX_S, "{key}={timeout_s} s would be refused, leaving no watchdog");
    }
}

#[test]
fn journal_spares_the_card() {
    let journal = settings(JOURNALD);
    assert_eq!(one(&journal, "Storage"), "volatile");
    for key in ["RuntimeMaxUse", "SystemMaxUse"] {
        assert!(!one(&journal, key).is_empty(), "{key}= bounds the journal");
    }
}

#[test]
fn system_clock_can_be_trusted_between_polls() {
    // What one would still call in step with a neighbour that takes its time from the center.
    const USEFUL_ERROR_MS: f64 = 250.0;
    let poll_s = seconds(one(&settings(TIMESYNCD), "PollIntervalMaxSec"));
    assert!(
        poll_s * KERNEL_DRIFT_MS_PER_S < USEFUL_ERROR_MS,
        "after {poll_s} s without an answer the kernel's error bound exceeds {USEFUL_ERROR_MS} ms"
    );
}

#[test]
fn chrony_tells_the_kernel() {
    let chrony = read("time/chrony-loaxa.conf");
    let lines: Vec<Vec<&str>> = chrony
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .map(|line| line.split_whitespace().collect())
        .filter(|words: &Vec<&str>| !words.is_empty())
        .collect();
    for words in &lines {
        let known =
            ["pool", "server", "refclock", "makestep", "rtcsync", "driftfile", "maxdistance", "port", "cmdport"];
        assert!(known.contains(&words[0]), "not a directive we have checked: {words:?}");
    }
    assert!(lines.contains(&vec!["rtcsync"]), "without rtcsync the kernel never calls the clock synchronised");
    let step = lines.iter().find(|words| words[0] == "makestep").expect("makestep");
    assert_eq!(step[2], "-1", "a clock that was away for days is stepped at any time");
}

#[test]
fn alsa_accepts_the_card() {
    let scratch = Scratch::new("alsa");
    let said = run("alsa-utils", aplay(&scratch, "").arg("-L"));
    // aplay exits 0 even where the file was refused.
    assert!(said.ok && said.err.is_empty(), "{}", said.err);
    let default = said.out.lines().skip_while(|line| *line != "default").nth(1);
    assert_eq!(default.map(str::trim), Some("loaxa: 48 kHz, mono to both channels"), "{}", said.out);
}

#[test]
fn mono_reaches_both_channels_unchanged() {
    let scratch = Scratch::new("mono");
    let heard = scratch.path().join("heard.raw");
    let wav = scratch.path().join("mono.wav");
    let samples: Vec<i16> = (0..4800).map(|n| (n * 37 % 20_000 - 10_000) as i16).collect();
    fs::write(&wav, wav_mono_48k(&samples)).expect("scratch");
    // Instead of the card, a file that takes what the card would get.
    let card = format!("pcm.!loaxa_card {{ type file slave.pcm null format raw file \"{}\" }}\n", heard.display());
    let said = run("alsa-utils", aplay(&scratch, &card).args(["-q", "-D", "default"]).arg(&wav));
    assert!(said.ok, "{}", said.err);
    let wanted: Vec<u8> =
        samples.iter().flat_map(|sample| [sample.to_le_bytes(), sample.to_le_bytes()].concat()).collect();
    let heard = fs::read(&heard).expect("the card heard nothing");
    assert!(
        heard.len() >= wanted.len() && heard[..wanted.len()] == wanted[..],
        "the card got other samples than were played ({} bytes for {})",
        heard.len(),
        wanted.len()
    );
}

#[test]
fn controller_toml_holds_the_agreed_keys() {
    let text = read("controller.toml");
    let agreed = [
        ("center.mqtt", "\"\""),
        ("center.password", "\"\""),
        ("center.ca", "\"\""),
        ("center.renew_percent", "33"),
        ("store.dir", "\"/var/lib/loaxa\""),
        ("store.quota_mb", "512"),
        ("store.runtime_dir", "\"\""),
        ("audio.out", "\"cpal\""),
        ("audio.device", "\"\""),
        ("audio.capture", "\"\""),
        ("audio.volume_db", "0.0"),
        ("audio.softer", "[]"),
        ("audio.time_zone", "\"Asia/Ho_Chi_Minh\""),
        ("amplifier.switch", "\"\""),
        ("amplifier.status", "\"\""),
        ("amplifier.warm_up_ms", "500"),
        ("amplifier.hold_s", "30"),
        ("clock.trust_system", "\"when-synchronised\""),
        ("clock.max_error_ms", "150000"),
        ("clock.neighbours", "true"),
        ("clock.neighbour_interface", "\"0.0.0.0\""),
        ("log.level", "\"info\""),
    ];
    let found = toml_keys(&text);
    let found: Vec<(&str, &str)> = found.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(found, agreed);
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2) {
        assert!(
            !pair[1].contains(" = ") || pair[1].starts_with('#') || pair[0].starts_with('#'),
            "no word about `{}`",
            pair[1]
        );
    }
}

#[test]
fn readme_names_every_file() {
    let readme = read("README.md");
    let folder = folder();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("firmware-config") {
            let path = entry.expect("firmware-config").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&folder).expect("inside").display().to_string();
            assert!(name == "README.md" || readme.contains(&format!("`{name}`")), "README.md: no word about {name}");
        }
    }
}

/// One `Key=value` line of a systemd file.
struct Setting {
    section: String,
    key: String,
    value: String,
}

fn settings(file: &str) -> Vec<Setting> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in read(file).lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{file}: {line}"));
        found.push(Setting { section: section.clone(), key: key.to_owned(), value: value.to_owned() });
    }
    found
}

fn values<'a>(settings: &'a [Setting], key: &str) -> Vec<&'a str> {
    settings.iter().filter(|setting| setting.key == key).map(|setting| &*setting.value).collect()
}

fn one<'a>(settings: &'a [Setting], key: &str) -> &'a str {
    let found = values(settings, key);
    assert_eq!(found.len(), 1, "{key}= is wanted once");
    found[0]
}

/// A time span as systemd itself reads it.
fn seconds(span: &str) -> f64 {
    // Without a unit these settings count seconds; the tool would count microseconds.
    let span = if span.bytes().all(|byte| byte.is_ascii_digit()) { format!("{span}s") } else { span.to_owned() };
    let said = run("systemd", Command::new("systemd-analyze").args(["timespan", &span]));
    let micros = said
        .out
        .lines()
        .find_map(|line| line.trim().strip_prefix("μs: "))
        .unwrap_or_else(|| panic!("not a time span: {span}"));
    micros.parse::<f64>().expect("microseconds") / 1e6
}

/// `section.key` and the value as written, in order.
fn toml_keys(text: &str) -> Vec<(String, String)> {
    let mut section = "";
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix('[') {
            section = rest.split(']').next().unwrap_or_default();
        } else if let (false, Some((key, value))) = (line.starts_with('#'), line.split_once(" = ")) {
            found.push((format!("{section}.{key}"), value.to_owned()));
        }
    }
    found
}

/// A copy of the unit whose program exists on this machine; systemd refuses to judge it otherwise.
fn unit_that_runs_here(scratch: &Scratch) -> PathBuf {
    let unit = read(UNIT).replacen("ExecStart=/usr/bin/loaxa-controller ", "ExecStart=/bin/true ", 1);
    assert!(unit.contains("ExecStart=/bin/true "), "ExecStart= in {UNIT}");
    let path = scratch.path().join("loaxa-controller.service");
    fs::write(&path, unit).expect("scratch");
    path
}

/// `aplay` with our asound.conf, then `more`, read last, so that whatever a desktop installs for itself has no say.
fn aplay(scratch: &Scratch, more: &str) -> Command {
    let conf = read("alsa/asound.conf") + more;
    fs::write(scratch.path().join(".asoundrc"), conf).expect("scratch");
    let mut command = Command::new("aplay");
    command.env_remove("ALSA_CONFIG_PATH").env("HOME", scratch.path()).env("XDG_CONFIG_HOME", scratch.path());
    command
}

fn wav_mono_48k(samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let size = |bytes: usize| u32::try_from(bytes).expect("a short file").to_le_bytes();
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend(size(36 + data.len()));
    wav.extend(b"WAVEfmt ");
    wav.extend(size(16));
    wav.extend([1, 0, 1, 0]); // PCM, one channel
    wav.extend(size(48_000));
    wav.extend(size(96_000));
    wav.extend([2, 0, 16, 0]); // bytes a frame, bits a sample
    wav.extend(b"data");
    wav.extend(size(data.len()));
    wav.extend(data);
    wav
}

struct Said {
    ok: bool,
    out: String,
    err: String,
}

/// Runs a tool to its end. A tool that is not there fails the test and names the Debian package that brings it.
fn run(package: &str, command: &mut Command) -> Said {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.env("LC_ALL", "C.UTF-8").env("SYSTEMD_COLORS", "0").env("SYSTEMD_EMOJI", "0").output() {
        Ok(output) => Said {
            ok: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{program} is missing: apt-get install {package}")
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware-config")
}

fn read(file: &str) -> String {
    let path = folder().join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder that goes when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("loaxa-firmware-{}-{name}", process::id()));
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Scratch(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
