//! Who may ask what: one table for every path of the API, and one gate that every request under `/api/v1` passes.
//!
//! What is not in the table is refused, so that a new path cannot be forgotten. Where a right counts only in a place, the handler
//! asks the [`Person`] about that place; one that answered without having asked is a fault, and its answer is withheld.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::error;

use super::Problem;
use crate::center::accept::network;
use crate::center::app::{App, now_ms};
use crate::center::audit;
use crate::center::people::person::{Credential, Person, Visit, recognise};
use crate::domain::area::AreaTree;
use crate::domain::ids::AreaCode;
use crate::domain::role::Right;
use crate::protocol::audit::Entry;

/// What a path asks for before its handler is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: signing in, and what says nothing of the center.
    Open,
    /// To be somebody; the handler speaks of that somebody's own things.
    Person,
    /// The right in some place; what it is about has no place.
    Somewhere(Right),
    /// One of the rights in some place, and the handler asks in which.
    Here(&'static [Right]),
}

use Need::{Here, Open, Somewhere};
use Right::{Approve, EditContent, ManageAreas, ManagePeople, ManageTrust, OperateSpeakers, ReadAudit, See};

/// Every method and path under `/api/v1`.
pub const NEEDS: &[(&str, &str, Need)] = &[
    ("GET", "/health", Open),
    ("GET", "/openapi.json", Open),
    ("GET", "/health/details", Here(&[ReadAudit, ManageAreas])),
    ("GET", "/setup", Open),
    ("POST", "/setup", Open),
    ("POST", "/setup/center", Open),
    ("POST", "/session", Open),
    // The code authenticates both sides.
    ("POST", "/enrolment", Open),
    ("DELETE", "/session", Open),
    ("GET", "/session", Need::Person),
    ("PUT", "/session/password", Need::Person),
    ("POST", "/session/totp", Need::Person),
    ("POST", "/session/totp/confirm", Need::Person),
    ("DELETE", "/session/totp", Need::Person),
    ("GET", "/sessions", Need::Person),
    ("DELETE", "/sessions/{id}", Need::Person),
    ("GET", "/users", Here(&[ManagePeople])),
    ("POST", "/users", Here(&[ManagePeople])),
    ("GET", "/users/{name}", Here(&[ManagePeople])),
    ("PUT", "/users/{name}", Here(&[ManagePeople])),
    ("PUT", "/users/{name}/password", Here(&[ManagePeople])),
    ("DELETE", "/users/{name}/totp", Here(&[ManagePeople])),
    ("GET", "/users/{name}/sessions", Here(&[ManagePeople])),
    ("DELETE", "/users/{name}/sessions", Here(&[ManagePeople])),
    ("GET", "/tokens", Need::Person),
    ("POST", "/tokens", Here(&[See])),
    ("DELETE", "/tokens/{id}", Need::Person),
    ("GET", "/audit", Here(&[ReadAudit])),
    ("GET", "/audit/export", Here(&[ReadAudit])),
    ("GET", "/audit/head", Here(&[ReadAudit])),
    ("GET", "/audit/check", Here(&[ReadAudit])),
    ("GET", "/settings", Here(&[ReadAudit, ManageAreas])),
    ("GET", "/center", Somewhere(See)),
    ("GET", "/overview", Here(&[See])),
    ("GET", "/areas", Here(&[See])),
    ("POST", "/areas", Here(&[ManageAreas])),
    ("GET", "/areas/{code}", Here(&[See])),
    ("PUT", "/areas/{code}", Here(&[ManageAreas])),
    ("POST", "/areas/import", Here(&[ManageAreas])),
    ("POST", "/areas/conversion", Here(&[ManageAreas])),
    ("POST", "/areas/merger", Here(&[ManageAreas])),
    ("GET", "/areas/{code}/hours", Here(&[See])),
    ("PUT", "/areas/{code}/hours", Here(&[ManageTrust])),
    ("PUT", "/areas/{code}/order", Here(&[ManageAreas])),
    ("POST", "/areas/{code}/command", Here(&[OperateSpeakers, Approve])),
    ("GET", "/areas/{code}/calendar.ics", Here(&[See])),
    ("GET", "/speakers", Here(&[See])),
    ("POST", "/speakers", Here(&[OperateSpeakers])),
    ("GET", "/speakers/{id}", Here(&[See])),
    ("GET", "/speakers/{id}/history", Here(&[See])),
    ("GET", "/speakers/{id}/plan", Here(&[See])),
    ("GET", "/speakers/{id}/why", Here(&[See])),
    ("GET", "/speakers/{id}/traits", Here(&[See])),
    ("PUT", "/speakers/{id}/traits", Here(&[OperateSpeakers])),
    ("GET", "/speakers/{id}/calendar.ics", Here(&[See])),
    ("POST", "/speakers/{id}/enrolment", Here(&[OperateSpeakers])),
    ("POST", "/speakers/{id}/password", Here(&[OperateSpeakers])),
    ("POST", "/speakers/{id}/disable", Here(&[OperateSpeakers])),
    ("POST", "/speakers/{id}/enable", Here(&[OperateSpeakers])),
    ("GET", "/trials", Here(&[See])),
    ("POST", "/speakers/{id}/trial", Here(&[OperateSpeakers])),
    ("DELETE", "/speakers/{id}/trial", Here(&[OperateSpeakers])),
    ("GET", "/speakers/{id}/trial/sound", Here(&[See])),
    ("GET", "/certificates", Somewhere(See)),
    ("POST", "/certificates", Here(&[ManageTrust])),
    ("GET", "/trust", Somewhere(See)),
    ("PUT", "/trust", Here(&[ManageTrust])),
    ("GET", "/authority", Here(&[ManageTrust])),
    ("POST", "/authority", Here(&[ManageTrust])),
    ("GET", "/tickets", Here(&[See])),
    ("POST", "/tickets", Here(&[Approve])),
    ("DELETE", "/tickets/{id}", Here(&[Approve])),
    ("GET", "/bulletins", Here(&[See])),
    ("POST", "/bulletins", Here(&[EditContent])),
    ("GET", "/bulletins/{id}", Here(&[See])),
    ("DELETE", "/bulletins/{id}", Here(&[EditContent])),
    ("GET", "/bulletins/{id}/text", Here(&[See])),
    ("PUT", "/bulletins/{id}/text", Here(&[EditContent])),
    ("GET", "/bulletins/{id}/history", Here(&[See])),
    ("GET", "/bulletins/{id}/plays", Here(&[See])),
    ("PUT", "/bulletins/{id}/field", Here(&[EditContent])),
    ("GET", "/settings/office", Somewhere(See)),
    ("PUT", "/settings/office", Here(&[ManageAreas])),
    ("POST", "/bulletins/{id}/revisions", Here(&[EditContent])),
    ("POST", "/bulletins/{id}/revisions/{revision}/{step}", Here(&[EditContent, Approve])),
    ("GET", "/media/{hash}", Here(&[See])),
    ("GET", "/media/{hash}/peaks", Here(&[See])),
    // One's own; where it may go is asked when it is used.
    ("GET", "/uploads", Somewhere(EditContent)),
    ("POST", "/uploads", Somewhere(EditContent)),
    ("GET", "/uploads/{id}", Somewhere(EditContent)),
    ("PUT", "/uploads/{id}", Somewhere(EditContent)),
    ("DELETE", "/uploads/{id}", Somewhere(EditContent)),
    ("GET", "/programmes", Somewhere(See)),
    ("POST", "/preview/programme", Here(&[EditContent])),
    ("GET", "/programmes/{id}", Somewhere(See)),
    ("PUT", "/programmes/{id}", Here(&[EditContent])),
    ("DELETE", "/programmes/{id}", Here(&[EditContent])),
    ("GET", "/schedules", Here(&[See])),
    ("POST", "/preview/schedule", Here(&[EditContent])),
    ("GET", "/schedules/{id}", Here(&[See])),
    ("GET", "/occurrences", Here(&[See])),
    ("PUT", "/schedules/{id}", Here(&[EditContent])),
    ("DELETE", "/schedules/{id}", Here(&[EditContent])),
    ("POST", "/playlists", Here(&[EditContent])),
    ("GET", "/calendars", Somewhere(See)),
    ("GET", "/calendars/{id}", Somewhere(See)),
    ("PUT", "/calendars/{id}", Here(&[EditContent])),
    ("DELETE", "/calendars/{id}", Here(&[EditContent])),
    ("GET", "/plays", Here(&[See])),
    ("GET", "/readiness", Here(&[See])),
    ("GET", "/reports/period", Here(&[See])),
    ("GET", "/reports/period/file", Here(&[See])),
    ("GET", "/events", Somewhere(See)),
];

