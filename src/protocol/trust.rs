//! What a speaker believes: the chain authority -> dispatcher -> plan and authority -> approver -> approval -> media.
//!
//! A speaker pins one key, the authority's. The transport, the broker and the center's server are not trusted with anything: a
//! plan that fails here is refused whole, an item without a good approval never sounds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::envelope::{Envelope, EnvelopeError};
use super::limits::{PLAN_BYTES, STATEMENT_BYTES, STATEMENTS_PER_PLAN};
use crate::domain::DAY_MS;
use crate::domain::approval::{Approval, Certificate, Denial, PublicKey, Role, Use};
use crate::domain::hours::{DayBudget, Hours, HoursStatement, Openings};
use crate::domain::ids::{AreaCode, KeyId, OccurrenceId, SiteId, SpeakerId};
use crate::domain::plan::{Plan, PlanFault, PlannedItem, PlannedOccurrence};
use crate::domain::priority::Priority;
use crate::protocol::keys::key_id;

/// What is pinned on a speaker when it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    pub site: SiteId,
    pub speaker: SpeakerId,
    /// From the widest unit down to its own.
    pub areas: Vec<AreaCode>,
    pub authority: PublicKey,
    /// The lowest version of each area's lawful hours that is good enough: pinned at installation, raised by every plan accepted since.
    pub hours: BTreeMap<AreaCode, u64>,
}

/// What is published to one speaker: the signed plan with all that is needed to check it offline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedPlan {
    pub plan: Envelope,
    /// Certificates of the dispatcher and the approvers, signed by the authority.
    pub certificates: Vec<Envelope>,
    pub approvals: Vec<Envelope>,
    /// The lawful hours of the speaker's areas, signed by the authority.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<Envelope>,
}

/// Why a plan was refused. The words reach the operator in the speaker's state.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("the plan is larger than {PLAN_BYTES} bytes or holds too many statements")]
    TooLarge,
    #[error("the plan cannot be read: {0}")]
    Unreadable(String),
    #[error("no dispatcher that the authority certified signed the plan")]
    UnknownDispatcher,
    #[error("the dispatcher's certificate does not cover this speaker at this time")]
    DispatcherOverstepped,
    #[error("the plan is for another site or speaker")]
    WrongTarget,
    #[error("plan {offered} was replayed: plan {accepted} is already in force")]
    Replayed { offered: u64, accepted: u64 },
    #[error("the plan has expired")]
    Expired,
    #[error("the plan is unsound: {0}")]
    Unsound(#[from] PlanFault),
    #[error("the plan leaves out the lawful hours of area {0}, or comes with older ones than are known here")]
    HoursRolledBack(AreaCode),
}

/// A plan that was verified; the only way to get one is [`verify`].
#[derive(Debug, Clone)]
pub struct VerifiedPlan {
    plan: Plan,
    approvals: Vec<(Approval, Certificate)>,
    areas: Vec<AreaCode>,
    dispatcher: Certificate,
    hours: BTreeMap<AreaCode, HoursStatement>,
    openings: Openings,
    /// What would make a day longer than is lawful.
    over_the_day: BTreeSet<OccurrenceId>,
}

/// Checks a plan as it arrived.
///
/// `accepted` is the highest number this speaker ever accepted, with which a lower or equal one is a replay; `None` when
/// reading back its own stored plan. `now_ms` is absent while the clock is untrusted: then only relative checks can be made, and the clock's own gate
/// keeps anything from playing.
pub fn verify(
    bytes: &[u8],
    anchor: &Anchor,
    accepted: Option<u64>,
    now_ms: Option<i64>,
) -> Result<VerifiedPlan, Refusal> {
    if bytes.len() > PLAN_BYTES {
        return Err(Refusal::TooLarge);
    }
    let signed: SignedPlan = serde_json::from_slice(bytes).map_err(|e| Refusal::Unreadable(e.to_string()))?;
    let statements = || signed.certificates.iter().chain(&signed.approvals).chain(&signed.hours);
    if statements().count() > STATEMENTS_PER_PLAN || statements().any(|s| s.payload.len() > STATEMENT_BYTES) {
        return Err(Refusal::TooLarge);
    }
    // A certificate that the authority did not sign, or for another site, is as good as absent.
    let certificates: BTreeMap<KeyId, Certificate> = signed
        .certificates
        .iter()
        .filter_map(|envelope| envelope.open::<Certificate>(&anchor.authority).ok())
        .filter(|certificate| certificate.site == anchor.site)
        .map(|certificate| (key_id(&certificate.key), certificate))
        .collect();
    let (plan, dispatcher) = open_plan(&signed.plan, &certificates)?;
    let dispatcher = dispatcher.clone();
    if plan.site != anchor.site || plan.speaker != anchor.speaker {
        return Err(Refusal::WrongTarget);
    }
    let in_time = dispatcher.valid_from_ms <= plan.made_ms && plan.made_ms <= dispatcher.valid_until_ms;
    if !in_time || !anchor.areas.iter().any(|area| dispatcher.areas.contains(area)) {
        return Err(Refusal::DispatcherOverstepped);
    }
    if let Some(accepted) = accepted.filter(|accepted| plan.number <= *accepted) {
        return Err(Refusal::Replayed { offered: plan.number, accepted });
    }
    if now_ms.is_some_and(|now_ms| plan.until_ms <= now_ms || dispatcher.valid_until_ms <= now_ms) {
        return Err(Refusal::Expired);
    }
    plan.check()?;
    let approvals = signed.approvals.iter().filter_map(|envelope| open_approval(envelope, &certificates)).collect();
    let mut hours: BTreeMap<AreaCode, HoursStatement> = BTreeMap::new();
    for statement in signed.hours.iter().filter_map(|envelope| envelope.open::<HoursStatement>(&anchor.authority).ok())
    {
        let known = hours.get(&statement.area).map(|known| known.version);
        if statement.site == anchor.site && anchor.areas.contains(&statement.area) && Some(statement.version) > known {
            hours.insert(statement.area.clone(), statement);
        }
    }
    let kept = |(area, version): &(&AreaCode, &u64)| {
        !anchor.areas.contains(area) || hours.get(area).is_some_and(|offered| offered.version >= **version)
    };
    if let Some((area, _)) = anchor.hours.iter().find(|known| !kept(known)) {
        return Err(Refusal::HoursRolledBack(area.clone()));
    }
    let (openings, over_the_day) = lawful(&plan, &hours);
    Ok(VerifiedPlan { plan, approvals, areas: anchor.areas.clone(), dispatcher, hours, openings, over_the_day })
}

