//! Wire formats as they are: statements, envelopes, messages and plans, byte by byte, in `tests/golden/`.
//!
//! A difference means that the format has changed. If that is meant, `LOAXA_BLESS=1` writes the files anew, and they are committed
//! together with the change.

use std::path::Path;

use loaxa::domain::approval::{Approval, Certificate, Denial, Role, Ticket};
use loaxa::domain::command::{Command, Order};
use loaxa::domain::hours::HoursStatement;
use loaxa::domain::ids::{MediaHash, OccurrenceId};
use loaxa::domain::moved::Moved;
use loaxa::domain::plan::{Plan, PlannedItem, PlannedOccurrence};
use loaxa::domain::priority::Priority;
use loaxa::domain::record::{Evidence, Outcome, PlaybackRecord, Reason};
use loaxa::domain::trust::{Succession, TrustList, TwoApprovers, Withdrawn};
use loaxa::protocol::chunks::{Bitmap, describe};
use loaxa::protocol::enrolment::{Answer, Code, Pinned, Request, SealedAnswer, authority_fingerprint};
use loaxa::protocol::envelope::Envelope;
use loaxa::protocol::keys::{SealedKey, SigningKey, key_id, media_hash};
use loaxa::protocol::message::{
    Ack, ClockAnswer, ClockProbe, ClockState, Health, HealthWarning, PathState, Renew, Renewed, Report, State,
    StateDetail, Want,
};
use loaxa::protocol::trust::{self, Anchor, Ratchet, Reading, Refusal, SignedPlan};
use serde::Serialize;

use crate::harness::repository;

const NOW_MS: i64 = 1_795_000_000_000;

/// A small world with fixed keys: authority 1, dispatcher 2, approver 3.
pub struct World {
    pub authority: SigningKey,
    pub dispatcher: SigningKey,
    pub approver: SigningKey,
    pub media: Vec<u8>,
}

impl World {
    pub fn new() -> Self {
        let key = |n| SigningKey::from_seed(&[n; 32]);
        Self {
            authority: key(1),
            dispatcher: key(2),
            approver: key(3),
            media: (0..100_000u32).map(|n| n as u8).collect(),
        }
    }

    pub fn anchor(&self) -> Anchor {
        Anchor {
            site: "mau".parse().unwrap(),
            speaker: "cum-loa-01".parse().unwrap(),
            areas: vec!["66".parse().unwrap(), "24133".parse().unwrap()],
            authority: self.authority.public(),
            hours: Default::default(),
            trust: 0,
        }
    }

    pub fn hash(&self) -> MediaHash {
        media_hash(&self.media)
    }

    pub fn certificate(&self, key: &SigningKey, role: Role) -> Certificate {
        Certificate {
            site: "mau".parse().unwrap(),
            role,
            title: "Trung tâm mẫu".into(),
            key: key.public(),
            areas: vec!["66".parse().unwrap()],
            highest: Priority::Priority,
            valid_from_ms: NOW_MS - 1_000_000,
            valid_until_ms: NOW_MS + 2_000_000_000,
        }
    }

    pub fn approval(&self) -> Approval {
        Approval {
            site: "mau".parse().unwrap(),
            bulletin: "sot-xuat-huyet".parse().unwrap(),
            revision: 1,
            title: "Phòng, chống sốt xuất huyết".into(),
            media: self.hash(),
            areas: vec!["66".parse().unwrap()],
            highest: Priority::Normal,
            valid_from_ms: NOW_MS,
            valid_until_ms: NOW_MS + 1_900_000_000,
            made_ms: NOW_MS,
            approver: key_id(&self.approver.public()),
        }
    }

