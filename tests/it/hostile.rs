//! An attacker who owns the network and the broker: speakers stay silent, and say why.

use std::time::Duration;

use loaxa::domain::approval::{Approval, Certificate, PublicKey, Role};
use loaxa::domain::ids::OccurrenceId;
use loaxa::domain::plan::{Plan, PlannedItem, PlannedOccurrence};
use loaxa::domain::priority::Priority;
use loaxa::protocol::envelope::Envelope;
use loaxa::protocol::keys::{SigningKey, key_id};
use loaxa::protocol::trust::SignedPlan;
use rumqttc::{Client, MqttOptions, QoS};

use crate::delivery::Mosquitto;
use crate::harness::{Center, Pole, Sound, decoded, playlists, unix_ms, wait_for};

pub struct Attacker {
    pub client: Client,
}

impl Attacker {
    pub fn connect(port: u16) -> Self {
        let mut options = MqttOptions::new("attacker", "127.0.0.1", port);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut connection) = Client::new(options, 100);
        std::thread::spawn(move || for _ in connection.iter() {});
        Self { client }
    }

    pub fn publish(&self, topic: &str, payload: Vec<u8>) {
        self.client.publish(topic, QoS::AtLeastOnce, true, payload).unwrap();
    }
}

/// A plan that would sound in two seconds, if it were believed.
pub fn soon(center: &Center, number: u64) -> Plan {
    let signed = newest_plan(center);
    let real: Plan = signed.plan.peek().unwrap();
    let start_ms = unix_ms() + 4_000;
    let item: PlannedItem = real.occurrences[0].items[0].clone();
    let id = OccurrenceId::new(&"hack".parse().unwrap(), start_ms);
    let end_ms = start_ms + item.duration_ms;
    let occurrence = PlannedOccurrence {
        id,
        title: "hack".into(),
        start_ms,
        end_ms,
        priority: Priority::Normal,
        volume_db: 0.0,
        items: vec![item],
    };
    let (from_ms, made_ms) = (unix_ms() - 1000, unix_ms() - 1000);
    Plan { number, from_ms, made_ms, occurrences: vec![occurrence], ..real }
}

pub fn newest_plan(center: &Center) -> SignedPlan {
    let row = center.look(async |store| store.newest_plan(&"a".parse().unwrap()).await);
    serde_json::from_str(&row.unwrap().body).unwrap()
}

pub fn secret(center: &Center, name: &str) -> SigningKey {
    use base64::Engine as _;
    let text = std::fs::read_to_string(center.data().join(name)).unwrap();
    let seed = base64::engine::general_purpose::STANDARD.decode(text.trim()).unwrap();
    SigningKey::from_seed(&seed.try_into().unwrap())
}

#[test]
fn forged_replayed_and_expired_plans_stay_silent_and_are_told() {
    let mut center = Center::new();
    let mosquitto = Mosquitto::start(center.dir.path());
    center.flags = vec!["--broker".into(), mosquitto.url()];
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.schedule_once("later", &["dengue"], 3_000_000, &["66"]);
    center.wait_ready("a");
    let first = newest_plan(&center);
    center.schedule_once("later-still", &["dengue"], 3_300_000, &["66"]);
    center.wait_ready("a");
    let good = newest_plan(&center);
    let dispatcher = secret(&center, "dispatcher.key");
    let mallory = SigningKey::from_seed(&[66; 32]);
    let number = good.plan.peek::<Plan>().unwrap().number;

    let attacker = Attacker::connect(mosquitto.port);
    let topic = "loaxa/1/mau/speakers/a/plan";
    let signed_by =
        |plan: &Plan, key: &SigningKey| SignedPlan { plan: Envelope::sign(plan, key).unwrap(), ..good.clone() };
    let mut unsigned = signed_by(&soon(&center, number + 1), &dispatcher);
    unsigned.plan.signatures.clear();
    // The signature of the true plan over other bytes.
    let mut altered = signed_by(&soon(&center, number + 1), &mallory);
    altered.plan.signatures = good.plan.signatures.clone();
    let mut self_certified = signed_by(&soon(&center, number + 1), &mallory);
    self_certified.certificates = vec![certificate(&mallory, Role::Dispatcher)];
    let other_speaker = Plan { speaker: "b".parse().unwrap(), ..soon(&center, number + 1) };
    let long_ago = Plan { from_ms: 1_000_000, until_ms: 2_000_000, occurrences: vec![], ..soon(&center, number + 1) };
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("unsigned", json(&unsigned), "no dispatcher"),
        ("altered", json(&altered), "no dispatcher"),
        ("signed by a stranger", json(&signed_by(&soon(&center, number + 1), &mallory)), "no dispatcher"),
        ("a stranger who certified himself", json(&self_certified), "no dispatcher"),
        ("another speaker's", json(&signed_by(&other_speaker, &dispatcher)), "another site or speaker"),
        ("replayed", json(&first), "replayed"),
        ("expired", json(&signed_by(&long_ago, &dispatcher)), "expired"),
        ("not a plan", b"{\"plan\": []}".to_vec(), "cannot be read"),
    ];
    for (what, payload, words) in cases {
        attacker.publish(topic, payload);
        wait_for(&format!("the refusal of a plan that is {what}"), 10, || {
            center.speaker("a")["plan"]["refused"].as_str().filter(|told| told.contains(words)).map(|_| ())
        });
    }
    // Longer than any of the forged plays would have taken to begin.
    let until_ms = unix_ms() + 5_000;
    wait_for("their time to pass", 20, || (unix_ms() > until_ms).then_some(()));
    pole.stop();
    assert!(pole.heard().is_silent());
    assert!(center.plays().iter().all(|play| play["schedule"] != "hack"));
}