pub const PREFIX: &str = "/api/v1";
const SESSION_COOKIE: &str = "loaxa_session";
const BROWSER_COOKIE: &str = "loaxa_browser";

fn need(method: &Method, path: &str) -> Option<Need> {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    NEEDS.iter().find(|(known, route, _)| *known == method && *route == path).map(|(.., need)| *need)
}

/// Lets a request through if who asks may ask it, and writes down what changed and what was denied.
///
/// In a task of its own: a visitor who hangs up in the middle does not leave a deed half done, or done and not written down.
pub async fn gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let answer = tokio::spawn(pass(app, request, next)).await;
    answer.unwrap_or_else(|failed| Problem::internal(failed).into_response())
}

async fn pass(app: Arc<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let path = path.strip_prefix(PREFIX).unwrap_or(&path).to_owned();
    let visit = visit(&app, &parts);
    let deed = deed(&mut parts, &path).await;
    let credential = credential(&app, &parts.headers);
    let (mut who, mut person) = (audit::NOBODY.to_owned(), None);
    let mut response = match admit(&app, &parts, &path, credential.as_ref()).await {
        Ok(admitted) => {
            person = admitted;
            parts.extensions.insert(visit.clone());
            if let Some(person) = &person {
                parts.extensions.insert(person.clone());
            }
            next.run(Request::from_parts(parts.clone(), body)).await
        }
        Err((problem, known)) => {
            person = known.or(person);
            problem.into_response()
        }
    };
    if let (Some(Here(_)), Some(person)) = (need(&parts.method, &path), &person)
        && response.status().is_success()
        && !person.was_asked()
    {
        error!("{} {path} answered without asking where", parts.method);
        response = Problem::internal("a path of the API does not keep to its own rules").into_response();
    }
    if let Some(person) = &person {
        who = person.who();
    }
    write_down(&app, &parts.method, deed, who, &visit, credential.is_some(), response.status()).await;
    response
}

