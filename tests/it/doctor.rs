//! `loaxa-controller doctor` before real boards in real trouble: each fault by its own exit code, in words for a phone.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Center, Pole, Sound, run, wait_for};

const DAC: Sound = Sound::Dac { ppm: 0.0 };

/// What it says of a board as a program reads it, and its exit code.
fn examine(pole: &Pole, more: &[&str]) -> (i32, Vec<Value>) {
    let mut command = pole.command();
    let output = run(command.args(["doctor", "--json", "--lang", "en", "--config"]).arg(pole.config()).args(more));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let checks = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {told}"));
    (output.status.code().unwrap(), checks)
}

fn check<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {checks:?}"))
}

fn finding<'a>(checks: &'a [Value], name: &str) -> &'a str {
    check(checks, name)["finding"].as_str().unwrap()
}

/// Everything under a directory, with its bytes: to see that nothing was changed.
fn contents(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = vec![];
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

#[test]
fn a_board_that_runs_is_examined_beside_its_controller() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    let mut pole = Pole::add(&center, "a", "A", "24133", DAC);
    pole.start();
    let start_ms = center.schedule_once("one", &["dengue"], 3_600_000, &["66"]);
    center.wait_ready("a");
    let status = pole.dir.path().join("status.json");
    wait_for("the controller to say that all is well", 20, || {
        let status: Value = serde_json::from_slice(&std::fs::read(&status).ok()?).ok()?;
        let well = status["connected"] == true
            && status["output"]["working"] == true
            && status["detail"]["clock"]["trusted"] == true
            && status["detail"]["plan"].is_u64();
        well.then_some(())
    });
    let health = wait_for("the center to hear of its board", 20, || {
        let health = center.speaker("a")["health"].clone();
        health.is_object().then_some(health)
    });
    assert!(health["resident_kb"].as_u64() > Some(1_000) && health["free_mb"].is_u64(), "{health}");
    let (code, checks) = examine(&pole, &[]);
    assert_eq!(code, 0, "{checks:?}");
    assert!(finding(&checks, "sound").contains("in use, and it works"), "{checks:?}");
    assert!(finding(&checks, "link").contains("connected to"), "{checks:?}");
    assert!(finding(&checks, "clock").contains("trusted, within"), "{checks:?}");
    let plays = check(&checks, "plan")["plays"].as_array().unwrap();
    assert_eq!(plays.len(), 1, "{plays:?}");
    assert_eq!((plays[0]["start_ms"].as_i64(), &plays[0]["title"]), (Some(start_ms), &"one".into()));
    assert!(plays[0]["media_ready"] == true && plays[0]["permitted"] == true, "{plays:?}");
    assert!(plays[0]["start"].as_str().unwrap().ends_with("+07:00"), "the hour of the place: {plays:?}");

    // In Vietnamese unless English is asked for, and no wider than a phone.
    let said = |lang: &str| {
        let mut command = pole.command();
        command.env_remove("LC_ALL").env("LANG", lang).arg("doctor").arg("--config").arg(pole.config());
        String::from_utf8(run(&mut command).stdout).unwrap()
    };
    let (vietnamese, english) = (said("C.UTF-8"), said("en_US.UTF-8"));
    assert!(vietnamese.contains("Lịch phát    TỐT") && vietnamese.contains("Mọi thứ đều tốt."), "{vietnamese}");
    assert!(english.contains("Plan         OK") && english.contains("All is well."), "{english}");
    for line in vietnamese.lines().chain(english.lines()) {
        assert!(line.chars().count() <= 45, "{line:?}");
    }

    // Stopped, the device is free, and the center's refusal is heard.
    pole.stop();
    assert!(!status.exists(), "nobody runs any more");
    let before = contents(&pole.store());
    let (code, checks) = examine(&pole, &["--tone"]);
    assert_eq!(code, 0, "{checks:?}");
    assert!(finding(&checks, "sound").contains("played a tone of 1.0 s at -20 dBFS"), "{checks:?}");
    let heard = pole.heard().sounding();
    assert!((40_000..56_000).contains(&heard), "a second was heard: {heard} frames");
    assert_eq!(contents(&pole.store()), before, "nothing was changed");
    center.cli(["speaker", "disable", "a"]);
    let (code, checks) = examine(&pole, &["--no-tone"]);
    assert_eq!(code, 16, "{checks:?}");
    assert!(finding(&checks, "link").starts_with("TLS: the center"), "{checks:?}");
    assert!(!check(&checks, "link")["advice"].as_str().unwrap().is_empty());
}

