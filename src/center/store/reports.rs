//! Sums of plays by day and month, made from the account and read by reports.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Store, StoreError, parsed};
use crate::domain::ids::{AreaCode, SpeakerId};
use crate::domain::report::{ERROR_BOUNDS_MS, SpeakerTotal, Standing, Sums, Total};

/// A day whose sums are made: its number, that of its month, and its instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub number: i64,
    pub from_ms: i64,
    pub until_ms: i64,
}

impl Day {
    fn month(self) -> i64 {
        self.number / 100
    }
}

const TOTALS: &str = "totals (period, area, field, language, priority, outcome, reason, plays, sounded, heard_back, on_time, prompt, \
    requested_ms, heard_ms)";
const SPEAKER_TOTALS: &str =
    "speaker_totals (period, speaker, area, plays, complete, sounded, silent, requested_ms, heard_ms)";

impl Store {
    /// Says that the sums of these days are to be made again.
    pub async fn mark_stale(&self, days: &[i64]) -> Result<(), StoreError> {
        if days.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        for day in days {
            sqlx::query("insert into stale_days (day) values ($1) on conflict (day) do nothing")
                .bind(*day)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The newest days of which the sums are to be made again.
    pub async fn stale_days(&self, limit: i64) -> Result<Vec<i64>, StoreError> {
        let rows = sqlx::query("select day from stale_days order by day desc limit $1")
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Makes a day's sums, and its month's, from the account. A play without a record counts once its slot ended before `final_ms`.
    pub async fn count_day(&self, day: Day, final_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for period in [day.number, day.month()] {
            for table in ["totals", "speaker_totals", "start_errors"] {
                sqlx::query(sqlx::AssertSqlSafe(format!("delete from {table} where period = $1")))
                    .bind(period)
                    .execute(&mut *tx)
                    .await?;
            }
        }
        for sql in of_day() {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql));
            query.bind(day.number).bind(day.from_ms).bind(day.until_ms).bind(final_ms).execute(&mut *tx).await?;
        }
        for sql in of_month() {
            let (first, last) = (day.month() * 100, day.month() * 100 + 99);
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(day.month()).bind(first).bind(last).execute(&mut *tx).await?;
        }
        sqlx::query("delete from stale_days where day = $1").bind(day.number).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Sums of the periods from the first to the last, by everything but the period.
    pub async fn totals(&self, (first, last): (i64, i64)) -> Result<Vec<Total>, StoreError> {
        let sql = format!(
            "select area, field, language, priority, outcome, reason, {} from totals where period >= $1 and period <= $2 \
             group by area, field, language, priority, outcome, reason",
            summed(&["plays", "sounded", "heard_back", "on_time", "prompt", "requested_ms", "heard_ms"])
        );
        let read = |row: &AnyRow| {
            Ok(Total {
                period: first,
                area: parsed(row.try_get(0)?)?,
                field: row.try_get::<String, _>(1)?.parse().unwrap_or_default(),
                language: row.try_get(2)?,
                priority: row.try_get::<String, _>(3)?.parse().unwrap_or_default(),
                outcome: row.try_get(4)?,
                reason: row.try_get(5)?,
                plays: row.try_get(6)?,
                sounded: row.try_get(7)?,
                heard_back: row.try_get(8)?,
                on_time: row.try_get(9)?,
                prompt: row.try_get(10)?,
                requested_ms: row.try_get(11)?,
                heard_ms: row.try_get(12)?,
            })
        };
        self.of_span(sql, (first, last)).await?.iter().map(read).collect()
    }

    pub async fn speaker_totals(&self, span: (i64, i64)) -> Result<Vec<SpeakerTotal>, StoreError> {
        let sql = format!(
            "select speaker, area, {} from speaker_totals where period >= $1 and period <= $2 group by speaker, area",
            summed(&["plays", "complete", "sounded", "silent", "requested_ms", "heard_ms"])
        );
        let read = |row: &AnyRow| {
            Ok(SpeakerTotal {
                speaker: parsed(row.try_get(0)?)?,
                area: parsed(row.try_get(1)?)?,
                plays: row.try_get(2)?,
                complete: row.try_get(3)?,
                sounded: row.try_get(4)?,
                silent: row.try_get(5)?,
                requested_ms: row.try_get(6)?,
                heard_ms: row.try_get(7)?,
            })
        };
        self.of_span(sql, span).await?.iter().map(read).collect()
    }

    /// Sums by period and area.
    pub async fn series(&self, span: (i64, i64)) -> Result<Vec<(i64, AreaCode, Sums)>, StoreError> {
        const BY: [(&str, &str); 3] =
            [("outcome", "'played', 'late'"), ("outcome", "'unreported'"), ("priority", "'emergency'")];
        let when = |(column, values): (&str, &str), sum: &str| {
            format!("cast(sum(case when {column} in ({values}) then {sum} else 0 end) as bigint)")
        };
        let sql = format!(
            "select period, area, {}, {}, {}, {}, {}, {} from totals where period >= $1 and period <= $2 group by period, area",
            summed(&["plays", "sounded", "heard_back", "on_time", "requested_ms", "heard_ms"]),
            when(BY[0], "plays"),
            when(BY[1], "plays"),
            when(BY[2], "plays"),
            when(BY[2], "sounded"),
            when(BY[2], "prompt"),
        );
        let read = |row: &AnyRow| {
            let sums = Sums {
                plays: row.try_get(2)?,
                sounded: row.try_get(3)?,
                heard_back: row.try_get(4)?,
                on_time: row.try_get(5)?,
                requested_ms: row.try_get(6)?,
                heard_ms: row.try_get(7)?,
                complete: row.try_get(8)?,
                unreported: row.try_get(9)?,
                urgent: row.try_get(10)?,
                urgent_sounded: row.try_get(11)?,
                urgent_prompt: row.try_get(12)?,
            };
            Ok((row.try_get(0)?, parsed(row.try_get(1)?)?, sums))
        };
        self.of_span(sql, span).await?.iter().map(read).collect()
    }

    /// Plays by area and the bound of their start error.
    pub async fn start_errors(&self, span: (i64, i64)) -> Result<Vec<(AreaCode, i64, i64)>, StoreError> {
        let sql = "select area, within_ms, cast(sum(plays) as bigint) from start_errors \
                   where period >= $1 and period <= $2 group by area, within_ms";
        let rows = self.of_span(sql.into(), span).await?;
        rows.iter().map(|row| Ok((parsed(row.try_get(0)?)?, row.try_get(1)?, row.try_get(2)?))).collect()
    }

    /// Days on which something was due on a speaker and nothing sounded.
    pub async fn silent_days(&self, span: (i64, i64)) -> Result<Vec<(SpeakerId, AreaCode, i64)>, StoreError> {
        let sql =
            "select speaker, area, period from speaker_totals where period >= $1 and period <= $2 and sounded = 0";
        let rows = self.of_span(sql.into(), span).await?;
        rows.iter().map(|row| Ok((parsed(row.try_get(0)?)?, parsed(row.try_get(1)?)?, row.try_get(2)?))).collect()
    }

    /// All speakers that are in use, as they stand.
    pub async fn standing(&self) -> Result<Vec<Standing>, StoreError> {
        let rows = sqlx::query("select id, title, area, online from speakers where disabled = 0")
            .fetch_all(&self.pool)
            .await?;
        let read = |row: &AnyRow| {
            Ok(Standing {
                speaker: parsed(row.try_get(0)?)?,
                title: row.try_get(1)?,
                area: parsed(row.try_get(2)?)?,
                online: row.try_get::<i64, _>(3)? != 0,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn of_span(&self, sql: String, (first, last): (i64, i64)) -> Result<Vec<AnyRow>, StoreError> {
        Ok(sqlx::query(sqlx::AssertSqlSafe(sql)).bind(first).bind(last).fetch_all(&self.pool).await?)
    }
}

/// PostgreSQL adds up to `numeric`, which is no number here.
fn summed(columns: &[&str]) -> String {
    columns.iter().map(|column| format!("cast(sum({column}) as bigint)")).collect::<Vec<_>>().join(", ")
}

/// Which plays of the account count for a day; `$1` is the day's number.
const OF_DAY: &str = "from plays p join play_contents c on c.id = p.content left join bulletins b on b.id = c.bulletin \
    where p.start_ms >= $2 and p.start_ms < $3 and (p.outcome <> 'unreported' or p.end_ms < $4)";

fn of_day() -> [String; 3] {
    let count = |condition: &str| format!("cast(sum(case when {condition} then 1 else 0 end) as bigint)");
    let sounded = count("p.evidence in ('sounded', 'heard_back')");
    let (field, language) = ("coalesce(nullif(b.field, ''), 'other')", "coalesce(b.language, 'und')");
    let steps = ERROR_BOUNDS_MS[..ERROR_BOUNDS_MS.len() - 1].iter();
    let steps: String = steps.map(|ms| format!("when abs(p.error_us) <= {ms}000 then {ms} ")).collect();
    let within = format!("case {steps}else {} end", ERROR_BOUNDS_MS[ERROR_BOUNDS_MS.len() - 1]);
    [
        format!(
            "insert into {TOTALS} select cast($1 as bigint), p.area, {field}, {language}, c.priority, p.outcome, p.reason, count(*), {sounded}, \
             {}, {}, {}, cast(sum(p.requested_ms) as bigint), cast(sum(p.heard_ms) as bigint) {OF_DAY} \
             group by p.area, {field}, {language}, c.priority, p.outcome, p.reason",
            count("p.evidence = 'heard_back'"),
            count("abs(p.error_us) <= 1000000"),
            count("abs(p.error_us) <= 10000000"),
        ),
        format!(
            "insert into {SPEAKER_TOTALS} select cast($1 as bigint), p.speaker, p.area, count(*), {}, {sounded}, {}, \
             cast(sum(p.requested_ms) as bigint), cast(sum(p.heard_ms) as bigint) {OF_DAY} group by p.speaker, p.area",
            count("p.outcome in ('played', 'late')"),
            count("p.outcome in ('missed', 'unreported')"),
        ),
        format!(
            "insert into start_errors (period, area, within_ms, plays) select cast($1 as bigint), p.area, {within}, count(*) {OF_DAY} \
             and p.error_us is not null group by p.area, {within}"
        ),
    ]
}

fn of_month() -> [String; 3] {
    let days = "where period >= $2 and period <= $3";
    [
        format!(
            "insert into {TOTALS} select cast($1 as bigint), area, field, language, priority, outcome, reason, {} from totals {days} \
             group by area, field, language, priority, outcome, reason",
            summed(&["plays", "sounded", "heard_back", "on_time", "prompt", "requested_ms", "heard_ms"])
        ),
        format!(
            "insert into {SPEAKER_TOTALS} select cast($1 as bigint), speaker, area, {} from speaker_totals {days} group by speaker, area",
            summed(&["plays", "complete", "sounded", "silent", "requested_ms", "heard_ms"])
        ),
        format!(
            "insert into start_errors (period, area, within_ms, plays) select cast($1 as bigint), area, within_ms, \
             cast(sum(plays) as bigint) from start_errors {days} group by area, within_ms"
        ),
    ]
}
