//! What the authority says to the whole site, and the tickets of emergencies. Everything here was signed elsewhere.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::etag::{self, IfMatch};
use crate::center::app::{App, now_ms};
use crate::center::authority::{self, Handover};
use crate::center::people::person::{Person, Visit};
use crate::domain::DAY_MS;
use crate::domain::approval::{Certificate, Role, TICKET_EARLY_MS, TICKET_LIFE_MS, Ticket, key_text};
use crate::domain::ids::{KeyId, TicketId};
use crate::domain::priority::Priority;
use crate::domain::role::Right;
use crate::domain::trust::TrustList;
use crate::protocol::envelope::Envelope;
use crate::protocol::keys::key_id;
use crate::protocol::limits::STATEMENT_BYTES;

/// An end that is nearer than this is warned about.
const WARN_MS: i64 = 90 * DAY_MS;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TrustView {
    /// The authority's public key, and its fingerprint.
    pub authority: String,
    pub fingerprint: String,
    /// How often one authority has followed another.
    pub successions: usize,
    pub dispatcher: String,
    pub list: TrustList,
    /// As the authority signed it: who signs the next one goes on from this, and takes nobody's word for it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub signed: Option<Envelope>,
    /// Ends that are near or past, in words.
    pub warnings: Vec<String>,
}

/// Whom this site trusts, and whom no more; the tag is the list's
#[utoipa::path(get, path = "/api/v1/trust", responses((status = 200, body = TrustView)))]
pub async fn trust(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let (trust, now_ms) = (app.trust(), now_ms());
    let mut warnings = vec![];
    let mut warn = |what: String, until_ms: i64| {
        let days = (until_ms - now_ms).div_euclid(DAY_MS);
        match until_ms - now_ms {
            left if left <= 0 => warnings.push(format!("{what} has ended")),
            left if left < WARN_MS => warnings.push(format!("{what} ends in {days} days")),
            _ => {}
        }
    };
    warn("the trust list (loaxa authority renew)".into(), trust.list.valid_until_ms);
    let dispatcher = trust.dispatcher_id();
    for row in app.store.certificates().await?.iter().filter(|row| !trust.list.is_revoked(&row.key)) {
        let counts = row.certificate.role == Role::Approver || row.key == dispatcher;
        if counts && row.certificate.valid_until_ms > now_ms - WARN_MS {
            warn(format!("the certificate of {}", row.certificate.title), row.certificate.valid_until_ms);
        }
    }
    let tag = etag::tag(trust.list.as_ref())?;
    let view = TrustView {
        authority: key_text::format(&trust.authority),
        fingerprint: key_id(&trust.authority).to_string(),
        successions: trust.successions.len(),
        dispatcher: dispatcher.to_string(),
        list: trust.list.as_ref().clone(),
        signed: trust.list_envelope.clone(),
        warnings,
    };
    Ok(([(header::ETAG, tag)], Json(view)).into_response())
}

/// Set the trust list: a statement that the authority has signed
#[utoipa::path(put, path = "/api/v1/trust", request_body = Object,
    responses((status = 204), (status = 400, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem)))]
pub async fn put_trust(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    seen: IfMatch,
    Json(envelope): Json<Envelope>,
) -> Result<StatusCode, Problem> {
    demand_top(&app, &person).await?;
    // A later version of another list would undo what somebody else has revoked meanwhile.
    seen.check(Some(app.trust().list.as_ref()))?;
    let list = authority::take_list(&app, &envelope).await?;
    visit.note(format!("version {}", list.version));
    Ok(StatusCode::NO_CONTENT)
}

/// What the authority of now has signed and that holds: for the one that is to follow it
#[derive(Debug, Serialize, ToSchema)]
pub struct Standing {
    #[schema(value_type = Vec<Object>)]
    pub certificates: Vec<Envelope>,
    #[schema(value_type = Vec<Object>)]
    pub hours: Vec<Envelope>,
}

/// What the authority has signed and that holds
#[utoipa::path(get, path = "/api/v1/authority", responses((status = 200, body = Standing)))]
pub async fn standing(State(app): State<Arc<App>>, person: Person) -> Result<Json<Standing>, Problem> {
    demand_top(&app, &person).await?;
    let (trust, now_ms) = (app.trust(), now_ms());
    let rows = app.store.certificates().await?.into_iter();
    let good = rows.filter(|row| !trust.list.is_revoked(&row.key) && row.certificate.valid_until_ms > now_ms);
    let good = good.filter(|row| row.envelope.open::<Certificate>(&trust.authority).is_ok());
    let hours = app.store.area_rows().await?.into_iter().filter_map(|row| row.hours);
    Ok(Json(Standing { certificates: good.map(|row| row.envelope).collect(), hours: hours.collect() }))
}

