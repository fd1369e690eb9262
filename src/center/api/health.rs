//! How the center itself is, for those who look after it: what it runs on, what waits in it, what ends soon. Figures that were measured
//! or counted, never guessed; and what somebody has to do something about, with the way out.

use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::guard::elsewhere;
use crate::center::app::{App, now_ms};
use crate::center::delivery::{PlanBook, with_book};
use crate::center::people::person::Person;
use crate::domain::DAY_MS;
use crate::domain::approval::Role;
use crate::domain::role::Right;

/// An end that is nearer than this is told.
const SOON_MS: i64 = 30 * DAY_MS;
/// Of the disk: told, and urgent.
const LOW_PERCENT: u64 = 10;
const FULL_PERCENT: u64 = 3;
/// A queue that is fuller than this is behind.
const BEHIND_PERCENT: usize = 50;
/// Rounds of planning are five minutes apart at most.
const PLANNER_LATE_MS: i64 = 20 * 60_000;
const CLOCK_SLACK_MS: i64 = 60_000;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HealthView {
    pub now_ms: i64,
    pub version: String,
    pub started_ms: i64,
    pub up_ms: i64,
    pub broker: BrokerHealth,
    pub store: StoreHealth,
    pub disk: Option<DiskHealth>,
    pub media: FilesHealth,
    /// What was sent and is not converted yet.
    pub uploads: FilesHealth,
    pub conversions_waiting: usize,
    pub planner: PlannerHealth,
    pub delivery: DeliveryHealth,
    pub intake: IntakeHealth,
    pub clock: ClockHealth,
    pub ends: Vec<End>,
    /// The most urgent first.
    pub warnings: Vec<HealthWarning>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BrokerHealth {
    /// Whether it is the center's own.
    pub embedded: bool,
    /// Where boards reach it, without a password.
    pub address: String,
    /// Whether the center itself is connected to it.
    pub connected: bool,
    /// Since when it is, or is not.
    pub since_ms: Option<i64>,
    /// How often the center connected since its start; the first time included.
    pub connections: u64,
    pub speakers: usize,
    pub speakers_online: usize,
    /// Connections that were turned away since the start: no certificate, a wrong one, too much said.
    pub turned_away: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StoreHealth {
    pub kind: StoreKind,
    pub bytes: u64,
    /// Where it can be told.
    pub written_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    Sqlite,
    Postgresql,
}

/// The disk of the data directory.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct DiskHealth {
    pub free_bytes: u64,
    pub bytes: u64,
}

impl DiskHealth {
    fn free_percent(self) -> u64 {
        self.free_bytes.saturating_mul(100).checked_div(self.bytes).unwrap_or(0)
    }
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
pub struct FilesHealth {
    pub files: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PlannerHealth {
    /// When its last round ended.
    pub at_ms: Option<i64>,
    pub took_ms: i64,
    /// Plans that it made new then.
    pub made: u64,
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveryHealth {
    /// Speakers that are on line and have not accepted their newest plan.
    pub plans_waiting: usize,
    /// Media files that boards wait for, and the chunks still to go out.
    pub files: u64,
    pub chunks: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct IntakeHealth {
    /// What boards said and is not stored yet, and for how much there is room.
    pub waiting: usize,
    pub room: usize,
    /// Messages for which there was none since the start; boards send them again.
    pub dropped: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ClockHealth {
    /// How far the system's clock has been set since the start, beyond going on by itself.
    pub set_by_ms: i64,
    /// Whether the system says that it is set by the network; absent where it does not say.
    pub synchronised: Option<bool>,
    /// When the newest line of the audit log was written, which cannot be later than now.
    pub newest_line_ms: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct End {
    pub of: EndOf,
    /// Whose it is, where there are several.
    pub title: String,
    pub ends_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndOf {
    TrustList,
    Dispatcher,
    Approver,
    /// The page's certificate, of TLS.
    Page,
    /// The boards' certificate of the center.
    Server,
    /// What issues the certificates of connections.
    TransportAuthority,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something does not work, or will not tomorrow.
    Urgent,
    Attention,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    DiskLow,
    Ended,
    EndsSoon,
    NoApprover,
    BrokerAway,
    PlannerFailed,
    PlannerLate,
    IntakeBehind,
    IntakeDropped,
    ClockSet,
    ClockUnsynchronised,
    ClockBehindLog,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HealthWarning {
    pub severity: Severity,
    pub code: WarningCode,
    /// What ends, where something does.
    pub of: Option<EndOf>,
    pub title: String,
    pub at_ms: Option<i64>,
    /// In plain words, with the way out.
    pub detail: String,
}

/// How the center is
#[utoipa::path(get, path = "/api/v1/health/details", responses((status = 200, body = HealthView), (status = 403, body = Problem)))]
pub async fn details(State(app): State<Arc<App>>, person: Person) -> Result<Json<HealthView>, Problem> {
    let top = std::slice::from_ref(&app.site.area);
    if !person.may(Right::ReadAudit, top) && !person.may(Right::ManageAreas, top) {
        return Err(elsewhere(Right::ReadAudit, &app.site.area));
    }
    let mut view = measure(&app, now_ms()).await?;
    view.warnings = warnings(&view);
    Ok(Json(view))
}

async fn measure(app: &App, now_ms: i64) -> Result<HealthView, Problem> {
    let (root, media, uploads) = (app.data.root().to_owned(), app.data.path("media"), app.uploads());
    // The disk may be slow; the others go on meanwhile.
    let (disk, media, uploads) = tokio::task::spawn_blocking(move || (disk(&root), files(&media), files(&uploads)))
        .await
        .map_err(Problem::internal)?;
    let database = &app.config.store.database;
    let footprint = app.store.footprint(app.data.root(), database).await?;
    let links = app.store.speaker_links().await?;
    let (broker, planner) = (app.pulse.broker(), app.pulse.planner());
    let (files, chunks) = app.pulse.sending();
    let (waiting, room) = app.pulse.backlog().unwrap_or_default();
    let newest = app.store.audit_before(u64::MAX, 1).await?;
    Ok(HealthView {
        now_ms,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_ms: app.pulse.started_ms,
        up_ms: app.pulse.up_ms(),
        broker: BrokerHealth {
            embedded: app.config.mqtt.broker.is_empty(),
            address: match app.config.mqtt.broker.as_str() {
                "" => app.mqtt_url(),
                outside => without_password(outside),
            },
            connected: broker.connected,
            since_ms: broker.since_ms,
            connections: broker.connections,
            speakers: links.len(),
            speakers_online: links.iter().filter(|(_, online)| *online).count(),
            turned_away: app.gate.denials.count(),
        },
        store: StoreHealth {
            kind: if database.is_empty() { StoreKind::Sqlite } else { StoreKind::Postgresql },
            bytes: footprint.bytes,
            written_ms: footprint.written_ms,
        },
        disk,
        media,
        uploads,
        conversions_waiting: app.store.received_revisions().await?.len(),
        planner: PlannerHealth {
            at_ms: planner.at_ms,
            took_ms: planner.took_ms,
            made: planner.made,
            problem: planner.problem,
        },
        delivery: DeliveryHealth { plans_waiting: with_book(app, |book| PlanBook::lacking(book)), files, chunks },
        intake: IntakeHealth { waiting, room, dropped: app.pulse.dropped() },
        clock: ClockHealth {
            set_by_ms: app.pulse.clock_moved_ms(now_ms),
            synchronised: synchronised(Path::new("/run/systemd/timesync")),
            newest_line_ms: newest.first().map(|line| line.entry.at_ms),
        },
        ends: ends(app).await?,
        warnings: vec![],
    })
}

fn disk(root: &Path) -> Option<DiskHealth> {
    let disk = rustix::fs::statvfs(root).ok()?;
    Some(DiskHealth {
        free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
        bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
    })
}

/// A directory that is not there yet is empty.
fn files(dir: &Path) -> FilesHealth {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| entry.metadata().ok()).filter(|file| file.is_file()).map(|file| file.len());
    sizes.fold(FilesHealth::default(), |all, bytes| FilesHealth { files: all.files + 1, bytes: all.bytes + bytes })
}

/// As systemd's own clock client leaves it; others tell nobody.
fn synchronised(dir: &Path) -> Option<bool> {
    dir.is_dir().then(|| dir.join("synchronized").exists())
}

fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, place)| place))
}

async fn ends(app: &App) -> Result<Vec<End>, Problem> {
    let trust = app.trust();
    let end = |of, title: &str, ends_ms| End { of, title: title.to_owned(), ends_ms };
    let mut ends = vec![];
    // Where the authority has said nothing yet it never ends.
    if trust.list_envelope.is_some() {
        ends.push(end(EndOf::TrustList, "", trust.list.valid_until_ms));
    }
    for row in app.store.certificates().await?.iter().filter(|row| !trust.list.is_revoked(&row.key)) {
        let certificate = &row.certificate;
        if certificate.role == Role::Approver {
            ends.push(end(EndOf::Approver, &certificate.title, certificate.valid_until_ms));
        } else if row.key == trust.dispatcher_id() {
            ends.push(end(EndOf::Dispatcher, &certificate.title, certificate.valid_until_ms));
        }
    }
    for (file, ends_ms) in app.transport.ends(&app.config.tls) {
        let of = match file {
            "ca" => EndOf::TransportAuthority,
            "server" => EndOf::Server,
            _ if !app.config.http.tls => continue,
            _ => EndOf::Page,
        };
        ends.push(end(of, "", ends_ms));
    }
    ends.sort_by_key(|end| end.ends_ms);
    Ok(ends)
}

/// What somebody has to do something about. Pure.
fn warnings(view: &HealthView) -> Vec<HealthWarning> {
    use Severity::{Attention, Urgent};
    use WarningCode as Code;
    let mut found = vec![];
    let mut warn = |severity, code, at_ms: Option<i64>, detail: String| {
        found.push(HealthWarning { severity, code, of: None, title: String::new(), at_ms, detail });
    };
    if let Some(disk) = view.disk.filter(|disk| disk.free_percent() < LOW_PERCENT) {
        let severity = if disk.free_percent() < FULL_PERCENT { Urgent } else { Attention };
        let left = format!("{} % of the disk are left ({} MB)", disk.free_percent(), disk.free_bytes / 1_000_000);
        warn(severity, Code::DiskLow, None, format!("{left}; make room, or move the data directory to a larger disk"));
    }
    if !view.broker.connected && view.broker.since_ms.is_some() {
        let detail = "the center has no connection to its broker, so no board can be reached; look at the broker, and at mqtt.broker in the configuration";
        warn(Urgent, Code::BrokerAway, view.broker.since_ms, detail.into());
    }
    if let Some(problem) = &view.planner.problem {
        let detail = format!("plans could not be made: {problem}; boards go on with the plans that they have");
        warn(Urgent, Code::PlannerFailed, view.planner.at_ms, detail);
    }
    if view.planner.at_ms.is_some_and(|at_ms| view.now_ms - at_ms > PLANNER_LATE_MS) {
        let detail = "no plans were made for a while; if this stays so, restart the center and look into its log";
        warn(Attention, Code::PlannerLate, view.planner.at_ms, detail.into());
    }
    if view.intake.waiting * 100 > view.intake.room * BEHIND_PERCENT {
        let detail = format!(
            "{} reports of boards wait to be stored; the disk may be too slow. Boards keep what was not taken",
            view.intake.waiting
        );
        warn(Attention, Code::IntakeBehind, None, detail);
    } else if view.intake.dropped > 0 {
        let detail = format!(
            "{} messages of boards found no room since the start; the boards send them again",
            view.intake.dropped
        );
        warn(Attention, Code::IntakeDropped, None, detail);
    }
    if view.clock.set_by_ms.abs() > CLOCK_SLACK_MS {
        let detail = format!(
            "this machine's clock was set by {} s while the center ran; look whether it is right now, since boards learn the time from it",
            view.clock.set_by_ms / 1000
        );
        warn(Attention, Code::ClockSet, None, detail);
    }
    if view.clock.synchronised == Some(false) {
        let detail = "this machine's clock is not set by the network; switch that on (timedatectl set-ntp true), since boards learn the time from it";
        warn(Attention, Code::ClockUnsynchronised, None, detail.into());
    }
    if let Some(at_ms) = view.clock.newest_line_ms.filter(|at_ms| *at_ms > view.now_ms + CLOCK_SLACK_MS) {
        let detail = "the audit log has lines from later than now: this machine's clock was ahead then, or is behind now; set it right";
        warn(Urgent, Code::ClockBehindLog, Some(at_ms), detail.into());
    }
    if !view.ends.iter().any(|end| end.of == EndOf::Approver && end.ends_ms > view.now_ms) {
        let detail =
            "nobody's key may approve: there is no approver with a certificate that holds; certify one under Keys";
        warn(Urgent, Code::NoApprover, None, detail.into());
    }
    found.extend(view.ends.iter().filter(|end| end.ends_ms < view.now_ms + SOON_MS).map(|end| ending(end, view)));
    found.sort_by_key(|warning| warning.severity);
    found
}

fn ending(end: &End, view: &HealthView) -> HealthWarning {
    let ended = end.ends_ms <= view.now_ms;
    let (what, way_out) = match end.of {
        EndOf::TrustList => ("the trust list", "sign it anew under Keys, or with: loaxa authority renew"),
        EndOf::Dispatcher => {
            ("the certificate of the key that signs plans", "certify it anew: loaxa authority dispatcher")
        }
        EndOf::Approver => {
            ("the certificate of an approver's key", "certify the key anew under Keys, or with: loaxa approver add")
        }
        EndOf::Page => ("the certificate of the page", "restart the center, or renew the file of tls.certificate"),
        EndOf::Server => ("the certificate of the center towards boards", "restart the center: it makes a new one"),
        EndOf::TransportAuthority => {
            ("the authority of connections", "boards have to be enrolled under a new one; ask for help early")
        }
    };
    let of_whom = if end.title.is_empty() { String::new() } else { format!(" ({})", end.title) };
    let days = (end.ends_ms - view.now_ms).div_euclid(DAY_MS);
    let when = if ended { "has ended".to_owned() } else { format!("ends in {days} days") };
    // What stops everything is urgent as soon as it is near; one approver of several is not.
    let everybody = !matches!(end.of, EndOf::Approver | EndOf::Page);
    HealthWarning {
        severity: if everybody && (ended || days < 7) { Severity::Urgent } else { Severity::Attention },
        code: if ended { WarningCode::Ended } else { WarningCode::EndsSoon },
        of: Some(end.of),
        title: end.title.clone(),
        at_ms: Some(end.ends_ms),
        detail: format!("{what}{of_whom} {when}; {way_out}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_795_000_000_000;

    fn well() -> HealthView {
        let end = |of, days: i64| End { of, title: "x".into(), ends_ms: NOW_MS + days * DAY_MS };
        HealthView {
            now_ms: NOW_MS,
            version: "0".into(),
            started_ms: NOW_MS,
            up_ms: 0,
            broker: BrokerHealth {
                embedded: true,
                address: String::new(),
                connected: true,
                since_ms: Some(NOW_MS),
                connections: 1,
                speakers: 0,
                speakers_online: 0,
                turned_away: 0,
            },
            store: StoreHealth { kind: StoreKind::Sqlite, bytes: 0, written_ms: None },
            disk: Some(DiskHealth { free_bytes: 50, bytes: 100 }),
            media: FilesHealth::default(),
            uploads: FilesHealth::default(),
            conversions_waiting: 0,
            planner: PlannerHealth { at_ms: Some(NOW_MS), took_ms: 1, made: 0, problem: None },
            delivery: DeliveryHealth { plans_waiting: 0, files: 0, chunks: 0 },
            intake: IntakeHealth { waiting: 0, room: 100, dropped: 0 },
            clock: ClockHealth { set_by_ms: 0, synchronised: None, newest_line_ms: Some(NOW_MS) },
            ends: vec![end(EndOf::Approver, 100), end(EndOf::TrustList, 100)],
            warnings: vec![],
        }
    }

    fn told(change: impl FnOnce(&mut HealthView)) -> Vec<(WarningCode, Severity)> {
        let mut view = well();
        change(&mut view);
        warnings(&view).iter().map(|warning| (warning.code, warning.severity)).collect()
    }

    #[test]
    fn what_needs_somebody_is_told_and_nothing_else() {
        use Severity::{Attention, Urgent};
        use WarningCode as Code;
        assert_eq!(told(|_| {}), []);
        let disk = |free_bytes| Some(DiskHealth { free_bytes, bytes: 100 });
        assert_eq!(told(|view| view.disk = disk(9)), [(Code::DiskLow, Attention)]);
        assert_eq!(told(|view| view.disk = disk(2)), [(Code::DiskLow, Urgent)]);
        assert_eq!(told(|view| view.broker.connected = false), [(Code::BrokerAway, Urgent)]);
        assert_eq!(told(|view| view.planner.problem = Some("x".into())), [(Code::PlannerFailed, Urgent)]);
        assert_eq!(told(|view| view.planner.at_ms = Some(NOW_MS - 3_600_000)), [(Code::PlannerLate, Attention)]);
        assert_eq!(told(|view| view.intake.waiting = 51), [(Code::IntakeBehind, Attention)]);
        assert_eq!(told(|view| view.intake.dropped = 1), [(Code::IntakeDropped, Attention)]);
        assert_eq!(told(|view| view.clock.set_by_ms = -61_000), [(Code::ClockSet, Attention)]);
        assert_eq!(told(|view| view.clock.synchronised = Some(false)), [(Code::ClockUnsynchronised, Attention)]);
        let ahead = |view: &mut HealthView| view.clock.newest_line_ms = Some(NOW_MS + 120_000);
        assert_eq!(told(ahead), [(Code::ClockBehindLog, Urgent)]);
        assert_eq!(told(|view| view.ends[1].ends_ms = NOW_MS + 29 * DAY_MS), [(Code::EndsSoon, Attention)]);
        assert_eq!(told(|view| view.ends[1].ends_ms = NOW_MS + 6 * DAY_MS), [(Code::EndsSoon, Urgent)]);
        let none = told(|view| view.ends[0].ends_ms = NOW_MS);
        assert_eq!(none, [(Code::NoApprover, Urgent), (Code::Ended, Attention)]);
    }

    #[test]
    fn a_brokers_password_is_not_told() {
        assert_eq!(without_password("mqtts://center:geheim@broker.vn:8883"), "mqtts://broker.vn:8883");
        assert_eq!(without_password("mqtt://broker.vn"), "mqtt://broker.vn");
    }
}
