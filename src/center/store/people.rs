//! Areas, speakers and certificates.

use std::sync::LazyLock;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::speakers::{add_turns, read_word};
use super::{Span, Store, StoreError, Tx, from_json, parsed, to_json, unless_taken};
use crate::domain::approval::Certificate;
use crate::domain::area::{Area, AreaTree};
use crate::domain::bulletin::Language;
use crate::domain::ids::{AreaCode, KeyId, SpeakerId};
use crate::domain::record::{Evidence, Outcome, Reason};
use crate::domain::standing::Turn;
use crate::protocol::envelope::Envelope;
use crate::protocol::keys::key_id;
use crate::protocol::message::{State, StateDetail};

#[derive(Debug, Clone, PartialEq)]
pub struct SpeakerRow {
    pub id: SpeakerId,
    pub title: String,
    pub area: AreaCode,
    pub password_hash: String,
    pub traits: SpeakerTraits,
    pub birth: u64,
    pub online: bool,
    /// Since when it has been on or off line; never seen where absent.
    pub since_ms: Option<i64>,
    pub detail: Option<StateDetail>,
    /// Nothing is sent to it, and it may not connect.
    pub disabled: bool,
    /// The newest play that left its converter, or was heard back.
    pub proven: Option<(i64, Evidence)>,
    /// When the newest play of which there is a record was to begin, how it ended and why.
    pub last: Option<(i64, Outcome, Option<Reason>)>,
}

const SPEAKER_COLUMNS: &str = "select id, title, area, password_hash, birth, online, since_ms, detail, languages, latitude, longitude, \
    step_with, disabled, proven_ms, proven, last_ms, last_outcome, last_reason from speakers";

/// What the planner needs to know of a speaker's surroundings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpeakerTraits {
    /// Of the residents, in order; empty = each programme's own.
    pub languages: Vec<Language>,
    /// Latitude and longitude in degrees (WGS 84).
    pub place: Option<(f64, f64)>,
    /// Speakers with the same word here play in step.
    pub step_with: Option<String>,
}

/// A unit with what it says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct AreaRow {
    pub area: Area,
    /// The lawful hours as the authority signed them.
    pub hours: Option<Envelope>,
    pub own_first: Option<bool>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CertificateRow {
    pub key: KeyId,
    pub envelope: Envelope,
    pub certificate: Certificate,
}

static PAGE_OF_SPEAKERS: LazyLock<String> =
    LazyLock::new(|| format!("{SPEAKER_COLUMNS} where id > $1 order by id limit $2"));
static ONE_SPEAKER: LazyLock<String> = LazyLock::new(|| format!("{SPEAKER_COLUMNS} where id = $1"));

impl Store {
    pub async fn add_area(&self, area: &Area) -> Result<(), StoreError> {
        sqlx::query("insert into areas (code, parent, title) values ($1, $2, $3)")
            .bind(area.code.as_str())
            .bind(area.parent.as_ref().map(AreaCode::as_str))
            .bind(area.title.as_str())
            .execute(&self.pool)
            .await
            .map_err(|e| unless_taken(e, &format!("area {}", area.code)))?;
        Ok(())
    }

    pub async fn areas(&self) -> Result<AreaTree, StoreError> {
        Ok(AreaTree::new(self.area_rows().await?.into_iter().map(|row| row.area)))
    }

    /// All units in order of code.
    pub async fn area_rows(&self) -> Result<Vec<AreaRow>, StoreError> {
        let rows = sqlx::query(
            "select code, parent, title, hours, own_first, valid_from, valid_to, replaced_by from areas order by code",
        )
        .fetch_all(&self.pool)
        .await?;
        let area = |row: &AnyRow| {
            let (parent, hours): (Option<String>, Option<String>) = (row.try_get(1)?, row.try_get(3)?);
            let (code, parent) = (parsed(row.try_get(0)?)?, parent.map(parsed).transpose()?);
            Ok(AreaRow {
                area: Area { code, parent, title: row.try_get(2)? },
                hours: hours.map(|hours| from_json(&hours)).transpose()?,
                own_first: row.try_get::<Option<i64>, _>(4)?.map(|first| first != 0),
                span: Span {
                    valid_from: row.try_get(5)?,
                    valid_to: row.try_get(6)?,
                    replaced_by: row.try_get::<Option<String>, _>(7)?.map(parsed).transpose()?,
                },
            })
        };
        rows.iter().map(area).collect()
    }

