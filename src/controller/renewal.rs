//! Renews the certificate of this board's connection in good time. Decides and keeps; the event loop carries its words.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use tracing::{info, warn};

use super::enroll::new_key;
use super::identity::{self, Credentials};
use super::tls;
use crate::protocol::message::{self, Renew, Renewed};

/// An answer that did not come is asked for again after so long; so is the next renewal, at the earliest.
const RETRY_NS: i64 = 3600 * 1_000_000_000;

#[derive(Debug)]
pub struct Renewal {
    dir: PathBuf,
    ca_pem: Vec<u8>,
    made_ms: i64,
    valid_until_ms: i64,
    /// Of the certificate's life; with less than this left it is renewed.
    percent: u32,
    asked: Option<Asked>,
    next_mono_ns: i64,
}

#[derive(Debug)]
struct Asked {
    key_pem: String,
    payload: Vec<u8>,
}

impl Renewal {
    pub fn new(dir: PathBuf, ca_pem: Vec<u8>, credentials: &Credentials, percent: u32) -> Self {
        let (made_ms, valid_until_ms) = (credentials.made_ms, credentials.valid_until_ms);
        Self { dir, ca_pem, made_ms, valid_until_ms, percent, asked: None, next_mono_ns: 0 }
    }

    /// What to send, if it is time. Only a trusted clock can say so.
    pub fn step(&mut self, center_ms: Option<i64>, mono_ns: i64) -> Option<Vec<u8>> {
        if !self.is_due(center_ms?) || mono_ns < self.next_mono_ns {
            return None;
        }
        self.next_mono_ns = mono_ns + RETRY_NS;
        if self.asked.is_none() {
            let (key_pem, csr) = new_key().map_err(|error| warn!("{error}")).ok()?;
            let payload = message::bytes(&Renew { csr: STANDARD.encode(csr) });
            self.asked = Some(Asked { key_pem, payload });
        }
        info!("asking for the next certificate");
        self.asked.as_ref().map(|asked| asked.payload.clone())
    }

    fn is_due(&self, now_ms: i64) -> bool {
        let life_ms = self.valid_until_ms.saturating_sub(self.made_ms).max(0);
        self.valid_until_ms.saturating_sub(now_ms) < life_ms / 100 * i64::from(self.percent)
    }

    /// Takes the center's answer: checked, then kept whole. Says how to connect from now on.
    pub fn answered(&mut self, payload: &[u8]) -> Option<Arc<ClientConfig>> {
        let asked = self.asked.take()?;
        match self.keep(&asked, payload) {
            Ok((credentials, config)) => {
                (self.made_ms, self.valid_until_ms) = (credentials.made_ms, credentials.valid_until_ms);
                info!("the certificate is renewed; the next connection uses it");
                Some(config)
            }
            Err(problem) => {
                warn!("the next certificate was not taken: {problem}");
                self.asked = Some(asked);
                None
            }
        }
    }

    fn keep(&self, asked: &Asked, payload: &[u8]) -> Result<(Credentials, Arc<ClientConfig>), String> {
        let renewed: Renewed = message::parse(payload)?;
        let trial = tempfile::Builder::new().prefix(".tmp").tempdir_in(&self.dir).map_err(|e| e.to_string())?;
        let keep = |dir| {
            identity::keep_credentials(
                dir,
                &renewed.certificate,
                &asked.key_pem,
                renewed.made_ms,
                renewed.valid_until_ms,
            )
        };
        keep(trial.path())?;
        tls::is_from(&self.ca_pem, &Credentials::load(trial.path())?)?;
        keep(&self.dir)?;
        let credentials = Credentials::load(&self.dir)?;
        let config = tls::enrolled(&self.ca_pem, &credentials)?;
        Ok((credentials, config))
    }
}
