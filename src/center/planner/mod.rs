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

use thiserror::Error;
use tracing::{info, warn};

use super::app::{App, Change, now_ms};
use super::bulletin_plays::Noted;
use super::delivery::with_book;
use super::store::{PlanRow, SpeakerRow, StoreError};
use crate::domain::DAY_MS;
use crate::domain::approval::{Approval, Certificate, Role, Ticket};
use crate::domain::fleet::Fleet;
use crate::domain::ids::{BulletinId, KeyId, MediaHash, SpeakerId};
use crate::domain::plan::{HORIZON_MS, Plan, PlanFault, PlanText, PlannedOccurrence};
use crate::domain::priority::Priority;
use crate::domain::timetable::{Piece, Profile, Timetable, Window};
use crate::protocol::envelope::{Envelope, EnvelopeError};
use crate::protocol::keys::key_id;
use crate::protocol::limits::PLAN_BYTES;
use crate::protocol::neighbour::area_key;
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
    fleet: Fleet,
    /// [`Material::statements`] then.
    statements: [u8; 32],
    /// Number, time of making and end of each speaker's newest plan, once they were read.
    newest: Option<BTreeMap<SpeakerId, (u64, i64, i64)>>,
    /// Whose timetable has changed since plans were last made; `None` = nothing is known, the stored plans decide.
    pending: Option<BTreeSet<SpeakerId>>,
    /// Which plays are about to begin, for the account of each bulletin.
    noted: Noted,
}

/// A plan is made anew after this even if nothing changed, so that speakers always see nearly the whole horizon.
const RENEW_MS: i64 = DAY_MS;
/// A center's clock may be set back by so much without new plans.
const CLOCK_AHEAD_MS: i64 = 60_000;
/// Plans that were replaced are kept this long, for reports on what should have played.
const KEEP_MS: i64 = 60 * DAY_MS;
/// So long the changes of speakers are told.
const KEEP_TURNS_MS: i64 = 90 * DAY_MS;
/// How often to look without being asked.
const ROUND: Duration = Duration::from_secs(300);
/// A speaker that claims a higher plan than this is mistaken or lying.
pub const HIGHEST_BELIEVED: u64 = 1 << 40;
const TICKETS_PER_PLAN: usize = 32;
/// Emergency sounds that a speaker keeps at hand.
const STANDBY: usize = 32;
/// Plans are stored so many at a time.
const PLANS_AT_ONCE: usize = 500;

/// The time that timetables are worked out for: it moves once a day, so that in between only edits do.
pub fn window(now_ms: i64) -> Window {
    let today_ms = now_ms - now_ms.rem_euclid(DAY_MS);
    Window { from_ms: today_ms - DAY_MS, until_ms: today_ms + DAY_MS + HORIZON_MS }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Brings the timetables up to date with the store, and notes whose have changed.
fn refresh<'a>(known: &'a mut Option<Planning>, material: &Material, now_ms: i64) -> &'a mut Planning {
    let (window, world) = (window(now_ms), material.world.clone());
    let profiles = material.profiles(&world);
    match known.take().filter(|planning| planning.fleet.window() == window) {
        Some(mut planning) => {
            let changed = planning.fleet.update(world, profiles, threads());
            match &mut planning.pending {
                Some(pending) if planning.statements == material.statements => pending.extend(changed),
                pending => *pending = None,
            }
            planning.statements = material.statements;
            known.insert(planning)
        }
        None => {
            let fleet = Fleet::new(world, window, profiles, threads());
            let noted = Noted::default();
            known.insert(Planning { fleet, statements: material.statements, newest: None, pending: None, noted })
        }
    }
}

/// Everybody's timetables as the store has them now.
pub async fn current_fleet(app: &App, material: &Material, now_ms: i64) -> Fleet {
    let mut guard = app.planning.lock().await;
    tokio::task::block_in_place(|| refresh(&mut guard, material, now_ms).fleet.clone())
}

