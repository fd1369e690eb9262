//! Bulletins and their revisions.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Store, StoreError, from_json, parsed, to_json, unless_taken};
use crate::audio::loudness::Loudness;
use crate::domain::bulletin::{Language, RevisionState};
use crate::domain::ids::{AreaCode, BulletinId, KeyId, MediaHash};
use crate::protocol::envelope::Envelope;

#[derive(Debug, Clone, PartialEq)]
pub struct BulletinRow {
    pub id: BulletinId,
    pub title: String,
    pub language: Language,
    pub area: AreaCode,
    pub words: String,
    pub created_ms: i64,
    /// The bulletin of which this is another language version.
    pub version_of: Option<BulletinId>,
}

/// Where a revision's sound stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Intake {
    /// Uploaded, and waiting to be decoded and converted.
    Received {
        upload: String,
    },
    Refused {
        problem: String,
    },
    Ready(Sound),
}

/// A revision's sound in the broadcast form.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    pub media: MediaHash,
    pub bytes: u64,
    pub duration_ms: i64,
    pub loudness: Loudness,
    pub gain_db: f32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RevisionRow {
    pub bulletin: BulletinId,
    pub revision: u32,
    pub state: RevisionState,
    pub intake: Intake,
    pub file_name: String,
    pub warnings: Vec<String>,
    pub created_ms: i64,
}

const REVISION_COLUMNS: &str = "select bulletin, revision, state, intake, problem, file_name, upload, media, bytes, duration_ms, \
    loudness_lufs, true_peak_dbtp, gain_db, warnings, created_ms from revisions";

impl Store {
    /// Adds a bulletin with its first revision, both or neither.
    pub async fn add_bulletin(&self, bulletin: &BulletinRow, file_name: &str, upload: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into bulletins (id, title, language, area, words, created_ms, version_of) values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(bulletin.id.as_str())
        .bind(bulletin.title.as_str())
        .bind(bulletin.language.as_str())
        .bind(bulletin.area.as_str())
        .bind(bulletin.words.as_str())
        .bind(bulletin.created_ms)
        .bind(bulletin.version_of.as_ref().map(BulletinId::as_str))
        .execute(&mut *tx)
        .await
        .map_err(|e| unless_taken(e, &format!("bulletin {}", bulletin.id)))?;
        add_revision(&mut tx, &bulletin.id, 1, file_name, upload, bulletin.created_ms).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Adds the next revision and gives its number.
    pub async fn add_revision(
        &self,
        id: &BulletinId,
        file_name: &str,
        upload: &str,
        now_ms: i64,
    ) -> Result<u32, StoreError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("select max(revision) from revisions where bulletin = $1")
            .bind(id.as_str())
            .fetch_one(&mut *tx)
            .await?;
        let last: Option<i64> = row.try_get(0)?;
        let revision = last.ok_or_else(|| StoreError::NotFound(format!("bulletin {id}")))? as u32 + 1;
        add_revision(&mut tx, id, revision, file_name, upload, now_ms).await?;
        tx.commit().await?;
        Ok(revision)
    }

