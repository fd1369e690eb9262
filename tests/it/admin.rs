//! What those who look after a center see and do: its health, its people, its log, and the trust list as two edit it at once.

use loaxa::domain::trust::TrustList;
use loaxa::protocol::envelope::Envelope;
use loaxa::protocol::keys::SealedKey;
use serde_json::{Value, json};

use crate::harness::{AUTHORITY_PASSPHRASE, Center, unix_ms, wait_for};
use crate::people::{Browser, add_user};

fn local(center: &Center) -> Browser {
    Browser::with_token(center, &center.token())
}

#[test]
fn the_center_says_how_it_is() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    let local = local(&center);
    // The planner's first round has ended, and the center has found its own broker.
    let health = wait_for("a first round", 20, || {
        let health = local.get("/health/details").expect(200).json();
        (health["planner"]["at_ms"].is_i64() && health["broker"]["connected"] == true).then_some(health)
    });
    assert_eq!(health["store"]["kind"], "sqlite");
    assert!(health["store"]["bytes"].as_u64().unwrap() > 10_000, "{health}");
    assert!(health["store"]["written_ms"].as_i64().unwrap() <= unix_ms() + 1_000);
    let disk = &health["disk"];
    assert!(disk["free_bytes"].as_u64().unwrap() < disk["bytes"].as_u64().unwrap());
    assert_eq!((&health["planner"]["problem"], &health["broker"]["embedded"]), (&Value::Null, &json!(true)));
    let of = |what: &str| health["ends"].as_array().unwrap().iter().filter(|end| end["of"] == what).count();
    let found = ["trust_list", "dispatcher", "approver", "page", "server", "transport_authority"].map(of);
    assert_eq!(found, [1; 6], "{health}");
    // A board that is turned away is counted.
    let turned_away = health["broker"]["turned_away"].as_u64().unwrap();
    let _ = std::net::TcpStream::connect(("127.0.0.1", center.mqtt_port())).unwrap();
    let more = || local.get("/health/details").expect(200).json()["broker"]["turned_away"].as_u64().unwrap();
    wait_for("it to be counted", 20, || (more() > turned_away).then_some(()));

    add_user(&center, "xa", "admin@24133");
    let commune = Browser::signed_in(&center, 2, "xa");
    for path in ["/health/details", "/settings", "/audit/head", "/audit/check"] {
        commune.get(path).expect(403);
    }
    let settings = local.get("/settings").expect(200).json();
    assert_eq!((&settings["area"], &settings["time_zone"]), (&json!("66"), &json!("Asia/Ho_Chi_Minh")));
    assert!(settings["settings"].as_array().unwrap().iter().any(|one| one["key"] == "session.idle_min"));
}

#[test]
fn two_who_edit_an_account_at_once_are_told_apart() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    let local = local(&center);
    add_user(&center, "lan", "editor@24133");
    let lan = Browser::signed_in(&center, 2, "lan");
    let read = local.get("/users/lan").expect(200);
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    assert!(read.json()["signed_in_ms"].is_i64());
    let put = |tag: &str, body: Value| {
        let body = serde_json::to_vec(&body).unwrap();
        local.ask("PUT", "/users/lan", body, &[("content-type", "application/json"), ("if-match", tag)])
    };
    // Signing in once more is no edit.
    Browser::signed_in(&center, 3, "lan");
    let changed = put(&tag, json!({ "title": "Lan, biên tập" })).expect(200);
    let refused = put(&tag, json!({ "disabled": true })).expect(412);
    assert_eq!(refused.json()["type"], "loaxa:changed-meanwhile");
    let newer = changed.headers["etag"].to_str().unwrap();
    lan.get("/session").expect(200);
    local.send("DELETE", "/users/lan/sessions", Value::Null).expect(204);
    lan.get("/session").expect(401);
    assert_eq!(local.get("/users/lan/sessions").expect(200).json()["items"], json!([]));
    put(newer, json!({ "disabled": true })).expect(200);
    lan.sign_in("lan", crate::people::PASSWORD).expect(401);
}

