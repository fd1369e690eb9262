//! What an editor is shown: the rule that is being written, the calendar, the history, and the way back.

use serde_json::{Value, json};

use crate::harness::{Center, unix_ms};
use crate::people::{Answer, Browser, add_user};

const DAY_MS: i64 = 86_400_000;

/// A running center with two communes that have a speaker each, three bulletins, and an editor in one of them.
fn furnished() -> (Center, Browser, Browser) {
    let mut center = Center::new();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    center.approved("water", "cat-nuoc.opus");
    center.approved("tune", "nhac-hieu.wav");
    for (id, area) in [("a", "24133"), ("b", "24169")] {
        let config = center.dir.path().join(format!("{id}.toml"));
        center.cli(["speaker", "add", id, "--title", id, "--area", area, "--config-out", config.to_str().unwrap()]);
    }
    add_user(&center, "tinh", "editor@66");
    add_user(&center, "xa", "editor@24133");
    center.start();
    let (province, commune) = (Browser::signed_in(&center, 2, "tinh"), Browser::signed_in(&center, 3, "xa"));
    let items = json!({ "title": "Sáng", "items": [{ "tune": "tune" }, "dengue", "water"] });
    province.send("PUT", "/programmes/sang", items).expect(200);
    (center, province, commune)
}

fn rule(at: &str, targets: &[&str]) -> Value {
    json!({ "title": "Buổi sáng", "at": [at], "targets": targets, "programme": "sang" })
}

fn preview(browser: &Browser, id: Option<&str>, rule: &Value) -> Value {
    browser.send("POST", "/preview/schedule", json!({ "id": id, "rule": rule })).expect(200).json()
}

/// What is under `field` in each of a list.
fn each(list: &Value, field: &str) -> Vec<String> {
    let all = list.as_array().unwrap().iter();
    all.map(|one| one[field].as_str().map_or(one[field].to_string(), str::to_owned)).collect()
}

fn coming(browser: &Browser, place: &str) -> Value {
    let now_ms = unix_ms();
    let path = format!("/occurrences?{place}&from_ms={now_ms}&until_ms={}", now_ms + 4 * DAY_MS);
    browser.get(&path).expect(200).json()
}

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

#[test]
fn a_rule_is_told_in_words_with_its_faults_and_clashes_while_it_is_written() {
    let (_center, province, commune) = furnished();
    let told = preview(
        &province,
        None,
        &json!({ "title": "x", "cron": "0 30 25 * * *", "targets": [], "duration_s": 0, "programme": "nope" }),
    );
    let mut fields = each(&told["faults"], "field");
    fields.sort();
    assert_eq!(fields, ["cron", "duration_s"], "{told}");
    assert!(told["upcoming"].as_array().unwrap().is_empty() && told["in_words"].is_null(), "{told}");
    let told = preview(&province, None, &json!({ "title": "x", "at": ["05:30"], "programme": "nope" }));
    assert_eq!(each(&told["faults"], "field"), ["targets", "programme"]);
    assert_eq!(told["upcoming"].as_array().unwrap().len(), 10, "when it plays is told all the same");
    let told = preview(&province, None, &rule("05:30", &["66"]));
    assert_eq!(told["faults"], json!([]), "{told}");
    assert_eq!(told["in_words"]["vi"], "05:30 hằng ngày");
    let first = &told["upcoming"][0];
    assert!(first["local"].as_str().unwrap().ends_with("T05:30:00"), "{first}");
    assert!(first["day"]["vi"].as_str().unwrap().contains("âm lịch") && first["lunar"]["day"].is_number(), "{first}");
    let (start_ms, end_ms) = (first["start_ms"].as_i64().unwrap(), first["end_ms"].as_i64().unwrap());
    assert_eq!(Some(end_ms - start_ms), told["programme_ms"].as_i64(), "as long as its programme: {told}");
    assert_eq!((&told["is_new"], &told["differs"], &told["findings"]), (&json!(true), &json!(true), &json!([])));
    assert!(province.get("/schedules").json().as_array().unwrap().is_empty(), "nothing was kept");
    // What it would do to others is told before it is kept, and only to who may do it.
    province.send("PUT", "/schedules/sang", rule("05:30", &["66"])).expect(200);
    let mut urgent = rule("05:30", &["24133"]);
    urgent["priority"] = "priority".into();
    let told = preview(&commune, None, &urgent);
    assert!(
        each(&told["findings"], "code").contains(&"displaced".to_owned())
            || !told["findings"].as_array().unwrap().is_empty(),
        "{told}"
    );
    let told = preview(&commune, None, &rule("05:30", &["24169"]));
    assert_eq!(each(&told["faults"], "field"), ["targets"], "{told}");
    assert!(told["faults"][0]["vi"].as_str().unwrap().contains("không thuộc quyền"), "{told}");
    assert_eq!(preview(&province, Some("sang"), &rule("05:30", &["66"]))["differs"], false);
}

