//! Set-up mode: what `serve` does in an empty directory. It serves the page and what making a center asks for, and nothing else, until
//! somebody with the code has said what the center is to be; then normal serving goes on with the same socket and certificate.
//!
//! What a center is made of, `datadir.rs` says. Nothing is kept of the authority's passphrase: it seals the key in the request that makes
//! it, as `loaxa init` does, and is wiped. `site.json` comes last, so that whatever cuts this off, the next start begins set-up again.

use std::fs::File;
use std::net::TcpListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::info;
use zeroize::Zeroizing;

use super::app::{http_url, now_ms};
use super::broker::reachable;
use super::config::Config;
use super::datadir::{DataDir, NewSite, Site};
use super::people::limiter::{Budget, Limiter};
use super::people::{PeopleError, secret_hash, setup_code};
use super::serve::{Setup, bind_http, lock};
use super::tls::{self, TransportAuthority};
use super::{api, http};
use crate::domain::ids::SiteId;
use crate::protocol::keys::SealedKey;

/// Open answers get a moment before normal serving begins.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// A directory that holds a center, and what this process has of it already.
pub struct Founded {
    pub data: DataDir,
    pub lock: File,
    /// Bound already, with visitors who wait in it.
    pub listener: Option<StdListener>,
    /// Makes the first admin too.
    pub code: Option<String>,
}

#[derive(Debug, Error)]
pub enum NotFounded {
    #[error(transparent)]
    Code(#[from] PeopleError),
    #[error("this center has just been made; go on with the first administrator")]
    Made,
    #[error("{0}")]
    Internal(String),
}

/// A center in the making, as the API sees it.
#[derive(Debug)]
pub struct Founding {
    root: PathBuf,
    code_hash: String,
    pub behind_proxy: bool,
    limiter: Mutex<Limiter>,
    /// Whether it is made; held while it is being made, so that of two requests one comes too late.
    made: tokio::sync::Mutex<bool>,
    done: watch::Sender<bool>,
}

/// What there is to show for it: the site, and the authority's key under its passphrase, for a copy elsewhere.
pub struct Made {
    pub site: Site,
    pub authority: SealedKey,
}

impl Founding {
    /// Counts a try, and lets who knows the code pass.
    fn admit(&self, source: &str, code: &str, now_ms: i64) -> Result<(), PeopleError> {
        let budget = [Budget::Source(source.to_owned())];
        let mut limiter = self.limiter.lock().map_err(|e| PeopleError::Internal(e.to_string()))?;
        limiter.charge(&budget, now_ms).map_err(PeopleError::Wait)?;
        if secret_hash(code.trim()) != self.code_hash {
            return Err(PeopleError::Refused(
                "the set-up code is wrong; loaxa serve prints the right one at its start, and another at each".into(),
            ));
        }
        limiter.refund(&budget);
        Ok(())
    }

    /// Makes the center, once, for whoever was told the code.
    pub async fn make(
        &self,
        source: &str,
        code: &str,
        new: NewSite,
        passphrase: Zeroizing<String>,
        now_ms: i64,
    ) -> Result<Made, NotFounded> {
        self.admit(source, code, now_ms)?;
        let mut made = self.made.lock().await;
        if *made {
            return Err(NotFounded::Made);
        }
        let root = self.root.clone();
        // Sealing takes a second of work, and the disk is waited for.
        let done = tokio::task::spawn_blocking(move || {
            let data = DataDir::make(&root, new, &passphrase, now_ms)?;
            let authority = std::fs::read_to_string(data.path("authority.key")).map_err(|e| e.to_string())?;
            let authority = serde_json::from_str(&authority).map_err(|e| e.to_string())?;
            Ok(Made { site: data.site()?, authority })
        });
        let done: Result<Made, String> = done.await.map_err(|e| NotFounded::Internal(e.to_string()))?;
        let done = done.map_err(NotFounded::Internal)?;
        *made = true;
        let _ = self.done.send(true);
        info!("the center {} was made", done.site.site);
        Ok(done)
    }
}

/// Serves set-up until a center is made. Ends early, with nothing half made, when it is dropped.
pub async fn found(root: &Path, config: &Config, announce: impl FnOnce(&str, &Setup)) -> Result<Founded, String> {
    let data = DataDir::vacant(root)?;
    let lock = lock(&data)?;
    if config.mqtt.broker.is_empty() {
        // Better found out now than when the page believes that it is done.
        TcpListener::bind(&config.mqtt.address)
            .await
            .map_err(|e| format!("mqtt.address {}: {e}", config.mqtt.address))?;
    }
    // The transport's authority has a name before the site has one; it is only a name, and the browser knows the certificate afterwards.
    let nameless: SiteId = DEFAULT_SITE.parse().map_err(|e| format!("{e}"))?;
    let transport = TransportAuthority::open(root, &nameless)?;
    transport.ensure_server(&tls::server_names(&config.tls), now_ms())?;
    let https = if config.http.tls { Some(transport.http_config(&config.tls)?) } else { None };
    let listener = bind_http(config).await?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    // Two handles of one socket: whoever comes between the two servers waits in it.
    let kept = listener.into_std().map_err(|e| e.to_string())?;
    let listener = kept.try_clone().and_then(TcpListener::from_std).map_err(|e| e.to_string())?;
    let code = setup_code().map_err(|e| e.to_string())?;
    let (done, mut is_done) = watch::channel(false);
    let founding = Arc::new(Founding {
        root: root.to_owned(),
        code_hash: secret_hash(&code),
        behind_proxy: config.http.behind_proxy,
        limiter: Mutex::default(),
        made: tokio::sync::Mutex::new(false),
        done,
    });
    let web = http::serve(listener, https, api::founding_router(founding.clone()), Arc::default(), is_done.clone());
    let web = AbortOnDrop(tokio::spawn(web));
    let scheme = if config.http.tls { "https" } else { "http" };
    let setup = Setup::new(&http_url(config, Some(address)), code);
    announce(&format!("{scheme}://{}", reachable(address)), &setup);
    let _ = is_done.wait_for(|done| *done).await;
    let mut web = web;
    let _ = tokio::time::timeout(LAST_ANSWERS, &mut web.0).await;
    Ok(Founded { data, lock, listener: Some(kept), code: Some(setup.code) })
}

/// As `loaxa init` calls a site that nobody named.
pub const DEFAULT_SITE: &str = "loaxa";

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
