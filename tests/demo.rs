//! `make demo`: one center, one broker, three controllers as processes of their own, three bulletins, real sound.
//!
//! Does what an office does, with the same commands, shows what happens, and proves it: it ends with exit code 0 only if
//! every planned play is proven by its record.

#![allow(clippy::expect_used, reason = "a demo that cannot start says so")]

#[path = "it/harness/mod.rs"]
mod harness;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use harness::{Center, Pole, Sound, playlists, unix_ms, wait_for};
use serde_json::Value;

const SPEAKERS: [(&str, &str, &str); 3] = [
    ("cum-loa-01", "Cụm loa Buôn Ma Thuột", "24133"),
    ("cum-loa-02", "Cụm loa Ea Kao", "24169"),
    ("cum-loa-03", "Cụm loa Tân Lập", "24175"),
];
/// Name, items, seconds after the first start.
const PLAYS: [(&str, &[&str], i64); 3] = [
    ("sot-xuat-huyet", &["nhac-hieu", "sot-xuat-huyet"], 0),
    ("cat-nuoc", &["cat-nuoc"], 14),
    ("tiem-chung", &["tiem-chung"], 25),
];
/// What the start may be off by and still count as proven, in milliseconds.
const TOLERANCE_MS: f64 = 20.0;

fn main() -> ExitCode {
    let seconds = match arguments() {
        Ok(seconds) => seconds,
        Err(message) => {
            eprintln!("demo: {message}");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    let say = |words: &str| println!("[{:5.1} s] {words}", begun.elapsed().as_secs_f64());
    let sound = if has_sound_card() { Sound::Card } else { Sound::Dac { ppm: 0.0 } };
    say(match sound {
        Sound::Card => "sound: this machine's card, through cpal",
        Sound::Dac { .. } => "sound: no card here; through cpal and ALSA into captured files (simulated converter)",
    });

    let mut center = Center::new();
    // On loopback, so that the browser opens the page without a warning; MQTT goes by TLS.
    center.flags.push("--plain-http".into());
    center.start();
    say(&format!("center: {}   broker: {}", center.http, center.mqtt));
    center.furnish();
    say("areas and an approver's key are made");
    let playlist = playlists().join("xa-mau.toml");
    center.cli(["bulletin", "import", playlist.to_str().expect("UTF-8")]);
    say("bulletins are in: decoded, measured, converted (MP3, Opus, FLAC, WAV)");
    for id in ["nhac-hieu", "sot-xuat-huyet", "cat-nuoc", "tiem-chung"] {
        center.approve(id);
    }
    say("approved: signed here with the approver's key, which the server never sees");

    let mut poles: Vec<Pole> =
        SPEAKERS.iter().map(|(id, title, area)| Pole::add(&center, id, title, area, sound.clone())).collect();
    poles.iter_mut().for_each(Pole::start);
    say("three controllers are enrolled by code and run");
    let first_ms = unix_ms() + 9_000;
    for (name, items, after_s) in PLAYS {
        center.schedule_once(name, items, first_ms + after_s * 1000 - unix_ms(), &["66"]);
    }
    say("three bulletins are scheduled; plans are signed and sent");
    SPEAKERS.iter().for_each(|(id, ..)| center.wait_ready(id));
    say("all three speakers have their plan, their content and the time");

    let wanted = SPEAKERS.len() * PLAYS.len();
    let mut told = vec![];
    let plays = wait_for("all plays to be reported", 120, || {
        let plays = center.plays();
        for play in &plays {
            let what = (play["speaker"].to_string(), play["schedule"].to_string(), play["outcome"].to_string());
            if play["outcome"] != "planned" && !told.contains(&what) {
                say(&format!("{} {} {}", text(play, "speaker"), text(play, "schedule"), text(play, "outcome")));
                told.push(what);
            }
        }
        let ended = |play: &&Value| !["planned", "playing"].contains(&play["outcome"].as_str().unwrap_or(""));
        (plays.iter().filter(ended).count() >= wanted).then_some(plays)
    });
    let proven = show(&plays);
    println!();
    println!("{proven} of {wanted} plays are proven: sounded in full, level measured, start within {TOLERANCE_MS} ms");
    println!("page: {}/#token={}", center.http, center.token());

    match seconds {
        Some(seconds) => {
            let rest = Duration::from_secs(seconds).saturating_sub(begun.elapsed());
            println!("ending in {:.0} s", rest.as_secs_f64());
            std::thread::sleep(rest);
        }
        None => {
            println!("running until Ctrl-C");
            let mut signals = wait_for_interrupt();
            signals();
        }
    }
    if proven == wanted { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments() -> Result<Option<u64>, String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(None),
        ["--for", seconds] => seconds.parse().map(Some).map_err(|_| format!("{seconds:?} is not a number of seconds")),
        _ => Err("usage: demo [--for SECONDS]".into()),
    }
}

/// Whether ALSA lists a card that can play.
fn has_sound_card() -> bool {
    std::fs::read_to_string("/proc/asound/pcm").is_ok_and(|pcm| pcm.contains("playback"))
}

fn wait_for_interrupt() -> impl FnMut() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    move || {
        runtime.block_on(async {
            let _ = tokio::signal::ctrl_c().await;
        });
    }
}

fn text<'a>(play: &'a Value, key: &str) -> &'a str {
    play[key].as_str().unwrap_or("-")
}

/// Prints the account and gives how many plays are proven.
fn show(plays: &[Value]) -> usize {
    println!();
    let row = |cells: [&str; 8]| {
        let [speaker, bulletin, planned, started, error, level, outcome, evidence] = cells;
        println!("{speaker:11} {bulletin:27} {planned:12} {started:12} {error:>8} {level:>9}  {outcome:8} {evidence}");
    };
    row(["speaker", "bulletin", "planned", "started", "error ms", "level dB", "outcome", "evidence"]);
    let clock = |ms: Option<i64>| {
        let time = ms.and_then(chrono::DateTime::from_timestamp_millis);
        let local = time.map(|time| time.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh));
        local.map_or("-".to_owned(), |time| time.format("%H:%M:%S%.3f").to_string())
    };
    let mut proven = 0;
    let mut ordered: Vec<_> = plays.iter().collect();
    ordered.sort_by_key(|play| (play["start_ms"].as_i64(), text(play, "speaker").to_owned()));
    for play in ordered {
        let bulletins: Vec<_> = play["bulletins"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let number =
            |key: &str, digits: usize| play[key].as_f64().map_or("-".into(), |value| format!("{value:.digits$}"));
        row([
            text(play, "speaker"),
            &bulletins.join(" "),
            &clock(play["start_ms"].as_i64()),
            &clock(play["started_ms"].as_i64()),
            &number("start_error_ms", 3),
            &number("level_dbfs", 1),
            text(play, "outcome"),
            text(play, "evidence"),
        ]);
        let sounded = play["outcome"] == "played" && play["evidence"] == "sounded";
        let audible = play["level_dbfs"].as_f64().is_some_and(|level| level > -60.0);
        let on_time = play["start_error_ms"].as_f64().is_some_and(|error| error.abs() < TOLERANCE_MS);
        proven += usize::from(sounded && audible && on_time);
    }
    proven
}
