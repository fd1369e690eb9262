//! People: signing in, sessions, second factors, tokens, and the first of them all. HTTP is the API's business, rows are the store's.

pub mod limiter;
pub mod password;
pub mod person;
pub mod second_factor;

use std::sync::Mutex;

use sha2::{Digest, Sha256};
use thiserror::Error;
use tracing::info;

use super::app::App;
use super::datadir::random_text;
use super::store::{AccountRow, SessionRow, StoreError, TokenRow};
use crate::domain::DAY_MS;
use crate::domain::role::{AccountName, Grant, LOCAL, Role};
use limiter::{Budget, Limiter};
use password::{Busy, Hasher};
use person::Visit;
use second_factor::{Proposal, SealingKey};

/// A token for machines lasts no longer.
pub const LONGEST_TOKEN_DAYS: i64 = 400;
pub const TOKEN_PREFIX: &str = "loaxa_";
/// Sessions of one account at a time; one more ends the oldest.
const MOST_SESSIONS: usize = 50;
/// When something was last used is noted no more often.
const SEEN_EVERY_MS: i64 = 60_000;

#[derive(Debug, Error)]
pub enum PeopleError {
    #[error("the name, the password or the code is wrong")]
    Wrong,
    #[error("this is not the center's access token; loaxa token --data DIR prints it")]
    WrongToken,
    #[error("this account has a second factor: add the code from the authenticator, or a recovery code")]
    CodeNeeded,
    #[error("too many tries; the next one counts in {} s", (.0 + 999) / 1000)]
    Wait(i64),
    #[error("too many people are signing in at this moment; try again")]
    Busy,
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Internal(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Busy> for PeopleError {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

/// What only lives in memory.
#[derive(Debug)]
pub struct People {
    pub hasher: Hasher,
    limiter: Mutex<Limiter>,
    key: SealingKey,
    /// Hash of the code that makes the first admin.
    setup: Mutex<Option<String>>,
}

impl People {
    pub fn new(key: &[u8; 32]) -> Self {
        let (hasher, limiter, setup) = (Hasher::default(), Mutex::default(), Mutex::default());
        Self { hasher, limiter, key: SealingKey::new(key), setup }
    }

    /// Counts a try before it is answered, or says how long the next one has to wait.
    pub fn charge(&self, budgets: &[Budget], now_ms: i64) -> Result<(), PeopleError> {
        let mut limiter = self.limiter.lock().map_err(|e| PeopleError::Internal(e.to_string()))?;
        limiter.charge(budgets, now_ms).map_err(PeopleError::Wait)
    }

    fn refund(&self, budgets: &[Budget]) {
        if let Ok(mut limiter) = self.limiter.lock() {
            limiter.refund(budgets);
        }
    }

    /// The try was right: what belongs to this account begins anew, what others share gets this one charge back.
    fn forgive(&self, budgets: &[Budget]) {
        self.refund(budgets);
        if let Ok(mut limiter) = self.limiter.lock() {
            budgets
                .iter()
                .filter(|budget| matches!(budget, Budget::Known(..)))
                .for_each(|known| limiter.forgive(known));
        }
    }
}

pub fn secret_hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// What a browser takes home from signing in.
pub struct SignedIn {
    /// For the session cookie.
    pub session: String,
    /// For the cookie by which this browser keeps its own budget of tries.
    pub browser: Option<String>,
}

/// Signs in by name and password, and a code where the account has a second factor. An unknown name, a disabled account and a wrong
/// password answer alike and take as long.
pub async fn sign_in(
    app: &App,
    visit: &Visit,
    name: &str,
    password: &str,
    code: Option<&str>,
    now_ms: i64,
) -> Result<SignedIn, PeopleError> {
    let name = name.trim();
    let account = match name.parse::<AccountName>() {
        Ok(name) => app.store.account(&name).await?,
        Err(_) => None,
    };
    if let Some(account) = &account {
        // A name that is none may be a password in the wrong field: only names that exist are written down.
        visit.tried(account.name.as_str());
    }
    let budgets = budgets(app, visit, name, account.as_ref()).await?;
    app.people.charge(&budgets, now_ms)?;
    let right =
        match app.people.hasher.verify(password, account.as_ref().map(|account| account.password.as_str())).await {
            Ok(right) => right,
            Err(Busy) => {
                app.people.refund(&budgets);
                return Err(PeopleError::Busy);
            }
        };
    let account = account.filter(|account| right && !account.disabled).ok_or(PeopleError::Wrong)?;
    if account.totp.is_some() {
        let Some(code) = code.filter(|code| !code.trim().is_empty()) else {
            app.people.refund(&budgets);
            return Err(PeopleError::CodeNeeded);
        };
        use_code(app, visit, &account, code, now_ms).await?;
    }
    app.people.forgive(&budgets);
    app.store.signed_in(&account.name, now_ms).await?;
    go_on(app, visit, &account, now_ms).await
}

/// A session for somebody who has shown to be who this account belongs to. Where it has another password or second factor by now,
/// or is disabled, all its sessions have been ended, perhaps before this one began.
pub async fn go_on(app: &App, visit: &Visit, account: &AccountRow, now_ms: i64) -> Result<SignedIn, PeopleError> {
    let session = begin_session(app, visit, account.name.as_str(), "", now_ms).await?;
    let shown = |row: AccountRow| (row.password, row.totp, row.disabled);
    let now = app.store.account(&account.name).await?;
    if now.map(shown) != Some(shown(account.clone())) {
        app.store.end_session(&secret_hash(&session)).await?;
        return Err(PeopleError::Wrong);
    }
    let browser = know(app, visit, &account.name, now_ms).await?;
    Ok(SignedIn { session, browser: Some(browser) })
}

/// Whose tries these are. From where this account was signed in to before they have a budget of their own.
async fn budgets(
    app: &App,
    visit: &Visit,
    name: &str,
    account: Option<&AccountRow>,
) -> Result<Vec<Budget>, StoreError> {
    if let Some(account) = account {
        for place in [visit.browser_place(), Some(visit.address_place())].into_iter().flatten() {
            if app.store.knows_place(&account.name, &place).await? {
                return Ok(vec![Budget::Known(account.name.to_string(), place)]);
            }
        }
    }
    let name = name.chars().take(64).collect();
    Ok(vec![Budget::Strangers(name), Budget::Source(visit.source.clone())])
}

/// Takes a code of the second factor, or a recovery code; each counts once.
async fn use_code(app: &App, visit: &Visit, account: &AccountRow, code: &str, now_ms: i64) -> Result<(), PeopleError> {
    let sealed = account.totp.as_deref().unwrap_or_default();
    if let Some(step) = second_factor::step(&app.people.key, account.name.as_str(), sealed, code, now_ms) {
        return match app.store.use_totp_step(&account.name, step).await? {
            true => Ok(()),
            false => Err(PeopleError::Wrong),
        };
    }
    if app.store.use_recovery_code(account, &second_factor::recovery_hash(code)).await? {
        visit.note(format!("by a recovery code; {} are left", account.recovery.len() - 1));
        return Ok(());
    }
    Err(PeopleError::Wrong)
}

/// Remembers this browser and address as the account's own. Gives what the browser keeps.
async fn know(app: &App, visit: &Visit, name: &AccountName, now_ms: i64) -> Result<String, PeopleError> {
    let known = match visit.browser_place() {
        // A browser may belong to several accounts, but only one that we have given out ourselves.
        Some(place) if app.store.place_is_known(&place).await? => visit.browser.clone(),
        _ => None,
    };
    let browser = match known {
        Some(browser) => browser,
        None => random_text(32).map_err(PeopleError::Internal)?,
    };
    app.store.know_place(name, &person::browser_place(&browser), now_ms).await?;
    app.store.know_place(name, &visit.address_place(), now_ms).await?;
    Ok(browser)
}

/// Signs in whoever holds the data directory, by its access token.
pub async fn sign_in_locally(app: &App, visit: &Visit, token: &str, now_ms: i64) -> Result<SignedIn, PeopleError> {
    if !is_local_token(app, token.trim()) {
        // It holds 192 bits of chance: guesses are counted, nobody is delayed by them.
        return Err(PeopleError::WrongToken);
    }
    visit.tried(LOCAL);
    let session = begin_session(app, visit, LOCAL, &hex::encode(app.token_hash), now_ms).await?;
    Ok(SignedIn { session, browser: None })
}

pub fn is_local_token(app: &App, token: &str) -> bool {
    Sha256::digest(token.as_bytes())[..] == app.token_hash
}

/// A new session under a new id; the one that this browser had before ends.
pub async fn begin_session(
    app: &App,
    visit: &Visit,
    account: &str,
    proof: &str,
    now_ms: i64,
) -> Result<String, PeopleError> {
    let secret = random_text(32).map_err(PeopleError::Internal)?;
    if let Some(before) = &visit.session {
        app.store.end_session(&secret_hash(before)).await?;
    }
    let limits = &app.config.session;
    app.store.drop_sessions(now_ms - limits.longest_ms(), now_ms - limits.idle_ms()).await?;
    for old in app.store.sessions(account).await?.iter().skip(MOST_SESSIONS - 1) {
        app.store.end_session(&old.id).await?;
    }
    let row = SessionRow {
        id: secret_hash(&secret),
        account: account.to_owned(),
        proof: proof.to_owned(),
        created_ms: now_ms,
        seen_ms: now_ms,
        address: visit.source.clone(),
        agent: visit.agent.clone(),
    };
    app.store.add_session(&row).await?;
    Ok(secret)
}

/// When a session ends if nothing more is heard of it.
pub fn session_end_ms(app: &App, row: &SessionRow) -> i64 {
    (row.created_ms + app.config.session.longest_ms()).min(row.seen_ms + app.config.session.idle_ms())
}

/// Checks a password that goes with a session, as when it is to be changed; tries are counted.
pub async fn confirm_password(app: &App, account: &AccountRow, password: &str, now_ms: i64) -> Result<(), PeopleError> {
    let budget = [Budget::Known(account.name.to_string(), "confirm".into())];
    app.people.charge(&budget, now_ms)?;
    if app.people.hasher.verify(password, Some(&account.password)).await? {
        app.people.forgive(&budget);
        return Ok(());
    }
    Err(PeopleError::Refused("the present password is wrong".into()))
}

/// Gives an account a password in place of the one that was seen, and ends the sessions that the old one began.
pub async fn set_password(app: &App, account: AccountRow, password: &str) -> Result<AccountRow, PeopleError> {
    let hash = new_password(app, &account.name, password).await?;
    app.store.set_password(&account.name, &account.password, &hash).await?;
    app.store.forget_places(&account.name).await?;
    app.store.end_sessions(account.name.as_str()).await?;
    Ok(AccountRow { password: hash, ..account })
}

/// Checks a password that is to be taken and hashes it.
async fn new_password(app: &App, name: &AccountName, password: &str) -> Result<String, PeopleError> {
    let names = [name.as_str(), app.site.site.as_str(), &app.site.title, &app.site.area_title];
    password::check(password, &names).map_err(PeopleError::Refused)?;
    app.people.hasher.hash(password).await.map_err(PeopleError::Internal)
}

pub async fn add_account(
    app: &App,
    name: AccountName,
    title: String,
    password: &str,
    grants: Vec<Grant>,
    now_ms: i64,
) -> Result<AccountRow, PeopleError> {
    let hash = new_password(app, &name, password).await?;
    let row = fresh(name, title, hash, grants, now_ms);
    app.store.add_account(&row).await?;
    Ok(row)
}

fn fresh(name: AccountName, title: String, password: String, grants: Vec<Grant>, created_ms: i64) -> AccountRow {
    AccountRow {
        name,
        title,
        password,
        grants,
        disabled: false,
        totp: None,
        totp_pending: None,
        recovery: vec![],
        created_ms,
        signed_in_ms: None,
    }
}

/// Proposes a second factor; it counts once a code of it was shown.
pub async fn propose_totp(app: &App, account: &AccountRow) -> Result<Proposal, PeopleError> {
    let name = account.name.as_str();
    let proposal = second_factor::propose(&app.people.key, name, &app.site.title).map_err(PeopleError::Internal)?;
    app.store.propose_totp(&account.name, &proposal.sealed).await?;
    Ok(proposal)
}

/// Makes the proposed second factor count, and gives the recovery codes.
pub async fn confirm_totp(
    app: &App,
    account: &AccountRow,
    code: &str,
    now_ms: i64,
) -> Result<Vec<String>, PeopleError> {
    let Some(sealed) = &account.totp_pending else {
        return Err(PeopleError::Refused("no second factor was proposed; begin with that".into()));
    };
    let budget = [Budget::Known(account.name.to_string(), "confirm".into())];
    app.people.charge(&budget, now_ms)?;
    let step = second_factor::step(&app.people.key, account.name.as_str(), sealed, code, now_ms).ok_or_else(|| {
        PeopleError::Refused("the code is not the right one for this moment; is the telephone's clock right?".into())
    })?;
    app.people.forgive(&budget);
    let (codes, hashes) = second_factor::recovery_codes().map_err(PeopleError::Internal)?;
    app.store.confirm_totp(&account.name, sealed, step, &hashes).await?;
    Ok(codes)
}

/// A token for a machine; it is told this once.
pub async fn add_token(
    app: &App,
    account: &str,
    name: String,
    grants: Vec<Grant>,
    ends_ms: i64,
    now_ms: i64,
) -> Result<(TokenRow, String), PeopleError> {
    if ends_ms <= now_ms || ends_ms > now_ms + LONGEST_TOKEN_DAYS * DAY_MS {
        return Err(PeopleError::Refused(format!(
            "a token needs an end: after now, and within {LONGEST_TOKEN_DAYS} days"
        )));
    }
    let mut id = [0; 6];
    getrandom::fill(&mut id).map_err(|_| PeopleError::Internal("the system has no randomness".into()))?;
    let secret = format!("{TOKEN_PREFIX}{}", random_text(32).map_err(PeopleError::Internal)?);
    let row = TokenRow {
        id: hex::encode(id),
        name,
        account: account.to_owned(),
        grants,
        hash: secret_hash(&secret),
        created_ms: now_ms,
        ends_ms,
        used_ms: None,
        revoked_ms: None,
    };
    app.store.add_token(&row).await?;
    Ok((row, secret))
}

/// While there is no account: a code, good once and until the server stops, that makes the first admin. Who has set the center up with
/// `known` goes on with that.
pub async fn offer_setup(app: &App, known: Option<String>) -> Result<Option<String>, PeopleError> {
    if !app.store.accounts("", 1).await?.is_empty() {
        return Ok(None);
    }
    let code = known.map_or_else(setup_code, Ok)?;
    *app.people.setup.lock().map_err(|e| PeopleError::Internal(e.to_string()))? = Some(secret_hash(&code));
    Ok(Some(code))
}

/// What only who reads the server's output knows.
pub fn setup_code() -> Result<String, PeopleError> {
    random_text(12).map_err(PeopleError::Internal)
}

/// Whether the first admin is still to be made.
pub fn is_offered(app: &App) -> bool {
    app.people.setup.lock().is_ok_and(|setup| setup.is_some())
}

/// Makes the first admin, at the top of the tree, for whoever was told the code.
pub async fn set_up(
    app: &App,
    visit: &Visit,
    code: &str,
    name: AccountName,
    title: String,
    password: &str,
    now_ms: i64,
) -> Result<SignedIn, PeopleError> {
    let source = [Budget::Source(visit.source.clone())];
    app.people.charge(&source, now_ms)?;
    let refused =
        || PeopleError::Refused("the set-up code is wrong or was used; loaxa serve prints it at its start".into());
    let offered = app.people.setup.lock().map_err(|e| PeopleError::Internal(e.to_string()))?.clone();
    if offered.is_none_or(|offered| offered != secret_hash(code.trim())) {
        return Err(refused());
    }
    app.people.refund(&source);
    let hash = new_password(app, &name, password).await?;
    // Taken only now, so that a password that is too short does not use it up; whoever takes it is alone.
    app.people.setup.lock().map_err(|e| PeopleError::Internal(e.to_string()))?.take().ok_or_else(refused)?;
    if !app.store.accounts("", 1).await?.is_empty() {
        return Err(refused());
    }
    let row = fresh(name, title, hash, vec![Grant { role: Role::Admin, area: app.site.area.clone() }], now_ms);
    app.store.add_account(&row).await?;
    info!("the first admin, {}, was made", row.name);
    visit.tried(row.name.as_str());
    app.store.signed_in(&row.name, now_ms).await?;
    go_on(app, visit, &row, now_ms).await
}
