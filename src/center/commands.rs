//! Tells all speakers of an area something at once: one publish, signed by the dispatcher.
//!
//! An emergency is told again while it lasts whenever a speaker of the site comes on line, so that late comers join it; boards that
//! have obeyed take no notice.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rumqttc::{AsyncClient, QoS};
use thiserror::Error;
use tokio::sync::Notify;
use tracing::warn;

use super::app::{App, now_ms};
use super::store::{Intake, StoreError};
use crate::domain::DAY_MS;
use crate::domain::approval::{Approval, Ticket};
use crate::domain::bulletin::RevisionState;
use crate::domain::command::{Command, LIFE_MS, Order};
use crate::domain::ids::{AreaCode, BulletinId, KeyId, MediaHash, OccurrenceId};
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
/// How often an emergency is told again at most.
const AGAIN_EVERY: Duration = Duration::from_secs(1);

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
    /// Rises with each command, also over a clock that was set back a little.
    fn number(&self, now_ms: i64) -> i64 {
        let mut last_ms = self.last_ms.lock().unwrap_or_else(PoisonError::into_inner);
        *last_ms = now_ms.max(*last_ms + 1);
        *last_ms
    }

    fn active(&self, now_ms: i64) -> Vec<Active> {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.retain(|one| one.until_ms > now_ms);
        active.clone()
    }

    /// Stops telling emergencies of these areas to late comers.
    fn forget(&self, area: &AreaCode, tree: &crate::domain::area::AreaTree) {
        let below = |one: &Active| tree.path(&one.area).is_ok_and(|path| path.contains(area));
        self.active.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| !below(one));
    }
}

/// What is left of the commands of earlier runs.
pub async fn load(app: &App, now_ms: i64) -> Result<(), StoreError> {
    let last_ms = app.store.newest_command_ms().await?.unwrap_or(0);
    *app.commands.last_ms.lock().unwrap_or_else(PoisonError::into_inner) = last_ms;
    let mut active = vec![];
    for (area, signed) in app.store.emergencies(now_ms - DAY_MS, i64::MAX).await? {
        let until_ms = signed.command.peek::<Command>().map_or(0, |command| command.valid_until_ms);
        active.push(Active { area, until_ms, payload: message::bytes(&signed) });
    }
    *app.commands.active.lock().unwrap_or_else(PoisonError::into_inner) = active;
    app.commands.active(now_ms);
    Ok(())
}

/// Signs, keeps and publishes a command to an area.
pub async fn give(app: &App, area: &AreaCode, order: Order, now_ms: i64) -> Result<Command, CommandError> {
    let statements = (vec![], vec![], vec![]);
    if let Order::Stop { emergencies: true } = order {
        app.commands.forget(area, &app.store.areas().await?);
    }
    publish(app, area, order, now_ms + LIFE_MS, statements, now_ms).await
}

type Statements = (Vec<Envelope>, Vec<Envelope>, Vec<Envelope>);

async fn publish(
    app: &App,
    area: &AreaCode,
    order: Order,
    valid_until_ms: i64,
    (certificates, approvals, tickets): Statements,
    now_ms: i64,
) -> Result<Command, CommandError> {
    let client = app.commands.client.get().ok_or(CommandError::NotServing)?;
    let made_ms = app.commands.number(now_ms);
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
        let mut active = app.commands.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.push(Active { area: area.clone(), until_ms: valid_until_ms, payload });
    }
    app.store.add_command(&command, &signed).await?;
    Ok(command)
}

/// Has an approved bulletin sound now in an area, `times` times, under the tickets that approvers have signed for it.
pub async fn emergency(
    app: &App,
    area: &AreaCode,
    bulletin: &BulletinId,
    times: u32,
    now_ms: i64,
) -> Result<Command, CommandError> {
    let conflict = |why: String| CommandError::Conflict(why);
    let revisions = app.store.revisions(bulletin).await?;
    let approved = revisions.iter().rev().find(|row| row.state == RevisionState::Approved);
    let row = approved.ok_or_else(|| conflict(format!("bulletin {bulletin} is not approved")))?;
    let Intake::Ready(sound) = &row.intake else {
        return Err(conflict(format!("bulletin {bulletin} is not converted")));
    };
    let start_ms = now_ms + LEAD_MS;
    let item = |n: u32| PlannedItem {
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
    let end_ms = start_ms + items.last().map_or(0, |last| last.at_ms + last.duration_ms);
    let approvals: Vec<Envelope> = app
        .store
        .approvals_of(bulletin)
        .await?
        .into_iter()
        .filter(|(_, revision, _)| *revision == row.revision)
        .map(|(.., envelope)| envelope)
        .collect();
    let tickets = tickets(app, area, &sound.media, start_ms, end_ms, now_ms).await?;
    if tickets.is_empty() {
        return Err(conflict(format!(
            "no ticket lets bulletin {bulletin} sound for {} s in area {area} now: an approver signs one with loaxa bulletin ticket",
            (end_ms - start_ms + 999) / 1000
        )));
    }
    let signers = approvals.iter().filter_map(|one| one.peek::<Approval>().ok().map(|approval| approval.approver));
    let signers: Vec<KeyId> = signers.chain(tickets.iter().map(|(ticket, _)| ticket.approver.clone())).collect();
    let certificates = app.store.certificates().await?;
    let certificates =
        certificates.into_iter().filter(|one| signers.contains(&one.key)).map(|one| one.envelope).collect();
    let list = app
        .chunk_list(&sound.media)
        .map_err(|e| conflict(format!("bulletin {bulletin}: its sound is not there: {e}")))?;
    let name = format!("khan-cap-{}", now_ms / 1000);
    let schedule = name.parse().map_err(|_| conflict(format!("{name:?} is no name")))?;
    let title = app.store.bulletin(bulletin).await?.title;
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
    let tickets = tickets.into_iter().map(|(_, envelope)| envelope).collect();
    publish(app, area, order, end_ms, (certificates, approvals, tickets), now_ms).await
}

/// Tickets that are in force here for so long a play.
async fn tickets(
    app: &App,
    area: &AreaCode,
    media: &MediaHash,
    start_ms: i64,
    end_ms: i64,
    now_ms: i64,
) -> Result<Vec<(Ticket, Envelope)>, StoreError> {
    let path = app.store.areas().await?.path(area).unwrap_or_default();
    let good = |ticket: &Ticket| {
        ticket.media.contains(media)
            && ticket.areas.iter().any(|area| path.contains(area))
            && ticket.valid_from_ms <= start_ms
            && ticket.valid_until_ms >= end_ms
            && ticket.longest_ms >= end_ms - start_ms
            && !app.trust().list.is_revoked(&ticket.approver)
    };
    let tickets = app.store.tickets(now_ms).await?;
    let read = tickets.into_iter().filter_map(|one| Some((one.peek::<Ticket>().ok()?, one)));
    Ok(read.filter(|(ticket, _)| good(ticket)).collect())
}

/// Tells what is on the air to those who have come meanwhile, until the server stops.
pub async fn repeat(app: Arc<App>, client: AsyncClient) {
    loop {
        app.commands.bell.notified().await;
        tokio::time::sleep(AGAIN_EVERY).await;
        for active in app.commands.active(now_ms()) {
            let topic = topics::command(&app.site.site, &active.area);
            if let Err(error) = client.publish(topic, QoS::AtLeastOnce, false, active.payload).await {
                warn!("an emergency cannot be told again: {error}");
            }
        }
    }
}
