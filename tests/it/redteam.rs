//! The attacker owns the network, the broker and then the server with its database and the dispatcher's key, and has found the keys of
//! approvers who may not approve (any more). The board stays silent, and its report says why.
//!
//! The table that this prints stands in docs/SECURITY.md.

use std::sync::mpsc;
use std::time::Duration;

use loaxa::domain::approval::{Approval, Role, Ticket};
use loaxa::domain::ids::{MediaHash, OccurrenceId};
use loaxa::domain::plan::{Plan, PlannedItem, PlannedOccurrence};
use loaxa::domain::priority::Priority;
use loaxa::domain::record::PlaybackRecord;
use loaxa::domain::trust::TrustList;
use loaxa::protocol::chunks::describe;
use loaxa::protocol::envelope::Envelope;
use loaxa::protocol::keys::{SealedKey, SigningKey, key_id, media_hash};
use loaxa::protocol::message::{self, ClockAnswer, ClockProbe, Report};
use loaxa::protocol::trust::SignedPlan;
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};

use crate::delivery::Mosquitto;
use crate::harness::{APPROVER_PASSPHRASE, Center, Pole, Sound, playlists, unix_ms, wait_for};
use crate::hostile::{Attacker, certificate, json, newest_plan, secret, soon};

/// What was tried, what should come of it, and what did.
#[derive(Default)]
struct Table(Vec<[String; 3]>);

impl Table {
    fn note(&mut self, attack: &str, expected: &str, seen: &str) {
        self.0.push([attack, expected, seen].map(str::to_owned));
    }

    /// Prints it all, then fails on the first row that came out otherwise.
    fn judge(&self) {
        println!("| attack | expected | seen |\n|---|---|---|");
        for [attack, expected, seen] in &self.0 {
            println!("| {attack} | {expected} | {seen} |");
        }
        for [attack, expected, seen] in &self.0 {
            assert!(seen.contains(expected.as_str()), "{attack}: expected {expected:?}, saw {seen:?}");
        }
    }
}

/// A key as its thief uses it.
fn stolen(center: &Center, name: &str) -> SigningKey {
    let text = std::fs::read_to_string(center.dir.path().join(format!("{name}.key"))).unwrap();
    serde_json::from_str::<SealedKey>(&text).unwrap().open(APPROVER_PASSPHRASE).unwrap()
}

/// An approver with a key of their own. Gives the key's id.
fn approver(center: &Center, name: &str, area: &str, highest: &str, days: &str) -> String {
    let key = center.dir.path().join(format!("{name}.key"));
    let key = key.to_str().unwrap();
    let made = center.json([
        "approver",
        "add",
        name,
        "--area",
        area,
        "--highest",
        highest,
        "--valid-days",
        days,
        "--key-out",
        key,
    ]);
    made["key"].as_str().unwrap().to_owned()
}

fn bulletin(center: &Center, id: &str, file: &str) {
    let path = playlists().join("audio").join(file);
    let path = path.to_str().unwrap();
    center.cli(["bulletin", "add", path, "--id", id, "--title", id, "--language", "vie", "--area", "66"]);
    center.cli(["bulletin", "submit", id]);
}

fn sound_of(center: &Center, id: &str) -> (MediaHash, i64) {
    let shown = center.json(["bulletin", "show", id])["revisions"][0]["sound"].clone();
    (shown["media"].as_str().unwrap().parse().unwrap(), shown["bytes"].as_i64().unwrap())
}

/// One thing to be sounded, with what the attacker has to show for it.
struct Attempt {
    name: &'static str,
    expected: &'static str,
    occurrence: PlannedOccurrence,
}