/// When sound is lawful during a plan, and which of its occurrences would make a day too long.
fn lawful(plan: &Plan, statements: &BTreeMap<AreaCode, HoursStatement>) -> (Openings, BTreeSet<OccurrenceId>) {
    // Hours that cannot be read allow nothing: what the authority forbids must not sound because of a slip.
    let never = |statement: &HoursStatement| HoursStatement {
        windows: vec![],
        time_zone: "UTC".into(),
        max_session_s: None,
        max_day_s: None,
        ..statement.clone()
    };
    let read = |statement: &HoursStatement| Hours::new(statement).or_else(|_| Hours::new(&never(statement))).ok();
    let hours: Vec<Hours> = statements.values().filter_map(read).collect();
    let openings = Openings::new(&hours, plan.from_ms - DAY_MS, plan.until_ms + 2 * DAY_MS);
    let mut budget = DayBudget::default();
    let normal = plan.occurrences.iter().filter(|occurrence| occurrence.priority < Priority::Emergency);
    let too_much = normal.filter(|occurrence| {
        !budget.take(&openings, occurrence.start_ms, occurrence.content_end_ms() - occurrence.start_ms)
    });
    let over_the_day = too_much.map(|occurrence| occurrence.id.clone()).collect();
    (openings, over_the_day)
}

fn open_plan<'a>(
    envelope: &Envelope,
    certificates: &'a BTreeMap<KeyId, Certificate>,
) -> Result<(Plan, &'a Certificate), Refusal> {
    let signers = envelope.signatures.iter().take(4).filter_map(|signature| certificates.get(&signature.keyid));
    for dispatcher in signers.filter(|certificate| certificate.role == Role::Dispatcher) {
        match envelope.open::<Plan>(&dispatcher.key) {
            Ok(plan) => return Ok((plan, dispatcher)),
            Err(EnvelopeError::NotSignedBy) => {}
            Err(error) => return Err(Refusal::Unreadable(error.to_string())),
        }
    }
    Err(Refusal::UnknownDispatcher)
}

/// An approval with its approver's certificate; `None` where the chain does not hold.
fn open_approval(envelope: &Envelope, certificates: &BTreeMap<KeyId, Certificate>) -> Option<(Approval, Certificate)> {
    let named = envelope.peek::<Approval>().ok()?.approver;
    let approver = certificates.get(&named).filter(|certificate| certificate.role == Role::Approver)?;
    let approval = envelope.open::<Approval>(&approver.key).ok()?;
    (approval.site == approver.site).then(|| (approval, approver.clone()))
}

impl VerifiedPlan {
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The versions of the lawful hours that it came with.
    pub fn hours_versions(&self) -> impl Iterator<Item = (&AreaCode, u64)> {
        self.hours.iter().map(|(area, statement)| (area, statement.version))
    }

    /// The limited local days that hold an instant, each from its beginning to the next with the most that may sound in it.
    pub fn days_of(&self, ms: i64) -> impl Iterator<Item = (std::ops::Range<i64>, i64)> {
        self.openings.days.iter().filter_map(move |(days, limit_ms)| {
            let index = days.partition_point(|midnight| *midnight <= ms).checked_sub(1)?;
            Some((days[index]..days.get(index + 1).copied().unwrap_or(i64::MAX), *limit_ms))
        })
    }

    /// Whether `item` may sound in `occurrence`, and if not, why.
    pub fn permits(&self, occurrence: &PlannedOccurrence, item: &PlannedItem) -> Result<(), Denial> {
        let wanted = Use {
            bulletin: &item.bulletin,
            revision: item.revision,
            media: &item.media,
            priority: occurrence.priority,
            start_ms: occurrence.start_ms,
            end_ms: occurrence.end_ms,
            areas: &self.areas,
        };
        if !self.dispatcher.covers(&self.areas, occurrence.priority, occurrence.start_ms, occurrence.end_ms) {
            return Err(Denial::DispatcherOverstepped);
        }
        // The second gate: whatever the center planned, nothing but a real emergency sounds outside the lawful hours, and one that was
        // approved for weeks is none: somebody has to say so within a day.
        let lawful = self.openings.allow(occurrence.start_ms, occurrence.content_end_ms())
            && !self.over_the_day.contains(&occurrence.id);
        if !lawful && occurrence.priority < Priority::Emergency {
            return Err(Denial::QuietHours);
        }
        let mut denial = Denial::NoApproval;
        for (approval, approver) in &self.approvals {
            match approval.allows(approver, &wanted) {
                Ok(()) if lawful || approval.passes_the_night() => return Ok(()),
                Ok(()) => denial = Denial::QuietHours,
                Err(Denial::NoApproval) => {}
                Err(other) => denial = other,
            }
        }
        Err(denial)
    }
}
