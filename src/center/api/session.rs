//! Who may use the API: whoever holds the center's access token, as a bearer token or as the cookie it was exchanged for.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Problem;
use crate::center::app::App;

const COOKIE: &str = "loaxa_session";

#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct SignIn {
    pub token: String,
}

/// Exchange the access token for a cookie
#[utoipa::path(post, path = "/api/v1/session", request_body = SignIn, responses((status = 204), (status = 401, body = Problem)))]
pub async fn sign_in(State(app): State<Arc<App>>, Json(sign_in): Json<SignIn>) -> Result<Response, Problem> {
    if !is_token(&app, sign_in.token.trim()) {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "this is not the center's access token"));
    }
    let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200", session_value(&app));
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Forget the cookie
#[utoipa::path(delete, path = "/api/v1/session", responses((status = 204)))]
pub async fn sign_out() -> Response {
    let cookie = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

/// Lets a request through if it shows the token or the cookie.
pub async fn require_token(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if bearer(request.headers()).is_some_and(|token| is_token(&app, token)) {
        return next.run(request).await;
    }
    if cookie(request.headers()).is_some_and(|value| value == session_value(&app)) {
        // A cookie is sent by the browser unasked; what changes things must also come from our own page.
        let safe = matches!(*request.method(), Method::GET | Method::HEAD);
        let own_page =
            request.headers().get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
        if safe || own_page {
            return next.run(request).await;
        }
    }
    let problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        "sign in with the center's access token: loaxa token --data DIR prints it",
    );
    let mut response = problem.into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    response
}

fn is_token(app: &App, token: &str) -> bool {
    Sha256::digest(token.as_bytes())[..] == app.token_hash
}

/// What the cookie holds: made from the token's hash, so that the token itself is not kept in browsers.
fn session_value(app: &App) -> String {
    hex::encode(Sha256::digest([b"loaxa session ", &app.token_hash[..]].concat()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}
