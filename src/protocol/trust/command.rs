//! Commands to a whole area: what a speaker believes of them, given the plan that is in force.
//!
//! The same chain as for plans: the dispatcher of the plan signs the command, approvers sign what an emergency sounds and that it
//! may sound now. A command can do nothing that a plan could not do.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Anchor, Ratchet, VerifiedPlan, opened, succeed};
use crate::domain::approval::{Approval, Certificate, Ticket};
use crate::domain::command::{Command, Order};
use crate::domain::plan::Plan;
use crate::protocol::envelope::{Envelope, Statement};
use crate::protocol::keys::key_id;
use crate::protocol::limits::{MESSAGE_BYTES, STATEMENT_BYTES};

/// A command may come from a clock that is so much ahead of what this speaker takes for the time.
const AHEAD_MS: i64 = 60_000;
/// Statements that come with one command.
const STATEMENTS: usize = 64;

impl Statement for Command {
    const PAYLOAD_TYPE: &'static str = "application/vnd.loaxa.command.v1+json";
}

/// What is published to an area.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedCommand {
    pub command: Envelope,
    /// Of the approvers, signed by the authority; with an emergency only, as the next two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Envelope>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Envelope>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<Envelope>,
}

/// Why a command was not obeyed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandRefusal {
    #[error("the command is too large")]
    TooLarge,
    #[error("the command cannot be read: {0}")]
    Unreadable(String),
    #[error("the dispatcher of the plan in force did not sign the command")]
    UnknownDispatcher,
    #[error("the command is for another site or area")]
    WrongTarget,
    #[error("the command is older than one that was obeyed")]
    Replayed,
    #[error("the command is not for now, or the time is not known here")]
    NotNow,
    #[error("the command is unsound")]
    Unsound,
}

/// A command to be obeyed.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub command: Command,
    /// For an emergency: what lets it sound, judged like any item of a plan.
    pub plan: Option<VerifiedPlan>,
}

impl VerifiedPlan {
    /// Checks a command as it arrived. `now_ms` is absent while the clock is untrusted, and then only a refresh is obeyed.
    pub fn accept(
        &self,
        bytes: &[u8],
        anchor: &Anchor,
        known: &Ratchet,
        now_ms: Option<i64>,
    ) -> Result<Accepted, CommandRefusal> {
        if bytes.len() > MESSAGE_BYTES {
            return Err(CommandRefusal::TooLarge);
        }
        let signed: SignedCommand =
            serde_json::from_slice(bytes).map_err(|e| CommandRefusal::Unreadable(e.to_string()))?;
        let statements = || signed.certificates.iter().chain(&signed.approvals).chain(&signed.tickets);
        if statements().count() > STATEMENTS || statements().any(|one| one.payload.len() > STATEMENT_BYTES) {
            return Err(CommandRefusal::TooLarge);
        }
        let command: Command =
            signed.command.open(&self.dispatcher.key).map_err(|_| CommandRefusal::UnknownDispatcher)?;
        if command.site != anchor.site || !self.areas.contains(&command.area) {
            return Err(CommandRefusal::WrongTarget);
        }
        if !self.dispatcher.is_valid_at(command.made_ms) || !command.is_sound() {
            return Err(CommandRefusal::Unsound);
        }
        let told = known.told.get(&key_id(&self.dispatcher.key)).copied().unwrap_or_default();
        let over_ms = match command.order {
            Order::Refresh { .. } => i64::MIN,
            Order::Stop { .. } | Order::Volume { .. } => told.command_ms,
            Order::Emergency { .. } => told.stop_ms,
        };
        if command.made_ms <= over_ms {
            return Err(CommandRefusal::Replayed);
        }
        let timely = |now_ms: i64| (command.made_ms - AHEAD_MS..command.valid_until_ms).contains(&now_ms);
        if !now_ms.map_or(matches!(command.order, Order::Refresh { .. }), timely) {
            return Err(CommandRefusal::NotNow);
        }
        let plan = match &command.order {
            Order::Emergency { occurrence, media } => {
                let plan = Plan {
                    media: media.clone(),
                    occurrences: vec![occurrence.clone()],
                    // Around this play alone; who it is for and what it is numbered stays.
                    made_ms: command.made_ms,
                    from_ms: command.made_ms,
                    until_ms: occurrence.end_ms.saturating_add(1),
                    site: self.plan.site.clone(),
                    speaker: self.plan.speaker.clone(),
                    number: self.plan.number,
                    neighbours: None,
                };
                plan.check().map_err(|_| CommandRefusal::Unsound)?;
                Some(self.with(plan, &signed, anchor))
            }
            _ => None,
        };
        Ok(Accepted { command, plan })
    }

    /// Notes what was obeyed.
    pub fn obeyed(&self, command: &Command, known: &mut Ratchet) {
        let told = known.told.entry(key_id(&self.dispatcher.key)).or_default();
        match command.order {
            Order::Refresh { .. } | Order::Emergency { .. } => {}
            Order::Stop { emergencies } => {
                told.command_ms = command.made_ms;
                told.stop_ms = if emergencies { command.made_ms } else { told.stop_ms };
            }
            Order::Volume { .. } => told.command_ms = command.made_ms,
        }
    }

    /// What a command's plan is worth once a newer plan is in force: the authority may have revoked who stands behind it.
    pub fn under(&self, newer: &Self) -> Self {
        let mut this = Self { trust: newer.trust.clone(), ..self.clone() };
        if newer.trust.is_revoked(&key_id(&self.dispatcher.key)) {
            this.approvals.clear();
        }
        this
    }

    /// The same trust, with one play of its own and what was said for it.
    fn with(&self, plan: Plan, signed: &SignedCommand, anchor: &Anchor) -> Self {
        let (_, authority) = succeed(&anchor.site, anchor.authority, &self.successions);
        let certificates = signed.certificates.iter().filter_map(|envelope| {
            let certificate = envelope.open::<Certificate>(&authority).ok()?;
            (certificate.site == anchor.site).then(|| (key_id(&certificate.key), certificate))
        });
        let certificates = certificates.collect();
        let approvals =
            opened(&signed.approvals, &certificates, |approval: &Approval| (&approval.approver, &approval.site));
        let tickets = opened(&signed.tickets, &certificates, |ticket: &Ticket| (&ticket.approver, &ticket.site));
        Self {
            plan,
            approvals,
            tickets,
            areas: self.areas.clone(),
            dispatcher: self.dispatcher.clone(),
            hours: self.hours.clone(),
            trust: self.trust.clone(),
            successions: self.successions.clone(),
            openings: self.openings.clone(),
            over_the_day: BTreeSet::new(),
        }
    }
}
