//! What happened to bulletins: who took which step, and in which plays they were.
//!
//! For people to read. What may sound is decided by states and approvals, never by this.

use sqlx::Row;

use super::{Store, StoreError, Tx, from_json, parsed, to_json};
use crate::domain::ids::{AreaCode, BulletinId, OccurrenceId};
use crate::domain::priority::Priority;

/// Who did something, when, and what there is to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    pub account: String,
    pub title: String,
    pub at_ms: i64,
    pub detail: StepDetail,
}

#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct StepDetail {
    /// Of a return.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of an approval: its key, up to which priority, where, until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest: Option<Priority>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<AreaCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until_ms: Option<i64>,
    /// Whether the approver listened to the end, as far as their program knows; else why not, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listened: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unheard: Option<String>,
    /// Of an edit: title, language or text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edited: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StepRow {
    pub revision: u32,
    /// added, submitted, approved, returned, withdrawn or edited.
    pub step: String,
    pub deed: Deed,
}

/// A play that a bulletin was in.
#[derive(Debug, Clone, PartialEq)]
pub struct PlayedRow {
    pub bulletin: BulletinId,
    pub occurrence: OccurrenceId,
    pub title: String,
    pub priority: Priority,
    /// Neighbours begin apart, so there is a first and a last.
    pub first_ms: i64,
    pub last_ms: i64,
    pub end_ms: i64,
    /// How many were to play it.
    pub speakers: u64,
}

/// How a play went in one area.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    pub occurrence: OccurrenceId,
    pub area: AreaCode,
    /// As [`crate::domain::record::Outcome`] is written.
    pub outcome: String,
    pub speakers: u64,
}

impl Store {
    /// The steps of a bulletin, oldest first.
    pub async fn steps(&self, bulletin: &BulletinId) -> Result<Vec<StepRow>, StoreError> {
        let rows = sqlx::query(
            "select revision, step, at_ms, account, title, detail from bulletin_steps where bulletin = $1 order by at_ms, id",
        )
        .bind(bulletin.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(StepRow {
                    revision: row.try_get::<i64, _>(0)? as u32,
                    step: row.try_get(1)?,
                    deed: Deed {
                        at_ms: row.try_get(2)?,
                        account: row.try_get(3)?,
                        title: row.try_get(4)?,
                        detail: from_json(&row.try_get::<String, _>(5)?)?,
                    },
                })
            })
            .collect()
    }

    /// Notes plays that are about to begin; what is known of one already is brought up to date.
    pub async fn note_plays(&self, plays: &[PlayedRow]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for play in plays {
            sqlx::query(
                "insert into bulletin_plays (bulletin, occurrence, title, priority, first_ms, last_ms, end_ms, speakers) \
                 values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (bulletin, occurrence) do update set \
                 title = excluded.title, priority = excluded.priority, first_ms = excluded.first_ms, last_ms = excluded.last_ms, \
                 end_ms = excluded.end_ms, speakers = excluded.speakers",
            )
            .bind(play.bulletin.as_str())
            .bind(play.occurrence.as_str())
            .bind(play.title.as_str())
            .bind(play.priority.to_string())
            .bind(play.first_ms)
            .bind(play.last_ms)
            .bind(play.end_ms)
            .bind(play.speakers as i64)
            .execute(&mut *tx)
            .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Takes back plays that will not be.
    pub async fn forget_plays(&self, plays: &[PlayedRow]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for play in plays {
            sqlx::query("delete from bulletin_plays where bulletin = $1 and occurrence = $2")
                .bind(play.bulletin.as_str())
                .bind(play.occurrence.as_str())
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// The plays of a bulletin that began before `before_ms`, newest first.
    pub async fn plays_of(
        &self,
        bulletin: &BulletinId,
        before_ms: i64,
        limit: i64,
    ) -> Result<Vec<PlayedRow>, StoreError> {
        let rows = sqlx::query(
            "select occurrence, title, priority, first_ms, last_ms, end_ms, speakers from bulletin_plays \
             where bulletin = $1 and first_ms < $2 order by first_ms desc, occurrence limit $3",
        )
        .bind(bulletin.as_str())
        .bind(before_ms)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(PlayedRow {
                    bulletin: bulletin.clone(),
                    occurrence: OccurrenceId::try_from(row.try_get::<String, _>(0)?)
                        .map_err(|e| StoreError::Damaged(e.to_string()))?,
                    title: row.try_get(1)?,
                    priority: parsed(row.try_get(2)?)?,
                    first_ms: row.try_get(3)?,
                    last_ms: row.try_get(4)?,
                    end_ms: row.try_get(5)?,
                    speakers: row.try_get::<i64, _>(6)? as u64,
                })
            })
            .collect()
    }

    /// The records of one play, counted by area and outcome where they lie: a play may have thousands.
    pub async fn count_records(&self, play: &PlayedRow) -> Result<Vec<Counted>, StoreError> {
        // Records are JSON of our own writing, in which a quotation mark within a text is always escaped.
        let rows = sqlx::query(
            "select area, outcome, count(*) from (select s.area as area, case \
             when r.body like '%\"outcome\":\"played\"%' then 'played' when r.body like '%\"outcome\":\"late\"%' then 'late' \
             when r.body like '%\"outcome\":\"partial\"%' then 'partial' else 'missed' end as outcome \
             from records r join speakers s on s.id = r.speaker \
             where r.start_ms >= $1 and r.start_ms <= $2 and r.occurrence = $3) as counted group by area, outcome",
        )
        .bind(play.first_ms)
        .bind(play.last_ms)
        .bind(play.occurrence.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Counted {
                    occurrence: play.occurrence.clone(),
                    area: parsed(row.try_get(0)?)?,
                    outcome: row.try_get(1)?,
                    speakers: row.try_get::<i64, _>(2)? as u64,
                })
            })
            .collect()
    }
}

pub(super) async fn add_step(
    tx: &mut Tx<'_>,
    bulletin: &BulletinId,
    revision: u32,
    step: &str,
    deed: &Deed,
) -> Result<(), StoreError> {
    // Several may come in one millisecond; they are told in the order in which they came.
    let count = sqlx::query("select count(*) from bulletin_steps where bulletin = $1")
        .bind(bulletin.as_str())
        .fetch_one(&mut **tx)
        .await?;
    let number: i64 = count.try_get(0)?;
    sqlx::query(
        "insert into bulletin_steps (id, bulletin, revision, step, at_ms, account, title, detail) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(format!("{bulletin}/{number:08}/{revision}/{step}"))
    .bind(bulletin.as_str())
    .bind(i64::from(revision))
    .bind(step)
    .bind(deed.at_ms)
    .bind(deed.account.as_str())
    .bind(deed.title.as_str())
    .bind(to_json(&deed.detail)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
