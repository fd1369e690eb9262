//! One-time codes, the certificates of speakers' connections, and who is disabled.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::speakers::add_turns;
use super::{Store, StoreError, Tx, parsed};
use crate::domain::ids::SpeakerId;
use crate::domain::standing::{Subject, Turn};

/// A code as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentRow {
    pub lookup: String,
    pub speaker: SpeakerId,
    pub mac_key: String,
    pub until_ms: i64,
    /// The digest of the request that used it, and what was answered.
    pub used: Option<(String, String)>,
}

/// A certificate that a speaker's connection may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionRow {
    pub fingerprint: String,
    pub speaker: SpeakerId,
    pub serial: String,
    /// Issued by renewal and not used yet.
    pub is_next: bool,
    /// The digest of the request it answered.
    pub request: String,
    pub pem: String,
    pub made_ms: i64,
    pub until_ms: i64,
}

impl Store {
    /// Keeps a new code; older ones of the same speaker that nobody used are worthless from now on.
    pub async fn add_enrolment(&self, row: &EnrolmentRow, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("delete from enrolments where (speaker = $1 and used_ms is null) or until_ms < $2")
            .bind(row.speaker.as_str())
            .bind(now_ms)
            .execute(&mut *tx)
            .await?;
        sqlx::query("insert into enrolments (lookup, speaker, mac_key, made_ms, until_ms) values ($1, $2, $3, $4, $5)")
            .bind(row.lookup.as_str())
            .bind(row.speaker.as_str())
            .bind(row.mac_key.as_str())
            .bind(now_ms)
            .bind(row.until_ms)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    pub async fn enrolment(&self, lookup: &str) -> Result<Option<EnrolmentRow>, StoreError> {
        let row =
            sqlx::query("select lookup, speaker, mac_key, until_ms, request, answer from enrolments where lookup = $1")
                .bind(lookup)
                .fetch_optional(&self.pool)
                .await?;
        row.map(|row| {
            let (request, answer): (Option<String>, Option<String>) = (row.try_get(4)?, row.try_get(5)?);
            Ok(EnrolmentRow {
                lookup: row.try_get(0)?,
                speaker: parsed(row.try_get(1)?)?,
                mac_key: row.try_get(2)?,
                until_ms: row.try_get(3)?,
                used: request.zip(answer),
            })
        })
        .transpose()
    }

    /// Uses a code up, once: says whether it was this call that did. The speaker's new certificate takes the place of all others.
    pub async fn use_enrolment(
        &self,
        lookup: &str,
        answer: &str,
        certificate: &ConnectionRow,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "update enrolments set used_ms = $1, request = $2, answer = $3 where lookup = $4 and used_ms is null and until_ms > $1",
        )
        .bind(now_ms)
        .bind(certificate.request.as_str())
        .bind(answer)
        .bind(lookup)
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("delete from speaker_certificates where speaker = $1")
            .bind(certificate.speaker.as_str())
            .execute(&mut *tx)
            .await?;
        insert(&mut tx, certificate).await?;
        let enrolled = Turn::new(Subject::Board, "enrolled", certificate.serial.as_str());
        add_turns(&mut tx, &certificate.speaker, &[enrolled], now_ms).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Keeps a speaker's next certificate in place of an earlier next one.
    pub async fn set_next_certificate(&self, certificate: &ConnectionRow) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("delete from speaker_certificates where speaker = $1 and is_next = 1")
            .bind(certificate.speaker.as_str())
            .execute(&mut *tx)
            .await?;
        insert(&mut tx, certificate).await?;
        Ok(tx.commit().await?)
    }