/// Let another authority follow: signed by both, with all that is to hold on signed anew
#[utoipa::path(post, path = "/api/v1/authority", request_body = Object,
    responses((status = 204), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn hand_over(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(handover): Json<Handover>,
) -> Result<StatusCode, Problem> {
    demand_top(&app, &person).await?;
    let authority = authority::take_handover(&app, &handover).await?;
    visit.note(format!("authority {}", key_id(&authority)));
    Ok(StatusCode::NO_CONTENT)
}

/// What the authority says concerns the whole site.
async fn demand_top(app: &App, person: &Person) -> Result<(), Problem> {
    person.demand(Right::ManageTrust, &app.store.areas().await?, &app.site.area)
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TicketView {
    #[schema(value_type = Object)]
    pub ticket: Ticket,
    /// The approver, as the authority certified.
    pub by: String,
}

/// Tickets of emergencies that are not over
#[utoipa::path(get, path = "/api/v1/tickets", responses((status = 200, body = [TicketView])))]
pub async fn tickets(State(app): State<Arc<App>>, person: Person) -> Result<Json<Vec<TicketView>>, Problem> {
    person.filters();
    let tree = app.store.areas().await?;
    let certificates = app.store.certificates().await?;
    let by = |key: &KeyId| {
        let row = certificates.iter().find(|row| row.key == *key);
        row.map(|row| row.certificate.title.clone()).unwrap_or_default()
    };
    let tickets = app.store.tickets(now_ms()).await?;
    let shown =
        |ticket: &Ticket| ticket.areas.iter().any(|area| person.sees(&tree, area) || person.stands_below(&tree, area));
    let read = tickets.iter().filter_map(|envelope| envelope.peek::<Ticket>().ok()).filter(shown);
    Ok(Json(read.map(|ticket| TicketView { by: by(&ticket.approver), ticket }).collect()))
}

/// Add a ticket, which an approver has signed: its sounds may be heard once as an emergency
#[utoipa::path(post, path = "/api/v1/tickets", request_body = Object,
    responses((status = 201), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn add_ticket(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(envelope): Json<Envelope>,
) -> Result<StatusCode, Problem> {
    let refuse = |why: String| Problem::bad_request(format!("the ticket was not taken: {why}"));
    if envelope.payload.len() > STATEMENT_BYTES {
        return Err(refuse("it is too long".into()));
    }
    let named: Ticket = envelope.peek().map_err(|e| refuse(e.to_string()))?;
    let certificates = app.store.certificates().await?;
    let approver = certificates.iter().find(|row| row.key == named.approver).map(|row| &row.certificate);
    let approver = approver.filter(|certificate| certificate.role == Role::Approver);
    let approver = approver.ok_or_else(|| refuse("its approver is not known here".into()))?;
    if app.trust().list.is_revoked(&named.approver) {
        return Err(refuse("the key of its approver was revoked".into()));
    }
    let ticket: Ticket = envelope.open(&approver.key).map_err(|e| refuse(e.to_string()))?;
    if ticket.site != app.site.site || ticket.media.is_empty() || ticket.areas.is_empty() {
        return Err(refuse("it is for another site, or names no sound or no area".into()));
    }
    let (made_ms, until_ms) = (ticket.made_ms, ticket.valid_until_ms);
    if until_ms.saturating_sub(ticket.valid_from_ms) > TICKET_LIFE_MS + TICKET_EARLY_MS
        || until_ms.saturating_sub(made_ms) > TICKET_LIFE_MS
        || made_ms > now_ms() + TICKET_EARLY_MS
    {
        return Err(refuse(
            "a ticket lasts a day at most from when it is signed, and is not signed for another day".into(),
        ));
    }
    let tree = app.store.areas().await?;
    visit.note(format!("{} by key {}", ticket.ticket, ticket.approver));
    for area in &ticket.areas {
        person.demand(Right::Approve, &tree, area)?;
        let path = tree.path(area).map_err(|e| refuse(e.to_string()))?;
        if !approver.covers(&path, Priority::Emergency, ticket.made_ms, ticket.made_ms) {
            return Err(refuse(format!("{} may not order an emergency for area {area} now", approver.title)));
        }
    }
    app.store.add_ticket(&envelope, &ticket, now_ms()).await?;
    app.plan_bell.notify_one();
    Ok(StatusCode::CREATED)
}

/// Take back a ticket that has not sounded yet
#[utoipa::path(delete, path = "/api/v1/tickets/{id}", responses((status = 204), (status = 404, body = Problem)))]
pub async fn remove_ticket(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: TicketId = id.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let tree = app.store.areas().await?;
    person.filters();
    let tickets = app.store.tickets(now_ms()).await?;
    let known = tickets.iter().filter_map(|envelope| envelope.peek::<Ticket>().ok()).find(|ticket| ticket.ticket == id);
    for area in known.iter().flat_map(|ticket| &ticket.areas) {
        person.demand(Right::Approve, &tree, area)?;
    }
    app.store.remove_ticket(&id).await?;
    app.plan_bell.notify_one();
    Ok(StatusCode::NO_CONTENT)
}