#[test]
fn even_a_true_dispatcher_cannot_make_unapproved_content_sound() {
    let mut center = Center::new();
    let mosquitto = Mosquitto::start(center.dir.path());
    center.flags = vec!["--broker".into(), mosquitto.url()];
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.schedule_once("later", &["dengue"], 3_000_000, &["66"]);
    center.wait_ready("a");
    // The server is the attacker's: it has the dispatcher's key, but no approver's.
    let dispatcher = secret(&center, "dispatcher.key");
    let good = newest_plan(&center);
    let number = good.plan.peek::<Plan>().unwrap().number;
    let mallory = SigningKey::from_seed(&[66; 32]);
    let attacker = Attacker::connect(mosquitto.port);
    // A center that still ran would go beyond a plan that is not its own, and put things right.
    center.kill();

    let mut above = soon(&center, number + 1);
    above.occurrences[0].priority = Priority::Emergency;
    let mut other_revision = soon(&center, number + 2);
    other_revision.occurrences[0].items[0].revision = 7;
    let forged_plan = soon(&center, number + 3);
    let item = &forged_plan.occurrences[0].items[0];
    let forged = Approval {
        site: "mau".parse().unwrap(),
        bulletin: item.bulletin.clone(),
        revision: item.revision,
        title: "x".into(),
        media: item.media,
        areas: vec!["66".parse().unwrap()],
        highest: Priority::Normal,
        valid_from_ms: 0,
        valid_until_ms: i64::MAX,
        made_ms: unix_ms(),
        approver: key_id(&mallory.public()),
    };
    let with_forged = SignedPlan {
        plan: Envelope::sign(&forged_plan, &dispatcher).unwrap(),
        approvals: vec![Envelope::sign(&forged, &mallory).unwrap()],
        certificates: [good.certificates.clone(), vec![certificate(&mallory, Role::Approver)]].concat(),
        ..good.clone()
    };
    for (plan, signed) in [
        (&above, SignedPlan { plan: Envelope::sign(&above, &dispatcher).unwrap(), ..good.clone() }),
        (&other_revision, SignedPlan { plan: Envelope::sign(&other_revision, &dispatcher).unwrap(), ..good.clone() }),
        (&forged_plan, with_forged),
    ] {
        attacker.publish("loaxa/1/mau/speakers/a/plan", json(&signed));
        let id = &plan.occurrences[0].id;
        pole.wait_log(&format!("{id}: Missed (NotApproved)"), 30);
    }
    pole.stop();
    assert!(pole.heard().is_silent());
}

#[test]
fn altered_media_never_sounds_in_transit_or_on_the_disk() {
    let mut center = Center::new();
    let mosquitto = Mosquitto::start(center.dir.path());
    center.flags = vec!["--broker".into(), mosquitto.url()];
    center.start();
    center.furnish();
    center.approved("dengue", "sot-xuat-huyet.mp3");
    let sound = center.json(["bulletin", "show", "dengue"])["revisions"][0]["sound"].clone();
    let hash = sound["media"].as_str().unwrap().to_owned();
    // Lies in wait as a retained message for whoever asks for this chunk.
    let attacker = Attacker::connect(mosquitto.port);
    attacker.publish(&format!("loaxa/1/mau/media/{hash}/0"), vec![0x55; sound["bytes"].as_u64().unwrap() as usize]);
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.schedule_once("first", &["dengue"], 10_000, &["66"]);
    center.wait_ready("a");
    assert!(pole.log().contains("is not what the plan says; dropped"), "{}", pole.log());

    // On the disk, while the controller is down: found before it plays, and fetched again.
    pole.kill();
    let path = pole.store().join("media").join(format!("{hash}.opus"));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    std::fs::write(&path, &bytes).unwrap();
    pole.start();
    let play = center.play("a", "first", 40);
    assert_eq!(play["outcome"], "played", "{play}\n{}", pole.log());
    assert!(pole.log().contains("is not what was approved; fetching it again"), "{}", pole.log());

    // Altered again with nobody to fetch from: silence rather than sound that nobody approved.
    center.schedule_once("second", &["dengue"], 6_000, &["66"]);
    center.wait_ready("a");
    center.kill();
    let now = std::fs::read(&path).unwrap();
    assert_ne!(now, bytes, "the good file is back");
    std::fs::write(&path, &bytes).unwrap();
    pole.wait_log("second@", 30);
    wait_for("the second play's end", 40, || {
        pole.log().lines().any(|l| l.contains("second@") && l.contains("Content")).then_some(())
    });
    pole.stop();
    let source = decoded(&playlists().join("audio/sot-xuat-huyet.mp3"));
    let sounding = pole.heard().sounding();
    assert!(sounding < source.len() + 24_000, "only the first play was heard: {sounding} frames");
}