/// The timetables of some speakers in a window of one's own; those that are in memory where it lies within theirs.
pub async fn fleet_in(
    app: &App,
    material: &Material,
    wanted: Window,
    now_ms: i64,
    whose: impl Fn(&SpeakerId, &Profile) -> bool,
) -> Fleet {
    let known = window(now_ms);
    if wanted.from_ms >= known.from_ms && wanted.until_ms <= known.until_ms {
        return current_fleet(app, material, now_ms).await;
    }
    tokio::task::block_in_place(|| {
        let mut profiles = material.profiles(&material.world);
        profiles.retain(|speaker, profile| whose(speaker, profile));
        // What began the day before may still be on the air.
        let window = Window { from_ms: wanted.from_ms - DAY_MS, until_ms: wanted.until_ms };
        Fleet::new(material.world.clone(), window, profiles, threads())
    })
}

/// Everybody's timetables and the number of everybody's newest plan, as the planner left them. Where nobody plans, as in a command
/// that works without a server, by what the store says now.
pub async fn known_fleet(app: &App, now_ms: i64) -> Result<(Fleet, BTreeMap<SpeakerId, u64>), PlanError> {
    let numbers =
        |newest: &BTreeMap<SpeakerId, (u64, i64, i64)>| newest.iter().map(|(id, one)| (id.clone(), one.0)).collect();
    if let Some(Planning { fleet, newest: Some(newest), .. }) = app.planning.lock().await.as_ref() {
        return Ok((fleet.clone(), numbers(newest)));
    }
    let fleet = current_fleet(app, &Material::load(app).await?, now_ms).await;
    let newest = app.store.newest_numbers().await?;
    Ok((fleet, newest.into_iter().map(|(speaker, number, ..)| (speaker, number)).collect()))
}

/// A speaker that may need a new plan.
struct Due<'a> {
    speaker: &'a SpeakerRow,
    profile: Arc<Profile>,
    table: Arc<Timetable>,
    /// The plan in the store, if the new one has to say something else than that.
    stored: Option<PlanRow>,
    number: u64,
}

/// Makes and stores the plans that have changed. Gives how many.
pub async fn plan_all(app: &App, now_ms: i64) -> Result<usize, PlanError> {
    let material = Material::load(app).await?;
    if let Ok(mut standby) = app.standby.write() {
        *standby = material.standby.iter().map(|(media, _)| *media).collect();
    }
    // Held only while the timetables are brought up to date: whoever asks what an edit would do does not wait for the plans.
    let mut guard = app.planning.lock().await;
    let planning = tokio::task::block_in_place(|| refresh(&mut guard, &material, now_ms));
    if planning.newest.is_none() {
        let numbers = app.store.newest_numbers().await?;
        let newest =
            numbers.into_iter().map(|(speaker, number, made_ms, until_ms)| (speaker, (number, made_ms, until_ms)));
        planning.newest = Some(newest.collect());
    }
    let numbers = planning.newest.clone().unwrap_or_default();
    let changed = planning.pending.replace(BTreeSet::new());
    let mut due = vec![];
    for (id, speaker) in &material.speakers {
        let newest = numbers.get(id).copied();
        // A center that was restored from an older copy must go beyond what the speaker has accepted since.
        let accepted = speaker.detail.as_ref().and_then(|detail| detail.plan).filter(|n| *n < HIGHEST_BELIEVED);
        let behind = accepted > newest.map(|(number, ..)| number);
        // A plan that had to be short is renewed as much sooner.
        let old =
            newest.is_none_or(|(_, made_ms, until_ms)| now_ms - made_ms >= RENEW_MS.min((until_ms - made_ms) / 2));
        // Made by a clock that was ahead: boards would take it for impossible that it is earlier.
        let old = old || newest.is_some_and(|(_, made_ms, _)| made_ms > now_ms + CLOCK_AHEAD_MS);
        if !behind && !old && changed.as_ref().is_some_and(|changed| !changed.contains(id)) {
            continue;
        }
        let Some((profile, table)) = planning.fleet.of(id) else { continue };
        let number = accepted.max(newest.map(|(number, ..)| number)).unwrap_or(0) + 1;
        // Where nothing is known to have changed the stored plan decides: a restart must not renumber every plan.
        let compare = !behind && !old && changed.is_none();
        due.push((compare, Due { speaker, profile, table, stored: None, number }));
    }
    let (new, gone) = tokio::task::block_in_place(|| planning.noted.step(&planning.fleet, now_ms));
    drop(guard);
    let made = make_and_store(app, &material, due, now_ms).await;
    if made.is_err()
        && let Some(planning) = app.planning.lock().await.as_mut()
    {
        // What was not stored is not known to be planned.
        (planning.newest, planning.pending) = (None, None);
    }
    if !new.is_empty() || !gone.is_empty() {
        app.store.note_plays(&new).await?;
        app.store.forget_plays(&gone).await?;
    }
    app.store.drop_old_plans(now_ms - KEEP_MS).await?;
    app.store.drop_old_tickets(now_ms - KEEP_MS).await?;
    app.store.drop_old_turns(now_ms - KEEP_TURNS_MS).await?;
    made
}

