//! Enrolment by one-time code: what works, and everything that does not: codes used twice, expired or guessed, centers that lie, answers
//! that were changed or lost.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;

use loaxa::center::datadir::DataDir;
use loaxa::center::store::{EnrolmentRow, Store};
use loaxa::center::tls::TransportAuthority;
use loaxa::controller::enroll::new_key;
use loaxa::domain::approval::PublicKey;
use loaxa::protocol::enrolment::{Answer, Code, MacKey, Pinned, Request, SealedAnswer};
use serde_json::{Value, json};

use crate::harness::{Center, Pole, Sound, unix_ms, wait_for};
use crate::people::sql;

const DAC: Sound = Sound::Dac { ppm: 0.0 };

fn running() -> Center {
    let mut center = Center::new();
    center.start();
    center.furnish();
    center
}

/// Adds a speaker and gives its code.
fn code_for(center: &Center, id: &str) -> String {
    let added = center.json(["speaker", "add", id, "--title", id, "--area", "24133"]);
    added["enrolment"]["code"].as_str().unwrap().to_owned()
}

fn refused(pole: &Pole, url: &str, code: &str) -> String {
    let output = pole.enroll(url, code, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!pole.identity().join("identity.json").exists(), "something was taken");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told.trim_end().lines().count(), 1, "{told}");
    told
}

/// Posts to a center as a board would.
fn post(center: &Center, request: &Value) -> (u16, Value) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let url = format!("{}/api/v1/enrolment", center.http);
        let answer = center.http_client().post(url).json(request).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    })
}

