//! The account of plays: what was due, how it ended, and the lists that are read from it.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{PlanRow, Store, StoreError, Tx, from_json, plans, to_json};
use crate::domain::field::Field;
use crate::domain::ids::{BulletinId, SpeakerId};
use crate::domain::record::PlaybackRecord;

/// What plays have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentRow {
    pub id: String,
    pub schedule: String,
    pub title: String,
    pub priority: String,
    /// The bulletin that takes the most time of it.
    pub bulletin: String,
    pub bulletins: Vec<String>,
}

/// One play on one speaker as the account has it. Texts are codes; `reason` may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRow {
    pub speaker: String,
    pub occurrence: String,
    pub area: String,
    pub start_ms: i64,
    pub end_ms: i64,
    pub requested_ms: i64,
    pub heard_ms: i64,
    pub content: String,
    pub outcome: String,
    pub reason: String,
    pub evidence: String,
    pub error_us: Option<i64>,
}

/// A play with all that there is to tell of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldPlay {
    pub row: DueRow,
    pub content: ContentRow,
    /// Empty where the speaker is gone.
    pub speaker_title: String,
    pub record: Option<PlaybackRecord>,
}

/// A record that the account does not know yet, and whether it has the play.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRecord {
    pub record: PlaybackRecord,
    pub received_ms: i64,
    pub is_due: bool,
}

/// Which plays to list. An empty list asks for nothing in particular.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlayFilter {
    pub from_ms: i64,
    pub until_ms: i64,
    /// Every area that counts; all where absent.
    pub areas: Option<Vec<String>>,
    pub speaker: Option<String>,
    pub schedule: Option<String>,
    pub bulletin: Option<String>,
    pub outcomes: Vec<String>,
    pub reasons: Vec<String>,
    pub priorities: Vec<String>,
    pub evidence: Vec<String>,
    pub fields: Vec<String>,
    pub languages: Vec<String>,
    pub on_time: Option<bool>,
    /// What was told last: start, speaker, occurrence.
    pub after: Option<(i64, String, String)>,
}

/// Rows in one statement.
const AT_ONCE: usize = 50;

enum Bind {
    Number(i64),
    Text(String),
}

/// A statement's conditions while they are put together.
#[derive(Default)]
struct Conditions {
    text: Vec<String>,
    binds: Vec<Bind>,
}

impl Conditions {
    fn number(&mut self, number: i64) -> String {
        self.binds.push(Bind::Number(number));
        format!("${}", self.binds.len())
    }

    fn text(&mut self, text: &str) -> String {
        self.binds.push(Bind::Text(text.to_owned()));
        format!("${}", self.binds.len())
    }

    fn one_of(&mut self, column: &str, values: &[String]) {
        if !values.is_empty() {
            let marks: Vec<_> = values.iter().map(|value| self.text(value)).collect();
            self.text.push(format!("{column} in ({})", marks.join(", ")));
        }
    }
}

impl PlayFilter {
    fn conditions(&self) -> Conditions {
        let mut all = Conditions::default();
        let (from, until) = (all.number(self.from_ms), all.number(self.until_ms));
        all.text.push(format!("p.start_ms >= {from} and p.start_ms < {until}"));
        match &self.areas {
            Some(areas) if areas.is_empty() => all.text.push("1 = 0".into()),
            Some(areas) => all.one_of("p.area", areas),
            None => {}
        }
        all.one_of("p.speaker", self.speaker.as_slice());
        all.one_of("c.schedule", self.schedule.as_slice());
        all.one_of("p.outcome", &self.outcomes);
        all.one_of("p.reason", &self.reasons);
        all.one_of("c.priority", &self.priorities);
        all.one_of("p.evidence", &self.evidence);
        all.one_of("coalesce(nullif(b.field, ''), 'other')", &self.fields);
        all.one_of("coalesce(b.language, 'und')", &self.languages);
        if let Some(bulletin) = &self.bulletin {
            let pattern = all.text(&format!("%\"{}\"%", bulletin.replace('_', "\\_")));
            all.text.push(format!("c.bulletins like {pattern} escape '\\'"));
        }
        match self.on_time {
            Some(true) => all.text.push("abs(p.error_us) <= 1000000".into()),
            Some(false) => all.text.push("(p.error_us is null or abs(p.error_us) > 1000000)".into()),
            None => {}
        }
        if let Some((start_ms, speaker, occurrence)) = &self.after {
            let (start, id, play) = (all.number(*start_ms), all.text(speaker), all.text(occurrence));
            all.text.push(format!(
                "p.start_ms <= {start} and (p.start_ms < {start} or p.speaker > {id} or (p.speaker = {id} and p.occurrence > {play}))"
            ));
        }
        all
    }
}