#[test]
fn each_fault_has_its_code_and_the_gravest_comes_first() {
    let center = Center::plain();
    center.furnish();
    let mut pole = Pole::add(&center, "a", "A", "24133", DAC);
    let environment = |more: &[(&str, &str)]| {
        let usual = ("LOAXA_CENTER__MQTT", "mqtt://127.0.0.1:1");
        std::iter::once(&usual).chain(more).map(|(name, value)| ((*name).into(), (*value).into())).collect::<Vec<_>>()
    };
    let mut code_with = |more: &[(&str, &str)]| {
        pole.environment = environment(more);
        examine(&pole, &["--no-tone"])
    };
    let (code, checks) = code_with(&[]);
    let good = |name: &str| check(&checks, name)["good"] == true;
    assert!(good("keys") && good("sound") && good("store") && good("clock") && good("plan"), "{checks:?}");
    assert!(code == 16 && finding(&checks, "link").starts_with("TCP:"), "{checks:?}");
    let (code, checks) = code_with(&[("LOAXA_CENTER__MQTT", "mqtt://khong-co.invalid:1")]);
    assert!(code == 16 && finding(&checks, "link").starts_with("DNS:"), "{checks:?}");

    let (code, checks) = code_with(&[("LOAXA_AUDIO__CAPTURE", "hw:CARD=Nowhere")]);
    assert!(code == 16 && check(&checks, "capture")["code"] == 17, "the graver first: {checks:?}");
    assert_eq!(code_with(&[("LOAXA_AUDIO__OUT", "null")]).0, 13);
    assert_eq!(code_with(&[("LOAXA_AUDIO__DEVICE", "hw:CARD=Nowhere")]).0, 13);
    let (code, checks) = code_with(&[("LOAXA_IDENTITY__SPEAKER", ""), ("LOAXA_AUDIO__OUT", "null")]);
    assert!(code == 10 && finding(&checks, "keys").contains("not enrolled"), "{checks:?}");

    // A plan that is not what was signed.
    std::fs::create_dir_all(pole.store().join("plays")).unwrap();
    std::fs::write(pole.store().join("plan.json"), b"{}").unwrap();
    pole.environment = environment(&[("LOAXA_AUDIO__CAPTURE", "hw:CARD=Nowhere")]);
    let (code, checks) = examine(&pole, &["--no-tone"]);
    assert!(code == 15 && finding(&checks, "plan").contains("not usable"), "{checks:?}");
    let stderr = run(pole.command().args(["doctor", "--no-tone", "--config"]).arg(pole.config())).stderr;
    assert_eq!(String::from_utf8_lossy(&stderr), "", "nothing but the answers");
    let wrong = run(pole.command().args(["doctor", "--lang", "fr"]));
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn an_enrolled_board_is_told_what_is_wrong_with_its_papers() {
    let mut center = Center::new();
    center.start();
    center.furnish();
    let pole = Pole::add(&center, "a", "A", "24133", DAC);
    let path = pole.identity().join("client.pem");
    let good = std::fs::read_to_string(&path).unwrap();
    let (code, checks) = examine(&pole, &["--no-tone"]);
    assert_eq!(code, 0, "never run yet: {checks:?}");
    std::fs::write(&path, good.replacen("BEGIN CERT", "BEGIN DIRT", 1)).unwrap();
    let (code, checks) = examine(&pole, &["--no-tone"]);
    assert_eq!(code, 11, "{checks:?}");
    std::fs::write(&path, &good).unwrap();
    // Another center's authority: neither its own certificate nor what answers is from there.
    let other = Center::new();
    std::fs::copy(other.data().join("tls/ca.pem"), pole.identity().join("ca.pem")).unwrap();
    let (code, checks) = examine(&pole, &["--no-tone"]);
    assert_eq!((code, &check(&checks, "link")["code"]), (11, &16.into()), "{checks:?}");
    assert!(finding(&checks, "link").contains("not the pinned center"), "{checks:?}");
    std::fs::write(pole.identity().join("identity.json"), b"{").unwrap();
    assert_eq!(examine(&pole, &["--no-tone"]).0, 10);
}
