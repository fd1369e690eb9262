//! The way between center and boards: who gets in by which certificate, how boards are enrolled, renewed, replaced and shut out,
//! and what a hostile client with or without a certificate can do about it: nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use loaxa::center::tls::TransportAuthority;
use loaxa::controller::enroll::new_key;
use loaxa::controller::identity::{Credentials, keep_credentials};
use loaxa::controller::tls;
use rumqttc::{
    Client, Connection, Event, LastWill, MqttOptions, Packet, QoS, SubscribeReasonCode, TlsConfiguration, Transport,
};
use rustls::ClientConfig;
use serde_json::Value;

use crate::delivery::Mosquitto;
use crate::harness::{Center, Pole, Sound, binary, unix_ms, wait_for};

const DAC: Sound = Sound::Dac { ppm: 0.0 };

/// A center that runs, with speakers that are enrolled and not started.
fn world<const N: usize>(speakers: [&str; N]) -> (Center, [Pole; N]) {
    let mut center = Center::new();
    center.start();
    center.furnish();
    let poles = speakers.map(|id| Pole::add(&center, id, id, "24133", DAC));
    (center, poles)
}

fn ca_pem(center: &Center) -> Vec<u8> {
    std::fs::read(center.data().join("tls/ca.pem")).unwrap()
}

/// What a board connects with.
fn credentials_of(center: &Center, identity: &Path) -> Arc<ClientConfig> {
    tls::enrolled(&ca_pem(center), &Credentials::load(identity).unwrap()).unwrap()
}

/// A certificate that an authority issues to this name, with its key.
fn issued(center: &Center, authority: &Path, name: &str, until_ms: i64) -> Arc<ClientConfig> {
    let authority = TransportAuthority::open(authority, &"mau".parse().unwrap()).unwrap();
    let (key, csr) = new_key().unwrap();
    let issued = authority.issue(&csr, &name.parse().unwrap(), until_ms).unwrap();
    let dir = tempfile::tempdir().unwrap();
    keep_credentials(dir.path(), &issued.pem, &key, unix_ms(), until_ms).unwrap();
    credentials_of(center, dir.path())
}

fn options(center: &Center, config: &Arc<ClientConfig>, client_id: &str, user: &str) -> MqttOptions {
    let mut options = MqttOptions::new(client_id, "127.0.0.1", center.mqtt_port());
    options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config.clone())));
    options.set_credentials(user, "");
    options.set_max_packet_size(4 << 20, 4 << 20);
    options
}

/// Tries to sign in.
fn enter(options: MqttOptions) -> Result<(Client, Connection), String> {
    let (client, mut connection) = Client::new(options, 200);
    match connection.recv_timeout(Duration::from_secs(15)) {
        Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => Ok((client, connection)),
        other => Err(format!("{other:?}")),
    }
}

fn as_a(center: &Center, pole: &Pole) -> (Client, Connection) {
    enter(options(center, &credentials_of(center, &pole.identity()), "a", "a")).unwrap()
}

/// Whether a subscription is granted.
fn may_listen(client: &Client, connection: &mut Connection, filter: &str) -> bool {
    client.subscribe(filter, QoS::AtMostOnce).unwrap();
    loop {
        match connection.recv_timeout(Duration::from_secs(15)) {
            Ok(Ok(Event::Incoming(Packet::SubAck(ack)))) => {
                return ack.return_codes.iter().all(|code| *code != SubscribeReasonCode::Failure);
            }
            Ok(Ok(_)) => {}
            other => panic!("{filter}: {other:?}"),
        }
    }
}

/// Reads until the broker has ended the connection.
fn until_ended(connection: &mut Connection) {
    loop {
        match connection.recv_timeout(Duration::from_secs(20)) {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return,
            Err(_) => panic!("the connection goes on"),
        }
    }
}

