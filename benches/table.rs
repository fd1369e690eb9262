//! `make bench`: each figure beside what it is to be held against, in one run.
//!
//! Machines are noisy, so ratios count, not seconds; docs/BENCHMARKS.md keeps the tables that were seen.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot run says so")]

mod fleet;
#[path = "../tests/it/harness/mod.rs"]
mod harness;
mod mutations;
mod planning;
mod plot;
mod raw;
mod reports;
mod step;
mod trust;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Center, Pole, Sound, binary, playlists, repository, wait_for};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, port] = &arguments[..]
        && word == "raw-broker"
    {
        return raw::serve_broker(port.parse().expect("a port"));
    }
    if let [_, word, format] = &arguments[..]
        && word == mutations::WORD
    {
        return mutations::of_format(format);
    }
    // Cargo passes flags of its own; a word names one section, a number the size of a fleet.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let (numbers, wanted): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|word| word.parse::<usize>().is_ok());
    let numbers: Vec<usize> = numbers.iter().filter_map(|word| word.parse().ok()).collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    // How many speakers, where a section says it of fleets: as given, or as usual.
    let sizes = |usual: &[usize]| if numbers.is_empty() { usual.to_vec() } else { numbers.clone() };
    let begun = Instant::now();
    if wants("planning") {
        planning::planning();
    }
    if wants("trust") {
        trust::trust();
    }
    if wants("step") {
        step::step();
    }
    if wants("decode") {
        decode();
    }
    if wants("mutations") {
        mutations::mutations();
    }
    if wants("controller") {
        controller();
    }
    if wants("delivery") {
        delivery(&sizes(&[668, 1336, 2672]));
    }
    if wants("flapping") {
        println!(
            "\nbytes of chunks received per byte needed, 1 MB at 100 kB/s, while a tenth of the boards comes and goes"
        );
        sizes(&[1336]).into_iter().for_each(fleet::flapping);
    }
    if wants("command") {
        println!(
            "\nan emergency by command: ms from the request to the board's door (target: p99 < 500 at 2672, < 2000 at 10000)"
        );
        println!("and to the first sample, 400 of them meant; CPU s until all sound");
        println!(
            "{:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "speakers", "door p50", "p99", "last", "came", "sound p50", "p99", "sounded", "center", "boards"
        );
        let sizes = sizes(&[668, 1336, 2672, 10_000]);
        let points = sizes.into_iter().map(|speakers| (speakers as f64, fleet::command(speakers))).collect();
        plot::growth("command", "emergency: ms to the door, p99", &[("loaxa", points)]);
    }
    if wants("return") {
        println!("\nafter the center, its broker with it, was killed: s from its start (target: 60 at 10000)");
        println!(
            "{:>8} {:>14} {:>14} {:>14} {:>14}",
            "speakers", "KB/speaker", "all connected", "all known", "plans sent"
        );
        let sizes = sizes(&[2500, 5000, 10_000]);
        let points = sizes.into_iter().map(|speakers| (speakers as f64, fleet::come_back(speakers))).collect();
        plot::growth("return", "after a restart: s until all are connected", &[("loaxa", points)]);
    }
    if wants("records") {
        println!("\nrecords into SQLite, acknowledged when durable");
        fleet::records();
    }
    if wants("reports") {
        println!("\nreports over a year, from the request to the last byte");
        reports::year();
    }
    println!("\nall in {:.0} s", begun.elapsed().as_secs_f64());
}

/// CPU seconds, user and system, of all children that have ended.
fn children_cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    // Fields 16 and 17 of proc(5), in ticks of 10 ms; the first two stand before the split.
    [13, 14].iter().map(|index| fields[*index].parse::<f64>().expect("ticks") / 100.0).sum()
}

/// CPU seconds, user and system, of a running process.
fn cpu_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    [11, 12].iter().map(|index| fields[*index].parse::<f64>().expect("ticks") / 100.0).sum()
}

fn rss_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).expect("a number").parse().expect("kB")
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The slim controller, as it runs on boards; `make bench` builds it.
fn slim() -> PathBuf {
    let path = binary("loaxa").parent().and_then(Path::parent).expect("target").join("slim/loaxa-controller");
    assert!(path.is_file(), "{} is missing: run make bench", path.display());
    path
}

