//! The audit log: what gets a line, what never stands in it, and that whatever is done to it is found.

use loaxa::protocol::audit::{Entry, Head, Line, Seal};
use loaxa::protocol::envelope::Envelope;
use serde_json::{Value, json};

use crate::harness::Center;
use crate::people::{Browser, OTHER_PASSWORD, PASSWORD, add_user, sql};

#[test]
fn lines_and_signed_heads_are_as_agreed() {
    let entry = Entry {
        at_ms: 1_795_000_000_000,
        who: "token:0a1b2c3d4e5f of lan".into(),
        source: "192.0.2.7".into(),
        action: "PUT /schedules/{id}".into(),
        target: "buoi-sang".into(),
        status: 200,
        times: 1,
        detail: "schedule buoi-sang; giờ mới".into(),
    };
    let line = Head { number: 6, hash: "ab".repeat(32) }.line(entry);
    crate::golden::check("audit-line.json", &line);
    let seal = Seal { site: "mau".parse().unwrap(), number: 7, hash: line.hash, made_ms: 1_795_000_000_500 };
    crate::golden::check("audit-head.json", &seal);
    let signed = Envelope::sign(&seal, &crate::golden::World::new().dispatcher).unwrap();
    crate::golden::check("signed-audit-head.json", &signed);
}

fn lines(center: &Center) -> Vec<Value> {
    let local = Browser::with_token(center, &center.token());
    let text = local.get("/audit/export").expect(200).text;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn find<'a>(lines: &'a [Value], action: &str, status: u16) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["action"] == action && line["status"] == status).collect()
}

#[test]
fn what_changes_and_what_is_denied_gets_a_line_and_no_secret_does() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    add_user(&center, "lan", "editor@24133");
    let browser = Browser::signed_in(&center, 2, "lan");
    Browser::at(&center, 3).sign_in("lan", "mật khẩu đoán mò").expect(401);
    Browser::at(&center, 3).sign_in("mật khẩu nhầm ô", "x").expect(401);
    Browser::at(&center, 3).get("/speakers").expect(401);
    Browser::with_token(&center, "loaxa_đoán").get("/speakers").expect(401);
    browser.send("PUT", "/calendars/le", json!({ "days": ["2026-11-25"] })).expect(200);
    browser.send("PUT", "/calendars/le?dry_run=true", json!({ "days": ["2026-11-26"] })).expect(200);
    browser.send("POST", "/areas", json!({ "code": "a1", "title": "Thôn" })).expect(403);
    browser.get("/users").expect(403);
    browser.send("PUT", "/session/password", json!({ "old": PASSWORD, "new": OTHER_PASSWORD })).expect(204);
    let made = browser.send(
        "POST",
        "/tokens",
        json!({ "name": "máy", "grants": [{ "role": "viewer", "area": "24133" }], "ends_ms": crate::harness::unix_ms() + 86_400_000 }),
    );
    let token = made.expect(201).json()["token"].as_str().unwrap().to_owned();
    Browser::with_token(&center, &token).send("DELETE", "/calendars/le", Value::Null).expect(403);

    let lines = lines(&center);
    let one = |action: &str, status: u16| {
        let found = find(&lines, action, status);
        assert_eq!(found.len(), 1, "{action} {status}: {lines:#?}");
        found[0]
    };
    let signed_in = one("POST /session", 204);
    assert_eq!((&signed_in["who"], &signed_in["source"]), (&json!("lan"), &json!("127.0.0.2")));
    let wrong = find(&lines, "POST /session", 401);
    let who: Vec<_> = wrong.iter().map(|line| line["who"].as_str().unwrap()).collect();
    assert_eq!(who, ["lan", "-"], "a name that is none may be a password");
    assert_eq!(find(&lines, "GET /speakers", 401).len(), 1, "who shows nothing has only not signed in yet");
    let calendar = one("PUT /calendars/{id}", 200);
    assert_eq!((&calendar["target"], &calendar["detail"]), (&json!("le"), &json!("calendar le")));
    assert_eq!(one("POST /areas", 403)["who"], "lan");
    one("GET /users", 403);
    one("PUT /session/password", 204);
    let denied = one("DELETE /calendars/{id}", 403)["who"].as_str().unwrap().to_owned();
    assert!(denied.starts_with("token:") && denied.ends_with(" of lan"), "{denied}");
    let added = find(&lines, "POST /users", 201);
    assert_eq!((&added[0]["who"], &added[0]["detail"]), (&json!("local"), &json!("lan: editor@24133")));
    // Before the server ran, the command line wrote down its own deeds.
    assert_eq!(find(&lines, "POST /certificates", 201)[0]["source"], "here");

    let all = serde_json::to_string(&lines).unwrap() + &center.log();
    let session = browser.cookie("loaxa_session").unwrap();
    for secret in [
        PASSWORD,
        OTHER_PASSWORD,
        "mật khẩu đoán mò",
        "mật khẩu nhầm ô",
        &token,
        "loaxa_đoán",
        &session,
        &center.token(),
    ] {
        assert!(!all.contains(secret), "{secret}");
    }
    let page = Browser::with_token(&center, &center.token()).get("/audit?limit=2").expect(200).json();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    assert_eq!(page["next_cursor"], page["items"][1]["number"].to_string());
}

