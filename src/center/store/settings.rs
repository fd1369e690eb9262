//! What is kept by name: settings of the office, and where steps that go on and on have come to. Knows no setting by itself.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;

use super::{Store, StoreError, from_json, to_json};

impl Store {
    /// A setting, where somebody has set it.
    pub async fn setting<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let row =
            sqlx::query("select body from settings where name = $1").bind(name).fetch_optional(&self.pool).await?;
        row.map(|row| from_json(&row.try_get::<String, _>(0)?)).transpose()
    }

    pub async fn set_setting<T: Serialize>(&self, name: &str, value: &T, now_ms: i64) -> Result<(), StoreError> {
        sqlx::query(
            "insert into settings (name, body, changed_ms) values ($1, $2, $3) \
             on conflict (name) do update set body = excluded.body, changed_ms = excluded.changed_ms",
        )
        .bind(name)
        .bind(to_json(value)?)
        .bind(now_ms)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