    /// Keeps lawful hours whose signature was checked.
    pub async fn set_hours(&self, code: &AreaCode, hours: &Envelope) -> Result<(), StoreError> {
        let done = sqlx::query("update areas set hours = $1 where code = $2")
            .bind(to_json(hours)?)
            .bind(code.as_str())
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound(format!("area {code}"))) } else { Ok(()) }
    }

    pub async fn set_own_first(&self, code: &AreaCode, own_first: bool) -> Result<(), StoreError> {
        let done = sqlx::query("update areas set own_first = $1 where code = $2")
            .bind(i64::from(own_first))
            .bind(code.as_str())
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound(format!("area {code}"))) } else { Ok(()) }
    }

    pub async fn set_traits(&self, id: &SpeakerId, traits: &SpeakerTraits) -> Result<(), StoreError> {
        let done = sqlx::query(
            "update speakers set languages = $1, latitude = $2, longitude = $3, step_with = $4 where id = $5",
        )
        .bind(to_json(&traits.languages)?)
        .bind(traits.place.map(|place| place.0))
        .bind(traits.place.map(|place| place.1))
        .bind(traits.step_with.as_deref())
        .bind(id.as_str())
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound(format!("speaker {id}"))) } else { Ok(()) }
    }

    pub async fn add_speaker(
        &self,
        id: &SpeakerId,
        title: &str,
        area: &AreaCode,
        password_hash: &str,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into speakers (id, title, area, password_hash, created_ms, birth, online) values ($1, $2, $3, $4, $5, 0, 0)",
        )
        .bind(id.as_str())
        .bind(title)
        .bind(area.as_str())
        .bind(password_hash)
        .bind(now_ms)
        .execute(&self.pool)
        .await
        .map_err(|e| unless_taken(e, &format!("speaker {id}")))?;
        Ok(())
    }

    /// Puts what is kept of a new password in the place of the old.
    pub async fn set_speaker_password(&self, id: &SpeakerId, kept: &str) -> Result<(), StoreError> {
        let done = sqlx::query("update speakers set password_hash = $1 where id = $2")
            .bind(kept)
            .bind(id.as_str())
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound(format!("speaker {id}"))) } else { Ok(()) }
    }

    /// Speakers in order of id, after `after`, at most `limit`.
    pub async fn speakers(&self, after: &str, limit: i64) -> Result<Vec<SpeakerRow>, StoreError> {
        let text: &'static str = &PAGE_OF_SPEAKERS;
        let rows = sqlx::query(text).bind(after).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(speaker).collect()
    }

    pub async fn speaker(&self, id: &SpeakerId) -> Result<SpeakerRow, StoreError> {
        let text: &'static str = &ONE_SPEAKER;
        let row = sqlx::query(text).bind(id.as_str()).fetch_optional(&self.pool).await?;
        speaker(&row.ok_or_else(|| StoreError::NotFound(format!("speaker {id}")))?)
    }

    /// Keeps what speakers say of themselves, and what has turned with that, all or none. Says of each whether it counts: not if it
    /// comes from an older connection, unless it says that it is there.
    pub async fn set_states(
        &self,
        states: &[(SpeakerId, State, Vec<Turn>)],
        now_ms: i64,
    ) -> Result<Vec<bool>, StoreError> {
        let mut tx = self.begin().await?;
        let mut taken = vec![];
        for (id, state, turns) in states {
            let detail = state.detail.as_ref().map(to_json).transpose()?;
            let birth = i64::try_from(state.birth).map_err(|_| StoreError::Damaged("birth number".into()))?;
            let done = sqlx::query(
                "update speakers set birth = $1, detail = coalesce($2, detail), \
                 since_ms = case when since_ms is null or online <> $3 then $4 else since_ms end, online = $3 \
                 where id = $5 and (birth <= $1 or $3 = 1)",
            )
            .bind(birth)
            .bind(detail)
            .bind(i64::from(state.online))
            .bind(now_ms)
            .bind(id.as_str())
            .execute(&mut *tx)
            .await?;
            let counts = done.rows_affected() > 0;
            if counts {
                add_turns(&mut tx, id, turns, now_ms).await?;
            }
            taken.push(counts);
        }
        tx.commit().await?;
        Ok(taken)
    }

    /// Every speaker's area, and whether it is on line; those that are shut out are left out.
    pub async fn speaker_links(&self) -> Result<Vec<(AreaCode, bool)>, StoreError> {
        let rows = sqlx::query("select area, online from speakers where disabled = 0").fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((parsed(row.try_get(0)?)?, row.try_get::<i64, _>(1)? != 0))).collect()
    }

    /// Every speaker and its area.
    pub async fn speaker_places(&self) -> Result<Vec<(SpeakerId, AreaCode)>, StoreError> {
        let rows = sqlx::query("select id, area from speakers order by id").fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((parsed(row.try_get(0)?)?, parsed(row.try_get(1)?)?))).collect()
    }

    /// Counts every speaker as off line until it says otherwise: whoever died while the center was down cannot say so.
    pub async fn forget_links(&self, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into speaker_turns (speaker, subject, item, at_ms, value, detail) \
             select id, 'link', '', $1, 'unheard', '' from speakers where online <> 0 on conflict do nothing",
        )
        .bind(now_ms)
        .execute(&mut *tx)
        .await?;
        sqlx::query("update speakers set online = 0, since_ms = $1 where online <> 0")
            .bind(now_ms)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    pub async fn set_title(&self, id: &SpeakerId, title: &str) -> Result<(), StoreError> {
        let done = sqlx::query("update speakers set title = $1 where id = $2")
            .bind(title)
            .bind(id.as_str())
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound(format!("speaker {id}"))) } else { Ok(()) }
    }

    /// Keeps a certificate whose signature was checked; the same key again replaces it.
    pub async fn add_certificate(
        &self,
        envelope: &Envelope,
        certificate: &Certificate,
        now_ms: i64,
    ) -> Result<KeyId, StoreError> {
        let mut tx = self.begin().await?;
        let key = put_certificate(&mut tx, envelope, certificate, now_ms).await?;
        tx.commit().await?;
        Ok(key)
    }

    pub async fn certificates(&self) -> Result<Vec<CertificateRow>, StoreError> {
        let rows =
            sqlx::query("select key_id, envelope from certificates order by key_id").fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let envelope: Envelope = from_json(&row.try_get::<String, _>(1)?)?;
                let certificate = envelope.peek().map_err(|e| StoreError::Damaged(e.to_string()))?;
                Ok(CertificateRow { key: parsed(row.try_get(0)?)?, envelope, certificate })
            })
            .collect()
    }
}