    /// Bulletins in order of id, after `after`, at most `limit`.
    pub async fn bulletins(&self, after: &str, limit: i64) -> Result<Vec<BulletinRow>, StoreError> {
        let rows = sqlx::query(
            "select id, title, language, area, words, created_ms, version_of from bulletins where id > $1 order by id limit $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(bulletin).collect()
    }

    pub async fn bulletin(&self, id: &BulletinId) -> Result<BulletinRow, StoreError> {
        let row =
            sqlx::query("select id, title, language, area, words, created_ms, version_of from bulletins where id = $1")
                .bind(id.as_str())
                .fetch_optional(&self.pool)
                .await?;
        bulletin(&row.ok_or_else(|| StoreError::NotFound(format!("bulletin {id}")))?)
    }

    pub async fn set_words(&self, id: &BulletinId, words: &str) -> Result<(), StoreError> {
        let done = sqlx::query("update bulletins set words = $1 where id = $2")
            .bind(words)
            .bind(id.as_str())
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound(format!("bulletin {id}"))) } else { Ok(()) }
    }

    /// Removes a bulletin with its revisions; refused once any of them was approved, since that belongs to the account.
    pub async fn remove_bulletin(&self, id: &BulletinId) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "delete from bulletins where id = $1 and not exists (select 1 from revisions where bulletin = $1 \
             and state = $2) and not exists (select 1 from approvals where bulletin = $1)",
        )
        .bind(id.as_str())
        .bind(to_json(&RevisionState::Withdrawn)?)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict(format!(
                "bulletin {id} was approved or withdrawn before and stays on record, or"
            )));
        }
        sqlx::query("delete from revisions where bulletin = $1").bind(id.as_str()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// All revisions of one bulletin, oldest first.
    pub async fn revisions(&self, id: &BulletinId) -> Result<Vec<RevisionRow>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{REVISION_COLUMNS} where bulletin = $1 order by revision"));
        let rows = sqlx::query(sql).bind(id.as_str()).fetch_all(&self.pool).await?;
        rows.iter().map(revision).collect()
    }

    /// The areas of the bulletins that sound so, and where each such revision stands.
    pub async fn bulletins_of(&self, media: &MediaHash) -> Result<Vec<(AreaCode, RevisionState)>, StoreError> {
        let rows = sqlx::query(
            "select bulletins.area, revisions.state from revisions join bulletins on bulletins.id = revisions.bulletin \
             where revisions.media = $1",
        )
        .bind(media.to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok((parsed(row.try_get(0)?)?, from_json(&row.try_get::<String, _>(1)?)?))).collect()
    }

    /// Every bulletin that is a language version, or has one, or neither: name, language, and what it is a version of.
    pub async fn voices(&self) -> Result<Vec<(BulletinId, Language, Option<BulletinId>)>, StoreError> {
        let rows =
            sqlx::query("select id, language, version_of from bulletins order by id").fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let version_of: Option<String> = row.try_get(2)?;
                Ok((parsed(row.try_get(0)?)?, parsed(row.try_get(1)?)?, version_of.map(parsed).transpose()?))
            })
            .collect()
    }

    /// Every approved revision; of each bulletin the newest first.
    pub async fn approved_revisions(&self) -> Result<Vec<RevisionRow>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{REVISION_COLUMNS} where state = $1 order by bulletin, revision desc"));
        let rows = sqlx::query(sql).bind(to_json(&RevisionState::Approved)?).fetch_all(&self.pool).await?;
        rows.iter().map(revision).collect()
    }

    /// The newest revisions of bulletins that somebody has to do something about: submitted ones, returned ones, and uploads that were
    /// refused; oldest first.
    pub async fn open_revisions(&self, limit: i64) -> Result<Vec<(BulletinRow, RevisionRow)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{REVISION_COLUMNS} r where (state = $1 or state like '%\"returned\"%' or intake = 'refused') and state <> $2 \
             and revision = (select max(revision) from revisions n where n.bulletin = r.bulletin) \
             order by created_ms, bulletin limit $3"
        ));
        let (submitted, withdrawn) = (to_json(&RevisionState::Submitted)?, to_json(&RevisionState::Withdrawn)?);
        let mut tx = self.begin().await?;
        let rows = sqlx::query(sql).bind(submitted).bind(withdrawn).bind(limit).fetch_all(&mut *tx).await?;
        let mut found = vec![];
        for row in &rows {
            let revision = revision(row)?;
            let of = sqlx::query(
                "select id, title, language, area, words, created_ms, version_of from bulletins where id = $1",
            )
            .bind(revision.bulletin.as_str())
            .fetch_optional(&mut *tx)
            .await?;
            if let Some(of) = of {
                found.push((bulletin(&of)?, revision));
            }
        }
        tx.commit().await?;
        Ok(found)
    }

    /// Revisions whose sound still has to be converted, oldest first.
    pub async fn received_revisions(&self) -> Result<Vec<RevisionRow>, StoreError> {
        let sql =
            sqlx::AssertSqlSafe(format!("{REVISION_COLUMNS} where intake = 'received' order by created_ms limit 100"));
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(revision).collect()
    }

    pub async fn finish_intake(
        &self,
        row: &RevisionRow,
        intake: &Intake,
        warnings: &[String],
    ) -> Result<(), StoreError> {
        let (kind, problem, sound) = match intake {
            Intake::Received { .. } => ("received", None, None),
            Intake::Refused { problem } => ("refused", Some(problem.as_str()), None),
            Intake::Ready(sound) => ("ready", None, Some(sound)),
        };
        let finite = |value: f64| if value.is_finite() { value } else { -120.0 };
        sqlx::query(
            "update revisions set intake = $1, problem = $2, media = $3, bytes = $4, duration_ms = $5, loudness_lufs = $6, \
             true_peak_dbtp = $7, gain_db = $8, warnings = $9 where bulletin = $10 and revision = $11",
        )
        .bind(kind)
        .bind(problem)
        .bind(sound.map(|sound| sound.media.to_string()))
        .bind(sound.map(|sound| sound.bytes as i64))
        .bind(sound.map(|sound| sound.duration_ms))
        .bind(sound.map(|sound| finite(sound.loudness.integrated_lufs)))
        .bind(sound.map(|sound| finite(sound.loudness.true_peak_dbtp)))
        .bind(sound.map(|sound| f64::from(sound.gain_db)))
        .bind(to_json(&warnings)?)
        .bind(row.bulletin.as_str())
        .bind(i64::from(row.revision))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Moves a revision from the state it was seen in to a new one; a conflict if somebody else was quicker. What was approved of one
    /// that is sent back counts no more.
    pub async fn set_revision_state(&self, row: &RevisionRow, state: &RevisionState) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        move_revision(&mut tx, row, state).await?;
        if matches!(state, RevisionState::Returned { .. }) {
            sqlx::query("delete from approvals where bulletin = $1 and revision = $2")
                .bind(row.bulletin.as_str())
                .bind(i64::from(row.revision))
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Keeps an approval, and the state that it leads to.
    pub async fn approve_revision(
        &self,
        row: &RevisionRow,
        state: &RevisionState,
        approver: &KeyId,
        approval: &Envelope,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        move_revision(&mut tx, row, state).await?;
        super::trust::add_approval(&mut tx, &row.bulletin, row.revision, approver, approval, now_ms).await?;
        Ok(tx.commit().await?)
    }
}

async fn move_revision(tx: &mut super::Tx<'_>, row: &RevisionRow, state: &RevisionState) -> Result<(), StoreError> {
    let done = sqlx::query("update revisions set state = $1 where bulletin = $2 and revision = $3 and state = $4")
        .bind(to_json(state)?)
        .bind(row.bulletin.as_str())
        .bind(i64::from(row.revision))
        .bind(to_json(&row.state)?)
        .execute(&mut **tx)
        .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Conflict(format!("bulletin {} revision {}", row.bulletin, row.revision)));
    }
    Ok(())
}

