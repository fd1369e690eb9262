//! Reports: the account of plays kept up to date (`settle`), and what is read from its sums. What a report says stands in `domain/report.rs`.

pub mod paper;
pub mod pdf;
pub mod settle;
pub mod sheets;
mod words;

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

use super::app::{App, now_ms};
use super::store::StoreError;
use crate::domain::DAY_MS;
use crate::domain::area::AreaTree;
use crate::domain::report::{Material, Report, Scope, day_number, report, series_spans, spans};

/// How far back a bulletin's new field is told in reports.
const COUNTED_AGAIN_DAYS: i64 = 400;

/// What happened in an area within a time, whole days of its own zone.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PeriodReport {
    pub area: String,
    pub area_title: String,
    /// First and last day, such as 2026-11-23.
    pub from: String,
    pub to: String,
    pub time_zone: String,
    pub made_ms: i64,
    /// Plays that start later are not counted yet; absent where nothing was counted so far.
    pub counted_until_ms: Option<i64>,
    #[serde(flatten)]
    pub report: Report,
}

/// Reads a report's sums, a few thousand rows however many plays there were.
pub async fn period(app: &App, tree: &AreaTree, scope: &Scope) -> Result<PeriodReport, StoreError> {
    // Whoever looks wants to see what has come since.
    app.account_bell.notify_one();
    let last = scope.to.to_string();
    let rows = app.store.area_rows().await?.into_iter();
    let ended = rows.filter(|row| row.span.valid_to.as_ref().is_some_and(|to| *to <= last)).map(|row| row.area.code);
    let mut material =
        Material { standing: app.store.standing().await?, ended: ended.collect(), ..Material::default() };
    for span in spans(scope.from, scope.to) {
        material.totals.extend(app.store.totals(span).await?);
        material.speakers.extend(app.store.speaker_totals(span).await?);
        material.errors.extend(app.store.start_errors(span).await?);
    }
    for span in series_spans(scope.from, scope.to) {
        material.series.extend(app.store.series(span).await?);
    }
    material.silent_days = app.store.silent_days((day_number(scope.from), day_number(scope.to))).await?;
    material.join_speakers();
    Ok(PeriodReport {
        area: scope.area.to_string(),
        area_title: tree.get(&scope.area).map(|area| area.title.clone()).unwrap_or_default(),
        from: scope.from.to_string(),
        to: scope.to.to_string(),
        time_zone: app.site.time_zone.clone(),
        made_ms: now_ms(),
        counted_until_ms: settle::settled_ms(app).await?,
        report: report(tree, scope, &material),
    })
}

/// Has the sums made again of all days since then, up to today.
pub async fn count_again(app: &App, since_ms: i64) -> Result<(), StoreError> {
    let (zone, now_ms) = (zone(app), now_ms());
    let mut days: Vec<i64> = vec![];
    let mut day = date_at(zone, since_ms.max(now_ms - COUNTED_AGAIN_DAYS * DAY_MS));
    while day <= date_at(zone, now_ms) {
        days.push(day_number(day));
        let Some(next) = day.succ_opt() else { break };
        day = next;
    }
    app.store.mark_stale(&days).await?;
    app.account_bell.notify_one();
    Ok(())
}

/// The zone by whose days the site reports.
pub fn zone(app: &App) -> Tz {
    app.site.time_zone.parse().unwrap_or(chrono_tz::Asia::Ho_Chi_Minh)
}

/// The day that an instant lies in.
pub fn date_at(zone: Tz, at_ms: i64) -> NaiveDate {
    DateTime::from_timestamp_millis(at_ms).map_or(NaiveDate::MIN, |at| at.with_timezone(&zone).date_naive())
}

/// The first instant of a day; where midnight is left out by summer time, the first that there is.
pub fn day_start_ms(zone: Tz, day: NaiveDate) -> i64 {
    (0..=3)
        .filter_map(|hour| day.and_hms_opt(hour, 0, 0))
        .find_map(|at| at.and_local_timezone(zone).earliest())
        .map_or(0, |at| at.timestamp_millis())
}