/// Hears the records that the board reports, and answers its clock probes with what `lie` makes of the time.
fn listen(port: u16, lie_ms: i64, signer: Option<SigningKey>) -> mpsc::Receiver<PlaybackRecord> {
    let mut options = MqttOptions::new(format!("listener{lie_ms}"), "127.0.0.1", port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut connection) = Client::new(options, 100);
    let (sender, records) = mpsc::channel();
    client.subscribe("loaxa/1/mau/speakers/a/report", QoS::AtLeastOnce).unwrap();
    if lie_ms != 0 {
        client.subscribe("loaxa/1/mau/speakers/a/clock", QoS::AtMostOnce).unwrap();
    }
    std::thread::spawn(move || {
        for event in connection.iter() {
            let Ok(Event::Incoming(Packet::Publish(publish))) = event else { continue };
            if let Ok(report) = message::parse::<Report>(&publish.payload) {
                report.records.into_iter().for_each(|record| drop(sender.send(record)));
            } else if let Ok(probe) = message::parse::<ClockProbe>(&publish.payload) {
                let unix_ns = (unix_ms() + lie_ms) * 1_000_000;
                let ClockProbe { sequence, sent_mono_ns } = probe;
                let answer =
                    ClockAnswer { sequence, sent_mono_ns, arrived_unix_ns: unix_ns, answered_unix_ns: unix_ns };
                let (site, speaker) = ("mau".parse().unwrap(), "a".parse().unwrap());
                let payload = match &signer {
                    Some(key) => message::bytes(&answer.sign(&site, &speaker, key)),
                    None => message::bytes(&answer),
                };
                let _ = client.publish("loaxa/1/mau/speakers/a/time", QoS::AtMostOnce, false, payload);
            }
        }
    });
    records
}

