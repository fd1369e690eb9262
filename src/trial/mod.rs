//! `loaxa trial-speaker`: the process behind a speaker that the center runs on its own machine. It is the board's own code from enrolment to
//! record; only where its sound goes, and how long it lives, is decided by who started it.
//!
//! Like `simulate/` this sees both center and controller, and neither sees it. The center starts it (`center/trial.rs`) and tells it in a line
//! on standard input what to be; when that input ends, so does this. It knows no configuration file and no environment of a board's.

use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::center::trial::{Order, Out, SOUND_FILE, Sounding, Told};
use crate::controller::config::Config;
use crate::controller::player::device::{self, Use};
use crate::controller::{enroll, identity, run};

/// A file longer than this is begun anew, once nothing is playing: a quarter of an hour or so.
const MOST_FILE_BYTES: u64 = 100 * 1024 * 1024;
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// Runs until standard input ends, or SIGTERM. What goes wrong is told to the center, which tells the person.
pub fn main() -> Result<(), String> {
    let filter = tracing_subscriber::filter::Targets::new().with_target("loaxa", tracing::Level::WARN);
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    tracing_subscriber::registry().with(lines).with(filter).init();
    be_a_speaker().inspect_err(|problem| tell(&Told::Failed { problem: problem.clone() }))
}

fn be_a_speaker() -> Result<(), String> {
    let order: Order = serde_json::from_str(&line()?).map_err(|e| format!("the center's order cannot be read: {e}"))?;
    let mut config = Config::default();
    config.store.dir.clone_from(&order.dir);
    config.store.runtime_dir.clone_from(&order.dir);
    // The center may have other ports than the last time.
    config.center.mqtt.clone_from(&order.mqtt);
    // It stands beside its center; there is nobody to keep step with.
    config.clock.neighbours = false;
    if !identity::dir(&config).join("identity.json").is_file() {
        tell(&Told::WantsCode);
        enroll::enroll(&config, &order.center, line()?.trim(), false)?;
    }
    // From here on nothing more is said to it: the end of its input is the end of its center.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        end();
    });
    let sounding = sounding(order.out);
    if sounding == Sounding::File {
        let path = order.dir.join(SOUND_FILE);
        config.audio.out = format!("wav:{}", path.display());
        std::thread::spawn(move || keep_short(&path));
    }
    identity::complete(&mut config)?;
    tell(&Told::Runs(sounding));
    run::run(&config)
}

/// The machine's sound device, if it has one that can be used.
fn sounding(out: Out) -> Sounding {
    let device = match out {
        Out::Auto => device::find(None, Use::Playing).ok(),
        Out::File => None,
    };
    match device.filter(|device| device::choose(device, Use::Playing).is_ok()) {
        Some(device) => Sounding::Device(device::name(&device)),
        None => Sounding::File,
    }
}

/// Ends this process while nothing is played, when its file has grown too long; the center begins it again, with an empty one.
fn keep_short(path: &Path) {
    let mut before = 0;
    loop {
        std::thread::sleep(LOOK_EVERY);
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        if bytes > MOST_FILE_BYTES && bytes == before {
            end();
        }
        before = bytes;
    }
}

fn end() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
}

fn line() -> Result<String, String> {
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) => Err("the center has gone away".into()),
        Ok(_) => Ok(line),
        Err(error) => Err(format!("the center cannot be heard: {error}")),
    }
}

fn tell(told: &Told) {
    // Whether anybody hears it is not this process's to mend: its input ends with its center.
    if let Ok(text) = serde_json::to_string(told) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}
