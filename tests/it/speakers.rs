//! Speakers in lists and in full, what turned about them, their names; and the overview of a centre.

use serde_json::{Value, json};

use crate::harness::{Center, Pole, Sound, unix_ms, wait_for};
use crate::people::{Browser, add_user};

fn listed(browser: &Browser, id: &str) -> Value {
    let rows = browser.get("/speakers?limit=5000").expect(200).json();
    rows["items"].as_array().unwrap().iter().find(|row| row["id"] == id).expect("the speaker").clone()
}

fn turns(browser: &Browser, id: &str) -> Vec<String> {
    let told = browser.get(&format!("/speakers/{id}/history")).expect(200).json();
    let line = |turn: &Value| format!("{} {}", turn["subject"].as_str().unwrap(), turn["value"].as_str().unwrap());
    told["turns"].as_array().unwrap().iter().map(line).collect()
}

fn count(turns: &[String], wanted: &str) -> usize {
    turns.iter().filter(|turn| *turn == wanted).count()
}

#[test]
fn a_speaker_stands_by_what_is_known_and_its_history_keeps_what_turned() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    center.approved("tune", "nhac-hieu.wav");
    let mut pole = Pole::add(&center, "a", "Cụm loa Ê Đê", "24133", Sound::Dac { ppm: 0.0 });
    center.cli(["speaker", "add", "b", "--title", "Chưa lắp", "--area", "24133"]);
    let local = Browser::with_token(&center, &center.token());
    let start_ms = center.schedule_once("later", &["tune"], 7_200_000, &["24133"]);
    let row = wait_for("the plan", 20, || Some(listed(&local, "a")).filter(|row| row["next_play"].is_object()));
    assert_eq!((&row["standing"], &row["causes"]), (&"never".into(), &json!(["never_heard"])), "{row}");
    assert_eq!(row["next_play"], json!({ "start_ms": start_ms, "title": "later" }));
    let without = listed(&local, "b");
    assert_eq!((&without["causes"], &without["has_board"]), (&json!(["no_board"]), &false.into()), "{without}");
    pole.start();
    let row = wait_for("a to be ready", 30, || Some(listed(&local, "a")).filter(|row| row["standing"] == "ready"));
    assert_eq!((&row["causes"], &row["plan"]["sent"]), (&json!([]), &row["plan"]["accepted"]), "{row}");
    assert!(row["faults"].is_null() && row["proven"].is_null() && row["health"].is_null(), "a slim row: {row}");
    let told = turns(&local, "a");
    assert_eq!((count(&told, "board enrolled"), count(&told, "link up")), (1, 1), "{told:?}");
    assert!(count(&told, "clock trusted") == 1 && count(&told, "content complete") >= 1, "{told:?}");
    // A play that sounded is kept beside it.
    center.schedule_once("now", &["tune"], 5_000, &["24133"]);
    let play = center.play("a", "now", 60);
    assert_eq!(play["outcome"], "played", "{play}");
    let row = listed(&local, "a");
    assert_eq!(row["proven"], json!({ "at_ms": play["start_ms"], "evidence": "sounded" }), "{row}");
    assert_eq!(row["last"]["outcome"], "played");
    // It goes; the history says when, and how it stood before.
    pole.stop();
    let row = wait_for("a off line", 30, || Some(listed(&local, "a")).filter(|row| row["standing"] == "offline"));
    assert_eq!(row["causes"][0], "link_down", "{row}");
    assert_eq!(count(&turns(&local, "a"), "link down"), 1);
    let later = local.get("/speakers/a/history?from_ms=5&until_ms=5").expect(400);
    assert!(later.text.contains("from_ms"), "{}", later.text);
    let path = format!("/speakers/a/history?from_ms={}&until_ms={}", unix_ms() + 1, unix_ms() + 2);
    let told = local.get(&path).expect(200).json();
    assert_eq!(told["turns"], json!([]));
    let link = told["before"].as_array().unwrap().iter().find(|turn| turn["subject"] == "link").unwrap().clone();
    assert_eq!(link["value"], "down", "{told}");
    // Shutting it out is in its history too; a center that starts again has not heard it.
    center.cli(["speaker", "disable", "a"]);
    center.cli(["speaker", "enable", "a"]);
    pole.start();
    center.wait_ready("a");
    center.stop();
    center.start();
    center.wait_ready("a");
    let local = Browser::with_token(&center, &center.token());
    let told = turns(&local, "a");
    assert_eq!((count(&told, "access shut"), count(&told, "access open")), (1, 1), "{told:?}");
    assert!(count(&told, "link unheard") == 1 && told.last().unwrap() == "link up", "{told:?}");
}

#[test]
fn a_name_is_changed_with_the_traits_and_only_of_what_was_seen() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    center.cli(["speaker", "add", "a", "--title", "Cũ", "--area", "24133"]);
    let local = Browser::with_token(&center, &center.token());
    let seen = local.get("/speakers/a/traits").expect(200);
    let tag = seen.headers["etag"].to_str().unwrap().to_owned();
    let put = |tag: &str, body: Value| {
        local.ask(
            "PUT",
            "/speakers/a/traits",
            body.to_string().into_bytes(),
            &[("content-type", "application/json"), ("if-match", tag)],
        )
    };
    put(&tag, json!({ "title": " Mới ", "languages": ["vie"] })).expect(204);
    assert_eq!(listed(&local, "a")["title"], "Mới");
    put(&tag, json!({ "title": "Khác" })).expect(412);
    put("*", json!({ "languages": ["vie"] })).expect(204);
    assert_eq!(listed(&local, "a")["title"], "Mới", "it stays where nothing is said");
    put("*", json!({ "title": " " })).expect(400);
    center.cli(["speaker", "set", "a", "--title", "Từ dòng lệnh"]);
    assert_eq!(center.speaker("a")["title"], "Từ dòng lệnh");
    assert_eq!(center.speaker("a")["languages"], json!(["vie"]));
}

