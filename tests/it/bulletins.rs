//! Bulletins as a page works with them: uploads by parts, edits that meet, the account of steps, what is to come and what was.

use serde_json::{Value, json};

use crate::harness::{Center, Pole, Sound, playlists, wait_for};
use crate::people::{Browser, add_user};

const BYTES: (&str, &str) = ("content-type", "application/octet-stream");

fn file(name: &str) -> Vec<u8> {
    std::fs::read(playlists().join("audio").join(name)).unwrap()
}

fn part(browser: &Browser, id: &str, offset: usize, bytes: &[u8]) -> crate::people::Answer {
    let path = format!("/uploads/{id}?offset={offset}");
    browser.ask("PUT", &path, bytes.to_vec(), &[BYTES, ("sec-fetch-site", "same-origin")])
}

/// Waits until the sound of the newest revision is ready or refused.
fn converted(browser: &Browser, id: &str) -> Value {
    wait_for(&format!("{id} to be converted"), 60, || {
        let revision =
            browser.get(&format!("/bulletins/{id}")).expect(200).json()["revisions"].as_array()?.last()?.clone();
        (revision["intake"] != "received").then_some(revision)
    })
}

#[test]
fn an_upload_by_parts_goes_on_after_a_broken_line_and_a_restart_and_is_its_owners_alone() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    for name in ["lan", "huy"] {
        add_user(&center, name, "editor@24133");
    }
    add_user(&center, "xem", "viewer@24133");
    let (lan, huy) = (Browser::signed_in(&center, 2, "lan"), Browser::signed_in(&center, 3, "huy"));
    let sound = file("cat-nuoc.opus");
    Browser::signed_in(&center, 4, "xem").get("/uploads").expect(403);
    lan.send("POST", "/uploads", json!({ "bytes": 0 })).expect(400);
    lan.send("POST", "/uploads", json!({ "bytes": 1u64 << 40 })).expect(413);
    let begun =
        lan.send("POST", "/uploads", json!({ "file_name": "Cắt nước.opus", "bytes": sound.len() })).expect(201).json();
    let id = begun["id"].as_str().unwrap().to_owned();
    assert_eq!(begun["received"], 0);
    part(&lan, &id, 0, &sound[..20_000]).expect(200);
    let refused = part(&lan, &id, 0, &sound[..20_000]).expect(409);
    assert_eq!(refused.headers["upload-offset"], "20000");
    assert!(refused.text.contains("20000 bytes"), "{}", refused.text);
    part(&lan, &id, 20_000, &vec![0; sound.len()]).expect(400);
    // Another's is not there, whatever they want with it.
    huy.get(&format!("/uploads/{id}")).expect(404);
    part(&huy, &id, 20_000, b"x").expect(404);
    huy.send("DELETE", &format!("/uploads/{id}"), json!({})).expect(404);
    let add = |browser: &Browser, name: &str, upload: &str| {
        let path = format!("/bulletins?id={name}&title=x&language=vie&area=24133&upload={upload}");
        browser.ask("POST", &path, vec![], &[("sec-fetch-site", "same-origin")])
    };
    add(&huy, "khac", &id).expect(404);
    assert!(add(&lan, "nuoc", &id).expect(409).text.contains("send the rest"));
    // A file that nobody needs any more is swept at the next start, this one is not.
    center.stop();
    let orphan = center.data().join("uploads/nobody");
    std::fs::write(&orphan, b"x").unwrap();
    let path = center.data().join("uploads").join(&id);
    let mut whole = std::fs::read(&path).unwrap();
    // As after a power cut: what was not made safe may be anything.
    whole.truncate(20_000);
    whole.extend([7; 999]);
    std::fs::write(&path, whole).unwrap();
    center.start();
    let lan = Browser::signed_in(&center, 2, "lan");
    assert!(!orphan.exists());
    assert_eq!(lan.get("/uploads").expect(200).json()["items"][0]["received"], 20_000);
    part(&lan, &id, 20_000, &sound[20_000..]).expect(200);
    add(&lan, "nuoc", &id).expect(201);
    lan.get(&format!("/uploads/{id}")).expect(404);
    let revision = converted(&lan, "nuoc");
    assert_eq!(
        (revision["intake"].as_str(), revision["file_name"].as_str()),
        (Some("ready"), Some("Cắt nước.opus")),
        "{revision}"
    );
    let media = revision["sound"]["media"].as_str().unwrap();
    let peaks = lan.get(&format!("/media/{media}/peaks")).expect(200).json()["peaks"].as_array().unwrap().len();
    assert!((500..=1_000).contains(&peaks), "{peaks}");
    assert!(add(&lan, "nuoc-2", &id).expect(404).text.contains("upload"));
    for _ in 0..5 {
        lan.send("POST", "/uploads", json!({ "bytes": 10 })).expect(201);
    }
    assert!(lan.send("POST", "/uploads", json!({ "bytes": 10 })).expect(409).text.contains("discard"));
    let own = lan.get("/uploads").expect(200).json()["items"].as_array().unwrap().clone();
    lan.send("DELETE", &format!("/uploads/{}", own[0]["id"].as_str().unwrap()), json!({})).expect(204);
    lan.send("POST", "/uploads", json!({ "bytes": 10 })).expect(201);
    // What was refused has its word, from which the page makes a sentence of its own.
    let path = "/bulletins?id=hong&title=x&language=vie&area=24133";
    lan.ask("POST", path, b"not sound".repeat(100), &[("sec-fetch-site", "same-origin")]).expect(201);
    assert_eq!(converted(&lan, "hong")["problem_code"], "not_audio");
}