type Refusal = (Problem, Option<Person>);

async fn admit(
    app: &App,
    parts: &Parts,
    path: &str,
    credential: Option<&Credential>,
) -> Result<Option<Person>, Refusal> {
    let need = need(&parts.method, path);
    let foreign = || {
        (
            Problem::new(
                StatusCode::UNAUTHORIZED,
                "a page of another site cannot act for you here; use the center's own page",
            ),
            None,
        )
    };
    let safe = matches!(parts.method, Method::GET | Method::HEAD);
    if need == Some(Open) {
        return if safe || !is_from_elsewhere(&parts.headers) { Ok(None) } else { Err(foreign()) };
    }
    let person = match credential {
        Some(credential) => recognise(app, credential, now_ms()).await.map_err(|e| (e.into(), None))?,
        None => None,
    };
    let person = person.ok_or_else(|| (unknown(), None))?;
    // A cookie is sent by the browser unasked; what changes things must also come from our own page.
    if matches!(credential, Some(Credential::Cookie(_))) && !safe && !is_from_own_page(&parts.headers) {
        return Err((foreign().0, Some(person)));
    }
    let allowed = match need {
        Some(Open | Need::Person) => true,
        Some(Somewhere(right)) => person.may_somewhere(right),
        Some(Here(rights)) => rights.iter().any(|right| person.may_somewhere(*right)),
        None => false,
    };
    if allowed {
        return Ok(Some(person));
    }
    if need == Some(Here(&[ManagePeople])) && person.is_token() {
        let detail = "a token cannot manage people; sign in, or run loaxa user on the center's machine";
        return Err((Problem::new(StatusCode::FORBIDDEN, detail), Some(person)));
    }
    let right = match need {
        Some(Somewhere(right)) => right.in_words(),
        Some(Here(rights)) => rights.first().map_or("do this", |right| right.in_words()),
        _ => "do this",
    };
    Err((denied(right), Some(person)))
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "sign in, or show a token; on the center's machine loaxa token --data DIR prints one",
    )
}