#[test]
fn a_stranger_and_another_speaker_cannot_use_the_embedded_broker() {
    let mut center = Center::plain();
    center.start();
    center.furnish();
    let a = Pole::add(&center, "a", "A", "24133", Sound::Dac { ppm: 0.0 });
    Pole::add(&center, "b", "B", "24133", Sound::Dac { ppm: 0.0 });
    let config: toml::Table = std::fs::read_to_string(a.config()).unwrap().parse().unwrap();
    let password = config["center"]["password"].as_str().unwrap().to_owned();
    let port = center.mqtt_port();
    let attempt = |client_id: &str, user: &str, password: &str| {
        let mut options = MqttOptions::new(client_id, "127.0.0.1", port);
        if !user.is_empty() {
            options.set_credentials(user, password);
        }
        let (client, mut connection) = Client::new(options, 10);
        let entered = matches!(connection.recv_timeout(Duration::from_secs(5)), Ok(Ok(_)));
        (entered, client, connection)
    };
    assert!(attempt("a", "a", &password).0);
    for (client_id, user, password) in [
        ("x", "", ""),
        ("a", "a", "guess"),
        ("b", "a", &password),
        ("center-mau-words", "a", &password),
        ("center", "center", "center"),
    ] {
        assert!(!attempt(client_id, user, password).0, "{client_id} as {user:?} got in");
    }
    // With its own good password a speaker cannot hear another's plan or speak for it.
    let (_, client, mut connection) = attempt("a", "a", &password);
    client.subscribe("loaxa/1/mau/speakers/b/plan", QoS::AtMostOnce).unwrap();
    client.subscribe("loaxa/#", QoS::AtMostOnce).unwrap();
    client
        .publish("loaxa/1/mau/speakers/b/state", QoS::AtLeastOnce, true, r#"{"birth":9,"online":true}"#.as_bytes())
        .unwrap();
    let mut refused = 0;
    while refused < 2 {
        match connection.recv_timeout(Duration::from_secs(5)) {
            Ok(Ok(rumqttc::Event::Incoming(rumqttc::Packet::SubAck(ack)))) => {
                assert!(ack.return_codes.iter().all(|code| *code == rumqttc::SubscribeReasonCode::Failure), "{ack:?}");
                refused += 1;
            }
            Ok(Ok(rumqttc::Event::Incoming(rumqttc::Packet::Publish(publish)))) => panic!("heard {}", publish.topic),
            Ok(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    // Nor leave a last will that speaks for it: the broker would publish that without asking.
    let mut options = MqttOptions::new("a", "127.0.0.1", port);
    options.set_credentials("a", &password);
    let will = r#"{"birth":9000000000,"online":true}"#;
    options.set_last_will(rumqttc::LastWill::new("loaxa/1/mau/speakers/b/state", will, QoS::AtLeastOnce, true));
    let (_client, mut connection) = Client::new(options, 10);
    let entered = matches!(connection.recv_timeout(Duration::from_secs(5)), Ok(Ok(_)));
    assert!(!entered, "a stranger's last will got in");
    assert_eq!(center.speaker("b")["link"]["state"], "never");
}

pub fn certificate(key: &SigningKey, role: Role) -> Envelope {
    let public: PublicKey = key.public();
    let certificate = Certificate {
        site: "mau".parse().unwrap(),
        role,
        title: "Mallory".into(),
        key: public,
        areas: vec!["66".parse().unwrap()],
        highest: Priority::Emergency,
        valid_from_ms: 0,
        valid_until_ms: i64::MAX,
    };
    Envelope::sign(&certificate, key).unwrap()
}

pub fn json(signed: &SignedPlan) -> Vec<u8> {
    serde_json::to_vec(signed).unwrap()
}