#[test]
fn a_board_reads_and_writes_its_own_and_nothing_else() {
    let (center, [a, b]) = world(["a", "b"]);
    let config = credentials_of(&center, &a.identity());
    for (client_id, user) in [("b", "b"), ("a", "b"), ("b", "a"), ("a", ""), ("center-mau-words", "center"), ("x", "a")]
    {
        assert!(enter(options(&center, &config, client_id, user)).is_err(), "{client_id} as {user:?} got in");
    }
    let mut with_will = options(&center, &config, "a", "a");
    let will = r#"{"birth":9000000000,"online":true}"#;
    with_will.set_last_will(LastWill::new("loaxa/1/mau/speakers/b/state", will, QoS::AtLeastOnce, true));
    assert!(enter(with_will).is_err(), "a last will on another's topic got in");

    let mut lasting = options(&center, &config, "a", "a");
    lasting.set_clean_session(false);
    assert!(enter(lasting).is_err(), "a session that outlives the connection was granted");

    let (client, mut connection) = as_a(&center, &a);
    for filter in [
        "#",
        "+/#",
        "loaxa/#",
        "$SYS/#",
        "loaxa/1/mau/speakers/b/plan",
        "loaxa/1/mau/speakers/+/plan",
        "loaxa/1/mau/speakers/a/+",
        "loaxa/1/mau/speakers/b/certificate",
        "loaxa/1/mau/speakers/b/state",
        "$share/x/loaxa/1/mau/speakers/b/plan",
        "loaxa/1/mau/media/+/+",
        "loaxa/1/mau/media/#",
    ] {
        assert!(!may_listen(&client, &mut connection, filter), "{filter}");
    }
    for kind in ["plan", "ack", "time", "certificate"] {
        assert!(may_listen(&client, &mut connection, &format!("loaxa/1/mau/speakers/a/{kind}")), "{kind}");
    }
    // Files it may want, but not the whole world's.
    let granted =
        (0..200u32).filter(|n| may_listen(&client, &mut connection, &format!("loaxa/1/mau/media/{n:064x}/+"))).count();
    assert_eq!(granted, 160);
    // Giving back what it never had makes no room, and asking twice takes none.
    (300..350u32).for_each(|n| client.unsubscribe(format!("loaxa/1/mau/media/{n:064x}/+")).unwrap());
    assert!(!may_listen(&client, &mut connection, &format!("loaxa/1/mau/media/{:064x}/+", 600)));
    assert!(may_listen(&client, &mut connection, &format!("loaxa/1/mau/media/{:064x}/+", 0)));

    // Neither another's word nor the center's own is taken from it, nor more than an honest board has to say.
    let state = r#"{"birth":9,"online":true}"#;
    client.publish("loaxa/1/mau/speakers/b/state", QoS::AtLeastOnce, true, state).unwrap();
    client.publish("loaxa/1/mau/speakers/a/plan", QoS::AtLeastOnce, true, "{}").unwrap();
    client.publish("loaxa/1/mau/speakers/a/report", QoS::AtLeastOnce, false, vec![b' '; 70_000]).unwrap();
    client.publish("loaxa/1/mau/speakers/a/state", QoS::AtLeastOnce, true, state).unwrap();
    let mut acknowledged = 0;
    while acknowledged < 4 {
        match connection.recv_timeout(Duration::from_secs(15)) {
            Ok(Ok(Event::Incoming(Packet::PubAck(_)))) => acknowledged += 1,
            Ok(Ok(Event::Incoming(Packet::Publish(publish)))) => {
                assert_ne!(publish.payload, "{}".as_bytes(), "its own forged plan came back");
            }
            Ok(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    wait_for("a to be on line", 15, || (center.speaker("a")["link"]["state"] == "online").then_some(()));
    assert_eq!(center.speaker("b")["link"]["state"], "never");
    let log = center.log();
    for words in [
        "may not write loaxa/1/mau/speakers/b/state",
        "may not write loaxa/1/mau/speakers/a/plan",
        "wrote 70000 bytes",
        "may not read #",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    // A flood of what it may say is cut off, and told.
    for _ in 0..1_000 {
        let _ = client.try_publish("loaxa/1/mau/speakers/a/state", QoS::AtMostOnce, false, state);
        let _ = connection.recv_timeout(Duration::from_millis(5));
    }
    while matches!(connection.recv_timeout(Duration::from_millis(200)), Ok(Ok(_))) {}
    wait_for("the flood's end", 20, || {
        center.log().contains("\"a\" at the broker: sends too many messages").then_some(())
    });
    // Larger than any packet may be: the connection ends, and b comes in as if nothing was.
    client.publish("loaxa/1/mau/speakers/a/report", QoS::AtMostOnce, false, vec![b' '; 1 << 20]).unwrap();
    until_ended(&mut connection);
    assert!(enter(options(&center, &credentials_of(&center, &b.identity()), "b", "b")).is_ok());
}

#[test]
fn who_has_no_certificate_in_force_is_refused_at_the_door() {
    let (center, [a]) = world(["a"]);
    let year_ms = unix_ms() + 365 * 86_400_000;
    let elsewhere = tempfile::tempdir().unwrap();
    let roots = {
        use rustls::pki_types::{CertificateDer, pem::PemObject as _};
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&ca_pem(&center)).unwrap()).unwrap();
        roots
    };
    let builder = |versions: &[&'static rustls::SupportedProtocolVersion]| {
        ClientConfig::builder_with_provider(tls::provider()).with_protocol_versions(versions).unwrap()
    };
    let none =
        Arc::new(builder(&[&rustls::version::TLS13]).with_root_certificates(roots.clone()).with_no_client_auth());
    let old = {
        let credentials = Credentials::load(&a.identity()).unwrap();
        let config = builder(&[&rustls::version::TLS12]).with_root_certificates(roots);
        Arc::new(config.with_client_auth_cert(credentials.chain.clone(), credentials.key().unwrap()).unwrap())
    };
    let cases = [
        ("no certificate", none),
        ("another authority's", issued(&center, elsewhere.path(), "a", year_ms)),
        ("an expired one", issued(&center, &center.data(), "a", unix_ms() - 60_000)),
        ("one that the store does not know", issued(&center, &center.data(), "a", year_ms)),
        ("TLS 1.2 only", old),
    ];
    for (what, config) in cases {
        assert!(enter(options(&center, &config, "a", "a")).is_err(), "{what} got in");
    }
    // A password is worth nothing here, and clear text neither.
    let password =
        center.json(["speaker", "add", "c", "--title", "C", "--area", "24133"])["speaker"]["password"].clone();
    let mut plain = MqttOptions::new("c", "127.0.0.1", center.mqtt_port());
    plain.set_credentials("c", password.as_str().unwrap());
    assert!(enter(plain).is_err(), "a password got in without TLS");
    let config = credentials_of(&center, &a.identity());
    let mut borrowed = options(&center, &config, "c", "c");
    borrowed.set_credentials("c", password.as_str().unwrap());
    assert!(enter(borrowed).is_err(), "another's password got in with a's certificate");

    let before = std::fs::read(a.identity().join("client.pem")).unwrap();
    assert!(enter(options(&center, &config, "a", "a")).is_ok(), "a itself");
    // A new board takes its place: the old certificate is worthless at once.
    let code = center.json(["speaker", "enrol", "a"])["code"].as_str().unwrap().to_owned();
    let output = a.enroll(&center.http, &code, &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--force"), "{output:?}");
    a.enrol_with_force(&center.http, &code);
    assert_ne!(std::fs::read(a.identity().join("client.pem")).unwrap(), before);
    assert!(enter(options(&center, &config, "a", "a")).is_err(), "the replaced certificate got in");
    let config = credentials_of(&center, &a.identity());
    assert!(enter(options(&center, &config, "a", "a")).is_ok(), "the new one");
    center.cli(["speaker", "disable", "a"]);
    assert!(enter(options(&center, &config, "a", "a")).is_err(), "a disabled speaker got in");
    center.cli(["speaker", "enable", "a"]);
    assert!(enter(options(&center, &config, "a", "a")).is_ok(), "enabled again");
    let log = center.log();
    for words in ["not in force", "it is disabled", "no TLS"] {
        assert!(log.contains(words), "{words}: {log}");
    }
}

fn rss_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn floods_and_silent_visitors_keep_nobody_out_and_cost_little() {
    let (center, [mut a, b]) = world(["a", "b"]);
    a.start();
    center.wait_ready("a");
    let pid = center.process.as_ref().unwrap().id();
    let before_kb = rss_kb(pid);
    let http_port: u16 = center.http.rsplit(':').next().unwrap().parse().unwrap();
    let mut silent = vec![];
    for n in 0..1_500 {
        let port = if n % 3 == 0 { http_port } else { center.mqtt_port() };
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        match n % 4 {
            0 => {}
            // Half a greeting, and no more.
            1 => socket.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap_or(()),
            2 => socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap_or(()),
            _ => socket.write_all(&[0; 300]).unwrap_or(()),
        }
        silent.push(socket);
    }
    // In the middle of it others come in, by MQTT and by HTTPS, from the same address.
    let config = credentials_of(&center, &b.identity());
    assert!(enter(options(&center, &config, "b", "b")).is_ok(), "{}", center.log());
    assert_eq!(center.speaker("a")["link"]["state"], "online");
    // Connects and goes away, over and over.
    for _ in 0..3_000 {
        drop(TcpStream::connect(("127.0.0.1", center.mqtt_port())).unwrap());
    }
    // One with a good certificate that opens many connections is left with two.
    let mut many = vec![];
    for _ in 0..20 {
        many.push(enter(options(&center, &config, "b", "b")).unwrap());
    }
    assert!(enter(options(&center, &config, "b", "b")).is_ok());
    assert_eq!(center.speaker("a")["link"]["state"], "online");
    assert!(center.log().contains("b: its certificate is used from two places"), "{}", center.log());
    let grown_kb = rss_kb(pid).saturating_sub(before_kb);
    assert!(grown_kb < 80_000, "the center grew by {grown_kb} KB");
    let lines = center.log().lines().filter(|line| line.contains("denied")).count();
    assert!(lines < 60, "{lines} lines about denials");
    // Those who said nothing are gone after a while.
    silent[0].set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let ended = silent[0].read(&mut [0; 16]);
    assert!(matches!(ended, Ok(0)) || ended.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset));
    assert!(!a.process.as_mut().unwrap().has_ended());
}

#[test]
fn a_replaced_board_is_the_same_speaker_and_a_disabled_one_is_gone_at_once() {
    let (center, [mut a]) = world(["a"]);
    center.approved("tune", "nhac-hieu.wav");
    a.start();
    center.schedule_once("sang", &["tune"], 6_000, &["66"]);
    assert_eq!(center.play("a", "sang", 40)["outcome"], "played");
    let plan = center.speaker("a")["plan"]["accepted"].as_u64().unwrap();

    center.cli(["speaker", "disable", "a"]);
    wait_for("the connection's end", 10, || a.log().contains("no connection to the broker").then_some(()));
    let row = center.speaker("a");
    assert_eq!((&row["disabled"], &row["link"]["state"]), (&Value::Bool(true), &Value::from("offline")));
    wait_for("a refusal at the door", 20, || center.log().contains("\"a\" at 127.0.0.1: it is disabled").then_some(()));
    // While it is shut out, plans are made but not sent.
    center.schedule_once("later", &["tune"], 3_000_000, &["66"]);
    assert!(center.cli(["speaker", "list"]).contains("disabled"));
    center.cli(["speaker", "enable", "a"]);
    center.wait_ready("a");
    assert!(center.speaker("a")["plan"]["accepted"].as_u64().unwrap() > plan);

    // The board is struck by lightning; another one goes up.
    let mut other = Pole::unboxed(&center, "a", DAC);
    let code = center.json(["speaker", "enrol", "a"])["code"].as_str().unwrap().to_owned();
    other.enrol_with(&center.http, &code);
    wait_for("the old board's end", 20, || (a.log().matches("no connection to the broker").count() >= 2).then_some(()));
    other.start();
    center.wait_ready("a");
    assert!(center.speaker("a")["plan"]["accepted"].as_u64().unwrap() > plan);
    let played = center.plays().into_iter().find(|play| play["schedule"] == "sang").unwrap();
    assert_eq!((&played["speaker"], &played["outcome"]), (&Value::from("a"), &Value::from("played")));
    // The old one still tries, in vain.
    wait_for("the old board's refusal", 40, || center.log().contains("not in force").then_some(()));
}

#[test]
fn a_certificate_is_renewed_in_good_time_and_the_old_one_ends_with_the_first_use_of_the_new() {
    let (mut center, [mut a]) = world(["a"]);
    // Of the whole life: at once.
    a.environment.push(("LOAXA_CENTER__RENEW_PERCENT".into(), "100".into()));
    let old = credentials_of(&center, &a.identity());
    let before = std::fs::read_to_string(a.identity().join("client.pem")).unwrap();
    a.start();
    a.wait_log("the certificate is renewed", 30);
    let after = std::fs::read_to_string(a.identity().join("client.pem")).unwrap();
    assert_ne!(before, after);
    // Still two certificates in force: the power may go before the new one is used.
    center.wait_ready("a");
    center.kill();
    center.start();
    center.wait_ready("a");
    wait_for("the old certificate's end", 15, || {
        let refused = enter(options(&center, &old, "a", "a")).is_err();
        refused.then_some(())
    });
    center.wait_ready("a");
    let doctor = a.command().args(["doctor", "--lang", "en", "--json", "--config"]).arg(a.config()).output().unwrap();
    let checks: Vec<Value> = serde_json::from_slice(&doctor.stdout).unwrap();
    let certificate = checks.iter().find(|check| check["name"] == "certificate").unwrap();
    assert!(
        certificate["good"] == true && certificate["finding"].as_str().unwrap().contains("valid until"),
        "{checks:?}"
    );
}

#[test]
fn where_speakers_have_passwords_a_disabled_one_is_gone_at_once_too() {
    let mut center = Center::plain();
    center.start();
    center.furnish();
    let mut a = Pole::add(&center, "a", "A", "24133", DAC);
    a.start();
    wait_for("a to be on line", 30, || (center.speaker("a")["link"]["state"] == "online").then_some(()));
    center.cli(["speaker", "disable", "a"]);
    wait_for("the connection's end", 10, || a.log().contains("no connection to the broker").then_some(()));
    wait_for("a refusal", 20, || center.log().contains("\"a\" at the broker: it is disabled").then_some(()));
    assert_eq!(center.speaker("a")["link"]["state"], "offline");
    center.cli(["speaker", "enable", "a"]);
    wait_for("a to be back", 40, || (center.speaker("a")["link"]["state"] == "online").then_some(()));
}

#[test]
fn without_tls_nothing_leaves_the_machine_unless_somebody_says_so() {
    let center = Center::new();
    for (flags, words) in [
        (vec!["--plain-http", "--http", "0.0.0.0:0"], "http.plain_anywhere"),
        (vec!["--plain-mqtt", "--mqtt", "0.0.0.0:0"], "mqtt.plain_anywhere"),
        (vec!["--broker", "mqtt://broker.example:1883"], "mqtt.plain_anywhere"),
    ] {
        let told = center.cli_fails(["serve"].iter().chain(&flags));
        assert!(told.contains(words) && told.contains("without encryption"), "{told}");
    }
}

#[test]
fn the_api_is_served_by_tls_1_3_with_our_certificate_or_a_given_one() {
    // Somebody else's authority stands for a public one.
    let public = tempfile::tempdir().unwrap();
    let site = "khac".parse().unwrap();
    let authority = TransportAuthority::open(public.path(), &site).unwrap();
    authority.ensure_server(&["localhost".into()], unix_ms()).unwrap();
    let file = |name: &str| public.path().join("tls").join(name).to_str().unwrap().to_owned();
    let mut center = Center::new();
    center.environment.push(("LOAXA_TLS__CERTIFICATE".into(), file("server.pem")));
    center.environment.push(("LOAXA_TLS__KEY".into(), file("server.key")));
    center.start();
    // The command line on the same machine needs nobody's blessing.
    assert!(center.cli(["speaker", "list"]).contains("no speakers yet"));
    let port = center.http.rsplit(':').next().unwrap();
    let url = format!("https://localhost:{port}/api/v1/health");
    loaxa::center::tls::install_provider();
    let client = |versions: Option<reqwest::tls::Version>| {
        let root = reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        let mut builder = reqwest::Client::builder().tls_certs_only([root]);
        if let Some(highest) = versions {
            builder = builder.tls_version_max(highest);
        }
        builder.build().unwrap()
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let answer = client(None).get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.headers().contains_key("strict-transport-security"));
        assert!(client(Some(reqwest::tls::Version::TLS_1_2)).get(&url).send().await.is_err());
        assert!(center.http_client().get(&url).send().await.is_err(), "the given certificate is not ours");
    });
    // From another machine, with the authority in a file.
    let remote = |ca: &str| {
        let mut command = std::process::Command::new(binary("loaxa"));
        command.args(["speaker", "list", "--center", &format!("https://localhost:{port}"), "--token", &center.token()]);
        command.args(["--ca", ca]).output().unwrap()
    };
    assert!(remote(&file("ca.pem")).status.success());
    let refused = remote(center.data().join("tls/ca.pem").to_str().unwrap());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("does not answer") && told.contains("give --ca FILE (tls/ca.pem of the center)"), "{told}");
}

