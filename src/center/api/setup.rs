//! What an empty data directory becomes, and how far that has come. The first admin is made in `session.rs`, like everybody who signs in.
//!
//! Both servers answer here: the one of set-up mode, which has no store and no gate, and the one of a center.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::people::titled;
use super::{PEOPLE_BYTES, Problem, error, guard, web};
use crate::center::app::{App, now_ms};
use crate::center::datadir::{FirstApprover, NewSite};
use crate::center::founding::{DEFAULT_SITE, Founding, NotFounded};
use crate::center::people;
use crate::domain::DAY_MS;
use crate::domain::approval::key_text;
use crate::domain::priority::Priority;
use crate::protocol::enrolment::authority_fingerprint;
use crate::protocol::keys::{MIN_PASSPHRASE_CHARS, SealedKey};

/// The authority certifies nobody for longer at set-up.
const MOST_APPROVER_DAYS: u32 = 5 * 366;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// There is no center yet: `POST /setup/center`.
    Center,
    /// There is no account yet: `POST /setup`.
    Admin,
    /// Sign in.
    Done,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SetupStage {
    /// What is to be done next.
    pub stage: Stage,
}

/// How far set-up has come; says nothing else of the center
#[utoipa::path(get, path = "/api/v1/setup", responses((status = 200, body = SetupStage)))]
pub async fn stage(State(app): State<Arc<App>>) -> Json<SetupStage> {
    Json(SetupStage { stage: if people::is_offered(&app) { Stage::Admin } else { Stage::Done } })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCenter {
    /// As `loaxa serve` printed it.
    pub code: String,
    /// The short name that stands first in topics; `loaxa` where absent.
    pub site: Option<String>,
    /// The office's name.
    pub title: String,
    /// Code and name of the area at the top.
    pub area: String,
    pub area_title: String,
    pub time_zone: String,
    /// Of the authority's key. It is not kept: whoever is to use the key has to know it.
    #[schema(min_length = 8)]
    pub passphrase: String,
    pub approver: Option<NewApprover>,
}

/// The first approver, who has made a key of their own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApprover {
    /// The person, and what they answer for.
    pub title: String,
    /// The public half, in base64.
    pub key: String,
    /// Up to which priority they may approve.
    #[schema(value_type = String, example = "priority")]
    pub highest: Priority,
    pub valid_days: u32,
}

#[derive(Serialize, ToSchema)]
pub struct CenterMade {
    pub site: String,
    /// For the paper that boards are compared with.
    pub authority_fingerprint: String,
    /// `authority.key` as it lies in the data directory, sealed, for a copy away from the server. It is given out this once.
    #[schema(value_type = Object)]
    pub authority_key: SealedKey,
}

/// Make the center, while its data directory is empty; normal serving begins at the same address within seconds
#[utoipa::path(post, path = "/api/v1/setup/center", request_body = NewCenter,
    responses((status = 201, body = CenterMade), (status = 400, body = Problem), (status = 409, body = Problem), (status = 429, body = Problem)))]
pub async fn found() -> Problem {
    Problem::conflict("this center is made already; sign in, or make the first administrator")
}

async fn make(
    State(founding): State<Arc<Founding>>,
    parts: Parts,
    Json(mut new): Json<NewCenter>,
) -> Result<(StatusCode, Json<CenterMade>), Problem> {
    if guard::is_from_elsewhere(&parts.headers) {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "a page of another site cannot set this center up"));
    }
    let (source, code) = (guard::source(founding.behind_proxy, &parts), new.code.clone());
    let passphrase = Zeroizing::new(std::mem::take(&mut new.passphrase));
    if passphrase.chars().count() < MIN_PASSPHRASE_CHARS {
        let detail = format!("passphrase: it needs at least {MIN_PASSPHRASE_CHARS} characters");
        return Err(Problem::bad_request(detail));
    }
    let new = checked(new, now_ms())?;
    // In a task of its own: a visitor who hangs up leaves nothing half done.
    let made = tokio::spawn(async move { founding.make(&source, &code, new, passphrase, now_ms()).await });
    let made = made.await.map_err(Problem::internal)??;
    Ok((
        StatusCode::CREATED,
        Json(CenterMade {
            site: made.site.site.to_string(),
            authority_fingerprint: authority_fingerprint(&made.site.authority),
            authority_key: made.authority,
        }),
    ))
}

/// What was asked for, or which field of it cannot be. Nothing is made before all of it is right.
fn checked(new: NewCenter, now_ms: i64) -> Result<NewSite, Problem> {
    let refused = |field: &str, why: &dyn std::fmt::Display| Problem::bad_request(format!("{field}: {why}"));
    let zone: Tz = new.time_zone.parse().map_err(|_| refused("time_zone", &"write a zone such as Asia/Ho_Chi_Minh"))?;
    let approver = new.approver.map(|approver| {
        if !(1..=MOST_APPROVER_DAYS).contains(&approver.valid_days) {
            return Err(refused("approver.valid_days", &format!("from 1 to {MOST_APPROVER_DAYS}")));
        }
        Ok(FirstApprover {
            title: titled(&approver.title)?,
            key: key_text::parse(&approver.key).map_err(|e| refused("approver.key", &e))?,
            highest: approver.highest,
            valid_until_ms: now_ms + i64::from(approver.valid_days) * DAY_MS,
        })
    });
    Ok(NewSite {
        site: new.site.as_deref().unwrap_or(DEFAULT_SITE).trim().parse().map_err(|e| refused("site", &e))?,
        title: titled(&new.title)?,
        area: new.area.trim().parse().map_err(|e| refused("area", &e))?,
        area_title: titled(&new.area_title)?,
        time_zone: zone.to_string(),
        database: None,
        approver: approver.transpose()?,
    })
}

impl From<NotFounded> for Problem {
    fn from(error: NotFounded) -> Self {
        match error {
            NotFounded::Code(error) => error.into(),
            NotFounded::Made => Self::conflict(error.to_string()),
            NotFounded::Internal(why) => Self::internal(why),
        }
    }
}

/// All that is served in set-up mode: the page, and this.
pub fn founding_router(founding: Arc<Founding>) -> Router {
    let api = Router::new()
        .route("/setup", get(async || Json(SetupStage { stage: Stage::Center })).fallback(not_yet))
        .route("/setup/center", post(make).layer(DefaultBodyLimit::max(PEOPLE_BYTES)))
        .route("/health", get(async || "ok\n"))
        .fallback(not_yet)
        .with_state(founding);
    Router::new()
        .nest(guard::PREFIX, api)
        .fallback(web::page)
        .layer(middleware::map_response(error::as_problem))
        .layer(middleware::map_response(web::add_headers))
}

/// For whoever asks a center that is none yet.
async fn not_yet(_: Method) -> Problem {
    let detail = "this center is not set up yet; open the set-up address that loaxa serve has printed";
    Problem { kind: "loaxa:not-set-up".into(), ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
}
