//! Accounts, for those who manage people: only inside their own areas, and never more than they have themselves.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::etag::{self, IfMatch};
use super::people::{Listed, Page, titled};
use super::session::{Password, SessionView, session_views, with_cookies};
use super::{PAGE, Problem, guard};
use crate::center::app::{App, Change, now_ms};
use crate::center::people;
use crate::center::people::person::{Means, Person, Visit};
use crate::center::store::{AccountRow, StoreError};
use crate::domain::area::AreaTree;
use crate::domain::role::{AccountName, Grant, Right};

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    pub name: String,
    pub title: String,
    pub grants: Vec<Grant>,
    pub disabled: bool,
    /// Whether a second factor is on.
    pub totp: bool,
    pub created_ms: i64,
    pub signed_in_ms: Option<i64>,
}

impl From<AccountRow> for UserView {
    fn from(row: AccountRow) -> Self {
        Self {
            name: row.name.to_string(),
            title: row.title,
            grants: row.grants,
            disabled: row.disabled,
            totp: row.totp.is_some(),
            created_ms: row.created_ms,
            signed_in_ms: row.signed_in_ms,
        }
    }
}

/// What an edit is an edit of: not when somebody signed in last.
#[derive(Serialize)]
struct UserTag<'a>(&'a str, &'a [Grant], bool);

impl<'a> From<&'a AccountRow> for UserTag<'a> {
    fn from(row: &'a AccountRow) -> Self {
        Self(&row.title, &row.grants, row.disabled)
    }
}

fn tagged(row: AccountRow) -> Result<Response, Problem> {
    let tag = etag::tag(&UserTag::from(&row))?;
    Ok(([(header::ETAG, tag)], Json(UserView::from(row))).into_response())
}

/// Most roles of one account.
const MOST_GRANTS: usize = 100;

/// Whether they manage people wherever these roles count, and could give each of them.
fn masters(person: &Person, tree: &AreaTree, grants: &[Grant]) -> Result<(), Problem> {
    for grant in grants {
        let path = tree.path(&grant.area).map_err(|e| Problem::bad_request(e.to_string()))?;
        if !person.may(Right::ManagePeople, &path) || !person.may_give(grant.role, &path) {
            return Err(guard::elsewhere(Right::ManagePeople, &grant.area));
        }
    }
    Ok(())
}

/// Whether they may change this account at all: a new password or role would be a way to act as it.
pub async fn manages(app: &App, person: &Person, account: &AccountRow) -> Result<(), Problem> {
    masters(person, &app.store.areas().await?, &account.grants)
}

async fn managed(app: &App, person: &Person, name: &str) -> Result<AccountRow, Problem> {
    let not_found = || Problem::not_found(format!("account {name} is not among those whom you manage"));
    let parsed: AccountName = name.parse().map_err(|e: String| Problem::bad_request(e))?;
    let account = app.store.account(&parsed).await?;
    // Asked in any case: who may not see an account is not told whether there is one.
    let may = match &account {
        Some(account) => manages(app, person, account).await.is_ok(),
        None => person.may(Right::ManagePeople, std::slice::from_ref(&app.site.area)),
    };
    account.filter(|_| may).ok_or_else(not_found)
}

fn checked(person: &Person, tree: &AreaTree, mut grants: Vec<Grant>) -> Result<Vec<Grant>, Problem> {
    grants.sort();
    grants.dedup();
    match grants.len() {
        0 => {
            return Err(Problem::bad_request(
                "give the account a role and a place, such as editor in 24133; to close it, disable it",
            ));
        }
        1..=MOST_GRANTS => {}
        _ => return Err(Problem::bad_request(format!("more than {MOST_GRANTS} roles; name an area above them"))),
    }
    masters(person, tree, &grants)?;
    Ok(grants)
}

/// Accounts whom one manages, in order of name
#[utoipa::path(get, path = "/api/v1/users", params(("cursor" = Option<String>, Query), ("limit" = Option<i64>, Query)),
    responses((status = 200, body = Listed<UserView>)))]
pub async fn list(
    State(app): State<Arc<App>>,
    person: Person,
    Query(page): Query<Page>,
) -> Result<Json<Listed<UserView>>, Problem> {
    let tree = app.store.areas().await?;
    let (mut items, mut after) = (vec![], page.cursor().to_owned());
    loop {
        let rows = app.store.accounts(&after, PAGE).await?;
        let Some(last) = rows.last() else { break };
        after = last.name.to_string();
        let mine = rows.into_iter().filter(|row| masters(&person, &tree, &row.grants).is_ok());
        items.extend(mine.map(UserView::from));
        if items.len() as i64 > page.limit() {
            break;
        }
    }
    let more = items.len() as i64 > page.limit();
    items.truncate(page.limit() as usize);
    let next_cursor = items.last().filter(|_| more).map(|last| last.name.clone());
    person.filters();
    Ok(Json(Listed { items, next_cursor }))
}

#[derive(Deserialize, ToSchema)]
pub struct NewUser {
    pub name: String,
    pub title: String,
    pub password: String,
    pub grants: Vec<Grant>,
}

/// Add an account
#[utoipa::path(post, path = "/api/v1/users", request_body = NewUser,
    responses((status = 201, body = UserView), (status = 400, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem)))]
pub async fn add(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(new): Json<NewUser>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    let grants = checked(&person, &app.store.areas().await?, new.grants)?;
    let name: AccountName = new.name.trim().parse().map_err(|e: String| Problem::bad_request(e))?;
    let title = titled(&new.title)?;
    visit.note(format!("{name}: {}", listed(&grants)));
    let row = people::add_account(&app, name, title, &new.password, grants, now_ms()).await?;
    app.changed(Change::Accounts);
    Ok((StatusCode::CREATED, Json(row.into())))
}

