//! Makes each speaker's plan: reads what is approved and scheduled, lets the domain decide, signs, stores.
//!
//! What everybody plays is kept in memory ([`Fleet`]) and brought up to date by what has changed, so that one edited rule touches only the
//! speakers it concerns. The store alone is enough to work it all out again, with the same result. A plan gets a new number only when
//! what it says has changed, or when it has slid far enough that a speaker would no longer see the whole horizon.

pub mod check;
mod material;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use thiserror::Error;
use tracing::{info, warn};

use super::app::{App, Change, now_ms};
use super::store::{PlanRow, SpeakerRow, StoreError};
use crate::domain::DAY_MS;
use crate::domain::approval::{Approval, Certificate, Role};
use crate::domain::fleet::Fleet;
use crate::domain::ids::{BulletinId, KeyId, MediaHash, SpeakerId};
use crate::domain::plan::{HORIZON_MS, Plan, PlanFault, PlannedOccurrence};
use crate::domain::timetable::{Piece, Timetable, Window};
use crate::protocol::envelope::{Envelope, EnvelopeError};
use crate::protocol::keys::key_id;
use crate::protocol::limits::PLAN_BYTES;
use crate::protocol::trust::SignedPlan;

pub use material::Material;

#[derive(Debug, Error)]
pub enum PlanError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the plan of {speaker} would be unsound: {fault}")]
    Unsound { speaker: SpeakerId, fault: PlanFault },
    #[error("the plan of {speaker} would be {bytes} bytes, more than {PLAN_BYTES}; schedule less, or seldomer")]
    TooLarge { speaker: SpeakerId, bytes: usize },
    #[error("signing: {0}")]
    Signing(#[from] EnvelopeError),
}

/// What the planner remembers between two rounds.
#[derive(Debug)]
pub struct Planning {
    pub fleet: Fleet,
    /// [`Material::statements`] then.
    statements: [u8; 32],
    /// Number and time of making of each speaker's newest plan.
    newest: BTreeMap<SpeakerId, (u64, i64)>,
}

/// A plan is made anew after this even if nothing changed, so that speakers always see nearly the whole horizon.
const RENEW_MS: i64 = DAY_MS;
/// Plans that were replaced are kept this long, for reports on what should have played.
const KEEP_MS: i64 = 60 * DAY_MS;
/// How often to look without being asked.
const ROUND: Duration = Duration::from_secs(300);
/// A speaker that claims a higher plan than this is mistaken or lying.
pub const HIGHEST_BELIEVED: u64 = 1 << 40;
/// Plans are stored so many at a time.
const PLANS_AT_ONCE: usize = 500;

/// The time that timetables are worked out for: it moves once a day, so that in between only edits do.
pub fn window(now_ms: i64) -> Window {
    let today_ms = now_ms - now_ms.rem_euclid(DAY_MS);
    Window { from_ms: today_ms - DAY_MS, until_ms: today_ms + DAY_MS + HORIZON_MS }
}

pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Brings the timetables up to date with the store. Gives the speakers that may need a new plan; `None` = all of them.
fn refresh(planning: &mut Option<Planning>, material: &Material, now_ms: i64) -> Option<BTreeSet<SpeakerId>> {
    let (window, world) = (window(now_ms), material.world.clone());
    let profiles = material.profiles(&world);
    match planning {
        Some(planning) if planning.fleet.window() == window => {
            let changed = planning.fleet.update(world, profiles, threads());
            let same = planning.statements == material.statements;
            planning.statements = material.statements;
            same.then_some(changed)
        }
        _ => {
            let newest = planning.take().map_or_else(BTreeMap::new, |planning| planning.newest);
            let fleet = Fleet::new(world, window, profiles, threads());
            *planning = Some(Planning { fleet, statements: material.statements, newest });
            None
        }
    }
}

