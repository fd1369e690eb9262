//! The authority at work through the command line, and what reaches a real controller: revoked, agreed by two, rotated, signed offline.

use serde_json::Value;

use crate::harness::{AUTHORITY_PASSPHRASE, Center, Pole, Sound, playlists, unix_ms, wait_for};

fn path_text(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Adds an approver for the whole province with a key of their own.
fn approver(center: &Center, name: &str, highest: &str) -> (String, String) {
    let key = path_text(&center.dir.path().join(format!("{name}.key")));
    let made = center.json(["approver", "add", name, "--area", "66", "--highest", highest, "--key-out", &key]);
    (made["key"].as_str().unwrap().to_owned(), key)
}

/// The line of a command that fails after it has shown what was to be signed.
fn failed(center: &Center, arguments: &[&str]) -> String {
    let output = center.command().args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "loaxa {arguments:?} should fail");
    String::from_utf8(output.stderr).unwrap().lines().last().unwrap_or_default().to_owned()
}

fn accepted(center: &Center, speaker: &str) -> u64 {
    center.wait_ready(speaker);
    center.speaker(speaker)["plan"]["accepted"].as_u64().unwrap()
}

/// The missed play of a schedule, with its reason.
fn reason(center: &Center, schedule: &str) -> String {
    let play = center.play("a", schedule, 60);
    format!("{} {}", play["outcome"].as_str().unwrap(), play["reason"].as_str().unwrap_or("-"))
}

/// A center and a board that is to play an approved bulletin in a quarter of an hour.
fn planned(schedule: &str) -> (Center, Pole) {
    let mut center = Center::new();
    center.furnish();
    center.approved("dengue", "nhac-hieu.wav");
    center.start();
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.schedule_once(schedule, &["dengue"], 900_000, &["66"]);
    (center, pole)
}

#[test]
fn a_revocation_silences_and_a_second_approver_is_waited_for() {
    let (center, pole) = planned("revoked");
    let before = accepted(&center, "a");
    let keys = center.json(["approver", "list"]);
    let of = |role: &str| -> String {
        let row = keys.as_array().unwrap().iter().find(|row| row["certificate"]["role"] == role).unwrap();
        row["key"].as_str().unwrap().to_owned()
    };
    center.cli(["authority", "revoke", "--key", &of("approver")]);
    wait_for("a plan with the revocation", 20, || (accepted(&center, "a") > before).then_some(()));
    assert_eq!(center.speaker("a")["next_play"], Value::Null);
    let ledger = std::fs::read_to_string(pole.store().join("state.json")).unwrap();
    let version = center.json(["authority", "status"])["list"]["version"].as_u64().unwrap();
    assert!(ledger.contains(&format!("\"trust\":{version}")), "the board remembers: {ledger}");
    // The revoked key approves nothing more; another one can step in for it.
    let refused = center.cli_fails(["bulletin", "approve", "dengue", "--key", &path_text(&center.approver_key())]);
    assert!(refused.contains("revoked"), "{refused}");
    let (first, first_key) = approver(&center, "first", "emergency");
    let (_, second_key) = approver(&center, "second", "emergency");
    center.cli(["bulletin", "approve", "dengue", "--key", &first_key]);
    wait_for("the play to be planned again", 20, || center.speaker("a")["next_play"].is_object().then_some(()));

    // Two for everything in this commune from priority on.
    center.cli(["authority", "two-approvers", "24133", "--from", "priority"]);
    let audio = path_text(&playlists().join("audio/nhac-hieu.wav"));
    center.cli(["bulletin", "add", &audio, "--id", "flood", "--title", "Lũ", "--language", "vie", "--area", "24133"]);
    center.cli(["bulletin", "submit", "flood"]);
    let approve = |key: &str| {
        let shown = center.json(["bulletin", "approve", "flood", "--key", key, "--highest", "priority"]);
        let revision = shown["revisions"][0].clone();
        (
            revision["state"].clone(),
            revision["approvals"].as_array().unwrap().len(),
            revision["approvals_needed"].clone(),
        )
    };
    assert_eq!(approve(&first_key), ("submitted".into(), 1, 2.into()));
    assert_eq!(approve(&first_key), ("submitted".into(), 1, 2.into()), "the same person twice is one");
    assert_eq!(approve(&second_key), ("approved".into(), 2, 2.into()));

    // What the center does not know, and what would cut off every board, is a slip.
    let told = failed(&center, &["authority", "revoke", "--key", "00000000deadbeef"]);
    assert!(told.contains("knows no key"), "{told}");
    let told = failed(&center, &["authority", "revoke", "--key", &of("dispatcher")]);
    assert!(told.contains("--revoke-old"), "{told}");

    // A mistake can be taken back, and a bulletin withdrawn for good.
    center.cli(["authority", "revoke", "--bulletin", "dengue@1", "--key", &first]);
    wait_for("silence", 20, || center.speaker("a")["next_play"].is_null().then_some(()));
    center.cli(["authority", "restore", "--key", &first, "--bulletin", "dengue"]);
    wait_for("the play to be planned", 20, || center.speaker("a")["next_play"].is_object().then_some(()));
    assert!(center.cli_fails(["authority", "revoke"]).contains("--key"));
}

