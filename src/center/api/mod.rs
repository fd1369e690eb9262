//! The HTTP API under `/api/v1`, and the page at `/`.
//!
//! Everything but the page, the health check, the enrolment of boards (which their codes authenticate) and the API's own description
//! needs the access token: as a bearer token, or as
//! the cookie that signing in with it sets.

mod bulletins;
mod enrolment;
mod error;
mod people;
mod places;
mod plays;
mod schedules;
mod session;
mod web;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router, middleware};
use tokio::sync::watch;
use utoipa::OpenApi;

use super::app::App;
use crate::protocol::limits::ENROLMENT_BYTES;

pub use bulletins::{BulletinView, RevisionView, SoundView};
pub use enrolment::EnrolmentView;
pub use error::Problem;
pub use people::{AreaView, SpeakerCreated, SpeakerView};
pub use places::Traits;
pub use schedules::{Playlist, ProgrammeView, Saved, ScheduleView};

/// Most items on one page of a list.
const PAGE: i64 = 500;
/// Largest JSON body; uploads have their own limit.
const JSON_BYTES: usize = 1024 * 1024;
/// A whole center's schedules.
const PLAYLIST_BYTES: usize = 16 * 1024 * 1024;

#[derive(OpenApi)]
#[openapi(
    info(title = "loaxa", description = "Public broadcast for communes", license(name = "Apache-2.0")),
    paths(
        session::sign_in,
        session::sign_out,
        people::center,
        people::areas,
        people::add_area,
        people::speakers,
        people::speaker,
        people::add_speaker,
        enrolment::make_code,
        enrolment::enrol,
        enrolment::disable,
        enrolment::enable,
        places::plan,
        places::why,
        places::traits,
        places::put_traits,
        places::hours,
        places::put_hours,
        places::put_order,
        places::speaker_calendar,
        places::area_calendar,
        people::certificates,
        people::add_certificate,
        bulletins::list,
        bulletins::remove,
        bulletins::set_text,
        bulletins::one,
        bulletins::add,
        bulletins::revise,
        bulletins::step,
        bulletins::media,
        schedules::programmes,
        schedules::put_programme,
        schedules::delete_programme,
        schedules::schedules,
        schedules::put_schedule,
        schedules::put_playlist,
        schedules::delete_schedule,
        schedules::calendars,
        schedules::put_calendar,
        schedules::delete_calendar,
        plays::list,
        plays::events
    )
)]
struct Description;

/// The whole of what is served. `stop` ends the open event streams when the server stops.
pub fn router(app: Arc<App>, stop: watch::Receiver<bool>) -> Router {
    let guarded = Router::new()
        .route("/center", get(people::center))
        .route("/areas", get(people::areas).post(people::add_area))
        .route("/speakers", get(people::speakers).post(people::add_speaker))
        .route("/speakers/{id}", get(people::speaker))
        .route("/speakers/{id}/enrolment", post(enrolment::make_code))
        .route("/speakers/{id}/disable", post(enrolment::disable))
        .route("/speakers/{id}/enable", post(enrolment::enable))
        .route("/speakers/{id}/plan", get(places::plan))
        .route("/speakers/{id}/why", get(places::why))
        .route("/speakers/{id}/traits", get(places::traits).put(places::put_traits))
        .route("/speakers/{id}/calendar.ics", get(places::speaker_calendar))
        .route("/areas/{code}/hours", get(places::hours).put(places::put_hours))
        .route("/areas/{code}/order", put(places::put_order))
        .route("/areas/{code}/calendar.ics", get(places::area_calendar))
        .route("/certificates", get(people::certificates).post(people::add_certificate))
        .route("/bulletins/{id}/text", put(bulletins::set_text))
        .route("/bulletins/{id}", get(bulletins::one).delete(bulletins::remove))
        .route("/bulletins/{id}/revisions/{revision}/{step}", post(bulletins::step))
        .route("/media/{hash}", get(bulletins::media))
        .route("/programmes", get(schedules::programmes))
        .route("/programmes/{id}", put(schedules::put_programme).delete(schedules::delete_programme))
        .route("/schedules", get(schedules::schedules))
        .route("/schedules/{id}", put(schedules::put_schedule).delete(schedules::delete_schedule))
        .route("/calendars", get(schedules::calendars))
        .route("/calendars/{id}", put(schedules::put_calendar).delete(schedules::delete_calendar))
        .route("/plays", get(plays::list))
        .route("/events", get(plays::events).with_state((app.clone(), stop)))
        .layer(DefaultBodyLimit::max(JSON_BYTES))
        .merge(
            Router::new()
                .route("/playlists", post(schedules::put_playlist))
                .layer(DefaultBodyLimit::max(PLAYLIST_BYTES)),
        )
        // Uploads are streamed to the disk and counted there.
        .merge(
            Router::new()
                .route("/bulletins", get(bulletins::list).post(bulletins::add))
                .route("/bulletins/{id}/revisions", post(bulletins::revise))
                .layer(DefaultBodyLimit::disable()),
        )
        .route_layer(middleware::from_fn_with_state(app.clone(), session::require_token))
        .with_state(app.clone());
    let open = Router::new()
        .route("/session", post(session::sign_in))
        .route("/session", delete(session::sign_out))
        .route("/enrolment", post(enrolment::enrol).layer(DefaultBodyLimit::max(ENROLMENT_BYTES)))
        .route("/openapi.json", get(async || Json(description())))
        .route("/health", get(async || "ok\n"))
        .with_state(app);
    Router::new()
        .nest("/api/v1", guarded.merge(open).fallback(async || Problem::not_found("there is nothing at this address")))
        .fallback(web::page)
        .layer(middleware::map_response(web::add_headers))
        .layer(middleware::map_response(error::as_problem))
}

/// OpenAPI 3.1, with the server's own prefix.
fn description() -> utoipa::openapi::OpenApi {
    let mut description = Description::openapi();
    description.info.version = env!("CARGO_PKG_VERSION").to_owned();
    description
}
