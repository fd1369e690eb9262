//! Signing in as people do it: the first admin, wrong passwords, the second factor, sessions and where they end, tokens.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::harness::{Center, unix_ms, wait_for};

pub const PASSWORD: &str = "con mèo trèo cây cau";
pub const OTHER_PASSWORD: &str = "hỏi thăm chú chuột";

/// A browser that keeps cookies and says of each request that it comes from the center's own page.
pub struct Browser {
    runtime: Runtime,
    http: reqwest::Client,
    base: String,
    cookies: Mutex<BTreeMap<String, String>>,
    bearer: Option<String>,
}

pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }

    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

impl Browser {
    /// On a machine of its own: 127.0.0.x.
    pub fn at(center: &Center, machine: u8) -> Self {
        let address = std::net::IpAddr::from([127, 0, 0, machine]);
        let http = center.http_client_builder().local_address(address).user_agent("Trình duyệt").build().unwrap();
        let base = format!("{}/api/v1", center.http);
        Self { runtime: Runtime::new().unwrap(), http, base, cookies: Mutex::default(), bearer: None }
    }

    /// A machine that shows a token instead.
    pub fn with_token(center: &Center, token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), ..Self::at(center, 9) }
    }

    pub fn signed_in(center: &Center, machine: u8, name: &str) -> Self {
        let browser = Self::at(center, machine);
        browser.sign_in(name, PASSWORD).expect(204);
        browser
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(&over_tls(name)).cloned()
    }

    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert(over_tls(name), value.into());
    }

    pub fn sign_in(&self, name: &str, password: &str) -> Answer {
        self.send("POST", "/session", json!({ "name": name, "password": password }))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, vec![], &[("sec-fetch-site", "same-origin")])
    }

    pub fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        self.ask(method, path, body, &[("sec-fetch-site", "same-origin"), ("content-type", "application/json")])
    }

    pub fn ask(&self, method: &str, path: &str, body: Vec<u8>, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.bearer {
            request = request.bearer_auth(token);
        }
        let shown: Vec<String> =
            self.cookies.lock().unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !shown.is_empty() {
            request = request.header("cookie", shown.join("; "));
        }
        let answer = self.runtime.block_on(request.send()).unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        for cookie in headers.get_all("set-cookie") {
            let text = cookie.to_str().unwrap();
            for attribute in ["; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"] {
                assert!(text.contains(attribute), "{text}");
            }
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            let name = name.strip_prefix("__Host-").unwrap_or_else(|| panic!("another host could set {name}"));
            match value {
                "" => drop(self.cookies.lock().unwrap().remove(&over_tls(name))),
                _ => self.set_cookie(name, value),
            }
        }
        Answer { status, headers, text: self.runtime.block_on(answer.text()).unwrap() }
    }

    /// Begins to listen to the stream of changes.
    pub fn listen(&self) -> reqwest::Response {
        let mut request = self.http.get(format!("{}/events", self.base));
        for (name, value) in self.cookies.lock().unwrap().iter() {
            request = request.header("cookie", format!("{name}={value}"));
        }
        let request = request.timeout(std::time::Duration::from_secs(60));
        let answer = self.runtime.block_on(async { request.send().await }).unwrap();
        assert_eq!(answer.status(), 200);
        answer
    }

    /// Listens until the center ends it.
    pub fn to_the_end(&self, stream: reqwest::Response) {
        self.runtime.block_on(async { stream.bytes().await }).expect("ended by the center, not by the clock");
    }
}

/// What a cookie is called on a center with TLS.
fn over_tls(name: &str) -> String {
    format!("__Host-{name}")
}

/// Adds an account from the command line.
pub fn add_user(center: &Center, name: &str, grants: &str) {
    let file = center.dir.path().join("password");
    std::fs::write(&file, PASSWORD).unwrap();
    let file = file.to_str().unwrap();
    center.cli(["user", "add", name, "--title", &format!("Người {name}"), "--grant", grants, "--password-file", file]);
}

