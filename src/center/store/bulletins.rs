//! Bulletins and their revisions.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::history::add_step;
use super::uploads::use_up;
use super::{Deed, Store, StoreError, from_json, parsed, to_json, unless_taken};
use crate::audio::loudness::Loudness;
use crate::center::ingest::Unfit;
use crate::domain::bulletin::{Flaw, Language, RevisionState};
use crate::domain::field::Field;
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
    /// What it is about.
    pub field: Field,
}

/// Where a revision's sound stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Intake {
    /// Uploaded, and waiting to be decoded and converted.
    Received {
        upload: String,
    },
    Refused(Unfit),
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
    pub flaws: Vec<Flaw>,
    pub created_ms: i64,
}

const REVISION_COLUMNS: &str = "select bulletin, revision, state, intake, problem, file_name, upload, media, bytes, duration_ms, \
    loudness_lufs, true_peak_dbtp, gain_db, warnings, created_ms, problem_code from revisions";
const BULLETIN_COLUMNS: &str = "select id, title, language, area, words, created_ms, version_of, field from bulletins";

impl Store {
    /// Adds a bulletin with its first revision, both or neither. What was sent in by parts is used up.
    pub async fn add_bulletin(
        &self,
        bulletin: &BulletinRow,
        file_name: &str,
        upload: &str,
        deed: &Deed,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into bulletins (id, title, language, area, words, created_ms, version_of, field) values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(bulletin.id.as_str())
        .bind(bulletin.title.as_str())
        .bind(bulletin.language.as_str())
        .bind(bulletin.area.as_str())
        .bind(bulletin.words.as_str())
        .bind(bulletin.created_ms)
        .bind(bulletin.version_of.as_ref().map(BulletinId::as_str))
        .bind(bulletin.field.as_str())
        .execute(&mut *tx)
        .await
        .map_err(|e| unless_taken(e, &format!("bulletin {}", bulletin.id)))?;
        add_revision(&mut tx, &bulletin.id, 1, file_name, upload, deed).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Adds the next revision and gives its number.
    pub async fn add_revision(
        &self,
        id: &BulletinId,
        file_name: &str,
        upload: &str,
        deed: &Deed,
    ) -> Result<u32, StoreError> {
        let mut tx = self.begin().await?;
        let row = sqlx::query("select max(revision) from revisions where bulletin = $1")
            .bind(id.as_str())
            .fetch_one(&mut *tx)
            .await?;
        let last: Option<i64> = row.try_get(0)?;
        let revision = last.ok_or_else(|| StoreError::NotFound(format!("bulletin {id}")))? as u32 + 1;
        add_revision(&mut tx, id, revision, file_name, upload, deed).await?;
        tx.commit().await?;
        Ok(revision)
    }

    /// Bulletins in order of id, after `after`, at most `limit`; of which a revision is in that state, if one is named.
    pub async fn bulletins(
        &self,
        after: &str,
        limit: i64,
        state: Option<&str>,
    ) -> Result<Vec<BulletinRow>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{BULLETIN_COLUMNS} where id > $1 and ($3 = '' or id in (select bulletin from revisions where state like $3)) \
             order by id limit $2"
        ));
        // A state is JSON that begins with its name; a reason may follow.
        let state = state.map_or(String::new(), |state| format!("{{\"state\":\"{state}\"%"));
        let rows = sqlx::query(sql).bind(after).bind(limit).bind(state).fetch_all(&self.pool).await?;
        rows.iter().map(bulletin).collect()
    }

    /// The language versions of others, all of them: few bulletins have any.
    pub async fn versions(&self) -> Result<Vec<BulletinRow>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{BULLETIN_COLUMNS} where version_of is not null order by id"));
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        rows.iter().map(bulletin).collect()
    }

    pub async fn bulletin(&self, id: &BulletinId) -> Result<BulletinRow, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{BULLETIN_COLUMNS} where id = $1"));
        let row = sqlx::query(sql).bind(id.as_str()).fetch_optional(&self.pool).await?;
        bulletin(&row.ok_or_else(|| StoreError::NotFound(format!("bulletin {id}")))?)
    }

    /// Writes title, language and words, unless somebody else has since `seen` was read.
    pub async fn edit_bulletin(&self, seen: &BulletinRow, new: &BulletinRow, deed: &Deed) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            // Title and language are part of what is approved.
            "update bulletins set title = $1, language = $2, words = $3 where id = $4 and title = $5 and language = $6 and words = $7 \
             and ((title = $1 and language = $2) or not exists (select 1 from revisions r where r.bulletin = $4 \
             and (r.state like '%\"submitted\"%' or r.state like '%\"approved\"%')))",
        )
        .bind(new.title.as_str())
        .bind(new.language.as_str())
        .bind(new.words.as_str())
        .bind(seen.id.as_str())
        .bind(seen.title.as_str())
        .bind(seen.language.as_str())
        .bind(seen.words.as_str())
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::Conflict(format!("bulletin {}", seen.id)));
        }
        let row = sqlx::query("select max(revision) from revisions where bulletin = $1")
            .bind(seen.id.as_str())
            .fetch_one(&mut *tx)
            .await?;
        let revision = row.try_get::<Option<i64>, _>(0)?.unwrap_or(0) as u32;
        add_step(&mut tx, &seen.id, revision, "edited", deed).await?;
        Ok(tx.commit().await?)
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
        sqlx::query("delete from bulletin_steps where bulletin = $1").bind(id.as_str()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// All revisions of one bulletin, oldest first.
    pub async fn revisions(&self, id: &BulletinId) -> Result<Vec<RevisionRow>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{REVISION_COLUMNS} where bulletin = $1 order by revision"));
        let rows = sqlx::query(sql).bind(id.as_str()).fetch_all(&self.pool).await?;
        rows.iter().map(revision).collect()
    }

    /// All revisions of the bulletins from `first` to `last` in order of id: of a page of them.
    pub async fn revisions_of(&self, first: &BulletinId, last: &BulletinId) -> Result<Vec<RevisionRow>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{REVISION_COLUMNS} where bulletin >= $1 and bulletin <= $2 order by bulletin, revision"
        ));
        let rows = sqlx::query(sql).bind(first.as_str()).bind(last.as_str()).fetch_all(&self.pool).await?;
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
            let of = sqlx::query(sqlx::AssertSqlSafe(format!("{BULLETIN_COLUMNS} where id = $1")))
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

    pub async fn finish_intake(&self, row: &RevisionRow, intake: &Intake, flaws: &[Flaw]) -> Result<(), StoreError> {
        let (kind, unfit, sound) = match intake {
            Intake::Received { .. } => ("received", None, None),
            Intake::Refused(unfit) => ("refused", Some(unfit), None),
            Intake::Ready(sound) => ("ready", None, Some(sound)),
        };
        let finite = |value: f64| if value.is_finite() { value } else { -120.0 };
        sqlx::query(
            "update revisions set intake = $1, problem = $2, media = $3, bytes = $4, duration_ms = $5, loudness_lufs = $6, \
             true_peak_dbtp = $7, gain_db = $8, warnings = $9, problem_code = $10 where bulletin = $11 and revision = $12",
        )
        .bind(kind)
        .bind(unfit.map(|unfit| unfit.problem.as_str()))
        .bind(sound.map(|sound| sound.media.to_string()))
        .bind(sound.map(|sound| sound.bytes as i64))
        .bind(sound.map(|sound| sound.duration_ms))
        .bind(sound.map(|sound| finite(sound.loudness.integrated_lufs)))
        .bind(sound.map(|sound| finite(sound.loudness.true_peak_dbtp)))
        .bind(sound.map(|sound| f64::from(sound.gain_db)))
        .bind(to_json(&flaws)?)
        .bind(unfit.map(|unfit| unfit.code.as_str()))
        .bind(row.bulletin.as_str())
        .bind(i64::from(row.revision))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Moves a revision from the state it was seen in to a new one; a conflict if somebody else was quicker. What was approved of one
    /// that is sent back counts no more.
    pub async fn set_revision_state(
        &self,
        row: &RevisionRow,
        state: &RevisionState,
        deed: &Deed,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        move_revision(&mut tx, row, state).await?;
        add_step(&mut tx, &row.bulletin, row.revision, state.name(), deed).await?;
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
        deed: &Deed,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        move_revision(&mut tx, row, state).await?;
        super::trust::add_approval(&mut tx, &row.bulletin, row.revision, approver, approval, deed.at_ms).await?;
        add_step(&mut tx, &row.bulletin, row.revision, "approved", deed).await?;
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
    deed: &Deed,
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
    .bind(deed.at_ms)
    .execute(&mut **tx)
    .await
    .map_err(|e| unless_taken(e, &format!("bulletin {bulletin} revision {revision}")))?;
    use_up(tx, upload).await?;
    add_step(tx, bulletin, revision, "added", deed).await
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
        // One that a newer program knows is another here.
        field: row.try_get::<String, _>(7)?.parse().unwrap_or_default(),
    })
}

/// Before they had codes they were sentences.
fn flaws(text: &str) -> Result<Vec<Flaw>, StoreError> {
    match from_json(text) {
        Ok(flaws) => Ok(flaws),
        Err(_) => Ok(from_json::<Vec<String>>(text)?.into_iter().map(|words| Flaw::Said { words }).collect()),
    }
}

fn revision(row: &AnyRow) -> Result<RevisionRow, StoreError> {
    let intake: String = row.try_get(3)?;
    let intake = match intake.as_str() {
        "received" => Intake::Received { upload: row.try_get(6)? },
        "refused" => {
            let code: Option<String> = row.try_get(15)?;
            let problem: Option<String> = row.try_get(4)?;
            Intake::Refused(Unfit::new(code.as_deref().unwrap_or("other"), problem.unwrap_or_default()))
        }
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
        flaws: flaws(&row.try_get::<String, _>(13)?)?,
        created_ms: row.try_get(14)?,
    })
}
