//! What went out is listened to: a play that came back, a line that is dead, an alarm that the center sees, and the self-test.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Center, Pole, Sound, run, wait_for};

/// A board with a line back from its converter, `gain_db` long, with noise at -60 dBFS.
fn listening(center: &Center, gain_db: f64) -> Pole {
    let mut pole = Pole::add(center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 80.0 });
    let of = |name: &str| pole.dir.path().join(name).to_str().unwrap().to_owned();
    let environment = [
        ("LOAXA_AUDIO__CAPTURE", "default".into()),
        ("SIMDAC_CAPTURE", of("dac")),
        ("SIMDAC_CAPTURE_DB", gain_db.to_string()),
        ("SIMDAC_CAPTURE_DELAY_MS", "45".into()),
        ("SIMDAC_CAPTURE_NOISE_DB", "-60".into()),
        ("SIMDAC_CAPTURE_PPM", "-120".into()),
        ("SIMDAC_CAPTURE_CUT", of("cut")),
    ];
    pole.environment.extend(environment.map(|(name, value)| (name.to_owned(), value)));
    pole
}

/// While it is there, the line is dead.
fn cut(pole: &Pole) -> PathBuf {
    pole.dir.path().join("cut")
}

fn db(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a level: {value}"))
}

#[test]
fn a_play_that_came_back_is_proven_and_a_dead_line_is_told() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    let mut pole = listening(&center, -17.0);
    pole.start();
    pole.wait_log("what sounds is listened to", 30);
    center.schedule_once("sang", &["dengue"], 6_000, &["66"]);
    let play = center.play("a", "sang", 60);
    assert_eq!(
        (&play["outcome"], &play["evidence"]),
        (&"played".into(), &"heard_back".into()),
        "{play}\n{}",
        pole.log()
    );
    assert!((db(&play["heard_back_db"]) + 17.0).abs() < 1.0, "{play}");
    let delay_ms = play["heard_back_delay_ms"].as_i64().unwrap();
    assert!((40..=50).contains(&delay_ms), "{play}");
    let path = wait_for("the center to hear of the way", 20, || {
        let path = center.speaker("a")["path"].clone();
        path["gain_db"].is_number().then_some(path)
    });
    assert!((db(&path["gain_db"]) + 17.0).abs() < 1.0 && path["baseline_db"].is_null(), "{path}");

    std::fs::write(cut(&pole), "").unwrap();
    center.schedule_once("chieu", &["dengue"], 6_000, &["66"]);
    let play = center.play("a", "chieu", 60);
    assert_eq!((&play["outcome"], &play["reason"]), (&"partial".into(), &"not_heard".into()), "{play}\n{}", pole.log());
    assert_eq!(
        (&play["evidence"], &play["heard_back_db"]),
        (&"sounded".into(), &Value::Null),
        "it left the converter: {play}"
    );
    assert!(play["level_dbfs"].is_number(), "{play}");
    let speaker = center.speaker("a");
    assert!(speaker["path_warning"].is_null() && speaker["capture_problem"].is_null(), "once is not always: {speaker}");
}

#[test]
fn an_amplifier_that_dies_raises_an_alarm_that_outlasts_a_restart() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("water", "cat-nuoc.opus");
    let mut pole = listening(&center, -10.0);
    std::fs::write(cut(&pole), "").unwrap();
    pole.start();
    pole.wait_log("what sounds is listened to", 30);
    for (name, in_ms) in [("one", 6_000), ("two", 16_000), ("three", 26_000)] {
        center.schedule_once(name, &["water"], in_ms, &["66"]);
    }
    for name in ["one", "two", "three"] {
        let play = center.play("a", name, 60);
        assert_eq!(play["reason"], "not_heard", "{play}\n{}", pole.log());
    }
    let warned = || center.speaker("a")["path_warning"].as_str().map(str::to_owned);
    assert_eq!(wait_for("the alarm", 20, warned), "not heard back, 3 plays in a row");
    assert!(center.cli(["speaker", "list"]).contains("does not sound as it did: not heard back"));
    pole.stop();
    std::fs::remove_file(cut(&pole)).unwrap();
    pole.start();
    pole.wait_log("what sounds is listened to", 30);
    wait_for("the restarted board", 20, || (center.speaker("a")["link"]["state"] == "online").then_some(()));
    wait_for("the alarm after the restart", 20, warned);
    center.schedule_once("four", &["water"], 6_000, &["66"]);
    let play = center.play("a", "four", 60);
    assert_eq!(
        (&play["outcome"], &play["evidence"]),
        (&"played".into(), &"heard_back".into()),
        "{play}\n{}",
        pole.log()
    );
    wait_for("the alarm to end", 20, || warned().is_none().then_some(()));
}

