//! Tells all speakers of an area something at once: one publish, signed by the dispatcher.
//!
//! An emergency is told again while it lasts whenever a speaker of the site comes on line, so that late comers join it; boards that
//! have obeyed take no notice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rumqttc::{AsyncClient, QoS};
use thiserror::Error;
use tokio::sync::Notify;
use tracing::{error, warn};

use super::app::{self, App, now_ms};
use super::authority::{by_approver, certificates};
use super::store::{Intake, PlayedRow, StoreError};
use crate::domain::approval::{Approval, Certificate, TICKET_EARLY_MS, TICKET_LIFE_MS, Ticket, Use};
use crate::domain::area::AreaTree;
use crate::domain::bulletin::RevisionState;
use crate::domain::command::{Command, LIFE_MS, Order};
use crate::domain::ids::{AreaCode, BulletinId, KeyId, OccurrenceId, TicketId};
use crate::domain::plan::{PlannedItem, PlannedOccurrence};
use crate::domain::priority::Priority;
use crate::protocol::envelope::{Envelope, EnvelopeError};
use crate::protocol::limits::MESSAGE_BYTES;
use crate::protocol::message;
use crate::protocol::topics;
use crate::protocol::trust::SignedCommand;

/// From the order of an emergency to its first sample: what a message to thousands and the decoder need, so that all begin in step.
const LEAD_MS: i64 = 400;
/// Between two repetitions of an emergency.
const PAUSE_MS: i64 = 1_000;
/// How often an emergency is told again at most: to all, though it is for the few who have just come.
const AGAIN_EVERY: Duration = Duration::from_secs(3);
/// So long whoever comes first waits for others who come too.
const GATHER: Duration = Duration::from_millis(500);
/// And without anybody coming on line, for those who could not hear it the first time.
const AGAIN_ANYWAY: Duration = Duration::from_secs(10);
/// Boards take a command from a clock that is a minute ahead of theirs; this much is left to their own error.
const CLOCK_BACK_MS: i64 = 30_000;

#[derive(Debug, Error)]
pub enum CommandError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Conflict(String),
    #[error("no server runs on this data directory, so nobody would hear it; start loaxa serve")]
    NotServing,
    #[error("signing: {0}")]
    Signing(#[from] EnvelopeError),
    #[error("the command is larger than {MESSAGE_BYTES} bytes: repeat it less often")]
    TooLarge,
}

/// What the center knows of its commands.
#[derive(Debug, Default)]
pub struct Commands {
    /// The connection for words, once there is one.
    pub client: OnceLock<AsyncClient>,
    last_ms: Mutex<i64>,
    active: Mutex<Vec<Active>>,
    /// Tickets that commands have used up. Boards know for themselves.
    spent: Mutex<Vec<TicketId>>,
    /// Commands are given one after the other, so that no two take the same ticket and a stop ends what was given before it.
    giving: tokio::sync::Mutex<()>,
    /// Rung when a speaker has come on line.
    pub bell: Notify,
}

#[derive(Debug, Clone)]
struct Active {
    area: AreaCode,
    until_ms: i64,
    payload: Vec<u8>,
}

impl Commands {
    /// When a command is given, which is its number too: it rises, also over a clock that was set back a little.
    fn number(&self, now_ms: i64) -> Result<i64, CommandError> {
        let mut last_ms = self.last_ms.lock().unwrap_or_else(PoisonError::into_inner);
        let made_ms = now_ms.max(*last_ms + 1);
        if made_ms > now_ms + CLOCK_BACK_MS {
            let s = (made_ms - now_ms) / 1000;
            return Err(CommandError::Conflict(format!(
                "this machine's clock was set back: a command was given {s} s after what it shows now, and speakers obey no older one; \
                 set the clock right, or wait so long"
            )));
        }
        *last_ms = made_ms;
        Ok(made_ms)
    }

    fn is_spent(&self, ticket: &TicketId) -> bool {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).contains(ticket)
    }

    fn spend<'a>(&self, tickets: impl Iterator<Item = &'a Envelope>) {
        let named = tickets.filter_map(|envelope| envelope.peek::<Ticket>().ok());
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).extend(named.map(|ticket| ticket.ticket));
    }

    fn active(&self, now_ms: i64) -> Vec<Active> {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.retain(|one| one.until_ms > now_ms);
        active.clone()
    }

    /// Stops telling emergencies of these areas to late comers.
    fn forget(&self, area: &AreaCode, tree: &AreaTree) {
        drop_below(&mut self.active.lock().unwrap_or_else(PoisonError::into_inner), area, tree);
    }
}

fn drop_below(active: &mut Vec<Active>, area: &AreaCode, tree: &AreaTree) {
    active.retain(|one| !tree.path(&one.area).is_ok_and(|path| path.contains(area)));
}

