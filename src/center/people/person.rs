//! Who is asking, from where, and what they may do. Recognises a token or a session; decides nothing that the roles do not say.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::{PeopleError, SEEN_EVERY_MS, TOKEN_PREFIX, is_local_token, secret_hash, session_end_ms};
use crate::center::app::App;
use crate::domain::area::AreaTree;
use crate::domain::ids::AreaCode;
use crate::domain::role::{AccountName, Grant, LOCAL, Right, Role, allowed, allowed_somewhere, may_give};

/// How somebody showed who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// The data directory's own access token.
    Local,
    /// A session, by its id.
    Session(String),
    /// A token for machines, by its id.
    Token(String),
}

/// Somebody who was recognised.
#[derive(Debug, Clone)]
pub struct Person {
    /// The account, or `local`.
    pub name: String,
    pub title: String,
    pub grants: Vec<Grant>,
    /// What the maker of a token still may do; the token can do no more.
    within: Option<Vec<Grant>>,
    pub means: Means,
    pub totp: bool,
    pub ends_ms: Option<i64>,
    /// Whether a handler has asked where something may be done.
    asked: Arc<AtomicBool>,
}

impl Person {
    fn new(name: String, title: String, grants: Vec<Grant>, means: Means) -> Self {
        Self { name, title, grants, within: None, means, totp: false, ends_ms: None, asked: Arc::default() }
    }

    /// Whoever holds the data directory: everything.
    pub fn local(app: &App) -> Self {
        let top = Grant { role: Role::Admin, area: app.site.area.clone() };
        Self::new(LOCAL.into(), "loaxa".into(), vec![top], Means::Local)
    }

    /// For the audit log.
    pub fn who(&self) -> String {
        match &self.means {
            Means::Token(id) => format!("token:{id} of {}", self.name),
            _ => self.name.clone(),
        }
    }

    /// Whether they may do this in the unit at the end of `path`, which runs from the widest unit down to it.
    pub fn may(&self, right: Right, path: &[AreaCode]) -> bool {
        self.asked.store(true, Ordering::Relaxed);
        self.by_such_means(right)
            && allowed(&self.grants, right, path)
            && self.within.as_ref().is_none_or(|within| allowed(within, right, path))
    }

    pub fn may_somewhere(&self, right: Right) -> bool {
        self.by_such_means(right)
            && allowed_somewhere(&self.grants, right)
            && self.within.as_ref().is_none_or(|within| allowed_somewhere(within, right))
    }

    /// No token manages people: what it did to accounts, its maker's too, would go on after its end.
    fn by_such_means(&self, right: Right) -> bool {
        right != Right::ManagePeople || !self.is_token()
    }

    pub fn is_token(&self) -> bool {
        matches!(self.means, Means::Token(_))
    }

    pub fn may_give(&self, role: Role, path: &[AreaCode]) -> bool {
        self.asked.store(true, Ordering::Relaxed);
        may_give(&self.grants, role, path) && self.within.as_ref().is_none_or(|within| may_give(within, role, path))
    }

    /// Whether they see what comes to some unit of theirs from `code`, which stands above it.
    pub fn stands_below(&self, tree: &AreaTree, code: &AreaCode) -> bool {
        self.asked.store(true, Ordering::Relaxed);
        let sees = self.grants.iter().filter(|grant| grant.role.allows(Right::See));
        sees.filter_map(|grant| tree.path(&grant.area).ok())
            .any(|path| path.contains(code) && self.may(Right::See, &path))
    }