#[test]
fn a_capture_device_that_is_not_there_is_told_and_stops_nothing() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("tune", "nhac-hieu.wav");
    let mut pole = Pole::add(&center, "a", "A", "24133", Sound::Dac { ppm: 0.0 });
    pole.environment.push(("LOAXA_AUDIO__CAPTURE".into(), "hw:CARD=Nowhere".into()));
    pole.start();
    center.schedule_once("one", &["tune"], 6_000, &["66"]);
    let play = center.play("a", "one", 60);
    assert_eq!((&play["outcome"], &play["evidence"]), (&"played".into(), &"sounded".into()), "{play}\n{}", pole.log());
    let problem = wait_for("the problem", 20, || center.speaker("a")["capture_problem"].as_str().map(str::to_owned));
    assert!(problem.contains("hw:CARD=Nowhere"), "{problem}");
}

#[test]
fn the_self_test_hears_its_sweep_and_knows_a_change_from_installation() {
    let center = Center::plain();
    center.furnish();
    let pole = listening(&center, -12.0);
    let selftest = |more: &[&str], gain_db: &str| {
        let mut command = pole.command();
        command.env("SIMDAC_CAPTURE_DB", gain_db).args(["selftest", "--tone", "--lang", "en", "--json", "--config"]);
        let output = run(command.arg(pole.config()).args(more));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or(error.into()))
    };
    let (code, told) = selftest(&["--baseline"], "-12");
    assert!(code == 0 && told["heard"] == true && told["baseline_written"] == true, "{told}");
    assert!((db(&told["gain_db"]) + 12.0).abs() < 1.0 && (db(&told["delay_ms"]) - 45.0).abs() < 5.0, "{told}");
    let (code, told) = selftest(&[], "-15");
    assert!(code == 0 && (db(&told["baseline_db"]) + 12.0).abs() < 1.0, "{told}");
    let (code, told) = selftest(&[], "-24");
    assert!(code == 17 && told["heard"] == true, "{told}");
    assert!(told["finding"].as_str().unwrap().contains("against installation"), "{told}");
    std::fs::write(cut(&pole), "").unwrap();
    let (code, told) = selftest(&[], "-12");
    assert!(code == 17 && told["heard"] == false && db(&told["floor_db"]) < -20.0, "{told}");
    // In the words of a phone, and with what to do where it cannot be tried.
    let say = |more: &[(&str, &str)]| {
        let mut command = pole.command();
        command.envs(more.iter().copied()).args(["selftest", "--tone", "--lang", "vi", "--config"]).arg(pole.config());
        let output = run(&mut command);
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, words) = say(&[]);
    assert!(code == Some(17) && words.contains("không nghe thấy gì") && words.contains("=> xem âm ly"), "{words}");
    assert!(words.lines().all(|line| line.chars().count() <= 45), "{words}");
    let (code, words) = say(&[("LOAXA_AUDIO__CAPTURE", "")]);
    assert!(code == Some(1) && words.contains("audio.capture"), "{words}");
    std::fs::remove_file(cut(&pole)).unwrap();
    let mut pole = pole;
    pole.environment.push(("LOAXA_CENTER__MQTT".into(), "mqtt://127.0.0.1:1".into()));
    pole.start();
    pole.wait_log("what sounds is listened to", 30);
    let mut command = pole.command();
    let output = run(command.args(["selftest", "--tone", "--lang", "en", "--config"]).arg(pole.config()));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && words.contains("systemctl stop loaxa-controller"), "{words}");
}
