//! Makes each speaker's plan: reads what is approved and scheduled, lets the domain decide, signs, stores.
//!
//! A plan gets a new number only when what it says has changed, or when it has slid far enough that a speaker would no longer
//! see the whole horizon. It works from the store alone, so it can be run again at any time with the same result.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use thiserror::Error;
use tracing::{info, warn};

use super::app::{App, Change, now_ms};
use super::store::{CertificateRow, Intake, PlanRow, RevisionRow, SpeakerRow, StoreError};
use crate::domain::approval::{Approval, Certificate, Role};
use crate::domain::area::AreaTree;
use crate::domain::calendar::Calendars;
use crate::domain::ids::{AreaCode, BulletinId, KeyId, MediaHash, OccurrenceId, SpeakerId};
use crate::domain::plan::{HORIZON_MS, Plan, PlanFault};
use crate::domain::schedule::Schedule;
use crate::domain::timetable::{Approved, LeftOut, Line, LineItem, Past, timetable};
use crate::domain::{DAY_MS, programme::Programme};
use crate::protocol::envelope::{Envelope, EnvelopeError};
use crate::protocol::keys::key_id;
use crate::protocol::limits::PLAN_BYTES;
use crate::protocol::trust::SignedPlan;

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

/// Everything that plans are made of, as it stands now.
#[derive(Debug)]
pub struct Material {
    pub lines: Vec<Line>,
    pub areas: AreaTree,
    certificates: BTreeMap<KeyId, CertificateRow>,
    /// The signed approvals by bulletin.
    approvals: BTreeMap<BulletinId, Envelope>,
}

/// A plan is made anew after this even if nothing changed, so that speakers always see nearly the whole horizon.
const RENEW_MS: i64 = DAY_MS;
/// Plans that were replaced are kept this long, for reports on what should have played.
const KEEP_MS: i64 = 60 * DAY_MS;
/// How often to look without being asked.
const ROUND: Duration = Duration::from_secs(300);
/// A speaker that claims a higher plan than this is mistaken or lying.
pub const HIGHEST_BELIEVED: u64 = 1 << 40;
const SPEAKERS_AT_ONCE: i64 = 500;

impl Material {
    pub async fn load(app: &App) -> Result<Self, PlanError> {
        let certificates: BTreeMap<_, _> =
            app.store.certificates().await?.into_iter().map(|row| (row.key.clone(), row)).collect();
        let mut approvals = BTreeMap::new();
        let mut approved = BTreeMap::new();
        for row in app.store.approved_revisions().await? {
            let Some((envelope, item)) = read_approved(&row, &certificates) else {
                warn!(
                    "the approval of bulletin {} revision {} does not verify; it is not planned",
                    row.bulletin, row.revision
                );
                continue;
            };
            approvals.insert(row.bulletin.clone(), envelope);
            approved.insert(row.bulletin, item);
        }
        let programmes: BTreeMap<_, _> =
            app.store.programmes().await?.into_iter().map(|programme| (programme.id.clone(), programme)).collect();
        let mut lines = vec![];
        for (id, text) in app.store.schedules().await? {
            match Schedule::new(id.clone(), &text, &Calendars::default()) {
                Ok(schedule) => {
                    let programme = schedule.programme.as_ref().and_then(|id| programmes.get(id));
                    lines.push(Line { items: items(programme, &approved), schedule });
                }
                Err(error) => warn!("schedule {id} is left out: {error}"),
            }
        }
        Ok(Self { lines, areas: app.store.areas().await?, certificates, approvals })
    }

    pub fn areas_of(&self, speaker: &SpeakerRow) -> Vec<AreaCode> {
        self.areas.path(&speaker.area).unwrap_or_default()
    }
}

fn items(programme: Option<&Programme>, approved: &BTreeMap<BulletinId, Approved>) -> Vec<LineItem> {
    let items = programme.map_or(&[][..], |programme| &programme.items[..]);
    items.iter().map(|id| LineItem { bulletin: id.clone(), approved: approved.get(id).cloned() }).collect()
}

/// Checks the approval's signature as a speaker would: a row that somebody edited by hand is worth nothing.
fn read_approved(row: &RevisionRow, certificates: &BTreeMap<KeyId, CertificateRow>) -> Option<(Envelope, Approved)> {
    let Intake::Ready(sound) = &row.intake else { return None };
    let envelope = row.approval.clone()?;
    let named = envelope.peek::<Approval>().ok()?.approver;
    let approver: &Certificate = &certificates.get(&named)?.certificate;
    let approval: Approval = envelope.open(&approver.key).ok()?;
    let same = (&approval.bulletin, approval.revision, approval.media) == (&row.bulletin, row.revision, sound.media);
    let approved = Approved {
        approval,
        approver: approver.clone(),
        media: sound.media,
        duration_ms: sound.duration_ms,
        gain_db: sound.gain_db,
    };
    (same && approver.role == Role::Approver).then_some((envelope, approved))
}