/// Makes and stores the plans that have changed. Gives how many.
pub async fn plan_all(app: &App, now_ms: i64) -> Result<usize, PlanError> {
    let material = Material::load(app).await?;
    let mut guard = app.planning.lock().await;
    let known = guard.is_some();
    let changed = tokio::task::block_in_place(|| refresh(&mut guard, &material, now_ms));
    let Some(planning) = guard.as_mut() else { return Ok(0) };
    if !known {
        let rows = app.store.newest_plans().await?;
        planning.newest = rows.into_iter().map(|row| (row.speaker, (row.number, row.made_ms))).collect();
    }
    let mut rows = vec![];
    let mut made = 0;
    for (id, speaker) in &material.speakers {
        let newest = planning.newest.get(id).copied();
        // A center that was restored from an older copy must go beyond what the speaker has accepted since.
        let accepted = speaker.detail.as_ref().and_then(|detail| detail.plan).filter(|n| *n < HIGHEST_BELIEVED);
        let behind = accepted > newest.map(|(number, _)| number);
        let old = newest.is_none_or(|(_, made_ms)| now_ms - made_ms >= RENEW_MS);
        if !behind && !old && changed.as_ref().is_some_and(|changed| !changed.contains(id)) {
            continue;
        }
        let Some(table) = planning.fleet.timetable(id).cloned() else { continue };
        // What is stored is looked at again where nothing is known to have changed: a restart must not renumber every plan.
        let stored = if behind || old || changed.is_some() { None } else { app.store.newest_plan(id).await? };
        let number = accepted.max(newest.map(|(number, _)| number)).unwrap_or(0) + 1;
        match plan_one(app, &material, &table, speaker, stored.as_ref(), number, now_ms) {
            Ok(Some(row)) => {
                planning.newest.insert(id.clone(), (row.number, row.made_ms));
                rows.push(row);
                made += 1;
            }
            Ok(None) => {}
            // One speaker's trouble must not keep the others from their plans.
            Err(error) => warn!("{error}"),
        }
        if rows.len() >= PLANS_AT_ONCE {
            store(app, planning, std::mem::take(&mut rows)).await?;
        }
    }
    store(app, planning, rows).await?;
    drop(guard);
    app.store.drop_old_plans(now_ms - KEEP_MS).await?;
    Ok(made)
}

/// Plans that could not be stored are made again in the next round.
async fn store(app: &App, planning: &mut Planning, rows: Vec<PlanRow>) -> Result<(), PlanError> {
    if let Err(error) = app.store.add_plans(&rows).await {
        planning.newest.retain(|id, _| !rows.iter().any(|row| row.speaker == *id));
        return Err(error.into());
    }
    Ok(())
}

