//! The HTTP API under `/api/v1`, and the page at `/`.
//!
//! Every request passes the gate in [`guard`], whose table says what each path asks for.

mod areas;
mod audit;
mod authority;
mod bulletin_plays;
mod bulletins;
mod commands;
mod enrolment;
mod error;
mod etag;
mod fields;
mod guard;
mod health;
mod occurrences;
mod office;
mod overview;
mod people;
mod places;
mod plays;
mod preview;
mod reach;
mod readiness;
mod reports;
mod schedules;
mod session;
mod settings;
mod setup;
mod sound;
mod speakers;
mod steps;
mod tokens;
mod trial;
mod uploads;
mod users;
mod versions;
mod web;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{Extensions, HeaderMap, StatusCode, Version, header};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router, middleware};
use tokio::sync::watch;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate as _, SizeAbove};
use utoipa::OpenApi;

use super::app::App;
use crate::protocol::limits::ENROLMENT_BYTES;

pub use areas::{AreaChange, AreaView, ImportView, MergerOrder};
pub use authority::TrustView;
pub use bulletins::{BulletinView, RevisionView, SoundView};
pub use commands::Told;
pub use enrolment::EnrolmentView;
pub use error::Problem;
pub use guard::{NEEDS, Need};
pub use people::{Listed, SpeakerCreated};
pub use places::Traits;
pub use schedules::{Playlist, ProgrammeView, Saved, ScheduleView};
pub use setup::founding_router;
pub use speakers::{SpeakerListed, SpeakerView};
pub use tokens::{TokenCreated, TokenView};
pub use uploads::Uploading;
pub use users::UserView;

/// Most items on one page of a list.
const PAGE: i64 = 500;
/// Largest JSON body; uploads have their own limit.
const JSON_BYTES: usize = 1024 * 1024;
/// What is sent by people who have not signed in yet, among others.
const PEOPLE_BYTES: usize = 16 * 1024;
/// A whole center's schedules, or the country's list of units.
const PLAYLIST_BYTES: usize = 16 * 1024 * 1024;

#[derive(OpenApi)]
#[openapi(
    info(title = "loaxa", description = "Public broadcast for communes", license(name = "Apache-2.0")),
    paths(
        session::sign_in,
        session::sign_out,
        session::myself,
        session::change_password,
        session::propose_totp,
        session::confirm_totp,
        session::clear_totp,
        session::sessions,
        session::end_session,
        session::set_up,
        setup::stage,
        setup::found,
        users::list,
        users::add,
        users::one,
        users::change,
        users::set_password,
        users::clear_totp,
        users::sessions,
        users::end_sessions,
        tokens::list,
        tokens::add,
        tokens::revoke,
        audit::list,
        audit::export,
        audit::head,
        audit::check,
        health::details,
        settings::settings,
        people::center,
        overview::overview,
        speakers::list,
        speakers::one,
        speakers::history,
        areas::areas,
        areas::area,
        areas::add_area,
        areas::put_area,
        areas::import_areas,
        areas::read_conversion,
        areas::merge_areas,
        people::add_speaker,
        people::new_speaker_password,
        enrolment::make_code,
        enrolment::enrol,
        enrolment::disable,
        enrolment::enable,
        trial::list,
        trial::begin,
        trial::end,
        trial::sound,
        places::plan,
        places::why,
        places::traits,
        places::put_traits,
        places::hours,
        places::put_hours,
        places::put_order,
        commands::give,
        places::speaker_calendar,
        places::area_calendar,
        people::certificates,
        people::add_certificate,
        authority::trust,
        authority::put_trust,
        authority::standing,
        authority::hand_over,
        authority::tickets,
        authority::add_ticket,
        authority::remove_ticket,
        bulletins::list,
        bulletins::remove,
        bulletins::set_text,
        fields::put,
        office::office,
        office::put_office,
        bulletins::one,
        bulletins::add,
        bulletins::revise,
        bulletins::text,
        steps::step,
        steps::history,
        bulletin_plays::list,
        sound::media,
        sound::peaks,
        uploads::begin,
        uploads::list,
        uploads::one,
        uploads::part,
        uploads::discard,
        schedules::programmes,
        versions::programme,
        preview::programme,
        schedules::put_programme,
        schedules::delete_programme,
        schedules::schedules,
        versions::schedule,
        preview::schedule,
        occurrences::list,
        schedules::put_schedule,
        schedules::put_playlist,
        schedules::delete_schedule,
        schedules::calendars,
        versions::calendar,
        schedules::put_calendar,
        schedules::delete_calendar,
        plays::list,
        readiness::list,
        reports::period,
        reports::file,
        plays::events
    )
)]
struct Description;