#[test]
fn the_calendar_shows_each_occurrence_with_what_becomes_of_it() {
    let (center, province, commune) = furnished();
    province.send("PUT", "/schedules/sang", rule("05:30", &["66"])).expect(200);
    let mut own = rule("17:00", &["24133"]);
    own["priority"] = "priority".into();
    commune.send("PUT", "/schedules/chieu", own.clone()).expect(200);
    center.cli(["area", "hours", "24169", "--allow", "06:00-20:00"]);
    let everywhere = coming(&province, "area=66");
    let all = everywhere["occurrences"].as_array().unwrap();
    let of = |name: &str| all.iter().filter(|one| one["schedule"] == name).cloned().collect::<Vec<_>>();
    assert_eq!((of("sang").len(), of("chieu").len()), (4, 4), "{everywhere}");
    let morning = &of("sang")[1];
    assert_eq!(
        (&morning["reached"], &morning["sounding"]),
        (&json!(2), &json!(1)),
        "unlawful in one commune: {morning}"
    );
    assert_eq!(each(&morning["remarks"], "code"), ["quiet_hours"]);
    assert_eq!(
        (&morning["kind"], &morning["editable"], &morning["locked"]),
        (&json!("usual"), &json!(true), &json!(false))
    );
    let days = everywhere["days"].as_array().unwrap();
    assert!((4..=5).contains(&days.len()) && days[0]["lunar"]["month"].is_number(), "{everywhere}");
    // In the commune: what comes from above is seen there and not theirs to change.
    let here = coming(&commune, "area=24133");
    let editable =
        here["occurrences"].as_array().unwrap().iter().map(|one| (one["schedule"] == "chieu", one["editable"] == true));
    assert!(editable.clone().all(|(own, editable)| own == editable) && editable.count() == 8, "{here}");
    let stricter = coming(&province, "speaker=b");
    assert_eq!(stricter["occurrences"].as_array().unwrap().len(), 4);
    let lawful = &stricter["days"][1]["lawful"][0];
    assert_eq!(lawful["until_ms"].as_i64().unwrap() - lawful["from_ms"].as_i64().unwrap(), 14 * 3_600_000);
    commune.get("/occurrences?area=24169&from_ms=0&until_ms=1").expect(403);
    province.get(&format!("/occurrences?area=66&from_ms=0&until_ms={}", 63 * DAY_MS)).expect(400);
    // One of them is moved, one is left out: the text says which by the time that the calendar gave.
    let own_days = of("chieu");
    let at = |index: usize| own_days[index]["at"].as_str().unwrap().to_owned();
    let moved_to = at(2).replace("T17:00:00", "T18:15:00");
    own["exceptions"] = json!([{ "at": at(2), "move_to": moved_to }, { "at": at(3), "skip": true }]);
    commune.send("PUT", "/schedules/chieu?at_once=true", own).expect(200);
    let here = coming(&commune, "area=24133");
    let own_days: Vec<_> =
        here["occurrences"].as_array().unwrap().iter().filter(|one| one["schedule"] == "chieu").collect();
    assert_eq!(own_days.len(), 3, "{here}");
    let moved = own_days[2];
    assert_eq!((&moved["kind"], moved["at"].as_str()), (&json!("moved"), Some(at(2).as_str())), "{moved}");
    // Beyond what is kept in memory it is worked out for the asking.
    let later_ms = unix_ms() + 30 * DAY_MS;
    let path = format!("/occurrences?area=66&from_ms={later_ms}&until_ms={}", later_ms + DAY_MS);
    let later = province.get(&path).expect(200).json();
    assert_eq!(each(&later["occurrences"], "sounding"), ["1", "1"], "{later}");
}

