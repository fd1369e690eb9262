//! The first page: how everything stands for the person who asks, and what waits for them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Days, NaiveTime};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use super::speakers::shown;
use crate::center::app::{App, now_ms};
use crate::center::overview::{OnAir, Seen, StandingCount, Trouble, look};
use crate::center::people::person::Person;
use crate::center::readiness::PlayReadiness;
use crate::center::store::Intake;
use crate::domain::DAY_MS;
use crate::domain::approval::Role;
use crate::domain::area::AreaTree;
use crate::domain::bulletin::RevisionState;
use crate::domain::ids::AreaCode;
use crate::domain::role::Right;

/// What ends within this time is told as ending soon.
const ENDS_SOON_MS: i64 = 30 * DAY_MS;
/// Things named of each kind that waits; all of them are counted.
const NAMED: usize = 10;
/// Revisions looked at.
const REVISIONS: i64 = 1_000;

/// How everything stands, as far as one may see it. Times in Unix ms.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverviewView {
    pub now_ms: i64,
    /// The beginning of yesterday at this center: what went wrong is told from then on.
    pub since_ms: i64,
    pub speakers: u32,
    pub standings: Vec<StandingCount>,
    pub on_air: Vec<OnAir>,
    /// The nearest plays of the coming day.
    pub next: Vec<PlayReadiness>,
    pub troubles: Vec<Trouble>,
    pub waiting: Vec<WaitingForMe>,
}