#[test]
fn a_code_makes_a_board_a_speaker_once() {
    let center = running();
    let code = code_for(&center, "a");
    let board = Pole::unboxed(&center, "a", DAC);
    // As it is typed on a ladder.
    let typed = code.to_lowercase().replace('-', " ").replace('0', "o");
    let output = board.enroll(&center.http, &typed, &["--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let learnt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(learnt["speaker"], "a");
    assert_eq!(learnt["mqtt"].as_str().unwrap(), center.mqtt);
    let made = center.json(["speaker", "enrol", "a"]);
    assert_eq!(made["authority_fingerprint"], learnt["fingerprint"], "the office's paper and the board agree");
    assert!(made["qr"].as_str().unwrap().contains("<svg"));
    assert!(made["link"].as_str().unwrap().starts_with("loaxa:enrol?center=https%3A%2F%2F"));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(board.identity().join("client.pem")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    assert!(center.speaker("a")["certificate_until_ms"].as_i64().unwrap() > unix_ms() + 360 * 86_400_000);

    let thief = Pole::unboxed(&center, "a", DAC);
    assert!(refused(&thief, &center.http, &code).contains("used already"));
    // A newer code takes the older one's place.
    let newer = center.json(["speaker", "enrol", "a"])["code"].as_str().unwrap().to_owned();
    assert!(refused(&thief, &center.http, made["code"].as_str().unwrap()).contains("not good"));
    center.cli(["speaker", "disable", "a"]);
    assert!(refused(&thief, &center.http, &newer).contains("disabled"));
    center.cli(["speaker", "enable", "a"]);
    thief.enrol_with(&center.http, &newer);
    // The center keeps nothing that would let its reader enrol a board later, nor does its log.
    assert!(!center.log().contains(&newer[..9]));
    for text in [&code, &newer] {
        let database = std::fs::read(center.data().join("center.db")).unwrap();
        assert!(!database.windows(9).any(|window| window == &text.as_bytes()[..9]));
    }
}

#[test]
fn a_lost_answer_is_given_again_and_strangers_learn_nothing() {
    let center = running();
    let code: Code = code_for(&center, "a").parse().unwrap();
    let (_, csr) = new_key().unwrap();
    let request = json!(Request::new(&code, [7; 16], &csr));
    let (status, first) = post(&center, &request);
    assert_eq!(status, 200, "{first}");
    assert_eq!(post(&center, &request), (200, first), "the same request, the same answer");
    let (_, other) = new_key().unwrap();
    let (status, told) = post(&center, &json!(Request::new(&code, [8; 16], &other)));
    assert!(status == 403 && told["detail"].as_str().unwrap().contains("used already"), "{told}");

    // An expired one, to whoever has it.
    let data = DataDir::open(&center.data()).unwrap();
    let site = data.site().unwrap();
    let authority = TransportAuthority::open(&center.data(), &site.site).unwrap();
    let expired = Code::new([3; 10], &site.site, &site.authority, authority.der());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open_sqlite(&center.data()).await.unwrap();
        let row = EnrolmentRow {
            lookup: expired.lookup(),
            speaker: "a".parse().unwrap(),
            mac_key: expired.mac_key().to_text(),
            until_ms: unix_ms() - 1,
            used: None,
        };
        store.add_enrolment(&row, unix_ms() - 1000).await.unwrap();
        store.close().await;
    });
    let board = Pole::unboxed(&center, "a", DAC);
    assert!(refused(&board, &center.http, &expired.to_string()).contains("expired"));
    // Whoever knows only where a code lies hears the same for a used, an expired and an unknown one.
    let guess = |lookup: String| {
        let mut forged = json!(Request::new(&code, [9; 16], &csr));
        (forged["lookup"], forged["mac"]) = (lookup.into(), "00".repeat(32).into());
        post(&center, &forged)
    };
    let unknown = guess("ab".repeat(16));
    assert_eq!(unknown.0, 403);
    assert_eq!(guess(code.lookup()), unknown);
    assert_eq!(guess(expired.lookup()), unknown);
    let tries = (0..40).map(|_| guess("cd".repeat(16)).0).collect::<Vec<_>>();
    assert!(tries.contains(&429) && !tries.contains(&200), "{tries:?}");
    assert!(center.log().matches("at enrolment").count() < 10, "{}", center.log());
    // A board with a code gets in from there all the same.
    let another: Code = code_for(&center, "b").parse().unwrap();
    assert_eq!(post(&center, &json!(Request::new(&another, [1; 16], &new_key().unwrap().1))).0, 200);
    // Each has its line: the speaker and its certificate, once; of a code that is known, whose it was.
    let export = center.dir.path().join("log.jsonl");
    center.cli(["verify", "--export", export.to_str().unwrap()]);
    let log = std::fs::read_to_string(export).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let at_enrolment: Vec<_> = lines.filter(|line| line["action"] == "POST /enrolment").collect();
    let enrolled: Vec<_> = at_enrolment.iter().filter(|line| line["status"] == 200).collect();
    let who: Vec<_> = enrolled.iter().map(|line| line["who"].as_str().unwrap()).collect();
    assert_eq!(who, ["speaker:a", "speaker:b"]);
    assert!(enrolled[0]["detail"].as_str().unwrap().starts_with("a is enrolled; its certificate is "), "{log}");
    assert_eq!(at_enrolment.iter().filter(|line| line["detail"] == "a code of a").count(), 2, "used, expired: {log}");
}

#[test]
fn a_board_that_crashed_before_the_answer_asks_with_the_same_key() {
    let center = running();
    let code = code_for(&center, "a");
    let board = Pole::unboxed(&center, "a", DAC);
    // Nobody there: the attempt is remembered.
    let nowhere =
        format!("https://127.0.0.1:{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    assert!(refused(&board, &nowhere, &code).contains("does not answer"));
    let pending: Value =
        serde_json::from_slice(&std::fs::read(board.identity().join("pending.json")).unwrap()).unwrap();
    // The center takes it, and the answer is lost.
    assert_eq!(post(&center, &pending["request"]).0, 200);
    board.enrol_with(&center.http, &code);
    assert!(!board.identity().join("pending.json").exists());
}

#[test]
fn a_repeated_answer_makes_good_what_the_first_one_did_not_come_to() {
    let center = running();
    let code = code_for(&center, "a");
    let mut board = Pole::unboxed(&center, "a", DAC);
    let nowhere =
        format!("https://127.0.0.1:{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    refused(&board, &nowhere, &code);
    let pending: Value =
        serde_json::from_slice(&std::fs::read(board.identity().join("pending.json")).unwrap()).unwrap();
    board.enrol_with(&center.http, &code);
    board.start();
    center.wait_ready("a");
    let cut_off = || board.log().contains("no connection to the broker");
    // Whoever overheard the request puts nobody out with it.
    assert_eq!(post(&center, &pending["request"]).0, 200);
    assert!(center.speaker("a")["link"]["state"] == "online" && !cut_off());
    // Another certificate is in force, and the center was stopped short of acting on it.
    sql(&center, "update speaker_certificates set fingerprint = 'of another'");
    assert_eq!(post(&center, &pending["request"]).0, 200);
    wait_for("the end of the connection", 20, || cut_off().then_some(()));
    wait_for("a refusal at the door", 40, || center.log().contains("not in force").then_some(()));
}

/// Answers one request with what `make` says, as a center without TLS would.
fn false_center(make: impl FnOnce(Request) -> Value + Send + 'static) -> (String, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (done, answered) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut bytes, mut buffer) = (vec![], [0; 8192]);
        let request = loop {
            let read = stream.read(&mut buffer).unwrap();
            bytes.extend_from_slice(&buffer[..read]);
            let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            if let Ok(request) = serde_json::from_slice::<Request>(&bytes[head + 4..]) {
                break request;
            }
        };
        let body = make(request).to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        done.send(()).unwrap();
    });
    (url, answered)
}

/// What a center that knows the code and holds these keys would answer.
struct Answerer {
    code: Code,
    issuer: TransportAuthority,
    authority: PublicKey,
}

impl Answerer {
    fn answer(&self, csr: &[u8]) -> Answer {
        let valid_until_ms = unix_ms() + 86_400_000;
        let speaker = "a".parse().unwrap();
        Answer {
            ca: self.issuer.pem().to_owned(),
            certificate: self.issuer.issue(csr, &speaker, valid_until_ms).unwrap().pem,
            pinned: Pinned {
                trust: 5,
                site: "mau".parse().unwrap(),
                speaker,
                areas: vec!["66".parse().unwrap()],
                authority: self.authority,
                hours: Default::default(),
            },
            made_ms: unix_ms(),
            valid_until_ms,
            mqtt: "mqtts://:8883".into(),
            http: String::new(),
        }
    }

    fn sealed(&self, request: &Request) -> SealedAnswer {
        self.sealed_for(request, &request.csr_der().unwrap())
    }

    fn sealed_for(&self, request: &Request, csr: &[u8]) -> SealedAnswer {
        SealedAnswer::new(&self.code.mac_key(), &request.nonce, &self.answer(csr))
    }
}

#[test]
fn a_center_that_lies_is_found_out_and_nothing_is_taken() {
    /// How a false center answers.
    type Lie = fn(&Answerer, &Request) -> SealedAnswer;
    let dir = tempfile::tempdir().unwrap();
    let (true_ca, false_ca) = (dir.path().join("a"), dir.path().join("b"));
    let (right, wrong) = (PublicKey([1; 32]), PublicKey([2; 32]));
    let site = "mau".parse().unwrap();
    let open = |path: &std::path::Path| TransportAuthority::open(path, &site).unwrap();
    let code = Code::new([7; 10], &site, &right, open(&true_ca).der());
    let honest: Lie = |center, request| center.sealed(request);
    let cases: [(&str, PublicKey, &std::path::Path, Lie, &str); 5] = [
        ("another authority over what sounds", wrong, &true_ca, honest, "not the one that made this code"),
        ("another authority of the transport", right, &false_ca, honest, "not the one that made this code"),
        (
            "an answer that was changed on the way",
            right,
            &true_ca,
            |center, request| {
                let sealed = center.sealed(request);
                SealedAnswer { payload: sealed.payload.chars().rev().collect(), ..sealed }
            },
            "does not come from the center",
        ),
        (
            "one who does not have the code",
            right,
            &true_ca,
            |center, request| {
                let answer = center.answer(&request.csr_der().unwrap());
                SealedAnswer::new(&MacKey::of_nobody(), &request.nonce, &answer)
            },
            "does not come from the center",
        ),
        (
            "a certificate for another key",
            right,
            &true_ca,
            |center, request| center.sealed_for(request, &new_key().unwrap().1),
            "do not belong together",
        ),
    ];
    let center = Center::new();
    for (what, authority, ca, lie, words) in cases {
        let false_one = Answerer { code: code.clone(), issuer: open(ca), authority };
        let (url, answered) = false_center(move |request| json!(lie(&false_one, &request)));
        let board = Pole::unboxed(&center, "a", DAC);
        let told = refused(&board, &url, &code.to_string());
        assert!(told.contains(words) && told.contains("nothing was taken"), "{what}: {told}");
        answered.recv().unwrap();
    }
    // The same, telling the truth.
    let true_one = Answerer { code: code.clone(), issuer: open(&true_ca), authority: right };
    let (url, _answered) = false_center(move |request| json!(true_one.sealed(&request)));
    let board = Pole::unboxed(&center, "a", DAC);
    board.enrol_with(&url, &code.to_string());
    let kept: Value = serde_json::from_slice(&std::fs::read(board.identity().join("identity.json")).unwrap()).unwrap();
    assert_eq!(kept["mqtt"], "mqtts://127.0.0.1:8883", "the host at which it found the center");
}

#[test]
fn a_center_with_passwords_enrols_nobody_and_says_what_to_do() {
    let mut center = Center::plain();
    center.start();
    center.furnish();
    let added = center.cli(["speaker", "add", "a", "--title", "A", "--area", "24133"]);
    assert!(added.contains("password = "), "{added}");
    assert!(center.cli_fails(["speaker", "enrol", "a"]).contains("--config-out"));
}
