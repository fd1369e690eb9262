//! Who may do what and where, asked of a real server: every path of the API, every role, inside and outside its area.

use std::collections::{BTreeMap, BTreeSet};

use loaxa::center::api::{NEEDS, Need};
use serde_json::{Value, json};

use crate::harness::{Center, playlists};
use crate::people::{Browser, PASSWORD, add_user};

/// Every method and path that the API describes.
fn described(browser: &Browser) -> BTreeSet<(String, String)> {
    let api = browser.get("/openapi.json").expect(200).json();
    let mut all = BTreeSet::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            all.insert((method.to_uppercase(), path.strip_prefix("/api/v1").unwrap().to_owned()));
        }
    }
    all
}

#[test]
fn no_path_of_the_api_is_forgotten() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    add_user(&center, "xem", "viewer@66");
    let (nobody, viewer) = (Browser::at(&center, 2), Browser::signed_in(&center, 3, "xem"));
    let described = described(&nobody);
    let undescribed = [("GET".to_owned(), "/health".to_owned()), ("GET".to_owned(), "/openapi.json".to_owned())];
    let listed: BTreeSet<_> =
        NEEDS.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(listed, described.iter().cloned().chain(undescribed).collect(), "the table and the description are one");
    for (method, path, need) in NEEDS.iter().filter(|(.., need)| *need != Need::Open) {
        let filled = path.replace("{revision}", "1").replace("{step}", "submit").replace("{hash}", &"0".repeat(64));
        let filled = filled.replace("{id}", "x1").replace("{code}", "66").replace("{name}", "x1");
        let answer = nobody.send(method, &filled, json!({}));
        assert_eq!(answer.status, 401, "{method} {path} without credentials");
        let own = *need == Need::Person || *path == "/tokens";
        if *method != "GET" && !own {
            let answer = viewer.send(method, &filled, json!({}));
            assert_eq!(answer.status, 403, "{method} {path} as a viewer: {}", answer.text);
        }
    }
    assert_eq!(viewer.send("PATCH", "/speakers", json!({})).status, 403, "what is not in the table is refused");
    for path in ["/users", "/audit", "/audit/export"] {
        viewer.get(path).expect(403);
    }
}

const HERE: &str = "24133";