/// What one speaker plays from now on, what is on the air included, with what was left out and why.
pub fn draft(
    app: &App,
    material: &Material,
    speaker: &SpeakerRow,
    newest: Option<&PlanRow>,
    now_ms: i64,
    horizon_ms: i64,
) -> Result<(Plan, Vec<LeftOut>), PlanError> {
    let areas = material.areas_of(speaker);
    // Clashes are settled from a day back, since what is on now has a say in what comes next. What began before now but was
    // never planned (a schedule that came too late) stays out: nothing begins in the middle because somebody pressed a key.
    let begun: BTreeSet<OccurrenceId> = newest.and_then(read_plan).map_or_else(BTreeSet::new, |(plan, _)| {
        plan.occurrences.into_iter().filter(|o| o.start_ms < now_ms).map(|o| o.id).collect()
    });
    let (from_ms, until_ms) = (now_ms - DAY_MS, now_ms + horizon_ms);
    let past = Past { now_ms, begun: &begun };
    let mut table = timetable(&material.lines, &speaker.id, &areas, from_ms, until_ms, Some(&past));
    table.occurrences.retain(|occurrence| occurrence.end_ms > now_ms);
    table.left_out.retain(|left_out| left_out.start_ms >= now_ms);
    let used: BTreeSet<MediaHash> =
        table.occurrences.iter().flat_map(|o| o.items.iter().map(|item| item.media)).collect();
    let mut media = vec![];
    for hash in used {
        match app.chunk_list(&hash) {
            Ok(list) => media.push(list.as_ref().clone()),
            // One lost file must not keep a speaker from the rest of its plan.
            Err(problem) => {
                warn!("media {hash} cannot be planned: {problem}");
                table.occurrences.iter_mut().for_each(|occurrence| occurrence.items.retain(|item| item.media != hash));
            }
        }
    }
    table.occurrences.retain(|occurrence| !occurrence.items.is_empty());
    let plan = Plan {
        site: app.site.site.clone(),
        speaker: speaker.id.clone(),
        number: 0,
        made_ms: now_ms,
        from_ms,
        until_ms,
        media,
        occurrences: table.occurrences,
    };
    plan.check().map_err(|fault| PlanError::Unsound { speaker: speaker.id.clone(), fault })?;
    Ok((plan, table.left_out))
}

/// Makes and stores the plans that have changed. Gives how many.
pub async fn plan_all(app: &App, now_ms: i64) -> Result<usize, PlanError> {
    let material = Material::load(app).await?;
    let newest: BTreeMap<SpeakerId, PlanRow> =
        app.store.newest_plans().await?.into_iter().map(|plan| (plan.speaker.clone(), plan)).collect();
    let (mut after, mut made) = (String::new(), 0);
    loop {
        let page = app.store.speakers(&after, SPEAKERS_AT_ONCE).await?;
        let Some(last) = page.last() else { break };
        after = last.id.to_string();
        let mut rows = vec![];
        for speaker in &page {
            match plan_one(app, &material, speaker, newest.get(&speaker.id), now_ms) {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => {}
                // One speaker's trouble must not keep the others from their plans.
                Err(error) => warn!("{error}"),
            }
        }
        if !rows.is_empty() {
            app.store.add_plans(&rows).await?;
            made += rows.len();
        }
    }
    app.store.drop_old_plans(now_ms - KEEP_MS).await?;
    Ok(made)
}

