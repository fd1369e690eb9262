//! Commands to all speakers of an area at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use crate::center::app::{App, now_ms};
use crate::center::commands::{self, CommandError};
use crate::center::people::person::{Person, Visit};
use crate::domain::command::{Order, VOLUME_CHANGE_DB};
use crate::domain::ids::AreaCode;
use crate::domain::role::Right;

/// Most repetitions of an emergency.
const TIMES: u32 = 10;
/// Within this all speakers of an area have answered a refresh, at so many a second.
const ANSWERS_PER_S: u32 = 500;

/// What they are told.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Wish {
    /// Say how you are.
    Refresh {},
    /// End what is on the air; an emergency only if that is said.
    Stop {
        #[serde(default)]
        emergencies: bool,
    },
    /// So many dB louder or quieter than planned, until told otherwise; 0 = as planned.
    Volume { db: f32 },
    /// Sound an approved bulletin now, under a ticket that an approver has signed.
    Emergency {
        bulletin: String,
        #[serde(default)]
        times: Option<u32>,
    },
}

/// Whom it was told to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Told {
    pub area: String,
    pub made_ms: i64,
    /// Speakers in the area and below, and those that are on line; the others hear an emergency if they come while it lasts.
    pub speakers: u32,
    pub online: u32,
    /// Of an emergency: the play, and when it begins.
    pub occurrence: Option<String>,
    pub start_ms: Option<i64>,
    pub end_ms: Option<i64>,
}

/// Tell all speakers of an area something, by one message
#[utoipa::path(post, path = "/api/v1/areas/{code}/command", request_body = Wish,
    responses((status = 202, body = Told), (status = 400, body = Problem), (status = 409, body = Problem)))]
pub async fn give(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Path(code): Path<String>,
    Json(wish): Json<Wish>,
) -> Result<(StatusCode, Json<Told>), Problem> {
    let area: AreaCode = code.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
    let tree = app.store.areas().await?;
    let right = if let Wish::Emergency { .. } = wish { Right::Approve } else { Right::OperateSpeakers };
    person.demand(right, &tree, &area)?;
    let places = app.store.speaker_links().await?;
    let here = places.iter().filter(|(place, _)| tree.path(place).is_ok_and(|path| path.contains(&area)));
    let (speakers, online) =
        here.fold((0, 0), |(all, online), (_, is_online)| (all + 1, online + u32::from(*is_online)));
    let now_ms = now_ms();
    let command = match wish {
        Wish::Refresh {} => {
            let spread_ms = (online * 1000 / ANSWERS_PER_S).min(60_000);
            commands::give(&app, &area, Order::Refresh { spread_ms }, now_ms).await?
        }
        Wish::Stop { emergencies } => commands::give(&app, &area, Order::Stop { emergencies }, now_ms).await?,
        Wish::Volume { db } if !VOLUME_CHANGE_DB.contains(&db) => {
            let (least, most) = (VOLUME_CHANGE_DB.start(), VOLUME_CHANGE_DB.end());
            return Err(Problem::bad_request(format!("db: {db}; a volume moves by {least} to +{most} dB")));
        }
        Wish::Volume { db } => commands::give(&app, &area, Order::Volume { db }, now_ms).await?,
        Wish::Emergency { bulletin, times } => {
            let times = times.unwrap_or(1);
            if !(1..=TIMES).contains(&times) {
                return Err(Problem::bad_request(format!("times: {times}; an emergency sounds 1 to {TIMES} times")));
            }
            let bulletin = bulletin.parse().map_err(|e| Problem::bad_request(format!("{e}")))?;
            commands::emergency(&app, &area, &bulletin, times, now_ms).await?
        }
    };
    let play = match &command.order {
        Order::Emergency { occurrence, .. } => Some(occurrence),
        _ => None,
    };
    visit.note(match play {
        Some(play) => format!("{} to {online} of {speakers} speakers", play.id),
        None => format!("{:?} to {online} of {speakers} speakers", command.order),
    });
    let told = Told {
        area: area.to_string(),
        made_ms: command.made_ms,
        speakers,
        online,
        occurrence: play.map(|play| play.id.to_string()),
        start_ms: play.map(|play| play.start_ms),
        end_ms: play.map(|play| play.end_ms),
    };
    Ok((StatusCode::ACCEPTED, Json(told)))
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Store(error) => error.into(),
            CommandError::Conflict(_) | CommandError::NotServing | CommandError::TooLarge => {
                Self::conflict(error.to_string())
            }
            CommandError::Signing(error) => Self::internal(error),
        }
    }
}
