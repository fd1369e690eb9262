//! The command line's way to a center: its API, over HTTP to a running one, or in this process when none is running.
//!
//! Either way it is the same API with the same checks, so a command means the same whether the server is up or not.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::api::{self, Problem};
use super::app::{App, now_ms};
use super::config::Config;
use super::datadir::DataDir;
use super::{audit, ingest, planner, tls};
use crate::protocol::enrolment::CENTER_NAME;

pub struct Client {
    way: Way,
    token: String,
}

enum Way {
    Http {
        base: String,
        http: reqwest::Client,
    },
    /// This process holds the data directory's lock while the client lives.
    Here {
        app: Arc<App>,
        router: axum::Router,
        _lock: std::fs::File,
        _stop: watch::Sender<bool>,
    },
}

impl Client {
    /// A center by URL, trusting the certificate authority in `ca` (PEM), or those that this machine trusts.
    pub fn connect(url: &str, token: &str, ca: Option<&Path>) -> Result<Self, String> {
        let builder = match ca {
            None => reqwest::Client::builder(),
            Some(path) => {
                let failed = |e: &dyn std::fmt::Display| format!("--ca {}: {e}", path.display());
                let pem = std::fs::read(path).map_err(|e| failed(&e))?;
                let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| failed(&e))?;
                reqwest::Client::builder().tls_certs_only(roots)
            }
        };
        Self::over_http(url, token, builder)
    }

    fn over_http(url: &str, token: &str, builder: reqwest::ClientBuilder) -> Result<Self, String> {
        tls::install_provider();
        let builder = builder.tls_version_min(reqwest::tls::Version::TLS_1_3).connect_timeout(Duration::from_secs(20));
        let http = builder.build().map_err(|e| format!("no connection can be made: {}", root_cause(&e)))?;
        Ok(Self { way: Way::Http { base: url.trim_end_matches('/').to_owned(), http }, token: token.to_owned() })
    }

    /// The center that runs on this directory: it shows its own certificate to whoever asks for its own name.
    fn running(data: &DataDir, url: &str, token: &str) -> Result<Self, String> {
        let Some(address) = url.strip_prefix("https://").and_then(|at| at.parse::<SocketAddr>().ok()) else {
            return Self::over_http(url, token, reqwest::Client::builder());
        };
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", data.path("tls/ca.pem").display());
        let pem = std::fs::read(data.path("tls/ca.pem")).map_err(|e| failed(&e))?;
        let root = reqwest::Certificate::from_pem(&pem).map_err(|e| failed(&e))?;
        let builder = reqwest::Client::builder().tls_certs_only([root]).resolve(CENTER_NAME, address);
        Self::over_http(&format!("https://{CENTER_NAME}:{}", address.port()), token, builder)
    }

    /// The center of a data directory: the server that runs on it, or the directory itself.
    pub async fn open(dir: &Path, config: Config) -> Result<Self, String> {
        let data = DataDir::open(dir)?;
        let token = data.token()?;
        let Some(lock) = data.lock()? else {
            let running =
                data.running().ok_or("the server on this directory is starting or stopping; try again in a moment")?;
            return Self::running(&data, &running.http, &token);
        };
        // Left behind by a server that was killed; whoever listens at that address now is not ours.
        data.clear_running();
        let app = App::open(data, config).await?;
        let (stop, stopped) = watch::channel(false);
        let router = api::router(app.clone(), stopped);
        tokio::spawn(ingest::run(app.clone()));
        Ok(Self { way: Way::Here { app, router, _lock: lock, _stop: stop }, token })
    }

    /// Ends the visit. Where no server runs, plans are made now, since nobody else will.
    pub async fn close(self) -> Result<(), String> {
        if let Way::Here { app, .. } = self.way {
            planner::plan_all(&app, now_ms()).await.map_err(|e| e.to_string())?;
            audit::close(&app).await;
            app.store.close().await;
        }
        Ok(())
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        self.json(Method::GET, path, None).await
    }

    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, String> {
        self.json(method, path, Some(body)).await
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<T, String> {
        let bytes = body.map(|body| body.to_string().into_bytes());
        let kind = if bytes.is_some() { "application/json" } else { "" };
        let answer = self.call(method, path, kind, bytes.unwrap_or_default().into()).await?;
        let text = if answer.is_empty() { b"null".to_vec() } else { answer };
        serde_json::from_slice(&text).map_err(|e| format!("the center's answer cannot be read: {e}"))
    }

    pub async fn text(&self, path: &str) -> Result<String, String> {
        String::from_utf8(self.bytes(path).await?).map_err(|_| "the center's answer is not text".to_owned())
    }

    pub async fn bytes(&self, path: &str) -> Result<Vec<u8>, String> {
        self.call(Method::GET, path, "", Body::empty()).await
    }

    /// Sends a file's bytes; they are read as they go.
    pub async fn upload<T: DeserializeOwned>(&self, path: &str, body: Body) -> Result<T, String> {
        let answer = self.call(Method::POST, path, "application/octet-stream", body).await?;
        serde_json::from_slice(&answer).map_err(|e| format!("the center's answer cannot be read: {e}"))
    }

    async fn call(&self, method: Method, path: &str, kind: &str, body: Body) -> Result<Vec<u8>, String> {
        let bearer = format!("Bearer {}", self.token);
        let (status, bytes) = match &self.way {
            Way::Http { base, http } => {
                let request = http
                    .request(method, format!("{base}/api/v1{path}"))
                    .header("authorization", bearer)
                    .header("content-type", kind)
                    .body(reqwest::Body::wrap_stream(body.into_data_stream()));
                let answer = request
                    .send()
                    .await
                    .map_err(|e| format!("the center at {base} does not answer: {}", with_way_out(&root_cause(&e))))?;
                let status = answer.status();
                (status, answer.bytes().await.map_err(|e| e.to_string())?.to_vec())
            }
            Way::Here { router, .. } => {
                let request = Request::builder()
                    .method(method)
                    .uri(format!("/api/v1{path}"))
                    .header("authorization", bearer)
                    .header("content-type", kind)
                    .body(body)
                    .map_err(|e| e.to_string())?;
                let answer = router.clone().oneshot(request).await.map_err(|e| e.to_string())?;
                let status = answer.status();
                let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await.map_err(|e| e.to_string())?;
                (status, bytes.to_vec())
            }
        };
        if status.is_success() { Ok(bytes) } else { Err(explain(status, &bytes)) }
    }
}

fn explain(status: StatusCode, bytes: &[u8]) -> String {
    match serde_json::from_slice::<Problem>(bytes) {
        Ok(problem) => problem.detail,
        Err(_) => format!("{status}: {}", String::from_utf8_lossy(bytes).trim()),
    }
}

fn with_way_out(cause: &str) -> String {
    if cause.contains("UnknownIssuer") {
        format!("{cause}: give --ca FILE (tls/ca.pem of the center)")
    } else {
        cause.to_owned()
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
