//! What a speaker believes: the chain authority -> dispatcher -> plan and authority -> approver -> approval -> media.
//!
//! A speaker pins one key, the authority's. The transport, the broker and the center's server are not trusted with anything: a
//! plan that fails here is refused whole, an item without a good approval never sounds.

mod command;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::envelope::{Envelope, EnvelopeError, Statement};
use super::keys::{self, key_id};
use super::limits::{PLAN_BYTES, STATEMENT_BYTES, STATEMENTS_PER_PLAN, SUCCESSIONS, TRUST_BYTES};
use super::message::SignedClockAnswer;
use crate::domain::DAY_MS;
use crate::domain::approval::{Approval, Certificate, Denial, PublicKey, Role, Ticket, Use};
use crate::domain::hours::{DayBudget, Hours, HoursStatement, Openings};
use crate::domain::ids::{AreaCode, KeyId, OccurrenceId, SiteId, SpeakerId, TicketId};
use crate::domain::plan::{Plan, PlanFault, PlannedItem, PlannedOccurrence};
use crate::domain::priority::Priority;
use crate::domain::trust::{MAX_ENTRIES, Succession, TrustList};
pub use command::{Accepted, CommandRefusal, SignedCommand};

/// What is pinned on a speaker when it is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    pub site: SiteId,
    pub speaker: SpeakerId,
    /// From the widest unit down to its own, as it was then: the trust list may lead on from there.
    pub areas: Vec<AreaCode>,
    pub authority: PublicKey,
    /// The lowest version of each area's lawful hours, and of the trust list, that is good enough at the beginning.
    pub hours: BTreeMap<AreaCode, u64>,
    pub trust: u64,
}

/// What a speaker has accepted since, and never goes behind: it turns one way, but for what the authority itself turns back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ratchet {
    /// The highest plan number by dispatcher. Those of a dispatcher that was revoked since do not count any more.
    pub plans: BTreeMap<KeyId, u64>,
    pub hours: BTreeMap<AreaCode, u64>,
    pub trust: u64,
    /// From the pinned authority to the one of now.
    pub successions: Vec<Envelope>,
    /// What each dispatcher has told last, as with plans.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<KeyId, Told>,
}

/// When the newest commands were given that were obeyed, Unix ms. An emergency counts by its own play and ticket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Told {
    pub command_ms: i64,
    /// Of those that ended emergencies: no older emergency is sounded any more.
    pub stop_ms: i64,
}

impl Ratchet {
    pub fn highest_plan(&self) -> u64 {
        self.plans.values().copied().max().unwrap_or(0)
    }
}

/// What is published to one speaker: the signed plan with all that is needed to check it offline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedPlan {
    pub plan: Envelope,
    /// Certificates of the dispatcher and the approvers, signed by the authority.
    pub certificates: Vec<Envelope>,
    pub approvals: Vec<Envelope>,
    /// Permissions to sound an emergency, signed by approvers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<Envelope>,
    /// The lawful hours of the speaker's areas, signed by the authority.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<Envelope>,
    /// Who is trusted no more, signed by the authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Envelope>,
    /// How one authority followed another since the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub successions: Vec<Envelope>,
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
    #[error("the key of the dispatcher that signed the plan was revoked")]
    RevokedDispatcher,
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
    #[error(
        "the plan comes without the authority's trust list, or with an older one than version {0}, which is known here"
    )]
    TrustRolledBack(u64),
    #[error("the authority's trust list has expired; it has to be signed again")]
    TrustExpired,
    #[error("the authority's trust list moves units in a way that makes no sense")]
    TrustUnsound,
}

/// Where a plan comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// From the network: its number must be higher than any before.
    Offered,
    /// From the network, while the plan with the highest number was lost: that very number may come again.
    OfferedAgain,
    /// A speaker's own, from its disk, which is not trusted either.
    Stored,
}

/// A plan that was verified; the only way to get one is [`verify`].
#[derive(Debug, Clone)]
pub struct VerifiedPlan {
    plan: Plan,
    approvals: Vec<(Approval, Certificate)>,
    tickets: Vec<(Ticket, Certificate)>,
    areas: Vec<AreaCode>,
    dispatcher: Certificate,
    hours: BTreeMap<AreaCode, HoursStatement>,
    trust: TrustList,
    successions: Vec<Envelope>,
    openings: Openings,
    /// What would make a day longer than is lawful.
    over_the_day: BTreeSet<OccurrenceId>,
}