fn denied(what: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, format!("you may not {what}; ask an administrator for the role"))
}

impl Person {
    /// A refusal unless they may do this in that unit.
    pub fn demand(&self, right: Right, tree: &AreaTree, area: &AreaCode) -> Result<(), Problem> {
        let path = tree.path(area).map_err(|e| Problem::bad_request(e.to_string()))?;
        if self.may(right, &path) { Ok(()) } else { Err(elsewhere(right, area)) }
    }

    /// Whether they see this unit's things.
    pub fn sees(&self, tree: &AreaTree, area: &AreaCode) -> bool {
        tree.path(area).is_ok_and(|path| self.may(Right::See, &path))
    }
}

pub fn elsewhere(right: Right, area: &AreaCode) -> Problem {
    let detail = format!("you may not {} in area {area}; ask an administrator for the role there", right.in_words());
    Problem::new(StatusCode::FORBIDDEN, detail)
}

/// A browser says that the page which asks is another site's.
pub fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

/// A browser says that the page which asks is ours: by Sec-Fetch-Site, or, where it does not send that (plain HTTP), by Origin.
fn is_from_own_page(headers: &HeaderMap) -> bool {
    if headers.contains_key("sec-fetch-site") {
        return !is_from_elsewhere(headers);
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, host)| text(header::HOST).is_some_and(|own| own.eq_ignore_ascii_case(host)))
}

fn visit(app: &App, parts: &Parts) -> Visit {
    let agent = parts.headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    Visit {
        source: source(app.config.http.behind_proxy, parts),
        agent: agent.unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect(),
        session: cookie(&parts.headers, &cookie_name(app, SESSION_COOKIE)),
        browser: cookie(&parts.headers, &cookie_name(app, BROWSER_COOKIE)),
        ..Visit::default()
    }
}

/// Where a request comes from; the command line in the server's place comes from `here`.
pub fn source(behind_proxy: bool, parts: &Parts) -> String {
    let Some(ConnectInfo(peer)) = parts.extensions.get::<ConnectInfo<SocketAddr>>() else { return "here".into() };
    let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
    let told = forwarded.and_then(|list| list.rsplit(',').next()).and_then(|last| last.trim().parse::<IpAddr>().ok());
    match network(told.filter(|_| behind_proxy).unwrap_or(peer.ip())) {
        network @ IpAddr::V6(_) if !network.is_loopback() => format!("{network}/64"),
        address => address.to_string(),
    }
}

fn credential(app: &App, headers: &HeaderMap) -> Option<Credential> {
    if let Some(shown) = headers.get(header::AUTHORIZATION) {
        let token = shown.to_str().ok().and_then(|shown| shown.strip_prefix("Bearer ")).unwrap_or_default();
        return Some(Credential::Bearer(token.trim().to_owned()));
    }
    cookie(headers, &cookie_name(app, SESSION_COOKIE)).map(Credential::Cookie)
}

