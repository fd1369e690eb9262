//! Power, network and clock that come and go: what must play plays, what did not is told, nothing plays twice.

use crate::harness::{Center, Pole, Sound, decoded, playlists, unix_ms, wait_for};

/// A center with one speaker that has everything for a play so many milliseconds from now.
fn ready_for(in_ms: i64) -> (Center, Pole) {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.schedule_once("sang", &["dengue"], in_ms, &["66"]);
    center.wait_ready("a");
    // The clock's bound is kept on disk after its first burst of probes.
    wait_for("the clock to be kept", 20, || pole.store().join("clock.json").is_file().then_some(()));
    (center, pole)
}

#[test]
fn a_controller_that_starts_without_any_network_plays_its_plan_and_reports_later() {
    let (mut center, mut pole) = ready_for(9_000);
    pole.kill();
    center.kill();
    pole.start();
    pole.wait_log("sang@", 20);
    pole.wait_log("Played", 30);
    center.start();
    let play = center.play("a", "sang", 60);
    assert_eq!((&play["outcome"], &play["evidence"]), (&"played".into(), &"sounded".into()), "{play}");
    assert!(play["start_error_ms"].as_f64().unwrap().abs() < 20.0, "{play}");
    pole.stop();
    let (_, correlation) = pole.heard().find(&decoded(&playlists().join("audio/sot-xuat-huyet.mp3"))).unwrap();
    assert!(correlation > 0.9, "{correlation}");
}

#[test]
fn without_a_clock_it_can_trust_a_controller_stays_silent_and_says_why() {
    let (mut center, mut pole) = ready_for(6_000);
    pole.kill();
    center.kill();
    // As after a reboot without a battery-backed clock: what was known of the time is worth nothing.
    std::fs::remove_file(pole.store().join("clock.json")).unwrap();
    let restarted_ms = unix_ms();
    pole.start();
    pole.wait_log("is ready", 20);
    wait_for("the play's time to pass", 40, || (unix_ms() > restarted_ms + 17_000).then_some(()));
    center.start();
    let play = center.play("a", "sang", 60);
    assert_eq!((&play["outcome"], &play["reason"]), (&"missed".into(), &"clock_untrusted".into()), "{play}");
    pole.stop();
    assert!(pole.heard().is_silent());
}

#[test]
fn a_controller_killed_in_the_middle_of_a_play_tells_of_it_and_does_not_begin_again() {
    let (center, mut pole) = ready_for(9_000);
    wait_for("the play to be on the air", 30, || {
        let begun = std::fs::read_dir(pole.store().join("plays")).ok()?.flatten().next()?;
        std::fs::read_to_string(begun.path()).ok()?.contains("\"sounded\"").then_some(())
    });
    pole.kill();
    pole.start();
    let play = center.play("a", "sang", 40);
    assert_eq!((&play["outcome"], &play["reason"]), (&"partial".into(), &"interrupted".into()), "{play}");
    assert!(play["started_ms"].is_i64(), "it says when it began: {play}");
    // The slot is still on for some seconds; nothing may begin in it again.
    wait_for("the slot to be over", 20, || (unix_ms() > play["end_ms"].as_i64().unwrap() + 500).then_some(()));
    pole.stop();
    let begun_again = pole.heard().runs.iter().skip(1).any(|run| run.samples.iter().any(|sample| *sample != 0.0));
    assert!(!begun_again, "it sounded again after the restart");
    assert_eq!(center.plays().iter().filter(|play| play["schedule"] == "sang").count(), 1);
}

#[test]
fn a_center_killed_again_and_again_loses_nothing_that_it_accepted() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    let path = playlists().join("audio/cat-nuoc.opus");
    let path = path.to_str().unwrap();
    center.cli(["bulletin", "add", path, "--id", "water", "--title", "Cắt nước", "--language", "vie", "--area", "66"]);
    center.kill();
    center.start();
    center.cli(["bulletin", "submit", "water"]);
    center.kill();
    center.start();
    let key = center.approver_key();
    let approve = ["bulletin", "approve", "water", "--key", key.to_str().unwrap()];
    center.cli(approve);
    // Between the approval and the plan.
    center.kill();
    center.start();
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.schedule_once("chieu", &["water"], 8_000, &["66"]);
    center.kill();
    center.start();
    center.wait_ready("a");
    center.kill();
    center.start();
    let play = center.play("a", "chieu", 60);
    assert_eq!(play["outcome"], "played", "{play}\n{}", pole.log());
    center.kill();
    center.start();
    assert_eq!(center.plays().iter().filter(|play| play["schedule"] == "chieu").count(), 1, "once, and still there");
    pole.stop();
    let source = decoded(std::path::Path::new(path));
    let sounding = pole.heard().sounding();
    assert!(sounding < source.len() + 48_000, "it sounded more than once: {sounding} frames of {}", source.len());
}