async fn make_and_store(
    app: &App,
    material: &Material,
    mut due: Vec<(bool, Due<'_>)>,
    now_ms: i64,
) -> Result<usize, PlanError> {
    let mut made = 0;
    while !due.is_empty() {
        let mut batch: Vec<Due<'_>> = vec![];
        for (compare, mut one) in due.drain(..due.len().min(PLANS_AT_ONCE)) {
            if compare {
                one.stored = app.store.newest_plan(&one.speaker.id).await?;
            }
            batch.push(one);
        }
        // Those of one profile beside each other, since they share what is worked out.
        batch.sort_by(|a, b| a.profile.cmp(&b.profile));
        let (rows, failed) = tokio::task::block_in_place(|| make_all(app, material, &batch, now_ms));
        if !failed.is_empty()
            && let Some(pending) = app.planning.lock().await.as_mut().and_then(|planning| planning.pending.as_mut())
        {
            // Tried again in the next round.
            pending.extend(failed);
        }
        if !rows.is_empty() {
            app.store.add_plans(&rows).await?;
            with_book(app, |book| rows.iter().for_each(|row| book.made(&row.speaker, row.number)));
            let mut guard = app.planning.lock().await;
            if let Some(newest) = guard.as_mut().and_then(|planning| planning.newest.as_mut()) {
                newest.extend(rows.iter().map(|row| (row.speaker.clone(), (row.number, row.made_ms, row.until_ms))));
            }
            made += rows.len();
        }
    }
    Ok(made)
}

/// Makes the plans of a batch on all threads, and names the speakers for which that failed. One speaker's trouble does not keep the
/// others from their plans.
fn make_all(app: &App, material: &Material, batch: &[Due<'_>], now_ms: i64) -> (Vec<PlanRow>, Vec<SpeakerId>) {
    let make = |part: &[Due<'_>]| -> (Vec<PlanRow>, Vec<SpeakerId>) {
        let mut shared: Option<(Arc<Profile>, Draft)> = None;
        let (mut rows, mut failed) = (vec![], vec![]);
        for one in part {
            match make_one(app, material, one, &mut shared, now_ms) {
                Ok(row) => rows.extend(row),
                Err(error) => {
                    warn!("{error}");
                    failed.push(one.speaker.id.clone());
                }
            }
        }
        (rows, failed)
    };
    let share = batch.len().div_ceil(threads()).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = batch.chunks(share).map(|part| (part, scope.spawn(|| make(part)))).collect();
        let (mut rows, mut failed) = (vec![], vec![]);
        for (part, worker) in workers {
            match worker.join() {
                Ok((made, not_made)) => {
                    rows.extend(made);
                    failed.extend(not_made);
                }
                Err(_) => failed.extend(part.iter().map(|one| one.speaker.id.clone())),
            }
        }
        (rows, failed)
    })
}

/// What the plans of one profile have in common.
struct Draft {
    plan: Plan,
    text: PlanText,
    statements: Statements,
}

