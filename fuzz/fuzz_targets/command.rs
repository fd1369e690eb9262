//! Commands to an area as a speaker judges them. The input is a command with what approvers say for it in plain JSON; they are signed
//! here, so that changes reach what lies behind the signatures. What is obeyed is held against rules written out once more.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use loaxa::domain::approval::{Approval, Certificate, Role, Ticket};
use loaxa::domain::command::{Command, Order};
use loaxa::domain::ids::AreaCode;
use loaxa::domain::plan::{PlannedItem, PlannedOccurrence};
use loaxa::domain::priority::Priority;
use loaxa::protocol::envelope::{Envelope, Statement};
use loaxa::protocol::keys::key_id;
use loaxa::protocol::limits::MESSAGE_BYTES;
use loaxa::protocol::trust::{Anchor, Ratchet, Reading, Told, VerifiedPlan, verify};
use loaxa_fuzz::{fill_in, json, key};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// When the plan in force was made, and until when its dispatcher may dispatch.
const MADE_MS: i64 = 1_795_000_000_000;
const UNTIL_MS: i64 = MADE_MS + 14 * 86_400_000;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| { json::mutate(data, size, max_size, seed) });

#[derive(Deserialize)]
struct Case {
    command: Value,
    #[serde(default)]
    certificates: Vec<Value>,
    #[serde(default)]
    approvals: Vec<Value>,
    #[serde(default)]
    tickets: Vec<Value>,
    /// What was obeyed last, Unix ms.
    #[serde(default)]
    command_ms: i64,
    #[serde(default)]
    stop_ms: i64,
    now_ms: Option<i64>,
    /// Which of the statements a stranger signs instead: the command, the certificates, the approvals, the tickets.
    #[serde(default)]
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
    RawPlan "plan.v2", RawCommand "command.v1", RawCertificate "certificate.v1", RawApproval "approval.v1", RawTicket "ticket.v1"
);

fn anchor() -> Anchor {
    Anchor {
        site: "mau".parse().expect("a site"),
        speaker: "cum-loa-01".parse().expect("a speaker"),
        areas: ["66", "24133"].map(|code| code.parse().expect("an area")).to_vec(),
        authority: key("authority").public(),
        hours: Default::default(),
        trust: 0,
    }
}

/// A plan that plays nothing, from a dispatcher who may dispatch emergencies in 66.
fn in_force() -> &'static VerifiedPlan {
    static PLAN: OnceLock<VerifiedPlan> = OnceLock::new();
    PLAN.get_or_init(|| {
        let mut plan = serde_json::json!({
            "site": "mau", "speaker": "cum-loa-01", "number": 7, "made_ms": MADE_MS, "from_ms": MADE_MS, "until_ms": UNTIL_MS,
            "media": [], "contents": [], "occurrences": [],
        });
        let mut certificate = serde_json::json!({
            "site": "mau", "role": "dispatcher", "title": "x", "key": "key:dispatcher", "areas": ["66"],
            "highest": "emergency", "valid_from_ms": 0, "valid_until_ms": UNTIL_MS,
        });
        fill_in(&mut plan);
        fill_in(&mut certificate);
        let signed = serde_json::json!({
            "plan": Envelope::sign(&RawPlan(plan), &key("dispatcher")).expect("signed"),
            "certificates": [Envelope::sign(&RawCertificate(certificate), &key("authority")).expect("signed")],
            "approvals": [], "hours": [],
        });
        let bytes = serde_json::to_vec(&signed).expect("written");
        verify(&bytes, &anchor(), &Ratchet::default(), Reading::Offered, Some(MADE_MS)).expect("a good plan")
    })
}