/// A kind of thing that somebody with such rights should do.
#[derive(Debug, Serialize, ToSchema)]
pub struct WaitingForMe {
    /// to_approve, returned, upload_refused, no_board, board_certificate_ends, certificate_ends, trust_ends.
    pub kind: String,
    pub count: u32,
    /// The first of them.
    pub things: Vec<WaitingThing>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WaitingThing {
    /// Of a bulletin, a speaker or a key.
    pub id: String,
    pub title: String,
    pub area: Option<String>,
    /// Since when it waits, or when it ends.
    pub at_ms: Option<i64>,
    /// Why it was returned or refused.
    pub detail: Option<String>,
}

/// What is on the air, what comes next, what went wrong since yesterday, and what waits for you
#[utoipa::path(get, path = "/api/v1/overview", responses((status = 200, body = OverviewView)))]
pub async fn overview(State(app): State<Arc<App>>, person: Person) -> Result<Json<OverviewView>, Problem> {
    let now_ms = now_ms();
    let areas = app.store.areas().await?;
    let since_ms = yesterday_ms(now_ms, app.site.time_zone.parse().unwrap_or(chrono_tz::UTC));
    let seen = look(&app, &shown(&person, &areas), since_ms, now_ms).await?;
    let waiting = waiting(&app, &person, &areas, &seen, now_ms).await?;
    let Seen { standings, on_air, next, troubles, .. } = seen;
    let speakers = standings.iter().map(|one| one.speakers).sum();
    Ok(Json(OverviewView { now_ms, since_ms, speakers, standings, on_air, next, troubles, waiting }))
}

/// The midnight with which yesterday began.
fn yesterday_ms(now_ms: i64, zone: Tz) -> i64 {
    let local = DateTime::from_timestamp_millis(now_ms).map(|now| now.with_timezone(&zone));
    let midnight = local.and_then(|now| {
        let yesterday = now.date_naive().checked_sub_days(Days::new(1))?;
        yesterday.and_time(NaiveTime::MIN).and_local_timezone(zone).earliest()
    });
    midnight.map_or(now_ms - DAY_MS, |midnight| midnight.timestamp_millis())
}

async fn waiting(
    app: &App,
    person: &Person,
    areas: &AreaTree,
    seen: &Seen,
    now_ms: i64,
) -> Result<Vec<WaitingForMe>, Problem> {
    let may = |right: Right, area: &AreaCode| areas.path(area).is_ok_and(|path| person.may(right, &path));
    let mut all = Gathered::default();
    for (bulletin, revision) in app.store.open_revisions(REVISIONS).await? {
        let thing = |detail: Option<&String>| WaitingThing {
            id: bulletin.id.to_string(),
            title: bulletin.title.clone(),
            area: Some(bulletin.area.to_string()),
            at_ms: Some(revision.created_ms),
            detail: detail.cloned(),
        };
        match (&revision.state, &revision.intake) {
            (_, Intake::Refused(unfit)) if may(Right::EditContent, &bulletin.area) => {
                all.add("upload_refused", thing(Some(&unfit.problem)));
            }
            (RevisionState::Submitted, Intake::Ready(_)) if may(Right::Approve, &bulletin.area) => {
                all.add("to_approve", thing(None));
            }
            (RevisionState::Returned { reason }, _) if may(Right::EditContent, &bulletin.area) => {
                all.add("returned", thing(Some(reason)));
            }
            _ => {}
        }
    }
    for (area, speaker) in seen.boardless.iter().filter(|(area, _)| may(Right::OperateSpeakers, area)) {
        let (id, title) = (speaker.id.clone(), speaker.title.clone());
        all.add("no_board", WaitingThing { id, title, area: Some(area.to_string()), at_ms: None, detail: None });
    }
    let ending = seen.certificates.iter().filter(|(.., ends_ms)| *ends_ms < now_ms + ENDS_SOON_MS);
    for (area, speaker, ends_ms) in ending.filter(|(area, ..)| may(Right::OperateSpeakers, area)) {
        let (id, title, area) = (speaker.id.clone(), speaker.title.clone(), Some(area.to_string()));
        all.add("board_certificate_ends", WaitingThing { id, title, area, at_ms: Some(*ends_ms), detail: None });
    }
    let trust = app.trust();
    let above = |area: &AreaCode| areas.get(area).map_or(app.site.area.clone(), |area| area.code.clone());
    for row in app.store.certificates().await? {
        let ends_ms = row.certificate.valid_until_ms;
        let ours = match row.certificate.role {
            Role::Dispatcher => may(Right::ManageTrust, &app.site.area),
            _ => row.certificate.areas.iter().all(|area| may(Right::ManageTrust, &above(area))),
        };
        // One that ended long ago was given up.
        let soon = (now_ms - ENDS_SOON_MS..now_ms + ENDS_SOON_MS).contains(&ends_ms);
        if ours && soon && !trust.list.is_revoked(&row.key) {
            let title = row.certificate.title.clone();
            let thing = WaitingThing { id: row.key.to_string(), title, area: None, at_ms: Some(ends_ms), detail: None };
            all.add("certificate_ends", thing);
        }
    }
    let ends_ms = trust.list.valid_until_ms;
    if trust.list_envelope.is_some() && ends_ms < now_ms + ENDS_SOON_MS && may(Right::ManageTrust, &app.site.area) {
        let (id, title) = (trust.list.version.to_string(), app.site.title.clone());
        all.add("trust_ends", WaitingThing { id, title, area: None, at_ms: Some(ends_ms), detail: None });
    }
    Ok(all.0)
}

#[derive(Default)]
struct Gathered(Vec<WaitingForMe>);

impl Gathered {
    fn add(&mut self, kind: &str, thing: WaitingThing) {
        let at = self.0.iter().position(|one| one.kind == kind).unwrap_or_else(|| {
            self.0.push(WaitingForMe { kind: kind.into(), count: 0, things: vec![] });
            self.0.len() - 1
        });
        let one = &mut self.0[at];
        one.count += 1;
        if one.things.len() < NAMED {
            one.things.push(thing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yesterday_begins_at_the_centers_own_midnight() {
        let ms = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let vietnam = chrono_tz::Asia::Ho_Chi_Minh;
        for (now, expected) in [
            ("2026-11-23T00:00:00+07:00", "2026-11-22T00:00:00+07:00"),
            ("2026-11-23T23:59:59+07:00", "2026-11-22T00:00:00+07:00"),
            ("2026-11-22T23:59:59+07:00", "2026-11-21T00:00:00+07:00"),
        ] {
            assert_eq!(yesterday_ms(ms(now), vietnam), ms(expected), "{now}");
        }
    }
}