/// What is left of the commands of earlier runs.
pub async fn load(app: &App, now_ms: i64) -> Result<(), StoreError> {
    let last_ms = app.store.newest_command_ms().await?.unwrap_or(0);
    *app.commands.last_ms.lock().unwrap_or_else(PoisonError::into_inner) = last_ms;
    let mut active = vec![];
    let tree = app.store.areas().await?;
    // No ticket that is good now was used before.
    for (area, signed) in app.store.commands_since(now_ms - TICKET_LIFE_MS - TICKET_EARLY_MS).await? {
        app.commands.spend(signed.tickets.iter());
        match signed.command.peek::<Command>() {
            Ok(Command { order: Order::Emergency { .. }, valid_until_ms, .. }) => {
                active.push(Active { area, until_ms: valid_until_ms, payload: message::bytes(&signed) });
            }
            Ok(Command { order: Order::Stop { emergencies: true }, .. }) => drop_below(&mut active, &area, &tree),
            _ => {}
        }
    }
    *app.commands.active.lock().unwrap_or_else(PoisonError::into_inner) = active;
    app.commands.active(now_ms);
    Ok(())
}

/// Signs, keeps and publishes a command to an area.
pub async fn give(app: &App, area: &AreaCode, order: Order, now_ms: i64) -> Result<Command, CommandError> {
    // An emergency that is just being given is to be known before it is ended.
    let _giving = app.commands.giving.lock().await;
    let tree = app.store.areas().await?;
    let made_ms = app.commands.number(now_ms)?;
    if let Order::Stop { emergencies: true } = order {
        app.commands.forget(area, &tree);
    }
    publish(app, area, order, (made_ms, made_ms + LIFE_MS), Statements::default()).await
}

/// By what speakers judge an emergency.
#[derive(Debug, Default)]
struct Statements {
    certificates: Vec<Envelope>,
    approvals: Vec<Envelope>,
    tickets: Vec<Envelope>,
}

async fn publish(
    app: &App,
    area: &AreaCode,
    order: Order,
    (made_ms, valid_until_ms): (i64, i64),
    Statements { certificates, approvals, tickets }: Statements,
) -> Result<Command, CommandError> {
    let client = app.commands.client.get().ok_or(CommandError::NotServing)?;
    let command = Command { site: app.site.site.clone(), area: area.clone(), made_ms, valid_until_ms, order };
    let signed =
        SignedCommand { command: Envelope::sign(&command, &app.trust().dispatcher)?, certificates, approvals, tickets };
    let payload = message::bytes(&signed);
    if payload.len() > MESSAGE_BYTES {
        return Err(CommandError::TooLarge);
    }
    // Out first: it is not to wait for the disk.
    let topic = topics::command(&app.site.site, area);
    client
        .publish(topic, QoS::AtLeastOnce, false, payload.clone())
        .await
        .map_err(|_| CommandError::Conflict("the broker cannot be reached; the command was not sent".into()))?;
    if let Order::Emergency { .. } = command.order {
        app.commands.spend(signed.tickets.iter());
        let mut active = app.commands.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.push(Active { area: area.clone(), until_ms: valid_until_ms, payload });
    }
    if let Order::Emergency { occurrence, .. } = &command.order
        && let Err(problem) = note(app, area, occurrence).await
    {
        error!("which bulletins an emergency in area {area} was made of cannot be noted: {problem}");
    }
    if let Err(problem) = app.store.add_command(&command, &signed).await {
        // It is done all the same: who gave it must not give it again.
        error!("a command to area {area} was sent but cannot be kept for reports: {problem}");
    }
    Ok(command)
}

/// For the account of each bulletin: that it was in this play, and how many were told.
async fn note(app: &App, area: &AreaCode, occurrence: &PlannedOccurrence) -> Result<(), StoreError> {
    let told = app.speaker_areas().await?.values().filter(|path| path.contains(area)).count() as u64;
    let bulletins: BTreeSet<_> = occurrence.items.iter().map(|item| &item.bulletin).collect();
    let row = |bulletin: &BulletinId| PlayedRow {
        bulletin: bulletin.clone(),
        occurrence: occurrence.id.clone(),
        title: occurrence.title.clone(),
        priority: occurrence.priority,
        first_ms: occurrence.start_ms,
        last_ms: occurrence.start_ms,
        end_ms: occurrence.end_ms,
        speakers: told,
    };
    app.store.note_plays(&bulletins.into_iter().map(row).collect::<Vec<_>>()).await
}