fn listed(grants: &[Grant]) -> String {
    grants.iter().map(Grant::to_string).collect::<Vec<_>>().join(" ")
}

/// One account
#[utoipa::path(get, path = "/api/v1/users/{name}", responses((status = 200, body = UserView), (status = 404, body = Problem)))]
pub async fn one(State(app): State<Arc<App>>, person: Person, Path(name): Path<String>) -> Result<Response, Problem> {
    tagged(managed(&app, &person, &name).await?)
}

/// What is not given stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UserChange {
    pub title: Option<String>,
    pub grants: Option<Vec<Grant>>,
    /// The roles that `grants` was made from: with others by now, nothing is changed.
    pub grants_before: Option<Vec<Grant>>,
    pub disabled: Option<bool>,
}

/// Change an account; with its roles, or disabled, its sessions end
#[utoipa::path(put, path = "/api/v1/users/{name}", request_body = UserChange,
    responses((status = 200, body = UserView), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 412, body = Problem)))]
pub async fn change(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Path(name): Path<String>,
    seen: IfMatch,
    Json(change): Json<UserChange>,
) -> Result<Response, Problem> {
    let before = managed(&app, &person, &name).await?;
    // When somebody signed in last is no edit.
    seen.check(Some(&UserTag::from(&before)))?;
    let mut after = before.clone();
    let mut said = vec![];
    if change.grants_before.is_some_and(|seen| seen != before.grants) {
        return Err(StoreError::Conflict(format!("account {}", before.name)).into());
    }
    if let Some(title) = change.title {
        after.title = titled(&title)?;
    }
    if let Some(grants) = change.grants {
        after.grants = checked(&person, &app.store.areas().await?, grants)?;
    }
    after.disabled = change.disabled.unwrap_or(before.disabled);
    let own = before.name.as_str() == person.name;
    if own && after.disabled {
        return Err(Problem::conflict("you cannot disable yourself; another administrator can"));
    }
    if after.grants != before.grants {
        said.push(format!("{} instead of {}", listed(&after.grants), listed(&before.grants)));
    }
    if after.disabled != before.disabled {
        said.push(if after.disabled { "disabled".into() } else { "enabled".to_owned() });
    }
    app.store.change_account(&before, &after).await?;
    app.changed(Change::Accounts);
    let mut response = StatusCode::OK.into_response();
    if !said.is_empty() {
        app.store.end_sessions(after.name.as_str()).await?;
        if own && matches!(person.means, Means::Session(_)) {
            let signed_in = people::go_on(&app, &visit, &after, now_ms()).await?;
            response = with_cookies(&app, &signed_in, StatusCode::OK);
        }
        visit.note(said.join("; "));
    }
    let (parts, body) = tagged(after)?.into_parts();
    response.headers_mut().extend(parts.headers);
    *response.body_mut() = body;
    Ok(response)
}

/// Give an account a new password; its sessions end, and its tokens are revoked
///
/// Whoever had the account may have made tokens, and those would go on.
#[utoipa::path(put, path = "/api/v1/users/{name}/password", request_body = Password,
    responses((status = 204), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn set_password(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Path(name): Path<String>,
    Json(new): Json<Password>,
) -> Result<StatusCode, Problem> {
    let account = managed(&app, &person, &name).await?;
    if person.name == account.name.as_str() {
        return Err(Problem::conflict("change your own password with the old one, under your account"));
    }
    let account = people::set_password(&app, account, &new.password).await?;
    let revoked = app.store.revoke_tokens(&account.name, now_ms()).await?;
    visit.note(format!("{revoked} tokens were revoked"));
    Ok(StatusCode::NO_CONTENT)
}

/// Switch off the second factor of somebody who has lost it; their sessions end
#[utoipa::path(delete, path = "/api/v1/users/{name}/totp", responses((status = 204), (status = 404, body = Problem)))]
pub async fn clear_totp(
    State(app): State<Arc<App>>,
    person: Person,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let account = managed(&app, &person, &name).await?;
    if person.name == account.name.as_str() {
        return Err(Problem::conflict("switch off your own second factor with your password, under your account"));
    }
    app.store.clear_totp(&account.name).await?;
    app.store.end_sessions(account.name.as_str()).await?;
    app.changed(Change::Accounts);
    Ok(StatusCode::NO_CONTENT)
}

/// The sessions of an account; DELETE /sessions/{id} ends one
#[utoipa::path(get, path = "/api/v1/users/{name}/sessions",
    responses((status = 200, body = Listed<SessionView>), (status = 404, body = Problem)))]
pub async fn sessions(
    State(app): State<Arc<App>>,
    person: Person,
    Path(name): Path<String>,
) -> Result<Json<Listed<SessionView>>, Problem> {
    let account = managed(&app, &person, &name).await?;
    let rows = app.store.sessions(account.name.as_str()).await?;
    Ok(Json(session_views(&app, rows, &person.means)))
}

/// End all sessions of an account
#[utoipa::path(delete, path = "/api/v1/users/{name}/sessions", responses((status = 204), (status = 404, body = Problem)))]
pub async fn end_sessions(
    State(app): State<Arc<App>>,
    person: Person,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let account = managed(&app, &person, &name).await?;
    app.store.end_sessions(account.name.as_str()).await?;
    Ok(StatusCode::NO_CONTENT)
}
