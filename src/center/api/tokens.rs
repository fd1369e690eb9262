//! Tokens for machines: with an end, never able to do more than their maker can, told once.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::people::{Listed, titled};
use super::users::manages;
use crate::center::app::{App, Change, now_ms};
use crate::center::people;
use crate::center::people::person::{Person, Visit};
use crate::center::store::TokenRow;
use crate::domain::role::{AccountName, Grant, LOCAL, Right};

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    pub id: String,
    pub name: String,
    /// Who made it.
    pub account: String,
    pub grants: Vec<Grant>,
    pub created_ms: i64,
    pub ends_ms: i64,
    pub used_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
}

impl From<TokenRow> for TokenView {
    fn from(row: TokenRow) -> Self {
        let TokenRow { id, name, account, grants, created_ms, ends_ms, used_ms, revoked_ms, .. } = row;
        Self { id, name, account, grants, created_ms, ends_ms, used_ms, revoked_ms }
    }
}

/// Whether they may see and revoke it: it is theirs, or they manage its maker.
async fn governs(app: &App, person: &Person, row: &TokenRow) -> Result<bool, Problem> {
    if row.account == person.name && !person.is_token() {
        return Ok(true);
    }
    let top = std::slice::from_ref(&app.site.area);
    if row.account == LOCAL {
        return Ok(person.may(Right::ManagePeople, top));
    }
    let maker = row.account.parse::<AccountName>().map_err(Problem::internal)?;
    match app.store.account(&maker).await? {
        Some(maker) => Ok(person.may_somewhere(Right::ManagePeople) && manages(app, person, &maker).await.is_ok()),
        None => Ok(false),
    }
}

/// One's own tokens, and those of people whom one manages, oldest first
#[utoipa::path(get, path = "/api/v1/tokens", responses((status = 200, body = Listed<TokenView>)))]
pub async fn list(State(app): State<Arc<App>>, person: Person) -> Result<Json<Listed<TokenView>>, Problem> {
    let mut items = vec![];
    for row in app.store.tokens().await? {
        if governs(&app, &person, &row).await? {
            items.push(TokenView::from(row));
        }
    }
    Ok(Json(Listed { items, next_cursor: None }))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    pub grants: Vec<Grant>,
    /// 400 days from now at most.
    pub ends_ms: i64,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenCreated {
    #[serde(flatten)]
    pub view: TokenView,
    /// Shown this once; for `Authorization: Bearer`.
    pub token: String,
}

/// Make a token
#[utoipa::path(post, path = "/api/v1/tokens", request_body = NewToken,
    responses((status = 201, body = TokenCreated), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub async fn add(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    Json(new): Json<NewToken>,
) -> Result<(StatusCode, Json<TokenCreated>), Problem> {
    let forbidden = |detail: String| Problem::new(StatusCode::FORBIDDEN, detail);
    if person.is_token() {
        return Err(forbidden("a token cannot make tokens; sign in".into()));
    }
    let mut grants = new.grants;
    grants.sort();
    grants.dedup();
    if grants.is_empty() || grants.len() > 100 {
        return Err(Problem::bad_request("give the token a role and a place, such as viewer in 24133"));
    }
    let tree = app.store.areas().await?;
    for grant in &grants {
        let path = tree.path(&grant.area).map_err(|e| Problem::bad_request(e.to_string()))?;
        if !person.may_give(grant.role, &path) {
            return Err(forbidden(format!("you are not {} in area {} yourself", grant.role, grant.area)));
        }
    }
    let name = titled(&new.name)?;
    let (row, token) = people::add_token(&app, &person.name, name, grants, new.ends_ms, now_ms()).await?;
    app.changed(Change::Accounts);
    let said: Vec<_> = row.grants.iter().map(Grant::to_string).collect();
    visit.note(format!("{} {:?}: {}", row.id, row.name, said.join(" ")));
    Ok((StatusCode::CREATED, Json(TokenCreated { view: row.into(), token })))
}

/// Revoke a token
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", responses((status = 204), (status = 404, body = Problem)))]
pub async fn revoke(
    State(app): State<Arc<App>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let row = app.store.token(&id).await?;
    if !governs(&app, &person, &row).await? {
        return Err(Problem::not_found(format!("token {id} is not in the store")));
    }
    app.store.revoke_token(&id, now_ms()).await?;
    app.changed(Change::Accounts);
    Ok(StatusCode::NO_CONTENT)
}
