//! The steps of a revision from draft to the air and off it again, and the account of who took them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::bulletins::{BulletinView, approvers_needed, bulletin_id, counted, deed, view};
use super::people::Listed;
use super::reach::{bulletin_for, seen};
use crate::center::app::{App, Change, now_ms};
use crate::center::people::person::{Person, Visit};
use crate::center::store::{BulletinRow, Intake, RevisionRow, StepDetail, StepRow, StoreError};
use crate::domain::approval::{Approval, Role};
use crate::domain::bulletin::{RevisionState, Step};
use crate::domain::ids::KeyId;
use crate::domain::role::Right;
use crate::protocol::envelope::Envelope;
use crate::protocol::limits::STATEMENT_BYTES;

/// What a step needs: a reason to return, the signed approval to approve, nothing otherwise.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StepBody {
    pub reason: String,
    #[schema(value_type = Option<Object>)]
    pub approval: Option<Envelope>,
    /// Of an approval: the approver has listened to the end.
    pub listened: bool,
    /// Of an approval: why the approver has not.
    pub unheard: String,
}

/// Take a step: submit, approve, return or withdraw
#[utoipa::path(post, path = "/api/v1/bulletins/{id}/revisions/{revision}/{step}", request_body = StepBody,
    responses((status = 200, body = BulletinView), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn step(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Path((id, revision, step)): Path<(String, u32, String)>,
    Json(body): Json<StepBody>,
) -> Result<Json<BulletinView>, Problem> {
    let rights: &[Right] = match step.as_str() {
        "submit" => &[Right::EditContent],
        "approve" | "return" => &[Right::Approve],
        // Off the air is the safe side: either may take that step.
        _ => &[Right::EditContent, Right::Approve],
    };
    let bulletin = bulletin_for(&app, &person, rights, &bulletin_id(&id)?).await?;
    let revisions = app.store.revisions(&bulletin.id).await?;
    let row = revisions
        .iter()
        .find(|row| row.revision == revision)
        .ok_or_else(|| Problem::not_found(format!("bulletin {id} has no revision {revision}")))?;
    let wanted = match step.as_str() {
        "submit" => Step::Submit,
        "approve" => Step::Approve,
        "return" => Step::Return { reason: body.reason },
        "withdraw" => Step::Withdraw,
        _ => {
            return Err(Problem::not_found(format!(
                "there is no step {step:?}; use submit, approve, return or withdraw"
            )));
        }
    };
    let after = row.state.after(wanted.clone()).map_err(|e| Problem::conflict(e.to_string()))?;
    let mut detail = StepDetail::default();
    match wanted {
        Step::Submit => ready(row)?,
        Step::Approve => {
            let envelope =
                body.approval.ok_or_else(|| Problem::bad_request("an approval must be signed by its approver"))?;
            let approval = check_approval(&app, &bulletin, row, &envelope).await?;
            detail = approved(&approval, body.listened, &body.unheard)?;
            let after = agreed(&app, row, &approval).await?;
            visit.note(format!("media {} by key {}", approval.media, approval.approver));
            let deed = deed(&person, now_ms(), detail.clone());
            app.store.approve_revision(row, &after, &approval.approver, &envelope, &deed).await?;
        }
        Step::Return { reason } => detail.reason = Some(reason.trim().to_owned()),
        Step::Withdraw => {}
    }
    let deed = deed(&person, now_ms(), detail);
    if after == RevisionState::Withdrawn && row.state == RevisionState::Approved {
        // Older approved revisions first: taking back a correction must never put the old text on the air again.
        for older in
            revisions.iter().filter(|older| older.revision < revision && older.state == RevisionState::Approved)
        {
            app.store.set_revision_state(older, &RevisionState::Withdrawn, &deed).await?;
        }
    }
    if step != "approve" {
        app.store.set_revision_state(row, &after, &deed).await?;
    }
    app.plan_bell.notify_one();
    app.changed(Change::Plays);
    app.changed(Change::Bulletins);
    Ok(Json(view(&app, &person, bulletin).await?))
}

fn ready(row: &RevisionRow) -> Result<(), Problem> {
    match &row.intake {
        Intake::Ready(_) => Ok(()),
        Intake::Received { .. } => Err(Problem::conflict("the audio is still being converted; try again in a moment")),
        Intake::Refused(unfit) => Err(Problem::conflict(format!("the audio was refused: {}", unfit.problem))),
    }
}

/// A signed approval must name exactly this revision's sound and come from an approver who may give it.
async fn check_approval(
    app: &App,
    bulletin: &BulletinRow,
    row: &RevisionRow,
    envelope: &Envelope,
) -> Result<Approval, Problem> {
    let refuse = |why: String| Problem::bad_request(format!("the approval was not taken: {why}"));
    ready(row)?;
    if envelope.payload.len() > STATEMENT_BYTES {
        return Err(refuse("it is too long; name fewer areas, or one that stands above them".into()));
    }
    let Intake::Ready(sound) = &row.intake else { return Err(refuse("there is no sound".into())) };
    let named: Approval = envelope.peek().map_err(|e| refuse(e.to_string()))?;
    let certificates = app.store.certificates().await?;
    let approver = certificates
        .iter()
        .find(|certificate| certificate.key == named.approver && certificate.certificate.role == Role::Approver)
        .ok_or_else(|| refuse("its approver is not known here; add the certificate first".into()))?;
    let approval: Approval = envelope.open(&approver.certificate.key).map_err(|e| refuse(e.to_string()))?;
    if approval.site != app.site.site
        || (&approval.bulletin, approval.revision, approval.media) != (&bulletin.id, row.revision, sound.media)
    {
        return Err(refuse("it is for other content".into()));
    }
    let tree = app.store.areas().await?;
    for area in &approval.areas {
        let path = tree.path(area).map_err(|e| refuse(e.to_string()))?;
        if !approver.certificate.covers(&path, approval.highest, approval.made_ms, approval.made_ms) {
            return Err(refuse(format!(
                "{} may not approve {} for area {area} now",
                approver.certificate.title, approval.highest
            )));
        }
    }
    if approval.areas.is_empty() || approval.valid_until_ms <= approval.valid_from_ms {
        return Err(refuse("it names no area or no time".into()));
    }
    if app.trust().list.is_revoked(&approval.approver) {
        return Err(refuse("the key of its approver was revoked; the authority has to certify a new one".into()));
    }
    Ok(approval)
}

/// The state that an approval leads to: still submitted where a second approver has to agree.
async fn agreed(app: &App, row: &RevisionRow, approval: &Approval) -> Result<RevisionState, Problem> {
    let trust = app.trust();
    let rows = app.store.approvals_of(&row.bulletin).await?;
    let of_row = rows.iter().filter(|(_, revision, _)| *revision == row.revision).map(|(.., envelope)| envelope);
    let mut approvers: BTreeSet<KeyId> =
        counted(&trust, of_row).into_iter().map(|approval| approval.approver).collect();
    approvers.insert(approval.approver.clone());
    let enough =
        approvers.len() >= approvers_needed(&app.store.areas().await?, &trust, &approval.areas, approval.highest);
    let submitted = !enough && row.state == RevisionState::Submitted;
    Ok(if submitted { RevisionState::Submitted } else { RevisionState::Approved })
}

/// Longest reason for not having listened, in characters.
const LONGEST_REASON: usize = 500;

/// What there is to say about an approval. Whether somebody listened only their program knows; who did not says why, and both are kept.
fn approved(approval: &Approval, listened: bool, unheard: &str) -> Result<StepDetail, Problem> {
    let unheard: String = unheard.trim().chars().take(LONGEST_REASON).collect();
    if !listened && unheard.is_empty() {
        return Err(Problem::bad_request("listen to all of it first, or say why you approve it without"));
    }
    Ok(StepDetail {
        approver: Some(approval.approver.to_string()),
        highest: Some(approval.highest),
        areas: approval.areas.clone(),
        valid_until_ms: Some(approval.valid_until_ms),
        listened: Some(listened),
        unheard: Some(unheard).filter(|_| !listened),
        ..StepDetail::default()
    })
}

/// One step that somebody took.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StepView {
    pub revision: u32,
    /// added, submitted, approved, returned, withdrawn or edited.
    pub step: String,
    pub at_ms: i64,
    /// The account, and the person's name then. Both are empty where nobody wrote it down, `local` is whoever held the data directory.
    pub account: String,
    pub title: String,
    /// Of a return.
    pub reason: Option<String>,
    /// Of an approval: the key, whose it is, up to which priority, where and until when.
    pub approver: Option<String>,
    pub approver_title: Option<String>,
    pub highest: Option<String>,
    pub areas: Vec<String>,
    pub valid_until_ms: Option<i64>,
    /// Of an approval: whether the approver listened to the end, else why not. Absent where that is not known.
    pub listened: Option<bool>,
    pub unheard: Option<String>,
    /// Of an edit: title, language or text.
    pub edited: Vec<String>,
}

