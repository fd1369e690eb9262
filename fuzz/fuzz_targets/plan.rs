//! Plans as a speaker checks them. The input is a plan with its certificates, approvals and hours in plain JSON; they are signed here, so
//! that changes reach what lies behind the signatures. What is accepted is held against rules written out once more, in other words.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use loaxa::domain::approval::{Approval, Certificate, Role};
use loaxa::domain::hours::{Hours, HoursStatement};
use loaxa::domain::ids::AreaCode;
use loaxa::domain::plan::{PlannedItem, PlannedOccurrence};
use loaxa::domain::priority::Priority;
use loaxa::domain::trust::TrustList;
use loaxa::protocol::envelope::{Envelope, Statement};
use loaxa::protocol::keys::key_id;
use loaxa::protocol::trust::{Anchor, Ratchet, Reading, VerifiedPlan, verify};
use loaxa_fuzz::{fill_in, json, key};
use serde::{Deserialize, Serialize};
use serde_json::Value;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { json::mutate(data, size, max_size, seed) });

#[derive(Deserialize)]
struct Case {
    plan: Value,
    certificates: Vec<Value>,
    approvals: Vec<Value>,
    hours: Vec<Value>,
    #[serde(default)]
    tickets: Vec<Value>,
    #[serde(default)]
    trust: Option<Value>,
    /// The lowest trust list that is good enough.
    #[serde(default)]
    pinned_trust: u64,
    /// What the speaker knows already.
    pinned: BTreeMap<AreaCode, u64>,
    accepted: Option<u64>,
    now_ms: Option<i64>,
    /// Which of the statements a stranger signs instead: the plan, the certificates, the approvals, the hours, the trust list.
    forged: String,
}

macro_rules! raw {
    ($($name:ident $kind:literal),+) => { $(
        /// Any JSON, signed as if it were such a statement.
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        struct $name(Value);
        impl Statement for $name {
            const PAYLOAD_TYPE: &'static str = concat!("application/vnd.loaxa.", $kind, "+json");
        }
    )+ };
}

raw!(
    RawPlan "plan.v2", RawCertificate "certificate.v1", RawApproval "approval.v1", RawHours "hours.v1", RawTicket "ticket.v1",
    RawTrust "trust.v1"
);