/// Checks a plan as it arrived.
///
/// `now_ms` is absent while the clock is untrusted: then only relative checks can be made, and the clock's own gate
/// keeps anything from playing.
pub fn verify(
    bytes: &[u8],
    anchor: &Anchor,
    known: &Ratchet,
    reading: Reading,
    now_ms: Option<i64>,
) -> Result<VerifiedPlan, Refusal> {
    if bytes.len() > PLAN_BYTES {
        return Err(Refusal::TooLarge);
    }
    let signed: SignedPlan = serde_json::from_slice(bytes).map_err(|e| Refusal::Unreadable(e.to_string()))?;
    bounded(&signed)?;
    let before = follow(anchor, &known.successions);
    let chain = follow(anchor, known.successions.iter().chain(&signed.successions));
    let authority = chain.authority;
    // What an earlier authority said, and what was pinned with it, does not bind its successor.
    let mut floors = match (authority == before.authority, authority == anchor.authority) {
        (false, _) => Floors::default(),
        (true, pinned) => Floors::of(anchor, known, pinned),
    };
    let trust = open_trust(&signed, anchor, &authority, floors.trust, now_ms)?;
    let standing = trust.standing(&anchor.speaker, &anchor.areas, anchor.trust);
    floors.raise(&standing.hours);
    let areas = standing.path;
    // A certificate that the authority did not sign, or for another site, is as good as absent.
    let certificates: BTreeMap<KeyId, Certificate> = signed
        .certificates
        .iter()
        .filter_map(|envelope| envelope.open::<Certificate>(&authority).ok())
        .filter(|certificate| certificate.site == anchor.site)
        .map(|certificate| (key_id(&certificate.key), certificate))
        .collect();
    let (plan, dispatcher) = open_plan(&signed.plan, &certificates)?;
    let dispatcher = dispatcher.clone();
    if trust.is_revoked(&key_id(&dispatcher.key)) {
        return Err(Refusal::RevokedDispatcher);
    }
    if plan.site != anchor.site || plan.speaker != anchor.speaker {
        return Err(Refusal::WrongTarget);
    }
    if !dispatcher.is_valid_at(plan.made_ms) || !areas.iter().any(|area| dispatcher.areas.contains(area)) {
        return Err(Refusal::DispatcherOverstepped);
    }
    let counting = known.plans.iter().filter(|(key, _)| !trust.is_revoked(key));
    let accepted = counting.map(|(_, number)| *number).max().unwrap_or(0);
    let replayed = match reading {
        Reading::Offered => plan.number <= accepted,
        Reading::OfferedAgain => plan.number < accepted,
        Reading::Stored => false,
    };
    if replayed {
        return Err(Refusal::Replayed { offered: plan.number, accepted });
    }
    if now_ms.is_some_and(|now_ms| plan.until_ms <= now_ms || dispatcher.valid_until_ms <= now_ms) {
        return Err(Refusal::Expired);
    }
    plan.check()?;
    let hours = open_hours(&signed, &anchor.site, &areas, &authority, &floors)?;
    if authority != before.authority {
        // Its versions begin anew, but it has to say something wherever the one before did.
        if signed.trust.is_none() || trust.version == 0 {
            return Err(Refusal::TrustRolledBack(known.trust.max(anchor.trust)));
        }
        let said = known.hours.keys().chain(anchor.hours.keys());
        if let Some(area) = said.filter(|area| areas.contains(area)).find(|area| !hours.contains_key(*area)) {
            return Err(Refusal::HoursRolledBack(area.clone()));
        }
    }
    let (openings, over_the_day) = lawful(&plan, &hours);
    Ok(VerifiedPlan {
        approvals: opened(&signed.approvals, &certificates, |approval: &Approval| (&approval.approver, &approval.site)),
        tickets: opened(&signed.tickets, &certificates, |ticket: &Ticket| (&ticket.approver, &ticket.site)),
        plan,
        areas,
        dispatcher,
        hours,
        trust,
        successions: chain.links,
        openings,
        over_the_day,
    })
}

fn bounded(signed: &SignedPlan) -> Result<(), Refusal> {
    let statements = || {
        let plain = signed.certificates.iter().chain(&signed.approvals).chain(&signed.tickets);
        plain.chain(&signed.hours).chain(&signed.successions)
    };
    let large = statements().any(|statement| statement.payload.len() > STATEMENT_BYTES)
        || signed.trust.as_ref().is_some_and(|trust| trust.payload.len() > TRUST_BYTES);
    let many = statements().count() > STATEMENTS_PER_PLAN || signed.successions.len() > SUCCESSIONS;
    if large || many { Err(Refusal::TooLarge) } else { Ok(()) }
}