/// Changes rows behind the center's back.
pub fn sql(center: &Center, statement: &str) {
    use sqlx::Connection as _;
    let url = format!("sqlite://{}", center.data().join("center.db").display());
    Runtime::new().unwrap().block_on(async {
        sqlx::any::install_default_drivers();
        let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
}

fn furnished() -> Center {
    let mut center = Center::new();
    center.furnish();
    center.start();
    center
}

#[test]
fn the_first_admin_is_made_with_the_code_that_was_printed_and_no_second_one() {
    let mut center = furnished();
    let code = center.setup_code.clone().unwrap();
    let browser = Browser::at(&center, 1);
    let set_up = |code: &str, password: &str| {
        let body = json!({ "code": code, "name": "lan", "title": "Nguyễn Thị Lan", "password": password });
        browser.send("POST", "/setup", body)
    };
    assert!(set_up("guess", PASSWORD).expect(400).text.contains("set-up code"));
    assert!(set_up(&code, "ngắn").expect(400).text.contains("12 characters"), "which does not use it up");
    let made = set_up(&code, PASSWORD).expect(201);
    let cookies: Vec<&str> = made.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    assert!(cookies.iter().all(|cookie| cookie.contains("HttpOnly; SameSite=Strict") && cookie.contains("Path=/")));
    let me = browser.get("/session").expect(200).json();
    assert_eq!((&me["name"], &me["grants"]), (&json!("lan"), &json!([{ "role": "admin", "area": "66" }])));
    assert!(me["ends_ms"].as_i64().unwrap() > unix_ms() + 59 * 60_000, "{me}");
    set_up(&code, PASSWORD).expect(400);
    center.stop();
    center.start();
    assert_eq!(center.setup_code, None, "there is an admin");
    assert_eq!(center.json(["user", "list"])[0]["name"], "lan");
    assert_eq!(
        browser_on(&center, &browser).get("/session").expect(200).json()["name"],
        "lan",
        "sessions outlive a restart"
    );
}

/// The same browser after the center took another port.
fn browser_on(center: &Center, before: &Browser) -> Browser {
    let browser = Browser::at(center, 1);
    *browser.cookies.lock().unwrap() = before.cookies.lock().unwrap().clone();
    browser
}

#[test]
fn wrong_passwords_are_delayed_and_the_office_still_gets_in() {
    let center = furnished();
    add_user(&center, "lan", "editor@24133");
    let office = Browser::signed_in(&center, 2, "lan");
    let moved = Browser::at(&center, 3);
    moved.set_cookie("loaxa_browser", &office.cookie("loaxa_browser").unwrap());

    let stranger = Browser::at(&center, 7);
    let wrong = stranger.sign_in("lan", "không phải câu này").expect(401);
    let unknown = stranger.sign_in("minh", "không phải câu này").expect(401);
    assert_eq!(wrong.text, unknown.text, "an unknown name answers alike");
    // They go on until each wait is long enough to be looked at.
    let delayed = wait_for("a delay", 120, || {
        let answer = stranger.sign_in("lan", "không phải câu này");
        let seconds = answer.headers.get("retry-after")?.to_str().unwrap().parse::<u64>().unwrap();
        (answer.status == 429 && seconds >= 8).then_some(answer)
    });
    assert_eq!(delayed.headers["content-type"], "application/problem+json");
    // While it lasts the right password does not help a stranger, wherever they are.
    assert_eq!(Browser::at(&center, 8).sign_in("lan", PASSWORD).status, 429);
    Browser::at(&center, 2).sign_in("lan", PASSWORD).expect(204);
    moved.sign_in("lan", PASSWORD).expect(204);
    let body = json!({ "token": center.token() });
    stranger.send("POST", "/session", body).expect(204);
    assert_eq!(stranger.get("/session").json()["name"], "local");
    // A disabled account is one more wrong password, with the right one too.
    center.cli(["user", "disable", "lan"]);
    let disabled = Browser::at(&center, 2).sign_in("lan", PASSWORD).expect(401);
    assert_eq!(disabled.text, wrong.text);
}

fn code(secret: &str, at_ms: i64) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(at_ms as u64 / 1000).to_string()
}

#[test]
fn a_second_factor_is_asked_for_and_each_code_counts_once() {
    let center = furnished();
    add_user(&center, "lan", "editor@24133");
    let (browser, other) = (Browser::signed_in(&center, 2, "lan"), Browser::signed_in(&center, 2, "lan"));
    browser.send("POST", "/session/totp", Value::Null).expect(400);
    browser.send("POST", "/session/totp", json!({ "password": "không phải câu này" })).expect(400);
    let proposed = browser.send("POST", "/session/totp", json!({ "password": PASSWORD })).expect(200).json();
    let secret = proposed["secret"].as_str().unwrap();
    assert!(proposed["uri"].as_str().unwrap().starts_with("otpauth://totp/"), "{proposed}");
    assert_eq!(browser.get("/session").json()["totp"], false, "proposed is not yet on");
    browser.send("POST", "/session/totp/confirm", json!({ "code": "000000x" })).expect(400);
    let now_ms = unix_ms();
    let first = code(secret, now_ms);
    let confirmed = browser.send("POST", "/session/totp/confirm", json!({ "code": first })).expect(200).json();
    let recovery: Vec<&str> =
        confirmed["recovery_codes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(recovery.len(), 10);
    assert_eq!(browser.get("/session").expect(200).json()["totp"], true);
    other.get("/session").expect(401);

    let sign_in = |code: &str| {
        let body = json!({ "name": "lan", "password": PASSWORD, "code": code });
        Browser::at(&center, 2).send("POST", "/session", body)
    };
    let asked = Browser::at(&center, 2).sign_in("lan", PASSWORD).expect(401).json();
    assert_eq!(asked["type"], "loaxa:totp-required");
    let wrong = Browser::at(&center, 2).sign_in("lan", "không phải câu này").expect(401).json();
    assert_eq!(wrong["type"], "about:blank", "only the right password is told of it");
    sign_in(&first).expect(401);
    let second = code(secret, now_ms + 30_000);
    sign_in(&second).expect(204);
    sign_in(&second).expect(401);
    sign_in(&recovery[0].to_uppercase().replace('-', " ")).expect(204);
    sign_in(recovery[0]).expect(401);
    sign_in(recovery[1]).expect(204);

    browser.send("DELETE", "/session/totp", json!({ "password": "không phải câu này" })).expect(400);
    center.cli(["user", "totp-reset", "lan"]);
    browser.get("/session").expect(401);
    Browser::signed_in(&center, 2, "lan");
    // Neither the database nor the log holds what makes codes.
    let database = std::fs::read(center.data().join("center.db")).unwrap();
    let log = std::fs::read(center.data().join("center.db-wal")).unwrap_or_default();
    for hidden in [secret, recovery[2], PASSWORD] {
        let holds = |bytes: &[u8]| bytes.windows(hidden.len()).any(|window| window == hidden.as_bytes());
        assert!(!holds(&database) && !holds(&log) && !center.log().contains(hidden));
    }
}

#[test]
fn sessions_end_by_themselves_and_whenever_something_changes() {
    let center = furnished();
    add_user(&center, "lan", "editor@24133");
    add_user(&center, "sep", "admin@66");
    let browser = Browser::signed_in(&center, 2, "lan");
    let first = browser.cookie("loaxa_session").unwrap();
    browser.sign_in("lan", PASSWORD).expect(204);
    let second = browser.cookie("loaxa_session").unwrap();
    assert_ne!(first, second, "a new id at each sign-in");
    let with = |cookie: &str| {
        let browser = Browser::at(&center, 2);
        browser.set_cookie("loaxa_session", cookie);
        browser
    };
    with(&first).get("/session").expect(401);
    with(&second).get("/session").expect(200);

    sql(&center, "update sessions set seen_ms = seen_ms - 3600001");
    browser.get("/session").expect(401);
    browser.sign_in("lan", PASSWORD).expect(204);
    sql(&center, "update sessions set created_ms = created_ms - 12 * 3600000 - 1");
    browser.get("/session").expect(401);

    // A new password ends all others.
    let (here, there) = (Browser::signed_in(&center, 2, "lan"), Browser::signed_in(&center, 3, "lan"));
    let before = here.cookie("loaxa_session");
    here.send("PUT", "/session/password", json!({ "old": "sai", "new": OTHER_PASSWORD })).expect(400);
    here.send("PUT", "/session/password", json!({ "old": PASSWORD, "new": "lanlanlanlanlan" })).expect(400);
    here.send("PUT", "/session/password", json!({ "old": PASSWORD, "new": OTHER_PASSWORD })).expect(204);
    assert_ne!(here.cookie("loaxa_session"), before);
    here.get("/session").expect(200);
    there.get("/session").expect(401);
    there.sign_in("lan", PASSWORD).expect(401);
    there.sign_in("lan", OTHER_PASSWORD).expect(204);

    // The list shows both, and either can be ended.
    let list = here.get("/sessions").expect(200).json()["items"].clone();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2);
    let other = list.iter().find(|session| session["current"] == false).unwrap();
    assert_eq!((&other["address"], &other["agent"]), (&json!("127.0.0.3"), &json!("Trình duyệt")));
    here.send("DELETE", &format!("/sessions/{}", other["id"].as_str().unwrap()), Value::Null).expect(204);
    there.get("/session").expect(401);
    // So can an admin; a stranger is told that there is no such thing.
    let own = list.iter().find(|session| session["current"] == true).unwrap()["id"].as_str().unwrap().to_owned();
    add_user(&center, "nga", "editor@24133");
    Browser::signed_in(&center, 4, "nga").send("DELETE", &format!("/sessions/{own}"), Value::Null).expect(404);
    let admin = Browser::signed_in(&center, 5, "sep");
    assert_eq!(admin.get("/users/lan/sessions").expect(200).json()["items"].as_array().unwrap().len(), 1);
    admin.send("DELETE", &format!("/sessions/{own}"), Value::Null).expect(204);
    here.get("/session").expect(401);
    // New roles, and signing out.
    here.sign_in("lan", OTHER_PASSWORD).expect(204);
    center.cli(["user", "grant", "lan", "approver@24133"]);
    here.get("/session").expect(401);
    here.sign_in("lan", OTHER_PASSWORD).expect(204);
    let cookie = here.cookie("loaxa_session").unwrap();
    here.send("DELETE", "/session", Value::Null).expect(204);
    assert_eq!(here.cookie("loaxa_session"), None);
    with(&cookie).get("/session").expect(401);
    // Whoever only listens is put out too.
    here.sign_in("lan", OTHER_PASSWORD).expect(204);
    let stream = here.listen();
    center.cli(["user", "disable", "lan"]);
    here.to_the_end(stream);
    // The data directory's own session ends with its token.
    let local = Browser::at(&center, 6);
    local.send("POST", "/session", json!({ "token": center.token() })).expect(204);
    local.get("/session").expect(200);
    sql(&center, "update sessions set proof = 'of another token' where account = 'local'");
    local.get("/session").expect(401);
}

#[test]
fn a_sign_in_that_began_before_the_account_was_changed_ends_with_it() {
    let center = furnished();
    add_user(&center, "lan", "editor@24133");
    let browser = Browser::signed_in(&center, 2, "lan");
    // As if somebody were quicker, after the old password was found to be right and before there is a session.
    for change in ["password = 'another'", "totp = 'sealed'", "disabled = 1"] {
        let meanwhile = "create trigger meanwhile after insert on sessions begin update accounts set";
        sql(&center, "create table before as select * from accounts");
        sql(&center, &format!("{meanwhile} {change} where name = 'lan'; end"));
        let late = Browser::at(&center, 2).sign_in("lan", PASSWORD).expect(401);
        assert!(late.headers.get("set-cookie").is_none(), "{change}");
        sql(&center, "drop trigger meanwhile");
        let back = "password, totp, disabled";
        sql(&center, &format!("update accounts set ({back}) = (select {back} from before where name = accounts.name)"));
        sql(&center, "drop table before");
        let open = browser.get("/sessions").expect(200).json()["items"].clone();
        assert_eq!(open.as_array().unwrap().len(), 1, "{change}: {open}");
    }
    browser.sign_in("lan", PASSWORD).expect(204);
}

#[test]
fn a_password_that_an_admin_sets_ends_what_the_account_began() {
    let center = furnished();
    add_user(&center, "sep", "admin@66");
    add_user(&center, "lan", "editor@24133");
    let (admin, lan) = (Browser::signed_in(&center, 2, "sep"), Browser::signed_in(&center, 3, "lan"));
    let body =
        json!({ "name": "x", "grants": [{ "role": "viewer", "area": "24133" }], "ends_ms": unix_ms() + 86_400_000 });
    let token = |browser: &Browser| {
        let made = browser.send("POST", "/tokens", body.clone()).expect(201).json();
        Browser::with_token(&center, made["token"].as_str().unwrap())
    };
    let (of_lan, of_admin) = (token(&lan), token(&admin));
    // One's own new password leaves one's tokens.
    lan.send("PUT", "/session/password", json!({ "old": PASSWORD, "new": OTHER_PASSWORD })).expect(204);
    of_lan.get("/speakers").expect(200);
    admin.send("PUT", "/users/lan/password", json!({ "password": PASSWORD })).expect(204);
    lan.get("/session").expect(401);
    of_lan.get("/speakers").expect(401);
    of_admin.get("/speakers").expect(200);
    let log = Browser::with_token(&center, &center.token()).get("/audit/export").expect(200).text;
    assert!(log.contains("1 tokens were revoked"), "{log}");
}

#[test]
fn another_sites_page_cannot_act_with_the_cookie() {
    let center = furnished();
    add_user(&center, "sep", "admin@66");
    let browser = Browser::signed_in(&center, 2, "sep");
    let own_origin = center.http.clone();
    let body = |code: &str| json!({ "code": code, "title": "Xã" }).to_string().into_bytes();
    let post = |code: &str, headers: &[(&str, &str)]| {
        let all = [&[("content-type", "application/json")], headers].concat();
        browser.ask("POST", "/areas", body(code), &all).status
    };
    let refused: [&[(&str, &str)]; 6] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", &own_origin)],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
    ];
    for headers in refused {
        assert_eq!(post("a1", headers), 401, "{headers:?}");
    }
    assert!(center.json(["area", "list"]).as_array().unwrap().iter().all(|area| area["code"] != "a1"));
    assert_eq!(post("a1", &[("origin", &own_origin)]), 201);
    assert_eq!(post("a2", &[("sec-fetch-site", "same-origin")]), 201);
    // Nor can it sign somebody in, or out.
    let sign_in = json!({ "name": "sep", "password": PASSWORD }).to_string().into_bytes();
    let cross = [("content-type", "application/json"), ("sec-fetch-site", "cross-site")];
    assert_eq!(Browser::at(&center, 2).ask("POST", "/session", sign_in, &cross).status, 401);
    assert_eq!(browser.ask("DELETE", "/session", vec![], &cross).status, 401);
    browser.get("/session").expect(200);
}

