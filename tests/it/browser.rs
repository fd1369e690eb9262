//! The page in a real browser, against a real center with a real speaker that has really played, and that plays what the browser
//! signed.

use std::process::Command;

use crate::harness::{APPROVER_PASSPHRASE, Center, Pole, Sound, playlists, repository};

#[test]
fn the_page_shows_a_proven_play_and_its_approval_makes_the_next_one() {
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
    let sound = playlists().join("audio/cat-nuoc.opus");
    let sound = sound.to_str().expect("UTF-8");
    center.cli([
        "bulletin",
        "add",
        sound,
        "--id",
        "cat-nuoc",
        "--title",
        "Cắt nước: cat-nuoc",
        "--language",
        "vie",
        "--area",
        "66",
    ]);
    center.cli(["bulletin", "submit", "cat-nuoc"]);
    let output = Command::new("npm")
        .args(["run", "--silent", "test:center"])
        .current_dir(repository().join("web"))
        .env("LOAXA_TEST_CENTER", &center.http)
        .env("LOAXA_TEST_TOKEN", center.token())
        .env("LOAXA_TEST_SPEAKER_TITLE", "Cụm loa trước cổng chợ")
        .env("LOAXA_TEST_BULLETIN", "cat-nuoc")
        .env("LOAXA_TEST_KEY", center.approver_key())
        .env("LOAXA_TEST_PASSPHRASE", APPROVER_PASSPHRASE)
        .output()
        .expect("npm runs; `make web` installs what the page needs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("passed"), "{told}");
    // The signature made in the browser is good enough for the board, which checks it by itself.
    center.schedule_once("chieu", &["cat-nuoc"], 6_000, &["66"]);
    assert_eq!(center.play("a", "chieu", 40)["outcome"], "played");
}
