//! What it costs a board to check a plan with all that it rests on, beside the bare signatures in it.

use std::time::Instant;

use loaxa::domain::DAY_MS;
use loaxa::domain::approval::{Approval, Certificate, PublicKey, Role, Ticket};
use loaxa::domain::hours::HoursStatement;
use loaxa::domain::ids::{BulletinId, OccurrenceId};
use loaxa::domain::plan::{Plan, PlannedItem, PlannedOccurrence};
use loaxa::domain::priority::Priority;
use loaxa::domain::trust::TrustList;
use loaxa::protocol::chunks::describe;
use loaxa::protocol::envelope::Envelope;
use loaxa::protocol::keys::{SigningKey, key_id, media_hash};
use loaxa::protocol::trust::{self, Anchor, Ratchet, Reading, SignedPlan};

const NOW_MS: i64 = 1_795_000_000_000;
const ROUNDS: u32 = 200;

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

/// Fourteen days of `a_day` plays, one every so often, of `bulletins` bulletins that two approvers approved.
fn signed(a_day: i64, bulletins: usize) -> SignedPlan {
    let site = || "mau".parse().expect("an id");
    let areas = || vec!["66".parse().expect("a code")];
    let certificate = |key: &SigningKey, role| Certificate {
        site: site(),
        role,
        title: "Trung tâm mẫu".into(),
        key: key.public(),
        areas: areas(),
        highest: Priority::Emergency,
        valid_from_ms: 0,
        valid_until_ms: i64::MAX,
    };
    let media: Vec<_> = (0..bulletins).map(|n| describe(media_hash(&n.to_le_bytes()), &[7; 200_000])).collect();
    let name = |n: usize| -> BulletinId { format!("bulletin-{n}").parse().expect("an id") };
    let occurrence = |turn: i64| {
        let start_ms = NOW_MS + turn * DAY_MS / a_day;
        let n = turn as usize % bulletins;
        let item = PlannedItem {
            beneath: false,
            bulletin: name(n),
            revision: 1,
            media: media[n].hash,
            at_ms: 0,
            skip_ms: 0,
            duration_ms: 30_000,
            gain_db: 1.5,
            fade_in: false,
            fade_out: false,
        };
        PlannedOccurrence {
            id: OccurrenceId::new(&"buoi-sang".parse().expect("an id"), start_ms),
            title: "Phát thanh buổi sáng".into(),
            start_ms,
            end_ms: start_ms + 30_000,
            priority: Priority::Normal,
            volume_db: 0.0,
            items: vec![item],
        }
    };
    let plan = Plan {
        site: site(),
        speaker: "a".parse().expect("an id"),
        number: 1,
        made_ms: NOW_MS,
        from_ms: NOW_MS - DAY_MS,
        until_ms: NOW_MS + 14 * DAY_MS + 1,
        occurrences: (0..14 * a_day).map(occurrence).collect(),
        media: media.clone(),
        neighbours: None,
    };
    let approval = |n: usize, by: &SigningKey| Approval {
        site: site(),
        bulletin: name(n),
        revision: 1,
        title: "Bản tin".into(),
        media: media[n].hash,
        areas: areas(),
        highest: Priority::Normal,
        valid_from_ms: 0,
        valid_until_ms: i64::MAX,
        made_ms: 1,
        approver: key_id(&by.public()),
    };
    let ticket = Ticket {
        site: site(),
        ticket: "t".parse().expect("an id"),
        title: "x".into(),
        media: vec![media[0].hash],
        areas: areas(),
        valid_from_ms: NOW_MS,
        valid_until_ms: NOW_MS + 1,
        longest_ms: 1,
        made_ms: NOW_MS,
        approver: key_id(&key(3).public()),
    };
    let hours = HoursStatement {
        site: site(),
        area: "66".parse().expect("a code"),
        version: 1,
        time_zone: "Asia/Ho_Chi_Minh".into(),
        windows: vec![("00:00".into(), "24:00".into())],
        max_session_s: Some(7_200),
        max_day_s: Some(80_000),
        made_ms: 0,
    };
    let by_authority = |certificate: &Certificate| Envelope::sign(certificate, &key(1)).expect("signed");
    let both = |n: usize| [key(3), key(4)].map(|by| Envelope::sign(&approval(n, &by), &by).expect("signed"));
    SignedPlan {
        plan: Envelope::sign(&plan, &key(2)).expect("signed"),
        certificates: vec![
            by_authority(&certificate(&key(2), Role::Dispatcher)),
            by_authority(&certificate(&key(3), Role::Approver)),
            by_authority(&certificate(&key(4), Role::Approver)),
        ],
        approvals: (0..bulletins).flat_map(both).collect(),
        tickets: vec![Envelope::sign(&ticket, &key(3)).expect("signed")],
        hours: vec![Envelope::sign(&hours, &key(1)).expect("signed")],
        trust: Some(Envelope::sign(&TrustList::unless_said(site()), &key(1)).expect("signed")),
        successions: vec![],
    }
}