#[test]
fn two_editors_do_not_undo_each_other_and_what_was_approved_keeps_its_title() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    let local = Browser::with_token(&center, &center.token());
    let path = "/bulletins?id=nuoc&title=Nước&language=vie&area=24133";
    local.ask("POST", path, file("cat-nuoc.opus"), &[]).expect(201);
    let path = "/bulletins?id=nuoc-cjm&title=Ia&language=cjm&area=24133&version_of=nuoc";
    local.ask("POST", path, file("cat-nuoc.opus"), &[]).expect(201);
    let read = local.get("/bulletins/nuoc/text").expect(200);
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    let put = |tag: &str, body: Value| {
        let headers = [("content-type", "application/json"), ("if-match", tag)];
        local.ask("PUT", "/bulletins/nuoc/text", body.to_string().into_bytes(), &headers)
    };
    let second = put(&tag, json!({ "title": "Cắt nước", "text": "Kính gửi" })).expect(200);
    let refused = put(&tag, json!({ "text": "Kính thưa" })).expect(412);
    assert_eq!(refused.json()["type"], "loaxa:changed-meanwhile");
    let tag = second.headers["etag"].to_str().unwrap().to_owned();
    assert!(put(&tag, json!({ "language": "cjm" })).expect(400).text.contains("nuoc-cjm is the version"));
    assert_eq!(local.get("/bulletins/nuoc").expect(200).json()["versions"][0]["language"], "cjm");
    assert_eq!(local.get("/bulletins/nuoc-cjm").expect(200).json()["versions"][0]["id"], "nuoc");
    let listed = local.get("/bulletins").expect(200).json();
    assert_eq!(listed["items"][1]["versions"][0]["title"], "Cắt nước");
    assert_eq!(converted(&local, "nuoc")["intake"], "ready");
    local.send("POST", "/bulletins/nuoc/revisions/1/submit", json!({})).expect(200);
    assert_eq!(local.get("/bulletins?state=submitted").expect(200).json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(local.get("/bulletins?state=returned").expect(200).json()["items"], json!([]));
    local.get("/bulletins?state=lost").expect(400);
    assert!(put("*", json!({ "title": "Khác" })).expect(409).text.contains("submitted"));
    put("*", json!({ "text": "Kính thưa bà con" })).expect(200);
    let body = json!({ "reason": " sai ngày " });
    local.send("POST", "/bulletins/nuoc/revisions/1/return", body).expect(200);
    assert_eq!(local.get("/bulletins?state=returned").expect(200).json()["items"][0]["id"], "nuoc");
    let steps = local.get("/bulletins/nuoc/history").expect(200).json()["items"].as_array().unwrap().clone();
    let told: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(told, ["added", "edited", "submitted", "edited", "returned"]);
    assert_eq!((&steps[1]["edited"], &steps[4]["reason"]), (&json!(["title", "text"]), &json!("sai ngày")));
    assert_eq!(steps[0]["account"], "local");
}

#[test]
fn what_will_happen_is_told_before_the_approval_and_what_happened_after_the_play() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    let mut pole = Pole::add(&center, "a", "Cụm loa trước cổng chợ", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    add_user(&center, "cho", "viewer@24133");
    add_user(&center, "kao", "viewer@24169");
    let local = Browser::with_token(&center, &center.token());
    local.send("POST", "/speakers", json!({ "id": "kao", "title": "Loa", "area": "24169" })).expect(201);
    let path = "/bulletins?id=nuoc&title=Nước&language=vie&area=66";
    local.ask("POST", path, file("cat-nuoc.opus"), &[]).expect(201);
    assert_eq!(converted(&local, "nuoc")["intake"], "ready");
    center.schedule_once("sang", &["nuoc"], 12_000, &["66"]);
    let coming = |browser: &Browser| {
        wait_for("the coming play", 20, || {
            browser.get("/bulletins/nuoc/plays").expect(200).json()["coming"].as_array()?.first().cloned()
        })
    };
    let play = coming(&local);
    assert_eq!(
        (&play["schedule"], &play["sounding"], &play["waiting"]),
        (&json!("sang"), &json!(0), &json!(2)),
        "{play}"
    );
    center.approve("nuoc");
    let play = wait_for("the approval to count", 20, || {
        let play = coming(&local);
        (play["waiting"] == 0).then_some(play)
    });
    assert_eq!((&play["sounding"], &play["priority"]), (&json!(2), &json!("normal")));
    // Who sees one commune is told of its speakers.
    let here = Browser::signed_in(&center, 2, "cho");
    assert_eq!(coming(&here)["sounding"], 1);
    assert_eq!(center.play("a", "sang", 60)["outcome"], "played");
    let past = |browser: &Browser| browser.get("/bulletins/nuoc/plays").expect(200).json()["past"].clone();
    let play = past(&local)[0].clone();
    assert_eq!((&play["schedule"], &play["played"], &play["missed"]), (&json!("sang"), &json!(1), &json!(0)), "{play}");
    assert_eq!(past(&here)[0]["played"], 1);
    let elsewhere = Browser::signed_in(&center, 3, "kao");
    assert_eq!(past(&elsewhere), json!([]));
    // The command line plays nothing, and says so in the account.
    let steps = local.get("/bulletins/nuoc/history").expect(200).json()["items"].as_array().unwrap().clone();
    let approved = steps.iter().find(|step| step["step"] == "approved").unwrap();
    assert_eq!((&approved["listened"], &approved["highest"]), (&json!(false), &json!("priority")), "{approved}");
    assert!(approved["unheard"].as_str().unwrap().contains("command line"), "{approved}");
    // From above only what was approved is seen, and its account.
    let seen = here.get("/bulletins/nuoc/history").expect(200).json();
    assert!(!seen["items"].as_array().unwrap().is_empty());
}