async fn add_revision(
    tx: &mut super::Tx<'_>,
    bulletin: &BulletinId,
    revision: u32,
    file_name: &str,
    upload: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into revisions (bulletin, revision, state, intake, file_name, upload, warnings, created_ms) \
         values ($1, $2, $3, 'received', $4, $5, '[]', $6)",
    )
    .bind(bulletin.as_str())
    .bind(i64::from(revision))
    .bind(to_json(&RevisionState::Draft)?)
    .bind(file_name)
    .bind(upload)
    .bind(now_ms)
    .execute(&mut **tx)
    .await
    .map_err(|e| unless_taken(e, &format!("bulletin {bulletin} revision {revision}")))?;
    Ok(())
}

fn bulletin(row: &AnyRow) -> Result<BulletinRow, StoreError> {
    Ok(BulletinRow {
        id: parsed(row.try_get(0)?)?,
        title: row.try_get(1)?,
        language: parsed(row.try_get(2)?)?,
        area: parsed(row.try_get(3)?)?,
        words: row.try_get(4)?,
        created_ms: row.try_get(5)?,
        version_of: row.try_get::<Option<String>, _>(6)?.map(parsed).transpose()?,
    })
}

fn revision(row: &AnyRow) -> Result<RevisionRow, StoreError> {
    let intake: String = row.try_get(3)?;
    let intake = match intake.as_str() {
        "received" => Intake::Received { upload: row.try_get(6)? },
        "refused" => Intake::Refused { problem: row.try_get::<Option<String>, _>(4)?.unwrap_or_default() },
        _ => Intake::Ready(Sound {
            media: parsed(row.try_get(7)?)?,
            bytes: row.try_get::<i64, _>(8)? as u64,
            duration_ms: row.try_get(9)?,
            loudness: Loudness { integrated_lufs: row.try_get(10)?, true_peak_dbtp: row.try_get(11)? },
            gain_db: row.try_get::<f64, _>(12)? as f32,
        }),
    };
    Ok(RevisionRow {
        bulletin: parsed(row.try_get(0)?)?,
        revision: row.try_get::<i64, _>(1)? as u32,
        state: from_json(&row.try_get::<String, _>(2)?)?,
        intake,
        file_name: row.try_get(5)?,
        warnings: from_json(&row.try_get::<String, _>(13)?)?,
        created_ms: row.try_get(14)?,
    })
}