/// What one deed needs, done in `area` with names that end in `suffix`.
type Deed = (&'static str, fn(&Browser, &str, &str) -> u16);

fn deeds() -> Vec<Deed> {
    fn speaker(browser: &Browser, area: &str, suffix: &str) -> u16 {
        browser.send("POST", "/speakers", json!({ "id": format!("s{suffix}"), "title": "Loa", "area": area })).status
    }
    fn traits(browser: &Browser, area: &str, _: &str) -> u16 {
        browser.send("PUT", &format!("/speakers/loa-{area}/traits"), json!({ "languages": ["vie"] })).status
    }
    fn sub_area(browser: &Browser, area: &str, suffix: &str) -> u16 {
        browser.send("POST", "/areas", json!({ "code": format!("a{suffix}"), "title": "Thôn", "parent": area })).status
    }
    fn order(browser: &Browser, area: &str, _: &str) -> u16 {
        browser.send("PUT", &format!("/areas/{area}/order"), json!({ "own_first": true })).status
    }
    fn bulletin(browser: &Browser, area: &str, suffix: &str) -> u16 {
        let path = format!("/bulletins?id=b{suffix}&title=x&language=vie&area={area}");
        browser.ask("POST", &path, b"not yet sound".to_vec(), &[("sec-fetch-site", "same-origin")]).status
    }
    fn words(browser: &Browser, area: &str, _: &str) -> u16 {
        browser.send("PUT", &format!("/bulletins/tin-{area}/text"), json!({ "text": "Kính gửi" })).status
    }
    fn returned(browser: &Browser, area: &str, _: &str) -> u16 {
        browser.send("POST", &format!("/bulletins/tin-{area}/revisions/1/return"), json!({ "reason": "sai" })).status
    }
    fn schedule(browser: &Browser, area: &str, suffix: &str) -> u16 {
        let body = json!({ "title": "x", "at": ["06:00"], "targets": [area], "programme": "chung" });
        browser.send("PUT", &format!("/schedules/l{suffix}"), body).status
    }
    fn to_a_speaker(browser: &Browser, area: &str, suffix: &str) -> u16 {
        let body =
            json!({ "title": "x", "at": ["06:00"], "targets": [format!("speaker:loa-{area}")], "programme": "chung" });
        browser.send("PUT", &format!("/schedules/m{suffix}"), body).status
    }
    fn known_schedule(browser: &Browser, area: &str, _: &str) -> u16 {
        let body = json!({ "title": "khác", "at": ["06:30"], "targets": [HERE], "programme": "chung" });
        browser.send("PUT", &format!("/schedules/lich-{area}?dry_run=true"), body).status
    }
    fn programme(browser: &Browser, area: &str, _: &str) -> u16 {
        let body = json!({ "title": "khác", "items": [{ "pause_s": 1 }] });
        browser.send("PUT", &format!("/programmes/rieng-{area}?dry_run=true"), body).status
    }
    fn user(browser: &Browser, area: &str, suffix: &str) -> u16 {
        let grants = json!([{ "role": "viewer", "area": area }]);
        let body = json!({ "name": format!("u{suffix}"), "title": "U", "password": PASSWORD, "grants": grants });
        browser.send("POST", "/users", body).status
    }
    fn account(browser: &Browser, area: &str, _: &str) -> u16 {
        browser.send("PUT", &format!("/users/nguoi-{area}"), json!({ "title": "Tên khác" })).status
    }
    vec![
        ("speaker", speaker),
        ("traits", traits),
        ("sub_area", sub_area),
        ("order", order),
        ("bulletin", bulletin),
        ("words", words),
        ("returned", returned),
        ("schedule", schedule),
        ("to_a_speaker", to_a_speaker),
        ("known_schedule", known_schedule),
        ("programme", programme),
        ("user", user),
        ("account", account),
    ]
}

/// A center with the same things in three places: in the area, beside it and above it.
fn three_places() -> Center {
    let mut center = Center::new();
    center.furnish();
    center.start();
    let local = Browser::with_token(&center, &center.token());
    let put = |path: String, body: Value| local.send("PUT", &path, body).expect(200);
    put("/programmes/chung".into(), json!({ "title": "Chung", "items": [{ "pause_s": 5 }] }));
    for area in [HERE, "24169", "66"] {
        local
            .send("POST", "/speakers", json!({ "id": format!("loa-{area}"), "title": "Loa", "area": area }))
            .expect(201);
        let path = format!("/bulletins?id=tin-{area}&title=Tin&language=vie&area={area}");
        local.ask("POST", &path, b"not yet sound".to_vec(), &[]).expect(201);
        put(format!("/programmes/rieng-{area}"), json!({ "title": "Riêng", "items": [{ "pause_s": 5 }] }));
        let rule = json!({ "title": "Lịch", "at": ["05:00"], "targets": [area], "programme": format!("rieng-{area}") });
        put(format!("/schedules/lich-{area}"), rule);
        add_user(&center, &format!("nguoi-{area}"), &format!("viewer@{area}"));
    }
    for role in ["admin", "editor", "approver", "operator", "viewer"] {
        add_user(&center, &format!("{role}.xa"), &format!("{role}@{HERE}"));
    }
    center
}

#[test]
fn each_role_does_its_own_things_in_its_own_area_and_nothing_else() {
    let center = three_places();
    let may: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("editor", &["bulletin", "words", "schedule", "to_a_speaker", "known_schedule", "programme"][..]),
        ("approver", &["returned"][..]),
        ("operator", &["speaker", "traits"][..]),
        ("viewer", &[][..]),
    ]);
    for (number, role) in ["admin", "editor", "approver", "operator", "viewer"].into_iter().enumerate() {
        let browser = Browser::signed_in(&center, 10 + number as u8, &format!("{role}.xa"));
        for (name, deed) in deeds() {
            let inside = deed(&browser, HERE, &format!("-{role}-trong"));
            let allowed = role == "admin" || may[role].contains(&name);
            // Returning a draft is refused as such: 409.
            let expected: &[u16] = if allowed { &[200, 201, 204, 409] } else { &[403] };
            assert!(expected.contains(&inside), "{role} {name} inside: {inside}");
            for (place, area) in [("beside", "24169"), ("above", "66")] {
                let outside = deed(&browser, area, &format!("-{role}-{place}"));
                assert!([403, 404].contains(&outside), "{role} {name} {place}: {outside}");
            }
        }
    }
}

