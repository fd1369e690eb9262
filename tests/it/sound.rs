//! What is heard beside the bulletin itself: a bed beneath it, the amplifier behind it, the device that is pulled out.

use crate::harness::{Center, Pole, Sound, decoded, playlists, wait_for};

fn pole(center: &Center, id: &str, environment: &[(&str, String)]) -> Pole {
    let mut pole = Pole::add(center, id, id, "24133", Sound::Dac { ppm: 0.0 });
    pole.environment = environment.iter().map(|(key, value)| (format!("LOAXA_{key}"), value.clone())).collect();
    pole
}

#[test]
fn a_bed_lies_beneath_and_an_amplifier_that_stays_off_proves_nothing() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    center.approved("tune", "nhac-hieu.wav");
    let dir = tempfile::tempdir().unwrap();
    let (switch, off) = (dir.path().join("switch"), dir.path().join("off"));
    std::fs::write(&off, "0\n").unwrap();
    let file = |path: &std::path::Path| format!("file:{}", path.display());
    let wiring = |status: &std::path::Path| {
        [
            ("AMPLIFIER__SWITCH", file(&switch)),
            ("AMPLIFIER__STATUS", file(status)),
            ("AMPLIFIER__HOLD_S", "0".into()),
            ("AUDIO__VOLUME_DB", "-6".into()),
        ]
    };
    // One whose amplifier obeys, one whose does not; a third has none, and is as loud as the plan says.
    let mut poles =
        [pole(&center, "good", &wiring(&switch)), pole(&center, "dead", &wiring(&off)), pole(&center, "none", &[])];
    poles.iter_mut().for_each(Pole::start);
    let start = chrono::Utc::now() + chrono::TimeDelta::seconds(9);
    let text = format!(
        "[programme.sang]\nitems = [{{ bed = \"tune\" }}, \"dengue\"]\n[schedule.sang]\nonce = \"{}\"\ntime_zone = \"UTC\"\n\
         targets = [\"66\"]\nprogramme = \"sang\"\n",
        start.format("%Y-%m-%dT%H:%M:%S")
    );
    let path = center.dir.path().join("sang.toml");
    std::fs::write(&path, text).unwrap();
    center.cli(["schedule", "import", path.to_str().unwrap()]);
    let read = || std::fs::read_to_string(&switch).unwrap_or_default();
    wait_for("the amplifier to be switched on", 40, || (read() == "1").then_some(()));
    let play = |id: &str| {
        let play = center.play(id, "sang", 60);
        (
            play["outcome"].clone(),
            play["reason"].clone(),
            play["evidence"].clone(),
            play["level_dbfs"].as_f64().unwrap(),
        )
    };
    let (good, dead, none) = (play("good"), play("dead"), play("none"));
    assert_eq!((good.0, good.2), ("played".into(), "sounded".into()));
    assert_eq!((dead.0, dead.1, dead.2), ("partial".into(), "output_failed".into(), "content_ready".into()));
    assert!((none.3 - good.3 - 6.0).abs() < 0.2, "calibrated by -6 dB: {} and {} dBFS", none.3, good.3);
    let problem = wait_for("the problem to be told", 30, || {
        center.speaker("dead")["amplifier_problem"].as_str().map(str::to_owned)
    });
    assert_eq!(problem, "it was switched on and is off");
    poles.iter_mut().for_each(|pole| assert_eq!(pole.stop(), Some(0)));
    assert_eq!(read(), "0", "off when the program has ended");
    let heard = poles[0].heard();
    let (at_ns, dengue) = heard.find(&decoded(&playlists().join("audio/sot-xuat-huyet.mp3"))).unwrap();
    // The bed begins with it; alone it would not be found below speech, but what is heard is not speech alone.
    assert!((0.85..0.999).contains(&dengue), "correlation {dengue}");
    assert!(at_ns > 0);
}

#[test]
fn a_device_that_is_pulled_out_in_a_play_is_told_and_found_again_without_a_restart() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    let gone = tempfile::tempdir().unwrap();
    let gone = gone.path().join("gone");
    let mut pole = Pole::add(&center, "a", "a", "24133", Sound::Dac { ppm: 0.0 });
    pole.environment = vec![("SIMDAC_GONE".into(), gone.to_str().unwrap().into())];
    pole.start();
    center.schedule_once("sang", &["dengue"], 6_000, &["66"]);
    wait_for("the play to be on the air", 30, || center.plays().into_iter().find(|play| play["outcome"] == "playing"));
    std::fs::write(&gone, "").unwrap();
    let play = center.play("a", "sang", 30);
    assert_eq!((&play["outcome"], &play["reason"]), (&"partial".into(), &"output_failed".into()), "{play}");
    assert!(pole.log().contains("no sound: the sound device went away"), "{}", pole.log());
    let found = || pole.log().matches("sound goes to").count();
    assert_eq!(found(), 1, "{}", pole.log());
    std::fs::remove_file(&gone).unwrap();
    wait_for("the device to be found again", 30, || (found() == 2).then_some(()));
    center.schedule_once("chieu", &["dengue"], 5_000, &["66"]);
    let play = center.play("a", "chieu", 60);
    assert_eq!((&play["outcome"], &play["evidence"]), (&"played".into(), &"sounded".into()), "{play}\n{}", pole.log());
    pole.stop();
}
