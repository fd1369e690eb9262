//! The command line as people meet it: what works, what is refused and in which words, with which exit code.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Center, binary, playlists};

fn controller(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(binary("loaxa-controller")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_format_of_the_playlists_plays_and_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    for (file, seconds) in [
        ("nhac-hieu.wav", 3.1),
        ("loi-xuong.ogg", 3.48),
        ("sot-xuat-huyet.mp3", 9.36),
        ("cat-nuoc.opus", 9.16),
        ("tiem-chung.flac", 9.30),
        ("hop-thon.m4a", 9.15),
    ] {
        let path = playlists().join("audio").join(file);
        let wav = dir.path().join("out.wav");
        let (code, out, error) =
            controller(&["play", path.to_str().unwrap(), "--out", &format!("wav:{}", wav.display()), "--json"]);
        assert_eq!(code, Some(0), "{file}: {error}");
        let played: Value = serde_json::from_str(&out).unwrap();
        assert!((played["seconds"].as_f64().unwrap() - seconds).abs() < 0.1, "{file}: {played}");
        assert!((-25.0..-10.0).contains(&played["level_dbfs"].as_f64().unwrap()), "{file}: {played}");
        let written = crate::harness::decoded(&wav);
        assert_eq!(written.len() as u64, played["frames"].as_u64().unwrap(), "{file}");
    }
}

#[test]
fn what_is_not_sound_is_refused_in_one_plain_line() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cases = [
        (write("empty.mp3", b""), "empty"),
        (write("text.mp3", b"Kinh gui ba con trong xa".repeat(50).as_slice()), "not an audio file"),
        (write("zeros.wav", &[0; 4096]), "not an audio file"),
        (dir.path().join("gone.mp3").to_str().unwrap().to_owned(), "cannot be read"),
        (dir.path().to_str().unwrap().to_owned(), "not a file"),
    ];
    for (path, words) in cases {
        let (code, out, error) = controller(&["play", &path, "--out", "null", "--json"]);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{path}");
        assert!(error.contains(words) && error.trim_end().lines().count() == 1, "{path}: {error}");
    }
}

#[test]
fn wrong_use_is_exit_code_2_and_wrong_matter_is_1() {
    assert_eq!(controller(&["play"]).0, Some(2));
    assert_eq!(controller(&["dance"]).0, Some(2));
    let (code, _, error) = controller(&["run", "--config", "/nowhere/controller.toml"]);
    assert!(code == Some(1) && error.contains("/nowhere/controller.toml"), "{error}");
    let (code, _, error) = controller(&["run"]);
    assert!(code == Some(1) && error.contains("loaxa speaker add"), "{error}");
    let output = Command::new(binary("loaxa")).arg("serve").env_remove("LOAXA_DATA").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--data"));
    assert_eq!(Command::new(binary("loaxa")).arg("fly").output().unwrap().status.code(), Some(2));
}

#[test]
fn a_preview_needs_no_center_and_names_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lich.toml");
    std::fs::write(
        &path,
        "[schedule.sang]\ncron = \"0 30 5 * * *\"\nduration_s = 600\n[schedule.chieu]\ncron = \"45 16 * * 1\"\n",
    )
    .unwrap();
    let preview = |from: &str, to: &str| {
        let arguments = ["plan", "preview", "--schedule", path.to_str().unwrap(), "--from", from, "--to", to, "--json"];
        Command::new(binary("loaxa")).args(arguments).output().unwrap()
    };
    let output = preview("2026-11-23T00:00:00+07:00", "2026-11-24T00:00:00+07:00");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!({ "occurrences": [
        { "schedule": "sang", "start": "2026-11-23T05:30:00+07:00", "end": "2026-11-23T05:40:00+07:00" },
        { "schedule": "chieu", "start": "2026-11-23T16:45:00+07:00", "end": "2026-11-23T16:45:00+07:00" },
    ]});
    assert_eq!(shown, expected);
    std::fs::write(&path, "[schedule.sang]\ncron = \"0 30 25 * * *\"\n").unwrap();
    let output = preview("2026-11-23T00:00:00+07:00", "2026-11-24T00:00:00+07:00");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(["schedule.sang", "hours", "25"].iter().all(|word| error.contains(word)), "{error}");
}

