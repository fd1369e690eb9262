//! Boards: their enrolment codes, their way in, and shutting them out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::people::speaker_for;
use crate::center::app::{App, Change, now_ms};
use crate::center::enrolment::{self, Refused};
use crate::center::people::limiter::Budget;
use crate::center::people::person::{Person, Visit};
use crate::center::trial;
use crate::domain::DAY_MS;
use crate::domain::role::Right;
use crate::protocol::enrolment::{CODE_DAYS, Request, SealedAnswer, authority_fingerprint};

/// Nobody is sent to a pole with a code that is older.
const MOST_DAYS: u32 = 60;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnrolmentWish {
    /// How long the code is to be good.
    pub days: Option<u32>,
}

/// A one-time code; it is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentView {
    pub speaker: String,
    pub code: String,
    /// Where the board finds this center.
    pub url: String,
    pub ends_ms: i64,
    /// The authority's fingerprint, which the board prints after its enrolment: both must be the same.
    pub authority_fingerprint: String,
    /// What the QR code says.
    pub link: String,
    /// The QR code as SVG.
    pub qr: String,
}

/// Make a one-time code with which a board becomes this speaker
///
/// The code takes the place of an earlier one that was not used. Using it makes the certificate of the board that was this speaker
/// worthless at once; what the speaker has played stays with it.
#[utoipa::path(post, path = "/api/v1/speakers/{id}/enrolment", request_body = EnrolmentWish,
    responses((status = 201, body = EnrolmentView), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn make_code(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
    wish: Option<Json<EnrolmentWish>>,
) -> Result<(StatusCode, Json<EnrolmentView>), Problem> {
    if !app.enrols() {
        return Err(Problem::conflict(
            "this center's broker knows speakers by passwords (mqtt.tls = false, or mqtt.broker): give the board the \
             configuration that loaxa speaker add --config-out writes",
        ));
    }
    let days = wish.and_then(|Json(wish)| wish.days).unwrap_or(CODE_DAYS);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Problem::bad_request(format!("days: {days}; a code is good for 1 to {MOST_DAYS} days")));
    }
    let (speaker, now_ms) = (speaker_for(&app, &person, Right::OperateSpeakers, &id).await?.id, now_ms());
    if trial::is_trial(&app, &speaker) {
        // Its end would take the board's certificate along.
        return Err(Problem::conflict(format!("speaker {speaker} runs for trial; end the trial, then make the code")));
    }
    let ends_ms = now_ms + i64::from(days) * DAY_MS;
    let code = enrolment::make_code(&app, &speaker, ends_ms, now_ms).await?.to_string();
    let url = app.http_url();
    let link = format!("loaxa:enrol?center={}&code={code}", crate::center::cli::escaped(&url));
    let drawn = qrcode::QrCode::new(link.as_bytes()).map_err(Problem::internal)?;
    let qr = drawn.render::<qrcode::render::svg::Color<'_>>().min_dimensions(240, 240).build();
    let authority_fingerprint = authority_fingerprint(&app.trust().authority);
    Ok((StatusCode::CREATED, Json(EnrolmentView { speaker: id, code, url, ends_ms, authority_fingerprint, link, qr })))
}

/// Enrol a board: its request, authenticated by a code, for its certificate
///
/// Needs no token, since the code authenticates both sides. The same request again gets the same answer.
#[utoipa::path(post, path = "/api/v1/enrolment", request_body = Request,
    responses((status = 200, body = SealedAnswer), (status = 403, body = Problem), (status = 429, body = Problem)))]
pub async fn enrol(
    State(app): State<Arc<App>>,
    visit: Visit,
    Json(request): Json<Request>,
) -> Result<Json<SealedAnswer>, Problem> {
    let now_ms = now_ms();
    let refused = match enrolment::enrol(&app, &request, now_ms).await {
        Ok(enrolled) => {
            visit.tried(&format!("speaker:{}", enrolled.speaker));
            match enrolled.serial {
                Some(serial) => visit.note(format!("{} is enrolled; its certificate is {serial}", enrolled.speaker)),
                None => visit.changed_nothing(),
            }
            app.changed(Change::Speakers);
            return Ok(Json(enrolled.answer));
        }
        Err(refused) => refused,
    };
    if let Some(speaker) = refused.speaker() {
        visit.note(format!("a code of {speaker}"));
    }
    // Whoever has a code is no guesser, however many of them there are behind the same address.
    if let Refused::NoSuchCode = refused {
        app.people.charge(&[Budget::Source(visit.source.clone())], now_ms)?;
    }
    app.gate.denials.note(&format!("{} at enrolment", visit.source), &refused.to_string());
    Err(refused.into())
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Store(error) => error.into(),
            Refused::BadRequest(_, detail) => Self::bad_request(detail),
            refused => Self::new(StatusCode::FORBIDDEN, refused.to_string()),
        }
    }
}

/// Shut a speaker out: its connection ends now, it may not come back, and it gets no plans
#[utoipa::path(post, path = "/api/v1/speakers/{id}/disable", responses((status = 204), (status = 404, body = Problem)))]
pub async fn disable(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    set_disabled(&app, &person, &id, true).await
}

/// Let a speaker in again
#[utoipa::path(post, path = "/api/v1/speakers/{id}/enable", responses((status = 204), (status = 404, body = Problem)))]
pub async fn enable(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    set_disabled(&app, &person, &id, false).await
}

async fn set_disabled(app: &App, person: &Person, id: &str, disabled: bool) -> Result<StatusCode, Problem> {
    let speaker = speaker_for(app, person, Right::OperateSpeakers, id).await?.id;
    app.store.set_disabled(&speaker, disabled, now_ms()).await?;
    app.gate.set_disabled(&speaker, disabled);
    if disabled {
        app.last_words.was_put_off(&speaker);
        app.gate.drop_connections(&speaker);
    } else {
        // Plans that were made meanwhile.
        app.publish_bell.notify_one();
    }
    app.changed(Change::Speakers);
    Ok(StatusCode::NO_CONTENT)
}