    /// The next certificate was shown: it is the one in force, and the others are worthless.
    pub async fn promote_certificate(&self, speaker: &SpeakerId, fingerprint: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query("update speaker_certificates set is_next = 0 where speaker = $1 and fingerprint = $2")
            .bind(speaker.as_str())
            .bind(fingerprint)
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() > 0 {
            sqlx::query("delete from speaker_certificates where speaker = $1 and fingerprint <> $2")
                .bind(speaker.as_str())
                .bind(fingerprint)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Makes every certificate of a speaker worthless.
    pub async fn drop_certificates(&self, speaker: &SpeakerId) -> Result<(), StoreError> {
        sqlx::query("delete from speaker_certificates where speaker = $1")
            .bind(speaker.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The certificates of one speaker, or of all.
    pub async fn speaker_certificates(&self, speaker: Option<&SpeakerId>) -> Result<Vec<ConnectionRow>, StoreError> {
        let rows = sqlx::query(
            "select fingerprint, speaker, serial, is_next, request, pem, made_ms, until_ms from speaker_certificates \
             where $1 = '' or speaker = $1 order by speaker, is_next",
        )
        .bind(speaker.map_or("", SpeakerId::as_str))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(connection).collect()
    }

    pub async fn set_disabled(&self, id: &SpeakerId, disabled: bool, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let was = sqlx::query("select disabled, online from speakers where id = $1")
            .bind(id.as_str())
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| StoreError::NotFound(format!("speaker {id}")))?;
        let (was_disabled, online) = (was.try_get::<i64, _>(0)? != 0, was.try_get::<i64, _>(1)? != 0);
        let mut turns = vec![];
        if was_disabled != disabled {
            turns.push(Turn::new(Subject::Access, if disabled { "shut" } else { "open" }, ""));
        }
        if disabled && online {
            turns.push(Turn::new(Subject::Link, "down", ""));
        }
        add_turns(&mut tx, id, &turns, now_ms).await?;
        sqlx::query(
            "update speakers set disabled = $1, \
             since_ms = case when $1 = 1 and online <> 0 then $2 else since_ms end, \
             online = case when $1 = 1 then 0 else online end where id = $3",
        )
        .bind(i64::from(disabled))
        .bind(now_ms)
        .bind(id.as_str())
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Until when the newest code of a speaker is good that nobody has used.
    pub async fn code_until_ms(&self, id: &SpeakerId, now_ms: i64) -> Result<Option<i64>, StoreError> {
        let row = sqlx::query(
            "select max(until_ms) from enrolments where speaker = $1 and used_ms is null and until_ms > $2",
        )
        .bind(id.as_str())
        .bind(now_ms)
        .fetch_one(&self.pool)
        .await?;
        Ok(row.try_get(0)?)
    }

    pub async fn disabled_speakers(&self) -> Result<Vec<SpeakerId>, StoreError> {
        let rows = sqlx::query("select id from speakers where disabled <> 0 order by id").fetch_all(&self.pool).await?;
        rows.iter().map(|row| parsed(row.try_get(0)?)).collect()
    }
}

async fn insert(tx: &mut Tx<'_>, certificate: &ConnectionRow) -> Result<(), StoreError> {
    sqlx::query(
        "insert into speaker_certificates (fingerprint, speaker, serial, is_next, request, pem, made_ms, until_ms) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(certificate.fingerprint.as_str())
    .bind(certificate.speaker.as_str())
    .bind(certificate.serial.as_str())
    .bind(i64::from(certificate.is_next))
    .bind(certificate.request.as_str())
    .bind(certificate.pem.as_str())
    .bind(certificate.made_ms)
    .bind(certificate.until_ms)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn connection(row: &AnyRow) -> Result<ConnectionRow, StoreError> {
    Ok(ConnectionRow {
        fingerprint: row.try_get(0)?,
        speaker: parsed(row.try_get(1)?)?,
        serial: row.try_get(2)?,
        is_next: row.try_get::<i64, _>(3)? != 0,
        request: row.try_get(4)?,
        pem: row.try_get(5)?,
        made_ms: row.try_get(6)?,
        until_ms: row.try_get(7)?,
    })
}
