//! What has turned about speakers, as changes; and of each the newest proven sound, kept beside it as records come in.

use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Store, StoreError, Tx, from_json};
use crate::domain::ids::SpeakerId;
use crate::domain::record::{Evidence, PlaybackRecord};
use crate::domain::standing::{Subject, Turn};

/// A change as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnRow {
    pub speaker: String,
    pub at_ms: i64,
    pub subject: Subject,
    /// Which fault; empty for all else.
    pub item: String,
    pub value: String,
    pub detail: String,
}

impl Store {
    /// What turned about a speaker in `from_ms..until_ms`, the newest `limit` of it, newest first.
    pub async fn turns(
        &self,
        speaker: &SpeakerId,
        from_ms: i64,
        until_ms: i64,
        limit: i64,
    ) -> Result<Vec<TurnRow>, StoreError> {
        let rows = sqlx::query(
            "select speaker, at_ms, subject, item, value, detail from speaker_turns \
             where speaker = $1 and at_ms >= $2 and at_ms < $3 order by at_ms desc, subject, item limit $4",
        )
        .bind(speaker.as_str())
        .bind(from_ms)
        .bind(until_ms)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(turn).collect()
    }

    /// How a speaker stood just before `before_ms`: the last word on each thing.
    pub async fn turns_standing(&self, speaker: &SpeakerId, before_ms: i64) -> Result<Vec<TurnRow>, StoreError> {
        let rows = sqlx::query(
            "select speaker, at_ms, subject, item, value, detail from speaker_turns t where speaker = $1 and at_ms = \
             (select max(at_ms) from speaker_turns n where n.speaker = t.speaker and n.subject = t.subject \
             and n.item = t.item and n.at_ms < $2) order by subject, item",
        )
        .bind(speaker.as_str())
        .bind(before_ms)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(turn).collect()
    }

    /// Forgets changes from before `before_ms`; the last word on each thing stays.
    pub async fn drop_old_turns(&self, before_ms: i64) -> Result<(), StoreError> {
        sqlx::query(
            "delete from speaker_turns where at_ms < $1 and at_ms < (select max(at_ms) from speaker_turns n \
             where n.speaker = speaker_turns.speaker and n.subject = speaker_turns.subject and n.item = speaker_turns.item)",
        )
        .bind(before_ms)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

pub(super) async fn add_turns(
    tx: &mut Tx<'_>,
    speaker: &SpeakerId,
    turns: &[Turn],
    now_ms: i64,
) -> Result<(), StoreError> {
    for turn in turns {
        sqlx::query(
            "insert into speaker_turns (speaker, subject, item, at_ms, value, detail) values ($1, $2, $3, $4, $5, $6) \
             on conflict (speaker, subject, item, at_ms) do update set value = excluded.value, detail = excluded.detail",
        )
        .bind(speaker.as_str())
        .bind(turn.subject.as_str())
        .bind(turn.item)
        .bind(now_ms)
        .bind(turn.value)
        .bind(turn.detail.as_str())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Keeps beside each speaker what these records say of its newest sound: one statement a speaker and batch.
pub(super) async fn note_sound(tx: &mut Tx<'_>, records: &[PlaybackRecord]) -> Result<(), StoreError> {
    let mut newest: Vec<(&PlaybackRecord, Option<&PlaybackRecord>)> = vec![];
    let mut sorted: Vec<&PlaybackRecord> = records.iter().collect();
    sorted.sort_by(|a, b| (&a.speaker, a.start_ms).cmp(&(&b.speaker, b.start_ms)));
    for record in sorted {
        let proven = Some(record).filter(|record| record.evidence >= Evidence::Sounded);
        match newest.last_mut().filter(|(last, _)| last.speaker == record.speaker) {
            Some(one) => *one = (record, proven.or(one.1)),
            None => newest.push((record, proven)),
        }
    }
    for (last, proven) in newest {
        let proven_ms = proven.map_or(i64::MIN, |record| record.start_ms);
        sqlx::query(
            "update speakers set \
             proven = case when $1 > coalesce(proven_ms, 0) then $2 else proven end, \
             proven_ms = case when $1 > coalesce(proven_ms, 0) then $1 else proven_ms end, \
             last_outcome = case when $3 > coalesce(last_ms, 0) then $4 else last_outcome end, \
             last_reason = case when $3 > coalesce(last_ms, 0) then $5 else last_reason end, \
             last_ms = case when $3 > coalesce(last_ms, 0) then $3 else last_ms end \
             where id = $6 and ($1 > coalesce(proven_ms, 0) or $3 > coalesce(last_ms, 0))",
        )
        .bind(proven_ms)
        .bind(proven.map_or("", |record| record.evidence.as_str()))
        .bind(last.start_ms)
        .bind(last.outcome.as_str())
        .bind(last.reason.map(|reason| reason.as_str()))
        .bind(last.speaker.as_str())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// A word of a closed list, as serde spells it.
pub(super) fn read_word<T: DeserializeOwned>(text: Option<String>) -> Result<Option<T>, StoreError> {
    text.map(|text| from_json(&format!("\"{text}\""))).transpose()
}

fn turn(row: &AnyRow) -> Result<TurnRow, StoreError> {
    let subject: String = row.try_get(2)?;
    let subject = Subject::ALL.into_iter().find(|known| known.as_str() == subject);
    Ok(TurnRow {
        speaker: row.try_get(0)?,
        at_ms: row.try_get(1)?,
        subject: subject.ok_or_else(|| StoreError::Damaged("the subject of a change".into()))?,
        item: row.try_get(3)?,
        value: row.try_get(4)?,
        detail: row.try_get(5)?,
    })
}