#[test]
fn a_token_does_what_it_was_made_for_until_its_end() {
    let center = furnished();
    add_user(&center, "lan", "editor@24133");
    let maker = Browser::signed_in(&center, 2, "lan");
    let day_ms = 86_400_000;
    let make = |grant: Value, ends_ms: i64| {
        maker.send("POST", "/tokens", json!({ "name": "máy chấm", "grants": [grant], "ends_ms": ends_ms }))
    };
    let viewer = json!({ "role": "viewer", "area": "24133" });
    let soon = unix_ms() + day_ms;
    for beyond in [json!({ "role": "editor", "area": "66" }), json!({ "role": "admin", "area": "24133" })] {
        make(beyond, soon).expect(403);
    }
    make(viewer.clone(), unix_ms() + 401 * day_ms).expect(400);
    make(viewer.clone(), unix_ms() - 1).expect(400);
    let made = make(viewer.clone(), soon).expect(201).json();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    assert!(token.starts_with("loaxa_") && token.len() > 40, "{token}");
    let machine = Browser::with_token(&center, token);
    assert_eq!(machine.get("/session").expect(200).json()["grants"], json!([viewer]));
    machine.get("/speakers").expect(200);
    machine.send("PUT", "/programmes/p", json!({ "title": "p", "items": [] })).expect(403);
    machine.send("POST", "/tokens", json!({ "name": "x", "grants": [viewer], "ends_ms": soon })).expect(403);
    machine.send("PUT", "/session/password", json!({ "old": PASSWORD, "new": OTHER_PASSWORD })).expect(403);
    let listed = maker.get("/tokens").expect(200);
    assert!(!listed.text.contains(token), "shown once");
    assert!(listed.json()["items"][0]["used_ms"].is_i64());

    // It shrinks with its maker.
    let editor = make(json!({ "role": "editor", "area": "24133" }), soon).expect(201).json();
    let writer = Browser::with_token(&center, editor["token"].as_str().unwrap());
    writer.send("PUT", "/calendars/c", json!({ "days": ["2026-11-25"] })).expect(200);
    center.cli(["user", "grant", "lan", "viewer@24133"]);
    center.cli(["user", "revoke", "lan", "editor@24133"]);
    writer.send("PUT", "/calendars/c", json!({ "days": ["2026-11-26"] })).expect(403);
    machine.get("/speakers").expect(200);
    center.cli(["user", "disable", "lan"]);
    machine.get("/speakers").expect(401);
    center.cli(["user", "enable", "lan"]);
    machine.get("/speakers").expect(200);

    sql(&center, &format!("update tokens set ends_ms = 1 where id = '{id}'"));
    machine.get("/speakers").expect(401);
    // From the command line, on this machine and on another one.
    let made = center.json(["tokens", "add", "sao lưu", "--grant", "admin@66", "--days", "7"]);
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let remote = |arguments: &[&str]| {
        let mut command = std::process::Command::new(crate::harness::binary("loaxa"));
        command.args(arguments).args(["--center", &center.http, "--token", token, "--json"]).env_remove("LOAXA_DATA");
        command.env("LOAXA_CA", center.data().join("tls/ca.pem"));
        command.output().unwrap()
    };
    let areas: Value = serde_json::from_slice(&remote(&["area", "list"]).stdout).unwrap();
    assert_eq!(areas[0]["code"], "24133");
    center.cli(["tokens", "revoke", id]);
    let refused = remote(&["area", "list"]);
    assert_eq!(refused.status.code(), Some(1));
    let list = center.json(["tokens", "list"]);
    let revoked = list.as_array().unwrap().iter().find(|row| row["id"] == *id).unwrap();
    assert!(revoked["revoked_ms"].is_i64(), "{list}");
}