fn best_ms(mut work: impl FnMut()) -> f64 {
    let timed = |work: &mut dyn FnMut()| {
        let begun = Instant::now();
        work();
        begun.elapsed().as_secs_f64() * 1000.0
    };
    (0..ROUNDS).map(|_| timed(&mut work)).fold(f64::MAX, f64::min)
}

/// The dispatcher's key of the plans made here.
pub fn dispatcher() -> SigningKey {
    key(2)
}

/// A board that takes them.
pub fn anchor() -> Anchor {
    Anchor {
        site: "mau".parse().expect("an id"),
        speaker: "a".parse().expect("an id"),
        areas: vec!["66".parse().expect("a code")],
        authority: key(1).public(),
        hours: Default::default(),
        trust: 0,
    }
}

/// A plan with one play: so many times the same sound, one after the other.
pub fn one_play(start_ms: i64, item_ms: i64, items: usize) -> Vec<u8> {
    let mut signed = signed(1, 1);
    let mut plan: Plan = signed.plan.open(&dispatcher().public()).expect("its own plan");
    plan.occurrences.truncate(1);
    let occurrence = &mut plan.occurrences[0];
    let item = PlannedItem { duration_ms: item_ms, gain_db: 0.0, ..occurrence.items[0].clone() };
    let at = |n: usize| n as i64 * item_ms;
    occurrence.items = (0..items).map(|n| PlannedItem { at_ms: at(n), ..item.clone() }).collect();
    occurrence.id = OccurrenceId::new(&"buoi-sang".parse().expect("an id"), start_ms);
    (occurrence.start_ms, occurrence.end_ms) = (start_ms, start_ms + at(items));
    signed.plan = Envelope::sign(&plan, &dispatcher()).expect("signed");
    serde_json::to_vec(&signed).expect("JSON")
}

pub fn trust() {
    println!("checking a plan: CPU ms on one core, best of {ROUNDS}; target < 5 ms");
    println!(
        "{:34} {:>8} {:>11} {:>10} {:>16} {:>11}",
        "plan of 14 days", "kB", "signatures", "verify ms", "bare signatures", "permits ms"
    );
    let anchor = anchor();
    for (name, a_day, bulletins) in [
        ("usual: 6 plays a day, 10 bulletins", 6, 10),
        ("busy: 24 a day, 30 bulletins", 24, 30),
        ("the most: 100 a day, 60 bulletins", 100, 60),
    ] {
        let bytes = serde_json::to_vec(&signed(a_day, bulletins)).expect("JSON");
        let look =
            || trust::verify(&bytes, &anchor, &Ratchet::default(), Reading::Offered, Some(NOW_MS)).expect("good");
        let verify_ms = best_ms(|| {
            std::hint::black_box(look());
        });
        let count = 6 + 2 * bulletins + 1;
        let (message, signature) = ([9; 300], key(2).sign(&[9; 300]));
        let public: PublicKey = key(2).public();
        let bare_ms = best_ms(|| {
            for _ in 0..count {
                assert!(loaxa::protocol::keys::verify(&public, std::hint::black_box(&message), &signature));
            }
        });
        let plan = look();
        let permits_ms = best_ms(|| {
            for occurrence in &plan.plan().occurrences {
                plan.permits(occurrence, &occurrence.items[0], |_| false).expect("permitted");
            }
        });
        println!(
            "{name:34} {:8.0} {count:11} {verify_ms:10.2} {bare_ms:16.2} {permits_ms:11.2}",
            bytes.len() as f64 / 1000.0
        );
    }
}