/// The whole of what is served. `stop` ends the open event streams when the server stops.
pub fn router(app: Arc<App>, stop: watch::Receiver<bool>) -> Router {
    let guarded = Router::new()
        .route("/center", get(people::center))
        .route("/overview", get(overview::overview))
        .route("/speakers", get(speakers::list).post(people::add_speaker))
        .route("/speakers/{id}", get(speakers::one))
        .route("/speakers/{id}/history", get(speakers::history))
        .route("/areas", get(areas::areas).post(areas::add_area))
        .route("/areas/merger", post(areas::merge_areas))
        .route("/areas/{code}", get(areas::area).put(areas::put_area))
        .route("/speakers/{id}/enrolment", post(enrolment::make_code))
        .route("/speakers/{id}/password", post(people::new_speaker_password))
        .route("/speakers/{id}/disable", post(enrolment::disable))
        .route("/speakers/{id}/enable", post(enrolment::enable))
        .route("/speakers/{id}/trial", post(trial::begin).delete(trial::end))
        .route("/speakers/{id}/trial/sound", get(trial::sound))
        .route("/trials", get(trial::list))
        .route("/speakers/{id}/plan", get(places::plan))
        .route("/speakers/{id}/why", get(places::why))
        .route("/speakers/{id}/traits", get(places::traits).put(places::put_traits))
        .route("/speakers/{id}/calendar.ics", get(places::speaker_calendar))
        .route("/areas/{code}/hours", get(places::hours).put(places::put_hours))
        .route("/areas/{code}/order", put(places::put_order))
        .route("/areas/{code}/command", post(commands::give))
        .route("/areas/{code}/calendar.ics", get(places::area_calendar))
        .route("/certificates", get(people::certificates).post(people::add_certificate))
        .route("/trust", get(authority::trust).put(authority::put_trust))
        .route("/authority", get(authority::standing).post(authority::hand_over))
        .route("/tickets", get(authority::tickets).post(authority::add_ticket))
        .route("/tickets/{id}", delete(authority::remove_ticket))
        .route("/bulletins/{id}/text", get(bulletins::text).put(bulletins::set_text))
        .route("/bulletins/{id}/history", get(steps::history))
        .route("/bulletins/{id}/plays", get(bulletin_plays::list))
        .route("/bulletins/{id}/field", put(fields::put))
        .route("/settings/office", get(office::office).put(office::put_office))
        .route("/bulletins/{id}", get(bulletins::one).delete(bulletins::remove))
        .route("/bulletins/{id}/revisions/{revision}/{step}", post(steps::step))
        .route("/media/{hash}", get(sound::media))
        .route("/media/{hash}/peaks", get(sound::peaks))
        .route("/uploads", get(uploads::list).post(uploads::begin))
        .route("/programmes", get(schedules::programmes))
        .route("/preview/programme", post(preview::programme))
        .route(
            "/programmes/{id}",
            get(versions::programme).put(schedules::put_programme).delete(schedules::delete_programme),
        )
        .route("/schedules", get(schedules::schedules))
        .route("/preview/schedule", post(preview::schedule))
        .route(
            "/schedules/{id}",
            get(versions::schedule).put(schedules::put_schedule).delete(schedules::delete_schedule),
        )
        .route("/occurrences", get(occurrences::list))
        .route("/calendars", get(schedules::calendars))
        .route(
            "/calendars/{id}",
            get(versions::calendar).put(schedules::put_calendar).delete(schedules::delete_calendar),
        )
        .route("/plays", get(plays::list))
        .route("/readiness", get(readiness::list))
        .route("/reports/period", get(reports::period))
        .route("/reports/period/file", get(reports::file))
        .route("/events", get(plays::events).with_state((app.clone(), stop)))
        .layer(DefaultBodyLimit::max(JSON_BYTES))
        .merge(
            Router::new()
                .route("/playlists", post(schedules::put_playlist))
                .route("/areas/import", post(areas::import_areas))
                .route("/areas/conversion", post(areas::read_conversion))
                .layer(DefaultBodyLimit::max(PLAYLIST_BYTES)),
        )
        // Uploads are streamed to the disk and counted there.
        .merge(
            Router::new()
                .route("/bulletins", get(bulletins::list).post(bulletins::add))
                .route("/bulletins/{id}/revisions", post(bulletins::revise))
                .route("/uploads/{id}", get(uploads::one).put(uploads::part).delete(uploads::discard))
                .layer(DefaultBodyLimit::disable()),
        )
        .merge(people_routes())
        .route("/enrolment", post(enrolment::enrol).layer(DefaultBodyLimit::max(ENROLMENT_BYTES)))
        .route("/openapi.json", get(async || Json(description())))
        .route("/health", get(async || "ok\n"))
        .route_layer(middleware::from_fn_with_state(app.clone(), guard::gate))
        .with_state(app);
    Router::new()
        .nest(guard::PREFIX, guarded.fallback(async || Problem::not_found("there is nothing at this address")))
        .fallback(web::page)
        .layer(middleware::map_response(error::as_problem))
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(1024).and(is_text)))
        // Outermost, so that no answer is without them.
        .layer(middleware::map_response(web::add_headers))
}