#[test]
fn a_trust_list_made_from_an_older_one_is_refused() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    let local = local(&center);
    let sealed = std::fs::read_to_string(center.data().join("authority.key")).unwrap();
    let authority = serde_json::from_str::<SealedKey>(&sealed).unwrap().open(AUTHORITY_PASSPHRASE).unwrap();
    let read = local.get("/trust").expect(200);
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    let list: TrustList = serde_json::from_value(read.json()["list"].clone()).unwrap();
    let put = |list: &TrustList, tag: &str| {
        let body = serde_json::to_vec(&Envelope::sign(list, &authority).unwrap()).unwrap();
        local.ask("PUT", "/trust", body, &[("content-type", "application/json"), ("if-match", tag)])
    };
    let revoking = TrustList { version: list.version + 1, revoked: vec!["0a1b".parse().unwrap()], ..list.clone() };
    put(&revoking, &tag).expect(204);
    // Whoever had the page open since before would take that back.
    let forgetting = TrustList { version: list.version + 2, ..list };
    put(&forgetting, &tag).expect(412);
    assert_eq!(local.get("/trust").expect(200).json()["list"]["revoked"], json!(["0a1b"]));
}

#[test]
fn the_log_is_searched_and_its_chain_looked_through() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    let local = local(&center);
    add_user(&center, "lan", "editor@24133");
    add_user(&center, "lan_anh", "viewer@24133");
    let (lan, other) = (Browser::signed_in(&center, 2, "lan"), Browser::signed_in(&center, 3, "lan_anh"));
    lan.send("PUT", "/calendars/le_1", json!({ "days": ["2026-11-25"] })).expect(200);
    other.send("PUT", "/calendars/lex1", json!({ "days": ["2026-11-25"] })).expect(403);
    let found = |query: &str| -> Vec<String> {
        let page = local.get(&format!("/audit?{query}")).expect(200).json();
        let line = |line: &Value| format!("{} {}", line["who"].as_str().unwrap(), line["action"].as_str().unwrap());
        page["items"].as_array().unwrap().iter().map(line).collect()
    };
    assert_eq!(found("action=put%20/cal&about=le_1"), ["lan PUT /calendars/{id}"], "an underscore is no wildcard");
    assert_eq!(found("who=LAN_&action=calendars"), ["lan_anh PUT /calendars/{id}"]);
    assert_eq!(found("action=calendars&denied=true"), ["lan_anh PUT /calendars/{id}"]);
    assert_eq!(found("action=calendars").len(), 2);
    assert_eq!(found(&format!("from_ms={}", unix_ms() + 60_000)), [""; 0]);
    assert_eq!(found(&format!("action=calendars&until_ms={}", unix_ms() + 60_000)).len(), 2);
    // Page by page, the same.
    let all = found("who=lan");
    let mut cursor = String::new();
    let mut paged = vec![];
    loop {
        let page = local.get(&format!("/audit?who=lan&limit=1&cursor={cursor}")).expect(200).json();
        paged.extend(page["items"].as_array().unwrap().iter().map(|line| line["number"].as_u64().unwrap()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = next.to_owned();
    }
    assert_eq!(paged.len(), all.len());
    assert!(paged.is_sorted_by(|a, b| a > b));

    let head = local.get("/audit/head").expect(200).json();
    let check = local.get("/audit/check").expect(200).json();
    assert_eq!((&check["lines"], &check["faults"]), (&head["number"], &json!([])));
    center.stop();
    crate::people::sql(&center, "update audit set who = 'local' where who = 'lan' and action = 'PUT /calendars/{id}'");
    center.start();
    let local = Browser::with_token(&center, &center.token());
    let check = local.get("/audit/check").expect(200).json();
    let fault = check["faults"][0].as_str().unwrap();
    assert!(fault.contains("is not what was written there"), "{fault}");
    let head = local.get("/audit/head").expect(200).json();
    assert!(head["signed_number"].as_u64().unwrap() > 0 && head["signed_ms"].is_i64(), "signed when it stopped");
}