    pub fn plan(&self) -> Plan {
        let start_ms = NOW_MS + 60_000;
        Plan {
            site: "mau".parse().unwrap(),
            speaker: "cum-loa-01".parse().unwrap(),
            number: 7,
            made_ms: NOW_MS,
            from_ms: NOW_MS,
            until_ms: NOW_MS + 1_209_600_000,
            media: vec![describe(self.hash(), &self.media)],
            neighbours: None,
            occurrences: vec![PlannedOccurrence {
                id: OccurrenceId::new(&"buoi-sang".parse().unwrap(), start_ms),
                title: "Phát thanh buổi sáng".into(),
                start_ms,
                end_ms: start_ms + 600_000,
                priority: Priority::Normal,
                volume_db: -3.0,
                items: vec![PlannedItem {
                    beneath: false,
                    bulletin: "sot-xuat-huyet".parse().unwrap(),
                    revision: 1,
                    media: self.hash(),
                    at_ms: 0,
                    skip_ms: 0,
                    duration_ms: 9_360,
                    gain_db: 2.25,
                    fade_in: false,
                    fade_out: true,
                }],
            }],
        }
    }

    pub fn hours(&self) -> HoursStatement {
        HoursStatement {
            site: "mau".parse().unwrap(),
            area: "66".parse().unwrap(),
            version: 3,
            time_zone: "Asia/Ho_Chi_Minh".into(),
            windows: vec![("05:00".into(), "07:00".into()), ("11:00".into(), "24:00".into())],
            max_session_s: Some(3_600),
            max_day_s: Some(14_400),
            made_ms: NOW_MS,
        }
    }

    pub fn trust(&self) -> TrustList {
        TrustList {
            site: "mau".parse().unwrap(),
            version: 5,
            made_ms: NOW_MS,
            valid_until_ms: NOW_MS + 63_244_800_000,
            revoked: vec![key_id(&SigningKey::from_seed(&[9; 32]).public())],
            withdrawn: vec![Withdrawn { bulletin: "bao-cu".parse().unwrap(), up_to: 2 }],
            two_approvers: vec![TwoApprovers { area: "66".parse().unwrap(), from: Priority::Emergency }],
            moved: vec![],
        }
    }

    /// The list after a unit has become part of another.
    pub fn trust_moved(&self) -> TrustList {
        let codes = |list: &[&str]| list.iter().map(|code| code.parse().unwrap()).collect();
        let merged = Moved {
            since: 6,
            areas: codes(&["24136", "24139"]),
            speakers: vec![],
            below: codes(&["66", "24133"]),
            hours: [("66".parse().unwrap(), 3)].into(),
        };
        let alone = Moved {
            since: 4,
            areas: vec![],
            speakers: vec!["cum-loa-07".parse().unwrap()],
            below: codes(&["66", "24133"]),
            hours: Default::default(),
        };
        TrustList { version: 6, moved: vec![alone, merged], ..self.trust() }
    }

    pub fn ticket(&self) -> Ticket {
        Ticket {
            site: "mau".parse().unwrap(),
            ticket: "0123456789abcdef".parse().unwrap(),
            title: "Báo động lũ".into(),
            media: vec![self.hash()],
            areas: vec!["66".parse().unwrap()],
            valid_from_ms: NOW_MS,
            valid_until_ms: NOW_MS + 3_600_000,
            longest_ms: 600_000,
            made_ms: NOW_MS,
            approver: key_id(&self.approver.public()),
        }
    }

    /// One authority gives way to another, both signing.
    pub fn succession(&self, from: &SigningKey, to: &SigningKey) -> Envelope {
        let link = Succession { site: "mau".parse().unwrap(), from: from.public(), to: to.public(), made_ms: NOW_MS };
        let mut envelope = Envelope::sign(&link, from).unwrap();
        envelope.countersign::<Succession>(to).unwrap();
        envelope
    }

    /// What a speaker has accepted that had plan `number` from the dispatcher.
    pub fn accepted(&self, number: u64) -> Ratchet {
        Ratchet { plans: [(key_id(&self.dispatcher.public()), number)].into(), ..Ratchet::default() }
    }

