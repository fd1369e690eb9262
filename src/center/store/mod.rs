//! The center's memory: SQLite in the data directory, or PostgreSQL by URL, through one portable dialect.
//!
//! Only these files know SQL. Rows come out as domain values; a row that cannot be read as one is an error, not a guess.

mod accounts;
mod areas;
mod audit;
mod bulletins;
mod commands;
mod enrolment;
mod footprint;
mod history;
mod people;
mod plans;
mod plays;
mod reports;
mod schedules;
mod settings;
mod speakers;
mod trust;
mod uploads;

use std::path::Path;
use std::time::Duration;

use sqlx::Any;
use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use thiserror::Error;

pub use accounts::{AccountRow, SessionRow, TokenRow};
pub use areas::{AreaEdit, MergerRows, Pin, PinRow, Span};
pub use audit::AuditQuery;
pub use bulletins::{BulletinRow, Intake, RevisionRow, Sound};
pub use enrolment::{ConnectionRow, EnrolmentRow};
pub use footprint::Footprint;
pub use history::{Counted, Deed, PlayedRow, StepDetail, StepRow};
pub use people::{AreaRow, CertificateRow, SpeakerRow, SpeakerTraits};
pub use plans::{PlanRow, RecordRow};
pub use plays::{ContentRow, DueRow, NewRecord, PlayFilter, ToldPlay};
pub use reports::Day;
pub use schedules::{Changes, Histories, VersionRow};
pub use speakers::TurnRow;
pub use trust::{Handover, Said};
pub use uploads::UploadRow;

/// SQLite in the data directory.
const FILE: &str = "center.db";

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the database could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("{0} is not in the store")]
    NotFound(String),
    #[error("{0} is there already")]
    Exists(String),
    #[error("{0} was changed meanwhile; look at it again")]
    Conflict(String),
    #[error("a row cannot be read: {0}")]
    Damaged(String),
}

impl StoreError {
    /// Whether there was no room: SQLITE_FULL, or PostgreSQL's disk_full.
    pub fn is_disk_full(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        matches!(error.code().as_deref(), Some("13" | "53100"))
    }
}

/// What to tell when the database of `dir`, or the one at `url`, does not open: which file it is, and the way out.
pub fn unusable(dir: &Path, url: &str) -> impl Fn(StoreError) -> String + use<> {
    let file = url.is_empty().then(|| dir.join(FILE));
    move |error| match &file {
        Some(file) => format!("{} cannot be used: {error}; if it is damaged, put it back from a copy", file.display()),
        None => error.to_string(),
    }
}

/// A pool of connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
}

pub(crate) type Tx<'a> = sqlx::Transaction<'a, Any>;

impl Store {
    /// The SQLite database in `dir`, made if need be.
    pub async fn open_sqlite(dir: &Path) -> Result<Self, StoreError> {
        let url = format!("sqlite://{}?mode=rwc", dir.join(FILE).display());
        // SQLite has one writer anyway; with one connection nothing ever finds the database locked.
        Self::open(&url, 1, &["pragma journal_mode = wal", "pragma synchronous = full", "pragma foreign_keys = on"])
            .await
    }

    /// A PostgreSQL database by URL.
    pub async fn open_url(url: &str) -> Result<Self, StoreError> {
        Self::open(url, 8, &[]).await
    }

    async fn open(url: &str, connections: u32, set_up: &'static [&'static str]) -> Result<Self, StoreError> {
        let store = Self::connect(url, connections, set_up).await?;
        sqlx::migrate!("src/center/store/migrations").run(&store.pool).await?;
        Ok(store)
    }

    /// The database of a data directory, or by URL, just as it is, to be looked at only: a server may be at work on it.
    pub async fn look_at(dir: &Path, url: &str) -> Result<Self, StoreError> {
        if !url.is_empty() {
            return Self::connect(url, 1, &["set default_transaction_read_only = on"]).await;
        }
        let url = format!("sqlite://{}?mode=ro", dir.join(FILE).display());
        Self::connect(&url, 1, &["pragma query_only = on", "pragma busy_timeout = 10000"]).await
    }

    async fn connect(url: &str, connections: u32, set_up: &'static [&'static str]) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        if url.starts_with("sqlite:") {
            // A pool would try a damaged file over and over, for half a minute, and log each time.
            use sqlx::Connection as _;
            let mut first = sqlx::AnyConnection::connect(url).await?;
            for statement in set_up {
                sqlx::query(*statement).execute(&mut first).await?;
            }
            first.close().await?;
        }
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(30))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    for statement in set_up {
                        sqlx::query(*statement).execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .connect(url)
            .await?;
        Ok(Self { pool })
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin(&self) -> Result<Tx<'static>, StoreError> {
        Ok(self.pool.begin().await?)
    }
}

/// Reads a text column as a domain type.
fn parsed<T: std::str::FromStr>(text: String) -> Result<T, StoreError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e: T::Err| StoreError::Damaged(e.to_string()))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Damaged(e.to_string()))
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Damaged(e.to_string()))
}

/// Turns a primary-key violation into [`StoreError::Exists`].
fn unless_taken(error: sqlx::Error, what: &str) -> StoreError {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => StoreError::Exists(what.to_owned()),
        _ => error.into(),
    }
}