#[test]
fn a_flood_of_denied_requests_is_a_few_lines() {
    let mut center = Center::new();
    center.start();
    let before = lines(&center).len();
    let flood = Browser::with_token(&center, "loaxa_nobody");
    for _ in 0..300 {
        flood.get("/speakers").expect(401);
    }
    assert!(lines(&center).len() - before <= 20, "{}", lines(&center).len());
    center.stop();
    center.start();
    let times: u64 =
        find(&lines(&center), "GET /speakers", 401).iter().map(|line| line["times"].as_u64().unwrap()).sum();
    assert_eq!(times, 300, "and none is lost");
}

#[test]
fn signing_out_gets_a_line_once_and_from_nobody_none() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    add_user(&center, "lan", "editor@24133");
    let browser = Browser::signed_in(&center, 2, "lan");
    let (name, cookie) = ("loaxa_session", browser.cookie("loaxa_session").unwrap());
    for _ in 0..3 {
        Browser::at(&center, 3).send("DELETE", "/session", Value::Null).expect(204);
        browser.set_cookie(name, "of nobody");
        browser.send("DELETE", "/session", Value::Null).expect(204);
    }
    for _ in 0..3 {
        browser.set_cookie(name, &cookie);
        browser.send("DELETE", "/session", Value::Null).expect(204);
    }
    let lines = lines(&center);
    let ended: Vec<_> = find(&lines, "DELETE /session", 204).iter().map(|line| line["who"].clone()).collect();
    assert_eq!(ended, [json!("lan")]);
}

/// A stopped center with some lines, the last of them signed.
fn with_a_log() -> Center {
    let mut center = Center::new();
    center.start();
    for code in 0..6 {
        center.cli(["area", "add", &format!("a{code}"), "--title", "Thôn"]);
    }
    assert_eq!(center.stop(), Some(0));
    center
}

#[test]
fn whatever_is_done_to_the_log_is_found_and_named() {
    let center = with_a_log();
    let found = center.json(["verify"]);
    assert!(found["lines"].as_u64().unwrap() >= 7 && found["signed_heads"].as_u64().unwrap() >= 1, "{found}");
    let export = center.dir.path().join("nhat-ky.jsonl");
    let export = export.to_str().unwrap();
    center.cli(["verify", "--export", export]);
    let database = center.data().join("center.db");
    let good = std::fs::read(&database).unwrap();
    let last = found["lines"].as_u64().unwrap();
    let cases = [
        ("update audit set who = 'local2' where number = 3", "line 3 is not what was written there".to_owned()),
        ("update audit set status = status + 65536 where number = 3", "line 3 is not what was written there".into()),
        ("delete from audit where number = 4", "line 4 is missing".into()),
        (
            "delete from audit where number = 4; update audit set number = number - 1 where number > 4",
            "line 4 is not what".into(),
        ),
        (
            "update audit set number = 1000 where number = 2; update audit set number = 2 where number = 3; update audit set number = 3 where number = 1000",
            "line 2 is not what was written there".into(),
        ),
        (
            "update audit set number = -number where number > 2; update audit set number = 1 - number where number < 0; \
             insert into audit select 3, at_ms, who, source, action, target, status, times, detail, hash from audit where number = 2",
            "line 3 is not what was written there".into(),
        ),
        (&format!("delete from audit where number = {last}"), format!("line {last} is missing")),
        (
            // With the head set back as well only what was signed gives it away.
            &format!(
                "delete from audit where number = {last}; update audit_head set number = number - 1, \
                 hash = (select hash from audit where number = {})",
                last - 1
            ),
            format!("line {last} is missing"),
        ),
        ("update audit_head set number = number - 1", format!("lines {last} and later were added")),
        ("update audit_seals set envelope = replace(envelope, 'payloadType', 'payloadTypo')", "payloadTyp".into()),
    ];
    for (statement, words) in cases {
        sql(&center, statement);
        let error = center.cli_fails(["verify"]);
        assert!(error.contains(&words), "{statement}: {error}");
        let _ = std::fs::remove_file(center.data().join("center.db-wal"));
        let _ = std::fs::remove_file(center.data().join("center.db-shm"));
        std::fs::write(&database, &good).unwrap();
    }
    center.cli(["verify", "--against", export]);
}

