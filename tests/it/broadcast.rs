//! The main job: a bulletin in, approved, planned, carried, played at the second on several speakers, and proven.

use crate::harness::{Center, Pole, Sound, decoded, mono_ns_of, playlists, wait_for};

#[test]
fn three_speakers_play_the_approved_audio_in_step_and_at_the_second() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    let mut poles: Vec<Pole> = [("a", "24133", -100.0), ("b", "24169", 0.0), ("c", "24175", 100.0)]
        .map(|(id, area, ppm)| Pole::add(&center, id, id, area, Sound::Dac { ppm }))
        .into();
    poles.iter_mut().for_each(Pole::start);
    let start_ms = center.schedule_once("sang", &["dengue"], 7_000, &["66"]);
    for pole in &poles {
        center.wait_ready(&pole.speaker);
    }

    let source = decoded(&playlists().join("audio/sot-xuat-huyet.mp3"));
    let due_ns = mono_ns_of(start_ms);
    let mut heard_ns = vec![];
    for pole in &mut poles {
        let play = center.play(&pole.speaker, "sang", 40);
        assert_eq!((&play["outcome"], &play["evidence"]), (&"played".into(), &"sounded".into()), "{play}");
        let level = play["level_dbfs"].as_f64().expect("a measured level");
        assert!((-25.0..-10.0).contains(&level), "{level} dBFS");
        assert_eq!(pole.stop(), Some(0));
        // What the converter gave out, against the file that was uploaded.
        let (at_ns, correlation) = pole.heard().find(&source).expect("heard");
        assert!(correlation > 0.9, "{}: correlation {correlation}\n{}", pole.speaker, pole.log());
        let error_ms = (at_ns - due_ns) as f64 / 1e6;
        assert!(error_ms.abs() < 20.0, "{} began {error_ms} ms off", pole.speaker);
        // The record says what the converter's own capture says.
        let told_ms = play["start_error_ms"].as_f64().expect("a start error");
        assert!((told_ms - error_ms).abs() < 10.0, "told {told_ms} ms, heard {error_ms} ms");
        heard_ns.push(at_ns);
    }
    let skew_ms = (heard_ns.iter().max().unwrap() - heard_ns.iter().min().unwrap()) as f64 / 1e6;
    assert!(skew_ms < 10.0, "skew {skew_ms} ms");
}

#[test]
fn a_programme_plays_its_items_in_order_and_a_revision_needs_its_own_approval() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("tune", "nhac-hieu.wav");
    center.approved("water", "cat-nuoc.opus");
    // A second revision that nobody has approved must not replace the first.
    let other = playlists().join("audio/tiem-chung.flac");
    center.cli(["bulletin", "revise", "water", other.to_str().unwrap()]);
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.schedule_once("chieu", &["tune", "water"], 6_000, &["speaker:a"]);
    let play = center.play("a", "chieu", 40);
    assert_eq!(play["outcome"], "played", "{play}\n{}", pole.log());
    pole.stop();
    let heard = pole.heard();
    let (tune_ns, tune) = heard.find(&decoded(&playlists().join("audio/nhac-hieu.wav"))).unwrap();
    let (water_ns, water) = heard.find(&decoded(&playlists().join("audio/cat-nuoc.opus"))).unwrap();
    let (_, unapproved) = heard.find(&decoded(&other)).unwrap();
    assert!(tune > 0.9 && water > 0.9, "correlations {tune} and {water}");
    assert!(unapproved < 0.3, "what nobody approved was heard: {unapproved}");
    // The tune lasts 3.1 s; the next item joins without a gap or an overlap.
    let gap_ms = (water_ns - tune_ns) as f64 / 1e6 - 3_100.0;
    assert!(gap_ms.abs() < 5.0, "{gap_ms} ms between the items");
}

#[test]
fn what_is_withdrawn_on_the_air_falls_silent_and_is_accounted_for() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.schedule_once("sang", &["dengue"], 6_000, &["66"]);
    wait_for("the play to be on the air", 30, || center.plays().into_iter().find(|play| play["outcome"] == "playing"));
    center.cli(["bulletin", "withdraw", "dengue"]);
    let play = center.play("a", "sang", 20);
    assert_eq!((&play["outcome"], &play["reason"]), (&"partial".into(), &"withdrawn".into()), "{play}\n{}", pole.log());
    assert!(play["heard_ms"].as_i64().unwrap() < 8_000, "{play}");
    pole.stop();
    let sounding = pole.heard().sounding();
    assert!(sounding < 8 * 48_000, "it went on after it was withdrawn: {sounding} frames");
}

#[test]
fn an_interrupted_programme_fades_out_waits_and_goes_on_where_it_was() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    center.approved("water", "cat-nuoc.opus");
    center.approved("tune", "nhac-hieu.wav");
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    // Eighteen seconds, and after eight of them three that are more urgent: entered while the first are on the air.
    let start_ms = center.schedule_once("thuong", &["dengue", "water"], 7_000, &["66"]);
    wait_for("the play to be on the air", 30, || center.plays().into_iter().find(|play| play["outcome"] == "playing"));
    let urgent = chrono::DateTime::from_timestamp_millis(start_ms + 8_000).unwrap();
    let text = format!(
        "[programme.gap]\nitems = [\"tune\"]\n[schedule.gap]\nonce = \"{}\"\ntime_zone = \"UTC\"\npriority = \"priority\"\n\
         targets = [\"66\"]\nprogramme = \"gap\"\n",
        urgent.format("%Y-%m-%dT%H:%M:%S")
    );
    let path = center.dir.path().join("gap.toml");
    std::fs::write(&path, text).unwrap();
    let told = center.cli(["schedule", "import", path.to_str().unwrap()]);
    assert!(told.contains("“thuong”") && told.contains("it pauses 3 s for “gap” and goes on"), "{told}");
    let plays = wait_for("three records", 60, || {
        let plays: Vec<_> = center.plays().into_iter().filter(|play| play["outcome"] == "played").collect();
        (plays.len() == 3).then_some(plays)
    });
    let mut parts: Vec<_> = plays.iter().map(|play| play["occurrence"].as_str().unwrap()).collect();
    parts.sort_unstable();
    let first = format!("thuong@{start_ms}");
    assert_eq!(parts, [format!("gap@{}", start_ms + 8_000), first.clone(), format!("{first}.2")]);
    pole.stop();
    let heard = pole.heard();
    let (dengue, water) =
        (decoded(&playlists().join("audio/sot-xuat-huyet.mp3")), decoded(&playlists().join("audio/cat-nuoc.opus")));
    let seconds = |samples: &[f32], from: f64, to: f64| samples[(from * 48e3) as usize..(to * 48e3) as usize].to_vec();
    let at_ms = |source: &[f32]| {
        let (at_ns, correlation) = heard.find(source).unwrap();
        assert!(correlation > 0.9, "correlation {correlation}\n{}", pole.log());
        (at_ns - mono_ns_of(start_ms)) as f64 / 1e6
    };
    let expect =
        |found_ms: f64, due_ms: f64| assert!((found_ms - due_ms).abs() < 20.0, "at {found_ms} ms, due at {due_ms} ms");
    expect(at_ms(&seconds(&dengue, 0.0, 7.5)), 0.0);
    expect(at_ms(&decoded(&playlists().join("audio/nhac-hieu.wav"))), 8_000.0);
    // The second bulletin, behind the rest of the first.
    expect(at_ms(&water), 11_100.0 + dengue.len() as f64 / 48.0 - 8_000.0);
}