#[test]
fn a_center_restored_from_an_older_copy_goes_beyond_what_its_speakers_know() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.schedule_once("one", &["dengue"], 3_600_000, &["66"]);
    center.wait_ready("a");
    assert_eq!(center.stop(), Some(0));
    let copy = center.dir.path().join("copy");
    let copied = std::process::Command::new("cp").arg("-r").arg(center.data()).arg(&copy).status().unwrap();
    assert!(copied.success());
    center.start();
    for name in ["two", "three"] {
        center.schedule_once(name, &["dengue"], 7_200_000, &["66"]);
        center.wait_ready("a");
    }
    let known = center.speaker("a")["plan"]["accepted"].as_u64().unwrap();
    center.kill();
    std::fs::remove_dir_all(center.data()).unwrap();
    std::fs::rename(&copy, center.data()).unwrap();
    center.start();
    wait_for("a plan beyond what the speaker knows", 30, || {
        let plan = center.speaker("a")["plan"].clone();
        (plan["accepted"].as_u64() > Some(known) && plan["accepted"] == plan["sent"]).then_some(())
    });
    // And a speaker that died while the center was down is not shown as being there.
    pole.kill();
    center.kill();
    center.start();
    wait_for("the dead speaker to be off line", 20, || {
        (center.speaker("a")["link"]["state"] == "offline").then_some(())
    });
}

/// What a power cut can leave of a file that was being written: any part of it. (Files reach their names whole; an old card keeps no such promise.)
#[test]
fn whatever_a_cut_at_any_byte_leaves_of_a_file_the_board_starts_and_the_rest_is_kept() {
    use loaxa::controller::clock::Bound;
    use loaxa::controller::engine::{Engine, Limits, Now};
    use loaxa::controller::store::{Care, Counters, Play, Store};
    use loaxa::controller::volume::VolumeProfile;
    let dir = tempfile::tempdir().unwrap();
    let care = Care { durable: false, locked: false };
    let open = || Store::open_with(dir.path(), "boot", care).expect("it opens");
    let world = crate::golden::World::new();
    let plan = serde_json::to_vec(&world.signed(&world.plan())).unwrap();
    let record = crate::golden::record();
    let play = Play { record, begun: false, acknowledged: false, emergency: false, tickets: vec![] };
    let id = play.record.occurrence.clone();
    let (store, _) = open();
    store.save_plan(&plan, &Counters { starts: 3, ..Counters::default() }).unwrap();
    store.save_clock(Bound { low_ns: 1, high_ns: 2, at_mono_ns: 3 }).unwrap();
    store.save_play(&play).unwrap();
    drop(store);
    let start = || {
        let (_store, contents) = open();
        let kept = (contents.plan.is_some(), contents.counters.starts, contents.clock.is_some());
        let plays = contents.plays.contains_key(&id);
        let limits =
            Limits { max_clock_error_ns: 1, volume: VolumeProfile::default(), quota_bytes: 1, version: "test".into() };
        Engine::new(world.anchor(), limits, contents, Now { mono_ns: 10, system: None });
        (kept, plays)
    };
    let whole = start();
    assert_eq!((whole.0.0, whole.0.2, whole.1), (true, true, true));
    let files: Vec<_> = ["plan.json", "state.json", "clock.json"].map(|name| dir.path().join(name)).into();
    let play = std::fs::read_dir(dir.path().join("plays")).unwrap().flatten().next().expect("the play's file").path();
    for path in files.into_iter().chain([play]) {
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            std::fs::write(&path, &bytes[..at]).unwrap();
            std::fs::write(path.with_extension("tmp"), &bytes[..at]).unwrap();
            let (kept, plays) = start();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let of = |other: &str| other != name;
            assert!(!of("plan.json") || kept.0, "{name} cut at {at} took the plan along");
            assert!(!of("clock.json") || kept.2, "{name} cut at {at} took the clock along");
            assert!(plays || path.parent() != Some(dir.path()), "{name} cut at {at} took the play along");
            std::fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(start().1, whole.1);
    }
}