#[test]
fn whoever_owns_network_broker_and_server_makes_no_board_speak() {
    let mut table = Table::default();
    let mut center = Center::new();
    let mosquitto = Mosquitto::start(center.dir.path());
    center.flags = vec!["--broker".into(), mosquitto.url()];
    center.start();
    center.furnish();
    center.approved("dengue", "nhac-hieu.wav");
    approver(&center, "chief", "66", "emergency", "365");
    approver(&center, "elsewhere", "24169", "emergency", "365");
    approver(&center, "expired", "66", "emergency", "0");
    let revoked = approver(&center, "revoked", "66", "emergency", "365");
    bulletin(&center, "siren", "sot-xuat-huyet.mp3");
    let chief = center.dir.path().join("chief.key");
    center.cli(["bulletin", "approve", "siren", "--key", chief.to_str().unwrap(), "--highest", "emergency"]);
    bulletin(&center, "draft", "cat-nuoc.opus");
    bulletin(&center, "tiem", "tiem-chung.flac");
    center.cli(["bulletin", "approve", "tiem", "--key", chief.to_str().unwrap()]);
    let mut pole = Pole::add(&center, "a", "Cụm loa A", "24133", Sound::Dac { ppm: 0.0 });
    pole.start();
    center.schedule_once("later", &["dengue", "siren"], 3_000_000, &["66"]);
    center.wait_ready("a");
    let old = newest_plan(&center);
    center.cli(["authority", "revoke", "--key", &revoked]);
    center.cli(["area", "hours", "66", "--allow", "00:00-24:00"]);
    center.schedule_once("later-still", &["dengue"], 3_300_000, &["66"]);
    wait_for("a plan with the new trust list and hours", 30, || {
        let newest = newest_plan(&center);
        (newest.trust != old.trust && newest.hours != old.hours).then_some(())
    });
    center.wait_ready("a");
    let before = newest_plan(&center);
    center.schedule_once("last", &["dengue"], 3_600_000, &["66"]);
    center.wait_ready("a");
    let good = newest_plan(&center);
    let number = good.plan.peek::<Plan>().unwrap().number;

    // The server's database, edited by hand. The center reads it anew, and plans nothing of it.
    let mallory = SigningKey::from_seed(&[66; 32]);
    edit_database(&center, &mallory);
    let start_ms = center.schedule_once("edited", &["draft"], 6_000, &["66"]);
    let at = chrono::DateTime::from_timestamp_millis(start_ms + 500).unwrap().to_rfc3339();
    let told = wait_for("the reason", 20, || {
        let why = center.json(["plan", "why", "a", "--at", &at, "--english"]).to_string();
        why.contains("approved").then_some(why)
    });
    table.note("approved flag, approval and certificate written by SQL", "nobody approved this content", &told);
    assert!(center.log().contains("no approval of bulletin draft revision 1 verifies"), "{}", center.log());

    // Whole plans, by someone with the dispatcher's key.
    let dispatcher = secret(&center, "dispatcher.key");
    let attacker = Attacker::connect(mosquitto.port);
    let topic = "loaxa/1/mau/speakers/a/plan";
    let signed_by =
        |plan: &Plan, key: &SigningKey| SignedPlan { plan: Envelope::sign(plan, key).unwrap(), ..good.clone() };
    let next = soon(&center, number + 100);
    let other = Plan { speaker: "b".parse().unwrap(), ..next.clone() };
    let narrow: TrustList = good.trust.as_ref().unwrap().peek().unwrap();
    let forged_list = TrustList { version: narrow.version + 1, revoked: vec![], ..narrow };
    let whole_plans = [
        ("replay of the plan before", "replayed", before.clone()),
        ("replay of a plan from before the revocation", "older one than version", old.clone()),
        ("plan of another speaker", "another site or speaker", signed_by(&other, &dispatcher)),
        ("plan by a stranger", "no dispatcher that the authority certified", signed_by(&next, &mallory)),
        (
            "downgrade: older lawful hours",
            "lawful hours of area 66",
            SignedPlan { hours: old.hours.clone(), ..signed_by(&next, &dispatcher) },
        ),
        (
            "downgrade: older trust list, without the revocation",
            "older one than version",
            SignedPlan { trust: old.trust.clone(), ..signed_by(&next, &dispatcher) },
        ),
        (
            "downgrade: no trust list",
            "without the authority's trust list",
            SignedPlan { trust: None, ..signed_by(&next, &dispatcher) },
        ),
        (
            "trust list by the server",
            "without the authority's trust list",
            SignedPlan {
                trust: Some(Envelope::sign(&forged_list, &dispatcher).unwrap()),
                ..signed_by(&next, &dispatcher)
            },
        ),
    ];
    for (attack, expected, signed) in whole_plans {
        attacker.publish(topic, json(&signed));
        let seen = wait_for(attack, 15, || {
            let told = center.speaker("a")["plan"]["refused"].as_str().unwrap_or("").to_owned();
            told.contains(expected).then_some(told)
        });
        table.note(attack, expected, &seen);
    }

    // From here on the server does only what the attacker wants: it is gone, and he signs plans himself.
    let approved = approvals_in(&center, "tiem");
    center.kill();
    let records = listen(mosquitto.port, 0, None);
    let _liar = listen(mosquitto.port, 3_000_000, None);
    let _forger = listen(mosquitto.port, -86_400_000, Some(SigningKey::from_seed(&[66; 32])));
    let (signed, attempts) = attempts(&center, &good, number + 101, approved);
    // Other bytes under the name of approved media that the board has not got.
    let missing = sound_of(&center, "tiem").0;
    attacker.publish(&format!("loaxa/1/mau/media/{missing}/0"), vec![0x55; 60_000]);
    attacker.publish(topic, json(&signed));
    let mut seen: Vec<PlaybackRecord> = vec![];
    wait_for("a record of every attempt", 120, || {
        seen.extend(records.recv_timeout(Duration::from_secs(1)));
        let told = |attempt: &Attempt| seen.iter().any(|record| record.occurrence == attempt.occurrence.id);
        attempts.iter().all(told).then_some(())
    });
    for attempt in &attempts {
        let record = seen.iter().find(|record| record.occurrence == attempt.occurrence.id).unwrap();
        let told = format!("{} {}", record.outcome.as_str(), record.reason.map_or("", |reason| reason.as_str()));
        table.note(attempt.name, attempt.expected, &told);
    }
    pole.wait_log("a clock answer is not signed by the dispatcher", 40);
    let moved = seen.iter().any(|record| record.occurrence.as_str().starts_with("later"));
    let clock = if moved { "it moved" } else { "ignored: not signed by the dispatcher" };
    table.note("clock pushed on and back by whoever carries the messages", "ignored", clock);
    pole.stop();
    let heard = if pole.heard().is_silent() { "silence" } else { "sound" };
    table.note("all of it, in the captured output", "silence", heard);
    table.judge();
}