#[test]
fn a_newcomer_is_told_the_way() {
    let mut center = Center::new();
    center.mqtt_address = "0.0.0.0:0".into();
    center.environment.push(("LOAXA_TLS__NAMES".into(), r#"["nowhere.invalid"]"#.into()));
    center.environment.push(("LOAXA_HTTP__URL".into(), "https://loa.xa.vn:8443/".into()));
    center.start();
    // It does not turn itself away, and says where others find it.
    let url = center.setup_url.clone().unwrap();
    assert_eq!(url, format!("https://loa.xa.vn:8443/#setup={}", center.setup_code.as_ref().unwrap()));
    center.furnish();
    assert!(!center.log().contains("denied"), "{}", center.log());
    // A name of its certificate need not be one by which this board finds it.
    let a = Pole::add(&center, "a", "A", "24133", DAC);
    let kept: Value = serde_json::from_slice(&std::fs::read(a.identity().join("identity.json")).unwrap()).unwrap();
    assert_eq!(kept["mqtt"], format!("mqtts://127.0.0.1:{}", center.mqtt_port()));
    // Without the s in https.
    let plain = center.http.replace("https://", "http://");
    let told = center.cli_fails(["speaker", "list", "--center", &plain, "--token", &center.token()]);
    assert!(told.contains("use https://"), "{told}");
    let code = center.json(["speaker", "enrol", "a"])["code"].as_str().unwrap().to_owned();
    let output = a.enroll(&plain, &code, &["--force"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("use https://"), "{told}");
}

#[test]
fn an_external_broker_is_reached_by_tls() {
    let mut center = Center::new();
    // Its certificate comes from the center's own authority.
    let authority = TransportAuthority::open(&center.data(), &"mau".parse().unwrap()).unwrap();
    authority.ensure_server(&["127.0.0.1".into()], unix_ms()).unwrap();
    let file = |name: &str| center.data().join("tls").join(name).display().to_string();
    let mosquitto = Mosquitto::start_with(
        center.dir.path(),
        &format!(
            "cafile {}\ncertfile {}\nkeyfile {}\ntls_version tlsv1.3\nuser root\n",
            file("ca.pem"),
            file("server.pem"),
            file("server.key")
        ),
    );
    let ca = file("ca.pem");
    center.flags = vec!["--broker".into(), mosquitto.url().replace("mqtt://", "mqtts://")];
    center.start();
    center.furnish();
    assert!(center.mqtt.starts_with("mqtts://"));
    let mut a = Pole::add(&center, "a", "A", "24133", DAC);
    a.environment.push(("LOAXA_CENTER__CA".into(), ca));
    a.start();
    wait_for("a to be on line", 30, || (center.speaker("a")["link"]["state"] == "online").then_some(()));
}