fn speaker(row: &AnyRow) -> Result<SpeakerRow, StoreError> {
    let detail: Option<String> = row.try_get(7)?;
    Ok(SpeakerRow {
        id: parsed(row.try_get(0)?)?,
        title: row.try_get(1)?,
        area: parsed(row.try_get(2)?)?,
        password_hash: row.try_get(3)?,
        birth: row.try_get::<i64, _>(4)? as u64,
        online: row.try_get::<i64, _>(5)? != 0,
        since_ms: row.try_get(6)?,
        detail: detail.map(|detail| from_json(&detail)).transpose()?,
        disabled: row.try_get::<i64, _>(12)? != 0,
        traits: SpeakerTraits {
            languages: from_json(&row.try_get::<String, _>(8)?)?,
            place: row.try_get::<Option<f64>, _>(9)?.zip(row.try_get::<Option<f64>, _>(10)?),
            step_with: row.try_get(11)?,
        },
        proven: (row.try_get::<Option<i64>, _>(13)?).zip(read_word::<Evidence>(row.try_get(14)?)?),
        last: match (row.try_get::<Option<i64>, _>(15)?, read_word::<Outcome>(row.try_get(16)?)?) {
            (Some(start_ms), Some(outcome)) => Some((start_ms, outcome, read_word::<Reason>(row.try_get(17)?)?)),
            _ => None,
        },
    })
}

pub(super) async fn put_certificate(
    tx: &mut Tx<'_>,
    envelope: &Envelope,
    certificate: &Certificate,
    now_ms: i64,
) -> Result<KeyId, StoreError> {
    let key = key_id(&certificate.key);
    sqlx::query(
        "insert into certificates (key_id, role, title, envelope, valid_until_ms, added_ms) values ($1, $2, $3, $4, $5, $6) \
         on conflict (key_id) do update set title = excluded.title, envelope = excluded.envelope, \
         valid_until_ms = excluded.valid_until_ms, added_ms = excluded.added_ms",
    )
    .bind(key.as_str())
    .bind(format!("{:?}", certificate.role).to_lowercase())
    .bind(certificate.title.as_str())
    .bind(to_json(envelope)?)
    .bind(certificate.valid_until_ms)
    .bind(now_ms)
    .execute(&mut **tx)
    .await?;
    Ok(key)
}