    pub fn signed(&self, plan: &Plan) -> SignedPlan {
        SignedPlan {
            plan: Envelope::sign(plan, &self.dispatcher).unwrap(),
            certificates: vec![
                Envelope::sign(&self.certificate(&self.dispatcher, Role::Dispatcher), &self.authority).unwrap(),
                Envelope::sign(&self.certificate(&self.approver, Role::Approver), &self.authority).unwrap(),
            ],
            approvals: vec![Envelope::sign(&self.approval(), &self.approver).unwrap()],
            tickets: vec![],
            hours: vec![Envelope::sign(&self.hours(), &self.authority).unwrap()],
            trust: Some(Envelope::sign(&self.trust(), &self.authority).unwrap()),
            successions: vec![],
        }
    }
}

pub fn check<T: Serialize>(name: &str, value: &T) {
    check_at(&repository().join("tests/golden").join(name), value);
}

fn check_at<T: Serialize>(path: &Path, value: &T) {
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    if std::env::var_os("LOAXA_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(golden == text, "{} has changed; see the head of this file.\nnow: {text}", path.display());
}

pub fn record() -> PlaybackRecord {
    PlaybackRecord {
        speaker: "cum-loa-01".parse().unwrap(),
        occurrence: OccurrenceId::new(&"buoi-sang".parse().unwrap(), NOW_MS),
        plan_number: 7,
        start_ms: NOW_MS,
        end_ms: NOW_MS + 600_000,
        outcome: Outcome::Partial,
        reason: Some(Reason::ContentMissing),
        evidence: Evidence::Sounded,
        started_ms: Some(NOW_MS),
        start_error_us: Some(-120),
        clock_error_us: Some(450),
        heard_ms: 4_500,
        level_dbfs: Some(-16.5),
        peak_dbfs: Some(-1.0),
        underruns: 1,
        off_line_us: Some(35),
        heard_back_db: Some(-21.5),
        heard_back_delay_ms: Some(48),
    }
}

#[test]
fn statements_and_envelopes_are_as_agreed() {
    let world = World::new();
    check("certificate.json", &world.certificate(&world.approver, Role::Approver));
    check("approval.json", &world.approval());
    check("hours.json", &world.hours());
    check("plan.json", &world.plan());
    check("trust-list.json", &world.trust());
    check("trust-list-moved.json", &world.trust_moved());
    check("ticket.json", &world.ticket());
    check("succession.json", &world.succession(&world.authority, &SigningKey::from_seed(&[4; 32])));
    check("signed-plan.json", &world.signed(&world.plan()));
    let stop = Command {
        site: "mau".parse().unwrap(),
        area: "66".parse().unwrap(),
        made_ms: NOW_MS,
        valid_until_ms: NOW_MS + 60_000,
        order: Order::Stop { emergencies: true },
    };
    check("command.json", &Envelope::sign(&stop, &world.dispatcher).unwrap());
}

/// What a person signs, as the page has to write it to the byte: web/tests/sign.spec.ts makes the same envelopes. One of each kind with
/// what may be left out left out, and a title that JSON has to escape.
#[test]
fn what_a_person_signs_is_as_agreed() {
    let world = World::new();
    let signed = |key: &SigningKey, envelope: Envelope, statement: serde_json::Value| {
        let seed = hex::encode(*key.seed());
        serde_json::json!({ "seed": seed, "public_key": loaxa::domain::approval::key_text::format(&key.public()), "statement": statement, "envelope": envelope })
    };
    fn both<S: loaxa::protocol::envelope::Statement>(statement: &S, key: &SigningKey) -> (Envelope, serde_json::Value) {
        (Envelope::sign(statement, key).unwrap(), serde_json::to_value(statement).unwrap())
    }
    let odd = "Bà \"Hai\" \\ tổ 3\n\u{1}\u{7f}\u{2028}\u{1f4e2}";
    let (authority, approver) = (&world.authority, &world.approver);
    let certificate = world.certificate(approver, Role::Approver);
    let bare_hours = HoursStatement { windows: vec![], max_session_s: None, max_day_s: None, ..world.hours() };
    let bare_trust =
        TrustList { revoked: vec![], withdrawn: vec![], two_approvers: vec![], moved: vec![], ..world.trust() };
    let moved = Moved {
        since: 4,
        areas: vec!["24169".parse().unwrap()],
        speakers: vec![],
        below: vec!["66".parse().unwrap(), "24133".parse().unwrap()],
        // By their letters, not by their numbers.
        hours: [("66".parse().unwrap(), 3), ("24133".parse().unwrap(), 2)].into(),
    };
    let moving = TrustList { moved: vec![moved], ..world.trust() };
    let list = [
        (approver, both(&world.approval(), approver)),
        (approver, both(&world.ticket(), approver)),
        (authority, both(&certificate, authority)),
        (authority, both(&Certificate { title: odd.into(), ..certificate.clone() }, authority)),
        (authority, both(&world.hours(), authority)),
        (authority, both(&bare_hours, authority)),
        (authority, both(&world.trust(), authority)),
        (authority, both(&bare_trust, authority)),
        (authority, both(&moving, authority)),
    ];
    let list: Vec<_> = list.into_iter().map(|(key, (envelope, statement))| signed(key, envelope, statement)).collect();
    check("signed-statements.json", &list);
}

/// The page made it, and writes the same file from the same chances: web/tests/sign.spec.ts.
#[test]
fn a_key_that_the_page_made_opens_here() {
    let text = std::fs::read_to_string(repository().join("tests/golden/page-key.json")).unwrap();
    let sealed: SealedKey = serde_json::from_str(&text).unwrap();
    let key = sealed.open("bốn từ bất kỳ: sông, gạch").unwrap();
    assert_eq!(*key.seed(), [5; 32]);
    check("page-key.json", &sealed);
}

/// The page opens the same file with the same passphrase: web/tests/sign.spec.ts.
#[test]
fn the_golden_sealed_key_opens_with_its_passphrase() {
    let text = std::fs::read_to_string(repository().join("tests/golden/sealed-key.json")).unwrap();
    let sealed: SealedKey = serde_json::from_str(&text).unwrap();
    let key = sealed.open("ngõ nhỏ, phố nhỏ: 12 cây bàng").unwrap();
    assert_eq!(key_id(&key.public()).as_str(), "19eef55a2fa780329693c8b5e6845b7a");
    check("sealed-key.json", &sealed);
}

#[test]
fn messages_are_as_agreed() {
    let mut missing = Bitmap::with_len(12);
    [0, 3, 11].into_iter().for_each(|index| missing.set(index));
    let detail = StateDetail {
        version: "0.1.0".into(),
        clock: ClockState {
            trusted: true,
            error_us: Some(450),
            source: Some("neighbour:cum-loa-02".into()),
            apart_us: Some(-1_200),
            converter_ppm: Some(-12.5),
        },
        plan: Some(7),
        plan_refused: Some("the plan has expired".into()),
        media_wanted: 4,
        media_ready: 3,
        missing: vec![MediaHash([0xab; 32]).prefix()],
        playing: Some(record().occurrence),
        outbox: 2,
        volume_db: None,
        amplifier_problem: None,
        capture_problem: Some("the capture device went away".into()),
        path: Some(PathState { gain_db: Some(-29.0), baseline_db: Some(-21.0) }),
        path_warning: Some("8 dB quieter than at installation, 3 plays in a row".into()),
        store_problem: Some("No space left on device (os error 28)".into()),
        areas: vec![],
        health: Some(Health {
            temperature_c: Some(81),
            free_mb: Some(1200),
            free_percent: Some(35),
            card_life_used_percent: Some(90),
            written_kb: Some(840),
            written_kb_per_day: Some(1680),
            resident_kb: Some(17_500),
            board_up_s: Some(43_260),
            program_up_s: 43_200,
            load_percent: Some(12),
            warnings: vec![HealthWarning::Hot, HealthWarning::CardWorn],
        }),
    };
    check("state.json", &State { birth: 33_554_433, online: true, detail: Some(detail) });
    check("last-will.json", &State { birth: 33_554_433, online: false, detail: None });
    check("report.json", &Report { records: vec![record()] });
    check("ack.json", &Ack { occurrences: vec![record().occurrence] });
    let media = MediaHash([0xab; 32]);
    check("want.json", &Want { media, missing: missing.clone(), due_ms: Some(1_795_000_000_000), urgent: false });
    check("want-urgent.json", &Want { media, missing, due_ms: Some(1_795_000_000_000), urgent: true });
    check("clock-probe.json", &ClockProbe { sequence: 3, sent_mono_ns: 123_456_789 });
    let answer = ClockAnswer {
        sequence: 3,
        sent_mono_ns: 123_456_789,
        arrived_unix_ns: NOW_MS * 1_000_000,
        answered_unix_ns: NOW_MS * 1_000_000 + 5_000,
    };
    let speaker = "cum-loa-01".parse().unwrap();
    check("clock-answer.json", &answer.sign(&"mau".parse().unwrap(), &speaker, &World::new().dispatcher));
}

#[test]
fn enrolment_is_as_agreed() {
    let world = World::new();
    let ca_pem = "-----BEGIN CERTIFICATE-----\nAAECAwQFBgc=\n-----END CERTIFICATE-----\n";
    let site = "mau".parse().unwrap();
    let code = Code::new([7; 10], &site, &world.authority.public(), &[0, 1, 2, 3, 4, 5, 6, 7]);
    let request = Request::new(&code, [9; 16], b"a certificate request");
    let answer = Answer {
        pinned: Pinned {
            trust: 5,
            site,
            speaker: "cum-loa-01".parse().unwrap(),
            areas: vec!["66".parse().unwrap(), "24133".parse().unwrap()],
            authority: world.authority.public(),
            hours: [("66".parse().unwrap(), 3)].into(),
        },
        ca: ca_pem.into(),
        certificate: "-----BEGIN CERTIFICATE-----\n...".into(),
        made_ms: NOW_MS,
        valid_until_ms: NOW_MS + 31_536_000_000,
        mqtt: "mqtts://loa.xa.vn:8883".into(),
        http: "https://loa.xa.vn:8080".into(),
    };
    let sealed = SealedAnswer::new(&code.mac_key(), &request.nonce, &answer);
    assert_eq!(sealed.open(&code, &request).unwrap(), answer);
    let vector = serde_json::json!({
        "authority_fingerprint": authority_fingerprint(&world.authority.public()),
        "code": code.to_string(),
        "mac_key": code.mac_key().to_text(),
        "request": request,
        "answer": answer,
        "sealed": sealed,
    });
    check("enrolment.json", &vector);
    check("renew.json", &Renew { csr: "AAEC".into() });
    let renewed = Renewed { certificate: "PEM".into(), made_ms: NOW_MS, valid_until_ms: NOW_MS + 1 };
    check("certificate-renewed.json", &renewed);
}

#[test]
fn the_golden_plan_verifies_and_each_way_of_breaking_it_is_named() {
    let world = World::new();
    let anchor = world.anchor();
    let bytes = |signed: &SignedPlan| serde_json::to_vec(signed).unwrap();
    let golden = std::fs::read(repository().join("tests/golden/signed-plan.json")).unwrap();
    let verified = trust::verify(&golden, &anchor, &world.accepted(6), Reading::Offered, Some(NOW_MS)).unwrap();
    let occurrence = &verified.plan().occurrences[0];
    assert_eq!(verified.permits(occurrence, &occurrence.items[0], |_| false), Ok(None));

    let refused = |signed: &SignedPlan, anchor: &Anchor| {
        trust::verify(&bytes(signed), anchor, &world.accepted(6), Reading::Offered, Some(NOW_MS)).unwrap_err()
    };
    let good = world.signed(&world.plan());
    assert_eq!(
        trust::verify(&golden, &anchor, &world.accepted(7), Reading::Offered, Some(NOW_MS)).unwrap_err(),
        Refusal::Replayed { offered: 7, accepted: 7 }
    );
    let late = trust::verify(&golden, &anchor, &world.accepted(6), Reading::Offered, Some(NOW_MS + 1_300_000_000));
    assert_eq!(late.unwrap_err(), Refusal::Expired);
    let other = Anchor { speaker: "cum-loa-02".parse().unwrap(), ..anchor.clone() };
    assert_eq!(refused(&good, &other), Refusal::WrongTarget);
    let far = Anchor { areas: vec!["01".parse().unwrap()], ..anchor.clone() };
    assert_eq!(refused(&good, &far), Refusal::DispatcherOverstepped);
    let stranger = Anchor { authority: world.approver.public(), ..anchor.clone() };
    assert_eq!(refused(&good, &stranger), Refusal::UnknownDispatcher);
    // An approver's key is no dispatcher's.
    let by_approver = SignedPlan { plan: Envelope::sign(&world.plan(), &world.approver).unwrap(), ..good.clone() };
    assert_eq!(refused(&by_approver, &anchor), Refusal::UnknownDispatcher);
    // A certificate in the plan's place.
    let confused = SignedPlan { plan: good.certificates[0].clone(), ..good.clone() };
    assert!(matches!(refused(&confused, &anchor), Refusal::UnknownDispatcher | Refusal::Unreadable(_)));
    let mut unsound = world.plan();
    unsound.occurrences[0].items[0].gain_db = 90.0;
    assert!(matches!(refused(&world.signed(&unsound), &anchor), Refusal::Unsound(_)));
    // Without its approval the plan is sound, but nothing in it may play.
    let bare = SignedPlan { approvals: vec![], ..good };
    let verified = trust::verify(&bytes(&bare), &anchor, &world.accepted(6), Reading::Offered, Some(NOW_MS)).unwrap();
    let occurrence = &verified.plan().occurrences[0];
    assert!(verified.permits(occurrence, &occurrence.items[0], |_| false).is_err());
}

#[test]
fn only_a_real_emergency_passes_the_night_and_a_day_has_its_measure() {
    let world = World::new();
    let emergency = |role| Certificate { highest: Priority::Emergency, ..world.certificate(&world.dispatcher, role) };
    // 03:15 in Vietnam, outside the signed hours.
    let night_ms = NOW_MS + 32_900_000;
    let at_hand = Ticket { valid_until_ms: NOW_MS + 86_400_000, ..world.ticket() };
    let verdict = |level: Priority,
                   approved: Priority,
                   start_ms: i64,
                   length_ms: i64,
                   times: i64,
                   ticket: Option<&Ticket>| {
        let mut plan = world.plan();
        let base = plan.occurrences.remove(0);
        plan.occurrences = (0..times)
            .map(|turn| {
                let start_ms = start_ms + turn * length_ms;
                let items = vec![PlannedItem { duration_ms: length_ms, ..base.items[0].clone() }];
                let id = OccurrenceId::new(&"s".parse().unwrap(), start_ms);
                PlannedOccurrence { id, start_ms, end_ms: start_ms + length_ms, priority: level, items, ..base.clone() }
            })
            .collect();
        let approver = Certificate { key: world.approver.public(), ..emergency(Role::Approver) };
        let approval = Approval { highest: approved, ..world.approval() };
        let signed = SignedPlan {
            certificates: [emergency(Role::Dispatcher), approver]
                .map(|certificate| Envelope::sign(&certificate, &world.authority).unwrap())
                .into(),
            approvals: vec![Envelope::sign(&approval, &world.approver).unwrap()],
            tickets: ticket.iter().map(|ticket| Envelope::sign(*ticket, &world.approver).unwrap()).collect(),
            trust: None,
            ..world.signed(&plan)
        };
        let bytes = serde_json::to_vec(&signed).unwrap();
        let known = Ratchet::default();
        let verified = trust::verify(&bytes, &world.anchor(), &known, Reading::Offered, Some(NOW_MS)).unwrap();
        let last = verified.plan().occurrences.last().unwrap();
        verified.permits(last, &last.items[0], |_| false).map(|ticket| ticket.cloned())
    };
    use Priority::{Emergency, Normal};
    let (minute, ticket) = (60_000, Some(&at_hand));
    assert_eq!(verdict(Normal, Emergency, night_ms, minute, 1, ticket), Err(Denial::QuietHours));
    assert_eq!(verdict(Emergency, Normal, night_ms, minute, 1, ticket), Err(Denial::PriorityTooHigh));
    assert_eq!(verdict(Emergency, Emergency, night_ms, minute, 1, None), Err(Denial::NoTicket));
    assert_eq!(verdict(Emergency, Emergency, night_ms, minute, 1, ticket), Ok(Some(at_hand.ticket.clone())));
    assert_eq!(verdict(Emergency, Emergency, night_ms, 11 * minute, 1, ticket), Err(Denial::NoTicket));
    // A ticket that is good for weeks is none.
    let standing = Ticket { valid_until_ms: NOW_MS + 1_000_000_000, ..world.ticket() };
    assert_eq!(verdict(Emergency, Emergency, night_ms, minute, 1, Some(&standing)), Err(Denial::NoTicket));
    // 12:00 on the next day: an hour at most, and four hours in all.
    let noon_ms = NOW_MS + 64_400_000;
    assert_eq!(verdict(Normal, Normal, noon_ms, 61 * minute, 1, None), Err(Denial::QuietHours));
    assert_eq!(verdict(Normal, Normal, noon_ms, 60 * minute, 4, None), Ok(None));
    assert_eq!(verdict(Normal, Normal, noon_ms, 60 * minute, 5, None), Err(Denial::QuietHours));
}

#[test]
fn what_neighbours_tell_each_other_is_as_agreed() {
    use loaxa::protocol::neighbour::{Known, Packet, area_key};
    let world = World::new();
    let key = area_key(&world.dispatcher, &"mau".parse().unwrap(), &"24133".parse().unwrap());
    let (a, b) = ("cum-loa-01".parse().unwrap(), "cum-loa-02".parse().unwrap());
    let known =
        Known { offset_ns: 1_794_999_000_000_000_000, at_mono_ns: 5_000_000_000, rate: -1.25e-5, error_ns: 900_000 };
    let packets = [
        Packet::Beacon { speaker: a, class: 2 },
        Packet::Probe { speaker: b, to: "cum-loa-01".parse().unwrap(), sequence: 7, sent_mono_ns: 123 },
        Packet::Answer {
            speaker: "cum-loa-01".parse().unwrap(),
            to: "cum-loa-02".parse().unwrap(),
            sequence: 7,
            sent_mono_ns: 123,
            boot: 99,
            arrived_mono_ns: 456,
            answered_mono_ns: 457,
            known,
        },
    ];
    let sealed = packets.clone().map(|packet| hex::encode(packet.seal(&key)));
    check(
        "neighbours.json",
        &serde_json::json!({ "key": String::from(key.clone()), "packets": packets, "sealed": sealed }),
    );
    for (packet, sealed) in packets.into_iter().zip(sealed) {
        assert_eq!(Packet::open(&hex::decode(sealed).unwrap(), &key), Some(packet));
    }
}

/// The types of the page's client are made from it (`npm run generate`), so that page and center cannot drift apart.
#[test]
fn the_openapi_description_is_the_one_that_the_page_is_made_from() {
    let description = serde_json::to_value(loaxa::center::api::description()).unwrap();
    let operations =
        description["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let ids: Vec<_> = operations.map(|operation| operation["operationId"].as_str().expect("each has an id")).collect();
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "each id once");
    check_at(&repository().join("web/openapi.json"), &description);
}