#[test]
fn a_token_manages_nobody_whoever_made_it() {
    let center = furnished();
    add_user(&center, "sep", "admin@66");
    add_user(&center, "lan", "editor@24133");
    let maker = Browser::signed_in(&center, 2, "sep");
    let admin = json!([{ "role": "admin", "area": "66" }]);
    let body = json!({ "name": "máy", "grants": admin, "ends_ms": unix_ms() + 86_400_000 });
    let made = maker.send("POST", "/tokens", body).expect(201).json();
    let of_local = center.json(["tokens", "add", "máy", "--grant", "admin@66"]);
    for token in [&made["token"], &of_local["token"]] {
        let machine = Browser::with_token(&center, token.as_str().unwrap());
        machine.get("/audit").expect(200);
        let heir = json!({ "name": "thua.ke", "title": "x", "password": PASSWORD, "grants": admin });
        assert!(machine.send("POST", "/users", heir).expect(403).text.contains("a token cannot manage people"));
        machine.get("/users").expect(403);
        for name in ["sep", "lan"] {
            machine.send("PUT", &format!("/users/{name}"), json!({ "title": "x" })).expect(403);
            machine.send("PUT", &format!("/users/{name}/password"), json!({ "password": OTHER_PASSWORD })).expect(403);
            machine.send("DELETE", &format!("/users/{name}/totp"), Value::Null).expect(403);
            machine.get(&format!("/users/{name}/sessions")).expect(403);
        }
        let open = maker.get("/sessions").expect(200).json()["items"][0]["id"].as_str().unwrap().to_owned();
        machine.send("DELETE", &format!("/sessions/{open}"), Value::Null).expect(404);
        assert_eq!(machine.get("/tokens").expect(200).json()["items"], json!([]));
        machine.send("DELETE", &format!("/tokens/{}", made["id"].as_str().unwrap()), Value::Null).expect(404);
    }
    maker.get("/session").expect(200);
}