#[test]
fn an_edit_can_be_taken_back_as_if_it_had_not_been() {
    let (_center, province, _) = furnished();
    let first = province.send("PUT", "/schedules/sang", rule("05:30", &["66"])).expect(200).json();
    assert_eq!(first["before"]["added"]["schedule"], json!(["sang"]));
    let read = province.get("/schedules/sang").expect(200);
    let seen = tag(&read);
    let changed = province.send("PUT", "/schedules/sang", rule("06:30", &["66"])).expect(200).json();
    assert_eq!(changed["before"]["texts"]["schedule"]["sang"]["at"], json!(["05:30"]));
    // Who has seen the older one is told, and changes nothing.
    let body = rule("07:30", &["66"]).to_string().into_bytes();
    let headers =
        [("sec-fetch-site", "same-origin"), ("content-type", "application/json"), ("if-match", seen.as_str())];
    let refused = province.ask("PUT", "/schedules/sang", body.clone(), &headers).expect(412).json();
    assert_eq!(refused["type"], "loaxa:changed-meanwhile");
    province.ask("DELETE", "/schedules/sang", vec![], &headers).expect(412);
    let back = province.send("POST", "/playlists", changed["before"]["texts"].clone()).expect(200).json();
    assert_eq!(back["effective_ms"], changed["effective_ms"], "what was changed never begins to rule");
    let now = province.get("/schedules/sang").expect(200);
    assert_eq!(tag(&now), seen, "it is as it was");
    let detail = now.json();
    assert_eq!((detail["versions"].as_array().unwrap().len(), &detail["editable"]), (3, &json!(true)));
    let all = coming(&province, "area=66");
    let times = each(&all["occurrences"], "at");
    assert!(times.iter().all(|at| at.ends_with("T05:30:00")) && times.len() == 4, "{times:?}");
    province.ask("PUT", "/schedules/sang", body, &headers).expect(200);
    // What was removed comes back, and what was new goes.
    let gone = province.send("DELETE", "/schedules/sang", Value::Null).expect(200).json();
    province.send("POST", "/playlists", gone["before"]["texts"].clone()).expect(200);
    assert_eq!(province.get("/schedules/sang").expect(200).json()["rule"]["at"], json!(["07:30"]));
    province.send("DELETE", "/schedules/sang?at_once=true", Value::Null).expect(200);
    province.get("/schedules/sang").expect(404);
    assert!(coming(&province, "area=66")["occurrences"].as_array().unwrap().is_empty());
    let programme = province.get("/programmes/sang").expect(200);
    assert_eq!(programme.json()["played_by"], json!([]));
    assert!(tag(&programme).starts_with('"'));
    province
        .send("PUT", "/calendars/nam-hoc", json!({ "title": "Năm học", "days": ["2026-09-05..2027-05-31"] }))
        .expect(200);
    assert_eq!(province.get("/calendars/nam-hoc").expect(200).json()["removable"], true);
}

#[test]
fn a_programme_that_is_written_says_what_it_lasts_and_what_fits() {
    let (_center, province, commune) = furnished();
    let draft =
        |items: Value, slot_s: Option<u32>| json!({ "programme": { "title": "x", "items": items }, "slot_s": slot_s });
    let items = json!([{ "tune": "tune" }, "dengue", { "pause_s": 5 }, "water", "nowhere", { "pause_s": 0 }]);
    let told = commune.send("POST", "/preview/programme", draft(items, None)).expect(200).json();
    assert_eq!(each(&told["faults"], "field"), ["items.4", "items.5"], "{told}");
    let length = |index: usize| told["items"][index]["length_ms"].as_i64().unwrap();
    assert_eq!(told["total_ms"], length(0) + length(1) + 5_000 + length(3), "{told}");
    assert_eq!((&told["items"][1]["state"], &told["items"][2]["length_ms"]), (&json!("approved"), &json!(5_000)));
    assert_eq!(told["items"][1]["media"].as_str().unwrap().len(), 64);
    let told =
        province.send("POST", "/preview/programme", draft(json!(["dengue", "water"]), Some(12))).expect(200).json();
    assert_eq!(told["fit"]["sounds"].as_array().unwrap().len(), 1, "{told}");
    assert!(told["fit"]["left_out"][0]["vi"].as_str().unwrap().contains("dài hơn thời gian còn lại"), "{told}");
}