#[test]
fn who_owns_the_server_is_found_by_what_was_taken_away() {
    let center = with_a_log();
    let dir = center.dir.path();
    let (export, paper) = (dir.join("nhat-ky.jsonl"), dir.join("giay.txt"));
    center.cli(["verify", "--export", export.to_str().unwrap()]);
    let head = center.json(["verify"])["head"].as_str().unwrap().to_owned();
    std::fs::write(&paper, format!("{head}\n")).unwrap();
    // Everything written anew, as only who holds the dispatcher's key could also sign it.
    let mut chain = Head::default();
    let mut statements = "delete from audit_seals;".to_owned();
    for text in std::fs::read_to_string(&export).unwrap().lines() {
        let mut line: Line = serde_json::from_str(text).unwrap();
        line.entry.detail = line.entry.detail.replace("a3", "a9");
        let line = chain.line(line.entry);
        chain.advance(&line).unwrap();
        let (detail, hash, number) = (&line.entry.detail, &line.hash, line.number);
        statements += &format!("update audit set detail = '{detail}', hash = '{hash}' where number = {number};");
    }
    statements += &format!("update audit_head set hash = '{}'", chain.hash);
    sql(&center, &statements);
    center.cli(["verify"]);
    let error = center.cli_fails(["verify", "--against", export.to_str().unwrap()]);
    assert!(error.contains("is not the one that was exported"), "{error}");
    assert!(
        center.cli_fails(["verify", "--against", paper.to_str().unwrap()]).contains("is not the one that was exported")
    );
    std::fs::write(&paper, "not a head").unwrap();
    assert!(center.cli_fails(["verify", "--against", paper.to_str().unwrap()]).contains("as it was printed"));
}

#[test]
fn verify_works_beside_a_running_server_and_looks_at_media_and_approvals() {
    let mut center = Center::new();
    center.furnish();
    center.start();
    center.approved("nuoc", "cat-nuoc.opus");
    let found = center.json(["verify"]);
    assert_eq!((&found["media"], &found["approvals"]), (&json!(1), &json!(1)), "{found}");
    let media = std::fs::read_dir(center.data().join("media")).unwrap().next().unwrap().unwrap().path();
    let good = std::fs::read(&media).unwrap();
    std::fs::write(&media, &good[1..]).unwrap();
    assert!(center.cli_fails(["verify"]).contains("bulletin nuoc revision 1"));
    std::fs::write(&media, &good).unwrap();
    center.cli(["verify"]);
    sql(&center, "update approvals set envelope = replace(envelope, '\"sig\":\"', '\"sig\":\"A')");
    assert!(center.cli_fails(["verify"]).contains("no certified approver"));
}

#[test]
fn whoever_hangs_up_in_the_middle_leaves_no_deed_without_its_line() {
    use std::io::Write as _;
    let mut center = Center::plain();
    center.start();
    let (host, token) = (center.http.trim_start_matches("http://").to_owned(), center.token());
    let body = json!({ "days": ["2026-11-25"] }).to_string();
    for number in 0..60u64 {
        let mut connection = std::net::TcpStream::connect(&host).unwrap();
        let head = format!(
            "PUT /api/v1/calendars/c{number} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
        // From at once to about as long as it takes; not waited for anything, so no event could stand in for it.
        std::thread::sleep(std::time::Duration::from_micros(number * 200));
    }
    // Answered after all the others: one connection to the database serves in order.
    let local = Browser::with_token(&center, &token);
    let made = crate::harness::wait_for("the last of them", 20, || {
        let made = local.get("/calendars").expect(200).json().as_array().unwrap().len();
        let told = find(&lines(&center), "PUT /calendars/{id}", 200).len();
        (made > 0 && made == told).then_some(made)
    });
    local.send("PUT", "/calendars/last", json!({ "days": ["2026-11-25"] })).expect(200);
    let told = find(&lines(&center), "PUT /calendars/{id}", 200).len();
    assert_eq!(local.get("/calendars").expect(200).json().as_array().unwrap().len(), told, "{made} before");
}