/// What a slow line gets smaller: lists of speakers and the page, not sound, and nothing that is streamed.
fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    matches!(kind, "application/json" | "text/html" | "text/javascript" | "text/css" | "text/csv" | "image/svg+xml")
}

fn people_routes() -> Router<Arc<App>> {
    Router::new()
        .route("/setup", get(setup::stage).post(session::set_up))
        .route("/setup/center", post(setup::found))
        .route("/session", get(session::myself).post(session::sign_in).delete(session::sign_out))
        .route("/session/password", put(session::change_password))
        .route("/session/totp", post(session::propose_totp).delete(session::clear_totp))
        .route("/session/totp/confirm", post(session::confirm_totp))
        .route("/sessions", get(session::sessions))
        .route("/sessions/{id}", delete(session::end_session))
        .route("/users", get(users::list).post(users::add))
        .route("/users/{name}", get(users::one).put(users::change))
        .route("/users/{name}/password", put(users::set_password))
        .route("/users/{name}/totp", delete(users::clear_totp))
        .route("/users/{name}/sessions", get(users::sessions).delete(users::end_sessions))
        .route("/tokens", get(tokens::list).post(tokens::add))
        .route("/tokens/{id}", delete(tokens::revoke))
        .route("/audit", get(audit::list))
        .route("/audit/export", get(audit::export))
        .route("/audit/head", get(audit::head))
        .route("/audit/check", get(audit::check))
        .route("/health/details", get(health::details))
        .route("/settings", get(settings::settings))
        .layer(DefaultBodyLimit::max(PEOPLE_BYTES))
}

/// OpenAPI 3.1, with the server's own prefix.
pub fn description() -> utoipa::openapi::OpenApi {
    let mut description = Description::openapi();
    description.info.version = env!("CARGO_PKG_VERSION").to_owned();
    // Handlers have short names, each in its own module; here each has to be one of a kind.
    for (path, item) in &mut description.paths.paths {
        let methods =
            [("get", &mut item.get), ("post", &mut item.post), ("put", &mut item.put), ("delete", &mut item.delete)];
        for (method, operation) in methods {
            if let Some(operation) = operation {
                let name = path.trim_start_matches(guard::PREFIX).replace(|c: char| !c.is_ascii_alphanumeric(), "_");
                operation.operation_id = Some(format!("{method}{name}"));
            }
        }
    }
    description
}
