//! Plans as they were signed, and the playback records that came back.

use std::sync::LazyLock;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Store, StoreError, from_json, parsed, to_json};
use crate::domain::ids::SpeakerId;
use crate::domain::record::PlaybackRecord;

#[derive(Debug, Clone, PartialEq)]
pub struct PlanRow {
    pub speaker: SpeakerId,
    pub number: u64,
    pub made_ms: i64,
    pub until_ms: i64,
    /// The signed plan's JSON, as published.
    pub body: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RecordRow {
    pub record: PlaybackRecord,
    pub received_ms: i64,
}

/// Records in one statement.
const RECORDS_AT_ONCE: usize = 50;
static MANY_RECORDS: LazyLock<String> = LazyLock::new(|| insert_records(RECORDS_AT_ONCE));
static ONE_RECORD: LazyLock<String> = LazyLock::new(|| insert_records(1));

fn insert_records(rows: usize) -> String {
    let row = |n: usize| format!("(${}, ${}, ${}, ${}, ${})", 5 * n + 1, 5 * n + 2, 5 * n + 3, 5 * n + 4, 5 * n + 5);
    format!(
        "insert into records (speaker, occurrence, start_ms, body, received_ms) values {} \
         on conflict (speaker, occurrence) do nothing",
        (0..rows).map(row).collect::<Vec<_>>().join(", ")
    )
}

impl Store {
    /// Keeps a batch of new plans, all or none.
    pub async fn add_plans(&self, plans: &[PlanRow]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for plan in plans {
            sqlx::query("insert into plans (speaker, number, made_ms, until_ms, body) values ($1, $2, $3, $4, $5)")
                .bind(plan.speaker.as_str())
                .bind(plan.number as i64)
                .bind(plan.made_ms)
                .bind(plan.until_ms)
                .bind(plan.body.as_str())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Number, time of making and end of every speaker's newest plan; the plans themselves are read one by one.
    pub async fn newest_numbers(&self) -> Result<Vec<(SpeakerId, u64, i64, i64)>, StoreError> {
        let rows = sqlx::query(
            "select speaker, number, made_ms, until_ms from plans p \
             where number = (select max(number) from plans n where n.speaker = p.speaker) order by speaker",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok((parsed(row.try_get(0)?)?, row.try_get::<i64, _>(1)? as u64, row.try_get(2)?, row.try_get(3)?))
            })
            .collect()
    }

    pub async fn newest_plan(&self, speaker: &SpeakerId) -> Result<Option<PlanRow>, StoreError> {
        let row = sqlx::query(
            "select speaker, number, made_ms, until_ms, body from plans where speaker = $1 order by number desc limit 1",
        )
        .bind(speaker.as_str())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(plan).transpose()
    }

    /// One of a speaker's plans, while it is kept.
    pub async fn plan(&self, speaker: &SpeakerId, number: u64) -> Result<Option<PlanRow>, StoreError> {
        let row = sqlx::query(
            "select speaker, number, made_ms, until_ms, body from plans where speaker = $1 and number = $2",
        )
        .bind(speaker.as_str())
        .bind(number as i64)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(plan).transpose()
    }

    /// The named plans, those that are not there left out.
    pub async fn plans_by_number(&self, wanted: &[(SpeakerId, u64)]) -> Result<Vec<PlanRow>, StoreError> {
        let mut tx = self.begin().await?;
        let mut plans = vec![];
        for (speaker, number) in wanted {
            let row = sqlx::query(
                "select speaker, number, made_ms, until_ms, body from plans where speaker = $1 and number = $2",
            )
            .bind(speaker.as_str())
            .bind(*number as i64)
            .fetch_optional(&mut *tx)
            .await?;
            plans.extend(row.as_ref().map(plan).transpose()?);
        }
        tx.commit().await?;
        Ok(plans)
    }

    /// One speaker's plans that were in force at any time from `from_ms`, oldest first: those made since, and the one before them.
    pub async fn plans_since(&self, speaker: &SpeakerId, from_ms: i64) -> Result<Vec<PlanRow>, StoreError> {
        let rows = sqlx::query(
            "select speaker, number, made_ms, until_ms, body from plans where speaker = $1 and made_ms >= \
             coalesce((select max(made_ms) from plans where speaker = $1 and made_ms <= $2), 0) order by number",
        )
        .bind(speaker.as_str())
        .bind(from_ms)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(plan).collect()
    }

    /// Forgets plans that were replaced before `before_ms`; the newest of each speaker stays.
    pub async fn drop_old_plans(&self, before_ms: i64) -> Result<(), StoreError> {
        sqlx::query("delete from plans where made_ms < $1 and number < (select max(number) from plans n where n.speaker = plans.speaker)")
            .bind(before_ms)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Keeps a batch of records, all or none; one that is there already stays as it is.
    pub async fn add_records(&self, records: &[PlaybackRecord], now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for part in records.chunks(RECORDS_AT_ONCE) {
            // Statements of two lengths only, so that both stay prepared.
            let (text, rows): (&'static str, _) =
                if part.len() == RECORDS_AT_ONCE { (&MANY_RECORDS, part.len()) } else { (&ONE_RECORD, 1) };
            for rows in part.chunks(rows) {
                let mut query = sqlx::query(text);
                for record in rows {
                    query = query
                        .bind(record.speaker.as_str())
                        .bind(record.occurrence.as_str())
                        .bind(record.start_ms)
                        .bind(to_json(record)?)
                        .bind(now_ms);
                }
                query.execute(&mut *tx).await?;
            }
        }
        super::speakers::note_sound(&mut tx, records).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Records from `from_ms` on of plays that did not sound, or not wholly; the newest `limit` of them.
    pub async fn failed_records(&self, from_ms: i64, limit: i64) -> Result<Vec<PlaybackRecord>, StoreError> {
        let rows = sqlx::query(
            "select body from records where start_ms >= $1 and (body like '%\"outcome\":\"missed\"%' \
             or body like '%\"outcome\":\"partial\"%') order by start_ms desc limit $2",
        )
        .bind(from_ms)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| from_json(&row.try_get::<String, _>(0)?)).collect()
    }

    /// Records of plays that start in `from_ms..until_ms`, of one speaker or all.
    pub async fn records(
        &self,
        speaker: Option<&SpeakerId>,
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<RecordRow>, StoreError> {
        let rows = sqlx::query(
            "select body, received_ms from records where start_ms >= $1 and start_ms < $2 and ($3 = '' or speaker = $3) \
             order by start_ms desc, speaker",
        )
        .bind(from_ms)
        .bind(until_ms)
        .bind(speaker.map_or("", SpeakerId::as_str))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(RecordRow { record: from_json(&row.try_get::<String, _>(0)?)?, received_ms: row.try_get(1)? })
            })
            .collect()
    }
}

pub(super) fn plan(row: &AnyRow) -> Result<PlanRow, StoreError> {
    Ok(PlanRow {
        speaker: parsed(row.try_get(0)?)?,
        number: row.try_get::<i64, _>(1)? as u64,
        made_ms: row.try_get(2)?,
        until_ms: row.try_get(3)?,
        body: row.try_get(4)?,
    })
}
