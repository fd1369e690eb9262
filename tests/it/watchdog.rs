//! The watchdog of systemd, played by this test: it is fed while there is life, and no longer.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Center, Pole, Sound, wait_for};

const PERIOD: Duration = Duration::from_secs(3);

/// A board under a supervisor that listens.
fn supervised(center: &Center, sound: Sound) -> (Pole, UnixDatagram) {
    let mut pole = Pole::add(center, "a", "A", "24133", sound);
    let path = pole.dir.path().join("notify");
    let heard = UnixDatagram::bind(&path).unwrap();
    let micros = PERIOD.as_micros().to_string();
    let environment = [
        ("NOTIFY_SOCKET", path.to_str().unwrap().to_owned()),
        ("WATCHDOG_USEC", micros),
        ("LOAXA_CENTER__MQTT", "mqtt://127.0.0.1:1".to_owned()),
        ("SIMDAC_STALL", pole.dir.path().join("stall").to_str().unwrap().to_owned()),
    ];
    pole.environment.extend(environment.map(|(name, value)| (name.to_owned(), value)));
    (pole, heard)
}

/// Whether these words come within the time.
fn hears(socket: &UnixDatagram, words: &str, within: Duration) -> bool {
    let until = Instant::now() + within;
    let mut message = [0; 512];
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        socket.set_read_timeout(Some(left)).unwrap();
        let Ok(len) = socket.recv(&mut message) else { continue };
        if String::from_utf8_lossy(&message[..len]).lines().any(|line| line == words) {
            return true;
        }
    }
    false
}

#[test]
fn the_watchdog_is_fed_while_the_device_takes_samples_and_not_when_it_hangs() {
    let center = Center::plain();
    center.furnish();
    let (mut pole, heard) = supervised(&center, Sound::Dac { ppm: 0.0 });
    let (stall, status) = (pole.dir.path().join("stall"), pole.dir.path().join("status.json"));
    pole.start();
    assert!(hears(&heard, "READY=1", Duration::from_secs(30)), "{}", pole.log());
    pole.wait_log("sound goes to", 30);
    for _ in 0..3 {
        assert!(hears(&heard, "WATCHDOG=1", Duration::from_secs(30)), "{}", pole.log());
    }
    std::fs::write(&stall, "").unwrap();
    pole.wait_log("the sound hangs", 30);
    // Said before this moment it may still be on its way; after it there is silence for longer than systemd would wait.
    while hears(&heard, "WATCHDOG=1", Duration::from_millis(1)) {}
    assert!(!hears(&heard, "WATCHDOG=1", 2 * PERIOD), "it is fed though nothing sounds");
    let stalled = || -> Option<()> {
        let status: Value = serde_json::from_slice(&std::fs::read(&status).ok()?).ok()?;
        (status["output"]["stalled"] == true).then_some(())
    };
    wait_for("the loop, which lives, to say so", 20, stalled);
    // What comes back to life by itself is alive.
    std::fs::remove_file(&stall).unwrap();
    assert!(hears(&heard, "WATCHDOG=1", Duration::from_secs(30)), "{}", pole.log());
}

#[test]
fn a_board_without_a_device_is_not_started_again_for_ever() {
    let center = Center::plain();
    center.furnish();
    let (mut pole, heard) = supervised(&center, Sound::Card);
    pole.environment.push(("LOAXA_AUDIO__DEVICE".into(), "hw:CARD=Nowhere".into()));
    pole.start();
    pole.wait_log("no sound", 30);
    for _ in 0..4 {
        assert!(hears(&heard, "WATCHDOG=1", PERIOD), "{}", pole.log());
    }
}
