//! The audit log: lines are added behind the head and never changed; heads that were signed.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Store, StoreError, from_json, to_json};
use crate::protocol::audit::{Entry, Head, Line, Seal};
use crate::protocol::envelope::Envelope;

/// Which lines are looked for; what is empty or absent asks for nothing.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Part of who it was.
    pub who: String,
    /// Part of the method and route.
    pub action: String,
    /// Part of what it was about, or of what else was said.
    pub about: String,
    pub from_ms: Option<i64>,
    pub until_ms: Option<i64>,
    /// Only what was denied or failed.
    pub denied: bool,
}

/// How often an append that met another one begins again.
const TRIES: usize = 100;

impl Store {
    /// Adds entries behind the head, all or none. The head moves only from where it was seen, so that two who add at once
    /// never fork the chain.
    pub async fn append_audit(&self, entries: &[Entry]) -> Result<Head, StoreError> {
        for _ in 0..TRIES {
            if let Some(head) = self.try_append_audit(entries).await? {
                return Ok(head);
            }
        }
        Err(StoreError::Conflict("the audit log".into()))
    }

    async fn try_append_audit(&self, entries: &[Entry]) -> Result<Option<Head>, StoreError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("select number, hash from audit_head where id = 'head'").fetch_one(&mut *tx).await?;
        let seen = head(&row)?;
        let mut now = seen.clone();
        let mut lines = vec![];
        for entry in entries {
            let line = now.line(entry.clone());
            now = Head { number: line.number, hash: line.hash.clone() };
            lines.push(line);
        }
        let moved =
            sqlx::query("update audit_head set number = $1, hash = $2 where id = 'head' and number = $3 and hash = $4")
                .bind(now.number as i64)
                .bind(now.hash.as_str())
                .bind(seen.number as i64)
                .bind(seen.hash.as_str())
                .execute(&mut *tx)
                .await?;
        if moved.rows_affected() == 0 {
            tx.rollback().await?;
            return Ok(None);
        }
        for Line { number, entry, hash } in &lines {
            sqlx::query(
                "insert into audit (number, at_ms, who, source, action, target, status, times, detail, hash) \
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(*number as i64)
            .bind(entry.at_ms)
            .bind(entry.who.as_str())
            .bind(entry.source.as_str())
            .bind(entry.action.as_str())
            .bind(entry.target.as_str())
            .bind(i64::from(entry.status))
            .bind(i64::from(entry.times))
            .bind(entry.detail.as_str())
            .bind(hash.as_str())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(Some(now))
    }

    pub async fn audit_head(&self) -> Result<Head, StoreError> {
        let row = sqlx::query("select number, hash from audit_head where id = 'head'").fetch_one(&self.pool).await?;
        head(&row)
    }

    /// Lines after number `after`, in order, at most `limit`.
    pub async fn audit_after(&self, after: u64, limit: i64) -> Result<Vec<Line>, StoreError> {
        let rows = sqlx::query(
            "select number, at_ms, who, source, action, target, status, times, detail, hash from audit where number > $1 order by number limit $2",
        )
        .bind(after as i64)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(line).collect()
    }

    /// Lines before number `before` that `query` asks for, the newest first, at most `limit`.
    pub async fn audit_found(&self, query: &AuditQuery, before: u64, limit: i64) -> Result<Vec<Line>, StoreError> {
        let rows = sqlx::query(
            "select number, at_ms, who, source, action, target, status, times, detail, hash from audit \
             where number < $1 and at_ms >= $2 and at_ms < $3 and status >= $4 \
             and lower(who) like $5 escape '!' and lower(action) like $6 escape '!' \
             and (lower(target) like $7 escape '!' or lower(detail) like $7 escape '!') \
             order by number desc limit $8",
        )
        .bind(i64::try_from(before).unwrap_or(i64::MAX))
        .bind(query.from_ms.unwrap_or(i64::MIN))
        .bind(query.until_ms.unwrap_or(i64::MAX))
        .bind(if query.denied { 400_i64 } else { 0 })
        .bind(containing(&query.who))
        .bind(containing(&query.action))
        .bind(containing(&query.about))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(line).collect()
    }

    /// Lines before number `before`, the newest first, at most `limit`.
    pub async fn audit_before(&self, before: u64, limit: i64) -> Result<Vec<Line>, StoreError> {
        let rows = sqlx::query(
            "select number, at_ms, who, source, action, target, status, times, detail, hash from audit where number < $1 order by number desc limit $2",
        )
        .bind(i64::try_from(before).unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(line).collect()
    }

    /// Keeps a head that was signed.
    pub async fn add_seal(&self, seal: &Seal, envelope: &Envelope) -> Result<(), StoreError> {
        sqlx::query("insert into audit_seals (number, envelope) values ($1, $2) on conflict (number) do nothing")
            .bind(seal.number as i64)
            .bind(to_json(envelope)?)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// All signed heads, oldest first.
    pub async fn seals(&self) -> Result<Vec<(u64, Envelope)>, StoreError> {
        let rows =
            sqlx::query("select number, envelope from audit_seals order by number").fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| Ok((row.try_get::<i64, _>(0)? as u64, from_json(&row.try_get::<String, _>(1)?)?)))
            .collect()
    }

    /// The newest signed head.
    pub async fn newest_seal(&self) -> Result<Option<Envelope>, StoreError> {
        let row = sqlx::query("select envelope from audit_seals order by number desc limit 1")
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| from_json(&row.try_get::<String, _>(0)?)).transpose()
    }

    /// The number of the newest signed head.
    pub async fn last_sealed(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("select max(number) from audit_seals").fetch_one(&self.pool).await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.unwrap_or(0) as u64)
    }
}

/// A pattern for texts that contain this one. Letters beyond ASCII are compared as they are: SQLite lowers no others.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.trim().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c.to_ascii_lowercase());
    }
    pattern.push('%');
    pattern
}

fn head(row: &AnyRow) -> Result<Head, StoreError> {
    Ok(Head { number: row.try_get::<i64, _>(0)? as u64, hash: row.try_get(1)? })
}

fn line(row: &AnyRow) -> Result<Line, StoreError> {
    let entry = Entry {
        at_ms: row.try_get(1)?,
        who: row.try_get(2)?,
        source: row.try_get(3)?,
        action: row.try_get(4)?,
        target: row.try_get(5)?,
        status: small(row, 6)?,
        times: small(row, 7)?,
        detail: row.try_get(8)?,
    };
    Ok(Line { number: small(row, 0)?, entry, hash: row.try_get(9)? })
}

/// A number that fits; one that does not was never written here, and must not be cut down to one that was.
fn small<T: TryFrom<i64>>(row: &AnyRow, column: usize) -> Result<T, StoreError> {
    let number: i64 = row.try_get(column)?;
    T::try_from(number).map_err(|_| StoreError::Damaged(format!("a line of the audit log holds the number {number}")))
}
