//! Commands as they were given to whole areas.

use sqlx::Row;

use super::{Store, StoreError, from_json, parsed, to_json};
use crate::domain::command::{Command, Order};
use crate::domain::ids::AreaCode;
use crate::protocol::trust::SignedCommand;

impl Store {
    pub async fn add_command(&self, command: &Command, signed: &SignedCommand) -> Result<(), StoreError> {
        let start_ms = match &command.order {
            Order::Emergency { occurrence, .. } => Some(occurrence.start_ms),
            _ => None,
        };
        sqlx::query("insert into commands (made_ms, area, valid_until_ms, start_ms, body) values ($1, $2, $3, $4, $5)")
            .bind(command.made_ms)
            .bind(command.area.as_str())
            .bind(command.valid_until_ms)
            .bind(start_ms)
            .bind(to_json(signed)?)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub async fn newest_command_ms(&self) -> Result<Option<i64>, StoreError> {
        let row = sqlx::query("select max(made_ms) from commands").fetch_one(&self.pool).await?;
        Ok(row.try_get(0)?)
    }

    /// Everything that was told since then, oldest first.
    pub async fn commands_since(&self, from_ms: i64) -> Result<Vec<(AreaCode, SignedCommand)>, StoreError> {
        let rows = sqlx::query("select area, body from commands where made_ms >= $1 order by made_ms")
            .bind(from_ms)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| Ok((parsed(row.try_get(0)?)?, from_json(&row.try_get::<String, _>(1)?)?))).collect()
    }

    /// Emergencies that begin in `from_ms..until_ms`, each with the area that it was told to.
    pub async fn emergencies(&self, from_ms: i64, until_ms: i64) -> Result<Vec<(AreaCode, SignedCommand)>, StoreError> {
        let rows =
            sqlx::query("select area, body from commands where start_ms >= $1 and start_ms < $2 order by made_ms")
                .bind(from_ms)
                .bind(until_ms)
                .fetch_all(&self.pool)
                .await?;
        rows.iter().map(|row| Ok((parsed(row.try_get(0)?)?, from_json(&row.try_get::<String, _>(1)?)?))).collect()
    }
}