fuzz_target!(|data: &[u8]| {
    let Ok(mut value) = serde_json::from_slice::<Value>(data) else { return };
    fill_in(&mut value);
    let Ok(case) = serde_json::from_value::<Case>(value) else { return };
    if case.certificates.len() + case.approvals.len() + case.tickets.len() > 100 {
        return;
    }
    let signer = |part: &str, honest: &str| key(if case.forged == part { "stranger" } else { honest });
    let command = Envelope::sign(&RawCommand(case.command.clone()), &signer("command", "dispatcher"));
    let certificates = case
        .certificates
        .iter()
        .map(|one| Envelope::sign(&RawCertificate(one.clone()), &signer("certificates", "authority")));
    let approvals =
        case.approvals.iter().map(|one| Envelope::sign(&RawApproval(one.clone()), &signer("approvals", "approver")));
    let tickets =
        case.tickets.iter().map(|one| Envelope::sign(&RawTicket(one.clone()), &signer("tickets", "approver")));
    let signed = serde_json::json!({
        "command": command.ok(),
        "certificates": certificates.flatten().collect::<Vec<_>>(),
        "approvals": approvals.flatten().collect::<Vec<_>>(),
        "tickets": tickets.flatten().collect::<Vec<_>>(),
    });
    let bytes = serde_json::to_vec(&signed).expect("it is written");
    let told = Told { command_ms: case.command_ms, stop_ms: case.stop_ms };
    let mut known =
        Ratchet { told: [(key_id(&key("dispatcher").public()), told)].into_iter().collect(), ..Ratchet::default() };
    match in_force().accept(&bytes, &anchor(), &known, case.now_ms) {
        Ok(accepted) => {
            assert!(case.forged != "command" && bytes.len() <= MESSAGE_BYTES, "a stranger's or too long a command");
            obeyed(&case, &accepted.command, accepted.plan.as_ref());
            let before = known.clone();
            in_force().obeyed(&accepted.command, &mut known);
            let told = |known: &Ratchet| known.told.values().map(|told| (told.command_ms, told.stop_ms)).next();
            assert!(told(&known) >= told(&before), "what was obeyed is forgotten");
            let again = in_force().accept(&bytes, &anchor(), &known, case.now_ms);
            let once = matches!(accepted.command.order, Order::Stop { .. } | Order::Volume { .. });
            assert_eq!(again.is_err(), once, "a stop or a volume is obeyed once");
        }
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
});

fn obeyed(case: &Case, command: &Command, plan: Option<&VerifiedPlan>) {
    let anchor = anchor();
    assert!(command.site == anchor.site && anchor.areas.contains(&command.area), "it is for others");
    assert!((0..UNTIL_MS).contains(&command.made_ms), "the dispatcher had no word then");
    let life_ms = command.valid_until_ms - command.made_ms;
    match &command.order {
        Order::Refresh { .. } => assert!(life_ms <= 60_000),
        Order::Stop { .. } => assert!(life_ms <= 60_000 && command.made_ms > case.command_ms),
        Order::Volume { db } => {
            assert!((-30.0..=6.0).contains(db) && life_ms <= 60_000 && command.made_ms > case.command_ms)
        }
        Order::Emergency { .. } => assert!(command.made_ms > case.stop_ms, "it was ended"),
    }
    match case.now_ms {
        Some(now_ms) => assert!((command.made_ms - 60_000..command.valid_until_ms).contains(&now_ms)),
        None => assert!(matches!(command.order, Order::Refresh { .. }), "without a clock nothing else is obeyed"),
    }
    let Order::Emergency { occurrence, .. } = &command.order else { return assert!(plan.is_none()) };
    let plan = plan.expect("something to judge it by");
    assert_eq!(occurrence.priority, Priority::Emergency);
    assert!(occurrence.start_ms >= command.made_ms && occurrence.end_ms >= command.valid_until_ms);
    for item in &occurrence.items {
        assert!(plan.permits(occurrence, item, |_| true).is_err(), "a used ticket");
        if plan.permits(occurrence, item, |_| false).is_ok() {
            permitted(case, occurrence, item);
        }
    }
}

/// What must be so for an item to sound.
fn permitted(case: &Case, occurrence: &PlannedOccurrence, item: &PlannedItem) {
    let anchor = anchor();
    let here = |areas: &[AreaCode]| areas.iter().any(|area| anchor.areas.contains(area));
    let certificates: Vec<Certificate> =
        case.certificates.iter().cloned().filter_map(|one| serde_json::from_value(one).ok()).collect();
    let certified = certificates.iter().any(|one| one.key == key("stranger").public());
    assert!(case.forged != "certificates", "a stranger's certificate was believed");
    assert!(!["approvals", "tickets"].contains(&case.forged.as_str()) || certified, "a stranger was believed");
    let (start_ms, end_ms) = (occurrence.start_ms, occurrence.end_ms);
    let approver = certificates.iter().any(|one| {
        one.role == Role::Approver
            && one.site == anchor.site
            && here(&one.areas)
            && one.highest == Priority::Emergency
            && one.valid_from_ms <= start_ms
            && end_ms <= one.valid_until_ms
    });
    assert!(approver, "nobody may approve an emergency here");
    let approved =
        case.approvals.iter().cloned().filter_map(|one| serde_json::from_value::<Approval>(one).ok()).any(|one| {
            (&one.bulletin, one.revision, &one.media) == (&item.bulletin, item.revision, &item.media)
                && one.site == anchor.site
                && here(&one.areas)
                && one.highest == Priority::Emergency
                && one.valid_from_ms <= start_ms
                && end_ms <= one.valid_until_ms
        });
    assert!(approved, "nobody approved it");
    let ticket = case.tickets.iter().cloned().filter_map(|one| serde_json::from_value::<Ticket>(one).ok()).any(|one| {
        one.media.contains(&item.media)
            && one.site == anchor.site
            && here(&one.areas)
            && one.valid_from_ms <= start_ms
            && end_ms <= one.valid_until_ms
    });
    assert!(ticket, "no ticket");
}