fn make_one(
    app: &App,
    material: &Material,
    due: &Due<'_>,
    shared: &mut Option<(Arc<Profile>, Draft)>,
    now_ms: i64,
) -> Result<Option<PlanRow>, PlanError> {
    let id = &due.speaker.id;
    // A plan that would be too large reaches less far ahead; a shorter plan that arrives beats a full one that does not.
    let mut horizon_ms = HORIZON_MS;
    loop {
        if shared.as_ref().is_none_or(|(profile, _)| *profile != due.profile) || horizon_ms < HORIZON_MS {
            *shared = None;
        }
        let result = match shared {
            Some((_, draft)) => sign(app, draft, due, now_ms),
            None => draft(app, material, due, now_ms, horizon_ms).and_then(|plan| {
                let statements = statements(material, due.speaker, &plan);
                let draft = Draft { text: PlanText::from(plan.clone()), plan, statements };
                let (_, draft) = shared.insert((due.profile.clone(), draft));
                sign(app, draft, due, now_ms)
            }),
        };
        match result {
            Err(PlanError::TooLarge { .. } | PlanError::Unsound { fault: PlanFault::TooMany, .. })
                if horizon_ms > DAY_MS / 2 =>
            {
                warn!("the plan of {id} is too large for {} days; trying half of that", horizon_ms / DAY_MS);
                horizon_ms /= 2;
            }
            result => {
                if horizon_ms < HORIZON_MS {
                    *shared = None;
                }
                return result;
            }
        }
    }
}

fn sign(app: &App, draft: &mut Draft, due: &Due<'_>, now_ms: i64) -> Result<Option<PlanRow>, PlanError> {
    if due.stored.as_ref().is_some_and(|stored| says_the_same(stored, draft, now_ms)) {
        return Ok(None);
    }
    let speaker = &due.speaker.id;
    draft.text.address(speaker.clone(), due.number);
    let plan = Envelope::sign(&draft.text, &app.trust().dispatcher)?;
    let body = serde_json::to_string(&draft.statements.clone().with(plan))
        .map_err(|e| EnvelopeError::Damaged(e.to_string()))?;
    if body.len() > PLAN_BYTES {
        return Err(PlanError::TooLarge { speaker: speaker.clone(), bytes: body.len() });
    }
    let until_ms = draft.plan.until_ms;
    Ok(Some(PlanRow { speaker: speaker.clone(), number: due.number, made_ms: now_ms, until_ms, body }))
}

/// What one speaker plays from now on, what is on the air included.
fn draft(app: &App, material: &Material, due: &Due<'_>, now_ms: i64, horizon_ms: i64) -> Result<Plan, PlanError> {
    let (table, speaker) = (&due.table, &due.speaker.id);
    let (from_ms, until_ms) = (now_ms - DAY_MS, now_ms + horizon_ms);
    let ahead = |piece: &&Piece| piece.end_ms() > now_ms && (from_ms..until_ms).contains(&piece.start_ms);
    let mut occurrences: Vec<PlannedOccurrence> =
        table.pieces.iter().filter(ahead).filter_map(Piece::planned).collect();
    let used: BTreeSet<MediaHash> = occurrences.iter().flat_map(|o| o.items.iter().map(|item| item.media)).collect();
    let areas = material.areas_of(due.speaker);
    let here = material.standby.iter().filter(|(_, named)| named.iter().any(|area| areas.contains(area)));
    let standby: BTreeSet<MediaHash> = here.map(|(media, _)| *media).take(STANDBY).collect();
    let mut media = vec![];
    for hash in used.union(&standby).copied() {
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
        neighbours: Some(area_key(&app.trust().dispatcher, &app.site.site, &due.speaker.area)),
    };
    plan.check().map_err(|fault| PlanError::Unsound { speaker: speaker.clone(), fault })?;
    Ok(plan)
}

/// What a speaker needs to check a plan by.
#[derive(Debug, Clone)]
struct Statements {
    certificates: Vec<Envelope>,
    approvals: Vec<Envelope>,
    tickets: Vec<Envelope>,
    hours: Vec<Envelope>,
    trust: Option<Envelope>,
    successions: Vec<Envelope>,
}

impl Statements {
    fn with(self, plan: Envelope) -> SignedPlan {
        let Self { certificates, approvals, tickets, hours, trust, successions } = self;
        SignedPlan { plan, certificates, approvals, tickets, hours, trust, successions }
    }
}