#[test]
fn the_way_of_a_bulletin_refuses_every_short_cut() {
    let center = Center::new();
    center.furnish();
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("thu.mp3");
    std::fs::write(&text, "không phải âm thanh".repeat(100)).unwrap();
    let add = |path: &str, id: &str, area: &str, language: &str| {
        ["bulletin", "add", path, "--id", id, "--title", "Thử", "--language", language, "--area", area]
            .map(str::to_owned)
    };
    let good = playlists().join("audio/cat-nuoc.opus");
    let good = good.to_str().unwrap();
    assert!(center.cli_fails(add(text.to_str().unwrap(), "x", "66", "vie")).contains("not an audio file"));
    assert!(center.cli_fails(add(good, "y", "99999", "vie")).contains("loaxa area add"));
    assert!(center.cli_fails(add(good, "y", "66", "tiếng Việt")).contains("ISO 639-3"));
    assert!(center.cli_fails(add(good, "Y/..", "66", "vie")).contains("bulletin id"));
    center.cli(add(good, "water", "66", "vie"));
    assert!(center.cli_fails(add(good, "water", "66", "vie")).contains("already"));

    let key = center.approver_key();
    let key = key.to_str().unwrap();
    assert!(center.cli_fails(["bulletin", "approve", "water", "--key", key]).contains("only a submitted one"));
    center.cli(["bulletin", "submit", "water"]);
    assert!(center.cli_fails(["bulletin", "return", "water", "--reason", " "]).contains("why"));
    assert!(
        center
            .cli_fails(["bulletin", "approve", "water", "--key", key, "--highest", "emergency"])
            .contains("may not approve")
    );
    let wrong = dir.path().join("wrong");
    std::fs::write(&wrong, "sai mật khẩu\n").unwrap();
    let refused =
        center.cli_fails(["bulletin", "approve", "water", "--key", key, "--passphrase-file", wrong.to_str().unwrap()]);
    assert!(refused.contains("passphrase is wrong"), "{refused}");
    center.cli(["bulletin", "return", "water", "--reason", "ghi sai ngày"]);
    let shown = center.json(["bulletin", "show", "water"]);
    assert_eq!(
        (&shown["revisions"][0]["state"], &shown["revisions"][0]["reason"]),
        (&json!("returned"), &json!("ghi sai ngày"))
    );
    center.cli(["bulletin", "submit", "water"]);
    center.cli(["bulletin", "approve", "water", "--key", key]);
    assert_eq!(center.json(["bulletin", "show", "water"])["revisions"][0]["state"], "approved");
    // What is approved can be listened to first, and is what was approved.
    let listened = dir.path().join("nghe.opus");
    center.cli(["bulletin", "fetch", "water", "--out", listened.to_str().unwrap()]);
    assert_eq!(
        center.json(["bulletin", "show", "water"])["revisions"][0]["sound"]["bytes"],
        listened.metadata().unwrap().len()
    );
    // Taking back a correction must not put the old text on the air again.
    center.cli(["bulletin", "revise", "water", good]);
    center.cli(["bulletin", "submit", "water"]);
    center.cli(["bulletin", "approve", "water", "--key", key]);
    center.cli(["bulletin", "withdraw", "water"]);
    let states = center.json(["bulletin", "show", "water"])["revisions"].clone();
    assert!(states.as_array().unwrap().iter().all(|revision| revision["state"] == "withdrawn"), "{states}");
    assert!(center.cli_fails(["bulletin", "submit", "water"]).contains("withdrawn"));
    assert!(center.cli_fails(["bulletin", "remove", "water"]).contains("stays on record"));
    // A file that was refused leaves nothing behind, and its id can be used again.
    assert_eq!(center.json(["bulletin", "list"]).as_array().unwrap().len(), 1);
    center.cli(add(good, "x", "66", "vie"));
    center.cli(["bulletin", "remove", "x"]);
    assert_eq!(center.json(["bulletin", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn the_api_lets_nobody_in_without_the_token_and_describes_itself() {
    let mut center = Center::new();
    center.start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let http = center.http_client();
        let url = |path: &str| format!("{}{path}", center.http);
        for path in ["/api/v1/speakers", "/api/v1/plays", "/api/v1/events", "/api/v1/bulletins"] {
            let answer = http.get(url(path)).send().await.unwrap();
            assert_eq!(answer.status(), 401, "{path}");
            assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        }
        assert_eq!(http.get(url("/api/v1/speakers")).bearer_auth("guess").send().await.unwrap().status(), 401);
        assert_eq!(http.get(url("/api/v1/speakers")).bearer_auth(center.token()).send().await.unwrap().status(), 200);
        let wrong = http.post(url("/api/v1/session")).json(&json!({ "token": "guess" })).send().await.unwrap();
        assert_eq!(wrong.status(), 401);
        let right = http.post(url("/api/v1/session")).json(&json!({ "token": center.token() })).send().await.unwrap();
        assert_eq!(right.status(), 204);
        let cookie = right.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let value = cookie.split(';').next().unwrap();
        let signed_in = http.get(url("/api/v1/center")).header("cookie", value).send().await.unwrap();
        assert_eq!(signed_in.status(), 200);
        let foreign = http
            .delete(url("/api/v1/schedules/x"))
            .header("cookie", value)
            .header("sec-fetch-site", "cross-site")
            .send()
            .await
            .unwrap();
        assert_eq!(foreign.status(), 401, "another site's page cannot use the cookie");
        let api: Value = http.get(url("/api/v1/openapi.json")).send().await.unwrap().json().await.unwrap();
        assert!(api["openapi"].as_str().unwrap().starts_with("3.1"), "{}", api["openapi"]);
        assert!(api["paths"]["/api/v1/plays"]["get"].is_object());
        assert_eq!(http.get(url("/")).send().await.unwrap().status(), 200);
        assert_eq!(http.get(url("/../../etc/passwd")).send().await.unwrap().status(), 404);
    });
}

#[test]
fn an_upload_that_is_too_large_is_refused_and_leaves_nothing() {
    let mut center = Center::new();
    center.environment.push(("LOAXA_HTTP__UPLOAD_MB".into(), "1".into()));
    center.start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let answer = center
            .http_client()
            .post(format!("{}/api/v1/bulletins?title=x&language=vie&area=66", center.http))
            .bearer_auth(center.token())
            .body(vec![7u8; 2 * 1024 * 1024])
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 413);
    });
    assert_eq!(std::fs::read_dir(center.data().join("uploads")).unwrap().count(), 0);
    assert_eq!(center.json(["bulletin", "list"]), json!([]));
}

#[test]
fn the_effective_configuration_says_where_each_value_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("loaxa.toml");
    std::fs::write(&file, "[http]\nupload_mb = 64\n").unwrap();
    let output = Command::new(binary("loaxa"))
        .args(["config", "--print", "--config", file.to_str().unwrap()])
        .env("LOAXA_MQTT__ADDRESS", "127.0.0.1:2883")
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("mqtt.address = \"127.0.0.1:2883\"  # LOAXA_MQTT__ADDRESS"), "{shown}");
    assert!(shown.contains(&format!("http.upload_mb = 64  # {}", file.display())), "{shown}");
    assert!(shown.contains("# default"), "{shown}");
}