fn plan_one(
    app: &App,
    material: &Material,
    table: &Timetable,
    speaker: &SpeakerRow,
    stored: Option<&PlanRow>,
    number: u64,
    now_ms: i64,
) -> Result<Option<PlanRow>, PlanError> {
    // A plan that would be too large reaches less far ahead; a shorter plan that arrives beats a full one that does not.
    let mut horizon_ms = HORIZON_MS;
    loop {
        match plan_within(app, material, table, speaker, stored, number, now_ms, horizon_ms) {
            Err(PlanError::TooLarge { .. } | PlanError::Unsound { fault: PlanFault::TooMany, .. })
                if horizon_ms > DAY_MS / 2 =>
            {
                warn!("the plan of {} is too large for {} days; trying half of that", speaker.id, horizon_ms / DAY_MS);
                horizon_ms /= 2;
            }
            result => return result,
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "everything that a plan is made of")]
fn plan_within(
    app: &App,
    material: &Material,
    table: &Timetable,
    speaker: &SpeakerRow,
    stored: Option<&PlanRow>,
    number: u64,
    now_ms: i64,
    horizon_ms: i64,
) -> Result<Option<PlanRow>, PlanError> {
    let mut plan = draft(app, table, &speaker.id, now_ms, horizon_ms)?;
    let statements = statements(material, speaker, &plan);
    if let Some(stored) = stored
        && digest(&plan, &statements, now_ms, stored.until_ms.min(plan.until_ms))
            == digest_of_stored(stored, now_ms, plan.until_ms)
    {
        return Ok(None);
    }
    plan.number = number;
    let digest = digest(&plan, &statements, now_ms, plan.until_ms);
    let until_ms = plan.until_ms;
    let Statements { certificates, approvals, hours } = statements;
    let signed = SignedPlan { plan: Envelope::sign(&plan, &app.dispatcher)?, certificates, approvals, hours };
    let body = serde_json::to_string(&signed).map_err(|e| EnvelopeError::Damaged(e.to_string()))?;
    if body.len() > PLAN_BYTES {
        return Err(PlanError::TooLarge { speaker: speaker.id.clone(), bytes: body.len() });
    }
    Ok(Some(PlanRow { speaker: speaker.id.clone(), number, made_ms: now_ms, until_ms, digest, body }))
}

/// What one speaker plays from now on, what is on the air included.
pub fn draft(
    app: &App,
    table: &Timetable,
    speaker: &SpeakerId,
    now_ms: i64,
    horizon_ms: i64,
) -> Result<Plan, PlanError> {
    let (from_ms, until_ms) = (now_ms - DAY_MS, now_ms + horizon_ms);
    let ahead = |piece: &&Piece| piece.end_ms() > now_ms && (from_ms..until_ms).contains(&piece.start_ms);
    let mut occurrences: Vec<PlannedOccurrence> =
        table.pieces.iter().filter(ahead).filter_map(Piece::planned).collect();
    let used: BTreeSet<MediaHash> = occurrences.iter().flat_map(|o| o.items.iter().map(|item| item.media)).collect();
    let mut media = vec![];
    for hash in used {
        match app.chunk_list(&hash) {
            Ok(list) => media.push(list.as_ref().clone()),
            // One lost file must not keep a speaker from the rest of its plan.
            Err(problem) => {
                warn!("media {hash} cannot be planned: {problem}");
                occurrences.iter_mut().for_each(|occurrence| occurrence.items.retain(|item| item.media != hash));
            }
        }
    }
    occurrences.retain(|occurrence| !occurrence.items.is_empty());
    let plan = Plan {
        site: app.site.site.clone(),
        speaker: speaker.clone(),
        number: 0,
        made_ms: now_ms,
        from_ms,
        until_ms,
        media,
        occurrences,
    };
    plan.check().map_err(|fault| PlanError::Unsound { speaker: speaker.clone(), fault })?;
    Ok(plan)
}

/// What a speaker needs to check a plan by.
struct Statements {
    certificates: Vec<Envelope>,
    approvals: Vec<Envelope>,
    hours: Vec<Envelope>,
}

fn statements(material: &Material, speaker: &SpeakerRow, plan: &Plan) -> Statements {
    let used: BTreeSet<(BulletinId, u32)> = plan
        .occurrences
        .iter()
        .flat_map(|o| o.items.iter().map(|item| (item.bulletin.clone(), item.revision)))
        .collect();
    let approvals: Vec<Envelope> = used.iter().filter_map(|key| material.approvals.get(key).cloned()).collect();
    let mut keys: BTreeSet<KeyId> = approvals
        .iter()
        .filter_map(|envelope| envelope.peek::<Approval>().ok())
        .map(|approval| approval.approver)
        .collect();
    let certificates = material.certificates.values();
    keys.extend(certificates.filter(|row| row.certificate.role == Role::Dispatcher).map(|row| row.key.clone()));
    let certificates =
        keys.iter().filter_map(|key| material.certificates.get(key)).map(|row| row.envelope.clone()).collect();
    let hours = material.areas_of(speaker).iter().filter_map(|area| material.hours.get(area).cloned()).collect();
    Statements { certificates, approvals, hours }
}

/// A fingerprint of what a plan says for the time from `now_ms` to `until_ms`: two plans that agree there say the same to
/// the listener.
fn digest(plan: &Plan, statements: &Statements, now_ms: i64, until_ms: i64) -> String {
    let occurrences: Vec<_> = plan.occurrences.iter().filter(|o| o.end_ms > now_ms && o.start_ms < until_ms).collect();
    // Only the statements that these occurrences rest on: one that has served its turn changes nothing.
    let used: BTreeSet<(&BulletinId, u32)> =
        occurrences.iter().flat_map(|o| o.items.iter().map(|item| (&item.bulletin, item.revision))).collect();
    let approvals: Vec<(Approval, &Envelope)> =
        statements.approvals.iter().filter_map(|envelope| Some((envelope.peek().ok()?, envelope))).collect();
    let is_used = |approval: &Approval| used.contains(&(&approval.bulletin, approval.revision));
    let approvals: Vec<_> = approvals.iter().filter(|(approval, _)| is_used(approval)).collect();
    let signers: BTreeSet<&KeyId> = approvals.iter().map(|(approval, _)| &approval.approver).collect();
    let needed = |envelope: &&Envelope| {
        envelope.peek::<Certificate>().is_ok_and(|c| c.role == Role::Dispatcher || signers.contains(&key_id(&c.key)))
    };
    let certificates: Vec<_> = statements.certificates.iter().filter(needed).collect();
    let approvals: Vec<_> = approvals.iter().map(|(_, envelope)| envelope).collect();
    let mut hasher = Sha256::new();
    for part in [
        serde_json::to_vec(&occurrences),
        serde_json::to_vec(&certificates),
        serde_json::to_vec(&approvals),
        serde_json::to_vec(&statements.hours),
    ] {
        hasher.update(part.unwrap_or_default());
    }
    hex::encode(hasher.finalize())
}

/// The fingerprint of a stored plan from `now_ms` on, as far as both it and a new one reach; a plan that cannot be read differs
/// from everything.
fn digest_of_stored(row: &PlanRow, now_ms: i64, until_ms: i64) -> String {
    read_plan(row)
        .map_or_else(String::new, |(plan, statements)| digest(&plan, &statements, now_ms, row.until_ms.min(until_ms)))
}

/// A stored plan with what it is checked by.
fn read_plan(row: &PlanRow) -> Option<(Plan, Statements)> {
    let signed: SignedPlan = serde_json::from_str(&row.body).ok()?;
    let SignedPlan { plan, certificates, approvals, hours } = signed;
    Some((plan.peek().ok()?, Statements { certificates, approvals, hours }))
}

/// Plans at start, whenever the bell rings, and every few minutes.
pub async fn run(app: Arc<App>) {
    loop {
        match plan_all(&app, now_ms()).await {
            Ok(0) => {}
            Ok(made) => {
                info!("{made} new plans");
                app.publish_bell.notify_one();
                app.changed(Change::Speakers);
                app.changed(Change::Plays);
            }
            Err(error) => warn!("planning: {error}"),
        }
        let _ = tokio::time::timeout(ROUND, app.plan_bell.notified()).await;
    }
}