#[test]
fn everybody_sees_their_own_area_and_what_comes_to_it_from_above() {
    let center = three_places();
    let viewer = Browser::signed_in(&center, 20, "viewer.xa");
    let ids = |list: Value, field: &str| -> Vec<String> {
        let list = if list["items"].is_array() { list["items"].clone() } else { list };
        list.as_array().unwrap().iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
    };
    let seen = |path: &str, field: &str| ids(viewer.get(path).expect(200).json(), field);
    assert_eq!(seen("/areas", "code"), [HERE, "66"]);
    assert_eq!(seen("/speakers", "id"), ["loa-24133"]);
    assert_eq!(seen("/speakers?limit=1", "id"), ["loa-24133"]);
    assert_eq!(seen("/bulletins", "id"), ["tin-24133"], "what is above is seen once it is approved");
    assert_eq!(seen("/schedules", "id"), ["lich-24133", "lich-66"]);
    for path in ["plan", "why", "traits", "calendar.ics"] {
        viewer.get(&format!("/speakers/loa-24133/{path}")).expect(200);
        viewer.get(&format!("/speakers/loa-24169/{path}")).expect(404);
    }
    viewer.get("/bulletins/tin-24169").expect(404);
    viewer.get("/areas/24169/calendar.ics").expect(403);
    viewer.get("/plays?speaker=loa-66").expect(404);

    let file = playlists().join("audio/cat-nuoc.opus");
    let add = |id: &str, area: &str| {
        let file = file.to_str().unwrap();
        center.cli(["bulletin", "add", file, "--id", id, "--title", "Nước", "--language", "vie", "--area", area]);
    };
    add("nuoc-tinh", "66");
    viewer.get("/bulletins/nuoc-tinh").expect(404);
    center.approve("nuoc-tinh");
    let shown = viewer.get("/bulletins/nuoc-tinh").expect(200).json();
    let media = shown["revisions"][0]["sound"]["media"].as_str().unwrap();
    viewer.get(&format!("/media/{media}")).expect(200);
    center.cli(["bulletin", "revise", "nuoc-tinh", playlists().join("audio/loi-xuong.ogg").to_str().unwrap()]);
    let shown = viewer.get("/bulletins/nuoc-tinh").expect(200).json();
    assert_eq!(shown["revisions"].as_array().unwrap().len(), 1, "a draft from above is not yet anybody's below");
    let draft = center.json(["bulletin", "show", "nuoc-tinh"])["revisions"][1]["sound"]["media"].clone();
    viewer.get(&format!("/media/{}", draft.as_str().unwrap())).expect(404);

    let admin = Browser::signed_in(&center, 21, "admin.xa");
    let users = ids(admin.get("/users").expect(200).json(), "name");
    assert_eq!(users, ["admin.xa", "approver.xa", "editor.xa", "nguoi-24133", "operator.xa", "viewer.xa"]);
    admin.get("/audit").expect(403);
}

#[test]
fn an_admin_of_a_part_gives_no_more_than_they_have() {
    let center = three_places();
    add_user(&center, "sep", "admin@66");
    let admin = Browser::signed_in(&center, 22, "admin.xa");
    let grant = |role: &str, area: &str| json!([{ "role": role, "area": area }]);
    let change = |name: &str, body: Value| admin.send("PUT", &format!("/users/{name}"), body);
    change("viewer.xa", json!({ "grants": grant("editor", HERE) })).expect(200);
    for beyond in [
        grant("editor", "66"),
        grant("viewer", "24169"),
        json!([{ "role": "viewer", "area": HERE }, { "role": "viewer", "area": "66" }]),
    ] {
        change("viewer.xa", json!({ "grants": beyond })).expect(403);
    }
    change("viewer.xa", json!({ "grants": [] })).expect(400);
    // Made from what another admin has changed since.
    let late = json!({ "grants": grant("operator", HERE), "grants_before": grant("viewer", HERE) });
    assert!(change("viewer.xa", late).expect(409).text.contains("was changed meanwhile"));
    let in_time = json!({ "grants": grant("viewer", HERE), "grants_before": grant("editor", HERE) });
    change("viewer.xa", in_time).expect(200);
    // Whoever stands above, or partly elsewhere, is out of reach: not their password, not their second factor, not their end.
    center.cli(["user", "grant", "nguoi-24133", "viewer@24169"]);
    for name in ["sep", "nguoi-66", "nguoi-24133"] {
        change(name, json!({ "disabled": true })).expect(404);
        admin.send("PUT", &format!("/users/{name}/password"), json!({ "password": PASSWORD })).expect(404);
        admin.send("DELETE", &format!("/users/{name}/totp"), Value::Null).expect(404);
        admin.get(&format!("/users/{name}/sessions")).expect(404);
    }
    change("admin.xa", json!({ "disabled": true })).expect(409);
    change("admin.xa", json!({ "grants": grant("admin", "66") })).expect(403);
    // Changing one's own roles goes on in a new session.
    let before = admin.cookie("loaxa_session");
    let both = json!([{ "role": "admin", "area": HERE }, { "role": "editor", "area": HERE }]);
    change("admin.xa", json!({ "grants": both })).expect(200);
    assert_ne!(admin.cookie("loaxa_session"), before);
    admin.get("/session").expect(200);
}

#[test]
fn the_calendar_that_amends_the_holidays_is_theirs_who_could_change_what_names_the_holidays() {
    let center = three_places();
    let local = Browser::with_token(&center, &center.token());
    let editor = Browser::signed_in(&center, 23, "editor.xa");
    let mourning = json!({ "days": ["2026-11-23..2027-11-23"] });
    editor.send("PUT", "/calendars/vn", mourning.clone()).expect(200);
    editor.send("DELETE", "/calendars/vn", Value::Null).expect(204);
    let rule =
        json!({ "title": "Tỉnh", "at": ["05:00"], "targets": ["66"], "programme": "chung", "not_on": ["holidays:vn"] });
    local.send("PUT", "/schedules/tinh", rule).expect(200);
    editor.send("PUT", "/calendars/vn", mourning.clone()).expect(403);
    local.send("PUT", "/calendars/vn", mourning.clone()).expect(200);
    editor.send("DELETE", "/calendars/vn", Value::Null).expect(403);
    // The holidays stand without it, so it can be taken away by who may.
    local.send("DELETE", "/calendars/vn", Value::Null).expect(204);
    editor.send("PUT", "/calendars/other", mourning).expect(200);
}
