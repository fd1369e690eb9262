//! The page in a real browser, against a real center with a real speaker that has really played.

use std::process::Command;

use crate::harness::{Center, Pole, Sound, repository};

#[test]
fn the_page_shows_the_speaker_and_its_proven_play() {
    let mut center = Center::new();
    // A browser trusts no certificate of ours.
    center.flags.push("--plain-http".into());
    center.start();
    center.furnish();
    center.approved("tune", "nhac-hieu.wav");
    let mut pole = Pole::add(&center, "a", "Cụm loa trước cổng chợ", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.schedule_once("sang", &["tune"], 6_000, &["66"]);
    assert_eq!(center.play("a", "sang", 40)["outcome"], "played");
    let output = Command::new("npm")
        .args(["run", "--silent", "test:center"])
        .current_dir(repository().join("web"))
        .env("LOAXA_TEST_CENTER", &center.http)
        .env("LOAXA_TEST_TOKEN", center.token())
        .env("LOAXA_TEST_SPEAKER_TITLE", "Cụm loa trước cổng chợ")
        .output()
        .expect("npm runs; `make web` installs what the page needs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("passed"), "{told}");
}