fuzz_target!(|data: &[u8]| {
    let Ok(mut value) = serde_json::from_slice::<Value>(data) else { return };
    fill_in(&mut value);
    let Ok(case) = serde_json::from_value::<Case>(value) else { return };
    if case.certificates.len() + case.approvals.len() + case.hours.len() + case.tickets.len() > 30 {
        return;
    }
    let anchor = Anchor {
        site: "mau".parse().expect("a site"),
        speaker: "cum-loa-01".parse().expect("a speaker"),
        areas: ["66", "24133"].map(|code| code.parse().expect("an area")).to_vec(),
        authority: key("authority").public(),
        hours: case.pinned.clone(),
        trust: case.pinned_trust,
    };
    let signer = |part: &str, honest: &str| key(if case.forged == part { "stranger" } else { honest });
    let plan = Envelope::sign(&RawPlan(case.plan.clone()), &signer("plan", "dispatcher"));
    let authority = |part: &str| signer(part, "authority");
    let certificates =
        case.certificates.iter().map(|one| Envelope::sign(&RawCertificate(one.clone()), &authority("certificates")));
    let approvals =
        case.approvals.iter().map(|one| Envelope::sign(&RawApproval(one.clone()), &signer("approvals", "approver")));
    let hours = case.hours.iter().map(|one| Envelope::sign(&RawHours(one.clone()), &authority("hours")));
    let tickets =
        case.tickets.iter().map(|one| Envelope::sign(&RawTicket(one.clone()), &signer("approvals", "approver")));
    let trust = case.trust.iter().map(|one| Envelope::sign(&RawTrust(one.clone()), &authority("trust")));
    let mut signed = serde_json::json!({
        "plan": plan.ok(),
        "certificates": certificates.flatten().collect::<Vec<_>>(),
        "approvals": approvals.flatten().collect::<Vec<_>>(),
        "hours": hours.flatten().collect::<Vec<_>>(),
        "tickets": tickets.flatten().collect::<Vec<_>>(),
    });
    if let Some(trust) = trust.flatten().next() {
        signed["trust"] = serde_json::json!(trust);
    }
    let bytes = serde_json::to_vec(&signed).expect("it is written");
    let plans = case.accepted.map(|number| (key_id(&key("dispatcher").public()), number));
    let known = Ratchet { plans: plans.into_iter().collect(), ..Ratchet::default() };
    match verify(&bytes, &anchor, &known, Reading::Offered, case.now_ms) {
        Ok(verified) => sound(&case, &anchor, &known, &verified),
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
});

/// Whether a stranger's key was certified, which no authority does; the mutator may.
fn strangers_are_certified(case: &Case) -> bool {
    certificates(case).iter().any(|one| one.key == key("stranger").public())
}

/// The list, if the authority signed it for this site.
fn trust_list(case: &Case) -> Option<TrustList> {
    let list = case.trust.clone().filter(|_| case.forged != "trust").and_then(|one| serde_json::from_value(one).ok());
    list.filter(|list: &TrustList| list.site.as_str() == "mau")
}

fn certificates(case: &Case) -> Vec<Certificate> {
    case.certificates.iter().filter_map(|one| serde_json::from_value(one.clone()).ok()).collect()
}

fn sound(case: &Case, anchor: &Anchor, known: &Ratchet, verified: &VerifiedPlan) {
    let plan = verified.plan();
    let certified = strangers_are_certified(case);
    assert!(case.forged != "certificates" && (case.forged != "plan" || certified), "a stranger's plan was accepted");
    assert_eq!((&plan.site, &plan.speaker), (&anchor.site, &anchor.speaker));
    let list = trust_list(case);
    let revoked = |name: &str| list.as_ref().is_some_and(|list| list.revoked.contains(&key_id(&key(name).public())));
    assert!(case.accepted.is_none_or(|accepted| plan.number > accepted || revoked("dispatcher")));
    assert!(!revoked("dispatcher") || certified, "a revoked dispatcher's plan was accepted");
    assert!(list.as_ref().map_or(0, |list| list.version) >= case.pinned_trust, "an older trust list than was pinned");
    assert!(case.now_ms.is_none_or(|now_ms| now_ms < plan.until_ms));
    assert_eq!(plan.check(), Ok(()));
    let slots: Vec<_> = plan.occurrences.iter().map(|one| (one.start_ms, one.end_ms)).collect();
    assert!(slots.iter().all(|(start_ms, end_ms)| start_ms < end_ms));
    assert!(slots.windows(2).all(|pair| pair[0].1 <= pair[1].0), "two at a time");
    let mut after = known.clone();
    verified.advance(&mut after);
    assert!(after.trust >= case.pinned_trust && after.highest_plan() >= plan.number);
    let offered = after.hours;
    // Nothing but a list of the authority's own leads a speaker away from where it was enrolled.
    let moves = list.as_ref().is_some_and(|list| !list.moved.is_empty());
    assert!(moves || verified.areas() == anchor.areas, "it was moved by nobody");
    assert!(list.as_ref().is_none_or(|list| list.is_sound() && list.entries() <= 1000));
    let anchor = &Anchor { areas: verified.areas().to_vec(), ..anchor.clone() };
    let kept = |(area, version): (&AreaCode, &u64)| {
        !anchor.areas.contains(area) || offered.get(area).is_some_and(|known| known >= version)
    };
    assert!(anchor.hours.iter().all(kept), "older hours than were pinned");
    assert!(case.forged != "hours" || offered.is_empty());
    for occurrence in &plan.occurrences {
        for item in &occurrence.items {
            assert!(occurrence.priority < Priority::Emergency || verified.permits(occurrence, item, |_| true).is_err());
            if let Ok(ticket) = verified.permits(occurrence, item, |_| false) {
                assert!(case.forged != "approvals" || certified, "a stranger's approval was believed");
                assert!(!revoked("approver") || certified, "a revoked approver was believed");
                assert_eq!(ticket.is_some(), occurrence.priority == Priority::Emergency);
                permitted(case, anchor, occurrence, item);
            }
        }
    }
    let _ = verified.days_of(plan.made_ms).count();
}

/// What must be so for an item to sound.
fn permitted(case: &Case, anchor: &Anchor, occurrence: &PlannedOccurrence, item: &PlannedItem) {
    let here = |areas: &[AreaCode]| areas.iter().any(|area| anchor.areas.contains(area));
    let approvals = case.approvals.iter().filter_map(|one| serde_json::from_value::<Approval>(one.clone()).ok());
    let approved = approvals.into_iter().any(|one| {
        (&one.bulletin, one.revision, &one.media) == (&item.bulletin, item.revision, &item.media)
            && one.site == anchor.site
            && here(&one.areas)
            && occurrence.priority <= one.highest
            && one.valid_from_ms <= occurrence.start_ms
            && occurrence.end_ms <= one.valid_until_ms
    });
    assert!(approved, "no approval covers it");
    for role in [Role::Approver, Role::Dispatcher] {
        let covered = certificates(case).into_iter().any(|one| {
            one.role == role
                && one.site == anchor.site
                && here(&one.areas)
                && occurrence.priority <= one.highest
                && one.valid_from_ms <= occurrence.start_ms
                && occurrence.end_ms <= one.valid_until_ms
        });
        assert!(covered, "no certificate of a {role:?} covers it");
    }
    if occurrence.priority < Priority::Emergency {
        lawful(case, anchor, occurrence);
    }
}

/// Its first and last millisecond lie in a window of the newest hours of each area, or in 05:00 to 22:00 where there are none.
fn lawful(case: &Case, anchor: &Anchor, occurrence: &PlannedOccurrence) {
    let mut newest: BTreeMap<&AreaCode, HoursStatement> = BTreeMap::new();
    if case.forged != "hours" {
        for one in case.hours.iter().filter_map(|one| serde_json::from_value::<HoursStatement>(one.clone()).ok()) {
            let area = anchor.areas.iter().find(|area| **area == one.area && one.site == anchor.site);
            if let Some(area) = area.filter(|area| newest.get(area).is_none_or(|known| known.version < one.version)) {
                newest.insert(area, one);
            }
        }
    }
    let usual = [("05:00".to_owned(), "22:00".to_owned())];
    let inside = |windows: &[(String, String)], shift_min: i64| {
        let minute = |text: &str| {
            let (hours, minutes) = text.split_once(':').expect("hours that passed");
            hours.parse::<i64>().expect("a number") * 60 + minutes.parse::<i64>().expect("a number")
        };
        [occurrence.start_ms, occurrence.content_end_ms() - 1].into_iter().all(|ms| {
            let now_ms = (ms + shift_min * 60_000).rem_euclid(86_400_000);
            windows.iter().any(|(from, to)| (minute(from) * 60_000..minute(to) * 60_000).contains(&now_ms))
        })
    };
    if newest.is_empty() {
        assert!(occurrence.start_ms < 200_000_000_000 || inside(&usual, 420), "it sounds at night");
    }
    for statement in newest.values() {
        assert!(Hours::new(statement).is_ok(), "hours that say nothing allow nothing");
        let length_s = (occurrence.content_end_ms() - occurrence.start_ms) / 1000;
        assert!(statement.max_session_s.is_none_or(|most| length_s <= i64::from(most)));
        // Vietnam has kept +7 since 1975.
        match statement.time_zone.as_str() {
            "Asia/Ho_Chi_Minh" if occurrence.start_ms > 200_000_000_000 => assert!(inside(&statement.windows, 420)),
            "UTC" => assert!(inside(&statement.windows, 0)),
            _ => {}
        }
    }
}