/// Who did what with a bulletin, oldest first
#[utoipa::path(get, path = "/api/v1/bulletins/{id}/history", responses((status = 200, body = Listed<StepView>), (status = 404, body = Problem)))]
pub async fn history(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Json<Listed<StepView>>, Problem> {
    let bulletin = app.store.bulletin(&bulletin_id(&id)?).await?;
    let shown = seen(&person, &app.store.areas().await?, view(&app, &person, bulletin.clone()).await?);
    let shown = shown.ok_or_else(|| Problem::from(StoreError::NotFound(format!("bulletin {id}"))))?;
    let certificates = app.store.certificates().await?;
    let title = |key: &String| {
        certificates.iter().find(|row| row.key.to_string() == *key).map(|row| row.certificate.title.clone())
    };
    let steps = app.store.steps(&bulletin.id).await?;
    // Below the area where it belongs only what was approved is seen.
    let steps = steps.into_iter().filter(|step| shown.revisions.iter().any(|one| one.revision == step.revision));
    Ok(Json(Listed { items: steps.map(|step| step_view(step, title)).collect(), next_cursor: None }))
}

fn step_view(row: StepRow, title: impl Fn(&String) -> Option<String>) -> StepView {
    let detail = row.deed.detail;
    StepView {
        revision: row.revision,
        step: row.step,
        at_ms: row.deed.at_ms,
        account: row.deed.account,
        title: row.deed.title,
        reason: detail.reason,
        approver_title: detail.approver.as_ref().and_then(title),
        approver: detail.approver,
        highest: detail.highest.map(|highest| highest.to_string()),
        areas: detail.areas.iter().map(ToString::to_string).collect(),
        valid_until_ms: detail.valid_until_ms,
        listened: detail.listened,
        unheard: detail.unheard,
        edited: detail.edited,
    }
}