#[test]
fn pages_of_speakers_follow_each_other_and_show_ones_own() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    let local = Browser::with_token(&center, &center.token());
    for number in 0..7 {
        let area = if number % 2 == 0 { "24133" } else { "24169" };
        let new = json!({ "id": format!("loa-{number}"), "title": "Loa", "area": area });
        local.send("POST", "/speakers", new).expect(201);
    }
    add_user(&center, "xem", "viewer@24133");
    let viewer = Browser::signed_in(&center, 4, "xem");
    let ids = |browser: &Browser, limit: u32| {
        let (mut ids, mut cursor) = (vec![], String::new());
        loop {
            let page = browser.get(&format!("/speakers?limit={limit}&cursor={cursor}")).expect(200).json();
            let items = page["items"].as_array().unwrap();
            ids.extend(items.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return ids,
            }
        }
    };
    let own = ["loa-0", "loa-2", "loa-4", "loa-6"];
    for limit in [1, 2, 3, 4, 5000] {
        assert_eq!(ids(&viewer, limit), own, "{limit}");
        assert_eq!(ids(&local, limit).len(), 7, "{limit}");
    }
    viewer.get("/speakers/loa-1/history").expect(404);
}

#[test]
fn the_overview_tells_what_is_on_what_failed_and_what_waits() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    center.approved("tune", "nhac-hieu.wav");
    center.approved("long", "sot-xuat-huyet.mp3");
    let mut pole = Pole::add(&center, "a", "Loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.cli(["speaker", "add", "b", "--title", "Loa B", "--area", "24169"]);
    let local = Browser::with_token(&center, &center.token());
    center.wait_ready("a");
    let overview = || local.get("/overview").expect(200).json();
    let first = overview();
    assert_eq!((&first["speakers"], &first["on_air"], &first["troubles"]), (&2.into(), &json!([]), &json!([])));
    let no_board = first["waiting"].as_array().unwrap().iter().find(|one| one["kind"] == "no_board").unwrap().clone();
    assert_eq!((&no_board["count"], &no_board["things"][0]["id"]), (&1.into(), &"b".into()), "{no_board}");
    let start_ms = center.schedule_once("now", &["long"], 6_000, &["66"]);
    let next = wait_for("the play to come", 20, || {
        Some(overview()["next"][0].clone()).filter(|play| play["start_ms"] == start_ms)
    });
    assert_eq!((&next["title"], &next["speakers"]), (&"now".into(), &2.into()), "{next}");
    let on = wait_for("the play on the air", 30, || {
        Some(overview()["on_air"][0].clone()).filter(|play| play["sounding"] == 1)
    });
    assert_eq!((&on["title"], &on["planned"], &on["since_ms"]), (&"now".into(), &2.into(), &start_ms.into()), "{on}");
    // It is cut off: out of touch at once, and once it is back what it missed is told by its reason.
    pole.kill();
    let gone = wait_for("the trouble", 60, || {
        overview()["troubles"].as_array()?.iter().find(|one| one["cause"] == "link_down").cloned()
    });
    assert_eq!((&gone["area"], &gone["speakers"], &gone["of"]), (&"24133".into(), &1.into(), &1.into()), "{gone}");
    assert!(gone["first_ms"].is_i64() && gone["named"] == json!([{ "id": "a", "title": "Loa A" }]), "{gone}");
    pole.start();
    let failed = wait_for("the failed play", 60, || {
        overview()["troubles"].as_array()?.iter().find(|one| one["cause"] == "play_failed").cloned()
    });
    assert_eq!((&failed["area"], &failed["plays"]), (&"24133".into(), &1.into()), "{failed}");
    assert_eq!(failed["detail"], "interrupted", "{failed}");
    // A restart of the center forgets nothing of it.
    center.stop();
    center.start();
    let local = Browser::with_token(&center, &center.token());
    let again = local.get("/overview").expect(200).json();
    assert!(again["troubles"].as_array().unwrap().contains(&failed), "{again}");
    // Who sees one area is told of that area; what waits is by right.
    add_user(&center, "duyet", "approver@24169");
    let approver = Browser::signed_in(&center, 4, "duyet");
    let theirs = approver.get("/overview").expect(200).json();
    assert_eq!((&theirs["speakers"], &theirs["troubles"], &theirs["waiting"]), (&1.into(), &json!([]), &json!([])));
    let tune = std::fs::read(crate::harness::playlists().join("audio").join("nhac-hieu.wav")).unwrap();
    local.ask("POST", "/bulletins?id=tin&title=Tin&language=vie&area=24169", tune, &[]).expect(201);
    wait_for("the conversion", 30, || {
        let answer = local.send("POST", "/bulletins/tin/revisions/1/submit", json!({}));
        (answer.status == 200).then_some(())
    });
    let theirs = approver.get("/overview").expect(200).json();
    assert_eq!(
        (&theirs["waiting"][0]["kind"], &theirs["waiting"][0]["things"][0]["id"]),
        (&"to_approve".into(), &"tin".into()),
        "{theirs}"
    );
}
