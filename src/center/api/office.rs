//! What the office says of itself: the heading of its papers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::etag::{IfMatch, tagged};
use crate::center::app::{App, now_ms};
use crate::center::people::person::{Person, Visit};
use crate::domain::role::Right;

const OFFICE: &str = "office";
/// Longest line, and most recipients, of a heading.
const LONGEST: usize = 200;
const RECIPIENTS: usize = 12;

/// The heading and the end of the office's papers, as Nghị định 30/2020/NĐ-CP has them. What is empty is left out or left to be written in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Office {
    /// The body above it (cơ quan chủ quản).
    pub superior: String,
    /// The office itself; the center's own title where empty.
    pub name: String,
    /// What follows the number of a paper, such as BC-TTVH.
    pub symbol: String,
    /// Where papers are dated (địa danh).
    pub place: String,
    /// Who signs: the post, such as GIÁM ĐỐC, and the name.
    pub signer_title: String,
    pub signer_name: String,
    /// To whom papers go (nơi nhận).
    pub recipients: Vec<String>,
}

impl Office {
    pub async fn load(app: &App) -> Result<Self, Problem> {
        Ok(app.store.setting(OFFICE).await?.unwrap_or_default())
    }

    fn trimmed(mut self) -> Result<Self, Problem> {
        let lines = [
            ("superior", &mut self.superior),
            ("name", &mut self.name),
            ("symbol", &mut self.symbol),
            ("place", &mut self.place),
            ("signer_title", &mut self.signer_title),
            ("signer_name", &mut self.signer_name),
        ];
        for (what, line) in lines {
            *line = checked(what, line)?;
        }
        if self.recipients.len() > RECIPIENTS {
            return Err(Problem::bad_request(format!("recipients: at most {RECIPIENTS} lines")));
        }
        let recipients = self.recipients.iter().map(|line| checked("recipients", line));
        self.recipients =
            recipients.collect::<Result<Vec<_>, _>>()?.into_iter().filter(|line| !line.is_empty()).collect();
        Ok(self)
    }
}

fn checked(what: &str, line: &str) -> Result<String, Problem> {
    let line = line.trim();
    if line.chars().any(char::is_control) {
        return Err(Problem::bad_request(format!("{what} must be one line without control characters")));
    }
    if line.chars().count() > LONGEST {
        return Err(Problem::bad_request(format!("{what} is longer than {LONGEST} characters")));
    }
    Ok(line.to_owned())
}

/// The heading of the office's papers
#[utoipa::path(get, path = "/api/v1/settings/office", responses((status = 200, body = Office)))]
pub async fn office(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    tagged(&Office::load(&app).await?)
}

/// Set the heading of the office's papers
#[utoipa::path(put, path = "/api/v1/settings/office", request_body = Office,
    responses((status = 200, body = Office), (status = 400, body = Problem), (status = 412, body = Problem)))]
pub async fn put_office(
    State(app): State<Arc<App>>,
    person: Person,
    visit: Visit,
    seen: IfMatch,
    Json(office): Json<Office>,
) -> Result<Response, Problem> {
    person.demand(Right::ManageAreas, &app.store.areas().await?, &app.site.area)?;
    seen.check(Some(&Office::load(&app).await?))?;
    let office = office.trimmed()?;
    visit.note("the heading of papers");
    app.store.set_setting(OFFICE, &office, now_ms()).await?;
    tagged(&office)
}