/// The authority of now, and how it came from the pinned one.
struct Chain {
    authority: PublicKey,
    links: Vec<Envelope>,
}

/// Follows successions from the pinned authority as far as they lead. Each must be signed by both.
fn follow<'a>(anchor: &Anchor, successions: impl IntoIterator<Item = &'a Envelope>) -> Chain {
    let (links, authority) = succeed(&anchor.site, anchor.authority, successions);
    Chain { authority, links }
}

/// The authority at the end of these successions, beginning at `authority`, and those that lead there.
pub fn succeed<'a>(
    site: &SiteId,
    mut authority: PublicKey,
    successions: impl IntoIterator<Item = &'a Envelope>,
) -> (Vec<Envelope>, PublicKey) {
    let mut links: Vec<Envelope> = vec![];
    // Links that were followed already, and any in the wrong order, lead on from nowhere and are passed over.
    for envelope in successions {
        let Ok(link) = envelope.peek::<Succession>() else { continue };
        let by_both =
            || envelope.open::<Succession>(&authority).is_ok() && envelope.open::<Succession>(&link.to).is_ok();
        if links.len() < SUCCESSIONS
            && link.site == *site
            && link.from == authority
            && link.to != authority
            && by_both()
        {
            authority = link.to;
            links.push(envelope.clone());
        }
    }
    (links, authority)
}

/// What must not be gone behind.
#[derive(Default)]
struct Floors {
    trust: u64,
    hours: BTreeMap<AreaCode, u64>,
}

impl Floors {
    fn of(anchor: &Anchor, known: &Ratchet, pinned: bool) -> Self {
        let mut floors = Self { trust: known.trust, hours: known.hours.clone() };
        if pinned {
            floors.trust = floors.trust.max(anchor.trust);
            floors.raise(&anchor.hours);
        }
        floors
    }

    fn raise(&mut self, hours: &BTreeMap<AreaCode, u64>) {
        for (area, version) in hours {
            let known = self.hours.entry(area.clone()).or_default();
            *known = (*known).max(*version);
        }
    }
}

fn open_trust(
    signed: &SignedPlan,
    anchor: &Anchor,
    authority: &PublicKey,
    floor: u64,
    now_ms: Option<i64>,
) -> Result<TrustList, Refusal> {
    let offered = signed.trust.as_ref().and_then(|envelope| envelope.open::<TrustList>(authority).ok());
    match offered.filter(|list| list.site == anchor.site) {
        Some(list) if list.entries() > MAX_ENTRIES => Err(Refusal::TooLarge),
        Some(list) if !list.is_sound() => Err(Refusal::TrustUnsound),
        Some(list) if list.version < floor => Err(Refusal::TrustRolledBack(floor)),
        Some(list) if now_ms.is_some_and(|now_ms| list.valid_until_ms <= now_ms) => Err(Refusal::TrustExpired),
        Some(list) => Ok(list),
        None if floor > 0 => Err(Refusal::TrustRolledBack(floor)),
        None => Ok(TrustList::unless_said(anchor.site.clone())),
    }
}

