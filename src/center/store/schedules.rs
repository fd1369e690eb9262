//! Programmes and schedules through their history, and calendars.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Store, StoreError, Tx, from_json, parsed, to_json};
use crate::domain::calendar::CalendarText;
use crate::domain::ids::{CalendarId, ProgrammeId, ScheduleId};
use crate::domain::programme::ProgrammeText;
use crate::domain::schedule::ScheduleText;

/// One version of something; `None` = removed.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRow<T> {
    pub made_ms: i64,
    pub effective_ms: i64,
    pub value: Option<T>,
    /// Removed so that what is on the air ends too.
    pub ends_now: bool,
}

/// New versions, and calendars, that belong together.
#[derive(Debug, Default)]
pub struct Changes {
    pub calendars: Vec<(CalendarId, CalendarText)>,
    pub programmes: Vec<(ProgrammeId, VersionRow<ProgrammeText>)>,
    pub schedules: Vec<(ScheduleId, VersionRow<ScheduleText>)>,
}

/// Everything by name with its versions, oldest first.
pub type Histories<K, T> = BTreeMap<K, Vec<VersionRow<T>>>;

impl Store {
    /// Keeps what belongs together, all or none.
    pub async fn put_together(&self, changes: &Changes, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for (id, text) in &changes.calendars {
            put_calendar(&mut tx, id, text, now_ms).await?;
        }
        for (id, version) in &changes.programmes {
            put_programme(&mut tx, id, version).await?;
        }
        for (id, version) in &changes.schedules {
            put_schedule(&mut tx, id, version).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Adds a version of a programme.
    pub async fn put_programme(&self, id: &ProgrammeId, version: &VersionRow<ProgrammeText>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        put_programme(&mut tx, id, version).await?;
        Ok(tx.commit().await?)
    }

    pub async fn programme_histories(&self) -> Result<Histories<ProgrammeId, ProgrammeText>, StoreError> {
        let rows =
            sqlx::query("select id, items, made_ms, effective_ms, title from programme_versions order by id, number")
                .fetch_all(&self.pool)
                .await?;
        let version = |row: &AnyRow| -> Result<_, StoreError> {
            let (title, items): (String, Option<String>) = (row.try_get(4)?, row.try_get(1)?);
            let value = items.map(|items| Ok::<_, StoreError>(ProgrammeText { title, items: from_json(&items)? }));
            Ok(VersionRow {
                made_ms: row.try_get(2)?,
                effective_ms: row.try_get(3)?,
                value: value.transpose()?,
                ends_now: false,
            })
        };
        histories(&rows, version)
    }

    /// Programmes as they were last written, by name.
    pub async fn programmes(&self) -> Result<BTreeMap<ProgrammeId, ProgrammeText>, StoreError> {
        Ok(current(self.programme_histories().await?))
    }

    /// Adds a version of a schedule.
    pub async fn put_schedule(&self, id: &ScheduleId, version: &VersionRow<ScheduleText>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        put_schedule(&mut tx, id, version).await?;
        Ok(tx.commit().await?)
    }

    pub async fn schedule_histories(&self) -> Result<Histories<ScheduleId, ScheduleText>, StoreError> {
        let rows =
            sqlx::query("select id, rule, made_ms, effective_ms, ends_now from schedule_versions order by id, number")
                .fetch_all(&self.pool)
                .await?;
        let version = |row: &AnyRow| -> Result<_, StoreError> {
            let rule: Option<String> = row.try_get(1)?;
            Ok(VersionRow {
                made_ms: row.try_get(2)?,
                effective_ms: row.try_get(3)?,
                value: rule.map(|rule| from_json(&rule)).transpose()?,
                ends_now: row.try_get::<i64, _>(4)? != 0,
            })
        };
        histories(&rows, version)
    }

    /// Schedules as they were last written, by name.
    pub async fn schedules(&self) -> Result<BTreeMap<ScheduleId, ScheduleText>, StoreError> {
        Ok(current(self.schedule_histories().await?))
    }

    pub async fn put_calendar(&self, id: &CalendarId, text: &CalendarText, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        put_calendar(&mut tx, id, text, now_ms).await?;
        Ok(tx.commit().await?)
    }

    pub async fn delete_calendar(&self, id: &CalendarId) -> Result<(), StoreError> {
        let done = sqlx::query("delete from calendars where id = $1").bind(id.as_str()).execute(&self.pool).await?;
        if done.rows_affected() == 0 { Err(StoreError::NotFound(format!("calendar {id}"))) } else { Ok(()) }
    }

    pub async fn calendars(&self) -> Result<BTreeMap<CalendarId, CalendarText>, StoreError> {
        let rows = sqlx::query("select id, body from calendars").fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((parsed(row.try_get(0)?)?, from_json(&row.try_get::<String, _>(1)?)?))).collect()
    }
}

async fn put_programme(
    tx: &mut Tx<'_>,
    id: &ProgrammeId,
    version: &VersionRow<ProgrammeText>,
) -> Result<(), StoreError> {
    let items = version.value.as_ref().map(|text| to_json(&text.items)).transpose()?;
    sqlx::query(
        "insert into programme_versions (id, number, title, items, made_ms, effective_ms) values \
         ($1, coalesce((select max(number) from programme_versions where id = $1), 0) + 1, $2, $3, $4, $5)",
    )
    .bind(id.as_str())
    .bind(version.value.as_ref().map_or("", |text| text.title.as_str()))
    .bind(items)
    .bind(version.made_ms)
    .bind(version.effective_ms)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn put_schedule(tx: &mut Tx<'_>, id: &ScheduleId, version: &VersionRow<ScheduleText>) -> Result<(), StoreError> {
    sqlx::query(
        "insert into schedule_versions (id, number, rule, made_ms, effective_ms, ends_now) values \
         ($1, coalesce((select max(number) from schedule_versions where id = $1), 0) + 1, $2, $3, $4, $5)",
    )
    .bind(id.as_str())
    .bind(version.value.as_ref().map(to_json).transpose()?)
    .bind(version.made_ms)
    .bind(version.effective_ms)
    .bind(i64::from(version.ends_now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn put_calendar(tx: &mut Tx<'_>, id: &CalendarId, text: &CalendarText, now_ms: i64) -> Result<(), StoreError> {
    sqlx::query(
        "insert into calendars (id, body, changed_ms) values ($1, $2, $3) \
         on conflict (id) do update set body = excluded.body, changed_ms = excluded.changed_ms",
    )
    .bind(id.as_str())
    .bind(to_json(text)?)
    .bind(now_ms)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn histories<K, T>(
    rows: &[AnyRow],
    version: impl Fn(&AnyRow) -> Result<VersionRow<T>, StoreError>,
) -> Result<Histories<K, T>, StoreError>
where
    K: Ord + std::str::FromStr,
    K::Err: std::fmt::Display,
{
    let mut all = Histories::new();
    for row in rows {
        all.entry(parsed(row.try_get(0)?)?).or_insert_with(Vec::new).push(version(row)?);
    }
    Ok(all)
}

fn current<K: Ord, T>(histories: Histories<K, T>) -> BTreeMap<K, T> {
    let newest = |mut versions: Vec<VersionRow<T>>| versions.pop().and_then(|version| version.value);
    histories.into_iter().filter_map(|(id, versions)| Some((id, newest(versions)?))).collect()
}