/// `__Host-` keeps other hosts of the same domain from setting it; browsers take that prefix over TLS only.
fn cookie_name(app: &App, name: &str) -> String {
    if app.secure_cookies() { format!("__Host-{name}") } else { name.to_owned() }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let found =
        cookies.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
    found.filter(|value| !value.is_empty()).map(str::to_owned)
}

fn set_cookie(app: &App, name: &str, value: &str, seconds: i64) -> String {
    let secure = if app.secure_cookies() { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}", cookie_name(app, name))
}

pub fn session_cookie(app: &App, value: &str) -> String {
    set_cookie(app, SESSION_COOKIE, value, app.config.session.longest_ms() / 1000)
}

pub fn no_session_cookie(app: &App) -> String {
    set_cookie(app, SESSION_COOKIE, "", 0)
}

/// A year: it signs nobody in, it only keeps a budget of tries apart.
pub fn browser_cookie(app: &App, value: &str) -> String {
    set_cookie(app, BROWSER_COOKIE, value, 365 * 86_400)
}

/// Method and route, and what the route's gaps were filled with.
async fn deed(parts: &mut Parts, path: &str) -> (String, String) {
    let action = format!("{} {path}", parts.method);
    let target = match RawPathParams::from_request_parts(parts, &()).await {
        Ok(gaps) => gaps.iter().map(|(_, value)| value).collect::<Vec<_>>().join(" "),
        Err(_) => String::new(),
    };
    (action, target)
}

async fn write_down(
    app: &App,
    method: &Method,
    (action, target): (String, String),
    who: String,
    visit: &Visit,
    shown: bool,
    status: StatusCode,
) {
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    let signing_in = action == "POST /session" || action == "POST /setup";
    let worth_a_line = match status {
        // Whoever shows nothing is only somebody who has not signed in yet.
        StatusCode::UNAUTHORIZED => shown || signing_in,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => true,
        _ => changes,
    };
    if !worth_a_line {
        return;
    }
    let note = visit.noted();
    if note.changed_nothing && status.is_success() {
        return;
    }
    let who = if who == audit::NOBODY { note.who.unwrap_or(who) } else { who };
    let (status, source) = (status.as_u16(), visit.source.clone());
    audit::record(app, Entry { at_ms: now_ms(), who, source, action, target, status, times: 1, detail: note.detail })
        .await;
}

impl<S: Sync> FromRequestParts<S> for Person {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unknown)
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::internal("a request came past the gate"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).try_into().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_cookie_acts_for_our_own_page_alone() {
        let cases: [(&[(&str, &str)], bool); 9] = [
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://loa.vn"), ("host", "loa.vn")], false),
            (&[("origin", "http://loa.vn:8080"), ("host", "loa.vn:8080")], true),
            (&[("origin", "http://loa.vn.evil.example"), ("host", "loa.vn")], false),
            (&[("origin", "null"), ("host", "loa.vn")], false),
            (&[("host", "loa.vn")], false),
        ];
        for (pairs, own) in cases {
            let pairs: Vec<(&'static str, &str)> = pairs.iter().map(|(a, b)| (*Box::leak(Box::new(*a)), *b)).collect();
            assert_eq!(is_from_own_page(&headers(&pairs)), own, "{pairs:?}");
        }
    }

    #[test]
    fn the_table_names_each_path_once() {
        for (index, (method, path, _)) in NEEDS.iter().enumerate() {
            assert!(!NEEDS[..index].iter().any(|(m, p, _)| (m, p) == (method, path)), "{method} {path} twice");
        }
        assert_eq!(need(&Method::HEAD, "/speakers"), Some(Here(&[See])));
        assert_eq!(need(&Method::PATCH, "/speakers"), None);
    }
}