fn open_hours(
    signed: &SignedPlan,
    site: &SiteId,
    areas: &[AreaCode],
    authority: &PublicKey,
    floors: &Floors,
) -> Result<BTreeMap<AreaCode, HoursStatement>, Refusal> {
    let mut hours: BTreeMap<AreaCode, HoursStatement> = BTreeMap::new();
    for statement in signed.hours.iter().filter_map(|envelope| envelope.open::<HoursStatement>(authority).ok()) {
        let known = hours.get(&statement.area).map(|known| known.version);
        if statement.site == *site && areas.contains(&statement.area) && Some(statement.version) > known {
            hours.insert(statement.area.clone(), statement);
        }
    }
    let kept = |(area, version): &(&AreaCode, &u64)| {
        !areas.contains(area) || hours.get(area).is_some_and(|offered| offered.version >= **version)
    };
    match floors.hours.iter().find(|known| !kept(known)) {
        Some((area, _)) => Err(Refusal::HoursRolledBack(area.clone())),
        None => Ok(hours),
    }
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

/// Statements of approvers, each with its approver's certificate; those whose chain does not hold are left out.
fn opened<S: Statement>(
    envelopes: &[Envelope],
    certificates: &BTreeMap<KeyId, Certificate>,
    signer: impl Fn(&S) -> (&KeyId, &SiteId),
) -> Vec<(S, Certificate)> {
    let open = |envelope: &Envelope| {
        let named = envelope.peek::<S>().ok()?;
        let approver = certificates.get(signer(&named).0).filter(|certificate| certificate.role == Role::Approver)?;
        let statement = envelope.open::<S>(&approver.key).ok()?;
        (*signer(&statement).1 == approver.site).then(|| (statement, approver.clone()))
    };
    envelopes.iter().filter_map(open).collect()
}

impl VerifiedPlan {
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where the speaker stands by what the authority has said: from the widest unit down to its own.
    pub fn areas(&self) -> &[AreaCode] {
        &self.areas
    }

    /// The zone in which people there say the time, as the lawful hours name it.
    pub fn time_zone(&self) -> chrono_tz::Tz {
        let said = self.hours.values().next_back().and_then(|statement| statement.time_zone.parse().ok());
        said.unwrap_or(crate::domain::schedule::DEFAULT_TIME_ZONE)
    }

    /// Turns the ratchet on to what this plan came with.
    pub fn advance(&self, ratchet: &mut Ratchet) {
        if ratchet.successions.len() < self.successions.len() {
            ratchet.hours.clear();
        }
        ratchet.successions.clone_from(&self.successions);
        ratchet.plans.retain(|key, _| !self.trust.is_revoked(key));
        ratchet.told.retain(|key, _| !self.trust.is_revoked(key));
        let number = ratchet.plans.entry(key_id(&self.dispatcher.key)).or_default();
        *number = self.plan.number.max(*number);
        ratchet.hours.extend(self.hours.iter().map(|(area, statement)| (area.clone(), statement.version)));
        ratchet.trust = self.trust.version;
    }

    /// It cannot be earlier than this: when the plan, and what the authority said with it, was made.
    pub fn not_before_ms(&self) -> i64 {
        let said = self.hours.values().map(|statement| statement.made_ms).chain([self.trust.made_ms]);
        said.fold(self.plan.made_ms, i64::max)
    }

    /// Whether the dispatcher of this plan vouches for a clock answer to this speaker.
    pub fn vouches_for(&self, signed: &SignedClockAnswer) -> bool {
        let bytes = signed.answer.signed_bytes(&self.plan.site, &self.plan.speaker);
        let signature = STANDARD.decode(&signed.signature);
        signature.is_ok_and(|signature| keys::verify(&self.dispatcher.key, &bytes, &signature))
    }

    /// The limited local days that hold an instant, each from its beginning to the next with the most that may sound in it.
    pub fn days_of(&self, ms: i64) -> impl Iterator<Item = (std::ops::Range<i64>, i64)> {
        self.openings.days.iter().filter_map(move |(days, limit_ms)| {
            let index = days.partition_point(|midnight| *midnight <= ms).checked_sub(1)?;
            Some((days[index]..days.get(index + 1).copied().unwrap_or(i64::MAX), *limit_ms))
        })
    }

    /// Whether `item` may sound in `occurrence`, and if not, why; `is_used` knows which tickets have sounded before. An emergency gives the
    /// ticket that it uses up.
    pub fn permits<'a>(
        &'a self,
        occurrence: &PlannedOccurrence,
        item: &PlannedItem,
        is_used: impl Fn(&Ticket) -> bool,
    ) -> Result<Option<&'a TicketId>, Denial> {
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
        // The second gate: whatever the center planned, nothing but a real emergency sounds outside the lawful hours.
        let lawful = self.openings.allow(occurrence.start_ms, occurrence.content_end_ms())
            && !self.over_the_day.contains(&occurrence.id);
        if !lawful && occurrence.priority < Priority::Emergency {
            return Err(Denial::QuietHours);
        }
        self.trust.judge(self.approvals.iter().map(|(approval, by)| (approval, by)), &wanted)?;
        if occurrence.priority < Priority::Emergency {
            return Ok(None);
        }
        // And an emergency is real if an approver said so for this very time, once.
        let tickets = self.tickets.iter().map(|(ticket, by)| (ticket, by));
        let mut denial = Denial::NoTicket;
        for ticket in self.trust.tickets_for(tickets, &wanted) {
            if !is_used(ticket) {
                return Ok(Some(&ticket.ticket));
            }
            denial = Denial::TicketUsed;
        }
        Err(denial)
    }
}
