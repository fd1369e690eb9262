//! Reports on an area and a time.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use serde::Deserialize;
use utoipa::IntoParams;

use super::office::Office;
use super::{Problem, web};
use crate::center::app::{App, now_ms};
use crate::center::cli::escaped;
use crate::center::people::person::Person;
use crate::center::reports::paper::{paper, time_in_words};
use crate::center::reports::pdf::{Heading, PdfError, pdf};
use crate::center::reports::sheets;
use crate::center::reports::{self, PeriodReport, date_at, zone};
use crate::domain::ids::AreaCode;
use crate::domain::report::{LONGEST_DAYS, Scope};
use crate::domain::role::Right;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct PeriodQuery {
    /// The area, all below it included; the top of the tree where absent.
    area: Option<String>,
    /// First day, such as 2026-11-01; today where absent.
    from: Option<String>,
    /// Last day; the first one where absent.
    to: Option<String>,
}

/// What happened in an area within a time: sums, coverage, breakdowns and the measurement index
#[utoipa::path(get, path = "/api/v1/reports/period", params(PeriodQuery),
    responses((status = 200, body = PeriodReport), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn period(
    State(app): State<Arc<App>>,
    person: Person,
    Query(query): Query<PeriodQuery>,
) -> Result<Json<PeriodReport>, Problem> {
    Ok(Json(made(&app, &person, &query).await?))
}

/// How a report is written.
#[derive(Debug, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    Xlsx,
    Csv,
    Pdf,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    area: Option<String>,
    from: Option<String>,
    to: Option<String>,
    /// xlsx, csv or pdf.
    #[param(inline)]
    form: Form,
}

/// A report as a file: for Excel, as CSV, or as a paper with the office's heading, in Vietnamese
#[utoipa::path(get, path = "/api/v1/reports/period/file", params(ExportQuery),
    responses((status = 200, description = "The file", content_type = "application/octet-stream"), (status = 400, body = Problem),
        (status = 404, body = Problem)))]
pub async fn file(
    State(app): State<Arc<App>>,
    person: Person,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    let form = query.form;
    let query = PeriodQuery { area: query.area, from: query.from, to: query.to };
    let report = made(&app, &person, &query).await?;
    let office = Office::load(&app).await?;
    let today = date_at(zone(&app), now_ms());
    let title = app.site.title.clone();
    // One report is a few hundred rows; the work is on the processor.
    let bytes = tokio::task::block_in_place(|| {
        let paper = paper(&report);
        match form {
            Form::Xlsx => sheets::xlsx(&paper).map_err(Problem::internal),
            Form::Csv => sheets::csv(&paper).map_err(Problem::internal),
            Form::Pdf => {
                let fonts = web::fonts().ok_or_else(|| Problem::internal(PdfError::NoFonts))?;
                pdf(&paper, &heading(office, title), today, &fonts).map_err(Problem::internal)
            }
        }
    })?;
    let (kind, extension) = match form {
        Form::Xlsx => ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
        Form::Csv => ("text/csv; charset=utf-8", "csv"),
        Form::Pdf => ("application/pdf", "pdf"),
    };
    let plain = format!("bao-cao-{}-{}-{}.{extension}", report.area, report.from, report.to);
    let named = format!("Báo cáo phát thanh {} {}.{extension}", report.area_title, time_in_words(&report));
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition(&plain, &named))], bytes)
        .into_response())
}

/// RFC 6266: a plain name for those who know no other, and the real one by RFC 5987.
fn disposition(plain: &str, named: &str) -> String {
    // A slash would be another folder.
    let encoded = escaped(&named.replace('/', "-"));
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

fn heading(office: Office, title: String) -> Heading {
    let Office { superior, name, symbol, place, signer_title, signer_name, recipients } = office;
    let name = if name.is_empty() { title } else { name };
    Heading { superior, name, symbol, place, signer_title, signer_name, recipients }
}

async fn made(app: &App, person: &Person, query: &PeriodQuery) -> Result<PeriodReport, Problem> {
    let tree = app.store.areas().await?;
    let scope = scope(app, query)?;
    person.demand(Right::See, &tree, &scope.area)?;
    Ok(reports::period(app, &tree, &scope).await?)
}

fn scope(app: &App, query: &PeriodQuery) -> Result<Scope, Problem> {
    let day = |name: &str, text: &Option<String>| -> Result<Option<NaiveDate>, Problem> {
        let text = text.as_deref().filter(|text| !text.is_empty());
        text.map(|text| {
            text.parse().map_err(|_| Problem::bad_request(format!("{name}: {text:?} is not a day such as 2026-11-23")))
        })
        .transpose()
    };
    let area: AreaCode = match query.area.as_deref().filter(|area| !area.is_empty()) {
        Some(area) => area.parse().map_err(|e| Problem::bad_request(format!("area: {e}")))?,
        None => app.site.area.clone(),
    };
    let from = day("from", &query.from)?.unwrap_or_else(|| date_at(zone(app), now_ms()));
    let to = day("to", &query.to)?.unwrap_or(from);
    if to < from {
        return Err(Problem::bad_request("the last day lies before the first one"));
    }
    if (to - from).num_days() > LONGEST_DAYS {
        return Err(Problem::bad_request("one report tells of five years at most; ask for a shorter time"));
    }
    Ok(Scope { area, from, to })
}
