//! Accounts, sessions, known places and tokens. Keeps hashes and sealed secrets, and never sees what they were made from.

use sqlx::Row;
use sqlx::any::{AnyQueryResult, AnyRow};

use super::{Store, StoreError, from_json, parsed, to_json, unless_taken};
use crate::domain::role::{AccountName, Grant};

#[derive(Debug, Clone, PartialEq)]
pub struct AccountRow {
    pub name: AccountName,
    pub title: String,
    /// Argon2id, as a PHC string.
    pub password: String,
    pub grants: Vec<Grant>,
    pub disabled: bool,
    /// The second factor's secret, sealed.
    pub totp: Option<String>,
    /// One that was not confirmed yet.
    pub totp_pending: Option<String>,
    /// Hashes of the recovery codes that are left.
    pub recovery: Vec<String>,
    pub created_ms: i64,
    pub signed_in_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    /// SHA-256 of the cookie, in hex.
    pub id: String,
    pub account: String,
    /// For who holds the data directory: the hash of the access token that it was made with.
    pub proof: String,
    pub created_ms: i64,
    pub seen_ms: i64,
    pub address: String,
    pub agent: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TokenRow {
    pub id: String,
    pub name: String,
    /// Who made it.
    pub account: String,
    pub grants: Vec<Grant>,
    pub hash: String,
    pub created_ms: i64,
    pub ends_ms: i64,
    pub used_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
}

const ACCOUNT: &str = "select name, title, password, grants, disabled, totp, totp_pending, recovery, created_ms, signed_in_ms from accounts";
const SESSION: &str = "select id, account, proof, created_ms, seen_ms, address, agent from sessions";
const TOKEN: &str = "select id, name, account, grants, hash, created_ms, ends_ms, used_ms, revoked_ms from tokens";
/// Places that are remembered of one account.
const PLACES: i64 = 20;

impl Store {
    pub async fn add_account(&self, row: &AccountRow) -> Result<(), StoreError> {
        sqlx::query(
            "insert into accounts (name, title, password, grants, disabled, totp_step, recovery, created_ms) \
             values ($1, $2, $3, $4, $5, 0, $6, $7)",
        )
        .bind(row.name.as_str())
        .bind(row.title.as_str())
        .bind(row.password.as_str())
        .bind(to_json(&row.grants)?)
        .bind(i64::from(row.disabled))
        .bind(to_json(&row.recovery)?)
        .bind(row.created_ms)
        .execute(&self.pool)
        .await
        .map_err(|e| unless_taken(e, &format!("account {}", row.name)))?;
        Ok(())
    }