/// Has an approved bulletin sound now in an area, `times` times, under the tickets that approvers have signed for it.
pub async fn emergency(
    app: &App,
    area: &AreaCode,
    bulletin: &BulletinId,
    times: u32,
    now_ms: i64,
) -> Result<Command, CommandError> {
    let _giving = app.commands.giving.lock().await;
    let conflict = |why: String| CommandError::Conflict(why);
    let revisions = app.store.revisions(bulletin).await?;
    let approved = revisions.iter().rev().find(|row| row.state == RevisionState::Approved);
    let row = approved.ok_or_else(|| conflict(format!("bulletin {bulletin} is not approved")))?;
    let Intake::Ready(sound) = &row.intake else {
        return Err(conflict(format!("bulletin {bulletin} is not converted")));
    };
    let title = app.store.bulletin(bulletin).await?.title;
    let missing = |e: std::io::Error| conflict(format!("bulletin {bulletin}: its sound is not there: {e}"));
    let list = tokio::task::block_in_place(|| app.chunk_list(&sound.media)).map_err(missing)?;
    let item = |n: u32| PlannedItem {
        beneath: false,
        bulletin: bulletin.clone(),
        revision: row.revision,
        media: sound.media,
        at_ms: i64::from(n) * (sound.duration_ms + PAUSE_MS),
        skip_ms: 0,
        duration_ms: sound.duration_ms,
        gain_db: sound.gain_db,
        fade_in: false,
        fade_out: false,
    };
    let items: Vec<PlannedItem> = (0..times.max(1)).map(item).collect();
    let length_ms = items.last().map_or(0, |last| last.at_ms + last.duration_ms);
    let path = app.store.areas().await?.path(area).unwrap_or_default();
    let wanted = Use {
        bulletin,
        revision: row.revision,
        media: &sound.media,
        priority: Priority::Emergency,
        start_ms: now_ms + LEAD_MS,
        end_ms: now_ms + LEAD_MS + length_ms,
        areas: &path,
    };
    let statements = statements(app, &wanted).await?;
    // As late as can be: what was read until now took its time.
    let made_ms = app.commands.number(app::now_ms())?;
    let (start_ms, end_ms) = (made_ms + LEAD_MS, made_ms + LEAD_MS + length_ms);
    let name = format!("khan-cap-{}", made_ms / 1000);
    let schedule = name.parse().map_err(|_| conflict(format!("{name:?} is no name")))?;
    let occurrence = PlannedOccurrence {
        id: OccurrenceId::new(&schedule, start_ms),
        title,
        start_ms,
        end_ms,
        priority: Priority::Emergency,
        volume_db: 0.0,
        items,
    };
    let order = Order::Emergency { occurrence, media: vec![list.as_ref().clone()] };
    publish(app, area, order, (made_ms, end_ms), statements).await
}

/// What speakers there will judge by; refused here where they would refuse it.
async fn statements(app: &App, wanted: &Use<'_>) -> Result<Statements, CommandError> {
    let trust = app.trust();
    let certificates = certificates(app).await?;
    let approvals: Vec<((Approval, Certificate), Envelope)> =
        (app.store.approvals_of(wanted.bulletin).await?.into_iter())
            .filter(|(_, revision, _)| *revision == wanted.revision)
            .filter_map(|(.., envelope)| Some((by_approver(&envelope, &certificates)?, envelope)))
            .collect();
    let judged = trust.list.judge(approvals.iter().map(|((approval, by), _)| (approval, by)), wanted);
    judged.map_err(|denial| {
        CommandError::Conflict(format!("bulletin {} may not sound there as an emergency: {denial}", wanted.bulletin))
    })?;
    let mut tickets: Vec<((Ticket, Certificate), Envelope)> =
        (app.store.tickets(wanted.start_ms).await?.into_iter().rev())
            .filter_map(|envelope| Some((by_approver(&envelope, &certificates)?, envelope)))
            .collect();
    let length_ms = wanted.end_ms - wanted.start_ms;
    let unused = trust
        .list
        .tickets_for(tickets.iter().map(|((ticket, by), _)| (ticket, by)), wanted)
        .find(|ticket| ticket.longest_ms >= length_ms && !app.commands.is_spent(&ticket.ticket));
    let Some(unused) = unused.map(|ticket| ticket.ticket.clone()) else {
        return Err(CommandError::Conflict(format!(
            "no unused ticket lets bulletin {} sound for {} s there now: an approver signs one with loaxa bulletin ticket",
            wanted.bulletin,
            (length_ms + 999) / 1000
        )));
    };
    // One of them: else a board that comes late might use up another.
    tickets.retain(|((ticket, _), _)| ticket.ticket == unused);
    let signers = approvals.iter().map(|((approval, _), _)| &approval.approver);
    let signers: BTreeSet<&KeyId> = signers.chain(tickets.iter().map(|((ticket, _), _)| &ticket.approver)).collect();
    Ok(Statements {
        certificates: signers.iter().filter_map(|key| Some(certificates.get(*key)?.envelope.clone())).collect(),
        approvals: approvals.iter().map(|(_, envelope)| envelope.clone()).collect(),
        tickets: tickets.iter().map(|(_, envelope)| envelope.clone()).collect(),
    })
}

/// Tells what is on the air to those who have come meanwhile, until the server stops.
pub async fn repeat(app: Arc<App>, client: AsyncClient) {
    let mut next = tokio::time::Instant::now();
    loop {
        let _ = tokio::time::timeout(AGAIN_ANYWAY, app.commands.bell.notified()).await;
        tokio::time::sleep_until(next.max(tokio::time::Instant::now() + GATHER)).await;
        let active = app.commands.active(now_ms());
        if !active.is_empty() {
            next = tokio::time::Instant::now() + AGAIN_EVERY;
        }
        for active in active {
            let topic = topics::command(&app.site.site, &active.area);
            if let Err(error) = client.publish(topic, QoS::AtLeastOnce, false, active.payload).await {
                warn!("an emergency cannot be told again: {error}");
            }
        }
    }
}
