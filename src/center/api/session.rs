//! Signing in and out, one's own password, second factor and sessions, and the first admin of all.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::guard::{browser_cookie, no_session_cookie, session_cookie};
use super::people::{Listed, titled};
use crate::center::app::{App, now_ms};
use crate::center::people::person::{Means, Person, Visit};
use crate::center::people::{self, SignedIn, secret_hash, session_end_ms};
use crate::center::store::{AccountRow, SessionRow};
use crate::domain::role::{AccountName, Grant, Right};

/// Either the center's access token, or a name and a password.
#[derive(Deserialize, ToSchema)]
pub struct SignIn {
    pub token: Option<String>,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub password: String,
    /// From the authenticator, or a recovery code.
    pub code: Option<String>,
}

/// Sign in; where a code is missing the problem's type is `loaxa:totp-required`
#[utoipa::path(post, path = "/api/v1/session", request_body = SignIn,
    responses((status = 204), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub async fn sign_in(
    State(app): State<Arc<App>>,
    visit: Visit,
    Json(sign_in): Json<SignIn>,
) -> Result<Response, Problem> {
    let signed_in = match &sign_in.token {
        Some(token) => people::sign_in_locally(&app, &visit, token, now_ms()).await?,
        None => {
            people::sign_in(&app, &visit, &sign_in.name, &sign_in.password, sign_in.code.as_deref(), now_ms()).await?
        }
    };
    Ok(with_cookies(&app, &signed_in, StatusCode::NO_CONTENT))
}

pub fn with_cookies(app: &App, signed_in: &SignedIn, status: StatusCode) -> Response {
    let mut response = status.into_response();
    let browser = signed_in.browser.as_ref().map(|browser| browser_cookie(app, browser));
    for cookie in [Some(session_cookie(app, &signed_in.session)), browser].into_iter().flatten() {
        if let Ok(cookie) = cookie.parse() {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// Sign out
#[utoipa::path(delete, path = "/api/v1/session", responses((status = 204)))]
pub async fn sign_out(State(app): State<Arc<App>>, visit: Visit) -> Result<Response, Problem> {
    let id = visit.session.as_deref().map(secret_hash).unwrap_or_default();
    match app.store.session(&id).await? {
        Some(row) => {
            visit.tried(&row.account);
            app.store.end_session(&id).await?;
        }
        None => visit.changed_nothing(),
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, no_session_cookie(&app))]).into_response())
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SelfView {
    pub name: String,
    pub title: String,
    pub grants: Vec<Grant>,
    /// What they may do in some place.
    pub rights: Vec<Right>,
    /// Whether a second factor is on.
    pub totp: bool,
    /// When this session ends if nothing more is heard of it; a token's own end.
    pub ends_ms: Option<i64>,
}

/// Who is signed in
#[utoipa::path(get, path = "/api/v1/session", responses((status = 200, body = SelfView), (status = 401, body = Problem)))]
pub async fn myself(person: Person) -> Json<SelfView> {
    let rights = Right::ALL.into_iter().filter(|right| person.may_somewhere(*right)).collect();
    let Person { name, title, grants, totp, ends_ms, .. } = person;
    Json(SelfView { name, title, grants, rights, totp, ends_ms })
}

/// The account behind a session: a token cannot change who its maker is.
pub async fn own_account(app: &App, person: &Person) -> Result<AccountRow, Problem> {
    let forbidden = |detail: &str| Problem::new(StatusCode::FORBIDDEN, detail);
    if person.is_local() {
        return Err(forbidden("the center's own access token has no account; make one with: loaxa user add"));
    }
    if !matches!(person.means, Means::Session(_)) {
        return Err(forbidden("a token cannot do this; sign in"));
    }
    let name: AccountName = person.name.parse().map_err(Problem::internal)?;
    app.store.account(&name).await?.ok_or_else(|| Problem::internal("a session without an account"))
}

#[derive(Deserialize, ToSchema)]
pub struct PasswordChange {
    pub old: String,
    pub new: String,
}

/// Change one's own password; all other sessions end
#[utoipa::path(put, path = "/api/v1/session/password", request_body = PasswordChange,
    responses((status = 204), (status = 400, body = Problem), (status = 429, body = Problem)))]
pub async fn change_password(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(change): Json<PasswordChange>,
) -> Result<Response, Problem> {
    let account = own_account(&app, &person).await?;
    people::confirm_password(&app, &account, &change.old, now_ms()).await?;
    let account = people::set_password(&app, account, &change.new).await?;
    begin_anew(&app, &visit, &account).await
}

/// Ends all sessions of an account, which has been changed to this, and goes on in a new one.
async fn begin_anew(app: &App, visit: &Visit, account: &AccountRow) -> Result<Response, Problem> {
    app.store.end_sessions(account.name.as_str()).await?;
    let signed_in = people::go_on(app, visit, account, now_ms()).await?;
    Ok(with_cookies(app, &signed_in, StatusCode::NO_CONTENT))
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ProposedTotp {
    /// Base32, to be typed.
    pub secret: String,
    /// `otpauth://`, to be shown as a QR code.
    pub uri: String,
}

/// Propose a second factor; it counts once a code of it is confirmed
#[utoipa::path(post, path = "/api/v1/session/totp", request_body = Password,
    responses((status = 200, body = ProposedTotp), (status = 400, body = Problem), (status = 429, body = Problem)))]
