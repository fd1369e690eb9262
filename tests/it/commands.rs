//! One word to a whole area: an emergency that takes the air, late comers, and the end of what is on.

use crate::harness::{Center, Pole, Sound, decoded, mono_ns_of, playlists, unix_ms, wait_for};

/// A center with an approver for emergencies and `flood` approved as one, and two poles on line that have it at hand.
fn alarmed(sound: &str) -> (Center, Vec<Pole>, String) {
    let mut center = Center::new();
    center.start();
    center.furnish();
    let key = center.dir.path().join("chief.key").to_str().unwrap().to_owned();
    center.cli(["approver", "add", "chief", "--area", "66", "--highest", "emergency", "--key-out", &key]);
    let audio = playlists().join("audio").join(sound);
    let audio = audio.to_str().unwrap();
    center.cli(["bulletin", "add", audio, "--id", "flood", "--title", "Lũ", "--language", "vie", "--area", "66"]);
    center.cli(["bulletin", "submit", "flood"]);
    center.cli(["bulletin", "approve", "flood", "--key", &key, "--highest", "emergency"]);
    let poles: Vec<Pole> = ["a", "b"].map(|id| Pole::add(&center, id, id, "24133", Sound::Dac { ppm: 0.0 })).into();
    (center, poles, key)
}

fn on_the_air(center: &Center, schedule: &str) -> bool {
    center.plays().iter().any(|play| play["schedule"] == schedule && play["outcome"] == "playing")
}

#[test]
fn an_emergency_sounds_everywhere_at_once_from_one_message() {
    let (center, mut poles, key) = alarmed("nhac-hieu.wav");
    poles[0].start();
    center.wait_ready("a");
    wait_for("the sound at hand", 20, || (center.speaker("a")["content"]["ready"] == 1).then_some(()));
    let refused = center.cli_fails(["command", "emergency", "flood", "--area", "66"]);
    assert!(refused.contains("loaxa bulletin ticket"), "{refused}");
    center.approved("news", "sot-xuat-huyet.mp3");
    let start_ms = center.schedule_once("news", &["news"], 4_000, &["66"]);
    wait_for("the news on the air", 30, || on_the_air(&center, "news").then_some(()));
    assert!(unix_ms() < start_ms + 8_000, "there is something left to interrupt");
    center.cli(["bulletin", "ticket", "flood", "--key", &key, "--longest-min", "5"]);
    let told = center.json(["command", "emergency", "flood", "--area", "66", "--times", "3"]);
    assert_eq!((told["speakers"].as_u64(), told["online"].as_u64()), (Some(2), Some(1)), "{told}");
    let began_ms = told["start_ms"].as_i64().unwrap();
    assert!(began_ms - told["made_ms"].as_i64().unwrap() <= 450, "{told}");
    // The other one has power again only now: it joins while it lasts.
    poles[1].start();
    let name = told["occurrence"].as_str().unwrap().split('@').next().unwrap().to_owned();
    let play = center.play("a", &name, 40);
    assert_eq!(play["outcome"], "played", "{play}\n{}", poles[0].log());
    assert_eq!((play["title"].as_str(), play["priority"].as_str()), (Some("Lũ"), Some("emergency")));
    assert_eq!(center.play("a", "news", 20)["reason"], "pre_empted");
    let late = center.play("b", &name, 40);
    assert!(["late", "partial", "missed"].contains(&late["outcome"].as_str().unwrap()), "{late}");
    for pole in &mut poles {
        pole.stop();
    }
    let (heard_ns, fit) = poles[0].heard().find(&decoded(&playlists().join("audio/nhac-hieu.wav"))).unwrap();
    assert!(fit > 0.9, "the tune was heard: {fit}");
    let tune_ns = (decoded(&playlists().join("audio/nhac-hieu.wav")).len() as i64 + 48_000) * 1_000_000 / 48;
    let off_ns = (heard_ns - mono_ns_of(began_ms)).rem_euclid(tune_ns);
    assert!(off_ns.min(tune_ns - off_ns) < 60_000_000, "one of the three began on time: {off_ns} ns off");
}

#[test]
fn what_is_on_the_air_is_stopped_and_volume_is_told() {
    let (center, mut poles, _) = alarmed("nhac-hieu.wav");
    poles[0].start();
    center.approved("news", "sot-xuat-huyet.mp3");
    center.wait_ready("a");
    assert!(center.cli(["command", "volume", "66", "--db", "-6"]).contains("1 are off line"));
    wait_for("its word", 20, || poles[0].log().contains("told to play -6 dB").then_some(()));
    center.schedule_once("news", &["news"], 3_000, &["66"]);
    wait_for("the news on the air", 30, || on_the_air(&center, "news").then_some(()));
    center.cli(["command", "stop", "24133"]);
    let play = center.play("a", "news", 20);
    assert_eq!((play["outcome"].as_str(), play["reason"].as_str()), (Some("partial"), Some("withdrawn")), "{play}");
    // Elsewhere is elsewhere.
    assert!(center.cli(["command", "refresh", "24169"]).contains("0 of 0"));
    let refused = center.cli_fails(["command", "volume", "66", "--db", "20"]);
    assert!(refused.contains("-30 to +6 dB"), "{refused}");
    poles[0].stop();
}

#[test]
fn a_center_that_was_killed_goes_on_telling_and_knows_what_was_used_and_stopped() {
    let (mut center, mut poles, key) = alarmed("sot-xuat-huyet.mp3");
    poles[0].start();
    center.wait_ready("a");
    wait_for("the sound at hand", 20, || (center.speaker("a")["content"]["ready"] == 1).then_some(()));
    center.cli(["bulletin", "ticket", "flood", "--key", &key, "--longest-min", "10"]);
    let told = center.json(["command", "emergency", "flood", "--area", "66", "--times", "10"]);
    let name = told["occurrence"].as_str().unwrap().split('@').next().unwrap().to_owned();
    wait_for("its begin", 20, || on_the_air(&center, &name).then_some(()));
    center.kill();
    center.start();
    // Its ticket is used up, also for a server that has just begun.
    let refused = center.cli_fails(["command", "emergency", "flood", "--area", "66"]);
    assert!(refused.contains("no unused ticket"), "{refused}");
    poles[1].start();
    let sounds = |center: &Center, id: &str| {
        center.plays().iter().any(|p| p["schedule"] == *name && p["speaker"] == id && p["outcome"] == "playing")
    };
    wait_for("the late comer to join in", 40, || sounds(&center, "b").then_some(()));
    wait_for("a to be back", 60, || (center.speaker("a")["link"]["state"] == "online").then_some(()));
    center.cli(["command", "stop", "66", "--emergencies"]);
    for id in ["a", "b"] {
        assert_eq!(center.play(id, &name, 40)["reason"], "withdrawn", "{id}");
    }
    // Nor is it told again by the next one.
    center.kill();
    center.start();
    poles.push(Pole::add(&center, "c", "c", "24133", Sound::Dac { ppm: 0.0 }));
    poles[2].start();
    center.wait_ready("c");
    center.schedule_once("after", &["flood"], 5_000, &["66"]);
    let after = center.play("c", "after", 40);
    assert_eq!(after["outcome"], "played", "who never heard the stop hears nothing of what was stopped: {after}");
    assert!(["a", "b", "c"].iter().all(|id| !sounds(&center, id)));
    for pole in &mut poles {
        pole.stop();
    }
}