#[test]
fn dispatcher_and_authority_are_rotated_under_a_playing_fleet() {
    let (mut center, mut pole) = planned("first");
    let number = accepted(&center, "a");
    let old = center.json(["authority", "status"]);
    center.cli(["authority", "dispatcher", "--revoke-old"]);
    let number = wait_for("a plan of the new dispatcher", 20, || {
        let now = accepted(&center, "a");
        (now > number).then_some(now)
    });
    let status = center.json(["authority", "status"]);
    assert_ne!(status["dispatcher"], old["dispatcher"]);
    assert_eq!(status["list"]["revoked"][0], old["dispatcher"]);

    // A new authority. The old one's passphrase opens nothing any more.
    center.environment.push(("LOAXA_NEW_AUTHORITY_PASSPHRASE".into(), "một mật khẩu khác hẳn".into()));
    let made = center.json(["authority", "rotate"]);
    assert_ne!(made["fingerprint"], old["fingerprint"]);
    wait_for("a plan under the new authority", 20, || (accepted(&center, "a") > number).then_some(()));
    let told = failed(&center, &["authority", "renew"]);
    assert!(told.contains("passphrase"), "{told}");
    center.environment.push(("LOAXA_AUTHORITY_PASSPHRASE".into(), "một mật khẩu khác hẳn".into()));
    center.cli(["authority", "renew"]);
    // The board knows the way by itself after a restart, without a center, and plays.
    let start_ms = center.schedule_once("second", &["dengue"], 12_000, &["66"]);
    center.wait_ready("a");
    center.kill();
    pole.kill();
    pole.start();
    wait_for("the play", 40, || (unix_ms() > start_ms + 1_000).then_some(()));
    center.start();
    let play = center.play("a", "second", 40);
    // Without a network and a kept clock a board that restarts in the same boot knows the time from its store.
    assert_eq!(play["outcome"], "played", "{play}\n{}", pole.log());
    pole.stop();
    // A speaker that is added now pins the new authority.
    let mut late = Pole::add(&center, "b", "Cụm loa B", "24169", Sound::Dac { ppm: 0.0 });
    late.start();
    center.wait_ready("b");
}

#[test]
fn an_emergency_sounds_with_a_ticket_once_and_not_without() {
    let mut center = Center::new();
    center.furnish();
    // The night is quiet at every hour of this test.
    center.cli(["area", "hours", "66", "--allow", "00:00-00:01"]);
    center.start();
    let (_, key) = approver(&center, "chief", "emergency");
    let audio = path_text(&playlists().join("audio/nhac-hieu.wav"));
    center.cli(["bulletin", "add", &audio, "--id", "flood", "--title", "Lũ", "--language", "vie", "--area", "66"]);
    center.cli(["bulletin", "submit", "flood"]);
    center.cli(["bulletin", "approve", "flood", "--key", &key, "--highest", "emergency"]);
    let list = center.dir.path().join("flood.toml");
    std::fs::write(&list, "[programme.flood]\nitems = [\"flood\"]\n").unwrap();
    center.cli(["programme", "import", &path_text(&list)]);
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.wait_ready("a");
    let now = |in_s: &str| {
        let command = ["schedule", "now", "flood", "--targets", "66", "--priority", "emergency", "--in-s", in_s];
        center.json(command)["schedule"].as_str().unwrap().to_owned()
    };
    now("2");
    let shown = center.json(["bulletin", "show", "flood"]);
    let over_ms = unix_ms() + 3_000 + shown["revisions"][0]["sound"]["duration_ms"].as_i64().unwrap();
    // Silent, and it is said why.
    wait_for("the reason", 20, || {
        let why = center.json(["plan", "why", "a", "--at", &chrono::Utc::now().to_rfc3339(), "--english"]);
        why.to_string().contains("needs a ticket").then_some(())
    });
    // A ticket that came during its time would still let the rest of it be heard.
    wait_for("its time to pass", 60, || (unix_ms() > over_ms).then_some(()));
    center.cli(["bulletin", "ticket", "flood", "--key", &key, "--longest-min", "5"]);
    let (first, second) = (now("8"), now("20"));
    assert_eq!(center.play("a", &first, 40)["outcome"], "played");
    assert_eq!(reason(&center, &second), "missed no_ticket", "one ticket, one play");
    let refused = center.cli_fails(["bulletin", "ticket", "flood", "--key", &path_text(&center.approver_key())]);
    assert!(refused.contains("may not order an emergency"), "{refused}");
    pole.stop();
}

