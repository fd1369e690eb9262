//! How much the database takes and when it was written last, as far as it can be told from outside.

use std::path::Path;
use std::time::UNIX_EPOCH;

use sqlx::Row;

use super::{FILE, Store, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    pub bytes: u64,
    /// SQLite alone tells it, by its files.
    pub written_ms: Option<i64>,
}

impl Store {
    /// Of the database in `dir`, or by URL.
    pub async fn footprint(&self, dir: &Path, url: &str) -> Result<Footprint, StoreError> {
        if !url.is_empty() {
            let row = sqlx::query("select pg_database_size(current_database())").fetch_one(&self.pool).await?;
            let bytes = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
            return Ok(Footprint { bytes, written_ms: None });
        }
        let wal = format!("{FILE}-wal");
        let files: Vec<_> = [FILE, &wal].iter().filter_map(|name| std::fs::metadata(dir.join(name)).ok()).collect();
        let written = files.iter().filter_map(|file| file.modified().ok()?.duration_since(UNIX_EPOCH).ok()).max();
        Ok(Footprint {
            bytes: files.iter().map(std::fs::Metadata::len).sum(),
            written_ms: written.and_then(|since| i64::try_from(since.as_millis()).ok()),
        })
    }
}