    /// A handler says that it shows each thing by its place, however many there are.
    pub fn filters(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    pub fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    pub fn is_local(&self) -> bool {
        self.name == LOCAL
    }
}

/// What a request shows.
#[derive(Debug, Clone)]
pub enum Credential {
    Bearer(String),
    Cookie(String),
}

/// Who shows this credential, if it counts.
pub async fn recognise(app: &App, credential: &Credential, now_ms: i64) -> Result<Option<Person>, PeopleError> {
    match credential {
        Credential::Bearer(token) if is_local_token(app, token) => Ok(Some(Person::local(app))),
        Credential::Bearer(token) if token.starts_with(TOKEN_PREFIX) => by_token(app, token, now_ms).await,
        Credential::Bearer(_) => Ok(None),
        Credential::Cookie(secret) => by_session(app, secret, now_ms).await,
    }
}

async fn by_token(app: &App, token: &str, now_ms: i64) -> Result<Option<Person>, PeopleError> {
    let Some(row) = app.store.token_of(&secret_hash(token)).await? else { return Ok(None) };
    if row.revoked_ms.is_some() || row.ends_ms <= now_ms {
        return Ok(None);
    }
    let mut person = Person::new(row.account.clone(), row.name, row.grants, Means::Token(row.id.clone()));
    person.ends_ms = Some(row.ends_ms);
    if row.account != LOCAL {
        let Ok(name) = row.account.parse::<AccountName>() else { return Ok(None) };
        let Some(maker) = app.store.account(&name).await?.filter(|maker| !maker.disabled) else { return Ok(None) };
        person.within = Some(maker.grants);
    }
    if row.used_ms.is_none_or(|used_ms| now_ms - used_ms > SEEN_EVERY_MS) {
        app.store.use_token(&row.id, now_ms).await?;
    }
    Ok(Some(person))
}

async fn by_session(app: &App, secret: &str, now_ms: i64) -> Result<Option<Person>, PeopleError> {
    let id = secret_hash(secret);
    let Some(row) = app.store.session(&id).await? else { return Ok(None) };
    let ends_ms = session_end_ms(app, &row);
    if ends_ms <= now_ms {
        app.store.end_session(&id).await?;
        return Ok(None);
    }
    let mut person = if row.account == LOCAL {
        // An access token that was replaced ends what it began.
        if row.proof != hex::encode(app.token_hash) {
            return Ok(None);
        }
        Person::local(app)
    } else {
        let Ok(name) = row.account.parse::<AccountName>() else { return Ok(None) };
        let Some(account) = app.store.account(&name).await?.filter(|account| !account.disabled) else {
            return Ok(None);
        };
        let mut person = Person::new(account.name.to_string(), account.title, account.grants, Means::Local);
        person.totp = account.totp.is_some();
        person
    };
    person.means = Means::Session(id.clone());
    person.ends_ms = Some(ends_ms);
    if now_ms - row.seen_ms > SEEN_EVERY_MS {
        app.store.see_session(&id, now_ms).await?;
    }
    Ok(Some(person))
}

/// Whether what somebody was recognised by still counts, for answers that go on and on.
pub async fn still_counts(app: &App, person: &Person, now_ms: i64) -> bool {
    match &person.means {
        Means::Local => true,
        Means::Session(id) => {
            let row = app.store.session(id).await.ok().flatten();
            row.is_some_and(|row| session_end_ms(app, &row) > now_ms)
        }
        Means::Token(id) => {
            let row = app.store.token(id).await.ok();
            row.is_some_and(|row| row.revoked_ms.is_none() && row.ends_ms > now_ms) && maker_is_open(app, person).await
        }
    }
}

async fn maker_is_open(app: &App, person: &Person) -> bool {
    match person.name.parse::<AccountName>() {
        Ok(name) => app.store.account(&name).await.ok().flatten().is_some_and(|maker| !maker.disabled),
        Err(_) => person.is_local(),
    }
}

/// Where a request comes from, and what is to be written down of it.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    /// An IP address; of IPv6 the network, since a house has 2^64 of them.
    pub source: String,
    pub agent: String,
    /// The cookies that it came with: of a session, and of a browser that was signed in from before.
    pub session: Option<String>,
    pub browser: Option<String>,
    pub note: Arc<Mutex<Note>>,
}

#[derive(Debug, Clone, Default)]
pub struct Note {
    /// Whom a sign-in named, where there is such an account.
    pub who: Option<String>,
    pub detail: String,
    /// It was only asked what would be.
    pub changed_nothing: bool,
}

impl Visit {
    /// Adds to what the audit log says of this request; never a secret.
    pub fn note(&self, detail: impl Into<String>) {
        if let Ok(mut note) = self.note.lock() {
            note.detail = detail.into();
        }
    }

    /// Whatever its method, this request changed nothing, and needs no line.
    pub fn changed_nothing(&self) {
        if let Ok(mut note) = self.note.lock() {
            note.changed_nothing = true;
        }
    }

    pub fn tried(&self, who: &str) {
        if let Ok(mut note) = self.note.lock() {
            note.who = Some(who.to_owned());
        }
    }

    pub fn noted(&self) -> Note {
        self.note.lock().map(|note| note.clone()).unwrap_or_default()
    }

    pub fn browser_place(&self) -> Option<String> {
        self.browser.as_deref().map(browser_place)
    }

    pub fn address_place(&self) -> String {
        format!("address:{}", self.source)
    }
}

pub fn browser_place(browser: &str) -> String {
    format!("browser:{}", secret_hash(browser))
}