    pub async fn account(&self, name: &AccountName) -> Result<Option<AccountRow>, StoreError> {
        let query = format!("{ACCOUNT} where name = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(name.as_str()).fetch_optional(&self.pool).await?;
        row.as_ref().map(account).transpose()
    }

    /// Accounts in order of name, after `after`, at most `limit`.
    pub async fn accounts(&self, after: &str, limit: i64) -> Result<Vec<AccountRow>, StoreError> {
        let query = format!("{ACCOUNT} where name > $1 order by name limit $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(after).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(account).collect()
    }

    /// Title, roles and whether it is disabled, all in place of what was seen: of two at once the second does not undo the first.
    pub async fn change_account(&self, seen: &AccountRow, change: &AccountRow) -> Result<(), StoreError> {
        let done = sqlx::query(
            "update accounts set title = $1, grants = $2, disabled = $3 \
             where name = $4 and title = $5 and grants = $6 and disabled = $7",
        )
        .bind(change.title.as_str())
        .bind(to_json(&change.grants)?)
        .bind(i64::from(change.disabled))
        .bind(seen.name.as_str())
        .bind(seen.title.as_str())
        .bind(to_json(&seen.grants)?)
        .bind(i64::from(seen.disabled))
        .execute(&self.pool)
        .await?;
        unchanged(&done, &seen.name)
    }

    /// Puts a password in place of the one that was seen, so that of two at once the second does not undo the first.
    pub async fn set_password(&self, name: &AccountName, seen: &str, password: &str) -> Result<(), StoreError> {
        let done = sqlx::query("update accounts set password = $1 where name = $2 and password = $3")
            .bind(password)
            .bind(name.as_str())
            .bind(seen)
            .execute(&self.pool)
            .await?;
        unchanged(&done, name)
    }

    pub async fn signed_in(&self, name: &AccountName, now_ms: i64) -> Result<(), StoreError> {
        let done = sqlx::query("update accounts set signed_in_ms = $1 where name = $2")
            .bind(now_ms)
            .bind(name.as_str())
            .execute(&self.pool)
            .await?;
        found(&done, name)
    }

    pub async fn propose_totp(&self, name: &AccountName, sealed: &str) -> Result<(), StoreError> {
        let done = sqlx::query("update accounts set totp_pending = $1 where name = $2")
            .bind(sealed)
            .bind(name.as_str())
            .execute(&self.pool)
            .await?;
        found(&done, name)
    }

    /// Makes the proposed second factor the one that counts, if it still is `sealed`.
    pub async fn confirm_totp(
        &self,
        name: &AccountName,
        sealed: &str,
        step: u64,
        recovery: &[String],
    ) -> Result<(), StoreError> {
        let done = sqlx::query(
            "update accounts set totp = $1, totp_pending = null, totp_step = $2, recovery = $3 \
             where name = $4 and totp_pending = $1",
        )
        .bind(sealed)
        .bind(step as i64)
        .bind(to_json(&recovery)?)
        .bind(name.as_str())
        .execute(&self.pool)
        .await?;
        unchanged(&done, name)
    }

    pub async fn clear_totp(&self, name: &AccountName) -> Result<(), StoreError> {
        let done = sqlx::query("update accounts set totp = null, totp_pending = null, recovery = '[]' where name = $1")
            .bind(name.as_str())
            .execute(&self.pool)
            .await?;
        found(&done, name)
    }

    /// Uses up a step of the second factor. False where it, or a later one, was used already.
    pub async fn use_totp_step(&self, name: &AccountName, step: u64) -> Result<bool, StoreError> {
        let done = sqlx::query("update accounts set totp_step = $1 where name = $2 and totp_step < $1")
            .bind(step as i64)
            .bind(name.as_str())
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Uses up a recovery code by its hash. False where it is none, or was used already.
    pub async fn use_recovery_code(&self, row: &AccountRow, hash: &str) -> Result<bool, StoreError> {
        let left: Vec<&String> = row.recovery.iter().filter(|known| *known != hash).collect();
        if left.len() == row.recovery.len() {
            return Ok(false);
        }
        let done = sqlx::query("update accounts set recovery = $1 where name = $2 and recovery = $3")
            .bind(to_json(&left)?)
            .bind(row.name.as_str())
            .bind(to_json(&row.recovery)?)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    pub async fn add_session(&self, row: &SessionRow) -> Result<(), StoreError> {
        sqlx::query(
            "insert into sessions (id, account, proof, created_ms, seen_ms, address, agent) values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(row.id.as_str())
        .bind(row.account.as_str())
        .bind(row.proof.as_str())
        .bind(row.created_ms)
        .bind(row.seen_ms)
        .bind(row.address.as_str())
        .bind(row.agent.as_str())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub async fn session(&self, id: &str) -> Result<Option<SessionRow>, StoreError> {
        let query = format!("{SESSION} where id = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(session).transpose()
    }

    /// The sessions of an account, newest first.
    pub async fn sessions(&self, account: &str) -> Result<Vec<SessionRow>, StoreError> {
        let query = format!("{SESSION} where account = $1 order by created_ms desc, id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(account).fetch_all(&self.pool).await?;
        rows.iter().map(session).collect()
    }

    /// The one session whose id begins so.
    pub async fn session_beginning(&self, start: &str) -> Result<Option<SessionRow>, StoreError> {
        let query = format!("{SESSION} where substr(id, 1, {}) = $1", start.len());
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(start).fetch_optional(&self.pool).await?;
        row.as_ref().map(session).transpose()
    }

    pub async fn see_session(&self, id: &str, now_ms: i64) -> Result<(), StoreError> {
        sqlx::query("update sessions set seen_ms = $1 where id = $2 and seen_ms < $1")
            .bind(now_ms)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub async fn end_session(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query("delete from sessions where id = $1").bind(id).execute(&self.pool).await?;
        Ok(())
    }

    pub async fn end_sessions(&self, account: &str) -> Result<(), StoreError> {
        sqlx::query("delete from sessions where account = $1").bind(account).execute(&self.pool).await?;
        Ok(())
    }

    /// Clears away sessions that have ended by themselves.
    pub async fn drop_sessions(&self, created_before_ms: i64, seen_before_ms: i64) -> Result<(), StoreError> {
        sqlx::query("delete from sessions where created_ms < $1 or seen_ms < $2")
            .bind(created_before_ms)
            .bind(seen_before_ms)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Remembers from where an account was signed in to; the oldest places are forgotten.
    pub async fn know_place(&self, account: &AccountName, place: &str, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into known_places (account, place, used_ms) values ($1, $2, $3) \
             on conflict (account, place) do update set used_ms = excluded.used_ms",
        )
        .bind(account.as_str())
        .bind(place)
        .bind(now_ms)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "delete from known_places where account = $1 and place not in \
             (select place from known_places where account = $1 order by used_ms desc, place limit $2)",
        )
        .bind(account.as_str())
        .bind(PLACES)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    pub async fn knows_place(&self, account: &AccountName, place: &str) -> Result<bool, StoreError> {
        let row = sqlx::query("select used_ms from known_places where account = $1 and place = $2")
            .bind(account.as_str())
            .bind(place)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    /// Whether any account knows this place.
    pub async fn place_is_known(&self, place: &str) -> Result<bool, StoreError> {
        let row = sqlx::query("select account from known_places where place = $1 limit 1")
            .bind(place)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }

    pub async fn forget_places(&self, account: &AccountName) -> Result<(), StoreError> {
        sqlx::query("delete from known_places where account = $1").bind(account.as_str()).execute(&self.pool).await?;
        Ok(())
    }

    pub async fn add_token(&self, row: &TokenRow) -> Result<(), StoreError> {
        sqlx::query(
            "insert into tokens (id, name, account, grants, hash, created_ms, ends_ms) values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(row.id.as_str())
        .bind(row.name.as_str())
        .bind(row.account.as_str())
        .bind(to_json(&row.grants)?)
        .bind(row.hash.as_str())
        .bind(row.created_ms)
        .bind(row.ends_ms)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The token with this hash, whether it still counts or not.
    pub async fn token_of(&self, hash: &str) -> Result<Option<TokenRow>, StoreError> {
        let query = format!("{TOKEN} where hash = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(hash).fetch_optional(&self.pool).await?;
        row.as_ref().map(token).transpose()
    }

    pub async fn token(&self, id: &str) -> Result<TokenRow, StoreError> {
        let query = format!("{TOKEN} where id = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(id).fetch_optional(&self.pool).await?;
        token(&row.ok_or_else(|| StoreError::NotFound(format!("token {id}")))?)
    }

    /// All tokens, oldest first.
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let query = format!("{TOKEN} order by created_ms, id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&self.pool).await?;
        rows.iter().map(token).collect()
    }

    pub async fn use_token(&self, id: &str, now_ms: i64) -> Result<(), StoreError> {
        sqlx::query("update tokens set used_ms = $1 where id = $2").bind(now_ms).bind(id).execute(&self.pool).await?;
        Ok(())
    }

    /// Revokes all tokens that an account made; says how many that were.
    pub async fn revoke_tokens(&self, account: &AccountName, now_ms: i64) -> Result<u64, StoreError> {
        let done = sqlx::query("update tokens set revoked_ms = $1 where account = $2 and revoked_ms is null")
            .bind(now_ms)
            .bind(account.as_str())
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }

    pub async fn revoke_token(&self, id: &str, now_ms: i64) -> Result<(), StoreError> {
        sqlx::query("update tokens set revoked_ms = $1 where id = $2 and revoked_ms is null")
            .bind(now_ms)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

fn found(done: &AnyQueryResult, name: &AccountName) -> Result<(), StoreError> {
    if done.rows_affected() == 0 { Err(StoreError::NotFound(format!("account {name}"))) } else { Ok(()) }
}

fn unchanged(done: &AnyQueryResult, name: &AccountName) -> Result<(), StoreError> {
    if done.rows_affected() == 0 { Err(StoreError::Conflict(format!("account {name}"))) } else { Ok(()) }
}

fn account(row: &AnyRow) -> Result<AccountRow, StoreError> {
    Ok(AccountRow {
        name: parsed(row.try_get(0)?)?,
        title: row.try_get(1)?,
        password: row.try_get(2)?,
        grants: from_json(&row.try_get::<String, _>(3)?)?,
        disabled: row.try_get::<i64, _>(4)? != 0,
        totp: row.try_get(5)?,
        totp_pending: row.try_get(6)?,
        recovery: from_json(&row.try_get::<String, _>(7)?)?,
        created_ms: row.try_get(8)?,
        signed_in_ms: row.try_get(9)?,
    })
}

fn session(row: &AnyRow) -> Result<SessionRow, StoreError> {
    Ok(SessionRow {
        id: row.try_get(0)?,
        account: row.try_get(1)?,
        proof: row.try_get(2)?,
        created_ms: row.try_get(3)?,
        seen_ms: row.try_get(4)?,
        address: row.try_get(5)?,
        agent: row.try_get(6)?,
    })
}

fn token(row: &AnyRow) -> Result<TokenRow, StoreError> {
    Ok(TokenRow {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        account: row.try_get(2)?,
        grants: from_json(&row.try_get::<String, _>(3)?)?,
        hash: row.try_get(4)?,
        created_ms: row.try_get(5)?,
        ends_ms: row.try_get(6)?,
        used_ms: row.try_get(7)?,
        revoked_ms: row.try_get(8)?,
    })
}