fn statements(material: &Material, speaker: &SpeakerRow, plan: &Plan) -> Statements {
    let items = || plan.occurrences.iter().flat_map(|o| o.items.iter().map(move |item| (o, item)));
    let used: BTreeSet<(BulletinId, u32)> = items().map(|(_, item)| (item.bulletin.clone(), item.revision)).collect();
    let urgent: BTreeSet<MediaHash> =
        items().filter(|(o, _)| o.priority == Priority::Emergency).map(|(_, item)| item.media).collect();
    let approvals: Vec<Envelope> =
        used.iter().filter_map(|key| material.approvals.get(key)).flatten().cloned().collect();
    let areas = material.areas_of(speaker);
    let here = |ticket: &Ticket| ticket.areas.iter().any(|area| areas.contains(area));
    let tickets = material.tickets.iter().rev();
    let tickets = tickets.filter(|(ticket, _)| here(ticket) && ticket.media.iter().any(|media| urgent.contains(media)));
    // The newest, should somebody have signed very many.
    let tickets = tickets.take(TICKETS_PER_PLAN);
    let (named, tickets): (Vec<KeyId>, Vec<Envelope>) =
        tickets.map(|(ticket, envelope)| (ticket.approver.clone(), envelope.clone())).unzip();
    let signers = approvals.iter().filter_map(|envelope| envelope.peek::<Approval>().ok());
    let mut keys: BTreeSet<KeyId> = signers.map(|approval| approval.approver).chain(named).collect();
    keys.insert(material.trust.dispatcher_id());
    let certificates =
        keys.iter().filter_map(|key| material.certificates.get(key)).map(|row| row.envelope.clone()).collect();
    let hours = areas.iter().filter_map(|area| material.hours.get(area).cloned()).collect();
    Statements {
        certificates,
        approvals,
        tickets,
        hours,
        trust: material.trust.list_envelope.clone(),
        successions: material.trust.successions.clone(),
    }
}

/// Whether a stored plan tells the listener the same as a new one, from now on and as far as both reach.
fn says_the_same(stored: &PlanRow, draft: &Draft, now_ms: i64) -> bool {
    let Ok(signed) = serde_json::from_str::<SignedPlan>(&stored.body) else { return false };
    let Ok(old) = signed.plan.peek::<Plan>() else { return false };
    let until_ms = old.until_ms.min(draft.plan.until_ms);
    let ahead = |plan: &Plan| -> Vec<PlannedOccurrence> {
        plan.occurrences.iter().filter(|o| o.end_ms > now_ms && o.start_ms < until_ms).cloned().collect()
    };
    let (before, now) = (ahead(&old), ahead(&draft.plan));
    // Only the statements that these rest on: one that has served its turn changes nothing.
    let used: BTreeSet<(&BulletinId, u32)> =
        now.iter().flat_map(|o| o.items.iter().map(|item| (&item.bulletin, item.revision))).collect();
    let needed = |certificates: &[Envelope], approvals: &[Envelope]| -> Vec<Envelope> {
        let mut signers: BTreeSet<KeyId> = BTreeSet::new();
        let mut kept: Vec<Envelope> = vec![];
        for envelope in approvals {
            if let Ok(approval) = envelope.peek::<Approval>()
                && used.contains(&(&approval.bulletin, approval.revision))
            {
                signers.insert(approval.approver);
                kept.push(envelope.clone());
            }
        }
        kept.extend(
            certificates
                .iter()
                .filter(|envelope| {
                    envelope
                        .peek::<Certificate>()
                        .is_ok_and(|c| c.role == Role::Dispatcher || signers.contains(&key_id(&c.key)))
                })
                .cloned(),
        );
        kept
    };
    let new = &draft.statements;
    let known: BTreeSet<MediaHash> = old.media.iter().map(|media| media.hash).collect();
    before == now
        && draft.plan.media.iter().all(|media| known.contains(&media.hash))
        && signed.hours == new.hours
        && signed.trust == new.trust
        && signed.successions == new.successions
        && new.tickets.iter().all(|ticket| signed.tickets.contains(ticket))
        && needed(&signed.certificates, &signed.approvals) == needed(&new.certificates, &new.approvals)
}

/// Plans at start, whenever the bell rings, and every few minutes.
pub async fn run(app: Arc<App>) {
    loop {
        let from_ms = now_ms();
        let outcome = plan_all(&app, from_ms).await;
        app.pulse.planned(from_ms, now_ms(), outcome.as_ref().map(|made| *made).map_err(ToString::to_string));
        match outcome {
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