const TOLD: &str = "select p.speaker, p.occurrence, p.area, p.start_ms, p.end_ms, p.requested_ms, p.heard_ms, p.content, \
    p.outcome, p.reason, p.evidence, p.error_us, c.schedule, c.title, c.priority, c.bulletin, c.bulletins, \
    coalesce(s.title, ''), r.body from plays p join play_contents c on c.id = p.content \
    left join bulletins b on b.id = c.bulletin left join speakers s on s.id = p.speaker \
    left join records r on r.speaker = p.speaker and r.occurrence = p.occurrence";

impl Store {
    /// Plays of the account, newest first.
    pub async fn told_plays(&self, filter: &PlayFilter, limit: i64) -> Result<Vec<ToldPlay>, StoreError> {
        let mut all = filter.conditions();
        let limit = all.number(limit);
        let sql = format!(
            "{TOLD} where {} order by p.start_ms desc, p.speaker, p.occurrence limit {limit}",
            all.text.join(" and ")
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for bind in all.binds {
            query = match bind {
                Bind::Number(number) => query.bind(number),
                Bind::Text(text) => query.bind(text),
            };
        }
        query.fetch_all(&self.pool).await?.iter().map(told).collect()
    }

    /// Takes plays into the account; one that is there already stays as it is.
    pub async fn add_due(&self, contents: &[ContentRow], plays: &[DueRow]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for row in contents {
            sqlx::query(
                "insert into play_contents (id, schedule, title, priority, bulletin, bulletins) values ($1, $2, $3, $4, $5, $6) \
                 on conflict (id) do nothing",
            )
            .bind(row.id.as_str())
            .bind(row.schedule.as_str())
            .bind(row.title.as_str())
            .bind(row.priority.as_str())
            .bind(row.bulletin.as_str())
            .bind(to_json(&row.bulletins)?)
            .execute(&mut *tx)
            .await?;
        }
        for part in plays.chunks(AT_ONCE) {
            add_plays(&mut tx, part).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Records that came since, of plays that the account lacks or has no end of, in the order in which they came.
    pub async fn new_records(&self, from_ms: i64, limit: i64) -> Result<Vec<NewRecord>, StoreError> {
        let rows = sqlx::query(
            "select r.body, r.received_ms, coalesce(p.outcome, '') from records r \
             left join plays p on p.speaker = r.speaker and p.occurrence = r.occurrence \
             where r.received_ms >= $1 and (p.outcome is null or p.outcome = 'unreported') \
             order by r.received_ms limit $2",
        )
        .bind(from_ms)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let read = |row: &AnyRow| {
            Ok(NewRecord {
                record: from_json(&row.try_get::<String, _>(0)?)?,
                received_ms: row.try_get(1)?,
                is_due: !row.try_get::<String, _>(2)?.is_empty(),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Ends plays of the account as their records say.
    pub async fn end_plays(&self, records: &[PlaybackRecord]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for record in records {
            sqlx::query(
                "update plays set outcome = $1, reason = $2, evidence = $3, heard_ms = $4, error_us = $5 \
                 where speaker = $6 and occurrence = $7",
            )
            .bind(record.outcome.as_str())
            .bind(record.reason.map_or("", |reason| reason.as_str()))
            .bind(record.evidence.as_str())
            .bind(record.heard_ms)
            .bind(record.start_error_us)
            .bind(record.speaker.as_str())
            .bind(record.occurrence.as_str())
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Starts of plays without a record whose slots ended in `from_ms..until_ms`, none of which is longer than a day.
    pub async fn ended_unreported(&self, from_ms: i64, until_ms: i64) -> Result<Vec<i64>, StoreError> {
        let rows = sqlx::query(
            "select distinct start_ms from plays where outcome = 'unreported' and start_ms >= $1 and start_ms < $3 \
             and end_ms >= $2 and end_ms < $3",
        )
        .bind(from_ms - crate::domain::DAY_MS)
        .bind(from_ms)
        .bind(until_ms)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Plans of these speakers that were in force at any time in `from_ms..until_ms`, oldest first by speaker.
    pub async fn plans_of(
        &self,
        speakers: &[SpeakerId],
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<PlanRow>, StoreError> {
        if speakers.is_empty() {
            return Ok(vec![]);
        }
        let marks: Vec<_> = (0..speakers.len()).map(|n| format!("${}", n + 3)).collect();
        let sql = format!(
            "select speaker, number, made_ms, until_ms, body from plans p where speaker in ({}) and made_ms < $2 and made_ms >= \
             coalesce((select max(made_ms) from plans q where q.speaker = p.speaker and q.made_ms <= $1), 0) \
             order by speaker, number",
            marks.join(", ")
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(from_ms).bind(until_ms);
        for speaker in speakers {
            query = query.bind(speaker.as_str().to_owned());
        }
        query.fetch_all(&self.pool).await?.iter().map(plans::plan).collect()
    }

    /// When the oldest plan that is still kept was made.
    pub async fn oldest_plan_ms(&self) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query("select min(made_ms) from plans").fetch_one(&self.pool).await?.try_get(0)?)
    }

    /// What a bulletin is about.
    pub async fn field(&self, id: &BulletinId) -> Result<Field, StoreError> {
        let row = sqlx::query("select field from bulletins where id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let text: String = row.ok_or_else(|| StoreError::NotFound(format!("bulletin {id}")))?.try_get(0)?;
        Ok(text.parse().unwrap_or_default())
    }

    pub async fn set_field(&self, id: &BulletinId, field: Field) -> Result<(), StoreError> {
        let done = sqlx::query("update bulletins set field = $1 where id = $2")
            .bind(field.as_str())
            .bind(id.as_str())
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound(format!("bulletin {id}"))) } else { Ok(()) }
    }

    /// Field and language of every bulletin.
    pub async fn kinds(&self) -> Result<Vec<(String, String, String)>, StoreError> {
        let rows = sqlx::query("select id, coalesce(nullif(field, ''), 'other'), language from bulletins")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
    }
}

async fn add_plays(tx: &mut Tx<'_>, plays: &[DueRow]) -> Result<(), StoreError> {
    const COLUMNS: usize = 12;
    let row = |n: usize| {
        let marks: Vec<_> = (1..=COLUMNS).map(|column| format!("${}", n * COLUMNS + column)).collect();
        format!("({})", marks.join(", "))
    };
    let sql = format!(
        "insert into plays (speaker, occurrence, area, start_ms, end_ms, requested_ms, heard_ms, content, outcome, reason, \
         evidence, error_us) values {} on conflict (speaker, occurrence) do nothing",
        (0..plays.len()).map(row).collect::<Vec<_>>().join(", ")
    );
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
    for play in plays {
        query = query
            .bind(play.speaker.clone())
            .bind(play.occurrence.clone())
            .bind(play.area.clone())
            .bind(play.start_ms)
            .bind(play.end_ms)
            .bind(play.requested_ms)
            .bind(play.heard_ms)
            .bind(play.content.clone())
            .bind(play.outcome.clone())
            .bind(play.reason.clone())
            .bind(play.evidence.clone())
            .bind(play.error_us);
    }
    query.execute(&mut **tx).await?;
    Ok(())
}

fn told(row: &AnyRow) -> Result<ToldPlay, StoreError> {
    let record: Option<String> = row.try_get(18)?;
    let content: String = row.try_get(7)?;
    Ok(ToldPlay {
        content: ContentRow {
            id: content.clone(),
            schedule: row.try_get(12)?,
            title: row.try_get(13)?,
            priority: row.try_get(14)?,
            bulletin: row.try_get(15)?,
            bulletins: from_json(&row.try_get::<String, _>(16)?)?,
        },
        row: DueRow {
            speaker: row.try_get(0)?,
            occurrence: row.try_get(1)?,
            area: row.try_get(2)?,
            start_ms: row.try_get(3)?,
            end_ms: row.try_get(4)?,
            requested_ms: row.try_get(5)?,
            heard_ms: row.try_get(6)?,
            content,
            outcome: row.try_get(8)?,
            reason: row.try_get(9)?,
            evidence: row.try_get(10)?,
            error_us: row.try_get(11)?,
        },
        speaker_title: row.try_get(17)?,
        record: record.map(|body| from_json(&body)).transpose()?,
    })
}