#[test]
fn the_authority_signs_on_a_machine_without_a_network() {
    let center = Center::new();
    center.cli(["area", "add", "24133", "--title", "Phường Buôn Ma Thuột"]);
    // The key leaves the server; what it is needed for is carried to it as a file.
    let vault = tempfile::tempdir().unwrap();
    let key = vault.path().join("authority.key");
    std::fs::rename(center.data().join("authority.key"), &key).unwrap();
    let told = failed(&center, &["authority", "renew"]);
    assert!(told.contains("--request-out"), "{told}");
    let file = |name: &str| path_text(&vault.path().join(name));
    let ask = |name: &str, command: &[&str]| {
        let (request, signed) = (file(&format!("{name}.request")), file(&format!("{name}.signed")));
        center.cli([command, &["--request-out", &request]].concat());
        let at_the_vault = std::process::Command::new(crate::harness::binary("loaxa"))
            .env_clear()
            .env("LOAXA_AUTHORITY_PASSPHRASE", AUTHORITY_PASSPHRASE)
            .args(["authority", "sign", &request, "--key", key.to_str().unwrap(), "--out", &signed, "--yes"])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&at_the_vault.stderr).into_owned();
        assert!(at_the_vault.status.success(), "{told}");
        center.cli(["authority", "apply", &signed]);
        told
    };
    let duyet = path_text(&center.approver_key());
    let told = ask("approver", &["approver", "add", "Nguyễn Thị Duyệt", "--area", "66", "--key-out", &duyet]);
    assert!(told.contains("Nguyễn Thị Duyệt") && told.contains("may approve for 66 of mau, up to normal"), "{told}");
    let told = ask("hours", &["area", "hours", "24133", "--allow", "05:00-06:30"]);
    assert!(told.contains("05:00-06:30"), "{told}");
    ask("rule", &["authority", "two-approvers", "24133"]);
    let told =
        ask("revoke", &["authority", "revoke", "--key", "0123456789abcdef0123456789abcdef", "--even-if-unknown"]);
    assert!(told.contains("revoked keys: 0123456789abcdef") && told.contains("24133 from normal"), "{told}");
    let status = center.json(["authority", "status"]);
    assert_eq!(status["list"]["two_approvers"][0]["area"], "24133");
    // A server that was broken into leaves the revocation out of what it wants signed next.
    let request = file("renew.request");
    center.cli(["authority", "renew", "--request-out", &request]);
    let lies = std::fs::read_to_string(&request).unwrap().replace("0123456789abcdef0123456789abcdef", "ffff");
    std::fs::write(&request, lies.replace("Trung", "\u{1b}[2KTrung")).unwrap();
    let sign = ["authority", "sign", &request, "--key", key.to_str().unwrap(), "--out", &file("y"), "--yes"];
    let told = failed(&center, &sign);
    assert!(told.contains("takes back") && told.contains("--restoring"), "{told}");
    // A request that asks for something else than it may is refused, and nothing is taken twice.
    std::fs::write(
        vault.path().join("bad"),
        r#"{"format":"loaxa-request-v1","requests":[{"kind":"application/vnd.loaxa.plan.v2+json","statement":{}}]}"#,
    )
    .unwrap();
    let refused = center.cli_fails([
        "authority",
        "sign",
        &file("bad"),
        "--key",
        key.to_str().unwrap(),
        "--out",
        &file("x"),
        "--yes",
    ]);
    assert!(refused.contains("not asked to sign"), "{refused}");
    let refused = center.cli_fails(["authority", "apply", &file("revoke.signed")]);
    assert!(refused.contains("sign a later one"), "{refused}");
}

#[test]
fn a_center_from_before_a_rotation_takes_the_hand_over_again() {
    let mut center = Center::new();
    let backup = center.dir.path().join("backup");
    let database = center.data().join("center.db");
    std::fs::copy(&database, &backup).unwrap();
    center.environment.push(("LOAXA_NEW_AUTHORITY_PASSPHRASE".into(), "một mật khẩu khác hẳn".into()));
    let made = center.json(["authority", "rotate"]);
    for left in ["center.db-wal", "center.db-shm"] {
        let _ = std::fs::remove_file(center.data().join(left));
    }
    std::fs::copy(&backup, &database).unwrap();
    let fingerprint = || center.json(["authority", "status"])["fingerprint"].clone();
    assert_ne!(fingerprint(), made["fingerprint"], "the copy knows only the old one");
    let handover = path_text(&center.data().join("authority.key.handover"));
    center.cli(["authority", "apply", &handover]);
    assert_eq!(fingerprint(), made["fingerprint"]);
    let told = failed(&center, &["authority", "apply", &handover]);
    assert!(told.contains("not signed by the authority of now"), "{told}");
}
