//! Units that are imported, changed, merged and ended, and where boards take themselves to stand. The tree itself is read in `people.rs`.

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::trust::say;
use super::{Said, Store, StoreError, Tx, from_json, parsed, to_json};
use crate::domain::ids::{AreaCode, SpeakerId};
use crate::domain::role::{AccountName, Grant};
use crate::protocol::envelope::Envelope;
use crate::protocol::message::StateDetail;

/// From when until when a unit is one, as YYYY-MM-DD, and what came after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    pub valid_from: Option<String>,
    /// The first day on which it is none.
    pub valid_to: Option<String>,
    pub replaced_by: Option<AreaCode>,
}

/// A unit as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaEdit {
    pub code: AreaCode,
    pub parent: Option<AreaCode>,
    pub title: String,
    pub span: Span,
}

/// What a board was told of its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// From the widest unit down to its own.
    pub areas: Vec<AreaCode>,
    /// The version of the trust list that was in force then.
    pub trust: u64,
}

/// A speaker, what its board was told of its place, and what it says of it now.
#[derive(Debug, Clone, PartialEq)]
pub struct PinRow {
    pub speaker: SpeakerId,
    pub title: String,
    pub area: AreaCode,
    pub pinned: Option<Pin>,
    /// Where its board takes itself to stand; nothing of one that has never said anything.
    pub told: Option<Vec<AreaCode>>,
}

/// All that a merger changes, stored together or not at all.
#[derive(Debug, Default)]
pub struct MergerRows {
    pub areas: Vec<AreaEdit>,
    /// Speakers that stand in another unit.
    pub speakers: Vec<(SpeakerId, AreaCode)>,
    /// What boards were told, where that was not written down yet.
    pub pins: Vec<(SpeakerId, Pin)>,
    /// Roles as they were seen, and as they are to be.
    pub accounts: Vec<(AccountName, Vec<Grant>, Vec<Grant>)>,
    pub tokens: Vec<(String, Vec<Grant>)>,
    pub trust: Option<(u64, Envelope)>,
}

impl Store {
    /// Adds and changes units, all or none.
    pub async fn put_areas(&self, edits: &[AreaEdit]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for edit in edits {
            put(&mut tx, edit).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Every speaker with its place as its board was told, in order of id.
    pub async fn pins(&self) -> Result<Vec<PinRow>, StoreError> {
        let rows = sqlx::query("select id, title, area, pinned, detail from speakers order by id")
            .fetch_all(&self.pool)
            .await?;
        let pin = |row: &AnyRow| {
            let (pinned, detail): (Option<String>, Option<String>) = (row.try_get(3)?, row.try_get(4)?);
            let detail: Option<StateDetail> = detail.map(|detail| from_json(&detail)).transpose()?;
            Ok(PinRow {
                speaker: parsed(row.try_get(0)?)?,
                title: row.try_get(1)?,
                area: parsed(row.try_get(2)?)?,
                pinned: pinned.map(|pinned| from_json(&pinned)).transpose()?,
                told: detail.map(|detail| detail.areas),
            })
        };
        rows.iter().map(pin).collect()
    }

    /// How many speakers stand in each unit itself.
    pub async fn speakers_by_area(&self) -> Result<Vec<(AreaCode, u32)>, StoreError> {
        let rows = sqlx::query("select area, count(*) from speakers group by area").fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((parsed(row.try_get(0)?)?, row.try_get::<i64, _>(1)? as u32))).collect()
    }

    /// How many bulletins belong to each unit itself.
    pub async fn bulletins_by_area(&self) -> Result<Vec<(AreaCode, u32)>, StoreError> {
        let rows = sqlx::query("select area, count(*) from bulletins group by area").fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((parsed(row.try_get(0)?)?, row.try_get::<i64, _>(1)? as u32))).collect()
    }

    /// Notes what a board was told of its place.
    pub async fn set_pin(&self, speaker: &SpeakerId, pin: &Pin) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        set_pin(&mut tx, speaker, pin).await?;
        Ok(tx.commit().await?)
    }

    /// Merges units: all that changes with it, or nothing. Who changed an account meanwhile is not overruled.
    pub async fn merge_areas(&self, merger: &MergerRows, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for edit in &merger.areas {
            put(&mut tx, edit).await?;
        }
        for (speaker, pin) in &merger.pins {
            set_pin(&mut tx, speaker, pin).await?;
        }
        for (speaker, area) in &merger.speakers {
            sqlx::query("update speakers set area = $1 where id = $2")
                .bind(area.as_str())
                .bind(speaker.as_str())
                .execute(&mut *tx)
                .await?;
        }
        for (name, seen, grants) in &merger.accounts {
            let done = sqlx::query("update accounts set grants = $1 where name = $2 and grants = $3")
                .bind(to_json(grants)?)
                .bind(name.as_str())
                .bind(to_json(seen)?)
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Err(StoreError::Conflict(format!("account {name}")));
            }
        }
        for (id, grants) in &merger.tokens {
            sqlx::query("update tokens set grants = $1 where id = $2")
                .bind(to_json(grants)?)
                .bind(id.as_str())
                .execute(&mut *tx)
                .await?;
        }
        if let Some((version, envelope)) = &merger.trust {
            say(&mut tx, Said::TrustList, *version, envelope, now_ms).await?;
        }
        Ok(tx.commit().await?)
    }
}

async fn put(tx: &mut Tx<'_>, edit: &AreaEdit) -> Result<(), StoreError> {
    sqlx::query(
        "insert into areas (code, parent, title, valid_from, valid_to, replaced_by) values ($1, $2, $3, $4, $5, $6) \
         on conflict (code) do update set parent = excluded.parent, title = excluded.title, valid_from = excluded.valid_from, \
         valid_to = excluded.valid_to, replaced_by = excluded.replaced_by",
    )
    .bind(edit.code.as_str())
    .bind(edit.parent.as_ref().map(AreaCode::as_str))
    .bind(edit.title.as_str())
    .bind(edit.span.valid_from.as_deref())
    .bind(edit.span.valid_to.as_deref())
    .bind(edit.span.replaced_by.as_ref().map(AreaCode::as_str))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn set_pin(tx: &mut Tx<'_>, speaker: &SpeakerId, pin: &Pin) -> Result<(), StoreError> {
    sqlx::query("update speakers set pinned = $1 where id = $2")
        .bind(to_json(pin)?)
        .bind(speaker.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