/// What whoever owns the database can write: that a draft is approved, by an approval and a certificate of his own.
fn edit_database(center: &Center, mallory: &SigningKey) {
    let draft = sound_of(center, "draft").0;
    let approval = Envelope::sign(&approval("draft", draft, mallory), mallory).unwrap();
    let forged = certificate(mallory, Role::Approver);
    let key = key_id(&mallory.public()).to_string();
    let text = |envelope: &Envelope| serde_json::to_string(envelope).unwrap();
    let url = format!("sqlite://{}", center.data().join("center.db").display());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        sqlx::any::install_default_drivers();
        let database = sqlx::AnyPool::connect(&url).await.unwrap();
        let edits = [
            ("update revisions set state = $1 where bulletin = $2", vec!["{\"state\":\"approved\"}".into(), "draft".into()]),
            (
                "insert into approvals (bulletin, revision, approver, envelope, added_ms) values ('draft', 1, $1, $2, 1)",
                vec![key.clone(), text(&approval)],
            ),
            (
                "insert into certificates (key_id, role, title, envelope, valid_until_ms, added_ms) \
                 values ($1, 'approver', 'Mallory', $2, 9000000000000, 1)",
                vec![key.clone(), text(&forged)],
            ),
        ];
        for (sql, values) in edits {
            let query = values.iter().fold(sqlx::query(sql), |query, value| query.bind(value.clone()));
            assert_eq!(query.execute(&database).await.unwrap().rows_affected(), 1, "{sql}");
        }
        database.close().await;
    });
}

fn approvals_in(center: &Center, bulletin: &str) -> Vec<Envelope> {
    let rows = center.look(async |store| store.approvals_of(&bulletin.parse().unwrap()).await);
    rows.into_iter().map(|(_, _, envelope)| envelope).collect()
}

fn approval(bulletin: &str, media: MediaHash, by: &SigningKey) -> Approval {
    Approval {
        site: "mau".parse().unwrap(),
        bulletin: bulletin.parse().unwrap(),
        revision: 1,
        title: bulletin.into(),
        media,
        areas: vec!["66".parse().unwrap()],
        highest: Priority::Emergency,
        valid_from_ms: 0,
        valid_until_ms: unix_ms() + 86_400_000,
        made_ms: unix_ms() - 3_600_000,
        approver: key_id(&by.public()),
    }
}

fn ticket(name: &str, media: MediaHash, by: &SigningKey) -> Ticket {
    Ticket {
        site: "mau".parse().unwrap(),
        ticket: name.parse().unwrap(),
        title: name.into(),
        media: vec![media],
        areas: vec!["66".parse().unwrap()],
        valid_from_ms: unix_ms() - 60_000,
        valid_until_ms: unix_ms() + 3_600_000,
        longest_ms: 600_000,
        made_ms: unix_ms() - 60_000,
        approver: key_id(&by.public()),
    }
}