pub async fn propose_totp(
    State(app): State<Arc<App>>,
    person: Person,
    Json(password): Json<Password>,
) -> Result<Json<ProposedTotp>, Problem> {
    let account = own_account(&app, &person).await?;
    // Whoever finds a browser open must not make the account theirs.
    people::confirm_password(&app, &account, &password.password, now_ms()).await?;
    if account.totp.is_some() {
        return Err(Problem::conflict("the second factor is on already; switch it off first"));
    }
    let proposal = people::propose_totp(&app, &account).await?;
    Ok(Json(ProposedTotp { secret: proposal.secret, uri: proposal.uri }))
}

#[derive(Deserialize, ToSchema)]
pub struct Code {
    pub code: String,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    /// Each signs in once instead of a code; shown this once.
    pub recovery_codes: Vec<String>,
}

/// Switch the second factor on, with a code of it; all other sessions end
#[utoipa::path(post, path = "/api/v1/session/totp/confirm", request_body = Code,
    responses((status = 200, body = RecoveryCodes), (status = 400, body = Problem)))]
pub async fn confirm_totp(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(code): Json<Code>,
) -> Result<Response, Problem> {
    let account = own_account(&app, &person).await?;
    let recovery_codes = people::confirm_totp(&app, &account, &code.code, now_ms()).await?;
    let account = AccountRow { totp: account.totp_pending.clone(), ..account };
    let mut response = begin_anew(&app, &visit, &account).await?;
    let (parts, body) = Json(RecoveryCodes { recovery_codes }).into_response().into_parts();
    response.headers_mut().extend(parts.headers);
    *response.status_mut() = StatusCode::OK;
    *response.body_mut() = body;
    Ok(response)
}

#[derive(Deserialize, ToSchema)]
pub struct Password {
    pub password: String,
}

/// Switch the second factor off; all other sessions end
#[utoipa::path(delete, path = "/api/v1/session/totp", request_body = Password,
    responses((status = 204), (status = 400, body = Problem)))]
pub async fn clear_totp(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(password): Json<Password>,
) -> Result<Response, Problem> {
    let account = own_account(&app, &person).await?;
    people::confirm_password(&app, &account, &password.password, now_ms()).await?;
    app.store.clear_totp(&account.name).await?;
    begin_anew(&app, &visit, &AccountRow { totp: None, ..account }).await
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    pub id: String,
    /// Whether it is the one that asks.
    pub current: bool,
    pub created_ms: i64,
    pub seen_ms: i64,
    pub ends_ms: i64,
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// Characters of a session's hash that name it in lists; half of it, so that a list gives no hash away.
const SHOWN: usize = 32;

pub fn session_views(app: &App, rows: Vec<SessionRow>, means: &Means) -> Listed<SessionView> {
    let now_ms = now_ms();
    let view = |row: SessionRow| SessionView {
        current: *means == Means::Session(row.id.clone()),
        ends_ms: session_end_ms(app, &row),
        created_ms: row.created_ms,
        seen_ms: row.seen_ms,
        address: row.address,
        agent: row.agent,
        id: row.id.chars().take(SHOWN).collect(),
    };
    let open = rows.into_iter().map(view).filter(|session| session.ends_ms > now_ms);
    Listed { items: open.collect(), next_cursor: None }
}

/// One's own sessions, newest first
#[utoipa::path(get, path = "/api/v1/sessions", responses((status = 200, body = Listed<SessionView>)))]
pub async fn sessions(State(app): State<Arc<App>>, person: Person) -> Result<Json<Listed<SessionView>>, Problem> {
    let rows = app.store.sessions(&person.name).await?;
    Ok(Json(session_views(&app, rows, &person.means)))
}

/// End a session: one's own, or that of somebody whom one manages
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", responses((status = 204), (status = 404, body = Problem)))]
pub async fn end_session(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let not_found = || Problem::not_found("there is no such session");
    let row = match id.len() {
        SHOWN => app.store.session_beginning(&id).await?.ok_or_else(not_found)?,
        _ => return Err(not_found()),
    };
    let own = row.account == person.name && !person.is_token();
    if !own {
        let Ok(name) = row.account.parse::<AccountName>() else { return Err(not_found()) };
        let account = app.store.account(&name).await?.ok_or_else(not_found)?;
        if !person.may_somewhere(Right::ManagePeople) || super::users::manages(&app, &person, &account).await.is_err() {
            return Err(not_found());
        }
    }
    visit.note(format!("a session of {}", row.account));
    app.store.end_session(&row.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
pub struct SetUp {
    /// As `loaxa serve` prints it while there is no account.
    pub code: String,
    pub name: String,
    pub title: String,
    pub password: String,
}

/// Make the first admin, while there is no account, and sign in
#[utoipa::path(post, path = "/api/v1/setup", request_body = SetUp,
    responses((status = 201), (status = 400, body = Problem), (status = 429, body = Problem)))]
pub async fn set_up(State(app): State<Arc<App>>, visit: Visit, Json(new): Json<SetUp>) -> Result<Response, Problem> {
    let name = new.name.trim().parse().map_err(|e: String| Problem::bad_request(e))?;
    let title = titled(&new.title)?;
    let signed_in = people::set_up(&app, &visit, &new.code, name, title, &new.password, now_ms()).await?;
    Ok(with_cookies(&app, &signed_in, StatusCode::CREATED))
}