#[test]
fn people_are_managed_from_the_command_line_without_a_server_too() {
    let center = Center::new();
    add_user(&center, "lan", "admin@66");
    assert!(
        center.cli_fails(["user", "add", "xuan", "--title", "X", "--grant", "viewer@66"]).contains("Password for xuan")
    );
    let mut command = center.command();
    command
        .args(["user", "add", "minh", "--title", "Minh", "--grant", "viewer@66"])
        .env("LOAXA_PASSWORD", "matkhau12345");
    let refused = command.output().unwrap();
    assert!(String::from_utf8(refused.stderr).unwrap().contains("first that anybody would try"));
    assert!(center.cli_fails(["user", "grant", "lan", "editor@99999"]).contains("99999"));
    assert!(center.cli_fails(["user", "revoke", "lan", "admin@66"]).contains("disable"));
    assert!(center.cli_fails(["user", "revoke", "lan", "viewer@66"]).contains("admin@66"));
    assert!(center.cli_fails(["user", "disable", "nobody"]).contains("nobody"));
    center.cli(["user", "grant", "lan", "editor@66"]);
    let mut command = center.command();
    command.args(["user", "password", "lan"]).env("LOAXA_PASSWORD", OTHER_PASSWORD);
    assert!(command.output().unwrap().status.success());
    let user = &center.json(["user", "list"])[0];
    assert_eq!((&user["name"], user["grants"].as_array().unwrap().len()), (&json!("lan"), 2));
}
