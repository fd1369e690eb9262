//! Serves the API and the page over TLS or plainly, so that visitors who dawdle hold up nobody but themselves.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, header};
use futures_util::stream::{self, StreamExt as _};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt as _;

use super::accept::{self, Place, Stream};
use super::gate::Denials;

/// A request's head must be there within this time, also the next one on the same connection.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// And each next piece of its body.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// Connections altogether, and from one address: a whole office may share one.
const CONNECTIONS: usize = 4096;
const CONNECTIONS_PER_ADDRESS: usize = 512;
/// A year, as browsers' lists ask for.
const HSTS: &str = "max-age=31536000";

/// For those who ask without TLS where it is spoken; no redirect, since what they sent went in the clear already.
const IN_CLEAR: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"use https:// instead of http://\"}\n";

/// Serves until `stop` says so; then lets open requests end.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    denials: Arc<Denials>,
    mut stop: watch::Receiver<bool>,
) {
    // Closed once the last connection has let go of its end.
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    let (crowd, over_tls) = (Arc::new(Crowd::default()), tls.is_some());
    let stopping = stop.clone();
    let told = denials.clone();
    let visit = move |stream: Stream, address: SocketAddr, place: Place, _| {
        let (router, crowd, told) = (router.clone(), crowd.clone(), told.clone());
        let (mut stopping, alive) = (stopping.clone(), alive.clone());
        async move {
            let _alive = alive;
            drop(place);
            let Some(_here) = crowd.enter(accept::network(address.ip())) else {
                return told.note(&address.ip().to_string(), "too many connections to the API");
            };
            let service = service_fn(move |request| answer(router.clone(), request, address, over_tls));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_PATIENCE)
                .serve_connection(TokioIo::new(stream.boxed()), service);
            let told_to_stop = async move {
                let _ = stopping.wait_for(|stopped| *stopped).await;
            };
            tokio::pin!(connection);
            // How a connection ends is the visitor's affair.
            tokio::select! {
                _ = &mut connection => {}
                () = told_to_stop => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        }
    };
    tokio::select! {
        () = accept::receive(listener, tls, IN_CLEAR, denials, visit) => {}
        _ = stop.wait_for(|stopped| *stopped) => {}
    }
    let _ = all_gone.recv().await;
}

async fn answer(
    router: Router,
    mut request: Request<Incoming>,
    address: SocketAddr,
    over_tls: bool,
) -> Result<axum::response::Response, Infallible> {
    request.extensions_mut().insert(ConnectInfo(address));
    let mut response = router.oneshot(request.map(patient)).await?;
    if over_tls {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    Ok(response)
}

/// A body whose sender may not pause for ever.
fn patient(body: Incoming) -> Body {
    let pieces = Body::new(body).into_data_stream();
    Body::from_stream(stream::unfold(Some(pieces), async |pieces| {
        let mut pieces = pieces?;
        match tokio::time::timeout(BODY_PATIENCE, pieces.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some((Ok::<Bytes, io::Error>(piece), Some(pieces))),
            Ok(Some(Err(error))) => Some((Err(io::Error::other(error)), None)),
            Err(_) => Some((Err(io::Error::new(io::ErrorKind::TimedOut, "the upload paused for too long")), None)),
        }
    }))
}

/// Who is being served, counted by address.
#[derive(Debug, Default)]
struct Crowd(Mutex<std::collections::HashMap<IpAddr, usize>>);

struct Here {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Crowd {
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Here> {
        let mut counts = self.0.lock().ok()?;
        let here = counts.get(&address).copied().unwrap_or(0);
        if here >= CONNECTIONS_PER_ADDRESS || counts.values().sum::<usize>() >= CONNECTIONS {
            return None;
        }
        counts.insert(address, here + 1);
        drop(counts);
        Some(Here { crowd: self.clone(), address })
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        if let Ok(mut counts) = self.crowd.0.lock()
            && let Some(count) = counts.get_mut(&self.address)
        {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}