fn plan_one(
    app: &App,
    material: &Material,
    speaker: &SpeakerRow,
    newest: Option<&PlanRow>,
    now_ms: i64,
) -> Result<Option<PlanRow>, PlanError> {
    // A plan that would be too large reaches less far ahead; a shorter plan that arrives beats a full one that does not.
    let mut horizon_ms = HORIZON_MS;
    loop {
        match plan_within(app, material, speaker, newest, now_ms, horizon_ms) {
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

fn plan_within(
    app: &App,
    material: &Material,
    speaker: &SpeakerRow,
    newest: Option<&PlanRow>,
    now_ms: i64,
    horizon_ms: i64,
) -> Result<Option<PlanRow>, PlanError> {
    let (mut plan, _) = draft(app, material, speaker, newest, now_ms, horizon_ms)?;
    let statements = statements(material, &plan);
    // A center that was restored from an older copy must go beyond what the speaker has accepted since.
    let accepted = speaker.detail.as_ref().and_then(|detail| detail.plan).filter(|number| *number < HIGHEST_BELIEVED);
    let behind = accepted > newest.map(|newest| newest.number);
    if let Some(newest) = newest
        && !behind
        && now_ms - newest.made_ms < RENEW_MS
        && digest(&plan, &statements, now_ms, newest.until_ms.min(plan.until_ms))
            == digest_of_stored(newest, now_ms, plan.until_ms)
    {
        return Ok(None);
    }
    plan.number = accepted.max(newest.map(|newest| newest.number)).unwrap_or(0) + 1;
    let digest = digest(&plan, &statements, now_ms, plan.until_ms);
    let (certificates, approvals) = statements;
    let signed = SignedPlan { plan: Envelope::sign(&plan, &app.dispatcher)?, certificates, approvals };
    let body = serde_json::to_string(&signed).map_err(|e| EnvelopeError::Damaged(e.to_string()))?;
    if body.len() > PLAN_BYTES {
        return Err(PlanError::TooLarge { speaker: speaker.id.clone(), bytes: body.len() });
    }
    let until_ms = plan.until_ms;
    Ok(Some(PlanRow { speaker: speaker.id.clone(), number: plan.number, made_ms: now_ms, until_ms, digest, body }))
}

/// Certificates and approvals.
type Statements = (Vec<Envelope>, Vec<Envelope>);

/// The certificates and approvals that a speaker needs to check this plan.
fn statements(material: &Material, plan: &Plan) -> Statements {
    let bulletins: BTreeSet<&BulletinId> =
        plan.occurrences.iter().flat_map(|o| o.items.iter().map(|item| &item.bulletin)).collect();
    let approvals: Vec<Envelope> = bulletins.iter().filter_map(|id| material.approvals.get(*id).cloned()).collect();
    let mut keys: BTreeSet<KeyId> = approvals
        .iter()
        .filter_map(|envelope| envelope.peek::<Approval>().ok())
        .map(|approval| approval.approver)
        .collect();
    keys.extend(
        material
            .certificates
            .values()
            .filter(|row| row.certificate.role == Role::Dispatcher)
            .map(|row| row.key.clone()),
    );
    let certificates =
        keys.iter().filter_map(|key| material.certificates.get(key)).map(|row| row.envelope.clone()).collect();
    (certificates, approvals)
}

/// A fingerprint of what a plan says for the time from `now_ms` to `until_ms`: two plans that agree there say the same to
/// the listener.
fn digest(plan: &Plan, statements: &Statements, now_ms: i64, until_ms: i64) -> String {
    let occurrences: Vec<_> = plan.occurrences.iter().filter(|o| o.end_ms > now_ms && o.start_ms < until_ms).collect();
    // Only the statements that these occurrences rest on: one that has served its turn changes nothing.
    let used: BTreeSet<&BulletinId> =
        occurrences.iter().flat_map(|o| o.items.iter().map(|item| &item.bulletin)).collect();
    let approvals: Vec<(Approval, &Envelope)> =
        statements.1.iter().filter_map(|envelope| Some((envelope.peek().ok()?, envelope))).collect();
    let approvals: Vec<_> = approvals.iter().filter(|(approval, _)| used.contains(&approval.bulletin)).collect();
    let signers: BTreeSet<&KeyId> = approvals.iter().map(|(approval, _)| &approval.approver).collect();
    let needed = |envelope: &&Envelope| {
        envelope.peek::<Certificate>().is_ok_and(|c| c.role == Role::Dispatcher || signers.contains(&key_id(&c.key)))
    };
    let certificates: Vec<_> = statements.0.iter().filter(needed).collect();
    let approvals: Vec<_> = approvals.iter().map(|(_, envelope)| envelope).collect();
    let mut hasher = Sha256::new();
    for part in [serde_json::to_vec(&occurrences), serde_json::to_vec(&certificates), serde_json::to_vec(&approvals)] {
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

/// A stored plan with its certificates and approvals.
fn read_plan(row: &PlanRow) -> Option<(Plan, Statements)> {
    let signed: SignedPlan = serde_json::from_str(&row.body).ok()?;
    Some((signed.plan.peek().ok()?, (signed.certificates, signed.approvals)))
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
