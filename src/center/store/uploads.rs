//! What is being sent in part by part, and the outlines of sounds.
//!
//! The parts themselves lie in files, which only the API and the sweep touch; a row says how much of one is surely on the disk.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Store, StoreError, Tx};
use crate::domain::ids::MediaHash;

#[derive(Debug, Clone, PartialEq)]
pub struct UploadRow {
    /// The file's name, too.
    pub id: String,
    /// Whose it is.
    pub account: String,
    pub file_name: String,
    /// How many it will be.
    pub bytes: u64,
    /// How many of them are on the disk.
    pub received: u64,
    pub created_ms: i64,
    pub ends_ms: i64,
}

const COLUMNS: &str = "select id, account, file_name, bytes, received, created_ms, ends_ms from uploads";

impl Store {
    pub async fn add_upload(&self, row: &UploadRow) -> Result<(), StoreError> {
        sqlx::query(
            "insert into uploads (id, account, file_name, bytes, received, created_ms, ends_ms) values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(row.id.as_str())
        .bind(row.account.as_str())
        .bind(row.file_name.as_str())
        .bind(row.bytes as i64)
        .bind(row.received as i64)
        .bind(row.created_ms)
        .bind(row.ends_ms)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Everything that is being sent in, newest first.
    pub async fn uploads(&self) -> Result<Vec<UploadRow>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} order by created_ms desc, id"));
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(upload).collect()
    }

    /// Somebody's own; another's is not there.
    pub async fn upload(&self, id: &str, account: &str) -> Result<UploadRow, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} where id = $1 and account = $2"));
        let row = sqlx::query(sql).bind(id).bind(account).fetch_optional(&self.pool).await?;
        upload(&row.ok_or_else(|| StoreError::NotFound("this upload".into()))?)
    }

    /// So much is on the disk now.
    pub async fn received(&self, id: &str, received: u64) -> Result<(), StoreError> {
        sqlx::query("update uploads set received = $1 where id = $2")
            .bind(received as i64)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub async fn drop_upload(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query("delete from uploads where id = $1").bind(id).execute(&self.pool).await?;
        Ok(())
    }

    /// Forgets those whose time is over, and names them.
    pub async fn drop_uploads(&self, now_ms: i64) -> Result<Vec<String>, StoreError> {
        let mut tx = self.begin().await?;
        let rows = sqlx::query("select id from uploads where ends_ms <= $1").bind(now_ms).fetch_all(&mut *tx).await?;
        let ids: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        sqlx::query("delete from uploads where ends_ms <= $1").bind(now_ms).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(ids)
    }

    /// The files in `uploads/` that somebody still needs: sent in whole and not yet converted, or being sent in.
    pub async fn needed_uploads(&self) -> Result<Vec<String>, StoreError> {
        let rows =
            sqlx::query("select upload from revisions where intake = 'received' union all select id from uploads")
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }

    /// Keeps the outline of a sound; one is the same as the other.
    pub async fn keep_peaks(&self, media: &MediaHash, peaks: &[u8]) -> Result<(), StoreError> {
        sqlx::query("insert into peaks (media, outline) values ($1, $2) on conflict (media) do nothing")
            .bind(media.to_string())
            .bind(hex::encode(peaks))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub async fn peaks(&self, media: &MediaHash) -> Result<Option<Vec<u8>>, StoreError> {
        let row = sqlx::query("select outline from peaks where media = $1")
            .bind(media.to_string())
            .fetch_optional(&self.pool)
            .await?;
        let read =
            |row: AnyRow| hex::decode(row.try_get::<String, _>(0)?).map_err(|e| StoreError::Damaged(e.to_string()));
        row.map(read).transpose()
    }
}

/// An upload that became a revision is no longer one: it cannot be used twice.
pub(super) async fn use_up(tx: &mut Tx<'_>, id: &str) -> Result<(), StoreError> {
    sqlx::query("delete from uploads where id = $1").bind(id).execute(&mut **tx).await?;
    Ok(())
}

fn upload(row: &AnyRow) -> Result<UploadRow, StoreError> {
    Ok(UploadRow {
        id: row.try_get(0)?,
        account: row.try_get(1)?,
        file_name: row.try_get(2)?,
        bytes: row.try_get::<i64, _>(3)? as u64,
        received: row.try_get::<i64, _>(4)? as u64,
        created_ms: row.try_get(5)?,
        ends_ms: row.try_get(6)?,
    })
}
