//! Programmes and schedules.

use sqlx::Row;

use super::{Store, StoreError, from_json, parsed, to_json};
use crate::domain::ids::{ProgrammeId, ScheduleId};
use crate::domain::programme::Programme;
use crate::domain::schedule::ScheduleText;

impl Store {
    pub async fn put_programme(&self, programme: &Programme, now_ms: i64) -> Result<(), StoreError> {
        sqlx::query(
            "insert into programmes (id, title, items, changed_ms) values ($1, $2, $3, $4) \
             on conflict (id) do update set title = excluded.title, items = excluded.items, changed_ms = excluded.changed_ms",
        )
        .bind(programme.id.as_str())
        .bind(programme.title.as_str())
        .bind(to_json(&programme.items)?)
        .bind(now_ms)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub async fn programmes(&self) -> Result<Vec<Programme>, StoreError> {
        let rows = sqlx::query("select id, title, items from programmes order by id").fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let id: ProgrammeId = parsed(row.try_get(0)?)?;
                Ok(Programme { id, title: row.try_get(1)?, items: from_json(&row.try_get::<String, _>(2)?)? })
            })
            .collect()
    }

    pub async fn put_schedule(&self, id: &ScheduleId, rule: &ScheduleText, now_ms: i64) -> Result<(), StoreError> {
        sqlx::query(
            "insert into schedules (id, rule, changed_ms) values ($1, $2, $3) \
             on conflict (id) do update set rule = excluded.rule, changed_ms = excluded.changed_ms",
        )
        .bind(id.as_str())
        .bind(to_json(rule)?)
        .bind(now_ms)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub async fn delete_schedule(&self, id: &ScheduleId) -> Result<(), StoreError> {
        let done = sqlx::query("delete from schedules where id = $1").bind(id.as_str()).execute(&self.pool).await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound(format!("schedule {id}"))) } else { Ok(()) }
    }

    pub async fn schedules(&self) -> Result<Vec<(ScheduleId, ScheduleText)>, StoreError> {
        let rows = sqlx::query("select id, rule from schedules order by id").fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((parsed(row.try_get(0)?)?, from_json(&row.try_get::<String, _>(1)?)?))).collect()
    }
}