/// Decoding, resampling and metering to 48 kHz mono, against `ffmpeg -threads 1` doing the same.
fn decode() {
    println!("decode to 48 kHz mono: CPU s for 20 min, best of 3");
    println!("{:22} {:>8} {:>8} {:>18}", "source", "loaxa", "ffmpeg", "ffmpeg / loaxa");
    let dir = tempfile::tempdir().expect("a directory");
    let source = playlists().join("audio/tiem-chung.flac");
    for (name, options) in [
        ("mp3 128k 44.1 kHz", &["-ar", "44100", "-b:a", "128k"][..]),
        ("m4a aac 128k 44.1 kHz", &["-ar", "44100", "-c:a", "aac", "-b:a", "128k"]),
        ("ogg vorbis 44.1 kHz", &["-ar", "44100", "-c:a", "libvorbis"]),
        ("opus 48k 48 kHz", &["-c:a", "libopus", "-b:a", "48k"]),
        ("flac 44.1 kHz", &["-ar", "44100"]),
        ("wav 44.1 kHz", &["-ar", "44100"]),
        ("aiff 44.1 kHz", &["-ar", "44100"]),
        ("alac 44.1 kHz", &["-ar", "44100", "-c:a", "alac", "-f", "ipod"]),
    ] {
        let extension = name.split(' ').next().expect("a word");
        let file = dir.path().join(format!("long.{extension}"));
        let mut make = Command::new("ffmpeg");
        make.args(["-v", "error", "-stream_loop", "-1", "-i"])
            .arg(&source)
            .args(["-t", "1200", "-ac", "2"])
            .args(options)
            .arg(&file);
        run(&mut make);
        let best = |command: &mut dyn FnMut() -> Command| {
            (0..3)
                .map(|_| {
                    let before = children_cpu_s();
                    run(&mut command());
                    children_cpu_s() - before
                })
                .fold(f64::MAX, f64::min)
        };
        let ours = best(&mut || {
            let mut command = Command::new(slim());
            command.arg("play").arg(&file).args(["--out", "null"]);
            command
        });
        let theirs = best(&mut || {
            let mut command = Command::new("ffmpeg");
            command.args(["-v", "error", "-threads", "1", "-i"]).arg(&file);
            command.args(["-threads", "1", "-ac", "1", "-ar", "48000", "-f", "f32le", "-y", "/dev/null"]);
            command
        });
        println!("{name:22} {ours:8.2} {theirs:8.2} {:18.2}", theirs / ours);
    }
}

/// What a board has to carry.
fn controller() {
    println!("\ncontroller (slim build)");
    let bytes = std::fs::metadata(slim()).expect("built").len();
    println!("{:44} {:.2} MB   (target: 8)", "binary, stripped", bytes as f64 / 1e6);
    let linked = Command::new("cargo")
        .args(["tree", "--prefix", "none", "-e", "normal", "--no-default-features", "--features", "controller"])
        .current_dir(repository())
        .output()
        .expect("cargo");
    let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
    let strangers: Vec<_> = ["axum", "hyper", "rmqtt", "sqlx", "reqwest", "libsqlite3-sys"]
        .into_iter()
        .filter(|name| linked.lines().any(|l| l.starts_with(&format!("{name} "))))
        .collect();
    println!(
        "{:44} {}",
        "HTTP server, broker or database linked",
        if strangers.is_empty() { "none".into() } else { strangers.join(" ") }
    );

    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    let mut pole = Pole::add(&center, "a", "A", "24133", Sound::Dac { ppm: 0.0 });
    pole.program = Some(slim());
    let begun = Instant::now();
    pole.start();
    let ready = wait_for("readiness", 10, || pole.log().contains("is ready").then(|| begun.elapsed()));
    println!(
        "{:44} {:.0} ms   (target: 500; read off its log every 25 ms)",
        "from exec to ready",
        ready.as_secs_f64() * 1000.0
    );
    center.schedule_once("sang", &["dengue"], 5_000, &["66"]);
    wait_for("the play", 30, || center.plays().into_iter().find(|play| play["outcome"] == "playing"));
    let pid = pole.process.as_ref().expect("it runs").id();
    std::thread::sleep(Duration::from_secs(1));
    let (cpu, at) = (cpu_s(pid), Instant::now());
    std::thread::sleep(Duration::from_secs(6));
    let share = (cpu_s(pid) - cpu) / at.elapsed().as_secs_f64() * 100.0;
    println!("{:44} {:.1} MB   (target: 20)", "resident while playing", rss_kb(pid) as f64 / 1024.0);
    println!("{:44} {share:.1} %   (target: 5)", "of one core while playing");
}

/// A bulletin of 1 MB to many speakers, against the same bytes through the same broker and Mosquitto to bare subscribers.
fn delivery(sizes: &[usize]) {
    println!(
        "\ndelivery of 1 MB in 64 KiB chunks; CPU s of center and broker, and of the boards or subscribers, which are on the same 2 cores"
    );
    println!(
        "{:>8} {:34} {:>12} {:>8} {:>10} {:>13} {:>11} {:>8}",
        "speakers", "how", "last byte s", "CPU s", "boards' s", "bytes/needed", "KB/speaker", "after"
    );
    let mut lines = ["mosquitto", "embedded broker", "the same, hashing", "loaxa"].map(|name| (name, vec![]));
    for &speakers in sizes {
        let row = |how: &str, one: &raw::Fanout| {
            println!(
                "{speakers:>8} {how:34} {:12.2} {:8.2} {:10.2} {:13.3} {:11.1} {:8.1}",
                one.seconds, one.cpu_s, one.own_cpu_s, one.bytes_per_needed, one.kb_per_client, one.kb_after
            );
        };
        let mosquitto = raw::mosquitto(speakers);
        row("mosquitto, bare subscribers", &mosquitto);
        let bare = raw::embedded(speakers, raw::Work::Counts);
        row("embedded broker, bare subscribers", &bare);
        let floor = raw::embedded(speakers, raw::Work::Hashes);
        row("embedded broker, they hash as boards", &floor);
        let fleet = fleet::deliver(speakers);
        row("loaxa: center, broker, engines", &fleet);
        println!(
            "{speakers:>8} {:34} {:12.2} {:8.2}   (target: 1.25)",
            "ratio to the row above it",
            fleet.seconds / floor.seconds,
            fleet.cpu_s / floor.cpu_s
        );
        for (line, one) in lines.iter_mut().zip([mosquitto, bare, floor, fleet]) {
            line.1.push((speakers as f64, one.seconds));
        }
    }
    plot::growth("delivery", "1 MB to all: s to the last byte", &lines);
}
