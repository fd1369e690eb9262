//! People and tokens from the command line; passwords are asked for here and go no further than the center.

use std::path::{Path, PathBuf};

use axum::http::Method;
use clap::Subcommand;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{Place, escaped, keys, table};
use crate::center::api::{Listed, TokenCreated, TokenView, UserView};
use crate::center::app::now_ms;
use crate::center::client::Client;
use crate::domain::DAY_MS;
use crate::domain::role::{AccountName, Grant};

#[derive(Subcommand)]
pub enum User {
    /// Add an account
    Add {
        /// Under which the person signs in: 2-40 of a-z, 0-9, '.', '_' and '-'
        name: AccountName,
        /// The person, as others know them
        #[arg(long)]
        title: String,
        /// Roles and where they count, such as editor@24133; roles: admin, editor, approver, operator, viewer
        #[arg(long, required = true, value_delimiter = ',', value_name = "ROLE@AREA")]
        grant: Vec<Grant>,
        /// File with the password (else LOAXA_PASSWORD, else asked for)
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// List accounts
    List,
    /// Give an account a new password; its sessions end, and its tokens are revoked
    Password {
        name: AccountName,
        /// File with the password (else LOAXA_PASSWORD, else asked for)
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Close an account; its sessions end, and its tokens no longer count
    Disable { name: AccountName },
    /// Open it again
    Enable { name: AccountName },
    /// Give roles
    Grant {
        name: AccountName,
        #[arg(required = true, value_delimiter = ',', value_name = "ROLE@AREA")]
        grant: Vec<Grant>,
    },
    /// Take roles away
    Revoke {
        name: AccountName,
        #[arg(required = true, value_delimiter = ',', value_name = "ROLE@AREA")]
        grant: Vec<Grant>,
    },
    /// Switch off the second factor of somebody who has lost it
    TotpReset { name: AccountName },
}

#[derive(Subcommand)]
pub enum Tokens {
    /// Make a token; it is shown this once
    Add {
        /// What it is for
        name: String,
        /// What it may do and where, such as viewer@24133; never more than you may yourself
        #[arg(long, required = true, value_delimiter = ',', value_name = "ROLE@AREA")]
        grant: Vec<Grant>,
        /// Days until it ends, 400 at most
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
    /// List tokens
    List,
    /// Revoke a token
    Revoke { id: String },
}

pub async fn user(place: &Place, command: User) -> Result<(), String> {
    let client = place.client().await?;
    match command {
        User::Add { name, title, grant, password_file } => {
            let password = password(&name, password_file.as_deref())?;
            let body = json!({ "name": name, "title": title, "grants": grant, "password": *password });
            let made: UserView = client.send(Method::POST, "/users", &body).await?;
            place.answer(&made, |made| format!("{} may sign in as {}", listed(&made.grants), made.name))?;
        }
        User::List => {
            let users: Vec<UserView> = all(&client, "/users").await?;
            place.answer(&users, |users| {
                let mut table = table(&["name", "title", "roles", "second factor", "signed in", ""]);
                for user in users {
                    table.add_row([
                        user.name.clone(),
                        user.title.clone(),
                        listed(&user.grants),
                        if user.totp { "on" } else { "off" }.into(),
                        user.signed_in_ms.map(day).unwrap_or_default(),
                        if user.disabled { "disabled" } else { "" }.into(),
                    ]);
                }
                table.to_string()
            })?;
        }
        User::Password { name, password_file } => {
            let password = password(&name, password_file.as_deref())?;
            let body = json!({ "password": *password });
            client.send::<Value>(Method::PUT, &format!("/users/{name}/password"), &body).await?;
            place.answer(&json!({ "name": name }), |_| {
                format!(
                    "{name} has a new password; all sessions have ended, and all tokens that {name} made are revoked"
                )
            })?;
        }
        User::Disable { name } => change(place, &client, &name, &json!({ "disabled": true })).await?,
        User::Enable { name } => change(place, &client, &name, &json!({ "disabled": false })).await?,
        User::Grant { name, grant } => {
            let user: UserView = client.get(&format!("/users/{name}")).await?;
            let all: Vec<&Grant> = user.grants.iter().chain(&grant).collect();
            change(place, &client, &name, &json!({ "grants": all, "grants_before": user.grants })).await?;
        }
        User::Revoke { name, grant } => {
            let user: UserView = client.get(&format!("/users/{name}")).await?;
            if let Some(other) = grant.iter().find(|grant| !user.grants.contains(grant)) {
                return Err(format!("{name} is not {other}, but {}", listed(&user.grants)));
            }
            let left: Vec<&Grant> = user.grants.iter().filter(|held| !grant.contains(held)).collect();
            change(place, &client, &name, &json!({ "grants": left, "grants_before": user.grants })).await?;
        }
        User::TotpReset { name } => {
            client.send::<Value>(Method::DELETE, &format!("/users/{name}/totp"), &Value::Null).await?;
            place.answer(&json!({ "name": name }), |_| format!("{name} signs in without a second factor now"))?;
        }
    }
    client.close().await
}

pub async fn tokens(place: &Place, command: Tokens) -> Result<(), String> {
    let client = place.client().await?;
    match command {
        Tokens::Add { name, grant, days } => {
            let ends_ms = now_ms() + i64::from(days) * DAY_MS;
            let body = json!({ "name": name, "grants": grant, "ends_ms": ends_ms });
            let made: TokenCreated = client.send(Method::POST, "/tokens", &body).await?;
            place.answer(&made, |made| {
                format!(
                    "{}\n(shown this once; {} until {})",
                    made.token,
                    listed(&made.view.grants),
                    day(made.view.ends_ms)
                )
            })?;
        }
        Tokens::List => {
            let tokens: Vec<TokenView> = all(&client, "/tokens").await?;
            place.answer(&tokens, |tokens| {
                let mut table = table(&["id", "for", "made by", "may", "until", "last used", ""]);
                for token in tokens {
                    table.add_row([
                        token.id.clone(),
                        token.name.clone(),
                        token.account.clone(),
                        listed(&token.grants),
                        day(token.ends_ms),
                        token.used_ms.map(day).unwrap_or_default(),
                        if token.revoked_ms.is_some() { "revoked" } else { "" }.into(),
                    ]);
                }
                table.to_string()
            })?;
        }
        Tokens::Revoke { id } => {
            client.send::<Value>(Method::DELETE, &format!("/tokens/{}", escaped(&id)), &Value::Null).await?;
            place.answer(&json!({ "id": id }), |_| format!("token {id} no longer counts"))?;
        }
    }
    client.close().await
}

async fn change(place: &Place, client: &Client, name: &AccountName, body: &Value) -> Result<(), String> {
    let user: UserView = client.send(Method::PUT, &format!("/users/{name}"), body).await?;
    place.answer(&user, |user| {
        let state = if user.disabled { "disabled" } else { "open" };
        format!("{name} is {}, and {state}", listed(&user.grants))
    })
}

/// Every item of a list, page by page.
async fn all<T: serde::de::DeserializeOwned>(client: &Client, path: &str) -> Result<Vec<T>, String> {
    let (mut items, mut cursor) = (vec![], String::new());
    loop {
        let page: Listed<T> = client.get(&format!("{path}?cursor={}", escaped(&cursor))).await?;
        items.extend(page.items);
        match page.next_cursor {
            Some(next) => cursor = next,
            None => return Ok(items),
        }
    }
}

fn password(name: &AccountName, file: Option<&Path>) -> Result<Zeroizing<String>, String> {
    match keys::given_passphrase(file, "LOAXA_PASSWORD")? {
        Some(password) => Ok(password),
        None => keys::new_passphrase(&format!("Password for {name}")),
    }
}

fn listed(grants: &[Grant]) -> String {
    grants.iter().map(Grant::to_string).collect::<Vec<_>>().join(" ")
}

fn day(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).map(|at| at.format("%Y-%m-%d").to_string()).unwrap_or_default()
}