/// One plan of the true dispatcher with everything that needs an approver, one after the other.
fn attempts(center: &Center, good: &SignedPlan, number: u64, more: Vec<Envelope>) -> (SignedPlan, Vec<Attempt>) {
    let dispatcher = secret(center, "dispatcher.key");
    let mallory = SigningKey::from_seed(&[66; 32]);
    let (tune, siren, missing) =
        (sound_of(center, "dengue").0, sound_of(center, "siren").0, sound_of(center, "tiem").0);
    let thieves = ["expired", "revoked", "elsewhere"].map(|name| (name, stolen(center, name)));
    let chief = stolen(center, "chief");
    let old = Ticket { valid_from_ms: 0, valid_until_ms: unix_ms() - 1000, ..ticket("old", siren, &chief) };
    let far = Ticket { areas: vec!["24169".parse().unwrap()], ..ticket("far", siren, &chief) };
    let first_ms = unix_ms() + 8_000;
    let (normal, urgent) = (Priority::Normal, Priority::Emergency);
    let rows: [(&'static str, &'static str, &str, MediaHash, u32, Priority); 11] = [
        ("content that nobody approved", "missed not_approved", "nobody", tune, 1, normal),
        ("approval by a stranger who certified himself", "missed not_approved", "stranger", tune, 1, normal),
        ("approval by an approver whose certificate has ended", "missed not_approved", "expired", tune, 1, normal),
        ("approval by an approver who was revoked", "missed revoked", "revoked", tune, 1, normal),
        ("approval by an approver of another area", "missed not_approved", "elsewhere", tune, 1, normal),
        ("priority above the approval", "missed not_approved", "dengue", tune, 1, urgent),
        ("another revision than the approved one", "missed not_approved", "dengue", tune, 2, normal),
        ("other sound under the approved name", "missed not_approved", "dengue", siren, 1, normal),
        ("emergency without a ticket", "missed no_ticket", "siren", siren, 1, urgent),
        (
            "emergency by tickets of the server, of yesterday, of elsewhere",
            "missed no_ticket",
            "siren",
            siren,
            1,
            urgent,
        ),
        ("other bytes under the hash that was approved", "missed content_missing", "tiem", missing, 1, normal),
    ];
    let attempt = |(index, (name, expected, bulletin, media, revision, priority)): (
        usize,
        (&'static str, &'static str, &str, MediaHash, u32, Priority),
    )| {
        let start_ms = first_ms + index as i64 * 1_200;
        let item = PlannedItem {
            beneath: false,
            bulletin: bulletin.parse().unwrap(),
            revision,
            media,
            at_ms: 0,
            skip_ms: 0,
            duration_ms: 1_000,
            gain_db: 0.0,
            fade_in: false,
            fade_out: false,
        };
        let occurrence = PlannedOccurrence {
            id: OccurrenceId::new(&format!("attack-{index}").parse().unwrap(), start_ms),
            title: name.to_owned(),
            start_ms,
            end_ms: start_ms + 1_000,
            priority,
            volume_db: 0.0,
            items: vec![item],
        };
        Attempt { name, expected, occurrence }
    };
    let attempts: Vec<Attempt> = rows.into_iter().enumerate().map(attempt).collect();
    let file = std::fs::read(center.data().join("media").join(format!("{missing}.opus"))).unwrap();
    assert_eq!(media_hash(&file), missing);
    let base: Plan = good.plan.peek().unwrap();
    let plan = Plan {
        number,
        made_ms: unix_ms(),
        from_ms: unix_ms() - 1_000,
        media: base.media.iter().cloned().chain([describe(missing, &file)]).collect(),
        occurrences: attempts.iter().map(|attempt| attempt.occurrence.clone()).collect(),
        ..base
    };
    let forged = [("stranger", &mallory)].into_iter().chain(thieves.iter().map(|(name, key)| (*name, key)));
    let forged = forged.map(|(name, key)| Envelope::sign(&approval(name, tune, key), key).unwrap());
    let of_center: Vec<Envelope> = certificates_in(center);
    let signed = SignedPlan {
        plan: Envelope::sign(&plan, &dispatcher).unwrap(),
        certificates: of_center.into_iter().chain([certificate(&mallory, Role::Approver)]).collect(),
        approvals: good.approvals.iter().cloned().chain(more).chain(forged).collect(),
        tickets: vec![
            Envelope::sign(&ticket("servers", siren, &dispatcher), &dispatcher).unwrap(),
            Envelope::sign(&old, &chief).unwrap(),
            Envelope::sign(&far, &chief).unwrap(),
        ],
        ..good.clone()
    };
    (signed, attempts)
}

/// Every certificate that the authority has ever signed here.
fn certificates_in(center: &Center) -> Vec<Envelope> {
    let rows = center.look(async |store| store.certificates().await);
    rows.into_iter().filter(|row| row.certificate.title != "Mallory").map(|row| row.envelope).collect()
}
